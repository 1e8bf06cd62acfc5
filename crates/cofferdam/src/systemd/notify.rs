//! States for the service manager: ready, stopping, alive.
//!
//! Nothing is lost where a message is: a manager that does not hear "ready" in time says so itself.

use cofferdam_api::places::{Environment, environment};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Serving. `status` is a line for people, without anything secret.
pub(crate) fn ready(status: &str) {
    tell(&environment, &format!("READY=1\nSTATUS={status}"));
}

/// Told to stop, and finishing what is under way.
pub(crate) fn stopping() {
    tell(&environment, "STOPPING=1");
}

/// Says "alive" twice in every interval that the unit's `WatchdogSec` allows, for as long as the
/// runtime turns; a process that hangs is then ended and started again by the manager. Never ends.
pub(crate) async fn keep_alive() {
    let Some(interval) = watchdog(&environment, std::process::id()) else {
        return std::future::pending().await;
    };
    let mut ticks = tokio::time::interval(interval / 2);
    loop {
        ticks.tick().await;
        tell(&environment, "WATCHDOG=1");
    }
}

/// The interval of `sd_watchdog_enabled(3)`.
fn watchdog(environment: Environment<'_>, own: u32) -> Option<Duration> {
    let micros: u64 = environment("WATCHDOG_USEC")?.parse().ok()?;
    let meant = environment("WATCHDOG_PID").is_none_or(|pid| pid == own.to_string());
    (meant && micros > 1000).then(|| Duration::from_micros(micros))
}

fn tell(environment: Environment<'_>, state: &str) {
    let Some(place) = environment("NOTIFY_SOCKET") else {
        return;
    };
    let Ok(socket) = UnixDatagram::unbound() else {
        return;
    };
    // A name that begins with @ is abstract.
    let address = match place.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&place),
    };
    let sent = address.and_then(|address| socket.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = sent {
        tracing::debug!(%error, "the service manager was not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_one_datagram_to_a_file_or_an_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify").display().to_string();
        let abstract_name = format!("cofferdam-test-{}", std::process::id());
        let by_file = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        for (place, socket) in [(path, by_file), (format!("@{abstract_name}"), by_name)] {
            tell(&|_| Some(place.clone()), "READY=1");
            let mut text = [0; 64];
            let read = socket.recv(&mut text).unwrap();
            assert_eq!(&text[..read], b"READY=1");
        }
        tell(&|_| None, "nobody listens");
    }

    #[test]
    fn the_watchdog_is_for_the_process_it_names() {
        let with = |pid: Option<&'static str>| {
            move |name: &str| match name {
                "WATCHDOG_USEC" => Some("2000000".to_owned()),
                _ => pid.map(str::to_owned),
            }
        };
        assert_eq!(watchdog(&with(Some("7")), 7), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(&with(None), 7), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(&with(Some("8")), 7), None);
    }
}

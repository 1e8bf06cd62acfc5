//! Ports for servers that cannot be told "any": they are named before somebody listens on them.
//!
//! Knows nothing else of this harness: tests of crates that cannot use it have this file by its path.

use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

/// Where most machines keep nothing, up to what the kernel gives to whoever connects, or asks for any:
/// one of those could be somebody's before the server is there.
const FIRST: u64 = 10_000;
/// Some servers take the next one, too.
const STEP: u64 = 10;

static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(0)));

/// What says that a port is ours, to all tests of this machine; it ends with this process.
static CLAIMED: Mutex<Vec<UnixDatagram>> = Mutex::new(Vec::new());

fn end() -> u64 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first = range.split_whitespace().next().unwrap();
    first.parse::<u64>().unwrap().max(FIRST + 1000 * STEP)
}

/// An abstract name belongs to one socket of a network, as a port does, and leaves nothing behind.
fn claim(port: u16) -> Option<UnixDatagram> {
    let name = SocketAddr::from_abstract_name(format!("cofferdam-flows-port-{port}"));
    UnixDatagram::bind_addr(&name.unwrap()).ok()
}

/// A port of the loopback interface on which nobody listens; while this process lives no test is given
/// it again, by whichever process.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free() -> u16 {
    let steps = (end() - FIRST) / STEP;
    for _ in 0..steps {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % steps;
        let port = u16::try_from(FIRST + number * STEP).unwrap();
        let Some(claimed) = claim(port) else {
            continue;
        };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            CLAIMED.lock().unwrap().push(claimed);
            return port;
        }
    }
    panic!("no port is free");
}

/// The same, as an address.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn address() -> String {
    format!("127.0.0.1:{}", free())
}

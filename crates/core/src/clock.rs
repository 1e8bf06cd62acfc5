//! Time as an input: the only room that reads the wall clock.
//!
//! There are two times. A [`Time`] is what the wall says: it is stored, told to others and compared
//! with what others say, and it may jump (a step of NTP, a machine that was resumed). [`Steady`] only
//! ever goes forward and means nothing outside this process: windows that are kept in memory are
//! measured by it, so that no jump makes one longer. What is stored can only have a [`Time`]; whoever
//! reads one that lies in the future counts from now on ([`Time::not_after`]).

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment: nanoseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// From nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Later by `span`; the far end of time rather than an overflow.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// From `earlier` to this; zero when it lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This, or `now` where it has not come yet: the clock was put back since it was noted.
    #[must_use]
    pub fn not_after(self, now: Self) -> Self {
        self.min(now)
    }

    /// RFC 3339 with nanoseconds, as Vault prints times.
    #[must_use]
    pub fn rfc3339(self) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok())
            .unwrap_or_default()
    }

    /// Reads RFC 3339; `None` when it is not, or lies before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        u64::try_from(moment.unix_timestamp_nanos()).ok().map(Self)
    }
}

/// A moment of this process: nanoseconds since some beginning, whatever the wall clock does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Steady(u64);

impl Steady {
    /// From nanoseconds since that beginning.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Later by `span`; the far end of time rather than an overflow.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// From `earlier` to this; zero when it lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Time;

    /// The same moment by a clock that never jumps.
    fn steady(&self) -> Steady;
}

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock;

impl Clock for WallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the room that reads the wall clock"
    )]
    fn now(&self) -> Time {
        let elapsed = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Time(nanos(elapsed))
    }

    fn steady(&self) -> Steady {
        // `Instant` is CLOCK_MONOTONIC, which stands still in a sleep.
        let since_boot = clock_gettime(ClockId::Boottime);
        Steady(nanos(Duration::try_from(since_boot).unwrap_or_default()))
    }
}

/// A clock that stands still until told: for tests.
#[derive(Debug, Default)]
pub struct ManualClock {
    wall: AtomicU64,
    steady: AtomicU64,
}

impl ManualClock {
    /// A clock standing at `start`.
    #[must_use]
    pub const fn at(start: Time) -> Self {
        Self {
            wall: AtomicU64::new(start.0),
            steady: AtomicU64::new(0),
        }
    }

    /// Time passes.
    pub fn advance(&self, span: Duration) {
        self.wall.fetch_add(nanos(span), Ordering::SeqCst);
        self.steady.fetch_add(nanos(span), Ordering::SeqCst);
    }

    /// Somebody puts the wall clock back, and no time passes.
    pub fn put_back(&self, span: Duration) {
        self.wall.fetch_sub(nanos(span), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time(self.wall.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Steady {
        Steady(self.steady.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock as _, Duration, Steady, WallClock};

    /// What the kernel says of itself counts sleeps, as the steady clock does.
    fn uptime() -> Duration {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        Duration::from_secs_f64(text.split(' ').next().unwrap().parse().unwrap())
    }

    #[test]
    fn the_steady_clock_is_the_time_since_boot() {
        let (before, now, after) = (uptime(), WallClock.steady(), uptime());
        let since_boot = now.since(Steady::default());
        // It is told in hundredths of a second.
        let hundredth = Duration::from_millis(10);
        assert!(before <= since_boot + hundredth && since_boot <= after + hundredth);
    }
}

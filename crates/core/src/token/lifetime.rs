//! How long a token lives: Vault's rules for TTL, maximum, period and explicit maximum
//! (Vault documentation, "Tokens: Token Time-To-Live, periodic tokens, and explicit max TTLs").

use crate::clock::Time;
use std::time::Duration;

/// The limits that meet when a token is made or renewed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// What was asked for now.
    pub asked: Option<Duration>,
    /// What the role gives when nothing is asked for.
    pub usual: Option<Duration>,
    /// The role's maximum.
    pub maximum: Option<Duration>,
    /// The role's period.
    pub period: Option<Duration>,
    /// The hard end, counted from creation.
    pub explicit_max: Option<Duration>,
    /// The mount's usual lifetime.
    pub mount_default: Duration,
    /// The mount's maximum.
    pub mount_max: Duration,
}

/// The lifetime from now, and what the caller should be told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// From now.
    pub ttl: Duration,
    /// The end: never later than the maximum, to the nanosecond.
    pub end: Time,
    /// What was cut, in words.
    pub warnings: Vec<String>,
}

/// Works out the lifetime of a token made at `created`.
#[must_use]
pub fn grant(now: Time, created: Time, limits: &Limits) -> Granted {
    // In whole seconds, as lifetimes are told: who renews at once is told of no cut.
    let age = Duration::from_secs(now.seconds().saturating_sub(created.seconds()));
    let mut last = Time::from_nanos(u64::MAX);
    let mut warnings = Vec::new();
    let most = limits
        .maximum
        .filter(|max| !max.is_zero())
        .map_or(limits.mount_max, |max| max.min(limits.mount_max));
    let whose = "system or role maximum TTL";
    let mut ttl = if let Some(period) = limits.period.filter(|period| !period.is_zero()) {
        // For ever, but never for longer at a time than anybody gets.
        cap(period, most, whose, &mut warnings)
    } else {
        let wanted = [limits.asked, limits.usual]
            .into_iter()
            .flatten()
            .find(|ttl| !ttl.is_zero())
            .unwrap_or(limits.mount_default);
        last = created.after(most);
        cap(wanted, most.saturating_sub(age), whose, &mut warnings)
    };
    if let Some(hard) = limits.explicit_max.filter(|hard| !hard.is_zero()) {
        last = last.min(created.after(hard));
        ttl = cap(
            ttl,
            hard.saturating_sub(age),
            "explicit maximum TTL",
            &mut warnings,
        );
    }
    Granted {
        ttl,
        end: now.after(ttl).min(last),
        warnings,
    }
}

fn cap(wanted: Duration, most: Duration, whose: &str, warnings: &mut Vec<String>) -> Duration {
    if wanted <= most {
        return wanted;
    }
    warnings.push(format!(
        "TTL of {}s exceeds the {whose}: it is {}s now",
        wanted.as_secs(),
        most.as_secs()
    ));
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn limits() -> Limits {
        Limits {
            mount_default: HOUR * 10,
            mount_max: HOUR * 20,
            ..Limits::default()
        }
    }

    #[test]
    fn the_first_of_asked_role_and_mount_counts() {
        let at = Time::default();
        assert_eq!(grant(at, at, &limits()).ttl, HOUR * 10);
        assert_eq!(
            grant(
                at,
                at,
                &Limits {
                    usual: Some(HOUR * 2),
                    ..limits()
                }
            )
            .ttl,
            HOUR * 2
        );
        assert_eq!(
            grant(
                at,
                at,
                &Limits {
                    asked: Some(HOUR),
                    usual: Some(HOUR * 2),
                    ..limits()
                }
            )
            .ttl,
            HOUR
        );
    }

    #[test]
    fn nothing_reaches_past_the_maximum_and_the_caller_is_told() {
        let created = Time::default();
        let now = created.after(HOUR * 15);
        let granted = grant(now, created, &limits());
        assert_eq!(granted.ttl, HOUR * 5);
        assert_eq!(granted.warnings.len(), 1);
    }

    #[test]
    fn a_renewal_at_once_is_told_of_no_cut_and_gains_nothing() {
        let created = Time::from_nanos(1_700_000_000_100_000_000);
        let most = Limits {
            mount_default: HOUR * 20,
            ..limits()
        };
        for millis in [0, 1, 300, 899] {
            let now = created.after(Duration::from_millis(millis));
            let granted = grant(now, created, &most);
            assert!(granted.warnings.is_empty(), "{millis}: {granted:?}");
            assert_eq!(granted.ttl, HOUR * 20, "{millis}");
            assert_eq!(granted.end, created.after(HOUR * 20), "{millis}");
            let hard = Limits {
                explicit_max: Some(HOUR),
                asked: Some(HOUR),
                ..most
            };
            assert_eq!(grant(now, created, &hard).end, created.after(HOUR));
        }
        // The next second has begun.
        let now = created.after(Duration::from_millis(900));
        let granted = grant(now, created, &most);
        assert_eq!(granted.warnings.len(), 1);
        assert_eq!(granted.ttl, HOUR * 20 - Duration::from_secs(1));
    }

    #[test]
    fn a_period_goes_on_for_ever_but_not_past_the_explicit_maximum() {
        let created = Time::default();
        let now = created.after(HOUR * 100);
        let periodic = Limits {
            period: Some(HOUR * 3),
            ..limits()
        };
        assert_eq!(grant(now, created, &periodic).ttl, HOUR * 3);
        let long = Limits {
            period: Some(HOUR * 1000),
            ..limits()
        };
        assert_eq!(grant(now, created, &long).ttl, HOUR * 20);
        let hard = Limits {
            explicit_max: Some(HOUR * 101),
            ..periodic
        };
        assert_eq!(grant(now, created, &hard).ttl, HOUR);
    }
}

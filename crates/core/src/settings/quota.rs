//! Limits of rates (`sys/quotas`): how many requests an address may send to a path in an interval.
//!
//! As in OpenBao, a limit counts each address for itself, on each replica for itself, in windows that
//! begin with the first request and are measured by a clock that does not jump; of several limits that
//! fit a request the narrowest alone counts: a path before its mount before everything. An IPv6 address
//! counts with its /64, which one peer has for itself.

use super::stored;
use crate::clock::Steady;
use crate::fault::Fault;
use crate::record::encode;
use cofferdam_barrier::{Barrier, Unsealed};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where the settings of all limits are kept.
pub(crate) const CONFIG: &str = "core/settings/quotas";
/// Where limits are kept, by name.
pub(crate) const RULES: &str = "core/settings/quota/";
/// Addresses with an open window of one limit; beyond it windows begin anew. Some 8 MiB.
const ADDRESSES: usize = 65_536;

/// What holds for all limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    /// Refused requests are audited.
    pub(crate) audit: bool,
    /// Answers tell how much is left.
    pub(crate) headers: bool,
    /// Paths that no limit is about.
    pub(crate) exempt: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        let exempt = [
            "sys/generate-recovery-token/attempt",
            "sys/generate-recovery-token/update",
            "sys/generate-root/attempt",
            "sys/generate-root/update",
            "sys/health",
            "sys/seal-status",
            "sys/unseal",
        ];
        Self {
            audit: false,
            headers: false,
            exempt: exempt.map(str::to_owned).to_vec(),
        }
    }
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// Empty: everything. With a slash at its end: a mount. With `*`: what begins so.
    pub(crate) path: String,
    /// Logins with this role alone.
    pub(crate) role: String,
    pub(crate) rate: f64,
    /// Seconds.
    pub(crate) interval: u64,
    /// Seconds; 0: until the window ends.
    pub(crate) block_interval: u64,
    pub(crate) inheritable: bool,
}

impl Rule {
    /// Requests in a window. Half a request is one.
    fn most(&self) -> u64 {
        self.rate.ceil().clamp(1.0, 1e15) as u64
    }
}

/// How well a rule about a path and a role fits a request; `None`: not at all. More is narrower.
pub(super) fn fits(
    (at, of): (&str, &str),
    path: &str,
    role: Option<&str>,
) -> Option<(bool, usize, usize)> {
    if !of.is_empty() && role != Some(of) {
        return None;
    }
    let rank = match at {
        "" => 0,
        mount if mount.ends_with('/') => {
            (path.starts_with(mount) || path == mount.trim_end_matches('/')).then_some(1)?
        }
        pattern => match pattern.strip_suffix('*') {
            Some(stem) => path.starts_with(stem).then_some(2)?,
            None => (path.trim_end_matches('/') == pattern).then_some(3)?,
        },
    };
    Some((!of.is_empty(), rank, at.len()))
}

/// What a limit says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Requests in a window.
    pub limit: u64,
    /// What is left of them.
    pub remaining: u64,
    /// Seconds until the window ends.
    pub reset: u64,
    /// It is one too many: seconds until it may be sent again.
    pub retry: Option<u64>,
}

#[derive(Clone, Copy)]
struct Window {
    until: Steady,
    used: u64,
    blocked: Option<Steady>,
}

/// A limit at work.
pub(crate) struct Limit {
    pub(crate) rule: Rule,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

impl Limit {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            windows: Mutex::default(),
        }
    }

    fn take(&self, from: IpAddr, now: Steady) -> Pace {
        let most = self.rule.most();
        let fresh = Window {
            until: now.after(Duration::from_secs(self.rule.interval.max(1))),
            used: 0,
            blocked: None,
        };
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= ADDRESSES && !windows.contains_key(&from) {
            windows.retain(|_, window| window.until > now || window.blocked > Some(now));
            if windows.len() >= ADDRESSES {
                windows.clear();
            }
        }
        let window = windows.entry(from).or_insert(fresh);
        let blocked = window.blocked.filter(|until| *until > now);
        if window.until <= now && blocked.is_none() {
            *window = fresh;
        }
        let reset = window.until.since(now).as_secs();
        if let Some(until) = blocked {
            return Pace {
                limit: most,
                remaining: 0,
                reset,
                retry: Some(seconds(until.since(now))),
            };
        }
        if window.used >= most {
            if self.rule.block_interval > 0 {
                window.blocked = Some(now.after(Duration::from_secs(self.rule.block_interval)));
            }
            let wait = window.blocked.unwrap_or(window.until).since(now);
            return Pace {
                limit: most,
                remaining: 0,
                reset,
                retry: Some(seconds(wait)),
            };
        }
        window.used += 1;
        Pace {
            limit: most,
            remaining: most - window.used,
            reset,
            retry: None,
        }
    }
}

/// Whole seconds, never less than waiting takes.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// All limits.
#[derive(Default)]
pub struct Quotas {
    pub(crate) config: Config,
    pub(crate) limits: BTreeMap<String, Arc<Limit>>,
}

impl Quotas {
    pub(crate) async fn load(
        barrier: &Barrier<Unsealed>,
        before: Option<&Self>,
    ) -> Result<Self, Fault> {
        let mut limits = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = barrier.range(RULES, after.as_deref(), 256).await?;
            for opened in &page.entries {
                let name = opened.key.trim_start_matches(RULES);
                let rule: Rule = serde_json::from_slice(opened.value.expose())
                    .map_err(|_| Fault::internal("a stored limit does not parse"))?;
                let kept = before
                    .and_then(|before| before.limits.get(name))
                    .filter(|limit| limit.rule == rule)
                    .cloned();
                limits.insert(
                    name.to_owned(),
                    kept.unwrap_or_else(|| Arc::new(Limit::new(rule))),
                );
            }
            after = page.entries.last().map(|last| last.key.clone());
            if !page.more || after.is_none() {
                break;
            }
        }
        Ok(Self {
            config: stored(barrier, CONFIG).await?.unwrap_or_default(),
            limits,
        })
    }

    /// Is there any?
    pub(crate) fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Does a limit ask for roles of logins?
    pub(crate) fn knows_roles(&self) -> bool {
        self.limits
            .values()
            .any(|limit| !limit.rule.role.is_empty())
    }

    /// Counts a request; `None` when no limit is about it.
    pub(crate) fn take(
        &self,
        path: &str,
        role: Option<&str>,
        from: IpAddr,
        now: Steady,
    ) -> Option<Pace> {
        let exempt = |exempt: &String| match exempt.strip_suffix('*') {
            Some(stem) => path.starts_with(stem),
            None => exempt == path,
        };
        if self.config.exempt.iter().any(exempt) {
            return None;
        }
        let fitting = self.limits.values().filter_map(|limit| {
            let rule = (limit.rule.path.as_str(), limit.rule.role.as_str());
            let rank = fits(rule, path, role)?;
            Some((rank, limit))
        });
        let (_, limit) = fitting.max_by_key(|(rank, _)| *rank)?;
        Some(limit.take(network(from), now))
    }
}

/// An address, as far as one peer has it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

/// A limit as it is stored.
pub(crate) fn record(rule: &Rule) -> Result<cofferdam_secret::Secret<Vec<u8>>, Fault> {
    encode(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, rate: f64) -> Rule {
        Rule {
            path: path.to_owned(),
            role: String::new(),
            rate,
            interval: 10,
            block_interval: 0,
            inheritable: false,
        }
    }

    fn quotas(rules: &[Rule]) -> Quotas {
        let named = rules
            .iter()
            .enumerate()
            .map(|(number, rule)| (number.to_string(), Arc::new(Limit::new(rule.clone()))));
        Quotas {
            config: Config::default(),
            limits: named.collect(),
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const START: Steady = Steady::from_nanos(5_000_000_000);

    #[test]
    fn a_window_ends_and_each_address_has_its_own() {
        let all = quotas(&[rule("", 2.0)]);
        let take = |from: &str, seconds| {
            let now = START.after(Duration::from_secs(seconds));
            all.take("a", None, address(from), now).unwrap()
        };
        assert_eq!(
            (take("10.0.0.1", 0).remaining, take("10.0.0.1", 1).remaining),
            (1, 0)
        );
        assert_eq!(take("10.0.0.1", 2).retry, Some(8));
        assert_eq!(take("10.0.0.2", 2).retry, None);
        assert_eq!(take("::ffff:10.0.0.1", 3).retry, Some(7));
        assert_eq!(take("10.0.0.1", 10).remaining, 1);
        // One /64 is one peer.
        assert_eq!(take("2001:db8::1", 0).remaining, 1);
        assert_eq!(take("2001:db8::2", 0).remaining, 0);
        assert!(take("2001:db8::3", 0).retry.is_some());
    }

    #[test]
    fn a_block_lasts_longer_than_the_window() {
        let all = quotas(&[Rule {
            block_interval: 60,
            ..rule("", 1.0)
        }]);
        let take = |seconds| {
            let now = START.after(Duration::from_secs(seconds));
            all.take("a", None, address("10.0.0.1"), now).unwrap().retry
        };
        assert_eq!(
            (take(0), take(1), take(30), take(60), take(61)),
            (None, Some(60), Some(31), Some(1), None)
        );
    }

    #[test]
    fn the_narrowest_limit_alone_counts() {
        let with_role = Rule {
            role: "web".to_owned(),
            ..rule("auth/jwt/", 9.0)
        };
        let all = quotas(&[
            rule("", 1.0),
            rule("secret/", 2.0),
            rule("secret/data/*", 3.0),
            rule("secret/data/a", 4.0),
            rule("auth/jwt/", 8.0),
            with_role,
        ]);
        let limit = |path: &str, role| {
            all.take(path, role, address("10.0.0.1"), START)
                .map(|pace| pace.limit)
        };
        assert_eq!(limit("other/x", None), Some(1));
        assert_eq!(limit("secret/config", None), Some(2));
        assert_eq!(limit("secretive/config", None), Some(1));
        assert_eq!(limit("secret/data/b", None), Some(3));
        assert_eq!(limit("secret/data/a", None), Some(4));
        assert_eq!(limit("auth/jwt/login", None), Some(8));
        assert_eq!(limit("auth/jwt/login", Some("web")), Some(9));
        assert_eq!(limit("sys/health", None), None);
    }
}

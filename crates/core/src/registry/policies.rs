//! Policies as they are stored: the text, its version, and until when it holds.
//!
//! A policy whose time is over grants nothing from that moment on: the snapshot that a request gets
//! has no policy that has ended ([`super::Registry::fresh`]). What is left of it in the store goes
//! away later.

use crate::clock::Time;
use crate::fault::Fault;
use crate::policy::Policy;
use cofferdam_barrier::{Barrier, Opened, Revision, Unsealed};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where they are stored, by name.
pub(super) const POLICIES: &str = "policy/";

/// What is known of a policy beside its rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// Counts its changes; zero for what is built in.
    pub(crate) version: u64,
    pub(crate) modified: Option<Time>,
    /// Whether a new text has to name the version that it replaces.
    pub(crate) cas_required: bool,
    pub(crate) expiration: Option<Time>,
}

/// A policy of a snapshot.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) policy: Arc<Policy>,
    pub(crate) text: Arc<str>,
    pub(crate) about: About,
}

/// What is to be stored.
pub(crate) struct Change {
    pub(crate) text: String,
    pub(crate) cas_required: bool,
    pub(crate) expiration: Option<Time>,
}

/// The stored form. The first one was the text alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    text: String,
    version: u64,
    modified: Time,
    cas_required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration: Option<Time>,
}

/// Stored policies by name.
pub(super) type All = BTreeMap<String, Kept>;

pub(super) fn key(name: &str) -> String {
    format!("{POLICIES}{name}")
}

/// All that have not ended, with what is built in; and whether the store holds some that have.
pub(super) async fn read(barrier: &Barrier<Unsealed>, now: Time) -> Result<(All, bool), Fault> {
    let (mut all, mut remains) = (built_in()?, false);
    let mut after: Option<String> = None;
    loop {
        let page = barrier.range(POLICIES, after.as_deref(), 512).await?;
        for opened in &page.entries {
            let name = opened.key.trim_start_matches(POLICIES);
            let (text, about) = decode(opened)?;
            if about.ended(now) {
                remains = true;
            } else {
                all.insert(name.to_owned(), kept(name, &text, about)?);
            }
        }
        after = page.entries.last().map(|last| last.key.clone());
        if !page.more || after.is_none() {
            return Ok((all, remains));
        }
    }
}

/// Those that have not ended. A built-in one is there again when what stood for it has ended.
pub(super) fn standing(all: &All, now: Time) -> All {
    let standing = all.iter().filter(|(_, kept)| !kept.about.ended(now));
    // What is built in parses.
    let mut policies = built_in().unwrap_or_default();
    policies.extend(standing.map(|(name, kept)| (name.clone(), kept.clone())));
    policies
}

/// When the first of them ends.
pub(super) fn first_end(all: &All) -> Option<Time> {
    all.values().filter_map(|kept| kept.about.expiration).min()
}

fn built_in() -> Result<All, Fault> {
    let texts = [
        ("default", crate::policy::DEFAULT),
        ("response-wrapping", crate::token::WRAPPING_POLICY),
    ];
    let kept = |(name, text): (&str, _)| Ok((name.to_owned(), kept(name, text, About::default())?));
    texts.map(kept).into_iter().collect()
}

/// A stored policy and when it was put; `None` where there is none, `Some` of nothing where it ended.
pub(super) async fn stored(
    barrier: &Barrier<Unsealed>,
    name: &str,
    now: Time,
) -> Result<(Option<(String, About)>, Option<Revision>), Fault> {
    let Some(opened) = barrier.get(&key(name)).await? else {
        return Ok((None, None));
    };
    let (text, about) = decode(&opened)?;
    let standing = (!about.ended(now)).then_some((text, about));
    Ok((standing, Some(opened.revision)))
}

/// The names of those that have ended, with their revisions.
pub(super) async fn ended(
    barrier: &Barrier<Unsealed>,
    now: Time,
) -> Result<Vec<(String, Revision)>, Fault> {
    let page = barrier.range(POLICIES, None, usize::MAX).await?;
    let mut ended = Vec::new();
    for opened in page.entries {
        if decode(&opened)?.1.ended(now) {
            ended.push((opened.key, opened.revision));
        }
    }
    Ok(ended)
}

/// The next version of a policy.
pub(super) fn next(
    before: Option<About>,
    change: Change,
    now: Time,
) -> Result<Secret<Vec<u8>>, Fault> {
    crate::record::encode(&Record {
        text: change.text,
        version: before.map_or(0, |about| about.version) + 1,
        modified: now,
        cas_required: change.cas_required,
        expiration: change.expiration,
    })
}

impl About {
    pub(super) fn ended(&self, now: Time) -> bool {
        self.expiration.is_some_and(|end| end <= now)
    }
}

fn decode(opened: &Opened) -> Result<(String, About), Fault> {
    let bytes = opened.value.expose();
    if let Ok(record) = serde_json::from_slice::<Record>(bytes) {
        let about = About {
            version: record.version,
            modified: Some(record.modified),
            cas_required: record.cas_required,
            expiration: record.expiration,
        };
        return Ok((record.text, about));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| Fault::internal("a stored policy is not text"))?;
    let about = About {
        version: 1,
        ..About::default()
    };
    Ok((text.to_owned(), about))
}

fn kept(name: &str, text: &str, about: About) -> Result<Kept, Fault> {
    let policy = Policy::parse(name, text)
        .map_err(|_| Fault::internal(format!("stored policy {name} does not parse")))?;
    Ok(Kept {
        policy: Arc::new(policy),
        text: text.into(),
        about,
    })
}

#[cfg(test)]
mod tests {
    use crate::clock::{Clock as _, ManualClock};
    use crate::registry::{About, Change, Registry};
    use crate::{testing, token};
    use cofferdam_store::memory::Memory;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::watch;

    #[tokio::test]
    async fn what_is_left_of_an_ended_policy_is_removed_and_a_new_one_is_not() {
        let barrier = testing::barrier(Arc::new(Memory::new())).await;
        let clock = Arc::new(ManualClock::default());
        let registry = Registry::open(
            barrier.clone(),
            Vec::new(),
            Arc::new(token::Cache::default()),
            clock.clone(),
        );
        let registry = registry.await.unwrap();
        let stop = watch::Sender::new(false);
        let following = tokio::spawn(registry.clone().follow(stop.subscribe()));
        let put = async |name: &str, seconds: u64| {
            let now = clock.now();
            let end = now.after(Duration::from_secs(seconds));
            let change = |_: Option<(&str, About)>| {
                Ok(Some(Change {
                    text: String::new(),
                    cas_required: false,
                    expiration: Some(end),
                }))
            };
            registry.put_policy(name, now, change).await.unwrap();
        };
        put("short", 10).await;
        put("long", 100).await;
        let there = async || barrier.list("policy/", None, 10).await.unwrap().names;
        registry.drop_ended().await.unwrap();
        assert_eq!(there().await, ["long", "short"]);
        clock.advance(Duration::from_secs(10));
        assert!(registry.fresh().await.unwrap().policy("short").is_none());
        registry.drop_ended().await.unwrap();
        assert_eq!(there().await, ["long"]);
        assert!(registry.fresh().await.unwrap().policy("long").is_some());
        stop.send_replace(true);
        following.await.unwrap();
    }
}

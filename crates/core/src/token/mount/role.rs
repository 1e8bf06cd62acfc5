//! A role of tokens: what whoever may use it gets, whatever they hold themselves.

use crate::fault::Fault;
use crate::record::{decode, encode};
use cofferdam_barrier::{Commit, Revision, View};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A role as it is stored. Spans are seconds; 0: not set.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) allowed: Vec<String>,
    pub(super) allowed_glob: Vec<String>,
    pub(super) disallowed: Vec<String>,
    pub(super) disallowed_glob: Vec<String>,
    pub(super) orphan: bool,
    pub(super) renewable: bool,
    pub(super) path_suffix: String,
    pub(super) period: u64,
    pub(super) explicit_max_ttl: u64,
    pub(super) bound_cidrs: Vec<IpNet>,
    pub(super) num_uses: u32,
    pub(super) no_default_policy: bool,
    /// The kind is fixed, whatever a request says.
    pub(super) service: bool,
    /// The kind is batch.
    #[serde(default)]
    pub(super) batch: bool,
    /// Globs over names for entities that a request may give; lower case. `None`: never said.
    #[serde(default)]
    pub(super) entity_aliases: Option<Vec<String>>,
}

/// A role with the revision a change of it must compare with.
pub(super) struct Stored {
    pub(super) role: Role,
    pub(super) revision: Revision,
}

impl Role {
    pub(super) const fn new(name: String) -> Self {
        Self {
            name,
            allowed: Vec::new(),
            allowed_glob: Vec::new(),
            disallowed: Vec::new(),
            disallowed_glob: Vec::new(),
            orphan: false,
            renewable: true,
            path_suffix: String::new(),
            period: 0,
            explicit_max_ttl: 0,
            bound_cidrs: Vec::new(),
            num_uses: 0,
            no_default_policy: false,
            service: false,
            batch: false,
            entity_aliases: None,
        }
    }

    /// Whether a token may be made for whom this name, in lower case, is.
    pub(super) fn gives(&self, entity_alias: &str) -> bool {
        let globs = self.entity_aliases.iter().flatten();
        globs.into_iter().any(|glob| fits(glob, entity_alias))
    }

    /// Whether it says anything of policies: then it decides, and not what the parent holds.
    pub(super) fn decides(&self) -> bool {
        let lists = [
            &self.allowed,
            &self.allowed_glob,
            &self.disallowed,
            &self.disallowed_glob,
        ];
        lists.iter().any(|list| !list.is_empty())
    }

    /// Whether it takes a policy away.
    pub(super) fn disallows(&self, policy: &str) -> bool {
        self.disallowed.iter().any(|name| name == policy)
            || self.disallowed_glob.iter().any(|glob| fits(glob, policy))
    }

    /// Whether it says which policies there are, by name or by glob.
    pub(super) const fn limits(&self) -> bool {
        !self.allowed.is_empty() || !self.allowed_glob.is_empty()
    }

    /// Refuses policies that the role does not give. A denied one is denied whatever allows it;
    /// `default` needs no allowing where every token of the role gets it.
    ///
    /// # Errors
    /// Which rule is broken.
    pub(super) fn judge(&self, policies: &[String], default: bool) -> Result<(), Fault> {
        for policy in policies {
            if self.disallows(policy) {
                return Err(Fault::invalid("a token policy is disallowed by this role"));
            }
            let allowed = (default && policy == "default")
                || self.allowed.contains(policy)
                || self.allowed_glob.iter().any(|glob| fits(glob, policy));
            if self.limits() && !allowed {
                return Err(Fault::invalid(
                    "token policies must be subset of the role's allowed policies or glob policies",
                ));
            }
        }
        Ok(())
    }
}

/// `*` stands for any text, as often as it occurs. Linear: each piece is looked for once.
pub(super) fn fits(glob: &str, text: &str) -> bool {
    let Some((first, rest)) = glob.split_once('*') else {
        return glob == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
        let Some((_, after)) = text.split_once(piece) else {
            return false;
        };
        text = after;
    }
    text.ends_with(last)
}

fn key_of(name: &str) -> String {
    format!("role/{name}")
}

/// The role called `name`.
pub(super) async fn load(view: &View, name: &str) -> Result<Option<Stored>, Fault> {
    let Some(found) = view.get(&key_of(name)).await? else {
        return Ok(None);
    };
    let role = decode(&found.value)?;
    Ok(Some(Stored {
        role,
        revision: found.revision,
    }))
}

/// Commits a new, changed or removed role; whether nobody was faster.
pub(super) async fn save(
    view: &View,
    name: &str,
    before: Option<Revision>,
    role: Option<&Role>,
) -> Result<bool, Fault> {
    let key = key_of(name);
    let batch = view.batch().expect(key.as_str(), before);
    let batch = match role {
        Some(role) => batch.put(key, encode(role)?),
        None => batch.delete(key),
    };
    Ok(matches!(view.commit(batch).await?, Commit::Done(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By trying every split: slow, and plainly right.
    fn slow(glob: &[u8], text: &[u8]) -> bool {
        match glob.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
            Some((byte, rest)) => text.first() == Some(byte) && slow(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn globs_fit_what_the_slow_way_says(glob in "[ab*]{0,6}", text in "[ab]{0,8}") {
            prop_assert_eq!(fits(&glob, &text), slow(glob.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn what_is_denied_is_denied_whatever_allows_it() {
        let role = Role {
            allowed_glob: vec!["*".into()],
            disallowed_glob: vec!["admin*".into()],
            disallowed: vec!["ops".into()],
            ..Role::new("r".into())
        };
        assert!(role.judge(&["web".into()], true).is_ok());
        assert!(role.judge(&["web".into(), "admin-1".into()], true).is_err());
        assert!(role.judge(&["ops".into()], true).is_err());
    }
}

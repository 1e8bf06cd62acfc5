//! The parts of a record that belong to a token or a mount and never change between requests.

use super::super::Salt;
use super::line::Line;
use std::collections::BTreeMap;

/// What a record shows of a token.
#[derive(Clone, Copy)]
pub struct TokenFacts<'a> {
    /// The token itself; only its hash is written.
    pub client_token: &'a str,
    /// Its accessor; only its hash is written.
    pub accessor: &'a str,
    /// Shown as it is.
    pub display_name: &'a str,
    /// All policies.
    pub policies: &'a [String],
    /// Those attached to the token itself.
    pub token_policies: &'a [String],
    /// Shown as it is, as Vault does.
    pub metadata: &'a BTreeMap<String, String>,
    /// Empty when there is none.
    pub entity_id: &'a str,
    /// `service` or `batch`.
    pub token_type: &'a str,
    /// Uses at creation; 0 for no limit.
    pub num_uses: u64,
    /// Lifetime in seconds at creation; 0 for none.
    pub token_ttl: u64,
    /// RFC 3339; empty to leave it out.
    pub token_issue_time: &'a str,
}

impl TokenFacts<'_> {
    /// The members before `policy_results`.
    fn head(&self, salt: &Salt, line: &mut Line) {
        for (name, value) in [
            ("client_token", self.client_token),
            ("accessor", self.accessor),
        ] {
            if !value.is_empty() {
                line.ascii(name, salt.hash_value(value.as_bytes()).as_bytes());
            }
        }
        line.text("display_name", self.display_name);
        line.words("policies", self.policies);
        line.words("token_policies", self.token_policies);
    }

    fn tail(&self, line: &mut Line) {
        line.text("entity_id", self.entity_id);
        line.text("token_type", self.token_type);
        line.number("token_ttl", self.token_ttl);
        line.text("token_issue_time", self.token_issue_time);
    }

    /// An `auth` object for a token that this very request made, without braces.
    pub(super) fn issued(&self, salt: &Salt, line: &mut Line) {
        self.head(salt, line);
        line.pairs("metadata", self.metadata);
        line.number("num_uses", self.num_uses);
        let facts = Self {
            token_issue_time: "",
            ..*self
        };
        facts.tail(line);
    }
}

/// A token's part of every record, hashed and formatted once. Keep it with the cached token entry
/// and drop it when the entry or the salt changes.
pub struct TokenFragment {
    pub(super) salt: u64,
    /// `client_token` … `token_policies`
    pub(super) head: Vec<u8>,
    /// `metadata`
    pub(super) metadata: Vec<u8>,
    /// `entity_id` … `token_issue_time`
    pub(super) tail: Vec<u8>,
    /// `client_token` and `client_token_accessor` of the request part
    pub(super) presented: Vec<u8>,
}

impl TokenFragment {
    /// Hashes and formats.
    #[must_use]
    pub fn new(salt: &Salt, facts: &TokenFacts<'_>) -> Self {
        let (mut head, mut metadata) = (Line::default(), Line::default());
        let (mut tail, mut presented) = (Line::default(), Line::default());
        facts.head(salt, &mut head);
        metadata.pairs("metadata", facts.metadata);
        facts.tail(&mut tail);
        let token = [
            ("client_token", facts.client_token),
            ("client_token_accessor", facts.accessor),
        ];
        for (name, value) in token {
            if !value.is_empty() {
                presented.ascii(name, salt.hash_value(value.as_bytes()).as_bytes());
            }
        }
        Self {
            salt: salt.id(),
            head: head.0,
            metadata: metadata.0,
            tail: tail.0,
            presented: presented.0,
        }
    }
}

/// A mount's part of every record, formatted once.
pub struct MountFragment(pub(super) Vec<u8>);

impl MountFragment {
    /// `point` ends in a slash (`secret/`, `auth/approle/`), `class` is `secret` or `auth`.
    #[must_use]
    pub fn new(point: &str, kind: &str, accessor: &str, class: &str) -> Self {
        let mut line = Line::default();
        line.text("mount_point", point);
        line.text("mount_type", kind);
        line.text("mount_accessor", accessor);
        line.text("mount_class", class);
        Self(line.0)
    }
}

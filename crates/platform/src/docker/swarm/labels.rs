//! What the labels of a Docker secret say: which stored value it stands for, or what is issued to
//! each task anew.
//!
//! Everything under `cofferdam.` is ours, and a label there that we do not know is an error: with
//! a mistyped `cofferdam.feild` a task would run with another value than its owner meant. Without
//! any label a secret `db` is `secret/db`, and the secret `shop_db` of the stack `shop` is
//! `secret/shop/db`.
//!
//! While a rotation is under way the secret carries the two versions ([`Rotation`]) and each
//! service that has been moved the one it is on. Swarm copies a service's labels into its tasks
//! when it makes them, and takes them back with the rest of the specification in a rollback: so a
//! task gets the version that belongs to its specification, whoever rolls back.

use cofferdam_api::{Reference, ReferenceError};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// All our labels begin like this.
pub const OURS: &str = "cofferdam.";
/// A whole reference: `cd://MOUNT/PATH#field@version`.
pub const REFERENCE: &str = "cofferdam.ref";
/// The path of a reference.
pub const PATH: &str = "cofferdam.path";
/// The field of a reference, or of what is issued.
pub const FIELD: &str = "cofferdam.field";
/// The version of a reference: later ones are not handed out.
pub const VERSION: &str = "cofferdam.version";
/// `base64`: the store holds the value in that form, because JSON cannot hold its bytes.
pub const ENCODING: &str = "cofferdam.encoding";
/// A path that is written to for each task: `auth/approle/role/web/secret-id`.
pub const ISSUE: &str = "cofferdam.issue";
/// Lifetime of a wrapping token that the task gets instead of what was issued.
pub const WRAP: &str = "cofferdam.wrap";
/// Parameters of what is written: `cofferdam.param.ttl=1h`.
pub const PARAMETER: &str = "cofferdam.param.";
/// Two versions, `6:7`, while a rotation is under way; for a plain secret the mark of the new one.
pub const ROTATION: &str = "cofferdam.rotation";
/// Of a secret made by `adopt`: the name of the plain one.
pub const ADOPTED: &str = "cofferdam.adopted";
/// Of a service: its own way of updating, while ours is in force.
pub const UPDATE: &str = "cofferdam.update";
/// Docker's label for what `docker stack deploy` made.
const STACK: &str = "com.docker.stack.namespace";

/// Labels, as Docker has them.
pub type Labels = BTreeMap<String, String>;

/// Labels that say nothing clear. Label values are not repeated: somebody may have put a value there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Not one of ours.
    #[error("unknown label {0:?}")]
    Unknown(String),
    /// Two that say the same or exclude each other.
    #[error("the labels {0} and {1} do not go together")]
    Conflict(&'static str, &'static str),
    /// What it says cannot be.
    #[error("label {label}: {reason}")]
    Value {
        /// Which.
        label: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A token for a task must not have all that its maker has.
    #[error("label {ISSUE}: a token needs its policies in {PARAMETER}policies")]
    Policies,
    /// The name of the secret and the stack make no path.
    #[error(transparent)]
    Name(#[from] ReferenceError),
}

impl LabelError {
    /// How the secret `name` gets labels that say something. Docker changes none of a secret that is
    /// there, so it is made anew.
    #[must_use]
    pub fn hint(&self, name: &str) -> String {
        let anew = |label: &str| {
            format!(
                "make it anew: docker secret rm {name} && docker secret create -d cofferdam --label {label}=… {name}"
            )
        };
        match self {
            Self::Unknown(label) => match near(label) {
                Some(known) => format!("did you mean {known}? {}", anew(known)),
                None => anew(REFERENCE),
            },
            Self::Conflict(first, _) => anew(first),
            Self::Value { label, .. } => anew(label),
            Self::Policies => anew(&format!("{ISSUE}=… --label {PARAMETER}policies")),
            Self::Name(_) => anew(REFERENCE),
        }
    }
}

/// The label that was meant, if it is at most two letters away.
fn near(label: &str) -> Option<&'static str> {
    let label: Vec<char> = label.chars().take(64).collect();
    let known = KNOWN
        .into_iter()
        .map(|known| (distance(&label, known), known));
    let nearest = known.min_by_key(|(distance, _)| *distance)?;
    (nearest.0 <= 2).then_some(nearest.1)
}

/// Letters that are added, left out or changed (Levenshtein, row by row).
fn distance(one: &[char], other: &str) -> usize {
    let mut row: Vec<usize> = (0..=one.len()).collect();
    for (at, letter) in other.chars().enumerate() {
        let mut next = vec![at + 1];
        for (column, here) in one.iter().enumerate() {
            let above = row.get(column + 1).map_or(usize::MAX, |cost| cost + 1);
            let left = next.last().map_or(usize::MAX, |cost| cost + 1);
            let across = row
                .get(column)
                .map_or(usize::MAX, |cost| cost + usize::from(*here != letter));
            next.push(above.min(left).min(across));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

/// What a Docker secret stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A stored value.
    Stored(Stored),
    /// Something that is made for each task.
    Issued(Issued),
}

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where it is.
    pub reference: Reference,
    /// Whether the store holds it as base64.
    pub base64: bool,
}

/// Something made for each task by a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// What is written to.
    pub path: String,
    /// Which part of the answer is the value.
    pub field: Option<String>,
    /// Lifetime of the wrapping token that is handed out instead.
    pub wrap: Option<String>,
    /// What is written.
    pub parameters: Labels,
}

/// The two versions of a rotation that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// What tasks had before.
    pub old: u64,
    /// What tasks of services that have been moved get.
    pub new: u64,
}

impl Source {
    /// Reads the labels of the secret `name`, without a look at any service.
    ///
    /// # Errors
    /// [`LabelError`].
    pub fn of(name: &str, labels: &Labels) -> Result<Self, LabelError> {
        require_known(labels)?;
        let found = |label: &str| labels.get(label).map(String::as_str);
        if let Some(path) = found(ISSUE) {
            for other in [REFERENCE, PATH, VERSION, ENCODING, ROTATION] {
                if labels.contains_key(other) {
                    return Err(LabelError::Conflict(ISSUE, other));
                }
            }
            return Issued::of(path, labels).map(Self::Issued);
        }
        if labels.contains_key(WRAP) {
            return Err(refused(WRAP, &format!("only together with {ISSUE}")));
        }
        if let Some(label) = labels.keys().find(|label| label.starts_with(PARAMETER)) {
            return Err(refused(label, &format!("only together with {ISSUE}")));
        }
        let base64 = match found(ENCODING) {
            None => false,
            Some("base64") => true,
            Some(_) => return Err(refused(ENCODING, "the one encoding is base64")),
        };
        let reference = reference(name, labels)?;
        Ok(Self::Stored(Stored { reference, base64 }))
    }

    /// The same for a task of a service with these labels.
    ///
    /// # Errors
    /// [`LabelError`].
    pub fn for_task(name: &str, labels: &Labels, service: &Labels) -> Result<Self, LabelError> {
        let source = Self::of(name, labels)?;
        let (Self::Stored(stored), Some(rotation)) = (&source, Rotation::of(labels)?) else {
            return Ok(source);
        };
        let moved = service.get(&moved(name)).map(|text| text.parse::<u64>());
        let version = if moved == Some(Ok(rotation.new)) {
            rotation.new
        } else {
            rotation.old
        };
        Ok(Self::Stored(Stored {
            reference: stored.reference.clone().with_version(Some(version)),
            base64: stored.base64,
        }))
    }
}

impl Issued {
    fn of(path: &str, labels: &Labels) -> Result<Self, LabelError> {
        let checked = Reference::new(path).map_err(|error| refused(ISSUE, &error.to_string()))?;
        let parameters: Labels = labels
            .iter()
            .filter_map(|(label, value)| Some((label.strip_prefix(PARAMETER)?, value)))
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        // Without, the token would have every policy of the one who asks: our own.
        let token = checked.path().starts_with("auth/token/create");
        let policies = parameters.get("policies").map(|text| text.trim());
        if token && policies.is_none_or(str::is_empty) {
            return Err(LabelError::Policies);
        }
        Ok(Self {
            path: checked.path().to_owned(),
            field: filled(labels, FIELD)?,
            wrap: filled(labels, WRAP)?,
            parameters,
        })
    }
}

impl Rotation {
    /// The rotation that a secret's labels speak of.
    ///
    /// # Errors
    /// [`LabelError::Value`].
    pub fn of(labels: &Labels) -> Result<Option<Self>, LabelError> {
        let parsed = labels.get(ROTATION).map(|text| text.parse());
        parsed.transpose()
    }
}

impl FromStr for Rotation {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
        let both = text.split_once(':');
        let both = both.and_then(|(old, new)| number(old).zip(number(new)));
        match both {
            Some((old, new)) if old < new => Ok(Self { old, new }),
            _ => Err(refused(ROTATION, "two versions like 6:7 are expected")),
        }
    }
}

impl fmt::Display for Rotation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.old, self.new)
    }
}

/// The label by which a service says what it has been moved to or from.
#[must_use]
pub fn moved(secret: &str) -> String {
    format!("{ROTATION}.{secret}")
}

/// The labels of a secret that has been pinned to a version, pinned to another one.
pub(super) fn repin(labels: &mut Labels, version: u64) {
    if labels.contains_key(VERSION) {
        labels.insert(VERSION.to_owned(), version.to_string());
    }
    if let Some(text) = labels.get_mut(REFERENCE) {
        let pinned = text.parse::<Reference>().ok();
        if let Some(reference) = pinned.filter(|found| found.version().is_some()) {
            *text = reference.with_version(Some(version)).to_string();
        }
    }
}

/// Every label of a secret that says something.
const KNOWN: [&str; 9] = [
    REFERENCE, PATH, FIELD, VERSION, ENCODING, ISSUE, WRAP, ROTATION, ADOPTED,
];

fn require_known(labels: &Labels) -> Result<(), LabelError> {
    let ours = labels.keys().filter(|label| label.starts_with(OURS));
    for label in ours {
        let parameter = label
            .strip_prefix(PARAMETER)
            .is_some_and(|name| !name.is_empty());
        if !KNOWN.contains(&label.as_str()) && !parameter {
            return Err(LabelError::Unknown(label.clone()));
        }
    }
    Ok(())
}

fn reference(name: &str, labels: &Labels) -> Result<Reference, LabelError> {
    let whole = labels.get(REFERENCE);
    let path = labels.get(PATH);
    let mut reference = match (whole, path) {
        (Some(_), Some(_)) => return Err(LabelError::Conflict(REFERENCE, PATH)),
        (Some(text), None) => text
            .parse()
            .map_err(|error: ReferenceError| refused(REFERENCE, &error.to_string()))?,
        (None, Some(path)) => {
            Reference::new(path).map_err(|error| refused(PATH, &error.to_string()))?
        }
        (None, None) => Reference::new(&default_path(name, labels))?,
    };
    if let Some(field) = filled(labels, FIELD)? {
        if reference.field().is_some() {
            return Err(LabelError::Conflict(REFERENCE, FIELD));
        }
        reference = reference.with_field(field);
    }
    if let Some(text) = labels.get(VERSION) {
        if reference.version().is_some() {
            return Err(LabelError::Conflict(REFERENCE, VERSION));
        }
        let version = text.parse().ok().filter(|version| *version > 0);
        let version = version.ok_or_else(|| refused(VERSION, "a number from 1 up is expected"))?;
        reference = reference.with_version(Some(version));
    }
    Ok(reference)
}

/// Where a secret without labels is.
fn default_path(name: &str, labels: &Labels) -> String {
    let stack = labels.get(STACK).filter(|stack| !stack.is_empty());
    let short = stack.and_then(|stack| name.strip_prefix(stack)?.strip_prefix('_'));
    match stack.zip(short.filter(|short| !short.is_empty())) {
        Some((stack, short)) => format!("secret/{stack}/{short}"),
        None => format!("secret/{name}"),
    }
}

fn filled(labels: &Labels, label: &str) -> Result<Option<String>, LabelError> {
    match labels.get(label) {
        Some(text) if text.is_empty() || text.chars().any(char::is_control) => {
            Err(refused(label, "it says nothing"))
        }
        other => Ok(other.cloned()),
    }
}

fn refused(label: &str, reason: &str) -> LabelError {
    LabelError::Value {
        label: label.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    fn stored(name: &str, pairs: &[(&str, &str)]) -> String {
        match Source::of(name, &labels(pairs)).unwrap() {
            Source::Stored(stored) => stored.reference.to_string(),
            Source::Issued(_) => panic!("issued"),
        }
    }

    #[test]
    fn labels_map_a_secret_to_path_field_and_version() {
        assert_eq!(stored("db", &[]), "cd://secret/db");
        assert_eq!(stored("db", &[(REFERENCE, "kv/a#b@3")]), "cd://kv/a#b@3");
        let three = [(PATH, "kv/a"), (FIELD, "b"), (VERSION, "3")];
        assert_eq!(stored("db", &three), "cd://kv/a#b@3");
        let mixed = [(REFERENCE, "cd://kv/a"), (FIELD, "b"), ("env", "prod")];
        assert_eq!(stored("db", &mixed), "cd://kv/a#b");
        assert_eq!(stored("db", &[(FIELD, "user")]), "cd://secret/db#user");
    }

    #[test]
    fn a_label_that_was_mistyped_is_named() {
        assert_eq!(near("cofferdam.feild"), Some(FIELD));
        assert_eq!(near("cofferdam.reff"), Some(REFERENCE));
        assert_eq!(near("cofferdam.colour"), None);
        let hint = LabelError::Unknown("cofferdam.x\u{1b}".repeat(40)).hint("db");
        assert!(
            hint.contains(REFERENCE) && !hint.contains('\u{1b}'),
            "{hint}"
        );
    }

    #[test]
    fn a_stack_is_the_directory_of_its_secrets() {
        assert_eq!(stored("shop_db", &[(STACK, "shop")]), "cd://secret/shop/db");
        assert_eq!(stored("db", &[(STACK, "shop")]), "cd://secret/db");
        assert_eq!(stored("shop_", &[(STACK, "shop")]), "cd://secret/shop_");
    }

    #[test]
    fn what_is_unclear_is_refused_without_repeating_a_value() {
        for pairs in [
            &[("cofferdam.feild", "hunter2")][..],
            &[("cofferdam.param.", "hunter2")],
            &[(REFERENCE, "kv/a"), (PATH, "hunter2")],
            &[(REFERENCE, "kv/a#b"), (FIELD, "hunter2")],
            &[(REFERENCE, "kv/a@3"), (VERSION, "4")],
            &[(VERSION, "hunter2")],
            &[(VERSION, "0")],
            &[(FIELD, "")],
            &[(PATH, "a/../hunter2")],
            &[(ENCODING, "hunter2")],
            &[(WRAP, "hunter2")],
            &[("cofferdam.param.ttl", "hunter2")],
            &[(ISSUE, "auth/x"), (PATH, "hunter2")],
            &[(ISSUE, "auth/token/create")],
            &[
                (ISSUE, "auth/token/create"),
                ("cofferdam.param.policies", " "),
            ],
            &[(ROTATION, "hunter2")],
            &[(ROTATION, "7:6")],
        ] {
            let error = Source::for_task("db", &labels(pairs), &Labels::new()).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{pairs:?}: {error}");
        }
    }

    #[test]
    fn during_a_rotation_the_labels_of_the_service_decide() {
        let secret = labels(&[(REFERENCE, "kv/a#b"), (ROTATION, "6:7")]);
        let version =
            |service: &[(&str, &str)]| match Source::for_task("db", &secret, &labels(service))
                .unwrap()
            {
                Source::Stored(stored) => stored.reference.version(),
                Source::Issued(_) => None,
            };
        assert_eq!(version(&[]), Some(6));
        assert_eq!(version(&[("cofferdam.rotation.db", "7")]), Some(7));
        // Left over from an earlier rotation, or another secret's.
        assert_eq!(version(&[("cofferdam.rotation.db", "5")]), Some(6));
        assert_eq!(version(&[("cofferdam.rotation.db", "x")]), Some(6));
        assert_eq!(version(&[("cofferdam.rotation.other", "7")]), Some(6));
        // Without a rotation nothing of it is left.
        let done = Source::for_task(
            "db",
            &labels(&[(REFERENCE, "kv/a#b")]),
            &labels(&[("cofferdam.rotation.db", "7")]),
        );
        assert!(matches!(done, Ok(Source::Stored(stored)) if stored.reference.version().is_none()));
    }

    #[test]
    fn only_a_pin_that_was_there_is_moved() {
        for (before, after) in [
            (
                &[(REFERENCE, "kv/a#b@3")][..],
                &[(REFERENCE, "cd://kv/a#b@9")][..],
            ),
            (
                &[(PATH, "kv/a"), (VERSION, "3")],
                &[(PATH, "kv/a"), (VERSION, "9")],
            ),
            (&[(REFERENCE, "kv/a")], &[(REFERENCE, "kv/a")]),
            (&[], &[]),
        ] {
            let mut found = labels(before);
            repin(&mut found, 9);
            assert_eq!(found, labels(after));
        }
    }

    proptest! {
        #[test]
        fn rotations_are_read_as_they_are_written(old in 1_u64..1000, more in 1_u64..1000) {
            let rotation = Rotation { old, new: old + more };
            prop_assert_eq!(rotation.to_string().parse::<Rotation>().unwrap(), rotation);
        }

        #[test]
        fn any_labels_are_understood_or_refused(
            name in "[a-z_.]{0,12}",
            found in proptest::collection::btree_map("cofferdam\\.[a-z.]{0,12}|[a-z.]{0,8}", ".{0,24}", 0..6),
        ) {
            let _ = Source::for_task(&name, &found, &found);
        }
    }
}

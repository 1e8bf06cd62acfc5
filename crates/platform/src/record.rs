//! What was given to whom, as the server keeps it (`sys/records/KIND/ID`): names, paths and version
//! numbers. No value, and no hash of one.
//!
//! One shape for all of it, so that one question finds it all: a build that was lent a secret and a
//! container that holds it name the same path and, where both know it, the same image.

use cofferdam_agent::fetch::Lent;
use cofferdam_api::{Client, Error, Request, Tree};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What kind of giving it was, as the path has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A build was lent it.
    Build,
    /// What was built with it has been pushed.
    Push,
    /// It is a file in somebody's hands, or was read by somebody.
    Delivery,
}

impl Kind {
    /// As the path has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Push => "push",
            Self::Delivery => "delivery",
        }
    }
}

/// A secret that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// What the receiver calls it: an id in a Dockerfile, a file's name; `ssh:ID` for a key.
    pub name: String,
    /// Path in the store.
    pub path: String,
    /// Field of the secret, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Version that was given, where the engine has versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl Given {
    /// What was lent, under the name it was lent under.
    #[must_use]
    pub fn of(lent: &Lent) -> Self {
        Self {
            name: lent.name.as_str().to_owned(),
            path: lent.reference.path().to_owned(),
            field: lent.reference.field().map(str::to_owned),
            version: lent.version,
        }
    }
}

/// Who or what received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// A tag, or `image` for an image without one; the name of a container or a task.
    pub name: String,
    /// SHA-256 of the image in hex, where it is known.
    pub sha256: Option<String>,
}

/// One act of giving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who received.
    pub subjects: Vec<Subject>,
    /// What was given.
    pub secrets: Vec<Given>,
    /// How, where, by what.
    pub attributes: Vec<(&'static str, String)>,
}

/// What the server said of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its path there.
    pub path: String,
    /// When, RFC 3339.
    pub at: String,
    /// Who, as the server knows the caller.
    pub by: String,
}

impl Record {
    /// Stores it under a name of its own.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Denied`] where the policy has no `create` for it, and
    /// [`Error::NotFound`] from a server that keeps no records.
    pub async fn keep(&self, client: &Client, kind: Kind) -> Result<Kept, Error> {
        let id = cofferdam_secret::random::<16>()
            .map_err(|_| Error::Request("no random numbers for the name of a record"))?;
        let path = format!("sys/records/{}/{}", kind.word(), hex::encode(id.expose()));
        let body = Tree::parse(self.body().to_string().as_bytes())
            .map_err(|_| Error::Request("the record is not what it should be"))?;
        let answer = client.send(Request::put(path.as_str(), &body)).await?;
        let data = answer.tree().unwrap_or(Tree::Null);
        let text = |name: &str| {
            let text = data.get(name).and_then(Tree::as_text);
            text.unwrap_or_default().to_owned()
        };
        Ok(Kept {
            path,
            at: text("at"),
            by: text("by"),
        })
    }

    /// The body of the request that stores it.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({
            "subject": self.subjects(),
            "secrets": self.secrets,
            "attributes": self.attributes(),
        })
    }

    pub(crate) fn subjects(&self) -> Value {
        let subject = |subject: &Subject| {
            let mut shown = json!({"name": subject.name});
            if let (Some(sha256), Some(shown)) = (&subject.sha256, shown.as_object_mut()) {
                shown.insert("digest".to_owned(), json!({"sha256": sha256}));
            }
            shown
        };
        self.subjects.iter().map(subject).collect()
    }

    pub(crate) fn attributes(&self) -> Value {
        let pairs = self.attributes.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), value.clone().into()));
        Value::Object(pairs.collect())
    }
}

/// The name of this machine, as uname(2) has it.
#[must_use]
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

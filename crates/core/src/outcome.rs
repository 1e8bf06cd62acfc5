//! What an engine made of a call. A login is an outcome, not a second pipeline.

use crate::json::Data;
use std::collections::BTreeMap;
use std::time::Duration;

/// Success of a call. Failure is a [`crate::Fault`]: an engine cannot return both.
pub enum Outcome {
    /// Done, and there is nothing to say.
    Done,
    /// Done, with data.
    Data(Response),
    /// There is nothing live there, but there is something to say of it (a deleted version).
    Gone(Response),
    /// A batch of which parts failed: the data says which, and the status is the number the caller
    /// chose for that, or the usual one.
    Partial(Response, u16),
    /// Somebody proved who they are: the lease stage issues a token.
    Login(Box<Login>),
    /// A token was made, renewed or looked at by the token mount itself.
    Auth(Box<crate::token::Issued>, Vec<String>),
    /// The body is answered as it stands, outside the usual envelope.
    Bare(Data),
    /// The same, refused in words of another protocol than Vault's, with its status.
    Told(Data, u16),
    /// Figures in Prometheus' format: text, and nothing secret.
    Text(Vec<u8>),
    /// A wrapping token that took over the reply of another.
    Rewrapped(Box<crate::token::Issued>),
    /// The stored reply of a wrapping token, answered as it stands.
    Unwrapped(Data),
    /// Events from now on, until one side ends it.
    Stream(Box<crate::events::Subscription>),
    /// Lines of the log from now on, until one side ends it.
    Log(Box<crate::monitor::Monitor>),
}

/// Data and what to warn of.
pub struct Response {
    /// A JSON object.
    pub data: Data,
    /// Shown to the caller.
    pub warnings: Vec<String>,
    /// See [`Response::leased`].
    pub lease_duration: i64,
    /// See [`Response::identified`].
    pub(crate) identity: Option<String>,
}

impl Response {
    /// Data without warnings.
    #[must_use]
    pub const fn of(data: Data) -> Self {
        Self {
            data,
            warnings: Vec::new(),
            lease_duration: 0,
            identity: None,
        }
    }

    /// With warnings for the caller.
    #[must_use]
    pub fn warning(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// Says after how many seconds the data should be read again. There is no lease behind it. Signed,
    /// since some engines hand on what a caller once wrote.
    #[must_use]
    pub fn leased(self, seconds: i64) -> Self {
        Self {
            lease_duration: seconds,
            ..self
        }
    }

    /// Names what the data is made of: under one mount, equal names mean equal bytes, now and for
    /// ever. The audit room then hashes it once and not for each answer. A path with the store's
    /// revision of what was read is such a name; one that leaves out anything that can change makes
    /// the log lie.
    #[must_use]
    pub fn identified(self, identity: String) -> Self {
        Self {
            identity: Some(identity),
            ..self
        }
    }
}

impl Outcome {
    /// Serializes `data` as the response's data.
    ///
    /// # Errors
    /// When it does not serialize: a defect.
    pub fn data(data: &impl serde::Serialize) -> Result<Self, crate::Fault> {
        Ok(Self::Data(Response::of(
            Data::of(data).map_err(crate::Fault::internal)?,
        )))
    }

    /// Serializes `data` as the whole answer.
    ///
    /// # Errors
    /// When it does not serialize: a defect.
    pub fn bare(data: &impl serde::Serialize) -> Result<Self, crate::Fault> {
        Ok(Self::Bare(Data::of(data).map_err(crate::Fault::internal)?))
    }

    /// The answer to LIST: names, or nothing there.
    ///
    /// # Errors
    /// [`crate::Kind::Missing`] when there are none, as Vault answers.
    pub fn keys(keys: &[String]) -> Result<Self, crate::Fault> {
        #[derive(serde::Serialize)]
        struct Keys<'a> {
            keys: &'a [String],
        }
        if keys.is_empty() {
            Err(crate::Fault::missing())
        } else {
            Self::data(&Keys { keys })
        }
    }
}

/// What a login method vouches for. The token store turns it into a token.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// As the token is to be shown, without the mount's prefix.
    pub display_name: String,
    /// Policies of the role; `default` is added unless [`Self::no_default_policy`].
    pub policies: Vec<String>,
    /// Do not add the `default` policy.
    pub no_default_policy: bool,
    /// First lifetime; `None`: the mount's default.
    pub ttl: Option<Duration>,
    /// Renewals never reach past this; `None`: the mount's maximum.
    pub max_ttl: Option<Duration>,
    /// A hard end, whatever is renewed.
    pub explicit_max_ttl: Option<Duration>,
    /// Renewable for ever, for this long each time.
    pub period: Option<Duration>,
    /// How many requests; 0: unlimited.
    pub num_uses: u32,
    /// Which kind of token, where the mount leaves the choice.
    pub kind: crate::token::Kind,
    /// Where the token may be used from; empty: anywhere.
    pub bound_cidrs: Vec<ipnet::IpNet>,
    /// Shown at lookup and in audit records.
    pub metadata: BTreeMap<String, String>,
    /// What the method needs to check a renewal (a role's name): kept with the token.
    pub binding: BTreeMap<String, String>,
    /// Shown to the caller.
    pub warnings: Vec<String>,
    /// By what name the method knows who logged in: identity finds or makes the entity of it. `None`:
    /// the method cannot tell one from another.
    pub alias: Option<Alias>,
    /// By what names the method knows the groups of whoever logged in. Counts only with an alias.
    pub groups: Vec<String>,
}

/// The name by which an auth method knows somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alias {
    /// Stays the same for the same one, and is never another one's.
    pub name: String,
    /// Kept with the alias, as it was at the last login.
    pub metadata: BTreeMap<String, String>,
}

impl Alias {
    /// A name of which the method knows nothing more.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            metadata: BTreeMap::new(),
        }
    }
}

//! The rows of an engine's table, and what others may know of them.

use super::Pending;
use crate::fields::{Fields, Form, Kind, Reader};
use crate::operation::Verb;
use crate::request::Call;
use serde::de::DeserializeOwned;

/// A handler: what an operation on a route does.
pub type Handler<E> = for<'a> fn(&'a E, Call<'a>) -> Pending<'a>;

/// Tells whether the thing a write aims at is there: create or update.
pub type Existence<E> = for<'a> fn(&'a E, &'a Call<'a>) -> Pending<'a, bool>;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nobody needs to be known (logins).
    Anonymous,
    /// A wrapping token is the credential, in the body or as the token presented; what else is
    /// presented is held to its policies.
    Wrapping,
    /// Any live token, or the local admin: what the answer shows is decided by its policies.
    Known,
    /// A token whose policies allow it.
    Token,
    /// A token whose policies allow it and grant `sudo` on the path.
    Sudo,
}

/// What a route does to the world: decides whether its work may start before the audit record of the
/// intent is on a device. The answer never leaves before both records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    None,
    /// Changes something.
    Mutates,
}

/// One row of an engine's table.
pub struct Route<E: 'static> {
    /// Relative to the mount: literal segments, `:name` for one segment, a last `*name` for the rest
    /// (which may be empty). What stands behind such a name must end the path, and the name is not empty.
    ///
    /// `~name` is one segment whose case does not matter. It is lower-cased before policy sees the
    /// path: an engine that did so on its own would serve `ADMIN` to whoever is only denied `admin`
    /// (CVE-2026-89322).
    pub pattern: &'static str,
    /// Who may use it.
    pub access: Access,
    /// A trailing slash is accepted for every operation (mount paths); else only for LIST.
    pub slash: bool,
    /// What can be done.
    pub operations: &'static [(Verb, Handler<E>)],
    /// Create or update; `None`: every write is an update.
    pub exists: Option<Existence<E>>,
    /// The data is answered at the top level too, as Vault does on some `sys/` routes.
    pub lifted: bool,
    /// A write asks for a computation and changes nothing, except where it creates.
    pub computes: bool,
    /// A read changes something all the same.
    pub changes: bool,
    /// The parameters it takes.
    pub fields: Fields,
}

impl<E> Route<E> {
    /// A row for callers with a token.
    #[must_use]
    pub const fn new(pattern: &'static str, operations: &'static [(Verb, Handler<E>)]) -> Self {
        Self {
            pattern,
            access: Access::Token,
            slash: false,
            operations,
            exists: None,
            lifted: false,
            computes: false,
            changes: false,
            // Where there are no bodies, there is nothing more to say.
            fields: Fields::UNSAID.form(if has_bodies(operations) {
                Form::Unsaid
            } else {
                Form::Named
            }),
        }
    }

    /// A type that a handler of the row reads the body as. Where there are several, each is named.
    #[must_use]
    pub const fn takes<T: DeserializeOwned>(mut self) -> Self {
        self.fields = self.fields.reading(Reader::of::<T>());
        self
    }

    /// Parameters of a body that are read one by one.
    #[must_use]
    pub const fn takes_each(mut self, each: &'static [(&'static str, Kind)]) -> Self {
        self.fields = self.fields.single(each);
        self
    }

    /// Writes have no parameters, beside those in the path.
    #[must_use]
    pub const fn takes_nothing(mut self) -> Self {
        self.fields = self.fields.form(Form::Named);
        self
    }

    /// A body is the caller's own: whatever is in it, it is taken.
    #[must_use]
    pub const fn takes_anything(mut self) -> Self {
        self.fields = self.fields.form(Form::Free);
        self
    }

    /// Parameters of the address.
    #[must_use]
    pub const fn asks(mut self, names: &'static [&'static str]) -> Self {
        self.fields = self.fields.query(names);
        self
    }

    /// What Vault calls captures of the pattern, where we have another name.
    #[must_use]
    pub const fn captures(mut self, names: &'static [(&'static str, &'static str)]) -> Self {
        self.fields = self.fields.captured(names);
        self
    }

    /// Parameters that Vault knows here and that change nothing: taken in silence, as there.
    #[must_use]
    pub const fn idle(mut self, names: &'static [&'static str]) -> Self {
        self.fields = self.fields.idle(names);
        self
    }

    /// Changes who may use it.
    #[must_use]
    pub const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Accepts a trailing slash for every operation.
    #[must_use]
    pub const fn with_slash(mut self) -> Self {
        self.slash = true;
        self
    }

    /// Answers the data at the top level too.
    #[must_use]
    pub const fn lifted(mut self) -> Self {
        self.lifted = true;
        self
    }

    /// A write asks for a computation (encrypt, sign, hash) and changes nothing. Where the route tells
    /// create from update, one that creates counts as a change all the same.
    #[must_use]
    pub const fn computing(mut self) -> Self {
        self.computes = true;
        self
    }

    /// A read ends something that was begun (a login that a browser comes back from), so it waits for
    /// its record as a change does.
    #[must_use]
    pub const fn changing(mut self) -> Self {
        self.changes = true;
        self
    }

    /// Tells create from update.
    #[must_use]
    pub const fn creating(mut self, exists: Existence<E>) -> Self {
        self.exists = Some(exists);
        self
    }
}

/// Whether something is written.
const fn has_bodies<E>(operations: &[(Verb, Handler<E>)]) -> bool {
    let mut rest = operations;
    while let [(verb, _), others @ ..] = rest {
        if matches!(verb, Verb::Write | Verb::Patch) {
            return true;
        }
        rest = others;
    }
    false
}

/// What the pipeline may know of a route, whatever the engine.
#[derive(Clone, Copy)]
pub struct Profile {
    /// The row's number in the engine's table.
    pub row: usize,
    /// The row's pattern.
    pub pattern: &'static str,
    /// Who may use it.
    pub access: Access,
    /// What it does to the world.
    pub effect: Effect,
    /// Whether writes tell create from update.
    pub creates: bool,
    /// Whether the data is answered at the top level too.
    pub lifted: bool,
    /// Its parameters.
    pub fields: &'static Fields,
}

/// A row as tests and documentation list it.
#[derive(Clone, Copy)]
pub struct Listed {
    /// The row's pattern.
    pub pattern: &'static str,
    /// Who may use it.
    pub access: Access,
    /// One of its operations.
    pub verb: Verb,
    /// Its parameters.
    pub fields: &'static Fields,
}

//! Which parameters a route takes.
//!
//! There is no list beside the readers: a row of a route table names the types that its handlers read a
//! body as ([`crate::engine::Route::takes`]), and the names and kinds are learnt from those types
//! ([`learn`]). From that come the warnings about parameters that nobody reads ([`notice`]) and what
//! `sys/internal/specs/openapi` says. A build with debug assertions stops at a handler that reads what
//! its row does not name ([`asked`]), so every test is a test of that.

pub(crate) mod asked;
mod learn;
pub(crate) mod notice;
mod words;

pub(crate) use words::word;

use serde::de::DeserializeOwned;

/// What kind of value a parameter is, as OpenAPI knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Seconds, or Go's notation.
    Duration,
    /// RFC 3339.
    Moment,
    /// A list.
    List,
    /// Names with texts.
    Map,
    /// An object of any content.
    Object,
    /// Anything.
    Any,
}

/// One reader: a type that a body is read as.
#[derive(Clone, Copy)]
pub struct Reader {
    names: fn() -> &'static [&'static str],
    kind: fn(&'static str) -> Kind,
    required: fn(&'static str) -> bool,
}

impl Reader {
    /// The reader that `T` is.
    #[must_use]
    pub const fn of<T: DeserializeOwned>() -> Self {
        Self {
            names: learn::names::<T>,
            kind: learn::kind::<T>,
            required: learn::required::<T>,
        }
    }
}

/// What a route says of the bodies it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing is said: nobody is warned.
    Unsaid,
    /// The parameters that are named, and no others.
    Named,
    /// The caller's own names.
    Free,
}

/// The parameters of a route.
#[derive(Clone, Copy)]
pub struct Fields {
    /// Whether the readers say it all.
    pub form: Form,
    readers: [Option<Reader>; 6],
    /// Read one by one, by these names.
    single: &'static [(&'static str, Kind)],
    /// Read of the address.
    query: &'static [&'static str],
    /// Captures of the pattern, by the names that Vault has for them.
    captured: &'static [(&'static str, &'static str)],
    /// Known to Vault's own routes and without any meaning here: not worth a warning.
    idle: &'static [&'static str],
}

/// One parameter of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// By this name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Nothing can be read without it.
    pub required: bool,
}

impl Fields {
    /// Nothing is said.
    pub(crate) const UNSAID: Self = Self {
        form: Form::Unsaid,
        readers: [None; 6],
        single: &[],
        query: &[],
        captured: &[],
        idle: &[],
    };

    pub(crate) const fn reading(mut self, reader: Reader) -> Self {
        self.form = Form::Named;
        self.readers = match self.readers {
            [None, ..] => [Some(reader), None, None, None, None, None],
            [a, None, ..] => [a, Some(reader), None, None, None, None],
            [a, b, None, ..] => [a, b, Some(reader), None, None, None],
            [a, b, c, None, ..] => [a, b, c, Some(reader), None, None],
            [a, b, c, d, None, _] => [a, b, c, d, Some(reader), None],
            // A seventh would be lost, and the first request in a test says so ([`asked`]).
            [a, b, c, d, e, _] => [a, b, c, d, e, Some(reader)],
        };
        self
    }

    pub(crate) const fn single(mut self, single: &'static [(&'static str, Kind)]) -> Self {
        self.form = Form::Named;
        self.single = single;
        self
    }

    pub(crate) const fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    pub(crate) const fn query(mut self, names: &'static [&'static str]) -> Self {
        self.query = names;
        self
    }

    pub(crate) const fn captured(mut self, names: &'static [(&'static str, &'static str)]) -> Self {
        self.captured = names;
        self
    }

    pub(crate) const fn idle(mut self, names: &'static [&'static str]) -> Self {
        self.idle = names;
        self
    }

    /// Names of the readers, each as often as it is read. Allocates nothing.
    fn read(&self) -> impl Iterator<Item = &'static str> {
        let readers = self.readers.iter().flatten();
        readers.flat_map(|reader| (reader.names)().iter().copied())
    }

    /// Whether a body's parameter of this name is read.
    fn takes(&self, is: impl Fn(&str) -> bool) -> bool {
        self.single.iter().any(|(name, _)| is(name))
            || self.read().any(&is)
            || self.idle.iter().any(|name| is(name))
    }

    /// The parameters of a body, in the order of their names.
    #[must_use]
    pub fn body(&self) -> Vec<Field> {
        let single = self.single.iter().map(|(name, kind)| Field {
            name,
            kind: *kind,
            required: false,
        });
        let mut all: Vec<_> = single.collect();
        for reader in self.readers.iter().flatten() {
            all.extend((reader.names)().iter().map(|name| Field {
                name,
                kind: (reader.kind)(name),
                required: (reader.required)(name),
            }));
        }
        all.sort_by_key(|field| field.name);
        all.dedup_by_key(|field| field.name);
        all
    }

    /// The parameters of the address, beside `list`.
    #[must_use]
    pub const fn asked(&self) -> &'static [&'static str] {
        self.query
    }

    /// What Vault calls a capture of the pattern.
    #[must_use]
    pub fn path_name(&self, capture: &'static str) -> &'static str {
        let known = self.captured.iter().find(|(ours, _)| *ours == capture);
        known.map_or(capture, |(_, theirs)| theirs)
    }
}

/// The names that a body is read by as `T`.
pub(crate) fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    learn::names::<T>()
}

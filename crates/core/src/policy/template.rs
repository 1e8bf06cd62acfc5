//! Paths of rules that name who asks: `secret/data/{{identity.entity.name}}/*`.
//!
//! A template is taken apart when its policy is read, and its form (which segments are wildcards, and
//! whether it goes on) is fixed then. A value is put into a segment of it and is never read as part
//! of a pattern: one that could be more than a part of one segment (`/`, `+`, `*`, `..`, or what no
//! path can hold) turns its rule into a denial of what the text would have said. So whoever writes
//! metadata cannot widen a rule, and cannot take a restriction away.
//!
//! Names follow Vault's documentation, "Templated policies". A rule with a name that says nothing of
//! its holder does not exist for that holder, as in Vault.

use super::pattern::Pattern;
use crate::path::Path;

/// What stands between braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// `identity.entity.…`
    Entity(What),
    /// `identity.entity.aliases.ACCESSOR.…`
    Alias(String, What),
    /// `identity.groups.ids.ID.…`, `identity.groups.names.NAME.…`
    Group(Of, What),
    /// Nothing has this name.
    Unknown,
}

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// By its id.
    Id(String),
    /// By its name.
    Name(String),
}

/// What of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `id`
    Id,
    /// `name`
    Name,
    /// `metadata.KEY`
    Metadata(String),
    /// `custom_metadata.KEY`, of aliases only.
    Custom(String),
}

impl Field {
    fn parse(text: &str) -> Field {
        Self::known(text.trim()).unwrap_or(Field::Unknown)
    }

    fn known(text: &str) -> Option<Field> {
        let text = text.strip_prefix("identity.")?;
        if let Some(rest) = text.strip_prefix("groups.") {
            let (by, rest) = rest.split_once('.')?;
            let (which, what) = rest.split_once('.')?;
            let of = match by {
                "ids" => Of::Id(which.to_owned()),
                "names" => Of::Name(which.to_owned()),
                _ => return None,
            };
            return Some(Field::Group(of, What::parse(what)?));
        }
        let text = text.strip_prefix("entity.")?;
        if let Some(rest) = text.strip_prefix("aliases.") {
            let (accessor, what) = rest.split_once('.')?;
            let what = match what.strip_prefix("custom_metadata.") {
                Some(key) => What::Custom(key.to_owned()),
                None => What::parse(what)?,
            };
            return Some(Field::Alias(accessor.to_owned(), what));
        }
        Some(Field::Entity(What::parse(text)?))
    }
}

impl What {
    fn parse(text: &str) -> Option<What> {
        match text {
            "id" => Some(What::Id),
            "name" => Some(What::Name),
            _ => Some(What::Metadata(text.strip_prefix("metadata.")?.to_owned())),
        }
    }
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Field(Field),
}

/// A rule's path with names in it.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    /// Its form, made with [`PLACEHOLDER`] in the places of the values.
    form: Pattern,
}

/// Why a text is no template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    Unbalanced,
    MixedWildcards,
}

/// What a template comes to for one holder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// A rule about this.
    Rule(Pattern),
    /// A value is not a part of one segment: this is denied.
    Denied(Pattern),
    /// There is no value.
    Nothing,
}

/// Stands for a value where only the form matters: no wildcard, and good in any segment.
const PLACEHOLDER: &str = "x";

impl Template {
    /// Takes a path apart; `None`: there are no braces in it.
    pub(super) fn parse(text: &str) -> Result<Option<Template>, Malformed> {
        let mut parts = text.split("{{");
        let first = parts.next().unwrap_or_default();
        if first.contains("}}") {
            return Err(Malformed::Unbalanced);
        }
        let first = first.strip_prefix('/').unwrap_or(first);
        let mut pieces = vec![Piece::Text(first.to_owned())];
        for part in parts {
            match part.split("}}").collect::<Vec<_>>().as_slice() {
                [name, after] => {
                    pieces.push(Piece::Field(Field::parse(name)));
                    pieces.push(Piece::Text((*after).to_owned()));
                }
                _ => return Err(Malformed::Unbalanced),
            }
        }
        if pieces.len() == 1 {
            return Ok(None);
        }
        let placed = written(&pieces, |_| PLACEHOLDER);
        let form = Pattern::parse(&placed).map_err(|_| Malformed::MixedWildcards)?;
        Ok(Some(Template { pieces, form }))
    }

    /// Can any holder have a rule of it that some path matches?
    pub(super) fn is_reachable(&self) -> bool {
        self.form.is_reachable()
    }

    /// Does it name something that nothing is called?
    pub(super) fn names_nothing(&self) -> bool {
        self.fields().any(|field| *field == Field::Unknown)
    }

    fn fields(&self) -> impl Iterator<Item = &Field> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field(field) => Some(field),
            Piece::Text(_) => None,
        })
    }

    /// The template with one holder's values.
    pub(super) fn fill<'a>(&self, value: &impl Fn(&Field) -> Option<&'a str>) -> Filled {
        let value = |field: &Field| value(field).filter(|value| !value.is_empty());
        if self.fields().any(|field| value(field).is_none()) {
            return Filled::Nothing;
        }
        let text = written(&self.pieces, |field| value(field).unwrap_or_default());
        if self.fields().filter_map(value).all(fits_in_a_segment) {
            return Filled::Rule(self.form.with(text));
        }
        Filled::Denied(Pattern::parse(&text).unwrap_or_else(|_| {
            // A wildcard within a segment, which is no pattern: all that begins like it.
            let stem = text.split('+').next().unwrap_or_default();
            Pattern::Prefix(stem.to_owned())
        }))
    }
}

/// Whether a value is a part of one segment and cannot be read as anything else.
fn fits_in_a_segment(value: &str) -> bool {
    !value.contains(['/', '+', '*']) && Path::parse(value).is_ok()
}

fn written<'a>(pieces: &'a [Piece], value: impl Fn(&Field) -> &'a str) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Field(field) => value(field),
        })
        .collect()
}

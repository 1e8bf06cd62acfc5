//! What `identity/lookup` is asked for: an entity or a group, by one of the things it is known by.

use crate::fault::Fault;
use crate::json::Body;
use serde::Deserialize;

/// By what something is looked for.
pub(super) enum Sought {
    Id(String),
    Name(String),
    AliasId(String),
    Alias { accessor: String, name: String },
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    id: String,
    name: String,
    alias_id: String,
    alias_name: String,
    alias_mount_accessor: String,
}

impl Sought {
    /// Reads a body. `half` is said of an alias with only one of its two parts.
    ///
    /// # Errors
    /// Unless there is exactly one way to look.
    pub(super) fn of(body: &Body, half: &'static str) -> Result<Self, Fault> {
        let sought: Fields = body.parse()?;
        let by_alias = !sought.alias_name.is_empty() || !sought.alias_mount_accessor.is_empty();
        let ways = [&sought.id, &sought.name, &sought.alias_id];
        let ways = ways.iter().filter(|way| !way.is_empty()).count() + usize::from(by_alias);
        match ways {
            0 => Err(Fault::invalid("query parameter not supplied")),
            1 if by_alias
                && (sought.alias_name.is_empty() || sought.alias_mount_accessor.is_empty()) =>
            {
                Err(Fault::invalid(half))
            }
            1 if by_alias => Ok(Self::Alias {
                accessor: sought.alias_mount_accessor,
                name: sought.alias_name,
            }),
            1 if !sought.id.is_empty() => Ok(Self::Id(sought.id)),
            1 if !sought.name.is_empty() => Ok(Self::Name(sought.name)),
            1 => Ok(Self::AliasId(sought.alias_id)),
            _ => Err(Fault::invalid(
                "query parameter conflict; please supply distinct set of query parameters",
            )),
        }
    }
}

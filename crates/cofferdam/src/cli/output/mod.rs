//! How data is printed: Vault's tables, JSON and YAML, byte for byte where scripts may look.

use super::Failure;

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

impl Format {
    pub(crate) fn parse(name: &str) -> Result<Self, Failure> {
        match name.to_ascii_lowercase().as_str() {
            "table" | "pretty" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "yaml" | "yml" => Ok(Self::Yaml),
            _ => Err(Failure::usage(format!("unknown output format: {name}"))
                .hint("one of: table json yaml")),
        }
    }
}

//! What is done to a path: as it arrives ([`Verb`]) and as policy sees it ([`Operation`]).

/// What the caller asked for, before it is known whether a write creates or updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// GET.
    Read,
    /// PUT or POST.
    Write,
    /// PATCH (JSON merge patch).
    Patch,
    /// DELETE.
    Delete,
    /// LIST, or GET with `list=true`.
    List,
    /// SCAN, or GET with `scan=true`: OpenBao's listing of all levels.
    Scan,
}

impl Verb {
    /// The method of Vault's HTTP API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "GET",
            Self::Write => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::List => "LIST",
            Self::Scan => "SCAN",
        }
    }

    /// Whether names below a path are asked for: there a path may end in a slash.
    #[must_use]
    pub const fn names(self) -> bool {
        matches!(self, Self::List | Self::Scan)
    }

    /// Whether this only looks, where the route does not say otherwise.
    #[must_use]
    pub const fn looks(self) -> bool {
        matches!(self, Self::Read | Self::List | Self::Scan)
    }
}

/// What policy decides about. The words are Vault's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A write to something that is not there.
    Create,
    /// Reading.
    Read,
    /// A write to something that is there, or where the engine does not tell.
    Update,
    /// A partial write.
    Patch,
    /// Removal.
    Delete,
    /// Names under a path.
    List,
    /// Names under a path, all levels.
    Scan,
}

impl Operation {
    /// The word of audit records and policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Scan => "scan",
        }
    }
}

//! Why a request was not carried out: by whose fault, with one text for the caller and one for the log.
//!
//! Neither text ever holds an input value: they name fields, paths and positions. This room knows no
//! HTTP status; `server` maps [`Kind`] to one.

use std::borrow::Cow;

/// Whose fault it is, and what the caller may do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is malformed or breaks a rule: do not repeat it as it is.
    Invalid,
    /// Not allowed, or nothing the caller may know of.
    Denied,
    /// There is nothing there.
    Missing,
    /// The path exists in Vault's API but not here, or not for this operation.
    Unsupported,
    /// The body or a name is larger than the budget.
    TooLarge,
    /// A condition of the request does not hold any more (precondition, index).
    Precondition,
    /// Too many requests of this sort: come back later.
    TooMany,
    /// The vault is sealed.
    Sealed,
    /// The store or an audit device failed: ours, and it may pass.
    Unavailable,
    /// A defect of ours.
    Internal,
}

/// A refused or failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: Kind,
    public: Cow<'static, str>,
    internal: Option<String>,
}

impl Fault {
    fn new(kind: Kind, public: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            public: public.into(),
            internal: None,
        }
    }

    /// The caller broke a rule; `public` says which.
    pub fn invalid(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, public)
    }

    /// Not allowed. The caller learns nothing more than that.
    #[must_use]
    pub fn denied() -> Self {
        Self::new(Kind::Denied, "permission denied")
    }

    /// There is nothing there; Vault answers these with an empty error list.
    #[must_use]
    pub fn missing() -> Self {
        Self::new(Kind::Missing, "")
    }

    /// Nothing is mounted there.
    #[must_use]
    pub fn no_route() -> Self {
        Self::new(
            Kind::Unsupported,
            "no handler for route: nothing is mounted there",
        )
    }

    /// Not served here; `public` names what is not.
    pub fn unsupported(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unsupported, public)
    }

    /// Over a budget.
    pub fn too_large(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::TooLarge, public)
    }

    /// A condition of the request no longer holds.
    pub fn precondition(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Precondition, public)
    }

    /// Too often.
    pub fn too_many(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::TooMany, public)
    }

    /// The vault is sealed.
    #[must_use]
    pub fn sealed() -> Self {
        Self::new(Kind::Sealed, "Vault is sealed")
    }

    /// A dependency failed; `internal` is for the log only.
    pub fn unavailable(public: &'static str, internal: impl std::fmt::Display) -> Self {
        Self::new(Kind::Unavailable, public).noting(internal)
    }

    /// A defect of ours; `internal` is for the log only.
    pub fn internal(internal: impl std::fmt::Display) -> Self {
        Self::new(Kind::Internal, "internal error").noting(internal)
    }

    /// What is stored does not parse. The error's own text is not looked at: it quotes what it met, and
    /// that may be a hash or a share.
    #[must_use]
    pub fn unreadable(error: serde_json::Error) -> Self {
        let kind = error.classify();
        drop(error);
        Self::internal(format!("a stored record does not parse: {kind:?}"))
    }

    /// Adds the text for the log.
    #[must_use]
    pub fn noting(mut self, internal: impl std::fmt::Display) -> Self {
        self.internal = Some(internal.to_string());
        self
    }

    /// Whose fault.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What the caller may know. Empty for [`Kind::Missing`].
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// What only the log may say.
    #[must_use]
    pub fn internal_text(&self) -> Option<&str> {
        self.internal.as_deref()
    }
}

impl From<cofferdam_barrier::Error> for Fault {
    fn from(error: cofferdam_barrier::Error) -> Self {
        let public = match error {
            cofferdam_barrier::Error::Seal(_) => {
                "the seal failed; the request was not carried out, and the server's log says why"
            }
            _ => "the store failed; the request was not carried out",
        };
        Self::unavailable(public, error)
    }
}

impl From<crate::json::FieldError> for Fault {
    fn from(error: crate::json::FieldError) -> Self {
        Self::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_parse_is_not_quoted() {
        let stored = r#"{"hash": "$2a$10$canary"}"#;
        let error = serde_json::from_str::<std::collections::BTreeMap<String, u64>>(stored);
        let error = error.unwrap_err();
        assert!(error.to_string().contains("canary"), "{error}");
        let fault = Fault::unreadable(error);
        let told = fault.internal_text().unwrap();
        assert!(!told.contains("canary"));
        assert!(told.contains("Data"));
    }
}

//! Which secrets a workload gets, and under which names.

use crate::{FileName, NameError};
use cofferdam_api::{Reference, ReferenceError};
use std::collections::BTreeSet;
use std::str::FromStr as _;

/// Where a bare name is looked up when nobody said otherwise.
pub const DEFAULT_PREFIX: &str = "secret";

/// One secret to fetch and the name it gets here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loan {
    /// Name of the file, of the build secret or of the variable.
    pub name: FileName,
    /// Where its value is.
    pub reference: Reference,
}

/// A plan that cannot be understood. It repeats no input but paths.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The name before `=` (or alone) is no file name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What stands behind the name is no reference.
    #[error("{name}: {source}")]
    Reference {
        /// The name it was for.
        name: FileName,
        /// What is wrong.
        source: ReferenceError,
    },
    /// The prefix is no path.
    #[error("not a prefix like secret/app: {0}")]
    Prefix(ReferenceError),
    /// One name twice.
    #[error("two secrets with the name {0}")]
    Twice(FileName),
}

/// A path below which bare names are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

impl Default for Prefix {
    fn default() -> Self {
        Self(DEFAULT_PREFIX.to_owned())
    }
}

impl Prefix {
    /// Takes `secret/app` or `cd://secret/app`.
    ///
    /// # Errors
    /// [`PlanError::Prefix`].
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let reference = Reference::from_str(text).map_err(PlanError::Prefix)?;
        let is_more = reference.field().is_some() || reference.version().is_some();
        if is_more || reference.engine_id().is_some() {
            return Err(PlanError::Prefix(ReferenceError::Form));
        }
        Ok(Self(reference.path().to_owned()))
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0
    }

    /// The secret of this name below the prefix.
    ///
    /// # Errors
    /// [`PlanError::Reference`], which a file name cannot cause.
    pub fn loan(&self, name: FileName) -> Result<Loan, PlanError> {
        match Reference::new(&format!("{}/{name}", self.0)) {
            Ok(reference) => Ok(Loan { name, reference }),
            Err(source) => Err(PlanError::Reference { name, source }),
        }
    }
}

impl Loan {
    /// Parses `NAME`, looked up below `prefix`, or `NAME=REFERENCE` with `separator` for `=`.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn parse(text: &str, separator: char, prefix: &Prefix) -> Result<Self, PlanError> {
        let Some((name, reference)) = text.split_once(separator) else {
            return prefix.loan(text.parse()?);
        };
        let name: FileName = name.parse()?;
        match Reference::from_str(reference) {
            Ok(reference) => Ok(Self { name, reference }),
            Err(source) => Err(PlanError::Reference { name, source }),
        }
    }
}

/// Errs when two loans have one name.
///
/// # Errors
/// [`PlanError::Twice`].
pub fn require_distinct<'a>(loans: impl IntoIterator<Item = &'a Loan>) -> Result<(), PlanError> {
    let mut seen = BTreeSet::new();
    for loan in loans {
        if !seen.insert(&loan.name) {
            return Err(PlanError::Twice(loan.name.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_looked_up_below_the_prefix() {
        let app = Prefix::parse("secret/app/").unwrap();
        let loan = Loan::parse("DB_PASSWORD", '=', &app).unwrap();
        assert_eq!(loan.reference.to_string(), "cd://secret/app/DB_PASSWORD");
        let loan = Loan::parse("X", '=', &Prefix::default()).unwrap();
        assert_eq!(loan.reference.path(), "secret/X");
    }

    #[test]
    fn a_reference_may_hold_the_separator() {
        let loan = Loan::parse("K=cd://kv/a=b#f=g@2", '=', &Prefix::default()).unwrap();
        assert_eq!(loan.reference.path(), "kv/a=b");
        assert_eq!(loan.reference.field(), Some("f=g"));
        let loan = Loan::parse("K:cd://kv/a#f", ':', &Prefix::default()).unwrap();
        assert_eq!(loan.reference.path(), "kv/a");
    }

    #[test]
    fn nonsense_is_refused_without_repeating_it() {
        for text in ["", "=x", "a/b", "K=", "K=a//b", "K=http://x", "K=hunter 2"] {
            let error = Loan::parse(text, '=', &Prefix::default()).unwrap_err();
            assert!(!error.to_string().contains("hunter"), "{error}");
        }
        assert!(Prefix::parse("secret/app#field").is_err());
        assert!(Prefix::parse("se://app").is_err());
        let twice = ["A=x/y", "A=x/z"].map(|t| Loan::parse(t, '=', &Prefix::default()).unwrap());
        assert!(matches!(require_distinct(&twice), Err(PlanError::Twice(_))));
    }
}

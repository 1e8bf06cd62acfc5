//! Borrows the values of a plan, all of them or none.
//!
//! Every refusal is collected, so that a user repairs a plan once and not name by name. An empty
//! value is a refusal too: an application that starts with an empty password fails open.

use crate::plan::{Loan, PlanError, Prefix};
use crate::{FileName, NameError};
use cofferdam_api::{Client, Error as ApiError, Fetched, Reference, ReferenceError};
use cofferdam_secret::Secret;
use std::collections::BTreeMap;
use std::fmt;

/// A value on loan.
pub struct Lent {
    /// Name it was asked for under.
    pub name: FileName,
    /// Where it came from.
    pub reference: Reference,
    /// The bytes, exactly as stored. Wiped on drop.
    pub value: Secret<Vec<u8>>,
    /// Version that was read, where the engine has versions.
    pub version: Option<u64>,
}

/// Why nothing was lent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Dependency or state: the server could not be asked.
    #[error(transparent)]
    Server(ApiError),
    /// Caller: some secrets of the plan cannot be had.
    #[error("{}", refusals(.0))]
    Refused(Vec<Refused>),
    /// Caller: nothing is stored below the prefix.
    #[error("no secret below {0}")]
    Nothing(String),
    /// Caller: a stored name cannot be a file name.
    #[error("{path}: {source}")]
    Name {
        /// Path of the secret.
        path: String,
        /// The rule for names.
        source: NameError,
    },
    /// Caller: see there.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// One secret that cannot be had.
#[derive(Debug)]
pub struct Refused {
    /// What was asked for.
    pub loan: Loan,
    /// Why it cannot be had.
    pub reason: Reason,
}

/// Why one secret cannot be had.
#[derive(Debug)]
pub enum Reason {
    /// Nothing stored there, or the version is deleted.
    Missing,
    /// The policy does not allow it (or there is no such mount: the server does not tell).
    Denied,
    /// The value has no bytes.
    Empty,
    /// The value does not fit where it should go.
    TooLarge {
        /// Bytes it has.
        size: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// The reference names no single field.
    Unclear(ReferenceError),
    /// The server refused for a reason of its own.
    Server {
        /// HTTP status.
        status: u16,
    },
}

/// Fetches every loan; each value must have 1 to `limit` bytes. Loans of one secret are read in one
/// go: fields that were written together are lent together.
///
/// # Errors
/// [`Error`]; values that were read are wiped.
pub async fn fetch(client: &Client, loans: &[Loan], limit: usize) -> Result<Vec<Lent>, Error> {
    let (mut lent, mut refused) = (Vec::with_capacity(loans.len()), Vec::new());
    for (loan, result) in fetch_each(client, loans, limit).await? {
        match result {
            Ok(value) => lent.push(value),
            Err(reason) => refused.push(Refused {
                loan: loan.clone(),
                reason,
            }),
        }
    }
    if refused.is_empty() {
        Ok(lent)
    } else {
        Err(Error::Refused(refused))
    }
}

/// The secrets directly below a prefix, as loans under their own names.
///
/// # Errors
/// [`Error::Nothing`] when there is none.
pub async fn below(client: &Client, prefix: &Prefix) -> Result<Vec<Loan>, Error> {
    let nothing = || Error::Nothing(prefix.path().to_owned());
    let mount = client
        .kv_mount(prefix.path())
        .await
        .map_err(Error::Server)?;
    let path = mount.api_path(prefix.path(), "metadata");
    let names = match client.list(&path).await {
        Ok(response) => response.keys(),
        Err(ApiError::NotFound(_)) => return Err(nothing()),
        Err(error) => return Err(Error::Server(error)),
    };
    let mut loans = Vec::new();
    for name in names.iter().filter(|name| !name.ends_with('/')) {
        let file: FileName = name.parse().map_err(|source| Error::Name {
            path: format!("{}/{name}", prefix.path()),
            source,
        })?;
        loans.push(prefix.loan(file)?);
    }
    if loans.is_empty() {
        return Err(nothing());
    }
    Ok(loans)
}

/// Everything that can be read directly below a prefix; each value must have 1 to `limit` bytes.
///
/// A secret whose newest version is deleted is left out: KV goes on listing its name.
///
/// # Errors
/// As [`fetch`] and [`below`].
pub async fn fetch_below(
    client: &Client,
    prefix: &Prefix,
    limit: usize,
) -> Result<Vec<Lent>, Error> {
    let (mut lent, mut refused) = (Vec::new(), Vec::new());
    let loans = below(client, prefix).await?;
    for (loan, result) in fetch_each(client, &loans, limit).await? {
        match result {
            Ok(value) => lent.push(value),
            Err(Reason::Missing) => {}
            Err(reason) => refused.push(Refused {
                loan: loan.clone(),
                reason,
            }),
        }
    }
    if !refused.is_empty() {
        return Err(Error::Refused(refused));
    }
    if lent.is_empty() {
        return Err(Error::Nothing(prefix.path().to_owned()));
    }
    Ok(lent)
}

/// What became of each loan, in the order of the loans.
async fn fetch_each<'a>(
    client: &Client,
    loans: &'a [Loan],
    limit: usize,
) -> Result<Vec<(&'a Loan, Result<Lent, Reason>)>, Error> {
    let mut by_secret: BTreeMap<(&str, Option<u64>, bool), Vec<usize>> = BTreeMap::new();
    for (number, loan) in loans.iter().enumerate() {
        let reference = &loan.reference;
        let is_engine = reference.engine_id().is_some();
        let secret = (reference.path(), reference.version(), is_engine);
        by_secret.entry(secret).or_default().push(number);
    }
    let mut all = Vec::with_capacity(loans.len());
    for numbers in by_secret.into_values() {
        let together = numbers.iter().filter_map(|number| loans.get(*number));
        let together: Vec<&Loan> = together.collect();
        let results = fetch_secret(client, &together, limit).await?;
        all.extend(numbers.into_iter().zip(together.into_iter().zip(results)));
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, found)| found).collect())
}

/// What became of each of several loans of one secret.
async fn fetch_secret(
    client: &Client,
    loans: &[&Loan],
    limit: usize,
) -> Result<Vec<Result<Lent, Reason>>, Error> {
    let references: Vec<_> = loans.iter().map(|loan| &loan.reference).collect();
    let all = |reason: fn() -> Reason| Ok(loans.iter().map(|_| Err(reason())).collect());
    let fetched = match client.fetch_fields(&references).await {
        Ok(fetched) => fetched,
        Err(ApiError::NotFound(_)) => return all(|| Reason::Missing),
        Err(ApiError::Denied(_)) => return all(|| Reason::Denied),
        Err(ApiError::Api(refusal)) => {
            let status = refusal.status;
            return Ok(loans
                .iter()
                .map(|_| Err(Reason::Server { status }))
                .collect());
        }
        Err(error) => return Err(Error::Server(error)),
    };
    let found = loans.iter().zip(fetched);
    Ok(found
        .map(|(loan, fetched)| lend(loan, fetched, limit))
        .collect())
}

fn lend(
    loan: &Loan,
    fetched: Result<Fetched, ReferenceError>,
    limit: usize,
) -> Result<Lent, Reason> {
    let fetched = fetched.map_err(Reason::Unclear)?;
    let size = fetched.value.len();
    if size == 0 {
        return Err(Reason::Empty);
    }
    if size > limit {
        return Err(Reason::TooLarge { size, limit });
    }
    Ok(Lent {
        name: loan.name.clone(),
        reference: loan.reference.clone(),
        value: fetched.value,
        version: fetched.version,
    })
}

impl Error {
    /// The exact next command, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(all) => all.first().and_then(Refused::hint),
            Self::Nothing(path) => Some(format!("cofferdam kv put {path}/NAME value=-")),
            Self::Server(_) | Self::Name { .. } | Self::Plan(_) => None,
        }
    }
}

impl Refused {
    /// The exact next command, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let path = self.loan.reference.path();
        let field = self.loan.reference.field().unwrap_or("value");
        match &self.reason {
            Reason::Missing if self.loan.reference.version().is_some() => {
                Some(format!("cofferdam kv metadata get {path}"))
            }
            Reason::Missing | Reason::Empty => Some(format!("cofferdam kv put {path} {field}=-")),
            Reason::Unclear(ReferenceError::NoField { .. }) => {
                Some(format!("cofferdam kv patch {path} {field}=-"))
            }
            Reason::Unclear(ReferenceError::Ambiguous { fields, .. }) => {
                let (name, first) = (&self.loan.name, fields.first()?);
                let all = fields.join(", ");
                Some(format!(
                    "name a field, as in {name}={path}#{first}; there are {all}"
                ))
            }
            Reason::Denied => Some(format!("cofferdam token capabilities {path}")),
            Reason::TooLarge { .. } | Reason::Unclear(_) | Reason::Server { .. } => None,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, reference) = (&self.loan.name, &self.loan.reference);
        match &self.reason {
            Reason::Missing => write!(out, "{name}: no secret at {reference}"),
            Reason::Denied => write!(
                out,
                "{name}: permission denied, or no such mount: {reference}"
            ),
            Reason::Empty => write!(out, "{name}: the secret is empty: {reference}"),
            Reason::TooLarge { size, limit } => write!(
                out,
                "{name}: {size} bytes, and at most {limit} fit: {reference}"
            ),
            Reason::Unclear(error) => write!(out, "{name}: {error}"),
            Reason::Server { status } => {
                write!(out, "{name}: the server answered {status}: {reference}")
            }
        }
    }
}

fn refusals(all: &[Refused]) -> String {
    let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

//! What `run`, `build` and `plugin` share: flags that name secrets, and refusals as people read
//! them.

use super::{Context, Failure};
use cofferdam_agent::fetch::Lent;
use cofferdam_agent::output::Current;
use cofferdam_agent::plan::{Loan, PlanError, Prefix};
use cofferdam_agent::supervise::{self, Stage};
use cofferdam_agent::{fetch, sink};
use cofferdam_detect::redact::{Masks, Style};
use cofferdam_detect::{Label, Needles};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// The prefix that `-from` or `-app` names, if one does.
pub(super) fn prefix(from: Option<&str>, app: Option<&str>) -> Result<Option<Prefix>, Failure> {
    let named = match (from, app) {
        (Some(from), _) => Some(from.to_owned()),
        (None, Some(app)) => Some(format!("secret/{app}")),
        (None, None) => None,
    };
    named
        .map(|path| Prefix::parse(&path).map_err(|error| plan_failure(&error)))
        .transpose()
}

/// The loans that a repeated flag names.
pub(super) fn loans(texts: &[String], prefix: &Prefix) -> Result<Vec<Loan>, Failure> {
    let loans = texts.iter().map(|text| Loan::parse(text, '=', prefix));
    loans
        .collect::<Result<_, _>>()
        .map_err(|error| plan_failure(&error))
}

/// What is masked in the output of who gets `lent`; nothing when it gets nothing.
pub(super) fn masks<'l>(
    context: &Context,
    lent: impl Iterator<Item = &'l Lent>,
) -> Result<Option<Arc<Current>>, Failure> {
    let mut needles = Needles::for_redaction();
    for lent in lent {
        let field = lent.reference.field().unwrap_or("value");
        let label = Label::new(lent.reference.path(), lent.version, field);
        let added = needles.add(label, &lent.value);
        added.map_err(|full| Failure::local(full.to_string()))?;
    }
    if needles.entries().is_empty() {
        return Ok(None);
    }
    let masks = Masks::new(needles, &Style::default());
    super::redact::say_refused(context, &masks);
    Ok(Some(Current::new(masks)))
}

/// How this program is called to become a child that does not outlive us.
pub(super) fn stage() -> Stage {
    Stage {
        program: PathBuf::from("/proc/self/exe"),
        arguments: ["run", "--stage", "--"].map(OsString::from).to_vec(),
    }
}

pub(super) fn plan_failure(error: &PlanError) -> Failure {
    let hint = match error {
        PlanError::Twice(_) => "give each secret a name of its own: -secret NAME=REFERENCE",
        _ => "name a secret as NAME or NAME=cd://MOUNT/PATH#field",
    };
    Failure::usage(error.to_string()).hint(hint)
}

pub(super) fn fetch_failure(error: fetch::Error) -> Failure {
    let hint = error.hint();
    let failure = match error {
        fetch::Error::Server(error) => return error.into(),
        fetch::Error::Plan(error) => return plan_failure(&error),
        fetch::Error::Refused(all) => {
            let mut lines = all.iter().map(ToString::to_string);
            let first = Failure::server(lines.next().unwrap_or_default());
            lines.fold(first, Failure::detail)
        }
        error @ (fetch::Error::Nothing(_) | fetch::Error::Name { .. }) => {
            Failure::server(error.to_string())
        }
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

pub(super) fn sink_failure(error: &sink::Error) -> Failure {
    let failure = Failure::local(error.to_string());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

pub(super) fn supervise_failure(error: supervise::Error) -> Failure {
    match error {
        supervise::Error::Sink(error) => sink_failure(&error),
        error @ supervise::Error::System { .. } => Failure::local(error.to_string()),
    }
}

/// In single quotes for a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

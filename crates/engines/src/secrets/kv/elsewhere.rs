//! Every other path of a mount: an answer that says where to go.

use super::Kv;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::Data;
use cofferdam_core::{Call, Fault, Operation, Outcome, Response, Verb};
use cofferdam_secret::Secret;

pub(super) const ROUTE: Route<Kv> = Route::new(
    "*path",
    &[
        (Verb::Read, explain),
        (Verb::Write, explain),
        (Verb::Patch, explain),
        (Verb::Delete, explain),
        (Verb::List, explain),
        (Verb::Scan, explain),
    ],
)
.takes_anything();

/// First segments that mean something here: with another operation they are not served.
const SERVED: [&str; 8] = [
    "config", "data", "subkeys", "delete", "undelete", "destroy", "metadata", "import",
];

fn explain<'a>(_: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let path = call.capture("path");
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        if SERVED.contains(&first) && (first != "config" || rest.is_empty()) {
            let listing = matches!(call.operation, Operation::List | Operation::Scan);
            return match rest.is_empty() && first != "config" && !listing {
                true => root(),
                false => Err(Fault::unsupported("unsupported operation")),
            };
        }
        let command = match call.operation {
            Operation::Create | Operation::Update => "put",
            Operation::Patch => "patch",
            Operation::Read => "get",
            Operation::List => "list",
            Operation::Scan => "scan",
            Operation::Delete => "delete",
        };
        // Vault's sentence: tools look for it.
        Ok(nothing(format!(
            "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API \
             endpoints to use. If using the Vault CLI, use 'vault kv {command}' for this operation."
        )))
    })
}

/// The answer to `data`, `metadata` and their like without a path.
pub(super) fn root() -> Result<Outcome, Fault> {
    Ok(nothing(
        "Non-listing operations on the root of a K/V v2 mount are not supported.".to_owned(),
    ))
}

fn nothing(why: String) -> Outcome {
    let data = Data::from_raw(Secret::new(b"null".to_vec()));
    Outcome::Gone(Response::of(data).warning(vec![why]))
}

//! The messages to holders of shares that the server keeps: shown, and forgotten.

use super::super::output::{Format, columns};
use super::super::{Context, Exit, Failure};
use cofferdam_api::{Method, Request, Tree};
use cofferdam_secret::Secret;

/// Shows them: they are for their holders alone to read.
pub(super) async fn show(context: &Context, path: &'static str) -> Result<Exit, Failure> {
    let answer = context.link()?.send(Request::get(path)).await?;
    let data = answer.tree().unwrap_or(Tree::Null);
    if context.format() != Format::Table {
        return context.print_json_or_yaml(&data);
    }
    let row = |owner: &str, message: &str| {
        vec![
            Secret::new(owner.to_owned()),
            Secret::new(message.to_owned()),
        ]
    };
    let mut rows = vec![row("Fingerprint", "Message in base64")];
    let kept = data.get("keys_base64").into_iter().flat_map(Tree::entries);
    for (owner, messages) in kept {
        for message in messages.items() {
            rows.push(row(owner, message.as_text().unwrap_or_default()));
        }
    }
    context.print_table(&columns(&rows, true))?;
    Ok(Exit::Success)
}

pub(super) async fn delete(context: &Context, path: &'static str) -> Result<Exit, Failure> {
    let link = context.link()?;
    link.send(Request::new(Method::Delete, path)).await?;
    context.done("Deleted backed up keys (if they existed)")
}

//! `operator key-status` and `operator rotate`.

use super::super::link::Link;
use super::super::output::{Format, columns};
use super::super::{Context, Exit, Failure};
use cofferdam_api::{Request, Tree};
use cofferdam_secret::Secret;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// Shows the term of the key.
pub(super) async fn status(context: &Context) -> Result<Exit, Failure> {
    let link = context.link()?;
    show(context, &link).await
}

/// Starts a new term.
pub(super) async fn rotate(context: &Context) -> Result<Exit, Failure> {
    let link = context.link()?;
    link.send(Request::put("sys/rotate", &Tree::map())).await?;
    if context.format() == Format::Table {
        context.out(b"Success! Rotated key\n\n")?;
    }
    show(context, &link).await
}

async fn show(context: &Context, link: &Link) -> Result<Exit, Failure> {
    let response = link.send(Request::get("sys/key-status")).await?;
    let data = response
        .tree()
        .or_else(|| response.body_tree())
        .unwrap_or(Tree::Null);
    let number = |name: &str| data.get(name).and_then(Tree::as_u64).unwrap_or_default();
    let installed = data
        .get("install_time")
        .and_then(Tree::as_text)
        .unwrap_or_default();
    let document = Tree::map()
        .with("term", number("term"))
        .with("install_time", installed)
        .with("encryptions", number("encryptions"));
    context.print(&document, || {
        let row = |key: &str, value: String| vec![Secret::new(key.to_owned()), Secret::new(value)];
        let rows = [
            row("Key Term", number("term").to_string()),
            row("Install Time", short_time(installed)),
            row("Encryption Count", number("encryptions").to_string()),
        ];
        columns(&rows, false)
    })
}

/// RFC 822, as Vault's client writes it here.
fn short_time(rfc3339: &str) -> String {
    let form =
        format_description!("[day] [month repr:short] [year repr:last_two] [hour]:[minute] UTC");
    let time = OffsetDateTime::parse(rfc3339, &Rfc3339).ok();
    let text = time.and_then(|time| time.to_offset(time::UtcOffset::UTC).format(form).ok());
    text.unwrap_or_else(|| rfc3339.to_owned())
}

//! Reports that the store keeps (`sys/leaks`).

use super::super::output::Format;
use super::super::{Context, Exit, Failure};
use cofferdam_api::{Client, Error, Method, Request, Response};
use cofferdam_detect::report::{Diff, Kept, Matrix};
use cofferdam_secret::Secret;

const REPORTS: &str = "sys/leaks/reports";

/// Keeps a report, and takes over when each exposure was seen first. A caller who may not keep one is
/// told so: the report itself is as good.
pub(super) async fn keep(context: &Context, matrix: &mut Matrix) -> Result<(), Failure> {
    let client = context.client()?.without_wrapping();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let kept = matrix.to_kept(host.trim());
    let body = serde_json::to_vec(&kept).map_err(|error| Failure::local(error.to_string()))?;
    let request = Request::new(Method::Post, REPORTS).raw(Secret::new(body));
    match client.send(request).await {
        Ok(answer) => {
            matrix.remember(&parsed(&answer)?);
            Ok(())
        }
        Err(Error::Denied(_)) => {
            context.say("this report is not kept: no \"update\" on sys/leaks/reports");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// A kept report by its name, or the last one until a day.
pub(super) async fn find(context: &Context, name: &str) -> Result<Kept, Failure> {
    let client = context.client()?.without_wrapping();
    let ids = ids(&client).await?;
    // Names begin with the moment: their order is that of time.
    let until = ids
        .iter()
        .rfind(|id| id.get(..name.len()).unwrap_or(id) <= name);
    let exact = ids.iter().find(|id| *id == name);
    let id = exact.or(until).ok_or_else(|| {
        Failure::local(format!("no report until {name}"))
            .hint("see which there are: cofferdam report leaks list")
    })?;
    parsed(&client.read(&format!("{REPORTS}/{id}")).await?)
}

/// What changed from one kept report to another. Exit code 1 when something is new.
pub(super) async fn diff(context: &Context, from: &str, to: &str) -> Result<Exit, Failure> {
    let (from, to) = (find(context, from).await?, find(context, to).await?);
    let diff = Diff::between(&from, &to);
    print_diff(context, &diff)?;
    Ok(Exit::Code(u8::from(!diff.new.is_empty())))
}

/// What changed from a kept report to a matrix.
pub(super) fn since(before: &Kept, matrix: &Matrix) -> Diff {
    Diff::between(before, &matrix.to_kept(""))
}

pub(super) fn print_diff(context: &Context, diff: &Diff) -> Result<(), Failure> {
    let broken = |error: String| Failure::local(error);
    let text = match context.format() {
        Format::Table => diff.to_text(),
        Format::Json => {
            serde_json::to_string_pretty(diff).map_err(|error| broken(error.to_string()))? + "\n"
        }
        Format::Yaml => {
            serde_yaml_ng::to_string(diff).map_err(|error| broken(error.to_string()))?
        }
    };
    context.out(text.as_bytes())
}

pub(super) async fn list(context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?.without_wrapping();
    let ids = ids(&client).await?;
    let text: String = ids.iter().map(|id| format!("{id}\n")).collect();
    context.print(&cofferdam_api::Tree::from(ids), || Secret::new(text))
}

async fn ids(client: &Client) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    loop {
        let mut request = Request::new(Method::List, REPORTS);
        if let Some(last) = all.last() {
            request = request.query("after", String::clone(last));
        }
        match client.send(request).await {
            Ok(answer) => {
                let keys = answer.keys();
                if keys.is_empty() {
                    return Ok(all);
                }
                all.extend(keys);
            }
            Err(Error::NotFound(_)) => return Ok(all),
            Err(error) => return Err(error.into()),
        }
    }
}

fn parsed(answer: &Response) -> Result<Kept, Failure> {
    let tree = answer.tree().map(|tree| tree.to_json());
    let kept = tree.and_then(|json| serde_json::from_slice(json.expose()).ok());
    kept.ok_or_else(|| Failure::local("the server's report is not understood"))
}

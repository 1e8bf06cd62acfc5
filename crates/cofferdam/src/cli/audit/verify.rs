//! `audit verify`: whether a log is whole, and which lines were touched.
//!
//! The server is asked for the key of the device's chain and for its head (an extension of
//! Vault's API, for those with `sudo` on it); the log itself is read here, so it may be a copy from
//! another machine. Exit codes: 0 whole, 1 touched, 2 not verified.

use super::super::input::reason;
use super::super::{Context, Exit, Failure};
use super::with_slash;
use base64::Engine as _;
use clap::Args;
use cofferdam_api::{Request, Tree};
use cofferdam_core::audit::verify::{Expected, Finding, Report, verify};
use cofferdam_core::audit::{ChainKey, Head};
use cofferdam_secret::Secret;
use std::fs::File;

/// Reads a log and names the lines that somebody touched.
#[derive(Args)]
pub(super) struct Verify {
    /// Device that wrote the log
    #[arg(long, value_name = "PATH", default_value = "file")]
    path: String,
    /// The log goes on from this head: of the file before it, NUMBER:CODE
    #[arg(long, value_name = "HEAD")]
    after: Option<String>,
    /// The log must reach this head, for an older copy or a rotated file: NUMBER:CODE, or none;
    /// without it the server's own
    #[arg(long, value_name = "HEAD")]
    head: Option<String>,
    /// Log
    #[arg(value_name = "FILE")]
    file: String,
}

impl Verify {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let after = self.after.as_deref().map(head_of).transpose()?;
        let noted = match self.head.as_deref() {
            None | Some("none") => None,
            Some(text) => Some(head_of(text)?),
        };
        let unreadable = |error: std::io::Error| {
            Failure::local(format!("cannot read {}: {}", self.file, reason(&error)))
                .with_exit(Exit::Server)
        };
        let path = with_slash(&self.path);
        let request = Request::get(format!("sys/audit/{path}chain"));
        // The head first, the log after it: what is written meanwhile lies behind the head.
        let response = context.link()?.send(request).await?;
        let (key, current) = chain_of(&response.tree().unwrap_or(Tree::Null))?;
        let log = File::open(&self.file).map_err(unreadable)?;
        let head = match &self.head {
            None => current,
            Some(_) => noted,
        };
        let expected = Expected { after, head };
        let report = verify(log, &key, &expected).map_err(unreadable)?;
        self.print(context, &report)
    }

    fn print(&self, context: &Context, report: &Report) -> Result<Exit, Failure> {
        let head = |head: &Option<Head>| head.map(|head| head.to_string());
        let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        let document = Tree::map()
            .with("file", self.file.as_str())
            .with("intact", report.is_intact())
            .with("lines", report.lines)
            .with("records", report.records)
            .with("first", head(&report.first))
            .with("last", head(&report.last))
            .with("findings", findings.clone())
            .with("further", report.further)
            .with("incomplete", report.incomplete.clone());
        context.print(&document, || Secret::new(self.lines(report, &findings)))?;
        if report.is_intact() {
            return Ok(Exit::Success);
        }
        let count = findings.len() as u64 + report.further;
        let places = if count == 1 { "place" } else { "places" };
        let only_short = matches!(report.findings.as_slice(), [Finding::Truncated { .. }]);
        Err(Failure::local(format!("{}: touched in {count} {places}", self.file)).hint(
            if only_short && self.head.is_none() {
                "for an older copy or a rotated file pass the head noted for it: -head=NUMBER:CODE, or -head=none"
            } else {
                "compare it with a copy that was kept elsewhere"
            },
        ))
    }

    fn lines(&self, report: &Report, findings: &[String]) -> String {
        let mut text: String = findings
            .iter()
            .map(|finding| format!("{finding}\n"))
            .collect();
        for line in &report.incomplete {
            text.push_str(&format!(
                "line {line}: cut off while it was written, never accepted\n"
            ));
        }
        if report.is_intact() {
            let last = report
                .last
                .map_or_else(|| "none".to_owned(), |head| head.to_string());
            text.push_str(&format!("whole: {} records, head {last}\n", report.records));
        }
        text
    }
}

fn head_of(text: &str) -> Result<Head, Failure> {
    text.parse().map_err(|_| {
        Failure::usage("not the head of a log")
            .hint("a head looks like 17:0f3a… with 32 hex digits; verify prints it")
    })
}

/// The key and the head in the server's answer.
fn chain_of(data: &Tree) -> Result<(ChainKey, Option<Head>), Failure> {
    let unusable = || {
        Failure::server("the server's answer holds no chain key")
            .hint("only cofferdam keeps a chain in its audit log")
    };
    let text = data
        .get("key")
        .and_then(Tree::as_text)
        .ok_or_else(unusable)?;
    let decoded = Secret::new(
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|_| unusable())?,
    );
    let mut key = Secret::new([0_u8; 32]);
    if decoded.len() != key.expose().len() {
        return Err(unusable());
    }
    key.expose_mut().copy_from_slice(decoded.expose());
    let seq = data.get("seq").and_then(Tree::as_u64);
    let mac = data.get("mac").and_then(Tree::as_text);
    let head = seq
        .zip(mac)
        .and_then(|(seq, mac)| format!("{seq}:{mac}").parse().ok());
    Ok((ChainKey::new(&key), head))
}

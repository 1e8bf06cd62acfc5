//! `cofferdam blast PATH@VERSION`: who and what has a version of a secret, and in which order a
//! replacement breaks least.
//!
//! From what is on record: builds and deliveries (`sys/records`), and reads in the audit log. What
//! cannot be known from these is said, and is no small list: a value that was read once can be anywhere.

mod logs;
mod readers;
mod records;

use super::output::Format;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_api::{KvMount, KvVersion};
use cofferdam_detect::source::clean;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Tells who and what has a version of a secret.
#[derive(Args)]
pub(crate) struct Blast {
    /// Secret and version, such as secret/shop/db@7; without a version the newest
    #[arg(value_name = "PATH@VERSION")]
    secret: String,
    /// Audit log to read, also a packed one; may be repeated (default: those of the server's devices, rotated ones too)
    #[arg(long, value_name = "FILE")]
    audit: Vec<PathBuf>,
}

/// What is known.
#[derive(Serialize)]
pub(crate) struct Radius {
    path: String,
    version: Option<u64>,
    newest: Option<u64>,
    images: Vec<records::Image>,
    containers: Vec<records::Holder>,
    people: Vec<readers::Reader>,
    order: Vec<Step>,
    not_known: Vec<String>,
    /// There is nothing at the path.
    #[serde(skip)]
    is_absent: bool,
}

impl Radius {
    /// Whether nobody and nothing is known to have it.
    const fn is_empty(&self) -> bool {
        self.images.is_empty() && self.containers.is_empty() && self.people.is_empty()
    }
}

/// One step of a replacement.
#[derive(Serialize)]
struct Step {
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

impl Verb for Blast {
    const NAME: &'static str = "blast";
    const ABOUT: &'static str = "say who and what has a version of a secret, and how to replace it";
    const EXAMPLE: &'static str = "cofferdam blast secret/shop/db@7";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (path, version) = split(&self.secret)?;
        let link = context.link()?;
        let mount = link.kv_mount(&path).await?;
        let client = context.client()?.without_wrapping();
        let mut radius = Radius {
            path,
            version,
            newest: None,
            images: Vec::new(),
            containers: Vec::new(),
            people: Vec::new(),
            order: Vec::new(),
            not_known: Vec::new(),
            is_absent: false,
        };
        newest(&client, &mount, &mut radius).await?;
        records::collect(&client, &mut radius).await?;
        readers::collect(&client, &mount, &self.audit, &mut radius).await?;
        missing(&mut radius)?;
        radius.not_known.extend(ALWAYS.map(str::to_owned));
        radius.order = order(&radius);
        print(context, &radius)?;
        Ok(Exit::Success)
    }
}

/// What no record can say.
const ALWAYS: [&str; 3] = [
    "what the readers did with the value: copies, backups, other stores",
    "reads that were not audited here: on another server, or before the first line of the logs",
    "images and containers that got the value by another way than cofferdam; search with: cofferdam report leaks",
];

/// A path and a version.
fn split(text: &str) -> Result<(String, Option<u64>), Failure> {
    let Some((path, version)) = text.rsplit_once('@') else {
        return Ok((text.trim_matches('/').to_owned(), None));
    };
    let number = version.parse().ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| {
        Failure::usage("a version is a whole number of one or more")
            .hint("cofferdam blast secret/shop/db@7")
    })?;
    Ok((path.trim_matches('/').to_owned(), Some(number)))
}

/// Which version is the newest, and the one that is meant where none was named.
async fn newest(
    client: &cofferdam_api::Client,
    mount: &KvMount,
    radius: &mut Radius,
) -> Result<(), Failure> {
    if mount.version != KvVersion::V2 {
        radius
            .not_known
            .push("versions: this mount keeps none".to_owned());
        return Ok(());
    }
    let rest = below(mount, &radius.path);
    match client.read(&format!("{}metadata/{rest}", mount.path)).await {
        Ok(answer) => {
            let data = answer.tree().unwrap_or(cofferdam_api::Tree::Null);
            radius.newest = data
                .get("current_version")
                .and_then(cofferdam_api::Tree::as_u64);
        }
        Err(cofferdam_api::Error::NotFound(_)) => radius.is_absent = true,
        Err(cofferdam_api::Error::Denied(_)) => radius.not_known.push(format!(
            "the newest version: no \"read\" on {}metadata/{rest}",
            mount.path
        )),
        Err(error) => return Err(error.into()),
    }
    if radius.version.is_none() {
        radius.version = radius.newest;
    }
    Ok(())
}

/// A version that is not there may have been, before the secret was removed and made anew: then records
/// tell of it. Of one that nothing tells of there is nothing to replace, and a plan would mislead.
fn missing(radius: &mut Radius) -> Result<(), Failure> {
    let what = match (radius.version, radius.newest) {
        (Some(version), Some(newest)) if version > newest => {
            format!(
                "version {version} of {}: the newest is {newest}",
                radius.path
            )
        }
        (version, None) if radius.is_absent => match version {
            Some(version) => format!("version {version} of {}", radius.path),
            None => format!("secret at {}", radius.path),
        },
        _ => return Ok(()),
    };
    if !radius.is_empty() {
        radius
            .not_known
            .push(format!("there is no {what}; what is shown is of before"));
        return Ok(());
    }
    let none = Failure::server(format!(
        "there is no {what}, and nothing on record tells of it"
    ));
    let unknown = std::mem::take(&mut radius.not_known);
    let none = unknown.into_iter().fold(none, Failure::detail);
    Err(none.hint(match radius.newest {
        Some(_) => format!("cofferdam kv metadata get {}", radius.path),
        None => match radius.path.rsplit_once('/') {
            Some((directory, _)) => format!("cofferdam kv list {directory}"),
            None => "cofferdam secrets list".to_owned(),
        },
    }))
}

/// The path relative to its mount.
fn below<'p>(mount: &KvMount, path: &'p str) -> &'p str {
    path.strip_prefix(mount.path.as_str()).unwrap_or(path)
}

/// First what follows by itself, then what is restarted, then what is built again; the old value
/// goes last, since everything before still needs it until then.
fn order(radius: &Radius) -> Vec<Step> {
    let mut steps = vec![];
    let mut step = |what: String, command: Option<String>| steps.push(Step { what, command });
    if radius.newest.is_none() || radius.newest == radius.version {
        step(
            "give it a new value, where it is used and here; the old one goes on to count"
                .to_owned(),
            Some(format!("cofferdam kv patch {} FIELD=-", radius.path)),
        );
    }
    let via = |ways: &[&str]| {
        let holders = radius.containers.iter();
        let names: Vec<_> = holders
            .filter(|holder| ways.contains(&holder.via.as_str()))
            .map(|holder| holder.name.clone())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = via(&["volume", "compose"]) {
        step(
            format!("wait: these get new files by themselves: {names}"),
            None,
        );
    }
    if let Some(names) = via(&["socket"]) {
        step(
            format!("these ask again by themselves; restart one that keeps the value: {names}"),
            None,
        );
    }
    if let Some(names) = via(&["swarm"]) {
        step(
            format!("replace tasks one after the other: {names}"),
            Some("cofferdam swarm rotate SECRET".to_owned()),
        );
    }
    let known = ["volume", "compose", "socket", "swarm"];
    let others: Vec<_> = radius
        .containers
        .iter()
        .filter(|holder| !known.contains(&holder.via.as_str()))
        .map(|holder| holder.name.clone())
        .collect();
    if !others.is_empty() {
        step(format!("restart: {}", others.join(", ")), None);
    }
    for image in &radius.images {
        step(
            format!("build again, then deploy: {}", image.name),
            image.build_command(),
        );
    }
    for reader in &radius.people {
        step(
            format!("tell {}, who read it", reader.name),
            reader.revoke_command(),
        );
    }
    let version = radius
        .version
        .map(|version| format!(" -versions={version}"));
    step(
        "last: take the old value away where it is used, then here".to_owned(),
        version.map(|version| format!("cofferdam kv destroy{version} {}", radius.path)),
    );
    steps
}

fn print(context: &Context, radius: &Radius) -> Result<(), Failure> {
    let broken = |_| Failure::local("the document broke down");
    let text = match context.format() {
        Format::Json => serde_json::to_string_pretty(radius).map_err(broken)? + "\n",
        Format::Yaml => serde_yaml_ng::to_string(radius)
            .map_err(|_| Failure::local("the document broke down"))?,
        Format::Table => text(radius),
    };
    context.out(text.as_bytes())
}

fn text(radius: &Radius) -> String {
    let mut out = String::new();
    let version = radius.version.map(|version| format!("@{version}"));
    let _ = writeln!(
        out,
        "{}{}\n",
        clean(&radius.path),
        version.unwrap_or_default()
    );
    section(
        &mut out,
        "images",
        radius.images.iter().map(records::Image::line),
    );
    section(
        &mut out,
        "containers and tasks",
        radius.containers.iter().map(records::Holder::line),
    );
    section(
        &mut out,
        "people and programs that read it",
        radius.people.iter().map(readers::Reader::line),
    );
    let _ = writeln!(out, "in this order it breaks least");
    for (number, step) in radius.order.iter().enumerate() {
        let _ = writeln!(out, "  {}. {}", number + 1, clean(&step.what));
        if let Some(command) = &step.command {
            let _ = writeln!(out, "     {}", clean(command));
        }
    }
    out.push('\n');
    section(&mut out, "not known", radius.not_known.iter().cloned());
    out
}

fn section(out: &mut String, head: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<_> = lines.collect();
    let _ = writeln!(out, "{head}");
    if lines.is_empty() {
        out.push_str("  none on record\n");
    }
    for line in lines {
        let _ = writeln!(out, "  {}", clean(&line));
    }
    out.push('\n');
}

/// Text attributes of a record.
type Attributes = BTreeMap<String, String>;

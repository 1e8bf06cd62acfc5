//! Who read the value: from the audit log.
//!
//! Paths, times and names stand there in clear; accessors are hashed. The server hashes those of the
//! tokens that live (`sys/audit-hash`), so a token that can still be revoked is named by its accessor.

use super::{Radius, below, logs};
use crate::cli::Failure;
use cofferdam_api::{Client, Error, KvMount, KvVersion, Request, Tree};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Tokens that are hashed to find those of the log; each is a request.
const ACCESSORS: usize = 1000;
/// Longest line of a log.
const LINE: u64 = 64 << 20;

/// Somebody who read the value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Reader {
    pub(super) name: String,
    entity: String,
    first: String,
    last: String,
    reads: u64,
    from: BTreeSet<String>,
    /// Accessors of their tokens that live.
    accessors: BTreeSet<String>,
    /// Tokens that have ended, or that could not be told.
    other_tokens: u64,
}

impl Reader {
    pub(super) fn line(&self) -> String {
        let from = if self.from.is_empty() {
            // Audit records have no address of who came by the socket.
            "over the local socket".to_owned()
        } else {
            let from: Vec<_> = self.from.iter().map(String::as_str).collect();
            format!("from {}", from.join(", "))
        };
        let tokens = match self.accessors.len() {
            0 => String::new(),
            _ => format!(
                "; live tokens: {}",
                self.accessors
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        format!(
            "{}: {} reads, {} to {}, {from}{tokens}",
            self.name, self.reads, self.first, self.last
        )
    }

    pub(super) fn revoke_command(&self) -> Option<String> {
        let accessor = self.accessors.first()?;
        Some(format!("cofferdam token revoke -accessor {accessor}"))
    }
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    time: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    auth: Auth,
    #[serde(default)]
    request: Asked,
    #[serde(default)]
    response: Option<Answered>,
    #[serde(default)]
    error: String,
}

#[derive(Default, Deserialize)]
struct Auth {
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    entity_id: String,
    #[serde(default)]
    accessor: String,
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    path: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    remote_address: String,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    data: Option<serde_json::Value>,
    #[serde(default)]
    wrap_info: Option<serde_json::Value>,
}

/// What the logs say, by name and entity; accessors as hashes.
#[derive(Default)]
struct Found {
    readers: BTreeMap<(String, String), (Reader, BTreeSet<String>)>,
    wrapped: u64,
    unclear: u64,
    first_line: Option<String>,
}

impl Found {
    /// Takes the time of a log's first line. Times are RFC 3339 in UTC, which sort as text.
    fn begins(&mut self, time: Option<String>) {
        let earlier = |time: &String| {
            let known = self.first_line.as_ref();
            !time.is_empty() && known.is_none_or(|known| time < known)
        };
        if let Some(time) = time.filter(earlier) {
            self.first_line = Some(time);
        }
    }
}

pub(super) async fn collect(
    client: &Client,
    mount: &KvMount,
    named: &[PathBuf],
    radius: &mut Radius,
) -> Result<(), Failure> {
    let (devices, files) = match named {
        [] => devices(client, radius).await?,
        files => (devices_quietly(client).await, files.to_vec()),
    };
    let rest = below(mount, &radius.path);
    let path = match mount.version {
        KvVersion::V2 => format!("{}data/{rest}", mount.path),
        KvVersion::V1 => radius.path.clone(),
    };
    let mut found = Found::default();
    let mut left = logs::LONGEST;
    for file in &files {
        if let Err(error) = read(file, &path, radius.version, &mut left, &mut found) {
            radius.not_known.push(format!(
                "who read it, as far as {} says: {}",
                file.display(),
                error.kind()
            ));
        }
    }
    if let Some(first) = &found.first_line {
        radius
            .not_known
            .push(format!("who read it before {first}: the logs begin there"));
    }
    if found.wrapped > 0 {
        radius.not_known.push(format!(
            "who opened {} wrapped answers: another one than who asked for them, mostly",
            found.wrapped
        ));
    }
    if found.unclear > 0 {
        radius.not_known.push(format!(
            "which version {} reads were of; they are counted",
            found.unclear
        ));
    }
    name_tokens(client, &devices, &mut found, radius).await?;
    radius.people = found
        .readers
        .into_values()
        .map(|(reader, _)| reader)
        .collect();
    Ok(())
}

/// File devices: their names, and the files that they write.
async fn devices(
    client: &Client,
    radius: &mut Radius,
) -> Result<(Vec<String>, Vec<PathBuf>), Failure> {
    let answer = match client.read("sys/audit").await {
        Ok(answer) => answer,
        Err(Error::Denied(_)) => {
            radius.not_known.push(
                "who read it: no \"read\" and \"sudo\" on sys/audit; name a log with -audit=FILE"
                    .to_owned(),
            );
            return Ok((Vec::new(), Vec::new()));
        }
        Err(error) => return Err(error.into()),
    };
    let (mut names, mut files) = (Vec::new(), Vec::new());
    let listed = answer.tree().unwrap_or(Tree::Null);
    for (name, device) in listed.entries() {
        let text = |tree: Option<&Tree>| tree.and_then(Tree::as_text).map(str::to_owned);
        names.push(name.trim_end_matches('/').to_owned());
        let file = device.get("options").and_then(|options| {
            text(options.get("file_path")).or_else(|| text(options.get("path")))
        });
        match (text(device.get("type")).as_deref(), file) {
            (Some("file"), Some(file)) => {
                let logs = logs::with_rotated(Path::new(&file));
                files.extend(logs.files);
                let left = logs.left.into_iter();
                radius
                    .not_known
                    .extend(left.map(|log| format!("who read it, as far as {log}")));
            }
            _ => radius.not_known.push(format!(
                "what the audit device {name} has: it is not a file"
            )),
        }
    }
    if files.is_empty() {
        radius.not_known.push(
            "who read it: no audit device writes a file; name a log with -audit=FILE".to_owned(),
        );
    }
    Ok((names, files))
}

async fn devices_quietly(client: &Client) -> Vec<String> {
    let Ok(answer) = client.read("sys/audit").await else {
        return Vec::new();
    };
    let listed = answer.tree().unwrap_or(Tree::Null);
    listed
        .entries()
        .map(|(name, _)| name.trim_end_matches('/').to_owned())
        .collect()
}

fn read(
    file: &Path,
    path: &str,
    version: Option<u64>,
    left: &mut u64,
    found: &mut Found,
) -> std::io::Result<()> {
    let mut log = logs::open(file)?;
    // Most lines are about something else: they are not parsed.
    let wanted = serde_json::to_string(path).unwrap_or_default();
    let wanted = memchr::memmem::Finder::new(wanted.as_bytes());
    let mut line = Vec::new();
    let mut begun = false;
    while logs::line(&mut *log, LINE, left, &mut line)?.is_some() {
        if !begun {
            begun = true;
            let first: Option<Line> = serde_json::from_slice(&line).ok();
            found.begins(first.map(|line| line.time));
        }
        if wanted.find(&line).is_some()
            && let Ok(line) = serde_json::from_slice::<Line>(&line)
        {
            judge(line, path, version, found);
        }
    }
    Ok(())
}

fn judge(line: Line, path: &str, version: Option<u64>, found: &mut Found) {
    let served = line.r#type == "response" && line.error.is_empty();
    if !served || line.request.path != path || line.request.operation != "read" {
        return;
    }
    let Some(response) = line.response else {
        return;
    };
    if response.wrap_info.is_some() {
        found.wrapped += 1;
    } else {
        let given = response
            .data
            .as_ref()
            .and_then(|data| data.get("metadata")?.get("version")?.as_u64());
        match (given, version) {
            (Some(given), Some(wanted)) if given != wanted => return,
            (None, _) => found.unclear += 1,
            _ => {}
        }
    }
    let key = (line.auth.display_name.clone(), line.auth.entity_id.clone());
    let (reader, hashes) = found.readers.entry(key).or_insert_with(|| {
        let reader = Reader {
            name: line.auth.display_name.clone(),
            entity: line.auth.entity_id.clone(),
            first: line.time.clone(),
            ..Reader::default()
        };
        (reader, BTreeSet::new())
    });
    reader.reads += 1;
    // Files are not read in the order of their times.
    if line.time < reader.first {
        reader.first.clone_from(&line.time);
    }
    if line.time > reader.last {
        reader.last = line.time;
    }
    if !line.request.remote_address.is_empty() {
        reader.from.insert(line.request.remote_address);
    }
    if !line.auth.accessor.is_empty() {
        hashes.insert(line.auth.accessor);
    }
}

/// Turns hashed accessors into those of tokens that live, as far as the caller may list tokens.
async fn name_tokens(
    client: &Client,
    devices: &[String],
    found: &mut Found,
    radius: &mut Radius,
) -> Result<(), Failure> {
    let hashed: usize = found.readers.values().map(|(_, hashes)| hashes.len()).sum();
    if hashed == 0 {
        return Ok(());
    }
    let live = match client.list("auth/token/accessors").await {
        Ok(answer) => answer.keys(),
        Err(Error::NotFound(_)) => Vec::new(),
        Err(Error::Denied(_)) => {
            radius.not_known.push(
                "which of the readers' tokens live: no \"list\" and \"sudo\" on auth/token/accessors"
                    .to_owned(),
            );
            Vec::new()
        }
        Err(error) => return Err(error.into()),
    };
    if live.len() > ACCESSORS {
        radius.not_known.push(format!(
            "which of the readers' tokens live, beyond the first {ACCESSORS}"
        ));
    }
    for accessor in live.iter().take(ACCESSORS) {
        for device in devices {
            let body = Tree::map().with("input", accessor.as_str());
            let request = Request::post(format!("sys/audit-hash/{device}"), &body);
            let answer = match client.send(request).await {
                Ok(answer) => answer,
                Err(Error::Denied(_)) => {
                    radius.not_known.push(format!(
                        "which of the readers' tokens live: no \"update\" on sys/audit-hash/{device}"
                    ));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            let data = answer.tree().unwrap_or(Tree::Null);
            let Some(hash) = data.get("hash").and_then(Tree::as_text) else {
                continue;
            };
            for (reader, hashes) in found.readers.values_mut() {
                if hashes.remove(hash) {
                    reader.accessors.insert(accessor.clone());
                }
            }
        }
    }
    for (reader, hashes) in found.readers.values_mut() {
        reader.other_tokens = hashes.len() as u64;
    }
    Ok(())
}

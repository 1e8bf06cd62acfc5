//! KV of both versions.

use super::Job;
use super::mounts::{Kind, Source};
use super::object::Object;
use super::peer::Trouble;
use super::same::same_value;
use super::versions::{History, Standing};
use super::walk::walk;
use crate::cli::Failure;
use cofferdam_api::Tree;

const KIND: &str = "secret";
/// Bytes of data in one request: as little as a server may be set to take, but never less than one
/// version.
const AT_ONCE: usize = 512 * 1024;
/// Versions in one request.
const VERSIONS_AT_ONCE: usize = 256;
/// A secret that changes under our hands is looked at again, this often at most.
const LOOKS: usize = 3;

/// Copies all secrets of a mount.
pub(super) async fn bring(job: &Job, mount: &Source) -> Result<(), Failure> {
    let path = mount.path.as_str();
    if matches!(mount.kind, Kind::KvOne) {
        return walk(job, KIND, path, &|secret| {
            Box::pin(async move {
                let full = format!("{path}/{secret}");
                job.progress.show(&full);
                job.settle(KIND, &full, unversioned(job, &full).await)
            })
        })
        .await;
    }
    let config = format!("{path}/config");
    let object = Object {
        kind: "kv settings",
        path: &config,
        ignored: &[],
        once: &[],
        secret: None,
        written: super::object::always,
    };
    let done = settings(job, object).await;
    job.settle("kv settings", &config, done)?;
    let root = format!("{path}/metadata");
    walk(job, KIND, &root, &|secret| {
        Box::pin(async move {
            let full = format!("{path}/{secret}");
            job.progress.show(&full);
            job.settle(KIND, &full, versioned(job, path, &secret).await)
        })
    })
    .await
}

/// A mount that was just made has settings too: those that nobody set.
async fn settings(job: &Job, object: Object<'_>) -> Result<(), Trouble> {
    let Some(wanted) = job.source.data(object.path).await? else {
        return Ok(());
    };
    if let Some(here) = job.target.data(object.path).await? {
        let unset = here
            .entries()
            .all(|(_, value)| super::same::is_nothing(Some(value)));
        if unset && !super::object::differing(&wanted, &here).is_empty() {
            job.write(object.path, &wanted).await?;
            job.report().created(object.kind, object.path);
            return Ok(());
        }
    }
    object.put(job, &wanted).await
}

async fn unversioned(job: &Job, path: &str) -> Result<(), Trouble> {
    let Some(wanted) = job.source.data(path).await? else {
        // Gone since it was listed.
        return Ok(());
    };
    let here = job.target.data(path).await?;
    let fresh = here.is_none();
    if let Some(here) = here {
        if same_value(&wanted, &here) {
            job.report().unchanged(KIND);
            return Ok(());
        }
        if !job.overwrite {
            job.report().different(KIND, path, "another value");
            return Ok(());
        }
    }
    job.write(path, &wanted).await?;
    if fresh {
        job.report().created(KIND, path);
    } else {
        job.report().changed(KIND, path, "overwritten");
    }
    Ok(())
}

async fn versioned(job: &Job, mount: &str, secret: &str) -> Result<(), Trouble> {
    for _ in 0..LOOKS {
        if attempt(job, mount, secret).await? {
            return Ok(());
        }
    }
    Err(Trouble::item(
        "it changes while it is read: run the same command again",
    ))
}

/// Copies one secret; false where it changed meanwhile.
async fn attempt(job: &Job, mount: &str, secret: &str) -> Result<bool, Trouble> {
    let metadata = format!("{mount}/metadata/{secret}");
    let Some(there) = job.source.read(&metadata).await? else {
        return Ok(true);
    };
    let there = History::of(&there)
        .ok_or_else(|| Trouble::item("the other server's list of its versions makes no sense"))?;
    let full = format!("{mount}/{secret}");
    let here = match job.target.read(&metadata).await? {
        None => None,
        Some(here) => Some(
            History::of(&here).ok_or_else(|| Trouble::item("the answer here makes no sense"))?,
        ),
    };
    let (mut after, mut overwrite) = (0, false);
    match here.as_ref().map(|here| there.standing(here)) {
        None => {}
        Some(Standing::Same) => {
            job.report().unchanged(KIND);
            let gone = here.map(|here| there.undeletable(&here));
            say_gone(job, &full, &gone.unwrap_or_default());
            return Ok(true);
        }
        Some(Standing::Behind(number)) => after = number,
        Some(Standing::Different(why)) if !job.overwrite => {
            job.report().different(KIND, &full, why);
            return Ok(true);
        }
        Some(Standing::Different(_)) => overwrite = true,
    }
    let (continued, replaced) = (after > 0, overwrite);
    if !job.dry_run {
        let Some(gone) = copy(job, mount, secret, &there, after, overwrite).await? else {
            return Ok(false);
        };
        say_gone(job, &full, &gone);
    }
    match (continued, replaced) {
        (true, _) => job.report().changed(KIND, &full, "newer versions"),
        (_, true) => job.report().changed(KIND, &full, "overwritten"),
        _ => job.report().created(KIND, &full),
    }
    Ok(true)
}

fn say_gone(job: &Job, full: &str, gone: &[u64]) {
    if !gone.is_empty() {
        let numbers: Vec<_> = gone.iter().map(u64::to_string).collect();
        let why = format!(
            "the other server gives nobody the data of what is deleted; here it is destroyed (to \
             keep it, undelete it there before the import: {})",
            numbers.join(", ")
        );
        job.report().left("deleted version", full, why);
    }
}

/// Sends the versions in parts, oldest first. Gives the numbers of those that have no data; `None`
/// where one went away meanwhile.
async fn copy(
    job: &Job,
    mount: &str,
    secret: &str,
    there: &History,
    mut after: u64,
    mut overwrite: bool,
) -> Result<Option<Vec<u64>>, Trouble> {
    let path = format!("{mount}/import/{secret}");
    let mut gone = Vec::new();
    let mut part = Tree::map();
    let (mut bytes, mut count, mut newest) = (0, 0, after);
    for (number, state) in there.numbered.range(after + 1..) {
        let data = if state.destroyed {
            None
        } else {
            let asked = number.to_string();
            let version = format!("{mount}/data/{secret}");
            let request = |path| cofferdam_api::Request::get(path).query("version", asked.clone());
            let answer = job.source.ask(request, &version).await?;
            let data = answer.and_then(|answer| answer.tree()?.take("data"));
            match data {
                Some(data @ Tree::Map(_)) => Some(data),
                _ if state.deletion_time.is_empty() => return Ok(None),
                _ => {
                    gone.push(*number);
                    None
                }
            }
        };
        let mut version = Tree::map()
            .with("created_time", state.created_time.clone())
            .with("deletion_time", state.deletion_time.clone())
            .with("destroyed", data.is_none());
        let size = data.as_ref().map_or(0, |data| data.to_json().len());
        if count > 0 && (bytes + size > AT_ONCE || count == VERSIONS_AT_ONCE) {
            send(
                job,
                &path,
                there,
                std::mem::replace(&mut part, Tree::map()),
                after,
                overwrite,
            )
            .await?;
            (after, overwrite, bytes, count) = (newest, false, 0, 0);
        }
        if let Some(data) = data {
            version.insert("data", data);
        }
        part.insert(number.to_string(), version);
        (bytes, count, newest) = (bytes + size, count + 1, *number);
    }
    if count > 0 || there.numbered.is_empty() {
        send(job, &path, there, part, after, overwrite).await?;
    }
    Ok(Some(gone))
}

async fn send(
    job: &Job,
    path: &str,
    there: &History,
    versions: Tree,
    after: u64,
    overwrite: bool,
) -> Result<(), Trouble> {
    let body = there
        .settings()
        .with("versions", versions)
        .with("after", after)
        .with("overwrite", overwrite);
    job.write(path, &body).await
}

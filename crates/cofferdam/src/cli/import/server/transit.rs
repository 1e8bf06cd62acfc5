//! Keys of transit, where their owner allowed them out: as the backup that both servers read.

use super::Job;
use super::mounts::Source;
use super::object::differing;
use super::peer::Trouble;
use crate::cli::Failure;
use cofferdam_api::Tree;

const KIND: &str = "transit key";
/// What tells one key from another; versions by the times they were made.
const TELLING: [&str; 14] = [
    "type",
    "keys",
    "latest_version",
    "min_decryption_version",
    "min_encryption_version",
    "min_available_version",
    "exportable",
    "allow_plaintext_backup",
    "deletion_allowed",
    "derived",
    "convergent_encryption",
    "auto_rotate_period",
    "imported_key",
    "soft_deleted",
];

/// Copies the keys of a mount.
pub(super) async fn bring(job: &Job, mount: &Source) -> Result<(), Failure> {
    let root = format!("{}/keys", mount.path);
    for name in job.list(KIND, &root).await? {
        let path = format!("{root}/{name}");
        job.progress.show(&path);
        let done = key(job, &mount.path, &name).await;
        job.settle(KIND, &path, done)?;
    }
    Ok(())
}

async fn key(job: &Job, mount: &str, name: &str) -> Result<(), Trouble> {
    let path = format!("{mount}/keys/{name}");
    let Some(there) = job.source.data(&path).await? else {
        return Ok(());
    };
    let here = job.target.data(&path).await?;
    if let Some(here) = &here {
        let other = differing(&telling(&there), &telling(here));
        if other.is_empty() {
            job.report().unchanged(KIND);
            return Ok(());
        }
        if !job.overwrite {
            job.report().different(
                KIND,
                &path,
                format!("another key: other {}", other.join(", ")),
            );
            return Ok(());
        }
    }
    let allowed = |name: &str| there.get(name).and_then(Tree::as_bool) == Some(true);
    for (flag, allowed) in [
        ("exportable", allowed("exportable")),
        ("allow_plaintext_backup", allowed("allow_plaintext_backup")),
    ] {
        if !allowed {
            return Err(Trouble::item(format!(
                "the other server keeps it: {flag} is off, and once on it cannot be switched off again"
            )));
        }
    }
    if !job.dry_run {
        let backup = job.source.data(&format!("{mount}/backup/{name}")).await?;
        let backup = backup.and_then(|mut data| data.take("backup"));
        let backup = backup.ok_or_else(|| Trouble::item("the other server gave no backup"))?;
        let body = Tree::map()
            .with("backup", backup)
            .with("force", here.is_some());
        job.write(&format!("{mount}/restore/{name}"), &body).await?;
    }
    if here.is_some() {
        job.report().changed(KIND, &path, "overwritten");
    } else {
        job.report().created(KIND, &path);
    }
    Ok(())
}

fn telling(key: &Tree) -> Tree {
    TELLING
        .iter()
        .fold(Tree::map(), |tree, name| match key.get(name) {
            Some(value) => tree.with(*name, super::versions::copied(value)),
            None => tree,
        })
}

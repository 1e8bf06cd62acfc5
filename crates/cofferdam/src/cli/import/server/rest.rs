//! What is small, and what stays behind.

use super::Job;
use super::mounts::Source;
use super::object::Object;
use super::peer::Trouble;
use crate::cli::Failure;
use cofferdam_api::Tree;

/// Lists of things that are never copied, what one is called, and why.
const STAY: &[(&str, &str, &str)] = &[
    (
        "sys/namespaces",
        "namespace",
        "import it by itself: vaults://HOST:PORT/NAMESPACE",
    ),
    (
        "identity/mfa/method",
        "MFA method",
        "the other server shows its secrets to nobody",
    ),
];

/// Limits of requests, and of leases where the other server has those.
const LIMITS: [(&str, &str); 2] = [
    ("rate limit", "sys/quotas/rate-limit"),
    ("lease limit", "sys/quotas/lease-count"),
];

/// Keys of a TOTP mount: shown once, when they were made.
pub(super) async fn totp(job: &Job, mount: &Source) -> Result<(), Failure> {
    let root = format!("{}/keys", mount.path);
    for name in job.list("TOTP key", &root).await? {
        let why = "the other server shows it to nobody, but for the moment it was made";
        job.report()
            .left("TOTP key", &format!("{root}/{name}"), why);
    }
    Ok(())
}

/// Limits, and a word about everything else.
pub(super) async fn bring(job: &Job) -> Result<(), Failure> {
    for (kind, place) in LIMITS {
        for name in job.quiet(place).await? {
            let path = format!("{place}/{name}");
            let object = Object {
                kind,
                path: &path,
                ignored: &["name", "type", "counter"],
                once: &[],
                secret: None,
                written: super::object::always,
            };
            let done = object.bring(job).await.map(|_| ());
            job.settle(kind, &path, done)?;
        }
    }
    for (path, kind, why) in STAY {
        for name in job.quiet(path).await? {
            job.report().left(
                kind,
                &format!("{path}/{}", name.trim_end_matches('/')),
                *why,
            );
        }
    }
    // Those are the whole server's.
    if !job.is_namespace {
        devices(job).await?;
    }
    let tokens = job.quiet("auth/token/accessors").await?.len();
    if tokens > 0 {
        job.report().note(format!(
            "{tokens} tokens stay with the other server, with their cubbyholes and leases: whoever holds one logs in here anew"
        ));
    }
    Ok(())
}

/// Audit devices write to places of that machine.
async fn devices(job: &Job) -> Result<(), Failure> {
    let found = match job.source.data("sys/audit").await {
        Ok(found) => found,
        Err(Trouble::Stop(failure)) => return Err(failure),
        Err(Trouble::Item(reason)) => {
            job.report().left("audit device", "sys/audit", reason);
            None
        }
    };
    let found = found.unwrap_or(Tree::map());
    for (path, device) in found
        .entries()
        .filter(|(_, device)| device.get("type").is_some())
    {
        let kind = device
            .get("type")
            .and_then(Tree::as_text)
            .unwrap_or_default();
        let why = format!(
            "it writes to a place of that machine: cofferdam audit enable {}",
            super::names::shown(kind)
        );
        job.report()
            .left("audit device", path.trim_end_matches('/'), why);
    }
    Ok(())
}

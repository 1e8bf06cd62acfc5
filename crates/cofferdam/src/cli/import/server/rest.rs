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
        "sys/quotas/lease-count",
        "lease quota",
        "this server does not take it from another",
    ),
    (
        "identity/oidc/role",
        "identity token role",
        "the keys that sign stay with the other server",
    ),
    (
        "identity/oidc/client",
        "OIDC client",
        "its id and secret are made anew by each server",
    ),
    (
        "identity/oidc/scope",
        "OIDC scope",
        "it belongs to a provider whose keys stay with the other server",
    ),
    (
        "identity/mfa/method",
        "MFA method",
        "the other server shows its secrets to nobody",
    ),
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

/// Limits of rates, and a word about everything else.
pub(super) async fn bring(job: &Job) -> Result<(), Failure> {
    for name in quiet(job, "sys/quotas/rate-limit").await? {
        let path = format!("sys/quotas/rate-limit/{name}");
        let object = Object {
            kind: "rate limit",
            path: &path,
            ignored: &["name", "type"],
            once: &[],
            secret: None,
        };
        let done = object.bring(job).await.map(|_| ());
        job.settle("rate limit", &path, done)?;
    }
    for (path, kind, why) in STAY {
        for name in quiet(job, path).await? {
            job.report().left(
                kind,
                &format!("{path}/{}", name.trim_end_matches('/')),
                *why,
            );
        }
    }
    devices(job).await?;
    let tokens = quiet(job, "auth/token/accessors").await?.len();
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

/// A list that not every server has.
async fn quiet(job: &Job, path: &str) -> Result<Vec<String>, Failure> {
    match job.source.names(path).await {
        Ok(found) => Ok(found.good),
        Err(Trouble::Stop(failure)) => Err(failure),
        Err(Trouble::Item(_)) => Ok(Vec::new()),
    }
}

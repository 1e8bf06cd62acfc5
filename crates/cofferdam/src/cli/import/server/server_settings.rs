//! Settings of the server itself that mean the same on another machine: which pages may ask, which
//! headers are audited, what limits of rates spare.

use super::Job;
use super::object::Object;
use super::peer::Trouble;
use super::same::{is_nothing, same_setting};
use crate::cli::Failure;
use cofferdam_api::Tree;

const KIND: &str = "server settings";
const HEADERS: &str = "sys/config/auditing/request-headers";
const LIMITS: &str = "sys/quotas/config";
const CORS: &str = "sys/config/cors";
/// Of the pages that a server shows itself.
const PAGES: &str = "sys/config/ui/headers";

/// Copies them. A namespace has none of them.
pub(super) async fn bring(job: &Job) -> Result<(), Failure> {
    for (path, done) in [
        (CORS, cors(job).await),
        (HEADERS, headers(job).await),
        (LIMITS, limits(job).await),
    ] {
        job.settle(KIND, path, done)?;
    }
    for name in job.quiet(PAGES).await? {
        let why = "this server shows no pages whose headers could be set";
        job.report().left(KIND, &format!("{PAGES}/{name}"), why);
    }
    Ok(())
}

/// What the other server shows of it; a token that may not read it, or a namespace, has none.
async fn shown(job: &Job, path: &str) -> Result<Option<Tree>, Trouble> {
    match job.source.data(path).await {
        Err(Trouble::Item(_)) if job.is_namespace => Ok(None),
        other => other,
    }
}

fn is_on(cors: &Tree) -> bool {
    cors.get("enabled").and_then(Tree::as_bool) == Some(true)
}

async fn cors(job: &Job) -> Result<(), Trouble> {
    let Some(wanted) = shown(job, CORS).await?.filter(is_on) else {
        return Ok(());
    };
    let object = Object {
        kind: KIND,
        path: CORS,
        ignored: &[],
        once: &[],
        secret: None,
        written: is_on,
    };
    object.put(job, &wanted).await
}

async fn headers(job: &Job) -> Result<(), Trouble> {
    let Some(there) = shown(job, HEADERS).await? else {
        return Ok(());
    };
    let there = there.get("headers").into_iter().flat_map(Tree::entries);
    let here = job.target.data(HEADERS).await?.unwrap_or(Tree::map());
    let here = here.get("headers");
    for (name, wanted) in there {
        let path = format!(
            "{HEADERS}/{}",
            super::names::checked(name).map_err(Trouble::item)?
        );
        match here.and_then(|here| here.get(name)) {
            Some(known) if same_setting(Some(wanted), Some(known)) => {
                job.report().unchanged(KIND);
            }
            Some(_) if !job.overwrite => {
                job.report()
                    .different(KIND, &path, "hashed on one side only");
            }
            known => {
                let hmac = wanted.get("hmac").and_then(Tree::as_bool) == Some(true);
                job.write(&path, &Tree::map().with("hmac", hmac)).await?;
                match known {
                    Some(_) => job.report().changed(KIND, &path, "overwritten"),
                    None => job.report().created(KIND, &path),
                }
            }
        }
    }
    Ok(())
}

/// The paths that a server spares before anybody says so are its own.
async fn limits(job: &Job) -> Result<(), Trouble> {
    const SWITCHES: [&str; 2] = [
        "enable_rate_limit_audit_logging",
        "enable_rate_limit_response_headers",
    ];
    const SPARED: &str = "rate_limit_exempt_paths";
    let Some(there) = shown(job, LIMITS).await? else {
        return Ok(());
    };
    let here = job.target.data(LIMITS).await?.unwrap_or(Tree::map());
    let mut wanted = Tree::map();
    for name in SWITCHES {
        wanted.insert(name, !is_nothing(there.get(name)));
    }
    let named = |side: &Tree| -> Vec<String> {
        let items = side.get(SPARED).map(Tree::items).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| Some(item.as_text()?.to_owned()))
            .collect()
    };
    let usual = |path: &String| USUAL.contains(&path.as_str());
    let mut spared: Vec<String> = named(&there)
        .into_iter()
        .filter(|path| !usual(path))
        .collect();
    let known = named(&here);
    let on = SWITCHES.iter().any(|name| !is_nothing(there.get(name)));
    if spared.is_empty() && !on {
        return Ok(());
    }
    let more = spared.iter().any(|path| !known.contains(path));
    let others = known
        .iter()
        .any(|path| !usual(path) && !spared.contains(path));
    let switched = SWITCHES
        .iter()
        .any(|name| !same_setting(there.get(name), here.get(name)));
    if !more && !others && !switched {
        job.report().unchanged(KIND);
        return Ok(());
    }
    let touched = others || SWITCHES.iter().any(|name| !is_nothing(here.get(name)));
    if touched && !job.overwrite {
        job.report()
            .different(KIND, LIMITS, "other limits of rates");
        return Ok(());
    }
    // What is spared here stays spared: health checks and unsealing.
    spared.extend(known.into_iter().filter(usual));
    wanted.insert(SPARED, spared);
    job.write(LIMITS, &wanted).await?;
    match touched {
        true => job.report().changed(KIND, LIMITS, "overwritten"),
        false => job.report().created(KIND, LIMITS),
    }
    Ok(())
}

/// Paths that OpenBao and Vault spare before anybody says so; ours are among them.
const USUAL: [&str; 13] = [
    "sys/generate-recovery-token/attempt",
    "sys/generate-recovery-token/update",
    "sys/generate-root/attempt",
    "sys/generate-root/update",
    "sys/health",
    "sys/seal-status",
    "sys/unseal",
    "/v1/sys/generate-recovery-token/attempt",
    "/v1/sys/generate-recovery-token/update",
    "/v1/sys/generate-root/attempt",
    "/v1/sys/health",
    "/v1/sys/seal-status",
    "/v1/sys/unseal",
];

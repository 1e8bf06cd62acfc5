//! What is in auth methods: configuration and roles, by a table.
//!
//! What a method never shows cannot come: passwords, SecretIDs, the secret of an OIDC client. A user
//! is made with a password that nobody knows, so that names, policies and limits are there and a new
//! password is all that is missing.

use super::Job;
use super::mounts::{Kind, Source};
use super::object::Object;
use super::peer::Trouble;
use super::same::is_nothing;
use crate::cli::Failure;
use cofferdam_api::Tree;
use futures_util::StreamExt as _;

/// What one method has.
struct Method {
    kind: &'static str,
    /// A configuration at `config`, and the fields that show it was ever set.
    config: Option<&'static [&'static str]>,
    /// The list of roles, and what one is called.
    roles: (&'static str, &'static str),
    /// Fields that can only be set when a role is made.
    once: &'static [&'static str],
}

const METHODS: &[Method] = &[
    Method {
        kind: "approle",
        config: None,
        roles: ("role", "approle role"),
        once: &["local_secret_ids"],
    },
    Method {
        kind: "userpass",
        config: None,
        roles: ("users", "user"),
        once: &[],
    },
    Method {
        kind: "jwt",
        config: Some(&[
            "oidc_discovery_url",
            "jwks_url",
            "jwt_validation_pubkeys",
            "jwks_pairs",
        ]),
        roles: ("role", "jwt role"),
        once: &[],
    },
    Method {
        kind: "oidc",
        config: Some(&[
            "oidc_discovery_url",
            "jwks_url",
            "jwt_validation_pubkeys",
            "jwks_pairs",
        ]),
        roles: ("role", "jwt role"),
        once: &[],
    },
    Method {
        kind: "kubernetes",
        config: Some(&["kubernetes_host"]),
        roles: ("role", "kubernetes role"),
        once: &[],
    },
    Method {
        kind: "token",
        config: None,
        roles: ("roles", "token role"),
        once: &[],
    },
];

const CONFIG: &str = "auth configuration";
/// Shown and never set.
const IGNORED: &[&str] = &["name", "status", "token_reviewer_jwt_set"];

/// Whether this server has the method.
pub(super) fn is_served(kind: &str) -> bool {
    METHODS.iter().any(|method| method.kind == kind)
}

/// Copies what is in all methods.
pub(super) async fn bring(job: &Job, mounts: &[Source]) -> Result<(), Failure> {
    for mount in mounts {
        let Kind::Method(kind) = &mount.kind else {
            continue;
        };
        let Some(method) = METHODS.iter().find(|method| method.kind == kind) else {
            continue;
        };
        let root = format!("auth/{}", mount.path);
        job.progress.show(&root);
        if let Some(signs) = method.config {
            let path = format!("{root}/config");
            let done = config(job, &path, signs).await;
            job.settle(CONFIG, &path, done)?;
        }
        let (list, kind) = method.roles;
        let names = job.list(kind, &format!("{root}/{list}")).await?;
        let root = &root;
        let roles = names.into_iter().map(|name| async move {
            let path = format!("{root}/{list}/{name}");
            let done = role(job, method, &path).await;
            job.settle(kind, &path, done)
        });
        let mut roles = futures_util::stream::iter(roles).buffer_unordered(job.concurrency);
        while let Some(done) = roles.next().await {
            done?;
        }
    }
    Ok(())
}

async fn config(job: &Job, path: &str, signs: &[&str]) -> Result<(), Trouble> {
    let Some(mut wanted) = job.source.data(path).await? else {
        return Ok(());
    };
    if signs.iter().all(|sign| is_nothing(wanted.get(sign))) {
        return Ok(());
    }
    let reviewer = wanted.get("token_reviewer_jwt_set").and_then(Tree::as_bool);
    for name in IGNORED {
        wanted.take(name);
    }
    if reviewer == Some(true) {
        let why = "the other server shows its token_reviewer_jwt to nobody";
        job.report().left(CONFIG, path, why);
    }
    if !is_nothing(wanted.get("oidc_client_id")) {
        let why = "the other server shows its oidc_client_secret to nobody";
        job.report().left(CONFIG, path, why);
    }
    let object = Object {
        kind: CONFIG,
        path,
        ignored: &[],
        once: &[],
        secret: None,
    };
    object.put(job, &wanted).await
}

async fn role(job: &Job, method: &Method, path: &str) -> Result<(), Trouble> {
    let (_, kind) = method.roles;
    let secret = match method.kind {
        "userpass" => Some(("password", unknown_password()?)),
        _ => None,
    };
    let object = Object {
        kind,
        path,
        ignored: IGNORED,
        once: method.once,
        secret,
    };
    if object.bring(job).await?.is_none() {
        return Ok(());
    }
    match method.kind {
        "userpass" => {
            let why = format!(
                "the other server shows it to nobody: cofferdam write {path}/password password=-"
            );
            job.report().left("password", path, why);
        }
        "approle" => approle(job, path).await?,
        _ => {}
    }
    Ok(())
}

/// A password that nobody has.
fn unknown_password() -> Result<Tree, Trouble> {
    let random = cofferdam_secret::random_base62(64);
    let random = random.map_err(|error| Failure::local(format!("no randomness: {error}")))?;
    Ok(Tree::from(random))
}

/// The RoleID, which programs are configured with, and what is lost of SecretIDs.
async fn approle(job: &Job, path: &str) -> Result<(), Trouble> {
    let id = format!("{path}/role-id");
    let object = Object {
        kind: "RoleID",
        path: &id,
        ignored: &[],
        once: &[],
        secret: None,
    };
    role_id(job, object).await?;
    let found = job.source.names(&format!("{path}/secret-id")).await?;
    let count = found.good.len() + found.bad.len();
    if count > 0 {
        let why = format!(
            "{count} of them, which the other server shows to nobody: cofferdam write -f {path}/secret-id"
        );
        job.report().left("SecretIDs", path, why);
    }
    Ok(())
}

/// A role that was just made has a random RoleID, which nobody was told yet.
async fn role_id(job: &Job, object: Object<'_>) -> Result<(), Trouble> {
    let Some(wanted) = job.source.data(object.path).await? else {
        return Ok(());
    };
    let here = job.target.data(object.path).await?;
    let same = here
        .as_ref()
        .is_some_and(|here| super::same::same_setting(wanted.get("role_id"), here.get("role_id")));
    if same {
        job.report().unchanged(object.kind);
        return Ok(());
    }
    // Whoever has SecretIDs of this role uses the RoleID of here.
    let role = object.path.trim_end_matches("/role-id");
    let used = job.target.names(&format!("{role}/secret-id")).await?;
    if here.is_some() && !used.good.is_empty() && !job.overwrite {
        job.report()
            .different(object.kind, role, "another RoleID, with SecretIDs");
        return Ok(());
    }
    job.write(object.path, &wanted).await?;
    job.report().created(object.kind, role);
    Ok(())
}

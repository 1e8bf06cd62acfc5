//! What is in auth methods: configuration and roles, by a table.
//!
//! What a method never shows cannot come: passwords, SecretIDs, the secret of an OIDC client. A user
//! is made with a password that nobody knows, so that names, policies and limits are there and a new
//! password is all that is missing.

use super::Job;
use super::mounts::{Kind, Source};
use super::object::{Object, always};
use super::peer::Trouble;
use super::{revoked, settings};
use crate::cli::Failure;
use cofferdam_api::Tree;
use futures_util::StreamExt as _;
use settings::Settings;

/// What one method has.
struct Method {
    kind: &'static str,
    settings: &'static [Settings],
    /// The list of roles, and what one is called.
    roles: (&'static str, &'static str),
    /// Fields that can only be set when a role is made.
    once: &'static [&'static str],
    /// Lists of what has no place here, what one is called, and why.
    stay: &'static [(&'static str, &'static str, &'static str)],
}

const METHODS: &[Method] = &[
    Method {
        kind: "approle",
        settings: &[],
        roles: ("role", "approle role"),
        once: &["local_secret_ids"],
        stay: &[],
    },
    Method {
        kind: "userpass",
        settings: &[],
        roles: ("users", "user"),
        once: &[],
        stay: &[],
    },
    Method {
        kind: "jwt",
        settings: settings::JWT,
        roles: ("role", "jwt role"),
        once: &[],
        stay: &[],
    },
    Method {
        kind: "oidc",
        settings: settings::JWT,
        roles: ("role", "jwt role"),
        once: &[],
        stay: &[],
    },
    Method {
        kind: "kubernetes",
        settings: settings::KUBERNETES,
        roles: ("role", "kubernetes role"),
        once: &[],
        stay: &[],
    },
    Method {
        kind: "cert",
        settings: settings::CERT,
        roles: ("certs", "certificate role"),
        once: &[],
        stay: &[],
    },
    Method {
        kind: "aws",
        settings: settings::AWS,
        roles: ("role", "aws role"),
        once: &[],
        stay: &[
            (
                "config/sts",
                "STS role",
                "this server takes on no role of another account: name the principal in bound_iam_principal_arn",
            ),
            (
                "config/certificates",
                "EC2 certificate",
                "EC2 instances do not log in here: let one log in with its IAM role",
            ),
        ],
    },
    Method {
        kind: "token",
        settings: &[],
        roles: ("roles", "token role"),
        once: &[],
        stay: &[],
    },
];

/// Shown and never set.
const IGNORED: &[&str] = &["name", "status", "role_id"];

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
        for settings in method.settings {
            settings.bring(job, &root).await?;
        }
        // What is revoked is known before anybody can log in.
        if method.kind == "cert" {
            revoked::bring(job, &root).await?;
        }
        roles(job, method, &root, mount).await?;
        for (list, kind, why) in method.stay {
            for name in job.quiet(&format!("{root}/{list}")).await? {
                job.report()
                    .left(kind, &format!("{root}/{list}/{name}"), *why);
            }
        }
    }
    Ok(())
}

async fn roles(job: &Job, method: &Method, root: &str, mount: &Source) -> Result<(), Failure> {
    let (list, kind) = method.roles;
    let names = job.list(kind, &format!("{root}/{list}")).await?;
    let roles = names.into_iter().map(|name| async move {
        let path = format!("{root}/{list}/{name}");
        let mut done = role(job, method, &path).await;
        if method.kind == "aws" {
            let named = alias_name(job, mount, &path).await;
            done = done.and(named);
        }
        job.settle(kind, &path, done)
    });
    let mut roles = futures_util::stream::iter(roles).buffer_unordered(job.concurrency);
    while let Some(done) = roles.next().await {
        done?;
    }
    Ok(())
}

/// An alias of AWS is called by the id of its role, unless it is set otherwise; the id here is new.
async fn alias_name(job: &Job, mount: &Source, path: &str) -> Result<(), Trouble> {
    let id = |role: Option<Tree>| {
        let role = role?;
        Some(role.get("role_id")?.as_text()?.to_owned())
    };
    let there = id(job.source.data(path).await?);
    let here = id(job.target.data(path).await?);
    if let Some(there) = there {
        let renamed = (mount.accessor.clone(), there);
        job.renamed.borrow_mut().insert(renamed, here);
    }
    Ok(())
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
        written: always,
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
        written: always,
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

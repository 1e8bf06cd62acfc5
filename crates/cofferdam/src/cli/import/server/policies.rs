//! ACL policies and password policies.

use super::object::Object;
use super::peer::Trouble;
use super::{Job, names};
use crate::cli::Failure;
use cofferdam_api::Tree;
use std::collections::BTreeMap;

const ACL: &str = "policy";
const PASSWORD: &str = "password policy";

/// Copies both kinds.
pub(super) async fn bring(job: &Job, accessors: &BTreeMap<String, String>) -> Result<(), Failure> {
    for name in job.list(ACL, "sys/policies/acl").await? {
        // Nobody writes root, and every server has a default of its own.
        if name == "root" {
            continue;
        }
        let done = acl(job, &name, accessors).await;
        job.settle(ACL, &name, done)?;
    }
    for name in job.list(PASSWORD, "sys/policies/password").await? {
        let path = format!("sys/policies/password/{name}");
        let object = Object {
            kind: PASSWORD,
            path: &path,
            ignored: &["name"],
            once: &[],
            secret: None,
            written: super::object::always,
        };
        let done = object.bring(job).await.map(|_| ());
        job.settle(PASSWORD, &name, done)?;
    }
    Ok(())
}

async fn acl(job: &Job, name: &str, accessors: &BTreeMap<String, String>) -> Result<(), Trouble> {
    let path = format!("sys/policies/acl/{name}");
    let Some(there) = job.source.data(&path).await? else {
        return Ok(());
    };
    let rules = there.get("policy").and_then(Tree::as_text);
    let rules = rules.ok_or_else(|| Trouble::item("the other server shows no rules"))?;
    let rules = translated(job, name, rules, accessors);
    for switch in [
        "allow_slashes_in_identity_templates",
        "allow_wildcards_in_identity_templates",
    ] {
        if there.get(switch).and_then(Tree::as_bool) == Some(true) {
            let why = format!("{switch} is on there; here a template never widens a policy");
            job.report().left(ACL, name, why);
        }
    }
    let here = job.target.data(&path).await?;
    let known = here.as_ref().and_then(|here| here.get("policy"));
    let known = known.and_then(Tree::as_text).map(str::trim);
    if known == Some(rules.trim()) {
        job.report().unchanged(ACL);
        return Ok(());
    }
    if known.is_some() && !job.overwrite {
        if name == "default" {
            job.report().note(
                "the policy \"default\" stays as it is here (bring the other server's with -overwrite)",
            );
        } else {
            job.report().different(ACL, name, "other rules");
        }
        return Ok(());
    }
    job.write(&path, &Tree::map().with("policy", rules)).await?;
    if known.is_some() {
        job.report().changed(ACL, name, "overwritten");
    } else {
        job.report().created(ACL, name);
    }
    Ok(())
}

/// The rules with the accessors that auth methods have here: a template that names one of there would
/// mean nobody.
fn translated(job: &Job, name: &str, rules: &str, accessors: &BTreeMap<String, String>) -> String {
    let text = names::translated(rules, accessors);
    if text != rules {
        job.report().note(format!(
            "the policy \"{name}\" names accessors; it names those of here now"
        ));
    }
    text
}

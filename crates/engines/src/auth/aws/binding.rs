//! Whether a role is for somebody: at a login, and again when a token is renewed.

use super::arn::{Bound, Principal};
use super::config::Config;
use super::iam;
use super::role::Role;
use super::sts::{Doubt, Line};
use crate::auth::glob;

/// Whether `role` is for the principal with this id, in the three ways that Vault has.
///
/// A pattern is about the whole ARN, path included, which STS does not tell of a role: IAM is asked,
/// and its answer counts for this id alone. It is not asked where no path could change the outcome.
pub(super) async fn belongs(
    line: &Line,
    config: &Config,
    role: &Role,
    principal: &Principal,
    unique_id: &str,
) -> Result<(), Doubt> {
    if role.ids.iter().any(|id| id == unique_id) {
        return Ok(());
    }
    if !role.resolves && role.arns.contains(&principal.canonical()) {
        return Ok(());
    }
    let root = principal.root();
    let patterns = || {
        let all = role.arns.iter();
        all.filter(|text| matches!(Bound::parse(text), Ok(Bound::Pattern(_))))
    };
    let fixed = |pattern: &str| pattern.split('*').next().unwrap_or_default().to_owned();
    // Everybody of this sort, or of the account.
    let whole = |pattern: &String| {
        let fixed = fixed(pattern);
        root.starts_with(&fixed) && pattern.len() == fixed.len() + 1
    };
    if patterns().any(whole) {
        return Ok(());
    }
    let may_mean = |pattern: &String| {
        let fixed = fixed(pattern);
        root.starts_with(&fixed) || fixed.starts_with(&root)
    };
    if !patterns().any(may_mean) {
        return Err(Doubt::Unbound);
    }
    let found = iam::resolve(line, config, principal).await?;
    if found.unique_id != unique_id {
        return Err(Doubt::Other);
    }
    match patterns().any(|pattern| glob::matches(pattern, &found.arn)) {
        true => Ok(()),
        false => Err(Doubt::Unbound),
    }
}

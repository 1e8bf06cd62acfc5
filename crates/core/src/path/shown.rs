//! A path for the log and the list of requests under way. Audit records have it whole, as Vault's do.

use std::borrow::Cow;

/// How tokens begin, Vault's and those of before Vault 1.10.
const TOKENS: [&str; 3] = ["hvs.", "hvb.", "hvr."];
const OLD_TOKENS: [&str; 3] = ["s.", "b.", "r."];
/// An old token has 24 characters behind its letter; names of this length with such a beginning are rare.
const SHORTEST_OLD: usize = 20;

/// The same path, but for what has the form of a credential: tokens and SecretIDs are written into
/// paths by mistake, and a log is read by more people than an audit file.
#[must_use]
pub(crate) fn shown(path: &str) -> Cow<'_, str> {
    let mut below_secret_ids = false;
    let mut any = false;
    let segments = path.split('/').map(|segment| {
        let told = if is_token(segment) {
            "[token]"
        } else if below_secret_ids && is_uuid(segment) {
            "[secret-id]"
        } else {
            segment
        };
        below_secret_ids |= segment == "secret-id";
        any |= told != segment;
        told
    });
    let segments: Vec<_> = segments.collect();
    if any {
        Cow::Owned(segments.join("/"))
    } else {
        Cow::Borrowed(path)
    }
}

fn is_token(segment: &str) -> bool {
    let old = OLD_TOKENS.iter().any(|start| {
        let rest = segment.strip_prefix(start);
        rest.is_some_and(|rest| {
            rest.len() >= SHORTEST_OLD && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    });
    old || TOKENS.iter().any(|start| segment.contains(start))
}

fn is_uuid(segment: &str) -> bool {
    uuid::Uuid::try_parse(segment).is_ok()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn credentials_in_a_path_are_not_told() {
        let uuid = "84896a0c-1347-aa90-a4f6-aca8b7558780";
        for (path, expected) in [
            ("auth/token/lookup/hvs.CAESIJ", "auth/token/lookup/[token]"),
            ("a/xhvb.AAAA,/b", "a/[token]/b"),
            ("a/hvs.abc", "a/[token]"),
            (
                "auth/token/lookup/s.Zm9vYmFyYmF6cXV4cXV1eA",
                "auth/token/lookup/[token]",
            ),
            (
                &format!("auth/approle/role/app/secret-id/{uuid}"),
                "auth/approle/role/app/secret-id/[secret-id]",
            ),
        ] {
            assert_eq!(shown(path), expected);
        }
    }

    #[test]
    fn names_are_told_as_they_are() {
        for path in [
            "secret/data/s.short",
            "identity/entity/id/84896a0c-1347-aa90-a4f6-aca8b7558780",
            "secret/data/b.a-name-of-a-thing-with-words",
            "",
            "auth/approle/role/app/secret-id/lookup",
        ] {
            assert_eq!(shown(path), path);
        }
    }
}

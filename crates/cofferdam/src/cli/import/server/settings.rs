//! Configurations of auth methods: which there are, what of each is shown to nobody, and what means
//! nothing here.
//!
//! A method that nobody configured may show defaults. Those are no settings: there is nothing to
//! copy there, and nothing to keep here.

use super::Job;
use super::object::Object;
use super::peer::Trouble;
use super::same::is_nothing;
use crate::cli::Failure;
use cofferdam_api::Tree;

/// One of them.
pub(super) struct Settings {
    /// Below the method.
    path: &'static str,
    /// Whether somebody wrote it.
    written: fn(&Tree) -> bool,
    /// Shown and never set.
    ignored: &'static [&'static str],
    /// A field that is shown, the secret that it comes with, and what to do about that.
    hidden: &'static [Hidden],
    /// Settings of what is not served here.
    unserved: &'static [Unserved],
}

/// A setting, whether it says something, and why it stays.
type Unserved = (&'static str, fn(&Tree) -> bool, &'static str);

struct Hidden {
    shown: &'static str,
    secret: &'static str,
    /// The one cannot be written without the other.
    together: bool,
    then: &'static str,
}

const KIND: &str = "auth configuration";

pub(super) const JWT: &[Settings] = &[Settings {
    path: "config",
    written: |config| {
        let ways = [
            "oidc_discovery_url",
            "jwks_url",
            "jwt_validation_pubkeys",
            "jwks_pairs",
        ];
        ways.iter().any(|way| !is_nothing(config.get(way)))
    },
    ignored: &["status"],
    hidden: &[Hidden {
        shown: "oidc_client_id",
        secret: "oidc_client_secret",
        together: true,
        then: "write the configuration anew, with both; logins with a browser wait for it",
    }],
    unserved: &[],
}];

pub(super) const KUBERNETES: &[Settings] = &[Settings {
    path: "config",
    written: |config| !is_nothing(config.get("kubernetes_host")),
    ignored: &["token_reviewer_jwt_set"],
    hidden: &[Hidden {
        shown: "token_reviewer_jwt_set",
        secret: "token_reviewer_jwt",
        together: false,
        then: "write the configuration anew, with it",
    }],
    unserved: &[],
}];

pub(super) const CERT: &[Settings] = &[Settings {
    path: "config",
    written: |config| {
        let switches = ["disable_binding", "enable_identity_alias_metadata"];
        switches.iter().any(|name| !is_nothing(config.get(name)))
    },
    ignored: &["ocsp_cache_size"],
    hidden: &[],
    unserved: &[],
}];

/// What `iam_metadata` and `ec2_metadata` are where nobody set them.
const USUAL: [&str; 2] = ["account_id", "auth_type"];

fn is_unusual_alias(value: &Tree) -> bool {
    !matches!(value.as_text(), None | Some("" | "role_id"))
}

fn are_unusual_fields(value: &Tree) -> bool {
    let mut names: Vec<_> = value.items().iter().filter_map(Tree::as_text).collect();
    names.sort_unstable();
    !names.is_empty() && names != USUAL
}

fn says_something(value: &Tree) -> bool {
    !is_nothing(Some(value))
}

const NO_EC2: &str = "EC2 is not asked here";
const NO_ROLE: &str = "no role is taken on here: set access_key and secret_key";
const NO_ROTATION: &str = "credentials are not rotated here";

pub(super) const AWS: &[Settings] = &[
    Settings {
        path: "config/client",
        written: super::object::always,
        ignored: &[],
        hidden: &[Hidden {
            shown: "access_key",
            secret: "secret_key",
            together: false,
            then: "cofferdam write PATH secret_key=-, then import again: roles whose ARNs are resolved wait for it",
        }],
        unserved: &[
            ("endpoint", says_something, NO_EC2),
            ("role_arn", says_something, NO_ROLE),
            ("identity_token_audience", says_something, NO_ROLE),
            ("identity_token_ttl", says_something, NO_ROLE),
            ("rotation_schedule", says_something, NO_ROTATION),
            ("rotation_period", says_something, NO_ROTATION),
            ("rotation_window", says_something, NO_ROTATION),
            ("disable_automated_rotation", says_something, NO_ROTATION),
        ],
    },
    Settings {
        path: "config/identity",
        written: |config| {
            config.get("iam_alias").is_some_and(is_unusual_alias)
                || config.get("iam_metadata").is_some_and(are_unusual_fields)
                || config.get("ec2_alias").is_some_and(is_unusual_alias)
                || config.get("ec2_metadata").is_some_and(are_unusual_fields)
        },
        ignored: &[],
        hidden: &[],
        unserved: &[
            ("ec2_alias", is_unusual_alias, NO_EC2),
            ("ec2_metadata", are_unusual_fields, NO_EC2),
        ],
    },
];

impl Settings {
    /// Copies it.
    pub(super) async fn bring(&self, job: &Job, root: &str) -> Result<(), Failure> {
        let path = format!("{root}/{}", self.path);
        let done = self.one(job, &path).await;
        job.settle(KIND, &path, done)
    }

    async fn one(&self, job: &Job, path: &str) -> Result<(), Trouble> {
        let Some(mut wanted) = job.source.data(path).await? else {
            return Ok(());
        };
        if !(self.written)(&wanted) {
            return Ok(());
        }
        let mut here = None;
        for hidden in self.hidden {
            if is_nothing(wanted.get(hidden.shown)) {
                continue;
            }
            let then = hidden.then.replace("PATH", path);
            let why = format!(
                "the other server shows its {} to nobody: {then}",
                hidden.secret
            );
            job.report().left(KIND, path, why);
            if hidden.together {
                if here.is_none() {
                    here = job.target.data(path).await?;
                }
                let known = here.as_ref().and_then(|here| here.get(hidden.shown));
                // Without its secret it is not taken; where somebody gave it both, it is compared.
                if is_nothing(known) {
                    wanted.take(hidden.shown);
                }
            }
        }
        for (name, says, why) in self.unserved {
            if wanted.take(name).is_some_and(|value| says(&value)) {
                job.report().left(KIND, path, format!("its {name}: {why}"));
            }
        }
        for name in self.ignored {
            wanted.take(name);
        }
        let object = Object {
            kind: KIND,
            path,
            ignored: &[],
            once: &[],
            secret: None,
            written: self.written,
        };
        object.put(job, &wanted).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_no_settings() {
        let tree = |text: &str| Tree::parse(text.as_bytes()).unwrap();
        let identity = &AWS[1];
        for (text, written) in [
            (
                r#"{"iam_alias":"role_id","iam_metadata":["auth_type","account_id"],"ec2_alias":"role_id"}"#,
                false,
            ),
            (r#"{"iam_alias":"","iam_metadata":null}"#, false),
            (r#"{"iam_alias":"unique_id"}"#, true),
            (r#"{"iam_metadata":["client_arn"]}"#, true),
            (r#"{"ec2_alias":"instance_id"}"#, true),
        ] {
            assert_eq!((identity.written)(&tree(text)), written, "{text}");
        }
        assert!(!(CERT[0].written)(&tree(
            r#"{"disable_binding":false,"ocsp_cache_size":7}"#
        )));
        assert!((CERT[0].written)(&tree(r#"{"disable_binding":true}"#)));
        assert!(!(JWT[0].written)(&tree(
            r#"{"bound_issuer":"x","jwks_url":""}"#
        )));
    }
}

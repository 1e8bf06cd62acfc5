//! What `docker volume create -o …` may say.
//!
//! `docker volume inspect` shows options to everybody, so they are references and never values.

use super::on_change::OnChange;
use crate::docker::plugin::Fault;
use cofferdam_agent::plan::{Loan, Prefix, require_distinct};
use cofferdam_agent::sink::Access;
use std::collections::BTreeMap;

/// Options as Docker hands them over and as they are kept.
pub(super) type Raw = BTreeMap<String, String>;

/// Options understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// What to deliver.
    pub(super) content: Content,
    /// For whom.
    pub(super) access: Access,
    /// What its users are told when it has changed.
    pub(super) on_change: OnChange,
}

/// Which secrets a volume holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// These.
    Named(Vec<Loan>),
    /// All directly below a path, whatever there is at the time.
    Below(Prefix),
}

impl Content {
    /// Whether the secret of this name is in it, or would be.
    pub(super) fn concerns(&self, secret: &str) -> bool {
        match self {
            Self::Named(loans) => loans.iter().any(|loan| loan.reference.path() == secret),
            Self::Below(prefix) => {
                secret.rsplit_once('/').map(|(above, _)| above) == Some(prefix.path())
            }
        }
    }
}

impl Options {
    /// Reads the options of the volume called `volume`.
    ///
    /// * `secrets=a,b` or `secrets=NAME:REFERENCE;…`, with `,` or `;` between them. The CLI's
    ///   `--mount volume-opt=` is CSV itself, so there it is `;`;
    /// * `from=secret/app`: where bare names are looked up. Without `secrets`, everything there;
    ///   without both, everything below `secret/VOLUME`;
    /// * `uid`, `gid`, `mode`: of the files; root, root and 0400 by default;
    /// * `on_change`: see [`OnChange`].
    pub(super) fn parse(volume: &str, raw: &Raw) -> Result<Self, Fault> {
        let mut access = Access {
            uid: Some(0),
            gid: Some(0),
            ..Access::default()
        };
        let (mut secrets, mut from) = (None, None);
        let mut on_change = OnChange::default();
        for (key, value) in raw {
            match key.as_str() {
                "secrets" => secrets = Some(value.as_str()),
                "from" => from = Some(Prefix::parse(value)?),
                "uid" => access.uid = Some(identity("uid", value)?),
                "gid" => access.gid = Some(identity("gid", value)?),
                "mode" => access.mode = mode(value)?,
                "on_change" => on_change = OnChange::parse(value)?,
                _ => return Err(Fault::Request(unknown())),
            }
        }
        let content = match (secrets, from) {
            (Some(list), from) => Content::Named(named(list, &from.unwrap_or_default())?),
            (None, Some(from)) => Content::Below(from),
            (None, None) => Content::Below(Prefix::parse(&format!("secret/{volume}"))?),
        };
        Ok(Self {
            content,
            access,
            on_change,
        })
    }
}

fn unknown() -> String {
    "unknown volume option: the options are secrets, from, uid, gid, mode and on_change".to_owned()
}

fn named(list: &str, from: &Prefix) -> Result<Vec<Loan>, Fault> {
    let parts = list.split([',', ';']).map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    let loans: Result<Vec<_>, _> = parts.map(|part| Loan::parse(part, ':', from)).collect();
    let loans = loans?;
    require_distinct(&loans)?;
    if loans.is_empty() {
        return Err(Fault::Request("option secrets names no secret".to_owned()));
    }
    Ok(loans)
}

fn identity(option: &str, text: &str) -> Result<u32, Fault> {
    Access::parse_id(text).ok_or_else(|| {
        Fault::Request(format!(
            "option {option} must be a number from 0 to {}; names are known only inside the image",
            u32::MAX - 1
        ))
    })
}

fn mode(text: &str) -> Result<u32, Fault> {
    Access::parse_mode(text).ok_or_else(|| {
        Fault::Request("option mode must be octal permission bits like 0400".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<Options, Fault> {
        let pairs = options.iter();
        let raw = pairs
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Options::parse("app", &raw)
    }

    fn references(options: &Options) -> Vec<String> {
        match &options.content {
            Content::Named(loans) => {
                let show = |loan: &Loan| format!("{}={}", loan.name, loan.reference.path());
                loans.iter().map(show).collect()
            }
            Content::Below(prefix) => vec![format!("{}/*", prefix.path())],
        }
    }

    #[test]
    fn secrets_are_named_bare_or_with_a_reference() {
        for (options, expected) in [
            (&[("secrets", "a,b")][..], &["a=secret/a", "b=secret/b"][..]),
            (
                &[("secrets", "a; b"), ("from", "secret/app")],
                &["a=secret/app/a", "b=secret/app/b"],
            ),
            (
                &[("secrets", "x:cd://kv/p#f;y:secret/q")],
                &["x=kv/p", "y=secret/q"],
            ),
            (&[("from", "secret/web")], &["secret/web/*"]),
            (&[], &["secret/app/*"]),
        ] {
            assert_eq!(references(&parse(options).unwrap()), expected);
        }
    }

    #[test]
    fn access_is_read_as_numbers() {
        let options = parse(&[("uid", "1000"), ("gid", "1001"), ("mode", "0440")]).unwrap();
        let access = Access {
            uid: Some(1000),
            gid: Some(1001),
            mode: 0o440,
        };
        assert_eq!(options.access, access);
        let access = Access {
            uid: Some(0),
            gid: Some(0),
            mode: 0o400,
        };
        assert_eq!(parse(&[]).unwrap().access, access);
    }

    #[test]
    fn a_change_concerns_those_who_hold_the_secret() {
        let named = parse(&[("secrets", "x:cd://kv/p#f;y")]).unwrap().content;
        let below = parse(&[("from", "secret/web")]).unwrap().content;
        for (secret, by_name, by_place) in [
            ("kv/p", true, false),
            ("secret/y", true, false),
            ("kv/p/q", false, false),
            ("secret/web/new", false, true),
            ("secret/web/deep/er", false, false),
            ("secret/web", false, false),
            ("secret/webx/a", false, false),
        ] {
            assert_eq!(named.concerns(secret), by_name, "{secret}");
            assert_eq!(below.concerns(secret), by_place, "{secret}");
        }
    }

    #[test]
    fn bad_options_are_refused_without_repeating_them() {
        for (key, value) in [
            ("uid", "hunter2"),
            ("uid", "-1"),
            ("uid", "4294967295"),
            ("gid", "99999999999"),
            ("mode", "0999"),
            ("mode", "01777"),
            ("mode", "+400"),
            ("mode", "0"),
            ("mode", ""),
            ("secrets", ""),
            ("secrets", ";,"),
            ("secrets", "a,a"),
            ("secrets", "../hunter2"),
            ("secrets", "cd://secret/x"),
            ("from", "a//b"),
            ("password", "hunter2"),
            ("on_change", "hunter2"),
        ] {
            let error = parse(&[(key, value)]).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{key}: {error}");
        }
    }
}

//! What `docker volume create -o …` may say.
//!
//! `docker volume inspect` shows options to everybody, so they are references and never values.

use super::on_change::OnChange;
use crate::docker::plugin::Fault;
use cofferdam_agent::FileName;
use cofferdam_agent::plan::{Loan, PlanError, Prefix, require_distinct};
use cofferdam_agent::sink::Access;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Options as Docker hands them over and as they are kept.
pub(super) type Raw = BTreeMap<String, String>;

/// Options understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// What to deliver.
    pub(super) content: Content,
    /// For whom.
    pub(super) owner: Owner,
    /// What its users are told when it has changed.
    pub(super) on_change: OnChange,
    /// Permission bits of files that have none of their own.
    mode: u32,
    /// Files with an owner or a mode of their own.
    files: BTreeMap<FileName, Particular>,
    /// Empty files, for Docker to mount others' files on: the directory itself is read-only.
    pub(super) mountpoints: BTreeSet<FileName>,
    /// Where in the container it is mounted, when nothing of the image may be hidden by it.
    pub(super) target: Option<String>,
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

/// Who owns the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// These numbers.
    Ids(Ids),
    /// A user as a Dockerfile's `USER` names it, looked up in the image.
    User(String),
    /// The `USER` of the image itself.
    Image,
}

/// A user and a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ids {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What one file has otherwise than the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Particular {
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u32>,
}

impl Options {
    /// Reads the options of the volume called `volume`.
    ///
    /// * `secrets=a,b` or `secrets=NAME:REFERENCE;…`, with `,` or `;` between them. The CLI's
    ///   `--mount volume-opt=` is CSV itself, so there it is `;`;
    /// * `from=secret/app`: where bare names are looked up. Without `secrets`, everything there;
    ///   without both, everything below `secret/VOLUME`;
    /// * `uid`, `gid`, `mode`: of the files; root, root and 0400 by default;
    /// * `user=NAME[:GROUP]`: the owner, as the image knows it; `user=@image`: the image's `USER`;
    /// * `access.NAME=UID:GID:MODE`: of one file; what is left out is as for the others;
    /// * `mountpoints=a;b`: empty files for Docker to mount on;
    /// * `target=/DIRECTORY`: refuse to be mounted there when the image has something in it;
    /// * `on_change`: see [`OnChange`].
    pub(super) fn parse(volume: &str, raw: &Raw) -> Result<Self, Fault> {
        let (mut secrets, mut from, mut uid, mut gid, mut user) = (None, None, None, None, None);
        let mut options = Self {
            content: Content::Named(Vec::new()),
            owner: Owner::Ids(Ids::default()),
            on_change: OnChange::default(),
            mode: Access::default().mode,
            files: BTreeMap::new(),
            mountpoints: BTreeSet::new(),
            target: None,
        };
        for (key, value) in raw {
            match key.as_str() {
                "secrets" => secrets = Some(value.as_str()),
                "from" => from = Some(Prefix::parse(value)?),
                "uid" => uid = Some(identity("uid", value)?),
                "gid" => gid = Some(identity("gid", value)?),
                "mode" => options.mode = mode(value)?,
                "user" => user = Some(named_user(value)?),
                "mountpoints" => options.mountpoints = names(value)?,
                "on_change" => options.on_change = OnChange::parse(value)?,
                "target" => options.target = Some(absolute(value)?),
                key => match key.strip_prefix("access.") {
                    Some(name) => {
                        let name = name.parse().map_err(PlanError::Name)?;
                        options.files.insert(name, particular(value)?);
                    }
                    None => return Err(Fault::Request(unknown())),
                },
            }
        }
        options.owner = match (user, uid, gid) {
            (Some(owner), None, None) => owner,
            (Some(_), _, _) => {
                return Err(Fault::Request(
                    "option user goes without uid and gid".to_owned(),
                ));
            }
            (None, uid, gid) => Owner::Ids(Ids {
                uid: uid.unwrap_or_default(),
                gid: gid.unwrap_or_default(),
            }),
        };
        options.content = match (secrets, from) {
            (Some(list), from) => Content::Named(named(list, &from.unwrap_or_default())?),
            (None, Some(from)) => Content::Below(from),
            (None, None) => Content::Below(Prefix::parse(&format!("secret/{volume}"))?),
        };
        options.require_known_files()?;
        Ok(options)
    }

    /// Owner and mode of one file, where `owner` is what [`Options::owner`] turned out to be.
    pub(super) fn access(&self, name: &FileName, owner: Ids) -> Access {
        let particular = self.files.get(name).copied().unwrap_or_default();
        Access {
            uid: Some(particular.uid.unwrap_or(owner.uid)),
            gid: Some(particular.gid.unwrap_or(owner.gid)),
            mode: particular.mode.unwrap_or(self.mode),
        }
    }

    /// Access of a file that is not there, and a mount point with the name of a secret, are
    /// mistakes that nobody would notice later.
    fn require_known_files(&self) -> Result<(), Fault> {
        let Content::Named(loans) = &self.content else {
            return Ok(());
        };
        let known: BTreeSet<_> = loans.iter().map(|loan| &loan.name).collect();
        if let Some(name) = self.files.keys().find(|name| !known.contains(name)) {
            let text = format!("option access.{name} is for none of the secrets");
            return Err(Fault::Request(text));
        }
        if let Some(name) = self.mountpoints.iter().find(|name| known.contains(name)) {
            let text = format!("{name} is a secret and a mount point");
            return Err(Fault::Request(text));
        }
        Ok(())
    }
}

fn unknown() -> String {
    "unknown volume option: the options are secrets, from, uid, gid, mode, user, access.NAME, \
     mountpoints, target and on_change"
        .to_owned()
}

fn named_user(text: &str) -> Result<Owner, Fault> {
    if text == "@image" {
        return Ok(Owner::Image);
    }
    let legal = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
    let fits = !text.is_empty() && text.len() <= 256 && text.chars().all(legal);
    if !fits || text.starts_with(':') || text.matches(':').count() > 1 {
        let text = "option user must be USER, USER:GROUP or @image";
        return Err(Fault::Request(text.to_owned()));
    }
    Ok(Owner::User(text.to_owned()))
}

fn names(list: &str) -> Result<BTreeSet<FileName>, Fault> {
    let parts = list.split([',', ';']).map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    let names: Result<_, _> = parts.map(str::parse).collect();
    Ok(names.map_err(PlanError::Name)?)
}

fn absolute(text: &str) -> Result<String, Fault> {
    let parts = text.strip_prefix('/').unwrap_or_default().split('/');
    let good = |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control);
    if text.len() > 4096 || !parts.clone().all(good) {
        let text = "option target must be an absolute path without \"..\"";
        return Err(Fault::Request(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// `UID:GID:MODE`, each of them possibly empty.
fn particular(text: &str) -> Result<Particular, Fault> {
    let parts: Vec<&str> = text.split(':').collect();
    let [uid, gid, bits] = parts.as_slice() else {
        let text = "option access.NAME must be UID:GID:MODE, each of them possibly empty";
        return Err(Fault::Request(text.to_owned()));
    };
    let given = |text: &&str| !text.is_empty();
    let read = |text: &&str| identity("access.NAME", text);
    Ok(Particular {
        uid: Some(*uid).filter(given).as_ref().map(read).transpose()?,
        gid: Some(*gid).filter(given).as_ref().map(read).transpose()?,
        mode: Some(*bits).filter(given).map(mode).transpose()?,
    })
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
            "option {option} must be a number from 0 to {}; for a name that the image knows: user",
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
        let file: FileName = "x".parse().unwrap();
        let access = |options: &[(&str, &str)]| {
            let options = parse(options).unwrap();
            let Owner::Ids(ids) = options.owner else {
                panic!("not numbers")
            };
            options.access(&file, ids)
        };
        let expected = |uid, gid, mode| Access {
            uid: Some(uid),
            gid: Some(gid),
            mode,
        };
        let all = [("uid", "1000"), ("gid", "1001"), ("mode", "0440")];
        assert_eq!(access(&all), expected(1000, 1001, 0o440));
        assert_eq!(access(&[]), expected(0, 0, 0o400));
    }

    #[test]
    fn one_file_may_differ_from_the_rest() {
        let options = parse(&[
            ("secrets", "a;b"),
            ("user", "app:staff"),
            ("mode", "0440"),
            ("access.b", "7::0404"),
        ])
        .unwrap();
        assert_eq!(options.owner, Owner::User("app:staff".to_owned()));
        let found = Ids { uid: 5, gid: 6 };
        let of = |name: &str| {
            let access = options.access(&name.parse().unwrap(), found);
            (access.uid, access.gid, access.mode)
        };
        assert_eq!(of("a"), (Some(5), Some(6), 0o440));
        assert_eq!(of("b"), (Some(7), Some(6), 0o404));
        assert_eq!(parse(&[("user", "@image")]).unwrap().owner, Owner::Image);
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
            ("user", ""),
            ("user", ":hunter2"),
            ("user", "a:b:hunter2"),
            ("user", "hunter2/.."),
            ("access.hunter2/..", "::"),
            ("access.a", "hunter2"),
            ("access.a", "hunter2::"),
            ("access.a", "::0888"),
            ("mountpoints", "../hunter2"),
            ("target", "hunter2"),
            ("target", "/a/../hunter2"),
            ("target", "/"),
            ("password", "hunter2"),
            ("on_change", "hunter2"),
        ] {
            let error = parse(&[(key, value)]).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{key}: {error}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for options in [
            &[("user", "app"), ("uid", "1")][..],
            &[("secrets", "a"), ("access.b", "1::")],
            &[("secrets", "a"), ("mountpoints", "a")],
        ] {
            assert!(parse(options).is_err(), "{options:?}");
        }
    }
}

//! The command line of a Docker build: where `--secret` goes, and which Dockerfile it builds.

use super::dockerfile::csv_fields;
use cofferdam_agent::FileName;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Docker's global flags that take a value.
const GLOBAL_VALUES: [&str; 10] = [
    "--config",
    "--context",
    "-c",
    "--host",
    "-H",
    "--log-level",
    "-l",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
];
/// Flags of `docker build` and `docker buildx build` without a value; all others have one.
const SWITCHES: [&str; 14] = [
    "--check",
    "--compress",
    "--debug",
    "--disable-content-trust",
    "--force-rm",
    "--help",
    "--load",
    "--no-cache",
    "--pull",
    "--push",
    "--quiet",
    "--rm",
    "--squash",
    "--stream",
];
const SHORT_SWITCHES: &str = "qDh";

/// A build command that was understood.
#[derive(Debug, PartialEq, Eq)]
pub struct BuildCommand {
    words: Vec<OsString>,
    /// Index behind the word `build`.
    insert: usize,
    /// Ids that the user already gave with `--secret`.
    pub given: BTreeSet<String>,
    /// The Dockerfile, where it is a file here.
    pub dockerfile: Option<PathBuf>,
}

/// A command that this wrapper cannot carry secrets into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Not `docker`.
    #[error("only docker's build takes secrets from memory, this is: {0}")]
    NotDocker(String),
    /// They copy build secrets to a disk.
    #[error("{0} writes build secrets to its storage on disk")]
    WritesToDisk(String),
    /// `docker compose build`, `docker buildx bake`.
    #[error("not supported yet: {0}")]
    NotYet(String),
    /// No `build` among the words.
    #[error("not a build: docker is called without \"build\"")]
    NotABuild,
}

impl CommandError {
    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotDocker(_) | Self::NotABuild => "cofferdam build -- docker build .",
            Self::WritesToDisk(_) => "build with docker: cofferdam build -- docker build .",
            Self::NotYet(_) => {
                "build the image by itself: cofferdam build -- docker build -t IMAGE DIRECTORY"
            }
        }
    }
}

impl BuildCommand {
    /// Understands `docker [flags] build …`, `docker image|builder build …` and
    /// `docker buildx build …`.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn parse(words: &[OsString]) -> Result<Self, CommandError> {
        let insert = find_build(words)?;
        let mut given = BTreeSet::new();
        let mut file = None;
        let mut context = None;
        let mut rest = words.iter().skip(insert);
        let mut flags = true;
        while let Some(word) = rest.next() {
            let text = word.to_string_lossy();
            if flags && text == "--" {
                flags = false;
                continue;
            }
            if !flags || text == "-" || !text.starts_with('-') {
                context = Some(word.clone());
                continue;
            }
            let (name, value) = match flag(&text) {
                Flag::Switch => continue,
                Flag::Attached(name, value) => (name, Some(OsString::from(value))),
                Flag::Next(name) => (name, rest.next().cloned()),
            };
            let Some(value) = value else {
                continue;
            };
            match name.as_str() {
                "--secret" => given.extend(secret_id(&value.to_string_lossy())),
                "--file" | "-f" => file = Some(value),
                _ => {}
            }
        }
        let dockerfile = dockerfile(file.as_deref(), context.as_deref());
        Ok(Self {
            words: words.to_vec(),
            insert,
            given,
            dockerfile,
        })
    }

    /// The words with one `--secret` for each pair of id and path.
    #[must_use]
    pub fn with_secrets(&self, secrets: &[(FileName, PathBuf)]) -> Vec<OsString> {
        let mut words = self.words.clone();
        let flags = secrets.iter().flat_map(|(id, path)| {
            let value = format!("id={id},src={}", path.display());
            [OsString::from("--secret"), OsString::from(value)]
        });
        words.splice(self.insert..self.insert, flags);
        words
    }
}

fn find_build(words: &[OsString]) -> Result<usize, CommandError> {
    let program = words.first().map(OsString::as_os_str).unwrap_or_default();
    let program = Path::new(program)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    match &*program {
        "docker" => {}
        "podman" | "buildah" => return Err(CommandError::WritesToDisk(program.into_owned())),
        "docker-compose" => return Err(CommandError::NotYet(program.into_owned())),
        _ => return Err(CommandError::NotDocker(program.into_owned())),
    }
    let mut at = 1;
    let mut above = String::new();
    while let Some(word) = words.get(at) {
        let text = word.to_string_lossy();
        at += 1;
        if text.starts_with('-') {
            let takes_value =
                GLOBAL_VALUES.contains(&&*text) || (above == "buildx" && text == "--builder");
            at += usize::from(takes_value);
            continue;
        }
        match (above.as_str(), &*text) {
            ("" | "image" | "builder" | "buildx", "build") | ("buildx", "b") => return Ok(at),
            ("", "image" | "builder" | "buildx") => above = text.into_owned(),
            ("", "compose" | "bake") | ("buildx", "bake") => {
                return Err(CommandError::NotYet(
                    format!("docker {above} {text}").replace("  ", " "),
                ));
            }
            _ => return Err(CommandError::NotABuild),
        }
    }
    Err(CommandError::NotABuild)
}

enum Flag {
    Switch,
    Attached(String, String),
    Next(String),
}

fn flag(text: &str) -> Flag {
    if text.starts_with("--") {
        return match text.split_once('=') {
            Some((name, value)) => Flag::Attached(name.to_owned(), value.to_owned()),
            None if SWITCHES.contains(&text) => Flag::Switch,
            None => Flag::Next(text.to_owned()),
        };
    }
    // Short ones may be joined: -qf FILE, -fFILE, -f=FILE.
    let mut letters = text.char_indices().skip(1);
    let valued = letters.find(|(_, letter)| !SHORT_SWITCHES.contains(*letter));
    let Some((at, letter)) = valued else {
        return Flag::Switch;
    };
    let value = text.get(at + letter.len_utf8()..).unwrap_or_default();
    let name = format!("-{letter}");
    if value.is_empty() {
        Flag::Next(name)
    } else {
        let value = value.strip_prefix('=').unwrap_or(value);
        Flag::Attached(name, value.to_owned())
    }
}

fn secret_id(value: &str) -> Option<String> {
    let fields = csv_fields(value).into_iter();
    let mut ids = fields.filter_map(|field| field.strip_prefix("id=").map(str::to_owned));
    ids.next()
}

fn dockerfile(file: Option<&OsStr>, context: Option<&OsStr>) -> Option<PathBuf> {
    let context = context?;
    let text = context.to_string_lossy();
    // An archive on stdin, or something that Docker itself fetches.
    let elsewhere = text == "-"
        || text.contains("://")
        || text.starts_with("git@")
        || text.starts_with("github.com/");
    if elsewhere || file.is_some_and(|file| file == "-") {
        return None;
    }
    match file {
        Some(file) => Some(PathBuf::from(file)),
        None => {
            let upper = Path::new(context).join("Dockerfile");
            let lower = Path::new(context).join("dockerfile");
            Some(if !upper.exists() && lower.exists() {
                lower
            } else {
                upper
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn parsed(line: &str) -> BuildCommand {
        BuildCommand::parse(&words(line)).unwrap()
    }

    #[test]
    fn secrets_go_behind_the_word_build() {
        let secrets = [("a".parse().unwrap(), PathBuf::from("/proc/self/fd/9"))];
        for (line, expected) in [
            (
                "docker build .",
                "docker build --secret id=a,src=/proc/self/fd/9 .",
            ),
            (
                "/usr/bin/docker -H unix:///x --debug image build -t build .",
                "/usr/bin/docker -H unix:///x --debug image build --secret id=a,src=/proc/self/fd/9 -t build .",
            ),
            (
                "docker buildx --builder b build --push .",
                "docker buildx --builder b build --secret id=a,src=/proc/self/fd/9 --push .",
            ),
        ] {
            assert_eq!(parsed(line).with_secrets(&secrets), words(expected));
        }
    }

    #[test]
    fn the_dockerfile_is_found_behind_any_flags() {
        for (line, expected) in [
            ("docker build .", Some("./Dockerfile")),
            (
                "docker build -t x:1 --no-cache --build-arg A=b dir",
                Some("dir/Dockerfile"),
            ),
            ("docker build -f dir/Other --pull .", Some("dir/Other")),
            ("docker build -qf dir/Other .", Some("dir/Other")),
            ("docker build -fdir/Other . ", Some("dir/Other")),
            ("docker build --file=dir/Other .", Some("dir/Other")),
            ("docker build dir --tag x", Some("dir/Dockerfile")),
            ("docker build -- dir", Some("dir/Dockerfile")),
            ("docker build -", None),
            ("docker build -f - .", None),
            ("docker build https://github.com/x/y.git", None),
        ] {
            let found = parsed(line.trim()).dockerfile;
            assert_eq!(found.as_deref(), expected.map(Path::new), "{line}");
        }
    }

    #[test]
    fn secrets_that_the_user_gave_are_left_alone() {
        let given = parsed("docker build --secret id=a,src=/x --secret=src=/y,id=b .").given;
        assert_eq!(given.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn other_builders_are_refused_with_a_way_out() {
        for (line, expected) in [
            (
                "podman build .",
                CommandError::WritesToDisk("podman".into()),
            ),
            (
                "docker-compose build",
                CommandError::NotYet("docker-compose".into()),
            ),
            (
                "docker compose build",
                CommandError::NotYet("docker compose".into()),
            ),
            (
                "docker buildx bake",
                CommandError::NotYet("docker buildx bake".into()),
            ),
            ("docker run build", CommandError::NotABuild),
            ("docker", CommandError::NotABuild),
            ("make image", CommandError::NotDocker("make".into())),
        ] {
            let refused = BuildCommand::parse(&words(line)).unwrap_err();
            assert_eq!(refused, expected, "{line}");
            assert!(refused.hint().contains("cofferdam build"));
        }
    }
}

//! The command line of `docker run` and `docker create`: where the image is, and how to put a
//! program in front of its entrypoint.

use std::ffi::OsString;
use std::path::Path;

/// Docker's global flags that take a value.
const GLOBAL_VALUES: [&str; 6] = [
    "--config",
    "--log-level",
    "-l",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
];
/// Those that choose another engine than the one we ask about the image.
const OTHER_ENGINE: [&str; 4] = ["--context", "-c", "--host", "-H"];
/// Flags of `run` and `create` without a value; all others have one (docker/cli,
/// `cli/command/container`).
const SWITCHES: [&str; 15] = [
    "--detach",
    "--disable-content-trust",
    "--help",
    "--init",
    "--interactive",
    "--no-healthcheck",
    "--oom-kill-disable",
    "--privileged",
    "--publish-all",
    "--quiet",
    "--read-only",
    "--rm",
    "--sig-proxy",
    "--tty",
    "--use-api-socket",
];
const SHORT_SWITCHES: &str = "dhiPqt";

/// A command that starts a container, understood.
#[derive(Debug, PartialEq, Eq)]
pub struct RunCommand {
    /// Up to and including `run`.
    head: Vec<OsString>,
    /// Flags, without `--entrypoint`.
    flags: Vec<OsString>,
    /// What `--entrypoint` said.
    entrypoint: Option<OsString>,
    /// The image as it was written.
    pub image: String,
    /// What stands behind the image.
    arguments: Vec<OsString>,
}

/// A command that no program can be put in front of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunCommandError {
    /// Not `docker run`, `docker create`, `docker container run` or `docker container create`.
    #[error("not a docker run or docker create")]
    NotARun,
    /// The image is asked for here, and would be run elsewhere.
    #[error("{0} chooses another engine")]
    OtherEngine(String),
    /// There are flags and no image.
    #[error("no image is named")]
    NoImage,
}

impl RunCommandError {
    /// The next thing to do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotARun | Self::NoImage => "cofferdam shim run -- docker run IMAGE",
            Self::OtherEngine(_) => "name the engine with the variable DOCKER_HOST",
        }
    }
}

/// What an image starts when nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// `ENTRYPOINT`.
    pub entrypoint: Vec<String>,
    /// `CMD`.
    pub command: Vec<String>,
}

impl RunCommand {
    /// Understands the words of a command.
    ///
    /// # Errors
    /// [`RunCommandError`].
    pub fn parse(words: &[OsString]) -> Result<Self, RunCommandError> {
        let at = find_run(words)?;
        let head = words.iter().take(at).cloned().collect();
        let mut flags = Vec::new();
        let mut entrypoint = None;
        let mut rest = words.iter().skip(at);
        while let Some(word) = rest.next() {
            let text = word.to_string_lossy();
            if !text.starts_with('-') || text == "-" {
                return Ok(Self {
                    head,
                    flags,
                    entrypoint,
                    image: text.into_owned(),
                    arguments: rest.cloned().collect(),
                });
            }
            if text == "--" {
                continue;
            }
            let value = takes_next(&text).then(|| rest.next().cloned()).flatten();
            if text == "--entrypoint" {
                entrypoint = value;
            } else if let Some(attached) = text.strip_prefix("--entrypoint=") {
                entrypoint = Some(attached.into());
            } else {
                flags.push(word.clone());
                flags.extend(value);
            }
        }
        Err(RunCommandError::NoImage)
    }

    /// The program and the arguments that the container would start with. `--entrypoint` takes the
    /// place of the image's entrypoint and of its command.
    #[must_use]
    pub fn start(&self, image: &Start) -> Vec<OsString> {
        let own = |words: &[String]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let (mut words, default) = match &self.entrypoint {
            Some(entrypoint) if entrypoint.is_empty() => (Vec::new(), Vec::new()),
            Some(entrypoint) => (vec![entrypoint.clone()], Vec::new()),
            None => (own(&image.entrypoint), own(&image.command)),
        };
        if self.arguments.is_empty() {
            words.extend(default);
        } else {
            words.extend(self.arguments.iter().cloned());
        }
        words
    }

    /// The same command with `program` of this machine, mounted at `inside`, started with
    /// `arguments` before what the container would start with.
    #[must_use]
    pub fn through(
        &self,
        program: &str,
        inside: &str,
        arguments: &[OsString],
        image: &Start,
    ) -> Vec<OsString> {
        // Not -v: that would make a directory where there is no file.
        let mount = format!("type=bind,source={program},target={inside},readonly");
        let ours = ["--mount", &mount, "--entrypoint", inside].map(OsString::from);
        let words = self.head.iter().cloned().chain(ours);
        let words = words.chain(self.flags.iter().cloned());
        let words = words.chain([OsString::from(&self.image)]);
        let words = words.chain(arguments.iter().cloned());
        words.chain(self.start(image)).collect()
    }
}

/// Index behind the word `run` or `create`.
fn find_run(words: &[OsString]) -> Result<usize, RunCommandError> {
    let program = words.first().map(Path::new).and_then(Path::file_name);
    if program.is_none_or(|program| program != "docker") {
        return Err(RunCommandError::NotARun);
    }
    let mut at = 1;
    let mut above = false;
    while let Some(word) = words.get(at) {
        let text = word.to_string_lossy();
        at += 1;
        if let Some(flag) = OTHER_ENGINE.iter().find(|flag| {
            text == **flag
                || text.starts_with(&format!("{flag}="))
                || (flag.len() == 2 && text.starts_with(**flag))
        }) {
            return Err(RunCommandError::OtherEngine((*flag).to_owned()));
        }
        match &*text {
            "run" | "create" => return Ok(at),
            "container" if !above => above = true,
            flag if flag.starts_with('-') => at += usize::from(GLOBAL_VALUES.contains(&flag)),
            _ => return Err(RunCommandError::NotARun),
        }
    }
    Err(RunCommandError::NotARun)
}

/// Whether the word after this flag is its value.
fn takes_next(flag: &str) -> bool {
    if flag.starts_with("--") {
        return !flag.contains('=') && !SWITCHES.contains(&flag);
    }
    // Short ones may be joined: -it, -dp 80:80, -p80:80, -p=80:80.
    let mut letters = flag.chars().skip(1);
    let valued = letters.find(|letter| !SHORT_SWITCHES.contains(*letter) && *letter != '=');
    match valued {
        Some(_) => letters.next().is_none() && !flag.contains('='),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ')
            .filter(|word| !word.is_empty())
            .map(OsString::from)
            .collect()
    }

    fn image() -> Start {
        Start {
            entrypoint: vec!["entry".into(), "-e".into()],
            command: vec!["serve".into()],
        }
    }

    #[test]
    fn the_image_is_found_behind_any_flags() {
        for (line, found) in [
            ("docker run postgres", "postgres"),
            (
                "/usr/bin/docker --debug run -it --rm postgres:16 psql -h x",
                "postgres:16",
            ),
            ("docker container create -dp 80:80 --name x img", "img"),
            ("docker run -p80:80 -eA=b -e A=b --env=X img run", "img"),
            (
                "docker run --read-only=true --init --user 1000:1000 img",
                "img",
            ),
            ("docker run -u=1 -v /a:/b img", "img"),
            ("docker --config /x run --sig-proxy=false img", "img"),
            ("docker run -d -- img", "img"),
        ] {
            assert_eq!(
                RunCommand::parse(&words(line)).unwrap().image,
                found,
                "{line}"
            );
        }
    }

    #[test]
    fn what_the_container_starts_is_what_docker_would_start() {
        for (line, started) in [
            ("docker run img", "entry -e serve"),
            ("docker run img a b", "entry -e a b"),
            ("docker run --entrypoint sh img", "sh"),
            ("docker run --entrypoint=sh img -c x", "sh -c x"),
            ("docker run --entrypoint= img a", "a"),
        ] {
            let command = RunCommand::parse(&words(line)).unwrap();
            assert_eq!(command.start(&image()), words(started), "{line}");
        }
    }

    #[test]
    fn the_program_goes_between_docker_and_the_entrypoint() {
        let command =
            RunCommand::parse(&words("docker run -e A_FILE=/s/a --entrypoint sh img -c x"));
        let through =
            command
                .unwrap()
                .through("/bin/c", "/shim", &words("-image img --"), &image());
        assert_eq!(
            through,
            words(
                "docker run --mount type=bind,source=/bin/c,target=/shim,readonly --entrypoint /shim \
                 -e A_FILE=/s/a img -image img -- sh -c x"
            )
        );
    }

    #[test]
    fn other_commands_are_refused_with_a_way_out() {
        for (line, expected) in [
            ("docker ps", RunCommandError::NotARun),
            ("podman run x", RunCommandError::NotARun),
            ("docker", RunCommandError::NotARun),
            ("", RunCommandError::NotARun),
            ("docker run", RunCommandError::NoImage),
            ("docker run -d --name x", RunCommandError::NoImage),
            (
                "docker -H tcp://x run img",
                RunCommandError::OtherEngine("-H".into()),
            ),
            (
                "docker --context=x run img",
                RunCommandError::OtherEngine("--context".into()),
            ),
        ] {
            assert_eq!(RunCommand::parse(&words(line)), Err(expected), "{line}");
        }
    }
}

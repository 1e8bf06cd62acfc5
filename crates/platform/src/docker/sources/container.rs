//! One container, whole: what `docker inspect` shows, its processes, what it wrote, and its log.
//!
//! The engine is asked and nothing is started, stopped or changed. What is written is read as the engine
//! lists it (`docker diff`), one file after the other, so a file of the image that was not touched is not
//! read: `scan image` looks there. What is mounted is not the container's own and is not read either: a
//! secret that was delivered as a file lies where it should.

use super::containers::{Inspected, parsed};
use crate::docker::engine::blocking::Engine;
use crate::docker::engine::{EngineError, encoded};
use cofferdam_detect::source::Finder;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};

/// Changed files that are read of one container.
const MOST_CHANGES: usize = 20_000;

/// Most bytes of one stream of a log.
const LOG: u64 = 1 << 30;

/// Longest environment or command line.
const LONGEST: u64 = 16 << 20;

#[derive(Deserialize)]
struct Known {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Name", default)]
    name: String,
    #[serde(rename = "State", default)]
    state: State,
    #[serde(rename = "Mounts", default)]
    mounts: Vec<Mount>,
}

/// Of a volume or a directory of the host: where it is in the container.
#[derive(Deserialize)]
struct Mount {
    #[serde(rename = "Destination", default)]
    destination: String,
}

#[derive(Default, Deserialize)]
struct State {
    #[serde(rename = "Running", default)]
    running: bool,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Id")]
    id: String,
}

/// `GET /containers/{id}/changes`: 0 modified, 1 added, 2 deleted.
#[derive(Deserialize)]
struct Change {
    #[serde(rename = "Path", default)]
    path: String,
    #[serde(rename = "Kind", default)]
    kind: u8,
}

const DELETED: u8 = 2;

/// The ids of all containers, stopped ones too.
///
/// # Errors
/// [`EngineError`].
pub fn all(engine: &Engine) -> Result<Vec<String>, EngineError> {
    let answer = engine.get("/containers/json?all=1")?;
    let listed: Vec<Listed> = parsed(&answer)?;
    Ok(listed.into_iter().map(|one| one.id).collect())
}

/// Looks into one container, by name or id. `progress` hears what is looked at now.
///
/// # Errors
/// [`EngineError`] when there is no such container, or it cannot be inspected.
pub fn look(
    engine: &Engine,
    finder: &mut Finder<'_>,
    name: &str,
    progress: &mut dyn FnMut(&str),
) -> Result<(), EngineError> {
    let answer = engine.get(&format!("/containers/{}/json", encoded(name)))?;
    let known: Known = parsed(&answer)?;
    let inspected: Option<Inspected> = serde_json::from_slice(&answer).ok();
    let name = match known.name.trim_start_matches('/') {
        "" => super::containers::short(&known.id),
        name => name.to_owned(),
    };
    progress(&format!("container {name}"));
    finder.count();
    finder.json(&name, &answer);
    if known.state.running {
        processes(finder, &name, &known.id);
    }
    progress(&format!("files written by {name}"));
    written(engine, finder, &name, &known);
    progress(&format!("log of {name}"));
    log(engine, finder, &name, &known.id, inspected.as_ref());
    Ok(())
}

/// Environment and arguments of every process in the container's cgroup.
fn processes(finder: &mut Finder<'_>, name: &str, id: &str) {
    let mut seen = false;
    let mut denied = 0_u64;
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in listed {
        let pid = entry.file_name();
        let Some(pid) = pid.to_str().and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        if id.len() < 32 || !cgroup.contains(id) {
            continue;
        }
        seen = true;
        let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let place = format!("{name}: process {pid} ({})", program.trim_end());
        for (file, what) in [("environ", "environ"), ("cmdline", "arguments")] {
            match of_process(pid, file) {
                Ok(text) => parts(finder, &format!("{place}: {what}"), file, &text),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => denied += 1,
                // It has ended since.
                Err(_) => {}
            }
        }
    }
    if !seen {
        finder.gap(name, "its processes are not visible from here");
    }
    if denied > 0 {
        finder.gap(
            name,
            "environment and arguments of its processes: permission denied",
        );
    }
}

fn of_process(pid: u32, file: &str) -> io::Result<cofferdam_secret::Secret<Vec<u8>>> {
    let mut text = Vec::new();
    fs::File::open(format!("/proc/{pid}/{file}"))?
        .take(LONGEST)
        .read_to_end(&mut text)?;
    Ok(cofferdam_secret::Secret::new(text))
}

fn parts(
    finder: &mut Finder<'_>,
    place: &str,
    file: &str,
    text: &cofferdam_secret::Secret<Vec<u8>>,
) {
    finder.count();
    let parts = text.expose().split(|&byte| byte == 0);
    if file == "cmdline" {
        // An option and its value are two arguments.
        let line: Vec<&[u8]> = parts.filter(|part| !part.is_empty()).collect();
        let line = cofferdam_secret::Secret::new(line.join(&b' '));
        return finder.text(place, line.expose());
    }
    for part in parts.filter(|part| !part.is_empty()) {
        let variable = part.split(|&byte| byte == b'=').next().unwrap_or_default();
        let variable = String::from_utf8_lossy(variable);
        finder.text(&format!("{place}/{variable}"), part);
    }
}

/// Files that the container added or changed.
fn written(engine: &Engine, finder: &mut Finder<'_>, name: &str, known: &Known) {
    let (place, id) = (format!("{name}: written"), &known.id);
    let changes = engine
        .get(&format!("/containers/{id}/changes"))
        .and_then(|answer| parsed::<Option<Vec<Change>>>(&answer));
    let changes = match changes {
        Ok(changes) => changes.unwrap_or_default(),
        Err(error) => return finder.gap(&place, error.to_string()),
    };
    for path in files(&changes, &known.mounts) {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let asked = format!("/containers/{id}/archive?path={}", encoded(path));
        match engine.stream(&asked) {
            Ok(mut body) => {
                finder.count();
                finder.tar_of_directory(&place, parent, &mut body);
            }
            // Gone since, or hidden below a mount.
            Err(error) if error.is_missing() => {}
            Err(error) => finder.gap(
                &format!("{place}: {}", path.trim_start_matches('/')),
                error.to_string(),
            ),
        }
    }
    if changes.len() > MOST_CHANGES {
        finder.gap(&place, "more changed files than are read");
    }
}

/// Paths that are not a directory above another change: those are read by their own names. The engine
/// gives what is mounted for what lies below it, so no path is read that meets a mount.
fn files<'c>(changes: &'c [Change], mounts: &[Mount]) -> Vec<&'c str> {
    let kept = || {
        let kept = changes.iter().filter(|change| change.kind != DELETED);
        kept.map(|change| change.path.as_str()).take(MOST_CHANGES)
    };
    let parents: BTreeSet<&str> = changes
        .iter()
        .filter_map(|change| change.path.rsplit_once('/'))
        .map(|(parent, _)| parent)
        .collect();
    let meets = |path: &str| {
        let mut mounted = mounts.iter().map(|mount| mount.destination.as_str());
        mounted.any(|mount| below(path, mount) || below(mount, path))
    };
    kept()
        .filter(|path| !parents.contains(path) && !meets(path))
        .collect()
}

/// Whether `path` is `directory`, or lies in it.
fn below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn log(
    engine: &Engine,
    finder: &mut Finder<'_>,
    name: &str,
    id: &str,
    inspected: Option<&Inspected>,
) {
    let driver = inspected.map_or("", Inspected::log_driver);
    if driver == "none" {
        return;
    }
    let terminal = inspected.is_some_and(Inspected::tty);
    let streams: &[&str] = if terminal {
        &["stdout"]
    } else {
        &["stdout", "stderr"]
    };
    for stream in streams {
        let place = format!("{name}: log of {stream}");
        match engine.stream(&format!("/containers/{id}/logs?{stream}=1")) {
            Ok(body) => {
                finder.count();
                let mut limited = body.take(LOG);
                if terminal {
                    finder.reader(&place, &mut limited);
                } else {
                    finder.reader(&place, &mut Unframed::new(&mut limited));
                }
                if limited.limit() == 0 {
                    finder.gap(&place, "longer than 1 GiB; the rest was not looked at");
                }
            }
            Err(error) if error.is_missing() => {}
            Err(error) => finder.gap(&place, error.to_string()),
        }
    }
}

/// One stream of a log without the frames around its pieces (Engine API, "Attach to a container").
struct Unframed<R> {
    body: R,
    left: usize,
}

impl<R: Read> Unframed<R> {
    const fn new(body: R) -> Self {
        Self { body, left: 0 }
    }
}

impl<R: Read> Read for Unframed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            match super::logs::frame(&mut self.body)? {
                Some((_, length)) => self.left = length,
                None => return Ok(0),
            }
        }
        let most = self.left.min(out.len());
        let room = out.get_mut(..most).unwrap_or_default();
        let count = self.body.read(room)?;
        if count == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_away_wherever_reads_end() {
        let log = b"\x01\0\0\0\0\0\0\x03one\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x04 two".to_vec();
        for size in 1..12 {
            let mut source = log.as_slice();
            let mut unframed = Unframed::new(&mut source);
            let mut all = Vec::new();
            let mut piece = vec![0; size];
            while let Ok(count @ 1..) = unframed.read(&mut piece) {
                all.extend_from_slice(&piece[..count]);
            }
            assert_eq!(all, b"one two", "{size}");
        }
        let mut cut = &log[..9];
        let mut rest = Vec::new();
        assert!(Unframed::new(&mut cut).read_to_end(&mut rest).is_err());
    }

    #[test]
    fn directories_above_a_change_are_not_read_whole() {
        let change = |path: &str, kind| Change {
            path: path.to_owned(),
            kind,
        };
        let changes = [
            change("/srv", 0),
            change("/srv/app", 1),
            change("/srv/app/.env", 1),
            change("/srv/old", 2),
            change("/empty", 1),
        ];
        assert_eq!(files(&changes, &[]), ["/srv/app/.env", "/empty"]);
    }

    #[test]
    fn what_is_mounted_is_not_what_the_container_wrote() {
        let mounted = |destination: &str| Mount {
            destination: destination.to_owned(),
        };
        let paths = [
            "/run",
            "/run/secrets",
            "/run/secrets2",
            "/etc",
            "/data/old",
            "/x",
        ];
        let changes = paths.map(|path| Change {
            path: path.to_owned(),
            kind: 1,
        });
        let mounts = ["/run/secrets", "/etc/app/conf", "/data/"].map(mounted);
        assert_eq!(files(&changes, &mounts), ["/run/secrets2", "/x"]);
    }
}

//! The log driver: what containers print, with the values this daemon has handed out masked, in files
//! that `docker logs` reads.
//!
//! dockerd gives each container a FIFO and says so ([`Logs::start`]); entries come through it
//! ([`entry`]), pass the redactor and end as lines of JSON ([`file`]); `docker logs` is answered from
//! these files ([`reader`]), which take turns under its eyes ([`turns`]).
//!
//! * **The FIFO is always read.** A full one would stop the container in its next `write`. When the
//!   disk refuses a line it is dropped and counted; the container goes on.
//! * **A killed daemon loses what it had read and not written.** While it is away dockerd drops lines,
//!   for nobody has the FIFO open. The next daemon takes the FIFOs over: what it needs is on disk, and
//!   no value is. It learns the values again from the memory filesystems that containers have mounted,
//!   before it reads a line (`docker::known`).
//! * A value may be cut by dockerd at 16 KiB, or be written in several lines: each source is one text to
//!   the redactor, whatever the entries are.
//! * That logs can be read here also keeps dockerd from its own copy of them, which is not masked.

mod entry;
mod file;
mod reader;
mod text;
mod turns;

pub use entry::count_entries;
pub(super) use reader::Wanted;

use super::{Error, Fault};
use crate::docker::engine::Engine;
use crate::docker::known::{Holder, Known};
use bytes::Bytes;
use cofferdam_detect::Label;
use cofferdam_secret::Secret;
use file::Limits;
use reader::Live;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use text::Text;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Where dockerd makes its FIFOs.
const FIFOS: &str = "/run/docker/logging";
/// Where it keeps what belongs to one container, Swarm's secrets in memory included.
const CONTAINERS: &str = "/var/lib/docker/containers";
/// What Swarm writes on a task's container.
const TASK: &str = "com.docker.swarm.task.id";
/// Read at once.
const PIECE: usize = 64 * 1024;
/// Largest file of a secret that is learned.
const LARGEST: u64 = 500 * 1024;

/// What dockerd tells of a container. It tells more, variables included, which is not looked at.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Info {
    #[serde(rename = "ContainerID")]
    container: String,
    config: Option<BTreeMap<String, String>>,
}

/// What is on disk of a log that is being written.
#[derive(Serialize, Deserialize)]
struct Record {
    fifo: PathBuf,
    limits: Limits,
}

/// All logs.
pub(super) struct Logs {
    directory: PathBuf,
    known: Arc<Known>,
    engine: Engine,
    open: Mutex<BTreeMap<PathBuf, Open>>,
}

/// One that is being written.
struct Open {
    container: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    live: Live,
}

impl Logs {
    /// Takes over what an earlier daemon was writing.
    pub(super) fn open(data: &Path, known: Arc<Known>, engine: Engine) -> Result<Arc<Self>, Error> {
        let logs = Arc::new(Self {
            directory: data.join("logs"),
            known,
            engine,
            open: Mutex::default(),
        });
        let entries = match std::fs::read_dir(&logs.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(logs),
            Err(error) => return Err(Error::system("list", &logs.directory, error)),
        };
        for entry in by_name(entries) {
            let Some(container) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let record = entry.path().join("record.json");
            let Ok(text) = std::fs::read(&record) else {
                continue;
            };
            // One that is not whole, or whose FIFO is gone, is of a container that has ended.
            let taken = serde_json::from_slice(&text)
                .map_err(|error| Fault::Request(error.to_string()))
                .and_then(|record: Record| logs.begin(&container, &record));
            match taken {
                Ok(()) => tracing::info!(container = ?container, "took over a log"),
                Err(error) => {
                    tracing::info!(container = ?container, reason = %error, "a log has ended");
                    let _ = std::fs::remove_file(record);
                }
            }
        }
        Ok(logs)
    }

    /// A container is about to start.
    pub(super) fn start(self: &Arc<Self>, fifo: &Path, info: &Info) -> Result<(), Fault> {
        let container = container_id(&info.container)?;
        if fifo.parent() != Some(Path::new(FIFOS)) {
            return Err(Fault::Request("not a log of this Docker engine".to_owned()));
        }
        let limits = limits(info.config.as_ref())?;
        let record = Record {
            fifo: fifo.to_owned(),
            limits,
        };
        self.begin(container, &record)?;
        let path = self.directory.join(container).join("record.json");
        let text = serde_json::to_vec(&record);
        let saved = text
            .map_err(std::io::Error::other)
            .and_then(|text| std::fs::write(&path, text));
        saved.map_err(|error| Error::system("write", path, error))?;
        tokio::spawn(Arc::clone(self).sweep());
        Ok(())
    }

    fn begin(&self, container: &str, record: &Record) -> Result<(), Fault> {
        let container = container_id(container)?;
        // For writing too: then its end is ours to say, and no writer has to be there yet.
        let pipe = pipe::OpenOptions::new()
            .read_write(true)
            .open_receiver(&record.fifo)
            .map_err(|error| Error::system("open", &record.fifo, error))?;
        self.learn_swarm(container);
        let directory = self.directory.join(container);
        let text = Text::open(&directory, record.limits, Arc::clone(&self.known))
            .map_err(|error| Error::system("write", &directory, error))?;
        let (stop, stopped) = oneshot::channel();
        let (count, written) = watch::channel(0);
        let turns = text.turns();
        let open = Open {
            container: container.to_owned(),
            stop,
            task: tokio::spawn(carry(pipe, text, stopped, count)),
            live: Live { written, turns },
        };
        self.table().insert(record.fifo.clone(), open);
        Ok(())
    }

    /// A container has ended: everything in the FIFO is written before this is.
    pub(super) async fn stop(&self, fifo: &Path) -> Result<(), Fault> {
        let Some(open) = self.table().remove(fifo) else {
            return Ok(());
        };
        // One that is gone already has nothing to stop.
        let _ = open.stop.send(());
        let _ = open.task.await;
        self.known.ended(&Holder::Log(open.container.clone()));
        let record = self.directory.join(&open.container).join("record.json");
        match std::fs::remove_file(&record) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::system("remove", record, error).into())
            }
            _ => Ok(()),
        }
    }

    /// What `docker logs` asks for.
    pub(super) fn read(&self, info: &Info, wanted: Wanted) -> Result<mpsc::Receiver<Bytes>, Fault> {
        let container = container_id(&info.container)?;
        let table = self.table();
        let open = table.values().find(|open| open.container == container);
        let live = open.map(|open| open.live.clone());
        let directory = self.directory.join(container);
        Ok(reader::read(directory, wanted, live))
    }

    /// Swarm's secrets lie in memory beside the container, whichever driver they came from.
    fn learn_swarm(&self, container: &str) {
        let directory = Path::new(CONTAINERS).join(container).join("mounts/secrets");
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                return tracing::warn!(container, %error, "Swarm's secrets of a container are not masked in logs");
            }
        };
        let holder = Holder::Log(container.to_owned());
        // Of two secrets with one value the mask names the one that is learnt first.
        for entry in by_name(entries) {
            let name = format!("swarm/{}", entry.file_name().to_string_lossy());
            let read = entry.metadata().and_then(|found| match found.len() {
                _ if !found.is_file() => Ok(None),
                0..=LARGEST => std::fs::read(entry.path()).map(Some),
                _ => Err(std::io::ErrorKind::FileTooLarge.into()),
            });
            match read {
                Ok(Some(value)) => {
                    let label = Label::new(name, None, "value");
                    self.known.learn(&holder, &label, &Secret::new(value));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(container, secret = ?name, %error, "a secret of Swarm is not masked in logs");
                }
            }
        }
    }

    /// Removes logs of containers that are no more: dockerd does not tell when one is removed. Nor does
    /// it tell when a task has ended, whose values nobody needs any more.
    pub(super) async fn sweep(self: Arc<Self>) {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Listed {
            id: String,
            #[serde(default)]
            state: String,
            #[serde(default)]
            labels: Option<BTreeMap<String, String>>,
        }
        let listed = self
            .engine
            .get::<Vec<Listed>>("/containers/json?all=1")
            .await;
        let Ok(listed) = listed else {
            return;
        };
        let tasks = listed
            .iter()
            .filter(|listed| !matches!(listed.state.as_str(), "exited" | "dead"))
            .filter_map(|listed| listed.labels.as_ref()?.get(TASK).cloned());
        self.known.tasks(&tasks.collect());
        let there: BTreeSet<String> = listed.into_iter().map(|listed| listed.id).collect();
        let Ok(entries) = std::fs::read_dir(&self.directory) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_open = self.table().values().any(|open| open.container == name);
            if !is_open && !there.contains(&name) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entries of a directory by their names: a file system lists them as it likes.
fn by_name(entries: std::fs::ReadDir) -> Vec<std::fs::DirEntry> {
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_cached_key(std::fs::DirEntry::file_name);
    entries
}

/// An id becomes the name of a directory.
fn container_id(text: &str) -> Result<&str, Fault> {
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() == 64 && text.bytes().all(hexadecimal) {
        Ok(text)
    } else {
        Err(Fault::Request("not the id of a container".to_owned()))
    }
}

/// `--log-opt max-size=10m --log-opt max-file=3`, as with `json-file`.
fn limits(options: Option<&BTreeMap<String, String>>) -> Result<Limits, Fault> {
    let mut limits = Limits::default();
    for (name, value) in options.into_iter().flatten() {
        let wrong = || Fault::Request(format!("not a number for the log option {name}"));
        match name.as_str() {
            "max-size" => limits.size = size(value).ok_or_else(wrong)?,
            "max-file" => {
                let count = value.parse().ok().filter(|count| *count > 0);
                limits.files = count.ok_or_else(wrong)?;
            }
            // dockerd's own, for every driver.
            "mode" | "max-buffer-size" | "tag" | "labels" | "labels-regex" | "env"
            | "env-regex" => {}
            _ => {
                return Err(Fault::Request(format!(
                    "no log option of this driver: {name}; it takes max-size and max-file"
                )));
            }
        }
    }
    Ok(limits)
}

fn size(text: &str) -> Option<u64> {
    let text = text.trim_end_matches(['b', 'B']);
    let digits = text.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G']);
    let unit = match text.get(digits.len()..)? {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(unit).filter(|size| *size >= 4096)
}

/// Carries one log to its end.
async fn carry(
    pipe: pipe::Receiver,
    mut text: Text,
    mut stopped: oneshot::Receiver<()>,
    count: watch::Sender<u64>,
) {
    let mut piece = Secret::new(vec![0_u8; PIECE]);
    let mut take = |text: &mut Text| match pipe.try_read(piece.expose_mut()) {
        Ok(read) if read > 0 => {
            text.take(piece.expose().get(..read).unwrap_or_default());
            count.send_modify(|count| *count += 1);
            true
        }
        _ => false,
    };
    loop {
        tokio::select! {
            biased;
            ready = pipe.readable() => {
                if ready.is_err() {
                    break;
                }
                take(&mut text);
            }
            // Also when the daemon ends: the FIFO is the next one's.
            _ = &mut stopped => break,
        }
    }
    while take(&mut text) {}
    text.finish();
    count.send_modify(|count| *count += 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_json_file() {
        let options = |name: &str, value: &str| {
            limits(Some(&BTreeMap::from([(name.to_owned(), value.to_owned())])))
        };
        assert_eq!(limits(None).unwrap(), Limits::default());
        assert_eq!(options("max-size", "10m").unwrap().size, 10 << 20);
        assert_eq!(options("max-size", "64KB").unwrap().size, 64 << 10);
        assert_eq!(options("max-file", "3").unwrap().files, 3);
        for (name, value) in [
            ("max-size", "1"),
            ("max-size", "x"),
            ("max-file", "0"),
            ("colour", "red"),
        ] {
            assert!(options(name, value).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn an_id_is_never_a_path() {
        assert!(container_id(&"0f".repeat(32)).is_ok());
        for text in ["", "..", "../../x", &"0F".repeat(32), &"0f".repeat(31)] {
            assert!(container_id(text).is_err(), "{text}");
        }
    }
}

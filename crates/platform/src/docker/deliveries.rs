//! The book of deliveries: which container or task was given which secrets, in which versions, for
//! `sys/records/delivery`.
//!
//! Written after the fact and beside it: a container does not wait for the entry, and starts without
//! one. Where the server cannot be reached the entries wait, [`WAITING`] of them; what does not fit
//! any more is counted in the log. What this daemon has written for a holder it does not write
//! twice: a restarted container with the same versions is no news.
//!
//! It knows names, paths and versions, and is never shown a value.

use super::engine::{Engine, EngineError, encoded};
use crate::record::{Given, Kind, Record, Subject, host};
use cofferdam_api::{Client, Error as ApiError, KvVersion};
use cofferdam_detect::source::clean;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Deliveries that wait for a server that is away.
const WAITING: usize = 1024;
/// Holders whose last entry is remembered.
const KNOWN: usize = 4096;
/// Between two attempts at a server that does not answer.
const RETRY: Duration = Duration::from_secs(5);
/// How long what waits may take at the end.
const GRACE: Duration = Duration::from_secs(2);
/// Labels of Compose (docker/compose `pkg/api/labels.go`).
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";

/// Who holds what was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The containers that have a volume; the engine says which.
    Volume(String),
    /// Somebody who is known.
    Known {
        /// What tells it from all others, for as long as this daemon runs.
        key: String,
        /// Its name.
        name: String,
        /// SHA-256 of its image, where it is known.
        sha256: Option<String>,
        /// What else is known of it.
        attributes: Vec<(&'static str, String)>,
    },
}

/// What was delivered.
pub(super) enum Secrets {
    /// Files, or the value of one task.
    Given(Vec<Given>),
    /// An answer of the server, passed on: the path of the API, and the version in the answer.
    Read { path: String, version: Option<u64> },
}

struct Delivery {
    holder: Holder,
    secrets: Secrets,
}

/// Takes deliveries to be written down.
#[derive(Clone)]
pub(super) struct Book {
    entries: mpsc::Sender<Delivery>,
    lost: Arc<AtomicU64>,
}

/// The one who writes.
pub(super) struct Writer {
    stop: oneshot::Sender<()>,
    writing: JoinHandle<()>,
}

impl Book {
    /// Opens the book at `client`; `engine` says which containers have a volume.
    pub(super) fn open(client: Client, engine: Engine) -> (Self, Writer) {
        let (entries, waiting) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let scribe = Scribe {
            client,
            engine,
            host: host(),
            written: HashMap::new(),
            lost: Arc::clone(&lost),
            said: false,
        };
        let (stop, stopped) = oneshot::channel();
        let writing = tokio::spawn(scribe.write(waiting, stopped));
        (Self { entries, lost }, Writer { stop, writing })
    }

    /// Notes a delivery; never waits.
    pub(super) fn note(&self, holder: Holder, secrets: Secrets) {
        let delivery = Delivery { holder, secrets };
        if self.entries.try_send(delivery).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Writer {
    /// Lets what waits be written, and ends.
    pub(super) async fn close(mut self) {
        let _ = self.stop.send(());
        if tokio::time::timeout(GRACE, &mut self.writing)
            .await
            .is_err()
        {
            tracing::warn!("deliveries are left unrecorded: the server did not take them in time");
            self.writing.abort();
        }
    }
}

/// A secret that was read by the path of the API; it has no name yet.
fn read(path: &str, version: Option<u64>) -> Given {
    Given {
        name: String::new(),
        path: path.to_owned(),
        field: None,
        version,
    }
}

/// A container in the engine's list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(rename = "ImageID", default)]
    image: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

impl Container {
    fn holder(self, volume: &str) -> Holder {
        let name = self.names.and_then(|names| names.into_iter().next());
        let name = name.unwrap_or_default().trim_start_matches('/').to_owned();
        let labels = self.labels.unwrap_or_default();
        let mut attributes = vec![
            ("container", self.id.clone()),
            ("volume", volume.to_owned()),
        ];
        let of_compose = labels.contains_key(PROJECT);
        for (attribute, label) in [("project", PROJECT), ("service", SERVICE)] {
            if let Some(value) = labels.get(label) {
                attributes.push((attribute, value.clone()));
            }
        }
        attributes.push((
            "via",
            if of_compose { "compose" } else { "volume" }.to_owned(),
        ));
        Holder::Known {
            name: if name.is_empty() {
                self.id.clone()
            } else {
                name
            },
            key: self.id,
            sha256: self.image.strip_prefix("sha256:").map(str::to_owned),
            attributes,
        }
    }
}

struct Scribe {
    client: Client,
    engine: Engine,
    host: String,
    /// What was last written for a holder.
    written: HashMap<String, Vec<Given>>,
    lost: Arc<AtomicU64>,
    /// The log says once why nothing is written, not at each attempt.
    said: bool,
}

impl Scribe {
    async fn write(
        mut self,
        mut waiting: mpsc::Receiver<Delivery>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let mut open = true;
        loop {
            let delivery = tokio::select! {
                biased;
                _ = &mut stopped, if open => {
                    open = false;
                    waiting.close();
                    continue;
                }
                delivery = waiting.recv() => delivery,
            };
            let Some(Delivery { holder, secrets }) = delivery else {
                return;
            };
            let holders = match holder {
                Holder::Volume(volume) => self.users(&volume).await,
                known @ Holder::Known { .. } => vec![known],
            };
            for holder in holders {
                self.enter(holder, &secrets).await;
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                tracing::warn!(lost, "deliveries were not recorded: too many at once");
            }
        }
    }

    /// The containers that have a volume, and are there to use it.
    async fn users(&self, volume: &str) -> Vec<Holder> {
        let filters = json!({"volume": [volume]}).to_string();
        let target = format!("/containers/json?all=1&filters={}", encoded(&filters));
        let found: Result<Vec<Container>, EngineError> = self.engine.get(&target).await;
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(?volume, reason = %error, "cannot ask who has a volume");
            Vec::new()
        });
        let lives = |container: &Container| {
            matches!(
                container.state.as_str(),
                "created" | "running" | "restarting" | "paused"
            )
        };
        let living = found.into_iter().filter(lives);
        let mut holders: Vec<_> = living.map(|container| container.holder(volume)).collect();
        if holders.is_empty() {
            // Gone already, or the engine did not say: the delivery took place all the same.
            holders.push(Holder::Known {
                key: format!("volume {volume}"),
                name: volume.to_owned(),
                sha256: None,
                attributes: vec![("volume", volume.to_owned()), ("via", "volume".to_owned())],
            });
        }
        holders
    }

    async fn enter(&mut self, holder: Holder, secrets: &Secrets) {
        let Holder::Known {
            key,
            name,
            sha256,
            mut attributes,
        } = holder
        else {
            return;
        };
        let secrets = match secrets {
            Secrets::Given(given) => given.clone(),
            Secrets::Read { path, version } => vec![read(path, *version)],
        };
        // A read is told from other reads by its path.
        let key = match secrets.as_slice() {
            [only] if only.name.is_empty() => format!("{key} {}", only.path),
            _ => key,
        };
        if secrets.is_empty() || self.written.get(&key) == Some(&secrets) {
            return;
        }
        let mut record = Record {
            subjects: vec![Subject {
                name: clean(&name),
                sha256,
            }],
            secrets: secrets.clone(),
            attributes: Vec::new(),
        };
        for given in record
            .secrets
            .iter_mut()
            .filter(|given| given.name.is_empty())
        {
            match self.logical(&given.path).await {
                Some(path) => given.path = path,
                // Its metadata, say: no secret was read.
                None => return,
            }
            given.name = given.path.rsplit('/').next().unwrap_or_default().to_owned();
        }
        attributes.push(("host", self.host.clone()));
        for (_, value) in &mut attributes {
            *value = clean(value);
        }
        record.attributes = attributes;
        if self.keep(&record).await {
            if self.written.len() >= KNOWN {
                self.written.clear();
            }
            self.written.insert(key, secrets);
        }
    }

    /// The path of a secret as people and policies' authors call it, from the path of the API.
    async fn logical(&self, path: &str) -> Option<String> {
        let Ok(mount) = self.client.kv_mount(path).await else {
            return Some(path.to_owned());
        };
        if mount.version != KvVersion::V2 {
            return Some(path.to_owned());
        }
        let rest = path
            .strip_prefix(mount.path.as_str())?
            .strip_prefix("data/")?;
        Some(format!("{}{rest}", mount.path))
    }

    /// Whether the server has it. One that is away is waited for; one that refuses is not.
    async fn keep(&mut self, record: &Record) -> bool {
        loop {
            let error = match record.keep(&self.client, Kind::Delivery).await {
                Ok(kept) => {
                    self.said = false;
                    tracing::debug!(record = %kept.path, "a delivery is recorded");
                    return true;
                }
                Err(error) => error,
            };
            let refused = error.is_answer() && !matches!(error, ApiError::Sealed(_));
            if !std::mem::replace(&mut self.said, true) {
                let hint = match &error {
                    ApiError::Denied(_) => {
                        "allow the plugin's token: path \"sys/records/delivery/*\" { capabilities = [\"create\"] }"
                    }
                    ApiError::NotFound(_) => "this server keeps no records of deliveries",
                    _ => "they are kept until the server is back",
                };
                tracing::warn!(reason = %error, hint, "deliveries are not recorded");
            }
            if refused {
                return false;
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_api::{Endpoint, Trust};
    use std::path::Path;
    use std::sync::Mutex;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    fn secret(version: u64) -> Secrets {
        Secrets::Given(vec![Given {
            name: "DB".to_owned(),
            path: "secret/shop/DB".to_owned(),
            field: None,
            version: Some(version),
        }])
    }

    fn container(number: u8) -> Holder {
        Holder::Known {
            key: number.to_string(),
            name: format!("shop-{number}\u{1b}[2J"),
            sha256: None,
            attributes: Vec::new(),
        }
    }

    /// Answers every request alike, and keeps what it was asked.
    fn answering(
        socket: &Path,
        status: &'static str,
        body: &'static str,
    ) -> Arc<Mutex<Vec<String>>> {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = UnixListener::bind(socket).unwrap();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut text = Vec::new();
                    while let Ok(1..) = stream.read_buf(&mut text).await {
                        let whole = String::from_utf8_lossy(&text).into_owned();
                        if !is_whole(&whole) {
                            continue;
                        }
                        seen.lock().unwrap().push(whole);
                        text.clear();
                        let length = body.len();
                        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
                        stream.write_all((head + body).as_bytes()).await.unwrap();
                    }
                });
            }
        });
        asked
    }

    /// Whether a request has come with all of its body.
    fn is_whole(request: &str) -> bool {
        let Some((head, body)) = request.split_once("\r\n\r\n") else {
            return false;
        };
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |length| length.trim().parse().unwrap());
        body.len() >= length
    }

    async fn recorded(status: &'static str, deliveries: Vec<(Holder, Secrets)>) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("server.sock");
        let asked = answering(&socket, status, "{\"data\":{\"id\":\"x\"}}");
        let server = Endpoint::Socket(socket);
        let client = Client::new(server, Trust::default(), None).unwrap();
        let engine = Engine::at(&directory.path().join("no-engine.sock"));
        let (book, writer) = Book::open(client, engine);
        for (holder, secrets) in deliveries {
            book.note(holder, secrets);
        }
        drop(book);
        writer.close().await;
        let asked = asked.lock().unwrap();
        asked.clone()
    }

    #[tokio::test]
    async fn the_same_versions_of_a_holder_are_written_once() {
        let first = vec![
            (container(1), secret(1)),
            (container(1), secret(1)),
            (container(2), secret(1)),
            (container(1), secret(2)),
            (container(1), Secrets::Given(Vec::new())),
        ];
        let asked = recorded("200 OK", first).await;
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert!(
            asked
                .iter()
                .all(|text| text.starts_with("PUT /v1/sys/records/delivery/"))
        );
        assert!(
            !asked.iter().any(|text| text.contains('\u{1b}')),
            "{asked:?}"
        );
        assert!(
            !asked.iter().any(|text| text.contains("\\u001b")),
            "{asked:?}"
        );
    }

    #[tokio::test]
    async fn what_a_server_refuses_is_not_asked_for_ever() {
        for status in ["403 Forbidden", "404 Not Found"] {
            let deliveries = vec![(container(1), secret(1)), (container(2), secret(1))];
            let asked = recorded(status, deliveries).await;
            assert_eq!(asked.len(), 2, "{asked:?}");
        }
    }

    #[tokio::test]
    async fn a_volume_of_an_engine_that_is_away_is_still_written_down() {
        let volume = Holder::Volume("shop".to_owned());
        let asked = recorded("200 OK", vec![(volume, secret(1))]).await;
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(asked[0].contains("\"volume\":\"shop\""), "{asked:?}");
    }

    #[test]
    fn a_container_of_compose_is_told_from_another() {
        let listed = json!({"Id": "abc", "Names": ["/shop_db_1"], "ImageID": "sha256:ff", "State": "created",
            "Labels": {PROJECT: "shop", SERVICE: "db"}});
        let container: Container = serde_json::from_value(listed).unwrap();
        let Holder::Known {
            name,
            sha256,
            attributes,
            ..
        } = container.holder("v")
        else {
            panic!("a volume");
        };
        assert_eq!(
            (name.as_str(), sha256.as_deref()),
            ("shop_db_1", Some("ff"))
        );
        for expected in [
            ("project", "shop"),
            ("service", "db"),
            ("via", "compose"),
            ("container", "abc"),
        ] {
            assert!(
                attributes.iter().any(|(n, v)| (*n, v.as_str()) == expected),
                "{attributes:?}"
            );
        }
        let plain: Container = serde_json::from_value(json!({"Id": "abc"})).unwrap();
        let Holder::Known {
            name, attributes, ..
        } = plain.holder("v")
        else {
            panic!("a volume");
        };
        assert_eq!(name, "abc");
        assert!(attributes.contains(&("via", "volume".to_owned())));
    }
}

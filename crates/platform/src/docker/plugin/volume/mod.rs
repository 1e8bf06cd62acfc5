//! The volume driver (`docker.volumedriver/1.0`): a tmpfs per volume, filled when it is first
//! mounted, read-only for everybody but us, renewed in place ([`renew`]), gone with its last user.
//!
//! * Values are fetched before anything is mounted, so with the server down a container does not
//!   start. A restarted container gets fresh values: Docker unmounts and mounts again.
//! * Uses are counted per volume and mount ID (see [`record::Record`]) and checked against the
//!   kernel ([`holders`]), so a plugin or a Docker that was killed leaves nothing mounted for good.
//! * The directory above the mounts is for root alone; the files in them for whom the options say:
//!   numbers, or a user whom the container's image knows ([`image`], [`accounts`]).

mod accounts;
mod holders;
mod image;
pub(super) mod on_change;
mod options;
mod record;
mod renew;

use super::{Error, Fault, borrow};
use crate::docker::deliveries::{Book, Holder, Secrets};
use crate::docker::known::{Holder as Having, Known};
use crate::record::Given;
use cofferdam_agent::FileName;
use cofferdam_agent::fetch::{self, Lent};
use cofferdam_agent::sink::directory::{Content as File, Superseded};
use cofferdam_agent::sink::{Access, Directory, mount, place};
use cofferdam_api::Client;
use cofferdam_detect::Label;
use cofferdam_secret::Secret;
use image::Images;
use options::{Content, Ids, Options, Raw};
use record::{Record, Records};
pub(super) use renew::{GRACE, Renewed};
use rustix::fd::OwnedFd;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Docker waits two minutes for a mount; a user in front of `docker run` does not.
const DEADLINE: Duration = Duration::from_secs(10);
/// For the look into an image. Many containers that start at once wait for each other's looks, and
/// one that is given up helps nobody.
const LOOK: Duration = Duration::from_secs(60);
/// Largest value in a volume: what Swarm and BuildKit take, so that a secret that works in one
/// place works in all.
const MAX_SIZE: usize = 500 * 1024 - 1;
/// Anybody in the container may walk in; what they can read the files' own mode says.
const DIRECTORY_MODE: u32 = 0o755;

/// All volumes.
pub(super) struct Volumes {
    table: Mutex<BTreeMap<String, Arc<Volume>>>,
    records: Records,
    mounts: PathBuf,
    /// Where a volume is mounted a second time while its files are renewed.
    writing: PathBuf,
    client: Client,
    book: Book,
    known: Arc<Known>,
    images: Images,
    /// Held, not used: a second daemon would take our mounts for left over ones.
    _lock: OwnedFd,
}

struct Volume {
    path: PathBuf,
    /// `None` for options that an older program took and we do not: they fail where they are needed.
    options: Option<Options>,
    /// Held during a whole call, so that calls for one volume come one after the other.
    record: Mutex<Record>,
    /// Generations of files that readers may still be on their way into, oldest first.
    superseded: Mutex<Vec<(Instant, Superseded)>>,
}

impl Volume {
    fn new(name: &str, mounts: &Path, record: Record) -> Arc<Self> {
        Arc::new(Self {
            path: mounts.join(name),
            options: Options::parse(name, &record.options).ok(),
            record: Mutex::new(record),
            superseded: Mutex::default(),
        })
    }
}

impl Volumes {
    /// Loads what is known and takes over what is still mounted.
    pub(super) fn open(
        data: &Path,
        runtime: &Path,
        client: Client,
        book: Book,
        known: Arc<Known>,
    ) -> Result<Self, Error> {
        let records = Records::open(&data.join("volumes"))?;
        std::fs::create_dir_all(runtime).map_err(|e| Error::system("create", runtime, e))?;
        let mounts = runtime.join("volumes");
        place::make_own(&mounts, 0o700)?;
        let lock = place::lock(&mounts).ok_or_else(|| Error::Shared(mounts.clone()))?;
        let writing = runtime.join("writing");
        place::make_own(&writing, 0o700)?;
        // First: a mount that a killed daemon left there would look like a user of its volume.
        renew::remove_left_over(&writing)?;
        let mut table = BTreeMap::new();
        for (name, mut record) in records.load()? {
            let path = mounts.join(&name);
            if adopt(&name, &path, &mut record)? {
                records.save(&name, &record)?;
            }
            if record.is_used() {
                renew::sweep(&path, &writing.join(&name))?;
            }
            let is_used = record.is_used();
            let volume = Volume::new(&name, &mounts, record);
            if is_used {
                learn(&name, &volume, &known);
            }
            table.insert(name, volume);
        }
        let all = Self {
            table: Mutex::new(BTreeMap::new()),
            records,
            mounts,
            writing,
            client,
            book,
            known,
            images: Images::new(),
            _lock: lock,
        };
        all.remove_unknown(&table)?;
        Ok(Self {
            table: Mutex::new(table),
            ..all
        })
    }

    pub(super) async fn create(&self, name: &str, raw: Raw) -> Result<(), Fault> {
        let file: FileName = name
            .parse()
            .map_err(|error: cofferdam_agent::NameError| Fault::Request(error.to_string()))?;
        Options::parse(file.as_str(), &raw)?;
        let mut table = self.table.lock().await;
        if let Some(volume) = table.get(name) {
            if volume.record.lock().await.options == raw {
                return Ok(());
            }
            let text = format!("volume {file} exists with other options");
            return Err(Fault::Request(text));
        }
        let record = Record {
            options: raw,
            ..Record::default()
        };
        self.records.save(name, &record)?;
        table.insert(name.to_owned(), Volume::new(name, &self.mounts, record));
        Ok(())
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), Fault> {
        let mut table = self.table.lock().await;
        let volume = table.get(name).ok_or(Fault::NoSuchVolume)?;
        let record = volume.record.lock().await;
        if record.is_used() && holders::has_holder(&volume.path) {
            return Err(Fault::Request(
                "a container still uses the volume".to_owned(),
            ));
        }
        drop_mount(&volume.path)?;
        self.known.ended(&Having::Volume(name.to_owned()));
        self.records.remove(name)?;
        drop(record);
        table.remove(name);
        Ok(())
    }

    pub(super) async fn names(&self) -> Vec<String> {
        self.table.lock().await.keys().cloned().collect()
    }

    /// Where it is mounted, if it is.
    pub(super) async fn path(&self, name: &str) -> Result<Option<PathBuf>, Fault> {
        let volume = self.find(name).await?;
        Ok(mount::is_mount_point(&volume.path).then(|| volume.path.clone()))
    }

    pub(super) async fn mount(&self, name: &str, id: &str) -> Result<PathBuf, Fault> {
        let volume = self.find(name).await?;
        let mut record = volume.record.lock().await;
        let mounted = mount::is_mount_point(&volume.path);
        let mut changed = record.clone();
        if !(mounted && record.is_used() && holders::has_holder(&volume.path)) {
            // Nobody has it: whatever is counted or mounted is left over.
            changed.uses.clear();
            changed.telling = false;
            volume.superseded.lock().await.clear();
            let options = Options::parse(name, &record.options)?;
            let lent = self.borrow(name, &options.content).await?;
            let owner = self.look(name, &options).await?;
            fill(&volume.path, &lent, &options, owner)?;
            changed.owner = Some(owner);
            changed.given = lent.iter().map(Given::of).collect();
            tracing::info!(volume = ?name, secrets = lent.len(), "filled a volume");
        }
        changed.add(id);
        if let Err(error) = self.records.save(name, &changed) {
            if !record.is_used() {
                drop_mount(&volume.path)?;
            }
            return Err(error.into());
        }
        *record = changed;
        self.note(name, &record);
        Ok(volume.path.clone())
    }

    pub(super) async fn unmount(&self, name: &str, id: &str) -> Result<(), Fault> {
        let volume = self.find(name).await?;
        let mut record = volume.record.lock().await;
        if !record.take(id) {
            tracing::debug!(volume = ?name, "Docker unmounts what it had not mounted");
        }
        if !record.is_used() {
            drop_mount(&volume.path)?;
            self.known.ended(&Having::Volume(name.to_owned()));
            tracing::info!(volume = ?name, "removed a volume's content");
        }
        Ok(self.records.save(name, &record)?)
    }

    /// Writes down who holds what a volume has.
    fn note(&self, name: &str, record: &Record) {
        let secrets = Secrets::Given(record.given.clone());
        self.book.note(Holder::Volume(name.to_owned()), secrets);
    }

    async fn find(&self, name: &str) -> Result<Arc<Volume>, Fault> {
        let table = self.table.lock().await;
        table.get(name).cloned().ok_or(Fault::NoSuchVolume)
    }

    async fn borrow(&self, name: &str, content: &Content) -> Result<Vec<Lent>, Fault> {
        let lent = self.fetch(content).await?;
        self.known
            .learn_lent(&Having::Volume(name.to_owned()), &lent);
        Ok(lent)
    }

    async fn fetch(&self, content: &Content) -> Result<Vec<Lent>, Fault> {
        match content {
            Content::Named(loans) => borrow(&self.client, loans, MAX_SIZE, DEADLINE).await,
            Content::Below(prefix) => {
                let lent = fetch::fetch_below(&self.client, prefix, MAX_SIZE);
                let lent = tokio::time::timeout(DEADLINE, lent).await;
                Ok(lent.map_err(|_| Fault::Late(DEADLINE.as_millis()))??)
            }
        }
    }

    /// Who owns the files, after a look at whether the image minds.
    async fn look(&self, name: &str, options: &Options) -> Result<Ids, Fault> {
        let look = async {
            if let Some(target) = &options.target {
                self.images.require_nothing_at(name, target).await?;
            }
            self.images.owner(name, &options.owner).await
        };
        let found = tokio::time::timeout(LOOK, look).await;
        found.map_err(|_| Fault::Request("Docker is too slow to show its image".to_owned()))?
    }

    /// Removes mounts that no record knows: their volume was removed while we were killed.
    fn remove_unknown(&self, known: &BTreeMap<String, Arc<Volume>>) -> Result<(), Error> {
        let failed = |e: std::io::Error| Error::system("list", &self.mounts, e);
        for entry in std::fs::read_dir(&self.mounts).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name.to_str().is_none_or(|name| !known.contains_key(name)) {
                drop_mount(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// What a volume holds already is to be masked before its containers' logs are read again, with the
/// server away too.
fn learn(volume_name: &str, volume: &Volume, known: &Known) {
    let holder = Having::Volume(volume_name.to_owned());
    let names = Directory::open(&volume.path).and_then(|directory| directory.names());
    let names = match names {
        Ok(names) => names,
        Err(error) => return tracing::warn!(%error, "values of a volume are not masked in logs"),
    };
    for name in names {
        let path = volume.path.join(name.as_str());
        // The sink's own directories are beside the links to its files.
        if !path.is_file() {
            continue;
        }
        let value = match std::fs::read(path) {
            Ok(value) => Secret::new(value),
            Err(error) => {
                tracing::warn!(%error, "a value of a volume is not masked in logs");
                continue;
            }
        };
        let label = match volume.options.as_ref().map(|options| &options.content) {
            Some(Content::Named(loans)) => {
                let loan = loans
                    .iter()
                    .find(|loan| loan.name.as_str() == name.as_str());
                loan.map(|loan| {
                    let field = loan.reference.field().unwrap_or("value");
                    Label::new(loan.reference.path(), None, field)
                })
            }
            Some(Content::Below(prefix)) => Some(Label::new(
                format!("{}/{name}", prefix.path()),
                None,
                "value",
            )),
            None => None,
        };
        let label = label.unwrap_or_else(|| Label::new(name.as_str(), None, "value"));
        known.learn(&holder, &label, &value);
    }
}

/// Compares a record with what is mounted; whether the record had to change.
fn adopt(name: &str, path: &Path, record: &mut Record) -> Result<bool, Error> {
    if record.is_used() && mount::is_mount_point(path) && holders::has_holder(path) {
        tracing::info!(volume = ?name, "took over a mounted volume");
        return Ok(false);
    }
    drop_mount(path)?;
    let changed = record.is_used();
    record.uses.clear();
    Ok(changed)
}

/// Mounts and fills the tmpfs, or replaces the content of one that is mounted.
fn fill(path: &Path, lent: &[Lent], options: &Options, owner: Ids) -> Result<(), Fault> {
    drop_mount(path)?;
    place::make_own(path, 0o700)?;
    let filled = mount::mount_tmpfs(path, DIRECTORY_MODE).and_then(|()| {
        let directory = Directory::open(path)?;
        let _ = directory.replace(&files(lent, options, owner))?;
        for name in &options.mountpoints {
            directory.put(name, &Secret::new(Vec::new()), Access::default())?;
        }
        mount::set_read_only(path, true)
    });
    if let Err(error) = filled {
        drop_mount(path)?;
        return Err(error.into());
    }
    Ok(())
}

/// The files of what was lent.
fn files<'l>(lent: &'l [Lent], options: &Options, owner: Ids) -> Vec<File<'l>> {
    lent.iter()
        .map(|lent| File {
            name: &lent.name,
            value: &lent.value,
            access: options.access(&lent.name, owner),
        })
        .collect()
}

/// Removes mount and mount point; that they are not there is no error.
fn drop_mount(path: &Path) -> Result<(), Error> {
    if mount::is_mount_point(path) {
        mount::unmount_tmpfs(path)?;
    }
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::system("remove", path, error))
        }
        _ => Ok(()),
    }
}

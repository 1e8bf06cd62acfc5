//! The only place that knows all rooms: store, barrier, seal and engines become a vault.

use crate::cli::Failure;
use crate::config::{Key, Resolved, SealKind, Storage};
use async_trait::async_trait;
use cofferdam_api::places::{self, environment};
use cofferdam_barrier::seal::machine::{MachineSeal, Places};
use cofferdam_barrier::seal::static_key::{NamedKey, StaticSeal};
use cofferdam_barrier::seal::systemd_creds::SystemdCreds;
use cofferdam_barrier::seal::tpm::TpmSeal;
use cofferdam_barrier::seal::{self, Seal};
use cofferdam_barrier::{Barrier, RootKey};
use cofferdam_core::clock::WallClock;
use cofferdam_core::host::Host;
use cofferdam_core::mount::{self, Lifetimes};
use cofferdam_core::{Fault, Info, Parts, SealChoice, Vault};
use cofferdam_engines::seals::{AwsKms, Credentials, TransitSeal};
use cofferdam_store::metered::{Metered, Timings};
use cofferdam_store::{Memory, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Version of Vault's API that clients may expect, with our own behind it.
pub(crate) const VERSION: &str = concat!("1.18.0+cofferdam.", env!("CARGO_PKG_VERSION"));

/// Opens the store and the vault over it; an automatic seal opens at once.
pub(crate) async fn vault(
    resolved: &Resolved,
    host: Arc<dyn Host>,
    timings: Arc<Timings>,
) -> Result<Arc<Vault>, Failure> {
    let (store, storage_type): (Arc<dyn Store>, &str) = match &resolved.storage {
        Storage::Memory => (Arc::new(Memory::default()), "inmem"),
        Storage::Embedded { path } => (Arc::new(embedded(path)?), "embedded"),
    };
    let barrier = Barrier::new(Arc::new(Metered::new(store, timings)));
    let config = barrier.seal_config().await;
    let config =
        config.map_err(|error| Failure::local(format!("cannot read the store: {error}")))?;
    set_lifetimes(resolved);
    let parts = Parts {
        barrier,
        seal: match auto(&resolved.seal, resolved, config.as_ref(), true)? {
            Some(seal) => SealChoice::Auto(seal),
            None => SealChoice::Shamir,
        },
        former: match &resolved.former_seal {
            Some(former) => auto(former, resolved, config.as_ref(), false)?,
            None => None,
        },
        offers: cofferdam_engines::offers(),
        fingerprinter: Arc::new(crate::fingerprinter::Prints),
        host,
        clock: Arc::new(WallClock),
        budget: cofferdam_core::json::Budget::default(),
        info: Info {
            version: VERSION.to_owned(),
            cluster_name: resolved
                .cluster_name
                .clone()
                .unwrap_or_else(|| "cofferdam".to_owned()),
            storage_type: storage_type.to_owned(),
        },
    };
    Vault::open(parts).await.map_err(|fault| unopened(&fault))
}

fn unopened(fault: &Fault) -> Failure {
    let failure = Failure::local(format!("the vault did not open: {}", fault.public()));
    match fault.internal_text() {
        Some(text) => failure.detail(text),
        None => failure,
    }
}

fn embedded(path: &Path) -> Result<cofferdam_store::Embedded, Failure> {
    cofferdam_store::Embedded::open(path, cofferdam_store::embedded::Options::default())
        .map_err(|error| Failure::local(format!("cannot open the store: {error}")))
}

/// The lifetimes that the configuration gives; they belong to the process.
fn set_lifetimes(resolved: &Resolved) {
    let usual = Lifetimes::default();
    let max = resolved.max_lease_ttl.unwrap_or(usual.max);
    let default = resolved.default_lease_ttl.unwrap_or(usual.default).min(max);
    // A process has one server, so nobody was here before.
    let _ = mount::set_system_lifetimes(Lifetimes { default, max });
}

/// A seal that opens by itself; `None`: people do.
fn auto(
    kind: &SealKind,
    resolved: &Resolved,
    config: Option<&seal::Config>,
    wanted: bool,
) -> Result<Option<Arc<dyn Seal>>, Failure> {
    let auto: Arc<dyn Seal> = match (kind, &resolved.storage) {
        (SealKind::Machine { key_file }, Storage::Embedded { path }) => {
            let moves = matches!(resolved.former_seal, Some(SealKind::Machine { .. }));
            let closed = config.is_some_and(|config| config.kind == kind.name());
            let may_make = wanted && (!closed || moves);
            by_machine(path, key_file.as_deref(), config, may_make)?
        }
        (SealKind::Shamir | SealKind::Machine { .. }, _) => return Ok(None),
        (SealKind::Static { current, previous }, _) => {
            let named = |key: &Key| NamedKey::new(&key.id, &key.bytes.0);
            let keys = named(current).and_then(|current| {
                let previous = previous.as_ref().map(named).transpose()?;
                StaticSeal::new(current, previous)
            });
            Arc::new(keys.map_err(|error| Failure::local(error.to_string()))?)
        }
        (SealKind::Transit(transit), _) => Arc::new(TransitSeal {
            address: transit.address.clone(),
            token: transit.token.0.duplicate(),
            mount: transit.mount.clone(),
            key: transit.key.clone(),
            namespace: transit.namespace.clone(),
            authority: transit.authority.clone(),
            server_name: transit.server_name.clone(),
        }),
        (SealKind::AwsKms(kms), _) => Arc::new(AwsKms {
            region: kms.region.clone(),
            key: kms.key.clone(),
            endpoint: kms.endpoint.clone(),
            credentials: Credentials {
                id: kms.id.clone(),
                secret: kms.secret.0.duplicate().into_bytes(),
                session: kms.session.as_ref().map(|token| token.0.duplicate()),
            },
        }),
        (SealKind::Tpm { device, pcrs }, _) => Arc::new(TpmSeal::at(device.clone(), *pcrs)),
        (
            SealKind::SystemdCreds {
                directory,
                credential,
            },
            _,
        ) => Arc::new(SystemdCreds::new(directory.clone(), credential)),
    };
    Ok(Some(auto))
}

fn by_machine(
    data: &Path,
    key_file: Option<&Path>,
    config: Option<&seal::Config>,
    may_make: bool,
) -> Result<Arc<dyn Seal>, Failure> {
    let places = seal_places(data, key_file);
    match machine(&places, may_make) {
        Ok(seal) => Ok(Arc::new(seal)),
        Err(error) if config.is_some_and(|config| config.shares > 0) => {
            Ok(Arc::new(LostKey::new(error)))
        }
        Err(error) => {
            let failure = Failure::local(error.to_string());
            Err(match config {
                Some(_) => failure.hint(format!(
                    "put the key file back from a copy of this machine's: {}",
                    places.key_file.display()
                )),
                None => failure,
            })
        }
    }
}

/// Stands for a machine's seal whose key is gone: the vault starts sealed, and recovery shares open it.
struct LostKey(String);

impl LostKey {
    fn new(error: cofferdam_barrier::Error) -> Self {
        match error {
            cofferdam_barrier::Error::Seal(reason) => Self(reason),
            error => Self(error.to_string()),
        }
    }
}

#[async_trait]
impl Seal for LostKey {
    fn kind(&self) -> &'static str {
        "machine"
    }

    async fn wrap(&self, _: &RootKey) -> Result<Vec<u8>, cofferdam_barrier::Error> {
        Err(cofferdam_barrier::Error::Seal(self.0.clone()))
    }

    async fn unwrap(&self, _: &[u8]) -> Result<RootKey, cofferdam_barrier::Error> {
        Err(cofferdam_barrier::Error::Seal(self.0.clone()))
    }

    fn promise(&self) -> String {
        format!(
            "its key is lost, so only recovery shares open it: {}",
            self.0
        )
    }
}

/// The machine's seal. A key is made only for a store that no such seal closed, or that is moved to
/// another key: a new one could not open what an old one closed.
fn machine(places: &Places, may_make: bool) -> Result<MachineSeal, cofferdam_barrier::Error> {
    if may_make {
        MachineSeal::open_or_create(places)
    } else {
        MachineSeal::open(places)
    }
}

/// What someone with the disk can and cannot do, in one sentence.
pub(crate) fn promise(places: &Places) -> String {
    match MachineSeal::open(places) {
        Ok(seal) => seal.promise(),
        Err(error) => LostKey::new(error).promise(),
    }
}

/// Where the parts of the machine's seal are, for the store in `data`.
pub(crate) fn seal_places(data: &Path, key_file: Option<&Path>) -> Places {
    Places {
        key_file: key_file.map_or_else(|| seal_key(data, &environment), Path::to_owned),
        data: data.to_owned(),
        machine_id: PathBuf::from("/etc/machine-id"),
    }
}

/// Beside configuration, so that a copy of the data directory does not contain it; one for each
/// data directory, named by its path as systemd escapes paths.
fn seal_key(data: &Path, environment: places::Environment<'_>) -> PathBuf {
    let directory = if rustix::process::geteuid().is_root() {
        PathBuf::from("/etc/cofferdam")
    } else {
        let configured = environment("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        let home = || {
            environment("HOME").map_or_else(
                || PathBuf::from("/var/tmp"),
                |home| Path::new(&home).join(".config"),
            )
        };
        configured.unwrap_or_else(home).join("cofferdam")
    };
    let path = data.to_string_lossy();
    let escaped = path
        .trim_matches('/')
        .replace('-', "\\x2d")
        .replace('/', "-");
    directory.join(format!("seal-{escaped}.key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_data_directory_has_its_own_key_outside_of_it() {
        let of = |data: &str| seal_key(Path::new(data), &|_| None);
        assert!(of("/var/lib/cofferdam").ends_with("seal-var-lib-cofferdam.key"));
        assert_ne!(of("/srv/a/b"), of("/srv/a-b"));
    }
}

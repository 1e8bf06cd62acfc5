//! The seal that the files name, and its settings: Vault's and OpenBao's words, in the file or in the
//! environment.

use super::ConfigError;
use super::raw::{Raw, Section, Setting};
use super::resolve::{SealKind, Storage};
use cofferdam_api::places::Environment;
use cofferdam_barrier::seal::{shamir, systemd_creds, tpm};
use cofferdam_secret::Secret;
use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

const SUPPORTED: &str = "this seal is not served here; supported are shamir, machine, static, transit, \
                         awskms, tpm and systemd-creds";

/// Bytes of the longest file that is read as a key: in hex it has 64, with a line's end.
const MOST_KEY_FILE: usize = 4096;

/// What a file holds, wherever links lead; `None` where that is more than a key can be.
fn read_bounded(path: &str) -> std::io::Result<Option<Secret<Vec<u8>>>> {
    // With room to spare: what grows leaves a copy.
    let mut bytes = Secret::new(Vec::with_capacity(2 * MOST_KEY_FILE));
    let file = std::fs::File::open(path)?;
    file.take(MOST_KEY_FILE as u64 + 1)
        .read_to_end(bytes.expose_mut())?;
    Ok(Some(bytes).filter(|bytes| bytes.len() <= MOST_KEY_FILE))
}

/// A setting that is not shown.
pub(crate) struct Hidden<S>(pub(crate) Arc<S>);

impl<S> Clone for Hidden<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for Hidden<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(hidden)")
    }
}

impl<S> PartialEq for Hidden<S> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<S> Eq for Hidden<S> {}

/// A key by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) bytes: Hidden<Secret<Vec<u8>>>,
}

/// `seal "transit"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transit {
    pub(crate) address: String,
    pub(crate) token: Hidden<Secret<String>>,
    pub(crate) mount: String,
    pub(crate) key: String,
    pub(crate) namespace: String,
    /// PEM; empty: the system's CAs.
    pub(crate) authority: String,
    pub(crate) server_name: Option<String>,
}

/// `seal "awskms"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AwsKms {
    pub(crate) region: String,
    pub(crate) key: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) id: String,
    pub(crate) secret: Hidden<Secret<String>>,
    pub(crate) session: Option<Hidden<Secret<String>>>,
}

/// The seal that the files name, and the one that they disable: the store is moved from it to the
/// other.
pub(super) fn seals(
    raw: &Raw,
    storage: &Storage,
    environment: Environment<'_>,
) -> Result<(SealKind, Option<SealKind>), ConfigError> {
    let (mut wanted, mut left) = (None, None);
    for section in &raw.seals {
        let disabled = section.get("disabled");
        let disabled = disabled.map_or(Ok(false), |setting| {
            setting.read(cofferdam_hcl::Value::boolean)
        })?;
        let (place, twice) = if disabled {
            (
                &mut left,
                "there is a second disabled seal block: a store is moved away from one",
            )
        } else {
            (
                &mut wanted,
                "there is a second seal block; keep one. To move the store from one to the other, write \
                 disabled = \"true\" into the one it leaves",
            )
        };
        let seal = seal(section, storage, environment)?;
        if disabled && seal == SealKind::Shamir {
            return Err(ConfigError::refused(
                &section.place,
                "seal \"shamir\" cannot be disabled; leave it out. To move the store away from it, name \
                 the new seal, and then: cofferdam operator unseal -migrate",
            ));
        }
        if place.replace(seal).is_some() {
            return Err(ConfigError::refused(&section.place, twice));
        }
    }
    Ok((wanted.unwrap_or(SealKind::Shamir), left))
}

fn seal(
    section: &Section,
    storage: &Storage,
    environment: Environment<'_>,
) -> Result<SealKind, ConfigError> {
    let settings = Settings {
        section,
        environment,
    };
    match section.kind.as_str() {
        "shamir" => Ok(SealKind::Shamir),
        "machine" => {
            if matches!(storage, Storage::Memory) {
                return Err(settings.refused("needs a store that outlives the server"));
            }
            let key_file = settings.written("key_file")?.map(PathBuf::from);
            Ok(SealKind::Machine { key_file })
        }
        "static" => settings.static_keys(),
        "transit" => settings.transit(),
        "awskms" => settings.aws_kms(),
        "tpm" => settings.tpm(),
        "systemd-creds" => settings.systemd_creds(),
        _ => Err(ConfigError::refused(&section.place, SUPPORTED)),
    }
}

struct Settings<'a> {
    section: &'a Section,
    environment: Environment<'a>,
}

impl Settings<'_> {
    fn refused(&self, what: impl fmt::Display) -> ConfigError {
        let kind = &self.section.kind;
        ConfigError::refused(&self.section.place, format!("seal \"{kind}\" {what}"))
    }

    /// What stands in the file.
    fn written(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let read = |setting: &Setting| Ok(setting.read(cofferdam_hcl::Value::string)?.to_owned());
        self.section.get(name).map(read).transpose()
    }

    /// What stands in the file, else in the first of these variables.
    fn text(&self, name: &str, variables: &[&str]) -> Result<Option<String>, ConfigError> {
        let written = self.written(name)?;
        let given = || variables.iter().find_map(|name| (self.environment)(name));
        Ok(written.or_else(given).filter(|text| !text.is_empty()))
    }

    fn needed(&self, name: &str, variables: &[&str]) -> Result<String, ConfigError> {
        self.text(name, variables)?.ok_or_else(|| {
            let or = variables
                .first()
                .map(|name| format!(" (or {name} in the environment)"));
            self.refused(format_args!("needs {name}{}", or.unwrap_or_default()))
        })
    }

    fn hidden(
        &self,
        name: &str,
        variables: &[&str],
    ) -> Result<Hidden<Secret<String>>, ConfigError> {
        let text = self.needed(name, variables)?;
        Ok(Hidden(Arc::new(Secret::new(text))))
    }

    fn static_keys(&self) -> Result<SealKind, ConfigError> {
        let of = |when: &str| -> Result<Option<Key>, ConfigError> {
            let (id, key) = (format!("{when}_key_id"), format!("{when}_key"));
            let Some(text) = self.text(&key, &[])? else {
                return Ok(None);
            };
            let bytes = self.key(&key, &Secret::new(text))?;
            Ok(Some(Key {
                id: self.needed(&id, &[])?,
                bytes: Hidden(Arc::new(bytes)),
            }))
        };
        let current = of("current")?.ok_or_else(|| self.refused("needs current_key"))?;
        Ok(SealKind::Static {
            current,
            previous: of("previous")?,
        })
    }

    /// A key as it is given: 32 bytes in base64 or hex, or `file://` or `env://` with where it is. A
    /// file may hold the bytes as they are, too.
    fn key(&self, name: &str, text: &Secret<String>) -> Result<Secret<Vec<u8>>, ConfigError> {
        let unread = |what: &str| self.refused(format_args!("cannot read {name}: {what}"));
        let given = text.expose();
        let text = if let Some(path) = given.strip_prefix("file://") {
            let read = read_bounded(path).map_err(|error| unread(&error.to_string()))?;
            let read = read.ok_or_else(|| unread("it is too large to be a key"))?;
            if read.len() == 32 {
                return Ok(read);
            }
            read.into_text()
        } else if let Some(variable) = given.strip_prefix("env://") {
            let value = (self.environment)(variable).ok_or_else(|| unread("no such variable"))?;
            Some(Secret::new(value))
        } else {
            Some(text.duplicate())
        };
        let key = text.and_then(|text| shamir::decode(&text).ok());
        key.filter(|key| key.len() == 32)
            .ok_or_else(|| unread("expected 32 bytes in base64 or hex"))
    }

    fn transit(&self) -> Result<SealKind, ConfigError> {
        let authority = match self.written("tls_ca_cert")? {
            Some(path) => std::fs::read_to_string(&path).map_err(|source| ConfigError::Read {
                path: PathBuf::from(path),
                source,
            })?,
            None => String::new(),
        };
        Ok(SealKind::Transit(Transit {
            address: self.needed("address", &["BAO_ADDR", "VAULT_ADDR"])?,
            token: self.hidden("token", &["BAO_TOKEN", "VAULT_TOKEN"])?,
            mount: self.needed(
                "mount_path",
                &[
                    "BAO_TRANSIT_SEAL_MOUNT_PATH",
                    "VAULT_TRANSIT_SEAL_MOUNT_PATH",
                ],
            )?,
            key: self.needed(
                "key_name",
                &["BAO_TRANSIT_SEAL_KEY_NAME", "VAULT_TRANSIT_SEAL_KEY_NAME"],
            )?,
            namespace: self
                .text("namespace", &["BAO_NAMESPACE", "VAULT_NAMESPACE"])?
                .unwrap_or_default(),
            authority,
            server_name: self.text("tls_server_name", &["VAULT_TLS_SERVER_NAME"])?,
        }))
    }

    fn tpm(&self) -> Result<SealKind, ConfigError> {
        let device = self.text("device", &["COFFERDAM_TPM_SEAL_DEVICE"])?;
        let device = PathBuf::from(device.as_deref().unwrap_or(tpm::DEVICE));
        if !device.is_absolute() {
            return Err(self.refused("needs a device by its whole path, such as /dev/tpmrm0"));
        }
        let pcrs = self.text("pcrs", &["COFFERDAM_TPM_SEAL_PCRS"])?;
        let pcrs = tpm::Pcrs::parse(&pcrs.unwrap_or_default())
            .ok_or_else(|| self.refused("has pcrs that are no list of 0 to 23, such as \"0,7\""))?;
        Ok(SealKind::Tpm { device, pcrs })
    }

    fn systemd_creds(&self) -> Result<SealKind, ConfigError> {
        let given = self.text("credential", &["COFFERDAM_SYSTEMD_CREDS_SEAL_CREDENTIAL"])?;
        let credential = given.unwrap_or_else(|| systemd_creds::NAME.to_owned());
        if !systemd_creds::is_name(&credential) {
            return Err(self.refused(
                "has a credential whose name is none: letters, digits, dots, dashes and underscores",
            ));
        }
        let directory = (self.environment)("CREDENTIALS_DIRECTORY");
        Ok(SealKind::SystemdCreds {
            directory: directory.map(PathBuf::from),
            credential,
        })
    }

    fn aws_kms(&self) -> Result<SealKind, ConfigError> {
        let session = self.text("session_token", &["AWS_SESSION_TOKEN"])?;
        let region = self.needed("region", &["AWS_REGION", "AWS_DEFAULT_REGION"])?;
        // It becomes part of a host's name.
        if !region
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(self.refused("has a region that is none"));
        }
        Ok(SealKind::AwsKms(AwsKms {
            region,
            key: self.needed(
                "kms_key_id",
                &["BAO_AWSKMS_SEAL_KEY_ID", "VAULT_AWSKMS_SEAL_KEY_ID"],
            )?,
            endpoint: self.text("endpoint", &["AWS_KMS_ENDPOINT"])?,
            id: self.needed("access_key", &["AWS_ACCESS_KEY_ID"])?,
            secret: self.hidden("secret_key", &["AWS_SECRET_ACCESS_KEY"])?,
            session: session.map(|text| Hidden(Arc::new(Secret::new(text)))),
        }))
    }
}

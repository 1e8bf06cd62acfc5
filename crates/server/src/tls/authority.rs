//! A CA of our own, made once, so that TLS works from the first second and clients have one thing to
//! pin: `ca.pem`.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// How long a CA lasts. It is pinned by clients, so it outlives the hosts it is made on.
const AUTHORITY_LIFE: Duration = Duration::days(3650);

/// How long a server certificate lasts; a new one is made at each start and every day.
const SERVER_LIFE: Duration = Duration::days(90);

/// Clocks of hosts differ a little.
const CLOCK_SKEW: Duration = Duration::hours(1);

/// A CA that cannot be made or used. Names files, never their content.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file or the directory.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The directory is a symbolic link, or others may write to it.
    #[error("not a directory that only root or this user can change: {0}")]
    Directory(PathBuf),
    /// The key can be read by others: whoever did could pretend to be this server.
    #[error("the CA key can be read by others: {0}")]
    Exposed(PathBuf),
    /// The key is no key.
    #[error("no usable CA key in: {0}")]
    Key(PathBuf),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(rcgen::Error),
    /// A name that cannot stand in a certificate.
    #[error("not a name for a certificate: {0}")]
    Name(String),
}

/// A CA. Its key is in memory and in `ca-key.pem`.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    path: PathBuf,
}

impl Authority {
    /// Opens the CA in `directory`, or makes one: `ca.pem` (0644) and `ca-key.pem` (0600).
    ///
    /// # Errors
    /// When the files cannot be used, or are there and not safe.
    pub fn open(directory: &Path, now: OffsetDateTime) -> Result<Self, AuthorityError> {
        prepare(directory)?;
        let (certificate, key) = (directory.join("ca.pem"), directory.join("ca-key.pem"));
        if exists(&key)? {
            let issuer = load(&key)?;
            if !exists(&certificate)? {
                write(
                    &certificate,
                    0o644,
                    authority(issuer.key(), now)?.as_bytes(),
                )?;
            }
            return Ok(Self {
                issuer,
                path: certificate,
            });
        }
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Make)?;
        let pem = authority(&pair, now)?;
        // The key first: a certificate without its key would be pinned and never be served.
        write(&key, 0o600, Zeroizing::new(pair.serialize_pem()).as_bytes())?;
        write(&certificate, 0o644, pem.as_bytes())?;
        Ok(Self {
            issuer: Issuer::new(parameters(&pair, now)?, pair),
            path: certificate,
        })
    }

    /// The certificate that clients pin.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.path
    }

    pub(super) fn issue(
        &self,
        names: &[String],
        now: OffsetDateTime,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), AuthorityError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Make)?;
        let mut server = CertificateParams::default();
        for name in names {
            server.subject_alt_names.push(subject(name)?);
        }
        server.distinguished_name = named("cofferdam server");
        server.not_before = now - CLOCK_SKEW;
        server.not_after = now + SERVER_LIFE;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let certificate = server
            .signed_by(&pair, &self.issuer)
            .map_err(AuthorityError::Make)?;
        let key = PrivatePkcs8KeyDer::from(pair.serialize_der());
        Ok((vec![certificate.der().clone()], PrivateKeyDer::from(key)))
    }
}

/// An address or a DNS name.
fn subject(name: &str) -> Result<SanType, AuthorityError> {
    if let Ok(address) = name.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*');
    if name.is_empty() || name.len() > 253 || !name.chars().all(legal) {
        return Err(AuthorityError::Name(name.escape_debug().take(80).collect()));
    }
    name.try_into()
        .map(SanType::DnsName)
        .map_err(AuthorityError::Make)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// The CA's own certificate. Its name is derived from its key, so that two CAs never share one.
fn parameters(pair: &KeyPair, now: OffsetDateTime) -> Result<CertificateParams, AuthorityError> {
    let mut parameters = CertificateParams::new(Vec::new()).map_err(AuthorityError::Make)?;
    let identity: String = parameters
        .key_identifier(pair)
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    parameters.distinguished_name = named(&format!("cofferdam CA {identity}"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.not_before = now - CLOCK_SKEW;
    parameters.not_after = now + AUTHORITY_LIFE;
    Ok(parameters)
}

fn authority(pair: &KeyPair, now: OffsetDateTime) -> Result<String, AuthorityError> {
    Ok(parameters(pair, now)?
        .self_signed(pair)
        .map_err(AuthorityError::Make)?
        .pem())
}

fn load(key: &Path) -> Result<Issuer<'static, KeyPair>, AuthorityError> {
    let failed = |source| AuthorityError::File {
        path: key.to_owned(),
        source,
    };
    let found = std::fs::symlink_metadata(key).map_err(failed)?;
    if !found.is_file() || found.mode() & 0o077 != 0 {
        return Err(AuthorityError::Exposed(key.to_owned()));
    }
    let pem = Zeroizing::new(std::fs::read_to_string(key).map_err(failed)?);
    let pair = KeyPair::from_pem(&pem).map_err(|_| AuthorityError::Key(key.to_owned()))?;
    // Only the name and the key of these parameters end in what is issued.
    Ok(Issuer::new(
        parameters(&pair, OffsetDateTime::UNIX_EPOCH + AUTHORITY_LIFE)?,
        pair,
    ))
}

fn prepare(directory: &Path) -> Result<(), AuthorityError> {
    let failed = |source| AuthorityError::File {
        path: directory.to_owned(),
        source,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed)?;
    let found = std::fs::symlink_metadata(directory).map_err(failed)?;
    let owner = rustix::process::geteuid().as_raw();
    if !found.is_dir() || (found.uid() != owner && found.uid() != 0) || found.mode() & 0o022 != 0 {
        return Err(AuthorityError::Directory(directory.to_owned()));
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool, AuthorityError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(AuthorityError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes beside, then renames: a reader sees the whole file or none, with its mode from the start.
fn write(path: &Path, mode: u32, content: &[u8]) -> Result<(), AuthorityError> {
    let failed = |source| AuthorityError::File {
        path: path.to_owned(),
        source,
    };
    let staged = path.with_extension("pem.new");
    let _ = std::fs::remove_file(&staged);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staged)
        .map_err(failed)?;
    file.write_all(content)
        .and_then(|()| file.set_permissions(PermissionsExt::from_mode(mode)))
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    std::fs::rename(&staged, path).map_err(failed)
}

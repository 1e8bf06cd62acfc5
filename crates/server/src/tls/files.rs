//! PEM files.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A PEM file that cannot be used. Names the file, never its content.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There is no certificate in it.
    #[error("no PEM certificate in: {0}")]
    NoCertificate(PathBuf),
    /// There is no private key in it, or one with a passphrase.
    #[error("no unencrypted PEM private key in: {0}")]
    NoKey(PathBuf),
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let text = read(path)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    parsed
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| FileError::NoCertificate(path.to_owned()))
}

pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| FileError::NoKey(path.to_owned()))
}

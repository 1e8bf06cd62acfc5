//! What SIGHUP does: files are read again that may have changed while the server runs.
//!
//! Certificates and keys of listeners, the level of the log, the log's own file, and audit devices
//! that could not be opened before (an audit file that was moved is followed with every batch of
//! records anyway). What is wrong with one of them is said, and leaves the others and the old one in
//! force: a signal never stops a server that serves. Addresses, storage and seal need a restart.

use super::Reread;
use super::certificates::Filed;
use super::log::{self, Levels};
use cofferdam_core::Vault;
use std::sync::Arc;

/// What can be read again.
pub(super) struct Reload {
    levels: Arc<Levels>,
    certificates: Vec<Filed>,
    vault: Arc<Vault>,
    reread: Option<Reread>,
}

impl Reload {
    pub(super) const fn new(
        levels: Arc<Levels>,
        certificates: Vec<Filed>,
        vault: Arc<Vault>,
        reread: Option<Reread>,
    ) -> Self {
        Self {
            levels,
            certificates,
            vault,
            reread,
        }
    }

    pub(super) async fn run(&self) {
        log::reopen();
        match self.reread.as_ref().map(|reread| reread()) {
            Some(Ok(log)) => self.levels.configure(log::level(&log)),
            Some(Err(problem)) => {
                tracing::error!("the configuration was not read again: {problem}");
            }
            None => {}
        }
        for filed in &self.certificates {
            if let Err(error) = filed.context.reload(&filed.certificate, &filed.key) {
                tracing::error!("the TLS certificate was not read again: {error}");
            }
        }
        self.vault.reopen_audit().await;
        tracing::info!("read again: certificates, log level, log file, audit devices");
    }
}

//! What stands between redb and the file.
//!
//! In a server, nothing but the file. Tests put a layer in between that fails like a disk does.

use redb::StorageBackend;
use redb::backends::FileBackend;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

/// A change to the file that is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Write,
    Grow,
    Sync,
}

/// Decides before each act whether it fails; for tests.
#[derive(Clone, Default)]
pub(super) struct Layer(Option<Arc<dyn Fn(Act) -> io::Result<()> + Send + Sync>>);

impl Layer {
    #[cfg(test)]
    pub(super) fn new(decide: impl Fn(Act) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(decide)))
    }

    fn before(&self, act: Act) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |decide| decide(act))
    }
}

/// The file as redb sees it.
pub(super) struct Disk {
    file: FileBackend,
    layer: Layer,
}

impl Disk {
    pub(super) fn new(file: File, layer: Layer) -> Result<Self, redb::DatabaseError> {
        Ok(Self {
            file: FileBackend::new(file)?,
            layer,
        })
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.layer.before(Act::Grow)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.layer.before(Act::Sync)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.layer.before(Act::Write)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, redb::BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, redb::BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), redb::BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<(), redb::BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), redb::BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, redb::BackendError> {
        self.file.query_lock_range(start, end)
    }
}

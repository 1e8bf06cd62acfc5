//! Files put into a directory that somebody else made, taken away again at the end.

use super::{Access, Directory, Error};
use crate::FileName;
use cofferdam_secret::Secret;
use std::path::Path;

/// A directory in memory with our files among others. Only ours are removed on drop; when we are
/// killed they stay, because nothing says whose they were.
#[derive(Debug)]
pub struct Guest {
    directory: Directory,
    put: Vec<FileName>,
}

impl Guest {
    /// Opens the directory, see [`Directory::open`].
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            directory: Directory::open(path)?,
            put: Vec::new(),
        })
    }

    /// Puts a file that was not there before.
    ///
    /// # Errors
    /// [`Error::Exists`] when it was.
    pub fn put(
        &mut self,
        name: &FileName,
        value: &Secret<Vec<u8>>,
        access: Access,
    ) -> Result<(), Error> {
        if self
            .directory
            .names()?
            .iter()
            .any(|there| there == name.as_str())
        {
            return Err(Error::Exists {
                path: self.directory.path_of(name),
            });
        }
        self.directory.put(name, value, access)?;
        self.put.push(name.clone());
        Ok(())
    }

    /// The directory.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        for name in &self.put {
            if let Err(error) = self.directory.remove(name) {
                tracing::warn!(%error, "a delivered file could not be removed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_leaves_as_it_found() {
        let place = tempfile::tempdir_in("/dev/shm").unwrap();
        std::fs::write(place.path().join("theirs"), "x").unwrap();
        let mut guest = Guest::open(place.path()).unwrap();
        let value = Secret::new(b"v".to_vec());
        guest
            .put(&"ours".parse().unwrap(), &value, Access::default())
            .unwrap();
        let refused = guest.put(&"theirs".parse().unwrap(), &value, Access::default());
        assert!(matches!(refused, Err(Error::Exists { .. })));
        drop(guest);
        let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(std::fs::read(place.path().join("theirs")).unwrap(), b"x");
    }
}

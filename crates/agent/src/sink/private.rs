//! A mount namespace of our own: what is mounted here nobody outside sees, and the kernel removes
//! it with the last process inside, however that one ends.

use super::Error;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::UnshareFlags;
use std::path::Path;

/// Moves the calling thread, and the children it starts from now on, into a new mount namespace.
///
/// Mounts of the host still come in; none of ours go out.
///
/// # Errors
/// [`Error::System`]: only root may.
pub fn enter() -> Result<(), Error> {
    let root = Path::new("/");
    #[expect(
        deprecated,
        reason = "deprecated for CLONE_FILES, which can pull descriptors from under other threads; a mount namespace cannot"
    )]
    rustix::thread::unshare(UnshareFlags::NEWNS)
        .map_err(|e| Error::system("make a private mount namespace of", root, e))?;
    let receive_only = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change(root, receive_only).map_err(|e| Error::system("make private", root, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Place;
    use crate::sink::rooted::is_inside;
    use std::sync::Barrier;

    #[test]
    fn a_tmpfs_in_a_private_namespace_is_invisible_outside() {
        if !is_inside("sink::private::tests::a_tmpfs_in_a_private_namespace_is_invisible_outside") {
            return;
        }
        let base = tempfile::tempdir_in("/var/tmp").unwrap();
        let (ready, checked) = (Barrier::new(2), Barrier::new(2));
        let device = |path: &Path| rustix::fs::stat(path).unwrap().st_dev;
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                enter().unwrap();
                let place = Place::create(base.path(), 0o700, true).unwrap();
                let seen = device(place.directory().unwrap().path());
                ready.wait();
                checked.wait();
                seen
            });
            ready.wait();
            let locked = std::fs::read_dir(base.path())
                .unwrap()
                .next()
                .unwrap()
                .unwrap();
            let outside = device(&locked.path().join("secrets"));
            checked.wait();
            assert_eq!(
                outside,
                device(base.path()),
                "the empty directory below the mount"
            );
            assert_ne!(inside.join().unwrap(), outside);
        });
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }
}

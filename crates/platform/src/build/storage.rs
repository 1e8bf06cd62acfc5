//! podman and buildah copy build secrets below their storage directory: this hides that place behind
//! a tmpfs for as long as the build runs.
//!
//! buildah writes a secret to `GRAPHROOT/DRIVER-containers/ID/userdata/secrets` of the working
//! container and binds it from there (`facts/docker.md` 8), so on a usual machine it reaches the disk.
//! Moving the whole storage to memory would lose the image, so only the directory of working
//! containers is covered, in a mount namespace of the build alone: layers and images stay where they
//! are, other podman processes see nothing of it, and the kernel drops it with the build's last
//! process. Containers that exist already cannot be seen from inside, which no build needs.

use super::{BuildCommand, Builder};
use cofferdam_agent::sink::{Error, mount, place, private};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The command that tells where working containers are kept.
#[must_use]
pub fn question(build: &BuildCommand) -> Vec<OsString> {
    match build.builder {
        Builder::Podman => build.ask(&["info", "--format", "json"]),
        _ => build.ask(&["info"]),
    }
}

/// The directory of working containers, from the answer.
#[must_use]
pub fn containers(answer: &[u8]) -> Option<PathBuf> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let store = answer.get("store")?.as_object()?;
    // podman says graphRoot, buildah GraphRoot.
    let text = |name: &str| {
        let found = store.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| value.as_str())
    };
    let (root, driver) = (text("graphRoot")?, text("graphDriverName")?);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let usable = Path::new(root).is_absolute() && !driver.is_empty() && driver.chars().all(plain);
    usable.then(|| Path::new(root).join(format!("{driver}-containers")))
}

/// Moves the calling thread, and the build that it starts, to where `directory` is a tmpfs.
///
/// # Errors
/// Without the right to mount: only root has it.
pub fn hide(directory: &Path) -> Result<(), Error> {
    if let Some(above) = directory.parent() {
        std::fs::create_dir_all(above).map_err(|source| Error::System {
            action: "create",
            path: above.to_owned(),
            source,
        })?;
    }
    if !directory.exists() {
        place::make_own(directory, 0o700)?;
    }
    private::enter()?;
    mount::mount_tmpfs(directory, 0o700)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_working_containers_is_found() {
        let podman =
            br#"{"store":{"graphRoot":"/var/lib/containers/storage","graphDriverName":"overlay"}}"#;
        let buildah = br#"{"host":{},"store":{"GraphDriverName":"vfs","GraphRoot":"/x"}}"#;
        assert_eq!(
            containers(podman).unwrap(),
            Path::new("/var/lib/containers/storage/overlay-containers")
        );
        assert_eq!(containers(buildah).unwrap(), Path::new("/x/vfs-containers"));
        for bad in [
            "",
            "{}",
            r#"{"store":{"graphRoot":"x","graphDriverName":"vfs"}}"#,
            r#"{"store":{"graphRoot":"/x","graphDriverName":"../y"}}"#,
        ] {
            assert_eq!(containers(bad.as_bytes()), None, "{bad}");
        }
    }
}

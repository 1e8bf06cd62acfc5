//! Taking an installation away: exactly what was made, and only if it is still that.

use super::manifest::{Manifest, Standing};
use super::{Error, Layout};
use cofferdam_platform::docker::daemon::{CONFIG, config};
use std::io;
use std::path::{Path, PathBuf};

/// What was done, or would be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) gone: Vec<PathBuf>,
    /// What stood there before the installation and is back.
    pub(crate) back: Vec<PathBuf>,
    /// Directories of ours that hold something else now.
    pub(crate) left: Vec<PathBuf>,
}

/// Removes what the manifest names. With `dry_run` nothing is touched.
pub(crate) fn uninstall(layout: &Layout, force: bool, dry_run: bool) -> Result<Removed, Error> {
    let manifest = Manifest::read(layout)?;
    let manifest = manifest.ok_or_else(|| Error::Absent(layout.real(&layout.prefix)))?;
    require_unasked(layout)?;
    if !force {
        require_disabled(layout)?;
        let mut changed = Vec::new();
        for entry in &manifest.entries {
            let real = layout.real(&entry.path);
            if entry.kind.standing(&real)? == Standing::Other {
                changed.push(real);
            }
        }
        if !changed.is_empty() {
            return Err(Error::Changed(changed));
        }
    }
    take_away(layout, &manifest, dry_run)
}

/// Everything that the manifest names, unconditionally.
pub(super) fn take_away(
    layout: &Layout,
    manifest: &Manifest,
    dry_run: bool,
) -> Result<Removed, Error> {
    let mut removed = Removed::default();
    for entry in &manifest.entries {
        let real = layout.real(&entry.path);
        match entry.kind.standing(&real)? {
            Standing::Absent => {}
            Standing::Ours | Standing::Other => {
                if !dry_run {
                    std::fs::remove_file(&real).map_err(Error::system("remove", real))?;
                }
                removed.gone.push(entry.path.clone());
            }
        }
        if let Some(kept) = &entry.kept {
            put_back(layout, kept, &entry.path, dry_run)?;
            removed.back.push(entry.path.clone());
        }
    }
    let manifest_file = layout.real(&layout.manifest());
    if !dry_run {
        // Last but for the directories: until here a second try knows what is left.
        std::fs::remove_file(&manifest_file).map_err(Error::system("remove", manifest_file))?;
    }
    removed.gone.push(layout.manifest());
    for directory in manifest.directories.iter().rev() {
        if dry_run {
            continue;
        }
        match std::fs::remove_dir(layout.real(directory)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => removed.left.push(directory.clone()),
        }
    }
    Ok(removed)
}

fn put_back(layout: &Layout, kept: &Path, path: &Path, dry_run: bool) -> Result<(), Error> {
    let (from, to) = (layout.real(kept), layout.real(path));
    if dry_run || !from.exists() {
        return Ok(());
    }
    std::fs::rename(&from, &to).map_err(Error::system("put back", from))
}

/// dockerd would refuse every request without its guard; nobody can mean that, not even by force.
fn require_unasked(layout: &Layout) -> Result<(), Error> {
    let file = layout.real(Path::new(CONFIG));
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let asked = config::plugins(&text).unwrap_or_default();
    if asked.iter().any(|name| name == "cofferdam-guard") {
        return Err(Error::Asked(file));
    }
    Ok(())
}

/// systemd would start what is not there.
fn require_disabled(layout: &Layout) -> Result<(), Error> {
    let enabled = enabled(&layout.real(Path::new("/etc/systemd/system")));
    if enabled.is_empty() {
        Ok(())
    } else {
        Err(Error::Enabled(enabled))
    }
}

/// Links that `systemctl enable` has made to our units.
fn enabled(directory: &Path) -> Vec<PathBuf> {
    let list = |path: &Path| {
        let found = std::fs::read_dir(path).into_iter().flatten().flatten();
        found.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let wants = list(directory).into_iter().filter(|path| {
        let end = path.extension().and_then(|end| end.to_str());
        matches!(end, Some("wants" | "requires"))
    });
    let links = wants.flat_map(|wants| list(&wants));
    let mut ours: Vec<_> = links
        .filter(|path| {
            let name = path.file_name().map(|name| name.as_encoded_bytes());
            name.is_some_and(|name| name.starts_with(b"cofferdam"))
        })
        .collect();
    ours.sort();
    ours
}

/// The directories with data, which stay unless somebody says otherwise.
pub(crate) fn data(layout: &Layout) -> Vec<PathBuf> {
    ["/var/lib/cofferdam", "/etc/cofferdam", "/run/cofferdam"]
        .into_iter()
        .map(|path| layout.real(Path::new(path)))
        .filter(|path| path.exists())
        .collect()
}

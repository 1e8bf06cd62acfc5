//! Making what belongs to an installation: all of it, or nothing.

use super::layout::{Item, What};
use super::manifest::{Entry, Kind, Manifest, Standing, digest};
use super::{Error, Layout, Text, remove};
use crate::files;
use std::io;
use std::path::{Path, PathBuf};

/// What was done, or would be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) made: Vec<PathBuf>,
    pub(crate) unchanged: Vec<PathBuf>,
    /// What stood in the way, and where it is now.
    pub(crate) kept: Vec<(PathBuf, PathBuf)>,
}

/// Installs this binary. With `dry_run` nothing is written.
pub(crate) fn install(
    layout: &Layout,
    binary: Vec<u8>,
    texts: Vec<Text>,
    units: bool,
    force: bool,
    dry_run: bool,
) -> Result<Installed, Error> {
    let items = layout.items(binary, texts, units);
    let before = Manifest::read(layout)?;
    let known = before.clone().unwrap_or_default();
    let mut done = Installed::default();
    let mut foreign = Vec::new();
    let mut changed = Vec::new();
    let mut entries = Vec::new();
    for item in &items {
        let real = layout.real(&item.path);
        let wanted = wanted(item);
        let mut kept = known.entry(&item.path).and_then(|entry| entry.kept.clone());
        let now = wanted.standing(&real)?;
        let was = known.entry(&item.path);
        match now {
            Standing::Ours => done.unchanged.push(item.path.clone()),
            Standing::Absent => done.made.push(item.path.clone()),
            Standing::Other => {
                let replaces_ours = match was {
                    Some(entry) => entry.kind.standing(&real)? == Standing::Ours,
                    None => false,
                };
                if !replaces_ours && !force {
                    let list = if was.is_some() {
                        &mut changed
                    } else {
                        &mut foreign
                    };
                    list.push(real.clone());
                    continue;
                }
                if !replaces_ours && kept.is_none() {
                    let place = beside(&item.path);
                    done.kept.push((item.path.clone(), place.clone()));
                    kept = Some(place);
                }
                done.made.push(item.path.clone());
            }
        }
        let kind = during(wanted, was);
        entries.push(Entry {
            path: item.path.clone(),
            kind,
            kept,
        });
    }
    if !foreign.is_empty() {
        return Err(Error::Foreign(foreign));
    }
    if !changed.is_empty() {
        return Err(Error::Changed(changed));
    }
    if dry_run {
        return Ok(done);
    }
    // What an older version made and this one does not.
    let gone: Vec<Entry> = known
        .entries
        .iter()
        .filter(|entry| items.iter().all(|item| item.path != entry.path))
        .cloned()
        .collect();
    entries.extend(gone.iter().cloned());
    let mut manifest = Manifest::new(env!("CARGO_PKG_VERSION"));
    manifest.entries = entries;
    manifest.directories = directories(layout, &items, known.directories);
    let made = make(layout, &items, &done, &gone, manifest);
    if made.is_err() && before.is_none() {
        // Everything with our digest is ours, so this takes away exactly what was made.
        if let Ok(Some(manifest)) = Manifest::read(layout) {
            let _ = remove::take_away(layout, &manifest, false);
        }
    }
    made.map(|()| done)
}

fn make(
    layout: &Layout,
    items: &[Item],
    plan: &Installed,
    gone: &[Entry],
    mut manifest: Manifest,
) -> Result<(), Error> {
    let share = layout.real(&layout.manifest());
    let share = share.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(share).map_err(Error::system("create", share))?;
    manifest.write(layout)?;
    for directory in &manifest.directories {
        let real = layout.real(directory);
        std::fs::create_dir_all(&real).map_err(Error::system("create", real))?;
    }
    for (path, place) in &plan.kept {
        let (from, to) = (layout.real(path), layout.real(place));
        std::fs::rename(&from, &to).map_err(Error::system("move away", from))?;
    }
    for item in items.iter().filter(|item| plan.made.contains(&item.path)) {
        let real = layout.real(&item.path);
        put(&real, &item.what).map_err(Error::system("write", real))?;
    }
    for entry in gone {
        let real = layout.real(&entry.path);
        if entry.kind.standing(&real)? == Standing::Ours {
            std::fs::remove_file(&real).map_err(Error::system("remove", real))?;
        }
        manifest.entries.retain(|other| other.path != entry.path);
    }
    // Only the new digests from now on.
    for item in items {
        let entry = manifest
            .entries
            .iter_mut()
            .find(|entry| entry.path == item.path);
        if let Some(entry) = entry {
            entry.kind = wanted(item);
        }
    }
    manifest.write(layout)
}

fn put(real: &Path, what: &What) -> io::Result<()> {
    match what {
        What::File { content, mode } => files::replace(real, *mode, content),
        What::Link { target } => {
            let mut staged = real.to_owned().into_os_string();
            staged.push(format!(".{}", std::process::id()));
            let staged = PathBuf::from(staged);
            let _ = std::fs::remove_file(&staged);
            std::os::unix::fs::symlink(target, &staged)?;
            std::fs::rename(&staged, real)
        }
    }
}

fn wanted(item: &Item) -> Kind {
    match &item.what {
        What::File { content, .. } => Kind::File {
            sha256: vec![digest(content)],
        },
        What::Link { target } => Kind::Link {
            target: target.clone(),
        },
    }
}

/// While a file is replaced, the old one is ours as well.
fn during(wanted: Kind, was: Option<&Entry>) -> Kind {
    match (wanted, was.map(|entry| &entry.kind)) {
        (Kind::File { mut sha256 }, Some(Kind::File { sha256: old })) => {
            sha256.extend(
                old.iter()
                    .filter(|old| !sha256.contains(old))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
            Kind::File { sha256 }
        }
        (wanted, _) => wanted,
    }
}

/// The directories that will be made, outermost first, with those that were made before.
fn directories(layout: &Layout, items: &[Item], known: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut all = known;
    let manifest = layout.manifest();
    let paths = items
        .iter()
        .map(|item| item.path.as_path())
        .chain([manifest.as_path()]);
    for path in paths {
        let above: Vec<_> = path.ancestors().skip(1).collect();
        for directory in above.into_iter().rev() {
            let is_new = !layout.real(directory).exists();
            if is_new && !all.iter().any(|known| known == directory) {
                all.push(directory.to_owned());
            }
        }
    }
    all.sort();
    all
}

/// Where something that stood in the way is kept.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(".before-cofferdam");
    name.into()
}

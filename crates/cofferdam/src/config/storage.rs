//! Where secrets are kept.

use super::keys::FOREIGN_STORAGE;
use super::raw::{Raw, Section};
use super::resolve::Storage;
use super::{ConfigError, Warning};
use std::path::{Path, PathBuf};

const SUPPORTED: &str =
    "supported are embedded, file and raft (both kept in the embedded store) and inmem";

/// Files that a data directory of ours may hold before its store is made.
const OURS: [&str; 6] = [
    "tls",
    "docker",
    "audit.log",
    "server.log",
    "server.pid",
    "plugin.log",
];

/// The store that the files name.
pub(super) fn storage(raw: &Raw, warnings: &mut Vec<Warning>) -> Result<Storage, ConfigError> {
    let Some(section) = &raw.storage else {
        return Err(ConfigError::Incomplete(
            "no storage in the configuration: add  storage \"embedded\" { path = \"/var/lib/cofferdam\" }".to_owned(),
        ));
    };
    let mut warn = |text: &str| {
        warnings.push(Warning {
            place: section.place.clone(),
            text: text.to_owned(),
        })
    };
    match section.kind.as_str() {
        "inmem" | "inmem_ha" | "inmem_transactional" => {
            warn(
                "storage \"inmem\" keeps everything in memory: all secrets are gone when the server stops",
            );
            Ok(Storage::Memory)
        }
        "embedded" => Ok(Storage::Embedded {
            path: path(section)?,
        }),
        kind @ ("file" | "raft") => {
            warn(&format!(
                "storage \"{kind}\" is kept in the embedded store; data of a Vault or OpenBao {kind} store is not read"
            ));
            Ok(Storage::Embedded {
                path: path(section)?,
            })
        }
        kind if FOREIGN_STORAGE.contains(&kind) => Err(ConfigError::refused(
            &section.place,
            format!("storage \"{kind}\" is not served here; {SUPPORTED}"),
        )),
        _ => Err(ConfigError::refused(
            &section.place,
            format!("not a kind of storage; {SUPPORTED}"),
        )),
    }
}

fn path(section: &Section) -> Result<PathBuf, ConfigError> {
    let Some(setting) = section.get("path") else {
        return Err(ConfigError::refused(
            &section.place,
            "storage needs a path: the directory of the store",
        ));
    };
    let path = PathBuf::from(setting.read(cofferdam_hcl::Value::string)?);
    if path.as_os_str().is_empty() {
        return Err(ConfigError::refused(
            &setting.place,
            "storage needs a path: the directory of the store",
        ));
    }
    let path = std::path::absolute(&path).map_err(|source| ConfigError::Read { path, source })?;
    if let Some(foreign) = foreign(&path) {
        let text = format!(
            "{} holds something else ({foreign}); it is not read and not touched: name an empty directory",
            path.display()
        );
        return Err(ConfigError::refused(&setting.place, text));
    }
    Ok(path)
}

/// A file in a directory without a store of ours that is not ours either.
pub(crate) fn foreign(directory: &Path) -> Option<String> {
    if directory.join(cofferdam_store::embedded::FILE).exists() {
        return None;
    }
    let names = std::fs::read_dir(directory)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let mut foreign: Vec<_> = names
        .filter(|name| !OURS.contains(&name.as_str()))
        .collect();
    foreign.sort();
    let first = foreign.into_iter().next()?;
    Some(first.chars().filter(|c| !c.is_control()).take(60).collect())
}

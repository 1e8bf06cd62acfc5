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

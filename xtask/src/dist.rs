//! The release binary: statically linked against glibc, so that it runs in an empty image.
//!
//! Name resolution through a static glibc still loads libraries of the host at run time; the server
//! listens on addresses and the client's names are documented in `docs/book/install.md`.

use crate::{order, sh};
use anyhow::{Context as _, Result};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

pub(crate) fn run(_arguments: &[String]) -> Result<()> {
    let binary = build("release")?;
    let size = std::fs::metadata(&binary)
        .with_context(|| format!("cannot read {}", binary.display()))?
        .len();
    sh::print(&format!("{} {:.1} MiB", binary.display(), mib(size)));
    let manual = binary.with_file_name("man1");
    // A page of a command that is gone would stay.
    if manual.exists() {
        std::fs::remove_dir_all(&manual)
            .with_context(|| format!("cannot remove {}", manual.display()))?;
    }
    let place = manual.to_string_lossy();
    sh::run(sh::command(&binary, ["man", &place]))?;
    sh::print(&format!("{} (manual)", manual.display()));
    Ok(())
}

/// Builds it statically and returns where it is.
pub(crate) fn build(profile: &str) -> Result<std::path::PathBuf> {
    let mut build = sh::command(
        "cargo",
        [
            "build",
            "--profile",
            profile,
            "-p",
            "cofferdam",
            "--target",
            TRIPLE,
        ],
    );
    // Packed relocations: 0.6 MiB less of the file, which every process would read at its start and
    // the kernel count as its memory. The program can still be loaded anywhere.
    let flags = "-C target-feature=+crt-static -C link-arg=-Wl,--pack-dyn-relocs=relr";
    build.env("RUSTFLAGS", format!("{flags} {}", order::FLAGS));
    build.env(
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
        order::linker()?,
    );
    sh::run(build)?;
    Ok(sh::target().join(TRIPLE).join(profile).join("cofferdam"))
}

/// Bytes in MiB, for people.
#[expect(clippy::cast_precision_loss, reason = "a size shown with one decimal")]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

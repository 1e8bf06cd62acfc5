//! The order of functions in the program: what the host daemon runs lies together.
//!
//! A page that is mapped costs memory, and the kernel maps the fifteen around it as well. The daemon
//! runs one megabyte of functions that lie scattered over sixteen: ordered, it holds a third less, and
//! every command starts with fewer page faults. The list `xtask/daemon.order` is without the hashes
//! that differ from build to build; `xtask/order.py` says how it was made. A name that is not there
//! any more costs nothing but its place.

use crate::sh;
use anyhow::{Context as _, Result};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Links as `cc` does, and tells LLD the order. Another linker links as it always does.
const LINK: &str = r#"#!/bin/sh
# Made by cargo xtask dist (xtask/src/order.rs).
set -eu
case " $* " in *" -fuse-ld=lld "*) ;; *) exec cc "$@" ;; esac
order=$(mktemp)
trap 'rm -f "$order"' EXIT
for word in "$@"; do
    case "$word" in *.o) nm --defined-only --format=just-symbols "$word" ;; esac
done | awk '
    NR == FNR { place[$0] = FNR; next }
    { name = $0; sub(/17h[0-9a-f]+E(\.llvm\.[0-9]+)?$/, "E", name) }
    name in place { print place[name], $0 }
' 'LIST' - | sort -n | cut -d' ' -f2- > "$order"
cc "$@" "-Wl,--symbol-ordering-file=$order" -Wl,--no-warn-symbol-ordering
"#;

/// The linker to be used, written anew.
pub(crate) fn linker() -> Result<PathBuf> {
    let list = sh::root().join("xtask/daemon.order");
    let script = sh::target().join("ordered-cc");
    std::fs::create_dir_all(sh::target())?;
    let text = LINK.replace("LIST", &list.to_string_lossy());
    std::fs::write(&script, text)
        .and_then(|()| std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", script.display()))?;
    Ok(script)
}

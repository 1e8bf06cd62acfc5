//! The order of functions in the program: what the host daemon runs, and what the server runs, lies
//! together.
//!
//! A page that is mapped costs memory, and the kernel maps the fifteen around it as well. The daemon
//! and the server run a few megabytes of functions that lie scattered over twenty-five: ordered, each
//! holds far less, and every command starts with fewer page faults. First comes what only the daemon
//! runs, then what both do, then what only the server does, each in the order of its first run. The
//! lists, `xtask/daemon.order` and `xtask/server.order`, are without what differs from build to build;
//! `xtask/order.py` says how they were made. A name that is not there any more costs nothing but its
//! place.

use crate::sh;
use anyhow::{Context as _, Result};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// What rustc must be told: names that hold their types. In those of before, a thousand functions of
/// other types were called as the one that runs.
pub(crate) const FLAGS: &str = "-C symbol-mangling-version=v0";

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
    FILENAME == "DAEMON" { daemon[$0] = FNR; next }
    FILENAME == "SERVER" { server[$0] = FNR; next }
    {
        name = $0
        sub(/\.llvm\.[0-9]+$/, "", name)
        if (name ~ /^_R/) { gsub(/Cs[0-9A-Za-z]+_/, "C", name); gsub(/B[0-9A-Za-z]*_/, "B_", name) }
        else sub(/17h[0-9a-f]+E$/, "E", name)
    }
    !(name in server) { if (name in daemon) print daemon[name], $0; next }
    (name in daemon) { print 100000 + server[name], $0; next }
    { print 200000 + server[name], $0 }
' 'DAEMON' 'SERVER' - | sort -n | cut -d' ' -f2- > "$order"
cc "$@" "-Wl,--symbol-ordering-file=$order" -Wl,--no-warn-symbol-ordering
"#;

/// The linker to be used, written anew.
pub(crate) fn linker() -> Result<PathBuf> {
    let script = sh::target().join("ordered-cc");
    std::fs::create_dir_all(sh::target())?;
    let mut text = LINK.to_owned();
    for (word, list) in [("DAEMON", "daemon"), ("SERVER", "server")] {
        let list = sh::root().join(format!("xtask/{list}.order"));
        text = text.replace(word, &list.to_string_lossy());
    }
    std::fs::write(&script, text)
        .and_then(|()| std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", script.display()))?;
    Ok(script)
}

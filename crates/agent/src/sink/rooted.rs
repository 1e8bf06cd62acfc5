//! Tests that mount, for whoever runs them.

use std::process::Command;

const INNER: &str = "COFFERDAM_TEST_INNER";

/// Whether this process is root of namespaces of its own. Where it is not, the test of this name has
/// been run in such a one instead, and passed; its mounts are gone with it.
pub(super) fn is_inside(test: &str) -> bool {
    if std::env::var_os(INNER).is_some() {
        return true;
    }
    let inner = Command::new("unshare")
        .args(["--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INNER, "1")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&inner.stdout);
    assert!(
        inner.status.success() && words.contains("1 passed"),
        "{inner:?}"
    );
    false
}

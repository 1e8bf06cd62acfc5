//! Names that a stranger's server lists: each one is held against what a name is before it becomes a
//! part of any path, there or here.

/// Longest name of one thing.
const LONGEST: usize = 1024;

/// One segment of a path.
///
/// # Errors
/// Why it is none.
pub(super) fn checked(name: &str) -> Result<&str, &'static str> {
    if name.is_empty() {
        return Err("a name is empty");
    }
    if name == "." || name == ".." {
        return Err("a name is a step to another place");
    }
    if name.contains('/') {
        return Err("a name has a slash in it");
    }
    if name.chars().any(char::is_control) {
        return Err("a name has control characters");
    }
    if name.len() > LONGEST {
        return Err("a name is longer than 1024 bytes");
    }
    Ok(name)
}

/// A path of several segments, without the slash at its end.
///
/// # Errors
/// Why it is none.
pub(super) fn checked_path(path: &str) -> Result<&str, &'static str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    for segment in path.split('/') {
        checked(segment)?;
    }
    if path.len() > 3 * LONGEST {
        return Err("a path is longer than 3072 bytes");
    }
    Ok(path)
}

/// A name as a report shows it, however long it was.
pub(super) fn shown(name: &str) -> String {
    const MOST: usize = 200;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    let begin: String = name.chars().take(MOST).collect();
    format!("{begin}… ({} bytes)", name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        let long = "x".repeat(LONGEST + 1);
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "/",
            "a\n",
            "\u{0}",
            "\u{1b}[2J",
            long.as_str(),
        ] {
            assert!(checked(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "...", "a b", "ü", "%2e%2e", "a?b=c#d", "-x"] {
            assert!(checked(good).is_ok(), "{good:?}");
        }
        for bad in ["../sys", "a//b", "/a", "a/../b", ""] {
            assert!(checked_path(bad).is_err(), "{bad:?}");
        }
        assert_eq!(checked_path("a/b/").unwrap(), "a/b");
    }
}

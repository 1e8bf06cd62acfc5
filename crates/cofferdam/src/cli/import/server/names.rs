//! Names that a stranger's server lists: each one is held against what a name is before it becomes a
//! part of any path, there or here.

use std::collections::BTreeMap;

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

/// A text with the accessors that auth methods have here, for those that they have there: whole words,
/// each once. What the other server calls its methods makes no text long, and no accessor of here is
/// taken for one of there.
pub(super) fn translated(text: &str, accessors: &BTreeMap<String, String>) -> String {
    let of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|c| !of_word(c)).unwrap_or(rest.len()));
        let (between, after) = after.split_at(after.find(of_word).unwrap_or(after.len()));
        out.push_str(accessors.get(word).map_or(word, String::as_str));
        out.push_str(between);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accessors_are_translated_whole_and_once() {
        let pairs = [
            ("auth_userpass_1", "auth_userpass_2"),
            ("auth_userpass_12", "auth_userpass_3"),
            ("auth_userpass_2", "auth_jwt_9"),
        ];
        let known = pairs.map(|(there, here)| (there.to_owned(), here.to_owned()));
        let text = "{{identity.entity.aliases.auth_userpass_1.name}} {{identity.entity.aliases.auth_userpass_12.id}}\
                    \"auth_userpass_2\" ü auth_userpass_1";
        assert_eq!(
            translated(text, &known.into()),
            "{{identity.entity.aliases.auth_userpass_2.name}} {{identity.entity.aliases.auth_userpass_3.id}}\
             \"auth_jwt_9\" ü auth_userpass_2"
        );
        assert_eq!(translated(text, &BTreeMap::new()), text);
    }

    /// A server that calls its methods by single letters makes no text longer than each of them once.
    #[test]
    fn what_is_translated_is_not_translated_again() {
        let letters = "authserp_0123456789bcdf".chars().map(String::from);
        let known: BTreeMap<_, _> = letters
            .map(|letter| (letter, "auth_userpass_0123456789abcdef".to_owned()))
            .collect();
        assert_eq!(translated("authserp", &known), "authserp");
        let text = "a ".repeat(1000);
        assert_eq!(translated(&text, &known).len(), 1000 * 31);
    }

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

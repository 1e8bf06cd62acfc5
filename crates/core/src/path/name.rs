//! [`Name`]: what policies, roles and accessors of one word are called.

/// The longest name, in bytes.
const MAX_BYTES: usize = 255;

/// A name of one word: `A-Z a-z 0-9 . _ -`, not only dots, not beginning with a dash.
///
/// ASCII only: then no two names look alike and differ, and upper and lower case are the same
/// question everywhere. Policy names are lower-cased, once, here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// A name that cannot be used. The texts never hold the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Holds a character outside the set, is empty, or is too long.
    #[error("invalid name: use 1 to 255 of the characters A-Z a-z 0-9 . _ -")]
    Invalid,
    /// The root policy is built in: nobody can write it, and no list of names can hold it.
    #[error("the name of the root policy is reserved")]
    Reserved,
}

impl Name {
    /// The name of the built-in policy that allows everything.
    pub const ROOT: &'static str = "root";

    /// Parses a name whose case matters, such as that of a role.
    pub fn parse(text: &str) -> Result<Name, NameError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let dots = text.bytes().all(|b| b == b'.');
        if text.len() > MAX_BYTES || dots || text.starts_with('-') || !text.bytes().all(legal) {
            return Err(NameError::Invalid);
        }
        Ok(Name(text.to_owned()))
    }

    /// Parses the name of a policy and lower-cases it. Never gives the root policy.
    ///
    /// Who may hand out the root policy must ask for it by name, see [`Name::root`]; a list of
    /// policies that came from a request cannot spell it (CVE-2025-5999).
    pub fn policy(text: &str) -> Result<Name, NameError> {
        let Name(text) = Name::parse(text)?;
        match text.to_ascii_lowercase() {
            name if name == Name::ROOT => Err(NameError::Reserved),
            name => Ok(Name(name)),
        }
    }

    /// The root policy: for the initial token, and for a child that a root token asks for.
    pub fn root() -> Name {
        Name(Name::ROOT.to_owned())
    }

    /// Is this the root policy?
    pub fn is_root(&self) -> bool {
        self.0 == Name::ROOT
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_cannot_be_spelled_as_a_policy_name() {
        // NAME-4
        for text in ["root", "Root", "ROOT", "rOOt"] {
            assert_eq!(Name::policy(text), Err(NameError::Reserved), "{text:?}");
        }
        let lookalikes = [
            "root ",
            " root",
            "root\n",
            "root\0",
            "r\u{43e}\u{43e}t",
            "\u{ff52}oot",
            "root\u{200b}",
            "roo\u{17f}",
            "../root",
            "ns/../root",
            "ns/root",
            "/root",
            "root/",
            "",
            ".",
            "..",
        ];
        for text in lookalikes {
            assert_eq!(Name::policy(text), Err(NameError::Invalid), "{text:?}");
        }
    }

    #[test]
    fn policy_names_have_one_case_and_role_names_keep_theirs() {
        assert_eq!(Name::policy("Web-App_1.2").unwrap().as_str(), "web-app_1.2");
        assert_eq!(Name::parse("Web").unwrap().as_str(), "Web");
    }

    #[test]
    fn an_overlong_name_is_refused() {
        assert!(Name::parse(&"a".repeat(255)).is_ok());
        assert_eq!(Name::parse(&"a".repeat(256)), Err(NameError::Invalid));
        assert_eq!(Name::parse("-flag"), Err(NameError::Invalid));
    }
}

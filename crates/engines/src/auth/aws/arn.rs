//! Names of AWS: who signed a request, and patterns that say who may.
//!
//! After the IAM User Guide, "IAM identifiers" (reference_identifiers.html).

/// What somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// An IAM user.
    User,
    /// An IAM role.
    Role,
}

impl Sort {
    /// As it stands in an ARN.
    const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
        }
    }
}

/// A user or a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// Twelve digits.
    pub account: String,
    /// Which of both.
    pub sort: Sort,
    /// Between sort and name, `/` at both ends; `None` where the ARN cannot tell: of a role that somebody
    /// has taken on.
    pub path: Option<String>,
    /// Without its path.
    pub name: String,
}

/// Longer ARNs are none.
const MOST: usize = 2048;

/// Whether it is the number of an account.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_partition(text: &str) -> bool {
    text.starts_with("aws")
        && text.len() <= 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// A name as IAM allows it; of sessions, too.
fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(legal)
}

/// Splits `arn:PARTITION:SERVICE::ACCOUNT:REST`.
fn parts(text: &str) -> Option<(&str, &str, &str, &str)> {
    let mut parts = text.splitn(6, ':');
    let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = arn == "arn" && region.is_empty() && is_partition(partition) && is_account(account);
    (whole && !rest.contains(':')).then_some((partition, service, account, rest))
}

impl Principal {
    /// Reads an ARN of IAM or STS; `None` for whoever is neither user nor role: the root of an account, a
    /// federated user, a service.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MOST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let (partition, service, account, rest) = parts(text)?;
        let mut words: Vec<&str> = rest.split('/').collect();
        let sort = match (service, *words.first()?) {
            ("iam", "user") => Sort::User,
            ("iam", "role") => Sort::Role,
            ("sts", "assumed-role") => {
                let [_, name, session] = words.as_slice() else {
                    return None;
                };
                return (is_name(name) && is_name(session)).then(|| Self {
                    partition: partition.to_owned(),
                    account: account.to_owned(),
                    sort: Sort::Role,
                    path: None,
                    name: (*name).to_owned(),
                });
            }
            _ => return None,
        };
        let name = words.pop().filter(|name| is_name(name))?;
        let below = words.get(1..)?;
        if below.iter().any(|word| word.is_empty()) {
            return None;
        }
        let path = below.iter().map(|word| format!("{word}/"));
        Some(Self {
            partition: partition.to_owned(),
            account: account.to_owned(),
            sort,
            path: Some(format!("/{}", path.collect::<String>())),
            name: name.to_owned(),
        })
    }

    /// What every ARN of its sort begins with.
    pub fn root(&self) -> String {
        let (partition, account) = (&self.partition, &self.account);
        format!("arn:{partition}:iam::{account}:{}/", self.sort.word())
    }

    /// As Vault names somebody: without the path, which a role that was taken on does not tell.
    pub fn canonical(&self) -> String {
        format!("{}{}", self.root(), self.name)
    }

    /// Whether both are of one account, sort and name; the path may be unknown.
    pub fn is(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

/// Whom a role is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// One user or role, with its path.
    One(Principal),
    /// Those whose ARN a pattern means; it is bound to one account.
    Pattern(String),
}

/// Why a text says nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No user and no role.
    #[error("expected ARNs of IAM users or roles, as arn:aws:iam::123456789012:role/name")]
    Form,
    /// Whoever has an AWS account would be meant.
    #[error("a pattern begins with one account, as arn:aws:iam::123456789012:role/*")]
    Account,
    /// Vault takes it for a name.
    #[error("a pattern ends with *")]
    End,
}

impl Bound {
    /// Reads one word of `bound_iam_principal_arn`.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let Some((fixed, _)) = text.split_once('*') else {
            return match Principal::parse(text) {
                Some(principal) if principal.path.is_some() => Ok(Self::One(principal)),
                _ => Err(Unfit::Form),
            };
        };
        if !text.ends_with('*') {
            return Err(Unfit::End);
        }
        let legal = text.len() <= MOST && text.bytes().all(|byte| byte.is_ascii_graphic());
        match parts(fixed) {
            Some((_, "iam", _, _)) if legal => Ok(Self::Pattern(text.to_owned())),
            Some(_) => Err(Unfit::Form),
            None => Err(Unfit::Account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_roles_and_sessions_have_names() {
        let user = Principal::parse("arn:aws:iam::123456789012:user/team/a/ada").unwrap();
        assert_eq!(
            (user.sort, user.path.as_deref(), user.name.as_str()),
            (Sort::User, Some("/team/a/"), "ada")
        );
        assert_eq!(user.canonical(), "arn:aws:iam::123456789012:user/ada");
        let session =
            Principal::parse("arn:aws-cn:sts::123456789012:assumed-role/web/i-1").unwrap();
        let role = Principal::parse("arn:aws-cn:iam::123456789012:role/x/web").unwrap();
        assert_eq!(
            (session.path.as_deref(), session.name.as_str()),
            (None, "web")
        );
        assert!(session.is(&role) && !session.is(&user));
    }

    #[test]
    fn whoever_is_no_user_and_no_role_is_nobody() {
        for bad in [
            "",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:iam::123456789012:user//a",
            "arn:aws:iam::123456789012:group/a",
            "arn:aws:iam::12345678901:user/a",
            "arn:aws:iam:us-east-1:123456789012:user/a",
            "arn:aws:iam::123456789012:user/a:b",
            "arn:aws:iam::123456789012:user/a b",
            "arn:aws:iam::123456789012:user/a*",
            "arn:evil:iam::123456789012:user/a",
            "arn:aws:sts::123456789012:assumed-role/a",
            "arn:aws:sts::123456789012:assumed-role/a/b/c",
            "arn:aws:sts::123456789012:federated-user/a",
            "arn:aws:iam::123456789012:assumed-role/a/b",
            "arn:aws:sts::123456789012:user/a",
            " arn:aws:iam::123456789012:user/a",
        ] {
            assert_eq!(Principal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_pattern_means_one_account() {
        for good in [
            "arn:aws:iam::123456789012:*",
            "arn:aws:iam::123456789012:role/*",
            "arn:aws:iam::123456789012:role/*/web-*",
        ] {
            assert_eq!(Bound::parse(good), Ok(Bound::Pattern(good.to_owned())));
        }
        for (bad, why) in [
            ("*", Unfit::Account),
            ("arn:aws:iam::*", Unfit::Account),
            ("arn:aws:iam::*:role/web*", Unfit::Account),
            ("arn:aws:iam::12345*", Unfit::Account),
            ("arn:aws:sts::123456789012:assumed-role/*", Unfit::Form),
            ("arn:aws:iam::123456789012:role/*/web", Unfit::End),
            ("arn:aws:sts::123456789012:assumed-role/a/b", Unfit::Form),
            ("web", Unfit::Form),
        ] {
            assert_eq!(Bound::parse(bad), Err(why), "{bad}");
        }
    }
}

//! The methods that `login` knows besides a token: where each takes what proves who somebody is.

use super::super::Failure;
use super::super::input::parse_data;
use super::super::terminal::prompt_secret;
use cofferdam_api::{Request, Tree};

/// One method.
pub(super) struct Method {
    /// What `-method` calls it; also where it is mounted unless `-path` says otherwise.
    pub(super) name: &'static str,
    /// The field that says who. Of some methods it is part of the path.
    who: &'static str,
    who_in_path: bool,
    /// The mount knows whom to take where nothing is said.
    who_is_optional: bool,
    /// What proves it; nothing where the connection does.
    proof: Option<Proof>,
}

/// The field that proves who it is: asked for where it is not given.
struct Proof {
    field: &'static str,
    question: &'static str,
}

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "userpass",
        who: "username",
        who_in_path: true,
        who_is_optional: false,
        proof: Some(Proof {
            field: "password",
            question: "Password",
        }),
    },
    Method {
        name: "approle",
        who: "role_id",
        who_in_path: false,
        who_is_optional: false,
        proof: Some(Proof {
            field: "secret_id",
            question: "SecretID",
        }),
    },
    Method {
        name: "jwt",
        who: "role",
        who_in_path: false,
        who_is_optional: true,
        proof: Some(Proof {
            field: "jwt",
            question: "JWT",
        }),
    },
    Method {
        name: "kubernetes",
        who: "role",
        who_in_path: false,
        who_is_optional: false,
        proof: Some(Proof {
            field: "jwt",
            question: "JWT",
        }),
    },
    Method {
        name: "cert",
        who: "name",
        who_in_path: false,
        who_is_optional: true,
        proof: None,
    },
];

impl Method {
    /// The method of this name.
    pub(super) fn find(name: &str) -> Result<&'static Self, Failure> {
        let found = METHODS.iter().find(|method| method.name == name);
        found.ok_or_else(|| {
            let names: Vec<_> = METHODS.iter().map(|method| method.name).collect();
            Failure::usage(format!("not supported by login: -method={name}"))
                .hint(format!("one of: token {} oidc aws", names.join(" ")))
        })
    }

    /// The login, with what the arguments say and what the terminal answers.
    pub(super) fn request(&self, path: Option<&str>, words: &[String]) -> Result<Request, Failure> {
        let mut data = parse_data(words)?;
        let who = data
            .get(self.who)
            .and_then(Tree::as_text)
            .filter(|who| !who.is_empty())
            .map(str::to_owned);
        if who.is_none() && !self.who_is_optional {
            let missing = Failure::usage(format!("{} is missing", self.who));
            let example = format!("cofferdam login -method={} {}=…", self.name, self.who);
            return Err(missing.hint(example));
        }
        if let Some(proof) = &self.proof
            && data.get(proof.field).is_none()
        {
            data.insert(proof.field, Tree::Text(prompt_secret(proof.question)?));
        }
        let mount = path.unwrap_or(self.name).trim_matches('/');
        let mount = mount.strip_prefix("auth/").unwrap_or(mount);
        let Some(who) = who.filter(|_| self.who_in_path) else {
            return Ok(Request::put(format!("auth/{mount}/login"), &data));
        };
        if who.contains('/') {
            return Err(Failure::usage(format!(
                "{} must not contain a slash",
                self.who
            )));
        }
        drop(data.take(self.who));
        Ok(Request::put(format!("auth/{mount}/login/{who}"), &data))
    }
}

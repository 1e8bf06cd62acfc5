//! The other way in: `provider: {type: cofferdam}` in a Compose file.
//!
//! Compose runs `cofferdam compose metadata`, and `cofferdam compose --project-name=P up
//! --OPTION=VALUE… SERVICE` (or `down`), and reads lines of JSON from stdout (`docs/extension.md`
//! and `pkg/compose/plugins.go` of docker/compose). What is sent as `setenv` or `rawsetenv` ends
//! in the environment of the services that depend on this one, and so in `docker inspect`: it is
//! paths and never a value. A provider cannot mount anything; the files come through a volume of
//! our driver that the services mount.

use cofferdam_agent::FileName;
use cofferdam_agent::plan::{Loan, PlanError, Prefix, require_distinct};
use serde::Serialize;
use serde_json::{Value, json};

/// Where the variables point when nothing else is said.
const DIRECTORY: &str = "/run/secrets";

/// What Compose asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// What the provider takes.
    Metadata,
    /// Make it be there.
    Up(Wanted),
    /// Take it away.
    Down,
}

/// What a service of this provider stands for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name of the service.
    pub service: String,
    /// The secrets.
    pub loans: Vec<Loan>,
    /// Where the services that depend on it have them.
    pub directory: String,
    /// Whether variables have their own names, without that of the service before them. Compose
    /// before 5.2 does not know how, and ends with an error.
    pub raw: bool,
    /// Name of our Docker plugin, if it has another one.
    pub driver: Option<String>,
}

/// A request that is not understood.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not the words that Compose uses.
    #[error("not a request of Compose: {0}")]
    Form(&'static str),
    /// An option that there is not.
    #[error("the provider has no option {0}: it takes secrets, from, directory, raw and driver")]
    Option(String),
    /// No secret is named.
    #[error("service {0} names no secret")]
    Nothing(String),
    /// See there.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl RequestError {
    /// The next thing to do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "provider: {type: cofferdam, options: {from: secret/shop, secrets: DB_PASSWORD}}"
    }
}

impl Request {
    /// Understands the words behind `compose` and `--project-name`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(words: &[String]) -> Result<Self, RequestError> {
        let Some((verb, rest)) = words.split_first() else {
            return Err(RequestError::Form("no command"));
        };
        match verb.as_str() {
            "metadata" => Ok(Self::Metadata),
            "down" | "stop" => Ok(Self::Down),
            "up" => Wanted::parse(rest).map(Self::Up),
            _ => Err(RequestError::Form("the commands are metadata, up and down")),
        }
    }
}

impl Wanted {
    fn parse(words: &[String]) -> Result<Self, RequestError> {
        let (mut secrets, mut from, mut service) = (Vec::new(), None, None);
        let (mut directory, mut raw, mut driver) = (DIRECTORY.to_owned(), false, None);
        for word in words {
            let Some(option) = word.strip_prefix("--") else {
                service = Some(word.clone());
                continue;
            };
            let (key, value) = option.split_once('=').unwrap_or((option, "true"));
            match key {
                // An option that is a list comes once for each item.
                "secrets" => {
                    secrets.extend(value.split([',', ';']).map(str::trim).map(str::to_owned))
                }
                "from" => from = Some(Prefix::parse(value)?),
                "directory" => directory = value.trim_end_matches('/').to_owned(),
                "raw" => raw = value == "true",
                "driver" => driver = Some(value.to_owned()),
                _ => return Err(RequestError::Option(key.chars().take(40).collect())),
            }
        }
        let service = service.ok_or(RequestError::Form("no service"))?;
        let from = from.unwrap_or_default();
        secrets.retain(|text| !text.is_empty());
        let loans = secrets.iter().map(|text| Loan::parse(text, ':', &from));
        let loans: Vec<Loan> = loans.collect::<Result<_, _>>()?;
        require_distinct(&loans)?;
        if loans.is_empty() {
            return Err(RequestError::Nothing(service));
        }
        Ok(Self {
            service,
            loans,
            directory,
            raw,
            driver,
        })
    }

    /// The answers that tell the depending services where their files are.
    pub fn variables(&self) -> impl Iterator<Item = Message> {
        self.loans.iter().map(|loan| {
            let path = self.path(&loan.name);
            let text = format!("{}={path}", loan.name.file_variable());
            Message::new(if self.raw { "rawsetenv" } else { "setenv" }, text)
        })
    }

    fn path(&self, name: &FileName) -> String {
        format!("{}/{name}", self.directory)
    }
}

/// One line of an answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
}

impl Message {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// How far it is.
    #[must_use]
    pub fn info(message: impl Into<String>) -> Self {
        Self::new("info", message)
    }

    /// Why it failed; Compose shows the first line.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new("error", message)
    }

    /// With its newline.
    #[must_use]
    pub fn line(&self) -> String {
        json!(self).to_string() + "\n"
    }
}

/// The answer to `metadata`.
#[must_use]
pub fn metadata() -> Value {
    let parameter = |name: &str, description: &str, required: bool, default: Option<&str>| {
        let mut it = json!({
            "name": name,
            "description": description,
            "required": required,
            "type": if name == "raw" { "boolean" } else { "string" },
        });
        if let (Some(default), Some(object)) = (default, it.as_object_mut()) {
            object.insert("default".to_owned(), default.into());
        }
        it
    };
    json!({
        "description": "Secrets of the store, as files that the depending services mount",
        "up": {"parameters": [
            parameter("secrets", "names, or NAME:REFERENCE, with commas between them", true, None),
            parameter("from", "path in the store below which names are", false, Some("secret")),
            parameter("directory", "where the services mount the volume", false, Some(DIRECTORY)),
            parameter("raw", "variables without the name of the service before them", false, Some("false")),
            parameter("driver", "name of the Docker plugin", false, Some("cofferdam")),
        ]},
        "down": {"parameters": []},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn up_answers_with_paths() {
        let line = "up --raw=true --from=secret/shop --secrets=DB_PASSWORD,KEY:kv/x#f --secrets=tls.key vault";
        let Request::Up(wanted) = Request::parse(&words(line)).unwrap() else {
            panic!("not up")
        };
        assert_eq!(wanted.service, "vault");
        let lines: String = wanted.variables().map(|message| message.line()).collect();
        assert_eq!(
            lines,
            "{\"type\":\"rawsetenv\",\"message\":\"DB_PASSWORD_FILE=/run/secrets/DB_PASSWORD\"}\n\
             {\"type\":\"rawsetenv\",\"message\":\"KEY_FILE=/run/secrets/KEY\"}\n\
             {\"type\":\"rawsetenv\",\"message\":\"tls_key_FILE=/run/secrets/tls.key\"}\n"
        );
        let paths: Vec<_> = wanted.loans.iter().map(|l| l.reference.path()).collect();
        assert_eq!(
            paths,
            ["secret/shop/DB_PASSWORD", "kv/x", "secret/shop/tls.key"]
        );
        let line = "up --directory=/etc/app/ --secrets=A vault";
        let Request::Up(wanted) = Request::parse(&words(line)).unwrap() else {
            panic!("not up")
        };
        let message = wanted.variables().next().unwrap();
        assert_eq!(message, Message::new("setenv", "A_FILE=/etc/app/A"));
    }

    #[test]
    fn other_words_are_refused() {
        assert_eq!(Request::parse(&words("down x")).unwrap(), Request::Down);
        assert_eq!(
            Request::parse(&words("metadata")).unwrap(),
            Request::Metadata
        );
        for line in [
            "ps",
            "up",
            "up x",
            "up --secrets= x",
            "up --secrets=a",
            "up --password=hunter2 x",
            "up --secrets=a,a x",
            "up --secrets=../hunter2 x",
            "up --from=a//b --secrets=a x",
        ] {
            let error = Request::parse(&words(line)).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert!(Request::parse(&[]).is_err());
    }

    #[test]
    fn the_metadata_have_the_shape_that_compose_decodes() {
        let metadata = metadata();
        let parameters = metadata["up"]["parameters"].as_array().unwrap();
        for parameter in parameters {
            for key in ["name", "description", "type"] {
                assert!(parameter[key].is_string(), "{parameter}");
            }
            assert!(parameter["required"].is_boolean());
        }
        assert!(metadata["down"]["parameters"].is_array());
        assert!(metadata["description"].is_string());
    }
}

//! What was found, and the line that tells it: names and places, never a value.

use super::names::shown;

/// More findings than these are counted and not named: the message is one line in a terminal.
const NAMED: usize = 4;

/// Where a secret would lie in plain sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Environment,
    BuildArgument,
    Argument,
    Label,
    Option,
    Config,
    Address,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment variable",
            Self::BuildArgument => "build argument",
            Self::Argument => "argument of the command",
            Self::Label => "label",
            Self::Option => "option",
            Self::Config => "data of a config",
            Self::Address => "address",
        }
    }
}

/// Why it is taken for a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its name says so.
    Name,
    /// Its value looks like one.
    Looks(&'static str),
}

/// What to do instead; the first finding decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    Container,
    Service,
    Build,
    Config,
}

impl Instead {
    const fn words(self) -> &'static str {
        match self {
            Self::Container => {
                "give it as a file: docker volume create -d cofferdam -o from=secret/APP NAME, docker run -v NAME:/run/secrets, and NAME_FILE=/run/secrets/NAME where a variable is needed"
            }
            Self::Service => {
                "give it as a file: docker secret create -d cofferdam --label cofferdam.ref=secret/APP/NAME NAME, docker service create --secret NAME"
            }
            Self::Build => {
                "give it as a mount: RUN --mount=type=secret,id=NAME in the Dockerfile, cofferdam build -- docker build ."
            }
            Self::Config => {
                "keep it as a secret: docker secret create; a config can name it in a template: {{ secret \"NAME\" }}"
            }
        }
    }
}

/// Everything found in one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    named: Vec<String>,
    more: usize,
    /// Reasons that are no secret but something that cannot be looked at.
    blind: Option<&'static str>,
    instead: Option<Instead>,
}

impl Findings {
    pub(super) fn unreadable() -> Self {
        let mut findings = Self::default();
        findings.blind("dockerd's question cannot be read");
        findings
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.named.is_empty() && self.blind.is_none()
    }

    /// What is recommended instead of anything found here.
    pub(super) const fn recommend(&mut self, instead: Instead) {
        self.instead = Some(instead);
    }

    /// A secret.
    pub(super) fn add(&mut self, place: Place, name: Option<&str>, why: Why) {
        if self.named.len() >= NAMED {
            self.more += 1;
            return;
        }
        let mut text = place.name().to_owned();
        if let Some(name) = name {
            text.push(' ');
            text.push_str(&shown(name));
        }
        match why {
            Why::Name => text.push_str(" (by its name)"),
            Why::Looks(what) => {
                text.push_str(" (looks like ");
                text.push_str(what);
                text.push(')');
            }
        }
        if !self.named.contains(&text) {
            self.named.push(text);
        }
    }

    /// Something that cannot be looked at.
    pub(super) const fn blind(&mut self, what: &'static str) {
        self.blind = Some(what);
    }

    /// One line: what happened, then what to type.
    pub(super) fn sentence(&self) -> String {
        let mut text = String::new();
        if !self.named.is_empty() {
            text.push_str("a secret in plain sight: ");
            text.push_str(&self.named.join(", "));
            if self.more > 0 {
                text.push_str(&format!(" and {} more", self.more));
            }
        }
        if let Some(blind) = self.blind {
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(blind);
        }
        if let Some(instead) = self.instead.filter(|_| !self.named.is_empty()) {
            text.push_str("; hint: ");
            text.push_str(instead.words());
        } else if self.blind.is_some() {
            text.push_str("; hint: cofferdam guard status");
        }
        text
    }
}

//! The requests that can carry a secret to a plain place, and where to look in them.
//!
//! From dockerd's own routers (moby `api/server/router`). What is not here is allowed unread: above
//! all `/secrets/create`, where a value belongs.

use super::ask::{Ask, Body};
use super::body::{self, Under};
use super::finding::{Findings, Instead, Place, Why};
use super::values;
use cofferdam_secret::Secret;

/// How a path is recognised.
enum Pattern {
    /// These segments.
    Exact(&'static [&'static str]),
    /// This first segment and this last one; between them any name, which may have slashes.
    Around(&'static str, &'static str),
}

/// What is looked at.
enum Look {
    /// A JSON body; a request without one is hidden from us. The texts are query parameters with
    /// Dockerfile instructions.
    Json(Under, &'static [&'static str]),
    /// Query parameters with JSON maps, and the address of the context.
    Build,
    /// Instructions in the query alone.
    Import,
    /// Nothing can be seen: `BuildKit`'s own protocol on an upgraded connection.
    BuildKit,
}

/// A row of the table.
pub(super) struct Route {
    pattern: Pattern,
    /// For the log.
    pub(super) name: &'static str,
    look: Look,
    instead: Instead,
}

const fn json(pattern: Pattern, name: &'static str, instead: Instead) -> Route {
    Route {
        pattern,
        name,
        look: Look::Json(Under::Nothing, &[]),
        instead,
    }
}

/// All of them are `POST`.
const ROUTES: &[Route] = &[
    json(
        Pattern::Exact(&["containers", "create"]),
        "create a container",
        Instead::Container,
    ),
    json(
        Pattern::Around("containers", "exec"),
        "run a command in a container",
        Instead::Container,
    ),
    json(
        Pattern::Exact(&["services", "create"]),
        "create a service",
        Instead::Service,
    ),
    json(
        Pattern::Around("services", "update"),
        "change a service",
        Instead::Service,
    ),
    Route {
        pattern: Pattern::Exact(&["commit"]),
        name: "commit a container",
        look: Look::Json(Under::Nothing, &["changes"]),
        instead: Instead::Container,
    },
    Route {
        pattern: Pattern::Exact(&["build"]),
        name: "build an image",
        look: Look::Build,
        instead: Instead::Build,
    },
    Route {
        pattern: Pattern::Exact(&["images", "create"]),
        name: "import an image",
        look: Look::Import,
        instead: Instead::Container,
    },
    json(
        Pattern::Exact(&["configs", "create"]),
        "create a config",
        Instead::Config,
    ),
    json(
        Pattern::Around("configs", "update"),
        "change a config",
        Instead::Config,
    ),
    json(
        Pattern::Exact(&["volumes", "create"]),
        "create a volume",
        Instead::Container,
    ),
    json(
        Pattern::Exact(&["networks", "create"]),
        "create a network",
        Instead::Container,
    ),
    Route {
        pattern: Pattern::Around("plugins", "set"),
        name: "set up a plugin",
        look: Look::Json(Under::Assignments(Place::Environment), &[]),
        instead: Instead::Container,
    },
    Route {
        pattern: Pattern::Exact(&["grpc"]),
        name: "build with BuildKit",
        look: Look::BuildKit,
        instead: Instead::Build,
    },
    Route {
        pattern: Pattern::Exact(&["session"]),
        name: "build with BuildKit",
        look: Look::BuildKit,
        instead: Instead::Build,
    },
];

/// The row for a request, if it is one to look at.
pub(super) fn find(ask: &Ask<'_>) -> Option<&'static Route> {
    if ask.method() != "POST" {
        return None;
    }
    let path = ask.path();
    ROUTES.iter().find(|route| route.matches(&path))
}

impl Route {
    fn matches(&self, path: &[&str]) -> bool {
        match self.pattern {
            Pattern::Exact(segments) => path == segments,
            Pattern::Around(first, last) => {
                path.len() >= 3 && path.first() == Some(&first) && path.last() == Some(&last)
            }
        }
    }

    /// Looks.
    pub(super) fn look(&self, ask: &Ask<'_>, refuse_buildkit: bool) -> Findings {
        let mut findings = Findings::default();
        findings.recommend(self.instead);
        match self.look {
            Look::Json(under, instructions) => {
                for name in instructions {
                    changes(&ask.query(name), &mut findings);
                }
                match ask.body() {
                    Body::Hidden => findings.blind(
                        "its body is hidden from plugins: larger than dockerd shows, or not sent as JSON with a length",
                    ),
                    Body::Unreadable => findings.blind("its body is shown in an unknown form"),
                    Body::Shown(bytes) => walk(bytes.expose(), under, &mut findings),
                }
            }
            Look::Build => build(ask, &mut findings),
            Look::Import => changes(&ask.query("changes"), &mut findings),
            Look::BuildKit if refuse_buildkit => {
                findings.blind("the arguments of a build by BuildKit are hidden from plugins");
            }
            Look::BuildKit => {}
        }
        findings
    }
}

fn walk(bytes: &[u8], under: Under, findings: &mut Findings) {
    if body::judge(bytes, under, findings).is_err() {
        findings.blind("its body is no JSON that can be looked at");
    }
}

fn build(ask: &Ask<'_>, findings: &mut Findings) {
    for arguments in ask.query("buildargs") {
        walk(
            arguments.expose().as_bytes(),
            Under::Pairs(Place::BuildArgument),
            findings,
        );
    }
    for labels in ask.query("labels") {
        walk(
            labels.expose().as_bytes(),
            Under::Pairs(Place::Label),
            findings,
        );
    }
    for remote in ask.query("remote") {
        if let Some(what) = values::form(remote.expose()) {
            findings.add(Place::Address, None, Why::Looks(what));
        }
    }
    if ask.is_form() {
        // Go mixes the fields of a form with those of the query, and the form wins.
        findings.blind("its arguments are hidden from plugins: sent as a form");
    }
}

/// Dockerfile instructions, as `--change` takes them.
fn changes(instructions: &[Secret<String>], findings: &mut Findings) {
    for line in instructions.iter().flat_map(|text| text.expose().lines()) {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word.to_ascii_uppercase().as_str() {
            "ENV" => settings(rest, Place::Environment, findings),
            "LABEL" => settings(rest, Place::Label, findings),
            "CMD" | "ENTRYPOINT" | "RUN" | "HEALTHCHECK" => {
                let plain = Secret::new(rest.replace(['[', ']', '"', ','], " "));
                body::command(&[plain.expose()], findings);
            }
            _ => {}
        }
    }
}

/// `A=b C="d"`, or the old form `A b`.
fn settings(text: &str, place: Place, findings: &mut Findings) {
    let first = text.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let value = text.get(first.len()..).unwrap_or_default();
        return setting(first, value.trim(), place, findings);
    }
    for part in text.split_whitespace() {
        if let Some((name, value)) = part.split_once('=') {
            setting(name, value.trim_matches(['"', '\'']), place, findings);
        }
    }
}

fn setting(name: &str, value: &str, place: Place, findings: &mut Findings) {
    if place == Place::Label {
        return body::pair(name, value, place, findings);
    }
    let whole = Secret::new(format!("{name}={value}"));
    body::assignment(whole.expose(), place, findings);
}

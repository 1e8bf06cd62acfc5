//! `-output-curl-string` and `-output-policy`: what would be sent, as a `curl` command, or as the
//! policy that it needs.
//!
//! Whether a path needs `sudo` is the server's own word (`x-vault-sudo` in its OpenAPI document), so
//! that the policy suffices there; where it does not say, OpenBao's paths count, which its command line
//! has in a list (openbao/openbao, `api/plugin_helpers.go`).

use super::delivery::quoted;
use super::names::Name;
use super::{Context, Exit, Failure};
use cofferdam_api::{Client, Endpoint, Method, Rehearsal, Tree, Trust};
use std::collections::BTreeSet;

/// Paths of OpenBao that need `sudo`, as its documents name them.
const SUDO: [&str; 26] = [
    "auth/token/accessors",
    "pki/root",
    "pki/root/sign-self-issued",
    "sys/audit",
    "sys/audit/{path}",
    "sys/auth/{path}",
    "sys/auth/{path}/tune",
    "sys/config/auditing/request-headers",
    "sys/config/auditing/request-headers/{header}",
    "sys/config/cors",
    "sys/config/ui/headers",
    "sys/config/ui/headers/{header}",
    "sys/internal/inspect/request",
    "sys/internal/inspect/router/{tag}",
    "sys/leases",
    "sys/leases/lookup",
    "sys/leases/lookup/{prefix}",
    "sys/leases/revoke-force/{prefix}",
    "sys/leases/revoke-prefix/{prefix}",
    "sys/plugins/catalog/{name}",
    "sys/raw",
    "sys/raw/{path}",
    "sys/remount",
    "sys/revoke-force/{prefix}",
    "sys/revoke-prefix/{prefix}",
    "sys/rotate",
];

/// The document that says which paths need `sudo`.
const DOCUMENT: &str = "sys/internal/specs/openapi";

impl Context {
    /// How a command ends that was rehearsed: its first request is printed.
    pub(crate) async fn ended(&self, outcome: Result<Exit, Failure>) -> Result<Exit, Failure> {
        if !self.rehearses() {
            return outcome;
        }
        match outcome {
            Err(failure) => match failure.rehearsed() {
                Err(failure) => Err(failure),
                Ok(rehearsal) => self.rehearse(&rehearsal).await,
            },
            Ok(_) => {
                self.say("nothing is asked of a server by this command");
                Ok(Exit::Local)
            }
        }
    }

    async fn rehearse(&self, rehearsal: &Rehearsal) -> Result<Exit, Failure> {
        let text = if self.wants_curl() {
            curl(rehearsal, self.trust())
        } else {
            let path = rehearsal.request.path().trim_matches('/');
            let needs_sudo = needs_sudo(&rehearsal.client, path).await;
            let whole = path.ends_with('*') || path.split('/').any(|segment| segment == "+");
            if whole {
                self.say("note: in a policy this path stands for others as well");
            }
            policy(path, rehearsal.request.method(), needs_sudo)
        };
        self.out(text.as_bytes())?;
        Ok(Exit::Success)
    }
}

fn policy(path: &str, method: Method, needs_sudo: bool) -> String {
    let mut capabilities = match method {
        Method::Get => vec!["read"],
        Method::List => vec!["list"],
        Method::Scan => vec!["scan"],
        Method::Post | Method::Put => vec!["create", "update"],
        Method::Patch => vec!["patch"],
        Method::Delete => vec!["delete"],
    };
    if needs_sudo {
        capabilities.push("sudo");
    }
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    let capabilities = capabilities.join("\", \"");
    format!("path \"{path}\" {{\n  capabilities = [\"{capabilities}\"]\n}}\n")
}

async fn needs_sudo(client: &Client, path: &str) -> bool {
    let asking = client.clone().in_earnest().without_wrapping();
    let document = asking.read(DOCUMENT).await.ok();
    let document = document.and_then(|answer| answer.body_tree());
    let said = document.as_ref().and_then(|document| {
        let paths = document.get("paths")?;
        let known = paths.entries().filter(|(form, _)| fits(form, path));
        // Of several forms the one with the most of the path in plain is the path's own.
        let (_, item) = known.max_by_key(|(form, _)| plain(form))?;
        Some(
            item.get("x-vault-sudo")
                .and_then(Tree::as_bool)
                .unwrap_or(false),
        )
    });
    said.unwrap_or_else(|| SUDO.iter().any(|form| fits(form, path)))
}

/// Characters of a form that are not made up.
fn plain(form: &str) -> usize {
    let segments = form.split('/').filter(|segment| !segment.starts_with('{'));
    segments.map(|segment| segment.len() + 1).sum()
}

/// Whether a path has this form, in which `{name}` stands for one segment or more. The form is the
/// server's: the work is bounded by its length times that of the path.
fn fits(form: &str, path: &str) -> bool {
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    // How many segments of the path the form may have taken so far.
    let mut taken = BTreeSet::from([0]);
    for segment in form.trim_matches('/').split('/') {
        let Some(fewest) = taken.first().copied() else {
            return false;
        };
        taken = if segment.starts_with('{') {
            (fewest + 1..=path.len()).collect()
        } else {
            let same = |at: &usize| path.get(*at) == Some(&segment);
            taken.into_iter().filter(same).map(|at| at + 1).collect()
        };
    }
    taken.contains(&path.len())
}

/// The request as a command. The token is a command in it, never its value.
fn curl(rehearsal: &Rehearsal, trust: Trust) -> String {
    let (request, client) = (&rehearsal.request, &rehearsal.client);
    let mut words = vec!["curl".to_owned()];
    let (method, endpoint) = (request.method(), client.endpoint());
    match method {
        Method::Get | Method::List | Method::Scan => {}
        Method::Post => words.push("-X POST".to_owned()),
        Method::Put => words.push("-X PUT".to_owned()),
        Method::Patch => words.push("-X PATCH".to_owned()),
        Method::Delete => words.push("-X DELETE".to_owned()),
    }
    let base = match endpoint {
        Endpoint::Socket(path) => {
            words.push(format!(
                "--unix-socket {}",
                quoted(&path.display().to_string())
            ));
            "http://localhost".to_owned()
        }
        Endpoint::Https { .. } if trust.dangerous_skip_verify => {
            words.push("--insecure".to_owned());
            endpoint.to_string()
        }
        Endpoint::Https { .. } => {
            let ca = trust.ca_cert.or(trust.own_ca.filter(|path| path.exists()));
            words
                .extend(ca.map(|path| format!("--cacert {}", quoted(&path.display().to_string()))));
            endpoint.to_string()
        }
        Endpoint::Http { .. } => endpoint.to_string(),
    };
    words.push("-H \"X-Vault-Request: true\"".to_owned());
    for (name, value) in client.manner().headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        words.push(format!("-H {}", quoted(&format!("{name}: {value}"))));
    }
    if let Some(ttl) = client.wrap_ttl() {
        words.push(format!("-H {}", word(&format!("X-Vault-Wrap-TTL: {ttl}"))));
    }
    if client.token().is_some() {
        let name = Name::called().word();
        words.push(format!("-H \"X-Vault-Token: $({name} print token)\""));
    }
    if method == Method::Patch {
        words.push("-H \"Content-Type: application/merge-patch+json\"".to_owned());
    }
    if let Some(body) = request.body() {
        let body = String::from_utf8_lossy(body.expose());
        words.push(format!("-d {}", quoted(&body)));
    }
    let url = format!("{base}{}", request.target());
    words.push(word(&url));
    format!("{}\n", words.join(" "))
}

/// A word of a command in the quotes that Vault's has, where a shell obeys nothing in them.
fn word(text: &str) -> String {
    match text.contains(['$', '`', '"', '\\', '!']) {
        true => quoted(text),
        false => format!("\"{text}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_form_stands_for_one_segment_or_more() {
        for (form, path) in [
            ("/sys/audit/{path}", "sys/audit/a"),
            ("/sys/audit/{path}", "sys/audit/a/b"),
            ("/sys/auth/{path}/tune", "sys/auth/team/a/tune"),
            ("/auth/token/accessors/", "auth/token/accessors"),
            ("{a}/x/{b}", "q/r/x/s/t"),
            ("{a}/x/{b}", "x/x/x"),
        ] {
            assert!(fits(form, path), "{form} {path}");
        }
        for (form, path) in [
            ("/sys/audit/{path}", "sys/audit"),
            ("/sys/audit", "sys/audit/a"),
            ("/sys/auth/{path}/tune", "sys/auth/tune"),
            ("/sys/auth/{path}/tune", "sys/auth/a/tune/b"),
            ("{a}/x/{b}", "x/x"),
        ] {
            assert!(!fits(form, path), "{form} {path}");
        }
        let (form, path) = ("{a}/".repeat(300) + "end", "a/".repeat(300) + "other");
        assert!(!fits(&form, &path), "and it ends");
        assert!(plain("/sys/auth/{path}/tune") > plain("/sys/auth/{path}"));
    }

    #[test]
    fn a_shell_that_reads_the_command_runs_nothing_else() {
        let client = Client::new(
            Endpoint::parse("http://127.0.0.1:8200").unwrap(),
            Trust::default(),
            None,
        );
        for ttl in [
            "$(echo ran)",
            "`echo ran`",
            "1h\" ; echo ran ; \"",
            "\\",
            "'",
        ] {
            let rehearsal = Rehearsal {
                request: cofferdam_api::Request::get("a$b`c\"d"),
                client: client
                    .as_ref()
                    .unwrap()
                    .clone()
                    .with_wrap_ttl(ttl.to_owned()),
            };
            let line = curl(&rehearsal, Trust::default());
            let printed = line.replacen("curl", "printf '%s\\n'", 1);
            let shell = std::process::Command::new("sh")
                .args(["-c", &printed])
                .output();
            let said = String::from_utf8(shell.unwrap().stdout).unwrap();
            let header = format!("X-Vault-Wrap-TTL: {ttl}\n");
            assert!(said.contains(&header), "{line}{said}");
            assert!(said.ends_with("/v1/a$b%60c%22d\n"), "{line}{said}");
        }
    }

    #[test]
    fn a_path_cannot_end_its_own_quotes() {
        let text = policy("secret/a\"b\\", Method::Get, false);
        assert!(text.starts_with("path \"secret/a\\\"b\\\\\" {\n"), "{text}");
        let policy = policy("a", Method::Put, true);
        assert!(policy.contains("[\"create\", \"update\", \"sudo\"]"));
    }
}

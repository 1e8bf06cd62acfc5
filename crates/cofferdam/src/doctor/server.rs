//! The server that this command line would use: sealed or not, recorded or not, its CA, its version.

use super::{Outcome, quoted};
use cofferdam_api::{Client, Error, Tree};
use std::path::PathBuf;

/// A CA is made anew in less time than this, if somebody knows.
const SOON: i64 = 30 * 24 * 60 * 60;

/// What the server says.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) seal: Seal,
    pub(crate) version: Option<String>,
    /// Audit devices; `None`: not allowed to ask.
    pub(crate) audit: Option<usize>,
    /// Certificates that clients pin, and what is left of them in seconds.
    pub(crate) certificates: Vec<Certificate>,
}

/// What came of asking.
#[derive(Debug, Default)]
pub(crate) enum Seal {
    /// Nobody answers; why.
    Silent(String),
    /// It answers and does not serve.
    Sealed,
    /// It has no store yet.
    Uninitialized,
    /// It serves.
    #[default]
    Open,
}

/// A certificate in a file.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) path: PathBuf,
    /// Seconds until its end; `None`: it cannot be read.
    pub(crate) left: Option<i64>,
}

impl Facts {
    /// `now` in seconds since 1970.
    pub(crate) async fn gather(client: &Client, certificates: &[PathBuf], now: i64) -> Self {
        let mut facts = Self {
            certificates: certificates
                .iter()
                .filter(|path| path.exists())
                .map(|path| Certificate {
                    path: path.clone(),
                    left: std::fs::read(path).ok().and_then(|pem| left(&pem, now)),
                })
                .collect(),
            ..Self::default()
        };
        let status = match client.read("sys/seal-status").await {
            Ok(answer) => answer.body_tree().unwrap_or(Tree::Null),
            Err(error) => {
                facts.seal = Seal::Silent(first_line(&error));
                return facts;
            }
        };
        let truth = |name| status.get(name).and_then(Tree::as_bool);
        facts.version = status
            .get("version")
            .and_then(Tree::as_text)
            .map(str::to_owned);
        facts.seal = match (truth("initialized"), truth("sealed")) {
            (Some(false), _) => Seal::Uninitialized,
            (_, Some(false)) => Seal::Open,
            _ => Seal::Sealed,
        };
        if matches!(facts.seal, Seal::Open) {
            let devices = client.read("sys/audit").await.ok();
            let devices = devices.and_then(|answer| answer.tree());
            facts.audit = devices.map(|devices| devices.entries().count());
        }
        facts
    }

    pub(crate) fn judge(&self, own_version: &str) -> Vec<Outcome> {
        let mut outcomes = vec![self.judge_seal()];
        if matches!(self.seal, Seal::Open) {
            outcomes.push(self.judge_audit());
        }
        outcomes.extend(self.judge_version(own_version));
        outcomes.extend(self.certificates.iter().map(judge_certificate));
        outcomes
    }

    fn judge_seal(&self) -> Outcome {
        const CHECK: &str = "server";
        match &self.seal {
            Seal::Open => Outcome::good(CHECK, "answers, unsealed"),
            Seal::Sealed => Outcome::finding(
                CHECK,
                "is sealed: nobody gets a secret",
                "cofferdam operator unseal",
            ),
            Seal::Uninitialized => {
                Outcome::finding(CHECK, "has no store yet", "cofferdam operator init")
            }
            Seal::Silent(why) => Outcome::finding(CHECK, why.clone(), "cofferdam up"),
        }
    }

    fn judge_audit(&self) -> Outcome {
        const CHECK: &str = "audit";
        match self.audit {
            None => Outcome::unknown(CHECK, "this token may not list the devices"),
            Some(0) => Outcome::finding(
                CHECK,
                "nobody records who read what",
                "cofferdam audit enable file file_path=/var/log/cofferdam-audit.log",
            ),
            Some(count) => Outcome::good(CHECK, format!("{count} device(s)")),
        }
    }

    /// An old server behind a new command line was not restarted.
    fn judge_version(&self, own: &str) -> Option<Outcome> {
        const CHECK: &str = "server-version";
        let version = self.version.as_deref()?;
        // Ours says which version of Vault's API it speaks, then its own; others have no such end.
        Some(match version.split_once("+cofferdam.") {
            Some((_, server)) if server != own => Outcome::finding(
                CHECK,
                format!("the server is {server}, this command is {own}"),
                "cofferdam down && cofferdam up, or: systemctl restart cofferdam.service",
            ),
            _ => Outcome::good(CHECK, version),
        })
    }
}

fn judge_certificate(certificate: &Certificate) -> Outcome {
    const CHECK: &str = "tls-ca";
    let path = &certificate.path;
    let shown = path.display();
    let anew = format!(
        "cofferdam down && rm {} && cofferdam up, then give clients the new one",
        quoted(path)
    );
    match certificate.left {
        None => Outcome::unknown(CHECK, format!("no certificate that can be read: {shown}")),
        Some(left) if left <= 0 => Outcome::finding(CHECK, format!("{shown} has ended"), anew),
        Some(left) if left < SOON => {
            let days = left / 86400;
            Outcome::finding(CHECK, format!("{shown} ends in {days} days"), anew)
        }
        Some(left) => Outcome::good(CHECK, format!("{shown} ends in {} days", left / 86400)),
    }
}

/// What is left of the first certificate of a PEM file, in seconds.
fn left(pem: &[u8], now: i64) -> Option<i64> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem).ok()?;
    let certificate = block.parse_x509().ok()?;
    Some(certificate.validity().not_after.timestamp() - now)
}

fn first_line(error: &Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_server_that_does_not_serve_is_a_finding_with_its_command() {
        for (seal, command) in [
            (Seal::Sealed, "cofferdam operator unseal"),
            (Seal::Uninitialized, "cofferdam operator init"),
            (Seal::Silent("no server".to_owned()), "cofferdam up"),
        ] {
            let facts = Facts {
                seal,
                ..Facts::default()
            };
            assert_eq!(facts.judge_seal().hint.as_deref(), Some(command));
        }
    }

    #[test]
    fn a_server_without_audit_is_a_finding() {
        for (audit, state) in [
            (Some(0), State::Finding),
            (Some(1), State::Good),
            (None, State::Unknown),
        ] {
            let facts = Facts {
                audit,
                ..Facts::default()
            };
            assert_eq!(facts.judge_audit().state, state);
        }
    }

    #[test]
    fn an_older_server_of_ours_is_a_finding_and_a_vault_is_not() {
        let judged = |version: &str| {
            let facts = Facts {
                version: Some(version.to_owned()),
                ..Facts::default()
            };
            facts.judge_version("0.2.0").unwrap().state
        };
        assert_eq!(judged("1.18.0+cofferdam.0.1.0"), State::Finding);
        assert_eq!(judged("1.18.0+cofferdam.0.2.0"), State::Good);
        assert_eq!(judged("1.18.3"), State::Good);
    }

    #[test]
    fn a_ca_that_ends_soon_is_a_finding() {
        let judged = |left| {
            judge_certificate(&Certificate {
                path: "/ca.pem".into(),
                left,
            })
            .state
        };
        assert_eq!(judged(Some(-1)), State::Finding);
        assert_eq!(judged(Some(86400)), State::Finding);
        assert_eq!(judged(Some(SOON * 10)), State::Good);
        assert_eq!(judged(None), State::Unknown);
        assert_eq!(left(b"nonsense", 0), None);
    }
}

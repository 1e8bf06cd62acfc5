//! Why a container gets no answer of the server, in words for whoever wrote the program in it.

use http::StatusCode;

/// A refusal. Never holds a value; what it tells of the host is how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// Whoever holds the connection now is not known.
    #[error("the process that opened this connection has ended")]
    Gone,
    #[error("this process is in no container")]
    Host,
    #[error("this process is in a container of another runtime than Docker")]
    Foreign,
    #[error("this process is in a container within a container, or in a control group of its own")]
    Nested,
    #[error("the control groups of this process name more than one container")]
    Several,
    #[error("this container shares the host's process numbers (--pid=host)")]
    HostProcesses,
    #[error("this process is in another user namespace than the engine")]
    UserNamespace,
    #[error("this process has left the namespaces of its container")]
    Elsewhere,
    #[error("the Docker engine of this host knows no such container")]
    Unknown,
    #[error("the container does not run")]
    Stopped,
    #[error(
        "the container could put its own socket in this one's place: the directory is mounted writable"
    )]
    Writable,
    #[error("the Docker engine does not answer")]
    Engine,
    #[error("the auth method docker is not enabled")]
    NotEnabled,
    #[error("this host may not attest containers")]
    NotAllowed,
    /// The server's own words about the container.
    #[error("{0}")]
    NotAdmitted(String),
    #[error("the secret server does not answer")]
    Silent,
    #[error("the secret server is sealed")]
    Sealed,
    #[error("a token of its own does not go through this socket")]
    ForeignToken,
    #[error("{0}")]
    Head(&'static str),
    #[error("nothing is served here; the API is under /v1/")]
    Path,
    #[error("streams of events do not go through this socket")]
    Stream,
    #[error("the request is too large or too slow")]
    Body,
    #[error("too many connections of this container")]
    Busy,
}

impl Refused {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Head(_) => StatusCode::BAD_REQUEST,
            Self::Path | Self::Stream => StatusCode::NOT_FOUND,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Engine | Self::Silent => StatusCode::BAD_GATEWAY,
            Self::Sealed => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::FORBIDDEN,
        }
    }

    /// What to do next, where there is something.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Gone => Some("connect again, from the process that asks"),
            Self::Host => Some("on the host use: cofferdam kv get …"),
            Self::HostProcesses => Some("start the container without --pid=host"),
            Self::Writable => {
                Some("mount it read-only: -v /run/cofferdam/workload:/run/cofferdam:ro")
            }
            Self::NotEnabled => Some("on the host: cofferdam auth enable docker"),
            Self::NotAllowed => {
                Some("its token needs: path \"auth/docker/attest\" { capabilities = [\"update\"] }")
            }
            Self::NotAdmitted(text) if text.starts_with("no role") => Some(
                "on the host: cofferdam write auth/docker/role/NAME bound_image_ids=sha256:… token_policies=POLICY",
            ),
            Self::Sealed => Some("on the host: cofferdam operator unseal"),
            Self::ForeignToken => Some(
                "send none: unset VAULT_TOKEN, COFFERDAM_TOKEN and BAO_TOKEN, remove ~/.vault-token",
            ),
            Self::Stream => {
                Some("for values that change while you run use a volume with on_change")
            }
            Self::Busy => Some("close connections that are not used, or keep one open"),
            _ => None,
        }
    }

    /// As Vault's clients read it.
    pub(super) fn body(&self) -> String {
        let hint = self.hint().map(|hint| format!("hint: {hint}"));
        let lines: Vec<_> = std::iter::once(self.to_string()).chain(hint).collect();
        serde_json::json!({ "errors": lines }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// What a container reads in each refusal, as `refusals.txt` beside this file has it.
    /// `COFFERDAM_UPDATE=1` writes it anew; read the difference before it is committed.
    #[test]
    fn every_refusal_is_written_down() {
        let all = [
            Refused::Gone,
            Refused::Host,
            Refused::Foreign,
            Refused::Nested,
            Refused::Several,
            Refused::HostProcesses,
            Refused::UserNamespace,
            Refused::Elsewhere,
            Refused::Unknown,
            Refused::Stopped,
            Refused::Writable,
            Refused::Engine,
            Refused::NotEnabled,
            Refused::NotAllowed,
            Refused::NotAdmitted("no role admits this container".to_owned()),
            Refused::NotAdmitted("more than one role admits this container".to_owned()),
            Refused::Silent,
            Refused::Sealed,
            Refused::ForeignToken,
            Refused::Head("a header is there twice"),
            Refused::Path,
            Refused::Stream,
            Refused::Body,
            Refused::Busy,
        ];
        let mut happened = String::new();
        for refused in &all {
            let (status, body) = (refused.status().as_u16(), refused.body());
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            writeln!(happened, "{status}").unwrap();
            for line in body["errors"].as_array().unwrap() {
                writeln!(happened, "  {}", line.as_str().unwrap()).unwrap();
            }
        }
        if std::env::var_os("COFFERDAM_UPDATE").is_some() {
            let path = concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/src/docker/workload/refusals.txt"
            );
            std::fs::write(path, &happened).unwrap();
        }
        assert_eq!(happened, include_str!("refusals.txt"));
    }
}

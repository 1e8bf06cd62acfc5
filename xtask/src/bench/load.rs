//! The loads, as scripts for `wrk`, and how its report is read.

use super::server::{Prepared, Server};
use crate::sh;
use anyhow::{Context as _, Result, bail};

/// Reads one secret again and again.
pub(super) const READ: &str = r#"
wrk.method = "GET"
wrk.path = "/v1/secret/data/bench/read"
wrk.headers["X-Vault-Token"] = TOKEN
"#;

/// Writes 300 bytes to one of 10,000 paths.
pub(super) const WRITE: &str = r#"
wrk.headers["X-Vault-Token"] = TOKEN
local body = '{"data":{"value":"' .. string.rep("x", 300) .. '"}}'
local count = 0
request = function()
  count = count + 1
  return wrk.format("POST", "/v1/secret/data/bench/write-" .. (count % 10000), nil, body)
end
"#;

/// Logs in with a RoleID and a SecretID.
pub(super) const LOGIN: &str = r#"
wrk.method = "POST"
wrk.path = "/v1/auth/approle/login"
wrk.body = LOGIN
"#;

/// Makes a token that lives ten minutes.
pub(super) const CREATE: &str = r#"
wrk.method = "POST"
wrk.path = "/v1/auth/token/create"
wrk.headers["X-Vault-Token"] = TOKEN
wrk.body = '{"policies":["bench-0"],"ttl":"10m"}'
"#;

/// Looks its own token up.
pub(super) const LOOKUP: &str = r#"
wrk.method = "GET"
wrk.path = "/v1/auth/token/lookup-self"
wrk.headers["X-Vault-Token"] = TOKEN
"#;

/// Encrypts 64 bytes.
pub(super) const ENCRYPT: &str = r#"
wrk.method = "POST"
wrk.path = "/v1/transit/encrypt/bench"
wrk.headers["X-Vault-Token"] = TOKEN
wrk.body = '{"plaintext":"' .. string.rep("QUJD", 21) .. 'QQ=="}'
"#;

/// Lists the names below a path that has 10,000; `wrk` does not know the method LIST.
pub(super) const LIST: &str = r#"
wrk.method = "GET"
wrk.path = "/v1/secret/metadata/bench/many?list=true"
wrk.headers["X-Vault-Token"] = TOKEN
"#;

/// One load.
pub(super) struct Load {
    pub(super) name: &'static str,
    pub(super) connections: u32,
    pub(super) script: &'static str,
    /// Policies of the token.
    pub(super) policies: usize,
}

impl Load {
    /// Requests a second; an answer that is not 2xx is an error.
    pub(super) fn run(&self, server: &Server, prepared: &Prepared, seconds: u32) -> Result<f64> {
        let token = if self.policies == 1 {
            &prepared.token
        } else {
            &prepared.token_many
        };
        let script = server.directory().join("load.lua");
        // The wrapped statistics tell answers that are not 2xx apart from transport errors.
        let text = format!(
            "TOKEN = '{token}'\nLOGIN = '{}'\n{}",
            prepared.login, self.script
        );
        std::fs::write(&script, text).context("cannot write the load script")?;
        let seconds = format!("{seconds}s");
        let connections = self.connections.to_string();
        let script = script.to_string_lossy().into_owned();
        let url = server.url();
        let command = [
            "-c",
            "1",
            "wrk",
            "-t1",
            "-c",
            &connections,
            "-d",
            &seconds,
            "-s",
            &script,
            &url,
        ];
        sh::say(&format!("{}: {}", server.name(), self.name));
        let report = sh::output(sh::command("taskset", command))?;
        if report.contains("Non-2xx") || report.contains("Socket errors") {
            bail!("{} answered with errors:\n{report}", server.name());
        }
        let rate = report
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"));
        rate.and_then(|text| text.trim().parse().ok())
            .with_context(|| format!("wrk printed no rate:\n{report}"))
    }
}

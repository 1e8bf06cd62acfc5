//! Logins with a browser: a real OpenBao is the provider, and beside us the judge. The test is the
//! browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/server.rs"]
mod bao;

use bao::{Bao, ask_as};
use flows::{Server, peers, ports};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

/// A provider with one user who is logged in there.
struct Provider {
    bao: Bao,
    client: (String, String),
    /// The user's token there.
    user: String,
}

impl Provider {
    fn start() -> Self {
        let bao = Bao::start();
        let done = |method: &str, path: &str, body: Value| {
            let (status, answer) = bao.ask(method, path, &body);
            assert!(status < 300, "{path}: {answer}");
            answer
        };
        done("POST", "sys/auth/userpass", json!({"type": "userpass"}));
        done(
            "POST",
            "auth/userpass/users/ada",
            json!({"password": "lovelace"}),
        );
        let login = done(
            "POST",
            "auth/userpass/login/ada",
            json!({"password": "lovelace"}),
        );
        let settings = json!({"redirect_uris": "http://localhost:8250/oidc/callback", "assignments": "allow_all"});
        done("POST", "identity/oidc/client/us", settings);
        let client = done("GET", "identity/oidc/client/us", Value::Null);
        let text = |field: &str| client["data"][field].as_str().unwrap().to_owned();
        Self {
            client: (text("client_id"), text("client_secret")),
            user: login["auth"]["client_token"].as_str().unwrap().to_owned(),
            bao,
        }
    }

    fn issuer(&self) -> String {
        format!("{}/v1/identity/oidc/provider/default", self.bao.url())
    }

    /// What a browser does: the provider's page, and back to where it is sent.
    fn browse(&self, url: &str) -> String {
        let (_, query) = url.split_once('?').unwrap();
        let page = format!("identity/oidc/provider/default/authorize?{query}");
        let address = self.bao.url();
        let address = address.strip_prefix("http://").unwrap();
        let (status, answer) = ask_as(&self.user, address, "GET", &page, &Value::Null).unwrap();
        assert_eq!(status, 200, "{answer}");
        let (code, state) = (
            answer["code"].as_str().unwrap(),
            answer["state"].as_str().unwrap(),
        );
        let back = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("redirect_uri="))
            .unwrap();
        let back = back.replace("%3A", ":").replace("%2F", "/");
        get(&format!("{back}?code={code}&state={state}"))
    }
}

/// Reads an address on this machine.
fn get(url: &str) -> String {
    let (host, target) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Runs a login until it shows an address, does `browse` with it, and waits for the end.
fn login(mut command: Command, browse: impl FnOnce(&str)) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    loop {
        let begun = said.len();
        let read = stderr.read_line(&mut said).unwrap();
        assert!(read > 0, "no address was shown: {said}");
        let line = said[begun..].trim().to_owned();
        if line.starts_with("http") {
            browse(&line);
            break;
        }
    }
    // Whatever it says after that must not stop it.
    let rest = std::thread::spawn(move || {
        let _ = stderr.read_to_string(&mut said);
        said
    });
    let mut output = child.wait_with_output().unwrap();
    output.stderr = rest.join().unwrap().into_bytes();
    output
}

/// Sets the method up, as one would with `bao`.
fn set_up(ask: &dyn Fn(&str, &str, Value) -> (u16, Value), provider: &Provider) {
    let config = json!({
        "oidc_discovery_url": provider.issuer(), "oidc_client_id": provider.client.0,
        "oidc_client_secret": provider.client.1, "default_role": "web",
    });
    let role = json!({
        "user_claim": "sub", "allowed_redirect_uris": "http://localhost:8250/oidc/callback", "token_policies": "shop",
        "token_ttl": "5m",
    });
    for (path, body) in [
        ("sys/auth/oidc", json!({"type": "oidc"})),
        ("auth/oidc/config", config),
        ("auth/oidc/role/web", role),
    ] {
        let (status, answer) = ask("POST", path, body);
        assert_eq!(status, 204, "{path}: {answer}");
    }
}

#[test]
fn the_openbao_command_line_logs_in_by_a_browser_on_ours_as_on_its_own() {
    let (provider, server) = (Provider::start(), Server::dev("root"));
    let log = server.directory().path().join("audit.log");
    let address = server.address().strip_prefix("http://").unwrap();
    let ours = |method: &str, path: &str, body: Value| {
        ask_as("root", address, method, path, &body).unwrap()
    };
    ours(
        "POST",
        "sys/audit/file",
        json!({"type": "file", "options": {"file_path": log}}),
    );
    set_up(&ours, &provider);
    set_up(
        &|method, path, body| provider.bao.ask(method, path, &body),
        &provider,
    );
    let seen: Vec<Value> = [server.address().to_owned(), provider.bao.url()]
        .iter()
        .map(|address| {
            let mut command = Command::new(peers::bao());
            command
                .args([
                    "login",
                    "-no-store",
                    "-format=json",
                    "-method=oidc",
                    "role=web",
                    "skip_browser=true",
                ])
                .arg(format!("port={}", ports::free()))
                .env("BAO_ADDR", address)
                .env("HOME", server.directory().path());
            let output = login(command, |url| drop(provider.browse(url)));
            assert!(
                output.status.success(),
                "{address}: {}",
                flows::server::shown(&output)
            );
            serde_json::from_slice(&output.stdout).unwrap()
        })
        .collect();
    for field in [
        "policies",
        "token_policies",
        "metadata",
        "lease_duration",
        "renewable",
        "token_type",
        "orphan",
        "num_uses",
    ] {
        assert_eq!(seen[0]["auth"][field], seen[1]["auth"][field], "{field}");
    }
    // The same questions, the same answers.
    let empty = |body: Value| {
        let ours = ours("POST", "auth/oidc/oidc/auth_url", body.clone());
        let theirs = provider.bao.ask("POST", "auth/oidc/oidc/auth_url", &body);
        assert_eq!(
            (ours.0, &ours.1["data"]),
            (theirs.0, &theirs.1["data"]),
            "{body}"
        );
    };
    empty(json!({"redirect_uri": "http://localhost:8250/other"}));
    empty(json!({"redirect_uri": "https://evil.example/oidc/callback"}));
    empty(json!({"role": "nobody", "redirect_uri": "http://localhost:8250/oidc/callback"}));
    empty(json!({}));
    let body = json!({"redirect_uri": "http://localhost:8250/oidc/callback", "client_nonce": "n"});
    let names = |answer: (u16, Value)| {
        let url = answer.1["data"]["auth_url"].as_str().unwrap().to_owned();
        let (page, query) = url.split_once('?').unwrap();
        let mut names: Vec<_> = query
            .split('&')
            .map(|pair| pair.split('=').next().unwrap().to_owned())
            .collect();
        names.sort();
        (page.to_owned(), names)
    };
    assert_eq!(
        names(ours("POST", "auth/oidc/oidc/auth_url", body.clone())),
        names(provider.bao.ask("POST", "auth/oidc/oidc/auth_url", &body))
    );
    let callback = "auth/oidc/oidc/callback?state=made-up&code=c";
    let (mine, theirs) = (
        ours("GET", callback, Value::Null),
        provider.bao.ask("GET", callback, &Value::Null),
    );
    assert_eq!(mine.0, theirs.0);
    assert_eq!(
        mine.1["errors"][0],
        "Vault login failed. Expired or missing OAuth state."
    );
    let audit = std::fs::read_to_string(log).unwrap();
    assert!(audit.contains("oidc/callback"), "the login is on record");
    assert!(
        !audit.contains(&provider.client.1),
        "the audit log shows the client's secret"
    );
}

#[test]
fn our_command_line_logs_in_by_a_browser_and_believes_nobody_else() {
    let (provider, server) = (Provider::start(), Server::dev("root"));
    let address = server.address().strip_prefix("http://").unwrap();
    set_up(
        &|method, path, body| ask_as("root", address, method, path, &body).unwrap(),
        &provider,
    );
    let command = |words: &[&str]| {
        let mut command = server.command(
            &[
                &["login", "-no-store", "-token-only", "-method=oidc"],
                words,
            ]
            .concat(),
        );
        command.env("COFFERDAM_ADDR", server.address());
        command
    };
    let own = ports::free();
    let place = format!("port={own}");
    let output = login(command(&[&place, "skip_browser=true"]), |url| {
        let stray = get(&format!(
            "http://localhost:{own}/oidc/callback?code=evil&state=evil"
        ));
        assert!(stray.starts_with("HTTP/1.1 404 "), "{stray}");
        let stray = get(&format!("http://localhost:{own}/favicon.ico"));
        assert!(stray.starts_with("HTTP/1.1 404 "), "{stray}");
        let page = provider.browse(url);
        assert!(
            page.starts_with("HTTP/1.1 200 ") && page.contains("You are logged in"),
            "{page}"
        );
        assert!(
            page.contains("default-src 'none'") && !page.contains("hvs."),
            "{page}"
        );
    });
    assert!(output.status.success(), "{}", flows::server::shown(&output));
    let token = String::from_utf8(output.stdout).unwrap();
    let (status, me) = server.curl(token.trim(), "GET", "auth/token/lookup-self", "");
    assert_eq!(status, 200, "{me}");
    assert!(
        me.contains("\"display_name\":\"oidc-") && me.contains("\"shop\""),
        "{me}"
    );
    // The provider says no.
    let own = ports::free();
    let place = format!("port={own}");
    let output = login(command(&[&place, "skip_browser=1"]), |url| {
        let state = url
            .split(['?', '&'])
            .find_map(|pair| pair.strip_prefix("state="))
            .unwrap();
        let page = get(&format!(
            "http://localhost:{own}/oidc/callback?error=access_denied&state={state}"
        ));
        assert!(page.contains("The login failed"), "{page}");
    });
    let said = flows::server::shown(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("access_denied"), "{said}");
    // From an address that the role does not allow.
    let place = format!("port={}", ports::free());
    let output = command(&[&place, "callbackhost=desk.example"])
        .output()
        .unwrap();
    let said = flows::server::shown(&output);
    assert!(
        said.contains("hint: the role's allowed_redirect_uris must have this address"),
        "{said}"
    );
}

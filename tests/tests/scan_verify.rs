//! `cofferdam scan -verify`: what providers are asked, what they are not told, and that nobody is asked
//! without the flag.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use cofferdam_detect::pattern::specimen;
use flows::providers::{Answer, Asked, Providers};
use flows::server::{bare, binary, shown};
use flows::{Server, ports};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

const HOSTS: [&str; 6] = [
    "api.github.com",
    "slack.com",
    "gitlab.com",
    "registry.npmjs.org",
    "api.stripe.com",
    "sts.amazonaws.com",
];

/// What lies in the files, by a short name.
fn values() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("github-live", specimen("ghp_{base62:36}", 1)),
        ("github-dead", specimen("ghp_{base62:36}", 2)),
        (
            "slack",
            specimen("xoxb-{digits:12}-{digits:12}-{base62:24}", 3),
        ),
        ("gitlab", specimen("glpat-{base62:20}", 4)),
        ("npm", specimen("npm_{base62:36}", 5)),
        ("stripe", specimen("sk_live_{base62:24}", 6)),
        ("aws-id", specimen("AKIA{base32:16}", 7)),
        ("aws-secret", specimen("{base64:40}", 8)),
        ("lonely", specimen("{base64:40}", 9)),
        ("pypi", specimen("pypi-AgEIcHlwaS5vcmc{base62:80}", 10)),
    ])
}

/// A tree with all of them; some files try to say where values go.
fn tree(home: &Path) -> std::path::PathBuf {
    let values = values();
    let place = home.join("tree");
    std::fs::create_dir_all(place.join("aws")).unwrap();
    let write = |name: &str, text: String| std::fs::write(place.join(name), text).unwrap();
    let live = &values["github-live"];
    write(
        "a.env",
        format!(
            "GITHUB_TOKEN={live}\nGITHUB_API_URL=https://evil.example/\nHTTPS_PROXY=http://evil.example:1\n"
        ),
    );
    write(
        "b.env",
        format!("TOKEN={live}\nOLD={}\n", values["github-dead"]),
    );
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(live);
    write(
        "secret.yaml",
        format!("kind: Secret\nmetadata: {{name: x}}\ndata:\n  token: {encoded}\n"),
    );
    write(
        "c.env",
        format!(
            "SLACK_TOKEN={}\nGITLAB_TOKEN={}\nCI_SERVER_URL=https://evil.example\nNPM_TOKEN={}\nSTRIPE={}\n",
            values["slack"], values["gitlab"], values["npm"], values["stripe"]
        ),
    );
    write(
        "aws/credentials",
        format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            values["aws-id"], values["aws-secret"]
        ),
    );
    write(
        "lonely.env",
        format!("aws_secret_access_key={}\n", values["lonely"]),
    );
    write("pypirc", format!("password = {}\n", values["pypi"]));
    place
}

fn answer(asked: &Asked) -> Answer {
    let has = |name: &str| asked.head.contains(&values()[name]);
    match asked.host.as_str() {
        "api.github.com" if has("github-live") => (200, "", r#"{"login":"jo"}"#),
        "slack.com" => (200, "", r#"{"ok":false,"error":"token_revoked"}"#),
        "registry.npmjs.org" => (302, "Location: https://evil.example/steal\r\n", ""),
        "api.stripe.com" => (429, "", ""),
        "sts.amazonaws.com" => (
            403,
            "",
            "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>",
        ),
        _ => (401, "", r#"{"message":"Bad credentials"}"#),
    }
}

fn holds_none(what: &str, text: &str) {
    for (name, value) in values() {
        assert!(!text.contains(&value), "{what} holds {name}");
    }
}

/// What was said of each place.
fn verdicts(output: &Output) -> BTreeMap<String, String> {
    let document: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(output)));
    let findings = document["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .map(|finding| {
            let location = text(&finding["location"]);
            let place = location.rsplit("tree/").next().unwrap().to_owned();
            let said = &finding["verified"];
            let words = [&said["state"], &said["by"], &said["reason"]].map(text);
            (format!("{place}:{}", finding["line"]), words.join("|"))
        })
        .collect()
}

#[test]
fn each_value_is_asked_about_once_and_at_its_own_provider() {
    let home = tempfile::tempdir().unwrap();
    let place = tree(home.path());
    let providers = Providers::start(home.path(), &HOSTS, answer);
    let scan = |words: &[&str]| {
        let mut command = bare(home.path());
        providers.lead(&mut command);
        command.args(["scan", "-no-store", "-verify"]).args(words);
        command.arg(&place).output().unwrap()
    };
    let output = scan(&["-format=json"]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    holds_none("the output", &shown(&output));
    let said = verdicts(&output);
    for (place, verdict) in [
        ("a.env:1", "live|api.github.com|"),
        ("b.env:1", "live|api.github.com|"),
        ("secret.yaml:4", "live|api.github.com|"),
        ("b.env:2", "dead|api.github.com|"),
        ("c.env:1", "dead|slack.com|"),
        (
            "c.env:2",
            "unknown|gitlab.com|does not know it; a GitLab of your own may",
        ),
        (
            "c.env:4",
            "unknown|registry.npmjs.org|it answers with a redirect (302), which is not followed",
        ),
        (
            "c.env:5",
            "unknown|api.stripe.com|it is asked too often (429); try again later",
        ),
        ("aws/credentials:3", "dead|sts.amazonaws.com|"),
        (
            "lonely.env:1",
            "unknown||not asked: no access key id lies beside it",
        ),
        (
            "pypirc:1",
            "unknown||not asked: PyPI has no question for it but an upload",
        ),
    ] {
        assert_eq!(
            said.get(place).map(String::as_str),
            Some(verdict),
            "{place}: {said:?}"
        );
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let first = words.lines().next().unwrap();
    let proxy = format!("by the proxy {}", providers.address());
    assert!(
        first.starts_with("asking about 7 values, each at its own provider: ")
            && first.contains(&format!("2 to api.github.com ({proxy})"))
            && first.contains(&format!("1 to sts.amazonaws.com ({proxy})")),
        "{words}"
    );
    assert!(
        words.contains("asked: 1 live, 3 dead, 3 unknown"),
        "{words}"
    );

    let asked = providers.asked();
    let hosts: Vec<&str> = asked.iter().map(|one| one.host.as_str()).collect();
    assert_eq!(
        hosts,
        [
            "api.github.com",
            "api.github.com",
            "api.stripe.com",
            "gitlab.com",
            "registry.npmjs.org",
            "slack.com",
            "sts.amazonaws.com"
        ]
    );
    let values = values();
    let agent = format!("user-agent: cofferdam/{}\r\n", env!("CARGO_PKG_VERSION"));
    let github = asked
        .iter()
        .find(|one| one.head.contains(&values["github-live"]))
        .unwrap();
    assert_eq!(
        github.head,
        format!(
            "GET /user HTTP/1.1\r\nhost: api.github.com\r\n{agent}authorization: Bearer {}\r\n\
             accept: application/vnd.github+json\r\nx-github-api-version: 2022-11-28\r\n\r\n",
            values["github-live"]
        )
    );
    assert_eq!(
        asked[5].head,
        format!(
            "POST /api/auth.test HTTP/1.1\r\nhost: slack.com\r\n{agent}authorization: Bearer {}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 0\r\n\r\n",
            values["slack"]
        )
    );
    let aws = &asked[6];
    assert!(
        aws.head
            .starts_with("POST / HTTP/1.1\r\nhost: sts.amazonaws.com\r\n")
    );
    assert_eq!(aws.body, "Action=GetCallerIdentity&Version=2011-06-15");
    let credential = format!("AWS4-HMAC-SHA256 Credential={}/", values["aws-id"]);
    assert!(aws.head.contains(&credential), "{}", aws.head);
    assert!(!aws.head.contains(&values["aws-secret"]));
    // Each host gets what is its own.
    for one in &asked {
        let own = values
            .values()
            .filter(|value| one.head.contains(value.as_str()) || one.body.contains(value.as_str()));
        assert_eq!(own.count(), 1, "{}", one.host);
    }

    for (format, wanted) in [
        ("text", "    live: api.github.com takes it"),
        ("sarif", "\"state\": \"dead\""),
        ("junit", "dead: slack.com does not take it"),
        ("github", "live: api.github.com takes it"),
        ("gitlab", "dead: sts.amazonaws.com does not take it"),
        ("html", "live: api.github.com takes it"),
    ] {
        let output = scan(&[&format!("-format={format}")]);
        let text = shown(&output);
        assert!(text.contains(wanted), "{format}: {text}");
        holds_none(format, &text);
    }
}

#[test]
fn who_cannot_be_trusted_is_told_nothing() {
    let home = tempfile::tempdir().unwrap();
    let place = tree(home.path());
    let providers = Providers::start(home.path(), &HOSTS, answer);
    let other = tempfile::tempdir().unwrap();
    // The right name, of an authority that nobody trusts.
    let stranger = Providers::start(other.path(), &HOSTS, answer);
    let nobody = ports::address();
    for (proxy, reason) in [
        (
            format!("http://{}", stranger.address()),
            "its certificate is not to be trusted",
        ),
        (format!("http://{nobody}"), "cannot be reached"),
        (
            format!("socks5://{}", providers.address()),
            "the proxy of the environment is not one with http://",
        ),
    ] {
        let mut command = bare(home.path());
        providers.lead(&mut command).env("https_proxy", &proxy);
        let output = command
            .args(["scan", "-no-store", "-verify", "-format=json"])
            .arg(&place)
            .output()
            .unwrap();
        let said = verdicts(&output);
        assert_eq!(
            said["a.env:1"],
            format!("unknown|api.github.com|{reason}"),
            "{proxy}: {}",
            shown(&output)
        );
        holds_none("the output", &shown(&output));
    }
    assert!(stranger.asked().is_empty() && providers.asked().is_empty());
    assert!(stranger.connections() > 0);
}

#[test]
fn without_the_flag_no_connection_is_made() {
    let home = tempfile::tempdir().unwrap();
    let place = tree(home.path());
    let providers = Providers::start(home.path(), &HOSTS, answer);
    let traced = |flags: &[&str]| {
        let log = home.path().join("strace.log");
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-e", "trace=%network", "-o"])
            .arg(&log)
            .arg(binary())
            .args(["scan", "-no-store"])
            .args(flags)
            .arg(&place)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap());
        let output = providers
            .lead(&mut command)
            .output()
            .expect("strace is installed");
        assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
        let calls = std::fs::read_to_string(log).unwrap();
        let calls = calls.lines().filter(|line| {
            line.contains("connect(") || line.contains("sendto(") || line.contains("AF_INET")
        });
        calls.map(str::to_owned).collect::<Vec<_>>()
    };
    let calls = traced(&[]);
    assert!(calls.is_empty(), "{calls:?}");
    assert_eq!(providers.connections(), 0);
    // With it, the same looks see them.
    let calls = traced(&["-verify"]);
    let port = format!("htons({})", providers.address().port());
    assert!(
        calls
            .iter()
            .any(|call| call.contains("connect(") && call.contains(&port)),
        "{calls:?}"
    );
    assert!(
        calls
            .iter()
            .all(|call| !call.contains("connect(") || call.contains(&port)),
        "{calls:?}"
    );
}

#[test]
fn a_token_of_our_own_server_is_looked_up_and_not_used() {
    let server = Server::up();
    let made = |flags: &[&str]| {
        let words = [&["token", "create", "-field=token"], flags].concat();
        server.run(&words).trim().to_owned()
    };
    let (live, once, dead) = (
        made(&["-policy=default"]),
        made(&["-policy=default", "-use-limit=1"]),
        made(&["-policy=default"]),
    );
    server.run(&["token", "revoke", &dead]);
    let place = server.directory().path().join("tree");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(
        place.join("x.env"),
        format!("A_TOKEN={live}\nB_TOKEN={once}\nC_TOKEN={dead}\n"),
    )
    .unwrap();
    let mut command = server.command(&["scan", "-no-store", "-verify", "-format=json"]);
    let output = command.arg(&place).output().unwrap();
    let said = verdicts(&output);
    let socket = format!("unix://{}", server.socket().display());
    assert_eq!(
        said["x.env:1"],
        format!("live|{socket}|"),
        "{}",
        shown(&output)
    );
    assert_eq!(said["x.env:2"], format!("live|{socket}|"));
    assert_eq!(
        said["x.env:3"],
        format!(
            "unknown|{socket}|does not know it, or does not let you look tokens up; another server may know it"
        )
    );
    assert!(
        shown(&output).contains(&format!("3 to {socket}")),
        "{}",
        shown(&output)
    );
    // Its one use is still there.
    let (status, body) = server.curl(&once, "GET", "auth/token/lookup-self", "");
    assert_eq!(status, 200, "{body}");
    for token in [&live, &once, &dead] {
        assert!(!shown(&output).contains(token.as_str()));
    }
}

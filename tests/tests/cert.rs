//! Logins with certificates that openssl made, by hvac and the OpenBao command line, on our server and on
//! a real OpenBao.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::bao::Bao;
use flows::server::binary;
use flows::{Server, peers};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

const CONFIG: &str = r#"
storage "embedded" { path = "DIR/data" }
seal "static" {
  current_key_id = "a"
  current_key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
}
"#;

/// Our server with TLS, and its root token.
fn ours(listener: &str) -> (Server, String) {
    let text =
        format!("{CONFIG}\nlistener \"tcp\" {{\n address = \"127.0.0.1:0\"\n {listener}\n}}\n");
    let server = Server::configured(&text);
    let wanted = r#"{"recovery_shares":1,"recovery_threshold":1}"#;
    let (status, body) = server.curl("", "PUT", "sys/init", wanted);
    assert_eq!(status, 200, "{body}\n{}", server.said());
    let body: Value = serde_json::from_str(&body).unwrap();
    let token = body["root_token"].as_str().unwrap().to_owned();
    (server, token)
}

/// An authority, clients of it and of others, and a list that revokes one.
const MAKE: &str = r#"
set -eu
cat > ca.cnf <<END
[ca]
default_ca = own
[own]
database = index.txt
default_md = sha256
default_crl_days = 30
crlnumber = number
END
: > index.txt; echo 01 > number
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
authority() {
  key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=an authority" -days 30 -out "$1.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}
client() {
  key "$1"
  printf 'extendedKeyUsage=clientAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' > ext
  openssl req -new -key "$1.key" -subj "/CN=$2/OU=shop" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3.key" -set_serial "$4" -days 30 -extfile ext -out "$1.pem"
}
authority ca; authority other
client ada "ada" ca 1001; client ada2 "ada" ca 1002; client bob "bob" ca 1003; client forged "ada" other 1004
key own
openssl req -x509 -new -key own.key -subj "/CN=own" -days 30 -set_serial 1005 -out own.pem \
  -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth
openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -revoke ada.pem
openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -out list.crl
"#;

fn certificates() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", MAKE])
        .current_dir(place.path())
        .output()
        .expect("openssl");
    assert!(output.status.success(), "{}", flows::server::shown(&output));
    place
}

/// What hvac saw of one server.
fn seen(address: &str, token: &str, authority: &str, place: &Path) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/cert.py");
    let output = Command::new(peers::python())
        .arg(script)
        .args([address, token, authority])
        .arg(place)
        .output()
        .expect("a Python with hvac");
    assert!(
        output.status.success(),
        "{address}: {}",
        flows::server::shown(&output)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What each server makes at random, made equal.
fn plain(name: &str, value: &Value) -> Value {
    const RANDOM: [&str; 9] = [
        "client_token",
        "accessor",
        "id",
        "request_id",
        "entity_id",
        "creation_time",
        "issue_time",
        "expire_time",
        "last_renewal",
    ];
    match value {
        _ if RANDOM.contains(&name) || name == "last_renewal_time" => Value::Null,
        // A second may pass before it is looked at.
        Value::Number(number) if name == "ttl" || name == "lease_duration" => {
            json!(number.as_u64().unwrap().div_ceil(10))
        }
        Value::Array(list) => list.iter().map(|value| plain("", value)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), plain(name, value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// Refusals that are of another sort there, and why.
const OTHERWISE: [(&str, &str); 1] = [(
    "renewed by another",
    "a caller's mistake is not a 500 (here: another key, CVE-2026-39388)",
)];

#[test]
fn hvac_sees_the_same_on_ours_and_on_a_real_openbao() {
    let place = certificates();
    let (server, token) = ours("");
    let authority = server.ca().display().to_string();
    let ours = seen(server.address(), &token, &authority, place.path());
    let bao = Bao::start_tls();
    let theirs = seen(bao.url(), "root", &bao.ca(), place.path());
    let (ours, theirs) = (ours.as_array().unwrap(), theirs.as_array().unwrap());
    assert_eq!(ours.len(), theirs.len());
    let mut wrong = Vec::new();
    for (ours, theirs) in ours.iter().zip(theirs) {
        let what = ours[0].as_str().unwrap();
        let same = match ours[2].is_array() {
            true => ours[1] == theirs[1] || OTHERWISE.iter().any(|(known, _)| *known == what),
            false => plain("", &ours[1]) == plain("", &theirs[1]),
        };
        if !same || ours[0] != theirs[0] {
            wrong.push(format!("{what}\nours   {ours}\ntheirs {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// `login -method=cert` of a command line, as somebody who has these files.
fn login(program: &Path, server: &Server, place: &Path, who: &str) -> std::process::Output {
    let file = |ending: &str| place.join(format!("{who}.{ending}"));
    Command::new(program)
        .args(["login", "-method=cert", "-no-store", "-field=token"])
        .arg(format!("-ca-cert={}", server.ca().display()))
        .arg(format!("-client-cert={}", file("pem").display()))
        .arg(format!("-client-key={}", file("key").display()))
        .env("BAO_ADDR", server.address())
        .env("HOME", place)
        .stdin(Stdio::null())
        .output()
        .expect("a command line")
}

#[test]
fn both_command_lines_log_in_by_their_connection() {
    let place = certificates();
    let (server, root) = ours("");
    let mount = r#"{"type":"cert"}"#;
    assert_eq!(server.curl(&root, "POST", "sys/auth/cert", mount).0, 204);
    let ca = std::fs::read_to_string(place.path().join("ca.pem")).unwrap();
    let entry = json!({"certificate": ca, "token_policies": "shop"}).to_string();
    assert_eq!(
        server.curl(&root, "POST", "auth/cert/certs/web", &entry).0,
        204
    );
    for program in [&peers::bao(), binary()] {
        let output = login(program, &server, place.path(), "ada");
        assert!(output.status.success(), "{}", flows::server::shown(&output));
        let own = String::from_utf8(output.stdout).unwrap();
        let (status, me) = server.curl(own.trim(), "GET", "auth/token/lookup-self", "");
        assert_eq!(status, 200, "{me}");
        assert!(
            me.contains("cert-web") && me.contains("\"common_name\":\"ada\""),
            "{me}"
        );
        let output = login(program, &server, place.path(), "forged");
        assert!(!output.status.success());
        assert!(flows::server::shown(&output).contains("invalid certificate"));
    }
}

#[test]
fn a_listener_that_asks_nobody_knows_nobody() {
    let place = certificates();
    let (server, root) = ours("tls_disable_client_certs = true");
    let mount = r#"{"type":"cert"}"#;
    assert_eq!(server.curl(&root, "POST", "sys/auth/cert", mount).0, 204);
    let ca = std::fs::read_to_string(place.path().join("ca.pem")).unwrap();
    let entry = json!({ "certificate": ca }).to_string();
    assert_eq!(
        server.curl(&root, "POST", "auth/cert/certs/web", &entry).0,
        204
    );
    let output = login(&peers::bao(), &server, place.path(), "ada");
    assert!(!output.status.success());
    assert!(flows::server::shown(&output).contains("client certificate must be supplied"));
}

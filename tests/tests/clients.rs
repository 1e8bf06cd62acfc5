//! Clients we did not write, over TLS, against a server from a configuration file: the real OpenBao
//! command line and hvac do what an operator does on a first day.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::{Server, peers};
use serde_json::Value;
use std::process::{Command, Output, Stdio};

const CONFIG: &str = r#"
storage "embedded" { path = "DIR/data" }
listener "tcp" { address = "127.0.0.1:0" }
"#;

/// The OpenBao command line against one server.
struct Bao<'a> {
    server: &'a Server,
    token: String,
}

impl Bao<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(peers::bao());
        command
            .args(arguments)
            .env("BAO_ADDR", self.server.address())
            .env("BAO_CACERT", self.server.ca())
            .env("BAO_TOKEN", &self.token)
            .env("HOME", self.server.directory().path())
            .stdin(Stdio::null());
        command
    }

    fn try_run(&self, arguments: &[&str]) -> Output {
        self.command(arguments)
            .output()
            .expect("bao is installed: cargo xtask test installs it")
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        assert!(
            output.status.success(),
            "bao {arguments:?}: {}{}\nserver:\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.server.said()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (verbs, rest) = arguments.split_at(
            arguments
                .iter()
                .position(|word| {
                    !word.chars().all(|c| c.is_ascii_lowercase() || c == '-') || word.contains('/')
                })
                .unwrap_or(arguments.len()),
        );
        let text = self.run(&[verbs, &["-format=json"], rest].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    fn refused(&self, arguments: &[&str], code: i32, reason: &str) {
        let output = self.try_run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(reason), "{arguments:?}: {text}");
    }
}

#[test]
fn the_openbao_command_line_does_a_first_day_of_work() {
    let server = Server::configured(CONFIG);
    let mut bao = Bao {
        server: &server,
        token: String::new(),
    };
    assert_eq!(bao.try_run(&["status"]).status.code(), Some(2), "sealed");

    let init = bao.json(&["operator", "init", "-key-shares=5", "-key-threshold=3"]);
    let keys: Vec<_> = init["unseal_keys_b64"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    for key in keys.iter().skip(1).take(3) {
        bao.run(&["operator", "unseal", key]);
    }
    assert_eq!(bao.json(&["status"])["sealed"], false);
    let root = init["root_token"].as_str().unwrap().to_owned();
    bao.run(&["login", &root]);
    bao.token.clone_from(&root);

    let log = server.directory().path().join("audit.log");
    bao.run(&[
        "audit",
        "enable",
        "file",
        &format!("file_path={}", log.display()),
    ]);
    assert!(bao.run(&["audit", "list"]).contains("file/"));

    mounts_and_kv(&bao);
    let reader = policies_and_tokens(&bao);
    approle(&bao);
    userpass(&bao);
    wrapping(&bao);

    bao.run(&["token", "revoke", &reader]);
    bao.token = reader;
    bao.refused(&["kv", "get", "secret/team/db"], 2, "permission denied");
    bao.token = root;
    let logged = std::fs::read_to_string(&log).unwrap();
    for value in [
        "hunter2",
        "s3cr3t-two",
        "lovelace",
        "byron",
        bao.token.as_str(),
    ] {
        assert!(!logged.contains(value), "the audit log shows a value");
    }
    let new = ceremonies(&bao, &keys);
    bao.run(&["audit", "disable", "file"]);
    bao.run(&["operator", "seal"]);
    assert_eq!(bao.try_run(&["status"]).status.code(), Some(2));
    let mut last = None;
    for key in &keys[..2] {
        last = bao.try_run(&["operator", "unseal", key]).status.code();
    }
    assert_eq!(last, Some(2), "the former shares are worth nothing");
    for key in &new[1..] {
        bao.run(&["operator", "unseal", key]);
    }
    assert_eq!(bao.json(&["status"])["sealed"], false);
}

/// New shares, verified, and a root token made with them; returns the new shares.
fn ceremonies(bao: &Bao<'_>, keys: &[String]) -> Vec<String> {
    let begun = bao.json(&[
        "operator",
        "rekey",
        "-init",
        "-key-shares=3",
        "-key-threshold=2",
        "-verify",
    ]);
    let nonce = format!("-nonce={}", begun["nonce"].as_str().unwrap());
    let give = |words: &[&str], key: &str| {
        let arguments = [&["operator"], words, &["-format=json", key]].concat();
        let text = bao.run(&arguments);
        serde_json::from_str::<Value>(&text).unwrap()
    };
    give(&["rekey", &nonce], &keys[4]);
    give(&["rekey", &nonce], &keys[0]);
    let made = give(&["rekey", &nonce], &keys[2]);
    let new: Vec<_> = made["keys_base64"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(new.len(), 3);
    let nonce = format!("-nonce={}", made["verification_nonce"].as_str().unwrap());
    give(&["rekey", "-verify", &nonce], &new[0]);
    let said = bao.run(&["operator", "rekey", "-verify", &nonce, &new[1]]);
    assert!(said.contains("verification successful"), "{said}");

    let begun = bao.json(&["operator", "generate-root", "-init"]);
    let nonce = format!("-nonce={}", begun["nonce"].as_str().unwrap());
    give(&["generate-root", &nonce], &new[2]);
    let done = give(&["generate-root", &nonce], &new[0]);
    let token = bao.run(&[
        "operator",
        "generate-root",
        &format!("-otp={}", begun["otp"].as_str().unwrap()),
        &format!("-decode={}", done["encoded_root_token"].as_str().unwrap()),
    ]);
    let other = Bao {
        server: bao.server,
        token: token.trim().to_owned(),
    };
    other.run(&["token", "lookup"]);
    new
}

fn mounts_and_kv(bao: &Bao<'_>) {
    bao.run(&["secrets", "enable", "-path=secret", "-version=2", "kv"]);
    bao.run(&["secrets", "enable", "-path=other/deep", "kv-v2"]);
    bao.run(&[
        "secrets",
        "tune",
        "-description=of a team",
        "-max-lease-ttl=2h",
        "other/deep",
    ]);
    bao.run(&["secrets", "move", "other/deep", "moved"]);
    bao.run(&["secrets", "move", "moved/", "other/deep/"]);
    let mounts = bao.json(&["secrets", "list"]);
    assert_eq!(mounts["other/deep/"]["description"], "of a team");
    assert_eq!(mounts["secret/"]["options"]["version"], "2");
    bao.run(&["secrets", "disable", "other/deep"]);

    bao.run(&[
        "kv",
        "put",
        "secret/team/db",
        "password=hunter2",
        "user=app",
    ]);
    bao.run(&[
        "kv",
        "put",
        "-mount=secret",
        "-cas=1",
        "team/db",
        "password=s3cr3t-two",
    ]);
    bao.refused(
        &[
            "kv",
            "put",
            "-mount=secret",
            "-cas=1",
            "team/db",
            "password=late",
        ],
        2,
        "check-and-set parameter did not match the current version",
    );
    assert_eq!(
        bao.run(&["kv", "get", "-field=password", "secret/team/db"]),
        "s3cr3t-two"
    );
    assert_eq!(
        bao.run(&[
            "kv",
            "get",
            "-field=password",
            "-version=1",
            "secret/team/db"
        ]),
        "hunter2"
    );
    bao.run(&["kv", "patch", "secret/team/db", "host=db.internal"]);
    let data = bao.json(&["kv", "get", "secret/team/db"]);
    assert_eq!(
        data["data"]["data"],
        serde_json::json!({"host": "db.internal", "password": "s3cr3t-two"})
    );
    bao.run(&["kv", "delete", "-versions=2", "secret/team/db"]);
    bao.run(&["kv", "undelete", "-versions=2", "secret/team/db"]);
    bao.run(&["kv", "destroy", "-versions=1", "secret/team/db"]);
    bao.run(&[
        "kv",
        "metadata",
        "put",
        "-custom-metadata=owner=team",
        "-max-versions=5",
        "secret/team/db",
    ]);
    let metadata = bao.json(&["kv", "metadata", "get", "secret/team/db"]);
    assert_eq!(metadata["data"]["custom_metadata"]["owner"], "team");
    assert_eq!(metadata["data"]["versions"]["1"]["destroyed"], true);
    assert_eq!(
        bao.json(&["kv", "list", "secret/"]),
        serde_json::json!(["team/"])
    );
    bao.run(&["kv", "rollback", "-version=2", "secret/team/db"]);
    assert_eq!(
        bao.json(&["kv", "get", "secret/team/db"])["data"]["metadata"]["version"],
        4
    );
    bao.refused(&["kv", "get", "secret/none"], 2, "No value found");
}

fn policies_and_tokens(bao: &Bao<'_>) -> String {
    let file = bao.server.directory().path().join("reader.hcl");
    std::fs::write(
        &file,
        "path \"secret/data/team/*\" {\n  capabilities = [\"read\"]\n}\n",
    )
    .unwrap();
    bao.run(&["policy", "write", "reader", &file.to_string_lossy()]);
    assert!(bao.run(&["policy", "list"]).contains("reader"));
    assert!(
        bao.run(&["policy", "read", "reader"])
            .contains("secret/data/team/*")
    );
    let reader = bao.run(&[
        "token",
        "create",
        "-policy=reader",
        "-ttl=1h",
        "-field=token",
    ]);
    let mine = Bao {
        server: bao.server,
        token: reader.clone(),
    };
    assert_eq!(
        mine.run(&["kv", "get", "-field=password", "secret/team/db"]),
        "s3cr3t-two"
    );
    mine.refused(
        &["kv", "put", "secret/team/db", "a=b"],
        2,
        "permission denied",
    );
    mine.refused(&["secrets", "list"], 2, "permission denied");
    assert!(mine.run(&["token", "lookup"]).contains("reader"));
    assert!(
        mine.run(&["token", "capabilities", "secret/data/team/db"])
            .contains("read")
    );
    mine.run(&["token", "renew"]);
    reader
}

fn userpass(bao: &Bao<'_>) {
    bao.run(&["auth", "enable", "userpass"]);
    bao.run(&[
        "auth",
        "tune",
        "-user-lockout-threshold=3",
        "-user-lockout-duration=10m",
        "userpass/",
    ]);
    bao.run(&[
        "write",
        "auth/userpass/users/Ada",
        "password=lovelace",
        "token_policies=reader",
    ]);
    let anonymous = Bao {
        server: bao.server,
        token: String::new(),
    };
    let login = |password: &str| {
        let password = format!("password={password}");
        anonymous.try_run(&[
            "login",
            "-no-store",
            "-token-only",
            "-method=userpass",
            "username=ada",
            &password,
        ])
    };
    let good = login("lovelace");
    assert!(good.status.success(), "{good:?}");
    let mine = Bao {
        server: bao.server,
        token: String::from_utf8(good.stdout).unwrap().trim().to_owned(),
    };
    assert_eq!(
        mine.run(&["kv", "get", "-field=password", "secret/team/db"]),
        "s3cr3t-two"
    );
    for _ in 0..3 {
        assert_eq!(login("byron").status.code(), Some(2));
    }
    assert_eq!(login("lovelace").status.code(), Some(2), "locked");
    let locked = bao.json(&["read", "sys/locked-users"]);
    let mount = &locked["data"]["by_namespace"][0]["mount_accessors"][0];
    assert_eq!(mount["alias_identifiers"][0], "ada");
    let accessor = mount["mount_accessor"].as_str().unwrap();
    bao.run(&[
        "write",
        "-f",
        &format!("sys/locked-users/{accessor}/unlock/ada"),
    ]);
    assert!(login("lovelace").status.success(), "unlocked");
    bao.refused(
        &["write", "-f", "sys/locked-users/nobody/unlock/ada"],
        2,
        "no auth method has this accessor",
    );
}

fn approle(bao: &Bao<'_>) {
    bao.run(&["auth", "enable", "approle"]);
    bao.run(&[
        "write",
        "auth/approle/role/ci",
        "token_policies=reader",
        "secret_id_num_uses=1",
        "secret_id_ttl=10m",
        "token_ttl=20m",
    ]);
    let role = bao.run(&["read", "-field=role_id", "auth/approle/role/ci/role-id"]);
    let wrapped = bao.run(&[
        "write",
        "-f",
        "-wrap-ttl=60s",
        "-field=wrapping_token",
        "auth/approle/role/ci/secret-id",
    ]);
    let secret = bao.run(&["unwrap", "-field=secret_id", &wrapped]);
    let anonymous = Bao {
        server: bao.server,
        token: String::new(),
    };
    let login = [
        "write",
        "-field=token",
        "auth/approle/login",
        &format!("role_id={role}"),
        &format!("secret_id={secret}"),
    ];
    let token = anonymous.run(&login);
    anonymous.refused(&login, 2, "invalid role or secret ID");
    let mine = Bao {
        server: bao.server,
        token,
    };
    assert_eq!(
        mine.run(&["kv", "get", "-field=password", "secret/team/db"]),
        "s3cr3t-two"
    );
    assert!(bao.run(&["auth", "list"]).contains("approle/"));
}

fn wrapping(bao: &Bao<'_>) {
    let token = bao.run(&[
        "read",
        "-wrap-ttl=5m",
        "-field=wrapping_token",
        "secret/data/team/db",
    ]);
    let nobody = Bao {
        server: bao.server,
        token: String::new(),
    };
    assert!(nobody.run(&["unwrap", &token]).contains("s3cr3t-two"));
    nobody.refused(
        &["unwrap", &token],
        2,
        "wrapping token is not valid or does not exist",
    );
}

#[test]
fn hvac_does_a_first_day_of_work() {
    let server = Server::configured(CONFIG);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/first_day.py");
    let output = Command::new(peers::python())
        .arg(script)
        .arg(server.address())
        .arg(server.ca())
        .arg(server.directory().path().join("audit.log"))
        .output()
        .expect("python3 is installed");
    assert!(
        output.status.success(),
        "{}{}\nserver:\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        server.said()
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "first day done"
    );
}

//! A real OpenBao with TLS, from a configuration file: whom an import trusts, and which part of the
//! other server is meant.

use super::{import, items, report};
use flows::{Server, peers, ports, server::shown};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// An authority and what it signed, a stranger of the same name, and certificates that nobody signed
/// but themselves, as people make them with one command.
const MAKE: &str = r#"
set -eu
make() { out=$1; shift; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$out.key" -out "$out.pem" -days 30 "$@"; }
make ca -subj /CN=ca
make stranger -subj /CN=ca
make own -subj /CN=own -addext subjectAltName=IP:127.0.0.1
make again -subj /CN=own -addext subjectAltName=IP:127.0.0.1
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout signed.key -out signed.csr -subj /CN=signed
echo subjectAltName=IP:127.0.0.1 > ext
openssl x509 -req -in signed.csr -CA ca.pem -CAkey ca.key -set_serial 9 -days 30 -extfile ext -out signed.pem
"#;

struct Bao {
    server: flows::bao::Bao,
    /// Certified by the authority, and by itself.
    addresses: [String; 2],
    token: String,
}

impl Bao {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let made = Command::new("sh")
            .args(["-c", MAKE])
            .current_dir(&home)
            .output()
            .expect("sh and openssl");
        assert!(made.status.success(), "{}", shown(&made));
        let other = ports::address();
        let listener = |address: &str, name: &str| {
            format!(
                "listener \"tcp\" {{\n address = \"{address}\"\n tls_cert_file = \"DIR/{name}.pem\"\n tls_key_file = \"DIR/{name}.key\"\n}}\n"
            )
        };
        let config = format!(
            "storage \"inmem\" {{}}\n{}{}audit \"file\" \"disk\" {{\n options = {{ file_path = \"DIR/audit.log\" }}\n}}\n",
            listener("ADDRESS", "signed"),
            listener(&other, "own")
        );
        let server = flows::bao::Bao::configured_in(home, &config);
        let mut bao = Self {
            addresses: [server.address().to_owned(), other],
            server,
            token: String::new(),
        };
        let end = Instant::now() + Duration::from_mins(1);
        let made = loop {
            let output = bao.run(&[
                "operator",
                "init",
                "-key-shares=1",
                "-key-threshold=1",
                "-format=json",
            ]);
            if output.status.success() {
                break serde_json::from_slice::<Value>(&output.stdout).unwrap();
            }
            assert!(
                Instant::now() < end,
                "bao does not come up: {}",
                shown(&output)
            );
            std::thread::sleep(Duration::from_millis(50));
        };
        bao.token = made["root_token"].as_str().unwrap().to_owned();
        let share = made["unseal_keys_b64"][0].as_str().unwrap();
        bao.done(&["operator", "unseal", share]);
        while !bao.run(&["secrets", "list"]).status.success() {
            assert!(Instant::now() < end, "bao is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        bao
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(peers::bao_binary())
            .args(words)
            .env("HOME", self.server.home())
            .env("BAO_ADDR", format!("https://{}", self.addresses[0]))
            .env("BAO_CACERT", self.file("ca.pem"))
            .env("BAO_TOKEN", &self.token)
            .output()
            .unwrap()
    }

    fn done(&self, words: &[&str]) {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", shown(&output));
    }

    fn file(&self, name: &str) -> String {
        self.server.home().join(name).display().to_string()
    }

    /// An import from one of its addresses.
    fn import(&self, ours: &Server, address: usize, namespace: &str, more: &[&str]) -> Command {
        let from = format!("vaults://{}{namespace}", self.addresses[address]);
        let mut command = import(ours, &from, more);
        command.env("VAULT_TOKEN", &self.token);
        command
    }
}

fn refused(mut command: Command, says: &[&str]) {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    let said = String::from_utf8_lossy(&output.stderr);
    for words in says {
        assert!(said.contains(words), "{words}: {said}");
    }
}

fn taken(mut command: Command) -> Value {
    let output = command.output().unwrap();
    let (report, code) = report(&output);
    assert!(matches!(code, 0 | 3), "{code} {}", shown(&output));
    report
}

#[test]
fn a_server_behind_tls_is_the_one_that_is_named_or_none() {
    let (bao, ours) = (Bao::start(), Server::dev("ours"));
    let at = |name: &str| format!("-source-ca-cert={}", bao.file(name));
    let audited =
        || std::fs::metadata(Path::new(&bao.file("audit.log"))).map_or(0, |file| file.len());
    let before = audited();
    assert!(before > 0, "what it is asked is recorded");
    // Whom nobody vouches for gets no token.
    let hint = "hint: name the CA of the other server with -source-ca-cert=FILE";
    let unknown = "its certificate is signed by an unknown authority";
    refused(bao.import(&ours, 0, "", &[]), &[unknown, hint]);
    // The name of the right one is not its key.
    refused(
        bao.import(&ours, 0, "", &[&at("stranger.pem")]),
        &[
            "its certificate is not signed by the authority it names",
            hint,
        ],
    );
    // Our own server's CA vouches for ours only.
    let mut command = bao.import(&ours, 0, "", &[]);
    command.env("COFFERDAM_CACERT", bao.file("ca.pem"));
    refused(command, &[unknown, hint]);
    let unreadable = bao
        .import(&ours, 0, "", &[&at("none.pem")])
        .output()
        .unwrap();
    assert_eq!(unreadable.status.code(), Some(1), "{}", shown(&unreadable));
    let said = shown(&unreadable);
    assert!(
        said.contains("none.pem") && said.contains("hint: name a file"),
        "{said}"
    );
    // One that signed itself is taken as the very one that was named, and as no other of its name.
    refused(
        bao.import(&ours, 1, "", &[&at("again.pem")]),
        &["its certificate", hint],
    );
    refused(
        bao.import(&ours, 1, "", &[&at("ca.pem")]),
        &["its certificate", hint],
    );
    let mut other_name = bao.import(&ours, 1, "", &[&at("own.pem")]);
    other_name.env("VAULT_TLS_SERVER_NAME", "elsewhere.example");
    refused(other_name, &["its certificate is for another name"]);
    assert_eq!(audited(), before, "it was asked nothing");

    bao.done(&["secrets", "enable", "-path=secret", "-version=2", "kv"]);
    // A new mount of version 2 is set up after it was answered: until then nothing is written.
    let end = Instant::now() + Duration::from_mins(1);
    while !bao
        .run(&["kv", "put", "secret/app", "v=1"])
        .status
        .success()
    {
        assert!(Instant::now() < end, "the mount takes nothing");
    }
    let first = taken(bao.import(&ours, 0, "", &[&at("ca.pem")]));
    assert!(
        items(&first, "created").contains(&"secret secret/app".to_owned()),
        "{first:#}"
    );
    // What it writes its audit to is a file of that machine.
    let device = first["left"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["kind"] == "audit device");
    assert_eq!(device.unwrap()["path"], "disk", "{first:#}");
    assert_eq!(
        super::here(&ours, "GET", "sys/audit", &Value::Null).1["data"],
        json!({})
    );

    let mut by_environment = bao.import(&ours, 0, "", &[]);
    by_environment.env("BAO_CACERT", bao.file("ca.pem"));
    for command in [
        by_environment,
        bao.import(&ours, 1, "", &[&at("own.pem")]),
        bao.import(&ours, 0, "", &["-source-tls-skip-verify"]),
        bao.import(&ours, 1, "", &["-source-tls-skip-verify"]),
    ] {
        let again = taken(command);
        assert_eq!(again["created"], json!([]), "{again:#}");
        assert_eq!(again["unchanged"]["secret"], 1, "{again:#}");
    }
    let plain = format!("vault://{}", bao.addresses[0]);
    refused(import(&ours, &plain, &[]), &["hint: "]);
}

#[test]
fn a_namespace_is_imported_by_itself() {
    let (bao, ours) = (Bao::start(), Server::dev("ours"));
    let ca = format!("-source-ca-cert={}", bao.file("ca.pem"));
    for namespace in ["team", "team/sub"] {
        let (parent, name) = namespace.rsplit_once('/').unwrap_or(("", namespace));
        let within = format!("-namespace={parent}");
        bao.done(&["namespace", "create", &within, name]);
        let within = format!("-namespace={namespace}");
        let mount = namespace.replace('/', "-");
        bao.done(&[
            "secrets",
            "enable",
            &within,
            &format!("-path={mount}"),
            "-version=1",
            "kv",
        ]);
        bao.done(&[
            "kv",
            "put",
            &within,
            &format!("{mount}/x"),
            &format!("of={namespace}"),
        ]);
        bao.done(&[
            "auth",
            "enable",
            &within,
            &format!("-path={mount}"),
            "userpass",
        ]);
        bao.done(&[
            "write",
            &within,
            &format!("auth/{mount}/users/ada"),
            "password=x",
            "token_policies=shop",
        ]);
    }
    bao.done(&["secrets", "enable", "-path=root-only", "-version=1", "kv"]);
    bao.done(&["kv", "put", "root-only/x", "v=1"]);

    for named in ["/nope", "/team/nope"] {
        refused(
            bao.import(&ours, 0, named, &[&ca]),
            &[
                "the other server has no such namespace",
                "hint: name the namespace",
            ],
        );
    }
    let two = bao
        .import(&ours, 0, "/team", &[&ca, "-source-namespace=team"])
        .output()
        .unwrap();
    assert_eq!(two.status.code(), Some(1), "{}", shown(&two));

    let team = taken(bao.import(&ours, 0, "/team", &[&ca]));
    assert_eq!(
        items(&team, "created"),
        [
            "auth method team",
            "mount team",
            "secret team/x",
            "user auth/team/users/ada"
        ],
        "{team:#}"
    );
    // The namespace in it is another import; nothing of the root's is in this one.
    assert_eq!(
        items(&team, "left"),
        [
            "namespace sys/namespaces/sub",
            "password auth/team/users/ada"
        ],
        "{team:#}"
    );
    let mut by_environment = bao.import(&ours, 0, "", &[&ca]);
    by_environment.env("VAULT_NAMESPACE", "team/sub");
    let sub = taken(by_environment);
    assert!(
        items(&sub, "created").contains(&"secret team-sub/x".to_owned()),
        "{sub:#}"
    );
    // The flag wins over the environment.
    let mut by_flag = bao.import(&ours, 0, "", &[&ca, "-source-namespace=team/sub/"]);
    by_flag.env("VAULT_NAMESPACE", "team");
    let again = taken(by_flag);
    assert_eq!(again["created"], json!([]), "{again:#}");
    assert!(
        again["source"].as_str().unwrap().ends_with("/team/sub"),
        "{again:#}"
    );
    for (path, of) in [("team/x", "team"), ("team-sub/x", "team/sub")] {
        assert_eq!(
            super::here(&ours, "GET", path, &Value::Null).1["data"]["of"],
            of
        );
    }
    assert_eq!(
        super::here(&ours, "GET", "root-only/x", &Value::Null).0,
        404
    );
}

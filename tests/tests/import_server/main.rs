//! A real OpenBao, filled by its own command line, is copied into ours; then the same reads on both
//! are laid side by side. And what an import does when it is killed, when it is run again, and when
//! the other server is nobody's friend.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../../crates/engines/src/same_as_openbao/exchange/server.rs"]
#[allow(dead_code, reason = "shared with the comparison of engines")]
mod openbao;

mod aws;
mod evil;
mod methods;
mod provider;
mod tls;
mod way;

use flows::Server;
use flows::server::{bare, shown};
use openbao::Bao;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use way::Way;

const CANARY: &str = "canary-7f3a91c2-value";

/// The real command line on the real server.
fn bao(bao: &Bao, words: &[&str], stdin: &str) -> String {
    let program = std::env::var_os("COFFERDAM_BAO").unwrap_or_else(|| "bao".into());
    let mut child = Command::new(program)
        .args(words)
        .env("BAO_ADDR", bao.url())
        .env("BAO_TOKEN", "root")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bao starts");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", shown(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// An import from an address into our server.
fn import(ours: &Server, from: &str, more: &[&str]) -> Command {
    let mut command = bare(ours.directory().path());
    command
        .args(["import", "-format=json"])
        .args(more)
        .arg(from)
        .env("COFFERDAM_ADDR", ours.address())
        .env("COFFERDAM_TOKEN", "ours")
        .env("VAULT_TOKEN", "root");
    command
}

/// What it reported, and how it ended.
fn report(output: &Output) -> (Value, i32) {
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("no report: {}", shown(output)));
    (report, output.status.code().unwrap())
}

fn run(ours: &Server, from: &str, more: &[&str]) -> (Value, i32) {
    report(&import(ours, from, more).output().unwrap())
}

fn vault(bao: &Bao) -> String {
    format!("vault://{}", bao.address())
}

fn here(ours: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let address = ours.address().strip_prefix("http://").unwrap();
    openbao::ask_as("ours", address, method, path, body).expect("ours answers")
}

/// `kind path` of a list of the report.
fn items(report: &Value, list: &str) -> Vec<String> {
    let items = report[list].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    items
        .map(|item| format!("{} {}", text(&item["kind"]), text(&item["path"])))
        .collect()
}

const POLICY: &str = r#"path "secret/data/of/ACCESSOR/*" {
  capabilities = ["read"]
}
"#;

/// A bit of everything, made by bao itself.
fn fill(theirs: &Bao) {
    let run = |line: &str| bao(theirs, &line.split(' ').collect::<Vec<_>>(), "");
    // KV: versions that are alive, deleted, destroyed and dropped; settings; awkward names and values.
    for n in 1..=5 {
        run(&format!("kv put secret/app/db password={CANARY}-{n}"));
    }
    run(
        "kv metadata put -max-versions=4 -cas-required=true -delete-version-after=720h -custom-metadata=owner=shop secret/app/db",
    );
    run("kv put -cas=5 secret/app/db password=six");
    run("kv delete -versions=4 secret/app/db");
    run("kv destroy -versions=3 secret/app/db");
    bao(
        theirs,
        &["kv", "put", "secret/app/db/below", "-"],
        r#"{"n":1.50,"deep":{"a":[1,null,"ü"]}}"#,
    );
    run("kv put secret/a%2e%2e v=1");
    bao(theirs, &["kv", "put", "secret/a b?x=1#ü", "v=1"], "");
    run("kv metadata put -custom-metadata=only=settings secret/empty");
    run(
        "secrets enable -path=team/kv -description=of_a_team -default-lease-ttl=1h -max-lease-ttl=2h -listing-visibility=unauth -version=2 kv",
    );
    openbao::settled(theirs.address(), "team/kv");
    run("write team/kv/config max_versions=3 cas_required=true");
    run("kv put -cas=0 team/kv/x v=1");
    run("secrets enable -path=one -version=1 kv");
    bao(
        theirs,
        &["write", "one/deep/er", "-"],
        r#"{"v":"1","n":2,"empty":""}"#,
    );
    // Policies.
    run("auth enable -path=people -description=people userpass");
    let accessor = run("read -field=accessor sys/auth/people");
    bao(
        theirs,
        &["policy", "write", "own", "-"],
        &POLICY.replace("ACCESSOR", accessor.trim()),
    );
    bao(
        theirs,
        &["policy", "write", "app", "-"],
        "path \"secret/data/app/*\" { capabilities = [\"read\"] }",
    );
    bao(
        theirs,
        &["write", "sys/policies/password/strong", "policy=-"],
        "length = 20\nrule \"charset\" {\n  charset = \"abcdefgh0123456789\"\n}\n",
    );
    // Methods.
    run("auth tune -max-lease-ttl=5h people");
    run(&format!(
        "write auth/people/users/alice password={CANARY} token_policies=app,own token_ttl=15m token_bound_cidrs=10.0.0.0/8"
    ));
    run("auth enable approle");
    run(
        "write auth/approle/role/web token_policies=app secret_id_ttl=10m secret_id_num_uses=3 token_period=30m token_type=service",
    );
    run("write -f auth/approle/role/web/secret-id");
    run("auth enable jwt");
    let key = rcgen::KeyPair::generate().unwrap().public_key_pem();
    bao(
        theirs,
        &[
            "write",
            "auth/jwt/config",
            "jwt_validation_pubkeys=-",
            "bound_issuer=them",
        ],
        &key,
    );
    bao(
        theirs,
        &["write", "auth/jwt/role/ci", "-"],
        r#"{"role_type":"jwt","user_claim":"sub","bound_audiences":["x","y"],"bound_claims":{"a":["b","c"],"d":"e"},
            "bound_claims_type":"glob","claim_mappings":{"p":"q"},"token_policies":["app"],"clock_skew_leeway":30}"#,
    );
    run("auth enable kubernetes");
    let certificate = rcgen::generate_simple_self_signed(["k".to_owned()]).unwrap();
    bao(
        theirs,
        &[
            "write",
            "auth/kubernetes/config",
            "kubernetes_host=https://127.0.0.1:6443",
            "token_reviewer_jwt=e30.e30.c2ln",
            "kubernetes_ca_cert=-",
        ],
        &certificate.cert.pem(),
    );
    run(
        "write auth/kubernetes/role/pods bound_service_account_names=a,b bound_service_account_namespaces=shop token_policies=app audience=v alias_name_source=serviceaccount_name",
    );
    run(
        "write auth/token/roles/ci allowed_policies=app,own orphan=true renewable=false token_period=1h path_suffix=ci-runs",
    );
    // Identity.
    run("write identity/entity name=Bob policies=app metadata=team=shop");
    let bob = run("read -field=id identity/entity/name/Bob");
    run(&format!(
        "write identity/entity-alias name=bob canonical_id={} mount_accessor={}",
        bob.trim(),
        accessor.trim()
    ));
    bao(
        theirs,
        &["write", "identity/group", "-"],
        &json!({
            "name": "shop", "policies": ["app"], "metadata": {"floor": "2"},
            "member_entity_ids": [bob.trim()],
        })
        .to_string(),
    );
    let shop = run("read -field=id identity/group/name/shop");
    bao(
        theirs,
        &["write", "identity/group", "-"],
        &json!({"name": "all", "policies": ["own"], "member_group_ids": [shop.trim()]}).to_string(),
    );
    run("write identity/group name=outside type=external policies=own");
    let outside = run("read -field=id identity/group/name/outside");
    let jwt = run("read -field=accessor sys/auth/jwt");
    run(&format!(
        "write identity/group-alias name=staff canonical_id={} mount_accessor={}",
        outside.trim(),
        jwt.trim()
    ));
    bao(
        theirs,
        &["policy", "write", "each", "-"],
        "path \"secret/data/{{identity.entity.name}}/*\" { capabilities = [\"read\"] }",
    );
    // Keys.
    run("secrets enable transit");
    run("write transit/keys/out exportable=true allow_plaintext_backup=true type=aes256-gcm96");
    run("write -f transit/keys/out/rotate");
    run("write transit/keys/sign exportable=true allow_plaintext_backup=true type=ecdsa-p256");
    run("write -f transit/keys/stays");
    // What stays.
    run("secrets enable totp");
    run("write totp/keys/t generate=true issuer=i account_name=a");
    run("secrets enable pki");
    run("write sys/quotas/rate-limit/slow path=secret/ rate=100 interval=2s");
}

/// Reads that have to say the same on both servers.
const READS: &[&str] = &[
    "secret/metadata/app/db",
    "secret/data/app/db",
    "secret/data/app/db?version=5",
    "secret/data/app/db?version=3",
    "secret/data/app/db/below",
    "secret/metadata/app/db/below",
    "secret/data/a%20b%3Fx=1%23%C3%BC",
    "secret/metadata/empty",
    "secret/metadata?list=true",
    "secret/metadata/app?list=true",
    "team/kv/config",
    "team/kv/data/x",
    "team/kv/metadata/x",
    "one/deep/er",
    "one?list=true",
    "sys/policies/acl/app",
    "sys/policies/password/strong",
    "sys/mounts/team/kv/tune",
    "sys/mounts/one/tune",
    "sys/auth/people/tune",
    "auth/people/users/alice",
    "auth/approle/role/web",
    "auth/approle/role/web/role-id",
    "auth/jwt/config",
    "auth/jwt/role/ci",
    "auth/kubernetes/role/pods",
    "auth/token/roles/ci",
    "identity/entity/name/Bob",
    "identity/group/name/shop",
    "identity/group/name/all",
    "identity/group/name/outside",
    "sys/policies/acl/each",
    "transit/keys/out",
    "transit/keys/sign",
    "sys/quotas/rate-limit/slow",
];

/// Fields that are each server's own.
const OWN: &[&str] = &[
    "request_id",
    "id",
    "accessor",
    "mount_accessor",
    "canonical_id",
    "creation_time",
    "last_update_time",
    "modified",
    "version",
    "group_ids",
    "direct_group_ids",
    "inherited_group_ids",
    "member_entity_ids",
    "member_group_ids",
    "modify_index",
    "parent_group_ids",
    "uuid",
    "local",
    "merged_from_canonical_ids",
    "merged_entity_ids",
    "options",
    "mount_type",
    // Ours says that a key was restored; theirs shows a period by its new name alone.
    "restore_info",
    "period",
];

/// Both answer alike, but for what differs on purpose.
fn assert_alike(ours: &Server, theirs: &Bao, paths: &[impl AsRef<str>]) {
    for path in paths.iter().map(AsRef::as_ref) {
        let their = comparable(path, &theirs.ask("GET", path, &Value::Null).1);
        let our = comparable(path, &here(ours, "GET", path, &Value::Null).1);
        assert_eq!(our, their, "{path}");
    }
}

/// An answer without what differs on purpose.
fn comparable(path: &str, answer: &Value) -> Value {
    fn strip(value: &mut Value, names: &[&str]) {
        match value {
            Value::Object(map) => {
                map.retain(|name, value| !names.contains(&name.as_str()) && !nothing(value));
                map.values_mut().for_each(|value| strip(value, names));
                map.retain(|_, value| !nothing(value));
            }
            Value::Array(items) => {
                items.iter_mut().for_each(|value| strip(value, names));
                items.sort_by_key(Value::to_string);
            }
            _ => {}
        }
    }
    let mut data = answer["data"].clone();
    let kv = path.starts_with("secret/") || path.starts_with("team/kv/");
    // In a secret nothing but the names of our own choosing may differ: nothing at all.
    if !kv {
        strip(&mut data, OWN);
    }
    data
}

fn nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[test]
fn a_real_openbao_is_copied_field_by_field() {
    let (theirs, ours) = (Bao::start(), Server::dev("ours"));
    fill(&theirs);
    let ciphertext = theirs
        .ask("POST", "transit/encrypt/out", &json!({"plaintext": "aGk="}))
        .1;

    // A look changes nothing, and says what would be.
    let (look, code) = run(&ours, &vault(&theirs), &["-dry-run"]);
    assert!(
        items(&look, "created").contains(&"secret secret/app/db".to_owned()),
        "{look:#}"
    );
    assert!(code == 3, "{code} {look:#}");
    assert_eq!(
        here(&ours, "GET", "secret/metadata?list=true", &Value::Null).0,
        404
    );
    assert_eq!(here(&ours, "GET", "team/kv/config", &Value::Null).0, 404);

    let before = std::fs::read_dir(ours.directory().path()).unwrap().count();
    let output = import(&ours, &vault(&theirs), &[]).output().unwrap();
    let (first, code) = report(&output);
    assert!(
        !shown(&output).contains(CANARY),
        "a value was shown: {first:#}"
    );
    assert_eq!(code, 3, "{first:#}");
    assert_eq!(
        std::fs::read_dir(ours.directory().path()).unwrap().count(),
        before
    );
    assert_eq!(first["different"], json!([]), "{first:#}");
    assert_eq!(
        items(&look, "created"),
        items(&first, "created"),
        "{first:#}"
    );

    // What could not come, and nothing else.
    let left = items(&first, "left");
    assert_eq!(
        left,
        [
            "SecretIDs auth/approle/role/web",
            "TOTP key totp/keys/t",
            "auth configuration auth/kubernetes/config",
            "deleted version secret/app/db",
            "mount pki",
            "password auth/people/users/alice",
            "secret secret/a%2e%2e",
            "transit key transit/keys/stays",
        ],
        "{first:#}"
    );

    let mut apart = Vec::new();
    for path in READS {
        let (their_status, their_answer) = theirs.ask("GET", path, &Value::Null);
        let (our_status, our_answer) = here(&ours, "GET", path, &Value::Null);
        let (mut their, our) = (
            comparable(path, &their_answer),
            comparable(path, &our_answer),
        );
        if *path == "secret/metadata/app/db" {
            // Deleted there and never given out: destroyed here.
            assert_eq!(their["versions"]["4"]["destroyed"], false);
            their["versions"]["4"]["destroyed"] = json!(true);
        }
        match *path {
            // A name that is no path here.
            "secret/metadata?list=true" => {
                let names = their["keys"].as_array_mut().unwrap();
                names.retain(|name| name != "a%2e%2e");
            }
            // Names of entities have no case here.
            "identity/entity/name/Bob" => their["name"] = json!("bob"),
            // Theirs shows a default that is longer than the longest.
            "sys/auth/people/tune" => their["default_lease_ttl"] = json!(18000),
            _ => {}
        }
        if their_status != our_status || their != our {
            apart.push(format!(
                "{path}\n  there {their_status} {their}\n  here  {our_status} {our}"
            ));
        }
    }
    assert!(apart.is_empty(), "{}", apart.join("\n"));

    // A policy that names an accessor names the one of here.
    let rules =
        here(&ours, "GET", "sys/policies/acl/own", &Value::Null).1["data"]["policy"].clone();
    let accessor =
        here(&ours, "GET", "sys/auth/people", &Value::Null).1["data"]["accessor"].clone();
    assert_eq!(
        rules.as_str().unwrap(),
        POLICY.replace("ACCESSOR", accessor.as_str().unwrap())
    );
    let bob = here(&ours, "GET", "identity/entity/name/bob", &Value::Null).1;
    assert_eq!(bob["data"]["aliases"][0]["mount_accessor"], accessor);

    // Groups hold whom they held, by the ids of here.
    let of_group = |name: &str, field: &str| {
        let path = format!("identity/group/name/{name}");
        here(&ours, "GET", &path, &Value::Null).1["data"][field].clone()
    };
    let shop = of_group("shop", "id");
    assert_eq!(
        of_group("shop", "member_entity_ids"),
        json!([bob["data"]["id"]])
    );
    assert_eq!(of_group("all", "member_group_ids"), json!([shop]));
    let jwt = here(&ours, "GET", "sys/auth/jwt", &Value::Null).1["data"]["accessor"].clone();
    let outside = of_group("outside", "alias");
    assert_eq!(
        (&outside["name"], &outside["mount_accessor"]),
        (&json!("staff"), &jwt)
    );

    // Keys are the same keys.
    let sent = json!({"ciphertext": ciphertext["data"]["ciphertext"]});
    let opened = here(&ours, "POST", "transit/decrypt/out", &sent).1;
    assert_eq!(opened["data"]["plaintext"], "aGk=");
    // A user without a password cannot log in, with the old one or with none.
    let login = json!({"password": CANARY});
    assert_eq!(
        here(&ours, "POST", "auth/people/login/alice", &login).0,
        400
    );

    // Again: nothing happens.
    let (again, code) = run(&ours, &vault(&theirs), &[]);
    assert_eq!(
        (&again["created"], &again["changed"], code),
        (&json!([]), &json!([]), 3),
        "{again:#}"
    );
    assert_eq!(items(&again, "left"), left);

    // What goes on over there follows; what is changed here stays, until somebody says otherwise.
    bao(
        &theirs,
        &["kv", "put", "secret/app/db/below", "v=newer"],
        "",
    );
    here(&ours, "POST", "one/deep/er", &json!({"v": "ours"}));
    here(
        &ours,
        "POST",
        "sys/policies/acl/app",
        &json!({"policy": "path \"x\" { capabilities = [\"read\"] }"}),
    );
    let (third, code) = run(&ours, &vault(&theirs), &[]);
    assert_eq!(code, 4, "{third:#}");
    assert_eq!(items(&third, "changed"), ["secret secret/app/db/below"]);
    assert_eq!(
        items(&third, "different"),
        ["policy app", "secret one/deep/er"]
    );
    assert_eq!(
        here(&ours, "GET", "one/deep/er", &Value::Null).1["data"]["v"],
        "ours"
    );
    let (fourth, code) = run(&ours, &vault(&theirs), &["-overwrite"]);
    assert_eq!(code, 3, "{fourth:#}");
    assert_alike(
        &ours,
        &theirs,
        &[
            "one/deep/er",
            "sys/policies/acl/app",
            "secret/metadata/app/db/below",
        ],
    );
}

#[test]
fn whoever_is_killed_goes_on_where_it_was() {
    const SECRETS: usize = 300;
    let (theirs, ours) = (Bao::start(), Server::dev("ours"));
    for n in 0..SECRETS {
        for version in 1..=2 {
            let body = json!({"data": {"v": format!("{n}-{version}")}});
            theirs.ask("POST", &format!("secret/data/many/{n}"), &body);
        }
    }
    let way = Way::to(&theirs, &ours);
    for limit in [20, 120] {
        way.kill(&ours, "secret/metadata/many", limit, &["-concurrency=2"]);
    }
    let copied = way::count(&ours, "secret/metadata/many");
    assert!(copied < SECRETS, "{copied} were there already");
    let (rest, code) = run(&ours, &vault(&theirs), &[]);
    assert_eq!(code, 0, "{rest:#}");
    let created = items(&rest, "created")
        .iter()
        .filter(|item| item.starts_with("secret "))
        .count();
    assert_eq!(
        created + usize::try_from(rest["unchanged"]["secret"].as_u64().unwrap()).unwrap(),
        SECRETS
    );
    for n in 0..SECRETS {
        for version in 1..=2 {
            let path = format!("secret/data/many/{n}?version={version}");
            let their = theirs.ask("GET", &path, &Value::Null).1;
            assert_eq!(
                here(&ours, "GET", &path, &Value::Null).1["data"],
                their["data"],
                "{path}"
            );
        }
    }
}

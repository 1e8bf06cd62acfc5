//! Identity tokens and the provider of a real OpenBao: what says who may have which token of whom.

use super::{here, items, run, vault};
use crate::openbao::Bao;
use flows::Server;
use serde_json::{Value, json};

/// Writes over there.
fn put(theirs: &Bao, path: &str, body: &Value) -> Value {
    let (status, answer) = theirs.ask("POST", path, body);
    assert!(matches!(status, 200 | 204), "{path}: {status} {answer}");
    answer["data"].clone()
}

fn read(theirs: &Bao, path: &str) -> Value {
    let (status, answer) = theirs.ask("GET", path, &Value::Null);
    assert_eq!(status, 200, "{path}: {answer}");
    answer["data"].clone()
}

fn read_here(ours: &Server, path: &str) -> Value {
    let (status, answer) = here(ours, "GET", path, &Value::Null);
    assert_eq!(status, 200, "{path}: {answer}");
    answer["data"].clone()
}

const CLIENT: &str = "identity/oidc/client/wiki";
const ASSIGNMENT: &str = "identity/oidc/assignment/staff";

fn fill(theirs: &Bao) {
    put(theirs, "sys/auth/people", &json!({"type": "userpass"}));
    let accessor = read(theirs, "sys/auth/people")["accessor"].clone();
    let accessor = accessor.as_str().unwrap();
    let ann = put(theirs, "identity/entity", &json!({"name": "ann"}))["id"].clone();
    let group = json!({"name": "staff", "member_entity_ids": [ann]});
    let staff = put(theirs, "identity/group", &group)["id"].clone();
    put(
        theirs,
        "identity/oidc/config",
        &json!({"issuer": "https://id.example"}),
    );
    let key = json!({
        "algorithm": "ES256", "allowed_client_ids": ["shop"], "rotation_period": "48h", "verification_ttl": "72h"
    });
    put(theirs, "identity/oidc/key/signs", &key);
    let template = format!("{{\"name\": {{{{identity.entity.aliases.{accessor}.name}}}}}}");
    let role = json!({"key": "signs", "client_id": "shop", "ttl": "30m", "template": template});
    put(theirs, "identity/oidc/role/shop", &role);
    let scope = json!({"description": "who", "template": template});
    put(theirs, "identity/oidc/scope/who", &scope);
    put(
        theirs,
        ASSIGNMENT,
        &json!({"entity_ids": [ann], "group_ids": [staff]}),
    );
    let client = json!({
        "key": "signs", "redirect_uris": ["https://wiki.example/back"], "assignments": ["staff"],
        "id_token_ttl": "20m", "access_token_ttl": "40m"
    });
    put(theirs, CLIENT, &client);
    let public = json!({"client_type": "public", "redirect_uris": ["http://127.0.0.1/back"], "assignments": ["allow_all"]});
    put(theirs, "identity/oidc/client/tool", &public);
    let id = read(theirs, CLIENT)["client_id"].clone();
    let provider = json!({"allowed_client_ids": [id], "scopes_supported": ["who"]});
    put(theirs, "identity/oidc/provider/inside", &provider);
    let mut outside = provider;
    outside["issuer"] = json!("https://login.example:8443");
    put(theirs, "identity/oidc/provider/outside", &outside);
}

/// What is the same on both, word for word.
const SAME: [&str; 5] = [
    "identity/oidc/config",
    "identity/oidc/key/signs",
    "identity/oidc/client/tool",
    "identity/oidc/provider/outside",
    CLIENT,
];

#[test]
fn a_provider_goes_on_for_the_services_that_know_it() {
    let (theirs, ours) = (Bao::start(), Server::dev("ours"));
    fill(&theirs);
    let (look, _) = run(&ours, &vault(&theirs), &["-dry-run"]);
    let (first, code) = run(&ours, &vault(&theirs), &[]);
    assert_eq!(
        (code, &first["left"], &first["different"]),
        (0, &json!([]), &json!([])),
        "{first:#}"
    );
    assert_eq!(items(&look, "created"), items(&first, "created"));
    for path in SAME {
        assert_eq!(read(&theirs, path), read_here(&ours, path), "{path}");
    }
    // The secret that the wiki has opens here.
    let secret = read_here(&ours, CLIENT)["client_secret"].clone();
    assert!(secret.as_str().unwrap().starts_with("hvo_secret_"));
    // Ids and accessors are those of here.
    let ann = read_here(&ours, "identity/entity/name/ann")["id"].clone();
    let staff = read_here(&ours, "identity/group/name/staff")["id"].clone();
    let expected = json!({"entity_ids": [ann], "group_ids": [staff]});
    assert_eq!(read_here(&ours, ASSIGNMENT), expected);
    let accessor = read_here(&ours, "sys/auth/people")["accessor"].clone();
    for path in ["identity/oidc/role/shop", "identity/oidc/scope/who"] {
        let (there, mut here) = (read(&theirs, path), read_here(&ours, path));
        let template = here["template"].as_str().unwrap().to_owned();
        assert!(template.contains(accessor.as_str().unwrap()), "{template}");
        here["template"] = there["template"].clone();
        assert_eq!(there, here, "{path}");
    }
    // An address that nobody chose is that of whoever answers.
    let inside = read_here(&ours, "identity/oidc/provider/inside");
    let there = read(&theirs, "identity/oidc/provider/inside");
    assert_ne!(inside["issuer"], there["issuer"]);
    assert_eq!(inside["allowed_client_ids"], there["allowed_client_ids"]);

    let (again, code) = run(&ours, &vault(&theirs), &[]);
    assert_eq!(
        (code, &again["created"], &again["changed"]),
        (0, &json!([]), &json!([])),
        "{again:#}"
    );

    // What was changed here stays, unless it is said otherwise.
    let other = json!({"client_id": "another", "client_secret": "another-secret-of-somebody"});
    let (status, answer) = here(&ours, "POST", &format!("{CLIENT}/credentials"), &other);
    assert_eq!(status, 204, "{answer}");
    let one = vec![format!("OIDC client {CLIENT}")];
    let (stays, code) = run(&ours, &vault(&theirs), &[]);
    assert_eq!((code, &items(&stays, "different")), (4, &one));
    let (over, code) = run(&ours, &vault(&theirs), &["-overwrite"]);
    assert!(
        code == 0 && items(&over, "changed").contains(&one[0]),
        "{over:#}"
    );
    assert_eq!(read(&theirs, CLIENT), read_here(&ours, CLIENT));
}

//! Groups, merged entities, and policies that name who asks: what they mean to tokens that are out.

use crate::harness::Harness;
use crate::replicas::replica;
use cofferdam_core::{Kind, Verb};
use serde_json::{Value, json};

const READER: &str = r#"path "secret/data/*" { capabilities = ["read"] }"#;

async fn with_method() -> Harness {
    let harness = Harness::open().await;
    let reader = json!({"policy": READER});
    harness.write("sys/policies/acl/reader", reader).await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    for method in ["people", "others"] {
        let path = format!("sys/auth/{method}");
        harness.write(&path, json!({"type": "probe"})).await;
    }
    harness
}

struct LoggedIn {
    token: String,
    entity: String,
    auth: Value,
}

async fn login_with(harness: &Harness, path: &str, body: Value) -> LoggedIn {
    let path = format!("auth/{path}");
    let answered = harness.call(Verb::Write, &path, "", body).await;
    assert_eq!(answered.fault, None, "{}", answered.text);
    let auth = answered.body["auth"].clone();
    let text = |field: &str| auth[field].as_str().unwrap().to_owned();
    LoggedIn {
        token: text("client_token"),
        entity: text("entity_id"),
        auth,
    }
}

async fn login(harness: &Harness, name: &str, groups: &[&str]) -> LoggedIn {
    let path = format!("people/login/{name}");
    login_with(harness, &path, json!({"groups": groups})).await
}

async fn can(harness: &Harness, verb: Verb, path: &str, token: &str) -> bool {
    let answered = harness.call(verb, path, token, json!({})).await;
    assert!(matches!(
        answered.fault,
        None | Some(Kind::Denied | Kind::Missing)
    ));
    answered.fault != Some(Kind::Denied)
}

async fn reads(harness: &Harness, token: &str) -> bool {
    can(harness, Verb::Read, "secret/data/a", token).await
}

async fn refused(harness: &Harness, path: &str, body: Value) -> String {
    let answered = harness.call(Verb::Write, path, &harness.root, body).await;
    assert_eq!(answered.fault, Some(Kind::Invalid), "{path}");
    answered.text
}

async fn make(harness: &Harness, body: Value) -> String {
    let made = harness.write("identity/group", body).await;
    made["data"]["id"].as_str().unwrap().to_owned()
}

async fn delete(harness: &Harness, path: &str) {
    let gone = harness
        .call(Verb::Delete, path, &harness.root, Value::Null)
        .await;
    assert_eq!(gone.fault, None, "{}", gone.text);
}

async fn accessor(harness: &Harness, method: &str) -> String {
    let all = harness.read("sys/auth").await;
    let accessor = &all["data"][format!("{method}/")]["accessor"];
    accessor.as_str().unwrap().to_owned()
}

async fn external(harness: &Harness, name: &str, policies: &[&str]) -> String {
    let body = json!({"name": name, "type": "external", "policies": policies});
    let id = make(harness, body).await;
    let accessor = accessor(harness, "people").await;
    let alias = json!({"name": name, "mount_accessor": accessor, "canonical_id": id});
    harness.write("identity/group-alias", alias).await;
    id
}

#[tokio::test]
async fn policies_of_a_group_act_at_once_on_tokens_that_are_out_on_all_replicas() {
    let first = with_method().await;
    let second = replica(&first).await;
    let ann = login(&first, "ann", &[]).await;
    let bob = login(&first, "bob", &[]).await;
    let inner = make(&first, json!({"name": "inner"})).await;
    let middle = make(&first, json!({"member_group_ids": [inner]})).await;
    let outer = make(&first, json!({"name": "outer", "member_group_ids": middle})).await;
    let of = |id: &str| format!("identity/group/id/{id}");
    first
        .write(&of(&inner), json!({"member_entity_ids": ann.entity}))
        .await;
    for _ in 0..10 {
        for group in [&inner, &middle, &outer] {
            first.write(&of(group), json!({"policies": "reader"})).await;
            for replica in [&second, &first] {
                assert!(reads(replica, &ann.token).await);
                assert!(!reads(replica, &bob.token).await);
            }
            second.write(&of(group), json!({"policies": ""})).await;
            for replica in [&first, &second] {
                assert!(!reads(replica, &ann.token).await);
            }
        }
    }
    first
        .write(&of(&outer), json!({"policies": "reader"}))
        .await;
    // Every way out of it.
    first
        .write(&of(&inner), json!({"member_entity_ids": []}))
        .await;
    assert!(!reads(&second, &ann.token).await);
    second
        .write(&of(&inner), json!({"member_entity_ids": [ann.entity]}))
        .await;
    assert!(reads(&first, &ann.token).await);
    second
        .write(&of(&outer), json!({"member_group_ids": []}))
        .await;
    assert!(!reads(&first, &ann.token).await);
    first
        .write(&of(&outer), json!({"member_group_ids": [middle]}))
        .await;
    assert!(reads(&second, &ann.token).await);
    let shown = second
        .read(&format!("identity/entity/id/{}", ann.entity))
        .await;
    assert_eq!(shown["data"]["direct_group_ids"], json!([inner]));
    let inherited = shown["data"]["inherited_group_ids"].as_array().unwrap();
    assert_eq!(inherited.len(), 2);
    delete(&first, &of(&middle)).await;
    assert!(!reads(&second, &ann.token).await);
    let shown = second.read(&of(&inner)).await;
    assert_eq!(shown["data"]["parent_group_ids"], Value::Null);
}

#[tokio::test]
async fn a_token_shows_what_its_groups_give() {
    let harness = with_method().await;
    let ann = login(&harness, "ann", &[]).await;
    let entity = format!("identity/entity/id/{}", ann.entity);
    harness.write(&entity, json!({"policies": "z,b"})).await;
    let members = json!([ann.entity]);
    make(
        &harness,
        json!({"policies": "reader,b", "member_entity_ids": members}),
    )
    .await;
    let own = harness
        .call(Verb::Read, "auth/token/lookup-self", &ann.token, json!({}))
        .await;
    assert_eq!(own.body["data"]["policies"], json!(["default"]));
    assert_eq!(
        own.body["data"]["identity_policies"],
        json!(["b", "reader", "z"])
    );
    let again = login(&harness, "ann", &[]).await;
    assert_eq!(
        again.auth["policies"],
        json!(["b", "default", "reader", "z"])
    );
    assert_eq!(again.auth["token_policies"], json!(["default"]));
}

#[tokio::test]
async fn no_circle_of_groups_is_closed() {
    let first = with_method().await;
    let second = replica(&first).await;
    let of = |id: &str| format!("identity/group/id/{id}");
    let mut groups = Vec::new();
    for _ in 0..4 {
        groups.push(make(&first, json!({})).await);
    }
    let [a, b, c, d] = groups.as_slice() else {
        unreachable!()
    };
    let says = refused(&first, &of(a), json!({"member_group_ids": [a]})).await;
    assert_eq!(says, "member group ID is same as the ID of the group");
    first.write(&of(b), json!({"member_group_ids": [c]})).await;
    first.write(&of(d), json!({"member_group_ids": [a]})).await;
    // Either is fine, and both together are a circle of four that share no group.
    for _ in 0..20 {
        let (one, other) = tokio::join!(
            first.call(
                Verb::Write,
                "identity/group",
                &first.root,
                json!({"id": a, "member_group_ids": [b]})
            ),
            second.call(
                Verb::Write,
                "identity/group",
                &first.root,
                json!({"id": c, "member_group_ids": [d]})
            ),
        );
        let faults = [one.fault, other.fault];
        assert!(faults.contains(&Some(Kind::Invalid)), "{faults:?}");
        assert!(faults.contains(&None), "{faults:?}");
        first.write(&of(a), json!({"member_group_ids": []})).await;
        first.write(&of(c), json!({"member_group_ids": []})).await;
    }
}

#[tokio::test]
async fn an_auth_method_says_who_is_in_an_external_group() {
    let first = with_method().await;
    let second = replica(&first).await;
    let ops = external(&first, "ops", &["reader"]).await;
    let dev = external(&first, "dev", &[]).await;
    let of = |id: &str| format!("identity/group/id/{id}");
    let members = |group: Value| group["data"]["member_entity_ids"].clone();
    let ann = login(&first, "ann", &["ops", "dev", "nobodys"]).await;
    assert!(reads(&second, &ann.token).await);
    assert_eq!(members(first.read(&of(&dev)).await), json!([ann.entity]));
    // By the next login's word it is another: the token that is out follows.
    let again = login(&second, "ann", &["dev"]).await;
    assert_eq!(again.entity, ann.entity);
    for replica in [&first, &second] {
        assert!(!reads(replica, &ann.token).await);
    }
    assert_eq!(members(first.read(&of(&ops)).await), Value::Null);
    // The renewal of a token says again what its login said.
    let renew = "auth/token/renew-self";
    let renewed = first.call(Verb::Write, renew, &ann.token, json!({})).await;
    assert_eq!(renewed.fault, None, "{}", renewed.text);
    for replica in [&second, &first] {
        assert!(reads(replica, &ann.token).await);
    }
    let renewed = second
        .call(Verb::Write, renew, &again.token, json!({}))
        .await;
    assert_eq!(renewed.fault, None, "{}", renewed.text);
    assert!(!reads(&first, &ann.token).await);
    // Another mount has nothing to say about it, whatever it says.
    let accessor = accessor(&first, "others").await;
    let alias = json!({"name": "x", "canonical_id": ann.entity, "mount_accessor": accessor});
    first.write("identity/entity-alias", alias).await;
    let other = login_with(&first, "others/login/x", json!({"groups": ["ops"]})).await;
    assert_eq!(other.entity, ann.entity);
    assert!(!reads(&second, &other.token).await);
    assert_eq!(members(first.read(&of(&dev)).await), json!([ann.entity]));
    // Without a word of groups there are none.
    login(&first, "ann", &[]).await;
    assert_eq!(members(second.read(&of(&dev)).await), Value::Null);
}

#[tokio::test]
async fn many_join_a_group_at_the_same_moment() {
    let first = with_method().await;
    let second = replica(&first).await;
    let ops = external(&first, "ops", &["reader"]).await;
    let mut logins = Vec::new();
    for number in 0..40 {
        let (vault, root) = match number % 2 {
            0 => (first.vault.clone(), first.root.clone()),
            _ => (second.vault.clone(), first.root.clone()),
        };
        let harness = Harness {
            vault,
            root,
            clock: first.clock.clone(),
            store: first.store.clone(),
            keys: Vec::new(),
        };
        logins.push(tokio::spawn(async move {
            login(&harness, &format!("p{}", number / 2), &["ops"])
                .await
                .entity
        }));
    }
    let mut entities = std::collections::BTreeSet::new();
    for login in logins {
        entities.insert(login.await.unwrap());
    }
    assert_eq!(entities.len(), 20);
    let shown = first.read(&format!("identity/group/id/{ops}")).await;
    assert_eq!(shown["data"]["member_entity_ids"], json!(entities));
}

#[tokio::test]
async fn a_group_that_goes_takes_nothing_with_it() {
    let first = with_method().await;
    let second = replica(&first).await;
    let ops = external(&first, "ops", &["reader"]).await;
    let ann = login(&first, "ann", &["ops"]).await;
    assert!(reads(&second, &ann.token).await);
    delete(&first, &format!("identity/group/id/{ops}")).await;
    assert!(!reads(&second, &ann.token).await);
    let again = external(&first, "ops", &["reader"]).await;
    assert_ne!(again, ops);
    assert!(!reads(&second, &ann.token).await);
    login(&second, "ann", &["ops"]).await;
    assert!(reads(&first, &ann.token).await);
    let shown = first
        .read(&format!("identity/entity/id/{}", ann.entity))
        .await;
    assert_eq!(shown["data"]["direct_group_ids"], json!([again]));
    // And an entity that goes leaves no trace in its groups.
    delete(&first, &format!("identity/entity/id/{}", ann.entity)).await;
    let shown = first.read(&format!("identity/group/id/{again}")).await;
    assert_eq!(shown["data"]["member_entity_ids"], Value::Null);
}

#[tokio::test]
async fn a_group_cannot_be_what_it_must_not() {
    // NAME-4
    let harness = with_method().await;
    let ext = external(&harness, "ext", &[]).await;
    let int = make(&harness, json!({"name": "Int"})).await;
    let accessor = accessor(&harness, "people").await;
    for policy in ["root", "Root", "ROOT"] {
        let says = refused(&harness, "identity/group", json!({"policies": policy})).await;
        assert_eq!(says, "policies cannot contain root");
    }
    for policy in ["r\u{43e}\u{43e}t", "../root", "ns/../root", "ro ot"] {
        refused(&harness, "identity/group", json!({"policies": [policy]})).await;
    }
    let of_ext = format!("identity/group/id/{ext}");
    for (path, body) in [
        ("identity/group", json!({"name": "INT", "type": "external"})),
        (of_ext.as_str(), json!({"type": "internal"})),
        (of_ext.as_str(), json!({"member_entity_ids": []})),
        (of_ext.as_str(), json!({"member_group_ids": [int]})),
        (of_ext.as_str(), json!({"name": "int"})),
        ("identity/group", json!({"type": "other"})),
        ("identity/group", json!({"member_entity_ids": ["no"]})),
        ("identity/group", json!({"member_group_ids": ["no"]})),
        ("identity/group", json!({"metadata": {"": "x"}})),
        ("identity/group", json!({"name": "a\nb"})),
        (
            "identity/group-alias",
            json!({"name": "n", "mount_accessor": accessor, "canonical_id": int}),
        ),
        (
            "identity/group-alias",
            json!({"name": "ext", "mount_accessor": accessor}),
        ),
        (
            "identity/group-alias",
            json!({"name": "n", "mount_accessor": "no"}),
        ),
    ] {
        refused(&harness, path, body).await;
    }
}

#[tokio::test]
async fn merged_entities_are_one_with_all_they_had() {
    let first = with_method().await;
    let second = replica(&first).await;
    let ann = login(&first, "ann", &[]).await;
    let bob = login_with(&first, "others/login/bob", json!({})).await;
    let members = json!([bob.entity]);
    let group = make(
        &first,
        json!({"policies": "reader", "member_entity_ids": members}),
    )
    .await;
    assert!(reads(&second, &bob.token).await && !reads(&second, &ann.token).await);
    let merge = json!({"to_entity_id": ann.entity, "from_entity_ids": [bob.entity]});
    first.write("identity/entity/merge", merge).await;
    for replica in [&second, &first] {
        // Tokens of both are the one's.
        assert!(reads(replica, &ann.token).await);
        assert!(reads(replica, &bob.token).await);
    }
    let shown = second.read(&format!("identity/group/id/{group}")).await;
    assert_eq!(shown["data"]["member_entity_ids"], json!([ann.entity]));
    let again = login_with(&second, "others/login/bob", json!({})).await;
    assert_eq!(again.entity, ann.entity);
    // Merged once more: the first one's tokens follow both times.
    let eve = first.write("identity/entity", json!({"name": "eve"})).await;
    let eve = eve["data"]["id"].as_str().unwrap();
    let merge = json!({"to_entity_id": eve, "from_entity_ids": ann.entity});
    second.write("identity/entity/merge", merge).await;
    let path = format!("identity/entity/id/{eve}");
    let shown = first.read(&path).await["data"].clone();
    assert_eq!(shown["merged_entity_ids"], json!([bob.entity, ann.entity]));
    assert_eq!(shown["aliases"].as_array().unwrap().len(), 2);
    assert!(reads(&first, &bob.token).await);
    second.write(&path, json!({"disabled": true})).await;
    for token in [&ann.token, &bob.token, &again.token] {
        assert!(!reads(&first, token).await);
    }
    second.write(&path, json!({"disabled": false})).await;
    assert!(reads(&first, &bob.token).await);
    delete(&second, &path).await;
    for token in [&ann.token, &bob.token, &again.token] {
        assert!(!reads(&first, token).await);
    }
    // All names are free again.
    assert_ne!(login(&first, "ann", &[]).await.entity, ann.entity);
}

#[tokio::test]
async fn of_two_aliases_of_a_mount_whoever_merges_says_which_stays() {
    let harness = with_method().await;
    let ann = login(&harness, "ann", &[]).await;
    let bob = login(&harness, "bob", &[]).await;
    let alias = |shown: &Value| shown["data"]["aliases"][0]["id"].clone();
    let read = async |id: &str| harness.read(&format!("identity/entity/id/{id}")).await;
    let (of_ann, of_bob) = (
        alias(&read(&ann.entity).await),
        alias(&read(&bob.entity).await),
    );
    let path = "identity/entity/merge";
    let body = |keep: Value| {
        json!({
            "to_entity_id": ann.entity, "from_entity_ids": [bob.entity],
            "conflicting_alias_ids_to_keep": keep, "force": true,
        })
    };
    for keep in [json!([]), json!(["no"])] {
        let says = refused(&harness, path, body(keep)).await;
        assert!(says.contains(of_ann.as_str().unwrap()), "{says}");
    }
    for body in [
        json!({}),
        json!({"to_entity_id": ann.entity}),
        json!({"to_entity_id": "no", "from_entity_ids": [bob.entity]}),
        json!({"to_entity_id": ann.entity, "from_entity_ids": ["no"]}),
        json!({"to_entity_id": ann.entity, "from_entity_ids": [ann.entity]}),
    ] {
        refused(&harness, path, body).await;
    }
    harness.write(path, body(json!([of_bob]))).await;
    assert_eq!(alias(&read(&ann.entity).await), of_bob);
    assert_eq!(login(&harness, "bob", &[]).await.entity, ann.entity);
    // The alias that went is nobody's: its next login is somebody new.
    assert_ne!(login(&harness, "ann", &[]).await.entity, ann.entity);
}

const OWN: &str = r#"
path "secret/data/{{identity.entity.id}}/*" { capabilities = ["read", "create", "update"] }
path "secret/data/by-name/{{identity.entity.name}}" { capabilities = ["read"] }
path "secret/data/team/{{identity.entity.metadata.team}}/*" { capabilities = ["read"] }
path "secret/data/of/{{identity.groups.names.ops.metadata.place}}/+" { capabilities = ["read"] }
path "secret/data/login/{{identity.entity.aliases.ACCESSOR.name}}" { capabilities = ["read"] }
path "secret/data/said/{{identity.entity.aliases.ACCESSOR.metadata.desk}}" { capabilities = ["read"] }
"#;

#[tokio::test]
async fn a_policy_names_who_asks_and_follows_them() {
    let first = with_method().await;
    let second = replica(&first).await;
    let rules = OWN.replace("ACCESSOR", &accessor(&first, "people").await);
    first
        .write("sys/policies/acl/own", json!({"policy": rules}))
        .await;
    let as_own = |name: &str| {
        (
            format!("people/login/{name}"),
            json!({"policies": ["own"], "metadata": {"desk": "4"}}),
        )
    };
    let (path, body) = as_own("ann");
    let ann = login_with(&first, &path, body).await;
    let (path, body) = as_own("bob");
    let bob = login_with(&first, &path, body).await;
    let read = async |token: &str, path: &str| {
        let path = format!("secret/data/{path}");
        let answers = [
            can(&first, Verb::Read, &path, token).await,
            can(&second, Verb::Read, &path, token).await,
        ];
        assert_eq!(answers[0], answers[1], "{path}");
        answers[0]
    };
    let own = format!("{}/x", ann.entity);
    assert!(read(&ann.token, &own).await);
    assert!(!read(&bob.token, &own).await);
    assert!(read(&ann.token, "login/ann").await);
    assert!(!read(&bob.token, "login/ann").await);
    assert!(read(&ann.token, "said/4").await);
    // Nothing is known yet of these.
    for path in ["team/web/x", "team//x", "of/here/x", "team/+/x"] {
        let path = path.replace("//", "/");
        assert!(!read(&ann.token, &path).await, "{path}");
    }
    let entity = format!("identity/entity/id/{}", ann.entity);
    second
        .write(&entity, json!({"metadata": {"team": "web"}, "name": "ann"}))
        .await;
    assert!(read(&ann.token, "team/web/x").await);
    assert!(read(&ann.token, "by-name/ann").await);
    assert!(!read(&bob.token, "team/web/x").await);
    let group =
        json!({"name": "ops", "metadata": {"place": "here"}, "member_entity_ids": [ann.entity]});
    let group = make(&first, group).await;
    assert!(read(&ann.token, "of/here/x").await);
    let group = format!("identity/group/id/{group}");
    second
        .write(&group, json!({"metadata": {"place": "there"}}))
        .await;
    assert!(!read(&ann.token, "of/here/x").await);
    assert!(read(&ann.token, "of/there/x").await);
    first
        .write(&entity, json!({"metadata": {"team": "ops"}}))
        .await;
    assert!(!read(&ann.token, "team/web/x").await);
    // NAME-5
    for team in ["+", "*", "web/x", "..", "web/*", "/", "a\nb"] {
        let sent = json!({"metadata": {"team": team}});
        first.write(&entity, sent).await;
        for path in [
            "team/web/x",
            "team/ops/x",
            "team/web/x/y",
            "team/+/x",
            "team/*/x",
        ] {
            assert!(!read(&ann.token, path).await, "{team:?} {path}");
        }
    }
    first
        .write("sys/policies/acl/own", json!({"policy": READER}))
        .await;
    assert!(read(&ann.token, "a").await);
}

#[tokio::test]
async fn templates_count_wherever_rules_are_asked() {
    let harness = with_method().await;
    let rules = r#"path "secret/data/{{identity.entity.name}}" { capabilities = ["read"] }"#;
    harness
        .write("sys/policies/acl/own", json!({"policy": rules}))
        .await;
    let body = json!({"policies": ["own"]});
    let ann = login_with(&harness, "people/login/ann", body.clone()).await;
    let bob = login_with(&harness, "people/login/bob", body).await;
    let entity = format!("identity/entity/id/{}", ann.entity);
    harness.write(&entity, json!({"name": "ann"})).await;
    let asked =
        json!({"paths": ["secret/data/ann"], "token": ann.token, "accessor": ann.auth["accessor"]});
    for path in ["sys/capabilities", "sys/capabilities-accessor"] {
        let shown = harness.write(path, asked.clone()).await;
        assert_eq!(shown["data"]["secret/data/ann"], json!(["read"]), "{path}");
    }
    for (token, said) in [(&ann.token, "read"), (&bob.token, "deny")] {
        let shown = harness
            .call(
                Verb::Write,
                "sys/capabilities-self",
                token,
                json!({"path": "secret/data/ann"}),
            )
            .await;
        assert_eq!(shown.body["data"]["capabilities"], json!([said]));
    }
    let resultant = "sys/internal/ui/resultant-acl";
    let shown = harness
        .call(Verb::Read, resultant, &ann.token, json!({}))
        .await;
    let exact = &shown.body["data"]["exact_paths"];
    assert_eq!(exact["secret/data/ann"]["capabilities"], json!(["read"]));
    assert_eq!(
        exact[&entity]["capabilities"],
        json!(["read"]),
        "by the default policy"
    );
    // Without an entity there is nobody to name.
    let token = harness.token(json!({"policies": ["own"]})).await;
    assert!(!can(&harness, Verb::Read, "secret/data/ann", &token).await);
    assert!(can(&harness, Verb::Read, &entity, &ann.token).await);
    assert!(!can(&harness, Verb::Read, &entity, &bob.token).await);
}

#[tokio::test]
async fn a_role_of_tokens_makes_them_for_the_entities_it_gives() {
    let harness = with_method().await;
    let ann = login(&harness, "ann", &[]).await;
    let role = json!({"allowed_entity_aliases": "ANN,web-*", "allowed_policies": "default"});
    harness.write("auth/token/roles/r", role).await;
    let shown = harness.read("auth/token/roles/r").await;
    assert_eq!(
        shown["data"]["allowed_entity_aliases"],
        json!(["ann", "web-*"])
    );
    let make = async |alias: &str| {
        let made = harness
            .write("auth/token/create/r", json!({"entity_alias": alias}))
            .await;
        let auth = made["auth"].clone();
        let text = |field: &str| auth[field].as_str().unwrap().to_owned();
        (text("client_token"), text("entity_id"))
    };
    let (token, entity) = make("ann").await;
    // The name of another mount is another's.
    assert_ne!(entity, ann.entity);
    // AUTH-1: no spelling is somebody else.
    assert_eq!(make("Ann").await.1, entity);
    assert_ne!(make("web-1").await.1, entity);
    let path = format!("identity/entity/id/{entity}");
    harness.write(&path, json!({"policies": "reader"})).await;
    assert!(reads(&harness, &token).await);
    for alias in ["bob", "web", "annx", "*"] {
        let says = refused(
            &harness,
            "auth/token/create/r",
            json!({"entity_alias": alias}),
        )
        .await;
        assert_eq!(says, "invalid 'entity_alias' value");
    }
    for path in ["auth/token/create", "auth/token/create-orphan"] {
        let says = refused(&harness, path, json!({"entity_alias": "ann"})).await;
        assert_eq!(
            says,
            "'entity_alias' is only allowed in combination with token role"
        );
    }
    harness.write(&path, json!({"disabled": true})).await;
    assert!(!reads(&harness, &token).await);
    let again = harness
        .call(
            Verb::Write,
            "auth/token/create/r",
            &harness.root,
            json!({"entity_alias": "ann"}),
        )
        .await;
    assert_eq!(again.fault, Some(Kind::Denied));
}

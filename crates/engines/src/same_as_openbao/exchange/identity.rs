//! Entities, groups, merging, and policies that name who asks. Whole paths.

use super::signer::Signer;
use super::{NO_QUOTES, Step, delete, get, list, put};
use serde_json::{Value, json};

/// Why an answer may differ.
const NAMESPACE: &str = "their made-up names end with the namespace";
const OUR_FAULT: &str = "they answer a caller's mistake as one of the server";
const PLUGINS: &str = "versions of plugins, and options that there are none of";
const JOINED: &str = "joining does not write the group, so it does not count as a write";
const HOSTILE: &str = "they refuse every request of somebody whose metadata has a wildcard or a slash; \
                       ours denies what the rule would have said";

/// One script: it is about one server.
pub(crate) fn all() -> Vec<Step> {
    [
        people(),
        groups(),
        memberships(),
        aliases(),
        external(),
        merges(),
        templates(),
        token_roles(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn login(mount: &str, name: &str) -> Step {
    put(
        format!("auth/{mount}/login/{name}"),
        json!({"password": "a long one"}),
    )
}

/// Three people at two methods; `$ann`, `$bob`, `$eve` are their entities.
fn people() -> Vec<Step> {
    let mut script = Vec::new();
    for mount in ["people", "others"] {
        script.push(put(
            format!("sys/auth/{mount}"),
            json!({"type": "userpass"}),
        ));
    }
    script.push(
        get("sys/auth/people")
            .keeps(&["accessor=people"])
            .differs(PLUGINS),
    );
    script.push(
        get("sys/auth/others")
            .keeps(&["accessor=others"])
            .differs(PLUGINS),
    );
    let mut user = |mount: &str, name: &str| {
        let user = json!({"password": "a long one", "policies": "own"});
        script.push(put(format!("auth/{mount}/users/{name}"), user));
    };
    user("people", "ann");
    user("people", "bob");
    user("others", "eve");
    script.push(login("people", "ann").keeps(&["entity_id=ann", "client_token=of_ann"]));
    script.push(login("people", "bob").keeps(&["entity_id=bob", "client_token=of_bob"]));
    script.push(login("others", "eve").keeps(&["entity_id=eve", "client_token=of_eve"]));
    for (who, name) in [("$ann", "ann"), ("$bob", "bob"), ("$eve", "eve")] {
        script.push(put("identity/entity", json!({"id": who, "name": name})));
    }
    script.push(get("identity/entity/id/$ann").loose());
    script
}

fn groups() -> Vec<Step> {
    let group = |body: Value| put("identity/group", body);
    vec![
        list("identity/group/id"),
        list("identity/group/name"),
        group(json!({})).differs(NAMESPACE).keeps(&["id=unnamed"]),
        delete("identity/group/id/$unnamed"),
        group(json!({"name": "One", "policies": ["B", "a", "a"], "metadata": {"k": "v"}}))
            .keeps(&["id=one"]),
        list("identity/group/name"),
        get("identity/group/name/One"),
        get("identity/group/name/one"),
        get("identity/group/id/$one"),
        group(json!({"name": "one", "metadata": {"j": "w"}})),
        get("identity/group/id/$one"),
        put("identity/group/id/$one", json!({"policies": []})),
        get("identity/group/id/$one").differs("no policies are none, whoever said so"),
        group(json!({"name": "ext", "type": "external", "member_entity_ids": "x"})),
        group(json!({"name": "ext", "type": "external", "member_group_ids": "x"})),
        group(json!({"name": "ext", "type": "external"})).keeps(&["id=ext"]),
        group(json!({"name": "ext", "type": "internal"})),
        group(json!({"name": "other", "type": "else"})).says(NO_QUOTES),
        group(json!({"name": "one", "type": "else"})),
        group(json!({"name": "other", "member_entity_ids": "none"})).differs(OUR_FAULT),
        group(json!({"name": "other", "member_group_ids": "none"})).differs(OUR_FAULT),
        group(json!({"name": "other", "policies": "root"})),
        group(json!({"name": "other", "policies": "Root"})),
        group(json!({"id": "none"})),
        group(json!({"id": ""})),
        group(json!({"name": ""})),
        group(json!({"id": "$one", "name": "ext"})),
        get("identity/group/id/none"),
        get("identity/group/name/none"),
        delete("identity/group/id/none"),
        delete("identity/group/name/none"),
        put("identity/lookup/group", json!({"name": "EXT"})),
        put("identity/lookup/group", json!({"id": "$ext"})),
        put("identity/lookup/group", json!({"name": "none"})),
        put("identity/lookup/group", json!({})),
        put("identity/lookup/group", json!({"alias_name": "a"})),
        put("identity/lookup/group", json!({"alias_id": "a", "id": "b"})),
    ]
}

fn memberships() -> Vec<Step> {
    let group = |body: Value| put("identity/group", body);
    let policies = |name: &str| {
        put(
            format!("identity/group/name/{name}"),
            json!({"policies": name}),
        )
    };
    let own = || put("auth/token/lookup", json!({"token": "$of_ann"})).loose();
    vec![
        group(json!({"name": "inner", "member_entity_ids": ["$ann", "$ann"]})).keeps(&["id=inner"]),
        group(json!({"name": "middle", "member_group_ids": ["$inner"]})).keeps(&["id=middle"]),
        group(json!({"name": "outer", "member_group_ids": ["$middle", "$middle"]}))
            .keeps(&["id=outer"]),
        get("identity/group/name/inner"),
        get("identity/group/name/middle"),
        get("identity/group/name/outer"),
        get("identity/entity/id/$ann").loose(),
        own(),
        policies("inner"),
        policies("outer"),
        own(),
        login("people", "ann"),
        group(json!({"id": "$inner", "member_group_ids": "$inner"})).differs(OUR_FAULT),
        group(json!({"id": "$inner", "member_group_ids": "$outer"})).says(NO_QUOTES),
        group(json!({"id": "$inner", "member_group_ids": ["$outer", "$middle"]})).says(NO_QUOTES),
        put("identity/group/id/$outer", json!({"member_group_ids": []})),
        own(),
        get("identity/entity/id/$ann").loose(),
        put(
            "identity/group/id/$outer",
            json!({"member_group_ids": ["$inner"]}),
        ),
        own(),
        put(
            "identity/group/id/$inner",
            json!({"member_entity_ids": ["$bob"]}),
        ),
        own(),
        get("identity/entity/id/$ann").loose(),
        get("identity/entity/id/$bob").loose(),
        delete("identity/group/id/$outer"),
        get("identity/entity/id/$bob").loose(),
    ]
}

fn aliases() -> Vec<Step> {
    let alias = |body: Value| put("identity/group-alias", body);
    vec![
        list("identity/group-alias/id"),
        alias(json!({})),
        alias(json!({"name": "n"})),
        alias(json!({"name": "n", "mount_accessor": "x"})).says(NO_QUOTES),
        alias(json!({"name": "n", "mount_accessor": "$people", "canonical_id": "x"})),
        alias(json!({"name": "n", "mount_accessor": "$people", "canonical_id": "$one"})),
        alias(json!({"name": "n", "mount_accessor": "$people", "canonical_id": "$ext"}))
            .keeps(&["id=alias"]),
        get("identity/group-alias/id/$alias").loose(),
        get("identity/group/id/$ext").loose(),
        alias(json!({"name": "n", "mount_accessor": "$people"})),
        alias(json!({"id": "$alias", "name": "n", "mount_accessor": "$people"})),
        alias(json!({"id": "$alias", "name": "m", "mount_accessor": "$people"})),
        put("identity/lookup/group", json!({"alias_id": "$alias"})).loose(),
        put(
            "identity/lookup/group",
            json!({"alias_name": "m", "alias_mount_accessor": "$people"}),
        )
        .loose(),
        put(
            "identity/lookup/group",
            json!({"alias_name": "n", "alias_mount_accessor": "$people"}),
        ),
        put(
            "identity/group",
            json!({"name": "ext2", "type": "external"}),
        )
        .keeps(&["id=ext2"]),
        put(
            "identity/group-alias/id/$alias",
            json!({"name": "m", "mount_accessor": "$people", "canonical_id": "$ext2"}),
        ),
        get("identity/group/id/$ext").loose(),
        get("identity/group/id/$ext2").loose(),
        put(
            "identity/group-alias/id/none",
            json!({"name": "n", "mount_accessor": "$people"}),
        ),
        get("identity/group-alias/id/none"),
        delete("identity/group-alias/id/none"),
        delete("identity/group-alias/id/$alias"),
        get("identity/group/id/$ext2").loose(),
        get("identity/group-alias/id/$alias"),
    ]
}

/// Who is in an external group is said by tokens that somebody else signed.
fn external() -> Vec<Step> {
    let key = Signer::rsa();
    let login = |groups: Value| {
        let claims = json!({
            "sub": "kim", "aud": "vault", "iat": 1_700_000_000, "exp": 4_000_000_000_i64, "groups": groups,
        });
        put(
            "auth/signed/login",
            json!({"role": "r", "jwt": key.plain(&claims)}),
        )
    };
    let group = |name: &str| {
        put(
            "identity/group",
            json!({"name": name, "type": "external", "policies": name}),
        )
    };
    let alias = |name: &str, group: &str| {
        let alias = json!({"name": name, "mount_accessor": "$signed", "canonical_id": group});
        put("identity/group-alias", alias)
    };
    let shown = |token: &str| put("auth/token/lookup", json!({"token": token})).loose();
    let renewed = |token: &str| put("auth/token/renew", json!({"token": token}));
    let both = || ["$first", "$second"].map(shown);
    let mut script = vec![
        put("sys/auth/signed", json!({"type": "jwt"})),
        get("sys/auth/signed")
            .keeps(&["accessor=signed"])
            .differs(PLUGINS),
        put(
            "auth/signed/config",
            json!({"jwt_validation_pubkeys": [key.pem()]}),
        ),
        put(
            "auth/signed/role/r",
            json!({
                "role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault",
                "groups_claim": "groups", "token_ttl": "1h",
            }),
        ),
        group("web").keeps(&["id=web"]),
        group("ops").keeps(&["id=ops"]),
        alias("the-web", "$web"),
        alias("the-ops", "$ops"),
        login(json!(["the-web", "nobodys", "the-ops"]))
            .keeps(&["client_token=first", "entity_id=kim"]),
    ];
    script.extend([
        put("identity/entity", json!({"id": "$kim", "name": "kim"})),
        get("identity/entity/id/$kim").loose(),
        get("identity/group/id/$web").differs(JOINED),
        shown("$first"),
        login(json!(["the-ops"])).keeps(&["client_token=second"]),
    ]);
    script.extend(both());
    // A renewal says again what its login said.
    script.push(renewed("$first"));
    script.extend(both());
    script.push(renewed("$second"));
    script.extend(both());
    script.push(login(json!([])));
    script.extend(both());
    script.push(renewed("$second"));
    script.extend(both());
    script.push(delete("identity/group/id/$ops"));
    script.extend(both());
    script.push(renewed("$second"));
    script.push(get("identity/entity/id/$kim").loose());
    script
}

fn merges() -> Vec<Step> {
    let merge = |body: Value| put("identity/entity/merge", body);
    vec![
        merge(json!({})),
        merge(json!({"to_entity_id": "x"})),
        merge(json!({"from_entity_ids": "x"})),
        merge(json!({"to_entity_id": "x", "from_entity_ids": "$ann"})),
        merge(json!({"to_entity_id": "$ann", "from_entity_ids": "x"})),
        merge(json!({"to_entity_id": "$ann", "from_entity_ids": "$ann"})),
        merge(json!({"to_entity_id": "$ann", "from_entity_ids": "$bob"}))
            .differs("an error of ours has no data"),
        merge(json!({
            "to_entity_id": "$ann", "from_entity_ids": ["$bob", "$eve"],
            "conflicting_alias_ids_to_keep": ["a", "b"],
        })),
        merge(json!({
            "to_entity_id": "$ann", "from_entity_ids": "$bob", "conflicting_alias_ids_to_keep": "x",
        }))
        .says("ours names the two in another order"),
        put(
            "identity/entity/id/$eve",
            json!({"policies": "eves", "metadata": {"e": "v"}}),
        ),
        put(
            "identity/group/name/ofeve",
            json!({"member_entity_ids": "$eve", "policies": "ofeve"}),
        ),
        merge(json!({"to_entity_id": "$ann", "from_entity_ids": "$eve", "force": true})),
        get("identity/entity/id/$eve"),
        get("identity/entity/name/eve"),
        get("identity/entity/id/$ann").loose(),
        get("identity/group/name/ofeve"),
        put("auth/token/lookup", json!({"token": "$of_eve"})).loose(),
        login("others", "eve"),
        put(
            "identity/lookup/entity",
            json!({"alias_name": "eve", "alias_mount_accessor": "$others"}),
        )
        .loose(),
    ]
}

const RULES: &str = r#"
path "kv/{{identity.entity.name}}/*" { capabilities = ["read", "list"] }
path "kv/team-{{identity.entity.metadata.team}}" { capabilities = ["update"] }
path "kv/in/{{identity.groups.names.inner.name}}/+" { capabilities = ["delete"] }
path "kv/in/{{identity.groups.names.one.name}}" { capabilities = ["delete"] }
path "kv/none/{{foo}}" { capabilities = ["read"] }
path "kv/*" { capabilities = ["create"] }
"#;

fn templates() -> Vec<Step> {
    let asked = |who: &str, path: &str| {
        let body = json!({"token": who, "path": path});
        put("sys/capabilities", body)
    };
    let team = |value: &str| {
        put(
            "identity/entity/id/$bob",
            json!({"metadata": {"team": value}}),
        )
    };
    let broken = |path: &str| {
        let rule = format!("path \"{path}\" {{ capabilities = [\"read\"] }}");
        put("sys/policies/acl/broken", json!({"policy": rule})).says(NO_QUOTES)
    };
    let mut script = vec![
        broken("a/{{b"),
        broken("a/b}}"),
        put("sys/policies/acl/own", json!({"policy": RULES})),
        team("web"),
    ];
    for who in ["$of_ann", "$of_bob", "root"] {
        for path in [
            "kv/ann/x",
            "kv/bob/x",
            "kv/bob",
            "kv/team-web",
            "kv/team-",
            "kv/in/inner/x",
            "kv/in/one",
            "kv/none/foo",
            "kv/none/",
            "kv/none/{{foo}}",
        ] {
            script.push(asked(who, path));
        }
    }
    script.push(team("web/x"));
    script.push(asked("$of_bob", "kv/team-web").differs(HOSTILE));
    script.push(team("*"));
    script.push(asked("$of_bob", "kv/team-web").differs(HOSTILE));
    script.push(team("ops"));
    script.push(asked("$of_bob", "kv/team-ops"));
    script.push(asked("$of_bob", "kv/team-web"));
    script
}

fn token_roles() -> Vec<Step> {
    let role = |body: Value| put("auth/token/roles/r", body);
    let create = |alias: &str| put("auth/token/create/r", json!({"entity_alias": alias}));
    vec![
        put("auth/token/create", json!({"entity_alias": "x"})),
        role(json!({"allowed_policies": "default"})),
        get("auth/token/roles/r"),
        create("ann"),
        role(json!({"allowed_entity_aliases": ["Web-*", "ann"]})),
        get("auth/token/roles/r"),
        create("x"),
        create(""),
        create("ann"),
        create("WEB-1"),
        role(json!({"allowed_entity_aliases": ""})),
        get("auth/token/roles/r"),
        create("ann"),
    ]
}

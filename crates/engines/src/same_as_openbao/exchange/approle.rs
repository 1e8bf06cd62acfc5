//! AppRole.

use super::{NO_QUOTES, Step, delete, get, list, put};
use serde_json::json;

/// Each script begins on a new mount.
pub(crate) fn all() -> Vec<Vec<Step>> {
    vec![roles(), fields(), secret_ids(), logins()]
}

/// Why a status may differ.
const OUR_FAULT: &str = "a caller's mistake is not a 500";

fn roles() -> Vec<Step> {
    let everything = json!({
        "policies": "a, B,a", "token_ttl": "20m", "token_max_ttl": "30m", "secret_id_ttl": "10m",
        "secret_id_num_uses": 2, "token_num_uses": 3, "secret_id_bound_cidrs": "127.0.0.0/8",
        "token_bound_cidrs": ["127.0.0.1", "10.0.0.0/8"], "period": "1h", "token_explicit_max_ttl": 7200,
        "token_no_default_policy": true,
    });
    vec![
        list("role"),
        get("role/web"),
        put("role/web", json!({})),
        get("role/web"),
        get("role/WEB"),
        put("role/web", everything),
        get("role/web"),
        put("role/web", json!({"token_policies": ["x", "y"]})),
        put("role/web", json!({"bound_cidr_list": "10.0.0.0/8"})),
        get("role/web"),
        put(
            "role/web",
            json!({"token_ttl": "2h", "token_max_ttl": "1h"}),
        ),
        put("role/web", json!({"token_ttl": -1})).says(NO_QUOTES),
        put("role/web", json!({"token_num_uses": -1})).says("one text for every count"),
        put("role/web", json!({"secret_id_num_uses": -1})).says("one text for every count"),
        put("role/web", json!({"secret_id_bound_cidrs": "nope"})).differs(OUR_FAULT),
        put("role/web", json!({"token_bound_cidrs": "nope"})).says(NO_QUOTES),
        put("role/web", json!({"token_type": "default-service"})),
        put("role/web", json!({"token_type": "foo"})).says(NO_QUOTES),
        put("role/web", json!({"token_type": "service"})),
        put("role/web", json!({"token_strictly_bind_ip": true})),
        put("role/web", json!({"local_secret_ids": true})),
        put("role/web", json!({"role_id": ""})),
        put(
            "role/web",
            json!({"bind_secret_id": false, "secret_id_bound_cidrs": [], "token_bound_cidrs": []}),
        )
        .differs(OUR_FAULT),
        put("role/web", json!({"token_ttl": "x"})).says(NO_QUOTES),
        put("role/web", json!({"bind_secret_id": "maybe"})).says(NO_QUOTES),
        put("role/web", json!({"token_max_ttl": "9999h"})),
        put("role/web", json!({"period": "9999h"})),
        get("role/web"),
        put("role/w2", json!({"bind_secret_id": false})).differs(OUR_FAULT),
        put(
            "role/w2",
            json!({"local_secret_ids": true, "role_id": "myrole"}),
        ),
        put("role/w3", json!({"role_id": "myrole"})).differs(OUR_FAULT),
        get("role/w2"),
        get("role/w2/local-secret-ids"),
        list("role"),
        list("role/"),
        put("role/w%20x", json!({})),
        put("role/.x", json!({})),
        put("role/x.", json!({})),
        put("role/x.-_y", json!({})),
        put("role/batch", json!({"token_type": "batch"})),
        get("role/batch"),
        put("role/batch", json!({"token_period": "5m"})),
        put("role/batch", json!({"token_num_uses": 5})),
        put("role/batch", json!({"token_type": "default-batch"})),
        delete("role/x.-_y"),
        delete("role/x.-_y"),
        get("role/x.-_y"),
        put("role/a/b", json!({})),
    ]
}

fn fields() -> Vec<Step> {
    let mut script = vec![put("role/web", json!({"role_id": "first"}))];
    for (path, body) in [
        ("policies", json!({"token_policies": "p,q"})),
        ("policies", json!({"policies": "p"})),
        ("policies", json!({})),
        ("secret-id-num-uses", json!({"secret_id_num_uses": 5})),
        ("secret-id-num-uses", json!({})),
        ("secret-id-ttl", json!({"secret_id_ttl": "5m"})),
        ("secret-id-ttl", json!({})),
        ("token-ttl", json!({"token_ttl": "5m"})),
        ("token-ttl", json!({})),
        ("token-max-ttl", json!({"token_max_ttl": "1m"})),
        ("token-max-ttl", json!({"token_max_ttl": "6m"})),
        ("token-max-ttl", json!({})),
        ("token-ttl", json!({"token_ttl": "7m"})),
        (
            "secret-id-bound-cidrs",
            json!({"secret_id_bound_cidrs": "10.0.0.0/8"}),
        ),
        ("secret-id-bound-cidrs", json!({})),
        (
            "token-bound-cidrs",
            json!({"token_bound_cidrs": "10.0.0.0/8,10.0.0.1"}),
        ),
        ("token-bound-cidrs", json!({})),
        ("token-num-uses", json!({"token_num_uses": 4})),
        ("token-num-uses", json!({})),
        ("period", json!({"period": "5m"})),
        ("period", json!({"token_period": "5m"})),
        ("period", json!({})),
        ("period", json!({"period": "9999h"})),
        ("role-id", json!({"role_id": "fixed"})),
        ("role-id", json!({})),
    ] {
        let path = format!("role/web/{path}");
        script.push(put(path.clone(), body));
        script.push(get(path));
    }
    script.push(get("role/web"));
    script.push(
        put(
            "role/web/secret-id-bound-cidrs",
            json!({"secret_id_bound_cidrs": "zz"}),
        )
        .says(NO_QUOTES),
    );
    script.push(
        put(
            "role/web/token-bound-cidrs",
            json!({"token_bound_cidrs": "10.zz"}),
        )
        .says(NO_QUOTES),
    );
    script.push(
        put("role/web/token-num-uses", json!({"token_num_uses": -4}))
            .differs("a negative count is refused everywhere"),
    );
    script.push(
        get("role/web/bind-secret-id")
            .differs("served as Vault documents it; this OpenBao lost the path"),
    );
    script
        .push(get("role/web/bound-cidr-list").differs("the old name shows what is set, not null"));
    for path in [
        "policies",
        "secret-id-num-uses",
        "secret-id-ttl",
        "token-ttl",
        "token-max-ttl",
        "secret-id-bound-cidrs",
        "token-bound-cidrs",
        "token-num-uses",
        "period",
    ] {
        let own = format!("role/web/{path}");
        let none = format!("role/nope/{path}");
        script.extend([
            get(none.clone()),
            put(none.clone(), json!({})),
            delete(none),
            delete(own.clone()),
            get(own),
        ]);
    }
    script.extend([
        delete("role/web/role-id"),
        put("role/web/local-secret-ids", json!({})),
        get("role/web"),
    ]);
    script
}

fn secret_ids() -> Vec<Step> {
    let missing = "an accessor of nothing is not found, whatever is asked of it";
    vec![
        put("role/web", json!({"role_id": "web"})),
        put("role/db", json!({"role_id": "db"})),
        list("role/web/secret-id"),
        list("role/nope/secret-id"),
        put("role/web/secret-id", json!({"metadata": "{\"k\":\"v\"}"}))
            .keeps(&["secret_id", "secret_id_accessor"]),
        list("role/web/secret-id"),
        put("role/web/secret-id", json!({"metadata": "nope"})),
        put("role/web/secret-id", json!({"metadata": {"k": "v"}})).says(NO_QUOTES),
        put("role/web/secret-id", json!({"cidr_list": "x"})).differs(OUR_FAULT),
        put(
            "role/web/secret-id",
            json!({"token_bound_cidrs": ["10.0.0.1/32"], "ttl": "5m", "num_uses": 2}),
        ),
        put("role/web/secret-id", json!({"num_uses": -1})).says("one text for every count"),
        put("role/web/secret-id", json!({"ttl": -1})).says(NO_QUOTES),
        put("role/nope/secret-id", json!({}))
            .differs("a role that is not there is the same 400 everywhere"),
        put(
            "role/web/secret-id/lookup",
            json!({"secret_id": "$secret_id"}),
        ),
        put("role/web/secret-id/lookup", json!({"secret_id": "zz"})),
        put("role/web/secret-id/lookup", json!({})),
        put("role/nope/secret-id/lookup", json!({"secret_id": "zz"})).differs(OUR_FAULT),
        put(
            "role/db/secret-id/lookup",
            json!({"secret_id": "$secret_id"}),
        ),
        put(
            "role/web/secret-id-accessor/lookup",
            json!({"secret_id_accessor": "$secret_id_accessor"}),
        ),
        put(
            "role/web/secret-id-accessor/lookup",
            json!({"secret_id_accessor": "zz"}),
        )
        .differs(missing),
        put("role/web/secret-id-accessor/lookup", json!({})),
        put(
            "role/db/secret-id-accessor/destroy",
            json!({"secret_id_accessor": "$secret_id_accessor"}),
        )
        .differs(missing),
        put(
            "role/web/custom-secret-id",
            json!({"secret_id": "tiger", "metadata": "a=b, c=d"}),
        ),
        put("role/web/custom-secret-id", json!({"secret_id": "tiger"})).differs(OUR_FAULT),
        put("role/web/custom-secret-id", json!({})),
        put("role/db/custom-secret-id", json!({"secret_id": "tiger"})),
        put("role/web/secret-id/destroy", json!({"secret_id": "tiger"})),
        put("role/web/secret-id/destroy", json!({"secret_id": "tiger"})),
        put("role/web/secret-id/destroy", json!({})),
        put(
            "role/web/secret-id-accessor/destroy",
            json!({"secret_id_accessor": "$secret_id_accessor"}),
        ),
        put(
            "role/web/secret-id-accessor/destroy",
            json!({"secret_id_accessor": "$secret_id_accessor"}),
        )
        .differs(missing),
        put("role/web/secret-id-accessor/destroy", json!({})),
        get("role/web/secret-id"),
        put("tidy/secret-id", json!(null)).differs("done when it answers, so 200 and not 202"),
        put(
            "role/lim",
            json!({"secret_id_num_uses": 5, "secret_id_ttl": "10m", "token_bound_cidrs": "10.0.0.0/8"}),
        ),
        put("role/lim/secret-id", json!({"num_uses": 6})),
        put("role/lim/secret-id", json!({"num_uses": 0})),
        put("role/lim/secret-id", json!({"num_uses": 4})),
        put("role/lim/secret-id", json!({"ttl": "11m"})),
        put("role/lim/secret-id", json!({"ttl": 0})),
        put(
            "role/lim/secret-id",
            json!({"token_bound_cidrs": "11.0.0.0/8"}),
        )
        .differs(OUR_FAULT),
        put(
            "role/lim/secret-id",
            json!({"token_bound_cidrs": "10.1.0.0/16"}),
        ),
    ]
}

fn logins() -> Vec<Step> {
    let same = "an unknown role without a secret is told nothing either";
    vec![
        put("role/web", json!({"role_id": "web", "token_num_uses": 4})),
        put(
            "role/web/custom-secret-id",
            json!({"secret_id": "tiger", "metadata": "k=v"}),
        ),
        put(
            "role/web/custom-secret-id",
            json!({"secret_id": "lion", "num_uses": 1}),
        ),
        put("login", json!({})).differs(OUR_FAULT),
        put("login", json!({"role_id": "x"})).says(same),
        put("login", json!({"role_id": "x", "secret_id": "y"})),
        put("login", json!({"role_id": "web"})),
        put("login", json!({"role_id": "web", "secret_id": "y"})),
        put("login", json!({"role_id": " web ", "secret_id": " tiger "})),
        put("login", json!({"role_id": "web", "secret_id": "tiger"})),
        put("login", json!({"role_id": "web", "secret_id": "lion"})),
        put("login", json!({"role_id": "web", "secret_id": "lion"})),
        put(
            "role/web/custom-secret-id",
            json!({"secret_id": "far", "cidr_list": "10.0.0.0/8"}),
        ),
        put("login", json!({"role_id": "web", "secret_id": "far"}))
            .says("one sentence, whether uses are counted or not"),
        put("role/web", json!({"secret_id_bound_cidrs": "10.0.0.0/8"})),
        put("login", json!({"role_id": "web", "secret_id": "tiger"}))
            .says("without Go's formatting mistake"),
        put(
            "role/nb",
            json!({"bind_secret_id": false, "secret_id_bound_cidrs": "127.0.0.0/8", "role_id": "nb"}),
        ),
        put("login", json!({"role_id": "nb"})),
        put("role/nb/secret-id", json!({})),
        delete("role/web"),
        put("login", json!({"role_id": "web", "secret_id": "tiger"})),
    ]
}

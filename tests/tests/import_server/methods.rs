//! Methods that trust somebody else, and settings of mounts and of the server, from a real OpenBao.

use super::openbao::Bao;
use super::way::{self, Way};
use super::{assert_alike, bao, comparable, here, import, items, report, run, vault};
use flows::Server;
use rcgen::{
    CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use serde_json::{Value, json};

/// A list of revoked certificates with these numbers.
fn revoking(numbers: &[&[u8]]) -> String {
    let day = date_time_ymd(2026, 1, 1);
    let revoked = numbers.iter().map(|number| RevokedCertParams {
        serial_number: SerialNumber::from_slice(number),
        revocation_time: day,
        reason_code: None,
        invalidity_date: None,
    });
    let list = CertificateRevocationListParams {
        this_update: day,
        next_update: date_time_ymd(2040, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let issuer = Issuer::new(CertificateParams::default(), KeyPair::generate().unwrap());
    list.signed_by(&issuer).unwrap().pem().unwrap()
}

fn done(theirs: &Bao, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = theirs.ask(method, path, body);
    assert!(status < 300, "{path}: {status} {answer}");
    answer
}

fn put(theirs: &Bao, path: &str, body: &Value) {
    done(theirs, "POST", path, body);
}

fn fill(theirs: &Bao) {
    let certificate = |name: &str| {
        rcgen::generate_simple_self_signed([name.to_owned()])
            .unwrap()
            .cert
            .pem()
    };
    put(
        theirs,
        "sys/auth/cert",
        &json!({"type": "cert", "description": "machines"}),
    );
    put(
        theirs,
        "auth/cert/config",
        &json!({"disable_binding": true, "enable_identity_alias_metadata": true}),
    );
    let whole = json!({
        "certificate": certificate("a"), "display_name": "A", "allowed_names": ["a*", "b"],
        "allowed_common_names": ["a"], "allowed_dns_sans": ["*.a"], "allowed_email_sans": ["a@b"],
        "allowed_uri_sans": ["spiffe://a/*"], "allowed_organizational_units": ["x", "y"],
        "required_extensions": ["1.2.3.4:*"], "allowed_metadata_extensions": ["1.2.3.4"],
        "token_policies": ["app"], "token_ttl": 600, "token_max_ttl": 1200, "token_bound_cidrs": ["10.0.0.0/8"],
        "token_num_uses": 3, "token_period": 60, "token_explicit_max_ttl": 3600, "token_no_default_policy": true,
    });
    put(theirs, "auth/cert/certs/whole", &whole);
    put(
        theirs,
        "auth/cert/certs/bare",
        &json!({"certificate": certificate("b"), "policies": "app", "ttl": "5m"}),
    );
    put(
        theirs,
        "auth/cert/certs/asks",
        &json!({"certificate": certificate("c"), "ocsp_enabled": true}),
    );
    put(
        theirs,
        "auth/cert/crls/some",
        &json!({"crl": revoking(&[&[7], &[1, 0, 0, 0, 0, 0, 0, 0, 0], &[0x7f; 20]])}),
    );

    // It is a provider itself; here is a client of it.
    put(
        theirs,
        "identity/oidc/client/us",
        &json!({"redirect_uris": ["http://localhost:8250/oidc/callback"], "assignments": ["allow_all"]}),
    );
    let client = done(theirs, "GET", "identity/oidc/client/us", &Value::Null)["data"].clone();
    let issuer = format!("{}/v1/identity/oidc/provider/default", theirs.url());
    put(theirs, "sys/auth/oidc", &json!({"type": "oidc"}));
    put(
        theirs,
        "auth/oidc/config",
        &json!({
            "oidc_discovery_url": issuer, "oidc_client_id": client["client_id"], "oidc_client_secret": client["client_secret"],
            "default_role": "people", "bound_issuer": issuer,
        }),
    );
    put(
        theirs,
        "auth/oidc/role/people",
        &json!({
            "role_type": "oidc", "user_claim": "sub", "allowed_redirect_uris": ["http://localhost:8250/oidc/callback"],
            "oidc_scopes": ["groups"], "groups_claim": "groups", "token_policies": ["app"], "max_age": 300,
        }),
    );
    put(theirs, "sys/auth/keys", &json!({"type": "jwt"}));
    put(
        theirs,
        "auth/keys/config",
        &json!({"jwks_url": format!("{issuer}/.well-known/keys"), "jwt_supported_algs": ["RS256", "ES256"]}),
    );

    // Everything that a mount can be told.
    put(
        theirs,
        "sys/mounts/tuned",
        &json!({"type": "kv", "options": {"version": "2"}}),
    );
    put(
        theirs,
        "sys/mounts/tuned/tune",
        &json!({
            "description": "tuned", "default_lease_ttl": "1h", "max_lease_ttl": "3h", "listing_visibility": "unauth",
            "audit_non_hmac_request_keys": ["a", "b"], "audit_non_hmac_response_keys": ["c"],
            "passthrough_request_headers": ["X-A"], "allowed_response_headers": ["X-B", "X-C"],
        }),
    );
    put(
        theirs,
        "sys/auth/cert/tune",
        &json!({
            "default_lease_ttl": "1h", "max_lease_ttl": "2h", "listing_visibility": "unauth", "token_type": "service",
            "audit_non_hmac_request_keys": ["name"],
        }),
    );
    put(
        theirs,
        "sys/config/cors",
        &json!({"allowed_origins": ["https://a.example", "https://b.example"], "allowed_headers": ["X-Own"]}),
    );
    put(
        theirs,
        "sys/config/auditing/request-headers/X-Forwarded-For",
        &json!({"hmac": false}),
    );
    put(
        theirs,
        "sys/config/auditing/request-headers/X-Secret",
        &json!({"hmac": true}),
    );
    let config = done(theirs, "GET", "sys/quotas/config", &Value::Null);
    let mut spared = config["data"]["rate_limit_exempt_paths"]
        .as_array()
        .unwrap()
        .clone();
    spared.push(json!("sys/internal/ui/mounts"));
    put(
        theirs,
        "sys/quotas/config",
        &json!({"enable_rate_limit_response_headers": true, "rate_limit_exempt_paths": spared}),
    );
    put(
        theirs,
        "sys/quotas/rate-limit/all",
        &json!({"rate": 100000.5, "interval": "2s", "block_interval": "3s"}),
    );
    put(
        theirs,
        "sys/quotas/rate-limit/mount",
        &json!({"rate": 5, "path": "tuned/", "inheritable": false}),
    );
    // Lengths of passwords follow as text.
    put(
        theirs,
        "sys/policies/password/long",
        &json!({"policy": "length = 30\nrule \"charset\" { charset = \"abc\" min-chars = 2 }"}),
    );
    put(theirs, "sys/mounts/transit", &json!({"type": "transit"}));
    for (name, exportable, backup) in [
        ("goes", true, true),
        ("closed", false, false),
        ("half", true, false),
    ] {
        let body =
            json!({"exportable": exportable, "allow_plaintext_backup": backup, "type": "ed25519"});
        put(theirs, &format!("transit/keys/{name}"), &body);
    }
}

const READS: &[&str] = &[
    "auth/cert/config",
    "auth/cert/certs/whole",
    "auth/cert/certs/bare",
    "auth/cert/crls/some",
    "auth/cert/certs?list=true",
    "auth/oidc/role/people",
    "auth/keys/config",
    "sys/mounts/tuned/tune",
    "sys/auth/cert/tune",
    "sys/config/cors",
    "sys/config/auditing/request-headers",
    "sys/quotas/config",
    "sys/quotas/rate-limit/all",
    "sys/quotas/rate-limit/mount",
    "sys/policies/password/long",
    "transit/keys/goes",
];

#[test]
fn methods_and_settings_of_a_real_openbao_are_copied_field_by_field() {
    let (theirs, ours) = (Bao::start(), Server::dev("ours"));
    fill(&theirs);
    let (look, _) = run(&ours, &vault(&theirs), &["-dry-run"]);
    let (first, code) = run(&ours, &vault(&theirs), &[]);
    assert_eq!(code, 3, "{first:#}");
    assert_eq!(first["different"], json!([]), "{first:#}");
    let foreseen = items(&look, "created");
    for item in items(&first, "created") {
        assert!(foreseen.contains(&item), "{item}: {look:#}");
    }
    let left = items(&first, "left");
    assert_eq!(
        left,
        [
            "auth configuration auth/oidc/config",
            "certificate role auth/cert/certs/asks",
            "transit key transit/keys/closed",
            "transit key transit/keys/half",
        ],
        "{first:#}"
    );
    let mut apart = Vec::new();
    for path in READS {
        let (their_status, their) = theirs.ask("GET", path, &Value::Null);
        let (our_status, our) = here(&ours, "GET", path, &Value::Null);
        let (mut their, our) = (comparable(path, &their), comparable(path, &our));
        // Theirs shows older names beside the new ones where those were written.
        if *path == "auth/cert/certs/bare" {
            let fields = their.as_object_mut().unwrap();
            fields.retain(|name, _| !matches!(name.as_str(), "policies" | "ttl"));
        }
        if *path == "auth/cert/certs?list=true" {
            let names = their["keys"].as_array_mut();
            let names = names.unwrap_or_else(|| panic!("{their_status} {path}"));
            names.retain(|name| name != "asks");
        }
        if (their_status, &their) != (our_status, &our) {
            apart.push(format!(
                "{path}\n  there {their_status} {their}\n  here  {our_status} {our}"
            ));
        }
    }
    assert!(apart.is_empty(), "{}", apart.join("\n"));
    // Without the secret that is shown to nobody there is no client.
    let oidc = |server: &Value| {
        let mut data = server["data"].clone();
        data.as_object_mut().unwrap().remove("oidc_client_id");
        comparable("auth/oidc/config", &json!({ "data": data }))
    };
    let (their, our) = (
        theirs.ask("GET", "auth/oidc/config", &Value::Null).1,
        here(&ours, "GET", "auth/oidc/config", &Value::Null).1,
    );
    assert_eq!(our["data"]["oidc_client_id"], "");
    assert_eq!(oidc(&their), oidc(&our));

    let (again, code) = run(&ours, &vault(&theirs), &[]);
    assert_eq!(
        (
            &again["created"],
            &again["changed"],
            &again["different"],
            code
        ),
        (&json!([]), &json!([]), &json!([]), 3),
        "{again:#}"
    );
    assert_eq!(items(&again, "left"), left);

    // More is revoked there: it follows. More is revoked here: it stays.
    put(
        &theirs,
        "auth/cert/crls/some",
        &json!({"crl": revoking(&[&[7], &[8], &[1, 0, 0, 0, 0, 0, 0, 0, 0], &[0x7f; 20]])}),
    );
    let (more, _) = run(&ours, &vault(&theirs), &[]);
    assert_eq!(
        items(&more, "changed"),
        ["revocation list auth/cert/crls/some"],
        "{more:#}"
    );
    put(
        &theirs,
        "auth/cert/crls/some",
        &json!({"crl": revoking(&[&[7]])}),
    );
    here(
        &ours,
        "POST",
        "sys/config/auditing/request-headers/X-Secret",
        &json!({"hmac": false}),
    );
    here(
        &ours,
        "POST",
        "auth/cert/config",
        &json!({"disable_binding": false}),
    );
    let (fewer, code) = run(&ours, &vault(&theirs), &[]);
    assert_eq!(code, 4, "{fewer:#}");
    assert_eq!(
        items(&fewer, "different"),
        [
            "auth configuration auth/cert/config",
            "revocation list auth/cert/crls/some",
            "server settings sys/config/auditing/request-headers/x-secret",
        ]
    );
    let serials =
        here(&ours, "GET", "auth/cert/crls/some", &Value::Null).1["data"]["serials"].clone();
    assert_eq!(serials.as_object().unwrap().len(), 4);
    let (last, code) = run(&ours, &vault(&theirs), &["-overwrite"]);
    assert_eq!(code, 3, "{last:#}");
    assert_alike(
        &ours,
        &theirs,
        &[
            "auth/cert/crls/some",
            "auth/cert/config",
            "sys/config/auditing/request-headers",
        ],
    );
}

#[test]
fn methods_are_whole_after_a_kill() {
    const ROLES: usize = 150;
    let (theirs, ours) = (Bao::start(), Server::dev("ours"));
    let certificate = rcgen::generate_simple_self_signed(["a".to_owned()])
        .unwrap()
        .cert
        .pem();
    put(&theirs, "sys/auth/cert", &json!({"type": "cert"}));
    put(
        &theirs,
        "auth/cert/crls/some",
        &json!({"crl": revoking(&[&[7], &[8]])}),
    );
    put(&theirs, "sys/auth/people", &json!({"type": "userpass"}));
    let accessor = theirs.ask("GET", "sys/auth/cert", &Value::Null).1["data"]["accessor"].clone();
    for n in 0..ROLES {
        put(
            &theirs,
            &format!("auth/cert/certs/r{n}"),
            &json!({"certificate": certificate, "allowed_names": [format!("n{n}")], "token_policies": [format!("p{n}")]}),
        );
    }
    for n in 0..30 {
        put(
            &theirs,
            &format!("sys/policies/acl/p{n}"),
            &json!({"policy": format!("path \"secret/data/{n}\" {{ capabilities = [\"read\"] }}")}),
        );
        put(
            &theirs,
            &format!("identity/entity/name/e{n}"),
            &json!({"policies": [format!("p{n}")]}),
        );
        let id = theirs
            .ask("GET", &format!("identity/entity/name/e{n}"), &Value::Null)
            .1["data"]["id"]
            .clone();
        put(
            &theirs,
            "identity/entity-alias",
            &json!({"name": format!("n{n}"), "canonical_id": id, "mount_accessor": accessor}),
        );
    }
    // Among the roles, then among the entities.
    let way = Way::to(&theirs, &ours);
    for (path, limit) in [
        ("auth/cert/certs", 20),
        ("auth/cert/certs", 100),
        ("identity/entity/name", 8),
    ] {
        way.kill(&ours, path, limit, &["-concurrency=1"]);
        // Whoever may log in by a certificate is held against what is revoked, at any moment.
        assert_eq!(way::count(&ours, "auth/cert/crls"), 1);
    }
    assert!(way::count(&ours, "identity/entity/name") < 30);
    let output = import(&ours, &vault(&theirs), &[]).output().unwrap();
    let (rest, code) = report(&output);
    assert_eq!((code, &rest["different"]), (0, &json!([])), "{rest:#}");
    let roles: Vec<_> = (0..ROLES)
        .map(|n| format!("auth/cert/certs/r{n}"))
        .collect();
    assert_alike(&ours, &theirs, &roles);
    let accessor = here(&ours, "GET", "sys/auth/cert", &Value::Null).1["data"]["accessor"].clone();
    for n in 0..30 {
        let entity = here(
            &ours,
            "GET",
            &format!("identity/entity/name/e{n}"),
            &Value::Null,
        )
        .1["data"]
            .clone();
        assert_eq!(entity["policies"], json!([format!("p{n}")]));
        let aliases = entity["aliases"].as_array().unwrap();
        assert_eq!(aliases.len(), 1, "{entity}");
        assert_eq!(
            (&aliases[0]["name"], &aliases[0]["mount_accessor"]),
            (&json!(format!("n{n}")), &accessor)
        );
    }
    assert_eq!(
        bao(&theirs, &["list", "-format=json", "auth/cert/certs"], "")
            .matches("\"r")
            .count(),
        ROLES
    );
}

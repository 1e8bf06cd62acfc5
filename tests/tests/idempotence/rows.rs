//! The endpoints that are written and read, and why others are not.

use serde_json::{Value, json};

/// Method, path and body.
pub(crate) type Step = (&'static str, &'static str, fn() -> Value);

/// One endpoint.
pub(crate) struct Row {
    /// As the lists of both servers name it.
    pub(crate) path: &'static str,
    /// Where it is written here. `|` parts texts, and `@PATH#POINTER` is what is there.
    pub(crate) at: &'static str,
    /// Where it is read.
    pub(crate) read: &'static str,
    /// Which part of what is read.
    pub(crate) below: Option<&'static str>,
    /// What has to be there: method, path, body.
    pub(crate) before: &'static [Step],
    /// A value for every field.
    pub(crate) first: fn() -> Value,
    /// Another one, for those that may change.
    pub(crate) other: fn() -> Value,
    /// Fields that stay as they are, and why.
    pub(crate) fixed: &'static [(&'static str, &'static str)],
    /// Fields without which nothing is written.
    pub(crate) always: &'static [&'static str],
    /// Fields that are read by another name.
    pub(crate) renamed: &'static [(&'static str, &'static str)],
    /// Fields that no reading has, and why.
    pub(crate) hidden: &'static [(&'static str, &'static str)],
    /// Documented fields that are not written here, and why.
    pub(crate) left: &'static [(&'static str, &'static str)],
    /// Pointers to what is different at every look.
    pub(crate) volatile: &'static [&'static str],
    /// It is made once: a second write is refused.
    pub(crate) once: bool,
    /// Why OpenBao has no part in this one.
    pub(crate) alone: Option<&'static str>,
}

const ROW: Row = Row {
    path: "",
    at: "",
    read: "",
    below: None,
    before: &[],
    first: || json!({}),
    other: || json!({}),
    fixed: &[],
    always: &[],
    renamed: &[],
    hidden: &[],
    left: &[],
    volatile: &[],
    once: false,
    alone: None,
};

const OLD: &str =
    "the name of the same before token_ fields: read by both names, written by the new one";
const SECRET: &str = "never shown again";

/// Fields of a role that tokens get, as every method has them.
macro_rules! with_token {
    ($($mine:tt)*) => {
        json!({
            "token_bound_cidrs": ["10.0.0.0/8"], "token_explicit_max_ttl": 7000, "token_max_ttl": 5000,
            "token_no_default_policy": true, "token_num_uses": 7, "token_period": 0,
            "token_policies": ["one", "two"], "token_strictly_bind_ip": false, "token_ttl": 1200,
            "token_type": "service", $($mine)*
        })
    };
}
macro_rules! other_token {
    ($($mine:tt)*) => {
        json!({
            "token_bound_cidrs": ["192.168.0.0/16"], "token_explicit_max_ttl": 8000, "token_max_ttl": 6000,
            "token_no_default_policy": false, "token_num_uses": 9, "token_period": 600,
            "token_policies": ["three"], "token_ttl": 1300,
            "token_type": "default", $($mine)*
        })
    };
}

const POLICY: &str = "path \"secret/data/a\" { capabilities = [\"read\"] }";
const OTHER_POLICY: &str = "path \"secret/data/b\" { capabilities = [\"read\"] }";

const APPROLE: Step = (
    "POST",
    "auth/approle/role/part",
    || json!({"token_bound_cidrs": ["10.0.0.0/8"]}),
);
const ENTITY: Step = ("POST", "identity/entity/name/holder", || json!({}));
const MOUNTED: Step = ("POST", "sys/mounts/tuned", || json!({"type": "kv"}));

/// A field of an AppRole role that has an endpoint of its own.
macro_rules! part {
    ($end:literal, $field:literal, $one:expr, $two:expr, $left:expr) => {
        Row {
            path: concat!("auth/approle/role/{}/", $end),
            at: concat!("auth/approle/role/part/", $end),
            read: concat!("auth/approle/role/part/", $end),
            before: &[APPROLE],
            first: || json!({$field: $one}),
            other: || json!({$field: $two}),
            left: $left,
            ..ROW
        }
    };
}

/// Auth methods that OpenBao has not.
pub(crate) const OURS: &[&str] = &["aws", "docker"];
const NO_METHOD: &str = "OpenBao has no such method";

/// Addresses of the login instead of a list: a role that says so.
macro_rules! strict {
    ($path:literal, $at:literal, $($more:tt)*) => {
        Row {
            path: $path,
            at: $at,
            read: $at,
            first: || json!({"token_strictly_bind_ip": true, $($more)*}),
            once: true,
            ..ROW
        }
    };
}

pub(crate) const ROWS: &[Row] = &[
    strict!("auth/approle/role/{}", "auth/approle/role/strict", "token_period": 600),
    strict!("auth/jwt/role/{}", "auth/jwt/role/strict", "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["shop"]),
    strict!("auth/cert/certs/{}", "auth/cert/certs/strict", "certificate": CERTIFICATE),
    strict!(
        "auth/kubernetes/role/{}", "auth/kubernetes/role/strict",
        "bound_service_account_names": ["web"], "bound_service_account_namespaces": ["shop"]
    ),
    Row {
        hidden: &[("password", SECRET)],
        ..strict!("auth/userpass/users/{}", "auth/userpass/users/strict", "password": "correct horse")
    },
    Row {
        alone: Some(NO_METHOD),
        ..strict!(
            "auth/aws/role/{}", "auth/aws/role/strict",
            "bound_iam_principal_arn": ["arn:aws:iam::123456789012:role/web"], "resolve_aws_unique_ids": false
        )
    },
    Row {
        alone: Some(NO_METHOD),
        ..strict!("auth/docker/role/{}", "auth/docker/role/strict", "bound_labels": {"team": "blue"})
    },
    Row {
        path: "auth/approle/role/{}",
        at: "auth/approle/role/web",
        read: "auth/approle/role/web",
        first: || {
            with_token! {
                "bind_secret_id": true, "role_id": "the-role",
                "secret_id_bound_cidrs": ["10.0.0.0/8"], "secret_id_num_uses": 5, "secret_id_ttl": 3600
            }
        },
        other: || {
            other_token! {
                "bind_secret_id": false, "secret_id_bound_cidrs": ["10.1.0.0/16"],
                "secret_id_num_uses": 6, "secret_id_ttl": 1800
            }
        },
        hidden: &[("role_id", "read at role/NAME/role-id")],
        left: &[
            ("bound_cidr_list", "an old name of secret_id_bound_cidrs"),
            ("period", OLD),
            ("policies", OLD),
        ],
        fixed: &[("role_id", "read by its own path, whose row is below")],
        ..ROW
    },
    Row {
        path: "auth/approle/role/{}",
        at: "auth/approle/role/local",
        read: "auth/approle/role/local",
        first: || json!({"local_secret_ids": true}),
        once: true,
        ..ROW
    },
    Row {
        alone: Some("OpenBao lists it, and answers that the path is unsupported"),
        ..part!("bind-secret-id", "bind_secret_id", true, false, &[])
    },
    part!(
        "bound-cidr-list",
        "bound_cidr_list",
        ["10.0.0.0/8"],
        ["10.1.0.0/16"],
        &[]
    ),
    part!("period", "token_period", 600, 700, &[("period", OLD)]),
    part!(
        "policies",
        "token_policies",
        ["a", "b"],
        ["c"],
        &[("policies", OLD)]
    ),
    part!("role-id", "role_id", "a-role", "b-role", &[]),
    part!(
        "secret-id-bound-cidrs",
        "secret_id_bound_cidrs",
        ["10.0.0.0/8"],
        ["10.1.0.0/16"],
        &[]
    ),
    part!("secret-id-num-uses", "secret_id_num_uses", 5, 6, &[]),
    part!("secret-id-ttl", "secret_id_ttl", 600, 700, &[]),
    part!(
        "token-bound-cidrs",
        "token_bound_cidrs",
        ["10.0.0.0/8"],
        ["10.1.0.0/16"],
        &[]
    ),
    part!("token-max-ttl", "token_max_ttl", 600, 700, &[]),
    part!("token-num-uses", "token_num_uses", 5, 6, &[]),
    part!("token-ttl", "token_ttl", 300, 400, &[]),
    Row {
        path: "auth/userpass/users/{}",
        at: "auth/userpass/users/ann",
        read: "auth/userpass/users/ann",
        first: || with_token! { "password": "correct horse battery" },
        other: || other_token! { "password": "another horse battery" },
        hidden: &[("password", SECRET)],
        left: &[
            ("password_hash", "instead of a password"),
            ("bound_cidrs", OLD),
            ("max_ttl", OLD),
            ("policies", OLD),
            ("ttl", OLD),
        ],
        ..ROW
    },
    Row {
        path: "auth/userpass/users/{}/policies",
        at: "auth/userpass/users/bob/policies",
        read: "auth/userpass/users/bob",
        before: &[(
            "POST",
            "auth/userpass/users/bob",
            || json!({"password": "correct horse"}),
        )],
        first: || json!({"token_policies": ["one", "two"]}),
        other: || json!({"token_policies": ["three"]}),
        left: &[("policies", OLD)],
        ..ROW
    },
    Row {
        path: "auth/jwt/config",
        at: "auth/jwt/config",
        read: "auth/jwt/config",
        first: || {
            json!({
                "bound_issuer": "https://login.example", "default_role": "usual",
                "jwt_supported_algs": ["ES256"], "jwt_validation_pubkeys": [KEY]
            })
        },
        other: || {
            json!({
                "bound_issuer": "https://other.example", "default_role": "other",
                "jwt_supported_algs": ["ES256", "RS256"],
                "jwt_validation_pubkeys": [OTHER_KEY]
            })
        },
        always: &["jwt_validation_pubkeys"],
        left: &[
            (
                "jwks_ca_pem",
                "for keys from a URL, which is asked at the write",
            ),
            ("jwks_url", "instead of keys"),
            ("skip_jwks_validation", "for keys from a URL"),
            ("oidc_client_id", "of discovery, instead of keys"),
            ("oidc_client_secret", "of discovery, instead of keys"),
            ("oidc_discovery_ca_pem", "of discovery, instead of keys"),
            ("oidc_discovery_url", "instead of keys"),
            ("oidc_response_mode", "of discovery, instead of keys"),
            ("oidc_response_types", "of discovery, instead of keys"),
            ("namespace_in_state", "there is one namespace"),
            (
                "override_allowed_server_names",
                "of discovery, instead of keys",
            ),
            ("provider_config", "of discovery, instead of keys"),
        ],
        ..ROW
    },
    Row {
        path: "auth/jwt/role/{}",
        at: "auth/jwt/role/web",
        read: "auth/jwt/role/web",
        first: || {
            with_token! {
                "role_type": "jwt", "user_claim": "/sub", "user_claim_json_pointer": true,
                "bound_audiences": ["shop"], "bound_subject": "ann",
                "bound_claims": {"team": "blue"}, "bound_claims_type": "glob",
                "claim_mappings": {"team": "team"}, "groups_claim": "groups",
                "clock_skew_leeway": 30, "expiration_leeway": 40, "not_before_leeway": 50,
                "verbose_oidc_logging": false, "max_age": 60
            }
        },
        other: || {
            other_token! {
                "user_claim": "/email", "max_age": 70, "bound_audiences": ["other"], "bound_subject": "bob",
                "bound_claims": {"team": ["red", "green"]}, "bound_claims_type": "string",
                "claim_mappings": {"site": "site"}, "groups_claim": "roles",
                "clock_skew_leeway": 31, "expiration_leeway": 41, "not_before_leeway": 51
            }
        },
        always: &["user_claim", "role_type", "bound_audiences"],
        left: &[
            ("cel_program", "no language is run on the server"),
            ("message", "of the same"),
        ],
        fixed: &[
            (
                "role_type",
                "the other one needs an OIDC provider: tests/tests/oidc.rs",
            ),
            (
                "user_claim_json_pointer",
                "the claims of this row are pointers",
            ),
            (
                "verbose_oidc_logging",
                "true is refused: the log holds no claims",
            ),
        ],
        ..ROW
    },
    Row {
        path: "auth/kubernetes/config",
        at: "auth/kubernetes/config",
        read: "auth/kubernetes/config",
        first: || {
            json!({
                "kubernetes_host": "https://10.0.0.1:6443", "kubernetes_ca_cert": CERTIFICATE,
                "pem_keys": [KEY], "token_reviewer_jwt": "a.b.c", "issuer": "https://issuer.example",
                "disable_iss_validation": true, "disable_local_ca_jwt": true
            })
        },
        other: || json!({"kubernetes_host": "https://10.0.0.2:6443", "pem_keys": [OTHER_KEY], "token_reviewer_jwt": "d.e.f"}),
        always: &[
            "kubernetes_host",
            "kubernetes_ca_cert",
            "disable_local_ca_jwt",
            "pem_keys",
            "token_reviewer_jwt",
        ],
        hidden: &[("token_reviewer_jwt", SECRET)],
        fixed: &[
            ("kubernetes_ca_cert", "one certificate is enough here"),
            ("issuer", "kept for old clients"),
            ("disable_iss_validation", "kept for old clients"),
            (
                "disable_local_ca_jwt",
                "the other value reads files of a pod",
            ),
        ],
        ..ROW
    },
    Row {
        path: "auth/kubernetes/role/{}",
        at: "auth/kubernetes/role/web",
        read: "auth/kubernetes/role/web",
        first: || {
            with_token! {
                "alias_name_source": "serviceaccount_uid", "audience": "shop",
                "bound_service_account_names": ["web"], "bound_service_account_namespaces": ["shop"]
            }
        },
        other: || {
            other_token! {
                "alias_name_source": "serviceaccount_name", "audience": "other",
                "bound_service_account_names": ["a", "b"], "bound_service_account_namespaces": ["*"]
            }
        },
        always: &[
            "bound_service_account_names",
            "bound_service_account_namespaces",
        ],
        left: &[
            (
                "bound_service_account_namespace_selector",
                "asks the cluster for labels; instead of namespaces",
            ),
            ("bound_cidrs", OLD),
            ("max_ttl", OLD),
            ("num_uses", OLD),
            ("period", OLD),
            ("policies", OLD),
            ("ttl", OLD),
        ],
        ..ROW
    },
    Row {
        path: "auth/cert/certs/{}",
        at: "auth/cert/certs/web",
        read: "auth/cert/certs/web",
        first: || {
            with_token! {
                "certificate": CERTIFICATE, "display_name": "web", "allowed_common_names": ["web.example"],
                "allowed_dns_sans": ["*.example"], "allowed_email_sans": ["a@example"],
                "allowed_metadata_extensions": ["1.2.3.4"], "allowed_names": ["web"],
                "allowed_organizational_units": ["shop"], "allowed_uri_sans": ["spiffe://example/web"],
                "required_extensions": ["1.2.3.4:value"]
            }
        },
        other: || {
            other_token! {
                "display_name": "other", "allowed_common_names": ["a.example", "b.example"],
                "allowed_dns_sans": [], "allowed_email_sans": ["b@example"],
                "allowed_metadata_extensions": ["1.2.3.5"], "allowed_names": ["other"],
                "allowed_organizational_units": ["lab"], "allowed_uri_sans": ["spiffe://example/other"],
                "required_extensions": ["1.2.3.5:value"]
            }
        },
        always: &["certificate"],
        left: &[
            ("bound_cidrs", OLD),
            ("lease", OLD),
            ("max_ttl", OLD),
            ("period", OLD),
            ("policies", OLD),
            ("ttl", OLD),
            ("ocsp_ca_certificates", "OCSP is refused by name"),
            ("ocsp_enabled", "OCSP is refused by name"),
            ("ocsp_fail_open", "OCSP is refused by name"),
            ("ocsp_query_all_servers", "OCSP is refused by name"),
            ("ocsp_servers_override", "OCSP is refused by name"),
        ],
        fixed: &[("certificate", "one certificate is enough here")],
        ..ROW
    },
    Row {
        path: "auth/cert/config",
        at: "auth/cert/config",
        read: "auth/cert/config",
        first: || json!({"disable_binding": true, "enable_identity_alias_metadata": true}),
        other: || json!({"disable_binding": false, "enable_identity_alias_metadata": false}),
        left: &[("ocsp_cache_size", "OCSP is refused by name")],
        ..ROW
    },
    Row {
        path: "auth/aws/config/client",
        at: "auth/aws/config/client",
        read: "auth/aws/config/client",
        first: || {
            json!({
                "access_key": "AKIAEXAMPLE", "secret_key": "secret", "iam_endpoint": "https://iam.example",
                "sts_endpoint": "https://sts.example", "sts_region": "eu-west-1",
                "use_sts_region_from_client": false, "iam_server_id_header_value": "vault.example",
                "allowed_sts_header_values": ["X-One"], "max_retries": 4
            })
        },
        other: || {
            json!({
                "use_sts_region_from_client": true, "access_key": "AKIAOTHER", "secret_key": "other", "iam_endpoint": "https://iam2.example",
                "sts_endpoint": "https://sts2.example", "sts_region": "eu-west-2",
                "iam_server_id_header_value": "other.example",
                "allowed_sts_header_values": ["X-Two"], "max_retries": -1
            })
        },
        hidden: &[("secret_key", SECRET)],
        alone: Some(NO_METHOD),
        ..ROW
    },
    Row {
        path: "auth/aws/config/identity",
        at: "auth/aws/config/identity",
        read: "auth/aws/config/identity",
        first: || json!({"iam_alias": "unique_id", "iam_metadata": ["account_id", "client_arn"]}),
        other: || json!({"iam_alias": "full_arn", "iam_metadata": ["auth_type"]}),
        alone: Some(NO_METHOD),
        ..ROW
    },
    Row {
        path: "auth/aws/role/{}",
        at: "auth/aws/role/web",
        read: "auth/aws/role/web",
        first: || {
            with_token! {
                "auth_type": "iam", "resolve_aws_unique_ids": false,
                "bound_iam_principal_arn": ["arn:aws:iam::123456789012:role/web"]
            }
        },
        other: || other_token! { "bound_iam_principal_arn": ["arn:aws:iam::123456789012:user/*"] },
        alone: Some(NO_METHOD),
        fixed: &[
            ("auth_type", "there is one type"),
            (
                "resolve_aws_unique_ids",
                "the other value asks IAM: tests/tests/aws.rs",
            ),
        ],
        ..ROW
    },
    Row {
        path: "auth/docker/role/{}",
        at: "auth/docker/role/web",
        read: "auth/docker/role/web",
        first: || {
            with_token! {
                "bound_compose_projects": ["shop"], "bound_compose_services": ["web"], "bound_hosts": ["one"],
                "bound_image_digests": ["shop@sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"],
                "bound_image_ids": ["sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"],
                "bound_labels": {"team": "blue"}, "bound_swarm_services": ["shop_web"],
                // Requests of a container cannot be counted.
                "token_num_uses": 0
            }
        },
        other: || {
            other_token! {
                "bound_compose_projects": ["lab"], "bound_compose_services": ["db"], "bound_hosts": ["two"],
                "bound_image_digests": ["lab@sha256:ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"], "bound_image_ids": ["sha256:ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"],
                "bound_labels": {"team": "red"}, "bound_swarm_services": ["shop_db"],
                "token_num_uses": 0
            }
        },
        alone: Some(NO_METHOD),
        fixed: &[(
            "token_num_uses",
            "requests of a container cannot be counted",
        )],
        ..ROW
    },
    Row {
        path: "auth/token/roles/{}",
        at: "auth/token/roles/web",
        read: "auth/token/roles/web",
        first: || {
            json!({
                "allowed_entity_aliases": ["a*"], "allowed_policies": ["one"],
                "allowed_policies_glob": ["o*"], "disallowed_policies": ["root"],
                "disallowed_policies_glob": ["r*"], "orphan": true, "path_suffix": "end",
                "renewable": false, "token_bound_cidrs": ["10.0.0.0/8"],
                "token_explicit_max_ttl": 900, "token_no_default_policy": true,
                "token_num_uses": 3, "token_period": 300, "token_type": "service"
            })
        },
        other: || {
            json!({
                "allowed_entity_aliases": ["b*"], "allowed_policies": ["two"],
                "allowed_policies_glob": ["t*"], "disallowed_policies": ["x"],
                "disallowed_policies_glob": ["x*"], "orphan": false, "path_suffix": "other",
                "renewable": true, "token_bound_cidrs": ["10.1.0.0/16"],
                "token_explicit_max_ttl": 901, "token_no_default_policy": false,
                "token_num_uses": 4, "token_period": 301, "token_type": "default-service"
            })
        },
        left: &[
            ("bound_cidrs", OLD),
            ("explicit_max_ttl", OLD),
            ("period", OLD),
        ],
        ..ROW
    },
    Row {
        path: "identity/entity",
        at: "identity/entity",
        read: "identity/entity/name/one",
        first: || json!({"name": "one", "metadata": {"team": "blue"}, "policies": ["a", "b"], "disabled": true}),
        other: || json!({"metadata": {"site": "north"}, "policies": ["c"], "disabled": false}),
        always: &["name"],
        left: &[("id", "of an entity that is there; its row is below")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
            "/bucket_key_hash",
        ],
        fixed: &[("name", "the entity is found by it")],
        ..ROW
    },
    Row {
        path: "identity/entity/name/{}",
        at: "identity/entity/name/two",
        read: "identity/entity/name/two",
        first: || json!({"metadata": {"team": "blue"}, "policies": ["a", "b"], "disabled": true}),
        other: || json!({"metadata": {"site": "north"}, "policies": ["c"], "disabled": false}),
        left: &[("id", "the entity is named by the path")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
            "/bucket_key_hash",
        ],
        ..ROW
    },
    Row {
        path: "identity/entity/id/{}",
        at: "identity/entity/id/|@identity/entity/name/holder#/id",
        read: "identity/entity/id/|@identity/entity/name/holder#/id",
        before: &[ENTITY],
        first: || json!({"metadata": {"team": "blue"}, "policies": ["a", "b"], "disabled": false}),
        other: || json!({"metadata": {"site": "north"}, "policies": ["c"], "disabled": true}),
        left: &[("name", "the path of this row finds the entity by it")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
            "/bucket_key_hash",
        ],
        ..ROW
    },
    Row {
        path: "identity/group",
        at: "identity/group",
        read: "identity/group/name/g1",
        before: &[ENTITY],
        first: || {
            json!({
                "name": "g1", "type": "internal", "metadata": {"k": "v"}, "policies": ["a"],
                "member_entity_ids": ["@identity/entity/name/holder#/id"], "member_group_ids": []
            })
        },
        other: || json!({"metadata": {"l": "w"}, "policies": ["b", "c"], "member_entity_ids": []}),
        always: &["name"],
        left: &[("id", "of a group that is there; its row is below")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
            "/member_entity_ids",
        ],
        hidden: &[(
            "member_entity_ids",
            "ids are each server's own; compared in core/tests/vault/groups.rs",
        )],
        fixed: &[
            ("name", "the group is found by it"),
            ("type", "is said once"),
            (
                "member_group_ids",
                "ids are each server's own: core/tests/vault/groups.rs",
            ),
        ],
        ..ROW
    },
    Row {
        path: "identity/group/name/{}",
        at: "identity/group/name/g2",
        read: "identity/group/name/g2",
        first: || json!({"type": "internal", "metadata": {"k": "v"}, "policies": ["a"], "member_entity_ids": [], "member_group_ids": []}),
        other: || json!({"metadata": {"l": "w"}, "policies": ["b", "c"]}),
        left: &[("id", "the group is named by the path")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
        ],
        fixed: &[
            ("type", "is said once"),
            ("member_entity_ids", "in the row above"),
            (
                "member_group_ids",
                "ids are each server's own: core/tests/vault/groups.rs",
            ),
        ],
        ..ROW
    },
    Row {
        path: "identity/group/id/{}",
        at: "identity/group/id/|@identity/group/name/g3#/id",
        read: "identity/group/id/|@identity/group/name/g3#/id",
        before: &[("POST", "identity/group/name/g3", || json!({}))],
        first: || json!({"type": "internal", "metadata": {"k": "v"}, "policies": ["a"], "member_entity_ids": [], "member_group_ids": []}),
        other: || json!({"metadata": {"l": "w"}, "policies": ["b", "c"]}),
        left: &[("name", "the path of this row finds the group by it")],
        volatile: &[
            "/id",
            "/creation_time",
            "/last_update_time",
            "/modify_index",
        ],
        fixed: &[
            ("type", "is said once"),
            ("member_entity_ids", "in the row above"),
            (
                "member_group_ids",
                "ids are each server's own: core/tests/vault/groups.rs",
            ),
        ],
        ..ROW
    },
    Row {
        path: "secret/config",
        at: "secret/config",
        read: "secret/config",
        first: || json!({"cas_required": true, "delete_version_after": "30m", "max_versions": 5, "metadata_cas_required": true}),
        other: || json!({"cas_required": false, "delete_version_after": "40m", "max_versions": 6, "metadata_cas_required": false}),
        ..ROW
    },
    Row {
        path: "secret/metadata/{}",
        at: "secret/metadata/web",
        read: "secret/metadata/web",
        before: &[(
            "POST",
            "secret/config",
            || json!({"cas_required": false, "metadata_cas_required": false, "delete_version_after": "0s", "max_versions": 0}),
        )],
        first: || json!({"cas_required": true, "custom_metadata": {"owner": "ann"}, "delete_version_after": "30m", "max_versions": 5, "metadata_cas_required": false}),
        other: || json!({"cas_required": false, "custom_metadata": {"owner": "bob", "site": "x"}, "delete_version_after": "40m", "max_versions": 6}),
        left: &[
            ("after", "of a list"),
            ("limit", "of a list"),
            ("metadata_cas", "a condition, not a setting"),
        ],
        volatile: &[
            "/created_time",
            "/updated_time",
            "/current_metadata_version",
        ],
        fixed: &[(
            "metadata_cas_required",
            "with it nothing is written without a number; read back by secret/config above",
        )],
        ..ROW
    },
    Row {
        path: "secret/data/{}",
        at: "secret/data/web",
        read: "secret/data/web",
        before: &[("DELETE", "secret/metadata/web", || Value::Null)],
        first: || json!({"data": {"user": "ann", "port": 5432, "on": true, "list": [1, null], "in": {"a": "b"}}}),
        other: || json!({"data": {"user": "bob"}}),
        left: &[
            ("options", "conditions, not settings"),
            ("version", "of a reading"),
        ],
        volatile: &["/metadata/created_time", "/metadata/version"],
        ..ROW
    },
    Row {
        path: "cubbyhole/{}",
        at: "cubbyhole/mine",
        read: "cubbyhole/mine",
        first: || json!({"user": "ann", "port": 5432}),
        other: || json!({"user": "bob", "port": 5433}),
        ..ROW
    },
    Row {
        path: "sys/audit/{}",
        at: "sys/audit/one",
        read: "sys/audit",
        below: Some("/one~1"),
        first: || json!({"type": "file", "description": "first", "local": false, "options": {"file_path": "$HERE/audit.log"}}),
        once: true,
        alone: Some("OpenBao takes audit devices from its configuration only"),
        ..ROW
    },
    Row {
        path: "sys/auth/{}",
        at: "sys/auth/made",
        read: "sys/auth",
        below: Some("/made~1"),
        first: || {
            json!({
                "type": "approle", "description": "first", "local": true, "seal_wrap": true,
                "config": {"default_lease_ttl": 600, "max_lease_ttl": 1200, "force_no_cache": false, "token_type": "service", "listing_visibility": "unauth"}
            })
        },
        hidden: &[("config", "compared with OpenBao's, which fills it up")],
        left: &[
            ("external_entropy_access", "of Vault's enterprise edition"),
            ("options", "no method here has any"),
            ("plugin_name", "there are no plugin processes"),
            ("plugin_version", "there are no plugin processes"),
        ],
        volatile: &["/accessor", "/uuid", "/running_plugin_version"],
        once: true,
        ..ROW
    },
    Row {
        path: "sys/mounts/{}",
        at: "sys/mounts/made",
        read: "sys/mounts",
        below: Some("/made~1"),
        first: || {
            json!({
                "type": "kv", "description": "first", "local": true, "seal_wrap": true, "options": {"version": "2"},
                "config": {"default_lease_ttl": 600, "max_lease_ttl": 1200, "force_no_cache": true, "listing_visibility": "unauth"}
            })
        },
        hidden: &[("config", "compared with OpenBao's, which fills it up")],
        left: &[
            ("external_entropy_access", "of Vault's enterprise edition"),
            ("plugin_name", "there are no plugin processes"),
            ("plugin_version", "there are no plugin processes"),
        ],
        volatile: &["/accessor", "/uuid", "/running_plugin_version"],
        once: true,
        ..ROW
    },
    Row {
        path: "sys/mounts/{}/tune",
        at: "sys/mounts/tuned/tune",
        read: "sys/mounts/tuned/tune",
        before: &[MOUNTED],
        first: || {
            json!({
                "allowed_response_headers": ["X-A"], "audit_non_hmac_request_keys": ["a"],
                "audit_non_hmac_response_keys": ["b"], "default_lease_ttl": 600, "description": "one",
                "listing_visibility": "unauth", "max_lease_ttl": 1200, "passthrough_request_headers": ["X-B"]
            })
        },
        other: || {
            json!({
                "allowed_response_headers": ["X-C"], "audit_non_hmac_request_keys": ["c"],
                "audit_non_hmac_response_keys": ["d"], "default_lease_ttl": 601, "description": "two",
                "listing_visibility": "hidden", "max_lease_ttl": 1201, "passthrough_request_headers": ["X-D"]
            })
        },
        left: &[
            (
                "options",
                "raises the version of a KV mount: tests/tests/kv_versions.rs",
            ),
            ("plugin_version", "there are no plugin processes"),
            ("token_type", "of auth methods"),
            ("user_lockout_config", "of auth methods"),
        ],
        ..ROW
    },
    Row {
        path: "sys/auth/{}/tune",
        at: "sys/auth/userpass/tune",
        read: "sys/auth/userpass/tune",
        first: || {
            json!({
                "allowed_response_headers": ["X-A"], "audit_non_hmac_request_keys": ["a"],
                "audit_non_hmac_response_keys": ["b"], "default_lease_ttl": 600, "description": "one",
                "listing_visibility": "unauth", "max_lease_ttl": 1200, "passthrough_request_headers": ["X-B"],
                "token_type": "service"
            })
        },
        other: || {
            json!({
                "allowed_response_headers": ["X-C"], "audit_non_hmac_request_keys": ["c"],
                "audit_non_hmac_response_keys": ["d"], "default_lease_ttl": 601, "description": "two",
                "listing_visibility": "hidden", "max_lease_ttl": 1201, "passthrough_request_headers": ["X-D"],
                "token_type": "default-service"
            })
        },
        left: &[
            ("options", "no method here has any"),
            ("plugin_version", "there are no plugin processes"),
            (
                "user_lockout_config",
                "read by other names: tests/tests/userpass.rs",
            ),
        ],
        ..ROW
    },
    Row {
        path: "sys/config/auditing/request-headers/{}",
        at: "sys/config/auditing/request-headers/X-One",
        read: "sys/config/auditing/request-headers/X-One",
        below: Some("/X-One"),
        first: || json!({"hmac": true}),
        other: || json!({"hmac": false}),
        ..ROW
    },
    Row {
        path: "sys/config/cors",
        at: "sys/config/cors",
        read: "sys/config/cors",
        first: || json!({"allow_credentials": true, "allowed_headers": ["X-One"], "allowed_origins": ["https://one.example"]}),
        other: || json!({"allow_credentials": false, "allowed_headers": ["X-Two"], "allowed_origins": ["https://two.example"]}),
        always: &["allowed_origins"],
        hidden: &[(
            "allowed_headers",
            "read together with those that are always allowed",
        )],
        left: &[("enable", "written is enabled, deleted is not")],
        ..ROW
    },
    Row {
        path: "sys/policies/acl/{}",
        at: "sys/policies/acl/web",
        read: "sys/policies/acl/web",
        first: || json!({"policy": POLICY, "expiration": "2030-01-02T03:04:05Z", "cas_required": false}),
        other: || json!({"policy": OTHER_POLICY, "expiration": "2031-01-02T03:04:05Z"}),
        always: &["policy"],
        left: &[
            (
                "allow_slashes_in_identity_templates",
                "refused: what a template stands for is one segment",
            ),
            (
                "allow_wildcards_in_identity_templates",
                "refused, for the same reason",
            ),
            ("cas", "a condition, not a setting"),
            ("ttl", "another way to say when it ends"),
        ],
        volatile: &["/modified", "/version"],
        fixed: &[(
            "cas_required",
            "with it no text is written without a version: core/tests/vault/policies.rs",
        )],
        ..ROW
    },
    Row {
        path: "sys/policy/{}",
        at: "sys/policy/old",
        read: "sys/policy/old",
        first: || json!({"policy": POLICY, "expiration": "2030-01-02T03:04:05Z", "cas_required": false}),
        other: || json!({"policy": OTHER_POLICY, "expiration": "2031-01-02T03:04:05Z"}),
        always: &["policy"],
        renamed: &[("policy", "rules")],
        left: &[
            (
                "allow_slashes_in_identity_templates",
                "refused: what a template stands for is one segment",
            ),
            (
                "allow_wildcards_in_identity_templates",
                "refused, for the same reason",
            ),
            ("cas", "a condition, not a setting"),
            ("rules", "an old name of policy"),
            ("ttl", "another way to say when it ends"),
        ],
        volatile: &["/modified", "/version"],
        fixed: &[(
            "cas_required",
            "with it no text is written without a version: core/tests/vault/policies.rs",
        )],
        ..ROW
    },
    Row {
        path: "sys/policies/password/{}",
        at: "sys/policies/password/long",
        read: "sys/policies/password/long",
        first: || json!({"policy": "length = 20\nrule \"charset\" { charset = \"abcdefghij\" }"}),
        other: || json!({"policy": "length = 24\nrule \"charset\" { charset = \"abcdefghijkl\" }"}),
        always: &["policy"],
        ..ROW
    },
    Row {
        path: "sys/quotas/config",
        at: "sys/quotas/config",
        read: "sys/quotas/config",
        first: || json!({"enable_rate_limit_audit_logging": true, "enable_rate_limit_response_headers": true, "rate_limit_exempt_paths": ["sys/health", "secret/a"]}),
        other: || json!({"enable_rate_limit_audit_logging": false, "enable_rate_limit_response_headers": false, "rate_limit_exempt_paths": ["sys/health"]}),
        ..ROW
    },
    Row {
        path: "sys/quotas/rate-limit/{}",
        at: "sys/quotas/rate-limit/one",
        read: "sys/quotas/rate-limit/one",
        first: || json!({"block_interval": 60, "interval": 10, "path": "secret/", "rate": 1000.5, "type": "rate-limit"}),
        other: || json!({"block_interval": 61, "interval": 11, "path": "secret/a", "rate": 2000}),
        always: &["rate", "path"],
        fixed: &[("type", "there is one type")],
        ..ROW
    },
    Row {
        path: "sys/quotas/rate-limit/{}",
        at: "sys/quotas/rate-limit/all",
        read: "sys/quotas/rate-limit/all",
        first: || json!({"path": "", "rate": 1000, "inheritable": true}),
        other: || json!({"rate": 2000}),
        always: &["rate", "path"],
        fixed: &[
            (
                "path",
                "the limit is found by its name and moved by it in the row above",
            ),
            ("inheritable", "of the root path"),
        ],
        ..ROW
    },
    Row {
        path: "sys/quotas/rate-limit/{}",
        at: "sys/quotas/rate-limit/role",
        read: "sys/quotas/rate-limit/role",
        first: || json!({"path": "auth/jwt/", "rate": 1000, "role": "web"}),
        other: || json!({"rate": 2000, "role": "other"}),
        always: &["rate", "path"],
        alone: Some("OpenBao 2.7.2 ends the connection without an answer"),
        fixed: &[("path", "roles are of this method")],
        ..ROW
    },
    Row {
        path: "sys/rotate/config",
        at: "sys/rotate/config",
        read: "sys/rotate/config",
        first: || json!({"enabled": false, "interval": "25h", "max_operations": 2_000_000}),
        other: || json!({"enabled": true, "interval": "30h", "max_operations": 3_000_000}),
        ..ROW
    },
    Row {
        path: "sys/rotate/keyring/config",
        at: "sys/rotate/keyring/config",
        read: "sys/rotate/keyring/config",
        first: || json!({"enabled": false, "interval": "25h", "max_operations": 2_000_000}),
        other: || json!({"enabled": true, "interval": "30h", "max_operations": 3_000_000}),
        ..ROW
    },
    Row {
        path: "totp/keys/{}",
        at: "totp/keys/one",
        read: "totp/keys/one",
        first: || {
            json!({
                "account_name": "ann", "algorithm": "SHA256", "digits": 8, "issuer": "Shop",
                "key": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "period": 60
            })
        },
        other: || json!({"key": "MZXW6YTBOJUWU23MMNUXI33OMZXW6YTB", "account_name": "bob", "algorithm": "SHA1", "digits": 6, "issuer": "Other", "period": 30}),
        always: &["key", "account_name", "issuer"],
        hidden: &[("key", SECRET)],
        left: &[
            ("exported", "of keys that are made here"),
            ("generate", "of keys that are made here"),
            ("key_size", "of keys that are made here"),
            ("qr_size", "of keys that are made here"),
            ("skew", "of keys that are made here"),
            ("url", "instead of the fields"),
        ],
        ..ROW
    },
    Row {
        path: "transit/config/keys",
        at: "transit/config/keys",
        read: "transit/config/keys",
        first: || json!({"disable_upsert": true}),
        other: || json!({"disable_upsert": false}),
        ..ROW
    },
    Row {
        path: "transit/keys/{}",
        at: "transit/keys/one",
        read: "transit/keys/one",
        first: || {
            json!({
                "type": "aes256-gcm96", "derived": true, "convergent_encryption": true, "exportable": true,
                "allow_plaintext_backup": true, "auto_rotate_period": 3600
            })
        },
        hidden: &[(
            "convergent_encryption",
            "read as supports_… and convergent_encryption_version where it is on",
        )],
        left: &[
            ("context", "of a reading"),
            (
                "external_key_ref",
                "keys of hardware modules are the seal's affair",
            ),
            ("key_size", "of HMAC keys"),
        ],
        volatile: &["/keys"],
        once: true,
        ..ROW
    },
    Row {
        path: "transit/keys/{}/config",
        at: "transit/keys/set/config",
        read: "transit/keys/set",
        before: &[
            (
                "POST",
                "transit/config/keys",
                || json!({"disable_upsert": false}),
            ),
            ("POST", "transit/keys/set", || json!({})),
            ("POST", "transit/keys/set/rotate", || json!({})),
            ("POST", "transit/keys/set/rotate", || json!({})),
        ],
        first: || {
            json!({
                "allow_plaintext_backup": true, "auto_rotate_period": 3600, "deletion_allowed": true,
                "exportable": true, "min_decryption_version": 1, "min_encryption_version": 2
            })
        },
        other: || json!({"auto_rotate_period": 7200, "deletion_allowed": false, "min_decryption_version": 2, "min_encryption_version": 3}),
        volatile: &["/keys"],
        fixed: &[
            ("allow_plaintext_backup", "cannot be taken back"),
            ("exportable", "cannot be taken back"),
        ],
        ..ROW
    },
];

/// A public key that nobody signs with.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n";

/// Another one.
const OTHER_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEduPE/FDogYrewAs+OCZVkc8rbyGe\njjK2mUf2VC3n/JINdNr15INyg21rWbons+LT/SoW8q2zZjU+RakNI8EqlA==\n-----END PUBLIC KEY-----\n";

/// A certificate that nobody has the key of.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBgzCCASmgAwIBAgIUSXKxxs5fhy2oPoHaCaTSBnJ7tzgwCgYIKoZIzj0EAwIw\nFjEUMBIGA1UEAwwLaWRlbXBvdGVuY2UwIBcNMjYxMTI2MDYzMDI3WhgPMjEyNjEx\nMDIwNjMwMjdaMBYxFDASBgNVBAMMC2lkZW1wb3RlbmNlMFkwEwYHKoZIzj0CAQYI\nKoZIzj0DAQcDQgAEHv6k2aDJsjkrviHwHiTr0yNUdmos8RNPdSSAoCG9nGzFa+Tr\nVbMlQr9x7u4QZrbIyJOcv19TitN7E3FLyI3kg6NTMFEwHQYDVR0OBBYEFASZL0vx\ns7BEloIwLtwb/jsuudIYMB8GA1UdIwQYMBaAFASZL0vxs7BEloIwLtwb/jsuudIY\nMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgYj6gWlsoIEqOfZDe\ntHk5+TrrGkajLanJ/c7D06AaM90CIQC3neEX9Ogx8vNfCQrEvbH2Pbime1oNdqQc\n9AGnDTraGA==\n-----END CERTIFICATE-----\n";

/// Differences from OpenBao that are meant: row's place, field, reason.
const INTENDED: &[(&str, &str, &str)] = &[
    (
        "auth/approle/role/part/bound-cidr-list",
        "bound_cidr_list",
        "OpenBao reads null, whatever was written",
    ),
    (
        "auth/token/roles/web",
        "explicit_max_ttl",
        "the old name: the same as the new one here, and zero there",
    ),
    (
        "auth/token/roles/web",
        "period",
        "the old name: the same as the new one here, and zero there",
    ),
];

pub(crate) fn intended(at: &str, field: &str) -> bool {
    INTENDED
        .iter()
        .any(|(place, name, _)| *place == at && *name == field)
}

/// Writes that nothing reads back.
const UNREAD: &[(&str, &[&str])] = &[
    (
        "a login",
        &[
            "auth/approle/login",
            "auth/userpass/login/{}",
            "auth/jwt/login",
            "auth/jwt/oidc/auth_url",
            "auth/kubernetes/login",
            "auth/cert/login",
            "auth/aws/login",
            "auth/docker/attest",
        ],
    ),
    (
        "makes, finds or ends a SecretID, which is shown once: crates/engines/src/auth/approle/tests.rs",
        &[
            "auth/approle/role/{}/secret-id",
            "auth/approle/role/{}/secret-id/destroy",
            "auth/approle/role/{}/secret-id/lookup",
            "auth/approle/role/{}/custom-secret-id",
            "auth/approle/role/{}/secret-id-accessor/destroy",
            "auth/approle/role/{}/secret-id-accessor/lookup",
            "auth/approle/tidy/secret-id",
        ],
    ),
    (
        "a password is never shown again: tests/tests/userpass.rs",
        &["auth/userpass/users/{}/password"],
    ),
    (
        "makes, finds, renews or ends tokens: crates/core/tests/vault/tokens.rs",
        &[
            "auth/token/create",
            "auth/token/create/{}",
            "auth/token/create-orphan",
            "auth/token/lookup",
            "auth/token/lookup-accessor",
            "auth/token/lookup-self",
            "auth/token/renew",
            "auth/token/renew-accessor",
            "auth/token/renew-self",
            "auth/token/revoke",
            "auth/token/revoke-accessor",
            "auth/token/revoke-orphan",
            "auth/token/revoke-self",
            "auth/token/tidy",
        ],
    ),
    (
        "needs ids of both servers in every field: crates/core/tests/vault/identity.rs and groups.rs, and the comparison with OpenBao in crates/engines/src/same_as_openbao",
        &[
            "identity/entity-alias",
            "identity/entity-alias/id/{}",
            "identity/group-alias",
            "identity/group-alias/id/{}",
        ],
    ),
    (
        "finds, joins or removes",
        &[
            "identity/entity/batch-delete",
            "identity/entity/merge",
            "identity/lookup/entity",
            "identity/lookup/group",
        ],
    ),
    (
        "of our own: a history is brought along, and read as versions: tests/tests/kv_versions.rs",
        &["secret/import/{}"],
    ),
    (
        "removes or brings back versions",
        &[
            "secret/delete/{}",
            "secret/destroy/{}",
            "secret/undelete/{}",
        ],
    ),
    (
        "answers where the mount of the first version would have the path",
        &["secret/{}"],
    ),
    (
        "computes, and keeps nothing",
        &[
            "sys/audit-hash/{}",
            "sys/capabilities",
            "sys/capabilities-accessor",
            "sys/capabilities-self",
            "sys/decode-token",
            "sys/tools/hash",
            "sys/tools/hash/{}",
            "sys/tools/random",
            "sys/tools/random/{}",
            "sys/tools/random/{}/{}",
            "sys/tools/version-ids",
            "sys/wrapping/lookup",
            "sys/wrapping/rewrap",
            "sys/wrapping/unwrap",
            "sys/wrapping/wrap",
            "transit/datakey/{}/{}",
            "transit/decrypt/{}",
            "transit/encrypt/{}",
            "transit/hash/{}",
            "transit/hmac/{}/{}",
            "transit/random/{}",
            "transit/rewrap/{}",
            "transit/sign/{}/{}",
            "transit/verify/{}/{}",
            "totp/code/{}",
        ],
    ),
    (
        "of our own: core/tests/vault/records.rs, leaks.rs and fingerprints.rs",
        &[
            "sys/config/records/{}",
            "sys/fingerprints/export",
            "sys/fingerprints/rotate",
            "sys/leaks/reports",
            "sys/records/{}/{}",
        ],
    ),
    (
        "a ceremony in steps: core/tests/vault",
        &[
            "sys/generate-root",
            "sys/generate-root/attempt",
            "sys/generate-root/update",
            "sys/generate-root-token/attempt",
            "sys/generate-root-token/update",
            "sys/rekey/init",
            "sys/rekey/update",
            "sys/rekey/verify",
            "sys/rekey-recovery-key/init",
            "sys/rekey-recovery-key/update",
            "sys/rekey-recovery-key/verify",
            "sys/rotate/recovery/init",
            "sys/rotate/recovery/update",
            "sys/rotate/recovery/verify",
            "sys/rotate/root/init",
            "sys/rotate/root/update",
            "sys/rotate/root/verify",
        ],
    ),
    (
        "a list of revoked certificates is read as its serial numbers: tests/tests/cert.rs",
        &["auth/cert/crls/{}"],
    ),
    (
        "happens once",
        &[
            "sys/init",
            "sys/seal",
            "sys/unseal",
            "sys/remount",
            "sys/rotate",
            "sys/rotate/keyring",
        ],
    ),
    (
        "ends or renews leases",
        &[
            "sys/leases/lookup",
            "sys/leases/renew/{}",
            "sys/leases/revoke-force/{}",
            "sys/leases/revoke-prefix/{}",
            "sys/leases/revoke/{}",
            "sys/leases/tidy",
            "sys/renew/{}",
            "sys/revoke/{}",
            "sys/revoke-force/{}",
            "sys/revoke-prefix/{}",
        ],
    ),
    ("unlocks a name", &["sys/locked-users/{}/unlock/{}"]),
    (
        "how much the parts of the log say has other names here: tests/tests/sys_settings.rs",
        &["sys/loggers", "sys/loggers/{}"],
    ),
    (
        "what is kept decoded is not set by a number of entries: crates/engines/src/secrets/transit/config.rs",
        &["transit/cache-config"],
    ),
    (
        "makes versions or brings keys along: crates/engines/src/secrets/transit/tests.rs",
        &[
            "transit/keys/{}/csr",
            "transit/keys/{}/import",
            "transit/keys/{}/import_version",
            "transit/keys/{}/rotate",
            "transit/keys/{}/set-certificate",
            "transit/keys/{}/soft-delete-restore",
            "transit/keys/{}/trim",
            "transit/restore/{}",
        ],
    ),
];

/// Why nothing reads this back.
pub(crate) fn unread(path: &str) -> Option<&'static str> {
    let found = UNREAD.iter().find(|(_, paths)| paths.contains(&path));
    found.map(|(why, _)| *why)
}

/// All paths that have a reason.
pub(crate) fn all_unread() -> impl Iterator<Item = &'static str> {
    UNREAD.iter().flat_map(|(_, paths)| paths.iter().copied())
}

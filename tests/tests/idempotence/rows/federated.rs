//! JWT, Kubernetes, certificates, AWS and Docker: who is known elsewhere.

use super::{OLD, ROW, Row, SECRET};
use serde_json::json;

const NO_METHOD: &str = "OpenBao has no such method";

/// A public key that nobody signs with.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n";

/// Another one.
const OTHER_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEduPE/FDogYrewAs+OCZVkc8rbyGe\njjK2mUf2VC3n/JINdNr15INyg21rWbons+LT/SoW8q2zZjU+RakNI8EqlA==\n-----END PUBLIC KEY-----\n";

/// A certificate that nobody has the key of.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBgzCCASmgAwIBAgIUSXKxxs5fhy2oPoHaCaTSBnJ7tzgwCgYIKoZIzj0EAwIw\nFjEUMBIGA1UEAwwLaWRlbXBvdGVuY2UwIBcNMjYxMTI2MDYzMDI3WhgPMjEyNjEx\nMDIwNjMwMjdaMBYxFDASBgNVBAMMC2lkZW1wb3RlbmNlMFkwEwYHKoZIzj0CAQYI\nKoZIzj0DAQcDQgAEHv6k2aDJsjkrviHwHiTr0yNUdmos8RNPdSSAoCG9nGzFa+Tr\nVbMlQr9x7u4QZrbIyJOcv19TitN7E3FLyI3kg6NTMFEwHQYDVR0OBBYEFASZL0vx\ns7BEloIwLtwb/jsuudIYMB8GA1UdIwQYMBaAFASZL0vxs7BEloIwLtwb/jsuudIY\nMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgYj6gWlsoIEqOfZDe\ntHk5+TrrGkajLanJ/c7D06AaM90CIQC3neEX9Ogx8vNfCQrEvbH2Pbime1oNdqQc\n9AGnDTraGA==\n-----END CERTIFICATE-----\n";

pub(super) const ROWS: &[Row] = &[
    strict!("auth/jwt/role/{}", "auth/jwt/role/strict", "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["shop"]),
    strict!("auth/cert/certs/{}", "auth/cert/certs/strict", "certificate": CERTIFICATE),
    strict!(
        "auth/kubernetes/role/{}", "auth/kubernetes/role/strict",
        "bound_service_account_names": ["web"], "bound_service_account_namespaces": ["shop"]
    ),
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
];

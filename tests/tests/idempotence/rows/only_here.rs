//! Parameters that our document has beside OpenBao's, and that no row writes, with the reason.

const REFUSED: &str = "refused in words, as it would have no effect: crates/engines/src/auth";
const OLDER: &str = "an older name of a `token_` setting, written by rows of other methods: crates/engines/src/auth/old_names.rs";

const LEFT: &[(&str, &[&str], &str)] = &[
    (
        "auth/aws/config/client",
        &[
            "endpoint",
            "identity_token_audience",
            "role_arn",
            "rotation_period",
            "rotation_schedule",
        ],
        REFUSED,
    ),
    (
        "auth/aws/config/identity",
        &["ec2_alias", "ec2_metadata"],
        REFUSED,
    ),
    (
        "auth/aws/role/{}",
        &[
            "allow_instance_migration",
            "bound_account_id",
            "bound_ami_id",
            "bound_ec2_instance_id",
            "bound_iam_instance_profile_arn",
            "bound_iam_role_arn",
            "bound_region",
            "bound_subnet_id",
            "bound_vpc_id",
            "disallow_reauthentication",
            "inferred_aws_region",
            "inferred_entity_type",
            "role_tag",
        ],
        REFUSED,
    ),
    (
        "auth/aws/role/{}",
        &[
            "bound_cidrs",
            "max_ttl",
            "num_uses",
            "period",
            "policies",
            "ttl",
        ],
        OLDER,
    ),
    (
        "auth/jwt/role/{}",
        &[
            "bound_cidrs",
            "max_ttl",
            "num_uses",
            "period",
            "policies",
            "ttl",
        ],
        OLDER,
    ),
    (
        "auth/jwt/role/{}",
        &[
            "callback_mode",
            "oauth2_metadata",
            "token_policies_template_claims",
        ],
        REFUSED,
    ),
    (
        "auth/jwt/role/{}",
        &["allowed_redirect_uris", "oidc_scopes"],
        "of roles for a browser: crates/engines/src/auth/jwt/oidc/tests.rs",
    ),
    ("auth/docker/role/{}", &["period", "policies"], OLDER),
    ("auth/userpass/users/{}", &["period"], OLDER),
    ("auth/cert/certs/{}", &["num_uses"], OLDER),
    (
        "sys/policies/acl/{}",
        &["rules"],
        "the older name of `policy`, read back by the newer one",
    ),
];

/// Why no row writes it.
pub(crate) fn reason(path: &str, field: &str) -> Option<&'static str> {
    let mut lines = LEFT.iter();
    let line = lines.find(|(of, fields, _)| *of == path && fields.contains(&field));
    line.map(|(.., why)| *why)
}

/// All of it.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    LEFT.iter()
        .flat_map(|(path, fields, _)| fields.iter().map(|field| (*path, *field)))
}

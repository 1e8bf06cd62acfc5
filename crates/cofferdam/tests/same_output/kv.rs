//! Secrets: both versions of KV, values of every shape, and names of all levels.

use super::{Bao, Step, compare, compare_on};

const KV_VERSION_2: &[Step] = &[
    (&["kv", "put", "secret/app", "a=b", "c=<x&y>\u{e9}"], ""),
    (&["kv", "put", "-format=json", "secret/app", "a=b2"], ""),
    (
        &[
            "kv",
            "put",
            "-format=yaml",
            "-cas=2",
            "secret/app",
            "a=b3",
            "n=5",
        ],
        "",
    ),
    (&["kv", "put", "-cas=2", "secret/app", "a=b3"], ""),
    (&["kv", "get", "secret/app"], ""),
    (&["kv", "get", "-mount=secret", "app"], ""),
    (&["kv", "get", "-mount=secret/", "/app/"], ""),
    (&["kv", "get", "-format=json", "secret/app"], ""),
    (&["kv", "get", "-format=yaml", "secret/app"], ""),
    (&["kv", "get", "-field=a", "secret/app"], ""),
    (&["kv", "get", "-field=data", "secret/app"], ""),
    (&["kv", "get", "-field=metadata", "secret/app"], ""),
    (&["kv", "get", "-field=nope", "secret/app"], ""),
    (&["kv", "get", "-field=a", "-format=json", "secret/app"], ""),
    (&["kv", "get", "-version=1", "secret/app"], ""),
    (
        &["kv", "get", "-version=1", "-format=json", "secret/app"],
        "",
    ),
    (&["kv", "get", "secret/none"], ""),
    (&["kv", "get", "-format=json", "secret/none"], ""),
    (&["kv", "list", "secret"], ""),
    (&["kv", "list", "-format=json", "secret"], ""),
    (&["kv", "list", "-format=yaml", "secret/"], ""),
    (&["kv", "list", "-mount=secret"], ""),
    (&["kv", "list", "secret/none"], ""),
    (&["kv", "list", "-format=json", "secret/none"], ""),
    (&["kv", "list", "-format=yaml", "secret/none"], ""),
    (&["kv", "scan", "secret"], ""),
    (&["kv", "scan", "-format=json", "secret"], ""),
    (&["kv", "scan", "-format=yaml", "secret/"], ""),
    (&["kv", "scan", "-mount=secret"], ""),
    (&["kv", "scan", "secret/none"], ""),
    (&["kv", "scan", "-format=json", "secret/none"], ""),
    (&["kv", "scan", "-format=yaml", "secret/none"], ""),
    (&["kv", "patch", "secret/app", "z=1"], ""),
    (&["kv", "patch", "-method=rw", "secret/app", "y=2"], ""),
    (
        &[
            "kv",
            "patch",
            "-remove-data=z",
            "-format=json",
            "secret/app",
        ],
        "",
    ),
    (&["kv", "patch", "secret/none", "z=1"], ""),
    (&["kv", "get", "-format=json", "secret/app"], ""),
    (&["kv", "delete", "secret/app"], ""),
    (&["kv", "get", "secret/app"], ""),
    (&["kv", "get", "-format=json", "secret/app"], ""),
    (&["kv", "get", "-field=a", "secret/app"], ""),
    (&["kv", "undelete", "-versions=6", "secret/app"], ""),
    (
        &["kv", "delete", "-versions=2,3", "-mount=secret", "app"],
        "",
    ),
    (&["kv", "destroy", "-versions=1", "secret/app"], ""),
    (&["kv", "get", "-version=1", "secret/app"], ""),
    (&["kv", "rollback", "-version=4", "secret/app"], ""),
    (&["kv", "delete", "secret/app"], ""),
    (&["kv", "rollback", "-version=4", "secret/app"], ""),
    (&["kv", "metadata", "get", "secret/app"], ""),
    (&["kv", "metadata", "get", "-format=json", "secret/app"], ""),
    (
        &[
            "kv",
            "metadata",
            "put",
            "-max-versions=5",
            "-custom-metadata=a=b",
            "-delete-version-after=3h25m19s",
            "-cas-required",
            "secret/app",
        ],
        "",
    ),
    (&["kv", "metadata", "get", "secret/app"], ""),
    (
        &[
            "kv",
            "metadata",
            "patch",
            "-remove-custom-metadata=a",
            "-cas-required=false",
            "secret/app",
        ],
        "",
    ),
    (
        &[
            "kv",
            "metadata",
            "get",
            "-mount=secret",
            "-format=yaml",
            "app",
        ],
        "",
    ),
    (&["kv", "metadata", "delete", "secret/app"], ""),
    (&["kv", "metadata", "get", "secret/app"], ""),
];

#[test]
fn kv_version_2_prints_the_same() {
    compare(KV_VERSION_2);
}

#[test]
fn our_server_answers_kv_version_2_as_openbao_does() {
    compare_on(&Bao::start_own(), KV_VERSION_2);
}

/// One field for each way in which a value can look like something else.
const ODD: &str = r##"{"x":1.5,"l":[1,"a b",null,true,{"q":"z"}],"e":"","t":true,"n":null,"ml":"a\nb","sp":"trail ","c":"# x: y","num":"012","dt":"2020-01-01","y":"yes","q":"it's","o":{},"el":[],"ttl":90,"long_ttl":7265,"colon":"a: b","dash":"- a","star":"*a","nul":"null","tilde":"~"}"##;

const ODD_VALUES: &[Step] = &[
    (&["kv", "put", "secret/odd", "-"], ODD),
    (&["kv", "get", "secret/odd"], ""),
    (&["kv", "get", "-format=json", "secret/odd"], ""),
    (&["read", "secret/data/odd"], ""),
    (
        &["read", "-format=json", "-field=data", "secret/data/odd"],
        "",
    ),
    (&["kv", "get", "-field=x", "secret/odd"], ""),
    (&["kv", "get", "-field=l", "secret/odd"], ""),
    (&["kv", "get", "-field=e", "secret/odd"], ""),
    (&["kv", "get", "-field=n", "secret/odd"], ""),
    (&["kv", "get", "-field=ml", "secret/odd"], ""),
    (&["kv", "put", "secret/stdin", "a=-"], "from stdin\n"),
    (&["kv", "get", "-field=a", "secret/stdin"], ""),
    (&["kv", "put", "secret/twice", "a=1", "a=2", "b=\\@x"], ""),
    (&["kv", "get", "-format=json", "secret/twice"], ""),
];

#[test]
fn values_of_every_shape_print_the_same() {
    compare(ODD_VALUES);
}

#[test]
fn our_server_keeps_values_of_every_shape_as_openbao_does() {
    compare_on(&Bao::start_own(), ODD_VALUES);
}

#[test]
fn version_1_and_plain_paths_print_the_same() {
    compare(&[
        (&["secrets", "enable", "-path=old", "-version=1", "kv"], ""),
        (&["kv", "put", "old/a", "q=1"], ""),
        (&["kv", "get", "old/a"], ""),
        (&["kv", "get", "-format=json", "old/a"], ""),
        (&["kv", "get", "-field=q", "old/a"], ""),
        (&["kv", "list", "old"], ""),
        (&["kv", "metadata", "get", "old/a"], ""),
        (&["kv", "rollback", "-version=1", "old/a"], ""),
        (&["write", "old/b", "x=1", "y=2"], ""),
        (&["read", "old/b"], ""),
        (&["read", "-format=yaml", "old/b"], ""),
        (&["read", "-field=x", "old/b"], ""),
        (&["read", "-field=refresh_interval", "old/b"], ""),
        (&["read", "old/none"], ""),
        (&["list", "old"], ""),
        (&["list", "-format=json", "old"], ""),
        (&["list", "-format=json", "old/none"], ""),
        (&["scan", "old"], ""),
        (&["scan", "-format=json", "old"], ""),
        (&["scan", "old/none"], ""),
        (&["scan", "-format=json", "old/none"], ""),
        (&["kv", "scan", "old"], ""),
        (&["delete", "old/b"], ""),
        (&["kv", "delete", "old/a"], ""),
        (&["write", "old/c"], ""),
        (&["write", "nowhere/c", "a=b"], ""),
        (&["kv", "enable-versioning", "old"], ""),
        (
            &["read", "-format=json", "sys/internal/ui/mounts/secret"],
            "",
        ),
        (
            &["write", "-f", "-field=random_bytes", "sys/tools/random/0"],
            "",
        ),
        (
            &["write", "sys/capabilities-self", "paths=a", "paths=b"],
            "",
        ),
    ]);
}

/// Answers without an envelope: their members are the data.
#[test]
fn bare_answers_print_the_same() {
    compare(&[
        (&["read", "sys/seal-status"], ""),
        (&["read", "-field=sealed", "sys/health"], ""),
        (&["read", "-format=json", "sys/health"], ""),
        (
            &["read", "identity/oidc/.well-known/openid-configuration"],
            "",
        ),
        (&["write", "identity/oidc/introspect", "token=none"], ""),
        (
            &[
                "write",
                "-field=active",
                "identity/oidc/introspect",
                "token=none",
            ],
            "",
        ),
        (&["write", "sys/unseal", "reset=true"], ""),
    ]);
}

#[test]
fn plain_patches_print_the_same() {
    compare(&[
        (&["kv", "put", "secret/p", "a=b"], ""),
        (&["patch", "secret/data/p", "-"], r#"{"data":{"c":"d"}}"#),
        (
            &["patch", "-format=json", "secret/data/p", "-"],
            r#"{"data":{"c":null}}"#,
        ),
        (
            &["patch", "-field=version", "secret/data/p", "-"],
            r#"{"data":{"c":"e"}}"#,
        ),
        (&["patch", "secret/data/none", "-"], r#"{"data":{"c":"d"}}"#),
        (&["patch", "secret/data/p"], ""),
        (&["patch"], ""),
        (&["kv", "get", "-format=yaml", "secret/p"], ""),
    ]);
}

/// On our own server, too: the client that is compared talks to it.
#[test]
fn names_of_all_levels_print_the_same() {
    for server in [Bao::start(), Bao::start_own()] {
        compare_on(&server, SCANS);
    }
}

/// A table is sorted by the client; in JSON and YAML names stand as they came, so that is asked where
/// both orders are one.
const SCANS: &[Step] = &[
    (&["kv", "put", "secret/a/b", "c=d"], ""),
    (&["kv", "put", "secret/a/b/c", "c=d"], ""),
    (&["kv", "put", "secret/y/x/w", "c=d"], ""),
    (&["kv", "put", "secret/a-", "c=d"], ""),
    (&["kv", "put", "secret/a", "c=d"], ""),
    (&["kv", "scan", "secret"], ""),
    (&["kv", "scan", "secret/a"], ""),
    (&["kv", "scan", "secret/a/"], ""),
    (&["kv", "scan", "-mount=secret", "a"], ""),
    (&["kv", "scan", "-format=json", "secret/a"], ""),
    (&["kv", "scan", "-format=yaml", "secret/a"], ""),
    (&["kv", "scan", "secret/a/b/c"], ""),
    (&["kv", "scan"], ""),
    (&["kv", "scan", "a", "b"], ""),
    (&["scan"], ""),
    (&["scan", "secret/metadata"], ""),
    (&["scan", "secret/metadata/"], ""),
    (&["scan", "/secret/metadata/a/"], ""),
    (&["scan", "-format=json", "secret/metadata/a"], ""),
    (&["scan", "secret/metadata/none"], ""),
    (&["scan", "-format=json", "secret/metadata/none"], ""),
    (&["scan", "-format=yaml", "secret/metadata/none"], ""),
    (&["scan", "secret/data/a"], ""),
    (&["scan", "sys/mounts"], ""),
    (&["scan", "nowhere/a"], ""),
    (&["scan", "-format=json", "nowhere/a"], ""),
    (&["scan", "-detailed", "secret/metadata/a"], ""),
    (
        &[
            "scan",
            "-detailed",
            "-format=json",
            "secret/detailed-metadata/a",
        ],
        "",
    ),
    (
        &[
            "scan",
            "-detailed",
            "-format=yaml",
            "secret/detailed-metadata/y",
        ],
        "",
    ),
    (&["scan", "-nope", "secret/metadata"], ""),
];

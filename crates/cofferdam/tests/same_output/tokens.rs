//! Tokens, leases, and what a policy has to allow.

use super::compare;

#[test]
fn tokens_print_the_same() {
    compare(&[
        (&["token", "lookup"], ""),
        (&["token", "lookup", "-format=json"], ""),
        (&["token", "lookup", "-field=policies"], ""),
        (
            &[
                "token",
                "create",
                "-policy=default",
                "-ttl=1h",
                "-display-name=foo",
                "-metadata=a=b",
            ],
            "",
        ),
        (
            &[
                "token",
                "create",
                "-format=json",
                "-policy=default",
                "-explicit-max-ttl=2h",
                "-orphan",
            ],
            "",
        ),
        (&["token", "create", "-format=yaml", "-policy=default"], ""),
        (
            &[
                "token",
                "create",
                "-id=child",
                "-period=30m",
                "-use-limit=9",
                "-no-default-policy",
                "-policy=x",
            ],
            "",
        ),
        (&["token", "lookup", "child"], ""),
        (&["token", "lookup", "-format=json", "child"], ""),
        (
            &[
                "token",
                "create",
                "-id=mortal",
                "-ttl=600",
                "-policy=default",
            ],
            "",
        ),
        (&["token", "renew", "mortal"], ""),
        (
            &["token", "renew", "-increment=20m", "-format=json", "mortal"],
            "",
        ),
        (&["token", "capabilities", "secret/data/x"], ""),
        (
            &["token", "capabilities", "mortal", "auth/token/lookup-self"],
            "",
        ),
        (
            &[
                "token",
                "capabilities",
                "-format=json",
                "mortal",
                "cubbyhole/x",
            ],
            "",
        ),
        (&["token", "revoke", "mortal"], ""),
        (&["token", "lookup", "mortal"], ""),
        (&["token", "revoke", "nonsense"], ""),
        (&["token", "renew", "nonsense"], ""),
        (&["token", "lookup", "-accessor", "nonsense"], ""),
        (&["token", "revoke"], ""),
        (&["token", "create", "-wrap-ttl=60"], ""),
        (&["token", "create", "-wrap-ttl=60s", "-format=json"], ""),
        (&["kv", "put", "secret/w", "a=b"], ""),
        (&["kv", "get", "-wrap-ttl=2m", "secret/w"], ""),
        (
            &["kv", "get", "-wrap-ttl=2m", "-format=json", "secret/w"],
            "",
        ),
        (&["unwrap", "nonsense"], ""),
        (&["token", "revoke", "-self"], ""),
        (&["token", "lookup"], ""),
    ]);
}

#[test]
fn leases_print_the_same() {
    compare(&[
        (
            &[
                "token",
                "create",
                "-id=leased",
                "-ttl=1h",
                "-policy=default",
            ],
            "",
        ),
        (&["lease", "lookup", "nope"], ""),
        (&["lease", "lookup"], ""),
        (&["lease", "lookup", "a", "b"], ""),
        (&["lease", "renew", "nope"], ""),
        (&["lease", "renew", "-increment=60", "nope"], ""),
        (&["lease", "revoke", "nope"], ""),
        (&["lease", "revoke", "-sync", "nope"], ""),
        (&["lease", "revoke", "-prefix", "-sync", "auth/nope/"], ""),
        (&["lease", "revoke", "-force", "nope"], ""),
        (&["lease", "revoke", "-prefix", "-force", "nope"], ""),
        (&["lease", "revoke"], ""),
        (&["lease"], ""),
        (&["lease", "nope"], ""),
        (&["token", "lookup", "-field=id", "leased"], ""),
        (
            &["lease", "revoke", "-prefix", "-sync", "auth/token/create"],
            "",
        ),
        (&["token", "lookup", "leased"], ""),
    ]);
}

/// Paths of which the server and the list in OpenBao's client say the same.
#[test]
fn policies_that_requests_need_print_the_same() {
    compare(&[
        (&["kv", "get", "-output-policy", "secret/a"], ""),
        (&["kv", "put", "-output-policy", "secret/a", "b=c"], ""),
        (&["kv", "list", "-output-policy", "secret"], ""),
        (&["kv", "patch", "-output-policy", "secret/a", "b=c"], ""),
        (&["kv", "delete", "-output-policy", "secret/a"], ""),
        (&["kv", "metadata", "get", "-output-policy", "secret/a"], ""),
        (
            &["kv", "rollback", "-output-policy", "-version=1", "secret/a"],
            "",
        ),
        (
            &[
                "kv",
                "undelete",
                "-output-policy",
                "-versions=1",
                "secret/a",
            ],
            "",
        ),
        (&["read", "-output-policy", "/secret/data/x/"], ""),
        (&["write", "-output-policy", "sys/audit/x", "type=file"], ""),
        (&["audit", "list", "-output-policy"], ""),
        (
            &["secrets", "enable", "-output-policy", "-path=x", "kv"],
            "",
        ),
        (&["secrets", "move", "-output-policy", "secret/", "x/"], ""),
        (&["auth", "enable", "-output-policy", "userpass"], ""),
        (&["auth", "list", "-output-policy"], ""),
        (&["policy", "delete", "-output-policy", "a"], ""),
        (&["token", "create", "-output-policy"], ""),
        (&["token", "lookup", "-output-policy"], ""),
        (&["token", "renew", "-output-policy", "abc"], ""),
        (&["login", "-output-policy", "token"], ""),
        (
            &[
                "login",
                "-output-policy",
                "-method=userpass",
                "username=a",
                "password=b",
            ],
            "",
        ),
        (&["unwrap", "-output-policy", "abc"], ""),
        (&["status", "-output-policy"], ""),
        (&["list", "-output-policy", "auth/token/accessors"], ""),
        (&["lease", "revoke", "-output-policy", "-prefix", "abc"], ""),
        (&["version-history", "-output-policy"], ""),
        (
            &[
                "kv",
                "get",
                "-output-policy",
                "-output-curl-string",
                "secret/a",
            ],
            "",
        ),
        // Nothing of it was done.
        (&["kv", "get", "secret/a"], ""),
        (&["secrets", "list"], ""),
    ]);
}

//! Policy texts, taken or refused.

/// Both take it, or both refuse it.
pub(crate) const SAME: &[&str] = &[
    "# only a comment",
    "{}",
    "name = \"x\"",
    r#"path "a" { }"#,
    r#"path "a" { capabilities = ["read"] }"#,
    r#"path a { capabilities = ["read"] }"#,
    r#""path" "a" { "capabilities" = ["read"] }"#,
    r#"path "a" { capabilities = ["read",] }"#,
    r#"path "a" { capabilities = [,"read",,] }"#,
    r#"path "a" { capabilities = ["read" "list"] }"#,
    r#"path "a" { capabilities = ["read"], }"#,
    r#"path "a" { capabilities = ["read"] }, path "b" { capabilities = ["read"] }"#,
    r#"path "a" { capabilities = ["read"] } path "a" { capabilities = ["list"] }"#,
    r#"path "a" { capabilities = "read" }"#,
    r#"path "a" { capabilities = ["Read"] }"#,
    r#"path "a" { capabilities = ["bogus", "deny"] }"#,
    r#"path "a" { capabilities = ["root"] }"#,
    r#"path "a" { capabilities = [true] }"#,
    r#"path "a" { capabilities = [1] }"#,
    r#"path "a" { capabilities = [] }"#,
    r#"path "a" { capabilities = ["\u0072ead"] }"#,
    r#"path "a" { policy = "write" capabilities = ["patch"] }"#,
    r#"path "a" { policy = "bogus" }"#,
    r#"path "" { capabilities = ["read"] }"#,
    r#"path "/a" { capabilities = ["read"] }"#,
    r#"path "a//b" { capabilities = ["read"] }"#,
    r#"path "a/../b" { capabilities = ["read"] }"#,
    r#"path "a+*" { capabilities = ["read"] }"#,
    r#"path "a/+*" { capabilities = ["read"] }"#,
    r#"path "a*b" { capabilities = ["read"] }"#,
    r#"path "${a}" { capabilities = ["read"] }"#,
    r#"path "${a" { capabilities = ["read"] }"#,
    r#"path "a" { bogus = 1 }"#,
    r#"path "a" { Capabilities = ["read"] }"#,
    "bogus = 1",
    r#"Path "a" { }"#,
    r#"path "a" { comment = "x" capabilities = ["read"] }"#,
    "path \"a\" { capabilities = [\n# c\n\"read\", // d\n/* e */ \"list\"\n] }",
    r#"path "a" { capabilities = ["read"] ; }"#,
    r#"path "a" { capabilities = ["read"] "#,
    r#"path "a" { capabilities: ["read"] }"#,
    "path 'a' { }",
    "path \"a\" { comment = <<EOF\nEOF\n }",
    "path \"a\" { comment = <<EOF\nread\nEOF\n }",
    "path \"a\" { comment = <<-EOF\n  read\n  EOF\n }",
    "path \"a\" { comment = \"\\q\" }",
    "path \"a\" { comment = \"a\nb\" }",
    "/* open",
    r#"path "a" { allowed_parameters = { "x" = [] } }"#,
    r#"path "a" { allowed_parameters { x = ["a", 1, 1.5, true, ["b"]] } }"#,
    r#"path "a" { allowed_parameters = { x = "a" } }"#,
    r#"path "a" { allowed_parameters = [{ x = [] }, { y = [] }] }"#,
    r#"path "a" { required_parameters = "x" }"#,
    r#"path "a" { required_parameters = ["x"] }"#,
    r#"path "a" { min_wrapping_ttl = 10 max_wrapping_ttl = "1h30m" }"#,
    r#"path "a" { min_wrapping_ttl = "1d" }"#,
    r#"path "a" { min_wrapping_ttl = "2h" max_wrapping_ttl = "1h" }"#,
    r#"path "a" { min_wrapping_ttl = "soon" }"#,
    r#"{"path": {"a": {"capabilities": ["read"]}}}"#,
    r#"{"path": [{"a": {"capabilities": ["read"]}}, {"b": {"capabilities": ["read"]}}]}"#,
    r#"{"path": {"a": {"capabilities": ["read"],}}}"#,
    r#"{"path": {"a": {"capabilities": ["read"], "allowed_parameters": {"x": ["1"]}}}}"#,
    r#"{"path": {"a": {"capabilities": ["bogus"]}}}"#,
    r#"{"paths": {}}"#,
    r#"[{"path": {}}]"#,
];

/// With the reason why we do not.
pub(crate) const ONLY_OPENBAO_TAKES: &[(&str, &str)] = &[
    (
        r#"path "a" { capabilities = ["read"] capabilities = ["list"] }"#,
        "newer Vault refuses a key that is set twice",
    ),
    (
        r#"{"path": {"a": {"capabilities": ["read"]}, "a": {"capabilities": ["list"]}}}"#,
        "a key that is set twice",
    ),
    (
        r#"path "a" { capabilities = ["deny", "bogus"] }"#,
        "a misspelled word is one, also after deny",
    ),
    (
        r#"path { capabilities = ["read"] }"#,
        "there it is a rule for the path \"path\"",
    ),
    (
        r#"path "a" "b" { capabilities = ["read"] }"#,
        "there the second label is lost",
    ),
    (
        r#"path "a" { capabilities = ["read"] mfa_methods = ["x"] }"#,
        "would restrict; not implemented",
    ),
    (
        r#"path "a" { capabilities = ["list"] pagination_limit = 5 }"#,
        "would restrict; not implemented",
    ),
    (
        r#"path "a" { capabilities = ["read"] expiration = "2030-01-01T00:00:00Z" }"#,
        "would restrict; not implemented",
    ),
    (
        r#"path "{{identity.entity.id}}" { capabilities = ["read"] }"#,
        "templates are not implemented yet",
    ),
];

/// With the reason why it is harmless.
pub(crate) const ONLY_WE_TAKE: &[(&str, &str)] = &[
    (
        r#"path "a" { capabilities = ["subscribe"] }"#,
        "Vault's capability of being told of events, which OpenBao has none of",
    ),
    ("\u{feff}path \"a\" { }", "a byte order mark means nothing"),
    (
        r#"path "a" = { capabilities = ["read"] }"#,
        "there is one way to read it",
    ),
    (
        r#"path = { "a" = { capabilities = ["read"] } }"#,
        "the JSON form in HCL",
    ),
    (
        r#"{"path": {"a": [{"capabilities": ["read"]}]}}"#,
        "a list of one object",
    ),
    (
        r#"{"path": {"a": {"allowed_parameters": {"x": []}}}}"#,
        "there it is taken for a rule with two labels",
    ),
];

//! Why an operation that OpenBao has is not served here.

/// Why.
pub(crate) struct Reason {
    /// Not meant to be served; else it is only not there yet.
    pub(crate) by_design: bool,
    pub(crate) why: &'static str,
    /// What it is about: paths that are this, or begin with this and a slash.
    prefix: &'static str,
}

const fn never(prefix: &'static str, why: &'static str) -> Reason {
    Reason {
        by_design: true,
        why,
        prefix,
    }
}

const fn later(prefix: &'static str, why: &'static str) -> Reason {
    Reason {
        by_design: false,
        why,
        prefix,
    }
}

/// See `docs/adr/0040-namespaces.md`.
const TENANTS: &str = "a tenant is a server of its own: names are compared in one place, without a second dimension (ADR 40)";

const REASONS: &[Reason] = &[
    // Engines and methods.
    never(
        "/auth/jwt/cel",
        "no language is run on the server: a role's claims and globs say what a token must be",
    ),
    never(
        "/auth/jwt/oidc/callback",
        "a provider answers in the address, not with a form",
    ),
    never(
        "/auth/jwt/oidc/poll",
        "a login ends where it began: the server is never the place that a browser is sent back to",
    ),
    never("/auth/kerberos", "not among the methods this server is for"),
    never("/auth/ldap", "not among the methods this server is for"),
    never("/auth/radius", "not among the methods this server is for"),
    later("/database", "dynamic database credentials"),
    later("/identity/mfa", "second factors at login"),
    never(
        "/identity/persona",
        "a name from before aliases, kept by nobody's client",
    ),
    never(
        "/identity/alias",
        "a name from before entity aliases, kept by nobody's client",
    ),
    later("/kubernetes", "service account tokens of Kubernetes"),
    never("/ldap", "not among the engines this server is for"),
    later("/pki", "certificates come after the first release"),
    later("/rabbitmq", "dynamic credentials of RabbitMQ"),
    later("/ssh", "SSH certificates come after the first release"),
    // sys.
    never(
        "/sys/config/reload",
        "SIGHUP makes the server read its files again",
    ),
    never(
        "/sys/config/ui",
        "there is no page whose headers could be set",
    ),
    never(
        "/sys/control-group",
        "approval by several people, of Vault's enterprise edition",
    ),
    never(
        "/sys/external-keys",
        "keys of hardware modules and of cloud services are the seal's affair",
    ),
    never(
        "/sys/ha-status",
        "replicas are equal and do not know of each other",
    ),
    never(
        "/sys/internal/counters/requests",
        "OpenBao itself answers that it is gone",
    ),
    never("/sys/internal/inspect", "the inside of OpenBao's router"),
    never(
        "/sys/internal/specs",
        "with a body it differs only in the names it gives operations",
    ),
    never("/sys/internal/ui/namespaces", TENANTS),
    later("/sys/mfa", "second factors at login"),
    never("/sys/namespaces", TENANTS),
    never(
        "/sys/policies/detailed/acl",
        "OpenBao lists it below a name, too, where it answers about no policy",
    ),
    never("/sys/plugins", "there are no plugin processes"),
    never("/sys/pprof", "profiles of Go's runtime"),
    never(
        "/sys/raw",
        "nothing reads or writes storage past the engines",
    ),
    never(
        "/sys/step-down",
        "replicas are equal: there is no leader to step down",
    ),
    never("/sys/workflows", "no scripting on the server"),
];

/// The reason, if one is written down; the longest prefix counts.
pub(crate) fn of(path: &str, _operation: &str) -> Option<&'static Reason> {
    let fits = |reason: &&Reason| {
        path.strip_prefix(reason.prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    REASONS
        .iter()
        .filter(fits)
        .max_by_key(|reason| reason.prefix.len())
}

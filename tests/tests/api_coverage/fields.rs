//! The parameters of bodies, operation by operation: what OpenBao documents and this server does not
//! take, and what it takes besides. Each difference has a line here with its reason, and each line a
//! difference.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Kinds of the parameters of a body, by path and operation.
pub(crate) type Bodies = BTreeMap<(String, &'static str), BTreeMap<String, String>>;

/// Paths, parameters, and why they differ. `*` is every path, or every parameter.
type Lines = &'static [(
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
)];

const LISTING: &str = "a parameter of listing, which a write does not do";
const IN_PATH: &str = "stands in the path";
const ONE_READER: &str = "ways to ask for one thing are read alike; without effect here";
const ONE_ITEM: &str = "items of a batch are read alike by all computations; without effect here";

/// Documented by OpenBao, and not taken.
const NOT_TAKEN: Lines = &[
    (
        &["/auth/approle/role/{}/secret-id", "/secret/metadata/{}"],
        &["after", "limit"],
        LISTING,
    ),
    (
        &["/auth/cert/certs/{}"],
        &["lease"],
        "a name of `ttl` from before Vault 0.3",
    ),
    (
        &["/auth/jwt/role/{}"],
        &["cel_program", "message"],
        "of roles in CEL, whose schema OpenBao's document shows here; no language is run on the server",
    ),
    (
        &["/auth/token/lookup-self"],
        &["token"],
        "the caller's own token is looked up, whatever is sent",
    ),
    (
        &["/identity/oidc/provider/{}/token"],
        &["scope"],
        "of tokens about the client itself, which are refused; a code has the scopes it was given for",
    ),
    (
        &["/secret/data/{}"],
        &["version"],
        "a parameter of reading; a write makes the next version",
    ),
    (
        &[
            "/sys/auth/{}",
            "/sys/auth/{}/tune",
            "/sys/mounts/{}",
            "/sys/mounts/{}/tune",
        ],
        &["plugin_version"],
        "engines are part of the program and have its version",
    ),
    (
        &["/sys/config/cors"],
        &["enable"],
        "a write enables, and DELETE disables",
    ),
    (
        &["/sys/leases/renew/{}"],
        &["increment"],
        "the leases of tokens are renewed at `auth/token/renew`",
    ),
    (
        &["/sys/leases/revoke-prefix/{}", "/sys/leases/revoke/{}"],
        &["sync"],
        "a revocation is done when it is answered",
    ),
    (
        &["/sys/quotas/rate-limit/{}"],
        &["type"],
        "the path says it",
    ),
    (
        &[
            "/sys/tools/hash",
            "/sys/tools/random",
            "/sys/tools/random/{}",
            "/transit/random/{}",
        ],
        &["urlalgorithm", "urlbytes"],
        IN_PATH,
    ),
    (
        &["/totp/code/{}"],
        &["expire_time", "generated", "period"],
        "of the answer",
    ),
    (
        &["/transit/keys/{}", "/transit/keys/{}/import"],
        &["context"],
        "a parameter of reading a derived key",
    ),
    (
        &["/transit/keys/{}/rotate"],
        &["external_key_ref"],
        "keys outside of the server are not served",
    ),
];

/// Taken, and not documented by OpenBao.
const BESIDES: Lines = &[
    (
        &["/identity/oidc/provider/{}/authorize"],
        &["request", "request_uri"],
        "refused in words of OpenID Connect, as by OpenBao, which does not document them",
    ),
    (
        &["/auth/cert/certs/{}", "/auth/userpass/users/{}"],
        &["num_uses", "period"],
        "older names of `token_` settings are taken alike by all methods",
    ),
    (
        &["/auth/jwt/role/{}"],
        &["*"],
        "OpenBao's document shows another schema of the same name here",
    ),
    (
        &[
            "/auth/token/create",
            "/auth/token/create-orphan",
            "/auth/token/create/{}",
        ],
        &["metadata"],
        "another name of `meta`",
    ),
    (
        &[
            "/auth/token/renew-accessor",
            "/sys/capabilities",
            "/sys/capabilities-accessor",
            "/sys/capabilities-self",
        ],
        &["accessor", "token"],
        ONE_READER,
    ),
    (
        &["/sys/generate-root", "/sys/generate-root/attempt"],
        &["otp"],
        "from Vault's API: older clients send a pad of their own",
    ),
    (
        &["/sys/init"],
        &["stored_shares"],
        "from Vault's API, for automatic seals",
    ),
    (&["/sys/unseal"], &["migrate"], "for a seal that is changed"),
    (
        &["/sys/policies/acl/{}"],
        &["rules"],
        "the older name of `policy`",
    ),
    (
        &[
            "/transit/decrypt/{}",
            "/transit/encrypt/{}",
            "/transit/hmac/{}/{}",
            "/transit/rewrap/{}",
            "/transit/sign/{}/{}",
            "/transit/verify/{}/{}",
        ],
        &["*"],
        ONE_ITEM,
    ),
    (
        &["/transit/keys/{}/import"],
        &["convergent_encryption", "version"],
        "refused in words, as it would have no effect",
    ),
    (&["/transit/keys/{}/import_version"], &["*"], ONE_READER),
];

/// Kinds: OpenBao's, ours, and why.
const KINDS: &[(&str, &str, &str)] = &[
    (
        "string lowercase",
        "string",
        "case is decided where the name is used",
    ),
    (
        "string",
        "integer seconds",
        "a duration in every notation, where OpenBao documents its text alone",
    ),
    (
        "integer int64",
        "integer",
        "there is one kind of whole number",
    ),
    ("number float", "", "a number or its text, of any kind"),
    ("array", "", "a batch is read item by item"),
    ("string", "", "a number or a word"),
];

/// What a document says of bodies.
pub(crate) fn bodies(document: &Value) -> Bodies {
    let mut all = Bodies::new();
    for (path, item) in document["paths"].as_object().expect("an OpenAPI document") {
        for operation in ["post", "patch"] {
            let Some(described) = item.get(operation) else {
                continue;
            };
            let schema = &described["requestBody"]["content"]["application/json"]["schema"];
            let schema = match schema["$ref"].as_str() {
                Some(reference) => document
                    .pointer(reference.trim_start_matches('#'))
                    .expect("a reference leads somewhere"),
                None => schema,
            };
            let fields = all.entry((super::plain(path), operation)).or_default();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let kind =
                    [&field["type"], &field["format"]].map(|part| part.as_str().unwrap_or(""));
                let kind = kind.join(" ");
                let kind = kind.trim_end_matches(" map").trim_end_matches(" kvpairs");
                fields.insert(name.clone(), kind.trim_end().to_owned());
            }
        }
    }
    all
}

fn is(pattern: &str, name: &str) -> bool {
    pattern == "*" || pattern == name
}

/// Differences, in lines of a table, each with a reason.
#[derive(Default)]
pub(crate) struct Compared {
    alike: usize,
    lines: BTreeMap<(String, &'static str, &'static str), BTreeSet<String>>,
    used: BTreeSet<&'static str>,
    complaints: Vec<String>,
}

impl Compared {
    fn differs(&mut self, table: Lines, side: &'static str, path: &str, name: &str) {
        let line = table.iter().find(|(paths, names, _)| {
            paths.iter().any(|pattern| is(pattern, path))
                && names.iter().any(|pattern| is(pattern, name))
        });
        let Some((paths, names, why)) = line else {
            let complaint = format!("{path}: {name} is {side}, without a reason in fields.rs");
            return self.complaints.push(complaint);
        };
        self.used.extend(
            paths
                .iter()
                .copied()
                .filter(|one| is(one, path))
                .map(|one| mark(side, one)),
        );
        self.used.extend(
            names
                .iter()
                .copied()
                .filter(|one| is(one, name))
                .map(|one| mark(side, one)),
        );
        let line = self.lines.entry((path.to_owned(), side, why)).or_default();
        line.insert(name.to_owned());
    }

    /// Every line of the tables is about something.
    fn unused(&mut self, table: Lines, side: &'static str) {
        for (paths, names, why) in table {
            for word in paths.iter().chain(*names) {
                if !self.used.contains(mark(side, word)) {
                    let complaint = format!(
                        "{word} ({why}) is no difference any more: take it out of fields.rs"
                    );
                    self.complaints.push(complaint);
                }
            }
        }
    }
}

/// One word of one table.
fn mark(side: &str, word: &'static str) -> &'static str {
    Box::leak(format!("{side}: {word}").into_boxed_str())
}

const THEIRS: &str = "not taken";
const OURS: &str = "besides";

/// Compares what both serve.
pub(crate) fn compare(theirs: &Bodies, ours: &Bodies) -> Compared {
    let mut compared = Compared::default();
    for ((path, operation), theirs) in theirs {
        let Some(ours) = ours.get(&(path.clone(), *operation)) else {
            continue;
        };
        for (name, kind) in theirs {
            let Some(our) = ours.get(name) else {
                compared.differs(NOT_TAKEN, THEIRS, path, name);
                continue;
            };
            compared.alike += 1;
            if kind != our && !KINDS.iter().any(|(one, two, _)| kind == one && our == two) {
                let complaint = format!("{path}: {name} is {kind:?} there and {our:?} here");
                compared.complaints.push(complaint);
            }
        }
        for name in ours.keys().filter(|name| !theirs.contains_key(*name)) {
            compared.differs(BESIDES, OURS, path, name);
        }
    }
    compared.unused(NOT_TAKEN, THEIRS);
    compared.unused(BESIDES, OURS);
    compared
}

impl Compared {
    /// As the documentation has it.
    pub(crate) fn section(&self) -> String {
        let complaints = self.complaints.join("\n");
        assert!(
            complaints.is_empty(),
            "{}:\n{complaints}",
            self.complaints.len()
        );
        let mut out = format!(
            "\n## Parameters\n\n{} parameters of bodies are taken as OpenBao documents them, by name and kind. These differ:\n\n\
             | Path | Not taken | Taken besides |\n|---|---|---|\n",
            self.alike
        );
        let paths: BTreeSet<_> = self.lines.keys().map(|(path, ..)| path).collect();
        for path in paths {
            let cell = |side: &str| {
                let of_side = self
                    .lines
                    .iter()
                    .filter(|((of, at, _), _)| of == path && *at == side);
                let told: Vec<_> = of_side
                    .map(|((.., why), names)| {
                        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                        format!("{} ({why})", names.join(" "))
                    })
                    .collect();
                told.join("; ")
            };
            let _ = writeln!(out, "| `{path}` | {} | {} |", cell(THEIRS), cell(OURS));
        }
        out.push_str("\nKinds are the same but for:\n\n");
        for (theirs, ours, why) in KINDS {
            let ours = if ours.is_empty() { "any" } else { ours };
            let _ = writeln!(out, "- {theirs} there, {ours} here: {why}");
        }
        out
    }
}

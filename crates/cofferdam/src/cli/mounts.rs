//! What `secrets`, `auth` and `audit` share: tables of mounts, and the flags that tune one.

use super::context::go_duration;
use super::input::parse_pairs;
use super::output::{columns, shown};
use super::{Context, Exit, Failure};
use clap::Args;
use cofferdam_api::{Method, Request, Response, Tree};
use cofferdam_secret::Secret;

/// From where to where.
#[derive(Args)]
pub(crate) struct Move {
    /// Mount
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Where to
    #[arg(value_name = "DESTINATION")]
    destination: String,
}

impl Move {
    /// Moves a mount; `below` is `auth/` for auth methods.
    pub(crate) async fn run(self, context: &Context, below: &str) -> Result<Exit, Failure> {
        let place = |path: &str| format!("{below}{}", path.trim_matches('/'));
        let body = Tree::map()
            .with("from", place(&self.source))
            .with("to", place(&self.destination));
        context
            .link()?
            .send(Request::put("sys/remount", &body))
            .await?;
        context.done(&format!(
            "Finished moving {} to {}",
            self.source, self.destination
        ))
    }
}

/// Members of a mount in the order in which Vault's client prints them.
const ORDER: [&str; 14] = [
    "uuid",
    "type",
    "path",
    "description",
    "accessor",
    "config",
    "options",
    "local",
    "seal_wrap",
    "external_entropy_access",
    "plugin_version",
    "running_plugin_version",
    "running_sha256",
    "deprecation_status",
];
const CONFIG_ORDER: [&str; 4] = [
    "default_lease_ttl",
    "max_lease_ttl",
    "force_no_cache",
    "token_type",
];

/// A family of mounts: where it is in the API, and what people call one.
pub(crate) struct Family {
    pub(crate) route: &'static str,
    pub(crate) one: &'static str,
}

impl Family {
    fn at(&self, path: &str) -> String {
        format!("{}/{}", self.route, path.trim_end_matches('/'))
    }

    /// Unmounts; the path may have no mount.
    pub(crate) async fn disable(&self, context: &Context, path: &str) -> Result<Exit, Failure> {
        let path = with_slash(path);
        let request = Request::new(Method::Delete, self.at(&path));
        context.link()?.send(request).await?;
        let one = self.one;
        context.done(&format!("Disabled the {one} (if it existed) at: {path}"))
    }
}

/// Flags of `enable` that engines and auth methods have alike.
#[derive(Args)]
pub(crate) struct Mounting {
    /// Where to mount; without it the type's name
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Keep the data on this replica
    #[arg(long)]
    local: bool,
    /// Encrypt once more with the seal
    #[arg(long)]
    seal_wrap: bool,
    #[command(flatten)]
    tuning: Tuning,
}

impl Mounting {
    /// Mounts one of this type. Gives the type and the place.
    pub(crate) async fn run(
        self,
        context: &Context,
        family: &Family,
        kind: &str,
        force_no_cache: bool,
    ) -> Result<(String, String), Failure> {
        let kind = kind.trim().to_owned();
        let path = with_slash(self.path.as_deref().unwrap_or(&kind));
        let mut config = self.tuning.config();
        if force_no_cache {
            config.insert("force_no_cache", true);
        }
        let mut body = Tree::map()
            .with("seal_wrap", self.seal_wrap)
            .with("type", kind.as_str())
            .with(
                "description",
                self.tuning.description.clone().unwrap_or_default(),
            )
            .with("local", self.local)
            .with("config", config);
        if let Some(options) = self.tuning.options()? {
            body.insert("options", options);
        }
        let request = Request::post(family.at(&path), &body);
        context.link()?.send(request).await?;
        Ok((kind, path))
    }
}

/// `tune`.
#[derive(Args)]
pub(crate) struct Tune {
    #[command(flatten)]
    tuning: Tuning,
    /// Of auth methods: wrong logins before a name is locked
    #[arg(long, value_name = "NUMBER")]
    user_lockout_threshold: Option<u64>,
    /// Of auth methods: how long a name stays locked
    #[arg(long, value_name = "DURATION")]
    user_lockout_duration: Option<String>,
    /// Of auth methods: when wrong logins are forgotten
    #[arg(long, value_name = "DURATION")]
    user_lockout_counter_reset_duration: Option<String>,
    /// Of auth methods: lock no name
    #[arg(long)]
    user_lockout_disable: bool,
    /// Mount
    #[arg(value_name = "PATH")]
    path: String,
}

impl Tune {
    pub(crate) async fn run(self, context: &Context, family: &Family) -> Result<Exit, Failure> {
        let path = with_slash(&self.path);
        let target = format!("{}/{path}tune", family.route);
        let mut body = self.tuning.body()?;
        let lockout = self.lockout();
        if !lockout.is_empty() {
            body.insert("user_lockout_config", lockout);
        }
        if body.is_empty() {
            return Err(
                Failure::usage("nothing to change").hint("for example: -default-lease-ttl=1h")
            );
        }
        let request = Request::post(target, &body);
        context.link()?.send(request).await?;
        context.done(&format!("Tuned the {} at: {path}", family.one))
    }

    /// What is said of lockout, by the names of Vault's API.
    fn lockout(&self) -> Tree {
        let mut lockout = Tree::map();
        if let Some(threshold) = self.user_lockout_threshold {
            lockout.insert("lockout_threshold", threshold.to_string());
        }
        for (name, text) in [
            ("lockout_duration", &self.user_lockout_duration),
            (
                "lockout_counter_reset_duration",
                &self.user_lockout_counter_reset_duration,
            ),
        ] {
            if let Some(text) = text {
                lockout.insert(name, go_duration(text));
            }
        }
        if self.user_lockout_disable {
            lockout.insert("lockout_disable", true);
        }
        lockout
    }
}

/// Flags of `enable` and `tune`.
#[derive(Args)]
pub(crate) struct Tuning {
    /// Lifetime of leases without a wish: 1h
    #[arg(long, value_name = "DURATION")]
    default_lease_ttl: Option<String>,
    /// Lifetime that no lease exceeds
    #[arg(long, value_name = "DURATION")]
    max_lease_ttl: Option<String>,
    /// Note for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Engine option of the form KEY=VALUE; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// Version of the KV engine: 1 or 2
    #[arg(long, value_name = "NUMBER")]
    version: Option<u64>,
    /// unauth or hidden
    #[arg(long, value_name = "WORD")]
    listing_visibility: Option<String>,
    /// Kind of token that logins make: service or batch
    #[arg(long, value_name = "TYPE")]
    token_type: Option<String>,
    /// Member of requests that audit records show in plain; may be given more than once
    #[arg(long, value_name = "KEY")]
    audit_non_hmac_request_keys: Vec<String>,
    /// Member of answers that audit records show in plain; may be given more than once
    #[arg(long, value_name = "KEY")]
    audit_non_hmac_response_keys: Vec<String>,
    /// Header that requests pass on to the engine; may be given more than once
    #[arg(long, value_name = "NAME")]
    passthrough_request_headers: Vec<String>,
    /// Header that answers may carry; may be given more than once
    #[arg(long, value_name = "NAME")]
    allowed_response_headers: Vec<String>,
}

impl Tuning {
    /// The settings that were given.
    pub(crate) fn config(&self) -> Tree {
        let mut config = Tree::map();
        for (name, text) in [
            ("default_lease_ttl", &self.default_lease_ttl),
            ("max_lease_ttl", &self.max_lease_ttl),
        ] {
            if let Some(text) = text {
                config.insert(name, go_duration(text));
            }
        }
        for (name, text) in [
            ("listing_visibility", &self.listing_visibility),
            ("token_type", &self.token_type),
        ] {
            if let Some(text) = text {
                config.insert(name, text.as_str());
            }
        }
        let lists = [
            (
                "audit_non_hmac_request_keys",
                &self.audit_non_hmac_request_keys,
            ),
            (
                "audit_non_hmac_response_keys",
                &self.audit_non_hmac_response_keys,
            ),
            (
                "passthrough_request_headers",
                &self.passthrough_request_headers,
            ),
            ("allowed_response_headers", &self.allowed_response_headers),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            config.insert(name, list.clone());
        }
        config
    }

    /// The engine's options that were given.
    pub(crate) fn options(&self) -> Result<Option<Tree>, Failure> {
        let mut options = parse_pairs(&self.options)?;
        if let Some(version) = self.version {
            options.insert("version", version.to_string());
        }
        Ok(Some(options).filter(|options| !options.is_empty()))
    }

    /// The body of a `tune` request.
    pub(crate) fn body(&self) -> Result<Tree, Failure> {
        let mut body = self.config();
        if let Some(description) = &self.description {
            body.insert("description", description.as_str());
        }
        if let Some(options) = self.options()? {
            body.insert("options", options);
        }
        Ok(body)
    }
}

/// A mount's path with exactly one slash at its end.
pub(crate) fn with_slash(path: &str) -> String {
    format!("{}/", path.trim().trim_matches('/'))
}

/// The mounts of an answer; older servers put them beside the envelope.
pub(crate) fn mounts(response: &Response) -> Tree {
    let mounts = response.tree().unwrap_or(Tree::Null);
    let Tree::Map(entries) = mounts else {
        return Tree::map();
    };
    let arranged = |mut mount: Tree| {
        if let Some(config) = mount.take("config") {
            mount.insert("config", config.arranged(&CONFIG_ORDER));
        }
        if mount.get("accessor").is_some() && mount.get("deprecation_status").is_none() {
            mount.insert("deprecation_status", "");
        }
        mount.arranged(&ORDER)
    };
    Tree::Map(
        entries
            .into_iter()
            .map(|(path, mount)| (path, arranged(mount)))
            .collect(),
    )
}

/// A table of mounts: a column for each title, its cells by `cell`.
pub(crate) fn table(
    mounts: &Tree,
    titles: &[&str],
    cell: impl Fn(&str, &str, &Tree) -> String,
) -> Secret<String> {
    let heading = titles
        .iter()
        .map(|title| Secret::new((*title).to_owned()))
        .collect();
    let mut rows = vec![heading];
    for (path, mount) in mounts.entries() {
        let row = titles
            .iter()
            .map(|title| Secret::new(cell(title, path, mount)));
        rows.push(row.collect());
    }
    columns(&rows, true)
}

/// The cell below a title that all three tables know.
pub(crate) fn common_cell(title: &str, path: &str, mount: &Tree) -> String {
    let member = |name: &str| shown(mount, name).expose().clone();
    let truth = |name: &str| mount.get(name).and_then(Tree::as_bool).unwrap_or(false);
    let config = mount.get("config").unwrap_or(&Tree::Null);
    match title {
        "Path" => path.to_owned(),
        "Type" | "Plugin" => member("type"),
        "Accessor" => member("accessor"),
        "Description" => member("description"),
        "Default TTL" => lifetime(mount, config.get("default_lease_ttl")),
        "Max TTL" => lifetime(mount, config.get("max_lease_ttl")),
        "Force No Cache" => shown(config, "force_no_cache").expose().clone(),
        "Token Type" => shown(config, "token_type").expose().clone(),
        "Replication" => if truth("local") {
            "local"
        } else {
            "replicated"
        }
        .to_owned(),
        "Seal Wrap" => truth("seal_wrap").to_string(),
        "External Entropy Access" => truth("external_entropy_access").to_string(),
        "Options" => match mount.get("options") {
            None | Some(Tree::Null) => "map[]".to_owned(),
            Some(_) => member("options"),
        },
        "UUID" => member("uuid"),
        "Version" => member("plugin_version"),
        "Running Version" => member("running_plugin_version"),
        "Running SHA256" => member("running_sha256"),
        "Deprecation Status" => member("deprecation_status"),
        _ => String::new(),
    }
}

/// A mount without its own lifetime takes the system's; those that make no leases have none.
fn lifetime(mount: &Tree, seconds: Option<&Tree>) -> String {
    let kind = mount
        .get("type")
        .and_then(Tree::as_text)
        .unwrap_or_default();
    match seconds.and_then(Tree::as_u64) {
        _ if matches!(kind, "system" | "cubbyhole" | "ns_system" | "ns_cubbyhole") => String::new(),
        None | Some(0) => "system".to_owned(),
        Some(seconds) => seconds.to_string(),
    }
}

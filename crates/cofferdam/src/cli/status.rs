//! `cofferdam status`: the seal's state; 0 unsealed, 2 sealed, 1 where there is no answer.

use super::output::pairs;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_api::{Client, Error, Tree};
use cofferdam_secret::Secret;

/// Members in the order in which Vault's client prints them.
const ORDER: [&str; 17] = [
    "type",
    "initialized",
    "sealed",
    "t",
    "n",
    "progress",
    "nonce",
    "version",
    "commit_date",
    "migration",
    "cluster_name",
    "cluster_id",
    "recovery_seal",
    "recovery_seal_type",
    "storage_type",
    "build_date",
    "ha_enabled",
];

/// Members of `sys/leader` that belong to the status, where they say something.
const LEADER: [&str; 6] = [
    "is_self",
    "active_time",
    "leader_address",
    "leader_cluster_address",
    "raft_committed_index",
    "raft_applied_index",
];

/// Shows whether the server is initialised and unsealed.
#[derive(Args)]
pub(crate) struct Status {
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
}

impl Verb for Status {
    const NAME: &'static str = "status";
    const ABOUT: &'static str = "show the state of the server: 0 unsealed, 2 sealed, 1 no answer";
    const EXAMPLE: &'static str = "cofferdam status -format=json";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let local = |error: Error| Failure::from(error).with_exit(Exit::Local);
        let client = context.client()?.without_wrapping();
        let answer = client.read("sys/seal-status").await.map_err(local)?;
        let seal = answer.body_tree().unwrap_or(Tree::Null);
        let mut status = with_leader(&client, seal).await?;
        let sealed = is_sealed(&status);
        match &self.field {
            Some(name) => context.print_field(status.take(name), name)?,
            None => print(context, &status)?,
        };
        Ok(if sealed { Exit::Server } else { Exit::Success })
    }
}

/// Prints a seal status; `operator unseal` shows the same.
pub(crate) fn print(context: &Context, status: &Tree) -> Result<Exit, Failure> {
    context.print(status, || table(status))
}

/// Adds what `sys/leader` knows and puts the members into order.
pub(crate) async fn with_leader(client: &Client, mut status: Tree) -> Result<Tree, Failure> {
    let leader = match client.read("sys/leader").await {
        Ok(leader) => leader.body_tree().unwrap_or(Tree::Null),
        // A sealed server of a cluster cannot say who leads.
        Err(Error::Sealed(_)) => Tree::map().with("ha_enabled", true),
        Err(error) => return Err(Failure::from(error).with_exit(Exit::Local)),
    };
    status.insert(
        "ha_enabled",
        leader
            .get("ha_enabled")
            .and_then(Tree::as_bool)
            .unwrap_or(false),
    );
    // Vault's has a build date, OpenBao's clients print an empty one.
    if status.get("build_date").is_none() {
        status.insert("build_date", "");
    }
    for name in LEADER {
        let says_something = |value: &&Tree| {
            let zero = value.as_u64() == Some(0) || value.as_bool() == Some(false);
            let empty = value
                .as_text()
                .is_some_and(|text| text.is_empty() || text.starts_with("0001-"));
            !zero && !empty
        };
        if let Some(value) = leader.get(name).filter(says_something) {
            let value = Tree::parse(value.to_json().expose()).unwrap_or(Tree::Null);
            status.insert(name, value);
        }
    }
    Ok(status.arranged(&ORDER))
}

fn is_sealed(status: &Tree) -> bool {
    status.get("sealed").and_then(Tree::as_bool).unwrap_or(true)
}

fn table(status: &Tree) -> Secret<String> {
    let shown = |name: &str| super::output::shown(status, name).expose().clone();
    let truth = |name: &str| status.get(name).and_then(Tree::as_bool).unwrap_or(false);
    let mut rows: Vec<(&str, String)> = vec![("Seal Type", shown("type"))];
    let recovery = truth("recovery_seal");
    if recovery {
        rows.push(("Recovery Seal Type", shown("recovery_seal_type")));
    }
    rows.push(("Initialized", truth("initialized").to_string()));
    rows.push(("Sealed", is_sealed(status).to_string()));
    rows.push((
        if recovery {
            "Total Recovery Shares"
        } else {
            "Total Shares"
        },
        shown("n"),
    ));
    rows.push(("Threshold", shown("t")));
    if is_sealed(status) {
        rows.push((
            "Unseal Progress",
            format!("{}/{}", shown("progress"), shown("t")),
        ));
        rows.push(("Unseal Nonce", shown("nonce")));
    }
    if truth("migration") {
        rows.push(("Seal Migration in Progress", "true".to_owned()));
    }
    let optional = [
        ("Version", "version"),
        ("Build Date", "build_date"),
        ("Commit Date", "commit_date"),
        ("Storage Type", "storage_type"),
        ("Cluster Name", "cluster_name"),
        ("Cluster ID", "cluster_id"),
    ];
    let optional = optional.map(|(title, name)| (title, shown(name)));
    rows.extend(optional.into_iter().filter(|(_, value)| !value.is_empty()));
    rows.push(("HA Enabled", truth("ha_enabled").to_string()));
    if truth("ha_enabled") && !is_sealed(status) {
        rows.extend(cluster_rows(status));
    }
    pairs(
        rows.into_iter()
            .map(|(key, value)| (key.to_owned(), Secret::new(value)))
            .collect(),
    )
}

fn cluster_rows(status: &Tree) -> Vec<(&'static str, String)> {
    let shown = |name: &str| super::output::shown(status, name).expose().clone();
    let active = status
        .get("is_self")
        .and_then(Tree::as_bool)
        .unwrap_or(false);
    let mut rows = vec![
        ("HA Cluster", shown("leader_cluster_address")),
        (
            "HA Mode",
            if active { "active" } else { "standby" }.to_owned(),
        ),
    ];
    if active && !shown("active_time").is_empty() {
        rows.push(("Active Since", shown("active_time")));
    } else if !active && !shown("leader_address").is_empty() {
        rows.push(("Active Node Address", shown("leader_address")));
    }
    rows
}

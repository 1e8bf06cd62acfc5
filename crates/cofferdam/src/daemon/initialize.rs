//! A new store's first minute: initialize, give up the root token, switch on audit, mount `secret/`.
//!
//! Everything goes through the API on the local socket, where the kernel says that we are admin.
//! The root token is revoked before anything else is done with it: nobody needs it here.

use super::Home;
use crate::cli::{Context, Failure};
use crate::files;
use cofferdam_api::{Client, Request, Tree};
use cofferdam_secret::Secret;
use serde::Deserialize;
use std::path::Path;

/// How the store stands.
#[derive(Deserialize)]
pub(crate) struct Standing {
    pub(crate) initialized: bool,
    pub(crate) sealed: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The store was initialized before.
    Known,
    /// It was initialized by a start that did not get to its end; the rest was done now.
    Finished,
    /// It is new, and recovery shares were shown.
    NewWithShares,
    /// It is new, and there are no recovery shares: nobody was there to see them.
    NewWithoutShares,
}

/// Recovery shares, and how many of them restore the key.
const SHARES: u64 = 5;
const THRESHOLD: u64 = 3;

#[derive(Deserialize)]
struct Initialized {
    #[serde(default)]
    recovery_keys_base64: Vec<Secret<String>>,
    root_token: Secret<String>,
}

/// How the store stands.
pub(crate) async fn standing(client: &Client) -> Result<Standing, Failure> {
    let status = client.read("sys/seal-status").await?;
    status.body().ok_or_else(|| unreadable("sys/seal-status"))
}

/// Initializes the store if it is new. `show`: somebody at a terminal may see recovery shares.
pub(crate) async fn initialize(
    home: &Home,
    client: &Client,
    show: bool,
    context: &Context,
) -> Result<Outcome, Failure> {
    let unfinished = home.data.join("setup.unfinished");
    let standing = standing(client).await?;
    if standing.initialized && (standing.sealed || !unfinished.exists()) {
        return Ok(Outcome::Known);
    }
    let outcome = if standing.initialized {
        Outcome::Finished
    } else {
        // A start that is cut off from here on is finished by the next one.
        files::replace(&unfinished, 0o600, b"").map_err(|error| unwritable(&unfinished, &error))?;
        give_up_root(client, show, context).await?
    };
    furnish(home, client).await?;
    std::fs::remove_file(&unfinished).map_err(|error| unwritable(&unfinished, &error))?;
    Ok(outcome)
}

async fn give_up_root(client: &Client, show: bool, context: &Context) -> Result<Outcome, Failure> {
    let (shares, threshold) = if show { (SHARES, THRESHOLD) } else { (0, 0) };
    let request = Tree::map()
        .with("recovery_shares", shares)
        .with("recovery_threshold", threshold);
    let answer = client.write("sys/init", &request).await?;
    let made: Initialized = answer.body().ok_or_else(|| unreadable("sys/init"))?;
    drop(answer);
    client
        .send(Request::put("auth/token/revoke-self", &Tree::map()).with_token(made.root_token))
        .await?;
    if !show {
        return Ok(Outcome::NewWithoutShares);
    }
    show_shares(&made.recovery_keys_base64, context)?;
    Ok(Outcome::NewWithShares)
}

async fn furnish(home: &Home, client: &Client) -> Result<(), Failure> {
    if !has(client, "sys/audit", "file/").await? {
        let options = Tree::map()
            .with("file_path", home.audit().display().to_string())
            .with("mode", "0600");
        let device = Tree::map().with("type", "file").with("options", options);
        client.write("sys/audit/file", &device).await?;
    }
    if !has(client, "sys/mounts", "secret/").await? {
        let options = Tree::map().with("version", "2");
        let mount = Tree::map()
            .with("type", "kv")
            .with("description", "secrets of applications")
            .with("options", options);
        client.write("sys/mounts/secret", &mount).await?;
    }
    Ok(())
}

/// Whether the table at `path` has this row.
async fn has(client: &Client, path: &str, row: &str) -> Result<bool, Failure> {
    let table = client
        .read(path)
        .await?
        .tree()
        .ok_or_else(|| unreadable(path))?;
    Ok(table.get(row).is_some())
}

/// Once, on the terminal, and nowhere else.
fn show_shares(shares: &[Secret<String>], context: &Context) -> Result<(), Failure> {
    context.out(format!("recovery shares: any {THRESHOLD} of these {} open the store without this machine's key\n", shares.len()).as_bytes())?;
    for (number, share) in shares.iter().enumerate() {
        let line = Secret::new(format!("  {}: {}\n", number + 1, share.expose()));
        context.out(line.expose().as_bytes())?;
    }
    context.out(b"they are shown only now: write them down and give them to different people\n")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::local(format!("cannot write {}: {error}", path.display()))
}

fn unreadable(path: &str) -> Failure {
    Failure::server(format!("the server's answer cannot be read: {path}"))
}

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

/// What becomes of recovery shares.
pub(crate) enum Recovery {
    /// Nobody is there to have them.
    None,
    /// Somebody at a terminal sees them.
    Shown,
    /// They go to the owners of these keys, one to each.
    Sent(Vec<Holder>),
}

/// Who gets a recovery share.
pub(crate) struct Holder {
    /// OpenPGP, in base64.
    pub(crate) key: String,
    pub(crate) fingerprint: String,
}

impl Recovery {
    /// Shares, and how many of them restore the key: of those who were named, more than half.
    fn counts(&self) -> (u64, u64) {
        match self {
            Self::None => (0, 0),
            Self::Shown => (SHARES, THRESHOLD),
            Self::Sent(holders) => {
                let shares = u64::try_from(holders.len()).unwrap_or(u64::MAX);
                (shares, shares / 2 + 1)
            }
        }
    }
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

/// Initializes the store if it is new.
pub(crate) async fn initialize(
    home: &Home,
    client: &Client,
    recovery: &Recovery,
    context: &Context,
) -> Result<Outcome, Failure> {
    let unfinished = home.data.join("setup.unfinished");
    let standing = standing(client).await?;
    if standing.initialized && matches!(recovery, Recovery::Sent(_)) {
        context.say("the store was initialized before: no shares were made");
        context.say("hint: make new ones with: cofferdam operator rekey -target=recovery -init -pgp-keys=FILES");
    }
    if standing.initialized && (standing.sealed || !unfinished.exists()) {
        return Ok(Outcome::Known);
    }
    let outcome = if standing.initialized {
        Outcome::Finished
    } else {
        // A start that is cut off from here on is finished by the next one.
        files::replace(&unfinished, 0o600, b"").map_err(|error| unwritable(&unfinished, &error))?;
        give_up_root(client, recovery, context).await?
    };
    furnish(home, client).await?;
    std::fs::remove_file(&unfinished).map_err(|error| unwritable(&unfinished, &error))?;
    Ok(outcome)
}

async fn give_up_root(
    client: &Client,
    recovery: &Recovery,
    context: &Context,
) -> Result<Outcome, Failure> {
    let (shares, threshold) = recovery.counts();
    let mut request = Tree::map()
        .with("recovery_shares", shares)
        .with("recovery_threshold", threshold);
    if let Recovery::Sent(holders) = recovery {
        let keys = holders.iter().map(|holder| Tree::text(holder.key.clone()));
        request.insert("recovery_pgp_keys", Tree::List(keys.collect()));
    }
    let answer = client.write("sys/init", &request).await?;
    let made: Initialized = answer.body().ok_or_else(|| unreadable("sys/init"))?;
    drop(answer);
    client
        .send(Request::put("auth/token/revoke-self", &Tree::map()).with_token(made.root_token))
        .await?;
    match recovery {
        Recovery::None => return Ok(Outcome::NewWithoutShares),
        Recovery::Shown => show_shares(&made.recovery_keys_base64, context)?,
        Recovery::Sent(holders) => show_messages(holders, &made.recovery_keys_base64, context)?,
    }
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

/// Messages that their holders alone can read: anywhere.
fn show_messages(
    holders: &[Holder],
    messages: &[Secret<String>],
    context: &Context,
) -> Result<(), Failure> {
    let needed = messages.len() / 2 + 1;
    context.out(format!("recovery shares: any {needed} of these {} open the store without this machine's key; each holder reads hers with: base64 -d | gpg --decrypt\n", messages.len()).as_bytes())?;
    for (holder, message) in holders.iter().zip(messages) {
        let line = format!("  {}: {}\n", holder.fingerprint, message.expose());
        context.out(line.as_bytes())?;
    }
    Ok(())
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

//! A new store's first minute: initialize, give up the root token, switch on audit, mount `secret/`.
//!
//! Everything goes through the API on the local socket, where the kernel says that we are admin.
//! The root token is revoked before anything else is done with it: nobody needs it here.

use super::Home;
use crate::cli::{Context, Failure};
use cofferdam_api::{Client, Request, Tree};
use cofferdam_secret::Secret;
use serde::Deserialize;

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
    if standing(client).await?.initialized {
        return Ok(Outcome::Known);
    }
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
    if show {
        show_shares(&made.recovery_keys_base64, context)?;
    }
    furnish(home, client).await?;
    Ok(if show {
        Outcome::NewWithShares
    } else {
        Outcome::NewWithoutShares
    })
}

async fn furnish(home: &Home, client: &Client) -> Result<(), Failure> {
    let options = Tree::map()
        .with("file_path", home.audit().display().to_string())
        .with("mode", "0600");
    let device = Tree::map().with("type", "file").with("options", options);
    client.write("sys/audit/file", &device).await?;
    let options = Tree::map().with("version", "2");
    let mount = Tree::map()
        .with("type", "kv")
        .with("description", "secrets of applications")
        .with("options", options);
    client.write("sys/mounts/secret", &mount).await?;
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

fn unreadable(path: &str) -> Failure {
    Failure::server(format!("the server's answer cannot be read: {path}"))
}

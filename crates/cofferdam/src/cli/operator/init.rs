//! `operator init`.

use super::super::output::Format;
use super::super::{Context, Exit, Failure};
use super::key_files;
use clap::Args;
use cofferdam_api::{Request, Tree};
use cofferdam_secret::Buffer;

/// Initialises the server and prints its key shares and first token, once.
#[derive(Args)]
pub(super) struct Init {
    /// Key shares to make
    #[arg(
        long,
        short = 'n',
        alias = "n",
        value_name = "NUMBER",
        default_value_t = 5
    )]
    key_shares: u64,
    /// Shares needed to unseal
    #[arg(
        long,
        short = 't',
        alias = "t",
        value_name = "NUMBER",
        default_value_t = 3
    )]
    key_threshold: u64,
    /// Recovery shares, where the seal is automatic
    #[arg(long, value_name = "NUMBER")]
    recovery_shares: Option<u64>,
    /// Shares needed to recover, where the seal is automatic
    #[arg(long, value_name = "NUMBER")]
    recovery_threshold: Option<u64>,
    /// Files with a public OpenPGP key for each share, in their order: shares leave as messages
    #[arg(long, value_name = "FILE,FILE", conflicts_with = "recovery_pgp_keys")]
    pgp_keys: Option<String>,
    /// The same for recovery shares, where the seal is automatic
    #[arg(long, value_name = "FILE,FILE")]
    recovery_pgp_keys: Option<String>,
    /// File with the public OpenPGP key that the first token is encrypted to
    #[arg(long, value_name = "FILE")]
    root_token_pgp_key: Option<String>,
    /// Only say whether the server is initialised: 0 yes, 2 no
    #[arg(long)]
    status: bool,
}

/// Of shares that were encrypted.
const FOR_ITS_HOLDER: &str =
    "each is a message to one holder, who reads it with: base64 -d | gpg --decrypt";

impl Init {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.status {
            return status(context).await;
        }
        let keys = self.pgp_keys.as_ref().or(self.recovery_pgp_keys.as_ref());
        if keys.is_none() || self.root_token_pgp_key.is_none() {
            // Before asking: the shares are shown once.
            context.may_print_values()?;
        }
        let mut body = Tree::map()
            .with("secret_shares", self.key_shares)
            .with("secret_threshold", self.key_threshold);
        if let Some(shares) = self.recovery_shares {
            body.insert("recovery_shares", shares);
            body.insert(
                "recovery_threshold",
                self.recovery_threshold.unwrap_or(shares),
            );
        }
        if let Some(files) = &self.pgp_keys {
            body.insert("pgp_keys", key_files::keys(files)?);
        }
        if let Some(files) = &self.recovery_pgp_keys {
            body.insert("recovery_pgp_keys", key_files::keys(files)?);
        }
        if let Some(file) = &self.root_token_pgp_key {
            body.insert("root_token_pgp_key", key_files::key(file)?);
        }
        let response = context
            .link()?
            .send(Request::put("sys/init", &body))
            .await?;
        let answer = response.body_tree().unwrap_or(Tree::Null);
        if context.format() == Format::Table {
            context.out(lines(&answer).finish().expose())?;
            self.explain(context, &answer);
            return Ok(Exit::Success);
        }
        context.print(&self.document(answer), unused)
    }

    /// The document that Vault's client makes of the answer.
    fn document(&self, mut answer: Tree) -> Tree {
        let mut list = |name: &str| answer.take(name).filter(|keys| !keys.is_empty());
        let hex = list("keys");
        let stored = hex.is_none();
        let empty = || Tree::List(Vec::new());
        Tree::map()
            .with("unseal_keys_b64", list("keys_base64").unwrap_or_else(empty))
            .with("unseal_keys_hex", hex.unwrap_or_else(empty))
            .with("unseal_shares", if stored { 1 } else { self.key_shares })
            .with(
                "unseal_threshold",
                if stored { 1 } else { self.key_threshold },
            )
            .with(
                "recovery_keys_b64",
                list("recovery_keys_base64").unwrap_or_else(empty),
            )
            .with(
                "recovery_keys_hex",
                list("recovery_keys").unwrap_or_else(empty),
            )
            .with("recovery_keys_shares", self.recovery_shares.unwrap_or(0))
            .with(
                "recovery_keys_threshold",
                self.recovery_threshold.unwrap_or(0),
            )
            .with("root_token", list("root_token"))
    }

    fn explain(&self, context: &Context, answer: &Tree) {
        context.say("");
        if answer.get("keys").is_some_and(|keys| !keys.is_empty()) {
            context.say(&format!(
                "{} key shares, any {} of them unseal the server; they are shown this once",
                self.key_shares, self.key_threshold
            ));
            context.say("give each to another person; without the threshold the data is lost");
            if self.pgp_keys.is_some() {
                context.say(FOR_ITS_HOLDER);
            }
            let server = context.flags_of_server();
            context.say(&format!(
                "hint: unseal with: cofferdam operator unseal{server}"
            ));
        } else {
            context.say("the seal is automatic: the server needs no share to start");
            if self.recovery_pgp_keys.is_some() {
                context.say(FOR_ITS_HOLDER);
            }
        }
    }
}

fn unused() -> cofferdam_secret::Secret<String> {
    cofferdam_secret::Secret::new(String::new())
}

/// The lines that scripts look for in Vault's output.
fn lines(answer: &Tree) -> Buffer {
    let mut out = Buffer::with_capacity(1024);
    let mut keys = |title: &str, name: &str| {
        let keys = answer.get(name).map(Tree::items).unwrap_or_default();
        for (index, key) in keys.iter().enumerate() {
            out.push(format!("{title} {}: ", index + 1).as_bytes());
            out.push(key.as_text().unwrap_or_default().as_bytes());
            out.push(b"\n");
        }
    };
    keys("Unseal Key", "keys_base64");
    keys("Recovery Key", "recovery_keys_base64");
    out.push(b"\nInitial Root Token: ");
    out.push(
        answer
            .get("root_token")
            .and_then(Tree::as_text)
            .unwrap_or_default()
            .as_bytes(),
    );
    out.push(b"\n");
    out
}

async fn status(context: &Context) -> Result<Exit, Failure> {
    let answer = context.link()?.send(Request::get("sys/init")).await;
    // 2 means "not initialised" here, so a failure is 1.
    let answer = answer.map_err(|failure| failure.with_exit(Exit::Local))?;
    let body = answer.body_tree().unwrap_or(Tree::Null);
    let initialized = body
        .get("initialized")
        .and_then(Tree::as_bool)
        .unwrap_or(false);
    if context.format() == Format::Table {
        let not = if initialized { "" } else { "not " };
        context.out(format!("Vault is {not}initialized\n").as_bytes())?;
    } else {
        context.print(&Tree::map().with("initialized", initialized), unused)?;
    }
    Ok(if initialized {
        Exit::Success
    } else {
        Exit::Server
    })
}

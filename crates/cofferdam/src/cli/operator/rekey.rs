//! `operator rekey`: another root key and other shares.

use super::super::output::Format;
use super::super::{Context, Exit, Failure};
use super::ceremony::Ceremony;
use super::{backup, key_files};
use clap::{Args, ValueEnum};
use cofferdam_api::Tree;
use cofferdam_secret::Buffer;

/// Which shares.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Of a seal that is opened with shares
    Barrier,
    /// Of a seal that opens by itself
    Recovery,
}

/// Makes a new root key and new shares; holders of the present shares must agree.
#[derive(Args)]
pub(super) struct Rekey {
    /// Begin
    #[arg(long, group = "what")]
    init: bool,
    /// Show how far it is
    #[arg(long, group = "what")]
    status: bool,
    /// End the attempt
    #[arg(long, group = "what")]
    cancel: bool,
    /// Key shares to make
    #[arg(
        long,
        short = 'n',
        alias = "n",
        value_name = "NUMBER",
        default_value_t = 5
    )]
    key_shares: u64,
    /// Shares needed
    #[arg(
        long,
        short = 't',
        alias = "t",
        value_name = "NUMBER",
        default_value_t = 3
    )]
    key_threshold: u64,
    /// Which shares
    #[arg(long, value_enum, default_value_t = Target::Barrier)]
    target: Target,
    /// With -init: change nothing before the new shares were given once; else: this share is a new one
    #[arg(long)]
    verify: bool,
    /// With -init: files with a public OpenPGP key for each new share; they leave as messages
    #[arg(long, value_name = "FILE,FILE", requires = "init")]
    pgp_keys: Option<String>,
    /// With -pgp-keys: the server keeps the messages, too
    #[arg(long, requires = "pgp_keys")]
    backup: bool,
    /// Show the messages that the server keeps
    #[arg(long, group = "what")]
    backup_retrieve: bool,
    /// Have the server forget them
    #[arg(long, group = "what")]
    backup_delete: bool,
    /// Names the attempt, where several share a terminal
    #[arg(long, value_name = "NONCE")]
    nonce: Option<String>,
    /// Key share; without it there is a prompt that does not show it, - reads stdin
    #[arg(value_name = "KEY")]
    key: Option<String>,
}

impl Rekey {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let ceremony = self.ceremony();
        if self.backup_retrieve {
            return backup::show(context, self.backup_path()).await;
        }
        if self.backup_delete {
            return backup::delete(context, self.backup_path()).await;
        }
        if self.init {
            let mut body = Tree::map()
                .with("secret_shares", self.key_shares)
                .with("secret_threshold", self.key_threshold)
                .with("require_verification", self.verify);
            if let Some(files) = &self.pgp_keys {
                body.insert("pgp_keys", key_files::keys(files)?);
                body.insert("backup", self.backup);
            }
            // A seal without recovery shares gets its first ones at once, and they are shown.
            if self.pgp_keys.is_none() && self.target == Target::Recovery {
                context.may_print_values()?;
            }
            let answer = ceremony.start(context, &body).await?;
            if answer.get("keys").is_none_or(Tree::is_empty) {
                return ceremony.begun(context, &answer);
            }
            return ceremony.made(context, &answer);
        }
        if self.status {
            return ceremony.status(context).await;
        }
        if self.cancel {
            return ceremony.cancel(context).await;
        }
        // Before the last share is given: the new ones are shown once.
        context.may_print_values()?;
        let answer = ceremony
            .give(context, self.nonce.as_deref(), self.key.as_deref())
            .await?;
        if answer.get("keys").is_none_or(Tree::is_empty) {
            return ceremony.show(context, &answer);
        }
        ceremony.made(context, &answer)
    }

    const fn backup_path(&self) -> &'static str {
        match self.target {
            Target::Barrier => "sys/rotate/root/backup",
            Target::Recovery => "sys/rotate/recovery/backup",
        }
    }

    fn ceremony(&self) -> Ceremony {
        let verifying = self.verify && !self.init;
        let (attempt, update) = match (self.target, verifying) {
            (Target::Barrier, false) => ("sys/rotate/root/init", "sys/rotate/root/update"),
            (Target::Barrier, true) => ("sys/rotate/root/verify", "sys/rotate/root/verify"),
            (Target::Recovery, false) => ("sys/rotate/recovery/init", "sys/rotate/recovery/update"),
            (Target::Recovery, true) => {
                ("sys/rotate/recovery/verify", "sys/rotate/recovery/verify")
            }
        };
        Ceremony {
            attempt,
            update,
            command: match (self.target, verifying) {
                (Target::Barrier, false) => "rekey",
                (Target::Barrier, true) => "rekey -verify",
                (Target::Recovery, false) => "rekey -target=recovery",
                (Target::Recovery, true) => "rekey -target=recovery -verify",
            },
            question: if verifying {
                "New Unseal Key"
            } else {
                "Unseal Key"
            },
        }
    }
}

impl Ceremony {
    /// The new shares.
    fn made(&self, context: &Context, answer: &Tree) -> Result<Exit, Failure> {
        if context.format() != Format::Table {
            return self.show(context, answer);
        }
        context.out(lines(answer).finish().expose())?;
        explain(context, answer);
        Ok(Exit::Success)
    }
}

/// The lines that scripts look for in Vault's output.
fn lines(answer: &Tree) -> Buffer {
    let mut out = Buffer::with_capacity(1024);
    let keys = answer
        .get("keys_base64")
        .map(Tree::items)
        .unwrap_or_default();
    let owners = answer.get("pgp_fingerprints").map(Tree::items);
    let owners = owners.unwrap_or_default();
    for (index, key) in keys.iter().enumerate() {
        let title = match owners.get(index).and_then(Tree::as_text) {
            Some(owner) => format!("Key {} fingerprint: {owner}; value: ", index + 1),
            None => format!("Key {}: ", index + 1),
        };
        out.push(title.as_bytes());
        out.push(key.as_text().unwrap_or_default().as_bytes());
        out.push(b"\n");
    }
    out
}

fn explain(context: &Context, answer: &Tree) {
    context.say("");
    if answer
        .get("pgp_fingerprints")
        .is_some_and(|owners| !owners.is_empty())
    {
        context
            .say("each is a message to one holder, who reads it with: base64 -d | gpg --decrypt");
    }
    if answer.get("backup").and_then(Tree::as_bool) == Some(true) {
        context.say("the server keeps the messages: cofferdam operator rekey -backup-retrieve, -backup-delete");
    }
    let waits = answer
        .get("verification_required")
        .and_then(Tree::as_bool)
        .unwrap_or_default();
    if waits {
        context.say(
            "these shares are shown this once; the old ones count until the new ones were given",
        );
        context.say("hint: each holder now runs: cofferdam operator rekey -verify");
    } else {
        context.say("these shares are shown this once; any made before are worth nothing now");
        context.say("give each to another person; without the threshold the data is lost");
    }
}

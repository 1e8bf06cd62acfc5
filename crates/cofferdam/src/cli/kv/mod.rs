//! `cofferdam kv`: secrets by name, with both ways to write a name: `-mount=secret app/a` and
//! `secret/app/a`.

mod delete;
mod get;
mod metadata;
mod patch;
mod put;
mod rollback;
mod show;

use super::link::Link;
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_api::{KvMount, KvVersion};

/// Reads and writes secrets of the KV engine.
#[derive(Args)]
pub(crate) struct Kv {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// read a secret
    Get(get::Get),
    /// write a secret
    Put(put::Put),
    /// change some fields of a secret
    Patch(patch::Patch),
    /// delete versions; they can come back with undelete
    Delete(delete::Delete),
    /// bring deleted versions back
    Undelete(delete::Undelete),
    /// remove versions for good
    Destroy(delete::Destroy),
    /// write an old version again
    Rollback(rollback::Rollback),
    /// list names
    List(get::List),
    /// list names of all levels
    Scan(get::Scan),
    /// read and write what is known about a secret
    Metadata(metadata::Metadata),
    /// turn a version 1 mount into version 2
    EnableVersioning(metadata::EnableVersioning),
}

impl Verb for Kv {
    const NAME: &'static str = "kv";
    const ABOUT: &'static str = "read and write secrets";
    const EXAMPLE: &'static str = "cofferdam kv put -mount=secret app/db password=-\ncofferdam kv get -mount=secret -field=password app/db";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Get(verb) => verb.run(context).await,
            Action::Put(verb) => verb.run(context).await,
            Action::Patch(verb) => verb.run(context).await,
            Action::Delete(verb) => verb.run(context).await,
            Action::Undelete(verb) => verb.run(context).await,
            Action::Destroy(verb) => verb.run(context).await,
            Action::Rollback(verb) => verb.run(context).await,
            Action::List(verb) => verb.run(context).await,
            Action::Scan(verb) => verb.run(context).await,
            Action::Metadata(verb) => verb.run(context).await,
            Action::EnableVersioning(verb) => verb.run(context).await,
        }
    }
}

/// How every KV verb names a secret.
#[derive(Args)]
struct Place {
    /// Where the engine is mounted; without it the name begins with the mount
    #[arg(long, value_name = "MOUNT")]
    mount: Option<String>,
    /// Name of the secret
    #[arg(value_name = "NAME")]
    name: String,
}

/// A secret's place, after asking the server where the mount ends.
struct Located {
    mount: KvMount,
    path: String,
}

impl Place {
    async fn locate(&self, link: &Link) -> Result<Located, Failure> {
        locate(link, self.mount.as_deref(), &self.name).await
    }
}

async fn locate(link: &Link, mount: Option<&str>, name: &str) -> Result<Located, Failure> {
    let name = name.trim().trim_matches('/');
    let whole = match mount.map(|mount| mount.trim().trim_matches('/')) {
        Some("") | None => name.to_owned(),
        Some(mount) => format!("{mount}/{name}"),
    };
    let asked = mount.map_or(whole.as_str(), |mount| mount.trim().trim_matches('/'));
    let mount = link.kv_mount(asked).await?;
    Ok(Located {
        mount,
        path: whole.trim_end_matches('/').to_owned(),
    })
}

impl Located {
    /// The API path in one of the areas of a version 2 mount.
    fn api_path(&self, area: &str) -> String {
        self.mount.api_path(&self.path, area)
    }

    fn is_v2(&self) -> bool {
        self.mount.version == KvVersion::V2
    }

    /// For what only a version 2 mount can do; the exit code is the one of Vault's command.
    fn only_v2(&self, what: &str, exit: Exit) -> Result<(), Failure> {
        if self.is_v2() {
            return Ok(());
        }
        let mount = self.mount.path.trim_end_matches('/');
        let hint = if mount.is_empty() {
            "see the mounts with: cofferdam secrets list -detailed".to_owned()
        } else {
            format!("cofferdam kv enable-versioning {mount}")
        };
        let failure = Failure::usage(format!("{what} needs KV version 2: {}", self.path));
        Err(failure.hint(hint).with_exit(exit))
    }
}

/// `-versions=1,2 -versions=3` as numbers.
fn version_numbers(words: &[String]) -> Result<Vec<u64>, Failure> {
    let words = words.iter().flat_map(|word| word.split(','));
    let number = |word: &str| word.trim().parse::<u64>().ok().filter(|number| *number > 0);
    words
        .map(|word| number(word).ok_or_else(|| Failure::usage("a version is a number from 1 up")))
        .collect()
}

//! `cofferdam lease`.

use super::context::go_duration;
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_api::{Request, Tree};

/// Shows, renews and revokes leases.
#[derive(Args)]
pub(crate) struct Lease {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// show a lease
    Lookup(Lookup),
    /// give a lease more time
    Renew(Renew),
    /// end a lease, or all below a prefix
    Revoke(Revoke),
}

impl Verb for Lease {
    const NAME: &'static str = "lease";
    const ABOUT: &'static str = "show, renew and revoke leases";
    const EXAMPLE: &'static str =
        "cofferdam list sys/leases/lookup/auth\ncofferdam lease revoke -prefix auth/approle/login";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Lookup(verb) => verb.run(context).await,
            Action::Renew(verb) => verb.run(context).await,
            Action::Revoke(verb) => verb.run(context).await,
        }
    }
}

/// Shows a lease.
#[derive(Args)]
struct Lookup {
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Lease
    #[arg(value_name = "LEASE")]
    id: String,
}

impl Lookup {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let body = named(&self.id);
        let request = Request::put("sys/leases/lookup", &body);
        let response = context.link()?.send(request).await?;
        context.print_response(&response, self.field.as_deref())
    }
}

/// Gives a lease more time.
#[derive(Args)]
struct Renew {
    /// Time to ask for: 30m, 1h
    #[arg(long, short, value_name = "DURATION")]
    increment: Option<String>,
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Lease
    #[arg(value_name = "LEASE")]
    id: String,
}

impl Renew {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut body = named(&self.id);
        if let Some(increment) = &self.increment {
            body.insert("increment", go_duration(increment));
        }
        let request = Request::put("sys/leases/renew", &body);
        let response = context.link()?.send(request).await?;
        context.print_response(&response, self.field.as_deref())
    }
}

/// Ends leases.
#[derive(Args)]
struct Revoke {
    /// The word is a prefix: end all leases below it
    #[arg(long)]
    prefix: bool,
    /// With -prefix: forget the leases, whatever those who issued them say
    #[arg(long, short)]
    force: bool,
    /// Answer when it is done
    #[arg(long)]
    sync: bool,
    /// Lease, or prefix of leases
    #[arg(value_name = "LEASE")]
    id: String,
}

impl Revoke {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let id = self.id.trim();
        let below = id.trim_matches('/');
        if self.force && !self.prefix {
            return Err(Failure::usage("-force is for prefixes")
                .hint("cofferdam lease revoke -prefix -force PREFIX"));
        }
        let link = context.link()?;
        let sync = Tree::map().with("sync", self.sync);
        if !self.prefix {
            let body = named(&self.id).with("sync", self.sync);
            link.send(Request::put("sys/leases/revoke", &body)).await?;
            return done(context, self.sync, &format!("Revoked lease: {id}"));
        }
        if self.force {
            context.say("warning: leases are forgotten although what they stand for may live on");
            let path = format!("sys/leases/revoke-force/{below}");
            link.send(Request::put(path, &Tree::map())).await?;
            return context.done(&format!("Force revoked any leases with prefix: {id}"));
        }
        let path = format!("sys/leases/revoke-prefix/{below}");
        link.send(Request::put(path, &sync)).await?;
        done(
            context,
            self.sync,
            &format!("Revoked any leases with prefix: {id}"),
        )
    }
}

/// As Vault's client says it: what was asked for without `-sync` is under way.
fn done(context: &Context, sync: bool, sentence: &str) -> Result<Exit, Failure> {
    if sync {
        return context.done(sentence);
    }
    if context.format() == super::output::Format::Table {
        context.out(b"All revocation operations queued successfully!\n")?;
    }
    Ok(Exit::Success)
}

fn named(id: &str) -> Tree {
    Tree::map().with("lease_id", id.trim().trim_matches('/'))
}

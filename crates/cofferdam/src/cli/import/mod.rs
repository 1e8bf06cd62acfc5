//! `cofferdam import`: secrets from where they are now. [`file`] takes a `.env` file, [`server`] a
//! running Vault or OpenBao, whole.

pub(super) mod dotenv;
mod file;
mod server;
mod suspicion;

use super::{Context, Exit, Failure, Verb};
use clap::Args;
use std::path::PathBuf;

/// Imports a .env file, or a running Vault or OpenBao.
#[derive(Args)]
pub(crate) struct Import {
    /// File of NAME=value lines; - reads stdin; vaults://HOST:PORT/NAMESPACE is a running server
    #[arg(value_name = "FILE|SERVER")]
    file: String,
    /// Name of the application; without it the name of the file's directory
    #[arg(long, value_name = "NAME", help_heading = "From a file")]
    app: Option<String>,
    /// KV mount
    #[arg(
        long,
        value_name = "MOUNT",
        default_value = "secret",
        help_heading = "From a file"
    )]
    mount: String,
    /// Keep a newline at the end of a value
    #[arg(long, help_heading = "From a file")]
    keep_newline: bool,
    /// Say what would be done and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: Server,
}

/// Flags for a server that is copied from. Its token comes from a file, `COFFERDAM_SOURCE_TOKEN`,
/// `VAULT_TOKEN` or `BAO_TOKEN`, or is asked for; never from an argument.
#[derive(Args)]
struct Server {
    /// File with the other server's token; - reads stdin (COFFERDAM_SOURCE_TOKEN, VAULT_TOKEN)
    #[arg(long, value_name = "FILE", help_heading = "From a server")]
    source_token_file: Option<String>,
    /// File with the only CA to trust for the other server (VAULT_CACERT)
    #[arg(long, value_name = "FILE", help_heading = "From a server")]
    source_ca_cert: Option<PathBuf>,
    /// Accept any certificate of the other server; whoever sits in between reads everything
    #[arg(long, help_heading = "From a server")]
    source_tls_skip_verify: bool,
    /// Namespace to copy from, where the address names none (VAULT_NAMESPACE)
    #[arg(long, value_name = "NAME", help_heading = "From a server")]
    source_namespace: Option<String>,
    /// Speak plain HTTP with the other server, whoever listens
    #[arg(long, help_heading = "From a server")]
    source_plain_http: bool,
    /// Replace what is here and different
    #[arg(long, help_heading = "From a server")]
    overwrite: bool,
    /// Things under way at once
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u16).range(1..=64),
        help_heading = "From a server"
    )]
    concurrency: u16,
    /// Stop where the other server lists more names than this
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000_000,
        help_heading = "From a server"
    )]
    most: u64,
}

impl Verb for Import {
    const NAME: &'static str = "import";
    const ABOUT: &'static str = "copy a .env file, or a running Vault or OpenBao, into the store";
    const EXAMPLE: &'static str = "cofferdam import .env\ncofferdam import -app=shop -dry-run ./shop/.env\ncofferdam import -dry-run vaults://vault.example.com:8200";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match server::Address::of(&self.file, self.server.source_plain_http)? {
            Some(address) => server::import(context, &self, address).await,
            None => self.take_file(context).await,
        }
    }
}

//! `cofferdam server`: a server from configuration files, or a throw-away one for tests.

use super::{Context, Exit, Failure, Runtime, Verb};
use crate::config::{self, Listener, Log, Resolved, SealKind, Security, Storage, level_named};
use crate::serve::{self, Plan};
use clap::Args;
use cofferdam_api::places::{self, environment};
use cofferdam_api::{Client, Endpoint, Tree, Trust};
use cofferdam_core::Vault;
use cofferdam_secret::Secret;
use cofferdam_server::{Fronts, Limits};
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the throw-away server listens, as Vault's does.
const DEV_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8200);

/// Runs a server until it is stopped.
#[derive(Args)]
pub(crate) struct Server {
    /// Configuration file, or directory of .hcl and .json files; may repeat
    #[arg(long, value_name = "PATH")]
    config: Vec<PathBuf>,
    /// trace, debug, info, warn or error; wins over the configuration
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// standard or json; wins over the configuration
    #[arg(long, value_name = "FORMAT", value_parser = ["standard", "json"])]
    log_format: Option<String>,
    /// Append the log to this file instead of stderr
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// For tests: unsealed, in memory, without TLS; everything is lost at the end
    #[arg(long)]
    dev: bool,
    /// With -dev: the root token to use instead of a random one
    #[arg(
        long,
        value_name = "TOKEN",
        env = "VAULT_DEV_ROOT_TOKEN_ID",
        hide_env_values = true
    )]
    dev_root_token_id: Option<String>,
    /// With -dev: where to listen
    #[arg(long, value_name = "ADDRESS", env = "VAULT_DEV_LISTEN_ADDRESS")]
    dev_listen_address: Option<SocketAddr>,
    /// Accepted for scripts; nothing is stored in ~/.vault-token anyway
    #[arg(long, hide = true)]
    dev_no_store_token: bool,
    /// Accepted for scripts: there is no core that shuts down by itself
    #[arg(long, hide = true)]
    exit_on_core_shutdown: bool,
}

impl Verb for Server {
    const NAME: &'static str = "server";
    const ABOUT: &'static str = "run a server from configuration files";
    const EXAMPLE: &'static str = "cofferdam server -config /etc/cofferdam/server.hcl\ncofferdam server -dev -dev-root-token-id root";
    const RUNTIME: Runtime = Runtime::Server;

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.dev {
            return self.throw_away(context).await;
        }
        if self.config.is_empty() {
            return Err(Failure::usage("no configuration: name a file with -config")
                .hint("without any configuration, start with: cofferdam up"));
        }
        let (mut resolved, warnings) =
            config::load(&self.config).map_err(|error| Failure::usage(error.to_string()))?;
        for warning in &warnings {
            context.say(&format!("warning: {warning}"));
        }
        config::environment::apply(&mut resolved, &environment).map_err(Failure::usage)?;
        if let Some(warning) = config::environment::warning(&environment) {
            context.say(&format!("warning: {warning}"));
        }
        self.overrule(&mut resolved.log)?;
        let authority =
            serve::authority_directory(&resolved.storage, &places::data_dir(&environment));
        let trust = trust(&resolved, &authority);
        serve::run(
            Plan {
                resolved,
                authority,
                reread: Some(Box::new(move || {
                    let (mut resolved, _) =
                        config::load(&self.config).map_err(|error| error.to_string())?;
                    config::environment::log(&mut resolved.log, &environment)?;
                    self.overrule(&mut resolved.log)
                        .map_err(|failure| failure.what().to_owned())?;
                    Ok(resolved.log)
                })),
            },
            context,
            async |vault, addresses| {
                for address in addresses {
                    context.say(&format!("listening on: {address}"));
                }
                announce(vault, addresses, &trust, context).await
            },
        )
        .await
    }
}

impl Server {
    fn overrule(&self, log: &mut Log) -> Result<(), Failure> {
        if let Some(level) = &self.log_level {
            let known = level_named(level)
                .ok_or_else(|| Failure::usage("-log-level is trace, debug, info, warn or error"))?;
            log.level = Some(known.to_owned());
        }
        if let Some(format) = &self.log_format {
            log.json = format == "json";
        }
        log.file = self.log_file.clone().or_else(|| log.file.take());
        Ok(())
    }

    async fn throw_away(self, context: &Context) -> Result<Exit, Failure> {
        let mut log = Log::default();
        self.overrule(&mut log)?;
        let address = self.dev_listen_address.unwrap_or(DEV_ADDRESS);
        let limits = Limits::default();
        let resolved = Resolved {
            listeners: vec![Listener::Tcp {
                address,
                security: Security::DangerouslyPlain,
                fronts: Fronts::default(),
                limits,
            }],
            storage: Storage::Memory,
            seal: SealKind::Shamir,
            former_seal: None,
            // What identity tokens name as their issuer; a port of the kernel's choice is not known yet.
            api_addr: (address.port() != 0).then(|| format!("http://{address}")),
            cluster_name: Some("dev (in memory, without TLS)".to_owned()),
            lock_memory: false,
            default_lease_ttl: None,
            max_lease_ttl: None,
            log,
            pid_file: None,
        };
        let authority = places::data_dir(&environment).join("tls");
        let chosen = self.dev_root_token_id.map(Secret::new);
        serve::run(
            Plan {
                resolved,
                authority,
                reread: None,
            },
            context,
            async |_vault, addresses| {
                let address = addresses.first().map(String::as_str).unwrap_or_default();
                let token = open_up(address, chosen).await?;
                context.say("dev mode: everything is in memory and without TLS; for tests only");
                context.say(&format!("address: {address}"));
                context.say("hint: export VAULT_ADDR and VAULT_TOKEN, or pass -address");
                let line = Secret::new(format!("Root Token: {}\n", token.expose()));
                context.out(line.expose().as_bytes())
            },
        )
        .await
    }
}

/// The flag that a command needs to trust the first listener: where its certificate is of a CA of ours
/// that commands do not look for by themselves.
fn trust(resolved: &Resolved, authority: &Path) -> String {
    let own = matches!(
        resolved.listeners.first(),
        Some(Listener::Tcp {
            security: Security::Own { .. },
            ..
        })
    );
    let usual = places::data_dir(&environment).join("tls");
    match std::path::absolute(authority) {
        Ok(authority) if own && authority != usual => {
            format!(" -ca-cert={}", authority.join("ca.pem").display())
        }
        _ => String::new(),
    }
}

/// Says that it serves, and what to do next.
async fn announce(
    vault: &Arc<Vault>,
    addresses: &[String],
    trust: &str,
    context: &Context,
) -> Result<(), Failure> {
    use cofferdam_core::Standing;
    let address = addresses.first().map(String::as_str).unwrap_or_default();
    match vault.standing().await {
        Standing::Active => context.say("ready: unsealed"),
        Standing::Sealed => {
            context.say("ready: sealed");
            let status = vault.seal_status().await;
            let migrate = match status.is_ok_and(|status| status.migration) {
                true => " -migrate",
                false => "",
            };
            context.say(&format!(
                "hint: cofferdam operator unseal{migrate} -address={address}{trust}"
            ));
        }
        Standing::Uninitialized => {
            context.say("ready: not initialized");
            context.say(&format!(
                "hint: cofferdam operator init -address={address}{trust}"
            ));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Initialized {
    keys_base64: Vec<Secret<String>>,
    root_token: Secret<String>,
}

/// Initializes and unseals over the listener itself, mounts `secret/`, and gives the root token.
async fn open_up(address: &str, chosen: Option<Secret<String>>) -> Result<Secret<String>, Failure> {
    let endpoint = Endpoint::parse(address)
        .map_err(|error| Failure::from(cofferdam_api::Error::from(error)))?;
    let client = Client::new(endpoint, Trust::default(), None)?;
    let one = Tree::map()
        .with("secret_shares", 1_u64)
        .with("secret_threshold", 1_u64);
    let initialized: Initialized = client
        .write("sys/init", &one)
        .await?
        .body()
        .ok_or_else(unreadable)?;
    for key in initialized.keys_base64 {
        client
            .write("sys/unseal", &Tree::map().with("key", key))
            .await?;
    }
    let admin = client.with_token(Some(initialized.root_token.duplicate()));
    let mount = Tree::map()
        .with("type", "kv")
        .with("options", Tree::map().with("version", "2"));
    admin.write("sys/mounts/secret", &mount).await?;
    let Some(chosen) = chosen else {
        return Ok(initialized.root_token);
    };
    let token = Tree::map()
        .with("id", chosen.duplicate())
        .with("no_parent", true)
        .with("policies", vec!["root"]);
    admin.write("auth/token/create", &token).await?;
    admin.write("auth/token/revoke-self", &Tree::map()).await?;
    Ok(chosen)
}

fn unreadable() -> Failure {
    Failure::server("the server's own answer to initialization cannot be read")
}

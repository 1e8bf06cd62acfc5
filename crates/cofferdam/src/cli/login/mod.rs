//! `cofferdam login`: checks a token, or logs in with a method, and keeps the token in `~/.vault-token`.

mod aws;
mod browser;
mod methods;

use super::context::{is_admin_by_socket, token_file};
use super::input::reason;
use super::output::Format;
use super::terminal::prompt_secret;
use super::unwrap::given_token;
use super::{Context, Exit, Failure, Verb, agent_marker};
use clap::Args;
use cofferdam_api::{Auth, Client, Error, Request, Response, Tree, places};
use cofferdam_secret::{Buffer, Secret};
use methods::Method;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// Logs in.
#[derive(Args)]
pub(crate) struct Login {
    /// Way to log in: token, userpass, approle, jwt, kubernetes, cert, oidc or aws; others with: cofferdam write auth/METHOD/login
    #[arg(long, value_name = "METHOD", default_value = "token")]
    method: String,
    /// Where the method is mounted, if not below its own name
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Do not keep the token
    #[arg(long)]
    no_store: bool,
    /// Do not print the token
    #[arg(long)]
    no_print: bool,
    /// Print the token and nothing else, and do not keep it
    #[arg(long)]
    token_only: bool,
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Token, or KEY=VALUE for a method; what is missing is asked for and not shown, - reads stdin
    #[arg(value_name = "TOKEN")]
    words: Vec<String>,
}

impl Verb for Login {
    const NAME: &'static str = "login";
    const ABOUT: &'static str = "log in and keep the token for the next commands";
    const EXAMPLE: &'static str =
        "cofferdam login\ncofferdam login - < token\ncofferdam login -method=userpass username=ada";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.client()?.without_wrapping();
        let response = if self.method == "token" {
            self.by_token(&client).await?
        } else if self.method == "oidc" {
            browser::log_in(context, &client, self.path.as_deref(), &self.words).await?
        } else if self.method == "aws" {
            let request = aws::request(context, self.path.as_deref(), &self.words)?;
            client.send(request).await?
        } else {
            let method = Method::find(&self.method)?;
            let request = method.request(self.path.as_deref(), &self.words)?;
            client.send(request).await?
        };
        let token = response.auth.as_ref();
        let token = token.map(|auth| auth.client_token.duplicate());
        let token = token.ok_or_else(|| Failure::server("the answer to the login has no token"))?;
        if !self.no_store && !self.token_only {
            store(&token)?;
            explain(context, client.endpoint());
        }
        self.print(context, &response)
    }
}

impl Login {
    /// What a login would have answered, of a token that is there already.
    async fn by_token(&self, client: &Client) -> Result<Response, Failure> {
        let token = match self.words.first() {
            Some(word) => given_token(word.trim_start_matches("token="))?,
            // As Vault's command ends a login without anything to log in with.
            None => prompt_secret("Token").map_err(|failure| failure.with_exit(Exit::Server))?,
        };
        if token.is_empty() {
            return Err(Failure::usage("no token given"));
        }
        let request = Request::get("auth/token/lookup-self").with_token(token.duplicate());
        let mut response = client.send(request).await.map_err(not_valid)?;
        let auth = auth_of(&response, token);
        response.auth = Some(auth);
        response.drop_data();
        Ok(response)
    }

    fn print(&self, context: &Context, response: &Response) -> Result<Exit, Failure> {
        let agent = agent_marker::found(&places::environment).is_some();
        if self.no_print || (agent && context.may_print_values().is_err()) {
            return Ok(Exit::Success);
        }
        if self.token_only {
            let token = response
                .auth
                .as_ref()
                .map(|auth| Tree::from(auth.client_token.duplicate()));
            return context.print_field(token, "token");
        }
        context.print_response(response, self.field.as_deref())
    }
}

fn not_valid(error: Error) -> Failure {
    match error {
        Error::Denied(_) => Failure::server("the token is not valid or has ended"),
        other => other.into(),
    }
}

fn explain(context: &Context, endpoint: &cofferdam_api::Endpoint) {
    if context.format() == Format::Table {
        let kept = token_file().map(|path| path.display().to_string());
        let home = context.environment("HOME").unwrap_or_default();
        let kept = kept.filter(|path| *path != format!("{home}/.vault-token"));
        let kept = kept.unwrap_or_else(|| "~/.vault-token".to_owned());
        context.say(&format!(
            "logged in; the token is kept in {kept} for the next commands"
        ));
    }
    if let Some((name, _)) = places::setting(&places::environment, "TOKEN") {
        context.say(&format!(
            "warning: {name} is set and wins over the kept token"
        ));
    } else if is_admin_by_socket(endpoint) {
        context.say("note: on this socket your unix user is the administrator; the kept token is used with -address only");
    }
}

/// The `auth` member that a login with a method would have returned.
fn auth_of(response: &Response, token: Secret<String>) -> Auth {
    let data = response.tree().unwrap_or(Tree::Null);
    let text = |name: &str| {
        data.get(name)
            .and_then(Tree::as_text)
            .unwrap_or_default()
            .to_owned()
    };
    let truth = |name: &str| data.get(name).and_then(Tree::as_bool).unwrap_or_default();
    let number = |name: &str| data.get(name).and_then(Tree::as_u64).unwrap_or_default();
    let names = |name: &str| {
        let items = data.get(name).map(Tree::items)?;
        let names = items.iter().filter_map(Tree::as_text).map(str::to_owned);
        Some(names.collect::<Vec<_>>()).filter(|names| !names.is_empty())
    };
    let of_token = names("policies");
    let of_identity = names("identity_policies");
    let mut all: Vec<String> = of_token
        .iter()
        .chain(&of_identity)
        .flatten()
        .cloned()
        .collect();
    all.sort();
    all.dedup();
    let metadata = data.get("meta").filter(|meta| matches!(meta, Tree::Map(_)));
    let metadata = metadata.map(|meta| {
        let members = meta.entries();
        members
            .map(|(key, value)| {
                (
                    key.to_owned(),
                    value.as_text().unwrap_or_default().to_owned(),
                )
            })
            .collect()
    });
    Auth {
        client_token: token,
        accessor: text("accessor"),
        policies: Some(all).filter(|all| !all.is_empty()),
        token_policies: of_token,
        identity_policies: of_identity,
        metadata,
        lease_duration: number("ttl"),
        renewable: truth("renewable"),
        entity_id: text("entity_id"),
        token_type: text("type"),
        orphan: false,
        num_uses: number("num_uses"),
    }
}

/// Writes the token file: complete or not at all, and never readable by others.
fn store(token: &Secret<String>) -> Result<(), Failure> {
    let path = token_file().ok_or_else(|| {
        Failure::local("no home directory to keep the token in").hint("set HOME, or pass -no-store")
    })?;
    let failed = |error: std::io::Error| {
        Failure::local(format!(
            "cannot write {}: {}",
            path.display(),
            reason(&error)
        ))
        .hint("pass -no-store to log in without keeping the token")
    };
    let mut content = Buffer::with_capacity(128);
    content.push(token.expose().as_bytes());
    let fresh = path.with_file_name(format!(".vault-token.{}", std::process::id()));
    let write = || {
        let options = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh);
        options.and_then(|mut file| {
            file.write_all(content.as_slice())
                .and_then(|()| file.sync_all())
        })
    };
    let written = write().and_then(|()| std::fs::rename(&fresh, &path));
    written
        .inspect_err(|_| drop(std::fs::remove_file(&fresh)))
        .map_err(failed)
}

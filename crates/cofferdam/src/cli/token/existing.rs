//! `token lookup`, `token renew` and `token revoke`: of our own token, another, or by accessor.

use super::super::context::go_duration;
use super::super::unwrap::given_token;
use super::super::{Context, Exit, Failure};
use clap::Args;
use cofferdam_api::{Request, Tree};

/// Shows a token.
#[derive(Args)]
pub(super) struct Lookup {
    /// The word is an accessor and no token
    #[arg(long, requires = "token")]
    accessor: bool,
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Token, without it our own; - reads stdin
    #[arg(value_name = "TOKEN")]
    token: Option<String>,
}

impl Lookup {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let request = match self.token {
            None => Request::get("auth/token/lookup-self"),
            Some(word) => Request::post(
                chosen("lookup", self.accessor),
                &named(&word, self.accessor)?,
            ),
        };
        let response = context.link()?.send(request).await?;
        context.print_response(&response, self.field.as_deref())
    }
}

/// Gives a token more time.
#[derive(Args)]
pub(super) struct Renew {
    /// The word is an accessor and no token
    #[arg(long, requires = "token")]
    accessor: bool,
    /// Time to ask for: 30m, 1h
    #[arg(long, short, value_name = "DURATION")]
    increment: Option<String>,
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// Token, without it our own; - reads stdin
    #[arg(value_name = "TOKEN")]
    token: Option<String>,
}

impl Renew {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (path, mut body) = match self.token {
            None => ("auth/token/renew-self".to_owned(), Tree::map()),
            Some(word) => (chosen("renew", self.accessor), named(&word, self.accessor)?),
        };
        if let Some(increment) = &self.increment {
            body.insert("increment", go_duration(increment));
        }
        let response = context.link()?.send(Request::put(path, &body)).await?;
        context.print_response(&response, self.field.as_deref())
    }
}

/// Ends a token.
#[derive(Args)]
pub(super) struct Revoke {
    /// The word is an accessor and no token
    #[arg(long, requires = "token")]
    accessor: bool,
    /// End our own token
    #[arg(long = "self", conflicts_with_all = ["token", "mode"])]
    own: bool,
    /// orphan: keep the children; path: all tokens made by logins below a path
    #[arg(long, value_name = "MODE", value_parser = ["orphan", "path"])]
    mode: Option<String>,
    /// Token, accessor or path; - reads stdin
    #[arg(value_name = "TOKEN", required_unless_present = "own")]
    token: Option<String>,
}

impl Revoke {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let request = match (self.token, self.mode.as_deref()) {
            (None, _) => Request::put("auth/token/revoke-self", &Tree::map()),
            (Some(_), Some(_)) if self.accessor => {
                return Err(Failure::usage("not together: -accessor and -mode"));
            }
            (Some(path), Some("path")) => Request::put(
                format!("sys/leases/revoke-prefix/{}", path.trim_matches('/')),
                &Tree::map(),
            ),
            (Some(word), Some(_)) => {
                Request::put("auth/token/revoke-orphan", &named(&word, false)?)
            }
            (Some(word), None) => Request::put(
                chosen("revoke", self.accessor),
                &named(&word, self.accessor)?,
            ),
        };
        context.link()?.send(request).await?;
        context.done("Revoked token (if it existed)")
    }
}

fn chosen(verb: &str, accessor: bool) -> String {
    let by = if accessor { "-accessor" } else { "" };
    format!("auth/token/{verb}{by}")
}

fn named(word: &str, accessor: bool) -> Result<Tree, Failure> {
    let name = if accessor { "accessor" } else { "token" };
    Ok(Tree::map().with(name, given_token(word)?))
}

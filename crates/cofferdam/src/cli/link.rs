//! The server as a verb sees it.

use super::context::is_admin_by_socket;
use super::failure::{explained, nowhere};
use super::{Context, Failure};
use cofferdam_api::{Client, Endpoint, Error, KvMount, Refusal, Request, Response};

/// A client that explains refusals.
pub(crate) struct Link {
    client: Client,
}

impl Context {
    /// Connects a verb with the server; nothing is sent yet.
    pub(crate) fn link(&self) -> Result<Link, Failure> {
        Ok(Link {
            client: self.client()?,
        })
    }
}

impl Link {
    /// Sends a request.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, Failure> {
        self.try_send(request)
            .await?
            .map_err(|error| self.failure(error))
    }

    /// A refusal in words. Without a token every path is denied, and the way out is another.
    pub(crate) fn failure(&self, error: Error) -> Failure {
        match error {
            Error::Denied(refusal) if self.is_stranger() => {
                self.no_token(&format!("{} {}", refusal.method, refusal.path), &refusal)
            }
            Error::Denied(refusal) if refusal.path == "auth/token/lookup-self" => {
                Failure::server("the token is not valid or has ended")
                    .hint("log in with: cofferdam login")
            }
            other => other.into(),
        }
    }

    /// Sends a request; the inner error is the server's.
    pub(crate) async fn try_send(
        &self,
        request: Request,
    ) -> Result<Result<Response, Error>, Failure> {
        match self.client.send(request).await {
            Err(rehearsed @ Error::Rehearsed(_)) => Err(rehearsed.into()),
            answer => Ok(answer),
        }
    }

    fn no_token(&self, what: &str, refusal: &Refusal) -> Failure {
        if let Some(failure) = explained(what, refusal) {
            return failure;
        }
        let by_socket = matches!(self.client.endpoint(), Endpoint::Socket(_));
        Failure::server(format!("no token for: {what}")).hint(if by_socket {
            "log in with: cofferdam login; the owner of the server's socket needs no token"
        } else {
            "log in with: cofferdam login"
        })
    }

    /// The KV mount behind a path. Never wrapped and never printed: it is a question of ours.
    pub(crate) async fn kv_mount(&self, path: &str) -> Result<KvMount, Failure> {
        let answer = self.client.clone().without_wrapping().kv_mount(path).await;
        answer.map_err(|error| match error {
            Error::Denied(refusal) if self.is_stranger() => self.no_token(path, &refusal),
            Error::Denied(refusal) => explained(path, &refusal).unwrap_or_else(|| nowhere(path)),
            other => self.failure(other),
        })
    }

    /// Whether nobody can know who asks. Who may do everything by the socket is denied only what is not
    /// there.
    pub(crate) fn is_stranger(&self) -> bool {
        self.client.token().is_none() && !is_admin_by_socket(self.client.endpoint())
    }

    /// The client itself, for helpers of the API.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }
}

//! The server as a verb sees it: requests go out, or are printed for `-output-curl-string`.

use super::delivery::quoted;
use super::{Context, Failure};
use cofferdam_api::{Client, Endpoint, Error, KvMount, Method, Request, Response};

/// A client that knows whether it may send.
pub(crate) struct Link<'a> {
    context: &'a Context,
    client: Client,
}

impl Context {
    /// Connects a verb with the server; nothing is sent yet.
    pub(crate) fn link(&self) -> Result<Link<'_>, Failure> {
        Ok(Link {
            context: self,
            client: self.client()?,
        })
    }
}

impl Link<'_> {
    /// Sends a request.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, Failure> {
        self.try_send(request)
            .await?
            .map_err(|error| self.failure(error))
    }

    /// A refusal in words. Without a token every path is denied, and the way out is another.
    pub(crate) fn failure(&self, error: Error) -> Failure {
        match error {
            Error::Denied(refusal) if self.client.token().is_none() => {
                self.no_token(&format!("{} {}", refusal.method, refusal.path))
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
        if self.context.wants_curl() {
            self.context.out(self.curl(&request).as_bytes())?;
            return Err(Failure::finished());
        }
        Ok(self.client.send(request).await)
    }

    fn no_token(&self, what: &str) -> Failure {
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
            Error::Denied(_) if self.client.token().is_none() => self.no_token(path),
            // The server denies to tell mounts from nothing to those who may use neither.
            Error::Denied(_) => {
                Failure::server(format!("permission denied, or nothing mounted: {path}"))
                    .hint("see the mounts with: cofferdam secrets list; see your token with: cofferdam token lookup")
            }
            other => self.failure(other),
        })
    }

    /// The client itself, for helpers of the API.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// The request as a command. The token is a command in it, never its value.
    fn curl(&self, request: &Request) -> String {
        let mut words = vec!["curl".to_owned()];
        let (method, endpoint) = (request.method(), self.client.endpoint());
        match method {
            Method::Get | Method::List => {}
            Method::Post => words.push("-X POST".to_owned()),
            Method::Put => words.push("-X PUT".to_owned()),
            Method::Patch => words.push("-X PATCH".to_owned()),
            Method::Delete => words.push("-X DELETE".to_owned()),
        }
        let trust = self.context.trust();
        let base = match endpoint {
            Endpoint::Socket(path) => {
                words.push(format!(
                    "--unix-socket {}",
                    quoted(&path.display().to_string())
                ));
                "http://localhost".to_owned()
            }
            Endpoint::Https { .. } if trust.dangerous_skip_verify => {
                words.push("--insecure".to_owned());
                endpoint.to_string()
            }
            Endpoint::Https { .. } => {
                let ca = trust.ca_cert.or(trust.own_ca.filter(|path| path.exists()));
                words.extend(
                    ca.map(|path| format!("--cacert {}", quoted(&path.display().to_string()))),
                );
                endpoint.to_string()
            }
            Endpoint::Http { .. } => endpoint.to_string(),
        };
        words.push("-H \"X-Vault-Request: true\"".to_owned());
        if let Some(ttl) = self.client.wrap_ttl() {
            words.push(format!("-H \"X-Vault-Wrap-TTL: {ttl}\""));
        }
        if self.client.token().is_some() {
            words.push("-H \"X-Vault-Token: $(cofferdam print token)\"".to_owned());
        }
        if method == Method::Patch {
            words.push("-H \"Content-Type: application/merge-patch+json\"".to_owned());
        }
        if let Some(body) = request.body() {
            let body = String::from_utf8_lossy(body.expose());
            words.push(format!("-d {}", quoted(&body)));
        }
        let url = format!("{base}{}", request.target());
        words.push(if url.contains('$') {
            quoted(&url)
        } else {
            format!("\"{url}\"")
        });
        format!("{}\n", words.join(" "))
    }
}

//! The HTTP side: Vault's API, passed on with the container's own token.
//!
//! Only four things of a request go on: method, path with query, body, and the headers that say how
//! the answer is to be made. A request that names another host, or that a browser or a proxy sent,
//! is refused: some program in the container may pass on what strangers wrote.

use super::attest::Run;
use super::peer::Process;
use super::refused::Refused;
use super::tokens::{Token, Tokens};
use super::values;
use crate::docker::deliveries::{Book, Holder, Secrets};
use crate::docker::known::Known;
use bytes::Bytes;
use cofferdam_api::places::parse_bool;
use cofferdam_api::{Relayed, Tree};
use cofferdam_secret::{Buffer, Secret, constant_time_eq};
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, FORWARDED, HOST, HeaderName, HeaderValue, ORIGIN,
};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use std::time::Duration;

/// A KV value has at most 1 MiB; in JSON it may need twice that.
const MAX_BODY: usize = 2 << 20;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(15);

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
/// What goes on to the server, if it is there.
const PASSED: [HeaderName; 3] = [
    CONTENT_TYPE,
    HeaderName::from_static("x-vault-wrap-ttl"),
    HeaderName::from_static("x-vault-namespace"),
];
/// What only a browser or a proxy sends.
const STRANGERS: [HeaderName; 5] = [
    ORIGIN,
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("sec-fetch-site"),
];

/// A connection whose container is known.
pub(super) struct Door {
    pub(super) caller: Process,
    pub(super) run: Run,
    pub(super) tokens: Arc<Tokens>,
    /// The container, for the record.
    pub(super) holder: Holder,
    pub(super) book: Book,
    pub(super) known: Arc<Known>,
}

impl Door {
    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.pass(request).await {
            Ok((status, body)) => reply(status, body),
            Err(refused) => refusal(&refused),
        }
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<(StatusCode, Bytes), Refused> {
        // Whoever holds the connection after its opener's end is somebody we know nothing of.
        if !self.caller.is_alive() {
            return Err(Refused::Gone);
        }
        let (head, body) = request.into_parts();
        let asked = Asked::read(&head)?;
        let (status, answer) = self.exchange(&head, &asked, body).await?;
        if status == StatusCode::OK {
            let secrets = asked.secret(&head, &answer);
            // Before it is handed out: the container may print it at once.
            self.learn(&head, secrets.is_some(), &answer);
            if let Some(secrets) = secrets {
                self.book.note(self.holder.clone(), secrets);
            }
        }
        Ok((status, answer))
    }

    /// Remembers what the answer gives away, for the logs of containers.
    fn learn(&self, head: &Parts, read: bool, answer: &[u8]) {
        let path = percent_decode_str(head.uri.path()).decode_utf8_lossy();
        let path = path.strip_prefix("/v1/").unwrap_or_default();
        let unwraps = path == "sys/wrapping/unwrap";
        if !(read || unwraps || path.starts_with("auth/")) {
            return;
        }
        if let Ok(answer) = Tree::parse(answer) {
            let container = self.run.key();
            values::each(path, read || unwraps, &answer, &mut |label, value| {
                self.known.learn_asked(&container, &label, &value);
            });
        }
    }

    async fn exchange(
        &self,
        head: &Parts,
        asked: &Asked,
        body: Incoming,
    ) -> Result<(StatusCode, Bytes), Refused> {
        let body = collect(body).await?;
        let token = self.tokens.lend(&self.run).await?;
        if asked.token.as_ref().is_some_and(|sent| !same(sent, &token)) {
            return Err(Refused::ForeignToken);
        }
        let (status, answer) = self.relay(head, asked, &token, &body).await?;
        if status != StatusCode::FORBIDDEN || !self.tokens.doubt(&self.run, &token).await {
            return Ok((status, answer));
        }
        // Revoked, or the server is another one now. Nothing was carried out.
        let token = self.tokens.lend(&self.run).await?;
        self.relay(head, asked, &token, &body).await
    }

    async fn relay(
        &self,
        head: &Parts,
        asked: &Asked,
        token: &Token,
        body: &Secret<Vec<u8>>,
    ) -> Result<(StatusCode, Bytes), Refused> {
        let relayed = Relayed {
            method: &head.method,
            target: &asked.target,
            token: token.text(),
            headers: &asked.headers,
            body,
        };
        match self.tokens.client().relay(relayed).await {
            Ok((status, body)) => {
                let status = StatusCode::from_u16(status).map_err(|_| Refused::Silent)?;
                Ok((status, body))
            }
            Err(error) => {
                // Not louder: a container that asks in a loop would fill the log.
                tracing::debug!(reason = %error, "cannot pass a container's request on");
                Err(Refused::Silent)
            }
        }
    }
}

/// What the head of a request says.
struct Asked {
    target: String,
    token: Option<Secret<String>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Asked {
    fn read(head: &Parts) -> Result<Self, Refused> {
        let uri = &head.uri;
        if uri.authority().is_some() {
            return Err(Refused::Head(
                "the request line names a host: this is no proxy",
            ));
        }
        let hosts = single(&head.headers, &HOST)?;
        if !hosts.is_none_or(is_here) {
            return Err(Refused::Head(
                "the Host header names another host: use http://localhost",
            ));
        }
        if STRANGERS.iter().any(|name| head.headers.contains_key(name)) {
            return Err(Refused::Head(
                "the request comes from a browser or through a proxy",
            ));
        }
        if !uri.path().starts_with("/v1/") {
            return Err(Refused::Path);
        }
        if is_endless(uri.path()) {
            return Err(Refused::Stream);
        }
        let mut headers = Vec::new();
        for name in PASSED {
            if let Some(value) = once(&head.headers, &name)? {
                headers.push((name, value.clone()));
            }
        }
        Ok(Self {
            target: uri
                .path_and_query()
                .map_or("", |both| both.as_str())
                .to_owned(),
            token: token(&head.headers)?,
            headers,
        })
    }
}

/// Whether the answer has no end, however the path is spelled: answers are passed on whole.
fn is_endless(path: &str) -> bool {
    const ENDLESS: [&str; 2] = ["/v1/sys/events/subscribe", "/v1/sys/monitor"];
    let path = percent_decode_str(path).decode_utf8_lossy();
    ENDLESS.iter().any(|start| path.starts_with(start))
}

impl Asked {
    /// The secret that was read with this answer. What is no secret of an engine (the server's own
    /// affairs, logins, lists) is in the audit log and not in the record of deliveries.
    fn secret(&self, head: &Parts, answer: &[u8]) -> Option<Secrets> {
        const NOT_SECRETS: [&str; 4] = ["sys/", "auth/", "identity/", "cubbyhole/"];
        let path = percent_decode_str(head.uri.path()).decode_utf8().ok()?;
        let path = path.strip_prefix("/v1/")?;
        if head.method != Method::GET
            || NOT_SECRETS.iter().any(|prefix| path.starts_with(prefix))
            || head.uri.query().is_some_and(lists)
        {
            return None;
        }
        let answer = Tree::parse(answer).ok()?;
        let data = answer.get("data")?;
        let version = data.get("metadata").and_then(|found| found.get("version"));
        Some(Secrets::Read {
            path: path.to_owned(),
            version: version.and_then(Tree::as_u64),
        })
    }
}

/// Whether a query asks for names, read as the server reads it: what it takes for a read is one here.
fn lists(query: &str) -> bool {
    let text = |text| percent_decode_str(text).decode_utf8_lossy();
    let says = |wanted: &str| {
        let pairs = query.split('&');
        let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let said = pairs.rfind(|(name, _)| text(name) == wanted);
        said.is_some_and(|(_, value)| parse_bool(&text(value)) == Some(true))
    };
    says("list") || says("scan")
}

/// Names of a socket: nobody's, this machine's, or the socket's own path as some clients write it.
fn is_here(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["", "localhost", "127.0.0.1", "[::1]"].contains(&name)
        || name.starts_with('/')
        || name.to_ascii_lowercase().starts_with("%2f")
}

fn token(headers: &HeaderMap) -> Result<Option<Secret<String>>, Refused> {
    let sent = match single(headers, &TOKEN)? {
        Some(token) => Some(token),
        None => single(headers, &AUTHORIZATION)?.map(|value| {
            let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
            match scheme.eq_ignore_ascii_case("bearer") {
                true => token.trim(),
                // Credentials of another kind mean nothing to the server.
                false => "",
            }
        }),
    };
    Ok(sent
        .filter(|token| !token.is_empty())
        .map(|token| Secret::new(token.to_owned())))
}

fn same(sent: &Secret<String>, own: &Token) -> bool {
    constant_time_eq(sent.expose().as_bytes(), own.text().expose().as_bytes())
}

/// The one value of a header.
fn once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, Refused> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Refused::Head("a header is there twice")),
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refused> {
    let text = once(headers, name)?.map(HeaderValue::to_str).transpose();
    text.map_err(|_| Refused::Head("a header holds characters that are not allowed"))
}

async fn collect(mut body: Incoming) -> Result<Secret<Vec<u8>>, Refused> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(Refused::Body);
    }
    let all = async {
        let mut collected = Buffer::with_capacity(1024);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refused::Body)?;
            if let Some(data) = frame.data_ref() {
                if collected.len() + data.len() > MAX_BODY {
                    return Err(Refused::Body);
                }
                collected.push(data);
            }
        }
        Ok(collected.finish())
    };
    let in_time = tokio::time::timeout(BODY_TIME, all).await;
    in_time.map_err(|_| Refused::Body)?
}

/// A refusal as Vault's clients read it.
pub(super) fn refusal(refused: &Refused) -> Response<Full<Bytes>> {
    reply(refused.status(), Bytes::from(refused.body()))
}

fn reply(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str, headers: &[(&str, &str)]) -> Result<Asked, Refused> {
        let request = headers
            .iter()
            .fold(Request::builder().uri(target), |request, (name, value)| {
                request.header(*name, *value)
            });
        Asked::read(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_secret_that_was_read_is_told_from_everything_else() {
        let answer = br#"{"data":{"data":{"a":"b"},"metadata":{"version":7}}}"#;
        let secret = |method: &str, target: &str, answer: &[u8]| {
            let request = Request::builder().method(method).uri(target);
            let head = request.body(()).unwrap().into_parts().0;
            match Asked::read(&head).unwrap().secret(&head, answer) {
                Some(Secrets::Read { path, version }) => Some((path, version)),
                _ => None,
            }
        };
        let read = Some(("secret/data/a".to_owned(), Some(7)));
        assert_eq!(secret("GET", "/v1/secret/data/a", answer), read);
        assert_eq!(secret("GET", "/v1/secret/data/a?version=7", answer), read);
        assert_eq!(secret("GET", "/v1/secret%2Fdata/%61", answer), read);
        for query in [
            "list=false",
            "list=0",
            "list",
            "list=true&list=",
            "a=list=true",
            "scan=false",
        ] {
            let target = format!("/v1/secret/data/a?{query}");
            assert_eq!(secret("GET", &target, answer), read, "{query}");
        }
        let plain = secret("GET", "/v1/kv/a", br#"{"data":{"a":"b"}}"#);
        assert_eq!(plain, Some(("kv/a".to_owned(), None)));
        for (method, target, answer) in [
            ("PUT", "/v1/secret/data/a", &answer[..]),
            ("GET", "/v1/secret/metadata?list=true", answer),
            ("GET", "/v1/secret/metadata?a=b&%6cist=T", answer),
            ("GET", "/v1/kv?scan=true", br#"{"data":{"keys":["a"]}}"#),
            ("GET", "/v1/sys/mounts", answer),
            ("GET", "/v1/auth/token/lookup-self", answer),
            ("GET", "/v1/secret/data/a", b"{}"),
            ("GET", "/v1/secret/data/a", b"nonsense"),
        ] {
            assert_eq!(secret(method, target, answer), None, "{method} {target}");
        }
    }

    #[test]
    fn a_request_for_another_host_or_of_a_browser_is_refused() {
        for host in [
            "",
            "localhost",
            "LOCALHOST:80",
            "localhost:8200",
            "127.0.0.1",
            "127.0.0.1:8200",
            "[::1]",
            "[::1]:8200",
            "%2Frun%2Fcofferdam%2Fcofferdam.sock",
            "/run/cofferdam/cofferdam.sock",
        ] {
            let known = host != "LOCALHOST:80";
            assert_eq!(asked("/v1/a", &[("Host", host)]).is_ok(), known, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:80",
            "localhost.evil.example",
            "localhost:80:80",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "169.254.169.254",
        ] {
            assert!(asked("/v1/a", &[("Host", host)]).is_err(), "{host}");
        }
        for name in [
            "Origin",
            "X-Forwarded-For",
            "Forwarded",
            "X-Forwarded-Host",
            "Sec-Fetch-Site",
        ] {
            assert!(asked("/v1/a", &[(name, "x")]).is_err(), "{name}");
        }
        assert!(
            asked("http://localhost/v1/a", &[]).is_err(),
            "this is no proxy"
        );
    }

    #[test]
    fn of_the_headers_only_those_go_on_that_name_no_caller() {
        let all = [
            ("Content-Type", "application/merge-patch+json"),
            ("X-Vault-Wrap-TTL", "60s"),
            ("X-Vault-Namespace", "team"),
            ("X-Vault-Token", "hvs.other"),
            ("Authorization", "Bearer hvs.other"),
            ("X-Vault-Policy-Override", "true"),
            ("Connection", "close"),
            ("Cookie", "a=b"),
        ];
        let asked = asked("/v1/secret/data/a%2Fb?list=true", &all).unwrap();
        let names: Vec<_> = asked
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            names,
            ["content-type", "x-vault-wrap-ttl", "x-vault-namespace"]
        );
        assert_eq!(
            asked.target, "/v1/secret/data/a%2Fb?list=true",
            "as it was written"
        );
        assert_eq!(asked.token.unwrap().expose(), "hvs.other");
    }

    #[test]
    fn a_token_is_found_where_clients_send_it() {
        let token = |headers: &[(&str, &str)]| {
            let asked = asked("/v1/a", headers).unwrap();
            asked.token.map(|token| token.expose().clone())
        };
        assert_eq!(token(&[("X-Vault-Token", "")]), None);
        assert_eq!(
            token(&[("Authorization", "bearer hvs.b")]).as_deref(),
            Some("hvs.b")
        );
        assert_eq!(token(&[("Authorization", "Basic aGk=")]), None);
        assert_eq!(token(&[]), None);
        for name in ["X-Vault-Token", "Authorization", "Host", "Content-Type"] {
            assert!(
                asked("/v1/a", &[(name, "localhost"), (name, "localhost")]).is_err(),
                "{name}"
            );
        }
        assert!(matches!(asked("/ui/", &[]), Err(Refused::Path)));
        assert!(matches!(asked("/v1", &[]), Err(Refused::Path)));
        for stream in [
            "/v1/sys/events/subscribe/kv-v2/*",
            "/v1/sys/events/%73ubscribe/kv-v2%2f*",
            "/v1/%73ys/events/subscribe?json=true",
            "/v1/sys/monitor?log_level=trace",
            "/v1/sys/m%6Fnitor",
        ] {
            assert!(
                matches!(asked(stream, &[]), Err(Refused::Stream)),
                "{stream}"
            );
        }
    }
}

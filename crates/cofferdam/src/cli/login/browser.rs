//! `login -method=oidc`: the provider's page in a browser, and a listener on this machine that the
//! browser is sent back to.
//!
//! The listener believes nobody: what comes without the state of this login is answered and
//! forgotten, and a code is of use only together with the nonce that this process made up.

use super::super::input::{parse_data, reason};
use super::super::{Context, Failure};
use cofferdam_api::{Client, Request, Response, Tree};
use cofferdam_secret::random_base62;
use percent_encoding::percent_decode_str;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long people have. Vault's.
const PATIENCE: Duration = Duration::from_mins(2);
/// For one connection to say what it wants.
const PATIENCE_HEAD: Duration = Duration::from_secs(5);
/// A code and a state, and what browsers send along.
const MOST_HEAD: usize = 32 << 10;
/// The port that `bao login` listens at, too.
const PORT: &str = "8250";
/// The path behind it.
const PATH: &str = "/oidc/callback";

/// What `KEY=VALUE` may say.
const KEYS: [&str; 6] = [
    "role",
    "port",
    "listenaddress",
    "callbackhost",
    "callbackport",
    "skip_browser",
];

struct Asked {
    role: String,
    listen: (String, u16),
    host: String,
    port: Option<String>,
    opens: bool,
}

impl Asked {
    fn of(words: &[String]) -> Result<Self, Failure> {
        let data = parse_data(words)?;
        if let Some((key, _)) = data.entries().find(|(key, _)| !KEYS.contains(key)) {
            return Err(
                Failure::usage(format!("not known to login -method=oidc: {key}"))
                    .hint(format!("one of: {}", KEYS.join(" "))),
            );
        }
        let text = |key: &str| data.get(key).and_then(Tree::as_text).map(str::to_owned);
        let port = text("port").unwrap_or_else(|| PORT.to_owned());
        let port = port
            .parse()
            .map_err(|_| Failure::usage("port: expected a number from 0 to 65535"))?;
        Ok(Self {
            role: text("role").unwrap_or_default(),
            listen: (
                text("listenaddress").unwrap_or_else(|| "localhost".to_owned()),
                port,
            ),
            host: text("callbackhost").unwrap_or_else(|| "localhost".to_owned()),
            port: text("callbackport"),
            opens: !text("skip_browser").is_some_and(|skip| matches!(skip.as_str(), "true" | "1")),
        })
    }
}

/// Logs in.
pub(super) async fn log_in(
    context: &Context,
    client: &Client,
    path: Option<&str>,
    words: &[String],
) -> Result<Response, Failure> {
    let asked = Asked::of(words)?;
    let mount = path.unwrap_or("oidc").trim_matches('/');
    let mount = mount.strip_prefix("auth/").unwrap_or(mount);
    let (address, port) = (&asked.listen.0, asked.listen.1);
    let listener = TcpListener::bind((address.as_str(), port)).await;
    let listener = listener.map_err(|error| {
        Failure::local(format!(
            "cannot listen on {address}:{port}: {}",
            reason(&error)
        ))
        .hint("choose another port with: port=PORT")
    })?;
    let bound = listener
        .local_addr()
        .map(|bound| bound.port())
        .unwrap_or(port);
    let shown = asked.port.clone().unwrap_or_else(|| bound.to_string());
    let redirect = format!("http://{}:{shown}{PATH}", asked.host);
    let nonce = random_base62(20).map_err(|_| Failure::local("no random numbers"))?;
    let mut body = Tree::map();
    body.insert("role", asked.role.as_str());
    body.insert("redirect_uri", redirect.as_str());
    body.insert("client_nonce", nonce.expose().as_str());
    let begun = client
        .send(Request::put(format!("auth/{mount}/oidc/auth_url"), &body))
        .await?;
    let url = begun.tree().and_then(|data| {
        data.get("auth_url")
            .and_then(Tree::as_text)
            .map(str::to_owned)
    });
    let url = url.filter(|url| !url.is_empty()).ok_or_else(|| {
        Failure::server(format!("no login with a browser for this role and {redirect}"))
            .hint("the role's allowed_redirect_uris must have this address, and the provider must be reachable")
    })?;
    let state = parameter(&url, "state");
    let state = state.ok_or_else(|| Failure::server("the address for the browser has no state"))?;
    context.say(&format!("log in with a browser at:\n\n    {url}\n"));
    if asked.opens {
        open(&url);
    }
    let answered = wait(&listener, &state);
    let (code, mut stream) = tokio::time::timeout(PATIENCE, answered)
        .await
        .map_err(|_| Failure::local("nobody came back from the browser within two minutes"))??;
    let mut request = Request::get(format!("auth/{mount}/oidc/callback"))
        .query("state", state)
        .query("client_nonce", nonce.expose().as_str());
    request = match code {
        Came::Code(code) => request.query("code", code),
        Came::Error(error) => request.query("error", error),
    };
    let response = client.send(request).await;
    let said = match &response {
        Ok(_) => "You are logged in. This page can be closed.",
        Err(_) => "The login failed. The terminal says why.",
    };
    respond(&mut stream, "200 OK", said).await;
    Ok(response?)
}

/// What the browser came back with.
enum Came {
    Code(String),
    Error(String),
}

/// Waits for the browser, and for nobody else.
async fn wait(listener: &TcpListener, state: &str) -> Result<(Came, TcpStream), Failure> {
    loop {
        let accepted = listener.accept().await;
        let (mut stream, _) = accepted.map_err(|error| {
            Failure::local(format!("cannot accept connections: {}", reason(&error)))
        })?;
        let head = tokio::time::timeout(PATIENCE_HEAD, head(&mut stream)).await;
        let Ok(Some(target)) = head else { continue };
        let of_this_login = parameter(&target, "state").is_some_and(|shown| {
            cofferdam_secret::constant_time_eq(shown.as_bytes(), state.as_bytes())
        });
        if target.split('?').next() != Some(PATH) || !of_this_login {
            respond(
                &mut stream,
                "404 Not Found",
                "There is no login for this address.",
            )
            .await;
            continue;
        }
        if let Some(error) = parameter(&target, "error") {
            return Ok((Came::Error(error), stream));
        }
        return Ok((
            Came::Code(parameter(&target, "code").unwrap_or_default()),
            stream,
        ));
    }
}

/// The target of a GET.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream
            .read(&mut piece)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        head.extend_from_slice(piece.get(..read)?);
        if head.len() > MOST_HEAD {
            return None;
        }
    }
    let text = String::from_utf8(head).ok()?;
    let mut line = text.lines().next()?.split(' ');
    (line.next() == Some("GET")).then(|| line.next().map(str::to_owned))?
}

async fn respond(stream: &mut TcpStream, status: &str, text: &str) {
    let page = format!("<!doctype html><title>cofferdam</title><p>{text}</p>\n");
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Security-Policy: default-src 'none'\r\n\
         Referrer-Policy: no-referrer\r\nCache-Control: no-store\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    // A browser that is gone by now misses a page and nothing else.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A parameter of an address.
fn parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    let found = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)?;
    let plain = found.1.replace('+', " ");
    percent_decode_str(&plain)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// Opens it where there is a desktop; the address stands in the terminal in any case.
fn open(url: &str) {
    let desktop = ["DISPLAY", "WAYLAND_DISPLAY"];
    if url.starts_with('-') || !desktop.iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    let silent = || Stdio::null();
    let _ = Command::new("xdg-open")
        .arg(url)
        .stdin(silent())
        .stdout(silent())
        .stderr(silent())
        .spawn();
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn a_parameter_is_read_as_a_form_is_written() {
        let url = "/oidc/callback?code=a%2Fb+c&state=s%3D&x#state=other";
        assert_eq!(parameter(url, "code").as_deref(), Some("a/b c"));
        assert_eq!(parameter(url, "state").as_deref(), Some("s="));
        assert_eq!(parameter(url, "x"), None);
        assert_eq!(parameter("/oidc/callback", "code"), None);
        assert_eq!(parameter("/?code=%ff", "code"), None);
    }
}

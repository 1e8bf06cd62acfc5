//! A server that is nobody's friend: what it answers, and what an import says of it.

use super::openbao::ask;
use super::{CANARY, here, import, items, report, run};
use flows::Server;
use flows::server::shown;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A server that answers what a function says; `None` closes the connection.
pub(super) struct Evil {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

pub(super) type Answer = (u16, Vec<u8>);

impl Evil {
    pub(super) fn start(answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Self { address, asked }
    }

    pub(super) fn url(&self) -> String {
        format!("vault://{}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> Option<Answer>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(path.clone());
    let usual = match path.as_str() {
        "/v1/auth/token/lookup-self" => Some(json!({"data": {"policies": ["root"]}})),
        "/v1/sys/auth" => Some(json!({"data": {}})),
        _ => None,
    };
    let Some((status, body)) =
        answer(&path).or(usual.map(|usual| (200, usual.to_string().into_bytes())))
    else {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 13\r\nconnection: close\r\n\r\n{\"errors\":[]}");
        return;
    };
    if status == 307 {
        let _ = stream.write_all(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/v1/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    }
    if status == 999 {
        // An answer without end.
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"data\":{\"keys\":[");
        let chunk = b"\"aaaaaaaaaaaaaaaa\",".repeat(4096);
        while stream.write_all(&chunk).is_ok() {}
        return;
    }
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(&body));
}

pub(super) fn answer(body: &Value) -> Option<Answer> {
    Some((200, body.to_string().into_bytes()))
}

const KV: &str = "/v1/sys/mounts";

fn kv() -> Option<Answer> {
    answer(&json!({"data": {"secret/": {"type": "kv", "options": {"version": "2"}}}}))
}

fn refused(ours: &Server, evil: &Evil, more: &[&str], says: &str) -> String {
    let output = import(ours, &evil.url(), more).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(said.contains(says), "{says}: {}", shown(&output));
    assert!(said.contains("hint: "), "{said}");
    shown(&output)
}

#[test]
fn an_evil_server_gets_clear_words_and_nothing_else() {
    let ours = Server::dev("ours");

    let elsewhere = Evil::start(|path| path.starts_with("/v1/").then(|| (307, Vec::new())));
    refused(
        &ours,
        &elsewhere,
        &[],
        "sends us elsewhere (307), where we do not follow",
    );
    assert_eq!(
        elsewhere.asked().len(),
        1,
        "one question, and none at the other address"
    );

    let endless = Evil::start(|path| (path == KV).then(|| (999, Vec::new())));
    refused(&ours, &endless, &[], "larger than 32 MiB");

    // Folders in folders, two in each.
    let bottomless = Evil::start(|path| match path {
        KV => kv(),
        path if path.contains("list=true") && path.contains("/secret/metadata") => {
            answer(&json!({"data": {"keys": ["a/", "b/"]}}))
        }
        _ => None,
    });
    refused(
        &ours,
        &bottomless,
        &["-most=2000"],
        "lists more than 2000 names in: secret/metadata",
    );

    // One folder in each: the depth has an end.
    let deep = Evil::start(|path| match path {
        KV => kv(),
        path if path.contains("list=true") && path.contains("/secret/metadata") => {
            answer(&json!({"data": {"keys": ["a/"]}}))
        }
        _ => None,
    });
    let (sunk, code) = run(&ours, &deep.url(), &[]);
    assert_eq!(
        (code, sunk["left"].as_array().unwrap().len()),
        (3, 1),
        "{sunk:#}"
    );

    // Names that lead elsewhere, histories that cannot be, errors that say too much.
    let liar = Evil::start(|path| match path {
        KV => answer(&json!({"data": {
            "secret/": {"type": "kv", "options": {"version": "2"}},
            "../sys/": {"type": "kv", "options": {"version": "1"}},
            "sys/": {"type": "kv", "options": {"version": "1"}},
            "a//b/": {"type": "kv", "options": {"version": "1"}},
            "x\u{1b}[2J/": {"type": "kv"},
            "evil/": {"type": "\u{1b}[31m".repeat(10_000)},
        }})),
        "/v1/secret/metadata/?list=true" => answer(&json!({"data": {"keys":
            ["..", "../", ".", "", "/", "a/b", "\u{0}", "ok", "many", "late", "told", "gap"]}})),
        "/v1/sys/audit" => answer(&json!({"data": {"file/": {"type": "file"}}})),
        "/v1/sys/auth" => answer(&json!({"data": {"ldap/": {"type": "ldap"}}})),
        "/v1/sys/policies/acl?list=true" => answer(&json!({"data": {"keys": ["../../root", "p"]}})),
        "/v1/sys/policies/acl/p" => {
            answer(&json!({"data": {"policy": "path \"x\" {".repeat(1000)}}))
        }
        "/v1/secret/metadata/ok" => {
            answer(&json!({"data": {"created_time": "2020-01-01T00:00:00Z",
            "current_version": 1, "versions": {"1": {"created_time": "2020-01-01T00:00:00Z"}}}}))
        }
        "/v1/secret/data/ok?version=1" => answer(&json!({"data": {"data": {"v": "1"}}})),
        "/v1/secret/metadata/many" => answer(&json!({"data": {"current_version": u64::MAX,
            "versions": {u64::MAX.to_string(): {}}}})),
        "/v1/secret/metadata/late" => answer(&json!({"data": {"current_version": 1,
            "versions": {"1": {"created_time": "the day after tomorrow"}}}})),
        "/v1/secret/data/late?version=1" => answer(&json!({"data": {"data": {"v": "1"}}})),
        "/v1/secret/metadata/gap" => answer(&json!({"data": {"current_version": 3,
            "versions": {"1": {}, "3": {}}}})),
        "/v1/secret/metadata/told" => Some((
            400,
            json!({"errors": [format!("your token is root and {CANARY}")]})
                .to_string()
                .into_bytes(),
        )),
        _ => None,
    });
    let output = import(&ours, &liar.url(), &[]).output().unwrap();
    let (report, code) = report(&output);
    assert_eq!(code, 3, "{report:#}");
    assert_eq!(
        items(&report, "created"),
        ["secret secret/ok"],
        "{report:#}"
    );
    let left = items(&report, "left");
    for name in ["gap", "late", "many", "told"] {
        assert!(
            left.contains(&format!("secret secret/{name}")),
            "{name} {report:#}"
        );
    }
    assert_eq!(
        left.iter()
            .filter(|item| item.starts_with("secret secret/metadata/"))
            .count(),
        7,
        "{report:#}"
    );
    assert_eq!(
        left.iter()
            .filter(|item| item.starts_with("mount "))
            .count(),
        5,
        "{report:#}"
    );
    assert_eq!(
        left.iter()
            .filter(|item| item.starts_with("policy "))
            .count(),
        2,
        "{report:#}"
    );
    assert!(!shown(&output).contains(CANARY) && !shown(&output).contains('\u{1b}'));
    assert!(
        liar.asked().iter().all(|path| !path.contains("..")),
        "nobody was sent there"
    );
    for item in ["auth method ldap", "audit device file"] {
        assert!(left.contains(&item.to_owned()), "{item} {report:#}");
    }
    let (_, names) = here(&ours, "GET", "secret/metadata?list=true", &Value::Null);
    assert_eq!(names["data"]["keys"], json!(["ok"]));

    // Whoever is busy is asked again; whoever answers nonsense is left after a while.
    let busy = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&busy);
    let tired = Evil::start(move |path| {
        (path == KV && count.fetch_add(1, Ordering::SeqCst) < 2)
            .then(|| (429, b"{\"errors\":[]}".to_vec()))
            .or_else(|| (path == KV).then(kv)?)
    });
    let (_, code) = run(&ours, &tired.url(), &[]);
    assert_eq!((code, busy.load(Ordering::SeqCst)), (0, 3));
    let nonsense = Evil::start(|_| Some((200, b"<html>hunter2</html>".to_vec())));
    let said = refused(&ours, &nonsense, &[], "no usable answer");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn tokens_stay_on_their_side() {
    // The other server never sees ours, and ours never the other's.
    let seen = Evil::start(|path| (path == KV).then(kv)?);
    let ours = Server::dev("ours");
    let mut command = import(&ours, &seen.url(), &[]);
    command
        .env("VAULT_ADDR", "http://127.0.0.1:1")
        .env("VAULT_TOKEN", "theirs");
    assert_eq!(command.output().unwrap().status.code(), Some(0));

    let mut command = import(&ours, &seen.url(), &[]);
    command.env_remove("COFFERDAM_TOKEN");
    let output = command.output().unwrap();
    assert!(
        shown(&output).contains("no token for the server to copy to"),
        "{}",
        shown(&output)
    );
    let mut command = import(&ours, &seen.url(), &[]);
    command.env_remove("VAULT_TOKEN").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(
        shown(&output).contains("no token for the server to copy from"),
        "{}",
        shown(&output)
    );
    let file = ours.directory().path().join("token");
    std::fs::write(&file, "theirs\n").unwrap();
    let flag = format!("-source-token-file={}", file.display());
    let mut command = import(&ours, &seen.url(), &[&flag]);
    command.env_remove("VAULT_TOKEN");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let (status, _) = ask(seen.address.as_str(), "GET", "sys/auth", &Value::Null).unwrap();
    assert_eq!(status, 200);
}

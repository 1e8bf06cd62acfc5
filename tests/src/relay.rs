//! A relay between a client and a server that keeps what was asked and answered, so that the talk of
//! one client with two servers can be laid side by side.

use serde_json::Value;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request and its answer. Bodies that are not JSON are their text.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// As the client wrote it.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Of the request.
    pub body: Value,
    /// Of the answer.
    pub status: u16,
    /// Of the answer.
    pub answer: Value,
}

/// A relay on loopback, for plain HTTP.
pub struct Relay {
    address: String,
    seen: Arc<Mutex<Vec<Exchange>>>,
}

impl Relay {
    /// Relays to `upstream`, `HOST:PORT`, one request a connection.
    ///
    /// # Panics
    /// When there is no port.
    pub fn to(upstream: &str) -> Self {
        Self::pausing(upstream, |_| ())
    }

    /// The same; before an answer is given on, `pause` is over.
    ///
    /// # Panics
    /// When there is no port.
    pub fn pausing(upstream: &str, pause: impl Fn(&Exchange) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (upstream, log) = (upstream.to_owned(), Arc::clone(&seen));
        let pause = Arc::new(pause);
        // Ends with the process: a listener cannot be woken, and nothing waits for it.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (upstream, log) = (upstream.clone(), Arc::clone(&log));
                let pause = Arc::clone(&pause);
                std::thread::spawn(move || {
                    // A client that goes away in the middle has no answer to compare.
                    let _ = relay(client, &upstream, &log, &*pause);
                });
            }
        });
        Self { address, seen }
    }

    /// Where clients connect: `http://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has been said so far, in its order.
    ///
    /// # Panics
    /// When a relaying thread has panicked.
    pub fn seen(&self) -> Vec<Exchange> {
        self.seen.lock().expect("no relay panicked").clone()
    }
}

fn relay(
    client: TcpStream,
    upstream: &str,
    log: &Mutex<Vec<Exchange>>,
    pause: &dyn Fn(&Exchange),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let head = head(&mut reader)?;
    let Some((first, fields)) = head.split_first() else {
        return Ok(());
    };
    let mut words = first.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let body = body(&mut reader, fields)?;
    let mut server = TcpStream::connect(upstream)?;
    // HTTP/1.0: the answer ends with the connection and comes in one piece.
    let mut request = format!("{method} {path} HTTP/1.0\r\n");
    for field in fields {
        let name = field.split(':').next().unwrap_or_default();
        let ours = [
            "connection",
            "content-length",
            "transfer-encoding",
            "accept-encoding",
        ];
        if !ours.contains(&name.to_ascii_lowercase().as_str()) {
            request.push_str(field);
            request.push_str("\r\n");
        }
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    server.write_all(request.as_bytes())?;
    server.write_all(&body)?;
    let mut reader = BufReader::new(server);
    let head = self::head(&mut reader)?;
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer)?;
    let status = head.first().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|code| code.parse().ok()).unwrap_or(0);
    let exchange = Exchange {
        method: method.to_owned(),
        path: path.to_owned(),
        body: json(&body),
        status,
        answer: json(&answer),
    };
    pause(&exchange);
    log.lock().expect("no relay panicked").push(exchange);
    send(client, &head, &answer)
}

/// Gives the answer on, with its length.
fn send(mut client: TcpStream, head: &[String], answer: &[u8]) -> std::io::Result<()> {
    let (first, fields) = head.split_first().expect("an answer has a first line");
    let mut out = first.replacen("HTTP/1.0", "HTTP/1.1", 1) + "\r\n";
    for field in fields {
        let name = field.split(':').next().unwrap_or_default();
        if !["connection", "content-length"].contains(&name.to_ascii_lowercase().as_str()) {
            out.push_str(field);
            out.push_str("\r\n");
        }
    }
    if !first.contains(" 204 ") {
        out.push_str(&format!("content-length: {}\r\n", answer.len()));
    }
    out.push_str("connection: close\r\n\r\n");
    client.write_all(out.as_bytes())?;
    client.write_all(answer)
}

/// The lines of a head, without their ends.
fn head(reader: &mut impl std::io::BufRead) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(line.to_owned());
    }
}

/// A body by its length or in chunks.
fn body(reader: &mut impl std::io::BufRead, fields: &[String]) -> std::io::Result<Vec<u8>> {
    let of = |wanted: &str| {
        fields.iter().find_map(|field| {
            let (name, value) = field.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let mut all = Vec::new();
    if of("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim(), 16).unwrap_or(0);
            reader.by_ref().take(size).read_to_end(&mut all)?;
            reader.read_line(&mut String::new())?;
            if size == 0 {
                return Ok(all);
            }
        }
    }
    let length = of("content-length").and_then(|text| text.parse().ok());
    reader.take(length.unwrap_or(0)).read_to_end(&mut all)?;
    Ok(all)
}

fn json(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

//! A way to a server that an import does not come to the end of: it is killed there.

use super::{here, import};
use crate::openbao::{Bao, ask_as};
use flows::Server;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How many names are in a list of a server.
fn listed(answer: &Value) -> usize {
    answer["data"]["keys"].as_array().map_or(0, Vec::len)
}

/// The same of ours.
pub(super) fn count(ours: &Server, path: &str) -> usize {
    listed(&here(ours, "GET", &format!("{path}?list=true"), &Value::Null).1)
}

/// Leads to a server, until so many names are in a list of ours: from then on nothing is asked there.
pub(super) struct Way {
    address: String,
    until: Arc<Mutex<(&'static str, usize)>>,
}

impl Way {
    pub(super) fn to(theirs: &Bao, ours: &Server) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = door.local_addr().unwrap().to_string();
        let until = Arc::new(Mutex::new(("", 0)));
        let (to, limit) = (theirs.address().to_owned(), Arc::clone(&until));
        let ours = ours.address().strip_prefix("http://").unwrap().to_owned();
        // Ends with the process, as do all who wait in it.
        std::thread::spawn(move || {
            for from in door.incoming().flatten() {
                let there = TcpStream::connect(&to).unwrap();
                let back = (there.try_clone().unwrap(), from.try_clone().unwrap());
                std::thread::spawn(move || {
                    let (mut there, mut from) = back;
                    let _ = std::io::copy(&mut there, &mut from);
                    let _ = from.shutdown(std::net::Shutdown::Write);
                });
                let (ours, limit) = (ours.clone(), Arc::clone(&limit));
                std::thread::spawn(move || carry(from, there, || is_over(&ours, &limit)));
            }
        });
        Self { address, until }
    }

    /// Kills an import as soon as so many names are in a list of ours.
    pub(super) fn kill(&self, ours: &Server, path: &'static str, limit: usize, flags: &[&str]) {
        *self.until.lock().unwrap() = (path, limit);
        let mut child = import(ours, &format!("vault://{}", self.address), flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_mins(1);
        while count(ours, path) < limit {
            assert!(Instant::now() < end, "nothing is copied");
            assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        }
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn is_over(ours: &str, limit: &Mutex<(&'static str, usize)>) -> bool {
    let (path, limit) = *limit.lock().unwrap();
    let answer = ask_as(
        "ours",
        ours,
        "GET",
        &format!("{path}?list=true"),
        &Value::Null,
    );
    answer.is_some_and(|(_, answer)| listed(&answer) >= limit)
}

fn carry(mut from: TcpStream, mut to: TcpStream, is_over: impl Fn() -> bool) {
    let mut bytes = [0; 16 << 10];
    while let Ok(length) = from.read(&mut bytes)
        && length > 0
    {
        while is_over() {
            std::thread::sleep(Duration::from_millis(20));
        }
        if to.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

//! Answers for drivers that are gone. Docker never forgets a driver that it has seen, and asks each of
//! them whenever it looks for a volume; one that does not answer costs it 15 seconds.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Has no volumes and no secrets, and says so at once. Makes room when dropped.
pub(crate) struct StandIn {
    socket: PathBuf,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Takes the place of a driver; `None` where somebody answers, or the place cannot be had.
    pub(crate) fn take(socket: &Path) -> Option<Self> {
        if UnixStream::connect(socket).is_ok() {
            return None;
        }
        std::fs::create_dir_all(socket.parent()?).ok()?;
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).ok()?;
        let over = Arc::<AtomicBool>::default();
        let ended = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // A caller that broke off is no matter.
                let _ = answer(stream);
            }
        });
        Some(Self {
            socket: socket.to_owned(),
            over,
            thread: Some(thread),
        })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes it.
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: UnixStream) -> std::io::Result<()> {
    let patience = Some(Duration::from_secs(2));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 << 10 {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head
        .split("content-length:")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.trim().parse().ok());
    let mut body = Vec::new();
    (&mut stream)
        .take(length.unwrap_or(0))
        .read_to_end(&mut body)?;
    let body = if head.starts_with("post /plugin.activate") {
        r#"{"Implements":["VolumeDriver","secretprovider","LogDriver"]}"#
    } else if head.starts_with("post /volumedriver.list") {
        r#"{"Volumes":[],"Err":""}"#
    } else if head.starts_with("post /volumedriver.capabilities") {
        r#"{"Capabilities":{"Scope":"local"}}"#
    } else {
        r#"{"Err":"no such volume"}"#
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.plugins.v1.1+json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

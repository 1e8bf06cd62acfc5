//! The wire as dockerd 20.10 uses it, byte for byte where it matters, with servers that fail.
//! What needs a working server and a real Docker is in the package `flows`.

use super::*;
use cofferdam_api::{Endpoint, Trust};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Daemon {
    directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), Error>>,
}

impl Daemon {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    async fn start_in(directory: TempDir) -> Self {
        let (stop, stopped) = oneshot::channel();
        let config = config(directory.path());
        let socket = place(directory.path());
        let running = tokio::spawn(serve(config, async {
            let _ = stopped.await;
        }));
        let begin = Instant::now();
        while UnixStream::connect(&socket).await.is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10), "no socket");
            assert!(!running.is_finished(), "ended: {:?}", running.await);
            tokio::task::yield_now().await;
        }
        Self {
            directory,
            stop: Some(stop),
            running,
        }
    }

    fn socket(&self) -> PathBuf {
        place(self.directory.path())
    }

    async fn call(&self, method: &str, body: &Value) -> Value {
        let body = body.to_string();
        let head = format!(
            "POST /{method} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\n\
             Content-Length: {}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        let (status, answer) = exchange(&self.socket(), &(head + &body)).await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    async fn stop(mut self) -> TempDir {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.await.unwrap().unwrap();
        self.directory
    }
}

fn place(base: &Path) -> PathBuf {
    base.join("plugins/cofferdam.sock")
}

fn config(base: &Path) -> Config {
    let server = Endpoint::Socket(base.join("server.sock"));
    Config {
        listen: Listen::At(place(base)),
        data: base.join("data"),
        runtime: base.join("runtime"),
        client: Client::new(server, Trust::default(), None).unwrap(),
        engine: Engine::at(&base.join("docker.sock")),
    }
}

async fn exchange(socket: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(
        head.contains("application/vnd.docker.plugins.v1.1+json"),
        "{head}"
    );
    (status, body.to_owned())
}

fn error_of(answer: &Value) -> &str {
    answer["Err"].as_str().unwrap()
}

#[tokio::test]
async fn activation_has_no_body_and_an_empty_host() {
    let daemon = Daemon::start().await;
    let request = "POST /Plugin.Activate HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\
                   Connection: close\r\n\r\n";
    let (status, answer) = exchange(&daemon.socket(), request).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        r#"{"Implements":["secretprovider","VolumeDriver","LogDriver"]}"#
    );
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_no_call_of_dockerd_is_refused() {
    let daemon = Daemon::start().await;
    let close = "Host: \r\nConnection: close\r\n";
    for (request, expected) in [
        (
            format!("POST /AuthZPlugin.AuthZReq HTTP/1.1\r\n{close}Content-Length: 0\r\n\r\n"),
            404,
        ),
        (format!("GET /Plugin.Activate HTTP/1.1\r\n{close}\r\n"), 405),
        (
            format!("POST /VolumeDriver.Create HTTP/1.1\r\n{close}Content-Length: 2000000\r\n\r\n"),
            413,
        ),
    ] {
        let (status, answer) = exchange(&daemon.socket(), &request).await;
        assert_eq!(status, expected, "{answer}");
        assert!(answer.contains("Err"));
    }
    let answer = daemon.call("SecretProvider.GetSecret", &json!("x")).await;
    assert!(error_of(&answer).contains("Swarm"), "{answer}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_server_that_is_down_is_an_error_that_names_it() {
    let daemon = Daemon::start().await;
    let ask = json!({"SecretName": "db", "ServiceName": "web", "TaskID": "t1"});
    let answer = daemon.call("SecretProvider.GetSecret", &ask).await;
    assert!(error_of(&answer).contains("no server at"), "{answer}");
    assert!(answer.get("Value").is_none());
    daemon.stop().await;
}

#[tokio::test]
async fn a_server_that_hangs_is_not_waited_for() {
    let daemon = Daemon::start().await;
    let _silent = UnixListener::bind(daemon.directory.path().join("server.sock")).unwrap();
    let begin = Instant::now();
    let answer = daemon
        .call("SecretProvider.GetSecret", &json!({"SecretName": "db"}))
        .await;
    assert!(error_of(&answer).contains("2500 ms"), "{answer}");
    assert!(begin.elapsed() < Duration::from_secs(20));
    daemon.stop().await;
}

#[tokio::test]
async fn bad_names_and_labels_are_refused_before_the_server_is_asked() {
    let daemon = Daemon::start().await;
    for ask in [
        json!({"SecretName": "../etc"}),
        json!({"SecretName": ""}),
        json!({"SecretName": "a", "SecretLabels": {"cofferdam.ref": "hunter2//x"}}),
        json!({"SecretName": "a", "SecretLabels": {"cofferdam.ref": "http://evil/x"}}),
    ] {
        let answer = daemon.call("SecretProvider.GetSecret", &ask).await;
        assert!(!error_of(&answer).contains("no server"), "{answer}");
        assert!(!error_of(&answer).contains("hunter2"), "{answer}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn volumes_are_remembered_over_a_restart_and_mounting_fails_closed() {
    let daemon = Daemon::start().await;
    let app = json!({"Name": "app", "ID": "i1"});
    let missing = daemon.call("VolumeDriver.Get", &app).await;
    assert_eq!(error_of(&missing), "no such volume");
    let create = json!({"Name": "app", "Opts": {"secrets": "a;b", "uid": "1000"}});
    assert_eq!(
        error_of(&daemon.call("VolumeDriver.Create", &create).await),
        ""
    );
    let directory = daemon.stop().await;

    let daemon = Daemon::start_in(directory).await;
    let found = daemon.call("VolumeDriver.Get", &app).await;
    assert_eq!(
        found["Volume"],
        json!({"Name": "app", "Mountpoint": "", "Status": {}})
    );
    let again = daemon.call("VolumeDriver.Create", &create).await;
    assert_eq!(error_of(&again), "", "creating it twice alike is no error");
    let other = json!({"Name": "app", "Opts": null});
    let other = daemon.call("VolumeDriver.Create", &other).await;
    assert!(error_of(&other).contains("other options"), "{other}");
    let mounted = daemon.call("VolumeDriver.Mount", &app).await;
    assert!(error_of(&mounted).contains("no server at"), "{mounted}");
    let left = std::fs::read_dir(daemon.directory.path().join("runtime/volumes")).unwrap();
    assert_eq!(left.count(), 0, "nothing is mounted or left");
    let list = daemon.call("VolumeDriver.List", &json!({})).await;
    assert_eq!(list["Volumes"], json!([{"Name": "app"}]));
    assert_eq!(
        error_of(&daemon.call("VolumeDriver.Remove", &app).await),
        ""
    );
    let gone = daemon.call("VolumeDriver.Path", &app).await;
    assert_eq!(error_of(&gone), "no such volume");
    daemon.stop().await;
}

#[tokio::test]
async fn a_volume_name_cannot_leave_its_directory() {
    let daemon = Daemon::start().await;
    for name in ["../x", "a/b", "", ".x", "a\0"] {
        let answer = daemon
            .call("VolumeDriver.Create", &json!({"Name": name}))
            .await;
        assert!(error_of(&answer).contains("not a file name"), "{answer}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn the_socket_is_for_root_alone_and_one_daemon_has_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let daemon = Daemon::start().await;
    let path = daemon.socket();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = serve(config(daemon.directory.path()), std::future::pending()).await;
    assert!(matches!(
        second,
        Err(Error::Socket(socket::Error::Taken(_)))
    ));
    let directory = daemon.stop().await;
    assert!(!path.exists());
    // What a killed daemon leaves is taken over, anything else is not.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let daemon = Daemon::start_in(directory).await;
    let directory = daemon.stop().await;
    std::fs::write(&path, "a file").unwrap();
    let refused = serve(config(directory.path()), std::future::pending()).await;
    assert!(matches!(
        refused,
        Err(Error::Socket(socket::Error::Occupied(_)))
    ));
}

//! The local socket (security.md LOCAL-2, STORE-6) and the end of a server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use cofferdam_server::{Drained, Limits, Listen, ListenError, Local, bind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Fake, answer, exchange, get, start, until};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

async fn refused(path: &Path) -> ListenError {
    bind(vec![Listen::Local {
        local: Local::private(path.to_owned()),
        limits: Limits::default(),
    }])
    .await
    .err()
    .expect("refused")
}

async fn ask(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(&get("/v1/who")).await.unwrap();
    answer(&mut stream).await
}

#[tokio::test]
async fn the_owner_is_admin_by_what_the_kernel_says() {
    let server = start(true, Limits::default()).await;
    let text = ask(&server.socket).await;
    let uid = rustix::process::geteuid().as_raw();
    assert!(text.contains(&format!("uid {uid} admin true")), "{text}");
}

#[tokio::test]
async fn modes_do_not_depend_on_the_umask() {
    let server = start(true, Limits::default()).await;
    let found = std::fs::symlink_metadata(&server.socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o777, 0o600);
    let directory = std::fs::metadata(server.socket.parent().unwrap()).unwrap();
    assert_eq!(directory.mode() & 0o777, 0o700);
    let names: Vec<_> = std::fs::read_dir(server.socket.parent().unwrap())
        .unwrap()
        .collect();
    assert_eq!(names.len(), 1, "nothing is left of the making");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_is_turned_away() {
    if !rustix::process::geteuid().is_root() {
        panic!("this test needs root to become another user");
    }
    let server = start(true, Limits::default()).await;
    // Open the way for the other user as far as files go: the kernel's word alone must do.
    for path in [
        server.directory.path(),
        server.socket.parent().unwrap(),
        &server.socket,
    ] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let socket = server.socket.display().to_string();
    let attempt = move || {
        std::process::Command::new("setpriv")
            .args([
                "--reuid",
                "65534",
                "--regid",
                "65534",
                "--clear-groups",
                "curl",
                "-sS",
                "--max-time",
                "5",
                "--unix-socket",
                &socket,
                "http://x/v1/who",
            ])
            .output()
            .expect("setpriv is there")
    };
    let output = tokio::task::block_in_place(attempt);
    assert!(
        !output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    assert_eq!(server.fake.arrived.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let bound = bind(vec![Listen::Local {
        local: Local::private(path.clone()),
        limits: Limits::default(),
    }])
    .await
    .unwrap();
    let running = bound.serve(&Arc::new(Fake::default()));
    assert!(matches!(refused(&path).await, ListenError::Alive(_)));
    assert!(ask(&path).await.starts_with("HTTP/1.1 200"));
    assert_eq!(running.drain(Duration::from_secs(60)).await, Drained::Whole);
    assert!(!path.exists(), "its own name is removed at the end");
}

#[tokio::test]
async fn whatever_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("precious");
    std::fs::write(&target, "data").unwrap();
    let link = directory.path().join("link.sock");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert!(matches!(refused(&link).await, ListenError::NotASocket(_)));
    assert!(matches!(refused(&target).await, ListenError::NotASocket(_)));
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "data");
}

#[tokio::test]
async fn places_that_others_can_change_and_abstract_names_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let open = directory.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
    assert!(matches!(
        refused(&open.join("s")).await,
        ListenError::Directory(_)
    ));
    let link = directory.path().join("linked");
    std::os::unix::fs::symlink(directory.path(), &link).unwrap();
    assert!(matches!(
        refused(&link.join("s")).await,
        ListenError::Directory(_)
    ));
    assert!(matches!(
        refused(Path::new("@cofferdam")).await,
        ListenError::Abstract
    ));
    assert!(matches!(
        refused(Path::new(&format!("/tmp/{}", "x".repeat(120)))).await,
        ListenError::Long(_)
    ));
}

#[tokio::test]
async fn a_replaced_socket_is_not_removed_at_the_end() {
    let server = start(true, Limits::default()).await;
    std::fs::remove_file(&server.socket).unwrap();
    std::fs::write(&server.socket, "somebody else's").unwrap();
    assert_eq!(
        server.running.drain(Duration::from_secs(60)).await,
        Drained::Whole
    );
    assert_eq!(
        std::fs::read_to_string(&server.socket).unwrap(),
        "somebody else's"
    );
}

#[tokio::test]
async fn draining_answers_what_is_at_work_and_accepts_nothing_new() {
    let server = start(true, Limits::default()).await;
    let (address, fake) = (server.address, Arc::clone(&server.fake));
    let waiting = tokio::spawn(async move { exchange(address, &get("/v1/wait")).await });
    until("it is at work", || fake.arrived.load(Ordering::SeqCst) == 1).await;
    let drain = tokio::spawn(server.running.drain(Duration::from_secs(60)));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the listener closes"
        );
    }
    fake.gate.add_permits(1);
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 204"));
    assert_eq!(drain.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn draining_cuts_idle_clients_at_once_and_stuck_ones_at_the_deadline() {
    let server = start(true, Limits::default()).await;
    let _idle = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    until("it is connected", || server.running.connections() == 1).await;
    let address = server.address;
    let _stuck = tokio::spawn(async move { exchange(address, &get("/v1/wait")).await });
    until("it is at work", || {
        server.fake.arrived.load(Ordering::SeqCst) == 1
    })
    .await;
    let began = tokio::time::Instant::now();
    assert_eq!(
        server.running.drain(Duration::from_secs(1)).await,
        Drained::Cut
    );
    assert!(began.elapsed() < Duration::from_secs(10));
}

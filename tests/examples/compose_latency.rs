//! From `docker-compose up -d` to a secret that the service can read: with Compose's own file, and
//! with ours. Both in one run, in turn, because the machine is shared. Then from the answer to a
//! `kv put` to the new value in the running container.
//!
//! `cargo run --release -p flows --example compose_latency` as root; `COFFERDAM_BIN` names a
//! program that is built already.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement prints what it saw, and stops where something is wrong"
)]

use flows::Server;
use flows::compose::{Compose, image, put};
use flows::docker::{Docker, IMAGE, Plugin};
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs of each kind.
const RUNS: usize = 9;

fn project(image: &str, user: &str, secret: &str) -> String {
    format!(
        "version: '3.8'\nservices:\n  web:\n    image: {image}\n    {user}\n    \
         network_mode: none\n    stop_signal: SIGKILL\n    volumes: ['./out:/out']\n    secrets: [db]\n    \
         command: sh -c 'cat /run/secrets/db >/out/got && touch /out/ready && sleep 600'\n\
         secrets:\n  db: {secret}\n"
    )
}

/// One start; `ours` goes through our command.
fn once(compose: &Compose<'_>, ours: bool) -> Duration {
    let out = compose.directory().join("out");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir(&out).unwrap();
    let opened = std::process::Command::new("chmod")
        .arg("777")
        .arg(&out)
        .status();
    assert!(opened.unwrap().success());
    let mut command = if ours {
        compose.command(&["up", "-d"])
    } else {
        compose.plain(&["up", "-d"])
    };
    let begin = Instant::now();
    let mut child = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let took = wait(&out.join("ready"), begin);
    assert!(child.wait().unwrap().success());
    compose.run(&["rm", "-s", "-f", "-v"]);
    took
}

fn wait(path: &Path, begin: Instant) -> Duration {
    while !path.exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "never readable");
        std::thread::sleep(Duration::from_millis(1));
    }
    begin.elapsed()
}

/// One change of a value, from the answer to the command on.
fn change(server: &Server, file: &Path, value: &str) -> Duration {
    put(server, "secret/db", value.as_bytes());
    let begin = Instant::now();
    while !std::fs::read(file).is_ok_and(|found| found == value.as_bytes()) {
        assert!(begin.elapsed() < Duration::from_secs(60), "never changed");
        std::thread::sleep(Duration::from_millis(1));
    }
    begin.elapsed()
}

fn median(times: &mut [Duration]) -> u128 {
    times.sort();
    times.get(times.len() / 2).unwrap().as_millis()
}

fn main() {
    let server = Server::up();
    let docker = Docker::start("latency");
    let plugin = Plugin::start(&docker, &server);
    put(&server, "secret/db", b"value");
    let named = image(
        &docker,
        "named",
        &format!("FROM {IMAGE}\nCOPY passwd /etc/\nUSER app\n"),
        &[("passwd", "root:x:0:0::/:\napp:x:1000:1000::/:\n")],
    );
    let plain = project(IMAGE, "user: '1000:1000'", "{file: ./plain}");
    let numbers = project(IMAGE, "user: '1000:1000'", "{external: true}");
    let by_name = project(&named, "init: false", "{external: true}");
    let kinds = [
        ("Compose's own file on disk", plain, false),
        ("ours, user as numbers", numbers, true),
        ("ours, USER of the image by name", by_name, true),
    ];
    let compose = Compose::new(&server, &docker, &plugin, "");
    std::fs::write(compose.directory().join("plain"), "value").unwrap();
    let mut times = vec![Vec::new(); kinds.len()];
    for run in 0..=RUNS {
        for ((_, text, ours), times) in kinds.iter().zip(&mut times) {
            std::fs::write(compose.file(), text).unwrap();
            let took = once(&compose, *ours);
            // The first of each kind fills caches.
            if run > 0 {
                times.push(took);
            }
        }
    }
    let medians: Vec<u128> = times.iter_mut().map(|times| median(times)).collect();
    let base = medians.first().copied().unwrap();
    println!("from docker-compose up -d to the secret readable, median of {RUNS}:");
    for ((what, _, _), median) in kinds.iter().zip(&medians) {
        let more = i128::try_from(*median).unwrap() - i128::try_from(base).unwrap();
        println!("{what:34} {median:5} ms  {more:+5} ms");
    }
    let (_, text, _) = kinds.get(1).unwrap();
    std::fs::write(compose.file(), text).unwrap();
    compose.run(&["up", "-d"]);
    let below = server.directory().path().join("plugin-run/volumes");
    let file = below
        .join(compose.volumes().lines().next().unwrap())
        .join("db");
    let times = (0..RUNS).map(|run| change(&server, &file, &format!("value {run}")));
    let changed = median(&mut times.collect::<Vec<_>>());
    println!("from the answer to kv put to the new value in the container: {changed} ms");
}

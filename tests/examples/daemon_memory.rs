//! What the host daemon takes of the machine while a container has a volume of it.
//!
//! `COFFERDAM_BIN=PROGRAM cargo run -p flows --example daemon_memory`, as root, with the program
//! that is shipped (`cargo xtask dist`): another profile has other pages.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops where something is not as it should be, and prints"
)]

use flows::Server;
use flows::docker::{Docker, IMAGE, Plugin, wait};
use std::io::Read as _;

fn main() {
    let server = Server::up();
    let docker = Docker::start("memory");
    let plugin = Plugin::start(&docker, &server);
    server.run(&["kv", "put", "secret/app/PASSWORD", "value=first"]);
    let (volume, app) = (docker.name("volume"), docker.name("app"));
    let driver = plugin.driver();
    docker.run(&[
        "volume",
        "create",
        "-d",
        driver,
        "-o",
        "from=secret/app",
        &volume,
    ]);
    let mount = format!("{volume}:/run/secrets");
    docker.run(&[
        "run", "-d", "--name", &app, "-v", &mount, IMAGE, "sleep", "600",
    ]);
    let reads = |expected: &str| {
        wait("the value", || {
            let read = docker.output(&["exec", &app, "cat", "/run/secrets/PASSWORD"]);
            (read.stdout == expected.as_bytes()).then_some(())
        });
    };
    reads("first");
    // Renewed once, so that all of its work has been done.
    server.run(&["kv", "put", "secret/app/PASSWORD", "value=second"]);
    reads("second");
    let process = format!("/proc/{}", plugin.id());
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let shown = [
        "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmHWM", "Threads",
    ];
    for line in status.lines() {
        if shown.iter().any(|name| line.starts_with(name)) {
            println!("{}", line.replace('\t', " "));
        }
    }
    // For a look at its pages: with any argument it stays until stdin ends.
    if std::env::args().len() > 1 {
        println!("{process}");
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }
}

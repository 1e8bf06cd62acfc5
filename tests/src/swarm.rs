//! Secrets and services of a Swarm, and what their tasks read.

use crate::docker::{Docker, IMAGE, Plugin, wait};

/// A command that does nothing for as long as any test takes.
pub const SLEEP: [&str; 2] = ["sleep", "600"];

/// Makes a secret with our driver and these labels.
///
/// # Panics
/// When Docker refuses.
pub fn secret(docker: &Docker, plugin: &Plugin, what: &str, labels: &[&str]) -> String {
    let name = docker.name(what);
    let labels = labels.iter().flat_map(|label| ["--label", label]);
    let mut arguments = vec!["secret", "create", "-d", plugin.driver()];
    arguments.extend(labels);
    arguments.push(&name);
    docker.run(&arguments);
    name
}

/// Makes a service that is quick to start, stop and fail. `secret` is the file `PASSWORD` in its
/// tasks; an owner or a mode may follow its name, as Docker writes them (`db,uid=1000`).
///
/// # Panics
/// When Docker refuses.
pub fn service(
    docker: &Docker,
    what: &str,
    secret: &str,
    more: &[&str],
    command: &[&str],
) -> String {
    let name = docker.name(what);
    let source = format!("source={secret},target=PASSWORD");
    let fixed = [
        "service",
        "create",
        "--detach",
        "--no-resolve-image",
        "--restart-delay",
        "200ms",
        "--stop-grace-period",
        "1s",
        "--update-monitor",
        "1s",
        "--name",
        &name,
        "--secret",
        &source,
    ];
    docker.run(&[&fixed[..], more, &[IMAGE], command].concat());
    name
}

/// What the tasks read, once all of them can be asked.
///
/// # Panics
/// When they cannot in time.
pub fn values(docker: &Docker, service: &str, count: usize) -> Vec<String> {
    wait("tasks that can be asked", || {
        let tasks = docker.running(service, count);
        let read = |task: &String| {
            let output = docker.output(&["exec", task, "cat", "/run/secrets/PASSWORD"]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            output.status.success().then_some(text)
        };
        tasks.iter().map(read).collect()
    })
}

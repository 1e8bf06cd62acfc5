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
        tasks.iter().map(|task| read(docker, task)).collect()
    })
}

/// What the tasks of a service read that Swarm has taken back, once each of so many slots has one that
/// can be asked. A slot may have two: where a task failed, and was restarted while its update was taken
/// back, Swarm's updater comes too late ("was already shut down when reached by updater") and leaves what
/// is there until the next update.
///
/// # Panics
/// When they cannot in time.
pub fn values_back(docker: &Docker, service: &str, slots: u32) -> Vec<String> {
    let filter = format!("label=com.docker.swarm.service.name={service}");
    let format = "{{.ID}} {{.Label \"com.docker.swarm.task.name\"}}";
    wait("tasks of all slots that can be asked", || {
        let list = docker.run(&["ps", "--no-trunc", "--filter", &filter, "--format", format]);
        let tasks = list.lines().filter_map(|line| line.split_once(' '));
        let tasks: Vec<_> = tasks.collect();
        let has = |slot: u32| {
            let prefix = format!("{service}.{slot}.");
            tasks.iter().any(|(_, task)| task.starts_with(&prefix))
        };
        if !(1..=slots).all(has) {
            return None;
        }
        tasks.iter().map(|(id, _)| read(docker, id)).collect()
    })
}

/// What a task reads, if it can be asked.
fn read(docker: &Docker, task: &str) -> Option<String> {
    let output = docker.output(&["exec", task, "cat", "/run/secrets/PASSWORD"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

//! Who was given what, on record: by volume, Compose, Swarm and the socket for containers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::canary;
use flows::compose::Compose;
use flows::docker::{Docker, IMAGE, Plugin, wait};
use flows::swarm::{SLEEP, secret, service, values};
use serde_json::Value;
use std::path::Path;

/// The deliveries of a secret, oldest first, with what the record says.
fn deliveries(server: &Server, path: &str) -> Vec<Value> {
    let read = |path: &str| -> Option<Value> {
        let output = server
            .command(&["read", "-format=json", path])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).ok()
    };
    let found = read(&format!("sys/records/by-secret/{path}"));
    let keys = found
        .map(|found| found["data"]["keys"].clone())
        .unwrap_or_default();
    let keys = keys.as_array().cloned().unwrap_or_default();
    let records = keys.iter().map(|key| {
        let key = key.as_str().unwrap();
        let record = read(&format!("sys/records/{key}")).unwrap();
        assert!(!record.to_string().contains("Canary-"), "a value: {record}");
        record["data"].clone()
    });
    records.collect()
}

fn of(record: &Value, attribute: &str) -> String {
    record["attributes"][attribute]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn delivered(server: &Server, path: &str, count: usize) -> Vec<Value> {
    let found = wait("deliveries on record", || {
        let found = deliveries(server, path);
        (found.len() >= count).then_some(found)
    });
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

fn image(docker: &Docker) -> String {
    let id = docker.run(&["image", "inspect", "--format", "{{.Id}}", IMAGE]);
    id.trim_start_matches("sha256:").to_owned()
}

#[test]
fn a_volume_is_on_record_for_each_of_its_containers_and_each_version() {
    let server = Server::up();
    let docker = Docker::start("record-volume");
    let plugin = Plugin::start(&docker, &server);
    let value = canary();
    server.run(&["kv", "put", "secret/shop/DB", &format!("value={value}")]);
    let volume = docker.name("volume");
    let create = [
        "volume",
        "create",
        "-d",
        plugin.driver(),
        "-o",
        "from=secret/shop",
        &volume,
    ];
    docker.run(&create);
    let mount = format!("{volume}:/run/secrets");
    let run = |what: &str| {
        let name = docker.name(what);
        docker.run(&[
            "run", "-d", "--name", &name, "-v", &mount, IMAGE, "sleep", "600",
        ]);
        name
    };
    let first = run("first");
    let found = delivered(&server, "secret/shop/DB", 1);
    assert_eq!(found[0]["subject"][0]["name"], first.as_str());
    assert_eq!(
        found[0]["subject"][0]["digest"]["sha256"],
        image(&docker).as_str()
    );
    assert_eq!(found[0]["secrets"][0]["version"], 1);
    assert_eq!(of(&found[0], "via"), "volume");
    assert_eq!(of(&found[0], "volume"), volume);
    assert!(!found[0].to_string().contains(&value));
    // Another container of the same volume, and the first one again.
    let second = run("second");
    let found = delivered(&server, "secret/shop/DB", 2);
    assert_eq!(found[1]["subject"][0]["name"], second.as_str());
    docker.run(&["restart", "-t", "0", &first]);
    server.run(&[
        "kv",
        "put",
        "secret/shop/DB",
        &format!("value={}", canary()),
    ]);
    let found = delivered(&server, "secret/shop/DB", 4);
    let newer = found
        .iter()
        .filter(|record| record["secrets"][0]["version"] == 2);
    let mut names: Vec<_> = newer
        .map(|record| record["subject"][0]["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, [first.as_str(), second.as_str()]);
}

#[test]
fn a_task_a_compose_service_and_a_container_that_asks_are_on_record_alike() {
    let server = Server::up();
    let docker = Docker::start("record-others");
    let plugin = Plugin::start(&docker, &server);
    for name in ["task", "compose", "asked"] {
        server.run(&[
            "kv",
            "put",
            &format!("secret/{name}"),
            &format!("value={}", canary()),
        ]);
    }

    let task = secret(&docker, &plugin, "task", &["cofferdam.path=secret/task"]);
    let web = service(&docker, "web", &task, &["--replicas", "2"], &SLEEP);
    values(&docker, &web, 2);
    let found = delivered(&server, "secret/task", 2);
    for record in &found {
        assert_eq!(of(record, "via"), "swarm");
        assert_eq!(of(record, "service"), web);
        assert!(
            record["subject"][0]["name"]
                .as_str()
                .unwrap()
                .starts_with(&web)
        );
        assert_eq!(record["secrets"][0]["version"], 1);
    }
    assert_ne!(of(&found[0], "task"), of(&found[1], "task"));

    let file = format!(
        "version: '3.8'\nservices:\n  app:\n    image: {IMAGE}\n    command: [sleep, '600']\n    secrets: [compose]\nsecrets:\n  compose: {{external: true}}\n"
    );
    let compose = Compose::new(&server, &docker, &plugin, &file);
    compose.run(&["up", "-d"]);
    let found = delivered(&server, "secret/compose", 1);
    assert_eq!(of(&found[0], "via"), "compose");
    assert_eq!(of(&found[0], "service"), "app");
    assert_eq!(
        found[0]["subject"][0]["digest"]["sha256"],
        image(&docker).as_str()
    );
    compose.run(&["down", "-t", "0"]);

    server.run(&["auth", "enable", "docker"]);
    let policy = server.directory().path().join("policy.hcl");
    std::fs::write(
        &policy,
        "path \"secret/data/asked\" { capabilities = [\"read\"] }",
    )
    .unwrap();
    server.run(&["policy", "write", "asks", policy.to_str().unwrap()]);
    server.run(&[
        "write",
        "auth/docker/role/asks",
        "bound_labels=role=asks",
        "token_policies=asks",
    ]);
    let name = docker.name("asks");
    let mut options = vec![format!("{}:/run/cofferdam:ro", plugin.workload().display())];
    for directory in ["/usr", "/lib", "/lib64"] {
        if Path::new(directory).exists() {
            options.push(format!("{directory}:{directory}:ro"));
        }
    }
    let mut arguments = vec!["run", "-d", "--name", &name, "--label", "role=asks"];
    arguments.extend(options.iter().flat_map(|option| ["-v", option.as_str()]));
    docker.run(&[&arguments[..], &[IMAGE], &SLEEP].concat());
    // Again and again: it is one delivery.
    for _ in 0..3 {
        let socket = "/run/cofferdam/cofferdam.sock";
        let url = "http://localhost/v1/secret/data/asked";
        let said = docker.run(&["exec", &name, "curl", "-sS", "--unix-socket", socket, url]);
        assert!(said.contains("Canary-"), "{said}");
    }
    let found = delivered(&server, "secret/asked", 1);
    assert_eq!(of(&found[0], "via"), "socket");
    assert_eq!(found[0]["subject"][0]["name"], name.as_str());
    assert_eq!(
        found[0]["subject"][0]["digest"]["sha256"],
        image(&docker).as_str()
    );
    assert_eq!(found[0]["secrets"][0]["version"], 1);
}

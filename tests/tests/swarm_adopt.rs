//! `swarm adopt` on a real Swarm of one node.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::canary;
use flows::docker::{Docker, Plugin};
use flows::server::shown;
use flows::swarm::{SLEEP, service, values};
use std::process::Output;

fn plain(docker: &Docker, server: &Server, what: &str, value: &[u8]) -> String {
    let name = docker.name(what);
    let file = server.directory().path().join("value");
    std::fs::write(&file, value).unwrap();
    docker.run(&["secret", "create", &name, &file.display().to_string()]);
    std::fs::remove_file(file).unwrap();
    name
}

fn adopt(server: &Server, plugin: &Plugin, arguments: &[&str]) -> Output {
    let driver = format!("-driver={}", plugin.driver());
    let fixed = ["swarm", "adopt", &driver];
    let command = &[&fixed[..], arguments].concat();
    server.command(command).output().unwrap()
}

fn names(docker: &Docker, name: &str) -> Vec<String> {
    let filter = format!("name={name}");
    let found = docker.run(&["secret", "ls", "--format", "{{.Name}}", "--filter", &filter]);
    let mut names: Vec<_> = found.lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn a_plain_secret_ends_up_in_the_store_under_its_own_name() {
    let server = Server::up();
    let docker = Docker::start("adopt");
    let plugin = Plugin::start(&docker, &server);
    let value = canary();
    let name = plain(&docker, &server, "db", value.as_bytes());
    let owned = format!("{name},uid=1000,mode=0400");
    let service = service(&docker, "web", &owned, &["--replicas", "2"], &SLEEP);
    assert_eq!(values(&docker, &service, 2), vec![value.clone(); 2]);

    let plan = adopt(&server, &plugin, &["-dry-run", &name]);
    let said = shown(&plan);
    assert!(plan.status.success(), "{said}");
    assert!(
        said.contains(&format!(
            "{name}: from 2 running tasks on this node to secret/{name}"
        )),
        "{said}"
    );
    assert_eq!(names(&docker, &name), [name.as_str()]);

    let done = adopt(&server, &plugin, &[&name, "-remove", "-keep-name"]);
    let said = shown(&done);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("written and read back"), "{said}");
    assert!(!said.contains(&value), "never printed");
    assert_eq!(
        names(&docker, &name),
        [name.as_str()],
        "the same name, and nothing else is left"
    );
    assert_eq!(values(&docker, &service, 2), vec![value.clone(); 2]);
    assert_eq!(
        server.run(&["kv", "get", "-field=value", &format!("secret/{name}")]),
        value
    );
    let spec = docker.run(&["service", "inspect", "--format", "{{json .Spec}}", &service]);
    assert!(
        !spec.contains("cofferdam."),
        "no mark of ours is left: {spec}"
    );
    assert!(spec.contains(r#""Name":"PASSWORD","UID":"1000""#), "{spec}");

    // It is store-backed from now on.
    let again = adopt(&server, &plugin, &[&name]);
    assert!(
        shown(&again).contains("store-backed already"),
        "{}",
        shown(&again)
    );
    server.run(&["kv", "put", &format!("secret/{name}"), "value=next"]);
    let rotated = server
        .command(&["swarm", "rotate", &name])
        .output()
        .unwrap();
    assert!(rotated.status.success(), "{}", shown(&rotated));
    assert_eq!(values(&docker, &service, 2), ["next", "next"]);
}

#[test]
fn bytes_that_are_no_text_stay_what_they_are_and_the_plain_one_stays_unless_asked() {
    let server = Server::up();
    let docker = Docker::start("adbin");
    let plugin = Plugin::start(&docker, &server);
    let value = [0_u8, 255, 254, 10, 13, 0, 128, 10];
    let name = plain(&docker, &server, "key", &value);
    let service = service(&docker, "web", &name, &[], &SLEEP);
    let sum = || {
        let task = docker.running(&service, 1).remove(0);
        docker.run(&["exec", &task, "sha256sum", "/run/secrets/PASSWORD"])
    };
    let before = sum();
    let done = adopt(&server, &plugin, &[&name, "-to", "secret/keys"]);
    assert!(done.status.success(), "{}", shown(&done));
    assert_eq!(sum(), before);
    assert_eq!(
        names(&docker, &name),
        [name.clone(), format!("{name}.stored")]
    );
    let text = server.run(&["kv", "get", "-field=value", &format!("secret/keys/{name}")]);
    assert_eq!(text, "AP/+Cg0AgAo=");
    let spec = docker.run(&["service", "inspect", "--format", "{{json .Spec}}", &service]);
    assert!(spec.contains(&format!("{name}.stored")), "{spec}");
    // Once more: nothing is lost, and now the old one goes.
    let done = adopt(&server, &plugin, &[&name, "-to", "secret/keys", "-remove"]);
    assert!(done.status.success(), "{}", shown(&done));
    assert_eq!(names(&docker, &name), [format!("{name}.stored")]);
}

#[test]
fn what_cannot_be_adopted_is_left_as_it_is() {
    let server = Server::up();
    let docker = Docker::start("adno");
    let plugin = Plugin::start(&docker, &server);
    let idle = plain(&docker, &server, "idle", b"idle");
    let refused = adopt(&server, &plugin, &[&idle]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        shown(&refused).contains("no running task on this node"),
        "{}",
        shown(&refused)
    );

    let taken = plain(&docker, &server, "taken", b"in swarm");
    let service = service(&docker, "web", &taken, &[], &SLEEP);
    assert_eq!(values(&docker, &service, 1), ["in swarm"]);
    let path = format!("secret/{taken}");
    server.run(&["kv", "put", &path, "value=in the store"]);
    let refused = adopt(&server, &plugin, &[&taken]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        shown(&refused).contains("holds another value already"),
        "{}",
        shown(&refused)
    );
    assert_eq!(names(&docker, &taken), [taken.as_str()]);

    // A driver that is not there: Swarm itself refuses, before a service has been touched.
    let nobody = [
        "swarm",
        "adopt",
        "-driver=nobody-here",
        "-to=secret/else",
        &taken,
    ];
    let failed = server.command(&nobody).output().unwrap();
    assert_eq!(failed.status.code(), Some(2), "{}", shown(&failed));
    assert!(shown(&failed).contains("nobody-here"), "{}", shown(&failed));

    server.run(&["kv", "metadata", "delete", &path]);
    // One that answers, but whose server has nothing there: the services go back.
    let other = Server::up();
    let far = [
        "swarm",
        "adopt",
        &format!("-driver={}", plugin.driver()),
        "-timeout=60",
        &taken,
    ];
    let failed = other.command(&far).output().unwrap();
    assert_eq!(failed.status.code(), Some(3), "{}", shown(&failed));
    assert!(
        shown(&failed).contains("every task has the old value again"),
        "{}",
        shown(&failed)
    );
    assert_eq!(values(&docker, &service, 1), ["in swarm"]);
    assert_eq!(names(&docker, &taken), [taken]);
}

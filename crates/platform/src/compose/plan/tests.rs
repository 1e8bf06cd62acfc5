use super::*;
use crate::compose::load;

fn project(text: &str) -> Project {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("compose.yml");
    std::fs::write(&file, text).unwrap();
    load(&[file], &|_| None).unwrap()
}

fn defaults() -> Defaults {
    Defaults {
        prefix: None,
        driver: "cofferdam".to_owned(),
    }
}

fn plan(text: &str) -> Result<Plan, Fault> {
    Plan::make(&project(text), &defaults(), Flavour::V1)
}

fn options(text: &str) -> String {
    let plan = plan(text).unwrap();
    let volume = &plan.services["a"].volumes[0];
    let pairs = volume
        .options
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(" ")
}

const SECRETS: &str = "secrets:\n  x: {external: true}\n  y: {file: 'cofferdam:kv/y#f@3'}\n  \
                       plain: {file: ./plain}\n  env: {environment: E}\n";

#[test]
fn every_way_to_name_a_secret_of_the_store_is_known() {
    let text = "secrets:\n  a: {external: true}\n  b: {external: {name: outer}}\n  \
                c: {file: 'cofferdam:secret/c'}\n  d: {file: 'cofferdam://secret/d#f'}\n  \
                e: {file: 'cd://secret/e@2'}\n  f: {labels: {cofferdam.ref: secret/f}}\n  \
                g: {x-cofferdam: {path: kv/g, field: h}}\n  h: {driver: cofferdam}\n  \
                i: {x-cofferdam: {from: secret/app}}\n  j: {external: true, x-cofferdam: kv/j}\n  \
                no: {file: ./no}\n  no2: {environment: NO}\n  no3: {driver: other}\n";
    let plan = plan(text).unwrap();
    let found: Vec<_> = plan
        .secrets
        .iter()
        .map(|(name, ours)| format!("{name}={}", ours.reference))
        .collect();
    assert_eq!(
        found,
        [
            "a=cd://secret/a",
            "b=cd://secret/outer",
            "c=cd://secret/c",
            "d=cd://secret/d#f",
            "e=cd://secret/e@2",
            "f=cd://secret/f",
            "g=cd://kv/g#h",
            "h=cd://secret/h",
            "i=cd://secret/app/i",
            "j=cd://kv/j",
        ]
    );
}

#[test]
fn the_owner_is_the_services_user_else_the_images() {
    let a = |rest: &str| format!("services:\n  a: {{{rest}}}\n{SECRETS}");
    assert_eq!(
        options(&a("secrets: [x, y]")),
        "secrets=x:cd://secret/x;y:cd://kv/y#f@3 user=@image"
    );
    assert_eq!(
        options(&a("user: 'app:staff', secrets: [{source: x, target: z}]")),
        "secrets=z:cd://secret/x user=app:staff"
    );
    assert_eq!(
        options(&a(
            "secrets: [{source: x, uid: '5', mode: 0440}, {source: y, gid: '6'}]"
        )),
        "access.x=5::0440 access.y=:6: secrets=x:cd://secret/x;y:cd://kv/y#f@3 user=@image"
    );
    assert_eq!(
        options(&a("x-cofferdam: {on_change: 'signal:HUP'}, secrets: [x]")),
        "on_change=signal:HUP secrets=x:cd://secret/x user=@image"
    );
}

#[test]
fn targets_decide_where_volumes_go() {
    let text = format!(
        "services:\n  a:\n    secrets:\n    - x\n    - {{source: x, target: /etc/app/key.pem}}\n    \
         - {{source: y, target: /run/secrets/why}}\n    - plain\n{SECRETS}"
    );
    let plan = plan(&text).unwrap();
    let delivery = &plan.services["a"];
    let directories: Vec<_> = delivery
        .volumes
        .iter()
        .map(|v| v.directory.as_str())
        .collect();
    assert_eq!(directories, ["/etc/app", "/run/secrets"]);
    let [etc, run] = delivery.volumes.as_slice() else {
        panic!()
    };
    assert_eq!(etc.options["target"], "/etc/app");
    assert_eq!(etc.options["secrets"], "key.pem:cd://secret/x");
    assert_eq!(run.options["mountpoints"], "plain");
    assert!(!run.options.contains_key("target"));
    assert!(run.name.starts_with("cofferdam-a-") && run.name != etc.name);
    assert_eq!(delivery.rest[0].source, "plain");
}

#[test]
fn services_without_our_secrets_are_left_alone() {
    let text = format!("services:\n  a: {{secrets: [plain, env]}}\n  b: {{image: x}}\n{SECRETS}");
    assert!(plan(&text).unwrap().services.is_empty());
}

#[test]
fn what_cannot_be_delivered_is_refused_with_its_line() {
    for (service, what) in [
        ("secrets: [nope]", "uses a secret that is not defined"),
        (
            "secrets: [x, env]",
            "would write env to the container's disk",
        ),
        (
            "secrets: [x, {source: y, target: x}]",
            "two secrets called x",
        ),
        ("secrets: [{source: x, target: ../x}]", "not a clear target"),
        ("secrets: [{source: x, target: /x}]", "at the root"),
        ("secrets: [{source: x, target: .x}]", "not a file name"),
        (
            "secrets: [x, {source: y, target: sub/y}]",
            "lie in each other",
        ),
        (
            "secrets: [x], volumes: ['./v:/run/secrets/v']",
            "something of its own",
        ),
        (
            "secrets: [x], tmpfs: ['/run/secrets']",
            "something of its own",
        ),
        ("secrets: [{source: x, uid: app}]", "uid is not a number"),
        (
            "secrets: [x, {source: plain, target: 'p q'}]",
            "cannot be mounted among",
        ),
        ("secrets: [x], provider: {type: z}", "run by a provider"),
    ] {
        let text = format!("services:\n  a: {{{service}}}\n{SECRETS}");
        let fault = plan(&text).unwrap_err();
        assert!(fault.to_string().contains(what), "{service}: {fault}");
        assert!(fault.to_string().contains(" line 2: "), "{fault}");
    }
    for secret in [
        "{file: 'cofferdam:'}",
        "{file: 'cofferdam:a//hunter2'}",
        "{file: 'cofferdam:a/b,c'}",
        "{x-cofferdam: 'a b hunter2'}",
    ] {
        let fault = plan(&format!("secrets:\n  x: {secret}\n")).unwrap_err();
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
}

#[test]
fn other_options_are_another_volume() {
    let name = |user: &str| {
        let text = format!("services:\n  a: {{user: '{user}', secrets: [x]}}\n{SECRETS}");
        plan(&text).unwrap().services["a"].volumes[0].name.clone()
    };
    assert_ne!(name("1"), name("2"));
    assert_eq!(name("1"), name("1"));
}

use super::*;
use crate::compose::load;
use crate::compose::yaml;

fn written(text: &str, flavour: Flavour) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("compose.yml");
    std::fs::write(&file, text).unwrap();
    let mut project = load(&[file], &|_| None).unwrap();
    if flavour == Flavour::Stack {
        project.name = Some("shop".to_owned());
    }
    let defaults = Defaults {
        prefix: None,
        driver: "cofferdam".to_owned(),
    };
    let plan = Plan::make(&project, &defaults, flavour).unwrap();
    let text = write(&project, &plan, &defaults, flavour)?;
    // What we write is YAML to our own reader, too.
    yaml::read(&text).unwrap().unwrap();
    Some(text)
}

const FILE: &str = "version: '3.8'\nservices:\n  web: {user: 'a$$b', secrets: [db, plain]}\n\
                    secrets:\n  db: {file: 'cofferdam:secret/db'}\n  plain: {file: ./p}\n";

#[test]
fn compose_1_gets_external_secrets_and_a_volume() {
    let text = written(FILE, Flavour::V1).unwrap();
    let name = text
        .split('"')
        .find(|part| part.starts_with("cofferdam-web-"))
        .unwrap();
    let name = name.split(':').next().unwrap().to_owned();
    assert_eq!(
        text.replace(&name, "VOLUME"),
        "\"version\": \"3.8\"\nservices:\n  \"web\":\n    volumes:\n      \
         - \"VOLUME:/run/secrets:nocopy\"\nsecrets:\n  \"db\": {\"external\": true}\n\
         volumes:\n  \"VOLUME\":\n    \"driver\": \"cofferdam\"\n    driver_opts:\n      \
         \"mountpoints\": \"plain\"\n      \"secrets\": \"db:cd://secret/db\"\n      \
         \"user\": \"a$$b\"\n    labels:\n      \"cofferdam.compose\": \"web\"\n"
    );
}

#[test]
fn compose_2_takes_our_entries_out() {
    let text = written(FILE, Flavour::V2).unwrap();
    let wanted = "    secrets: !override\n      - {\"source\": \"plain\"}\nsecrets:\n  \
                  \"db\": !override {\"external\": true}\n";
    assert!(text.contains(wanted), "{text}");
    let only = "services:\n  web: {secrets: [db]}\nsecrets:\n  db: {external: true}\n";
    let text = written(only, Flavour::V2).unwrap();
    assert!(
        text.contains("    secrets: !override []\nsecrets:"),
        "{text}"
    );
    assert!(!text.contains("version"));
}

#[test]
fn a_stack_gets_names_of_swarm() {
    let text = written(FILE, Flavour::Stack).unwrap();
    assert_eq!(
        text,
        "\"version\": \"3.8\"\nsecrets:\n  \"db\":\n    external: true\n    \"name\": \"shop_db\"\n"
    );
}

#[test]
fn a_project_without_our_secrets_gets_nothing() {
    let text = "services:\n  web: {secrets: [p]}\nsecrets:\n  p: {file: ./p}\n";
    for flavour in [Flavour::V1, Flavour::V2, Flavour::Stack] {
        assert_eq!(written(text, flavour), None);
    }
}

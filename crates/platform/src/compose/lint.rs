//! What a project's files do in the open, by name: never a value.

use super::model::{Origin, Project};

/// Parts of a variable's name that mean a secret, in capitals.
const PARTS: [&str; 12] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "API_KEY",
    "APIKEY",
    "PRIVATE_KEY",
    "ACCESS_KEY",
    "CREDENTIAL",
    "DATABASE_URL",
    "CONNECTION_STRING",
];
/// Ends of a name that say where a secret is, and not what it is.
const POINTERS: [&str; 4] = ["_FILE", "_PATH", "_NAME", "_ID"];

/// One line for each thing that was found.
#[must_use]
pub fn lint(project: &Project) -> Vec<String> {
    let mut found = Vec::new();
    for (name, definition) in &project.secrets {
        if definition.origin == Origin::Plain {
            found.push(format!(
                "secret {name}: Compose copies it from the environment to each container's disk"
            ));
        }
    }
    for (name, service) in &project.services {
        for variable in service.literals.iter().filter(|name| is_secret(name)) {
            found.push(format!(
                "service {name}: {variable} is written out in the file, and in docker inspect"
            ));
        }
        for file in &service.env_files {
            found.push(format!(
                "service {name}: what is in {file} is in docker inspect, too"
            ));
        }
    }
    found
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    PARTS.iter().any(|part| name.contains(part)) && !POINTERS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn what_is_in_the_open_is_named_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("compose.yml");
        let text = "services:\n  web:\n    image: x\n    environment:\n      \
                    DB_PASSWORD: hunter2\n      DB_PASSWORD_FILE: /run/secrets/x\n      \
                    OTHER: hunter2\n      A_TOKEN: ${A_TOKEN}\n      B_TOKEN:\n    \
                    env_file: [secrets.env]\n  db:\n    image: x\n    environment:\n      \
                    - api_key=hunter2\n    env_file: a.env\n\
                    secrets:\n  s: {environment: HUNTER2}\n  t: {external: true}\n";
        std::fs::write(&file, text).unwrap();
        let project = crate::compose::load(&[PathBuf::from(&file)], &|_| None).unwrap();
        let found = lint(&project);
        assert_eq!(found.len(), 5, "{found:#?}");
        let all = found.join("\n");
        for part in [
            "secret s:",
            "web: DB_PASSWORD is",
            "secrets.env",
            "api_key",
            "a.env",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert!(!all.to_lowercase().contains("hunter2"), "{all}");
    }
}

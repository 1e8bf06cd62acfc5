//! Exact search without values: a token that cannot read a value finds it by name and version.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::docker::{Docker, IMAGE, client};
use flows::server::{bare, shown};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PASSWORD: &str = "k3Tq9ZpL2vXw7RbN4sYcHd8";
const OLD: &str = "Wm5Rt8Yq1Xc6Vb3Nz7Lp0Ks";
const WEAK: &str = "hunter2-shop";

/// May have every fingerprint, and read no value.
const SCANNER: &str = r#"path "sys/fingerprints/*" { capabilities = ["read"] }
path "secret/*" { capabilities = ["deny"] }"#;

struct Site {
    server: Server,
    token: String,
}

impl Site {
    fn new() -> Self {
        let server = Server::up();
        for value in [OLD, PASSWORD] {
            let value = format!("password={value}");
            server.run(&["kv", "put", "secret/shop/db", &value]);
        }
        server.run(&["kv", "put", "secret/shop/weak", &format!("password={WEAK}")]);
        let token = token(&server, "scanner", SCANNER);
        Self { server, token }
    }

    /// A command of the token's holder on the server's socket.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.server.command(words);
        command.env("COFFERDAM_TOKEN", &self.token);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        let output = self.command(words).output().unwrap();
        silent(&output);
        output
    }
}

fn token(server: &Server, name: &str, rules: &str) -> String {
    let file = server.directory().path().join(format!("{name}.hcl"));
    std::fs::write(&file, rules).unwrap();
    server.run(&["policy", "write", name, file.to_str().unwrap()]);
    let policy = format!("-policy={name}");
    let made = server.run(&["token", "create", &policy, "-field=token"]);
    made.trim().to_owned()
}

fn silent(output: &Output) {
    let text = shown(output);
    for value in [PASSWORD, OLD, WEAK] {
        assert!(!text.contains(value), "a value was printed: {text}");
    }
}

/// Names, forms and places of the stored values that were found.
fn stored(output: &Output) -> Vec<(String, String, String)> {
    let document: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(output)));
    let findings = document["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .filter(|finding| finding["rule"] == "stored-value")
        .map(|finding| {
            (
                text(&finding["name"]),
                text(&finding["preview"]),
                text(&finding["location"]),
            )
        })
        .collect()
}

fn hex(value: &str) -> String {
    value.bytes().map(|byte| format!("{byte:02X}")).collect()
}

fn git(directory: &Path, words: &[&str]) -> Vec<u8> {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(words)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    output.stdout
}

#[test]
fn token_that_cannot_read_a_value_finds_it_by_name_and_version() {
    let site = Site::new();
    let denied = site.run(&["kv", "get", "secret/shop/db"]);
    assert_ne!(denied.status.code(), Some(0), "it must not read the value");

    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    std::fs::write(dir.join("app.log"), format!("login {PASSWORD} ok\n")).unwrap();
    std::fs::write(dir.join("dump"), format!("x={}\n", hex(OLD))).unwrap();
    std::fs::write(dir.join("weak.txt"), format!("{WEAK}\n")).unwrap();
    let found = site.run(&["scan", "-format=json", dir.to_str().unwrap()]);
    assert_eq!(found.status.code(), Some(1), "{}", shown(&found));
    let named = stored(&found);
    assert!(
        named.iter().any(|(name, form, at)| {
            name == "secret/shop/db@2#password" && form == "… (raw)" && at.ends_with("app.log")
        }),
        "{named:?}"
    );
    assert!(
        named.iter().any(|(name, form, at)| {
            name == "secret/shop/db@1#password" && form == "… (hex)" && at.ends_with("dump")
        }),
        "{named:?}"
    );
    assert_eq!(named.len(), 2, "{named:?}");
    let said = String::from_utf8_lossy(&found.stderr).into_owned();
    assert!(
        said.contains(
            "not looked for: secret/shop/weak@1#password: cannot be protected by fingerprint, please rotate"
        ),
        "{said}"
    );

    // What git keeps of a file that is gone.
    git(dir, &["init", "-q"]);
    std::fs::write(dir.join("conf"), format!("p: {PASSWORD}\n")).unwrap();
    git(dir, &["add", "conf"]);
    git(dir, &["commit", "-qm", "one"]);
    std::fs::write(dir.join("conf"), "p: none\n").unwrap();
    git(dir, &["commit", "-qam", "two"]);
    let output = site.run(&["scan", "git", "-format=json", dir.to_str().unwrap()]);
    let named = stored(&output);
    assert!(
        named
            .iter()
            .any(|(name, _, at)| name == "secret/shop/db@2#password" && at.ends_with(": conf")),
        "{named:?}"
    );
    let output = site.run(&["scan", "git", dir.to_str().unwrap()]);
    let said = shown(&output);
    assert!(said.contains(": conf, byte 3  stored-value"), "{said}");
    let patch = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(patch.path(), git(dir, &["log", "-p"])).unwrap();
    let output = site
        .command(&["scan", "stdin", "-format=json"])
        .stdin(patch.reopen().unwrap())
        .output()
        .unwrap();
    silent(&output);
    assert!(!stored(&output).is_empty(), "{}", shown(&output));

    let without = site.run(&["scan", "-no-store", "-format=json", dir.to_str().unwrap()]);
    assert!(stored(&without).is_empty(), "{}", shown(&without));
}

#[test]
fn a_store_of_many_weak_values_does_not_hide_what_is_found() {
    let site = Site::new();
    for number in 0..8 {
        let path = format!("secret/shop/pin{number}");
        site.server.run(&["kv", "put", &path, "value=1234"]);
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("app.log"), format!("{PASSWORD}\n")).unwrap();
    let said = shown(&site.run(&["scan", place.path().to_str().unwrap()]));
    let named = said.matches("not looked for: secret/shop/").count();
    assert_eq!(named, 5, "{said}");
    let rest = "not looked for: 4 more: cofferdam report leaks names each";
    assert!(said.contains(rest), "{said}");
}

#[test]
fn container_environment_log_and_image_layer_are_found_with_that_token() {
    let docker = Docker::start("finger");
    let site = Site::new();
    let context = site.server.directory().path().join("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("copied.env"), format!("P={PASSWORD}\n")).unwrap();
    let lines = format!("FROM {IMAGE}\nCOPY copied.env /a.env\nRUN busybox rm /a.env\n");
    std::fs::write(context.join("Dockerfile"), lines).unwrap();
    let tag = docker.name("image");
    let built = Command::new(client())
        .args(["build", "-q", "-t", &tag])
        .arg(&context)
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", shown(&built));
    let name = docker.name("web");
    let env = format!("P={PASSWORD}");
    docker.run(&[
        "run",
        "-d",
        "--name",
        &name,
        "-e",
        &env,
        IMAGE,
        "sh",
        "-c",
        "echo $P; exec sleep 600",
    ]);
    flows::docker::wait("the log", || {
        (!docker.run(&["logs", &name]).trim().is_empty()).then_some(())
    });
    let words = [
        "report",
        "leaks",
        "-format=json",
        "-no-processes",
        "-image",
        &tag,
        "-container",
        &name,
    ];
    let output = site.run(&words);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = json["secrets"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["path"] == "secret/shop/db" && row["version"] == 2)
        .unwrap();
    let cells = row["cells"].as_array().unwrap();
    for place in ["container-inspect", "container-logs", "image-layers"] {
        let cell = cells.iter().find(|cell| cell["place"] == place).unwrap();
        assert_eq!(cell["state"], "exposed", "{place}: {cell}");
    }
}

#[test]
fn each_secret_is_a_grant_of_its_own_and_other_callers_get_nothing() {
    let site = Site::new();
    site.server.run(&[
        "kv",
        "put",
        "secret/other/key",
        "value=Zx9Cv8Bn7Mq6Wr5Et4Yu3Ip2",
    ]);
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().to_str().unwrap();
    let text = format!("{PASSWORD} Zx9Cv8Bn7Mq6Wr5Et4Yu3Ip2\n");
    std::fs::write(place.path().join("a"), text).unwrap();
    let half = r#"path "sys/fingerprints/session" { capabilities = ["read"] }
path "sys/fingerprints/secrets/secret/other/*" { capabilities = ["read"] }"#;
    let half = token(&site.server, "half", half);
    let run = |token: &str, words: &[&str]| {
        let mut command = site.server.command(words);
        let output = command.env("COFFERDAM_TOKEN", token).output().unwrap();
        silent(&output);
        output
    };
    let found = run(&half, &["scan", "-format=json", dir]);
    let named = stored(&found);
    assert_eq!(named.len(), 1, "{named:?}");
    assert_eq!(named[0].0, "secret/other/key@1#value");
    let report = [
        "report",
        "leaks",
        "-no-docker",
        "-no-processes",
        "-dir",
        dir,
    ];
    let report = run(&half, &report);
    let text = shown(&report);
    assert!(text.contains("2 secrets not looked for"), "{text}");
    assert!(!text.contains("secret/shop"), "not even its name: {text}");

    let none = token(
        &site.server,
        "none",
        r#"path "secret/*" { capabilities = ["read"] }"#,
    );
    let found = run(&none, &["scan", "-format=json", dir]);
    assert!(stored(&found).is_empty());
    assert!(
        shown(&found).contains("not looked for stored values"),
        "{}",
        shown(&found)
    );

    // The key of a session does not leave the host, whoever asks.
    let mut command =
        site.server
            .command(&["read", "sys/fingerprints/session", "-tls-skip-verify"]);
    let output = command
        .env("COFFERDAM_ADDR", site.server.address())
        .env("COFFERDAM_TOKEN", &site.token)
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(
        shown(&output).contains("the key of fingerprints stays on its host"),
        "{}",
        shown(&output)
    );
}

/// A pack of the site's values, its key and its signer.
fn pack(site: &Site) -> (PathBuf, String) {
    let file = site.server.directory().path().join("shop.pack");
    let output = site
        .server
        .command(&["fingerprints", "export", "-o", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    silent(&output);
    let said = shown(&output);
    assert!(said.contains("2 fingerprints in"), "{said}");
    assert!(
        said.contains("not in it: secret/shop/weak@1#password cannot be protected by fingerprint"),
        "{said}"
    );
    let signer = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("signed by "))
        .unwrap();
    (file, signer.to_owned())
}

#[test]
fn pack_finds_without_a_server_and_is_refused_when_something_is_wrong_with_it() {
    let site = Site::new();
    let (file, signer) = pack(&site);
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("tree");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("a.log"), format!("{PASSWORD} {}\n", hex(OLD))).unwrap();
    let scan = |pack: &Path, signer: &str, key: Option<&Path>| {
        let mut command = bare(home.path());
        command.args(["scan", "-format=json", "-pack"]).arg(pack);
        command.arg(format!("-pack-signer={signer}"));
        if let Some(key) = key {
            command.arg("-pack-key").arg(key);
        }
        let output = command.arg(&dir).output().unwrap();
        silent(&output);
        output
    };
    let found = scan(&file, &signer, None);
    assert_eq!(found.status.code(), Some(1), "{}", shown(&found));
    let mut names: Vec<_> = stored(&found)
        .into_iter()
        .map(|(name, _, _)| name)
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["secret/shop/db@1#password", "secret/shop/db@2#password"]
    );

    let key = PathBuf::from(format!("{}.key", file.display()));
    let bytes = std::fs::read(&file).unwrap();
    for value in [PASSWORD, OLD, WEAK, "secret/shop"] {
        let there = bytes
            .windows(value.len())
            .any(|window| window == value.as_bytes());
        assert!(!there, "{value} stands in the pack");
    }
    let changed = home.path().join("changed.pack");
    let mut other = bytes;
    let middle = other.len() / 2;
    other[middle] ^= 1;
    std::fs::write(&changed, other).unwrap();
    let foreign = Site::new();
    let (foreign_file, _) = pack(&foreign);
    for (pack, key, words) in [
        (&changed, &key, "the pack was changed since it was signed"),
        (&foreign_file, &key, "the pack is signed by another server"),
        (&file, &dir.join("a.log"), "the key is not this pack's"),
        (&key, &key, "not a pack of fingerprints"),
    ] {
        let refused = scan(pack, &signer, Some(key));
        assert_eq!(refused.status.code(), Some(2), "{}", shown(&refused));
        assert!(shown(&refused).contains(words), "{}", shown(&refused));
        assert!(shown(&refused).contains("hint: "), "{}", shown(&refused));
    }

    let short = site.server.directory().path().join("short.pack");
    site.server.run(&[
        "fingerprints",
        "export",
        "-ttl=1s",
        "-o",
        short.to_str().unwrap(),
    ]);
    flows::docker::wait("the end of the pack", || {
        let refused = scan(&short, &signer, None);
        shown(&refused)
            .contains("the pack has expired")
            .then_some(())
    });
}

#[test]
fn after_a_rotation_what_was_handed_out_is_of_another_key() {
    let site = Site::new();
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().to_str().unwrap();
    std::fs::write(place.path().join("a"), PASSWORD).unwrap();
    let before = site
        .server
        .run(&["read", "-field=key", "sys/fingerprints/session"]);
    assert_eq!(stored(&site.run(&["scan", "-format=json", dir])).len(), 1);
    let denied = site.run(&["fingerprints", "rotate"]);
    assert_ne!(
        denied.status.code(),
        Some(0),
        "reading is no right to rotate"
    );
    let config = site.server.run(&["fingerprints", "config", "-format=json"]);
    let rotated = site.server.run(&["fingerprints", "rotate", "-format=json"]);
    let generation = |text: &str| {
        let json: Value = serde_json::from_str(text).unwrap();
        (json["generation"].as_u64().unwrap(), json["signer"].clone())
    };
    let (old, new) = (generation(&config), generation(&rotated));
    assert_eq!(new.0, old.0 + 1);
    assert_eq!(new.1, old.1, "packs that are out keep their signer");
    let after = site
        .server
        .run(&["read", "-field=key", "sys/fingerprints/session"]);
    assert_ne!(before, after);
    assert_eq!(stored(&site.run(&["scan", "-format=json", dir])).len(), 1);
}

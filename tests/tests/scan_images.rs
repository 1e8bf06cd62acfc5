//! `cofferdam scan` on what a real engine builds and runs: archives inside layers, a database, a key that
//! was overwritten, and a running container with everything that can hold a secret.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use cofferdam_detect::pattern::specimen;
use flows::docker::{Docker, IMAGE, client, wait};
use flows::server::{bare, shown};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn token(number: u64) -> String {
    specimen("ghp_{base62:36}", number)
}

fn scan(home: &Path, arguments: &[&str]) -> Output {
    bare(home).arg("scan").args(arguments).output().unwrap()
}

/// Every place of every finding, after a look that no value is shown.
fn places(output: &Output, planted: u64) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for number in 1..=planted {
        assert!(!text.contains(&token(number)), "{number} is shown");
    }
    let document: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}", shown(output)));
    assert_eq!(document["not_looked_at"], serde_json::json!([]), "{text}");
    let findings = document["findings"].as_array().unwrap();
    let place = |finding: &Value| {
        let line = finding["line"]
            .as_u64()
            .map_or(String::new(), |line| format!(":{line}"));
        let note = finding["note"]
            .as_str()
            .map_or(String::new(), |note| format!(" [{note}]"));
        format!("{}{line}{note}", finding["location"].as_str().unwrap())
    };
    findings.iter().map(place).collect()
}

/// Files that only a program can write: a zip in a tar, a jar, a database with rows longer than a page.
const MAKE: &str = r#"
import io, sqlite3, sys, tarfile, zipfile
where, in_zip, in_jar, *in_rows = sys.argv[1:]
def zipped(name, text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return out.getvalue()
inner = zipped("conf/a.txt", "A=1\nTOKEN=" + in_zip + "\n")
with tarfile.open(where + "/backup.tar", "w") as archive:
    entry = tarfile.TarInfo("inner.zip")
    entry.size = len(inner)
    archive.addfile(entry, io.BytesIO(inner))
open(where + "/app.jar", "wb").write(zipped("BOOT-INF/application.properties", "api.token=" + in_jar + "\n"))
database = sqlite3.connect(where + "/data.db")
database.execute("pragma page_size = 4096")
database.execute("create table settings (name text, value text)")
# What of a row stays on its page depends on its length: the tokens lie side by side, so that one is cut.
database.execute("insert into settings values ('x', ?)", ("- " * 1900 + " ".join("token=" + row for row in in_rows) + " -" * 1900,))
database.commit()
"#;

#[test]
fn secrets_in_archives_databases_and_overwritten_files_of_an_image_are_found() {
    let docker = Docker::start("scan-image");
    let home = tempfile::tempdir().unwrap();
    let context = home.path().join("context");
    std::fs::create_dir(&context).unwrap();
    let made = Command::new(flows::peers::python())
        .args(["-c", MAKE])
        .arg(&context)
        .args([token(1), token(2)])
        .args((10..30).map(token))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", shown(&made));
    std::fs::write(context.join("key.env"), format!("TOKEN={}\n", token(4))).unwrap();
    std::fs::write(context.join("empty.env"), "TOKEN=\n").unwrap();
    let lines = [
        &format!("FROM {IMAGE}"),
        "COPY backup.tar app.jar data.db /srv/",
        "COPY key.env /srv/key.env",
        "COPY empty.env /srv/key.env",
    ];
    std::fs::write(context.join("Dockerfile"), lines.join("\n")).unwrap();
    let tag = docker.name("image");
    let built = Command::new(client())
        .args(["build", "-q", "-t", &tag])
        .arg(&context)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", shown(&built));
    let output = scan(home.path(), &["image", "-format=json", &tag]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let places = places(&output, 30);
    let rows = places.iter().filter(|place| place.contains("srv/data.db"));
    assert_eq!(rows.count(), 20, "{places:#?}");
    for (part, end) in [
        ("srv/backup.tar: inner.zip: conf/a.txt:2", ""),
        ("srv/app.jar: BOOT-INF/application.properties:1", ""),
        ("srv/data.db", ""),
        ("srv/data.db: a row of page ", ""),
        ("srv/key.env:1", "[overwritten in layer 4]"),
    ] {
        let found = |place: &&String| place.contains(part) && place.ends_with(end);
        let place = places.iter().find(found);
        let place = place.unwrap_or_else(|| panic!("{part} {end}: {places:#?}"));
        assert!(
            place.starts_with("layer ") && place.contains(" of 4 (sha256:"),
            "{place}"
        );
    }
}

#[test]
fn a_running_container_is_searched_whole_and_a_clean_one_is_clean() {
    let docker = Docker::start("scan-container");
    let home = tempfile::tempdir().unwrap();
    let name = docker.name("leaky");
    let script = "mkdir -p /srv/app; echo TOKEN=$IN_FILE > /srv/app/.env; \
        echo out $IN_LOG; echo err $IN_ERRORS >&2; sleep 1000; true";
    docker.run(&[
        "run",
        "-d",
        "--name",
        &name,
        "--label",
        &format!("org.example.token={}", token(1)),
        "-e",
        &format!("IN_FILE={}", token(2)),
        "-e",
        &format!("IN_LOG={}", token(3)),
        "-e",
        &format!("IN_ERRORS={}", token(4)),
        IMAGE,
        "sh",
        "-c",
        script,
        "app",
        "--api-token",
        &token(5),
    ]);
    wait("both lines of the log", || {
        let log = docker.output(&["logs", &name]);
        (!log.stdout.is_empty() && !log.stderr.is_empty()).then_some(())
    });
    let output = scan(home.path(), &["container", "-format=json", &name]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let places = places(&output, 5);
    for part in [
        "/Config/Labels/org.example.token",
        "/Config/Env/0",
        "/Config/Cmd/5",
        "/Args/4",
        "(sh): environ/IN_FILE",
        "(sh): arguments",
        "(sleep): environ/IN_LOG",
        "written: srv/app/.env:1",
        "log of stdout:1",
        "log of stderr:1",
    ] {
        let found = places
            .iter()
            .any(|place| place.starts_with(&name) && place.contains(part));
        assert!(found, "{part}: {places:#?}");
    }
    let clean = docker.name("clean");
    // What is mounted is not what the container wrote: files are where secrets belong.
    let given = home.path().join("given");
    std::fs::create_dir(&given).unwrap();
    std::fs::write(given.join("token"), token(6)).unwrap();
    let mount = format!("{}:/run/secrets:ro", given.display());
    docker.run(&[
        "run", "-d", "--name", &clean, "-v", &mount, IMAGE, "sleep", "1000",
    ]);
    let output = scan(home.path(), &["container", &clean]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let output = scan(home.path(), &["container", "-all", "-format=json"]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let output = scan(home.path(), &["container", "no-such-container"]);
    assert_eq!(output.status.code(), Some(2));
    let said = shown(&output);
    assert!(said.contains("hint: list them: docker ps -a"), "{said}");
}

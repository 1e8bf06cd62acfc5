//! `cofferdam report leaks` as a matrix that is kept, and `cofferdam blast`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::server::shown;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const FIRST: &str = "Wm5Rt8Yq1Xc6Vb3Nz7Lp0Ks";
const SECOND: &str = "k3Tq9ZpL2vXw7RbN4sYcHd8";

/// Two versions, an owner, and a second secret with the same value.
fn site() -> Server {
    let server = Server::up();
    for value in [FIRST, SECOND] {
        let value = format!("password={value}");
        server.run(&["kv", "put", "secret/shop/db", &value]);
    }
    let owner = "-custom-metadata=owner=team <shop>";
    server.run(&["kv", "metadata", "put", owner, "secret/shop/db"]);
    server.run(&["kv", "put", "secret/copy/db", &format!("pw={SECOND}")]);
    server
}

fn report(server: &Server, words: &[&str]) -> Output {
    let fixed = ["report", "leaks", "-no-docker", "-no-processes"];
    let output = server
        .command(&[&fixed[..], words].concat())
        .output()
        .unwrap();
    let text = shown(&output);
    for value in [FIRST, SECOND] {
        assert!(!text.contains(value), "a value was printed: {text}");
    }
    output
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(output)))
}

fn cell<'j>(report: &'j Value, path: &str, version: u64, place: &str) -> &'j Value {
    let rows = report["secrets"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["path"] == path && row["version"] == version)
        .unwrap();
    let cells = row["cells"].as_array().unwrap();
    cells.iter().find(|cell| cell["place"] == place).unwrap()
}

fn git(directory: &Path, words: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(words)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output));
}

/// A repository whose history has the first value, and a log of a CI with the second.
fn places() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let repository = place.path().join("repository");
    std::fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q"]);
    std::fs::write(repository.join("conf"), format!("p: {FIRST}\n")).unwrap();
    git(&repository, &["add", "conf"]);
    git(&repository, &["commit", "-qm", "one"]);
    std::fs::write(repository.join("conf"), "p: none\n").unwrap();
    git(&repository, &["commit", "-qam", "two"]);
    std::fs::create_dir(place.path().join("ci")).unwrap();
    let log = format!("+ psql <{SECOND}>\n");
    std::fs::write(place.path().join("ci/job & <1>.log"), log).unwrap();
    place
}

#[test]
fn cells_are_clean_exposed_exposed_then_rotated_reused_or_not_looked_at() {
    let server = site();
    let place = places();
    let (repository, ci) = (place.path().join("repository"), place.path().join("ci"));
    let words = [
        "-git",
        repository.to_str().unwrap(),
        "-ci-logs",
        ci.to_str().unwrap(),
    ];
    let found = report(&server, &[&words[..], &["-format=json"]].concat());
    assert_eq!(found.status.code(), Some(1), "{}", shown(&found));
    let found = json(&found);
    let state = |path: &str, version: u64, place: &str| {
        cell(&found, path, version, place)["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(state("secret/shop/db", 1, "git"), "exposed-then-rotated");
    assert_eq!(state("secret/shop/db", 2, "git"), "clean");
    assert_eq!(state("secret/shop/db", 2, "ci-logs"), "exposed");
    assert_eq!(state("secret/shop/db", 1, "ci-logs"), "clean");
    assert_eq!(state("secret/shop/db", 2, "other-secrets"), "reused");
    assert_eq!(state("secret/copy/db", 1, "other-secrets"), "reused");
    assert_eq!(state("secret/shop/db", 1, "other-secrets"), "clean");
    assert_eq!(state("secret/shop/db", 2, "image-layers"), "not-looked-at");
    let other = cell(&found, "secret/copy/db", 1, "other-secrets");
    assert_eq!(
        other["locations"][0]["location"],
        "secret/shop/db@2#password"
    );
    let rows = found["secrets"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["path"] == "secret/shop/db")
        .unwrap();
    assert_eq!(row["owner"], "team <shop>");

    let table = report(&server, &words);
    let table = shown(&table);
    for line in [
        "EXPOSED, THEN ROTATED secret/shop/db@1#password (owner: team <shop>)",
        "EXPOSED secret/shop/db@2#password (owner: team <shop>)",
        "CI logs            ",
    ] {
        assert!(table.contains(line), "{line}: {table}");
    }

    let page = report(&server, &[&words[..], &["-format=html"]].concat());
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert!(page.contains("team &lt;shop&gt;"), "{page}");
    assert!(page.contains("job &amp; &lt;1&gt;.log"), "{page}");
    for bad in [
        "<script",
        "<shop>",
        "job & <1>",
        "http://",
        "https://",
        "src=",
    ] {
        assert!(!page.contains(bad), "{bad} in the page");
    }

    let sarif = report(&server, &[&words[..], &["-format=sarif"]].concat());
    let sarif = json(&sarif);
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert!(results.len() >= 2, "{results:?}");
    assert!(
        results
            .iter()
            .all(|result| result["ruleId"] == "stored-value")
    );
}

#[test]
fn reuse_alone_is_told_and_is_no_leak() {
    let server = site();
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), "nothing\n").unwrap();
    let found = report(&server, &["-dir", place.path().to_str().unwrap()]);
    assert_eq!(found.status.code(), Some(0), "{}", shown(&found));
    assert!(
        shown(&found).contains("REUSED secret/copy/db@1#pw"),
        "{}",
        shown(&found)
    );
}

#[test]
fn reports_are_kept_and_compared() {
    let server = site();
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().to_str().unwrap();
    let app = ["-app", "secret/shop", "-dir", dir];
    std::fs::write(place.path().join("a"), SECOND).unwrap();
    report(&server, &app);
    let first = json(&report(&server, &[&app[..], &["-format=json"]].concat()));
    let seen = cell(&first, "secret/shop/db", 2, "directories").clone();
    assert!(
        seen["first_seen"].as_str().unwrap() < seen["last_seen"].as_str().unwrap(),
        "{seen}"
    );
    std::fs::write(place.path().join("a"), "gone").unwrap();
    std::fs::write(place.path().join("b"), FIRST).unwrap();
    let since = report(&server, &[&app[..], &["-since", "9999"]].concat());
    assert_eq!(since.status.code(), Some(1));
    let text = shown(&since);
    assert!(
        text.contains("1 new, 1 gone, 0 still there, 0 not looked at again"),
        "{text}"
    );
    let list = server.run(&["report", "leaks", "list"]);
    let ids: Vec<_> = list.lines().collect();
    assert_eq!(ids.len(), 3, "{list}");
    let diff = |from: &str, to: &str| {
        server
            .command(&["report", "leaks", "diff", from, to])
            .output()
            .unwrap()
    };
    let forward = diff(ids[0], ids[2]);
    assert_eq!(forward.status.code(), Some(1), "{}", shown(&forward));
    assert!(
        shown(&forward).contains("new\n  secret/shop/db@1#password  directories: "),
        "{}",
        shown(&forward)
    );
    let same = diff(ids[0], ids[1]);
    assert_eq!(same.status.code(), Some(0), "{}", shown(&same));
    let none = diff("1999-01-01", ids[0]);
    assert_eq!(none.status.code(), Some(2), "{}", shown(&none));
    assert!(
        shown(&none).contains("no report until 1999-01-01"),
        "{}",
        shown(&none)
    );
    report(&server, &[&app[..], &["-no-keep"]].concat());
    assert_eq!(server.run(&["report", "leaks", "list"]), list);
}

#[test]
fn blast_names_images_holders_readers_and_what_it_does_not_know() {
    let server = site();
    let policy = server.directory().path().join("app.hcl");
    std::fs::write(
        &policy,
        "path \"secret/data/shop/*\" { capabilities = [\"read\"] }",
    )
    .unwrap();
    server.run(&["policy", "write", "app", policy.to_str().unwrap()]);
    let made = server.run(&[
        "token",
        "create",
        "-policy=app",
        "-display-name=anna",
        "-format=json",
    ]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let auth = &made["auth"];
    let read = |version: &str| {
        let output = server
            .command(&["kv", "get", version, "secret/shop/db"])
            .env("COFFERDAM_TOKEN", auth["client_token"].as_str().unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", shown(&output));
    };
    read("-version=1");
    read("-version=2");
    let record = |kind: &str, id: &str, version: u64, name: &str, via: &str| {
        let body = serde_json::json!({
            "subject": [{"name": name, "digest": {"sha256": "ab12"}}],
            "secrets": [{"name": "PW", "path": "secret/shop/db", "version": version}],
            "attributes": {"builder": "docker build", "host": "h1", "via": via},
        });
        let file = server.directory().path().join("record.json");
        std::fs::write(&file, body.to_string()).unwrap();
        let path = format!("sys/records/{kind}/{id}");
        server.run(&["write", &path, &format!("@{}", file.display())]);
    };
    record("build", "one", 2, "shop:1", "");
    record("build", "old", 1, "shop:0", "");
    record("delivery", "two", 2, "shop_web_1", "volume");
    record("delivery", "three", 2, "shop_job_1", "swarm");

    let output = server
        .command(&["blast", "secret/shop/db@2", "-format=json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let radius = json(&output);
    let names = |list: &Value| {
        let list = list.as_array().unwrap().iter();
        list.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&radius["images"]), ["shop:1"]);
    assert_eq!(names(&radius["containers"]), ["shop_web_1", "shop_job_1"]);
    let people = radius["people"].as_array().unwrap();
    let anna = people
        .iter()
        .find(|reader| reader["name"] == "token-anna")
        .unwrap_or_else(|| panic!("{people:?}"));
    assert_eq!(anna["reads"], 1, "the read of version 1 is not this one");
    assert_eq!(anna["accessors"][0], auth["accessor"]);
    let order = radius["order"].as_array().unwrap();
    let at = |what: &str| {
        order
            .iter()
            .position(|step| step["what"].as_str().unwrap().contains(what))
            .unwrap_or_else(|| panic!("{what}: {order:?}"))
    };
    assert!(at("new value") < at("shop_web_1"));
    assert!(at("shop_web_1") < at("shop_job_1"));
    assert!(at("shop_job_1") < at("shop:1"));
    assert!(at("shop:1") < at("token-anna"));
    assert!(at("token-anna") < at("last: "));
    let unknown = radius["not_known"].to_string();
    assert!(unknown.contains("the logs begin there"), "{unknown}");

    // The log is put aside and packed, as logrotate does with copytruncate; what she reads now is counted
    // together with what she read before.
    let devices: Value =
        serde_json::from_str(&server.run(&["audit", "list", "-detailed", "-format=json"])).unwrap();
    let log = devices.as_object().unwrap().values().find_map(|device| {
        let options = device["options"].as_object()?;
        let path = options.get("file_path").or_else(|| options.get("path"))?;
        path.as_str().map(str::to_owned)
    });
    let log = log.unwrap();
    let packed = Command::new("gzip").args(["-c", &log]).output().unwrap();
    assert!(packed.status.success());
    std::fs::write(format!("{log}.2.gz"), &packed.stdout).unwrap();
    std::fs::write(
        format!("{log}.3.gz"),
        &packed.stdout[..packed.stdout.len() / 2],
    )
    .unwrap();
    std::fs::File::options()
        .write(true)
        .open(&log)
        .unwrap()
        .set_len(0)
        .unwrap();
    read("-version=2");
    let output = server
        .command(&["blast", "secret/shop/db@2", "-format=json"])
        .output()
        .unwrap();
    let rotated = json(&output);
    let people = rotated["people"].as_array().unwrap();
    let again = people.iter().find(|one| one["name"] == "token-anna");
    let again = again.unwrap_or_else(|| panic!("{people:?}"));
    let reads = again["reads"].as_u64().unwrap();
    assert!(
        (2..=3).contains(&reads),
        "the cut file may have the first read, too: {again}"
    );
    assert_eq!(again["first"], anna["first"]);
    assert!(again["last"].as_str() > anna["last"].as_str(), "{again}");
    let unknown = rotated["not_known"].to_string();
    assert!(
        unknown.contains(".3.gz says: unexpected end of file"),
        "{unknown}"
    );

    let text = server.run(&["blast", "secret/shop/db@2"]);
    for value in [FIRST, SECOND] {
        assert!(!text.contains(value));
    }
    assert!(text.contains("in this order it breaks least"), "{text}");
    let wrong = server
        .command(&["blast", "secret/shop/db@x"])
        .output()
        .unwrap();
    assert!(shown(&wrong).contains("a version is a whole number"));
    // Of what never was there is no plan; of what is gone and was delivered there is.
    for (secret, says, next) in [
        (
            "secret/shop/db@9",
            "there is no version 9 of secret/shop/db: the newest is 2, and nothing on record",
            "hint: cofferdam kv metadata get secret/shop/db",
        ),
        (
            "secret/shop/never",
            "there is no secret at secret/shop/never, and nothing on record",
            "hint: cofferdam kv list secret/shop",
        ),
    ] {
        let none = server.command(&["blast", secret]).output().unwrap();
        assert_eq!(none.status.code(), Some(2), "{}", shown(&none));
        assert!(none.stdout.is_empty());
        let said = shown(&none);
        assert!(said.contains(says) && said.contains(next), "{said}");
    }
    record("delivery", "four", 9, "shop_old_1", "volume");
    let text = server.run(&["blast", "secret/shop/db@9"]);
    assert!(text.contains("shop_old_1"), "{text}");
    assert!(
        text.contains("there is no version 9 of secret/shop/db: the newest is 2; what is shown"),
        "{text}"
    );
}

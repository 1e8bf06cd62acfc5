//! Compose files as they stand, with docker-compose 1.29 on a real Docker engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::{canary, contains, files_with};
use flows::compose::{Compose, image, put};
use flows::docker::{Docker, IMAGE, Plugin, wait};
use flows::server::shown;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const UNMODIFIED: &str = "version: '3.8'
services:
  web:
    image: cofferdam-flows:base
    user: '1000:1000'
    command: sleep 600
    network_mode: none
    environment: {DB_PASSWORD_FILE: /run/secrets/db}
    secrets: [db]
secrets:
  db: {external: true}
";

#[test]
fn an_unmodified_file_with_external_secrets_is_read_by_its_user_alone() {
    let server = Server::up();
    let docker = Docker::start("external");
    let plugin = Plugin::start(&docker, &server);
    let value = canary();
    put(&server, "secret/db", value.as_bytes());
    let compose = Compose::new(&server, &docker, &plugin, UNMODIFIED);
    compose.run(&["up", "-d"]);

    assert_eq!(compose.exec("web", &["cat", "/run/secrets/db"]), value);
    let stat = ["stat", "-Lc", "%u:%g %a", "/run/secrets/db"];
    assert_eq!(compose.exec("web", &stat), "1000:1000 400");
    let mounts = compose.exec("web", &["grep", "/run/secrets", "/proc/mounts"]);
    assert!(mounts.contains(" tmpfs ro,nosuid,nodev,noexec"), "{mounts}");
    let web = compose.container("web");
    let other = docker.output(&["exec", "-u", "1001", &web, "cat", "/run/secrets/db"]);
    assert!(!other.status.success(), "another user of the container");
    // Another user of the host, by the path on the host and through the process.
    let pid = docker.run(&["inspect", "-f", "{{.State.Pid}}", &web]);
    let volume = compose.volumes();
    let below = server.directory().path().join("plugin-run/volumes");
    let path = below.join(&volume).join("db");
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        value,
        "for root it is there"
    );
    for path in [
        path.display().to_string(),
        format!("/proc/{pid}/root/run/secrets/db"),
    ] {
        let read = Command::new("setpriv")
            .args([
                "--reuid=1001",
                "--regid=1001",
                "--clear-groups",
                "cat",
                &path,
            ])
            .output()
            .unwrap();
        assert!(!read.status.success() && read.stdout.is_empty(), "{path}");
    }
    // In plain sight nowhere.
    for command in [
        &["inspect", &web][..],
        &["volume", "inspect", &volume],
        &["export", &web],
    ] {
        let output = docker.output(command);
        assert!(output.status.success() && !output.stdout.is_empty());
        assert!(
            !contains(&output.stdout, value.as_bytes()),
            "in docker {command:?}"
        );
    }
    let inspect = docker.run(&["inspect", "-f", "{{.Config.Env}}", &web]);
    assert!(
        inspect.contains("DB_PASSWORD_FILE=/run/secrets/db"),
        "{inspect}"
    );
    let places = ["/var/lib/docker", "/run/docker", "/run/containerd", "/tmp"];
    for place in places.map(Path::new) {
        assert_eq!(files_with(place, &value), Vec::<std::path::PathBuf>::new());
    }

    // Once more changes nothing; the end takes everything away.
    let id = docker.run(&["inspect", "-f", "{{.Id}}", &web]);
    compose.run(&["up", "-d"]);
    assert_eq!(docker.run(&["inspect", "-f", "{{.Id}}", &web]), id);
    assert_eq!(std::fs::read_to_string(compose.file()).unwrap(), UNMODIFIED);
    compose.run(&["down", "-t", "0"]);
    assert_eq!(plugin.mounts(), 0);
    assert_eq!(compose.volumes(), "", "a volume is left");
}

#[test]
fn the_owner_is_who_the_image_or_the_file_says() {
    let server = Server::up();
    let docker = Docker::start("owner");
    let plugin = Plugin::start(&docker, &server);
    put(&server, "secret/x", b"value");
    put(&server, "secret/y", b"value");
    let accounts = [
        ("passwd", "root:x:0:0::/:\napp:x:1000:1001::/:\n"),
        ("group", "root:x:0:\nstaff:x:50:\n"),
    ];
    let base = format!("FROM {IMAGE}\nCOPY passwd group /etc/\n");
    let built = |what: &str, more: &str| image(&docker, what, &format!("{base}{more}"), &accounts);
    let by_name = built("name", "USER app\nVOLUME /data\n");
    let by_group = built("group", "USER app:staff\n");
    let by_number = built("number", "USER 1000\n");
    let unlisted = built("unlisted", "USER 4242\n");
    // /etc/passwd is a link, and the target of the secrets is one that leads elsewhere.
    let linked = built(
        "linked",
        "RUN [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox mv /etc/passwd /etc/real && \
         /bin/busybox ln -s real /etc/passwd && /bin/busybox mkdir -p /elsewhere && \
         /bin/busybox ln -s /elsewhere /run/secrets\"]\nUSER app\n",
    );
    let mut text = "version: '3.8'\nx-none: &common {command: sleep 600, network_mode: none}\n\
                    services:\n"
        .to_owned();
    let services = [
        ("name", &by_name, "secrets: [x]", "1000:1001 400"),
        ("group", &by_group, "secrets: [x]", "1000:50 400"),
        ("number", &by_number, "secrets: [x]", "1000:1001 400"),
        ("unlisted", &unlisted, "secrets: [x]", "4242:0 400"),
        ("linked", &linked, "secrets: [x]", "1000:1001 400"),
        (
            "readonly",
            &by_name,
            "read_only: true, secrets: [x]",
            "1000:1001 400",
        ),
        ("user", &by_name, "user: '7', secrets: [x]", "7:0 400"),
        (
            "usergroup",
            &by_name,
            "user: 'app:60', secrets: [x]",
            "1000:60 400",
        ),
        (
            "long",
            &by_name,
            "secrets: [{source: x, uid: '5', gid: '6', mode: 0440}]",
            "5:6 440",
        ),
    ];
    for (name, image, more, _) in services {
        writeln!(text, "  {name}: {{<<: *common, image: '{image}', {more}}}").unwrap();
    }
    text += "secrets:\n  x: {external: true}\n";
    let compose = Compose::new(&server, &docker, &plugin, &text);
    compose.run(&["up", "-d"]);
    let stat = ["stat", "-Lc", "%u:%g %a", "/run/secrets/x"];
    for (name, _, _, expected) in services {
        assert_eq!(compose.exec(name, &stat), expected, "{name}");
        // Through the user that runs there, not only by numbers.
        if name != "long" {
            assert_eq!(
                compose.exec(name, &["cat", "/run/secrets/x"]),
                "value",
                "{name}"
            );
        }
    }
    let elsewhere = compose.exec("linked", &["ls", "/elsewhere"]);
    assert_eq!(
        elsewhere, "x",
        "the mount is where the link leads, in the container"
    );
    assert!(!Path::new("/elsewhere").exists(), "nothing on the host");
    let left = docker.run(&["ps", "-aq", "--filter", "label=cofferdam.look"]);
    assert_eq!(left, "", "a container that was looked into is left");
    assert_eq!(compose.exec("name", &["ls", "/data"]), "");
}

#[test]
fn targets_and_files_of_others_stand_side_by_side_or_are_refused() {
    let server = Server::up();
    let docker = Docker::start("target");
    let plugin = Plugin::start(&docker, &server);
    put(&server, "secret/shop/KEY", b"key");
    put(&server, "secret/shop/PASSWORD", b"password");
    let text = format!(
        "version: '3.8'\nservices:\n  web:\n    image: {IMAGE}\n    user: '1000'\n    \
         command: sleep 600\n    network_mode: none\n    secrets:\n    - plain\n    \
         - {{source: password, target: db.password}}\n    \
         - {{source: key, target: /srv/tls/key.pem, mode: 0444}}\n\
         secrets:\n  plain: {{file: ./plain}}\n  password: {{file: 'cofferdam:secret/shop/PASSWORD'}}\n  \
         key: {{labels: {{cofferdam.ref: secret/shop/KEY}}}}\n"
    );
    let compose = Compose::new(&server, &docker, &plugin, &text);
    std::fs::write(compose.directory().join("plain"), "plain").unwrap();
    compose.run(&["up", "-d"]);
    for (path, value) in [
        ("/run/secrets/plain", "plain"),
        ("/run/secrets/db.password", "password"),
        ("/srv/tls/key.pem", "key"),
    ] {
        assert_eq!(compose.exec("web", &["cat", path]), value);
    }
    let mode = ["stat", "-Lc", "%a", "/srv/tls/key.pem"];
    assert_eq!(compose.exec("web", &mode), "444");
    compose.run(&["down", "-t", "0"]);
    // /bin of the image would be hidden.
    std::fs::write(compose.file(), text.replace("/srv/tls/", "/bin/")).unwrap();
    let refused = compose.output(&["up", "-d"]);
    assert!(!refused.status.success());
    let said = shown(&refused);
    assert!(said.contains("the image has something at /bin"), "{said}");
    assert_eq!(plugin.mounts(), 0);
}

#[test]
fn every_value_arrives_byte_for_byte_or_not_at_all() {
    let server = Server::up();
    let docker = Docker::start("values");
    let plugin = Plugin::start(&docker, &server);
    let big = |size: usize| "x".repeat(size).into_bytes();
    let values: [(&str, Vec<u8>); 9] = [
        ("one", b"1".to_vec()),
        ("nul", b"a\0b".to_vec()),
        ("dollar", b"p$A${B}$$c`d`".to_vec()),
        ("quotes", b"it's \"q\" = \\ #".to_vec()),
        ("newlines", b"\n\n\n".to_vec()),
        ("crlf", b"a\r\nb\r\n".to_vec()),
        ("bom", b"\xef\xbb\xbfx".to_vec()),
        ("below", big(500 * 1024 - 2)),
        ("largest", big(500 * 1024 - 1)),
    ];
    let mut text = format!(
        "version: '3.8'\nservices:\n  web:\n    image: {IMAGE}\n    command: sleep 600\n    \
         network_mode: none\n    secrets: [{}]\nsecrets:\n",
        values.each_ref().map(|(name, _)| *name).join(", ")
    );
    for (name, value) in &values {
        put(&server, &format!("secret/{name}"), value);
        writeln!(text, "  {name}: {{external: true}}").unwrap();
    }
    let compose = Compose::new(&server, &docker, &plugin, &text);
    compose.run(&["up", "-d"]);
    for (name, value) in &values {
        let path = format!("/run/secrets/{name}");
        let container = compose.container("web");
        let read = docker.output(&["exec", &container, "cat", &path]);
        assert!(read.stdout == *value, "{name}: {} bytes", read.stdout.len());
    }
    compose.run(&["down", "-t", "0"]);
    for size in [500 * 1024, 500 * 1024 + 1] {
        put(&server, "secret/largest", &big(size));
        let refused = compose.output(&["up", "-d"]);
        let said = shown(&refused);
        assert!(!refused.status.success(), "{said}");
        assert!(
            said.contains("largest: 51200") && said.contains("511999 fit"),
            "{said}"
        );
    }
    // One that is not there, and an empty one: the next command is said, nothing runs.
    for (make, reason) in [("delete", "no secret at"), ("put", "is empty")] {
        if make == "delete" {
            server.run(&["kv", "metadata", "delete", "secret/largest"]);
        } else {
            put(&server, "secret/largest", b"");
        }
        let refused = compose.output(&["up", "-d"]);
        let said = shown(&refused);
        assert!(!refused.status.success() && said.contains(reason), "{said}");
        assert!(
            said.contains("next: cofferdam kv put secret/largest value=-"),
            "{said}"
        );
    }
    assert_eq!(plugin.mounts(), 0);
}

#[test]
fn a_hostile_file_is_refused_by_line_before_compose_sees_it() {
    let server = Server::up();
    let docker = Docker::start("hostile");
    let plugin = Plugin::start(&docker, &server);
    let compose = Compose::new(&server, &docker, &plugin, UNMODIFIED);
    let mut bomb = "version: '3.8'\nx-0: &x0 [a,a,a,a,a,a,a,a,a,a]\n".to_owned();
    for n in 1..9 {
        let all = vec![format!("*x{}", n - 1); 10].join(",");
        writeln!(bomb, "x-{n}: &x{n} [{all}]").unwrap();
    }
    for (text, reason) in [
        (bomb.as_str(), "line 7: aliases would make"),
        (
            "services:\n  a: {image: x}\n  a: {image: y}\n",
            "line 3: the same key a second time",
        ),
        ("services:\n\ta: {}\n", "line 2: a tab in the indentation"),
        (
            "services:\n  a: {extends: a}\n",
            "line 2: extends goes in a circle",
        ),
        (
            "include: ['http://127.0.0.1:9/x.yml']\n",
            "line 1: a file from elsewhere is not fetched",
        ),
        (
            "services:\n  a: {image: x, secrets: [e]}\nsecrets:\n  e: {external: true, name: '$'}\n",
            "line 4: a \"$\" that begins no variable",
        ),
    ] {
        std::fs::write(compose.file(), text).unwrap();
        let begin = Instant::now();
        let refused = compose.output(&["up", "-d"]);
        let said = shown(&refused);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(reason), "{reason}: {said}");
        assert!(begin.elapsed().as_secs() < 20, "{reason}");
    }
    std::fs::write(compose.file(), UNMODIFIED).unwrap();
}

#[test]
fn other_options_are_another_volume_and_the_old_one_goes() {
    let server = Server::up();
    let docker = Docker::start("options");
    let plugin = Plugin::start(&docker, &server);
    put(&server, "secret/db", b"value");
    let compose = Compose::new(&server, &docker, &plugin, UNMODIFIED);
    compose.run(&["up", "-d"]);
    let before = compose.volumes();
    std::fs::write(compose.file(), UNMODIFIED.replace("1000:1000", "1001:1001")).unwrap();
    compose.run(&["up", "-d", "-t", "0"]);
    assert_eq!(compose.exec("web", &["cat", "/run/secrets/db"]), "value");
    let after = compose.volumes();
    assert_eq!(after.lines().count(), 1, "{after}");
    assert_ne!(before, after);
    assert_eq!(plugin.mounts(), 1);
    // Commands that start nothing see the same project.
    let listed = compose.run(&["ps", "-q"]);
    let id = docker.run(&["inspect", "-f", "{{.Id}}", &compose.container("web")]);
    assert!(listed.contains(&id), "{listed}");
    // `run` gets the secrets, too.
    let ran = compose.run(&["run", "--rm", "web", "cat", "/run/secrets/db"]);
    assert!(ran.contains("\nvalue"), "{ran}");
    // What it prints is masked.
    let value = flows::canary::canary();
    put(&server, "secret/db", value.as_bytes());
    flows::docker::wait("the new value, by its name", || {
        let ran = compose.run(&["run", "--rm", "web", "cat", "/run/secrets/db"]);
        assert!(!ran.contains(&value), "{ran}");
        ran.contains("‹secret:secret/db@2›").then_some(())
    });
}

#[test]
fn a_change_arrives_in_place_and_its_reader_is_told() {
    let server = Server::up();
    let docker = Docker::start("change");
    let plugin = Plugin::start(&docker, &server);
    put(&server, "secret/db", b"first");
    // A name for the owner: it is found once, and the renewed file has the same.
    let accounts = [("passwd", "root:x:0:0::/:\napp:x:1000:1001::/:\n")];
    let dockerfile = format!("FROM {IMAGE}\nCOPY passwd /etc/\nUSER app\n");
    let named = image(&docker, "named", &dockerfile, &accounts);
    let text = format!(
        "version: '3.8'\nservices:\n  web:\n    image: {named}\n    network_mode: none\n    \
         labels: {{cofferdam.on_change: 'signal:HUP'}}\n    tmpfs: [/tmp]\n    \
         command: [sh, -c, 'trap \"cat /run/secrets/db >/tmp/told\" HUP; touch /tmp/ready; \
         while true; do sleep 0.1; done']\n    secrets: [db, plain]\n\
         secrets:\n  db: {{external: true}}\n  plain: {{file: ./plain}}\n"
    );
    let compose = Compose::new(&server, &docker, &plugin, &text);
    std::fs::write(compose.directory().join("plain"), "plain").unwrap();
    compose.run(&["up", "-d"]);
    let web = compose.container("web");
    let in_web = |words: &[&str]| docker.output(&[&["exec", &web], words].concat());
    wait("the trap", || {
        in_web(&["ls", "/tmp/ready"]).status.success().then_some(())
    });
    let id = docker.run(&["inspect", "-f", "{{.Id}} {{.State.StartedAt}}", &web]);
    put(&server, "secret/db", b"second");
    wait("the signal", || {
        let told = in_web(&["cat", "/tmp/told"]);
        (told.stdout == b"second").then_some(())
    });
    assert_eq!(compose.exec("web", &["cat", "/run/secrets/db"]), "second");
    assert_eq!(compose.exec("web", &["cat", "/run/secrets/plain"]), "plain");
    let stat = ["stat", "-Lc", "%u:%g %a", "/run/secrets/db"];
    assert_eq!(compose.exec("web", &stat), "1000:1001 400");
    let other = docker.output(&["exec", "-u", "1002", &web, "cat", "/run/secrets/db"]);
    assert!(!other.status.success(), "another user of the container");
    let now = docker.run(&["inspect", "-f", "{{.Id}} {{.State.StartedAt}}", &web]);
    assert_eq!(id, now, "the container is the same, and was not restarted");
}

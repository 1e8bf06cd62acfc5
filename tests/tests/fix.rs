//! `cofferdam fix` on the projects of `examples/fix`, started before and after on a real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::compose::image;
use flows::docker::{Docker, Plugin, wait};
use flows::server::{portable, shown};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

/// Stands in for what the examples run: one image under all of their names. It takes its password as
/// the real ones do, from a variable, from the file that another names, or among its arguments.
const ENTRYPOINT: &str = "#!/bin/sh
for name in POSTGRES_PASSWORD MYSQL_ROOT_PASSWORD; do
    eval value=\\${$name:-} file=\\${${name}_FILE:-}
    [ -n \"$file\" ] && value=$(cat \"$file\")
    [ -n \"$value\" ] && echo \"$value\" >/tmp/password
done
exec \"$@\"
";
const SERVE: &str = "#!/bin/sh
while [ $# -gt 0 ]; do
    [ \"$1\" = --requirepass ] && echo \"$2\" >/tmp/password
    shift
done
trap 'exit 0' TERM
while :; do sleep 3600 & wait $!; done
";
/// `mysqladmin ping -pX`, `redis-cli --pass X ping`, `pg_isready`.
const ASK: &str = "#!/bin/sh
case \"$0\" in
*pg_isready) [ -s /tmp/password ] ;;
*mysqladmin) [ \"$2\" = \"-p$(cat /tmp/password)\" ] ;;
*redis-cli) [ \"$2\" = \"$(cat /tmp/password)\" ] ;;
esac
";
const DOCKERFILE: &str = "FROM cofferdam-flows:base
COPY entrypoint /bin/entrypoint
COPY serve /bin/serve
COPY serve /bin/redis-server
COPY ask /bin/pg_isready
COPY ask /bin/mysqladmin
COPY ask /bin/redis-cli
RUN busybox chmod 755 /bin/entrypoint /bin/serve /bin/redis-server /bin/pg_isready /bin/mysqladmin /bin/redis-cli && busybox mkdir -m 1777 /tmp
ENTRYPOINT [\"/bin/entrypoint\"]
CMD [\"serve\"]
";
const NAMES: [&str; 8] = [
    "fix/plain:latest",
    "fix-example/shop:latest",
    "postgres:15",
    "postgres:latest",
    "mysql:8",
    "redis:7",
    "registry.local:5000/grafana/grafana:11",
    "mysql:latest",
];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/fix")
}

/// Every value of the examples: what no output and no file may hold afterwards.
const VALUES: [&str; 20] = [
    "wT7mKq29xLrP4",
    "9fQ2vLx7Rk3mWp8TzB5n",
    "nP4$xq-Rk9wLm2",
    "hV5tRw82QkZx",
    "zK8wXv3nQm5t",
    "Qm7xTz4vKw92",
    "Lr8vKx42mQwZ",
    "Tz5nWq83xRkP",
    "7c1f9be24d3a8056e7b2c94f10d6a3b8",
    "Zq6wRt93kXmL",
    "Bv4kQz71wMxT",
    "npm_4Kx8QzR7wLm2vT9nB5sHc6Jd1Fp3Gy0Ae8Uo",
    "4QzR-8wKx-T29m-LvP7-nB5s",
    "xT5wKq84RmLz",
    "wR9kXz52TmQv",
    "Kx7vQm38wZrT",
    "Mz3wXk95QtRv",
    "vK4xZq-81wRmT",
    "zK8wXv3nQm5t",
    "hV5tRw82QkZx",
];

struct Place<'t> {
    server: &'t Server,
    driver: String,
}

impl Place<'_> {
    fn fix(&self, directory: &Path, flags: &[&str]) -> Output {
        let shim = portable().display().to_string();
        let mut words = vec!["fix", "-driver", &self.driver, "-shim", &shim];
        words.extend(flags);
        let mut command = self.server.command(&words);
        command
            .arg(directory)
            // The client that the engine's package brought: one without BuildKit lends no build secret.
            .env(
                "PATH",
                format!("/usr/bin:{}", std::env::var("PATH").unwrap()),
            )
            .output()
            .expect("the program starts")
    }

    /// As it is checked in: with the usual names.
    fn usual(&self, text: &str) -> String {
        text.replace(&format!("driver: {}", self.driver), "driver: cofferdam")
            .replace(
                &portable().display().to_string(),
                "/usr/local/bin/cofferdam",
            )
    }
}

fn copied(name: &str, to: &Path) -> PathBuf {
    let directory = to.join(name);
    std::fs::create_dir(&directory).unwrap();
    for entry in std::fs::read_dir(examples().join(name)).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "fix.diff" {
            std::fs::copy(entry.path(), directory.join(entry.file_name())).unwrap();
        }
    }
    directory
}

fn texts(directory: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

fn holds_none(what: &str, text: &str) {
    for value in VALUES {
        assert!(
            !text.contains(value),
            "{what} holds a value: {}",
            &value[..4]
        );
    }
}

/// One example: the diff that is checked in, both variants verified, and nothing left to do.
fn one(place: &Place<'_>, name: &str, directory: &Path) {
    let dry = place.fix(directory, &[]);
    assert_eq!(dry.status.code(), Some(1), "{name}: {}", shown(&dry));
    let before = texts(directory);
    let done = place.fix(directory, &["-write", "-verify"]);
    assert_eq!(done.status.code(), Some(0), "{name}: {}", shown(&done));
    let diff = String::from_utf8(done.stdout.clone()).unwrap();
    let said = String::from_utf8(done.stderr.clone()).unwrap();
    holds_none(name, &shown(&done));
    assert!(said.contains("verified: "), "{name}: {said}");
    assert_eq!(
        dry.stdout, done.stdout,
        "{name}: the same is shown without -write"
    );
    let snapshot = examples().join(name).join("fix.diff");
    let usual = place.usual(&diff);
    if std::env::var_os("COFFERDAM_UPDATE").is_some() {
        std::fs::write(&snapshot, &usual).unwrap();
    }
    let kept = std::fs::read_to_string(&snapshot).unwrap_or_default();
    assert_eq!(
        usual, kept,
        "{name}: COFFERDAM_UPDATE=1 writes fix.diff anew"
    );
    let after = texts(directory);
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>(),
        "{name}"
    );
    for (file, text) in &after {
        holds_none(&format!("{name}/{file}"), text);
    }
    let again = place.fix(directory, &["-write"]);
    assert_eq!(again.status.code(), Some(0), "{name}: {}", shown(&again));
    assert!(
        again.stdout.is_empty() && shown(&again).contains("nothing to change"),
        "{name}: {}",
        shown(&again)
    );
}

/// Names for the stand-in; removed at the end.
struct Names<'t>(&'t Docker);

impl Drop for Names<'_> {
    fn drop(&mut self) {
        for name in NAMES {
            self.0.output(&["image", "rm", name]);
        }
    }
}

#[test]
fn every_example_is_rewritten_and_behaves_as_before() {
    let server = Server::up();
    let docker = Docker::start("fix");
    let plugin = Plugin::start(&docker, &server);
    let files = [("entrypoint", ENTRYPOINT), ("serve", SERVE), ("ask", ASK)];
    let plain = image(&docker, "plain", DOCKERFILE, &files);
    let _names = Names(&docker);
    for name in NAMES {
        docker.run(&["tag", &plain, name]);
    }
    let place = Place {
        server: &server,
        driver: plugin.driver().to_owned(),
    };
    let directory = tempfile::tempdir().unwrap();
    let entries = std::fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap());
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 12, "{names:?}");
    if let Ok(only) = std::env::var("COFFERDAM_EXAMPLE") {
        names.retain(|name| name.contains(&only));
        assert!(!names.is_empty(), "no example is called like {only}");
    }
    let queue = Mutex::new(names.clone().into_iter());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some(name) = queue.lock().unwrap().next() else {
                        return;
                    };
                    let project = copied(&name, directory.path());
                    one(&place, &name, &project);
                }
            });
        }
    });
    if names.len() < 12 {
        return;
    }
    // What the command says of itself is looked at from outside, once: the unmodified Compose starts
    // the rewritten project, and the process has what it had.
    let project = directory.path().join("06-url-and-user");
    let name = docker.name("outside");
    let compose = |words: &[&str]| {
        let mut command = Command::new("docker-compose");
        command
            .args(["-p", &name])
            .args(words)
            .current_dir(&project)
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
    };
    compose(&["up", "-d"]);
    let container = format!("{name}_api_1");
    let url = "DATABASE_URL=postgres://shop:Lr8vKx42mQwZ@db:5432/shop?sslmode=disable";
    // What starts the program is there first, and has the name of a file.
    wait("the program", || {
        let output = docker.output(&["exec", &container, "cat", "/proc/1/environ"]);
        let environment = String::from_utf8_lossy(&output.stdout);
        environment.split('\0').any(|one| one == url).then_some(())
    });
    holds_none("docker inspect", &docker.run(&["inspect", &container]));
    compose(&["down", "-v", "-t", "0"]);
    // And the store has them, marked as exposed.
    let stored = server.run(&[
        "kv",
        "get",
        "-field=value",
        "secret/06-url-and-user/BROKER_URL",
    ]);
    assert_eq!(stored.trim_end(), "amqp://shop:Tz5nWq83xRkP@mq:5672/");
    let metadata = server.run(&["kv", "metadata", "get", "secret/06-url-and-user/BROKER_URL"]);
    assert!(
        metadata.contains("exposed") && metadata.contains("docker-compose.yml line 9"),
        "{metadata}"
    );
    let all = server.run(&["kv", "list", "secret"]);
    assert!(!all.contains("-fix-"), "trials leave nothing: {all}");
}

#[test]
fn a_kill_between_two_writes_leaves_each_file_old_or_new() {
    let server = Server::up();
    let directory = tempfile::tempdir().unwrap();
    let project = directory.path().join("many");
    std::fs::create_dir(&project).unwrap();
    let value = "wT7mKq29xLrP4";
    let mut compose = "services:\n".to_owned();
    for n in 0..40 {
        compose += &format!("  s{n}:\n    image: postgres\n    env_file: e{n}.env\n");
        let padding = "# padding\n".repeat(2000);
        std::fs::write(
            project.join(format!("e{n}.env")),
            format!("{padding}POSTGRES_PASSWORD={value}{n}\n"),
        )
        .unwrap();
    }
    std::fs::write(project.join("docker-compose.yml"), &compose).unwrap();
    std::fs::set_permissions(
        project.join("e1.env"),
        std::fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    let before = texts(&project);
    let mut whole = server.command(&["fix", "-write"]);
    let mut child = whole
        .arg(&project)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The moment comes from what is seen: the first file that is new.
    wait("the first file", || {
        let now = std::fs::read_to_string(project.join("docker-compose.yml")).unwrap();
        (now != before["docker-compose.yml"]).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut old, mut new) = (0, 0);
    for (name, text) in &before {
        let now = std::fs::read_to_string(project.join(name)).unwrap();
        if now == *text {
            old += 1;
        } else {
            new += 1;
            let wanted = if name == "docker-compose.yml" {
                "driver: cofferdam"
            } else {
                "POSTGRES_PASSWORD_FILE=/run/secrets/"
            };
            assert!(
                now.contains(wanted) && now.ends_with('\n'),
                "{name} is neither old nor new"
            );
            assert!(
                name == "docker-compose.yml" || now.len() > 20_000,
                "{name} is cut"
            );
        }
    }
    assert!(
        new >= 1 && old + new == before.len(),
        "{old} old, {new} new"
    );
}

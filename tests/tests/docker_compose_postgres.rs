//! PostgreSQL through Compose with `POSTGRES_PASSWORD_FILE`, in an image of this machine's files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::{canary, contains, files_with};
use flows::compose::{Compose, put};
use flows::docker::{Docker, Plugin, client, wait};
use flows::server::shown;
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As the official image: the password comes from a file, and the server trusts nobody.
const ENTRYPOINT: &str = "#!/bin/sh
set -eu
if [ ! -s /data/PG_VERSION ]; then
    initdb -D /data -U postgres --auth=scram-sha-256 --pwfile=\"$POSTGRES_PASSWORD_FILE\" \\
        --no-sync --no-instructions -E UTF8 --locale=C >/dev/null
    echo 'host all all 127.0.0.1/32 scram-sha-256' >/data/pg_hba.conf
fi
exec postgres -D /data -c listen_addresses=127.0.0.1 -c fsync=off -k /tmp
";

/// `/usr/lib/postgresql/N` of Debian.
fn installed() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let mut all: Vec<_> = versions
        .expect("PostgreSQL is installed: apt-get install postgresql")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("bin/initdb").exists())
        .collect();
    all.sort();
    all.pop().expect("a PostgreSQL with initdb")
}

fn libraries(programs: &[PathBuf]) -> BTreeSet<PathBuf> {
    let listed = Command::new("ldd").args(programs).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let words = text.split_whitespace();
    words
        .filter(|w| w.starts_with('/') && !w.ends_with(':'))
        .map(PathBuf::from)
        .collect()
}

fn copy(from: &Path, root: &Path) {
    let to = root.join(from.strip_prefix("/").unwrap());
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = Command::new("cp").arg("-rL").arg(from).arg(&to).status();
    assert!(copied.unwrap().success(), "{}", from.display());
}

fn image(docker: &Docker) -> String {
    let home = installed();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let programs = ["initdb", "postgres", "psql"].map(|name| home.join("bin").join(name));
    let modules = ["dict_snowball.so", "plpgsql.so"].map(|name| home.join("lib").join(name));
    let all = [programs.as_slice(), modules.as_slice()].concat();
    for path in libraries(&all).iter().chain(&all) {
        copy(path, root);
    }
    let version = home.file_name().unwrap();
    let share = Path::new("/usr/share/postgresql").join(version);
    copy(&share, root);
    let _ = std::fs::remove_dir_all(root.join("usr/share/postgresql").join(version).join("man"));
    for name in ["etc", "tmp", "data", "run/secrets", "bin", "var/lib"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/:\npostgres:x:999:998::/data:\n",
    )
    .unwrap();
    std::fs::write(root.join("etc/group"), "root:x:0:\npostgres:x:998:\n").unwrap();
    std::fs::write(root.join("entrypoint"), ENTRYPOINT).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for name in ["sh", "cat", "stat"] {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    let name = docker.name("postgres");
    let path = format!("PATH={}:/bin", home.join("bin").display());
    let script = format!(
        "chmod 755 entrypoint; chmod 1777 tmp; chown 999:998 data; chmod 700 data; tar -c . | \
         {} import -c 'USER postgres' -c 'ENV {path}' -c 'ENTRYPOINT [\"/entrypoint\"]' - {name}",
        client()
    );
    let made = Command::new("sh")
        .args(["-c", &script])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", shown(&made));
    name
}

#[test]
fn postgres_takes_its_password_from_the_file_and_inspect_shows_none() {
    let server = Server::up();
    let docker = Docker::start("postgres");
    let plugin = Plugin::start(&docker, &server);
    let password = canary();
    put(
        &server,
        "secret/shop/POSTGRES_PASSWORD",
        password.as_bytes(),
    );
    let text = format!(
        "version: '3.8'\nservices:\n  db:\n    image: {}\n    network_mode: none\n    \
         environment: {{POSTGRES_PASSWORD_FILE: /run/secrets/POSTGRES_PASSWORD}}\n    \
         secrets: [POSTGRES_PASSWORD]\nsecrets:\n  \
         POSTGRES_PASSWORD: {{file: 'cofferdam:secret/shop/POSTGRES_PASSWORD'}}\n",
        image(&docker)
    );
    let compose = Compose::new(&server, &docker, &plugin, &text);
    compose.run(&["up", "-d"]);
    // The user of the image is a name; the image has something at /run/secrets (an empty directory).
    let stat = ["stat", "-Lc", "%u:%g %a", "/run/secrets/POSTGRES_PASSWORD"];
    assert_eq!(compose.exec("db", &stat), "999:998 400");

    let container = compose.container("db");
    let login = |password: &str| {
        let url = "host=127.0.0.1 user=postgres dbname=postgres connect_timeout=5";
        let script = format!("PGPASSWORD=\"$1\" psql -qtA -d '{url}' -c 'select 40 + 2'");
        docker.output(&["exec", &container, "sh", "-c", &script, "sh", password])
    };
    wait("PostgreSQL to take the password", || {
        let output = login(&password);
        (output.stdout == b"42\n").then_some(())
    });
    let wrong = login("wrong");
    assert!(
        shown(&wrong).contains("password authentication failed"),
        "{}",
        shown(&wrong)
    );

    let environment = docker.run(&["inspect", "-f", "{{json .Config.Env}}", &container]);
    assert!(
        environment.contains("POSTGRES_PASSWORD_FILE="),
        "{environment}"
    );
    for command in [
        &["inspect", &container][..],
        &["logs", &container],
        &["export", &container],
    ] {
        let output = docker.output(command);
        assert!(
            !contains(&output.stdout, password.as_bytes()),
            "in docker {command:?}"
        );
        assert!(
            !contains(&output.stderr, password.as_bytes()),
            "in docker {command:?}"
        );
    }
    let found = files_with(Path::new("/var/lib/docker"), &password);
    assert_eq!(found, Vec::<PathBuf>::new());
}

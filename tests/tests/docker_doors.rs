//! The other doors: Docker's command line, its credential helper, podman's driver, `se://`, and
//! `secret` for hands that know `docker secret`. Each with the real program on the other side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::{canary, files_with};
use flows::docker::{Docker, client};
use flows::server::{binary, shown};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A program that finds our links, our server and a home of its own.
fn program(server: &Server, name: &str) -> Command {
    let home = server.directory().path();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", format!("{}:{path}", home.join("bin").display()))
        .env("DOCKER_CONFIG", home.join("docker"))
        .env(
            "COFFERDAM_ADDR",
            format!("unix://{}", server.socket().display()),
        );
    command
}

fn fed(mut command: Command, input: &str) -> Output {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program is installed");
    // One that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", shown(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn docker_has_a_command_of_our_name() {
    let server = Server::up();
    let docker = Docker::start("plugin");
    let install = program(&server, binary().to_str().unwrap())
        .args(["docker-plugin", "install"])
        .output()
        .unwrap();
    assert!(text(&install).ends_with("/docker/cli-plugins/docker-cofferdam\n"));
    let run = |arguments: &[&str]| program(&server, client()).args(arguments).output().unwrap();
    let help = text(&run(&["--help"]));
    assert!(
        help.contains("cofferdam*") && help.contains("Secrets for containers"),
        "{help}"
    );
    text(&run(&["cofferdam", "kv", "put", "secret/a", "value=x"]));
    assert_eq!(
        text(&run(&[
            "cofferdam",
            "kv",
            "get",
            "-field=value",
            "secret/a"
        ])),
        "x"
    );
    // Docker's own flags stand before our name, and the engine they choose is the one we ask.
    let socket = ["-H", "unix:///nowhere.sock"];
    let lost = run(&[&socket[..], &["cofferdam", "report", "leaks"]].concat());
    assert!(
        text(&lost).contains("/nowhere.sock does not exist"),
        "{}",
        shown(&lost)
    );
    // An exit code goes through.
    let failed = run(&[
        "-D",
        "cofferdam",
        "run",
        "-secret=a",
        "--",
        "sh",
        "-c",
        "exit 9",
    ]);
    assert_eq!(failed.status.code(), Some(9), "{}", shown(&failed));
    drop(docker);
}

/// A registry that knows one user: `/v2/` is all that a login asks for.
fn registry(password: &str) -> u16 {
    use std::fmt::Write as _;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let wanted = base64(format!("user:{password}").as_bytes());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut byte = [0];
            // A TLS hello has no such end; the first byte of it tells.
            while !request.ends_with(b"\r\n\r\n") && request.first() != Some(&0x16) {
                if !stream.read(&mut byte).is_ok_and(|count| count == 1) {
                    break;
                }
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let known = request.contains(&format!("Basic {wanted}"));
            let mut answer = String::from("HTTP/1.1 ");
            answer.push_str(if known { "200 OK" } else { "401 Unauthorized" });
            write!(answer, "\r\nWWW-Authenticate: Basic realm=\"flow\"\r\nDocker-Distribution-Api-Version: registry/2.0\r\n").unwrap();
            answer.push_str("Content-Length: 2\r\nConnection: close\r\n\r\n{}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk
            .iter()
            .fold(0_u32, |n, byte| (n << 8) | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    out
}

#[test]
fn docker_login_keeps_its_password_in_the_store() {
    let server = Server::up();
    let docker = Docker::start("login");
    let password = canary();
    let registry = format!("127.0.0.1:{}", registry(&password));
    let home = server.directory().path();
    std::fs::create_dir_all(home.join("bin")).unwrap();
    std::fs::create_dir_all(home.join("docker")).unwrap();
    symlink(binary(), home.join("bin/docker-credential-cofferdam")).unwrap();
    let config = home.join("docker/config.json");
    std::fs::write(&config, r#"{"credsStore": "cofferdam"}"#).unwrap();
    let mut login = program(&server, client());
    login.args(["login", "-u", "user", "--password-stdin", &registry]);
    let login = fed(login, &password);
    assert!(
        text(&login).contains("Login Succeeded"),
        "{}",
        shown(&login)
    );
    assert_eq!(
        files_with(home, &password),
        Vec::<std::path::PathBuf>::new()
    );
    let stored = server.run(&[
        "kv",
        "get",
        "-field=password",
        &format!("secret/docker/registries/{registry}"),
    ]);
    assert_eq!(stored, password);
    // With what is stored a login needs no password.
    let mut again = program(&server, client());
    again.args(["login", &registry]);
    assert!(text(&fed(again, "")).contains("Login Succeeded"));
    let mut list = program(&server, "docker-credential-cofferdam");
    list.arg("list");
    assert_eq!(
        text(&fed(list, "unused")),
        format!("{{\"{registry}\":\"user\"}}\n")
    );
    let mut logout = program(&server, client());
    text(&logout.args(["logout", &registry]).output().unwrap());
    let mut get = program(&server, "docker-credential-cofferdam");
    get.arg("get");
    let gone = fed(get, &registry);
    assert_eq!(gone.status.code(), Some(1));
    assert_eq!(gone.stdout, b"credentials not found in native keychain\n");
    let config = std::fs::read_to_string(config).unwrap();
    assert!(!config.contains(&password), "{config}");
    drop(docker);
}

#[test]
fn podman_keeps_references_and_values_in_the_store() {
    let server = Server::up();
    let home = server.directory().path();
    let value = canary();
    server.run(&["kv", "put", "secret/shop", &format!("password={value}")]);
    let ours = |arguments: &[&str], id: &str| {
        program(&server, binary().to_str().unwrap())
            .args(arguments)
            .env("SECRET_ID", id)
            .output()
            .unwrap()
    };
    let create = text(&ours(&["podman-secret", "options"], ""));
    let roots = format!(
        "--root {0}/root --runroot {0}/run --storage-driver vfs --cgroup-manager cgroupfs",
        home.display()
    );
    let podman = |words: &str, input: &str| {
        let mut shell = program(&server, "sh");
        shell.env_remove("DOCKER_CONFIG");
        shell.args([
            "-c",
            &words.replacen("podman", &format!("podman {roots}"), 1),
        ]);
        fed(shell, input)
    };
    let plain = canary();
    let made = [
        ("reference", "cd://secret/shop#password\n", value.as_str()),
        ("plain", plain.as_str(), plain.as_str()),
    ];
    for (name, data, expected) in made {
        let id = text(&podman(&format!("{} {name} -", create.trim_end()), data));
        let id = id.trim_end();
        let looked = text(&ours(&["podman-secret", "lookup"], id));
        assert_eq!(looked, expected, "{name}");
        let inspected = text(&podman(&format!("podman secret inspect {name}"), ""));
        assert!(
            inspected.contains("\"shell\"") && inspected.contains(id),
            "{inspected}"
        );
        assert!(text(&podman("podman secret ls", "")).contains(name));
        assert!(text(&ours(&["podman-secret", "list"], "")).contains(id));
        assert_eq!(
            files_with(home, expected),
            Vec::<std::path::PathBuf>::new(),
            "{name}"
        );
        text(&podman(&format!("podman secret rm {name}"), ""));
        assert_eq!(
            ours(&["podman-secret", "lookup"], id).status.code(),
            Some(2)
        );
    }
    assert_eq!(text(&ours(&["podman-secret", "list"], "")), "");
    // A container gets the value of its own start.
    text(&podman(
        &format!("{} db -", create.trim_end()),
        "cd://secret/shop#password",
    ));
    let image = "tar -C $(dirname $(command -v busybox)) -c busybox | podman import - bb";
    text(&podman(image, ""));
    let run = "podman --runtime runc run --rm --network none --ulimit nofile=512:512 \
               --ulimit nproc=512:512 --user 1000 --secret db,uid=1000,mode=0400 \
               bb /busybox cat /run/secrets/db";
    assert_eq!(text(&podman(run, "")), value);
    server.run(&["kv", "put", "secret/shop", "password=the next one"]);
    assert_eq!(text(&podman(run, "")), "the next one");
}

/// Docker's secrets engine, with one secret.
fn engine(socket: &Path, value: &str) {
    let listener = UnixListener::bind(socket).unwrap();
    let value = base64(value.as_bytes());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"}") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let asked = request
                .starts_with("POST /resolver.v1.ResolverService/GetSecrets HTTP/1.1\r\n")
                && (request.ends_with(r#"{"pattern":"app/db"}"#)
                    || request.ends_with(r#"{"pattern":"app/*"}"#));
            let (status, body) = if asked {
                (
                    "200 OK",
                    format!(r#"{{"envelopes":[{{"id":"app/db","value":"{value}"}}]}}"#),
                )
            } else {
                (
                    "404 Not Found",
                    r#"{"code":"not_found","message":"secret not found"}"#.to_owned(),
                )
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
}

#[test]
fn dockers_references_come_from_its_engine_or_from_our_store() {
    let server = Server::up();
    let socket = server.directory().path().join("engine.sock");
    let run = |reference: &str| {
        let mut command =
            server.command(&["run", "-no-redact", "--", "sh", "-c", "printf %s \"$A\""]);
        command
            .env("COFFERDAM_SECRETS_ENGINE", &socket)
            .env("A", reference);
        command.output().unwrap()
    };
    // No engine: our store.
    server.run(&["kv", "put", "secret/se/app/db", "value=from the store"]);
    assert_eq!(text(&run("se://app/db")), "from the store");
    let pattern = run("se://app/*");
    assert_eq!(pattern.status.code(), Some(2), "{}", shown(&pattern));
    assert!(
        String::from_utf8_lossy(&pattern.stderr)
            .contains("only Docker's secrets engine knows patterns")
    );
    engine(&socket, "from the engine");
    assert_eq!(text(&run("se://app/db")), "from the engine");
    assert_eq!(text(&run("se://app/*")), "from the engine");
    let mut file = server.command(&[
        "run",
        "-no-redact",
        "-secret=A=se://app/db",
        "--",
        "sh",
        "-c",
        "cat $A_FILE",
    ]);
    file.env("COFFERDAM_SECRETS_ENGINE", &socket);
    assert_eq!(text(&file.output().unwrap()), "from the engine");
    // The same place in our store, by its own name, is another thing.
    let mut both = server.command(&[
        "run",
        "-no-redact",
        "-secret=A=se://app/db",
        "-secret=B=cd://secret/se/app/db",
        "-secret=C=se://app/db",
        "--",
        "sh",
        "-c",
        "cat $A_FILE $B_FILE $C_FILE",
    ]);
    both.env("COFFERDAM_SECRETS_ENGINE", &socket);
    let three = "from the enginefrom the storefrom the engine";
    assert_eq!(text(&both.output().unwrap()), three);
    // What the engine does not have is not looked for elsewhere.
    server.run(&["kv", "put", "secret/se/other", "value=x"]);
    let missing = run("se://other");
    assert_eq!(missing.status.code(), Some(2), "{}", shown(&missing));
    assert!(missing.stdout.is_empty());
    // Anybody may take the name of an abstract socket, and is asked who he is.
    let name = format!("cofferdam-flow-{}", std::process::id());
    let script = format!(
        "import os, socket; os.setgid(65534); os.setuid(65534); s = socket.socket(socket.AF_UNIX); \
         s.bind('\\0{name}'); s.listen(); print('listens', flush=True); s.accept(); s.accept()"
    );
    let mut nobody = Command::new("python3")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 8];
    nobody
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut said)
        .unwrap();
    let mut stranger = server.command(&["run", "--", "true"]);
    stranger
        .env("COFFERDAM_SECRETS_ENGINE", format!("@{name}"))
        .env("A", "se://app/db");
    let refused = stranger.output().unwrap();
    nobody.kill().unwrap();
    nobody.wait().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", shown(&refused));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("another user could have made this socket"),
        "{said}"
    );
    // Text that only contains such a reference is text.
    let mut text_only = server.command(&[
        "run",
        "-no-redact",
        "-secret=A=se://app/db",
        "--",
        "sh",
        "-c",
        "printf %s \"$B\"",
    ]);
    text_only
        .env("COFFERDAM_SECRETS_ENGINE", &socket)
        .env("B", "x se://app/db");
    assert_eq!(text(&text_only.output().unwrap()), "x se://app/db");
}

#[test]
fn secrets_are_made_listed_and_removed_as_docker_does() {
    let server = Server::up();
    let value = canary();
    let file = server.directory().path().join("value");
    std::fs::write(&file, format!("{value}\n")).unwrap();
    let file = file.to_str().unwrap();
    let created = server
        .command(&[
            "secret",
            "create",
            "-l",
            "team=shop",
            "--label",
            "a=b",
            "DB",
            file,
        ])
        .output()
        .unwrap();
    assert_eq!(text(&created), "DB\n");
    assert!(
        String::from_utf8_lossy(&created.stderr).contains("one newline at the end was removed")
    );
    assert_eq!(
        server.run(&["kv", "get", "-field=value", "secret/DB"]),
        value
    );
    let mut piped = server.command(&["secret", "create", "-keep-newline", "PIPED", "-"]);
    piped.env("X", "");
    assert_eq!(text(&fed(piped, "x\n")), "PIPED\n");
    assert_eq!(
        server.run(&["kv", "get", "-field=value", "secret/PIPED"]),
        "x\n"
    );
    assert_eq!(server.run(&["secret", "ls", "-q"]), "DB\nPIPED\n");
    assert_eq!(
        server.run(&["secret", "ls", "-q", "-f", "name=PI"]),
        "PIPED\n"
    );
    let table = server.run(&["secret", "ls"]);
    assert!(
        table.starts_with("NAME ") && table.lines().count() == 3,
        "{table}"
    );
    let inspected = server.run(&["secret", "inspect", "DB"]);
    let parsed: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(parsed[0]["Spec"]["Labels"]["team"], "shop");
    assert_eq!(parsed[0]["Version"]["Index"], 1);
    assert!(!inspected.contains(&value));
    let again = server
        .command(&["secret", "create", "DB", file])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(2), "{}", shown(&again));
    assert_eq!(server.run(&["secret", "rm", "DB", "PIPED"]), "DB\nPIPED\n");
    assert_eq!(server.run(&["secret", "ls", "-q"]), "");
    let gone = server.command(&["secret", "rm", "DB"]).output().unwrap();
    assert_eq!(gone.status.code(), Some(2), "{}", shown(&gone));
}

//! Containers on a real Docker engine that ask for themselves, with nothing that they were given.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use flows::Server;
use flows::canary::canary;
use flows::docker::{Docker, IMAGE, Plugin, wait};
use flows::server::{bare, binary, shown};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// In a container.
const SOCKET: &str = "/run/cofferdam/cofferdam.sock";

/// A server with the secrets of two programs, and the daemon; dropped in this order.
struct Stage {
    plugin: Plugin,
    docker: Docker,
    server: Server,
    web: String,
    db: String,
}

impl Stage {
    fn new(test: &str) -> Self {
        let server = Server::up();
        let docker = Docker::start(test);
        let plugin = Plugin::start(&docker, &server);
        let (web, db) = (canary(), canary());
        server.run(&["kv", "put", "secret/web/password", &format!("value={web}")]);
        server.run(&["kv", "put", "secret/db/password", &format!("value={db}")]);
        for name in ["web", "db"] {
            let file = server.directory().path().join("policy.hcl");
            let rule = format!(
                "path \"secret/data/{name}/*\" {{ capabilities = [\"create\", \"update\", \"read\"] }}"
            );
            std::fs::write(&file, rule).unwrap();
            server.run(&["policy", "write", name, file.to_str().unwrap()]);
        }
        Self {
            plugin,
            docker,
            server,
            web,
            db,
        }
    }

    /// With roles by label.
    fn with_roles(test: &str) -> Self {
        let stage = Self::new(test);
        stage.server.run(&["auth", "enable", "docker"]);
        stage.role("web", "bound_labels=app=web");
        stage.role("db", "bound_labels=app=db");
        stage
    }

    fn role(&self, name: &str, bound: &str) {
        let policy = if name.starts_with("db") { "db" } else { "web" };
        let path = format!("auth/docker/role/{name}");
        let policies = format!("token_policies={policy}");
        self.server.run(&["write", &path, bound, &policies]);
    }

    /// What every container gets: the socket's directory, and the host's programs.
    fn mounts(&self, mode: &str) -> Vec<String> {
        let mut options = vec![format!(
            "-v={}:/run/cofferdam{mode}",
            self.plugin.workload().display()
        )];
        for directory in ["/usr", "/lib", "/lib64"] {
            if Path::new(directory).exists() {
                options.push(format!("-v={directory}:{directory}:ro"));
            }
        }
        options.push(format!("-v={}:/cofferdam:ro", binary().display()));
        options
    }

    /// Services of a Compose project, in containers that stay.
    fn compose(&self, project: &str, services: &[&str]) {
        use std::fmt::Write as _;
        let mounts = self.mounts(":ro");
        let mounts = mounts.iter().filter_map(|mount| mount.strip_prefix("-v="));
        let mounts = serde_json::json!(mounts.collect::<Vec<_>>());
        let mut text = "version: \"3.7\"\nservices:\n".to_owned();
        for service in services {
            writeln!(
                text,
                "  {service}: {{image: \"{IMAGE}\", command: [sleep, \"600\"], network_mode: none, volumes: {mounts}}}"
            )
            .unwrap();
        }
        let file = self.server.directory().path().join("compose.yml");
        std::fs::write(&file, text).unwrap();
        let up = Command::new("docker-compose")
            .args(["-p", project, "-f"])
            .arg(&file)
            .args(["up", "-d"])
            .output()
            .unwrap();
        assert!(up.status.success(), "{}", shown(&up));
    }

    /// A container that stays.
    fn container(&self, what: &str, image: &str, options: &[&str]) -> String {
        self.mounted(what, image, options, ":ro")
    }

    fn mounted(&self, what: &str, image: &str, options: &[&str], mode: &str) -> String {
        let name = self.docker.name(what);
        let mounts = self.mounts(mode);
        let mut arguments = vec!["run", "-d", "--init=false", "--name", &name];
        arguments.extend(mounts.iter().map(String::as_str));
        arguments.extend(options);
        arguments.extend([image, "sleep", "600"]);
        self.docker.run(&arguments);
        name
    }

    fn exec(&self, container: &str, command: &[&str]) -> Output {
        self.docker
            .output(&[&["exec", container], command].concat())
    }

    /// Status and body of a `GET` from within.
    fn get(&self, container: &str, path: &str) -> (u16, String) {
        self.curl(container, path, &[])
    }

    fn curl(&self, container: &str, path: &str, more: &[&str]) -> (u16, String) {
        let url = format!("http://localhost/v1/{path}");
        answer(&self.exec(container, &[&curl(SOCKET, &url), more].concat()))
    }

    fn reads_web(&self, container: &str) {
        let (status, body) = self.get(container, "secret/data/web/password");
        assert!(status == 200 && body.contains(&self.web), "{status} {body}");
    }

    /// Longer than a refusal of the server is believed, and a token trusted after its issue.
    fn settle(&self) {
        let begin = Instant::now();
        wait("the end of what is remembered", || {
            (begin.elapsed() > Duration::from_millis(2_100)).then_some(())
        });
    }

    /// Refused, with these words, and with nothing else.
    fn refused(&self, container: &str, words: &str) {
        self.is_refusal(self.get(container, "secret/data/web/password"), words);
    }

    fn is_refusal(&self, (status, body): (u16, String), words: &str) {
        assert_eq!(status, 403, "{body}");
        assert!(body.contains(words), "{words}: {body}");
        assert!(
            !body.contains(&self.web) && !body.contains(&self.db),
            "{body}"
        );
    }

    fn image(&self, what: &str, lines: &str) -> String {
        let name = self.docker.name(what);
        let mut build = Command::new(flows::docker::client())
            .args(["build", "-q", "-t", &name, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let text = format!("FROM {IMAGE}\n{lines}\n");
        build
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(build.wait().unwrap().success());
        name
    }

    fn inspect(&self, what: &str, format: &str) -> String {
        self.docker.run(&["inspect", "-f", format, what])
    }

    /// The container's token, and its accessor.
    fn token(&self, container: &str) -> (String, String) {
        let (status, body) = self.get(container, "auth/token/lookup-self");
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let text = |name: &str| body["data"][name].as_str().unwrap().to_owned();
        (text("id"), text("accessor"))
    }

    /// Whether the server knows a token.
    fn lives(&self, accessor: &str) -> bool {
        let accessor = format!("accessor={accessor}");
        let mut asked = self
            .server
            .command(&["write", "auth/token/lookup-accessor", &accessor]);
        asked.output().unwrap().status.success()
    }

    /// How long until the server does not know the token any more.
    fn gone_after(&self, accessor: &str) -> Duration {
        let begin = Instant::now();
        wait("the end of a token", || {
            (!self.lives(accessor)).then_some(())
        });
        begin.elapsed()
    }
}

fn curl<'a>(socket: &'a str, url: &'a str) -> [&'a str; 9] {
    let status = "\n%{http_code}";
    [
        "/usr/bin/curl",
        "-sS",
        "-m",
        "30",
        "--unix-socket",
        socket,
        "-w",
        status,
        url,
    ]
}

fn answer(output: &Output) -> (u16, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    let status = status
        .parse()
        .unwrap_or_else(|_| panic!("{}", shown(output)));
    (status, body.to_owned())
}

/// One process, alone with the socket; what it prints.
fn python(stage: &Stage, container: &str, script: &str, arguments: &[&str]) -> Output {
    stage.exec(
        container,
        &[&["/usr/bin/python3", "-c", script], arguments].concat(),
    )
}

#[test]
fn a_container_gets_its_own_secrets_and_no_others() {
    let stage = Stage::new("own");
    let bao = format!("-v={}:/bao:ro", flows::peers::bao_binary().display());
    let web = stage.container("web", IMAGE, &["-l", "app=web", &bao]);
    let id = stage.inspect(&web, "{{.Id}}");
    stage.refused(&web, "cofferdam auth enable docker");
    stage.server.run(&["auth", "enable", "docker"]);
    stage.settle();
    stage.refused(
        &web,
        "cofferdam write auth/docker/role/NAME bound_image_ids",
    );
    stage.role("web", "bound_labels=app=web");
    stage.role("db", "bound_labels=app=db");
    stage.settle();
    let db = stage.container("db", IMAGE, &["-l", "app=db"]);

    // Each its own, through the mounted directory, by curl and by our own client without a setting.
    stage.reads_web(&web);
    let (status, body) = stage.get(&db, "secret/data/db/password");
    assert!(status == 200 && body.contains(&stage.db), "{body}");
    for (container, other) in [(&web, "db"), (&db, "web")] {
        let answered = stage.get(container, &format!("secret/data/{other}/password"));
        stage.is_refusal(answered, "permission denied");
    }
    for user in ["0", "1000:1000"] {
        let client = [
            "exec",
            "-u",
            user,
            &web,
            "/cofferdam",
            "kv",
            "get",
            "-field=value",
            "secret/web/password",
        ];
        assert_eq!(stage.docker.run(&client), stage.web, "user {user}");
    }
    // OpenBao's own client, which is told an address and nothing else.
    let address = format!("BAO_ADDR=unix://{SOCKET}");
    let bao = [
        "exec",
        "-e",
        &address,
        "-e",
        "HOME=/",
        &web,
        "/bao",
        "kv",
        "get",
        "-field=value",
        "secret/web/password",
    ];
    assert_eq!(stage.docker.run(&bao), stage.web);
    let sent = ["-X", "POST", "-d", r#"{"data":{"value":"n"}}"#];
    assert_eq!(stage.curl(&web, "secret/data/web/new", &sent).0, 200);
    assert_eq!(stage.curl(&web, "secret/data/db/new", &sent).0, 403);

    // What a request says of its sender is nothing.
    let (token, _) = stage.token(&db);
    let foreign = format!("X-Vault-Token: {token}");
    let refused = stage.curl(&web, "secret/data/db/password", &["-H", &foreign]);
    stage.is_refusal(refused, "does not go through this socket");
    let own = format!("X-Vault-Token: {}", stage.token(&web).0);
    assert_eq!(
        stage
            .curl(&web, "secret/data/web/password", &["-H", &own])
            .0,
        200
    );
    let claim =
        format!(r#"{{"container":"{id}","image_id":"sha256:{id}","labels":{{"app":"db"}}}}"#);
    let claimed = stage.curl(&web, "auth/docker/attest", &["-X", "PUT", "-d", &claim]);
    stage.is_refusal(claimed, "permission denied");
    for (header, status) in [
        ("Host: evil.example", 400),
        ("Origin: http://localhost", 400),
        ("X-Docker-Container: db", 200),
    ] {
        assert_eq!(
            stage
                .curl(&web, "secret/data/web/password", &["-H", header])
                .0,
            status,
            "{header}"
        );
    }

    // The container is its identifier: a name is nothing.
    let renamed = stage.docker.name("renamed");
    stage.docker.run(&["rename", &web, &renamed]);
    stage.docker.run(&["rename", &db, &web]);
    stage.reads_web(&renamed);
    stage.is_refusal(
        stage.get(&web, "secret/data/web/password"),
        "permission denied",
    );

    let audit = std::fs::read_to_string(stage.server.data().join("audit.log")).unwrap();
    let of_web = audit
        .lines()
        .filter(|line| line.contains("secret/data/web/password") && line.contains("\"response\""));
    let of_web: Vec<_> = of_web
        .filter(|line| line.contains(&format!("\"container_id\":\"{id}\"")))
        .collect();
    assert!(!of_web.is_empty(), "the container is named in the records");
    assert!(
        of_web.iter().all(
            |line| line.contains("\"role\":\"web\"") && line.contains("\"image_id\":\"sha256:")
        )
    );
    let login = audit.lines().find(|line| {
        line.contains("\"response\"") && line.contains("auth/docker/attest") && line.contains(&id)
    });
    assert!(login.is_some(), "the login is recorded");
    for value in [&stage.web, &stage.db, &token] {
        assert!(!audit.contains(value.as_str()) && !stage.plugin.log().contains(value.as_str()));
    }
    for seen in ["inspect", "logs", "export"] {
        let output = stage.docker.output(&[seen, &renamed]);
        assert!(
            !flows::canary::contains(&output.stdout, stage.web.as_bytes()),
            "docker {seen}"
        );
    }
}

#[test]
fn image_and_labels_decide_as_they_are_and_not_as_they_are_called() {
    let stage = Stage::with_roles("image");
    // An image that calls itself what another container is.
    let evil = stage.image("evil", "LABEL app=web com.docker.compose.project=shop \
        com.docker.compose.service=web com.docker.compose.config-hash=1 com.docker.swarm.service.name=web \
        com.docker.swarm.task.id=1");
    stage.role("web-compose", "bound_compose_projects=shop");
    stage.role("web-swarm", "bound_swarm_services=web");
    let claims = stage.container("evil", &evil, &[]);
    stage.refused(&claims, "no role matches the container");

    // The tag moves: the container stays what it is, and a new one is what the tag means now.
    let tag = stage.image("tagged", "LABEL version=1");
    let first = stage.inspect(&tag, "{{.Id}}");
    stage.role("web-pinned", &format!("bound_image_ids={first}"));
    let before = stage.container("before", &tag, &[]);
    stage.reads_web(&before);
    assert_eq!(stage.image("tagged", "LABEL version=2"), tag);
    assert_ne!(stage.inspect(&tag, "{{.Id}}"), first);
    stage.reads_web(&before);
    let after = stage.container("after", &tag, &[]);
    stage.refused(&after, "no role matches the container");

    // Services of Swarm and Compose, as they make them.
    let service = stage.docker.name("service");
    let mut create = vec!["service", "create", "-d", "--name", &service];
    let bind = |source: &str, target: &str| {
        format!("--mount=type=bind,source={source},target={target},readonly")
    };
    let mounts = [
        bind(stage.plugin.workload().to_str().unwrap(), "/run/cofferdam"),
        bind("/usr", "/usr"),
        bind("/lib", "/lib"),
        bind("/lib64", "/lib64"),
    ];
    create.extend(mounts.iter().map(String::as_str));
    create.extend([IMAGE, "sleep", "600"]);
    stage.docker.run(&create);
    let task = stage.docker.task(&service, None);
    stage.refused(&task, "no role matches the container");
    stage.role("web-service", &format!("bound_swarm_services={service}"));
    stage.settle();
    stage.reads_web(&task);

    let project = stage.docker.name("project");
    let bound = format!("bound_compose_projects={project}");
    let path = "auth/docker/role/web-project";
    stage.server.run(&[
        "write",
        path,
        &bound,
        "bound_compose_services=web",
        "token_policies=web",
    ]);
    stage.compose(&project, &["web", "db"]);
    stage.reads_web(&format!("{project}_web_1"));
    stage.refused(&format!("{project}_db_1"), "no role matches the container");
}

/// Directories of a process's control groups that can be written to.
fn groups(process: &str) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let controllers = controllers.strip_prefix("name=").unwrap_or(controllers);
        let directory = PathBuf::from(format!("/sys/fs/cgroup/{controllers}{path}"));
        (path != "/" && directory.join("cgroup.procs").exists()).then_some(directory)
    });
    lines.collect()
}

/// Asks from the host, as a process that has put itself into this control group.
fn ask_from_group(stage: &Stage, group: &Path) -> (u16, String) {
    let socket = stage.plugin.workload().join("cofferdam.sock");
    let script = "echo $$ > \"$0\"/cgroup.procs && exec \"$@\"";
    let url = "http://localhost/v1/secret/data/web/password";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(group)
        .args(curl(socket.to_str().unwrap(), url))
        .output()
        .unwrap();
    answer(&output)
}

#[test]
fn whoever_is_not_plainly_one_container_is_refused() {
    let stage = Stage::with_roles("refused");
    let web = stage.container("web", IMAGE, &["-l", "app=web"]);
    stage.reads_web(&web);
    let first = stage.inspect(&web, "{{.State.Pid}}");

    let host_processes = stage.container("pid", IMAGE, &["-l", "app=web", "--pid=host"]);
    stage.refused(&host_processes, "--pid=host");
    let writable = stage.mounted("writable", IMAGE, &["-l", "app=web"], ":rw");
    stage.refused(&writable, "mounted writable");
    // The command line says what the socket said, and not what a server would have meant.
    let socket = stage.plugin.workload().join("cofferdam.sock");
    let address = format!("-address=unix://{}", socket.display());
    let home = tempfile::tempdir().unwrap();
    for words in [["kv", "get"].as_slice(), &["read"]] {
        let mut command = bare(home.path());
        command.args(words).args([&address, "secret/web/password"]);
        let said = shown(&command.output().unwrap());
        let reason = "\n  this process is in no container\nhint: on the host use: cofferdam kv get";
        assert!(said.contains(reason), "{said}");
    }
    for kind in ["host", "private"] {
        let own = format!("--cgroupns={kind}");
        let fine = stage.container(kind, IMAGE, &["-l", "app=web", &own]);
        stage.reads_web(&fine);
    }
    let joined = format!("--pid=container:{web}");
    let neighbour = stage.container("neighbour", IMAGE, &["-l", "app=db", &joined]);
    stage.is_refusal(
        stage.get(&neighbour, "secret/data/web/password"),
        "permission denied",
    );

    // Namespaces that a process made for itself.
    let free = [
        "-l",
        "app=web",
        "--cap-add=SYS_ADMIN",
        "--security-opt=seccomp=unconfined",
        "--security-opt=apparmor=unconfined",
    ];
    let privileged = stage.container("privileged", IMAGE, &free);
    let url = "http://localhost/v1/secret/data/web/password";
    for (flags, words) in [
        (&["-U", "-r"][..], "user namespace"),
        (&["-m"], "left the namespaces of its container"),
        (&["-p", "-f"], "left the namespaces of its container"),
    ] {
        let command = [&["/usr/bin/unshare"], flags, &curl(SOCKET, url)].concat();
        stage.is_refusal(answer(&stage.exec(&privileged, &command)), words);
    }

    // Processes of the host, as they are and in a container's control groups.
    let socket = stage.plugin.workload().join("cofferdam.sock");
    let words = curl(socket.to_str().unwrap(), url);
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    stage.is_refusal(answer(&output), "in no container");
    let group = groups(&first).into_iter().next().expect("a control group");
    stage.is_refusal(ask_from_group(&stage, &group), "process numbers");
    let inner = group.join("f".repeat(64));
    std::fs::create_dir(&inner).unwrap();
    let nested = ask_from_group(&stage, &inner);
    // The process has ended by now.
    std::fs::remove_dir(&inner).unwrap();
    stage.is_refusal(nested, "container within a container");
    let unknown = group.parent().unwrap().join("e".repeat(64));
    std::fs::create_dir(&unknown).unwrap();
    let strange = ask_from_group(&stage, &unknown);
    std::fs::remove_dir(&unknown).unwrap();
    stage.is_refusal(strange, "knows no such container");

    // One container does not take all connections.
    let many = "import socket\nall=[]\n\
        def ask():\n s=socket.socket(socket.AF_UNIX); s.connect('/run/cofferdam/cofferdam.sock'); all.append(s)\n \
        s.sendall(b'GET /v1/secret/data/web/password HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'); return s.recv(4096)[9:12].decode()\n\
        print([ask() for _ in range(33)])";
    let said = python(&stage, &web, many, &[]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.matches("200").count(), 32, "{said}");
    assert_eq!(said.matches("429").count(), 1, "{said}");
}

/// A connection belongs to the process that opened it: handed on, it is that container's while the
/// process lives, and nobody's afterwards.
#[test]
fn a_connection_that_is_handed_on_ends_with_its_opener() {
    let stage = Stage::with_roles("handed");
    let shared = stage.server.directory().path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let mount = format!("-v={}:/shared", shared.display());
    let web = stage.container("web", IMAGE, &["-l", "app=web", &mount]);
    let thief = stage.container("thief", IMAGE, &["-l", "app=other", &mount]);
    let giver = "import socket,os\n\
        l=socket.socket(socket.AF_UNIX); l.bind('/shared/s'); l.listen(1)\n\
        c=socket.socket(socket.AF_UNIX); c.connect('/run/cofferdam/cofferdam.sock')\n\
        p,_=l.accept(); socket.send_fds(p,[b'x'],[c.fileno()]); p.recv(1); os._exit(0)";
    let taker = "import os,socket,time\n\
        s=socket.socket(socket.AF_UNIX)\n\
        for _ in range(1200):\n \
        try: s.connect('/shared/s'); break\n \
        except OSError: time.sleep(.05)\n\
        _,fds,_,_=socket.recv_fds(s,1,1)\n\
        c=socket.socket(fileno=fds[0])\n\
        def ask(): c.sendall(b'GET /v1/secret/data/web/password HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'); return c.recv(8192)\n\
        print(ask()[9:12].decode()); s.sendall(b'x')\n\
        while not os.path.exists('/shared/gone'): time.sleep(.05)\n\
        last=ask(); print(last[9:12].decode()); print(last.decode())";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            python(&stage, &web, giver, &[]);
            std::fs::write(shared.join("gone"), "").unwrap();
        });
        let said = python(&stage, &thief, taker, &[]);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.first(), Some(&"200"), "{}", shown(&said));
        assert_eq!(lines.get(1), Some(&"403"), "{}", shown(&said));
        assert!(
            text.contains("the process that opened this connection has ended"),
            "{text}"
        );
    });
    stage.refused(&thief, "no role matches the container");
}

#[test]
fn a_token_ends_with_its_container() {
    let stage = Stage::with_roles("end");
    let web = stage.container("web", IMAGE, &["-l", "app=web"]);
    stage.reads_web(&web);
    let (_, first) = stage.token(&web);
    assert_eq!(stage.token(&web).1, first, "one token for all requests");
    stage.docker.run(&["restart", "-t", "0", &web]);
    stage.reads_web(&web);
    let (_, second) = stage.token(&web);
    assert_ne!(first, second);
    assert!(stage.gone_after(&first) < Duration::from_secs(5));
    stage.docker.run(&["kill", &web]);
    let took = stage.gone_after(&second);
    println!("revoked {} ms after docker kill", took.as_millis());
    assert!(took < Duration::from_secs(5), "{took:?}");

    // Revoked by the admin: the container proves anew what it is.
    stage.docker.run(&["start", &web]);
    stage.reads_web(&web);
    let (_, third) = stage.token(&web);
    stage.settle();
    stage.server.run(&["token", "revoke", "-accessor", &third]);
    stage.reads_web(&web);
    // The role is for others now, and its token is ended: nothing is left.
    let (_, fourth) = stage.token(&web);
    assert_ne!(third, fourth);
    stage.role("web", "bound_labels=app=others");
    stage.settle();
    stage.server.run(&["token", "revoke", "-accessor", &fourth]);
    stage.refused(&web, "no role matches the container");
}

/// A role's lifetime is renewed while the container runs, and the role is asked each time.
#[test]
fn a_token_is_renewed_as_long_as_its_role_is_for_the_container() {
    let stage = Stage::with_roles("renew");
    let path = "auth/docker/role/web";
    stage.server.run(&["write", path, "token_ttl=9s"]);
    let web = stage.container("web", IMAGE, &["-l", "app=web"]);
    stage.reads_web(&web);
    let (_, accessor) = stage.token(&web);
    let begin = Instant::now();
    wait("longer than its first lifetime", || {
        (begin.elapsed() > Duration::from_secs(11)).then_some(())
    });
    assert!(stage.lives(&accessor), "{}", stage.plugin.log());
    stage
        .server
        .run(&["write", path, "bound_labels=app=others"]);
    assert!(stage.gone_after(&accessor) < Duration::from_secs(11));
    stage.refused(&web, "no role matches the container");
}

#[test]
fn the_socket_comes_back_with_the_daemon_under_the_same_mount() {
    let mut ended = Vec::new();
    let mut stage = Stage::with_roles("again");
    let web = stage.container("web", IMAGE, &["-l", "app=web"]);
    stage.reads_web(&web);
    stage.plugin.kill();
    let gone = stage.exec(
        &web,
        &curl(SOCKET, "http://localhost/v1/secret/data/web/password"),
    );
    assert!(!gone.status.success());
    let again = stage.plugin.again();
    ended.push(std::mem::replace(&mut stage.plugin, again));
    stage.reads_web(&web);
    let (_, last) = stage.token(&web);
    // At an orderly end it takes the tokens along.
    stage.plugin.stop();
    assert!(!stage.lives(&last));
    let again = stage.plugin.again();
    ended.push(std::mem::replace(&mut stage.plugin, again));
    stage.reads_web(&web);
    stage.plugin.says("a container's token is revoked");
    // Without the server there is no answer, and it says so.
    stage.server.kill();
    let (status, body) = stage.get(&web, "secret/data/web/password");
    assert_eq!(status, 502, "{body}");
    assert!(body.contains("the secret server does not answer"), "{body}");
}

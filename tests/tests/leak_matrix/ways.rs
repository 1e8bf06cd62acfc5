//! Every way of giving a secret to a container, each with a value of its own.

use crate::places::Texts;
use cofferdam_detect::Canaries;
use flows::Server;
use flows::docker::{Docker, IMAGE, Plugin, client, wait};
use flows::server::{portable, shown};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

/// One way.
pub struct Way {
    pub name: &'static str,
    /// A delivery of ours.
    pub ours: bool,
    /// The consumer had the value.
    pub arrived: bool,
}

/// How one way is done: with its value, whether the consumer had it.
type Give = fn(&mut Site, &str) -> bool;

/// In the order of the table: wrong ways, then ours.
const WAYS: &[(&str, bool, Give)] = &[
    ("run -e", false, |site, value| {
        let pair = format!("PASSWORD={value}");
        site.container("env", &["-e", &pair], &["sleep", "600"])
    }),
    ("run --env-file", false, |site, value| {
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        std::fs::write(file.path(), format!("PASSWORD={value}\n")).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        site.container("envfile", &["--env-file", &path], &["sleep", "600"])
    }),
    ("service -e", false, |site, value| {
        let pair = format!("PASSWORD={value}");
        site.service("svcenv", &["-e", &pair]);
        true
    }),
    ("Dockerfile ENV", false, |site, value| {
        site.build(
            "env",
            true,
            &format!("FROM BASE\nENV PASSWORD={value}\n"),
            &[],
        )
    }),
    ("build-arg, classic", false, |site, value| {
        let pair = format!("PASSWORD={value}");
        site.build("classic", false, ARGUED, &["--build-arg", &pair])
    }),
    ("build-arg, BuildKit", false, |site, value| {
        let pair = format!("PASSWORD={value}");
        site.build("kit", true, ARGUED, &["--build-arg", &pair])
    }),
    ("COPY and rm", false, |site, value| {
        site.lay("copied.env", value);
        let text = "FROM BASE\nCOPY copied.env /copied.env\nRUN busybox rm /copied.env\n";
        site.build("copied", true, text, &[])
    }),
    ("run --label", false, |site, value| {
        let pair = format!("password={value}");
        site.container("label", &["-l", &pair], &["sleep", "600"])
    }),
    ("run argument", false, |site, value| {
        let script = "sleep 600; echo $0";
        site.container("argv", &[], &["sh", "-c", script, value])
    }),
    ("create, cp, start", false, |site, value| {
        let name = site.docker.name("cp");
        site.docker
            .run(&["create", "--name", &name, IMAGE, "sleep", "600"]);
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        std::fs::write(file.path(), value).unwrap();
        let target = format!("{name}:/password");
        site.docker
            .run(&["cp", file.path().to_str().unwrap(), &target]);
        site.docker.run(&["start", &name]);
        site.docker.run(&["exec", &name, "cat", "/password"]) == value
    }),
    ("docker config", false, |site, value| {
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        std::fs::write(file.path(), value).unwrap();
        let name = site.docker.name("config");
        let path = file.path().to_str().unwrap();
        site.docker.run(&["config", "create", &name, path]);
        let task = site.service("svcconfig", &["--config", &name]);
        site.docker
            .run(&["exec", &task, "cat", &format!("/{name}")])
            == value
    }),
    ("volume", true, |site, value| {
        site.put("volume", value);
        let (name, driver) = (site.docker.name("volume"), site.plugin.driver().to_owned());
        let create = ["volume", "create", "-d", &driver, "-o", "secrets=volume"];
        site.docker
            .run(&[&create[..], &["-o", "from=secret/matrix", &name]].concat());
        let mount = format!("{name}:/run/secrets:ro");
        site.container("volume", &["-v", &mount], &["sleep", "600"]);
        let container = site.docker.name("volume");
        let read = ["exec", &container, "cat", "/run/secrets/volume"];
        site.docker.run(&read) == value
    }),
    ("swarm driver", true, |site, value| {
        site.put("swarm", value);
        let (name, driver) = (site.docker.name("secret"), site.plugin.driver().to_owned());
        let label = "cofferdam.ref=secret/matrix/swarm";
        site.docker
            .run(&["secret", "create", "-d", &driver, "--label", label, &name]);
        let task = site.service("svcsecret", &["--secret", &name]);
        let path = format!("/run/secrets/{name}");
        site.docker.run(&["exec", &task, "cat", &path]) == value
    }),
    ("build", true, |site, value| {
        site.put("lent", value);
        // Without the argument the step would be the one of a run before, with its secret.
        let text = "FROM BASE\nARG COFFERDAM_SECRETS_ID\n\
             RUN --mount=type=secret,id=lent,required=true cat /run/secrets/lent | sha256sum > /sum\n";
        let (name, context) = site.context("lent", text);
        let command = ["build", "-secret", "lent", "-app", "matrix", "--"];
        let docker = [client(), "build", "-q", "-t", &name, &context];
        let output = site.ours(&[&command[..], &docker].concat());
        assert!(output.status.success(), "{}", shown(&output));
        site.images.push(name.clone());
        let sum = site.docker.run(&["run", "--rm", &name, "cat", "/sum"]);
        sum.starts_with(&sha256(value))
    }),
    ("compose", true, |site, value| {
        site.put("compose", value);
        let directory = site.server.directory().path().join("project");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("docker-compose.yml"), PROJECT).unwrap();
        let (name, driver) = (site.docker.name("compose"), site.plugin.driver().to_owned());
        let ours = ["compose", "-driver", &driver, "-app", "matrix", "--"];
        let file = directory.join("docker-compose.yml").display().to_string();
        let theirs = ["docker-compose", "-f", &file, "-p", &name, "up", "-d"];
        let output = site.ours(&[&ours[..], &theirs].concat());
        assert!(output.status.success(), "{}", shown(&output));
        let read = [
            "exec",
            &format!("{name}_web_1"),
            "cat",
            "/run/secrets/compose",
        ];
        site.docker.run(&read) == value
    }),
    ("shim", true, |site, value| {
        site.put("shim", value);
        let (name, driver) = (site.docker.name("shim"), site.plugin.driver().to_owned());
        let create = ["volume", "create", "-d", &driver, "-o", "secrets=shim"];
        site.docker
            .run(&[&create[..], &["-o", "from=secret/matrix", &name]].concat());
        let mount = format!("{name}:/run/secrets:ro");
        let start = ["shim", "run", "--", client(), "run", "--pull=never", "-d"];
        let flags = ["--name", &name, "-v", &mount];
        let rest = [
            "-e",
            "PASSWORD_FILE=/run/secrets/shim",
            IMAGE,
            "sleep",
            "600",
        ];
        let mut command = Command::new(portable());
        command.args([&start[..], &flags, &rest].concat());
        let output = site.seen(command);
        assert!(output.status.success(), "{}", shown(&output));
        wait("the program behind the shim", || {
            let environ = site.docker.run(&["exec", &name, "cat", "/proc/1/environ"]);
            environ.contains(&format!("PASSWORD={value}")).then_some(())
        });
        true
    }),
    ("identity", true, |site, value| {
        site.put("identity", value);
        let name = site.docker.name("identity");
        let workload = format!("{}:/run/cofferdam:ro", site.plugin.workload().display());
        let program = format!("{}:/cofferdam:ro", portable().display());
        let address = "COFFERDAM_ADDR=unix:///run/cofferdam/cofferdam.sock";
        let flags = ["-v", &workload, "-v", &program, "-e", address];
        site.container("identity", &flags, &["sleep", "600"]);
        let image = site.docker.run(&["inspect", "-f", "{{.Image}}", &name]);
        site.server.run(&["auth", "enable", "docker"]);
        let policy = site.server.directory().path().join("identity.hcl");
        let rule = "path \"secret/data/matrix/identity\" { capabilities = [\"read\"] }\n\
                    path \"sys/internal/ui/mounts/*\" { capabilities = [\"read\"] }\n";
        std::fs::write(&policy, rule).unwrap();
        let path = policy.to_str().unwrap();
        site.server.run(&["policy", "write", "identity", path]);
        let bound = format!("bound_image_ids={image}");
        let role = ["write", "auth/docker/role/identity", &bound];
        site.server
            .run(&[&role[..], &["token_policies=identity"]].concat());
        wait("the container to be known", || {
            let read = ["kv", "get", "-field=value", "secret/matrix/identity"];
            let words = [&["exec", &name, "/cofferdam"][..], &read].concat();
            let output = site.docker.output(&words);
            (String::from_utf8_lossy(&output.stdout).trim() == value).then_some(())
        });
        true
    }),
];

const PROJECT: &str = "version: '3.8'
services:
  web:
    image: cofferdam-flows:base
    user: '1000:1000'
    command: sleep 600
    network_mode: none
    secrets: [compose]
secrets:
  compose: {external: true}
";

const ARGUED: &str = "FROM BASE\nARG PASSWORD\nRUN echo $PASSWORD >/dev/null\n";

/// A server, an engine, and what was made on it.
pub struct Site {
    pub ways: Vec<Way>,
    pub argv: Texts,
    pub begun: String,
    /// The engine's own directory.
    pub root: PathBuf,
    canaries: Canaries,
    start: Instant,
    images: Vec<String>,
    services: Vec<String>,
    plugin: Plugin,
    docker: Docker,
    pub server: Server,
}

impl Site {
    pub fn new() -> Self {
        let server = Server::up();
        let docker = Docker::start("matrix");
        let plugin = Plugin::start(&docker, &server);
        let root = docker.run(&["info", "--format", "{{.DockerRootDir}}"]);
        let mut site = Self {
            ways: Vec::new(),
            argv: Vec::new(),
            begun: seconds(),
            root: root.into(),
            canaries: Canaries::new(WAYS.len()).unwrap(),
            start: Instant::now(),
            images: Vec::new(),
            services: Vec::new(),
            plugin,
            docker,
            server,
        };
        for (number, (name, ours, give)) in WAYS.iter().enumerate() {
            let value = site.canaries.values()[number].expose().clone();
            let arrived = give(&mut site, &value);
            site.ways.push(Way {
                name,
                ours: *ours,
                arrived,
            });
        }
        site
    }

    /// The numbers of the ways whose value is in `text`, in any form.
    pub fn find(&self, text: &[u8]) -> Vec<usize> {
        let named = self.canaries.search("", text);
        let number = |line: &String| {
            let rest = line.split("canary/").nth(1)?;
            rest.split('#').next()?.parse().ok()
        };
        named.iter().filter_map(number).collect()
    }

    /// The client, seen from outside while it runs.
    fn client(&mut self, arguments: &[&str], buildkit: bool) -> Output {
        let mut command = Command::new(client());
        command
            .args(arguments)
            .env("DOCKER_BUILDKIT", if buildkit { "1" } else { "0" });
        self.seen(command)
    }

    /// Ours, seen from outside as well.
    fn ours(&mut self, arguments: &[&str]) -> Output {
        let mut command = self.server.command(arguments);
        command.env("DOCKER_BUILDKIT", "1");
        self.seen(command)
    }

    /// A program, seen from outside while it runs.
    fn seen(&mut self, mut command: Command) -> Output {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let path = format!("/proc/{}/cmdline", child.id());
        // Looked at for as long as it may take to become the program: until then it shows our own.
        for _ in 0..50 {
            let argv = std::fs::read(&path).unwrap_or_default();
            if self.argv.last().is_none_or(|(_, last)| *last != argv) {
                self.argv.push((path.clone(), argv));
            }
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.wait_with_output().unwrap()
    }

    /// Starts a container that stays.
    fn container(&mut self, name: &str, flags: &[&str], command: &[&str]) -> bool {
        let name = self.docker.name(name);
        let start = ["run", "-d", "--name", &name];
        let output = self.client(&[&start[..], flags, &[IMAGE], command].concat(), true);
        assert!(output.status.success(), "{}", shown(&output));
        true
    }

    /// Starts a service; its task's container.
    fn service(&mut self, name: &str, flags: &[&str]) -> String {
        let name = self.docker.name(name);
        let start = [
            "service",
            "create",
            "-d",
            "--no-resolve-image",
            "--name",
            &name,
        ];
        let output = self.client(
            &[&start[..], flags, &[IMAGE, "sleep", "600"]].concat(),
            true,
        );
        assert!(output.status.success(), "{}", shown(&output));
        self.services.push(name.clone());
        self.docker.task(&name, None)
    }

    fn context(&self, tag: &str, dockerfile: &str) -> (String, String) {
        let context = self.build_directory(tag);
        std::fs::write(
            context.join("Dockerfile"),
            dockerfile.replace("BASE", IMAGE),
        )
        .unwrap();
        let name = format!("{}:latest", self.docker.name(tag));
        (name, context.display().to_string())
    }

    /// In memory: a Dockerfile with a value in it is a leak of ours otherwise.
    fn build_directory(&self, tag: &str) -> PathBuf {
        let context = PathBuf::from("/dev/shm").join(self.docker.name(tag));
        std::fs::create_dir_all(&context).unwrap();
        context
    }

    fn lay(&self, file: &str, value: &str) {
        std::fs::write(self.build_directory("copied").join(file), value).unwrap();
    }

    fn build(&mut self, tag: &str, buildkit: bool, dockerfile: &str, flags: &[&str]) -> bool {
        let (name, context) = self.context(tag, dockerfile);
        let start = ["build", "--no-cache", "--force-rm", "-q", "-t", &name];
        let output = self.client(&[&start[..], flags, &[&context]].concat(), buildkit);
        assert!(output.status.success(), "{}", shown(&output));
        std::fs::remove_dir_all(&context).unwrap();
        self.images.push(name);
        true
    }

    /// Stores a value without an argument that holds it.
    fn put(&self, name: &str, value: &str) {
        let mut command =
            self.server
                .command(&["kv", "put", &format!("secret/matrix/{name}"), "value=-"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), value.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

/// What is there to look at.
impl Site {
    fn listed(&self, list: &[&str]) -> Vec<String> {
        let filter = format!("name={}", self.docker.name(""));
        let text = self.docker.run(&[list, &["--filter", &filter]].concat());
        text.lines().map(str::to_owned).collect()
    }

    pub fn containers(&self) -> Vec<String> {
        self.listed(&["ps", "-aq", "--no-trunc"])
    }

    pub fn running(&self) -> Vec<String> {
        self.listed(&["ps", "-q", "--no-trunc"])
    }

    pub fn secrets(&self) -> Vec<String> {
        self.listed(&["secret", "ls", "-q"])
    }

    pub fn configs(&self) -> Vec<String> {
        self.listed(&["config", "ls", "-q"])
    }

    pub fn volumes(&self) -> Vec<String> {
        self.listed(&["volume", "ls", "-q"])
    }

    pub fn services(&self) -> Vec<String> {
        self.services.clone()
    }

    pub fn images(&self) -> Vec<String> {
        self.images.clone()
    }

    pub fn tasks(&self) -> Vec<String> {
        let tasks = self.services.iter().map(|name| {
            self.docker
                .run(&["service", "ps", "-q", "--no-trunc", name])
        });
        let tasks: Vec<_> = tasks.collect();
        tasks
            .iter()
            .flat_map(|text| text.lines())
            .map(str::to_owned)
            .collect()
    }

    /// Processes on the host.
    pub fn pids(&self) -> Vec<String> {
        let ids = self.running();
        let pid = |id: &String| self.docker.run(&["inspect", "-f", "{{.State.Pid}}", id]);
        ids.iter().map(pid).collect()
    }

    /// For `docker events --until`: now.
    pub fn elapsed(&self) -> String {
        let begun: u64 = self.begun.parse().unwrap();
        (begun + self.start.elapsed().as_secs() + 1).to_string()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for config in self.configs() {
            for service in &self.services {
                self.docker.output(&["service", "rm", service]);
            }
            wait("the config to be free", || {
                let removed = self.docker.output(&["config", "rm", &config]);
                removed.status.success().then_some(())
            });
        }
    }
}

/// Seconds since 1970, as the engine counts.
fn seconds() -> String {
    let output = Command::new("date").arg("+%s").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn sha256(value: &str) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), value.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

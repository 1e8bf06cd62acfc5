//! Leaks on a real Docker engine: each wrong way of passing a secret is found where it lies, and the
//! right way shows clean cells. Method and places follow the leak matrix that was measured on 20.10.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use cofferdam_detect::report::{Cell, Matrix, Place};
use cofferdam_detect::{Label, Matcher, Needles};
use cofferdam_platform::docker::sources::{self, Processes, Scope, Selection};
use cofferdam_secret::{Secret, random_base62};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The client that still has both builders; any other runs the rest.
fn docker(arguments: &[&str]) -> Command {
    let client = ["/usr/bin/docker", "/usr/local/bin/docker"];
    let client = client
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("docker");
    let mut command = Command::new(client);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("docker client");
    assert!(
        status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8_lossy(&stdout).trim().to_owned()
}

/// Names of this test run; everything made under them is removed at the end.
struct Site {
    prefix: String,
    directory: tempfile::TempDir,
    values: Vec<(String, Secret<String>)>,
}

impl Site {
    fn new(names: &[&str]) -> Self {
        run(&mut docker(&["info"]));
        let number = std::process::id();
        let site = Self {
            prefix: format!("detect-{number}-{}", names.first().unwrap().to_lowercase()),
            directory: tempfile::tempdir().unwrap(),
            values: names
                .iter()
                .map(|name| (name.to_string(), random_base62(28).unwrap()))
                .collect(),
        };
        site.base_image();
        site
    }

    fn value(&self, name: &str) -> &str {
        self.values
            .iter()
            .find(|(known, _)| known == name)
            .unwrap()
            .1
            .expose()
    }

    fn named(&self, what: &str) -> String {
        format!("{}-{what}", self.prefix)
    }

    /// One static busybox, imported: no registry is asked.
    fn base_image(&self) {
        let root = self.directory.path().join("root");
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::fs::copy("/bin/busybox", root.join("bin/busybox"))
            .expect("busybox-static is installed");
        for name in ["sh", "sleep", "cat", "rm", "echo", "env"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        let tar = self.directory.path().join("root.tar");
        run(Command::new("tar")
            .arg("-C")
            .arg(&root)
            .arg("-cf")
            .arg(&tar)
            .arg("."));
        run(&mut docker(&[
            "import",
            tar.to_str().unwrap(),
            &self.named("base"),
        ]));
    }

    fn build(&self, tag: &str, buildkit: bool, dockerfile: &str, arguments: &[&str]) {
        let context = self.directory.path().join(tag);
        std::fs::create_dir_all(&context).unwrap();
        std::fs::write(
            context.join("Dockerfile"),
            dockerfile.replace("BASE", &self.named("base")),
        )
        .unwrap();
        std::fs::write(
            context.join("copied.env"),
            format!("COPIED={}\n", self.value("COPIED")),
        )
        .unwrap();
        let name = self.named(tag);
        let mut command = docker(&["build", "--no-cache", "-q", "-t", &name]);
        command.args(arguments).arg(&context);
        command.env("DOCKER_BUILDKIT", if buildkit { "1" } else { "0" });
        run(&mut command);
    }

    fn matcher(&self) -> Matcher {
        let mut needles = Needles::new();
        for (name, value) in &self.values {
            let label = Label::new(format!("secret/{name}"), Some(1), "value");
            needles.add(label, &value.duplicate().into_bytes()).unwrap();
        }
        Matcher::new(needles)
    }

    fn look(&self, scope: &Scope) -> Matrix {
        let matcher = self.matcher();
        let matrix = sources::search(&matcher, scope, &mut |_| {});
        let shown = format!(
            "{}{}",
            matrix.to_table(Default::default()),
            matrix.to_json()
        );
        for (name, value) in &self.values {
            assert!(!shown.contains(value.expose()), "the report prints {name}");
        }
        matrix
    }

    /// Locations of one secret in one place.
    fn at(&self, matrix: &Matrix, name: &str, place: Place) -> Vec<String> {
        let row = self
            .values
            .iter()
            .position(|(known, _)| known == name)
            .unwrap();
        match matrix.cell(row, place) {
            Cell::Exposed(exposed) => exposed.at.iter().map(|at| at.location.clone()).collect(),
            Cell::Clean => Vec::new(),
            other => panic!(
                "{name} in {place:?}: {other:?}\n{}",
                matrix.to_table(Default::default())
            ),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let filter = format!("name={}", self.prefix);
        let listed = |arguments: &[&str]| {
            let output = docker(arguments).args(["-q", "--filter", &filter]).output();
            let text = output.map(|output| output.stdout).unwrap_or_default();
            String::from_utf8_lossy(&text)
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        for service in listed(&["service", "ls"]) {
            let _ = docker(&["service", "rm", &service]).output();
        }
        for container in listed(&["ps", "-a"]) {
            let _ = docker(&["rm", "-f", &container]).output();
        }
        for tag in ["wrong-kit", "wrong-classic", "right", "base"] {
            let _ = docker(&["rmi", "-f", &self.named(tag)]).output();
        }
    }
}

fn only_images(names: Vec<String>) -> Scope {
    Scope {
        containers: Selection::Nothing,
        services: Selection::Nothing,
        images: Selection::Named(names),
        volumes: false,
        processes: Processes::Nothing,
        ..Scope::default()
    }
}

const WRONG: &str = "\
FROM BASE
ARG ARGUED
ENV IN_ENV=VALUE
RUN echo building with $ARGUED >/dev/null
COPY copied.env /app/copied.env
RUN rm /app/copied.env
";

const RIGHT: &str = "\
FROM BASE
RUN --mount=type=secret,id=lent cat /run/secrets/lent >/dev/null
RUN echo done > /app.txt
";

#[test]
fn every_wrong_way_to_build_is_found_where_it_lies_and_the_right_way_is_clean() {
    let site = Site::new(&["IN_ENV", "ARGUED", "COPIED", "LENT"]);
    let wrong = WRONG.replace("VALUE", site.value("IN_ENV"));
    let argument = format!("ARGUED={}", site.value("ARGUED"));
    site.build("wrong-kit", true, &wrong, &["--build-arg", &argument]);
    site.build("wrong-classic", false, &wrong, &["--build-arg", &argument]);
    let lent = site.directory.path().join("lent");
    std::fs::write(&lent, site.value("LENT")).unwrap();
    site.build(
        "right",
        true,
        RIGHT,
        &["--secret", &format!("id=lent,src={}", lent.display())],
    );

    for (tag, classic) in [("wrong-kit", false), ("wrong-classic", true)] {
        let name = site.named(tag);
        let matrix = site.look(&only_images(vec![name.clone()]));
        let at = |secret, place| site.at(&matrix, secret, place);
        let text = matrix.to_table(Default::default());
        let inspect = at("IN_ENV", Place::ImageInspect);
        assert!(
            inspect
                .iter()
                .any(|at| at.ends_with("(IN_ENV)") && at.contains("/Config/Env/")),
            "{text}"
        );
        assert!(!at("IN_ENV", Place::ImageHistory).is_empty(), "{text}");
        assert!(!at("IN_ENV", Place::ImageConfig).is_empty(), "{text}");
        assert!(at("IN_ENV", Place::ImageLayers).is_empty(), "{text}");
        assert_eq!(
            at("ARGUED", Place::ImageInspect).is_empty(),
            !classic,
            "{text}"
        );
        assert!(
            at("ARGUED", Place::ImageHistory)
                .iter()
                .any(|at| at.ends_with("/CreatedBy")),
            "{text}"
        );
        assert!(!at("ARGUED", Place::ImageConfig).is_empty(), "{text}");
        let layers = at("COPIED", Place::ImageLayers);
        assert_eq!(layers.len(), 1, "{text}");
        assert!(
            layers[0].starts_with(&name) && layers[0].contains(": app/copied.env, byte 7"),
            "{text}"
        );
        assert!(at("COPIED", Place::ImageInspect).is_empty(), "{text}");
        assert!(at("COPIED", Place::ImageHistory).is_empty(), "{text}");
        assert_eq!(matrix.verdict().exit_code(), 1);
    }

    let matrix = site.look(&only_images(vec![site.named("right")]));
    for place in [
        Place::ImageInspect,
        Place::ImageHistory,
        Place::ImageConfig,
        Place::ImageLayers,
    ] {
        assert!(site.at(&matrix, "LENT", place).is_empty());
    }
    assert_eq!(
        matrix.verdict().exit_code(),
        0,
        "{}",
        matrix.to_table(Default::default())
    );
}

#[test]
fn running_container_leaks_by_environment_argument_label_and_log() {
    let site = Site::new(&["RUN_ENV", "ARGV", "LABELLED", "LOGGED", "COPIED"]);
    let name = site.named("web");
    let script = "echo $LOGGED | busybox base64; echo started; exec sleep 600";
    run(docker(&["run", "-d", "--name", &name])
        .args(["-e", &format!("RUN_ENV={}", site.value("RUN_ENV"))])
        .args(["-e", &format!("LOGGED={}", site.value("LOGGED"))])
        .args(["-l", &format!("token={}", site.value("LABELLED"))])
        .args([&site.named("base"), "sh", "-c", script, site.value("ARGV")]));
    // A second, stopped container: `docker inspect` still shows it.
    let stopped = site.named("stopped");
    run(docker(&[
        "run",
        "--name",
        &stopped,
        "-e",
        &format!("COPIED={}", site.value("COPIED")),
    ])
    .args([&site.named("base"), "echo", "bye"]));
    until(|| run(docker(&["logs"]).arg(&name)).contains("started"));
    // Then the shell is replaced by `sleep`.
    until(|| !run(docker(&["top"]).arg(&name)).contains("sh -c"));

    let scope = Scope {
        containers: Selection::Named(vec![name.clone(), stopped.clone()]),
        services: Selection::Nothing,
        images: Selection::Nothing,
        volumes: false,
        processes: Processes::OfContainers,
        ..Scope::default()
    };
    let matrix = site.look(&scope);
    let text = matrix.to_table(Default::default());
    let at = |secret, place| site.at(&matrix, secret, place);
    let inspect = at("RUN_ENV", Place::ContainerInspect);
    assert_eq!(
        inspect,
        [format!("{name}: /Config/Env/0 (RUN_ENV)")],
        "{text}"
    );
    let environ = at("RUN_ENV", Place::ProcessEnviron);
    assert_eq!(environ.len(), 1, "{text}");
    assert!(
        environ[0].starts_with(&format!("container {name}: pid ")),
        "{text}"
    );
    assert!(environ[0].ends_with(": RUN_ENV"), "{text}");
    assert_eq!(
        at("LABELLED", Place::ContainerInspect),
        [format!("{name}: /Config/Labels/token")]
    );
    assert_eq!(
        at("ARGV", Place::ContainerInspect).len(),
        2,
        "Args and Cmd: {text}"
    );
    // The arguments of `sleep` are its own.
    assert!(at("ARGV", Place::ProcessArguments).is_empty(), "{text}");
    assert_eq!(
        at("LOGGED", Place::ContainerLogs),
        [format!("{name}: stdout, byte 0")],
        "{text}"
    );
    assert!(at("RUN_ENV", Place::ContainerLogs).is_empty(), "{text}");
    assert_eq!(
        at("COPIED", Place::ContainerInspect),
        [format!("{stopped}: /Config/Env/0 (COPIED)")]
    );
}

#[test]
fn service_leaks_by_environment_in_service_task_and_container_and_config_by_content() {
    let site = Site::new(&["SVC_ENV", "CONFIGURED", "SAFE", "COPIED"]);
    let state = run(&mut docker(&[
        "info",
        "--format",
        "{{.Swarm.LocalNodeState}}",
    ]));
    if state != "active" {
        run(&mut docker(&[
            "swarm",
            "init",
            "--advertise-addr",
            "127.0.0.1",
        ]));
    }
    let service = site.named("svc");
    let config = site.named("config");
    let file = site.directory.path().join("app.conf");
    std::fs::write(&file, format!("password = {}\n", site.value("CONFIGURED"))).unwrap();
    run(docker(&["config", "create", &config]).arg(&file));
    run(docker(&[
        "service",
        "create",
        "-d",
        "--name",
        &service,
        "--no-resolve-image",
    ])
    .args(["-e", &format!("SVC_ENV={}", site.value("SVC_ENV"))])
    .args([&site.named("base"), "sleep", "600"]));
    let filter = format!("name={service}");
    until(|| !run(&mut docker(&["ps", "-q", "--filter", &filter])).is_empty());

    let scope = Scope {
        containers: Selection::Nothing,
        services: Selection::Named(vec![service.clone()]),
        images: Selection::Nothing,
        volumes: false,
        processes: Processes::OfContainers,
        ..Scope::default()
    };
    let matrix = site.look(&scope);
    let _ = docker(&["service", "rm", &service]).output();
    let _ = docker(&["config", "rm", &config]).output();
    let text = matrix.to_table(Default::default());
    let at = |secret, place| site.at(&matrix, secret, place);
    let spec = at("SVC_ENV", Place::ServiceInspect);
    let own = format!("{service}: /Spec/TaskTemplate/ContainerSpec/Env/0 (SVC_ENV)");
    assert!(spec.contains(&own), "{text}");
    assert!(
        spec.iter()
            .any(|at| at.starts_with(&format!("{service}: task {service}.1."))),
        "{text}"
    );
    assert_eq!(at("SVC_ENV", Place::ContainerInspect).len(), 1, "{text}");
    assert_eq!(at("SVC_ENV", Place::ProcessEnviron).len(), 1, "{text}");
    assert_eq!(
        at("CONFIGURED", Place::ConfigInspect),
        [format!("{config}: /Spec/Data")],
        "{text}"
    );
    for place in [
        Place::ServiceInspect,
        Place::ConfigInspect,
        Place::ContainerInspect,
        Place::ProcessEnviron,
    ] {
        assert!(at("SAFE", place).is_empty(), "{text}");
    }
}

#[test]
fn object_that_does_not_exist_is_not_clean() {
    let site = Site::new(&["GHOST", "COPIED"]);
    let matrix = site.look(&only_images(vec!["detect-no-such-image".to_owned()]));
    assert_eq!(
        matrix.cell(0, Place::ImageLayers),
        Cell::NotLooked("no such image".to_owned())
    );
    assert_eq!(matrix.verdict().exit_code(), 2);
}

/// Waits for something that the engine does in its own time.
fn until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(
            Instant::now() < deadline,
            "the engine did not get there in a minute"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

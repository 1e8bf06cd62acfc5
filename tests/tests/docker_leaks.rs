//! Leaks on a real Docker engine, through `cofferdam report leaks`: each wrong way of passing a secret
//! is found where it lies, and the right way shows clean cells.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use cofferdam_detect::Canaries;
use flows::Server;
use flows::docker::{Docker, IMAGE, client, wait};
use flows::server::shown;
use serde_json::Value;
use std::process::Command;

/// A server with some secrets, and an engine to leak them on.
struct Site {
    docker: Docker,
    server: Server,
    names: &'static [&'static str],
    canaries: Canaries,
}

/// What `report leaks -format=json` said.
struct Report {
    code: Option<i32>,
    json: Value,
}

impl Site {
    fn new(test: &str, names: &'static [&'static str]) -> Self {
        let canaries = Canaries::new(names.len()).unwrap();
        let site = Self {
            docker: Docker::start(test),
            server: Server::up(),
            names,
            canaries,
        };
        for name in names {
            let value = format!("value={}", site.value(name));
            site.server
                .run(&["kv", "put", &format!("secret/leaks/{name}"), &value]);
        }
        site
    }

    fn value(&self, name: &str) -> &str {
        let at = self.names.iter().position(|known| *known == name).unwrap();
        self.canaries.values()[at].expose()
    }

    fn build(&self, tag: &str, buildkit: bool, dockerfile: &str, arguments: &[&str]) -> String {
        let context = self.server.directory().path().join(tag);
        std::fs::create_dir_all(&context).unwrap();
        std::fs::write(
            context.join("Dockerfile"),
            dockerfile.replace("BASE", IMAGE),
        )
        .unwrap();
        std::fs::write(
            context.join("copied.env"),
            format!("COPIED={}\n", self.value("COPIED")),
        )
        .unwrap();
        let name = format!("{}:latest", self.docker.name(tag));
        let mut command = Command::new(client());
        command.args(["build", "--no-cache", "--force-rm", "-q", "-t", &name]);
        command.args(arguments).arg(&context);
        command.env("DOCKER_BUILDKIT", if buildkit { "1" } else { "0" });
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        name
    }

    fn report(&self, places: &[&str]) -> Report {
        let words = ["report", "leaks", "-format=json", "-app", "secret/leaks"];
        let output = self
            .server
            .command(&[&words[..], places].concat())
            .output()
            .unwrap();
        let text = shown(&output);
        assert!(
            self.canaries.search("report", text.as_bytes()).is_empty(),
            "it prints a value"
        );
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{text}"));
        Report {
            code: output.status.code(),
            json,
        }
    }
}

impl Report {
    fn cell(&self, name: &str, place: &str) -> &Value {
        let path = format!("secret/leaks/{name}");
        let rows = self.json["secrets"].as_array().unwrap();
        let row = rows
            .iter()
            .find(|row| row["path"] == path.as_str())
            .unwrap();
        let cells = row["cells"].as_array().unwrap();
        cells.iter().find(|cell| cell["place"] == place).unwrap()
    }

    /// Locations of one secret in one place that was looked at.
    fn at(&self, name: &str, place: &str) -> Vec<&str> {
        let cell = self.cell(name, place);
        let known = cell["state"] == "exposed" || cell["state"] == "clean";
        assert!(
            known,
            "{name} in {place}: {cell}\n{:#}",
            self.json["places"]
        );
        let locations = cell["locations"].as_array().into_iter().flatten();
        locations
            .map(|at| at["location"].as_str().unwrap())
            .collect()
    }
}

const WRONG: &str = "\
FROM BASE
ARG ARGUED
ENV IN_ENV=VALUE
RUN echo building with $ARGUED >/dev/null
COPY copied.env /app/copied.env
RUN busybox rm /app/copied.env
";

const RIGHT: &str = "\
FROM BASE
RUN --mount=type=secret,id=lent cat /run/secrets/lent >/dev/null
RUN echo done > /app.txt
";

#[test]
fn every_wrong_way_to_build_is_found_where_it_lies_and_the_right_way_is_clean() {
    let site = Site::new("leakbuild", &["IN_ENV", "ARGUED", "COPIED", "LENT"]);
    let dockerfile = WRONG.replace("VALUE", site.value("IN_ENV"));
    let argument = format!("ARGUED={}", site.value("ARGUED"));
    for (tag, buildkit) in [("wrong-kit", true), ("wrong-classic", false)] {
        let name = site.build(tag, buildkit, &dockerfile, &["--build-arg", &argument]);
        let report = site.report(&["-image", &name]);
        let inspect = report.at("IN_ENV", "image-inspect");
        assert!(
            inspect
                .iter()
                .any(|at| at.contains("/Config/Env/") && at.ends_with("(IN_ENV)")),
            "{inspect:?}"
        );
        assert!(!report.at("IN_ENV", "image-history").is_empty());
        assert!(!report.at("IN_ENV", "image-config").is_empty());
        assert!(report.at("IN_ENV", "image-layers").is_empty());
        // Only the classic builder leaves build arguments in what `docker inspect` shows.
        assert_eq!(report.at("ARGUED", "image-inspect").is_empty(), buildkit);
        let history = report.at("ARGUED", "image-history");
        assert!(
            history.iter().any(|at| at.ends_with("/CreatedBy")),
            "{history:?}"
        );
        assert!(!report.at("ARGUED", "image-config").is_empty());
        let layers = report.at("COPIED", "image-layers");
        assert_eq!(layers.len(), 1, "{layers:?}");
        assert!(
            layers[0].starts_with(&name) && layers[0].ends_with(": app/copied.env, byte 7"),
            "{layers:?}"
        );
        assert!(report.at("COPIED", "image-inspect").is_empty());
        assert!(report.at("COPIED", "image-history").is_empty());
        assert_eq!(report.code, Some(1));
    }

    let lent = site.server.directory().path().join("lent");
    std::fs::write(&lent, site.value("LENT")).unwrap();
    let source = format!("id=lent,src={}", lent.display());
    let name = site.build("right", true, RIGHT, &["--secret", &source]);
    let report = site.report(&["-image", &name]);
    for place in [
        "image-inspect",
        "image-history",
        "image-config",
        "image-layers",
    ] {
        assert!(report.at("LENT", place).is_empty(), "{place}");
    }
    assert_eq!(
        (report.code, &report.json["verdict"]),
        (Some(0), &Value::from("clean"))
    );
}

#[test]
fn container_leaks_by_environment_argument_label_and_log() {
    let site = Site::new(
        "leakrun",
        &["RUN_ENV", "ARGV", "LABELLED", "LOGGED", "STOPPED", "SAFE"],
    );
    let (name, stopped) = (site.docker.name("web"), site.docker.name("stopped"));
    let pair = |name: &str| format!("{name}={}", site.value(name));
    let label = format!("token={}", site.value("LABELLED"));
    let script = "echo $LOGGED | busybox base64; exec sleep 600";
    let (env, logged) = (pair("RUN_ENV"), pair("LOGGED"));
    let flags = [
        "run", "-d", "--name", &name, "-e", &env, "-e", &logged, "-l", &label,
    ];
    site.docker
        .run(&[&flags[..], &[IMAGE, "sh", "-c", script, site.value("ARGV")]].concat());
    // `docker inspect` still shows a container that has ended.
    site.docker.run(&[
        "run",
        "--name",
        &stopped,
        "-e",
        &pair("STOPPED"),
        IMAGE,
        "cat",
        "/dev/null",
    ]);
    // The shell is replaced by `sleep`, which keeps the environment and has arguments of its own.
    wait("sleep", || {
        (!site.docker.run(&["top", &name]).contains("sh -c")).then_some(())
    });

    let report = site.report(&["-container", &name, "-container", &stopped]);
    // Docker keeps no order among several variables.
    let inspect = report.at("RUN_ENV", "container-inspect");
    assert_eq!(inspect.len(), 1, "{inspect:?}");
    assert!(
        inspect[0].starts_with(&format!("{name}: /Config/Env/")),
        "{inspect:?}"
    );
    assert!(inspect[0].ends_with(" (RUN_ENV)"), "{inspect:?}");
    let environ = report.at("RUN_ENV", "process-environ");
    assert_eq!(environ.len(), 1, "{environ:?}");
    assert!(
        environ[0].starts_with(&format!("container {name}: pid ")),
        "{environ:?}"
    );
    assert!(environ[0].ends_with("(sleep): RUN_ENV"), "{environ:?}");
    assert_eq!(
        report.at("LABELLED", "container-inspect"),
        [format!("{name}: /Config/Labels/token")]
    );
    assert_eq!(
        report.at("ARGV", "container-inspect").len(),
        2,
        "Args and Cmd"
    );
    assert!(report.at("ARGV", "process-arguments").is_empty());
    assert_eq!(
        report.at("LOGGED", "container-logs"),
        [format!("{name}: stdout, byte 0")]
    );
    let form = &report.cell("LOGGED", "container-logs")["locations"][0]["form"];
    assert_eq!(form, "base64");
    assert!(report.at("RUN_ENV", "container-logs").is_empty());
    assert_eq!(
        report.at("STOPPED", "container-inspect"),
        [format!("{stopped}: /Config/Env/0 (STOPPED)")]
    );
    for place in [
        "container-inspect",
        "container-logs",
        "process-environ",
        "process-arguments",
    ] {
        assert!(report.at("SAFE", place).is_empty(), "{place}");
    }
    assert_eq!(report.code, Some(1));
}

#[test]
fn service_leaks_in_service_task_and_container_and_a_config_by_its_content() {
    let site = Site::new("leaksvc", &["SVC_ENV", "CONFIGURED", "SAFE"]);
    let (service, config) = (site.docker.name("svc"), site.docker.name("config"));
    let file = site.server.directory().path().join("app.conf");
    std::fs::write(&file, format!("password = {}\n", site.value("CONFIGURED"))).unwrap();
    site.docker
        .run(&["config", "create", &config, file.to_str().unwrap()]);
    let env = format!("SVC_ENV={}", site.value("SVC_ENV"));
    let flags = [
        "service",
        "create",
        "-d",
        "--no-resolve-image",
        "--name",
        &service,
        "-e",
        &env,
    ];
    site.docker
        .run(&[&flags[..], &[IMAGE, "sleep", "600"]].concat());
    site.docker.task(&service, None);

    let report = site.report(&["-service", &service]);
    site.docker.output(&["config", "rm", &config]);
    let spec = report.at("SVC_ENV", "service-inspect");
    let own = format!("{service}: /Spec/TaskTemplate/ContainerSpec/Env/0 (SVC_ENV)");
    assert!(spec.contains(&own.as_str()), "{spec:?}");
    assert!(
        spec.iter()
            .any(|at| at.starts_with(&format!("{service}: task {service}.1."))),
        "{spec:?}"
    );
    assert_eq!(report.at("SVC_ENV", "container-inspect").len(), 1);
    assert_eq!(report.at("SVC_ENV", "process-environ").len(), 1);
    assert_eq!(
        report.at("CONFIGURED", "config-inspect"),
        [format!("{config}: /Spec/Data")]
    );
    for place in [
        "service-inspect",
        "config-inspect",
        "container-inspect",
        "process-environ",
    ] {
        assert!(report.at("SAFE", place).is_empty(), "{place}");
    }
}

#[test]
fn object_that_does_not_exist_is_not_clean() {
    let site = Site::new("leakghost", &["GHOST"]);
    let report = site.report(&["-image", "cofferdam-no-such-image:1"]);
    let cell = report.cell("GHOST", "image-layers");
    assert_eq!(
        (&cell["state"], &cell["reason"]),
        (&"not-looked-at".into(), &"no such image".into())
    );
    assert_eq!(report.code, Some(2));
}

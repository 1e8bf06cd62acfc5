//! What the engine and the host show of containers, services and images.

use crate::ways::Site;
use flows::docker::client;
use std::process::Command;

/// Names of texts and the texts.
pub type Texts = Vec<(String, Vec<u8>)>;

/// A place by its name in the table, and what is there.
pub struct Place(pub &'static str, pub fn(&Site) -> Texts);

/// In the order of the table.
pub const ALL: &[Place] = &[
    Place("client argv", |site| site.argv.clone()),
    Place("container inspect", |site| {
        each(&site.containers(), |id| docker(&["inspect", id]))
    }),
    Place("task inspect", |site| {
        each(&site.tasks(), |id| docker(&["inspect", id]))
    }),
    Place("service inspect", |site| {
        each(&site.services(), |id| docker(&["service", "inspect", id]))
    }),
    Place("secret inspect", |site| {
        each(&site.secrets(), |id| docker(&["secret", "inspect", id]))
    }),
    Place("config inspect", |site| {
        each(&site.configs(), |id| docker(&["config", "inspect", id]))
    }),
    Place("volume inspect", |site| {
        each(&site.volumes(), |id| docker(&["volume", "inspect", id]))
    }),
    Place("events", |site| {
        let until = site.elapsed();
        vec![(
            "events".to_owned(),
            docker(&["events", "--since", &site.begun, "--until", &until]),
        )]
    }),
    Place("top", |site| {
        each(&site.running(), |id| docker(&["top", id]))
    }),
    Place("exec env", |site| {
        each(&site.running(), |id| {
            docker(&["exec", id, "busybox", "env"])
        })
    }),
    Place("environ in the container", |site| {
        each(&site.running(), |id| {
            docker(&["exec", id, "cat", "/proc/1/environ"])
        })
    }),
    Place("environ on the host", |site| {
        each(&site.pids(), |pid| read(format!("/proc/{pid}/environ")))
    }),
    Place("arguments on the host", |site| {
        each(&site.pids(), |pid| read(format!("/proc/{pid}/cmdline")))
    }),
    Place("logs", |site| {
        each(&site.containers(), |id| docker(&["logs", id]))
    }),
    Place("image inspect", |site| {
        each(&site.images(), |id| docker(&["image", "inspect", id]))
    }),
    Place("image history", |site| {
        each(&site.images(), |id| docker(&["history", "--no-trunc", id]))
    }),
    Place("image config", |site| saved(&site.images(), true)),
    Place("image layers", |site| saved(&site.images(), false)),
    Place("export", |site| {
        each(&site.containers(), |id| docker(&["export", id]))
    }),
    Place("commit and save", |site| {
        let mut texts = Vec::new();
        for id in site.containers() {
            let image = String::from_utf8(docker(&["commit", &id])).unwrap();
            let image = image.trim().to_owned();
            texts.extend(saved(std::slice::from_ref(&image), true));
            texts.extend(saved(std::slice::from_ref(&image), false));
            docker(&["rmi", "-f", &image]);
        }
        texts
    }),
    Place("engine's log", |_| {
        let log = std::env::temp_dir().join("cofferdam-flows-dockerd.log");
        each(&[log.display().to_string()], |path| read(path.to_owned()))
    }),
];

fn each(names: &[String], text: impl Fn(&str) -> Vec<u8>) -> Texts {
    let pairs = names.iter().map(|name| (name.clone(), text(name)));
    pairs.collect()
}

fn docker(arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(client());
    let output = command.args(arguments).output().unwrap();
    [output.stdout, output.stderr].concat()
}

/// A process may have ended: then it shows nothing.
fn read(path: String) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

/// The parts of `docker save`: configuration and manifests, or the layers.
fn saved(images: &[String], config: bool) -> Texts {
    let mut texts = Vec::new();
    for image in images {
        let directory = tempfile::tempdir().unwrap();
        let script = format!(
            "{} save {image} | tar -x -C {}",
            client(),
            directory.path().display()
        );
        let done = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(done.success(), "{image} is not saved");
        crate::disk::walk(
            &[directory.path().to_owned()],
            crate::disk::On::Any,
            &mut |path, text| {
                let is_config = path.extension().is_some_and(|end| end == "json")
                    || path.file_name().is_some_and(|name| name == "json");
                if is_config == config {
                    texts.push((format!("{image}: {}", path.display()), text.to_vec()));
                }
            },
        );
    }
    texts
}

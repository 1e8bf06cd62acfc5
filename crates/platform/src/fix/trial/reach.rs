//! Whether a trial would reach beyond itself: judged by what Compose makes of its files, with every
//! variable filled in, every file merged and every path absolute.
//!
//! What is not known to be harmless is refused. A trial is worth less than somebody's data.

use crate::fix::tree::{self, Entry, Node};
use std::path::Path;

/// The trial that is judged.
pub struct Bounds<'a> {
    /// Where its copy of the project is; absolute, without links.
    pub directory: &'a Path,
    /// The project's name.
    pub project: &'a str,
    /// The volume driver that may have volumes with options: ours.
    pub driver: &'a str,
}

/// Directories in which sockets and devices of the host are.
const LIVE: [&str; 5] = ["/run", "/var/run", "/proc", "/sys", "/dev"];

/// The first thing that reaches beyond the trial, in words; none is fine. `resolved` is what
/// `docker-compose config` prints.
#[must_use]
pub fn beyond(resolved: &str, bounds: &Bounds<'_>) -> Option<String> {
    let Some(root) = tree::read(resolved).ok().and_then(|document| document.root) else {
        return Some("what Compose makes of the files cannot be read".to_owned());
    };
    let below = |key: &str| root.get(key).map(|entry| entry.value.node.entries());
    for network in below("networks").into_iter().flatten() {
        if is_set(&network.value.node, "external") {
            return Some(format!("network {} is external", network.key));
        }
    }
    for volume in below("volumes").into_iter().flatten() {
        if let Some(why) = volume_of_the_host(&volume, bounds) {
            return Some(format!("volume {} {why}", volume.key));
        }
    }
    let mut services = below("services").into_iter().flatten();
    services.find_map(|service| {
        let why = service_beyond(&service.value.node, bounds)?;
        Some(format!("service {} {why}", service.key))
    })
}

fn text(node: &Node, key: &str) -> Option<String> {
    let entry = node.get(key)?;
    entry.value.node.text().map(str::to_owned)
}

/// Whether there is a value that does not say no.
fn is_set(node: &Node, key: &str) -> bool {
    node.get(key).is_some_and(|entry| {
        let node = &entry.value.node;
        !node.is_null() && node.text() != Some("false")
    })
}

fn volume_of_the_host(volume: &Entry, bounds: &Bounds<'_>) -> Option<&'static str> {
    let node = &volume.value.node;
    if is_set(node, "external") {
        return Some("is one of the host's own");
    }
    // Compose names a volume of the project itself after the project.
    let named = text(node, "name").is_some_and(|name| !name.starts_with(bounds.project));
    if named {
        return Some("is one of the host's own");
    }
    let driver = text(node, "driver").unwrap_or_else(|| "local".to_owned());
    if driver == bounds.driver {
        return None;
    }
    let options = node.get("driver_opts");
    let plain = options.is_none_or(|options| options.value.node.entries().is_empty());
    (!plain || driver != "local")
        .then_some("is kept by a driver with options, or by another driver")
}

fn service_beyond(node: &Node, bounds: &Bounds<'_>) -> Option<String> {
    for key in ["network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup"] {
        let value = text(node, key).unwrap_or_default();
        if value == "host" || value.starts_with("container:") {
            return Some(format!("shares its {key} with what is not of the trial"));
        }
    }
    if is_set(node, "privileged") {
        return Some("is privileged".to_owned());
    }
    for key in ["devices", "device_cgroup_rules", "gpus"] {
        if node
            .get(key)
            .is_some_and(|entry| !entry.value.node.is_null())
        {
            return Some(format!("has {key}"));
        }
    }
    let from = node.get("volumes_from");
    let mut from = from.iter().flat_map(|list| list.value.node.items());
    if from.any(|item| {
        item.node
            .text()
            .is_none_or(|name| name.starts_with("container:"))
    }) {
        return Some("takes volumes of a container that is not of the trial".to_owned());
    }
    let volumes = node.get("volumes");
    let mut volumes = volumes.iter().flat_map(|list| list.value.node.items());
    volumes.find_map(|item| mount_beyond(&item.node, bounds))
}

/// A mount in its short or its long form.
fn mount_beyond(node: &Node, bounds: &Bounds<'_>) -> Option<String> {
    if let Some(short) = node.text() {
        let mut parts = short.split(':');
        let source = parts.next().unwrap_or_default();
        let target = parts.next();
        let read_only = parts.any(|mode| mode.split(',').any(|word| word == "ro"));
        return match target {
            // A volume without a name.
            None => None,
            Some(_) if source.starts_with('/') => path_beyond(source, read_only, bounds),
            Some(_) if source.starts_with(['.', '~']) || source.contains(['/', '$']) => {
                Some("mounts a path that Compose did not resolve".to_owned())
            }
            Some(_) => None,
        };
    }
    let source = text(node, "source").unwrap_or_default();
    match text(node, "type").as_deref() {
        Some("tmpfs") => None,
        Some("volume") if !source.contains(['/', '$']) => None,
        Some("bind") => path_beyond(&source, is_set(node, "read_only"), bounds),
        _ => Some("has a mount of an unknown kind".to_owned()),
    }
}

/// A path of the host: inside of the trial, or read only and nothing that acts.
fn path_beyond(source: &str, read_only: bool, bounds: &Bounds<'_>) -> Option<String> {
    let path = Path::new(source);
    // What is not there yet is made by the engine, as a directory: its parent decides.
    let real = path
        .ancestors()
        .find_map(|ancestor| ancestor.canonicalize().ok())
        .unwrap_or_default();
    if real.starts_with(bounds.directory) && !source.contains("..") {
        return None;
    }
    if !read_only {
        return Some("writes to a directory of the host".to_owned());
    }
    // Who can reach a socket acts by it, however it is mounted.
    let live = LIVE.iter().any(|live| real.starts_with(live)) || Path::new("/var") == real;
    let kind = path.metadata().ok();
    let fine = kind.is_some_and(|kind| kind.is_file() || kind.is_dir());
    let root = real.parent().is_none();
    (live || root || !fine).then(|| "reaches sockets or devices of the host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("data")).unwrap();
        std::os::unix::fs::symlink("/etc", real.join("out")).unwrap();
        let bounds = Bounds {
            directory: &real,
            project: "cffix1before",
            driver: "cofferdam",
        };
        beyond(&text.replace("HERE", &real.to_string_lossy()), &bounds)
    }

    #[test]
    fn what_stays_inside_is_fine() {
        for text in [
            "services: {a: {image: x, volumes: ['HERE/data:/d', 'HERE/new/deep:/n:rw', 'v:/v', '/anonymous']}}\nvolumes: {v: {}}",
            "services: {a: {image: x, volumes: [{type: bind, source: HERE/data, target: /d}, {type: volume, source: v, target: /v}, {type: tmpfs, target: /t}]}}\nvolumes: {v: {name: cffix1before_v}}",
            "services: {a: {image: x, volumes: ['/etc/hostname:/h:ro', '/usr/share:/s:ro']}}",
            "services: {a: {image: x, network_mode: 'service:b', volumes_from: [b]}, b: {image: x}}",
            "services: {a: {image: x}}\nvolumes: {s: {driver: cofferdam, driver_opts: {from: a}}}",
        ] {
            assert_eq!(judged(text), None, "{text}");
        }
    }

    #[test]
    fn what_reaches_beyond_is_refused() {
        for text in [
            "services: {a: {image: x, volumes: ['/srv/pg:/var/lib/postgresql/data']}}",
            "services: {a: {image: x, volumes: ['/srv/pg:/d:rw']}}",
            "services: {a: {image: x, volumes: [{type: bind, source: /srv/pg, target: /d}]}}",
            "services: {a: {image: x, volumes: ['HERE/out:/d']}}",
            "services: {a: {image: x, volumes: ['HERE/out/new:/d']}}",
            "services: {a: {image: x, volumes: ['HERE/data/../../x:/d']}}",
            "services: {a: {image: x, volumes: ['$DATA:/d']}}",
            "services: {a: {image: x, volumes: ['/run/docker.sock:/s:ro']}}",
            "services: {a: {image: x, volumes: ['/var/run/docker.sock:/s:ro']}}",
            "services: {a: {image: x, volumes: ['/:/host:ro']}}",
            "services: {a: {image: x, volumes: ['/dev:/d:ro']}}",
            "services: {a: {image: x, volumes: [{type: npipe, source: x, target: /d}]}}",
            "services: {a: {image: x}}\nvolumes: {v: {driver_opts: {type: none, o: bind, device: /srv/pg}}}",
            "services: {a: {image: x}}\nvolumes: {v: {driver: nfs}}",
            "services: {a: {image: x}}\nvolumes: {v: {external: true}}",
            "services: {a: {image: x}}\nvolumes: {v: {name: shop_db}}",
            "services: {a: {image: x}}\nnetworks: {n: {external: true}}",
            "services: {a: {image: x, network_mode: host}}",
            "services: {a: {image: x, network_mode: 'container:db'}}",
            "services: {a: {image: x, pid: 'container:db'}}",
            "services: {a: {image: x, volumes_from: ['container:db']}}",
            "services: {a: {image: x, privileged: true}}",
            "services: {a: {image: x, devices: ['/dev/sda:/dev/sda']}}",
            "services: [",
        ] {
            assert!(judged(text).is_some(), "{text}");
        }
    }
}

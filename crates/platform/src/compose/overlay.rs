//! The file that is handed to Compose behind the others.
//!
//! It takes secrets that are ours out of Compose's hands and mounts volumes instead. Compose 1.29
//! cannot take an entry of a list away: there our secrets become external, which it leaves alone
//! (and says so). Compose v2 (from 2.24.4 on) knows `!override`. Every text is written as JSON,
//! which YAML reads, with `$` doubled: Compose replaces variables in this file as in all others.

use super::interpolate::escape;
use super::plan::{Defaults, Delivery, Plan};
use super::{Flavour, Project};
use std::fmt::Write as _;

/// Label of the volumes that come from here.
pub const LABEL: &str = "cofferdam.compose";

/// The text of the file; `None` when the project has no secret of ours.
#[must_use]
pub fn write(
    project: &Project,
    plan: &Plan,
    defaults: &Defaults,
    flavour: Flavour,
) -> Option<String> {
    let mut out = String::new();
    // 1.29 wants the same in all files, v2 wants none and says so.
    let version = project.version.as_ref();
    if let Some(version) = version.filter(|_| flavour != Flavour::V2) {
        line(&mut out, 0, "version", version);
    }
    match flavour {
        Flavour::Stack => {
            if plan.secrets.is_empty() {
                return None;
            }
            stack(&mut out, project, plan);
        }
        Flavour::V1 | Flavour::V2 => {
            if plan.services.is_empty() {
                return None;
            }
            out.push_str("services:\n");
            for (name, delivery) in &plan.services {
                service(&mut out, name, delivery, flavour);
            }
            secrets(&mut out, plan, flavour);
            volumes(&mut out, plan, &defaults.driver);
        }
    }
    Some(out)
}

/// The name that a secret of a stack has in Swarm.
#[must_use]
pub fn swarm_name(stack: &str, key: &str, external: Option<&str>) -> String {
    external.map_or_else(|| format!("{stack}_{key}"), str::to_owned)
}

fn service(out: &mut String, name: &str, delivery: &Delivery, flavour: Flavour) {
    let _ = writeln!(out, "  {}:", quoted(name));
    out.push_str("    volumes:\n");
    for volume in &delivery.volumes {
        // Without a copy of what the image has there: it would fill the volume before there is
        // a container to take the owner from. Without `ro`: the mount is read-only by itself, and
        // with it runc mounts again and loses nosuid, nodev and noexec.
        let mount = format!("{}:{}:nocopy", volume.name, volume.directory);
        let _ = writeln!(out, "      - {}", quoted(&mount));
    }
    if flavour == Flavour::V2 {
        out.push_str("    secrets: !override\n");
        for one in &delivery.rest {
            let _ = write!(out, "      - {{\"source\": {}", quoted(&one.source));
            if let Some(target) = &one.target {
                let _ = write!(out, ", \"target\": {}", quoted(target));
            }
            out.push_str("}\n");
        }
        if delivery.rest.is_empty() {
            out.truncate(out.len() - 1);
            out.push_str(" []\n");
        }
    }
}

fn secrets(out: &mut String, plan: &Plan, flavour: Flavour) {
    out.push_str("secrets:\n");
    let mark = if flavour == Flavour::V2 {
        "!override "
    } else {
        ""
    };
    for name in plan.secrets.keys() {
        let _ = writeln!(out, "  {}: {mark}{{\"external\": true}}", quoted(name));
    }
}

fn volumes(out: &mut String, plan: &Plan, driver: &str) {
    out.push_str("volumes:\n");
    for (service, delivery) in &plan.services {
        for volume in &delivery.volumes {
            let _ = writeln!(out, "  {}:", quoted(&volume.name));
            line(out, 4, "driver", driver);
            out.push_str("    driver_opts:\n");
            for (key, value) in &volume.options {
                line(out, 6, key, value);
            }
            out.push_str("    labels:\n");
            line(out, 6, LABEL, service);
        }
    }
}

/// Swarm delivers by itself, through our secret driver, what exists under these names.
fn stack(out: &mut String, project: &Project, plan: &Plan) {
    out.push_str("secrets:\n");
    for (key, ours) in &plan.secrets {
        let stack = project.name.as_deref().unwrap_or_default();
        let name = swarm_name(stack, key, ours.external.as_deref());
        let _ = writeln!(out, "  {}:", quoted(key));
        out.push_str("    external: true\n");
        line(out, 4, "name", &name);
    }
}

fn line(out: &mut String, indent: usize, key: &str, value: &str) {
    let _ = writeln!(out, "{:indent$}{}: {}", "", quoted(key), quoted(value));
}

/// A text in JSON's quotes, so that no character of it means anything to YAML or to Compose.
fn quoted(text: &str) -> String {
    serde_json::Value::from(escape(text)).to_string()
}

#[cfg(test)]
mod tests;

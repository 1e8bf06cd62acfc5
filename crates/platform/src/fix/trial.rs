//! A project's files as they may be started beside the real project: no ports, no fixed names, no
//! way to the outside. Whether they reach beyond the trial all the same is judged by [`reach`].

pub mod reach;

use super::edit::{Edits, line_of, next_line};
use super::tree::{self, Entry, Kind};
use std::ops::Range;

/// What a trial needs to know, and the edited text.
#[derive(Debug, Default)]
pub struct Trial {
    /// The file to start.
    pub text: String,
    /// `version:`, which 1.29 wants to be the same in all files.
    pub version: Option<String>,
    /// Networks of the file's own.
    pub networks: Vec<String>,
    /// Services that are built.
    pub built: Vec<String>,
    /// Why it is not started.
    pub refused: Option<String>,
}

/// Takes out of a file what would reach beyond the trial; `image` names what is built in it.
#[must_use]
pub fn trial(text: &str, image: &dyn Fn(&str) -> String) -> Trial {
    // One after the other: entries side by side share the comma between them.
    let text = &["ports", "container_name", "restart"]
        .iter()
        .fold(text.to_owned(), |text, key| without(&text, key));
    let Ok(document) = tree::read(text) else {
        return Trial {
            refused: Some("not YAML".to_owned()),
            ..Trial::default()
        };
    };
    let mut trial = Trial {
        text: text.to_owned(),
        ..Trial::default()
    };
    let Some(root) = document.root else {
        return trial;
    };
    let mut edits = Edits::default();
    trial.version = root
        .get("version")
        .and_then(|e| e.value.node.text().map(str::to_owned));
    for top in root.own() {
        if top.key == "services" {
            for service in top.value.node.own() {
                name_image(text, service, image, &mut edits, &mut trial);
            }
        }
    }
    if let Some(networks) = root.get("networks") {
        let networks = networks.value.node.entries();
        let own = networks
            .iter()
            .filter(|network| network.value.node.get("external").is_none());
        trial
            .networks
            .extend(own.map(|network| network.key.clone()));
    }
    trial.text = edits.apply(text).unwrap_or_default();
    trial
}

/// The text without a key of services and of what they merge.
fn without(text: &str, key: &str) -> String {
    let mut edits = Edits::default();
    let root = tree::read(text).ok().and_then(|document| document.root);
    for top in root.iter().flat_map(|root| root.own()) {
        let inner = top
            .value
            .node
            .own()
            .iter()
            .filter(|_| top.key == "services");
        for node in std::iter::once(&top.value.node).chain(inner.map(|entry| &entry.value.node)) {
            if let Some(entry) = node.own_entry(key) {
                edits.remove(taken(text, entry));
            }
        }
    }
    edits.apply(text).unwrap_or_default()
}

fn taken(text: &str, entry: &Entry) -> Range<usize> {
    let range = entry.key_span.start..entry.value.end();
    let start = line_of(text, range.start).start;
    let alone = text
        .get(start..range.start)
        .is_some_and(|before| before.trim().is_empty());
    let end = line_of(text, range.end).end;
    let rest = text.get(range.end..end).unwrap_or_default().trim();
    if alone && (rest.is_empty() || rest.starts_with('#')) {
        return start..next_line(text, range.end);
    }
    let after = text.get(range.end..).unwrap_or_default();
    match after.trim_start_matches(' ').strip_prefix(',') {
        Some(more) => range.start..text.len() - more.len(),
        None => {
            let before = text
                .get(..range.start)
                .unwrap_or_default()
                .trim_end_matches(' ');
            before.strip_suffix(',').map_or(range.start, str::len)..range.end
        }
    }
}

fn name_image(
    text: &str,
    service: &Entry,
    image: &dyn Fn(&str) -> String,
    edits: &mut Edits,
    trial: &mut Trial,
) {
    let node = &service.value.node;
    let Some(build) = node.own_entry("build") else {
        return;
    };
    trial.built.push(service.key.clone());
    let name = image(&service.key);
    match node.own_entry("image") {
        Some(entry) if entry.value.alias.is_none() => {
            edits.replace(entry.value.node.span.clone(), name);
        }
        Some(_) => {}
        None if matches!(node.kind, Kind::Mapping { flow: true, .. }) => {
            edits.insert(build.key_span.start, format!("image: {name}, "));
        }
        None => {
            let start = line_of(text, build.key_span.start).start;
            let indent = text
                .get(start..build.key_span.start)
                .unwrap_or_default()
                .to_owned();
            edits.insert(start, format!("{indent}image: {name}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_has_no_ports_and_no_names_of_its_own() {
        let text = "version: '3.8'\nservices:\n  a:\n    build: .\n    ports: ['1:1']\n    restart: always # x\n    x: 1\n  b: {image: i, container_name: c, ports: [2]}\nnetworks: {n: {}}\n";
        let out = trial(text, &|service| format!("t-{service}"));
        assert_eq!(
            out.text,
            "version: '3.8'\nservices:\n  a:\n    image: t-a\n    build: .\n    x: 1\n  b: {image: i}\nnetworks: {n: {}}\n"
        );
        assert_eq!(
            (out.version.as_deref(), out.networks.len(), out.refused),
            (Some("3.8"), 1, None)
        );
    }
}

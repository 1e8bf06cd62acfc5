//! How a service gets its files: a volume, and the shim where it is needed.

use super::words::Carrier;
use super::{Options, Style, Work};
use crate::fix::project::Part;
use crate::fix::tree::{Entry, Kind, Node};
use std::collections::BTreeSet;
use std::rc::Rc;

/// Where the shim is in a container.
pub(super) const SHIM: &str = "/cofferdam-shim";
const DIRECTORY: &str = "/run/secrets";
/// Where `/run/secrets` has something of its own.
const BESIDE: &str = "/run/cofferdam";

/// What a service needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) secrets: BTreeSet<String>,
    pub(super) user: Option<String>,
    pub(super) directory: &'static str,
    /// The shim's words, up to `--`.
    pub(super) shim: Option<Vec<String>>,
    /// Whether the program is mounted.
    pub(super) mounted: bool,
}

impl Work<'_> {
    /// The mapping that new keys go to.
    pub(super) fn target(&self, service: &str) -> Option<Part> {
        let parts = self.project.services.get(service)?;
        let own = parts.iter().filter(|part| part.own);
        let docs: BTreeSet<usize> = self
            .sites
            .iter()
            .filter(|site| site.services.contains(service) && self.settled.taken(site.group))
            .filter_map(|site| match site.file {
                super::File::Doc(doc) => Some(doc),
                super::File::Vars(_) => None,
            })
            .collect();
        let near = own.clone().filter(|part| docs.contains(&part.doc));
        near.chain(own).next().cloned()
    }

    pub(super) fn target_objection(&self, service: &str) -> Option<String> {
        if self.project.setting(service, "provider").is_some() {
            return Some("a provider runs it, and no container".to_owned());
        }
        let Some(part) = self.target(service) else {
            return Some("it stands in no file of the project".to_owned());
        };
        if part.entry.value.alias.is_some() {
            return Some("it is an alias of another service".to_owned());
        }
        if !matches!(&part.node().kind, Kind::Mapping { entries, .. } if !entries.is_empty()) {
            return Some("nothing can be added to it".to_owned());
        }
        let root = self
            .project
            .docs
            .get(part.doc)
            .and_then(|doc| doc.tree.root.clone())?;
        let key = self.top_key();
        if let Some(top) = root.own_entry(key)
            && (top.value.alias.is_some() || top.value.node.anchored)
        {
            return Some(format!("the {key} of its file are shared by aliases"));
        }
        if self.options.style == Style::Volume && self.has_ours(service) {
            return Some(
                "it has a volume of ours already: add the secret to it by hand".to_owned(),
            );
        }
        self.list_objection(
            service,
            if self.options.style == Style::Volume {
                "volumes"
            } else {
                "secrets"
            },
        )
    }

    pub(super) fn top_key(&self) -> &'static str {
        match self.options.style {
            Style::Volume => "volumes",
            Style::Secrets => "secrets",
        }
    }

    /// A list that cannot take one more item.
    fn list_objection(&self, service: &str, key: &str) -> Option<String> {
        let (_, entry) = self.project.setting(service, key)?;
        let own = self.target(service).is_some_and(|part| {
            part.node()
                .own_entry(key)
                .is_some_and(|own| Rc::ptr_eq(own, &entry) && own.value.alias.is_none())
        });
        let plain = |node: &Node| node.items().iter().all(|item| item.node.text().is_some());
        if !matches!(entry.value.node.kind, Kind::Sequence { .. }) {
            return Some(format!("its {key} are no list"));
        }
        let shared = entry.value.node.anchored && own;
        if shared || (!own && !plain(&entry.value.node)) {
            return Some(format!("its {key} are shared by aliases"));
        }
        None
    }

    /// Whether a volume of the driver is mounted already.
    fn has_ours(&self, service: &str) -> bool {
        let mounts = self.mounts(service);
        mounts.iter().any(|mount| {
            let source = mount.split(':').next().unwrap_or_default();
            self.project.docs.iter().any(|doc| {
                let root = doc.tree.root.as_ref();
                let volume = root
                    .and_then(|root| root.get("volumes"))
                    .and_then(|v| v.value.node.get(source));
                let driver = volume.and_then(|v| v.value.node.get("driver"));
                driver.is_some_and(|d| d.value.node.text() == Some(&self.options.driver))
            })
        })
    }

    fn mounts(&self, service: &str) -> Vec<String> {
        let parts = self.project.services.get(service).into_iter().flatten();
        let lists = parts.filter_map(|part| part.node().get("volumes"));
        let mut all = Vec::new();
        for list in lists {
            for item in list.value.node.items() {
                let long = item
                    .node
                    .get("target")
                    .and_then(|e| e.value.node.text().map(str::to_owned));
                let short = item.node.text().map(str::to_owned);
                all.extend(short.or_else(|| long.map(|target| format!(":{target}"))));
            }
        }
        all
    }

    /// The directory that is free for ours.
    pub(super) fn directory(&self, service: &str) -> &'static str {
        if self.options.style == Style::Secrets {
            return DIRECTORY;
        }
        let parts = self.project.services.get(service).into_iter().flatten();
        let secrets = parts
            .clone()
            .any(|part| part.node().get("secrets").is_some());
        let mounted = self
            .mounts(service)
            .iter()
            .any(|mount| mount.contains(DIRECTORY));
        if secrets || mounted {
            BESIDE
        } else {
            DIRECTORY
        }
    }

    pub(super) fn shim_objection(&self, service: &str) -> Option<String> {
        if let Err(why) = &self.options.program {
            return Some(format!("it would need the shim, and {why}"));
        }
        if let Some((_, entry)) = self.project.setting(service, "entrypoint") {
            let words = words_of(&entry.value.node);
            return match words.first().map(String::as_str) {
                None => Some("its entrypoint is empty".to_owned()),
                Some(SHIM) => {
                    Some("it starts through the shim already: add the variable by hand".to_owned())
                }
                Some(_) => None,
            };
        }
        match self.images.get(service) {
            Some(Ok(_)) => None,
            Some(Err(why)) => Some(format!("it would need the shim, and {why}")),
            None => Some("it would need the shim, and its image is not known".to_owned()),
        }
    }

    /// What a service needs, when everything is settled.
    pub(super) fn delivery(&self, service: &str) -> Option<Delivery> {
        let mut secrets = BTreeSet::new();
        let mut newline = false;
        for (index, site) in self.sites.iter().enumerate() {
            if site.services.contains(service) && self.settled.taken(site.group) {
                secrets.extend(self.settled.names.get(&index).cloned());
                newline |= site
                    .value
                    .as_ref()
                    .is_some_and(|value| value.expose().ends_with('\n'));
            }
        }
        let words = self
            .words
            .iter()
            .filter(|word| word.refused.is_none() && word.services.contains(service));
        let mut fill = false;
        let mut health = false;
        for word in words {
            if !word.use_only {
                secrets.insert(word.name.clone());
            }
            fill |= word.carrier == Carrier::Fill;
            health |= word.carrier == Carrier::HealthFill;
        }
        secrets.extend(
            self.settled
                .runtime
                .get(service)
                .into_iter()
                .flatten()
                .cloned(),
        );
        if secrets.is_empty() {
            return None;
        }
        let directory = self.directory(service);
        let shim = self.settled.shims.contains(service).then(|| {
            let image = self.project.setting(service, "image");
            let image = image.and_then(|(_, entry)| entry.value.node.text().map(str::to_owned));
            let mut words = vec![SHIM.to_owned()];
            words.extend(
                image
                    .into_iter()
                    .flat_map(|image| ["-image".to_owned(), image]),
            );
            if directory != DIRECTORY {
                words.extend(["-dir".to_owned(), directory.to_owned()]);
            }
            for variable in self.set_flags(service) {
                words.extend(["-set".to_owned(), variable]);
            }
            words.extend(fill.then(|| "-fill".to_owned()));
            words.extend(newline.then(|| "-keep-newline".to_owned()));
            words.push("--".to_owned());
            words
        });
        let user = self.project.setting(service, "user");
        Some(Delivery {
            secrets,
            user: user.and_then(|(_, entry)| entry.value.node.text().map(str::to_owned)),
            directory,
            mounted: shim.is_some() || health,
            shim,
        })
    }

    /// Variables that the shim would not look at unasked.
    fn set_flags(&self, service: &str) -> BTreeSet<String> {
        use cofferdam_agent::shim::table::Convention;
        let sites = self.sites.iter();
        let taken =
            sites.filter(|site| site.services.contains(service) && self.settled.taken(site.group));
        let wanted = taken.filter(|site| {
            let forced = self
                .settled
                .forced
                .contains(&(service.to_owned(), site.variable.clone()));
            let known = self.convention(service, &site.variable);
            (forced && known.variable(&site.variable).is_some())
                || known == Convention::Path
                || cofferdam_agent::shim::is_path_name(&site.variable)
        });
        let wanted = wanted.filter(|site| {
            let way = self
                .outcome
                .ways
                .get(service)
                .and_then(|ways| ways.get(&site.variable));
            way == Some(&super::Way::Same)
        });
        wanted.map(|site| site.variable.clone()).collect()
    }

    /// Nodes whose keys a service has by merging or extending.
    pub(super) fn bases(&self, service: &str) -> Vec<*const Node> {
        let mut all = Vec::new();
        for part in self.project.services.get(service).into_iter().flatten() {
            gather(part.node(), &mut all, 0);
        }
        all
    }
}

fn gather(node: &Rc<Node>, all: &mut Vec<*const Node>, depth: usize) {
    if depth > 32 {
        return;
    }
    all.push(Rc::as_ptr(node));
    for entry in node.own().iter().filter(|entry| entry.merge) {
        gather(&entry.value.node, all, depth + 1);
        for item in entry.value.node.items() {
            gather(&item.node, all, depth + 1);
        }
    }
}

/// The words of a list, or the one text.
pub(super) fn words_of(node: &Node) -> Vec<String> {
    match node.text() {
        Some(text) => text.split_whitespace().map(str::to_owned).collect(),
        None => node
            .items()
            .iter()
            .filter_map(|item| item.node.text().map(str::to_owned))
            .collect(),
    }
}

/// The volume's definition.
pub(super) fn volume_lines(options: &Options, name: &str, delivery: &Delivery) -> Vec<String> {
    let list: Vec<&str> = delivery.secrets.iter().map(String::as_str).collect();
    let user = delivery.user.as_deref().unwrap_or("@image");
    vec![
        format!("{name}:"),
        format!("  driver: {}", options.driver),
        format!(
            "  driver_opts: {{from: {}, secrets: {}, user: {}}}",
            json(&options.place.replace('$', "$$")),
            json(&list.join(",")),
            json(user)
        ),
    ]
}

/// A text in JSON's quotes.
pub(super) fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The entry of a key in a service, with what it holds from elsewhere when it is not its own.
pub(super) fn own<'n>(node: &'n Node, key: &str) -> Option<&'n Rc<Entry>> {
    node.own_entry(key)
}

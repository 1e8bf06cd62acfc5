//! A `docker save` stream: one or more images, in the old layout (`ID/layer.tar`, `ID/json`) or in the
//! OCI layout (`blobs/sha256/…`), layers compressed or not.
//!
//! The manifest that says what belongs to which image comes last, so parts are searched as they come
//! and put together at the end. A part that no manifest names is counted for every image.

use super::item::{Kind, Peeked, kind};
use super::{Finder, Looked};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};
use std::path::Path;

/// Most parts of one archive (layers, documents) that are told apart.
const MOST_PARTS: usize = 100_000;

/// Most images of one layout that are told apart.
const MOST_IMAGES: usize = 1000;

/// Most layers that all manifests of one archive name together.
const MOST_LAYERS: usize = 200_000;

/// Findings, places of values and gaps that are told again, where one layer belongs to several images or
/// stands in one of them several times. Beyond it they are counted.
const MOST_REPEATED: usize = 200_000;

/// Layers of one image that are told apart.
const LAYERS: usize = 10_000;

/// Later layers that are asked for what they do to a file. Engines allow 127 layers.
const LATER: usize = 1000;

/// Most bytes of documents kept for finding manifests.
const DOCUMENTS: usize = 64 << 20;

/// All images of one stream.
#[derive(Debug, Default)]
pub struct ImageArchive {
    /// One for each image of the manifest; at least one.
    pub images: Vec<ImageLook>,
}

/// What was seen of one image.
#[derive(Debug, Default)]
pub struct ImageLook {
    /// Tags in the archive's manifest; empty for an image without a name.
    pub tags: Vec<String>,
    /// Digest of the configuration, which is the image's id, as hex; empty when unknown.
    pub id: String,
    /// Configuration, manifests, and the other documents beside the layers.
    pub config: Looked,
    /// The layers, whiteouts and overwritten files included. Its objects are layers.
    pub layers: Looked,
}

struct Part {
    layer: bool,
    looked: Looked,
    /// Names of the layer's entries, for what later layers do to earlier ones.
    names: HashSet<String>,
}

/// Names kept of one layer. In a larger one deletions go unnoticed; findings do not.
pub(super) const NAMES: usize = 1_000_000;

/// What an OCI image manifest says (`application/vnd.oci.image.manifest.v1+json`), and Docker's own.
#[derive(Deserialize)]
struct OciManifest {
    config: OciDescriptor,
    layers: Vec<OciDescriptor>,
}

#[derive(Deserialize)]
struct OciDescriptor {
    digest: String,
    /// Where a layer lies that the archive does not hold. Never asked for.
    #[serde(default)]
    urls: Vec<serde::de::IgnoredAny>,
}

/// What a configuration says about the layers.
#[derive(Deserialize)]
struct Described {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl OciManifest {
    fn listed(self) -> Listed {
        let foreign = self.layers.iter().filter(|layer| !layer.urls.is_empty());
        Listed {
            config: blob(&self.config.digest),
            tags: None,
            foreign: foreign.map(|layer| blob(&layer.digest)).collect(),
            cut: false,
            layers: Some(
                self.layers
                    .iter()
                    .map(|layer| blob(&layer.digest))
                    .collect(),
            ),
        }
    }
}

/// Where the OCI layout keeps a blob.
fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// An entry of `manifest.json`.
#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Config", default)]
    config: String,
    #[serde(rename = "RepoTags", default)]
    tags: Option<Vec<String>>,
    #[serde(rename = "Layers", default)]
    layers: Option<Vec<String>>,
    #[serde(skip)]
    foreign: HashSet<String>,
    /// It names more layers than are told apart.
    #[serde(skip)]
    cut: bool,
}

impl Listed {
    fn cut(&mut self) {
        let layers = self.layers.get_or_insert_default();
        self.cut = layers.len() > LAYERS;
        layers.truncate(LAYERS);
    }

    /// Takes its layers out of what all images of the archive may have.
    fn keep(&mut self, left: &mut usize) {
        let layers = self.layers.get_or_insert_default();
        self.cut |= layers.len() > *left;
        layers.truncate(*left);
        *left -= layers.len();
    }
}

#[derive(Default)]
struct Parts {
    by_path: BTreeMap<String, Part>,
    links: BTreeMap<String, String>,
    manifest: Option<Vec<u8>>,
    /// Images that the OCI layout describes.
    described: Vec<Listed>,
    /// How many layers they name.
    named: usize,
    /// Digests of the unpacked layers, by the path of the configuration.
    diff_ids: BTreeMap<String, Vec<String>>,
    kept: usize,
}

impl Finder<'_> {
    /// Searches the stream of `docker save`. What it gives is returned and not added to this finder.
    pub fn image(&mut self, source: &mut dyn Read) -> ImageArchive {
        let before = self.take();
        let mut parts = Parts::default();
        self.tar_entries("", source, &mut |finder, entry, data| {
            finder.image_entry(&mut parts, entry.name, entry.link, data);
        });
        let rest = std::mem::replace(&mut self.looked, before);
        parts.assemble(rest)
    }

    /// Searches an OCI image directory (image-spec, image-layout), or `docker save` unpacked.
    ///
    /// # Errors
    /// When it is neither, or cannot be read.
    pub fn image_directory(&mut self, root: &Path) -> io::Result<ImageArchive> {
        let known = ["oci-layout", "index.json", "manifest.json"];
        if !known.iter().any(|name| root.join(name).is_file()) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let before = self.take();
        let mut parts = Parts::default();
        let mut walk = ignore::WalkBuilder::new(root);
        walk.standard_filters(false)
            .follow_links(false)
            .sort_by_file_name(Ord::cmp);
        for entry in walk.build() {
            match entry {
                Ok(entry) => self.image_file(&mut parts, root, &entry),
                Err(_) => self.gap("", "a directory cannot be read"),
            }
        }
        let rest = std::mem::replace(&mut self.looked, before);
        Ok(parts.assemble(rest))
    }

    fn image_file(&mut self, parts: &mut Parts, root: &Path, entry: &ignore::DirEntry) {
        let name = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let name = name.to_string_lossy().into_owned();
        let kind = entry.file_type();
        if kind.is_some_and(|kind| kind.is_symlink()) {
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            let target = target.to_string_lossy().into_owned();
            self.image_entry(parts, &name, Some(&target), &mut io::empty());
        } else if kind.is_some_and(|kind| kind.is_file()) {
            match std::fs::File::open(entry.path()) {
                Ok(mut file) => self.image_entry(parts, &name, None, &mut file),
                Err(error) => self.gap(&name, super::item::unreadable(&error)),
            }
        }
    }

    fn image_entry(
        &mut self,
        parts: &mut Parts,
        name: &str,
        link: Option<&str>,
        data: &mut dyn Read,
    ) {
        let path = normal(name);
        if let Some(target) = link {
            let target = beside(&path, target);
            parts.links.insert(path, target);
            return;
        }
        let rest = self.take();
        let mut layer = false;
        match Peeked::new(data) {
            Ok(peeked) if peeked.head().is_empty() => {}
            Ok(mut peeked) => {
                layer = kind(peeked.head()) != Kind::Plain || path.ends_with("/layer.tar");
                if layer {
                    self.names = self.patterns.is_some().then(Vec::new);
                    self.item("", &mut peeked, self.limits.depth);
                } else {
                    self.image_document(parts, &path, &mut peeked);
                }
            }
            Err(error) => self.gap("", super::item::unreadable(&error)),
        }
        let mut looked = std::mem::replace(&mut self.looked, rest);
        looked.objects = u64::from(layer);
        let names = self.names.take().unwrap_or_default();
        if parts.by_path.len() < MOST_PARTS {
            let part = Part {
                layer,
                looked,
                names: names.iter().map(|name| normal(name)).collect(),
            };
            parts.by_path.insert(path, part);
        } else {
            self.looked.absorb(looked);
            self.gap("", "more parts than can be told apart");
        }
    }

    fn image_document(&mut self, parts: &mut Parts, path: &str, data: &mut dyn Read) {
        let mut document = Vec::new();
        let most = self
            .limits
            .document
            .min(DOCUMENTS.saturating_sub(parts.kept));
        let read = data.take(most as u64 + 1).read_to_end(&mut document);
        if let Err(error) = read {
            self.gap("", super::item::unreadable(&error));
        }
        if document.len() > most {
            return self.plain("", &mut document.as_slice().chain(data));
        }
        self.json("", &document);
        if let Ok(manifest) = serde_json::from_slice::<OciManifest>(&document)
            && parts.described.len() < MOST_IMAGES
            && parts.named + manifest.layers.len() <= MOST_LAYERS
        {
            parts.named += manifest.layers.len();
            parts.described.push(manifest.listed());
        }
        if let Ok(config) = serde_json::from_slice::<Described>(&document)
            && parts.named + config.rootfs.diff_ids.len() <= MOST_LAYERS
        {
            parts.named += config.rootfs.diff_ids.len();
            parts
                .diff_ids
                .insert(path.to_owned(), config.rootfs.diff_ids);
        }
        if path == "manifest.json" {
            parts.kept += document.len();
            parts.manifest = Some(document);
        }
    }
}

/// Which parts have been told, and how much has been told again: a few bytes of a manifest can name
/// one layer any number of times.
#[derive(Default)]
struct Told {
    once: HashSet<String>,
    repeated: usize,
}

impl Told {
    /// What a part holds: whole the first time, and again as long as that is not too much. From then on
    /// it is counted: an image that shares a bad layer is never told to be clean.
    fn looked(&mut self, path: &str, looked: &Looked) -> Looked {
        if self.once.insert(path.to_owned()) {
            return looked.clone();
        }
        let places: usize = looked.exposed.values().map(|one| 1 + one.at.len()).sum();
        let size = 1 + looked.findings.len() + looked.gaps.len() + places;
        self.repeated = self.repeated.saturating_add(size);
        if self.repeated <= MOST_REPEATED {
            return looked.clone();
        }
        counted(looked)
    }
}

/// The same without its lists: how much there is, and that it is told elsewhere.
fn counted(looked: &Looked) -> Looked {
    let exposed: BTreeMap<_, _> = looked
        .exposed
        .iter()
        .map(|(secret, exposed)| {
            let more = exposed.at.len() as u64 + exposed.more;
            let at = Vec::new();
            (*secret, super::Exposed { at, more })
        })
        .collect();
    let findings = looked.findings.len() as u64 + looked.more_findings;
    let places: u64 = exposed.values().map(|exposed| exposed.more).sum();
    let gaps = looked.gaps.len() as u64 + looked.more_gaps;
    let count = |count: u64, one: &str, many: &str| {
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
    };
    let parts = [
        count(findings, "finding", "findings"),
        count(places, "place of a stored value", "places of stored values"),
        count(gaps, "part not looked at", "parts not looked at"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let mut short = Looked {
        exposed,
        more_findings: findings,
        more_gaps: gaps,
        objects: looked.objects,
        bytes: looked.bytes,
        known: looked.known,
        ..Looked::default()
    };
    // One that holds nothing has nothing that is not listed.
    if !parts.is_empty() {
        short.gap(super::Gap {
            location: String::new(),
            reason: format!(
                "is named too often to be listed each time: {} stand where it is named first",
                parts.join(", ")
            ),
        });
    }
    short
}

impl Parts {
    fn assemble(mut self, rest: Looked) -> ImageArchive {
        let manifest = self.manifest.take().unwrap_or_default();
        let mut listed: Vec<Listed> = serde_json::from_slice(&manifest).unwrap_or_default();
        if listed.is_empty() {
            listed = std::mem::take(&mut self.described);
        }
        if listed.is_empty() {
            listed.push(self.unlisted());
        }
        let more_images = listed.len() > MOST_IMAGES;
        listed.truncate(MOST_IMAGES);
        let mut left = MOST_LAYERS;
        for one in &mut listed {
            one.cut();
            one.keep(&mut left);
        }
        let owned: HashSet<String> = listed
            .iter()
            .flat_map(|listed| self.paths(listed))
            .collect();
        let mut shared = rest;
        for (path, part) in self
            .by_path
            .iter()
            .filter(|(path, _)| !owned.contains(path.as_str()))
        {
            shared.absorb(part.looked.clone().within(path));
        }
        if more_images {
            shared.gap(super::Gap {
                location: "manifest".to_owned(),
                reason: format!("names more than {MOST_IMAGES} images"),
            });
        }
        // What belongs to none of the images is told with the first.
        let mut shared = Some(shared);
        let mut told = Told::default();
        let images = listed
            .iter()
            .map(|listed| self.look(listed, shared.take().unwrap_or_default(), &mut told))
            .collect();
        ImageArchive { images }
    }

    /// An OCI layout without Docker's manifest: everything that looks like a layer is one.
    fn unlisted(&self) -> Listed {
        let layers = self.by_path.iter().filter(|(_, part)| part.layer);
        Listed {
            config: String::new(),
            tags: None,
            layers: Some(layers.map(|(path, _)| path.clone()).collect()),
            foreign: HashSet::new(),
            cut: false,
        }
    }

    /// All parts that belong to one image: config, layers, and the old layout's `ID/json`.
    fn paths(&self, listed: &Listed) -> Vec<String> {
        let mut paths = vec![normal(&listed.config)];
        for layer in listed.layers.iter().flatten() {
            paths.push(self.resolve(&normal(layer)));
            paths.extend(legacy(layer));
        }
        paths
    }

    fn look(&self, listed: &Listed, shared: Looked, told: &mut Told) -> ImageLook {
        let mut look = ImageLook {
            tags: listed
                .tags
                .iter()
                .flatten()
                .map(|tag| super::clean(tag))
                .collect(),
            id: image_id(&listed.config),
            config: shared,
            ..ImageLook::default()
        };
        if let Some(part) = self.by_path.get(&normal(&listed.config)) {
            let config = told.looked(&normal(&listed.config), &part.looked);
            look.config.absorb(config.within("config"));
        }
        look.config.objects = 1;
        let layers: Vec<_> = listed.layers.iter().flatten().collect();
        if listed.cut {
            look.layers.gap(super::Gap {
                location: "layers".to_owned(),
                reason: "the image names more of them than can be told apart".to_owned(),
            });
        }
        let diff_ids = self.diff_ids.get(&normal(&listed.config));
        for (number, layer) in layers.iter().enumerate() {
            let digest = diff_ids.and_then(|ids| ids.get(number));
            let place = match digest.and_then(|digest| short_digest(digest)) {
                Some(digest) => format!("layer {} of {} ({digest})", number + 1, layers.len()),
                None => format!("layer {} of {}", number + 1, layers.len()),
            };
            let path = self.resolve(&normal(layer));
            match self.by_path.get(&path) {
                Some(part) => {
                    let mut looked = told.looked(&path, &part.looked);
                    let later = layers.get(number + 1..).unwrap_or_default();
                    self.note_what_becomes(&mut looked, number + 2, later);
                    look.layers.absorb(looked.within(&place));
                }
                None => look.layers.gap(super::Gap {
                    location: place.clone(),
                    reason: if listed.foreign.contains(*layer) {
                        "is kept elsewhere, at an address that was not asked".to_owned()
                    } else {
                        "is not in the archive".to_owned()
                    },
                }),
            }
            let beside = legacy(layer).and_then(|path| self.by_path.get_key_value(&path));
            if let Some((path, part)) = beside {
                let place = format!("old config of {place}");
                look.config
                    .absorb(told.looked(path, &part.looked).within(&place));
            }
        }
        look
    }

    /// Says of findings whose file a later layer deletes or replaces: they look gone in a container and
    /// lie in the image all the same (whiteouts of the OCI image-spec, layer.md).
    fn note_what_becomes(&self, looked: &mut Looked, first: usize, later: &[&String]) {
        for finding in &mut looked.findings {
            let path = normal(finding.location.split(": ").next().unwrap_or_default());
            let fate = later.iter().take(LATER).enumerate().find_map(|(n, layer)| {
                let part = self.by_path.get(&self.resolve(&normal(layer)))?;
                let fate = fate(&part.names, &path)?;
                Some(format!("{fate} in layer {}", first + n))
            });
            if let Some(fate) = fate {
                let note = finding.note.take();
                finding.note =
                    Some(note.map_or_else(|| fate.clone(), |note| format!("{note}, {fate}")));
            }
        }
    }

    /// Follows the links by which the old layout shares equal layers.
    fn resolve(&self, path: &str) -> String {
        let mut path = path;
        for _ in 0..4 {
            match self.links.get(path) {
                Some(target) => path = target,
                None => break,
            }
        }
        path.to_owned()
    }
}

/// What a layer does to a file of an earlier one.
fn fate(names: &HashSet<String>, path: &str) -> Option<&'static str> {
    if names.contains(path) {
        return Some("overwritten");
    }
    let mut rest = path;
    loop {
        let (directory, name) = rest.rsplit_once('/').unwrap_or(("", rest));
        let inside = |name: &str| match directory {
            "" => name.to_owned(),
            directory => format!("{directory}/{name}"),
        };
        if names.contains(&inside(&format!(".wh.{name}")))
            || names.contains(&inside(".wh..wh..opq"))
        {
            return Some("deleted");
        }
        if directory.is_empty() {
            return None;
        }
        rest = directory;
    }
}

/// The document beside a layer of the old layout.
fn legacy(layer: &str) -> Option<String> {
    normal(layer)
        .strip_suffix("/layer.tar")
        .map(|directory| format!("{directory}/json"))
}

/// `abc….json` or `blobs/sha256/abc…`.
fn image_id(config: &str) -> String {
    let name = config.rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(".json").unwrap_or(name);
    if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return name.to_owned();
    }
    String::new()
}

/// `sha256:` and twelve digits, which is enough to find the layer.
fn short_digest(digest: &str) -> Option<String> {
    let (kind, hex) = digest.split_once(':')?;
    let short = hex.get(..12)?;
    let known = kind == "sha256" && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    known.then(|| format!("sha256:{short}"))
}

/// A name without empty and dot segments. Only a key: nothing is ever opened by it.
fn normal(name: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in name.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

fn beside(path: &str, target: &str) -> String {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    // Hard links name a path from the root of the archive, symbolic ones from their directory.
    if target.starts_with("../") || !target.contains('/') {
        return normal(&format!("{directory}/{target}"));
    }
    normal(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(layers: usize, images: usize) -> Parts {
        let found = || Looked {
            gaps: vec![
                super::super::Gap {
                    location: "a".to_owned(),
                    reason: "b".to_owned(),
                };
                1000
            ],
            ..Looked::default()
        };
        let mut parts = Parts::default();
        for name in ["layer.tar", "stray.json"] {
            let part = Part {
                layer: name == "layer.tar",
                looked: found(),
                names: HashSet::new(),
            };
            parts.by_path.insert(name.to_owned(), part);
        }
        let image = serde_json::json!({"Layers": vec!["layer.tar"; layers]});
        parts.manifest = Some(serde_json::to_vec(&vec![image; images]).unwrap());
        parts
    }

    #[test]
    fn a_manifest_that_names_one_layer_without_end_costs_little() {
        let archive = parts(20, 1_100).assemble(Looked::default());
        assert_eq!(archive.images.len(), MOST_IMAGES);
        let told: usize = archive
            .images
            .iter()
            .map(|image| image.layers.gaps.len() + image.config.gaps.len())
            .sum();
        assert!(told < MOST_REPEATED + 30_000, "{told}");
        let first = archive.images.first().unwrap();
        let says = |words: &str| {
            let mut gaps = first.layers.gaps.iter().chain(&first.config.gaps);
            gaps.any(|gap| gap.reason.contains(words))
        };
        assert!(says("names more than 1000 images") && says("b"));
        // What belongs to no image is told once.
        assert!(archive.images.get(1).unwrap().config.gaps.is_empty());
    }

    /// A layer with one value in many places costs as many as it has, and none of its images looks clean
    /// when they are not listed any more.
    #[test]
    fn places_are_counted_where_they_are_not_listed_again() {
        const PLACES: usize = 20;
        let secret = crate::needles::SecretId(0);
        let at = (0..PLACES).map(|number| super::super::Exposure {
            location: format!("etc/{number}"),
            form: crate::forms::Form::Raw,
        });
        let exposed = super::super::Exposed {
            at: at.collect(),
            more: 3,
        };
        let at = super::super::Exposure {
            location: "etc/x".to_owned(),
            form: crate::forms::Form::Raw,
        };
        let label = crate::label::Label::new("kv/db", None, "value");
        let key = crate::pattern::DigestKey::new(&cofferdam_secret::Secret::new(vec![7; 32]));
        let finding = crate::pattern::Finding::of_stored(&key, &label, &at);
        let mut parts = parts(12, MOST_IMAGES);
        parts.by_path.get_mut("layer.tar").unwrap().looked = Looked {
            exposed: BTreeMap::from([(secret, exposed)]),
            findings: vec![finding.clone(), finding],
            ..Looked::default()
        };
        let archive = parts.assemble(Looked::default());
        let (mut listed, mut all) = (0, 0);
        for image in &archive.images {
            let exposed = image.layers.exposed.get(&secret).unwrap();
            listed += exposed.at.len();
            all += exposed.at.len() as u64 + exposed.more;
            let findings = image.layers.findings.len() as u64 + image.layers.more_findings;
            assert_eq!(findings, 2 * 12);
        }
        assert_eq!(all, (PLACES as u64 + 3) * 12 * MOST_IMAGES as u64);
        assert!(listed <= MOST_REPEATED + PLACES, "{listed}");
        assert!(listed > MOST_REPEATED / 2, "{listed}");
        let last = archive.images.last().unwrap();
        let gap = last.layers.gaps.first().unwrap();
        assert_eq!(gap.location, "layer 1 of 12");
        assert_eq!(
            gap.reason,
            "is named too often to be listed each time: 2 findings, 23 places of stored values stand where it is named first"
        );
    }
}

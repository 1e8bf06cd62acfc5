//! What a build leaves behind, and so what there is to search before anybody else gets it.

use super::Builder;
use super::flags::Word;
use crate::build::dockerfile::csv_fields;
use std::path::PathBuf;

/// The result of a build, as its flags name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// An image in the engine's store, or on its way to a registry.
    pub image: bool,
    /// Files and directories of this machine.
    pub files: Vec<PathBuf>,
    /// The names the image is to get.
    pub tags: Vec<String>,
    /// The image is to be pushed under each of its names.
    pub push: bool,
    /// Why it cannot be searched before it is out of hand.
    pub unsearchable: Option<&'static str>,
}

/// Flags that name the product and are held back until it has been searched.
pub(super) const HELD_BACK: &[&str] = &["-t", "--tag", "--push", "--cache-to", "--iidfile"];
const OUTPUT: &[&str] = &["-o", "--output"];

/// One `--output`.
#[derive(Default)]
struct Output {
    kind: String,
    dest: Option<String>,
    names: Vec<String>,
    push: bool,
    other: bool,
}

impl Output {
    fn parse(text: &str) -> Self {
        let mut output = Self::default();
        let fields = csv_fields(text);
        if let [only] = fields.as_slice()
            && !only.contains('=')
        {
            // `-o DIRECTORY`, and `-o -` for a tar stream (docker buildx build, Output).
            output.kind = "local".to_owned();
            output.dest = Some(only.clone());
            return output;
        }
        for field in &fields {
            let (key, value) = field.split_once('=').unwrap_or((field, "true"));
            match key {
                "type" => value.clone_into(&mut output.kind),
                "dest" => output.dest = Some(value.to_owned()),
                "name" => output.names.extend(value.split(',').map(str::to_owned)),
                "push" => output.push = value == "true" || value == "1",
                _ => output.other = true,
            }
        }
        output
    }

    /// Whether it is an image and not files.
    fn is_image(&self) -> bool {
        let kind = self.kind.as_str();
        matches!(kind, "image" | "registry") || (kind == "docker" && self.dest.is_none())
    }
}

/// Whether this word is held back, the outputs that are images included.
pub(super) fn held_back(word: &Word) -> bool {
    word.is(HELD_BACK) || (word.is(OUTPUT) && Output::parse(&word.text()).is_image())
}

pub(super) fn of(builder: Builder, words: &[Word]) -> Product {
    let mut product = Product::default();
    let mut outputs = false;
    let mut nothing = false;
    for word in words {
        if word.is(&["-t", "--tag"]) {
            product.tags.push(word.text());
        } else if word.is(&["--push"]) {
            product.push |= word.is_on();
        } else if word.is(OUTPUT) {
            outputs = true;
            add(&mut product, &Output::parse(&word.text()));
        } else if word.is(&["--check", "--help", "-h", "--call", "--print"]) {
            nothing = true;
        } else if word.is(&["--platform"]) && word.text().contains(',')
            || word.is(&["--all-platforms", "--manifest"])
        {
            product.unsearchable =
                Some("an image for several platforms exists only where it is pushed to");
        }
    }
    let attests = |word: &Word| {
        word.is(&["--attest", "--sbom"]) || (word.is(&["--provenance"]) && word.text() != "false")
    };
    if product.push && words.iter().any(attests) {
        product.unsearchable = Some("attestations are made while the image is pushed");
    }
    let loads = words.iter().any(|word| word.is(&["--load"]));
    product.image |= !nothing && (!outputs || product.push || loads);
    if matches!(builder, Builder::Podman | Builder::Buildah) && product.push {
        // Neither has the flag; its own words for that are better than ours.
        product.push = false;
    }
    product
}

fn add(product: &mut Product, output: &Output) {
    if output.is_image() {
        product.image = true;
        product.push |= output.push || output.kind == "registry";
        product.tags.extend(output.names.iter().cloned());
        if output.other {
            product.unsearchable =
                Some("an output with options of its own is made while it is pushed");
        }
        return;
    }
    match (output.kind.as_str(), output.dest.as_deref()) {
        ("cacheonly", _) => {}
        (_, Some("-") | None) => product.unsearchable = Some("a result on stdout is gone at once"),
        (_, Some(dest)) => product.files.push(PathBuf::from(dest)),
    }
}

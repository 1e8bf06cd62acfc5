//! Images: inspect, history, and everything inside `docker save`.

use super::containers::{parsed, short};
use super::{Search, Selection};
use crate::docker::engine::blocking::Engine;
use crate::docker::engine::encoded;
use cofferdam_detect::report::{Column, Place};
use cofferdam_detect::source::{ImageLook, Looked};
use serde::Deserialize;

/// Images saved in one stream, so that layers they share are read once.
const BATCH: usize = 16;

/// Bytes of images saved in one stream: the engine puts them into a temporary file first.
const BATCH_BYTES: u64 = 8 << 30;

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "RepoTags", default)]
    tags: Option<Vec<String>>,
    #[serde(rename = "Size", default)]
    size: u64,
}

impl Listed {
    fn tags(&self) -> impl Iterator<Item = &str> {
        let tags = self.tags.iter().flatten().map(String::as_str);
        tags.filter(|tag| *tag != "<none>:<none>")
    }

    /// The digits of its id.
    fn digest(&self) -> &str {
        self.id
            .split_once(':')
            .map_or(&self.id, |(_, digest)| digest)
    }

    fn name(&self) -> String {
        self.tags()
            .next()
            .map_or_else(|| short(self.digest()), str::to_owned)
    }

    /// Everything a person may call it.
    fn known_as(&self) -> Vec<String> {
        let mut known: Vec<String> = self.tags().map(str::to_owned).collect();
        let latest = self.tags().filter_map(|tag| tag.strip_suffix(":latest"));
        known.extend(latest.map(str::to_owned));
        known.extend([
            self.id.clone(),
            self.digest().to_owned(),
            short(self.digest()),
        ]);
        known
    }
}

const OF_IMAGES: [Place; 4] = [
    Place::ImageInspect,
    Place::ImageHistory,
    Place::ImageConfig,
    Place::ImageLayers,
];

impl Search<'_> {
    pub(super) fn images(&mut self, engine: &Engine) {
        if self.scope.images == Selection::Nothing {
            return;
        }
        let listed = engine
            .get("/images/json")
            .and_then(|answer| parsed::<Vec<Listed>>(&answer));
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                for place in OF_IMAGES {
                    self.matrix.set(place, self.failed(&error));
                }
                return;
            }
        };
        let mut known = Vec::new();
        let mut chosen = Vec::new();
        for image in listed {
            let names = image.known_as();
            if self.scope.images.takes(names.iter().map(String::as_str)) {
                known.extend(names);
                chosen.push(image);
            }
        }
        let missing: Vec<String> = self
            .scope
            .images
            .missing(&known)
            .into_iter()
            .map(str::to_owned)
            .collect();
        for place in OF_IMAGES {
            for name in &missing {
                self.finder.gap(name, "no such image");
            }
            self.keep(place);
        }
        self.described(engine, &chosen, "json", Place::ImageInspect);
        self.described(engine, &chosen, "history", Place::ImageHistory);
        for batch in batches(&chosen) {
            self.saved(engine, batch);
        }
    }

    fn described(&mut self, engine: &Engine, chosen: &[Listed], what: &str, place: Place) {
        for image in chosen {
            (self.progress)(&format!("image {}", image.name()));
            match engine.get(&format!("/images/{}/{what}", encoded(&image.id))) {
                Ok(answer) => {
                    self.finder.count();
                    self.finder.json(&image.name(), &answer);
                }
                Err(error) => self.vanished_or_gap(&image.name(), &error),
            }
        }
        self.keep(place);
    }

    /// Searches some images in one stream; when the engine cannot give them together, one by one.
    fn saved(&mut self, engine: &Engine, batch: &[Listed]) {
        let names: Vec<String> = batch.iter().map(Listed::name).collect();
        (self.progress)(&format!("layers of {}", names.join(", ")));
        let query: Vec<_> = batch
            .iter()
            .map(|image| format!("names={}", encoded(&image.id)))
            .collect();
        match engine.stream(&format!("/images/get?{}", query.join("&"))) {
            Ok(mut body) => {
                let archive = self.finder.image(&mut body);
                for look in archive.images {
                    self.put(batch, look);
                }
            }
            Err(_) if batch.len() > 1 => {
                for image in batch {
                    self.saved(engine, std::slice::from_ref(image));
                }
            }
            Err(error) => {
                for place in [Place::ImageConfig, Place::ImageLayers] {
                    self.vanished_or_gap(&names.join(", "), &error);
                    self.keep(place);
                }
            }
        }
    }

    fn put(&mut self, batch: &[Listed], look: ImageLook) {
        let same = |image: &&Listed| image.digest() == look.id;
        let only = || (batch.len() == 1).then(|| batch.first()).flatten();
        let image = batch.iter().find(same).or_else(only);
        let name = match (image, look.tags.first()) {
            (Some(image), _) => image.name(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => short(&look.id),
        };
        let within = |looked: Looked| Column::Looked(looked.within(&name));
        self.matrix.set(Place::ImageConfig, within(look.config));
        self.matrix.set(Place::ImageLayers, within(look.layers));
    }
}

/// Cuts the list where a stream would get too long.
fn batches(images: &[Listed]) -> Vec<&[Listed]> {
    let mut batches = Vec::new();
    let mut from = 0;
    let mut bytes = 0_u64;
    for (at, image) in images.iter().enumerate() {
        bytes = bytes.saturating_add(image.size);
        if at > from && (at - from >= BATCH || bytes > BATCH_BYTES) {
            batches.extend(images.get(from..at));
            from = at;
            bytes = image.size;
        }
    }
    batches.extend(images.get(from..).filter(|rest| !rest.is_empty()));
    batches
}

//! What a host attests of a container, checked before anything is decided by it.

use cofferdam_core::Fault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names, digests and label names are not longer: Docker's own are at most 255.
const MAX_TEXT: usize = 512;
/// Labels in all, names and values, in bytes.
const MAX_LABELS: usize = 64 << 10;
/// Names under which one image is known.
const MAX_DIGESTS: usize = 64;

/// A container as its engine knows it. What a request of the container says of itself is not in here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Container {
    /// The engine's identifier: 64 hexadecimal digits.
    pub(super) container: String,
    /// For people: it can be changed while the container runs, so nothing is decided by it.
    #[serde(default)]
    pub(super) name: String,
    /// The identifier of the image it was made from, whatever the image's tag means by now.
    pub(super) image_id: String,
    /// `NAME@sha256:…`, for an image that came from a registry.
    #[serde(default)]
    pub(super) image_digests: Vec<String>,
    /// Those that the container was started with. A label that the image brings says what the
    /// image's author likes, and is left out by the host.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) compose_project: String,
    #[serde(default)]
    pub(super) compose_service: String,
    #[serde(default)]
    pub(super) swarm_service: String,
}

impl Container {
    /// Refuses what no engine would say.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if !is_hex(&self.container) {
            return Err(Fault::invalid(
                "container: expected 64 hexadecimal digits in lower case",
            ));
        }
        if !is_digest(&self.image_id) {
            return Err(Fault::invalid(
                "image_id: expected sha256: and 64 hexadecimal digits in lower case",
            ));
        }
        if self.image_digests.len() > MAX_DIGESTS {
            return Err(Fault::invalid("image_digests: too many"));
        }
        let named = |digest: &String| {
            digest
                .split_once('@')
                .is_some_and(|(_, sum)| is_digest(sum))
        };
        if !self.image_digests.iter().all(named) {
            return Err(Fault::invalid(
                "image_digests: expected NAME@sha256: and 64 hexadecimal digits in lower case",
            ));
        }
        let texts = [
            ("name", &self.name),
            ("compose_project", &self.compose_project),
            ("compose_service", &self.compose_service),
            ("swarm_service", &self.swarm_service),
        ];
        let digests = self
            .image_digests
            .iter()
            .map(|text| ("image_digests", text));
        let names = self.labels.keys().map(|text| ("labels", text));
        for (field, text) in texts.into_iter().chain(digests).chain(names) {
            if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
                return Err(Fault::invalid(format!(
                    "{field}: too long, or with control characters"
                )));
            }
        }
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| name.len() + value.len());
        if labels.sum::<usize>() > MAX_LABELS {
            return Err(Fault::invalid("labels: more than 64 KiB"));
        }
        Ok(())
    }

    /// What the token and every audit record of it show.
    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let first = self.image_digests.first().map_or("", String::as_str);
        let all = [
            ("container_id", self.container.as_str()),
            ("container_name", &self.name),
            ("image_id", &self.image_id),
            ("image_digest", first),
            ("compose_project", &self.compose_project),
            ("compose_service", &self.compose_service),
            ("swarm_service", &self.swarm_service),
        ];
        let told = all.into_iter().filter(|(_, text)| !text.is_empty());
        told.map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect()
    }
}

/// `sha256:` and the sum.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(is_hex)
}

fn is_hex(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

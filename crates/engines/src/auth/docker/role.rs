//! A role: which containers it is for, and what their tokens are like.

use super::container::{Container, is_digest};
use crate::auth::token::Settings;
use cofferdam_core::Fault;
use cofferdam_core::engine::View;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an attestation by the local admin is bound by in [`Bounds::hosts`].
pub(super) const LOCAL: &str = "local";

/// A role as it is stored.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(in crate::auth) struct Role {
    /// Lower case.
    pub(super) name: String,
    pub(super) bounds: Bounds,
    pub(super) token: Settings,
}

/// Which containers. Of a list that is not empty one must be the container's; all lists must agree.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Bounds {
    /// `sha256:…` of the image's configuration, as `docker inspect` shows it in `Image`.
    pub(super) image_ids: Vec<String>,
    /// `sha256:…` of a manifest, or `NAME@sha256:…`.
    pub(super) image_digests: Vec<String>,
    /// All of them.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) compose_projects: Vec<String>,
    pub(super) compose_services: Vec<String>,
    pub(super) swarm_services: Vec<String>,
    /// Which hosts may attest for it.
    pub(super) hosts: Vec<String>,
}

impl Role {
    /// Refuses what would admit what nobody meant, and tokens that the host cannot look after.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.bounds.check()?;
        if self.token.num_uses > 0 {
            return Err(Fault::invalid(
                "token_num_uses: the host keeps one token for all requests of a container, so they cannot be counted",
            ));
        }
        if self.token.batch {
            return Err(Fault::invalid(
                "token_type: batch tokens cannot be renewed, and the host renews what a container has",
            ));
        }
        Ok(())
    }
}

impl Bounds {
    /// Refuses bounds that would admit what nobody meant.
    fn check(&self) -> Result<(), Fault> {
        if !self.image_ids.iter().all(|id| is_digest(id)) {
            return Err(Fault::invalid(
                "bound_image_ids: expected sha256: and 64 hexadecimal digits in lower case",
            ));
        }
        let sum = |digest: &String| {
            is_digest(
                digest
                    .split_once('@')
                    .map_or(digest.as_str(), |(_, sum)| sum),
            )
        };
        if !self.image_digests.iter().all(sum) {
            return Err(Fault::invalid(
                "bound_image_digests: expected sha256:… or NAME@sha256:…, with 64 hexadecimal digits in lower case",
            ));
        }
        if !self.compose_services.is_empty() && self.compose_projects.is_empty() {
            return Err(Fault::invalid(
                "bound_compose_services needs bound_compose_projects: any project may call a service so",
            ));
        }
        let bound = !self.image_ids.is_empty()
            || !self.image_digests.is_empty()
            || !self.labels.is_empty()
            || !self.compose_projects.is_empty()
            || !self.swarm_services.is_empty();
        if bound {
            return Ok(());
        }
        Err(Fault::invalid(
            "at least one of bound_image_ids, bound_image_digests, bound_labels, bound_compose_projects and \
             bound_swarm_services must be set: without them every container would be admitted",
        ))
    }

    /// Whether the role is for this container, attested by this host.
    pub(super) fn admit(&self, container: &Container, host: &str) -> bool {
        let one_of = |bound: &[String], text: &str| {
            bound.is_empty() || (!text.is_empty() && bound.iter().any(|name| name == text))
        };
        let digest = |bound: &String| {
            let mut known = container.image_digests.iter();
            known.any(|known| {
                known == bound || known.split_once('@').is_some_and(|(_, sum)| sum == bound)
            })
        };
        let label = |(name, value): (&String, &String)| container.labels.get(name) == Some(value);
        one_of(&self.hosts, host)
            && one_of(&self.image_ids, &container.image_id)
            && one_of(&self.compose_projects, &container.compose_project)
            && one_of(&self.compose_services, &container.compose_service)
            && one_of(&self.swarm_services, &container.swarm_service)
            && (self.image_digests.is_empty() || self.image_digests.iter().any(digest))
            && self.labels.iter().all(label)
    }
}

/// Roles looked at in one go.
const AT_ONCE: usize = 128;

/// Every role that is for the container, by name.
pub(super) async fn matching(
    view: &View,
    container: &Container,
    host: &str,
) -> Result<Vec<Role>, Fault> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = view.range("role/", after.as_deref(), AT_ONCE).await?;
        after = page.entries.last().map(|entry| entry.key.clone());
        for entry in page.entries {
            let role: Role =
                serde_json::from_slice(entry.value.expose()).map_err(Fault::unreadable)?;
            if role.bounds.admit(container, host) {
                found.push(role);
            }
        }
        if !page.more {
            return Ok(found);
        }
    }
}

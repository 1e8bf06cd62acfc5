//! Builds, pushes and deliveries that name the secret.

use super::{Attributes, Radius};
use crate::cli::Failure;
use cofferdam_api::{Client, Error, Request, Tree};
use serde::Serialize;

/// An image that was lent the value.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Image {
    pub(super) name: String,
    digest: String,
    at: String,
    by: String,
    pushed: bool,
    builder: String,
    host: String,
}

/// A container or task that was given the value.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Holder {
    pub(super) name: String,
    digest: String,
    at: String,
    pub(super) via: String,
    host: String,
    container: String,
}

impl Image {
    pub(super) fn line(&self) -> String {
        let pushed = if self.pushed { ", pushed" } else { "" };
        format!(
            "{} {} built {} by {} on {}{pushed}",
            self.name, self.digest, self.at, self.by, self.host
        )
    }

    pub(super) fn build_command(&self) -> Option<String> {
        let builder = Some(self.builder.as_str()).filter(|builder| !builder.is_empty())?;
        Some(format!("cofferdam build -- {builder} …"))
    }
}

impl Holder {
    pub(super) fn line(&self) -> String {
        format!(
            "{} on {}, by {}, last given {}",
            self.name, self.host, self.via, self.at
        )
    }
}

/// Reads every record that names this version.
pub(super) async fn collect(client: &Client, radius: &mut Radius) -> Result<(), Failure> {
    let mut after: Option<String> = None;
    let mut unreadable = 0_u64;
    loop {
        let mut request = Request::get(format!("sys/records/by-secret/{}", radius.path));
        if let Some(version) = radius.version {
            request = request.query("version", version.to_string());
        }
        if let Some(after) = &after {
            request = request.query("after", after.clone());
        }
        let answer = match client.send(request).await {
            Ok(answer) => answer,
            Err(Error::NotFound(_)) => break,
            Err(Error::Denied(_)) => {
                radius.not_known.push(format!(
                    "builds and deliveries: no \"read\" on sys/records/by-secret/{}",
                    radius.path
                ));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        for key in answer.keys() {
            match client.read(&format!("sys/records/{key}")).await {
                Ok(record) => {
                    add(&record.tree().unwrap_or(Tree::Null), radius);
                }
                // Removed in the meantime.
                Err(Error::NotFound(_)) => {}
                Err(Error::Denied(_)) => unreadable += 1,
                Err(error) => return Err(error.into()),
            }
        }
        let data = answer.tree().unwrap_or(Tree::Null);
        after = data.get("after").and_then(Tree::as_text).map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    if unreadable > 0 {
        radius
            .not_known
            .push(format!("{unreadable} records: no \"read\" on sys/records/"));
    }
    Ok(())
}

fn text(data: &Tree, name: &str) -> String {
    let text = data.get(name).and_then(Tree::as_text);
    text.unwrap_or_default().to_owned()
}

fn add(data: &Tree, radius: &mut Radius) {
    let attributes: Attributes = data
        .get("attributes")
        .into_iter()
        .flat_map(Tree::entries)
        .filter_map(|(name, value)| Some((name.to_owned(), value.as_text()?.to_owned())))
        .collect();
    let attribute = |name: &str| attributes.get(name).cloned().unwrap_or_default();
    let (kind, at) = (text(data, "kind"), text(data, "at"));
    for subject in data.get("subject").map(Tree::items).unwrap_or_default() {
        let name = text(subject, "name");
        let digest = subject.get("digest").map(|digest| text(digest, "sha256"));
        let digest = digest.filter(|digest| !digest.is_empty());
        let digest = digest.map(|digest| format!("sha256:{digest}"));
        let digest = digest.unwrap_or_default();
        if kind == "delivery" {
            let holder = Holder {
                name,
                digest,
                at: at.clone(),
                via: attribute("via"),
                host: attribute("host"),
                container: attribute("container"),
            };
            // Oldest first: a later delivery to the same holder takes the place of the earlier one.
            let same = |other: &Holder| {
                (&other.name, &other.host, &other.container)
                    == (&holder.name, &holder.host, &holder.container)
            };
            radius.containers.retain(|other| !same(other));
            radius.containers.push(holder);
            continue;
        }
        let known = radius
            .images
            .iter_mut()
            .find(|image| image.name == name && image.digest == digest);
        match known {
            Some(image) => image.pushed |= kind == "push",
            None => radius.images.push(Image {
                name,
                digest,
                at: at.clone(),
                by: text(data, "by"),
                pushed: kind == "push",
                builder: attribute("builder"),
                host: attribute("host"),
            }),
        }
    }
}

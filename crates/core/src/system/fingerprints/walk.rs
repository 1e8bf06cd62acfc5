//! Which secrets the caller may have fingerprints of, in the order of their paths.

use super::super::System;
use crate::engine::Kept;
use crate::fault::Fault;
use crate::mount::Class;
use crate::path::Path;
use crate::policy::{Acl, Capability};
use crate::registry::MountPoint;
use crate::request::{Call, Caller};
use std::sync::Arc;

/// Records that are read at a time.
const STEP: usize = 256;

/// A secret that the caller may have fingerprints of.
pub(super) struct Found {
    /// With its mount.
    pub(super) path: String,
    pub(super) kept: Kept,
    pub(super) point: Arc<MountPoint>,
}

/// Some of them, and where the next ones begin.
pub(super) struct Page {
    pub(super) secrets: Vec<Found>,
    pub(super) after: Option<String>,
    hidden: u64,
}

/// The way through all mounts.
pub(super) struct Walk {
    points: Vec<Arc<MountPoint>>,
    acl: Arc<Acl>,
    prefixes: Vec<String>,
    now: crate::clock::Time,
}

impl Walk {
    pub(super) async fn new(
        engine: &System,
        call: &Call<'_>,
        prefixes: Vec<String>,
    ) -> Result<Self, Fault> {
        let tables = engine.services()?.registry.fresh().await?;
        let acl = match call.caller {
            Caller::Token(entry) => tables.acl(entry),
            Caller::Local { .. } => Arc::new(Acl::root()),
            Caller::Anonymous => return Err(Fault::denied()),
        };
        let mounts = tables.mounts().iter();
        let mut points: Vec<_> = mounts
            .filter(|mount| mount.class == Class::Secret)
            .filter_map(|mount| tables.point(&mount.path).cloned())
            .collect();
        points.sort_by(|a, b| a.mount.path.cmp(&b.mount.path));
        Ok(Self {
            points,
            acl,
            prefixes,
            now: call.now,
        })
    }

    /// At most `most` secrets behind the place that a page before named.
    pub(super) async fn page(&self, after: Option<&str>, most: usize) -> Result<Page, Fault> {
        let (mount, mut record) = match after {
            Some(text) => place(text)?,
            None => (String::new(), None),
        };
        let mut page = Page {
            secrets: Vec::new(),
            after: None,
            hidden: 0,
        };
        for point in self.points.iter().filter(|point| point.mount.path >= mount) {
            let Some(engine) = point.engine.clone() else {
                continue;
            };
            let mut from = if point.mount.path == mount {
                record.take()
            } else {
                None
            };
            loop {
                let kept = engine
                    .kept(&point.view, from.as_deref(), STEP, self.now)
                    .await?;
                let last = kept.last().map(|kept| kept.path.clone());
                for kept in kept {
                    let path = format!("{}/{}", point.mount.path, kept.path);
                    if !self.asked(&path) {
                        continue;
                    }
                    if !self.may(&path) {
                        page.hidden += 1;
                        continue;
                    }
                    page.secrets.push(Found {
                        path,
                        kept,
                        point: point.clone(),
                    });
                    if page.secrets.len() == most {
                        let last = page.secrets.last().map(|found| found.kept.path.as_str());
                        page.after = last.map(|last| cursor(&point.mount.path, last));
                        return Ok(page);
                    }
                }
                if last.is_none() {
                    break;
                }
                from = last;
            }
        }
        Ok(page)
    }

    /// How many secrets of a page the caller asked for and may not have. The number alone is told.
    pub(super) const fn hidden(&self, page: &Page) -> u64 {
        page.hidden
    }

    fn asked(&self, path: &str) -> bool {
        self.prefixes.is_empty()
            || self.prefixes.iter().any(|prefix| {
                path.strip_prefix(prefix.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }

    fn may(&self, path: &str) -> bool {
        Path::parse(&format!("sys/fingerprints/secrets/{path}"))
            .is_ok_and(|path| self.acl.capabilities(&path).contains(Capability::Read))
    }
}

fn cursor(mount: &str, record: &str) -> String {
    format!("{}.{}", hex::encode(mount), hex::encode(record))
}

fn place(text: &str) -> Result<(String, Option<String>), Fault> {
    let parse = || {
        let (mount, record) = text.split_once('.')?;
        let text = |hex: &str| String::from_utf8(hex::decode(hex).ok()?).ok();
        Some((text(mount)?, Some(text(record)?)))
    };
    parse().ok_or_else(|| Fault::invalid("\"after\" is what the page before ended with"))
}

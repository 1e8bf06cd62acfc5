//! A store-backed secret: the two versions on its label, the write, and the way back.

use super::super::Error;
use super::super::api::Object;
use super::super::labels::{Labels, REFERENCE, ROTATION, Rotation, VERSION, repin};
use super::super::movement::{Event, Report};
use super::super::spec::Change;
use super::super::stored::Shelf;
use super::{Done, Rotate};
use cofferdam_api::Reference;
use cofferdam_secret::Secret;

impl Rotate<'_> {
    /// Marks the secret, then writes the new version: in this order no task can get it too early.
    /// `None`: an earlier run had ended between the two, and the mark is off again.
    pub(super) async fn begin(
        &self,
        shelf: &Shelf<'_>,
        object: Object,
        rotation: Rotation,
        write: Option<Option<&Secret<Vec<u8>>>>,
        report: Report<'_>,
    ) -> Result<Option<Object>, Error> {
        let mark = rotation.to_string();
        let unmark = |labels: &mut Labels| {
            labels.remove(ROTATION);
        };
        if let Some(None) = write {
            self.swarm.relabel(&object, unmark).await?;
            let never = format!(
                "version {} of {} was never written: the rotation that was begun is off",
                rotation.new,
                shelf.path()
            );
            report(Event::Did(never));
            return Ok(None);
        }
        let object = self
            .swarm
            .relabel(&object, |labels| {
                labels.insert(ROTATION.to_owned(), mark.clone());
            })
            .await?;
        if let Some(Some(value)) = write {
            match shelf.write(value, rotation.new - 1).await {
                Ok(version) => {
                    report(Event::Did(format!(
                        "{}: version {version} written",
                        shelf.path()
                    )));
                }
                Err(error) => {
                    self.swarm.relabel(&object, unmark).await?;
                    return Err(error);
                }
            }
        }
        Ok(Some(object))
    }

    pub(super) async fn finish_stored(
        &self,
        object: &Object,
        rotation: Rotation,
        report: Report<'_>,
    ) -> Result<Done, Error> {
        // First the secret: without its mark the services' marks mean nothing.
        self.swarm
            .relabel(object, |labels| {
                labels.remove(ROTATION);
                repin(labels, rotation.new);
            })
            .await?;
        self.settle(&object.name, report).await?;
        Ok(Done::Rotated)
    }

    /// Everything as it was. What is given back is what could not be undone in the store.
    pub(super) async fn undo_stored(
        &self,
        shelf: &Shelf<'_>,
        object: &Object,
        rotation: Rotation,
        change: &Change,
        report: Report<'_>,
    ) -> Result<Option<String>, Error> {
        report(Event::Did("going back to the old value".to_owned()));
        self.retreat(change, report).await?;
        let Rotation { old, new } = rotation;
        let path = shelf.path();
        let restored = if shelf.newest().await? < new {
            Ok(None)
        } else {
            shelf.restore(old, new).await.map(Some)
        };
        let left = match restored {
            Ok(version) => {
                self.swarm
                    .relabel(object, |labels| {
                        labels.remove(ROTATION);
                    })
                    .await?;
                if let Some(version) = version {
                    let text = format!("{path}: version {version} has the old value again");
                    report(Event::Did(text));
                }
                None
            }
            // The newest version is not the one we wrote, or may not be written over: tasks are
            // pinned to the old one, and that is said.
            Err(error) => {
                self.swarm
                    .relabel(object, |labels| pin(labels, old))
                    .await?;
                Some(format!(
                    "{path} could not be written back ({error}): the Swarm secret {} is pinned to version {old}",
                    object.name
                ))
            }
        };
        self.settle(&object.name, report).await?;
        Ok(left)
    }
}

fn pin(labels: &mut Labels, version: u64) {
    labels.remove(ROTATION);
    let whole = labels.get(REFERENCE).and_then(|text| text.parse().ok());
    let pinned = whole.is_some_and(|found: Reference| found.version().is_some());
    if pinned {
        repin(labels, version);
    } else {
        labels.insert(VERSION.to_owned(), version.to_string());
    }
}

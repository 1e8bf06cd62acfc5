//! A plain secret: its successor, and the end of the one or the other.

use super::super::Error;
use super::super::api::Object;
use super::super::labels::ROTATION;
use super::super::movement::{Event, Report};
use super::super::spec::Change;
use super::{Done, Rotate, remove_unused};
use cofferdam_secret::Secret;

impl Rotate<'_> {
    pub(super) async fn make_plain(
        &self,
        name: &str,
        old: Option<&Object>,
        value: &Secret<Vec<u8>>,
        report: Report<'_>,
    ) -> Result<Object, Error> {
        let mut labels = old.map(|old| old.labels.clone()).unwrap_or_default();
        labels.insert(ROTATION.to_owned(), "new".to_owned());
        self.swarm.create_plain(name, &labels, value).await?;
        report(Event::Did(format!("{name}: created")));
        let secrets = self.swarm.secrets().await?;
        let found = secrets.into_iter().find(|secret| secret.name == name);
        found.ok_or_else(|| Error::NoSecret(name.to_owned()))
    }

    pub(super) async fn finish_plain(
        &self,
        base: &str,
        new: &Object,
        old: &[Object],
        report: Report<'_>,
    ) -> Result<Done, Error> {
        self.swarm
            .relabel(new, |labels| {
                labels.remove(ROTATION);
            })
            .await?;
        self.settle(base, report).await?;
        if !self.keep_old {
            remove_unused(self.swarm, old, report).await?;
        }
        Ok(Done::Rotated)
    }

    pub(super) async fn undo_plain(
        &self,
        base: &str,
        new: &Object,
        change: &Change,
        report: Report<'_>,
    ) -> Result<(), Error> {
        report(Event::Did("going back to the old value".to_owned()));
        self.retreat(change, report).await?;
        self.settle(base, report).await?;
        self.swarm.remove(&new.id).await?;
        report(Event::Did(format!("{}: removed", new.name)));
        Ok(())
    }
}

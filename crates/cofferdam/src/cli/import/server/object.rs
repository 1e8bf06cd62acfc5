//! One thing with settings that has the same path on both servers: a role, a policy, a configuration.

use super::Job;
use super::peer::Trouble;
use super::same::{is_nothing, same_setting};
use cofferdam_api::Tree;

/// What is copied.
pub(super) struct Object<'a> {
    pub(super) kind: &'static str,
    pub(super) path: &'a str,
    /// Fields that are not settings: what the server counts, and names from the path.
    pub(super) ignored: &'a [&'a str],
    /// Fields that can only be set when it is made.
    pub(super) once: &'a [&'a str],
    /// Sent when it is made and never shown.
    pub(super) secret: Option<(&'static str, Tree)>,
    /// Whether what is here was ever written: where defaults are shown, nothing is here yet.
    pub(super) written: fn(&Tree) -> bool,
}

/// Of what is there only where somebody wrote it.
pub(super) const fn always(_: &Tree) -> bool {
    true
}

/// Old names of settings, shown beside the new ones.
const OLD: [(&str, &str); 7] = [
    ("policies", "token_policies"),
    ("ttl", "token_ttl"),
    ("max_ttl", "token_max_ttl"),
    ("period", "token_period"),
    ("num_uses", "token_num_uses"),
    ("bound_cidrs", "token_bound_cidrs"),
    ("explicit_max_ttl", "token_explicit_max_ttl"),
];

impl Object<'_> {
    /// Reads it over there and brings it along; what is there.
    pub(super) async fn bring(self, job: &Job) -> Result<Option<Tree>, Trouble> {
        let Some(mut wanted) = job.source.data(self.path).await? else {
            return Ok(None);
        };
        for name in self.ignored {
            wanted.take(name);
        }
        for (old, new) in OLD {
            if wanted.get(new).is_some() {
                wanted.take(old);
            }
        }
        self.put(job, &wanted).await?;
        Ok(Some(wanted))
    }

    /// Makes it here, or says how the one here differs.
    pub(super) async fn put(self, job: &Job, wanted: &Tree) -> Result<(), Trouble> {
        let path = self.path;
        self.put_at(job, wanted, path, |_, _| ()).await
    }

    /// As [`Self::put`], for what is written at another place than it is read, or in other words: `as_written`
    /// gives what is read here at a path the words in which it is written.
    pub(super) async fn put_at(
        self,
        job: &Job,
        wanted: &Tree,
        at: &str,
        as_written: fn(&mut Tree, &str),
    ) -> Result<(), Trouble> {
        let mut here = job.target.data(self.path).await?;
        if let Some(here) = &mut here {
            as_written(here, self.path);
        }
        let here = here.filter(|here| (self.written)(here));
        let fresh = here.is_none();
        if let Some(here) = &here {
            let differing = differing(wanted, here);
            let missing = missing(wanted, here);
            self.say_missing(job, &missing);
            if differing.is_empty() {
                job.report().unchanged(self.kind);
                return Ok(());
            }
            if !job.overwrite {
                let why = format!("other {}", differing.join(", "));
                job.report().different(self.kind, self.path, why);
                return Ok(());
            }
        }
        let mut body = Tree::map();
        for (name, value) in wanted.entries() {
            // Null would mean "as it is" to the one, and "nothing" to the other.
            if !matches!(value, Tree::Null) && (fresh || !self.once.contains(&name)) {
                body.insert(name, super::versions::copied(value));
            }
        }
        if let Some((name, secret)) = self.secret.as_ref().filter(|_| fresh) {
            body.insert(*name, super::versions::copied(secret));
        }
        job.write(at, &body).await?;
        if fresh {
            job.report().created(self.kind, self.path);
        } else {
            job.report().changed(self.kind, self.path, "overwritten");
        }
        if job.dry_run {
            return Ok(());
        }
        // What was taken without an error and is not there is a loss like any other.
        let mut now = job.target.data(self.path).await?.unwrap_or(Tree::map());
        as_written(&mut now, self.path);
        let mut lost = missing(wanted, &now);
        lost.extend(differing(wanted, &now));
        self.say_missing(job, &lost);
        Ok(())
    }

    fn say_missing(&self, job: &Job, names: &[String]) {
        if !names.is_empty() {
            let why = format!("this server does not keep its {}", names.join(", "));
            job.report().left(self.kind, self.path, why);
        }
    }
}

/// Settings that both have, and have otherwise.
pub(super) fn differing(wanted: &Tree, here: &Tree) -> Vec<String> {
    let fields = wanted.entries();
    let fields = fields.filter(|(name, value)| {
        here.get(name).is_some() && !same_setting(Some(value), here.get(name))
    });
    fields.map(|(name, _)| super::names::shown(name)).collect()
}

/// Settings that say something over there and have no name here.
pub(super) fn missing(wanted: &Tree, here: &Tree) -> Vec<String> {
    let fields = wanted.entries();
    let fields =
        fields.filter(|(name, value)| here.get(name).is_none() && !is_nothing(Some(value)));
    fields.map(|(name, _)| super::names::shown(name)).collect()
}

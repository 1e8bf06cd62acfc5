//! Looks for exactly what was lent in exactly what was built.

use super::super::{Context, Failure};
use super::{LEAKED, work};
use cofferdam_agent::fetch::Lent;
use cofferdam_detect::source::{Finder, Limits, Looked};
use cofferdam_detect::{Label, Matcher, Needles, SecretId};
use cofferdam_platform::build::many::Target;
use cofferdam_platform::build::{BuildCommand, Builder};
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

/// Places shown of one secret.
const SHOWN: usize = 3;

/// Everything that was lent, in all its forms.
pub(super) struct Search {
    matcher: Matcher,
}

impl Search {
    pub(super) fn new<'l>(lent: impl Iterator<Item = &'l Lent>) -> Result<Self, Failure> {
        let mut needles = Needles::new();
        for lent in lent {
            let path = lent.reference.path();
            let field = lent.reference.field().unwrap_or("value");
            let label = Label::new(path, lent.version, field);
            let added = needles.add(label, &lent.value);
            added.map_err(|full| Failure::local(full.to_string()))?;
        }
        Ok(Self {
            matcher: Matcher::new(needles),
        })
    }

    /// Errs when a value is found; the image is removed then, unless it is to be kept.
    pub(super) fn look(
        &self,
        context: &Context,
        target: &Target,
        id: Option<&str>,
        keep: bool,
    ) -> Result<(), Failure> {
        if self.matcher.needles().entries().is_empty() {
            return Ok(());
        }
        let build = &target.build;
        let mut looked = Looked::default();
        if let Some(id) = id.filter(|_| build.product.image) {
            looked.absorb(self.image(build, id)?);
        }
        for path in &build.product.files {
            looked.absorb(self.file(path)?);
        }
        for entry in self.matcher.needles().entries() {
            if let Some(weakness) = entry.weakness {
                context.say(&format!(
                    "not searched for in the image: {} is {weakness}",
                    entry.label
                ));
            }
        }
        say_gaps(context, &looked);
        if looked.exposed.is_empty() {
            return Ok(());
        }
        Err(self.found(build, &looked, id, keep))
    }

    /// Reads a directory or an archive that the build wrote.
    fn file(&self, path: &Path) -> Result<Looked, Failure> {
        let mut finder = Finder::new(&self.matcher, Limits::default());
        let name = path.display().to_string();
        if path.is_dir() {
            finder.directory(path);
            return Ok(finder.take());
        }
        let mut file = std::fs::File::open(path).map_err(|error| {
            Failure::local(format!(
                "what was built cannot be searched: {name}: {error}"
            ))
        })?;
        finder.reader(&name, &mut file);
        Ok(finder.take())
    }

    /// Reads the image back from the engine, as a stream.
    fn image(&self, build: &BuildCommand, id: &str) -> Result<Looked, Failure> {
        let words = save(build, id);
        let mut child = work::command(&words)?
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| work::not_run(&words, &error))?;
        let mut finder = Finder::new(&self.matcher, Limits::default());
        let mut looked = Looked::default();
        let mut whole = false;
        if let Some(stream) = &mut child.stdout {
            for image in finder.image(stream).images {
                // A stream that breaks off has no manifest, or a gap that is in no part of it.
                whole = !image.id.is_empty();
                whole &= image.config.gaps.iter().all(|gap| !gap.location.is_empty());
                looked.absorb(image.config);
                looked.absorb(image.layers);
            }
        }
        looked.absorb(finder.take());
        let status = child
            .wait()
            .map_err(|error| work::not_run(&words, &error))?;
        if !status.success() || !whole {
            return Err(Failure::local(format!(
                "the image cannot be searched, and gets no name: {} failed",
                work::shown(&words)
            )));
        }
        Ok(looked)
    }

    fn found(
        &self,
        build: &BuildCommand,
        looked: &Looked,
        id: Option<&str>,
        keep: bool,
    ) -> Failure {
        let what = match (build.product.image, keep, id) {
            (true, false, Some(id)) if remove(build, id) => {
                "the image holds what it was lent, and was removed".to_owned()
            }
            (true, _, Some(id)) => {
                format!("the image holds what it was lent, and got no name: {id}")
            }
            _ => "what was built holds what it was lent; the files are still there".to_owned(),
        };
        let mut failure = Failure::local(what).with_exit(LEAKED);
        for (secret, exposed) in &looked.exposed {
            for exposure in exposed.at.iter().take(SHOWN) {
                failure = failure.detail(format!(
                    "{}: {} ({})",
                    self.name(*secret),
                    exposure.location,
                    exposure.form
                ));
            }
            let more = exposed.at.len().saturating_sub(SHOWN) as u64 + exposed.more;
            if more > 0 {
                failure = failure.detail(format!("{}: {more} more places", self.name(*secret)));
            }
        }
        failure.hint("let the step use the secret without writing it: its file is gone after the step, a copy is not")
    }

    fn name(&self, secret: SecretId) -> String {
        let label = self.matcher.needles().label(secret);
        label.map(ToString::to_string).unwrap_or_default()
    }
}

/// What could not be looked into is said, and does not fail a build: most images hold an archive
/// that nobody here opens.
fn say_gaps(context: &Context, looked: &Looked) {
    let count = looked.gaps.len() as u64 + looked.more_gaps;
    if let Some(gap) = looked.gaps.first() {
        context.say(&format!(
            "not looked into: {}: {}{}",
            gap.location,
            gap.reason,
            if count > 1 {
                format!(", and {} more", count - 1)
            } else {
                String::new()
            }
        ));
    }
}

fn save(build: &BuildCommand, id: &str) -> Vec<OsString> {
    match build.builder {
        Builder::Docker | Builder::Buildx => build.ask(&["save", id]),
        Builder::Podman => build.ask(&["save", "--quiet", "--format", "docker-archive", id]),
        Builder::Buildah => build.ask(&["push", "--quiet", id, "docker-archive:/dev/stdout"]),
    }
}

fn remove(build: &BuildCommand, id: &str) -> bool {
    let words = build.ask(&["rmi", id]);
    let removed = work::command(&words).and_then(|mut command| {
        let output = command.stderr(Stdio::null()).output();
        output.map_err(|error| work::not_run(&words, &error))
    });
    removed.is_ok_and(|output| output.status.success())
}

//! The places that can be searched.

use super::{Search, reason};
use crate::cli::Failure;
use cofferdam_detect::source::{Finder, ImageArchive, Limits, Looked, Patterns, Tree, TreeOptions};
use cofferdam_platform::docker::engine::{EngineError, blocking, encoded};
use cofferdam_platform::docker::sources::container;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

impl Search {
    fn finder(&self) -> Finder<'_> {
        let patterns = Patterns::new(&self.scanner, &self.key);
        Finder::new(&self.matcher, Limits::default()).with_patterns(patterns)
    }

    pub(super) fn tree(&self, root: &Path, git_ignored: bool) -> Result<Looked, Failure> {
        let tree = Tree {
            matcher: &self.matcher,
            scanner: &self.scanner,
            key: &self.key,
            limits: Limits::default(),
            progress: self.progress.count(),
        };
        let options = TreeOptions {
            git_ignored,
            threads: 0,
        };
        tree.search(root, options).map_err(|error| {
            Failure::local(format!(
                "cannot look into {}: {}",
                root.display(),
                reason(&error)
            ))
        })
    }

    pub(super) fn stdin(&self) -> Looked {
        let mut finder = self.finder();
        finder.reader("stdin", &mut std::io::stdin().lock());
        finder.count();
        finder.take()
    }

    /// An OCI directory, a file of `docker save`, or the engine's image of this name.
    pub(super) fn image(&self, name: &str) -> Result<Looked, Failure> {
        let path = Path::new(name);
        let unreadable = |error: std::io::Error| {
            Failure::local(format!("cannot look into {name}: {}", reason(&error)))
        };
        let mut finder = self.finder();
        let archive = if path.is_dir() {
            finder.image_directory(path).map_err(|error| match error.kind() {
                std::io::ErrorKind::InvalidData => Failure::local(format!(
                    "cannot look into {name}: neither an OCI directory nor an unpacked docker save"
                )),
                _ => unreadable(error),
            })?
        } else if path.is_file() {
            let file = File::open(path).map_err(unreadable)?;
            finder.image(&mut BufReader::with_capacity(1 << 20, file))
        } else {
            self.saved(&mut finder, name)?
        };
        let mut looked = finder.take();
        looked.absorb(flat(archive));
        Ok(looked)
    }

    /// Containers by name, or all there are.
    pub(super) fn containers(&self, names: &[String], all: bool) -> Result<Looked, Failure> {
        let failed = |error: EngineError| Failure::local(error.to_string());
        let engine = blocking::Engine::local().map_err(failed)?;
        let names = if all {
            container::all(&engine).map_err(failed)?
        } else {
            names.to_vec()
        };
        let mut finder = self.finder();
        for name in &names {
            let mut progress = |what: &str| self.progress.show(what);
            match container::look(&engine, &mut finder, name, &mut progress) {
                Ok(()) => {}
                // It was listed and is gone.
                Err(error) if error.is_missing() && all => {}
                Err(error) if error.is_missing() => {
                    return Err(Failure::local(format!("no such container: {name}"))
                        .hint("list them: docker ps -a"));
                }
                Err(error) if all => finder.gap(name, error.to_string()),
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(finder.take())
    }

    fn saved(&self, finder: &mut Finder<'_>, name: &str) -> Result<ImageArchive, Failure> {
        if name.ends_with(".tar") || name.starts_with(['/', '.']) {
            return Err(Failure::local(format!(
                "cannot look into {name}: no such file or directory"
            )));
        }
        let engine = blocking::Engine::local().map_err(|error| {
            Failure::local(error.to_string()).hint(format!(
                "save it where there is one, and give the file: docker save {name} -o image.tar"
            ))
        })?;
        self.progress.show(&format!("reading {name}"));
        let stream = engine.stream(&format!("/images/{}/get", encoded(name)));
        let mut stream = stream.map_err(|error| {
            if error.is_missing() {
                Failure::local(format!("no such image: {name}")).hint(format!("docker pull {name}"))
            } else {
                Failure::local(error.to_string())
            }
        })?;
        Ok(finder.image(&mut stream))
    }
}

/// Images one after the other; the only one needs no name.
fn flat(archive: ImageArchive) -> Looked {
    let mut all = Looked::default();
    let several = archive.images.len() > 1;
    for image in archive.images {
        let mut looked = Looked::default();
        looked.absorb(without_copies(image.config));
        looked.absorb(image.layers);
        let name = image.tags.first().cloned().unwrap_or_else(|| {
            let short: String = image.id.chars().take(12).collect();
            format!("image {short}")
        });
        all.absorb(if several {
            looked.within(&name)
        } else {
            looked
        });
    }
    all
}

/// The old layout repeats the configuration beside its last layer: once is enough.
fn without_copies(mut config: Looked) -> Looked {
    let copy = |location: &str| location.starts_with("old config of ");
    let known: Vec<_> = config
        .findings
        .iter()
        .filter(|finding| !copy(&finding.location))
        .map(|finding| finding.digest)
        .collect();
    config
        .findings
        .retain(|finding| !copy(&finding.location) || !known.contains(&finding.digest));
    config
}

//! Where values leak on a host with Docker, and how each of these places is read.
//!
//! [`search`] fills a leak matrix: containers (stopped ones too), their logs, host processes,
//! services, tasks, configs, volumes, images with history, configuration and every layer, and the
//! directories that were named. Answers of the engine are searched as raw JSON, so fields that this
//! program has never heard of are searched too. Nothing is started, changed or unpacked.
//!
//! A place that cannot be read becomes "not looked at" with its reason; it never counts as clean.

pub mod container;
mod containers;
mod images;
mod logs;
mod processes;
mod services;

use super::engine::EngineError;
use super::engine::blocking::Engine;

use cofferdam_detect::report::{Column, Matrix, Place};
use cofferdam_detect::source::git::{History, Repository, Selection as GitSelection, Setting};
use cofferdam_detect::source::{Exposure, Finder, Limits, Looked, clean};
use cofferdam_detect::{Form, Matcher};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

/// Which objects of one kind are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All there are.
    #[default]
    All,
    /// These, by name or id. One that does not exist is a gap.
    Named(Vec<String>),
    /// None.
    Nothing,
}

impl Selection {
    /// Whether something with these names is selected.
    fn takes<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Named(wanted) => names.any(|name| wanted.iter().any(|want| want == name)),
        }
    }

    /// The named ones that were not among `seen`.
    fn missing(&self, seen: &[String]) -> Vec<&str> {
        let Self::Named(wanted) = self else {
            return Vec::new();
        };
        let wanted = wanted.iter().map(String::as_str);
        wanted
            .filter(|want| !seen.iter().any(|name| name == want))
            .collect()
    }
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Ask the Docker engine at all.
    pub docker: bool,
    /// Containers; those of a selected service are looked at too.
    pub containers: Selection,
    /// Services with their tasks and configs.
    pub services: Selection,
    /// Images.
    pub images: Selection,
    /// Volumes.
    pub volumes: bool,
    /// Host processes: all of them, or those of the containers looked at.
    pub processes: Processes,
    /// Directories and files.
    pub directories: Vec<PathBuf>,
    /// Git repositories.
    pub repositories: Vec<PathBuf>,
    /// Logs of a CI: directories and files, and `-` for stdin.
    pub ci_logs: Vec<PathBuf>,
    /// Most bytes of one container's log.
    pub log_bytes: u64,
    /// Bounds for archives.
    pub limits: Limits,
}

/// Which host processes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// Every one that may be read.
    All,
    /// Those of the containers looked at.
    OfContainers,
    /// None.
    Nothing,
}

impl Default for Scope {
    /// Everything on this host except files.
    fn default() -> Self {
        Self {
            docker: true,
            containers: Selection::All,
            services: Selection::All,
            images: Selection::All,
            volumes: true,
            processes: Processes::All,
            directories: Vec::new(),
            repositories: Vec::new(),
            ci_logs: Vec::new(),
            log_bytes: 1 << 30,
            limits: Limits::default(),
        }
    }
}

/// One search in progress.
struct Search<'s> {
    finder: Finder<'s>,
    scope: &'s Scope,
    matrix: Matrix,
    progress: &'s mut dyn FnMut(&str),
    /// Containers looked at: id and name.
    containers: Vec<(String, String)>,
}

/// Looks into everything in `scope`. `progress` hears what is looked at now.
///
/// Blocks, and must not be called from asynchronous code: give it a thread of its own.
pub fn search(matcher: &Matcher, scope: &Scope, progress: &mut dyn FnMut(&str)) -> Matrix {
    let mut search = Search {
        finder: Finder::new(matcher, scope.limits),
        scope,
        matrix: Matrix::new(matcher.needles().entries().to_vec()),
        progress,
        containers: Vec::new(),
    };
    search.docker();
    search.processes();
    search.directories();
    search.repositories(matcher);
    search.ci_logs();
    search.other_secrets(matcher);
    search.matrix
}

/// The columns that come from the engine.
const OF_ENGINE: [Place; 9] = [
    Place::ContainerInspect,
    Place::ContainerLogs,
    Place::ServiceInspect,
    Place::ConfigInspect,
    Place::VolumeInspect,
    Place::ImageInspect,
    Place::ImageHistory,
    Place::ImageConfig,
    Place::ImageLayers,
];

impl Search<'_> {
    fn docker(&mut self) {
        if !self.scope.docker {
            return self.engine_columns(&Column::Skipped(
                "the Docker engine was not to be asked".to_owned(),
            ));
        }
        let named = |selection: &Selection| matches!(selection, Selection::Named(_));
        let scope = self.scope;
        let explicit = named(&scope.containers) || named(&scope.services) || named(&scope.images);
        match Engine::local() {
            Ok(engine) => {
                // Services first: their tasks say which containers belong to them.
                self.services(&engine);
                self.containers(&engine);
                self.volumes(&engine);
                self.images(&engine);
            }
            Err(error @ EngineError::Absent { .. }) if !explicit => {
                self.engine_columns(&Column::Skipped(error.to_string()));
            }
            Err(error) => self.engine_columns(&self.failed(&error)),
        }
    }

    /// A column for an answer that did not come; the engine's words are masked like any foreign text.
    fn failed(&self, error: &EngineError) -> Column {
        Column::Failed(self.finder.matcher().mask(&error.to_string()).into_owned())
    }

    fn engine_columns(&mut self, column: &Column) {
        for place in OF_ENGINE {
            self.matrix.set(place, column.clone());
        }
    }

    fn volumes(&mut self, engine: &Engine) {
        #[derive(serde::Deserialize)]
        struct Volumes<'a> {
            #[serde(rename = "Volumes", borrow, default)]
            volumes: Option<Vec<&'a serde_json::value::RawValue>>,
        }
        #[derive(serde::Deserialize)]
        struct Volume {
            #[serde(rename = "Name", default)]
            name: String,
        }
        if !self.scope.volumes {
            return;
        }
        (self.progress)("volumes");
        let answer = engine.get("/volumes");
        self.list(Place::VolumeInspect, answer, |finder, answer| {
            let parsed: Option<Volumes<'_>> = serde_json::from_slice(answer).ok();
            let Some(parsed) = parsed else {
                return finder.json("volumes", answer);
            };
            for raw in parsed.volumes.iter().flatten() {
                let name =
                    serde_json::from_str(raw.get()).map_or(String::new(), |v: Volume| v.name);
                finder.count();
                finder.json(&name, raw.get().as_bytes());
            }
        });
    }

    /// Runs `look` on an answer of the engine and makes a column of what it gave.
    fn list(
        &mut self,
        place: Place,
        answer: Result<Vec<u8>, EngineError>,
        look: impl FnOnce(&mut Finder<'_>, &[u8]),
    ) {
        match answer {
            Ok(answer) => {
                look(&mut self.finder, &answer);
                self.keep(place);
            }
            Err(error) => self.matrix.set(place, self.failed(&error)),
        }
    }

    /// Moves what the finder has seen into a column.
    fn keep(&mut self, place: Place) {
        let looked = self.finder.take();
        self.matrix.set(place, Column::Looked(looked));
    }

    /// Every object of each repository, reachable or not.
    fn repositories(&mut self, matcher: &Matcher) {
        for path in &self.scope.repositories {
            (self.progress)(&format!("repository {}", path.display()));
            let shown = path.display().to_string();
            let looked = Repository::open(path, &Setting::default()).and_then(|repository| {
                let history = History {
                    matcher,
                    rules: None,
                    limits: self.scope.limits,
                    progress: &AtomicU64::new(0),
                    threads: 0,
                };
                history.search(&repository, &GitSelection::all())
            });
            match looked {
                Ok(looked) => {
                    let looked = looked.within(&shown);
                    self.matrix.set(Place::Git, Column::Looked(looked));
                }
                Err(refused) => {
                    self.finder.gap(&shown, refused.what);
                    self.keep(Place::Git);
                }
            }
        }
    }

    fn ci_logs(&mut self) {
        if self.scope.ci_logs.is_empty() {
            return;
        }
        for path in &self.scope.ci_logs {
            (self.progress)(&format!("logs in {}", path.display()));
            let shown = path.display().to_string();
            if path.as_os_str() == "-" {
                self.finder.reader("stdin", &mut std::io::stdin().lock());
                self.finder.count();
            } else if path.is_dir() {
                self.finder.directory(path);
            } else {
                match std::fs::File::open(path) {
                    Ok(mut file) => {
                        self.finder.reader(&shown, &mut file);
                        self.finder.count();
                    }
                    Err(error) => self.finder.gap(&shown, error.kind().to_string()),
                }
            }
        }
        self.keep(Place::CiLogs);
    }

    /// A value that two secrets have leaks from either.
    fn other_secrets(&mut self, matcher: &Matcher) {
        let entries = matcher.needles().entries();
        let mut looked = Looked {
            objects: entries
                .iter()
                .filter(|entry| entry.weakness.is_none())
                .count() as u64,
            ..Looked::default()
        };
        for group in matcher.reused() {
            for secret in &group {
                let own = entries.get(secret.index());
                let others = group.iter().filter_map(|other| entries.get(other.index()));
                for other in others {
                    if own.is_none_or(|own| own.label.path == other.label.path) {
                        continue;
                    }
                    let exposed = looked.exposed.entry(*secret).or_default();
                    if exposed.at.len() < self.scope.limits.locations {
                        exposed.at.push(Exposure {
                            location: clean(&other.label.to_string()),
                            form: Form::Raw,
                        });
                    } else {
                        exposed.more += 1;
                    }
                }
            }
        }
        self.matrix.set(Place::OtherSecrets, Column::Looked(looked));
    }

    fn directories(&mut self) {
        if self.scope.directories.is_empty() {
            return;
        }
        for directory in &self.scope.directories {
            (self.progress)(&format!("directory {}", directory.display()));
            self.finder.directory(directory);
        }
        self.keep(Place::Directories);
    }
}

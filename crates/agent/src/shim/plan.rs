//! From an environment to the next program's environment.

use super::table::{self, Convention};
use super::value::{self, ValueError};
use cofferdam_secret::Secret;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// `MAX_ARG_STRLEN` of Linux: one variable with its name, `=` and the final NUL.
const MAX_VARIABLE: usize = 128 * 1024;

/// Names whose `_FILE` is a path for everybody: certificates, logs, settings. Replacing one of them
/// by the content would break a program that never meant a secret.
const PATHS: [&str; 14] = [
    "AWS_CONFIG",
    "AWS_SHARED_CREDENTIALS",
    "AWS_WEB_IDENTITY_TOKEN",
    "AZURE_FEDERATED_TOKEN",
    "CERT",
    "COMPOSE",
    "CONFIG",
    "ENV",
    "KEY",
    "LOG",
    "PID",
    "SSL_CERT",
    "TLS_CERT",
    "TLS_KEY",
];

/// What the caller said.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The image, where it is known.
    pub image: Option<String>,
    /// Directories in which a file is a secret: only there `X_FILE` is looked at unasked.
    pub directories: Vec<PathBuf>,
    /// Variables that the program reads from files itself.
    pub pass: Vec<String>,
    /// Variables that are to be set, wherever their file is.
    pub set: Vec<String>,
    /// A directory whose files become variables of their names.
    pub from: Option<PathBuf>,
    /// Leave a newline at the end of a value.
    pub keep_newline: bool,
}

/// One variable that comes from a file.
pub enum Setting {
    /// The program reads the file: this variable carries its path.
    Path {
        /// The variable, in the image's dialect.
        variable: String,
        /// The file.
        path: OsString,
    },
    /// The variable has the file's content.
    Value {
        /// The variable.
        variable: String,
        /// The content. Wiped on drop; the next program's copy is not ours to wipe.
        value: Secret<Vec<u8>>,
        /// Whether a newline was taken from its end.
        stripped: bool,
    },
}

impl Setting {
    /// The variable that it sets.
    #[must_use]
    pub fn variable(&self) -> &str {
        match self {
            Self::Path { variable, .. } | Self::Value { variable, .. } => variable,
        }
    }

    /// Its value, as the next program's environment gets it.
    #[must_use]
    pub fn value(&self) -> OsString {
        match self {
            Self::Path { path, .. } => path.clone(),
            Self::Value { value, .. } => OsString::from_vec(value.expose().clone()),
        }
    }
}

/// What has to change.
#[derive(Default)]
pub struct Plan {
    /// Variables to set.
    pub settings: Vec<Setting>,
    /// Variables that carried a path and are to go.
    pub unset: Vec<String>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// The content cannot be the value.
    #[error("{variable}: {source}")]
    Value {
        /// The variable it was for.
        variable: String,
        /// What is wrong.
        source: ValueError,
    },
    /// Two sources for one variable.
    #[error("both {first} and {second} are set")]
    Both {
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// A flag names a variable that no file was given for.
    #[error("no file for {0}: neither {0}_FILE nor FILE__{0} is set")]
    NoFile(String),
    /// Not a name that a variable can have.
    #[error("not a name for a variable: {0}")]
    Name(String),
    /// The directory cannot be listed, or there is nothing in it.
    #[error("{reason}: {path}")]
    Directory {
        /// The directory.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// A variable of the environment that names a file.
struct Pointer {
    variable: String,
    name: String,
    dialect: Convention,
    path: OsString,
}

impl Plan {
    /// Looks at every variable of `environment`.
    ///
    /// # Errors
    /// [`ShimError`]; what was read is wiped.
    pub fn make(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        options: &Options,
    ) -> Result<Self, ShimError> {
        // A name that is no text is none of ours.
        let environment: BTreeMap<String, OsString> = environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        let mut plan = Self::default();
        let mut sources: BTreeMap<String, String> = BTreeMap::new();
        for pointer in environment.iter().filter_map(pointer) {
            let Some(wanted) = options.decide(&pointer) else {
                continue;
            };
            let other = if environment.contains_key(&pointer.name) {
                Some(pointer.name.clone())
            } else {
                sources.insert(pointer.name.clone(), pointer.variable.clone())
            };
            if let Some(first) = other {
                let second = pointer.variable;
                return Err(ShimError::Both { first, second });
            }
            plan.add(&pointer.name, &pointer.path, wanted, options)?;
            if plan.settings.last().map(Setting::variable) != Some(&pointer.variable) {
                plan.unset.push(pointer.variable);
            }
        }
        for name in options.set.iter().chain(&options.pass) {
            if !sources.contains_key(name) {
                return Err(ShimError::NoFile(name.clone()));
            }
        }
        if let Some(directory) = &options.from {
            plan.add_directory(directory, &environment, &sources, options)?;
        }
        Ok(plan)
    }

    fn add(
        &mut self,
        name: &str,
        path: &OsString,
        wanted: Convention,
        options: &Options,
    ) -> Result<(), ShimError> {
        let failed = |source| ShimError::Value {
            variable: name.to_owned(),
            source,
        };
        // Whoever reads it in the end: it is read here first, for an image may take a file that is
        // missing for an empty value.
        let file = Path::new(path);
        let (value, stripped) = value::read(file, options.keep_newline).map_err(failed)?;
        let setting = match wanted.variable(name) {
            Some(variable) => Setting::Path {
                variable,
                path: path.clone(),
            },
            None if name.len() + value.len() + 2 > MAX_VARIABLE => {
                let path = file.display().to_string();
                return Err(failed(ValueError::TooLong { path }));
            }
            None => Setting::Value {
                variable: name.to_owned(),
                value,
                stripped,
            },
        };
        self.settings.push(setting);
        Ok(())
    }

    fn add_directory(
        &mut self,
        directory: &Path,
        environment: &BTreeMap<String, OsString>,
        sources: &BTreeMap<String, String>,
        options: &Options,
    ) -> Result<(), ShimError> {
        let wrong = |reason: String| ShimError::Directory {
            path: directory.display().to_string(),
            reason,
        };
        let failed = |error: io::Error| wrong(format!("cannot list ({})", value::reason(&error)));
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            // Links beginning with two dots are how directories of secrets are changed at once.
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if !hidden && entry.path().is_file() {
                files.insert(name, entry.path());
            }
        }
        if files.is_empty() {
            return Err(wrong("no file in it".to_owned()));
        }
        for (file, path) in files {
            let name = file.to_string_lossy().replace(['-', '.'], "_");
            if !is_name(&name) {
                return Err(ShimError::Name(name));
            }
            let other = sources.get(&name).cloned();
            let other = other.or_else(|| environment.contains_key(&name).then(|| name.clone()));
            let again = || self.settings.iter().any(|it| it.variable() == name);
            if let Some(first) = other.or_else(|| again().then(|| name.clone())) {
                let second = path.display().to_string();
                return Err(ShimError::Both { first, second });
            }
            let wanted = options.known(&name).unwrap_or(Convention::Plain);
            let wanted = match wanted {
                Convention::Path => Convention::Plain,
                other => other,
            };
            self.add(&name, &path.into_os_string(), wanted, options)?;
        }
        Ok(())
    }
}

impl Options {
    fn known(&self, name: &str) -> Option<Convention> {
        let image = self.image.as_deref()?;
        table::convention(image, name)
    }

    /// What is to become of a variable that names a file; nothing where it is not about a secret.
    fn decide(&self, pointer: &Pointer) -> Option<Convention> {
        if self.set.contains(&pointer.name) {
            return Some(Convention::Plain);
        }
        if self.pass.contains(&pointer.name) {
            return Some(pointer.dialect);
        }
        match self.known(&pointer.name) {
            Some(Convention::Path) => return None,
            Some(Convention::Plain) | None => {}
            Some(convention) => return Some(convention),
        }
        if pointer.dialect == Convention::FilePrefix {
            return Some(Convention::Plain);
        }
        let path = Path::new(&pointer.path);
        let mut directories = self.directories.iter();
        let is_secret = directories.any(|directory| path.starts_with(directory));
        (is_secret && !is_path_name(&pointer.name)).then_some(Convention::Plain)
    }
}

/// Whether `X_FILE` of this `X` is a path for everybody, so that it has to be named with `-set`.
#[must_use]
pub fn is_path_name(name: &str) -> bool {
    let ends = ["_CERT", "_CA", "_CONFIG", "_LOG", "_TLS_KEY"];
    PATHS.contains(&name) || ends.iter().any(|end| name.ends_with(end))
}

fn pointer((variable, path): (&String, &OsString)) -> Option<Pointer> {
    let (name, dialect) = if let Some(name) = variable.strip_prefix("FILE__") {
        (name, Convention::FilePrefix)
    } else if let Some(name) = variable.strip_suffix("_SECRETFILE") {
        (name, Convention::SecretFile)
    } else if let Some(name) = variable.strip_suffix("__FILE") {
        (name, Convention::DoubleFile)
    } else {
        (variable.strip_suffix("_FILE")?, Convention::File)
    };
    (is_name(name) && !path.is_empty()).then(|| Pointer {
        variable: variable.clone(),
        name: name.to_owned(),
        dialect,
        path: path.clone(),
    })
}

/// Whether a shell could name a variable like this.
fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests;

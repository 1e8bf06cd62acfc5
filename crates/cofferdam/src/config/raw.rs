//! What the files say: values with their places, checked against the table of keys.

use super::keys::{self, Block, Effect};
use super::{ConfigError, Place, Warning};
use cofferdam_hcl::{Body, Key, Kind, Position, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) place: Place,
    file: PathBuf,
}

impl Setting {
    /// A value inside of this one.
    pub(super) fn inner(&self, value: &Value) -> Self {
        Self {
            value: value.clone(),
            ..self.clone()
        }
    }

    /// Reads it as the type that is wanted.
    pub(super) fn read<'a, T>(
        &'a self,
        as_type: fn(&'a Value) -> Result<T, cofferdam_hcl::Error>,
    ) -> Result<T, ConfigError> {
        as_type(&self.value).map_err(|error| ConfigError::Syntax {
            path: self.file.clone(),
            error,
        })
    }
}

/// A block with its honoured settings.
pub(super) struct Section {
    pub(super) kind: String,
    pub(super) place: Place,
    pub(super) settings: BTreeMap<String, Setting>,
}

impl Section {
    pub(super) fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }
}

/// What all files say.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) settings: BTreeMap<String, Setting>,
    pub(super) listeners: Vec<Section>,
    pub(super) storage: Option<Section>,
    /// The one in force, and the one the store is moved away from.
    pub(super) seals: Vec<Section>,
    pub(super) warnings: Vec<Warning>,
}

/// Top-level names that are blocks.
const SECTIONS: [&str; 4] = ["listener", "storage", "backend", "seal"];

impl Raw {
    /// Adds one file.
    pub(super) fn add(&mut self, file: &Path, text: &str) -> Result<(), ConfigError> {
        let syntax = |error| ConfigError::Syntax {
            path: file.to_owned(),
            error,
        };
        let body = cofferdam_hcl::parse(text).map_err(syntax)?;
        self.settings(file, Block::Top, &body, |raw, name, setting| {
            raw.settings.insert(name, setting);
        })?;
        for block in body.labelled("listener").map_err(syntax)? {
            let section = self.section(
                file,
                block.label(),
                block.body,
                block.position,
                |kind| match kind {
                    "unix" => Some(Block::Unix),
                    "tcp" => Some(Block::Tcp),
                    _ => None,
                },
            )?;
            self.listeners.push(section);
        }
        for name in ["storage", "backend"] {
            for block in body.labelled(name).map_err(syntax)? {
                let section =
                    self.section(file, block.label(), block.body, block.position, |_| {
                        Some(Block::Storage)
                    })?;
                if self.storage.is_some() {
                    return Err(ConfigError::refused(
                        &section.place,
                        "there is a second storage block; keep one",
                    ));
                }
                self.storage = Some(section);
            }
        }
        for block in body.labelled("seal").map_err(syntax)? {
            let section = self.section(file, block.label(), block.body, block.position, |_| {
                Some(Block::Seal)
            })?;
            self.seals.push(section);
        }
        Ok(())
    }

    fn section(
        &mut self,
        file: &Path,
        label: Option<&str>,
        body: &Body,
        position: Position,
        block: fn(&str) -> Option<Block>,
    ) -> Result<Section, ConfigError> {
        let place = place(file, position);
        let Some(kind) = label else {
            return Err(ConfigError::refused(
                &place,
                "this block needs its kind in quotes before the brace",
            ));
        };
        let Some(block) = block(kind) else {
            return Err(ConfigError::refused(
                &place,
                "a listener is \"tcp\" or \"unix\"",
            ));
        };
        let mut settings = BTreeMap::new();
        self.settings(file, block, body, |_, name, setting| {
            settings.insert(name, setting);
        })?;
        Ok(Section {
            kind: kind.to_owned(),
            place,
            settings,
        })
    }

    /// Goes through the entries of a body: what is honoured is kept, the rest is warned about or refused.
    fn settings(
        &mut self,
        file: &Path,
        block: Block,
        body: &Body,
        mut keep: impl FnMut(&mut Self, String, Setting),
    ) -> Result<(), ConfigError> {
        for key in body.duplicates() {
            self.warn(
                file,
                key,
                format!("{} is set twice; the last one counts", key.text),
            );
        }
        for entry in body.entries() {
            let name = entry.key.text.as_str();
            if block == Block::Top && SECTIONS.contains(&name) {
                continue;
            }
            let setting = Setting {
                value: entry.value.clone(),
                place: place(file, entry.key.position),
                file: file.to_owned(),
            };
            if keys::is_budget(block, name) {
                keep(self, name.to_owned(), setting);
                continue;
            }
            match keys::find(block, name) {
                Some(key) => match key.effect {
                    Effect::Honoured => keep(self, name.to_owned(), setting),
                    Effect::None => self.warn(
                        file,
                        &entry.key,
                        format!("{name} has no effect: {}", key.text),
                    ),
                    Effect::RefusedIfSet if is_unset(&entry.value) => {}
                    Effect::Refused | Effect::RefusedIfSet => {
                        return Err(ConfigError::refused(
                            &setting.place,
                            format!("{name} is refused: {}", key.text),
                        ));
                    }
                },
                None => self.warn(file, &entry.key, unknown(block, name)),
            }
        }
        Ok(())
    }

    fn warn(&mut self, file: &Path, key: &Key, text: String) {
        self.warnings.push(Warning {
            place: place(file, key.position),
            text,
        });
    }
}

fn unknown(block: Block, name: &str) -> String {
    // A key is not a value; but whatever was pasted in the wrong place might be one.
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    match block {
        Block::Top => format!("unknown key: {shown}"),
        block => format!("unknown key in {}: {shown}", block.title()),
    }
}

fn is_unset(value: &Value) -> bool {
    match &value.kind {
        Kind::Null => true,
        Kind::Bool(set) => !set,
        Kind::Text(text) => text.is_empty() || value.boolean().is_ok_and(|set| !set),
        Kind::Number(number) => number.integer() == Some(0),
        Kind::List(items) => items.is_empty(),
        Kind::Object(body) => body.is_empty(),
    }
}

fn place(file: &Path, position: Position) -> Place {
    Place {
        file: file.to_owned(),
        line: position.line as usize,
    }
}

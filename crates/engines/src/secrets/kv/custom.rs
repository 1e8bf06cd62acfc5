//! `custom_metadata`: what people note about a secret, within Vault's limits.

use cofferdam_core::Fault;
use cofferdam_core::json::{Raw, Text};
use std::collections::BTreeMap;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

const MAX_KEYS: usize = 64;
const MAX_KEY_BYTES: usize = 128;
const MAX_VALUE_BYTES: usize = 512;

/// What every refusal begins with.
const REFUSED: &str = "custom_metadata validation failed";

/// A checked change: names with a text, or with nothing where a patch removes one.
pub(super) struct Change(BTreeMap<String, Option<String>>);

impl Change {
    /// Of a write: replaces everything; null stands for empty text, which is refused.
    pub(super) fn of_write(raw: Raw<'_>) -> Result<Self, Fault> {
        let mut change = Self::read(raw)?;
        change.0.values_mut().for_each(|value| {
            value.get_or_insert_default();
        });
        change.check()
    }

    /// Of a patch: null removes a name.
    pub(super) fn of_patch(raw: Raw<'_>) -> Result<Self, Fault> {
        Self::read(raw)?.check()
    }

    fn read(raw: Raw<'_>) -> Result<Self, Fault> {
        if !raw.is_object() && !raw.is_null() {
            return Err(Fault::invalid("custom_metadata: expected an object"));
        }
        let fields = raw
            .fields()
            .map(|(name, value)| Ok((name.decoded().into_owned(), text(name, value)?)));
        fields.collect::<Result<_, Fault>>().map(Self)
    }

    /// All that is there from now on.
    pub(super) fn replacing(&self) -> BTreeMap<String, String> {
        let set = self
            .0
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        set.collect()
    }

    /// What was there with this change.
    ///
    /// # Errors
    /// When there are too many names then.
    pub(super) fn merged(
        &self,
        mut before: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Fault> {
        for (name, value) in &self.0 {
            match value {
                Some(value) => before.insert(name.clone(), value.clone()),
                None => before.remove(name),
            };
        }
        within_count(before.len())?;
        Ok(before)
    }

    fn check(self) -> Result<Self, Fault> {
        within_count(self.0.values().flatten().count())?;
        let mut problems = Vec::new();
        for (name, value) in &self.0 {
            let Some(value) = value else { continue };
            problems.extend(name_problem(name));
            problems.extend(value_problem(name, value));
        }
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(refusal(&problems))
        }
    }
}

fn within_count(count: usize) -> Result<(), Fault> {
    if count <= MAX_KEYS {
        return Ok(());
    }
    let problem =
        format!("{REFUSED}: payload must contain at most {MAX_KEYS} keys, provided {count}");
    Err(refusal(&[problem]))
}

/// A value as text: numbers as they were written, switches as Vault's decoder writes them.
fn text(name: Text<'_>, value: Raw<'_>) -> Result<Option<String>, Fault> {
    match value.as_str() {
        "null" => Ok(None),
        "true" => Ok(Some("1".to_owned())),
        "false" => Ok(Some("0".to_owned())),
        text if text.starts_with('"') => Ok(Some(value.parse()?)),
        text if text.starts_with(['{', '[']) => Err(Fault::invalid(format!(
            "{REFUSED}: value for key {} must be text",
            shown(&name.decoded())
        ))),
        number => Ok(Some(number.to_owned())),
    }
}

fn name_problem(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > MAX_KEY_BYTES {
        let length = name.len();
        return Some(format!(
            "{REFUSED}: length of key {} is {length} but must be 0 < len(key) <= {MAX_KEY_BYTES}",
            shown(name)
        ));
    }
    (!printable(name)).then(|| {
        format!(
            "{REFUSED}: key {} contains unprintable characters",
            shown(name)
        )
    })
}

fn value_problem(name: &str, value: &str) -> Option<String> {
    if value.is_empty() || value.len() > MAX_VALUE_BYTES {
        let length = value.len();
        return Some(format!(
            "{REFUSED}: length of value for key {} is {length} but must be 0 < len(value) <= {MAX_VALUE_BYTES}",
            shown(name)
        ));
    }
    (!printable(value)).then(|| {
        format!(
            "{REFUSED}: value for key {} contains unprintable characters",
            shown(name)
        )
    })
}

/// A key as an error may show it: names of fields, not content. Escaped, and cut when it is long.
fn shown(name: &str) -> String {
    let short: String = name.chars().take(MAX_KEY_BYTES).collect();
    format!("\"{}\"", short.escape_debug())
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
fn printable(text: &str) -> bool {
    text.chars().all(|c| {
        c == ' '
            || matches!(
                c.general_category_group(),
                GeneralCategoryGroup::Letter
                    | GeneralCategoryGroup::Mark
                    | GeneralCategoryGroup::Number
                    | GeneralCategoryGroup::Punctuation
                    | GeneralCategoryGroup::Symbol
            )
    })
}

/// Vault's list of errors in one text.
fn refusal(problems: &[String]) -> Fault {
    let count = problems.len();
    let noun = if count == 1 { "error" } else { "errors" };
    let lines: String = problems
        .iter()
        .map(|problem| format!("\t* {problem}\n"))
        .collect();
    Fault::invalid(format!("{count} {noun} occurred:\n{lines}\n"))
}

//! Walks a JSON body as Go's decoder would take it, and judges what lies in plain places.
//!
//! Go matches field names without regard to case, by Unicode's simple folding (so `ſ` is s and the
//! Kelvin sign is k), and takes duplicates one after the other. So: names are folded, and everything
//! under every name that matches is judged, at any depth. A field that stands in the wrong place is
//! judged as well; Docker ignores it, and nobody writes it without a reason. What our reader refuses
//! (broken UTF-8, depth, numbers) is no body that a client sends, and counts as unreadable.

use super::finding::{Findings, Place, Why};
use super::names::{self, Reading};
use super::values;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_secret::Secret;
use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What stands under a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Under {
    /// Nothing that is looked at, until a field of the table comes.
    Nothing,
    /// Texts of the form `NAME=value`.
    Assignments(Place),
    /// A map of names to texts.
    Pairs(Place),
    /// The words of a command.
    Words,
    /// A base64 text.
    Data,
}

/// Go's fields of the bodies that are looked at, folded.
const FIELDS: &[(&str, Under)] = &[
    ("env", Under::Assignments(Place::Environment)),
    ("cmd", Under::Words),
    ("entrypoint", Under::Words),
    ("args", Under::Words),
    ("command", Under::Words),
    // Of a health check.
    ("test", Under::Words),
    ("labels", Under::Pairs(Place::Label)),
    // Of a log driver, under both of its names.
    ("config", Under::Pairs(Place::Option)),
    ("options", Under::Pairs(Place::Option)),
    ("driveropts", Under::Pairs(Place::Option)),
    ("data", Under::Data),
];

/// Judges the first JSON value of `body`, as `under` says; what stands behind it Go does not read.
///
/// # Errors
/// Where it is no JSON that this reader takes.
pub(super) fn judge(body: &[u8], under: Under, findings: &mut Findings) -> Result<(), Unreadable> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let node = Node {
        under,
        name: None,
        findings,
    };
    node.deserialize(&mut reader).map_err(|_| Unreadable)
}

/// The body is none that can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// One value, and what it stands under.
struct Node<'a, 'n> {
    under: Under,
    name: Option<&'n str>,
    findings: &'a mut Findings,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        match self.under {
            Under::Nothing => {}
            Under::Assignments(place) => assignment(text, place, self.findings),
            Under::Pairs(place) => pair(self.name.unwrap_or_default(), text, place, self.findings),
            Under::Words => command(&[text], self.findings),
            Under::Data => data(text, self.findings),
        }
        Ok(())
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<(), E> {
        let text = Secret::new(text);
        self.visit_str(text.expose())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.under == Under::Words {
            return self.words(list);
        }
        while list
            .next_element_seed(Node {
                under: self.under,
                name: self.name,
                findings: &mut *self.findings,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let under = under_field(&name, self.under);
            map.next_value_seed(Node {
                under,
                name: Some(&name),
                findings: &mut *self.findings,
            })?;
        }
        Ok(())
    }
}

impl Node<'_, '_> {
    /// The words of one command belong together: a flag's value may be the next one.
    fn words<'de, A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut words: Vec<Secret<String>> = Vec::new();
        while let Some(word) = list.next_element_seed(Word(&mut *self.findings))? {
            words.extend(word);
        }
        let words: Vec<&str> = words.iter().map(|word| word.expose().as_str()).collect();
        command(&words, self.findings);
        Ok(())
    }
}

/// What a member stands under. Under pairs, a name is a name and not a field, unless the value turns
/// out to be more than a text.
fn under_field(name: &str, outer: Under) -> Under {
    match outer {
        Under::Pairs(_) => outer,
        _ => {
            let folded = folded(name);
            let known = FIELDS.iter().find(|(field, _)| *field == folded);
            known.map_or(outer, |(_, under)| *under)
        }
    }
}

/// Go's folding of field names: ASCII without case, and the two letters outside of ASCII that fold
/// into it.
fn folded(name: &str) -> String {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().take(32).map(fold).collect()
}

/// A word of a command; what is no text is walked for its own sake.
struct Word<'a>(&'a mut Findings);

impl<'de> DeserializeSeed<'de> for Word<'_> {
    type Value = Option<Secret<String>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Word<'_> {
    type Value = Option<Secret<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Secret::new(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(Secret::new(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        let node = Node {
            under: Under::Words,
            name: None,
            findings: self.0,
        };
        node.visit_seq(list).map(|()| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let node = Node {
            under: Under::Words,
            name: None,
            findings: self.0,
        };
        node.visit_map(map).map(|()| None)
    }
}

/// `NAME=value`, as in the environment. A name alone takes nothing along.
pub(super) fn assignment(text: &str, place: Place, findings: &mut Findings) {
    if let Some((name, value)) = text.split_once('=') {
        variable(name, value, place, findings);
    }
}

/// A variable or build argument.
fn variable(name: &str, value: &str, place: Place, findings: &mut Findings) {
    if values::is_harmless(value) {
        return;
    }
    if names::is_secret(name, Reading::Variable) {
        findings.add(place, Some(name), Why::Name);
    } else if let Some(what) = values::whole(value) {
        findings.add(place, Some(name), Why::Looks(what));
    }
}

/// A label or an option. Options may hold a list of assignments themselves (`o=username=…,password=…`).
pub(super) fn pair(name: &str, value: &str, place: Place, findings: &mut Findings) {
    if place == Place::BuildArgument {
        return variable(name, value, place, findings);
    }
    if values::is_harmless(value) {
        return;
    }
    if names::is_secret(name, Reading::Loose) {
        return findings.add(place, Some(name), Why::Name);
    }
    if let Some(what) = values::form(value) {
        return findings.add(place, Some(name), Why::Looks(what));
    }
    let inner = value
        .split([',', ' ', ';'])
        .filter_map(|part| part.split_once('='));
    for (inner, value) in inner {
        if names::is_secret(inner, Reading::Loose) && !values::is_harmless(value) {
            findings.add(place, Some(name), Why::Name);
        }
    }
}

/// The words of a command: flags with a secret behind them, assignments, and what looks like one. A
/// word that a shell would take apart is taken apart.
pub(super) fn command(words: &[&str], findings: &mut Findings) {
    let mut flag: Option<&str> = None;
    for word in words.iter().flat_map(|word| word.split_whitespace()) {
        let word = word.trim_matches(['"', '\'', '(', ')', ';', '`']);
        let before = flag.take();
        if let Some(what) = values::form(word) {
            findings.add(Place::Argument, None, Why::Looks(what));
        } else if let Some(name) = before.filter(|_| !word.starts_with('-')) {
            named_word(name, word, findings);
        } else if word.contains('=') {
            assignments(word, findings);
        } else if word.starts_with('-') && names::is_secret(word, Reading::Loose) {
            flag = Some(word);
        }
    }
    // A key has white space in it, so it is looked for in the whole words.
    for word in words {
        if word.contains("-----BEGIN ")
            && let Some(what) = values::form(word)
        {
            findings.add(Place::Argument, None, Why::Looks(what));
        }
    }
}

/// `--password=x`, and what hides behind another flag: `--set=DB_PASSWORD=x`.
fn assignments(word: &str, findings: &mut Findings) {
    let mut rest = word;
    while let Some((name, value)) = rest.split_once('=') {
        named_word(name, value, findings);
        rest = value;
    }
}

fn named_word(name: &str, value: &str, findings: &mut Findings) {
    // A shell fills this in later.
    let later = value.starts_with("$(") || value.starts_with("${") || value.starts_with('$');
    if !later && names::is_secret(name, Reading::Loose) && !values::is_harmless(value) {
        findings.add(Place::Argument, Some(name), Why::Name);
    }
}

/// The content of a config, which `docker config inspect` shows.
fn data(text: &str, findings: &mut Findings) {
    let Ok(bytes) = STANDARD.decode(text) else {
        return;
    };
    let bytes = Secret::new(bytes);
    let found = bytes
        .expose()
        .split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .find_map(values::form);
    if let Some(what) = found {
        findings.add(Place::Config, None, Why::Looks(what));
    }
}

//! JSON documents: each string is searched where it stands, so that a finding has a JSON pointer.
//!
//! The document is walked while it is parsed; no tree is built. What lies between the strings
//! (numbers, a value that spans several strings) is found by a second search over the plain bytes.

use super::Finder;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

impl Finder<'_> {
    /// Searches a JSON document. Something that does not parse is searched as plain bytes.
    pub fn json(&mut self, location: &str, document: &[u8]) {
        let mut found = Vec::new();
        let mut pointer = Vec::new();
        let outer = match location {
            "" => String::new(),
            location => format!("{location}: "),
        };
        let walk = Walk {
            finder: self,
            outer: &outer,
            pointer: &mut pointer,
            found: &mut found,
            option: &mut None,
        };
        let mut parser = serde_json::Deserializer::from_slice(document);
        // A broken document keeps what was found before the break; the rest follows below.
        let whole = walk.deserialize(&mut parser).is_ok();
        if !whole {
            self.patterns(location, document);
        }
        let mut placed = BTreeSet::new();
        for (hit, pointer) in &found {
            placed.insert(hit.secret);
            self.found(hit, &super::location::join(location, pointer));
        }
        self.looked.bytes += document.len() as u64;
        for hit in self.matcher.find(document) {
            if !placed.contains(&hit.secret) {
                self.found(&hit, &super::location::at(location, hit.start));
            }
        }
    }
}

struct Walk<'w, 'm> {
    finder: &'w mut Finder<'m>,
    outer: &'w str,
    pointer: &'w mut Vec<String>,
    found: &'w mut Vec<(crate::Hit, String)>,
    /// The option before this element of a list, such as `--password`.
    option: &'w mut Option<String>,
}

impl<'m> Walk<'_, 'm> {
    fn search(&mut self, text: &str, what: &str) {
        for hit in self.finder.matcher.find(text.as_bytes()) {
            let mut pointer = format!("/{}", self.pointer.join("/"));
            if let Some(name) = variable(text, &hit) {
                pointer.push_str(&format!(" ({name})"));
            }
            pointer.push_str(what);
            self.found.push((hit, pointer));
        }
        self.look(text, what);
    }

    /// Patterns: in the string itself, and as the value of its key.
    fn look(&mut self, text: &str, what: &str) {
        let pointer = format!("{}/{}{what}", self.outer, self.pointer.join("/"));
        let key = self.pointer.last().map_or("", String::as_str);
        let key = key.rsplit("~1").next().unwrap_or(key);
        let named = !key.is_empty() && !key.bytes().all(|byte| byte.is_ascii_digit());
        let option = self.option.take().filter(|_| !named);
        if !named && text.len() < 64 && text.starts_with("--") && !text.contains(['=', ' ']) {
            *self.option = Some(text.to_owned());
        }
        if let Some(option) = option {
            let assigned = format!("{option} {text}");
            return self.finder.unplaced(&pointer, assigned.as_bytes());
        }
        if named && what.is_empty() && !text.contains(['"', '\\', '\n']) {
            let assigned = format!("{key}: \"{text}\"");
            self.finder.unplaced(&pointer, assigned.as_bytes());
        } else {
            self.finder.unplaced(&pointer, text.as_bytes());
        }
    }

    fn inner(&mut self, segment: String) -> Walk<'_, 'm> {
        self.pointer.push(segment);
        Walk {
            finder: self.finder,
            outer: self.outer,
            pointer: self.pointer,
            found: self.found,
            option: self.option,
        }
    }
}

/// The name in `NAME=value`, when the value is what was found.
fn variable<'t>(text: &'t str, hit: &crate::Hit) -> Option<&'t str> {
    let before = text.get(..usize::try_from(hit.start).ok()?)?;
    let (name, _) = before.split_once('=')?;
    let usual = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    (!name.is_empty() && name.len() <= 64 && name.chars().all(usual)).then_some(name)
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
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

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.search(text, "");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        let mut index = 0_u64;
        *self.option = None;
        loop {
            let next = sequence.next_element_seed(self.inner(index.to_string()))?;
            self.pointer.pop();
            if next.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.search(&key, " (a key)");
            // RFC 6901: `~` and `/` inside a key are escaped.
            let segment = self
                .finder
                .matcher
                .mask(&key)
                .replace('~', "~0")
                .replace('/', "~1");
            map.next_value_seed(self.inner(segment))?;
            self.pointer.pop();
        }
        Ok(())
    }
}

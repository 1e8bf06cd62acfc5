//! `daemon.json`: read, and changed in one place with every other byte kept.
//!
//! People write this file, with their own order and indentation, so it is not written anew from
//! what was read: one member's list gets or loses one name. What comes out is read again and must
//! mean exactly what went in, but for that name.

use serde_json::{Map, Value};
use std::ops::Range;

/// The list of authorization plugins.
pub const PLUGINS: &str = "authorization-plugins";

/// Why the file is left alone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// dockerd would not read it either.
    #[error("not a JSON object (line {line}, column {column})")]
    NotJson {
        /// Where reading ended.
        line: usize,
        /// Where reading ended.
        column: usize,
    },
    /// It could not be said which one counts.
    #[error("it names {PLUGINS} twice")]
    Twice,
    /// Something else than what dockerd takes.
    #[error("{PLUGINS} is no list of names")]
    NotAList,
    /// Us.
    #[error("the change did not come out as it should")]
    Unexpected,
}

/// What the file says; empty means nothing.
///
/// # Errors
/// [`Error::NotJson`].
pub fn read(text: &str) -> Result<Map<String, Value>, Error> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(text).map_err(|error| Error::NotJson {
        line: error.line(),
        column: error.column(),
    })
}

/// The names in the list.
///
/// # Errors
/// [`Error::NotJson`], [`Error::NotAList`].
pub fn plugins(text: &str) -> Result<Vec<String>, Error> {
    names(read(text)?.get(PLUGINS))
}

fn names(list: Option<&Value>) -> Result<Vec<String>, Error> {
    let list = match list {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or(Error::NotAList)?,
    };
    let name = |value: &Value| value.as_str().map(str::to_owned).ok_or(Error::NotAList);
    list.iter().map(name).collect()
}

/// The text with one name more at the end of the list; `None` when it is there.
///
/// # Errors
/// [`Error`].
pub fn with(text: &str, name: &str) -> Result<Option<String>, Error> {
    let mut wanted = read(text)?;
    let mut list = names(wanted.get(PLUGINS))?;
    if list.iter().any(|other| other == name) {
        return Ok(None);
    }
    list.push(name.to_owned());
    wanted.insert(PLUGINS.to_owned(), list.clone().into());
    let quoted = Value::from(name).to_string();
    let changed = match member(text)? {
        Some(found) if list.len() > 1 => append(text, &found, &quoted)?,
        Some(found) => replaced(text, found.value, &format!("[{quoted}]"))?,
        None => insert(text, &format!("\"{PLUGINS}\": [{quoted}]")),
    };
    checked(changed, &wanted)
}

/// The text without one name; without the list when it was the last one. `None` when it is not there.
///
/// # Errors
/// [`Error`].
pub fn without(text: &str, name: &str) -> Result<Option<String>, Error> {
    let mut wanted = read(text)?;
    let mut list = names(wanted.get(PLUGINS))?;
    if !list.iter().any(|other| other == name) {
        return Ok(None);
    }
    list.retain(|other| other != name);
    let found = member(text)?.ok_or(Error::Unexpected)?;
    let changed = if list.is_empty() {
        // Preserves the order of the others; the order of members means nothing to dockerd.
        wanted.shift_remove(PLUGINS);
        replaced(text, found.whole, "")?
    } else {
        wanted.insert(PLUGINS.to_owned(), list.clone().into());
        replaced(text, found.value, &Value::from(list).to_string())?
    };
    checked(changed, &wanted)
}

/// Reads what is to be written, and compares.
fn checked(text: String, wanted: &Map<String, Value>) -> Result<Option<String>, Error> {
    match read(&text) {
        Ok(result) if result == *wanted => Ok(Some(text)),
        _ => Err(Error::Unexpected),
    }
}

/// Where the member of the plugins stands.
struct Found {
    /// Its value.
    value: Range<usize>,
    /// All of it, with one comma and the white space that comes with it.
    whole: Range<usize>,
}

/// The member of the plugins, in a text that [`read`] has taken.
fn member(text: &str) -> Result<Option<Found>, Error> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let members = members(text).ok_or(Error::Unexpected)?;
    let mut ours = members
        .iter()
        .enumerate()
        .filter(|(_, member)| member.name == PLUGINS);
    let Some((at, found)) = ours.next() else {
        return Ok(None);
    };
    if ours.next().is_some() {
        return Err(Error::Twice);
    }
    // With the comma behind it, or, for the last one, the one before it.
    let whole = match (
        found.comma,
        at.checked_sub(1).and_then(|at| members.get(at)),
    ) {
        (Some(comma), _) => found.begin..comma + 1,
        (None, Some(before)) => before.value.end..found.value.end,
        (None, None) => found.begin..found.value.end,
    };
    Ok(Some(Found {
        value: found.value.clone(),
        whole,
    }))
}

/// One member of the outermost object.
struct Member {
    name: String,
    /// Behind the brace or comma before it: the white space belongs to it.
    begin: usize,
    value: Range<usize>,
    /// The comma behind it.
    comma: Option<usize>,
}

/// The members of the outermost object of a valid text.
fn members(text: &str) -> Option<Vec<Member>> {
    let bytes = text.as_bytes();
    let mut members = Vec::new();
    let mut begin = blank(bytes, 0) + 1;
    loop {
        let key = blank(bytes, begin);
        if bytes.get(key)? != &b'"' {
            return Some(members);
        }
        let end = value_end(bytes, key)?;
        let name = serde_json::from_str(text.get(key..end)?).ok()?;
        let colon = blank(bytes, end);
        let value = blank(bytes, colon + 1);
        let value = value..value_end(bytes, value)?;
        let behind = blank(bytes, value.end);
        let comma = (bytes.get(behind)? == &b',').then_some(behind);
        members.push(Member {
            name,
            begin,
            value,
            comma,
        });
        match comma {
            Some(comma) => begin = comma + 1,
            None => return Some(members),
        }
    }
}

/// The first byte from `at` on that is no white space.
fn blank(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count()
}

/// The end of the value that begins at `at`.
fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut escaped = false;
    for (place, byte) in bytes.iter().enumerate().skip(at) {
        if in_text {
            in_text = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            if !in_text && depth == 0 {
                return Some(place + 1);
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return Some(place),
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(place + 1);
                }
            }
            b',' if depth == 0 => return Some(place),
            byte if byte.is_ascii_whitespace() && depth == 0 => return Some(place),
            _ => {}
        }
    }
    None
}

fn replaced(text: &str, range: Range<usize>, with: &str) -> Result<String, Error> {
    let (before, behind) = (text.get(..range.start), text.get(range.end..));
    let (before, behind) = before.zip(behind).ok_or(Error::Unexpected)?;
    Ok(format!("{before}{with}{behind}"))
}

/// Appends to a list that has something in it, indented like its last name.
fn append(text: &str, found: &Found, quoted: &str) -> Result<String, Error> {
    let list = text.get(found.value.clone()).ok_or(Error::Unexpected)?;
    let inner = list.strip_suffix(']').ok_or(Error::Unexpected)?;
    let end = found.value.start + inner.trim_end().len();
    let mut last = inner.trim_end();
    last = last
        .get(..last.rfind(['[', ','].as_slice()).unwrap_or(0) + 1)
        .unwrap_or_default();
    let indent: String = inner
        .get(last.len()..)
        .unwrap_or_default()
        .chars()
        .take_while(|c| c.is_whitespace())
        .collect();
    let gap = if indent.is_empty() { " " } else { &indent };
    replaced(text, end..end, &format!(",{gap}{quoted}"))
}

/// A new first member, indented like the one that was first.
fn insert(text: &str, member: &str) -> String {
    let Some(brace) = text.find('{') else {
        return format!("{{\n  {member}\n}}\n");
    };
    let (head, rest) = text.split_at(brace + 1);
    let indent: String = rest.chars().take_while(|c| c.is_whitespace()).collect();
    if rest.trim_start().starts_with('}') {
        return format!("{head}\n  {member}\n{}", rest.trim_start());
    }
    format!("{head}{indent}{member},{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "cofferdam-guard";

    #[test]
    fn one_name_comes_and_goes_and_the_rest_stays_byte_for_byte() {
        for (before, after) in [
            (
                "{\n  \"debug\": true\n}\n",
                "{\n  \"authorization-plugins\": [\"cofferdam-guard\"],\n  \"debug\": true\n}\n",
            ),
            (
                "{ \"a\":{\"}\":[1,2]} , \"b\":\"\\\"}\" }",
                "{ \"authorization-plugins\": [\"cofferdam-guard\"], \"a\":{\"}\":[1,2]} , \"b\":\"\\\"}\" }",
            ),
            (
                "{\"debug\":false}",
                "{\"authorization-plugins\": [\"cofferdam-guard\"],\"debug\":false}",
            ),
            (
                "{\"authorization-plugins\":[\"other\"]}",
                "{\"authorization-plugins\":[\"other\", \"cofferdam-guard\"]}",
            ),
            (
                "{\n\t\"authorization-plugins\": [\n\t\t\"other\"\n\t],\n\t\"debug\": true\n}",
                "{\n\t\"authorization-plugins\": [\n\t\t\"other\",\n\t\t\"cofferdam-guard\"\n\t],\n\t\"debug\": true\n}",
            ),
        ] {
            let with = with(before, NAME).unwrap().unwrap();
            assert_eq!(with, after);
            assert_eq!(super::with(&with, NAME), Ok(None), "twice");
            let back = without(&with, NAME).unwrap().unwrap();
            assert_eq!(read(&back), read(before));
            if !before.contains(PLUGINS) {
                assert_eq!(back, before);
            }
            assert_eq!(without(&back, NAME), Ok(None));
        }
    }

    #[test]
    fn an_empty_file_and_an_empty_list_get_the_name() {
        for before in [
            "",
            "\n",
            "{}",
            "{ }\n",
            "{\"authorization-plugins\": []}",
            "{\"authorization-plugins\": null}",
        ] {
            let with = with(before, NAME).unwrap().unwrap();
            assert_eq!(plugins(&with).unwrap(), [NAME], "{before:?}");
            let back = without(&with, NAME).unwrap().unwrap();
            assert_eq!(plugins(&back).unwrap(), Vec::<String>::new());
        }
        let last = "{\"debug\": true, \"authorization-plugins\": [\"cofferdam-guard\"]}";
        assert_eq!(without(last, NAME).unwrap().unwrap(), "{\"debug\": true}");
    }

    #[test]
    fn a_file_that_dockerd_would_not_take_is_left_alone() {
        assert_eq!(
            with("{\n  nonsense", NAME),
            Err(Error::NotJson { line: 2, column: 3 })
        );
        assert!(matches!(with("[]", NAME), Err(Error::NotJson { .. })));
        assert_eq!(
            with("{\"authorization-plugins\":\"x\"}", NAME),
            Err(Error::NotAList)
        );
        assert_eq!(
            with("{\"authorization-plugins\":[1]}", NAME),
            Err(Error::NotAList)
        );
        let twice = "{\"authorization-plugins\":[\"a\"],\"authorization-plugins\":[\"b\"]}";
        assert_eq!(with(twice, NAME), Err(Error::Twice));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[ -~]{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_file_comes_back_as_it_was(members in proptest::collection::btree_map("[a-z\"\\\\]{1,8}", json(), 1..5), pretty in any::<bool>()) {
            let value = Value::Object(members.into_iter().collect());
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let with = with(&text, NAME).unwrap().unwrap();
            prop_assert_eq!(plugins(&with).unwrap(), vec![NAME.to_owned()]);
            prop_assert_eq!(without(&with, NAME).unwrap().unwrap(), text);
        }

        #[test]
        fn no_text_breaks_it(text in "[\\[\\]{}\",:a \\\\]{0,40}") {
            let _ = with(&text, NAME);
            let _ = without(&text, NAME);
        }
    }
}

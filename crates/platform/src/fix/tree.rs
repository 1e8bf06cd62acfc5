//! A YAML file as a tree of byte ranges, so that a change can name the bytes that it means.
//!
//! Aliases share the node that they name; merge keys stay entries of their own. What is refused is
//! what [`crate::compose`] refuses, which reads the same text first.

use crate::compose::{YamlError, check_yaml};
use granit_parser::{Event, Parser, ScalarStyle};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    /// `|` and `>`.
    Block,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar { text: String, style: Style },
    Sequence { flow: bool, items: Vec<Value> },
    Mapping { flow: bool, entries: Vec<Rc<Entry>> },
}

#[derive(Debug)]
pub(super) struct Node {
    /// From its first byte to behind its last one; anchors and tags are outside.
    pub(super) span: Range<usize>,
    pub(super) line: usize,
    pub(super) anchored: bool,
    /// How many aliases name it.
    pub(super) kind: Kind,
}

/// A node where it is used.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) node: Rc<Node>,
    /// The bytes of `*name`, where it is an alias.
    pub(super) alias: Option<Range<usize>>,
    pub(super) line: usize,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    /// A plain `<<`.
    pub(super) merge: bool,
    pub(super) value: Value,
    pub(super) line: usize,
}

impl Value {
    /// The items of a list, or itself: where Compose takes one thing for a list of one.
    pub(super) fn one_or_more(&self) -> &[Self] {
        match self.node.items() {
            [] => std::slice::from_ref(self),
            items => items,
        }
    }

    /// Behind its last byte.
    pub(super) fn end(&self) -> usize {
        self.alias
            .as_ref()
            .map_or(self.node.span.end, |span| span.end)
    }

    pub(super) fn start(&self) -> usize {
        self.alias
            .as_ref()
            .map_or(self.node.span.start, |span| span.start)
    }
}

impl Node {
    /// A text; `None` for collections and for null.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, style } => {
                let null = *style == Style::Plain
                    && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
                (!null).then_some(text.as_str())
            }
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar { .. }) && self.text().is_none()
    }

    pub(super) fn items(&self) -> &[Value] {
        match &self.kind {
            Kind::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    /// Its own entries, merge keys among them.
    pub(super) fn own(&self) -> &[Rc<Entry>] {
        match &self.kind {
            Kind::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    pub(super) fn own_entry(&self, key: &str) -> Option<&Rc<Entry>> {
        self.own()
            .iter()
            .find(|entry| entry.key == key && !entry.merge)
    }

    /// Entries as they count: its own, then what merge keys bring, the first one first.
    pub(super) fn entries(&self) -> Vec<Rc<Entry>> {
        let mut all: Vec<Rc<Entry>> = Vec::new();
        self.gather(&mut all, 0);
        all
    }

    fn gather(&self, all: &mut Vec<Rc<Entry>>, depth: usize) {
        if depth > 64 {
            return;
        }
        for entry in self.own().iter().filter(|entry| !entry.merge) {
            if !all.iter().any(|known| known.key == entry.key) {
                all.push(Rc::clone(entry));
            }
        }
        for entry in self.own().iter().filter(|entry| entry.merge) {
            let source = &entry.value.node;
            source.gather(all, depth + 1);
            for item in source.items() {
                item.node.gather(all, depth + 1);
            }
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Rc<Entry>> {
        let entry = self.entries().into_iter().find(|entry| entry.key == key);
        entry.filter(|entry| !entry.value.node.is_null())
    }
}

/// A whole file.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) root: Option<Rc<Node>>,
    /// Aliases, by the address of the first byte of what they name.
    pub(super) aliases: BTreeMap<usize, usize>,
}

/// Reads a file, within the bounds of [`crate::compose`].
pub(super) fn read(text: &str) -> Result<Document, YamlError> {
    check_yaml(text)?;
    build(text, false).map(|mut all| all.pop().unwrap_or_default())
}

/// Every document of a file. Only for looking: what is found here is never changed.
pub(super) fn read_all(text: &str) -> Result<Vec<Document>, YamlError> {
    build(text, true)
}

/// Largest file that is looked at.
const MAX_BYTES: usize = 1 << 20;
const MAX_NODES: usize = 100_000;
const MAX_DEPTH: usize = 64;

fn build(text: &str, many: bool) -> Result<Vec<Document>, YamlError> {
    let refuse = |line, what| Err(YamlError { line, what });
    if text.len() > MAX_BYTES {
        return refuse(1, "the file is larger than 1 MiB");
    }
    let options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder::default();
    let mut nodes = 0_usize;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| YamlError {
            line: error.marker().line(),
            what: "not YAML, or nested too deeply",
        })?;
        let line = span.start.line();
        let Some(range) = span.byte_range() else {
            return refuse(line, "not YAML");
        };
        nodes += 1;
        if nodes > 2 * MAX_NODES || builder.open.len() > MAX_DEPTH {
            return refuse(line, "more than 100,000 values");
        }
        if matches!(event, Event::DocumentStart(..)) && !builder.documents.is_empty() && !many {
            return refuse(line, "a second document: Compose reads one");
        }
        builder.take(text, event, range, line);
    }
    Ok(builder.documents)
}

struct Open {
    start: usize,
    line: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(bool, Vec<Value>),
    Mapping(bool, Vec<Rc<Entry>>, Option<Key>),
}

struct Key {
    text: String,
    span: Range<usize>,
    line: usize,
    merge: bool,
}

#[derive(Default)]
struct Builder {
    documents: Vec<Document>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Node>>,
}

impl Builder {
    fn take(&mut self, text: &str, event: Event<'_>, range: Range<usize>, line: usize) {
        match event {
            Event::DocumentStart(..) => {
                self.documents.push(Document::default());
                self.anchors.clear();
            }
            Event::Scalar(content, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                    ScalarStyle::Plain => Style::Plain,
                };
                let span = if style == Style::Block {
                    let written = text.get(range.clone()).unwrap_or_default();
                    range.start..range.start + written.trim_end().len()
                } else {
                    range
                };
                // The parser gives `~` for nothing.
                let text = if span.is_empty() {
                    String::new()
                } else {
                    content.into_owned()
                };
                let kind = Kind::Scalar { text, style };
                self.complete(span, line, anchor, kind);
            }
            Event::SequenceStart(style, anchor, _) => {
                let flow = style == granit_parser::StructureStyle::Flow;
                self.begin(
                    range.start,
                    line,
                    anchor,
                    Content::Sequence(flow, Vec::new()),
                );
            }
            Event::MappingStart(style, anchor, _) => {
                let flow = style == granit_parser::StructureStyle::Flow;
                self.begin(
                    range.start,
                    line,
                    anchor,
                    Content::Mapping(flow, Vec::new(), None),
                );
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return;
                };
                if let Some(document) = self.documents.last_mut() {
                    *document.aliases.entry(node.span.start).or_default() += 1;
                }
                self.attach(Value {
                    node,
                    alias: Some(range),
                    line,
                });
            }
            _ => {}
        }
    }

    fn begin(&mut self, start: usize, line: usize, anchor: usize, content: Content) {
        self.open.push(Open {
            start,
            line,
            anchor,
            content,
        });
    }

    fn end(&mut self, at: usize) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let (kind, last) = match open.content {
            Content::Sequence(flow, items) => {
                let last = items.last().map(Value::end);
                (
                    Kind::Sequence { flow, items },
                    (!flow).then_some(last).flatten(),
                )
            }
            Content::Mapping(flow, entries, _) => {
                let last = entries
                    .last()
                    .map(|entry| entry.value.end().max(entry.key_span.end));
                (
                    Kind::Mapping { flow, entries },
                    (!flow).then_some(last).flatten(),
                )
            }
        };
        // A block ends with what it holds; the parser says where the next thing begins.
        let end = last.unwrap_or(at).max(open.start);
        self.complete(open.start..end, open.line, open.anchor, kind);
    }

    fn complete(&mut self, span: Range<usize>, line: usize, anchor: usize, kind: Kind) {
        let node = Rc::new(Node {
            span,
            line,
            anchored: anchor != 0,
            kind,
        });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(Value {
            node,
            alias: None,
            line,
        });
    }

    fn attach(&mut self, value: Value) {
        let Some(open) = self.open.last_mut() else {
            if let Some(document) = self.documents.last_mut() {
                document.root = Some(value.node);
            }
            return;
        };
        match &mut open.content {
            Content::Sequence(_, items) => items.push(value),
            Content::Mapping(_, entries, key) => match key.take() {
                Some(key) => entries.push(Rc::new(Entry {
                    key: key.text,
                    key_span: key.span,
                    merge: key.merge,
                    line: key.line,
                    value,
                })),
                None => {
                    let (text, merge) = match &value.node.kind {
                        Kind::Scalar { text, style } => {
                            (text.clone(), *style == Style::Plain && text == "<<")
                        }
                        _ => (String::new(), false),
                    };
                    *key = Some(Key {
                        text,
                        span: value.start()..value.end(),
                        line: value.line,
                        merge,
                    });
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_names_its_bytes() {
        let text = "\u{feff}x: &a {k: 'v''w', n: , l: [1, \"2\"]}\r\n\u{e9}: *a # c\r\nm:\r\n  <<: *a\r\n  b: |\r\n    one\r\n\r\n  z: plain  # c\r\n";
        let document = read(text).unwrap();
        let root = document.root.unwrap();
        let at = |key: &str| root.own_entry(key).unwrap();
        let of = |span: &Range<usize>| &text[span.clone()];
        assert_eq!(
            of(&at("x").value.node.span),
            "{k: 'v''w', n: , l: [1, \"2\"]}"
        );
        assert!(at("x").value.node.anchored);
        let k = at("x").value.node.own_entry("k").unwrap().clone();
        assert_eq!(
            (of(&k.value.node.span), k.value.node.text()),
            ("'v''w'", Some("v'w"))
        );
        assert!(
            at("x")
                .value
                .node
                .own_entry("n")
                .unwrap()
                .value
                .node
                .is_null()
        );
        assert_eq!(of(at("\u{e9}").value.alias.as_ref().unwrap()), "*a");
        let m = &at("m").value.node;
        assert_eq!(m.get("k").unwrap().value.node.text(), Some("v'w"));
        assert_eq!(of(&m.own_entry("b").unwrap().value.node.span), "one");
        assert_eq!(of(&m.span), "<<: *a\r\n  b: |\r\n    one\r\n\r\n  z: plain");
        assert_eq!(document.aliases.values().sum::<usize>(), 2);
    }
}

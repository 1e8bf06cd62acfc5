//! A Compose file as a tree with lines, read within bounds.
//!
//! The parser gives events and leaves aliases as they are; an alias shares the node that it names,
//! so nothing grows in memory. What it would grow to is counted, because Compose itself copies, and
//! a file that would grow beyond [`MAX_EXPANDED`] is refused before Compose sees it. Duplicate keys
//! are refused (Compose 1.29 takes the last one and says nothing, v2 refuses them too). Merge keys
//! (`<<`) are applied as PyYAML and yaml.v3 do: own keys win, then the first merged mapping.
//!
//! An error names a line and never repeats what stands there.

use granit_parser::{Event, Parser, ScalarStyle, Tag};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Largest file, in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Nodes that a file may have as written.
const MAX_NODES: u64 = 100_000;
/// Nodes that it may have with every alias copied out.
const MAX_EXPANDED: u64 = 1_000_000;
/// Entries that all merge keys together may bring.
const MAX_MERGED: usize = 100_000;
/// Nesting.
const MAX_DEPTH: usize = 64;

/// A file that is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct YamlError {
    /// From 1.
    pub line: usize,
    /// What is wrong there; a fixed text.
    pub what: &'static str,
}

/// One value.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) mark: Option<Mark>,
    pub(super) kind: Kind,
    size: u64,
}

/// Compose v2's marks for values of a later file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// `!reset`: as if it had never been set.
    Reset,
    /// `!override`: instead of what the earlier files say.
    Override,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar { text: String, plain: bool },
    Sequence(Vec<Rc<Node>>),
    Mapping(BTreeMap<String, Rc<Node>>),
}

impl Node {
    /// A text; `None` for collections and for null.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, plain } => {
                let null = *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
                (!null).then_some(text)
            }
            _ => None,
        }
    }

    /// Whether nothing stands there.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar { .. }) && self.text().is_none()
    }

    /// `true` as YAML 1.1 writes it.
    pub(super) fn is_true(&self) -> bool {
        matches!(
            self.text(),
            Some("true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON")
        )
    }

    /// The entries of a mapping; none for anything else.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, &Rc<Node>)> {
        let entries = match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => None,
        };
        entries.into_iter().flatten()
    }

    /// The items of a sequence; none for anything else.
    pub(super) fn items(&self) -> &[Rc<Node>] {
        match &self.kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// A value of a mapping, if it is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<&Rc<Node>> {
        match &self.kind {
            Kind::Mapping(entries) => entries.get(key).filter(|node| !node.is_null()),
            _ => None,
        }
    }
}

/// Reads the one document of a file; `None` when it holds nothing.
pub(super) fn read(text: &str) -> Result<Option<Rc<Node>>, YamlError> {
    if text.len() > MAX_BYTES {
        return Err(YamlError {
            line: 1,
            what: "the file is larger than 1 MiB",
        });
    }
    let options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut tree = Tree::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| not_yaml(text, error.marker().line()))?;
        tree.take(event, span.start.line())?;
    }
    Ok(tree.root)
}

/// The parser's own words could repeat the text.
fn not_yaml(text: &str, line: usize) -> YamlError {
    let written = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let indentation = written.len() - written.trim_start().len();
    let tab = written.get(..indentation).is_some_and(|s| s.contains('\t'));
    let what = if tab {
        "a tab in the indentation: YAML takes spaces only"
    } else {
        "not YAML, or nested too deeply"
    };
    YamlError { line, what }
}

/// A collection that is not at its end.
struct Open {
    line: usize,
    mark: Option<Mark>,
    anchor: usize,
    size: u64,
    content: Content,
}

enum Content {
    Sequence(Vec<Rc<Node>>),
    Mapping {
        entries: BTreeMap<String, Rc<Node>>,
        /// What `<<` named, to be added at the end: own keys win wherever they stand.
        merge: Option<Rc<Node>>,
        key: Option<Key>,
    },
}

enum Key {
    Name(String),
    Merge,
}

#[derive(Default)]
struct Tree {
    root: Option<Rc<Node>>,
    documents: usize,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Node>>,
    nodes: u64,
    merged: usize,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), YamlError> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return refuse(line, "a second document: Compose reads one");
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let kind = Kind::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                };
                let node = Rc::new(Node {
                    line,
                    mark: mark(tag.as_deref()),
                    kind,
                    size: 1,
                });
                self.complete(anchor, node)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(line, anchor, tag.as_deref(), Content::Sequence(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let content = Content::Mapping {
                    entries: BTreeMap::new(),
                    merge: None,
                    key: None,
                };
                self.begin(line, anchor, tag.as_deref(), content)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(line)?,
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id) else {
                    return refuse(line, "an alias inside of what it names");
                };
                let node = Rc::clone(node);
                self.count(line)?;
                self.attach(node, line)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, line: usize) -> Result<(), YamlError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return refuse(line, "more than 100,000 values");
        }
        Ok(())
    }

    fn begin(
        &mut self,
        line: usize,
        anchor: usize,
        tag: Option<&Tag>,
        content: Content,
    ) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return refuse(line, "nested more than 64 deep");
        }
        self.open.push(Open {
            line,
            mark: mark(tag),
            anchor,
            size: 1,
            content,
        });
        Ok(())
    }

    fn end(&mut self, line: usize) -> Result<(), YamlError> {
        let Some(open) = self.open.pop() else {
            return refuse(line, "not YAML");
        };
        let kind = match open.content {
            Content::Sequence(items) => Kind::Sequence(items),
            Content::Mapping { entries, merge, .. } => {
                Kind::Mapping(self.merge(entries, merge.as_deref(), open.line)?)
            }
        };
        let node = Rc::new(Node {
            line: open.line,
            mark: open.mark,
            kind,
            size: open.size,
        });
        self.complete(open.anchor, node)
    }

    fn merge(
        &mut self,
        mut entries: BTreeMap<String, Rc<Node>>,
        merge: Option<&Node>,
        line: usize,
    ) -> Result<BTreeMap<String, Rc<Node>>, YamlError> {
        let Some(merge) = merge else {
            return Ok(entries);
        };
        let sources: Vec<&Node> = match &merge.kind {
            Kind::Mapping(_) => vec![merge],
            Kind::Sequence(items) => items.iter().map(Rc::as_ref).collect(),
            Kind::Scalar { .. } => return refuse(merge.line, "\"<<\" merges mappings only"),
        };
        for source in sources {
            let Kind::Mapping(more) = &source.kind else {
                return refuse(merge.line, "\"<<\" merges mappings only");
            };
            self.merged += more.len();
            if self.merged > MAX_MERGED {
                return refuse(line, "\"<<\" brings more than 100,000 entries");
            }
            for (key, value) in more {
                let entry = entries.entry(key.clone());
                entry.or_insert_with(|| Rc::clone(value));
            }
        }
        Ok(entries)
    }

    fn complete(&mut self, anchor: usize, node: Rc<Node>) -> Result<(), YamlError> {
        let line = node.line;
        self.count(line)?;
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node, line)
    }

    fn attach(&mut self, node: Rc<Node>, line: usize) -> Result<(), YamlError> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.size = open.size.saturating_add(node.size);
        if open.size > MAX_EXPANDED {
            return refuse(line, "aliases would make more than 1,000,000 values of it");
        }
        match &mut open.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping {
                entries,
                merge,
                key,
            } => match key.take() {
                Some(Key::Name(name)) => {
                    entries.insert(name, node);
                }
                Some(Key::Merge) => *merge = Some(node),
                None => {
                    let Kind::Scalar { text, plain } = &node.kind else {
                        return refuse(line, "a key that is not a text");
                    };
                    let merges = *plain && text == "<<";
                    if entries.contains_key(text) || (merges && merge.is_some()) {
                        return refuse(line, "the same key a second time");
                    }
                    *key = Some(if merges {
                        Key::Merge
                    } else {
                        Key::Name(text.clone())
                    });
                }
            },
        }
        Ok(())
    }
}

fn refuse<T>(line: usize, what: &'static str) -> Result<T, YamlError> {
    Err(YamlError { line, what })
}

fn mark(tag: Option<&Tag>) -> Option<Mark> {
    match tag?.to_string().trim_start_matches('!') {
        "reset" => Some(Mark::Reset),
        "override" => Some(Mark::Override),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(text: &str) -> Rc<Node> {
        read(text).unwrap().unwrap()
    }

    fn refusal(text: &str) -> YamlError {
        read(text).unwrap_err()
    }

    #[test]
    fn lines_marks_and_nulls_are_kept() {
        let root = tree("a: 1\nb:\n  - x\n  - !reset\nc: ~\nd: \"~\"\ne: !override [y]\n");
        assert_eq!(root.get("a").unwrap().text(), Some("1"));
        let b = root.get("b").unwrap();
        assert_eq!((b.line, b.items().len()), (3, 2));
        assert_eq!(b.items()[1].mark, Some(Mark::Reset));
        assert!(root.get("c").is_none());
        assert_eq!(root.get("d").unwrap().text(), Some("~"));
        assert_eq!(root.get("e").unwrap().mark, Some(Mark::Override));
        assert!(read("# nothing\n").unwrap().is_none());
    }

    #[test]
    fn merge_keys_give_way_to_own_keys_and_to_earlier_ones() {
        let root = tree(
            "x: &x {a: x, b: x}\ny: &y {b: y, c: y, d: y}\n\
             z:\n  d: z\n  <<: [*x, *y]\n  e: z\nq: {\"<<\": 1}\n",
        );
        let z = root.get("z").unwrap();
        let of = |key: &str| z.get(key).unwrap().text().unwrap().to_owned();
        assert_eq!(["a", "b", "c", "d", "e"].map(of).concat(), "xxyzz");
        assert!(root.get("q").unwrap().get("<<").is_some(), "quoted: a key");
    }

    #[test]
    fn a_bomb_of_aliases_is_refused_by_its_line() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..10 {
            let all = vec![format!("*a{}", n - 1); 10].join(",");
            text += &format!("a{n}: &a{n} [{all}]\n");
        }
        let begin = std::time::Instant::now();
        let error = refusal(&text);
        assert_eq!(error.line, 6, "{error}");
        assert!(begin.elapsed().as_secs() < 20);
        // The same with merge keys.
        let mut text = "a0: &a0 {k0: x}\n".to_owned();
        for n in 1..2000 {
            text += &format!("a{n}: &a{n} {{<<: *a{}, k{n}: x}}\n", n - 1);
        }
        assert!(refusal(&text).what.contains("<<"));
    }

    #[test]
    fn what_compose_would_guess_at_is_refused_by_its_line() {
        for (text, line, what) in [
            ("a: 1\nb: 2\na: 3\n", 3, "the same key"),
            ("a: {<<: {}, <<: {}}\n", 1, "the same key"),
            ("a:\n\tb: 1\n", 2, "a tab"),
            ("a: 1\n---\nb: 2\n", 2, "a second document"),
            ("a: &a [*a]\n", 1, "inside of what it names"),
            ("a: *b\n", 1, "not YAML"),
            ("? [x]\n: 1\n", 1, "not a text"),
            ("a:\n  <<: text\n", 2, "mappings only"),
            ("a: [1\nb: \"hunter2\n", 2, "not YAML"),
        ] {
            let error = refusal(text);
            assert!(error.what.contains(what), "{text}: {error}");
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"));
        }
        let deep = "[".repeat(70) + &"]".repeat(70);
        assert!(refusal(&deep).what.contains("deep"));
        let long = "- x\n".repeat(100_001);
        assert!(refusal(&long).what.contains("100,000"));
        assert!(refusal(&"#".repeat(MAX_BYTES + 1)).what.contains("1 MiB"));
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text in "[a-c:&*<!\\-\\[\\]{},\"' \n\t#|>?]{0,80}") {
            let _ = read(&text);
        }
    }
}

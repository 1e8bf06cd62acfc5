//! What became of everything, for people and for programs. Names only.

use super::names::shown;
use crate::cli::output::Format;
use crate::cli::terminal::clean;
use crate::cli::{Context, Exit, Failure};
use cofferdam_api::Tree;
use cofferdam_secret::Secret;
use std::collections::BTreeMap;

/// How an import ends, beside 0 for "everything is here", 1 and 2 as everywhere.
const LEFT: u8 = 3;
const DIFFERENT: u8 = 4;

/// One thing.
struct Item {
    kind: &'static str,
    path: String,
    reason: String,
}

/// Everything so far.
#[derive(Default)]
pub(super) struct Report {
    created: Vec<Item>,
    changed: Vec<Item>,
    unchanged: BTreeMap<&'static str, u64>,
    different: Vec<Item>,
    left: Vec<Item>,
    notes: Vec<String>,
}

fn item(kind: &'static str, path: &str, reason: impl Into<String>) -> Item {
    Item {
        kind,
        path: shown(path),
        reason: reason.into(),
    }
}

impl Report {
    /// It is here now and was not before.
    pub(super) fn created(&mut self, kind: &'static str, path: &str) {
        self.created.push(item(kind, path, ""));
    }

    /// It was here and is another now.
    pub(super) fn changed(&mut self, kind: &'static str, path: &str, how: impl Into<String>) {
        self.changed.push(item(kind, path, how));
    }

    /// It was here.
    pub(super) fn unchanged(&mut self, kind: &'static str) {
        *self.unchanged.entry(kind).or_default() += 1;
    }

    /// Another of this name is here, and stays.
    pub(super) fn different(&mut self, kind: &'static str, path: &str, why: impl Into<String>) {
        self.different.push(item(kind, path, why));
    }

    /// It cannot come along.
    pub(super) fn left(&mut self, kind: &'static str, path: &str, why: impl Into<String>) {
        self.left.push(item(kind, path, why));
    }

    /// Worth knowing, and nothing is missing.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    fn exit(&self) -> Exit {
        match (self.different.is_empty(), self.left.is_empty()) {
            (false, _) => Exit::Code(DIFFERENT),
            (true, false) => Exit::Code(LEFT),
            (true, true) => Exit::Success,
        }
    }

    /// Prints it. `complete` is false where the import stopped on its way.
    pub(super) fn print(
        mut self,
        context: &Context,
        from: &str,
        dry_run: bool,
        complete: bool,
    ) -> Result<Exit, Failure> {
        for list in [
            &mut self.created,
            &mut self.changed,
            &mut self.different,
            &mut self.left,
        ] {
            list.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
        }
        let exit = self.exit();
        if context.format() == Format::Table {
            context.out(clean(&self.text(from, dry_run, complete)).as_bytes())?;
        } else {
            let document = self.document(from, dry_run, complete);
            context.print(&document, || Secret::new(String::new()))?;
        }
        Ok(exit)
    }

    fn document(&self, from: &str, dry_run: bool, complete: bool) -> Tree {
        let list = |items: &[Item]| {
            let items = items.iter().map(|item| {
                let mut shown = Tree::map()
                    .with("kind", item.kind)
                    .with("path", item.path.clone());
                if !item.reason.is_empty() {
                    shown.insert("reason", item.reason.clone());
                }
                shown
            });
            Tree::List(items.collect())
        };
        let unchanged = self
            .unchanged
            .iter()
            .fold(Tree::map(), |tree, (kind, count)| tree.with(*kind, *count));
        Tree::map()
            .with("source", from)
            .with("dry_run", dry_run)
            .with("complete", complete)
            .with("created", list(&self.created))
            .with("changed", list(&self.changed))
            .with("unchanged", unchanged)
            .with("different", list(&self.different))
            .with("left", list(&self.left))
            .with("notes", self.notes.clone())
    }

    fn text(&self, from: &str, dry_run: bool, complete: bool) -> String {
        let mut text = format!(
            "{} {from}{}\n",
            if dry_run { "looked at" } else { "copied from" },
            if complete { "" } else { ", not to the end" }
        );
        let counted = |items: &[Item]| {
            let mut counts = BTreeMap::new();
            items
                .iter()
                .for_each(|item| *counts.entry(item.kind).or_default() += 1);
            counts
        };
        let rows = [
            (
                if dry_run {
                    "would be created"
                } else {
                    "created"
                },
                counted(&self.created),
            ),
            (
                if dry_run {
                    "would be changed"
                } else {
                    "changed"
                },
                counted(&self.changed),
            ),
            ("here already", self.unchanged.clone()),
        ];
        for (name, counts) in rows.iter().filter(|(_, counts)| !counts.is_empty()) {
            let counts: Vec<_> = counts
                .iter()
                .map(|(kind, count)| format!("{count} {}", plural(kind, *count)))
                .collect();
            text.push_str(&format!("  {name}: {}\n", counts.join(", ")));
        }
        let whole = [
            ("to be created:", &self.created),
            ("to be changed:", &self.changed),
        ];
        let lists = [
            (
                "different here, so it stays (bring the other server's with -overwrite):",
                &self.different,
            ),
            ("could not come along:", &self.left),
        ];
        let whole = whole.into_iter().filter(|_| dry_run);
        for (title, items) in whole.chain(lists).filter(|(_, items)| !items.is_empty()) {
            text.push_str(title);
            text.push('\n');
            for Item { kind, path, reason } in items {
                let reason = if reason.is_empty() {
                    String::new()
                } else {
                    format!(": {reason}")
                };
                text.push_str(&format!("  {kind} {path}{reason}\n"));
            }
        }
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }
}

/// The name of a kind for so many of them.
fn plural(kind: &str, count: u64) -> String {
    match kind {
        kind if count == 1 || kind.ends_with("settings") => kind.to_owned(),
        kind if kind.ends_with('s') => format!("{kind}es"),
        kind => match kind.strip_suffix('y').filter(|_| !kind.ends_with("ey")) {
            Some(stem) => format!("{stem}ies"),
            None => format!("{kind}s"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_a_kind_have_a_name() {
        let named = |kind, count| plural(kind, count);
        assert_eq!(named("policy", 2), "policies");
        assert_eq!(named("transit key", 2), "transit keys");
        assert_eq!(named("alias", 2), "aliases");
        assert_eq!(named("kv settings", 2), "kv settings");
        assert_eq!(named("entity", 1), "entity");
    }
}

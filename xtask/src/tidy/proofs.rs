//! `docs/proofs.md`: each line of the threat model's checklist stands there once, and each test that it
//! names is one.
//!
//! A heading of the third level is a line's id. Below it stands a table; the last cell of a row names
//! tests as `FILE::NAME`, or begins with [`NOTHING`] and says why there is none.

use crate::sh;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = "docs/proofs.md";

/// How a cell begins that names no test.
const NOTHING: &str = "nothing: ";

/// What the page has to hold: the groups of the checklist that are about the server, and how many lines
/// each has.
const GROUPS: &[(&str, u32)] = &[("NAME", 6), ("PRE", 4), ("AUTH", 10), ("STORE", 8)];

pub(super) fn check() -> Result<Vec<String>> {
    let root = sh::root();
    let page =
        std::fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    Ok(judge(&page, |file| {
        std::fs::read_to_string(root.join(file)).ok()
    }))
}

/// What is wrong with the page, where `source` gives the text of a file.
fn judge(page: &str, source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    // Rows of each id, by their last cell.
    let mut proofs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut id = None;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            if proofs.insert(heading, Vec::new()).is_some() {
                wrong.push(format!("{PAGE} has {heading} twice"));
            }
            id = Some(heading);
        } else if line.starts_with('#') {
            id = None;
        } else if let (Some(id), Some(row)) = (id, row(line)) {
            proofs.entry(id).or_default().push(row);
        }
    }
    let wanted: BTreeSet<String> = GROUPS
        .iter()
        .flat_map(|(group, lines)| (1..=*lines).map(move |line| format!("{group}-{line}")))
        .collect();
    for missing in wanted.iter().filter(|id| !proofs.contains_key(id.as_str())) {
        wrong.push(format!("{PAGE} says nothing of {missing}"));
    }
    for (id, rows) in &proofs {
        if !wanted.contains(*id) {
            wrong.push(format!(
                "{PAGE} has {id}, which is no line of the checklist"
            ));
        }
        if rows.is_empty() {
            wrong.push(format!("{PAGE} has no row for {id}"));
        }
        for cell in rows {
            let named: Vec<_> = tests(cell).collect();
            if named.is_empty() && !cell.starts_with(NOTHING) {
                wrong.push(format!("{PAGE} names no test in a row of {id}: {cell}"));
            }
            for (file, name) in named {
                let is_test = source(file).is_some_and(|text| has_test(&text, name));
                if !is_test {
                    wrong.push(format!(
                        "{PAGE} names {file}::{name} for {id}, which is no test"
                    ));
                }
            }
        }
    }
    wrong
}

/// The last cell of a row of a table; not of its head.
fn row(line: &str) -> Option<&str> {
    let cells = line.strip_prefix('|')?.strip_suffix('|')?;
    let last = cells.rsplit(" | ").next()?.trim();
    let head = last.trim_matches(['-', '|', ' ']).is_empty() || last == "Proven by";
    (!head).then_some(last)
}

/// The tests that a cell names: `FILE::NAME` in backticks.
fn tests(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    let words = cell.split('`').skip(1).step_by(2);
    words
        .filter_map(|word| word.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs"))
}

/// Whether there is a function of this name that is marked as a test.
fn has_test(text: &str, name: &str) -> bool {
    let heads = [format!("fn {name}("), format!("fn {name}<")];
    let lines: Vec<&str> = text.lines().collect();
    let mut defined = lines.iter().enumerate().filter(|(_, line)| {
        let line = line.trim_start();
        let line = line.strip_prefix("async ").unwrap_or(line);
        heads.iter().any(|head| line.starts_with(head.as_str()))
    });
    // Attributes stand above it, without a gap.
    defined.any(|(at, _)| {
        let above = lines.get(..at).unwrap_or_default().iter().rev();
        let mut attributes = above
            .map(|line| line.trim())
            .take_while(|line| !line.is_empty() && !line.ends_with(['}', ';']));
        attributes.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "#[test]\nfn good() {\n}\n\n/// Says why.\n#[tokio::test(flavor = \"x\")]\nasync fn waits() {\n}\n\nfn helper() {\n}\n\n#[test]\nfn longer_name() {}\nfn plain() {}\n";

    /// A page with all lines, the rows of one of them given.
    fn page(rows: &str) -> String {
        let mut page = "# Proofs\n\n| a | b |\n".to_owned();
        for (group, lines) in GROUPS {
            for line in 1..=*lines {
                let id = format!("{group}-{line}");
                let own = match id.as_str() {
                    "NAME-2" => rows,
                    _ => "| x | y | `a.rs::good` |",
                };
                page += &format!(
                    "### {id}\n\n| Bad input | What must come | Proven by |\n|---|---|---|\n{own}\n\n"
                );
            }
        }
        page
    }

    fn judged(page: &str) -> Vec<String> {
        judge(page, |file| (file == "a.rs").then(|| SOURCE.to_owned()))
    }

    #[test]
    fn a_page_whose_tests_are_there_is_right() {
        let rows =
            "| x | y | `a.rs::good`, and `a.rs::waits` |\n| x | y | nothing: it is not served |";
        assert_eq!(judged(&page(rows)), Vec::<String>::new());
    }

    #[test]
    fn a_test_that_is_no_test_is_told() {
        for (rows, why) in [
            ("| x | y | `a.rs::gone` |", "a.rs::gone"),
            ("| x | y | `a.rs::helper` |", "a.rs::helper"),
            ("| x | y | `a.rs::longer` |", "a.rs::longer"),
            ("| x | y | `a.rs::plain` |", "a.rs::plain"),
            ("| x | y | `b.rs::good` |", "b.rs::good"),
            ("| x | y | `a.rs::good`, `a.rs::gone` |", "a.rs::gone"),
            ("| x | y | surely |", "names no test"),
            ("", "no row for NAME-2"),
        ] {
            let wrong = judged(&page(rows));
            assert_eq!(wrong.len(), 1, "{rows}: {wrong:?}");
            assert!(wrong[0].contains(why), "{rows}: {wrong:?}");
        }
    }

    #[test]
    fn every_line_stands_there_once() {
        let all = page("| x | y | `a.rs::good` |");
        let twice = all.clone() + "### NAME-2\n| x | y | `a.rs::good` |\n";
        assert_eq!(judged(&twice), ["docs/proofs.md has NAME-2 twice"]);
        let without = all.replace("### AUTH-10\n", "");
        assert_eq!(judged(&without), ["docs/proofs.md says nothing of AUTH-10"]);
        let strange = all + "### AUTH-11\n| x | y | `a.rs::good` |\n";
        assert!(judged(&strange)[0].contains("AUTH-11, which is no line"));
    }
}

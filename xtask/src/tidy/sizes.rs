//! A report of file and function sizes, so that a trend shows early. Nothing fails here.

use super::sources;
use crate::sh;
use anyhow::Result;

pub(super) fn report() -> Result<()> {
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for source in sources()? {
        files.push((source.production().lines().count(), source.path.clone()));
        functions.extend(
            lengths(source.production())
                .into_iter()
                .map(|(length, name)| (length, format!("{} {name}", source.path))),
        );
    }
    files.sort();
    functions.sort();
    describe("files", &files, 450);
    describe("functions", &functions, 60);
    Ok(())
}

fn describe(what: &str, sizes: &[(usize, String)], long: usize) {
    let at = |share: usize| {
        sizes
            .get(sizes.len() * share / 100)
            .map_or(0, |(lines, _)| *lines)
    };
    let over: Vec<_> = sizes
        .iter()
        .rev()
        .take_while(|(lines, _)| *lines > long)
        .collect();
    sh::say(&format!(
        "tidy: {} {what}, lines: median {}, p90 {}, over {long}: {}",
        sizes.len(),
        at(50),
        at(90),
        over.len()
    ));
    for (lines, name) in over.iter().take(8) {
        sh::say(&format!("tidy:   {lines:5} {name}"));
    }
}

/// Functions by rustfmt's layout: from `fn` to the closing brace at the same indentation.
fn lengths(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(name) = code.split("fn ").nth(1).filter(|_| is_function(code)) else {
            continue;
        };
        let indent = line.len() - code.len();
        let close = format!("{}}}", " ".repeat(indent));
        if let Some(length) = lines.iter().skip(at).position(|line| *line == close) {
            found.push((
                length + 1,
                name.split(['(', '<']).next().unwrap_or_default().to_owned(),
            ));
        }
    }
    found
}

fn is_function(code: &str) -> bool {
    let head = code.split("fn ").next().unwrap_or_default();
    head.split_whitespace().all(|word| {
        matches!(
            word,
            "pub"
                | "async"
                | "const"
                | "unsafe"
                | "pub(crate)"
                | "pub(super)"
                | "pub(in"
                | "crate)"
        )
    })
}

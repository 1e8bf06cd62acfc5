//! For people: one finding is two lines, the place first, as editors and terminals open it.

use super::Findings;
use crate::pattern::{Finding, Severity};
use crate::verify::Life;
use std::fmt::Write as _;

/// How text is dressed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// With ANSI colours.
    pub colour: bool,
}

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

impl Style {
    fn dressed(self, dress: &str, text: &str) -> String {
        if self.colour {
            format!("{dress}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }
}

impl Findings {
    pub(super) fn to_text(&self, style: Style) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            one(&mut out, finding, style);
        }
        if self.more > 0 {
            let _ = writeln!(out, "… and {} more", self.more);
        }
        out
    }
}

fn one(out: &mut String, finding: &Finding, style: Style) {
    let alarm = match finding.rule.severity {
        Severity::Critical | Severity::High => RED,
        Severity::Medium | Severity::Low => YELLOW,
    };
    let place = style.dressed(BOLD, &finding.place());
    let rule = style.dressed(alarm, &finding.rule.id);
    let name = &finding.rule.name;
    let _ = writeln!(out, "{place}  {rule}  {name}");
    let mut details = match &finding.name {
        Some(given) => format!("{given} = {}", finding.preview),
        None => finding.preview.clone(),
    };
    if let Some(note) = &finding.note {
        let _ = write!(details, ", {note}");
    }
    if let Some(commit) = &finding.commit {
        let _ = write!(details, "; {}", commit.words());
    }
    let _ = writeln!(out, "    {}", style.dressed(DIM, &details));
    if let Some(verdict) = &finding.verdict {
        let dress = match verdict.life {
            Life::Live => RED,
            Life::Dead | Life::Unknown(_) => DIM,
        };
        let _ = writeln!(out, "    {}", style.dressed(dress, &verdict.to_string()));
    }
}

//! The matrix as text.

use super::{Cell, Column, Matrix, Place};
use std::fmt::Write as _;

/// How the text may look.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Green, red and yellow. Only for a terminal that wants it (`NO_COLOR`).
    pub colour: bool,
    /// Columns of the terminal; wider tables are cut into several below each other.
    pub width: usize,
}

impl Default for Style {
    /// For a file: no colour, everything in one table.
    fn default() -> Self {
        Self {
            colour: false,
            width: usize::MAX,
        }
    }
}

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[33m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Width of the widest name of a place.
const KIND: usize = 18;

/// Space between two columns.
const GAP: usize = 2;

impl Matrix {
    /// The table, then where each exposure is, what was not looked at, and what cannot be searched for.
    #[must_use]
    pub fn to_table(&self, style: Style) -> String {
        let mut out = String::new();
        if let Some(title) = &self.title {
            let title = crate::source::clean(title);
            let _ = writeln!(out, "{}\n", paint(style, BOLD, &title));
        }
        let shown: Vec<Place> = self
            .columns
            .keys()
            .copied()
            .filter(|&place| self.shows(place))
            .collect();
        let names: Vec<String> = self.rows.iter().map(|row| row.label.to_string()).collect();
        let names: Vec<String> = names
            .iter()
            .map(|name| crate::source::clean(name))
            .collect();
        let first = names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0)
            .max(6);
        for places in self.groups(&shown, first, style.width) {
            self.block(&mut out, style, &names, first, &places);
            out.push('\n');
        }
        self.exposures(&mut out, style, &names);
        self.gaps(&mut out, style);
        self.weak(&mut out, style, &names);
        self.summary(&mut out, style);
        out
    }

    /// A place gets a column when something was, or should have been, looked at there.
    fn shows(&self, place: Place) -> bool {
        match self.columns.get(&place) {
            Some(Column::Looked(looked)) => looked.objects > 0 || !looked.gaps.is_empty(),
            Some(Column::Failed(_)) => true,
            Some(Column::Skipped(_)) | None => false,
        }
    }

    fn groups(&self, shown: &[Place], first: usize, width: usize) -> Vec<Vec<Place>> {
        let mut groups: Vec<Vec<Place>> = Vec::new();
        let mut used = usize::MAX;
        for &place in shown {
            let wide = self.wide(place) + GAP;
            match groups.last_mut() {
                Some(group) if used.saturating_add(wide) <= width => {
                    group.push(place);
                    used += wide;
                }
                _ => {
                    groups.push(vec![place]);
                    used = first + wide;
                }
            }
        }
        groups
    }

    fn wide(&self, place: Place) -> usize {
        let words = place
            .words()
            .iter()
            .map(|word| word.len())
            .max()
            .unwrap_or(0);
        let cells = (0..self.rows.len()).map(|row| self.word(row, place).0.len());
        cells
            .max()
            .unwrap_or(0)
            .max(words)
            .max(self.count(place).len())
    }

    fn count(&self, place: Place) -> String {
        match self.columns.get(&place) {
            Some(Column::Looked(looked)) => format!("({})", looked.objects),
            _ => String::new(),
        }
    }

    fn block(
        &self,
        out: &mut String,
        style: Style,
        names: &[String],
        first: usize,
        places: &[Place],
    ) {
        for line in 0..3 {
            let mut head = pad(if line == 1 { "secret" } else { "" }, first);
            for &place in places {
                let count = self.count(place);
                let text = place
                    .words()
                    .get(line)
                    .map_or(count.clone(), ToString::to_string);
                head.push_str(&" ".repeat(GAP));
                head.push_str(&pad(&text, self.wide(place)));
            }
            let _ = writeln!(out, "{}", paint(style, DIM, head.trim_end()));
        }
        for (row, name) in names.iter().enumerate() {
            out.push_str(&pad(name, first));
            for (nth, &place) in places.iter().enumerate() {
                let (text, colour) = self.word(row, place);
                let _ = write!(out, "{}{}", " ".repeat(GAP), paint(style, colour, text));
                if nth + 1 < places.len() {
                    out.push_str(&" ".repeat(self.wide(place) - text.len()));
                }
            }
            out.push('\n');
        }
    }

    fn word(&self, row: usize, place: Place) -> (&'static str, &'static str) {
        match self.cell(row, place) {
            Cell::Exposed(_) if place == Place::OtherSecrets => ("reused", YELLOW),
            Cell::Exposed(_) if self.is_rotated(row) => ("rotated", YELLOW),
            Cell::Exposed(_) => ("EXPOSED", RED),
            Cell::Clean => ("clean", GREEN),
            Cell::InPart => ("in part", YELLOW),
            Cell::NotLooked(_) => ("not looked", YELLOW),
        }
    }

    fn exposures(&self, out: &mut String, style: Style, names: &[String]) {
        for (row, name) in names.iter().enumerate() {
            let mut lines = String::new();
            for &place in self.columns.keys() {
                let Cell::Exposed(exposed) = self.cell(row, place) else {
                    continue;
                };
                let kind = place.words().join(" ");
                for exposure in &exposed.at {
                    let form = exposure.form.word();
                    let _ = writeln!(
                        lines,
                        "  {} {} ({form})",
                        pad(&kind, KIND),
                        exposure.location
                    );
                }
                if exposed.more > 0 {
                    let _ = writeln!(lines, "  {} and {} more", pad(&kind, KIND), exposed.more);
                }
                if let Some((first, last)) = self.seen(row, place)
                    && first != last
                {
                    let _ = writeln!(lines, "  {} first seen {first}", pad(&kind, KIND));
                }
            }
            if !lines.is_empty() {
                let lies = |place: &Place| matches!(self.cell(row, *place), Cell::Exposed(_));
                let only_reused = !self
                    .columns
                    .keys()
                    .any(|place| *place != Place::OtherSecrets && lies(place));
                let head = if only_reused {
                    "REUSED"
                } else if self.is_rotated(row) {
                    "EXPOSED, THEN ROTATED"
                } else {
                    "EXPOSED"
                };
                let owner = self.rows.get(row).and_then(|entry| entry.owner.as_deref());
                let owner = owner.map(crate::source::clean);
                let owner = owner.map(|owner| format!(" (owner: {owner})"));
                let owner = owner.unwrap_or_default();
                let head = paint(style, RED, head);
                let _ = writeln!(out, "{head} {name}{owner}\n{lines}");
            }
        }
    }

    fn gaps(&self, out: &mut String, style: Style) {
        let mut lines = String::new();
        for (place, column) in &self.columns {
            let Column::Looked(looked) = column else {
                continue;
            };
            let kind = pad(&place.words().join(" "), KIND);
            for gap in &looked.gaps {
                let _ = writeln!(lines, "  {kind} {}: {}", gap.location, gap.reason);
            }
            if looked.more_gaps > 0 {
                let _ = writeln!(lines, "  {kind} and {} more", looked.more_gaps);
            }
        }
        for (reason, places) in self.unlooked() {
            let _ = writeln!(lines, "  {}: {reason}", places.join(", "));
        }
        if !lines.is_empty() {
            let _ = writeln!(out, "{}\n{lines}", paint(style, YELLOW, "not looked at"));
        }
    }

    /// Whole places that were not looked at, together where the reason is the same.
    fn unlooked(&self) -> Vec<(String, Vec<String>)> {
        let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
        for (place, column) in &self.columns {
            let (Column::Failed(why) | Column::Skipped(why)) = column else {
                continue;
            };
            let (why, place) = (crate::source::clean(why), place.words().join(" "));
            match reasons.iter_mut().find(|(reason, _)| *reason == why) {
                Some((_, places)) => places.push(place),
                None => reasons.push((why, vec![place])),
            }
        }
        reasons
    }

    fn weak(&self, out: &mut String, style: Style, names: &[String]) {
        let weak = std::iter::zip(names, &self.rows);
        let lines: String = weak
            .filter_map(|(name, row)| Some(format!("  {name}: {}\n", row.weakness?)))
            .collect();
        if !lines.is_empty() {
            let head = paint(style, YELLOW, "not searched for");
            let _ = writeln!(out, "{head}\n{lines}");
        }
    }

    fn summary(&self, out: &mut String, style: Style) {
        let searched = self
            .rows
            .iter()
            .filter(|row| row.weakness.is_none())
            .count();
        let exposed = self.exposed_cells();
        let in_part = self.columns.values().any(|column| match column {
            Column::Looked(looked) => !looked.gaps.is_empty(),
            Column::Failed(_) => true,
            Column::Skipped(_) => false,
        });
        let text = match (exposed, in_part) {
            (0, false) => paint(style, GREEN, "clean"),
            (0, true) => paint(
                style,
                YELLOW,
                "nothing found, but not everything was looked at",
            ),
            (cells, _) => paint(
                style,
                RED,
                &format!("EXPOSED in {}", counted(cells, "cell")),
            ),
        };
        let _ = writeln!(out, "{}: {text}", counted(searched, "secret"));
    }
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn paint(style: Style, colour: &str, text: &str) -> String {
    if style.colour {
        format!("{colour}{text}{PLAIN}")
    } else {
        text.to_owned()
    }
}

fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

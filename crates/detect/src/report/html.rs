//! The matrix as a page: one file, no scripts, nothing loaded from elsewhere.

use super::{Cell, Column, Matrix, Place};
use std::fmt::Write as _;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1c2127}\
table{border-collapse:collapse;margin:1rem 0}th,td{border:1px solid #c9ced6;padding:.3rem .6rem;\
text-align:left;vertical-align:top}th{background:#f2f4f7}.exposed{background:#b42318;color:#fff}\
.rotated{background:#b54708;color:#fff}.clean{background:#d3f3df}.part{background:#fdf0c2}\
.not{color:#6b7280}code{font-size:.9em}";

impl Matrix {
    /// The whole matrix as HTML 5. A policy in the page itself keeps it from loading or running anything.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = self.title.as_deref().unwrap_or("Leak report");
        let title = text(&crate::source::clean(title));
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        );
        self.page_table(&mut out);
        self.page_exposures(&mut out);
        self.page_gaps(&mut out);
        out.push_str("</body></html>\n");
        out
    }

    fn page_table(&self, out: &mut String) {
        out.push_str("<table><thead><tr><th>secret</th><th>owner</th>");
        for place in self.columns.keys() {
            let _ = write!(out, "<th>{}</th>", text(&place.words().join(" ")));
        }
        out.push_str("</tr></thead><tbody>\n");
        for (row, entry) in self.rows.iter().enumerate() {
            let name = crate::source::clean(&entry.label.to_string());
            let owner = entry.owner.as_deref().map(crate::source::clean);
            let _ = write!(
                out,
                "<tr><td><code>{}</code></td><td>{}</td>",
                text(&name),
                text(owner.as_deref().unwrap_or_default())
            );
            for &place in self.columns.keys() {
                self.page_cell(out, row, place);
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody></table>\n");
    }

    fn page_cell(&self, out: &mut String, row: usize, place: Place) {
        let cell = self.cell(row, place);
        let (class, word) = match &cell {
            Cell::Exposed(_) if place == Place::OtherSecrets => ("part", "reused"),
            Cell::Exposed(_) if self.is_rotated(row) => ("rotated", "exposed, then rotated"),
            Cell::Exposed(_) => ("exposed", "EXPOSED"),
            Cell::Clean => ("clean", "clean"),
            Cell::InPart => ("part", "in part"),
            Cell::NotLooked(_) => ("not", "not looked at"),
        };
        let why = match &cell {
            Cell::NotLooked(why) => format!(" title=\"{}\"", text(&crate::source::clean(why))),
            _ => String::new(),
        };
        let _ = write!(out, "<td class=\"{class}\"{why}>{word}");
        if let Some((first, last)) = self.seen(row, place) {
            let _ = write!(out, "<br>since {}<br>last {}", text(first), text(last));
        }
        out.push_str("</td>");
    }

    fn page_exposures(&self, out: &mut String) {
        out.push_str("<h2>Where</h2>\n<ul>\n");
        for (row, entry) in self.rows.iter().enumerate() {
            let name = crate::source::clean(&entry.label.to_string());
            for &place in self.columns.keys() {
                let Cell::Exposed(exposed) = self.cell(row, place) else {
                    continue;
                };
                for at in &exposed.at {
                    let _ = writeln!(
                        out,
                        "<li><code>{}</code> {}: <code>{}</code> ({})</li>",
                        text(&name),
                        text(&place.words().join(" ")),
                        text(&at.location),
                        text(at.form.word())
                    );
                }
                if exposed.more > 0 {
                    let _ = writeln!(out, "<li>and {} more</li>", exposed.more);
                }
            }
        }
        out.push_str("</ul>\n");
    }

    fn page_gaps(&self, out: &mut String) {
        out.push_str("<h2>Not looked at</h2>\n<ul>\n");
        for (place, column) in &self.columns {
            let place = text(&place.words().join(" "));
            match column {
                Column::Looked(looked) => {
                    for gap in &looked.gaps {
                        let _ = writeln!(
                            out,
                            "<li>{place}: <code>{}</code>: {}</li>",
                            text(&gap.location),
                            text(&gap.reason)
                        );
                    }
                    if looked.more_gaps > 0 {
                        let _ = writeln!(out, "<li>{place}: and {} more</li>", looked.more_gaps);
                    }
                }
                Column::Failed(why) | Column::Skipped(why) => {
                    let why = text(&crate::source::clean(why));
                    let _ = writeln!(out, "<li>{place}: {why}</li>");
                }
            }
        }
        for entry in &self.rows {
            if let Some(weakness) = entry.weakness {
                let name = crate::source::clean(&entry.label.to_string());
                let _ = writeln!(out, "<li><code>{}</code>: {weakness}</li>", text(&name));
            }
        }
        out.push_str("</ul>\n");
    }
}

/// Text inside HTML, also inside a quoted attribute.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

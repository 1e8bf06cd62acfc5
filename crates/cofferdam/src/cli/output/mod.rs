//! How data is printed: Vault's tables, JSON and YAML, byte for byte where scripts may look.

mod envelope;
mod json;
mod table;
mod yaml;

pub(crate) use envelope::{envelope, field, shown};
pub(crate) use table::{columns, go_value, list_table, map_table, pairs, titled};

use super::link::Link;
use super::terminal::{self, clean};
use super::{Context, Exit, Failure};
use cofferdam_api::{Error, Response, Tree};
use cofferdam_secret::{Buffer, Secret};

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

impl Format {
    /// `more` are the formats that a verb has beside these.
    pub(crate) fn parse(name: &str, more: &[&str]) -> Result<Self, Failure> {
        match name.to_ascii_lowercase().as_str() {
            "table" | "pretty" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "yaml" | "yml" => Ok(Self::Yaml),
            _ => {
                let known = ["table", "json", "yaml"].iter().chain(more).copied();
                let known = known.collect::<Vec<_>>().join(" ");
                Err(Failure::usage(format!("unknown output format: {name}"))
                    .hint(format!("one of: {known}")))
            }
        }
    }
}

impl Context {
    /// Prints a document in JSON or YAML, or the table that the caller makes.
    pub(crate) fn print(
        &self,
        document: &Tree,
        table: impl FnOnce() -> Secret<String>,
    ) -> Result<Exit, Failure> {
        match self.format() {
            Format::Table => self.print_table(&table())?,
            Format::Json => self.out(json::pretty(document, true).expose())?,
            Format::Yaml => self.out(yaml::document(document).expose())?,
        }
        Ok(Exit::Success)
    }

    /// Prints a document that has no table: YAML where that is asked for, else JSON.
    pub(crate) fn print_json_or_yaml(&self, document: &Tree) -> Result<Exit, Failure> {
        let text = match self.format() {
            Format::Yaml => yaml::document(document),
            Format::Table | Format::Json => json::pretty(document, true),
        };
        self.out(text.expose())?;
        Ok(Exit::Success)
    }

    /// Prints a table. On a terminal, values keep no escapes that it would obey.
    pub(crate) fn print_table(&self, table: &Secret<String>) -> Result<(), Failure> {
        if terminal::stdout_is_terminal() {
            return self.out(Secret::new(clean(table.expose())).expose().as_bytes());
        }
        self.out(table.expose().as_bytes())
    }

    /// Prints an answer as Vault's commands do: one field, or the envelope, or its table.
    pub(crate) fn print_response(
        &self,
        response: &Response,
        only: Option<&str>,
    ) -> Result<Exit, Failure> {
        self.warn(response);
        if let Some(name) = only {
            return self.print_field(field(response, name), name);
        }
        self.print(&envelope(response), || envelope::table(response))
    }

    /// Prints the names of a list. Where there are none, JSON and YAML are an empty object beside the
    /// refusal, as Vault's clients print it.
    pub(crate) fn print_keys(
        &self,
        link: &Link,
        answer: Result<Response, Error>,
    ) -> Result<Exit, Failure> {
        let response = match answer {
            Ok(response) => response,
            Err(Error::NotFound(_)) if self.format() != Format::Table => return self.no_names(),
            Err(error) => return Err(link.failure(error)),
        };
        if response.wrap_info.is_some() {
            return self.print_response(&response, None);
        }
        self.warn(&response);
        let mut keys = response.keys();
        if keys.is_empty() {
            // A list of all levels that found nothing is no 404.
            return match self.format() {
                Format::Table => Err(Failure::server("no names are below this path")
                    .hint("see what is there with: cofferdam kv list MOUNT")),
                _ => self.no_names(),
            };
        }
        keys.sort();
        self.print(&Tree::from(keys.clone()), || list_table(&keys))
    }

    fn no_names(&self) -> Result<Exit, Failure> {
        self.out(b"{}\n")?;
        Ok(Exit::Server)
    }

    /// Prints one value and nothing else; on a terminal it gets a newline.
    pub(crate) fn print_field(&self, value: Option<Tree>, name: &str) -> Result<Exit, Failure> {
        let Some(value) = value.filter(|value| !matches!(value, Tree::Null)) else {
            return Err(Failure::local(format!("no field \"{name}\" in the answer")));
        };
        let text = match self.format() {
            Format::Table => go_value(&value).into_bytes(),
            Format::Json => json::pretty(&value, false),
            Format::Yaml => yaml::document(&value),
        };
        let mut out = Buffer::with_capacity(text.len() + 1);
        out.push(text.expose());
        if terminal::stdout_is_terminal() && !text.expose().ends_with(b"\n") {
            out.push(b"\n");
        }
        self.out(out.finish().expose())?;
        Ok(Exit::Success)
    }

    /// A sentence of success, on stdout in the table format only, as Vault's commands print it.
    pub(crate) fn done(&self, sentence: &str) -> Result<Exit, Failure> {
        if self.format() == Format::Table {
            self.out(format!("Success! {}\n", clean(sentence)).as_bytes())?;
        }
        Ok(Exit::Success)
    }

    /// The server's warnings, on stderr.
    pub(crate) fn warn(&self, response: &Response) {
        for warning in &response.warnings {
            self.say(&format!("warning: {warning}"));
        }
    }
}

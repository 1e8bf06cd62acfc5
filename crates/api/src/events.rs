//! The stream of events: that something changed, as it happens.
//!
//! One JSON object a line over a long answer. A line without content is a sign of life. Whatever
//! ends the stream, events may have been missed: the caller subscribes again and then reads once
//! what it holds.

use crate::transport::Body;
use crate::{Client, Error, Request};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The server says something every 15 seconds; after three of them it is gone.
const SILENCE: Duration = Duration::from_secs(50);
/// Longest line; paths have at most 4 KiB, and there are a few of them in one.
const LONGEST: usize = 64 * 1024;
/// The type of the last line.
const END: &str = "cofferdam/end";

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Vault's event type: `kv-v2/data-write`.
    pub event_type: String,
    /// The mount, with a slash at the end.
    pub mount: String,
    /// Path of the data that changed, as the API has it: `secret/data/app`.
    pub data_path: String,
    /// Number of the newest version, where the engine has versions.
    pub version: Option<u64>,
    /// All of it, as the server sent it: foreign text.
    pub json: String,
}

impl Event {
    /// The name people use for what changed: `secret/app`, without `data/` in the middle.
    #[must_use]
    pub fn secret(&self) -> String {
        let below = self.data_path.strip_prefix(&self.mount);
        match below.map(|below| below.strip_prefix("data/").unwrap_or(below)) {
            Some(name) => format!("{}{name}", self.mount),
            None => self.data_path.clone(),
        }
    }
}

/// A line of the stream.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Event(Event),
    /// A sign of life.
    Beat,
    /// The server says why it ends.
    End(String),
}

/// An open stream.
pub struct Events {
    body: Body,
    lines: Lines,
}

impl Client {
    /// Subscribes to the events of a type, a pattern with `*`. When this returns, everything that
    /// happens from then on is told.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn subscribe(&self, pattern: &str) -> Result<Events, Error> {
        self.subscribe_filtered(pattern, "").await
    }

    /// The same for the events that a filter of Vault's language takes; an empty one takes all.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn subscribe_filtered(&self, pattern: &str, filter: &str) -> Result<Events, Error> {
        let mut request =
            Request::get(format!("sys/events/subscribe/{pattern}")).query("json", "true");
        if !filter.is_empty() {
            request = request.query("filter", filter);
        }
        Ok(Events {
            body: self.open(request).await?,
            lines: Lines::default(),
        })
    }
}

impl Events {
    /// The next event; `None` when the server ended the stream. Not to be dropped half-way.
    ///
    /// # Errors
    /// When the connection broke, or the server is silent for too long.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            while let Some(line) = self.lines.next() {
                match line.map_err(|reason| self.body.protocol(reason))? {
                    Line::Event(event) => return Ok(Some(event)),
                    Line::Beat => {}
                    Line::End(reason) => {
                        tracing::debug!(reason, "the server ends the stream of events");
                        return Ok(None);
                    }
                }
            }
            match self.body.piece(SILENCE).await? {
                Some(piece) => self.lines.add(&piece),
                None => return Ok(None),
            }
        }
    }
}

/// Pieces of any size become lines.
#[derive(Default)]
struct Lines {
    pending: Vec<u8>,
    /// What of `pending` has been given out.
    taken: usize,
}

impl Lines {
    fn add(&mut self, piece: &[u8]) {
        self.pending.drain(..self.taken);
        self.taken = 0;
        self.pending.extend_from_slice(piece);
    }

    /// The next whole line; `None` when more is needed.
    fn next(&mut self) -> Option<Result<Line, &'static str>> {
        let rest = self.pending.get(self.taken..).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
            return (rest.len() > LONGEST).then_some(Err("a line of events has no end"));
        };
        let line = rest.get(..length).unwrap_or_default();
        let parsed = if line.len() > LONGEST {
            Err("a line of events is too long")
        } else {
            parse(line)
        };
        self.taken += length + 1;
        Some(parsed)
    }
}

fn parse(line: &[u8]) -> Result<Line, &'static str> {
    #[derive(Deserialize)]
    struct CloudEvent {
        #[serde(default)]
        r#type: String,
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        event: Option<Inner>,
        #[serde(default)]
        event_type: String,
        plugin_info: Option<Plugin>,
        reason: Option<String>,
    }
    #[derive(Deserialize)]
    struct Inner {
        #[serde(default)]
        metadata: BTreeMap<String, String>,
    }
    #[derive(Deserialize)]
    struct Plugin {
        #[serde(default)]
        mount_path: String,
    }
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(Line::Beat);
    }
    let found: CloudEvent =
        serde_json::from_slice(line).map_err(|_| "a line is not the event it should be")?;
    let data = found.data;
    if found.r#type == END {
        return Ok(Line::End(data.reason.unwrap_or_default()));
    }
    let mut metadata = data.event.map(|event| event.metadata).unwrap_or_default();
    let path = metadata.remove("path");
    Ok(Line::Event(Event {
        event_type: data.event_type,
        mount: data
            .plugin_info
            .map(|plugin| plugin.mount_path)
            .unwrap_or_default(),
        data_path: metadata.remove("data_path").or(path).unwrap_or_default(),
        version: metadata
            .get("current_version")
            .and_then(|number| number.parse().ok()),
        json: String::from_utf8_lossy(line).trim().to_owned(),
    }))
}

/// For the fuzzer: any bytes in any pieces, in bounded memory and without a panic.
#[doc(hidden)]
#[must_use]
pub fn count_lines(pieces: &[&[u8]]) -> usize {
    let (mut lines, mut count) = (Lines::default(), 0);
    for piece in pieces {
        lines.add(piece);
        while let Some(line) = lines.next() {
            count += 1;
            if line.is_err() && lines.pending.len() > LONGEST {
                return count;
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As Vault's documentation shows it.
    const VAULTS: &str = r#"{"id":"a3be9fb1","source":"https://vaultproject.io/","specversion":"1.0","type":"*","data":{"event":{"id":"a3be9fb1","metadata":{"current_version":"7","data_path":"secret/data/foo","modified":"true","oldest_version":"0","operation":"data-write","path":"secret/data/foo"}},"event_type":"kv-v2/data-write","plugin_info":{"mount_class":"secret","mount_accessor":"kv_5dc4d18e","mount_path":"secret/","plugin":"kv"}},"datacontentype":"application/cloudevents","time":"2023-09-12T15:19:49.394915-07:00"}"#;

    fn event() -> Event {
        Event {
            event_type: "kv-v2/data-write".to_owned(),
            mount: "secret/".to_owned(),
            data_path: "secret/data/foo".to_owned(),
            version: Some(7),
            json: VAULTS.to_owned(),
        }
    }

    #[test]
    fn an_event_of_vault_is_read() {
        assert_eq!(parse(VAULTS.as_bytes()), Ok(Line::Event(event())));
        assert_eq!(event().secret(), "secret/foo");
    }

    #[test]
    fn the_secret_is_named_as_people_do_in_any_mount() {
        for (mount, data_path, secret) in [
            ("a/b/", "a/b/data/c/d", "a/b/c/d"),
            ("kv/", "kv/data/data", "kv/data"),
            ("kv/", "other/data/x", "other/data/x"),
            ("", "secret/foo", "secret/foo"),
        ] {
            let event = Event {
                mount: mount.to_owned(),
                data_path: data_path.to_owned(),
                ..Event::default()
            };
            assert_eq!(event.secret(), secret);
        }
    }

    #[test]
    fn beats_ends_and_nonsense_are_told_apart() {
        assert_eq!(parse(b"\r"), Ok(Line::Beat));
        let end = br#"{"specversion":"1.0","type":"cofferdam/end","data":{"reason":"why"}}"#;
        assert_eq!(parse(end), Ok(Line::End("why".to_owned())));
        for nonsense in [&b"x"[..], b"[]", b"{}", br#"{"data":1}"#, b"\xff"] {
            assert!(parse(nonsense).is_err());
        }
    }

    #[test]
    fn a_line_without_end_is_an_error_and_not_memory() {
        let mut lines = Lines::default();
        lines.add(&vec![b'x'; LONGEST + 1]);
        assert!(lines.next().unwrap().is_err());
    }

    proptest! {
        #[test]
        fn where_the_pieces_are_cut_changes_nothing(cuts in prop::collection::vec(0..1200_usize, 0..8)) {
            let text = format!("\n{VAULTS}\n\n{VAULTS}\n");
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for pair in cuts.windows(2) {
                lines.add(&text.as_bytes()[pair[0]..pair[1]]);
                while let Some(line) = lines.next() {
                    seen.push(line.unwrap());
                }
            }
            prop_assert_eq!(
                seen,
                [Line::Beat, Line::Event(event()), Line::Beat, Line::Event(event())]
            );
        }
    }
}

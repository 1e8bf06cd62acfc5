//! From entries to lines: one redactor for each source of a container.

use super::entry::{Decoder, Entry};
use super::file::{Limits, Line, Writer};
use super::turns::Turns;
use crate::docker::known::Known;
use cofferdam_detect::redact::{Masks, Stream};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What a container prints, on its way to the disk.
pub(super) struct Text {
    decoder: Decoder,
    known: Arc<Known>,
    sources: Vec<Source>,
    writer: Writer,
    /// Lines that the disk refused.
    dropped: u64,
}

struct Source {
    name: String,
    masks: Arc<Masks>,
    stream: Stream,
    nanoseconds: i64,
    out: Vec<u8>,
}

impl Text {
    pub(super) fn open(directory: &Path, limits: Limits, known: Arc<Known>) -> io::Result<Self> {
        Ok(Self {
            decoder: Decoder::default(),
            known,
            sources: Vec::new(),
            writer: Writer::open(directory, limits)?,
            dropped: 0,
        })
    }

    /// Its files, for those who read along.
    pub(super) fn turns(&self) -> Arc<Turns> {
        self.writer.turns()
    }

    /// Takes what came through the FIFO.
    pub(super) fn take(&mut self, piece: &[u8]) {
        self.decoder.push(piece);
        while let Some(entry) = self.decoder.next() {
            self.entry(entry);
        }
        let lost = self.decoder.take_lost();
        if lost > 0 {
            tracing::warn!(bytes = lost, "a part of an entry of a log was lost");
        }
    }

    fn entry(&mut self, mut entry: Entry) {
        let at = self.source(&entry.source);
        let masks = self.known.masks();
        if let Some(source) = self.sources.get_mut(at) {
            source.nanoseconds = entry.nanoseconds;
            source.follow(masks);
            if !entry.partial {
                entry.line.push(b'\n');
            }
            let out = &mut source.out;
            source
                .stream
                .push(&entry.line, &mut |part| out.extend_from_slice(part));
        }
        zeroize::Zeroize::zeroize(&mut entry.line);
        self.write(at);
    }

    fn source(&mut self, name: &str) -> usize {
        if let Some(at) = self.sources.iter().position(|source| source.name == name) {
            return at;
        }
        let masks = self.known.masks();
        self.sources.push(Source {
            name: name.to_owned(),
            stream: masks.stream(),
            masks,
            nanoseconds: 0,
            out: Vec::new(),
        });
        self.sources.len() - 1
    }

    /// The container has ended: what may have become a value has not.
    pub(super) fn finish(&mut self) {
        for at in 0..self.sources.len() {
            if let Some(source) = self.sources.get_mut(at) {
                let out = &mut source.out;
                source
                    .stream
                    .finish(&mut |part| out.extend_from_slice(part));
            }
            self.write(at);
        }
    }

    /// Writes what has left the redactor. A part of a line is a line of the file without an end, as in
    /// `json-file`: nothing is kept waiting for the rest.
    fn write(&mut self, at: usize) {
        let Some(source) = self.sources.get_mut(at) else {
            return;
        };
        for part in source.out.split_inclusive(|&byte| byte == b'\n') {
            let line = Line::new(&source.name, source.nanoseconds, part);
            match self.writer.write(&line) {
                Ok(()) if self.dropped > 0 => {
                    tracing::warn!(
                        lines = self.dropped,
                        "the disk takes a log again; lines are missing"
                    );
                    self.dropped = 0;
                }
                Ok(()) => {}
                Err(error) => {
                    if self.dropped == 0 {
                        tracing::error!(%error, "the disk refuses lines of a log");
                    }
                    self.dropped += 1;
                }
            }
        }
        source.out.clear();
    }
}

impl Source {
    /// Masks what has become known since.
    fn follow(&mut self, masks: Arc<Masks>) {
        if !Arc::ptr_eq(&self.masks, &masks) {
            self.stream.renew(Arc::clone(&masks));
            self.masks = masks;
        }
    }
}

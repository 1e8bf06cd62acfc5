//! Masks secrets in the logs of a Rust program that uses `tracing`, before they leave the process.
//!
//! ```
//! use cofferdam_redact_tracing::Redactor;
//!
//! let redactor = Redactor::new();
//! redactor.register("db/password", b"swordfish-77!")?;
//! tracing_subscriber::fmt()
//!     .with_writer(redactor.writer(std::io::stderr))
//!     .init();
//! # Ok::<(), cofferdam_redact_tracing::Refused>(())
//! ```
//!
//! It stands behind the formatter and in front of the writer, so it sees what is written and nothing
//! else has to be changed: messages, fields, errors, spans, as text, with colours or as JSON. Two rules:
//!
//! * a registered value, in any form that [`cofferdam_detect::forms`] knows, becomes its name;
//! * the value of a field with a telling name (`password`, `api_key`, …, see
//!   [`cofferdam_detect::redact::keys`]) becomes the field's name, registered or not.
//!
//! One event is one text: nothing is held back when it has been written. A value may be registered at
//! any time, and counts from the next event on. It stays registered as long as the [`Redactor`] lives.

use cofferdam_detect::redact::keys::KeyStream;
use cofferdam_detect::redact::{Masks, Style};
use cofferdam_detect::{Label, Needles, Weakness};
use cofferdam_secret::Secret;
use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};
use tracing_subscriber::fmt::MakeWriter;

/// The values of this process. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Redactor {
    masks: Arc<RwLock<Arc<Masks>>>,
    style: Style,
    keys: bool,
}

/// Why a value is not masked. It names the secret and not the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It would be masked everywhere, and disclosed by the holes.
    #[error("{name} cannot be masked in logs: {why}")]
    Weak {
        /// The name it was to be registered under.
        name: String,
        /// What is wrong with the value.
        why: Weakness,
    },
    /// There are too many.
    #[error("too many values to mask in logs")]
    Full,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new()
    }
}

impl Redactor {
    /// One that knows no value yet, and masks by the names of fields.
    #[must_use]
    pub fn new() -> Self {
        Self::with_style(Style::default())
    }

    /// One that writes something else than `‹secret:NAME›`.
    #[must_use]
    pub fn with_style(style: Style) -> Self {
        let masks = Masks::new(Needles::for_redaction(), &style);
        Self {
            masks: Arc::new(RwLock::new(Arc::new(masks))),
            style,
            keys: true,
        }
    }

    /// Leaves fields alone whatever they are called: only registered values are masked.
    #[must_use]
    pub fn without_keys(mut self) -> Self {
        self.keys = false;
        self
    }

    /// Masks this value from now on. The bytes are copied, and wiped with the last clone of this.
    ///
    /// # Errors
    /// [`Refused`] for a value that is too weak: it is written as it is.
    pub fn register(&self, name: &str, value: &[u8]) -> Result<(), Refused> {
        let value = Secret::new(value.to_vec());
        let mut needles = Needles::for_redaction();
        let added = needles.add(Label::new(name, None, "value"), &value);
        let id = added.map_err(|_| Refused::Full)?;
        let weakness = needles
            .entries()
            .get(id.index())
            .and_then(|entry| entry.weakness);
        if let Some(why) = weakness {
            return Err(Refused::Weak {
                name: name.to_owned(),
                why,
            });
        }
        let mut masks = self.masks.write().unwrap_or_else(PoisonError::into_inner);
        needles.keep(masks.needles()).map_err(|_| Refused::Full)?;
        *masks = Arc::new(Masks::new(needles, &self.style));
        Ok(())
    }

    /// Stands in front of `writer`.
    #[must_use]
    pub fn writer<M>(&self, writer: M) -> Writer<M> {
        Writer {
            redactor: self.clone(),
            writer,
        }
    }

    fn redact(&self, text: &[u8]) -> Vec<u8> {
        let masks = Arc::clone(&self.masks.read().unwrap_or_else(PoisonError::into_inner));
        let out = masks.redact(text);
        if !self.keys {
            return out;
        }
        let mut named = Vec::with_capacity(out.len());
        let mut keys = KeyStream::new(self.style.clone());
        keys.push(&out, &mut named);
        keys.finish(&mut named);
        named
    }
}

/// Makes writers that mask; give it to `with_writer`.
#[derive(Clone, Debug)]
pub struct Writer<M> {
    redactor: Redactor,
    writer: M,
}

impl<'w, M: MakeWriter<'w>> MakeWriter<'w> for Writer<M> {
    type Writer = Event<M::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Event::new(&self.redactor, self.writer.make_writer())
    }

    fn make_writer_for(&'w self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        Event::new(&self.redactor, self.writer.make_writer_for(meta))
    }
}

/// One event on its way. It is written when this is dropped, whole: in how many pieces the formatter
/// writes it does not matter.
#[derive(Debug)]
pub struct Event<W: Write> {
    redactor: Redactor,
    text: Vec<u8>,
    to: W,
}

impl<W: Write> Event<W> {
    fn new(redactor: &Redactor, to: W) -> Self {
        Self {
            redactor: redactor.clone(),
            text: Vec::new(),
            to,
        }
    }
}

impl<W: Write> Write for Event<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(text);
        Ok(text.len())
    }

    /// Nothing leaves before the event is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for Event<W> {
    fn drop(&mut self) {
        let out = self.redactor.redact(&self.text);
        zeroize::Zeroize::zeroize(&mut self.text);
        // A log that cannot be written is no reason to end, and there is nobody to tell.
        let _ = self.to.write_all(&out).and_then(|()| self.to.flush());
    }
}

#[cfg(test)]
mod tests;

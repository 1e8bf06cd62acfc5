//! What of a Dockerfile is not to be shown: every place of every value, moved or not.

use super::Work;
use super::parse::Token;
use cofferdam_secret::Secret;

/// Shorter ones would hide half of a file; where they are declared they are hidden all the same.
const SHORTEST: usize = 4;

impl Work<'_> {
    /// Notes a value that stands in the text, before anything is decided about it.
    pub(super) fn see(&mut self, name: &str, value: &str) {
        self.seen
            .push((name.to_owned(), Secret::new(value.to_owned())));
    }

    /// Hides what an `ARG` has as its default.
    pub(super) fn hide(&mut self, token: &Token, name: &str) {
        let written = self.text.get(token.span.clone()).unwrap_or_default();
        if let Some(equals) = written.find('=') {
            self.fixed.masks.push((
                token.span.start + equals + 1..token.span.end,
                name.to_owned(),
            ));
        }
    }

    /// Adds what the rules see, and all places of all values.
    pub(super) fn mask(&mut self) {
        let spots = self.scanner.spots(self.text).into_iter();
        let mut masks: Vec<_> = spots
            .map(|spot| (spot.secret, "secret".to_owned()))
            .collect();
        let seen = self.seen.iter().map(|(name, value)| (name, value));
        let values = self.fixed.secrets.iter().chain(&self.given.arguments);
        for (name, value) in values.chain(seen) {
            // The old form of ENV has its quotes in the value.
            let value = value.expose();
            for value in [value.as_str(), value.trim_matches(['"', '\''])] {
                if value.len() >= SHORTEST {
                    let all = self.text.match_indices(value);
                    masks.extend(all.map(|(at, it)| (at..at + it.len(), name.clone())));
                }
            }
        }
        self.fixed.masks.extend(masks);
    }
}

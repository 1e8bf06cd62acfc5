//! What is happening: one moving line on a terminal, a line a step elsewhere.

use super::super::{Context, terminal};
use cofferdam_platform::docker::swarm::Event;
use std::time::Duration;

/// Where events go.
pub(super) struct Progress<'c> {
    context: &'c Context,
    bar: Option<indicatif::ProgressBar>,
}

impl<'c> Progress<'c> {
    pub(super) fn new(context: &'c Context) -> Self {
        let bar = terminal::stderr_is_terminal().then(|| {
            let bar = indicatif::ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { context, bar }
    }

    pub(super) fn show(&self, event: Event) {
        match (event, &self.bar) {
            (Event::Did(text), None) => self.context.say(&text),
            (Event::Did(text), Some(bar)) => bar.suspend(|| self.context.say(&text)),
            (
                Event::Tasks {
                    service,
                    there,
                    wanted,
                },
                Some(bar),
            ) => bar.set_message(terminal::clean(&format!("{service}: {there} of {wanted}"))),
            (Event::Tasks { .. }, None) => {}
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

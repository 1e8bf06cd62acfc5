//! What is being done, on a terminal, while it takes long.

use crate::cli::terminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A line that moves, and the count that it shows.
pub(in crate::cli) struct Progress {
    bar: Option<indicatif::ProgressBar>,
    count: Arc<AtomicU64>,
}

impl Progress {
    pub(in crate::cli) fn new() -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let bar = terminal::stderr_is_terminal().then(|| {
            let bar = indicatif::ProgressBar::new_spinner();
            let shown = Arc::clone(&count);
            let style = indicatif::ProgressStyle::default_spinner().with_key(
                "looked",
                move |_: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                    let count = shown.load(Ordering::Relaxed);
                    if count > 0 {
                        let _ = write!(out, "{count} looked at");
                    }
                },
            );
            if let Ok(style) = style.template("{spinner} {looked}{msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, count }
    }

    pub(in crate::cli) fn count(&self) -> &AtomicU64 {
        &self.count
    }

    pub(in crate::cli) fn show(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(cofferdam_detect::source::clean(what));
        }
    }

    pub(in crate::cli) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

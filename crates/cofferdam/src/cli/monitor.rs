//! `cofferdam monitor`: the server's own log, as it is written.

use super::signals::told_to_end;
use super::terminal::clean;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use std::pin::pin;

/// Prints the server's log.
#[derive(Args)]
pub(crate) struct Monitor {
    /// How much to hear, whatever the server's own level is
    #[arg(long, value_name = "LEVEL", default_value = "info", ignore_case = true, value_parser = ["trace", "debug", "info", "warn", "error"])]
    log_level: String,
    /// standard or json
    #[arg(long, value_name = "FORMAT", default_value = "standard", ignore_case = true, value_parser = ["standard", "json"])]
    log_format: String,
}

impl Verb for Monitor {
    const NAME: &'static str = "monitor";
    const ABOUT: &'static str = "print the server's log as it is written, until interrupted";
    const EXAMPLE: &'static str = "cofferdam monitor -log-level=debug";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (level, format) = (
            self.log_level.to_lowercase(),
            self.log_format.to_lowercase(),
        );
        let link = context.link()?;
        let opened = link.client().monitor(&level, &format).await;
        // As OpenBao's: 1 where it does not begin.
        let mut log = opened.map_err(|error| link.failure(error).with_exit(Exit::Local))?;
        let mut told = pin!(told_to_end()?);
        loop {
            let line = tokio::select! {
                line = log.next() => line.map_err(|error| link.failure(error))?,
                () = &mut told => return Ok(Exit::Success),
            };
            // The last line says why it is the last.
            let Some(line) = line else {
                return Ok(Exit::Success);
            };
            context.out(format!("{}\n", clean(&line)).as_bytes())?;
        }
    }
}

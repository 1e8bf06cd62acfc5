//! `cofferdam events subscribe`: what changes, as it happens.

use super::terminal::clean;
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};

/// Shows events of the server.
#[derive(Args)]
pub(crate) struct Events {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// print events as they happen, one JSON object a line, until interrupted
    Subscribe {
        /// Narrows what is told, for example: data_path contains "/shop"
        #[arg(long, value_name = "EXPRESSION", default_value = "")]
        filter: String,
        /// Event type, or a pattern with *
        #[arg(value_name = "TYPE")]
        event_type: String,
    },
}

impl Verb for Events {
    const NAME: &'static str = "events";
    const ABOUT: &'static str = "show what changes, as it happens";
    const EXAMPLE: &'static str = "cofferdam events subscribe kv-v2/data-write\n\
         cofferdam events subscribe -filter='data_path contains \"/shop\"' 'kv*'";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Action::Subscribe { filter, event_type } = self.action;
        let link = context.link()?;
        let subscribed = link.client().subscribe_filtered(&event_type, &filter).await;
        let mut events = subscribed.map_err(|error| link.failure(error))?;
        while let Some(event) = events.next().await.map_err(|error| link.failure(error))? {
            context.out(format!("{}\n", clean(&event.json)).as_bytes())?;
        }
        Err(
            Failure::server("the server ended the stream; events may have been missed").hint(
                format!("subscribe again with: cofferdam events subscribe '{event_type}'"),
            ),
        )
    }
}

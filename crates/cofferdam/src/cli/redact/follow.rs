//! Follows the store while the filter runs: a new version is masked when the server tells of it, and
//! the old ones stay masked.

use super::super::Context;
use super::super::report::values;
use cofferdam_agent::output::Current;
use cofferdam_api::{Client, Error, Events};
use cofferdam_detect::Needles;
use cofferdam_detect::redact::{Masks, Style};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// The events of all KV engines.
const PATTERN: &str = "kv*";
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// Opens the stream of events.
pub(super) async fn subscribe(client: &Client) -> Result<Events, Error> {
    client.subscribe(PATTERN).await
}

pub(super) struct Follower<'f> {
    pub(super) context: &'f Context,
    pub(super) client: Client,
    pub(super) prefixes: &'f [String],
    pub(super) current: Arc<Current>,
    pub(super) style: Style,
}

impl Follower<'_> {
    /// Until dropped.
    pub(super) async fn follow(&self, mut events: Result<Events, Error>) -> Infallible {
        let mut warned = false;
        loop {
            match events {
                Ok(events) => {
                    warned = false;
                    self.serve(events).await;
                }
                Err(error) if !warned => {
                    warned = true;
                    self.context.say(&format!(
                        "new values are not followed while the server tells of none: {error}"
                    ));
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
            events = subscribe(&self.client).await;
            if events.is_ok() {
                // Whatever was told meanwhile is lost.
                self.read(self.prefixes).await;
            }
        }
    }

    async fn serve(&self, mut events: Events) {
        while let Ok(Some(event)) = events.next().await {
            let secret = event.secret();
            let below = |prefix: &String| {
                let prefix = prefix.trim_matches('/');
                let rest = secret.strip_prefix(prefix);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if self.prefixes.is_empty() || self.prefixes.iter().any(below) {
                self.read(std::slice::from_ref(&secret)).await;
            }
        }
    }

    async fn read(&self, prefixes: &[String]) {
        let read = values::collect(&self.client, prefixes, false, Needles::for_redaction()).await;
        let renewed = read.and_then(|mut needles| {
            let kept = needles.keep(self.current.get().needles());
            kept.map_err(|full| super::Failure::local(full.to_string()))?;
            Ok(needles)
        });
        match renewed {
            Ok(needles) => self.current.replace(Masks::new(needles, &self.style)),
            Err(failure) => self.context.say(&format!(
                "a new value may not be masked: {}",
                failure.sentence()
            )),
        }
    }
}

//! `cofferdam redact`: a filter that puts a secret's name where its value stood.
//!
//! Values come from the store, with the caller's rights and audit records, and follow it while the
//! filter runs; or from files, without a server. When they cannot be had nothing passes: a filter that
//! lets everything through looks like one that found nothing.

mod files;
mod follow;

use super::report::values;
use super::{Context, Exit, Failure, Verb};
use clap::Args;
use cofferdam_agent::output::{Current, Lane};
use cofferdam_detect::Needles;
use cofferdam_detect::redact::{Masks, Style};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::stdio::{stdin, stdout};
use std::path::PathBuf;
use std::sync::Arc;

/// Puts names where values stood, between stdin and stdout.
#[derive(Args)]
pub(crate) struct Redact {
    /// Only secrets below this path, such as secret/myapp; repeatable
    #[arg(long, value_name = "PREFIX")]
    app: Vec<String>,
    /// Ask no server: values are in this file of NAME=value lines or one JSON object, or are the files
    /// of this directory; repeatable
    #[arg(long, value_name = "PATH", conflicts_with = "app")]
    values_from: Vec<PathBuf>,
    /// Mask values by the names of their keys too, in JSON and logfmt: password, api_key and their
    /// like. Alone it needs no values and asks no server
    #[arg(long)]
    keys: bool,
    /// What stands for a value; {name} in it is the secret's name
    #[arg(long, value_name = "TEXT", conflicts_with = "ascii")]
    text: Option<String>,
    /// Write <secret:NAME> and no character beyond ASCII
    #[arg(long)]
    ascii: bool,
}

impl Verb for Redact {
    const NAME: &'static str = "redact";
    const ABOUT: &'static str = "put names where values stand, in a stream";
    const EXAMPLE: &'static str = "docker logs -f shop 2>&1 | cofferdam redact -app secret/shop\n\
         cofferdam redact -values-from /run/secrets < old.log > new.log\n\
         ./server 2>&1 | cofferdam redact -keys";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let style = style(self.text.as_deref(), self.ascii)?;
        // What we are about to hold is nobody else's.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        let keys = self.keys.then(|| style.clone());
        if self.keys && self.values_from.is_empty() && self.app.is_empty() {
            let current = Current::new(Masks::new(Needles::for_redaction(), &style));
            return carried(carry(current, keys).await);
        }
        if !self.values_from.is_empty() {
            let mut needles = Needles::for_redaction();
            for path in &self.values_from {
                files::read(path, &mut needles)?;
            }
            let current = begin(context, needles, &style)?;
            return carried(carry(current, keys).await);
        }
        let client = context.client()?;
        // First the events, then the values: what changes in between is read again.
        let events = follow::subscribe(&client).await;
        let needles = values::collect(&client, &self.app, false, Needles::for_redaction()).await?;
        let current = begin(context, needles, &style)?;
        let follower = follow::Follower {
            context,
            client,
            prefixes: &self.app,
            current: Arc::clone(&current),
            style,
        };
        tokio::select! {
            end = carry(current, keys) => carried(end),
            never = follower.follow(events) => match never {},
        }
    }
}

/// What `-text` and `-ascii` ask for.
pub(super) fn style(text: Option<&str>, ascii: bool) -> Result<Style, Failure> {
    match text {
        Some(text) => Style::parse(text).map_err(|error| {
            Failure::usage(error.to_string()).hint("for example -text '[{name}]' or -text '***'")
        }),
        None if ascii => Ok(Style::ascii()),
        None => Ok(Style::default()),
    }
}

/// Names what is not masked, and gets ready.
fn begin(context: &Context, needles: Needles, style: &Style) -> Result<Arc<Current>, Failure> {
    if needles.entries().is_empty() {
        return Err(Failure::local("no secrets to mask").hint(
            "see what there is with: cofferdam list secret; or name files with -values-from",
        ));
    }
    let masks = Masks::new(needles, style);
    say_refused(context, &masks);
    Ok(Current::new(masks))
}

/// Values that are too weak are named: masking `test` in a log would disclose it by its holes.
pub(super) fn say_refused(context: &Context, masks: &Masks) {
    for (label, why) in masks.refused() {
        let label = label.to_string();
        let name = label.strip_suffix("#value").unwrap_or(&label);
        context.say(&format!("not masked: {name}: {why}"));
    }
}

async fn carry(current: Arc<Current>, keys: Option<Style>) -> std::io::Result<()> {
    let lane = move || {
        let mut lane = Lane::new(stdin(), stdout(), current);
        if let Some(style) = keys {
            lane = lane.with_keys(style);
        }
        lane.run(None).map(drop)
    };
    let carried = tokio::task::spawn_blocking(lane).await;
    carried.unwrap_or_else(|_| Err(std::io::Error::other("the filter broke down")))
}

fn carried(end: std::io::Result<()>) -> Result<Exit, Failure> {
    // A reader that went away is no error.
    end.map_err(|error| Failure::local(format!("cannot carry stdin to stdout: {error}")))?;
    Ok(Exit::Success)
}

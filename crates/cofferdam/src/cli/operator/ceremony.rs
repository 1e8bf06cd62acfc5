//! What `operator rekey` and `operator generate-root` share: an attempt is begun, looked at and
//! cancelled, and fed with shares, one command a share.

use super::super::output::Format;
use super::super::terminal::prompt_secret;
use super::super::unwrap::given_token;
use super::super::{Context, Exit, Failure};
use cofferdam_api::{Method, Request, Response, Tree};
use cofferdam_secret::Secret;

/// The paths of a ceremony, and what it is called.
pub(super) struct Ceremony {
    /// Begun, looked at and cancelled here.
    pub(super) attempt: &'static str,
    /// Shares go here.
    pub(super) update: &'static str,
    /// Of the command.
    pub(super) command: &'static str,
    /// Asked on a terminal.
    pub(super) question: &'static str,
}

/// The fields people look for, in this order, with their titles.
const ROWS: [(&str, &str); 12] = [
    ("nonce", "Nonce"),
    ("started", "Started"),
    ("progress", "Progress"),
    ("required", "Required Shares"),
    ("n", "New Shares"),
    ("t", "New Threshold"),
    ("complete", "Complete"),
    ("verification_nonce", "Verification Nonce"),
    ("otp", "OTP"),
    ("pgp_fingerprint", "PGP Fingerprint"),
    ("pgp_fingerprints", "PGP Fingerprints"),
    ("backup", "Backup"),
];

impl Ceremony {
    pub(super) async fn begin(&self, context: &Context, body: &Tree) -> Result<Exit, Failure> {
        let answer = self.start(context, body).await?;
        self.begun(context, &answer)
    }

    /// Begins, and returns the answer.
    pub(super) async fn start(&self, context: &Context, body: &Tree) -> Result<Tree, Failure> {
        self.send(context, Request::put(self.attempt, body)).await
    }

    /// Shows what was begun, and says what is next.
    pub(super) fn begun(&self, context: &Context, answer: &Tree) -> Result<Exit, Failure> {
        self.show(context, answer)?;
        context.say(&format!(
            "hint: each holder of a share now runs: cofferdam operator {}",
            self.command
        ));
        Ok(Exit::Success)
    }

    pub(super) async fn status(&self, context: &Context) -> Result<Exit, Failure> {
        let answer = self.send(context, Request::get(self.attempt)).await?;
        self.show(context, &answer)
    }

    pub(super) async fn cancel(&self, context: &Context) -> Result<Exit, Failure> {
        context
            .link()?
            .send(Request::new(Method::Delete, self.attempt))
            .await?;
        context.done(&format!("Canceled {} (if it was started)", self.command))
    }

    /// Gives one share and returns the answer.
    pub(super) async fn give(
        &self,
        context: &Context,
        nonce: Option<&str>,
        word: Option<&str>,
    ) -> Result<Tree, Failure> {
        let nonce = match nonce {
            Some(nonce) => nonce.to_owned(),
            None => self.nonce(context).await?,
        };
        let share = match word {
            Some(word) => given_token(word)?,
            None => prompt_secret(self.question)?,
        };
        if share.is_empty() {
            return Err(Failure::usage("no key share given").hint(format!(
                "cofferdam operator {}, and paste one share",
                self.command
            )));
        }
        let body = Tree::map().with("key", share).with("nonce", nonce);
        self.send(context, Request::put(self.update, &body)).await
    }

    async fn nonce(&self, context: &Context) -> Result<String, Failure> {
        let status = self.send(context, Request::get(self.attempt)).await?;
        let nonce = status.get("nonce").and_then(Tree::as_text);
        let nonce = nonce.filter(|nonce| !nonce.is_empty()).map(str::to_owned);
        nonce.ok_or_else(|| {
            Failure::server(format!("no {} is under way", self.command)).hint(format!(
                "begin one with: cofferdam operator {} -init",
                self.command
            ))
        })
    }

    async fn send(&self, context: &Context, request: Request) -> Result<Tree, Failure> {
        Ok(data(&context.link()?.send(request).await?))
    }

    /// Prints how far it is.
    pub(super) fn show(&self, context: &Context, answer: &Tree) -> Result<Exit, Failure> {
        if context.format() != Format::Table {
            return context.print_json_or_yaml(answer);
        }
        let owners = answer.get("pgp_fingerprints");
        let none = owners.is_none_or(Tree::is_empty);
        let rows = ROWS.iter().filter_map(|(name, title)| {
            let value = super::super::output::shown(answer, name);
            let empty = match *name {
                "n" | "t" => value.expose() == "0",
                "pgp_fingerprints" | "backup" => none,
                _ => false,
            };
            let empty = empty || value.is_empty();
            (!empty).then(|| vec![Secret::new((*title).to_owned()), value])
        });
        let rows: Vec<_> = rows.collect();
        context.print_table(&super::super::output::columns(&rows, false))?;
        Ok(Exit::Success)
    }
}

/// The data of an answer, wherever it is.
fn data(response: &Response) -> Tree {
    response
        .tree()
        .or_else(|| response.body_tree())
        .unwrap_or(Tree::Null)
}

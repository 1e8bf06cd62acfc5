//! `operator generate-root`: a root token for who holds enough shares.

use super::super::terminal;
use super::super::{Context, Exit, Failure};
use super::ceremony::Ceremony;
use super::key_files;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use clap::Args;
use cofferdam_api::Tree;
use cofferdam_secret::Secret;

const CEREMONY: Ceremony = Ceremony {
    attempt: "sys/generate-root-token/attempt",
    update: "sys/generate-root-token/update",
    command: "generate-root",
    question: "Unseal Key",
};

/// Makes a root token with key shares: -init shows a one-time pad, each holder gives a share, and
/// -decode takes the pad off.
#[derive(Args)]
pub(super) struct GenerateRoot {
    /// Begin, and show the one-time pad
    #[arg(long, group = "what")]
    init: bool,
    /// Show how far it is
    #[arg(long, group = "what")]
    status: bool,
    /// End the attempt
    #[arg(long, group = "what")]
    cancel: bool,
    /// The encoded token of the last answer, to be decoded with -otp; - reads stdin
    #[arg(long, group = "what", value_name = "ENCODED")]
    decode: Option<String>,
    /// One-time pad: with -decode the one that -init showed, - asks for it
    #[arg(long, value_name = "PAD")]
    otp: Option<String>,
    /// With -init: file with a public OpenPGP key; the token leaves as a message to its owner
    #[arg(long, value_name = "FILE", requires = "init", conflicts_with = "otp")]
    pgp_key: Option<String>,
    /// Names the attempt, where several share a terminal
    #[arg(long, value_name = "NONCE")]
    nonce: Option<String>,
    /// Key share; without it there is a prompt that does not show it, - reads stdin
    #[arg(value_name = "KEY")]
    key: Option<String>,
}

impl GenerateRoot {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if let Some(encoded) = &self.decode {
            return decode(context, encoded, self.otp.as_deref());
        }
        if self.init {
            let mut body = Tree::map();
            match &self.pgp_key {
                Some(file) => {
                    body.insert("pgp_key", key_files::key(file)?);
                }
                // The pad is shown.
                None => context.may_print_values()?,
            }
            if let Some(otp) = self.otp {
                body.insert("otp", Secret::new(otp));
            }
            return CEREMONY.begin(context, &body).await;
        }
        if self.status {
            return CEREMONY.status(context).await;
        }
        if self.cancel {
            return CEREMONY.cancel(context).await;
        }
        let answer = CEREMONY
            .give(context, self.nonce.as_deref(), self.key.as_deref())
            .await?;
        CEREMONY.show(context, &answer)?;
        let encoded = answer.get("encoded_token").and_then(Tree::as_text);
        if let Some(encoded) = encoded.filter(|encoded| !encoded.is_empty()) {
            context.say(&format!("encoded token: {encoded}"));
            let owner = answer.get("pgp_fingerprint").and_then(Tree::as_text);
            if owner.is_some_and(|owner| !owner.is_empty()) {
                context.say("hint: its owner reads it with: base64 -d | gpg --decrypt");
                return Ok(Exit::Success);
            }
            context.say(&format!(
                "hint: cofferdam operator generate-root -otp=- -decode={encoded}"
            ));
        }
        Ok(Exit::Success)
    }
}

/// Takes the pad off.
fn decode(context: &Context, encoded: &str, otp: Option<&str>) -> Result<Exit, Failure> {
    let otp = match otp {
        Some("-") | None => terminal::prompt_secret("OTP")?,
        Some(otp) => Secret::new(otp.to_owned()),
    };
    let encoded = match encoded {
        "-" => terminal::prompt_secret("Encoded token")?,
        encoded => Secret::new(encoded.to_owned()),
    };
    context.may_print_values()?;
    let bytes = STANDARD_NO_PAD
        .decode(encoded.expose().trim().trim_end_matches('='))
        .map(Secret::new)
        .map_err(|_| Failure::usage("the encoded token is not base64"))?;
    let pad = otp.expose().trim().as_bytes();
    if pad.len() != bytes.len() {
        return Err(
            Failure::usage("the pad and the encoded token are of different lengths")
                .hint("the pad is the OTP that -init showed"),
        );
    }
    let token: Vec<u8> = bytes.expose().iter().zip(pad).map(|(a, b)| a ^ b).collect();
    let token = Secret::new(token).into_text();
    let token = token.ok_or_else(|| Failure::usage("this pad is not the one of this token"))?;
    context.print_field(Some(Tree::Text(token)), "token")
}

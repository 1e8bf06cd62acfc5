//! `sys/generate-root-token` and `sys/generate-root`: a root token for who holds enough shares.
//!
//! The token travels under a one-time pad that only whoever began the attempt was shown, or as a
//! message to an OpenPGP key that was given: neither the answer nor its record shows a token that
//! would work.

use super::super::System;
use super::{Attempt, Given, Operations, Round, Table, load, lock_of, record, store};
use crate::clock::Time;
use crate::engine::Route;
use crate::fault::Fault;
use crate::json::Data;
use crate::operation::Verb;
use crate::outcome::{Outcome, Response};
use crate::request::Call;
use crate::token::{self, NewToken};
use crate::vault::Services;
use crate::vault::recipients::{recipient, sealed_token};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use cofferdam_openpgp::Recipient;
use cofferdam_secret::{Secret, random_base62};
use serde::{Deserialize, Serialize, Serializer};

/// Looking at an attempt, beginning and cancelling one.
pub(in super::super) const ATTEMPT: Operations = &[
    (Verb::Read, |e, c| Box::pin(status(e, c))),
    (Verb::Write, |e, c| Box::pin(begin(e, c))),
    (Verb::Delete, |e, c| Box::pin(cancel(e, c))),
];

/// Giving a share.
pub(in super::super) const UPDATE: Operations = &[(Verb::Write, |e, c| Box::pin(update(e, c)))];

const PLACE: &str = "core/ceremony/generate-root";
const IDLE: &str = "no root generation in progress";

/// How the token leaves: under a one-time pad, or to somebody's key.
#[derive(Deserialize)]
pub(super) struct Purpose {
    otp: Option<Secret<String>>,
    #[serde(default)]
    recipient: Option<Recipient>,
}

impl Serialize for Purpose {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Purpose", 2)?;
        out.serialize_field("otp", &self.otp.as_ref().map(Secret::expose))?;
        out.serialize_field("recipient", &self.recipient)?;
        out.end()
    }
}

impl Purpose {
    /// What was asked for; without anything, a pad of our own.
    fn of(wanted: Wanted, now: Time) -> Result<Self, Fault> {
        let otp = wanted.otp.filter(|otp| !otp.is_empty());
        let (otp, recipient) = match (otp, wanted.pgp_key.as_str()) {
            (Some(_), key) if !key.is_empty() => {
                return Err(Fault::invalid(
                    "otp and pgp_key exclude each other: the token leaves under one of them",
                ));
            }
            (Some(otp), _) if otp.len() != token::LENGTH => {
                return Err(Fault::invalid("OTP string has incorrect length"));
            }
            (Some(otp), _) => (Some(otp), None),
            (None, "") => {
                let otp = random_base62(token::LENGTH).map_err(Fault::internal)?;
                (Some(otp), None)
            }
            (None, key) => (None, Some(recipient(key, "pgp_key", now)?)),
        };
        Ok(Self { otp, recipient })
    }

    /// The token as it leaves.
    fn encoded(&self, token: &Secret<String>) -> Result<Secret<String>, Fault> {
        match (&self.recipient, &self.otp) {
            (Some(recipient), _) => sealed_token(recipient, token),
            (None, Some(otp)) => padded(token, otp),
            (None, None) => Err(Fault::internal("an attempt without a way out")),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::system) struct Wanted {
    otp: Option<Secret<String>>,
    pgp_key: String,
}

/// What is answered, by Vault's names.
struct Status<'a> {
    attempt: Option<&'a Attempt<Purpose>>,
    required: u8,
    otp: Option<&'a Secret<String>>,
    encoded: Option<&'a Secret<String>>,
}

impl Status<'_> {
    fn outcome(&self) -> Outcome {
        let nothing = Secret::new(String::new());
        let round = self.attempt.map(|attempt| &attempt.round);
        let progress = match (round, self.encoded) {
            (_, Some(_)) => self.required.into(),
            (round, None) => round.map_or(0, Round::progress),
        };
        let recipient = self
            .attempt
            .and_then(|attempt| attempt.purpose.recipient.as_ref());
        let fingerprint = recipient.map(Recipient::fingerprint).unwrap_or_default();
        let encoded = self.encoded.unwrap_or(&nothing);
        let data = Data::object()
            .flag("complete", self.encoded.is_some())
            .text("encoded_token", encoded.expose())
            .text("encoded_root_token", encoded.expose())
            .text("nonce", round.map_or("", |round| &round.nonce))
            .text("otp", self.otp.unwrap_or(&nothing).expose())
            .number(
                "otp_length",
                i64::try_from(token::LENGTH).unwrap_or(i64::MAX),
            )
            .text("pgp_fingerprint", &fingerprint)
            .number("progress", i64::try_from(progress).unwrap_or(i64::MAX))
            .number("required", self.required)
            .flag("started", round.is_some());
        Outcome::Data(Response::of(data.finish()))
    }
}

/// Shares that are needed.
///
/// # Errors
/// When nobody holds any.
async fn required(services: &Services) -> Result<u8, Fault> {
    let config = record(services).await?.config;
    if config.shares == 0 {
        return Err(Fault::invalid(
            "this seal has no shares that anybody could give; make tokens as the local admin: cofferdam token create",
        ));
    }
    Ok(config.threshold)
}

async fn status(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let required = required(&services).await?;
    let found = load::<Purpose>(services.barrier(), PLACE, call.now).await?;
    Ok(Status {
        attempt: found.as_ref().map(|found| &found.attempt),
        required,
        otp: None,
        encoded: None,
    }
    .outcome())
}

async fn begin(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let own = wanted.otp.as_ref().is_none_or(|otp| otp.is_empty());
    let purpose = Purpose::of(wanted, call.now)?;
    let services = engine.services()?;
    let required = required(&services).await?;
    let busy = || Fault::invalid("root generation already in progress");
    if load::<Purpose>(services.barrier(), PLACE, call.now)
        .await?
        .is_some()
    {
        return Err(busy());
    }
    let attempt = Attempt {
        started: call.now,
        round: Round::fresh(),
        purpose,
    };
    if !store(services.barrier(), PLACE, None, Some(&attempt)).await? {
        return Err(busy());
    }
    Ok(Status {
        attempt: Some(&attempt),
        required,
        otp: attempt.purpose.otp.as_ref().filter(|_| own),
        encoded: None,
    }
    .outcome())
}

async fn cancel(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    super::cancel::<Purpose>(&*engine.services()?, PLACE, call.now).await
}

async fn update(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let services = engine.services()?;
    let required = required(&services).await?;
    let table: Table<'_, Purpose> = Table {
        services: &services,
        place: PLACE,
        idle: IDLE,
        config: |_, record| Some(record.config.clone()),
        lock: |_, record| Some(lock_of(record)),
        round: |attempt| Some(&mut attempt.round),
    };
    let attempt = match table.give(call.body, call.now).await? {
        Given::More(attempt) => {
            return Ok(Status {
                attempt: Some(&attempt),
                required,
                otp: None,
                encoded: None,
            }
            .outcome());
        }
        Given::Complete { attempt, .. } => attempt,
    };
    let issued = services.tokens.create(
        call.now,
        NewToken {
            policies: vec!["root".to_owned()],
            display_name: "root".to_owned(),
            path: "auth/token/root".to_owned(),
            mount: "auth/token".to_owned(),
            ..NewToken::default()
        },
    );
    let token = issued.await?.token;
    let token = token.ok_or_else(|| Fault::internal("a new token has no text"))?;
    tracing::warn!("a root token was made with key shares");
    let encoded = attempt.purpose.encoded(&token)?;
    Ok(Status {
        attempt: Some(&attempt),
        required,
        otp: None,
        encoded: Some(&encoded),
    }
    .outcome())
}

/// The token under the pad, as Vault's client takes it off again.
fn padded(token: &Secret<String>, otp: &Secret<String>) -> Result<Secret<String>, Fault> {
    let (token, otp) = (token.expose().as_bytes(), otp.expose().as_bytes());
    if token.len() != otp.len() {
        return Err(Fault::internal("a token of another length than its pad"));
    }
    let bytes: Vec<u8> = token.iter().zip(otp).map(|(a, b)| a ^ b).collect();
    Ok(Secret::new(
        STANDARD_NO_PAD.encode(Secret::new(bytes).expose()),
    ))
}

pub(in crate::system) const DECODE: Route<System> = Route::new(
    "decode-token",
    &[(Verb::Write, |_, call| Box::pin(decode(call)))],
)
.takes::<Padded>()
.computing();

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Padded {
    encoded_token: Option<Secret<String>>,
    otp: Option<Secret<String>>,
}

/// Takes the pad off again, for clients that leave it to the server.
async fn decode(call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Padded = call.body.parse()?;
    let given = |text: Option<Secret<String>>| text.filter(|text| !text.is_empty());
    let (Some(encoded), Some(otp)) = (given(wanted.encoded_token), given(wanted.otp)) else {
        return Err(Fault::invalid("provided 'encoded_token' or 'otp' is empty"));
    };
    let bytes = STANDARD_NO_PAD
        .decode(encoded.expose())
        .map(Secret::new)
        .map_err(|_| Fault::invalid("error decoding base64'd token: illegal base64 data"))?;
    if bytes.expose().len() != otp.expose().len() {
        return Err(Fault::invalid(
            "error xoring token: it and the otp are not of one length",
        ));
    }
    let pairs = bytes.expose().iter().zip(otp.expose().as_bytes());
    let token = String::from_utf8(pairs.map(|(a, b)| a ^ b).collect())
        .map(Secret::new)
        .map_err(|_| Fault::invalid("what is under the otp is not text"))?;
    let data = Data::object().text("token", token.expose()).finish();
    Ok(Outcome::Data(Response::of(data)))
}

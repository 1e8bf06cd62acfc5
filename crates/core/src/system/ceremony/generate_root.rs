//! `sys/generate-root-token` and `sys/generate-root`: a root token for who holds enough shares.
//!
//! The token travels under a one-time pad that only whoever began the attempt was shown: neither
//! the answer nor its record shows a token that would work.

use super::super::System;
use super::{Attempt, Given, Operations, Round, Table, load, lock_of, record, store};
use crate::engine::Route;
use crate::fault::Fault;
use crate::json::Data;
use crate::operation::Verb;
use crate::outcome::{Outcome, Response};
use crate::request::Call;
use crate::token::{self, NewToken};
use crate::vault::Services;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
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

/// The one-time pad.
#[derive(Deserialize)]
pub(super) struct Purpose {
    otp: Secret<String>,
}

impl Serialize for Purpose {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Purpose", 1)?;
        out.serialize_field("otp", self.otp.expose())?;
        out.end()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    otp: Option<Secret<String>>,
    pgp_key: String,
}

/// What is answered, by Vault's names.
struct Status<'a> {
    round: Option<&'a Round>,
    required: u8,
    otp: Option<&'a Secret<String>>,
    encoded: Option<&'a Secret<String>>,
}

impl Status<'_> {
    fn outcome(&self) -> Outcome {
        let nothing = Secret::new(String::new());
        let progress = match (self.round, self.encoded) {
            (_, Some(_)) => self.required.into(),
            (round, None) => round.map_or(0, Round::progress),
        };
        let encoded = self.encoded.unwrap_or(&nothing);
        let data = Data::object()
            .flag("complete", self.encoded.is_some())
            .text("encoded_token", encoded.expose())
            .text("encoded_root_token", encoded.expose())
            .text("nonce", self.round.map_or("", |round| &round.nonce))
            .text("otp", self.otp.unwrap_or(&nothing).expose())
            .number(
                "otp_length",
                i64::try_from(token::LENGTH).unwrap_or(i64::MAX),
            )
            .text("pgp_fingerprint", "")
            .number("progress", i64::try_from(progress).unwrap_or(i64::MAX))
            .number("required", self.required)
            .flag("started", self.round.is_some());
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
    let round = found.as_ref().map(|found| &found.attempt.round);
    Ok(Status {
        round,
        required,
        otp: None,
        encoded: None,
    }
    .outcome())
}

async fn begin(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    if !wanted.pgp_key.is_empty() {
        return Err(Fault::unsupported(
            "pgp_key is not served yet; leave it out and use the otp of the answer",
        ));
    }
    let given = wanted.otp.filter(|otp| !otp.is_empty());
    let own = given.is_none();
    let otp = match given {
        Some(otp) if otp.len() != token::LENGTH => {
            return Err(Fault::invalid("OTP string has incorrect length"));
        }
        Some(otp) => otp,
        None => random_base62(token::LENGTH).map_err(Fault::internal)?,
    };
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
        purpose: Purpose { otp },
    };
    if !store(services.barrier(), PLACE, None, Some(&attempt)).await? {
        return Err(busy());
    }
    Ok(Status {
        round: Some(&attempt.round),
        required,
        otp: own.then_some(&attempt.purpose.otp),
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
                round: Some(&attempt.round),
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
    let encoded = padded(&token, &attempt.purpose.otp)?;
    Ok(Status {
        round: Some(&attempt.round),
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
.computing();

/// Takes the pad off again, for clients that leave it to the server.
async fn decode(call: Call<'_>) -> Result<Outcome, Fault> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Padded {
        encoded_token: Option<Secret<String>>,
        otp: Option<Secret<String>>,
    }
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

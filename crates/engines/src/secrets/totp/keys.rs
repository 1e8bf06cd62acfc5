//! `keys/NAME`: keys made here, and keys of other services.

use super::record::{Algorithm, KEYS, Key, name};
use super::url::{self, Parameters};
use super::{Totp, picture};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::Data;
use cofferdam_core::json::field::{Count, Flag, Text, Ttl};
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};

pub(super) const LIST: Route<Totp> =
    Route::new("keys", &[(Verb::List, list)]).asks(&["after", "limit"]);
pub(super) const ONE: Route<Totp> = Route::new(
    "keys/:name",
    &[
        (Verb::Read, read),
        (Verb::Write, create),
        (Verb::Delete, delete),
    ],
)
.takes::<Body>();

/// Most bytes of a generated key: the block of SHA-512, behind which HMAC hashes the key itself.
const MOST_BYTES: u64 = 128;
/// Most points of a picture's side.
const MOST_POINTS: u64 = 2048;

fn list<'a>(_: &'a Totp, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { crate::secrets::transit::keys::listed(&call, KEYS).await })
}

#[derive(Serialize)]
struct Shown<'a> {
    account_name: &'a str,
    algorithm: &'static str,
    digits: u32,
    issuer: &'a str,
    period: u64,
}

fn read<'a>(_: &'a Totp, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = Key::load(call.view, name(call.capture("name"))?).await?;
        let key = key.ok_or_else(Fault::missing)?;
        Outcome::data(&Shown {
            account_name: &key.account_name,
            algorithm: key.algorithm.name(),
            digits: key.digits,
            issuer: &key.issuer,
            period: key.period,
        })
    })
}

fn delete<'a>(_: &'a Totp, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let place = format!("{KEYS}{}", name(call.capture("name"))?);
        let _unconditional = call.view.commit(call.view.batch().delete(place)).await?;
        Ok(Outcome::Done)
    })
}

#[derive(Deserialize)]
#[serde(default)]
struct Body {
    generate: Flag,
    exported: Flag,
    key_size: Count,
    key: Text,
    issuer: String,
    account_name: String,
    period: Ttl,
    algorithm: String,
    digits: Count,
    skew: Count,
    qr_size: Count,
    url: Text,
}

impl Default for Body {
    fn default() -> Self {
        Self {
            generate: Flag(false),
            exported: Flag(true),
            key_size: Count(20),
            key: Text::default(),
            issuer: String::new(),
            account_name: String::new(),
            period: Ttl(std::time::Duration::from_secs(30)),
            algorithm: "SHA1".to_owned(),
            digits: Count(6),
            skew: Count(1),
            qr_size: Count(200),
            url: Text::default(),
        }
    }
}

impl Body {
    /// What the URL says instead of the fields; returns its secret.
    fn take_url(&mut self) -> Result<(), Fault> {
        let found = Parameters::parse(self.url.0.expose()).map_err(|bad| Fault::invalid(bad.0))?;
        if let Some(issuer) = found.issuer {
            self.issuer = issuer;
        }
        self.account_name = found.account_name;
        self.key = found.secret.map_or_else(Text::default, Text);
        if let Some(period) = found.period {
            self.period = Ttl(std::time::Duration::from_secs(period));
        }
        if let Some(digits) = found.digits {
            self.digits = Count(digits);
        }
        if let Some(algorithm) = found.algorithm {
            self.algorithm = algorithm;
        }
        Ok(())
    }

    /// The key that is asked for.
    fn key(&self) -> Result<Key, Fault> {
        let refuse = |why: &'static str| Fault::invalid(why);
        let digits = match self.digits.0 {
            6 => 6,
            8 => 8,
            _ => return Err(refuse("the digits value can only be 6 or 8")),
        };
        let algorithm = Algorithm::parse(&self.algorithm)
            .ok_or_else(|| refuse("the algorithm value is not valid"))?;
        let period = self.period.seconds();
        if period == 0 {
            return Err(refuse("the period value must be greater than zero"));
        }
        if self.skew.0 > 1 {
            return Err(refuse("the skew value must be 0 or 1"));
        }
        if self.qr_size.0 > MOST_POINTS {
            return Err(refuse("the qr_size value is at most 2048"));
        }
        if self.key_size.0 == 0 {
            return Err(refuse("the key_size value must be greater than zero"));
        }
        if self.key_size.0 > MOST_BYTES {
            return Err(refuse("the key_size value is at most 128"));
        }
        Ok(Key {
            secret: self.secret()?,
            issuer: self.issuer.clone(),
            account_name: self.account_name.clone(),
            period,
            algorithm,
            digits,
            skew: self.skew.0,
        })
    }

    fn secret(&self) -> Result<Secret<Vec<u8>>, Fault> {
        if !self.generate.0 {
            if self.key.is_empty() {
                return Err(Fault::invalid("the key value is required"));
            }
            return url::unbase32(self.key.0.expose())
                .filter(|secret| !secret.is_empty())
                .ok_or_else(|| Fault::invalid("invalid key value: not base32"));
        }
        if self.account_name.is_empty() {
            return Err(Fault::invalid(
                "the account_name value is required for generated keys",
            ));
        }
        if self.issuer.is_empty() {
            return Err(Fault::invalid(
                "the issuer value is required for generated keys",
            ));
        }
        let length = usize::try_from(self.key_size.0).map_err(Fault::internal)?;
        let mut secret = Secret::new(vec![0; length]);
        cofferdam_secret::fill(secret.expose_mut()).map_err(Fault::internal)?;
        Ok(secret)
    }
}

fn create<'a>(_: &'a Totp, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let place = format!("{KEYS}{}", name(call.capture("name"))?);
        let mut body: Body = call.body.parse()?;
        if body.generate.0 && !body.key.is_empty() {
            return Err(Fault::invalid(
                "a key should not be passed if generate is true",
            ));
        }
        if body.generate.0 && !body.url.is_empty() {
            return Err(Fault::invalid(
                "a url should not be passed if generate is true",
            ));
        }
        if !body.url.is_empty() {
            body.take_url()?;
        }
        let key = body.key()?;
        let shown = match body.generate.0 && body.exported.0 {
            true => Some(shown(&key, body.qr_size)?),
            false => None,
        };
        let batch = call.view.batch().put(place, key.encode()?);
        let _unconditional = call.view.commit(batch).await?;
        Ok(shown.map_or(Outcome::Done, |data| Outcome::Data(Response::of(data))))
    })
}

/// The key once, for the person's phone.
fn shown(key: &Key, qr_size: Count) -> Result<Data, Fault> {
    let url = url::written(key, &url::base32(key.secret.expose()));
    let mut data = Data::object();
    if qr_size.0 > 0 {
        let size = usize::try_from(qr_size.0).map_err(Fault::internal)?;
        let picture = picture::png(url.expose(), size)?;
        let picture = Secret::new(STANDARD.encode(picture.expose()));
        data = data.text("barcode", picture.expose());
    }
    let url = url
        .into_text()
        .ok_or_else(|| Fault::internal("a url of ours is not text"))?;
    Ok(data.text("url", url.expose()).finish())
}

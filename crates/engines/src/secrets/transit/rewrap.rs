//! `rewrap/NAME`: a ciphertext under a newer version, without showing what is in it; and
//! `datakey/KIND/NAME`: a fresh key encrypted under this one.

use super::batch::{self, Item};
use super::crypt::{Extra, check_associated};
use super::encrypt::{check_ciphertext, made, opened, requested};
use super::fields::{Int, Sent, text};
use super::{Transit, encoding, store};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::{Data, OwnedRaw};
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use cofferdam_secret::Secret;
use serde::Deserialize;

pub(super) const REWRAP: Route<Transit> = Route::new("rewrap/:name", &[(Verb::Write, rewrap)])
    .takes::<Body>()
    .takes::<Item>()
    .computing();
pub(super) const DATAKEY: Route<Transit> =
    Route::new("datakey/:form/:name", &[(Verb::Write, datakey)])
        .takes::<Wanted>()
        .captures(&[("form", "plaintext")])
        .computing();

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    batch_input: Option<OwnedRaw>,
}

fn rewrap<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let body: Body = call.body.parse()?;
        let mut items = requested(&call, body.batch_input.as_ref())?;
        if body.batch_input.is_none() {
            check_ciphertext(&items)?;
        }
        batch::check_contexts(&items)?;
        // Vault's rewrap knows no associated data: what was sealed with some does not open.
        for item in &mut items {
            item.associated_data = None;
        }
        let key = transit.current(&call, name).await?;
        let key = key.ok_or_else(|| Fault::invalid("encryption key not found"))?;
        let results = batch::each(&items, |item| {
            let plain = opened(&key, item)?;
            let context = batch::context(item)?;
            let extra = Extra {
                context: context.as_ref().map_or(&[], |context| context.expose()),
                aad: &[],
            };
            let (ciphertext, version) = key.encrypt(item.key_version.0, extra, plain.expose())?;
            Ok(made(&ciphertext, version))
        })
        .await;
        if body.batch_input.is_none() {
            return batch::only(results);
        }
        // As in Vault, a rewrap says 200 whatever became of each.
        batch::answer_always(&items, results)
    })
}

#[derive(Deserialize)]
#[serde(default)]
struct Wanted {
    bits: Int,
    context: Sent,
    key_version: Int,
    associated_data: Sent,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            bits: Int(256),
            context: None,
            key_version: Int(0),
            associated_data: None,
        }
    }
}

fn datakey<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let shown = match call.capture("form") {
            "plaintext" => true,
            "wrapped" => false,
            _ => {
                return Err(Fault::invalid(
                    "Invalid path, must be 'plaintext' or 'wrapped'",
                ));
            }
        };
        let name = store::name(call.capture("name"))?;
        let wanted: Wanted = call.body.parse()?;
        let context = encoding::decode(text(&wanted.context))
            .map_err(|_| Fault::invalid("failed to base64-decode context"))?;
        let key = transit.current(&call, name).await?;
        let key = key.ok_or_else(|| Fault::invalid("encryption key not found"))?;
        let length = match wanted.bits {
            Int(128) => 16,
            Int(256) => 32,
            Int(512) => 64,
            _ => return Err(Fault::invalid("invalid bit length")),
        };
        if !text(&wanted.associated_data).is_empty() {
            check_associated(key.kind)?;
        }
        let aad = batch::decoded(text(&wanted.associated_data))?;
        let mut fresh = Secret::new(vec![0; length]);
        cofferdam_secret::fill(fresh.expose_mut()).map_err(Fault::internal)?;
        let extra = Extra {
            context: context.expose(),
            aad: aad.expose(),
        };
        let (ciphertext, version) = key.encrypt(wanted.key_version.0, extra, fresh.expose())?;
        let version = i64::try_from(version).unwrap_or(i64::MAX);
        let mut data = Data::object()
            .text("ciphertext", &ciphertext)
            .number("key_version", version);
        if shown {
            data = data.text(
                "plaintext",
                encoding::encode_secret(fresh.expose()).expose(),
            );
        }
        Ok(Outcome::Data(Response::of(data.finish())))
    })
}

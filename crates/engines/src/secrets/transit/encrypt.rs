//! `encrypt/NAME`, which makes the key when there is none, and `decrypt/NAME`.

use super::batch::{self, Item};
use super::crypt::{Extra, check_associated};
use super::fields::{Int, Sent, text};
use super::key::{Fresh, Key, Wanted};
use super::kind::Kind;
use super::{Transit, config, encoding, store};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::Flag;
use cofferdam_core::json::{Data, OwnedRaw};
use cofferdam_core::{Call, Fault, Operation, Outcome, Verb};
use cofferdam_secret::Secret;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const ENCRYPT: Route<Transit> = Route::new("encrypt/:name", &[(Verb::Write, encrypt)])
    .takes::<Body>()
    .takes::<Item>()
    .creating(exists)
    .computing();
pub(super) const DECRYPT: Route<Transit> = Route::new("decrypt/:name", &[(Verb::Write, decrypt)])
    .takes::<Body>()
    .takes::<Item>()
    .computing();

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    batch_input: Option<OwnedRaw>,
    partial_failure_response_code: Option<Int>,
    #[serde(rename = "type")]
    kind: String,
    convergent_encryption: Flag,
    nonce: Sent,
}

/// Vault has routes only for names of one form: others are nobody's.
fn exists<'a>(transit: &'a Transit, call: &'a Call<'a>) -> Pending<'a, bool> {
    Box::pin(async move {
        let Ok(name) = store::name(call.capture("name")) else {
            return Ok(true);
        };
        Ok(transit.load(call.view, name).await?.is_some())
    })
}

/// The batch of a request, or the one item that the request itself is.
pub(super) fn requested(
    call: &Call<'_>,
    batch_input: Option<&OwnedRaw>,
) -> Result<Vec<Item>, Fault> {
    match batch_input {
        Some(raw) => batch::items(raw),
        None => Ok(vec![call.body.parse()?]),
    }
}

fn encrypt<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let body: Body = call.body.parse()?;
        let items = requested(&call, body.batch_input.as_ref())?;
        if let Some(missing) = items.iter().position(|item| item.plaintext.is_none()) {
            return Err(Fault::invalid(match &body.batch_input {
                Some(_) => format!(
                    "failed to parse batch input: '[{missing}].plaintext' missing plaintext to encrypt"
                ),
                None => "missing plaintext to encrypt".to_owned(),
            }));
        }
        let derived = batch::check_contexts(&items)?;
        if !text(&body.nonce).is_empty() {
            return Err(Fault::invalid("nonce provided when not allowed"));
        }
        let key = match call.operation {
            Operation::Create => upserted(transit, &call, name, &body, derived).await?,
            _ => transit.current(&call, name).await?,
        };
        let key = key.ok_or_else(|| Fault::invalid("encryption key not found"))?;
        let results = batch::each(&items, |item| one(&key, item)).await;
        if body.batch_input.is_none() {
            return batch::only(results);
        }
        batch::answer(&items, results, body.partial_failure_response_code)
    })
}

/// The key, made now if there is none yet and the mount allows it.
async fn upserted(
    transit: &Transit,
    call: &Call<'_>,
    name: &str,
    body: &Body,
    derived: bool,
) -> Result<Option<Arc<Key>>, Fault> {
    let convergent = body.convergent_encryption.0;
    if convergent && !derived {
        return Err(Fault::invalid(
            "convergent encryption requires derivation to be enabled, so context is required",
        ));
    }
    let kind = match body.kind.as_str() {
        "" => Kind::Aes256,
        asked => match Kind::parse(asked) {
            Some(kind) if kind.is_aead() => kind,
            Some(kind) if kind.is_ec() => {
                return Err(Fault::invalid(format!(
                    "key type {} not supported for this operation",
                    kind.name()
                )));
            }
            _ => return Err(Fault::invalid("unknown key type")),
        },
    };
    if config::Keys::load(call.view).await?.disable_upsert {
        return Ok(None);
    }
    let wanted = Wanted {
        kind,
        derived,
        convergent,
        exportable: false,
        allow_plaintext_backup: false,
        auto_rotate: 0,
        key_size: 0,
    };
    let mut key = Key::new(&wanted)?;
    key.rotate(call.now, &Fresh::make(kind, 0).await?)?;
    match transit.insert(call.view, name, &key).await? {
        true => Ok(Some(Arc::new(key))),
        // Somebody was faster; theirs it is.
        false => transit.current(call, name).await,
    }
}

fn one(key: &Key, item: &Item) -> batch::Became {
    let plain = batch::decoded(text(&item.plaintext))?;
    let context = batch::context(item)?;
    let aad = associated(key, item)?;
    let extra = Extra {
        context: context.as_ref().map_or(&[], |context| context.expose()),
        aad: aad.as_ref().map_or(&[], |aad| aad.expose()),
    };
    let (ciphertext, version) = key.encrypt(item.key_version.0, extra, plain.expose())?;
    Ok(made(&ciphertext, version))
}

/// A ciphertext and the version it was made with.
pub(super) fn made(ciphertext: &str, version: u64) -> Data {
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    Data::object()
        .text("ciphertext", ciphertext)
        .number("key_version", version)
        .finish()
}

/// The associated data of an item, where the key takes any.
pub(super) fn associated(key: &Key, item: &Item) -> Result<Option<Secret<Vec<u8>>>, Fault> {
    match text(&item.associated_data) {
        "" => Ok(None),
        encoded => {
            check_associated(key.kind)?;
            let decoded = encoding::decode(encoded);
            let decoded = decoded.map_err(|error| {
                Fault::invalid(format!("unable to decode associated_data: {error}"))
            });
            decoded.map(Some)
        }
    }
}

fn decrypt<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let body: Body = call.body.parse()?;
        let items = requested(&call, body.batch_input.as_ref())?;
        if body.batch_input.is_none() {
            check_ciphertext(&items)?;
        } else if let Some(missing) = items.iter().position(|item| item.ciphertext.is_none()) {
            return Err(Fault::invalid(format!(
                "failed to parse batch input: '[{missing}].ciphertext' missing ciphertext to decrypt"
            )));
        }
        batch::check_contexts(&items)?;
        let key = transit.load(call.view, name).await?;
        let key = key.ok_or_else(|| Fault::invalid("encryption key not found"))?;
        let results = batch::each(&items, |item| {
            let plain = opened(&key, item)?;
            let encoded = encoding::encode_secret(plain.expose());
            Ok(Data::object().text("plaintext", encoded.expose()).finish())
        })
        .await;
        if body.batch_input.is_none() {
            return batch::only(results);
        }
        answer_decrypted(&items, results, body.partial_failure_response_code)
    })
}

/// Vault answers an empty plaintext beside each error.
fn answer_decrypted(
    items: &[Item],
    results: Vec<batch::Became>,
    code: Option<Int>,
) -> Result<Outcome, Fault> {
    batch::answer_with(items, results, code, |fault| {
        Data::object()
            .text("plaintext", "")
            .text("error", fault.public())
            .finish()
    })
}

/// A single request without a ciphertext is refused whole.
pub(super) fn check_ciphertext(items: &[Item]) -> Result<(), Fault> {
    let missing = items.iter().any(|item| text(&item.ciphertext).is_empty());
    match missing {
        true => Err(Fault::invalid("missing ciphertext to decrypt")),
        false => Ok(()),
    }
}

/// What an item's ciphertext holds.
pub(super) fn opened(key: &Key, item: &Item) -> Result<Secret<Vec<u8>>, Fault> {
    let ciphertext = text(&item.ciphertext);
    if ciphertext.is_empty() {
        return Err(Fault::invalid("missing ciphertext to decrypt"));
    }
    let context = batch::context(item)?;
    let aad = associated(key, item)?;
    let extra = Extra {
        context: context.as_ref().map_or(&[], |context| context.expose()),
        aad: aad.as_ref().map_or(&[], |aad| aad.expose()),
    };
    key.decrypt(extra, ciphertext)
}

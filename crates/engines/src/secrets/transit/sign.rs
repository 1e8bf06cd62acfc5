//! `sign/NAME`, `verify/NAME` and `hmac/NAME`, each with the hash in the path or in the body.

use super::batch::{self, Item};
use super::fields::{Int, Sent, text};
use super::hash::Hash;
use super::key::Key;
use super::signature::{Manner, Marshaling, Padding, Salt};
use super::{Transit, encoding, store};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::Flag;
use cofferdam_core::json::{Data, OwnedRaw};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use cofferdam_secret::Secret;
use serde::Deserialize;

pub(super) const SIGN: Route<Transit> = Route::new("sign/:name/*algorithm", &[(Verb::Write, sign)])
    .captures(&[("algorithm", "urlalgorithm")])
    .takes::<Body>()
    .takes::<Item>()
    .computing();
pub(super) const VERIFY: Route<Transit> =
    Route::new("verify/:name/*algorithm", &[(Verb::Write, verify)])
        .captures(&[("algorithm", "urlalgorithm")])
        .takes::<Body>()
        .takes::<Item>()
        .computing();
pub(super) const HMAC: Route<Transit> = Route::new("hmac/:name/*algorithm", &[(Verb::Write, hmac)])
    .captures(&[("algorithm", "urlalgorithm")])
    .takes::<Body>()
    .takes::<Item>()
    .computing();

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    batch_input: Option<OwnedRaw>,
    hash_algorithm: Sent,
    algorithm: Sent,
    marshaling_algorithm: Sent,
    signature_algorithm: Sent,
    salt_length: Option<super::fields::Word>,
    prehashed: Flag,
    key_version: Int,
}

impl Body {
    /// The hash that is asked for, wherever.
    fn hash(&self, call: &Call<'_>) -> Result<Hash, Fault> {
        let asked = [
            call.capture("algorithm"),
            text(&self.hash_algorithm),
            text(&self.algorithm),
        ];
        let asked = asked.into_iter().find(|name| !name.is_empty());
        Hash::parse(asked.unwrap_or("sha2-256"))
            .ok_or_else(|| Fault::invalid("invalid hash algorithm"))
    }

    fn manner(&self, call: &Call<'_>) -> Result<Manner, Fault> {
        let hash = self.hash(call)?;
        let marshaling = match text(&self.marshaling_algorithm) {
            "" | "asn1" => Marshaling::Asn1,
            "jws" => Marshaling::Jws,
            _ => return Err(Fault::invalid("invalid marshaling type")),
        };
        let salt = self.salt()?;
        let padding = match text(&self.signature_algorithm) {
            "" | "pss" => Padding::Pss(salt),
            "pkcs1v15" => Padding::Pkcs1,
            _ => return Err(Fault::invalid("unsupported rsa signature algorithm")),
        };
        Ok(Manner {
            hash,
            padding,
            marshaling,
        })
    }

    fn salt(&self) -> Result<Salt, Fault> {
        let asked = self.salt_length.as_ref().map_or("", |word| word.0.as_str());
        Ok(match asked.to_ascii_lowercase().as_str() {
            "" | "auto" | "0" => Salt::Auto,
            "hash" | "-1" => Salt::Hash,
            text => match text.parse::<i64>() {
                Err(_) => {
                    return Err(Fault::invalid(
                        "salt length neither 'auto', 'hash', nor an int",
                    ));
                }
                Ok(count) => Salt::Bytes(
                    usize::try_from(count).map_err(|_| Fault::invalid("salt length is invalid"))?,
                ),
            },
        })
    }
}

/// The key, which signs; `missing` and `cannot` are what is said where it is not so.
async fn signer(
    transit: &Transit,
    call: &Call<'_>,
    fresh: bool,
    missing: &'static str,
    cannot: &str,
) -> Result<std::sync::Arc<Key>, Fault> {
    let name = store::name(call.capture("name"))?;
    let key = match fresh {
        true => transit.current(call, name).await?,
        false => transit.load(call.view, name).await?,
    };
    let key = key.ok_or_else(|| Fault::invalid(missing))?;
    match key.kind.signs() {
        true => Ok(key),
        false => Err(Fault::invalid(format!(
            "key type {} does not support {cannot}",
            key.kind.name()
        ))),
    }
}

/// Unhashed input is for PKCS #1 only, where the caller brings the whole of what is signed.
fn check_none(body: &Body, manner: Manner) -> Result<(), Fault> {
    if manner.hash == Hash::None && (!body.prehashed.0 || manner.padding != Padding::Pkcs1) {
        return Err(Fault::invalid(
            "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15",
        ));
    }
    Ok(())
}

/// The items; a single request without an input signs nothing at all, as in Vault.
fn requested(call: &Call<'_>, body: &Body) -> Result<Vec<Item>, Fault> {
    match &body.batch_input {
        Some(raw) => batch::items(raw),
        None => {
            let mut item: Item = call.body.parse()?;
            item.input.get_or_insert_with(|| Secret::new(String::new()));
            Ok(vec![item])
        }
    }
}

/// What is to be signed: hashed, where the key signs hashes and it is not one already.
fn input(
    key: &Key,
    item: &Item,
    manner: Manner,
    prehashed: bool,
) -> Result<Secret<Vec<u8>>, Fault> {
    let input = item
        .input
        .as_ref()
        .ok_or_else(|| Fault::invalid("missing input"))?;
    let input = decoded_input(input)?;
    Ok(match key.kind.signs_hash() && !prehashed {
        true => Secret::new(manner.hash.sum(input.expose())),
        false => input,
    })
}

fn decoded_input(input: &Secret<String>) -> Result<Secret<Vec<u8>>, Fault> {
    encoding::decode(input.expose())
        .map_err(|error| Fault::invalid(format!("unable to decode input as base64: {error}")))
}

fn context(item: &Item) -> Result<Secret<Vec<u8>>, Fault> {
    encoding::decode(text(&item.context))
        .map_err(|_| Fault::invalid("failed to base64-decode context"))
}

fn sign<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let body: Body = call.body.parse()?;
        let manner = body.manner(&call)?;
        let key = signer(transit, &call, true, "signing key not found", "signing").await?;
        check_none(&body, manner)?;
        let items = requested(&call, &body)?;
        let single = body.batch_input.is_none();
        let results = batch::each(&items, |item| {
            let input = input(&key, item, manner, body.prehashed.0)?;
            let context = context(item)?;
            let signed = key.sign(body.key_version.0, context.expose(), input.expose(), manner)?;
            let mut data = Data::object().text("signature", &signed.text).number(
                "key_version",
                i64::try_from(signed.version).unwrap_or(i64::MAX),
            );
            if let Some(public) = signed.public {
                // Vault has two spellings.
                let name = if single { "public_key" } else { "publickey" };
                data = data.text(name, &encoding::encode(&public));
            }
            Ok(data.finish())
        })
        .await;
        if single {
            return batch::only(results);
        }
        batch::answer_always_with(&items, results, |fault| {
            Data::object()
                .number("key_version", 0)
                .text("error", fault.public())
                .finish()
        })
    })
}

fn verify<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let body: Body = call.body.parse()?;
        let items = requested(&call, &body)?;
        if by_hmac(&items, body.batch_input.is_none())? {
            return verify_hmac(transit, &call, &body, &items).await;
        }
        let manner = body.manner(&call)?;
        let missing = "signature verification key not found";
        let key = signer(transit, &call, false, missing, "verification").await?;
        check_none(&body, manner)?;
        let results = batch::each(&items, |item| {
            let input = input(&key, item, manner, body.prehashed.0)?;
            let context = context(item)?;
            let signature = text(&item.signature);
            let valid = key.verify(context.expose(), input.expose(), signature, manner)?;
            Ok(Data::object().flag("valid", valid).finish())
        })
        .await;
        judged(&body, &items, results)
    })
}

/// The answer to a verification: of a batch, a failure is not valid either.
fn judged(body: &Body, items: &[Item], results: Vec<batch::Became>) -> Result<Outcome, Fault> {
    if body.batch_input.is_none() {
        return batch::only(results);
    }
    batch::answer_always_with(items, results, |fault| {
        Data::object()
            .flag("valid", false)
            .text("error", fault.public())
            .finish()
    })
}

/// Whether HMACs are to be verified; they cannot be mixed with signatures.
fn by_hmac(items: &[Item], single: bool) -> Result<bool, Fault> {
    let count = |has: fn(&Item) -> bool| items.iter().filter(|item| has(item)).count();
    let signatures = count(|item| item.signature.is_some());
    let both = count(|item| item.signature.is_some() && item.hmac.is_some());
    let hmacs = count(|item| item.signature.is_none() && item.hmac.is_some());
    let missing = items.len() - signatures - hmacs;
    let refuse = |why: &'static str| Err(Fault::invalid(why));
    match (signatures, hmacs, missing) {
        _ if single && both > 0 => refuse("provide one of 'signature' or 'hmac'"),
        (0, 0, _) if single => refuse("neither a 'signature' nor an 'hmac' were given to verify"),
        (1.., 1.., _) => {
            refuse("elements of batch_input must all provide 'signature' or all provide 'hmac'")
        }
        (1.., _, 1..) => refuse("some elements of batch_input are missing 'signature'"),
        (_, 1.., 1..) => refuse("some elements of batch_input are missing 'hmac'"),
        (0, 0, _) => refuse("no batch_input elements have 'signature' or 'hmac'"),
        (0, ..) => Ok(true),
        _ => Ok(false),
    }
}

fn hmac<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let body: Body = call.body.parse()?;
        let name = store::name(call.capture("name"))?;
        let key = transit.current(&call, name).await?;
        let key = key.ok_or_else(|| Fault::invalid("encryption key not found"))?;
        key.usable()?;
        let number = hmac_version(&key, body.key_version.0)?;
        let secret = &key.version(number)?.hmac;
        let asked = [call.capture("algorithm"), text(&body.algorithm)];
        let asked = asked.into_iter().find(|name| !name.is_empty());
        let function = Hash::parse(asked.unwrap_or("sha2-256"));
        let function = function
            .filter(|function| *function != Hash::None)
            .ok_or_else(|| Fault::invalid("unsupported algorithm"))?;
        let items = match &body.batch_input {
            Some(raw) => batch::items(raw)?,
            None => vec![call.body.parse::<Item>()?],
        };
        let results = batch::each(&items, |item| {
            let input = item
                .input
                .as_ref()
                .ok_or_else(|| Fault::invalid("missing input for HMAC"))?;
            let input = decoded_input(input)?;
            let sum = function.hmac(secret.expose(), input.expose())?;
            let made = encoding::header(number) + &encoding::encode(&sum.unwrap_or_default());
            Ok(Data::object().text("hmac", &made).finish())
        })
        .await;
        if body.batch_input.is_none() {
            return batch::only(results);
        }
        batch::answer_always(&items, results)
    })
}

/// The version to make an HMAC with.
fn hmac_version(key: &Key, asked: i64) -> Result<u64, Fault> {
    let refuse = |why: String| Err(Fault::invalid(why));
    match u64::try_from(asked) {
        // Judged in Vault's order: below the minimum is too old, whatever it is.
        Err(_) if key.min_encryption > 0 => {
            refuse("cannot generate HMAC: version is too old (disallowed by policy)".to_owned())
        }
        Err(_) => refuse("key version does not exist (cannot be negative)".to_owned()),
        Ok(0) => Ok(key.latest),
        Ok(number) if number > key.latest => refuse(format!(
            "key version does not exist; latest key version is {}",
            key.latest
        )),
        Ok(number) if number < key.min_encryption => {
            refuse("cannot generate HMAC: version is too old (disallowed by policy)".to_owned())
        }
        Ok(number) => Ok(number),
    }
}

async fn verify_hmac(
    transit: &Transit,
    call: &Call<'_>,
    body: &Body,
    items: &[Item],
) -> Result<Outcome, Fault> {
    let name = store::name(call.capture("name"))?;
    let key = transit.load(call.view, name).await?;
    let key = key.ok_or_else(|| Fault::invalid("encryption key not found"))?;
    key.usable()?;
    let function = body.hash(call)?;
    if function == Hash::None {
        return Err(Fault::invalid("invalid hash algorithm"));
    }
    let results: Vec<batch::Became> = items
        .iter()
        .map(|item| {
            let valid = hmac_valid(&key, function, item)?;
            Ok(Data::object().flag("valid", valid).finish())
        })
        .collect();
    judged(body, items, results)
}

fn hmac_valid(key: &Key, function: Hash, item: &Item) -> Result<bool, Fault> {
    let input = item
        .input
        .as_ref()
        .ok_or_else(|| Fault::invalid("missing input"))?;
    let input = decoded_input(input)?;
    let found = encoding::Versioned::parse(text(&item.hmac)).map_err(|bad| {
        Fault::invalid(match bad {
            encoding::BadHeader::NoPrefix => "invalid HMAC to verify: no prefix".to_owned(),
            bad => format!("invalid HMAC: {}", bad.text()),
        })
    })?;
    let claimed = encoding::decode(found.body).map_err(|error| {
        Fault::invalid(format!(
            "unable to decode verification HMAC as base64: {error}"
        ))
    })?;
    let number = u64::try_from(found.version).unwrap_or_default();
    if number > key.latest {
        return Err(Fault::invalid("invalid HMAC: version is too new"));
    }
    if number < key.min_decryption {
        return Err(Fault::invalid(
            "cannot verify HMAC: version is too old (disallowed by policy)",
        ));
    }
    let secret = &key.version(number)?.hmac;
    let sum = function.hmac(secret.expose(), input.expose())?;
    Ok(sum.is_some_and(|sum| cofferdam_secret::constant_time_eq(&sum, claimed.expose())))
}

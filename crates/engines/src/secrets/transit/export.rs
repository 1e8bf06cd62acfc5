//! `export/WHAT/NAME`: key material out, where the key was made exportable.

use super::batch::text_object;
use super::key::{Key, Version};
use super::kind::Kind;
use super::material::Material;
use super::{Transit, der, encoding, store};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::Data;
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use cofferdam_secret::Secret;

pub(super) const EXPORT: Route<Transit> =
    Route::new("export/:what/:name/*version", &[(Verb::Read, export)])
        .asks(&["format"])
        .captures(&[("what", "type")]);

/// What is taken out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Encryption,
    Signing,
    Hmac,
    Public,
    Chain,
}

/// How it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Usual,
    Raw,
    Der,
    Pem,
}

impl What {
    fn parse(name: &str) -> Result<Self, Fault> {
        Ok(match name {
            "encryption-key" => Self::Encryption,
            "signing-key" => Self::Signing,
            "hmac-key" => Self::Hmac,
            "public-key" => Self::Public,
            "certificate-chain" => Self::Chain,
            _ => return Err(Fault::invalid("invalid export type")),
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Encryption => "encryption-key",
            Self::Signing => "signing-key",
            Self::Hmac => "hmac-key",
            Self::Public => "public-key",
            Self::Chain => "certificate-chain",
        }
    }
}

fn export<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let what = What::parse(call.capture("what"))?;
        let format = match call.query.get("format").unwrap_or_default() {
            "" => Format::Usual,
            "raw" => Format::Raw,
            "der" => Format::Der,
            "pem" => Format::Pem,
            _ => return Err(Fault::invalid("invalid format")),
        };
        let name = store::name(call.capture("name"))?;
        let key = transit.load(call.view, name).await?;
        let key = key.ok_or_else(Fault::missing)?;
        if !key.exportable && !matches!(what, What::Public | What::Chain) {
            return Err(Fault::invalid("private key material is not exportable"));
        }
        key.usable()?;
        match what {
            What::Encryption if !key.kind.encrypts() => {
                return Err(Fault::invalid("encryption not supported for the key"));
            }
            What::Signing if !key.kind.signs() => {
                return Err(Fault::invalid("signing not supported for the key"));
            }
            What::Chain if !key.kind.signs() => {
                return Err(Fault::invalid(
                    "certificate chain not supported for keys that do not support signing",
                ));
            }
            _ => {}
        }
        let versions = wanted(&key, call.capture("version"))?;
        let one = |(number, version): (u64, &Version)| {
            Ok((
                number.to_string(),
                written(key.kind, version, what, format)?,
            ))
        };
        let keys = versions.into_iter().map(one);
        let keys = keys.collect::<Result<Vec<_>, Fault>>()?;
        Ok(answer(name, key.kind, &keys))
    })
}

/// The versions a path names: one, the latest, or all that can be used.
pub(super) fn wanted<'a>(key: &'a Key, asked: &str) -> Result<Vec<(u64, &'a Version)>, Fault> {
    let number = match asked {
        "" => return Ok(key.live().collect()),
        "latest" => key.latest,
        text => {
            let digits = text.strip_prefix('v').unwrap_or(text);
            let number: i64 = digits
                .parse()
                .map_err(|_| Fault::invalid("invalid key version"))?;
            u64::try_from(number).unwrap_or_default()
        }
    };
    if number < key.min_decryption {
        return Err(Fault::invalid(
            "version for export is below minimum decryption version",
        ));
    }
    let version = key
        .version(number)
        .map_err(|_| Fault::invalid("version does not exist or cannot be found"))?;
    Ok(vec![(number, version)])
}

/// Keys by version, with the name and type of the key.
pub(super) fn answer(name: &str, kind: Kind, keys: &[(String, Secret<String>)]) -> Outcome {
    let object = text_object(keys);
    let data = Data::object()
        .raw("keys", object.as_bytes())
        .text("name", name)
        .text("type", kind.name());
    Outcome::Data(Response::of(data.finish()))
}

fn written(
    kind: Kind,
    version: &Version,
    what: What,
    format: Format,
) -> Result<Secret<String>, Fault> {
    let armoured = matches!(format, Format::Der | Format::Pem);
    let raw = || Fault::invalid("unknown format for this key; supported values are `` or `raw`");
    let no_raw = || {
        Fault::invalid("unknown key format for this key; supported values are ``, `der`, or `pem`")
    };
    match (what, &version.material) {
        (What::Chain, _) if version.chain.is_empty() => Err(Fault::invalid(
            "selected key version does not have a certificate chain imported",
        )),
        (What::Chain, _) => Ok(Secret::new(version.chain_pem())),
        (What::Hmac, _) if armoured => Err(raw()),
        (What::Hmac, _) => Ok(encoding::encode_secret(version.hmac.expose())),
        (What::Public, Material::Symmetric(_)) => Err(Fault::invalid(format!(
            "unknown key type {} for export type {}",
            kind.name(),
            what.name()
        ))),
        (_, Material::Symmetric(_)) if armoured => Err(raw()),
        (_, Material::Symmetric(key)) => Ok(encoding::encode_secret(key.expose())),
        (What::Public, Material::Ed25519 { public, .. }) if !armoured => {
            Ok(Secret::new(encoding::encode(public)))
        }
        (_, Material::Ed25519 { seed, public }) if !armoured => {
            let whole = seed.as_ref().map(|seed| {
                let whole = Secret::new([seed.expose().as_slice(), public].concat());
                encoding::encode_secret(whole.expose())
            });
            Ok(whole.unwrap_or_else(|| Secret::new(String::new())))
        }
        (_, Material::Rsa { .. } | Material::Ec { .. }) if format == Format::Raw => Err(no_raw()),
        (What::Public, material) => Ok(public(kind, material, format)),
        (_, material) => private(kind, material, format),
    }
}

fn public(kind: Kind, material: &Material, format: Format) -> Secret<String> {
    let spki = material.spki(kind);
    match format {
        Format::Der => Secret::new(encoding::encode(&spki)),
        _ => line_end(kind, Secret::new(der::pem("PUBLIC KEY", &spki))),
    }
}

/// Vault ends RSA keys with a line end, and others without.
fn line_end(kind: Kind, mut pem: Secret<String>) -> Secret<String> {
    if !kind.is_rsa() {
        let text = pem.expose_mut();
        text.truncate(text.trim_end().len());
    }
    pem
}

/// A private key; empty where only the public half was imported.
fn private(kind: Kind, material: &Material, format: Format) -> Result<Secret<String>, Fault> {
    let Some(pkcs8) = material.pkcs8(kind) else {
        return Ok(Secret::new(String::new()));
    };
    let unreadable = || Fault::internal("a key of ours does not read");
    Ok(match (format, material) {
        (Format::Der, _) => encoding::encode_secret(pkcs8.expose()),
        (Format::Usual, Material::Rsa { .. }) => {
            let inner = der::inside_pkcs8(pkcs8.expose()).ok_or_else(unreadable)?;
            der::secret_pem("RSA PRIVATE KEY", inner)
        }
        (
            Format::Usual,
            Material::Ec {
                scalar: Some(scalar),
                point,
            },
        ) => {
            let sec1 = der::sec1(scalar.expose(), point, Some(der::curve(kind)));
            line_end(kind, der::secret_pem("EC PRIVATE KEY", sec1.expose()))
        }
        _ => line_end(kind, der::secret_pem("PRIVATE KEY", pkcs8.expose())),
    })
}

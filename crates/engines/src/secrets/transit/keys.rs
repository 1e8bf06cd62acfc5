//! `keys/NAME`: making keys, reading what may be known of them, and removing them.

use super::fields::{Int, Sent, text};
use super::key::{Fresh, Kdf, Key, Wanted};
use super::kind::{HMAC_BYTES, Kind};
use super::{Transit, encoding, store};
use cofferdam_core::engine::{Commit, Pending, Route};
use cofferdam_core::json::field::{Flag, Ttl};
use cofferdam_core::json::{Data, FieldError, Problem};
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) const LIST: Route<Transit> =
    Route::new("keys", &[(Verb::List, list)]).asks(&["after", "limit"]);
pub(super) const ONE: Route<Transit> = Route::new(
    "keys/:name",
    &[
        (Verb::Read, read),
        (Verb::Write, create),
        (Verb::Delete, delete),
    ],
)
.takes::<Body>()
.asks(&["context"]);
pub(super) const SOFT_DELETE: Route<Transit> =
    Route::new("keys/:name/soft-delete", &[(Verb::Delete, soft_delete)]);
pub(super) const RESTORE: Route<Transit> = Route::new(
    "keys/:name/soft-delete-restore",
    &[(Verb::Write, soft_delete_restore)],
)
.takes_nothing();

fn list<'a>(_: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move { listed(&call, store::KEYS).await })
}

/// One level of names, from where the caller left off.
pub(in crate::secrets) async fn listed(call: &Call<'_>, below: &str) -> Result<Outcome, Fault> {
    let after = call.query.get("after").filter(|name| !name.is_empty());
    let limit = match call.query.get("limit").map(str::trim) {
        None | Some("") => usize::MAX,
        Some(text) => match text.parse::<i64>() {
            // Zero and negative mean all, as in Vault.
            Ok(number) => usize::try_from(number)
                .ok()
                .filter(|number| *number > 0)
                .unwrap_or(usize::MAX),
            Err(_) => {
                let expected = Problem::Expected("a whole number".into());
                return Err(FieldError::new("limit", expected).into());
            }
        },
    };
    Outcome::keys(&call.view.list(below, after, limit).await?.names)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(rename = "type")]
    kind: Sent,
    derived: Flag,
    convergent_encryption: Flag,
    exportable: Flag,
    allow_plaintext_backup: Flag,
    auto_rotate_period: Ttl,
    key_size: Int,
    external_key_ref: Sent,
}

/// An hour at least, or none.
pub(super) fn period(ttl: Ttl) -> Result<u64, Fault> {
    match ttl.seconds() {
        1..3600 => Err(Fault::invalid(
            "auto rotate period must be 0 to disable or at least an hour",
        )),
        seconds => Ok(seconds),
    }
}

/// The kind a request names; keys that live elsewhere are not served.
pub(super) fn kind(asked: &Sent) -> Result<Kind, Fault> {
    match text(asked) {
        "" => Ok(Kind::Aes256),
        "external-key" => Err(Fault::unsupported(
            "keys of type external-key are not served",
        )),
        name => Kind::parse(name).ok_or_else(|| Fault::invalid("unknown key type")),
    }
}

fn create<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let body: Body = call.body.parse()?;
        let auto_rotate = period(body.auto_rotate_period)?;
        let kind = kind(&body.kind)?;
        if !text(&body.external_key_ref).is_empty() {
            return Err(Fault::invalid(
                "must provide type=external-key to use external_key_ref",
            ));
        }
        let wanted = Wanted {
            kind,
            derived: body.derived.0,
            convergent: body.convergent_encryption.0,
            exportable: body.exportable.0,
            allow_plaintext_backup: body.allow_plaintext_backup.0,
            auto_rotate,
            key_size: key_size(kind, body.key_size)?,
        };
        // Refused before it is known whether there is one, as in Vault.
        let mut key = Key::new(&wanted)?;
        let present = loop {
            if let Some(key) = transit.load(call.view, name).await? {
                break key;
            }
            let fresh = Fresh::make(kind, key.key_size).await?;
            key.rotate(call.now, &fresh)?;
            if transit.insert(call.view, name, &key).await? {
                return shown(name, &key, &[]);
            }
            key = Key::new(&wanted)?;
        };
        // Nothing of it changes.
        shown(name, &present, &[])
    })
}

fn key_size(kind: Kind, Int(asked): Int) -> Result<u64, Fault> {
    match (kind, u64::try_from(asked)) {
        (Kind::Hmac, Ok(0)) => Err(Fault::invalid(
            "invalid key size for HMAC key, must be between 32 and 512 bytes",
        )),
        (_, Ok(0)) => Ok(0),
        (Kind::Hmac, Ok(size)) if HMAC_BYTES.contains(&size) => Ok(size),
        (Kind::Hmac, _) => Err(Fault::invalid("invalid key_size")),
        _ => Err(Fault::invalid(format!(
            "key_size is not valid for algorithm {}",
            kind.name()
        ))),
    }
}

fn read<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let key = transit.current(&call, name).await?;
        let key = key.ok_or_else(Fault::missing)?;
        let context = encoding::decode(call.query.get("context").unwrap_or_default())
            .map_err(|_| Fault::invalid("failed to base64-decode context"))?;
        shown(name, &key, context.expose())
    })
}

#[derive(Serialize)]
struct Shown<'a> {
    allow_plaintext_backup: bool,
    auto_rotate_period: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_info: Option<ShownMoment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    convergent_encryption: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    convergent_encryption_version: Option<i64>,
    deletion_allowed: bool,
    derived: bool,
    exportable: bool,
    imported_key: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    imported_key_allow_rotation: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kdf: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kdf_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<BTreeMap<String, ShownVersion>>,
    latest_version: u64,
    min_available_version: u64,
    min_decryption_version: u64,
    min_encryption_version: u64,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    restore_info: Option<ShownMoment>,
    soft_deleted: bool,
    supports_decryption: bool,
    supports_derivation: bool,
    supports_encryption: bool,
    supports_signing: bool,
    r#type: &'static str,
}

#[derive(Serialize)]
struct ShownMoment {
    time: String,
    version: u64,
}

/// Vault shows the second a symmetric key was made, and more of one with a public half.
#[derive(Serialize)]
#[serde(untagged)]
enum ShownVersion {
    Made(u64),
    Public {
        certificate_chain: String,
        creation_time: String,
        name: &'static str,
        public_key: String,
    },
}

impl From<super::key::Moment> for ShownMoment {
    fn from(moment: super::key::Moment) -> Self {
        Self {
            time: moment.time.rfc3339(),
            version: moment.version,
        }
    }
}

/// What may be known of a key; with a context, public keys are those derived with it.
pub(super) fn shown(name: &str, key: &Key, context: &[u8]) -> Result<Outcome, Fault> {
    let counter = key.kdf == Kdf::Counter;
    let shown = Shown {
        allow_plaintext_backup: key.allow_plaintext_backup,
        auto_rotate_period: key.auto_rotate,
        backup_info: key.backed_up.map(Into::into),
        convergent_encryption: key.derived.then_some(key.convergent),
        // Vault's mark for "see each version", which all have the third form.
        convergent_encryption_version: key.convergent.then_some(-1),
        deletion_allowed: key.deletion_allowed,
        derived: key.derived,
        exportable: key.exportable,
        imported_key: key.imported,
        imported_key_allow_rotation: key.imported.then_some(key.allow_rotation),
        kdf: key.derived.then_some(if counter {
            "hmac-sha256-counter"
        } else {
            "hkdf_sha256"
        }),
        kdf_mode: (key.derived && counter).then_some("hmac-sha256-counter"),
        key_size: Some(key.key_size).filter(|size| *size > 0),
        keys: versions(key, context)?,
        latest_version: key.latest,
        min_available_version: key.min_available,
        min_decryption_version: key.min_decryption,
        min_encryption_version: key.min_encryption,
        name,
        restore_info: key.restored.map(Into::into),
        soft_deleted: key.soft_deleted,
        supports_decryption: key.kind.encrypts(),
        supports_derivation: key.kind.derives(),
        supports_encryption: key.kind.encrypts(),
        supports_signing: key.kind.signs(),
        r#type: key.kind.name(),
    };
    Outcome::data(&shown)
}

fn versions(key: &Key, context: &[u8]) -> Result<Option<BTreeMap<String, ShownVersion>>, Fault> {
    if key.kind == Kind::Hmac {
        return Ok(None);
    }
    let one = |(number, version): (u64, &super::key::Version)| {
        let shown = if key.kind.has_public() {
            ShownVersion::Public {
                certificate_chain: version.chain_pem(),
                creation_time: version.created.rfc3339(),
                name: key.kind.public_name(),
                public_key: match (key.derived, context) {
                    (false, _) => version.material.shown_public(key.kind),
                    (true, []) => String::new(),
                    (true, context) => key
                        .derived_ed25519(version, context)?
                        .shown_public(key.kind),
                },
            }
        } else {
            ShownVersion::Made(version.created.seconds())
        };
        Ok((number.to_string(), shown))
    };
    key.live().map(one).collect::<Result<_, Fault>>().map(Some)
}

fn delete<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let place = format!("{}{name}", store::KEYS);
        let mut contest = transit.contests.enter(call.view.prefix(), name);
        loop {
            let Some(found) = call.view.get(&place).await? else {
                return Err(Fault::invalid(format!(
                    "error deleting policy {name}: could not delete key; not found"
                )));
            };
            if !Key::decode(found.value.expose())?.deletion_allowed {
                return Err(Fault::invalid(format!(
                    "error deleting policy {name}: deletion is not allowed for this key"
                )));
            }
            let batch = call
                .view
                .batch()
                .expect_at(place.as_str(), found.revision)
                .delete(place.as_str());
            if matches!(call.view.commit(batch).await?, Commit::Done(_)) {
                return Ok(Outcome::Done);
            }
            contest.lost().await?;
        }
    })
}

fn soft_delete<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    mark(
        transit,
        call,
        true,
        "key was already marked as soft deleted",
    )
}

fn soft_delete_restore<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    mark(transit, call, false, "key was already restored")
}

fn mark<'a>(
    transit: &'a Transit,
    call: Call<'a>,
    deleted: bool,
    already: &'static str,
) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let mut was = false;
        let mut edit = |key: &mut Key| {
            was = key.soft_deleted == deleted;
            key.soft_deleted = deleted;
            Ok(())
        };
        let changed = transit.change(&call, name, &mut edit).await?;
        let key = changed.ok_or_else(Fault::missing)?;
        warned(shown(name, &key, &[])?, was.then_some(already))
    })
}

/// The answer with a warning, where there is one.
pub(super) fn warned(outcome: Outcome, warning: Option<&str>) -> Result<Outcome, Fault> {
    match (outcome, warning) {
        (Outcome::Data(response), Some(warning)) => {
            Ok(Outcome::Data(response.warning(vec![warning.to_owned()])))
        }
        (outcome, _) => Ok(outcome),
    }
}

/// Answers one text field.
pub(super) fn one_text(name: &str, text: &str) -> Outcome {
    Outcome::Data(Response::of(Data::object().text(name, text).finish()))
}

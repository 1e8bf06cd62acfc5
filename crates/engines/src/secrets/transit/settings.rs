//! `keys/NAME/config`, `keys/NAME/rotate` and `keys/NAME/trim`: what happens to a key that is there.

use super::fields::Int;
use super::key::{Fresh, Key};
use super::keys::{period, shown, warned};
use super::{Transit, store};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::{Flag, Ttl};
use cofferdam_core::{Call, Fault, Verb};
use serde::Deserialize;

pub(super) const CONFIG: Route<Transit> =
    Route::new("keys/:name/config", &[(Verb::Write, configure)]).takes::<Change>();
pub(super) const ROTATE: Route<Transit> =
    Route::new("keys/:name/rotate", &[(Verb::Write, rotate)]).takes_nothing();
pub(super) const TRIM: Route<Transit> =
    Route::new("keys/:name/trim", &[(Verb::Write, trim)]).takes::<Trim>();

#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    min_decryption_version: Option<Int>,
    min_encryption_version: Option<Int>,
    deletion_allowed: Option<Flag>,
    exportable: Option<Flag>,
    allow_plaintext_backup: Option<Flag>,
    auto_rotate_period: Option<Ttl>,
}

/// Vault's sentence for a version that began with 1 after its release 0.3.
const FROM_ONE: &str = "since Vault 0.3 (prior to the OpenBao fork), transit key numbering starts at 1; forcing minimum to 1";

fn configure<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let change: Change = call.body.parse()?;
        let forced = change.min_decryption_version == Some(Int(0));
        let mut edit = |key: &mut Key| change.apply(key);
        let Some(key) = transit.change(&call, name, &mut edit).await? else {
            return Err(Fault::invalid(
                "no existing key of this name could be found",
            ));
        };
        warned(shown(name, &key, &[])?, forced.then_some(FROM_ONE))
    })
}

impl Change {
    fn apply(&self, key: &mut Key) -> Result<(), Fault> {
        let before = (key.min_decryption, key.min_encryption);
        if let Some(asked) = self.min_decryption_version {
            key.min_decryption = lowest(asked, "decryption", key.latest)?.max(1);
        }
        if let Some(asked) = self.min_encryption_version {
            key.min_encryption = lowest(asked, "encryption", key.latest)?;
        }
        if key.min_encryption > 0 && key.min_encryption < key.min_decryption {
            return Err(Fault::invalid(format!(
                "cannot set min encryption/decryption values; min encryption version of {} must be greater than or equal to min decryption version of {}",
                key.min_encryption, key.min_decryption
            )));
        }
        if let Some(Flag(allowed)) = self.deletion_allowed {
            key.deletion_allowed = allowed;
        }
        // What may leave once may leave for ever: a key that was exportable cannot become secret again.
        key.exportable |= self.exportable.unwrap_or_default().0;
        key.allow_plaintext_backup |= self.allow_plaintext_backup.unwrap_or_default().0;
        if let Some(ttl) = self.auto_rotate_period {
            key.auto_rotate = period(ttl)?;
        }
        if before == (key.min_decryption, key.min_encryption) {
            return Ok(());
        }
        if key.min_available > key.min_encryption {
            return Err(Fault::invalid(
                "min encryption version should not be less than min available version",
            ));
        }
        if key.min_available > key.min_decryption {
            return Err(Fault::invalid(
                "min decryption version should not be less then min available version",
            ));
        }
        Ok(())
    }
}

fn lowest(Int(asked): Int, what: &str, latest: u64) -> Result<u64, Fault> {
    match u64::try_from(asked) {
        Err(_) => Err(Fault::invalid(format!(
            "min {what} version cannot be negative"
        ))),
        // The number is the caller's, and no secret.
        Ok(number) if number > latest => Err(Fault::invalid(format!(
            "cannot set min {what} version of {number}, latest key version is {latest}"
        ))),
        Ok(number) => Ok(number),
    }
}

fn rotate<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let key = transit.load(call.view, name).await?;
        let key = key.ok_or_else(|| Fault::invalid("key not found"))?;
        let fresh = Fresh::make(key.kind, key.key_size).await?;
        let mut edit = |key: &mut Key| key.rotate(call.now, &fresh);
        let changed = transit.change(&call, name, &mut edit).await?;
        let key = changed.ok_or_else(|| Fault::invalid("key not found"))?;
        shown(name, &key, &[])
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Trim {
    min_available_version: Option<Int>,
}

fn trim<'a>(transit: &'a Transit, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let name = store::name(call.capture("name"))?;
        let wanted: Trim = call.body.parse()?;
        let mut edit = |key: &mut Key| {
            let Some(Int(asked)) = wanted.min_available_version else {
                return Err(Fault::invalid("missing min_available_version"));
            };
            trim_to(key, asked)
        };
        let changed = transit.change(&call, name, &mut edit).await?;
        let key = changed.ok_or_else(|| Fault::invalid("invalid key name"))?;
        shown(name, &key, &[])
    })
}

fn trim_to(key: &mut Key, asked: i64) -> Result<(), Fault> {
    let refuse =
        |why: &'static str| Err(Fault::invalid(format!("minimum available version {why}")));
    let number = u64::try_from(asked).ok();
    if number.is_none_or(|number| number < key.min_available) {
        return refuse("cannot be decremented");
    }
    let number = number.unwrap_or_default();
    if key.min_encryption == 0 {
        return refuse("cannot be set when minimum encryption version is not set");
    }
    if number > key.min_encryption {
        return refuse("cannot be greater than minmum encryption version");
    }
    if number > key.min_decryption {
        return refuse("cannot be greater than minimum decryption version");
    }
    if number == 0 {
        return refuse("should be positive");
    }
    key.min_available = number;
    key.versions = key.versions.split_off(&number);
    Ok(())
}

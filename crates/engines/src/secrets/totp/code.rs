//! `code/NAME`: the code of now, and whether a code is one.

use super::Totp;
use super::record::{Key, name};
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Commit, Pending, Route};
use cofferdam_core::json::Data;
use cofferdam_core::json::field::{Text, duration_text};
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use cofferdam_secret::{Secret, constant_time_eq};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const ROUTE: Route<Totp> =
    Route::new("code/:name", &[(Verb::Read, read), (Verb::Write, validate)]).takes::<Body>();

/// Codes that were accepted, and until when each would be valid.
#[derive(Default, Serialize, Deserialize)]
struct Used(Vec<(String, Time)>);

async fn called(call: &Call<'_>) -> Result<Key, Fault> {
    let key = Key::load(call.view, name(call.capture("name"))?).await?;
    key.ok_or_else(|| Fault::invalid(format!("unknown key: {}", call.capture("name"))))
}

fn read<'a>(_: &'a Totp, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = called(&call).await?;
        let now = call.now.seconds();
        let counter = now / key.period;
        let number = |number: u64| i64::try_from(number).map_err(Fault::internal);
        let data = Data::object()
            .text("code", key.code(counter)?.expose())
            .number("expire_time", number((counter + 1) * key.period)?)
            .number("generated", number(now)?)
            .text("period", &duration_text(Duration::from_secs(key.period)));
        Ok(Outcome::Data(Response::of(data.finish())))
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Body {
    code: Text,
}

fn validate<'a>(totp: &'a Totp, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let code: Body = call.body.parse()?;
        let code = code.code.0;
        let key = called(&call).await?;
        if code.is_empty() {
            return Err(Fault::invalid("the code value is required"));
        }
        // One form only, so that a code that was used cannot come again in another (CVE-2025-6014).
        let digits = code.expose().bytes().all(|byte| byte.is_ascii_digit());
        if !digits || code.len() != key.digits as usize {
            return Err(Fault::invalid("invalid number of digits for the code"));
        }
        let valid = spend(totp, &call, &key, &code).await?;
        Ok(Outcome::Data(Response::of(
            Data::object().flag("valid", valid).finish(),
        )))
    })
}

/// Whether the code is valid, which it is once.
async fn spend(
    totp: &Totp,
    call: &Call<'_>,
    key: &Key,
    code: &Secret<String>,
) -> Result<bool, Fault> {
    let place = format!("used/{}", call.capture("name"));
    let valid = valid(key, code, call.now)?;
    let mut contest = totp.contests.enter(call.view.prefix(), &place);
    loop {
        let found = call.view.get(&place).await?;
        let revision = found.as_ref().map(|found| found.revision);
        let mut used: Used = match &found {
            Some(found) => {
                serde_json::from_slice(found.value.expose()).map_err(Fault::unreadable)?
            }
            None => Used::default(),
        };
        used.0.retain(|(_, end)| *end > call.now);
        if used.0.iter().any(|(known, _)| known == code.expose()) {
            return Err(Fault::invalid(
                "code already used; wait until the next time period",
            ));
        }
        if !valid {
            return Ok(false);
        }
        let span = Duration::from_secs(key.period.saturating_mul(2 + key.skew));
        used.0.push((code.expose().clone(), call.now.after(span)));
        let stored = Secret::new(serde_json::to_vec(&used).map_err(Fault::internal)?);
        let batch = call
            .view
            .batch()
            .expect(place.as_str(), revision)
            .put(place.as_str(), stored);
        if matches!(call.view.commit(batch).await?, Commit::Done(_)) {
            return Ok(true);
        }
        contest.lost().await?;
    }
}

/// Whether it is the code of now, or of a neighbour that counts. All are compared, whichever it is.
fn valid(key: &Key, code: &Secret<String>, now: Time) -> Result<bool, Fault> {
    let counter = now.seconds() / key.period;
    let mut valid = false;
    for counter in counter.saturating_sub(key.skew)..=counter + key.skew {
        let right = key.code(counter)?;
        valid |= constant_time_eq(right.expose().as_bytes(), code.expose().as_bytes());
    }
    Ok(valid)
}

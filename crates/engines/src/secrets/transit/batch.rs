//! Many at once: `batch_input`, and the answer that says of each what became of it.
//!
//! A single request is a batch of one whose failure is the request's.

use super::fields::{Int, Sent, text};
use cofferdam_core::json::{Data, OwnedRaw};
use cofferdam_core::{Fault, Outcome, Response};
use cofferdam_secret::{Buffer, Secret};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One of a batch. Which fields count depends on what is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Item {
    pub(super) plaintext: Sent,
    pub(super) ciphertext: Sent,
    pub(super) input: Sent,
    pub(super) signature: Sent,
    pub(super) hmac: Sent,
    pub(super) context: Sent,
    pub(super) associated_data: Sent,
    pub(super) key_version: Int,
    pub(super) reference: Sent,
}

/// The items of a request.
///
/// # Errors
/// When it is no list of objects, or an empty one.
pub(super) fn items<T: DeserializeOwned>(raw: &OwnedRaw) -> Result<Vec<T>, Fault> {
    let raw = raw.as_raw();
    let list: Vec<T> = raw
        .parse()
        .map_err(|error| Fault::invalid(format!("failed to parse batch input: {error}")))?;
    match list.is_empty() {
        true => Err(Fault::invalid("missing batch input to process")),
        false => Ok(list),
    }
}

/// Vault takes a context for all of them or for none.
pub(super) fn check_contexts(items: &[Item]) -> Result<bool, Fault> {
    let with = items
        .iter()
        .filter(|item| !text(&item.context).is_empty())
        .count();
    if with != 0 && with != items.len() {
        return Err(Fault::invalid(
            "context should be set either in all the request blocks or in none",
        ));
    }
    Ok(with != 0)
}

/// Decodes a context.
pub(super) fn context(item: &Item) -> Result<Option<Secret<Vec<u8>>>, Fault> {
    match text(&item.context) {
        "" => Ok(None),
        encoded => decoded(encoded).map(Some),
    }
}

/// Decodes base64; the refusal is Vault's.
pub(super) fn decoded(text: &str) -> Result<Secret<Vec<u8>>, Fault> {
    super::encoding::decode(text).map_err(|error| Fault::invalid(error.to_string()))
}

/// What became of one item.
pub(super) type Became = Result<Data, Fault>;

/// Items after which others have their turn: no batch holds a thread for long.
const TURN: usize = 32;

/// What becomes of each item.
pub(super) async fn each(
    items: &[Item],
    mut one: impl FnMut(&Item) -> Became + Send,
) -> Vec<Became> {
    let mut results = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        if number > 0 && number % TURN == 0 {
            tokio::task::yield_now().await;
        }
        results.push(one(item));
    }
    results
}

/// The answer to a request that is no batch: what became of its one item.
pub(super) fn only(mut results: Vec<Became>) -> Result<Outcome, Fault> {
    let result = results.pop().unwrap_or_else(|| Err(Fault::missing()));
    Ok(Outcome::Data(Response::of(result?)))
}

/// An object of texts that may be secrets.
pub(super) fn text_object(fields: &[(String, Secret<String>)]) -> Data {
    let object = fields.iter().fold(Data::object(), |object, (name, text)| {
        object.text(name, text.expose())
    });
    object.finish()
}

/// The answer to a batch.
///
/// # Errors
/// When one failed by our fault: what is said of the others would not be the whole truth.
pub(super) fn answer(
    items: &[Item],
    results: Vec<Became>,
    failure_code: Option<Int>,
) -> Result<Outcome, Fault> {
    answer_with(items, results, failure_code, |fault| {
        Data::object().text("error", fault.public()).finish()
    })
}

/// As [`answer`], where failures do not change the status.
pub(super) fn answer_always(items: &[Item], results: Vec<Became>) -> Result<Outcome, Fault> {
    answer_always_with(items, results, |fault| {
        Data::object().text("error", fault.public()).finish()
    })
}

/// As [`answer_always`]; `failure` makes what is said of a failure.
pub(super) fn answer_always_with(
    items: &[Item],
    results: Vec<Became>,
    failure: impl Fn(&Fault) -> Data,
) -> Result<Outcome, Fault> {
    Ok(match answer_with(items, results, None, failure)? {
        Outcome::Partial(response, _) => Outcome::Data(response),
        other => other,
    })
}

/// As [`answer`]; `failure` makes what is said of a failure.
pub(super) fn answer_with(
    items: &[Item],
    results: Vec<Became>,
    failure_code: Option<Int>,
    failure: impl Fn(&Fault) -> Data,
) -> Result<Outcome, Fault> {
    let mut out = Buffer::with_capacity(128 * results.len());
    let (mut failed, mut warnings) = (0, Vec::new());
    for (number, (item, result)) in items.iter().zip(&results).enumerate() {
        out.push(if number == 0 { b"[" } else { b"," });
        let reference = text(&item.reference);
        match result {
            Ok(data) => push_with_reference(&mut out, data, reference),
            Err(fault) => {
                ours(fault)?;
                failed += 1;
                push_with_reference(&mut out, &failure(fault), reference);
            }
        }
    }
    out.push(b"]");
    let data = Data::object().raw("batch_results", out.finish().expose());
    if failed == 0 {
        return Ok(Outcome::Data(Response::of(data.finish())));
    }
    let mut code = 400;
    if let Some(Int(wanted)) = failure_code.filter(|_| failed < results.len()) {
        match u16::try_from(wanted).ok().filter(|code| (1..600).contains(code)) {
            Some(wanted) => code = wanted,
            None => warnings.push(format!(
                "invalid HTTP response code override from partial_failure_response_code, reverting to {code}"
            )),
        }
    }
    Ok(Outcome::Partial(
        Response::of(data.finish()).warning(warnings),
        code,
    ))
}

/// A failure that is not the caller's is the whole request's.
pub(super) fn ours(fault: &Fault) -> Result<(), Fault> {
    match fault.kind() {
        cofferdam_core::Kind::Invalid => Ok(()),
        _ => Err(fault.clone()),
    }
}

/// The object with the caller's reference in it.
fn push_with_reference(out: &mut Buffer, data: &Data, reference: &str) {
    let object = data.as_bytes();
    let open = object.strip_suffix(b"}").unwrap_or(object);
    out.push(open);
    out.push(if open.len() > 1 {
        b",\"reference\":"
    } else {
        b"\"reference\":"
    });
    cofferdam_core::json::quote_into(out, reference);
    out.push(b"}");
}

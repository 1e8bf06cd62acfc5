//! Seals that somebody else opens: the root key is encrypted by a key that never leaves another
//! server, and each start asks that server to decrypt it.
//!
//! What is stored is what that server answered, with the name of the key that made it in front. Who
//! takes the store has nothing without the right to ask; who takes this machine can ask, as long as
//! the other server lets it. Nothing is asked of anybody but at a start and when the root key changes.
//!
//! Requests leave by [`crate::outbound`]: `https` only, no redirects, ten seconds. AWS credentials are
//! those of the configuration or the environment; the metadata service of clouds is not asked.

mod aws_kms;
mod transit;

pub use aws_kms::{AwsKms, Credentials};
pub use transit::TransitSeal;

use crate::outbound::{Answered, Asked, Failed, Trust, Url, send_with};
use cofferdam_barrier::Error;
use cofferdam_secret::Secret;
use http::header::{HeaderName, HeaderValue};

/// An answer is a ciphertext or a key, and little more.
const MOST_ANSWER: usize = 64 << 10;

/// What is wrong, without anything that was sent or answered.
fn failed(who: &'static str, why: impl std::fmt::Display) -> Error {
    Error::Seal(format!("{who}: {why}"))
}

/// Posts JSON, and takes nothing but 200 for an answer.
async fn post(
    who: &'static str,
    url: &Url,
    trust: Trust<'_>,
    body: (Secret<Vec<u8>>, &'static str),
    headers: Vec<(HeaderName, HeaderValue)>,
    authorization: Option<Secret<Vec<u8>>>,
) -> Result<Secret<Vec<u8>>, Error> {
    let asked = Asked {
        url,
        trust,
        body: Some(body),
        authorization,
        most: MOST_ANSWER,
    };
    match send_with(asked, headers).await {
        Ok(Answered { status: 200, body }) => Ok(body),
        Ok(Answered { status, body }) => Err(failed(
            who,
            format_args!("the server refuses with status {status}{}", sort(&body)),
        )),
        Err(why) => Err(failed(who, why)),
    }
}

/// The sort of an AWS error: a word of letters, which says more than a status. Nothing else of an
/// answer is repeated.
fn sort(body: &Secret<Vec<u8>>) -> String {
    #[derive(serde::Deserialize)]
    struct Problem {
        #[serde(rename = "__type")]
        sort: String,
    }
    let problem = serde_json::from_slice::<Problem>(body.expose()).ok();
    let sort = problem.map(|problem| problem.sort).unwrap_or_default();
    let word = sort.rsplit('#').next().unwrap_or_default();
    let letters = word.bytes().all(|byte| byte.is_ascii_alphabetic());
    match letters && (1..=64).contains(&word.len()) {
        true => format!(" ({word})"),
        false => String::new(),
    }
}

/// A header's value that is a secret.
fn sensitive(text: &Secret<String>) -> Result<HeaderValue, Failed> {
    let mut value = HeaderValue::from_str(text.expose()).map_err(|_| Failed::Broken)?;
    value.set_sensitive(true);
    Ok(value)
}

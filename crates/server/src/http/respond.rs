//! An answer becomes an HTTP response. The one place that knows status codes of faults.

use super::health;
use super::payload::Payload;
use crate::door::Answered;
use cofferdam_core::settings::Pace;
use cofferdam_core::{Answer, Fault, Kind};
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Response, StatusCode};

/// Joins a refusal with our log and the audit record. Ours: Vault has the id only in its audit log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-cofferdam-request-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// What OpenID Connect takes (RFC 6749, section 5.2; RFC 6750, section 3). Vault's own routes never
/// answer 401.
const CREDENTIALS: HeaderValue = HeaderValue::from_static("Bearer, Basic realm=\"client\"");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The response for `answered`; `query` is the raw query string (health takes its codes from it).
#[must_use]
pub fn respond(answered: Answered, query: Option<&str>) -> Response<Payload> {
    let pace = answered.pace;
    let mut response = plain(answered, query);
    if let Some(pace) = pace {
        tell(pace, response.headers_mut());
    }
    response
}

/// What a limit says, by the names OpenBao gives them. A limit of 0 is not to be told, only how long
/// to wait.
fn tell(pace: Pace, headers: &mut HeaderMap) {
    if pace.limit > 0 {
        headers.insert("x-ratelimit-limit", pace.limit.into());
        headers.insert("x-ratelimit-remaining", pace.remaining.into());
        headers.insert("x-ratelimit-reset", pace.reset.into());
    }
    if let Some(seconds) = pace.retry {
        headers.insert(RETRY_AFTER, seconds.into());
    }
}

fn plain(answered: Answered, query: Option<&str>) -> Response<Payload> {
    let Answered {
        request_id, answer, ..
    } = answered;
    match answer {
        Answer::Text(text) => {
            let mut response = json(StatusCode::OK, Payload::public(text));
            response.headers_mut().insert(CONTENT_TYPE, PROMETHEUS);
            response
        }
        Answer::Body(body) => json(StatusCode::OK, Payload::secret(body)),
        Answer::Empty => empty(StatusCode::NO_CONTENT),
        Answer::Gone(body) => json(StatusCode::NOT_FOUND, Payload::secret(body)),
        // Numbers below 200 are no end of an answer in HTTP.
        Answer::Partial(status, body) => {
            let status = StatusCode::from_u16(status)
                .ok()
                .filter(|status| !status.is_informational())
                .unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = json(status, Payload::secret(body));
            if status == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(WWW_AUTHENTICATE, CREDENTIALS);
            }
            response
        }
        Answer::Health(standing, body) => match health::status(standing, query) {
            Ok(status) => json(status, Payload::secret(body)),
            Err(refusal) => refusal.response(),
        },
        Answer::Fault(fault) => refuse(&request_id, &fault),
        // Served before it comes here, where the connection is known.
        Answer::Stream(_) | Answer::Log(_) => refuse(
            &request_id,
            &Fault::internal("a stream without a connection"),
        ),
    }
}

fn refuse(request_id: &str, fault: &Fault) -> Response<Payload> {
    let status = status(fault);
    log(request_id, fault);
    let texts = [fault.public()];
    let errors: &[&str] = if fault.public().is_empty() {
        &[]
    } else {
        &texts
    };
    let mut response = json(status, Payload::public(envelope(errors)));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Handled here, so logged here, once: what is ours loudly, what is the caller's for who looks for it.
fn log(request_id: &str, fault: &Fault) {
    let Some(internal) = fault.internal_text() else {
        return;
    };
    match fault.kind() {
        Kind::Unavailable | Kind::Internal => {
            tracing::error!(request_id, "request failed: {internal}")
        }
        _ => tracing::debug!(request_id, "request refused: {internal}"),
    }
}

/// Vault's codes.
fn status(fault: &Fault) -> StatusCode {
    match fault.kind() {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Denied => StatusCode::FORBIDDEN,
        Kind::Missing => StatusCode::NOT_FOUND,
        // As Vault: a known path without this operation is 405, a path nobody serves is 404.
        Kind::Unsupported if fault.public() == "unsupported operation" => {
            StatusCode::METHOD_NOT_ALLOWED
        }
        Kind::Unsupported => StatusCode::NOT_FOUND,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Precondition => StatusCode::PRECONDITION_FAILED,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        // Clients take 503 for "sealed"; a failing store or audit device is 500, as in Vault.
        Kind::Sealed => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Unavailable | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// `{"errors":[...]}`.
pub(super) fn envelope(errors: &[&str]) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Envelope<'a> {
        errors: &'a [&'a str],
    }
    // Strings always serialize; an empty object would still be an error to every client.
    let mut text = serde_json::to_vec(&Envelope { errors }).unwrap_or_else(|_| b"{}".to_vec());
    text.push(b'\n');
    text
}

pub(super) fn json(status: StatusCode, body: Payload) -> Response<Payload> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(CONTENT_TYPE, JSON);
    response
}

fn empty(status: StatusCode) -> Response<Payload> {
    let mut response = Response::new(Payload::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_vaults_status() {
        let cases = [
            (Fault::invalid("x"), 400),
            (Fault::denied(), 403),
            (Fault::missing(), 404),
            (Fault::unsupported("unsupported operation"), 405),
            (Fault::unsupported("unsupported path"), 404),
            (Fault::too_large("x"), 413),
            (Fault::precondition("x"), 412),
            (Fault::too_many("x"), 429),
            (Fault::sealed(), 503),
            (Fault::unavailable("x", "y"), 500),
            (Fault::internal("y"), 500),
        ];
        for (fault, expected) in cases {
            assert_eq!(status(&fault).as_u16(), expected, "{:?}", fault.kind());
        }
    }

    #[test]
    fn missing_has_an_empty_list_and_internal_text_stays_inside() {
        assert_eq!(envelope(&[]), b"{\"errors\":[]}\n");
        let response = refuse("7f3a", &Fault::internal("/var/lib/secret-place"));
        assert_eq!(response.headers()[REQUEST_ID], "7f3a");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }
}

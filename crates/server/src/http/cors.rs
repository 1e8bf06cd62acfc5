//! Pages of other origins (`sys/config/cors`): what browsers ask before they send, and what they want
//! to read in answers. By the Fetch standard; which origins may call, the vault decides.
//!
//! A request from an origin that may not call is refused before it is looked at, as in Vault: a
//! browser would have sent it all the same and only kept the answer from the page.

use super::payload::Payload;
use super::refusal::Refusal;
use cofferdam_core::settings::{Cors, Settings};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};

const FOREIGN: Refusal = Refusal::new(
    StatusCode::FORBIDDEN,
    "this origin is not among allowed_origins of sys/config/cors",
);
const METHODS: HeaderValue =
    HeaderValue::from_static("DELETE,GET,OPTIONS,POST,PUT,PATCH,LIST,SCAN");
/// Seconds for which a browser need not ask again.
const AGE: HeaderValue = HeaderValue::from_static("300");

/// Where a request comes from, as far as that matters.
pub(super) enum Origin<'a> {
    /// From no page, or nobody has set anything about pages.
    Ours,
    /// From a page that may call.
    Allowed(&'a Cors, HeaderValue),
    /// From one that may not.
    Foreign,
}

impl<'a> Origin<'a> {
    pub(super) fn of(headers: &HeaderMap, settings: Option<&'a Settings>) -> Self {
        let Some(origin) = headers.get(ORIGIN) else {
            return Self::Ours;
        };
        let Some(cors) = settings.and_then(Settings::cors) else {
            return Self::Ours;
        };
        match origin.to_str() {
            Ok(text) if cors.allows(text) => Self::Allowed(cors, origin.clone()),
            _ => Self::Foreign,
        }
    }

    /// The answer to a browser's question before a request, or the refusal; `None`: go on.
    pub(super) fn answer(&self, parts: &Parts) -> Option<Response<Payload>> {
        match self {
            Self::Ours => None,
            Self::Foreign => Some(FOREIGN.response()),
            Self::Allowed(cors, _) => {
                let asks = parts.method == Method::OPTIONS
                    && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
                asks.then(|| self.mark(may(cors)))
            }
        }
    }

    /// Lets the page read the answer.
    pub(super) fn mark(&self, mut response: Response<Payload>) -> Response<Payload> {
        if let Self::Allowed(cors, origin) = self {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(VARY, HeaderValue::from_static("Origin"));
            if cors.credentials() {
                let yes = HeaderValue::from_static("true");
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            }
        }
        response
    }
}

fn may(cors: &Cors) -> Response<Payload> {
    let mut response = Response::new(Payload::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, AGE);
    let allowed: Vec<&str> = cors.headers().collect();
    if let Ok(allowed) = HeaderValue::from_str(&allowed.join(",")) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    response
}

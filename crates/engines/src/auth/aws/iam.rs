//! IAM: the path and the id of a user or role, asked with our own credentials.

use super::answer::{self, Resolved, What};
use super::arn::{Principal, Sort};
use super::config::Config;
use super::endpoint;
use super::sts::{Doubt, Line, MOST};
use crate::outbound::{Asked, Trust, send_with};
use cofferdam_aws_signature::{Request, moment};
use cofferdam_core::clock::{Clock as _, WallClock};
use cofferdam_secret::Secret;
use http::header::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const SORT: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// What a form has to encode.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Who `principal` is, as its account's IAM says. Nothing of the answer counts unless it is about the
/// same account, sort and name.
pub(super) async fn resolve(
    line: &Line,
    config: &Config,
    principal: &Principal,
) -> Result<Resolved, Doubt> {
    let (id, secret) = config.credentials().ok_or(Doubt::NoCredentials)?;
    let (url, region) = endpoint::of_iam(config, &principal.partition).ok_or(Doubt::Partition)?;
    let (what, action, field) = match principal.sort {
        Sort::User => (What::User, "GetUser", "UserName"),
        Sort::Role => (What::Role, "GetRole", "RoleName"),
    };
    let name = utf8_percent_encode(&principal.name, PLAIN);
    let body = format!("Action={action}&Version=2010-05-08&{field}={name}");
    let ask = || async {
        let moment = moment(WallClock.now().seconds()).ok_or(crate::outbound::Failed::Broken)?;
        let plain = |text: &str| Secret::new(text.as_bytes().to_vec());
        let headers = [
            ("content-type", plain(SORT)),
            ("host", plain(url.authority())),
            ("x-amz-date", plain(&moment)),
        ];
        let request = Request {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
            region,
            service: "iam",
        };
        let proof = request.authorization(id, &secret, &moment);
        let proof = proof.ok_or(crate::outbound::Failed::Broken)?;
        let date = HeaderValue::from_str(&moment).map_err(|_| crate::outbound::Failed::Broken)?;
        let asked = Asked {
            url: &url,
            trust: Trust::default(),
            body: Some((Secret::new(body.clone().into_bytes()), SORT)),
            authorization: Some(Secret::new(proof.into_bytes())),
            most: MOST,
        };
        send_with(asked, vec![(HeaderName::from_static("x-amz-date"), date)]).await
    };
    let answer = line.ask(config.retries(), ask).await?;
    if answer.status != 200 {
        return Err(Doubt::of(&answer));
    }
    let found = answer::resolved(answer.body.expose(), what).ok_or(Doubt::Form)?;
    match found.principal.is(principal) {
        true => Ok(found),
        false => Err(Doubt::Other),
    }
}

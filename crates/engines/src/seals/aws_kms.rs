//! The seal of AWS KMS: `Encrypt` and `Decrypt` of a symmetric key (AWS KMS API Reference).
//!
//! The ciphertext is bound to its purpose by an encryption context, so a grant can be narrowed to it.

use super::{failed, post, sensitive};
use crate::outbound::{Trust, Url};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_aws_signature::{Request, moment};
use cofferdam_barrier::seal::Seal;
use cofferdam_barrier::{Error, RootKey};
use cofferdam_core::clock::{Clock as _, WallClock};
use cofferdam_core::json::field::Text;
use cofferdam_secret::Secret;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;

const WHO: &str = "seal awskms";
const SORT: &str = "application/x-amz-json-1.1";

/// Who asks.
pub struct Credentials {
    /// `AKIA…` or `ASIA…`.
    pub id: String,
    /// Its secret half.
    pub secret: Secret<Vec<u8>>,
    /// Of temporary credentials.
    pub session: Option<Secret<String>>,
}

/// A key in KMS.
pub struct AwsKms {
    /// `eu-central-1`.
    pub region: String,
    /// Id, ARN or alias.
    pub key: String,
    /// `None`: the region's.
    pub endpoint: Option<String>,
    /// Who asks.
    pub credentials: Credentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    ciphertext_blob: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    plaintext: Text,
}

impl AwsKms {
    fn url(&self) -> Result<Url, Error> {
        let url = match &self.endpoint {
            Some(endpoint) => Url::parse(&format!("{}/", endpoint.trim_end_matches('/'))),
            None => Url::parse(&format!("https://kms.{}.amazonaws.com/", self.region)),
        };
        url.map_err(|why| failed(WHO, why))
    }

    async fn ask(
        &self,
        target: &'static str,
        body: Secret<Vec<u8>>,
    ) -> Result<Secret<Vec<u8>>, Error> {
        let url = self.url()?;
        let moment = moment(WallClock.now().seconds()).ok_or_else(|| failed(WHO, "no request"))?;
        let plain = |text: &str| Secret::new(text.as_bytes().to_vec());
        let mut headers = vec![
            ("content-type", plain(SORT)),
            ("host", plain(url.authority())),
            ("x-amz-date", plain(&moment)),
        ];
        let Credentials {
            id,
            secret,
            session,
        } = &self.credentials;
        if let Some(session) = session {
            headers.push(("x-amz-security-token", session.duplicate().into_bytes()));
        }
        headers.push(("x-amz-target", plain(target)));
        let request = Request {
            method: "POST",
            path: url.path(),
            query: "",
            headers: &headers,
            body: body.expose(),
            region: &self.region,
            service: "kms",
        };
        let authorization = request.authorization(id, secret, &moment);
        let authorization = authorization.ok_or_else(|| failed(WHO, "no time"))?;
        let date = HeaderValue::from_str(&moment);
        let mut sent = vec![
            (
                HeaderName::from_static("x-amz-target"),
                HeaderValue::from_static(target),
            ),
            (
                HeaderName::from_static("x-amz-date"),
                date.map_err(|_| failed(WHO, "no time"))?,
            ),
        ];
        if let Some(session) = session {
            let value = sensitive(session).map_err(|why| failed(WHO, why))?;
            sent.push((HeaderName::from_static("x-amz-security-token"), value));
        }
        let authorization = Some(Secret::new(authorization.into_bytes()));
        post(
            WHO,
            &url,
            Trust::default(),
            (body, SORT),
            sent,
            authorization,
        )
        .await
    }

    /// What both requests share.
    fn request(&self, name: &str, value: &Secret<String>) -> Result<Secret<Vec<u8>>, Error> {
        let text = json!({
            "KeyId": self.key,
            "EncryptionContext": {"purpose": "cofferdam root key"},
            name: value.expose(),
        });
        let body = serde_json::to_vec(&text).map_err(|_| failed(WHO, "no request"))?;
        Ok(Secret::new(body))
    }
}

#[async_trait]
impl Seal for AwsKms {
    fn kind(&self) -> &'static str {
        "awskms"
    }

    fn asks(&self) -> bool {
        true
    }

    async fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        let plain = Secret::new(STANDARD.encode(root.bytes().expose()));
        let body = self.request("Plaintext", &plain)?;
        let answer = self.ask("TrentService.Encrypt", body).await?;
        let answer: Encrypted = serde_json::from_slice(answer.expose())
            .map_err(|_| failed(WHO, "the answer is no ciphertext"))?;
        STANDARD
            .decode(answer.ciphertext_blob)
            .map_err(|_| failed(WHO, "the answer is no ciphertext"))
    }

    async fn unwrap(&self, blob: &[u8]) -> Result<RootKey, Error> {
        let sealed = Secret::new(STANDARD.encode(blob));
        let body = self.request("CiphertextBlob", &sealed)?;
        let answer = self.ask("TrentService.Decrypt", body).await?;
        let answer: Decrypted = serde_json::from_slice(answer.expose())
            .map_err(|_| failed(WHO, "the answer is no plaintext"))?;
        let root = STANDARD.decode(answer.plaintext.0.expose());
        let root = Secret::new(root.map_err(|_| Error::WrongKey)?);
        RootKey::from_slice(root.expose())
    }

    fn promise(&self) -> String {
        format!(
            "a copy of the data directory cannot be read without the KMS key {}, and whoever is root \
             here can use that key as long as these credentials may",
            self.key
        )
    }
}

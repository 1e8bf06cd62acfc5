//! The seal of another Vault-compatible server: its transit engine wraps the root key.
//!
//! Needs a token there that may update `MOUNT/encrypt/KEY` and `MOUNT/decrypt/KEY`, and lives at
//! least until the next start: it is renewed when it is used, and nobody renews it in between.

use super::{failed, post, sensitive};
use crate::outbound::{Trust, Url};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_barrier::seal::Seal;
use cofferdam_barrier::{Error, RootKey};
use cofferdam_core::json::field::Text;
use cofferdam_secret::{Buffer, Secret};
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;

const WHO: &str = "seal transit";

/// Where the key is, and what opens the door to it.
pub struct TransitSeal {
    /// `https://HOST:PORT`.
    pub address: String,
    /// Of the other server.
    pub token: Secret<String>,
    /// Path of its transit engine.
    pub mount: String,
    /// Name of the key.
    pub key: String,
    /// Where the other server has namespaces; else empty.
    pub namespace: String,
    /// PEM of its CA; empty: the system's.
    pub authority: String,
    /// Name in its certificate, where that is another than the address's.
    pub server_name: Option<String>,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Wrapped {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Unwrapped {
    plaintext: Text,
}

impl TransitSeal {
    fn url(&self, path: &str) -> Result<Url, Error> {
        let base = self.address.trim_end_matches('/');
        Url::parse(&format!("{base}/v1/{path}")).map_err(|why| failed(WHO, why))
    }

    async fn ask(&self, path: &str, body: Secret<Vec<u8>>) -> Result<Secret<Vec<u8>>, Error> {
        let token = sensitive(&self.token).map_err(|why| failed(WHO, why))?;
        let mut headers = vec![(HeaderName::from_static("x-vault-token"), token)];
        if !self.namespace.is_empty() {
            let value = HeaderValue::from_str(&self.namespace);
            let value = value.map_err(|_| failed(WHO, "namespace is no header value"))?;
            headers.push((HeaderName::from_static("x-vault-namespace"), value));
        }
        let names: Vec<String> = self.server_name.iter().cloned().collect();
        let trust = Trust {
            authority: &self.authority,
            names: &names,
        };
        let body = (body, "application/json");
        post(WHO, &self.url(path)?, trust, body, headers, None).await
    }

    async fn key(&self, verb: &str, body: Secret<Vec<u8>>) -> Result<Secret<Vec<u8>>, Error> {
        let path = format!("{}/{verb}/{}", self.mount.trim_matches('/'), self.key);
        self.ask(&path, body).await
    }

    /// Makes the token live on, if it can.
    async fn renew(&self) {
        let empty = Secret::new(b"{}".to_vec());
        if let Err(error) = self.ask("auth/token/renew-self", empty).await {
            tracing::warn!(%error, "the seal's token cannot be renewed; see that it lives until the next start");
        }
    }
}

#[async_trait]
impl Seal for TransitSeal {
    fn kind(&self) -> &'static str {
        "transit"
    }

    fn asks(&self) -> bool {
        true
    }

    async fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        let mut body = Buffer::with_capacity(80);
        body.push(b"{\"plaintext\":\"");
        let text = Secret::new(STANDARD.encode(root.bytes().expose()));
        body.push(text.expose().as_bytes());
        body.push(b"\"}");
        let answer = self.key("encrypt", body.finish()).await?;
        let answer: Answer<Wrapped> = serde_json::from_slice(answer.expose())
            .map_err(|_| failed(WHO, "the server's answer is no ciphertext"))?;
        Ok(answer.data.ciphertext.into_bytes())
    }

    async fn unwrap(&self, blob: &[u8]) -> Result<RootKey, Error> {
        let ciphertext = std::str::from_utf8(blob).map_err(|_| Error::WrongKey)?;
        let body = serde_json::to_vec(&serde_json::json!({ "ciphertext": ciphertext }))
            .map_err(|_| Error::WrongKey)?;
        let answer = self.key("decrypt", Secret::new(body)).await?;
        let answer: Answer<Unwrapped> = serde_json::from_slice(answer.expose())
            .map_err(|_| failed(WHO, "the server's answer is no plaintext"))?;
        let root = STANDARD.decode(answer.data.plaintext.0.expose());
        let root = Secret::new(root.map_err(|_| Error::WrongKey)?);
        let root = RootKey::from_slice(root.expose())?;
        self.renew().await;
        Ok(root)
    }

    fn promise(&self) -> String {
        format!(
            "a copy of the data directory cannot be read without asking {}, and whoever is root here \
             can ask as long as its token is not revoked there",
            self.address
        )
    }
}

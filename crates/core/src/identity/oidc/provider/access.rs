//! Access tokens: sealed by the barrier, stored nowhere, good for `userinfo` of one provider alone.
//!
//! It is no token of the vault: no policy names it, and no other route takes it.

use crate::clock::Time;
use crate::fault::Fault;
use crate::identity::oidc::store::Shelf;
use crate::record::{decode, encode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize};

const PREFIX: &str = "hvo.";
const PURPOSE: &str = "access token";
/// Longest text that is looked at.
const LONGEST: usize = 8192;

/// What it lets its holder ask.
#[derive(Serialize, Deserialize)]
pub(super) struct Access {
    pub(super) provider: String,
    pub(super) client_id: String,
    pub(super) entity_id: String,
    pub(super) scopes: Vec<String>,
    pub(super) expires: Time,
}

impl Access {
    pub(super) async fn seal(&self, shelf: &Shelf) -> Result<Secret<String>, Fault> {
        let sealed = Secret::new(shelf.0.enclose(PURPOSE, &encode(self)?).await?);
        let length = PREFIX.len() + sealed.len().div_ceil(3) * 4;
        let mut text = Secret::new(String::with_capacity(length));
        text.expose_mut().push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(sealed.expose(), text.expose_mut());
        Ok(text)
    }

    /// What a text says; `None`: it is none of ours, or its time is over.
    pub(super) async fn open(
        shelf: &Shelf,
        text: &Secret<String>,
        now: Time,
    ) -> Result<Option<Self>, Fault> {
        let Some(body) = text.expose().strip_prefix(PREFIX) else {
            return Ok(None);
        };
        if body.len() > LONGEST {
            return Ok(None);
        }
        let Ok(sealed) = URL_SAFE_NO_PAD.decode(body).map(Secret::new) else {
            return Ok(None);
        };
        let Some(plain) = shelf.0.disclose(PURPOSE, sealed.expose()).await? else {
            return Ok(None);
        };
        let access: Self = decode(&plain)?;
        Ok(Some(access).filter(|access| access.expires > now))
    }
}

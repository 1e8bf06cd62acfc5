//! `identity/oidc/client/NAME/credentials`: a client, as `identity/oidc/client/NAME` takes it, that goes on
//! under the id and the secret that it had with another server, so that the service at its other end need
//! not be told anything.
//!
//! Ours alone: no other server takes an id. It is `sudo`, as whoever chooses a secret knows it.

use super::client::{self, Client, Sort};
use crate::fault::Fault;
use crate::identity::Identities;
use crate::outcome::Outcome;
use crate::request::Call;
use cofferdam_secret::Secret;
use serde::Deserialize;

/// Characters of an id, and of a secret; what Vault makes has 32 and 75.
const ID: std::ops::RangeInclusive<usize> = 1..=128;
const SECRET: std::ops::RangeInclusive<usize> = 16..=256;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Credentials {
    client_id: String,
    client_secret: Option<Secret<String>>,
}

impl Credentials {
    fn check(&self) -> Result<(), Fault> {
        let fits = ID.contains(&self.client_id.len())
            && self.client_id.chars().all(|c| c.is_ascii_alphanumeric());
        if !fits {
            return Err(Fault::invalid(
                "client_id: expected letters and digits, at most 128",
            ));
        }
        let Some(secret) = &self.client_secret else {
            return Ok(());
        };
        let secret = secret.expose();
        match SECRET.contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(()),
            false => Err(Fault::invalid(
                "client_secret: expected 16 to 256 visible characters of ASCII",
            )),
        }
    }

    /// The client with them.
    pub(super) fn settle(&self, mut client: Client) -> Result<Client, Fault> {
        match (client.sort, &self.client_secret) {
            (Sort::Confidential, Some(secret)) => client.secret = secret.duplicate(),
            (Sort::Public, None) => {}
            (Sort::Confidential, None) => {
                return Err(Fault::invalid(
                    "missing client_secret of a confidential client",
                ));
            }
            (Sort::Public, Some(_)) => {
                return Err(Fault::invalid("a public client has no client_secret"));
            }
        }
        client.client_id.clone_from(&self.client_id);
        Ok(client)
    }
}

pub(in super::super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let credentials: Credentials = call.body.parse()?;
    credentials.check()?;
    client::put(engine, call, Some(&credentials)).await
}

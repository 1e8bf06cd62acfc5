//! `state`: what a login must know again when the browser comes back, sealed with a key of the mount.
//!
//! The seed in front makes the key of this one text, and the two secrets that go with it: the nonce
//! that the provider signs, and the verifier whose hash it was shown (PKCE). Nobody but the vault can
//! make a state, and one that was used is remembered until it would have ended (`spend`).

use crate::contest::Contest;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam_core::Fault;
use cofferdam_core::clock::Time;
use cofferdam_core::engine::{Commit, View};
use cofferdam_secret::{Secret, random, random_base62};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const SEED: usize = 16;
/// Letters of a mount's key: 256 bits.
const KEY_LETTERS: usize = 43;
/// A role's name and an address, sealed.
const MOST: usize = 8 << 10;
/// How long people have at the provider's page. Vault's.
pub(super) const SECONDS: u64 = 600;
/// States that were used.
const SPENT: &str = "spent/";
/// Ended ones that are removed with each login.
const SWEPT: usize = 64;

/// A key for the states of a mount.
pub(in crate::auth::jwt) fn new_key() -> Result<Secret<String>, Fault> {
    random_base62(KEY_LETTERS).map_err(Fault::internal)
}

/// What is sealed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) role: String,
    pub(super) redirect_uri: String,
    /// Of the nonce that the client must show again; empty: none.
    client: String,
    /// In seconds since 1970.
    pub(super) ends: u64,
}

/// A login under way.
pub(super) struct Login {
    pub(super) begun: Begun,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

fn hashed(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

impl Begun {
    pub(super) fn new(role: &str, redirect_uri: &str, client_nonce: &str, now: Time) -> Self {
        Self {
            role: role.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            client: match client_nonce {
                "" => String::new(),
                nonce => hashed(nonce),
            },
            ends: now.seconds() + SECONDS,
        }
    }

    /// Whether the client is the one that began.
    pub(super) fn is_of(&self, client_nonce: &str) -> bool {
        let shown = hashed(client_nonce);
        self.client.is_empty()
            || cofferdam_secret::constant_time_eq(self.client.as_bytes(), shown.as_bytes())
    }

    /// Seals it for a journey through a browser.
    pub(super) fn depart(self, key: &Secret<String>) -> Result<Login, Fault> {
        let seed = random::<SEED>().map_err(Fault::internal)?;
        let mut sealed = serde_json::to_vec(&self).map_err(Fault::internal)?;
        let keys = Derived::of(key, seed.expose())?;
        keys.state
            .seal_in_place_append_tag(once(), Aad::empty(), &mut sealed)
            .map_err(|_| Fault::internal("a state cannot be sealed"))?;
        let state = URL_SAFE_NO_PAD.encode([seed.expose().as_slice(), &sealed].concat());
        Ok(keys.login(self, state))
    }
}

/// Opens a state that came back; `None` when it is none of ours, or ended.
pub(super) fn arrive(key: &Secret<String>, state: &str, now: Time) -> Option<Login> {
    if state.len() > MOST {
        return None;
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(state).ok()?;
    let (seed, sealed) = bytes.split_at_mut_checked(SEED)?;
    let keys = Derived::of(key, seed).ok()?;
    let opened = keys
        .state
        .open_in_place(once(), Aad::empty(), sealed)
        .ok()?;
    let begun: Begun = serde_json::from_slice(opened).ok()?;
    (now.seconds() < begun.ends).then(|| keys.login(begun, state.to_owned()))
}

/// Each key seals one text.
fn once() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

struct Derived {
    state: LessSafeKey,
    nonce: String,
    verifier: String,
}

impl Derived {
    fn of(key: &Secret<String>, seed: &[u8]) -> Result<Self, Fault> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
        let derived = |label: &[u8]| hmac::sign(&key, &[label, seed].concat());
        let state = UnboundKey::new(&AES_256_GCM, derived(b"state").as_ref());
        Ok(Self {
            state: LessSafeKey::new(state.map_err(Fault::internal)?),
            nonce: URL_SAFE_NO_PAD.encode(derived(b"nonce")),
            verifier: URL_SAFE_NO_PAD.encode(derived(b"verifier")),
        })
    }

    fn login(self, begun: Begun, state: String) -> Login {
        Login {
            begun,
            state,
            nonce: self.nonce,
            verifier: self.verifier,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Used {
    ends: u64,
}

/// Remembers that a state was used; whether it was the first time. To be asked when everything else is
/// proven: only who the provider vouched for leaves something behind.
pub(super) async fn spend(
    view: &View,
    login: &Login,
    now: Time,
    mut contest: Contest<'_>,
) -> Result<bool, Fault> {
    let key = format!("{SPENT}{}", hashed(&login.state));
    loop {
        if view.get(&key).await?.is_some() {
            return Ok(false);
        }
        let used = Used {
            ends: login.begun.ends,
        };
        let mut batch = view
            .batch()
            .expect_absent(&key)
            .put(&key, crate::auth::role::encode(&used)?);
        for entry in view.range(SPENT, None, SWEPT).await?.entries {
            let used: Used =
                serde_json::from_slice(entry.value.expose()).map_err(Fault::unreadable)?;
            if used.ends <= now.seconds() {
                batch = batch.delete(entry.key);
            }
        }
        if matches!(view.commit(batch).await?, Commit::Done(_)) {
            return Ok(true);
        }
        contest.lost().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_nanos(1_790_000_000_000_000_000);

    #[test]
    fn a_state_comes_back_as_it_went_and_in_no_other_form() {
        let key = new_key().unwrap();
        let begun = || Begun::new("web", "http://localhost:8250/oidc/callback", "abc", NOW);
        let (one, two) = (begun().depart(&key).unwrap(), begun().depart(&key).unwrap());
        assert!(one.state != two.state && one.nonce != two.nonce && one.verifier != two.verifier);
        assert!(one.nonce != one.verifier);
        let back = arrive(&key, &one.state, NOW).unwrap();
        assert_eq!(
            (back.begun, back.nonce, back.verifier),
            (begun(), one.nonce, one.verifier)
        );
        assert!(begun().is_of("abc") && !begun().is_of("") && !begun().is_of("ABC"));
        let late = NOW.after(std::time::Duration::from_secs(SECONDS));
        assert!(arrive(&key, &one.state, late).is_none());
        assert!(arrive(&new_key().unwrap(), &one.state, NOW).is_none());
        for at in 0..one.state.len() {
            let (left, right) = one.state.split_at(at);
            let letter = if right.starts_with('A') { 'B' } else { 'A' };
            let other = format!("{left}{letter}{}", &right[1..]);
            assert!(arrive(&key, &other, NOW).is_none(), "{at}");
            assert!(arrive(&key, left, NOW).is_none(), "{at}");
        }
        assert!(arrive(&key, &"A".repeat(100_000), NOW).is_none());
    }
}

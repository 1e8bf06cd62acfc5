//! The seal of a key that is given at each start, by a file or the environment: for who has a place
//! for one secret already. As OpenBao's `static`, with a key before the current one, so that keys can
//! be changed: what the one before closed is opened by it, and whatever is closed anew, by the current.
//!
//! Wrapped form: `version 1 | length of the key's id 1 | id | sealed`, bound to the id.

use super::Seal;
use crate::aead::{Cipher, Unauthentic};
use crate::{Error, RootKey};
use async_trait::async_trait;
use cofferdam_secret::Secret;

const VERSION: u8 = 1;
const WRAPPED: &[u8] = b"barrier/seal static";

/// A key and its name, which is stored in the clear.
pub struct NamedKey {
    id: String,
    key: Secret<[u8; 32]>,
}

impl NamedKey {
    /// A key of 32 bytes.
    ///
    /// # Errors
    /// [`Error::Seal`] for an id that is empty or longer than 255 bytes, and for another length.
    pub fn new(id: &str, key: &Secret<Vec<u8>>) -> Result<Self, Error> {
        if id.is_empty() || id.len() > 255 {
            return Err(Error::Seal("a key's id has 1 to 255 bytes".to_owned()));
        }
        let length = key.expose().len();
        let bytes: [u8; 32] =
            key.expose().as_slice().try_into().map_err(|_| {
                Error::Seal(format!("a key has 32 bytes, and this one has {length}"))
            })?;
        Ok(Self {
            id: id.to_owned(),
            key: Secret::new(bytes),
        })
    }

    fn bound(&self) -> Vec<u8> {
        [WRAPPED, self.id.as_bytes()].concat()
    }
}

/// The seal with its keys in memory, wiped on drop.
pub struct StaticSeal {
    current: NamedKey,
    previous: Option<NamedKey>,
}

impl StaticSeal {
    /// Closes with `current`, and opens what `previous` closed as well.
    ///
    /// # Errors
    /// [`Error::Seal`] when both have one id.
    pub fn new(current: NamedKey, previous: Option<NamedKey>) -> Result<Self, Error> {
        if previous.as_ref().is_some_and(|key| key.id == current.id) {
            return Err(Error::Seal(
                "the previous key has the id of the current one".to_owned(),
            ));
        }
        Ok(Self { current, previous })
    }
}

#[async_trait]
impl Seal for StaticSeal {
    fn kind(&self) -> &'static str {
        "static"
    }

    async fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        let id = self.current.id.as_bytes();
        let length = u8::try_from(id.len()).map_err(|_| Error::WrongKey)?;
        let mut out = [&[VERSION, length], id].concat();
        let cipher = Cipher::new(&self.current.key)?;
        cipher.seal(&self.current.bound(), root.bytes().expose(), &mut out)?;
        Ok(out)
    }

    async fn unwrap(&self, blob: &[u8]) -> Result<RootKey, Error> {
        let ([VERSION, length], rest) = blob.split_first_chunk().ok_or(Error::WrongKey)? else {
            return Err(Error::WrongKey);
        };
        let (id, sealed) = rest
            .split_at_checked(usize::from(*length))
            .ok_or(Error::WrongKey)?;
        let key = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.id.as_bytes() == id)
            .ok_or_else(|| {
                Error::Seal("the store was closed by a key with another id".to_owned())
            })?;
        let root = Cipher::new(&key.key)?
            .open(&key.bound(), sealed)
            .map_err(|Unauthentic| Error::WrongKey)?;
        RootKey::from_slice(root.expose())
    }

    fn promise(&self) -> String {
        "a copy of the data directory cannot be read without the seal's key, and whoever has that key \
         can read everything: keep them apart"
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, fill: u8) -> NamedKey {
        NamedKey::new(id, &Secret::new(vec![fill; 32])).unwrap()
    }

    #[tokio::test]
    async fn the_key_before_opens_and_the_current_one_closes() {
        let root = RootKey::generate().unwrap();
        let old = StaticSeal::new(key("a", 1), None).unwrap();
        let blob = old.wrap(&root).await.unwrap();
        let both = StaticSeal::new(key("b", 2), Some(key("a", 1))).unwrap();
        let opened = both.unwrap(&blob).await.unwrap();
        assert!(opened.bytes().expose() == root.bytes().expose());
        let again = both.wrap(&root).await.unwrap();
        assert!(matches!(old.unwrap(&again).await, Err(Error::Seal(_))));
        let new = StaticSeal::new(key("b", 2), None).unwrap();
        assert!(new.unwrap(&again).await.is_ok());
        assert!(matches!(new.unwrap(&blob).await, Err(Error::Seal(_))));
    }

    #[tokio::test]
    async fn a_changed_blob_or_another_key_of_the_id_is_the_wrong_key() {
        let root = RootKey::generate().unwrap();
        let seal = StaticSeal::new(key("a", 1), None).unwrap();
        let blob = seal.wrap(&root).await.unwrap();
        let other = StaticSeal::new(key("a", 9), None).unwrap();
        assert!(matches!(other.unwrap(&blob).await, Err(Error::WrongKey)));
        for at in 0..blob.len() {
            let mut changed = blob.clone();
            *changed.get_mut(at).unwrap() ^= 1;
            assert!(seal.unwrap(&changed).await.is_err(), "{at}");
            assert!(seal.unwrap(blob.get(..at).unwrap()).await.is_err(), "{at}");
        }
    }

    #[test]
    fn keys_of_another_length_and_one_id_for_both_are_refused() {
        assert!(NamedKey::new("a", &Secret::new(vec![0; 31])).is_err());
        assert!(NamedKey::new("", &Secret::new(vec![0; 32])).is_err());
        assert!(StaticSeal::new(key("a", 1), Some(key("a", 2))).is_err());
    }
}

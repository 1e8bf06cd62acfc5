//! The keyring: one key a term, the newest one encrypts, all of them decrypt.
//!
//! It is stored under the root key as `version 1 | active u32 | (term u32 | key 32)…`, big endian,
//! sealed with the associated data [`KEYRING`]. A stored value is
//! `term u32 | version 1 | nonce 12 | ciphertext | tag 16` with its full key as associated data.

use crate::Error;
use crate::aead::{Cipher, OVERHEAD, Unauthentic};
use cofferdam_secret::{Buffer, Secret, random};
use cofferdam_store::Revision;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where the keyring is kept.
pub(crate) const KEYRING: &str = "barrier/keyring";

/// Where a new root key is left for replicas that are open: under the key that was active when it came.
pub(crate) const ROOT: &str = "barrier/root";

/// Version of the keyring's and of a value's form.
const VERSION: u8 = 1;
const HEADER: usize = 5;

/// The key the keyring is stored under. Exists only while initializing, unsealing or wrapping.
pub struct RootKey(Secret<[u8; 32]>);

impl RootKey {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn generate() -> Result<Self, Error> {
        random().map(Self).map_err(|_| Error::Entropy)
    }

    /// Takes over 32 bytes.
    #[must_use]
    pub const fn new(bytes: Secret<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Reads 32 bytes that a seal unwrapped.
    ///
    /// # Errors
    /// [`Error::WrongKey`] for any other length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let mut key = Secret::new([0; 32]);
        if bytes.len() != key.expose().len() {
            return Err(Error::WrongKey);
        }
        key.expose_mut().copy_from_slice(bytes);
        Ok(Self(key))
    }

    pub(crate) fn into_bytes(self) -> Secret<[u8; 32]> {
        self.0
    }

    /// The bytes, for a seal to wrap.
    #[must_use]
    pub const fn bytes(&self) -> &Secret<[u8; 32]> {
        &self.0
    }
}

/// Which key of the keyring; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u32);

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "term {}", self.0)
    }
}

/// All keys, expanded. Immutable: a rotation makes a new one.
pub(crate) struct Keyring {
    /// To read the keyring again when another replica has rotated.
    root: Arc<Cipher>,
    active: Term,
    keys: BTreeMap<Term, Cipher>,
    /// The transaction that stored it.
    pub(crate) revision: Revision,
}

/// The raw form, alive only while a keyring is made, read or written.
struct Raw {
    active: Term,
    keys: BTreeMap<Term, Secret<[u8; 32]>>,
}

impl Keyring {
    /// The stored form of a keyring with one new key.
    pub(crate) fn create(root: &RootKey) -> Result<Vec<u8>, Error> {
        let key = random().map_err(|_| Error::Entropy)?;
        let raw = Raw {
            active: Term(1),
            keys: BTreeMap::from([(Term(1), key)]),
        };
        raw.seal(&Cipher::new(&root.0)?)
    }

    /// Opens the stored form.
    pub(crate) fn open(root: &RootKey, sealed: &[u8], revision: Revision) -> Result<Self, Error> {
        Self::open_with(Arc::new(Cipher::new(&root.0)?), sealed, revision)
    }

    /// Opens a newer stored form with the root key of this one.
    pub(crate) fn reopen(&self, sealed: &[u8], revision: Revision) -> Result<Self, Error> {
        Self::open_with(Arc::clone(&self.root), sealed, revision)
    }

    fn open_with(root: Arc<Cipher>, sealed: &[u8], revision: Revision) -> Result<Self, Error> {
        let Raw { active, keys } = Raw::open(&root, sealed)?;
        let keys = keys
            .into_iter()
            .map(|(term, key)| Ok((term, Cipher::new(&key)?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            root,
            active,
            keys,
            revision,
        })
    }

    /// The stored form with one more key, which becomes the active one.
    pub(crate) fn rotated(&self, sealed: &[u8]) -> Result<(Term, Vec<u8>), Error> {
        let mut raw = Raw::open(&self.root, sealed)?;
        let next = raw.keys.keys().next_back().map_or(0, |last| last.0);
        let next = Term(next.checked_add(1).ok_or(Error::WrongKey)?);
        raw.keys.insert(next, random().map_err(|_| Error::Entropy)?);
        raw.active = next;
        Ok((next, raw.seal(&self.root)?))
    }

    /// The stored form under another root key.
    pub(crate) fn rewrapped(&self, sealed: &[u8], root: &RootKey) -> Result<Vec<u8>, Error> {
        Raw::open(&self.root, sealed)?.seal(&Cipher::new(&root.0)?)
    }

    /// The stored form of a root key, for whoever holds this keyring and not that root key.
    pub(crate) fn left(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        self.encrypt(ROOT, root.0.expose())
    }

    /// Opens a newer stored form with the root key that was left at [`ROOT`].
    pub(crate) fn follow(
        &self,
        left: &[u8],
        sealed: &[u8],
        revision: Revision,
    ) -> Result<Self, Error> {
        let root = RootKey::from_slice(self.decrypt(ROOT, left)?.expose())?;
        Self::open(&root, sealed, revision)
    }

    /// Whether a stored value is under the key that encrypts now.
    pub(crate) fn is_current(&self, stored: &[u8]) -> bool {
        stored.starts_with(&self.active.0.to_be_bytes())
    }

    pub(crate) const fn active(&self) -> Term {
        self.active
    }

    pub(crate) fn terms(&self) -> impl Iterator<Item = Term> {
        self.keys.keys().copied()
    }

    /// The stored form of a value at `key`.
    pub(crate) fn encrypt(&self, key: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let unknown = || Error::UnknownTerm(self.active, key.to_owned());
        let cipher = self.keys.get(&self.active).ok_or_else(unknown)?;
        let mut out = Vec::with_capacity(HEADER + OVERHEAD + plain.len());
        out.extend_from_slice(&self.active.0.to_be_bytes());
        out.push(VERSION);
        cipher.seal(key.as_bytes(), plain, &mut out)?;
        Ok(out)
    }

    /// The value stored at `key`.
    pub(crate) fn decrypt(&self, key: &str, stored: &[u8]) -> Result<Secret<Vec<u8>>, Error> {
        let damaged = || Error::Damaged(key.to_owned());
        let ([t0, t1, t2, t3, version], sealed) =
            stored.split_first_chunk::<HEADER>().ok_or_else(damaged)?;
        let term = Term(u32::from_be_bytes([*t0, *t1, *t2, *t3]));
        if *version != VERSION {
            return Err(Error::NewerFormat(key.to_owned()));
        }
        let unknown = || Error::UnknownTerm(term, key.to_owned());
        let cipher = self.keys.get(&term).ok_or_else(unknown)?;
        cipher
            .open(key.as_bytes(), sealed)
            .map_err(|Unauthentic| damaged())
    }
}

impl Raw {
    fn open(root: &Cipher, sealed: &[u8]) -> Result<Self, Error> {
        // A wrong root key and a damaged keyring look the same, and neither opens anything.
        let plain = root
            .open(KEYRING.as_bytes(), sealed)
            .map_err(|Unauthentic| Error::WrongKey)?;
        Self::parse(plain.expose())
    }

    fn parse(plain: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Damaged(KEYRING.to_owned());
        let ([version, a0, a1, a2, a3], rest) =
            plain.split_first_chunk::<HEADER>().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(Error::NewerFormat(KEYRING.to_owned()));
        }
        let active = Term(u32::from_be_bytes([*a0, *a1, *a2, *a3]));
        let (records, rest) = rest.as_chunks::<36>();
        let keys: BTreeMap<_, _> = records.iter().map(Self::record).collect();
        let whole = rest.is_empty() && keys.len() == records.len() && keys.contains_key(&active);
        whole.then_some(Self { active, keys }).ok_or_else(damaged)
    }

    fn record(record: &[u8; 36]) -> (Term, Secret<[u8; 32]>) {
        let mut key = Secret::new([0; 32]);
        let mut term = [0; 4];
        for (to, from) in term.iter_mut().chain(key.expose_mut()).zip(record) {
            *to = *from;
        }
        (Term(u32::from_be_bytes(term)), key)
    }

    fn seal(&self, root: &Cipher) -> Result<Vec<u8>, Error> {
        let mut plain = Buffer::with_capacity(HEADER + 36 * self.keys.len());
        plain.push(&[VERSION]);
        plain.push(&self.active.0.to_be_bytes());
        for (term, key) in &self.keys {
            plain.push(&term.0.to_be_bytes());
            plain.push(key.expose());
        }
        let mut out = Vec::new();
        root.seal(KEYRING.as_bytes(), plain.as_slice(), &mut out)?;
        Ok(out)
    }
}

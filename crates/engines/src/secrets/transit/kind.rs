//! The types of key, by Vault's names and the numbers its backups have for them.

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Aes256,
    EcP256,
    Ed25519,
    Rsa2048,
    Rsa4096,
    ChaCha,
    EcP384,
    EcP521,
    Aes128,
    Rsa3072,
    Hmac,
    XChaCha,
}

/// Kind, name, number in backups.
const TABLE: [(Kind, &str, u64); 12] = [
    (Kind::Aes256, "aes256-gcm96", 0),
    (Kind::EcP256, "ecdsa-p256", 1),
    (Kind::Ed25519, "ed25519", 2),
    (Kind::Rsa2048, "rsa-2048", 3),
    (Kind::Rsa4096, "rsa-4096", 4),
    (Kind::ChaCha, "chacha20-poly1305", 5),
    (Kind::EcP384, "ecdsa-p384", 6),
    (Kind::EcP521, "ecdsa-p521", 7),
    (Kind::Aes128, "aes128-gcm96", 8),
    (Kind::Rsa3072, "rsa-3072", 9),
    (Kind::Hmac, "hmac", 10),
    (Kind::XChaCha, "xchacha20-poly1305", 11),
];

/// Bytes an HMAC key may have.
pub(super) const HMAC_BYTES: std::ops::RangeInclusive<u64> = 32..=512;

impl Kind {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let row = TABLE.iter().find(|(_, known, _)| *known == name);
        row.map(|(kind, ..)| *kind)
    }

    pub(super) fn numbered(number: u64) -> Option<Self> {
        let row = TABLE.iter().find(|(.., known)| *known == number);
        row.map(|(kind, ..)| *kind)
    }

    fn row(self) -> (&'static str, u64) {
        let row = TABLE.iter().find(|(kind, ..)| *kind == self);
        row.map_or(("", u64::MAX), |(_, name, number)| (name, *number))
    }

    pub(super) fn name(self) -> &'static str {
        self.row().0
    }

    pub(super) fn number(self) -> u64 {
        self.row().1
    }

    /// A cipher with associated data.
    pub(super) const fn is_aead(self) -> bool {
        matches!(
            self,
            Self::Aes128 | Self::Aes256 | Self::ChaCha | Self::XChaCha
        )
    }

    pub(super) const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    pub(super) const fn is_ec(self) -> bool {
        matches!(self, Self::EcP256 | Self::EcP384 | Self::EcP521)
    }

    pub(super) const fn encrypts(self) -> bool {
        self.is_aead() || self.is_rsa()
    }

    pub(super) const fn signs(self) -> bool {
        self.is_ec() || self.is_rsa() || matches!(self, Self::Ed25519)
    }

    /// Signs a hash of the message, and not the message.
    pub(super) const fn signs_hash(self) -> bool {
        self.is_ec() || self.is_rsa()
    }

    pub(super) const fn derives(self) -> bool {
        self.is_aead() || matches!(self, Self::Ed25519)
    }

    /// Has a public half.
    pub(super) const fn has_public(self) -> bool {
        self.signs()
    }

    /// Bytes of a symmetric key; `None` where it has no fixed length or is none.
    pub(super) const fn key_bytes(self) -> Option<usize> {
        match self {
            Self::Aes128 => Some(16),
            Self::Aes256 | Self::ChaCha | Self::XChaCha => Some(32),
            _ => None,
        }
    }

    /// Bytes of an RSA modulus.
    pub(super) const fn modulus_bytes(self) -> Option<usize> {
        match self {
            Self::Rsa2048 => Some(256),
            Self::Rsa3072 => Some(384),
            Self::Rsa4096 => Some(512),
            _ => None,
        }
    }

    /// What Vault calls the public key of a version.
    pub(super) fn public_name(self) -> &'static str {
        match self {
            Self::EcP256 => "P-256",
            Self::EcP384 => "P-384",
            Self::EcP521 => "P-521",
            other => other.name(),
        }
    }
}

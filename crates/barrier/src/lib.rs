//! Encryption of everything stored: seals, keyring, authenticated encryption

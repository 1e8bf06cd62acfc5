//! The operating system's random numbers, and text made of them.

use crate::Secret;
use zeroize::Zeroize;

/// Fills `out` from the operating system.
///
/// # Errors
/// When the kernel cannot give entropy; nothing may be minted then.
pub fn fill(out: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(out).map_err(|error| std::io::Error::other(error.to_string()))
}

/// `N` random bytes.
///
/// # Errors
/// As [`fill`].
pub fn random<const N: usize>() -> std::io::Result<Secret<[u8; N]>> {
    let mut out = Secret::new([0; N]);
    fill(out.expose_mut())?;
    Ok(out)
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `length` characters of `[0-9A-Za-z]`, without bias (bytes ≥ 248 are thrown away).
///
/// # Errors
/// As [`fill`].
pub fn random_base62(length: usize) -> std::io::Result<Secret<String>> {
    let mut text = String::with_capacity(length);
    let mut pool = [0_u8; 64];
    while text.len() < length {
        fill(&mut pool)?;
        for byte in pool {
            if byte < 248 && text.len() < length {
                text.extend(BASE62.get(usize::from(byte % 62)).map(|&c| char::from(c)));
            }
        }
    }
    pool.zeroize();
    Ok(Secret::new(text))
}

//! Specimens: texts that look like secrets and never were any.
//!
//! Rules carry examples, and a repository that held them would be refused by every hosting service. So an
//! example is a recipe: `ghp_{base62:36}` becomes a text when a test asks for it.

/// Fills in the recipe: `{ALPHABET:LENGTH}` becomes characters drawn by a fixed generator from `seed`.
///
/// Alphabets: `digits`, `hex`, `HEX`, `lower` (letters and digits), `upper` (letters and digits), `letters`,
/// `CAPITALS`, `base32`, `base62`, `base64`, `base64url`, `uuid` (no length), `bech32`. `{b64:TEXT}` is the
/// base64 of a recipe without braces inside.
#[must_use]
pub fn specimen(recipe: &str, seed: u64) -> String {
    let mut out = String::new();
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x0dd_ba11);
    let mut rest = recipe;
    while let Some(open) = rest.find('{') {
        let (plain, braced) = rest.split_at(open);
        out.push_str(plain);
        let Some(close) = braced.find('}') else {
            rest = braced;
            break;
        };
        let inside = braced.get(1..close).unwrap_or_default();
        rest = if let Some(text) = filled(inside, &mut random) {
            out.push_str(&text);
            braced.get(close + 1..).unwrap_or_default()
        } else {
            out.push('{');
            braced.get(1..).unwrap_or_default()
        };
    }
    out.push_str(rest);
    out
}

fn filled(inside: &str, random: &mut Random) -> Option<String> {
    if inside == "uuid" {
        let parts = [8, 4, 4, 4, 12].map(|length| random.text(b"0123456789abcdef", length));
        return Some(parts.join("-"));
    }
    let (alphabet, length) = inside.split_once(':')?;
    if alphabet == "b64" {
        use ::base64::Engine as _;
        return Some(::base64::engine::general_purpose::STANDARD.encode(length));
    }
    Some(random.text(characters(alphabet)?, length.parse().ok()?))
}

fn characters(alphabet: &str) -> Option<&'static [u8]> {
    Some(match alphabet {
        "digits" => b"0123456789",
        "hex" => b"0123456789abcdef",
        "HEX" => b"0123456789ABCDEF",
        "lower" => b"abcdefghijklmnopqrstuvwxyz0123456789",
        "upper" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        "letters" => b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "CAPITALS" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "base32" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "base62" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "base64" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "base64url" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        "bech32" => b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
        _ => return None,
    })
}

/// xorshift64* (Vigna, 2016): the same specimens everywhere, forever. Nothing secret comes of it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        let mut text = String::with_capacity(length);
        for _ in 0..length.min(1 << 16) {
            let at = (self.next() >> 33) as usize % alphabet.len();
            text.extend(alphabet.get(at).map(|&byte| char::from(byte)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_filled_in_the_same_way_every_time() {
        let one = specimen("ghp_{base62:36} and {uuid}", 1);
        assert_eq!(one, specimen("ghp_{base62:36} and {uuid}", 1));
        assert_ne!(one, specimen("ghp_{base62:36} and {uuid}", 2));
        assert_eq!(one.len(), 4 + 36 + 5 + 36);
        assert_eq!(specimen("${VAR} {nothing}", 1), "${VAR} {nothing}");
        assert_eq!(specimen("{b64:user:pass}", 1), "dXNlcjpwYXNz");
        assert_eq!(
            specimen("{\"a\": \"{b64:user:pass}\"}", 1),
            "{\"a\": \"dXNlcjpwYXNz\"}"
        );
    }
}

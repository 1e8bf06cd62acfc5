//! An RSA key of OpenSSH in the form that our cryptography takes (RFC 8017, appendix A.1.2).
//!
//! OpenSSH keeps n, e, d, 1/q mod p, p and q; PKCS#1 wants d mod (p-1) and d mod (q-1) as well.

use cofferdam_secret::{Buffer, Secret};

/// The numbers of a key, big-endian without sign.
pub(super) struct Numbers<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: &'a [u8],
    pub(super) d: &'a [u8],
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
    pub(super) q_inverse: &'a [u8],
}

impl Numbers<'_> {
    /// How long the modulus is.
    pub(super) fn bits(&self) -> usize {
        let zeros = self.n.iter().take_while(|byte| **byte == 0).count();
        let first = self.n.get(zeros).map_or(8, |byte| byte.leading_zeros());
        ((self.n.len() - zeros) * 8).saturating_sub(usize::try_from(first).unwrap_or_default())
    }

    /// `RSAPrivateKey` in DER.
    pub(super) fn to_der(&self) -> Secret<Vec<u8>> {
        let (dp, dq) = (self.exponent(self.p), self.exponent(self.q));
        let mut body = Buffer::with_capacity(4096);
        let numbers = [
            &[0][..],
            self.n,
            self.e,
            self.d,
            self.p,
            self.q,
            dp.expose(),
            dq.expose(),
            self.q_inverse,
        ];
        for number in numbers {
            integer(&mut body, number);
        }
        let mut out = Buffer::with_capacity(body.len() + 8);
        out.push(&[0x30]);
        length(&mut out, body.len());
        out.push(body.as_slice());
        out.finish()
    }

    /// d mod (prime - 1). A prime is odd, so taking one away clears its last bit.
    fn exponent(&self, prime: &[u8]) -> Secret<Vec<u8>> {
        let mut modulus = Secret::new(prime.to_vec());
        if let Some(last) = modulus.expose_mut().last_mut() {
            *last &= 0xfe;
        }
        remainder(self.d, modulus.expose())
    }
}

/// `value` mod `modulus`, bit by bit: it runs once a key, and nobody else can time it.
fn remainder(value: &[u8], modulus: &[u8]) -> Secret<Vec<u8>> {
    // One byte more, for the bit that doubling shifts out.
    let mut padded = Secret::new(vec![0]);
    padded.expose_mut().extend_from_slice(modulus);
    let mut rest = Secret::new(vec![0; padded.expose().len()]);
    if modulus.iter().all(|byte| *byte == 0) {
        return rest;
    }
    for bit in value
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
    {
        double(rest.expose_mut(), bit);
        if rest.expose() >= padded.expose() {
            subtract(rest.expose_mut(), padded.expose());
        }
    }
    rest
}

fn double(number: &mut [u8], mut carry: u8) {
    for byte in number.iter_mut().rev() {
        let out = *byte >> 7;
        *byte = *byte << 1 | carry;
        carry = out;
    }
}

fn subtract(number: &mut [u8], less: &[u8]) {
    let mut borrow = false;
    for (byte, less) in number.iter_mut().zip(less).rev() {
        let (first, below) = byte.overflowing_sub(*less);
        let (second, again) = first.overflowing_sub(u8::from(borrow));
        *byte = second;
        borrow = below || again;
    }
}

fn integer(out: &mut Buffer, number: &[u8]) {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = number.get(zeros..).filter(|number| !number.is_empty());
    let number = number.unwrap_or(&[0]);
    // A first bit would be a minus sign.
    let sign = number.first().is_some_and(|byte| byte & 0x80 != 0);
    out.push(&[0x02]);
    length(out, number.len() + usize::from(sign));
    if sign {
        out.push(&[0]);
    }
    out.push(number);
}

fn length(out: &mut Buffer, length: usize) {
    let bytes = length.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    if length >= 0x80 {
        out.push(&[0x80 | u8::try_from(digits.len()).unwrap_or_default()]);
    }
    out.push(if digits.is_empty() { &[0] } else { digits });
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_remainder_is_that_of_ordinary_numbers(value: u128, modulus in 1_u64..) {
            let rest = remainder(&value.to_be_bytes(), &modulus.to_be_bytes());
            let mut bytes = [0; 16];
            let rest = rest.expose();
            bytes[16 - rest.len()..].copy_from_slice(rest);
            proptest::prop_assert_eq!(u128::from_be_bytes(bytes), value % u128::from(modulus));
        }
    }

    #[test]
    fn numbers_are_written_as_der_has_them() {
        let mut out = Buffer::with_capacity(16);
        integer(&mut out, &[0, 0x80]);
        integer(&mut out, &[0, 0]);
        integer(&mut out, &[1; 200]);
        let bytes = out.finish();
        assert_eq!(bytes.expose()[..10], [2, 2, 0, 0x80, 2, 1, 0, 2, 0x81, 200]);
    }
}

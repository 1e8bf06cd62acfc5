//! How a TPM writes: big-endian numbers, and byte strings with a length of 16 bits in front (TPM 2.0
//! Library, Part 2). Reading is bounded by what is there and never believes a length.

/// What a TPM answers is at most this long (`TPM2_MAX_RESPONSE_SIZE` of the devices there are).
pub const MOST: usize = 4096;
/// `tag 2 | size 4 | code 4`.
pub(super) const HEAD: usize = 10;

pub(super) const NO_SESSIONS: u16 = 0x8001;
pub(super) const SESSIONS: u16 = 0x8002;

/// The bytes are no such structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads from the front.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next so many bytes.
    ///
    /// # Errors
    /// [`Malformed`] where there are fewer.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A byte string with its length in front (`TPM2B_…`).
    ///
    /// # Errors
    /// [`Malformed`] where it is longer than what is there.
    pub fn sized(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Nothing may follow.
    pub(super) const fn end(self) -> Result<(), Malformed> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Malformed),
        }
    }
}

/// Appends a byte string with its length in front. What we write is shorter than 64 KiB; what is not
/// is refused by the TPM for its length.
pub(super) fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// An answer without its head.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// 0: done.
    pub code: u32,
    /// Whether sessions follow the parameters.
    pub sessions: bool,
    /// What follows the head.
    pub body: &'a [u8],
}

/// Reads the head of an answer, whose length must be what it says.
///
/// # Errors
/// [`Malformed`].
pub fn answer(bytes: &[u8]) -> Result<Answer<'_>, Malformed> {
    let mut reader = Reader::new(bytes);
    let tag = reader.u16()?;
    let size = reader.u32()?;
    let code = reader.u32()?;
    // A TPM 1.2 answers what it does not understand with a tag of its own.
    let known = matches!(tag, NO_SESSIONS | SESSIONS | 0x00c4);
    if !known || usize::try_from(size) != Ok(bytes.len()) {
        return Err(Malformed);
    }
    Ok(Answer {
        code,
        sessions: tag == SESSIONS,
        body: reader.rest(),
    })
}

/// Platform configuration registers, of the SHA-256 bank: bit n is register n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pcrs(u32);

impl Pcrs {
    /// Those in a list such as `0,7`; empty: none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut mask = 0;
        for part in text.split([',', '+']).map(str::trim) {
            if part.is_empty() && text.trim().is_empty() {
                break;
            }
            // A platform has 24 of them (TCG PC Client Platform TPM Profile).
            let number = part.parse().ok().filter(|number: &u32| *number < 24)?;
            mask |= 1 << number;
        }
        Some(Self(mask))
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn to_bytes(self) -> [u8; 3] {
        let [_, high, middle, low] = self.0.to_be_bytes();
        [low, middle, high]
    }

    pub(super) const fn from_bytes([low, middle, high]: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([0, high, middle, low]))
    }

    /// `TPML_PCR_SELECTION` with one bank.
    pub(super) fn select(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&1_u32.to_be_bytes());
        out.extend_from_slice(&SHA256.to_be_bytes());
        out.push(3);
        out.extend_from_slice(&self.to_bytes());
    }

    /// What a TPM writes for a selection of one bank: of another bank, none.
    pub(super) fn selected(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut found = Self::default();
        let banks = reader.u32()?;
        // One bank was asked for.
        for _ in 0..banks.min(16) {
            let bank = reader.u16()?;
            let length = reader.u8()?;
            let bits = reader.take(usize::from(length))?;
            if let (SHA256, Some(bits)) = (bank, bits.first_chunk()) {
                found.0 |= Self::from_bytes(*bits).0;
            }
        }
        Ok(found)
    }
}

impl std::fmt::Display for Pcrs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<String> = (0..24)
            .filter(|number| self.0 & (1 << number) != 0)
            .map(|number: u32| number.to_string())
            .collect();
        out.write_str(&numbers.join(","))
    }
}

/// `TPM_ALG_SHA256`.
pub(super) const SHA256: u16 = 0x000b;

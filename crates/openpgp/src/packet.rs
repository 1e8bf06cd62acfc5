//! Packets, and the numbers in them.

use crate::Refused;

/// What is left to be read.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Refused> {
        let (taken, left) = self.0.split_at_checked(count).ok_or(Refused::NotAKey)?;
        self.0 = left;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| Refused::NotAKey)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Refused> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn short(&mut self) -> Result<usize, Refused> {
        self.array()
            .map(|bytes| usize::from(u16::from_be_bytes(bytes)))
    }

    pub(crate) fn long(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_be_bytes)
    }

    fn size(&mut self) -> Result<usize, Refused> {
        usize::try_from(self.long()?).map_err(|_| Refused::NotAKey)
    }

    /// A number of any length, without leading zeros.
    pub(crate) fn number(&mut self) -> Result<&'a [u8], Refused> {
        let bits = self.short()?;
        let bytes = self.take(bits.div_ceil(8))?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(zeros..).ok_or(Refused::NotAKey)
    }

    /// The next packet: its tag and its body. What has no length of its own is no part of a key.
    pub(crate) fn packet(&mut self) -> Result<(u8, &'a [u8]), Refused> {
        let head = self.byte()?;
        if head & 0x80 == 0 {
            return Err(Refused::NotAKey);
        }
        if head & 0x40 == 0 {
            let size = match head & 3 {
                0 => usize::from(self.byte()?),
                1 => self.short()?,
                2 => self.size()?,
                _ => return Err(Refused::NotAKey),
            };
            return Ok(((head >> 2) & 0xf, self.take(size)?));
        }
        let size = self.new_length()?;
        Ok((head & 0x3f, self.take(size)?))
    }

    fn new_length(&mut self) -> Result<usize, Refused> {
        match self.byte()? {
            first @ 0..=191 => Ok(usize::from(first)),
            first @ 192..=223 => {
                let second = self.byte()?;
                Ok((usize::from(first) - 192) * 256 + usize::from(second) + 192)
            }
            255 => self.size(),
            // In pieces: only data is.
            _ => Err(Refused::NotAKey),
        }
    }

    /// The next part of a signature's area: its kind with the bit that says it must be understood.
    pub(crate) fn subpacket(&mut self) -> Result<(u8, &'a [u8]), Refused> {
        let size = match self.byte()? {
            first @ 0..=191 => usize::from(first),
            255 => self.size()?,
            first => {
                let second = self.byte()?;
                (usize::from(first) - 192) * 256 + usize::from(second) + 192
            }
        };
        let (kind, body) = self.take(size)?.split_first().ok_or(Refused::NotAKey)?;
        Ok((*kind, body))
    }
}

/// A packet of the newer form.
pub(crate) fn written(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 6);
    out.push(0xc0 | tag);
    out.push(0xff);
    out.extend(size(body.len()).to_be_bytes());
    out.extend(body);
    out
}

/// A length as it is written. Nothing here comes near the end of the range.
pub(crate) fn size(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A number of any length as it is written.
pub(crate) fn number(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = bytes.get(zeros..).unwrap_or_default();
    let first = bytes.first().map_or(0, |first| first.leading_zeros());
    let bits =
        u16::try_from(bytes.len() * 8).unwrap_or(u16::MAX) - u16::try_from(first).unwrap_or(0);
    let mut out = bits.to_be_bytes().to_vec();
    out.extend(bytes);
    out
}

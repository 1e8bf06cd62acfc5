//! How records are stored: as JSON.

use crate::fault::Fault;
use cofferdam_secret::{Buffer, Secret};
use serde::{Deserialize, Serialize};

/// What most records need; a longer one grows without leaving a copy.
const USUAL: usize = 512;

/// Writes a record without leaving a copy.
pub(crate) fn encode(record: &impl Serialize) -> Result<Secret<Vec<u8>>, Fault> {
    let mut out = Buffer::with_capacity(USUAL);
    serde_json::to_writer(&mut out, record).map_err(Fault::internal)?;
    Ok(out.finish())
}

/// Reads a record. One that does not read is our fault, and nothing of it is repeated.
pub(crate) fn decode<'a, T: Deserialize<'a>>(value: &'a Secret<Vec<u8>>) -> Result<T, Fault> {
    serde_json::from_slice(value.expose()).map_err(Fault::unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_does_not_read_is_not_repeated() {
        let record = vec!["canary".repeat(200)];
        let bytes = encode(&record).unwrap();
        assert_eq!(decode::<Vec<String>>(&bytes).unwrap(), record);
        let fault = decode::<u64>(&bytes).unwrap_err();
        let text = format!("{} {:?}", fault.public(), fault.internal_text());
        assert!(!text.contains("canary"), "{text}");
    }
}

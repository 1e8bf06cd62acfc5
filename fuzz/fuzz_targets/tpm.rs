//! Foreign bytes as the answers of a TPM, one after another, and as what is stored of its seal.
//!
//! Whatever is answered and whatever is stored, nothing opens: the answers are not signed with a key
//! that only a TPM has.

#![no_main]

use cofferdam_barrier::RootKey;
use cofferdam_barrier::seal::Seal as _;
use cofferdam_barrier::seal::tpm::{Door, Pcrs, TpmSeal, Transport, wire};
use libfuzzer_sys::fuzz_target;
use std::io;
use std::sync::Arc;

/// Answers are `length 2 | code 1 | body`; the head is made right for most of them, so that what is
/// behind it is read.
struct Tape(Vec<u8>);

impl Door for Tape {
    fn open(&self) -> io::Result<Box<dyn Transport>> {
        Ok(Box::new(Tape(self.0.clone())))
    }

    fn name(&self) -> String {
        "tape".to_owned()
    }
}

impl Transport for Tape {
    fn exchange(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let (head, rest) = self.0.split_first_chunk::<3>().ok_or_else(ended)?;
        let length = usize::from(u16::from_be_bytes([head[0], head[1]])) % wire::MOST;
        let (body, left) = rest.split_at_checked(length).ok_or_else(ended)?;
        let answer = match head[2] {
            0..16 => body.to_vec(),
            code => {
                let size = u32::try_from(10 + body.len()).map_err(|_| ended())?;
                // Refusals that are repeated would be waited for.
                let code = if code < 240 { 0 } else { 0x80 | u32::from(code) };
                let mut answer = command[..2].to_vec();
                answer.extend_from_slice(&size.to_be_bytes());
                answer.extend_from_slice(&code.to_be_bytes());
                answer.extend_from_slice(body);
                answer
            }
        };
        let _ = wire::answer(&answer);
        self.0 = left.to_vec();
        Ok(answer)
    }

    fn alone(&self) -> bool {
        true
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&at, rest)) = bytes.split_first() else { return };
    let (stored, tape) = rest.split_at(usize::from(at).min(rest.len()));
    if let Some(pcrs) = std::str::from_utf8(stored).ok().and_then(Pcrs::parse) {
        assert_eq!(Pcrs::parse(&pcrs.to_string()), Some(pcrs));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for pcrs in ["", "7"] {
        let seal = TpmSeal::over(Arc::new(Tape(tape.to_vec())), Pcrs::parse(pcrs).expect("a list"));
        assert!(runtime.block_on(seal.unwrap(stored)).is_err());
        let root = RootKey::generate().expect("entropy");
        assert!(runtime.block_on(seal.wrap(&root)).is_err());
    }
});

//! What went wrong with a TPM, in words, with what to do next. Codes: TPM 2.0 Library, Part 2, 6.6.

use super::wire::Malformed;
use std::fmt;

/// Why there is no answer that counts.
#[derive(Debug)]
pub(super) enum Problem {
    /// Nobody is there, or the way is closed.
    Unreached(std::io::Error),
    /// No answer that a TPM gives.
    Malformed,
    /// An answer that its session's key did not sign.
    Forged,
    /// The TPM refuses.
    Refused { command: Command, code: Code },
    /// The system gave no random numbers, or the library no cipher.
    Entropy,
}

impl From<Malformed> for Problem {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// What was asked (Part 2, 6.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    CreatePrimary = 0x131,
    Create = 0x153,
    Load = 0x157,
    Unseal = 0x15e,
    FlushContext = 0x165,
    StartAuthSession = 0x176,
    GetCapability = 0x17a,
    PcrRead = 0x17e,
    PolicyPcr = 0x17f,
    PolicyGetDigest = 0x189,
}

impl Command {
    pub(super) const fn code(self) -> u32 {
        self as u32
    }
}

/// A code without what is told of parameters, sessions and layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(u32);

impl Code {
    pub(super) const fn new(raw: u32) -> Self {
        let low = raw & 0xfff;
        // Format one has its number in six bits; the others tell which parameter it is about.
        Self(if low & 0x80 != 0 { low & 0xbf } else { low })
    }

    /// Ask again: nothing was done.
    pub(super) const fn is_busy(self) -> bool {
        matches!(self.0, 0x908 | 0x909 | 0x90a | 0x920 | 0x922)
    }

    /// There is no room for one more object or session.
    pub(super) const fn is_full(self) -> bool {
        matches!(self.0, 0x902..=0x906)
    }

    /// The registers are not what the policy says.
    pub(super) const fn is_policy(self) -> bool {
        matches!(self.0, 0x9d | 0x128)
    }

    /// Not the TPM that made it.
    pub(super) const fn is_foreign(self) -> bool {
        matches!(self.0, 0x9f)
    }

    const fn words(self) -> &'static str {
        match self.0 {
            0x01e => "it is a TPM 1.2, and a TPM 2.0 is needed: name another seal",
            0x100 => {
                "it was not started: a TPM in software needs --flags startup-clear; a real one is started by \
                 the firmware: look at its settings"
            }
            0x101 => "it failed its self test: switch the machine off and on again",
            0x120 => "this is switched off in it: look at the firmware's settings",
            0x85 => "its owner hierarchy is switched off: look at the firmware's settings",
            0x8e | 0xa2 | 0x125 => {
                "its owner hierarchy has a password, which this seal does not know: take it away with: \
                 tpm2_changeauth -c owner -p PASSWORD"
            }
            0x902..=0x906 => {
                "it has no room for one more: use the device of the resource manager, /dev/tpmrm0, or \
                 clear up with: tpm2_flushcontext -t -l -s"
            }
            0x908 | 0x909 | 0x90a | 0x920 | 0x922 => "it is busy: try again later",
            0x921 => {
                "it is locked because of wrong passwords: wait, or end it with: \
                 tpm2_dictionarylockout --clear-lockout"
            }
            0x923 => "its memory cannot be written now: restart the machine",
            _ => "look up the number with: tpm2_rc_decode",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreached(error) => write!(out, "it cannot be reached ({error})"),
            Self::Malformed => out.write_str("what it answers is no answer of a TPM"),
            Self::Forged => out.write_str(
                "its answer was changed between the TPM and here: nothing is taken from it",
            ),
            Self::Refused { command, code } => write!(
                out,
                "it refuses {command:?} ({:#05x}): {}",
                code.0,
                code.words()
            ),
            Self::Entropy => out.write_str("no entropy from the operating system"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_the_same_whatever_it_is_about() {
        for raw in [0x9d, 0x99d, 0x29d, 0x1dd, 0xb_099d] {
            assert!(Code::new(raw).is_policy(), "{raw:#x}");
        }
        assert!(Code::new(0x1df).is_foreign());
        assert!(Code::new(0x922).is_busy() && !Code::new(0x922).is_full());
        assert!(Code::new(0x902).is_full());
        // Of a TPM 1.2, whose codes are its own.
        assert!(Code::new(0x1e).words().contains("1.2"));
        let said = Problem::Refused {
            command: Command::Unseal,
            code: Code::new(0x921),
        };
        assert!(
            said.to_string().contains("tpm2_dictionarylockout"),
            "{said}"
        );
    }
}

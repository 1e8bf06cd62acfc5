//! Memory that a server needed once goes back to the system.
//!
//! The allocator of glibc learns from what is freed: after one piece of 30 MiB it keeps pieces up to that
//! size for the process, and twice as much at the end of each arena. A few large bodies of a stranger would
//! make a server larger for good. Its tunables turn that off; they are read once, before anything of ours
//! runs. So a server that was started without them becomes itself once more, with them. The call for it
//! in C, `mallopt`, would be unsafe code. Other C libraries give back by themselves.

use std::env::{VarError, args_os, current_exe, var};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

const VARIABLE: &str = "GLIBC_TUNABLES";
/// Pieces of 1 MiB and more are of the system, and go back to it when they are freed.
const PIECES: (&str, &str) = ("glibc.malloc.mmap_threshold", "1048576");
/// So does what is free at the end of an arena, when it is 2 MiB: less would be taken again at once.
const END: (&str, &str) = ("glibc.malloc.trim_threshold", "2097152");

/// Starts this process anew with the tunables, where they are missing. Where that cannot be done, a
/// server that keeps more memory is better than none.
pub(crate) fn goes_back() {
    if !cfg!(target_env = "gnu") {
        return;
    }
    let (Some(tunables), Ok(program)) = (tunables(var(VARIABLE)), current_exe()) else {
        return;
    };
    let mut words = args_os();
    let mut again = Command::new(program);
    if let Some(called) = words.next() {
        again.arg0(called);
    }
    let _refused = again.args(words).env(VARIABLE, tunables).exec();
}

/// The variable as it has to be; `None` where somebody has chosen.
fn tunables(given: Result<String, VarError>) -> Option<String> {
    let given = match given {
        Ok(given) if given.contains("glibc.malloc.") => return None,
        Ok(given) => given,
        Err(VarError::NotPresent) => String::new(),
        Err(VarError::NotUnicode(_)) => return None,
    };
    let ours = [PIECES, END].map(|(name, bytes)| format!("{name}={bytes}"));
    let all = [given].into_iter().chain(ours);
    let all: Vec<_> = all.filter(|tunable| !tunable.is_empty()).collect();
    Some(all.join(":"))
}

#[cfg(test)]
mod tests {
    use super::{VarError, tunables};

    #[test]
    fn what_somebody_has_chosen_stays() {
        const OURS: &str =
            "glibc.malloc.mmap_threshold=1048576:glibc.malloc.trim_threshold=2097152";
        assert_eq!(tunables(Err(VarError::NotPresent)).as_deref(), Some(OURS));
        assert_eq!(tunables(Ok(String::new())).as_deref(), Some(OURS));
        assert_eq!(tunables(Ok(OURS.to_owned())), None, "it ends");
        assert_eq!(tunables(Ok("glibc.malloc.arena_max=1".to_owned())), None);
        let others = tunables(Ok("glibc.pthread.rseq=0".to_owned()));
        assert_eq!(others, Some(format!("glibc.pthread.rseq=0:{OURS}")));
        assert_eq!(tunables(Err(VarError::NotUnicode("x".into()))), None);
    }
}

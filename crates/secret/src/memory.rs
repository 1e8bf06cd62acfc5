//! What a process that holds secrets does to its own memory: no core dumps, no swap where the
//! system lets us. Best effort and never fatal (product rule); the outcome is shown in `status`.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// What came of [`harden_process`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryState {
    /// Core dumps and `ptrace` by the same user are off.
    pub undumpable: bool,
    /// All pages are locked: nothing reaches swap.
    pub locked: bool,
}

/// Turns off core dumps and, where `lock` is asked for and allowed, locks memory.
#[must_use]
pub fn harden_process(lock: bool) -> MemoryState {
    let no_core = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
    .is_ok();
    let undumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    let locked = lock && lock_pages();
    MemoryState {
        undumpable: no_core && undumpable,
        locked,
    }
}

fn lock_pages() -> bool {
    use rustix::mm::{MlockAllFlags, mlockall};
    // ONFAULT: lock pages as they are touched, or the whole map of the store would be resident.
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok()
}

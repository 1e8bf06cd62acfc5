//! Names of requests: version 4 UUIDs. They join a caller's message, our log and the audit records;
//! nothing rests on their being unguessable, so one read of the kernel's entropy serves many.

use std::cell::RefCell;
use uuid::{Builder, Uuid};

/// Bytes of one UUID.
const SIZE: usize = 16;
/// UUIDs from one read of the kernel's entropy: a system call for each showed in profiles.
const AT_ONCE: usize = 64;

#[derive(Default)]
struct Pool {
    bytes: Vec<u8>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// A name that no other request has.
pub(super) fn next() -> String {
    let bytes = POOL.with_borrow_mut(Pool::take);
    let id = bytes.map_or_else(Uuid::new_v4, |bytes| {
        Builder::from_random_bytes(bytes).into_uuid()
    });
    id.to_string()
}

impl Pool {
    /// Sixteen bytes that were not given before; `None` where the kernel has none.
    fn take(&mut self) -> Option<[u8; SIZE]> {
        if self.bytes.is_empty() {
            let mut fresh = vec![0; SIZE * AT_ONCE];
            cofferdam_secret::fill(&mut fresh).ok()?;
            self.bytes = fresh;
        }
        let rest = self.bytes.len().checked_sub(SIZE)?;
        let taken = self.bytes.split_off(rest);
        taken.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn no_name_comes_twice() {
        let names: HashSet<_> = (0..1000).map(|_| super::next()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == 36));
    }
}

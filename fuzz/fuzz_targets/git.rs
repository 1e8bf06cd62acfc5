//! Foreign bytes as the parts of a git repository: a pack with its index, a loose object, the index of a
//! worktree, refs. No panic, bounded work, and nothing printable that still holds an escape.

#![no_main]

use cofferdam_detect::pattern::{DigestKey, Scanner};
use cofferdam_detect::source::Limits;
use cofferdam_detect::source::git::{History, Repository, Selection, Setting};
use cofferdam_detect::{Matcher, Needles};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

struct Ready {
    scanner: Scanner,
    key: DigestKey,
    matcher: Matcher,
    git: PathBuf,
}

fn ready() -> &'static Ready {
    static READY: OnceLock<Ready> = OnceLock::new();
    READY.get_or_init(|| {
        let git = std::env::temp_dir().join(format!("cofferdam-fuzz-{}", std::process::id()));
        for directory in ["objects/pack", "objects/11", "refs"] {
            std::fs::create_dir_all(git.join(directory)).unwrap();
        }
        std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        Ready {
            scanner: Scanner::new(),
            key: DigestKey::new(&Secret::new(b"fuzz".to_vec())),
            matcher: Matcher::new(Needles::new()),
            git,
        }
    })
}

/// An index that names one object at each of the first offsets of the pack, so that bytes of the input
/// reach the reader of entries; the input may say more of it.
fn index(count: u8, more: &[u8]) -> Vec<u8> {
    let mut index = b"\xfftOc\0\0\0\x02".to_vec();
    for first in 0..=255_u32 {
        index.extend(first.min(u32::from(count)).to_be_bytes());
    }
    for number in 0..count {
        index.extend([number.wrapping_add(1); 20]);
    }
    index.extend(vec![0; 4 * usize::from(count)]);
    for number in 0..count {
        let offset = more.get(usize::from(number)).copied().unwrap_or(number);
        index.extend((12 + u32::from(offset)).to_be_bytes());
    }
    index.extend([0; 40]);
    index
}

fuzz_target!(|bytes: &[u8]| {
    let ready = ready();
    let (Some(&[what, count]), Some(rest)) = (bytes.first_chunk::<2>(), bytes.get(2..)) else {
        return;
    };
    let (more, pack) = rest.split_at(rest.len().min(usize::from(count)));
    let write = |name: &str, content: &[u8]| std::fs::write(ready.git.join(name), content).unwrap();
    let empty: &[u8] = &[];
    write("objects/pack/a.pack", &[b"PACK\0\0\0\x02\0\0\0", &[count][..], pack].concat());
    write("objects/pack/a.idx", if what & 1 == 0 { index(count, more) } else { rest.to_vec() }.as_slice());
    write("objects/11/11111111111111111111111111111111111111", if what & 2 == 0 { empty } else { rest });
    let head = [b"DIRC\0\0\0", &[2 + what % 3][..], b"\0\0\0", &[count % 4][..]].concat();
    write("index", &if what & 4 == 0 { rest.to_vec() } else { [&head, rest].concat() });
    write("packed-refs", if what & 8 == 0 { empty } else { rest });
    let Ok(repository) = Repository::open(&ready.git, &Setting::default()) else {
        return;
    };
    let progress = AtomicU64::new(0);
    let history = History {
        matcher: &ready.matcher,
        rules: Some((&ready.scanner, &ready.key)),
        limits: Limits { expanded: 8 << 20, ratio_from: 1 << 20, ..Limits::default() },
        progress: &progress,
        threads: 1,
    };
    let chosen = String::from_utf8_lossy(more).into_owned();
    let ranges = repository.range(&chosen).ok();
    for selection in [Selection::all(), Selection::staged()].iter().chain(&ranges) {
        let Ok(looked) = history.search(&repository, selection) else {
            continue;
        };
        assert!(looked.bytes <= 64 << 20);
        for gap in &looked.gaps {
            assert!(!gap.location.contains('\x1b') && !gap.reason.contains('\x1b'));
        }
        for finding in &looked.findings {
            assert!(!finding.location.contains('\x1b'));
        }
    }
});

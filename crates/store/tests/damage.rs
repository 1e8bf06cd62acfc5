//! A damaged file: each byte flipped, cut off at each offset.
//!
//! Required is that the damage is detected and named, or does not matter: whatever can still be
//! read is what was written. A crash or a wrong answer is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells its figures"
)]

use cofferdam_store::embedded::{FILE, Options};
use cofferdam_store::{Embedded, Entry, Error, Key, Revision, Span, Store, Transaction};
use std::path::Path;

/// Every how many bytes the file is damaged; 1 in CI with `COFFERDAM_DAMAGE=1`.
fn stride() -> usize {
    match std::env::var("COFFERDAM_DAMAGE") {
        Ok(stride) => stride.parse().unwrap(),
        Err(_) => 997,
    }
}

async fn everything(store: &Embedded) -> Result<(Vec<Entry>, Revision), Error> {
    let page = store.range(&Span::prefix(b""), None, usize::MAX).await?;
    Ok((page.entries, store.barrier().await?))
}

async fn filled(place: &Path) -> (Vec<Entry>, Revision) {
    let store = Embedded::open(place, Options::default()).unwrap();
    for number in 0..60_usize {
        let value = vec![number as u8; 37 * number];
        let transaction = Transaction::new()
            .put(Key::from(format!("key/{number}")), value)
            .delete(Key::from(format!("key/{}", number / 2)));
        let _ = store.commit(transaction).await.unwrap();
    }
    everything(&store).await.unwrap()
}

/// What became of opening and reading a damaged file.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Detected,
    Harmless,
}

async fn judge(place: &Path, expected: &(Vec<Entry>, Revision)) -> Outcome {
    let read = match Embedded::open(place, Options::default()) {
        Ok(store) => match everything(&store).await {
            Ok(read) => {
                for entry in &expected.0 {
                    let found = store.get(&entry.key).await.unwrap();
                    assert_eq!(found.as_ref(), Some(entry));
                }
                Ok(read)
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match read {
        Ok(read) => {
            assert!(read == *expected, "wrong data was read from a damaged file");
            Outcome::Harmless
        }
        Err(error) => {
            let text = error.to_string();
            assert!(matches!(error, Error::Damaged(_)), "{text}");
            assert!(text.contains(FILE), "the file is not named: {text}");
            Outcome::Detected
        }
    }
}

#[tokio::test]
async fn flipped_byte_is_detected_or_harmless() {
    let root = tempfile::tempdir().unwrap();
    let expected = filled(root.path()).await;
    let whole = std::fs::read(root.path().join(FILE)).unwrap();
    let (mut detected, mut harmless) = (0, 0);
    // All of redb's header, where one byte decides most, and a sample of the rest.
    let sample = (0..320).chain((320..whole.len()).step_by(stride()));
    for offset in sample {
        for flip in [0x01, 0xff] {
            let mut damaged = whole.clone();
            damaged[offset] ^= flip;
            std::fs::write(root.path().join(FILE), damaged).unwrap();
            match judge(root.path(), &expected).await {
                Outcome::Detected => detected += 1,
                Outcome::Harmless => harmless += 1,
            }
        }
    }
    println!(
        "{} bytes: {detected} detected, {harmless} harmless",
        whole.len()
    );
    assert!(detected > harmless / 20, "hardly anything is detected");
}

#[tokio::test]
async fn cut_off_file_is_detected() {
    let root = tempfile::tempdir().unwrap();
    let expected = filled(root.path()).await;
    let whole = std::fs::read(root.path().join(FILE)).unwrap();
    let (mut detected, mut harmless) = (0, 0);
    let ends = (0..320)
        .step_by(7)
        .chain((320..whole.len()).step_by(stride() * 4));
    for end in ends {
        std::fs::write(root.path().join(FILE), &whole[..end]).unwrap();
        match judge(root.path(), &expected).await {
            Outcome::Detected => detected += 1,
            Outcome::Harmless => harmless += 1,
        }
    }
    println!(
        "{} bytes: {detected} cuts detected, {harmless} harmless",
        whole.len()
    );
    assert!(detected > harmless, "hardly anything is detected");
}

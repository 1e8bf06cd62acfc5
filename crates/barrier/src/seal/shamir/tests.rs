use super::*;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use serde::Deserialize;

fn copy(share: &Secret<Vec<u8>>) -> Secret<Vec<u8>> {
    share.duplicate()
}

fn plain(share: &[u8]) -> Secret<Vec<u8>> {
    Secret::new(share.to_vec())
}

/// Multiplication as in a textbook: carry-less product, then reduction.
fn slow_multiply(left: u8, right: u8) -> u8 {
    let mut product = 0_u16;
    for bit in 0..8 {
        if right >> bit & 1 == 1 {
            product ^= u16::from(left) << bit;
        }
    }
    for bit in (8..16).rev() {
        if product >> bit & 1 == 1 {
            product ^= 0x11b << (bit - 8);
        }
    }
    product as u8
}

#[test]
fn field_is_that_of_aes() {
    // FIPS 197, section 4.2: {57} · {83} = {c1}; section 4.2.1: {57} · {13} = {fe}.
    assert_eq!(multiply(0x57, 0x83), 0xc1);
    assert_eq!(multiply(0x57, 0x13), 0xfe);
    for left in 0..=u8::MAX {
        for right in 0..=u8::MAX {
            assert_eq!(multiply(left, right), slow_multiply(left, right));
        }
        let one = multiply(left, invert(left));
        assert_eq!(one, u8::from(left != 0));
    }
}

#[derive(Deserialize)]
struct Vectors {
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    shares: u8,
    threshold: u8,
    keys: Vec<String>,
    keys_base64: Vec<String>,
}

/// All subsets of `size` of `0..count`.
fn subsets(count: usize, size: usize) -> Vec<Vec<usize>> {
    (0..1_usize << count)
        .filter(|set| set.count_ones() as usize == size)
        .map(|set| (0..count).filter(|at| set >> at & 1 == 1).collect())
        .collect()
}

#[test]
fn shares_of_a_real_server_give_one_key_whichever_are_taken() {
    let text = include_str!("../../../testdata/openbao-shares.json");
    let vectors: Vectors = serde_json::from_str(text).unwrap();
    assert_eq!(vectors.sets.len(), 4);
    for set in vectors.sets {
        let decode = |text: &String| decode(&Secret::new(text.clone())).unwrap();
        let shares: Vec<_> = set.keys.iter().map(decode).collect();
        for (share, text) in shares.iter().zip(&set.keys_base64) {
            assert_eq!(share.expose(), decode(text).expose());
            assert_eq!(to_base64(share).expose(), text);
        }
        assert_eq!(shares.len(), usize::from(set.shares));
        if set.threshold == 1 {
            assert_eq!(shares[0].len(), 32);
            continue;
        }
        let joined = |chosen: &Vec<usize>| {
            let parts: Vec<_> = chosen.iter().map(|at| copy(&shares[*at])).collect();
            combine(&parts).unwrap()
        };
        let enough = subsets(shares.len(), usize::from(set.threshold));
        let key = joined(&enough[0]);
        assert_eq!(key.len(), 32);
        for chosen in &enough {
            assert_eq!(joined(chosen).expose(), key.expose(), "{chosen:?}");
        }
        // More than enough is the same polynomial; fewer are another one.
        assert_eq!(joined(&(0..shares.len()).collect()).expose(), key.expose());
        for chosen in subsets(shares.len(), usize::from(set.threshold) - 1) {
            if chosen.len() > 1 {
                assert_ne!(joined(&chosen).expose(), key.expose(), "{chosen:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_threshold_of_shares_restores_and_one_fewer_does_not(
        secret in prop::collection::vec(any::<u8>(), 16..48),
        (shares, threshold) in (2..=20_u8).prop_flat_map(|shares| (Just(shares), 2..=shares)),
        picks in prop::collection::vec(any::<Index>(), 20),
    ) {
        let made = split(&secret, shares, threshold).unwrap();
        let mut order: Vec<usize> = (0..made.len()).collect();
        for (at, pick) in picks.iter().enumerate().take(made.len()) {
            order.swap(at, pick.index(made.len()));
        }
        let take = |count: u8| -> Vec<_> {
            order.iter().take(usize::from(count)).map(|at| copy(&made[*at])).collect()
        };
        let joined = combine(&take(threshold)).unwrap();
        prop_assert_eq!(joined.expose(), &secret);
        if threshold > 2 {
            let joined = combine(&take(threshold - 1)).unwrap();
            prop_assert_ne!(joined.expose(), &secret);
        }
    }

    #[test]
    fn every_share_has_its_own_number_and_never_zero(shares in 2..=u8::MAX) {
        let made = split(b"k", shares, 2).unwrap();
        let numbers: BTreeSet<u8> = made.iter().map(|share| share.expose()[1]).collect();
        prop_assert_eq!(numbers.len(), usize::from(shares));
        prop_assert!(!numbers.contains(&0));
    }

    #[test]
    fn shares_of_two_secrets_never_give_either(
        chosen in subsequence((0..5_usize).collect::<Vec<_>>(), 1..3),
    ) {
        let (one, other) = ([1; 32], [2; 32]);
        let (ones, others) = (split(&one, 5, 3).unwrap(), split(&other, 5, 3).unwrap());
        let mut mixed: Vec<_> = chosen.iter().map(|at| copy(&ones[*at])).collect();
        mixed.extend(others.iter().take(3 - chosen.len()).map(copy));
        if let Ok(joined) = combine(&mixed) {
            prop_assert_ne!(joined.expose(), &one);
            prop_assert_ne!(joined.expose(), &other);
        }
    }
}

#[test]
fn all_255_shares_work_together_and_apart() {
    let secret = [0x5a; 32];
    let made = split(&secret, 255, 255).unwrap();
    assert_eq!(combine(&made).unwrap().expose(), &secret);
    let fewer: Vec<_> = made.iter().take(254).map(copy).collect();
    assert_ne!(combine(&fewer).unwrap().expose(), &secret);
    let two = split(&secret, 255, 2).unwrap();
    for pair in two.windows(2) {
        let pair: Vec<_> = pair.iter().map(copy).collect();
        assert_eq!(combine(&pair).unwrap().expose(), &secret);
    }
}

#[test]
fn what_cannot_be_joined_is_refused() {
    let made = split(&[7; 32], 3, 2).unwrap();
    let refused = |shares: &[&[u8]]| {
        let shares: Vec<_> = shares.iter().map(|share| plain(share)).collect();
        combine(&shares).err()
    };
    let (one, two) = (made[0].expose(), made[1].expose());
    let mismatch = Some(ShareError::Mismatch);
    assert_eq!(refused(&[]), mismatch);
    assert_eq!(refused(&[one]), mismatch, "one is never enough");
    assert_eq!(refused(&[one, one]), mismatch, "the same twice");
    assert_eq!(refused(&[one, &two[1..]]), mismatch, "lengths differ");
    assert_eq!(refused(&[one, &[]]), mismatch);
    assert_eq!(refused(&[&[1], &[2]]), mismatch, "a number and no content");
    let zero = [&two[..32], &[0]].concat();
    assert_eq!(refused(&[one, &zero]), mismatch, "0 is where the secret is");
    let numbered = [&two[..32], &one[32..]].concat();
    assert_eq!(refused(&[one, &numbered]), mismatch, "one number twice");
}

#[test]
fn counts_that_make_no_sense_are_refused() {
    for (shares, threshold) in [(0, 0), (1, 1), (3, 1), (3, 0), (2, 3), (0, 2)] {
        assert!(split(&[1; 32], shares, threshold).is_err());
    }
    assert!(split(&[], 3, 2).is_err());
}

#[test]
fn shares_are_read_as_hex_and_as_base64() {
    let share = split(&[9; 32], 2, 2).unwrap().remove(0);
    for text in [to_hex(&share), to_base64(&share)] {
        let padded = Secret::new(format!(" {}\n", text.expose()));
        assert_eq!(decode(&padded).unwrap().expose(), share.expose());
    }
    let wrong = decode(&Secret::new("not a share!".to_owned()));
    assert_eq!(wrong.err(), Some(ShareError::Malformed));
}

#[tokio::test]
async fn wrapped_root_key_opens_with_its_own_seal_only() {
    let (seal, other) = (Shamir::generate().unwrap(), Shamir::generate().unwrap());
    let root = RootKey::generate().unwrap();
    let blob = seal.wrap(&root).await.unwrap();
    let opened = seal.unwrap(&blob).await.unwrap();
    assert_eq!(opened.bytes().expose(), root.bytes().expose());
    assert!(matches!(other.unwrap(&blob).await, Err(Error::WrongKey)));
    for at in 0..blob.len() {
        let mut damaged = blob.clone();
        damaged[at] ^= 1;
        assert!(matches!(seal.unwrap(&damaged).await, Err(Error::WrongKey)));
        assert!(seal.unwrap(&blob[..at]).await.is_err());
    }
    let only = seal.shares(1, 1).unwrap().remove(0);
    assert!(
        Shamir::new(&only).unwrap().is(&seal),
        "one share is the key itself"
    );
}

#[tokio::test]
async fn a_root_key_is_wrapped_for_people_who_are_not_here() {
    let (people, others) = (Shamir::generate().unwrap(), Shamir::generate().unwrap());
    let root = RootKey::generate().unwrap();
    let absent = people.absent().unwrap();
    assert_eq!(Absent::from_bytes(&absent.to_bytes()), Some(absent.clone()));
    let (one, two) = (absent.wrap(&root).unwrap(), absent.wrap(&root).unwrap());
    assert_ne!(one, two);
    for blob in [&one, &two, &people.wrap(&root).await.unwrap()] {
        let opened = people.unwrap(blob).await.unwrap();
        assert_eq!(opened.bytes().expose(), root.bytes().expose());
        assert!(matches!(others.unwrap(blob).await, Err(Error::WrongKey)));
    }
    for place in 0..one.len() {
        let mut changed = one.clone();
        changed[place] ^= 1;
        let opened = people.unwrap(&changed).await;
        // The highest bit of a public key counts for nothing in X25519, and is in the name all the same.
        assert!(matches!(opened, Err(Error::WrongKey)), "byte {place}");
    }
    for end in 0..one.len() {
        assert!(people.unwrap(&one[..end]).await.is_err(), "cut at {end}");
    }
    // A point that makes every agreement the same.
    let nowhere = [vec![0; 32], one[32..].to_vec()].concat();
    assert!(matches!(
        people.unwrap(&nowhere).await,
        Err(Error::WrongKey)
    ));
    let nobody = Absent::from_bytes(&[0; 32]).unwrap();
    assert!(nobody.wrap(&root).is_err());
}

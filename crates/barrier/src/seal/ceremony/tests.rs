use super::*;

fn config(shares: u8, threshold: u8) -> Config {
    Config {
        kind: "shamir".to_owned(),
        shares,
        threshold,
    }
}

fn ceremony(shares: u8, threshold: u8) -> (Shamir, Vec<Secret<Vec<u8>>>, Ceremony) {
    let seal = Shamir::generate().unwrap();
    let made = seal.shares(shares, threshold).unwrap();
    (seal, made, Ceremony::new(config(shares, threshold)))
}

fn give(ceremony: &mut Ceremony, share: &Secret<Vec<u8>>) -> Result<Step, Error> {
    ceremony.give(share.duplicate(), None)
}

fn is_empty(ceremony: &Ceremony) -> bool {
    let progress = ceremony.progress();
    progress.given == 0 && progress.nonce.is_empty() && ceremony.parts.is_empty()
}

#[test]
fn threshold_of_shares_completes_and_resets() {
    let (seal, shares, mut ceremony) = ceremony(5, 3);
    assert!(is_empty(&ceremony));
    assert!(matches!(give(&mut ceremony, &shares[4]), Ok(Step::More)));
    let nonce = ceremony.progress().nonce;
    assert_eq!(nonce.len(), 36);
    assert_eq!(&nonce[14..15], "4", "a random UUID");
    assert!(matches!(give(&mut ceremony, &shares[0]), Ok(Step::More)));
    assert_eq!(ceremony.progress().given, 2);
    assert_eq!(ceremony.progress().nonce, nonce, "one nonce a round");
    let Ok(Step::Complete(key)) = give(&mut ceremony, &shares[2]) else {
        panic!("three of three are enough")
    };
    assert!(key.is(&seal));
    assert!(is_empty(&ceremony));
    give(&mut ceremony, &shares[1]).unwrap();
    assert_ne!(
        ceremony.progress().nonce,
        nonce,
        "a new round has a new nonce"
    );
}

#[test]
fn same_share_again_is_not_counted() {
    let (_, shares, mut ceremony) = ceremony(5, 3);
    give(&mut ceremony, &shares[0]).unwrap();
    for _ in 0..5 {
        assert!(matches!(give(&mut ceremony, &shares[0]), Ok(Step::Known)));
    }
    assert_eq!(ceremony.progress().given, 1);
}

#[test]
fn one_key_for_all_needs_no_joining() {
    let (seal, shares, mut ceremony) = ceremony(1, 1);
    let Ok(Step::Complete(key)) = give(&mut ceremony, &shares[0]) else {
        panic!("the key itself was given")
    };
    assert!(key.is(&seal));
}

#[test]
fn malformed_share_changes_nothing() {
    let (_, shares, mut ceremony) = ceremony(3, 2);
    give(&mut ceremony, &shares[0]).unwrap();
    let before = ceremony.progress();
    let right = shares[1].expose();
    let zero = [&right[..32], &[0]].concat();
    let long = [&right[..], &[1]].concat();
    for wrong in [&right[..32], &[], &zero, &long, &[1; 500]] {
        let refused = ceremony.give(Secret::new(wrong.to_vec()), None);
        let malformed = matches!(refused, Err(Error::Share(ShareError::Malformed)));
        assert!(malformed, "length {}", wrong.len());
        assert_eq!(ceremony.progress(), before);
    }
}

#[tokio::test]
async fn wrong_shares_all_look_the_same() {
    use crate::seal::Seal as _;
    let (seal, shares, mut ceremony) = ceremony(5, 2);
    let root = crate::RootKey::generate().unwrap();
    let blob = seal.wrap(&root).await.unwrap();
    let foreign = Shamir::generate().unwrap().shares(5, 2).unwrap();
    let renumbered = {
        let mut share = shares[1].expose().clone();
        share[32] = shares[0].expose()[32];
        Secret::new(share)
    };
    let mut wrong_byte = shares[1].duplicate();
    wrong_byte.expose_mut()[7] ^= 1;
    let mut texts = std::collections::BTreeSet::new();
    for wrong in [&foreign[0], &renumbered, &wrong_byte] {
        give(&mut ceremony, &shares[0]).unwrap();
        let outcome = match give(&mut ceremony, wrong) {
            Ok(Step::Complete(key)) => key.unwrap(&blob).await.err(),
            Ok(_) => panic!("two of two were given"),
            Err(error) => Some(error),
        };
        texts.insert(outcome.unwrap().to_string());
        assert!(is_empty(&ceremony));
    }
    assert_eq!(texts.len(), 1, "the texts tell wrong from wrong: {texts:?}");
}

#[test]
fn share_for_a_finished_round_is_refused() {
    let (_, shares, mut ceremony) = ceremony(5, 3);
    give(&mut ceremony, &shares[0]).unwrap();
    let old = ceremony.progress().nonce;
    ceremony.reset();
    assert!(is_empty(&ceremony));
    give(&mut ceremony, &shares[1]).unwrap();
    let stale = ceremony.give(shares[2].duplicate(), Some(&old));
    assert!(matches!(stale, Err(Error::Share(ShareError::Stale))));
    assert_eq!(ceremony.progress().given, 1);
    let nonce = ceremony.progress().nonce;
    let step = ceremony.give(shares[2].duplicate(), Some(&nonce));
    assert!(matches!(step, Ok(Step::More)));
}

#[test]
fn flood_of_wrong_shares_holds_no_more_than_the_threshold() {
    let (_, _, mut ceremony) = ceremony(255, 255);
    for number in 0..2000_u32 {
        let mut share = vec![0; 33];
        share[..4].copy_from_slice(&number.to_be_bytes());
        share[32] = (number % 255) as u8 + 1;
        let _ = ceremony.give(Secret::new(share), None);
        assert!(ceremony.parts.len() < 255);
    }
}

use super::*;
use crate::label::Label;
use cofferdam_secret::Secret;
use proptest::prelude::*;

fn matcher(values: &[Vec<u8>]) -> Matcher {
    let mut needles = Needles::new();
    for (number, value) in values.iter().enumerate() {
        let label = Label::new(format!("secret/{number}"), None, "value");
        needles.add(label, &Secret::new(value.clone())).unwrap();
    }
    Matcher::new(needles)
}

/// Every needle at every offset.
fn naive(matcher: &Matcher, text: &[u8]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for start in 0..text.len() {
        for needle in matcher.needles.all() {
            if matcher.needles.begins(needle, &text[start..]) {
                hits.push(Hit {
                    end: start as u64 + u64::from(needle.length),
                    start: start as u64,
                    secret: needle.secret,
                    form: needle.form,
                });
            }
        }
    }
    hits.sort_unstable();
    hits.dedup();
    hits
}

fn streamed(matcher: &Matcher, text: &[u8], cuts: &[usize]) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut stream = matcher.stream();
    let mut from = 0;
    for &cut in cuts {
        let cut = cut.clamp(from, text.len());
        stream.push(&text[from..cut], |hit| hits.push(hit));
        from = cut;
    }
    stream.push(&text[from..], |hit| hits.push(hit));
    stream.finish(|hit| hits.push(hit));
    hits
}

/// Few different bytes, so that pieces of needles, overlaps and prefixes are common.
fn values() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let value = proptest::collection::vec(
        prop_oneof![Just(b'a'), Just(b'B'), Just(b'3'), any::<u8>()],
        8..40,
    );
    proptest::collection::vec(value, 1..12)
}

/// Text made of pieces of the values and their forms, and noise.
fn text(values: &[Vec<u8>]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let mut pieces: Vec<Vec<u8>> = values.to_vec();
    pieces.extend(
        values
            .iter()
            .map(|value| hex::encode_upper(value).into_bytes()),
    );
    pieces.extend(values.iter().map(|value| value[..value.len() / 2].to_vec()));
    let piece = prop_oneof![
        proptest::sample::select(pieces),
        proptest::collection::vec(any::<u8>(), 0..20),
        Just(b"aaaaaaaBBBB3333".to_vec()),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn finds_what_a_naive_search_finds(
        (values, text) in values().prop_flat_map(|values| {
            let text = text(&values);
            (Just(values), text)
        })
    ) {
        let matcher = matcher(&values);
        prop_assert_eq!(matcher.find(&text), naive(&matcher, &text));
    }

    #[test]
    fn chunk_boundaries_never_change_what_is_found(
        (values, text) in values().prop_flat_map(|values| {
            let text = text(&values);
            (Just(values), text)
        }),
        mut cuts in proptest::collection::vec(0..900_usize, 0..20),
    ) {
        cuts.sort_unstable();
        let matcher = matcher(&values);
        prop_assert_eq!(streamed(&matcher, &text, &cuts), matcher.find(&text));
    }
}

#[test]
fn value_across_a_block_border_is_found_once() {
    let value = b"across-the-border-Xy7".to_vec();
    let matcher = matcher(std::slice::from_ref(&value));
    for shift in 0..value.len() + 2 {
        let capacity = 64 * 1024 + matcher.longest;
        for border in [capacity, 2 * capacity - matcher.longest] {
            let at = border - shift;
            let mut text = vec![b'.'; 200_000];
            text[at..at + value.len()].copy_from_slice(&value);
            let hits = streamed(&matcher, &text, &[1, 70_000, 70_001]);
            let starts: Vec<_> = hits.iter().map(|hit| hit.start).collect();
            assert_eq!(starts, [at as u64], "shift {shift}");
        }
    }
}

#[test]
fn reader_stops_at_its_limit() {
    let matcher = matcher(&[b"limited-Pa55word".to_vec()]);
    let text = b"xxxxxxxxxxlimited-Pa55word";
    for (limit, expected) in [(26, 1), (25, 0)] {
        let mut found = 0;
        let mut stream = matcher.stream();
        let read = stream.read(&mut &text[..], limit, |_| found += 1).unwrap();
        stream.finish(|_| found += 1);
        assert_eq!((read, found), (limit, expected));
    }
}

#[test]
fn same_value_of_two_secrets_is_found_for_both() {
    let matcher = matcher(&[b"shared-Pa55word".to_vec(), b"shared-Pa55word".to_vec()]);
    let owners: Vec<_> = matcher
        .find(b"=shared-Pa55word=")
        .iter()
        .map(|hit| hit.secret.index())
        .collect();
    assert_eq!(owners, [0, 1]);
}

#[test]
fn secret_inside_another_is_found_too() {
    let matcher = matcher(&[
        b"inner-Pa55word".to_vec(),
        b"outer-inner-Pa55word-more".to_vec(),
    ]);
    let hits = matcher.find(b"outer-inner-Pa55word-more");
    assert_eq!(hits.len(), 2);
}

#[test]
fn mask_hides_a_value_in_a_name() {
    let matcher = matcher(&[
        b"inner-Pa55word".to_vec(),
        b"outer-inner-Pa55word-more".to_vec(),
    ]);
    assert_eq!(
        matcher.mask("/srv/outer-inner-Pa55word-more.env"),
        "/srv/‹secret›.env"
    );
    assert_eq!(matcher.mask("/srv/x.env"), "/srv/x.env");
}

#[test]
fn nothing_to_look_for_finds_nothing() {
    let matcher = matcher(&[b"x".to_vec()]);
    assert!(matcher.find(b"x x x").is_empty());
    assert!(streamed(&matcher, &[b'x'; 200_000], &[3]).is_empty());
}

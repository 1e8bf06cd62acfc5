use super::*;
use crate::forms::Form;
use cofferdam_secret::Secret;
use proptest::prelude::*;

fn shape(bytes: &[u8]) -> Shape {
    Shape::exact(Form::Raw, Secret::new(bytes.to_vec()))
}

fn found(text: &[u8], asked: Asked) -> Vec<(u64, usize)> {
    let mut all = Vec::new();
    each(text, asked, |word, start| all.push((word, start)));
    all
}

/// Pieces of everything that has a mark or nearly one.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let of = |pattern: &str| proptest::string::string_regex(pattern).unwrap();
    let piece = prop_oneof![
        of("[a-zA-Z0-9]{1,30}").prop_map(String::into_bytes),
        of("[0-9a-f]{1,30}").prop_map(String::into_bytes),
        of("[a-z ./_-]{1,90}").prop_map(String::into_bytes),
        of("[!-~]{1,12}").prop_map(|text| text.bytes().flat_map(|byte| [byte, 0]).collect()),
        proptest::collection::vec(any::<u8>(), 0..70),
        Just(vec![0; 70]),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// The two sides of the question: wherever a window with a mark stands in a text, its sample is met.
    #[test]
    fn every_window_with_a_mark_is_met_where_it_stands(text in text()) {
        for (length, capital) in [(6, false), (7, false), (8, false), (11, false), (12, false), (12, true)] {
            for start in 0..(text.len() + 1).saturating_sub(length) {
                let there = &text[start..start + length];
                let mut shape = shape(there);
                if capital {
                    // Hexadecimal: stored small, written large.
                    let free = |byte: &u8| if byte.is_ascii_alphabetic() { 0x20 } else { 0 };
                    shape.caseless = there.iter().map(free).collect();
                    shape.bytes.expose_mut().make_ascii_lowercase();
                }
                let Some((mark, at)) = mark(&shape) else { continue };
                let (asked, width) = match mark {
                    Mark::Turn { loose, hex } => (Asked { loose, hex }, WIDTH),
                    Mark::Digits | Mark::Wide => (Asked::default(), DOUBLE),
                };
                let sample = word(&shape.bytes.expose()[at..at + width], true);
                let met = found(&text, asked).contains(&(sample, start + at));
                prop_assert!(met, "{mark:?} of {there:?} at {start}");
            }
        }
    }

    /// What is met has a mark, and each only once: the cost of a text is what it has of them.
    #[test]
    fn nothing_else_is_met(text in text(), loose in any::<bool>()) {
        let mut before = Vec::new();
        for (word, start) in found(&text, Asked { loose, hex: true }) {
            prop_assert!(!before.contains(&(word, start)));
            before.push((word, start));
            let has = |width: usize, wanted: fn(Mark) -> bool| {
                let there = text.get(start..start + width).unwrap_or_default();
                mark(&shape(there)).is_some_and(|(mark, _)| wanted(mark))
            };
            let turn = has(WIDTH, |mark| matches!(mark, Mark::Turn { .. }));
            let double = has(SIX, |mark| !matches!(mark, Mark::Turn { .. }));
            prop_assert!(turn || double, "{:?}", &text[start..]);
        }
    }
}

#[test]
fn ordinary_text_has_few_marks_and_random_characters_have_them() {
    let words = b"pub(crate) fn ordinary_words(have: &mut Few) -> Result<(), Error> { todo() } // 2026-11-26";
    assert_eq!(found(words, Asked::default()), []);
    let request = b"\"request\":\"4be1d7d0f3a95c27\",";
    // All but one or two at a border.
    assert!(found(request, Asked::default()).len() <= 2);
    assert!(
        found(
            request,
            Asked {
                hex: true,
                ..Asked::default()
            }
        )
        .len()
            > 4
    );
    assert!(found(b"x = k3Tq9ZpL2vXw7RbN4sYc;", Asked::default()).len() > 4);
}

//! Whether two servers say the same in different words.

use cofferdam_api::Tree;

/// Lists longer than this are compared in their order.
const UNORDERED: usize = 1000;

/// Nothing, however it is written: null, empty, off, zero.
pub(super) fn is_nothing(value: Option<&Tree>) -> bool {
    match value {
        None => true,
        Some(Tree::Bool(on)) => !on,
        Some(Tree::Number(_)) => value.and_then(Tree::as_u64) == Some(0),
        Some(Tree::Text(_)) => matches!(value.and_then(Tree::as_text), Some("" | "0" | "0s")),
        Some(other) => other.is_empty(),
    }
}

/// Whether two settings mean the same. Lists of settings are sets.
pub(super) fn same_setting(left: Option<&Tree>, right: Option<&Tree>) -> bool {
    if is_nothing(left) && is_nothing(right) {
        return true;
    }
    match (left, right) {
        (Some(Tree::List(left)), Some(Tree::List(right))) => {
            left.len() == right.len()
                && if left.len() > UNORDERED {
                    left.iter().zip(right).all(|(a, b)| same_value(a, b))
                } else {
                    let within = |one: &Tree, many: &[Tree]| {
                        many.iter()
                            .any(|other| same_setting(Some(one), Some(other)))
                    };
                    left.iter().all(|one| within(one, right))
                        && right.iter().all(|one| within(one, left))
                }
        }
        (Some(left @ Tree::Map(_)), Some(right @ Tree::Map(_))) => {
            let all = |one: &Tree, other: &Tree| {
                one.entries()
                    .all(|(name, value)| same_setting(Some(value), other.get(name)))
            };
            all(left, right) && all(right, left)
        }
        // A number and its text are one setting.
        (Some(left), Some(right)) => left.value().expose() == right.value().expose(),
        _ => false,
    }
}

/// Whether two values are the same, byte for byte but for the order of names.
pub(super) fn same_value(left: &Tree, right: &Tree) -> bool {
    left.to_json().expose() == right.to_json().expose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn settings_are_the_same_in_other_words() {
        for (left, right, same) in [
            ("null", "[]", true),
            ("0", "\"0s\"", true),
            ("false", "{}", true),
            ("[1,2]", "[2,1]", true),
            ("[1,2]", "[1,1]", false),
            ("60", "\"60\"", true),
            ("{\"a\":null}", "{\"b\":\"\"}", true),
            ("{\"a\":[1]}", "{\"a\":[2]}", false),
            ("\"a\"", "\"b\"", false),
            ("true", "null", false),
        ] {
            assert_eq!(
                same_setting(Some(&tree(left)), Some(&tree(right))),
                same,
                "{left} {right}"
            );
        }
    }

    #[test]
    fn values_are_never_the_same_in_other_words() {
        for (left, right, same) in [
            ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true),
            ("{\"a\":null}", "{}", false),
            ("{\"a\":[1,2]}", "{\"a\":[2,1]}", false),
            ("{\"a\":1.0}", "{\"a\":1}", false),
        ] {
            assert_eq!(
                same_value(&tree(left), &tree(right)),
                same,
                "{left} {right}"
            );
        }
    }
}

//! NAME-3: the decision beside a model of thirty lines, on random policies.

use super::{OPERATIONS, allows};
use crate::operation::Operation;
use crate::path::Path;
use crate::policy::{Acl, Capability, CapabilitySet, Field, Policy, What};
use proptest::prelude::*;
use std::cmp::Reverse;

type Rules = Vec<(String, Vec<Capability>)>;

fn matches(pattern: &str, text: &str) -> bool {
    let open = pattern.ends_with('*');
    let want: Vec<&str> = pattern
        .strip_suffix('*')
        .unwrap_or(pattern)
        .split('/')
        .collect();
    let have: Vec<&str> = text.split('/').collect();
    let fits = |(index, (part, segment)): (usize, (&&str, &&str))| {
        *part == "+"
            || part == segment
            || open && index + 1 == want.len() && segment.starts_with(*part)
    };
    (have.len() == want.len() || open && have.len() > want.len())
        && want.iter().zip(&have).enumerate().all(fits)
}

fn is_exact(pattern: &str) -> bool {
    !pattern.ends_with('*')
        && pattern != "+"
        && !pattern.starts_with("+/")
        && !pattern.contains("/+")
}

fn rank(pattern: &str) -> (bool, usize, bool, Reverse<usize>, usize, &str) {
    let stem = pattern.strip_suffix('*').unwrap_or(pattern);
    let plus = stem.split('/').filter(|segment| *segment == "+").count();
    let segmented = !is_exact(stem);
    let first = if segmented {
        stem.find('+').unwrap()
    } else {
        stem.len()
    };
    (
        is_exact(pattern),
        first,
        !pattern.ends_with('*'),
        Reverse(plus),
        stem.len(),
        stem,
    )
}

/// The pattern that decides about a text, and what all rules for it grant.
fn deciding<'a>(rules: &'a Rules, text: &str) -> Option<(&'a str, CapabilitySet)> {
    let matching = rules
        .iter()
        .map(|(pattern, _)| pattern.as_str())
        .filter(|pattern| matches(pattern, text));
    let best = matching.max_by_key(|pattern| rank(pattern))?;
    let same = rules.iter().filter(|(pattern, _)| pattern == best);
    Some((
        best,
        same.flat_map(|(_, granted)| granted).copied().collect(),
    ))
}

fn allowed(rules: &Rules, operation: Operation, path: &str) -> bool {
    let plain = deciding(rules, path);
    let found = if matches!(operation, Operation::List | Operation::Scan) {
        let slashed = deciding(rules, &format!("{path}/"));
        if plain.is_some_and(|(_, set)| set.is_deny())
            || slashed.is_some_and(|(_, set)| set.is_deny())
        {
            return false;
        }
        let exact = |(pattern, _): &(&str, CapabilitySet)| is_exact(pattern);
        slashed
            .filter(exact)
            .or(plain.filter(exact))
            .or(slashed)
            .or(plain)
    } else {
        plain
    };
    found.is_some_and(|(_, set)| set.contains(operation.into()))
}

/// What metadata may hold, and whether it is a part of one segment and nothing else.
const VALUES: [(&str, bool); 14] = [
    ("a", true),
    ("b", true),
    ("ab", true),
    ("é", true),
    ("{{x}}", true),
    ("", false),
    ("+", false),
    ("*", false),
    ("a*", false),
    ("a/b", false),
    ("a/+", false),
    ("/a", false),
    ("..", false),
    ("a/../b", false),
];

/// One holder: what the two keys of its metadata are, if anything.
type Holder = [Option<usize>; 2];

const KEYS: [&str; 2] = [
    "{{identity.entity.metadata.k0}}",
    "{{identity.entity.metadata.k1}}",
];

/// The rules of one holder: values are put into the text; where one is not fit, what the text says
/// then is denied; without a value there is no rule.
fn resolved(rules: &Rules, holder: Holder) -> Rules {
    let mut all = Rules::new();
    'rules: for (pattern, granted) in rules {
        let (mut text, mut fit) = (pattern.clone(), true);
        for (name, value) in KEYS.iter().zip(holder) {
            if !pattern.contains(name) {
                continue;
            }
            let Some((value, good)) = value.map(|at| VALUES[at]).filter(|(v, _)| !v.is_empty())
            else {
                continue 'rules;
            };
            text = text.replace(name, value);
            fit &= good;
        }
        if fit {
            all.push((text, granted.clone()));
            continue;
        }
        let text = text.strip_prefix('/').unwrap_or(&text);
        let text = match text.contains("+*") {
            true => format!("{}*", text.split('+').next().unwrap()),
            false => text.to_owned(),
        };
        all.push((text, vec![Capability::Deny]));
    }
    all
}

fn held(policies: &[Rules], holder: Holder) -> Acl {
    let policies: Vec<Policy> = policies.iter().map(policy).collect();
    Acl::new(&policies).with(&policies, |field| {
        let Field::Entity(What::Metadata(key)) = field else {
            return None;
        };
        let at = holder[usize::from(key == "k1")];
        at.map(|at| VALUES[at].0)
    })
}

fn holder() -> impl Strategy<Value = Holder> {
    prop::array::uniform2(prop::option::weighted(0.9, 0..VALUES.len()))
}

/// Rules of which some name the holder.
fn templates() -> impl Strategy<Value = Rules> {
    let part = prop_oneof![
        3 => segment().prop_map(str::to_owned),
        2 => Just("+".to_owned()),
        2 => prop::sample::select(KEYS.to_vec()).prop_map(str::to_owned),
        1 => prop::sample::select(KEYS.to_vec()).prop_map(|key| format!("a{key}")),
        1 => Just(KEYS.concat()),
    ];
    let end = prop::sample::select(vec!["", "", "/", "*", "/*"]);
    let pattern = (prop::collection::vec(part, 1..4), end)
        .prop_map(|(parts, end)| parts.join("/") + end)
        .prop_filter("what the parser refuses", |text| !text.contains("+*"));
    prop::collection::vec((pattern, granted()), 0..6)
}

fn segment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "ab", "é"])
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(segment(), 1..5).prop_map(|segments| segments.join("/"))
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![6 => segment(), 4 => Just("+"), 1 => Just("+a"), 1 => Just("a+")];
    let end = prop::sample::select(vec!["", "", "/", "*", "/*"]);
    (prop::collection::vec(part, 0..5), end)
        .prop_map(|(parts, end)| parts.join("/") + end)
        .prop_filter("what the parser refuses", |text| {
            !text.contains("+*") && !text.starts_with('/')
        })
}

fn granted() -> impl Strategy<Value = Vec<Capability>> {
    let deny = prop::bool::weighted(0.2);
    (
        deny,
        prop::sample::subsequence(Capability::ALL.to_vec(), 0..10),
    )
        .prop_map(|(deny, mut granted)| {
            granted.retain(|capability| *capability != Capability::Deny);
            granted.extend(deny.then_some(Capability::Deny));
            granted
        })
}

fn rules() -> impl Strategy<Value = Rules> {
    prop::collection::vec((pattern(), granted()), 0..8)
}

fn policy(rules: &Rules) -> Policy {
    let mut text = String::new();
    for (pattern, granted) in rules {
        let granted: Vec<_> = granted
            .iter()
            .map(|capability| format!("\"{}\"", capability.as_str()))
            .collect();
        text += &format!(
            "path \"{pattern}\" {{ capabilities = [{}] }}\n",
            granted.join(", ")
        );
    }
    Policy::parse("web", &text).unwrap()
}

fn acl(policies: &[Rules]) -> Acl {
    Acl::new(&policies.iter().map(policy).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_decision_is_the_models(policies in prop::collection::vec(rules(), 1..4), paths in prop::collection::vec(path(), 1..6)) {
        let (acl, all) = (acl(&policies), policies.concat());
        for path in &paths {
            for operation in OPERATIONS {
                let expected = allowed(&all, operation, path);
                for form in [path.clone(), format!("{path}/")] {
                    prop_assert_eq!(allows(&acl, &form, operation), expected, "{:?} {} under {:?}", operation, form, all);
                }
            }
        }
    }

    #[test]
    fn adding_a_deny_never_grants(policies in prop::collection::vec(rules(), 1..3), denied in pattern(), path in path()) {
        let before = acl(&policies);
        let deny = vec![(denied, vec![Capability::Deny])];
        let after = acl(&[policies, vec![deny]].concat());
        for operation in OPERATIONS {
            prop_assert!(!allows(&after, &path, operation) || allows(&before, &path, operation));
        }
    }

    #[test]
    fn the_order_of_policies_does_not_matter(mut policies in prop::collection::vec(rules(), 2..5), path in path()) {
        let (plain, slashed) = (Path::parse(&path).unwrap(), Path::parse(&format!("{path}/")).unwrap());
        let forwards = acl(&policies);
        policies.reverse();
        let backwards = acl(&policies);
        for path in [plain, slashed] {
            prop_assert_eq!(forwards.capabilities(&path), backwards.capabilities(&path));
        }
    }

    #[test]
    fn a_mount_with_something_allowed_is_reached(policies in prop::collection::vec(rules(), 1..3), mount in segment(), below in path()) {
        let acl = acl(&policies);
        let whole = format!("{mount}/{below}");
        if OPERATIONS.iter().any(|operation| allows(&acl, &whole, *operation)) {
            prop_assert!(acl.reaches(&Path::parse(mount).unwrap()));
        }
    }

    #[test]
    fn the_decision_for_a_holder_is_the_models(
        plain in prop::collection::vec(rules(), 0..3),
        named in prop::collection::vec(templates(), 1..3),
        holder in holder(),
        paths in prop::collection::vec(path(), 1..6),
    ) {
        let policies = [plain, named].concat();
        let (acl, all) = (held(&policies, holder), resolved(&policies.concat(), holder));
        for path in &paths {
            for operation in OPERATIONS {
                let expected = allowed(&all, operation, path);
                for form in [path.clone(), format!("{path}/")] {
                    prop_assert_eq!(allows(&acl, &form, operation), expected, "{:?} {} under {:?}", operation, form, all);
                }
            }
        }
    }

    #[test]
    fn a_value_that_is_not_fit_allows_nothing_that_a_strangers_does_not(
        plain in prop::collection::vec(rules(), 0..3),
        named in prop::collection::vec(templates(), 1..3),
        hostile in 6..VALUES.len(),
        path in path(),
    ) {
        let policies = [plain, named].concat();
        let acl = held(&policies, [Some(hostile); 2]);
        // A value that no path has.
        let stranger = held(&policies, [Some(4); 2]);
        for operation in OPERATIONS {
            prop_assert!(!allows(&acl, &path, operation) || allows(&stranger, &path, operation));
        }
    }
}

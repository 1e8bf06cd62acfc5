use super::values::{ASKED, ASKED_EACH, BYTES, MOST};
use super::*;

fn secret(value: &str) -> Secret<Vec<u8>> {
    Secret::new(value.as_bytes().to_vec())
}

fn volume(name: &str) -> Holder {
    Holder::Volume(name.to_owned())
}

fn learn(known: &Known, holder: &Holder, path: &str, version: Option<u64>, value: &str) {
    known.learn(holder, &Label::new(path, version, "value"), &secret(value));
}

fn ask(known: &Known, container: &str, value: &str) {
    known.learn_asked(
        container,
        &Label::new("kv/db", None, "value"),
        &secret(value),
    );
}

fn unmasked(known: &Known) -> u64 {
    known.state().unmasked
}

/// Different from all others, and long enough to be searched for.
fn random(kind: &str, number: usize) -> String {
    format!("{kind}-{number:08}-Xq")
}

#[test]
fn what_was_learned_is_masked_and_stays_while_there_is_room() {
    let known = Known::new();
    let app = volume("app");
    assert_eq!(known.masks().redact(b"swordfish-77!"), b"swordfish-77!");
    learn(&known, &app, "kv/db", Some(1), "swordfish-77!");
    learn(&known, &app, "kv/db", Some(1), "swordfish-77!");
    assert_eq!(
        known.masks().redact(b"swordfish-77!"),
        "‹secret:kv/db@1›".as_bytes()
    );
    known.ended(&app);
    learn(&known, &app, "kv/db", Some(2), "marlin-2026-Xy");
    let out = known.masks().redact(b"swordfish-77! marlin-2026-Xy");
    assert_eq!(out, "‹secret:kv/db@1› ‹secret:kv/db@2›".as_bytes());
    assert!(Arc::ptr_eq(&known.masks(), &known.masks()));
    assert_eq!(unmasked(&known), 0);
}

#[test]
fn one_container_takes_no_others_place() {
    let known = Known::new();
    for number in 0..2000 {
        ask(&known, "greedy", &random("random", number));
        ask(&known, "greedy", &random("random", number / 2));
    }
    ask(&known, "modest", "marlin-2026-Xy");
    let masks = known.masks();
    let shown = |text: &str| String::from_utf8(masks.redact(text.as_bytes())).unwrap();
    assert_eq!(shown("marlin-2026-Xy"), "‹secret:kv/db›");
    assert_eq!(shown(&random("random", 0)), "‹secret:kv/db›");
    assert_eq!(shown(&random("random", 1999)), random("random", 1999));
    assert_eq!(masks.needles().entries().len(), ASKED_EACH + 1);
    assert!(unmasked(&known) > 1000, "and it is counted");
    // Its successor has a share of its own, and so has everybody after many that have ended.
    known.ended(&Holder::Asked("greedy".to_owned()));
    ask(&known, "greedy", &random("later", 0));
    assert!(known.state().values.is_consistent());
    for container in 0..ASKED / ASKED_EACH + 9 {
        let name = format!("container-{container}");
        for number in 0..ASKED_EACH {
            ask(&known, &name, &random(&name, number));
        }
        known.ended(&Holder::Asked(name));
    }
    let before = unmasked(&known);
    ask(&known, "last", &random("last", 0));
    assert_eq!(unmasked(&known), before);
    let shown = known.masks().redact(random("last", 0).as_bytes());
    assert_eq!(shown, "‹secret:kv/db›".as_bytes());
    assert!(known.state().values.is_consistent());
}

#[test]
fn a_large_value_takes_room_as_what_it_is() {
    let known = Known::new();
    for number in 0..9 {
        let value = format!("{number}{}", "Xq-17 ".repeat(100_000));
        ask(&known, "large", &value);
    }
    assert_eq!(
        unmasked(&known),
        6,
        "600 KB each, and 2 MiB for a container"
    );
    ask(&known, "other", &"much-larger ".repeat(200_000));
    assert_eq!(unmasked(&known), 7);
    assert!(known.state().values.amounts().1 < BYTES);
}

/// The order in which values go when there is no room: what nobody has, then what was replaced, the
/// oldest first; what is in use and current never does.
#[test]
fn what_nobody_needs_goes_first_and_what_is_in_use_stays() {
    let known = Known::new();
    let (app, old) = (volume("app"), volume("old"));
    learn(&known, &app, "kv/db", Some(1), "swordfish-77!");
    learn(&known, &old, "kv/gone", None, "flounder-18-Zz");
    learn(&known, &app, "kv/db", Some(2), "marlin-2026-Xy");
    known.ended(&old);
    for number in 0..MOST - 3 {
        let task = Holder::Task(format!("task-{number}"));
        learn(
            &known,
            &task,
            &format!("kv/{number}"),
            None,
            &random("task", number),
        );
    }
    assert!(known.is_tight());
    let shows = |text: &str| known.masks().redact(text.as_bytes()) == text.as_bytes();
    assert!(!shows("flounder-18-Zz"), "it is full and nothing had to go");
    learn(&known, &app, "kv/more", None, "one-more-2027-Aa");
    assert!(shows("flounder-18-Zz") && !shows("swordfish-77!") && !shows("one-more-2027-Aa"));
    learn(&known, &app, "kv/more", None, "one-more-2028-Aa");
    assert!(shows("swordfish-77!"), "replaced, and the oldest of these");
    assert!(!shows("marlin-2026-Xy") && !shows("one-more-2027-Aa"));
    learn(&known, &app, "kv/last", None, "the-last-2029-Aa");
    assert!(shows("one-more-2027-Aa") && !shows("one-more-2028-Aa"));
    assert_eq!(unmasked(&known), 0);
    // Everything is in use and current: then it is said.
    learn(&known, &app, "kv/other", None, "too-many-2030-Aa");
    assert_eq!(unmasked(&known), 1);
    assert!(shows("too-many-2030-Aa") && !shows("marlin-2026-Xy"));
    // Tasks that have just got their secret are waited for; those that are no more give room.
    known.tasks(&BTreeSet::new());
    learn(&known, &app, "kv/other", None, "too-many-2030-Aa");
    assert_eq!(unmasked(&known), 2);
    known.ended(&Holder::Task("task-7".to_owned()));
    learn(&known, &app, "kv/other", None, "too-many-2030-Aa");
    assert!(shows(&random("task", 7)) && !shows("too-many-2030-Aa"));
    assert_eq!(known.state().values.amounts().0, MOST);
    assert!(known.state().values.is_consistent());
}

#[test]
fn a_daemon_that_hands_out_values_for_years_stays_small() {
    let known = Known::new();
    for number in 0..4 * MOST {
        let task = Holder::Task(format!("task-{number}"));
        learn(
            &known,
            &task,
            "database/creds/app",
            None,
            &random("issued", number),
        );
        known.ended(&task);
    }
    assert_eq!(unmasked(&known), 0);
    assert!(known.state().values.amounts().0 <= MOST);
    let last = random("issued", 4 * MOST - 1);
    assert_ne!(known.masks().redact(last.as_bytes()), last.as_bytes());
    assert!(known.state().values.is_consistent());
}

#[test]
fn a_value_that_is_too_weak_is_counted_once() {
    let known = Known::new();
    learn(&known, &volume("app"), "kv/weak", Some(1), "test");
    learn(&known, &volume("app"), "kv/good", Some(1), "swordfish-77!");
    assert_eq!(known.masks().redact(b"test"), b"test");
    assert_eq!(unmasked(&known), 1);
    learn(&known, &volume("other"), "kv/weak", Some(1), "test");
    learn(
        &known,
        &volume("other"),
        "kv/more",
        Some(1),
        "marlin-2026-Xy",
    );
    known.masks();
    assert_eq!(unmasked(&known), 1);
}

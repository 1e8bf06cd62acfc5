use super::*;
use crate::audit::Pieces;
use crate::audit::chain::ChainKey;
use cofferdam_secret::Secret;
use proptest::prelude::*;

fn key() -> ChainKey {
    ChainKey::new(&Secret::new([7; 32]))
}

/// A log of `count` records, as lines with their ends.
fn log(count: usize) -> Vec<Vec<u8>> {
    log_after(Head::default(), count)
}

fn log_after(mut head: Head, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| {
            let mut line = Pieces::default();
            let body =
                format!("{{\"time\":\"2026-11-23T20:29:36.6Z\",\"type\":\"request\",\"n\":{n}");
            head = key().append(head, &Pieces::from(body.as_bytes()), &mut line);
            line.to_vec()
        })
        .collect()
}

fn head_of(line: &[u8]) -> Head {
    Link::parse(line.strip_suffix(b"\n").unwrap()).unwrap().head
}

fn run(lines: &[Vec<u8>], expected: &Expected) -> Report {
    verify(lines.concat().as_slice(), &key(), expected).unwrap()
}

fn findings(lines: &[Vec<u8>]) -> Vec<Finding> {
    run(lines, &Expected::default()).findings
}

#[test]
fn untouched_log_is_intact() {
    let lines = log(20);
    let report = run(
        &lines,
        &Expected {
            head: Some(head_of(&lines[19])),
            after: None,
        },
    );
    assert!(report.is_intact() && report.incomplete.is_empty());
    assert_eq!((report.lines, report.records), (20, 20));
    assert_eq!(report.last.unwrap(), head_of(&lines[19]));
    assert!(run(&[], &Expected::default()).is_intact());
}

#[test]
fn line_that_was_edited_removed_moved_or_copied_is_named() {
    let original = log(9);
    let change = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut lines = original.clone();
        change(&mut lines);
        findings(&lines)
    };
    assert_eq!(
        change(&|lines| lines[3][20] ^= 1),
        [Finding::Edited { line: 4 }]
    );
    assert_eq!(
        change(&|lines| drop(lines.remove(3))),
        [Finding::Removed {
            line: 4,
            first: 4,
            count: 1
        }]
    );
    assert_eq!(
        change(&|lines| drop(lines.drain(..2))),
        [Finding::Removed {
            line: 1,
            first: 1,
            count: 2
        }]
    );
    assert_eq!(
        change(&|lines| lines.swap(3, 4)),
        [Finding::Moved { line: 5, seq: 4 }]
    );
    assert_eq!(
        change(&|lines| {
            let line = lines.remove(1);
            lines.insert(6, line);
        }),
        [Finding::Moved { line: 7, seq: 2 }]
    );
    assert_eq!(
        change(&|lines| {
            let line = lines[1].clone();
            lines.insert(6, line);
        }),
        [Finding::Repeated { line: 7, seq: 2 }]
    );
    assert_eq!(
        change(&|lines| lines.insert(5, b"{\"time\":\"now\",\"type\":\"request\"}\n".to_vec())),
        [Finding::Foreign { line: 6 }]
    );
    assert_eq!(
        change(&|lines| lines.insert(5, b"\n".to_vec())),
        [Finding::Foreign { line: 6 }]
    );
}

#[test]
fn cut_end_is_seen_against_a_head_noted_elsewhere() {
    let lines = log(9);
    let expected = Expected {
        head: Some(head_of(&lines[8])),
        after: None,
    };
    let report = run(&lines[..6], &expected);
    assert_eq!(
        report.findings,
        [Finding::Truncated {
            last: 6,
            expected: 9
        }]
    );
    // Without such a head nobody can tell.
    assert!(run(&lines[..6], &Expected::default()).is_intact());
    // A head noted in the middle is checked when it is passed.
    let wrong = Head {
        seq: 4,
        mac: [1; 16],
    };
    let report = run(
        &lines,
        &Expected {
            head: Some(wrong),
            after: None,
        },
    );
    assert_eq!(report.findings, [Finding::Forked { line: 4, seq: 4 }]);
}

#[test]
fn parts_of_two_logs_are_a_fork() {
    let mut lines = log(5);
    let mut other = Pieces::default();
    let fork = key().append(
        Head {
            seq: 5,
            mac: [9; 16],
        },
        &Pieces::from(b"{\"time\":\"x\"".as_slice()),
        &mut other,
    );
    assert_eq!(fork.seq, 6);
    lines.push(other.to_vec());
    assert_eq!(findings(&lines), [Finding::Forked { line: 6, seq: 6 }]);
}

#[test]
fn rotated_file_goes_on_after_the_one_before() {
    let first = log(4);
    let head = head_of(&first[3]);
    let second = log_after(head, 3);
    let report = run(
        &second,
        &Expected {
            after: Some(head),
            head: None,
        },
    );
    assert!(report.is_intact());
    assert_eq!(
        findings(&second),
        [Finding::Removed {
            line: 1,
            first: 1,
            count: 4
        }]
    );
}

#[test]
fn torn_record_is_incomplete_and_not_tampering() {
    let lines = log(6);
    for cut in 1..lines[5].len() {
        let mut torn = lines[..5].to_vec();
        torn.push(lines[5][..cut].to_vec());
        let report = run(&torn, &Expected::default());
        assert!(report.is_intact(), "cut at {cut}: {:?}", report.findings);
        assert_eq!(report.incomplete, [6], "cut at {cut}");
        // The next start closes the torn line and goes on behind the last whole one.
        if cut < lines[5].len() - 1 {
            torn.push(b"\n".to_vec());
            torn.push(lines[5].clone());
            let report = run(&torn, &Expected::default());
            assert!(report.is_intact(), "cut at {cut}: {:?}", report.findings);
            assert_eq!((report.records, &report.incomplete[..]), (6, &[6][..]));
        }
    }
}

#[test]
fn log_of_another_key_is_not_taken_for_ours() {
    let lines = log(3);
    let other = ChainKey::new(&Secret::new([8; 32]));
    let report = verify(lines.concat().as_slice(), &other, &Expected::default()).unwrap();
    assert_eq!(report.findings.len(), 3);
    assert_eq!(report.records, 0);
}

fn line_of(finding: &Finding) -> u64 {
    match *finding {
        Finding::Edited { line }
        | Finding::Foreign { line }
        | Finding::Removed { line, .. }
        | Finding::Moved { line, .. }
        | Finding::Repeated { line, .. }
        | Finding::Forked { line, .. } => line,
        Finding::Truncated { last, .. } => last,
    }
}

proptest! {
    #[test]
    fn any_changed_byte_is_found_at_its_line(at in 0_usize..12, byte: prop::sample::Index, to: u8) {
        let mut lines = log(12);
        let head = head_of(&lines[11]);
        let byte = byte.index(lines[at].len());
        prop_assume!(lines[at][byte] != to);
        lines[at][byte] = to;
        let report = run(&lines, &Expected { head: Some(head), after: None });
        // A changed line end joins two lines, or tears one in two: the place is still the same.
        let near = |finding: &Finding| (at as u64..=at as u64 + 2).contains(&line_of(finding));
        let torn_end = at == 11 && report.incomplete == [12];
        prop_assert!(report.findings.iter().any(near) || torn_end, "{:?}", report);
    }

    #[test]
    fn any_removed_run_is_found_with_its_numbers(from in 0_usize..12, length in 1_usize..12) {
        let mut lines = log(12);
        let head = head_of(&lines[11]);
        let to = (from + length).min(12);
        lines.drain(from..to);
        let report = run(&lines, &Expected { head: Some(head), after: None });
        let want = if to == 12 {
            Finding::Truncated { last: from as u64, expected: 12 }
        } else {
            let (line, first) = (from as u64 + 1, from as u64 + 1);
            Finding::Removed { line, first, count: (to - from) as u64 }
        };
        prop_assert_eq!(report.findings, vec![want]);
    }

    #[test]
    fn any_exchange_of_two_lines_is_found(a in 0_usize..12, b in 0_usize..12) {
        prop_assume!(a < b);
        let mut lines = log(12);
        let head = head_of(&lines[11]);
        lines.swap(a, b);
        let report = run(&lines, &Expected { head: Some(head), after: None });
        let moved: Vec<_> = report.findings.iter().filter(|f| matches!(f, Finding::Moved { .. })).collect();
        prop_assert_eq!(report.findings.len(), moved.len());
        let places: Vec<u64> = moved.into_iter().map(line_of).collect();
        // Seen from the line that came too early, everything up to the other one is late.
        prop_assert_eq!(places, (a as u64 + 2..=b as u64 + 1).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_in_a_log_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _no_panic = verify(bytes.as_slice(), &key(), &Expected::default()).unwrap();
    }
}

//! What some commits brought.

use super::{line, token};
use flows::git::Repo;

#[test]
fn only_what_the_commits_brought_is_a_finding() {
    let repo = Repo::new(&[]);
    repo.write("old.env", line(1));
    repo.commit("old");
    repo.git(&["tag", "base"]);
    repo.write("old.env", format!("# moved down\n{}", line(1)));
    repo.write("new.env", line(2));
    let second = repo.commit("second");
    std::fs::remove_file(repo.path.join("new.env")).unwrap();
    repo.commit("third");
    repo.commit(&format!("fourth\n\n{}", line(3)));
    let scanned = repo.scan(&["-range=base..HEAD"]);
    assert_eq!(
        scanned.places(),
        ["commit message:8", "new.env:1"],
        "{}",
        scanned.shown()
    );
    assert_eq!(scanned.known, 1);
    let commit = |place: &str| {
        let found = scanned.findings.iter().find(|one| one["location"] == place);
        found.unwrap()["commit"]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(commit("new.env"), second);
    for (range, count) in [
        ("base..HEAD~2", 1),
        ("HEAD~2..HEAD~1", 0),
        ("HEAD~1..", 1),
        ("HEAD", 3),
        ("main ^base", 2),
        ("refs/heads/main ^HEAD^^{commit}", 1),
        (&format!("{}..main", &second[..8]), 1),
        ("base...HEAD", 2),
        ("HEAD..base", 0),
    ] {
        let scanned = repo.scan(&[&format!("-range={range}")]);
        assert_eq!(
            scanned.findings.len(),
            count,
            "{range}: {}",
            scanned.shown()
        );
    }
    for range in [
        "nothing..HEAD",
        "HEAD~99",
        "^HEAD",
        "HEAD^{tree}",
        "@{u}..",
        "ab..HEAD",
    ] {
        let scanned = repo.scan(&[&format!("-range={range}")]);
        assert_eq!(scanned.code(), Some(2), "{range}: {}", scanned.shown());
        assert!(scanned.shown().contains("no such commit: "), "{range}");
    }
}

#[test]
fn a_merge_is_judged_by_what_none_of_its_parents_has() {
    let repo = Repo::new(&[]);
    repo.write("a.txt", "1\n2\n3\n");
    repo.commit("base");
    repo.git(&["branch", "base"]);
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.write("side.env", line(1));
    repo.commit("side");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("main.env", line(2));
    repo.commit("main");
    repo.git(&["merge", "-q", "--no-commit", "--no-ff", "side"]);
    repo.write("evil.env", line(3));
    let merge = repo.commit("merge");
    let scanned = repo.scan(&["-range=HEAD^1..HEAD"]);
    assert_eq!(
        scanned.places(),
        ["evil.env:1", "side.env:1"],
        "{}",
        scanned.shown()
    );
    let scanned = repo.scan(&["-range=HEAD ^HEAD^1 ^HEAD^2"]);
    assert_eq!(scanned.places(), ["evil.env:1"]);
    assert_eq!(scanned.findings[0]["commit"]["id"], merge);
    assert_eq!(repo.scan(&["-range=base..HEAD"]).findings.len(), 3);
    assert_eq!(
        repo.scan(&["-range=base~0...side"]).places(),
        ["side.env:1"]
    );
}

#[test]
fn days_begin_where_they_say() {
    let repo = Repo::new(&[]);
    for (day, number) in [
        ("2024-03-01T00:00:00Z", 1),
        ("2024-03-02T00:00:00Z", 2),
        ("2024-03-03T12:00:00Z", 3),
    ] {
        repo.write(format!("{number}.env"), line(number));
        repo.git(&["add", "-A"]);
        let mut commit = repo.command(&["commit", "-q", "-m", "one"]);
        assert!(
            commit
                .env("GIT_COMMITTER_DATE", day)
                .status()
                .unwrap()
                .success()
        );
    }
    assert_eq!(
        repo.scan(&["-since=2024-03-02"]).places(),
        ["2.env:1", "3.env:1"]
    );
    assert_eq!(repo.scan(&["-since=2024-03-04"]).code(), Some(0));
    let scanned = repo.scan(&["-since=yesterday"]);
    assert_eq!(scanned.code(), Some(2));
    assert!(
        scanned
            .shown()
            .contains("hint: write it as -since=2026-11-25")
    );
    assert!(!scanned.shown().contains(&token(1)));
}

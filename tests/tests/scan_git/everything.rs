//! Every object, whoever reaches it.

use super::{line, token};
use flows::git::{Repo, Scanned};
use flows::server::bare;
use std::collections::{BTreeMap, BTreeSet};

/// Where each of the planted tokens must be found: the place, and what is said of it.
fn planted(repo: &Repo) -> BTreeMap<String, Option<&'static str>> {
    let mut places = BTreeMap::new();
    let mut expect = |place: String, note| assert!(places.insert(place, note).is_none());
    repo.write("kept/app.env", format!("# one\n{}", line(1)));
    repo.commit("first");
    expect("kept/app.env:2".to_owned(), Some("in 2 versions"));
    repo.write("gone.env", line(2));
    repo.commit("second");
    std::fs::remove_file(repo.path.join("gone.env")).unwrap();
    repo.commit("third");
    expect("gone.env:1".to_owned(), None);
    repo.commit(&format!("subject\n\n{}", line(3)));
    expect("commit message:8".to_owned(), None);
    repo.git(&["tag", "-a", "v1", "-m", &line(4)]);
    expect("message of tag v1:6".to_owned(), None);
    let head = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["notes", "add", "-m", &line(5), "HEAD"]);
    expect(format!("{head}:1"), Some("in a git note"));
    // In the stash, and in the stash below.
    repo.write(
        "kept/app.env",
        format!("# one\n{}# two\n{}", line(1), line(6)),
    );
    repo.git(&["stash", "-q"]);
    repo.write("untracked.env", line(7));
    repo.git(&["stash", "-q", "-u"]);
    expect("kept/app.env:4".to_owned(), Some("only in the stash"));
    expect("untracked.env:1".to_owned(), Some("only in the stash"));
    // On a branch that was taken back.
    repo.write("reset.env", line(8));
    repo.commit("taken back");
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    expect("reset.env:1".to_owned(), Some("only in the reflog"));
    // Below a ref of a code host.
    repo.write("pull.env", line(9));
    let pull = repo.commit("pull");
    repo.git(&["update-ref", "refs/pull/1/head", &pull]);
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    expect(
        "pull.env:1".to_owned(),
        Some("only in refs that are no branch and no tag"),
    );
    // A commit that nothing leads to: no ref and no log.
    let tree = repo.git(&["rev-parse", "refs/pull/1/head^{tree}"]);
    let lost = repo.git(&["commit-tree", &tree, "-m", &line(10)]);
    assert_eq!(lost.len(), 40);
    expect(
        "commit message:5".to_owned(),
        Some("unreachable: no ref leads here"),
    );
    // Blobs in no commit.
    repo.write("dropped.env", line(11));
    let dropped = repo.git(&["hash-object", "-w", "dropped.env"]);
    std::fs::remove_file(repo.path.join("dropped.env")).unwrap();
    expect(
        format!("object {dropped}:1"),
        Some("in no commit: see it with git cat-file -p"),
    );
    repo.write("new file.env", line(12));
    repo.git(&["add", "new file.env"]);
    expect("new file.env:1".to_owned(), Some("staged, in no commit"));
    // A name of a file.
    repo.write(format!("dir/{}", token(13)), "x");
    repo.commit("a name");
    expect("dir: a file name:0".to_owned(), None);
    // The commit above took what was staged, too.
    places.insert("new file.env:1".to_owned(), None);
    // Compressed.
    repo.write("plain.env", line(14));
    let status = std::process::Command::new("gzip")
        .arg(repo.path.join("plain.env"))
        .status()
        .unwrap();
    assert!(status.success());
    repo.commit("packed");
    places.insert("plain.env.gz:1".to_owned(), None);
    // The index of another worktree.
    let other = repo.home().join("other");
    repo.git(&["worktree", "add", "-q", "--detach", other.to_str().unwrap()]);
    std::fs::write(other.join("there.env"), line(15)).unwrap();
    repo.git_in(&other, &["add", "there.env"]);
    places.insert("there.env:1".to_owned(), Some("staged, in no commit"));
    places
}

fn compare(scanned: &Scanned, expected: &BTreeMap<String, Option<&str>>) {
    assert_eq!(scanned.code(), Some(1), "{}", scanned.shown());
    assert!(scanned.gaps.is_empty(), "{:?}", scanned.gaps);
    let places: BTreeSet<_> = scanned.places().into_iter().collect();
    let wanted: BTreeSet<_> = expected.keys().cloned().collect();
    assert_eq!(places, wanted);
    for finding in &scanned.findings {
        let place = format!(
            "{}:{}",
            finding["location"].as_str().unwrap(),
            finding["line"].as_u64().unwrap_or(0)
        );
        let note = finding["note"].as_str();
        assert_eq!(note, expected[&place], "{place}");
    }
    let all = String::from_utf8_lossy(&scanned.output.stdout);
    for number in 1..=15 {
        assert!(!all.contains(&token(number)), "{number} is shown");
    }
}

#[test]
fn all_that_a_repository_holds_is_found_loose_and_packed() {
    let repo = Repo::new(&[]);
    let expected = planted(&repo);
    let loose = repo.scan(&[]);
    compare(&loose, &expected);
    repo.git(&[
        "repack",
        "-q",
        "-A",
        "-d",
        "-f",
        "--depth=50",
        "--window=50",
    ]);
    let half = repo.scan(&[]);
    compare(&half, &expected);
    repo.git(&["repack", "-q", "-a", "-d", "--keep-unreachable"]);
    let packed = repo.scan(&[]);
    compare(&packed, &expected);
    assert_eq!(loose.findings, packed.findings);
    // From a directory inside, and by its own directory.
    compare(&repo.scan_in(&repo.path.join("kept"), &[]), &expected);
    compare(&repo.scan_in(repo.home(), &["repo/.git"]), &expected);
}

#[test]
fn sha256_repositories_are_read_alike() {
    let repo = Repo::new(&["--object-format=sha256"]);
    repo.write("a/app.env", line(1));
    let first = repo.commit("first");
    repo.write("a/app.env", format!("{}{}", "x\n".repeat(200), line(2)));
    repo.commit(&line(3));
    for _ in 0..2 {
        let scanned = repo.scan(&[]);
        assert_eq!(
            scanned.places(),
            ["a/app.env:1", "a/app.env:201", "commit message:6"],
            "{}",
            scanned.shown()
        );
        assert_eq!(scanned.findings[0]["commit"]["id"], first);
        assert!(scanned.gaps.is_empty());
        repo.git(&["gc", "-q"]);
    }
    assert_eq!(repo.scan(&["-range=HEAD~1..HEAD"]).findings.len(), 2);
    repo.write("b.env", line(4));
    repo.git(&["add", "."]);
    assert_eq!(repo.scan(&["-staged"]).places(), ["b.env:1"]);
}

/// A small generator, so that a failure can be seen again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// A history of many small edits, through `git fast-import`; what each commit's files hold.
fn history(repo: &Repo, commits: usize) -> Vec<BTreeMap<String, Vec<String>>> {
    use std::fmt::Write as _;
    use std::io::Write as _;
    let mut dice = Dice(7);
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut stream = String::new();
    let mut all = Vec::new();
    let mut next = 1;
    for number in 0..commits {
        let name = format!(
            "d{}/s{}/f{}.conf",
            dice.below(3),
            dice.below(2),
            dice.below(4)
        );
        let lines = files.entry(name).or_insert_with(|| {
            (0..60)
                .map(|line| format!("setting_{line} = value {}", line * 7919 % 1000))
                .collect()
        });
        for _ in 0..=dice.below(4) {
            let at = dice.below(lines.len());
            match dice.below(7) {
                0 => {
                    lines.insert(at, format!("api = {}", token(next)));
                    next += 1;
                }
                1 => lines.retain(|line| !line.starts_with("api")),
                2 => {
                    let block: Vec<_> = lines.iter().skip(at).take(12).cloned().collect();
                    lines.extend(block);
                }
                3 if lines.len() > 20 => drop(lines.drain(at..(at + 5).min(lines.len()))),
                _ => lines.insert(at, format!("edited {number} {}", dice.below(100_000))),
            }
            if lines.is_empty() {
                lines.push("empty".to_owned());
            }
        }
        let message = format!("commit {number}");
        let _ = write!(
            stream,
            "commit refs/heads/main\ncommitter Jo Doe <jo@example.org> {} +0000\ndata {}\n{message}\ndeleteall\n",
            1_700_000_000 + number / 2,
            message.len()
        );
        for (name, lines) in &files {
            let text = lines.join("\n") + "\n";
            let _ = write!(
                stream,
                "M 100644 inline {name}\ndata {}\n{text}\n",
                text.len()
            );
        }
        all.push(files.clone());
    }
    let mut import = repo.command(&["fast-import", "--quiet"]);
    let mut import = import.stdin(std::process::Stdio::piped()).spawn().unwrap();
    import
        .stdin
        .take()
        .unwrap()
        .write_all(stream.as_bytes())
        .unwrap();
    assert!(import.wait().unwrap().success());
    all
}

#[test]
fn the_first_commit_of_every_value_is_named_as_in_a_search_of_every_file_of_every_commit() {
    let repo = Repo::new(&[]);
    let all = history(&repo, 250);
    let order = repo.git(&["log", "--reverse", "--topo-order", "--format=%H", "main"]);
    let ids: Vec<_> = order.lines().collect();
    assert_eq!(ids.len(), all.len());
    // The first commit and the first line of every token in every file.
    let mut expected = BTreeSet::new();
    let mut met = BTreeSet::new();
    for (files, id) in all.iter().zip(&ids) {
        for (name, lines) in files {
            let mut here = BTreeSet::new();
            for (number, line) in lines.iter().enumerate() {
                if line.starts_with("api")
                    && met.insert((name.clone(), line.clone()))
                    && here.insert(line.clone())
                {
                    expected.insert((name.clone(), number as u64 + 1, (*id).to_owned()));
                }
            }
        }
    }
    assert!(expected.len() > 40, "{}", expected.len());
    for way in [
        &["repack", "-q", "-a", "-d", "-f", "--depth=50"][..],
        &[
            "repack",
            "-q",
            "-a",
            "-d",
            "-f",
            "--depth=4000",
            "--window=30",
        ],
        &["repack", "-q", "-a", "-d", "-f", "--depth=0"],
    ] {
        repo.git(way);
        let scanned = repo.scan(&[]);
        let found: BTreeSet<_> = scanned
            .findings
            .iter()
            .map(|finding| {
                (
                    finding["location"].as_str().unwrap().to_owned(),
                    finding["line"].as_u64().unwrap(),
                    finding["commit"]["id"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        assert_eq!(found, expected, "{way:?}");
        assert!(scanned.gaps.is_empty());
        // A person can open it.
        for (name, line, id) in found.iter().step_by(25) {
            let text = repo.git(&["show", &format!("{id}:{name}")]);
            assert!(
                text.lines()
                    .nth(*line as usize - 1)
                    .unwrap()
                    .starts_with("api = ghp_")
            );
        }
    }
}

#[test]
fn names_of_files_decide_as_they_do_in_a_directory() {
    let repo = Repo::new(&[]);
    let weak = "password = kFs8jq2Lm7Zx\n";
    repo.write("conf/app.conf", weak);
    repo.write("code/app.py", weak);
    repo.write("yarn.lock", weak);
    repo.commit("one text, three names");
    repo.write("only/code.rs", "password = other9Kxz1LmQ\n");
    repo.commit("code only");
    for _ in 0..2 {
        let scanned = repo.scan(&[]);
        assert_eq!(scanned.places(), ["conf/app.conf:1"], "{}", scanned.shown());
        repo.git(&["gc", "-q"]);
    }
    // Rules of a user that are about paths and names.
    std::fs::write(
        repo.home().join("rules.toml"),
        "[[rules]]\nid = \"in-conf\"\nregex = '''kFs8[a-zA-Z0-9]+'''\npath = '''^conf/'''\n\
         [[rules]]\nid = \"a-key-file\"\npath = '''\\.rs$'''\n\
         [[rules]]\nid = \"not-there\"\nregex = '''other9[a-zA-Z0-9]+'''\n[[rules.allowlists]]\npaths = ['''^only/''']\n",
    )
    .unwrap();
    let config = format!("-config={}", repo.home().join("rules.toml").display());
    let scanned = repo.scan(&[&config]);
    assert_eq!(
        scanned.places(),
        ["conf/app.conf:1", "only/code.rs:0"],
        "{}",
        scanned.shown()
    );
}

#[test]
fn what_is_known_stays_known() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    let first = repo.commit("first");
    let known = repo.home().join("known.json").display().to_string();
    assert_eq!(
        repo.scan(&[&format!("-write-baseline={known}")]).code(),
        Some(0)
    );
    let text = std::fs::read_to_string(&known).unwrap();
    assert!(
        !text.contains(&token(1)) && !text.contains("ghp_"),
        "{text}"
    );
    // It moves, and another one comes into the same line.
    std::fs::create_dir(repo.path.join("moved")).unwrap();
    repo.git(&["mv", "a.env", "moved/b.env"]);
    repo.commit("moved");
    let baseline = format!("-baseline={known}");
    let scanned = repo.scan(&[&baseline]);
    assert_eq!(
        (scanned.code(), scanned.known),
        (Some(0), 1),
        "{}",
        scanned.shown()
    );
    repo.write("moved/b.env", format!("A={} B={}\n", token(1), token(2)));
    let second = repo.commit("beside it");
    let scanned = repo.scan(&[&baseline]);
    assert_eq!(scanned.places(), ["moved/b.env:1"]);
    assert_eq!(scanned.findings[0]["commit"]["id"], second);
    assert_eq!(
        repo.scan(&[&baseline, "-range=HEAD~1..HEAD"]).places(),
        ["moved/b.env:1"]
    );
    // A list in gitleaks' form names commit, file, rule and line.
    let list =
        format!("{first}:a.env:github-ghp-token:1\n{second}:moved/b.env:github-ghp-token:1\n");
    repo.write(".gitleaksignore", list);
    let scanned = repo.scan(&[]);
    assert_eq!(
        (scanned.code(), scanned.known),
        (Some(0), 3),
        "{}",
        scanned.shown()
    );
    repo.write(
        ".gitleaksignore",
        format!("{first}:moved/b.env:github-ghp-token:1\n"),
    );
    assert_eq!(repo.scan(&[]).findings.len(), 3);
}

#[test]
fn every_form_of_output_names_the_commit() {
    let repo = Repo::new(&[]);
    repo.write("a.env", line(1));
    let id = repo.commit("first");
    for (form, wanted) in [
        ("text", format!("commit {} of 2", &id[..12])),
        ("json", id.clone()),
        ("yaml", id.clone()),
        ("sarif", id.clone()),
        ("junit", id[..12].to_owned()),
        ("github", id[..12].to_owned()),
        ("gitlab", id.clone()),
    ] {
        let output = bare(repo.home())
            .args(["scan", "git", &format!("-format={form}"), "repo"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&wanted), "{form}: {text}");
        assert!(!text.contains(&token(1)));
    }
    let output = bare(repo.home())
        .args(["scan", "git", "repo"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("by Jo Doe"));
}

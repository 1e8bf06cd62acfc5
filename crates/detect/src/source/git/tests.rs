//! What is said of a repository hangs on the repository, and not on which thread came first.

use super::*;
use crate::label::Label;
use crate::needles::Needles;
use crate::pattern::{Finding, specimen};
use cofferdam_secret::Secret;
use sha1::Digest as _;
use std::io::Write as _;

/// How often a search is made: what goes by chance must not pass by chance.
const TIMES: usize = 16;

/// A repository of loose objects, written as git writes them.
struct Loose(tempfile::TempDir);

impl Loose {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("objects")).unwrap();
        std::fs::create_dir_all(root.path().join("refs/heads")).unwrap();
        std::fs::write(root.path().join("HEAD"), "ref: refs/heads/main\n").unwrap();
        Self(root)
    }

    fn object(&self, kind: &str, content: &[u8]) -> String {
        let mut text = format!("{kind} {}\0", content.len()).into_bytes();
        text.extend_from_slice(content);
        let id = hex::encode(sha1::Sha1::digest(&text));
        let (first, rest) = id.split_at(2);
        let directory = self.0.path().join("objects").join(first);
        std::fs::create_dir_all(&directory).unwrap();
        let file = std::fs::File::create(directory.join(rest)).unwrap();
        let mut file = flate2::write::ZlibEncoder::new(file, flate2::Compression::fast());
        file.write_all(&text).unwrap();
        file.finish().unwrap();
        id
    }

    /// A tree of one file.
    fn tree(&self, name: &str, blob: &str) -> String {
        let mut tree = format!("100644 {name}\0").into_bytes();
        tree.extend(hex::decode(blob).unwrap());
        self.object("tree", &tree)
    }

    fn commit(&self, tree: &str, parent: Option<&str>, time: u64, message: &str) -> String {
        let parent = parent.map_or_else(String::new, |parent| format!("parent {parent}\n"));
        let person = format!("Jo Doe <jo@example.org> {time} +0000");
        let head = format!("tree {tree}\n{parent}author {person}\ncommitter {person}\n");
        self.object("commit", format!("{head}\n{message}\n").as_bytes())
    }

    fn branch(&self, commit: &str) {
        std::fs::write(self.0.path().join("refs/heads/main"), commit).unwrap();
    }

    /// Puts everything that a branch reaches into a pack.
    fn pack(&self) {
        let packed = std::process::Command::new("git")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.0.path())
            .args(["-c", "safe.bareRepository=all", "--git-dir"])
            .arg(self.0.path())
            .args(["repack", "-q", "-a", "-d"])
            .status();
        assert!(packed.unwrap().success());
    }

    fn search(&self, matcher: &Matcher) -> Looked {
        let scanner = Scanner::new();
        let key = DigestKey::new(&Secret::new(b"order".to_vec()));
        let history = History {
            matcher,
            rules: Some((&scanner, &key)),
            limits: Limits::default(),
            progress: &AtomicU64::new(0),
            threads: 4,
        };
        let repository = Repository::open(self.0.path(), &Setting::default()).unwrap();
        history.search(&repository, &Selection::all()).unwrap()
    }

    fn findings(&self) -> Vec<Finding> {
        self.search(&Matcher::new(Needles::new())).findings
    }
}

/// Amending, rebasing and picking leave a message in several commits.
#[test]
fn of_commits_with_one_message_the_first_that_a_branch_reaches_is_named() {
    let repository = Loose::new();
    let tree = repository.object("tree", b"");
    let message = specimen("TOKEN=ghp_{base62:36}", 1);
    let first = repository.commit(&tree, None, 2000, "first");
    let named = repository.commit(&tree, Some(&first), 3000, &message);
    let picked = repository.commit(&tree, Some(&named), 4000, &message);
    repository.branch(&picked);
    // One that was amended away is older, and reached by nothing.
    repository.commit(&tree, None, 1000, &message);
    for _ in 0..TIMES {
        let findings = repository.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        let finding = &findings[0];
        assert_eq!(finding.commit.as_ref().unwrap().id, named);
        assert_eq!(finding.line, Some(6));
        assert_eq!(finding.note.as_deref(), Some("in 3 versions"));
    }
}

#[test]
fn tags_of_one_name_are_named_in_one_order() {
    let repository = Loose::new();
    let tree = repository.object("tree", b"");
    let commit = repository.commit(&tree, None, 1000, "first");
    repository.branch(&commit);
    let message = specimen("TOKEN=ghp_{base62:36}", 2);
    let tag = |time: u64| {
        let text = format!(
            "object {commit}\ntype commit\ntag v1\ntagger Jo Doe <jo@example.org> {time} +0000\n\n{message}\n"
        );
        repository.object("tag", text.as_bytes())
    };
    let first = [tag(1000), tag(2000), tag(3000)].into_iter().min().unwrap();
    for _ in 0..TIMES {
        let findings = repository.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].commit.as_ref().unwrap().id, first);
    }
}

#[test]
fn places_of_a_stored_value_and_gaps_have_one_order() {
    const VALUE: &str = "planted-Xy7-Pa55word";
    let repository = Loose::new();
    for number in 0..400 {
        repository.object("blob", format!("{number}\n{VALUE}\n").as_bytes());
        let large = format!("version https://git-lfs.github.com/spec/v1\n{number}");
        repository.object("blob", large.as_bytes());
    }
    let mut needles = Needles::new();
    let value = Secret::new(VALUE.as_bytes().to_vec());
    needles
        .add(Label::new("secret/app/DB", Some(1), "value"), &value)
        .unwrap();
    let matcher = Matcher::new(needles);
    let once = repository.search(&matcher);
    let locations: Vec<_> = once.exposed.values().flat_map(|one| &one.at).collect();
    assert_eq!(locations.len(), 400);
    assert!(locations.is_sorted_by_key(|at| &at.location));
    assert_eq!((once.gaps.len(), once.more_gaps), (100, 300));
    for _ in 0..4 {
        let again = repository.search(&matcher);
        assert_eq!(again.exposed, once.exposed);
        assert_eq!(again.gaps, once.gaps);
    }
}

/// In code a text without quotes is no value. It is one as soon as any commit calls the file otherwise, be
/// that commit in a pack or not.
#[test]
fn a_name_in_a_loose_tree_counts_for_a_blob_in_a_pack() {
    let repository = Loose::new();
    let text = specimen("db_password = {base62:30}\n", 3);
    let blob = repository.object("blob", text.as_bytes());
    let code = repository.tree("settings.py", &blob);
    let first = repository.commit(&code, None, 1000, "first");
    repository.branch(&first);
    assert!(repository.findings().is_empty());
    repository.pack();
    let tree = repository.tree("settings.env", &blob);
    repository.branch(&repository.commit(&tree, Some(&first), 2000, "second"));
    for _ in 0..TIMES {
        let findings = repository.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].location, "settings.env");
    }
}

#[test]
fn an_object_that_lies_in_a_pack_and_alone_is_one() {
    let repository = Loose::new();
    let text = specimen("TOKEN=ghp_{base62:36}\n", 4);
    let blob = repository.object("blob", text.as_bytes());
    let tree = repository.tree("app.env", &blob);
    repository.branch(&repository.commit(&tree, None, 1000, "first"));
    repository.pack();
    assert_eq!(repository.object("blob", text.as_bytes()), blob);
    for _ in 0..TIMES {
        let findings = repository.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].note, None);
    }
}

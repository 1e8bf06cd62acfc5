//! What a repository calls by name: refs, heads of worktrees, and their logs.

use super::object::Id;
use super::place::{Place, names, regular, text};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// Refs that are read.
const MOST: usize = 1_000_000;

/// Deepest directory of refs.
const DEEPEST: u32 = 30;

/// Longest log, and longest list of packed refs.
const LONGEST: u64 = 256 << 20;

/// Heads that git leaves beside `HEAD`.
const HEADS: &[&str] = &[
    "HEAD",
    "ORIG_HEAD",
    "FETCH_HEAD",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "BISECT_HEAD",
    "AUTO_MERGE",
];

/// How something is reached, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// From a branch, a tag, a remote's branch, or where a worktree stands.
    Ref,
    /// From another ref only.
    OtherRef,
    Note,
    Stash,
    /// From a log of where refs were.
    Log,
    /// From nothing.
    Nothing,
}

impl Reach {
    /// What a person should know about it.
    pub(super) const fn note(self) -> Option<&'static str> {
        match self {
            Self::Ref => None,
            Self::OtherRef => Some("only in refs that are no branch and no tag"),
            Self::Note => Some("in a git note"),
            Self::Stash => Some("only in the stash"),
            Self::Log => Some("only in the reflog"),
            Self::Nothing => Some("unreachable: no ref leads here"),
        }
    }

    fn of(name: &str) -> Self {
        if name == "refs/stash" {
            Self::Stash
        } else if name.starts_with("refs/notes/") {
            Self::Note
        } else if ["refs/heads/", "refs/tags/", "refs/remotes/"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || !name.contains('/')
        {
            Self::Ref
        } else {
            Self::OtherRef
        }
    }
}

/// Names and what they stand for.
#[derive(Default)]
pub(super) struct Refs {
    by_name: BTreeMap<String, Id>,
    logged: Vec<(Reach, Id)>,
}

impl Refs {
    /// Refs only, without the logs.
    pub(super) fn read(place: &Place) -> Self {
        let mut refs = Self::default();
        refs.packed(place);
        for root in [&place.common, &place.git] {
            refs.directory(root, "refs", DEEPEST);
            for head in HEADS {
                refs.file(root, head, head);
            }
        }
        for worktree in names(&place.common.join("worktrees")).unwrap_or_default() {
            let name = worktree.to_string_lossy().into_owned();
            let root = place.common.join("worktrees").join(&worktree);
            for head in HEADS {
                refs.file(&root, head, &format!("{head}@{}", name.replace('/', "_")));
            }
        }
        // What belongs to this worktree wins.
        refs.file(&place.git, "HEAD", "HEAD");
        refs
    }

    /// Adds where refs were once.
    pub(super) fn read_logs(&mut self, place: &Place) {
        let mut roots = vec![place.common.join("logs")];
        if place.git != place.common {
            roots.push(place.git.join("logs"));
        }
        for worktree in names(&place.common.join("worktrees")).unwrap_or_default() {
            roots.push(place.common.join("worktrees").join(worktree).join("logs"));
        }
        for root in roots {
            self.logs(&root, "", DEEPEST);
        }
        self.logged
            .sort_unstable_by_key(|(reach, id)| (*reach, *id));
        self.logged.dedup();
    }

    fn logs(&mut self, root: &Path, below: &str, deep: u32) {
        for name in names(&root.join(below)).unwrap_or_default() {
            let inner = if below.is_empty() {
                name.to_string_lossy().into_owned()
            } else {
                format!("{below}/{}", name.to_string_lossy())
            };
            let path = root.join(&inner);
            if let Ok(file) = regular(&path) {
                // A stash below the first is kept in the log alone: there it is what it is.
                let reach = if inner == "refs/stash" {
                    Reach::Stash
                } else {
                    Reach::Log
                };
                for line in BufReader::new(file.take(LONGEST))
                    .split(b'\n')
                    .map_while(Result::ok)
                {
                    let ids = line
                        .split(|&byte| byte == b' ')
                        .take(2)
                        .filter_map(Id::parse);
                    self.logged
                        .extend(ids.filter(|id| !id.is_null()).map(|id| (reach, id)));
                }
            } else if deep > 0 {
                self.logs(root, &inner, deep - 1);
            }
        }
    }

    fn packed(&mut self, place: &Place) {
        let Ok(file) = regular(&place.common.join("packed-refs")) else {
            return;
        };
        for line in BufReader::new(file.take(LONGEST))
            .split(b'\n')
            .map_while(Result::ok)
        {
            let parts = memchr::memchr(b' ', &line).and_then(|at| line.split_at_checked(at));
            if let Some((id, name)) = parts
                && let Some(id) = Id::parse(id)
            {
                self.insert(String::from_utf8_lossy(name).trim().to_owned(), id);
            }
        }
    }

    fn insert(&mut self, name: String, id: Id) {
        if self.by_name.len() < MOST {
            self.by_name.insert(name, id);
        }
    }

    fn directory(&mut self, root: &Path, below: &str, deep: u32) {
        for name in names(&root.join(below)).unwrap_or_default() {
            let inner = format!("{below}/{}", name.to_string_lossy());
            if root
                .join(&inner)
                .symlink_metadata()
                .is_ok_and(|kind| kind.is_dir())
            {
                if deep > 0 {
                    self.directory(root, &inner, deep - 1);
                }
            } else {
                self.file(root, &inner, &inner);
            }
        }
    }

    /// One file that holds an id, or the name of another ref.
    fn file(&mut self, root: &Path, file: &str, name: &str) {
        let Ok(text) = text(&root.join(file)) else {
            return;
        };
        let word = |line: &str| {
            Id::parse(
                line.split(['\t', ' '])
                    .next()
                    .unwrap_or_default()
                    .as_bytes(),
            )
        };
        if let Some(other) = text.strip_prefix("ref: ") {
            if let Some(id) = self.by_name.get(other.trim_end()) {
                self.insert(name.to_owned(), *id);
            }
        } else if let Some(id) = text.lines().next().and_then(word) {
            self.insert(name.to_owned(), id);
        }
    }

    /// What a name stands for, by the rules of `gitrevisions(7)`.
    pub(super) fn resolve(&self, name: &str) -> Option<Id> {
        let name = if name == "@" { "HEAD" } else { name };
        let forms = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"];
        let mut forms = forms.iter().map(|prefix| format!("{prefix}{name}"));
        let found = forms.find_map(|form| self.by_name.get(&form));
        found
            .or_else(|| self.by_name.get(&format!("refs/remotes/{name}/HEAD")))
            .copied()
    }

    /// `HEAD` alone.
    pub(super) fn head(place: &Place) -> Self {
        let mut refs = Self::default();
        let head = text(&place.git.join("HEAD")).unwrap_or_default();
        if let Some(name) = head.strip_prefix("ref: ").map(str::trim_end) {
            let safe = name.starts_with("refs/")
                && !name.split('/').any(|part| matches!(part, ".." | "." | ""));
            if safe {
                refs.file(&place.common, name, name);
                refs.file(&place.git, name, name);
            }
            if refs.by_name.is_empty() {
                refs.packed(place);
            }
            if let Some(id) = refs.by_name.get(name).copied() {
                refs.insert("HEAD".to_owned(), id);
            }
        } else {
            refs.file(&place.git, "HEAD", "HEAD");
        }
        refs
    }

    /// What the refs below a name stand for.
    pub(super) fn below(&self, prefix: &str) -> Vec<Id> {
        let found = self
            .by_name
            .iter()
            .filter(|(name, _)| !prefix.is_empty() && name.starts_with(prefix));
        found.map(|(_, id)| *id).collect()
    }

    /// The commits of merges that are going on.
    pub(super) fn merging(place: &Place) -> Vec<Id> {
        let heads = ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"];
        let texts = heads
            .iter()
            .filter_map(|head| text(&place.git.join(head)).ok());
        texts
            .flat_map(|text| {
                text.lines()
                    .filter_map(|line| Id::parse(line.as_bytes()))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Where to begin, by how it is reached.
    pub(super) fn tips(&self) -> Vec<(Reach, Id)> {
        let named = self.by_name.iter().map(|(name, id)| {
            let leftover = name.contains("_HEAD") && !name.contains('/');
            (
                if leftover {
                    Reach::Log
                } else {
                    Reach::of(name)
                },
                *id,
            )
        });
        let mut tips: Vec<_> = named.chain(self.logged.iter().copied()).collect();
        tips.sort_unstable_by_key(|(reach, id)| (*reach, *id));
        tips.dedup();
        tips
    }
}

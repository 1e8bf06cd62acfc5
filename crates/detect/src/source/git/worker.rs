//! What one thread does with an object, and what it keeps of it.

use super::super::patterns::Before;
use super::super::{Finder, Gap, Looked};
use super::family::taken;
use super::inflate::{Damage, SIZE_LIES};
use super::loose::Loose;
use super::object::{Commit, DIRECTORY, Entries, Id, Kind, SUBMODULE};
use super::odb::Odb;
use super::pack::NONE;
use crate::pattern::{Digest, Finding, Names, Piece, Seen, Shape};
use flate2::read::ZlibDecoder;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// An object of this size keeps others of its size waiting.
const HEAVY: u64 = 8 << 20;

/// Missing objects that are told apart.
const MISSING: usize = 4 << 20;

/// Occurrences that are kept; further findings are counted.
const OCCURRENCES: usize = 1_000_000;

/// The beginning of a file that stands for one in Git LFS (git-lfs, `docs/spec.md`).
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The version of a text that another one is made of.
pub(super) struct Version<'v> {
    pub(super) seen: Option<&'v Seen>,
    pub(super) length: usize,
    pub(super) pieces: &'v [Piece],
}

/// What all threads share.
pub(super) struct Shared<'s> {
    pub(super) odb: &'s Odb,
    /// What the names of blobs say, for each pack by number in its index.
    names: Vec<Vec<AtomicU8>>,
    /// Loose objects, in order.
    pub(super) loose: &'s [Id],
    pub(super) progress: &'s AtomicU64,
    /// Bytes that were made of packs.
    spent: AtomicU64,
    most: u64,
    heavy: Mutex<()>,
    id_length: usize,
}

impl<'s> Shared<'s> {
    pub(super) fn new(
        odb: &'s Odb,
        loose: &'s [Id],
        progress: &'s AtomicU64,
        most: u64,
        id_length: usize,
    ) -> Self {
        let names = odb.packs.iter().map(|pack| {
            let mut names = Vec::new();
            names.resize_with(pack.index.len() as usize, || AtomicU8::new(0));
            names
        });
        Self {
            names: names.collect(),
            odb,
            loose,
            progress,
            spent: AtomicU64::new(0),
            most,
            heavy: Mutex::new(()),
            id_length,
        }
    }

    /// Notes a name of an object; false if there is no such object.
    fn name(&self, id: &Id, names: Names) -> bool {
        for (pack, known) in self.odb.packs.iter().zip(&self.names) {
            if let Some(number) = pack.index.find(id) {
                if let Some(known) = known.get(number as usize)
                    && known.load(Ordering::Relaxed) & names.bits() != names.bits()
                {
                    known.fetch_or(names.bits(), Ordering::Relaxed);
                }
                return true;
            }
        }
        self.loose.binary_search(id).is_ok()
    }

    fn names(&self, pack: usize, number: u32) -> Names {
        let names = self
            .names
            .get(pack)
            .and_then(|names| names.get(number as usize));
        Names::from_bits(names.map_or(0, |names| names.load(Ordering::Relaxed)))
    }
}

/// One finding in one object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Occurrence {
    pub(super) object: Id,
    pub(super) offset: u64,
    /// Which one of [`Tally::findings`].
    pub(super) finding: usize,
    pub(super) line: Option<u64>,
    pub(super) column: Option<u64>,
}

/// What is the same in many versions of a file.
#[derive(PartialEq, Eq, Hash)]
struct Likeness {
    rule: usize,
    digest: Digest,
    location: String,
    name: Option<String>,
    /// What is said of it: whether it is written as base64.
    note: Option<String>,
    /// Files may judge a value with quotes unlike one without.
    shape: Shape,
}

/// What was seen, before anybody knows where it lies.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) findings: Vec<Finding>,
    alike: HashMap<Likeness, usize>,
    pub(super) occurrences: Vec<Occurrence>,
    pub(super) kinds: HashMap<Id, Kind>,
    /// Values of the store, and gaps, by the object they lie in.
    pub(super) others: Vec<(Id, Looked)>,
    /// Everything that needs no place.
    pub(super) looked: Looked,
    pub(super) commits: Vec<(Id, Commit)>,
    /// Objects that are named and not here.
    pub(super) missing: HashSet<u64>,
}

impl Tally {
    /// Keeps what was seen in an object.
    pub(super) fn keep(&mut self, object: Id, kind: Kind, mut looked: Looked) {
        for finding in std::mem::take(&mut looked.findings) {
            if self.occurrences.len() >= OCCURRENCES {
                self.looked.more_findings += 1;
                continue;
            }
            self.kinds.insert(object, kind);
            let (line, column, offset) = (finding.line, finding.column, finding.offset);
            let finding = self.finding(finding);
            self.occurrences.push(Occurrence {
                finding,
                object,
                line,
                column,
                offset,
            });
        }
        self.looked.bytes += std::mem::take(&mut looked.bytes);
        self.looked.objects += std::mem::take(&mut looked.objects);
        self.looked.more_findings += std::mem::take(&mut looked.more_findings);
        if !looked.exposed.is_empty() || !looked.gaps.is_empty() || looked.more_gaps > 0 {
            self.kinds.insert(object, kind);
            self.others.push((object, looked));
        }
    }

    fn finding(&mut self, finding: Finding) -> usize {
        let likeness = Likeness {
            rule: std::sync::Arc::as_ptr(&finding.rule) as usize,
            digest: finding.digest,
            location: finding.location.clone(),
            name: finding.name.clone(),
            note: finding.note.clone(),
            shape: finding.shape,
        };
        let fresh = self.findings.len();
        let known = *self.alike.entry(likeness).or_insert(fresh);
        if known == fresh {
            self.findings.push(finding);
        }
        known
    }

    /// Adds what another thread kept.
    pub(super) fn absorb(&mut self, other: Self) {
        let numbers: Vec<usize> = other
            .findings
            .into_iter()
            .map(|finding| self.finding(finding))
            .collect();
        self.occurrences
            .extend(other.occurrences.into_iter().filter_map(|occurrence| {
                let finding = *numbers.get(occurrence.finding)?;
                Some(Occurrence {
                    finding,
                    ..occurrence
                })
            }));
        self.kinds.extend(other.kinds);
        self.others.extend(other.others);
        self.looked.absorb(other.looked);
        self.commits.extend(other.commits);
        self.missing.extend(other.missing);
    }
}

/// One thread's share of the work.
pub(super) struct Worker<'m> {
    pub(super) finder: Finder<'m>,
    shared: &'m Shared<'m>,
    /// Which pack is being read.
    pub(super) pack: usize,
    pub(super) tally: Tally,
    /// Loose trees that were read.
    pub(super) trees: Vec<Id>,
    /// New names of one tree, a line each.
    lines: Vec<u8>,
    exhausted: bool,
}

impl<'m> Worker<'m> {
    pub(super) fn new(finder: Finder<'m>, shared: &'m Shared<'m>) -> Self {
        Self {
            finder,
            shared,
            pack: 0,
            tally: Tally::default(),
            trees: Vec::new(),
            lines: Vec::new(),
            exhausted: false,
        }
    }

    pub(super) fn heavy(&self, size: u64) -> Option<MutexGuard<'m, ()>> {
        (size > HEAVY)
            .then(|| self.shared.heavy.lock().ok())
            .flatten()
    }

    /// Counts bytes that were made of a pack.
    pub(super) fn spend(&mut self, bytes: u64) -> Result<(), Damage> {
        let spent = self.shared.spent.fetch_add(bytes, Ordering::Relaxed);
        if spent.saturating_add(bytes) > self.shared.most {
            self.exhausted = true;
            return Err("more to decompress than the limit allows");
        }
        Ok(())
    }

    /// Looks at an object of the pack. Returns what the search of its next version may build on.
    pub(super) fn object(
        &mut self,
        kind: Kind,
        text: &[u8],
        number: u32,
        id: impl Fn() -> Option<Id>,
        version: Option<&Version<'_>>,
    ) -> Option<Seen> {
        if let Err(damage) = self.spend(text.len() as u64) {
            self.lose(kind, id(), damage, 0);
            return None;
        }
        if self.elsewhere(&id) {
            return None;
        }
        let seen = match kind {
            Kind::Blob => {
                let names = self.shared.names(self.pack, number);
                self.finder.unnamed(names);
                self.blob(text, version)
            }
            Kind::Tree => {
                self.tree(text, version.map(|version| version.pieces));
                None
            }
            Kind::Commit | Kind::Tag => {
                self.message(kind, text, &id);
                None
            }
        };
        self.done(kind, id);
        seen
    }

    /// Whether another pack before this one has the object, too.
    fn elsewhere(&self, id: &impl Fn() -> Option<Id>) -> bool {
        if self.pack == 0 || self.shared.odb.packs.len() < 2 {
            return false;
        }
        let before = self.shared.odb.packs.iter().take(self.pack);
        id().is_some_and(|id| {
            before
                .into_iter()
                .any(|pack| pack.index.find(&id).is_some())
        })
    }

    /// Takes what the finder saw.
    fn done(&mut self, kind: Kind, id: impl Fn() -> Option<Id>) {
        self.shared.progress.fetch_add(1, Ordering::Relaxed);
        self.finder.count();
        let looked = self.finder.take();
        if looked.is_empty() {
            self.tally.looked.bytes += looked.bytes;
            self.tally.looked.objects += looked.objects;
        } else if let Some(id) = id() {
            self.tally.keep(id, kind, looked);
        }
    }

    fn blob(&mut self, text: &[u8], version: Option<&Version<'_>>) -> Option<Seen> {
        self.finder.pointer(text);
        if !Finder::is_plain(text) {
            self.finder.reader("", &mut &*text);
            return None;
        }
        let before = version.and_then(|version| {
            Some(Before {
                seen: version.seen?,
                length: version.length,
                pieces: version.pieces,
            })
        });
        self.finder.version(text, before.as_ref())
    }

    /// Commits and tags: all of them is text.
    fn message(&mut self, kind: Kind, text: &[u8], id: &impl Fn() -> Option<Id>) {
        self.finder.unnamed(Names::default());
        self.finder.version(text, None);
        if kind == Kind::Commit {
            match (Commit::parse(text), id()) {
                (Some(commit), Some(id)) => self.tally.commits.push((id, commit)),
                _ => self
                    .finder
                    .gap("", "a damaged commit: what it leads to is not known"),
            }
        }
    }

    /// The names in a tree, as far as they are not copied from another one.
    fn tree(&mut self, text: &[u8], pieces: Option<&[Piece]>) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        let mut copies = Copies::new(pieces);
        let mut entries = Entries::new(text, self.shared.id_length);
        for entry in &mut entries {
            if copies.hold(&entry.span) {
                continue;
            }
            lines.extend_from_slice(entry.name);
            lines.push(b'\n');
            if entry.kind() == SUBMODULE {
                continue;
            }
            let names = if entry.kind() == DIRECTORY {
                Names::default()
            } else {
                Names::of(&String::from_utf8_lossy(entry.name))
            };
            if !self.shared.name(&entry.id, names) && self.tally.missing.len() < MISSING {
                self.tally.missing.insert(entry.id.short());
            }
        }
        if !entries.ended() {
            self.finder
                .gap("", "a damaged tree: what it leads to is not known");
        }
        self.finder.unnamed(Names::default());
        self.finder.names(&lines);
        self.lines = lines;
    }

    /// A large blob, as a stream.
    pub(super) fn stream<R: Read>(
        &mut self,
        number: u32,
        id: Option<Id>,
        size: u64,
        source: ZlibDecoder<R>,
    ) {
        if self.elsewhere(&|| id) {
            return;
        }
        let _heavy = self.heavy(size);
        if let Err(damage) = self.spend(size) {
            return self.lose(Kind::Blob, id, damage, 0);
        }
        let names = self.shared.names(self.pack, number);
        self.finder.unnamed(if number == NONE {
            Names::default()
        } else {
            names
        });
        let mut content = self.finder.bounded(source, taken);
        // One byte more than expected shows that there is more.
        let mut bounded = (&mut content).take(size.saturating_add(1));
        self.finder.reader("", &mut bounded);
        let mut sink = [0; 512];
        // An archive may end before its file does.
        while matches!(bounded.read(&mut sink), Ok(count) if count > 0) {}
        if content.out() != size {
            self.finder.gap("", SIZE_LIES);
        }
        self.done(Kind::Blob, || id);
    }

    /// Notes an object that was not looked at, and how many are made of it.
    pub(super) fn lose(&mut self, kind: Kind, id: Option<Id>, damage: Damage, more: u64) {
        let Some(id) = id else {
            return;
        };
        let reason = match more {
            0 => damage.to_owned(),
            more => format!("{damage}; {more} objects are made of it"),
        };
        let mut looked = Looked::default();
        looked.gap(Gap {
            location: String::new(),
            reason,
        });
        self.tally.keep(id, kind, looked);
    }

    /// A loose object if it is a tree: what a blob is called must be known before it is judged.
    pub(super) fn loose_tree(&mut self, id: Id) {
        if let Some(Ok(loose)) = self.shared.odb.open_loose(&id)
            && loose.kind == Kind::Tree
        {
            self.alone(id, loose);
            self.trees.push(id);
        }
    }

    /// A loose object.
    pub(super) fn loose(&mut self, id: Id) {
        match self.shared.odb.open_loose(&id) {
            Some(Ok(loose)) => self.alone(id, loose),
            Some(Err(damage)) => self.lose(Kind::Blob, Some(id), damage, 0),
            // Packed since it was listed: then it is in a pack that was not there.
            None => self.lose(Kind::Blob, Some(id), "gone while this ran", 0),
        }
    }

    fn alone(&mut self, id: Id, loose: Loose) {
        // Looked at whatever the packs have, which this thread or another one read: a copy may be damaged.
        self.pack = 0;
        let kind = loose.kind;
        let _heavy = self.heavy(loose.size);
        let mut text = Vec::new();
        match loose.whole(&id, &mut text) {
            Ok(_) => {
                self.object(kind, &text, NONE, || Some(id), None);
            }
            Err(damage) => self.lose(kind, Some(id), damage, 0),
        }
    }
}

/// Goes through a tree and through the pieces it is made of at the same time.
struct Copies<'p> {
    pieces: Option<&'p [Piece]>,
    at: usize,
}

impl<'p> Copies<'p> {
    const fn new(pieces: Option<&'p [Piece]>) -> Self {
        Self { pieces, at: 0 }
    }

    /// Whether a range was copied as a whole.
    fn hold(&mut self, range: &std::ops::Range<usize>) -> bool {
        let Some(pieces) = &mut self.pieces else {
            return false;
        };
        while let Some((first, rest)) = pieces.split_first() {
            if self.at + first.length > range.start {
                return first.from.is_some() && range.end <= self.at + first.length;
            }
            self.at += first.length;
            *pieces = rest;
        }
        false
    }
}

impl Finder<'_> {
    /// Whether a text is one, and nothing that must be opened first.
    fn is_plain(text: &[u8]) -> bool {
        super::super::item::kind(text) == super::super::item::Kind::Plain
    }

    /// A file that says where another one is.
    pub(super) fn pointer(&mut self, text: &[u8]) {
        if text.starts_with(LFS) {
            self.gap(
                "",
                "a file in Git LFS: its content is not in this repository",
            );
        }
    }

    /// Names of files, a line each.
    fn names(&mut self, lines: &[u8]) {
        if self.matcher.shapes() > 0 {
            self.text("a file name", lines);
        } else if lines.len() > 8 {
            self.unplaced("a file name", lines);
        }
    }
}

impl Looked {
    /// Whether nothing was seen that must be kept.
    fn is_empty(&self) -> bool {
        self.findings.is_empty()
            && self.exposed.is_empty()
            && self.gaps.is_empty()
            && self.more_gaps == 0
            && self.more_findings == 0
    }
}

//! One pack, read once.
//!
//! A *family* is an object that is stored as it is, with all that are deltas of it or of each other. A
//! family is read from its root down, so each delta is applied once; what lies between a root and the
//! object at hand is in memory, up to a budget, and made again where the budget was too small. Of every
//! version only what is not copied from the one before is searched ([`crate::pattern`]).

use super::inflate::{DAMAGED, Damage, RATIO, SIZE_LIES, apply};
use super::object::Kind;
use super::odb::DEEPEST;
use super::pack::{Form, Layout, NONE, Reader, Window};
use super::worker::{Version, Worker};
use crate::pattern::{Piece, Seen};
use std::io::{self, BufReader};
use std::sync::atomic::{AtomicU64, Ordering};

/// Texts between a root and an object that one thread holds.
const BUDGET: usize = 20 << 20;

/// From here on a whole object is streamed.
const STREAMED: u64 = 4 << 20;

/// Buffers that are kept for the next object.
const SPARE: usize = 4;

/// Who is a delta of whom in one pack.
pub(super) struct Families<'p> {
    pub(super) layout: Layout<'p>,
    parents: Vec<u32>,
    /// Where the children of a rank begin in `children`.
    first: Vec<u32>,
    children: Vec<u32>,
    /// Roots with what they are, in the order of the pack.
    pub(super) roots: Vec<(u32, Kind)>,
    /// Entries that were reached from a root.
    pub(super) reached: AtomicU64,
    /// Entries whose heads are damaged or whose bases are not in this pack.
    pub(super) lost: Vec<(u32, Damage)>,
}

impl<'p> Families<'p> {
    pub(super) fn new(layout: Layout<'p>) -> Self {
        let count = layout.len();
        let mut window = Window::new();
        let mut families = Self {
            parents: vec![NONE; count as usize],
            first: vec![0; count as usize + 1],
            children: Vec::new(),
            roots: Vec::new(),
            reached: AtomicU64::new(0),
            lost: Vec::new(),
            layout,
        };
        for rank in 0..count {
            let form = families
                .layout
                .head(&mut window, rank)
                .map(|head| head.form);
            match form {
                Ok(Form::Whole(kind)) => families.roots.push((rank, kind)),
                Ok(form) => families.adopt(rank, form),
                Err(damage) => families.lost.push((rank, damage)),
            }
        }
        families.count();
        families
    }

    fn adopt(&mut self, rank: u32, form: Form) {
        let Some(base) = self.layout.base(form) else {
            self.lost
                .push((rank, "a delta whose base is not in its pack"));
            return;
        };
        if let Some(parent) = self.parents.get_mut(rank as usize) {
            *parent = base;
        }
        if let Some(count) = self.first.get_mut(base as usize + 1) {
            *count += 1;
        }
    }

    /// Turns the counts of children into where they begin, and puts them there.
    fn count(&mut self) {
        let mut sum = 0;
        for count in &mut self.first {
            sum += *count;
            *count = sum;
        }
        let mut next = self.first.clone();
        self.children = vec![0; sum as usize];
        for (rank, parent) in self.parents.iter().enumerate() {
            if let Some(next) = next.get_mut(*parent as usize)
                && let Some(child) = self.children.get_mut(*next as usize)
            {
                *child = u32::try_from(rank).unwrap_or(NONE);
                *next += 1;
            }
        }
    }

    fn children(&self, rank: u32) -> &[u32] {
        let from = self.first.get(rank as usize).copied().unwrap_or(0);
        let to = self.first.get(rank as usize + 1).copied().unwrap_or(0);
        self.children
            .get(from as usize..to as usize)
            .unwrap_or_default()
    }

    fn parent(&self, rank: u32) -> Option<u32> {
        self.parents
            .get(rank as usize)
            .copied()
            .filter(|&parent| parent != NONE)
    }
}

/// An object whose deltas are being read.
struct Frame {
    rank: u32,
    depth: usize,
    /// Its text, unless the budget took it.
    text: Option<Vec<u8>>,
    seen: Option<Seen>,
    next: usize,
}

/// What one thread needs to read one pack.
pub(super) struct FamilyReader<'f, 'w, 'm> {
    families: &'f Families<'f>,
    reader: Reader,
    worker: &'w mut Worker<'m>,
    spare: Vec<Vec<u8>>,
    delta: Vec<u8>,
    pieces: Vec<Piece>,
}

impl<'f, 'w, 'm> FamilyReader<'f, 'w, 'm> {
    pub(super) fn new(families: &'f Families<'f>, worker: &'w mut Worker<'m>) -> Self {
        Self {
            families,
            reader: Reader::new(),
            worker,
            spare: Vec::new(),
            delta: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// Reads a root and everything that is made of it.
    pub(super) fn read(&mut self, root: u32, kind: Kind) {
        let families = self.families;
        let children = families.children(root);
        let head = match families.layout.head(&mut self.reader.window, root) {
            Ok(head) => head,
            Err(damage) => return self.lose(root, kind, damage),
        };
        if children.is_empty() && kind == Kind::Blob && head.size > STREAMED {
            return self.stream(root, &head);
        }
        let _heavy = self.worker.heavy(head.size);
        let mut text = self.spare.pop().unwrap_or_default();
        if let Err(damage) = families.layout.inflate(&mut self.reader, root, &mut text) {
            return self.lose(root, kind, damage);
        }
        let seen = self.look(root, kind, &text, None);
        let mut frames = vec![Frame {
            rank: root,
            depth: 0,
            text: Some(text),
            seen,
            next: 0,
        }];
        while self.step(kind, &mut frames) {}
    }

    /// Reads the next delta of the innermost object; false when there is none left.
    fn step(&mut self, kind: Kind, frames: &mut Vec<Frame>) -> bool {
        let families = self.families;
        let Some(top) = frames.last_mut() else {
            return false;
        };
        let children = families.children(top.rank);
        let Some(&child) = children.get(top.next) else {
            let text = frames.pop().and_then(|frame| frame.text);
            self.recycle(text);
            return true;
        };
        top.next += 1;
        let (rank, depth) = (top.rank, top.depth + 1);
        let made = match top.text.take() {
            Some(text) => Ok(text),
            None => self.again(rank),
        };
        let base = match made {
            Ok(base) => base,
            Err(damage) => {
                self.lose(child, kind, damage);
                return true;
            }
        };
        let mut text = self.spare.pop().unwrap_or_default();
        let mut outcome = families
            .layout
            .inflate(&mut self.reader, child, &mut self.delta)
            .and_then(|_| apply(&base, &self.delta, &mut text, &mut self.pieces));
        if depth > DEEPEST {
            outcome = Err("a delta chain without end");
        }
        if let Err(damage) = outcome {
            self.lose(child, kind, damage);
            self.recycle(Some(text));
            top.text = Some(base);
            return true;
        }
        let pieces = std::mem::take(&mut self.pieces);
        let version = Version {
            seen: top.seen.as_ref(),
            length: base.len(),
            pieces: &pieces,
        };
        let seen = self.look(child, kind, &text, Some(&version));
        self.pieces = pieces;
        if top.next == children.len() {
            frames.pop();
            self.recycle(Some(base));
        } else {
            top.text = Some(base);
        }
        if families.children(child).is_empty() {
            self.recycle(Some(text));
        } else {
            frames.push(Frame {
                rank: child,
                depth,
                text: Some(text),
                seen,
                next: 0,
            });
            self.within_budget(frames);
        }
        true
    }

    fn look(
        &mut self,
        rank: u32,
        kind: Kind,
        text: &[u8],
        version: Option<&Version<'_>>,
    ) -> Option<Seen> {
        self.families.reached.fetch_add(1, Ordering::Relaxed);
        let number = self.families.layout.number(rank);
        let layout = &self.families.layout;
        self.worker
            .object(kind, text, number, || layout.id(rank), version)
    }

    /// A text that the budget took, made again from its root.
    fn again(&mut self, rank: u32) -> Result<Vec<u8>, Damage> {
        let families = self.families;
        let mut chain = vec![rank];
        while let Some(parent) = chain.last().and_then(|&rank| families.parent(rank)) {
            chain.push(parent);
            if chain.len() > DEEPEST + 1 {
                return Err(DAMAGED);
            }
        }
        let mut text = Vec::new();
        let root = chain.pop().ok_or(DAMAGED)?;
        families.layout.inflate(&mut self.reader, root, &mut text)?;
        let mut next = Vec::new();
        let mut pieces = Vec::new();
        while let Some(rank) = chain.pop() {
            families
                .layout
                .inflate(&mut self.reader, rank, &mut self.delta)?;
            apply(&text, &self.delta, &mut next, &mut pieces)?;
            std::mem::swap(&mut text, &mut next);
            self.worker.spend(text.len() as u64)?;
        }
        Ok(text)
    }

    /// Gives up the outermost texts where all of them are too much.
    fn within_budget(&self, frames: &mut [Frame]) {
        let length = |frame: &Frame| frame.text.as_ref().map_or(0, Vec::len);
        let mut held: usize = frames.iter().map(length).sum();
        let inner = frames.len().saturating_sub(1);
        for frame in frames.iter_mut().take(inner) {
            if held <= BUDGET {
                break;
            }
            held -= length(frame);
            frame.text = None;
        }
    }

    fn recycle(&mut self, text: Option<Vec<u8>>) {
        if let Some(text) = text
            && self.spare.len() < SPARE
            && text.capacity() <= 1 << 20
        {
            self.spare.push(text);
        }
    }

    /// Notes an object that cannot be read, and all that are made of it.
    fn lose(&mut self, rank: u32, kind: Kind, damage: Damage) {
        let mut left = vec![rank];
        let mut count: u64 = 0;
        while let Some(rank) = left.pop() {
            left.extend(self.families.children(rank));
            count += 1;
        }
        self.families.reached.fetch_add(count, Ordering::Relaxed);
        let id = self.families.layout.id(rank);
        self.worker.lose(kind, id, damage, count - 1);
    }

    /// A large object that nothing is made of.
    fn stream(&mut self, rank: u32, head: &super::pack::Head) {
        self.families.reached.fetch_add(1, Ordering::Relaxed);
        let layout = &self.families.layout;
        let Some(section) = layout.packed(rank, head) else {
            return self.lose(rank, Kind::Blob, DAMAGED);
        };
        if head.size > section.len().saturating_mul(RATIO) {
            return self.worker.lose(Kind::Blob, layout.id(rank), SIZE_LIES, 0);
        }
        let source = BufReader::with_capacity(64 << 10, section);
        let names = layout.number(rank);
        self.worker.stream(
            names,
            layout.id(rank),
            head.size,
            flate2::read::ZlibDecoder::new(source),
        );
    }
}

/// How many compressed bytes a decoder took.
pub(super) fn taken<R>(decoder: &flate2::read::ZlibDecoder<R>) -> u64
where
    R: io::Read,
{
    decoder.total_in()
}

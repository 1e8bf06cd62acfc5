//! All objects of a repository: packs and loose ones, by id.

use super::super::item::unreadable;
use super::super::{Gap, clean};
use super::inflate::{Damage, HELD, apply};
use super::loose::{Loose, OTHER_NAME};
use super::object::{Id, Kind};
use super::pack::{Form, Index, Pack, Reader};
use super::place::{Place, names, regular};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest chain of deltas: what git itself makes at most (`pack.depth`).
pub(super) const DEEPEST: usize = 4_095;

/// Bytes of texts that one reader remembers.
const REMEMBERED: usize = 16 << 20;

/// Largest text that is remembered.
const WORTH: usize = 1 << 20;

/// Packs that are opened.
const PACKS: usize = 10_000;

/// Bytes that are made to reach one object, bases and deltas included.
const MOST_MADE: u64 = 64 * HELD;

/// Where objects are.
pub(super) struct Odb {
    pub(super) packs: Vec<Pack>,
    stores: Vec<PathBuf>,
    id_length: usize,
    /// What could not be opened.
    pub(super) gaps: Vec<Gap>,
}

impl Odb {
    pub(super) fn open(place: &Place) -> Self {
        let mut odb = Self {
            packs: Vec::new(),
            stores: place.objects.clone(),
            id_length: place.id_length,
            gaps: Vec::new(),
        };
        for store in &place.objects {
            odb.store(store);
        }
        odb
    }

    fn store(&mut self, store: &Path) {
        let directory = store.join("pack");
        let files = match names(&directory) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.gap(&directory.to_string_lossy(), unopened(&error)),
        };
        for file in files {
            let path = directory.join(&file);
            if path.extension().is_none_or(|extension| extension != "pack") {
                continue;
            }
            let name = clean(&file.to_string_lossy());
            if self.packs.len() >= PACKS {
                return self.gap(&name, "more packs than the limit allows");
            }
            let opened = regular(&path.with_extension("idx"))
                .and_then(|file| Index::open(file, self.id_length))
                .map_err(|error| format!("its index: {}", unopened(&error)))
                .and_then(|index| {
                    let pack =
                        regular(&path).and_then(|file| Pack::open(file, name.clone(), index));
                    pack.map_err(|error| unopened(&error))
                });
            match opened {
                Ok(pack) => self.packs.push(pack),
                Err(reason) => self.gap(&name, reason),
            }
        }
    }

    fn gap(&mut self, location: &str, reason: impl Into<String>) {
        self.gaps.push(Gap {
            location: clean(location),
            reason: reason.into(),
        });
    }

    /// Every loose object, in no order. A file that is no object is told as a gap.
    pub(super) fn loose(&self, gaps: &mut Vec<Gap>) -> Vec<Id> {
        let mut all = Vec::new();
        for store in &self.stores {
            for first in names(store).unwrap_or_default() {
                let first = first.to_string_lossy().into_owned();
                if first.len() != 2 || u8::from_str_radix(&first, 16).is_err() {
                    continue;
                }
                let inner = match names(&store.join(&first)) {
                    Ok(inner) => inner,
                    Err(error) => {
                        let location = format!("objects/{first}");
                        gaps.push(Gap {
                            location,
                            reason: unopened(&error),
                        });
                        continue;
                    }
                };
                for rest in inner {
                    let digits = format!("{first}{}", rest.to_string_lossy());
                    let id = Id::parse(digits.as_bytes());
                    all.extend(id.filter(|id| id.as_bytes().len() == self.id_length));
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Opens a loose object; none if there is none.
    pub(super) fn open_loose(&self, id: &Id) -> Option<Result<Loose, Damage>> {
        let digits = id.to_string();
        let (first, rest) = digits.split_at(2);
        for store in &self.stores {
            match regular(&store.join(first).join(rest)) {
                Ok(file) => return Some(Loose::open(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return Some(Err("cannot be read")),
            }
        }
        None
    }

    /// Objects whose ids begin with some digits.
    pub(super) fn beginning(&self, digits: &str) -> Vec<Id> {
        let mut all: Vec<Id> = self
            .packs
            .iter()
            .flat_map(|pack| pack.index.beginning(digits))
            .collect();
        let (first, rest) = digits.split_at_checked(2).unwrap_or_default();
        for store in &self.stores {
            for name in names(&store.join(first)).unwrap_or_default() {
                let name = name.to_string_lossy();
                if name.starts_with(rest) {
                    all.extend(Id::parse(format!("{first}{name}").as_bytes()));
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Why a file of the repository was not read.
fn unopened(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "is missing".to_owned(),
        io::ErrorKind::Unsupported => "of a version that is not read".to_owned(),
        io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
            "a link or a special file, which is not followed".to_owned()
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            "a link, which is not followed".to_owned()
        }
        _ => unreadable(error),
    }
}

/// Reads objects by id, one after the other.
pub(super) struct Access<'o> {
    odb: &'o Odb,
    readers: HashMap<usize, Reader>,
    remembered: Remembered,
}

/// A text that is shared with the memory of its reader.
pub(super) type Text = Arc<Vec<u8>>;

impl<'o> Access<'o> {
    pub(super) fn new(odb: &'o Odb) -> Self {
        Self {
            odb,
            readers: HashMap::new(),
            remembered: Remembered::default(),
        }
    }

    /// Objects whose ids begin with some digits.
    pub(super) fn beginning(&self, digits: &str) -> Vec<Id> {
        self.odb.beginning(digits)
    }

    /// An object; none if it is not here.
    pub(super) fn get(&mut self, id: &Id) -> Result<Option<(Kind, Text)>, Damage> {
        for (number, pack) in self.odb.packs.iter().enumerate() {
            if let Some(start) = pack.find(id) {
                return self.resolve(number, pack, start).map(Some);
            }
        }
        match self.odb.open_loose(id) {
            None => Ok(None),
            Some(loose) => {
                let mut text = Vec::new();
                let kind = loose?.whole(id, &mut text)?;
                Ok(Some((kind, Arc::new(text))))
            }
        }
    }

    /// An object that must be of a kind.
    pub(super) fn of_kind(&mut self, id: &Id, wanted: Kind) -> Result<Option<Text>, Damage> {
        match self.get(id)? {
            Some((kind, text)) if kind == wanted => Ok(Some(text)),
            Some(_) => Err(OTHER_NAME),
            None => Ok(None),
        }
    }

    /// An object of a pack. The chain of its bases is followed by their heads alone, and then made from
    /// the root on, one delta at a time: never are there more than a base, a delta and what it makes.
    fn resolve(&mut self, number: usize, pack: &Pack, start: u64) -> Result<(Kind, Text), Damage> {
        let reader = self.readers.entry(number).or_insert_with(Reader::new);
        let mut deltas = Vec::new();
        let mut met = HashSet::new();
        let mut at = start;
        let mut spent = 0_u64;
        let mut spend = |bytes: u64| {
            spent = spent.saturating_add(bytes);
            match spent > MOST_MADE {
                true => Err("more to decompress for one object than the limit allows"),
                false => Ok(()),
            }
        };
        let (kind, mut text) = loop {
            if let Some((kind, text)) = self.remembered.texts.get(&(number, at)) {
                break (*kind, Arc::clone(text));
            }
            if !met.insert(at) || met.len() > DEEPEST {
                return Err("a delta chain without end");
            }
            let head = pack.head(&mut reader.window, at)?;
            spend(head.size)?;
            let base = match head.form {
                Form::Whole(kind) => {
                    let mut out = Vec::new();
                    pack.inflate(reader, at, None, &mut out)?;
                    let text = Arc::new(out);
                    self.remembered.keep((number, at), kind, &text);
                    break (kind, text);
                }
                Form::Near(base) => base,
                Form::Named(id) => pack
                    .find(&id)
                    .ok_or("a delta whose base is not in its pack")?,
            };
            deltas.push(at);
            at = base;
        };
        let (mut delta, mut pieces) = (Vec::new(), Vec::new());
        while let Some(at) = deltas.pop() {
            delta.clear();
            pack.inflate(reader, at, None, &mut delta)?;
            let mut out = Vec::new();
            apply(&text, &delta, &mut out, &mut pieces)?;
            spend(out.len() as u64)?;
            text = Arc::new(out);
            self.remembered.keep((number, at), kind, &text);
        }
        Ok((kind, text))
    }
}

/// Texts by pack and place.
#[derive(Default)]
struct Remembered {
    texts: HashMap<(usize, u64), (Kind, Text)>,
    bytes: usize,
}

impl Remembered {
    fn keep(&mut self, key: (usize, u64), kind: Kind, text: &Text) {
        if text.len() > WORTH {
            return;
        }
        if self.bytes + text.len() > REMEMBERED {
            self.texts.clear();
            self.bytes = 0;
        }
        self.bytes += text.len();
        self.texts.insert(key, (kind, Arc::clone(text)));
    }
}

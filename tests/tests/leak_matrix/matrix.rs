//! The matrix: ways × places, with where in the place it was found.

use crate::places::{self, Place};
use crate::{disk, ways::Site};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What was found.
pub struct Matrix {
    ways: Vec<&'static str>,
    places: Vec<&'static str>,
    /// By way and place.
    cells: BTreeMap<(&'static str, &'static str), BTreeSet<String>>,
}

impl Matrix {
    /// Looks everywhere.
    pub fn look(site: &Site) -> Self {
        let mut matrix = Self {
            ways: site.ways.iter().map(|way| way.name).collect(),
            places: Vec::new(),
            cells: BTreeMap::new(),
        };
        for Place(place, read) in places::ALL {
            matrix.places.push(place);
            for (at, text) in read(site) {
                matrix.search(site, place, &at, &text);
            }
        }
        for place in disk::PLACES {
            matrix.places.push(place.name);
            disk::walk(&place.root(site), place.on, &mut |path, text| {
                matrix.search(site, place.name, &path.display().to_string(), text);
            });
        }
        matrix
    }

    fn search(&mut self, site: &Site, place: &'static str, at: &str, text: &[u8]) {
        for way in site.find(text) {
            let cell = self.cells.entry((self.ways[way], place)).or_default();
            cell.insert(at.to_owned());
        }
    }

    pub fn found(&self, way: &str, place: &str) -> bool {
        !self.locations(way, place).is_empty()
    }

    pub fn locations(&self, way: &str, place: &str) -> Vec<&str> {
        let cells = self.cells.iter();
        let here = cells.filter(|((w, p), _)| *w == way && *p == place);
        here.flat_map(|(_, at)| at.iter().map(String::as_str))
            .collect()
    }

    pub fn places_of(&self, way: &str) -> Vec<&'static str> {
        let cells = self.cells.keys().filter(|(w, _)| *w == way);
        cells.map(|(_, place)| *place).collect()
    }
}

/// A table as the documents have it.
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| place | {} |", self.ways.join(" | "))?;
        writeln!(f, "|---|{}", "---|".repeat(self.ways.len()))?;
        for place in &self.places {
            write!(f, "| {place} |")?;
            for way in &self.ways {
                let mark = if self.found(way, place) { "X" } else { "" };
                write!(f, " {mark} |")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

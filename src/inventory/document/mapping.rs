//! A mapping in the order of its text that finds a key at once, however many there are.

use std::{collections::HashMap, ops::Deref};

use super::{Place, Tree};

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Tree,
}

/// Entries, of which several may have one key.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    entries: Vec<Entry>,
    /// Where the first of each key stands among them.
    firsts: HashMap<String, usize>,
}

impl Mapping {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let mut firsts = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            firsts.entry(entry.key.clone()).or_insert(index);
        }
        Self { entries, firsts }
    }

    /// The first entry of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.firsts.get(key).map(|index| &self.entries[*index])
    }
}

impl Deref for Mapping {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        &self.entries
    }
}

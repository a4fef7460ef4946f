//! Short hashes of ids: how few rows are found among many without reading the ids of all. A hash that two ids have in common brings
//! a row too many, which changes nothing.

use std::collections::HashSet;

use arrow::array::{Array, Int64Array};
use foldhash::fast::FixedState;

/// Short hashes that are looked for among many others.
#[derive(Default)]
pub(super) struct Hashes {
    set: HashSet<i64, FixedState>,
    /// A bit for each beginning of a hash that is in the set: it tells of most others that they are not.
    beginnings: Vec<u64>,
}

/// How many bits of a hash are looked up first: as many as a processor's cache has room for.
const BITS_OF_BEGINNING: u32 = 20;

impl Hashes {
    fn place(hash: i64) -> (usize, u64) {
        let beginning = hash.cast_unsigned() >> (64 - BITS_OF_BEGINNING);
        ((beginning / 64) as usize, 1 << (beginning % 64))
    }

    pub(super) fn contains(&self, hash: i64) -> bool {
        let (word, bit) = Hashes::place(hash);
        self.beginnings.get(word).is_some_and(|bits| bits & bit != 0) && self.set.contains(&hash)
    }
}

impl Extend<i64> for Hashes {
    fn extend<I: IntoIterator<Item = i64>>(&mut self, hashes: I) {
        self.beginnings.resize(1 << (BITS_OF_BEGINNING - 6), 0);
        for hash in hashes {
            let (word, bit) = Hashes::place(hash);
            self.beginnings[word] |= bit;
            self.set.insert(hash);
        }
    }
}

impl FromIterator<i64> for Hashes {
    fn from_iter<I: IntoIterator<Item = i64>>(hashes: I) -> Hashes {
        let mut found = Hashes::default();
        found.extend(hashes);
        found
    }
}

/// None where there is no hash.
pub(super) fn value(hashes: &Int64Array, row: usize) -> Option<i64> {
    hashes.is_valid(row).then(|| hashes.value(row))
}

/// The rows with one of these hashes, in ascending order.
pub(super) fn rows_with(hashes: &Int64Array, wanted: &Hashes) -> Vec<u32> {
    let is_wanted = |row: &u32| value(hashes, *row as usize).is_some_and(|hash| wanted.contains(hash));
    (0..hashes.len() as u32).filter(is_wanted).collect()
}

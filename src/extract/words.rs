//! Words that a column holds, a few of them with their rows: enough to tell what the column is about, in an error or a warning.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// As many words tell what a column holds.
const WORDS_TOLD: usize = 8;

/// The first few words by their bytes, with the rows of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct FewWords(BTreeMap<String, u64>);

impl FewWords {
    pub(crate) fn add(&mut self, word: &str, rows: u64) {
        if let Some(known) = self.0.get_mut(word) {
            *known += rows;
            return;
        }
        self.0.insert(word.to_string(), rows);
        // Whatever order they come in, those that stay were never away.
        if self.0.len() > WORDS_TOLD {
            self.0.pop_last();
        }
    }

    pub(crate) fn append(&mut self, other: &FewWords) {
        other.0.iter().for_each(|(word, rows)| self.add(word, *rows));
    }

    /// Leaves words out; returns the rows that had one of them.
    pub(crate) fn remove(&mut self, is_left_out: impl Fn(&str) -> bool) -> u64 {
        let out = self.0.extract_if(.., |word, _| is_left_out(word));
        out.map(|(_, rows)| rows).sum()
    }

    /// The words, by their bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(word, rows)| (word.as_str(), *rows))
    }

    /// The word of most rows.
    pub(crate) fn most(&self) -> Option<&str> {
        let most = self.0.values().max()?;
        self.iter().find(|(_, rows)| rows == most).map(|(word, _)| word)
    }
}

impl fmt::Display for FewWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.iter().map(|(word, rows)| format!("{word:?}: {rows}")).collect();
        f.write_str(&words.join(", "))
    }
}

//! Texts as small integers, for columns in which few texts repeat many times; and as a column of their own.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{StringArray, StringBuilder};
use foldhash::fast::FixedState;

/// Different texts, each with a code: 0 for the first that came, and so on.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    texts: Vec<Arc<str>>,
    codes: HashMap<Arc<str>, u32, FixedState>,
}

/// The code of a text that is missing.
const MISSING: u32 = u32::MAX;

/// The codes of a column's cells.
pub(crate) struct Codes(Vec<u32>);

impl Codes {
    /// The code of a cell; none where it is null.
    pub(crate) fn get(&self, row: u32) -> Option<u32> {
        Some(self.0[row as usize]).filter(|code| *code != MISSING)
    }
}

impl Dictionary {
    /// The codes of these cells. A text that is new gets the next one.
    pub(crate) fn encode<'t>(&mut self, cells: impl Iterator<Item = Option<&'t str>>) -> Codes {
        let mut last: Option<(&str, u32)> = None;
        let code = |cell: Option<&'t str>| {
            let Some(text) = cell else { return MISSING };
            if let Some((known, code)) = last
                && known == text
            {
                return code;
            }
            let code = self.code(text);
            last = Some((text, code));
            code
        };
        Codes(cells.map(code).collect())
    }

    /// The code of a text, the next one where it is new.
    pub(crate) fn code(&mut self, text: &str) -> u32 {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        let (text, code) = (Arc::<str>::from(text), self.texts.len() as u32);
        self.texts.push(text.clone());
        self.codes.insert(text, code);
        code
    }

    pub(crate) fn text(&self, code: u32) -> &str {
        &self.texts[code as usize]
    }

    /// The texts in the order of their codes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(AsRef::as_ref)
    }
}

/// Texts as a column, in the memory that they need and no more.
pub(crate) fn column<'t>(cells: impl ExactSizeIterator<Item = Option<&'t str>> + Clone) -> StringArray {
    let bytes = cells.clone().flatten().map(str::len).sum();
    let mut column = StringBuilder::with_capacity(cells.len(), bytes);
    cells.for_each(|cell| column.append_option(cell));
    column.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_code_in_every_column() {
        let mut texts = Dictionary::default();
        let first = texts.encode([Some("a"), None, Some("b"), Some("b")].into_iter());
        let second = texts.encode([Some("b"), Some("c"), Some("a")].into_iter());
        assert_eq!([0, 1, 2, 3].map(|row| first.get(row)), [Some(0), None, Some(1), Some(1)]);
        assert_eq!([0, 1, 2].map(|row| second.get(row)), [Some(1), Some(2), Some(0)]);
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(texts.text(2), "c");
    }
}

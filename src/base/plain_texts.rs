//! Plain texts: a column that is read as it is stored, looked at row by row without a copy of any text.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, BooleanBufferBuilder, DictionaryArray, StringArray, StringViewArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, Int32Type};
use foldhash::fast::FixedState;

/// A column of texts.
pub(crate) enum PlainTexts<'a> {
    Texts(&'a StringArray),
    /// Equal views are of equal texts.
    Views(&'a StringViewArray),
    /// Numbers of texts.
    Numbered(&'a DictionaryArray<Int32Type>, &'a StringArray),
}

impl<'a> PlainTexts<'a> {
    /// None of an array of another type.
    pub(super) fn of(array: &'a dyn Array) -> Option<PlainTexts<'a>> {
        match array.data_type() {
            DataType::Utf8 => Some(PlainTexts::Texts(array.as_string())),
            DataType::Utf8View => Some(PlainTexts::Views(array.as_string_view())),
            DataType::Dictionary(..) => {
                let numbers = array.as_dictionary_opt::<Int32Type>()?;
                Some(PlainTexts::Numbered(numbers, numbers.values().as_string_opt()?))
            }
            _ => None,
        }
    }

    /// The rows whose text is not blank.
    pub(crate) fn are_there(&self) -> BooleanBuffer {
        match self {
            PlainTexts::Views(texts) => passing(texts.nulls(), texts.len(), |row| {
                // Behind the length, in four bytes, a view has the first bytes of its text.
                let [length, first] = [texts.views()[row] as u32, (texts.views()[row] >> 32) as u32];
                length > 0 && ((first as u8).is_ascii_graphic() || !is_blank(texts.value(row)))
            }),
            _ => self.passing(|_| true),
        }
    }

    /// The rows whose text is not blank and passes the test, which is asked once for each text where texts stand in many rows.
    pub(crate) fn passing(&self, mut test: impl FnMut(&str) -> bool) -> BooleanBuffer {
        let mut passes = |text: &str| !is_blank(text) && test(text);
        match self {
            PlainTexts::Texts(texts) => passing(texts.nulls(), texts.len(), |row| passes(texts.value(row))),
            PlainTexts::Views(texts) => {
                let mut known: HashMap<u128, bool, FixedState> = HashMap::default();
                let of_row = |row: usize| *known.entry(texts.views()[row]).or_insert_with(|| passes(texts.value(row)));
                passing(texts.nulls(), texts.len(), of_row)
            }
            PlainTexts::Numbered(rows, texts) => {
                let of_texts: Vec<bool> = texts.iter().map(|text| text.is_some_and(&mut passes)).collect();
                let numbers = rows.keys().values();
                if !of_texts.contains(&false) {
                    return rows.nulls().map_or(BooleanBuffer::new_set(rows.len()), |nulls| nulls.inner().clone());
                }
                passing(rows.nulls(), rows.len(), |row| of_texts.get(numbers[row] as usize) == Some(&true))
            }
        }
    }
}

/// The rows that are not null and pass; the test is not asked of others.
fn passing(nulls: Option<&NullBuffer>, rows: usize, mut passes: impl FnMut(usize) -> bool) -> BooleanBuffer {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return BooleanBuffer::collect_bool(rows, passes) };
    // Of columns that few rows have, most of the rows are not looked at.
    let mut found = BooleanBufferBuilder::new(rows);
    found.append_n(rows, false);
    nulls.valid_indices().filter(|row| passes(*row)).for_each(|row| found.set_bit(row, true));
    found.finish()
}

/// Whether trimming leaves nothing. Most texts begin with a letter or a digit.
pub(super) fn is_blank(text: &str) -> bool {
    !text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_looked_at_alike_in_every_form() {
        let long = "a text that is longer than what a view holds of it";
        let rows = [Some("ad"), None, Some(""), Some("  "), Some("\u{a0}"), Some(" ad"), Some("é"), Some(long), Some(long)];
        let there = [true, false, false, false, false, true, true, true, true];
        let long_ones = [false, false, false, false, false, false, false, true, true];
        let (texts, views): (StringArray, StringViewArray) = (rows.into_iter().collect(), rows.into_iter().collect());
        let numbered: DictionaryArray<Int32Type> = rows.into_iter().collect();
        for (from, length) in [(0, 9), (1, 7), (7, 2), (1, 1), (0, 0)] {
            let columns: [&dyn Array; 3] =
                [&texts.slice(from, length), &views.slice(from, length), &numbered.slice(from, length)];
            for (plain, column) in columns.into_iter().map(|column| (PlainTexts::of(column), column.data_type())) {
                let plain = plain.expect("it is of texts");
                let of_rows = |rows: BooleanBuffer| rows.iter().collect::<Vec<_>>();
                assert_eq!(of_rows(plain.are_there()), there[from..from + length], "{column}, from {from}");
                assert_eq!(of_rows(plain.passing(|_| true)), there[from..from + length], "{column}, from {from}");
                assert_eq!(of_rows(plain.passing(|text| text == long)), long_ones[from..from + length], "{column}, from {from}");
            }
        }
        assert!(PlainTexts::of(&arrow::array::Int64Array::from(vec![1])).is_none());
    }
}

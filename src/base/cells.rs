//! Cells of the lake's files: what lies in structs, maps and JSON texts, and what cannot be read of it.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder, StructArray, UInt64Array};
use arrow::datatypes::DataType;

use crate::base::error::{Error, Result};
use crate::base::json::{JsonValue, json_keys, json_value};
use crate::base::mapping::ColumnSource;
use crate::base::types;

/// What is wrong with a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It should hold JSON and does not.
    NoJson,
    /// It should hold an id and holds something else.
    NoId,
    /// It should hold text and holds bytes that are none.
    BrokenText,
}

/// The rows of a column that have a fault, in order. Most columns have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults(Vec<(u32, Fault)>);

impl Faults {
    /// Of a row after all that are known.
    pub(crate) fn push(&mut self, row: usize, fault: Fault) {
        self.0.push((row as u32, fault));
    }

    pub(crate) fn of(&self, row: usize) -> Option<Fault> {
        if self.0.is_empty() {
            return None;
        }
        self.0.binary_search_by_key(&(row as u32), |(known, _)| *known).ok().map(|place| self.0[place].1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, Fault)> {
        self.0.iter().map(|(row, fault)| (*row as usize, *fault))
    }

    /// With this fault in these rows, which are in order, whatever is known of them.
    pub(super) fn all_of(self, rows: &[usize], fault: Fault) -> Faults {
        let known = self.0.into_iter().filter(|(row, _)| rows.binary_search(&(*row as usize)).is_err());
        let mut all: Vec<(u32, Fault)> = known.chain(rows.iter().map(|row| (*row as u32, fault))).collect();
        all.sort_unstable_by_key(|(row, _)| *row);
        Faults(all)
    }
}

/// What is stored at one place that a column is read from.
pub(crate) struct Leaf {
    pub array: ArrayRef,
    pub faults: Faults,
}

impl From<ArrayRef> for Leaf {
    fn from(array: ArrayRef) -> Leaf {
        Leaf { array, faults: Faults::default() }
    }
}

/// A contract column as text.
#[derive(Clone, Debug)]
pub(crate) struct TextCells {
    /// Null where there is nothing, and where there is a fault.
    pub texts: StringArray,
    pub faults: Faults,
    /// Rows of a column that people look at, and that nothing depends on, whose bytes are no text: a sign stands for them.
    pub no_texts: Vec<usize>,
}

impl TextCells {
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        self.texts.is_valid(row).then(|| self.texts.value(row))
    }

    /// Whether there is something, readable or not.
    pub(crate) fn is_there(&self, row: usize) -> bool {
        self.texts.is_valid(row) || self.faults.of(row).is_some()
    }
}

pub(super) fn arrow_bug(error: arrow::error::ArrowError) -> Error {
    Error::bug("an Arrow kernel refused a column it was checked for").source(error)
}

pub(super) fn as_text(array: &ArrayRef) -> Result<StringArray> {
    if types::is_empty(array) {
        return Ok(StringArray::new_null(array.len()));
    }
    if let Some((texts, _)) = types::broken_texts(array) {
        return Ok(texts);
    }
    match arrow::compute::cast(array, &DataType::Utf8) {
        Ok(texts) => Ok(texts.as_string::<i32>().clone()),
        // Of some types there is no text but one to look at.
        Err(_) => Ok((0..array.len()).map(|row| array.is_valid(row).then(|| types::shown(array, row))).collect()),
    }
}

pub(super) fn no_id(name: &str, source: &ColumnSource, values: &ArrayRef, row: usize) -> Error {
    Error::data(format!("{source} cannot be read for {name}: it holds {}, which is no id", types::shown(values, row)))
        .with("column", &source.column)
        .mend("write ids as text or as whole numbers")
}

pub(super) fn no_json(name: &str, source: &ColumnSource, batch: &RecordBatch, row: usize) -> Error {
    let cell = batch.column_by_name(&source.column).and_then(|column| as_text(column).ok());
    let text = cell.map(|texts| texts.value(row).chars().take(200).collect::<String>()).unwrap_or_default();
    Error::data(format!("{source} cannot be read for {name}: a cell holds {text:?}, which is no JSON object"))
        .with("column", &source.column)
        .mend("write the column as JSON, json.dumps(...) in Python and not str(...)")
}

pub(super) fn struct_field(column: &StructArray, key: &str) -> Result<ArrayRef> {
    let field = column.column_by_name(key).ok_or_else(|| Error::bug(format!("field {key} was not read")))?;
    match column.nulls() {
        // A field of a null struct is null, whatever the field's own mask says.
        Some(nulls) => {
            let indices: UInt64Array = (0..column.len()).map(|row| nulls.is_valid(row).then_some(row as u64)).collect();
            arrow::compute::take(field, &indices, None).map_err(arrow_bug)
        }
        None => Ok(field.clone()),
    }
}

/// The value of a key in each map, and in how many maps the key is.
pub(super) fn map_value(column: &arrow::array::MapArray, key: &str) -> Result<(ArrayRef, u64)> {
    let keys = as_text(column.keys())?;
    let offsets = column.offsets();
    let entry = |row: usize| {
        if column.is_null(row) {
            return None;
        }
        // The last of equal keys, as in a JSON text.
        (offsets[row] as usize..offsets[row + 1] as usize)
            .rev()
            .find(|i| keys.is_valid(*i) && keys.value(*i) == key)
            .map(|i| i as u64)
    };
    let indices: UInt64Array = (0..column.len()).map(entry).collect();
    let with_key = (indices.len() - indices.null_count()) as u64;
    Ok((arrow::compute::take(column.values(), &indices, None).map_err(arrow_bug)?, with_key))
}

/// The value under a path in each JSON text, and in how many texts it is.
pub(super) fn json_values<K: AsRef<str>>(texts: &StringArray, path: &[K]) -> (Leaf, u64) {
    let (mut values, mut faults, mut with_key) = (StringBuilder::new(), Faults::default(), 0);
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            values.append_null();
            continue;
        };
        let found = json_value(text, path);
        with_key += u64::from(matches!(&found, Ok(found) if *found != JsonValue::NoKey));
        match found {
            Ok(JsonValue::NoKey | JsonValue::Null) => values.append_null(),
            Ok(JsonValue::Text(value)) => values.append_value(value),
            Ok(JsonValue::Number(value)) => values.append_value(value),
            Ok(JsonValue::Other(value)) => {
                values.append_value(value);
                faults.push(row, Fault::NoId);
            }
            Err(_) => {
                values.append_null();
                faults.push(row, Fault::NoJson);
            }
        }
    }
    (Leaf { array: std::sync::Arc::new(values.finish()), faults }, with_key)
}

/// As many texts tell which keys there are.
const TEXTS_LOOKED_AT: usize = 64;

/// Keys that some of the texts or maps have where the last key of a path should be.
pub(super) fn keys_met<K: AsRef<str>>(column: &ArrayRef, path: &[K]) -> Result<Vec<String>> {
    let mut keys: Vec<String> = match column.data_type() {
        DataType::Map(..) => {
            let keys = as_text(&column.as_map().keys().slice(0, column.as_map().keys().len().min(16 * TEXTS_LOOKED_AT)))?;
            keys.iter().flatten().map(str::to_string).collect()
        }
        kind if kind.is_nested() => Vec::new(),
        _ => {
            let texts = as_text(column)?;
            let some = texts.iter().flatten().filter(|text| !text.trim().is_empty()).take(TEXTS_LOOKED_AT);
            some.flat_map(|text| json_keys(text, path)).collect()
        }
    };
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_json_is_a_fault_and_a_blank_one_is_nothing() {
        let texts = StringArray::from(vec![
            Some(r#"{"k": "a"}"#),
            Some(" "),
            None,
            Some("{'k': 'a'}"),
            Some(r#"{"k": {"x": 1}}"#),
            Some(r#"{"k": 1.2e17}"#),
            Some(r#"{"other": 1}"#),
            Some(r#"{"k": false}"#),
            Some(r#"{"k": null}"#),
        ]);
        let (leaf, with_key) = json_values(&texts, &["k"]);
        let expected = [Some("a"), None, None, None, Some("{\"x\": 1}"), Some("1.2e17"), None, Some("false"), None];
        assert_eq!(leaf.array.as_string::<i32>().iter().collect::<Vec<_>>(), expected);
        assert_eq!(leaf.faults.rows().collect::<Vec<_>>(), [(3, Fault::NoJson), (4, Fault::NoId), (7, Fault::NoId)]);
        assert_eq!([0, 3, 4].map(|row| leaf.faults.of(row)), [None, Some(Fault::NoJson), Some(Fault::NoId)]);
        assert_eq!(with_key, 5);
    }
}

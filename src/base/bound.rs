//! A mapping bound to one file: the lake's columns, read as the contract's.
//!
//! [`TableMapping::bind`] checks a mapping against the schema of a file; the [`Bound`] mapping then reads batches of that file. Blank
//! texts and words that mean nothing are null; ids are trimmed, other texts are kept as they came. Cells that should hold JSON or an id
//! and do not are told apart from those that hold nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Fields, Schema};
use chrono::DateTime;

use crate::base::cells::{Fault, Faults, Leaf, TextCells, arrow_bug, as_text, json_values, keys_met, map_value, struct_field};
use crate::base::error::{Error, Result};
use crate::base::ids::{IdCell, id_cell, is_of_ids};
use crate::base::mapping::{ColumnSource, MappedColumn, TableMapping};
use crate::base::schema::InputKind;
use crate::base::times::{Instant, instants};

impl TableMapping {
    /// Checks the mapping against a file: required columns are there, and every column has a type that can be read.
    pub fn bind(&self, schema: &Schema) -> Result<Bound> {
        let null_words = self.null_words.clone();
        let mut bound = Bound { sources: BTreeMap::new(), missing: Vec::new(), null_words, keys: Mutex::default() };
        for column in &self.columns {
            let mut sources = Vec::new();
            for source in &column.sources {
                if is_present(source, schema) {
                    check_type(column, source, schema)?;
                    sources.push(source.clone());
                }
            }
            if sources.is_empty() {
                if column.spec.required {
                    return Err(self.missing(column, schema));
                }
                bound.missing.push(column.spec.name);
            }
            bound.sources.insert(column.spec.name, sources);
        }
        Ok(bound)
    }

    fn missing(&self, column: &MappedColumn, schema: &Schema) -> Error {
        let wanted: Vec<String> = column.sources.iter().map(ColumnSource::to_string).collect();
        let error =
            Error::data(format!("required column {} is missing: no {} in the file", column.spec.name, wanted.join(" nor ")))
                .with("table", self.table.name)
                .with("column", column.spec.name)
                .with("columns it has", describe(schema));
        let section = format!("[inputs.{}.columns]", self.table.name);
        error.mend(if column.mapped {
            format!("correct {} in {section}", column.spec.name)
        } else {
            format!("name its column in {section}: {} = \"...\"", column.spec.name)
        })
    }
}

/// The columns of a file, with the fields of structs, as an error names them.
pub(crate) fn describe(schema: &Schema) -> String {
    let name = |field: &arrow::datatypes::FieldRef| match field.data_type() {
        DataType::Struct(fields) => format!("{}{{{}}}", field.name(), names(fields)),
        _ => field.name().clone(),
    };
    schema.fields().iter().map(name).collect::<Vec<_>>().join(", ")
}

fn names(fields: &Fields) -> String {
    fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
}

pub(crate) fn is_present(source: &ColumnSource, schema: &Schema) -> bool {
    if source.constant.is_some() {
        return true;
    }
    let Ok(field) = schema.field_with_name(&source.column) else { return false };
    match (&source.key, field.data_type()) {
        (Some(key), DataType::Struct(fields)) => fields.find(key).is_some(),
        _ => true,
    }
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

fn check_type(column: &MappedColumn, source: &ColumnSource, schema: &Schema) -> Result<()> {
    let mistyped = |found: &DataType, needed: &str| {
        Error::data(format!("{source} is {found}, {needed} is needed for {}", column.spec.name)).with("column", &source.column)
    };
    let outer = match schema.field_with_name(&source.column) {
        Ok(field) => field.data_type(),
        Err(_) => return Ok(()),
    };
    let leaf = match (&source.key, outer) {
        (None, kind) => kind,
        (Some(key), DataType::Struct(fields)) => match fields.find(key) {
            Some((_, field)) => field.data_type(),
            None => return Ok(()),
        },
        (Some(_), DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 && is_text(pair[0].data_type()) => pair[1].data_type(),
            other => return Err(mistyped(other, "a map with text keys")),
        },
        (Some(_), kind) if is_text(kind) => kind,
        (Some(_), kind) => return Err(mistyped(kind, "a struct, a map or JSON text")),
    };
    match column.spec.kind {
        InputKind::Unchecked => Ok(()),
        InputKind::Text if is_text(leaf) => Ok(()),
        InputKind::Text => {
            Err(mistyped(leaf, "a text")
                .mend("cast it to text in the table: ids are texts, and a number type may have changed them"))
        }
        InputKind::Instant => match leaf {
            DataType::Timestamp(..) => Ok(()),
            kind if is_text(kind) => Ok(()),
            kind if kind.is_integer() && source.unit.is_some() => Ok(()),
            kind if kind.is_integer() => Err(mistyped(kind, "a timestamp, or an integer with a unit,").mend(format!(
                "say what it counts: {} = {{ column = {:?}, unit = \"s\" }} (or \"ms\", \"us\")",
                column.spec.name, source.column
            ))),
            kind => Err(mistyped(kind, "a timestamp, RFC 3339 text or an integer with a unit")),
        },
    }
}

/// How a key that the mapping names is met in the rows of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyUse {
    /// Rows that were looked at, those that were looked at twice counted twice.
    pub rows: u64,
    pub with_key: u64,
    /// Some keys that are there, where it was in no row.
    pub met: Vec<String>,
}

/// A cell as it came, for people to look at.
pub(crate) struct RawCell {
    pub text: String,
    /// Whether it is a whole cell that should hold JSON.
    pub is_whole: bool,
}

/// A mapping that fits one file.
pub struct Bound {
    sources: BTreeMap<&'static str, Vec<ColumnSource>>,
    missing: Vec<&'static str>,
    null_words: Vec<String>,
    /// By contract column and place in it.
    keys: Mutex<BTreeMap<(&'static str, String), KeyUse>>,
}

impl Bound {
    /// The columns (and fields, where a key may be one) that these contract columns are read from.
    pub fn paths(&self, names: &[&str]) -> Vec<(String, Option<String>)> {
        let sources = names.iter().filter_map(|name| self.sources.get(name)).flatten();
        let columns = sources.filter(|source| source.constant.is_none());
        columns.map(|source| (source.column.clone(), source.key.clone())).collect()
    }

    /// Optional columns that the file lacks.
    pub fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    /// The keys that were looked for so far, by contract column and place.
    pub(crate) fn keys(&self) -> BTreeMap<(&'static str, String), KeyUse> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A contract column as text: the first source that is not blank, else null; null where that cannot be read.
    pub fn text(&self, name: &'static str, batch: &RecordBatch) -> Result<StringArray> {
        self.cells(name, batch).map(|cells| cells.texts)
    }

    /// A contract column as text, with what cannot be read: the first source that is not blank.
    pub(crate) fn cells(&self, name: &'static str, batch: &RecordBatch) -> Result<TextCells> {
        let is_id = is_of_ids(name);
        let mut places: Vec<(StringArray, Faults)> = Vec::new();
        for source in self.sources.get(name).into_iter().flatten() {
            let leaf = self.leaf(name, source, batch)?;
            places.push((translated(as_text(&leaf.array)?, source), leaf.faults));
        }
        if let [(texts, faults)] = &places[..]
            && faults.is_empty()
            && texts.iter().flatten().all(|text| stays(text, is_id))
        {
            return Ok(TextCells { texts: texts.clone(), faults: Faults::default() });
        }
        let (mut found, mut faulty) = (StringBuilder::with_capacity(batch.num_rows(), 0), Faults::default());
        for row in 0..batch.num_rows() {
            match places.iter().find_map(|(texts, faults)| text_cell(texts, faults, row, is_id)) {
                None => found.append_null(),
                Some(Ok(text)) => found.append_value(text),
                Some(Err(fault)) => {
                    found.append_null();
                    faulty.push(row, fault);
                }
            }
        }
        Ok(TextCells { texts: found.finish(), faults: faulty })
    }

    /// A contract column as instants: the first source that has one.
    pub fn instants(&self, name: &'static str, batch: &RecordBatch) -> Result<Vec<Instant>> {
        self.times(name, batch).map(|(instants, _)| instants)
    }

    /// The same, with the rows of which the time lies in what should be JSON and is not: they are unreadable.
    pub(crate) fn times(&self, name: &'static str, batch: &RecordBatch) -> Result<(Vec<Instant>, Faults)> {
        let (mut answer, mut faulty) = (Vec::new(), BTreeMap::new());
        for source in self.sources.get(name).into_iter().flatten() {
            let leaf = self.leaf(name, source, batch)?;
            let mut next = instants(&leaf.array, source.unit, None)?;
            for (row, _) in leaf.faults.rows().filter(|(_, fault)| *fault == Fault::NoJson) {
                next[row] = Instant::Unreadable;
                if answer.get(row).is_none_or(|known| *known == Instant::Absent) {
                    faulty.insert(row, Fault::NoJson);
                }
            }
            if answer.is_empty() {
                answer = next;
            } else {
                let places = answer.iter_mut().zip(next).filter(|(known, _)| **known == Instant::Absent);
                places.for_each(|(known, further)| *known = further);
            }
        }
        answer.resize(batch.num_rows(), Instant::Absent);
        let mut faults = Faults::default();
        faulty.into_iter().for_each(|(row, fault)| faults.push(row, fault));
        Ok((answer, faults))
    }

    /// Some cells of a contract column as they came: of the first source that is not blank.
    pub(crate) fn as_they_came(&self, name: &'static str, batch: &RecordBatch, rows: &[usize]) -> Result<Vec<Option<RawCell>>> {
        let mut cells: Vec<Option<RawCell>> = Vec::new();
        cells.resize_with(rows.len(), || None);
        for source in self.sources.get(name).into_iter().flatten() {
            let leaf = self.stored_leaf(name, source, batch)?;
            let values = shown(&leaf.array)?;
            let column = batch.column_by_name(&source.column).filter(|_| !leaf.faults.is_empty());
            let whole = column.map(as_text).transpose()?;
            for (cell, row) in cells.iter_mut().zip(rows).filter(|(cell, _)| cell.is_none()) {
                let is_whole = leaf.faults.of(*row) == Some(Fault::NoJson);
                let of = if is_whole { whole.as_ref() } else { Some(&values) };
                let text = of.filter(|texts| texts.is_valid(*row)).map(|texts| texts.value(*row));
                *cell = text.filter(|text| !text.trim().is_empty()).map(|text| RawCell { text: text.to_string(), is_whole });
            }
        }
        Ok(cells)
    }

    /// The values of each place that a contract column is read from, as they are stored.
    pub(crate) fn stored(&self, name: &'static str, batch: &RecordBatch) -> Result<Vec<(&ColumnSource, ArrayRef)>> {
        let sources = self.sources.get(name).into_iter().flatten();
        let stored = |source| {
            let leaf = self.leaf(name, source, batch)?;
            match leaf.faults.rows().find(|(_, fault)| *fault == Fault::NoJson) {
                Some((row, _)) => Err(no_json(name, source, batch, row)),
                None => Ok((source, leaf.array)),
            }
        };
        sources.map(stored).collect()
    }

    /// What lies at a place, without the words that mean nothing.
    fn leaf(&self, name: &'static str, source: &ColumnSource, batch: &RecordBatch) -> Result<Leaf> {
        let Leaf { array, faults } = self.stored_leaf(name, source, batch)?;
        if self.null_words.is_empty() || source.constant.is_some() {
            return Ok(Leaf { array, faults });
        }
        Ok(Leaf { array: without_words(array, &self.null_words)?, faults })
    }

    fn stored_leaf(&self, name: &'static str, source: &ColumnSource, batch: &RecordBatch) -> Result<Leaf> {
        if let Some(constant) = &source.constant {
            let constant: ArrayRef = std::sync::Arc::new(StringArray::from(vec![constant.as_str(); batch.num_rows()]));
            return Ok(constant.into());
        }
        let column =
            batch.column_by_name(&source.column).ok_or_else(|| Error::bug(format!("column {} was not read", source.column)))?;
        let Some(key) = &source.key else { return Ok(column.clone().into()) };
        let path = std::slice::from_ref(key);
        let (leaf, with_key) = match column.data_type() {
            DataType::Struct(_) => return struct_field(column.as_struct(), key).map(Leaf::from),
            DataType::Map(..) => map_value(column.as_map(), key).map(|(values, with_key)| (values.into(), with_key))?,
            // A whole cell may be a word for nothing.
            _ => json_values(&as_text(&without_words(column.clone(), &self.null_words)?)?, path),
        };
        self.note_key(name, source, column, with_key, path)?;
        Ok(leaf)
    }

    fn note_key(
        &self,
        name: &'static str,
        source: &ColumnSource,
        column: &ArrayRef,
        with_key: u64,
        path: &[String],
    ) -> Result<()> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let known = keys.entry((name, source.to_string())).or_default();
        known.rows += column.len() as u64;
        known.with_key += with_key;
        if known.with_key == 0 && known.met.is_empty() {
            known.met = keys_met(column, path)?;
        }
        Ok(())
    }
}

fn no_json(name: &str, source: &ColumnSource, batch: &RecordBatch, row: usize) -> Error {
    let cell = batch.column_by_name(&source.column).and_then(|column| as_text(column).ok());
    let text = cell.map(|texts| texts.value(row).chars().take(200).collect::<String>()).unwrap_or_default();
    Error::data(format!("{source} cannot be read for {name}: a cell holds {text:?}, which is no JSON object"))
        .with("column", &source.column)
        .mend("write the column as JSON, json.dumps(...) in Python and not str(...)")
}

/// Values without the cells that are one of these words.
fn without_words(array: ArrayRef, words: &[String]) -> Result<ArrayRef> {
    let has_words = !matches!(array.data_type(), DataType::Null | DataType::Timestamp(..)) && !array.data_type().is_nested();
    if words.is_empty() || !has_words {
        return Ok(array);
    }
    let texts = as_text(&array)?;
    let is_word: BooleanArray =
        texts.iter().map(|text| Some(text.is_some_and(|text| words.iter().any(|word| word == text.trim())))).collect();
    if is_word.true_count() == 0 {
        return Ok(array);
    }
    arrow::compute::nullif(&array, &is_word).map_err(arrow_bug)
}

/// Values as texts to look at: times in a form that people read.
fn shown(array: &ArrayRef) -> Result<StringArray> {
    if !matches!(array.data_type(), DataType::Timestamp(..)) {
        return as_text(array);
    }
    let text = |instant| match instant {
        Instant::At(micros) => {
            DateTime::from_timestamp_micros(micros).map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
        }
        Instant::Absent | Instant::Unreadable => None,
    };
    Ok(instants(array, None, None)?.into_iter().map(text).collect())
}

/// Whether a cell is read as it stands.
fn stays(text: &str, is_id: bool) -> bool {
    match is_id {
        true => matches!(id_cell(text), IdCell::Id(id) if id.len() == text.len()),
        false => !is_blank(text),
    }
}

/// What a place has in a row: none where it is blank.
fn text_cell<'t>(texts: &'t StringArray, faults: &Faults, row: usize, is_id: bool) -> Option<Result<&'t str, Fault>> {
    match faults.of(row) {
        Some(Fault::NoJson) => return Some(Err(Fault::NoJson)),
        Some(Fault::NoId) if is_id => return Some(Err(Fault::NoId)),
        _ => {}
    }
    let text = texts.is_valid(row).then(|| texts.value(row)).filter(|text| !is_blank(text))?;
    if !is_id {
        return Some(Ok(text));
    }
    match id_cell(text) {
        IdCell::Blank => None,
        IdCell::Id(id) => Some(Ok(id)),
        IdCell::Unreadable => Some(Err(Fault::NoId)),
    }
}

/// Whether trimming leaves nothing. Most texts begin with a letter or a digit.
fn is_blank(text: &str) -> bool {
    !text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && text.trim().is_empty()
}

fn translated(text: StringArray, source: &ColumnSource) -> StringArray {
    if source.values.is_empty() {
        return text;
    }
    let word = |theirs: &str| source.values.iter().find(|(known, _)| known == theirs).map(|(_, ours)| *ours);
    text.iter().map(|cell| cell.map(|cell| word(cell).unwrap_or(cell).to_string())).collect()
}

//! A mapping bound to one file: the lake's columns, read as the contract's.
//!
//! [`TableMapping::bind`] checks a mapping against the schema of a file; the [`Bound`] mapping then reads batches of that file. Blank
//! texts and words that mean nothing are null; ids are trimmed, other texts are kept as they came. Cells that should hold JSON or an id
//! and do not are told apart from those that hold nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Schema};
use chrono::DateTime;

use crate::base::cells::{Fault, Faults, Leaf, TextCells, arrow_bug, as_text, keys_met, no_id, no_json};
use crate::base::error::{Error, Result};
use crate::base::ids::{IdCell, id_cell, is_of_ids};
use crate::base::mapping::{ColumnSource, MappedColumn, TableMapping};
use crate::base::mends;
use crate::base::missing::{self, Missing};
use crate::base::places::{File, Found};
use crate::base::plain_texts::{PlainTexts, is_blank};
use crate::base::schema::{InputColumn, InputTable};
use crate::base::times::{Instant, instants};
use crate::base::types::{self, Exact};
use crate::base::{steps, time_columns};

impl TableMapping {
    /// Checks the mapping against a file of this schema at this path: what is required is there. Types are judged with the rows, as a
    /// column without a value may have any.
    pub fn bind(&self, schema: &Schema, path: &str) -> Result<Bound> {
        let file = File { schema, path };
        let mut bound = Bound {
            table: self.table,
            sources: BTreeMap::new(),
            missing: Vec::new(),
            uuids: BTreeSet::new(),
            without_zone: Vec::new(),
            null_words: self.null_words.clone(),
            keys: Mutex::default(),
        };
        let mut missing: Vec<&MappedColumn> = Vec::new();
        for column in &self.columns {
            let mut sources = Vec::new();
            for source in &column.sources {
                if let Some(found) = file.find(source).map_err(|error| error.with("table", self.table.name))? {
                    sources.push(bound.note(column.spec, found));
                }
            }
            if sources.is_empty() && !column.sources.is_empty() {
                missing.push(column);
            }
            bound.sources.insert(column.spec.name, sources);
        }
        missing::check(self, &missing, file)?;
        bound.missing = missing.into_iter().map(|column| Missing::of(self, column, file)).collect();
        Ok(bound)
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
    table: &'static InputTable,
    /// Under the names that the file has.
    sources: BTreeMap<&'static str, Vec<ColumnSource>>,
    missing: Vec<Missing>,
    /// The places that hold UUIDs in 16 bytes.
    uuids: BTreeSet<(String, Vec<String>)>,
    /// What is to be said of times that name no zone.
    without_zone: Vec<String>,
    null_words: Vec<String>,
    /// By contract column and place in it.
    keys: Mutex<BTreeMap<(&'static str, String), KeyUse>>,
}

impl Bound {
    /// Takes what the schema says of a place.
    fn note(&mut self, column: &'static InputColumn, found: Found) -> ColumnSource {
        let Found { source, kind, is_uuid } = found;
        if is_uuid {
            self.uuids.insert((source.column.clone(), source.key.clone()));
        }
        if matches!(kind, Some(DataType::Timestamp(_, None))) && column.is_instant() && source.zone.is_none() {
            let line = format!("{} = {}", column.name, source.entry("zone = \"America/Sao_Paulo\""));
            let text = format!(
                "the times of {} name no zone and are read as UTC; where they are of another, say so: {line}",
                column.name
            );
            self.without_zone.push(text);
        }
        source
    }

    /// The columns (and fields, where a key may be one) that these contract columns are read from.
    pub fn paths(&self, names: &[&str]) -> Vec<(String, Option<String>)> {
        let sources = names.iter().filter_map(|name| self.sources.get(name)).flatten();
        let columns = sources.filter(|source| source.constant.is_none());
        columns.map(|source| (source.column.clone(), source.key.first().cloned())).collect()
    }

    /// The words that mean nothing.
    pub(crate) fn null_words(&self) -> &[String] {
        &self.null_words
    }

    /// Whether the file has a contract column.
    pub(crate) fn is_there(&self, name: &str) -> bool {
        self.sources.get(name).is_some_and(|sources| !sources.is_empty())
    }

    /// Optional columns that the file lacks.
    pub(crate) fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// What is to be said of times that name no zone.
    pub(crate) fn without_zone(&self) -> &[String] {
        &self.without_zone
    }

    fn spec(&self, name: &str) -> Option<&'static InputColumn> {
        self.table.columns.iter().find(|column| column.name == name)
    }

    /// The values of a place as texts, and the rows in which they are none.
    fn texts(&self, name: &'static str, source: &ColumnSource, leaf: &ArrayRef) -> Result<(StringArray, Vec<usize>)> {
        types::texts_shown(leaf, exact(source)).map_err(|inexact| {
            let is_boolean = leaf.data_type() == &DataType::Boolean;
            let error = match self.spec(name).filter(|column| is_boolean && !column.words.is_empty()) {
                Some(column) => mends::untranslated(column, source),
                None => {
                    let mend = mends::of_values(self.table.section, (name, source), leaf, &self.null_words);
                    inexact.error_with(name, &source.to_string(), mend)
                }
            };
            error.with("column", &source.column)
        })
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
        self.cells_as(name, batch, is_of_ids(name))
    }

    /// A contract column of texts of which nothing but blanks is read otherwise than it is stored; none where the mapping or the type
    /// may change more.
    pub(crate) fn plain<'b>(&self, name: &str, batch: &'b RecordBatch) -> Option<PlainTexts<'b>> {
        let [source] = &self.sources.get(name)?[..] else { return None };
        let is_plain =
            source.key.is_empty() && source.constant.is_none() && source.values.is_empty() && self.null_words.is_empty();
        let stored = batch.column_by_name(&source.column).filter(|_| is_plain)?;
        PlainTexts::of(stored)
    }

    /// A contract column read as ids, whatever its name.
    pub(crate) fn id_cells(&self, name: &'static str, batch: &RecordBatch) -> Result<TextCells> {
        self.cells_as(name, batch, true)
    }

    fn cells_as(&self, name: &'static str, batch: &RecordBatch, is_id: bool) -> Result<TextCells> {
        let (mut places, mut shown_only): (Vec<(StringArray, Faults)>, Vec<usize>) = (Vec::new(), Vec::new());
        for source in self.sources.get(name).into_iter().flatten() {
            let leaf = self.leaf(name, source, batch)?;
            let (texts, no_texts) = self.texts(name, source, &leaf.array)?;
            let faults = match no_texts.as_slice() {
                [] => leaf.faults,
                _ if is_shown_only(name) => {
                    shown_only.extend(&no_texts);
                    leaf.faults
                }
                _ => leaf.faults.all_of(&no_texts, Fault::BrokenText),
            };
            places.push((translated(texts, source), faults));
        }
        shown_only.sort_unstable();
        if let [(texts, faults)] = &places[..]
            && faults.is_empty()
            && texts.iter().flatten().all(|text| stays(text, is_id))
        {
            return Ok(TextCells { texts: texts.clone(), faults: Faults::default(), no_texts: shown_only });
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
        Ok(TextCells { texts: found.finish(), faults: faulty, no_texts: shown_only })
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
            let mut next = time_columns::of_column(name, source, &leaf.array)?;
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
            match leaf.faults.rows().find(|(_, fault)| *fault == Fault::NoJson || is_of_ids(name)) {
                Some((row, Fault::NoJson)) => Err(no_json(name, source, batch, row)),
                Some((row, Fault::NoId | Fault::BrokenText)) => Err(no_id(name, source, &leaf.array, row)),
                None => Ok((source, leaf.array)),
            }
        };
        sources.map(stored).collect()
    }

    /// What lies at a place, without the words that mean nothing.
    fn leaf(&self, name: &'static str, source: &ColumnSource, batch: &RecordBatch) -> Result<Leaf> {
        let Leaf { array, faults } = self.stored_leaf(name, source, batch)?;
        let is_constant = source.constant.is_some() && source.partition.is_none();
        if self.null_words.is_empty() || is_constant {
            return Ok(Leaf { array, faults });
        }
        Ok(Leaf { array: without_words(array, &self.null_words)?, faults })
    }

    fn stored_leaf(&self, name: &'static str, source: &ColumnSource, batch: &RecordBatch) -> Result<Leaf> {
        if let Some(constant) = &source.constant {
            let constant: ArrayRef = Arc::new(StringArray::from(vec![constant.as_str(); batch.num_rows()]));
            return Ok(constant.into());
        }
        let column =
            batch.column_by_name(&source.column).ok_or_else(|| Error::bug(format!("column {} was not read", source.column)))?;
        let mut leaf = Leaf::from(column.clone());
        let mut rest = source.key.as_slice();
        while !rest.is_empty() {
            // A whole cell may be a word for nothing.
            let outer = without_words(leaf.array, &self.null_words)?;
            let step = steps::into(&outer, rest).map_err(|error| {
                Error::data(format!("{name} is read from {source}: {}", error.message()))
                    .with("column", &source.column)
                    .mend(error.mend_text().unwrap_or_default())
            })?;
            if let Some(with_key) = step.with_key {
                self.note_key(name, source, &outer, with_key, rest)?;
            }
            (leaf, rest) = (step.leaf, &rest[step.taken..]);
        }
        let is_uuid = !self.uuids.is_empty() && self.uuids.contains(&(source.column.clone(), source.key.clone()));
        Ok(if is_uuid { types::uuid_texts(&leaf.array).into() } else { leaf })
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

/// Whether a column is for people to look at, and no figure depends on it: a sign stands in it for bytes that are no text.
fn is_shown_only(name: &str) -> bool {
    name == "ad_title"
}

/// What the texts of a place have to be.
fn exact(source: &ColumnSource) -> Exact {
    if source.values.is_empty() { Exact::Plain } else { Exact::Translated }
}

/// Values as texts to look at: times in a form that people read.
fn shown(array: &ArrayRef) -> Result<StringArray> {
    if array.data_type().is_nested() {
        let text = |row: usize| array.is_valid(row).then(|| types::shown(array, row));
        return Ok((0..array.len()).map(text).collect());
    }
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
        Some(Fault::BrokenText) => return Some(Err(Fault::BrokenText)),
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

fn translated(text: StringArray, source: &ColumnSource) -> StringArray {
    if source.values.is_empty() {
        return text;
    }
    let word = |theirs: &str| source.values.iter().find(|(known, _)| known == theirs).map(|(_, ours)| *ours);
    text.iter().map(|cell| cell.map(|cell| word(cell).unwrap_or(cell).to_string())).collect()
}

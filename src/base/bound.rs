//! A mapping bound to one file: the lake's columns, read as the contract's.
//!
//! [`TableMapping::bind`] checks a mapping against the schema of a file; the [`Bound`] mapping then reads batches of that file. Blank
//! texts are null; others are kept untrimmed. Instants become whole microseconds since the epoch, finer ones truncated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema};
use chrono::DateTime;

use crate::base::cells::{Instant, as_text, instants};
use crate::base::error::{Error, Result};
use crate::base::mapping::{ColumnSource, MappedColumn, TableMapping};
use crate::base::missing::{self, Missing};
use crate::base::places::{File, Found};
use crate::base::schema::{InputColumn, InputKind, InputTable};
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
            doubtful: Vec::new(),
            without_zone: Vec::new(),
            unreadable_json: BTreeMap::new(),
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
            bound.unreadable_json.insert(column.spec.name, AtomicU64::new(0));
        }
        missing::check(self, &missing, file)?;
        bound.missing = missing.into_iter().map(|column| Missing::of(self, column, file)).collect();
        Ok(bound)
    }
}

/// A mapping that fits one file.
pub struct Bound {
    table: &'static InputTable,
    /// Under the names that the file has.
    sources: BTreeMap<&'static str, Vec<ColumnSource>>,
    missing: Vec<Missing>,
    /// The places that hold UUIDs in 16 bytes.
    uuids: BTreeSet<(String, Vec<String>)>,
    /// The contract columns of a type that is read only where it has no value.
    doubtful: Vec<&'static str>,
    /// What is to be said of times that name no zone.
    without_zone: Vec<String>,
    unreadable_json: BTreeMap<&'static str, AtomicU64>,
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
        let is_sure = is_uuid
            || kind.is_some_and(|kind| match column.kind {
                InputKind::Text => types::is_exact(&kind, exact(&source)),
                InputKind::Instant => time_columns::holds_times(&kind, &source),
                InputKind::Unchecked => true,
            });
        if !is_sure && self.doubtful.last() != Some(&column.name) {
            self.doubtful.push(column.name);
        }
        source
    }

    /// The columns (and fields, where a key may be one) that these contract columns are read from.
    pub fn paths(&self, names: &[&str]) -> Vec<(String, Option<String>)> {
        let sources = names.iter().filter_map(|name| self.sources.get(name)).flatten();
        let columns = sources.filter(|source| source.constant.is_none());
        columns.map(|source| (source.column.clone(), source.key.first().cloned())).collect()
    }

    /// Optional columns that the file lacks.
    pub(crate) fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Contract columns of a type that is read only where it has no value.
    pub(crate) fn doubtful(&self) -> &[&'static str] {
        &self.doubtful
    }

    /// What is to be said of times that name no zone.
    pub(crate) fn without_zone(&self) -> &[String] {
        &self.without_zone
    }

    /// Reads a contract column as what it has to be, for the error alone.
    pub(crate) fn check(&self, name: &'static str, batch: &RecordBatch) -> Result<()> {
        match self.spec(name).map(|column| column.kind) {
            Some(InputKind::Text) => self.text(name, batch).map(drop),
            Some(InputKind::Instant) => self.instants(name, batch).map(drop),
            _ => Ok(()),
        }
    }

    fn spec(&self, name: &str) -> Option<&'static InputColumn> {
        self.table.columns.iter().find(|column| column.name == name)
    }

    /// The values of a place as texts.
    fn texts(&self, name: &'static str, source: &ColumnSource, leaf: &ArrayRef) -> Result<StringArray> {
        types::texts(leaf, exact(source)).map_err(|inexact| {
            let is_boolean = leaf.data_type() == &DataType::Boolean;
            let error = match self.spec(name).filter(|column| is_boolean && !column.words.is_empty()) {
                Some(column) => untranslated(column, source),
                None => inexact.error(name, &source.to_string()),
            };
            error.with("column", &source.column)
        })
    }

    /// Contract columns with cells that should be JSON and are not, and how many.
    pub fn unreadable_json(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.unreadable_json.iter().map(|(name, count)| (*name, count.load(Ordering::Relaxed))).filter(|(_, count)| *count > 0)
    }

    /// A contract column as text: the first source that is not blank, else null.
    pub fn text(&self, name: &'static str, batch: &RecordBatch) -> Result<StringArray> {
        let mut answers: Vec<StringArray> = Vec::new();
        for source in self.sources.get(name).into_iter().flatten() {
            let leaf = self.texts(name, source, &self.leaf(name, source, batch)?)?;
            answers.push(translated(leaf, source));
        }
        if let [only] = &answers[..]
            && !only.iter().flatten().any(is_blank)
        {
            return Ok(only.clone());
        }
        let value =
            |row: usize| answers.iter().filter(|a| a.is_valid(row)).map(|a| a.value(row)).find(|text| !text.trim().is_empty());
        Ok((0..batch.num_rows()).map(value).collect())
    }

    /// A contract column as instants: the first source that has one.
    pub fn instants(&self, name: &'static str, batch: &RecordBatch) -> Result<Vec<Instant>> {
        let mut answer = vec![Instant::Absent; batch.num_rows()];
        for source in self.sources.get(name).into_iter().flatten() {
            let leaf = self.leaf(name, source, batch)?;
            for (known, next) in answer.iter_mut().zip(time_columns::of_column(name, source, &leaf)?) {
                if *known == Instant::Absent {
                    *known = next;
                }
            }
        }
        Ok(answer)
    }

    /// A time column as it stands in the file, for rows that are set aside.
    pub fn raw_text(&self, name: &'static str, batch: &RecordBatch) -> Result<StringArray> {
        let Some(source) = self.sources.get(name).and_then(|sources| sources.first()) else {
            return Ok(StringArray::new_null(batch.num_rows()));
        };
        let leaf = self.leaf(name, source, batch)?;
        if !matches!(leaf.data_type(), DataType::Timestamp(..)) {
            return as_text(&leaf);
        }
        let text = |instant| match instant {
            Instant::At(micros) => {
                DateTime::from_timestamp_micros(micros).map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
            }
            Instant::Absent | Instant::Unreadable => None,
        };
        Ok(instants(&leaf, None)?.into_iter().map(text).collect())
    }

    /// The values of each place that a contract column is read from, as they are stored.
    pub(crate) fn stored(&self, name: &'static str, batch: &RecordBatch) -> Result<Vec<(&ColumnSource, ArrayRef)>> {
        let sources = self.sources.get(name).into_iter().flatten();
        sources.map(|source| Ok((source, self.leaf(name, source, batch)?))).collect()
    }

    fn leaf(&self, name: &'static str, source: &ColumnSource, batch: &RecordBatch) -> Result<ArrayRef> {
        if let Some(constant) = &source.constant {
            return Ok(Arc::new(StringArray::from(vec![constant.as_str(); batch.num_rows()])));
        }
        let column =
            batch.column_by_name(&source.column).ok_or_else(|| Error::bug(format!("column {} was not read", source.column)))?;
        let mut leaf = column.clone();
        for key in &source.key {
            let (inner, unreadable) = steps::into(&leaf, key).map_err(|error| {
                Error::data(format!("{name} is read from {source}: {}", error.message()))
                    .with("column", &source.column)
                    .mend(error.mend_text().unwrap_or_default())
            })?;
            if let Some(count) = self.unreadable_json.get(name) {
                count.fetch_add(unreadable, Ordering::Relaxed);
            }
            leaf = inner;
        }
        let is_uuid = !self.uuids.is_empty() && self.uuids.contains(&(source.column.clone(), source.key.clone()));
        Ok(if is_uuid { types::uuid_texts(&leaf) } else { leaf })
    }
}

/// What the texts of a place have to be.
fn exact(source: &ColumnSource) -> Exact {
    if source.values.is_empty() { Exact::Plain } else { Exact::Translated }
}

/// True and false in a column of words say nothing until the pipeline file says which is which.
fn untranslated(column: &InputColumn, source: &ColumnSource) -> Error {
    let words = column.words.join(" or ");
    let values: Vec<String> =
        column.words.iter().zip(["false", "true"]).map(|(word, theirs)| format!("{word} = [{theirs:?}]")).collect();
    let entry = source.entry(&format!("values = {{ {} }}", values.join(", ")));
    let name = column.name;
    Error::data(format!("{name} is true or false in {source}, and nothing says which of them is {words}"))
        .mend(format!("say so: {name} = {entry}, or the other way round"))
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

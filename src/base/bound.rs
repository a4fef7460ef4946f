//! A mapping bound to one file: the lake's columns, read as the contract's.
//!
//! [`TableMapping::bind`] checks a mapping against the schema of a file; the [`Bound`] mapping then reads batches of that file. Blank
//! texts are null; others are kept untrimmed. Instants become whole microseconds since the epoch, finer ones truncated.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Fields, Schema};
use chrono::DateTime;

use crate::base::cells::{Instant, as_text, instants, json_values, map_value, struct_field};
use crate::base::error::{Error, Result};
use crate::base::mapping::{ColumnSource, MappedColumn, TableMapping};
use crate::base::schema::InputKind;

impl TableMapping {
    /// Checks the mapping against a file: required columns are there, and every column has a type that can be read.
    pub fn bind(&self, schema: &Schema) -> Result<Bound> {
        let mut bound = Bound { sources: BTreeMap::new(), missing: Vec::new(), unreadable_json: BTreeMap::new() };
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
            bound.unreadable_json.insert(column.spec.name, AtomicU64::new(0));
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

/// A mapping that fits one file.
pub struct Bound {
    sources: BTreeMap<&'static str, Vec<ColumnSource>>,
    missing: Vec<&'static str>,
    unreadable_json: BTreeMap<&'static str, AtomicU64>,
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

    /// Contract columns with cells that should be JSON and are not, and how many.
    pub fn unreadable_json(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.unreadable_json.iter().map(|(name, count)| (*name, count.load(Ordering::Relaxed))).filter(|(_, count)| *count > 0)
    }

    /// A contract column as text: the first source that is not blank, else null.
    pub fn text(&self, name: &'static str, batch: &RecordBatch) -> Result<StringArray> {
        let mut answers: Vec<StringArray> = Vec::new();
        for source in self.sources.get(name).into_iter().flatten() {
            let leaf = as_text(&self.leaf(name, source, batch)?)?;
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
            for (known, next) in answer.iter_mut().zip(instants(&leaf, source.unit)?) {
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
            return Ok(std::sync::Arc::new(StringArray::from(vec![constant.as_str(); batch.num_rows()])));
        }
        let column =
            batch.column_by_name(&source.column).ok_or_else(|| Error::bug(format!("column {} was not read", source.column)))?;
        let Some(key) = &source.key else { return Ok(column.clone()) };
        match column.data_type() {
            DataType::Struct(_) => struct_field(column.as_struct(), key),
            DataType::Map(..) => map_value(column.as_map(), key),
            _ => {
                let (values, unreadable) = json_values(&as_text(column)?, key);
                if let Some(count) = self.unreadable_json.get(name) {
                    count.fetch_add(unreadable, Ordering::Relaxed);
                }
                Ok(std::sync::Arc::new(values))
            }
        }
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

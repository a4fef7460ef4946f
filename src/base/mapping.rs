//! The lake's columns, read as the contract's.
//!
//! A [`TableMapping`] says for each contract column where its values come from: columns, struct fields, map keys or keys of JSON
//! text, the first of them that is not blank. [`TableMapping::bind`] checks it against the schema of one file; the [`Bound`]
//! mapping then reads batches of that file. Blank texts are null; others are kept untrimmed. Instants become whole
//! microseconds since the epoch, finer ones truncated.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StructArray, UInt64Array};
use arrow::datatypes::{DataType, Fields, Schema, TimeUnit as ArrowTimeUnit};
use chrono::DateTime;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::base::error::{Error, Result};
use crate::base::schema::{InputColumn, InputKind, InputTable};

#[derive(Clone, Debug)]
pub struct TableMapping {
    pub table: &'static InputTable,
    pub columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub spec: &'static InputColumn,
    /// In order of preference.
    pub sources: Vec<TextSource>,
    /// Whether the pipeline file names the sources, or the column is expected under its own name.
    pub mapped: bool,
}

/// One place that a column's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextSource {
    pub column: String,
    /// A struct field, a map key or a key of a JSON text, whichever the column is.
    pub key: Option<String>,
    /// Of integer times.
    pub unit: Option<TimeUnit>,
    /// (the lake's word, the contract's word)
    pub values: Vec<(String, &'static str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    Second,
    Millisecond,
    Microsecond,
}

impl TimeUnit {
    fn to_micros(self, value: i64) -> Option<i64> {
        match self {
            TimeUnit::Second => value.checked_mul(1_000_000),
            TimeUnit::Millisecond => value.checked_mul(1_000),
            TimeUnit::Microsecond => Some(value),
        }
    }
}

impl TextSource {
    /// A stored value of a plain time column in microseconds.
    pub fn to_micros(&self, stored: i64, kind: &DataType) -> Option<i64> {
        match (kind, self.unit) {
            (DataType::Timestamp(unit, _), _) => timestamp_micros(*unit, stored),
            (kind, Some(unit)) if kind.is_integer() => unit.to_micros(stored),
            _ => None,
        }
    }

    pub fn column(column: impl Into<String>) -> TextSource {
        TextSource { column: column.into(), key: None, unit: None, values: Vec::new() }
    }
}

impl fmt::Display for TextSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}[{key:?}]", self.column),
            None => f.write_str(&self.column),
        }
    }
}

/// What a cell of a time column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    At(i64),
    Absent,
    Unreadable,
}

impl TableMapping {
    /// Every column under its own name.
    pub fn identity(table: &'static InputTable) -> TableMapping {
        let column = |spec: &'static InputColumn| Column { spec, sources: vec![TextSource::column(spec.name)], mapped: false };
        TableMapping { table, columns: table.columns.iter().map(column).collect() }
    }

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

    /// The column that instants are read from, if it is one plain column, so that a footer's statistics tell their span.
    pub fn plain_instants(&self) -> Option<&TextSource> {
        let column = self.columns.iter().find(|column| column.spec.is_instant())?;
        match column.sources.as_slice() {
            [only] if only.key.is_none() => Some(only),
            _ => None,
        }
    }

    fn missing(&self, column: &Column, schema: &Schema) -> Error {
        let wanted: Vec<String> = column.sources.iter().map(TextSource::to_string).collect();
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

fn is_present(source: &TextSource, schema: &Schema) -> bool {
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

fn check_type(column: &Column, source: &TextSource, schema: &Schema) -> Result<()> {
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
    sources: BTreeMap<&'static str, Vec<TextSource>>,
    missing: Vec<&'static str>,
    unreadable_json: BTreeMap<&'static str, AtomicU64>,
}

impl Bound {
    /// The columns (and fields, where a key may be one) that these contract columns are read from.
    pub fn paths(&self, names: &[&str]) -> Vec<(String, Option<String>)> {
        let sources = names.iter().filter_map(|name| self.sources.get(name)).flatten();
        sources.map(|source| (source.column.clone(), source.key.clone())).collect()
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

    fn leaf(&self, name: &'static str, source: &TextSource, batch: &RecordBatch) -> Result<ArrayRef> {
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

fn arrow_bug(error: arrow::error::ArrowError) -> Error {
    Error::bug("an Arrow kernel refused a column it was checked for").source(error)
}

/// Whether trimming leaves nothing. Most texts begin with a letter or a digit.
fn is_blank(text: &str) -> bool {
    !text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && text.trim().is_empty()
}

fn as_text(array: &ArrayRef) -> Result<StringArray> {
    let text = arrow::compute::cast(array, &DataType::Utf8).map_err(arrow_bug)?;
    Ok(text.as_string::<i32>().clone())
}

fn translated(text: StringArray, source: &TextSource) -> StringArray {
    if source.values.is_empty() {
        return text;
    }
    let word = |theirs: &str| source.values.iter().find(|(known, _)| known == theirs).map(|(_, ours)| *ours);
    text.iter().map(|cell| cell.map(|cell| word(cell).unwrap_or(cell).to_string())).collect()
}

fn struct_field(column: &StructArray, key: &str) -> Result<ArrayRef> {
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

fn map_value(column: &arrow::array::MapArray, key: &str) -> Result<ArrayRef> {
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
    arrow::compute::take(column.values(), &indices, None).map_err(arrow_bug)
}

/// The value of a key in each JSON text, and how many texts are not JSON objects.
fn json_values(texts: &StringArray, key: &str) -> (StringArray, u64) {
    let mut unreadable = 0;
    let values = texts
        .iter()
        .map(|text| {
            let text = text.filter(|text| !text.trim().is_empty())?;
            match json_value(text, key) {
                Ok(value) => value,
                Err(_) => {
                    unreadable += 1;
                    None
                }
            }
        })
        .collect();
    (values, unreadable)
}

fn json_value(text: &str, key: &str) -> serde_json::Result<Option<String>> {
    struct OneKey<'k>(&'k str);
    impl<'de> Visitor<'de> for OneKey<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                if key == self.0 {
                    found = Some(map.next_value::<&RawValue>()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let raw = serde::Deserializer::deserialize_any(&mut deserializer, OneKey(key))?;
    deserializer.end()?;
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(text) if text.starts_with('"') => serde_json::from_str(text).map(Some),
        // A number keeps every digit it was written with.
        Some(text) => Ok(Some(text.to_string())),
    }
}

fn instants(leaf: &ArrayRef, unit: Option<TimeUnit>) -> Result<Vec<Instant>> {
    match leaf.data_type() {
        DataType::Timestamp(found, _) => {
            let values = arrow::compute::cast(leaf, &DataType::Int64).map_err(arrow_bug)?;
            let values = values.as_primitive::<arrow::datatypes::Int64Type>();
            let micros = |value: i64| timestamp_micros(*found, value);
            Ok(values
                .iter()
                .map(|value| value.map_or(Instant::Absent, |value| micros(value).map_or(Instant::Unreadable, Instant::At)))
                .collect())
        }
        kind if kind.is_integer() => {
            let unit = unit.ok_or_else(|| Error::bug("an integer time without a unit passed the check"))?;
            let values = arrow::compute::cast(leaf, &DataType::Int64).map_err(arrow_bug)?;
            let wide = values.as_primitive::<arrow::datatypes::Int64Type>();
            let instant = |row: usize| match (leaf.is_valid(row), wide.is_valid(row)) {
                (false, _) => Instant::Absent,
                (true, false) => Instant::Unreadable,
                (true, true) => unit.to_micros(wide.value(row)).map_or(Instant::Unreadable, Instant::At),
            };
            Ok((0..leaf.len()).map(instant).collect())
        }
        _ => Ok(as_text(leaf)?.iter().map(|text| text.map_or(Instant::Absent, |text| text_instant(text, unit))).collect()),
    }
}

fn timestamp_micros(unit: ArrowTimeUnit, value: i64) -> Option<i64> {
    match unit {
        ArrowTimeUnit::Second => TimeUnit::Second.to_micros(value),
        ArrowTimeUnit::Millisecond => TimeUnit::Millisecond.to_micros(value),
        ArrowTimeUnit::Microsecond => Some(value),
        ArrowTimeUnit::Nanosecond => Some(value.div_euclid(1_000)),
    }
}

fn text_instant(text: &str, unit: Option<TimeUnit>) -> Instant {
    let text = text.trim();
    if text.is_empty() {
        return Instant::Absent;
    }
    let micros = match unit {
        Some(unit) => text.parse::<i64>().ok().and_then(|value| unit.to_micros(value)),
        None => DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros()),
    };
    micros.map_or(Instant::Unreadable, Instant::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_key_is_read_without_touching_its_digits() {
        let text = r##"{"a": {"b": 1}, "#wa.referral.source_id": 120226305854810727, "t": "x\"y", "n": null}"##;
        assert_eq!(json_value(text, "#wa.referral.source_id").unwrap().as_deref(), Some("120226305854810727"));
        assert_eq!(json_value(text, "t").unwrap().as_deref(), Some("x\"y"));
        assert_eq!(json_value(text, "n").unwrap(), None);
        assert_eq!(json_value(text, "b").unwrap(), None);
        assert_eq!(json_value("null", "b").unwrap(), None);
        assert!(json_value("{\"b\": ", "b").is_err());
        assert!(json_value("[1]", "b").is_err());
    }

    #[test]
    fn times_are_read_in_every_form() {
        assert_eq!(text_instant("2025-03-01T02:30:00.1234567Z", None), Instant::At(1_740_796_200_123_456));
        assert_eq!(text_instant("2025-02-28T23:30:00-03:00", None), Instant::At(1_740_796_200_000_000));
        assert_eq!(text_instant("1740796200", Some(TimeUnit::Second)), Instant::At(1_740_796_200_000_000));
        assert_eq!(text_instant("1740796200123", Some(TimeUnit::Millisecond)), Instant::At(1_740_796_200_123_000));
        assert_eq!(text_instant("soon", None), Instant::Unreadable);
        assert_eq!(text_instant("9223372036854775807", Some(TimeUnit::Second)), Instant::Unreadable);
        assert_eq!(text_instant(" ", None), Instant::Absent);
    }
}

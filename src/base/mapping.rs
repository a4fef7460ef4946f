//! Mapping: where the lake's columns are found, as the pipeline file says it.
//!
//! A [`TableMapping`] says for each contract column where its values come from: columns, struct fields, map keys or keys of JSON
//! text, the first of them that is not blank. What becomes of it with a file at hand is in `bound`.

use std::fmt;

use arrow::datatypes::{DataType, TimeUnit as ArrowTimeUnit};

use crate::base::schema::{InputColumn, InputTable};

#[derive(Clone, Debug)]
pub struct TableMapping {
    pub table: &'static InputTable,
    pub columns: Vec<MappedColumn>,
    /// Words that mean nothing in the table, as they are without white space around them.
    pub null_words: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct MappedColumn {
    pub spec: &'static InputColumn,
    /// The places that its values come from, in order of preference.
    pub sources: Vec<ColumnSource>,
    /// Whether the pipeline file names the sources, or the column is expected under its own name.
    pub mapped: bool,
}

/// One place that a column's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSource {
    pub column: String,
    /// A struct field, a map key or a key of a JSON text, whichever the column is.
    pub key: Option<String>,
    /// The unit of integer times.
    pub unit: Option<TimeUnit>,
    /// Pairs of the lake's word and the contract's.
    pub values: Vec<(String, &'static str)>,
    /// Whether an amount may be a float: then its shortest decimal text counts.
    pub float: bool,
    /// The value of every row, in place of a column.
    pub constant: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    Second,
    Millisecond,
    Microsecond,
}

impl TimeUnit {
    pub(crate) fn to_micros(self, value: i64) -> Option<i64> {
        match self {
            TimeUnit::Second => value.checked_mul(1_000_000),
            TimeUnit::Millisecond => value.checked_mul(1_000),
            TimeUnit::Microsecond => Some(value),
        }
    }
}

impl ColumnSource {
    /// A stored value of a plain time column in microseconds.
    pub fn to_micros(&self, stored: i64, kind: &DataType) -> Option<i64> {
        match (kind, self.unit) {
            (DataType::Timestamp(unit, _), _) => timestamp_micros(*unit, stored),
            (kind, Some(unit)) if kind.is_integer() => unit.to_micros(stored),
            _ => None,
        }
    }

    pub fn column(column: impl Into<String>) -> ColumnSource {
        ColumnSource { column: column.into(), key: None, unit: None, values: Vec::new(), float: false, constant: None }
    }
}

impl fmt::Display for ColumnSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            _ if self.constant.is_some() => f.write_str("the constant value"),
            Some(key) => write!(f, "{}[{key:?}]", self.column),
            None => f.write_str(&self.column),
        }
    }
}

impl TableMapping {
    /// Every column under its own name.
    pub fn identity(table: &'static InputTable) -> TableMapping {
        let column =
            |spec: &'static InputColumn| MappedColumn { spec, sources: vec![ColumnSource::column(spec.name)], mapped: false };
        TableMapping { table, columns: table.columns.iter().map(column).collect(), null_words: Vec::new() }
    }

    /// Whether the pipeline file says where a column is found.
    pub fn is_mapped(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.spec.name == name && column.mapped)
    }

    /// The column that instants are read from, if it is one plain column, so that a footer's statistics tell their span.
    pub fn plain_instants(&self) -> Option<&ColumnSource> {
        let column = self.columns.iter().find(|column| column.spec.is_instant())?;
        match column.sources.as_slice() {
            [only] if only.key.is_none() && only.constant.is_none() => Some(only),
            _ => None,
        }
    }
}

/// A stored timestamp in microseconds; none where it lies outside what they can tell.
pub(super) fn timestamp_micros(unit: ArrowTimeUnit, value: i64) -> Option<i64> {
    match unit {
        ArrowTimeUnit::Second => TimeUnit::Second.to_micros(value),
        ArrowTimeUnit::Millisecond => TimeUnit::Millisecond.to_micros(value),
        ArrowTimeUnit::Microsecond => Some(value),
        ArrowTimeUnit::Nanosecond => Some(value.div_euclid(1_000)),
    }
}

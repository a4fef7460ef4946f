//! Mapping: where the lake's columns are found, as the pipeline file says it.
//!
//! A [`TableMapping`] says for each contract column where its values come from: columns, what lies inside one, folders of the
//! file's path or a constant, the first of them that is not blank. What becomes of it with a file at hand is in `bound`.

use std::fmt;

use arrow::datatypes::{DataType, TimeUnit as ArrowTimeUnit};

use crate::base::arrival::ArrivalZone;
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
    /// What lies inside the column, a step each: a struct field, a map key, a key of a list of pairs or of a JSON text, whichever
    /// it is there. None for the column itself.
    pub key: Vec<String>,
    /// The key of a folder of the file's path, in place of a column: `bot_id=shop/`.
    pub partition: Option<String>,
    /// The unit of integer times.
    pub unit: Option<TimeUnit>,
    /// Whose clocks times without a zone are of.
    pub zone: Option<ArrivalZone>,
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
            (DataType::Timestamp(unit, None), _) => {
                timestamp_micros(*unit, stored).map(|local| self.zone.map_or(local, |zone| zone.instant_of(local)))
            }
            (DataType::Timestamp(unit, Some(_)), _) => timestamp_micros(*unit, stored),
            (kind, Some(unit)) if kind.is_integer() => unit.to_micros(stored),
            _ => None,
        }
    }

    pub fn column(column: impl Into<String>) -> ColumnSource {
        ColumnSource {
            column: column.into(),
            key: Vec::new(),
            partition: None,
            unit: None,
            zone: None,
            values: Vec::new(),
            float: false,
            constant: None,
        }
    }

    /// Whether it is a column as it stands.
    pub(crate) fn is_plain(&self) -> bool {
        self.key.is_empty() && self.partition.is_none() && self.constant.is_none()
    }

    /// The place, as the pipeline file writes it.
    pub(crate) fn place(&self) -> String {
        match (&self.partition, self.key.as_slice()) {
            (Some(key), _) => format!("partition = {key:?}"),
            (None, []) => format!("column = {:?}", self.column),
            (None, [key]) => format!("column = {:?}, key = {key:?}", self.column),
            (None, keys) => format!("column = {:?}, key = {keys:?}", self.column),
        }
    }

    /// The entry of the pipeline file that names this place, with more to say of it.
    pub(crate) fn entry(&self, more: &str) -> String {
        format!("{{ {}, {more} }}", self.place())
    }
}

impl fmt::Display for ColumnSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.partition, &self.constant) {
            (Some(key), _) => write!(f, "the folder key {key:?}"),
            (None, Some(_)) => f.write_str("the constant value"),
            (None, None) => {
                f.write_str(&self.column)?;
                self.key.iter().try_for_each(|key| write!(f, "[{key:?}]"))
            }
        }
    }
}

impl MappedColumn {
    /// A column that the pipeline file does not name: it is expected under its own name.
    pub(crate) fn own(spec: &'static InputColumn) -> MappedColumn {
        let sources = if spec.only_named { Vec::new() } else { vec![ColumnSource::column(spec.name)] };
        MappedColumn { spec, sources, mapped: false }
    }

    /// Whether a file has to have it: the contract asks for it, or the pipeline file, of what is read only where that names it.
    pub(crate) fn is_needed(&self) -> bool {
        self.spec.required || self.mapped && self.spec.only_named
    }
}

impl TableMapping {
    /// Every column under its own name.
    pub fn identity(table: &'static InputTable) -> TableMapping {
        TableMapping { table, columns: table.columns.iter().map(MappedColumn::own).collect(), null_words: Vec::new() }
    }

    /// Whether the pipeline file says where a column is found.
    pub fn is_mapped(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.spec.name == name && column.mapped)
    }

    /// The column that instants are read from, if it is one plain column, so that a footer's statistics tell their span.
    pub fn plain_instants(&self) -> Option<&ColumnSource> {
        let column = self.columns.iter().find(|column| column.spec.is_instant())?;
        match column.sources.as_slice() {
            [only] if only.is_plain() => Some(only),
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

//! A sheet: columns with their kinds and rows of cells, in the form that every format writes. Pure but for the Parquet writer.
//!
//! The report is one, and so are the ledger and what-if: a text is guarded, a number aligned and a NULL shown in one way everywhere.

use crate::base::day::{Day, Zone};
use crate::base::error::{Error, Result};
use crate::report::style::Look;

use super::{Amount, Format, Kind, batch, csv, json, table};

pub struct Sheet<'a> {
    pub columns: &'a [(&'static str, Kind)],
    /// Each with a cell for every column.
    pub rows: Vec<Vec<Value<'a>>>,
}

/// A cell as the formats see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    Day(Day),
    Text(&'a str),
    Count(i64),
    Amount(Amount),
    /// Typed formats hold the instant, texts the local time with its offset.
    Instant {
        micros: i64,
        local: String,
    },
}

impl<'a> Value<'a> {
    pub fn text(text: Option<&'a str>) -> Value<'a> {
        text.map_or(Value::Null, Value::Text)
    }

    pub fn day(day: Option<Day>) -> Value<'a> {
        day.map_or(Value::Null, Value::Day)
    }

    pub fn count(count: Option<i64>) -> Value<'a> {
        count.map_or(Value::Null, Value::Count)
    }

    pub fn amount(amount: Option<Amount>) -> Value<'a> {
        amount.map_or(Value::Null, Value::Amount)
    }

    pub fn instant(zone: Zone, micros: Option<i64>) -> Value<'a> {
        micros.map_or(Value::Null, |micros| Value::Instant { micros, local: zone.time(micros) })
    }
}

/// How a sheet is written.
pub struct Layout<'a> {
    pub format: Format,
    /// The terminal's, in columns.
    pub look: Look,
    /// Leaves out CSV's guard against formulas.
    pub raw_csv: bool,
    /// Above the table for a terminal.
    pub heading: String,
    /// The columns that a narrow terminal goes without, the first to go first.
    pub spare: &'a [&'a str],
}

impl Sheet<'_> {
    pub fn write(&self, layout: &Layout<'_>) -> Result<Vec<u8>> {
        match layout.format {
            Format::Table => Ok(table::sheet(self, &layout.heading, layout.spare, layout.look).into_bytes()),
            Format::Csv => csv::render(self, layout.raw_csv),
            Format::Json => json::render(self),
            Format::Parquet => batch::render(self),
            Format::Html => Err(Error::usage("only the report is a page").mend("choose table, csv, json or parquet")),
        }
    }
}

//! A sheet: columns with what their cells are, and rows of cells, in the form that every format writes.
//!
//! The report is one, and so are the sessions and what-if: a text is guarded, a number aligned and a NULL shown in one way everywhere.

use crate::base::day::{Day, Zone};

use super::amount::Amount;

pub(crate) struct Sheet<'a> {
    pub columns: &'a [(&'static str, CellKind)],
    /// Each with a cell for every column.
    pub rows: Vec<Vec<Value<'a>>>,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellKind {
    Day,
    Text,
    Count,
    Amount,
    Instant,
}

/// A cell as the formats see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
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
    pub(crate) fn text(text: Option<&'a str>) -> Value<'a> {
        text.map_or(Value::Null, Value::Text)
    }

    pub(crate) fn day(day: Option<Day>) -> Value<'a> {
        day.map_or(Value::Null, Value::Day)
    }

    pub(crate) fn count(count: Option<i64>) -> Value<'a> {
        count.map_or(Value::Null, Value::Count)
    }

    pub(crate) fn amount(amount: Option<Amount>) -> Value<'a> {
        amount.map_or(Value::Null, Value::Amount)
    }

    pub(crate) fn instant(zone: Zone, micros: Option<i64>) -> Value<'a> {
        micros.map_or(Value::Null, |micros| Value::Instant { micros, local: zone.time(micros) })
    }
}

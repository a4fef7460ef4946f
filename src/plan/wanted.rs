//! Which days a run is asked to build.

use crate::base::day::{Day, DayRange};
use crate::base::error::Error;

/// Which days to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The stale ones, up to a day where one is given.
    Through(Option<Day>),
    /// These, whatever their state.
    Days(DayRange),
}

impl Wanted {
    pub(crate) fn is_backfill(self) -> bool {
        matches!(self, Wanted::Days(_))
    }

    /// The days of this range that may be built.
    pub(crate) fn of(self, range: DayRange) -> Option<DayRange> {
        match self {
            Wanted::Through(None) => Some(range),
            Wanted::Through(Some(last)) => range.intersection(DayRange { first: Day(i32::MIN), last }),
            Wanted::Days(days) => range.intersection(days),
        }
    }

    /// An error where a day is asked for that lies after the last one that has landed.
    pub(crate) fn beyond(self, last: Option<Day>) -> Option<Error> {
        let until = match self {
            Wanted::Through(until) => until?,
            Wanted::Days(days) => days.last,
        };
        let last = last.filter(|last| until > *last)?;
        let error = Error::not_ready(format!("day {until} has not landed: the last day with messages and events is {last}"));
        Some(error.mend("run again when its partitions are there"))
    }
}

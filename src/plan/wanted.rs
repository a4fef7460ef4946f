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

    /// An error where a day is asked for that lies after the last one that has landed, or where none of them is a day of the lake.
    pub(crate) fn missed(self, range: Option<DayRange>, last: Option<Day>) -> Option<Error> {
        let asked = match self {
            Wanted::Through(until) => DayRange { first: Day(i32::MIN), last: until? },
            Wanted::Days(days) => days,
        };
        self.beyond(asked.last, last).or_else(|| outside(asked, range))
    }

    fn beyond(self, until: Day, last: Option<Day>) -> Option<Error> {
        let last = last.filter(|last| until > *last)?;
        let error = Error::not_ready(format!("day {until} has not landed: the last day with messages and events is {last}"));
        Some(error.mend("run again when its partitions are there"))
    }
}

/// An error where none of these days is one of the lake: they lie ahead of it, or before it.
pub(crate) fn outside(asked: DayRange, range: Option<DayRange>) -> Option<Error> {
    let Some(range) = range else {
        let error = Error::not_ready("there is no day yet: no touch and no conversion event of a named bot has landed");
        return Some(error.mend("see with `ctwa check` whether tables, bots and directions are as the pipeline file says"));
    };
    if range.intersection(asked).is_some() {
        return None;
    }
    Some(if range.last < asked.first {
        Error::not_ready(format!("day {} has not landed: the last day with messages and events is {}", asked.first, range.last))
            .mend("run again when its partitions are there")
    } else {
        Error::usage(format!("day {} lies before the lake, whose first day with a touch or event is {}", asked.last, range.first))
            .mend(format!("ask for days of {range}"))
    })
}

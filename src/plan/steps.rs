//! Steps: the days to build, those kept back, and those that stay as published.

use std::collections::BTreeSet;

use crate::base::day::{Day, written_ranges};
use crate::base::error::Error;
use crate::plan::calendar::Blocker;
use crate::plan::reason::DayStep;

#[derive(Debug, Default)]
pub struct Steps {
    pub days: Vec<DayStep>,
    pub blocked: Vec<(Day, Vec<Blocker>)>,
    /// Asked for or stale, but what they were made from was retired from the lake: kept as published.
    pub without_sources: Vec<Day>,
    /// Asked for or stale, but rows that they were made from cannot be read and do not count now: kept as published.
    pub without_rows: Vec<Day>,
    /// The same or kept back, and an object is not there as it was published: nobody can make it again now.
    pub damaged: Vec<Damaged>,
}

impl Steps {
    /// The days asked for or stale that nothing can be said of but what is published.
    pub(crate) fn kept_as_published(&self) -> Vec<Day> {
        let both: BTreeSet<Day> = self.without_sources.iter().chain(&self.without_rows).copied().collect();
        both.into_iter().collect()
    }
}

/// A published object that is not as it was published, and that nobody can make again now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    pub day: Day,
    pub table: &'static str,
    /// What keeps its day back; nothing where the day stays as published.
    pub blockers: Vec<Blocker>,
}

impl Damaged {
    pub(crate) fn why(&self) -> String {
        if self.blockers.is_empty() {
            return "what it was made from was retired, or is read no more".to_string();
        }
        let blockers = self.blockers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!("its day is kept back, {blockers}")
    }

    pub(crate) fn mend(&self) -> String {
        let restore = "restore the object from a copy of the output".to_string();
        if self.blockers.is_empty() {
            return restore;
        }
        let mut days: Vec<Day> = self.blockers.iter().map(|blocker| blocker.day).collect();
        days.sort_unstable();
        days.dedup();
        format!("{restore}, or land what {} lacks, so that the day can be built", written_ranges(days))
    }

    pub(crate) fn error(&self, object: String) -> Error {
        let error =
            Error::data(format!("a published object is not as it was published, and cannot be made again: {}", self.why()));
        error.with("day", self.day).with("object", object).mend(self.mend())
    }
}

//! Steps: the days to build, those kept back, and those that stay as published.

use std::collections::BTreeSet;

use crate::base::day::Day;
use crate::plan::calendar::Blocker;
use crate::plan::damage::Damaged;
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

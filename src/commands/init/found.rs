//! Found: what was found in a lake, before anything is decided.

use super::census::Census;
use super::kinds::{self, Candidate};
use super::wishes::Wishes;
use crate::base::day::Day;

/// What was found in a lake.
pub(crate) struct Look {
    pub(super) candidates: Vec<Candidate>,
    pub(super) refused: kinds::Refused,
    pub(super) files: usize,
    pub(super) census: Census,
}

impl Look {
    /// The folder that is meant for a table, and the others that could be.
    pub(super) fn pick(&self, table: &str, wanted: Option<&str>) -> (Option<&Candidate>, Vec<&Candidate>) {
        kinds::pick(&self.candidates, table, wanted)
    }

    /// The folder that is meant for a table.
    pub(super) fn picked(&self, table: &'static str, wishes: &Wishes) -> Option<&Candidate> {
        self.pick(table, wishes.folders.get(table).map(String::as_str)).0
    }

    /// The first and the last day that has landed.
    pub(super) fn days(&self, wishes: &Wishes) -> Option<(Day, Day)> {
        let spans = ["messages", "events"].map(|table| self.picked(table, wishes).and_then(Candidate::span));
        let spans: Vec<(Day, Day)> = spans.into_iter().flatten().collect();
        Some((spans.iter().map(|(first, _)| *first).min()?, spans.iter().map(|(_, last)| *last).max()?))
    }

    /// Ids of bots that rows name, with their numbers of messages and events, most messages first.
    pub(crate) fn bots(&self) -> Vec<(String, u64, u64)> {
        let mut bots: Vec<(String, u64, u64)> =
            self.census.bots.iter().map(|(id, rows)| (id.clone(), rows.messages, rows.events)).collect();
        bots.sort_by(|a, b| (b.1, b.2, &a.0).cmp(&(a.1, a.2, &b.0)));
        bots
    }
}

//! Stages: what there is to do, in the order in which it is done. It is decided here and nowhere else: `run` does the first stage,
//! looks again, and so on until none is left; `plan` prints them; a run without any is idle.
//!
//! In: the planner, and what a survey saw beside it. Out: the stages, worked out one after the other, so that who needs the first
//! pays for no other. A stage that was done is no longer among them, nor is one that this run tried in vain.

use std::collections::BTreeSet;
use std::iter;

use serde::Serialize;

use crate::base::day::{Day, DayRange};
use crate::base::schema::{LOGIC, Raw};
use crate::insights::due::Due;
use crate::plan::reason::{DayStep, Reason};
use crate::plan::receipt::AdsReceipt;
use crate::plan::wanted::Wanted;
use crate::plan::{Planner, Steps};

/// A partition to be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionStep {
    pub table: &'static str,
    pub day: Day,
    pub reason: &'static str,
    pub bytes: u64,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Forget what was made from partitions that are gone, by table and day.
    Forget(Vec<(&'static str, Day)>),
    /// Read the partitions that are new or changed.
    Read(Vec<PartitionStep>),
    /// Fetch what is due of Meta's figures, by account.
    Pull(Vec<Due>),
    /// Find the days that a changed alias table affects.
    Identities,
    /// Accept what was read: where the lake begins, and the conversion settings of the days that have landed.
    Accept,
    /// Publish the `ads` table, and find the days of ads that became known or moved.
    Ads,
    Build(DayStep),
    /// Remove a published day that no longer has a row.
    Remove(Day),
}

/// What a survey saw.
pub(crate) struct Seen<'a> {
    pub(crate) planner: &'a Planner<'a>,
    pub(crate) wanted: Wanted,
    /// Partitions that are gone, of which something was made.
    pub(crate) gone: Vec<(&'static str, Day)>,
    /// Partitions that are new or changed.
    pub(crate) unread: Vec<PartitionStep>,
    pub(crate) due: Vec<Due>,
    /// Whether the published days know the alias table as it is.
    pub(crate) aliases_are_known: bool,
    /// Whether all that was read is accepted.
    pub(crate) is_accepted: bool,
    pub(crate) ads: Option<&'a AdsReceipt>,
    /// The version of the published `ads` table.
    pub(crate) published_ads: Option<&'a String>,
    pub(crate) tried: &'a Tried,
}

/// What a run has tried, whether it came of it or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tried {
    pub(crate) pull: bool,
    /// Days that were built, or failed.
    pub(crate) days: BTreeSet<Day>,
}

impl<'a> Seen<'a> {
    /// What there is to do, in order.
    pub(crate) fn stages(&'a self) -> impl Iterator<Item = Stage> + 'a {
        let first = [Seen::forget, Seen::read, Seen::pull, Seen::identities, Seen::accept, Seen::ads];
        let days = iter::once_with(|| self.builds()).flatten();
        let removals = iter::once_with(|| self.removals()).flatten();
        first.into_iter().filter_map(|stage| stage(self)).chain(days).chain(removals)
    }

    /// The days to build, those kept back, and those that stay as published.
    pub(crate) fn steps(&self) -> Steps {
        let range = self.planner.range();
        let days = range.and_then(|range| self.wanted.of(range));
        let mut steps = days.map(|days| self.planner.steps(days, self.wanted.is_backfill())).unwrap_or_default();
        let is_wanted = |day: Day| self.wanted.of(DayRange { first: day, last: day }).is_some();
        let lacking = self.planner.wrongly_complete_outside(range).filter(|day| is_wanted(*day));
        steps.days.extend(lacking.map(|day| DayStep { day, reason: Reason::LacksRows }));
        steps.damaged.extend(self.planner.damaged_outside(range).filter(|damaged| is_wanted(damaged.day)));
        steps
    }

    fn forget(&self) -> Option<Stage> {
        (!self.gone.is_empty()).then(|| Stage::Forget(self.gone.clone()))
    }

    /// A partition that was refused was read.
    fn read(&self) -> Option<Stage> {
        let calendar = self.planner.calendar();
        let is_refused = |step: &PartitionStep| match Raw::BOTH.into_iter().find(|table| table.table() == step.table) {
            Some(table) => calendar.is_refused(table, step.day),
            None => calendar.are_insights_refused(step.day),
        };
        let steps: Vec<PartitionStep> = self.unread.iter().filter(|step| !is_refused(step)).cloned().collect();
        (!steps.is_empty()).then_some(Stage::Read(steps))
    }

    fn pull(&self) -> Option<Stage> {
        (!self.due.is_empty() && !self.tried.pull).then(|| Stage::Pull(self.due.clone()))
    }

    fn identities(&self) -> Option<Stage> {
        (!self.aliases_are_known).then_some(Stage::Identities)
    }

    /// Before anything is published: what days were made from is not forgotten when it vanishes while the run is stopped.
    fn accept(&self) -> Option<Stage> {
        (!self.is_accepted).then_some(Stage::Accept)
    }

    fn ads(&self) -> Option<Stage> {
        self.ads_are_stale().then_some(Stage::Ads)
    }

    fn builds(&self) -> impl Iterator<Item = Stage> + 'a {
        let Seen { tried, .. } = *self;
        self.steps().days.into_iter().filter(|step| !tried.days.contains(&step.day)).map(Stage::Build)
    }

    fn removals(&self) -> impl Iterator<Item = Stage> + use<> {
        self.planner.removals(self.planner.range()).into_iter().map(Stage::Remove)
    }

    pub(crate) fn ads_are_stale(&self) -> bool {
        let Some(receipt) = self.ads else { return true };
        receipt.logic != LOGIC.ads || receipt.inputs != self.planner.ads_inputs() || Some(&receipt.object) != self.published_ads
    }
}

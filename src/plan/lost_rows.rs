//! Lost rows: days that were built from rows which do not count any more, because their partition cannot be read and what it said on its
//! last reading is lost or was read under other settings (rule 19). Built now they would lack those rows: they stay as published.
//!
//! A day's receipt names the partitions whose rows it lacked already when it was built: without those it can be built again.

use std::collections::BTreeSet;

use crate::base::day::{Day, DayRange};
use crate::base::digest::Digest;
use crate::base::limits::{COPY_DAYS, DAYS_AHEAD, DAYS_LATE};
use crate::base::schema::Raw;
use crate::plan::Planner;
use crate::plan::calendar::LostRows;
use crate::plan::receipt::DayReceipt;

impl Planner<'_> {
    /// The partitions whose rows the day may depend on, which cannot be read any more and whose rows do not count now.
    pub(super) fn lost_rows(&self, day: Day) -> BTreeSet<String> {
        self.lost_rows_of(day, &|| self.may_be_shadowed(day))
    }

    fn lost_rows_of(&self, day: Day, may_be_shadowed: &dyn Fn() -> bool) -> BTreeSet<String> {
        if self.inputs.calendar.without_rows().next().is_none() {
            return BTreeSet::new();
        }
        // An offset that is another now moves a row's day by one.
        let first = self.first_affecting(day).plus(-1);
        let last = |table: Raw| day.plus(if table == Raw::Messages && may_be_shadowed() { COPY_DAYS + 2 } else { 1 });
        let beside = self.inputs.settings.days_beside();
        let may_affect = |(table, of, rows): &(Raw, Day, &LostRows)| match rows {
            LostRows::On(days) => days.range(first..=last(*table)).next().is_some(),
            LostRows::Anywhere => (first.plus(-DAYS_AHEAD - beside)..=day.plus(DAYS_LATE + beside)).contains(of),
        };
        let lost = self.inputs.calendar.without_rows().filter(may_affect);
        lost.map(|(table, of, _)| format!("{} {of}", table.table())).collect()
    }

    /// Whether some bot has touches without an ad id that later copies could take away from the day (see `BotRows::affecting`).
    fn may_be_shadowed(&self, day: Day) -> bool {
        let near = day.plus(-COPY_DAYS - 2)..=day.next();
        self.rows().iter().any(|rows| rows.touches.range(near.clone()).any(|(_, of_day)| of_day.other != Digest::NONE))
    }

    /// Whether a day that was built depends on other rows than those that it was built from.
    pub(crate) fn lacks_rows(&self, day: Day) -> bool {
        self.inputs.days.get(day).is_some_and(|receipt| receipt.rows_affecting != self.expected(day).rows_affecting)
    }

    /// Whether a day that stays as published lacks rows which came while it was kept back, and is published as complete.
    pub(super) fn is_wrongly_complete(&self, day: Day) -> bool {
        self.inputs.days.get(day).is_some_and(|receipt| receipt.lacks_rows && receipt.complete.contains('1'))
    }

    /// Those outside the range of days.
    pub(super) fn wrongly_complete_outside(&self, range: Option<DayRange>) -> impl Iterator<Item = Day> {
        let days = self.inputs.days.iter().map(|(day, _)| day);
        let is_outside = move |day: &Day| range.is_none_or(|range| !range.contains(*day));
        let stays = |day: &Day| self.is_kept_as_published(*day) && self.damaged_table(*day).is_none();
        days.filter(is_outside).filter(|day| self.is_wrongly_complete(*day)).filter(stays)
    }

    /// Whether something of the day is published that was built from rows which do not count any more: built now, it would lack them.
    pub(crate) fn would_lose_rows(&self, day: Day) -> bool {
        self.would_lose(day, &self.lost_rows(day))
    }

    /// Whether a day stays as published, whatever partitions that are still to be read turn out to hold.
    pub(crate) fn stays_anyhow(&self, day: Day) -> bool {
        self.is_kept_as_published(day) || self.would_lose(day, &self.lost_rows_of(day, &|| false))
    }

    fn would_lose(&self, day: Day, lost: &BTreeSet<String>) -> bool {
        let lacks_already = |receipt: &DayReceipt| lost.is_subset(&receipt.without);
        let is_published = || self.inputs.published.values().any(|days| days.contains_key(&day));
        !lost.is_empty() && is_published() && !self.inputs.days.get(day).is_some_and(lacks_already)
    }
}

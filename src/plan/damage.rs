//! Damage: published objects that are not as they were published, of days that cannot be made again now.

use std::collections::BTreeSet;

use crate::base::day::{Day, DayRange};
use crate::base::schema::DAY_TABLES;
use crate::plan::Planner;
use crate::plan::calendar::Blocker;
use crate::plan::steps::Damaged;

impl Planner<'_> {
    /// The tables of a day whose objects are not there as they were published; none of a day that was not published.
    fn damaged_tables(&self, day: Day) -> Vec<&'static str> {
        let version = |table: &str| self.inputs.published.get(table)?.get(&day).map(|object| &object.version);
        let is_damaged = |table: &&'static str| match self.inputs.days.get(day) {
            Some(receipt) => version(table) != receipt.objects.get(*table),
            // Which ones they were is not known any more; but a day that was finished had all of them.
            None => self.is_published(day) && version(table).is_none(),
        };
        DAY_TABLES.into_iter().filter(is_damaged).collect()
    }

    pub(crate) fn damaged_table(&self, day: Day) -> Option<&'static str> {
        self.damaged_tables(day).first().copied()
    }

    fn damage(&self, day: Day, blockers: &[Blocker]) -> Vec<Damaged> {
        let tables = self.damaged_tables(day).into_iter();
        tables.map(|table| Damaged { day, table, blockers: blockers.to_vec() }).collect()
    }

    /// The damage to a day that stays as published.
    pub(crate) fn damage_of_kept(&self, day: Day) -> Vec<Damaged> {
        self.damage(day, &[])
    }

    /// The damage to a day that a partition keeps back, or that overlaps one which has vanished.
    pub(crate) fn damage_of_blocked(&self, day: Day) -> Vec<Damaged> {
        let (calendar, bots) = (self.inputs.calendar, &self.inputs.settings.bots);
        let blockers = Some(calendar.blockers(bots, day)).filter(|blockers| !blockers.is_empty());
        let blockers = blockers.unwrap_or_else(|| calendar.vanished_over(bots, day));
        if blockers.is_empty() { Vec::new() } else { self.damage(day, &blockers) }
    }

    /// The published days outside the range that stay as they are, although a table's object is not there as it was published: what
    /// they were made from was retired, with all rows before the range, or cannot be read now.
    pub(crate) fn damaged_outside(&self, range: Option<DayRange>) -> impl Iterator<Item = Damaged> {
        let is_outside = move |day: &Day| range.is_none_or(|range| !range.contains(*day));
        let stays = |day: Day| self.is_kept_as_published(day) || !self.has_sources(day) || self.would_lose_rows(day);
        let damage = move |day: Day| if stays(day) { self.damage_of_kept(day) } else { self.damage_of_blocked(day) };
        let days = self.inputs.published.get("bot_days").into_iter().flat_map(|days| days.keys().copied());
        let known = self.inputs.days.iter().map(|(day, _)| day);
        let all: BTreeSet<Day> = days.chain(known).collect();
        all.into_iter().filter(is_outside).flat_map(damage)
    }
}

//! Which days can be built, which are blocked and which are complete (rules 19 and 22, and the contract's range of days).
//!
//! A day of arrival's two partitions, messages and events, each have landed, will never come, are missing or were refused. The lake begins
//! at its first partition; a hole between landed days is missing; after the last day on which both landed nothing is missing yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::base::arrival::ArrivalZone;
use crate::base::day::{Day, DayRange, ranges};
use crate::base::error::Error;
use crate::base::limits::AFFECTED_DAYS;
use crate::base::schema::Raw;
use crate::config::{Bot, Settings};

/// Why a day cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocker {
    pub table: &'static str,
    /// The partition's day.
    pub day: Day,
    pub refused: bool,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} partition {} {}", self.table, self.day, if self.refused { "is refused" } else { "has not landed" })
    }
}

/// What is said of a hole.
pub(crate) fn not_landed((table, days): (Raw, DayRange)) -> Error {
    Error::not_ready("a partition between landed ones has not landed")
        .with("table", table.table())
        .with(if days.first == days.last { "day" } else { "days" }, days)
        .mend("land it and run again, or name the day in allow_missing if it will never come")
}

#[derive(Debug, Default)]
pub(crate) struct Calendar {
    /// Whose days the days of arrival are; where nothing is said, of UTC.
    zones: BTreeMap<Raw, ArrivalZone>,
    landed: BTreeMap<Raw, BTreeSet<Day>>,
    never: BTreeMap<Raw, BTreeSet<Day>>,
    refused: BTreeSet<(Raw, Day)>,
    refused_insights: BTreeSet<Day>,
    are_insights_away: bool,
    retired: BTreeMap<Raw, Vec<DayRange>>,
    lost: BTreeSet<(Raw, Day)>,
    /// Read once, and gone since from among those that are expected.
    vanished: BTreeSet<(Raw, Day)>,
    without_rows: BTreeMap<(Raw, Day), LostRows>,
}

/// On which local days the rows lie of a partition that was read once, cannot be read any more, and whose rows are not there either.
#[derive(Clone, Debug)]
pub(crate) enum LostRows {
    On(BTreeSet<Day>),
    /// Nobody knows.
    Anywhere,
}

impl Calendar {
    pub(crate) fn new(
        settings: &Settings,
        messages: impl IntoIterator<Item = Day>,
        events: impl IntoIterator<Item = Day>,
    ) -> Calendar {
        let landed =
            BTreeMap::from([(Raw::Messages, messages.into_iter().collect()), (Raw::Events, events.into_iter().collect())]);
        let never = BTreeMap::from([
            (Raw::Messages, settings.messages.allow_missing.clone()),
            (Raw::Events, settings.events.allow_missing.clone()),
        ]);
        Calendar {
            zones: Raw::BOTH.map(|table| (table, settings.raw(table).zone)).into(),
            landed,
            never,
            refused: BTreeSet::new(),
            refused_insights: BTreeSet::new(),
            are_insights_away: false,
            retired: BTreeMap::new(),
            lost: BTreeSet::new(),
            vanished: BTreeSet::new(),
            without_rows: BTreeMap::new(),
        }
    }

    /// A partition that was read once and is not there any more, although neither retired nor one that will never come.
    pub(crate) fn note_vanished(&mut self, table: Raw, day: Day) {
        self.vanished.insert((table, day));
    }

    pub(crate) fn has_vanished(&self, table: Raw, day: Day) -> bool {
        self.vanished.contains(&(table, day))
    }

    /// The partitions that have vanished whose day of arrival a local day of some bot overlaps.
    pub(crate) fn vanished_over(&self, bots: &[Bot], day: Day) -> Vec<Blocker> {
        let is_over = |(table, of): &&(Raw, Day)| bots.iter().any(|bot| self.days_of(*table, bot, day).contains(*of));
        let over = self.vanished.iter().filter(is_over);
        over.map(|(table, of)| Blocker { table: table.table(), day: *of, refused: false }).collect()
    }

    /// A partition that was read once and cannot be read any more, and whose rows do not count either: what was built from them stays.
    pub(crate) fn lose_rows(&mut self, table: Raw, day: Day, rows: LostRows) {
        self.without_rows.insert((table, day), rows);
    }

    pub(crate) fn without_rows(&self) -> impl Iterator<Item = (Raw, Day, &LostRows)> {
        self.without_rows.iter().map(|((table, day), rows)| (*table, *day, rows))
    }

    /// The messages partitions that were read once and whose touches nobody can look at now: those that are away or retired, and of which
    /// no row counts.
    pub(crate) fn lost_touches(&self) -> BTreeSet<Day> {
        let lost = self.without_rows.keys().chain(&self.lost);
        lost.filter(|(table, _)| *table == Raw::Messages).map(|(_, day)| *day).collect()
    }

    /// The oldest partitions of a table, which were read once and have vanished since (rule 22).
    pub(crate) fn retire(&mut self, table: Raw, days: Vec<DayRange>) {
        self.retired.insert(table, days);
    }

    /// A retired partition whose rows are not kept either: what depends on them is never complete.
    pub(crate) fn lose(&mut self, table: Raw, day: Day) {
        self.lost.insert((table, day));
    }

    pub(crate) fn is_retired(&self, table: Raw, day: Day) -> bool {
        self.retired.get(&table).is_some_and(|ranges| ranges.iter().any(|days| days.contains(day)))
    }

    /// The retired partitions among these days of arrival.
    pub(crate) fn retired(&self, days: DayRange) -> Vec<(Raw, Day)> {
        let ranges = self.retired.iter().flat_map(|(table, ranges)| ranges.iter().map(move |range| (*table, *range)));
        let within = ranges.filter_map(|(table, range)| Some((table, range.intersection(days)?)));
        within.flat_map(|(table, range)| range.iter().map(move |day| (table, day))).collect()
    }

    /// Whether a local day is as old as retired partitions, or older: it stays as it was published.
    pub(crate) fn is_frozen(&self, bots: &[Bot], day: Day) -> bool {
        self.retired.iter().any(|(table, ranges)| {
            let last = ranges.iter().map(|days| days.last).max();
            last.is_some_and(|last| bots.iter().any(|bot| self.days_of(*table, bot, day).first <= last))
        })
    }

    /// The days of arrival of a table that a local day of a bot overlaps.
    fn days_of(&self, table: Raw, bot: &Bot, day: Day) -> DayRange {
        self.zones.get(&table).copied().unwrap_or_default().days_over(bot.zone, day)
    }

    pub(crate) fn is_refused(&self, table: Raw, day: Day) -> bool {
        self.refused.contains(&(table, day))
    }

    pub(crate) fn are_insights_refused(&self, day: Day) -> bool {
        self.refused_insights.contains(&day)
    }

    pub(crate) fn refused(&self) -> impl Iterator<Item = (Raw, Day)> + '_ {
        self.refused.iter().copied()
    }

    /// A partition that landed and broke the contract.
    pub(crate) fn refuse(&mut self, table: Raw, day: Day) {
        self.refused.insert((table, day));
    }

    /// The table of insights as a whole cannot be read: what was published of them stays.
    pub(crate) fn note_insights_away(&mut self) {
        self.are_insights_away = true;
    }

    pub(crate) fn are_insights_away(&self) -> bool {
        self.are_insights_away
    }

    /// The days whose insights are refused: no count waits for them.
    pub(crate) fn refused_insights(&self) -> impl Iterator<Item = Day> + '_ {
        self.refused_insights.iter().copied()
    }

    /// Insights that could be read, whatever they were before.
    pub(crate) fn accept_insights(&mut self, day: Day) {
        self.refused_insights.remove(&day);
    }

    pub(crate) fn refuse_insights(&mut self, day: Day) {
        self.refused_insights.insert(day);
    }

    /// The first partition of either table that is there: the lake begins with it.
    pub(crate) fn first(&self) -> Option<Day> {
        self.landed.values().filter_map(|days| days.first()).copied().min()
    }

    /// The last day on which a partition of both tables has landed.
    pub(crate) fn last(&self) -> Option<Day> {
        self.landed[&Raw::Messages].iter().rev().find(|day| self.landed[&Raw::Events].contains(day)).copied()
    }

    /// Whether nothing more is expected of a table's day of arrival.
    fn is_settled(&self, table: Raw, day: Day) -> bool {
        // One that was refused is there, whatever was expected of it.
        !self.refused.contains(&(table, day))
            && (self.first().is_none_or(|first| day < first)
                || self.landed[&table].contains(&day)
                || self.never[&table].contains(&day)
                || self.is_before_retirement(table, day))
    }

    /// Whether a day lies before a table's retired partitions end: nothing more is expected of it.
    fn is_before_retirement(&self, table: Raw, day: Day) -> bool {
        self.retired.get(&table).and_then(|ranges| ranges.last()).is_some_and(|days| day <= days.last)
    }

    /// The partitions that are missing between the first and the last day, neighbours together.
    pub(crate) fn holes(&self) -> Vec<(Raw, DayRange)> {
        let Some(range) = self.first().zip(self.last()).and_then(|(first, last)| DayRange::new(first, last)) else {
            return Vec::new();
        };
        let holes_of = |table: Raw| {
            let missing = |day: &Day| !self.landed[&table].contains(day) && !self.is_settled(table, *day);
            ranges(range.iter().filter(missing)).into_iter().map(move |days| (table, days))
        };
        Raw::BOTH.into_iter().flat_map(holes_of).collect()
    }

    /// Why this local day cannot be built: for some bot it overlaps a day of arrival whose partition is missing or refused.
    pub(crate) fn blockers(&self, bots: &[Bot], day: Day) -> Vec<Blocker> {
        let mut blockers = BTreeSet::new();
        let last = self.last();
        for bot in bots {
            let of_table = |table| self.days_of(table, bot, day).iter().map(move |of| (of, table));
            for (of, table) in Raw::BOTH.into_iter().flat_map(of_table) {
                let refused = self.refused.contains(&(table, of));
                let missing = !self.is_settled(table, of) && last.is_some_and(|last| of <= last);
                if refused || missing {
                    blockers.insert(Blocker { table: table.table(), day: of, refused });
                }
            }
        }
        blockers.into_iter().collect()
    }

    /// Whether nothing that is still to come can be expected to change this local day of a bot.
    pub(crate) fn is_complete(&self, bot: &Bot, day: Day) -> bool {
        self.awaited(bot, day).next().is_none()
    }

    /// The same, to be asked of many days.
    pub(crate) fn awaited_days(&self) -> AwaitedDays<'_> {
        let Some(first) = self.first() else {
            return AwaitedDays { calendar: self, days: Vec::new(), all_from: Day(i32::MAX) };
        };
        let known = self.landed.values().chain(self.never.values()).filter_map(|days| days.last()).copied();
        let last = known.max().unwrap_or(first).max(first);
        let of_table = |table: Raw| {
            let missing = DayRange { first, last }.iter().filter(|day| !self.is_settled(table, *day));
            let lost = self.lost.iter().filter(|(of, _)| *of == table).map(|(_, day)| *day);
            (table, missing.chain(lost).collect::<BTreeSet<Day>>().into_iter().collect())
        };
        AwaitedDays { calendar: self, days: Raw::BOTH.map(of_table).into(), all_from: last.next() }
    }

    /// The partitions that this local day of a bot still waits for: not landed, refused, or gone with their rows.
    pub(crate) fn awaited(&self, bot: &Bot, day: Day) -> impl Iterator<Item = (Raw, Day)> + '_ {
        let needed = Raw::BOTH.map(|table| {
            let own = self.days_of(table, bot, day);
            (table, DayRange { first: own.first.plus(-AFFECTED_DAYS), last: own.last })
        });
        let first = needed.iter().map(|(_, days)| days.first).min().unwrap_or(day);
        let last = needed.iter().map(|(_, days)| days.last).max().unwrap_or(day);
        let of_tables =
            move |date: Day| needed.into_iter().filter(move |(_, days)| days.contains(date)).map(move |of| (of.0, date));
        let is_awaited = |(table, date): &(Raw, Day)| !self.is_settled(*table, *date) || self.lost.contains(&(*table, *date));
        DayRange { first, last }.iter().flat_map(of_tables).filter(is_awaited)
    }
}

/// The days of arrival of which a partition is still waited for.
pub(crate) struct AwaitedDays<'a> {
    calendar: &'a Calendar,
    days: Vec<(Raw, Vec<Day>)>,
    /// This day and all later ones are waited for too.
    all_from: Day,
}

impl AwaitedDays<'_> {
    /// Whether no partition of the day is waited for, as [`Calendar::is_complete`] says it.
    pub(crate) fn is_complete(&self, bot: &Bot, day: Day) -> bool {
        self.days.iter().all(|(table, days)| {
            let own = self.calendar.days_of(*table, bot, day);
            let first = days.partition_point(|awaited| *awaited < own.first.plus(-AFFECTED_DAYS));
            own.last < self.all_from && days.get(first).is_none_or(|awaited| *awaited > own.last)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn settings(zone: &str, more: &str) -> Settings {
        let text = format!("name = 'n'\n[lake]\nurl = 'lake'\n{more}\n[[bots]]\nid = 'b'\ntimezone = '{zone}'\n");
        Settings::parse("test.toml", &text, Path::new("/")).unwrap()
    }

    fn days(range: std::ops::RangeInclusive<i32>) -> Vec<Day> {
        range.map(Day).collect()
    }

    #[test]
    fn the_last_day_of_a_western_zone_waits_for_the_next() {
        let settings = settings("America/Sao_Paulo", "");
        let calendar = Calendar::new(&settings, days(20_000..=20_010), days(20_000..=20_010));
        assert_eq!(calendar.last(), Some(Day(20_010)));
        assert!(calendar.blockers(&settings.bots, Day(20_010)).is_empty());
        assert!(!calendar.is_complete(&settings.bots[0], Day(20_010)));
        assert!(calendar.is_complete(&settings.bots[0], Day(20_009)));
    }

    #[test]
    fn days_of_arrival_of_the_bots_own_zone_are_its_days() {
        let zones = "[inputs.messages]\npartition_zone = '-03:00'\n[inputs.events]\npartition_zone = 'America/Sao_Paulo'";
        let settings = settings("America/Sao_Paulo", zones);
        let events = days(20_000..=20_010).into_iter().filter(|day| *day != Day(20_005));
        let calendar = Calendar::new(&settings, days(20_000..=20_010), events);
        let bot = &settings.bots[0];
        let blocked = days(20_000..=20_010).into_iter().filter(|day| !calendar.blockers(&settings.bots, *day).is_empty());
        assert_eq!(blocked.collect::<Vec<Day>>(), [Day(20_005)]);
        let complete = |day: Day| calendar.awaited_days().is_complete(bot, day);
        assert_eq!(days(20_000..=20_010).into_iter().filter(|day| complete(*day)).collect::<Vec<Day>>(), days(20_000..=20_004));
        assert!(calendar.awaited(bot, Day(20_010)).eq([(Raw::Events, Day(20_005))]), "the last day waits for the hole alone");
        assert_eq!(settings.landed_until(Day(20_010)), Day(20_011).start_utc() + 3 * 3_600_000_000);
    }

    #[test]
    fn a_hole_blocks_its_own_days_and_leaves_the_next_97_incomplete() {
        let settings = settings("UTC", "");
        let events = days(20_000..=20_200).into_iter().filter(|day| *day != Day(20_050));
        let calendar = Calendar::new(&settings, days(20_000..=20_200), events);
        assert_eq!(calendar.holes(), [(Raw::Events, DayRange { first: Day(20_050), last: Day(20_050) })]);
        let blocked: Vec<Day> =
            days(20_000..=20_200).into_iter().filter(|day| !calendar.blockers(&settings.bots, *day).is_empty()).collect();
        assert_eq!(blocked, [Day(20_050)]);
        assert!(!calendar.is_complete(&settings.bots[0], Day(20_147)));
        assert!(calendar.is_complete(&settings.bots[0], Day(20_148)));
    }

    #[test]
    fn asked_of_many_days_a_day_is_as_complete_as_asked_alone() {
        let hole: Day = "2024-11-22".parse().unwrap();
        let settings = settings("America/Sao_Paulo", "[inputs.messages]\nallow_missing = ['2024-11-22', '2025-06-01']");
        let landed = |missing: &[i32]| {
            days(hole.0 - 50..=hole.0 + 150).into_iter().filter(|day| !missing.contains(&(day.0 - hole.0))).collect::<Vec<_>>()
        };
        let mut calendar = Calendar::new(&settings, landed(&[0, 20, 150]), landed(&[-30, 21]));
        calendar.refuse(Raw::Events, Day(hole.0 + 140));
        calendar.retire(Raw::Messages, vec![DayRange { first: Day(hole.0 - 80), last: Day(hole.0 - 51) }]);
        calendar.lose(Raw::Messages, Day(hole.0 - 70));
        let awaited = calendar.awaited_days();
        let bot = &settings.bots[0];
        let alone: Vec<bool> = days(hole.0 - 100..=hole.0 + 260).into_iter().map(|day| calendar.is_complete(bot, day)).collect();
        let together: Vec<bool> =
            days(hole.0 - 100..=hole.0 + 260).into_iter().map(|day| awaited.is_complete(bot, day)).collect();
        assert_eq!(together, alone);
        assert!(alone.contains(&true) && alone.contains(&false));
    }

    #[test]
    fn a_day_that_will_never_come_is_no_hole() {
        let settings = settings("UTC", "[inputs.events]\nallow_missing = ['2024-11-22']");
        let hole: Day = "2024-11-22".parse().unwrap();
        let events = days(hole.0 - 5..=hole.0 + 5).into_iter().filter(|day| *day != hole);
        let calendar = Calendar::new(&settings, days(hole.0 - 5..=hole.0 + 5), events);
        assert!(calendar.holes().is_empty());
        assert!(calendar.is_complete(&settings.bots[0], hole));
    }
}

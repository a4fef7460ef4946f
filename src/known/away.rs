//! Away: partitions that were read once and cannot be read any more, because they are refused now or have vanished from among others
//! (rule 19).
//!
//! Their own local days are blocked. For all other days, what they said on their last reading goes on counting: their receipt and what
//! the engine stored of them stay. Where the settings that made the rows hold no more, or the rows are lost, the receipt is put aside,
//! and days that were built from them stay as published.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::day::{Day, written_ranges};
use crate::base::digest::Digest;
use crate::base::error::Error;
use crate::base::failures::Failures;
use crate::base::object::Object;
use crate::base::schema::Raw;
use crate::config::Settings;
use crate::extract::fingerprints::{ReadingSettings, raw_settings};
use crate::known::survey::{ReadNow, Survey};
use crate::lake::Partition;
use crate::plan::calendar::{Calendar, LostRows};
use crate::plan::receipt::Refusal;
use crate::report::style::counted;

/// How a partition is read now, down to the program: another one may read more.
fn tried(partition: &Partition, of: ReadingSettings, settings: &Settings) -> Digest {
    let how = [of.settings.to_string(), of.history.to_string(), of.logic.to_string(), of.engine.name().to_string()];
    let more = [settings.max_rejected_share.to_string(), env!("CARGO_PKG_VERSION").to_string()];
    let fault = partition.fault.as_ref().map(|fault| fault.error().to_string());
    Digest::of_texts(how.into_iter().chain(more).chain(fault))
}

impl Survey {
    /// The landed partitions of a table of which it is known that reading them fails.
    pub(super) fn refused_of(&self, settings: &Settings, table: Raw) -> BTreeMap<Day, &Refusal> {
        let of = raw_settings(settings, table);
        let is_known = |(day, refusal): &(Day, &Refusal)| {
            let partition = self.raw(table).partitions.get(day);
            partition.is_some_and(|partition| {
                refusal.inputs == partition.objects
                    && refusal.tried == tried(partition, of, settings)
                    && self.reason_to_read((table, partition), of, settings).is_some()
            })
        };
        self.receipts.refused(table).iter().filter(is_known).collect()
    }

    /// The partitions of a table that were read once and are not there any more: neither retired nor named in `allow_missing`.
    pub(super) fn vanished_of(&self, settings: &Settings, table: Raw) -> BTreeSet<Day> {
        let landed = &self.raw(table).partitions;
        let first = landed.keys().next().copied();
        let receipts = self.receipts.raw(table);
        let read = receipts.iter().chain(receipts.aside()).map(|(day, _)| day).chain(self.accepted.read(table.table()));
        let never = &settings.raw(table).allow_missing;
        read.filter(|day| first < Some(*day) && !landed.contains_key(day) && !never.contains(day)).collect()
    }

    pub(super) fn away_of(&self, settings: &Settings, table: Raw) -> BTreeSet<Day> {
        self.refused_of(settings, table).into_keys().chain(self.vanished_of(settings, table)).collect()
    }

    /// Whether the rows of a partition's last reading are there, and are what they would be now.
    pub(super) fn counts_on(&self, now: &ReadNow<'_>, day: Day) -> bool {
        let receipt = self.receipts.raw(now.table).get(day);
        receipt.is_some_and(|receipt| self.holds(now, day, receipt)) && !self.is_lost(now.table, day)
    }

    /// Notes in a new calendar what is away.
    pub(super) fn note_away(&self, settings: &Settings, calendar: &mut Calendar) {
        for table in Raw::BOTH {
            let (refused, vanished) = (self.refused_of(settings, table), self.vanished_of(settings, table));
            vanished.iter().for_each(|day| calendar.note_vanished(table, *day));
            refused.keys().for_each(|day| calendar.refuse(table, *day));
            refused.into_keys().chain(vanished).for_each(|day| self.note_lost_rows(calendar, table, day));
        }
    }

    /// Notes in a calendar that the rows of a partition which is away do not count, where they do not.
    fn note_lost_rows(&self, calendar: &mut Calendar, table: Raw, day: Day) {
        let receipts = self.receipts.raw(table);
        if receipts.get(day).is_some() {
            return;
        }
        match receipts.get_any(day) {
            Some(aside) => calendar.lose_rows(table, day, LostRows::On(aside.content.local_days())),
            None if self.accepted.has_read(table.table(), day) => calendar.lose_rows(table, day, LostRows::Anywhere),
            None => {}
        }
    }

    /// Refuses a partition that was just read in vain. Returns whether the rows of its last reading do not count from now on.
    pub(crate) fn refuse(
        &mut self,
        settings: &Settings,
        calendar: &mut Calendar,
        table: Raw,
        partition: &Partition,
        why: &Error,
    ) -> bool {
        let (now, day) = (ReadNow::of(settings, table), partition.day);
        let inputs: Vec<Object> = partition.objects.clone();
        let refusal = Refusal { inputs, tried: tried(partition, now.of, settings), why: why.to_string() };
        self.receipts.refused_mut(table).set(day, refusal);
        calendar.refuse(table, day);
        let is_lost = self.receipts.raw(table).get(day).is_some() && !self.counts_on(&now, day);
        if is_lost {
            self.receipts.raw_mut(table).put_aside(day);
        }
        self.note_lost_rows(calendar, table, day);
        is_lost
    }

    /// Why partitions are refused, an error for each.
    pub(crate) fn refusals(&self, settings: &Settings) -> Vec<(Raw, Day, Error)> {
        let of_table = |table: Raw| {
            let refused = self.refused_of(settings, table).into_iter();
            refused.map(move |(day, refusal)| (table, day, Error::data(refusal.why.clone())))
        };
        Raw::BOTH.into_iter().flat_map(of_table).collect()
    }

    /// Fails for every partition that is refused, for each once, and for insights that cannot be read as a whole.
    pub(crate) fn fail_for_refused(&self, settings: &Settings, failures: &mut Failures) {
        self.insights_away.iter().for_each(|why| failures.add_once(Error::data(why.clone())));
        self.refusals(settings).into_iter().for_each(|(_, _, error)| failures.add_once(error));
    }

    /// What is said of the partitions that are away.
    pub(crate) fn said_of_away(&self, calendar: &Calendar) -> Vec<String> {
        let mut said: Vec<String> = self.insights_away.iter().map(|_| INSIGHTS_AWAY.to_string()).collect();
        for table in Raw::BOTH {
            let receipts = self.receipts.raw(table);
            let of_receipts = receipts.iter().chain(receipts.aside()).map(|(day, _)| day);
            let read: BTreeSet<Day> = self.accepted.read(table.table()).chain(of_receipts).collect();
            let (refused, others): (Vec<Day>, Vec<Day>) = read.into_iter().partition(|day| calendar.is_refused(table, *day));
            let vanished: Vec<Day> = others.into_iter().filter(|day| calendar.has_vanished(table, *day)).collect();
            for (days, what) in [(refused, "are refused"), (vanished, "were read once and are not there any more")] {
                let (counting, lost): (Vec<Day>, Vec<Day>) = days.into_iter().partition(|day| receipts.get(*day).is_some());
                said.extend(self.said_of_counting(table, counting, what));
                said.extend(said_of_lost(table, lost, what));
            }
        }
        said
    }

    fn said_of_counting(&self, table: Raw, days: Vec<Day>, what: &str) -> Option<String> {
        let receipts = self.receipts.raw(table);
        let first = receipts.get(*days.first()?)?;
        let rows: u64 = days.iter().filter_map(|day| receipts.get(*day)).map(|receipt| receipt.content.accepted).sum();
        let object = first.inputs.first().map(|object| format!(", such as {:?} in version {:?}", object.path, object.version));
        Some(format!(
            "{table} partitions of {days} {what}: their own days stay as published, and for all other days what they said when they were \
             last read goes on counting, {rows}{object}; {mend}",
            table = table.table(),
            rows = counted(rows, "row", "rows"),
            object = object.unwrap_or_default(),
            mend = mend(table, &days),
            days = written_ranges(days.iter().copied()),
        ))
    }
}

const INSIGHTS_AWAY: &str = "insights cannot be read as a whole: what comes from Meta stays as it was published, and is unknown on days \
                             that are built meanwhile; conversations and conversions are counted";

fn said_of_lost(table: Raw, days: Vec<Day>, what: &str) -> Option<String> {
    (!days.is_empty()).then(|| {
        format!(
            "{table} partitions of {days} {what}, and the rows that they had when they were last read do not count: they are not under \
             work/ any more, or were read under other settings (members, zones, columns, past conversion events); published days that \
             were built from them stay as they are until the partitions can be read; {mend}",
            table = table.table(),
            mend = mend(table, &days),
            days = written_ranges(days.iter().copied()),
        )
    })
}

/// What to do about partitions that are away.
fn mend(table: Raw, days: &[Day]) -> String {
    let named: Vec<String> = days.iter().take(3).map(|day| format!("\"{day}\"")).collect();
    let more = if days.len() > named.len() { ", ..." } else { "" };
    format!(
        "land them again, or where one will never come, remove it and say so: allow_missing = [{}{more}] in [inputs.{}], and its rows \
         count no more",
        named.join(", "),
        table.table()
    )
}

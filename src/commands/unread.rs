//! Unread: what can be said of messages and events partitions before they are read, by their footers and their last receipts.
//!
//! Never too little: every local day on which a row may be added, taken away or counted otherwise is among the days affected.

use std::collections::BTreeSet;

use crate::base::day::{Day, DayRange, MICROS_PER_DAY};
use crate::base::digest::Digest;
use crate::base::error::{ErrorKind, Result};
use crate::base::limits::COPY_WINDOW;
use crate::base::schema::Raw;
use crate::config::{PartitionedInput, Settings};
use crate::known::job::Places;
use crate::known::moved::AffectedDays;
use crate::known::survey::{Survey, TOO_MANY_REJECTED, WORKING_TABLE_LOST};
use crate::lake::Lake;
use crate::lake::Partition;
use crate::plan::calendar::Calendar;
use crate::plan::receipt::HISTORY_CHANGED;
use crate::plan::stages::PartitionStep;

pub(crate) struct Unread<'a> {
    settings: &'a Settings,
    last: Option<Day>,
    /// The instant from which conversion events may be others than before.
    settings_from: i64,
    partitions: Vec<UnreadPartition<'a>>,
    /// Those that a run may try in vain: their footers cannot be read, or they were refused or judged otherwise as they lie there.
    doubtful: Vec<(Raw, Day)>,
}

struct UnreadPartition<'a> {
    step: &'a PartitionStep,
    table: Raw,
    /// The instants between which rows lie that may not be what they were.
    rows: Option<(i64, i64)>,
    /// The local days of the rows as they were read before, where those may be gone.
    before: Option<DayRange>,
    /// Whether other rows may be set aside than before.
    may_reject: bool,
}

impl<'a> Unread<'a> {
    pub(crate) fn of(
        places: &Places<'a>,
        survey: &Survey,
        calendar: &Calendar,
        steps: &'a [PartitionStep],
        identities_changed: bool,
    ) -> Result<Unread<'a>> {
        let settings = places.settings;
        // Settings that are not in effect yet are accepted when they are: until then they may have been anything.
        let watermark = calendar.last().map_or(i64::MIN, |last| settings.landed_until(last));
        let changes = settings.bots.iter().filter_map(|bot| survey.accepted.first_change(bot));
        let settings_from = changes.chain([watermark]).min().unwrap_or(watermark);
        let (mut partitions, mut doubtful) = (Vec::new(), Vec::new());
        for step in steps {
            let Some(table) = Raw::BOTH.into_iter().find(|table| table.table() == step.table) else { continue };
            // What is in it is known, and counts as before.
            if step.reason == WORKING_TABLE_LOST && !identities_changed {
                continue;
            }
            let input = match table {
                Raw::Messages => &settings.messages,
                Raw::Events => &settings.events,
            };
            let Some(partition) = survey.raw(table).partitions.get(&step.day) else { continue };
            let footers = footers(places.lake, input, partition)?;
            let refusal = survey.receipts.refused(table).get(step.day);
            let was_refused = refusal.is_some_and(|refusal| refusal.inputs == partition.objects);
            if !footers.are_readable || was_refused || step.reason == TOO_MANY_REJECTED {
                doubtful.push((table, step.day));
            }
            let is_of_settings = step.reason == HISTORY_CHANGED;
            let rows = match footers.rows {
                Some((low, high)) if is_of_settings => Some((low.max(settings_from), high)).filter(|(low, high)| low <= high),
                rows => rows,
            };
            let known = survey.receipts.raw(table).get(step.day).filter(|_| !is_of_settings);
            let known = || known.into_iter().flat_map(|receipt| receipt.content.days.values()).flat_map(|days| days.keys());
            let before = known().min().zip(known().max()).map(|(first, last)| DayRange { first: *first, last: *last });
            let may_reject = step.reason != WORKING_TABLE_LOST && !(is_of_settings && footers.are_sound);
            partitions.push(UnreadPartition { step, table, rows, before, may_reject });
        }
        Ok(Unread { settings, last: calendar.last(), settings_from, partitions, doubtful })
    }

    pub(crate) fn doubtful(&self) -> &[(Raw, Day)] {
        &self.doubtful
    }

    /// Leaves out what is refused: nothing of it comes.
    pub(crate) fn leave_out(&mut self, refused: &BTreeSet<(Raw, Day)>) {
        self.partitions.retain(|partition| !refused.contains(&(partition.table, partition.step.day)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    fn local_days(&self, rows: (i64, i64)) -> DayRange {
        let days = |at: i64| self.settings.bots.iter().map(move |bot| bot.zone.local_day(at));
        let (first, last) = (days(rows.0).min(), days(rows.1).max());
        DayRange { first: first.unwrap_or(Day::of_instant(rows.0)), last: last.unwrap_or(Day::of_instant(rows.1)) }
    }

    /// The instant from which touches may not be what they were; none where all stay.
    pub(crate) fn first_touch(&self) -> Option<i64> {
        let touches = self.partitions.iter().filter(|partition| partition.table == Raw::Messages);
        touches
            .filter_map(|partition| if partition.before.is_some() { Some(i64::MIN) } else { partition.rows.map(|rows| rows.0) })
            .min()
    }

    /// The days that the rows may affect, each with the partition that affects it.
    pub(crate) fn affected_days(&self, survey: &Survey) -> AffectedDays {
        let copies = (COPY_WINDOW / MICROS_PER_DAY) as i32 + 1;
        let counted = survey.receipts.messages.iter().flat_map(|(_, receipt)| receipt.content.days.values()).flatten();
        let unattributed: BTreeSet<Day> = counted.filter(|(_, rows)| rows.other != Digest::NONE).map(|(day, _)| *day).collect();
        let mut affected = AffectedDays::new();
        for partition in &self.partitions {
            // A copy with an ad id takes unattributed touches before it away.
            let shadows = |day: Day| unattributed.range(day.plus(-copies)..=day).next().is_some();
            let back = if partition.table == Raw::Messages { copies } else { 0 };
            let of_rows = partition.rows.map(|rows| self.local_days(rows)).into_iter().chain(partition.before);
            let of_rows = of_rows.flat_map(|local| {
                let last = local.last.plus(self.settings.horizon.days + copies);
                let all = DayRange { first: local.first.plus(-back), last: self.last.map_or(last, |end| end.min(last)) };
                all.iter().filter(move |day| *day >= local.first || shadows(*day))
            });
            let of_rejected = Some(partition.step.day).filter(|_| partition.may_reject);
            for day in of_rows.chain(of_rejected) {
                affected.entry(day).or_insert_with(|| partition.reason());
            }
        }
        affected
    }

    /// The range of days, as far as the rows may widen it.
    pub(crate) fn widened(&self, known: Option<DayRange>) -> Option<DayRange> {
        let first = self.partitions.iter().filter_map(|partition| Some(self.local_days(partition.rows?).first)).min();
        DayRange::new(known.map(|range| range.first).into_iter().chain(first).min()?, self.last?)
    }

    /// Notes the days that come into the range or leave it, with or without a row of their own.
    pub(crate) fn note_edges(
        &self,
        survey: &Survey,
        range: Option<DayRange>,
        known: Option<DayRange>,
        affected: &mut AffectedDays,
    ) {
        let Some((range, first)) = range.zip(self.partitions.iter().min_by_key(|partition| partition.rows)) else { return };
        let come = DayRange::new(range.first, known.map_or(range.last, |known| known.first.plus(-1)));
        let first_kept = self.kept_days(survey).first().copied();
        let leave = known.and_then(|known| DayRange::new(known.first, first_kept.map_or(known.last, |kept| kept.plus(-1))));
        for day in come.into_iter().chain(leave).flat_map(DayRange::iter) {
            affected.entry(day).or_insert_with(|| first.reason());
        }
    }

    /// Whether a row of these partitions may fall on this local day.
    pub(crate) fn may_bring_rows_of(&self, day: Day) -> bool {
        self.partitions.iter().filter_map(|partition| partition.rows).any(|rows| self.local_days(rows).contains(day))
    }

    /// What is said of a day that may have a row no more.
    pub(crate) fn reason_to_remove(&self) -> String {
        self.partitions.first().map(UnreadPartition::reason).unwrap_or_default()
    }

    /// The local days with a row that stays, whatever these partitions hold.
    pub(crate) fn kept_days(&self, survey: &Survey) -> BTreeSet<Day> {
        let stays = |table: Raw, partition: Day, day: Day| match self
            .partitions
            .iter()
            .find(|unread| unread.table == table && unread.step.day == partition)
        {
            Some(unread) if unread.step.reason == HISTORY_CHANGED => {
                day < self.local_days((self.settings_from, self.settings_from)).first
            }
            Some(unread) => unread.step.reason == WORKING_TABLE_LOST,
            None => true,
        };
        let days = Raw::BOTH.into_iter().flat_map(|table| {
            let receipts = survey.receipts.raw(table).iter();
            receipts.flat_map(move |(partition, receipt)| {
                let days = receipt.content.days.values().flat_map(|days| days.keys()).copied();
                days.filter(|day| stays(table, partition, *day)).collect::<Vec<Day>>()
            })
        });
        days.collect()
    }
}

impl UnreadPartition<'_> {
    fn reason(&self) -> String {
        format!("{}: {} {}", self.step.reason, self.step.table, self.step.day)
    }
}

/// What the footers of a partition say of its times.
struct Footers {
    /// The smallest and the largest, within what the contract allows; all that where they do not say.
    rows: Option<(i64, i64)>,
    /// Every row has a time that the contract allows.
    are_sound: bool,
    are_readable: bool,
}

fn footers(lake: &Lake, input: &PartitionedInput, partition: &Partition) -> Result<Footers> {
    let allowed = input.zone.allowed_instants(partition.day);
    let allowed = (allowed.start, allowed.end - 1);
    let unknown = Footers { rows: Some(allowed), are_sound: false, are_readable: true };
    let unreadable = Footers { rows: Some(allowed), are_sound: false, are_readable: false };
    let mut together = Footers { rows: None, are_sound: true, are_readable: true };
    let Ok(objects) = partition.to_read() else { return Ok(unreadable) };
    let Some(source) = input.columns.plain_instants() else { return Ok(unknown) };
    for object in objects {
        let (rows, schema, stored) = match lake.stored_span(object, &source.column) {
            // Where the run reads it all the same, its rows may be anywhere.
            Err(error) if error.kind() == ErrorKind::Data => return Ok(unreadable),
            footer => footer?,
        };
        if rows == 0 {
            continue;
        }
        let kind = schema.field_with_name(&source.column).map(|field| field.data_type().clone());
        let Some((stored, kind)) = stored.zip(kind.ok()) else { return Ok(unknown) };
        let Some((low, high)) = source.to_micros(stored.low, &kind).zip(source.to_micros(stored.high, &kind)) else {
            return Ok(unknown);
        };
        together.are_sound &= !stored.has_nulls && low >= allowed.0 && high <= allowed.1;
        let (low, high) = (low.max(allowed.0), high.min(allowed.1));
        if low <= high {
            together.rows = Some(together.rows.map_or((low, high), |all| (all.0.min(low), all.1.max(high))));
        }
    }
    Ok(together)
}

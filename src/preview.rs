//! Preview: what `ctwa plan` prints. The same planner as a run's, on listings, receipts and footers; nothing is written.
//!
//! A partition that has not been read yet is known by its footer only: the days that its rows can reach are given as "at most", and
//! the run plans again once it has read it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::calendar::{Calendar, Raw};
use crate::config::{PartitionedInput, Settings};
use crate::day::{Day, DayRange, MICROS_PER_DAY};
use crate::error::Result;
use crate::lake::Lake;
use crate::lake::layout::Partition;
use crate::plan::{DayStep, Planner};
use crate::run::{Job, ads_are_stale, check_history, not_landed, removals, wanted_days};
use crate::survey::{PartitionStep, Survey};
use crate::touches::COPY_WINDOW;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Preview {
    pub pipeline: String,
    /// Whether a run would do anything.
    pub stale: bool,
    pub first_day: Option<Day>,
    pub last_day: Option<Day>,
    /// Partitions to read, each with its reason and size.
    pub partitions: Vec<PartitionStep>,
    /// Days to build, each with its reason.
    pub days: Vec<DayStep>,
    /// Days that the rows of unread partitions may reach, by what their footers say.
    pub days_at_most: Vec<MaybeDay>,
    pub ads: bool,
    pub identities_changed: bool,
    pub days_removed: Vec<Day>,
    pub days_blocked: BTreeMap<Day, Vec<String>>,
    pub days_without_history: Vec<Day>,
    /// Of the partitions to read; only their needed columns are fetched.
    pub bytes_at_most: u64,
    pub objects_at_most: u64,
    pub failures: Vec<String>,
    #[serde(skip)]
    pub worst: Option<crate::error::ErrorKind>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaybeDay {
    pub day: Day,
    pub reason: String,
}

pub fn preview(job: &Job<'_>) -> Result<Preview> {
    let settings = job.settings;
    let survey = Survey::take(job.lake, job.output, settings)?;
    let calendar = survey.calendar(settings);
    check_history(job, &survey, &calendar)?;
    let book = &survey.receipts;
    let mut planner =
        Planner::new(settings, &calendar, &book.messages, &book.events, &book.insights, &book.days, &survey.published);
    planner.setting_changes = survey.accepted.changes(settings);
    let partitions = survey.unread(settings);
    let reached = days_reached(job.lake, settings, &survey, &partitions)?;
    let range = widened(planner.range(), &reached, &calendar);
    let mut failures = crate::run::Failures::default();
    calendar.holes().into_iter().for_each(|hole| failures.add(not_landed(hole)));
    let days = wanted_days(job, range, &calendar, &mut failures);
    let known = days.zip(planner.range()).and_then(|(days, known)| days.intersection(known));
    let steps = known.map(|days| planner.steps(days, job.is_backfill())).unwrap_or_default();
    let built: BTreeSet<Day> = steps.days.iter().map(|step| step.day).collect();
    let maybe = |(day, reason): (&Day, &String)| {
        let is_wanted = days.is_some_and(|days| days.contains(*day)) && !built.contains(day);
        is_wanted.then(|| MaybeDay { day: *day, reason: reason.clone() })
    };
    let mut preview = Preview {
        pipeline: settings.name.clone(),
        first_day: range.map(|range| range.first),
        last_day: range.map(|range| range.last),
        bytes_at_most: partitions.iter().map(|step| step.bytes).sum(),
        days_at_most: reached.iter().filter_map(maybe).collect(),
        ads: ads_are_stale(&survey, &planner) || partitions.iter().any(|step| step.table != "events"),
        identities_changed: book.identities.as_ref() != Some(&survey.identities_receipt(settings)),
        days_removed: if partitions.is_empty() {
            removals(job, &survey, &calendar, range).into_iter().collect()
        } else {
            Vec::new()
        },
        days_blocked: steps.blocked.iter().map(|(day, by)| (*day, by.iter().map(ToString::to_string).collect())).collect(),
        days_without_history: steps.without_history.clone(),
        days: steps.days,
        worst: failures.worst(),
        failures: failures.texts(),
        partitions,
        ..Preview::default()
    };
    let days = (preview.days.len() + preview.days_at_most.len()) as u64;
    preview.objects_at_most = 3 * days + u64::from(preview.ads);
    preview.stale = days > 0
        || !preview.partitions.is_empty()
        || preview.ads
        || preview.identities_changed
        || !preview.days_removed.is_empty()
        || !survey.gone(&calendar).is_empty();
    Ok(preview)
}

impl Preview {
    /// What of it lies on these days.
    pub fn within(mut self, range: DayRange) -> Preview {
        self.days.retain(|step| range.contains(step.day));
        self.days_at_most.retain(|step| range.contains(step.day));
        self.days_removed.retain(|day| range.contains(*day));
        self.days_blocked.retain(|day, _| range.contains(*day));
        self.stale = !(self.days.is_empty() && self.days_at_most.is_empty() && self.days_removed.is_empty());
        self.objects_at_most = 3 * (self.days.len() + self.days_at_most.len()) as u64 + u64::from(self.ads);
        self
    }
}

/// The range of days, as far as unread partitions may widen it.
fn widened(range: Option<DayRange>, reached: &BTreeMap<Day, String>, calendar: &Calendar) -> Option<DayRange> {
    let first = range.map(|range| range.first).into_iter().chain(reached.keys().next().copied()).min()?;
    DayRange::new(first, calendar.last()?)
}

/// The days that the rows of unread partitions may reach, each with the partition that reaches it.
fn days_reached(lake: &Lake, settings: &Settings, survey: &Survey, steps: &[PartitionStep]) -> Result<BTreeMap<Day, String>> {
    let reach = settings.horizon.days + (COPY_WINDOW / MICROS_PER_DAY) as i32 + 1;
    let last = Raw::BOTH.iter().filter_map(|table| survey.raw(*table).partitions.keys().next_back()).max().copied();
    let mut reached = BTreeMap::new();
    for step in steps {
        let Some(table) = Raw::BOTH.into_iter().find(|table| table.table() == step.table) else {
            reached.entry(step.day).or_insert_with(|| format!("{}: insights {}", step.reason, step.day));
            continue;
        };
        let input = match table {
            Raw::Messages => &settings.messages,
            Raw::Events => &settings.events,
        };
        let Some(partition) = survey.raw(table).partitions.get(&step.day) else { continue };
        let Some(span) = span(lake, input, partition)? else { continue };
        let back = match table {
            // A copy with an ad id takes unattributed touches before it away.
            Raw::Messages => (COPY_WINDOW / MICROS_PER_DAY) as i32 + 1,
            Raw::Events => 0,
        };
        let first = settings.bots.iter().map(|bot| bot.zone.local_day(span.0)).min().unwrap_or(step.day).plus(-back);
        let until = settings.bots.iter().map(|bot| bot.zone.local_day(span.1)).max().unwrap_or(step.day).plus(reach);
        let days = DayRange { first, last: until.min(last.unwrap_or(until)) };
        for day in days.iter() {
            reached.entry(day).or_insert_with(|| format!("{}: {} {}", step.reason, step.table, step.day));
        }
    }
    Ok(reached)
}

/// The span of a partition's times as the footers tell it, within what the contract allows; all that where they do not.
fn span(lake: &Lake, input: &PartitionedInput, partition: &Partition) -> Result<Option<(i64, i64)>> {
    let allowed = (partition.day.plus(-400).start_utc(), partition.day.plus(3).start_utc() - 1);
    let Some(source) = input.columns.plain_instants() else { return Ok(Some(allowed)) };
    let mut spans: Option<(i64, i64)> = None;
    for object in &partition.objects {
        let (schema, stored) = lake.stored_span(object, &source.column)?;
        let kind = schema.field_with_name(&source.column).map(|field| field.data_type().clone());
        let span =
            stored.zip(kind.ok()).and_then(|((low, high), kind)| source.to_micros(low, &kind).zip(source.to_micros(high, &kind)));
        match span {
            Some((low, high)) => {
                let (known_low, known_high) = spans.unwrap_or((low, high));
                spans = Some((known_low.min(low), known_high.max(high)));
            }
            None if stored.is_none() && partition.objects.len() == 1 && schema.fields().is_empty() => return Ok(None),
            None => return Ok(Some(allowed)),
        }
    }
    Ok(spans.map(|(low, high)| (low.max(allowed.0), high.min(allowed.1))).filter(|(low, high)| low <= high))
}

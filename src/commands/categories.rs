//! Categories: what events have come in over the last days, and what each category would yield if it were the conversion event.
//!
//! In: the raw events of those days, the rows of what came before, and what has not been read yet. Nothing is written.
//! Out, per bot and category, over the bot's local days up to the last that has landed:
//!
//! - `events`: rows of the category whose own time falls on those days, copies of a delivery included; `events_without_contact`
//!   are those of them that nobody can be credited with.
//! - `conversions`, `unattributed_conversions`: what a run would publish for those days had the category been set from their first
//!   instant on (rules 3 to 8): copies dropped, at most one per session, sessions opened in the 90 days before included. The one
//!   difference: an event delivered again under another contact, one without touches or none, is not known as a copy.
//! - `open_session_share`: the conversions of either kind for each event.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array, RecordBatch};
use serde::Serialize;

use crate::base::bound::Bound;
use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failures::Failures;
use crate::base::limits::{AFFECTED_DAYS, DAYS_AHEAD};
use crate::base::parallel::on_all_cores;
use crate::base::progress::Progress;
use crate::base::schema::Raw;
use crate::base::times::Instant;
use crate::commands::sessions::kept_rows;
use crate::engine::request::{Extraction, Rules};
use crate::engine::rows::{HasTouch, Yield, YieldsRequest};
use crate::extract::conversion_events::{self, EventCells};
use crate::extract::fingerprints::raw_settings;
use crate::extract::found::Scope;
use crate::extract::identity::Identities;
use crate::extract::touches::{cell, time_fault};
use crate::known::job::Job;
use crate::known::survey::{Lost, Survey};
use crate::lake::{Lake, Listing, Partition, ReadPlan, readable};
use crate::plan::receipt::PartitionReceipt;
use crate::report::Amount;
use crate::run::scan;

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Categories {
    pub pipeline: String,
    /// The local days that were looked at.
    pub first_day: Option<Day>,
    pub last_day: Option<Day>,
    pub bots: Vec<BotCategories>,
    pub failures: Vec<String>,
    #[serde(skip)]
    pub worst: Option<ErrorKind>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct BotCategories {
    pub bot_id: String,
    pub timezone: String,
    /// The conversion event at the end of the days.
    pub category_in_effect: Option<String>,
    /// Most conversions first.
    pub categories: Vec<CategoryRow>,
    /// Events of the partitions read whose time cannot be used.
    pub events_without_usable_time: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct CategoryRow {
    pub category: String,
    pub events: u64,
    pub events_without_contact: u64,
    /// RFC 3339, in the bot's zone.
    pub last_seen: String,
    pub conversions: i64,
    pub unattributed_conversions: i64,
    /// A decimal of 6 digits.
    pub open_session_share: String,
}

/// How many partitions are read between two looks at whether to stop.
const PARTITIONS_PER_BATCH: usize = 32;

/// The days of each bot that are looked at.
struct Window<'a> {
    days: DayRange,
    /// The indices of the bots that are asked for, with the first instant and the end of their days.
    spans: BTreeMap<usize, (i64, i64)>,
    scope: Scope<'a>,
}

impl<'a> Window<'a> {
    /// The last days, up to the last that has landed; no day before the lake begins.
    fn new(job: &Job<'a>, survey: &Survey, bots: &[String], last_days: u16) -> Result<Window<'a>> {
        let settings = job.settings;
        let calendar = survey.calendar(settings);
        let range = calendar.first().zip(calendar.last()).and_then(|(first, last)| DayRange::new(first, last));
        let landed = range.ok_or_else(|| {
            Error::not_ready("no day has landed with both messages and events").mend("try again when both are there")
        })?;
        let first = landed.last.plus(1 - i32::from(last_days)).max(landed.first);
        let days = DayRange { first, last: landed.last };
        let mut spans = BTreeMap::new();
        for (i, bot) in settings.bots.iter().enumerate() {
            if bots.is_empty() || bots.contains(&bot.id) {
                spans.insert(i, (bot.zone.start_of(days.first), bot.zone.end_of(days.last)));
            }
        }
        Ok(Window { days, spans, scope: Scope::new(settings) })
    }

    /// The partitions that can hold rows of the time from this many days before the window on.
    fn partitions<'l>(&self, listing: &'l Listing, days_before: i32) -> impl Iterator<Item = &'l Partition> {
        let start = self.spans.values().map(|(start, _)| *start).min().unwrap_or(0);
        let first = Day::of_instant(start).plus(1 - days_before - DAYS_AHEAD - self.scope.settings.days_beside());
        listing.partitions.range(first..).map(|(_, partition)| partition)
    }
}

/// What a category's events are so far.
#[derive(Clone, Copy, Debug, Default)]
struct CategoryEvents {
    events: u64,
    without_contact: u64,
    last_at: i64,
}

/// What one partition or all of them hold.
#[derive(Default)]
struct Found {
    /// By bot and category.
    seen: BTreeMap<(usize, String), CategoryEvents>,
    without_time: BTreeMap<usize, u64>,
}

impl Found {
    fn add(&mut self, other: Found) {
        for (key, seen) in other.seen {
            let sum = self.seen.entry(key).or_default();
            sum.events += seen.events;
            sum.without_contact += seen.without_contact;
            sum.last_at = sum.last_at.max(seen.last_at);
        }
        for (bot, rows) in other.without_time {
            *self.without_time.entry(bot).or_default() += rows;
        }
    }
}

/// Which contacts have touches: others' events convert nothing.
struct Touched<'a> {
    identities: &'a Identities,
    has_touch: &'a HasTouch<'a>,
}

impl Touched<'_> {
    /// By an id as it came.
    fn has(&self, bot: usize, contact: &str) -> bool {
        (self.has_touch)(bot, &self.identities.contact(bot, contact))
    }
}

/// The rows of a bot's asked days, by category, of the partitions that can hold them.
pub(crate) fn events_by_category(
    job: &Job<'_>,
    survey: &Survey,
    bot_id: &str,
    days: u16,
) -> Result<(DayRange, BTreeMap<String, u64>)> {
    let window = Window::new(job, survey, &[bot_id.to_string()], days)?;
    let mut failures = Failures::default();
    let (found, _) = read(job, &window, survey, None, &mut failures)?;
    Ok((window.days, found.seen.into_iter().map(|((_, category), seen)| (category, seen.events)).collect()))
}

pub(crate) fn categories(job: &Job<'_>, bots: &[String], days: u16) -> Result<Categories> {
    let settings = job.settings;
    let kept = kept_rows(job.engine)?;
    let mut survey = Survey::take(&job.places())?;
    let window = Window::new(job, &survey, bots, days)?;
    let identities = Identities::surveyed(job.lake, &survey.identities, settings)?;
    let mut failures = Failures::default();
    read_before(job, &window, &mut survey, &mut failures)?;
    let rules = Rules { settings, identities: &identities, watermark: settings.landed_until(window.days.last) };
    let starts = window.spans.iter().map(|(bot, (start, _))| (*bot, *start)).collect();
    let request = YieldsRequest { rules, partitions: &survey.extracted(Lost::Refused), starts: &starts };
    let mut found = Found::default();
    let yields = kept.yields(&request, &mut |has_touch| {
        let touched = Touched { identities: &identities, has_touch };
        let (of_window, batches) = read(job, &window, &survey, Some(&touched), &mut failures)?;
        found = of_window;
        Ok(batches)
    })?;
    let of_bots = window.spans.iter().map(|(i, (_, end))| of_bot(job, *i, *end, &found, &yields)).collect();
    Ok(Categories {
        pipeline: settings.name.clone(),
        first_day: Some(window.days.first),
        last_day: Some(window.days.last),
        bots: of_bots,
        worst: failures.worst(),
        failures: failures.texts(),
    })
}

fn of_bot(job: &Job<'_>, index: usize, end: i64, found: &Found, yields: &BTreeMap<(u32, String), Yield>) -> BotCategories {
    let bot = &job.settings.bots[index];
    let row = |((_, category), seen): (&(usize, String), &CategoryEvents)| {
        let of = yields.get(&(index as u32, category.clone())).copied().unwrap_or_default();
        let sessions = of.conversions + of.unattributed_conversions;
        CategoryRow {
            category: category.clone(),
            events: seen.events,
            events_without_contact: seen.without_contact,
            last_seen: bot.zone.time(seen.last_at),
            conversions: of.conversions,
            unattributed_conversions: of.unattributed_conversions,
            open_session_share: Amount::share(sessions, seen.events as i64).map(|share| share.to_string()).unwrap_or_default(),
        }
    };
    let of_this = found.seen.range((index, String::new())..).take_while(|((of, _), _)| *of == index);
    let mut categories: Vec<CategoryRow> = of_this.map(row).collect();
    // Stable: equal ones stay in the order of their names.
    categories.sort_by_key(|of| std::cmp::Reverse((of.conversions, of.unattributed_conversions, of.events)));
    BotCategories {
        bot_id: bot.id.clone(),
        timezone: bot.zone.name().to_string(),
        category_in_effect: bot.category_at(end - 1).map(str::to_string),
        categories,
        events_without_usable_time: found.without_time.get(&index).copied().unwrap_or(0),
    }
}

/// Leaves in the survey the partitions that may hold touches that can be open in the window, and conversion events that can have closed
/// them before it: as they were read, or where that is not of what has landed, read now.
fn read_before(job: &Job<'_>, window: &Window<'_>, survey: &mut Survey, failures: &mut Failures) -> Result<()> {
    let settings = job.settings;
    let unread: BTreeSet<(&str, Day)> = survey.unread(settings).iter().map(|step| (step.table, step.day)).collect();
    for table in Raw::BOTH {
        let name = table.table();
        let near = window.partitions(survey.raw(table), AFFECTED_DAYS);
        let mut partitions: BTreeMap<Day, Partition> = near.map(|partition| (partition.day, partition.clone())).collect();
        let is_of_use = |day: Day| {
            // A retired partition is in no listing; what is kept of it is near enough.
            let is_retired = !survey.raw(table).partitions.contains_key(&day);
            (is_retired || partitions.contains_key(&day)) && !unread.contains(&(name, day)) && !survey.is_lost(table, day)
        };
        let known = survey.receipts.raw(table).iter().map(|(day, _)| day);
        let forgotten: Vec<(&str, Day)> = known.filter(|day| !is_of_use(*day)).map(|day| (name, day)).collect();
        survey.forget(&forgotten);
        partitions.retain(|day, _| unread.contains(&(name, *day)));
        let listing = Listing { partitions, left_out: Vec::new() };
        let of = raw_settings(settings, table);
        for (partition, extracted) in scan::for_now(&job.places(), table, &listing) {
            match extracted.and_then(|Extraction { content, refusal, .. }| refusal.map_or(Ok(content), Err)) {
                Ok(content) => {
                    let receipt = PartitionReceipt::new(partition.objects, of, None, content);
                    survey.receipts.raw_mut(table).set(partition.day, receipt);
                }
                Err(error) if error.kind() != ErrorKind::Data => return Err(error.with("day", partition.day)),
                Err(error) => failures.add(error.with("table", name).with("day", partition.day)),
            }
        }
    }
    Ok(())
}

/// Reads the raw events of the window: what there is of each category, and, where contacts are given, their rows of any category in
/// the shape of `schema::conversions()`.
fn read(
    job: &Job<'_>,
    window: &Window<'_>,
    survey: &Survey,
    touched: Option<&Touched<'_>>,
    failures: &mut Failures,
) -> Result<(Found, Vec<RecordBatch>)> {
    let partitions: Vec<&Partition> = window.partitions(&survey.events, 0).collect();
    let (mut found, mut batches) = (Found::default(), Vec::new());
    let bytes = partitions.iter().map(|partition| partition.bytes()).sum();
    (job.progress)(Progress::Begin { step: "events", of: "partitions", items: partitions.len() as u64, bytes });
    for some in partitions.chunks(PARTITIONS_PER_BATCH) {
        (job.stopped)()?;
        let parts = on_all_cores(some, |partition| {
            let part = readable(|| read_partition(job.lake, window, partition, touched))?;
            let rows = part.0.seen.values().map(|seen| seen.events).sum();
            (job.progress)(Progress::Done { rows, bytes: partition.bytes() });
            Ok(part)
        });
        for (partition, part) in some.iter().zip(parts) {
            match part {
                Ok((part, rows)) => {
                    found.add(part);
                    batches.extend(rows);
                }
                Err(error) if error.kind() != ErrorKind::Data => return Err(error.with("day", partition.day)),
                Err(error) => failures.add(error.with("table", "events").with("day", partition.day)),
            }
        }
    }
    (job.progress)(Progress::End);
    Ok((found, batches))
}

fn read_partition(
    lake: &Lake,
    window: &Window<'_>,
    partition: &Partition,
    touched: Option<&Touched<'_>>,
) -> Result<(Found, Vec<RecordBatch>)> {
    let mapping = &window.scope.settings.events.columns;
    // Ids of events matter where copies do.
    let wanted = ["bot_id", "contact_id", "category", "occurred_at", "event_id"];
    let wanted = if touched.is_some() { &wanted[..] } else { &wanted[..4] };
    let (mut found, mut batches) = (Found::default(), Vec::new());
    for object in partition.to_read()? {
        let bound = std::cell::OnceCell::new();
        lake.read_batches(
            object,
            |schema| {
                let fitting = mapping.bind(schema, &object.path)?;
                let plan = ReadPlan { columns: fitting.paths(wanted), filter: None };
                let _ = bound.set(fitting);
                Ok(plan)
            },
            |batch| {
                let bound = bound.get().ok_or_else(|| Error::bug("a batch came before its schema"))?;
                batches.extend(take(window, partition.day, bound, &batch, touched, &mut found)?);
                Ok(())
            },
        )?;
    }
    Ok((found, batches))
}

/// Counts the rows of a batch, and keeps those of contacts that are asked for.
fn take(
    window: &Window<'_>,
    day: Day,
    bound: &Bound,
    batch: &RecordBatch,
    touched: Option<&Touched<'_>>,
    found: &mut Found,
) -> Result<Option<RecordBatch>> {
    let text = |name| bound.text(name, batch);
    let (bots, contacts, categories) = (text("bot_id")?, text("contact_id")?, text("category")?);
    let times = bound.instants("occurred_at", batch)?;
    let mut seen: HashMap<(usize, &str), CategoryEvents> = HashMap::new();
    let mut kept: Vec<(u32, usize, i64)> = Vec::new();
    let allowed = window.scope.settings.events.zone.allowed_instants(day);
    for (row, time) in times.into_iter().enumerate() {
        let id = bots.is_valid(row).then(|| bots.value(row));
        let Ok(Some(bot)) = window.scope.bot(id) else { continue };
        let Some((start, end)) = window.spans.get(&bot).copied() else { continue };
        if categories.is_null(row) {
            continue;
        }
        let at = match time {
            Instant::At(at) if time_fault(time, &allowed).is_none() => at,
            _ => {
                *found.without_time.entry(bot).or_default() += 1;
                continue;
            }
        };
        if !(start..end).contains(&at) {
            continue;
        }
        let of =
            seen.entry((bot, categories.value(row))).or_insert(CategoryEvents { last_at: i64::MIN, ..CategoryEvents::default() });
        of.events += 1;
        of.last_at = of.last_at.max(at);
        if contacts.is_null(row) {
            of.without_contact += 1;
        }
        if touched.is_some_and(|touched| contacts.is_valid(row) && touched.has(bot, contacts.value(row))) {
            kept.push((row as u32, bot, at));
        }
    }
    let seen = seen.into_iter().map(|((bot, category), seen)| ((bot, category.to_string()), seen)).collect();
    found.add(Found { seen, without_time: BTreeMap::new() });
    if kept.is_empty() {
        return Ok(None);
    }
    let events = bound.cells("event_id", batch)?;
    // A run rejects a row whose event id is none.
    kept.retain(|(row, ..)| events.faults.of(*row as usize).is_none());
    let rows = kept.iter().map(|(row, bot, at)| EventCells {
        bot: &window.scope.settings.bots[*bot].id,
        contact: cell(&contacts, *row),
        occurred_at: *at,
        category: categories.value(*row as usize),
        event: cell(&events.texts, *row),
    });
    conversion_events::table(&rows.collect::<Vec<_>>()).map(Some)
}

//! Run: the only loop. Survey, extract, attribute, audit, publish, in this order; no stage calls the next.
//!
//! A partition or a day that fails is named and kept back, what does not depend on it goes on, and the run exits with the worst
//! kind of what failed. Objects whose bytes did not change are not written again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use serde::Serialize;
use tracing::{info, warn};

use crate::ad_days::{ad_conversions, ad_conversions_table, ad_days, ad_days_table};
use crate::ads::AdIndex;
use crate::audit::{self, DayRows};
use crate::bot_days::{bot_days, bot_days_table};
use crate::calendar::{Blocker, Calendar, Raw};
use crate::config::Settings;
use crate::conversions::Conversions;
use crate::day::{Day, DayRange};
use crate::engine::{Request, embedded};
use crate::error::{Error, ErrorKind, Result};
use crate::extract::{self, Extract, Extracted, Scope};
use crate::identity::Identities;
use crate::insights::{self, InsightsIndex};
use crate::lake::layout::{ADS_OBJECT, Listing, Partition, day_object, rejected_object};
use crate::lake::{Lake, encode};
use crate::schema::{self, Table};
use crate::touches::Touches;

/// Which days to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All that the landed partitions allow, up to a day where one is given.
    Through(Option<Day>),
    /// These, whatever their state.
    Days(DayRange),
}

/// What a run did, under stable names.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunReport {
    pub pipeline: String,
    /// The first and last local day that the landed partitions allow.
    pub first_day: Option<String>,
    pub last_day: Option<String>,
    pub days_built: u64,
    pub days_incomplete: u64,
    pub days_removed: Vec<String>,
    /// Days kept back, with what blocks them.
    pub days_blocked: BTreeMap<String, Vec<String>>,
    pub partitions_read: u64,
    pub bytes_read: u64,
    pub objects_written: u64,
    pub objects_unchanged: u64,
    pub touches: i64,
    pub duplicate_touches: i64,
    pub unattributed_touches: i64,
    pub conversion_events: i64,
    /// Of ads.
    pub conversions: i64,
    /// Rows set aside, by table and reason.
    pub rejected_rows: BTreeMap<String, BTreeMap<String, u64>>,
    /// Rows of bots that the pipeline does not name, by bot id.
    pub out_of_scope_rows: BTreeMap<String, u64>,
    /// Rows of accounts that no bot lists, by account id.
    pub unlisted_account_rows: BTreeMap<String, u64>,
    pub warnings: BTreeSet<String>,
    pub failures: Vec<Failure>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    pub kind: &'static str,
    pub error: String,
}

/// A run that came to its end, with what it could not do on the way.
pub struct Outcome {
    pub report: RunReport,
    pub worst: Option<ErrorKind>,
}

/// The landed partitions of every table.
pub struct Survey {
    pub messages: Listing,
    pub events: Listing,
    pub insights: Listing,
}

pub fn survey(lake: &Lake, settings: &Settings) -> Result<Survey> {
    let insights = match &settings.insights {
        Some(insights) => lake.partitions(&insights.path, None)?,
        None => Listing::default(),
    };
    let survey = Survey {
        messages: lake.partitions(&settings.messages.path, settings.messages.marker.as_deref())?,
        events: lake.partitions(&settings.events.path, settings.events.marker.as_deref())?,
        insights,
    };
    for (listing, path) in [(&survey.messages, &settings.messages.path), (&survey.events, &settings.events.path)] {
        if listing.partitions.is_empty() {
            return Err(Error::not_ready(format!("no partition has landed in {path}/"))
                .with("folder", lake.location().join(path))
                .mend("land partitions as date=YYYY-MM-DD/*.parquet there, or correct the path in the pipeline file"));
        }
    }
    Ok(survey)
}

struct Failures<'a> {
    report: &'a mut RunReport,
    kinds: Vec<ErrorKind>,
}

impl Failures<'_> {
    fn add(&mut self, error: Error) {
        warn!("{error}");
        self.kinds.push(error.kind());
        self.report.failures.push(Failure { kind: error.kind().name(), error: error.to_string() });
    }
}

pub fn run(settings: &Settings, wanted: Wanted) -> Result<Outcome> {
    let lake = Lake::open(&settings.lake)?;
    let output = Lake::open_or_create(&settings.output)?;
    let mut report = RunReport { pipeline: settings.name.clone(), ..RunReport::default() };
    let mut failures = Failures { report: &mut report, kinds: Vec::new() };

    let survey = survey(&lake, settings)?;
    let identities = match &settings.identities {
        Some(path) => Identities::read(&lake, path, settings)?,
        None => Identities::default(),
    };
    let scope = Scope::new(settings);
    let mut calendar =
        Calendar::new(settings, survey.messages.partitions.keys().copied(), survey.events.partitions.keys().copied());

    let touch_days = extract_all(&survey.messages, |partition| extract::messages(&lake, &scope, partition));
    let event_days = extract_all(&survey.events, |partition| extract::events(&lake, &scope, partition));
    let touch_days = keep(Raw::Messages, touch_days, &output, &mut calendar, &mut failures)?;
    let event_days = keep(Raw::Events, event_days, &output, &mut calendar, &mut failures)?;
    let insights = pull_landed(&lake, settings, &survey.insights, &mut calendar, &mut failures);

    let usable = touch_days.values().chain(event_days.values()).flat_map(|day| day.1.days.values().flat_map(BTreeMap::keys));
    let first = usable.min().copied();
    let range = first.zip(calendar.last()).and_then(|(first, last)| DayRange::new(first, last));
    for hole in calendar.holes() {
        failures.add(not_landed(hole));
    }
    let days = wanted_days(wanted, range, calendar.last(), &mut failures);

    let bots: HashMap<&str, u32> = settings.bots.iter().enumerate().map(|(i, bot)| (bot.id.as_str(), i as u32)).collect();
    let (mut touches, mut events) = (Touches::default(), Conversions::default());
    touch_days.values().for_each(|(batch, _)| touches.add(batch, &bots));
    event_days.values().for_each(|(batch, _)| events.add(batch, &bots));
    let watermark = calendar.last().map_or(0, |last| last.next().start_utc());
    let asked = days.unwrap_or(DayRange { first: Day(i32::MAX), last: Day(i32::MAX) });
    let request = Request { settings, identities: &identities, days: asked, watermark };
    let answer = embedded::attribute(&request, touches, events)?;
    audit::states(&answer)?;

    let ads = AdIndex::new(settings, &answer, &insights);
    let ads_rows = ads.table(settings)?;
    publish(&output, &schema::ads(), ADS_OBJECT, &ads_rows, failures.report)?;

    for day in days.into_iter().flat_map(DayRange::iter) {
        let blockers = calendar.blockers(&settings.bots, day);
        if !blockers.is_empty() {
            failures.report.days_blocked.insert(day.to_string(), blockers.iter().map(Blocker::to_string).collect());
            continue;
        }
        let rejected = |bot: &str| {
            [&touch_days, &event_days].iter().filter_map(|days| days.get(&day)).map(|(_, extract)| extract.rejected_of(bot)).sum()
        };
        let rows = DayRows {
            ad_days: ad_days(settings, &calendar, &answer, &insights, &ads, day),
            ad_conversions: ad_conversions(settings, &answer, day),
            bot_days: bot_days(settings, &calendar, &answer, &insights, &rejected, day),
        };
        match publish_day(&output, day, &rows, &insights, failures.report) {
            Ok(()) => count(failures.report, &rows),
            Err(error) => failures.add(error.with("day", day)),
        }
    }
    if let Some(range) = range {
        remove_days_outside(&output, range, calendar.first(), failures.report)?;
    }

    report_inputs(failures.report, &touch_days, &event_days, &insights, &survey);
    let worst = ErrorKind::worst(failures.kinds);
    report.first_day = range.map(|range| range.first.to_string());
    report.last_day = range.map(|range| range.last.to_string());
    report.partitions_read = (touch_days.len() + event_days.len() + survey.insights.partitions.len()) as u64;
    report.bytes_read = lake.bytes_read();
    Ok(Outcome { report, worst })
}

fn not_landed(hole: Blocker) -> Error {
    Error::not_ready("a partition between landed ones has not landed")
        .with("table", hole.table)
        .with("day", hole.day)
        .mend("land it and run again, or name the day in allow_missing if it will never come")
}

/// The days to build, and an error for those that cannot be.
fn wanted_days(wanted: Wanted, range: Option<DayRange>, last: Option<Day>, failures: &mut Failures<'_>) -> Option<DayRange> {
    let (until, asked) = match wanted {
        Wanted::Through(None) => return range,
        Wanted::Through(Some(day)) => (day, DayRange { first: Day(i32::MIN), last: day }),
        Wanted::Days(days) => (days.last, days),
    };
    if let Some(last) = last
        && until > last
    {
        failures.add(
            Error::not_ready(format!("day {until} has not landed: the last day with messages and events is {last}"))
                .mend("run again when its partitions are there"),
        );
    }
    range?.intersection(asked)
}

/// Extracts every partition, on all cores.
fn extract_all(listing: &Listing, extract: impl Fn(&Partition) -> Result<Extracted> + Sync) -> Vec<(Day, Result<Extracted>)> {
    let partitions: Vec<&Partition> = listing.partitions.values().collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(partition) = partitions.get(next.fetch_add(1, Ordering::Relaxed)) {
            let extracted = extract(partition);
            if let Ok(mut done) = done.lock() {
                done.push((partition.day, extracted));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(partitions.len().max(1));
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(day, _)| *day);
    done
}

/// The partitions that can be used; the others are refused, and block their own days.
fn keep(
    table: Raw,
    extracted: Vec<(Day, Result<Extracted>)>,
    output: &Lake,
    calendar: &mut Calendar,
    failures: &mut Failures<'_>,
) -> Result<BTreeMap<Day, (RecordBatch, Extract)>> {
    let input = match table {
        Raw::Messages => &schema::MESSAGES,
        Raw::Events => &schema::EVENTS,
    };
    let mut days = BTreeMap::new();
    for (day, extracted) in extracted {
        let Extracted { batch, extract, refusal } = match extracted {
            Ok(extracted) => extracted,
            Err(error) => {
                calendar.refuse(table, day);
                failures.add(error.with("table", input.name).with("day", day));
                continue;
            }
        };
        let object = rejected_object(input.name, day);
        match extract.rejected_table(input)? {
            Some(rows) => publish(output, &schema::rejected(input), &object, &rows, failures.report)?,
            None if output.get(&object)?.is_some() => output.remove(&object)?,
            None => {}
        }
        match refusal {
            Some(error) => {
                calendar.refuse(table, day);
                failures.add(error);
            }
            None => {
                days.insert(day, (batch, extract));
            }
        }
    }
    info!(table = input.name, partitions = days.len(), "extracted");
    Ok(days)
}

/// Reads the landed insights, oldest first; a partition that breaks the contract is refused and blocks its own day.
fn pull_landed(
    lake: &Lake,
    settings: &Settings,
    listing: &Listing,
    calendar: &mut Calendar,
    failures: &mut Failures<'_>,
) -> InsightsIndex {
    let listed = settings.listed_accounts();
    let mut index = InsightsIndex::default();
    for (day, partition) in &listing.partitions {
        if let Err(error) = insights::read_partition(lake, partition).and_then(|rows| index.add(*day, rows, &listed)) {
            calendar.refuse_insights(*day);
            failures.add(error);
        }
    }
    index
}

fn publish(output: &Lake, table: &Table, object: &str, rows: &RecordBatch, report: &mut RunReport) -> Result<()> {
    let bytes = encode(&table.schema, std::slice::from_ref(rows))?;
    audit::footer(table, rows.num_rows(), &bytes)?;
    if output.get(object)?.as_ref() == Some(&bytes) {
        report.objects_unchanged += 1;
        return Ok(());
    }
    output.publish(object, bytes)?;
    report.objects_written += 1;
    Ok(())
}

/// Audits a day and publishes its tables; `bot_days` last, the sign of a finished day.
fn publish_day(output: &Lake, day: Day, rows: &DayRows, insights: &InsightsIndex, report: &mut RunReport) -> Result<()> {
    audit::day(day, rows, insights)?;
    let tables = [
        (schema::ad_conversions(), ad_conversions_table(day, &rows.ad_conversions)?),
        (schema::ad_days(), ad_days_table(day, &rows.ad_days)?),
        (schema::bot_days(), bot_days_table(day, &rows.bot_days)?),
    ];
    for (table, rows) in &tables {
        publish(output, table, &day_object(table.name, day), rows, report)?;
    }
    Ok(())
}

fn count(report: &mut RunReport, rows: &DayRows) {
    report.days_built += 1;
    report.days_incomplete += u64::from(rows.bot_days.iter().any(|row| !row.complete));
    for row in &rows.bot_days {
        report.touches += row.touches;
        report.duplicate_touches += row.duplicate_touches;
        report.unattributed_touches += row.unattributed_touches;
        report.conversion_events += row.events.map_or(0, |events| events.total);
        report.conversions += row.events.map_or(0, |events| events.conversions);
    }
}

/// Removes published days that no longer have a row. Days before the lake's first partition are kept: what made them may have
/// been retired since.
fn remove_days_outside(output: &Lake, range: DayRange, lake_begins: Option<Day>, report: &mut RunReport) -> Result<()> {
    for table in ["bot_days", "ad_days", "ad_conversions"] {
        for (day, object) in output.published_days(table)? {
            if range.contains(day) || (day < range.first && lake_begins.is_none_or(|first| day < first)) {
                continue;
            }
            output.remove(&object.path)?;
            if table == "bot_days" {
                report.days_removed.push(day.to_string());
            }
        }
    }
    Ok(())
}

fn report_inputs(
    report: &mut RunReport,
    touch_days: &BTreeMap<Day, (RecordBatch, Extract)>,
    event_days: &BTreeMap<Day, (RecordBatch, Extract)>,
    insights: &InsightsIndex,
    survey: &Survey,
) {
    for (table, days) in [("messages", touch_days), ("events", event_days)] {
        for (_, extract) in days.values() {
            for (reason, count) in extract.rejected.values().flatten() {
                *report.rejected_rows.entry(table.to_string()).or_default().entry(reason.clone()).or_default() += count;
            }
            for (bot, count) in &extract.out_of_scope {
                *report.out_of_scope_rows.entry(bot.clone()).or_default() += count;
            }
            report.warnings.extend(extract.warnings.iter().cloned());
        }
    }
    report.unlisted_account_rows = insights.unlisted_accounts.clone();
    for (table, listing) in [("messages", &survey.messages), ("events", &survey.events), ("insights", &survey.insights)] {
        for folder in &listing.strange_folders {
            report.warnings.insert(format!("{table}: folder {folder} is no day, it is not read"));
        }
    }
}

//! Scan: reads the partitions that are new or changed, and keeps what was found: working tables, rows set aside, receipts.
//!
//! A partition that breaks the contract is refused: it leaves no working table, its days are kept back, and the others go on. Storage
//! that fails refuses nothing: the days after an unread partition would be built without its rows. What was read is kept, and the
//! run ends.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::info;

use crate::calendar::{Calendar, Raw};
use crate::config::Settings;
use crate::conversions::Conversions;
use crate::day::{Day, DayRange};
use crate::error::{Error, ErrorKind, Result};
use crate::extract::{self, Extract, Extracted, Scope, TrackedEvent};
use crate::insights::{self, InsightRow, InsightsIndex};
use crate::lake::layout::{Listing, Partition, rejected_object, working_object};
use crate::lake::{Lake, decode, encode, encode_working};
use crate::parallel::{on_all_cores, while_waiting};
use crate::plan::Change;
use crate::progress::{Listener, Progress};
use crate::receipt::PartitionReceipt;
use crate::schema::{self, InputTable, Table};
use crate::survey::{PartitionStep, Survey, insights_settings, raw_settings};
use crate::touches::Touches;

/// Where a scan reads and writes.
pub struct Places<'a> {
    pub settings: &'a Settings,
    pub lake: &'a Lake,
    pub output: &'a Lake,
}

fn input_table(table: Raw) -> &'static InputTable {
    match table {
        Raw::Messages => &schema::MESSAGES,
        Raw::Events => &schema::EVENTS,
    }
}

fn working_table(table: Raw) -> Table {
    match table {
        Raw::Messages => schema::touches(),
        Raw::Events => schema::conversions(),
    }
}

/// What to do about working tables that have a receipt and are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    Refused,
    /// For a look at what is known.
    Allowed,
}

/// How many partitions are read between two writes of the receipts.
const PARTITIONS_PER_BATCH: usize = 32;

/// Reads these partitions of a raw table. Returns what changed; errors of the data go to `fail`, with the partitions refused.
#[allow(clippy::too_many_arguments)]
pub fn raw(
    places: &Places<'_>,
    table: Raw,
    steps: &[PartitionStep],
    survey: &mut Survey,
    calendar: &mut Calendar,
    stopped: &dyn Fn() -> Result<()>,
    progress: Listener<'_>,
    fail: &mut dyn FnMut(Error),
) -> Result<Vec<Change>> {
    let scope = Scope::new(places.settings);
    let of = raw_settings(places.settings, table);
    let mut changes = Vec::new();
    let mine: Vec<&PartitionStep> = steps.iter().filter(|step| step.table == table.table()).collect();
    if !mine.is_empty() {
        let (items, bytes) = (mine.len() as u64, mine.iter().map(|step| step.bytes).sum());
        progress(Progress::Begin { step: table.table(), of: "partitions", items, bytes });
    }
    for batch in mine.chunks(PARTITIONS_PER_BATCH) {
        stopped()?;
        let partitions: Vec<Partition> =
            batch.iter().filter_map(|step| survey.raw(table).partitions.get(&step.day).cloned()).collect();
        let extracted = on_all_cores(&partitions, |partition| {
            let extracted = extract(places, table, &scope, partition)?;
            let stored = store(places.output, table, partition.day, &extracted, survey.has_leavings(table, partition.day))?;
            progress(Progress::Done { rows: extracted.extract.accepted, bytes: partition.bytes() });
            Ok((extracted, stored))
        });
        let mut failed = None;
        for (partition, extracted) in partitions.into_iter().zip(extracted) {
            let day = partition.day;
            let before = survey.receipts.raw(table).get(day).cloned();
            if let Ok((_, Some(version))) = &extracted {
                survey.note_stored(table, day, version);
            }
            let receipts = survey.receipts.raw_mut(table);
            let refusal = match extracted {
                Ok((Extracted { extract, refusal: None, .. }, stored)) => {
                    let old = before.as_ref().map(|receipt| &receipt.content);
                    changes.push(Change::between(table.table(), day, old, Some(&extract)));
                    receipts.set(day, PartitionReceipt::new(partition.objects, of, stored, extract));
                    continue;
                }
                Ok((Extracted { refusal: Some(error), .. }, _)) => error,
                Err(error) if error.kind() == ErrorKind::Data => error,
                Err(error) => {
                    failed.get_or_insert(error.with("table", table.table()).with("day", day));
                    continue;
                }
            };
            receipts.forget(day);
            places.output.remove(&working_object(table, day))?;
            calendar.refuse(table, day);
            changes.push(Change::between(table.table(), day, before.as_ref().map(|receipt| &receipt.content), None));
            fail(refusal.with("table", table.table()).with("day", day));
        }
        survey.receipts.raw_mut(table).write(places.output)?;
        failed.map_or(Ok(()), Err)?;
    }
    if !mine.is_empty() {
        progress(Progress::End);
        info!(table = table.table(), partitions = mine.len(), "scanned");
    }
    Ok(changes)
}

fn extract(places: &Places<'_>, table: Raw, scope: &Scope<'_>, partition: &Partition) -> Result<Extracted> {
    read(|| match table {
        Raw::Messages => extract::messages(places.lake, scope, partition),
        Raw::Events => extract::events(places.lake, scope, partition),
    })
}

/// Some broken files make the Parquet reader panic: that is a broken file, not a broken run.
pub fn read<T>(partition: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(partition))
        .unwrap_or_else(|_| Err(Error::data("the partition is not readable Parquet").mend("write its files again")))
}

/// Extracts all landed partitions of a raw table, and stores nothing.
pub fn extract_all(places: &Places<'_>, table: Raw, listing: &Listing) -> Vec<(Partition, Result<Extracted>)> {
    let scope = Scope::new(places.settings);
    let partitions: Vec<Partition> = listing.partitions.values().cloned().collect();
    let extracted = on_all_cores(&partitions, |partition| extract(places, table, &scope, partition));
    partitions.into_iter().zip(extracted).collect()
}

/// The events of these contacts, whatever their category, of the partitions landed on these days. What is not readable Parquet is
/// left out: a run refuses it.
pub fn tracked_events(
    places: &Places<'_>,
    listing: &Listing,
    landed: DayRange,
    contacts: HashSet<String>,
) -> Result<Vec<TrackedEvent>> {
    let scope = Scope::new(places.settings);
    let contacts = Arc::new(contacts);
    let partitions: Vec<&Partition> =
        listing.partitions.range(landed.first..=landed.last).map(|(_, partition)| partition).collect();
    let found =
        on_all_cores(&partitions, |partition| read(|| extract::tracked_events(places.lake, &scope, partition, &contacts)));
    let mut events = Vec::new();
    for found in found {
        match found {
            Ok(found) => events.extend(found),
            Err(error) if error.kind() == ErrorKind::Data => {}
            Err(error) => return Err(error),
        }
    }
    Ok(events)
}

/// Meta's figures of one day; none where no partition of it has landed.
pub fn insights_of(places: &Places<'_>, survey: &Survey, day: Day) -> Result<Vec<InsightRow>> {
    let partition = survey.insights.partitions.get(&day);
    partition.map_or(Ok(Vec::new()), |partition| read(|| insights::read_partition(places.lake, partition)))
}

/// Stores what an extraction found: the rows set aside, and the working table unless the partition is refused. What an earlier one
/// left is replaced or removed.
fn store(output: &Lake, table: Raw, day: Day, extracted: &Extracted, has_leavings: bool) -> Result<Option<String>> {
    let input = input_table(table);
    let (rejected, working) = (rejected_object(input.name, day), working_object(table, day));
    match extracted.extract.rejected_table(input)? {
        Some(rows) => drop(output.publish(&rejected, encode(&schema::rejected(input).schema, &[rows])?)?),
        None if has_leavings => output.remove(&rejected)?,
        None => {}
    }
    if extracted.refusal.is_some() {
        return if has_leavings { output.remove(&working).map(|()| None) } else { Ok(None) };
    }
    output.publish(&working, encode_working(&working_table(table).schema, &extracted.batch)?).map(Some)
}

/// Forgets what was made from partitions that are gone.
pub fn forget(output: &Lake, gone: &[(&'static str, Day)], survey: &mut Survey) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for (name, day) in gone {
        let Some(table) = Raw::BOTH.into_iter().find(|table| table.table() == *name) else {
            survey.receipts.insights.forget(*day);
            continue;
        };
        output.remove(&working_object(table, *day))?;
        output.remove(&rejected_object(name, *day))?;
        let receipts = survey.receipts.raw_mut(table);
        changes.push(Change::between(table.table(), *day, receipts.get(*day).map(|receipt| &receipt.content), None));
        receipts.forget(*day);
    }
    for table in Raw::BOTH {
        survey.receipts.raw_mut(table).write(output)?;
    }
    survey.receipts.insights.write(output)?;
    Ok(changes)
}

/// Reads all landed insights and keeps their receipts.
pub fn insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    fail: &mut dyn FnMut(Error),
) -> Result<InsightsIndex> {
    let index = read_insights(places, survey, calendar, fail);
    survey.receipts.insights.write(places.output)?;
    index
}

/// Reads all landed insights, oldest first. A partition that breaks the contract is refused and has no receipt.
pub fn read_insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    fail: &mut dyn FnMut(Error),
) -> Result<InsightsIndex> {
    let listed = places.settings.listed_accounts();
    let of = insights_settings(places.settings);
    let partitions: Vec<Partition> = survey.insights.partitions.values().cloned().collect();
    let rows = on_all_cores(&partitions, |partition| read(|| insights::read_partition(places.lake, partition)));
    let mut index = InsightsIndex::new(survey.ledgers.clone());
    for (partition, rows) in partitions.into_iter().zip(rows) {
        let day = partition.day;
        let added = rows.and_then(|rows| {
            let content = insights::content(&rows, &listed);
            index.add(day, rows, &listed).map(|()| content)
        });
        match added {
            Ok(content) => {
                survey.receipts.insights.set(day, PartitionReceipt::new(partition.objects, of, None, content));
            }
            Err(error) if error.kind() != ErrorKind::Data => return Err(error.with("day", day)),
            Err(error) => {
                survey.receipts.insights.forget(day);
                calendar.refuse_insights(day);
                fail(error);
            }
        }
    }
    Ok(index)
}

/// Loads the working tables that have a receipt. Those that are lost are an error, or left out where that is allowed.
pub fn working_tables(places: &Places<'_>, survey: &Survey, lost: Lost) -> Result<(Touches, Conversions)> {
    load(places, survey, lost, &|_| true)
}

/// Loads those that hold a row of these local days; they may hold rows of others too.
pub fn working_tables_of(places: &Places<'_>, survey: &Survey, days: DayRange) -> Result<(Touches, Conversions)> {
    let has_rows = |content: &Extract| content.days.values().any(|of_bot| of_bot.range(days.first..=days.last).next().is_some());
    load(places, survey, Lost::Refused, &has_rows)
}

fn load(places: &Places<'_>, survey: &Survey, lost: Lost, wanted: &dyn Fn(&Extract) -> bool) -> Result<(Touches, Conversions)> {
    let bots: HashMap<&str, u32> = places.settings.bots.iter().enumerate().map(|(i, bot)| (bot.id.as_str(), i as u32)).collect();
    let (mut touches, mut events) = (Touches::default(), Conversions::default());
    for table in Raw::BOTH {
        let receipts: Vec<(Day, &PartitionReceipt<Extract>)> =
            survey.receipts.raw(table).iter().filter(|(_, receipt)| wanted(&receipt.content)).collect();
        let loaded = while_waiting(&receipts, |(day, receipt)| {
            let path = working_object(table, *day);
            let is_landed = survey.raw(table).partitions.contains_key(day);
            // A run that lost the lock may still write here. Tables of retired partitions are nobody's to write.
            let is_ours = |version: &String| !is_landed || receipt.stored.as_ref() == Some(version);
            match places.output.get_versioned(&path)?.filter(|(_, version)| is_ours(version)) {
                Some((bytes, _)) => {
                    decode(bytes).map_err(|error| error.with("object", &path).mend("remove the object and run again"))
                }
                None => Err(Error::new(ErrorKind::Unavailable, "a working table is gone, or was replaced by another run")
                    .with("object", &path)
                    .mend("run again: it is made anew")),
            }
        });
        for batches in loaded {
            let batches = match lost {
                Lost::Refused => batches?,
                Lost::Allowed => batches.unwrap_or_default(),
            };
            for batch in batches {
                match table {
                    Raw::Messages => touches.add(&batch, &bots),
                    Raw::Events => events.add(&batch, &bots),
                }
            }
        }
    }
    Ok((touches, events))
}

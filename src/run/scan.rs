//! Scan: reads the partitions that are new or changed, and keeps what was found: working tables, rows set aside, receipts.
//!
//! A partition that breaks the contract is refused: it leaves no working table, its days are kept back, and the others go on. Storage
//! that fails refuses nothing: the days after an unread partition would be built without its rows. What was read is kept, and the
//! run ends.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::info;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::memory;
use crate::base::object::Object;
use crate::base::parallel::{cores, on_all_cores};
use crate::base::progress::{Listener, Progress};
use crate::base::schema::{self, InputTable, Raw, Table};
use crate::extract::fingerprints::{insights_settings, raw_settings};
use crate::extract::found::Scope;
use crate::extract::{self, Extracted, TrackedEvent};
use crate::insights::{self, InsightRow, InsightsContent, InsightsIndex};
use crate::known::ad_memory::KeptInsights;
use crate::known::job::Places;
use crate::known::survey::Survey;
use crate::known::working::Fresh;
use crate::lake::layout::{Listing, Partition, rejected_object, working_object};
use crate::lake::{Lake, encode, encode_working};
use crate::plan::calendar::Calendar;
use crate::plan::reason::Change;
use crate::plan::receipt::PartitionReceipt;
use crate::plan::stages::PartitionStep;

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

/// How many rows of working tables are kept in memory, so that they need not be read again.
const ROWS_KEPT: usize = 1_500_000;

/// A partition this small is never unusual.
const FEW_BYTES: u64 = 32 << 20;

/// How many partitions are read between two writes of the receipts.
const PARTITIONS_PER_BATCH: usize = 32;

/// Reads these partitions of a raw table. Returns what changed and the working tables it made, as many as
/// memory is meant to hold; errors of the data go to `fail`, with the partitions refused. A partition that comes alone is read with all
/// cores, unless it is far larger than they usually are: then one object after the other, in the memory of an ordinary one.
#[allow(clippy::too_many_arguments)]
pub(crate) fn raw(
    places: &Places<'_>,
    table: Raw,
    steps: &[PartitionStep],
    survey: &mut Survey,
    calendar: &mut Calendar,
    stopped: &dyn Fn() -> Result<()>,
    progress: Listener<'_>,
    fail: &mut dyn FnMut(Error),
) -> Result<(Vec<Change>, Fresh)> {
    let (mut fresh, mut rows_kept) = (Fresh::new(), 0);
    let scope = Scope::new(places.settings);
    let of = raw_settings(places.settings, table);
    let mut changes = Vec::new();
    let mine: Vec<&PartitionStep> = steps.iter().filter(|step| step.table == table.table()).collect();
    if !mine.is_empty() {
        let (items, bytes) = (mine.len() as u64, mine.iter().map(|step| step.bytes).sum());
        progress(Progress::Begin { step: table.table(), of: "partitions", items, bytes });
    }
    let usual = usual_bytes(survey.raw(table));
    for batch in mine.chunks(PARTITIONS_PER_BATCH) {
        stopped()?;
        let partitions: Vec<Partition> =
            batch.iter().filter_map(|step| survey.raw(table).partitions.get(&step.day).cloned()).collect();
        let is_unusual = |partition: &Partition| partition.bytes() > (2 * usual).max(FEW_BYTES);
        let is_alone = partitions.len() < cores();
        if is_alone && partitions.iter().any(is_unusual) {
            memory::give_back();
        }
        let extracted = on_all_cores(&partitions, |partition| {
            let extracted = extract(places, table, &scope, partition, is_alone && !is_unusual(partition))?;
            let stored = store(places.output, table, partition.day, &extracted, survey.has_leavings(table, partition.day))?;
            progress(Progress::Done { rows: extracted.extract.accepted, bytes: partition.bytes() });
            Ok((extracted, stored))
        });
        let mut failed = None;
        for (partition, extracted) in partitions.into_iter().zip(extracted) {
            let day = partition.day;
            let before = survey.receipts.raw(table).get(day).cloned();
            if let Ok((_, Some(stored))) = &extracted {
                survey.note_stored(table, day, stored.clone());
            }
            let receipts = survey.receipts.raw_mut(table);
            let refusal = match extracted {
                Ok((Extracted { batch, extract, refusal: None }, stored)) => {
                    rows_kept += batch.num_rows();
                    if rows_kept <= ROWS_KEPT {
                        fresh.insert((table, day), batch);
                    }
                    let stored = stored.map(|object| object.version);
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
    Ok((changes, fresh))
}

/// The bytes of the median partition.
fn usual_bytes(listing: &Listing) -> u64 {
    let mut bytes: Vec<u64> = listing.partitions.values().map(Partition::bytes).collect();
    bytes.sort_unstable();
    bytes.get(bytes.len() / 2).copied().unwrap_or_default()
}

fn extract(places: &Places<'_>, table: Raw, scope: &Scope<'_>, partition: &Partition, at_once: bool) -> Result<Extracted> {
    read(|| match table {
        Raw::Messages => extract::messages(places.lake, scope, partition, at_once),
        Raw::Events => extract::events(places.lake, scope, partition, at_once),
    })
}

/// Some broken files make the Parquet reader panic: that is a broken file, not a broken run.
pub(crate) fn read<T>(partition: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(partition))
        .unwrap_or_else(|_| Err(Error::data("the partition is not readable Parquet").mend("write its files again")))
}

/// Extracts all landed partitions of a raw table, and stores nothing.
pub(crate) fn extract_all(places: &Places<'_>, table: Raw, listing: &Listing) -> Vec<(Partition, Result<Extracted>)> {
    let scope = Scope::new(places.settings);
    let partitions: Vec<Partition> = listing.partitions.values().cloned().collect();
    let extracted = on_all_cores(&partitions, |partition| extract(places, table, &scope, partition, false));
    partitions.into_iter().zip(extracted).collect()
}

/// The events of these contacts, whatever their category, of the partitions landed on these days. What is not readable Parquet is
/// left out: a run refuses it.
pub(crate) fn tracked_events(
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
pub(crate) fn insights_of(places: &Places<'_>, survey: &Survey, day: Day) -> Result<Vec<InsightRow>> {
    let partition = survey.insights.partitions.get(&day);
    partition.map_or(Ok(Vec::new()), |partition| read(|| insights::read_partition(places.lake, partition)))
}

/// Stores what an extraction found: the rows set aside, and the working table unless the partition is refused. What an earlier one
/// left is replaced or removed.
fn store(output: &Lake, table: Raw, day: Day, extracted: &Extracted, has_leavings: bool) -> Result<Option<Object>> {
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
    let bytes = encode_working(&working_table(table).schema, &extracted.batch)?;
    let size = bytes.len() as u64;
    let version = output.publish(&working, bytes)?;
    Ok(Some(Object { path: working, size, version }))
}

/// Forgets what was made from partitions that are gone.
pub(crate) fn forget(output: &Lake, gone: &[(&'static str, Day)], survey: &mut Survey) -> Result<Vec<Change>> {
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

/// Reads the insights that are new or changed, and keeps their receipts and what they say of ads. Figures are there of the days
/// that were read; [`add_figures`] brings others.
pub(crate) fn insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    fail: &mut dyn FnMut(Error),
) -> Result<InsightsIndex> {
    let kept = KeptInsights::read(places, survey)?;
    let index = match &kept {
        Some(kept) => read_new_insights(places, survey, calendar, kept, fail)?,
        None => None,
    };
    let Some(index) = index else { return all_insights(places, survey, calendar, fail) };
    survey.receipts.insights.write(places.output)?;
    KeptInsights::keep(places, survey, &index, kept.as_ref())?;
    Ok(index)
}

/// Reads all landed insights, and keeps their receipts and what they say of ads.
pub(crate) fn all_insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    fail: &mut dyn FnMut(Error),
) -> Result<InsightsIndex> {
    let index = read_insights(places, survey, calendar, fail);
    survey.receipts.insights.write(places.output)?;
    let index = index?;
    KeptInsights::keep(places, survey, &index, None)?;
    Ok(index)
}

/// Reads the partitions that are not in what was kept, or not as they were. None where they change what was known of an ad: then
/// all have to be read, in order.
fn read_new_insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    kept: &KeptInsights,
    fail: &mut dyn FnMut(Error),
) -> Result<Option<InsightsIndex>> {
    let of = insights_settings(places.settings);
    let is_same = |partition: &&Partition| {
        let receipt = survey.receipts.insights.get(partition.day);
        let receipt = receipt.filter(|receipt| receipt.mismatch(&partition.objects, of).is_none());
        receipt.is_some_and(|receipt| kept.partitions.get(&partition.day) == Some(&receipt.content.index))
    };
    let partitions: Vec<Partition> = survey.insights.partitions.values().filter(|p| !is_same(p)).cloned().collect();
    let last = kept.partitions.keys().next_back();
    if partitions.iter().any(|partition| !kept.partitions.contains_key(&partition.day) && Some(&partition.day) < last) {
        return Ok(None);
    }
    let rows = read_partitions(places, &partitions);
    let says_the_same = |(partition, rows): (&Partition, &Result<(Vec<InsightRow>, InsightsContent)>)| {
        let before = kept.partitions.get(&partition.day);
        before.is_none_or(|before| rows.as_ref().is_ok_and(|(_, content)| content.index == *before))
    };
    if !partitions.iter().zip(&rows).all(says_the_same) {
        return Ok(None);
    }
    let known = InsightsIndex::new(survey.ledgers.clone());
    let mut index = known.with_known(kept.ads.clone(), kept.currencies.clone());
    for (partition, rows) in partitions.into_iter().zip(rows) {
        let is_known = kept.partitions.contains_key(&partition.day);
        add_insights(places, survey, calendar, &mut index, partition, rows, is_known, fail)?;
    }
    for (day, receipt) in survey.receipts.insights.iter() {
        index.note_landed(day, receipt.content.accounts.keys());
    }
    Ok(Some(index))
}

/// Reads the figures of these days, where they have not been read.
pub(crate) fn add_figures(
    places: &Places<'_>,
    survey: &Survey,
    index: &mut InsightsIndex,
    days: impl IntoIterator<Item = Day>,
) -> Result<()> {
    let listed = places.settings.listed_accounts();
    // One that is refused has no receipt.
    let is_missing = |day: &Day| !index.days.contains_key(day) && survey.receipts.insights.get(*day).is_some();
    let missing = days.into_iter().filter(is_missing).filter_map(|day| survey.insights.partitions.get(&day));
    let missing: Vec<&Partition> = missing.collect();
    let rows = on_all_cores(&missing, |partition| read(|| insights::read_partition(places.lake, partition)));
    for (partition, rows) in missing.into_iter().zip(rows) {
        index.add_figures(partition.day, rows.map_err(|error| error.with("day", partition.day))?, &listed);
    }
    Ok(())
}

/// Reads all landed insights, oldest first. A partition that breaks the contract is refused and has no receipt.
pub(crate) fn read_insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    fail: &mut dyn FnMut(Error),
) -> Result<InsightsIndex> {
    let partitions: Vec<Partition> = survey.insights.partitions.values().cloned().collect();
    let rows = read_partitions(places, &partitions);
    let mut index = InsightsIndex::new(survey.ledgers.clone());
    for (partition, rows) in partitions.into_iter().zip(rows) {
        add_insights(places, survey, calendar, &mut index, partition, rows, false, fail)?;
    }
    Ok(index)
}

/// The rows of insights partitions, with what receipts remember of them.
fn read_partitions(places: &Places<'_>, partitions: &[Partition]) -> Vec<Result<(Vec<InsightRow>, InsightsContent)>> {
    let listed = places.settings.listed_accounts();
    on_all_cores(partitions, |partition| {
        let rows = read(|| insights::read_partition(places.lake, partition))?;
        let content = insights::content(&rows, &listed);
        Ok((rows, content))
    })
}

#[allow(clippy::too_many_arguments)]
fn add_insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    index: &mut InsightsIndex,
    partition: Partition,
    rows: Result<(Vec<InsightRow>, InsightsContent)>,
    is_known: bool,
    fail: &mut dyn FnMut(Error),
) -> Result<()> {
    let (day, listed) = (partition.day, places.settings.listed_accounts());
    let added = rows.and_then(|(rows, content)| {
        if is_known {
            index.add_figures(day, rows, &listed);
        } else {
            index.add(day, rows, &listed)?;
        }
        Ok(content)
    });
    match added {
        Ok(content) => {
            let of = insights_settings(places.settings);
            survey.receipts.insights.set(day, PartitionReceipt::new(partition.objects, of, None, content));
        }
        Err(error) if error.kind() != ErrorKind::Data => return Err(error.with("day", day)),
        Err(error) => {
            survey.receipts.insights.forget(day);
            calendar.refuse_insights(day);
            fail(error);
        }
    }
    Ok(())
}

//! Scan: has the engine read the raw partitions that are new or changed, and keeps what was found: receipts, and the rows set aside.
//!
//! A partition that breaks the contract is refused: its days are kept back, and the others go on, with what it said when it was last
//! read (`known/away.rs`). Storage that fails refuses nothing: the days after an unread partition would be built without its rows. What was read is kept, and the
//! run ends.

use arrow::array::RecordBatch;
use tracing::info;

use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::progress::{Listener, Progress, unheard};
use crate::base::schema::{self, InputTable, Raw};
use crate::engine::request::{ExtractRequest, Extraction, Keep};
use crate::extract::fingerprints::raw_settings;
use crate::known::job::{Job, Places};
use crate::known::survey::Survey;
use crate::lake::layout::rejected_object;
use crate::lake::{Lake, Listing, Partition, encode};
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

/// How many partitions are read between two writes of the receipts.
const PARTITIONS_PER_BATCH: usize = 32;

/// Reads the raw partitions among these. Returns what changed; errors of the data go to `fail`, with the partitions refused.
pub(crate) fn raw(
    job: &Job<'_>,
    steps: &[PartitionStep],
    survey: &mut Survey,
    calendar: &mut Calendar,
    fail: &mut dyn FnMut(Error),
) -> Result<Vec<Change>> {
    let mut scan = Scan { job, survey, calendar, fail, changes: Vec::new() };
    for table in Raw::BOTH {
        let of_table: Vec<&PartitionStep> = steps.iter().filter(|step| step.table == table.table()).collect();
        if !of_table.is_empty() {
            scan.table(table, &of_table)?;
        }
    }
    Ok(scan.changes)
}

struct Scan<'a> {
    job: &'a Job<'a>,
    survey: &'a mut Survey,
    calendar: &'a mut Calendar,
    fail: &'a mut dyn FnMut(Error),
    changes: Vec<Change>,
}

impl Scan<'_> {
    fn table(&mut self, table: Raw, steps: &[&PartitionStep]) -> Result<()> {
        let (items, bytes) = (steps.len() as u64, steps.iter().map(|step| step.bytes).sum());
        (self.job.progress)(Progress::Begin { step: table.table(), of: "partitions", items, bytes });
        let usual_bytes = usual_bytes(self.survey.raw(table));
        for batch in steps.chunks(PARTITIONS_PER_BATCH) {
            (self.job.stopped)()?;
            let landed = &self.survey.raw(table).partitions;
            let partitions: Vec<Partition> = batch.iter().filter_map(|step| landed.get(&step.day).cloned()).collect();
            self.batch(table, partitions, usual_bytes)?;
        }
        (self.job.progress)(Progress::End);
        info!(table = table.table(), partitions = steps.len(), "scanned");
        Ok(())
    }

    fn batch(&mut self, table: Raw, partitions: Vec<Partition>, usual_bytes: u64) -> Result<()> {
        let Job { settings, output, engine, progress, .. } = *self.job;
        let request = ExtractRequest { settings, table, partitions: &partitions, usual_bytes, keep: Keep::Stored, progress };
        let all_extracted = engine.extract(&request);
        let all_kept = self.keep_set_aside(table, &partitions, &all_extracted);
        let mut failed = None;
        for ((partition, extracted), kept) in partitions.into_iter().zip(all_extracted).zip(all_kept) {
            let day = partition.day;
            match kept.and(extracted) {
                Ok(extraction) => self.take(table, partition, extraction),
                Err(error) if error.kind() == ErrorKind::Data => self.refuse(table, &partition, error),
                Err(error) => drop(failed.get_or_insert(error.with("table", table.table()).with("day", day))),
            }
        }
        self.survey.receipts.write_raw(table, output)?;
        failed.map_or(Ok(()), Err)
    }

    /// Keeps the rows set aside. What an earlier reading left is replaced or removed.
    fn keep_set_aside(&self, table: Raw, partitions: &[Partition], extracted: &[Result<Extraction>]) -> Vec<Result<()>> {
        let (output, survey) = (self.job.output, &*self.survey);
        let of_days: Vec<(Day, &Result<Extraction>)> = partitions.iter().map(|of| of.day).zip(extracted).collect();
        output.on_each(&of_days, |(day, of_day)| match of_day {
            Ok(Extraction { set_aside: Some(rows), .. }) => put_set_aside(output, table, *day, rows),
            Ok(_) if survey.has_leavings(table, *day) => output.remove(&rejected_object(table.table(), *day)),
            _ => Ok(()),
        })
    }

    fn take(&mut self, table: Raw, partition: Partition, extraction: Extraction) {
        let Extraction { content, refusal, version, .. } = extraction;
        if let Some(error) = refusal {
            return self.refuse(table, &partition, error);
        }
        if let Some(version) = &version {
            self.survey.note_stored(table, partition.day, version.clone());
        }
        let of = raw_settings(self.job.settings, table);
        self.survey.receipts.refused_mut(table).forget(partition.day);
        let receipts = self.survey.receipts.raw_mut(table);
        let before = receipts.get(partition.day).map(|receipt| &receipt.content);
        self.changes.push(Change::between(table.table(), partition.day, before, Some(&content)));
        receipts.set(partition.day, PartitionReceipt::new(partition.objects, of, version, content));
    }

    /// What the partition said when it was last read goes on counting, as long as that holds.
    fn refuse(&mut self, table: Raw, partition: &Partition, error: Error) {
        let error = error.with("table", table.table()).with("day", partition.day);
        let before = self.survey.receipts.raw(table).get(partition.day).map(|receipt| receipt.content.clone());
        if self.survey.refuse(self.job.settings, self.calendar, table, partition, &error) {
            self.changes.push(Change::between(table.table(), partition.day, before.as_ref(), None));
        }
        (self.fail)(error);
    }
}

fn put_set_aside(output: &Lake, table: Raw, day: Day, rows: &RecordBatch) -> Result<()> {
    let schema = schema::rejected(input_table(table)).schema;
    output.publish(&rejected_object(table.table(), day), encode(&schema, std::slice::from_ref(rows))?).map(drop)
}

/// The bytes of the median partition.
fn usual_bytes(listing: &Listing) -> u64 {
    let mut bytes: Vec<u64> = listing.partitions.values().map(Partition::bytes).collect();
    bytes.sort_unstable();
    bytes.get(bytes.len() / 2).copied().unwrap_or_default()
}

/// Reads partitions of a raw table for now, and stores nothing. Their rows are there as long as the engine is.
pub(crate) fn for_now(places: &Places<'_>, table: Raw, listing: &Listing) -> Vec<(Partition, Result<Extraction>)> {
    for_now_heard(places, table, listing, &unheard)
}

/// The same, for a listener.
pub(crate) fn for_now_heard(
    places: &Places<'_>,
    table: Raw,
    listing: &Listing,
    progress: Listener<'_>,
) -> Vec<(Partition, Result<Extraction>)> {
    let partitions: Vec<Partition> = listing.partitions.values().cloned().collect();
    let (settings, keep) = (places.settings, Keep::ForNow);
    let (items, bytes) = (partitions.len() as u64, partitions.iter().map(Partition::bytes).sum());
    progress(Progress::Begin { step: table.table(), of: "partitions", items, bytes });
    let usual_bytes = usual_bytes(listing);
    let request = ExtractRequest { settings, table, partitions: &partitions, usual_bytes, keep, progress };
    let extracted = places.engine.extract(&request);
    progress(Progress::End);
    partitions.into_iter().zip(extracted).collect()
}

/// Forgets what was made from partitions that are gone.
pub(crate) fn forget(places: &Places<'_>, gone: &[(&'static str, Day)], survey: &mut Survey) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for (name, day) in gone {
        let Some(table) = Raw::BOTH.into_iter().find(|table| table.table() == *name) else {
            survey.receipts.insights.forget(*day);
            continue;
        };
        places.engine.forget(&[(table, *day)])?;
        places.output.remove(&rejected_object(name, *day))?;
        let receipts = survey.receipts.raw_mut(table);
        changes.push(Change::between(table.table(), *day, receipts.get(*day).map(|receipt| &receipt.content), None));
        receipts.forget(*day);
        survey.receipts.refused_mut(table).forget(*day);
    }
    for table in Raw::BOTH {
        survey.receipts.write_raw(table, places.output)?;
    }
    survey.receipts.insights.write(places.output)?;
    Ok(changes)
}

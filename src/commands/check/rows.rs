//! What the rows of landed partitions say of the pipeline file: those that a run has read by its receipts, some of those that none has
//! read by reading them now, as a run would. Nothing is kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::base::said::Said;
use crate::base::schema::Raw;
use crate::engine::request::{ExtractedPartition, Extraction};
use crate::extract::found::RawContent;
use crate::extract::identity::Identities;
use crate::extract::keys::KeyWarnings;
use crate::extract::noticed::Noticed;
use crate::known::job::Job;
use crate::known::noticed;
use crate::known::other_forms::{self, Contacts};
use crate::known::survey::{Lost, Survey};
use crate::known::test_contacts;
use crate::lake::{Listing, Partition};
use crate::run::scan;

use super::counted::Counted;
use super::how::How;
use super::joins::{self, Joined};
use super::sample::{AS_A_RUN, some_of};

/// As many rows of earlier runs are compared with others, those of the newest partitions.
const ROWS_COMPARED: u64 = 300_000;

/// What was found.
#[derive(Default)]
pub(super) struct Looked {
    /// Each with its table.
    pub warnings: Vec<(&'static str, Said)>,
    /// Partitions that a run would refuse.
    pub refused: Vec<(&'static str, Error)>,
    /// Of each table.
    pub counts: BTreeMap<Raw, Counts>,
    pub joined: Joined,
    pub counted: Counted,
    pub took: Took,
}

/// What is known of a table's rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Touches or conversion events.
    pub accepted: u64,
    /// Conversion events by category, but not of the one in effect.
    pub not_in_effect: u64,
    pub out_of_scope: u64,
    /// Rows set aside, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Partitions that were read, by a run or now.
    pub partitions: usize,
    /// Partitions that were not.
    pub left: usize,
}

/// What reading took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    pub bytes: u64,
    pub micros: i64,
}

impl Counts {
    fn add(&mut self, content: &RawContent) {
        self.accepted += content.accepted;
        self.not_in_effect += content.not_in_effect;
        self.out_of_scope += content.out_of_scope.values().sum::<u64>();
        for (reason, rows) in content.rejected.values().flatten() {
            *self.rejected.entry(reason.clone()).or_default() += rows;
        }
        self.partitions += 1;
    }
}

/// Looks at both raw tables. `ads` are those of which Meta has figures.
pub(super) fn look(
    job: &Job<'_>,
    how: &How<'_>,
    survey: &Survey,
    identities: &Identities,
    ads: &BTreeSet<String>,
) -> Result<Looked> {
    let mut looked = Looked::default();
    let unread: BTreeSet<(&'static str, Day)> =
        survey.unread(job.settings).into_iter().map(|step| (step.table, step.day)).collect();
    let mut noticed = Noticed::default();
    let mut read_now = 0;
    for table in Raw::BOTH {
        (how.stopped)()?;
        let is_unread = |day: Day| unread.contains(&(table.table(), day));
        let known = survey.receipts.raw(table).iter().filter(|(day, _)| !is_unread(*day));
        let mut contents: BTreeMap<Day, RawContent> = known.map(|(day, receipt)| (day, receipt.content.clone())).collect();
        let landed = survey.raw(table).partitions.values();
        let to_read = landed.filter(|partition| is_unread(partition.day) && partition.fault.is_none());
        let (listing, left) = some_of(to_read, AS_A_RUN, how.all);
        for (day, content) in read(job, how, table, &listing, &mut looked) {
            read_now += content.accepted;
            contents.insert(day, content);
        }
        let (mut keys, mut counts) = (KeyWarnings::default(), Counts { left, ..Counts::default() });
        for (day, content) in &contents {
            noticed.append(&content.noticed);
            keys.add(*day, &content.keys_in_no_row);
            counts.add(content);
        }
        looked.counts.insert(table, counts);
        looked.warnings.extend(noticed::all_of_strangers(contents.values()).map(|said| (table.table(), said)));
        looked.warnings.extend(keys.texts(table.table()).into_iter().map(|text| (table.table(), Said::new(text))));
    }
    looked.warnings.extend(noticed::warnings(noticed, &job.places(), survey, ads)?);
    let is_unread = |partition: &ExtractedPartition<'_>| unread.contains(&(partition.table.table(), partition.day));
    let mut known: Vec<ExtractedPartition<'_>> = survey.extracted(Lost::Allowed);
    known.retain(|partition| !is_unread(partition));
    compare(job, identities, newest(known, ROWS_COMPARED.saturating_sub(read_now)), &mut looked)?;
    Ok(looked)
}

/// As many of these partitions as have so many rows, the newest first.
fn newest(mut known: Vec<ExtractedPartition<'_>>, mut rows_left: u64) -> Vec<ExtractedPartition<'_>> {
    known.sort_by_key(|partition| std::cmp::Reverse(partition.day));
    known.retain(|partition| {
        let fits = partition.content.accepted <= rows_left;
        rows_left = if fits { rows_left - partition.content.accepted } else { 0 };
        fits
    });
    known
}

/// Compares contacts of touches with those of conversion events, among what earlier runs have read and what was read now.
fn compare(job: &Job<'_>, identities: &Identities, known: Vec<ExtractedPartition<'_>>, looked: &mut Looked) -> Result<()> {
    let Some(kept) = job.engine.rows() else { return Ok(()) };
    let read_by_runs = kept.load(job.settings, &known, None)?;
    let at_hand = kept.at_hand();
    at_hand.iter().for_each(|(table, batch)| looked.counted.add_batch(*table, batch));
    looked.counted.add_rows(read_by_runs.as_ref());
    let batches = at_hand.into_iter().map(|(table, batch)| Contacts::Batch(table, batch));
    let contacts: Vec<Contacts<'_>> = batches.chain([Contacts::Rows(read_by_runs.as_ref())]).collect();
    let of_forms = other_forms::warnings(job.settings, identities, &contacts)?;
    looked.joined = joins::look(job.settings, identities, &contacts);
    looked.joined.has_forms = !of_forms.is_empty();
    looked.joined.events = looked.counts.get(&Raw::Events).map_or(0, |counts| counts.accepted);
    looked.joined.is_whole = looked.counts.values().all(|counts| counts.left == 0);
    let of_tests = test_contacts::warnings(job.settings, identities, &contacts, looked.joined.is_whole);
    looked.warnings.extend(of_forms.into_iter().chain(of_tests).map(|said| ("identities", said)));
    Ok(())
}

/// Reads partitions of a table as a run would, and notes which it would refuse.
fn read(job: &Job<'_>, how: &How<'_>, table: Raw, listing: &Listing, looked: &mut Looked) -> Vec<(Day, RawContent)> {
    if listing.partitions.is_empty() {
        return Vec::new();
    }
    let before = (job.clock)();
    let extracted = scan::for_now_heard(&job.places(), table, listing, how.progress);
    looked.took.bytes += listing.partitions.values().map(Partition::bytes).sum::<u64>();
    looked.took.micros += ((job.clock)() - before).num_microseconds().unwrap_or_default().max(0);
    let mut contents = Vec::new();
    for (partition, extraction) in extracted {
        match extraction {
            Ok(Extraction { content, refusal: None, .. }) => contents.push((partition.day, content)),
            Ok(Extraction { refusal: Some(error), .. }) | Err(error) => {
                looked.refused.push((table.table(), error.with("table", table.table()).with("day", partition.day)));
            }
        }
    }
    contents
}

//! What the rows of landed partitions say of the pipeline file, for `check`: those that a run has read by its receipts, the newest of
//! those that none has read by reading them now. Nothing is kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::base::schema::Raw;
use crate::engine::request::{ExtractedPartition, Extraction};
use crate::extract::identity::Identities;
use crate::extract::keys::KeyWarnings;
use crate::extract::noticed::Noticed;
use crate::known::job::Places;
use crate::known::noticed;
use crate::known::other_forms::{self, Contacts};
use crate::known::survey::{Lost, Survey};
use crate::known::test_contacts;
use crate::lake::{Listing, Partition};
use crate::run::scan;

/// As many bytes of partitions that no run has read are read, the newest first, and always the newest.
const BYTES_READ: u64 = 256 << 20;

/// As many rows are compared in other forms, those of the newest partitions.
const ROWS_COMPARED: u64 = 300_000;

/// What was found.
#[derive(Default)]
pub(super) struct Looked {
    /// Each with its table.
    pub warnings: Vec<(&'static str, String)>,
    /// Partitions that a run would refuse.
    pub refused: Vec<(&'static str, Error)>,
    /// How many partitions of a table were neither read by a run nor now.
    pub left: BTreeMap<&'static str, usize>,
}

/// Looks at all tables. `ads` are those of which Meta has figures.
pub(super) fn look(places: &Places<'_>, survey: &Survey, identities: &Identities, ads: &BTreeSet<String>) -> Result<Looked> {
    let mut looked = Looked::default();
    let unread: BTreeSet<(&'static str, Day)> =
        survey.unread(places.settings).into_iter().map(|step| (step.table, step.day)).collect();
    let mut noticed = Noticed::default();
    let mut contents = Vec::new();
    for table in Raw::BOTH {
        let receipts = survey.receipts.raw(table).iter();
        let is_as_read = |day: &Day| !unread.contains(&(table.table(), *day));
        let mut keys = KeyWarnings::default();
        receipts.filter(|(day, _)| is_as_read(day)).for_each(|(day, receipt)| {
            noticed.append(&receipt.content.noticed);
            keys.add(day, &receipt.content.keys_in_no_row);
        });
        let (listing, left) = newest(survey.raw(table), |day| unread.contains(&(table.table(), day)));
        if left > 0 {
            looked.left.insert(table.table(), left);
        }
        for (partition, extracted) in scan::for_now(places, table, &listing) {
            match extracted {
                Ok(Extraction { content, refusal: None, .. }) => {
                    noticed.append(&content.noticed);
                    keys.add(partition.day, &content.keys_in_no_row);
                    contents.push((table, partition.day, content));
                }
                Ok(Extraction { refusal: Some(error), .. }) | Err(error) => {
                    looked.refused.push((table.table(), error.with("table", table.table()).with("day", partition.day)));
                }
            }
        }
        let known = survey.receipts.raw(table).iter().filter(|(day, _)| is_as_read(day)).map(|(_, receipt)| &receipt.content);
        let read = contents.iter().filter(|(of, ..)| *of == table).map(|(.., content)| content);
        looked.warnings.extend(noticed::all_of_strangers(known.chain(read)).map(|text| (table.table(), text)));
        looked.warnings.extend(keys.texts(table.table()).into_iter().map(|text| (table.table(), text)));
    }
    looked.warnings.extend(noticed::warnings(noticed, places, survey, ads)?);
    let Some(kept) = places.engine.rows() else { return Ok(looked) };
    let is_known = |partition: &ExtractedPartition<'_>| !unread.contains(&(partition.table.table(), partition.day));
    let mut known: Vec<ExtractedPartition<'_>> = survey.extracted(Lost::Allowed).into_iter().filter(is_known).collect();
    known.sort_by_key(|partition| std::cmp::Reverse(partition.day));
    let mut rows_left = ROWS_COMPARED.saturating_sub(contents.iter().map(|(.., content)| content.accepted).sum());
    known.retain(|partition| {
        let fits = partition.content.accepted <= rows_left;
        rows_left = if fits { rows_left - partition.content.accepted } else { 0 };
        fits
    });
    let read_by_runs = kept.load(places.settings, &known, None)?;
    let read_now = kept.at_hand().into_iter().map(|(table, batch)| Contacts::Batch(table, batch));
    let contacts: Vec<Contacts<'_>> = read_now.chain([Contacts::Rows(read_by_runs.as_ref())]).collect();
    let of_forms = other_forms::warnings(places.settings, identities, &contacts)?;
    let of_tests = test_contacts::warnings(places.settings, identities, &contacts, true);
    looked.warnings.extend(of_forms.into_iter().chain(of_tests).map(|text| ("identities", text)));
    Ok(looked)
}

/// The newest partitions that are to be read and can be, as many as may be; and how many others there are.
fn newest(listing: &Listing, is_unread: impl Fn(Day) -> bool) -> (Listing, usize) {
    let unread = listing.partitions.values().rev().filter(|partition| is_unread(partition.day) && partition.fault.is_none());
    let (mut bytes, mut read, mut left) = (0, Listing::default(), 0);
    for partition in unread {
        bytes += Partition::bytes(partition);
        if read.partitions.is_empty() || bytes <= BYTES_READ {
            read.partitions.insert(partition.day, partition.clone());
        } else {
            left += 1;
        }
    }
    (read, left)
}

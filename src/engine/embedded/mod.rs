//! The engine within this program: it keeps the rows of each partition in a working table, and finds sessions with windowed polars.
//!
//! Nothing but `select.rs` names it. Rows that it has just extracted stay in memory as long as there is room, so that a first build
//! does not read back what it wrote.

pub mod conversion_events;
pub mod counts;
mod ends;
mod extract;
mod formed;
mod hashes;
mod held;
mod kept;
mod left_out;
mod needed;
mod parts;
mod sessions;
pub mod settle;
mod shards;
pub mod touches;
mod working;
mod yields;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};
use crate::base::schema::Raw;
use crate::config::{EngineKind, Settings};
use crate::engine::Engine;
use crate::engine::counts::{DayCounts, FactsOfAds, add_facts};
use crate::engine::embedded::held::Held;
use crate::engine::embedded::needed::{NeededTables, Needs, needed};
use crate::engine::embedded::parts::Part;
use crate::engine::embedded::settle::settle_part;
use crate::engine::request::{AdNews, AttributeRequest, Attribution, ExtractRequest, ExtractedPartition, Extraction, Rules};
use crate::engine::rows::{KeptRows, ReadEvents, Rows, SettledRows, Yield, YieldsRequest};
use crate::lake::Lake;
use crate::lake::Partition;

/// Rows of working tables that are held in memory at once, about 120 bytes each, unless somebody asks for another number.
const ROWS_AT_ONCE: u64 = 2_000_000;

pub(super) struct Embedded<'a> {
    lake: &'a Lake,
    output: &'a Lake,
    rows_at_once: u64,
    held: Mutex<Held>,
}

impl<'a> Embedded<'a> {
    pub(super) fn new(lake: &'a Lake, output: &'a Lake, rows_at_once: Option<u64>) -> Embedded<'a> {
        Embedded { lake, output, rows_at_once: rows_at_once.unwrap_or(ROWS_AT_ONCE), held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // What a thread that died left half done is rows that are there or are not.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts, and what touches say of ads that is not known already. None where what is known is no longer true.
    fn count(&self, request: &AttributeRequest<'_>, known: &BTreeSet<Day>) -> Result<Option<(DayCounts, FactsOfAds)>> {
        let AttributeRequest { rules, partitions, days, .. } = *request;
        let needs = Needs { rules, days, known };
        let range = days.first().zip(days.last()).map(|(first, last)| DayRange { first: *first, last: *last });
        let (mut counts, mut facts) = (DayCounts::default(), FactsOfAds::new());
        let tables = NeededTables::of(&needs, partitions);
        let parts = tables.parts(self.rows_at_once);
        for part in (0..parts).map(|number| Part { number, of: parts }) {
            let mut loaded = needed(self.output, &needs, &tables, &mut self.held(), part)?;
            let is_counted = |bot: u32, contact: Option<(&str, i64)>| part.counts(rules.identities, bot, contact);
            counts.note_left_out(left_out::take(&mut loaded, &rules, &is_counted));
            let settled = settle_part(loaded.touches, loaded.events, &is_counted)?;
            if settled.displaces_known {
                return Ok(None);
            }
            if let Some(range) = range {
                counts.merge(counts::attribute(&rules, range, &settled)?);
            }
            add_facts(&mut facts, settled.ad_facts);
        }
        // Of days between them, the rows that happened to be loaded were counted.
        counts.keep(days);
        Ok(Some((counts, facts)))
    }
}

impl Engine for Embedded<'_> {
    fn kind(&self) -> EngineKind {
        EngineKind::Embedded
    }

    fn extract(&self, request: &ExtractRequest<'_>) -> Vec<Result<Extraction>> {
        let extracted = extract::extract(self.lake, self.output, request);
        let mut held = self.held();
        let hold = |(partition, found): (&Partition, Result<(Extraction, Option<RecordBatch>)>)| {
            let (extraction, rows) = found?;
            if let Some(rows) = rows {
                held.take(request.table, partition.day, rows, request.keep);
            }
            Ok(extraction)
        };
        request.partitions.iter().zip(extracted).map(hold).collect()
    }

    fn stored(&self) -> Result<BTreeMap<(Raw, Day), String>> {
        working::versions(self.output)
    }

    fn forget(&self, partitions: &[(Raw, Day)]) -> Result<()> {
        partitions.iter().try_for_each(|(table, day)| working::remove(self.output, *table, *day))
    }

    fn attribute(&self, request: &AttributeRequest<'_>) -> Result<Attribution> {
        if !request.known.is_empty()
            && let Some((counts, facts)) = self.count(request, request.known)?
        {
            return Ok(Attribution { counts, ads: AdNews::Added(facts) });
        }
        let counted = self.count(request, &BTreeSet::new())?;
        let (counts, facts) = counted.ok_or_else(|| Error::bug("nothing is known of ads, and yet it changed"))?;
        Ok(Attribution { counts, ads: AdNews::Whole(facts) })
    }

    fn rows(&self) -> Option<&dyn KeptRows> {
        Some(self)
    }
}

impl KeptRows for Embedded<'_> {
    fn load(
        &self,
        settings: &Settings,
        partitions: &[ExtractedPartition<'_>],
        contacts: Option<&HashSet<String>>,
    ) -> Result<Box<dyn Rows>> {
        kept::load(self.output, settings, partitions, contacts)
    }

    fn at_hand(&self) -> Vec<(Raw, RecordBatch)> {
        self.held().lent()
    }

    fn settle(&self, rules: &Rules<'_>, partitions: &[ExtractedPartition<'_>]) -> Result<Box<dyn SettledRows>> {
        kept::settled(self.output, rules, partitions)
    }

    fn yields(&self, request: &YieldsRequest<'_>, read: ReadEvents<'_>) -> Result<BTreeMap<(u32, String), Yield>> {
        let at_hand = self.held().give_all(request.partitions);
        kept::yields_of(self.output, at_hand, request, read)
    }
}

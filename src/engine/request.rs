//! What an engine is asked: which partitions, which days, under which rules; and what it gives back beside its counts.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;

use crate::base::day::Day;
use crate::base::error::Error;
use crate::base::object::Object;
use crate::base::progress::Listener;
use crate::base::schema::Raw;
use crate::config::Settings;
use crate::engine::counts::{DayCounts, FactsOfAds};
use crate::extract::found::RawContent;
use crate::extract::identity::Identities;
use crate::lake::layout::Partition;

/// What becomes of the rows of a partition once it is extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// They are there for later runs, in the version that the extraction names.
    Stored,
    /// They are there as long as this engine is, and nothing is written.
    ForNow,
}

/// Which partitions to extract.
#[derive(Clone, Copy)]
pub struct ExtractRequest<'a> {
    pub settings: &'a Settings,
    pub table: Raw,
    pub partitions: &'a [Partition],
    /// The size of the table's median partition, to tell one that is far larger than they usually are.
    pub usual_bytes: u64,
    pub keep: Keep,
    /// Told of each partition that is done.
    pub progress: Listener<'a>,
}

/// What a partition holds.
#[derive(Debug)]
pub struct Extraction {
    /// What the receipt remembers.
    pub content: RawContent,
    /// The rows set aside, as `schema::rejected()`; none where there are none.
    pub set_aside: Option<RecordBatch>,
    /// Why the partition is refused, if it is: then nothing of it counts, and none of its rows are kept.
    pub refusal: Option<Error>,
    /// Names what is stored now, if anything is.
    pub version: Option<String>,
}

/// A partition that was extracted, now or by an earlier run, and whose rows count.
#[derive(Clone, Copy, Debug)]
pub struct ExtractedPartition<'a> {
    pub table: Raw,
    pub day: Day,
    /// Its objects as they were read; of a retired partition they are gone from the lake.
    pub inputs: &'a [Object],
    /// What was stored of it; none where nothing was.
    pub version: Option<&'a str>,
    pub content: &'a RawContent,
}

/// What decides how rows count, beside the rows.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Bots, zones, the horizon, the history of conversion events.
    pub settings: &'a Settings,
    pub identities: &'a Identities,
    /// The instant up to which events have landed, to tell expired sessions from open ones.
    pub watermark: i64,
}

/// Which days to count.
#[derive(Clone, Copy)]
pub struct AttributeRequest<'a> {
    pub rules: Rules<'a>,
    /// All partitions whose rows count. The days' figures depend on some of them only, by what `base::limits` says of the
    /// days that a row affects.
    pub partitions: &'a [ExtractedPartition<'a>],
    /// The local days to count.
    pub days: &'a BTreeSet<Day>,
    /// The messages partitions whose touches are in what is known of ads.
    pub known: &'a BTreeSet<Day>,
}

/// What came of it.
#[derive(Debug)]
pub struct Attribution {
    /// The counts of the days asked for, and of no others.
    pub counts: DayCounts,
    pub ads: AdNews,
}

/// What touches say of ads.
#[derive(Debug)]
pub enum AdNews {
    /// The touches of the partitions that are not known: to be added to what is.
    Added(FactsOfAds),
    /// All touches: what was known is no longer true, or nothing was. So it is where a known touch turns out to be a copy of a new one.
    Whole(FactsOfAds),
}

impl AdNews {
    /// What was found, for whoever knew nothing before.
    pub fn facts(self) -> FactsOfAds {
        match self {
            AdNews::Added(facts) | AdNews::Whole(facts) => facts,
        }
    }
}

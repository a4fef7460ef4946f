//! The engine seam: from raw partitions to counts, whatever computes them.
//!
//! ```text
//! counts.rs                        counts, and what touches say of ads
//! embedded/conversion_events.rs    conversion events of many partitions
//! embedded/counts.rs               sessions, counted
//! embedded/ends.rs                 sessions, one by one
//! embedded/extract.rs              raw partitions, read on this machine
//! embedded/hashes.rs               short hashes, looked for among many
//! embedded/held.rs                 rows that need not be read back
//! embedded/kept.rs                 the rows behind a figure
//! embedded/mod.rs                  the engine within this program
//! embedded/needed.rs               the rows that some days need
//! embedded/parts.rs                the contacts, in parts
//! embedded/sessions.rs             which touch converts
//! embedded/settle.rs               rows without their copies
//! embedded/shards.rs               sessions, on all cores
//! embedded/touches.rs              touches of many partitions
//! embedded/working.rs              working tables
//! embedded/yields.rs               what every category would yield, at once
//! request.rs                       what is asked
//! rows.rs                          the rows behind a figure, of an engine that keeps them
//! select.rs                        the engine that a pipeline file names
//! ```

pub mod counts;
pub mod embedded;
pub mod request;
pub mod rows;
pub mod select;

use std::collections::BTreeMap;

use crate::base::day::Day;
use crate::base::error::Result;
use crate::base::schema::Raw;
use crate::config::EngineKind;
use crate::engine::request::{AttributeRequest, Attribution, ExtractRequest, Extraction};
use crate::engine::rows::KeptRows;

pub use crate::engine::counts::{
    AdFacts, BotCounts, ConversationCount, ConversionCount, DayCounts, FactsOfAds, SessionEnds, Told,
};

/// What computes: raw partitions in, counts out. Everything else - what is stale, what is published, receipts, reports - is the same
/// under every engine.
///
/// # How to write one
///
/// Two verbs are all it takes. [`extract`](Engine::extract) reads raw partitions and says what is in them; the run writes that into
/// their receipts, and the planner tells from the receipts which days are stale. [`attribute`](Engine::attribute) counts those days.
/// Between the two the engine remembers the rows in whatever way suits it:
///
/// - The embedded one stores the accepted rows of each partition as a small table under `work/`, reads back what a night needs, and
///   computes sessions on this machine's cores.
/// - One on a cluster may keep nothing. It extracts on the cluster and returns what receipts remember; when it is asked to attribute, it
///   reads the raw partitions again (their objects are in the request), finds the sessions there, and returns the aggregate.
///
/// What has to hold, whatever the way:
///
/// 1. *The meaning is that of the rules.* `extract` accepts, sets aside and leaves out the rows that [`crate::extract`] does, and digests
///    what it accepts, by bot and local day. Digests are opaque: the same rows in whatever order have the same one, others have another,
///    and digests of parts add up; that is all the planner needs. Engines need not agree on them, for receipts name the engine that made
///    them, and partitions that another engine read are read again.
/// 2. *Nothing but the request decides the counts*: not the order of rows, objects or partitions, nor what the engine happens to hold.
/// 3. *A partition stands for itself.* An error of kind `Data` refuses that partition, and the others go on; any other ends the run.
///    Results come in the order of the partitions.
/// 4. *Versions are opaque.* What [`extract`](Engine::extract) stores it names by a version, and [`stored`](Engine::stored) lists the
///    versions that are there. A partition whose version is not the one of its receipt is lost and extracted again. An engine that
///    keeps nothing between runs names no version and lists none; it cannot count what has left the lake, and says so with an error.
/// 5. *Counts are of the days asked for*, with bots, ads and categories numbered in any way: `DayCounts` says how. Every touch of those
///    days has one end, which is checked (rule 11).
/// 6. *Rows behind a figure are an extra.* Where [`rows`](Engine::rows) gives none, `sessions`, `explain` and `conversion-event
///    categories` say so and what to do, and a run does without: after a change of aliases it builds every day again, and it does not ask
///    Meta for ads that the reports leave out.
/// 7. *Making an engine costs nothing* and asks nobody: whether there is a cluster is seen with the first verb.
///
/// An engine is entered in `config::EngineKind` and in `select.rs`, and lives in a folder of its own that nothing else names. The worked
/// cases, the random worlds and the sample lakes are run through every kind there is.
pub trait Engine: Sync {
    fn kind(&self) -> EngineKind;

    /// Reads raw partitions and says what is in them, each for itself and in their order.
    fn extract(&self, request: &ExtractRequest<'_>) -> Vec<Result<Extraction>>;

    /// The versions of all that is stored of partitions.
    fn stored(&self) -> Result<BTreeMap<(Raw, Day), String>>;

    /// Removes what is stored of partitions; it is no error where there is nothing.
    fn forget(&self, partitions: &[(Raw, Day)]) -> Result<()>;

    /// Counts the local days asked for.
    fn attribute(&self, request: &AttributeRequest<'_>) -> Result<Attribution>;

    /// The rows behind the figures; none where the engine keeps none.
    fn rows(&self) -> Option<&dyn KeptRows>;
}

//! Known: what is there of the lake and of the output, by listings, receipts and what runs kept.
//!
//! ```text
//! ad_memory.rs   what earlier runs found out about ads
//! aliases.rs     the alias table, read
//! away.rs        partitions that were read once and cannot be read any more
//! in_lake.rs     what is there of the lake
//! job.rs         what a command is asked to do, and with what
//! moved.rs       which days a changed alias or ad affects
//! noticed.rs     what counts as it stands, and may be meant otherwise
//! other_forms.rs contacts that would be one in another form
//! published_ads.rs  what touches said of ads that nobody can look at now
//! receipts.rs    what stored things were made from, as it lies there
//! survey.rs      what is there, by listings and receipts only
//! sync_days.rs   which days the files of a sync have rows of
//! test_contacts.rs test contacts that no row has
//! ```

pub(crate) mod ad_memory;
pub(crate) mod aliases;
pub(crate) mod away;
pub(crate) mod in_lake;
pub mod job;
pub(crate) mod moved;
pub(crate) mod noticed;
pub(crate) mod other_forms;
pub(crate) mod published_ads;
pub(crate) mod receipts;
pub(crate) mod survey;
pub(crate) mod sync_days;
pub(crate) mod test_contacts;

//! Base: what every room may use.
//!
//! ```text
//! arrival.rs      days of arrival
//! bound.rs        a mapping bound to a file, which reads its batches
//! cells.rs        texts, instants, and what lies in structs, maps and JSON
//! day.rs          days, zones, local days
//! dictionary.rs   texts as small integers
//! digest.rs       whether something is still what it was
//! error.rs        kind, what, to what, the mend
//! failures.rs     what goes wrong without stopping a run
//! limits.rs       copies, late rows, how many days a row affects; the largest count
//! logged.rs       a file of a table with a log
//! mapping.rs      where the lake's columns are found
//! memory.rs       how the allocator keeps it
//! money.rs        exact decimals from text
//! object.rs       what a listing shows
//! parallel.rs     several items at once
//! progress.rs     how far a long step is
//! schema.rs       every table
//! stored_text.rs  values stored as texts
//! ```

pub mod arrival;
pub(crate) mod bound;
pub(crate) mod cells;
pub mod day;
pub(crate) mod dictionary;
pub mod digest;
pub mod error;
pub(crate) mod failures;
pub(crate) mod limits;
pub(crate) mod logged;
pub(crate) mod mapping;
pub(crate) mod memory;
pub mod money;
pub mod object;
pub(crate) mod parallel;
pub mod progress;
pub mod schema;
mod stored_text;

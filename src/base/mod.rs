//! Base: what every room may use.
//!
//! ```text
//! day.rs          days, zones, local days
//! dictionary.rs   texts as small integers
//! digest.rs       whether something is still what it was
//! error.rs        kind, what, to what, the mend
//! failures.rs     what goes wrong without stopping a run
//! limits.rs       how far things reach: copies, late rows, the horizon and copies together
//! mapping.rs      the lake's columns as the contract's
//! memory.rs       how the allocator keeps it
//! money.rs        exact decimals from text
//! object.rs       what a listing shows
//! parallel.rs     several items at once
//! progress.rs     how far a long step is
//! schema.rs       every table
//! ```

pub mod day;
pub(crate) mod dictionary;
pub mod digest;
pub mod error;
pub(crate) mod failures;
pub(crate) mod limits;
pub(crate) mod mapping;
pub(crate) mod memory;
pub mod money;
pub mod object;
pub(crate) mod parallel;
pub mod progress;
pub mod schema;

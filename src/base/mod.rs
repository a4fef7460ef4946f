//! Base: what every room may use.
//!
//! ```text
//! alike.rs        texts that people take for one another
//! arrival.rs      days of arrival
//! bound.rs        a mapping bound to a file, which reads its batches
//! cells.rs        texts, instants, and what lies in structs, maps and JSON
//! day.rs          days, zones, local days
//! dictionary.rs   texts as small integers
//! digest.rs       whether something is still what it was
//! error.rs        kind, what, to what, the mend
//! failures.rs     what goes wrong without stopping a run
//! folders.rs      what the folders of a path say
//! ids.rs          what an id is
//! json.rs         one value out of a JSON text
//! limits.rs       copies, late rows, how many days a row affects; the largest count
//! logged.rs       a file of a table with a log
//! mapping.rs      where the lake's columns are found
//! memory.rs       how the allocator keeps it
//! mends.rs        the line that would read a column
//! met.rs          what is met in a file that nobody knows yet
//! missing.rs      columns that a file lacks
//! money.rs        exact decimals from text
//! object.rs       what a listing shows
//! parallel.rs     several items at once
//! places.rs       where a file has what a mapping names
//! plain_texts.rs  a column of texts as it is stored, without copies
//! progress.rs     how far a long step is
//! said.rs         what there is to say that is no error
//! schema.rs       every table
//! steps.rs        what lies inside a column
//! stored_text.rs  values stored as texts
//! time_columns.rs the times of a column, in every type
//! times.rs        instants, from what is stored of them
//! types.rs        which types hold a text exactly
//! ```

pub(crate) mod alike;
pub mod arrival;
pub(crate) mod bound;
pub(crate) mod cells;
pub mod day;
pub(crate) mod dictionary;
pub mod digest;
pub mod error;
pub(crate) mod failures;
pub(crate) mod folders;
pub(crate) mod ids;
mod json;
pub(crate) mod limits;
pub(crate) mod logged;
pub(crate) mod mapping;
pub(crate) mod memory;
pub(crate) mod mends;
pub(crate) mod met;
pub(crate) mod missing;
pub mod money;
pub mod object;
pub(crate) mod parallel;
mod places;
pub(crate) mod plain_texts;
pub mod progress;
pub(crate) mod said;
pub mod schema;
mod steps;
mod stored_text;
mod time_columns;
pub(crate) mod times;
pub(crate) mod types;

//! Meta's figures: asked of its API, landed in the lake, and read from there, whoever landed them.
//!
//! Every figure is exact and says what it is of: an account, an ad, a day of the account's zone. What is not as documented, by Meta
//! or by the contract, is an error that names it, never a guess. Nothing is joined with touches here.
//!
//! ```text
//! client.rs        what is asked of Meta's API
//! columns.rs       landed columns, read exactly
//! due.rs           what is to be fetched
//! graph.rs         paced, repeated, page by page
//! graph_error.rs   what an error means
//! http.rs          the only user of HTTP
//! index.rs         what all landed days say together
//! landed.rs        landed rows, read strictly
//! landing.rs       fetched rows as tables
//! ledger.rs        what was fetched, and when
//! repeated.rs      several rows with one key
//! report_run.rs    too large: asynchronously
//! row.rs           a row of the insights table
//! rows.rs          Meta's rows, read strictly
//! split.rs         too large: smaller questions
//! sync_days.rs     which days the files of a sync have rows of
//! throttle.rs      how long to wait for limits
//! wire.rs          Meta's JSON, read strictly
//! ```

pub mod client;
mod columns;
pub(crate) mod due;
pub mod graph;
pub mod graph_error;
mod http;
pub(crate) mod index;
pub(crate) mod landed;
pub(crate) mod landing;
pub(crate) mod ledger;
mod repeated;
pub(crate) mod report_run;
pub(crate) mod row;
pub mod rows;
pub(crate) mod split;
pub(crate) mod sync_days;
pub(crate) mod throttle;
pub mod wire;

pub use index::{AdFigures, InsightsContent, InsightsIndex, KnownAd, MissingColumns, content};
pub use landed::{LandedDay, read_partition};
pub use row::{AdNames, InsightRow, MetaFigures};

//! Meta's figures: asked of its API, landed in the lake, and read from there, whoever landed them.
//!
//! Every figure is exact and says what it is of: an account, an ad, a day of the account's zone. What is not as documented, by Meta
//! or by the contract, is an error that names it, never a guess. Nothing is joined with touches here.
//!
//! ```text
//! client.rs        what is asked of Meta's API
//! columns.rs       landed columns, read exactly
//! due.rs           what is to be fetched
//! fetched.rs       the ledger: what was fetched, and when
//! figures.rs       landed rows, read strictly
//! graph.rs         paced, repeated, page by page
//! graph_error.rs   what an error means
//! http.rs          the only user of HTTP
//! index.rs         what all landed days say together
//! landing.rs       fetched rows as tables
//! repeated.rs      several rows with one key
//! report_run.rs    too large: asynchronously
//! rows.rs          Meta's rows, read strictly
//! split.rs         too large: smaller questions
//! sync_days.rs     which days the files of a sync have rows of
//! throttle.rs      how long to wait for limits
//! wire.rs          Meta's JSON, read strictly
//! ```

pub mod client;
mod columns;
pub(crate) mod due;
pub(crate) mod fetched;
pub(crate) mod figures;
pub mod graph;
pub mod graph_error;
mod http;
pub(crate) mod index;
pub(crate) mod landing;
mod repeated;
pub(crate) mod report_run;
pub mod rows;
pub(crate) mod split;
pub(crate) mod sync_days;
pub(crate) mod throttle;
pub mod wire;

pub use figures::{AdNames, InsightRow, MetaFigures, read_partition};
pub use index::{AdFigures, InsightsContent, InsightsIndex, KnownAd, content};

//! Meta's figures: asked of its API, landed in the lake, and read from there, whoever landed them.
//!
//! Every figure is exact and says what it is of: an account, an ad, a day of the account's zone. What is not as documented, by Meta
//! or by the contract, is an error that names it, never a guess. Nothing is joined with touches here.
//!
//! ```text
//! client.rs        what is asked of Meta's API
//! due.rs           what is to be fetched
//! graph.rs         paced, repeated, page by page
//! graph_error.rs   what an error means
//! http.rs          the only user of HTTP
//! index.rs         what all landed days say together
//! landed.rs        landed rows, read strictly
//! landing.rs       fetched rows as tables
//! ledger.rs        what was fetched, and when
//! report_run.rs    too large: asynchronously
//! rows.rs          Meta's rows, read strictly
//! split.rs         too large: smaller questions
//! throttle.rs      how long to wait for limits
//! wire.rs          Meta's JSON, read strictly
//! ```

pub mod client;
pub(crate) mod due;
pub mod graph;
pub mod graph_error;
mod http;
pub(crate) mod index;
pub(crate) mod landed;
pub(crate) mod landing;
pub(crate) mod ledger;
pub(crate) mod report_run;
pub mod rows;
pub(crate) mod split;
pub(crate) mod throttle;
pub mod wire;

pub use index::{AdFigures, InsightsContent, InsightsIndex, KnownAd, content};
pub use landed::{AdNames, InsightRow, MetaFigures, read_partition};

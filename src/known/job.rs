//! A job: what a command is asked to do, and with what.

use chrono::{DateTime, Utc};

use crate::base::error::Result;
use crate::base::progress::Listener;
use crate::config::Settings;
use crate::lake::Lake;
pub use crate::plan::wanted::Wanted;

/// All that a run needs.
pub struct Job<'a> {
    pub settings: &'a Settings,
    pub lake: &'a Lake,
    pub output: &'a Lake,
    pub wanted: Wanted,
    pub accept_history_change: bool,
    /// Also read beside the run, to keep the lock alive.
    pub clock: &'a (dyn Fn() -> DateTime<Utc> + Sync),
    /// An error once the run is asked to stop.
    pub stopped: &'a dyn Fn() -> Result<()>,
    /// Lets seconds pass where Meta wants us to wait; none: real ones.
    pub pause: Option<&'a dyn Fn(u64) -> Result<()>>,
    /// How many rows of working tables are held in memory at once, about 120 bytes each; with more, one part of the contacts comes after
    /// the other.
    pub rows_at_once: u64,
    /// Told how far long steps are.
    pub progress: Listener<'a>,
}

/// Where a scan reads and writes.
pub struct Places<'a> {
    pub settings: &'a Settings,
    pub lake: &'a Lake,
    pub output: &'a Lake,
}

//! A job: what a command is asked to do, and with what.

use chrono::{DateTime, Utc};

use crate::base::error::Result;
use crate::base::progress::Listener;
use crate::config::Settings;
use crate::engine::Engine;
use crate::lake::Lake;
pub use crate::plan::wanted::Wanted;

/// All that a run needs.
pub struct Job<'a> {
    pub settings: &'a Settings,
    pub lake: &'a Lake,
    pub output: &'a Lake,
    /// Over this lake and this output.
    pub engine: &'a dyn Engine,
    pub wanted: Wanted,
    pub accept_history_change: bool,
    /// Also read beside the run, to keep the lock alive.
    pub clock: &'a (dyn Fn() -> DateTime<Utc> + Sync),
    /// An error once the run is asked to stop.
    pub stopped: &'a dyn Fn() -> Result<()>,
    /// Lets seconds pass where Meta wants us to wait; none: real ones.
    pub pause: Option<&'a dyn Fn(u64) -> Result<()>>,
    /// Told how far long steps are.
    pub progress: Listener<'a>,
}

impl<'a> Job<'a> {
    pub(crate) fn places(&self) -> Places<'a> {
        Places { settings: self.settings, lake: self.lake, output: self.output, engine: self.engine }
    }
}

/// Where to read and write, and what computes.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    pub settings: &'a Settings,
    pub lake: &'a Lake,
    pub output: &'a Lake,
    pub engine: &'a dyn Engine,
}

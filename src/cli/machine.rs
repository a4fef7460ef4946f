//! What commands need of the machine: the environment, the clock, the stores of a pipeline, and word of a signal.

use chrono::{DateTime, Utc};

use crate::base::error::Result;
use crate::base::progress::LOOKING;
use crate::config::Settings;
use crate::engine::select::{self, Site};
use crate::known::job::{Job, Wanted};
use crate::lake::{Environment, Lake};

use super::progress;
use super::signals::Signals;

/// The environment's variables. Storage asks for those that it knows; one that is no text is none of these.
pub(super) fn environment() -> Environment {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub(super) fn clock() -> DateTime<Utc> {
    Utc::now()
}

/// Does a command's work on the stores of a pipeline, watching for Ctrl-C and SIGTERM.
pub(super) fn with_job<T>(
    settings: &Settings,
    wanted: Wanted,
    accept_history_change: bool,
    work: impl FnOnce(&Job<'_>) -> Result<T>,
) -> Result<T> {
    let environment = environment();
    let (lake, output) = (Lake::open(&settings.lake, &environment)?, Lake::open_or_create(&settings.output, &environment)?);
    let engine = select::engine(settings.engine, Site::new(&lake, &output));
    let signals = Signals::watch()?;
    let stopped = || signals.check();
    progress::waiting(LOOKING, || {
        work(&Job {
            settings,
            lake: &lake,
            output: &output,
            engine: engine.as_ref(),
            wanted,
            accept_history_change,
            clock: &clock,
            stopped: &stopped,
            pause: None,
            progress: &progress::show,
        })
    })
}

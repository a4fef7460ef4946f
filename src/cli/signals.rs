//! Ctrl-C and SIGTERM: noted when they come, acted upon between two steps, so that no step is left half done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::base::error::{Error, ErrorKind, Result};

pub(super) struct Signals {
    interrupted: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
}

impl Signals {
    pub(super) fn watch() -> Result<Signals> {
        let signals = Signals { interrupted: Arc::default(), terminated: Arc::default() };
        for (signal, flag) in [(SIGINT, &signals.interrupted), (SIGTERM, &signals.terminated)] {
            // The second time the process ends at once.
            let armed = signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, flag.clone());
            let noted = armed.and_then(|_| signal_hook::flag::register(signal, flag.clone()));
            noted.map_err(|error| Error::bug("signals cannot be watched").source(error))?;
        }
        Ok(signals)
    }

    pub(super) fn check(&self) -> Result<()> {
        let stopped = |kind, by| {
            Err(Error::new(kind, format!("stopped by {by}")).mend("what was finished stays; run again to do the rest"))
        };
        if self.interrupted.load(Ordering::Relaxed) {
            return stopped(ErrorKind::Interrupted, "Ctrl-C");
        }
        if self.terminated.load(Ordering::Relaxed) {
            return stopped(ErrorKind::Terminated, "SIGTERM");
        }
        Ok(())
    }
}

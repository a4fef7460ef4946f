//! Failures: what goes wrong without stopping a run, by kind.

use serde::Serialize;
use tracing::warn;

use crate::base::error::{Error, ErrorKind};

#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// The name that the exit codes have for it.
    pub kind: &'static str,
    pub error: String,
}

/// All that goes wrong without stopping a run.
#[derive(Default)]
pub(crate) struct Failures {
    pub list: Vec<Failure>,
    kinds: Vec<ErrorKind>,
}

impl Failures {
    pub(crate) fn worst(&self) -> Option<ErrorKind> {
        ErrorKind::worst(self.kinds.iter().copied())
    }

    pub(crate) fn texts(self) -> Vec<String> {
        self.list.into_iter().map(|failure| failure.error).collect()
    }

    pub(crate) fn add_once(&mut self, error: Error) {
        if !self.list.iter().any(|known| known.error == error.to_string()) {
            self.add(error);
        }
    }

    pub(crate) fn add(&mut self, error: Error) {
        warn!("{error}");
        self.kinds.push(error.kind());
        self.list.push(Failure { kind: error.kind().name(), error: error.to_string() });
    }
}

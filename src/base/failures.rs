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
pub struct Failures {
    pub list: Vec<Failure>,
    kinds: Vec<ErrorKind>,
    is_silent: bool,
}

impl Failures {
    /// The failures of a look ahead: what it finds is said by whoever acts on it.
    pub fn silent() -> Failures {
        Failures { is_silent: true, ..Failures::default() }
    }

    pub fn worst(&self) -> Option<ErrorKind> {
        ErrorKind::worst(self.kinds.iter().copied())
    }

    pub fn texts(self) -> Vec<String> {
        self.list.into_iter().map(|failure| failure.error).collect()
    }

    pub fn add_once(&mut self, error: Error) {
        if !self.list.iter().any(|known| known.error == error.to_string()) {
            self.add(error);
        }
    }

    pub fn add(&mut self, error: Error) {
        if !self.is_silent {
            warn!("{error}");
        }
        self.kinds.push(error.kind());
        self.list.push(Failure { kind: error.kind().name(), error: error.to_string() });
    }
}

//! How a command ends, and the exit code that says so. The codes of errors are those of [`ErrorKind`].

use crate::base::error::{ErrorKind, Result};

pub(super) enum Exit {
    Done,
    /// `plan --check` found something to do.
    Stale,
    /// Not everything could be done, or a check found something.
    Partly(ErrorKind),
}

impl From<Option<ErrorKind>> for Exit {
    fn from(worst: Option<ErrorKind>) -> Exit {
        worst.map_or(Exit::Done, Exit::Partly)
    }
}

pub(super) fn code(ended: &Result<Exit>) -> u8 {
    match ended {
        Ok(Exit::Done) => 0,
        Ok(Exit::Stale) => 1,
        Ok(Exit::Partly(kind)) => kind.exit_code(),
        Err(error) => error.kind().exit_code(),
    }
}

/// The code where no command was run: help and version are answers, not mistakes.
pub(super) fn code_of_parsing(error: &clap::Error) -> u8 {
    if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 }
}

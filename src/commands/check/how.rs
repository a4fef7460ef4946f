//! How a check goes about it: how much it reads, and who is told meanwhile.

use crate::base::error::Result;
use crate::base::progress::Listener;

use super::finding::Finding;

/// How a check goes about it.
pub(crate) struct How<'a> {
    /// All partitions are read, however many there are.
    pub all: bool,
    /// Told of each finding as it is found.
    pub found: &'a dyn Fn(&Finding),
    /// Told how far long steps are.
    pub progress: Listener<'a>,
    /// An error once the check is asked to stop.
    pub stopped: &'a dyn Fn() -> Result<()>,
}

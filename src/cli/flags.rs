//! Flags that several commands share.

use clap::Args;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};

#[derive(Args)]
pub(super) struct How {
    /// Count the past anew where a past setting was altered or removed.
    #[arg(long)]
    pub accept_history_change: bool,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

/// Dates are inclusive on both ends.
#[derive(Args)]
pub(super) struct Days {
    /// The first day, YYYY-MM-DD.
    #[arg(long, value_name = "DATE")]
    pub from: Day,
    /// The last day, YYYY-MM-DD, included.
    #[arg(long, value_name = "DATE")]
    pub to: Day,
}

impl Days {
    pub(super) fn range(&self) -> Result<DayRange> {
        DayRange::new(self.from, self.to).ok_or_else(|| {
            Error::usage(format!("--from {} is after --to {}", self.from, self.to)).mend("swap them: both ends are included")
        })
    }
}

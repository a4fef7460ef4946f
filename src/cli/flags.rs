//! Flags that several commands share.

use clap::Args;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};

/// How days are built, and how it is told.
#[derive(Args)]
pub(super) struct How {
    /// Count the past anew where a past setting was altered or removed.
    #[arg(long)]
    pub accept_history_change: bool,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

/// A range of days. Dates are inclusive on both ends.
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
        let Days { from, to } = self;
        DayRange::new(*from, *to)
            .ok_or_else(|| Error::usage(format!("--from {from} is after --to {to}")).mend("swap them: both ends are included"))
    }
}

/// The range of flags that may be left out, both or none.
pub(super) fn range_of(from: Option<Day>, to: Option<Day>) -> Result<Option<DayRange>> {
    from.zip(to).map(|(from, to)| Days { from, to }.range()).transpose()
}

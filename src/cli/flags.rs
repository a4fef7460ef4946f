//! Flags that several commands share.

use std::str::FromStr;

use clap::{ArgGroup, Args};

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};
use crate::config::Settings;
use crate::lake::Lake;

use super::machine::{clock, environment};

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

/// A range of days that is to be named. Dates are inclusive on both ends.
#[derive(Args)]
#[command(group = ArgGroup::new("range").args(SHORTCUTS).required(true).multiple(true))]
pub(super) struct Days {
    #[command(flatten)]
    days: AnyDays,
}

/// The first of each way to name a range.
const SHORTCUTS: [&str; 4] = ["from", "last", "month", "yesterday"];

/// A range of days, or none.
#[derive(Args)]
#[command(group = ArgGroup::new("days").args(SHORTCUTS))]
pub(super) struct AnyDays {
    /// The first day, YYYY-MM-DD.
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<Day>,
    /// The last day, YYYY-MM-DD, included.
    #[arg(long, value_name = "DATE", requires = "from", conflicts_with_all = ["last", "month", "yesterday"])]
    to: Option<Day>,
    /// Instead of --from and --to, the last N days: up to the newest published day of which all has landed, whatever day is today.
    /// Where nothing is published, up to yesterday.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=36_600))]
    last: Option<u16>,
    /// Instead of --from and --to, all days of a month, YYYY-MM.
    #[arg(long, value_name = "MONTH")]
    month: Option<Month>,
    /// Instead of --from and --to, the day before today, by the clock and the bots' zone. Of bots in several zones, the last day that
    /// has ended in all.
    #[arg(long)]
    yesterday: bool,
}

/// The days of a month.
#[derive(Clone, Copy)]
struct Month(DayRange);

impl FromStr for Month {
    type Err = Error;

    fn from_str(text: &str) -> Result<Month> {
        let of = |first: Day| DayRange { first, last: first.plus(31).first_of_month().plus(-1) };
        let first = format!("{text}-01").parse().ok().filter(|_| text.len() == 7);
        first
            .map(|first| Month(of(first)))
            .ok_or_else(|| Error::usage(format!("{text:?} is not a month")).mend("write it as YYYY-MM"))
    }
}

impl Days {
    pub(super) fn range(&self, settings: &Settings) -> Result<DayRange> {
        self.days.range(settings)?.ok_or_else(|| Error::usage("no days were asked for").mend("give --from and --to, or --last N"))
    }
}

impl AnyDays {
    pub(super) fn range(&self, settings: &Settings) -> Result<Option<DayRange>> {
        if let Some((from, to)) = self.from.zip(self.to) {
            let swapped = || Error::usage(format!("--from {from} is after --to {to}")).mend("swap them: both ends are included");
            return DayRange::new(from, to).ok_or_else(swapped).map(Some);
        }
        if let Some(days) = self.last {
            let last = newest_whole_day(settings)?;
            return Ok(Some(DayRange { first: last.plus(1 - i32::from(days)), last }));
        }
        let yesterday = self.yesterday.then(|| yesterday(settings)).map(|day| DayRange { first: day, last: day });
        Ok(self.month.map(|month| month.0).or(yesterday))
    }
}

/// The newest published day that nothing more is to come for, holes in the past apart; yesterday where nothing is published.
fn newest_whole_day(settings: &Settings) -> Result<Day> {
    let output = Lake::open_or_create(&settings.output, &environment())?;
    let published = output.published_days("bot_days")?;
    let Some(newest) = published.keys().next_back().copied() else { return Ok(yesterday(settings)) };
    let landed_until = settings.landed_until(newest);
    let is_whole = |day: &Day| settings.bots.iter().all(|bot| bot.zone.end_of(*day) <= landed_until);
    Ok(published.into_keys().rev().find(is_whole).unwrap_or(newest))
}

fn yesterday(settings: &Settings) -> Day {
    let now = clock().timestamp_micros();
    let today = settings.bots.iter().map(|bot| bot.zone.local_day(now)).min();
    today.unwrap_or(Day::of_instant(now)).plus(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_their_days() {
        for (text, days) in
            [("2026-02", "2026-02-01..2026-02-28"), ("2024-02", "2024-02-01..2024-02-29"), ("2026-12", "2026-12-01..2026-12-31")]
        {
            assert_eq!(text.parse::<Month>().map(|month| month.0.to_string()).ok().as_deref(), Some(days));
        }
        for bad in ["2026-13", "2026-1", "2026", "2026-10-01", "", "26-10"] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }
}

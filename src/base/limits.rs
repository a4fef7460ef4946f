//! Limits: how many days a row affects, how far copies lie apart, how large counts get: one table of them.

use crate::base::day::{Day, MICROS_PER_DAY, Zone};

/// Deliveries of one message repeat for at most this long (rule 1).
pub(crate) const COPY_WINDOW: i64 = 7 * MICROS_PER_DAY;

/// Copies lie at most this many times 24 h apart.
pub(crate) const COPY_DAYS: i32 = (COPY_WINDOW / MICROS_PER_DAY) as i32;

/// A row's time lies at most this many days before its partition's date, or this many after it; else it is absurd.
pub(crate) const DAYS_LATE: i32 = 400;
pub(crate) const DAYS_AHEAD: i32 = 2;

/// A row affects its own day and at most this many after it: the horizon and the copies (rule 21).
pub(crate) const AFFECTED_DAYS: i32 = 97;

/// Meta's figures do not change any more this many days after their day.
pub(crate) const FINAL_AFTER_DAYS: i32 = 28;

/// The largest count of one ad that Meta can mean: everybody alive would have to see the ad a hundred times a day. Nine million such counts
/// can be added up in 64 bits.
pub(crate) const LARGEST_COUNT: i64 = 1_000_000_000_000;

/// The first local day of a zone whose rows can affect a day: the horizon and the copies before its first instant (rule 21).
pub(crate) fn first_affecting(zone: Zone, horizon_micros: i64, day: Day) -> Day {
    zone.local_day(zone.start_of(day) - horizon_micros - COPY_WINDOW)
}

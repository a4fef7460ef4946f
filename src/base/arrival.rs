//! Arrival: whose days the folders of an input are, and which instants a day of arrival can hold.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::base::day::{Day, DayRange, MICROS_PER_SECOND, Zone};
use crate::base::error::{Error, Result};
use crate::base::limits::{DAYS_AHEAD, DAYS_LATE};

/// A zone of days of arrival, or of times that name none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArrivalZone {
    #[default]
    Utc,
    /// Ahead of UTC by so many seconds.
    Offset(i64),
    Named(Zone),
}

const LARGEST_OFFSET_SECONDS: i64 = 18 * 3_600;

impl FromStr for ArrivalZone {
    type Err = Error;

    /// Reads an offset such as `-03:00`, or the name of a zone.
    fn from_str(text: &str) -> Result<ArrivalZone> {
        if ["UTC", "Z"].contains(&text) {
            return Ok(ArrivalZone::Utc);
        }
        let Some(digits) = text.strip_prefix(['+', '-']) else { return text.parse().map(ArrivalZone::Named) };
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let (hours, minutes) = match digits.len() {
            2 => (digits, "00"),
            4 if digits.is_ascii() => digits.split_at(2),
            _ => digits.split_once(':').unwrap_or_default(),
        };
        let number = |part: &str| {
            let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<i64>().ok().filter(|_| is_number)
        };
        let (hours, minutes) = number(hours).zip(number(minutes)).unwrap_or((i64::MAX / 7_200, 0));
        let seconds = (hours * 60 + minutes) * 60;
        if minutes >= 60 || seconds > LARGEST_OFFSET_SECONDS {
            return Err(Error::usage(format!("{text:?} is no offset")).mend("write it as \"-03:00\", or name an IANA zone"));
        }
        Ok(if seconds == 0 { ArrivalZone::Utc } else { ArrivalZone::Offset(sign * seconds) })
    }
}

impl fmt::Display for ArrivalZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArrivalZone::Utc => f.write_str("UTC"),
            ArrivalZone::Offset(seconds) => {
                let (sign, minutes) = (if *seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            ArrivalZone::Named(zone) => f.write_str(zone.name()),
        }
    }
}

impl ArrivalZone {
    /// The day that holds an instant.
    pub fn day_of(self, micros: i64) -> Day {
        match self {
            ArrivalZone::Utc => Day::of_instant(micros),
            ArrivalZone::Offset(seconds) => Day::of_instant(micros.saturating_add(seconds * MICROS_PER_SECOND)),
            ArrivalZone::Named(zone) => zone.local_day(micros),
        }
    }

    /// The instant at which clocks of the zone show a time, in microseconds as if they were UTC.
    pub(crate) fn instant_of(self, local: i64) -> i64 {
        match self {
            ArrivalZone::Utc => local,
            ArrivalZone::Offset(seconds) => local.saturating_sub(seconds * MICROS_PER_SECOND),
            ArrivalZone::Named(zone) => zone.instant_of(local),
        }
    }

    /// The first instant of a day.
    pub fn start_of(self, day: Day) -> i64 {
        match self {
            ArrivalZone::Utc => day.start_utc(),
            ArrivalZone::Offset(seconds) => day.start_utc() - seconds * MICROS_PER_SECOND,
            ArrivalZone::Named(zone) => zone.start_of(day),
        }
    }

    /// The days that a local day of another zone overlaps.
    pub fn days_over(self, local: Zone, day: Day) -> DayRange {
        let (start, end) = (local.start_of(day), local.end_of(day));
        DayRange { first: self.day_of(start), last: self.day_of((end - 1).max(start)) }
    }

    /// The instants that rows of a partition may have: others are absurd (rule 18).
    pub(crate) fn allowed_instants(self, partition: Day) -> Range<i64> {
        self.start_of(partition.plus(-DAYS_LATE))..self.start_of(partition.plus(DAYS_AHEAD + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_or_a_name_is_a_zone() {
        for (text, written) in [
            ("UTC", "UTC"),
            ("+00:00", "UTC"),
            ("-03:00", "-03:00"),
            ("-03", "-03:00"),
            ("+0530", "+05:30"),
            ("America/Sao_Paulo", "America/Sao_Paulo"),
        ] {
            assert_eq!(text.parse::<ArrivalZone>().unwrap().to_string(), written, "{text}");
        }
        for text in ["-3", "+25:00", "-03:60", "+1:000", "America/SaoPaulo", ""] {
            assert!(text.parse::<ArrivalZone>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_of_an_offset_begins_by_it() {
        let zone: ArrivalZone = "-03:00".parse().unwrap();
        let day: Day = "2026-10-20".parse().unwrap();
        let start = zone.start_of(day);
        assert_eq!(start, day.start_utc() + 3 * 3_600 * MICROS_PER_SECOND);
        assert_eq!((zone.day_of(start - 1), zone.day_of(start)), (day.plus(-1), day));
        let sao_paulo: Zone = "America/Sao_Paulo".parse().unwrap();
        assert_eq!(zone.days_over(sao_paulo, day), DayRange { first: day, last: day });
        assert_eq!(ArrivalZone::Utc.days_over(sao_paulo, day), DayRange { first: day, last: day.next() });
        let allowed = zone.allowed_instants(day);
        assert_eq!((allowed.start, allowed.end), (zone.start_of(day.plus(-400)), zone.start_of(day.plus(3))));
    }
}

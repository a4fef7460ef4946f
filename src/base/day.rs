//! Days, and the local days of a time zone.
//!
//! Instants are microseconds since 1970-01-01T00:00:00Z (`i64`). A [`Day`] is a calendar day without a zone: a day of
//! arrival, or the local day of a bot, as the name beside it says. A [`Zone`] turns instants into its local days.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::alike::nearest;
use crate::base::error::{Error, Result};
use crate::base::stored_text::parsed;

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The number of days of the common era before it.
const DAYS_BEFORE_1970: i32 = 719_163;

/// A calendar day, as days since 1970-01-01. Written `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The UTC day that holds an instant.
    pub fn of_instant(micros: i64) -> Day {
        Day(micros.div_euclid(MICROS_PER_DAY).clamp(i32::MIN as i64, i32::MAX as i64) as i32)
    }

    /// The first instant of this UTC day.
    pub fn start_utc(self) -> i64 {
        self.0 as i64 * MICROS_PER_DAY
    }

    pub fn plus(self, days: i32) -> Day {
        Day(self.0 + days)
    }

    pub fn next(self) -> Day {
        self.plus(1)
    }

    /// The same day of an earlier month, or that month's last.
    pub fn months_before(self, months: u32) -> Option<Day> {
        Some(Day(self.date()?.checked_sub_months(chrono::Months::new(months))?.num_days_from_ce() - DAYS_BEFORE_1970))
    }

    /// The first day of its month.
    pub fn first_of_month(self) -> Day {
        self.plus(1 - self.date().map_or(1, |date| date.day() as i32))
    }

    /// Its month, as `YYYY-MM`.
    pub fn month(self) -> String {
        self.to_string().chars().take(7).collect()
    }

    fn date(self) -> Option<NaiveDate> {
        NaiveDate::from_num_days_from_ce_opt(self.0.checked_add(DAYS_BEFORE_1970)?)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => write!(f, "{date}"),
            None => write!(f, "day {}", self.0),
        }
    }
}

impl FromStr for Day {
    type Err = Error;

    /// Reads exactly `YYYY-MM-DD`.
    fn from_str(text: &str) -> Result<Day> {
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
        // In this shape its parts are numbers.
        let part =
            |range: std::ops::Range<usize>| text.as_bytes()[range].iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
        shaped
            .then(|| NaiveDate::from_ymd_opt(part(0..4) as i32, part(5..7), part(8..10)))
            .flatten()
            .map(|date| Day(date.num_days_from_ce() - DAYS_BEFORE_1970))
            .ok_or_else(|| Error::usage(format!("{text:?} is not a date")).mend("write it as YYYY-MM-DD"))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
        parsed(deserializer)
    }
}

/// Days from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRange {
    pub first: Day,
    pub last: Day,
}

impl DayRange {
    /// The range; none when `last` lies before `first`.
    pub fn new(first: Day, last: Day) -> Option<DayRange> {
        (first <= last).then_some(DayRange { first, last })
    }

    pub fn iter(self) -> impl DoubleEndedIterator<Item = Day> {
        (self.first.0..=self.last.0).map(Day)
    }

    pub fn contains(self, day: Day) -> bool {
        self.first <= day && day <= self.last
    }

    pub fn len(self) -> usize {
        (self.last.0 - self.first.0 + 1) as usize
    }

    pub fn is_empty(self) -> bool {
        false
    }

    pub fn intersection(self, other: DayRange) -> Option<DayRange> {
        DayRange::new(self.first.max(other.first), self.last.min(other.last))
    }
}

impl fmt::Display for DayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}..{}", self.first, self.last) }
    }
}

/// Ascending days as ranges: neighbours stand together where they carry the same.
pub(crate) fn ranges_alike<T: PartialEq>(days: impl IntoIterator<Item = (Day, T)>) -> Vec<(DayRange, T)> {
    let mut ranges: Vec<(DayRange, T)> = Vec::new();
    for (day, carried) in days {
        match ranges.last_mut() {
            Some((range, known)) if *known == carried && (range.last == day || range.last.next() == day) => range.last = day,
            _ => ranges.push((DayRange { first: day, last: day }, carried)),
        }
    }
    ranges
}

/// Ascending days as ranges.
pub(crate) fn ranges(days: impl IntoIterator<Item = Day>) -> Vec<DayRange> {
    ranges_alike(days.into_iter().map(|day| (day, ()))).into_iter().map(|(range, ())| range).collect()
}

/// Ascending days in words: `2026-03-01..2026-03-03, 2026-03-05`.
pub(crate) fn written_ranges(days: impl IntoIterator<Item = Day>) -> String {
    ranges(days).iter().map(DayRange::to_string).collect::<Vec<_>>().join(", ")
}

/// An IANA time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(chrono_tz::Tz);

impl Zone {
    pub(crate) const UTC: Zone = Zone(chrono_tz::UTC);
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(name: &str) -> Result<Zone> {
        chrono_tz::Tz::from_str(name).map(Zone).map_err(|_| {
            let near = nearest(chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()), name);
            Error::usage(format!("{name:?} is not an IANA time zone")).mend(match near {
                Some(near) => format!("did you mean {near:?}?"),
                None => "write a name such as \"America/Sao_Paulo\"".to_string(),
            })
        })
    }
}

impl Zone {
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The local day that holds an instant.
    pub fn local_day(self, micros: i64) -> Day {
        let seconds = micros.div_euclid(MICROS_PER_SECOND);
        Day::of_instant((seconds + self.offset(seconds)) * MICROS_PER_SECOND)
    }

    /// Seconds that the zone is ahead of UTC, at these seconds since 1970.
    fn offset(self, seconds: i64) -> i64 {
        DateTime::from_timestamp(seconds, 0)
            .map_or(0, |utc| i64::from(self.0.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc()))
    }

    /// The instant at which the zone's clocks show a time, in microseconds as if they were UTC. Of a time that they show twice it is
    /// the earlier one; for a time that they skip, the instant of the change.
    pub(crate) fn instant_of(self, local: i64) -> i64 {
        let seconds = local.div_euclid(MICROS_PER_SECOND);
        let day = MICROS_PER_DAY / MICROS_PER_SECOND;
        let [before, after] = [seconds.saturating_sub(day), seconds.saturating_add(day)].map(|seconds| self.offset(seconds));
        let shown = |offset: &i64| self.offset(seconds.saturating_sub(*offset)) == *offset;
        if let Some(offset) = [before.max(after), before.min(after)].into_iter().find(shown) {
            return local.saturating_sub(offset * MICROS_PER_SECOND);
        }
        let (mut unchanged, mut changed) = (seconds.saturating_sub(before.max(after)), seconds.saturating_sub(before.min(after)));
        while changed - unchanged > 1 {
            let halfway = unchanged + (changed - unchanged) / 2;
            if self.offset(halfway) == before { unchanged = halfway } else { changed = halfway }
        }
        changed.saturating_mul(MICROS_PER_SECOND)
    }

    /// An instant as RFC 3339 text with the zone's offset at it.
    pub fn time(self, micros: i64) -> String {
        match DateTime::from_timestamp_micros(micros) {
            Some(utc) => utc.with_timezone(&self.0).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            None => format!("{micros} us"),
        }
    }

    /// The first instant of a local day. Days of 23 and 25 hours, and midnights that a clock change skips, come out right,
    /// because the instant is searched for wherever the clocks change near it.
    pub fn start_of(self, day: Day) -> i64 {
        // No zone is more than a day away from UTC.
        let (mut before, mut at) = (day.start_utc() - 2 * MICROS_PER_DAY, day.start_utc() + 2 * MICROS_PER_DAY);
        let [first, middle, last] = [before, day.start_utc(), at].map(|micros| self.offset(micros / MICROS_PER_SECOND));
        let start = day.start_utc() - middle * MICROS_PER_SECOND;
        if first == middle && middle == last && self.local_day(start) == day && self.local_day(start - 1) < day {
            return start;
        }
        while at - before > MICROS_PER_SECOND {
            let halfway = (before + (at - before) / 2).div_euclid(MICROS_PER_SECOND) * MICROS_PER_SECOND;
            if self.local_day(halfway) >= day { at = halfway } else { before = halfway }
        }
        at
    }

    /// The exclusive end of a local day.
    pub fn end_of(self, day: Day) -> i64 {
        self.start_of(day.next())
    }
}

/// The local days of a zone over a span of instants, as a sorted list of their starts: a look-up per row without asking the
/// zone's rules each time.
pub struct LocalDays {
    zone: Zone,
    first: Day,
    starts: Vec<i64>,
}

impl LocalDays {
    pub fn new(zone: Zone, span: Option<(i64, i64)>) -> LocalDays {
        let Some((from, to)) = span else { return LocalDays { zone, first: Day(0), starts: Vec::new() } };
        let (first, last) = (zone.local_day(from), zone.local_day(to));
        LocalDays { zone, first, starts: (first.0..=last.0 + 1).map(|day| zone.start_of(Day(day))).collect() }
    }

    pub fn of(&self, micros: i64) -> Day {
        match self.starts.partition_point(|start| *start <= micros) {
            0 => self.zone.local_day(micros),
            n if n == self.starts.len() => self.zone.local_day(micros),
            n => self.first.plus(n as i32 - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).expect(text).timestamp_micros()
    }

    #[test]
    fn a_day_reads_and_writes_itself() {
        let day: Day = "2026-02-28".parse().unwrap();
        assert_eq!(day.next().to_string(), "2026-03-01");
        let months = |months| "2026-03-31".parse::<Day>().unwrap().months_before(months).unwrap().to_string();
        assert_eq!([months(0), months(1), months(37)], ["2026-03-31", "2026-02-28", "2023-02-28"]);
        assert_eq!(day.first_of_month().to_string(), "2026-02-01");
        for bad in ["2026-02-30", "2026-2-3", "26-02-03", "2026-02-03 ", "today"] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }

    #[test]
    fn neighbours_stand_together() {
        let written = |days: &[i32]| written_ranges(days.iter().map(|day| Day(20_513 + day)));
        assert_eq!(written(&[]), "");
        assert_eq!(written(&[4]), "2026-03-05");
        assert_eq!(written(&[0, 0, 1, 2, 4]), "2026-03-01..2026-03-03, 2026-03-05");
        let range = |first, last| DayRange { first: Day(first), last: Day(last) };
        let carrying = [(1, 'a'), (2, 'a'), (3, 'b'), (5, 'b')].map(|(day, carried)| (Day(day), carried));
        assert_eq!(ranges_alike(carrying), [(range(1, 2), 'a'), (range(3, 3), 'b'), (range(5, 5), 'b')]);
    }

    #[test]
    fn local_days_follow_the_zone() {
        let sao_paulo: Zone = "America/Sao_Paulo".parse().unwrap();
        assert_eq!(sao_paulo.local_day(instant("2025-03-01T02:30:00Z")).to_string(), "2025-02-28");
        let new_york: Zone = "America/New_York".parse().unwrap();
        let long: Day = "2026-11-01".parse().unwrap();
        assert_eq!(new_york.end_of(long) - new_york.start_of(long), 25 * 3_600 * MICROS_PER_SECOND);
        let short: Day = "2026-03-08".parse().unwrap();
        assert_eq!(new_york.end_of(short) - new_york.start_of(short), 23 * 3_600 * MICROS_PER_SECOND);
    }

    #[test]
    fn times_are_told_with_the_offset_of_their_instant() {
        let new_york: Zone = "America/New_York".parse().unwrap();
        assert_eq!(new_york.time(instant("2026-11-01T05:59:59.5Z")), "2026-11-01T01:59:59.500-04:00");
        assert_eq!(new_york.time(instant("2026-11-01T06:00:00Z")), "2026-11-01T01:00:00-05:00");
        assert_eq!("UTC".parse::<Zone>().unwrap().time(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_skipped_midnight_starts_the_day_later() {
        let sao_paulo: Zone = "America/Sao_Paulo".parse().unwrap();
        let day: Day = "2018-11-04".parse().unwrap();
        assert_eq!(sao_paulo.start_of(day), instant("2018-11-04T01:00:00-02:00"));
    }

    #[test]
    fn a_day_starts_where_the_zone_says_whatever_the_clocks_do() {
        for name in ["America/New_York", "America/Sao_Paulo", "America/Havana", "Africa/Casablanca", "Australia/Lord_Howe", "UTC"]
        {
            let zone: Zone = name.parse().unwrap();
            for day in (7_000..21_900).map(Day) {
                let start = zone.start_of(day);
                assert!(zone.local_day(start) == day && zone.local_day(start - MICROS_PER_SECOND) < day, "{name} {day}");
            }
        }
    }

    #[test]
    fn the_table_of_local_days_agrees_with_the_zone() {
        for name in ["America/New_York", "Asia/Kolkata", "Pacific/Apia", "America/Havana"] {
            let zone: Zone = name.parse().unwrap();
            let (from, to) = (instant("2026-02-25T00:00:00Z"), instant("2026-11-10T00:00:00Z"));
            let days = LocalDays::new(zone, Some((from, to)));
            let mut at = from - 3 * MICROS_PER_DAY;
            while at < to + 3 * MICROS_PER_DAY {
                assert_eq!(days.of(at), zone.local_day(at), "{name} {at}");
                at += 1_799 * MICROS_PER_SECOND;
            }
        }
    }

    #[test]
    fn an_unknown_zone_names_the_nearest() {
        let error = "America/SaoPaulo".parse::<Zone>().unwrap_err().to_string();
        assert!(error.contains("America/Sao_Paulo"), "{error}");
    }
}

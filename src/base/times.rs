//! Times: instants in whole microseconds since 1970 in UTC, from whatever they are stored as. Finer ones are truncated.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use chrono::{NaiveDate, NaiveTime};

use crate::base::arrival::ArrivalZone;
use crate::base::cells::{arrow_bug, as_text};
use crate::base::error::{Error, Result};
use crate::base::mapping::{TimeUnit, timestamp_micros};

/// What a cell of a time column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    At(i64),
    Absent,
    Unreadable,
}

/// The forms that a time may have as text, as an error names them.
pub(crate) const TIME_FORMS: &str = "2026-10-20T12:00:00Z, with a blank in place of the T, up to 9 digits of fraction, and Z, UTC or an \
     offset such as -03:00 behind it";

/// The cells of a time column. `zone` is that of times that name none.
pub(super) fn instants(leaf: &ArrayRef, unit: Option<TimeUnit>, zone: Option<ArrivalZone>) -> Result<Vec<Instant>> {
    let read = |micros: Option<i64>| micros.map_or(Instant::Unreadable, Instant::At);
    match leaf.data_type() {
        DataType::Timestamp(found, named) => {
            let values = arrow::compute::cast(leaf, &DataType::Int64).map_err(arrow_bug)?;
            let values = values.as_primitive::<Int64Type>();
            let zone = zone.filter(|_| named.is_none());
            let micros =
                |value| timestamp_micros(*found, value).map(|micros| zone.map_or(micros, |zone| zone.instant_of(micros)));
            Ok(values.iter().map(|value| value.map_or(Instant::Absent, |value| read(micros(value)))).collect())
        }
        kind if kind.is_integer() => {
            let unit = unit.ok_or_else(|| Error::bug("an integer time without a unit passed the check"))?;
            let values = arrow::compute::cast(leaf, &DataType::Int64).map_err(arrow_bug)?;
            let wide = values.as_primitive::<Int64Type>();
            let instant = |row: usize| match (leaf.is_valid(row), wide.is_valid(row)) {
                (false, _) => Instant::Absent,
                (true, false) => Instant::Unreadable,
                (true, true) => read(unit.to_micros(wide.value(row))),
            };
            Ok((0..leaf.len()).map(instant).collect())
        }
        _ => {
            let texts = as_text(leaf)?;
            let instant = |text: Option<&str>| text.map_or(Instant::Absent, |text| text_instant(text, unit, zone.as_ref()));
            Ok(texts.iter().map(instant).collect())
        }
    }
}

/// The instant that a text says: digits where there is a unit, else a date and a time with a zone, or in `zone`.
pub(crate) fn text_instant(text: &str, unit: Option<TimeUnit>, zone: Option<&ArrivalZone>) -> Instant {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Instant::Absent;
    }
    let micros = match unit {
        Some(unit) => whole_number(trimmed).and_then(|value| unit.to_micros(value)),
        None => written_time(trimmed).and_then(|time| time.micros(zone)),
    };
    micros.map_or(Instant::Unreadable, Instant::At)
}

/// The number that a text of digits says.
pub(crate) fn whole_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_whole)
}

/// A date and a time, as a text has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenTime {
    /// In microseconds, as if the zone were UTC.
    local: i64,
    /// Seconds that the zone is ahead of UTC; none where the text names no zone.
    offset: Option<i64>,
}

impl WrittenTime {
    pub(crate) fn has_zone(self) -> bool {
        self.offset.is_some()
    }

    /// In microseconds; as if the zone were UTC where the text names none.
    pub(crate) fn in_utc(self) -> i64 {
        self.local - self.offset.unwrap_or(0) * 1_000_000
    }

    fn micros(self, zone: Option<&ArrivalZone>) -> Option<i64> {
        match self.offset {
            Some(seconds) => Some(self.local - seconds * 1_000_000),
            None => zone.map(|zone| zone.instant_of(self.local)),
        }
    }
}

/// Reads a date and a time.
pub(crate) fn written_time(text: &str) -> Option<WrittenTime> {
    let (written_date, after_date) = text.split_at_checked(10)?;
    let (written_clock, rest) = after_date.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let [year, month, day] = numbers(written_date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(written_clock, ':', [2, 2, 2])?;
    let date = NaiveDate::from_ymd_opt(year as i32, month, day)?;
    // A leap second is the first second after it.
    let is_leap = second == 60;
    let time = NaiveTime::from_hms_opt(hour, minute, second - u32::from(is_leap))?;
    let (micros, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            (micros_of(fraction.get(..digits).filter(|_| (1..=9).contains(&digits))?)?, &fraction[digits..])
        }
    };
    let seconds = date.and_time(time).and_utc().timestamp() + i64::from(is_leap);
    Some(WrittenTime { local: seconds * 1_000_000 + micros, offset: offset(zone)? })
}

/// The numbers of a text such as `12:00:00`, each so many digits wide.
fn numbers(text: &str, between: char, widths: [usize; 3]) -> Option<[u32; 3]> {
    let mut parts = text.split(between);
    let mut found = [0; 3];
    for (number, width) in found.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// The whole microseconds of a fraction's digits.
fn micros_of(digits: &str) -> Option<i64> {
    let six = &digits[..digits.len().min(6)];
    Some(six.parse::<i64>().ok()? * 10_i64.pow(6 - six.len() as u32))
}

/// The offset that stands behind a time, perhaps after a blank; one of none where nothing stands there.
fn offset(text: &str) -> Option<Option<i64>> {
    let zone = text.strip_prefix(' ').unwrap_or(text);
    if text.is_empty() || ["Z", "z", "UTC"].contains(&zone) {
        return Some((!text.is_empty()).then_some(0));
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = &zone[1..];
    let (hours, minutes) = match digits.len() {
        2 => (digits, "00"),
        4 => digits.split_at_checked(2)?,
        _ => digits.split_once(':')?,
    };
    let [ahead_hours, ahead_minutes, _] = numbers(&format!("{hours}:{minutes}:00"), ':', [2, 2, 2])?;
    (ahead_hours < 24 && ahead_minutes < 60).then_some(Some(sign * i64::from((ahead_hours * 60 + ahead_minutes) * 60)))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Instant {
        text_instant(text, None, None)
    }

    #[test]
    fn times_are_read_in_every_form() {
        const TIME: i64 = 1_740_796_200_000_000;
        for text in [
            "2025-03-01T02:30:00Z",
            "2025-03-01t02:30:00z",
            "2025-03-01 02:30:00 UTC",
            "2025-03-01 02:30:00UTC",
            "2025-03-01 02:30:00+00",
            "2025-03-01 02:30:00+0000",
            "2025-03-01 02:30:00+00:00",
            "2025-03-01 02:30:00 +00:00",
            "2025-03-01T02:30:00-00:00",
            "2025-02-28T23:30:00-03:00",
            "2025-02-28T23:30:00.000000000-03",
            "2025-03-01T08:00:00+0530",
            " 2025-03-01T02:29:60Z\u{a0}",
        ] {
            assert_eq!(at(text), Instant::At(TIME), "{text:?}");
        }
        for (fraction, micros) in
            [(".1", 100_000), (".123456", 123_456), (".1234567", 123_456), (".123456789", 123_456), (".000001", 1)]
        {
            assert_eq!(at(&format!("2025-03-01T02:30:00{fraction}Z")), Instant::At(TIME + micros), "{fraction}");
        }
        assert_eq!(at("1969-12-31T23:59:59.9999999Z"), Instant::At(-1), "truncated to the microsecond that holds it");
        assert_eq!(text_instant("1740796200", Some(TimeUnit::Second), None), Instant::At(TIME));
        assert_eq!(text_instant(" 1740796200123 ", Some(TimeUnit::Millisecond), None), Instant::At(TIME + 123_000));
        assert_eq!(text_instant("-1", Some(TimeUnit::Microsecond), None), Instant::At(-1));
        assert_eq!(at(" "), Instant::Absent);
    }

    #[test]
    fn what_is_no_time_is_unreadable() {
        for text in [
            "soon",
            "2025-03-01",
            "2025-03-01T02:30:00",
            "2025-03-01 02:30:00.5",
            "2025-03-01T02:30Z",
            "2025-03-01T24:00:00Z",
            "2025-02-29T00:00:00Z",
            "2025-03-01T02:30:61Z",
            "2025-03-01T02:30:00.Z",
            "2025-03-01T02:30:00.1234567890Z",
            "2025-03-01T02:30:00,5Z",
            "2025-03-01T02:30:00+24:00",
            "2025-03-01T02:30:00+00:60",
            "2025-03-01T02:30:00+0",
            "2025-03-01T02:30:00+000",
            "2025-03-01T02:30:00 -3:00",
            "2025-03-01T02:30:00 BRT",
            "2025-3-01T02:30:00Z",
            "+025-03-01T02:30:00Z",
            "2025-03-01  02:30:00Z",
            "2025-03-01T02:30:00  Z",
            "1740796200",
            "20é5-03-01T02:30:00Z",
            "2025-03-01T02:30:00+é",
        ] {
            assert_eq!(at(text), Instant::Unreadable, "{text:?}");
        }
        let with_unit = |text: &str| text_instant(text, Some(TimeUnit::Second), None);
        for text in ["9223372036854775807", "+5", "1.7e9", "1740796200.0", "-", "2025-03-01T02:30:00Z", "٣"] {
            assert_eq!(with_unit(text), Instant::Unreadable, "{text:?}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_of_the_zone_that_the_mapping_names() {
        let zone: ArrivalZone = "America/Sao_Paulo".parse().unwrap();
        let with_zone = |text: &str| text_instant(text, None, Some(&zone));
        assert_eq!(with_zone("2025-02-28 23:30:00.25"), Instant::At(1_740_796_200_250_000));
        assert_eq!(with_zone("2025-03-01 02:30:00 UTC"), Instant::At(1_740_796_200_000_000), "one that it names goes before");
    }

    /// Texts that are times, and texts that are nearly.
    fn texts() -> impl Strategy<Value = String> {
        let parts = [
            "2025-03-01",
            "0000-01-01",
            "9999-12-31",
            "T",
            " ",
            "02:30:00",
            "23:59:60",
            ".5",
            ".123456789",
            "Z",
            "UTC",
            "+00",
            "-0330",
            "+23:59",
            "1",
            "-",
            ":",
            "é",
        ];
        let in_order = (0..3_usize, prop::sample::select(&["T", " ", "t", ""][..]), 5..7_usize, 7..10_usize, 9..14_usize);
        let whole = in_order.prop_map(move |(date, between, clock, fraction, zone)| {
            [parts[date], between, parts[clock], parts[fraction].trim_start_matches('Z'), parts[zone]].concat()
        });
        let any_order = prop::collection::vec(prop::sample::select(parts.to_vec()), 0..7).prop_map(|parts| parts.concat());
        let bytes = prop::collection::vec(any::<u8>(), 0..32).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        prop_oneof![3 => whole, 2 => any_order, 1 => bytes]
    }

    proptest! {
        #[test]
        fn a_time_that_is_accepted_is_given_back_by_its_own_text(text in texts(), micros in any::<i64>()) {
            if let Instant::At(at_text) = at(&text) {
                let written = DateTime::from_timestamp_micros(at_text).unwrap().to_rfc3339_opts(SecondsFormat::Micros, true);
                // Years of more than four digits have no such text.
                if !written.starts_with(['+', '-']) {
                    prop_assert_eq!(at(&written), Instant::At(at_text), "{} {}", text, written);
                }
                if let Ok(known) = DateTime::parse_from_rfc3339(text.trim()) {
                    prop_assert_eq!(known.timestamp_micros(), at_text, "{}", text);
                }
            }
            for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond] {
                let read = text_instant(&micros.to_string(), Some(unit), None);
                prop_assert_eq!(read, unit.to_micros(micros).map_or(Instant::Unreadable, Instant::At));
                if let Instant::At(_) = text_instant(&text, Some(unit), None) {
                    prop_assert!(text.trim().trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()), "{}", text);
                }
            }
        }
    }
}

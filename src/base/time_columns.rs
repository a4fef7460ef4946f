//! Times of a column, in every type that holds them, with the zone that the pipeline file names for those without one.

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::base::error::{Error, Result};
use crate::base::mapping::ColumnSource;
use crate::base::times::{Instant, instants};
use crate::base::types::{self, Exact, is_binary, is_decimal, is_empty, is_text};

/// Whether a type holds times, with or without a unit.
pub(super) fn holds_times(kind: &DataType, source: &ColumnSource) -> bool {
    match kind {
        DataType::Dictionary(_, value) => holds_times(value, source),
        DataType::Timestamp(..) => true,
        kind if kind.is_integer() || is_decimal(kind) => source.unit.is_some(),
        kind => is_text(kind) || is_binary(kind),
    }
}

/// The instants of a column of a file.
pub(super) fn of_column(name: &str, source: &ColumnSource, stored: &ArrayRef) -> Result<Vec<Instant>> {
    let kind = stored.data_type();
    if is_empty(stored) {
        return Ok(vec![Instant::Absent; stored.len()]);
    }
    if !holds_times(kind, source) {
        return Err(mistyped(name, source, stored));
    }
    let stored = match kind {
        DataType::Dictionary(_, value) if !is_text(value) => match cast(stored, value) {
            Ok(values) => return of_column(name, source, &values),
            Err(_) => return Err(mistyped(name, source, stored)),
        },
        // What is no text is no time.
        kind if is_binary(kind) || is_decimal(kind) => {
            let read = types::texts_shown(stored, Exact::Plain);
            std::sync::Arc::new(read.map_err(|inexact| inexact.error(name, &source.to_string()))?.0)
        }
        _ => stored.clone(),
    };
    instants(&stored, source.unit, source.zone)
}

fn mistyped(name: &str, source: &ColumnSource, stored: &ArrayRef) -> Error {
    let kind = stored.data_type();
    let row = (0..stored.len()).find(|row| stored.is_valid(*row)).unwrap_or_default();
    let place = source.to_string();
    let said = if place == name { format!("{name} is {kind}") } else { format!("{name} is {kind} in {place}") };
    let (is_number, example) = (kind.is_integer() || is_decimal(kind), types::shown(stored, row));
    let needed = if is_number { "an integer with a unit" } else { "RFC 3339 text or an integer with a unit" };
    let error = Error::data(format!("{said}, a timestamp, {needed} is needed for {name}; it holds {example}"))
        .with("column", &source.column);
    error.mend(if is_number {
        format!("say what it counts: {name} = {} (or \"ms\", \"us\")", source.entry("unit = \"s\""))
    } else if kind.is_floating() {
        format!(
            "cast it to an integer in the table, and say what it counts: {name} = {} (or \"ms\", \"us\")",
            source.entry("unit = \"s\"")
        )
    } else {
        "write it as a timestamp with its time of day".to_string()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BinaryArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
    };
    use chrono::DateTime;

    use super::*;
    use crate::base::arrival::ArrivalZone;
    use crate::base::mapping::TimeUnit;
    use crate::base::times::text_instant;

    fn read(stored: impl Array + 'static, source: &ColumnSource) -> Result<Vec<Instant>> {
        of_column("sent_at", source, &(Arc::new(stored) as ArrayRef))
    }

    fn at(text: &str) -> Instant {
        Instant::At(DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros())
    }

    fn local(text: &str) -> i64 {
        match text_instant(text, None, Some(&ArrivalZone::Utc)) {
            Instant::At(micros) => micros,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn times_without_a_zone_are_those_of_the_named_one() {
        let in_zone = |zone: &str| ColumnSource { zone: Some(zone.parse().unwrap()), ..ColumnSource::column("t") };
        for (zone, time, expected) in [
            ("America/Sao_Paulo", "2026-03-01 09:00:00", "2026-03-01T12:00:00Z"),
            ("America/Sao_Paulo", "2018-07-01T09:00:00.123456789", "2018-07-01T12:00:00.123456Z"),
            ("-03:00", "2026-03-01T09:00:00.5", "2026-03-01T12:00:00.5Z"),
            ("UTC", "2026-03-01t09:00:00", "2026-03-01T09:00:00Z"),
            // Shown twice: the earlier one.
            ("America/New_York", "2026-11-01 01:30:00", "2026-11-01T05:30:00Z"),
            ("America/New_York", "2026-11-01 02:00:00", "2026-11-01T07:00:00Z"),
            ("America/New_York", "2026-11-01 00:59:59", "2026-11-01T04:59:59Z"),
            // Skipped: the instant of the change.
            ("America/New_York", "2026-03-08 02:00:00", "2026-03-08T07:00:00Z"),
            ("America/New_York", "2026-03-08 02:59:59", "2026-03-08T07:00:00Z"),
            ("America/New_York", "2026-03-08 03:00:00", "2026-03-08T07:00:00Z"),
            ("America/New_York", "2026-03-08 01:59:59", "2026-03-08T06:59:59Z"),
            // A zone that skipped a whole day.
            ("Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30T10:00:00Z"),
            // A time with a zone keeps it.
            ("America/New_York", "2026-03-08T02:30:00+01:00", "2026-03-08T01:30:00Z"),
        ] {
            let source = in_zone(zone);
            assert_eq!(read(StringArray::from(vec![time]), &source).unwrap(), [at(expected)], "{zone} {time}");
            if !time.contains('+') {
                let millis = TimestampMillisecondArray::from(vec![local(time) / 1_000]);
                let Instant::At(expected) = at(expected) else { panic!() };
                assert_eq!(read(millis.clone(), &source).unwrap(), [Instant::At(expected / 1_000 * 1_000)], "{zone} {time}");
                let of_utc = millis.with_timezone("UTC");
                assert_eq!(read(of_utc, &source).unwrap(), [Instant::At(local(time) / 1_000 * 1_000)], "{zone} {time}");
            }
        }
        let plain = ColumnSource::column("t");
        assert_eq!(read(StringArray::from(vec!["2026-03-01 09:00:00"]), &plain).unwrap(), [Instant::Unreadable]);
        for odd in ["2026-03-01", "2026-02-30 09:00:00", "2026-03-01 09:00", "soon", "2026-03-01 09:00:00.", "09:00:00"] {
            let source = in_zone("America/Sao_Paulo");
            assert_eq!(read(StringArray::from(vec![odd]), &source).unwrap(), [Instant::Unreadable], "{odd}");
        }
    }

    #[test]
    fn a_zone_s_clocks_never_go_back_in_what_is_read() {
        for zone in ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "America/Sao_Paulo"] {
            let zone: ArrivalZone = zone.parse().unwrap();
            let start = local("2011-01-01 00:00:00");
            let read: Vec<i64> = (0..366 * 24 * 4).map(|quarter| zone.instant_of(start + quarter * 900_000_000)).collect();
            assert!(read.is_sorted(), "{zone}");
        }
    }

    #[test]
    fn times_are_read_in_every_type_that_holds_them() {
        let seconds = ColumnSource { unit: Some(TimeUnit::Second), ..ColumnSource::column("t") };
        let expected = [at("2026-03-01T12:00:00Z"), Instant::Absent];
        let decimals = Decimal128Array::from(vec![Some(1_772_366_400), None]).with_precision_and_scale(38, 0).unwrap();
        assert_eq!(read(decimals, &seconds).unwrap(), expected);
        let decimals = Decimal128Array::from(vec![Some(17_723_664_000), None]).with_precision_and_scale(38, 1).unwrap();
        assert_eq!(read(decimals, &seconds).unwrap(), expected);
        assert_eq!(read(Int64Array::from(vec![Some(1_772_366_400), None]), &seconds).unwrap(), expected);
        let plain = ColumnSource::column("t");
        assert_eq!(read(BinaryArray::from(vec![Some(&b"2026-03-01T12:00:00Z"[..]), None]), &plain).unwrap(), expected);
        assert_eq!(read(Float64Array::from(vec![None, None]), &plain).unwrap(), [Instant::Absent; 2]);
    }

    #[test]
    fn another_type_is_refused_with_the_line_that_mends_it() {
        let plain = ColumnSource::column("t");
        let error = read(Int64Array::from(vec![1_772_366_400]), &plain).unwrap_err().to_string();
        assert!(error.contains("sent_at is Int64 in t, a timestamp, an integer with a unit is needed"), "{error}");
        assert!(error.contains("sent_at = { column = \"t\", unit = \"s\" }") && error.contains("it holds 1772366400"), "{error}");
        let error = read(Float64Array::from(vec![None, Some(1.5)]), &plain).unwrap_err().to_string();
        assert!(error.contains("sent_at is Float64 in t") && error.contains("it holds 1.5"), "{error}");
        let error = read(Date32Array::from(vec![20_000]), &plain).unwrap_err().to_string();
        assert!(error.contains("sent_at is Date32 in t") && error.contains("2024-10-04"), "{error}");
    }
}

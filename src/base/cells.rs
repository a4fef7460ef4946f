//! Cells of the lake's files: texts, instants, and what lies in structs, maps and JSON texts.

use std::borrow::Cow;
use std::fmt;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StructArray, UInt64Array};
use arrow::datatypes::DataType;
use chrono::DateTime;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::base::error::{Error, Result};
use crate::base::mapping::{TimeUnit, timestamp_micros};

/// What a cell of a time column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    At(i64),
    Absent,
    Unreadable,
}

fn arrow_bug(error: arrow::error::ArrowError) -> Error {
    Error::bug("an Arrow kernel refused a column it was checked for").source(error)
}

pub(super) fn as_text(array: &ArrayRef) -> Result<StringArray> {
    let text = arrow::compute::cast(array, &DataType::Utf8).map_err(arrow_bug)?;
    Ok(text.as_string::<i32>().clone())
}

pub(super) fn struct_field(column: &StructArray, key: &str) -> Result<ArrayRef> {
    let field = column.column_by_name(key).ok_or_else(|| Error::bug(format!("field {key} was not read")))?;
    match column.nulls() {
        // A field of a null struct is null, whatever the field's own mask says.
        Some(nulls) => {
            let indices: UInt64Array = (0..column.len()).map(|row| nulls.is_valid(row).then_some(row as u64)).collect();
            arrow::compute::take(field, &indices, None).map_err(arrow_bug)
        }
        None => Ok(field.clone()),
    }
}

pub(super) fn map_value(column: &arrow::array::MapArray, key: &str) -> Result<ArrayRef> {
    let keys = as_text(column.keys())?;
    let offsets = column.offsets();
    let entry = |row: usize| {
        if column.is_null(row) {
            return None;
        }
        // The last of equal keys, as in a JSON text.
        (offsets[row] as usize..offsets[row + 1] as usize)
            .rev()
            .find(|i| keys.is_valid(*i) && keys.value(*i) == key)
            .map(|i| i as u64)
    };
    let indices: UInt64Array = (0..column.len()).map(entry).collect();
    arrow::compute::take(column.values(), &indices, None).map_err(arrow_bug)
}

/// The value of a key in each JSON text, and how many texts are not JSON objects.
pub(super) fn json_values(texts: &StringArray, key: &str) -> (StringArray, u64) {
    let mut unreadable = 0;
    let values = texts
        .iter()
        .map(|text| {
            let text = text.filter(|text| !text.trim().is_empty())?;
            match json_value(text, key) {
                Ok(value) => value,
                Err(_) => {
                    unreadable += 1;
                    None
                }
            }
        })
        .collect();
    (values, unreadable)
}

fn json_value(text: &str, key: &str) -> serde_json::Result<Option<String>> {
    struct OneKey<'k>(&'k str);
    impl<'de> Visitor<'de> for OneKey<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                if key == self.0 {
                    found = Some(map.next_value::<&RawValue>()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let raw = serde::Deserializer::deserialize_any(&mut deserializer, OneKey(key))?;
    deserializer.end()?;
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(found) if found.starts_with('"') => serde_json::from_str(found).map(Some),
        // A number keeps every digit it was written with.
        Some(found) => Ok(Some(found.to_string())),
    }
}

pub(super) fn instants(leaf: &ArrayRef, unit: Option<TimeUnit>) -> Result<Vec<Instant>> {
    match leaf.data_type() {
        DataType::Timestamp(found, _) => {
            let values = arrow::compute::cast(leaf, &DataType::Int64).map_err(arrow_bug)?;
            let values = values.as_primitive::<arrow::datatypes::Int64Type>();
            let micros = |value: i64| timestamp_micros(*found, value);
            Ok(values
                .iter()
                .map(|value| value.map_or(Instant::Absent, |value| micros(value).map_or(Instant::Unreadable, Instant::At)))
                .collect())
        }
        kind if kind.is_integer() => {
            let unit = unit.ok_or_else(|| Error::bug("an integer time without a unit passed the check"))?;
            let values = arrow::compute::cast(leaf, &DataType::Int64).map_err(arrow_bug)?;
            let wide = values.as_primitive::<arrow::datatypes::Int64Type>();
            let instant = |row: usize| match (leaf.is_valid(row), wide.is_valid(row)) {
                (false, _) => Instant::Absent,
                (true, false) => Instant::Unreadable,
                (true, true) => unit.to_micros(wide.value(row)).map_or(Instant::Unreadable, Instant::At),
            };
            Ok((0..leaf.len()).map(instant).collect())
        }
        _ => Ok(as_text(leaf)?.iter().map(|text| text.map_or(Instant::Absent, |text| text_instant(text, unit))).collect()),
    }
}

fn text_instant(text: &str, unit: Option<TimeUnit>) -> Instant {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Instant::Absent;
    }
    let micros = match unit {
        Some(unit) => trimmed.parse::<i64>().ok().and_then(|value| unit.to_micros(value)),
        None => DateTime::parse_from_rfc3339(trimmed).ok().map(|time| time.timestamp_micros()),
    };
    micros.map_or(Instant::Unreadable, Instant::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_key_is_read_without_touching_its_digits() {
        let text = r##"{"a": {"b": 1}, "#wa.referral.source_id": 120226305854810727, "t": "x\"y", "n": null}"##;
        assert_eq!(json_value(text, "#wa.referral.source_id").unwrap().as_deref(), Some("120226305854810727"));
        assert_eq!(json_value(text, "t").unwrap().as_deref(), Some("x\"y"));
        assert_eq!(json_value(text, "n").unwrap(), None);
        assert_eq!(json_value(text, "b").unwrap(), None);
        assert_eq!(json_value("null", "b").unwrap(), None);
        assert!(json_value("{\"b\": ", "b").is_err());
        assert!(json_value("[1]", "b").is_err());
    }

    #[test]
    fn times_are_read_in_every_form() {
        assert_eq!(text_instant("2025-03-01T02:30:00.1234567Z", None), Instant::At(1_740_796_200_123_456));
        assert_eq!(text_instant("2025-02-28T23:30:00-03:00", None), Instant::At(1_740_796_200_000_000));
        assert_eq!(text_instant("1740796200", Some(TimeUnit::Second)), Instant::At(1_740_796_200_000_000));
        assert_eq!(text_instant("1740796200123", Some(TimeUnit::Millisecond)), Instant::At(1_740_796_200_123_000));
        assert_eq!(text_instant("soon", None), Instant::Unreadable);
        assert_eq!(text_instant("9223372036854775807", Some(TimeUnit::Second)), Instant::Unreadable);
        assert_eq!(text_instant(" ", None), Instant::Absent);
    }
}

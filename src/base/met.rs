//! What is met in the columns of a file: every place that a value can lie at, with the first rows' values, for whoever does not know the
//! file yet.
//!
//! A place is a column, a field of a struct, a key of a map, of a list of pairs or of JSON text, and what lies inside one of these.
//! Values are texts to look at; nothing is counted by them.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use serde_json::Value;

use crate::base::cells::as_text;
use crate::base::steps::pair;
use crate::base::times::{Instant, instants};
use crate::base::types::{self, Exact, is_binary, is_decimal, is_text, uuid_texts};

/// A place of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub column: String,
    /// The keys inside the column, from the outermost to the innermost.
    pub key: Vec<String>,
}

/// What kind of values lie at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Text,
    Integer,
    Decimal,
    Float,
    Boolean,
    /// Instants. The values are their microseconds.
    Instant,
    /// Times that name no zone. The values are their microseconds as if the zone were UTC.
    ZonelessTime,
    Date,
    Other,
}

/// The values at a place, each with its row.
#[derive(Clone, Debug)]
pub(crate) struct Met {
    pub kind: Kind,
    pub values: Vec<(u32, String)>,
}

pub(crate) type MetPlaces = BTreeMap<Place, Met>;

/// As deep are places looked for, and as many.
const MOST_STEPS: usize = 5;
const MOST_PLACES: usize = 2_000;
/// So much of a value tells what it is.
const MOST_LETTERS: usize = 200;

/// Adds what is met in a column, whose first row is this one of the file.
pub(crate) fn add(column: &str, array: &ArrayRef, first_row: u32, met: &mut MetPlaces) {
    let place = Place { column: column.to_string(), key: Vec::new() };
    let rows: Vec<Option<u32>> = (0..array.len() as u32).map(|row| Some(first_row + row)).collect();
    add_array(&place, array, &rows, met);
}

fn add_array(place: &Place, array: &ArrayRef, rows: &[Option<u32>], met: &mut MetPlaces) {
    if place.key.len() > MOST_STEPS {
        return;
    }
    match array.data_type() {
        DataType::Struct(fields) => {
            let of = array.as_struct();
            let valid: Vec<Option<u32>> = rows.iter().enumerate().map(|(at, row)| row.filter(|_| of.is_valid(at))).collect();
            for (field, inner) in fields.iter().zip(of.columns()) {
                add_array(&place.inside(field.name()), inner, &valid, met);
            }
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let of_row = |row: usize| map.offsets()[row] as usize..map.offsets()[row + 1] as usize;
            let rows = |row: usize| rows[row].filter(|_| map.is_valid(row)).map(|number| (of_row(row), number));
            let entries: Vec<_> = (0..map.len()).filter_map(rows).collect();
            add_pairs(place, (map.keys(), map.values()), &entries, met);
        }
        kind if pair(kind).is_some() => add_list(place, array, rows, met),
        _ => add_leaf(place, array, rows, met),
    }
}

fn add_list(place: &Place, array: &ArrayRef, rows: &[Option<u32>], met: &mut MetPlaces) {
    let Some((key, value, _)) = pair(array.data_type()) else { return };
    let element = match array.data_type() {
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => element.clone(),
        _ => return,
    };
    let Ok(lists) = cast(array, &DataType::List(element)) else { return };
    let lists = lists.as_list::<i32>();
    let of_row = |row: usize| lists.value_offsets()[row] as usize..lists.value_offsets()[row + 1] as usize;
    let entries: Vec<_> =
        (0..lists.len()).filter_map(|row| Some((of_row(row), rows[row].filter(|_| lists.is_valid(row))?))).collect();
    let pairs = lists.values().as_struct();
    add_pairs(place, (pairs.column(key), pairs.column(value)), &entries, met);
}

/// The values by their keys. `entries` are the pairs of each row.
fn add_pairs(
    place: &Place,
    (keys, values): (&ArrayRef, &ArrayRef),
    entries: &[(std::ops::Range<usize>, u32)],
    met: &mut MetPlaces,
) {
    let Ok(keys) = as_text(keys) else { return };
    let mut by_key: BTreeMap<&str, (Vec<u64>, Vec<Option<u32>>)> = BTreeMap::new();
    for (of_row, row) in entries {
        for at in of_row.clone().filter(|at| keys.is_valid(*at)) {
            let (places, rows) = by_key.entry(keys.value(at)).or_default();
            places.push(at as u64);
            rows.push(Some(*row));
        }
        if by_key.len() > MOST_PLACES {
            break;
        }
    }
    for (key, (places, rows)) in by_key {
        if let Ok(of_key) = take(values, &UInt64Array::from(places), None) {
            add_array(&place.inside(key), &of_key, &rows, met);
        }
    }
}

fn add_leaf(place: &Place, array: &ArrayRef, rows: &[Option<u32>], met: &mut MetPlaces) {
    let Some((kind, texts)) = leaf(array) else { return };
    for (text, row) in texts.into_iter().zip(rows) {
        let (Some(text), Some(row)) = (text, row) else { continue };
        if kind == Kind::Text
            && text.trim_start().starts_with('{')
            && let Ok(value @ Value::Object(_)) = serde_json::from_str::<Value>(&text)
        {
            add_json(place, &value, *row, met);
        }
        put(place, kind, *row, &text, met);
    }
    if met.len() < MOST_PLACES {
        met.entry(place.clone()).or_insert(Met { kind, values: Vec::new() });
    }
}

/// The values of a column that has nothing inside; none of a list.
fn leaf(array: &ArrayRef) -> Option<(Kind, Vec<Option<String>>)> {
    let kind = match array.data_type() {
        DataType::Dictionary(_, value) if !is_text(value) => return leaf(&cast(array, value).ok()?),
        kind if is_text(kind) || is_binary(kind) => Kind::Text,
        kind if kind.is_integer() => Kind::Integer,
        kind if is_decimal(kind) => Kind::Decimal,
        kind if kind.is_floating() => Kind::Float,
        DataType::Boolean => Kind::Boolean,
        DataType::Timestamp(_, zone) => {
            let kind = if zone.is_some() { Kind::Instant } else { Kind::ZonelessTime };
            let times = instants(array, None, None).ok()?;
            let text = |instant: Instant| match instant {
                Instant::At(micros) => Some(micros.to_string()),
                _ => None,
            };
            return Some((kind, times.into_iter().map(text).collect()));
        }
        DataType::Date32 | DataType::Date64 => Kind::Date,
        DataType::FixedSizeBinary(16) => return Some((Kind::Text, strings(&uuid_texts(array)))),
        kind if kind.is_nested() => return None,
        _ => Kind::Other,
    };
    let texts = match kind {
        Kind::Text | Kind::Integer | Kind::Decimal => types::texts(array, Exact::Plain).ok().map(|texts| strings(&texts)),
        _ => as_text(array).ok().map(|texts| strings(&texts)),
    };
    Some((kind, texts.unwrap_or_else(|| vec![None; array.len()])))
}

fn strings(texts: &dyn Array) -> Vec<Option<String>> {
    let Some(texts) = texts.as_string_opt::<i32>() else { return vec![None; texts.len()] };
    texts.iter().map(|text| text.map(str::to_string)).collect()
}

fn add_json(place: &Place, value: &Value, row: u32, met: &mut MetPlaces) {
    if place.key.len() > MOST_STEPS {
        return;
    }
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, inner)| add_json(&place.inside(key), inner, row, met)),
        Value::String(text) => {
            if text.trim_start().starts_with('{')
                && let Ok(inner @ Value::Object(_)) = serde_json::from_str::<Value>(text)
            {
                add_json(place, &inner, row, met);
            }
            put(place, Kind::Text, row, text, met);
        }
        Value::Number(number) if number.is_f64() => put(place, Kind::Float, row, &number.to_string(), met),
        Value::Number(number) => put(place, Kind::Integer, row, &number.to_string(), met),
        Value::Bool(truth) => put(place, Kind::Boolean, row, &truth.to_string(), met),
        Value::Null | Value::Array(_) => {}
    }
}

/// Notes a value, where it is one.
fn put(place: &Place, kind: Kind, row: u32, text: &str, met: &mut MetPlaces) {
    if met.len() >= MOST_PLACES && !met.contains_key(place) {
        return;
    }
    let at = met.entry(place.clone()).or_insert(Met { kind, values: Vec::new() });
    if text.trim().is_empty() {
        return;
    }
    // One key may hold a number here and a text there.
    at.kind = if at.kind == kind || at.values.is_empty() { kind } else { Kind::Text };
    at.values.push((row, text.chars().take(MOST_LETTERS).collect()));
}

impl Place {
    fn inside(&self, key: &str) -> Place {
        let keys = self.key.iter().map(String::as_str).chain([key]);
        Place { column: self.column.clone(), key: keys.map(str::to_string).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Float64Array, Int64Array, MapBuilder, StringArray, StringBuilder, StructArray, TimestampMillisecondArray,
    };
    use arrow::datatypes::Field;

    use super::*;

    fn met(array: impl Array + 'static) -> Vec<String> {
        let mut places = MetPlaces::new();
        add("c", &(Arc::new(array) as ArrayRef), 10, &mut places);
        let text = |(place, met): (Place, Met)| {
            let values: Vec<String> = met.values.iter().map(|(row, text)| format!("{row}={text}")).collect();
            format!("{} {:?} {}", place.key.join("/"), met.kind, values.join(" "))
        };
        places.into_iter().map(text).collect()
    }

    #[test]
    fn every_kind_of_column_shows_its_values() {
        assert_eq!(met(Int64Array::from(vec![Some(5), None])), [" Integer 10=5"]);
        assert_eq!(met(Float64Array::from(vec![1.5])), [" Float 10=1.5"]);
        assert_eq!(met(BooleanArray::from(vec![true, false])), [" Boolean 10=true 11=false"]);
        assert_eq!(met(StringArray::from(vec![Some("a"), Some(" "), None])), [" Text 10=a"]);
        assert_eq!(met(TimestampMillisecondArray::from(vec![1])), [" ZonelessTime 10=1000"]);
        assert_eq!(met(TimestampMillisecondArray::from(vec![1]).with_timezone("UTC")), [" Instant 10=1000"]);
    }

    #[test]
    fn what_lies_inside_is_met_whatever_the_column_is() {
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        map.keys().append_value("#wa.x");
        map.values().append_value("1");
        map.append(true).unwrap();
        map.append(false).unwrap();
        assert_eq!(met(map.finish()), ["#wa.x Text 10=1"]);
        let inner: ArrayRef = Arc::new(StringArray::from(vec![Some("i"), Some("lost")]));
        let field = Arc::new(Field::new("Identity", DataType::Utf8, true));
        let nulls = vec![true, false].into();
        assert_eq!(met(StructArray::new(vec![field].into(), vec![inner], Some(nulls))), ["Identity Text 10=i"]);
        let json = r#"{"a":{"b":"x","n":120226305854810726},"f":1.5,"t":"{\"u\":true}"}"#;
        let found = met(StringArray::from(vec![Some(json), Some("{'a': 1}")]));
        assert_eq!(found.len(), 6, "{found:?}");
        for expected in ["a/b Text 10=x", "a/n Integer 10=120226305854810726", "f Float 10=1.5", "t/u Boolean 10=true"] {
            assert!(found.contains(&expected.to_string()), "{expected}: {found:?}");
        }
    }
}

//! Steps into a column: a struct field, the value of a map's key, of a key in a list of pairs, or of a key in JSON text, whichever
//! the column is.
//!
//! A list of pairs is a list of structs that have a field `key`, `k` or `name` and a field `value` or `v`, whatever the case of the
//! letters and whatever else they have.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StringArray, UInt64Array};
use arrow::compute::{cast, nullif, take};
use arrow::datatypes::{DataType, FieldRef, Fields};

use crate::base::cells::{Fault, Leaf, as_text, json_values, map_value, struct_field};
use crate::base::error::{Error, Result};
use crate::base::types::{self, Exact, is_binary, is_empty, is_text};

const KEYS: [&str; 3] = ["key", "k", "name"];
const VALUES: [&str; 2] = ["value", "v"];

/// The fields of a list's pairs; none where it has none.
pub(super) fn pair(kind: &DataType) -> Option<(usize, usize, &FieldRef)> {
    let (DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _)) = kind else {
        return None;
    };
    let DataType::Struct(fields) = element.data_type() else { return None };
    let place = |names: &[&str]| names.iter().find_map(|name| named(fields, name));
    let (key, value) = (place(&KEYS)?, place(&VALUES)?);
    let is_key = is_text(fields[key].data_type()) || is_binary(fields[key].data_type());
    is_key.then_some((key, value, &fields[value]))
}

fn named(fields: &Fields, name: &str) -> Option<usize> {
    fields.iter().position(|field| field.name().eq_ignore_ascii_case(name))
}

/// The values of a map's keys, or of a list's pairs.
pub(super) fn value_field(kind: &DataType) -> Option<&FieldRef> {
    match kind {
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => Some(&pair[1]),
            _ => None,
        },
        kind => pair(kind).map(|(.., value)| value),
    }
}

/// What lies under some of the keys of a path.
pub(super) struct Step {
    pub leaf: Leaf,
    /// In how many rows the first key is, where the schema does not tell; of JSON text all keys.
    pub with_key: Option<u64>,
    /// How many keys were followed.
    pub taken: usize,
}

/// What lies under the first key of a path in a column; in JSON text under the whole path.
pub(super) fn into(column: &ArrayRef, path: &[String]) -> Result<Step> {
    let Some(key) = path.first() else { return Err(Error::bug("a path has no key")) };
    let kind = column.data_type();
    let one = |leaf: ArrayRef, with_key| Ok(Step { leaf: leaf.into(), with_key, taken: 1 });
    match kind {
        DataType::Struct(_) => one(struct_field(column.as_struct(), key)?, None),
        DataType::Map(..) => map_value(column.as_map(), key).and_then(|(values, with_key)| one(values, Some(with_key))),
        _ if is_empty(column) => one(Arc::new(StringArray::new_null(column.len())), Some(0)),
        _ if is_text(kind) || is_binary(kind) || matches!(kind, DataType::Dictionary(..)) => {
            // A cell whose bytes are no text is no JSON.
            let read = types::texts_shown(column, Exact::Plain);
            let (texts, no_texts) = read.map_err(|inexact| inexact.error("JSON text", "JSON text"))?;
            let (leaf, with_key) = json_values(&texts, path);
            let leaf = if no_texts.is_empty() { leaf } else { without_values(leaf, &no_texts)? };
            Ok(Step { leaf, with_key: Some(with_key), taken: path.len() })
        }
        _ if pair(kind).is_some() => pair_value(column, key).and_then(|(values, with_key)| one(values, Some(with_key))),
        _ => Err(Error::data(format!(
            "it is {kind}, and to look for {key:?} in it a struct, a map, a list of key/value structs or JSON text is needed"
        ))
        .mend("correct the mapping, or remove its key")),
    }
}

/// What lies in cells without the rows that are no JSON whatever else they seem.
fn without_values(leaf: Leaf, rows: &[usize]) -> Result<Leaf> {
    let mask: BooleanArray = (0..leaf.array.len()).map(|row| Some(rows.binary_search(&row).is_ok())).collect();
    let array = nullif(&leaf.array, &mask).map_err(|error| Error::bug("values cannot be taken out").source(error))?;
    Ok(Leaf { array, faults: leaf.faults.all_of(rows, Fault::NoJson) })
}

/// The keys of some lists of pairs.
pub(super) fn keys_of_pairs(column: &ArrayRef) -> Result<Vec<String>> {
    let lists = as_lists(column)?;
    let lists: &ListArray = lists.as_list();
    let Some((key_at, ..)) = pair(lists.data_type()) else { return Ok(Vec::new()) };
    Ok(as_text(lists.values().as_struct().column(key_at))?.iter().flatten().map(str::to_string).collect())
}

/// A column of lists of whatever kind as lists.
fn as_lists(column: &ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::LargeList(element) | DataType::FixedSizeList(element, _) => cast(column, &DataType::List(element.clone()))
            .map_err(|error| Error::bug("a list of pairs cannot be read").source(error)),
        _ => Ok(column.clone()),
    }
}

/// The value of the last pair with a key, as in a map, and in how many lists the key is.
fn pair_value(column: &ArrayRef, key: &str) -> Result<(ArrayRef, u64)> {
    let bug = |error| Error::bug("a list of pairs cannot be read").source(error);
    let lists = as_lists(column)?;
    let lists: &ListArray = lists.as_list();
    let Some((key_at, value_at, _)) = pair(lists.data_type()) else { return Err(Error::bug("a list of pairs has none")) };
    let pairs = lists.values().as_struct();
    let keys = as_text(pairs.column(key_at))?;
    let offsets = lists.value_offsets();
    let is_it = |at: &usize| pairs.is_valid(*at) && keys.is_valid(*at) && keys.value(*at) == key;
    let entry = |row: usize| {
        let of_row = offsets[row] as usize..offsets[row + 1] as usize;
        lists.is_valid(row).then(|| of_row.rev().find(is_it)).flatten().map(|at| at as u64)
    };
    let indices: UInt64Array = (0..lists.len()).map(entry).collect();
    let with_key = (indices.len() - indices.null_count()) as u64;
    Ok((take(pairs.column(value_at), &indices, None).map_err(bug)?, with_key))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        FixedSizeListArray, Int64Array, LargeListArray, LargeStringArray, MapBuilder, StringBuilder, StructArray,
    };
    use arrow::buffer::{NullBuffer, OffsetBuffer};
    use arrow::datatypes::Field;

    use super::*;

    fn pairs(names: [&str; 2], rows: &[(&str, Option<&str>)]) -> StructArray {
        let keys: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(key, _)| key)));
        let values: ArrayRef = Arc::new(rows.iter().map(|(_, value)| *value).collect::<StringArray>());
        let other: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows.len() as i64));
        let field = |name: &str, kind| Arc::new(Field::new(name, kind, true));
        StructArray::from(vec![
            (field("at", DataType::Int64), other),
            (field(names[0], DataType::Utf8), keys),
            (field(names[1], DataType::Utf8), values),
        ])
    }

    fn element(pairs: &StructArray) -> FieldRef {
        Arc::new(Field::new("element", pairs.data_type().clone(), true))
    }

    fn found(column: impl Array + 'static, key: &str) -> Vec<Option<String>> {
        let values = into(&(Arc::new(column) as ArrayRef), &[key.to_string()]).unwrap().leaf.array;
        values.as_string::<i32>().iter().map(|text| text.map(str::to_string)).collect()
    }

    #[test]
    fn a_key_is_found_whatever_the_column_is() {
        let expected = [Some("B".to_string()), None, None];
        let rows = [("id", Some("A")), ("id", Some("B")), ("x", Some("C"))];
        let nulls = || Some(NullBuffer::from(vec![true, true, false]));
        for names in [["key", "value"], ["K", "v"], ["Name", "Value"], ["name", "v"]] {
            let all = pairs(names, &rows);
            let list = ListArray::new(element(&all), OffsetBuffer::new(vec![0, 2, 3, 3].into()), Arc::new(all.clone()), nulls());
            assert_eq!(found(list.clone(), "id"), expected, "{names:?}");
            assert_eq!(found(list.slice(1, 1), "x"), [Some("C".to_string())], "a part of a batch");
            let large = LargeListArray::new(element(&all), OffsetBuffer::new(vec![0, 2, 3, 3].into()), Arc::new(all), nulls());
            assert_eq!(found(large, "id"), expected, "{names:?}");
        }
        let all = pairs(["key", "value"], &rows);
        let fixed = FixedSizeListArray::new(element(&all), 1, Arc::new(all), None);
        assert_eq!(found(fixed, "id"), [Some("A".to_string()), Some("B".to_string()), None]);
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for (key, value) in &rows[..2] {
            map.keys().append_value(key);
            map.values().append_option(*value);
        }
        map.append(true).unwrap();
        map.append(true).unwrap();
        map.append(false).unwrap();
        assert_eq!(found(map.finish(), "id"), expected);
        assert_eq!(found(LargeStringArray::from(vec![Some(r#"{"id": "A", "id": "B"}"#), Some("{}"), None]), "id"), expected);
        assert_eq!(found(Int64Array::from(vec![None, None]), "id"), [None, None], "no value, of whatever type");
    }

    #[test]
    fn what_holds_no_keys_is_an_error() {
        let id = ["id".to_string()];
        let error = into(&(Arc::new(Int64Array::from(vec![1])) as ArrayRef), &id).err().unwrap().to_string();
        assert!(error.contains("it is Int64, and to look for \"id\" in it a struct, a map"), "{error}");
        let all = pairs(["from", "to"], &[("a", None)]);
        let list = ListArray::new(element(&all), OffsetBuffer::new(vec![0, 1].into()), Arc::new(all), None);
        assert!(into(&(Arc::new(list) as ArrayRef), &id).is_err());
    }
}

//! The report as JSON: one array of objects, the columns as keys in their order, pretty-printed, one line feed at the end.
//!
//! Ids, money, costs and rates are JSON text, so that no reader turns them into floats; counts are numbers; days are text
//! `YYYY-MM-DD`; NULL is null. Texts are as they came: a title may hold any character.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::base::error::{Error, Result};

use super::sheet::{CellKind, Sheet, Value};

pub(super) fn render(sheet: &Sheet<'_>) -> Result<Vec<u8>> {
    let rows: Vec<JsonRow<'_>> = sheet.rows.iter().map(|cells| JsonRow { columns: sheet.columns, cells }).collect();
    let mut bytes =
        serde_json::to_vec_pretty(&rows).map_err(|error| Error::bug("the report cannot be written as JSON").source(error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

struct JsonRow<'a> {
    columns: &'a [(&'static str, CellKind)],
    cells: &'a [Value<'a>],
}

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.cells.len()))?;
        for ((name, _), cell) in self.columns.iter().zip(self.cells) {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_none(),
            Value::Day(day) => serializer.collect_str(day),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Instant { local, .. } => serializer.serialize_str(local),
            Value::Count(count) => serializer.serialize_i64(*count),
            Value::Amount(amount) => serializer.collect_str(amount),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Grain;
    use crate::report::sample;

    #[test]
    fn ids_and_money_are_text_counts_are_numbers() {
        let text = String::from_utf8(render(&sample::report(Grain::Day, vec![sample::row()]).sheet()).unwrap()).unwrap();
        let expected = r#"[
  {
    "date": "2026-03-01",
    "bot_id": "shop-br",
    "ad_id": "120226305854810726",
    "ad_title": "Promoção",
    "ad_type": "ad",
    "currency": "BRL",
    "spend": "12.500000",
    "reach": null,
    "conversations": 4,
    "cost_per_conversation": "3.125000",
    "conversions": null,
    "cost_per_conversion": null,
    "conversion_rate": null,
    "reach_min": 10,
    "reach_max": 30,
    "spend_unknown_days": 0,
    "unconfigured_days": 3
  }
]
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn no_rows_are_an_empty_array_and_range_grain_has_no_date() {
        assert_eq!(render(&sample::report(Grain::Range, vec![]).sheet()).unwrap(), b"[]\n");
        let text = String::from_utf8(render(&sample::report(Grain::Range, vec![sample::row()]).sheet()).unwrap()).unwrap();
        assert!(text.starts_with("[\n  {\n    \"bot_id\""), "{text}");
    }
}

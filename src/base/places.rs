//! Places: where a file has what a mapping names.
//!
//! A column, and a field of a struct, is found under exactly its name, else under one that differs in case only. Keys of maps, lists
//! of pairs and JSON texts are known row by row, and compared exactly.

use arrow::datatypes::{DataType, FieldRef, Fields, Schema};

use crate::base::error::{Error, Result};
use crate::base::folders;
use crate::base::logged::value_in_log;
use crate::base::mapping::ColumnSource;
use crate::base::steps::value_field;
use crate::base::types::{is_binary, is_text, is_uuid};

/// A file, before its rows are read.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub schema: &'a Schema,
    pub path: &'a str,
}

/// A place of a file.
pub(super) struct Found {
    /// The source, under the names that the file has.
    pub source: ColumnSource,
    /// The type of its values; none where only the rows tell.
    pub kind: Option<DataType>,
    pub is_uuid: bool,
}

impl File<'_> {
    /// The place that a source names; none where the file has no such place.
    pub(super) fn find(&self, source: &ColumnSource) -> Result<Option<Found>> {
        let constant = |constant: ColumnSource| Ok(Some(Found { source: constant, kind: Some(DataType::Utf8), is_uuid: false }));
        if source.constant.is_some() {
            return constant(source.clone());
        }
        if let Some(key) = &source.partition {
            // Of a table with a log the folders say nothing.
            let in_log = value_in_log(self.schema, key).map(|value| value.map(str::to_string));
            let Some(value) = in_log.or_else(|| folders::value_of(self.path, key)) else { return Ok(None) };
            return constant(ColumnSource { constant: Some(value.unwrap_or_default()), ..source.clone() });
        }
        let Some(mut field) = one(self.schema.fields(), &source.column)? else { return Ok(None) };
        let mut found = ColumnSource { column: field.name().clone(), ..source.clone() };
        for key in &mut found.key {
            if let DataType::Struct(fields) = field.data_type() {
                let Some(inner) = one(fields, key)? else { return Ok(None) };
                key.clone_from(inner.name());
                field = inner;
            } else if let Some(value) = value_field(field.data_type()) {
                field = value;
            } else {
                // JSON text, or nothing that has keys: the rows tell.
                let is_json = is_text(field.data_type()) || is_binary(field.data_type());
                return Ok(Some(Found { source: found, kind: is_json.then_some(DataType::Utf8), is_uuid: false }));
            }
        }
        Ok(Some(Found { source: found, kind: Some(field.data_type().clone()), is_uuid: is_uuid(field) }))
    }
}

/// The field of a name.
fn one<'f>(fields: &'f Fields, name: &str) -> Result<Option<&'f FieldRef>> {
    let found: Vec<&FieldRef> = fields.iter().filter(|field| field.name() == name).collect();
    let found = match found.as_slice() {
        [] => {
            let small = name.to_lowercase();
            fields.iter().filter(|field| field.name().to_lowercase() == small).collect()
        }
        _ => found,
    };
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        several if several.iter().all(|field| field.name() == several[0].name()) => Err(Error::data(format!(
            "{} columns of the file have the name {:?}, and nothing tells which is meant",
            several.len(),
            several[0].name()
        ))
        .with("column", name)
        .mend("give each column a name of its own in the loader, or land one of them only")),
        several => {
            let names: Vec<String> = several.iter().map(|field| format!("{:?}", field.name())).collect();
            Err(Error::data(format!("{name} may be any of the columns {}", names.join(", ")))
                .with("column", name)
                .mend("name the one that is meant exactly, or keep one of them only"))
        }
    }
}

/// Every column, and what lies inside structs, as steps.
pub(super) fn all(schema: &Schema) -> Vec<Vec<&str>> {
    let mut places = Vec::new();
    let mut waiting: Vec<(Vec<&str>, &FieldRef)> = schema.fields().iter().rev().map(|field| (Vec::new(), field)).collect();
    while let Some((before, field)) = waiting.pop() {
        let steps: Vec<&str> = before.into_iter().chain([field.name().as_str()]).collect();
        if let DataType::Struct(fields) = field.data_type() {
            waiting.extend(fields.iter().rev().map(|inner| (steps.clone(), inner)));
        } else {
            places.push(steps);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Field;

    use super::*;

    fn text(name: &str) -> Field {
        Field::new(name, DataType::Utf8, true)
    }

    fn found(schema: &Schema, column: &str, key: &[&str]) -> Option<(String, Vec<String>)> {
        let key = key.iter().map(|key| key.to_string()).collect();
        let source = ColumnSource { key, ..ColumnSource::column(column) };
        let found = File { schema, path: "" }.find(&source).unwrap()?;
        Some((found.source.column, found.source.key))
    }

    #[test]
    fn a_column_is_found_exactly_or_else_in_another_case() {
        let inner = Field::new("Referral", DataType::Struct(vec![text("SourceId"), text("x")].into()), true);
        let pairs = DataType::Struct(vec![text("key"), inner.clone()].into());
        let map = Field::new("m", DataType::Map(Arc::new(Field::new("entries", pairs, false)), false), true);
        let schema = Schema::new(vec![text("AD_ID"), text("ad_Id"), text("ad_id"), text("Ägypten"), inner, map]);
        let names = |column: &str, key: &[&str]| {
            let as_texts = |keys: &[&str]| keys.iter().map(|key| key.to_string()).collect::<Vec<_>>();
            Some((column.to_string(), as_texts(key)))
        };
        assert_eq!(found(&schema, "ad_id", &[]), names("ad_id", &[]));
        assert_eq!(found(&schema, "ägypten", &[]), names("Ägypten", &[]));
        assert_eq!(found(&schema, "referral", &["sourceid"]), names("Referral", &["SourceId"]));
        assert_eq!(found(&schema, "m", &["Any Key", "sourceid"]), names("m", &["Any Key", "SourceId"]));
        assert_eq!(found(&schema, "referral", &["ad"]), None);
        assert_eq!(found(&schema, "ad_id", &["json", "Key"]), names("ad_id", &["json", "Key"]));
        let error = File { schema: &schema, path: "" }.find(&ColumnSource::column("Ad_Id")).err().unwrap().to_string();
        assert!(error.contains("Ad_Id may be any of the columns \"AD_ID\", \"ad_Id\", \"ad_id\""), "{error}");
        assert_eq!(all(&schema)[4..6], [vec!["Referral", "SourceId"], vec!["Referral", "x"]]);
    }

    #[test]
    fn a_folder_has_the_value_of_its_files() {
        let schema = Schema::empty();
        let source = ColumnSource { partition: Some("Bot".into()), ..ColumnSource::column("bot_id") };
        let value = |path: &str| File { schema: &schema, path }.find(&source).unwrap().map(|found| found.source.constant);
        assert_eq!(value("m/date=1/bot=shop/a"), Some(Some("shop".into())));
        assert_eq!(value("m/date=1/bot=__HIVE_DEFAULT_PARTITION__/a"), Some(Some(String::new())), "blank: NULL");
        assert_eq!(value("m/date=1/a"), None);
    }
}

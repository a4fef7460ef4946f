//! A file of a table with a log of versions, as the log tells of it: its rows are the table's but for the deleted ones, its columns
//! have the table's names, and the values of partition columns are not in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

/// A file of a version of a table.
#[derive(Debug)]
pub(crate) struct LoggedFile {
    pub table: Arc<LoggedTable>,
    /// The version that the store knows the file under.
    pub stored_version: String,
    /// The values of the partition columns, as texts, by the names of the columns.
    pub values: BTreeMap<String, Option<String>>,
    pub deleted: Option<DeletedRows>,
}

/// What all files of a version of a table share.
#[derive(Debug)]
pub(crate) struct LoggedTable {
    /// The folder, relative to the lake's location.
    pub folder: String,
    /// The columns, with the names that files know them by among the metadata of each field.
    pub schema: SchemaRef,
    pub names: ColumnNames,
}

/// What a field says of itself where its values are in the log: the text of the one value, or that there is none.
const VALUE: &str = "ctwa.value-in-log";
const NO_VALUE: &str = "ctwa.null-in-log";

/// A column of which the log has the value.
pub(crate) fn in_log(field: Field, value: Option<&str>) -> Field {
    let mut metadata = field.metadata().clone();
    let (key, text) = value.map_or((NO_VALUE, ""), |value| (VALUE, value));
    metadata.insert(key.to_string(), text.to_string());
    field.with_metadata(metadata)
}

/// The value that the log of a file's table has for a key, whatever the case of its letters. None where the log has none; the value is
/// none where it is NULL.
pub(super) fn value_in_log<'s>(schema: &'s Schema, key: &str) -> Option<Option<&'s str>> {
    let key = key.trim().to_lowercase();
    let mut fields = schema.fields().iter().filter(|field| field.name().trim().to_lowercase() == key);
    fields.find_map(|field| match (field.metadata().get(VALUE), field.metadata().contains_key(NO_VALUE)) {
        (Some(value), _) => Some(Some(value.as_str())),
        (None, true) => Some(None),
        (None, false) => None,
    })
}

/// How the columns of a table are found in its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnNames {
    /// By the names of the table.
    Own,
    /// By names that stay when a column is renamed.
    Physical,
    /// By numbers.
    Numbered,
}

/// Where the log says which rows of a file are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeletedRows {
    /// `u`, `p` or `i`: a file of the table, a file anywhere, or in the log itself.
    pub storage: String,
    pub place: String,
    pub offset: Option<i32>,
    pub bytes: i32,
    pub rows: i64,
}

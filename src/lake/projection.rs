//! Projection: which leaves of an object's columns are read, and what only its own schema says of them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::basic::LogicalType;
use parquet::schema::types::SchemaDescriptor;

use super::delta::ColumnPath;
use crate::base::types::as_uuid;

/// The leaves of these columns. A field of a struct is read alone; of a map or a text, the whole column.
pub(super) fn mask(columns: &[ColumnPath], parquet: &SchemaDescriptor) -> ProjectionMask {
    let wanted = |leaf: usize| {
        let descriptor = parquet.column(leaf);
        let parts = descriptor.path().parts();
        columns.iter().any(|(column, key)| {
            let is_struct_field = |field: &String| {
                // The parts of a map are column, entries, key or value.
                parquet.columns().iter().any(|other| {
                    let of_other = other.path().parts();
                    of_other.len() >= 2 && of_other[0] == *column && of_other[1] == *field
                })
            };
            parts[0] == *column
                && match key {
                    Some(key) if is_struct_field(key) => parts.len() >= 2 && parts[1] == *key,
                    _ => true,
                }
        })
    };
    ProjectionMask::leaves(parquet, (0..parquet.num_columns()).filter(|leaf| wanted(*leaf)).collect::<Vec<_>>())
}

/// The schema, with what only the file's own says: which columns of 16 bytes, and fields of structs, are UUIDs.
pub(super) fn with_uuids(schema: &SchemaRef, parquet: &SchemaDescriptor) -> SchemaRef {
    let paths = parquet.columns().iter().filter(|leaf| leaf.logical_type_ref() == Some(&LogicalType::Uuid));
    let paths: Vec<&[String]> = paths.map(|leaf| leaf.path().parts()).collect();
    if paths.is_empty() {
        return schema.clone();
    }
    Arc::new(Schema::new_with_metadata(marked(schema.fields(), &paths, &mut Vec::new()), schema.metadata().clone()))
}

fn marked<'f>(fields: &'f Fields, paths: &[&[String]], above: &mut Vec<&'f str>) -> Fields {
    let mark = |field: &'f Arc<Field>| {
        above.push(field.name());
        let field = match field.data_type() {
            DataType::Struct(inner) => {
                Arc::new(field.as_ref().clone().with_data_type(DataType::Struct(marked(inner, paths, above))))
            }
            _ if paths.iter().any(|path| path.iter().map(String::as_str).eq(above.iter().copied())) => Arc::new(as_uuid(field)),
            _ => field.clone(),
        };
        above.pop();
        field
    };
    fields.iter().map(mark).collect()
}

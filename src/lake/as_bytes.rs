//! Texts as the bytes that they are: how an object is read of which some text is no UTF-8, so that a cell costs its row and not its day.
//!
//! In: an object's footer. Out: the same footer, of whose texts nobody claims that they are any; the reader checks none then, and gives
//! bytes. Two kinds of objects need it: those in which the reader met bytes that are no text, and columns that are called JSON, which it
//! does not check.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{FileMetaData, ParquetMetaData};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type, TypePtr};

/// Whether the reader met a text that is none.
pub(super) fn is_no_text(error: &ParquetError) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    ["utf-8", "utf8"].iter().any(|name| text.contains(name))
}

/// An object's footer by which no text is taken for one that nobody checks.
pub(super) fn checked(stored: ArrowReaderMetadata) -> Result<ArrowReaderMetadata> {
    let leaves = stored.parquet_schema().columns();
    let is_unchecked = |leaf: &ColumnDescriptor| {
        leaf.physical_type() == PhysicalType::BYTE_ARRAY && leaf.converted_type() != ConvertedType::UTF8
    };
    if !leaves.iter().any(|leaf| is_unchecked(leaf)) {
        return Ok(stored);
    }
    let roots: Vec<String> = stored
        .schema()
        .fields()
        .iter()
        .filter(|field| field.data_type() != &bytes_of(field.data_type()))
        .filter(|field| leaves.iter().any(|leaf| is_unchecked(leaf) && leaf.path().parts().first() == Some(field.name())))
        .map(|field| field.name().clone())
        .collect();
    if roots.is_empty() { Ok(stored) } else { of_columns(&stored, &|name| roots.iter().any(|root| root == name)) }
}

/// An object's footer with all its texts as bytes.
pub(super) fn all(stored: &ArrowReaderMetadata) -> Result<ArrowReaderMetadata> {
    of_columns(stored, &|_| true)
}

/// The footer with the texts of some columns as bytes.
fn of_columns(stored: &ArrowReaderMetadata, is_wanted: &dyn Fn(&str) -> bool) -> Result<ArrowReaderMetadata> {
    let file = stored.metadata().file_metadata();
    let root = file.schema_descr().root_schema_ptr();
    let columns = root.get_fields().iter();
    let columns = columns.map(|column| if is_wanted(column.name()) { without_texts(column) } else { Ok(column.clone()) });
    let root = Type::group_type_builder(root.name()).with_fields(columns.collect::<Result<_>>()?).build()?;
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_string),
        file.key_value_metadata().cloned(),
        Arc::new(SchemaDescriptor::new(Arc::new(root))),
        file.column_orders().cloned(),
    );
    let fields = stored.schema().fields().iter();
    let fields: Fields =
        fields.map(|field| if is_wanted(field.name()) { field_of_bytes(field) } else { field.clone() }).collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, stored.schema().metadata().clone()));
    let metadata = ParquetMetaData::new(file, stored.metadata().row_groups().to_vec());
    ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new().with_schema(schema))
}

/// A column of the file's schema whose texts are bytes.
fn without_texts(column: &TypePtr) -> Result<TypePtr> {
    let info = column.get_basic_info();
    let id = info.has_id().then(|| info.id());
    match column.as_ref() {
        Type::PrimitiveType { physical_type: PhysicalType::BYTE_ARRAY, .. } if is_called_text(column) => {
            let bytes = Type::primitive_type_builder(column.name(), PhysicalType::BYTE_ARRAY).with_repetition(info.repetition());
            bytes.with_id(id).build().map(Arc::new)
        }
        Type::PrimitiveType { .. } => Ok(column.clone()),
        Type::GroupType { fields, .. } => {
            let group = Type::group_type_builder(column.name()).with_repetition(info.repetition()).with_id(id);
            let group = group.with_converted_type(info.converted_type()).with_logical_type(info.logical_type_ref().cloned());
            group.with_fields(fields.iter().map(without_texts).collect::<Result<_>>()?).build().map(Arc::new)
        }
    }
}

fn is_called_text(column: &Type) -> bool {
    let info = column.get_basic_info();
    matches!(info.converted_type(), ConvertedType::UTF8 | ConvertedType::JSON)
        || matches!(info.logical_type_ref(), Some(LogicalType::String | LogicalType::Json))
}

fn field_of_bytes(field: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(bytes_of(field.data_type())))
}

fn bytes_of(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::BinaryView,
        DataType::Dictionary(_, value) if bytes_of(value) != **value => bytes_of(value),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field_of_bytes).collect()),
        DataType::List(item) => DataType::List(field_of_bytes(item)),
        DataType::LargeList(item) => DataType::LargeList(field_of_bytes(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field_of_bytes(item), *size),
        DataType::Map(entries, is_sorted) => DataType::Map(field_of_bytes(entries), *is_sorted),
        other => other.clone(),
    }
}

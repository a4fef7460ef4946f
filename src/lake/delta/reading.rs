//! A file of a table, as the table's rows and columns: under the table's names, with its partition columns, and with NULL where the
//! table has a column that the file is older than. A plain file is what it is.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, MapArray, OffsetSizeTrait, RecordBatch, RecordBatchOptions, StringArray,
    StructArray, UInt32Array, new_empty_array, new_null_array,
};
use arrow::compute::{CastOptions, cast, cast_with_options, take};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use delta_kernel::{Engine as _, KernelError, KernelResult};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::RowSelection;

use super::handlers::{LogEngine, url_of};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::logged::{ColumnNames, DeletedRows, LoggedFile, in_log};
use crate::base::object::Object;
use crate::lake::open::Lake;

/// A column, and the field of it where only that is needed.
pub(crate) type ColumnPath = (String, Option<String>);

/// Names by which a table's log says where its columns lie in files.
pub(super) const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
pub(super) const NUMBER: &str = "delta.columnMapping.id";

/// What a file shows of itself.
pub(crate) struct FileView {
    schema: SchemaRef,
    /// The columns of a table; none where the file is a plain one.
    columns: Option<Vec<Column>>,
}

/// A column of a table.
struct Column {
    field: FieldRef,
    names: ColumnNames,
    place: Place,
}

/// Where the values of a column are.
enum Place {
    /// In this column of the file.
    File(FieldRef),
    /// In the log: one for all rows.
    Log(ArrayRef),
    /// Nowhere: the column is younger than the file.
    Nowhere,
}

impl FileView {
    /// The view of an object with this schema.
    pub(crate) fn new(object: &Object, stored: &SchemaRef) -> Result<FileView> {
        let Some(file) = &object.logged.0 else { return Ok(FileView { schema: stored.clone(), columns: None }) };
        let columns = columns_of(file, stored)?;
        let broken = |error: ArrowError| {
            Error::data("a column of the file is not what the table's log says").source(error).mend("write the file again")
        };
        let fields = columns.iter().map(|column| {
            let nothing = match &column.place {
                Place::File(of_file) => new_empty_array(of_file.data_type()),
                Place::Log(_) | Place::Nowhere => new_empty_array(column.field.data_type()),
            };
            let kind = column.shown(&nothing)?.data_type().clone();
            let field = Field::new(column.field.name(), kind, true);
            Ok(match (&column.place, file.values.get(column.field.name())) {
                (Place::Log(_), Some(value)) => in_log(field, value.as_deref()),
                _ => field,
            })
        });
        let fields = fields.collect::<Result<Vec<_>, ArrowError>>().map_err(broken)?;
        Ok(FileView { schema: Arc::new(Schema::new(fields)), columns: Some(columns) })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.as_ref()?.iter().find(|column| column.field.name() == name)
    }

    /// Where these columns lie in the file.
    pub(crate) fn stored(&self, wanted: &[ColumnPath]) -> Vec<ColumnPath> {
        if self.columns.is_none() {
            return wanted.to_vec();
        }
        let stored = |(name, key): &ColumnPath| {
            let column = self.column(name)?;
            let Place::File(of_file) = &column.place else { return None };
            let key = key.as_ref().map(|key| match (column.field.data_type(), of_file.data_type()) {
                (DataType::Struct(fields), DataType::Struct(of_file)) => {
                    let found = fields.find(key).and_then(|(_, field)| found_in(of_file, field, column.names));
                    found.map_or(key.clone(), |at| of_file[at].name().clone())
                }
                _ => key.clone(),
            });
            Some((of_file.name().clone(), key))
        };
        wanted.iter().filter_map(stored).collect()
    }

    /// The table's name of a column of the file.
    pub(crate) fn name_of(&self, stored: &str) -> String {
        let is_place = |column: &&Column| matches!(&column.place, Place::File(of_file) if of_file.name() == stored);
        let column = self.columns.as_ref().and_then(|columns| columns.iter().find(is_place));
        column.map_or(stored, |column| column.field.name()).to_string()
    }

    /// A batch of the file with these columns, as the table has them.
    pub(crate) fn shown(&self, batch: RecordBatch, wanted: &[ColumnPath]) -> Result<RecordBatch, ArrowError> {
        if self.columns.is_none() {
            return Ok(batch);
        }
        let rows = batch.num_rows();
        let (mut fields, mut arrays): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
        for (name, _) in wanted {
            let Some(column) = self.column(name).filter(|_| fields.iter().all(|field| field.name() != name)) else { continue };
            let array = match &column.place {
                Place::File(of_file) => {
                    let stored = batch.column_by_name(of_file.name());
                    column.shown(stored.ok_or_else(|| ArrowError::SchemaError(format!("{name} was not read")))?)?
                }
                Place::Log(value) => take(value, &UInt32Array::from(vec![0; rows]), None)?,
                Place::Nowhere => new_null_array(column.field.data_type(), rows),
            };
            fields.push(Field::new(name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
    }
}

impl Column {
    fn shown(&self, stored: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        shown(stored, self.field.data_type(), self.names)
    }
}

/// The columns of a file's table, each with its place.
fn columns_of(file: &LoggedFile, stored: &SchemaRef) -> Result<Vec<Column>> {
    let names = file.table.names;
    let column = |field: &FieldRef| {
        let place = match file.values.get(field.name()) {
            Some(value) => Place::Log(logged_value(field, value.as_deref())?),
            None => found_in(stored.fields(), field, names).map_or(Place::Nowhere, |at| Place::File(stored.fields()[at].clone())),
        };
        Ok(Column { field: field.clone(), names, place })
    };
    file.table.schema.fields().iter().map(column).collect()
}

/// The value that the log has of a partition column.
fn logged_value(field: &Field, text: Option<&str>) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&StringArray::from(vec![text]), field.data_type(), &options).map_err(|error| {
        Error::data(format!("the log of the table has {text:?} for {}, which is {}", field.name(), field.data_type()))
            .with("column", field.name())
            .source(error)
            .mend("write the file again with the values of the table's partition columns")
    })
}

/// Which of a file's columns is the table's.
fn found_in(stored: &Fields, field: &Field, names: ColumnNames) -> Option<usize> {
    let named = |name: &str| {
        let alike = |other: &FieldRef| other.name().eq_ignore_ascii_case(name);
        stored.iter().position(|other| other.name() == name).or_else(|| {
            let mut found = stored.iter().enumerate().filter(|(_, other)| alike(other)).map(|(at, _)| at);
            found.next().filter(|_| found.next().is_none())
        })
    };
    let physical = || field.metadata().get(PHYSICAL_NAME).unwrap_or(field.name());
    let numbered = |other: &FieldRef| other.metadata().get(PARQUET_FIELD_ID_META_KEY).cloned();
    match names {
        ColumnNames::Own => named(field.name()),
        ColumnNames::Numbered if stored.iter().any(|other| numbered(other).is_some()) => {
            let number = field.metadata().get(NUMBER)?;
            stored.iter().position(|other| numbered(other).as_ref() == Some(number))
        }
        ColumnNames::Physical | ColumnNames::Numbered => named(physical()),
    }
}

/// Values of a file as the table's: the fields of structs have the table's names, and those that the file is older than are NULL.
fn shown(stored: &ArrayRef, wanted: &DataType, names: ColumnNames) -> Result<ArrayRef, ArrowError> {
    match (stored.data_type(), wanted) {
        (DataType::Struct(of_file), DataType::Struct(fields)) => {
            let of_struct = stored.as_struct();
            let arrays = fields.iter().map(|field| match found_in(of_file, field, names) {
                Some(at) => shown(of_struct.column(at), field.data_type(), names),
                None => Ok(new_null_array(field.data_type(), stored.len())),
            });
            let arrays = arrays.collect::<Result<Vec<_>, ArrowError>>()?;
            let field = |(field, array): (&FieldRef, &ArrayRef)| Field::new(field.name(), array.data_type().clone(), true);
            let shown_fields: Fields = fields.iter().zip(&arrays).map(field).collect();
            let options = StructArray::try_new_with_length(shown_fields, arrays, of_struct.nulls().cloned(), stored.len())?;
            Ok(Arc::new(options))
        }
        (DataType::List(_), DataType::List(item)) => shown_list::<i32>(stored, item, names),
        (DataType::LargeList(_), DataType::List(item)) => shown_list::<i64>(stored, item, names),
        (DataType::Map(..), DataType::Map(entries, _)) => shown_map(stored.as_map(), entries, names),
        // The table's times are of UTC where its type says so, whether the file says it or not.
        (DataType::Timestamp(unit, None), DataType::Timestamp(_, Some(zone))) => {
            cast(stored, &DataType::Timestamp(*unit, Some(zone.clone())))
        }
        _ => Ok(stored.clone()),
    }
}

fn shown_list<O: OffsetSizeTrait>(stored: &ArrayRef, item: &Field, names: ColumnNames) -> Result<ArrayRef, ArrowError> {
    let list: &GenericListArray<O> = stored.as_list();
    let values = shown(list.values(), item.data_type(), names)?;
    let field = Arc::new(Field::new("element", values.data_type().clone(), true));
    Ok(Arc::new(GenericListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?))
}

fn shown_map(map: &MapArray, entries: &Field, names: ColumnNames) -> Result<ArrayRef, ArrowError> {
    let DataType::Struct(pair) = entries.data_type() else { return Ok(Arc::new(map.clone())) };
    let [key, value] = &pair[..] else { return Ok(Arc::new(map.clone())) };
    let keys = shown(map.keys(), key.data_type(), names)?;
    let values = shown(map.values(), value.data_type(), names)?;
    let fields = Fields::from(vec![
        Field::new("key", keys.data_type().clone(), false),
        Field::new("value", values.data_type().clone(), true),
    ]);
    let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let field = Arc::new(Field::new("entries", DataType::Struct(fields), false));
    Ok(Arc::new(MapArray::try_new(field, map.offsets().clone(), pairs, map.nulls().cloned(), false)?))
}

impl Lake {
    /// The rows of an object that the log of its table says are deleted, in their order.
    pub(crate) fn deleted_rows(&self, object: &Object) -> Result<Option<Vec<u64>>> {
        let Some((file, deleted)) = object.logged.0.as_ref().and_then(|file| Some((file, file.deleted.as_ref()?))) else {
            return Ok(None);
        };
        let engine = LogEngine::new(self, Vec::new());
        let broken = |text: String| {
            Error::data("which rows of a file are deleted cannot be read")
                .with("object", &object.path)
                .source(text)
                .mend("write the file again without its deletion vector (REORG TABLE ... APPLY (PURGE))")
        };
        let rows = indexes(&engine, &file.table.folder, deleted).map_err(|error| match error {
            KernelError::FileNotFound(path) => {
                Error::new(ErrorKind::Unavailable, "a file that says which rows are deleted is gone")
                    .with("object", path)
                    .mend("run again: the table was cleaned up meanwhile; if it stays so, restore the file")
            }
            error => engine.failure().unwrap_or_else(|| broken(error.to_string())),
        })?;
        if i64::try_from(rows.len()) != Ok(deleted.rows) {
            return Err(broken(format!("the log says {} rows, the deletion vector has {}", deleted.rows, rows.len())));
        }
        Ok(Some(rows))
    }
}

fn indexes(engine: &LogEngine, folder: &str, deleted: &DeletedRows) -> KernelResult<Vec<u64>> {
    let DeletedRows { storage, place, offset, bytes, rows } = deleted;
    let vector = DeletionVectorDescriptor::try_new(storage.parse()?, place, *offset, *bytes, *rows)?;
    let root = url_of(folder).map_err(KernelError::generic)?;
    vector.row_indexes(engine.storage_handler(), &root)
}

/// The rows of a file without the deleted ones.
pub(crate) fn without(deleted: &[u64], rows: usize) -> Result<RowSelection> {
    let mut kept = Vec::new();
    let mut next = 0;
    for row in deleted {
        let row = usize::try_from(*row).ok().filter(|row| *row < rows).ok_or_else(|| {
            Error::data(format!("row {row} is deleted by the table's log, and the file has {rows} rows"))
                .mend("restore the file that the log means, or write it again")
        })?;
        kept.push(next..row);
        next = row + 1;
    }
    kept.push(next..rows);
    Ok(RowSelection::from_consecutive_ranges(kept.into_iter().filter(|range| !range.is_empty()), rows))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, ListArray};
    use arrow::buffer::{NullBuffer, OffsetBuffer};
    use arrow::datatypes::TimeUnit;

    use super::*;

    fn field(name: &str, kind: DataType, physical: &str) -> Field {
        Field::new(name, kind, true).with_metadata([(PHYSICAL_NAME.to_string(), physical.to_string())].into())
    }

    fn of_struct(fields: Vec<(&str, ArrayRef)>, nulls: Option<NullBuffer>) -> ArrayRef {
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) =
            fields.into_iter().map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array)).unzip();
        Arc::new(StructArray::new(fields.into(), arrays, nulls))
    }

    fn numbers(numbers: &[i64]) -> ArrayRef {
        Arc::new(Int64Array::from(numbers.to_vec()))
    }

    #[test]
    fn what_lies_within_a_column_has_the_table_s_names_too() {
        let kind = |fields: Vec<Field>| DataType::Struct(fields.into());
        let pair = kind(vec![
            field("a", DataType::Int64, "col-1"),
            field("b", DataType::Int64, "a"),
            field("new", DataType::Utf8, "col-9"),
        ]);
        let nulls = Some(NullBuffer::from(vec![true, false]));
        let stored =
            of_struct(vec![("a", numbers(&[3, 4])), ("gone", numbers(&[5, 6])), ("col-1", numbers(&[1, 2]))], nulls.clone());
        let missing = new_null_array(&DataType::Utf8, 2);
        let expected = of_struct(vec![("a", numbers(&[1, 2])), ("b", numbers(&[3, 4])), ("new", missing)], nulls);
        assert_eq!(&shown(&stored, &pair, ColumnNames::Physical).unwrap(), &expected);

        let offsets = || OffsetBuffer::new(vec![0, 2].into());
        let item = |values: &ArrayRef| Arc::new(Field::new("element", values.data_type().clone(), true));
        let list = |values: &ArrayRef| Arc::new(ListArray::new(item(values), offsets(), values.clone(), None)) as ArrayRef;
        let wanted = DataType::List(Arc::new(Field::new("element", pair.clone(), true)));
        assert_eq!(&shown(&list(&stored), &wanted, ColumnNames::Physical).unwrap(), &list(&expected));

        let map = |values: &ArrayRef| {
            let fields = Fields::from(vec![
                Field::new("key", DataType::Int64, false),
                Field::new("value", values.data_type().clone(), true),
            ]);
            let pairs = StructArray::new(fields.clone(), vec![numbers(&[7, 8]), values.clone()], None);
            let entries = Arc::new(Field::new("entries", DataType::Struct(fields), false));
            Arc::new(MapArray::new(entries, offsets(), pairs, None, false)) as ArrayRef
        };
        let wanted = map(&new_null_array(&pair, 2)).data_type().clone();
        assert_eq!(&shown(&map(&stored), &wanted, ColumnNames::Physical).unwrap(), &map(&expected));
    }

    #[test]
    fn times_are_of_utc_where_the_table_says_so() {
        let stored = cast(&numbers(&[1_000]), &DataType::Timestamp(TimeUnit::Nanosecond, None)).unwrap();
        let of = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Arc::from));
        let kind = |wanted| shown(&stored, &wanted, ColumnNames::Own).unwrap().data_type().clone();
        assert_eq!(kind(of(Some("UTC"))), DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
        assert_eq!(kind(of(None)), DataType::Timestamp(TimeUnit::Nanosecond, None));
    }

    #[test]
    fn rows_without_the_deleted_ones_are_ranges() {
        let ranges = |deleted: &[u64], rows| {
            let selection: Vec<_> = without(deleted, rows).unwrap().into();
            selection
                .iter()
                .map(|selector: &parquet::arrow::arrow_reader::RowSelector| (selector.skip, selector.row_count))
                .collect::<Vec<_>>()
        };
        assert_eq!(ranges(&[], 3), [(false, 3)]);
        assert_eq!(ranges(&[0, 1, 4], 6), [(true, 2), (false, 2), (true, 1), (false, 1)]);
        assert_eq!(ranges(&[1, 2], 3), [(false, 1), (true, 2)]);
        assert_eq!(ranges(&[0, 1], 2).iter().filter(|(is_skipped, _)| !is_skipped).count(), 0);
        assert!(without(&[2], 2).is_err());
    }
}

//! Parquet objects read in batches: only the columns asked for, only the rows a filter lets through.
//!
//! The filter's columns are decoded first; the others are decoded for the rows that pass. Memory is bounded by the batch, which is cut by
//! rows and by bytes, and by what of a row group is fetched at once. Page checksums are verified where there are any.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields, Schema};
use bytes::Bytes;
use futures::StreamExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderBuilder, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter, RowSelection,
    RowSelectionPolicy,
};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;
use parquet::file::statistics::Statistics;

use super::as_bytes;
use super::asked::{Asked, Filter, row_filter};
use super::batches::{ROWS_PER_BATCH, Reading, cut};
use super::blocks::Blocks;
use super::delta::{ColumnPath, FileView, without};
use super::failure::Operation;
use super::fetch::{ObjectReader, external};
use super::open::Lake;
use super::projection::{mask, with_uuids};
use crate::base::error::{Error, Result};
use crate::base::object::Object;
use crate::base::parallel::{on_all_cores, while_waiting};
use crate::base::types::{is_binary, is_text};

/// As many rows are decoded at once to find which column cannot be.
const ROWS_PER_LOOK: usize = 1_024;

/// What to read of an object.
pub struct ReadPlan {
    pub columns: Vec<ColumnPath>,
    pub filter: Option<Filter>,
}

/// Why an object was not read to its end.
enum NotRead {
    Undecodable(ParquetError),
    /// Who took a batch failed.
    Taken(Error),
}

impl From<ParquetError> for NotRead {
    fn from(error: ParquetError) -> NotRead {
        NotRead::Undecodable(error)
    }
}

/// What is decoded of an object.
struct Wanted {
    projection: ProjectionMask,
    /// Where some rows are none of the table's any more, the others.
    rows: Option<RowSelection>,
    filter: Option<RowFilter>,
}

fn configured<T>(builder: ArrowReaderBuilder<T>, reading: &Reading, wanted: Wanted) -> ArrowReaderBuilder<T> {
    // Few rows pass: walking over the others is cheaper than decoding them.
    let builder = builder.with_batch_size(reading.rows_per_batch).with_row_selection_policy(RowSelectionPolicy::Selectors);
    let mut builder = builder.with_projection(wanted.projection);
    if let Some(rows) = wanted.rows {
        builder = builder.with_row_selection(rows);
    }
    match wanted.filter {
        Some(filter) => builder.with_row_filter(filter),
        None => builder,
    }
}

/// A footer whose dictionaries are of texts and bytes only: the reader makes no others of what some writers call so, true and false among
/// them.
fn without_odd_dictionaries(stored: ArrowReaderMetadata) -> Result<ArrowReaderMetadata, ParquetError> {
    let fields: Fields = stored.schema().fields().iter().map(without_odd_dictionary).collect();
    if fields == *stored.schema().fields() {
        return Ok(stored);
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, stored.schema().metadata().clone()));
    ArrowReaderMetadata::try_new(stored.metadata().clone(), ArrowReaderOptions::new().with_schema(schema))
}

fn without_odd_dictionary(field: &Arc<Field>) -> Arc<Field> {
    let kind = match field.data_type() {
        DataType::Dictionary(_, value) if !is_text(value) && !is_binary(value) => value.as_ref().clone(),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(without_odd_dictionary).collect()),
        DataType::List(item) => DataType::List(without_odd_dictionary(item)),
        DataType::LargeList(item) => DataType::LargeList(without_odd_dictionary(item)),
        DataType::Map(entries, is_sorted) => DataType::Map(without_odd_dictionary(entries), *is_sorted),
        _ => return field.clone(),
    };
    if kind == *field.data_type() { field.clone() } else { Arc::new(field.as_ref().clone().with_data_type(kind)) }
}

/// What is read of an object, however its texts are.
struct Pass<'o> {
    object: &'o Object,
    columns: Vec<ColumnPath>,
    filter: Option<Asked>,
    /// Where some rows are none of the table's any more, the others.
    rows: Option<RowSelection>,
}

impl Pass<'_> {
    /// Whether the filter's own test failed.
    fn has_failed(&self) -> bool {
        self.filter.as_ref().is_some_and(Asked::has_failed)
    }

    /// The error of the filter's own test.
    fn failure(&self) -> Option<Error> {
        self.filter.as_ref().and_then(Asked::failure)
    }
}

fn view_of(object: &Object, stored: &ArrowReaderMetadata) -> Result<Arc<FileView>> {
    FileView::new(object, &with_uuids(stored.schema(), stored.parquet_schema())).map(Arc::new)
}

impl Lake {
    /// Reads an object once, batch by batch. `plan` is asked with the object's schema; `each` gets the batches. Of an object without
    /// rows, whose schema may be any, neither is asked. Where a text of it is none, the rest is read with texts as bytes.
    pub fn read_batches(
        &self,
        object: &Object,
        plan: impl FnOnce(&Schema) -> Result<ReadPlan>,
        mut each: impl FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let here = |error: Error| error.with("object", &object.path);
        let mut reader = self.object_reader(self.object_path(&object.path)?, object);
        let deleted = self.deleted_rows(object)?;
        let footer = self.footer(&mut reader).and_then(as_bytes::checked);
        let stored = footer.map_err(|error| self.parquet_error(error, object))?;
        let rows = usize::try_from(stored.metadata().file_metadata().num_rows()).unwrap_or_default();
        if rows == 0 {
            return Ok(());
        }
        let view = view_of(object, &stored).map_err(here)?;
        let ReadPlan { columns, filter } = plan(view.schema()).map_err(here)?;
        let there = deleted.map(|deleted| without(&deleted, rows)).transpose().map_err(here)?;
        let pass = Pass { object, columns, filter: filter.map(Asked::from), rows: there };
        let mut taken = 0;
        let mut take = |batch: RecordBatch| {
            taken += batch.num_rows();
            each(batch)
        };
        let mut read = self.pass(&pass, reader, (stored.clone(), view.clone()), &mut take);
        if let Err(NotRead::Undecodable(error)) = &read
            && as_bytes::is_no_text(error)
            && !pass.has_failed()
        {
            read = self.pass_of_bytes(&pass, &stored, taken, &mut each);
        }
        read.map_err(|error| match (error, pass.failure()) {
            (_, Some(of_test)) => here(of_test),
            (NotRead::Taken(error), None) => error,
            (NotRead::Undecodable(error), None) => {
                let error = self.parquet_error(error, object);
                match self.wait(self.undecodable_column(object, &view.stored(&pass.columns))) {
                    Some(column) => error.with("column", view.name_of(&column)),
                    None => error,
                }
            }
        })
    }

    /// Reads an object once more with its texts as bytes, but for the rows that were taken already: they come first, in the same order.
    fn pass_of_bytes(
        &self,
        pass: &Pass<'_>,
        stored: &ArrowReaderMetadata,
        taken: usize,
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<(), NotRead> {
        let (bytes, mut known) = (as_bytes::all(stored)?, taken);
        let view = view_of(pass.object, &bytes).map_err(NotRead::Taken)?;
        let path = self.object_path(&pass.object.path).map_err(NotRead::Taken)?;
        self.pass(pass, self.object_reader(path, pass.object), (bytes, view), &mut |batch| {
            let passed_over = known.min(batch.num_rows());
            known -= passed_over;
            let rest = batch.num_rows() - passed_over;
            if rest > 0 { each(batch.slice(passed_over, rest)) } else { Ok(()) }
        })
    }

    /// Reads an object by this footer, which shows itself so.
    fn pass(
        &self,
        pass: &Pass<'_>,
        reader: ObjectReader,
        (stored, view): (ArrowReaderMetadata, Arc<FileView>),
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<(), NotRead> {
        let Pass { object, columns, filter, rows } = pass;
        let here = |error: Error| error.with("object", &object.path);
        let projection = mask(&view.stored(columns), stored.parquet_schema());
        let mut all = projection.clone();
        let filter = filter.as_ref().map(|filter| (mask(&view.stored(&filter.columns), stored.parquet_schema()), filter));
        filter.iter().for_each(|(of_filter, _)| all.union(of_filter));
        let reading = Reading::of(stored, &all);
        // An error of the test would lose its kind inside the Parquet reader.
        let filter = filter.map(|(of_filter, filter)| row_filter(of_filter, filter, view.clone()));
        let wanted = Wanted { projection, rows: rows.clone(), filter };
        let mut take = |batch: RecordBatch| {
            cut(batch).into_iter().try_for_each(|part| {
                let shown = view.shown(part, columns).map_err(|error| here(unreadable(object, error.into())))?;
                each(shown).map_err(here)
            })
        };
        if reading.is_by_pieces {
            self.by_pieces(reader, &reading, wanted, &mut take)
        } else {
            self.by_groups(reader, &reading, wanted, &mut take)
        }
    }

    /// An object's footer. The Arrow schema that some writers leave in it may be none that can be read, and is not needed.
    fn footer(&self, reader: &mut ObjectReader) -> Result<ArrowReaderMetadata, ParquetError> {
        let mut load = |options| self.wait(ArrowReaderMetadata::load_async(reader, options));
        let loaded = catch_unwind(AssertUnwindSafe(|| load(ArrowReaderOptions::new())));
        loaded
            .unwrap_or_else(|_| load(ArrowReaderOptions::new().with_skip_arrow_metadata(true)))
            .and_then(without_odd_dictionaries)
    }

    /// Reads row groups, each fetched at once.
    fn by_groups(
        &self,
        reader: ObjectReader,
        reading: &Reading,
        wanted: Wanted,
        take: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<(), NotRead> {
        let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, reading.metadata.clone());
        let mut batches = configured(builder, reading, wanted).build()?;
        self.wait(async {
            while let Some(batch) = batches.next().await {
                take(batch?).map_err(NotRead::Taken)?;
            }
            Ok(())
        })
    }

    /// Reads row groups that are too large for that, block by block.
    fn by_pieces(
        &self,
        reader: ObjectReader,
        reading: &Reading,
        wanted: Wanted,
        take: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<(), NotRead> {
        let blocks =
            Blocks::new(reader.object.size, move |from, to| reader.lake.wait(reader.fetch_range(from..to)).map_err(external));
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(blocks, reading.metadata.clone());
        for batch in configured(builder, reading, wanted).build()? {
            take(batch.map_err(ParquetError::from)?).map_err(NotRead::Taken)?;
        }
        Ok(())
    }

    /// The schema in an object's footer; none of an object without rows, whose schema may be any.
    pub fn schema(&self, object: &Object) -> Result<Option<Schema>> {
        let mut reader = self.object_reader(self.object_path(&object.path)?, object);
        let builder = self.footer(&mut reader).map_err(|error| self.parquet_error(error, object))?;
        if builder.metadata().file_metadata().num_rows() == 0 {
            return Ok(None);
        }
        let view = FileView::new(object, &with_uuids(builder.schema(), builder.parquet_schema()))?;
        Ok(Some(Schema::clone(view.schema())))
    }

    /// The number of rows and the schema that an object's footer states, and what it says of a column of integers or timestamps as
    /// it is stored: none where it does not tell, or there is no value.
    pub fn stored_span(&self, object: &Object, column: &str) -> Result<(i64, arrow::datatypes::SchemaRef, Option<StoredSpan>)> {
        let mut reader = self.object_reader(self.object_path(&object.path)?, object);
        let opened = self.footer(&mut reader).map_err(|error| self.parquet_error(error, object))?;
        let view = FileView::new(object, opened.schema())?;
        let stored_as = view.stored(&[(column.to_string(), None)]);
        let of_group = |group: &parquet::file::metadata::RowGroupMetaData| {
            let (name, _) = stored_as.first()?;
            let chunk = group.columns().iter().find(|chunk| chunk.column_path().parts() == std::slice::from_ref(name))?;
            let statistics = chunk.statistics()?;
            let has_nulls = statistics.null_count_opt() != Some(0);
            match statistics {
                Statistics::Int64(values) => Some(StoredSpan { low: *values.min_opt()?, high: *values.max_opt()?, has_nulls }),
                _ => None,
            }
        };
        let groups = opened.metadata().row_groups().iter().filter(|group| group.num_rows() > 0);
        let spans: Option<Vec<StoredSpan>> = groups.map(of_group).collect();
        let together = |a: StoredSpan, b: StoredSpan| StoredSpan {
            low: a.low.min(b.low),
            high: a.high.max(b.high),
            has_nulls: a.has_nulls || b.has_nulls,
        };
        let deleted = object.logged.0.as_ref().and_then(|file| file.deleted.as_ref()).map_or(0, |deleted| deleted.rows);
        let rows = opened.metadata().file_metadata().num_rows() - deleted;
        Ok((rows, view.schema().clone(), spans.and_then(|spans| spans.into_iter().reduce(together))))
    }

    /// Does work on several items at once, of which each reads. On a local disk that keeps the processor busy, elsewhere it waits.
    pub fn on_each<T: Sync, R: Send>(&self, items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Vec<Result<R>> {
        if self.disk.is_some() { on_all_cores(items, work) } else { while_waiting(items, work) }
    }

    /// All rows of an object in these columns; those that it lacks are left out. For a small object of which most columns are
    /// wanted: it is fetched whole, at once.
    pub fn read_columns(&self, object: &Object, columns: &[(&str, TextForm)]) -> Result<Vec<RecordBatch>> {
        let bytes = self.whole(object)?;
        decoded(bytes, columns).map_err(|error| {
            let error = self.parquet_error(error, object);
            let paths: Vec<ColumnPath> = columns.iter().map(|(column, _)| (column.to_string(), None)).collect();
            match self.wait(self.undecodable_column(object, &paths)) {
                Some(column) => error.with("column", column),
                None => error,
            }
        })
    }

    fn whole(&self, object: &Object) -> Result<Bytes> {
        // On a disk an object is replaced by a rename: what was opened stays what it is. What cannot be read is classified below.
        let on_disk = self.disk.as_ref().and_then(|disk| std::fs::read(disk.join(&object.path)).ok()).map(Bytes::from);
        if let Some(bytes) = on_disk {
            self.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            return Ok(bytes);
        }
        let reader = self.object_reader(self.object_path(&object.path)?, object);
        let fetched = self.wait(reader.fetch_range(0..object.size));
        fetched.map_err(|error| self.failure(Operation::Read, &object.path, error))
    }

    /// The first of these columns that cannot be decoded, found by reading each alone.
    async fn undecodable_column(&self, object: &Object, columns: &[ColumnPath]) -> Option<String> {
        let location = self.object_path(&object.path).ok()?;
        for path in columns {
            let reader = self.object_reader(location.clone(), object);
            let builder = ParquetRecordBatchStreamBuilder::new(reader).await.ok()?;
            let projection = mask(std::slice::from_ref(path), builder.parquet_schema());
            let mut batches = builder.with_batch_size(ROWS_PER_LOOK).with_projection(projection).build().ok()?;
            while let Some(batch) = batches.next().await {
                if batch.is_err() {
                    return Some(path.0.clone());
                }
            }
        }
        None
    }
}

/// Reads what may be a broken file: some make the Parquet reader panic, and that is a broken file, not a broken run.
pub(crate) fn readable<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Error::data("the partition is not readable Parquet").mend("write its files again")))
}

/// The form in which the texts of a column are wanted; other columns come as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextForm {
    AsStored,
    /// Views into what was decoded: many different texts.
    Views,
    /// Numbers into a dictionary: few texts, again and again.
    Numbered,
}

impl TextForm {
    fn wanted(self, stored: &DataType) -> DataType {
        match (self, stored) {
            (TextForm::Views, DataType::Utf8) => DataType::Utf8View,
            (TextForm::Numbered, DataType::Utf8) => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            _ => stored.clone(),
        }
    }
}

fn decoded(bytes: Bytes, columns: &[(&str, TextForm)]) -> Result<Vec<RecordBatch>, ParquetError> {
    let stored = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new())?;
    let wanted = |field: &Arc<Field>| {
        let texts = columns.iter().find(|(column, _)| column == field.name()).map_or(TextForm::AsStored, |(_, texts)| *texts);
        match texts.wanted(field.data_type()) {
            same if same == *field.data_type() => field.clone(),
            wanted => Arc::new(field.as_ref().clone().with_data_type(wanted)),
        }
    };
    let fields: Fields = stored.schema().fields().iter().map(wanted).collect();
    let metadata = if fields == *stored.schema().fields() {
        stored
    } else {
        let schema = Arc::new(Schema::new_with_metadata(fields, stored.schema().metadata().clone()));
        ArrowReaderMetadata::try_new(stored.metadata().clone(), ArrowReaderOptions::new().with_schema(schema))?
    };
    let paths: Vec<ColumnPath> = columns.iter().map(|(column, _)| (column.to_string(), None)).collect();
    let projection = mask(&paths, metadata.parquet_schema());
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata);
    let batches = reader.with_batch_size(ROWS_PER_BATCH).with_projection(projection).build()?;
    batches.collect::<Result<_, _>>().map_err(ParquetError::from)
}

/// What a footer says of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredSpan {
    pub low: i64,
    pub high: i64,
    pub has_nulls: bool,
}

impl Lake {
    /// A storage error inside a Parquet error is about storage; any other is about the object's content.
    fn parquet_error(&self, error: ParquetError, object: &Object) -> Error {
        match error {
            ParquetError::External(inner) => match inner.downcast::<object_store::Error>() {
                Ok(inner) => self.failure(Operation::Read, &object.path, *inner),
                Err(inner) => unreadable(object, inner),
            },
            error => unreadable(object, error.into()),
        }
    }
}

fn unreadable(object: &Object, error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::data("the object is not readable Parquet")
        .with("object", &object.path)
        .source(error)
        .mend("write the file again, whole and not encrypted, or remove it; files still being written need a name that starts with _ or .")
}

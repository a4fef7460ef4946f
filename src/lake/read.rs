//! Parquet objects read in batches: only the columns asked for, only the rows a filter lets through.
//!
//! The filter's columns are decoded first; the others are decoded for the rows that pass. Memory is bounded by the batch.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use arrow::error::ArrowError;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{GetOptions, OBJECT_STORE_COALESCE_DEFAULT, ObjectStore, coalesce_ranges};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter, RowSelectionPolicy,
};
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;
use parquet::schema::types::SchemaDescriptor;

use super::delta::{ColumnPath, FileView, without};
use super::failure::Operation;
use super::objects::bytes_of;
use super::open::Lake;
use crate::base::bound::describe;
use crate::base::error::{Error, Result};
use crate::base::object::Object;
use crate::base::parallel::{on_all_cores, while_waiting};

const ROWS_PER_BATCH: usize = 65_536;

/// What is fetched from an object's end at first: the whole footer of most files, in one request.
const FOOTER_BYTES: usize = 64 * 1024;

/// What to read of an object.
pub struct ReadPlan {
    pub columns: Vec<ColumnPath>,
    pub filter: Option<Filter>,
}

type Test = Box<dyn FnMut(&RecordBatch) -> Result<BooleanArray> + Send>;

/// Which rows to read: a test on some columns.
pub struct Filter {
    pub columns: Vec<ColumnPath>,
    pub test: Test,
}

/// The leaves of these columns. A field of a struct is read alone; of a map or a text, the whole column.
fn mask(columns: &[ColumnPath], parquet: &SchemaDescriptor) -> ProjectionMask {
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

impl Lake {
    /// Reads an object once, batch by batch. `plan` is asked with the object's schema; `each` gets the batches.
    pub fn read_batches(
        &self,
        object: &Object,
        plan: impl FnOnce(&Schema) -> Result<ReadPlan>,
        mut each: impl FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let here = |error: Error| error.with("object", &object.path);
        let location = self.object_path(&object.path)?;
        let reader = self.object_reader(location, object);
        let deleted = self.deleted_rows(object)?;
        self.wait(async {
            let builder =
                ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|error| self.parquet_error(error, object))?;
            let view = Arc::new(FileView::new(object, builder.schema()).map_err(here)?);
            let plan = plan(view.schema()).map_err(here)?;
            let columns = view.stored(&plan.columns);
            let projection = mask(&columns, builder.parquet_schema());
            // An error of the test would lose its kind inside the Parquet reader.
            let failed: Arc<Mutex<Option<Error>>> = Arc::default();
            // Few rows pass: walking over the others is cheaper than decoding them.
            let mut builder = builder.with_batch_size(ROWS_PER_BATCH).with_row_selection_policy(RowSelectionPolicy::Selectors);
            if let Some(deleted) = deleted {
                let rows = builder.metadata().file_metadata().num_rows();
                builder = builder.with_row_selection(without(&deleted, usize::try_from(rows).unwrap_or_default()).map_err(here)?);
            }
            if let Some(mut filter) = plan.filter {
                let failed = failed.clone();
                let filter_mask = mask(&view.stored(&filter.columns), builder.parquet_schema());
                let of_filter = view.clone();
                let predicate = ArrowPredicateFn::new(filter_mask, move |batch| {
                    (filter.test)(&of_filter.shown(batch, &filter.columns)?).map_err(|error| {
                        let text = error.to_string();
                        if let Ok(mut failed) = failed.lock() {
                            *failed = Some(error);
                        }
                        ArrowError::ComputeError(text)
                    })
                });
                builder = builder.with_row_filter(RowFilter::new(vec![Box::new(predicate)]));
            }
            let mut batches = builder.with_projection(projection).build().map_err(|error| self.parquet_error(error, object))?;
            while let Some(batch) = batches.next().await {
                match batch {
                    Ok(batch) => {
                        let shown = view.shown(batch, &plan.columns).map_err(|error| here(unreadable(object, error.into())))?;
                        each(shown).map_err(here)?;
                    }
                    Err(error) => {
                        if let Some(of_test) = failed.lock().ok().and_then(|mut failed| failed.take()) {
                            return Err(here(of_test));
                        }
                        let error = self.parquet_error(error, object);
                        return Err(match self.undecodable_column(object, &columns).await {
                            Some(column) => error.with("column", view.name_of(&column)),
                            None => error,
                        });
                    }
                }
            }
            Ok(())
        })
    }

    /// The schema in an object's footer.
    pub fn schema(&self, object: &Object) -> Result<arrow::datatypes::SchemaRef> {
        let reader = self.object_reader(self.object_path(&object.path)?, object);
        let opened = self.wait(ParquetRecordBatchStreamBuilder::new(reader));
        let opened = opened.map_err(|error| self.parquet_error(error, object))?;
        Ok(FileView::new(object, opened.schema())?.schema().clone())
    }

    /// The number of rows and the schema that an object's footer states, and what it says of a column of integers or timestamps as
    /// it is stored: none where it does not tell, or there is no value.
    pub fn stored_span(&self, object: &Object, column: &str) -> Result<(i64, arrow::datatypes::SchemaRef, Option<StoredSpan>)> {
        let reader = self.object_reader(self.object_path(&object.path)?, object);
        let opened =
            self.wait(ParquetRecordBatchStreamBuilder::new(reader)).map_err(|error| self.parquet_error(error, object))?;
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

    /// All rows of an object in these columns; optional ones it lacks are left out.
    pub fn read_rows(
        &self,
        object: &Object,
        required: &[&'static str],
        optional: &[&'static str],
        each: impl FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let present = |schema: &Schema| {
            let has = |column: &&&'static str| schema.field_with_name(column).is_ok();
            if let Some(missing) = required.iter().find(|column| !has(column)) {
                return Err(Error::data(format!("required column {missing} is missing"))
                    .with("column", missing)
                    .with("columns it has", describe(schema))
                    .mend("write the table in the contract's columns"));
            }
            let columns = required.iter().chain(optional).filter(has).map(|column| (column.to_string(), None)).collect();
            Ok(ReadPlan { columns, filter: None })
        };
        self.read_batches(object, present, each)
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

    fn object_reader(&self, location: Path, object: &Object) -> ObjectReader {
        ObjectReader { lake: self.clone(), location, object: object.clone(), tail: None }
    }

    /// The first of these columns that cannot be decoded, found by reading each alone.
    async fn undecodable_column(&self, object: &Object, columns: &[ColumnPath]) -> Option<String> {
        let location = self.object_path(&object.path).ok()?;
        for path in columns {
            let reader = self.object_reader(location.clone(), object);
            let builder = ParquetRecordBatchStreamBuilder::new(reader).await.ok()?;
            let projection = mask(std::slice::from_ref(path), builder.parquet_schema());
            let mut batches = builder.with_projection(projection).build().ok()?;
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

/// Ranged reads of one object, counted.
struct ObjectReader {
    lake: Lake,
    location: Path,
    object: Object,
    /// The object's end, from this offset on, as it was fetched for the footer: all of a small object.
    tail: Option<(u64, Bytes)>,
}

impl ObjectReader {
    /// The bytes of a range, if they were fetched already.
    fn fetched(&self, range: &Range<u64>) -> Option<Bytes> {
        let (start, bytes) = self.tail.as_ref()?;
        let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
        let to = from.checked_add(usize::try_from(range.end.checked_sub(range.start)?).ok()?)?;
        (to <= bytes.len()).then(|| bytes.slice(from..to))
    }

    /// Some bytes, of the version that was listed: a file replaced meanwhile is never read half and half.
    async fn fetch_range(&self, range: Range<u64>) -> object_store::Result<Bytes> {
        let options = GetOptions { if_match: Some(self.object.stored_version().to_string()), ..GetOptions::default() };
        let found = self.lake.store.get_opts(&self.location, GetOptions { range: Some(range.into()), ..options }).await?;
        let bytes = bytes_of(found).await?;
        self.lake.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            if let Some(bytes) = self.fetched(&range) {
                return Ok(bytes);
            }
            self.fetch_range(range).await.map_err(external)
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move {
            if let Some(chunks) = ranges.iter().map(|range| self.fetched(range)).collect() {
                return Ok(chunks);
            }
            coalesce_ranges(&ranges, |range| self.fetch_range(range), OBJECT_STORE_COALESCE_DEFAULT).await.map_err(external)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let reader = ParquetMetaDataReader::new()
            .with_metadata_options(options.map(|options| options.metadata_options().clone()))
            .with_prefetch_hint(Some(FOOTER_BYTES));
        let size = self.object.size;
        async move { reader.load_and_finish(FooterFetch(self), size).await.map(Arc::new) }.boxed()
    }
}

struct FooterFetch<'a>(&'a mut ObjectReader);

impl MetadataFetch for FooterFetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let start = range.start;
            let bytes = self.0.get_bytes(range).await?;
            if self.0.tail.is_none() {
                self.0.tail = Some((start, bytes.clone()));
            }
            Ok(bytes)
        }
        .boxed()
    }
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
        .mend("write the file again, or remove it; files still being written need a name that starts with _ or .")
}

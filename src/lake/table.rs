//! Our own tables as the bytes of Parquet files, and read back.
//!
//! The same rows give the same bytes: fixed writer settings, no time, no path, one row group size.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelectionPolicy,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};

use crate::base::error::{Error, Result};

const ROWS_PER_GROUP: usize = 1 << 20;
const ROWS_PER_PAGE: usize = 1 << 13;

fn not_written(error: ParquetError) -> Error {
    Error::bug("a table cannot be written as Parquet").source(error)
}

fn not_readable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::data("a stored table is not readable Parquet").source(error)
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_created_by("ctwa".to_string()).set_max_row_group_row_count(Some(ROWS_PER_GROUP))
}

/// A table as the bytes of a Parquet file.
pub fn encode(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Bytes> {
    let level = ZstdLevel::try_new(3).map_err(not_written)?;
    write(schema, batches, properties().set_compression(Compression::ZSTD(level)).build())
}

/// A working table as the bytes of a Parquet file: read back soon, mostly ids, hashes and times, of which few repeat.
pub fn encode_working(schema: &SchemaRef, batch: &RecordBatch) -> Result<Bytes> {
    // Some rows are read without the others: a page is what is decoded at least.
    let mut properties = properties()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_row_count_limit(ROWS_PER_PAGE);
    for id in ["contact_id", "message_id", "event_id"] {
        properties = properties.set_column_dictionary_enabled(id.into(), false);
    }
    for number in schema.fields().iter().filter(|field| *field.data_type() == DataType::Int64) {
        let column = || number.name().as_str().into();
        properties =
            properties.set_column_dictionary_enabled(column(), false).set_column_compression(column(), Compression::UNCOMPRESSED);
    }
    write(schema, std::slice::from_ref(batch), properties.build())
}

fn write(schema: &SchemaRef, batches: &[RecordBatch], properties: WriterProperties) -> Result<Bytes> {
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(not_written)?;
    for batch in batches {
        writer.write(batch).map_err(not_written)?;
    }
    Ok(Bytes::from(writer.into_inner().map_err(not_written)?))
}

/// The rows of an encoded table of ours.
pub fn decode(bytes: Bytes) -> Result<Vec<RecordBatch>> {
    StoredTable::new(bytes)?.all()
}

/// The schema and the number of rows that the footer of an encoded table states.
pub fn read_footer_schema(bytes: &Bytes) -> Result<(Arc<Schema>, i64)> {
    let metadata = ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new())
        .map_err(|error| Error::bug("the Parquet just written cannot be read back").source(error))?;
    Ok((metadata.schema().clone(), metadata.metadata().file_metadata().num_rows()))
}

/// An encoded table of ours, of which parts are decoded.
pub struct StoredTable {
    bytes: Bytes,
    metadata: ArrowReaderMetadata,
}

impl StoredTable {
    pub fn new(bytes: Bytes) -> Result<StoredTable> {
        let metadata = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).map_err(not_readable)?;
        Ok(StoredTable { bytes, metadata })
    }

    fn rows_stored(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or_default()
    }

    fn reader(&self, rows: usize) -> ParquetRecordBatchReaderBuilder<Bytes> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), self.metadata.clone());
        // The reader takes memory for a whole batch at once.
        builder.with_batch_size(rows.clamp(1, ROWS_PER_GROUP))
    }

    pub fn all(&self) -> Result<Vec<RecordBatch>> {
        read(self.reader(self.rows_stored()))
    }

    /// All rows, in these columns.
    pub fn columns(&self, columns: &[&str]) -> Result<Vec<RecordBatch>> {
        let projection = ProjectionMask::columns(self.metadata.parquet_schema(), columns.iter().copied());
        read(self.reader(self.rows_stored()).with_projection(projection))
    }

    /// The rows of these indices, which are in ascending order.
    pub fn rows(&self, rows: &[u32]) -> Result<Vec<RecordBatch>> {
        let runs = rows.chunk_by(|a, b| a + 1 == *b).map(|run| run[0] as usize..run[run.len() - 1] as usize + 1);
        let selection = RowSelection::from_consecutive_ranges(runs, self.rows_stored());
        let reader = self.reader(rows.len()).with_row_selection(selection);
        read(reader.with_row_selection_policy(RowSelectionPolicy::Selectors))
    }
}

fn read(reader: ParquetRecordBatchReaderBuilder<Bytes>) -> Result<Vec<RecordBatch>> {
    reader.build().map_err(not_readable)?.map(|batch| batch.map_err(not_readable)).collect()
}

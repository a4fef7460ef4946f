//! The sample's files as bytes: what both lakes share. A table becomes one Parquet file whose bytes depend on its rows alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

/// Path inside `sample_data/` -> content.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Columns in the order in which the file has them.
pub struct Table(Vec<(&'static str, ArrayRef)>);

impl Table {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    pub fn column(mut self, name: &'static str, values: impl Array + 'static) -> Self {
        self.0.push((name, Arc::new(values)));
        self
    }

    pub fn text<T: AsRef<str>>(self, name: &'static str, values: impl Iterator<Item = Option<T>>) -> Self {
        self.column(name, values.collect::<StringArray>())
    }

    pub fn count(self, name: &'static str, values: impl Iterator<Item = Option<i64>>) -> Self {
        self.column(name, values.collect::<Int64Array>())
    }

    /// Microseconds since 1970, in UTC.
    pub fn instant(self, name: &'static str, values: impl Iterator<Item = Option<i64>>) -> Self {
        self.column(name, values.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    }

    /// Millionths as decimal(18,6).
    pub fn money(self, name: &'static str, values: impl Iterator<Item = i64>) -> Self {
        let millionths: Decimal128Array = values.map(|value| Some(i128::from(value))).collect();
        self.column(name, millionths.with_precision_and_scale(18, 6).expect("a valid decimal"))
    }

    /// The writer's name would change with every version of the crate, and Arrow's own schema is of no use to other readers.
    pub fn into_parquet(self) -> Vec<u8> {
        let rows = RecordBatch::try_from_iter_with_nullable(self.0.into_iter().map(|(name, values)| (name, values, true)))
            .expect("columns of one length");
        let properties = WriterProperties::builder()
            .set_created_by("ctwa sample".into())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(9).expect("a level")))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), rows.schema(), options).expect("a schema");
        writer.write(&rows).expect("rows of the schema");
        writer.into_inner().expect("a whole file")
    }
}

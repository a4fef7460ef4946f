//! An object's bytes, fetched for the Parquet reader: of the version that was listed, counted, the footer's once.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{GetOptions, OBJECT_STORE_COALESCE_DEFAULT, ObjectStore, coalesce_ranges};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::objects::bytes_of;
use super::open::Lake;
use crate::base::object::Object;

/// What is fetched from an object's end at first: the whole footer of most files, in one request.
const FOOTER_BYTES: usize = 64 * 1024;

impl Lake {
    pub(super) fn object_reader(&self, location: Path, object: &Object) -> ObjectReader {
        ObjectReader { lake: self.clone(), location, object: object.clone(), tail: None }
    }
}

/// Ranged reads of one object, counted.
pub(super) struct ObjectReader {
    pub lake: Lake,
    location: Path,
    pub object: Object,
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
    pub(super) async fn fetch_range(&self, range: Range<u64>) -> object_store::Result<Bytes> {
        let options = GetOptions { if_match: Some(self.object.stored_version().to_string()), ..GetOptions::default() };
        let found = self.lake.store.get_opts(&self.location, GetOptions { range: Some(range.into()), ..options }).await?;
        let bytes = bytes_of(found).await?;
        self.lake.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

pub(super) fn external(error: object_store::Error) -> ParquetError {
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

//! Tables as Parquet bytes, and their publication.
//!
//! The same rows give the same bytes: fixed writer settings, no time, no path, one row group size.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use object_store::ObjectStoreExt;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::{Error, ErrorKind, Result};

use super::{Lake, io_error, storage_error, version};

const ROWS_PER_GROUP: usize = 1 << 20;

/// A table as the bytes of a Parquet file.
pub fn encode(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Bytes> {
    let failed = |error: parquet::errors::ParquetError| Error::bug("a table cannot be written as Parquet").source(error);
    let level = ZstdLevel::try_new(3).map_err(failed)?;
    let properties = WriterProperties::builder()
        .set_created_by("ctwa".to_string())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(failed)?;
    for batch in batches {
        writer.write(batch).map_err(failed)?;
    }
    Ok(Bytes::from(writer.into_inner().map_err(failed)?))
}

/// The rows of an encoded table of ours.
pub fn decode(bytes: Bytes) -> Result<Vec<RecordBatch>> {
    let failed = |error: parquet::errors::ParquetError| Error::data("a stored table is not readable Parquet").source(error);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .map_err(failed)?
        .with_batch_size(ROWS_PER_GROUP)
        .build()
        .map_err(failed)?;
    reader.map(|batch| batch.map_err(|error| Error::data("a stored table is not readable Parquet").source(error))).collect()
}

/// The schema and the number of rows that the footer of an encoded table states.
pub fn read_footer_schema(bytes: &Bytes) -> Result<(Arc<Schema>, i64)> {
    let metadata = ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new())
        .map_err(|error| Error::bug("the Parquet just written cannot be read back").source(error))?;
    Ok((metadata.schema().clone(), metadata.metadata().file_metadata().num_rows()))
}

static STAGED: AtomicU64 = AtomicU64::new(0);

impl Lake {
    /// Replaces an object at once.
    ///
    /// On a local disk the bytes are staged under `work/staging/` of this location, flushed to the disk and renamed, so that
    /// nothing else ever lies in the target's folder. Returns the version that listings show from now on.
    pub fn publish(&self, path: &str, bytes: Bytes) -> Result<String> {
        let location = self.object_path(path)?;
        let failed = |error| storage_error(error, path);
        let put_version = match &self.disk {
            Some(disk) => publish_on_disk(disk, path, &bytes).map(|()| None)?,
            None => self.runtime.block_on(self.store.put(&location, bytes.into())).map_err(failed)?.e_tag,
        };
        match put_version {
            Some(version) => Ok(version),
            None => self.runtime.block_on(self.store.head(&location)).map(|meta| version(&meta)).map_err(failed),
        }
    }

    /// Whether this location could be written to, as far as can be told without writing.
    pub fn check_writable(&self) -> Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let existing = disk.ancestors().find(|folder| folder.exists());
        match existing.map(|folder| (folder, std::fs::metadata(folder))) {
            Some((_, Ok(metadata))) if metadata.is_dir() && !metadata.permissions().readonly() => Ok(()),
            Some((folder, _)) => Err(Error::new(ErrorKind::Denied, "the output cannot be written")
                .with("folder", folder.display())
                .mend("give this user the permission, or correct [output] url")),
            None => Ok(()),
        }
    }

    /// Removes an object; it is no error when there is none.
    pub fn remove(&self, path: &str) -> Result<()> {
        let location = self.object_path(path)?;
        match self.runtime.block_on(self.store.delete(&location)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(storage_error(error, path)),
        }
        if let Some(disk) = &self.disk
            && let Some(folder) = disk.join(path).parent()
        {
            // An empty day folder would show up as a partition without a file; a folder with files stays.
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }
}

fn publish_on_disk(disk: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let target = disk.join(path);
    let failed =
        |error: std::io::Error| io_error("an object cannot be written", &error).with("object", target.display()).source(error);
    let folder = target.parent().map_or(disk.to_path_buf(), Path::to_path_buf);
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let staging = disk.join("work/staging");
    std::fs::create_dir_all(&staging).map_err(failed)?;
    let staged: PathBuf = staging.join(format!("{}-{}", std::process::id(), STAGED.fetch_add(1, Ordering::Relaxed)));
    // What lies under work/ can be made anew: a power cut may lose it, and its receipts tell.
    let is_durable = !path.starts_with("work/");
    let written = (|| {
        let mut file = std::fs::File::create(&staged)?;
        file.write_all(bytes)?;
        if is_durable {
            file.sync_all()?;
        }
        std::fs::rename(&staged, &target)?;
        if is_durable { std::fs::File::open(&folder)?.sync_all() } else { Ok(()) }
    })();
    written.map_err(|error| {
        let _ = std::fs::remove_file(&staged);
        failed(error)
    })
}

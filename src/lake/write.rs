//! Tables as Parquet bytes, and their publication.
//!
//! The same rows give the same bytes: fixed writer settings, no time, no path, one row group size.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutResult, UpdateVersion};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelectionPolicy,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};

use crate::error::{Error, ErrorKind, Result};

use super::Lake;
use super::failure::{Operation, io_error};

pub(super) const STAGING: &str = "work/staging";

const ROWS_PER_GROUP: usize = 1 << 20;
const ROWS_PER_PAGE: usize = 1 << 13;

fn not_written(error: parquet::errors::ParquetError) -> Error {
    Error::bug("a table cannot be written as Parquet").source(error)
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_created_by("ctwa".to_string()).set_max_row_group_row_count(Some(ROWS_PER_GROUP))
}

/// A table as the bytes of a Parquet file.
pub fn encode(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Bytes> {
    let level = ZstdLevel::try_new(3).map_err(not_written)?;
    write(schema, batches, properties().set_compression(Compression::ZSTD(level)).build())
}

/// A working table as the bytes of a Parquet file: read back whole and soon, mostly ids of which few repeat.
pub fn encode_working(schema: &SchemaRef, batch: &RecordBatch) -> Result<Bytes> {
    // Some rows are read without the others: a page is what is decoded at least.
    let mut properties = properties()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_row_count_limit(ROWS_PER_PAGE);
    for id in ["contact_id", "message_id", "event_id"] {
        properties = properties.set_column_dictionary_enabled(id.into(), false);
    }
    write(schema, std::slice::from_ref(batch), properties.build())
}

fn write(schema: &SchemaRef, batches: &[RecordBatch], properties: WriterProperties) -> Result<Bytes> {
    let failed = not_written;
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(failed)?;
    for batch in batches {
        writer.write(batch).map_err(failed)?;
    }
    Ok(Bytes::from(writer.into_inner().map_err(failed)?))
}

/// The rows of an encoded table of ours.
pub fn decode(bytes: Bytes) -> Result<Vec<RecordBatch>> {
    let failed = |error: parquet::errors::ParquetError| Error::data("a stored table is not readable Parquet").source(error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(failed)?;
    // The reader takes memory for a whole batch at once.
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
    let reader = builder.with_batch_size(rows.clamp(1, ROWS_PER_GROUP)).build().map_err(failed)?;
    reader.map(|batch| batch.map_err(|error| Error::data("a stored table is not readable Parquet").source(error))).collect()
}

/// These rows of an encoded table of ours, as indices in ascending order.
pub fn decode_rows(bytes: Bytes, rows: &[u32]) -> Result<Vec<RecordBatch>> {
    let failed = |error: parquet::errors::ParquetError| Error::data("a stored table is not readable Parquet").source(error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(failed)?;
    let total = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
    let runs = rows.chunk_by(|a, b| a + 1 == *b).map(|run| run[0] as usize..run[run.len() - 1] as usize + 1);
    let reader = builder
        .with_row_selection(RowSelection::from_consecutive_ranges(runs, total))
        .with_row_selection_policy(RowSelectionPolicy::Selectors)
        .with_batch_size(rows.len().clamp(1, ROWS_PER_GROUP))
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
    /// On a local disk the bytes are staged in a folder of this location, flushed to the disk and renamed; a folder that is
    /// new comes with its object in it. So nothing else ever lies in the target's folder, and no folder is ever empty. Returns the
    /// version that listings show from now on.
    pub fn publish(&self, path: &str, bytes: Bytes) -> Result<String> {
        let location = self.object_path(path)?;
        let failed = |error| self.failure(Operation::Write, path, error);
        let put_tag = match &self.disk {
            Some(disk) => publish_on_disk(disk, &self.staging, path, &bytes).map(|()| None)?,
            None => self.runtime.block_on(self.store.put(&location, bytes.into())).map_err(failed)?.e_tag,
        };
        match put_tag {
            Some(tag) => Ok(self.version_of(tag)),
            None => self.runtime.block_on(self.store.head(&location)).map(|meta| self.version(&meta)).map_err(failed),
        }
    }

    /// What a run that died left in staging belongs to nobody.
    pub(super) fn sweep_staging(&self) {
        if let Some(disk) = &self.disk {
            let _ = fs::remove_dir_all(disk.join(&self.staging));
        }
    }

    /// Replaces an object of a store only if it is still of this version, or with none, only if there is none: otherwise an error of
    /// kind conflict. A put whose reply was lost finds its own bytes there, which is no conflict.
    pub(super) fn publish_over(&self, path: &str, bytes: Bytes, version: Option<&str>) -> Result<String> {
        let put = match version {
            Some(version) => self.update(path, bytes.clone(), version)?,
            None => self.create(path, bytes.clone())?,
        };
        if let Some(version) = put {
            return Ok(version);
        }
        match self.get_versioned(path)? {
            Some((there, version)) if there == bytes => Ok(version),
            _ => Err(Error::new(ErrorKind::Conflict, "an object was replaced or removed since this run looked")
                .with("object", path)
                .mend("see which other run writes to this output; run again when it has finished")),
        }
    }

    /// Makes an object of a store that is not there yet: none when it is.
    pub(super) fn create(&self, path: &str, bytes: Bytes) -> Result<Option<String>> {
        self.put_if(path, bytes, PutMode::Create)
    }

    /// Replaces this version of an object of a store: none when it is another by now.
    pub(super) fn update(&self, path: &str, bytes: Bytes, version: &str) -> Result<Option<String>> {
        self.put_if(path, bytes, PutMode::Update(UpdateVersion { e_tag: Some(version.to_string()), version: None }))
    }

    fn put_if(&self, path: &str, bytes: Bytes, mode: PutMode) -> Result<Option<String>> {
        let location = self.object_path(path)?;
        match self.runtime.block_on(self.store.put_opts(&location, bytes.clone().into(), mode.into())) {
            Ok(PutResult { e_tag: Some(tag), .. }) => Ok(Some(self.version_of(tag))),
            Ok(_) => Err(Error::bug("the store gives no version of what it keeps").with("object", path)),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(None),
            Err(error) => {
                let error = self.failure(Operation::Write, path, error);
                if error.kind() != ErrorKind::Unavailable {
                    return Err(error);
                }
                // Without a reply nobody knows whether it was done.
                match self.get_versioned(path) {
                    Ok(Some((there, version))) if there == bytes => Ok(Some(version)),
                    _ => Err(error),
                }
            }
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

    /// Removes an object; it is no error when there is none. On a local disk its folder goes with it when nothing else is there: an
    /// empty day folder would show up as a partition without a file.
    pub fn remove(&self, path: &str) -> Result<()> {
        if let Some(disk) = &self.disk {
            return remove_on_disk(disk, &self.staging, path);
        }
        let location = self.object_path(path)?;
        // A removal without a reply is made again, which `object_store` does not do: there is nothing to lose by it.
        let mut tries_left = 3;
        loop {
            let failure = match self.runtime.block_on(self.store.delete(&location)) {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => return Ok(()),
                Err(error) => self.failure(Operation::Remove, path, error),
            };
            if tries_left == 0 || failure.kind() != ErrorKind::Unavailable {
                return Err(failure);
            }
            tries_left -= 1;
        }
    }
}

/// A path for a new folder outside the tables' folders and on the same volume, so that a rename moves in one step.
fn new_staging(disk: &Path, staging: &str) -> io::Result<PathBuf> {
    let staging = disk.join(staging);
    fs::create_dir_all(&staging)?;
    Ok(staging.join(format!("{}-{}", std::process::id(), STAGED.fetch_add(1, Ordering::Relaxed))))
}

fn publish_on_disk(disk: &Path, staging: &str, path: &str, bytes: &[u8]) -> Result<()> {
    let target = disk.join(path);
    let failed =
        |error: io::Error| io_error("an object cannot be written", &error).with("object", target.display()).source(error);
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(Error::bug("an object has no name").with("object", path));
    };
    // What lies under work/ can be made anew: a power cut may lose it, and its receipts tell.
    let is_durable = !path.starts_with("work/");
    let sync = |folder: &Path| if is_durable { File::open(folder)?.sync_all() } else { Ok(()) };
    let staging = new_staging(disk, staging).map_err(failed)?;
    let written = (|| {
        fs::create_dir(&staging)?;
        let staged = staging.join(name);
        let mut file = File::create(&staged)?;
        file.write_all(bytes)?;
        if is_durable {
            file.sync_all()?;
        }
        if !folder.exists() {
            sync(&staging)?;
            let parent = folder.parent().unwrap_or(disk);
            create_folders(parent, &sync)?;
            match fs::rename(&staging, folder) {
                Ok(()) => return sync(parent),
                Err(error) if !folder.exists() => return Err(error),
                // Another thread has made it meanwhile, for an object of its own.
                Err(_) => {}
            }
        }
        fs::rename(&staged, &target)?;
        sync(folder)?;
        fs::remove_dir(&staging)
    })();
    written.map_err(|error| {
        let _ = fs::remove_dir_all(&staging);
        failed(error)
    })
}

/// Creates the folders that are not there, each flushed into the one that holds it.
fn create_folders(folder: &Path, sync: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let Some(parent) = folder.parent().filter(|_| !folder.exists()) else { return Ok(()) };
    create_folders(parent, sync)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync(parent),
    }
}

fn remove_on_disk(disk: &Path, staging: &str, path: &str) -> Result<()> {
    let target = disk.join(path);
    let removed = (|| {
        let folder = target.parent().filter(|folder| *folder != disk);
        let is_alone = |folder: &Path| Ok::<bool, io::Error>(fs::read_dir(folder)?.take(2).count() == 1);
        match folder {
            Some(folder) if target.exists() && is_alone(folder)? => {
                let staging = new_staging(disk, staging)?;
                fs::rename(folder, &staging)?;
                fs::remove_dir_all(&staging)
            }
            _ => fs::remove_file(&target),
        }
    })();
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("an object cannot be removed", &error).with("object", target.display()).source(error))
        }
        _ => Ok(()),
    }
}

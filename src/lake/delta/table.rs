//! The current version of a table, as its log tells: which files are live, and what of each is the table's.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, AsArray, MapArray, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{Int32Type, Int64Type, Schema};
use delta_kernel::engine::arrow_conversion::TryFromKernel as _;
use delta_kernel::engine::arrow_data::EngineDataArrowExt as _;
use delta_kernel::scan::StatsOptions;
use delta_kernel::table_features::ColumnMappingMode;
use delta_kernel::{KernelError, KernelResult, Snapshot, SnapshotRef};

use super::handlers::{LogEngine, plain, url_of};
use crate::base::error::{Error, Result};
use crate::base::logged::{ColumnNames, DeletedRows, LoggedTable};
use crate::base::object::Object;
use crate::lake::open::Lake;

/// The folder of a table's log.
pub(super) const LOG: &str = "_delta_log";

/// A version of a table.
pub(super) struct Version {
    pub table: Arc<LoggedTable>,
    /// The names of the partition columns.
    pub partitioned_by: Vec<String>,
    pub files: Vec<LiveFile>,
}

/// A file that is part of a version.
pub(super) struct LiveFile {
    /// As the log has it: URL-encoded, below the table's folder or a whole URL.
    pub path: String,
    /// The values of the partition columns.
    pub values: BTreeMap<String, Option<String>>,
    pub deleted: Option<DeletedRows>,
}

impl Version {
    /// The newest version whose log is among these objects.
    pub(super) fn current(lake: &Lake, folder: &str, log: Vec<Object>) -> Result<Version> {
        let engine = LogEngine::new(lake, log);
        let root = url_of(folder)?;
        let taken = || Snapshot::builder_for(root.as_str()).build(&engine).and_then(|snapshot| read(&engine, folder, &snapshot));
        // A broken log may make the kernel panic, and that is a broken log.
        let found =
            catch_unwind(AssertUnwindSafe(taken)).unwrap_or_else(|_| Err(KernelError::generic("it is no log of Delta Lake")));
        found.map_err(|error| engine.failure().unwrap_or_else(|| refused(folder, engine.missing_version(), error)))
    }
}

fn read(engine: &LogEngine, folder: &str, snapshot: &SnapshotRef) -> KernelResult<Version> {
    let configuration = snapshot.table_configuration();
    if configuration.is_catalog_managed() {
        return Err(KernelError::MaxCatalogVersion("the table says so".to_string()));
    }
    let mode = configuration.column_mapping_mode();
    let schema = snapshot.schema();
    let partitioned_by = configuration.metadata().partition_columns().to_vec();
    // The log has the values of partition columns by the names that stay.
    let column = |name: &String| {
        let field = schema.field(name).ok_or_else(|| KernelError::missing_column(name))?;
        Ok((name.clone(), field.physical_name(mode).to_string()))
    };
    let columns = partitioned_by.iter().map(column).collect::<KernelResult<Vec<_>>>()?;
    let scan = snapshot.clone().scan_builder().with_stats(StatsOptions::none()).without_row_transforms().build()?;
    let mut files = Vec::new();
    for found in scan.scan_metadata(engine)? {
        let live = found?.scan_files.apply_selection_vector()?.try_into_record_batch()?;
        files.extend(live_files(&live, &columns).ok_or_else(|| KernelError::generic("the log's files are of another form"))?);
    }
    let names = match mode {
        ColumnMappingMode::None => ColumnNames::Own,
        ColumnMappingMode::Name => ColumnNames::Physical,
        ColumnMappingMode::Id => ColumnNames::Numbered,
    };
    let schema = Arc::new(Schema::try_from_kernel(schema.as_ref())?);
    Ok(Version { table: Arc::new(LoggedTable { folder: folder.to_string(), schema, names }), partitioned_by, files })
}

fn of_struct<'b>(columns: &'b StructArray, name: &str) -> Option<&'b Arc<dyn Array>> {
    columns.column_by_name(name)
}

/// The files of a batch of the kernel's; none where it is of another form than that.
fn live_files(batch: &RecordBatch, columns: &[(String, String)]) -> Option<Vec<LiveFile>> {
    let paths: &StringArray = batch.column_by_name("path")?.as_string_opt()?;
    let values = of_struct(batch.column_by_name("fileConstantValues")?.as_struct_opt()?, "partitionValues")?.as_map_opt()?;
    let deleted = batch.column_by_name("deletionVector")?.as_struct_opt()?;
    let rows = (0..batch.num_rows()).filter(|row| paths.is_valid(*row));
    let file = |row: usize| {
        let known = values_of(values, row)?;
        let of_column = |(name, in_log): &(String, String)| (name.clone(), known.get(in_log.as_str()).cloned().flatten());
        let deleted = if deleted.is_valid(row) { Some(deleted_rows(deleted, row)?) } else { None };
        Some(LiveFile { path: paths.value(row).to_string(), values: columns.iter().map(of_column).collect(), deleted })
    };
    rows.map(file).collect()
}

fn values_of(values: &MapArray, row: usize) -> Option<BTreeMap<String, Option<String>>> {
    if values.is_null(row) {
        return Some(BTreeMap::new());
    }
    let pairs = values.value(row);
    let (keys, texts): (&StringArray, &StringArray) = (pairs.column(0).as_string_opt()?, pairs.column(1).as_string_opt()?);
    // An empty text is how the log writes that there is no value.
    let text = |at: usize| texts.is_valid(at).then(|| texts.value(at).to_string()).filter(|text| !text.is_empty());
    Some((0..pairs.len()).map(|at| (keys.value(at).to_string(), text(at))).collect())
}

fn deleted_rows(of: &StructArray, row: usize) -> Option<DeletedRows> {
    let text = |name| {
        let texts: &StringArray = of_struct(of, name)?.as_string_opt()?;
        texts.is_valid(row).then(|| texts.value(row).to_string())
    };
    let small = |name| of_struct(of, name)?.as_primitive_opt::<Int32Type>();
    let (offset, rows) = (small("offset")?, of_struct(of, "cardinality")?.as_primitive_opt::<Int64Type>()?);
    Some(DeletedRows {
        storage: text("storageType")?,
        place: text("pathOrInlineDv")?,
        offset: offset.is_valid(row).then(|| offset.value(row)),
        bytes: small("sizeInBytes")?.value(row),
        rows: rows.value(row),
    })
}

/// What the kernel says of a table that it does not read.
fn refused(folder: &str, missing: Option<u64>, error: KernelError) -> Error {
    let error = match error {
        KernelError::Backtraced { source, .. } => *source,
        error => error,
    };
    match (error, missing) {
        (KernelError::Unsupported(text), _) => Error::usage(format!(
            "{folder}/ is a Delta table of a kind that is not read: {text}"
        ))
        .mend(
            "drop that feature from the table (ALTER TABLE ... DROP FEATURE), or write its current rows into a table without it \
                 and name that as `path`",
        ),
        (KernelError::MaxCatalogVersion(text), _) => {
            Error::usage(format!("versions of the Delta table {folder}/ are kept by a catalog, its folder may lack the newest"))
                .source(text)
                .mend("write its current rows into a table that no catalog manages, and name that as `path`")
        }
        (KernelError::MissingVersion(version), _) | (_, Some(version)) => {
            Error::data(format!("version {version} of the Delta table {folder}/ is missing from its log"))
                .with("object", format!("{folder}/{LOG}/{version:020}.json"))
                .mend("restore the file from a copy, or write the table again")
        }
        (error, None) => Error::data(format!("the log of the Delta table {folder}/ cannot be read"))
            .with("folder", format!("{folder}/{LOG}"))
            .source(plain(error))
            .mend("restore the log from a copy, or write the table again"),
    }
}

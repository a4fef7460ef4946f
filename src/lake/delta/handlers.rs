//! What the kernel asks of storage, answered by the lake: the log is listed once, with the table's folder, and each of its files is
//! fetched once, many at a time. Nothing is ever written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arrow::json::ReaderBuilder;
use bytes::Bytes;
use delta_kernel::engine::arrow_conversion::TryFromArrow as _;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::engine::arrow_expression::ArrowEvaluationHandler;
use delta_kernel::engine::arrow_utils::{
    RowIndexBuilder, build_json_reorder_indices, fixup_json_read, fixup_parquet_read, json_arrow_schema,
    ordering_needs_row_indexes, parquet_read_plan, parse_json,
};
use delta_kernel::schema::{SchemaRef, StructType};
use delta_kernel::{
    Engine, EngineData, EvaluationHandler, FileDataReadResultIterator, FileMeta, FileSize, FileSlice, FilteredEngineData,
    JsonHandler, KernelError, KernelResult, KernelResultIterator, KernelResultIteratorStatic, ParquetFooter, ParquetHandler,
    PredicateRef, StorageHandler,
};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use url::Url;

use crate::base::error::{Error, Result};
use crate::base::folders::decoded;
use crate::base::object::Object;
use crate::lake::open::Lake;

/// So many files are fetched at a time, before the kernel says whether it needs more.
const AT_ONCE: usize = 64;

/// Bytes of the log that are kept for its second reading.
const MOST_KEPT: usize = 64 << 20;

type Rows = Box<dyn EngineData>;

/// The kernel's way to one table.
pub(super) struct LogEngine(Arc<Log>);

/// The log of a table, in a lake.
struct Log {
    lake: Lake,
    /// What lies in the log's folder, in the order of paths.
    objects: Vec<Object>,
    fetched: Mutex<Fetched>,
    /// What went wrong first: the kernel's errors cannot carry its kind.
    failed: Mutex<Option<Error>>,
}

/// Files of a log, kept.
#[derive(Default)]
struct Fetched {
    files: HashMap<String, Bytes>,
    bytes: usize,
}

/// The kernel names files by URLs; nobody but it sees them.
pub(super) fn url_of(folder: &str) -> Result<Url> {
    let mut url = Url::parse("lake:///").map_err(|error| Error::bug("a URL is none").source(error))?;
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.clear().extend(folder.split('/').filter(|part| !part.is_empty())).push("");
    }
    Ok(url)
}

/// The path of an object that the kernel names; none of what lies elsewhere.
fn path_of(url: &Url) -> Option<String> {
    (url.scheme() == "lake").then(|| decoded(url.path()).trim_start_matches('/').to_string())
}

impl LogEngine {
    /// For a table of which these are the log's objects.
    pub(super) fn new(lake: &Lake, mut objects: Vec<Object>) -> LogEngine {
        objects.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        LogEngine(Arc::new(Log { lake: lake.clone(), objects, fetched: Mutex::default(), failed: Mutex::default() }))
    }

    /// The first version that is needed and not there, by the names in the log's folder.
    pub(super) fn missing_version(&self) -> Option<u64> {
        let names = self.0.objects.iter().filter_map(|object| object.path.rsplit('/').next());
        let numbered = names.filter_map(|name| Some((name.get(..20)?.parse::<u64>().ok()?, &name[20..])));
        let (commits, others): (Vec<_>, Vec<_>) = numbered.partition(|(_, ending)| *ending == ".json");
        let checkpoints = others.into_iter().filter(|(_, ending)| ending.starts_with(".checkpoint.")).map(|(version, _)| version);
        let first = checkpoints.max().map_or(0, |checkpoint| checkpoint + 1);
        let last = commits.iter().map(|(version, _)| *version).max()?;
        (first..=last).find(|version| commits.iter().all(|(there, _)| there != version))
    }

    /// What went wrong, if it was the lake's.
    pub(super) fn failure(&self) -> Option<Error> {
        self.0.failed.lock().ok()?.take()
    }
}

impl Engine for LogEngine {
    fn evaluation_handler(&self) -> Arc<dyn EvaluationHandler> {
        Arc::new(ArrowEvaluationHandler)
    }

    fn storage_handler(&self) -> Arc<dyn StorageHandler> {
        Arc::new(Handler(self.0.clone()))
    }

    fn json_handler(&self) -> Arc<dyn JsonHandler> {
        Arc::new(Handler(self.0.clone()))
    }

    fn parquet_handler(&self) -> Arc<dyn ParquetHandler> {
        Arc::new(Handler(self.0.clone()))
    }
}

impl Log {
    fn failed(&self, error: Error) -> KernelError {
        let text = error.to_string();
        if let Ok(mut failed) = self.failed.lock() {
            failed.get_or_insert(error);
        }
        KernelError::generic(text)
    }

    /// The bytes of a file; none where there is none.
    fn bytes(&self, path: &str) -> Result<Option<Bytes>> {
        if let Some(bytes) = self.fetched.lock().ok().and_then(|fetched| fetched.files.get(path).cloned()) {
            return Ok(Some(bytes));
        }
        let Some(bytes) = self.lake.get(path)? else { return Ok(None) };
        if let Ok(mut fetched) = self.fetched.lock()
            && fetched.bytes + bytes.len() <= MOST_KEPT
        {
            fetched.bytes += bytes.len();
            fetched.files.insert(path.to_string(), bytes.clone());
        }
        Ok(Some(bytes))
    }

    /// The rows of files, each parsed with its path and bytes, in the order of the files.
    fn rows_of(
        self: Arc<Log>,
        files: &[FileMeta],
        parse: impl Fn(&Url, Bytes) -> KernelResult<Vec<Rows>> + Send + Sync + 'static,
    ) -> FileDataReadResultIterator {
        let pieces: Vec<Vec<Url>> =
            files.chunks(AT_ONCE).map(|files| files.iter().map(|file| file.location.clone()).collect()).collect();
        let read = pieces.into_iter().flat_map(move |piece| {
            let of_files = self.lake.on_each(&piece, |url| {
                let path = path_of(url).ok_or_else(|| elsewhere(url))?;
                let bytes = self.bytes(&path)?.ok_or_else(|| gone(&path))?;
                parse(url, bytes).map_err(|error| unreadable(&path, error))
            });
            let rows = of_files.into_iter().flat_map(|of_file| match of_file {
                Ok(rows) => rows.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(self.failed(error))],
            });
            rows.collect::<Vec<_>>()
        });
        Box::new(read)
    }
}

fn elsewhere(url: &Url) -> Error {
    Error::data("the log of the table names a file outside of the table's folder")
        .with("file", url)
        .mend("copy the table with its files (a deep clone), and read the copy")
}

fn gone(path: &str) -> Error {
    Error::new(crate::base::error::ErrorKind::Unavailable, "a file of the table's log is gone that was listed")
        .with("object", path)
        .mend("run again: the log was cleaned up meanwhile")
}

fn unreadable(path: &str, error: KernelError) -> Error {
    Error::data("a file of the table's log cannot be read")
        .with("object", path)
        .source(plain(error))
        .mend("restore the file from a copy, or write the table again")
}

/// What the kernel says, without the calls on its way there.
pub(super) fn plain(error: KernelError) -> String {
    let text = error.without_backtrace().to_string();
    // Where it holds another error with its calls, they stand on lines of their own.
    let is_call = |line: &&str| line.trim_start().trim_start_matches(|letter: char| letter.is_ascii_digit()).starts_with(": ");
    text.lines().take_while(|line| !is_call(line)).map(str::trim).collect::<Vec<_>>().join(" ")
}

fn read_only<T>() -> KernelResult<T> {
    Err(KernelError::unsupported("nothing is written to an input"))
}

struct Handler(Arc<Log>);

impl StorageHandler for Handler {
    fn list_from(&self, url: &Url) -> KernelResult<KernelResultIteratorStatic<FileMeta>> {
        let from = path_of(url).ok_or_else(|| self.0.failed(elsewhere(url)))?;
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder).to_string();
        let below = |object: &&Object| object.path.strip_prefix(&folder).is_some_and(|path| path.starts_with('/'));
        let found = self.0.objects.iter().filter(below).filter(|object| object.path > from);
        let files = found.map(|object| {
            let mut location = url_of(&object.path).map_err(|error| self.0.failed(error))?;
            if let Ok(mut parts) = location.path_segments_mut() {
                parts.pop_if_empty();
            }
            Ok(FileMeta { location, last_modified: 0, size: object.size })
        });
        Ok(Box::new(files.collect::<Vec<_>>().into_iter()))
    }

    fn read_files(&self, files: Vec<FileSlice>) -> KernelResult<KernelResultIteratorStatic<Bytes>> {
        let log = self.0.clone();
        let read = files.into_iter().map(move |(url, range)| {
            let path = path_of(&url).ok_or_else(|| log.failed(elsewhere(&url)))?;
            let found = log.bytes(&path).map_err(|error| log.failed(error))?;
            let bytes = found.ok_or_else(|| KernelError::file_not_found(&path))?;
            let (start, end) = range.map_or((0, bytes.len()), |range| (range.start as usize, range.end as usize));
            (start <= end && end <= bytes.len())
                .then(|| bytes.slice(start..end))
                .ok_or_else(|| KernelError::generic(format!("{path} is shorter than the log says")))
        });
        Ok(Box::new(read))
    }

    fn copy_atomic(&self, _: &Url, _: &Url) -> KernelResult<()> {
        read_only()
    }

    fn put(&self, _: &Url, _: Bytes, _: bool) -> KernelResult<()> {
        read_only()
    }

    fn head(&self, url: &Url) -> KernelResult<FileMeta> {
        let found = path_of(url).and_then(|path| self.0.objects.iter().find(|object| object.path == path));
        let object = found.ok_or_else(|| KernelError::file_not_found(url))?;
        Ok(FileMeta { location: url.clone(), last_modified: 0, size: object.size })
    }

    fn delete(&self, _: &Url) -> KernelResult<()> {
        read_only()
    }
}

impl JsonHandler for Handler {
    fn parse_json(&self, texts: Rows, schema: SchemaRef) -> KernelResult<Rows> {
        parse_json(texts, schema)
    }

    fn read_json_files(
        &self,
        files: &[FileMeta],
        schema: SchemaRef,
        _: Option<PredicateRef>,
    ) -> KernelResult<FileDataReadResultIterator> {
        let (of_json, order) = (Arc::new(json_arrow_schema(&schema)?), build_json_reorder_indices(&schema)?);
        let keys: Vec<String> = of_json.fields().iter().map(|field| format!("{:?}", field.name())).collect();
        // All lines are looked into once, where files are asked for: what is no JSON is found there.
        let is_for_files = keys.iter().any(|key| key == "\"add\"");
        let parse = move |url: &Url, bytes: Bytes| {
            let lines = if is_for_files { Cow::Borrowed(&bytes[..]) } else { lines_with(&bytes, &keys) };
            if lines.is_empty() {
                return Ok(Vec::new());
            }
            let reader = ReaderBuilder::new(of_json.clone()).with_coerce_primitive(true).build(&lines[..])?;
            let rows = reader.map(|batch| Ok(Box::new(fixup_json_read(batch?, &order, url.as_str())?) as Rows));
            rows.collect()
        };
        Ok(self.0.clone().rows_of(files, parse))
    }

    fn write_json_file(&self, _: &Url, _: KernelResultIterator<'_, FilteredEngineData>, _: bool) -> KernelResult<FileSize> {
        read_only()
    }
}

/// The lines of a log's file that may have one of these keys, or are none that a writer has written whole. What is asked for beside
/// files is in few versions, and to parse the lines of the others for nothing would cost as much as the files do.
fn lines_with<'b>(bytes: &'b [u8], keys: &[String]) -> Cow<'b, [u8]> {
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.into() };
    let is_whole = |line: &str| line.starts_with('{') && line.ends_with('}') && !line.contains("\\u");
    let is_needed = |line: &str| !is_whole(line.trim()) || keys.iter().any(|key| line.contains(key.as_str()));
    let needed = text.lines().filter(|line| !line.trim().is_empty() && is_needed(line));
    needed.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes().into()
}

fn footer_options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

/// The rows of a checkpoint's file.
fn checkpoint_rows(url: &Url, bytes: Bytes, schema: &SchemaRef) -> KernelResult<Vec<Rows>> {
    let footer = ArrowReaderMetadata::load(&bytes, footer_options())?;
    let (order, mask) = parquet_read_plan(schema, &footer)?;
    let mut numbers = match ordering_needs_row_indexes(&order) {
        true => Some(RowIndexBuilder::new(footer.metadata().row_groups()).build()?),
        false => None,
    };
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, footer);
    let builder = match mask {
        Some(mask) => builder.with_projection(mask),
        None => builder,
    };
    let rows = builder.build()?.map(|batch| {
        let batch: ArrowEngineData = fixup_parquet_read(batch?, &order, numbers.as_mut(), Some(url.as_str()), Some(schema))?;
        Ok(Box::new(batch) as Rows)
    });
    rows.collect()
}

impl ParquetHandler for Handler {
    fn read_parquet_files(
        &self,
        files: &[FileMeta],
        schema: SchemaRef,
        _: Option<PredicateRef>,
    ) -> KernelResult<FileDataReadResultIterator> {
        Ok(self.0.clone().rows_of(files, move |url, bytes| checkpoint_rows(url, bytes, &schema)))
    }

    fn write_parquet_file(&self, _: Url, _: KernelResultIteratorStatic<Rows>) -> KernelResult<FileSize> {
        read_only()
    }

    fn read_parquet_footer(&self, file: &FileMeta) -> KernelResult<ParquetFooter> {
        let path = path_of(&file.location).ok_or_else(|| self.0.failed(elsewhere(&file.location)))?;
        let found = self.0.bytes(&path).and_then(|bytes| bytes.ok_or_else(|| gone(&path)));
        let bytes = found.map_err(|error| self.0.failed(error))?;
        let footer = ArrowReaderMetadata::load(&bytes, footer_options())?;
        Ok(ParquetFooter { schema: Arc::new(StructType::try_from_arrow(footer.schema().as_ref())?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_left_out_that_have_no_key_of_those() {
        let lines = |text: &str| String::from_utf8(lines_with(text.as_bytes(), &["\"add\"".to_string()]).into_owned()).unwrap();
        let (add, other) = ("{\"add\":{\"path\":\"a\"}}\n", "{\"commitInfo\":{\"a\":1}}\n");
        assert_eq!(lines(&[other, "\n", add, other].concat()), add);
        assert_eq!(lines(other), "");
        for broken in ["{\"commitInfo\":{\"a\":\n", "no JSON\n", "{\"\\u0061dd\":{}}\n"] {
            assert_eq!(lines(&[other, broken].concat()), broken);
        }
        assert_eq!(lines_with(b"\xff{}", &[]), Cow::Borrowed(&b"\xff{}"[..]));
    }

    #[test]
    fn the_kernel_s_names_are_paths_of_the_lake() {
        for path in ["messages", "a/b c", "100%/x=%2F", "á/#?"] {
            let url = url_of(path).unwrap();
            assert_eq!(path_of(&url).unwrap().trim_end_matches('/'), path);
            assert_eq!(path_of(&url.join("_delta_log/1.json").unwrap()).unwrap(), format!("{path}/_delta_log/1.json"));
        }
        assert_eq!(path_of(&Url::parse("s3://elsewhere/a").unwrap()), None);
    }
}

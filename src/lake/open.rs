//! A location, opened: what every access to storage goes through.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use super::disk::{self, io_error};
use super::location::{Location, Root};
use super::store::{self, Environment};
use super::traffic::{Requests, Traffic};
use crate::base::error::{Error, ErrorKind, Result};

/// Access to one location.
#[derive(Clone)]
pub struct Lake {
    pub(super) location: Location,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    /// What waits for a store's answers; none on a local disk, where reading happens in place.
    pub(super) runtime: Option<Arc<tokio::runtime::Runtime>>,
    /// The folder on a local disk, where a put of `object_store` would stage inside the target's folder; none on a store.
    pub(super) disk: Option<PathBuf>,
    /// The folder in which objects are staged on a local disk, below the location.
    pub(super) staging: String,
    pub(super) environment: Environment,
    pub(super) traffic: Arc<Traffic>,
    pub(super) bytes_read: Arc<AtomicU64>,
}

impl Lake {
    /// Opens a location to read from. A folder must exist; whether a bucket does is seen when it is asked for something.
    pub fn open(location: &Location, environment: &Environment) -> Result<Lake> {
        let Some(path) = location.file_path() else { return Lake::opened(location, environment, None) };
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Lake::opened(location, environment, Some(path)),
            Ok(_) => Err(Error::usage(format!("{location} is a file, a folder is needed")).mend("correct the url of the lake")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::usage(format!("folder {location} does not exist"))
                    .mend("correct the url of the lake, or create the folder"))
            }
            Err(error) => Err(io_error("the folder cannot be opened", &error).with("folder", location).source(error)),
        }
    }

    /// Opens the output. A folder is made when it is first written to.
    pub fn open_or_create(location: &Location, environment: &Environment) -> Result<Lake> {
        let Some(path) = location.file_path() else { return Lake::opened(location, environment, None) };
        if let Some(existing) = path.ancestors().find(|ancestor| ancestor.exists())
            && !existing.is_dir()
        {
            return Err(Error::usage(format!("{} is a file, a folder is needed", existing.display()))
                .with("output", location)
                .mend("correct [output] url in the pipeline file"));
        }
        Lake::opened(location, environment, Some(path))
    }

    fn opened(location: &Location, environment: &Environment, disk: Option<PathBuf>) -> Result<Lake> {
        let traffic = Arc::default();
        let store = store::open(location, environment, &traffic)?;
        let prefix = object_path(location.prefix())?;
        let runtime = if disk.is_some() { None } else { Some(runtime()?) };
        Ok(Lake { prefix, disk, environment: environment.clone(), traffic, ..Lake::with(location, store, runtime) })
    }

    /// A store that is at hand, which is called this location.
    pub fn on_store(location: &Location, store: Arc<dyn ObjectStore>) -> Result<Lake> {
        Ok(Lake::with(location, store, Some(runtime()?)))
    }

    fn with(location: &Location, store: Arc<dyn ObjectStore>, runtime: Option<Arc<tokio::runtime::Runtime>>) -> Lake {
        Lake {
            location: location.clone(),
            store,
            prefix: Path::default(),
            runtime,
            disk: None,
            staging: disk::STAGING.to_string(),
            environment: Environment::default(),
            traffic: Arc::default(),
            bytes_read: Arc::default(),
        }
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Bytes fetched so far, through this lake and its clones.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Requests made so far over the network, through this lake and its clones.
    pub fn requests(&self) -> Requests {
        self.traffic.requests()
    }

    /// Waits for what storage answers.
    pub(super) fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        match &self.runtime {
            Some(runtime) => runtime.block_on(answer),
            None => futures::executor::block_on(answer),
        }
    }

    pub(super) fn version(&self, meta: &ObjectMeta) -> String {
        let tag = meta.e_tag.clone().map(|tag| self.version_of(tag));
        tag.unwrap_or_else(|| format!("{}-{}", meta.size, meta.last_modified.timestamp_micros()))
    }

    /// An ETag as headers carry it, in which form alone it can be sent back: Azure's listings leave its quotes out.
    pub(super) fn version_of(&self, tag: String) -> String {
        match self.location.root {
            Root::Disk => tag,
            _ if tag.ends_with('"') => tag,
            _ => format!("\"{tag}\""),
        }
    }

    pub(super) fn object_path(&self, path: &str) -> Result<Path> {
        object_path(&format!("{}/{path}", self.prefix))
    }
}

fn runtime() -> Result<Arc<tokio::runtime::Runtime>> {
    let started = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    started
        .map(Arc::new)
        .map_err(|error| Error::new(ErrorKind::Unavailable, "no threads can be started for reading").source(error))
}

fn object_path(path: &str) -> Result<Path> {
    Path::parse(path).map_err(|error| Error::usage(format!("{path:?} is not a path of objects")).source(error))
}

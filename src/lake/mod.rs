//! The lake: the only user of `object_store`, synchronous outside, asynchronous inside.
//!
//! A [`Location`] is a place named in the pipeline file; [`Lake::open`] gives access to it. Paths are relative to the location
//! and use `/`. Publishing replaces one object at once: readers see the old bytes or the new ones, never a part, and no other
//! name ever appears in the target's folder. Storage errors are classified here, while they are in hand.
//!
//! ```text
//! disk.rs       a folder on a local disk
//! failure.rs    what a failure of storage means
//! json.rs       small JSON objects
//! layout.rs     where things lie
//! location.rs   a folder, or a prefix in a bucket
//! lock.rs       one run at a time
//! probe.rs      what a store can do
//! read.rs       Parquet in batches
//! store.rs      opened by the environment
//! table.rs      our own tables as Parquet
//! write.rs      one object at once
//! ```

mod disk;
mod failure;
mod json;
pub(crate) mod layout;
mod location;
mod lock;
mod probe;
mod read;
mod store;
mod table;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::object::Object;

use disk::{list_each_on_disk, list_on_disk};
use failure::{Operation, io_error};
use store::Traffic;

pub use json::{read_json, write_json};
pub use layout::Partition;
pub use location::Location;
pub use lock::{Lock, Put, Released};
pub use probe::Probe;
pub(crate) use read::readable;
pub use read::{Filter, ScanPlan, StoredSpan, TextForm};
pub use store::{Environment, Requests};
pub use table::{StoredTable, decode, encode, encode_working, read_footer_schema};

/// Access to one location.
#[derive(Clone)]
pub struct Lake {
    location: Location,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// None on a local disk: there nobody waits for others, and reading happens in place.
    runtime: Option<Arc<tokio::runtime::Runtime>>,
    /// Set on a local disk, where a put of `object_store` would stage inside the target's folder.
    disk: Option<PathBuf>,
    /// Where objects are staged on a local disk, below the location.
    staging: String,
    environment: Environment,
    traffic: Arc<Traffic>,
    bytes_read: Arc<AtomicU64>,
}

impl Lake {
    /// Opens a location to read from. A folder must exist; whether a bucket does is seen when it is asked for something.
    pub fn open(location: &Location, environment: &Environment) -> Result<Lake> {
        let Some(path) = location.file_path() else { return Lake::opened(location, environment, None) };
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Lake::opened(location, environment, Some(path)),
            Ok(_) => {
                Err(Error::usage(format!("{location} is a file, a folder is needed"))
                    .mend("correct the url in the pipeline file"))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::usage(format!("folder {location} does not exist"))
                    .mend("correct the url in the pipeline file, or create the folder"))
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

    /// The same location, for landing objects in one of its folders: they are staged inside that folder, in one whose name begins
    /// with `_`, which nobody reads. Whoever calls this is the only one to land there.
    pub fn landing(&self, folder: &str) -> Result<Lake> {
        let lake = Lake { staging: format!("{folder}/_staging"), ..self.clone() };
        lake.sweep_staging();
        Ok(lake)
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

    /// Every object below a folder; none when there is no such folder.
    pub fn list(&self, folder: &str) -> Result<Vec<Object>> {
        let mut objects = match &self.disk {
            Some(disk) => list_on_disk(disk, folder)?,
            None => self.list_in_store(folder)?,
        };
        objects.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    /// The objects of this name, one in each folder below a folder. What else lies there may come along.
    pub(crate) fn list_each(&self, folder: &str, name: &str) -> Result<Vec<Object>> {
        match &self.disk {
            Some(disk) => list_each_on_disk(disk, folder, name),
            None => self.list(folder),
        }
    }

    fn list_in_store(&self, folder: &str) -> Result<Vec<Object>> {
        let prefix = self.object_path(folder)?;
        let metas = self.list_whole(&prefix).map_err(|error| self.failure(Operation::List, folder, error))?;
        let relative = |location: &Path| location.as_ref()[self.prefix.as_ref().len()..].trim_start_matches('/').to_string();
        let object = |meta: ObjectMeta| Object { path: relative(&meta.location), size: meta.size, version: self.version(&meta) };
        Ok(metas.into_iter().map(object).collect())
    }

    /// A listing whose body breaks off is asked for again, which `object_store` does for objects only.
    fn list_whole(&self, prefix: &Path) -> object_store::Result<Vec<ObjectMeta>> {
        let mut tries_left = 5;
        loop {
            match self.wait(self.store.list(Some(prefix)).try_collect()) {
                Err(error) if tries_left > 0 && failure::is_broken_listing(&error) => tries_left -= 1,
                listed => return listed,
            }
        }
    }

    /// The bytes of an object, or none when there is no such object.
    pub fn get(&self, path: &str) -> Result<Option<Bytes>> {
        Ok(self.get_versioned(path)?.map(|(bytes, _)| bytes))
    }

    /// The bytes of an object as a listing showed it, or none when it is another by now, or gone.
    pub fn get_listed(&self, object: &Object) -> Result<Option<Bytes>> {
        let found = self.get_versioned(&object.path)?;
        Ok(found.filter(|(_, version)| *version == object.version).map(|(bytes, _)| bytes))
    }

    /// The bytes of an object and their version, or none when there is no such object.
    pub fn get_versioned(&self, path: &str) -> Result<Option<(Bytes, String)>> {
        let location = self.object_path(path)?;
        let got = self.wait(async {
            let found = self.store.get(&location).await?;
            let version = self.version(&found.meta);
            Ok((read::bytes_of(found).await?, version))
        });
        match got {
            Ok((bytes, version)) => {
                self.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(Some((bytes, version)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failure(Operation::Read, path, error)),
        }
    }
}

impl Lake {
    /// Waits for what storage answers.
    fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        match &self.runtime {
            Some(runtime) => runtime.block_on(answer),
            None => futures::executor::block_on(answer),
        }
    }

    fn version(&self, meta: &ObjectMeta) -> String {
        let tag = meta.e_tag.clone().map(|tag| self.version_of(tag));
        tag.unwrap_or_else(|| format!("{}-{}", meta.size, meta.last_modified.timestamp_micros()))
    }

    /// An ETag as headers carry it, in which form alone it can be sent back: Azure's listings leave its quotes out.
    fn version_of(&self, tag: String) -> String {
        match self.location.root {
            location::Root::Disk => tag,
            _ if tag.ends_with('"') => tag,
            _ => format!("\"{tag}\""),
        }
    }

    fn object_path(&self, path: &str) -> Result<Path> {
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

//! The lake: the only user of `object_store`, synchronous outside, asynchronous inside.
//!
//! A [`Location`] is a place named in the pipeline file; [`Lake::open`] gives access to it. Paths are relative to the location
//! and use `/`. Publishing replaces one object at once: readers see the old bytes or the new ones, never a part, and no other
//! name ever appears in the target's folder. Storage errors are classified here, while they are in hand.

mod failure;
pub mod layout;
mod location;
mod lock;
mod probe;
mod read;
mod store;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

use failure::{Operation, io_error};
use store::Traffic;

pub use location::Location;
pub use lock::{Lock, Put};
pub use probe::Probe;
pub use read::{Filter, ScanPlan, StoredSpan, TextForm};
pub use store::{Environment, Requests};
pub use write::{decode, decode_rows, encode, encode_working, read_footer_schema};

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Relative to the lake's location.
    pub path: String,
    pub size: u64,
    /// What changes when the content does: the ETag, else size and time.
    pub version: String,
}

/// Access to one location.
#[derive(Clone)]
pub struct Lake {
    location: Location,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Arc<tokio::runtime::Runtime>,
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
        Ok(Lake { prefix, disk, environment: environment.clone(), traffic, ..Lake::on_store(location, store)? })
    }

    /// A store that is at hand, which is called this location.
    pub fn on_store(location: &Location, store: Arc<dyn ObjectStore>) -> Result<Lake> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Unavailable, "no threads can be started for reading").source(error))?;
        Ok(Lake {
            location: location.clone(),
            store,
            prefix: Path::default(),
            runtime: Arc::new(runtime),
            disk: None,
            staging: write::STAGING.to_string(),
            environment: Environment::default(),
            traffic: Arc::default(),
            bytes_read: Arc::default(),
        })
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
        if let Some(disk) = &self.disk
            && !disk.join(folder).exists()
        {
            return Ok(Vec::new());
        }
        let prefix = self.object_path(folder)?;
        let metas = self.list_whole(&prefix).map_err(|error| self.failure(Operation::List, folder, error))?;
        let relative = |location: &Path| location.as_ref()[self.prefix.as_ref().len()..].trim_start_matches('/').to_string();
        let mut objects: Vec<Object> = metas
            .into_iter()
            .map(|meta| Object { path: relative(&meta.location), size: meta.size, version: self.version(&meta) })
            .collect();
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    /// A listing whose body breaks off is asked for again, which `object_store` does for objects only.
    fn list_whole(&self, prefix: &Path) -> object_store::Result<Vec<ObjectMeta>> {
        let mut tries_left = 5;
        loop {
            match self.runtime.block_on(self.store.list(Some(prefix)).try_collect()) {
                Err(error) if tries_left > 0 && failure::is_broken_listing(&error) => tries_left -= 1,
                listed => return listed,
            }
        }
    }

    /// The bytes of an object, or none when there is no such object.
    pub fn get(&self, path: &str) -> Result<Option<Bytes>> {
        Ok(self.get_versioned(path)?.map(|(bytes, _)| bytes))
    }

    /// The bytes of an object and their version, or none when there is no such object.
    pub fn get_versioned(&self, path: &str) -> Result<Option<(Bytes, String)>> {
        let location = self.object_path(path)?;
        let got = self.runtime.block_on(async {
            let found = self.store.get(&location).await?;
            let version = self.version(&found.meta);
            Ok((found.bytes().await?, version))
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

fn object_path(path: &str) -> Result<Path> {
    Path::parse(path).map_err(|error| Error::usage(format!("{path:?} is not a path of objects")).source(error))
}

//! The lake: the only user of `object_store`, synchronous outside, asynchronous inside.
//!
//! A [`Location`] is a place named in the pipeline file; [`Lake::open`] gives access to it. Paths are relative to the location
//! and use `/`. Publishing replaces one object at once: readers see the old bytes or the new ones, never a part, and no other
//! name ever appears in the target's folder. Storage errors are classified here, while they are in hand.

pub mod layout;
mod lock;
mod read;
mod write;

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, ErrorKind, Result};

pub use lock::Lock;
pub use read::{Filter, ScanPlan, StoredSpan};
pub use write::{decode, encode, read_footer_schema};

/// A place in some storage, as an absolute URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    url: Url,
}

impl Location {
    /// A URL, or a path relative to `base`.
    pub fn resolve(text: &str, base: &FilePath) -> Result<Location> {
        let url = match Url::parse(text) {
            Ok(url) if text.contains("://") => url,
            _ => {
                let base = std::path::absolute(base)
                    .map_err(|error| Error::usage("the current folder cannot be found").source(error))?;
                Url::from_directory_path(normal(&base.join(text))).map_err(|()| {
                    Error::usage(format!("{text:?} is neither a URL nor a path"))
                        .mend("write s3://bucket/prefix, file:///path or a relative path")
                })?
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::usage("a location holds a user name or a password")
                .mend("remove it: credentials come from the environment"));
        }
        match url.scheme() {
            "file" => Ok(Location { url }),
            other => Err(Error::usage(format!("storage {other}:// is not supported by this version"))
                .mend("use a local path or file:///path")),
        }
    }

    pub fn join(&self, path: &str) -> Location {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/').filter(|segment| !segment.is_empty()));
        }
        Location { url }
    }

    pub fn is_within(&self, other: &Location) -> bool {
        let with_slash = |url: &Url| format!("{}/", url.as_str().trim_end_matches('/'));
        with_slash(&self.url).starts_with(&with_slash(&other.url))
    }

    /// Without a slash at its end, with which a file would not be found.
    fn file_path(&self) -> Option<PathBuf> {
        self.url.to_file_path().ok().map(|path| path.components().collect())
    }
}

/// The path without `.` and `..`, which object paths cannot hold.
fn normal(path: &FilePath) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            std::path::Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file_path() {
            Some(path) => write!(f, "{}", path.display()),
            None => f.write_str(self.url.as_str()),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

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
    bytes_read: Arc<AtomicU64>,
}

impl Lake {
    /// Opens a location that must exist.
    pub fn open(location: &Location) -> Result<Lake> {
        let path = location.file_path().ok_or_else(|| Error::usage(format!("{location} is not a local path")))?;
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Lake::on_disk(location, path),
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

    /// Opens the output, which is made when it is first written to.
    pub fn open_or_create(location: &Location) -> Result<Lake> {
        let path = location.file_path().ok_or_else(|| Error::usage(format!("{location} is not a local path")))?;
        if let Some(existing) = path.ancestors().find(|ancestor| ancestor.exists())
            && !existing.is_dir()
        {
            return Err(Error::usage(format!("{} is a file, a folder is needed", existing.display()))
                .with("output", location)
                .mend("correct [output] url in the pipeline file"));
        }
        Lake::on_disk(location, path)
    }

    fn on_disk(location: &Location, path: PathBuf) -> Result<Lake> {
        let prefix = object_path(&path.to_string_lossy())?;
        Lake::new(location, Arc::new(LocalFileSystem::new()), prefix, Some(path))
    }

    /// Opens a location of a store that is at hand.
    pub fn on_store(location: &Location, store: Arc<dyn ObjectStore>) -> Result<Lake> {
        Lake::new(location, store, Path::default(), None)
    }

    fn new(location: &Location, store: Arc<dyn ObjectStore>, prefix: Path, disk: Option<PathBuf>) -> Result<Lake> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Unavailable, "no threads can be started for reading").source(error))?;
        Ok(Lake { location: location.clone(), store, prefix, runtime: Arc::new(runtime), disk, bytes_read: Arc::default() })
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Bytes fetched so far, through this lake and its clones.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Every object below a folder; none when there is no such folder.
    pub fn list(&self, folder: &str) -> Result<Vec<Object>> {
        if let Some(disk) = &self.disk
            && !disk.join(folder).exists()
        {
            return Ok(Vec::new());
        }
        let prefix = self.object_path(folder)?;
        let metas: Vec<_> =
            self.runtime.block_on(self.store.list(Some(&prefix)).try_collect()).map_err(|error| storage_error(error, folder))?;
        let relative = |location: &Path| location.as_ref()[self.prefix.as_ref().len()..].trim_start_matches('/').to_string();
        let mut objects: Vec<Object> = metas
            .into_iter()
            .map(|meta| Object { path: relative(&meta.location), size: meta.size, version: version(&meta) })
            .collect();
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
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
            let version = version(&found.meta);
            Ok((found.bytes().await?, version))
        });
        match got {
            Ok((bytes, version)) => {
                self.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(Some((bytes, version)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(storage_error(error, path)),
        }
    }
}

fn version(meta: &ObjectMeta) -> String {
    meta.e_tag.clone().unwrap_or_else(|| format!("{}-{}", meta.size, meta.last_modified.timestamp_micros()))
}

impl Lake {
    fn object_path(&self, path: &str) -> Result<Path> {
        object_path(&format!("{}/{path}", self.prefix))
    }
}

fn object_path(path: &str) -> Result<Path> {
    Path::parse(path).map_err(|error| Error::usage(format!("{path:?} is not a path of objects")).source(error))
}

fn io_error(message: &str, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, message).mend(match kind {
        ErrorKind::Denied => "give this user the permission",
        _ => "see what the system says, mend it and run again",
    })
}

/// A storage error, classified by what the operator does about it.
fn storage_error(error: object_store::Error, path: &str) -> Error {
    use object_store::Error as E;
    let (kind, message, mend) = match &error {
        E::NotFound { .. } => {
            (ErrorKind::Unavailable, "an object that was listed is gone", "run again: it was replaced or removed meanwhile")
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            (ErrorKind::Denied, "storage denies access", "give this credential the permission on this path")
        }
        _ => match find_io(&error) {
            Some(io) if io.kind() == std::io::ErrorKind::PermissionDenied => {
                (ErrorKind::Denied, "storage denies access", "give this user the permission on this path")
            }
            _ => (ErrorKind::Unavailable, "storage failed", "run again when it answers"),
        },
    };
    Error::new(kind, message).with("object", if path.is_empty() { "." } else { path }).source(error).mend(mend)
}

fn find_io<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a std::io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

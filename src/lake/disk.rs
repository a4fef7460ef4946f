//! A folder on a local disk: how it is listed, and how an object is replaced at once.

use std::fs::{self, DirEntry, File, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::object::Object;

pub(super) const STAGING: &str = "work/staging";

static STAGED: AtomicU64 = AtomicU64::new(0);

/// A file whose name the store cannot address, or a folder that cannot be walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Odd {
    pub path: String,
    pub message: &'static str,
    pub mend: &'static str,
}

/// What the system says, as an error.
pub(super) fn io_error(message: &str, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, message).mend(match kind {
        ErrorKind::Denied => "give this user the permission",
        _ => "correct what the system reports, and run again",
    })
}

/// What changes when a file is replaced, as `object_store` tells it when the file is read.
fn version(metadata: &Metadata) -> String {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    let modified = metadata.modified().map_or(0, |time| DateTime::<Utc>::from(time).timestamp_micros().max(0));
    format!("{inode:x}-{modified:x}-{:x}", metadata.len())
}

fn object(path: String, metadata: &Metadata) -> Object {
    Object::plain(path, metadata.len(), version(metadata))
}

/// What lies in a folder; nothing when there is no such folder.
fn entries(folder: &Path) -> Result<impl Iterator<Item = io::Result<DirEntry>> + use<>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(no_folder(&folder.display().to_string())),
        entries => Ok(Some(entries.map_err(|error| not_listed(folder, error))?).into_iter().flatten()),
    }
}

/// A path of the pipeline file that is a file.
pub(super) fn no_folder(path: &str) -> Error {
    Error::usage(format!("{path} is a file, a folder is needed"))
        .mend("put it into a folder of its own, and name that folder as `path` of this table in the pipeline file")
}

fn not_listed(folder: &Path, error: io::Error) -> Error {
    io_error("a folder cannot be read", &error).with("folder", folder.display()).source(error)
}

/// Every file below a folder of a location, through links too; none when there is no such folder. A file is looked at once, where
/// `object_store` does so six times. What has no name that it can address comes beside.
pub(super) fn list_on_disk(disk: &Path, folder: &str) -> Result<(Vec<Object>, Vec<Odd>)> {
    let mut walk = Walk::default();
    walk.folder(&disk.join(folder), folder.trim_matches('/'))?;
    Ok((walk.objects, walk.odd))
}

/// The file of this name in each folder below a folder: each is asked for once, and no folder is opened.
pub(super) fn list_each_on_disk(disk: &Path, folder: &str, name: &str) -> Result<Vec<Object>> {
    let whole = disk.join(folder);
    let mut objects = Vec::new();
    for entry in entries(&whole)? {
        let entry = entry.map_err(|error| not_listed(&whole, error))?;
        match fs::metadata(entry.path().join(name)) {
            Ok(metadata) if metadata.is_file() => {
                objects.push(object(format!("{folder}/{}/{name}", entry.file_name().to_string_lossy()), &metadata));
            }
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(not_listed(&whole, error));
            }
            _ => {}
        }
    }
    Ok(objects)
}

const NO_NAME: (&str, &str) = ("the name of a file is not UTF-8", "rename it");
const NO_ADDRESS: (&str, &str) = (
    "the name of a file cannot be addressed",
    "rename it: a tab or a line end is in the way, or an empty name, `.` or `..` between two slashes",
);
const NO_WAY: (&str, &str) = ("a folder leads to itself", "remove the link");

impl Odd {
    /// An object under a name that cannot be addressed.
    pub(super) fn without_address(path: &str) -> Odd {
        let (message, mend) = NO_ADDRESS;
        Odd { path: path.to_string(), message, mend }
    }
}

#[derive(Default)]
struct Walk {
    objects: Vec<Object>,
    odd: Vec<Odd>,
    /// The folders, without links, from which a link was followed to where the walk is.
    came_from: Vec<PathBuf>,
}

impl Walk {
    fn odd(&mut self, path: &str, (message, mend): (&'static str, &'static str)) {
        self.odd.push(Odd { path: path.to_string(), message, mend });
    }

    fn folder(&mut self, folder: &Path, of: &str) -> Result<()> {
        let failed = |error: io::Error| not_listed(folder, error);
        for entry in entries(folder)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let below = name.to_string_lossy();
            let path = if of.is_empty() { below.to_string() } else { format!("{of}/{below}") };
            if name.to_str().is_none() {
                self.odd(&path, NO_NAME);
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                self.folder(&entry.path(), &path)?;
                continue;
            }
            let metadata = if kind.is_symlink() { fs::metadata(entry.path()) } else { entry.metadata() };
            match metadata {
                // Removed meanwhile, or a link to nothing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if kind.is_symlink() && error.kind() != io::ErrorKind::PermissionDenied => self.odd(&path, NO_WAY),
                Err(error) => return Err(failed(error)),
                Ok(metadata) if metadata.is_dir() => self.link(folder, &entry.path(), &path)?,
                Ok(metadata) if metadata.is_file() && object_store::path::Path::parse(&path).is_err() => {
                    self.odd(&path, NO_ADDRESS);
                }
                Ok(metadata) if metadata.is_file() => self.objects.push(object(path, &metadata)),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Follows a link to a folder, unless it leads back to where the walk came from.
    fn link(&mut self, from: &Path, link: &Path, path: &str) -> Result<()> {
        let real = |place: &Path| fs::canonicalize(place).map_err(|error| not_listed(place, error));
        let target = real(link)?;
        self.came_from.push(real(from)?);
        if self.came_from.iter().any(|folder| folder.starts_with(&target)) {
            self.odd(path, NO_WAY);
        } else {
            self.folder(link, path)?;
        }
        self.came_from.pop();
        Ok(())
    }
}

/// A path for a new file or folder outside the tables' folders and on the same volume, so that a rename moves in one step.
fn new_staging(disk: &Path, staging: &str) -> io::Result<PathBuf> {
    let staging = disk.join(staging);
    fs::create_dir_all(&staging)?;
    Ok(staging.join(format!("{}-{}", std::process::id(), STAGED.fetch_add(1, Ordering::Relaxed))))
}

/// Replaces a file at once; returns its version.
pub(super) fn publish_on_disk(disk: &Path, staging: &str, path: &str, bytes: &[u8]) -> Result<String> {
    let target = disk.join(path);
    let failed =
        |error: io::Error| io_error("an object cannot be written", &error).with("object", target.display()).source(error);
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(Error::bug("an object has no name").with("object", path));
    };
    // What lies under work/ can be made anew: a power cut may lose it, and its receipts tell.
    let is_durable = !path.starts_with("work/");
    let sync = |at: &Path| if is_durable { File::open(at)?.sync_all() } else { Ok(()) };
    let staging = new_staging(disk, staging).map_err(failed)?;
    let written = (|| {
        let is_new = !folder.exists();
        if is_new {
            fs::create_dir(&staging)?;
        }
        let staged = if is_new { staging.join(name) } else { staging.clone() };
        let mut file = File::create(&staged)?;
        file.write_all(bytes)?;
        if is_durable {
            file.sync_all()?;
        }
        let version = version(&file.metadata()?);
        if is_new {
            sync(&staging)?;
            let parent = folder.parent().unwrap_or(disk);
            create_folders(parent, &sync)?;
            match fs::rename(&staging, folder) {
                Ok(()) => return sync(parent).map(|()| version),
                Err(error) if !folder.exists() => return Err(error),
                // Another thread has made it meanwhile, for an object of its own.
                Err(_) => {}
            }
        }
        fs::rename(&staged, &target)?;
        sync(folder)?;
        if is_new { fs::remove_dir(&staging).map(|()| version) } else { Ok(version) }
    })();
    written.map_err(|error| {
        let _ = fs::remove_dir_all(&staging).or_else(|_| fs::remove_file(&staging));
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

pub(super) fn remove_on_disk(disk: &Path, staging: &str, path: &str) -> Result<()> {
    let target = disk.join(path);
    let removed = (|| {
        let folder = target.parent().filter(|folder| *folder != disk);
        let is_alone = |at: &Path| Ok::<bool, io::Error>(fs::read_dir(at)?.take(2).count() == 1);
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use object_store::ObjectStoreExt;
    use object_store::local::LocalFileSystem;

    #[test]
    fn a_file_is_listed_in_the_version_in_which_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path();
        let version = publish_on_disk(disk, STAGING, "a/date=1/x y%2f#1é.parquet", b"abc").unwrap();
        let listed = list_on_disk(disk, "a").unwrap().0;
        let path = "a/date=1/x y%2f#1é.parquet".to_string();
        assert_eq!(listed, [Object::plain(path.clone(), 3, version.clone())]);
        let store = LocalFileSystem::new_with_prefix(disk).unwrap();
        assert_eq!(block_on(store.head(&object_store::path::Path::parse(path).unwrap())).unwrap().e_tag, Some(version));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_links_to_nothing_are_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path();
        publish_on_disk(disk, STAGING, "elsewhere/x.parquet", b"abc").unwrap();
        fs::create_dir(disk.join("a")).unwrap();
        std::os::unix::fs::symlink(disk.join("elsewhere"), disk.join("a/date=1")).unwrap();
        std::os::unix::fs::symlink(disk.join("elsewhere/x.parquet"), disk.join("a/y.parquet")).unwrap();
        std::os::unix::fs::symlink(disk.join("gone"), disk.join("a/z.parquet")).unwrap();
        std::os::unix::fs::symlink(disk.join("a"), disk.join("elsewhere/back")).unwrap();
        std::os::unix::fs::symlink(disk.join("a/self"), disk.join("a/self")).unwrap();
        fs::write(disk.join("a/tab\t.parquet"), "abc").unwrap();
        let mut listed: Vec<String> = list_on_disk(disk, "a").unwrap().0.into_iter().map(|object| object.path).collect();
        listed.sort();
        assert_eq!(listed, ["a/date=1/x.parquet", "a/y.parquet"]);
        let mut odd: Vec<String> = list_on_disk(disk, "a").unwrap().1.into_iter().map(|odd| odd.path).collect();
        odd.sort();
        assert_eq!(odd, ["a/date=1/back", "a/self", "a/tab\t.parquet"]);
        assert_eq!(list_on_disk(disk, "b").unwrap(), (Vec::new(), Vec::new()));
        fs::remove_file(disk.join("a/self")).unwrap();
        let each: Vec<String> =
            list_each_on_disk(disk, "a", "x.parquet").unwrap().into_iter().map(|object| object.path).collect();
        assert_eq!(each, ["a/date=1/x.parquet"]);
    }
}

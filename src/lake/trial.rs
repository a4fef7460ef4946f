//! Whether a folder on a local disk can be written to, tried out as a run would do it. What a store can do is in `probe`.
//!
//! What is put there is removed again at once. A table's folder holds nothing but the table, not for a moment: there a file without a name
//! is made, where the system can.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use chrono::{DateTime, Utc};

use super::disk::io_error;
use super::holder::token;
use super::open::Lake;
use crate::base::error::Result;
use crate::base::schema::DAY_TABLES;

/// The folders of an output that hold no table.
const OWN_FOLDERS: [&str; 5] = ["state", "work", "work/staging", "runs", "rejected"];

impl Lake {
    /// Tries to write where a run would. On a store it says nothing.
    pub fn try_to_write(&self, now: DateTime<Utc>) -> Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let hidden = format!(".ctwa-check-{}", token(now));
        if !disk.is_dir() {
            return try_to_make(disk, &hidden);
        }
        tried(disk, &|folder| put_and_remove(&folder.join(&hidden)))?;
        for own in OWN_FOLDERS.map(|own| disk.join(own)).iter().filter(|own| fs::symlink_metadata(own).is_ok()) {
            tried(own, &|folder| fs::create_dir_all(folder).and_then(|()| put_and_remove(&folder.join(&hidden))))?;
        }
        for name in DAY_TABLES.into_iter().chain(["ads", "reach"]) {
            let folder = disk.join(name);
            if fs::symlink_metadata(&folder).is_ok() {
                tried(&folder, &|table| fs::create_dir_all(table).and_then(|()| make_nameless(table)))?;
            }
            if let Some(newest) = newest_folder(&folder) {
                tried(&newest, &make_nameless)?;
            }
        }
        Ok(())
    }

    /// Tries to write where what is fetched lands, below this folder. On a store it says nothing.
    pub fn try_to_land(&self, folder: &str, now: DateTime<Utc>) -> Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let (folder, hidden) = (disk.join(folder), format!(".ctwa-check-{}", token(now)));
        if folder.is_dir() {
            tried(&folder, &|there| put_and_remove(&there.join(&hidden)))
        } else {
            try_to_make(&folder, &hidden)
        }
    }
}

fn tried(folder: &Path, work: &dyn Fn(&Path) -> io::Result<()>) -> Result<()> {
    work(folder).map_err(|error| {
        let told = io_error("a folder cannot be written to", &error).with("folder", folder.display()).source(error);
        told.mend("give this user the permission, or correct the url of the output")
    })
}

/// Tries to make a folder that is not there.
fn try_to_make(folder: &Path, hidden: &str) -> Result<()> {
    // A link that leads nowhere is in the way.
    let is_in_the_way = fs::symlink_metadata(folder).is_ok();
    let there = folder.ancestors().skip(1).find(|above| above.exists()).unwrap_or(folder);
    tried(if is_in_the_way { folder } else { there }, &|place| {
        let made = if is_in_the_way { place.to_path_buf() } else { place.join(hidden) };
        fs::create_dir(&made).and_then(|()| fs::remove_dir(&made))
    })
}

fn put_and_remove(path: &Path) -> io::Result<()> {
    let written = File::create_new(path).and_then(|mut file| file.write_all(b"tried by ctwa check"));
    let removed = fs::remove_file(path);
    written.and(removed)
}

fn newest_folder(of: &Path) -> Option<std::path::PathBuf> {
    let below = fs::read_dir(of).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    below.filter(|path| path.is_dir()).max()
}

/// Makes a file that nobody can see and that goes when it is closed. Where the system knows none, nothing is told.
#[cfg(target_os = "linux")]
fn make_nameless(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match File::options().write(true).custom_flags(libc::O_TMPFILE).open(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn make_nameless(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{Environment, Location};

    fn tried(folder: &Path) -> Result<()> {
        let location = Location::resolve(folder.to_str().unwrap(), Path::new(".")).unwrap();
        Lake::open_or_create(&location, &Environment::default()).unwrap().try_to_write(DateTime::UNIX_EPOCH)
    }

    fn everything(folder: &Path) -> Vec<std::path::PathBuf> {
        let mut paths = vec![folder.to_path_buf()];
        let mut at = 0;
        while at < paths.len() {
            if paths[at].is_dir() {
                paths.extend(fs::read_dir(&paths[at]).unwrap().map(|entry| entry.unwrap().path()));
            }
            at += 1;
        }
        paths.sort();
        paths
    }

    #[test]
    fn nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a/b/out");
        for present in [&["a/b/out"][..], &["a/b/out/state", "a/b/out/work/staging", "a/b/out/ad_days/dt=2026-01-01"], &[]] {
            let before = everything(folder.path());
            tried(&out).unwrap();
            assert_eq!(everything(folder.path()), before);
            present.iter().for_each(|path| fs::create_dir_all(folder.path().join(path)).unwrap());
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_a_run_could_not_write_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path().join("gone/x"), folder.path().join("link")).unwrap();
        assert!(tried(&folder.path().join("link")).unwrap_err().to_string().contains("a folder cannot be written to"));
        for file in ["state", "work", "rejected", "ad_days"] {
            let out = folder.path().join(file);
            fs::create_dir(&out).unwrap();
            fs::write(out.join(file), "").unwrap();
            let error = tried(&out).unwrap_err().to_string();
            assert!(error.contains(&format!("{file}/{file}")), "{error}");
        }
    }
}

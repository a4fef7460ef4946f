//! Objects listed, and got whole.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{GetResult, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::disk::{Odd, list_each_on_disk, list_on_disk, no_folder};
use super::failure::{self, Operation};
use super::open::Lake;
use crate::base::error::{Error, Result};
use crate::base::object::Object;

/// How a Parquet file begins.
const PARQUET: &[u8] = b"PAR1";

impl Lake {
    /// Every object below a folder; none when there is no such folder.
    pub fn list(&self, folder: &str) -> Result<Vec<Object>> {
        let (objects, odd) = self.list_with_odd(folder)?;
        match odd.into_iter().next() {
            Some(Odd { path, message, mend }) => Err(Error::data(message).with("file", path).mend(mend)),
            None => Ok(objects),
        }
    }

    /// Every object below a folder, and what lies there and is none.
    pub(super) fn list_with_odd(&self, folder: &str) -> Result<(Vec<Object>, Vec<Odd>)> {
        let (mut objects, odd) = match &self.disk {
            Some(disk) => list_on_disk(disk, folder)?,
            None => self.list_in_store(folder)?,
        };
        objects.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok((objects, odd))
    }

    /// An object as a listing would show it; none where there is none.
    pub(super) fn look_at(&self, path: &str) -> Result<Option<Object>> {
        let location = self.object_path(path)?;
        match self.wait(self.store.head(&location)) {
            Ok(meta) => Ok(Some(Object::plain(path, meta.size, self.version(&meta)))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failure(Operation::Read, path, error)),
        }
    }

    /// Whether an object begins as Parquet does.
    pub(super) fn begins_as_parquet(&self, object: &Object) -> Result<bool> {
        let location = self.object_path(&object.path)?;
        let got = self.wait(self.store.get_range(&location, 0..PARQUET.len() as u64));
        let bytes = got.map_err(|error| self.failure(Operation::Read, &object.path, error))?;
        Ok(*bytes == *PARQUET)
    }

    /// The objects of this name, one in each folder below a folder. What else lies there may come along.
    pub(crate) fn list_each(&self, folder: &str, name: &str) -> Result<Vec<Object>> {
        match &self.disk {
            Some(disk) => list_each_on_disk(disk, folder, name),
            None => self.list(folder),
        }
    }

    fn list_in_store(&self, folder: &str) -> Result<(Vec<Object>, Vec<Odd>)> {
        let prefix = self.object_path(folder)?;
        let mut listed = self.list_whole(&prefix);
        if matches!(listed, Err(object_store::Error::InvalidPath { .. })) {
            self.traffic.leave_odd_keys_out();
            listed = self.list_whole(&prefix);
        }
        let metas = listed.map_err(|error| self.failure(Operation::List, folder, error))?;
        let keys = self.traffic.odd_keys_below(&format!("{prefix}/"));
        // The sign of a folder is no file.
        let keys = keys.into_iter().filter(|key| !key.ends_with('/'));
        let odd = keys.map(|key| Odd::without_address(key[self.prefix.as_ref().len()..].trim_start_matches('/')));
        let odd: Vec<Odd> = odd.collect();
        let relative = |location: &Path| location.as_ref()[self.prefix.as_ref().len()..].trim_start_matches('/').to_string();
        let object = |meta: ObjectMeta| Object::plain(relative(&meta.location), meta.size, self.version(&meta));
        // A store lists nothing below an object.
        if metas.is_empty() && odd.is_empty() && folder.contains('.') && self.look_at(folder)?.is_some() {
            return Err(no_folder(folder));
        }
        Ok((metas.into_iter().map(object).collect(), odd))
    }

    /// A listing whose body breaks off is asked for again, which `object_store` does for objects only.
    pub(super) fn list_whole(&self, prefix: &Path) -> object_store::Result<Vec<ObjectMeta>> {
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
            Ok((bytes_of(found).await?, version))
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

/// The bytes of an answer. A file is read where it is, into memory that need not be cleared before.
pub(super) async fn bytes_of(found: GetResult) -> object_store::Result<Bytes> {
    let range = found.range.clone();
    let GetResultPayload::File(mut file, path) = found.payload else { return found.bytes().await };
    let mut bytes = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or_default());
    let read = file.seek(SeekFrom::Start(range.start)).and_then(|_| file.take(range.end - range.start).read_to_end(&mut bytes));
    let failed = |error: std::io::Error| {
        let source = std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        object_store::Error::Generic { store: "disk", source: source.into() }
    };
    read.map_err(failed)?;
    Ok(bytes.into())
}

//! How objects are put, replaced and removed.

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutResult, UpdateVersion};

use super::disk::{publish_on_disk, remove_on_disk};
use super::failure::Operation;
use super::open::Lake;
use crate::base::error::{Error, ErrorKind, Result};

impl Lake {
    /// Replaces an object at once.
    ///
    /// On a local disk the bytes are staged in a folder of this location, flushed to the disk and renamed; a folder that is
    /// new comes with its object in it. So nothing else ever lies in the target's folder, and no folder is ever empty. Returns the
    /// version that listings show from now on.
    pub fn publish(&self, path: &str, bytes: Bytes) -> Result<String> {
        if let Some(disk) = &self.disk {
            return publish_on_disk(disk, &self.staging, path, &bytes);
        }
        let location = self.object_path(path)?;
        let failed = |error| self.failure(Operation::Write, path, error);
        match self.wait(self.store.put(&location, bytes.into())).map_err(failed)?.e_tag {
            Some(tag) => Ok(self.version_of(tag)),
            None => self.wait(self.store.head(&location)).map(|meta| self.version(&meta)).map_err(failed),
        }
    }

    /// This location, for landing objects in one of its folders: they are staged inside that folder, in one whose name begins
    /// with `_`, which nobody reads. Whoever calls this is the only one to land there.
    pub fn landing(&self, folder: &str) -> Result<Lake> {
        let lake = Lake { staging: format!("{folder}/_staging"), ..self.clone() };
        lake.sweep_staging();
        Ok(lake)
    }

    /// What a run that died left in staging belongs to nobody.
    pub(super) fn sweep_staging(&self) {
        if let Some(disk) = &self.disk {
            let _ = std::fs::remove_dir_all(disk.join(&self.staging));
        }
    }

    /// Replaces an object of a store only if it is still of this version, or with none, only if there is none: otherwise an error of
    /// kind conflict. A put whose reply was lost finds its own bytes there, which is no conflict.
    pub(super) fn publish_over(&self, path: &str, bytes: Bytes, version: Option<&str>) -> Result<String> {
        let put = match version {
            Some(version) => self.update(path, bytes.clone(), version)?,
            None => self.create(path, bytes.clone())?,
        };
        if let Some(new) = put {
            return Ok(new);
        }
        match self.get_versioned(path)? {
            Some((there, found)) if there == bytes => Ok(found),
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
        match self.wait(self.store.put_opts(&location, bytes.clone().into(), mode.into())) {
            Ok(PutResult { e_tag: Some(tag), .. }) => Ok(Some(self.version_of(tag))),
            Ok(_) => Err(Error::bug("the store gave no ETag for an object it took").with("object", path)),
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
            let failure = match self.wait(self.store.delete(&location)) {
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

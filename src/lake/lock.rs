//! The lock of an output: one run at a time.
//!
//! On a local disk it is a `flock` on `state/lock`, which the system frees when its holder dies; the file tells who holds it since
//! when.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

use super::{Lake, io_error};

const LOCK_OBJECT: &str = "state/lock";

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub owner: String,
    /// RFC 3339.
    pub since: String,
}

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
}

impl Lake {
    pub fn lock(&self, since: &str) -> Result<Lock> {
        let Some(disk) = &self.disk else { return Ok(Lock { _file: None }) };
        let path = disk.join(LOCK_OBJECT);
        let failed =
            |error: std::io::Error| io_error("the lock cannot be taken", &error).with("object", path.display()).source(error);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str::<Holder>(&text).ok());
                let holder =
                    holder.map_or("another run".to_string(), |holder| format!("{} since {}", holder.owner, holder.since));
                return Err(Error::new(ErrorKind::Conflict, format!("this output is held by {holder}"))
                    .with("output", &self.location)
                    .mend("wait until it has finished, or stop it, then run again"));
            }
        }
        let holder = Holder { owner: format!("process {} on {}", std::process::id(), host()), since: since.to_string() };
        let text = serde_json::to_string(&holder).map_err(|error| Error::bug("a lock's holder is no JSON").source(error))?;
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes())).map_err(failed)?;
        // What a run that died left in staging belongs to nobody.
        let _ = std::fs::remove_dir_all(disk.join("work/staging"));
        Ok(Lock { _file: Some(file) })
    }
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or("this machine".to_string(), |name| name.trim().to_string())
}

//! The lock of an output: one run at a time.
//!
//! On a local disk it is a `flock` on `state/lock`, which the system frees when its holder dies; the file tells who holds it since
//! when, and who held it last and released it. On an object store it is a series of epochs, see `epochs`.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::disk::io_error;
use super::epochs::{DEAD_AFTER, OwnEpoch};
use super::holder::{Holder, Released, held, this_run};
use super::open::Lake;
use crate::base::error::{Error, Result};
use crate::base::object::Object;

const LOCK_OBJECT: &str = "state/lock";

const BEAT_EVERY: Duration = Duration::from_secs(10);

/// An object to be published.
#[derive(Clone, Debug)]
pub struct Put {
    pub path: String,
    pub bytes: Bytes,
    /// What lay there when the run looked.
    pub surveyed: Option<Object>,
}

/// A lock that is held until this is dropped.
pub struct Lock {
    hold: Hold,
    /// Its state as it was found; none where the last holder died.
    found: Option<Released>,
}

enum Hold {
    Disk { _flock: Flock },
    Store(Box<OwnEpoch>),
}

/// What lies in the file of a lock on a disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    holder: Holder,
    #[serde(default)]
    released: bool,
}

/// A locked file.
struct Flock {
    file: File,
    record: Record,
}

impl Flock {
    fn write(&mut self) -> std::io::Result<()> {
        let text = serde_json::to_vec(&self.record)?;
        // An empty file would say that nobody was here.
        self.file.rewind().and_then(|()| self.file.write_all(&text)).and_then(|()| self.file.set_len(text.len() as u64))
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        self.record.released = true;
        // Where it does not say so, the next run looks at everything again.
        let _ = self.write();
        // A child that is being started holds the file open for a moment: closing it here would not free it.
        let _ = self.file.unlock();
    }
}

impl Lake {
    /// Takes the lock, or says in a conflict who holds it since when.
    pub fn lock(&self, now: DateTime<Utc>) -> Result<Lock> {
        self.lock_after(DEAD_AFTER, now)
    }

    /// Takes the lock, likewise, where a store's holder is taken for dead that was not heard of for longer than this.
    pub fn lock_after(&self, silence: TimeDelta, now: DateTime<Utc>) -> Result<Lock> {
        match &self.disk {
            Some(disk) => self.lock_on_disk(disk, now),
            None => {
                let (held, found) = self.lock_on_store(now, silence)?;
                Ok(Lock { hold: Hold::Store(Box::new(held)), found })
            }
        }
    }

    /// The lock's state before a look at what it protects; none while it is held, or where its last holder died. Takes nothing.
    pub fn released(&self) -> Result<Option<Released>> {
        let Some(disk) = &self.disk else { return self.released_on_store() };
        match std::fs::read_to_string(disk.join(LOCK_OBJECT)) {
            Ok(text) => Ok(Released::on_disk(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Some(Released::by_nobody())),
            // Whoever takes the lock says what is wrong with it.
            Err(_) => Ok(None),
        }
    }

    /// What a run would be told that wants the lock at this moment, where somebody holds it. Takes nothing.
    pub(crate) fn conflict(&self, now: DateTime<Utc>) -> Result<Option<Error>> {
        let Some(disk) = &self.disk else { return self.conflict_on_store(now) };
        let path = disk.join(LOCK_OBJECT);
        let failed =
            |error: std::io::Error| io_error("the lock cannot be taken", &error).with("object", path.display()).source(error);
        // As a run opens it.
        let mut file = match File::options().read(true).write(true).open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        if Released::on_disk(text.clone()).is_some() {
            return Ok(None);
        }
        // Somebody holds it, or died with it: one that is shared for a moment tells.
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| None).map_err(failed),
            Err(TryLockError::Error(error)) => Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let holder = serde_json::from_str::<Holder>(&text).ok();
                Ok(Some(holder.map_or_else(|| held(self, "another run"), |holder| holder.refuses(self))))
            }
        }
    }

    fn lock_on_disk(&self, disk: &std::path::Path, now: DateTime<Utc>) -> Result<Lock> {
        let path = disk.join(LOCK_OBJECT);
        let failed =
            |error: std::io::Error| io_error("the lock cannot be taken", &error).with("object", path.display()).source(error);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let mut text = String::new();
        match file.try_lock() {
            Ok(()) => drop(file.read_to_string(&mut text).map_err(failed)?),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let holder = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str::<Holder>(&text).ok());
                return Err(holder.map_or_else(|| held(self, "another run"), |holder| holder.refuses(self)));
            }
        }
        let mut flock = Flock { file, record: Record { holder: this_run(now), released: false } };
        flock.write().map_err(failed)?;
        self.sweep_staging();
        Ok(Lock { hold: Hold::Disk { _flock: flock }, found: Released::on_disk(text) })
    }
}

impl Released {
    fn on_disk(text: String) -> Option<Released> {
        let is_released = || serde_json::from_str::<Record>(&text).is_ok_and(|record| record.released);
        (text.is_empty() || is_released()).then_some(Released(text))
    }
}

impl Lock {
    /// Whether nobody has held the lock since it was in this state: what was looked at after that is as it was then.
    pub fn follows(&self, released: Option<&Released>) -> bool {
        released.is_some() && self.found.as_ref() == released
    }

    /// Replaces a published object, which must still be the one surveyed, where the store can tell. To be called soon after
    /// [`Lock::check`].
    pub fn publish(&self, output: &Lake, put: &Put) -> Result<String> {
        match &self.hold {
            Hold::Store(held) if held.is_fenced => {
                output.publish_over(&put.path, put.bytes.clone(), put.surveyed.as_ref().map(|object| object.version.as_str()))
            }
            _ => output.publish(&put.path, put.bytes.clone()),
        }
    }

    /// Removes a published object.
    pub fn remove(&self, output: &Lake, path: &str) -> Result<()> {
        self.check()?;
        output.remove(path)
    }

    /// An error, of kind conflict, once the output is no longer held: nothing may be published then.
    pub fn check(&self) -> Result<()> {
        match &self.hold {
            Hold::Disk { .. } => Ok(()),
            Hold::Store(held) => held.check(),
        }
    }

    /// Says that the holder lives. To be called every few seconds, which [`Lock::keep`] does.
    pub fn beat(&self, now: DateTime<Utc>) -> Result<()> {
        match &self.hold {
            Hold::Disk { .. } => Ok(()),
            Hold::Store(held) => held.beat(now),
        }
    }

    /// Does the work with a thread beside it that keeps the lock alive, by this clock.
    pub fn keep<T>(&self, clock: &(dyn Fn() -> DateTime<Utc> + Sync), work: impl FnOnce() -> T) -> T {
        let Hold::Store(_) = &self.hold else { return work() };
        std::thread::scope(|scope| {
            let (working, ended) = mpsc::channel::<()>();
            scope.spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(BEAT_EVERY) {
                    // A lost lock is found by the next check; storage that fails may answer the next beat.
                    let _ = self.beat(clock());
                }
            });
            let done = work();
            drop(working);
            done
        })
    }
}

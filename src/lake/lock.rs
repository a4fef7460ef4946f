//! The lock of an output: one run at a time.
//!
//! On a local disk it is a `flock` on `state/lock`, which the system frees when its holder dies; the file tells who holds it since
//! when, and who held it last and released it.
//!
//! On an object store it is a series of epochs, `state/lock/<epoch>.json`, each made by a create-only put, so that of two runs that
//! want the next epoch one gets it. The highest epoch holds the output until it is released, or until 30 s after its last heartbeat,
//! by the clock of whoever asks. The holder asks with [`Lock::check`] before each put that readers can see whether its epoch is
//! still the highest, and puts no more once it is not. A put that is under way at that moment has a fence of its own where the store
//! can: it replaces only the version that its run surveyed. Whether the store can is tried on the epoch's own object. Epochs below
//! the highest are swept by the next holder; the highest stays, so that their numbers never go back.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use object_store::{ObjectStoreExt, PutMode};
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, Result};

use super::Lake;
use super::failure::{Operation, io_error};
use crate::base::object::Object;

const LOCK_OBJECT: &str = "state/lock";
const EPOCHS: &str = "state/lock";

const BEAT_EVERY: Duration = Duration::from_secs(10);
/// How long an epoch outlives its last heartbeat: two beats may fail.
const DEAD_AFTER: TimeDelta = TimeDelta::seconds(30);

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub owner: String,
    #[serde(with = "instant")]
    pub since: DateTime<Utc>,
}

impl Holder {
    fn refuses(&self, output: &Lake) -> Error {
        held(output, &format!("{} since {}", self.owner, rfc3339(self.since)))
    }
}

fn held(output: &Lake, by: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("this output is held by {by}"))
        .with("output", &output.location)
        .mend("wait until it has finished, or stop it, then run again")
}

/// What lies in an epoch's object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Epoch {
    #[serde(flatten)]
    holder: Holder,
    /// When the holder last said that it lives.
    #[serde(with = "instant")]
    heartbeat: DateTime<Utc>,
    released: bool,
}

impl Epoch {
    fn is_free(&self, now: DateTime<Utc>) -> bool {
        self.released || now - self.heartbeat > DEAD_AFTER
    }

    fn released(&self, number: u64) -> Option<Released> {
        self.released.then(|| Released(number.to_string()))
    }
}

/// An instant as RFC 3339 text.
mod instant {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&instant.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// An object to be published.
#[derive(Clone, Debug)]
pub struct Put {
    pub path: String,
    pub bytes: Bytes,
    /// What lay there when the run looked.
    pub surveyed: Option<Object>,
}

/// The state of a lock that nobody holds: it changes whenever somebody has held it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released(String);

/// A lock that is held until this is dropped.
pub struct Lock {
    hold: Hold,
    /// As it was found; none where the last holder died.
    found: Option<Released>,
}

enum Hold {
    Disk { _flock: Flock },
    Store(Box<Held>),
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

/// An epoch of ours.
struct Held {
    output: Lake,
    number: u64,
    /// What lies in its object, and the object's version where it is known.
    written: Mutex<(Epoch, Option<String>)>,
    lost: AtomicBool,
    /// Whether the store refuses to replace another version than the one named.
    is_fenced: bool,
}

impl Lake {
    /// Takes the lock, or says in a conflict who holds it since when.
    pub fn lock(&self, now: DateTime<Utc>) -> Result<Lock> {
        match &self.disk {
            Some(disk) => self.lock_on_disk(disk, now),
            None => self.lock_on_store(now),
        }
    }

    /// The lock's state before a look at what it protects; none while it is held, or where its last holder died. Takes nothing.
    pub fn released(&self) -> Result<Option<Released>> {
        let Some(disk) = &self.disk else {
            let Some((number, _)) = self.epochs()?.pop_last() else { return Ok(Some(Released::by_nobody())) };
            return Ok(self.epoch(number)?.and_then(|epoch| epoch.released(number)));
        };
        match std::fs::read_to_string(disk.join(LOCK_OBJECT)) {
            Ok(text) => Ok(Released::on_disk(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Some(Released::by_nobody())),
            // Whoever takes the lock says what is wrong with it.
            Err(_) => Ok(None),
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

    fn lock_on_store(&self, now: DateTime<Utc>) -> Result<Lock> {
        let highest = self.epochs()?.pop_last();
        let mut found = highest.is_none().then(Released::by_nobody);
        if let Some((number, _)) = highest
            && let Some(epoch) = self.epoch(number)?
        {
            if !epoch.is_free(now) {
                return Err(epoch.holder.refuses(self).with("last heartbeat", rfc3339(epoch.heartbeat)));
            }
            found = epoch.released(number);
        }
        let number = highest.map_or(1, |(highest, _)| highest + 1);
        let epoch = Epoch { holder: this_run(now), heartbeat: now, released: false };
        self.create_epoch(number, &epoch)?;
        let written = Mutex::new((epoch, None));
        let mut held = Held { output: self.clone(), number, written, lost: AtomicBool::new(false), is_fenced: false };
        // The epoch could be made because a later holder had swept this number away.
        held.check()?;
        held.is_fenced = held.try_fence()?;
        let lock = Lock { hold: Hold::Store(Box::new(held)), found };
        for (old, _) in self.epochs()?.range(..number) {
            // What cannot be swept today is swept by the next holder.
            let _ = self.remove(&epoch_object(*old));
        }
        Ok(lock)
    }

    /// The epochs that are there, with their objects' versions.
    fn epochs(&self) -> Result<BTreeMap<u64, String>> {
        let number = |path: &str| path.strip_prefix(EPOCHS)?.strip_prefix('/')?.strip_suffix(".json")?.parse().ok();
        Ok(self.list(EPOCHS)?.into_iter().filter_map(|object| Some((number(&object.path)?, object.version))).collect())
    }

    fn epoch(&self, number: u64) -> Result<Option<Epoch>> {
        let object = epoch_object(number);
        let Some(bytes) = self.get(&object)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::new(ErrorKind::Conflict, "the lock's object cannot be read")
                .with("object", object)
                .source(error)
                .mend("look whether another run is at work; if none is, remove the object and run again")
        })
    }

    fn create_epoch(&self, number: u64, epoch: &Epoch) -> Result<()> {
        let object = epoch_object(number);
        let (location, bytes) = (self.object_path(&object)?, json(epoch)?);
        let put = self.store.put_opts(&location, bytes.into(), PutMode::Create.into());
        let Err(error) = self.wait(put) else { return Ok(()) };
        // A put whose reply was lost, and was tried again, finds itself there.
        match self.epoch(number) {
            Ok(Some(there)) if there.holder.owner == epoch.holder.owner => Ok(()),
            Ok(Some(there)) if matches!(error, object_store::Error::AlreadyExists { .. }) => Err(there.holder.refuses(self)),
            _ => Err(self.failure(Operation::Write, &object, error)),
        }
    }
}

impl Released {
    fn by_nobody() -> Released {
        Released(String::new())
    }

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
            Hold::Store(held) => held.write(|epoch| epoch.heartbeat = now),
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

impl Held {
    fn check(&self) -> Result<()> {
        self.check_written(&mut *self.written()?)
    }

    /// Whether the store replaces a version that is named, and only that.
    fn try_fence(&self) -> Result<bool> {
        let mut written = self.written()?;
        let Some(version) = written.1.take() else { return Ok(false) };
        if !self.output.location.compares_versions() {
            return Ok(false);
        }
        match self.output.update(&epoch_object(self.number), json(&written.0)?.into(), &version)? {
            Some(version) => {
                written.1 = Some(version);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// What was written; held against a heartbeat that is on its way.
    fn written(&self) -> Result<MutexGuard<'_, (Epoch, Option<String>)>> {
        self.written.lock().map_err(|_| Error::bug("a thread that wrote the lock's epoch died"))
    }

    fn check_written(&self, (epoch, known): &mut (Epoch, Option<String>)) -> Result<()> {
        let highest = self.output.epochs()?.pop_last();
        let mut taker = None;
        if let Some((number, version)) = highest
            && !self.lost.load(Ordering::Relaxed)
        {
            if number == self.number && known.as_ref() == Some(&version) {
                return Ok(());
            }
            taker = self.output.epoch(number)?.map(|epoch| epoch.holder);
            if taker.as_ref().is_some_and(|holder| holder.owner == epoch.holder.owner) {
                *known = Some(version);
                return Ok(());
            }
        }
        self.lost.store(true, Ordering::Relaxed);
        let message = match taker {
            Some(holder) => format!("the lock was taken over by {} since {}", holder.owner, rfc3339(holder.since)),
            None => "the lock is lost".to_string(),
        };
        Err(Error::new(ErrorKind::Conflict, message)
            .with("output", &self.output.location)
            .mend("nothing was published after that; run again when the other run has finished"))
    }

    /// Writes the epoch's object anew, as long as the epoch is the highest.
    fn write(&self, change: impl FnOnce(&mut Epoch)) -> Result<()> {
        let mut written = self.written()?;
        self.check_written(&mut written)?;
        change(&mut written.0);
        written.1 = None;
        let object = epoch_object(self.number);
        let (location, bytes) = (self.output.object_path(&object)?, json(&written.0)?);
        let put = self.output.store.put(&location, bytes.into());
        let failed = |error| self.output.failure(Operation::Write, &object, error);
        let put = self.output.wait(put).map_err(failed)?;
        written.1 = put.e_tag.map(|tag| self.output.version_of(tag));
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // An epoch that cannot be released is free when its heartbeat is old enough.
        if !self.lost.load(Ordering::Relaxed) {
            let _ = self.write(|epoch| epoch.released = true);
        }
    }
}

fn epoch_object(number: u64) -> String {
    format!("{EPOCHS}/{number}.json")
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::bug("a lock's holder is no JSON").source(error))
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn this_run(now: DateTime<Utc>) -> Holder {
    Holder { owner: format!("process {} on {}, run {}", std::process::id(), host(), token(now)), since: now }
}

/// Tells this run from every other, also from one with the same process id in another container.
pub(super) fn token(now: DateTime<Utc>) -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = (now.timestamp_micros(), RUNS.fetch_add(1, Ordering::Relaxed));
    format!("{:016x}", RandomState::new().hash_one(run))
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or("this machine".to_string(), |name| name.trim().to_string())
}

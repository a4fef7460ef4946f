//! The lock of an output: one run at a time.
//!
//! On a local disk it is a `flock` on `state/lock`, which the system frees when its holder dies; the file tells who holds it since
//! when.
//!
//! On an object store it is a series of epochs, `state/lock/<epoch>.json`, each made by a create-only put, so that of two runs that
//! want the next epoch one gets it. The highest epoch holds the output until it is released, or until 30 s after its last heartbeat,
//! by the clock of whoever asks. A plain put has no fence: the holder asks with [`Lock::check`] before each put that readers can
//! see whether its epoch is still the highest, and puts no more once it is not. Epochs below the highest are swept by the next
//! holder; the highest stays, so that their numbers never go back.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use object_store::{ObjectStoreExt, PutMode};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

use super::{Lake, io_error, storage_error};

const LOCK_OBJECT: &str = "state/lock";
const EPOCHS: &str = "state/lock";

const BEAT_EVERY: Duration = Duration::from_secs(10);
/// How long an epoch outlives its last heartbeat: two beats may fail.
const DEAD_AFTER: TimeDelta = TimeDelta::seconds(30);

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
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
}

/// An instant as RFC 3339 text.
mod instant {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&instant.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A lock that is held until this is dropped.
pub struct Lock {
    hold: Hold,
}

enum Hold {
    Disk { _file: File },
    Store(Box<Held>),
}

/// An epoch of ours.
struct Held {
    output: Lake,
    number: u64,
    epoch: Mutex<Epoch>,
    lost: AtomicBool,
}

impl Lake {
    /// Takes the lock, or says in a conflict who holds it since when.
    pub fn lock(&self, now: DateTime<Utc>) -> Result<Lock> {
        match &self.disk {
            Some(disk) => self.lock_on_disk(disk, now),
            None => self.lock_on_store(now),
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
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str::<Holder>(&text).ok());
                return Err(holder.map_or_else(|| held(self, "another run"), |holder| holder.refuses(self)));
            }
        }
        let text = json(&Holder { owner: process(), since: now })?;
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text)).map_err(failed)?;
        // What a run that died left in staging belongs to nobody.
        let _ = std::fs::remove_dir_all(disk.join("work/staging"));
        Ok(Lock { hold: Hold::Disk { _file: file } })
    }

    fn lock_on_store(&self, now: DateTime<Utc>) -> Result<Lock> {
        let highest = self.epochs()?.pop();
        if let Some(number) = highest
            && let Some(epoch) = self.epoch(number)?
            && !epoch.is_free(now)
        {
            return Err(epoch.holder.refuses(self).with("last heartbeat", rfc3339(epoch.heartbeat)));
        }
        let number = highest.map_or(1, |highest| highest + 1);
        let holder = Holder { owner: format!("{}, run {}", process(), token(now)), since: now };
        let epoch = Epoch { holder, heartbeat: now, released: false };
        self.create_epoch(number, &epoch)?;
        let held = Held { output: self.clone(), number, epoch: Mutex::new(epoch), lost: AtomicBool::new(false) };
        let lock = Lock { hold: Hold::Store(Box::new(held)) };
        // The epoch could be made because a later holder had swept this number away.
        lock.check()?;
        for old in self.epochs()?.into_iter().filter(|old| *old < number) {
            // What cannot be swept today is swept by the next holder.
            let _ = self.remove(&epoch_object(old));
        }
        Ok(lock)
    }

    /// The numbers of the epochs that are there, the highest last.
    fn epochs(&self) -> Result<Vec<u64>> {
        let number = |path: &str| path.strip_prefix(EPOCHS)?.strip_prefix('/')?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u64> = self.list(EPOCHS)?.iter().filter_map(|object| number(&object.path)).collect();
        numbers.sort_unstable();
        Ok(numbers)
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
        let Err(error) = self.runtime.block_on(put) else { return Ok(()) };
        // A put whose reply was lost, and was tried again, finds itself there.
        match self.epoch(number) {
            Ok(Some(there)) if there.holder.owner == epoch.holder.owner => Ok(()),
            Ok(Some(there)) if matches!(error, object_store::Error::AlreadyExists { .. }) => Err(there.holder.refuses(self)),
            _ => Err(storage_error(error, &object)),
        }
    }
}

impl Lock {
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
        let highest = self.output.epochs()?.pop();
        if highest == Some(self.number) && !self.lost.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.lost.store(true, Ordering::Relaxed);
        let taker = match highest {
            Some(number) if number > self.number => self.output.epoch(number).ok().flatten(),
            _ => None,
        };
        let message = match taker {
            Some(Epoch { holder, .. }) => {
                format!("the lock was taken over by {} since {}", holder.owner, rfc3339(holder.since))
            }
            None => "the lock was taken away".to_string(),
        };
        Err(Error::new(ErrorKind::Conflict, message)
            .with("output", &self.output.location)
            .mend("nothing was published after that; run again when the other run has finished"))
    }

    /// Writes the epoch's object anew, as long as the epoch is the highest.
    fn write(&self, change: impl FnOnce(&mut Epoch)) -> Result<()> {
        self.check()?;
        let mut epoch = self.epoch.lock().map_err(|_| Error::bug("a thread that held the lock's epoch died"))?;
        change(&mut epoch);
        let object = epoch_object(self.number);
        let (location, bytes) = (self.output.object_path(&object)?, json(&*epoch)?);
        let put = self.output.store.put(&location, bytes.into());
        self.output.runtime.block_on(put).map(drop).map_err(|error| storage_error(error, &object))
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

fn process() -> String {
    format!("process {} on {}", std::process::id(), host())
}

/// Tells this run from every other, also from one with the same process id in another container.
fn token(now: DateTime<Utc>) -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = (now.timestamp_micros(), RUNS.fetch_add(1, Ordering::Relaxed));
    format!("{:016x}", RandomState::new().hash_one(run))
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or("this machine".to_string(), |name| name.trim().to_string())
}

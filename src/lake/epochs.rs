//! The lock of an output on an object store: a series of epochs, `state/lock/<epoch>.json`.
//!
//! Each is made by a create-only put, so that of two runs that want the next epoch one gets it. The highest epoch holds the output
//! until it is released, or until 30 s after its last heartbeat. Its holder asks before each put that readers can see whether its epoch
//! is still the highest, and puts no more once it is not. A put that is under way at that moment has a fence of its own where the store
//! can: it replaces only the version that its run surveyed. Whether the store can is tried on the epoch's own object. Epochs below the
//! highest are swept by the next holder; the highest stays, so that their numbers never go back.
//!
//! Those 30 s are the store's: whoever asks for a held lock puts an object of its own, and one listing tells when the store took that
//! and when it took the last heartbeat. Neither the holder's clock nor the asker's is believed. A store that tells whole seconds is
//! waited for up to a second longer, never less.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use object_store::{ObjectStoreExt, PutMode};
use serde::{Deserialize, Serialize};

use super::failure::Operation;
use super::holder::{Holder, Released, instant, rfc3339, this_run, token};
use super::open::Lake;
use crate::base::error::{Error, ErrorKind, Result};

const EPOCHS: &str = "state/lock";

/// What the objects begin with by which a store is asked for its time.
const QUESTIONS: &str = "state/lock/asked-";

/// How long an epoch outlives its last heartbeat: two beats may fail.
pub(super) const DEAD_AFTER: TimeDelta = TimeDelta::seconds(30);

/// What lies in an epoch's object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Epoch {
    #[serde(flatten)]
    holder: Holder,
    /// The time at which the holder last said that it lives, by its own clock: for people to read, nothing is decided by it.
    #[serde(with = "instant")]
    heartbeat: DateTime<Utc>,
    released: bool,
}

impl Epoch {
    fn released(&self, number: u64) -> Option<Released> {
        self.released.then(|| Released(number.to_string()))
    }
}

/// Two times by a store's own clock.
struct Heard {
    /// The time of an epoch's last heartbeat.
    last: DateTime<Utc>,
    now: DateTime<Utc>,
}

/// An epoch of ours.
pub(super) struct OwnEpoch {
    output: Lake,
    number: u64,
    /// What lies in its object, and the object's version where it is known.
    written: Mutex<(Epoch, Option<String>)>,
    lost: AtomicBool,
    /// Whether the store refuses to replace another version than the one named.
    pub is_fenced: bool,
}

impl Lake {
    /// The lock's state on a store before a look at what it protects; none while it is held, or where its last holder died.
    pub(super) fn released_on_store(&self) -> Result<Option<Released>> {
        let Some((number, _)) = self.epochs()?.pop_last() else { return Ok(Some(Released::by_nobody())) };
        Ok(self.epoch(number)?.and_then(|epoch| epoch.released(number)))
    }

    /// What a run would be told that wants the lock on a store, by the clock of this machine, which a run does not believe.
    pub(super) fn conflict_on_store(&self, now: DateTime<Utc>) -> Result<Option<Error>> {
        let Some((number, _)) = self.epochs()?.pop_last() else { return Ok(None) };
        let living = self.epoch(number)?.filter(|epoch| !epoch.released && now - epoch.heartbeat <= DEAD_AFTER);
        Ok(living.map(|epoch| epoch.holder.refuses(self).with("last heartbeat", rfc3339(epoch.heartbeat))))
    }

    /// Takes the lock on a store, also from a holder that was not heard of for this long; and says how the lock was found, if its last
    /// holder has released it.
    pub(super) fn lock_on_store(&self, now: DateTime<Utc>, dead_after: TimeDelta) -> Result<(OwnEpoch, Option<Released>)> {
        let highest = self.epochs()?.pop_last();
        let mut found = highest.is_none().then(Released::by_nobody);
        if let Some((number, _)) = highest
            && let Some(epoch) = self.epoch(number)?
        {
            if !epoch.released {
                self.refuse_living(number, &epoch, now, dead_after)?;
            }
            found = epoch.released(number);
        }
        let number = highest.map_or(1, |(highest, _)| highest + 1);
        let epoch = Epoch { holder: this_run(now), heartbeat: now, released: false };
        self.create_epoch(number, &epoch)?;
        let written = Mutex::new((epoch, None));
        let mut held = OwnEpoch { output: self.clone(), number, written, lost: AtomicBool::new(false), is_fenced: false };
        // The epoch could be made because a later holder had swept this number away.
        held.check()?;
        held.is_fenced = held.try_fence()?;
        for object in self.list(EPOCHS)? {
            if epoch_number(&object.path).map_or(object.path.starts_with(QUESTIONS), |old| old < number) {
                // What cannot be swept today is swept by the next holder.
                let _ = self.remove(&object.path);
            }
        }
        Ok((held, found))
    }

    /// An error, of kind conflict, unless the store has not heard of an epoch for so long.
    fn refuse_living(&self, number: u64, epoch: &Epoch, now: DateTime<Utc>, dead_after: TimeDelta) -> Result<()> {
        let refused = epoch.holder.refuses(self);
        match self.heard(number, now)? {
            Some(heard) if heard.now - heard.last > dead_after => Ok(()),
            Some(heard) => Err(refused.with("last heartbeat", rfc3339(heard.last))),
            // Somebody else takes the lock at this moment.
            None => Err(refused),
        }
    }

    /// The time at which the store last heard of an epoch, and what time it is there; none where either object is swept away meanwhile.
    fn heard(&self, number: u64, now: DateTime<Utc>) -> Result<Option<Heard>> {
        let question = format!("{QUESTIONS}{}.json", token(now));
        self.create(&question, json(&this_run(now))?.into())?;
        let answer = self.list_whole(&self.object_path(EPOCHS)?);
        // One that stays is swept by the next holder.
        let _ = self.remove(&question);
        let listed = answer.map_err(|error| self.failure(Operation::List, EPOCHS, error))?;
        let taken_at = |object: &str| -> Result<Option<DateTime<Utc>>> {
            let location = self.object_path(object)?;
            Ok(listed.iter().find(|meta| meta.location == location).map(|meta| meta.last_modified))
        };
        let (epoch, asked) = (taken_at(&epoch_object(number))?, taken_at(&question)?);
        Ok(epoch.zip(asked).map(|(last, time)| Heard { last, now: time }))
    }

    /// The epochs that are there, with their objects' versions.
    fn epochs(&self) -> Result<BTreeMap<u64, String>> {
        Ok(self.list(EPOCHS)?.into_iter().filter_map(|object| Some((epoch_number(&object.path)?, object.version))).collect())
    }

    fn epoch(&self, number: u64) -> Result<Option<Epoch>> {
        let object = epoch_object(number);
        let Some(bytes) = self.get(&object)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::new(ErrorKind::Conflict, "the lock's object cannot be read")
                .with("object", object)
                .source(error)
                .mend("see whether another run is at work; if none is, remove the object and run again")
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

impl OwnEpoch {
    pub(super) fn check(&self) -> Result<()> {
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
            taker = self.output.epoch(number)?.map(|newest| newest.holder);
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

    /// Says that the holder lives.
    pub(super) fn beat(&self, now: DateTime<Utc>) -> Result<()> {
        self.write(|epoch| epoch.heartbeat = now)
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

impl Drop for OwnEpoch {
    fn drop(&mut self) {
        // An epoch that cannot be released is free when its heartbeat is old enough.
        if !self.lost.load(Ordering::Relaxed) {
            let _ = self.write(|epoch| epoch.released = true);
        }
    }
}

fn epoch_number(object: &str) -> Option<u64> {
    object.strip_prefix(EPOCHS)?.strip_prefix('/')?.strip_suffix(".json")?.parse().ok()
}

fn epoch_object(number: u64) -> String {
    format!("{EPOCHS}/{number}.json")
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::bug("a lock's holder cannot be written as JSON").source(error))
}

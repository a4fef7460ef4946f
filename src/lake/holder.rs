//! Who holds a lock, and the state of one that nobody holds.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::open::Lake;
use crate::base::error::{Error, ErrorKind};

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub owner: String,
    #[serde(with = "instant")]
    pub since: DateTime<Utc>,
}

impl Holder {
    pub(super) fn refuses(&self, output: &Lake) -> Error {
        held(output, &format!("{} since {}", self.owner, rfc3339(self.since)))
    }
}

pub(super) fn held(output: &Lake, by: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("this output is held by {by}"))
        .with("output", &output.location)
        .mend("wait until it has finished, or stop it, then run again")
}

/// An instant as RFC 3339 text.
pub(super) mod instant {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&instant.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The state of a lock that nobody holds: it changes whenever somebody has held it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released(pub(super) String);

impl Released {
    pub(super) fn by_nobody() -> Released {
        Released(String::new())
    }
}

pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(super) fn this_run(now: DateTime<Utc>) -> Holder {
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

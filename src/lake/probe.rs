//! What a store can do, tried out on an object of our own that is removed again.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::holder::token;
use super::open::Lake;
use crate::base::error::{Error, Result};

/// What a trial found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whether of two puts that create an object the second is refused: what the lock rests on.
    pub creates_once: bool,
    /// Whether a put that names the version it replaces is refused when it is another: the fence of a put under way.
    pub replaces_by_version: bool,
    /// The store's clock, where its answers tell it.
    pub time: Option<DateTime<Utc>>,
    /// The region of the bucket, or on S3 the one that is assumed, if its answers do not tell.
    pub region: Option<String>,
}

impl Lake {
    /// Writes, reads and removes an object under `work/`; none on a local disk, where the system keeps order. `now` only makes the
    /// object's name.
    pub fn probe(&self, now: DateTime<Utc>) -> Result<Option<Probe>> {
        if self.disk.is_some() {
            return Ok(None);
        }
        let object = format!("work/check/{}", token(now));
        let found = self.try_out(&object);
        let removed = self.remove(&object);
        let (creates_once, replaces_by_version) = found?;
        removed?;
        let answer = self.traffic.answer();
        let region = answer.region.or_else(|| self.region());
        Ok(Some(Probe { creates_once, replaces_by_version, time: answer.time, region }))
    }

    fn try_out(&self, object: &str) -> Result<(bool, bool)> {
        let text = |text: &'static str| Bytes::from_static(text.as_bytes());
        let first = self.create(object, text("first"))?;
        let creates_once = self.create(object, text("second"))?.is_none();
        let read = self.get(object)?;
        if creates_once && read != Some(text("first")) {
            return Err(Error::data("the store does not give back what was just written")
                .with("object", object)
                .mend("use a store that shows an object as soon as it is written"));
        }
        let mut replaces_by_version = false;
        if let Some(first) = first
            && creates_once
            && self.location.compares_versions()
            && self.update(object, text("third"), &first)?.is_some()
        {
            replaces_by_version = self.update(object, text("fourth"), &first)?.is_none();
        }
        Ok((creates_once, replaces_by_version))
    }
}

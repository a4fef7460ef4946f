//! Which days the files of a sync have rows of, as it was kept: a file is looked into once.

use crate::base::error::Result;
use crate::base::mapping::TableMapping;
use crate::extract::fingerprints;
use crate::insights::sync_days::SyncDays;
use crate::known::job::Places;
use crate::lake::Listing;
use crate::lake::{Lake, read_json, write_json};

const SYNC_DAYS: &str = "work/sync_days.json";

/// What was kept of the files of syncs, and what is known of them now.
#[derive(Default)]
pub(crate) struct KeptSyncDays {
    kept: SyncDays,
    now: SyncDays,
}

impl KeptSyncDays {
    /// The folders of syncs as a listing by days of figures.
    pub(crate) fn take(places: &Places<'_>, columns: &TableMapping, folders: Listing) -> Result<(Listing, KeptSyncDays)> {
        let kept: SyncDays = read_json(places.output, SYNC_DAYS)?.unwrap_or_default();
        let (listing, now) = kept.clone().listing(places.lake, columns, fingerprints::columns(columns), folders)?;
        Ok((listing, KeptSyncDays { kept, now }))
    }

    /// Writes what is known now, where it is not what was kept.
    pub(crate) fn keep(&mut self, output: &Lake) -> Result<()> {
        if self.kept != self.now {
            write_json(output, SYNC_DAYS, &self.now)?;
            self.kept.clone_from(&self.now);
        }
        Ok(())
    }
}

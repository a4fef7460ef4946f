//! Rows that were extracted by this engine and are still in memory: they need not be read back, or cannot be.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use crate::base::day::Day;
use crate::base::schema::Raw;
use crate::engine::request::{ExtractedPartition, Keep};

/// How many rows of a table are held although they are stored.
const ROWS_HELD: usize = 1_500_000;

#[derive(Default)]
pub(super) struct Held {
    rows: BTreeMap<(Raw, Day), (RecordBatch, Keep)>,
    /// How many rows of each table were stored so far.
    stored: [usize; 2],
}

impl Held {
    /// Takes rows, unless they are stored and many were before them.
    pub(super) fn take(&mut self, table: Raw, day: Day, rows: RecordBatch, keep: Keep) {
        if keep == Keep::Stored {
            let stored = &mut self.stored[table as usize];
            *stored += rows.num_rows();
            if *stored > ROWS_HELD {
                return;
            }
        }
        self.rows.insert((table, day), (rows, keep));
    }

    pub(super) fn has(&self, table: Raw, day: Day) -> bool {
        self.rows.contains_key(&(table, day))
    }

    /// Gives rows away.
    pub(super) fn give(&mut self, table: Raw, day: Day) -> Option<RecordBatch> {
        self.rows.remove(&(table, day)).map(|(rows, _)| rows)
    }

    /// Gives the rows of these partitions away, as far as they are held.
    pub(super) fn give_all(&mut self, partitions: &[ExtractedPartition<'_>]) -> BTreeMap<(Raw, Day), RecordBatch> {
        let give = |of: &ExtractedPartition<'_>| Some(((of.table, of.day), self.give(of.table, of.day)?));
        partitions.iter().filter_map(give).collect()
    }

    /// All rows that are held, which stay.
    pub(super) fn lent(&self) -> Vec<(Raw, RecordBatch)> {
        self.rows.iter().map(|((table, _), (rows, _))| (*table, rows.clone())).collect()
    }

    /// Lets go of what can be read back.
    pub(super) fn clear_stored(&mut self) {
        self.rows.retain(|_, (_, keep)| *keep != Keep::Stored);
    }
}

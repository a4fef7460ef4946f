//! Working tables: the accepted rows of a partition, stored so that a night need not read raw partitions again.
//!
//! ```text
//! <output>/work/touches/date=YYYY-MM-DD/touches.parquet             of a messages partition
//! <output>/work/conversions/date=YYYY-MM-DD/conversions.parquet     of an events partition
//! ```
//!
//! A table is named by the version that its receipt has: another one is another run's, and as good as none.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::schema::{self, Raw, Table};
use crate::engine::request::ExtractedPartition;
use crate::lake::{Lake, StoredTable, encode_working};

fn place(table: Raw) -> (&'static str, &'static str) {
    match table {
        Raw::Messages => ("work/touches", "touches.parquet"),
        Raw::Events => ("work/conversions", "conversions.parquet"),
    }
}

fn object(table: Raw, day: Day) -> String {
    let (folder, name) = place(table);
    format!("{folder}/date={day}/{name}")
}

fn form(table: Raw) -> Table {
    match table {
        Raw::Messages => schema::touches(),
        Raw::Events => schema::conversions(),
    }
}

/// The versions of the tables that are there.
pub(super) fn versions(output: &Lake) -> Result<BTreeMap<(Raw, Day), String>> {
    let mut versions = BTreeMap::new();
    for table in Raw::BOTH {
        let (folder, name) = place(table);
        for stored in output.list_each(folder, name)? {
            let day = stored.path.split('/').find_map(|part| part.strip_prefix("date=")?.parse::<Day>().ok());
            // Whatever else lies there is not ours.
            if let Some(day) = day.filter(|day| stored.path == object(table, *day)) {
                versions.insert((table, day), stored.version);
            }
        }
    }
    Ok(versions)
}

/// Stores the rows of a partition; returns their version.
pub(super) fn store(output: &Lake, table: Raw, day: Day, rows: &RecordBatch) -> Result<String> {
    output.publish(&object(table, day), encode_working(&form(table).schema, rows)?)
}

pub(super) fn remove(output: &Lake, table: Raw, day: Day) -> Result<()> {
    output.remove(&object(table, day))
}

/// All rows of a partition.
pub(super) fn whole(output: &Lake, partition: &ExtractedPartition<'_>) -> Result<Vec<RecordBatch>> {
    open(output, partition)?.all().map_err(|error| unreadable(error, partition))
}

/// The table of a partition, of which parts are decoded.
pub(super) fn open(output: &Lake, partition: &ExtractedPartition<'_>) -> Result<StoredTable> {
    let path = object(partition.table, partition.day);
    // A run that lost the lock may still write here.
    let found = output.get_versioned(&path)?.filter(|(_, version)| Some(version.as_str()) == partition.version);
    let Some((bytes, _)) = found else {
        return Err(Error::new(ErrorKind::Unavailable, "a working table is gone, or was replaced by another run")
            .with("object", path)
            .mend("run again: it is made anew"));
    };
    StoredTable::new(bytes).map_err(|error| unreadable(error, partition))
}

/// All rows of a partition, in these columns.
pub(super) fn columns(stored: &StoredTable, partition: &ExtractedPartition<'_>, columns: &[&str]) -> Result<Vec<RecordBatch>> {
    stored.columns(columns).map_err(|error| unreadable(error, partition))
}

/// Some rows of a partition, as numbers in ascending order.
pub(super) fn some(stored: &StoredTable, partition: &ExtractedPartition<'_>, rows: &[u32]) -> Result<Vec<RecordBatch>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    stored.rows(rows).map_err(|error| unreadable(error, partition))
}

fn unreadable(error: Error, partition: &ExtractedPartition<'_>) -> Error {
    error.with("object", object(partition.table, partition.day)).mend("remove the object and run again")
}

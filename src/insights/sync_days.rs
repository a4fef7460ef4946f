//! Sync days: where `date` is mapped, a folder is the day of a sync, and its files have rows of any days. Here each day of figures gets
//! the files that have rows of it, as if it were a partition of its own.
//!
//! In: the listed folders, and what is known of files that were looked into before. Out: a listing by days of figures. A file without
//! rows, or that cannot be read, stays with its folder's day: whoever reads that day says what is wrong with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::error::{ErrorKind, Result};
use crate::base::mapping::TableMapping;
use crate::base::object::Object;
use crate::insights::landed::days_in;
use crate::lake::{Lake, Listing, Partition, readable};

/// Which days the files of a table have rows of, by file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncDays {
    /// The mapping under which they were looked into.
    mapping: Digest,
    files: BTreeMap<String, FileDays>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileDays {
    version: String,
    days: Vec<Day>,
}

impl SyncDays {
    /// The listing by days of figures, and what is known of all its files now.
    pub(crate) fn listing(
        self,
        lake: &Lake,
        mapping: &TableMapping,
        of_mapping: Digest,
        folders: Listing,
    ) -> Result<(Listing, SyncDays)> {
        let known = if self.mapping == of_mapping { self.files } else { BTreeMap::new() };
        // A folder that cannot be read is told as the day of its name.
        let (faulty, sound): (Vec<_>, Vec<_>) =
            folders.partitions.into_iter().partition(|(_, partition)| partition.fault.is_some());
        let files: Vec<(Day, Object)> = sound
            .into_iter()
            .map(|(_, partition)| partition)
            .flat_map(|partition| partition.objects.into_iter().map(move |object| (partition.day, object)))
            .collect();
        let found = lake.on_each(&files, |(folder, object)| {
            if let Some(known) = known.get(&object.path).filter(|known| known.version == object.version) {
                return Ok(known.days.clone());
            }
            match readable(|| days_in(lake, mapping, object)) {
                Ok(days) if !days.is_empty() => Ok(days),
                Err(error) if error.kind() != ErrorKind::Data => Err(error),
                _ => Ok(vec![*folder]),
            }
        });
        let mut by_day: BTreeMap<Day, Partition> = faulty.into_iter().collect();
        let mut now = SyncDays { mapping: of_mapping, files: BTreeMap::new() };
        for ((_, object), of_file) in files.into_iter().zip(found) {
            let days = of_file?;
            for day in &days {
                let objects = &mut by_day.entry(*day).or_insert_with(|| Partition::of(*day, Vec::new())).objects;
                objects.push(object.clone());
            }
            now.files.insert(object.path, FileDays { version: object.version, days });
        }
        by_day.values_mut().for_each(|partition| partition.objects.sort_by(|a, b| a.path.cmp(&b.path)));
        Ok((Listing { partitions: by_day, left_out: folders.left_out }, now))
    }
}

//! Layout: the folders of input partitions and the objects of the outputs.
//!
//! ```text
//! <lake>/<messages|events>/date=YYYY-MM-DD/*.parquet     days of arrival, UTC
//! <lake>/<insights>/date=YYYY-MM-DD/*.parquet            the figures' own days
//! <output>/<table>/dt=YYYY-MM-DD/<table>.parquet         one object a day
//! <output>/ads/ads.parquet
//! <output>/work/..  runs/..  rejected/..  state/..       not for BI
//! ```

use std::collections::BTreeMap;

use super::open::Lake;
use crate::base::day::Day;
use crate::base::error::Result;
use crate::base::object::Object;
use crate::base::schema::Raw;

/// The objects of one input partition, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub day: Day,
    pub objects: Vec<Object>,
}

impl Partition {
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }
}

/// The landed partitions of a table, and the folders that look like partitions of no real day.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub partitions: BTreeMap<Day, Partition>,
    pub strange_folders: Vec<String>,
}

impl Lake {
    /// The partitions that have landed: with a marker, the days whose folder holds it; else the days whose folder holds a
    /// `.parquet` file whose name does not start with `_` or `.`.
    pub fn partitions(&self, folder: &str, marker: Option<&str>) -> Result<Listing> {
        let mut found: BTreeMap<Day, (Vec<Object>, bool)> = BTreeMap::new();
        let mut strange_folders = Vec::new();
        for object in self.list(folder)? {
            let inside = object.path[folder.len()..].trim_start_matches('/');
            let Some((partition, name)) = inside.split_once('/') else { continue };
            let Some(date) = partition.strip_prefix("date=") else { continue };
            let Ok(day) = date.parse::<Day>() else {
                if !strange_folders.iter().any(|known| known == partition) {
                    strange_folders.push(partition.to_string());
                }
                continue;
            };
            if name.contains('/') {
                continue;
            }
            let (objects, marked) = found.entry(day).or_default();
            *marked |= Some(name) == marker;
            if name.ends_with(".parquet") && !name.starts_with(['_', '.']) {
                objects.push(object);
            }
        }
        let landed =
            found.into_iter().filter(|(_, (objects, marked))| if marker.is_some() { *marked } else { !objects.is_empty() });
        let partition = |(day, (mut objects, _)): (Day, (Vec<Object>, bool))| {
            objects.sort_by(|a, b| a.path.cmp(&b.path));
            (day, Partition { day, objects })
        };
        Ok(Listing { partitions: landed.map(partition).collect(), strange_folders })
    }

    /// The published days of an output table.
    pub fn published_days(&self, table: &str) -> Result<BTreeMap<Day, Object>> {
        let objects = self.list_each(table, &format!("{table}.parquet"))?;
        let day = |object: Object| {
            let day = object.path.strip_prefix(table)?.strip_prefix("/dt=")?.split_once('/')?.0.parse().ok()?;
            // Whatever else lies there is not ours.
            (object.path == day_object(table, day)).then_some((day, object))
        };
        Ok(objects.into_iter().filter_map(day).collect())
    }
}

/// The one object of a day of an output table.
pub(crate) fn day_object(table: &str, day: Day) -> String {
    format!("{table}/dt={day}/{table}.parquet")
}

pub(crate) const ADS_OBJECT: &str = "ads/ads.parquet";

/// The raw partition of which an object under `rejected/` has rows.
pub(crate) fn rejected_partition(object: &str) -> Option<(Raw, Day)> {
    let day = object.split('/').find_map(|part| part.strip_prefix("date="))?.parse().ok()?;
    let table = Raw::BOTH.into_iter().find(|table| object == rejected_object(table.table(), day))?;
    Some((table, day))
}

/// The rows of a partition that were set aside.
pub(crate) fn rejected_object(table: &str, day: Day) -> String {
    format!("rejected/{table}/date={day}/rejected.parquet")
}

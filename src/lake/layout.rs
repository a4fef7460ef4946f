//! Layout: the objects of the outputs. What lies in the folders of the inputs is in `listing`.
//!
//! ```text
//! <output>/<table>/dt=YYYY-MM-DD/<table>.parquet   one object a day
//! <output>/ads/ads.parquet
//! <output>/work/..  runs/..  rejected/..  state/..   not for BI
//! ```

use std::collections::BTreeMap;

use super::open::Lake;
use crate::base::day::Day;
use crate::base::error::Result;
use crate::base::object::Object;
use crate::base::schema::Raw;

impl Lake {
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

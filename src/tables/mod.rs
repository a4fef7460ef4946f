//! Tables: the rows of a day's tables, put together from what the other files compute. Pure.
//!
//! ```text
//! ad_days.rs    conversations, conversions and spend of each ad
//! ads.rs        titles, accounts, currencies, and who bears the spend
//! audit.rs      what must hold before a day is published
//! bot_days.rs   what became of the rows of each bot
//! ```

pub(crate) mod ad_days;
pub(crate) mod ads;
pub(crate) mod audit;
pub(crate) mod bot_days;

use arrow::array::{AsArray, RecordBatch};

use crate::base::day::Day;
use crate::base::error::Result;
use crate::base::schema::{self, Table};
use crate::config::Settings;
use crate::engine::DayCounts;
use crate::insights::InsightsIndex;
use crate::plan::calendar::Calendar;
use crate::tables::ad_days::{ad_conversions, ad_conversions_table, ad_days, ad_days_table};
use crate::tables::ads::AdIndex;
use crate::tables::audit::DayRows;
use crate::tables::bot_days::{bot_days, bot_days_table};

/// All that a day's rows are computed from.
pub(crate) struct BuildInputs<'a> {
    pub settings: &'a Settings,
    pub counts: &'a DayCounts,
    pub insights: &'a InsightsIndex,
    pub ads: &'a AdIndex,
}

impl BuildInputs<'_> {
    /// `rejected` gives the rows set aside in the day's partitions, by bot id.
    pub(crate) fn rows(&self, calendar: &Calendar, day: Day, rejected: &dyn Fn(&str) -> u64) -> DayRows {
        DayRows {
            ad_days: ad_days(self.settings, calendar, self.counts, self.insights, self.ads, day),
            ad_conversions: ad_conversions(self.settings, self.counts, day),
            bot_days: bot_days(self.settings, calendar, self.counts, self.insights, rejected, day),
        }
    }
}

/// A day's tables in the order of their publication.
pub(crate) fn tables(day: Day, rows: &DayRows) -> Result<[(Table, RecordBatch); 3]> {
    Ok([
        (schema::ad_conversions(), ad_conversions_table(day, &rows.ad_conversions)?),
        (schema::ad_days(), ad_days_table(day, &rows.ad_days)?),
        (schema::bot_days(), bot_days_table(day, &rows.bot_days)?),
    ])
}

/// The ad ids in a batch of `ad_days`.
pub(crate) fn ad_ids(batch: &RecordBatch) -> Vec<String> {
    let ids = batch.column_by_name("ad_id").and_then(|column| column.as_string_opt::<i32>());
    ids.into_iter().flatten().flatten().map(str::to_string).collect()
}

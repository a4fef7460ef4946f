//! Build: the tables of a day, put together from what the other files compute. Pure.

use arrow::array::{AsArray, RecordBatch};

use crate::ad_days::{ad_conversions, ad_conversions_table, ad_days, ad_days_table};
use crate::ads::AdIndex;
use crate::audit::DayRows;
use crate::bot_days::{bot_days, bot_days_table};
use crate::calendar::Calendar;
use crate::config::Settings;
use crate::day::Day;
use crate::engine::Answer;
use crate::error::Result;
use crate::insights::InsightsIndex;
use crate::schema::{self, Table};

/// All that a day's rows are computed from.
pub struct Figures<'a> {
    pub settings: &'a Settings,
    pub calendar: &'a Calendar,
    pub answer: &'a Answer,
    pub insights: &'a InsightsIndex,
    pub ads: &'a AdIndex,
}

impl Figures<'_> {
    /// `rejected` gives the rows set aside in the day's partitions, by bot id.
    pub fn rows(&self, day: Day, rejected: &dyn Fn(&str) -> u64) -> DayRows {
        DayRows {
            ad_days: ad_days(self.settings, self.calendar, self.answer, self.insights, self.ads, day),
            ad_conversions: ad_conversions(self.settings, self.answer, day),
            bot_days: bot_days(self.settings, self.calendar, self.answer, self.insights, rejected, day),
        }
    }
}

/// A day's tables in the order of their publication.
pub fn tables(day: Day, rows: &DayRows) -> Result<[(Table, RecordBatch); 3]> {
    Ok([
        (schema::ad_conversions(), ad_conversions_table(day, &rows.ad_conversions)?),
        (schema::ad_days(), ad_days_table(day, &rows.ad_days)?),
        (schema::bot_days(), bot_days_table(day, &rows.bot_days)?),
    ])
}

/// The ad ids in a batch of `ad_days`.
pub fn ad_ids(batch: &RecordBatch) -> Vec<String> {
    let ids = batch.column_by_name("ad_id").and_then(|column| column.as_string_opt::<i32>());
    ids.into_iter().flatten().flatten().map(str::to_string).collect()
}

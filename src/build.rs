//! Build: the tables of a day, put together from what the other files compute. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use arrow::array::{AsArray, RecordBatch};

use crate::ad_days::{ad_conversions, ad_conversions_table, ad_days, ad_days_table};
use crate::ads::AdIndex;
use crate::audit::DayRows;
use crate::bot_days::{bot_days, bot_days_table};
use crate::calendar::Calendar;
use crate::config::Settings;
use crate::conversions::Conversions;
use crate::day::{Day, MICROS_PER_DAY};
use crate::engine::Answer;
use crate::error::Result;
use crate::insights::InsightsIndex;
use crate::schema::{self, Table};
use crate::touches::{COPY_WINDOW, Touches};

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

/// The days that rows of these contacts (bot, id as it came) can reach, with the reason.
pub fn days_of_contacts(
    settings: &Settings,
    touches: &Touches,
    events: &Conversions,
    changed: &HashSet<(u32, String)>,
) -> BTreeMap<Day, String> {
    let changed: HashSet<(u32, &str)> = changed.iter().map(|(bot, contact)| (*bot, contact.as_str())).collect();
    let day = |bot: u32, at: i64| settings.bots[bot as usize].zone.local_day(at);
    let of_touches = touches.rows.iter().filter(|touch| changed.contains(&(touch.bot, touches.contact(touch))));
    let touched = of_touches.map(|touch| day(touch.bot, touch.sent_at));
    let has_changed = |bot: u32, contact: Option<&str>| contact.is_some_and(|contact| changed.contains(&(bot, contact)));
    let of_events = events.rows.iter().filter(|event| has_changed(event.bot, events.contact(event)));
    let days: BTreeSet<Day> = touched.chain(of_events.map(|event| day(event.bot, event.occurred_at))).collect();
    let reach = settings.horizon.days + (COPY_WINDOW / MICROS_PER_DAY) as i32 + 1;
    let mut reached = BTreeMap::new();
    for first in days {
        for day in (0..=reach).map(|days| first.plus(days)) {
            reached.entry(day).or_insert_with(|| format!("aliases changed for contacts of {first}"));
        }
    }
    reached
}

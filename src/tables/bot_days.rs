//! `bot_days`: what the rows of a bot's local day became, a row for every bot and built day.
//!
//! Conversion events are counted from the events themselves, conversions from the sessions; what is left over is organic. On a
//! day before the bot's first setting these are NULL: not configured, which is not 0 (rule 10).

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch};

use crate::base::day::Day;
use crate::base::dictionary::column;
use crate::base::error::Result;
use crate::base::schema;
use crate::config::{Bot, Settings};
use crate::engine::DayCounts;
use crate::insights::InsightsIndex;
use crate::plan::calendar::Calendar;
use crate::plan::insights_status::insights_status;

/// A row of `bot_days`, without its date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotDay {
    pub bot: String,
    pub touches: i64,
    pub duplicate_touches: i64,
    pub unattributed_touches: i64,
    /// None on a day before the bot's first setting.
    pub events: Option<ConversionEvents>,
    pub rejected_rows: i64,
    pub complete: bool,
    pub insights_status: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversionEvents {
    /// With a contact.
    pub total: i64,
    /// The conversions of ads.
    pub conversions: i64,
    pub unattributed_conversions: i64,
    pub organic: i64,
    pub without_contact: i64,
}

/// The rows for a day, sorted by bot. `rejected` gives the rows set aside in the day's partitions, by bot id.
pub(crate) fn bot_days(
    settings: &Settings,
    calendar: &Calendar,
    counts: &DayCounts,
    insights: &InsightsIndex,
    rejected: &dyn Fn(&str) -> u64,
    day: Day,
) -> Vec<BotDay> {
    let row = |(i, bot): (usize, &Bot)| {
        let of_bot = counts.bot_days.get(&(day, i as u32)).copied().unwrap_or_default();
        let of_ads = counts.conversions.get(&day).into_iter().flatten().filter(|row| row.bot == i as u32);
        let conversions: i64 = of_ads.map(|row| row.count).sum();
        let events = ConversionEvents {
            total: of_bot.conversion_events,
            conversions,
            unattributed_conversions: of_bot.unattributed_conversions,
            organic: of_bot.conversion_events - conversions - of_bot.unattributed_conversions,
            without_contact: of_bot.events_without_contact,
        };
        BotDay {
            bot: bot.id.clone(),
            touches: of_bot.touches,
            duplicate_touches: of_bot.duplicate_touches,
            unattributed_touches: of_bot.unattributed_touches,
            events: bot.is_configured_on(day).then_some(events),
            rejected_rows: rejected(&bot.id) as i64,
            complete: calendar.is_complete(bot, day),
            insights_status: insights_status(settings, bot, &|account| insights.is_whole(account, day), &|account| {
                insights.is_final(account, day)
            }),
        }
    };
    let mut rows: Vec<BotDay> = settings.bots.iter().enumerate().map(row).collect();
    rows.sort_unstable_by(|a, b| a.bot.cmp(&b.bot));
    rows
}

pub(crate) fn bot_days_table(day: Day, rows: &[BotDay]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&BotDay) -> &str| Arc::new(column(rows.iter().map(|row| Some(value(row))))) as ArrayRef;
    let count =
        |value: &dyn Fn(&BotDay) -> i64| Arc::new(rows.iter().map(|row| Some(value(row))).collect::<Int64Array>()) as ArrayRef;
    let of_events = |value: &dyn Fn(&ConversionEvents) -> i64| {
        Arc::new(rows.iter().map(|row| row.events.as_ref().map(value)).collect::<Int64Array>()) as ArrayRef
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|_| Some(day.0)).collect::<Date32Array>()),
        text(&|row| &row.bot),
        count(&|row| row.touches),
        count(&|row| row.duplicate_touches),
        count(&|row| row.unattributed_touches),
        of_events(&|events| events.total),
        of_events(&|events| events.conversions),
        of_events(&|events| events.unattributed_conversions),
        of_events(&|events| events.organic),
        of_events(&|events| events.without_contact),
        count(&|row| row.rejected_rows),
        Arc::new(rows.iter().map(|row| Some(row.complete)).collect::<BooleanArray>()),
        text(&|row| row.insights_status),
    ];
    schema::bot_days().batch(columns)
}

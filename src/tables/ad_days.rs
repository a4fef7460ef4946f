//! `ad_days` and `ad_conversions`: the counts of a local day joined with Meta's figures of that day (rules 9, 10 and 14).
//!
//! The join is outer on both sides: conversations or conversions without figures keep a row, figures without conversations too.
//! One row per (bot, ad): Meta's figures stand on the bearer's row only, and every figure of a listed account stands somewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch};

use crate::base::day::Day;
use crate::base::dictionary::column;
use crate::base::error::{Error, Result};
use crate::base::schema;
use crate::config::Settings;
use crate::engine::DayCounts;
use crate::insights::InsightsIndex;
use crate::plan::calendar::Calendar;
use crate::tables::ads::AdIndex;

/// A row of `ad_days`, without its date. Spend in millionths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdDay {
    pub bot: Option<String>,
    pub ad: String,
    pub account: Option<String>,
    pub currency: Option<String>,
    pub conversations: i64,
    pub conversions: Option<i64>,
    pub spend: Option<i64>,
    pub impressions: Option<i64>,
    pub reach: Option<i64>,
    pub clicks: Option<i64>,
    pub inline_link_clicks: Option<i64>,
    pub meta_conversations: Option<i64>,
    pub complete: bool,
}

/// A row of `ad_conversions`, without its date.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdConversions {
    pub bot: String,
    pub ad: String,
    pub conversation_day: Day,
    pub category: String,
    pub conversions: i64,
}

/// The rows of `ad_days` for a day, sorted by (bot, ad).
pub(crate) fn ad_days(
    settings: &Settings,
    calendar: &Calendar,
    counts: &DayCounts,
    insights: &InsightsIndex,
    ads: &AdIndex,
    day: Day,
) -> Vec<AdDay> {
    let complete: Vec<bool> = settings.bots.iter().map(|bot| calendar.is_complete(bot, day)).collect();
    let configured: Vec<bool> = settings.bots.iter().map(|bot| bot.is_configured_on(day)).collect();
    let mut rows: BTreeMap<(Option<u32>, &str), AdDay> = BTreeMap::new();
    let empty = |bot: Option<u32>, ad: &str| {
        let known = ads.known(ad);
        let account = known.map(|known| known.account.clone());
        // No row of Meta on a whole day: nothing was spent. On any other row, or any other day, it is not known.
        let is_bearer = ads.bearer(ad).is_some_and(|bearer| bearer.bot() == bot);
        let is_whole = account.as_deref().is_some_and(|account| insights.is_whole(account, day));
        AdDay {
            bot: bot.map(|bot| settings.bots[bot as usize].id.clone()),
            ad: ad.to_string(),
            currency: known.map(|known| known.currency.clone()),
            account,
            conversations: 0,
            // A row without a bot has no setting to wait for: nobody clicked the ad, nothing converted.
            conversions: bot.is_none_or(|bot| configured[bot as usize]).then_some(0),
            spend: (is_bearer && is_whole).then_some(0),
            impressions: None,
            reach: None,
            clicks: None,
            inline_link_clicks: None,
            meta_conversations: None,
            complete: bot.is_none_or(|bot| complete[bot as usize]),
        }
    };
    for row in counts.conversations.get(&day).into_iter().flatten() {
        let ad = counts.ads[row.ad as usize].as_str();
        rows.entry((Some(row.bot), ad)).or_insert_with(|| empty(Some(row.bot), ad)).conversations += row.count;
    }
    for row in counts.conversions.get(&day).into_iter().flatten() {
        let ad = counts.ads[row.ad as usize].as_str();
        let ad_day = rows.entry((Some(row.bot), ad)).or_insert_with(|| empty(Some(row.bot), ad));
        *ad_day.conversions.get_or_insert(0) += row.count;
    }
    for row in insights.days.get(&day).into_iter().flatten() {
        let bearer = ads.bearer(&row.ad).and_then(|bearer| bearer.bot());
        let ad_day = rows.entry((bearer, &row.ad)).or_insert_with(|| empty(bearer, &row.ad));
        ad_day.spend = Some(row.figures.spend);
        ad_day.impressions = row.figures.impressions;
        ad_day.reach = row.figures.reach;
        ad_day.clicks = row.figures.clicks;
        ad_day.inline_link_clicks = row.figures.inline_link_clicks;
        ad_day.meta_conversations = row.figures.meta_conversations;
    }
    let mut rows: Vec<AdDay> = rows.into_values().collect();
    rows.sort_unstable_by(|a, b| (&a.bot, &a.ad).cmp(&(&b.bot, &b.ad)));
    rows
}

/// The rows of `ad_conversions` for a day, sorted by key.
pub(crate) fn ad_conversions(settings: &Settings, counts: &DayCounts, day: Day) -> Vec<AdConversions> {
    let rows = counts.conversions.get(&day).into_iter().flatten().map(|row| AdConversions {
        bot: settings.bots[row.bot as usize].id.clone(),
        ad: counts.ads[row.ad as usize].clone(),
        conversation_day: row.conversation_day,
        category: counts.categories[row.category as usize].clone(),
        conversions: row.count,
    });
    let mut rows: Vec<AdConversions> = rows.collect();
    rows.sort_unstable();
    rows
}

pub(crate) fn ad_days_table(day: Day, rows: &[AdDay]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&AdDay) -> Option<&str>| Arc::new(column(rows.iter().map(value))) as ArrayRef;
    let count = |value: &dyn Fn(&AdDay) -> Option<i64>| Arc::new(rows.iter().map(value).collect::<Int64Array>()) as ArrayRef;
    let millionths: Decimal128Array = rows.iter().map(|row| row.spend.map(i128::from)).collect();
    let spend = millionths
        .with_precision_and_scale(schema::MONEY_PRECISION, schema::MONEY_SCALE)
        .map_err(|error| Error::bug("spend is not a decimal").with("table", "ad_days").source(error))?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|_| Some(day.0)).collect::<Date32Array>()),
        text(&|row| row.bot.as_deref()),
        text(&|row| Some(&row.ad)),
        text(&|row| row.account.as_deref()),
        text(&|row| row.currency.as_deref()),
        count(&|row| Some(row.conversations)),
        count(&|row| row.conversions),
        Arc::new(spend),
        count(&|row| row.impressions),
        count(&|row| row.reach),
        count(&|row| row.clicks),
        count(&|row| row.inline_link_clicks),
        count(&|row| row.meta_conversations),
        Arc::new(rows.iter().map(|row| Some(row.complete)).collect::<BooleanArray>()),
    ];
    schema::ad_days().batch(columns)
}

pub(crate) fn ad_conversions_table(day: Day, rows: &[AdConversions]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&AdConversions) -> &str| Arc::new(column(rows.iter().map(|row| Some(value(row))))) as ArrayRef;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|_| Some(day.0)).collect::<Date32Array>()),
        text(&|row| &row.bot),
        text(&|row| &row.ad),
        Arc::new(rows.iter().map(|row| Some(row.conversation_day.0)).collect::<Date32Array>()),
        text(&|row| &row.category),
        Arc::new(rows.iter().map(|row| Some(row.conversions)).collect::<Int64Array>()),
    ];
    schema::ad_conversions().batch(columns)
}

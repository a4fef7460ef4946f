//! What the published tables say about a range of days, as rows in memory. Rows come in the order of days, then of the files.

use std::collections::BTreeSet;

use crate::base::day::{Day, DayRange};

/// What is published about a range.
#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    /// The days of the range that are published.
    pub days: BTreeSet<Day>,
    pub ad_days: Vec<PublishedAdDay>,
    pub ads: Vec<PublishedAd>,
    pub bot_days: Vec<PublishedBotDay>,
    /// Those of events or of conversations of the range; read by conversation day only.
    pub ad_conversions: Vec<PublishedConversions>,
    /// The last published day of conversions; by conversation day only.
    pub last_event_day: Option<Day>,
    /// Figures Meta computed for the range asked for, or for every range inside it.
    pub reach: Vec<PublishedReach>,
}

#[derive(Clone, Debug)]
pub(super) struct PublishedAdDay {
    pub date: Day,
    pub bot_id: Option<String>,
    pub ad_id: String,
    pub account_id: Option<String>,
    pub currency: Option<String>,
    pub conversations: i64,
    pub conversions: Option<i64>,
    /// Millionths of the currency's major unit.
    pub spend: Option<i128>,
    pub impressions: Option<i64>,
    pub reach: Option<i64>,
    pub meta_conversations: Option<i64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct PublishedAd {
    pub bot_id: Option<String>,
    pub ad_id: String,
    pub ad_type: Option<String>,
    pub ad_title: Option<String>,
    /// Microseconds since the epoch.
    pub first_conversation_at: Option<i64>,
    pub account_id: Option<String>,
    pub currency: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct PublishedBotDay {
    pub date: Day,
    pub bot_id: String,
    /// NULL where nothing was configured (rule 10).
    pub conversions: Option<i64>,
    pub complete: bool,
    pub insights_status: String,
}

#[derive(Clone, Debug)]
pub(super) struct PublishedConversions {
    pub date: Day,
    pub bot_id: String,
    pub ad_id: String,
    pub conversation_date: Day,
    pub conversions: i64,
}

#[derive(Clone, Debug)]
pub(super) struct PublishedReach {
    /// Exactly these days.
    pub days: DayRange,
    pub account_id: String,
    pub ad_id: String,
    pub reach: Option<i64>,
}

/// A bot, if any, and an ad.
pub(super) type Key<'a> = (Option<&'a str>, &'a str);

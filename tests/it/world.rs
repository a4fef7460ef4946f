//! A world: everything that lands in a lake, as plain structs. The oracle reads it, the lake writers store it as Parquet in
//! one form or another, and the pipeline is judged on what it makes of the stored form.
//!
//! Times are whole microseconds since 1970-01-01T00:00:00Z. Dates of partitions are days of arrival; the date of an
//! insight is the figure's own day. Text is as it came: blank and absent values are part of the world.

use std::collections::BTreeMap;

use chrono::NaiveDate;

#[derive(Clone, Debug, Default)]
pub struct World {
    pub bots: Vec<Bot>,
    pub window_days: i64,
    /// What of a contact's id is not the contact, by the names that the pipeline file has for it.
    pub forms: Vec<String>,
    /// Landed partitions; a message or event of a day that is not listed does not exist. Landed days without rows are files
    /// with zero rows.
    pub message_days: Vec<NaiveDate>,
    pub event_days: Vec<NaiveDate>,
    pub allow_missing: Vec<NaiveDate>,
    /// Partitions of messages and of events that were read once and cannot be read any more (19): the rows here are those of then. A day
    /// that is landed, too, is there and damaged; one that is not has vanished.
    pub unreadable: [Vec<NaiveDate>; 2],
    /// Whose days the partitions of messages and of events are: an offset or a zone, else those of UTC.
    pub partition_zones: [Option<String>; 2],
    /// Words that mean nothing in messages and in events.
    pub null_words: [Vec<String>; 2],
    pub messages: Vec<Message>,
    pub events: Vec<Event>,
    pub identities: Vec<Identity>,
    pub insights: Vec<Insight>,
    /// Landed partitions of insights without a row.
    pub empty_insight_days: Vec<NaiveDate>,
    /// Partitions of insights that cannot be read.
    pub refused_insights: Vec<NaiveDate>,
    /// Who has no row on a landed day spent nothing (14).
    pub absent_means_zero: bool,
    /// The days of accounts whose figures were fetched to the end, each with the account's date when they were fetched last. None:
    /// others land them.
    pub fetched: Option<BTreeMap<(String, NaiveDate), NaiveDate>>,
}

#[derive(Clone, Debug, Default)]
pub struct Bot {
    pub id: String,
    pub members: Vec<String>,
    /// Contacts whose rows count nowhere.
    pub test_contacts: Vec<String>,
    pub timezone: String,
    /// With the `act_` prefix.
    pub ad_accounts: Vec<String>,
    /// (category, effective at), oldest first.
    pub settings: Vec<(String, i64)>,
}

#[derive(Clone, Debug, Default)]
pub struct Message {
    pub partition: NaiveDate,
    pub bot_id: Option<String>,
    pub message_id: Option<String>,
    pub contact_id: Option<String>,
    pub sent_at: Option<i64>,
    /// `received`, `sent`, or a word nobody knows.
    pub direction: Option<String>,
    pub ad_id: Option<String>,
    pub ad_type: Option<String>,
    pub ad_title: Option<String>,
    pub ctwa_clid: Option<String>,
    /// What should be a JSON text with the ad columns under [`METADATA_KEYS`]: what is there goes before the columns.
    pub metadata: Option<String>,
}

/// The contract's columns, and the keys of the metadata that they are read from.
pub const METADATA_KEYS: [(&str, &str); 4] =
    [("ad_id", "source_id"), ("ad_type", "source_type"), ("ad_title", "headline"), ("ctwa_clid", "#ctwa.clid")];

#[derive(Clone, Debug, Default)]
pub struct Event {
    pub partition: NaiveDate,
    pub bot_id: Option<String>,
    pub contact_id: Option<String>,
    pub category: Option<String>,
    pub occurred_at: Option<i64>,
    pub event_id: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub bot_id: Option<String>,
    pub alias: String,
    pub contact_id: String,
}

/// One of Meta's daily figures. Money is in millionths of the currency's major unit.
#[derive(Clone, Debug, Default)]
pub struct Insight {
    pub date: NaiveDate,
    pub account_id: String,
    pub ad_id: String,
    pub currency: String,
    pub spend_millionths: i64,
    pub impressions: Option<i64>,
    pub reach: Option<i64>,
    pub clicks: Option<i64>,
    pub inline_link_clicks: Option<i64>,
    pub messaging_conversations_started: Option<i64>,
    pub ad_name: Option<String>,
    pub adset_id: Option<String>,
    pub adset_name: Option<String>,
    pub campaign_id: Option<String>,
    pub campaign_name: Option<String>,
    pub loaded_at: Option<i64>,
}

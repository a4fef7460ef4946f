//! The four output tables as structs, and the comparison of two sets of them.
//!
//! Both the oracle and the reader of the published files end here, so a difference is always between two values of one
//! type. Money is in millionths of the major unit, instants in microseconds since 1970 (UTC). The order of the columns and
//! of the key is the contract's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::NaiveDate;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdDay {
    pub date: NaiveDate,
    pub bot_id: Option<String>,
    pub ad_id: String,
    pub account_id: Option<String>,
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

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdConversion {
    pub date: NaiveDate,
    pub bot_id: String,
    pub ad_id: String,
    pub conversation_date: NaiveDate,
    pub category: String,
    pub conversions: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ad {
    pub bot_id: Option<String>,
    pub ad_id: String,
    pub ad_type: Option<String>,
    pub ad_title: Option<String>,
    pub first_conversation_at: Option<i64>,
    pub last_conversation_at: Option<i64>,
    pub account_id: Option<String>,
    pub currency: Option<String>,
    pub ad_name: Option<String>,
    pub adset_id: Option<String>,
    pub adset_name: Option<String>,
    pub campaign_id: Option<String>,
    pub campaign_name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BotDay {
    pub date: NaiveDate,
    pub bot_id: String,
    pub touches: i64,
    pub duplicate_touches: i64,
    pub unattributed_touches: i64,
    pub conversion_events: Option<i64>,
    pub conversions: Option<i64>,
    pub unattributed_conversions: Option<i64>,
    pub organic_conversion_events: Option<i64>,
    pub events_without_contact: Option<i64>,
    pub rejected_rows: i64,
    pub complete: bool,
    pub insights_status: String,
}

/// The tables as published. A built day without rows is an empty list; a day that is not built is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    pub ad_days: BTreeMap<NaiveDate, Vec<AdDay>>,
    pub ad_conversions: BTreeMap<NaiveDate, Vec<AdConversion>>,
    pub ads: Vec<Ad>,
    pub bot_days: BTreeMap<NaiveDate, Vec<BotDay>>,
}

/// A row of one of the tables, seen as a key and named values.
pub trait Row {
    /// Columns in the contract's order.
    fn columns(&self) -> Vec<(&'static str, String)>;
    /// Sorts as the table is sorted: nulls first, text by its bytes.
    fn key(&self) -> Vec<Option<String>>;
}

fn text(value: &Option<String>) -> String {
    value.as_ref().map_or_else(|| "NULL".to_owned(), |text| format!("{text:?}"))
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |number| number.to_string())
}

/// Millionths as a decimal with six digits after the point.
pub fn money(value: Option<i64>) -> String {
    value.map_or_else(
        || "NULL".to_owned(),
        |millionths| {
            let sign = if millionths < 0 { "-" } else { "" };
            let digits = millionths.unsigned_abs();
            format!("{sign}{}.{:06}", digits / 1_000_000, digits % 1_000_000)
        },
    )
}

impl Row for AdDay {
    fn columns(&self) -> Vec<(&'static str, String)> {
        vec![
            ("date", self.date.to_string()),
            ("bot_id", text(&self.bot_id)),
            ("ad_id", format!("{:?}", self.ad_id)),
            ("account_id", text(&self.account_id)),
            ("currency", text(&self.currency)),
            ("conversations", self.conversations.to_string()),
            ("conversions", number(self.conversions)),
            ("spend", money(self.spend)),
            ("impressions", number(self.impressions)),
            ("reach", number(self.reach)),
            ("clicks", number(self.clicks)),
            ("inline_link_clicks", number(self.inline_link_clicks)),
            ("meta_conversations", number(self.meta_conversations)),
            ("complete", self.complete.to_string()),
        ]
    }

    fn key(&self) -> Vec<Option<String>> {
        vec![Some(self.date.to_string()), self.bot_id.clone(), Some(self.ad_id.clone())]
    }
}

impl Row for AdConversion {
    fn columns(&self) -> Vec<(&'static str, String)> {
        vec![
            ("date", self.date.to_string()),
            ("bot_id", format!("{:?}", self.bot_id)),
            ("ad_id", format!("{:?}", self.ad_id)),
            ("conversation_date", self.conversation_date.to_string()),
            ("category", format!("{:?}", self.category)),
            ("conversions", self.conversions.to_string()),
        ]
    }

    fn key(&self) -> Vec<Option<String>> {
        vec![
            Some(self.date.to_string()),
            Some(self.bot_id.clone()),
            Some(self.ad_id.clone()),
            Some(self.conversation_date.to_string()),
            Some(self.category.clone()),
        ]
    }
}

impl Row for Ad {
    fn columns(&self) -> Vec<(&'static str, String)> {
        vec![
            ("bot_id", text(&self.bot_id)),
            ("ad_id", format!("{:?}", self.ad_id)),
            ("ad_type", text(&self.ad_type)),
            ("ad_title", text(&self.ad_title)),
            ("first_conversation_at", number(self.first_conversation_at)),
            ("last_conversation_at", number(self.last_conversation_at)),
            ("account_id", text(&self.account_id)),
            ("currency", text(&self.currency)),
            ("ad_name", text(&self.ad_name)),
            ("adset_id", text(&self.adset_id)),
            ("adset_name", text(&self.adset_name)),
            ("campaign_id", text(&self.campaign_id)),
            ("campaign_name", text(&self.campaign_name)),
        ]
    }

    fn key(&self) -> Vec<Option<String>> {
        vec![self.bot_id.clone(), Some(self.ad_id.clone())]
    }
}

impl Row for BotDay {
    fn columns(&self) -> Vec<(&'static str, String)> {
        vec![
            ("date", self.date.to_string()),
            ("bot_id", format!("{:?}", self.bot_id)),
            ("touches", self.touches.to_string()),
            ("duplicate_touches", self.duplicate_touches.to_string()),
            ("unattributed_touches", self.unattributed_touches.to_string()),
            ("conversion_events", number(self.conversion_events)),
            ("conversions", number(self.conversions)),
            ("unattributed_conversions", number(self.unattributed_conversions)),
            ("organic_conversion_events", number(self.organic_conversion_events)),
            ("events_without_contact", number(self.events_without_contact)),
            ("rejected_rows", self.rejected_rows.to_string()),
            ("complete", self.complete.to_string()),
            ("insights_status", self.insights_status.clone()),
        ]
    }

    fn key(&self) -> Vec<Option<String>> {
        vec![Some(self.date.to_string()), Some(self.bot_id.clone())]
    }
}

/// Every difference between what is expected and what was found, one per line: table, key, column, both values. Empty when
/// the two are equal.
pub fn differences(expected: &Published, found: &Published) -> String {
    let mut lines = String::new();
    compare_table("ads", &expected.ads, &found.ads, &mut lines);
    compare_days("ad_conversions", &expected.ad_conversions, &found.ad_conversions, &mut lines);
    compare_days("ad_days", &expected.ad_days, &found.ad_days, &mut lines);
    compare_days("bot_days", &expected.bot_days, &found.bot_days, &mut lines);
    lines
}

fn compare_days<R: Row>(
    table: &str,
    expected: &BTreeMap<NaiveDate, Vec<R>>,
    found: &BTreeMap<NaiveDate, Vec<R>>,
    lines: &mut String,
) {
    for day in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
        match (expected.get(day), found.get(day)) {
            (Some(expected), Some(found)) => compare_table(&format!("{table} {day}"), expected, found, lines),
            (Some(rows), None) => _ = writeln!(lines, "{table} {day}: the day is absent, expected {} rows", rows.len()),
            (None, Some(rows)) => _ = writeln!(lines, "{table} {day}: the day should be absent, found {} rows", rows.len()),
            (None, None) => {}
        }
    }
}

fn compare_table<R: Row>(table: &str, expected: &[R], found: &[R], lines: &mut String) {
    let by_key = |rows: &[R]| -> BTreeMap<Vec<Option<String>>, Vec<(&'static str, String)>> {
        rows.iter().map(|row| (row.key(), row.columns())).collect()
    };
    let (expected, found) = (by_key(expected), by_key(found));
    for key in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
        let shown = key.iter().map(|part| part.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join(" / ");
        match (expected.get(key), found.get(key)) {
            (Some(expected), Some(found)) => {
                for ((column, expected), (_, found)) in expected.iter().zip(found) {
                    if expected != found {
                        _ = writeln!(lines, "{table} [{shown}] {column}: expected {expected}, found {found}");
                    }
                }
            }
            (Some(row), None) => _ = writeln!(lines, "{table} [{shown}]: row is absent, expected {row:?}"),
            (None, Some(row)) => _ = writeln!(lines, "{table} [{shown}]: row should not be there, found {row:?}"),
            (None, None) => {}
        }
    }
}

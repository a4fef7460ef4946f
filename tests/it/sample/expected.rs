//! What the two lakes must yield, as CSV: the four tables and the report over the whole range. The oracle's answer, never the
//! pipeline's. An empty field is NULL; times are UTC; money, costs and the rate have six decimals.

use chrono::{DateTime, NaiveDate, SecondsFormat};

use super::files::Files;
use crate::oracle::{self, ReportRow};
use crate::rows::{self, Ad, AdConversion, AdDay, BotDay, Published};
use crate::world::World;

/// The first and last local day that the sample yields.
pub const RANGE: (&str, &str) = ("2026-10-05", "2026-11-02");

pub fn published(world: &World) -> Published {
    oracle::tables(world).expect("the sample breaks no rule").published
}

/// The oracle's answer as the files of `sample_data/expected/`.
pub fn files(world: &World) -> Files {
    let published = published(world);
    let [from, to] = [RANGE.0, RANGE.1].map(super::shop::day);
    let report = oracle::report(&published, from, to, false);
    let mut files = tables(&published);
    files.insert("expected/report.csv".into(), csv(&REPORT, report.iter().map(report_row)));
    files
}

/// The four tables, whoever made them, as files of the same names.
pub fn tables(published: &Published) -> Files {
    Files::from([
        ("expected/ads.csv".into(), csv(&ADS, published.ads.iter().map(ad))),
        ("expected/ad_days.csv".into(), csv(&AD_DAYS, published.ad_days.values().flatten().map(ad_day))),
        (
            "expected/ad_conversions.csv".into(),
            csv(&AD_CONVERSIONS, published.ad_conversions.values().flatten().map(ad_conversion)),
        ),
        ("expected/bot_days.csv".into(), csv(&BOT_DAYS, published.bot_days.values().flatten().map(bot_day))),
    ])
}

const ADS: [&str; 13] = [
    "bot_id",
    "ad_id",
    "ad_type",
    "ad_title",
    "first_conversation_at",
    "last_conversation_at",
    "account_id",
    "currency",
    "ad_name",
    "adset_id",
    "adset_name",
    "campaign_id",
    "campaign_name",
];
const AD_DAYS: [&str; 14] = [
    "date",
    "bot_id",
    "ad_id",
    "account_id",
    "currency",
    "conversations",
    "conversions",
    "spend",
    "impressions",
    "reach",
    "clicks",
    "inline_link_clicks",
    "meta_conversations",
    "complete",
];
const AD_CONVERSIONS: [&str; 6] = ["date", "bot_id", "ad_id", "conversation_date", "category", "conversions"];
const BOT_DAYS: [&str; 13] = [
    "date",
    "bot_id",
    "touches",
    "duplicate_touches",
    "unattributed_touches",
    "conversion_events",
    "conversions",
    "unattributed_conversions",
    "organic_conversion_events",
    "events_without_contact",
    "rejected_rows",
    "complete",
    "insights_status",
];
/// In the order of Blip's article, then the contract's additions.
const REPORT: [&str; 16] = [
    "bot_id",
    "ad_id",
    "ad_title",
    "ad_type",
    "currency",
    "spend",
    "reach",
    "conversations",
    "cost_per_conversation",
    "conversions",
    "cost_per_conversion",
    "conversion_rate",
    "reach_min",
    "reach_max",
    "spend_unknown_days",
    "unconfigured_days",
];

fn csv<const N: usize>(columns: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns).expect("memory takes it");
    rows.for_each(|row| writer.write_record(row).expect("memory takes it"));
    writer.into_inner().expect("memory takes it")
}

fn ad(row: &Ad) -> [String; 13] {
    [
        text(&row.bot_id),
        row.ad_id.clone(),
        text(&row.ad_type),
        text(&row.ad_title),
        instant(row.first_conversation_at),
        instant(row.last_conversation_at),
        text(&row.account_id),
        text(&row.currency),
        text(&row.ad_name),
        text(&row.adset_id),
        text(&row.adset_name),
        text(&row.campaign_id),
        text(&row.campaign_name),
    ]
}

fn ad_day(row: &AdDay) -> [String; 14] {
    [
        date(row.date),
        text(&row.bot_id),
        row.ad_id.clone(),
        text(&row.account_id),
        text(&row.currency),
        row.conversations.to_string(),
        number(row.conversions),
        decimal(row.spend),
        number(row.impressions),
        number(row.reach),
        number(row.clicks),
        number(row.inline_link_clicks),
        number(row.meta_conversations),
        row.complete.to_string(),
    ]
}

fn ad_conversion(row: &AdConversion) -> [String; 6] {
    [
        date(row.date),
        row.bot_id.clone(),
        row.ad_id.clone(),
        date(row.conversation_date),
        row.category.clone(),
        row.conversions.to_string(),
    ]
}

fn bot_day(row: &BotDay) -> [String; 13] {
    [
        date(row.date),
        row.bot_id.clone(),
        row.touches.to_string(),
        row.duplicate_touches.to_string(),
        row.unattributed_touches.to_string(),
        number(row.conversion_events),
        number(row.conversions),
        number(row.unattributed_conversions),
        number(row.organic_conversion_events),
        number(row.events_without_contact),
        row.rejected_rows.to_string(),
        row.complete.to_string(),
        row.insights_status.clone(),
    ]
}

fn report_row(row: &ReportRow) -> [String; 16] {
    [
        text(&row.bot_id),
        row.ad_id.clone(),
        text(&row.ad_title),
        text(&row.ad_type),
        text(&row.currency),
        decimal(row.spend),
        number(row.reach),
        row.conversations.to_string(),
        decimal(row.cost_per_conversation),
        number(row.conversions),
        decimal(row.cost_per_conversion),
        decimal(row.conversion_rate),
        number(row.reach_min),
        number(row.reach_max),
        row.spend_unknown_days.to_string(),
        row.unconfigured_days.to_string(),
    ]
}

fn text(value: &Option<String>) -> String {
    value.clone().unwrap_or_default()
}

fn number(value: Option<i64>) -> String {
    value.map(|number| number.to_string()).unwrap_or_default()
}

fn decimal(value: Option<i64>) -> String {
    value.map(|millionths| rows::money(Some(millionths))).unwrap_or_default()
}

fn date(value: NaiveDate) -> String {
    value.to_string()
}

fn instant(value: Option<i64>) -> String {
    let time = value.map(|at| DateTime::from_timestamp_micros(at).expect("an instant of the calendar"));
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)).unwrap_or_default()
}

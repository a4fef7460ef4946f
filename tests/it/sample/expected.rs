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
    let report = oracle::report(&with_every_day(world, &published), from, to, false);
    let mut files = tables(&published);
    files.insert("expected/report.csv".into(), csv(report.iter().map(report_row)));
    files
}

/// The report is about the days of the range (rule 13), `ad_days` about those on which something happened. So every ad gets a row
/// on every published day: no conversations; no conversions where the bot was configured (rule 10); no spend where the row bears
/// the ad's figures and the account's day is whole (rule 14).
fn with_every_day(world: &World, published: &Published) -> Published {
    let mut full = published.clone();
    for (date, rows) in &mut full.ad_days {
        for ad in &published.ads {
            if rows.iter().any(|row| row.bot_id == ad.bot_id && row.ad_id == ad.ad_id) {
                continue;
            }
            let bot_day = published.bot_days[date].iter().find(|row| Some(&row.bot_id) == ad.bot_id.as_ref());
            let bears = published
                .ad_days
                .values()
                .flatten()
                .any(|row| row.bot_id == ad.bot_id && row.ad_id == ad.ad_id && row.spend.is_some());
            let is_whole = world.insights.iter().any(|row| row.date == *date && Some(&row.account_id) == ad.account_id.as_ref());
            rows.push(AdDay {
                date: *date,
                bot_id: ad.bot_id.clone(),
                ad_id: ad.ad_id.clone(),
                currency: ad.currency.clone(),
                conversions: bot_day.is_none_or(|row| row.conversions.is_some()).then_some(0),
                spend: (bears && is_whole).then_some(0),
                ..AdDay::default()
            });
        }
    }
    full
}

/// The four tables, whoever made them, as files of the same names.
pub fn tables(published: &Published) -> Files {
    Files::from([
        ("expected/ads.csv".into(), csv(published.ads.iter().map(ad))),
        ("expected/ad_days.csv".into(), csv(published.ad_days.values().flatten().map(ad_day))),
        ("expected/ad_conversions.csv".into(), csv(published.ad_conversions.values().flatten().map(ad_conversion))),
        ("expected/bot_days.csv".into(), csv(published.bot_days.values().flatten().map(bot_day))),
    ])
}

/// Column and value.
type Cell = (&'static str, String);

fn csv(rows: impl Iterator<Item = Vec<Cell>>) -> Vec<u8> {
    let mut rows = rows.peekable();
    let mut writer = csv::Writer::from_writer(Vec::new());
    if let Some(first) = rows.peek() {
        writer.write_record(first.iter().map(|(column, _)| column)).expect("memory takes it");
    }
    for row in rows {
        writer.write_record(row.iter().map(|(_, value)| value)).expect("memory takes it");
    }
    writer.into_inner().expect("memory takes it")
}

fn ad(row: &Ad) -> Vec<Cell> {
    vec![
        ("bot_id", text(&row.bot_id)),
        ("ad_id", row.ad_id.clone()),
        ("ad_type", text(&row.ad_type)),
        ("ad_title", text(&row.ad_title)),
        ("first_conversation_at", instant(row.first_conversation_at)),
        ("last_conversation_at", instant(row.last_conversation_at)),
        ("account_id", text(&row.account_id)),
        ("currency", text(&row.currency)),
        ("ad_name", text(&row.ad_name)),
        ("adset_id", text(&row.adset_id)),
        ("adset_name", text(&row.adset_name)),
        ("campaign_id", text(&row.campaign_id)),
        ("campaign_name", text(&row.campaign_name)),
    ]
}

fn ad_day(row: &AdDay) -> Vec<Cell> {
    vec![
        ("date", date(row.date)),
        ("bot_id", text(&row.bot_id)),
        ("ad_id", row.ad_id.clone()),
        ("account_id", text(&row.account_id)),
        ("currency", text(&row.currency)),
        ("conversations", row.conversations.to_string()),
        ("conversions", number(row.conversions)),
        ("spend", decimal(row.spend)),
        ("impressions", number(row.impressions)),
        ("reach", number(row.reach)),
        ("clicks", number(row.clicks)),
        ("inline_link_clicks", number(row.inline_link_clicks)),
        ("meta_conversations", number(row.meta_conversations)),
        ("complete", row.complete.to_string()),
    ]
}

fn ad_conversion(row: &AdConversion) -> Vec<Cell> {
    vec![
        ("date", date(row.date)),
        ("bot_id", row.bot_id.clone()),
        ("ad_id", row.ad_id.clone()),
        ("conversation_date", date(row.conversation_date)),
        ("category", row.category.clone()),
        ("conversions", row.conversions.to_string()),
    ]
}

fn bot_day(row: &BotDay) -> Vec<Cell> {
    vec![
        ("date", date(row.date)),
        ("bot_id", row.bot_id.clone()),
        ("touches", row.touches.to_string()),
        ("duplicate_touches", row.duplicate_touches.to_string()),
        ("unattributed_touches", row.unattributed_touches.to_string()),
        ("conversion_events", number(row.conversion_events)),
        ("conversions", number(row.conversions)),
        ("unattributed_conversions", number(row.unattributed_conversions)),
        ("organic_conversion_events", number(row.organic_conversion_events)),
        ("events_without_contact", number(row.events_without_contact)),
        ("rejected_rows", row.rejected_rows.to_string()),
        ("complete", row.complete.to_string()),
        ("insights_status", row.insights_status.clone()),
    ]
}

/// In the order of Blip's article, then the contract's additions.
fn report_row(row: &ReportRow) -> Vec<Cell> {
    vec![
        ("bot_id", text(&row.bot_id)),
        ("ad_id", row.ad_id.clone()),
        ("ad_title", text(&row.ad_title)),
        ("ad_type", text(&row.ad_type)),
        ("currency", text(&row.currency)),
        ("spend", decimal(row.spend)),
        ("reach", number(row.reach)),
        ("conversations", row.conversations.to_string()),
        ("cost_per_conversation", decimal(row.cost_per_conversation)),
        ("conversions", number(row.conversions)),
        ("cost_per_conversion", decimal(row.cost_per_conversion)),
        ("conversion_rate", decimal(row.conversion_rate)),
        ("reach_min", number(row.reach_min)),
        ("reach_max", number(row.reach_max)),
        ("spend_unknown_days", row.spend_unknown_days.to_string()),
        ("unconfigured_days", row.unconfigured_days.to_string()),
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

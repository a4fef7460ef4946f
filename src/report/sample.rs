//! What the tests of this room share: a report to render, an output to report on, and published rows in memory.

#![cfg(test)]

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::Field;

use crate::base::day::{Day, DayRange};
use crate::base::error::Result;
use crate::base::schema::{self, MONEY_PRECISION, MONEY_SCALE, Table};
use crate::config::{Bot, ConversionSetting, Settings};
use crate::lake::layout::{ADS_OBJECT, day_object};
use crate::lake::{Environment, Lake, encode};

use super::amount::{Amount, MILLION};
use super::build;
use super::model::{By, Grain, Report, ReportRequest, ReportRow};
use super::published::{Published, PublishedAd, PublishedAdDay, PublishedBotDay};

pub(super) fn row() -> ReportRow {
    ReportRow {
        date: Some("2026-03-01".parse().unwrap()),
        bot_id: Some("shop-br".to_string()),
        ad_id: "120226305854810726".to_string(),
        ad_title: Some("Promoção".to_string()),
        ad_type: Some("ad".to_string()),
        currency: Some("BRL".to_string()),
        spend: Some(Amount(12_500_000)),
        reach: None,
        conversations: 4,
        cost_per_conversation: Some(Amount(3_125_000)),
        conversions: None,
        cost_per_conversion: None,
        conversion_rate: None,
        reach_min: Some(10),
        reach_max: Some(30),
        spend_unknown_days: 0,
        taken_over: Vec::new(),
        unconfigured_days: 3,
    }
}

pub(super) fn report(grain: Grain, rows: Vec<ReportRow>) -> Report {
    let days = DayRange { first: "2026-03-01".parse().unwrap(), last: "2026-03-03".parse().unwrap() };
    let date = |row: ReportRow| ReportRow { date: row.date.filter(|_| grain == Grain::Day), ..row };
    Report { days, by: By::ConversionDay, grain, rows: rows.into_iter().map(date).collect(), notes: Vec::new() }
}

const PIPELINE: &str = r#"
    name = "test"
    [lake]
    url = "lake"
    [[bots]]
    id = "shop-br"
    members = ["shop-br-sales"]
    timezone = "UTC"
    ad_accounts = ["act_1"]
    [[bots.conversion_events]]
    category = "purchase"
    effective_at = "2026-03-01T00:00:00Z"
"#;

/// A pipeline and what it published.
pub(super) struct SampleOutput {
    pub settings: Settings,
    pub lake: Lake,
    _folder: tempfile::TempDir,
}

pub(super) fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// One row of the named columns, the others NULL.
fn one_row(table: &Table, cells: Vec<(&str, ArrayRef)>) -> RecordBatch {
    for (name, _) in &cells {
        assert!(table.schema.field_with_name(name).is_ok(), "{name}");
    }
    let fields = table.schema.fields().iter();
    let column = |field: &Arc<Field>| match cells.iter().find(|(name, _)| name == field.name()) {
        Some((_, cell)) => cell.clone(),
        None => new_null_array(field.data_type(), 1),
    };
    RecordBatch::try_new(table.schema.clone(), fields.map(column).collect()).unwrap()
}

pub(super) fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

fn count(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

fn date(value: Day) -> ArrayRef {
    Arc::new(Date32Array::from(vec![value.0]))
}

fn flag(value: bool) -> ArrayRef {
    Arc::new(BooleanArray::from(vec![value]))
}

fn money(millionths: i128) -> ArrayRef {
    let values = Decimal128Array::from(vec![millionths]);
    Arc::new(values.with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE).unwrap())
}

impl SampleOutput {
    pub(super) fn empty() -> SampleOutput {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::parse("test.toml", PIPELINE, folder.path()).unwrap();
        let lake = Lake::open_or_create(&settings.output, &Environment::default()).unwrap();
        SampleOutput { settings, lake, _folder: folder }
    }

    pub(super) fn publish(&self, path: &str, batch: RecordBatch) {
        self.lake.publish(path, encode(&batch.schema(), &[batch]).unwrap()).unwrap();
    }

    fn ad_day(&self, at: Day, conversions: i64, spend_millionths: i128) {
        let cells = vec![
            ("date", date(at)),
            ("bot_id", text("shop-br")),
            ("ad_id", text("120226305854810726")),
            ("account_id", text("act_1")),
            ("currency", text("BRL")),
            ("conversations", count(2)),
            ("conversions", count(conversions)),
            ("spend", money(spend_millionths)),
            ("reach", count(10)),
            ("complete", flag(true)),
        ];
        self.publish(&day_object("ad_days", at), one_row(&schema::ad_days(), cells));
    }

    /// Three days, of which the middle one has no row of the ad; conversions of the first day come on the second and on
    /// the end of the horizon.
    pub(super) fn sample() -> SampleOutput {
        let output = SampleOutput::empty();
        let [first, second, third] = ["2026-03-01", "2026-03-02", "2026-03-03"].map(day);
        output.ad_day(first, 0, 12_500_000);
        let none = RecordBatch::new_empty(schema::ad_days().schema);
        output.publish(&day_object("ad_days", second), none);
        output.ad_day(third, 1, 500_000);
        for (at, complete) in [(first, true), (second, true), (third, false)] {
            let counts = ["touches", "duplicate_touches", "unattributed_touches", "conversions", "rejected_rows"];
            let mut cells: Vec<_> = counts.map(|name| (name, count(0))).into_iter().collect();
            cells.extend([
                ("date", date(at)),
                ("bot_id", text("shop-br")),
                ("complete", flag(complete)),
                ("insights_status", text("final")),
            ]);
            output.publish(&day_object("bot_days", at), one_row(&schema::bot_days(), cells));
        }
        for at in [third, first.plus(91), first.plus(94)] {
            let cells = vec![
                ("date", date(at)),
                ("bot_id", text("shop-br")),
                ("ad_id", text("120226305854810726")),
                ("conversation_date", date(first)),
                ("category", text("purchase")),
                ("conversions", count(1)),
            ];
            output.publish(&day_object("ad_conversions", at), one_row(&schema::ad_conversions(), cells));
        }
        let clicked: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![first.start_utc()]).with_timezone("UTC"));
        let cells = vec![
            ("bot_id", text("shop-br")),
            ("ad_id", text("120226305854810726")),
            ("ad_type", text("ad")),
            ("ad_title", text("Promoção")),
            ("first_conversation_at", clicked),
            ("account_id", text("act_1")),
            ("currency", text("BRL")),
        ];
        output.publish(ADS_OBJECT, one_row(&schema::ads(), cells));
        output
    }

    pub(super) fn report(&self, from: &str, to: &str, by: By) -> Result<Report> {
        self.report_of(from, to, by, &[])
    }

    pub(super) fn report_of(&self, from: &str, to: &str, by: By, bots: &[&str]) -> Result<Report> {
        let days = DayRange::new(day(from), day(to)).unwrap();
        let bots = bots.iter().map(|bot| bot.to_string()).collect();
        let request = ReportRequest { days, bots, ads: Vec::new(), by, grain: Grain::Range, all_ads: false };
        build(&self.settings, &self.lake, &request)
    }
}

pub(super) const FIRST: Day = Day(20_513);

pub(super) fn request(days: i32) -> ReportRequest {
    ReportRequest {
        days: DayRange { first: FIRST, last: FIRST.plus(days - 1) },
        bots: Vec::new(),
        ads: Vec::new(),
        by: By::ConversionDay,
        grain: Grain::Range,
        all_ads: false,
    }
}

/// A bot in UTC that lists account act_1 and is configured from the start of a day on.
pub(super) fn bot(id: &str, configured_from: i32) -> Bot {
    let setting = ConversionSetting { category: "purchase".to_string(), effective_at: FIRST.plus(configured_from).start_utc() };
    Bot {
        id: id.to_string(),
        members: Vec::new(),
        zone: "UTC".parse().unwrap(),
        test_contacts: Default::default(),
        ad_accounts: vec!["act_1".to_string()],
        conversion_events: vec![setting],
    }
}

pub(super) fn ad(bot_id: Option<&str>, ad_id: &str, first_conversation_at: Option<i64>) -> PublishedAd {
    PublishedAd {
        bot_id: bot_id.map(str::to_string),
        ad_id: ad_id.to_string(),
        ad_type: Some("ad".to_string()),
        ad_title: Some(format!("title of {ad_id}")),
        first_conversation_at,
        account_id: Some("act_1".to_string()),
        currency: Some("BRL".to_string()),
    }
}

/// Day after the first; conversations, conversions, spend in major units.
pub(super) fn ad_day(day: i32, bot_id: Option<&str>, ad_id: &str, figures: (i64, Option<i64>, Option<i128>)) -> PublishedAdDay {
    PublishedAdDay {
        date: FIRST.plus(day),
        bot_id: bot_id.map(str::to_string),
        ad_id: ad_id.to_string(),
        account_id: Some("act_1".to_string()),
        currency: Some("BRL".to_string()),
        conversations: figures.0,
        conversions: figures.1,
        spend: figures.2.map(|spend| spend * MILLION),
        impressions: None,
        reach: None,
        meta_conversations: None,
    }
}

pub(super) fn published(days: i32, ads: Vec<PublishedAd>, ad_days: Vec<PublishedAdDay>) -> Published {
    Published { days: (0..days).map(|day| FIRST.plus(day)).collect(), ads, ad_days, ..Published::default() }
}

pub(super) fn bot_day(day: i32, bot_id: &str, conversions: Option<i64>, insights_status: &str) -> PublishedBotDay {
    let (bot_id, insights_status) = (bot_id.to_string(), insights_status.to_string());
    PublishedBotDay { date: FIRST.plus(day), bot_id, conversions, complete: true, insights_status }
}

//! `ctwa report`: the published tables as figures per ad, in the article's columns.
//!
//! ```text
//! ad_days --columns--> Tally -+
//!                             +--facts, figures--> ReportRow --table | csv | json | batch--> bytes
//! ads, bot_days, ad_conversions, reach --> Published --facts, series--> days of each ad --html--> a page
//! ```
//!
//! In: the output's published tables and the pipeline's bots; nothing is recomputed from the inputs and nothing is written.
//! Out: [`Report`], one row per (bot, ad) of the range, or per (day, bot, ad). [`COLUMNS`] holds the columns in order. Spend and
//! costs are major units of `currency`, exact to 6 decimals; a rate is a plain number; NULL means unknown, which is not 0.
//!
//! Order of the rows: date (day grain only); bot id by its bytes, rows without a bot last; conversations, most first; spend, most
//! first, unknown last; ad id by its bytes. So the ads that matter to a bot stand on top of it.
//!
//! Always: no amount of one currency is added to an amount of another, no reach is added to another but as a stated bound, and
//! the report depends on tables, settings and request alone. What a figure means is in `figures`, what a day without a row means
//! in `facts`.
//!
//! ```text
//! amount.rs      money as figures show it
//! batch.rs       as Parquet
//! columns.rs     the published tables' columns
//! csv.rs         as CSV
//! facts.rs       what a day without a row means
//! figures.rs     what days add up to
//! html.rs        the page
//! json.rs        as JSON
//! published.rs   the published rows
//! read.rs        from the published tables
//! reconcile.rs   our conversations beside Meta's
//! series.rs      every day of a range, packed for the page
//! sheet.rs       columns and cells, for every format
//! style.rs       texts and numbers on a terminal
//! table.rs       as a table on a terminal
//! tally.rs       stored days, added up as they are read
//! what_if.rs     beside what was published
//! ```

mod amount;
mod batch;
mod columns;
mod csv;
mod facts;
mod figures;
mod html;
mod json;
mod published;
mod read;
mod reconcile;
mod series;
mod sheet;
pub mod style;
mod table;
mod tally;
mod what_if;

use crate::base::day::{Day, DayRange, written_ranges};
use crate::base::error::{Error, Result};
use crate::config::{Settings, known_bot};
use crate::lake::Lake;
use crate::report::style::Look;

pub use amount::Amount;
use published::Published;
pub use reconcile::reconcile;
pub use sheet::{Layout, Sheet, Value};
use tally::Tally;
pub use what_if::{WhatIf, WhatIfRequest, what_if};

/// The day a conversion is shown on (rule 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// The local day of the conversion event.
    #[default]
    ConversionDay,
    /// The local day of the conversation that converted.
    ConversationDay,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Grain {
    /// One row per bot and ad.
    #[default]
    Range,
    /// One row per day, bot and ad.
    Day,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Csv,
    Json,
    /// The columns of CSV with their types.
    Parquet,
    /// One file to open in a browser: every day of the range, to look at any part of it.
    Html,
}

impl Format {
    /// Whether a terminal has no use for it.
    pub fn is_for_files(self) -> bool {
        matches!(self, Format::Parquet | Format::Html)
    }
}

/// What is asked for. An empty list of bots or ads means all of them.
#[derive(Clone, Debug)]
pub struct ReportRequest {
    pub days: DayRange,
    pub bots: Vec<String>,
    pub ads: Vec<String>,
    pub by: By,
    pub grain: Grain,
    /// Also the ads that never had a conversation in any bot.
    pub all_ads: bool,
}

impl ReportRequest {
    fn asks_for(&self, bot_id: Option<&str>, ad_id: &str) -> bool {
        let asked = |asked: &[String], id: Option<&str>| asked.is_empty() || asked.iter().any(|asked| Some(asked.as_str()) == id);
        asked(&self.bots, bot_id) && asked(&self.ads, Some(ad_id))
    }
}

/// The rows in their order, and what a reader has to know beside them, a sentence each.
#[derive(Clone, Debug)]
pub struct Report {
    pub days: DayRange,
    pub by: By,
    pub grain: Grain,
    pub rows: Vec<ReportRow>,
    pub notes: Vec<String>,
}

/// One line of the report; the fields are [`COLUMNS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// None with range grain, where the column is absent.
    pub date: Option<Day>,
    /// None on the row of an ad whose spend no bot bears (rule 14).
    pub bot_id: Option<String>,
    pub ad_id: String,
    pub ad_title: Option<String>,
    pub ad_type: Option<String>,
    pub currency: Option<String>,
    pub spend: Option<Amount>,
    pub reach: Option<i64>,
    pub conversations: i64,
    pub cost_per_conversation: Option<Amount>,
    pub conversions: Option<i64>,
    pub cost_per_conversion: Option<Amount>,
    pub conversion_rate: Option<Amount>,
    pub reach_min: Option<i64>,
    pub reach_max: Option<i64>,
    pub spend_unknown_days: i64,
    pub unconfigured_days: i64,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Day,
    Text,
    Count,
    Amount,
    Instant,
}

/// The columns in order, with what their cells are. `date` is there with day grain only.
pub const COLUMNS: [(&str, Kind); 17] = [
    ("date", Kind::Day),
    ("bot_id", Kind::Text),
    ("ad_id", Kind::Text),
    ("ad_title", Kind::Text),
    ("ad_type", Kind::Text),
    ("currency", Kind::Text),
    ("spend", Kind::Amount),
    ("reach", Kind::Count),
    ("conversations", Kind::Count),
    ("cost_per_conversation", Kind::Amount),
    ("conversions", Kind::Count),
    ("cost_per_conversion", Kind::Amount),
    ("conversion_rate", Kind::Amount),
    ("reach_min", Kind::Count),
    ("reach_max", Kind::Count),
    ("spend_unknown_days", Kind::Count),
    ("unconfigured_days", Kind::Count),
];

impl Report {
    fn sheet(&self) -> Sheet<'_> {
        Sheet { columns: self.columns(), rows: self.rows.iter().map(|row| self.values(row).collect()).collect() }
    }

    fn columns(&self) -> &'static [(&'static str, Kind)] {
        match self.grain {
            Grain::Day => &COLUMNS,
            Grain::Range => &COLUMNS[1..],
        }
    }

    /// The cells of a row, in the order of `columns`.
    fn values<'a>(&self, row: &'a ReportRow) -> impl Iterator<Item = Value<'a>> {
        let text = |text: &'a Option<String>| text.as_deref().map_or(Value::Null, Value::Text);
        let count = |count: Option<i64>| count.map_or(Value::Null, Value::Count);
        let amount = |amount: Option<Amount>| amount.map_or(Value::Null, Value::Amount);
        let values: [Value<'a>; COLUMNS.len()] = [
            row.date.map_or(Value::Null, Value::Day),
            text(&row.bot_id),
            Value::Text(&row.ad_id),
            text(&row.ad_title),
            text(&row.ad_type),
            text(&row.currency),
            amount(row.spend),
            count(row.reach),
            Value::Count(row.conversations),
            amount(row.cost_per_conversation),
            count(row.conversions),
            amount(row.cost_per_conversion),
            amount(row.conversion_rate),
            count(row.reach_min),
            count(row.reach_max),
            Value::Count(row.spend_unknown_days),
            Value::Count(row.unconfigured_days),
        ];
        values.into_iter().skip(COLUMNS.len() - self.columns().len())
    }
}

type Render<'a> = Box<dyn Fn(&Report) -> Result<Vec<u8>> + 'a>;

/// What is written where the report goes, and the notes on it.
pub struct Written {
    pub bytes: Vec<u8>,
    pub notes: Vec<String>,
}

/// The report asked for, as the bytes of a format. `look` is the table's; `raw_csv` leaves out CSV's guard against formulas.
pub fn write(
    settings: &Settings,
    output: &Lake,
    request: &ReportRequest,
    format: Format,
    look: Look,
    raw_csv: bool,
) -> Result<Written> {
    let render: Render = match format {
        Format::Html => return page(settings, output, request),
        Format::Table => Box::new(|report| Ok(table::render(report, look).into_bytes())),
        Format::Csv => Box::new(|report| csv::render(&report.sheet(), raw_csv)),
        Format::Json => Box::new(|report| json::render(&report.sheet())),
        Format::Parquet => Box::new(|report| batch::render(&report.sheet())),
    };
    let report = build(settings, output, request)?;
    let bytes = render(&report)?;
    Ok(Written { bytes, notes: report.notes })
}

/// The report asked for. A usage error where it names a bot that the pipeline does not; not ready where no day of the range is
/// published.
fn build(settings: &Settings, output: &Lake, request: &ReportRequest) -> Result<Report> {
    known_bots(settings, request)?;
    let (published, tally) = match request.grain {
        Grain::Range => read::tallied(output, request, settings.horizon)?,
        Grain::Day => with_tally(read::published(output, request, settings.horizon)?, request),
    };
    let (rows, hidden_ads) = figures::rows(&published, &tally, &settings.bots, request);
    let notes = notes(&published, settings, request, &rows, hidden_ads);
    Ok(Report { days: request.days, by: request.by, grain: request.grain, rows, notes })
}

/// The page: day by day what the rows of any part of the range are made of.
fn page(settings: &Settings, output: &Lake, request: &ReportRequest) -> Result<Written> {
    known_bots(settings, request)?;
    if request.grain == Grain::Day {
        return Err(Error::usage("the page holds every day: it has no --grain").mend("leave out --grain day"));
    }
    let (published, tally) = with_tally(read::published_day_by_day(output, request, settings.horizon)?, request);
    let (rows, hidden_ads) = figures::rows(&published, &tally, &settings.bots, request);
    let notes = notes(&published, settings, request, &rows, hidden_ads);
    let series = series::pack(&published, &tally, settings, request, hidden_ads)?;
    Ok(Written { bytes: html::render(&series)?, notes })
}

fn with_tally(published: Published, request: &ReportRequest) -> (Published, Tally) {
    let tally = Tally::of(&published.ad_days, request.days);
    (published, tally)
}

fn known_bots(settings: &Settings, request: &ReportRequest) -> Result<()> {
    request.bots.iter().try_for_each(|bot| known_bot(settings, bot))
}

/// What the figures alone do not say.
fn notes(
    published: &Published,
    settings: &Settings,
    request: &ReportRequest,
    rows: &[ReportRow],
    hidden_ads: usize,
) -> Vec<String> {
    let mut notes = Vec::new();
    let missing: Vec<Day> = request.days.iter().filter(|day| !published.days.contains(day)).collect();
    if !missing.is_empty() {
        notes.push(format!(
            "{} not published and not in the figures: {}; `ctwa run` builds the days that have landed",
            if missing.len() == 1 { "a day of the range is" } else { "days of the range are" },
            written_ranges(missing)
        ));
    }
    let asked = |bot: &str| request.bots.is_empty() || request.bots.iter().any(|asked| asked == bot);
    let mut incomplete: Vec<Day> =
        published.bot_days.iter().filter(|row| !row.complete && asked(&row.bot_id)).map(|row| row.date).collect();
    incomplete.dedup();
    if !incomplete.is_empty() {
        notes.push(format!("not complete yet, a later run may change them: {}", written_ranges(incomplete)));
    }
    if request.by == By::ConversationDay
        && let Some(last) = published.last_event_day
        && let Some(open) = DayRange::new(request.days.first.max(last.plus(1 - settings.horizon.days)), request.days.last)
    {
        notes.push(format!(
            "conversations of {open} may still convert: conversions are published up to {last}, a session stays open for {} days",
            settings.horizon.days
        ));
    }
    for ad in &request.ads {
        if !rows.iter().any(|row| row.ad_id == *ad) {
            notes.push(format!("ad {ad:?} has no figure to show in the range"));
        }
    }
    if hidden_ads > 0 {
        notes.push(format!(
            "{hidden_ads} {} a figure in the range but never had a conversation: --all-ads shows {}",
            if hidden_ads == 1 { "ad has" } else { "ads have" },
            if hidden_ads == 1 { "it" } else { "them" }
        ));
    }
    notes
}

#[cfg(test)]
mod sample {
    //! A report to render.
    use super::*;

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
            unconfigured_days: 3,
        }
    }

    pub(super) fn report(grain: Grain, rows: Vec<ReportRow>) -> Report {
        let days = DayRange { first: "2026-03-01".parse().unwrap(), last: "2026-03-03".parse().unwrap() };
        let date = |row: ReportRow| ReportRow { date: row.date.filter(|_| grain == Grain::Day), ..row };
        Report { days, by: By::ConversionDay, grain, rows: rows.into_iter().map(date).collect(), notes: Vec::new() }
    }
}

//! The report as rows: what is asked for, and what is answered. [`COLUMNS`] holds the columns in order.
//!
//! Spend and costs are major units of `currency`, exact to 6 decimals; a rate is a plain number; NULL means unknown, which is not 0.

use crate::base::day::{Day, DayRange};

use super::amount::Amount;
use super::sheet::{CellKind, Sheet, Value};

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
    pub(super) fn asks_for_bot(&self, bot_id: Option<&str>) -> bool {
        self.bots.is_empty() || self.bots.iter().any(|asked| Some(asked.as_str()) == bot_id)
    }

    pub(super) fn asks_for_ad(&self, ad_id: &str) -> bool {
        self.ads.is_empty() || self.ads.iter().any(|asked| asked == ad_id)
    }

    pub(super) fn asks_for(&self, bot_id: Option<&str>, ad_id: &str) -> bool {
        self.asks_for_bot(bot_id) && self.asks_for_ad(ad_id)
    }
}

/// The rows in their order, and what a reader has to know beside them, a sentence each.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub days: DayRange,
    pub by: By,
    pub grain: Grain,
    pub rows: Vec<ReportRow>,
    pub notes: Vec<String>,
}

/// One line of the report; the fields are [`COLUMNS`], but for what a note says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReportRow {
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
    /// The costs and rates that are not the quotient of the sums beside them. No column: a note says it.
    pub taken_over: Vec<TakenOver>,
}

/// A cost or rate that is taken over fewer days than the sums beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TakenOver {
    pub column: &'static str,
    /// Days on which both of its figures are known.
    pub days: i64,
    pub of: i64,
}

/// The columns in order, with what their cells are. `date` is there with day grain only.
const COLUMNS: [(&str, CellKind); 17] = [
    ("date", CellKind::Day),
    ("bot_id", CellKind::Text),
    ("ad_id", CellKind::Text),
    ("ad_title", CellKind::Text),
    ("ad_type", CellKind::Text),
    ("currency", CellKind::Text),
    ("spend", CellKind::Amount),
    ("reach", CellKind::Count),
    ("conversations", CellKind::Count),
    ("cost_per_conversation", CellKind::Amount),
    ("conversions", CellKind::Count),
    ("cost_per_conversion", CellKind::Amount),
    ("conversion_rate", CellKind::Amount),
    ("reach_min", CellKind::Count),
    ("reach_max", CellKind::Count),
    ("spend_unknown_days", CellKind::Count),
    ("unconfigured_days", CellKind::Count),
];

impl Report {
    pub(super) fn sheet(&self) -> Sheet<'_> {
        let columns = match self.grain {
            Grain::Day => &COLUMNS[..],
            Grain::Range => &COLUMNS[1..],
        };
        let cells = |row| cells(row).into_iter().skip(COLUMNS.len() - columns.len()).collect();
        Sheet { columns, rows: self.rows.iter().map(cells).collect() }
    }
}

/// The cells of a row, in the order of [`COLUMNS`].
fn cells(row: &ReportRow) -> [Value<'_>; COLUMNS.len()] {
    [
        Value::day(row.date),
        Value::text(row.bot_id.as_deref()),
        Value::Text(&row.ad_id),
        Value::text(row.ad_title.as_deref()),
        Value::text(row.ad_type.as_deref()),
        Value::text(row.currency.as_deref()),
        Value::amount(row.spend),
        Value::count(row.reach),
        Value::Count(row.conversations),
        Value::amount(row.cost_per_conversation),
        Value::count(row.conversions),
        Value::amount(row.cost_per_conversion),
        Value::amount(row.conversion_rate),
        Value::count(row.reach_min),
        Value::count(row.reach_max),
        Value::Count(row.spend_unknown_days),
        Value::Count(row.unconfigured_days),
    ]
}

//! `ctwa report --reconcile`: the conversations that we count beside those that Meta counts, per ad.
//!
//! In: the published tables. Out: a row per ad, by id, with any conversation, ours or Meta's, in the range. Ours are summed over
//! bots, because Meta does not know of bots. Meta counts by rules of its own (attributed, without repeats, by the ad account's day),
//! so the two differ; a difference that grows is worth a look. It is taken over the days on which Meta's figure is known, and is
//! NULL where there is none.

use std::collections::BTreeMap;

use crate::config::Settings;
use crate::day::{Day, DayRange};
use crate::error::Result;
use crate::lake::Lake;

use super::facts::Facts;
use super::published::AdDay;
use super::read;
use super::{Format, ReportRequest, Sheet, Value, csv, json, spans, table};

const COLUMNS: [&str; 7] =
    ["ad_id", "ad_title", "account_id", "conversations", "meta_conversations", "difference", "meta_unknown_days"];

/// One line; the fields are [`COLUMNS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconciledAd {
    pub ad_id: String,
    pub ad_title: Option<String>,
    pub account_id: Option<String>,
    pub conversations: i64,
    pub meta_conversations: Option<i64>,
    /// Ours less Meta's.
    pub difference: Option<i64>,
    pub meta_unknown_days: i64,
}

pub struct Reconciliation {
    pub days: DayRange,
    pub rows: Vec<ReconciledAd>,
    pub notes: Vec<String>,
}

/// Of the request, the days and the ads count.
pub fn reconcile(settings: &Settings, output: &Lake, request: &ReportRequest) -> Result<Reconciliation> {
    let published = read::published(output, request, settings.horizon)?;
    let facts = Facts::new(&published, &settings.bots, request);
    let mut ads: BTreeMap<&str, BTreeMap<Day, Vec<&AdDay>>> = BTreeMap::new();
    for row in &published.ad_days {
        if request.ads.is_empty() || request.ads.contains(&row.ad_id) {
            ads.entry(&row.ad_id).or_default().entry(row.date).or_default().push(row);
        }
    }
    let row = |(ad_id, days): (&str, BTreeMap<Day, Vec<&AdDay>>)| {
        let mut row = ReconciledAd {
            ad_id: ad_id.to_string(),
            ad_title: published.ads.iter().filter(|ad| ad.ad_id == ad_id).find_map(|ad| ad.ad_title.clone()),
            account_id: facts.account(ad_id).map(str::to_string),
            conversations: 0,
            meta_conversations: None,
            difference: None,
            meta_unknown_days: 0,
        };
        for day in request.days.iter() {
            let rows = days.get(&day).map(Vec::as_slice).unwrap_or_default();
            let ours: i64 = rows.iter().map(|row| row.conversations).sum();
            row.conversations += ours;
            match facts.meta_conversations(ad_id, rows, day) {
                Some(metas) => {
                    *row.meta_conversations.get_or_insert(0) += metas;
                    *row.difference.get_or_insert(0) += ours - metas;
                }
                None => row.meta_unknown_days += 1,
            }
        }
        row
    };
    let rows =
        ads.into_iter().map(row).filter(|row| row.conversations > 0 || row.meta_conversations.is_some_and(|metas| metas > 0));
    let rows = rows.collect();
    let missing: Vec<Day> = request.days.iter().filter(|day| !published.days.contains(day)).collect();
    let notes =
        if missing.is_empty() { Vec::new() } else { vec![format!("not published and not in the figures: {}", spans(&missing))] };
    Ok(Reconciliation { days: request.days, rows, notes })
}

impl ReconciledAd {
    fn cells(&self) -> Vec<Value<'_>> {
        let count = |count: Option<i64>| count.map_or(Value::Null, Value::Count);
        vec![
            Value::Text(&self.ad_id),
            self.ad_title.as_deref().map_or(Value::Null, Value::Text),
            self.account_id.as_deref().map_or(Value::Null, Value::Text),
            Value::Count(self.conversations),
            count(self.meta_conversations),
            count(self.difference),
            Value::Count(self.meta_unknown_days),
        ]
    }
}

impl Reconciliation {
    fn sheet(&self) -> Sheet<'_> {
        Sheet { columns: &COLUMNS, rows: self.rows.iter().map(ReconciledAd::cells).collect() }
    }

    pub fn render(&self, format: Format, raw_csv: bool) -> Result<Vec<u8>> {
        match format {
            Format::Table => {
                Ok(format!("{}, conversations as counted here and by Meta\n\n{}", self.days, table::render_sheet(&self.sheet()))
                    .into_bytes())
            }
            Format::Csv => csv::render(&self.sheet(), raw_csv),
            Format::Json => json::render(&self.sheet()),
        }
    }
}

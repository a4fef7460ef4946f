//! `ctwa report --reconcile`: the conversations that we count beside those that Meta counts, per ad.
//!
//! In: the published tables. Out: a row per ad, by id, with any conversation, ours or Meta's, in the range. Ours are summed over
//! bots, because Meta does not know of bots. Meta counts by rules of its own (attributed, without repeats, by the ad account's day),
//! so the two differ; a difference that grows is worth a look. It is taken over the days on which Meta's figure is known, and is
//! NULL where there is none.

use std::collections::{BTreeMap, HashMap};

use crate::base::day::{Day, written_ranges};
use crate::base::error::{Error, Result};
use crate::config::Settings;
use crate::lake::Lake;
use crate::report::style::Look;

use super::facts::Facts;
use super::published::AdDay;
use super::read;
use super::tally::Tally;
use super::{Format, Kind, Layout, ReportRequest, Sheet, Value, Written};

const COLUMNS: [(&str, Kind); 7] = [
    ("ad_id", Kind::Text),
    ("ad_title", Kind::Text),
    ("account_id", Kind::Text),
    ("conversations", Kind::Count),
    ("meta_conversations", Kind::Count),
    ("difference", Kind::Count),
    ("meta_unknown_days", Kind::Count),
];

/// One line; the fields are [`COLUMNS`].
struct ReconciledAd {
    ad_id: String,
    ad_title: Option<String>,
    account_id: Option<String>,
    conversations: i64,
    meta_conversations: Option<i64>,
    /// Ours less Meta's.
    difference: Option<i64>,
    meta_unknown_days: i64,
}

/// Of the request, the days and the ads count.
pub fn reconcile(
    settings: &Settings,
    output: &Lake,
    request: &ReportRequest,
    format: Format,
    look: Look,
    raw_csv: bool,
) -> Result<Written> {
    if format == Format::Html {
        return Err(Error::usage("a reconciliation has no page").mend("leave out --format html"));
    }
    let published = read::published_for_reconciling(output, request, settings.horizon)?;
    let tally = Tally::of(&published.ad_days, request.days);
    let facts = Facts::new(&published, &tally, &settings.bots);
    let mut ads: BTreeMap<&str, BTreeMap<Day, Vec<&AdDay>>> = BTreeMap::new();
    for row in published.ad_days.iter().filter(|row| request.asks_for(None, &row.ad_id)) {
        ads.entry(&row.ad_id).or_default().entry(row.date).or_default().push(row);
    }
    let mut titles: HashMap<&str, &str> = HashMap::new();
    for (ad_id, title) in published.ads.iter().filter_map(|ad| Some((ad.ad_id.as_str(), ad.ad_title.as_deref()?))) {
        titles.entry(ad_id).or_insert(title);
    }
    let mut rows = Vec::new();
    for (ad_id, days) in ads {
        let mut row = ReconciledAd {
            ad_id: ad_id.to_string(),
            ad_title: titles.get(ad_id).map(|title| title.to_string()),
            account_id: facts.accounts.get(ad_id).map(|account| account.to_string()),
            conversations: 0,
            meta_conversations: None,
            difference: None,
            meta_unknown_days: 0,
        };
        for day in request.days.iter() {
            let of_day = days.get(&day).map(Vec::as_slice).unwrap_or_default();
            let ours: i64 = of_day.iter().map(|row| row.conversations).sum();
            row.conversations += ours;
            match facts.meta_conversations(ad_id, of_day, day) {
                Some(metas) => {
                    *row.meta_conversations.get_or_insert(0) += metas;
                    *row.difference.get_or_insert(0) += ours - metas;
                }
                None => row.meta_unknown_days += 1,
            }
        }
        if row.conversations > 0 || row.meta_conversations.is_some_and(|metas| metas > 0) {
            rows.push(row);
        }
    }
    let sheet = Sheet { columns: &COLUMNS, rows: rows.iter().map(ReconciledAd::cells).collect() };
    let heading = format!("{}, conversations as counted here and by Meta", request.days);
    let bytes = sheet.write(&Layout { format, look, raw_csv, heading, spare: &[] })?;
    let missing: Vec<Day> = request.days.iter().filter(|day| !published.days.contains(day)).collect();
    let note = (!missing.is_empty()).then(|| format!("not published and not in the figures: {}", written_ranges(missing)));
    Ok(Written { bytes, notes: note.into_iter().collect() })
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

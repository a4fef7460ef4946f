//! `ctwa report --reconcile`: the conversations that we count beside those that Meta counts, per ad.
//!
//! In: the published tables. Out: a row per ad, by id, with any conversation, ours or Meta's, in the range. Ours are summed over
//! bots, because Meta does not know of bots. Meta counts by rules of its own (attributed, without repeats, by the ad account's day),
//! so the two differ; a difference that grows is worth a look. It is taken over the days on which Meta's figure is known, and is
//! NULL where there is none.

use std::collections::{BTreeMap, HashMap};

use crate::base::day::{Day, DayRange, written_ranges};
use crate::base::error::{Error, Result};
use crate::config::{Bot, Settings};
use crate::lake::Lake;

use super::formats::{Format, Rendering, SheetLayout, WrittenReport};
use super::grid::left_out;
use super::meaning::Meaning;
use super::model::ReportRequest;
use super::notes::missing_days;
use super::published::{Published, PublishedAdDay};
use super::read;
use super::sheet::{CellKind, Sheet, Value};
use super::sums::{Summed, exact_count};
use super::tally::Tally;

const COLUMNS: [(&str, CellKind); 7] = [
    ("ad_id", CellKind::Text),
    ("ad_title", CellKind::Text),
    ("account_id", CellKind::Text),
    ("conversations", CellKind::Count),
    ("meta_conversations", CellKind::Count),
    ("difference", CellKind::Count),
    ("meta_unknown_days", CellKind::Count),
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

/// The reconciliation as bytes. Of the request, only the days and the ads are looked at.
pub fn reconcile(settings: &Settings, output: &Lake, request: &ReportRequest, rendering: Rendering) -> Result<WrittenReport> {
    if rendering.format == Format::Html {
        return Err(Error::usage("a reconciliation has no page").mend("leave out --format html"));
    }
    let published = read::published_for_reconciling(output, request, settings.horizon)?;
    let rows = rows(&published, &settings.bots, request)?;
    let mut sheet = Sheet { columns: &COLUMNS, rows: rows.iter().map(ReconciledAd::cells).collect() };
    let heading = format!("{}, conversations as counted here and by Meta", request.days);
    let cut = sheet.cut(rendering.limit);
    let bytes = sheet.write(&SheetLayout { rendering, heading, spare: &["meta_unknown_days", "account_id", "ad_title"], cut })?;
    let missing = missing_days(&published, request.days);
    let note = (!missing.is_empty()).then(|| format!("not published and not in the figures: {}", written_ranges(missing)));
    let limited = left_out(cut).filter(|_| rendering.format != Format::Table);
    Ok(WrittenReport { bytes, notes: note.into_iter().chain(limited).collect() })
}

fn rows(published: &Published, bots: &[Bot], request: &ReportRequest) -> Result<Vec<ReconciledAd>> {
    let tally = Tally::of(&published.ad_days, request.days);
    let meaning = Meaning::new(published, &tally, bots);
    let mut ads: BTreeMap<&str, RowsOfAd> = BTreeMap::new();
    for row in published.ad_days.iter().filter(|row| request.asks_for_ad(&row.ad_id)) {
        ads.entry(&row.ad_id).or_default().entry(row.date).or_default().push(row);
    }
    let mut titles: HashMap<&str, &str> = HashMap::new();
    for (ad_id, title) in published.ads.iter().filter_map(|ad| Some((ad.ad_id.as_str(), ad.ad_title.as_deref()?))) {
        titles.entry(ad_id).or_insert(title);
    }
    let mut rows = Vec::new();
    for (ad_id, of_ad) in &ads {
        let row = ReconciledAd {
            ad_title: titles.get(ad_id).map(|title| title.to_string()),
            ..row(&meaning, ad_id, of_ad, request.days)?
        };
        if row.conversations > 0 || row.meta_conversations.is_some_and(|metas| metas > 0) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The rows of an ad, of all bots.
type RowsOfAd<'a> = BTreeMap<Day, Vec<&'a PublishedAdDay>>;

/// The row of an ad, without its title.
fn row(meaning: &Meaning<'_>, ad_id: &str, rows: &RowsOfAd<'_>, days: DayRange) -> Result<ReconciledAd> {
    let (mut conversations, mut meta_conversations, mut difference): (i128, Option<i128>, Option<i128>) = (0, None, None);
    let mut meta_unknown_days = 0;
    for day in days.iter() {
        let of_day = rows.get(&day).map(Vec::as_slice).unwrap_or_default();
        let ours: i128 = of_day.iter().map(|row| i128::from(row.conversations)).sum();
        conversations += ours;
        match meaning.meta_conversations(ad_id, of_day, day).map(i128::from) {
            Some(metas) => {
                *meta_conversations.get_or_insert(0) += metas;
                *difference.get_or_insert(0) += ours - metas;
            }
            None => meta_unknown_days += 1,
        }
    }
    let count = |column, sum| exact_count(sum, Summed { table: "ad_days", column, key: (None, ad_id) });
    Ok(ReconciledAd {
        ad_id: ad_id.to_string(),
        ad_title: None,
        account_id: meaning.accounts.get(ad_id).map(|account| account.to_string()),
        conversations: count("conversations", conversations)?,
        meta_conversations: meta_conversations.map(|sum| count("meta_conversations", sum)).transpose()?,
        difference: difference.map(|sum| count("conversations", sum)).transpose()?,
        meta_unknown_days,
    })
}

impl ReconciledAd {
    fn cells(&self) -> Vec<Value<'_>> {
        vec![
            Value::Text(&self.ad_id),
            Value::text(self.ad_title.as_deref()),
            Value::text(self.account_id.as_deref()),
            Value::Count(self.conversations),
            Value::count(self.meta_conversations),
            Value::count(self.difference),
            Value::Count(self.meta_unknown_days),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorKind;
    use crate::report::sample::{ad_day, bot, published, request};

    /// Each is a count of its own; 64 bits would wrap their sum.
    #[test]
    fn counts_that_add_up_past_63_bits_are_refused_by_name() {
        let row = |bot_id, ours, metas| PublishedAdDay {
            meta_conversations: Some(metas),
            ..ad_day(0, Some(bot_id), "A", (ours, Some(0), None))
        };
        let reconciled = |ours| {
            let ad_days = vec![row("b", ours, 7), row("c", ours, 7)];
            rows(&published(1, Vec::new(), ad_days), &[bot("b", 0), bot("c", 0)], &request(1))
        };
        let error = reconciled(i64::MAX).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.to_string().contains("(table ad_days, column conversations, ad A)"), "{error}");
        let [row] = <[ReconciledAd; 1]>::try_from(reconciled(4).unwrap()).ok().unwrap();
        assert_eq!((row.conversations, row.meta_conversations, row.difference), (8, Some(7), Some(1)));
    }
}

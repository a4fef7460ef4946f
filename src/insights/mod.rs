//! Meta's daily figures per ad, from the insights table of the lake.
//!
//! In: partitions `date=YYYY-MM-DD` by the figure's own day, one row per (account, ad, day), in the contract's columns. Out:
//! [`Figures`] per day, and the [`InsightsIndex`] over all landed days: which account an ad belongs to, its latest names, which
//! days of an account are whole (rule 14). Money is exact: whole millionths of the currency's major unit, never through a
//! float, never rounded. A partition that breaks the contract is refused as a whole, with an error that names what is wrong.
//!
//! ```text
//! client.rs        what is asked of Meta's API
//! due.rs           what is to be fetched
//! fetched.rs       the ledger: what was fetched, and when
//! graph.rs         paced, repeated, page by page
//! graph_error.rs   what an error means
//! http.rs          the only user of HTTP
//! landing.rs       fetched rows as tables
//! report_run.rs    too large: asynchronously
//! rows.rs          Meta's rows, read strictly
//! split.rs         too large: smaller questions
//! throttle.rs      how long to wait for limits
//! wire.rs          Meta's JSON, read strictly
//! ```

pub mod client;
pub(crate) mod due;
pub(crate) mod fetched;
pub mod graph;
pub mod graph_error;
mod http;
pub(crate) mod landing;
pub(crate) mod report_run;
pub mod rows;
pub(crate) mod split;
pub(crate) mod throttle;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};

use serde::{Deserialize, Serialize};

use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::base::limits::FINAL_AFTER_DAYS;
use crate::base::money::parse_money;
use crate::base::money::{decimal_text, inexact, rescale};
use crate::lake::Lake;
use crate::lake::layout::Partition;
use fetched::Ledgers;

/// A row of the insights table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsightRow {
    /// With the `act_` prefix.
    pub account: String,
    pub ad: String,
    pub currency: String,
    pub figures: Figures,
    pub names: AdNames,
}

/// Meta's figures of one ad on one day. None: not reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Millionths of the currency's major unit.
    pub spend: i64,
    pub impressions: Option<i64>,
    pub reach: Option<i64>,
    pub clicks: Option<i64>,
    pub inline_link_clicks: Option<i64>,
    pub meta_conversations: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdNames {
    pub ad_name: Option<String>,
    pub adset_id: Option<String>,
    pub adset_name: Option<String>,
    pub campaign_id: Option<String>,
    pub campaign_name: Option<String>,
}

/// More columns than these are never read.
const REQUIRED: [&str; 4] = ["account_id", "ad_id", "currency", "spend"];
const COUNTS: [&str; 5] = ["impressions", "reach", "clicks", "inline_link_clicks", "messaging_conversations_started"];
const NAMES: [&str; 5] = ["ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name"];

/// Reads a partition: every row checked, no key twice.
pub fn read_partition(lake: &Lake, partition: &Partition) -> Result<Vec<InsightRow>> {
    let mut rows = Vec::new();
    let mut keys = HashSet::new();
    for object in &partition.objects {
        let read = lake.scan_columns(object, &REQUIRED, &[COUNTS, NAMES].concat(), |batch| {
            for row in rows_of(&batch)? {
                if !keys.insert((row.account.clone(), row.ad.clone())) {
                    return Err(Error::data("two rows for one account, ad and day")
                        .with("account", &row.account)
                        .with("ad", &row.ad)
                        .mend("keep one of them: figures are neither added nor chosen"));
                }
                rows.push(row);
            }
            Ok(())
        });
        read.map_err(|error| error.with("table", "insights").with("day", partition.day))?;
    }
    rows.sort_unstable_by(|a, b| (&a.account, &a.ad).cmp(&(&b.account, &b.ad)));
    Ok(rows)
}

fn rows_of(batch: &RecordBatch) -> Result<Vec<InsightRow>> {
    let (accounts, ads, currencies) = (required(batch, "account_id")?, required(batch, "ad_id")?, required(batch, "currency")?);
    let spend = spend(batch)?;
    let integers: Vec<Integers> = COUNTS.into_iter().map(|name| integers(batch, name)).collect::<Result<_>>()?;
    let names: Vec<Option<StringArray>> = NAMES.into_iter().map(|name| optional_text(batch, name)).collect::<Result<_>>()?;
    let filled = |array: &StringArray, row: usize| {
        array.is_valid(row).then(|| array.value(row)).filter(|text| !text.trim().is_empty()).map(str::to_string)
    };
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let key = |array: &StringArray, column: &'static str| {
            filled(array, row).ok_or_else(|| {
                Error::data(format!("{column} is blank")).with("column", column).mend("fill it, or remove the row")
            })
        };
        let account = key(&accounts, "account_id")?;
        let account = format!("act_{}", account.strip_prefix("act_").unwrap_or(&account));
        let ad = key(&ads, "ad_id")?;
        let here = |error: Error| error.with("account", &account).with("ad", &ad);
        let integer = |i: usize| integers[i](row).map_err(here);
        let name = |i: usize| names[i].as_ref().and_then(|array| filled(array, row));
        rows.push(InsightRow {
            currency: key(&currencies, "currency").map_err(here)?,
            figures: Figures {
                spend: spend(row).map_err(here)?,
                impressions: integer(0)?,
                reach: integer(1)?,
                clicks: integer(2)?,
                inline_link_clicks: integer(3)?,
                meta_conversations: integer(4)?,
            },
            names: AdNames {
                ad_name: name(0),
                adset_id: name(1),
                adset_name: name(2),
                campaign_id: name(3),
                campaign_name: name(4),
            },
            account,
            ad,
        });
    }
    Ok(rows)
}

fn cast(array: &ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    arrow::compute::cast(array, kind).map_err(|error| Error::bug("a checked column cannot be cast").source(error))
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

fn column<'b>(batch: &'b RecordBatch, name: &'static str) -> Result<&'b ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::bug(format!("column {name} was not read")))
}

fn required(batch: &RecordBatch, name: &'static str) -> Result<StringArray> {
    text(column(batch, name)?, name)
}

fn optional_text(batch: &RecordBatch, name: &'static str) -> Result<Option<StringArray>> {
    batch.column_by_name(name).map(|array| text(array, name)).transpose()
}

fn text(array: &ArrayRef, name: &'static str) -> Result<StringArray> {
    if !is_text(array.data_type()) && array.data_type() != &DataType::Null {
        return Err(Error::data(format!("{name} is {}, a text is needed", array.data_type()))
            .with("column", name)
            .mend("cast it to text: ids are texts, and a number type may have changed them"));
    }
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

type Money = Box<dyn Fn(usize) -> Result<i64>>;
type Integers = Box<dyn Fn(usize) -> Result<Option<i64>>>;

fn spend(batch: &RecordBatch) -> Result<Money> {
    let array = column(batch, "spend")?;
    let missing =
        || Error::data("spend is null").with("column", "spend").mend("fill it, or remove the row: a day without a row is 0");
    match array.data_type() {
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            let scale = *scale;
            let wide = cast(array, &DataType::Decimal128(38, scale))?;
            Ok(Box::new(move |row| {
                let values = wide.as_primitive::<Decimal128Type>();
                if values.is_null(row) {
                    return Err(missing());
                }
                rescale(values.value(row), scale).ok_or_else(|| inexact(&decimal_text(values.value(row), scale)))
            }))
        }
        kind if is_text(kind) => {
            let texts = text(array, "spend")?;
            Ok(Box::new(move |row| {
                if texts.is_null(row) || texts.value(row).trim().is_empty() {
                    return Err(missing());
                }
                parse_money(texts.value(row))
            }))
        }
        kind => {
            let error =
                Error::data(format!("spend is {kind}, a decimal or the text Meta sends is needed")).with("column", "spend");
            Err(error
                .mend("write it as decimal(18,6), for example CAST(spend AS DECIMAL(18,6)): money never goes through a float"))
        }
    }
}

fn integers(batch: &RecordBatch, name: &'static str) -> Result<Integers> {
    let Some(array) = batch.column_by_name(name) else { return Ok(Box::new(|_| Ok(None))) };
    match array.data_type() {
        DataType::Null => Ok(Box::new(|_| Ok(None))),
        kind if kind.is_integer() => {
            let (array, wide) = (array.clone(), cast(array, &DataType::Int64)?);
            Ok(Box::new(move |row| {
                let values = wide.as_primitive::<Int64Type>();
                if array.is_valid(row) && (values.is_null(row) || values.value(row) < 0) {
                    return Err(Error::data(format!("{name} is not a count")).with("column", name));
                }
                Ok(values.is_valid(row).then(|| values.value(row)))
            }))
        }
        kind if is_text(kind) => {
            let texts = text(array, name)?;
            Ok(Box::new(move |row| {
                let Some(text) = texts.is_valid(row).then(|| texts.value(row).trim()).filter(|text| !text.is_empty()) else {
                    return Ok(None);
                };
                let is_count = text.bytes().all(|b| b.is_ascii_digit());
                let count = text.parse().ok().filter(|_| is_count);
                count.map(Some).ok_or_else(|| Error::data(format!("{name} {text:?} is not a count")).with("column", name))
            }))
        }
        kind => Err(Error::data(format!("{name} is {kind}, an integer or a text of digits is needed")).with("column", name)),
    }
}

/// What a landed insights partition was found to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsightsContent {
    /// Figures per listed account.
    pub accounts: BTreeMap<String, Digest>,
    /// Which ads belong to which account, currencies and names.
    pub index: Digest,
    pub unlisted_accounts: BTreeMap<String, u64>,
}

/// What a receipt remembers of a partition: the figures of each listed account, and what the index takes from it.
pub fn content(rows: &[InsightRow], listed: &BTreeSet<&str>) -> InsightsContent {
    let mut content = InsightsContent::default();
    for row in rows {
        if !listed.contains(row.account.as_str()) {
            *content.unlisted_accounts.entry(row.account.clone()).or_default() += 1;
            continue;
        }
        let counts = [
            row.figures.impressions,
            row.figures.reach,
            row.figures.clicks,
            row.figures.inline_link_clicks,
            row.figures.meta_conversations,
        ];
        let figures =
            [row.ad.clone(), row.figures.spend.to_string()].into_iter().chain(counts.iter().map(|count| format!("{count:?}")));
        let account = content.accounts.entry(row.account.clone()).or_default();
        *account = account.plus(Digest::of_texts(figures));
        let names = &row.names;
        let of_ad = [
            Some(&row.account),
            Some(&row.ad),
            Some(&row.currency),
            names.ad_name.as_ref(),
            names.adset_id.as_ref(),
            names.adset_name.as_ref(),
            names.campaign_id.as_ref(),
            names.campaign_name.as_ref(),
        ];
        content.index = content.index.plus(Digest::of(of_ad.map(|part| part.map(String::as_str))));
    }
    content
}

/// What all landed days say together. Figures are there of the days whose rows were added.
#[derive(Debug, Default)]
pub struct InsightsIndex {
    /// The figures of listed accounts, per day, sorted by (account, ad).
    pub days: BTreeMap<Day, Vec<DayFigures>>,
    /// The ads of listed accounts.
    pub ads: HashMap<String, KnownAd>,
    /// What was fetched; none where others land the table.
    fetched: Option<Ledgers>,
    /// Days of an account with at least one row.
    with_rows: HashSet<(String, Day)>,
    /// The newest landed partition.
    newest: Option<Day>,
    /// Rows of accounts that no bot lists.
    pub unlisted_accounts: BTreeMap<String, u64>,
    currencies: HashMap<String, (String, Day)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayFigures {
    pub account: String,
    pub ad: String,
    pub figures: Figures,
}

/// What is known of an ad from its insights rows: each name is the latest that is not null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAd {
    /// The first landed day with a row of the ad.
    pub first_day: Day,
    pub account: String,
    pub currency: String,
    pub names: AdNames,
}

impl InsightsIndex {
    pub fn new(fetched: Option<Ledgers>) -> InsightsIndex {
        InsightsIndex { fetched, ..InsightsIndex::default() }
    }

    /// What was known of partitions whose rows are not added again.
    pub fn with_known(mut self, ads: BTreeMap<String, KnownAd>, currencies: BTreeMap<String, (String, Day)>) -> InsightsIndex {
        self.ads = ads.into_iter().collect();
        self.currencies = currencies.into_iter().collect();
        self
    }

    /// The currency of each account, with the first day that told it.
    pub fn currencies(&self) -> impl Iterator<Item = (&String, &(String, Day))> {
        self.currencies.iter()
    }

    /// Notes a landed day, of which these accounts have rows.
    pub fn note_landed<'a>(&mut self, day: Day, accounts: impl IntoIterator<Item = &'a String>) {
        self.newest = self.newest.max(Some(day));
        self.with_rows.extend(accounts.into_iter().map(|account| (account.clone(), day)));
    }

    /// Adds the figures of a day of which all else is known.
    pub fn add_figures(&mut self, day: Day, rows: Vec<InsightRow>, listed: &BTreeSet<&str>) {
        let rows = rows.into_iter().filter(|row| listed.contains(row.account.as_str()));
        let figures = rows.map(|row| DayFigures { account: row.account, ad: row.ad, figures: row.figures });
        self.days.insert(day, figures.collect());
    }

    /// Adds the rows of a partition; days must come in order. On an error nothing is added: the partition is refused.
    pub fn add(&mut self, day: Day, rows: Vec<InsightRow>, listed: &BTreeSet<&str>) -> Result<()> {
        let refuse = |error: Error| Err(error.with("table", "insights").with("day", day));
        let mut currencies: HashMap<&str, &str> = HashMap::new();
        let mut accounts: HashMap<&str, &str> = HashMap::new();
        for row in rows.iter().filter(|row| listed.contains(row.account.as_str())) {
            let known = self.currencies.get(&row.account).map(|(currency, since)| (currency.as_str(), *since));
            let (known, since) = known.unwrap_or((currencies.entry(&row.account).or_insert(&row.currency), day));
            if known != row.currency {
                return refuse(
                    Error::data(format!(
                        "account {} has two currencies, {known} (day {since}) and {}",
                        row.account, row.currency
                    ))
                    .with("ad", &row.ad)
                    .mend("an account has one currency: correct the partition"),
                );
            }
            let known = self.ads.get(&row.ad).map(|ad| ad.account.as_str());
            let known = known.unwrap_or(accounts.entry(&row.ad).or_insert(&row.account));
            if known != row.account {
                return refuse(
                    Error::data(format!("ad {} has rows of two accounts, {known} and {}", row.ad, row.account))
                        .mend("an ad belongs to one account: correct the partition"),
                );
            }
        }
        self.newest = self.newest.max(Some(day));
        let mut figures = Vec::with_capacity(rows.len());
        for row in rows {
            if !listed.contains(row.account.as_str()) {
                *self.unlisted_accounts.entry(row.account).or_default() += 1;
                continue;
            }
            self.currencies.entry(row.account.clone()).or_insert_with(|| (row.currency.clone(), day));
            self.with_rows.insert((row.account.clone(), day));
            let known = self.ads.entry(row.ad.clone()).or_insert_with(|| KnownAd {
                first_day: day,
                account: row.account.clone(),
                currency: row.currency.clone(),
                names: AdNames::default(),
            });
            let latest = |known: &mut Option<String>, now: Option<String>| *known = now.or(known.take());
            latest(&mut known.names.ad_name, row.names.ad_name);
            latest(&mut known.names.adset_id, row.names.adset_id);
            latest(&mut known.names.adset_name, row.names.adset_name);
            latest(&mut known.names.campaign_id, row.names.campaign_id);
            latest(&mut known.names.campaign_name, row.names.campaign_name);
            figures.push(DayFigures { account: row.account, ad: row.ad, figures: row.figures });
        }
        self.days.insert(day, figures);
        Ok(())
    }

    /// Whether all figures of an account's day are known: fetched by us, or landed by others with at least one row.
    pub fn is_whole(&self, account: &str, day: Day) -> bool {
        match &self.fetched {
            Some(ledgers) => ledgers.is_whole(account, day),
            None => self.with_rows.contains(&(account.to_string(), day)),
        }
    }

    /// Whether a whole day was last looked at when its figures did not change any more.
    pub fn is_final(&self, account: &str, day: Day) -> bool {
        match &self.fetched {
            Some(ledgers) => ledgers.is_final(account, day),
            None => self.newest >= Some(day.plus(FINAL_AFTER_DAYS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(account: &str, ad: &str, currency: &str) -> InsightRow {
        InsightRow {
            account: account.into(),
            ad: ad.into(),
            currency: currency.into(),
            figures: Figures::default(),
            names: AdNames::default(),
        }
    }

    #[test]
    fn an_account_has_one_currency_on_every_day() {
        let mut index = InsightsIndex::default();
        let listed = BTreeSet::from(["act_1"]);
        index.add(Day(1), vec![row("act_1", "a", "BRL")], &listed).unwrap();
        let error = index.add(Day(2), vec![row("act_1", "b", "MXN")], &listed).unwrap_err().to_string();
        assert!(error.contains("BRL") && error.contains("MXN") && error.contains("act_1"), "{error}");
        assert!(!index.is_whole("act_1", Day(2)), "a refused partition adds nothing");
    }

    #[test]
    fn an_ad_belongs_to_one_listed_account() {
        let mut index = InsightsIndex::default();
        let listed = BTreeSet::from(["act_1", "act_2"]);
        index.add(Day(1), vec![row("act_1", "a", "BRL")], &listed).unwrap();
        assert!(index.add(Day(2), vec![row("act_2", "a", "BRL")], &listed).is_err());
        assert!(index.add(Day(2), vec![row("act_1", "c", "BRL"), row("act_2", "c", "BRL")], &listed).is_err());
        assert!(
            index.add(Day(2), vec![row("act_9", "a", "USD"), row("act_9", "b", "EUR")], &listed).is_ok(),
            "not listed, left out"
        );
    }
}

//! What all landed days say together: which account an ad belongs to, its latest names, and which days of an account are whole
//! (rule 14); and what the receipt of a partition remembers of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::base::limits::FINAL_AFTER_DAYS;
use crate::base::missing::Missing;
use crate::config::Insights;
use crate::insights::ledger::Ledgers;
use crate::insights::row::{AdNames, InsightRow, MetaFigures};

/// What a landed insights partition was found to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsightsContent {
    /// A digest of the figures of each listed account.
    pub accounts: BTreeMap<String, Digest>,
    /// Which ads belong to which account, currencies and names.
    pub index: Digest,
    pub unlisted_accounts: BTreeMap<String, u64>,
    /// The optional columns that a file lacks.
    #[serde(default, skip_serializing_if = "MissingColumns::is_empty")]
    pub missing: MissingColumns,
}

/// The optional columns that a partition lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MissingColumns {
    /// Those of which there is no more to say, by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub plain: BTreeSet<String>,
    /// What is said of the others.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub said: BTreeSet<String>,
}

impl MissingColumns {
    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.said.is_empty()
    }

    pub(crate) fn add(&mut self, column: &Missing) {
        if column.is_plain() {
            self.plain.insert(column.name.to_string());
        } else {
            self.said.insert(column.text(""));
        }
    }
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
    pub days: BTreeMap<Day, Vec<AdFigures>>,
    /// The ads of listed accounts.
    pub ads: HashMap<String, KnownAd>,
    /// What was fetched; none where others land the table.
    fetched: Option<Ledgers>,
    /// Days of an account with at least one row.
    with_rows: HashSet<(String, Day)>,
    /// The landed days on which an account without a row spent nothing.
    whole: HashSet<Day>,
    /// Days whose figures are not known, whatever was fetched: their partitions are refused.
    refused: BTreeSet<Day>,
    /// The newest landed partition.
    newest: Option<Day>,
    /// Rows of accounts that no bot lists.
    pub unlisted_accounts: BTreeMap<String, u64>,
    currencies: HashMap<String, (String, Day)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdFigures {
    pub account: String,
    pub ad: String,
    pub figures: MetaFigures,
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

impl InsightsContent {
    /// Whether an account without a row on the partition's day spent nothing. Where folders are days of a sync, a folder without rows
    /// says nothing of the day.
    pub(crate) fn is_whole(&self, insights: &Insights) -> bool {
        let has_rows = || !(self.accounts.is_empty() && self.unlisted_accounts.is_empty());
        insights.absent_means_zero && (!insights.columns.is_mapped("date") || has_rows())
    }
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

    /// Notes a landed day on which an account without a row spent nothing.
    pub fn note_whole(&mut self, day: Day) {
        self.whole.insert(day);
    }

    /// Notes a day whose partition is refused.
    pub fn note_refused(&mut self, day: Day) {
        self.refused.insert(day);
    }

    /// Notes a landed day, of which these accounts have rows.
    pub fn note_landed<'a>(&mut self, day: Day, accounts: impl IntoIterator<Item = &'a String>) {
        self.newest = self.newest.max(Some(day));
        self.with_rows.extend(accounts.into_iter().map(|account| (account.clone(), day)));
    }

    /// Adds the figures of a day of which all else is known.
    pub fn add_figures(&mut self, day: Day, rows: Vec<InsightRow>, listed: &BTreeSet<&str>) {
        let of_listed = rows.into_iter().filter(|row| listed.contains(row.account.as_str()));
        let figures = of_listed.map(|row| AdFigures { account: row.account, ad: row.ad, figures: row.figures });
        self.days.insert(day, figures.collect());
    }

    /// Adds the rows of a partition; days must come in order. On an error nothing is added: the partition is refused.
    pub fn add(&mut self, day: Day, rows: Vec<InsightRow>, listed: &BTreeSet<&str>) -> Result<()> {
        let refuse = |error: Error| Err(error.with("table", "insights").with("day", day));
        let mut currencies: HashMap<&str, &str> = HashMap::new();
        let mut accounts: HashMap<&str, &str> = HashMap::new();
        for row in rows.iter().filter(|row| listed.contains(row.account.as_str())) {
            let known = self.currencies.get(&row.account).map(|(currency, since)| (currency.as_str(), *since));
            let (currency, since) = known.unwrap_or((currencies.entry(&row.account).or_insert(&row.currency), day));
            if currency != row.currency {
                return refuse(
                    Error::data(format!(
                        "account {} has two currencies, {currency} (day {since}) and {}",
                        row.account, row.currency
                    ))
                    .with("ad", &row.ad)
                    .mend("an account has one currency: correct the partition"),
                );
            }
            let in_other_days = self.ads.get(&row.ad).map(|ad| ad.account.as_str());
            let account = in_other_days.unwrap_or(accounts.entry(&row.ad).or_insert(&row.account));
            if account != row.account {
                return refuse(
                    Error::data(format!("ad {} has rows of two accounts, {account} and {}", row.ad, row.account))
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
            let latest = |name: &mut Option<String>, now: Option<String>| *name = now.or(name.take());
            latest(&mut known.names.ad_name, row.names.ad_name);
            latest(&mut known.names.adset_id, row.names.adset_id);
            latest(&mut known.names.adset_name, row.names.adset_name);
            latest(&mut known.names.campaign_id, row.names.campaign_id);
            latest(&mut known.names.campaign_name, row.names.campaign_name);
            figures.push(AdFigures { account: row.account, ad: row.ad, figures: row.figures });
        }
        self.days.insert(day, figures);
        Ok(())
    }

    /// Whether all figures of an account's day are known: fetched by us, or landed by others with at least one row, or where the
    /// pipeline says that who has none spent nothing.
    pub fn is_whole(&self, account: &str, day: Day) -> bool {
        if self.refused.contains(&day) {
            return false;
        }
        match &self.fetched {
            Some(ledgers) => ledgers.is_whole(account, day),
            None => self.whole.contains(&day) || self.with_rows.contains(&(account.to_string(), day)),
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
            figures: MetaFigures::default(),
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

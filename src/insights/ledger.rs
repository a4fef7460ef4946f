//! The ledger of what was fetched from Meta: per account and day, when, whether the day was over by then, how many rows, and a
//! fingerprint of them. It is what tells 0 from unknown (rule 14), so it is not safe to delete.
//!
//! It lies beside the insights, `<insights>/_ledger/act_<id>.json`, with what else has to be remembered of an account: its time
//! zone, in which its days are days, and which reach was fetched; and `<insights>/_ledger/ads.json`, the ads that were asked for by
//! their ids. A file is replaced at once, after the rows that it speaks of are there. Days that are not in it were never fetched.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::day::{Day, Zone};
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::base::limits::FINAL_AFTER_DAYS;
use crate::config::Settings;
use crate::lake::Lake;

/// An instant, in microseconds; written as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub i64);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<At, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: DateTime<Utc> = text.parse().map_err(serde::de::Error::custom)?;
        Ok(At(time.timestamp_micros()))
    }
}

/// A day of an account, as it was last fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedDay {
    pub at: At,
    /// Whether the day was over by then: until it is, nobody knows all of its figures.
    pub complete: bool,
    pub rows: u64,
    pub fingerprint: Digest,
    /// The version of the object that holds the rows; none where there never was a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// The trailing windows and months whose reach was last fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedReach {
    pub at: At,
    /// The day they end on.
    pub until: Day,
}

/// What is remembered of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLedger {
    /// An IANA name, as Meta told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default)]
    pub days: BTreeMap<Day, FetchedDay>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<FetchedReach>,
}

/// What Meta answered about an ad that was asked for by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answered {
    /// It belongs to an account that the pipeline lists.
    Found,
    /// It belongs to an account that no bot lists.
    Unlisted,
    /// It is not there, or another's.
    Foreign,
    /// It is no ad, or this token may not see it.
    Refused,
}

/// An ad that was asked for by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedAd {
    pub at: At,
    pub since: Day,
    pub until: Day,
    pub answered: Answered,
}

/// An account with its zone resolved: Meta's, else that of the first bot that lists it.
#[derive(Clone, Debug)]
pub struct FetchedAccount {
    pub zone: Zone,
    pub ledger: AccountLedger,
}

impl FetchedAccount {
    /// Whether all figures of a day are known.
    pub fn is_whole(&self, day: Day) -> bool {
        self.ledger.days.get(&day).is_some_and(|fetched| fetched.complete)
    }

    /// Whether a day was fetched when its figures did not change any more.
    pub fn is_final(&self, day: Day) -> bool {
        let fetched = self.ledger.days.get(&day).filter(|fetched| fetched.complete);
        fetched.is_some_and(|fetched| self.zone.local_day(fetched.at.0) >= day.plus(FINAL_AFTER_DAYS))
    }
}

/// The ledgers of all listed accounts.
#[derive(Clone, Debug, Default)]
pub struct Ledgers {
    pub accounts: BTreeMap<String, FetchedAccount>,
    pub ads: BTreeMap<String, AskedAd>,
}

impl Ledgers {
    pub fn read(lake: &Lake, folder: &str, settings: &Settings) -> Result<Ledgers> {
        let mut accounts = BTreeMap::new();
        for bot in &settings.bots {
            for account in bot.ad_accounts.iter().filter(|account| !accounts.contains_key(*account)).collect::<Vec<_>>() {
                let ledger: AccountLedger = read(lake, &account_object(folder, account))?.unwrap_or_default();
                let zone = ledger.zone.as_ref().and_then(|name| name.parse().ok()).unwrap_or(bot.zone);
                accounts.insert(account.clone(), FetchedAccount { zone, ledger });
            }
        }
        let ads = if accounts.is_empty() { None } else { read(lake, &ads_object(folder))? };
        Ok(Ledgers { accounts, ads: ads.unwrap_or_default() })
    }

    /// Takes an account's day for never fetched.
    pub(crate) fn forget(&mut self, account: &str, day: Day) {
        if let Some(known) = self.accounts.get_mut(account) {
            known.ledger.days.remove(&day);
        }
        self.forget_answers_of(&BTreeSet::from([day]));
    }

    /// What was found by ads' ids on these days is to be asked for again.
    pub(crate) fn forget_answers_of(&mut self, lost: &BTreeSet<Day>) {
        let is_lost = |asked: &AskedAd| lost.range(asked.since..=asked.until).next().is_some();
        self.ads.retain(|_, asked| asked.answered != Answered::Found || !is_lost(asked));
    }

    pub fn is_whole(&self, account: &str, day: Day) -> bool {
        self.accounts.get(account).is_some_and(|account| account.is_whole(day))
    }

    pub fn is_final(&self, account: &str, day: Day) -> bool {
        self.accounts.get(account).is_some_and(|account| account.is_final(day))
    }

    /// The accounts whose figures of a day are all known.
    pub fn whole_on(&self, day: Day) -> impl Iterator<Item = &str> {
        self.accounts.iter().filter(move |(_, account)| account.is_whole(day)).map(|(id, _)| id.as_str())
    }
}

/// A ledger that is there and cannot be read is an error: without it 0 and unknown look alike.
fn read<T: DeserializeOwned>(lake: &Lake, object: &str) -> Result<Option<T>> {
    let Some(bytes) = lake.get(object)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::data("the ledger of what was fetched from Meta cannot be read")
            .with("object", object)
            .source(error)
            .mend("bring it back from a backup, or remove it: then every day is fetched again")
    })
}

pub(crate) fn account_object(folder: &str, account: &str) -> String {
    format!("{folder}/_ledger/{account}.json")
}

pub(crate) fn ads_object(folder: &str) -> String {
    format!("{folder}/_ledger/ads.json")
}

/// The object with an account's rows of a day.
pub(crate) fn day_object(folder: &str, account: &str, day: Day) -> String {
    format!("{folder}/date={day}/{account}.parquet")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn at(text: &str) -> At {
        At(DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros())
    }

    #[test]
    fn a_ledger_reads_what_it_wrote() {
        let fetched =
            FetchedDay { at: at("2026-03-11T18:00:00Z"), complete: true, rows: 0, fingerprint: Digest::NONE, object: None };
        let ledger = AccountLedger {
            zone: Some("America/Sao_Paulo".into()),
            days: BTreeMap::from([(day("2026-03-10"), fetched)]),
            reach: Some(FetchedReach { at: at("2026-03-11T18:00:00Z"), until: day("2026-03-10") }),
        };
        let text = serde_json::to_string(&ledger).unwrap();
        assert!(text.contains(r#""2026-03-10":{"at":"2026-03-11T18:00:00Z","complete":true,"rows":0"#), "{text}");
        assert_eq!(serde_json::from_str::<AccountLedger>(&text).unwrap(), ledger);
    }

    #[test]
    fn a_day_is_final_when_it_was_fetched_28_of_the_accounts_days_later() {
        let fetched =
            |text: &str, complete| FetchedDay { at: at(text), complete, rows: 1, fingerprint: Digest::NONE, object: None };
        let of = |zone: &str, fetched| FetchedAccount {
            zone: zone.parse().unwrap(),
            ledger: AccountLedger { days: BTreeMap::from([(day("2026-03-01"), fetched)]), ..AccountLedger::default() },
        };
        for (zone, text, is_final) in [
            ("America/Sao_Paulo", "2026-03-29T02:59:59Z", false),
            ("America/Sao_Paulo", "2026-03-29T03:00:00Z", true),
            ("Pacific/Auckland", "2026-03-28T10:59:59Z", false),
            ("Pacific/Auckland", "2026-03-28T11:00:00Z", true),
        ] {
            assert_eq!(of(zone, fetched(text, true)).is_final(day("2026-03-01")), is_final, "{zone} {text}");
        }
        let open = of("UTC", fetched("2026-03-01T23:00:00Z", false));
        assert!(!open.is_whole(day("2026-03-01")) && !open.is_final(day("2026-03-01")));
        assert!(!open.is_whole(day("2026-03-02")), "never fetched");
    }
}

//! Ads: what is known of each ad over all landed days, and which row bears its spend (rules 12 and 14).
//!
//! [`AdIndex`] joins what touches say (first and last conversation, latest title and type, per bot) with what Meta's rows say
//! (account, names). Out: the `ads` table, one row per (bot, ad) that was ever touched, and one for the bearer of every ad
//! with insights of a listed account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};

use serde::{Deserialize, Serialize};

use crate::base::day::Day;
use crate::base::dictionary::column;
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::base::schema;
use crate::config::Settings;
use crate::engine::{AdFacts, FactsOfAds, Told};
use crate::insights::{InsightsIndex, KnownAd};

/// Everything known of the ads, by ad id.
#[derive(Debug, Default)]
pub(crate) struct AdIndex {
    ads: BTreeMap<String, AdEntry>,
}

#[derive(Debug, Default)]
struct AdEntry {
    /// What each bot's touches say, by index of the bot.
    facts: BTreeMap<u32, AdFacts>,
    known: Option<KnownAd>,
    bearer: Option<Bearer>,
}

/// The account an ad is known to belong to, and the bot that bears its spend; by ad id.
pub(crate) type AdPlaces = BTreeMap<String, AdPlace>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AdPlace {
    pub account: String,
    pub currency: String,
    /// None: the row without a bot.
    pub bearer: Option<String>,
}

/// What tells whether places are what they were.
pub(crate) fn places_digest(places: &AdPlaces) -> Digest {
    let texts = |(ad, place): (&String, &AdPlace)| {
        [Some(ad.clone()), Some(place.account.clone()), Some(place.currency.clone()), place.bearer.clone()]
    };
    let texts: Vec<Option<String>> = places.iter().flat_map(texts).collect();
    Digest::of(texts.iter().map(Option::as_deref))
}

/// The ads whose rows are stale because their place is another one than before, with the reason (rule 21).
pub(crate) fn moved(before: &AdPlaces, now: &AdPlaces) -> BTreeMap<String, &'static str> {
    let ads = before.keys().chain(now.keys());
    let reason = |ad: &String| match (before.get(ad), now.get(ad)) {
        (None, Some(_)) => Some("ad became known"),
        (Some(_), None) => Some("ad is known no more"),
        (Some(before), Some(now)) if before != now => Some("ad moved"),
        _ => None,
    };
    ads.filter_map(|ad| Some((ad.clone(), reason(ad)?))).collect()
}

/// Whose row carries Meta's figures of an ad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bearer {
    Bot(u32),
    /// Several bots list the account and none of them was touched: the row without a bot.
    NoBot,
}

impl Bearer {
    pub(crate) fn bot(self) -> Option<u32> {
        match self {
            Bearer::Bot(bot) => Some(bot),
            Bearer::NoBot => None,
        }
    }
}

impl AdIndex {
    /// `settled` and `insights` must hold all landed days.
    pub(crate) fn new(settings: &Settings, facts: FactsOfAds, insights: &InsightsIndex) -> AdIndex {
        let of_ad = |(ad, said)| (ad, AdEntry { facts: said, ..AdEntry::default() });
        let mut ads: BTreeMap<String, AdEntry> = facts.into_iter().map(of_ad).collect();
        for (ad, known) in &insights.ads {
            let entry = ads.entry(ad.clone()).or_default();
            entry.bearer = Some(bearer(settings, &known.account, &entry.facts));
            entry.known = Some(known.clone());
        }
        AdIndex { ads }
    }

    /// The account an ad is known to belong to, with its currency and names.
    pub(crate) fn known(&self, ad: &str) -> Option<&KnownAd> {
        self.ads.get(ad)?.known.as_ref()
    }

    /// None where no account is known for the ad.
    pub(crate) fn bearer(&self, ad: &str) -> Option<Bearer> {
        self.ads.get(ad)?.bearer
    }

    /// What the days' rows say of their ads, to tell later which ads became known or moved.
    pub(crate) fn places(&self, settings: &Settings) -> AdPlaces {
        let place = |(ad, entry): (&String, &AdEntry)| {
            let known = entry.known.as_ref()?;
            let bearer = entry.bearer.and_then(Bearer::bot).map(|bot| settings.bots[bot as usize].id.clone());
            Some((ad.clone(), AdPlace { account: known.account.clone(), currency: known.currency.clone(), bearer }))
        };
        self.ads.iter().filter_map(place).collect()
    }

    /// The ads whose figures touches from this instant on, or the loss of touches, can put on another bot's row: several bots list
    /// the account, and none of them was touched before.
    pub(crate) fn movable(&self, settings: &Settings, from: i64) -> BTreeSet<String> {
        let is_movable = |(ad, entry): (&String, &AdEntry)| {
            let account = &entry.known.as_ref()?.account;
            let listing = settings.bots.iter().filter(|bot| bot.ad_accounts.contains(account)).count();
            let first = entry.bearer.and_then(Bearer::bot).and_then(|bot| entry.facts.get(&bot));
            (listing > 1 && first.is_none_or(|facts| facts.first_conversation_at >= from)).then(|| ad.clone())
        };
        self.ads.iter().filter_map(is_movable).collect()
    }

    /// The first UTC day on which a row of an ad can fall, but for the zone.
    pub(crate) fn first_day(&self, ad: &str) -> Option<Day> {
        let entry = self.ads.get(ad)?;
        let touched = entry.facts.values().map(|facts| Day::of_instant(facts.first_conversation_at).plus(-1));
        touched.chain(entry.known.iter().map(|known| known.first_day)).min()
    }

    /// The `ads` table, sorted by (bot_id, ad_id), null first.
    pub(crate) fn table(&self, settings: &Settings) -> Result<RecordBatch> {
        type AdRow<'a> = (Option<&'a str>, &'a str, Option<&'a AdFacts>, Option<&'a KnownAd>);
        let mut rows: Vec<AdRow<'_>> = Vec::new();
        let bot_id = |bot: u32| settings.bots[bot as usize].id.as_str();
        for (ad, entry) in &self.ads {
            for (bot, facts) in &entry.facts {
                rows.push((Some(bot_id(*bot)), ad, Some(facts), entry.known.as_ref()));
            }
            match entry.bearer {
                Some(Bearer::Bot(bot)) if !entry.facts.contains_key(&bot) => {
                    rows.push((Some(bot_id(bot)), ad, None, entry.known.as_ref()))
                }
                Some(Bearer::NoBot) => rows.push((None, ad, None, entry.known.as_ref())),
                _ => {}
            }
        }
        rows.sort_unstable_by_key(|(bot, ad, ..)| (*bot, *ad));
        let instant = |value: &dyn Fn(&AdFacts) -> i64| {
            let values: TimestampMicrosecondArray = rows.iter().map(|row| row.2.map(value)).collect();
            Arc::new(values.with_timezone("UTC")) as ArrayRef
        };
        let told = |value: fn(&AdFacts) -> &Option<Told>| {
            text(rows.iter().map(move |row| row.2.and_then(|facts| value(facts).as_ref()).map(|told| told.text.as_str())))
        };
        let known = |value: fn(&KnownAd) -> Option<&str>| text(rows.iter().map(move |row| row.3.and_then(value)));
        let columns = vec![
            text(rows.iter().map(|row| row.0)),
            text(rows.iter().map(|row| Some(row.1))),
            told(|facts| &facts.ad_type),
            told(|facts| &facts.title),
            instant(&|facts| facts.first_conversation_at),
            instant(&|facts| facts.last_conversation_at),
            known(|ad| Some(&ad.account)),
            known(|ad| Some(&ad.currency)),
            known(|ad| ad.names.ad_name.as_deref()),
            known(|ad| ad.names.adset_id.as_deref()),
            known(|ad| ad.names.adset_name.as_deref()),
            known(|ad| ad.names.campaign_id.as_deref()),
            known(|ad| ad.names.campaign_name.as_deref()),
        ];
        schema::ads().batch(columns)
    }
}

fn text<'t>(cells: impl ExactSizeIterator<Item = Option<&'t str>> + Clone) -> ArrayRef {
    Arc::new(column(cells))
}

/// The only bot that lists the account; of several, the one with the ad's earliest touch: by time, message id, and bot id.
fn bearer(settings: &Settings, account: &str, facts: &BTreeMap<u32, AdFacts>) -> Bearer {
    let lists = |bot: &usize| settings.bots[*bot].ad_accounts.iter().any(|listed| listed == account);
    let listing: Vec<usize> = (0..settings.bots.len()).filter(lists).collect();
    if let [only] = listing[..] {
        return Bearer::Bot(only as u32);
    }
    let touched = listing.into_iter().filter_map(|bot| {
        let facts = facts.get(&(bot as u32))?;
        Some((facts.first_conversation_at, &facts.first_message, &settings.bots[bot].id, bot))
    });
    touched.min().map_or(Bearer::NoBot, |(_, _, _, bot)| Bearer::Bot(bot as u32))
}

//! What an engine finds: counts per bot, ad, day and category, and what touches say of ads. Small, whatever was counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::base::day::Day;

/// The counts of some days. Bots are indices into the settings, ads and categories into the lists here.
#[derive(Debug, Default)]
pub struct DayCounts {
    pub ads: Vec<String>,
    pub categories: Vec<String>,
    /// Touches with an ad id, by local day.
    pub conversations: BTreeMap<Day, Vec<ConversationCount>>,
    /// Conversions of ads, by the event's local day.
    pub conversions: BTreeMap<Day, Vec<ConversionCount>>,
    pub bot_days: BTreeMap<(Day, u32), BotCounts>,
    /// The ends of the sessions opened on a day, by ads or not; of contacts without a conversion event on the days asked for, as far as
    /// their other rows were looked at.
    pub ends: BTreeMap<(Day, u32), SessionEnds>,
}

impl DayCounts {
    /// Adds the counts of other contacts, whatever their ads and categories.
    pub fn merge(&mut self, mut other: DayCounts) {
        let code = |known: &mut Vec<String>, codes: &mut HashMap<String, u32>, text: String| {
            *codes.entry(text).or_insert_with_key(|text| {
                known.push(text.clone());
                known.len() as u32 - 1
            })
        };
        let numbered = |texts: &[String]| texts.iter().cloned().zip(0..).collect::<HashMap<String, u32>>();
        let (mut ads, mut categories) = (numbered(&self.ads), numbered(&self.categories));
        let of_ads: Vec<u32> = std::mem::take(&mut other.ads).into_iter().map(|ad| code(&mut self.ads, &mut ads, ad)).collect();
        let of_categories = std::mem::take(&mut other.categories).into_iter();
        let of_categories: Vec<u32> =
            of_categories.map(|category| code(&mut self.categories, &mut categories, category)).collect();
        other.conversations.values_mut().flatten().for_each(|row| row.ad = of_ads[row.ad as usize]);
        for row in other.conversions.values_mut().flatten() {
            (row.ad, row.category) = (of_ads[row.ad as usize], of_categories[row.category as usize]);
        }
        self.add(other);
    }

    /// Drops the counts of all days but these.
    pub(crate) fn keep(&mut self, days: &BTreeSet<Day>) {
        self.conversations.retain(|day, _| days.contains(day));
        self.conversions.retain(|day, _| days.contains(day));
        self.bot_days.retain(|(day, _), _| days.contains(day));
        self.ends.retain(|(day, _), _| days.contains(day));
    }

    /// Adds the counts of other contacts, of the same ads and categories.
    pub(crate) fn add(&mut self, other: DayCounts) {
        for (day, rows) in other.conversations {
            let known = self.conversations.entry(day).or_default();
            known.extend(rows);
            known.sort_unstable_by_key(|row| (row.bot, row.ad));
            known.dedup_by(|row, kept| {
                let is_same = (row.bot, row.ad) == (kept.bot, kept.ad);
                kept.count += if is_same { row.count } else { 0 };
                is_same
            });
        }
        for (day, rows) in other.conversions {
            let key = |row: &ConversionCount| (row.bot, row.ad, row.conversation_day, row.category);
            let known = self.conversions.entry(day).or_default();
            known.extend(rows);
            known.sort_unstable_by_key(key);
            known.dedup_by(|row, kept| {
                let is_same = key(row) == key(kept);
                kept.count += if is_same { row.count } else { 0 };
                is_same
            });
        }
        for (key, counts) in other.bot_days {
            self.bot_days.entry(key).or_default().add(counts);
        }
        for (key, of_day) in other.ends {
            self.ends.entry(key).or_default().add(of_day);
        }
    }
}

/// The conversations of an ad on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversationCount {
    pub bot: u32,
    pub ad: u32,
    pub count: i64,
}

/// The conversions of an ad on a day, of the conversations of one day and by events of one category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversionCount {
    pub bot: u32,
    pub ad: u32,
    pub conversation_day: Day,
    pub category: u32,
    pub count: i64,
}

/// The rows of a bot's day, counted as they are, before and beside the sessions, so that the audit has something to compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BotCounts {
    pub touches: i64,
    pub duplicate_touches: i64,
    pub unattributed_touches: i64,
    pub conversion_events: i64,
    pub events_without_contact: i64,
    /// From the sessions: conversions of unattributed touches.
    pub unattributed_conversions: i64,
}

impl BotCounts {
    fn add(&mut self, other: BotCounts) {
        self.touches += other.touches;
        self.duplicate_touches += other.duplicate_touches;
        self.unattributed_touches += other.unattributed_touches;
        self.conversion_events += other.conversion_events;
        self.events_without_contact += other.events_without_contact;
        self.unattributed_conversions += other.unattributed_conversions;
    }
}

/// How many sessions ended how: every touch has exactly one end (rule 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionEnds {
    pub started: i64,
    pub converted: i64,
    pub superseded: i64,
    pub expired: i64,
    pub open: i64,
}

impl SessionEnds {
    fn add(&mut self, other: SessionEnds) {
        self.started += other.started;
        self.converted += other.converted;
        self.superseded += other.superseded;
        self.expired += other.expired;
        self.open += other.open;
    }
}

/// What touches say of an ad in a bot: its latest non-blank title and type (rule 12), and its first and last conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdFacts {
    pub first_conversation_at: i64,
    /// The message of the first conversation, which tells the earliest of several at one instant.
    pub first_message: String,
    pub last_conversation_at: i64,
    pub ad_type: Option<Told>,
    pub title: Option<Told>,
}

/// What a touch said, with what tells the latest of several: its instant, then its message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Told {
    pub at: i64,
    pub message: String,
    pub text: String,
}

/// What touches say of ads, by ad id, then by the index of the bot.
pub type FactsOfAds = BTreeMap<String, BTreeMap<u32, AdFacts>>;

impl AdFacts {
    /// Adds what other touches of the same ad and bot say.
    pub fn add(&mut self, other: AdFacts) {
        if (other.first_conversation_at, &other.first_message) < (self.first_conversation_at, &self.first_message) {
            (self.first_conversation_at, self.first_message) = (other.first_conversation_at, other.first_message);
        }
        self.last_conversation_at = self.last_conversation_at.max(other.last_conversation_at);
        self.ad_type = self.ad_type.take().max(other.ad_type);
        self.title = self.title.take().max(other.title);
    }
}

/// Adds what other touches say of ads.
pub(crate) fn add_facts(known: &mut FactsOfAds, new: FactsOfAds) {
    for (ad, of_bots) in new {
        let of_ad = known.entry(ad).or_default();
        for (bot, facts) in of_bots {
            match of_ad.get_mut(&bot) {
                Some(of_bot) => of_bot.add(facts),
                None => drop(of_ad.insert(bot, facts)),
            }
        }
    }
}

//! The engine seam: one request, one answer, whatever computes it.
//!
//! The request says which working tables go in, which local days come out, and the rules (bots, zones, horizon, identities). The
//! answer is small: counts per bot, ad, day and category. Engines do not publish; the run does.
//!
//! ```text
//! embedded.rs   answered by windowed polars
//! sessions.rs   which touch converts
//! yields.rs     what every category would yield, at once
//! ```

pub mod embedded;
pub(crate) mod sessions;
pub(crate) mod yields;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::base::day::{Day, DayRange};
use crate::config::Settings;
use crate::extract::identity::Identities;

pub struct Request<'a> {
    pub settings: &'a Settings,
    pub identities: &'a Identities,
    /// The local days to answer for.
    pub days: DayRange,
    /// The instant up to which events have landed, to tell expired sessions from open ones.
    pub watermark: i64,
}

/// Bots are indices into the settings, ads and categories into the lists here.
#[derive(Debug, Default)]
pub struct Answer {
    pub ads: Vec<String>,
    pub categories: Vec<String>,
    /// Touches with an ad id, by local day.
    pub conversations: BTreeMap<Day, Vec<Conversations>>,
    /// Conversions of ads, by the event's local day.
    pub conversions: BTreeMap<Day, Vec<Conversions>>,
    pub bot_days: BTreeMap<(Day, u32), BotDay>,
    /// Per bot, the ends of the sessions opened on the days asked for, by ads or not; of contacts without a conversion event on them,
    /// as far as their other rows are there.
    pub states: BTreeMap<u32, States>,
}

impl Answer {
    /// Adds the counts of other contacts, whatever their ads and categories.
    pub fn merge(&mut self, mut other: Answer) {
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
    pub fn keep(&mut self, days: &BTreeSet<Day>) {
        self.conversations.retain(|day, _| days.contains(day));
        self.conversions.retain(|day, _| days.contains(day));
        self.bot_days.retain(|(day, _), _| days.contains(day));
    }

    /// Adds the counts of other contacts, of the same ads and categories.
    fn add(&mut self, other: Answer) {
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
            let key = |row: &Conversions| (row.bot, row.ad, row.conversation_day, row.category);
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
        for (bot, states) in other.states {
            self.states.entry(bot).or_default().add(states);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversations {
    pub bot: u32,
    pub ad: u32,
    pub count: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversions {
    pub bot: u32,
    pub ad: u32,
    pub conversation_day: Day,
    pub category: u32,
    pub count: i64,
}

/// Counted from the rows themselves, before and beside the sessions, so that the audit has something to compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BotDay {
    pub touches: i64,
    pub duplicate_touches: i64,
    pub unattributed_touches: i64,
    pub conversion_events: i64,
    pub events_without_contact: i64,
    /// From the sessions: conversions of unattributed touches.
    pub unattributed_conversions: i64,
}

impl BotDay {
    fn add(&mut self, other: BotDay) {
        self.touches += other.touches;
        self.duplicate_touches += other.duplicate_touches;
        self.unattributed_touches += other.unattributed_touches;
        self.conversion_events += other.conversion_events;
        self.events_without_contact += other.events_without_contact;
        self.unattributed_conversions += other.unattributed_conversions;
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States {
    pub started: i64,
    pub converted: i64,
    pub superseded: i64,
    pub expired: i64,
    pub open: i64,
}

impl States {
    fn add(&mut self, other: States) {
        self.started += other.started;
        self.converted += other.converted;
        self.superseded += other.superseded;
        self.expired += other.expired;
        self.open += other.open;
    }
}

/// What became of a touch. Touches and events are indices into the rows of [`embedded::Settled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub touch: u32,
    /// The local day of the touch.
    pub day: Day,
    pub end: SessionEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    Converted {
        event: u32,
        /// The local day of the event.
        day: Day,
    },
    Superseded {
        by: u32,
    },
    Expired,
    Open,
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

/// By ad id, then by the index of the bot.
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

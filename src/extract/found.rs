//! What is found in a raw partition: counts of what was accepted and of what was left out, and digests of the accepted rows by local
//! day.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arrow::array::RecordBatch;
use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::base::day::{Day, DayRange, LocalDays};
use crate::base::digest::Digest;
use crate::config::Settings;
use crate::extract::keys::KeyInNoRow;
use crate::extract::noticed::Noticed;
use crate::extract::set_aside::SetAside;

/// The settings as extraction asks them, row by row.
pub struct Scope<'a> {
    pub settings: &'a Settings,
    bots: HashMap<&'a str, usize, FixedState>,
    /// The lengths that ids of bots have, in bytes, a bit each; the last bit is for longer ones.
    lengths: u64,
    pub categories: HashSet<&'a str, FixedState>,
}

impl<'a> Scope<'a> {
    pub fn new(settings: &'a Settings) -> Scope<'a> {
        let bots: HashMap<&str, usize, FixedState> = settings.bot_by_id().into_iter().collect();
        let lengths = bots.keys().fold(0, |lengths, id| lengths | bit_of_length(id));
        let categories =
            settings.bots.iter().flat_map(|bot| &bot.conversion_events).map(|setting| setting.category.as_str()).collect();
        Scope { settings, bots, lengths, categories }
    }

    /// The bot a row counts for: none without an id, an error with the id of a bot that the pipeline does not name.
    pub fn bot<'t>(&self, id: Option<&'t str>) -> Result<Option<usize>, &'t str> {
        match id {
            None => Ok(None),
            Some(id) => self.bots.get(id).map(|bot| Some(*bot)).ok_or(id),
        }
    }

    /// Whether a contact is a bot that the pipeline names, or a member of one, at whatever node.
    pub(crate) fn is_bot(&self, contact: &str) -> bool {
        let node = contact.bytes().position(|byte| byte == b'/').unwrap_or(contact.len());
        let id = contact[..node].trim();
        // Most contacts are told from a bot by their length alone.
        self.lengths & bit_of_length(id) != 0 && self.bots.contains_key(id)
    }
}

fn bit_of_length(id: &str) -> u64 {
    1 << id.len().min(63)
}

/// The rows of one bot on one local day: what counts depend on, so without titles and types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DayDigest {
    /// Touches with an ad id; none among conversion events.
    #[serde(default, skip_serializing_if = "Digest::is_none")]
    pub attributed: Digest,
    /// Touches without an ad id, or conversion events.
    #[serde(default, skip_serializing_if = "Digest::is_none")]
    pub other: Digest,
}

/// An accepted row, as receipts remember it.
pub struct NotedRow {
    /// Index of the bot.
    pub bot: usize,
    pub at: i64,
    pub attributed: bool,
    /// The digest of the columns that counts depend on.
    pub counted: Digest,
    /// The digest of all columns.
    pub whole: Digest,
}

/// What is in a raw partition: what was accepted, and what was left out. Kept in the partition's receipt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawContent {
    /// Rows that count, copies among them.
    pub accepted: u64,
    /// Conversion events by category, but not of the one in effect at their instant.
    pub not_in_effect: u64,
    /// Rows set aside, by reason, per bot; under "" those of no bot.
    pub rejected: BTreeMap<String, BTreeMap<String, u64>>,
    /// Rows that could count, of bots that the pipeline does not name.
    pub out_of_scope: BTreeMap<String, u64>,
    /// The local days that the accepted rows fall on, per bot id, with a digest of the rows of each.
    pub days: BTreeMap<String, BTreeMap<Day, DayDigest>>,
    /// The digest of all accepted rows in all columns.
    pub rows: Digest,
    pub warnings: BTreeSet<String>,
    /// What counts as it stands, and may be meant otherwise.
    #[serde(default, skip_serializing_if = "Noticed::is_empty")]
    pub noticed: Noticed,
    /// Keys that the mapping names and no row has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys_in_no_row: BTreeMap<String, KeyInNoRow>,
}

impl RawContent {
    pub fn count_out_of_scope(&mut self, bot: &str) {
        *self.out_of_scope.entry(bot.to_string()).or_default() += 1;
    }

    pub fn count_rejected(&mut self, bot: Option<&str>, reason: &str) {
        *self.rejected.entry(bot.unwrap_or_default().to_string()).or_default().entry(reason.to_string()).or_default() += 1;
    }

    /// Adds what was left out of another object of the same partition.
    pub fn append(&mut self, other: RawContent) {
        self.not_in_effect += other.not_in_effect;
        for (bot, reasons) in other.rejected {
            let of_bot = self.rejected.entry(bot).or_default();
            reasons.into_iter().for_each(|(reason, count)| *of_bot.entry(reason).or_default() += count);
        }
        other.out_of_scope.into_iter().for_each(|(bot, count)| *self.out_of_scope.entry(bot).or_default() += count);
        self.noticed.append(&other.noticed);
    }

    /// Notes the days and digests of the accepted rows, of which `instants` tells bots and times beforehand.
    pub fn note_rows(
        &mut self,
        rows: impl Iterator<Item = NotedRow>,
        instants: impl Iterator<Item = (usize, i64)>,
        scope: &Scope<'_>,
    ) {
        let mut spans: Vec<Option<(i64, i64)>> = vec![None; scope.settings.bots.len()];
        for (bot, at) in instants {
            let (first, last) = spans[bot].unwrap_or((at, at));
            spans[bot] = Some((first.min(at), last.max(at)));
        }
        let zones = scope.settings.bots.iter().zip(&spans);
        let zones: Vec<LocalDays> = zones.map(|(bot, span)| LocalDays::new(bot.zone, *span)).collect();
        let mut of_bots: Vec<BTreeMap<Day, DayDigest>> = zones.iter().map(|_| BTreeMap::new()).collect();
        for row in rows {
            let day = of_bots[row.bot].entry(zones[row.bot].of(row.at)).or_default();
            let part = if row.attributed { &mut day.attributed } else { &mut day.other };
            *part = part.plus(row.counted);
            self.rows = self.rows.plus(row.whole);
        }
        let found = scope.settings.bots.iter().zip(of_bots).filter(|(_, days)| !days.is_empty());
        self.days.extend(found.map(|(bot, days)| (bot.id.clone(), days)));
    }

    pub fn rejected_of(&self, bot: &str) -> u64 {
        self.rejected.get(bot).map_or(0, |reasons| reasons.values().sum())
    }

    pub fn rejected_rows(&self) -> u64 {
        self.rejected.values().flat_map(BTreeMap::values).sum()
    }

    /// Whether an accepted row falls on one of these local days.
    pub fn has_rows_on(&self, days: DayRange) -> bool {
        self.days.values().any(|of_bot| of_bot.range(days.first..=days.last).next().is_some())
    }

    /// The local days that the accepted rows fall on, of all bots.
    pub fn local_days(&self) -> BTreeSet<Day> {
        self.days.values().flat_map(BTreeMap::keys).copied().collect()
    }

    /// The rows that could count, whether they do or not.
    pub(super) fn candidates(&self) -> u64 {
        self.accepted + self.not_in_effect + self.rejected_rows()
    }

    /// Whether no larger share than this of the rows that could count was rejected.
    pub(crate) fn is_within(&self, limit: f64) -> bool {
        let (rejected, candidates) = (self.rejected_rows(), self.candidates());
        candidates == 0 || rejected as f64 / candidates as f64 <= limit
    }
}

/// What was read of one partition, or of one of its objects.
pub(crate) struct Read {
    /// The rows that count, as `schema::touches()` or `schema::conversions()`.
    pub rows: RecordBatch,
    pub content: RawContent,
    pub set_aside: SetAside,
}

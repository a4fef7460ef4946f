//! The rows behind a figure: touches, conversion events and sessions, one by one, of an engine that keeps them.
//!
//! In: which partitions, and the rules. Out: rows by number, in an order that the engine keeps as long as it lends them. Texts are as
//! they came, but for contacts, which are in the pipeline's forms; who a contact stands for is for the reader to resolve.

use std::collections::{BTreeMap, HashSet};

use arrow::array::RecordBatch;

use crate::base::day::Day;
use crate::base::error::Result;
use crate::base::schema::Raw;
use crate::config::Settings;
use crate::engine::request::{ExtractedPartition, Rules};

/// A touch, of an ad or of none that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchRow<'a> {
    /// Index of the bot.
    pub bot: u32,
    pub contact: &'a str,
    pub sent_at: i64,
    pub message: &'a str,
    pub ad: Option<&'a str>,
    pub ad_type: Option<&'a str>,
    pub title: Option<&'a str>,
}

/// A conversion event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRow<'a> {
    /// Index of the bot.
    pub bot: u32,
    pub contact: Option<&'a str>,
    pub occurred_at: i64,
    pub category: &'a str,
    pub event: Option<&'a str>,
}

/// Some rows, numbered from 0.
pub trait Rows: Sync {
    fn touches(&self) -> u32;
    fn touch(&self, number: u32) -> TouchRow<'_>;
    fn events(&self) -> u32;
    fn event(&self, number: u32) -> EventRow<'_>;
}

impl dyn Rows + '_ {
    pub fn each_touch(&self) -> impl Iterator<Item = TouchRow<'_>> {
        (0..self.touches()).map(|number| self.touch(number))
    }

    pub fn each_event(&self) -> impl Iterator<Item = EventRow<'_>> {
        (0..self.events()).map(|number| self.event(number))
    }
}

/// Rows that count: without their copies (rules 1, 2 and 7). Touches are in the order of time and message id, events in that of time.
pub trait SettledRows: Rows + Sync {
    /// The copies, which were dropped.
    fn copies(&self) -> Box<dyn Rows + '_>;

    /// The sessions that `wanted` names, in the order of their touches.
    fn sessions(&self, rules: &Rules<'_>, wanted: &(dyn Fn(&Session) -> bool + Sync)) -> Result<Vec<Session>>;
}

/// What became of a touch. Touches and events are numbers among those that count.
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

/// The rows that an engine keeps.
pub trait KeptRows {
    /// The rows of these partitions, with every copy. Where contacts are given, those of these ids alone; rows of a few others may
    /// come along.
    fn load(
        &self,
        settings: &Settings,
        partitions: &[ExtractedPartition<'_>],
        contacts: Option<&HashSet<String>>,
    ) -> Result<Box<dyn Rows>>;

    /// Rows of partitions that were read and are still in memory, as `schema::touches()` or `schema::conversions()`: some, or none, oldest first.
    fn at_hand(&self) -> Vec<(Raw, RecordBatch)>;

    /// The rows of these partitions, settled, without those of test contacts.
    fn settle(&self, rules: &Rules<'_>, partitions: &[ExtractedPartition<'_>]) -> Result<Box<dyn SettledRows>>;

    /// What each category would convert if it were the conversion event, by bot and category.
    fn yields(&self, request: &YieldsRequest<'_>, read: ReadEvents<'_>) -> Result<BTreeMap<(u32, String), Yield>>;
}

/// Which bots are asked for, and from when on.
pub struct YieldsRequest<'a> {
    pub rules: Rules<'a>,
    /// The touches that can convert, and the conversion events of the settings that were in effect, which have closed sessions
    /// before the starts.
    pub partitions: &'a [ExtractedPartition<'a>],
    /// By the index of the bot, the instant from which every category is looked at without the others.
    pub starts: &'a BTreeMap<usize, i64>,
}

/// Whether a contact of a bot, resolved, has a touch.
pub type HasTouch<'a> = dyn Fn(usize, &str) -> bool + Sync + 'a;

/// Reads the events from the starts on of the contacts that have a touch, of any category, as `schema::conversions()`.
pub type ReadEvents<'a> = &'a mut dyn FnMut(&HasTouch<'_>) -> Result<Vec<RecordBatch>>;

/// Conversions of one category in one bot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Yield {
    /// The conversions of ads.
    pub conversions: i64,
    /// The conversions of touches without an ad id.
    pub unattributed_conversions: i64,
}

//! The engine seam: one request, one answer, whatever computes it.
//!
//! The request says which working tables go in, which local days come out, and the rules (bots, zones, horizon, identities). The
//! answer is small: counts per bot, ad, day and category. Engines do not publish; the run does.

pub mod embedded;
pub mod yields;

use std::collections::BTreeMap;

use crate::config::Settings;
use crate::day::Day;
use crate::day::DayRange;
use crate::identity::Identities;

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
    /// Per bot, the ends of the sessions opened on the days asked for, by ads or not.
    pub states: BTreeMap<u32, States>,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States {
    pub started: i64,
    pub converted: i64,
    pub superseded: i64,
    pub expired: i64,
    pub open: i64,
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

/// An ad's latest non-blank title and type (rule 12), and its first and last conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdFacts {
    pub first_conversation_at: i64,
    /// The message of the first conversation, which tells the earliest of several at one instant.
    pub first_message: String,
    pub last_conversation_at: i64,
    pub ad_type: Option<String>,
    pub title: Option<String>,
}

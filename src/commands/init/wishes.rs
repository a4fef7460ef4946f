//! Wishes: what a person said of a lake, by flags or at a terminal.

use std::collections::BTreeMap;

use crate::base::arrival::ArrivalZone;

/// The tables, as the file has them one after the other.
pub(super) const TABLES: [&str; 4] = ["messages", "events", "insights", "identities"];

/// What a person said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// The folders of tables, by the contract's names of these.
    pub folders: BTreeMap<&'static str, String>,
    /// All that are found, where none is named.
    pub bots: Vec<String>,
    /// Of every bot where none is named.
    pub zones: Vec<(Option<String>, String)>,
    /// Routers, each with a sub-bot.
    pub members: Vec<(String, String)>,
    pub ad_accounts: Vec<(Option<String>, String)>,
    pub conversion_events: Vec<EventWish>,
    /// Whose clocks times without a zone are of.
    pub times_zone: Option<ArrivalZone>,
    /// Of insights that name none.
    pub currency: Option<String>,
    pub max_rejected_share: Option<String>,
    pub output: Option<String>,
}

/// A conversion event that was asked for; a blank category says that there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventWish {
    pub bot: Option<String>,
    pub category: String,
    /// A day of the bot's zone, or a time with an offset; none: from the lake's first day on.
    pub effective_at: Option<String>,
}

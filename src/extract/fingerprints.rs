//! Fingerprints: the settings that matter to the reading of each table, as digests. What was read under others is read again.

use crate::base::digest::Digest;
use crate::base::schema::{LOGIC, Raw};
use crate::config::{EngineKind, Settings};

/// The settings that matter to the reading of a table's partitions, and its logic number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingSettings {
    pub settings: Digest,
    pub history: Digest,
    pub logic: u32,
    /// Who reads them. Insights are always read here.
    pub engine: EngineKind,
}

/// What matters to a raw table's extraction.
pub(crate) fn raw_settings(settings: &Settings, table: Raw) -> ReadingSettings {
    let engine = settings.engine;
    match table {
        Raw::Messages => {
            let settings = touch_settings(settings);
            ReadingSettings { settings, history: Digest::NONE, logic: LOGIC.touches, engine }
        }
        Raw::Events => {
            let history = conversion_settings(settings);
            ReadingSettings { settings: event_settings(settings), history, logic: LOGIC.conversions, engine }
        }
    }
}

pub(crate) fn insights_settings(settings: &Settings) -> ReadingSettings {
    let settings = Digest::of_texts(settings.listed_accounts());
    ReadingSettings { settings, history: Digest::NONE, logic: LOGIC.insights, engine: EngineKind::Embedded }
}

/// The settings that matter to the working table of touches.
pub(crate) fn touch_settings(settings: &Settings) -> Digest {
    let bots = settings.bots.iter().map(|bot| format!("{:?} {:?} {}", bot.id, bot.members, bot.zone.name()));
    let input = [format!("{:?}", settings.messages.columns.columns), settings.max_rejected_share.to_string()];
    Digest::of_texts(input.into_iter().chain(bots))
}

/// The settings that matter to the working table of conversion events, but for which events those are.
pub(crate) fn event_settings(settings: &Settings) -> Digest {
    let bots = settings.bots.iter().map(|bot| format!("{:?} {:?} {}", bot.id, bot.members, bot.zone.name()));
    let input = [format!("{:?}", settings.events.columns.columns), settings.max_rejected_share.to_string()];
    Digest::of_texts(input.into_iter().chain(bots))
}

/// The conversion settings of every bot, from its first on.
pub(crate) fn conversion_settings(settings: &Settings) -> Digest {
    Digest::of_texts(settings.bots.iter().map(|bot| format!("{:?} {:?}", bot.id, bot.conversion_events)))
}

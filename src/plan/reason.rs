//! Reasons: why a day is stale, in words; and what a partition that was read anew changed.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::base::day::Day;
use crate::extract::found::{DayDigest, RawContent};

/// Why something is stale, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    NeverBuilt,
    ReceiptLost,
    ObjectChanged(&'static str),
    LogicChanged,
    SettingChanged {
        bot: String,
        from: Day,
    },
    SettingsChanged,
    NewPartition {
        table: &'static str,
        day: Day,
    },
    PartitionChanged {
        table: &'static str,
        day: Day,
    },
    LateRows {
        back_to: Day,
    },
    RowsChanged {
        on: Day,
    },
    /// Later touches, which may be copies of the day's unattributed ones.
    CopiesCame {
        on: Day,
    },
    InsightsLanded,
    MetaRestated,
    BecameComplete,
    CompletenessChanged,
    InsightsStatusChanged,
    RejectedRowsChanged,
    /// Rows came while it was kept back, until its partition left the lake.
    LacksRows,
    /// Found out while an earlier run looked deeper than receipts.
    Marked(String),
    Asked,
}

impl Reason {
    /// Whether the day's rows and settings are what they were, and its counts with them.
    pub fn leaves_counts(&self) -> bool {
        use Reason::{
            BecameComplete, CompletenessChanged, InsightsLanded, InsightsStatusChanged, LacksRows, MetaRestated,
            RejectedRowsChanged,
        };
        matches!(
            self,
            InsightsLanded
                | MetaRestated
                | BecameComplete
                | CompletenessChanged
                | InsightsStatusChanged
                | RejectedRowsChanged
                | LacksRows
        )
    }

    /// Whether it comes from what the receipts of partitions say of their rows.
    pub fn is_of_rows(&self) -> bool {
        use Reason::{CopiesCame, LateRows, NewPartition, PartitionChanged, RejectedRowsChanged, RowsChanged};
        matches!(
            self,
            NewPartition { .. }
                | PartitionChanged { .. }
                | LateRows { .. }
                | RowsChanged { .. }
                | CopiesCame { .. }
                | RejectedRowsChanged
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NeverBuilt => f.write_str("never built"),
            Reason::ReceiptLost => f.write_str("receipt lost"),
            Reason::ObjectChanged(table) => write!(f, "published {table} changed or gone"),
            Reason::LogicChanged => f.write_str("logic changed"),
            Reason::SettingChanged { bot, from } => write!(f, "setting of {bot} changed from {from}"),
            Reason::SettingsChanged => f.write_str("settings changed"),
            Reason::NewPartition { table, day } => write!(f, "new partition: {table} {day}"),
            Reason::PartitionChanged { table, day } => write!(f, "partition changed: {table} {day}"),
            Reason::LateRows { back_to } => write!(f, "late rows reach back to {back_to}"),
            Reason::RowsChanged { on } => write!(f, "rows of {on} changed"),
            Reason::CopiesCame { on } => write!(f, "touches of {on} may be copies"),
            Reason::InsightsLanded => f.write_str("insights landed"),
            Reason::MetaRestated => f.write_str("Meta restated"),
            Reason::BecameComplete => f.write_str("became complete"),
            Reason::CompletenessChanged => f.write_str("completeness changed"),
            Reason::InsightsStatusChanged => f.write_str("insights status changed"),
            Reason::RejectedRowsChanged => f.write_str("rejected rows changed"),
            Reason::LacksRows => f.write_str("not complete: rows came while it was kept back, and its partition left the lake"),
            Reason::Marked(reason) => f.write_str(reason),
            Reason::Asked => f.write_str("backfill asked for it"),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A day to build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayStep {
    pub day: Day,
    pub reason: Reason,
}

/// A partition that was read anew, and the local days on which its rows are not what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub table: &'static str,
    pub day: Day,
    pub is_new: bool,
    pub local_days: BTreeSet<Day>,
}

impl Change {
    pub(crate) fn between(table: &'static str, day: Day, before: Option<&RawContent>, now: Option<&RawContent>) -> Change {
        let rows = |extract: Option<&RawContent>| -> BTreeSet<(String, Day, DayDigest)> {
            let days = extract.into_iter().flat_map(|extract| &extract.days);
            days.flat_map(|(bot, days)| days.iter().map(|(local_day, rows)| (bot.clone(), *local_day, *rows))).collect()
        };
        let (old, new) = (rows(before), rows(now));
        let local_days = old.symmetric_difference(&new).map(|(_, local_day, _)| *local_day).collect();
        Change { table, day, is_new: before.is_none(), local_days }
    }
}

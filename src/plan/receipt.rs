//! Receipts: what each stored thing was made from, so that the planner can tell what is stale without reading it.
//!
//! A partition's receipt says which objects were read, under which settings and logic, what was counted, and which local days its
//! rows touch, with a digest each. A day's receipt says what the day's figures depended on, and the versions of the objects
//! that were published. Receipts lie under `work/receipts/`, a file per kind and month; losing them costs time only.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::object::Object;
use crate::config::EngineKind;
use crate::extract::fingerprints::ReadingSettings;
use crate::plan::marks::Marks;

/// The receipt of a partition, raw or of insights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartitionReceipt<C> {
    pub inputs: Vec<Object>,
    pub settings: Digest,
    /// The digest of the conversion settings, where they matter.
    #[serde(default)]
    pub history: Digest,
    pub logic: u32,
    /// Who read it.
    #[serde(default = "embedded", skip_serializing_if = "is_embedded")]
    pub engine: String,
    /// What the engine stored, by whatever name it has for it; none where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
    pub content: C,
}

/// The engine of receipts that name none: for long it was the only one.
fn embedded() -> String {
    EngineKind::Embedded.name().to_string()
}

fn is_embedded(engine: &str) -> bool {
    engine == EngineKind::Embedded.name()
}

/// Nothing but the conversion settings is not what it was.
pub(crate) const HISTORY_CHANGED: &str = "conversion settings changed";

impl<C> PartitionReceipt<C> {
    pub(crate) fn new(inputs: Vec<Object>, of: ReadingSettings, stored: Option<String>, content: C) -> PartitionReceipt<C> {
        let ReadingSettings { settings, history, logic, engine } = of;
        PartitionReceipt { inputs, settings, history, logic, engine: engine.name().to_string(), stored, content }
    }

    /// Why the partition has to be read again, if it has to.
    pub(crate) fn mismatch(&self, inputs: &[Object], of: ReadingSettings) -> Option<&'static str> {
        if self.inputs != inputs {
            Some("partition changed")
        } else if self.engine != of.engine.name() {
            Some("made by another engine")
        } else if self.settings != of.settings {
            Some("settings changed")
        } else if self.logic != of.logic {
            Some("logic changed")
        } else if self.history != of.history {
            Some(HISTORY_CHANGED)
        } else {
            None
        }
    }
}

/// A partition that landed and could not be read, as it was tried last. It is tried again once anything of this is another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub inputs: Vec<Object>,
    /// How it was read: the settings, the share of rejected rows that they allow, and the program.
    pub tried: Digest,
    /// The error, as it was said.
    pub why: String,
}

/// What a published day depended on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DayReceipt {
    pub logic: [u32; 3],
    pub settings: Digest,
    /// The day's own rows.
    pub own_rows: Digest,
    /// The rows of all days that the day's figures can depend on.
    #[serde(rename = "rows_in_reach")]
    pub rows_affecting: Digest,
    /// Per bot, whether the day was complete, and the status of its insights.
    pub complete: String,
    pub insights_status: String,
    /// Meta's figures of the day.
    pub insights: Digest,
    pub rejected: Digest,
    /// The version of each published object, by table.
    pub objects: BTreeMap<String, String>,
    /// The states of aliases and of the ads' places that the day was built under (see `marks`).
    #[serde(default, skip_serializing_if = "Digest::is_none")]
    pub aliases: Digest,
    #[serde(default, skip_serializing_if = "Digest::is_none")]
    pub places: Digest,
    /// The partitions whose rows may be among those that the day depends on, and did not count when it was built.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<String>,
    /// Whether rows came that the day lacks, while it was kept back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacks_rows: bool,
    /// What version 0.1.0 had found to affect the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
}

/// What the `ads` table was made from, and the days that the ads' places affected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AdsReceipt {
    pub logic: u32,
    pub inputs: Digest,
    pub object: String,
    /// The messages partitions that it was made again without, although it was published with them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<String>,
    /// The newest state is that of the places kept beside the receipts.
    #[serde(default, skip_serializing_if = "Marks::is_empty")]
    pub marks: Marks,
}

/// The receipts of one kind, by day, kept in a file per month.
#[derive(Debug)]
pub(crate) struct Receipts<T> {
    kind: &'static str,
    days: BTreeMap<Day, T>,
    changed: Vec<String>,
    /// Receipts that do not count for now, and are kept.
    aside: BTreeMap<Day, T>,
}

impl<T: PartialEq> Receipts<T> {
    pub(crate) fn new(kind: &'static str, days: BTreeMap<Day, T>) -> Receipts<T> {
        Receipts { kind, days, changed: Vec::new(), aside: BTreeMap::new() }
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// The months with a receipt that changed since this was last asked.
    pub(crate) fn take_changed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn get(&self, day: Day) -> Option<&T> {
        self.days.get(&day)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Day, &T)> {
        self.days.iter().map(|(day, receipt)| (*day, receipt))
    }

    /// The last day with a receipt.
    pub(crate) fn last(&self) -> Option<Day> {
        self.days.keys().next_back().copied()
    }

    pub(crate) fn set(&mut self, day: Day, receipt: T) {
        let was_aside = self.aside.remove(&day).is_some();
        if was_aside || self.days.get(&day) != Some(&receipt) {
            self.days.insert(day, receipt);
            self.note(day);
        }
    }

    /// Lets the receipt of a day count no more, and keeps it.
    pub(crate) fn put_aside(&mut self, day: Day) {
        self.aside.extend(self.days.remove_entry(&day));
    }

    /// The receipt of a day, whether it counts or not.
    pub(crate) fn get_any(&self, day: Day) -> Option<&T> {
        self.days.get(&day).or(self.aside.get(&day))
    }

    /// The receipts that are kept and do not count.
    pub(crate) fn aside(&self) -> impl Iterator<Item = (Day, &T)> {
        self.aside.iter().map(|(day, receipt)| (*day, receipt))
    }

    pub(crate) fn forget(&mut self, day: Day) {
        if self.days.remove(&day).or(self.aside.remove(&day)).is_some() {
            self.note(day);
        }
    }

    /// Changes receipts where they lie; `change` says whether it has changed this one.
    pub(crate) fn change(&mut self, change: impl Fn(&mut T) -> bool) {
        let changed: Vec<Day> = self.days.iter_mut().filter_map(|(day, receipt)| change(receipt).then_some(*day)).collect();
        changed.into_iter().for_each(|day| self.note(day));
    }

    fn note(&mut self, day: Day) {
        let month = day.month();
        if !self.changed.contains(&month) {
            self.changed.push(month);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> ReadingSettings {
        ReadingSettings { settings: Digest::NONE, history: Digest::NONE, logic: 1, engine: EngineKind::Embedded }
    }

    #[test]
    fn a_receipt_names_its_engine_unless_it_is_the_first_there_was() {
        let receipt = PartitionReceipt::new(Vec::new(), reading(), None, 7);
        let text = serde_json::to_string(&receipt).unwrap();
        assert!(!text.contains("engine"), "{text}");
        assert_eq!(serde_json::from_str::<PartitionReceipt<i32>>(&text).unwrap(), receipt);
        assert_eq!(receipt.mismatch(&[], reading()), None);
        let other = PartitionReceipt { engine: "another".to_string(), ..receipt };
        assert_eq!(other.mismatch(&[], reading()), Some("made by another engine"));
        let text = serde_json::to_string(&other).unwrap();
        assert_eq!(serde_json::from_str::<PartitionReceipt<i32>>(&text).unwrap(), other);
    }
}

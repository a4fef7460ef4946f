//! Keys that the mapping names and no row of a partition has: a key that is misspelt reads as nothing, and says so here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::bound::KeyUse;
use crate::base::day::Day;

/// A key that no row of a partition has, under the text that names it and its column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInNoRow {
    /// The rows that were looked at.
    pub rows: u64,
    /// The keys that are there and most like it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
}

impl KeyInNoRow {
    /// What there is to say of a key of the alias table.
    pub(super) fn text(&self, key: &str) -> String {
        format!(
            "{key}, which none of {} rows has{}; where rows should have it, correct the key in [inputs.identities.columns]",
            self.rows,
            there(&self.near)
        )
    }
}

/// The keys that are there.
fn there(near: &[String]) -> String {
    let near: Vec<String> = near.iter().map(|found| format!("{found:?}")).collect();
    if near.is_empty() { String::new() } else { format!("; keys that are there: {}", near.join(", ")) }
}

/// How the mapped keys are met in a partition, by contract column and place.
#[derive(Default)]
pub(super) struct KeyUses(BTreeMap<(&'static str, String), KeyUse>);

impl KeyUses {
    /// Adds those of an object.
    pub(super) fn add(&mut self, keys: BTreeMap<(&'static str, String), KeyUse>) {
        for (key, of_object) in keys {
            let known = self.0.entry(key).or_default();
            known.rows += of_object.rows;
            known.with_key += of_object.with_key;
            known.met.extend(of_object.met);
            known.met.sort_unstable();
            known.met.dedup();
        }
    }

    pub(super) fn append(&mut self, other: KeyUses) {
        self.add(other.0);
    }

    pub(super) fn in_no_row(self) -> BTreeMap<String, KeyInNoRow> {
        let in_none = self.0.into_iter().filter(|(_, of)| of.rows > 0 && of.with_key == 0);
        in_none.map(|((column, place), of)| (format!("{column} is mapped to {place}"), in_no_row(&place, of))).collect()
    }
}

/// As many keys are told as being near.
const KEYS_TOLD: usize = 3;

fn in_no_row(place: &str, of: KeyUse) -> KeyInNoRow {
    // Any key of the path may be the one that is not there.
    let steps: Vec<&str> = place.split("[\"").skip(1).map(|step| step.trim_end_matches("\"]")).collect();
    let alike = |key: &String, step: &&str| (strsim::jaro_winkler(key, step) * 1_000.0) as u32;
    let likeness = |key: &String| steps.iter().map(|step| alike(key, step)).max();
    let mut near = of.met;
    near.sort_by_key(|key| std::cmp::Reverse(likeness(key)));
    near.truncate(KEYS_TOLD);
    KeyInNoRow { rows: of.rows, near }
}

/// The keys of many partitions of a table.
#[derive(Default)]
pub(crate) struct KeyWarnings {
    partitions: u64,
    keys: BTreeMap<String, KeyWarning>,
}

struct KeyWarning {
    days: u64,
    first: Day,
    rows: u64,
    near: Vec<String>,
}

impl KeyWarnings {
    /// Adds a partition, the days in their order.
    pub(crate) fn add(&mut self, day: Day, keys: &BTreeMap<String, KeyInNoRow>) {
        self.partitions += 1;
        for (key, of) in keys {
            let new = || KeyWarning { days: 0, first: day, rows: 0, near: of.near.clone() };
            let known = self.keys.entry(key.clone()).or_insert_with(new);
            known.days += 1;
            known.rows += of.rows;
            if known.near.is_empty() {
                known.near.clone_from(&of.near);
            }
        }
    }

    /// What there is to say of a table.
    pub(crate) fn texts(&self, table: &str) -> Vec<String> {
        let text = |(key, of): (&String, &KeyWarning)| {
            let there = there(&of.near);
            format!(
                "{key}, which none of {} rows has on {} of {} days (the first {}){there}; where rows should have it, correct the key in \
                 [inputs.{table}.columns]",
                of.rows, of.days, self.partitions, of.first
            )
        };
        self.keys.iter().map(text).collect()
    }
}

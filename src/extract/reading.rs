//! Readings: the settings that partitions were read under, in parts. Of a partition that has left the lake nobody can read the rows
//! again: they go on counting as long as the settings that made them hold.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::schema::Raw;
use crate::config::{Bot, ConversionSetting, Settings};

use super::fingerprints;

/// What a raw table's partitions were read under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// Where the values of the columns came from.
    mapping: Digest,
    bots: BTreeMap<String, BotReading>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BotReading {
    members: BTreeSet<String>,
    zone: String,
}

impl Reading {
    pub(crate) fn of(settings: &Settings, table: Raw) -> Reading {
        let bot = |bot: &Bot| {
            let members = bot.members.iter().cloned().collect();
            (bot.id.clone(), BotReading { members, zone: bot.zone.name().to_string() })
        };
        Reading { mapping: fingerprints::columns_and_days(settings.raw(table)), bots: settings.bots.iter().map(bot).collect() }
    }

    /// Whether rows that were read under this would be the same, for the bots of `now`, if they were read under that. What was left out
    /// then, by bot id, was of bots that were not named.
    pub(crate) fn holds_under(&self, now: &Reading, left_out: &BTreeMap<String, u64>) -> bool {
        let named: BTreeSet<&String> = self.bots.iter().flat_map(|(id, bot)| bot.members.iter().chain([id])).collect();
        // An id that is named now and was not: it had no rows.
        let is_new = |id: &String| !named.contains(id) && !left_out.contains_key(id);
        let is_same = |(id, bot): (&String, &BotReading)| match self.bots.get(id) {
            Some(then) => {
                then.zone == bot.zone && then.members.is_subset(&bot.members) && bot.members.difference(&then.members).all(is_new)
            }
            None => bot.members.iter().chain([id]).all(is_new),
        };
        // Rows of a bot that is not named any more count nowhere.
        self.mapping == now.mapping && now.bots.iter().all(is_same)
    }
}

/// The conversion settings of each bot, by its id, oldest first.
pub(crate) type History = BTreeMap<String, Vec<ConversionSetting>>;

pub(crate) fn history(settings: &Settings) -> History {
    settings.bots.iter().map(|bot| (bot.id.clone(), bot.conversion_events.clone())).collect()
}

/// Whether the events of a partition that was read under a history of conversion settings are those of the history of now: for each
/// bot both are the same until after the last row that the partition may hold. A bot that was not there had no rows
/// ([`Reading::holds_under`]).
pub(crate) fn history_holds(then: &History, settings: &Settings, partition: Day) -> bool {
    let end = settings.events.zone.allowed_instants(partition).end;
    let until_end = |history: &[ConversionSetting]| history.partition_point(|setting| setting.effective_at < end);
    settings.bots.iter().all(|bot| {
        let now = &bot.conversion_events;
        then.get(&bot.id).is_none_or(|then| then[..until_end(then)] == now[..until_end(now)])
    })
}

/// The same of a history of which the digest alone is known, as version 0.1.0 kept it: what was added since begins after the last row.
pub(crate) fn unnamed_history_holds(then: Digest, settings: &Settings, partition: Day) -> bool {
    let end = settings.events.zone.allowed_instants(partition).end;
    let later = settings.bots.iter().flat_map(|bot| &bot.conversion_events).map(|setting| setting.effective_at);
    let later: BTreeSet<i64> = later.filter(|at| *at >= end).chain([i64::MAX]).collect();
    later.into_iter().any(|from| {
        let is_known = |setting: &&ConversionSetting| setting.effective_at < from;
        let known = |bot: &Bot| Bot {
            conversion_events: bot.conversion_events.iter().filter(is_known).cloned().collect(),
            ..bot.clone()
        };
        fingerprints::conversion_history_of(settings.bots.iter().map(known)) == then
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings(bots: &str) -> Settings {
        Settings::parse("test.toml", &format!("name = 'n'\n[lake]\nurl = 'lake'\n{bots}"), Path::new("/")).unwrap()
    }

    fn bot(id: &str, members: &str, zone: &str) -> String {
        format!("[[bots]]\nid = '{id}'\nmembers = [{members}]\ntimezone = '{zone}'\n")
    }

    #[test]
    fn rows_hold_while_nobody_else_s_rows_become_theirs() {
        let then = Reading::of(&settings(&[bot("a", "'a1', 'a2'", "UTC"), bot("b", "", "UTC")].concat()), Raw::Messages);
        let left_out = BTreeMap::from([("stranger".to_string(), 3)]);
        let holds = |bots: &[String]| then.holds_under(&Reading::of(&settings(&bots.concat()), Raw::Messages), &left_out);
        assert!(holds(&[bot("a", "'a2', 'a1'", "UTC"), bot("b", "", "UTC")]));
        assert!(holds(&[bot("a", "'a1', 'a2', 'a3'", "UTC"), bot("b", "", "UTC"), bot("c", "'c1'", "Asia/Tokyo")]), "new ones");
        assert!(holds(&[bot("a", "'a1', 'a2'", "UTC")]), "one less");
        for (bots, why) in [
            ([bot("a", "'a1'", "UTC"), bot("b", "", "UTC")], "a member left"),
            ([bot("a", "'a1'", "UTC"), bot("b", "'a2'", "UTC")], "a member moved"),
            ([bot("a", "'a1', 'a2'", "Asia/Tokyo"), bot("b", "", "UTC")], "its days are others"),
            ([bot("a", "'a1', 'a2', 'stranger'", "UTC"), bot("b", "", "UTC")], "rows of it were left out"),
            ([bot("a", "'a1', 'a2'", "UTC"), bot("stranger", "", "UTC")], "rows of it were left out"),
            ([bot("a", "'a1', 'a2', 'b'", "UTC"), bot("c", "", "UTC")], "a bot became a member"),
        ] {
            assert!(!holds(&bots), "{why}: {bots:?}");
        }
        let mapped = "[inputs.messages.columns]\nad_id = 'other'\n".to_string();
        assert!(!holds(&[mapped, bot("a", "'a1', 'a2'", "UTC"), bot("b", "", "UTC")]), "another column");
    }

    #[test]
    fn a_setting_after_the_last_row_leaves_the_events_what_they_were() {
        let with = |events: &[&str]| {
            let event = |at: &&str| format!("[[bots.conversion_events]]\ncategory = 'c{at}'\neffective_at = '{at}'\n");
            settings(&(bot("a", "", "UTC") + &events.iter().map(event).collect::<String>()))
        };
        const OLD: &str = "2026-01-01T00:00:00Z";
        let (named, then) = (history(&with(&[OLD])), fingerprints::conversion_history(&with(&[OLD])));
        let partition: Day = "2026-03-10".parse().unwrap();
        let holds = |events: &[&str]| {
            let of_digest = unnamed_history_holds(then, &with(events), partition);
            assert_eq!(history_holds(&named, &with(events), partition), of_digest, "{events:?}");
            of_digest
        };
        assert!(holds(&[OLD]));
        assert!(holds(&[OLD, "2026-03-13T00:00:00Z"]));
        assert!(holds(&[OLD, "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"]));
        assert!(!holds(&[OLD, "2026-03-12T23:59:59Z"]), "a row may lie after it");
        assert!(!holds(&["2026-01-02T00:00:00Z"]));
    }
}

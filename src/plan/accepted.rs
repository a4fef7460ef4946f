//! What was accepted once and is not taken back silently: the past of the conversion settings, and where the lake began.
//!
//! Kept in `state/accepted.json` of the output, which is small and not safe to delete. A setting that was in effect in landed days
//! is history: altering or removing it, or slipping one in before it, would change what was counted (rule 8).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::day::{Day, DayRange, ranges};
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::config::{Bot, ConversionSetting, Settings};
use crate::extract::reading::{History, Reading};

pub(crate) const ACCEPTED_OBJECT: &str = "state/accepted.json";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    /// The days whose partitions were read, by table, as ranges from first to last.
    pub partitions: BTreeMap<String, Vec<(Day, Day)>>,
    /// The settings that were in effect in landed days, oldest first, by bot id.
    pub conversion_events: BTreeMap<String, Vec<ConversionSetting>>,
    /// What partitions were read under, by the digest in their receipts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readings: BTreeMap<Digest, Reading>,
    /// The histories of conversion settings that events were read under, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub histories: BTreeMap<Digest, History>,
}

impl Accepted {
    /// What is accepted after a run over data that has landed up to `watermark`. `read` gives, by table, the first day that is
    /// there now and the days that have been read.
    pub(crate) fn after(&self, settings: &Settings, watermark: i64, read: BTreeMap<String, (Day, BTreeSet<Day>)>) -> Accepted {
        let mut accepted = Accepted {
            partitions: BTreeMap::new(),
            conversion_events: self.conversion_events.clone(),
            readings: self.readings.clone(),
            histories: self.histories.clone(),
        };
        for (table, (first_now, days_read)) in read {
            let before = self.partitions.get(&table).map(Vec::as_slice).unwrap_or_default();
            let retired = before.iter().filter_map(|(first, last)| DayRange::new(*first, (*last).min(first_now.plus(-1))));
            let days = retired.flat_map(DayRange::iter).chain(days_read.into_iter().filter(|day| *day >= first_now));
            let all: BTreeSet<Day> = days.collect();
            accepted.partitions.insert(table, ranges(all).iter().map(|range| (range.first, range.last)).collect());
        }
        for bot in &settings.bots {
            let past =
                bot.conversion_events.iter().filter(|setting| setting.effective_at < watermark).cloned().collect::<Vec<_>>();
            if past.is_empty() {
                accepted.conversion_events.remove(&bot.id);
            } else {
                accepted.conversion_events.insert(bot.id.clone(), past);
            }
        }
        accepted
    }

    /// Whether all of `now` is accepted. What version 0.1.0 accepted tells nothing of what partitions were read under, until there is
    /// something else to accept.
    pub(crate) fn covers(&self, now: &Accepted) -> bool {
        let of_readings = self.readings.is_empty() || (self.readings == now.readings && self.histories == now.histories);
        of_readings && self.partitions == now.partitions && self.conversion_events == now.conversion_events
    }

    /// The days of a table whose partitions were read once.
    pub(crate) fn read(&self, table: &str) -> impl Iterator<Item = Day> + '_ {
        let ranges = self.partitions.get(table).into_iter().flatten();
        ranges.filter_map(|(first, last)| DayRange::new(*first, *last)).flat_map(DayRange::iter)
    }

    /// Whether a partition was read once.
    pub(crate) fn has_read(&self, table: &str, day: Day) -> bool {
        self.partitions.get(table).into_iter().flatten().any(|(first, last)| (*first..=*last).contains(&day))
    }

    /// The oldest partitions of a table, which were read once and have vanished since.
    pub(crate) fn retired(&self, table: &str, first_now: Option<Day>) -> Vec<DayRange> {
        let Some(first_now) = first_now else { return Vec::new() };
        let ranges = self.partitions.get(table).into_iter().flatten();
        ranges.filter_map(|(first, last)| DayRange::new(*first, (*last).min(first_now.plus(-1)))).collect()
    }

    /// Per bot id, the local day from which its conversion events are others than those accepted.
    pub(crate) fn changes(&self, settings: &Settings) -> BTreeMap<String, Day> {
        let change = |bot: &Bot| Some((bot.id.clone(), bot.zone.local_day(self.first_change(bot)?)));
        settings.bots.iter().filter_map(change).collect()
    }

    /// The instant from which a bot's conversion events are others than those accepted.
    pub(crate) fn first_change(&self, bot: &Bot) -> Option<i64> {
        let accepted = self.conversion_events.get(&bot.id).map(Vec::as_slice).unwrap_or_default();
        first_difference(accepted, &bot.conversion_events)
    }

    /// Refuses a change of history, and names the days it would change.
    pub(crate) fn protect(&self, settings: &Settings, last: Option<Day>) -> Result<()> {
        for bot in &settings.bots {
            let Some(accepted) = self.conversion_events.get(&bot.id) else { continue };
            let now = &bot.conversion_events;
            let kept = accepted.iter().zip(now).take_while(|(before, now)| before == now).count();
            let Some(lost) = accepted.get(kept) else { continue };
            let from = now.get(kept).map_or(lost.effective_at, |now| now.effective_at.min(lost.effective_at));
            let first = bot.zone.local_day(from);
            let days = last.and_then(|last| DayRange::new(first, last)).map_or(format!("{first} on"), |days| days.to_string());
            let what = match now.iter().find(|setting| setting.effective_at == lost.effective_at) {
                Some(now) if now.category != lost.category => format!("altered to {:?}", now.category),
                Some(_) => "moved behind a new one".to_string(),
                None => "removed".to_string(),
            };
            return Err(Error::usage(format!("a past setting of bot {:?} was {what}: category {:?}", bot.id, lost.category))
                .with("effective at", instant(lost.effective_at))
                .with("days it would change", days)
                .mend("add a new setting instead, or give --accept-history-change to count the past anew"));
        }
        Ok(())
    }
}

/// The instant from which two histories differ.
fn first_difference(before: &[ConversionSetting], now: &[ConversionSetting]) -> Option<i64> {
    let kept = before.iter().zip(now).take_while(|(before, now)| before == now).count();
    before.get(kept).into_iter().chain(now.get(kept)).map(|setting| setting.effective_at).min()
}

fn instant(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .map_or(micros.to_string(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn settings(events: &[(&str, &str)]) -> Settings {
        let events = events
            .iter()
            .map(|(category, at)| format!("[[bots.conversion_events]]\ncategory = '{category}'\neffective_at = '{at}'\n"));
        let text =
            format!("name = 'n'\n[lake]\nurl = 'lake'\n[[bots]]\nid = 'b'\ntimezone = 'UTC'\n{}", events.collect::<String>());
        Settings::parse("test.toml", &text, Path::new("/")).unwrap()
    }

    fn accepted(events: &[(&str, &str)]) -> Accepted {
        let watermark = "2026-06-01".parse::<Day>().unwrap().start_utc();
        Accepted::default().after(&settings(events), watermark, BTreeMap::new())
    }

    const C1: (&str, &str) = ("c1", "2026-01-01T00:00:00Z");
    const C2: (&str, &str) = ("c2", "2026-03-01T00:00:00Z");
    const FUTURE: (&str, &str) = ("c3", "2026-07-01T00:00:00Z");

    #[test]
    fn the_past_is_protected_and_the_future_is_free() {
        let last = Some("2026-05-31".parse().unwrap());
        let known = accepted(&[C1, C2, FUTURE]);
        assert!(known.protect(&settings(&[C1, C2]), last).is_ok(), "a setting that was never in effect can go");
        assert!(
            known.protect(&settings(&[C1, C2, ("c4", "2026-05-01T00:00:00Z")]), last).is_ok(),
            "a new one comes after the others"
        );
        for (changed, from) in [
            (vec![C1], "2026-03-01"),
            (vec![("c9", "2026-01-01T00:00:00Z"), C2], "2026-01-01"),
            (vec![C1, ("c9", "2026-02-01T00:00:00Z"), C2], "2026-02-01"),
            (vec![], "2026-01-01"),
        ] {
            let error = known.protect(&settings(&changed), last).unwrap_err().to_string();
            assert!(error.contains(&format!("{from}..2026-05-31")), "{error}");
        }
    }

    #[test]
    fn what_was_read_and_has_vanished_at_the_old_end_is_retired() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let read = |first: &str, days: &[&str]| {
            BTreeMap::from([("messages".to_string(), (day(first), days.iter().map(|text| day(text)).collect()))])
        };
        let stray = Accepted::default().after(
            &settings(&[]),
            0,
            read("1970-01-01", &["1970-01-01", "2026-01-01", "2026-01-02", "2026-01-04"]),
        );
        let retired = stray.retired("messages", Some(day("2026-01-04")));
        assert_eq!(retired.iter().map(|days| days.to_string()).collect::<Vec<_>>(), ["1970-01-01", "2026-01-01..2026-01-02"]);
        let later = stray.after(&settings(&[]), 0, read("2026-01-02", &["2026-01-04"]));
        assert_eq!(later.partitions["messages"].len(), 3, "one that is gone between others was not retired");
        assert_eq!(later.partitions["messages"][2], (day("2026-01-04"), day("2026-01-04")));
    }

    #[test]
    fn a_new_setting_affects_no_day_before_it() {
        let changes = accepted(&[C1]).changes(&settings(&[C1, C2]));
        assert_eq!(changes["b"].to_string(), "2026-03-01");
        assert!(accepted(&[C1]).changes(&settings(&[C1])).is_empty());
    }
}

//! Details: how the values of the chosen places are to be read: units and zones of times, words of directions, amounts in floats, words
//! that mean nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::{Choice, Fit, Looked};
use super::names::bare;
use super::sample::{Sample, Seen};
use super::values::{self, Times};
use crate::base::arrival::ArrivalZone;
use crate::base::day::Day;
use crate::base::ids::is_of_ids;
use crate::base::mapping::ColumnSource;
use crate::base::met::{Kind, Place};
use crate::report::style::counted;

/// Completes the choices of a table. `zone` is whose clocks times without a zone are of, if that was said.
pub(super) fn complete(fit: &mut Fit, looked: &Looked<'_>, zone: Option<ArrivalZone>) {
    let is_landed_later = fit.table.name == "insights";
    for choice in &mut fit.choices {
        match choice.column.name {
            "sent_at" | "occurred_at" | "loaded_at" => complete_times(choice, looked, zone),
            "direction" => complete_directions(choice, looked, &BTreeMap::new()),
            "spend" => complete_spend(choice, looked),
            "ad_id" if !is_landed_later => note_floats(choice, looked),
            _ => {}
        }
        if !choice.by_name && choice.is_found() {
            choice.notes.push("known by its values, not by its name".to_string());
        }
    }
    if is_landed_later {
        drop_date_of_folder(fit, looked.sample);
    }
}

fn place(source: &ColumnSource) -> Place {
    Place { column: source.column.clone(), key: source.key.clone() }
}

fn seen<'l>(source: &ColumnSource, looked: &Looked<'l>) -> Option<&'l Seen> {
    looked.seen.get(&place(source))
}

fn complete_times(choice: &mut Choice, looked: &Looked<'_>, zone: Option<ArrivalZone>) {
    let mut unknown: Vec<Place> = Vec::new();
    let mut notes: BTreeSet<String> = BTreeSet::new();
    for source in &mut choice.sources {
        let Some(times) = seen(source, looked).and_then(values::times) else { continue };
        // Blip's storage dates are UTC's, beside those that end in BR.
        let known =
            zone.or_else(|| (bare(source.key.last().unwrap_or(&source.column)) == "storagedate").then_some(ArrivalZone::Utc));
        match (times, known) {
            (Times::Plain, _) => {}
            (Times::Counted(unit), _) => source.unit = Some(unit),
            (Times::Zoneless | Times::ZonelessText, Some(known)) => source.zone = Some(known),
            (Times::Zoneless, None) => {
                notes.insert(
                    "its times name no zone and are read as UTC; where they are another clock's, write { column = ..., zone = \"...\" }"
                        .to_string(),
                );
            }
            (Times::ZonelessText, None) => unknown.push(place(source)),
        }
    }
    choice.notes.extend(notes);
    if !unknown.is_empty() {
        let example = unknown.first().and_then(|at| looked.seen.get(at)).and_then(|seen| seen.values.keys().next());
        choice.notes.push(format!(
            "its times name no zone, such as {:?}: say whose clock they are, with --times-zone or in the line",
            example.map_or("", String::as_str)
        ));
        choice.sources.clear();
        choice.doubtful = unknown;
    }
}

/// Completes the words of directions, with those of rows that are not in the sample.
pub(super) fn complete_directions(choice: &mut Choice, looked: &Looked<'_>, others: &BTreeMap<String, u64>) {
    let mut unknown: BTreeMap<String, u64> = BTreeMap::new();
    choice.notes.retain(|note| !note.starts_with(UNKNOWN_WORDS));
    for source in &mut choice.sources {
        let Some(seen) = seen(source, looked) else { continue };
        let of_true = values::direction_of_true(&bare(source.key.last().unwrap_or(&source.column)));
        let is_boolean = seen.kinds.iter().all(|kind| *kind == Kind::Boolean);
        let mut words: Vec<(String, &'static str)> = Vec::new();
        // What is translated already, or needs no translation, is not to be told again.
        let is_new = |word: &&String| !seen.values.contains_key(*word) && !["received", "sent"].contains(&word.as_str());
        let others = others.iter().filter(|(word, _)| is_new(word));
        for (word, rows) in seen.values.iter().chain(others) {
            let of_word = match (is_boolean, of_true, word.as_str()) {
                (true, Some(direction), "true") => Some(direction),
                (true, Some("sent"), _) => Some("received"),
                (true, Some(_), _) => Some("sent"),
                (true, None, _) => None,
                _ => values::direction_of(word),
            };
            match of_word {
                Some(direction) => words.push((word.clone(), direction)),
                None => *unknown.entry(word.clone()).or_default() += rows,
            }
        }
        if is_boolean && of_true.is_some() {
            // Both, whichever were met.
            words = ["false", "true"]
                .map(|word| (word.to_string(), if (word == "true") == (of_true == Some("sent")) { "sent" } else { "received" }))
                .to_vec();
        }
        words.sort_by_key(|(_, direction)| *direction);
        if words.iter().any(|(word, direction)| word != direction) {
            source.values = words;
        }
    }
    if !unknown.is_empty() {
        let words: Vec<String> =
            unknown.iter().take(8).map(|(word, rows)| format!("{word:?}: {}", counted(rows, "row", "rows"))).collect();
        choice
            .notes
            .push(format!("{UNKNOWN_WORDS}: {}; name each in values = {{ received = [...], sent = [...] }}", words.join(", ")));
    }
}

const UNKNOWN_WORDS: &str = "what these words mean is not known";

fn complete_spend(choice: &mut Choice, looked: &Looked<'_>) {
    let mut is_float = false;
    for source in &mut choice.sources {
        source.float = seen(source, looked).is_some_and(|seen| seen.kinds.contains(&Kind::Float));
        is_float |= source.float;
    }
    if is_float {
        choice.notes.push("it is a float: its shortest decimal text counts".to_string());
    }
}

fn note_floats(choice: &mut Choice, looked: &Looked<'_>) {
    let has_floats = |source: &ColumnSource| seen(source, looked).is_some_and(|seen| seen.kinds.contains(&Kind::Float));
    if choice.sources.iter().any(has_floats) {
        choice.notes.push("some are floats, which no longer hold an id: land them as text".to_string());
    }
}

/// A date that is its folder's says nothing of its own.
fn drop_date_of_folder(fit: &mut Fit, sample: &Sample) {
    let dates = fit.cells("date", sample);
    let differs = |((file, _), value): (&(usize, u32), &&str)| sample.files[*file].day != values::day(value);
    let (other, all) = (dates.iter().filter(|(cell, value)| differs((*cell, *value))).count(), dates.len());
    if other == 0 {
        fit.choices.retain(|choice| choice.column.name != "date");
    } else if let Some(choice) = fit.choice_mut("date") {
        choice.notes.push(format!("in {other} of {all} rows looked at it is not the folder's day: folders are days of a sync"));
    }
}

/// Words for nothing that stand where ids should, with their numbers.
pub(super) fn null_words(fit: &Fit, looked: &Looked<'_>) -> BTreeMap<String, u64> {
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    for choice in fit.choices.iter().filter(|choice| is_of_ids(choice.column.name)) {
        for seen in choice.places().filter_map(|place| looked.seen.get(&place)) {
            for (value, count) in seen.values.iter().filter(|(value, _)| values::is_word_for_nothing(value)) {
                *words.entry(value.trim().to_string()).or_default() += count;
            }
        }
    }
    words
}

/// As many times tell whose days the folders are.
const TIMES_NEEDED: u64 = 50;

/// Whose days the folders of a table seem to be, where they are not UTC's: hours ahead of UTC, and how many of how many times say so.
pub(super) fn hours_of_folders(fit: &Fit, looked: &Looked<'_>, column: &str) -> Option<(i64, u64, u64)> {
    let choice = fit.choice(column)?;
    let mut instants: Vec<(Day, i64)> = Vec::new();
    for source in &choice.sources {
        let Some(of_place) = seen(source, looked) else { continue };
        let Some(times) = values::times(of_place) else { continue };
        let is_time = of_place.kinds.iter().any(|kind| matches!(kind, Kind::Instant | Kind::ZonelessTime));
        for ((file, _), value) in looked.sample.cells(&place(source)) {
            let at = values::micros(times, is_time, value).map(|at| source.zone.map_or(at, |zone| zone.instant_of(at)));
            instants.extend(looked.sample.files[file].day.zip(at));
        }
    }
    let all = instants.len() as u64;
    let fits = |hours: &i64| {
        let shift = hours * 3_600_000_000;
        instants.iter().filter(|(day, at)| Day::of_instant(at + shift) == *day).count() as u64
    };
    let in_utc = fits(&0);
    let best = (-12..=14).max_by_key(|hours: &i64| (fits(hours), -hours.abs())).unwrap_or(0);
    let is_clear = all >= TIMES_NEEDED && in_utc * 100 < all * 97 && fits(&best) * 100 >= all * 99;
    (is_clear && best != 0).then(|| (best, fits(&best), all))
}

//! Columns: where a table has what the contract asks for, by names and values.
//!
//! A name that is known decides; without one, values of an unmistakable form do. Where several places could be meant and nothing tells
//! them apart, none is chosen and all are told.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{self, SURE_NAME, bare};
use super::sample::{Cell, Sample, Seen};
use super::values::{self, Times};
use crate::base::folders;
use crate::base::mapping::ColumnSource;
use crate::base::met::{Kind, Place};
use crate::base::schema::{InputColumn, InputTable};

/// Where one of the contract's columns is found.
pub(super) struct Choice {
    pub column: &'static InputColumn,
    /// The first that is not blank counts; none where it was not found.
    pub sources: Vec<ColumnSource>,
    /// Whether the names say so, or the values alone.
    pub by_name: bool,
    /// Places that could be meant as well, where nothing is chosen.
    pub doubtful: Vec<Place>,
    /// What is to be said beside it.
    pub notes: Vec<String>,
}

/// A table as the contract's table of some kind.
pub(super) struct Fit {
    pub table: &'static InputTable,
    pub choices: Vec<Choice>,
}

/// What is looked at.
pub(super) struct Looked<'a> {
    pub sample: &'a Sample,
    pub seen: &'a BTreeMap<Place, Seen>,
}

/// Columns of which one place may fill what another leaves blank.
const FILLED_UP: [&str; 8] = ["bot_id", "contact_id", "message_id", "ad_id", "ad_type", "ad_title", "ctwa_clid", "alias"];

impl Choice {
    pub(super) fn is_found(&self) -> bool {
        !self.sources.is_empty()
    }

    /// The places inside the file that it is read from.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let of = |source: &ColumnSource| {
            let is_inside = source.partition.is_none() && source.constant.is_none();
            is_inside.then(|| Place { column: source.column.clone(), key: source.key.clone() })
        };
        self.sources.iter().filter_map(of)
    }
}

impl Fit {
    /// Looks for all columns of a table.
    pub(super) fn of(table: &'static InputTable, looked: &Looked<'_>) -> Fit {
        let mut used: BTreeSet<Place> = BTreeSet::new();
        let mut choices: BTreeMap<&str, Choice> = BTreeMap::new();
        for column in table.columns {
            let found = by_name(table, column, looked, &used);
            used.extend(found.iter().cloned());
            if !found.is_empty() {
                let choice = Choice { column, sources: sources(found), by_name: true, doubtful: Vec::new(), notes: Vec::new() };
                choices.insert(column.name, choice);
            }
        }
        for column in table.columns.iter().filter(|column| !column.only_named) {
            if !choices.contains_key(column.name) {
                let choice = by_values(table, column, looked, &used);
                used.extend(choice.places());
                choices.insert(column.name, choice);
            }
        }
        let in_order = table.columns.iter().filter_map(|column| choices.remove(column.name));
        Fit { table, choices: in_order.collect() }
    }

    pub(super) fn choice(&self, column: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.column.name == column)
    }

    pub(super) fn choice_mut(&mut self, column: &str) -> Option<&mut Choice> {
        self.choices.iter_mut().find(|choice| choice.column.name == column)
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.choice(column).is_some_and(Choice::is_found)
    }

    pub(super) fn has_by_name(&self, column: &str) -> bool {
        self.choice(column).is_some_and(|choice| choice.is_found() && choice.by_name)
    }

    /// The values of a column by their cells: of the first source that has one.
    pub(super) fn cells<'s>(&self, column: &str, sample: &'s Sample) -> BTreeMap<Cell, &'s str> {
        let mut cells = BTreeMap::new();
        for place in self.choice(column).into_iter().flat_map(Choice::places) {
            for (cell, value) in sample.cells(&place) {
                cells.entry(cell).or_insert(value);
            }
        }
        cells
    }
}

fn sources(places: Vec<Place>) -> Vec<ColumnSource> {
    places.into_iter().map(|Place { column, key }| ColumnSource { key, ..ColumnSource::column(column) }).collect()
}

/// The places whose names are known for a column: the best, and those that fill up what it leaves blank.
fn by_name(table: &InputTable, column: &InputColumn, looked: &Looked<'_>, used: &BTreeSet<Place>) -> Vec<Place> {
    let score = |place: &Place| names::score(table.name, column.name, place);
    let mut named: Vec<(u32, &Place, &Seen)> = looked
        .seen
        .iter()
        .filter(|(place, seen)| score(place) >= SURE_NAME && !used.contains(place) && suits(column, place, seen, looked))
        .map(|(place, seen)| (score(place), place, seen))
        .collect();
    // A column without a value is the column where no other has one.
    named.sort_by_key(|(named, _, seen)| (seen.count() == 0, std::cmp::Reverse(*named)));
    let mut chosen: Vec<Place> = Vec::new();
    let mut cells: BTreeMap<Cell, &str> = BTreeMap::new();
    for (_, place, seen) in named {
        let own = looked.sample.cells(place);
        let is_first = chosen.is_empty();
        let files = |of: &BTreeMap<Cell, &str>| of.keys().map(|(file, _)| *file).collect::<BTreeSet<usize>>();
        let is_elsewhere = files(&cells).is_disjoint(&files(&own));
        let fills = own.keys().any(|cell| !cells.contains_key(cell));
        let agrees = own.iter().all(|(cell, value)| cells.get(cell).is_none_or(|known| known == value));
        let may = FILLED_UP.contains(&column.name) || is_elsewhere;
        if is_first || seen.count() > 0 && may && fills && agrees {
            chosen.push(place.clone());
            for (cell, value) in own {
                cells.entry(cell).or_insert(value);
            }
        }
    }
    chosen
}

/// The place that holds values of the form that a column has; a folder's key for a bot.
fn by_values(table: &InputTable, column: &'static InputColumn, looked: &Looked<'_>, used: &BTreeSet<Place>) -> Choice {
    let mut choice = Choice { column, sources: Vec::new(), by_name: false, doubtful: Vec::new(), notes: Vec::new() };
    if table.name != "identities"
        && let Some(key) = folder_key(table, column, looked.sample)
    {
        choice.sources.push(ColumnSource { partition: Some(key), ..ColumnSource::column(column.name) });
        choice.by_name = true;
        return choice;
    }
    let free = looked.seen.iter().filter(|(place, seen)| !used.contains(place) && seen.count() > 0);
    let mut found: Vec<(u32, &Place)> =
        free.map(|(place, seen)| (form(table.name, column.name, place, seen), place)).filter(|(score, _)| *score > 0).collect();
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let best: Vec<Place> = found.iter().filter(|(score, _)| *score == found[0].0).map(|(_, place)| (*place).clone()).collect();
    match best.len() {
        0 => {}
        // Many columns hold a few words: which of them are categories only a person can say.
        1 if column.name != "category" => choice.sources = sources(best),
        _ => choice.doubtful = best,
    }
    choice
}

/// As sure is a name that a folder's key is taken for a column by.
const SURE_KEY: u32 = 90;

/// The key of the folders that have a column's values.
fn folder_key(table: &InputTable, column: &InputColumn, sample: &Sample) -> Option<String> {
    let keys = sample.files.iter().flat_map(|file| folders::keys_of(&file.path)).filter(|_| !column.is_instant());
    let score = |key: &String| names::score(table.name, column.name, &Place { column: key.clone(), key: Vec::new() });
    keys.filter(|key| score(key) >= SURE_KEY).max_by_key(score)
}

/// How sure the form of the values alone is that they are a column's.
fn form(table: &str, column: &str, place: &Place, seen: &Seen) -> u32 {
    let if_mostly = |score: u32, percent: u64, test: fn(&str) -> bool| if seen.mostly(percent, test) { score } else { 0 };
    match column {
        "message_id" => if_mostly(58, 50, values::is_message_id),
        "alias" => if_mostly(57, 80, |id| values::is_tunnel(id) || id.ends_with("@lid")),
        "contact_id" if table == "identities" => if_mostly(55, 80, |id| values::is_contact(id) && !values::is_tunnel(id)),
        "contact_id" => if_mostly(55, 80, values::is_contact),
        "bot_id" if ["to", "toidentity"].contains(&bare(&place.column).as_str()) => if_mostly(58, 20, values::is_blip_bot),
        "bot_id" => if_mostly(56, 90, values::is_blip_bot),
        "ad_id" if table == "messages" => if_mostly(55, 90, values::is_ad_id),
        "ctwa_clid" => if_mostly(54, 90, |id| values::is_click_id(id) && !values::is_message_id(id)),
        "ad_type" => if_mostly(50, 95, values::is_ad_type),
        "direction" => directions(place, seen, 57),
        "account_id" => if_mostly(57, 90, values::is_account),
        "currency" => if_mostly(50, 95, values::is_currency),
        "category" => category(seen),
        "sent_at" | "occurred_at" => match values::times(seen) {
            Some(Times::Plain) => 50,
            Some(Times::Zoneless) => 49,
            Some(Times::ZonelessText) => 48,
            Some(Times::Counted(_)) => 45,
            None => 0,
        },
        _ => 0,
    }
}

/// A score for a column whose values are all known words of directions, both of them.
fn directions(place: &Place, seen: &Seen, score: u32) -> u32 {
    let both: BTreeSet<Option<&str>> = match seen.kinds.iter().all(|kind| *kind == Kind::Boolean) {
        true => [values::direction_of_true(&bare(place.key.last().unwrap_or(&place.column)))].into(),
        false => seen.values.keys().map(|word| values::direction_of(word)).collect(),
    };
    let is_known = !both.is_empty() && !both.contains(&None);
    let is_enough = both.len() == 2 || seen.kinds.contains(&Kind::Boolean);
    if is_known && is_enough { score } else { 0 }
}

/// A score for a few words, each of several rows.
fn category(seen: &Seen) -> u32 {
    let is_few = seen.values.len() <= 200 && seen.count() >= 3 * seen.values.len() as u64;
    let is_words = seen.kinds.iter().all(|kind| *kind == Kind::Text) && !seen.mostly(50, |text| text.contains('@'));
    if is_few && is_words && !seen.mostly(90, values::is_currency) { 40 } else { 0 }
}

/// Whether the values of a place can be a column's, whose name it has.
fn suits(column: &InputColumn, place: &Place, seen: &Seen, looked: &Looked<'_>) -> bool {
    let own = place.key.is_empty() && place.column.eq_ignore_ascii_case(column.name);
    if own || seen.count() == 0 {
        return own || place.key.is_empty();
    }
    let is_only = |kinds: &[Kind]| seen.kinds.iter().all(|kind| kinds.contains(kind));
    let distinct = seen.values.len() as u64 * 100 >= seen.count().min(5_000) * 99;
    match column.name {
        "sent_at" | "occurred_at" | "loaded_at" => values::times(seen).is_some(),
        "date" => seen.mostly(95, |text| values::day(text).is_some()) || is_only(&[Kind::Date]) || values::times(seen).is_some(),
        "direction" => directions(place, seen, 1) > 0 || is_few_words(seen),
        "event_id" => distinct,
        "message_id" => is_only(&[Kind::Text, Kind::Integer, Kind::Decimal]),
        "contact_id" => {
            is_only(&[Kind::Text, Kind::Integer, Kind::Decimal]) && !seen.mostly(50, |word| values::direction_of(word).is_some())
        }
        "category" => is_only(&[Kind::Text, Kind::Integer]) && (category(seen) > 0 || is_few(seen, looked)),
        "spend" => seen.mostly(95, values::is_amount) || is_only(&[Kind::Float, Kind::Decimal, Kind::Integer]),
        "currency" => seen.mostly(95, values::is_currency),
        "bot_id" => is_only(&[Kind::Text, Kind::Integer, Kind::Decimal]),
        "ad_title" | "ad_type" => is_only(&[Kind::Text]),
        _ => !is_only(&[Kind::Boolean]) && !is_only(&[Kind::Date, Kind::Instant, Kind::ZonelessTime]),
    }
}

fn is_few_words(seen: &Seen) -> bool {
    seen.values.len() <= 10 && seen.kinds.iter().all(|kind| *kind == Kind::Text)
}

/// Whether a table of few rows has fewer values of a place than would tell rows apart.
fn is_few(seen: &Seen, looked: &Looked<'_>) -> bool {
    seen.values.len() <= 200 && (looked.sample.rows() < 100 || seen.values.len() as u64 * 2 < seen.count())
}

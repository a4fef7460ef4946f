//! Noticed: rows that are counted, or not, as they stand, and may be meant otherwise. They change no figure; a run and a check say how
//! many there are, with examples and the line that would change it.
//!
//! In: words and ids, as rows are read. Out: their numbers, which receipts keep, and sentences. Numbers of parts add up, whatever the
//! order.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{BooleanArray, RecordBatch};
use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::base::alike::without_case_and_blanks;
use crate::base::bound::Bound;
use crate::base::error::Result;
use crate::base::said::Said;
use crate::config::{Bot, Settings};
use crate::extract::words::FewWords;

/// What a partition holds that may be meant otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noticed {
    /// What ad types said beside `ad` and `post`.
    #[serde(default, skip_serializing_if = "OtherAdTypes::is_empty")]
    pub(crate) ad_types: OtherAdTypes,
    /// Ad ids of touches that are not digits.
    #[serde(default, skip_serializing_if = "Words::is_empty")]
    ad_ids: Words,
    /// Contacts that are bots or members of them: what they sent is no touch.
    #[serde(default, skip_serializing_if = "Words::is_empty")]
    pub(crate) bots: Words,
    /// Touches whose direction is NULL where the table has one: they count as received.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) without_direction: u64,
    /// Titles of touches with bytes that are no text, as they are shown.
    #[serde(default, skip_serializing_if = "Words::is_empty")]
    pub(crate) titles: Words,
    /// By the category that a bot names, those of its events that differ from it by case or white space only (rule 7).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    categories: BTreeMap<String, Words>,
}

fn is_zero(rows: &u64) -> bool {
    *rows == 0
}

/// Received messages of named bots whose ad type is neither `ad` nor `post` (rules 2 and 12).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OtherAdTypes {
    /// Without an ad id and a click id: no touches. The others are touches without a type.
    alone: u64,
    words: Words,
}

/// Words, with the rows that have one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Words {
    rows: u64,
    first: FewWords,
}

impl Words {
    fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn add(&mut self, word: &str, rows: u64) {
        self.rows += rows;
        self.first.add(word, rows);
    }

    fn append(&mut self, other: &Words) {
        self.rows += other.rows;
        self.first.append(&other.first);
    }

    /// Without the words that are meant as they stand.
    fn without(mut self, is_meant: impl Fn(&str) -> bool) -> Words {
        self.rows -= self.first.remove(is_meant);
        self
    }

    /// The words, each with its rows.
    fn told(&self) -> String {
        let rest = if self.first.iter().map(|(_, rows)| rows).sum::<u64>() < self.rows { ", ..." } else { "" };
        format!("{}{rest}", self.first)
    }
}

impl OtherAdTypes {
    fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn count(&mut self, word: &str, is_touch: bool) {
        self.alone += u64::from(!is_touch);
        self.words.add(word, 1);
    }

    fn append(&mut self, other: &OtherAdTypes) {
        self.alone += other.alone;
        self.words.append(&other.words);
    }

    fn warning(&self) -> Option<Said> {
        if self.is_empty() {
            return None;
        }
        let most = self.words.first.most().unwrap_or_default();
        let said = Said::new(format!(
            "{} rows have an ad type that is neither ad nor post ({}): {} of them have no ad id and no click id and are no touches, \
             the others are touches without a type",
            self.words.rows,
            self.words.told(),
            self.alone
        ));
        Some(
            said.example(most)
                .mend("where such a word means ad or post, say so: ad_type = { column = \"...\", values = { ad = [\"...\"] } }"),
        )
    }
}

impl Noticed {
    pub(crate) fn is_empty(&self) -> bool {
        let has_no_words = self.ad_types.is_empty() && self.ad_ids.is_empty() && self.bots.is_empty();
        has_no_words && self.titles.is_empty() && self.without_direction == 0 && self.categories.is_empty()
    }

    /// Notes the ad of a touch, if its id is none that Meta gives to ads.
    pub(crate) fn note_ad(&mut self, id: Option<&str>) {
        if let Some(id) = id.filter(|id| !id.bytes().all(|byte| byte.is_ascii_digit())) {
            self.ad_ids.add(id, 1);
        }
    }

    /// Notes an event of a category that reads like the one that its bot names, if one does.
    pub(crate) fn note_category(&mut self, named: Option<&str>, category: &str) {
        if let Some(named) = named {
            self.categories.entry(named.to_string()).or_default().add(category, 1);
        }
    }

    pub(crate) fn append(&mut self, other: &Noticed) {
        self.ad_types.append(&other.ad_types);
        self.ad_ids.append(&other.ad_ids);
        self.bots.append(&other.bots);
        self.titles.append(&other.titles);
        self.without_direction += other.without_direction;
        for (named, words) in &other.categories {
            self.categories.entry(named.clone()).or_default().append(words);
        }
    }

    /// What there is to say, each with its table. `has_figures` of an ad that Meta has figures of.
    pub(crate) fn warnings(&self, has_figures: impl Fn(&str) -> bool) -> Vec<(&'static str, Said)> {
        let of_messages =
            [self.ad_types.warning(), self.of_ad_ids(has_figures), self.of_bots(), self.of_directions(), self.of_titles()];
        let of_events = self.categories.iter().map(|(named, words)| ("events", of_category(named, words)));
        of_messages.into_iter().flatten().map(|text| ("messages", text)).chain(of_events).collect()
    }

    fn of_ad_ids(&self, has_figures: impl Fn(&str) -> bool) -> Option<Said> {
        let words = self.ad_ids.clone().without(has_figures);
        if words.is_empty() {
            return None;
        }
        let most = words.first.most().unwrap_or_default();
        let said = Said::new(format!(
            "{} touches bear an ad id that is not digits ({}): Meta's figures are by the ad's id, which is digits, so these have no cost \
             of their own",
            words.rows,
            words.told()
        ));
        Some(said.example(most).mend(
            "an id with `_` is a page's post; where another column holds the ad's id, map it: ad_id = [\"...\", \"...\"] takes the first \
             that is not blank",
        ))
    }

    fn of_bots(&self) -> Option<Said> {
        if self.bots.is_empty() {
            return None;
        }
        let most = self.bots.first.most().unwrap_or_default();
        let said = Said::new(format!(
            "{} rows that bear an ad have a bot of the pipeline, or a member of one, as their contact ({}): a bot clicks on no ad, so \
             they are no touches",
            self.bots.rows,
            self.bots.told()
        ));
        Some(said.example(most).mend(
            "where these are messages that the bot sent, contact_id is mapped to the sender, which is right where no column tells the \
             direction; where they were received, map contact_id to the person's id",
        ))
    }

    fn of_titles(&self) -> Option<Said> {
        (!self.titles.is_empty()).then(|| {
            let said = Said::new(format!(
                "{} touches have an ad_title with bytes that are no UTF-8 ({}): they count, and the title has a sign in the place of those \
                 bytes",
                self.titles.rows,
                self.titles.told()
            ));
            said.mend("have the loader write texts in UTF-8, and cut none in the middle of a letter")
        })
    }

    fn of_directions(&self) -> Option<Said> {
        (self.without_direction > 0).then(|| {
            let said = Said::new(format!(
                "{} touches have no direction (NULL, blank or a word of null_words) and count as received",
                self.without_direction
            ));
            said.mend(
                "where such rows are messages that the bot sent, have the loader write sent, or leave those rows out; where a null word \
                 means sent, take it off null_words and translate it: direction = { column = \"...\", values = { sent = [\"...\"] } }",
            )
        })
    }
}

fn of_category(named: &str, words: &Words) -> Said {
    let most = words.first.iter().max_by_key(|(word, rows)| (*rows, word.trim() == *word)).map_or(named, |(word, _)| word);
    let said = Said::new(format!(
        "{} events have a category that differs from {named:?} by case or white space only ({}): they do not count",
        words.rows,
        words.told()
    ));
    said.example(most).mend(format!(
        "land one spelling, or, where all events come so from some day on, add that: category = {most:?} in [[bots.conversion_events]]"
    ))
}

/// The categories that bots name, to find the rows that have one, or one that reads like it.
pub(crate) struct NamedCategories {
    /// What is known of categories: those that are named, and the first of the others.
    are_meant: HashMap<String, bool, FixedState>,
    alike: HashSet<String, FixedState>,
}

/// As many categories are remembered: most tables have fewer.
const REMEMBERED: usize = 4_096;

impl NamedCategories {
    pub(crate) fn of(settings: &Settings) -> NamedCategories {
        let named = || settings.bots.iter().flat_map(|bot| &bot.conversion_events).map(|setting| setting.category.as_str());
        NamedCategories {
            are_meant: named().map(|category| (category.to_string(), true)).collect(),
            alike: named().map(without_case_and_blanks).collect(),
        }
    }

    /// Which rows some bot's settings may mean, those included whose category nobody can read.
    pub(crate) fn are_meant_in(&mut self, bound: &Bound, batch: &RecordBatch) -> Result<BooleanArray> {
        if let Some(texts) = bound.plain("category", batch) {
            return Ok(BooleanArray::new(texts.passing(|category| self.is_meant(category)), None));
        }
        let cells = bound.cells("category", batch)?;
        let mut is_meant = |(row, category): (usize, Option<&str>)| {
            Some(category.is_some_and(|category| self.is_meant(category)) || cells.faults.of(row).is_some())
        };
        Ok(cells.texts.iter().enumerate().map(&mut is_meant).collect())
    }

    fn is_meant(&mut self, category: &str) -> bool {
        if let Some(is_meant) = self.are_meant.get(category) {
            return *is_meant;
        }
        let is_meant = self.alike.contains(&without_case_and_blanks(category));
        if self.are_meant.len() < REMEMBERED {
            self.are_meant.insert(category.to_string(), is_meant);
        }
        is_meant
    }
}

/// The categories that each bot names, without what people overlook.
pub(crate) struct AlikeCategories<'a> {
    of_bots: Vec<Vec<(String, &'a str)>>,
}

impl<'a> AlikeCategories<'a> {
    pub(crate) fn of(settings: &'a Settings) -> AlikeCategories<'a> {
        let of_bot = |bot: &'a Bot| {
            let named = bot.conversion_events.iter().map(|setting| setting.category.as_str());
            named.map(|category| (without_case_and_blanks(category), category)).collect()
        };
        AlikeCategories { of_bots: settings.bots.iter().map(of_bot).collect() }
    }

    /// The category that a bot names and that this one reads like.
    pub(crate) fn to(&self, bot: usize, category: &str) -> Option<&'a str> {
        let read = without_case_and_blanks(category);
        self.of_bots[bot].iter().find(|(alike, _)| *alike == read).map(|(_, named)| *named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_told_are_the_same_whatever_the_order() {
        let words: Vec<String> = (0..12).map(|n| format!("w{n:02}")).collect();
        let told = |order: &mut dyn Iterator<Item = &String>| {
            let mut all = Words::default();
            order.for_each(|word| all.add(word, 2));
            all
        };
        let (forth, mut back) = (told(&mut words.iter()), told(&mut words.iter().rev()));
        assert_eq!(forth, back);
        assert!(forth.told().starts_with("\"w00\": 2, ") && forth.told().ends_with("\"w07\": 2, ..."), "{}", forth.told());
        back.append(&forth);
        assert_eq!((back.rows, back.first.iter().next().unwrap().1), (48, 4));
        let rest = back.without(|word| word != "w03");
        assert_eq!((rest.rows, rest.told()), (20, "\"w03\": 4, ...".to_string()));
    }

    #[test]
    fn an_ad_of_which_meta_has_figures_is_one_whatever_its_id() {
        let mut noticed = Noticed::default();
        noticed.ad_ids.add("A", 3);
        assert!(noticed.warnings(|ad| ad == "A").is_empty());
        noticed.ad_ids.add("102_77", 2);
        let [("messages", said)] = &noticed.warnings(|ad| ad == "A")[..] else { panic!("one warning") };
        let text = said.to_string();
        assert!(text.starts_with("2 touches bear an ad id that is not digits (\"102_77\": 2)"), "{text}");
    }
}

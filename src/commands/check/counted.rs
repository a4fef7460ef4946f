//! Rows that count and look as though they were not meant so: copies of one another, all of one contact, ads whose ids are none of Meta's.
//!
//! In: the rows that count. Out: numbers with an example. None of it changes a figure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use arrow::array::{Array, AsArray, RecordBatch};
use foldhash::fast::FixedState;

use crate::base::digest::{short_hash, short_hash_and};
use crate::base::said::Said;
use crate::base::schema::Raw;
use crate::engine::rows::Rows;

use super::finding::Findings;

/// An ad of Meta has an id of many more digits.
const FEW_DIGITS: usize = 5;

/// As many touches of one contact are no longer chance.
const MANY_TOUCHES: u64 = 20;

/// What is counted.
#[derive(Default)]
pub(super) struct Counted {
    touches: Ids,
    events: Ids,
    contacts: HashSet<i64, FixedState>,
    contact: String,
    /// The ads of touches.
    pub ads: BTreeSet<String>,
    /// Touches by the id of an ad that has few digits.
    short_ads: BTreeMap<String, u64>,
    /// The types that touches bear, with their number; under "" those without one.
    types: BTreeMap<String, u64>,
}

/// Rows with an id, and the ids that are there.
#[derive(Default)]
struct Ids {
    rows: u64,
    met: HashSet<i64, FixedState>,
    repeated: Option<String>,
}

impl Ids {
    fn add(&mut self, key: i64, id: &str) {
        self.rows += 1;
        if !self.met.insert(key) && self.repeated.as_deref().is_none_or(|known| id < known) {
            self.repeated = Some(id.to_string());
        }
    }

    fn copies(&self) -> u64 {
        self.rows - self.met.len() as u64
    }
}

impl Counted {
    pub(super) fn add_batch(&mut self, table: Raw, batch: &RecordBatch) {
        let texts = |column: usize| batch.column(column).as_string::<i32>();
        let cell = |column: usize, row: usize| texts(column).is_valid(row).then(|| texts(column).value(row));
        for row in 0..batch.num_rows() {
            let (bot, contact) = (texts(2).value(row), cell(3, row));
            match table {
                Raw::Messages => {
                    self.touch(bot, contact.unwrap_or_default(), texts(5).value(row));
                    self.ad(cell(6, row), cell(7, row));
                }
                Raw::Events => self.event(bot, texts(5).value(row), cell(6, row)),
            }
        }
    }

    pub(super) fn add_rows(&mut self, rows: &dyn Rows) {
        for touch in rows.each_touch() {
            self.touch(&touch.bot.to_string(), touch.contact, touch.message);
            self.ad(touch.ad, touch.ad_type);
        }
        rows.each_event().for_each(|event| self.event(&event.bot.to_string(), event.category, event.event));
    }

    fn touch(&mut self, bot: &str, contact: &str, message: &str) {
        self.touches.add(short_hash_and(short_hash(bot), message), message);
        if self.contacts.insert(short_hash(contact)) && self.contact.is_empty() {
            self.contact = contact.to_string();
        }
    }

    fn ad(&mut self, ad: Option<&str>, ad_type: Option<&str>) {
        let word = ad_type.unwrap_or_default();
        match self.types.get_mut(word) {
            Some(rows) => *rows += 1,
            None => _ = self.types.insert(word.to_string(), 1),
        }
        let Some(id) = ad else { return };
        if !self.ads.contains(id) {
            self.ads.insert(id.to_string());
        }
        if id.len() < FEW_DIGITS && id.bytes().all(|byte| byte.is_ascii_digit()) {
            *self.short_ads.entry(id.to_string()).or_default() += 1;
        }
    }

    fn event(&mut self, bot: &str, category: &str, event: Option<&str>) {
        if let Some(id) = event {
            self.events.add(short_hash_and(short_hash_and(short_hash(bot), category), id), id);
        }
    }

    /// The types of ads, each with its number.
    pub(super) fn types(&self) -> String {
        let told = |(word, rows): (&String, &u64)| {
            if word.is_empty() { format!("without a type: {rows}") } else { format!("{word:?}: {rows}") }
        };
        self.types.iter().map(told).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn tell(&self, known: &BTreeSet<String>, findings: &mut Findings<'_>) {
        for (table, what, column, of) in
            [("messages", "touches", "message_id", &self.touches), ("events", "conversion events", "event_id", &self.events)]
        {
            let Some(repeated) = of.repeated.as_ref() else { continue };
            let text = format!(
                "{} of {} {what} have the {column} of another, such as {repeated:?}: copies within 7 days count once",
                of.copies(),
                of.rows
            );
            // One that is delivered twice is usual.
            if of.copies() * 2 > of.rows {
                let mend = format!("see that {column} is mapped to what each row has of its own, in [inputs.{table}.columns]");
                findings.warn(table, Said::new(text).example(repeated).mend(mend));
            } else {
                findings.ok(table, text);
            }
        }
        if self.contacts.len() == 1 && self.touches.rows >= MANY_TOUCHES {
            let said = Said::new(format!(
                "all {} touches are of one contact, {:?}: each supersedes the one before",
                self.touches.rows, self.contact
            ));
            findings.warn(
                "messages",
                said.example(&self.contact).mend("map contact_id to the person's id, in [inputs.messages.columns]"),
            );
        }
        for (ad, rows) in self.short_ads.iter().filter(|(ad, _)| !known.contains(*ad)) {
            let said = Said::new(format!("{rows} touches bear the ad {ad:?}, and no ad of Meta has so short an id"));
            findings.warn(
                "messages",
                said.example(ad).mend(format!("where it means nothing, say so: null_words = [{ad:?}] in [inputs.messages]")),
            );
        }
    }
}

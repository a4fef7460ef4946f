//! Conversion events: the tracked events whose category is the one in effect at their own instant (rules 7, 8 and 18).
//!
//! [`ConversionReader`] takes batches of an events partition and keeps the conversion events, sorted, with contacts as they came;
//! rows that could convert and break the contract are set aside with a reason. [`Conversions`] is what many partitions hold
//! together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;

use crate::day::Day;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::extract::{Extract, NotedRow, Scope, set_aside};
use crate::mapping::{Bound, Instant};
use crate::schema;
use crate::touches::{COPY_WINDOW, time_fault};

const COLUMNS: [&str; 5] = ["bot_id", "contact_id", "category", "occurred_at", "event_id"];

/// Which rows could be conversion events: some setting of some bot names their category.
pub fn could_convert(bound: &Bound, categories: &HashSet<String>, batch: &RecordBatch) -> Result<BooleanArray> {
    let cells = bound.text("category", batch)?;
    Ok(cells.iter().map(|category| Some(category.is_some_and(|category| categories.contains(category)))).collect())
}

/// Takes the batches of one events partition.
pub struct ConversionReader<'a> {
    scope: &'a Scope<'a>,
    day: Day,
    rows: Vec<ConversionRow>,
    pub extract: Extract,
}

/// In the order of the working table.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ConversionRow {
    bot: String,
    contact: Option<String>,
    occurred_at: i64,
    category: String,
    event: Option<String>,
}

impl<'a> ConversionReader<'a> {
    pub fn new(scope: &'a Scope<'a>, day: Day) -> ConversionReader<'a> {
        ConversionReader { scope, day, rows: Vec::new(), extract: Extract::new(&schema::EVENTS) }
    }

    /// A batch in which [`could_convert`] holds for every row.
    pub fn take(&mut self, bound: &Bound, batch: &RecordBatch) -> Result<()> {
        let text = |name| bound.text(name, batch);
        let (bots, contacts, categories, events) = (text("bot_id")?, text("contact_id")?, text("category")?, text("event_id")?);
        let times = bound.instants("occurred_at", batch)?;
        let cell = |column: &StringArray, row: usize| column.is_valid(row).then(|| column.value(row).to_string());
        let mut reasons = Vec::new();
        for row in 0..batch.num_rows() {
            let category = categories.value(row);
            let bot = match self.scope.bot(bots.is_valid(row).then(|| bots.value(row))) {
                Ok(bot) => bot,
                Err(stranger) => {
                    self.extract.count_out_of_scope(stranger);
                    continue;
                }
            };
            let setting_bot = bot.map(|bot| &self.scope.settings.bots[bot]);
            if setting_bot.is_some_and(|bot| !bot.names_category(category)) {
                continue;
            }
            let reason = if bot.is_none() { Some("no_bot") } else { time_fault(times[row], self.day) };
            match (reason, setting_bot, times[row]) {
                (None, Some(bot), Instant::At(occurred_at)) => {
                    if bot.category_at(occurred_at) != Some(category) {
                        self.extract.not_in_effect += 1;
                        continue;
                    }
                    self.rows.push(ConversionRow {
                        bot: bot.id.clone(),
                        contact: cell(&contacts, row),
                        occurred_at,
                        category: category.to_string(),
                        event: cell(&events, row),
                    });
                }
                (reason, bot, _) => {
                    let reason = reason.ok_or_else(|| Error::bug("a row without a fault and without a time"))?;
                    self.extract.count_rejected(bot.map(|bot| bot.id.as_str()), reason);
                    reasons.push((row, reason));
                }
            }
        }
        set_aside(&mut self.extract, &COLUMNS, "occurred_at", bound, batch, &reasons)
    }

    /// The working table of the partition.
    pub fn finish(mut self) -> Result<(RecordBatch, Extract)> {
        self.rows.sort_unstable();
        self.extract.accepted = self.rows.len() as u64;
        let rows = &self.rows;
        let noted = rows.iter().map(|row| {
            let at = row.occurred_at.to_string();
            let parts = [Some(row.bot.as_str()), row.contact.as_deref(), Some(&at), Some(&row.category), row.event.as_deref()];
            let digest = Digest::of(parts);
            NotedRow { bot: &row.bot, at: row.occurred_at, attributed: false, counted: digest, whole: digest }
        });
        self.extract.note_rows(noted, self.scope);
        let batch = RecordBatch::try_new(
            schema::conversions().schema,
            vec![
                Arc::new(rows.iter().map(|row| Some(&row.bot)).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| row.contact.as_ref()).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| row.occurred_at).collect::<Int64Array>()),
                Arc::new(rows.iter().map(|row| Some(&row.category)).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| row.event.as_ref()).collect::<StringArray>()),
            ],
        );
        Ok((batch.map_err(|error| Error::bug("conversion events do not fit their schema").source(error))?, self.extract))
    }
}

/// One row of a working table of conversion events.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    /// Index of the bot.
    pub bot: u32,
    pub occurred_at: i64,
    batch: u32,
    row: u32,
}

/// The rows of many working tables. Texts stay where they were read.
#[derive(Default)]
pub struct Conversions {
    pub rows: Vec<Conversion>,
    batches: Vec<ConversionBatch>,
}

struct ConversionBatch {
    contacts: StringArray,
    categories: StringArray,
    events: StringArray,
}

impl Conversions {
    /// Adds the rows of a working table. `bots` gives the index of each bot's id; rows of bots it does not know are left out.
    pub fn add(&mut self, batch: &RecordBatch, bots: &HashMap<&str, u32>) {
        let text = |column: usize| batch.column(column).as_string::<i32>().clone();
        let (ids, times) = (text(0), batch.column(2).as_primitive::<Int64Type>());
        let at = self.batches.len() as u32;
        for row in 0..batch.num_rows() {
            if let Some(bot) = bots.get(ids.value(row)) {
                self.rows.push(Conversion { bot: *bot, occurred_at: times.value(row), batch: at, row: row as u32 });
            }
        }
        self.batches.push(ConversionBatch { contacts: text(1), categories: text(3), events: text(4) });
    }

    fn batch(&self, conversion: &Conversion) -> &ConversionBatch {
        &self.batches[conversion.batch as usize]
    }

    /// As it came; none where the event has no contact.
    pub fn contact<'a>(&'a self, conversion: &Conversion) -> Option<&'a str> {
        let contacts = &self.batch(conversion).contacts;
        contacts.is_valid(conversion.row as usize).then(|| contacts.value(conversion.row as usize))
    }

    pub fn category<'a>(&'a self, conversion: &Conversion) -> &'a str {
        self.batch(conversion).categories.value(conversion.row as usize)
    }

    pub fn event<'a>(&'a self, conversion: &Conversion) -> Option<&'a str> {
        let events = &self.batch(conversion).events;
        events.is_valid(conversion.row as usize).then(|| events.value(conversion.row as usize))
    }

    /// Sorts the rows by time and takes the copies out, which are returned: conversion events of one bot, event id and category of
    /// which another lies at most seven days before (rule 7). Events without an id have no copies. At equal times one with a
    /// contact stays before one without.
    pub fn drop_copies(&mut self) -> Vec<Conversion> {
        let mut rows = std::mem::take(&mut self.rows);
        let texts = |c: &Conversion| (self.event(c), self.category(c), self.contact(c).is_none(), self.contact(c));
        rows.sort_unstable_by(|a, b| {
            a.occurred_at.cmp(&b.occurred_at).then_with(|| texts(a).cmp(&texts(b))).then(a.bot.cmp(&b.bot))
        });
        let mut last_delivery: HashMap<(u32, &str, &str), i64> = HashMap::new();
        let (mut kept, mut dropped) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            let before =
                self.event(&row).and_then(|event| last_delivery.insert((row.bot, event, self.category(&row)), row.occurred_at));
            match before {
                Some(before) if row.occurred_at - before <= COPY_WINDOW => dropped.push(row),
                _ => kept.push(row),
            }
        }
        self.rows = kept;
        dropped
    }
}

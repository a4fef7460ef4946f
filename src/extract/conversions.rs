//! Conversion events: the tracked events whose category is the one in effect at their own instant (rules 7, 8 and 18).
//!
//! [`ConversionReader`] takes batches of an events partition and keeps the conversion events, sorted, with contacts as they came;
//! rows that could convert and break the contract are set aside with a reason. [`Conversions`] is what many partitions hold
//! together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use foldhash::fast::FixedState;

use crate::base::bound::Bound;
use crate::base::cells::Instant;
use crate::base::day::Day;
use crate::base::dictionary::{Codes, Dictionary, column};
use crate::base::digest::{Digest, short_hash, short_hash_and};
use crate::base::error::{Error, Result};
use crate::base::limits::COPY_WINDOW;
use crate::base::parallel::at_once;
use crate::base::schema;
use crate::config::BotCodes;
use crate::extract::found::{Extract, NotedRow, Scope, set_aside};
use crate::extract::touches::{cell, time_fault};

const COLUMNS: [&str; 5] = ["bot_id", "contact_id", "category", "occurred_at", "event_id"];

/// Which rows could be conversion events: some setting of some bot names their category.
pub fn could_convert(bound: &Bound, categories: &HashSet<String, FixedState>, batch: &RecordBatch) -> Result<BooleanArray> {
    let cells = bound.text("category", batch)?;
    Ok(cells.iter().map(|category| Some(category.is_some_and(|category| categories.contains(category)))).collect())
}

/// Takes the batches of one events partition.
pub struct ConversionReader<'a> {
    scope: &'a Scope<'a>,
    day: Day,
    rows: Vec<ConversionRow>,
    batches: Vec<ConversionTexts>,
    pub extract: Extract,
}

/// A row that counts. Its texts stay in the batch it came with.
struct ConversionRow {
    contact_hash: Option<i64>,
    bot: usize,
    occurred_at: i64,
    batch: u32,
    row: u32,
}

struct ConversionTexts {
    contacts: StringArray,
    categories: StringArray,
    events: StringArray,
}

/// A row of the working table, in the order of its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConversionCells<'a> {
    pub bot: &'a str,
    pub contact: Option<&'a str>,
    pub occurred_at: i64,
    pub category: &'a str,
    pub event: Option<&'a str>,
}

/// Rows as a working table.
pub fn table(rows: &[ConversionCells<'_>]) -> Result<RecordBatch> {
    let event_hash = |row: &ConversionCells<'_>| row.event.map(|event| short_hash_and(short_hash(event), row.category));
    let batch = RecordBatch::try_new(
        schema::conversions().schema,
        vec![
            Arc::new(rows.iter().map(|row| row.contact.map(short_hash)).collect::<Int64Array>()),
            Arc::new(rows.iter().map(event_hash).collect::<Int64Array>()),
            Arc::new(column(rows.iter().map(|row| Some(row.bot)))),
            Arc::new(column(rows.iter().map(|row| row.contact))),
            Arc::new(rows.iter().map(|row| row.occurred_at).collect::<Int64Array>()),
            Arc::new(column(rows.iter().map(|row| Some(row.category)))),
            Arc::new(column(rows.iter().map(|row| row.event))),
        ],
    );
    batch.map_err(|error| Error::bug("conversion events do not fit their schema").source(error))
}

impl<'a> ConversionReader<'a> {
    pub fn new(scope: &'a Scope<'a>, day: Day) -> ConversionReader<'a> {
        ConversionReader { scope, day, rows: Vec::new(), batches: Vec::new(), extract: Extract::new(&schema::EVENTS) }
    }

    /// A batch in which [`could_convert`] holds for every row.
    pub fn take(&mut self, bound: &Bound, batch: &RecordBatch) -> Result<()> {
        let text = |name| bound.text(name, batch);
        let (bots, contacts, categories, events) = (text("bot_id")?, text("contact_id")?, text("category")?, text("event_id")?);
        let times = bound.instants("occurred_at", batch)?;
        let batch_of_rows = self.batches.len() as u32;
        let mut reasons = Vec::new();
        for (row, time) in times.into_iter().enumerate() {
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
            let reason = if bot.is_none() { Some("no_bot") } else { time_fault(time, self.day) };
            match (reason, bot, time) {
                (None, Some(bot), Instant::At(occurred_at)) => {
                    if self.scope.settings.bots[bot].category_at(occurred_at) != Some(category) {
                        self.extract.not_in_effect += 1;
                        continue;
                    }
                    let contact_hash = cell(&contacts, row as u32).map(short_hash);
                    self.rows.push(ConversionRow { contact_hash, bot, occurred_at, batch: batch_of_rows, row: row as u32 });
                }
                (reason, ..) => {
                    let reason = reason.ok_or_else(|| Error::bug("a row without a fault and without a time"))?;
                    self.extract.count_rejected(setting_bot.map(|bot| bot.id.as_str()), reason);
                    reasons.push((row, reason));
                }
            }
        }
        set_aside(&mut self.extract, &COLUMNS, "occurred_at", bound, batch, &reasons)?;
        self.batches.push(ConversionTexts { contacts, categories, events });
        Ok(())
    }

    /// Adds what was taken of another object of the partition.
    pub fn append(&mut self, other: ConversionReader<'a>) {
        let batches = self.batches.len() as u32;
        self.rows.extend(other.rows.into_iter().map(|row| ConversionRow { batch: row.batch + batches, ..row }));
        self.batches.extend(other.batches);
        self.extract.append(other.extract);
    }

    fn cells(&self, row: &ConversionRow) -> ConversionCells<'_> {
        let batch = &self.batches[row.batch as usize];
        ConversionCells {
            bot: &self.scope.settings.bots[row.bot].id,
            contact: cell(&batch.contacts, row.row),
            occurred_at: row.occurred_at,
            category: batch.categories.value(row.row as usize),
            event: cell(&batch.events, row.row),
        }
    }

    /// The working table of the partition.
    pub fn finish(mut self) -> Result<(RecordBatch, Extract)> {
        // Files and rows come in any order; the working table has one.
        let mut order = std::mem::take(&mut self.rows);
        let mut extract = std::mem::take(&mut self.extract);
        order.sort_unstable_by(|a, b| a.contact_hash.cmp(&b.contact_hash).then_with(|| self.cells(a).cmp(&self.cells(b))));
        let rows: Vec<ConversionCells<'_>> = order.iter().map(|row| self.cells(row)).collect();
        extract.accepted = rows.len() as u64;
        let noted = order.iter().zip(&rows).map(|(place, row)| {
            let at = row.occurred_at.to_string();
            let digest = Digest::of_row([Some(row.bot), row.contact, Some(&at), Some(row.category), row.event]);
            NotedRow { bot: place.bot, at: row.occurred_at, attributed: false, counted: digest, whole: digest }
        });
        let instants = order.iter().map(|row| (row.bot, row.occurred_at));
        let (table, ()) = at_once(|| table(&rows), || extract.note_rows(noted, instants, self.scope))?;
        Ok((table?, extract))
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

/// The rows of many working tables. Ids stay where they were read.
#[derive(Default)]
pub struct Conversions {
    pub rows: Vec<Conversion>,
    batches: Vec<ConversionBatch>,
    categories: Dictionary,
}

struct ConversionBatch {
    contact_hashes: Int64Array,
    event_hashes: Int64Array,
    contacts: StringArray,
    events: StringArray,
    categories: Codes,
}

fn number(array: &Int64Array, row: u32) -> Option<i64> {
    array.is_valid(row as usize).then(|| array.value(row as usize))
}

impl Conversions {
    /// Adds the rows of a working table. `bots` gives the index of each bot's id; rows of bots it does not know are left out.
    pub fn add(&mut self, batch: &RecordBatch, bots: &BotCodes<'_>) {
        let text = |column: usize| batch.column(column).as_string::<i32>().clone();
        let number = |column: usize| batch.column(column).as_primitive::<Int64Type>().clone();
        let (ids, times) = (text(2), number(4));
        let at = self.batches.len() as u32;
        for row in 0..batch.num_rows() {
            if let Some(bot) = bots.get(ids.value(row)) {
                self.rows.push(Conversion { bot: *bot, occurred_at: times.value(row), batch: at, row: row as u32 });
            }
        }
        self.batches.push(ConversionBatch {
            contact_hashes: number(0),
            event_hashes: number(1),
            contacts: text(3),
            events: text(6),
            categories: self.categories.encode(text(5).iter()),
        });
    }

    fn batch(&self, conversion: &Conversion) -> &ConversionBatch {
        &self.batches[conversion.batch as usize]
    }

    /// None where the event has no contact.
    pub fn contact_hash(&self, conversion: &Conversion) -> Option<i64> {
        number(&self.batch(conversion).contact_hashes, conversion.row)
    }

    /// None where the event has no id.
    pub fn event_hash(&self, conversion: &Conversion) -> Option<i64> {
        number(&self.batch(conversion).event_hashes, conversion.row)
    }

    /// As it came; none where the event has no contact.
    pub fn contact<'a>(&'a self, conversion: &Conversion) -> Option<&'a str> {
        cell(&self.batch(conversion).contacts, conversion.row)
    }

    /// The category's index among [`Conversions::categories`]; every conversion event has one.
    pub fn category_code(&self, conversion: &Conversion) -> Option<u32> {
        self.batch(conversion).categories.get(conversion.row)
    }

    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.categories.iter()
    }

    pub fn category<'a>(&'a self, conversion: &Conversion) -> &'a str {
        self.category_code(conversion).map_or("", |code| self.categories.text(code))
    }

    pub fn event<'a>(&'a self, conversion: &Conversion) -> Option<&'a str> {
        cell(&self.batch(conversion).events, conversion.row)
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

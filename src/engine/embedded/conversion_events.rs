//! The conversion events of many partitions together, and which of them are deliveries of the same event (rule 7).
//!
//! In: the rows of partitions as `schema::conversions()`; they stay in the batches they came with, and a [`Event`] is a place
//! there.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;

use crate::base::dictionary::{Codes, Dictionary};
use crate::base::limits::COPY_WINDOW;
use crate::config::BotCodes;
use crate::engine::rows::EventRow;
use crate::extract::touches::cell;

/// A conversion event, as a place in the batches.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Index of the bot.
    pub bot: u32,
    pub occurred_at: i64,
    batch: u32,
    row: u32,
}

/// The conversion events of many partitions. Ids stay where they were read.
#[derive(Default)]
pub struct Events {
    pub rows: Vec<Event>,
    batches: Vec<EventBatch>,
    categories: Dictionary,
}

struct EventBatch {
    contact_hashes: Int64Array,
    event_hashes: Int64Array,
    contacts: StringArray,
    events: StringArray,
    categories: Codes,
}

fn number(array: &Int64Array, row: u32) -> Option<i64> {
    array.is_valid(row as usize).then(|| array.value(row as usize))
}

impl Events {
    /// Adds the rows of a batch. `bots` gives the index of each bot's id; rows of bots it does not know are left out.
    pub fn add(&mut self, batch: &RecordBatch, bots: &BotCodes<'_>) {
        let text = |column: usize| batch.column(column).as_string::<i32>().clone();
        let number = |column: usize| batch.column(column).as_primitive::<Int64Type>().clone();
        let (ids, times) = (text(2), number(4));
        let at = self.batches.len() as u32;
        for row in 0..batch.num_rows() {
            if let Some(bot) = bots.get(ids.value(row)) {
                self.rows.push(Event { bot: *bot, occurred_at: times.value(row), batch: at, row: row as u32 });
            }
        }
        self.batches.push(EventBatch {
            contact_hashes: number(0),
            event_hashes: number(1),
            contacts: text(3),
            events: text(6),
            categories: self.categories.encode(text(5).iter()),
        });
    }

    fn batch(&self, event: &Event) -> &EventBatch {
        &self.batches[event.batch as usize]
    }

    /// None where the event has no contact.
    pub fn contact_hash(&self, event: &Event) -> Option<i64> {
        number(&self.batch(event).contact_hashes, event.row)
    }

    /// None where the event has no id.
    pub fn event_hash(&self, event: &Event) -> Option<i64> {
        number(&self.batch(event).event_hashes, event.row)
    }

    /// The contact as it came; none where the event has none.
    pub fn contact<'a>(&'a self, event: &Event) -> Option<&'a str> {
        cell(&self.batch(event).contacts, event.row)
    }

    /// The category's index among [`Events::categories`]; every conversion event has one.
    pub fn category_code(&self, event: &Event) -> Option<u32> {
        self.batch(event).categories.get(event.row)
    }

    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.categories.iter()
    }

    pub fn category<'a>(&'a self, event: &Event) -> &'a str {
        self.category_code(event).map_or("", |code| self.categories.text(code))
    }

    pub fn event<'a>(&'a self, event: &Event) -> Option<&'a str> {
        cell(&self.batch(event).events, event.row)
    }

    /// The event as the engine's callers see it.
    pub(super) fn row<'a>(&'a self, event: &Event) -> EventRow<'a> {
        EventRow {
            bot: event.bot,
            contact: self.contact(event),
            occurred_at: event.occurred_at,
            category: self.category(event),
            event: self.event(event),
        }
    }

    /// Sorts the rows by time and takes the copies out, which are returned: conversion events of one bot, event id and category of
    /// which another lies at most seven days before (rule 7). Events without an id have no copies. At equal times one with a
    /// contact stays before one without.
    pub fn drop_copies(&mut self) -> Vec<Event> {
        let mut rows = std::mem::take(&mut self.rows);
        let texts = |c: &Event| (self.event(c), self.category(c), self.contact(c).is_none(), self.contact(c));
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

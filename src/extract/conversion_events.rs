//! Conversion events: the tracked events whose category is the one in effect at their own instant (rules 7, 8 and 18).
//!
//! `EventReader` takes batches of one events partition and keeps the conversion events, sorted, with contacts as they came;
//! rows that could convert and break the contract are set aside with a reason. Copies are still among them. A category that differs
//! from one that is named by case or white space only does not count, and is counted for a warning.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};

use crate::base::bound::Bound;
use crate::base::day::Day;
use crate::base::dictionary::column;
use crate::base::digest::{Digest, short_hash, short_hash_and};
use crate::base::error::{Error, Result};
use crate::base::parallel::at_once;
use crate::base::schema;
use crate::base::times::Instant;
use crate::extract::found::{NotedRow, RawContent, Read, Scope};
use crate::extract::noticed::AlikeCategories;
use crate::extract::set_aside::{Reason, SetAside};
use crate::extract::touches::{cell, time_fault};

const COLUMNS: [&str; 5] = ["bot_id", "contact_id", "category", "occurred_at", "event_id"];

/// Takes the batches of one events partition.
pub(crate) struct EventReader<'a> {
    scope: &'a Scope<'a>,
    /// The instants that rows of the partition may have.
    allowed: Range<i64>,
    rows: Vec<AcceptedEvent>,
    batches: Vec<EventTexts>,
    content: RawContent,
    set_aside: SetAside,
    alike: AlikeCategories<'a>,
}

/// A row that counts. Its texts stay in the batch it came with.
struct AcceptedEvent {
    contact_hash: Option<i64>,
    bot: usize,
    occurred_at: i64,
    batch: u32,
    row: u32,
}

struct EventTexts {
    contacts: StringArray,
    categories: StringArray,
    events: StringArray,
}

/// A row of the table, in the order of its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCells<'a> {
    pub bot: &'a str,
    pub contact: Option<&'a str>,
    pub occurred_at: i64,
    pub category: &'a str,
    pub event: Option<&'a str>,
}

/// Rows as a table.
pub fn table(rows: &[EventCells<'_>]) -> Result<RecordBatch> {
    let event_hash = |row: &EventCells<'_>| row.event.map(|event| short_hash_and(short_hash(event), row.category));
    schema::conversions().batch(vec![
        Arc::new(rows.iter().map(|row| row.contact.map(short_hash)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(event_hash).collect::<Int64Array>()),
        Arc::new(column(rows.iter().map(|row| Some(row.bot)))),
        Arc::new(column(rows.iter().map(|row| row.contact))),
        Arc::new(rows.iter().map(|row| row.occurred_at).collect::<Int64Array>()),
        Arc::new(column(rows.iter().map(|row| Some(row.category)))),
        Arc::new(column(rows.iter().map(|row| row.event))),
    ])
}

impl<'a> EventReader<'a> {
    /// For the rows of an object, or of those that are appended.
    pub(crate) fn new(scope: &'a Scope<'a>, day: Day, object: Option<&str>) -> EventReader<'a> {
        let allowed = scope.settings.events.zone.allowed_instants(day);
        let set_aside = SetAside::new(&COLUMNS, object);
        let alike = AlikeCategories::of(scope.settings);
        EventReader { scope, allowed, rows: Vec::new(), batches: Vec::new(), content: RawContent::default(), set_aside, alike }
    }

    /// A batch of rows whose category some setting of some bot names, or one that reads like it.
    pub(crate) fn take(&mut self, bound: &Bound, batch: &RecordBatch) -> Result<()> {
        let cells = |name| bound.cells(name, batch);
        let (bots, contacts, categories, events) =
            (cells("bot_id")?, cells("contact_id")?, cells("category")?, cells("event_id")?);
        let (times, time_faults) = bound.times("occurred_at", batch)?;
        let columns = [("category", &categories), ("contact_id", &contacts), ("event_id", &events), ("bot_id", &bots)];
        let batch_of_rows = self.batches.len() as u32;
        let mut reasons = Vec::new();
        for (row, time) in times.into_iter().enumerate() {
            let category = categories.get(row);
            let is_named = category.is_none_or(|category| self.scope.categories.contains(category));
            if let Some(category) = category.filter(|_| !is_named) {
                if let Ok(Some(bot)) = self.scope.bot(bots.get(row)) {
                    self.content.noticed.note_category(self.alike.to(bot, category), category);
                }
                continue;
            }
            let bot = match self.scope.bot(bots.get(row)) {
                Ok(bot) => bot,
                Err(stranger) => {
                    self.content.count_out_of_scope(stranger);
                    continue;
                }
            };
            let setting = bot.map(|index| &self.scope.settings.bots[index]);
            if let (Some(of), Some(index), Some(category)) = (setting, bot, category)
                && !of.names_category(category)
            {
                self.content.noticed.note_category(self.alike.to(index, category), category);
                continue;
            }
            let reason = Reason::of_cells(&columns, ("occurred_at", &time_faults), row).or_else(|| match bot {
                None => Some(Reason::new("no_bot", "bot_id")),
                Some(_) => time_fault(time, &self.allowed).map(|name| Reason::new(name, "occurred_at")),
            });
            match (reason, bot, time) {
                (None, Some(bot), Instant::At(occurred_at)) => {
                    if self.scope.settings.bots[bot].category_at(occurred_at) != category {
                        self.content.not_in_effect += 1;
                        continue;
                    }
                    let contact_hash = contacts.get(row).map(short_hash);
                    self.rows.push(AcceptedEvent { contact_hash, bot, occurred_at, batch: batch_of_rows, row: row as u32 });
                }
                (reason, ..) => {
                    let reason = reason.ok_or_else(|| Error::bug("a row without a fault and without a time"))?;
                    self.content.count_rejected(setting.map(|of| of.id.as_str()), reason.name);
                    reasons.push((row, reason));
                }
            }
        }
        self.set_aside.take(bound, batch, &reasons)?;
        self.batches.push(EventTexts { contacts: contacts.texts, categories: categories.texts, events: events.texts });
        Ok(())
    }

    /// Adds what was taken of another object of the partition.
    pub(crate) fn append(&mut self, other: EventReader<'a>) {
        let batches = self.batches.len() as u32;
        self.rows.extend(other.rows.into_iter().map(|row| AcceptedEvent { batch: row.batch + batches, ..row }));
        self.batches.extend(other.batches);
        self.content.append(other.content);
        self.set_aside.append(other.set_aside);
    }

    fn cells(&self, row: &AcceptedEvent) -> EventCells<'_> {
        let batch = &self.batches[row.batch as usize];
        EventCells {
            bot: &self.scope.settings.bots[row.bot].id,
            contact: cell(&batch.contacts, row.row),
            occurred_at: row.occurred_at,
            category: batch.categories.value(row.row as usize),
            event: cell(&batch.events, row.row),
        }
    }

    /// The rows of the partition, with what there is to say of them.
    pub(crate) fn finish(mut self) -> Result<Read> {
        // Files and rows come in any order; the table has one.
        let mut order = std::mem::take(&mut self.rows);
        let mut content = std::mem::take(&mut self.content);
        order.sort_unstable_by(|a, b| a.contact_hash.cmp(&b.contact_hash).then_with(|| self.cells(a).cmp(&self.cells(b))));
        let rows: Vec<EventCells<'_>> = order.iter().map(|row| self.cells(row)).collect();
        content.accepted = rows.len() as u64;
        let noted = order.iter().zip(&rows).map(|(place, row)| {
            let at = row.occurred_at.to_string();
            let digest = Digest::of_row([Some(row.bot), row.contact, Some(&at), Some(row.category), row.event]);
            NotedRow { bot: place.bot, at: row.occurred_at, attributed: false, counted: digest, whole: digest }
        });
        let instants = order.iter().map(|row| (row.bot, row.occurred_at));
        let (table, ()) = at_once(|| table(&rows), || content.note_rows(noted, instants, self.scope))?;
        Ok(Read { rows: table?, content, set_aside: self.set_aside })
    }
}

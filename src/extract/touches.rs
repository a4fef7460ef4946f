//! Touches: the inbound messages that a click on an ad or post sent (rules 1, 2, 5 and 18).
//!
//! `TouchReader` takes batches of one messages partition and keeps the rows that could be touches, sorted, with contacts as they
//! came; rows that break the contract are set aside with a reason. Copies are still among them. What a bot or a member of one sent
//! itself is no touch, whatever it bears, and is counted for a warning.
//!
//! Always holds: rows that could be touches = kept + rejected + out of scope + sent by bots, in every partition.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;

use crate::base::bound::Bound;
use crate::base::cells::{Faults, TextCells};
use crate::base::day::Day;
use crate::base::dictionary::column;
use crate::base::digest::{Digest, short_hash};
use crate::base::error::{Error, Result};
use crate::base::parallel::at_once;
use crate::base::schema;
use crate::base::times::Instant;
use crate::extract::found::{NotedRow, RawContent, Read, Scope};
use crate::extract::set_aside::{ABSURD_TIME, NO_TIME, Reason, SetAside, UNKNOWN_DIRECTION, UNREADABLE_TIME};

/// The columns whose presence makes a message a possible touch (rules 1 and 2).
pub(crate) const AD_COLUMNS: [&str; 3] = ["ad_id", "ad_type", "ctwa_clid"];

const COLUMNS: [&str; 9] =
    ["bot_id", "message_id", "contact_id", "sent_at", "direction", "ad_id", "ad_type", "ad_title", "ctwa_clid"];

/// Which rows could be touches, or say that they came from elsewhere: any of the ad columns is not blank, whether it can be read or not.
pub(crate) fn could_be_touch(bound: &Bound, batch: &RecordBatch) -> Result<BooleanArray> {
    let mut any = BooleanBuffer::new_unset(batch.num_rows());
    for name in AD_COLUMNS {
        any = &any | &are_there(bound, name, batch)?;
    }
    Ok(BooleanArray::new(any, None))
}

/// The rows in which a column is not blank.
fn are_there(bound: &Bound, name: &'static str, batch: &RecordBatch) -> Result<BooleanBuffer> {
    if let Some(texts) = bound.plain(name, batch) {
        return Ok(texts.are_there());
    }
    let column = bound.cells(name, batch)?;
    Ok(match column.texts.logical_nulls() {
        _ if !column.faults.is_empty() => (0..batch.num_rows()).map(|row| column.is_there(row)).collect(),
        Some(nulls) => nulls.inner().clone(),
        None => BooleanBuffer::new_set(batch.num_rows()),
    })
}

/// The type that a word names, in small letters; the word where it names none.
fn type_of_ad(word: &str) -> std::result::Result<&'static str, &str> {
    ["ad", "post"].into_iter().find(|name| name.eq_ignore_ascii_case(word)).ok_or(word)
}

/// Takes the batches of one messages partition.
pub(crate) struct TouchReader<'a> {
    scope: &'a Scope<'a>,
    /// The instants that rows of the partition may have.
    allowed: Range<i64>,
    rows: Vec<AcceptedTouch>,
    batches: Vec<TouchTexts>,
    content: RawContent,
    set_aside: SetAside,
}

struct TouchTexts {
    contacts: StringArray,
    messages: StringArray,
    ads: StringArray,
    types: StringArray,
    titles: StringArray,
}

/// The cells of a batch.
struct MessageCells {
    bots: TextCells,
    messages: TextCells,
    contacts: TextCells,
    directions: TextCells,
    ads: TextCells,
    types: TextCells,
    titles: TextCells,
    clicks: TextCells,
    times: Vec<Instant>,
    time_faults: Faults,
}

impl MessageCells {
    fn read(bound: &Bound, batch: &RecordBatch) -> Result<MessageCells> {
        let cells = |name| bound.cells(name, batch);
        let (times, time_faults) = bound.times("sent_at", batch)?;
        Ok(MessageCells {
            bots: cells("bot_id")?,
            messages: cells("message_id")?,
            contacts: cells("contact_id")?,
            directions: cells("direction")?,
            ads: cells("ad_id")?,
            types: cells("ad_type")?,
            titles: cells("ad_title")?,
            clicks: cells("ctwa_clid")?,
            times,
            time_faults,
        })
    }

    /// The texts of rows that count.
    fn kept(self) -> TouchTexts {
        TouchTexts {
            contacts: self.contacts.texts,
            messages: self.messages.texts,
            ads: self.ads.texts,
            types: self.types.texts,
            titles: self.titles.texts,
        }
    }

    /// Why a row of a bot, or of none, cannot be a touch (rule 18).
    fn fault(&self, row: usize, has_bot: bool, allowed: &Range<i64>) -> Option<Reason> {
        let columns = [
            ("ad_id", &self.ads),
            ("ctwa_clid", &self.clicks),
            ("ad_type", &self.types),
            ("contact_id", &self.contacts),
            ("message_id", &self.messages),
            ("bot_id", &self.bots),
            ("direction", &self.directions),
            ("ad_title", &self.titles),
        ];
        if let Some(reason) = Reason::of_cells(&columns, ("sent_at", &self.time_faults), row) {
            return Some(reason);
        }
        if !has_bot {
            Some(Reason::new("no_bot", "bot_id"))
        } else if self.contacts.get(row).is_none() {
            Some(Reason::new("no_contact", "contact_id"))
        } else if self.messages.get(row).is_none() {
            Some(Reason::new("no_message_id", "message_id"))
        } else if self.directions.get(row).is_some_and(|word| word != "received") {
            Some(Reason::new(UNKNOWN_DIRECTION, "direction"))
        } else {
            time_fault(self.times[row], allowed).map(|name| Reason::new(name, "sent_at"))
        }
    }
}

/// A row that counts. Its texts stay in the batch it came with.
struct AcceptedTouch {
    contact_hash: i64,
    bot: usize,
    sent_at: i64,
    batch: u32,
    row: u32,
}

impl<'a> TouchReader<'a> {
    /// For the rows of an object, or of those that are appended.
    pub(crate) fn new(scope: &'a Scope<'a>, day: Day, object: Option<&str>) -> TouchReader<'a> {
        let allowed = scope.settings.messages.zone.allowed_instants(day);
        let set_aside = SetAside::new(&COLUMNS, object);
        TouchReader { scope, allowed, rows: Vec::new(), batches: Vec::new(), content: RawContent::default(), set_aside }
    }

    /// The rows of a batch in which [`could_be_touch`] holds for every row.
    pub(crate) fn take(&mut self, bound: &Bound, batch: &RecordBatch) -> Result<()> {
        let cells = MessageCells::read(bound, batch)?;
        let batch_of_rows = self.batches.len() as u32;
        let mut reasons = Vec::new();
        for row in 0..batch.num_rows() {
            if cells.directions.get(row) == Some("sent") {
                continue;
            }
            let ad_type = cells.types.get(row).map(type_of_ad);
            let is_there = [&cells.ads, &cells.clicks].into_iter().any(|column| column.is_there(row));
            let is_touch = is_there || matches!(ad_type, Some(Ok(_))) || cells.types.faults.of(row).is_some();
            let bot = match self.scope.bot(cells.bots.get(row)) {
                Ok(bot) => bot,
                Err(stranger) => {
                    if is_touch {
                        self.content.count_out_of_scope(stranger);
                    }
                    continue;
                }
            };
            if let (Some(Err(word)), Some(_)) = (ad_type, bot) {
                self.content.noticed.ad_types.count(word, is_touch);
            }
            if !is_touch {
                continue;
            }
            let contact = cells.contacts.get(row).filter(|_| bot.is_some());
            if let Some(of) = contact.filter(|contact| self.scope.is_bot(contact)) {
                self.content.noticed.bots.add(of, 1);
                continue;
            }
            match (cells.fault(row, bot.is_some(), &self.allowed), bot, cells.times[row]) {
                (None, Some(bot), Instant::At(sent_at)) => {
                    self.content.noticed.note_ad(cells.ads.get(row));
                    let contact_hash = short_hash(cells.contacts.texts.value(row));
                    self.rows.push(AcceptedTouch { contact_hash, bot, sent_at, batch: batch_of_rows, row: row as u32 });
                }
                (reason, bot, _) => {
                    let reason = reason.ok_or_else(|| Error::bug("a row without a fault and without a time"))?;
                    let bot = bot.map(|bot| self.scope.settings.bots[bot].id.as_str());
                    self.content.count_rejected(bot, reason.name);
                    reasons.push((row, reason));
                }
            }
        }
        self.note_odd_cells(bound, &cells);
        self.batches.push(cells.kept());
        self.set_aside.take(bound, batch, &reasons)
    }

    /// Counts the touches of the last batch that have no direction, where the file has one, and those of which the title is no text.
    fn note_odd_cells(&mut self, bound: &Bound, cells: &MessageCells) {
        let of_batch = || self.rows.iter().rev().take_while(|row| row.batch as usize == self.batches.len());
        if cells.directions.texts.null_count() > 0 && bound.is_there("direction") {
            let without = of_batch().filter(|row| cells.directions.get(row.row as usize).is_none()).count();
            self.content.noticed.without_direction += without as u64;
        }
        if !cells.titles.no_texts.is_empty() {
            let titles = of_batch().filter(|row| cells.titles.no_texts.binary_search(&(row.row as usize)).is_ok());
            let titles: Vec<&str> = titles.filter_map(|row| cells.titles.get(row.row as usize)).collect();
            titles.into_iter().for_each(|title| self.content.noticed.titles.add(title, 1));
        }
    }

    /// Adds what was taken of another object of the partition.
    pub(crate) fn append(&mut self, other: TouchReader<'a>) {
        let batches = self.batches.len() as u32;
        self.rows.extend(other.rows.into_iter().map(|row| AcceptedTouch { batch: row.batch + batches, ..row }));
        self.batches.extend(other.batches);
        self.content.append(other.content);
        self.set_aside.append(other.set_aside);
    }

    fn cells(&self, row: &AcceptedTouch) -> TouchCells<'_> {
        let batch = &self.batches[row.batch as usize];
        TouchCells {
            bot: &self.scope.settings.bots[row.bot].id,
            contact: batch.contacts.value(row.row as usize),
            sent_at: row.sent_at,
            message: batch.messages.value(row.row as usize),
            ad: cell(&batch.ads, row.row),
            ad_type: cell(&batch.types, row.row).and_then(|word| type_of_ad(word).ok()),
            title: cell(&batch.titles, row.row),
        }
    }

    /// The rows of the partition, with what there is to say of them.
    pub(crate) fn finish(mut self) -> Result<Read> {
        // Files and rows come in any order; the table has one.
        let mut order = std::mem::take(&mut self.rows);
        let mut content = std::mem::take(&mut self.content);
        order.sort_unstable_by(|a, b| a.contact_hash.cmp(&b.contact_hash).then_with(|| self.cells(a).cmp(&self.cells(b))));
        let rows: Vec<TouchCells<'_>> = order.iter().map(|row| self.cells(row)).collect();
        content.accepted = rows.len() as u64;
        let noted = order.iter().zip(&rows).map(|(place, row)| {
            let at = row.sent_at.to_string();
            let counted = [Some(row.bot), Some(row.contact), Some(at.as_str()), Some(row.message), row.ad];
            let whole = Digest::of_row(counted.into_iter().chain([row.ad_type, row.title]));
            let counted = Digest::of_row(counted);
            NotedRow { bot: place.bot, at: row.sent_at, attributed: row.ad.is_some(), counted, whole }
        });
        let instants = order.iter().map(|row| (row.bot, row.sent_at));
        let (table, ()) = at_once(|| table(&rows), || content.note_rows(noted, instants, self.scope))?;
        Ok(Read { rows: table?, content, set_aside: self.set_aside })
    }
}

/// A row of the table, in the order of its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TouchCells<'a> {
    pub bot: &'a str,
    pub contact: &'a str,
    pub sent_at: i64,
    pub message: &'a str,
    pub ad: Option<&'a str>,
    pub ad_type: Option<&'a str>,
    pub title: Option<&'a str>,
}

/// Rows as a table.
pub fn table(rows: &[TouchCells<'_>]) -> Result<RecordBatch> {
    schema::touches().batch(vec![
        Arc::new(rows.iter().map(|row| short_hash(row.contact)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| short_hash(row.message)).collect::<Int64Array>()),
        Arc::new(column(rows.iter().map(|row| Some(row.bot)))),
        Arc::new(column(rows.iter().map(|row| Some(row.contact)))),
        Arc::new(rows.iter().map(|row| row.sent_at).collect::<Int64Array>()),
        Arc::new(column(rows.iter().map(|row| Some(row.message)))),
        Arc::new(column(rows.iter().map(|row| row.ad))),
        Arc::new(column(rows.iter().map(|row| row.ad_type))),
        Arc::new(column(rows.iter().map(|row| row.title))),
    ])
}

/// Why a time cannot be used (rule 18, and the span of days that the contract allows).
pub(crate) fn time_fault(time: Instant, allowed: &Range<i64>) -> Option<&'static str> {
    match time {
        Instant::Absent => Some(NO_TIME),
        Instant::Unreadable => Some(UNREADABLE_TIME),
        Instant::At(micros) => (!allowed.contains(&micros)).then_some(ABSURD_TIME),
    }
}

/// The text of an array's row; null where it has none.
pub(crate) fn cell(array: &StringArray, row: u32) -> Option<&str> {
    array.is_valid(row as usize).then(|| array.value(row as usize))
}

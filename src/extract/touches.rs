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
use crate::base::cells::Instant;
use crate::base::day::Day;
use crate::base::dictionary::column;
use crate::base::digest::{Digest, short_hash};
use crate::base::error::{Error, Result};
use crate::base::parallel::at_once;
use crate::base::schema;
use crate::extract::found::{NotedRow, RawContent, Read, Scope, SetAside};

/// The columns whose presence makes a message a possible touch (rules 1 and 2).
pub(crate) const AD_COLUMNS: [&str; 3] = ["ad_id", "ad_type", "ctwa_clid"];

const COLUMNS: [&str; 9] =
    ["bot_id", "message_id", "contact_id", "sent_at", "direction", "ad_id", "ad_type", "ad_title", "ctwa_clid"];

/// Which rows could be touches, or say that they came from elsewhere: any of the ad columns is not blank.
pub(crate) fn could_be_touch(bound: &Bound, batch: &RecordBatch) -> Result<BooleanArray> {
    let columns = AD_COLUMNS.iter().map(|name| bound.text(name, batch)).collect::<Result<Vec<_>>>()?;
    let present: Vec<BooleanBuffer> = columns
        .iter()
        .map(|column| match column.logical_nulls() {
            Some(nulls) => nulls.inner().clone(),
            None => BooleanBuffer::new_set(batch.num_rows()),
        })
        .collect();
    let any = present.iter().skip(1).fold(present[0].clone(), |any, column| &any | column);
    Ok(BooleanArray::new(any, None))
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

/// A row that counts. Its texts stay in the batch it came with.
struct AcceptedTouch {
    contact_hash: i64,
    bot: usize,
    sent_at: i64,
    batch: u32,
    row: u32,
}

impl<'a> TouchReader<'a> {
    pub(crate) fn new(scope: &'a Scope<'a>, day: Day) -> TouchReader<'a> {
        let allowed = scope.settings.messages.zone.allowed_instants(day);
        let set_aside = SetAside::new(&COLUMNS, "sent_at");
        TouchReader { scope, allowed, rows: Vec::new(), batches: Vec::new(), content: RawContent::default(), set_aside }
    }

    /// The rows of a batch in which [`could_be_touch`] holds for every row.
    pub(crate) fn take(&mut self, bound: &Bound, batch: &RecordBatch) -> Result<()> {
        let text = |name| bound.text(name, batch);
        let (bots, messages, contacts, directions) =
            (text("bot_id")?, text("message_id")?, text("contact_id")?, text("direction")?);
        let (ads, types, titles, clicks) = (text("ad_id")?, text("ad_type")?, text("ad_title")?, text("ctwa_clid")?);
        let times = bound.instants("sent_at", batch)?;
        let batch_of_rows = self.batches.len() as u32;
        let mut reasons = Vec::new();
        for (row, time) in times.into_iter().enumerate() {
            if directions.is_valid(row) && directions.value(row) == "sent" {
                continue;
            }
            let ad_type = cell(&types, row as u32).map(type_of_ad);
            let is_touch = ads.is_valid(row) || clicks.is_valid(row) || matches!(ad_type, Some(Ok(_)));
            let bot = match self.scope.bot(bots.is_valid(row).then(|| bots.value(row))) {
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
            let contact = cell(&contacts, row as u32);
            if let Some(of) = contact.filter(|contact| bot.is_some() && self.scope.is_bot(contact)) {
                self.content.noticed.bots.add(of, 1);
                continue;
            }
            let reason = if bot.is_none() {
                Some("no_bot")
            } else if contact.is_none() {
                Some("no_contact")
            } else if messages.is_null(row) {
                Some("no_message_id")
            } else if directions.is_valid(row) && directions.value(row) != "received" {
                Some("unknown_direction")
            } else {
                time_fault(time, &self.allowed)
            };
            match (reason, bot, time) {
                (None, Some(bot), Instant::At(sent_at)) => {
                    self.content.noticed.note_ad(cell(&ads, row as u32));
                    let contact_hash = short_hash(contacts.value(row));
                    self.rows.push(AcceptedTouch { contact_hash, bot, sent_at, batch: batch_of_rows, row: row as u32 });
                }
                (reason, bot, _) => {
                    let reason = reason.ok_or_else(|| Error::bug("a row without a fault and without a time"))?;
                    let bot = bot.map(|bot| self.scope.settings.bots[bot].id.as_str());
                    self.content.count_rejected(bot, reason);
                    reasons.push((row, reason));
                }
            }
        }
        self.batches.push(TouchTexts { contacts, messages, ads, types, titles });
        self.set_aside.take(bound, batch, &reasons)
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
        Instant::Absent => Some("no_time"),
        Instant::Unreadable => Some("unreadable_time"),
        Instant::At(micros) => (!allowed.contains(&micros)).then_some("absurd_time"),
    }
}

/// The text of an array's row; null where it has none.
pub(crate) fn cell(array: &StringArray, row: u32) -> Option<&str> {
    array.is_valid(row as usize).then(|| array.value(row as usize))
}

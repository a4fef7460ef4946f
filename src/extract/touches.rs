//! Touches: the inbound messages that a click on an ad or post sent (rules 1, 2, 5 and 18).
//!
//! [`TouchReader`] takes batches of a messages partition and keeps the rows that could be touches, sorted, with contacts as they
//! came; rows that break the contract are set aside with a reason. [`Touches`] is what many partitions hold together, and
//! [`Touches::drop_copies`] says which of its rows are deliveries of the same message.
//!
//! Always holds: rows that could be touches = kept + rejected + out of scope, in every partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Int64Type;

use crate::base::bound::Bound;
use crate::base::cells::Instant;
use crate::base::day::Day;
use crate::base::dictionary::{Codes, Dictionary, column};
use crate::base::digest::{Digest, short_hash};
use crate::base::error::{Error, Result};
use crate::base::limits::{COPY_WINDOW, DAYS_AHEAD, DAYS_LATE};
use crate::base::parallel::{at_once, sort_by};
use crate::base::schema;
use crate::config::BotCodes;
use crate::extract::found::{Extract, NotedRow, Scope, set_aside};

/// The columns whose presence makes a message a possible touch (rules 1 and 2).
pub const AD_COLUMNS: [&str; 3] = ["ad_id", "ad_type", "ctwa_clid"];

const COLUMNS: [&str; 9] =
    ["bot_id", "message_id", "contact_id", "sent_at", "direction", "ad_id", "ad_type", "ad_title", "ctwa_clid"];

/// Which rows could be touches: any of the ad columns is not blank.
pub fn could_be_touch(bound: &Bound, batch: &RecordBatch) -> Result<BooleanArray> {
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

/// Takes the batches of one messages partition.
pub struct TouchReader<'a> {
    scope: &'a Scope<'a>,
    day: Day,
    rows: Vec<TouchRow>,
    batches: Vec<TouchTexts>,
    pub extract: Extract,
}

struct TouchTexts {
    contacts: StringArray,
    messages: StringArray,
    ads: StringArray,
    types: StringArray,
    titles: StringArray,
}

/// A row that counts. Its texts stay in the batch it came with.
struct TouchRow {
    contact_hash: i64,
    bot: usize,
    sent_at: i64,
    batch: u32,
    row: u32,
}

impl<'a> TouchReader<'a> {
    pub fn new(scope: &'a Scope<'a>, day: Day) -> TouchReader<'a> {
        TouchReader { scope, day, rows: Vec::new(), batches: Vec::new(), extract: Extract::new(&schema::MESSAGES) }
    }

    /// A batch in which [`could_be_touch`] holds for every row.
    pub fn take(&mut self, bound: &Bound, batch: &RecordBatch) -> Result<()> {
        let text = |name| bound.text(name, batch);
        let (bots, messages, contacts, directions) =
            (text("bot_id")?, text("message_id")?, text("contact_id")?, text("direction")?);
        let (ads, types, titles) = (text("ad_id")?, text("ad_type")?, text("ad_title")?);
        let times = bound.instants("sent_at", batch)?;
        let batch_of_rows = self.batches.len() as u32;
        let mut reasons = Vec::new();
        for (row, time) in times.into_iter().enumerate() {
            if directions.is_valid(row) && directions.value(row) == "sent" {
                continue;
            }
            let bot = match self.scope.bot(bots.is_valid(row).then(|| bots.value(row))) {
                Ok(bot) => bot,
                Err(stranger) => {
                    self.extract.count_out_of_scope(stranger);
                    continue;
                }
            };
            let reason = if bot.is_none() {
                Some("no_bot")
            } else if contacts.is_null(row) {
                Some("no_contact")
            } else if messages.is_null(row) {
                Some("no_message_id")
            } else if directions.is_valid(row) && directions.value(row) != "received" {
                Some("unknown_direction")
            } else {
                time_fault(time, self.day)
            };
            match (reason, bot, time) {
                (None, Some(bot), Instant::At(sent_at)) => {
                    let contact_hash = short_hash(contacts.value(row));
                    self.rows.push(TouchRow { contact_hash, bot, sent_at, batch: batch_of_rows, row: row as u32 });
                }
                (reason, bot, _) => {
                    let reason = reason.ok_or_else(|| Error::bug("a row without a fault and without a time"))?;
                    let bot = bot.map(|bot| self.scope.settings.bots[bot].id.as_str());
                    self.extract.count_rejected(bot, reason);
                    reasons.push((row, reason));
                }
            }
        }
        self.batches.push(TouchTexts { contacts, messages, ads, types, titles });
        set_aside(&mut self.extract, &COLUMNS, "sent_at", bound, batch, &reasons)
    }

    /// Adds what was taken of another object of the partition.
    pub fn append(&mut self, other: TouchReader<'a>) {
        let batches = self.batches.len() as u32;
        self.rows.extend(other.rows.into_iter().map(|row| TouchRow { batch: row.batch + batches, ..row }));
        self.batches.extend(other.batches);
        self.extract.append(other.extract);
    }

    fn cells(&self, row: &TouchRow) -> TouchCells<'_> {
        let batch = &self.batches[row.batch as usize];
        TouchCells {
            bot: &self.scope.settings.bots[row.bot].id,
            contact: batch.contacts.value(row.row as usize),
            sent_at: row.sent_at,
            message: batch.messages.value(row.row as usize),
            ad: cell(&batch.ads, row.row),
            ad_type: cell(&batch.types, row.row),
            title: cell(&batch.titles, row.row),
        }
    }

    /// The working table of the partition.
    pub fn finish(mut self) -> Result<(RecordBatch, Extract)> {
        // Files and rows come in any order; the working table has one.
        let mut order = std::mem::take(&mut self.rows);
        let mut extract = std::mem::take(&mut self.extract);
        order.sort_unstable_by(|a, b| a.contact_hash.cmp(&b.contact_hash).then_with(|| self.cells(a).cmp(&self.cells(b))));
        let rows: Vec<TouchCells<'_>> = order.iter().map(|row| self.cells(row)).collect();
        extract.accepted = rows.len() as u64;
        let noted = order.iter().zip(&rows).map(|(place, row)| {
            let at = row.sent_at.to_string();
            let counted = [Some(row.bot), Some(row.contact), Some(at.as_str()), Some(row.message), row.ad];
            let whole = Digest::of_row(counted.into_iter().chain([row.ad_type, row.title]));
            let counted = Digest::of_row(counted);
            NotedRow { bot: place.bot, at: row.sent_at, attributed: row.ad.is_some(), counted, whole }
        });
        let instants = order.iter().map(|row| (row.bot, row.sent_at));
        let (table, ()) = at_once(|| table(&rows), || extract.note_rows(noted, instants, self.scope))?;
        Ok((table?, extract))
    }
}

/// A row of the working table, in the order of its columns.
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

/// Rows as a working table.
pub fn table(rows: &[TouchCells<'_>]) -> Result<RecordBatch> {
    let batch = RecordBatch::try_new(
        schema::touches().schema,
        vec![
            Arc::new(rows.iter().map(|row| short_hash(row.contact)).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| short_hash(row.message)).collect::<Int64Array>()),
            Arc::new(column(rows.iter().map(|row| Some(row.bot)))),
            Arc::new(column(rows.iter().map(|row| Some(row.contact)))),
            Arc::new(rows.iter().map(|row| row.sent_at).collect::<Int64Array>()),
            Arc::new(column(rows.iter().map(|row| Some(row.message)))),
            Arc::new(column(rows.iter().map(|row| row.ad))),
            Arc::new(column(rows.iter().map(|row| row.ad_type))),
            Arc::new(column(rows.iter().map(|row| row.title))),
        ],
    );
    batch.map_err(|error| Error::bug("touches do not fit their schema").source(error))
}

/// Why a time cannot be used (rule 18, and the span of days that the contract allows).
pub fn time_fault(time: Instant, partition: Day) -> Option<&'static str> {
    match time {
        Instant::Absent => Some("no_time"),
        Instant::Unreadable => Some("unreadable_time"),
        Instant::At(micros) => {
            let days_early = partition.0 - Day::of_instant(micros).0;
            (!(-DAYS_AHEAD..=DAYS_LATE).contains(&days_early)).then_some("absurd_time")
        }
    }
}

/// One row of a working table of touches.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// Index of the bot.
    pub bot: u32,
    pub sent_at: i64,
    batch: u32,
    row: u32,
}

/// The copies among touches.
pub struct DroppedTouches {
    pub rows: Vec<Touch>,
    /// A known touch counted until new rows came: what is known of its ad is no longer true.
    pub displaces_known: bool,
}

/// The rows of many working tables. Ids stay where they were read.
#[derive(Default)]
pub struct Touches {
    pub rows: Vec<Touch>,
    batches: Vec<TouchBatch>,
    ads: Dictionary,
    types: Dictionary,
    titles: Dictionary,
}

struct TouchBatch {
    /// What these rows say of their ads is known already.
    is_known: bool,
    contact_hashes: Int64Array,
    message_hashes: Int64Array,
    contacts: StringArray,
    messages: StringArray,
    ads: Codes,
    types: Codes,
    titles: Codes,
}

/// The text of an array's row; null where it has none.
pub fn cell(array: &StringArray, row: u32) -> Option<&str> {
    array.is_valid(row as usize).then(|| array.value(row as usize))
}

impl Touches {
    /// Adds the rows of a working table. `bots` gives the index of each bot's id; rows of bots it does not know are left out.
    pub fn add(&mut self, batch: &RecordBatch, bots: &BotCodes<'_>) {
        self.add_rows(batch, bots, false);
    }

    /// Adds rows that were there before: what they say of their ads is known already.
    pub fn add_known(&mut self, batch: &RecordBatch, bots: &BotCodes<'_>) {
        self.add_rows(batch, bots, true);
    }

    fn add_rows(&mut self, batch: &RecordBatch, bots: &BotCodes<'_>, is_known: bool) {
        let text = |column: usize| batch.column(column).as_string::<i32>().clone();
        let number = |column: usize| batch.column(column).as_primitive::<Int64Type>().clone();
        let (ids, times) = (text(2), number(4));
        let at = self.batches.len() as u32;
        for row in 0..batch.num_rows() {
            if let Some(bot) = bots.get(ids.value(row)) {
                self.rows.push(Touch { bot: *bot, sent_at: times.value(row), batch: at, row: row as u32 });
            }
        }
        self.batches.push(TouchBatch {
            is_known,
            contact_hashes: number(0),
            message_hashes: number(1),
            contacts: text(3),
            messages: text(5),
            ads: self.ads.encode(text(6).iter()),
            types: self.types.encode(text(7).iter()),
            titles: self.titles.encode(text(8).iter()),
        });
    }

    fn batch(&self, touch: &Touch) -> &TouchBatch {
        &self.batches[touch.batch as usize]
    }

    pub fn is_known(&self, touch: &Touch) -> bool {
        self.batch(touch).is_known
    }

    pub fn contact_hash(&self, touch: &Touch) -> i64 {
        self.batch(touch).contact_hashes.value(touch.row as usize)
    }

    pub fn message_hash(&self, touch: &Touch) -> i64 {
        self.batch(touch).message_hashes.value(touch.row as usize)
    }

    /// As it came, before identities are resolved.
    pub fn contact<'a>(&'a self, touch: &Touch) -> &'a str {
        self.batch(touch).contacts.value(touch.row as usize)
    }

    pub fn message<'a>(&'a self, touch: &Touch) -> &'a str {
        self.batch(touch).messages.value(touch.row as usize)
    }

    pub fn ad<'a>(&'a self, touch: &Touch) -> Option<&'a str> {
        self.ad_code(touch).map(|code| self.ads.text(code))
    }

    /// The ad's index among [`Touches::ads`].
    pub fn ad_code(&self, touch: &Touch) -> Option<u32> {
        self.batch(touch).ads.get(touch.row)
    }

    pub fn ads(&self) -> impl Iterator<Item = &str> {
        self.ads.iter()
    }

    pub fn ad_type<'a>(&'a self, touch: &Touch) -> Option<&'a str> {
        self.batch(touch).types.get(touch.row).map(|code| self.types.text(code))
    }

    pub fn title<'a>(&'a self, touch: &Touch) -> Option<&'a str> {
        self.batch(touch).titles.get(touch.row).map(|code| self.titles.text(code))
    }

    /// Sorts the rows by time and message id (rules 5 and 12) and takes the copies out, which are returned.
    ///
    /// A copy with an ad id is dropped when another copy with an ad id lies at most seven days before it; one without an ad id
    /// when a copy with an ad id lies within seven days of it, or another without at most seven days before it. Whether the
    /// other copy is itself dropped does not matter, so a decision looks no further than seven days.
    pub fn drop_copies(&mut self) -> Result<DroppedTouches> {
        let mut rows = std::mem::take(&mut self.rows);
        sort_by(&mut rows, |a, b| self.delivery_order(a, b))?;
        let mut is_copy = vec![false; rows.len()];
        let mut displaces_known = false;
        for copies in self.deliveries(&rows)? {
            for i in self.repeated(&rows, &copies) {
                is_copy[i as usize] = true;
            }
            let known: Vec<u32> = copies.iter().copied().filter(|i| self.is_known(&rows[*i as usize])).collect();
            if known.len() < copies.len() {
                let before = self.repeated(&rows, &known);
                displaces_known |= known.iter().any(|i| is_copy[*i as usize] && !before.contains(i));
            }
        }
        let (mut kept, mut dropped) = (Vec::with_capacity(rows.len()), Vec::new());
        for (touch, is_copy) in rows.into_iter().zip(is_copy) {
            if is_copy { dropped.push(touch) } else { kept.push(touch) }
        }
        self.rows = kept;
        Ok(DroppedTouches { rows: dropped, displaces_known })
    }

    /// Which of the deliveries of one message are dropped. They are in order of time, at equal times by contact, ad and title.
    fn repeated(&self, rows: &[Touch], copies: &[u32]) -> Vec<u32> {
        let is_repeated = |n: usize| {
            let touch = &rows[copies[n] as usize];
            let has_ad = self.ad_code(touch).is_some();
            let earlier = copies[..n].iter().rev().map(|j| &rows[*j as usize]);
            let within = |other: &&Touch| (touch.sent_at - other.sent_at).abs() <= COPY_WINDOW;
            let repeats_earlier = earlier.take_while(within).any(|other| self.ad_code(other).is_some() == has_ad);
            let shadowed_by_ad =
                !has_ad && copies.iter().map(|j| &rows[*j as usize]).filter(within).any(|other| self.ad_code(other).is_some());
            repeats_earlier || shadowed_by_ad
        };
        (0..copies.len()).filter(|n| is_repeated(*n)).map(|n| copies[n]).collect()
    }

    /// The rows of each message that was delivered more than once, as indices in their order.
    ///
    /// Few are, so rows are brought together by a short hash first, and only those are compared whose hashes are equal.
    fn deliveries(&self, rows: &[Touch]) -> Result<Vec<Vec<u32>>> {
        let key = |touch: &Touch| (touch.bot, self.message(touch));
        let mut hashed: Vec<(i64, u32)> =
            rows.iter().enumerate().map(|(i, touch)| (self.message_hash(touch), i as u32)).collect();
        sort_by(&mut hashed, Ord::cmp)?;
        let mut deliveries = Vec::new();
        for run in hashed.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            let mut of_message: BTreeMap<(u32, &str), Vec<u32>> = BTreeMap::new();
            for (_, i) in run {
                of_message.entry(key(&rows[*i as usize])).or_default().push(*i);
            }
            deliveries.extend(of_message.into_values().filter(|copies| copies.len() > 1));
        }
        Ok(deliveries)
    }

    /// A total order up to rows that are equal in all that matters. Of equal ones the known stay before the new.
    fn delivery_order(&self, a: &Touch, b: &Touch) -> std::cmp::Ordering {
        let texts =
            |touch: &Touch| (self.message(touch), self.contact(touch), self.ad(touch), self.title(touch), self.ad_type(touch));
        let of_texts = || texts(a).cmp(&texts(b)).then(a.bot.cmp(&b.bot)).then(self.is_known(b).cmp(&self.is_known(a)));
        a.sent_at.cmp(&b.sent_at).then_with(of_texts)
    }
}

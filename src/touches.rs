//! Touches: the inbound messages that a click on an ad or post sent (rules 1, 2, 5 and 18).
//!
//! [`TouchReader`] takes batches of a messages partition and keeps the rows that could be touches, sorted, with contacts as they
//! came; rows that break the contract are set aside with a reason. [`Touches`] is what many partitions hold together, and
//! [`Touches::drop_copies`] says which of its rows are deliveries of the same message.
//!
//! Always holds: rows that could be touches = kept + rejected + out of scope, in every partition.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Int64Type;
use foldhash::fast::FixedState;

use crate::day::{Day, MICROS_PER_DAY};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::extract::{Extract, NotedRow, Scope, set_aside};
use crate::mapping::{Bound, Instant};
use crate::schema;

/// Deliveries of one message repeat for at most this long (rule 1).
pub const COPY_WINDOW: i64 = 7 * MICROS_PER_DAY;

/// A row's time lies at most this many days before its partition's date, or this many after it; else it is absurd.
pub const DAYS_LATE: i32 = 400;
pub const DAYS_AHEAD: i32 = 2;

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
    batches: Vec<TouchBatch>,
    pub extract: Extract,
}

/// A row that counts. Its texts stay in the batch it came with.
struct TouchRow {
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
                    self.rows.push(TouchRow { bot, sent_at, batch: batch_of_rows, row: row as u32 });
                }
                (reason, bot, _) => {
                    let reason = reason.ok_or_else(|| Error::bug("a row without a fault and without a time"))?;
                    let bot = bot.map(|bot| self.scope.settings.bots[bot].id.as_str());
                    self.extract.count_rejected(bot, reason);
                    reasons.push((row, reason));
                }
            }
        }
        self.batches.push(TouchBatch { contacts, messages, ads, types, titles });
        set_aside(&mut self.extract, &COLUMNS, "sent_at", bound, batch, &reasons)
    }

    /// A row in the order of the working table. Bots are sorted by id.
    fn texts(&self, row: &TouchRow) -> RowTexts<'_> {
        let batch = &self.batches[row.batch as usize];
        RowTexts {
            bot: row.bot,
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
        order.sort_unstable_by(|a, b| self.texts(a).cmp(&self.texts(b)));
        let rows: Vec<RowTexts<'_>> = order.iter().map(|row| self.texts(row)).collect();
        extract.accepted = rows.len() as u64;
        let id = |row: &RowTexts<'_>| self.scope.settings.bots[row.bot].id.as_str();
        let noted = rows.iter().map(|row| {
            let at = row.sent_at.to_string();
            let counted = [Some(id(row)), Some(row.contact), Some(&at), Some(row.message), row.ad];
            let counted = Digest::of(counted);
            let whole = counted.and([row.ad_type, row.title]);
            NotedRow { bot: id(row), at: row.sent_at, attributed: row.ad.is_some(), counted, whole }
        });
        extract.note_rows(noted, self.scope);
        let batch = RecordBatch::try_new(
            schema::touches().schema,
            vec![
                Arc::new(rows.iter().map(|row| Some(id(row))).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| Some(row.contact)).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| row.sent_at).collect::<Int64Array>()),
                Arc::new(rows.iter().map(|row| Some(row.message)).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| row.ad).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| row.ad_type).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| row.title).collect::<StringArray>()),
            ],
        );
        Ok((batch.map_err(|error| Error::bug("touches do not fit their schema").source(error))?, extract))
    }
}

/// A row's cells, in the order of the working table's columns.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct RowTexts<'a> {
    bot: usize,
    contact: &'a str,
    sent_at: i64,
    message: &'a str,
    ad: Option<&'a str>,
    ad_type: Option<&'a str>,
    title: Option<&'a str>,
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

/// The rows of many working tables. Texts stay where they were read.
#[derive(Default)]
pub struct Touches {
    pub rows: Vec<Touch>,
    batches: Vec<TouchBatch>,
}

struct TouchBatch {
    contacts: StringArray,
    messages: StringArray,
    ads: StringArray,
    types: StringArray,
    titles: StringArray,
}

/// The text of an array's row; null where it has none.
fn cell(array: &StringArray, row: u32) -> Option<&str> {
    array.is_valid(row as usize).then(|| array.value(row as usize))
}

impl Touches {
    /// Adds the rows of a working table. `bots` gives the index of each bot's id; rows of bots it does not know are left out.
    pub fn add(&mut self, batch: &RecordBatch, bots: &HashMap<&str, u32>) {
        let text = |column: usize| batch.column(column).as_string::<i32>().clone();
        let (ids, times) = (text(0), batch.column(2).as_primitive::<Int64Type>());
        let at = self.batches.len() as u32;
        for row in 0..batch.num_rows() {
            if let Some(bot) = bots.get(ids.value(row)) {
                self.rows.push(Touch { bot: *bot, sent_at: times.value(row), batch: at, row: row as u32 });
            }
        }
        self.batches.push(TouchBatch { contacts: text(1), messages: text(3), ads: text(4), types: text(5), titles: text(6) });
    }

    fn batch(&self, touch: &Touch) -> &TouchBatch {
        &self.batches[touch.batch as usize]
    }

    /// As it came, before identities are resolved.
    pub fn contact<'a>(&'a self, touch: &Touch) -> &'a str {
        self.batch(touch).contacts.value(touch.row as usize)
    }

    pub fn message<'a>(&'a self, touch: &Touch) -> &'a str {
        self.batch(touch).messages.value(touch.row as usize)
    }

    pub fn ad<'a>(&'a self, touch: &Touch) -> Option<&'a str> {
        cell(&self.batch(touch).ads, touch.row)
    }

    pub fn ad_type<'a>(&'a self, touch: &Touch) -> Option<&'a str> {
        cell(&self.batch(touch).types, touch.row)
    }

    pub fn title<'a>(&'a self, touch: &Touch) -> Option<&'a str> {
        cell(&self.batch(touch).titles, touch.row)
    }

    /// Sorts the rows by time and message id (rules 5 and 12) and takes the copies out, which are returned.
    ///
    /// A copy with an ad id is dropped when another copy with an ad id lies at most seven days before it; one without an ad id
    /// when a copy with an ad id lies within seven days of it, or another without at most seven days before it. Whether the
    /// other copy is itself dropped does not matter, so a decision looks no further than seven days.
    pub fn drop_copies(&mut self) -> Vec<Touch> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by(|a, b| self.delivery_order(a, b));
        let mut is_copy = vec![false; rows.len()];
        for copies in self.deliveries(&rows) {
            // Already in order of time, at equal times by contact, ad and title.
            for (n, i) in copies.iter().enumerate() {
                let touch = &rows[*i as usize];
                let has_ad = self.ad(touch).is_some();
                let earlier = copies[..n].iter().rev().map(|j| &rows[*j as usize]);
                let within = |other: &&Touch| (touch.sent_at - other.sent_at).abs() <= COPY_WINDOW;
                let repeats_earlier = earlier.take_while(within).any(|other| self.ad(other).is_some() == has_ad);
                let shadowed_by_ad =
                    !has_ad && copies.iter().map(|j| &rows[*j as usize]).filter(within).any(|other| self.ad(other).is_some());
                is_copy[*i as usize] = repeats_earlier || shadowed_by_ad;
            }
        }
        let (mut kept, mut dropped) = (Vec::with_capacity(rows.len()), Vec::new());
        for (touch, is_copy) in rows.into_iter().zip(is_copy) {
            if is_copy { dropped.push(touch) } else { kept.push(touch) }
        }
        self.rows = kept;
        dropped
    }

    /// The rows of each message that was delivered more than once, as indices in their order.
    ///
    /// Few are, so rows are brought together by a short hash first, and only those are compared whose hashes are equal.
    fn deliveries(&self, rows: &[Touch]) -> Vec<Vec<u32>> {
        let key = |touch: &Touch| (touch.bot, self.message(touch));
        let hash = FixedState::default();
        let mut hashed: Vec<(u64, u32)> =
            rows.iter().enumerate().map(|(i, touch)| (hash.hash_one(key(touch)), i as u32)).collect();
        hashed.sort_unstable();
        let mut deliveries = Vec::new();
        for run in hashed.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            let mut of_message: BTreeMap<(u32, &str), Vec<u32>> = BTreeMap::new();
            for (_, i) in run {
                of_message.entry(key(&rows[*i as usize])).or_default().push(*i);
            }
            deliveries.extend(of_message.into_values().filter(|copies| copies.len() > 1));
        }
        deliveries
    }

    /// A total order up to rows that are equal in all that matters.
    fn delivery_order(&self, a: &Touch, b: &Touch) -> std::cmp::Ordering {
        let texts =
            |touch: &Touch| (self.message(touch), self.contact(touch), self.ad(touch), self.title(touch), self.ad_type(touch));
        a.sent_at.cmp(&b.sent_at).then_with(|| texts(a).cmp(&texts(b))).then(a.bot.cmp(&b.bot))
    }
}

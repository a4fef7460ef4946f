//! The touches of many partitions together, and which of them are deliveries of the same message (rules 1 and 2).
//!
//! In: the rows of partitions as `schema::touches()`; they stay in the batches they came with, and a [`Touch`] is a place there.

use std::collections::BTreeMap;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;

use crate::base::dictionary::{Codes, Dictionary};
use crate::base::error::Result;
use crate::base::limits::COPY_WINDOW;
use crate::base::parallel::sort_by;
use crate::config::BotCodes;
use crate::engine::rows::TouchRow;

/// A touch, as a place in the batches.
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

/// The touches of many partitions. Ids stay where they were read.
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

impl Touches {
    /// Adds the rows of a batch. `bots` gives the index of each bot's id; rows of bots it does not know are left out.
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

    /// The contact as it came, before identities are resolved.
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

    /// The touch as the engine's callers see it.
    pub(super) fn row<'a>(&'a self, touch: &Touch) -> TouchRow<'a> {
        TouchRow {
            bot: touch.bot,
            contact: self.contact(touch),
            sent_at: touch.sent_at,
            message: self.message(touch),
            ad: self.ad(touch),
            ad_type: self.ad_type(touch),
            title: self.title(touch),
        }
    }

    /// Sorts the rows by time and message id (rules 5 and 12) and takes the copies out, which are returned.
    ///
    /// A copy with an ad id is dropped when another copy with an ad id lies at most seven days before it; one without an ad id
    /// when a copy with an ad id lies within seven days of it, or another without at most seven days before it. Whether the
    /// other copy is itself dropped does not matter, so a decision looks no further than seven days.
    pub fn drop_copies(&mut self) -> Result<DroppedTouches> {
        let mut rows = std::mem::take(&mut self.rows);
        sort_by(&mut rows, |a, b| self.delivery_order(a, b))?;
        let mut are_copies = vec![false; rows.len()];
        let mut displaces_known = false;
        for copies in self.deliveries(&rows)? {
            for i in self.repeated(&rows, &copies) {
                are_copies[i as usize] = true;
            }
            let known: Vec<u32> = copies.iter().copied().filter(|i| self.is_known(&rows[*i as usize])).collect();
            if known.len() < copies.len() {
                let before = self.repeated(&rows, &known);
                displaces_known |= known.iter().any(|i| are_copies[*i as usize] && !before.contains(i));
            }
        }
        let (mut kept, mut dropped) = (Vec::with_capacity(rows.len()), Vec::new());
        for (touch, is_copy) in rows.into_iter().zip(are_copies) {
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

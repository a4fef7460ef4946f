//! The columns of the published tables: which are read, in what form, and the rows they make.
//!
//! In: batches as `read` decodes them. Out: rows, or numbers added to a [`Tally`]. A column that is not there, or of another type,
//! is an error that names it.

use arrow::array::{
    Array, ArrayAccessor, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Int32Array, Int64Array, RecordBatch,
    StringArray, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;

use crate::base::day::{Day, DayRange};
use crate::base::error::Result;
use crate::base::schema::{MONEY_SCALE, mistyped, published_column};
use crate::lake::TextForm;

use super::published::{PublishedAd, PublishedAdDay, PublishedBotDay, PublishedConversions, PublishedReach};
use super::tally::{NONE, StoredDay, Tally};

/// A column's name, and how its texts are decoded.
pub(super) type StoredColumn = (&'static str, TextForm);

const fn stored(name: &'static str) -> StoredColumn {
    (name, TextForm::AsStored)
}

pub(super) const AD_DAY: [StoredColumn; 9] = [
    stored("date"),
    ("bot_id", TextForm::Numbered),
    ("ad_id", TextForm::Views),
    ("account_id", TextForm::Numbered),
    ("currency", TextForm::Numbered),
    stored("conversations"),
    stored("conversions"),
    stored("spend"),
    stored("reach"),
];
/// A column that is read only where it is asked for, like the next one.
pub(super) const IMPRESSIONS: StoredColumn = stored("impressions");
pub(super) const META_CONVERSATIONS: StoredColumn = stored("meta_conversations");

fn at<A: ArrayAccessor>(array: A, row: usize) -> Option<A::Item> {
    array.is_valid(row).then(|| array.value(row))
}

fn text(array: &StringArray, row: usize) -> Option<String> {
    at(array, row).map(str::to_string)
}

/// Texts of which few differ, each once.
struct Numbered<'a> {
    keys: &'a Int32Array,
    texts: &'a StringArray,
}

impl<'a> Numbered<'a> {
    fn of(batch: &'a RecordBatch, name: &'static str) -> Result<Numbered<'a>> {
        let column: &DictionaryArray<Int32Type> = published_column(batch, name)?;
        let texts = column.values().as_any().downcast_ref().ok_or_else(|| mistyped(name))?;
        Ok(Numbered { keys: column.keys(), texts })
    }

    fn text(&self, row: usize) -> Option<String> {
        at(self.keys, row).and_then(|key| text(self.texts, key as usize))
    }

    /// The tally's number of each text.
    fn numbers(&self, tally: &mut Tally) -> Vec<u32> {
        (0..self.texts.len()).map(|i| tally.number(at(self.texts, i))).collect()
    }

    fn number(&self, numbers: &[u32], row: usize) -> u32 {
        at(self.keys, row).map_or(NONE, |key| numbers[key as usize])
    }
}

pub(super) struct AdDayColumns<'a> {
    rows: usize,
    date: &'a Date32Array,
    bot_id: Numbered<'a>,
    ad_id: &'a StringViewArray,
    account_id: Numbered<'a>,
    currency: Numbered<'a>,
    conversations: &'a Int64Array,
    conversions: &'a Int64Array,
    spend: &'a Decimal128Array,
    reach: &'a Int64Array,
    impressions: Option<&'a Int64Array>,
    meta_conversations: Option<&'a Int64Array>,
}

impl<'a> AdDayColumns<'a> {
    pub(super) fn of(batch: &'a RecordBatch) -> Result<AdDayColumns<'a>> {
        let if_read = |(name, _): StoredColumn| batch.column_by_name(name).map(|_| published_column(batch, name)).transpose();
        let (date, spend): (&Date32Array, &Decimal128Array) =
            (published_column(batch, "date")?, published_column(batch, "spend")?);
        if spend.scale() != MONEY_SCALE {
            return Err(mistyped("spend"));
        }
        Ok(AdDayColumns {
            rows: batch.num_rows(),
            date,
            bot_id: Numbered::of(batch, "bot_id")?,
            ad_id: published_column(batch, "ad_id")?,
            account_id: Numbered::of(batch, "account_id")?,
            currency: Numbered::of(batch, "currency")?,
            conversations: published_column(batch, "conversations")?,
            conversions: published_column(batch, "conversions")?,
            spend,
            reach: published_column(batch, "reach")?,
            impressions: if_read(IMPRESSIONS)?,
            meta_conversations: if_read(META_CONVERSATIONS)?,
        })
    }

    pub(super) fn add_to(&self, tally: &mut Tally) {
        let bots = self.bot_id.numbers(tally);
        let accounts = self.account_id.numbers(tally);
        let currencies = self.currency.numbers(tally);
        for row in 0..self.rows {
            let stored = StoredDay {
                date: Day(self.date.value(row)),
                account: self.account_id.number(&accounts, row),
                currency: self.currency.number(&currencies, row),
                conversations: self.conversations.value(row),
                conversions: at(self.conversions, row),
                spend: at(self.spend, row),
                impressions: self.impressions.and_then(|counts| at(counts, row)),
                reach: at(self.reach, row),
                meta_conversations: self.meta_conversations.and_then(|counts| at(counts, row)),
            };
            tally.add(self.bot_id.number(&bots, row), self.ad_id.value(row), &stored);
        }
    }

    pub(super) fn add_rows(&self, rows: &mut Vec<PublishedAdDay>) {
        rows.extend((0..self.rows).map(|row| PublishedAdDay {
            date: Day(self.date.value(row)),
            bot_id: self.bot_id.text(row),
            ad_id: self.ad_id.value(row).to_string(),
            account_id: self.account_id.text(row),
            currency: self.currency.text(row),
            conversations: self.conversations.value(row),
            conversions: at(self.conversions, row),
            spend: at(self.spend, row),
            impressions: self.impressions.and_then(|counts| at(counts, row)),
            reach: at(self.reach, row),
            meta_conversations: self.meta_conversations.and_then(|counts| at(counts, row)),
        }));
    }
}

pub(super) const AD: [StoredColumn; 7] = [
    stored("bot_id"),
    stored("ad_id"),
    stored("ad_type"),
    stored("ad_title"),
    stored("first_conversation_at"),
    stored("account_id"),
    stored("currency"),
];

pub(super) fn ads(batch: &RecordBatch, rows: &mut Vec<PublishedAd>) -> Result<()> {
    let [bot_id, ad_id, ad_type]: [&StringArray; 3] =
        [published_column(batch, "bot_id")?, published_column(batch, "ad_id")?, published_column(batch, "ad_type")?];
    let [ad_title, account_id, currency]: [&StringArray; 3] =
        [published_column(batch, "ad_title")?, published_column(batch, "account_id")?, published_column(batch, "currency")?];
    let first_conversation_at: &TimestampMicrosecondArray = published_column(batch, "first_conversation_at")?;
    rows.extend((0..batch.num_rows()).map(|row| PublishedAd {
        bot_id: text(bot_id, row),
        ad_id: ad_id.value(row).to_string(),
        ad_type: text(ad_type, row),
        ad_title: text(ad_title, row),
        first_conversation_at: at(first_conversation_at, row),
        account_id: text(account_id, row),
        currency: text(currency, row),
    }));
    Ok(())
}

pub(super) const BOT_DAY: [StoredColumn; 5] =
    [stored("date"), stored("bot_id"), stored("conversions"), stored("complete"), stored("insights_status")];

pub(super) fn bot_days(batch: &RecordBatch, rows: &mut Vec<PublishedBotDay>) -> Result<()> {
    let date: &Date32Array = published_column(batch, "date")?;
    let conversions: &Int64Array = published_column(batch, "conversions")?;
    let complete: &BooleanArray = published_column(batch, "complete")?;
    let [bot_id, insights_status]: [&StringArray; 2] =
        [published_column(batch, "bot_id")?, published_column(batch, "insights_status")?];
    rows.extend((0..batch.num_rows()).map(|row| PublishedBotDay {
        date: Day(date.value(row)),
        bot_id: bot_id.value(row).to_string(),
        conversions: at(conversions, row),
        complete: complete.value(row),
        insights_status: insights_status.value(row).to_string(),
    }));
    Ok(())
}

pub(super) const AD_CONVERSION: [StoredColumn; 5] =
    [stored("date"), stored("bot_id"), stored("ad_id"), stored("conversation_date"), stored("conversions")];

pub(super) fn ad_conversions(batch: &RecordBatch, days: DayRange, rows: &mut Vec<PublishedConversions>) -> Result<()> {
    let [date, conversation_date]: [&Date32Array; 2] =
        [published_column(batch, "date")?, published_column(batch, "conversation_date")?];
    let [bot_id, ad_id]: [&StringArray; 2] = [published_column(batch, "bot_id")?, published_column(batch, "ad_id")?];
    let conversions: &Int64Array = published_column(batch, "conversions")?;
    let touches_range = |dates: &Date32Array, row: usize| days.contains(Day(dates.value(row)));
    let in_range = (0..batch.num_rows()).filter(|row| touches_range(date, *row) || touches_range(conversation_date, *row));
    rows.extend(in_range.map(|row| PublishedConversions {
        date: Day(date.value(row)),
        bot_id: bot_id.value(row).to_string(),
        ad_id: ad_id.value(row).to_string(),
        conversation_date: Day(conversation_date.value(row)),
        conversions: conversions.value(row),
    }));
    Ok(())
}

pub(super) const REACH: [StoredColumn; 5] =
    [stored("account_id"), stored("ad_id"), stored("since"), stored("until"), stored("reach")];

pub(super) fn reach(batch: &RecordBatch, is_wanted: impl Fn(DayRange) -> bool, rows: &mut Vec<PublishedReach>) -> Result<()> {
    let [since, until]: [&Date32Array; 2] = [published_column(batch, "since")?, published_column(batch, "until")?];
    let [account_id, ad_id]: [&StringArray; 2] = [published_column(batch, "account_id")?, published_column(batch, "ad_id")?];
    let reach: &Int64Array = published_column(batch, "reach")?;
    let days = |row: usize| DayRange { first: Day(since.value(row)), last: Day(until.value(row)) };
    rows.extend((0..batch.num_rows()).filter(|row| is_wanted(days(*row))).map(|row| PublishedReach {
        days: days(row),
        account_id: account_id.value(row).to_string(),
        ad_id: ad_id.value(row).to_string(),
        reach: at(reach, row),
    }));
    Ok(())
}

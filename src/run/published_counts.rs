//! The counts of published days, read back from their tables.
//!
//! Meta restates weeks of figures every night, and days become complete: the rows of those days are what they were, and so are
//! their counts. They are taken from the published tables, which are as they were published; no session is followed again.

use std::collections::BTreeSet;

use arrow::array::{Array, Date32Array, Int64Array, RecordBatch, StringArray};

use crate::base::day::Day;
use crate::base::dictionary::Dictionary;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::schema::published_column;
use crate::config::{BotCodes, Settings};
use crate::engine::{BotCounts, ConversationCount, ConversionCount, DayCounts};
use crate::known::job::Places;
use crate::known::survey::Survey;
use crate::lake::StoredTable;

/// The counts of these days; those that cannot be read back are left out. Returns the days that were.
pub(crate) fn read(
    places: &Places<'_>,
    survey: &Survey,
    days: impl IntoIterator<Item = Day>,
) -> Result<(DayCounts, BTreeSet<Day>)> {
    let (mut counts, mut found) = (DayCounts::default(), BTreeSet::new());
    let days: Vec<Day> = days.into_iter().collect();
    for (day, of_day) in days.iter().zip(places.output.on_each(&days, |day| of_day(places, survey, *day))) {
        match of_day {
            Ok(Some(of_day)) => {
                counts.merge(of_day);
                found.insert(*day);
            }
            Ok(None) => {}
            // What lies there is not what was published.
            Err(error) if error.kind() == ErrorKind::Data => {}
            Err(error) => return Err(error),
        }
    }
    Ok((counts, found))
}

fn of_day(places: &Places<'_>, survey: &Survey, day: Day) -> Result<Option<DayCounts>> {
    let table = |table: &str, columns: &[&str]| -> Result<Option<Vec<RecordBatch>>> {
        let Some(object) = survey.published.get(table).and_then(|days| days.get(&day)) else { return Ok(None) };
        places.output.get_listed(object)?.map(|bytes| StoredTable::new(bytes)?.columns(columns)).transpose()
    };
    let Some(ad_days) = table("ad_days", &["bot_id", "ad_id", "conversations"])? else { return Ok(None) };
    let of_ads = ["bot_id", "ad_id", "conversation_date", "category", "conversions"];
    let Some(ad_conversions) = table("ad_conversions", &of_ads)? else { return Ok(None) };
    let Some(bot_days) = table("bot_days", &BOT_DAY)? else { return Ok(None) };
    let mut read = PublishedDay::new(places.settings, day);
    ad_days.iter().try_for_each(|batch| read.add_conversations(batch))?;
    ad_conversions.iter().try_for_each(|batch| read.add_conversions(batch))?;
    bot_days.iter().try_for_each(|batch| read.add_bots(batch))?;
    Ok(Some(read.counts()))
}

const BOT_DAY: [&str; 7] = [
    "bot_id",
    "touches",
    "duplicate_touches",
    "unattributed_touches",
    "conversion_events",
    "unattributed_conversions",
    "events_without_contact",
];

/// The counts of one day, as they are read.
struct PublishedDay<'a> {
    day: Day,
    bots: BotCodes<'a>,
    ads: Dictionary,
    categories: Dictionary,
    counts: DayCounts,
}

fn texts<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a StringArray> {
    published_column(batch, name)
}

fn numbers<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a Int64Array> {
    published_column(batch, name)
}

impl<'a> PublishedDay<'a> {
    fn new(settings: &'a Settings, day: Day) -> PublishedDay<'a> {
        let (ads, categories) = (Dictionary::default(), Dictionary::default());
        PublishedDay { day, bots: settings.bot_codes(), ads, categories, counts: DayCounts::default() }
    }

    fn bot(&self, id: &str) -> Result<u32> {
        self.bots.get(id).copied().ok_or_else(|| Error::data("a published table names another bot").with("bot", id))
    }

    fn add_conversations(&mut self, batch: &RecordBatch) -> Result<()> {
        let (bots, ads, counts) = (texts(batch, "bot_id")?, texts(batch, "ad_id")?, numbers(batch, "conversations")?);
        // A row of Meta's figures alone has no conversations.
        for row in (0..batch.num_rows()).filter(|row| counts.value(*row) > 0) {
            let (bot, ad) = (self.bot(bots.value(row))?, self.ads.code(ads.value(row)));
            self.counts.conversations.entry(self.day).or_default().push(ConversationCount { bot, ad, count: counts.value(row) });
        }
        Ok(())
    }

    fn add_conversions(&mut self, batch: &RecordBatch) -> Result<()> {
        let (bots, ads, categories) = (texts(batch, "bot_id")?, texts(batch, "ad_id")?, texts(batch, "category")?);
        let (days, counts): (&Date32Array, _) = (published_column(batch, "conversation_date")?, numbers(batch, "conversions")?);
        for row in 0..batch.num_rows() {
            let conversions = ConversionCount {
                bot: self.bot(bots.value(row))?,
                ad: self.ads.code(ads.value(row)),
                conversation_day: Day(days.value(row)),
                category: self.categories.code(categories.value(row)),
                count: counts.value(row),
            };
            self.counts.conversions.entry(self.day).or_default().push(conversions);
        }
        Ok(())
    }

    fn add_bots(&mut self, batch: &RecordBatch) -> Result<()> {
        let bots = texts(batch, "bot_id")?;
        let of = |name: &'static str, row: usize| -> Result<i64> {
            let counts = numbers(batch, name)?;
            // Events of a day before the first setting are NULL, and will be again.
            Ok(if counts.is_valid(row) { counts.value(row) } else { 0 })
        };
        for row in 0..batch.num_rows() {
            let counts = BotCounts {
                touches: of("touches", row)?,
                duplicate_touches: of("duplicate_touches", row)?,
                unattributed_touches: of("unattributed_touches", row)?,
                conversion_events: of("conversion_events", row)?,
                events_without_contact: of("events_without_contact", row)?,
                unattributed_conversions: of("unattributed_conversions", row)?,
            };
            self.counts.bot_days.insert((self.day, self.bot(bots.value(row))?), counts);
        }
        Ok(())
    }

    fn counts(mut self) -> DayCounts {
        self.counts.ads = self.ads.iter().map(str::to_string).collect();
        self.counts.categories = self.categories.iter().map(str::to_string).collect();
        self.counts
    }
}

//! What touches said of ads, as the published `ads` has it: for touches that nobody can look at now (rules 19 and 22).
//!
//! The partition that they were in cannot be read any more, or was retired, and what was kept of its rows is lost or was made under other
//! settings. A row that such a touch may stand behind stays as it is published, and takes up what is newer for sure. Nothing of this is
//! kept for the next run: once the partition can be read, or is said never to come, `ads` is what all touches say.

use std::collections::BTreeSet;

use arrow::array::{Array, RecordBatch, StringArray, TimestampMicrosecondArray};

use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::schema::{Raw, published_column};
use crate::config::BotCodes;
use crate::engine::{AdFacts, FactsOfAds, Told};
use crate::known::job::Places;
use crate::known::survey::Survey;
use crate::lake::StoredTable;
use crate::lake::layout::ADS_OBJECT;
use crate::plan::receipt::AdsReceipt;

/// What the touches of partitions said that nobody can look at.
#[derive(Debug, Default)]
pub(crate) struct PublishedFacts {
    facts: FactsOfAds,
    /// The partitions of which nothing is left, not even in `ads`.
    pub lacking: BTreeSet<String>,
}

impl PublishedFacts {
    /// Of these days' messages partitions.
    pub(crate) fn read(places: &Places<'_>, survey: &Survey, lost: &BTreeSet<Day>) -> Result<PublishedFacts> {
        let Some(last) = lost.last() else { return Ok(PublishedFacts::default()) };
        // The first instant that none of those touches can have, also where the days of arrival were another zone's.
        let until = places.settings.raw(Raw::Messages).zone.allowed_instants(last.next()).end;
        let lacked = lacking_before(survey, lost);
        Ok(match published(places, survey, until) {
            Ok(Some(facts)) => PublishedFacts { facts, lacking: lacked },
            Ok(None) => PublishedFacts { facts: FactsOfAds::new(), lacking: names(lost) },
            // What lies there is not what was published.
            Err(error) if error.kind() == ErrorKind::Data => PublishedFacts { facts: FactsOfAds::new(), lacking: names(lost) },
            Err(error) => return Err(error),
        })
    }

    /// Adds them to what other touches say.
    pub(crate) fn add_to(&self, facts: &mut FactsOfAds) {
        for (ad, of_bots) in &self.facts {
            let of_ad = facts.entry(ad.clone()).or_default();
            for (bot, published) in of_bots {
                let known = of_ad.entry(*bot).or_insert_with(|| published.clone());
                let mut published = published.clone();
                if published.first_conversation_at == known.first_conversation_at {
                    published.first_message.clone_from(&known.first_message);
                }
                known.add(published);
            }
        }
    }
}

fn names(days: &BTreeSet<Day>) -> BTreeSet<String> {
    days.iter().map(ToString::to_string).collect()
}

/// What `ads` lacks already, as long as it is the one that a run published: another one was put back from a copy.
fn lacking_before(survey: &Survey, lost: &BTreeSet<Day>) -> BTreeSet<String> {
    let version = survey.published_ads.as_ref().map(|object| &object.version);
    let ours = survey.receipts.ads.as_ref().filter(|receipt| Some(&receipt.object) == version);
    ours.map(|receipt| &receipt.without & &names(lost)).unwrap_or_default()
}

/// What is said of an `ads` that was lost while nobody could make it again as a whole.
pub(crate) fn said_of_lacking(receipt: Option<&AdsReceipt>) -> Option<Error> {
    let without = &receipt.filter(|receipt| !receipt.without.is_empty())?.without;
    Some(lacks(without))
}

pub(crate) fn lacks(partitions: &BTreeSet<String>) -> Error {
    let days = partitions.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Error::data(
        "a published object is not as it was published, and is made again without what touches of partitions said that cannot be \
         read any more",
    )
    .with("object", ADS_OBJECT)
    .with("messages partitions", days)
    .mend("restore the object from a copy of the output, or land the partitions again")
}

/// The facts of the published rows that a touch before this instant may stand behind; none where nothing is published.
fn published(places: &Places<'_>, survey: &Survey, until: i64) -> Result<Option<FactsOfAds>> {
    let Some(object) = &survey.published_ads else { return Ok(None) };
    let Some(bytes) = places.output.get_listed(object)? else { return Ok(None) };
    let (bots, mut facts) = (places.settings.bot_codes(), FactsOfAds::new());
    for batch in StoredTable::new(bytes)?.columns(&COLUMNS)? {
        add_rows(&batch, &bots, until, &mut facts)?;
    }
    Ok(Some(facts))
}

const COLUMNS: [&str; 6] = ["bot_id", "ad_id", "ad_type", "ad_title", "first_conversation_at", "last_conversation_at"];

fn add_rows(batch: &RecordBatch, bots: &BotCodes<'_>, until: i64, facts: &mut FactsOfAds) -> Result<()> {
    let text = |name: &'static str| published_column::<StringArray>(batch, name);
    let [ids, ads, types, titles] = [text("bot_id")?, text("ad_id")?, text("ad_type")?, text("ad_title")?];
    let instant = |name: &'static str| published_column::<TimestampMicrosecondArray>(batch, name);
    let (firsts, lasts) = (instant("first_conversation_at")?, instant("last_conversation_at")?);
    for row in 0..batch.num_rows() {
        // A row without a bot, or without a conversation, is of Meta's figures alone; a bot that the pipeline does not name has none.
        let bot = ids.is_valid(row).then(|| bots.get(ids.value(row))).flatten();
        let Some(bot) = bot.filter(|_| firsts.is_valid(row) && lasts.is_valid(row) && firsts.value(row) < until) else {
            continue;
        };
        // Who said it is not known; a touch that is there and later than this said something newer.
        let at = lasts.value(row).min(until - 1);
        let told = |column: &StringArray| {
            column.is_valid(row).then(|| Told { at, message: String::new(), text: column.value(row).to_string() })
        };
        let of_bot = AdFacts {
            first_conversation_at: firsts.value(row),
            first_message: String::new(),
            last_conversation_at: lasts.value(row),
            ad_type: told(types),
            title: told(titles),
        };
        facts.entry(ads.value(row).to_string()).or_default().insert(*bot, of_bot);
    }
    Ok(())
}

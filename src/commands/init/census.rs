//! A census: which bots, contacts, ads and accounts the rows of a lake name, read through the mapping that was found.
//!
//! The newest partitions are read, as many as a bounded number of bytes allows; what was read is told with the figures.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, RecordBatch, StringArray};

use super::kinds::Candidate;
use super::values;
use crate::base::bound::Bound;
use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::mapping::TableMapping;
use crate::base::money::parse_money;
use crate::base::object::Object;
use crate::base::progress::{Listener, Progress};
use crate::base::types;
use crate::lake::{Lake, ReadPlan, readable};

/// As many bytes of a table are read, and always its newest day.
const BYTES_READ: u64 = 256 << 20;
/// As many contacts and ads of a bot are kept apart.
const MOST_KEPT: usize = 50_000;
/// As many words of directions.
const MOST_WORDS: usize = 100;

/// What the rows of one bot are.
#[derive(Clone, Debug, Default)]
pub(super) struct BotRows {
    pub messages: u64,
    /// Messages that name an ad.
    pub with_ad: u64,
    pub events: u64,
    /// The ads that were clicked, with the number of messages.
    pub ads: BTreeMap<String, u64>,
    pub contacts: BTreeSet<String>,
}

/// What an ad account has.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub ads: BTreeSet<String>,
    /// In millionths, by currency.
    pub spend: BTreeMap<String, i128>,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Census {
    pub bots: BTreeMap<String, BotRows>,
    pub accounts: BTreeMap<String, Account>,
    /// Words of directions, as the mapping reads them, by their rows.
    pub directions: BTreeMap<String, u64>,
    /// Words for nothing that stand where ids should, by table.
    pub null_words: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// The days of messages and of events that were read.
    pub days: BTreeMap<&'static str, (Day, Day)>,
}

impl BotRows {
    pub(super) fn tunnels(&self) -> impl Iterator<Item = &str> {
        self.contacts.iter().map(String::as_str).filter(|contact| values::is_tunnel(contact))
    }

    fn add(&mut self, other: BotRows) {
        self.messages += other.messages;
        self.with_ad += other.with_ad;
        self.events += other.events;
        for (ad, clicks) in other.ads {
            count_ad(&mut self.ads, &ad, clicks);
        }
        let room = MOST_KEPT.saturating_sub(self.contacts.len());
        self.contacts.extend(other.contacts.into_iter().take(room));
    }
}

/// Takes the census of a table's newest partitions.
pub(super) fn take(
    lake: &Lake,
    mapping: &TableMapping,
    candidate: &Candidate,
    census: &mut Census,
    progress: Listener<'_>,
) -> Result<()> {
    let table = mapping.table.name;
    let (mut files, mut bytes, mut days): (Vec<&Object>, u64, Vec<Day>) = (Vec::new(), 0, Vec::new());
    for (day, objects) in candidate.days.iter().rev() {
        bytes += objects.iter().map(|object| object.size).sum::<u64>();
        if files.is_empty() || bytes <= BYTES_READ {
            files.extend(objects);
            days.extend(day);
        }
    }
    let of_table: &'static str = if table == "messages" { "messages" } else { "events" };
    progress(Progress::Begin { step: "bots", of: "files", items: files.len() as u64, bytes: 0 });
    let counted = lake.on_each(&files, |object| {
        let part = readable(|| count(lake, mapping, object));
        progress(Progress::Done { rows: 0, bytes: 0 });
        part
    });
    progress(Progress::End);
    for part in counted {
        match part {
            Ok(part) => census.add(part),
            // What cannot be read, `check` says.
            Err(error) if error.kind() == ErrorKind::Data => {}
            Err(error) => return Err(error),
        }
    }
    if let (Some(first), Some(last), true) = (days.iter().min(), days.iter().max(), table != "insights") {
        census.days.insert(of_table, (*first, *last));
    }
    Ok(())
}

impl Census {
    fn add(&mut self, other: Census) {
        for (bot, rows) in other.bots {
            self.bots.entry(bot).or_default().add(rows);
        }
        for (word, rows) in other.directions {
            *self.directions.entry(word).or_default() += rows;
        }
        for (table, words) in other.null_words {
            let own = self.null_words.entry(table).or_default();
            words.into_iter().for_each(|(word, rows)| *own.entry(word).or_default() += rows);
        }
        for (id, account) in other.accounts {
            let own = self.accounts.entry(id).or_default();
            own.ads.extend(account.ads);
            for (currency, spend) in account.spend {
                *own.spend.entry(currency).or_default() += spend;
            }
        }
    }
}

fn count(lake: &Lake, mapping: &TableMapping, object: &Object) -> Result<Census> {
    let columns: &[&str] = match mapping.table.name {
        "messages" => &["bot_id", "contact_id", "direction", "ad_id"],
        "events" => &["bot_id", "contact_id", "category"],
        _ => &["account_id", "ad_id", "currency", "spend"],
    };
    let mut census = Census::default();
    let bound = std::cell::OnceCell::new();
    lake.read_batches(
        object,
        |schema| {
            let fitting = mapping.bind(schema, &object.path)?;
            let plan = ReadPlan { columns: fitting.paths(columns), filter: None };
            let _ = bound.set(fitting);
            Ok(plan)
        },
        |batch| {
            let bound: &Bound = bound.get().ok_or_else(|| Error::bug("a batch came before its schema"))?;
            match mapping.table.name {
                "messages" => count_messages(bound, &batch, &mut census),
                "events" => count_events(bound, &batch, &mut census),
                _ => count_insights(bound, &batch, &mut census),
            }
        },
    )?;
    Ok(census)
}

fn at(texts: &StringArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row).trim()).filter(|text| !text.is_empty())
}

fn count_messages(bound: &Bound, batch: &RecordBatch, census: &mut Census) -> Result<()> {
    let text = |name| bound.text(name, batch);
    let (bots, contacts, directions) = (text("bot_id")?, text("contact_id")?, text("direction")?);
    let ads = bound.cells("ad_id", batch)?.texts;
    note_null_words(bound, batch, ("messages", &["contact_id", "ad_id"]), census)?;
    for word in directions.iter().flatten() {
        if census.directions.len() < MOST_WORDS || census.directions.contains_key(word) {
            *census.directions.entry(word.to_string()).or_default() += 1;
        }
    }
    for row in 0..batch.num_rows() {
        let Some(bot) = at(&bots, row) else { continue };
        let rows = census.bots.entry(bot.to_string()).or_default();
        rows.messages += 1;
        if at(&directions, row).is_some_and(|direction| direction != "received") {
            continue;
        }
        let ad = at(&ads, row);
        rows.with_ad += u64::from(ad.is_some());
        if let Some(ad) = ad {
            count_ad(&mut rows.ads, ad, 1);
        }
        // What a bot sent to another is no contact of its own.
        keep(&mut rows.contacts, at(&contacts, row).filter(|contact| !values::is_blip_bot(contact)));
    }
    Ok(())
}

/// Counts the cells that hold a word for nothing in place of an id.
fn note_null_words(
    bound: &Bound,
    batch: &RecordBatch,
    (table, columns): (&'static str, &[&'static str]),
    census: &mut Census,
) -> Result<()> {
    for column in columns {
        let faulty: Vec<usize> = bound.cells(column, batch)?.faults.rows().map(|(row, _)| row).collect();
        for cell in bound.as_they_came(column, batch, &faulty)?.into_iter().flatten() {
            if values::is_word_for_nothing(&cell.text) {
                *census.null_words.entry(table).or_default().entry(cell.text.trim().to_string()).or_default() += 1;
            }
        }
    }
    Ok(())
}

fn count_ad(ads: &mut BTreeMap<String, u64>, ad: &str, clicks: u64) {
    if let Some(known) = ads.get_mut(ad) {
        *known += clicks;
    } else if ads.len() < MOST_KEPT {
        ads.insert(ad.to_string(), clicks);
    }
}

fn keep(set: &mut BTreeSet<String>, text: Option<&str>) {
    if let Some(text) = text
        && set.len() < MOST_KEPT
        && !set.contains(text)
    {
        set.insert(text.to_string());
    }
}

fn count_events(bound: &Bound, batch: &RecordBatch, census: &mut Census) -> Result<()> {
    let (bots, contacts) = (bound.text("bot_id", batch)?, bound.text("contact_id", batch)?);
    note_null_words(bound, batch, ("events", &["contact_id"]), census)?;
    for row in 0..batch.num_rows() {
        let Some(bot) = at(&bots, row) else { continue };
        let rows = census.bots.entry(bot.to_string()).or_default();
        rows.events += 1;
        keep(&mut rows.contacts, at(&contacts, row));
    }
    Ok(())
}

fn count_insights(bound: &Bound, batch: &RecordBatch, census: &mut Census) -> Result<()> {
    let text = |name| bound.text(name, batch);
    let (accounts, ads, currencies) = (text("account_id")?, text("ad_id")?, text("currency")?);
    let spend = bound.stored("spend", batch)?;
    for row in 0..batch.num_rows() {
        let Some(digits) = at(&accounts, row).map(|id| id.to_lowercase().trim_start_matches("act_").to_string()) else {
            continue;
        };
        let account = census.accounts.entry(format!("act_{digits}")).or_default();
        account.ads.extend(at(&ads, row).map(str::to_string));
        let amount = spend.iter().find(|(_, array)| array.is_valid(row)).map(|(_, array)| types::shown(array, row));
        let millionths = amount.and_then(|amount| parse_money(&amount).ok()).unwrap_or(0);
        *account.spend.entry(at(&currencies, row).unwrap_or_default().to_string()).or_default() += i128::from(millionths);
    }
    Ok(())
}

//! The rows behind a figure, out of working tables and of what is held.

use std::collections::{BTreeMap, HashSet};

use arrow::array::RecordBatch;

use crate::base::day::Day;
use crate::base::error::Result;
use crate::base::schema::Raw;
use crate::config::Settings;
use crate::engine::embedded::conversion_events::{Event, Events};
use crate::engine::embedded::left_out;
use crate::engine::embedded::needed::{self, Loaded};
use crate::engine::embedded::settle::{Held, settle};
use crate::engine::embedded::touches::{Touch, Touches};
use crate::engine::embedded::working;
use crate::engine::embedded::yields::yields;
use crate::engine::request::{ExtractedPartition, Rules};
use crate::engine::rows::{ReadEvents, Rows, SettledRows, Yield, YieldsRequest};
use crate::lake::Lake;

/// The rows of these partitions, or those of some contacts.
pub(super) fn load(
    output: &Lake,
    settings: &Settings,
    partitions: &[ExtractedPartition<'_>],
    contacts: Option<&HashSet<String>>,
) -> Result<Box<dyn Rows>> {
    let mut loaded = Loaded::new(settings);
    match contacts {
        Some(ids) => needed::of_contacts(output, &mut loaded, partitions, ids)?,
        None => wholes(output, &mut loaded, partitions)?,
    }
    Ok(Box::new(Unsettled { touches: loaded.touches, events: loaded.events }))
}

pub(super) fn settled(output: &Lake, rules: &Rules<'_>, partitions: &[ExtractedPartition<'_>]) -> Result<Box<dyn SettledRows>> {
    let mut loaded = Loaded::new(rules.settings);
    wholes(output, &mut loaded, partitions)?;
    left_out::take(&mut loaded, rules, &|_, _| false);
    Ok(Box::new(settle(loaded.touches, loaded.events)?))
}

fn wholes(output: &Lake, loaded: &mut Loaded<'_>, partitions: &[ExtractedPartition<'_>]) -> Result<()> {
    for (partition, batches) in partitions.iter().zip(output.on_each(partitions, |partition| working::whole(output, partition))) {
        batches?.iter().for_each(|batch| loaded.add(partition.table, batch, false));
    }
    Ok(())
}

/// What each category would convert. `at_hand` are rows that need not be read.
pub(super) fn yields_of(
    output: &Lake,
    at_hand: BTreeMap<(Raw, Day), RecordBatch>,
    request: &YieldsRequest<'_>,
    read: ReadEvents<'_>,
) -> Result<BTreeMap<(u32, String), Yield>> {
    let YieldsRequest { rules, partitions, starts } = request;
    let mut loaded = Loaded::new(rules.settings);
    let is_stored = |partition: &&ExtractedPartition<'_>| !at_hand.contains_key(&(partition.table, partition.day));
    wholes(output, &mut loaded, &partitions.iter().filter(is_stored).copied().collect::<Vec<_>>())?;
    at_hand.iter().for_each(|((table, _), rows)| loaded.add(*table, rows, false));
    drop(at_hand);
    left_out::take(&mut loaded, rules, &|_, _| false);

    let start = |bot: u32| starts.get(&(bot as usize)).copied();
    loaded.touches.rows.retain(|touch| start(touch.bot).is_some());
    loaded.events.rows.retain(|event| start(event.bot).is_some_and(|start| event.occurred_at < start));
    loaded.touches.drop_copies()?;
    let touches = &loaded.touches;
    let contacts: HashSet<(usize, &str)> = touches
        .rows
        .iter()
        .map(|touch| (touch.bot as usize, rules.identities.resolve(touch.bot as usize, touches.contact(touch))))
        .collect();
    let batches = read(&|bot, contact| contacts.contains(&(bot, contact)))?;
    let bots = rules.settings.bot_codes();
    batches.iter().for_each(|batch| loaded.events.add(batch, &bots));
    left_out::take(&mut loaded, rules, &|_, _| false);
    loaded.events.drop_copies();
    let all_starts: Vec<i64> = (0..rules.settings.bots.len() as u32).map(|bot| start(bot).unwrap_or(i64::MAX)).collect();
    yields(rules, &loaded.touches, &loaded.events, &all_starts)
}

/// Rows with every copy.
struct Unsettled {
    touches: Touches,
    events: Events,
}

impl Held for Unsettled {
    fn touches(&self) -> (&Touches, &[Touch]) {
        (&self.touches, &self.touches.rows)
    }

    fn events(&self) -> (&Events, &[Event]) {
        (&self.events, &self.events.rows)
    }
}

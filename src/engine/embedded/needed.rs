//! The rows that some days need, of all that are stored.
//!
//! On a night few contacts have a conversion event on a day that is to be built. Their other rows, and the other deliveries
//! of the same messages and events, are found by the short hashes of the ids, which are read of every table that can affect the days; only the
//! rows so found are decoded.

use std::collections::{BTreeSet, HashSet};

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;

use crate::base::day::{Day, DayRange};
use crate::base::digest::short_hash;
use crate::base::error::Result;
use crate::base::limits::{COPY_DAYS, first_affecting};
use crate::base::schema::Raw;
use crate::config::{Bot, BotCodes, Settings};
use crate::engine::embedded::conversion_events::{Event, Events};
use crate::engine::embedded::hashes::{Hashes, rows_with, value};
use crate::engine::embedded::held::Held;
use crate::engine::embedded::parts::{Part, alias_hashes};
use crate::engine::embedded::touches::{Touch, Touches};
use crate::engine::embedded::working;
use crate::engine::request::{ExtractedPartition, Rules};
use crate::extract::identity::Identities;
use crate::lake::{Lake, StoredTable};

/// The rows that are loaded together.
pub(super) struct Loaded<'a> {
    bots: BotCodes<'a>,
    pub touches: Touches,
    pub events: Events,
}

impl<'a> Loaded<'a> {
    pub(super) fn new(settings: &'a Settings) -> Loaded<'a> {
        Loaded { bots: settings.bot_codes(), touches: Touches::default(), events: Events::default() }
    }

    /// Adds rows. `is_known` where what touches say of ads is known already.
    pub(super) fn add(&mut self, table: Raw, batch: &RecordBatch, is_known: bool) {
        match table {
            Raw::Messages if is_known => self.touches.add_known(batch, &self.bots),
            Raw::Messages => self.touches.add(batch, &self.bots),
            Raw::Events => self.events.add(batch, &self.bots),
        }
    }
}

/// What rows are loaded for.
#[derive(Clone, Copy)]
pub(super) struct Needs<'a> {
    pub rules: Rules<'a>,
    /// The local days to be counted.
    pub days: &'a BTreeSet<Day>,
    /// The messages partitions whose touches are in what is known of ads. The rows of the others are all loaded.
    pub known: &'a BTreeSet<Day>,
}

impl Needs<'_> {
    fn is_new(&self, partition: &ExtractedPartition<'_>) -> bool {
        partition.table == Raw::Messages && !self.known.contains(&partition.day)
    }

    fn add(&self, loaded: &mut Loaded<'_>, partition: &ExtractedPartition<'_>, batches: &[RecordBatch]) {
        batches.iter().for_each(|batch| loaded.add(partition.table, batch, !self.is_new(partition)));
    }
}

/// How many rows are always loaded at once, however few are usual.
const FEW_ROWS: u64 = 50_000;

/// How many tables are read together.
const TABLES_AT_ONCE: usize = 16;

/// The partitions that some days need.
pub(super) struct NeededTables<'a> {
    /// Those with rows on the days to be counted, those that are new, and those that are nowhere but in memory.
    wholes: Vec<&'a ExtractedPartition<'a>>,
    others: Vec<&'a ExtractedPartition<'a>>,
}

impl<'a> NeededTables<'a> {
    pub(super) fn of(needs: &Needs<'_>, partitions: &'a [ExtractedPartition<'a>]) -> NeededTables<'a> {
        let settings = needs.rules.settings;
        let of_new = partitions.iter().filter(|partition| needs.is_new(partition));
        let days = of_new.fold(needs.days.clone(), |all, partition| &all | &partition.content.local_days());
        let Some((first, last)) = days.first().zip(days.last()) else {
            return NeededTables { wholes: Vec::new(), others: Vec::new() };
        };
        let first_of = |bot: &Bot| first_affecting(bot.zone, settings.horizon.micros(), *first);
        let first_affecting_day = settings.bots.iter().map(first_of).min().unwrap_or(*first);
        let affecting = DayRange { first: first_affecting_day, last: last.plus(COPY_DAYS + 1) };
        // Of ads alone no event says anything.
        let is_idle = |partition: &ExtractedPartition<'_>| partition.table == Raw::Events && needs.days.is_empty();
        let is_needed = |partition: &&ExtractedPartition<'_>| {
            needs.is_new(partition) || (partition.content.has_rows_on(affecting) && !is_idle(partition))
        };
        let is_whole = |partition: &&ExtractedPartition<'_>| {
            let has_asked = || partition.content.local_days().iter().any(|day| needs.days.contains(day));
            needs.is_new(partition) || partition.version.is_none() || has_asked()
        };
        let (wholes, others) = partitions.iter().filter(is_needed).partition(is_whole);
        NeededTables { wholes, others }
    }

    /// In how many parts their rows are to be loaded. On a night, a day of which there is much more than usual takes no more memory
    /// than others. What is in memory alone is there already.
    pub(super) fn parts(&self, rows_at_once: u64) -> u32 {
        if self.wholes.iter().any(|partition| partition.version.is_none()) {
            return 1;
        }
        let rows: u64 = self.wholes.iter().map(|partition| partition.content.accepted).sum();
        let is_night = self.wholes.len() < self.others.len();
        let usual = if is_night { (self.usual_rows() * 5 / 4).max(FEW_ROWS) } else { rows_at_once };
        rows.div_ceil(rows_at_once.min(usual).max(1)).max(1) as u32
    }

    /// How many rows so many tables usually have: each the median of those loaded.
    fn usual_rows(&self) -> u64 {
        let of = |table: Raw| {
            let of_table = self.wholes.iter().chain(&self.others).filter(|partition| partition.table == table);
            let mut rows: Vec<u64> = of_table.map(|partition| partition.content.accepted).collect();
            rows.sort_unstable();
            let tables = self.wholes.iter().filter(|partition| partition.table == table).count() as u64;
            rows.get(rows.len() / 2).map_or(0, |median| median * tables)
        };
        Raw::BOTH.into_iter().map(of).sum()
    }
}

/// Loads what these days' figures can depend on (rule 21), and what is new of ads with its copies, of one part of the contacts. Rows
/// of other contacts and days come along; what they say of other days is not the whole. What is held is taken out of `held`.
pub(super) fn needed<'a>(
    output: &Lake,
    needs: &Needs<'a>,
    tables: &NeededTables<'_>,
    held: &mut Held,
    part: Part,
) -> Result<Loaded<'a>> {
    let mut loading = Loading { output, needs, loaded: Loaded::new(needs.rules.settings), rest: Vec::new() };
    if part == Part::WHOLE {
        loading.wholes(&tables.wholes, held)?;
        if tables.others.is_empty() {
            return Ok(loading.loaded);
        }
    } else {
        // They would take the room that the part needs.
        held.clear_stored();
        loading.part_of_wholes(&tables.wholes, part)?;
    }
    let spans = Spans::new(needs.rules.settings, needs.days);
    let contacts = contacts_on(&spans, &loading.loaded.events, needs.rules.identities);
    let mut deliveries = deliveries_of(&spans, &loading.loaded, &contacts);
    loading.rows_of(&contacts, &tables.others, &mut deliveries)?;
    loading.copies(&deliveries)?;
    Ok(loading.loaded)
}

/// Rows while they are loaded, stage by stage.
struct Loading<'a, 'n> {
    output: &'n Lake,
    needs: &'n Needs<'a>,
    loaded: Loaded<'a>,
    /// The rows of tables that are not loaded as a whole, among which copies may be.
    rest: Vec<Candidate<'n>>,
}

impl<'n> Loading<'_, 'n> {
    /// All rows of these tables.
    fn wholes(&mut self, wholes: &[&ExtractedPartition<'_>], held: &mut Held) -> Result<()> {
        let is_held = |partition: &&ExtractedPartition<'_>| held.has(partition.table, partition.day);
        let (at_hand, stored): (Vec<&ExtractedPartition<'_>>, Vec<_>) = wholes.iter().copied().partition(is_held);
        for partition in at_hand {
            let rows = held.give(partition.table, partition.day);
            self.needs.add(&mut self.loaded, partition, rows.as_slice());
        }
        let found = self.output.on_each(&stored, |partition| working::whole(self.output, partition));
        for (partition, batches) in stored.into_iter().zip(found) {
            self.needs.add(&mut self.loaded, partition, &batches?);
        }
        Ok(())
    }

    /// The rows of these tables of one part of the contacts.
    fn part_of_wholes(&mut self, wholes: &[&'n ExtractedPartition<'n>], part: Part) -> Result<()> {
        let aliases = alias_hashes(self.needs.rules.settings, self.needs.rules.identities, part);
        let load = |partition: &&'n ExtractedPartition<'n>| {
            let (mut found, stored) = candidate(self.output, partition)?;
            let is_in = |row: &usize| match value(&found.contacts, *row) {
                Some(hash) => part.has(hash) || aliases.contains(hash),
                None => part.number == 0,
            };
            found.rows = (0..found.contacts.len()).filter(is_in).map(|row| row as u32).collect();
            let batches = working::some(&stored, partition, &found.rows)?;
            Ok((found.without_contacts(), batches))
        };
        // What was read is more than what is kept of it.
        for some in wholes.chunks(TABLES_AT_ONCE) {
            for found in self.output.on_each(some, load) {
                let (found, batches) = found?;
                self.needs.add(&mut self.loaded, found.partition, &batches);
                self.rest.push(found);
            }
        }
        Ok(())
    }

    /// The rows of some contacts in other tables. Their deliveries are added to those that are looked for.
    fn rows_of(&mut self, contacts: &Hashes, others: &[&'n ExtractedPartition<'n>], deliveries: &mut [Hashes; 2]) -> Result<()> {
        let found = self.output.on_each(others, |partition| {
            let (found, stored) = candidate(self.output, partition)?;
            let rows = rows_with(&found.contacts, contacts);
            let batches = working::some(&stored, partition, &rows)?;
            Ok((Candidate { rows, ..found.without_contacts() }, batches))
        });
        for candidate in found {
            let (other, batches) = candidate?;
            batches.iter().for_each(|batch| self.loaded.add(other.partition.table, batch, true));
            let has_deliveries = !other.deliveries.is_empty();
            let theirs = other.rows.iter().filter(|_| has_deliveries).filter_map(|row| value(&other.deliveries, *row as usize));
            deliveries[other.partition.table as usize].extend(theirs);
            self.rest.push(other);
        }
        Ok(())
    }

    /// The other rows of these messages and events.
    fn copies(&mut self, deliveries: &[Hashes; 2]) -> Result<()> {
        let copies = self.output.on_each(&self.rest, |found| {
            let mut copies = rows_with(&found.deliveries, &deliveries[found.partition.table as usize]);
            copies.retain(|row| found.rows.binary_search(row).is_err());
            if copies.is_empty() {
                return Ok(Vec::new());
            }
            working::some(&working::open(self.output, found.partition)?, found.partition, &copies)
        });
        for (found, batches) in self.rest.iter().zip(copies) {
            self.needs.add(&mut self.loaded, found.partition, &batches?);
        }
        Ok(())
    }
}

/// Loads the rows of some contacts, as ids that stand for them.
pub(super) fn of_contacts(
    output: &Lake,
    loaded: &mut Loaded<'_>,
    partitions: &[ExtractedPartition<'_>],
    ids: &HashSet<String>,
) -> Result<()> {
    let contacts: Hashes = ids.iter().map(|id| short_hash(id)).collect();
    let found = output.on_each(partitions, |partition| {
        let (found, stored) = candidate(output, partition)?;
        working::some(&stored, partition, &rows_with(&found.contacts, &contacts))
    });
    for (partition, batches) in partitions.iter().zip(found) {
        batches?.iter().for_each(|batch| loaded.add(partition.table, batch, false));
    }
    Ok(())
}

/// A table of which some rows may be needed, and those that were loaded, in ascending order.
struct Candidate<'a> {
    partition: &'a ExtractedPartition<'a>,
    contacts: Int64Array,
    /// The hashes of message ids, or of event ids.
    deliveries: Int64Array,
    rows: Vec<u32>,
}

/// The hashes of a table's rows.
fn candidate<'a>(output: &Lake, partition: &'a ExtractedPartition<'a>) -> Result<(Candidate<'a>, StoredTable)> {
    let stored = working::open(output, partition)?;
    let columns = match partition.table {
        Raw::Messages => ["contact_hash", "message_hash"],
        Raw::Events => ["contact_hash", "event_hash"],
    };
    let batches = working::columns(&stored, partition, &columns)?;
    let column = |i: usize| {
        let mut parts = batches.iter().map(|batch| batch.column(i).as_primitive::<Int64Type>());
        match (parts.next(), batches.len()) {
            (Some(only), 1) => only.clone(),
            _ => batches.iter().flat_map(|batch| batch.column(i).as_primitive::<Int64Type>()).collect(),
        }
    };
    Ok((Candidate { partition, contacts: column(0), deliveries: column(1), rows: Vec::new() }, stored))
}

impl Candidate<'_> {
    /// What is left to look at once the rows of its contacts are known: deliveries, if there are any that can be copies.
    fn without_contacts(self) -> Self {
        let none = || Int64Array::from(Vec::<i64>::new());
        let has_deliveries = self.deliveries.null_count() < self.deliveries.len();
        Candidate { contacts: none(), deliveries: if has_deliveries { self.deliveries } else { none() }, ..self }
    }
}

/// The instants of some local days, per bot.
struct Spans(Vec<Vec<(i64, i64)>>);

impl Spans {
    fn new(settings: &Settings, days: &BTreeSet<Day>) -> Spans {
        let of_bot = |bot: &Bot| days.iter().map(|day| (bot.zone.start_of(*day), bot.zone.end_of(*day))).collect();
        Spans(settings.bots.iter().map(of_bot).collect())
    }

    fn has(&self, bot: u32, at: i64) -> bool {
        let spans = &self.0[bot as usize];
        let n = spans.partition_point(|(start, _)| *start <= at);
        n.checked_sub(1).is_some_and(|i| at < spans[i].1)
    }
}

/// The contacts with a conversion event on the days to be built, under all ids that stand for them: a touch alone counts without its
/// contact's other rows.
fn contacts_on(spans: &Spans, events: &Events, identities: &Identities) -> Hashes {
    let of_days = events.rows.iter().filter(|event| spans.has(event.bot, event.occurred_at));
    if identities.is_empty() {
        return of_days.filter_map(|event| events.contact_hash(event)).collect();
    }
    let mut of_bots: Vec<HashSet<&str>> = vec![HashSet::new(); spans.0.len()];
    for event in of_days {
        if let Some(id) = events.contact(event) {
            of_bots[event.bot as usize].insert(identities.resolve(event.bot as usize, id));
        }
    }
    let standing = of_bots.iter().enumerate().flat_map(|(bot, contacts)| identities.ids_of(bot, contacts));
    standing.map(|id| short_hash(&id)).collect()
}

/// The messages and the events among the rows of whole tables whose copies are needed: those on the days to be built, those that are
/// new, and those of these contacts.
fn deliveries_of(spans: &Spans, loaded: &Loaded<'_>, contacts: &Hashes) -> [Hashes; 2] {
    let (touches, events) = (&loaded.touches, &loaded.events);
    let is_touch_needed = |touch: &&Touch| {
        !touches.is_known(touch) || spans.has(touch.bot, touch.sent_at) || contacts.contains(touches.contact_hash(touch))
    };
    let messages = touches.rows.iter().filter(is_touch_needed).map(|touch| touches.message_hash(touch));
    let is_event_needed = |event: &&Event| {
        let is_theirs = || events.contact_hash(event).is_some_and(|contact| contacts.contains(contact));
        spans.has(event.bot, event.occurred_at) || is_theirs()
    };
    [messages.collect(), events.rows.iter().filter(is_event_needed).filter_map(|event| events.event_hash(event)).collect()]
}

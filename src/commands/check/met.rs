//! What is met in some partitions, whether it could count or not: bots, directions, categories, times.
//!
//! In: partitions, and the few columns that tell. Out: numbers. What cannot be read is not told here: it is refused elsewhere.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use arrow::array::RecordBatch;
use foldhash::fast::FixedState;

use crate::base::bound::Bound;
use crate::base::day::{Day, MICROS_PER_DAY};
use crate::base::error::{Error, Result};
use crate::base::parallel::on_all_cores;
use crate::base::progress::Progress;
use crate::base::schema::Raw;
use crate::base::times::Instant;
use crate::config::{PartitionedInput, Settings};
use crate::lake::{Lake, Listing, Partition, ReadPlan, readable};

use super::how::How;

/// As many words are told apart.
const WORDS: usize = 4_096;

const MICROS_PER_HOUR: i64 = MICROS_PER_DAY / 24;

/// Hours before the start of a partition's day from which on rows are counted by the hour, and how many hours that are.
pub(super) const HOURS_BEFORE: i64 = 24;
pub(super) const HOURS: usize = 72;

/// Words with the rows of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(HashMap<String, u64, FixedState>);

impl Words {
    fn add(&mut self, word: &str, rows: u64) {
        if let Some(known) = self.0.get_mut(word) {
            *known += rows;
        } else if self.0.len() < WORDS {
            self.0.insert(word.to_string(), rows);
        }
    }

    pub(super) fn of(&self, word: &str) -> u64 {
        self.0.get(word).copied().unwrap_or_default()
    }

    /// Those of most rows first.
    pub(super) fn most(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.0.iter().map(|(word, rows)| (word.as_str(), *rows)).collect();
        all.sort_by_key(|(word, rows)| (std::cmp::Reverse(*rows), *word));
        all
    }

    /// A few of them with their rows.
    pub(super) fn told(&self) -> String {
        told(&self.most())
    }
}

/// A few words with their rows.
pub(super) fn told(words: &[(&str, u64)]) -> String {
    const TOLD: usize = 8;
    let few: Vec<String> = words.iter().take(TOLD).map(|(word, rows)| format!("{word:?}: {rows}")).collect();
    if words.len() > TOLD { format!("{}, and {} more", few.join(", "), words.len() - TOLD) } else { few.join(", ") }
}

/// When the rows of a partition are.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub first: i64,
    pub last: i64,
    /// Rows with a time.
    pub rows: u64,
    /// Rows further than two days from the partition's own, and the furthest of them.
    pub far: u64,
    pub furthest: i64,
    /// Rows of each hour, from [`HOURS_BEFORE`] on.
    pub by_hour: [u64; HOURS],
}

impl Times {
    fn new() -> Times {
        Times { first: i64::MAX, last: i64::MIN, rows: 0, far: 0, furthest: 0, by_hour: [0; HOURS] }
    }

    /// Times that a partition cannot hold are set aside elsewhere.
    fn add(&mut self, at: i64, start: i64, allowed: &Range<i64>) {
        const FAR_DAYS: i64 = 2;
        if !allowed.contains(&at) {
            return;
        }
        self.rows += 1;
        (self.first, self.last) = (self.first.min(at), self.last.max(at));
        let distance = |of: i64| if of < start { start - of } else { (of - start - MICROS_PER_DAY).max(0) };
        if distance(at) > FAR_DAYS * MICROS_PER_DAY {
            self.far += 1;
            if self.far == 1 || distance(at) > distance(self.furthest) {
                self.furthest = at;
            }
        }
        let hour = (at - start).div_euclid(MICROS_PER_HOUR) + HOURS_BEFORE;
        if let Some(rows) = usize::try_from(hour).ok().and_then(|hour| self.by_hour.get_mut(hour)) {
            *rows += 1;
        }
    }
}

/// What is met of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Met {
    pub rows: u64,
    /// Ids of bots as rows have them.
    pub bots: Words,
    /// Rows without one.
    pub without_bot: u64,
    /// Directions, as the mapping reads them.
    pub directions: Words,
    /// Categories by the index of the bot.
    pub categories: BTreeMap<usize, Words>,
    /// By the day of the partition.
    pub times: BTreeMap<Day, Times>,
    pub partitions: usize,
    /// How many there are.
    pub of: usize,
}

impl Met {
    fn append(&mut self, other: Met) {
        self.rows += other.rows;
        self.without_bot += other.without_bot;
        other.bots.0.iter().for_each(|(word, rows)| self.bots.add(word, *rows));
        other.directions.0.iter().for_each(|(word, rows)| self.directions.add(word, *rows));
        for (bot, words) in other.categories {
            let known = self.categories.entry(bot).or_default();
            words.0.iter().for_each(|(word, rows)| known.add(word, *rows));
        }
        self.times.extend(other.times);
        self.partitions += 1;
    }

    /// The rows of a bot, those of its members among them.
    pub(super) fn rows_of(&self, ids: &[&str]) -> u64 {
        ids.iter().map(|id| self.bots.of(id)).sum()
    }
}

/// Looks at these partitions of a table.
pub(super) fn look(lake: &Lake, settings: &Settings, how: &How<'_>, table: Raw, listing: &Listing) -> Met {
    let partitions: Vec<&Partition> = listing.partitions.values().collect();
    let bytes = partitions.iter().map(|partition| partition.bytes()).sum();
    let step = table.table();
    (how.progress)(Progress::Begin { step, of: "partitions", items: partitions.len() as u64, bytes });
    let bots = settings.bot_by_id();
    let reader = Reader { lake, input: settings.raw(table), table, bots: bots.into_iter().collect() };
    let all = on_all_cores(&partitions, |partition| {
        let met = readable(|| reader.read(partition));
        (how.progress)(Progress::Done { rows: met.as_ref().map_or(0, |met| met.rows), bytes: partition.bytes() });
        met
    });
    (how.progress)(Progress::End);
    let mut met = Met::default();
    // What cannot be read is refused elsewhere.
    all.into_iter().flatten().for_each(|of_partition| met.append(of_partition));
    met
}

struct Reader<'a> {
    lake: &'a Lake,
    input: &'a PartitionedInput,
    table: Raw,
    bots: HashMap<&'a str, usize, FixedState>,
}

impl Reader<'_> {
    fn read(&self, partition: &Partition) -> Result<Met> {
        let names: &[&'static str] = match self.table {
            Raw::Messages => &["bot_id", "sent_at", "direction"],
            Raw::Events => &["bot_id", "occurred_at", "category"],
        };
        let mut met = Met::default();
        let mut times = Times::new();
        for object in partition.to_read()? {
            let cell: OnceCell<Bound> = OnceCell::new();
            self.lake.read_batches(
                object,
                |schema| {
                    let bound = self.input.columns.bind(schema, &object.path)?;
                    let plan = ReadPlan { columns: bound.paths(names), filter: None };
                    let _ = cell.set(bound);
                    Ok(plan)
                },
                |batch| {
                    let bound = cell.get().ok_or_else(|| Error::bug("a batch came before its schema"))?;
                    self.take(bound, &batch, partition.day, (&mut met, &mut times))
                },
            )?;
        }
        if times.rows > 0 {
            met.times.insert(partition.day, times);
        }
        Ok(met)
    }

    fn take(&self, bound: &Bound, batch: &RecordBatch, day: Day, (met, times): (&mut Met, &mut Times)) -> Result<()> {
        let (start, allowed) = (self.input.zone.start_of(day), self.input.zone.allowed_instants(day));
        let (instant, told) = match self.table {
            Raw::Messages => ("sent_at", "direction"),
            Raw::Events => ("occurred_at", "category"),
        };
        let (bots, words) = (bound.cells("bot_id", batch)?, bound.cells(told, batch)?);
        let instants = bound.instants(instant, batch)?;
        met.rows += batch.num_rows() as u64;
        for row in 0..batch.num_rows() {
            let bot = bots.get(row);
            match bot {
                Some(id) => met.bots.add(id, 1),
                None => met.without_bot += 1,
            }
            let named = bot.and_then(|id| self.bots.get(id));
            match (self.table, words.get(row), named) {
                (Raw::Messages, Some(word), _) => met.directions.add(word, 1),
                (Raw::Events, Some(word), Some(index)) => met.categories.entry(*index).or_default().add(word, 1),
                _ => {}
            }
            if let Instant::At(at) = instants[row] {
                times.add(at, start, &allowed);
            }
        }
        Ok(())
    }
}

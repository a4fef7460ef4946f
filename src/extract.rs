//! Extract: one raw partition, read once, becomes a small working table, a count of everything that was left out, and the rows
//! that were set aside.
//!
//! Mapping, member bots and quarantine happen here. Contacts stay as they came: aliases grow every night and must not make
//! working tables stale. A partition whose share of rejected rows passes the limit is refused.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::config::{PartitionedInput, Settings};
use crate::conversions::{ConversionReader, could_convert};
use crate::day::{Day, LocalDays};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::lake::layout::Partition;
use crate::lake::{Filter, Lake, Object, ScanPlan};
use crate::mapping::{Bound, Instant};
use crate::parallel::on_all_cores;
use crate::schema::{self, InputTable};
use crate::touches::{AD_COLUMNS, TouchReader, could_be_touch};

/// The settings as extraction asks them, row by row.
pub struct Scope<'a> {
    pub settings: &'a Settings,
    bots: HashMap<&'a str, usize, FixedState>,
    categories: HashSet<&'a str>,
}

impl<'a> Scope<'a> {
    pub fn new(settings: &'a Settings) -> Scope<'a> {
        let bots = settings.bot_by_id().into_iter().collect();
        let categories =
            settings.bots.iter().flat_map(|bot| &bot.conversion_events).map(|setting| setting.category.as_str()).collect();
        Scope { settings, bots, categories }
    }

    /// The bot a row counts for: none without an id, an error with the id of a bot that the pipeline does not name.
    pub fn bot<'t>(&self, id: Option<&'t str>) -> Result<Option<usize>, &'t str> {
        match id {
            None => Ok(None),
            Some(id) => self.bots.get(id).map(|bot| Some(*bot)).ok_or(id),
        }
    }
}

/// The rows of one bot on one local day: what counts depend on, so without titles and types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DayDigest {
    /// Touches with an ad id; none among conversion events.
    #[serde(default, skip_serializing_if = "Digest::is_none")]
    pub attributed: Digest,
    /// Touches without an ad id, or conversion events.
    #[serde(default, skip_serializing_if = "Digest::is_none")]
    pub other: Digest,
}

/// An accepted row, as receipts remember it.
pub struct NotedRow {
    /// Index of the bot.
    pub bot: usize,
    pub at: i64,
    pub attributed: bool,
    /// Of the columns that counts depend on.
    pub counted: Digest,
    /// Of all columns.
    pub whole: Digest,
}

/// The settings that matter to the working table of touches.
pub fn touch_settings(settings: &Settings) -> Digest {
    let bots = settings.bots.iter().map(|bot| format!("{:?} {:?} {}", bot.id, bot.members, bot.zone.name()));
    let input = [format!("{:?}", settings.messages.columns.columns), settings.max_rejected_share.to_string()];
    Digest::of_texts(input.into_iter().chain(bots))
}

/// The settings that matter to the working table of conversion events, but for which events those are.
pub fn event_settings(settings: &Settings) -> Digest {
    let bots = settings.bots.iter().map(|bot| format!("{:?} {:?} {}", bot.id, bot.members, bot.zone.name()));
    let input = [format!("{:?}", settings.events.columns.columns), settings.max_rejected_share.to_string()];
    Digest::of_texts(input.into_iter().chain(bots))
}

/// The conversion settings of every bot, from its first on.
pub fn conversion_settings(settings: &Settings) -> Digest {
    Digest::of_texts(settings.bots.iter().map(|bot| format!("{:?} {:?}", bot.id, bot.conversion_events)))
}

/// What an extraction counted. Kept in the receipt of the working table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extract {
    /// Rows of the working table.
    pub accepted: u64,
    /// Conversion events by category, but not of the one in effect at their instant.
    pub not_in_effect: u64,
    /// Rows set aside, by reason, per bot; under "" those of no bot.
    pub rejected: BTreeMap<String, BTreeMap<String, u64>>,
    /// Rows that could count, of bots that the pipeline does not name.
    pub out_of_scope: BTreeMap<String, u64>,
    /// The local days that the accepted rows fall on, per bot id, with a digest of the rows of each.
    pub days: BTreeMap<String, BTreeMap<Day, DayDigest>>,
    /// Of all accepted rows in all columns.
    pub rows: Digest,
    pub warnings: BTreeSet<String>,
    #[serde(skip)]
    set_aside: BTreeMap<Vec<Option<String>>, u64>,
    #[serde(skip)]
    columns: usize,
}

impl Extract {
    pub fn new(table: &InputTable) -> Extract {
        Extract { columns: table.columns.len(), ..Extract::default() }
    }

    pub fn count_out_of_scope(&mut self, bot: &str) {
        *self.out_of_scope.entry(bot.to_string()).or_default() += 1;
    }

    pub fn count_rejected(&mut self, bot: Option<&str>, reason: &str) {
        *self.rejected.entry(bot.unwrap_or_default().to_string()).or_default().entry(reason.to_string()).or_default() += 1;
    }

    /// Adds what was left out of another object of the same partition.
    pub fn append(&mut self, other: Extract) {
        self.not_in_effect += other.not_in_effect;
        for (bot, reasons) in other.rejected {
            let of_bot = self.rejected.entry(bot).or_default();
            reasons.into_iter().for_each(|(reason, count)| *of_bot.entry(reason).or_default() += count);
        }
        other.out_of_scope.into_iter().for_each(|(bot, count)| *self.out_of_scope.entry(bot).or_default() += count);
        other.set_aside.into_iter().for_each(|(row, times)| *self.set_aside.entry(row).or_default() += times);
    }

    /// Notes the days and digests of the accepted rows, of which `instants` tells bots and times beforehand.
    pub fn note_rows(
        &mut self,
        rows: impl Iterator<Item = NotedRow>,
        instants: impl Iterator<Item = (usize, i64)>,
        scope: &Scope<'_>,
    ) {
        let mut spans: Vec<Option<(i64, i64)>> = vec![None; scope.settings.bots.len()];
        for (bot, at) in instants {
            let (first, last) = spans[bot].unwrap_or((at, at));
            spans[bot] = Some((first.min(at), last.max(at)));
        }
        let zones = scope.settings.bots.iter().zip(&spans);
        let zones: Vec<LocalDays> = zones.map(|(bot, span)| LocalDays::new(bot.zone, *span)).collect();
        let mut of_bots: Vec<BTreeMap<Day, DayDigest>> = zones.iter().map(|_| BTreeMap::new()).collect();
        for row in rows {
            let day = of_bots[row.bot].entry(zones[row.bot].of(row.at)).or_default();
            let part = if row.attributed { &mut day.attributed } else { &mut day.other };
            *part = part.plus(row.counted);
            self.rows = self.rows.plus(row.whole);
        }
        let found = scope.settings.bots.iter().zip(of_bots).filter(|(_, days)| !days.is_empty());
        self.days.extend(found.map(|(bot, days)| (bot.id.clone(), days)));
    }

    pub fn rejected_of(&self, bot: &str) -> u64 {
        self.rejected.get(bot).map_or(0, |reasons| reasons.values().sum())
    }

    pub fn rejected_rows(&self) -> u64 {
        self.rejected.values().flat_map(BTreeMap::values).sum()
    }

    /// The rows set aside, as a table; none when there are none.
    pub fn rejected_table(&self, table: &InputTable) -> Result<Option<RecordBatch>> {
        if self.set_aside.is_empty() {
            return Ok(None);
        }
        let rows = || self.set_aside.iter().flat_map(|(row, times)| std::iter::repeat_n(row, *times as usize));
        let columns = (0..=self.columns)
            .map(|i| Arc::new(rows().map(|row| row[i].as_deref()).collect::<StringArray>()) as ArrayRef)
            .collect();
        let batch = RecordBatch::try_new(schema::rejected(table).schema, columns);
        batch.map(Some).map_err(|error| Error::bug("rejected rows do not fit their schema").source(error))
    }

    fn check_share(&self, table: &InputTable, day: Day, limit: f64) -> Result<()> {
        let (rejected, candidates) = (self.rejected_rows(), self.accepted + self.not_in_effect + self.rejected_rows());
        if candidates == 0 || rejected as f64 / candidates as f64 <= limit {
            return Ok(());
        }
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for (reason, count) in self.rejected.values().flatten() {
            *reasons.entry(reason).or_default() += count;
        }
        let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
        Err(Error::data(format!(
            "{rejected} of {candidates} rows that could count break the contract, more than the limit of {limit}"
        ))
        .with("table", table.name)
        .with("day", day)
        .with("reasons", reasons.join(", "))
        .mend("look at the rows under rejected/, mend the partition, or raise [quality] max_rejected_share"))
    }
}

/// Keeps the rows of a batch that break the contract, with their reasons, as they came.
pub fn set_aside(
    extract: &mut Extract,
    columns: &[&'static str],
    time_column: &'static str,
    bound: &Bound,
    batch: &RecordBatch,
    reasons: &[(usize, &'static str)],
) -> Result<()> {
    if reasons.is_empty() {
        return Ok(());
    }
    let read = |name: &&'static str| if *name == time_column { bound.raw_text(name, batch) } else { bound.text(name, batch) };
    let texts = columns.iter().map(read).collect::<Result<Vec<_>>>()?;
    for (row, reason) in reasons {
        let cells = texts.iter().map(|text| text.is_valid(*row).then(|| text.value(*row).to_string()));
        let kept: Vec<Option<String>> = std::iter::once(Some(reason.to_string())).chain(cells).collect();
        *extract.set_aside.entry(kept).or_default() += 1;
    }
    Ok(())
}

/// A partition extracted. It may be refused all the same: then `refusal` says why, and only its rejected rows are of use.
pub struct Extracted {
    pub batch: RecordBatch,
    pub extract: Extract,
    pub refusal: Option<Error>,
}

/// Reads a messages partition, all its objects at once or one after the other.
pub fn messages(lake: &Lake, scope: &Scope<'_>, partition: &Partition, at_once: bool) -> Result<Extracted> {
    let input = &scope.settings.messages;
    let (of_objects, warnings) = each_object(partition, at_once, |object, warnings| {
        let mut reader = TouchReader::new(scope, partition.day);
        scan(lake, input, object, partition.day, &AD_COLUMNS, could_be_touch, warnings, |bound, batch| {
            reader.take(bound, batch)
        })?;
        Ok(reader)
    })?;
    let mut reader = TouchReader::new(scope, partition.day);
    of_objects.into_iter().for_each(|of_object| reader.append(of_object));
    let (batch, mut extract) = reader.finish()?;
    extract.warnings = warnings.0;
    let refusal = extract.check_share(&schema::MESSAGES, partition.day, scope.settings.max_rejected_share).err();
    Ok(Extracted { batch, extract, refusal })
}

/// Reads an events partition, likewise.
pub fn events(lake: &Lake, scope: &Scope<'_>, partition: &Partition, at_once: bool) -> Result<Extracted> {
    let input = &scope.settings.events;
    let categories = Arc::new(scope.categories.iter().map(|category| category.to_string()).collect::<HashSet<_, FixedState>>());
    let (of_objects, warnings) = each_object(partition, at_once, |object, warnings| {
        let mut reader = ConversionReader::new(scope, partition.day);
        let categories = categories.clone();
        let test = move |bound: &Bound, batch: &RecordBatch| could_convert(bound, &categories, batch);
        scan(lake, input, object, partition.day, &["category"], test, warnings, |bound, batch| reader.take(bound, batch))?;
        Ok(reader)
    })?;
    let mut reader = ConversionReader::new(scope, partition.day);
    of_objects.into_iter().for_each(|of_object| reader.append(of_object));
    let (batch, mut extract) = reader.finish()?;
    extract.warnings = warnings.0;
    let refusal = extract.check_share(&schema::EVENTS, partition.day, scope.settings.max_rejected_share).err();
    Ok(Extracted { batch, extract, refusal })
}

/// What `read` makes of each object, in their order, with the warnings of all.
fn each_object<R: Send>(
    partition: &Partition,
    at_once: bool,
    read: impl Fn(&Object, &mut Warnings) -> Result<R> + Sync,
) -> Result<(Vec<R>, Warnings)> {
    let read = |object: &Object| {
        let mut warnings = Warnings::default();
        read(object, &mut warnings).map(|read| (read, warnings))
    };
    let found = if at_once { on_all_cores(&partition.objects, read) } else { partition.objects.iter().map(read).collect() };
    let (mut of_objects, mut all) = (Vec::new(), Warnings::default());
    for found in found {
        let (of_object, warnings) = found?;
        of_objects.push(of_object);
        all.0.extend(warnings.0);
    }
    Ok((of_objects, all))
}

/// A tracked event of a named bot, of any category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedEvent {
    pub bot: usize,
    /// As it came.
    pub contact: String,
    pub occurred_at: i64,
    pub category: Option<String>,
    pub event: Option<String>,
}

/// Reads the events of these contacts, whatever their category. Rows without a readable time are left out: they are set aside
/// where they could convert.
pub fn tracked_events(
    lake: &Lake,
    scope: &Scope<'_>,
    partition: &Partition,
    contacts: &Arc<HashSet<String>>,
) -> Result<Vec<TrackedEvent>> {
    let mut events = Vec::new();
    for object in &partition.objects {
        let contacts = contacts.clone();
        let is_theirs = move |bound: &Bound, batch: &RecordBatch| {
            let cells = bound.text("contact_id", batch)?;
            Ok(cells.iter().map(|contact| Some(contact.is_some_and(|contact| contacts.contains(contact)))).collect())
        };
        let input = &scope.settings.events;
        scan(lake, input, object, partition.day, &["contact_id"], is_theirs, &mut Warnings::default(), |bound, batch| {
            let text = |name| bound.text(name, batch);
            let (bots, ids, categories, names) = (text("bot_id")?, text("contact_id")?, text("category")?, text("event_id")?);
            let cell = |column: &StringArray, row: usize| column.is_valid(row).then(|| column.value(row).to_string());
            for (row, time) in bound.instants("occurred_at", batch)?.into_iter().enumerate() {
                let bot = scope.bot(bots.is_valid(row).then(|| bots.value(row)));
                if let (Ok(Some(bot)), Some(contact), Instant::At(occurred_at)) = (bot, cell(&ids, row), time) {
                    let (category, event) = (cell(&categories, row), cell(&names, row));
                    events.push(TrackedEvent { bot, contact, occurred_at, category, event });
                }
            }
            Ok(())
        })?;
    }
    Ok(events)
}

#[derive(Default)]
struct Warnings(BTreeSet<String>);

/// Reads one object behind a row filter on `tested` columns; the others are decoded only for the rows that pass.
#[allow(clippy::too_many_arguments)]
fn scan(
    lake: &Lake,
    input: &PartitionedInput,
    object: &Object,
    day: Day,
    tested: &[&'static str],
    test: impl Fn(&Bound, &RecordBatch) -> Result<arrow::array::BooleanArray> + Send + 'static,
    warnings: &mut Warnings,
    mut each: impl FnMut(&Bound, &RecordBatch) -> Result<()>,
) -> Result<()> {
    let table = input.columns.table;
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let cell: std::cell::OnceCell<Arc<Bound>> = std::cell::OnceCell::new();
    let scanned = lake.scan(
        object,
        |schema| {
            let bound = Arc::new(input.columns.bind(schema)?);
            let plan = ScanPlan {
                columns: bound.paths(&names),
                filter: Some(Filter {
                    columns: bound.paths(tested),
                    test: Box::new({
                        let bound = bound.clone();
                        move |batch| test(&bound, batch)
                    }),
                }),
            };
            let _ = cell.set(bound);
            Ok(plan)
        },
        |batch| match cell.get() {
            Some(bound) => each(bound, &batch),
            None => Err(Error::bug("a batch came before its schema")),
        },
    );
    scanned.map_err(|error| error.with("table", table.name).with("day", day))?;
    if let Some(bound) = cell.get() {
        for column in bound.missing() {
            warnings.0.insert(format!("{}: optional column {column} is missing, it is NULL", table.name));
        }
        for (column, _) in bound.unreadable_json() {
            warnings.0.insert(format!("{}: some cells of {column} are not JSON objects, they are NULL", table.name));
        }
    }
    Ok(())
}

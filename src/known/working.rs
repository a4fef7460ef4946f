//! Working tables, as they are loaded: all of them, those of some days, or the rows that some days need.
//!
//! On a night few contacts have a conversion event on a day that is to be built. Their other rows, and the other deliveries
//! of the same messages and events, are found by the short hashes of the ids, which are read of every table in reach; only the
//! rows so found are decoded. A hash that two ids have in common brings a row too many, which changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use foldhash::fast::FixedState;

use crate::base::day::{Day, DayRange};
use crate::base::digest::short_hash;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::limits::COPY_DAYS;
use crate::base::schema::Raw;
use crate::config::{Bot, BotCodes};
use crate::extract::conversions::{Conversion, Conversions};
use crate::extract::found::Extract;
use crate::extract::identity::Identities;
use crate::extract::touches::{Touch, Touches};
use crate::known::job::Places;
use crate::known::survey::Survey;
use crate::lake::layout::working_object;
use crate::lake::{StoredTable, decode};
use crate::plan::first_in_reach;
use crate::plan::receipt::PartitionReceipt;

/// What to do about working tables that have a receipt and are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    Refused,
    /// For a look at what is known.
    Allowed,
}

/// Working tables that this run has made: they need not be read.
pub type Fresh = BTreeMap<(Raw, Day), RecordBatch>;

/// Loads the working tables that have a receipt. Those that are lost are an error, or left out where that is allowed.
pub(crate) fn all(places: &Places<'_>, survey: &Survey, lost: Lost) -> Result<(Touches, Conversions)> {
    load(places, survey, lost, &|_| true)
}

/// Loads those that hold a row of these local days; they may hold rows of others too.
pub(crate) fn of_days(places: &Places<'_>, survey: &Survey, days: DayRange) -> Result<(Touches, Conversions)> {
    load(places, survey, Lost::Refused, &|content| has_rows(content, days))
}

/// Loads the rows of these contacts, as ids that stand for them; rows of a few others may come along.
pub(crate) fn of_contacts(
    places: &Places<'_>,
    survey: &Survey,
    ids: &HashSet<String>,
    lost: Lost,
) -> Result<(Touches, Conversions)> {
    let contacts: Hashes = ids.iter().map(|id| short_hash(id)).collect();
    let tables: Vec<(Raw, Day)> = tables(survey).map(|(table, day, _)| (table, day)).collect();
    let found = places.output.on_each(&tables, |(table, day)| {
        let (found, stored) = candidate(places, survey, *table, *day)?;
        some(&stored, &found, &rows_with(&found.contacts, &contacts))
    });
    together(places, &tables, found, lost)
}

fn has_rows(content: &Extract, days: DayRange) -> bool {
    content.days.values().any(|of_bot| of_bot.range(days.first..=days.last).next().is_some())
}

fn load(places: &Places<'_>, survey: &Survey, lost: Lost, wanted: &dyn Fn(&Extract) -> bool) -> Result<(Touches, Conversions)> {
    let tables: Vec<(Raw, Day)> =
        tables(survey).filter(|(.., receipt)| wanted(&receipt.content)).map(|(t, d, _)| (t, d)).collect();
    let found = places.output.on_each(&tables, |(table, day)| whole(places, survey, *table, *day));
    together(places, &tables, found, lost)
}

/// What was read of these tables.
fn together(
    places: &Places<'_>,
    tables: &[(Raw, Day)],
    found: Vec<Result<Vec<RecordBatch>>>,
    lost: Lost,
) -> Result<(Touches, Conversions)> {
    let mut rows = Rows::new(places);
    for ((table, _), batches) in tables.iter().zip(found) {
        let batches = match lost {
            Lost::Refused => batches?,
            Lost::Allowed => batches.unwrap_or_default(),
        };
        batches.iter().for_each(|batch| rows.add(*table, batch, false));
    }
    Ok((rows.touches, rows.events))
}

fn tables(survey: &Survey) -> impl Iterator<Item = (Raw, Day, &PartitionReceipt<Extract>)> {
    Raw::BOTH.into_iter().flat_map(|table| survey.receipts.raw(table).iter().map(move |(day, receipt)| (table, day, receipt)))
}

/// All rows of a working table.
fn whole(places: &Places<'_>, survey: &Survey, table: Raw, day: Day) -> Result<Vec<RecordBatch>> {
    let path = working_object(table, day);
    let is_landed = survey.raw(table).partitions.contains_key(&day);
    let stored = survey.receipts.raw(table).get(day).and_then(|receipt| receipt.stored.as_ref());
    // A run that lost the lock may still write here. Tables of retired partitions are nobody's to write.
    let is_ours = |version: &String| !is_landed || stored == Some(version);
    match places.output.get_versioned(&path)?.filter(|(_, version)| is_ours(version)) {
        Some((bytes, _)) => decode(bytes).map_err(|error| unreadable(error, &path)),
        None => Err(gone(&path)),
    }
}

fn unreadable(error: Error, path: &str) -> Error {
    error.with("object", path).mend("remove the object and run again")
}

fn gone(path: &str) -> Error {
    Error::new(ErrorKind::Unavailable, "a working table is gone, or was replaced by another run")
        .with("object", path)
        .mend("run again: it is made anew")
}

/// The rows that are loaded together.
struct Rows<'a> {
    bots: BotCodes<'a>,
    touches: Touches,
    events: Conversions,
}

impl<'a> Rows<'a> {
    fn new(places: &Places<'a>) -> Rows<'a> {
        Rows { bots: places.settings.bot_codes(), touches: Touches::default(), events: Conversions::default() }
    }

    fn add(&mut self, table: Raw, batch: &RecordBatch, is_known: bool) {
        match table {
            Raw::Messages if is_known => self.touches.add_known(batch, &self.bots),
            Raw::Messages => self.touches.add(batch, &self.bots),
            Raw::Events => self.events.add(batch, &self.bots),
        }
    }
}

/// What rows are loaded for.
pub struct Needs<'a> {
    /// The local days to be built.
    pub days: &'a BTreeSet<Day>,
    /// The messages partitions whose touches are in what is known of ads. The rows of the others are all loaded.
    pub is_known: &'a dyn Fn(Day) -> bool,
    pub identities: &'a Identities,
}

/// Short hashes that are looked for among many others.
#[derive(Default)]
struct Hashes {
    set: HashSet<i64, FixedState>,
    /// A bit for each beginning of a hash that is in the set: it tells of most others that they are not.
    beginnings: Vec<u64>,
}

/// Of a hash, as many as a processor's cache has bits to spare.
const BITS_OF_BEGINNING: u32 = 20;

impl Hashes {
    fn place(hash: i64) -> (usize, u64) {
        let beginning = hash.cast_unsigned() >> (64 - BITS_OF_BEGINNING);
        ((beginning / 64) as usize, 1 << (beginning % 64))
    }

    fn contains(&self, hash: i64) -> bool {
        let (word, bit) = Hashes::place(hash);
        self.beginnings.get(word).is_some_and(|bits| bits & bit != 0) && self.set.contains(&hash)
    }
}

impl Extend<i64> for Hashes {
    fn extend<I: IntoIterator<Item = i64>>(&mut self, hashes: I) {
        self.beginnings.resize(1 << (BITS_OF_BEGINNING - 6), 0);
        for hash in hashes {
            let (word, bit) = Hashes::place(hash);
            self.beginnings[word] |= bit;
            self.set.insert(hash);
        }
    }
}

impl FromIterator<i64> for Hashes {
    fn from_iter<I: IntoIterator<Item = i64>>(hashes: I) -> Hashes {
        let mut found = Hashes::default();
        found.extend(hashes);
        found
    }
}

/// A table of which some rows may be needed, and those that were loaded, in ascending order.
struct Candidate {
    table: Raw,
    day: Day,
    contacts: Int64Array,
    /// Of messages, or of events.
    deliveries: Int64Array,
    rows: Vec<u32>,
}

/// A part of all contacts, by the short hashes of those that their ids stand for. A table is sorted by the hashes of its ids, so
/// the rows of a part lie together, but for aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub number: u32,
    pub of: u32,
}

impl Part {
    pub const WHOLE: Part = Part { number: 0, of: 1 };

    fn has(self, hash: i64) -> bool {
        ((u128::from(hash.cast_unsigned()) * u128::from(self.of)) >> 64) as u32 == self.number
    }

    /// Whether a row counts in this part. One without a contact counts in the first.
    pub fn counts(self, identities: &Identities, bot: u32, contact: Option<(&str, i64)>) -> bool {
        let Some((id, hash)) = contact.filter(|_| self.of > 1) else { return self.number == 0 };
        let resolved = identities.resolve(bot as usize, id);
        self.has(if std::ptr::eq(resolved, id) { hash } else { short_hash(resolved) })
    }
}

/// Rows that are loaded at once, unless somebody asks for another number.
pub const ROWS_AT_ONCE: u64 = 2_000_000;

/// As many rows are never too many.
const FEW_ROWS: u64 = 50_000;

/// How many tables are read together.
const TABLES_AT_ONCE: usize = 16;

/// The tables that some days need.
pub struct NeededTables<'a> {
    /// Those with rows on the days to be built, and those that are new.
    wholes: Vec<(Raw, Day, &'a PartitionReceipt<Extract>)>,
    others: Vec<(Raw, Day, &'a PartitionReceipt<Extract>)>,
}

fn is_new(needs: &Needs<'_>, table: Raw, day: Day) -> bool {
    table == Raw::Messages && !(needs.is_known)(day)
}

impl<'s> NeededTables<'s> {
    pub(crate) fn of(places: &Places<'_>, survey: &'s Survey, needs: &Needs<'_>) -> NeededTables<'s> {
        let settings = places.settings;
        let days_of =
            |receipt: &PartitionReceipt<Extract>| receipt.content.days.values().flat_map(BTreeMap::keys).copied().collect();
        let of_new = tables(survey).filter(|(table, day, _)| is_new(needs, *table, *day)).map(|(.., receipt)| days_of(receipt));
        let days = of_new.fold(needs.days.clone(), |all, days: BTreeSet<Day>| &all | &days);
        let Some((first, last)) = days.first().zip(days.last()) else {
            return NeededTables { wholes: Vec::new(), others: Vec::new() };
        };
        let first = settings.bots.iter().map(|bot| first_in_reach(settings, bot, *first)).min().unwrap_or(*first);
        let in_reach = DayRange { first, last: last.plus(COPY_DAYS + 1) };
        let is_whole = |table: Raw, day: Day, receipt: &PartitionReceipt<Extract>| {
            is_new(needs, table, day) || days_of(receipt).iter().any(|day: &Day| needs.days.contains(day))
        };
        let (wholes, others) = tables(survey)
            .filter(|(table, day, receipt)| is_new(needs, *table, *day) || has_rows(&receipt.content, in_reach))
            .partition(|(table, day, receipt)| is_whole(*table, *day, receipt));
        NeededTables { wholes, others }
    }

    /// In how many parts their rows are to be loaded. On a night, a day of which there is much more than usual takes no more memory
    /// than others.
    pub fn parts(&self, rows_at_once: u64) -> u32 {
        let rows: u64 = self.wholes.iter().map(|(.., receipt)| receipt.content.accepted).sum();
        let is_night = self.wholes.len() < self.others.len();
        let usual = if is_night { (self.usual_rows() * 5 / 4).max(FEW_ROWS) } else { rows_at_once };
        rows.div_ceil(rows_at_once.min(usual).max(1)).max(1) as u32
    }

    /// As many rows as so many tables have as a rule: each the median of those in reach.
    fn usual_rows(&self) -> u64 {
        let of = |table: Raw| {
            let of_table = self.wholes.iter().chain(&self.others).filter(|(of, ..)| *of == table);
            let mut rows: Vec<u64> = of_table.map(|(.., receipt)| receipt.content.accepted).collect();
            rows.sort_unstable();
            let tables = self.wholes.iter().filter(|(of, ..)| *of == table).count() as u64;
            rows.get(rows.len() / 2).map_or(0, |median| median * tables)
        };
        Raw::BOTH.into_iter().map(of).sum()
    }
}

/// Loads what these days' figures can depend on (rule 21), and what is new of ads with its copies, of one part of the contacts. Rows
/// of other contacts and days come along; what they say of other days is not the whole. What is fresh is taken out of `fresh`.
pub(crate) fn needed(
    places: &Places<'_>,
    survey: &Survey,
    tables: &NeededTables<'_>,
    fresh: &mut Fresh,
    needs: &Needs<'_>,
    part: Part,
) -> Result<(Touches, Conversions)> {
    let NeededTables { wholes, others } = tables;
    let mut rows = Rows::new(places);
    // Of tables that are not loaded as a whole: copies may be among their other rows.
    let mut rest: Vec<Candidate> = Vec::new();
    if part == Part::WHOLE {
        let is_fresh = |(table, day, _): &&(Raw, Day, _)| fresh.contains_key(&(*table, *day));
        let (at_hand, stored): (Vec<_>, Vec<_>) = wholes.iter().partition(is_fresh);
        for (table, day, _) in at_hand.into_iter().copied() {
            fresh.remove(&(table, day)).iter().for_each(|batch| rows.add(table, batch, !is_new(needs, table, day)));
        }
        let loaded = places.output.on_each(&stored, |(table, day, _)| whole(places, survey, *table, *day));
        for ((table, day, _), batches) in stored.iter().zip(loaded) {
            batches?.iter().for_each(|batch| rows.add(*table, batch, !is_new(needs, *table, *day)));
        }
        if others.is_empty() {
            return Ok((rows.touches, rows.events));
        }
    } else {
        // They would take the room that the part needs.
        fresh.clear();
        let aliases = alias_hashes(places, needs.identities, part);
        let load = |(table, day, _): &(Raw, Day, _)| {
            let (mut found, stored) = candidate(places, survey, *table, *day)?;
            let is_in = |row: &usize| match value(&found.contacts, *row) {
                Some(hash) => part.has(hash) || aliases.contains(hash),
                None => part.number == 0,
            };
            found.rows = (0..found.contacts.len()).filter(is_in).map(|row| row as u32).collect();
            let batches = some(&stored, &found, &found.rows)?;
            Ok((found.without_contacts(), batches))
        };
        // What was read is more than what is kept of it.
        for wholes in wholes.chunks(TABLES_AT_ONCE) {
            for found in places.output.on_each(wholes, load) {
                let (found, batches) = found?;
                batches.iter().for_each(|batch| rows.add(found.table, batch, !is_new(needs, found.table, found.day)));
                rest.push(found);
            }
        }
    }

    let spans = Spans::new(places, needs.days);
    let contacts = contacts_on(&spans, &rows.events, needs.identities);
    let mut deliveries = deliveries_of(&spans, &rows, &contacts);
    let found = places.output.on_each(others, |(table, day, _)| {
        let (found, stored) = candidate(places, survey, *table, *day)?;
        let rows = rows_with(&found.contacts, &contacts);
        let batches = some(&stored, &found, &rows)?;
        Ok((Candidate { rows, ..found.without_contacts() }, batches))
    });
    for found in found {
        let (found, batches) = found?;
        batches.iter().for_each(|batch| rows.add(found.table, batch, true));
        let has_deliveries = !found.deliveries.is_empty();
        let theirs = found.rows.iter().filter(|_| has_deliveries).filter_map(|row| value(&found.deliveries, *row as usize));
        deliveries[found.table as usize].extend(theirs);
        rest.push(found);
    }
    let copies = places.output.on_each(&rest, |found| {
        let mut copies = rows_with(&found.deliveries, &deliveries[found.table as usize]);
        copies.retain(|row| found.rows.binary_search(row).is_err());
        if copies.is_empty() {
            return Ok(Vec::new());
        }
        some(&stored_table(places, survey, found.table, found.day)?, found, &copies)
    });
    for (found, batches) in rest.iter().zip(copies) {
        batches?.iter().for_each(|batch| rows.add(found.table, batch, !is_new(needs, found.table, found.day)));
    }
    Ok((rows.touches, rows.events))
}

/// The hashes of the ids that stand for a contact of this part.
fn alias_hashes(places: &Places<'_>, identities: &Identities, part: Part) -> Hashes {
    let bots = 0..places.settings.bots.len();
    let targets = bots.flat_map(|bot| identities.aliases(bot).map(move |alias| (alias, identities.resolve(bot, alias))));
    targets.filter(|(_, target)| part.has(short_hash(target))).map(|(alias, _)| short_hash(alias)).collect()
}

impl Candidate {
    /// What is left to look at once the rows of its contacts are known: deliveries, if there are any that can be copies.
    fn without_contacts(self) -> Candidate {
        let none = || Int64Array::from(Vec::<i64>::new());
        let has_deliveries = self.deliveries.null_count() < self.deliveries.len();
        Candidate { contacts: none(), deliveries: if has_deliveries { self.deliveries } else { none() }, ..self }
    }
}

fn value(hashes: &Int64Array, row: usize) -> Option<i64> {
    hashes.is_valid(row).then(|| hashes.value(row))
}

fn rows_with(hashes: &Int64Array, wanted: &Hashes) -> Vec<u32> {
    let is_wanted = |row: &u32| value(hashes, *row as usize).is_some_and(|hash| wanted.contains(hash));
    (0..hashes.len() as u32).filter(is_wanted).collect()
}

/// The instants of some local days, per bot.
struct Spans(Vec<Vec<(i64, i64)>>);

impl Spans {
    fn new(places: &Places<'_>, days: &BTreeSet<Day>) -> Spans {
        let of_bot = |bot: &Bot| days.iter().map(|day| (bot.zone.start_of(*day), bot.zone.end_of(*day))).collect();
        Spans(places.settings.bots.iter().map(of_bot).collect())
    }

    fn has(&self, bot: u32, at: i64) -> bool {
        let spans = &self.0[bot as usize];
        let n = spans.partition_point(|(start, _)| *start <= at);
        n.checked_sub(1).is_some_and(|i| at < spans[i].1)
    }
}

/// The contacts with a conversion event on the days to be built, under all ids that stand for them: a touch alone counts without its
/// contact's other rows.
fn contacts_on(spans: &Spans, events: &Conversions, identities: &Identities) -> Hashes {
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
fn deliveries_of(spans: &Spans, rows: &Rows<'_>, contacts: &Hashes) -> [Hashes; 2] {
    let (touches, events) = (&rows.touches, &rows.events);
    let is_needed = |touch: &&Touch| {
        !touches.is_known(touch) || spans.has(touch.bot, touch.sent_at) || contacts.contains(touches.contact_hash(touch))
    };
    let messages = touches.rows.iter().filter(is_needed).map(|touch| touches.message_hash(touch));
    let is_needed = |event: &&Conversion| {
        let is_theirs = || events.contact_hash(event).is_some_and(|contact| contacts.contains(contact));
        spans.has(event.bot, event.occurred_at) || is_theirs()
    };
    [messages.collect(), events.rows.iter().filter(is_needed).filter_map(|event| events.event_hash(event)).collect()]
}

/// A working table as it was surveyed.
fn stored_table(places: &Places<'_>, survey: &Survey, table: Raw, day: Day) -> Result<StoredTable> {
    let path = working_object(table, day);
    let object = survey.working(table, day).ok_or_else(|| gone(&path))?;
    let bytes = places.output.get_listed(object)?.ok_or_else(|| gone(&path))?;
    StoredTable::new(bytes).map_err(|error| unreadable(error, &path))
}

/// The hashes of a table's rows.
fn candidate(places: &Places<'_>, survey: &Survey, table: Raw, day: Day) -> Result<(Candidate, StoredTable)> {
    let stored = stored_table(places, survey, table, day)?;
    let columns = match table {
        Raw::Messages => ["contact_hash", "message_hash"],
        Raw::Events => ["contact_hash", "event_hash"],
    };
    let batches = stored.columns(&columns).map_err(|error| unreadable(error, &working_object(table, day)))?;
    let column = |i: usize| {
        let mut parts = batches.iter().map(|batch| batch.column(i).as_primitive::<Int64Type>());
        match (parts.next(), batches.len()) {
            (Some(only), 1) => only.clone(),
            _ => batches.iter().flat_map(|batch| batch.column(i).as_primitive::<Int64Type>()).collect(),
        }
    };
    Ok((Candidate { table, day, contacts: column(0), deliveries: column(1), rows: Vec::new() }, stored))
}

/// Some rows of a working table.
fn some(stored: &StoredTable, found: &Candidate, rows: &[u32]) -> Result<Vec<RecordBatch>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    stored.rows(rows).map_err(|error| unreadable(error, &working_object(found.table, found.day)))
}

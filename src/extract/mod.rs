//! Extract: one raw partition, read once, becomes a small working table, a count of everything that was left out, and the rows
//! that were set aside.
//!
//! Mapping, member bots and quarantine happen here. Contacts stay as they came: aliases grow every night and must not make
//! working tables stale. A partition whose share of rejected rows passes the limit is refused.
//!
//! ```text
//! conversions.rs    conversion events
//! fingerprints.rs   the settings that matter to what was read
//! found.rs          counts, digests, rows set aside
//! identity.rs       who an id stands for
//! touches.rs        inbound messages from ads, and their copies
//! ```

pub mod conversions;
pub(crate) mod fingerprints;
pub(crate) mod found;
pub mod identity;
pub mod touches;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringArray};
use foldhash::fast::FixedState;

use crate::base::bound::Bound;
use crate::base::cells::Instant;
use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::base::object::Object;
use crate::base::parallel::on_all_cores;
use crate::base::schema;
use crate::config::PartitionedInput;
use crate::extract::conversions::{ConversionReader, could_convert};
use crate::extract::found::{Extract, Scope};
use crate::extract::touches::{AD_COLUMNS, TouchReader, could_be_touch};
use crate::lake::layout::Partition;
use crate::lake::{Filter, Lake, ScanPlan};

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

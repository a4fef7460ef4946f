//! Extract: one raw partition, read once, becomes the rows that count, what receipts remember of it, and the rows that were set
//! aside.
//!
//! Mapping, member bots and quarantine happen here. Contacts stay as they came: aliases grow every night and must not make what
//! was read stale. A partition whose share of rejected rows passes the limit is refused. Which partitions are read, and what
//! becomes of their rows, is decided by who asks.
//!
//! ```text
//! aliases.rs              where the chains of aliases end
//! conversion_events.rs    conversion events
//! fingerprints.rs         the settings that matter to what was read
//! found.rs                counts, digests, rows set aside
//! identity.rs             who an id stands for
//! noticed.rs              what counts as it stands, and may be meant otherwise
//! object.rs               one object, row by row
//! reading.rs              whether rows that cannot be read again still hold
//! touches.rs              inbound messages from ads
//! tracked.rs              events of any category of some contacts
//! ```

pub mod aliases;
pub mod conversion_events;
pub(crate) mod fingerprints;
pub(crate) mod found;
pub mod identity;
pub(crate) mod noticed;
mod object;
pub(crate) mod reading;
pub mod touches;
pub(crate) mod tracked;

use std::collections::BTreeSet;

use arrow::array::RecordBatch;

use crate::base::bound::Bound;
use crate::base::error::{Error, Result};
use crate::base::object::Object;
use crate::base::parallel::on_all_cores;
use crate::base::schema::{self, InputTable};
use crate::extract::conversion_events::EventReader;
use crate::extract::found::{RawContent, Read, Scope};
use crate::extract::noticed::NamedCategories;
use crate::extract::object::PartitionObjects;
use crate::extract::touches::{AD_COLUMNS, TouchReader, could_be_touch};
use crate::lake::Lake;
use crate::lake::Partition;

/// A partition extracted. It may be refused all the same: then `refusal` says why, and only the rows set aside are of use.
pub(crate) struct Extracted {
    /// The rows that count, as `schema::touches()` or `schema::conversions()`.
    pub rows: RecordBatch,
    pub content: RawContent,
    /// The rows set aside, as `schema::rejected()`; none where there are none.
    pub set_aside: Option<RecordBatch>,
    pub refusal: Option<Error>,
}

/// Reads a messages partition, all its objects at once or one after the other.
pub(crate) fn messages(lake: &Lake, scope: &Scope<'_>, partition: &Partition, at_once: bool) -> Result<Extracted> {
    let objects = PartitionObjects { lake, input: &scope.settings.messages, day: partition.day, tested: &AD_COLUMNS };
    let (of_objects, warnings) = each_object(partition, at_once, |object, warnings| {
        let mut reader = TouchReader::new(scope, partition.day);
        objects.rows(object, warnings, could_be_touch, |bound, batch| reader.take(bound, batch))?;
        Ok(reader)
    })?;
    let mut reader = TouchReader::new(scope, partition.day);
    of_objects.into_iter().for_each(|of_object| reader.append(of_object));
    extracted(&schema::MESSAGES, scope, partition, reader.finish()?, warnings)
}

/// Reads an events partition, likewise.
pub(crate) fn events(lake: &Lake, scope: &Scope<'_>, partition: &Partition, at_once: bool) -> Result<Extracted> {
    let objects = PartitionObjects { lake, input: &scope.settings.events, day: partition.day, tested: &["category"] };
    let (of_objects, warnings) = each_object(partition, at_once, |object, warnings| {
        let mut reader = EventReader::new(scope, partition.day);
        let mut categories = NamedCategories::of(scope.settings);
        let could_count = move |bound: &Bound, batch: &RecordBatch| categories.are_meant_in(bound, batch);
        objects.rows(object, warnings, could_count, |bound, batch| reader.take(bound, batch))?;
        Ok(reader)
    })?;
    let mut reader = EventReader::new(scope, partition.day);
    of_objects.into_iter().for_each(|of_object| reader.append(of_object));
    extracted(&schema::EVENTS, scope, partition, reader.finish()?, warnings)
}

fn extracted(
    table: &'static InputTable,
    scope: &Scope<'_>,
    partition: &Partition,
    read: Read,
    warnings: BTreeSet<String>,
) -> Result<Extracted> {
    let Read { rows, content, set_aside } = read;
    let content = RawContent { warnings, ..content };
    let refusal = content.check_share(table, partition.day, scope.settings.max_rejected_share).err();
    Ok(Extracted { rows, content, set_aside: set_aside.table(table)?, refusal })
}

/// What `read` makes of each object, in their order, with the warnings of all.
fn each_object<R: Send>(
    partition: &Partition,
    at_once: bool,
    read: impl Fn(&Object, &mut BTreeSet<String>) -> Result<R> + Sync,
) -> Result<(Vec<R>, BTreeSet<String>)> {
    let read = |object: &Object| {
        let mut warnings = BTreeSet::new();
        read(object, &mut warnings).map(|read| (read, warnings))
    };
    let objects = partition.to_read()?;
    let found = if at_once { on_all_cores(objects, read) } else { objects.iter().map(read).collect() };
    let (mut of_objects, mut all) = (Vec::new(), BTreeSet::new());
    for of_object in found {
        let (of_object, warnings) = of_object?;
        of_objects.push(of_object);
        all.extend(warnings);
    }
    Ok((of_objects, all))
}

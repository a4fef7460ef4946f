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
//! found.rs                counts and digests
//! hints.rs                the unit that a number looks like
//! identity.rs             who an id stands for
//! keys.rs                 keys that no row has
//! noticed.rs              what counts as it stands, and may be meant otherwise
//! object.rs               one object, row by row
//! reading.rs              whether rows that cannot be read again still hold
//! refusal.rs              what to say of a partition of which too much is set aside
//! set_aside.rs            rows set aside, with the reason
//! touches.rs              inbound messages from ads
//! tracked.rs              events of any category of some contacts
//! words.rs                a few of the words that a column holds
//! ```

pub mod aliases;
pub mod conversion_events;
pub(crate) mod fingerprints;
pub(crate) mod found;
mod hints;
pub mod identity;
pub(crate) mod keys;
pub(crate) mod noticed;
mod object;
pub(crate) mod reading;
mod refusal;
pub(crate) mod set_aside;
pub mod touches;
pub(crate) mod tracked;
pub(crate) mod words;

use arrow::array::RecordBatch;

use crate::base::bound::Bound;
use crate::base::error::{Error, Result};
use crate::base::object::Object;
use crate::base::parallel::on_all_cores;
use crate::extract::conversion_events::EventReader;
use crate::extract::found::{RawContent, Read, Scope};
use crate::extract::noticed::NamedCategories;
use crate::extract::object::{Oddities, PartitionObjects};
use crate::extract::refusal::Refusal;
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
    let input = &scope.settings.messages;
    let objects = PartitionObjects { lake, input, day: partition.day, tested: &AD_COLUMNS };
    let (of_objects, oddities) = each_object(partition, at_once, |object, oddities| {
        let mut reader = TouchReader::new(scope, partition.day, Some(&object.path));
        objects.rows(object, oddities, could_be_touch, |bound, batch| reader.take(bound, batch))?;
        Ok(reader)
    })?;
    let mut reader = TouchReader::new(scope, partition.day, None);
    of_objects.into_iter().for_each(|of_object| reader.append(of_object));
    extracted(&objects, scope, partition, reader.finish()?, oddities)
}

/// Reads an events partition, likewise.
pub(crate) fn events(lake: &Lake, scope: &Scope<'_>, partition: &Partition, at_once: bool) -> Result<Extracted> {
    let input = &scope.settings.events;
    let objects = PartitionObjects { lake, input, day: partition.day, tested: &["category"] };
    let (of_objects, oddities) = each_object(partition, at_once, |object, oddities| {
        let mut reader = EventReader::new(scope, partition.day, Some(&object.path));
        let mut categories = NamedCategories::of(scope.settings);
        let could_count = move |bound: &Bound, batch: &RecordBatch| categories.are_meant_in(bound, batch);
        objects.rows(object, oddities, could_count, |bound, batch| reader.take(bound, batch))?;
        Ok(reader)
    })?;
    let mut reader = EventReader::new(scope, partition.day, None);
    of_objects.into_iter().for_each(|of_object| reader.append(of_object));
    extracted(&objects, scope, partition, reader.finish()?, oddities)
}

fn extracted(
    objects: &PartitionObjects<'_>,
    scope: &Scope<'_>,
    partition: &Partition,
    read: Read,
    oddities: Oddities,
) -> Result<Extracted> {
    let Read { rows, content, set_aside } = read;
    let content = RawContent { warnings: oddities.warnings, keys_in_no_row: oddities.keys.in_no_row(), ..content };
    let limit = scope.settings.max_rejected_share;
    let refusal = if content.is_within(limit) { None } else { Some(Refusal::of(objects, partition, &content, &set_aside)?) };
    let refusal = refusal.map(|refusal| refusal.error(limit));
    Ok(Extracted { rows, content, set_aside: set_aside.table(objects.input.columns.table)?, refusal })
}

/// What `read` makes of each object, in their order, with what is odd about any of them.
fn each_object<R: Send>(
    partition: &Partition,
    at_once: bool,
    read: impl Fn(&Object, &mut Oddities) -> Result<R> + Sync,
) -> Result<(Vec<R>, Oddities)> {
    let read = |object: &Object| {
        let mut oddities = Oddities::default();
        read(object, &mut oddities).map(|read| (read, oddities))
    };
    let objects = partition.to_read()?;
    let found = if at_once { on_all_cores(objects, read) } else { objects.iter().map(read).collect() };
    let (mut of_objects, mut all) = (Vec::new(), Oddities::default());
    for of_object in found {
        let (of_object, oddities) = of_object?;
        of_objects.push(of_object);
        all.append(oddities);
    }
    Ok((of_objects, all))
}

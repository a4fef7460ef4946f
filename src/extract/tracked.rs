//! Tracked events: the events of some contacts, of any category, for whoever tells their story.
//!
//! Rows without a readable time are left out: they are set aside where they could convert.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringArray};

use crate::base::bound::Bound;
use crate::base::error::{ErrorKind, Result};
use crate::base::parallel::on_all_cores;
use crate::base::times::Instant;
use crate::extract::found::Scope;
use crate::extract::object::{Oddities, PartitionObjects};
use crate::lake::Partition;
use crate::lake::{Lake, readable};

/// A tracked event of a named bot, of any category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrackedEvent {
    pub bot: usize,
    /// The id as it came.
    pub contact: String,
    pub occurred_at: i64,
    pub category: Option<String>,
    pub event: Option<String>,
}

/// The events of these contacts, as ids in their forms, in these partitions. What is not readable Parquet is left out: a run refuses it.
pub(crate) fn tracked_events(
    lake: &Lake,
    scope: &Scope<'_>,
    partitions: &[&Partition],
    contacts: HashSet<String>,
) -> Result<Vec<TrackedEvent>> {
    let contacts = Arc::new(contacts);
    let mut events = Vec::new();
    for found in on_all_cores(partitions, |partition| readable(|| of_partition(lake, scope, partition, &contacts))) {
        match found {
            Ok(found) => events.extend(found),
            Err(error) if error.kind() == ErrorKind::Data => {}
            Err(error) => return Err(error),
        }
    }
    Ok(events)
}

fn of_partition(
    lake: &Lake,
    scope: &Scope<'_>,
    partition: &Partition,
    contacts: &Arc<HashSet<String>>,
) -> Result<Vec<TrackedEvent>> {
    let objects = PartitionObjects { lake, input: &scope.settings.events, day: partition.day, tested: &["contact_id"] };
    let mut events = Vec::new();
    for object in partition.to_read()? {
        let (contacts, forms) = (contacts.clone(), scope.settings.forms.clone());
        let is_theirs = move |bound: &Bound, batch: &RecordBatch| {
            let cells = bound.text("contact_id", batch)?;
            Ok(cells
                .iter()
                .map(|contact| Some(contact.is_some_and(|contact| contacts.contains(forms.of(contact).as_ref()))))
                .collect())
        };
        objects.rows(object, &mut Oddities::default(), is_theirs, |bound, batch| {
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

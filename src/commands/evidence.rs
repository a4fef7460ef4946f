//! Evidence: what is looked at to explain a figure or a contact: the rows as the engine settled them, the published rows, and the
//! raw events of the people concerned.

use std::collections::{BTreeMap, HashSet};

use arrow::array::Array as _;
use arrow::util::display::array_value_to_string;
use serde::Serialize;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};
use crate::base::limits::{DAYS_AHEAD, DAYS_LATE};
use crate::base::schema::Raw;
use crate::commands::sessions::LastRunRows;
use crate::commands::story::{Fact, PublishedRow, Teller};
use crate::extract::found::Scope;
use crate::extract::tracked::{TrackedEvent, tracked_events};
use crate::known::job::Job;
use crate::lake::decode;
use crate::lake::layout::day_object;
use crate::plan::calendar::Calendar;

/// Facts under one title.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Chapter {
    pub bot_id: String,
    pub title: String,
    /// The row as published, where the chapter is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<PublishedRow>,
    pub facts: Vec<Fact>,
}

pub(crate) struct Evidence<'a> {
    pub job: &'a Job<'a>,
    pub known: &'a LastRunRows,
    pub teller: Teller<'a>,
}

impl Evidence<'_> {
    pub(crate) fn chapter(&self, bot: usize, title: &str, facts: Vec<Fact>) -> Chapter {
        Chapter { bot_id: self.job.settings.bots[bot].id.clone(), title: title.to_string(), row: None, facts }
    }

    /// The raw events of these contacts of a bot.
    pub(crate) fn tracked(&self, bot: usize, contacts: &HashSet<&str>, days: Option<DayRange>) -> Result<Vec<TrackedEvent>> {
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let landed = match days {
            Some(days) => DayRange { first: days.first.plus(-DAYS_AHEAD - 1), last: days.last.plus(DAYS_LATE + 1) },
            None => DayRange { first: Day(i32::MIN / 2), last: Day(i32::MAX / 2) },
        };
        let last = &self.known.last;
        let ids = last.identities.ids_of(bot, contacts);
        let partitions = last.survey.raw(Raw::Events).partitions.range(landed.first..=landed.last);
        let partitions: Vec<_> = partitions.map(|(_, partition)| partition).collect();
        let mut events = tracked_events(self.job.lake, &Scope::new(self.job.settings), &partitions, ids)?;
        let zone = self.job.settings.bots[bot].zone;
        let is_of_days = |at: i64| days.is_none_or(|days| days.contains(zone.local_day(at)));
        events.retain(|event| {
            let contact = last.identities.resolve(bot, &event.contact);
            event.bot == bot && contacts.contains(contact) && is_of_days(event.occurred_at)
        });
        Ok(events)
    }

    /// Partitions without a receipt landed and are not in the figures: as good as refused.
    pub(crate) fn calendar(&self) -> Calendar {
        let survey = &self.known.last.survey;
        let mut calendar = survey.calendar(self.job.settings);
        for table in Raw::BOTH {
            let unread = survey.raw(table).partitions.keys().filter(|day| survey.receipts.raw(table).get(**day).is_none());
            unread.for_each(|day| calendar.refuse(table, *day));
        }
        calendar
    }

    /// The rows of a published day; none where it is not published.
    pub(crate) fn published(&self, table: &str, day: Day) -> Result<Option<Vec<PublishedRow>>> {
        if !self.known.last.is_published(day) {
            return Ok(None);
        }
        let object = day_object(table, day);
        let Some(bytes) = self.job.output.get(&object)? else { return Ok(None) };
        let mut rows = Vec::new();
        for batch in decode(bytes).map_err(|error| error.with("object", &object))? {
            for row in 0..batch.num_rows() {
                let mut cells = BTreeMap::new();
                for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                    let text = array_value_to_string(column, row)
                        .map_err(|error| Error::bug("a published cell cannot be shown").source(error))?;
                    cells.insert(field.name().clone(), column.is_valid(row).then_some(text));
                }
                rows.push(cells);
            }
        }
        Ok(Some(rows))
    }
}

/// A cell of a published row; none where it is NULL.
pub(crate) fn cell<'r>(row: &'r PublishedRow, name: &str) -> Option<&'r str> {
    row.get(name).and_then(Option::as_deref)
}

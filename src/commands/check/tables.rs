//! The folders and files of the raw tables, without their rows: what cannot be addressed, which optional columns are missing, what is
//! gone.

use std::collections::BTreeSet;

use crate::base::mapping::TableMapping;
use crate::base::said::Said;
use crate::config::Settings;
use crate::known::survey::Survey;
use crate::lake::{Lake, Listing};
use crate::plan::calendar::{Calendar, not_landed};

use super::finding::Findings;

pub(super) fn check(lake: &Lake, listing: &Listing, mapping: &TableMapping, findings: &mut Findings<'_>) {
    let table = mapping.table.name;
    let faulty = listing.partitions.iter().filter_map(|(day, partition)| Some((day, partition.to_read().err()?)));
    findings.fail_each(table, faulty.map(|(day, error)| error.with("table", table).with("day", day)).collect());
    let Some((day, newest)) = listing.partitions.last_key_value() else { return };
    let (mut without_zone, mut named) = (BTreeSet::new(), BTreeSet::new());
    for object in &newest.objects {
        // What is wrong with it is said where its rows are read.
        let Ok(Some(schema)) = lake.schema(object) else { continue };
        let Ok(bound) = mapping.bind(&schema, &object.path) else { continue };
        // Once, however many files lack it.
        for column in bound.missing().iter().filter(|column| named.insert(column.name)) {
            findings.warn(table, Said::new(column.text(&format!(" in {}", object.path))));
        }
        without_zone.extend(bound.without_zone().iter().cloned());
    }
    without_zone.into_iter().for_each(|text| findings.ok(table, text));
    findings.ok(table, format!("{} partitions have landed, the newest is {day}", listing.partitions.len()));
}

/// Holes, partitions that the last run could not read, and those that were read once and are not there any more.
pub(super) fn check_days(settings: &Settings, survey: &Survey, calendar: &Calendar, findings: &mut Findings<'_>) {
    calendar.holes().into_iter().for_each(|hole| findings.fail(hole.0.table(), &not_landed(hole)));
    for (table, day, error) in survey.refusals(settings) {
        // What a listing tells is said already.
        if survey.raw(table).partitions.get(&day).is_some_and(|partition| partition.fault.is_none()) {
            findings.fail(table.table(), &error);
        }
    }
    survey.said_of_away(calendar).into_iter().for_each(|text| findings.warn("partitions", Said::new(text)));
}

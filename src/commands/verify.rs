//! Verify: rebuilds days in memory from the raw partitions and compares bytes with what is published. Nothing is written.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use serde::Serialize;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::schema::{self, Raw, Table};
use crate::engine::Request;
use crate::engine::embedded::{attribute, settle};
use crate::extract::conversions::Conversions;
use crate::extract::fingerprints::raw_settings;
use crate::extract::identity::Identities;
use crate::extract::touches::Touches;
use crate::known::job::{Job, Places};
use crate::known::survey::Survey;
use crate::lake::encode;
use crate::lake::layout::{ADS_OBJECT, day_object, working_object};
use crate::plan::receipt::PartitionReceipt;
use crate::run::scan;
use crate::tables::ads::AdIndex;
use crate::tables::{Figures, tables};

#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    pub pipeline: String,
    pub days_checked: u64,
    pub objects_checked: u64,
    pub differences: Vec<Difference>,
    /// Days whose partitions are missing or refused.
    pub days_blocked: Vec<Day>,
    pub failures: Vec<String>,
    #[serde(skip)]
    pub worst: Option<ErrorKind>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    pub object: String,
    /// `missing` or `other bytes`.
    pub found: &'static str,
    /// Which input changed since it was published.
    pub because: String,
}

pub fn verify(job: &Job<'_>, days: DayRange) -> Result<Verdict> {
    let Job { settings, lake, output, .. } = job;
    let mut survey = Survey::take(lake, output, settings)?;
    let mut calendar = survey.calendar(settings);
    let identities = Identities::surveyed(lake, &survey.identities, settings)?;
    let unread = survey.unread(settings);
    let why = {
        let planner = survey.planner(settings, &calendar);
        let reasons = |day: Day| planner.staleness(day).map(|reason| reason.to_string());
        days.iter().filter_map(|day| Some((day, reasons(day)?))).collect::<HashMap<Day, String>>()
    };
    let mut failures = crate::base::failures::Failures::default();
    let places = Places { settings, lake, output };
    let (mut touches, mut events) = (Touches::default(), Conversions::default());
    let bots = settings.bot_codes();
    for (table, day) in calendar.retired(DayRange { first: Day(i32::MIN / 2), last: Day(i32::MAX / 2) }) {
        for batch in output.get(&working_object(table, day))?.map(crate::lake::decode).transpose()?.unwrap_or_default() {
            match table {
                Raw::Messages => touches.add(&batch, &bots),
                Raw::Events => events.add(&batch, &bots),
            }
        }
    }
    for table in Raw::BOTH {
        for (partition, extracted) in scan::extract_all(&places, table, survey.raw(table)) {
            match extracted.and_then(|extracted| extracted.refusal.map_or(Ok((extracted.batch, extracted.extract)), Err)) {
                Ok((batch, content)) => {
                    match table {
                        Raw::Messages => touches.add(&batch, &bots),
                        Raw::Events => events.add(&batch, &bots),
                    }
                    let receipt = PartitionReceipt::new(partition.objects, raw_settings(settings, table), None, content);
                    survey.receipts.raw_mut(table).set(partition.day, receipt);
                }
                Err(error) if error.kind() != ErrorKind::Data => return Err(error.with("day", partition.day)),
                Err(error) => {
                    calendar.refuse(table, partition.day);
                    failures.add(error.with("table", table.table()).with("day", partition.day));
                }
            }
        }
    }
    let insights = scan::read_insights(&places, &mut survey, &mut calendar, &mut |error| failures.add(error))?;
    let settled = settle(touches, events)?;
    let ads = AdIndex::new(settings, settled.ad_facts.clone(), &insights);
    let watermark = calendar.last().map_or(0, |last| last.next().start_utc());
    let answer = attribute(&Request { settings, identities: &identities, days, watermark }, &settled)?;
    let planner = survey.planner(settings, &calendar);
    let figures = Figures { settings, answer: &answer, insights: &insights, ads: &ads };
    let mut verdict = Verdict { pipeline: settings.name.clone(), ..Verdict::default() };
    let changed =
        unread.iter().map(|step| format!("{}: {} {}", step.reason, step.table, step.day)).collect::<Vec<_>>().join(", ");
    let mut compare = |object: String, table: &Table, batch: RecordBatch, day: Option<Day>| -> Result<()> {
        let bytes = encode(&table.schema, &[batch])?;
        verdict.objects_checked += 1;
        let found = match output.get(&object)? {
            Some(published) if published == bytes => return Ok(()),
            Some(_) => "other bytes",
            None => "missing",
        };
        let because = day.and_then(|day| why.get(&day)).cloned().or(Some(changed.clone()).filter(|changed| !changed.is_empty()));
        let because = because.unwrap_or("no input changed: the published object was altered".to_string());
        verdict.differences.push(Difference { object, found, because });
        Ok(())
    };
    compare(ADS_OBJECT.to_string(), &schema::ads(), ads.table(settings)?, None)?;
    let range = planner.range().and_then(|range| range.intersection(days));
    let mut blocked = Vec::new();
    let mut checked = 0;
    for day in range.into_iter().flat_map(DayRange::iter) {
        if calendar.is_frozen(&settings.bots, day) || !planner.has_history(day) {
            continue;
        }
        if !calendar.blockers(&settings.bots, day).is_empty() {
            blocked.push(day);
            continue;
        }
        let rows = figures.rows(&calendar, day, &|bot| planner.rejected(bot, day));
        for (table, batch) in tables(day, &rows)? {
            compare(day_object(table.name, day), &table, batch, Some(day))?;
        }
        checked += 1;
    }
    verdict.days_checked = checked;
    verdict.days_blocked = blocked;
    if !verdict.differences.is_empty() {
        failures.add(
            Error::data(format!("{} published objects are not what the partitions give", verdict.differences.len()))
                .mend("run, or backfill these days"),
        );
    }
    verdict.worst = failures.worst();
    verdict.failures = failures.texts();
    Ok(verdict)
}

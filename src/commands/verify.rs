//! Verify: rebuilds days in memory from the raw partitions and compares bytes with what is published. Nothing is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::RecordBatch;
use serde::Serialize;

use crate::base::day::{Day, DayRange, written_ranges};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failures::Failures;
use crate::base::progress::{FINDING_SESSIONS, Progress};
use crate::base::schema::{self, Raw, Table};
use crate::engine::request::{AttributeRequest, Attribution, Extraction, Rules};
use crate::extract::fingerprints::raw_settings;
use crate::extract::identity::Identities;
use crate::known::job::Job;
use crate::known::published_ads::{self, PublishedFacts};
use crate::known::survey::{Lost, Survey};
use crate::lake::layout::{ADS_OBJECT, day_object};
use crate::lake::{Lake, encode};
use crate::plan::calendar::{Blocker, Calendar};
use crate::plan::receipt::PartitionReceipt;
use crate::plan::stages::PartitionStep;
use crate::plan::wanted::outside;
use crate::plan::{Damaged, Planner};
use crate::run::{scan, scan_insights};
use crate::tables::ads::AdIndex;
use crate::tables::{BuildInputs, tables};

#[derive(Clone, Debug, Default, Serialize)]
pub struct Verification {
    pub pipeline: String,
    pub days_checked: u64,
    pub objects_checked: u64,
    pub differences: Vec<DifferingObject>,
    /// Days whose partitions are missing or refused, with those.
    pub days_blocked: BTreeMap<Day, Vec<String>>,
    /// Days that stay as they were published, because partitions that they were made from were retired: nothing can be held against
    /// them.
    pub days_kept: Vec<Day>,
    /// Days that were asked for and lie before the lake, or ahead of it.
    pub days_outside: Vec<Day>,
    /// What cannot be told, because it was made from rows that cannot be read any more and do not count now.
    pub unknown: Vec<String>,
    pub failures: Vec<String>,
    #[serde(skip)]
    pub worst: Option<ErrorKind>,
}

#[derive(Clone, Debug, Serialize)]
pub struct DifferingObject {
    pub object: String,
    /// `missing` or `other bytes`.
    pub found: &'static str,
    /// Which input changed since it was published.
    pub because: String,
}

pub fn verify(job: &Job<'_>, days: DayRange) -> Result<Verification> {
    let settings = job.settings;
    let places = job.places();
    let mut survey = Survey::take(&places)?;
    let mut calendar = survey.calendar(settings);
    let identities = Identities::surveyed(job.lake, &survey.identities, settings)?;
    let mut comparison = Comparison::new(job, days, &survey, &calendar);
    let mut failures = Failures::default();
    read_again(job, &mut survey, &mut calendar, &mut failures)?;
    let insights = scan_insights::read_insights(&places, &mut survey, &mut calendar, &mut |error| failures.add(error))?;
    let planner = survey.planner(settings, &calendar);
    let asked = AskedDays::of(days, &planner);
    comparison.note_kept(&asked, days, &planner)?;
    comparison.note_blocked(&asked.blocked, &mut failures);
    if let Some(error) = outside(days, planner.range()).filter(|_| comparison.verification.differences.is_empty()) {
        failures.add(error);
    }
    survey.insights_away.iter().for_each(|why| failures.add(Error::data(why.clone())));
    let checked = comparison.can_tell(asked.checked, &calendar);
    let watermark = calendar.last().map_or(0, |last| settings.landed_until(last));
    let rules = Rules { settings, identities: &identities, watermark };
    let partitions = survey.extracted(Lost::Refused);
    let request = AttributeRequest { rules, partitions: &partitions, days: &checked, known: &BTreeSet::new() };
    (job.progress)(Progress::Doing(FINDING_SESSIONS));
    let Attribution { counts, ads: news } = job.engine.attribute(&request)?;
    let (mut facts, lost) = (news.facts(), calendar.lost_touches());
    PublishedFacts::read(&places, &survey, &lost)?.add_to(&mut facts);
    let ads = AdIndex::new(settings, facts, &insights);
    comparison.ads(ads.table(settings)?, &lost)?;
    let inputs = BuildInputs { settings, counts: &counts, insights: &insights, ads: &ads };
    (job.progress)(Progress::Begin { step: "comparing", of: "days", items: checked.len() as u64, bytes: 0 });
    for day in &checked {
        (job.stopped)()?;
        let rows = inputs.rows(&calendar, *day, &|bot| planner.rejected(bot, *day));
        for (table, batch) in tables(*day, &rows)? {
            comparison.object(day_object(table.name, *day), &table, batch, Some(*day))?;
        }
        (job.progress)(Progress::Done { rows: rows.ad_days.len() as u64, bytes: 0 });
    }
    (job.progress)(Progress::End);
    published_ads::said_of_lacking(survey.receipts.ads.as_ref()).into_iter().for_each(|error| failures.add(error));
    let mut verification = comparison.verification;
    verification.days_checked = checked.len() as u64;
    if !verification.differences.is_empty() {
        failures.add(
            Error::data(format!("{} published objects are not what the partitions give", verification.differences.len()))
                .mend("run again, or backfill these days"),
        );
    }
    verification.worst = failures.worst();
    verification.failures = failures.texts();
    Ok(verification)
}

/// The days that are asked for, by what can be held against them.
struct AskedDays {
    checked: BTreeSet<Day>,
    blocked: BTreeMap<Day, Vec<Blocker>>,
    /// They stay as published: partitions were retired.
    kept: Vec<Day>,
    /// Rows that they were made from cannot be read any more.
    without_rows: Vec<Day>,
    outside: Vec<Day>,
}

impl AskedDays {
    fn of(days: DayRange, planner: &Planner<'_>) -> AskedDays {
        let (calendar, bots) = (planner.calendar(), planner.bots());
        let range = planner.range();
        let (inside, outside): (Vec<Day>, Vec<Day>) =
            days.iter().partition(|day| range.is_some_and(|range| range.contains(*day)));
        let (known, kept): (Vec<Day>, Vec<Day>) =
            inside.into_iter().partition(|day| !calendar.is_frozen(bots, *day) && planner.has_sources(*day));
        let (without_rows, known): (Vec<Day>, Vec<Day>) = known.into_iter().partition(|day| planner.would_lose_rows(*day));
        let mut asked = AskedDays { checked: BTreeSet::new(), blocked: BTreeMap::new(), kept, without_rows, outside };
        for day in known {
            match calendar.blockers(bots, day) {
                blockers if blockers.is_empty() => _ = asked.checked.insert(day),
                blockers => _ = asked.blocked.insert(day, blockers),
            }
        }
        asked
    }
}

/// Reads all landed raw partitions again, and nothing is stored. What is gone is forgotten, what is retired or cannot be read any more is
/// as it was kept.
fn read_again(job: &Job<'_>, survey: &mut Survey, calendar: &mut Calendar, failures: &mut Failures) -> Result<()> {
    let places = &job.places();
    survey.forget(&survey.gone(calendar));
    for table in Raw::BOTH {
        let of = raw_settings(places.settings, table);
        for (partition, extracted) in scan::for_now_heard(places, table, survey.raw(table), job.progress) {
            match extracted.and_then(|Extraction { content, refusal, .. }| refusal.map_or(Ok(content), Err)) {
                Ok(content) => {
                    let receipt = PartitionReceipt::new(partition.objects, of, None, content);
                    survey.receipts.raw_mut(table).set(partition.day, receipt);
                }
                Err(error) if error.kind() != ErrorKind::Data => return Err(error.with("day", partition.day)),
                Err(error) => {
                    let error = error.with("table", table.table()).with("day", partition.day);
                    survey.refuse(places.settings, calendar, table, &partition, &error);
                    failures.add(error);
                }
            }
        }
    }
    Ok(())
}

/// What is found where published objects are held against those of now.
struct Comparison<'a> {
    output: &'a Lake,
    /// Why days are stale.
    reasons: HashMap<Day, String>,
    /// The partitions that are not as they were read.
    changed: String,
    verification: Verification,
}

impl<'a> Comparison<'a> {
    fn new(job: &Job<'a>, days: DayRange, survey: &Survey, calendar: &Calendar) -> Comparison<'a> {
        let planner = survey.planner(job.settings, calendar);
        let reason = |day: Day| planner.staleness(day).map(|reason| reason.to_string());
        let text = |step: &PartitionStep| format!("{}: {} {}", step.reason, step.table, step.day);
        Comparison {
            output: job.output,
            reasons: days.iter().filter_map(|day| Some((day, reason(day)?))).collect(),
            changed: survey.unread(job.settings).iter().map(text).collect::<Vec<_>>().join(", "),
            verification: Verification { pipeline: job.settings.name.clone(), ..Verification::default() },
        }
    }

    /// Notes the days of which nothing can be told, and what is lost of those that cannot be made again now.
    fn note_kept(&mut self, asked: &AskedDays, days: DayRange, planner: &Planner<'_>) -> Result<()> {
        self.cannot_tell(&asked.without_rows);
        self.verification.days_kept = asked.kept.clone();
        let of_kept = asked.kept.iter().chain(&asked.without_rows).flat_map(|day| planner.damage_of_kept(*day));
        let of_blocked = asked.blocked.keys().flat_map(|day| planner.damage_of_blocked(*day));
        let outside = planner.damaged_outside(planner.range()).filter(|damage| days.contains(damage.day));
        for damaged in of_kept.chain(of_blocked).chain(outside) {
            self.lost(&damaged)?;
        }
        self.verification.days_outside = asked.outside.clone();
        Ok(())
    }

    fn cannot_tell(&mut self, days: &[Day]) {
        self.verification.unknown.extend((!days.is_empty()).then(|| written_ranges(days.iter().copied())));
    }

    /// Notes the days that wait for partitions. What is refused has failed already.
    fn note_blocked(&mut self, blocked: &BTreeMap<Day, Vec<Blocker>>, failures: &mut Failures) {
        let texts = |(day, blockers): (&Day, &Vec<Blocker>)| (*day, blockers.iter().map(ToString::to_string).collect());
        self.verification.days_blocked = blocked.iter().map(texts).collect();
        let waiting: Vec<Day> =
            blocked.iter().filter(|(_, by)| by.iter().any(|blocker| !blocker.refused)).map(|(day, _)| *day).collect();
        if !waiting.is_empty() {
            let error = Error::not_ready("days cannot be checked: partitions that they need have not landed");
            failures.add(error.with("days", written_ranges(waiting)).mend("verify them again when these are there"));
        }
    }

    /// The days of which something can be told: none while Meta's figures cannot be read as a whole.
    fn can_tell(&mut self, days: BTreeSet<Day>, calendar: &Calendar) -> BTreeSet<Day> {
        if !calendar.are_insights_away() {
            return days;
        }
        self.cannot_tell(&days.into_iter().collect::<Vec<Day>>());
        BTreeSet::new()
    }

    /// Notes an object that is not as it was published, and of which nobody can say any more what it should hold.
    fn lost(&mut self, damaged: &Damaged) -> Result<()> {
        self.verification.objects_checked += 1;
        let object = day_object(damaged.table, damaged.day);
        let found = if self.output.get(&object)?.is_some() { "other bytes" } else { "missing" };
        let because = format!("{}; {}", damaged.why(), damaged.mend());
        self.verification.differences.push(DifferingObject { object, found, because });
        Ok(())
    }

    /// Holds `ads` against what touches say. What those say that nobody can look at is taken from itself.
    fn ads(&mut self, rows: RecordBatch, lost: &BTreeSet<Day>) -> Result<()> {
        let differing = self.verification.differences.len();
        self.object(ADS_OBJECT.to_string(), &schema::ads(), rows, None)?;
        if !lost.is_empty() && self.verification.differences.len() == differing {
            let days = written_ranges(lost.iter().copied());
            self.verification
                .unknown
                .push(format!("{ADS_OBJECT} as far as touches of the messages partitions of {days} made it"));
        }
        Ok(())
    }

    /// Holds an object against the rows that it should have.
    fn object(&mut self, object: String, table: &Table, batch: RecordBatch, day: Option<Day>) -> Result<()> {
        let bytes = encode(&table.schema, &[batch])?;
        self.verification.objects_checked += 1;
        let found = match self.output.get(&object)? {
            Some(published) if published == bytes => return Ok(()),
            Some(_) => "other bytes",
            None => "missing",
        };
        let of_day = day.and_then(|day| self.reasons.get(&day)).cloned();
        let because = of_day.or(Some(self.changed.clone()).filter(|changed| !changed.is_empty()));
        let because = because.unwrap_or("no input changed: the published object was altered".to_string());
        self.verification.differences.push(DifferingObject { object, found, because });
        Ok(())
    }
}

//! Run: the only loop. It surveys, scans what is new, plans, builds the stale days, audits and publishes them; no stage calls the
//! next.
//!
//! A partition or a day that fails is named and kept back, what does not depend on it goes on, and the run exits with the worst
//! kind of what failed. A run that finds nothing stale takes no lock and writes nothing. Killed at any point, the next run
//! completes to the same bytes: a day is finished when its receipt is written, and everything before that can be repeated.
//!
//! ```text
//! attribute.rs          the counts of the days to be built
//! publish.rs            objects put where readers look
//! published_counts.rs   counts of days whose rows did not change
//! pull/ads.rs           ads that reports leave out
//! pull/mod.rs           Meta's figures into the lake
//! pull/reach.rs         ranges as a whole
//! report.rs             what a run did
//! scan.rs               raw partitions that are new or changed
//! scan_insights.rs      Meta's figures as they have landed
//! ```

pub(crate) mod attribute;
pub(crate) mod publish;
pub(crate) mod published_counts;
pub(crate) mod pull;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod scan_insights;

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use tracing::info;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failures::{Failure, Failures};
use crate::base::parallel::{at_once, on_all_cores};
use crate::base::progress::Progress;
use crate::base::schema::{self, DAY_TABLES, LOGIC, Table};
use crate::engine::Answer;
use crate::engine::request::Rules;
use crate::extract::identity::Identities;
use crate::insights::InsightsIndex;
use crate::known::job::{Job, Wanted};
use crate::known::moved as reach;
use crate::known::moved::{AD_PLACES, KNOWN_IDENTITIES, Reached};
use crate::known::receipts::{ADS_RECEIPT, IDENTITIES_RECEIPT};
use crate::known::survey::{Lost, PartitionStep, Survey};
use crate::lake::layout::{ADS_OBJECT, day_object};
use crate::lake::{Lock, Put, encode, write_json};
use crate::plan::accepted::ACCEPTED_OBJECT;
use crate::plan::calendar::{Calendar, not_landed};
use crate::plan::receipt::{AdsReceipt, DayReceipt};
use crate::plan::{Change, DayStep, Planner, Steps, WorkedOut};
use crate::run::attribute::attribute_days;
use crate::run::publish::{BuiltDay, PublishedDays, put};
use crate::run::pull::Pull;
use crate::run::pull::ads::touched_ads;
use crate::run::report::RunReport;
use crate::tables::ads::AdIndex;
use crate::tables::{Figures, audit, tables};

/// A run that came to its end, with what it could not do on the way.
pub struct Outcome {
    pub report: RunReport,
    pub worst: Option<ErrorKind>,
}

pub fn run(job: &Job<'_>) -> Result<Outcome> {
    let started = (job.clock)();
    let released = job.output.released()?;
    let survey = Survey::take(&job.places())?;
    if let Some(outcome) = idle(job, &survey)? {
        return Ok(outcome);
    }
    let lock = job.output.lock((job.clock)())?;
    lock.keep(job.clock, || {
        if lock.follows(released.as_ref()) {
            return Ok(Run::new(job, &lock, survey).walk(started));
        }
        // Another run has finished between the look and the lock, and may have left nothing to do.
        let survey = Survey::take(&job.places())?;
        Ok(idle(job, &survey)?.unwrap_or_else(|| Run::new(job, &lock, survey).walk(started)))
    })
}

/// The outcome of a run that has nothing to do; none if there is something. What is seen at once comes first.
fn idle(job: &Job<'_>, survey: &Survey) -> Result<Option<Outcome>> {
    let calendar = survey.calendar(job.settings);
    check_history(job, survey, &calendar)?;
    if !survey.unread(job.settings).is_empty()
        || !survey.gone(&calendar).is_empty()
        || survey.receipts.identities.as_ref() != Some(&survey.identities_receipt(job.settings))
    {
        return Ok(None);
    }
    let mut planner = survey.planner(job.settings, &calendar);
    let days = wanted_days(job, planner.range(), &calendar, &mut Failures::silent());
    planner.expect(days.filter(|_| !job.is_backfill()));
    let steps = days.map(|days| planner.steps(days, job.is_backfill())).unwrap_or_default();
    let is_idle = steps.days.is_empty()
        && !ads_are_stale(survey, &planner)
        && planner.removals(planner.range()).is_empty()
        && pull::due(job, survey, planner.first_conversation_day()).is_empty()
        && survey.accepted == survey.accepted_now(job.settings, &calendar);
    if !is_idle {
        return Ok(None);
    }
    let mut failures = Failures::default();
    wanted_days(job, planner.range(), &calendar, &mut failures);
    calendar.holes().into_iter().for_each(|hole| failures.add(not_landed(hole)));
    let mut report = RunReport::new(job.settings, planner.range());
    report.note_blocked(&steps);
    report.note_inputs(survey);
    report.seconds = 0.0;
    report.requests = job.lake.requests() + job.output.requests();
    let worst = failures.worst();
    report.failures = failures.list;
    Ok(Some(Outcome { report, worst }))
}

pub fn check_history(job: &Job<'_>, survey: &Survey, calendar: &Calendar) -> Result<()> {
    if job.accept_history_change { Ok(()) } else { survey.accepted.protect(job.settings, calendar.last()) }
}

/// The days that may be built, and an error for those that are asked for and cannot be.
pub fn wanted_days(job: &Job<'_>, range: Option<DayRange>, calendar: &Calendar, failures: &mut Failures) -> Option<DayRange> {
    let (until, asked) = match job.wanted {
        Wanted::Through(None) => return range,
        Wanted::Through(Some(day)) => (day, DayRange { first: Day(i32::MIN), last: day }),
        Wanted::Days(days) => (days.last, days),
    };
    if let Some(last) = calendar.last()
        && until > last
    {
        let error = Error::not_ready(format!("day {until} has not landed: the last day with messages and events is {last}"));
        failures.add(error.mend("run again when its partitions are there"));
    }
    range?.intersection(asked)
}

pub fn ads_are_stale(survey: &Survey, planner: &Planner<'_>) -> bool {
    let published = survey.published_ads.as_ref().map(|object| &object.version);
    let Some(receipt) = &survey.receipts.ads else { return true };
    receipt.logic != LOGIC.ads || receipt.inputs != planner.ads_inputs() || Some(&receipt.object) != published
}

/// How many days are held in memory and published together.
const DAYS_AT_ONCE: usize = 8;

/// A run that holds the lock.
struct Run<'a> {
    job: &'a Job<'a>,
    lock: &'a Lock,
    survey: Survey,
    calendar: Calendar,
    changes: Vec<Change>,
    /// From the receipts of partitions, once all are read.
    worked_out: Option<WorkedOut>,
    failures: Failures,
    report: RunReport,
    pull: Option<Pull<'a>>,
}

impl<'a> Run<'a> {
    fn new(job: &'a Job<'a>, lock: &'a Lock, survey: Survey) -> Run<'a> {
        let calendar = survey.calendar(job.settings);
        let report = RunReport::new(job.settings, None);
        Run {
            job,
            lock,
            survey,
            calendar,
            changes: Vec::new(),
            worked_out: None,
            failures: Failures::default(),
            report,
            pull: None,
        }
    }

    fn walk(mut self, started: DateTime<Utc>) -> Outcome {
        let done = self.stages();
        self.finish(started, done)
    }

    fn stages(&mut self) -> Result<()> {
        let identities = Identities::surveyed(self.job.lake, &self.survey.identities, self.job.settings)?;
        self.scan()?;
        let mut insights = self.insights()?;
        self.calendar.holes().into_iter().for_each(|hole| self.failures.add(not_landed(hole)));
        let mut planner = self.planner();
        let worked_out = planner.expect(planner.range());
        self.worked_out = Some(worked_out);
        self.mark_changed_identities(&identities)?;
        self.build(&identities, &mut insights)?;
        // Last: no count waits for it.
        let first = self.planner().first_conversation_day();
        let failures = &mut self.failures;
        self.pull.as_mut().map_or(Ok(()), |pull| pull.reach(first, &mut |error| failures.add(error)))
    }

    /// Reads what is new or changed, forgets what is gone.
    fn scan(&mut self) -> Result<()> {
        let gone = self.survey.gone(&self.calendar);
        self.changes = scan::forget(&self.job.places(), &gone, &mut self.survey)?;
        let steps = self.survey.unread(self.job.settings);
        self.report.partitions = steps.clone();
        let fail = &mut |error| self.failures.add(error);
        self.changes.extend(scan::raw(self.job, &steps, &mut self.survey, &mut self.calendar, fail)?);
        self.worked_out = Some(self.planner().worked_out());
        Ok(())
    }

    /// Pulls what is due of Meta's figures, then reads all that have landed. What cannot be pulled stays as it was.
    fn insights(&mut self) -> Result<InsightsIndex> {
        let first = self.planner().first_conversation_day();
        if !pull::due(self.job, &self.survey, first).is_empty() {
            let ledgers = self.survey.ledgers.clone().unwrap_or_default();
            match Pull::start(self.job, self.lock, ledgers, &self.survey.insights) {
                Ok(pull) => self.pull = pull,
                Err(error) => self.failures.add(error),
            }
        }
        let Some(pull) = &mut self.pull else { return self.scan_insights() };
        let failures = &mut self.failures;
        pull.days(first, &mut |error| failures.add(error))?;
        self.look_at_insights()?;
        let insights = self.scan_insights()?;
        let touched = touched_ads(&self.job.places(), &self.survey, &insights)?;
        let (Some(pull), failures) = (&mut self.pull, &mut self.failures) else { return Ok(insights) };
        if !pull.left_out_ads(&touched, &mut |error| failures.add(error))? {
            return Ok(insights);
        }
        self.look_at_insights()?;
        self.scan_insights()
    }

    fn look_at_insights(&mut self) -> Result<()> {
        (self.survey.insights, self.survey.ledgers) = Survey::take_insights(self.job.lake, self.job.settings)?;
        let landed = self.survey.unread(self.job.settings).into_iter().filter(|step| step.table == "insights");
        let known = &mut self.report.partitions;
        for step in landed {
            if !known.iter().any(|other| (other.table, other.day) == (step.table, step.day)) {
                known.push(step);
            }
        }
        Ok(())
    }

    fn scan_insights(&mut self) -> Result<InsightsIndex> {
        let (mut refused, places) = (Vec::new(), self.job.places());
        let fail = &mut |error| refused.push(error);
        // An ad that was touched and is in no row of any day is asked for by its id: that needs the rows of all days.
        let read = if self.pull.is_some() { scan_insights::all_insights } else { scan_insights::insights };
        let insights = read(&places, &mut self.survey, &mut self.calendar, fail);
        // What is refused is told once, however often it is read.
        refused.into_iter().for_each(|error| self.failures.add_once(error));
        insights
    }

    fn planner(&self) -> Planner<'_> {
        let mut planner = self.survey.planner_with(self.job.settings, &self.calendar, self.worked_out.clone());
        planner.changes = self.changes.clone();
        planner
    }

    fn steps(&self) -> Steps {
        let planner = self.planner();
        // What cannot be built is said once, at the end.
        let days = wanted_days(self.job, planner.range(), &self.calendar, &mut Failures::silent());
        days.map(|days| planner.steps(days, self.job.is_backfill())).unwrap_or_default()
    }

    /// Marks days as stale for a reason that their digests do not tell.
    fn mark(&mut self, reached: &Reached) -> Result<()> {
        self.lock.check()?;
        self.survey.mark(reached);
        self.survey.receipts.days.write(self.job.output)
    }

    /// A changed alias reaches days of the contacts whose chain ends elsewhere now (rule 21).
    fn mark_changed_identities(&mut self, identities: &Identities) -> Result<()> {
        let Job { settings, output, .. } = self.job;
        let now = self.survey.identities_receipt(settings);
        if self.survey.receipts.identities.as_ref() == Some(&now) {
            return Ok(());
        }
        let mut reached = reach::of_identities(&self.job.places(), &self.survey, identities, Lost::Refused)?;
        // Rows that are away, or were never built with, were not looked at: their days are built whenever they can be.
        for (day, reason) in self.planner().built_from_others() {
            reached.entry(day).or_insert_with(|| reason.to_string());
        }
        self.mark(&reached)?;
        // The two are written one after the other: between them nothing is known.
        self.lock.remove(output, IDENTITIES_RECEIPT)?;
        let object = format!("{KNOWN_IDENTITIES}/identities.parquet");
        output.publish(&object, encode(&schema::identities().schema, &[identities.table(settings)?])?)?;
        write_json(output, IDENTITIES_RECEIPT, &now)?;
        self.survey.receipts.identities = Some(now);
        Ok(())
    }

    fn build(&mut self, identities: &Identities, insights: &mut InsightsIndex) -> Result<()> {
        let Job { settings, output, .. } = self.job;
        let planner = self.planner();
        let range = planner.range();
        let (inputs, ads_are_stale) = (planner.ads_inputs(), ads_are_stale(&self.survey, &planner));
        wanted_days(self.job, range, &self.calendar, &mut self.failures);
        self.report.set_range(range);
        let mut steps = self.steps();
        if !steps.days.is_empty() || ads_are_stale {
            let places = self.job.places();
            let watermark = self.calendar.last().map_or(0, |last| last.next().start_utc());
            let rules = Rules { settings, identities, watermark };
            let mut attributed = attribute_days(&places, &self.survey, rules, &steps.days)?;
            let ads = AdIndex::new(settings, attributed.facts.clone(), insights);
            if ads_are_stale {
                self.mark_moved_ads(&ads)?;
                steps = self.steps();
                self.publish_ads(&ads, inputs)?;
            }
            if !attributed.covers(&steps.days) {
                attributed = attribute_days(&places, &self.survey, rules, &steps.days)?;
            }
            let days = steps.days.iter().map(|step| step.day);
            let added = || scan_insights::add_figures(&places, &self.survey, insights, days);
            let (kept, added) = at_once(|| attributed.keep_facts(&places, &self.survey), added)?;
            kept.and(added)?;
            self.build_days(&steps, insights, &attributed.answer, &ads)?;
        }
        self.report.note_blocked(&steps);
        let removals = self.planner().removals(range);
        for day in removals {
            for table in DAY_TABLES.iter().rev() {
                if let Some(object) = self.survey.published.get(table).and_then(|days| days.get(&day)) {
                    self.lock.remove(output, &object.path)?;
                }
            }
            self.survey.receipts.days.forget(day);
            self.report.days_removed.push(day);
        }
        self.survey.receipts.days.write(output)
    }

    /// Ads that became known or moved make their own rows stale (rule 21).
    fn mark_moved_ads(&mut self, ads: &AdIndex) -> Result<()> {
        let Job { settings, output, .. } = self.job;
        if let Some(reached) = reach::of_ads(&self.job.places(), &self.survey, ads, &self.planner())? {
            self.mark(&reached)?;
            write_json(output, AD_PLACES, &ads.places(settings))?;
        }
        Ok(())
    }

    fn publish_ads(&mut self, ads: &AdIndex, inputs: crate::base::digest::Digest) -> Result<()> {
        let surveyed = self.survey.published_ads.clone();
        let put = put(&schema::ads(), ADS_OBJECT.to_string(), &ads.table(self.job.settings)?, surveyed)?;
        let object = self.publish(&[put]).remove(0)?;
        let receipt = AdsReceipt { logic: LOGIC.ads, inputs, object };
        write_json(self.job.output, ADS_RECEIPT, &receipt)
    }

    /// Publishes objects and counts them; returns their versions.
    fn publish(&mut self, puts: &[Put]) -> Vec<Result<String>> {
        let published = publish::publish(self.lock, self.job.output, puts);
        published.into_iter().map(|done| done.map(|done| self.report.count_object(done))).collect()
    }

    fn build_days(&mut self, steps: &Steps, insights: &InsightsIndex, answer: &Answer, ads: &AdIndex) -> Result<()> {
        if steps.days.is_empty() {
            return Ok(());
        }
        let settings = self.job.settings;
        info!(days = steps.days.len(), "building");
        let progress = self.job.progress;
        progress(Progress::Begin { step: "building", of: "days", items: steps.days.len() as u64, bytes: 0 });
        let planner = self.planner();
        let rejected = |day: Day| settings.bots.iter().map(|bot| (bot.id.clone(), planner.rejected(&bot.id, day))).collect();
        let wanted: Vec<(&DayStep, DayReceipt, HashMap<String, u64>)> =
            steps.days.iter().map(|step| (step, planner.expected(step.day), rejected(step.day))).collect();
        // Some days are put while the next ones are made.
        let mut waiting = Vec::new();
        for wanted in wanted.chunks(DAYS_AT_ONCE) {
            if let Err(stopped) = (self.job.stopped)() {
                self.note_published(publish::days(self.lock, self.job.output, waiting))?;
                return Err(stopped);
            }
            let figures = Figures { settings, calendar: &self.calendar, answer, insights, ads };
            let published = &self.survey.published;
            let make = |(step, _, rejected): &(&DayStep, DayReceipt, HashMap<String, u64>)| {
                let rows = figures.rows(step.day, &|bot| rejected.get(bot).copied().unwrap_or_default());
                audit::day(step.day, &rows, insights)?;
                let surveyed = |table: &Table| published.get(table.name).and_then(|days| days.get(&step.day)).cloned();
                let put = |(table, batch)| put(&table, day_object(table.name, step.day), &batch, surveyed(&table));
                let puts = tables(step.day, &rows)?.into_iter().map(put).collect::<Result<Vec<_>>>()?;
                progress(Progress::Done { rows: rows.ad_days.len() as u64, bytes: 0 });
                Ok((rows, puts))
            };
            let (lock, output) = (self.lock, self.job.output);
            let (made, put) = at_once(|| on_all_cores(wanted, make), || publish::days(lock, output, waiting))?;
            self.note_published(put)?;
            waiting = Vec::new();
            for (made, (step, receipt, _)) in made.into_iter().zip(wanted) {
                match made {
                    Ok((rows, puts)) => waiting.push(BuiltDay { step, rows, puts, receipt: receipt.clone() }),
                    Err(error) if error.kind() == ErrorKind::Data => self.failures.add(error.with("day", step.day)),
                    Err(error) => return Err(error.with("day", step.day)),
                }
            }
        }
        self.note_published(publish::days(self.lock, self.job.output, waiting))?;
        progress(Progress::End);
        Ok(())
    }

    /// Counts what was put, and writes the receipts of the days that are whole.
    fn note_published(&mut self, put: PublishedDays<'_>) -> Result<()> {
        put.objects.into_iter().for_each(|object| _ = self.report.count_object(object));
        if let Some(error) = put.failed {
            return Err(error);
        }
        for built in put.days {
            self.survey.receipts.days.set(built.step.day, built.receipt);
            self.report.count(&built.rows);
            self.report.days.push(built.step.clone());
        }
        self.survey.receipts.days.write(self.job.output)
    }

    fn accept(&self) -> Result<()> {
        let accepted = self.survey.accepted_now(self.job.settings, &self.calendar);
        if accepted == self.survey.accepted { Ok(()) } else { write_json(self.job.output, ACCEPTED_OBJECT, &accepted) }
    }

    /// Accepts what was built from, and says what was done; also when the run was stopped on the way. Without the lock nothing is
    /// written.
    fn finish(mut self, started: DateTime<Utc>, done: Result<()>) -> Outcome {
        // Whoever took the lock over writes from now on.
        let held = self.lock.check();
        let is_held = held.is_ok();
        let accepted = done.and(held).and_then(|()| self.accept());
        if let Err(error) = accepted {
            self.failures.add(error);
            let steps = self.steps().days.into_iter().map(|step| step.day);
            self.report.days_left = steps.filter(|day| self.report.days.iter().all(|built| built.day != *day)).collect();
            let left = self.survey.unread(self.job.settings);
            let is_left = |step: &PartitionStep| left.iter().any(|left| (left.table, left.day) == (step.table, step.day));
            self.report.partitions.retain(|step| !is_left(step));
            self.report.partitions_left = left;
        }
        if let Some(pull) = self.pull.take() {
            self.report.insights = pull.pulled;
            self.report.warnings.extend(pull.warnings);
        }
        let mut worst = self.failures.worst();
        self.report.failures = std::mem::take(&mut self.failures.list);
        self.report.note_inputs(&self.survey);
        self.report.bytes_read = self.job.lake.bytes_read();
        self.report.requests = self.job.lake.requests() + self.job.output.requests();
        let ended = (self.job.clock)();
        self.report.started = Some(started.to_rfc3339_opts(SecondsFormat::Millis, true));
        self.report.seconds = (ended - started).num_milliseconds() as f64 / 1_000.0;
        let object = format!("runs/{}.json", started.format("%Y-%m-%dT%H-%M-%S%.6fZ"));
        if is_held && let Err(error) = write_json(self.job.output, &object, &self.report) {
            worst = ErrorKind::worst([Some(error.kind()), worst].into_iter().flatten());
            self.report.failures.push(Failure { kind: error.kind().name(), error: error.to_string() });
        }
        Outcome { report: self.report, worst }
    }
}

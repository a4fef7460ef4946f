//! Run: the only loop. It surveys, does the first stage of the plan, looks again, and so on until no stage is left; no stage calls
//! the next.
//!
//! A partition or a day that fails is named and kept back, what does not depend on it goes on, and the run exits with the worst
//! kind of what failed. A run that finds nothing stale takes no lock and writes nothing. Killed at any point, the next run
//! completes to the same bytes: a day is finished when its receipt is written, and everything before that can be repeated.
//!
//! ```text
//! attribute.rs          the counts of the days to be built
//! building.rs           the stages that publish
//! lacking.rs            days that lack rows for good
//! publish.rs            objects put where readers look
//! published_counts.rs   counts of days whose rows did not change
//! pull/ads.rs           ads that reports leave out
//! pull/mod.rs           Meta's figures into the lake
//! pull/reach.rs         ranges as a whole
//! reading.rs            the stages that read
//! report.rs             what a run did
//! scan.rs               raw partitions that are new or changed
//! scan_insights.rs      Meta's figures as they have landed
//! ```

pub(crate) mod attribute;
mod building;
mod lacking;
pub(crate) mod publish;
pub(crate) mod published_counts;
pub(crate) mod pull;
mod reading;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod scan_insights;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failures::{Failure, Failures};
use crate::base::schema::{self, Raw};
use crate::extract::fingerprints;
use crate::extract::identity::{Identities, REJECTED_ALIASES};
use crate::insights::InsightsIndex;
use crate::known::job::Job;
use crate::known::moved::{self, Moved};
use crate::known::published_ads;
use crate::known::receipts::{IDENTITIES_RECEIPT, IdentitiesReceipt, KNOWN_IDENTITIES};
use crate::known::survey::{Lost, StageInputs, Survey};
use crate::lake::layout::day_object;
use crate::lake::{Lock, encode, write_json};
use crate::plan::accepted::ACCEPTED_OBJECT;
use crate::plan::calendar::{Calendar, not_landed};
use crate::plan::reason::{Change, DayStep};
use crate::plan::stages::{PartitionStep, Seen, Stage, Tried};
use crate::plan::wanted::Wanted;
use crate::plan::{PlanInputs, Planner, Steps, WorkedOut};
use crate::run::attribute::Attributed;
use crate::run::pull::Pull;
use crate::run::report::RunReport;

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
        let again = Survey::take(&job.places())?;
        Ok(idle(job, &again)?.unwrap_or_else(|| Run::new(job, &lock, again).walk(started)))
    })
}

/// The outcome of a run that has nothing to do; none if there is something.
fn idle(job: &Job<'_>, survey: &Survey) -> Result<Option<Outcome>> {
    let calendar = survey.calendar(job.settings);
    check_history(job, survey, &calendar)?;
    let (planner, tried) = (survey.planner(job.settings, &calendar), Tried::default());
    let due = pull::due(job, survey, &planner);
    let seen = survey.seen(&planner, job.settings, StageInputs { wanted: job.wanted, due, tried: &tried });
    if seen.stages().next().is_some() {
        return Ok(None);
    }
    let (mut failures, steps) = (Failures::default(), seen.steps());
    note_missing(&planner, job.wanted, &mut failures);
    note_damaged(&steps, &mut failures);
    published_ads::said_of_lacking(survey.receipts.ads.as_ref()).into_iter().for_each(|error| failures.add(error));
    survey.fail_for_refused(job.settings, &mut failures);
    let mut report = RunReport::new(job.settings, planner.range());
    report.note_blocked(&steps);
    report.note_inputs(survey);
    report.note_noticed(&job.places(), survey, &mut failures);
    report.note_away(survey, &calendar);
    report.seconds = 0.0;
    report.requests = job.lake.requests() + job.output.requests();
    let worst = failures.worst();
    report.failures = failures.list;
    Ok(Some(Outcome { report, worst }))
}

pub(crate) fn check_history(job: &Job<'_>, survey: &Survey, calendar: &Calendar) -> Result<()> {
    if job.accept_history_change { Ok(()) } else { survey.accepted.protect(job.settings, calendar.last()) }
}

/// Fails for what has not landed, holes and days that are asked for, and for days of which the lake holds none.
pub(crate) fn note_missing(planner: &Planner<'_>, wanted: Wanted, failures: &mut Failures) {
    planner.calendar().holes().into_iter().for_each(|hole| failures.add(not_landed(hole)));
    wanted.missed(planner.range(), planner.calendar().last()).into_iter().for_each(|error| failures.add(error));
}

/// Fails for published objects that are lost and cannot be made again.
pub(crate) fn note_damaged(steps: &Steps, failures: &mut Failures) {
    for damaged in &steps.damaged {
        failures.add(damaged.error(day_object(damaged.table, damaged.day)));
    }
}

/// Each stage goes away once it is done, and comes back a few times at most.
const MOST_TURNS: u32 = 100;

/// A run that holds the lock.
struct Run<'a> {
    job: &'a Job<'a>,
    lock: &'a Lock,
    survey: Survey,
    calendar: Calendar,
    changes: Vec<Change>,
    /// Per bot id, the day from which its conversion events are others than those accepted before this run.
    setting_changes: BTreeMap<String, Day>,
    /// From the receipts of partitions, as they are now.
    worked_out: Arc<WorkedOut>,
    tried: Tried,
    failures: Failures,
    has_noted_missing: bool,
    report: RunReport,
    pull: Option<Pull<'a>>,
    identities: Option<Identities>,
    insights: Option<InsightsIndex>,
    /// Why partitions of insights are refused, as of the last look at them.
    refused_insights: Vec<Error>,
    attributed: Option<Attributed>,
    /// Whether what touches say of ads is kept for the next run.
    are_facts_kept: bool,
}

impl<'a> Run<'a> {
    fn new(job: &'a Job<'a>, lock: &'a Lock, survey: Survey) -> Run<'a> {
        Run {
            job,
            lock,
            calendar: survey.calendar(job.settings),
            changes: Vec::new(),
            setting_changes: survey.accepted.changes(job.settings),
            worked_out: Arc::default(),
            tried: Tried::default(),
            failures: Failures::default(),
            has_noted_missing: false,
            report: RunReport::new(job.settings, None),
            pull: None,
            identities: None,
            insights: None,
            refused_insights: Vec::new(),
            attributed: None,
            are_facts_kept: false,
            survey,
        }
    }

    fn walk(mut self, started: DateTime<Utc>) -> Outcome {
        let done = self.stages();
        self.finish(started, done)
    }

    /// Does the first stage, looks again, and so on until none is left.
    fn stages(&mut self) -> Result<()> {
        let identities = Identities::surveyed(self.job.lake, &self.survey.identities, self.job.settings)?;
        self.identities = Some(identities);
        let mut turns = 0..MOST_TURNS;
        while let Some(stage) = self.next() {
            turns.next().ok_or_else(|| Error::bug(format!("a stage is done and does not go away: {stage:?}")))?;
            let comes_after_reading = !matches!(stage, Stage::Forget(_) | Stage::Read(_) | Stage::Pull(_));
            if comes_after_reading {
                self.note_missing();
            }
            match stage {
                Stage::Forget(gone) => self.forget(&gone)?,
                Stage::Read(steps) => self.read(steps)?,
                Stage::Pull(_) => self.pull()?,
                Stage::Identities => self.mark_changed_identities()?,
                Stage::Accept => self.accept()?,
                Stage::Ads => self.publish_ads()?,
                Stage::Build(_) => self.build()?,
                Stage::Remove(_) => self.remove()?,
            }
        }
        self.note_missing();
        self.note_lacking_days()?;
        // Receipts that were renewed and not read again.
        for table in Raw::BOTH {
            self.survey.receipts.write_raw(table, self.job.output)?;
        }
        if let Some(attributed) = self.attributed.as_ref().filter(|_| !self.are_facts_kept) {
            attributed.keep_facts(&self.job.places(), &self.survey)?;
        }
        // Last: no count waits for it.
        let first = self.planner().first_conversation_day();
        let failures = &mut self.failures;
        self.pull.as_mut().map_or(Ok(()), |pull| pull.reach(first, &mut |error| failures.add(error)))
    }

    fn planner(&self) -> Planner<'_> {
        let inputs = self.survey.plan_inputs(self.job.settings, &self.calendar);
        let (changes, setting_changes) = (self.changes.clone(), self.setting_changes.clone());
        Planner::new(PlanInputs { changes, setting_changes, ..inputs }, self.worked_out.clone())
    }

    fn with_seen<T>(&self, look: impl FnOnce(&Seen<'_>) -> T) -> T {
        let planner = self.planner();
        let due = if self.tried.pull { Vec::new() } else { pull::due(self.job, &self.survey, &planner) };
        let asked = StageInputs { wanted: self.job.wanted, due, tried: &self.tried };
        look(&self.survey.seen(&planner, self.job.settings, asked))
    }

    fn next(&self) -> Option<Stage> {
        self.with_seen(|seen| seen.stages().next())
    }

    /// The days to build that this run has not tried.
    fn days_to_build(&self) -> Vec<DayStep> {
        let untried = |step: &DayStep| !self.tried.days.contains(&step.day);
        self.with_seen(|seen| seen.steps()).days.into_iter().filter(untried).collect()
    }

    fn note_missing(&mut self) {
        if !std::mem::replace(&mut self.has_noted_missing, true) {
            let mut failures = std::mem::take(&mut self.failures);
            note_missing(&self.planner(), self.job.wanted, &mut failures);
            self.failures = failures;
        }
    }

    /// What was worked out from receipts is worked out anew.
    fn look_again(&mut self) {
        self.worked_out = Arc::default();
    }

    /// A changed alias affects days of the contacts whose chain ends elsewhere now (rule 21). What is affected is known before the new
    /// table is, with one put.
    fn mark_changed_identities(&mut self) -> Result<()> {
        let Job { settings, output, .. } = self.job;
        let Some(identities) = &self.identities else { return Err(Error::bug("the alias table was not read")) };
        let moved = moved::of_identities(&self.job.places(), &self.survey, identities, Lost::Refused)?;
        let known = self.survey.receipts.identities.clone().unwrap_or_default();
        let mut now = IdentitiesReceipt {
            inputs: self.survey.identities.clone(),
            bots: self.survey.bots_of_ids(settings),
            people: fingerprints::people(settings),
            set_aside: identities.set_aside.counts(),
            unmet: identities.set_aside.unmet.clone(),
            ..known.clone()
        };
        self.lock.check()?;
        if let Some(rows) = identities.set_aside.table(settings)? {
            output.publish(REJECTED_ALIASES, encode(&schema::rejected_identities().schema, &[rows])?)?;
        } else if !known.set_aside.is_empty() {
            self.lock.remove(output, REJECTED_ALIASES)?;
        }
        if let Moved::Affects(mut affected) = moved {
            // Rows that are away, or were never built with, were not looked at: their days are built whenever they can be.
            for (day, reason) in self.planner().built_from_others() {
                affected.entry(day).or_insert_with(|| reason.to_string());
            }
            let table = encode(&schema::identities().schema, &[identities.table(settings)?])?;
            let content = moved::aliases_digest(identities, settings)?;
            now.marks = known.marks.step(content, affected, self.survey.built_under_aliases());
            output.publish(&now.table(), table)?;
            now.left = vec![known.table()];
            write_json(output, IDENTITIES_RECEIPT, &now)?;
            self.survey.receipts.identities = Some(now.clone());
        }
        // Runs that were killed may have left some, too.
        let kept = now.table();
        for left in output.list(KNOWN_IDENTITIES)?.into_iter().filter(|object| object.path != kept) {
            self.lock.remove(output, &left.path)?;
        }
        now.left.clear();
        write_json(output, IDENTITIES_RECEIPT, &now)?;
        self.survey.receipts.identities = Some(now);
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        let accepted = self.survey.accepted_now(self.job.settings, &self.calendar);
        self.lock.check()?;
        write_json(self.job.output, ACCEPTED_OBJECT, &accepted)?;
        self.survey.accepted = accepted;
        Ok(())
    }

    /// Says what was done; also when the run was stopped on the way. Without the lock nothing is written.
    fn finish(mut self, started: DateTime<Utc>, done: Result<()>) -> Outcome {
        // Whoever took the lock over writes from now on.
        let held = self.lock.check();
        let is_held = held.is_ok();
        let steps = self.with_seen(|seen| seen.steps());
        self.report.set_range(self.planner().range());
        self.report.note_blocked(&steps);
        note_damaged(&steps, &mut self.failures);
        let lacking = published_ads::said_of_lacking(self.survey.receipts.ads.as_ref());
        lacking.into_iter().for_each(|error| self.failures.add(error));
        self.survey.fail_for_refused(self.job.settings, &mut self.failures);
        std::mem::take(&mut self.refused_insights).into_iter().for_each(|error| self.failures.add_once(error));
        if let Err(error) = done.and(held) {
            self.failures.add(error);
            let left = steps.days.into_iter().map(|step| step.day);
            self.report.days_left = left.filter(|day| self.report.days.iter().all(|built| built.day != *day)).collect();
            let unread = self.survey.unread(self.job.settings);
            let is_left = |step: &PartitionStep| unread.iter().any(|other| (other.table, other.day) == (step.table, step.day));
            self.report.partitions.retain(|step| !is_left(step));
            self.report.partitions_left = unread;
        }
        if let Some(pull) = self.pull.take() {
            self.report.insights = pull.pulled;
            self.report.warnings.extend(pull.warnings);
        }
        self.report.note_refused_insights(&self.calendar);
        self.report.note_noticed(&self.job.places(), &self.survey, &mut self.failures);
        let mut worst = self.failures.worst();
        self.report.failures = std::mem::take(&mut self.failures.list);
        self.report.note_inputs(&self.survey);
        self.report.note_away(&self.survey, &self.calendar);
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

//! Insights: fetches Meta's figures into the lake now. No day is built; the next run builds what they change.
//!
//! The same pull as a run's, under the same lock. Without days it fetches what is due; a command that finds nothing due takes no
//! lock and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::base::day::DayRange;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failures::{Failure, Failures};
use crate::known::in_lake;
use crate::known::job::Job;
use crate::known::survey::Survey;
use crate::run::pull::ads::touched_ads;
use crate::run::pull::{self, Pull, Pulled};
use crate::run::scan_insights;

/// What to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsightsRequest {
    /// What is due, as a run would.
    Due,
    /// These days, whenever they were fetched last.
    Days(DayRange),
    /// How many people each ad reached in these days together.
    Reach(DayRange),
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct InsightsReport {
    pub pipeline: String,
    /// By account; those without an entry were not asked for.
    pub accounts: BTreeMap<String, Pulled>,
    pub warnings: BTreeSet<String>,
    pub failures: Vec<Failure>,
    #[serde(skip)]
    pub worst: Option<ErrorKind>,
}

pub fn insights(job: &Job<'_>, request: InsightsRequest) -> Result<InsightsReport> {
    let settings = job.settings;
    if settings.fetched_insights().is_none() {
        return Err(Error::usage("this pipeline does not fetch from Meta")
            .with("pipeline", &settings.name)
            .mend("write source = \"marketing-api\" in [insights]"));
    }
    let mut report = InsightsReport { pipeline: settings.name.clone(), ..InsightsReport::default() };
    let released = job.output.released()?;
    let survey = Survey::take(&job.places())?;
    if request == InsightsRequest::Due && is_nothing_due(job, &survey) {
        return Ok(report);
    }
    let lock = job.output.lock((job.clock)())?;
    lock.keep(job.clock, || {
        // Where another run had the lock since the look, it may have fetched it.
        let survey = if lock.follows(released.as_ref()) { survey } else { Survey::take(&job.places())? };
        let ledgers = survey.ledgers.clone().unwrap_or_default();
        let Some(mut pull) = Pull::start(job, &lock, ledgers, &survey.insights)? else { return Ok(()) };
        let mut failures = Failures::default();
        let done = pull_all(job, survey, request, &mut pull, &mut failures);
        report.accounts = pull.pulled;
        report.warnings = pull.warnings;
        report.worst = failures.worst();
        report.failures = failures.list;
        done
    })?;
    Ok(report)
}

fn is_nothing_due(job: &Job<'_>, survey: &Survey) -> bool {
    let calendar = survey.calendar(job.settings);
    pull::due(job, survey, &survey.planner(job.settings, &calendar)).is_empty()
}

fn pull_all(
    job: &Job<'_>,
    mut survey: Survey,
    request: InsightsRequest,
    pull: &mut Pull<'_>,
    failures: &mut Failures,
) -> Result<()> {
    let places = job.places();
    let mut calendar = survey.calendar(job.settings);
    let first = survey.planner(job.settings, &calendar).first_conversation_day();
    let mut fail = |error| failures.add(error);
    match request {
        InsightsRequest::Reach(days) => return pull.reach_of(days, &mut fail),
        InsightsRequest::Days(days) => pull.all_days(days, &mut fail)?,
        InsightsRequest::Due => pull.days(first, &mut fail)?,
    }
    (survey.insights, survey.ledgers, survey.sync_days) = in_lake::insights(&job.places(), &survey.receipts.insights)?;
    // A partition that is refused is the next run's to tell.
    let insights = scan_insights::read_insights(&places, &mut survey, &mut calendar, &mut |_| {})?;
    pull.left_out_ads(&touched_ads(&places, &survey, &insights)?, &mut fail)?;
    if request == InsightsRequest::Due { pull.reach(first, &mut fail) } else { Ok(()) }
}

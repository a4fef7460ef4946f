//! Whether the output can be written to, and whether somebody holds it.

use chrono::{DateTime, Utc};

use crate::base::error::Error;
use crate::base::said::Said;
use crate::known::job::Job;
use crate::known::survey::{StageInputs, Survey};
use crate::lake::{Lake, Probe};
use crate::plan::calendar::Calendar;
use crate::plan::stages::Tried;
use crate::run::pull;

use super::finding::Findings;

/// How far this machine's clock may be from a store's before it is worth a word, in seconds.
const MAX_CLOCK_SKEW_SECONDS: i64 = 10;

pub(super) fn check(output: &Lake, clock: &(dyn Fn() -> DateTime<Utc> + Sync), findings: &mut Findings<'_>) {
    let Some(days) = findings.end("output", output.published_days("bot_days")) else { return };
    match (days.keys().next(), days.keys().next_back()) {
        (Some(first), Some(last)) => findings.ok("output", format!("{} days are published, {first}..{last}", days.len())),
        _ => findings.ok("output", "no day is published yet"),
    }
    let Some(()) = findings.end("output", output.try_to_write(clock())) else { return };
    if let Some(Some(probe)) = findings.end("output", output.probe(clock())) {
        findings.ok("output", format!("{} can be listed, read and written", output.location()));
        check_store(&probe, clock, findings);
    }
}

fn check_store(probe: &Probe, clock: &dyn Fn() -> DateTime<Utc>, findings: &mut Findings<'_>) {
    if probe.creates_once {
        findings.ok("output", "an object is created once only: of two runs one gets the lock");
    } else {
        let error = Error::usage("the store creates an object that is there already, so nothing keeps two runs apart")
            .mend("use a store that honours If-None-Match");
        findings.fail("output", &error);
    }
    if probe.replaces_by_version {
        findings.ok("output", "an object is replaced by version: a put that comes late is refused");
    } else {
        let said = Said::new(
            "the store does not replace by version: a put that is under way while another run takes the lock over is not refused",
        );
        findings.warn("output", said.mend("see that no run is stopped for more than 30 s and goes on"));
    }
    if let Some(region) = &probe.region {
        findings.ok("output", format!("the bucket lies in region {region}"));
    }
    if let Some(time) = probe.time {
        let skew = (clock() - time).num_seconds();
        let text = format!("this machine's clock is {skew} s from the store's");
        if skew.abs() > MAX_CLOCK_SKEW_SECONDS {
            findings.warn("clock", Said::new(text).mend("set it, else the store may refuse its requests"));
        } else {
            findings.ok("clock", text);
        }
    }
}

/// Whether another run holds the output, and this one would want it.
pub(super) fn check_lock(job: &Job<'_>, survey: &Survey, calendar: &Calendar, findings: &mut Findings<'_>) {
    let Some(Some(conflict)) = findings.end("output", job.output.conflict((job.clock)())) else { return };
    let planner = survey.planner(job.settings, calendar);
    let (tried, due) = (Tried::default(), pull::due(job, survey, &planner));
    let is_idle = survey.seen(&planner, job.settings, StageInputs { wanted: job.wanted, due, tried: &tried }).stages().next();
    if is_idle.is_none() {
        findings.warn("output", Said::new(conflict.to_string()));
    } else {
        findings.end::<()>("output", Err(conflict));
    }
}

//! Check: what would go wrong tonight, without changing anything. Whether the output can be written is tried out with what is removed
//! again.
//!
//! Looks at the file, the lake's folders and gaps, the output and its lock, the whole alias table, Meta's figures, and at rows: of the
//! newest, the oldest and a few partitions between, or of all, as a run reads them, and again for what no run looks at. Where we fetch Meta's
//! figures, at the token and its accounts. Each finding says what was looked at, one example, and the line to write; the kind of all is
//! that of the run.

mod counted;
mod finding;
mod how;
mod insights;
mod joins;
mod met;
mod meta;
mod named;
mod night;
mod output;
mod rows;
mod sample;
mod tables;
mod times;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::base::day::Day;
use crate::base::error::Error;
use crate::base::progress::{LOOKING, Progress};
use crate::base::said::Said;
use crate::base::schema::Raw;
use crate::config::Settings;
use crate::engine::select::{self, Site};
use crate::extract::identity::{Identities, SetAsideAliases};
use crate::known::job::{Job, Wanted};
use crate::known::survey::Survey;
use crate::lake::{Environment, Lake};
use crate::plan::calendar::Calendar;

use finding::Findings;
pub(crate) use finding::{CheckReport, Finding, Level};
pub(crate) use how::How;
use named::Tables;
use rows::Looked;
use sample::{BESIDE, some_of};

pub(crate) fn check(
    settings: &Settings,
    environment: &Environment,
    clock: &(dyn Fn() -> DateTime<Utc> + Sync),
    how: &How<'_>,
) -> CheckReport {
    let mut findings = Findings::new(&settings.name, how.found);
    named::check_file(settings, &mut findings);
    let lake = findings.end("lake", Lake::open(&settings.lake, environment));
    let output = findings.end("output", Lake::open_or_create(&settings.output, environment));
    if let Some((lake, output)) = lake.as_ref().zip(output.as_ref()) {
        let engine = select::engine(settings.engine, Site::new(lake, output));
        let job = Job {
            settings,
            lake,
            output,
            engine: engine.as_ref(),
            wanted: Wanted::Through(None),
            accept_history_change: false,
            clock,
            stopped: how.stopped,
            pause: None,
            progress: how.progress,
        };
        look(&job, how, &mut findings);
    } else if let Some(output) = &output {
        output::check(output, clock, &mut findings);
    }
    // Last: it can take its time.
    if let Some((api, folder)) = settings.fetched_insights() {
        if let Some(lake) = &lake {
            findings.take("insights", lake.try_to_land(folder, clock()));
        }
        meta::check(settings, api, clock, how, &mut findings);
    }
    findings.report
}

/// What is there, by listings.
#[derive(Clone, Copy)]
struct Seen<'a> {
    job: &'a Job<'a>,
    how: &'a How<'a>,
    survey: &'a Survey,
    calendar: &'a Calendar,
}

/// Looks at what lies in the lake and in the output.
fn look(job: &Job<'_>, how: &How<'_>, findings: &mut Findings<'_>) {
    let Job { settings, lake, output, .. } = *job;
    (how.progress)(Progress::Doing("waiting for the lake's listings"));
    let survey = Survey::take(&job.places());
    (how.progress)(Progress::Doing(LOOKING));
    let survey = findings.end("lake", survey);
    output::check(output, job.clock, findings);
    let Some(survey) = survey else { return };
    findings.ok("lake", format!("{} can be listed", lake.location()));
    survey.left_out().for_each(|(table, text)| findings.warn(table, Said::new(text.as_str())));
    let calendar = survey.calendar(settings);
    findings.end("conversion events", survey.accepted.protect(settings, calendar.last()));
    output::check_lock(job, &survey, &calendar, findings);
    let read = settings.identities.as_ref().and_then(|path| findings.end("identities", Identities::read(lake, path, settings)));
    if let Some(identities) = &read {
        check_aliases(&identities.set_aside, findings);
    }
    for table in Raw::BOTH {
        tables::check(lake, survey.raw(table), &settings.raw(table).columns, findings);
    }
    tables::check_days(settings, &survey, &calendar, findings);
    check_last(&survey, &calendar, Day::of_instant((job.clock)().timestamp_micros()), findings);
    named::check_settings(settings, &calendar, findings);
    let ads = insights::check(lake, settings, &survey, how, findings);
    let identities = read.unwrap_or_else(|| Identities::without_aliases(settings));
    let ads = ads.unwrap_or_default();
    let Some(looked) = findings.take("lake", rows::look(job, how, &survey, &identities, &ads)) else { return };
    tell_rows(&Seen { job, how, survey: &survey, calendar: &calendar }, looked, &ads, findings);
}

fn check_last(survey: &Survey, calendar: &Calendar, today: Day, findings: &mut Findings<'_>) {
    for table in Raw::BOTH {
        if let Some(newest) = survey.raw(table).partitions.keys().next_back() {
            named::check_today(*newest, table.table(), today, findings);
        }
    }
    match calendar.last() {
        Some(last) => findings.ok("days", format!("the last day with messages and events is {last}")),
        None => {
            let said = Said::new("no day has both a messages and an events partition: nothing is built");
            findings.warn("days", said.mend("land the other table's partitions"));
        }
    }
}

/// What a look at rows gives, table by table.
fn tell_rows(seen: &Seen<'_>, mut looked: Looked, ads: &BTreeSet<String>, findings: &mut Findings<'_>) {
    let Seen { job, how, survey, calendar } = *seen;
    let settings = job.settings;
    let mut refused: BTreeMap<&str, Vec<Error>> = BTreeMap::new();
    std::mem::take(&mut looked.refused).into_iter().for_each(|(table, error)| refused.entry(table).or_default().push(error));
    refused.into_iter().for_each(|(table, errors)| findings.fail_each(table, errors));
    std::mem::take(&mut looked.warnings).into_iter().for_each(|(table, said)| findings.warn(table, said));
    for (table, counts) in looked.counts.iter().filter(|(_, counts)| counts.left > 0) {
        let text = format!("{} partitions that no run has read were not looked into: --all reads them", counts.left);
        findings.ok(table.table(), text);
    }
    let met = Raw::BOTH.map(|table| {
        let listing = survey.raw(table);
        let whole = listing.partitions.values().filter(|partition| partition.fault.is_none());
        let (chosen, _) = some_of(whole, BESIDE, how.all);
        let met = met::look(job.lake, settings, how, table, &chosen);
        met::Met { of: listing.partitions.len(), ..met }
    });
    let tables = Tables { messages: &met[0], events: &met[1] };
    named::check_met(settings, calendar, &tables, findings);
    Raw::BOTH.into_iter().zip(&met).for_each(|(table, met)| times::check(settings.raw(table), met, findings));
    named::check_counts(settings, &looked, &tables, findings);
    looked.joined.tell(findings);
    looked.counted.tell(ads, findings);
    insights::check_ads(&looked.counted.ads, ads, findings);
    night::tell(&survey.unread(settings), survey, looked.took, findings);
}

fn check_aliases(set_aside: &SetAsideAliases, findings: &mut Findings<'_>) {
    set_aside.unmet.iter().for_each(|text| findings.warn("identities", Said::new(text.as_str())));
    match SetAsideAliases::warning(&set_aside.counts()) {
        Some(warning) => {
            let text = warning.strip_prefix("identities: ").unwrap_or(&warning);
            findings.warn("identities", Said::new(format!("{text}: {}", set_aside.named())));
        }
        None => findings.ok("identities", "every alias leads to one contact"),
    }
}

//! Check: what would go wrong tonight, without changing anything.
//!
//! Looks at the lake's folders and gaps, at the schema of each table's newest partition against the mapping, at the whole alias
//! table, at the newest insights, and at the output. Each finding says what was looked at and what to do.

use serde::Serialize;

use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::Identities;
use crate::insights::{self, InsightsIndex};
use crate::lake::Lake;
use crate::lake::layout::Listing;
use crate::mapping::TableMapping;
use crate::run::not_landed;
use crate::survey::Survey;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    Warning,
    Error,
}

#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub level: Level,
    /// What was looked at.
    pub subject: String,
    pub text: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct CheckReport {
    pub pipeline: String,
    pub findings: Vec<Finding>,
    #[serde(skip)]
    kinds: Vec<ErrorKind>,
}

impl CheckReport {
    pub fn worst(&self) -> Option<ErrorKind> {
        ErrorKind::worst(self.kinds.iter().copied())
    }

    fn add(&mut self, level: Level, subject: &str, text: impl Into<String>) {
        self.findings.push(Finding { level, subject: subject.to_string(), text: text.into() });
    }

    /// Notes the error, if it is one.
    fn take<T>(&mut self, subject: &str, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.kinds.push(error.kind());
                self.add(Level::Error, subject, error.to_string());
                None
            }
        }
    }
}

pub fn check(settings: &Settings) -> CheckReport {
    let mut report = CheckReport { pipeline: settings.name.clone(), ..CheckReport::default() };
    check_bots(settings, &mut report);
    check_output(settings, &mut report);
    let lake = Lake::open(&settings.lake);
    let Some(lake) = report.take("lake", lake) else { return report };
    report.add(Level::Ok, "lake", format!("{} can be listed", lake.location()));
    if let Some(path) = &settings.identities
        && report.take("identities", Identities::read(&lake, path, settings)).is_some()
    {
        report.add(Level::Ok, "identities", "every alias leads to one contact");
    }
    let survey = Lake::open_or_create(&settings.output).and_then(|output| Survey::take(&lake, &output, settings));
    let Some(survey) = report.take("lake", survey) else { return report };
    for (listing, mapping) in [(&survey.messages, &settings.messages.columns), (&survey.events, &settings.events.columns)] {
        check_table(&lake, listing, mapping, &mut report);
    }
    let calendar = survey.calendar(settings);
    report.take("conversion events", survey.accepted.protect(settings, calendar.last()));
    for hole in calendar.holes() {
        report.take::<()>(hole.0.table(), Err(not_landed(hole)));
    }
    match calendar.last() {
        Some(last) => report.add(Level::Ok, "days", format!("the last day with messages and events is {last}")),
        None => {
            let error = Error::not_ready("no day has both a messages and an events partition");
            report.take::<()>("days", Err(error.mend("land the other table's partitions")));
        }
    }
    check_insights(&lake, settings, &survey.insights, &mut report);
    report
}

fn check_bots(settings: &Settings, report: &mut CheckReport) {
    for bot in &settings.bots {
        let subject = format!("bot {}", bot.id);
        if bot.conversion_events.is_empty() {
            report.add(
                Level::Warning,
                &subject,
                "no conversion event is chosen: conversions are NULL; add [[bots.conversion_events]]",
            );
        }
        if bot.ad_accounts.is_empty() && settings.insights.is_some() {
            report.add(Level::Warning, &subject, "no ad account is listed: cost is NULL; add ad_accounts");
        }
        let zone = bot.zone.name();
        report.add(Level::Ok, &subject, format!("days are those of {zone}, which should be its ad accounts' zone"));
    }
}

fn check_output(settings: &Settings, report: &mut CheckReport) {
    let listed =
        Lake::open_or_create(&settings.output).and_then(|output| output.published_days("bot_days").map(|days| (output, days)));
    let Some((output, days)) = report.take("output", listed) else { return };
    match (days.keys().next(), days.keys().next_back()) {
        (Some(first), Some(last)) => {
            report.add(Level::Ok, "output", format!("{} days are published, {first}..{last}", days.len()))
        }
        _ => report.add(Level::Ok, "output", "no day is published yet"),
    }
    report.take("output", output.check_writable());
}

fn check_table(lake: &Lake, listing: &Listing, mapping: &TableMapping, report: &mut CheckReport) {
    let table = mapping.table.name;
    for folder in &listing.strange_folders {
        report.add(Level::Warning, table, format!("folder {folder} is no day, it is not read"));
    }
    let Some((day, newest)) = listing.partitions.last_key_value() else { return };
    let mut readable = true;
    for object in &newest.objects {
        let bound =
            lake.schema(object).and_then(|schema| mapping.bind(&schema).map_err(|error| error.with("object", &object.path)));
        match report.take(table, bound) {
            Some(bound) => {
                for column in bound.missing() {
                    report.add(
                        Level::Warning,
                        table,
                        format!("optional column {column} is missing in {}, it is NULL", object.path),
                    );
                }
            }
            None => readable = false,
        }
    }
    if readable {
        report.add(
            Level::Ok,
            table,
            format!("{} partitions have landed, the newest ({day}) fits the mapping", listing.partitions.len()),
        );
    }
}

fn check_insights(lake: &Lake, settings: &Settings, listing: &Listing, report: &mut CheckReport) {
    if settings.insights.is_none() {
        report.add(Level::Warning, "insights", "no source is named: every cost is NULL; add [insights]");
        return;
    }
    let Some((day, newest)) = listing.partitions.last_key_value() else {
        report.add(Level::Warning, "insights", "no partition has landed: every cost is NULL");
        return;
    };
    let listed = settings.listed_accounts();
    let mut index = InsightsIndex::default();
    let read = insights::read_partition(lake, newest).and_then(|rows| index.add(*day, rows, &listed));
    if report.take("insights", read).is_none() {
        return;
    }
    report.add(
        Level::Ok,
        "insights",
        format!("{} partitions have landed, the newest ({day}) is readable", listing.partitions.len()),
    );
    for account in listed.iter().filter(|account| !index.is_whole(account, *day)) {
        report.add(Level::Warning, "insights", format!("account {account} has no row on {day}: its cost of that day is NULL"));
    }
    for (account, rows) in &index.unlisted_accounts {
        report.add(
            Level::Warning,
            "insights",
            format!("account {account} has {rows} rows on {day} and no bot lists it: they are left out"),
        );
    }
}

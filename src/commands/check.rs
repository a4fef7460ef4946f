//! Check: what would go wrong tonight, without changing anything. On an object store an object under `work/` is written and removed
//! again, to see what the store can do.
//!
//! Looks at Meta's token and ad accounts where we fetch from there, at the lake's folders and gaps, at the schema of each table's newest
//! partition against the mapping, at the newest rows that no run has read, at the whole alias table, at the newest insights, and at the
//! output. Each finding says what was looked at and what to do.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::base::bound::Bound;
use crate::base::day::{Day, MICROS_PER_DAY};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::mapping::TableMapping;
use crate::base::missing::Missing;
use crate::base::object::Object;
use crate::commands::noticed::{self, Looked};
use crate::config::{Insights, MarketingApi, Settings};
use crate::engine::select::{self, Site};
use crate::extract::identity::{Identities, SetAsideAliases};
use crate::insights::client::{Client, Token};
use crate::insights::graph::Waiting;
use crate::insights::wire::{AccountStatus, Until};
use crate::insights::{self, InsightsIndex};
use crate::known::job::Places;
use crate::known::survey::Survey;
use crate::lake::{Environment, Lake, Listing, Partition, ReadPlan, readable};
use crate::plan::calendar::{Calendar, not_landed};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Ok,
    Warning,
    Error,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub level: Level,
    /// What was looked at.
    pub subject: String,
    pub text: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct CheckReport {
    pub pipeline: String,
    pub findings: Vec<Finding>,
    #[serde(skip)]
    kinds: Vec<ErrorKind>,
}

impl CheckReport {
    pub(crate) fn worst(&self) -> Option<ErrorKind> {
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

pub(crate) fn check(settings: &Settings, environment: &Environment, clock: &dyn Fn() -> DateTime<Utc>) -> CheckReport {
    let mut report = CheckReport { pipeline: settings.name.clone(), ..CheckReport::default() };
    check_bots(settings, &mut report);
    if let Some((api, _)) = settings.fetched_insights() {
        check_meta(settings, api, clock, &mut report);
    }
    let output = Lake::open_or_create(&settings.output, environment);
    let output = report.take("output", output);
    if let Some(output) = &output {
        check_output(output, clock, &mut report);
    }
    let lake = report.take("lake", Lake::open(&settings.lake, environment));
    let Some((lake, output)) = lake.zip(output) else { return report };
    let engine = select::engine(settings.engine, Site::new(&lake, &output));
    let places = Places { settings, lake: &lake, output: &output, engine: engine.as_ref() };
    let Some(survey) = report.take("lake", Survey::take(&places)) else { return report };
    report.add(Level::Ok, "lake", format!("{} can be listed", lake.location()));
    for (table, text) in survey.left_out() {
        report.add(Level::Warning, table, text.as_str());
    }
    let read = settings.identities.as_ref().and_then(|path| report.take("identities", Identities::read(&lake, path, settings)));
    if let Some(identities) = &read {
        check_aliases(&identities.set_aside, &mut report);
    }
    for (listing, mapping) in [(&survey.messages, &settings.messages.columns), (&survey.events, &settings.events.columns)] {
        check_table(&lake, listing, mapping, &mut report);
    }
    let calendar = survey.calendar(settings);
    report.take("conversion events", survey.accepted.protect(settings, calendar.last()));
    for hole in calendar.holes() {
        report.take::<()>(hole.0.table(), Err(not_landed(hole)));
    }
    check_away(settings, &survey, &calendar, &mut report);
    match calendar.last() {
        Some(last) => report.add(Level::Ok, "days", format!("the last day with messages and events is {last}")),
        None => {
            let error = Error::not_ready("no day has both a messages and an events partition");
            report.take::<()>("days", Err(error.mend("land the other table's partitions")));
        }
    }
    let ads = check_insights(&lake, settings, &survey, &mut report);
    let identities = read.unwrap_or_else(|| Identities::without_aliases(settings));
    if let Some(looked) = report.take("lake", noticed::look(&places, &survey, &identities, &ads)) {
        check_rows(looked, &mut report);
    }
    report
}

fn check_rows(looked: Looked, report: &mut CheckReport) {
    let is_wrong = |finding: &Finding, table: &str| finding.level == Level::Error && finding.subject == table;
    let mut refused: BTreeMap<&str, Vec<Error>> = BTreeMap::new();
    for (table, error) in looked.refused {
        refused.entry(table).or_default().push(error);
    }
    for (table, mut errors) in refused {
        // What is wrong with its schema was said, and is wrong with its rows.
        if report.findings.iter().any(|finding| is_wrong(finding, table)) {
            continue;
        }
        report.take::<()>(table, errors.pop().map_or(Ok(()), Err));
        if !errors.is_empty() {
            report.add(Level::Error, table, format!("{} more of its days would be refused likewise", errors.len()));
        }
    }
    for (table, text) in looked.warnings {
        report.add(Level::Warning, table, text);
    }
    for (table, left) in looked.left {
        report.add(
            Level::Ok,
            table,
            format!("{left} partitions that no run has read were not looked into, they are many or large"),
        );
    }
}

/// Partitions that the last run could not read, or that were read once and are not there any more.
fn check_away(settings: &Settings, survey: &Survey, calendar: &Calendar, report: &mut CheckReport) {
    for (table, day, error) in survey.refusals(settings) {
        // What a listing tells is said already.
        if survey.raw(table).partitions.get(&day).is_some_and(|partition| partition.fault.is_none()) {
            report.take::<()>(table.table(), Err(error));
        }
    }
    survey.said_of_away(calendar).into_iter().for_each(|text| report.add(Level::Warning, "partitions", text));
}

fn check_aliases(set_aside: &SetAsideAliases, report: &mut CheckReport) {
    set_aside.unmet.iter().for_each(|text| report.add(Level::Warning, "identities", text.as_str()));
    match SetAsideAliases::warning(&set_aside.counts()) {
        Some(warning) => {
            let text = warning.strip_prefix("identities: ").unwrap_or(&warning);
            report.add(Level::Warning, "identities", format!("{text}: {}", set_aside.named()));
        }
        None => report.add(Level::Ok, "identities", "every alias leads to one contact"),
    }
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

/// How far this machine's clock may be from a store's before it is worth a word, in seconds.
const MAX_CLOCK_SKEW_SECONDS: i64 = 10;

fn check_output(output: &Lake, clock: &dyn Fn() -> DateTime<Utc>, report: &mut CheckReport) {
    let Some(days) = report.take("output", output.published_days("bot_days")) else { return };
    match (days.keys().next(), days.keys().next_back()) {
        (Some(first), Some(last)) => {
            report.add(Level::Ok, "output", format!("{} days are published, {first}..{last}", days.len()))
        }
        _ => report.add(Level::Ok, "output", "no day is published yet"),
    }
    report.take("output", output.check_writable());
    let Some(Some(probe)) = report.take("output", output.probe(clock())) else { return };
    report.add(Level::Ok, "output", format!("{} can be listed, read and written", output.location()));
    if probe.creates_once {
        report.add(Level::Ok, "output", "an object is created once only: of two runs one gets the lock");
    } else {
        let error = Error::usage("the store creates an object that is there already, so nothing keeps two runs apart")
            .mend("use a store that honours If-None-Match");
        report.take::<()>("output", Err(error));
    }
    if probe.replaces_by_version {
        report.add(Level::Ok, "output", "an object is replaced by version: a put that comes late is refused");
    } else {
        report.add(
            Level::Warning,
            "output",
            "the store does not replace by version: a put that is under way while another run takes the lock over is not \
             refused; see that no run is stopped for more than 30 s and goes on",
        );
    }
    if let Some(region) = probe.region {
        report.add(Level::Ok, "output", format!("the bucket lies in region {region}"));
    }
    if let Some(time) = probe.time {
        let skew = (clock() - time).num_seconds();
        if skew.abs() > MAX_CLOCK_SKEW_SECONDS {
            report.add(
                Level::Warning,
                "clock",
                format!("this machine's clock is {skew} s from the store's: set it, else the store may refuse its requests"),
            );
        } else {
            report.add(Level::Ok, "clock", format!("this machine's clock is {skew} s from the store's"));
        }
    }
}

/// The mapping bound to a file, whose columns of doubtful types are read; none of a file without rows.
fn fitting(lake: &Lake, mapping: &TableMapping, object: &Object) -> Result<Option<Bound>> {
    let Some(schema) = lake.schema(object)? else { return Ok(None) };
    let bound = mapping.bind(&schema, &object.path).map_err(|error| error.with("object", &object.path))?;
    if !bound.doubtful().is_empty() {
        let plan = || ReadPlan { columns: bound.paths(bound.doubtful()), filter: None };
        lake.read_batches(
            object,
            |_| Ok(plan()),
            |batch| bound.doubtful().iter().try_for_each(|column| bound.check(column, &batch)),
        )?;
    }
    Ok(Some(bound))
}

fn check_table(lake: &Lake, listing: &Listing, mapping: &TableMapping, report: &mut CheckReport) {
    let table = mapping.table.name;
    for (day, partition) in &listing.partitions {
        report.take(table, partition.to_read().map(drop).map_err(|error| error.with("day", day)));
    }
    let Some((day, newest)) = listing.partitions.last_key_value() else { return };
    let mut readable = true;
    let mut without_zone = BTreeSet::new();
    for object in &newest.objects {
        match report.take(table, fitting(lake, mapping, object)) {
            Some(Some(bound)) => {
                for column in bound.missing() {
                    report.add(Level::Warning, table, column.text(&format!(" in {}", object.path)));
                }
                without_zone.extend(bound.without_zone().iter().cloned());
            }
            Some(None) => {}
            None => readable = false,
        }
    }
    for text in without_zone {
        report.add(Level::Ok, table, text);
    }
    if readable {
        report.add(
            Level::Ok,
            table,
            format!("{} partitions have landed, the newest ({day}) fits the mapping", listing.partitions.len()),
        );
    }
}

/// The permission that reading figures takes, and what every token has anyway.
const NEEDED_SCOPE: &str = "ads_read";
const HARMLESS_SCOPES: [&str; 2] = [NEEDED_SCOPE, "public_profile"];
/// From when on the end of a token is worth a warning.
const TOKEN_ENDS_SOON_DAYS: i64 = 14;

/// The token, and the accounts as Meta knows them.
fn check_meta(settings: &Settings, api: &MarketingApi, clock: &dyn Fn() -> DateTime<Utc>, report: &mut CheckReport) {
    let stopped = || Ok(());
    let client = api.client_settings().and_then(|of| Client::new(of, Waiting { stopped: &stopped, pause: None }));
    let Some(client) = report.take("token", client) else { return };
    let Some(token) = report.take("token", client.token()) else { return };
    check_token(&token, clock(), report);
    let Some(seen) = report.take("token", client.ad_accounts()) else { return };
    let names: Vec<&str> = seen.iter().map(|account| account.id.as_str()).collect();
    report.add(Level::Ok, "token", format!("it sees {} ad accounts: {}", names.len(), names.join(", ")));
    for id in settings.listed_accounts() {
        let known = seen.iter().find(|account| account.id == id).cloned();
        let Some(account) = report.take(id, known.map_or_else(|| client.account(id), Ok)) else { continue };
        let text = format!("{:?}: days in {}, amounts in {}", account.name, account.timezone_name, account.currency);
        report.add(Level::Ok, id, text);
        if account.status != AccountStatus::ACTIVE {
            report.add(Level::Warning, id, format!("Meta says that the account is {}", account.status));
        }
        for bot in settings.bots.iter().filter(|bot| bot.ad_accounts.iter().any(|listed| listed == id)) {
            if bot.zone.name() != account.timezone_name {
                let (bot, own, theirs) = (&bot.id, bot.zone.name(), &account.timezone_name);
                report.add(
                    Level::Warning,
                    id,
                    format!(
                        "ITS DAYS ARE NOT THE BOT'S: Meta counts cost by days in {theirs}, bot {bot} counts conversations by days \
                         in {own}; set the bot's timezone to {theirs}, or cost per conversation compares different days"
                    ),
                );
            }
        }
    }
}

fn check_token(token: &Token, now: DateTime<Utc>, report: &mut CheckReport) {
    for (what, until) in [("the token", token.expires_at), ("the token's access to figures", token.data_access_expires_at)] {
        let Until::At(micros) = until else {
            let text = if until == Until::Never { "never ends" } else { "ends, if at all, at a time that Meta does not tell" };
            report.add(Level::Ok, "token", format!("{what} is valid and {text}"));
            continue;
        };
        let days = (micros - now.timestamp_micros()) / MICROS_PER_DAY;
        let level = if days < TOKEN_ENDS_SOON_DAYS { Level::Warning } else { Level::Ok };
        report.add(level, "token", format!("{what} is valid until {}, {days} more days", Day::of_instant(micros)));
    }
    let has = |scope: &str| token.scopes.iter().any(|granted| granted == scope);
    if has(NEEDED_SCOPE) {
        report.add(Level::Ok, "token", format!("it has the permission {NEEDED_SCOPE}"));
    } else {
        let error = Error::new(ErrorKind::Denied, format!("the token lacks the permission {NEEDED_SCOPE}"));
        report.take::<()>("token", Err(error.mend("make a token with it; nothing more is needed")));
    }
    let more: Vec<&str> = token.scopes.iter().map(String::as_str).filter(|granted| !HARMLESS_SCOPES.contains(granted)).collect();
    if !more.is_empty() {
        let text =
            format!("it has permissions that are not needed: {}; a token with {NEEDED_SCOPE} alone will do", more.join(", "));
        report.add(Level::Warning, "token", text);
    }
}

/// How many days of insights are read: a loader's look-back.
const LOOKED_AT: usize = 40;

/// The optional columns that a readable partition of others lacks.
fn missing_columns(lake: &Lake, of: &Insights, partition: &Partition) -> Vec<Missing> {
    let Some(object) = partition.objects.first().filter(|_| of.api.is_none()) else { return Vec::new() };
    let Ok(Some(schema)) = lake.schema(object) else { return Vec::new() };
    of.columns.bind(&schema, &object.path).map(|bound| bound.missing().to_vec()).unwrap_or_default()
}

/// Looks at the newest insights. Returns the ads of which they have figures.
fn check_insights(lake: &Lake, settings: &Settings, survey: &Survey, report: &mut CheckReport) -> BTreeSet<String> {
    let listing = &survey.insights;
    let Some(of) = &settings.insights else {
        report.add(Level::Warning, "insights", "no source is named: every cost is NULL; add [insights]");
        return BTreeSet::new();
    };
    if let Some(why) = &survey.insights_away {
        report.take::<()>("insights", Err(Error::data(why.clone())));
        return BTreeSet::new();
    }
    let Some((day, newest)) = listing.partitions.last_key_value() else {
        match &survey.ledgers {
            Some(_) => report.add(Level::Ok, "insights", "no figure has been fetched from Meta yet"),
            None => report.add(Level::Warning, "insights", "no partition has landed: every cost is NULL"),
        }
        return BTreeSet::new();
    };
    let listed = settings.listed_accounts();
    let mut index = InsightsIndex::default();
    let mut refused = Vec::new();
    let looked_at = listing.partitions.values().rev().take(LOOKED_AT).collect::<Vec<_>>();
    for partition in looked_at.into_iter().rev() {
        let read = readable(|| insights::read_partition(lake, &of.columns, partition));
        refused.extend(read.and_then(|landed| index.add(partition.day, landed.rows, &listed)).err());
    }
    if !refused.is_empty() {
        let others = refused.len() - 1;
        // What is wrong with the newest is most likely to be wrong tonight.
        report.take::<()>("insights", refused.pop().map_or(Ok(()), Err));
        if others > 0 {
            report.add(Level::Error, "insights", format!("{others} more of the newest {LOOKED_AT} days are refused likewise"));
        }
        return BTreeSet::new();
    }
    report.add(
        Level::Ok,
        "insights",
        format!("{} partitions have landed, the newest ({day}) is readable", listing.partitions.len()),
    );
    for column in missing_columns(lake, of, newest) {
        report.add(Level::Warning, "insights", column.text(&format!(" on {day}")));
    }
    // Where we fetch them, the ledger tells what is whole, and the newest day is not over.
    let says_nothing = |account: &str| survey.ledgers.is_none() && !of.absent_means_zero && !index.is_whole(account, *day);
    for account in listed.iter().filter(|account| says_nothing(account)) {
        report.add(Level::Warning, "insights", format!("account {account} has no row on {day}: its cost of that day is NULL"));
    }
    for (account, rows) in &index.unlisted_accounts {
        report.add(
            Level::Warning,
            "insights",
            format!("account {account} has {rows} rows in the newest days and no bot lists it: they are left out"),
        );
    }
    index.ads.into_keys().collect()
}

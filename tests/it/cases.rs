//! The worked cases of docs/rules.md: data files in `tests/cases`, held against the oracle and against the binary.
//!
//! The form of a case is described in `tests/cases/README.md`. Expected figures are by hand, so a case also judges the
//! oracle. Every failure names its case and variant; all cases run before the test fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use chrono::{DateTime, NaiveDate, TimeDelta};
use serde::Deserialize;

use ctwa::config::EngineKind;

use crate::engines::engines;
use crate::lake::{self, Form, TimeForm};
use crate::oracle::{self, State};
use crate::rows::{self, Published, Row};
use crate::world::{Bot, Event, Identity, Insight, Message, World};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "about")]
    _about: String,
    origin: String,
    window_days: Option<i64>,
    #[serde(default)]
    forms: Vec<String>,
    #[serde(default)]
    bots: Vec<CaseBot>,
    variant: Vec<Variant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseBot {
    id: String,
    timezone: String,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    test_contacts: Vec<String>,
    #[serde(default)]
    ad_accounts: Vec<String>,
    #[serde(default)]
    settings: Vec<CaseSetting>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseSetting {
    category: String,
    effective_at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    #[serde(default)]
    name: String,
    landed: Option<(i64, i64)>,
    #[serde(default)]
    missing_messages: Vec<i64>,
    #[serde(default)]
    missing_events: Vec<i64>,
    #[serde(default)]
    allow_missing: Vec<i64>,
    #[serde(default)]
    unreadable_messages: Vec<i64>,
    #[serde(default)]
    unreadable_events: Vec<i64>,
    #[serde(default)]
    exit: i32,
    #[serde(default)]
    nights: Vec<i64>,
    #[serde(default)]
    equal_bytes: bool,
    #[serde(default)]
    touches: Vec<CaseTouch>,
    #[serde(default)]
    events: Vec<CaseEvent>,
    #[serde(default)]
    identities: Vec<CaseIdentity>,
    #[serde(default)]
    insights: Vec<CaseInsight>,
    #[serde(default)]
    empty_insights: Vec<i64>,
    #[serde(default)]
    refused_insights: Vec<i64>,
    #[serde(default)]
    absent_means_zero: bool,
    #[serde(default)]
    null_words: Vec<String>,
    #[serde(default)]
    says: Vec<String>,
    #[serde(default)]
    report_says: Vec<String>,
    ad_days: Vec<Expected>,
    ad_conversions: Option<Vec<Expected>>,
    #[serde(default)]
    bot_days: Vec<Expected>,
    built: Option<Vec<toml::Value>>,
    states: Option<Vec<String>>,
    report: Option<CaseReport>,
    aliases_set_aside: Option<u64>,
    test_contact_rows: Option<u64>,
    reasons: Option<BTreeMap<String, u64>>,
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseTouch {
    at: String,
    ad: Option<String>,
    bot: Option<String>,
    contact: Option<String>,
    id: Option<String>,
    direction: Option<String>,
    #[serde(rename = "type")]
    ad_type: Option<String>,
    title: Option<String>,
    clid: Option<String>,
    metadata: Option<String>,
    partition: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseEvent {
    at: String,
    bot: Option<String>,
    contact: Option<String>,
    category: Option<String>,
    id: Option<String>,
    partition: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseIdentity {
    bot: Option<String>,
    alias: String,
    contact: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseInsight {
    day: i64,
    account: String,
    ad: String,
    spend: String,
    loaded: Option<String>,
    impressions: Option<i64>,
    reach: Option<i64>,
    clicks: Option<i64>,
}

/// A row by its key (day, bot, ad) and the columns that the case is about.
#[derive(Deserialize)]
struct Expected {
    day: Option<toml::Value>,
    bot: Option<String>,
    ad: Option<String>,
    #[serde(flatten)]
    columns: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseReport {
    from: i64,
    to: i64,
    rows: Vec<Expected>,
}

// ----------------------------------------------------------------------------------------------------- from case to world

impl Case {
    fn origin(&self) -> i64 {
        DateTime::parse_from_rfc3339(&self.origin).expect("origin is RFC 3339").timestamp_micros()
    }

    /// RFC 3339, or an offset from the origin: "90d 1us".
    fn instant(&self, text: &str) -> i64 {
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return instant.timestamp_micros();
        }
        text.split_whitespace().fold(self.origin(), |at, part| {
            let digits = part.trim_end_matches(char::is_alphabetic);
            let number: i64 = digits.parse().unwrap_or_else(|_| panic!("{text:?} is no offset"));
            let unit = match &part[digits.len()..] {
                "d" => 86_400_000_000,
                "h" => 3_600_000_000,
                "s" => 1_000_000,
                "us" => 1,
                unit => panic!("{unit:?} in {text:?} is no unit"),
            };
            at + number * unit
        })
    }

    fn day(&self, offset: i64) -> NaiveDate {
        oracle::utc_date(self.origin()) + TimeDelta::days(offset)
    }

    fn day_of(&self, value: &toml::Value) -> NaiveDate {
        match value {
            toml::Value::Integer(offset) => self.day(*offset),
            value => value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value:?} is no day")),
        }
    }

    fn bots(&self) -> Vec<Bot> {
        if self.bots.is_empty() {
            return vec![Bot {
                id: "shop".into(),
                timezone: "UTC".into(),
                settings: vec![("purchase".into(), self.instant("-30d"))],
                ..Bot::default()
            }];
        }
        let bot = |bot: &CaseBot| Bot {
            id: bot.id.clone(),
            members: bot.members.clone(),
            test_contacts: bot.test_contacts.clone(),
            timezone: bot.timezone.clone(),
            ad_accounts: bot.ad_accounts.clone(),
            settings: bot
                .settings
                .iter()
                .map(|setting| (setting.category.clone(), self.instant(&setting.effective_at)))
                .collect(),
        };
        self.bots.iter().map(bot).collect()
    }

    fn world(&self, variant: &Variant) -> World {
        let bots = self.bots();
        let some = |value: &Option<String>, default: &str| Some(value.clone().unwrap_or_else(|| default.to_owned()));
        let partition = |at: i64, given: Option<i64>| given.map_or(oracle::utc_date(at), |offset| self.day(offset));

        let mut messages = Vec::new();
        for (index, touch) in variant.touches.iter().enumerate() {
            let at = self.instant(&touch.at);
            messages.push(Message {
                partition: partition(at, touch.partition),
                bot_id: some(&touch.bot, &bots[0].id),
                message_id: some(&touch.id, &format!("m{}", index + 1)),
                contact_id: some(&touch.contact, "ana"),
                sent_at: Some(at),
                direction: some(&touch.direction, "received"),
                ad_id: touch.ad.clone(),
                ad_type: touch.ad_type.clone().or(touch.ad.as_ref().map(|_| "ad".into())),
                ad_title: touch.title.clone(),
                ctwa_clid: touch.clid.clone(),
                metadata: touch.metadata.clone(),
            });
        }
        let mut events = Vec::new();
        for event in &variant.events {
            let at = self.instant(&event.at);
            events.push(Event {
                partition: partition(at, event.partition),
                bot_id: some(&event.bot, &bots[0].id),
                contact_id: some(&event.contact, "ana"),
                category: some(&event.category, "purchase"),
                occurred_at: Some(at),
                event_id: event.id.clone(),
            });
        }
        let arrivals = || messages.iter().map(|row| row.partition).chain(events.iter().map(|row| row.partition));
        let (first, last) = match variant.landed {
            Some((first, last)) => (self.day(first), self.day(last)),
            None => (arrivals().min().expect("a case has rows"), arrivals().max().expect("a case has rows")),
        };
        let days: Vec<NaiveDate> = first.iter_days().take_while(|day| *day <= last).collect();
        let without = |missing: &[i64]| -> Vec<NaiveDate> {
            days.iter().copied().filter(|day| !missing.iter().any(|offset| self.day(*offset) == *day)).collect()
        };
        World {
            bots,
            window_days: self.window_days.unwrap_or(90),
            forms: self.forms.clone(),
            message_days: without(&variant.missing_messages),
            event_days: without(&variant.missing_events),
            allow_missing: variant.allow_missing.iter().map(|offset| self.day(*offset)).collect(),
            partition_zones: Default::default(),
            null_words: [variant.null_words.clone(), variant.null_words.clone()],
            unreadable: [&variant.unreadable_messages, &variant.unreadable_events]
                .map(|days| days.iter().map(|offset| self.day(*offset)).collect()),
            identities: variant
                .identities
                .iter()
                .map(|row| Identity { bot_id: row.bot.clone(), alias: row.alias.clone(), contact_id: row.contact.clone() })
                .collect(),
            insights: variant
                .insights
                .iter()
                .map(|row| Insight {
                    date: self.day(row.day),
                    account_id: row.account.clone(),
                    ad_id: row.ad.clone(),
                    currency: "BRL".into(),
                    spend_millionths: row.spend.replace('.', "").parse().expect("money has six decimals"),
                    impressions: row.impressions,
                    reach: row.reach,
                    clicks: row.clicks,
                    loaded_at: row.loaded.as_ref().map(|loaded| self.instant(loaded)),
                    ..Insight::default()
                })
                .collect(),
            empty_insight_days: variant.empty_insights.iter().map(|offset| self.day(*offset)).collect(),
            refused_insights: variant.refused_insights.iter().map(|offset| self.day(*offset)).collect(),
            absent_means_zero: variant.absent_means_zero,
            messages,
            events,
            fetched: None,
        }
    }
}

/// What had landed when a day was the last one.
fn landed_until(world: &World, day: NaiveDate) -> World {
    let mut past = world.clone();
    past.message_days.retain(|landed| *landed <= day);
    past.event_days.retain(|landed| *landed <= day);
    past.messages.retain(|row| row.partition <= day);
    past.events.retain(|row| row.partition <= day);
    past.insights.retain(|row| row.date <= day);
    past.empty_insight_days.retain(|landed| *landed <= day);
    past.refused_insights.retain(|landed| *landed <= day);
    past.unreadable = Default::default();
    past
}

/// The tables as the oracle has them: days that are kept back stay as they were published on the last night before.
fn oracle_tables(case: &Case, variant: &Variant) -> Result<oracle::Tables, String> {
    let world = case.world(variant);
    let of = |world: &World| oracle::tables(world).map_err(|refusal| refusal.to_string());
    let mut tables = of(&world)?;
    let Some(night) = variant.nights.last() else { return Ok(tables) };
    let before = of(&landed_until(&world, case.day(*night)))?.published;
    let is_kept_back = |day: &NaiveDate| oracle::is_blocked(&world, *day);
    tables.published.ad_days.extend(before.ad_days.into_iter().filter(|(day, _)| is_kept_back(day)));
    tables.published.ad_conversions.extend(before.ad_conversions.into_iter().filter(|(day, _)| is_kept_back(day)));
    tables.published.bot_days.extend(before.bot_days.into_iter().filter(|(day, _)| is_kept_back(day)));
    Ok(tables)
}

// ------------------------------------------------------------------------------------------------------------- judging

/// A value as the case writes it.
fn written(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) if text == "null" => "NULL".into(),
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        value => panic!("a case does not expect values like {value:?}"),
    }
}

struct Judge<'a> {
    case: &'a Case,
    variant: &'a Variant,
    failures: Vec<String>,
}

impl Judge<'_> {
    fn bot_of(&self, expected: &Expected) -> String {
        expected.bot.clone().unwrap_or_else(|| self.case.bots()[0].id.clone())
    }

    fn published(&mut self, published: &Published) {
        self.all_rows("ad_days", &self.variant.ad_days, published.ad_days.values().flatten());
        if let Some(expected) = &self.variant.ad_conversions {
            self.all_rows("ad_conversions", expected, published.ad_conversions.values().flatten());
        }
        if let Some(days) = &self.variant.built {
            let expected: Vec<NaiveDate> = days.iter().map(|day| self.case.day_of(day)).collect();
            let found: Vec<NaiveDate> = published.bot_days.keys().copied().collect();
            if found != expected {
                self.failures.push(format!("days built: expected {expected:?}, found {found:?}"));
            }
        }
        for expected in &self.variant.bot_days {
            let (key, date) = self.key(expected);
            let row = published.bot_days.get(&date).and_then(|rows| rows.iter().find(|row| Some(&row.bot_id) == key[1].as_ref()));
            match row {
                Some(row) => self.columns("bot_days", &key, expected, &row.columns()),
                None => self.failures.push(format!("bot_days {key:?}: row is absent")),
            }
        }
    }

    /// (day, bot, ad), and the day.
    fn key(&self, expected: &Expected) -> (Vec<Option<String>>, NaiveDate) {
        let date = self.case.day_of(expected.day.as_ref().expect("an expected row names its day"));
        (vec![Some(date.to_string()), Some(self.bot_of(expected)).filter(|bot_id| bot_id != "null"), expected.ad.clone()], date)
    }

    /// Every row of the table is expected, and every expected row is there.
    fn all_rows<'r, R: Row + 'r>(&mut self, table: &str, expected: &[Expected], rows: impl Iterator<Item = &'r R>) {
        let mut found: Vec<&R> = rows.collect();
        for expected in expected {
            let (key, _) = self.key(expected);
            match found.iter().position(|row| row.key()[..3] == key[..]) {
                Some(index) => self.columns(table, &key, expected, &found.remove(index).columns()),
                None => self.failures.push(format!("{table} {key:?}: row is absent")),
            }
        }
        for row in found {
            self.failures.push(format!("{table}: row should not be there: {:?}", row.columns()));
        }
    }

    fn columns(&mut self, table: &str, key: &[Option<String>], expected: &Expected, found: &[(&'static str, String)]) {
        for (column, value) in &expected.columns {
            let expected = written(value);
            match found.iter().find(|(name, _)| name == column) {
                // Text is shown quoted; NULL is not.
                Some((_, found)) if *found == expected || *found == format!("{expected:?}") => {}
                found => self.failures.push(format!(
                    "{table} {key:?} {column}: expected {expected}, found {}",
                    found.map_or("no such column", |(_, found)| found)
                )),
            }
        }
    }

    fn states(&mut self, sessions: &[oracle::Session]) {
        let Some(expected) = &self.variant.states else {
            return;
        };
        let found: Vec<&str> = sessions
            .iter()
            .map(|session| match session.state {
                State::Converted { .. } => "converted",
                State::Superseded { .. } => "superseded",
                State::Expired { .. } => "expired",
                State::Open => "open",
            })
            .collect();
        if found != *expected {
            self.failures.push(format!("states: expected {expected:?}, found {found:?}"));
        }
    }

    /// What the run reported.
    fn said(&mut self, json: &str) {
        let report: serde_json::Value = serde_json::from_str(json).expect("a run reports JSON");
        let reasons = report["rejected_rows"]["identities"].as_object();
        let set_aside: u64 = reasons.into_iter().flat_map(|reasons| reasons.values()).filter_map(serde_json::Value::as_u64).sum();
        let numbers = [
            ("aliases set aside", self.variant.aliases_set_aside, Some(set_aside)),
            ("rows of test contacts", self.variant.test_contact_rows, report["test_contact_rows"].as_u64()),
        ];
        for (what, expected, found) in numbers {
            if expected.is_some() && expected != found {
                self.failures.push(format!("{what}: expected {expected:?}, found {found:?}"));
            }
        }
        if let Some(expected) = &self.variant.reasons {
            let mut found: BTreeMap<String, u64> = BTreeMap::new();
            for table in ["messages", "events"] {
                for (reason, rows) in report["rejected_rows"][table].as_object().into_iter().flatten() {
                    *found.entry(reason.clone()).or_default() += rows.as_u64().expect("a number");
                }
            }
            if found != *expected {
                self.failures.push(format!("reasons: expected {expected:?}, found {found:?}"));
            }
        }
        let Some(expected) = &self.variant.warnings else { return };
        let all: Vec<String> = serde_json::from_value(report["warnings"].clone()).expect("warnings are texts");
        // Ads are called A and B here, as none of Meta's is.
        let warnings: Vec<String> = all.into_iter().filter(|warning| !warning.contains("an ad id that is not digits")).collect();
        let are_told = expected.iter().all(|text| warnings.iter().any(|warning| warning.contains(text)));
        if !are_told || warnings.len() != expected.len() {
            self.failures.push(format!("warnings: expected {expected:?}, found {warnings:?}"));
        }
    }

    /// Rows of a report, each as named values.
    fn report(&mut self, rows: &[BTreeMap<String, String>]) {
        let Some(report) = &self.variant.report else {
            return;
        };
        if rows.len() != report.rows.len() {
            self.failures.push(format!("report: expected {} rows, found {rows:?}", report.rows.len()));
        }
        for expected in &report.rows {
            let bot = self.bot_of(expected);
            let ad = expected.ad.clone().unwrap_or_default();
            let Some(row) = rows.iter().find(|row| row.get("bot_id") == Some(&bot) && row.get("ad_id") == Some(&ad)) else {
                self.failures.push(format!("report [{bot} / {ad}]: row is absent in {rows:?}"));
                continue;
            };
            for (column, value) in &expected.columns {
                let (expected, found) = (written(value), row.get(column).cloned().unwrap_or("no such column".into()));
                if plain(&expected) != plain(&found) {
                    self.failures.push(format!("report [{bot} / {ad}] {column}: expected {expected}, found {found}"));
                }
            }
        }
    }
}

/// Decimals without the zeros at their end, so that 0.5 and 0.500000 are one.
fn plain(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(_) if text.contains('.') => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => text.to_owned(),
    }
}

fn oracle_report(rows: &[oracle::ReportRow]) -> Vec<BTreeMap<String, String>> {
    let number = |value: Option<i64>| value.map_or("NULL".to_owned(), |number| number.to_string());
    let text = |value: &Option<String>| value.clone().unwrap_or("NULL".to_owned());
    rows.iter()
        .map(|row| {
            BTreeMap::from([
                ("bot_id".to_owned(), text(&row.bot_id)),
                ("ad_id".to_owned(), row.ad_id.clone()),
                ("ad_title".to_owned(), text(&row.ad_title)),
                ("ad_type".to_owned(), text(&row.ad_type)),
                ("currency".to_owned(), text(&row.currency)),
                ("spend".to_owned(), rows::money(row.spend)),
                ("reach".to_owned(), number(row.reach)),
                ("conversations".to_owned(), row.conversations.to_string()),
                ("cost_per_conversation".to_owned(), rows::money(row.cost_per_conversation)),
                ("conversions".to_owned(), number(row.conversions)),
                ("cost_per_conversion".to_owned(), rows::money(row.cost_per_conversion)),
                ("conversion_rate".to_owned(), rows::money(row.conversion_rate)),
                ("reach_min".to_owned(), number(row.reach_min)),
                ("reach_max".to_owned(), number(row.reach_max)),
                ("spend_unknown_days".to_owned(), row.spend_unknown_days.to_string()),
                ("unconfigured_days".to_owned(), row.unconfigured_days.to_string()),
            ])
        })
        .collect()
}

/// The output of `ctwa report --format json`.
pub fn report_rows(json: &str) -> Result<Vec<BTreeMap<String, String>>, String> {
    let rows: Vec<BTreeMap<String, serde_json::Value>> =
        serde_json::from_str(json).map_err(|error| format!("the report is not an array of objects: {error}\n{json}"))?;
    let value = |value: serde_json::Value| match value {
        serde_json::Value::Null => "NULL".to_owned(),
        serde_json::Value::String(text) => text,
        value => value.to_string(),
    };
    Ok(rows.into_iter().map(|row| row.into_iter().map(|(name, cell)| (name, value(cell))).collect()).collect())
}

// --------------------------------------------------------------------------------------------------------------- tests

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases = Vec::new();
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder can be listed").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            cases.push((name.clone(), toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))));
        }
    }
    cases.sort_by(|one, other| one.0.cmp(&other.0));
    cases
}

/// Runs `judge` on every variant of every case and fails with all that failed.
fn judge_all(judge: impl Fn(&Case, &Variant, &mut Judge<'_>) -> Result<(), String>) {
    let mut failures = Vec::new();
    for (name, case) in &cases() {
        for variant in &case.variant {
            let mut verdict = Judge { case, variant, failures: Vec::new() };
            if let Err(error) = judge(case, variant, &mut verdict) {
                verdict.failures.push(error);
            }
            let title = format!("{name} {}", variant.name);
            failures.extend(verdict.failures.into_iter().map(|failure| format!("{}: {failure}", title.trim())));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_worked_case_of_the_rules_has_a_file() {
    let numbers: BTreeSet<usize> = cases().iter().filter_map(|(name, _)| name.get(..2)?.parse().ok()).collect();
    assert_eq!(numbers, (1..=34).chain(39..=42).collect());
}

/// The stories of docs/rules.md: the number of the case, and the figures told, as ad, conversations and conversions.
fn stories() -> Vec<(usize, Vec<[String; 3]>)> {
    let text = include_str!("../../docs/rules.md");
    let story = |told: &str| {
        let (number, story) = told.split_once(".**").expect("a story begins with its number");
        let story = story.split("\n\n").next().and_then(|story| story.split("\n- ").next()).expect("a story");
        let figures = story.split('`').skip(1).step_by(2).filter_map(|quoted| {
            let (ad, counts) = quoted.split_once(' ')?;
            let (conversations, conversions) = counts.split_once('/')?;
            conversations.parse::<u64>().ok()?;
            Some([ad, conversations, conversions].map(str::to_owned))
        });
        (number.parse().expect("a number"), figures.collect())
    };
    text.split("- **Case ").skip(1).map(story).collect()
}

/// Conversations and conversions of an ad over all days and bots of a variant.
fn counts(variant: &Variant, ad: &str) -> [String; 2] {
    ["conversations", "conversions"].map(|column| {
        let of_ad = variant.ad_days.iter().filter(|row| row.ad.as_deref() == Some(ad));
        let values: Vec<String> = of_ad.filter_map(|row| row.columns.get(column)).map(written).collect();
        let known: Vec<u64> = values.iter().filter_map(|value| value.parse().ok()).collect();
        if known.is_empty() && !values.is_empty() { "NULL".to_owned() } else { known.iter().sum::<u64>().to_string() }
    })
}

#[test]
fn every_worked_case_is_told_once_with_its_figures() {
    let (cases, stories) = (cases(), stories());
    let mut numbers: Vec<usize> = stories.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    let files: Vec<usize> = cases.iter().filter_map(|(name, _)| name.get(..2)?.parse().ok()).collect();
    assert_eq!(numbers, files, "docs/rules.md tells the cases that have a file");
    let mut figures = 0;
    for (number, told) in &stories {
        let (name, case) = cases.iter().find(|(name, _)| name.starts_with(&format!("{number:02}-"))).expect("its file");
        for [ad, conversations, conversions] in told {
            let told = [conversations.clone(), conversions.clone()];
            let found: Vec<[String; 2]> = case.variant.iter().map(|variant| counts(variant, ad)).collect();
            assert!(found.contains(&told), "docs/rules.md tells {told:?} of ad {ad} in {name}, whose variants have {found:?}");
            figures += 1;
        }
    }
    assert!(figures > 30, "figures are read");
}

#[test]
fn oracle_gives_the_worked_cases() {
    judge_all(|case, variant, verdict| {
        let tables = oracle_tables(case, variant)?;
        verdict.published(&tables.published);
        verdict.states(&tables.sessions);
        if let Some(range) = &variant.report {
            let rows = oracle::report(&tables.published, case.day(range.from), case.day(range.to), false);
            verdict.report(&oracle_report(&rows));
        }
        Ok(())
    });
}

#[test]
fn pipeline_gives_the_worked_cases() {
    engines().for_each(pipeline_gives_the_worked_cases_by);
}

fn pipeline_gives_the_worked_cases_by(engine: EngineKind) {
    let form = Form { engine, ..Form::default() };
    judge_all(|case, variant, verdict| {
        let world = case.world(variant);
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        for night in &variant.nights {
            let lake = lake::write(&landed_until(&world, case.day(*night)), &form, folder.path());
            lake::ctwa_expecting(&lake, &[0], "run", &[])?;
        }
        let lake = lake::write(&world, &form, folder.path());
        let ran = lake::ctwa(&lake, &["run", "pipeline.toml", "--json"]);
        if ran.code != variant.exit {
            return Err(format!("exit {} where {} is due\n{}", ran.code, variant.exit, ran.stderr));
        }
        verdict.said(&ran.stdout);
        verdict.failures.extend(
            variant
                .says
                .iter()
                .filter(|text| !ran.stderr.contains(*text))
                .map(|text| format!("stderr lacks {text:?}\n{}", ran.stderr)),
        );
        let published = lake::read(&lake.output)?;
        verdict.published(&published);

        // The case names what matters; the oracle says the rest.
        let tables = oracle_tables(case, variant)?;
        let differences = rows::differences(&tables.published, &published);
        if !differences.is_empty() {
            verdict.failures.push(format!("differs from the oracle\n{differences}"));
        }
        if let Some(range) = &variant.report {
            let (from, to) = (case.day(range.from).to_string(), case.day(range.to).to_string());
            let ran = lake::ctwa(&lake, &["report", "pipeline.toml", "--from", &from, "--to", &to, "--format", "json"]);
            verdict.report(&report_rows(&ran.stdout)?);
            let unsaid = variant.report_says.iter().filter(|text| !ran.stderr.contains(*text));
            verdict.failures.extend(unsaid.map(|text| format!("the report lacks {text:?}\n{}", ran.stderr)));
        }
        if variant.equal_bytes {
            equal_bytes(&world, &lake, &form, verdict)?;
        }
        Ok(())
    });
}

/// Builds the world again, then from other forms of the same rows, and by other engines.
fn equal_bytes(world: &World, built: &lake::Lake, form: &Form, verdict: &mut Judge<'_>) -> Result<(), String> {
    let before = lake::objects(&built.output)?;
    lake::ctwa_expecting(built, &[0], "run", &[])?;
    let mut forms = vec![
        Form { shuffle: Some(7), files_per_day: 3, rows_per_group: 1, ..form.clone() },
        Form { shuffle: Some(8), files_per_day: 2, time: TimeForm::Text, ..form.clone() },
    ];
    forms.extend(engines().filter(|other| *other != form.engine).map(|engine| Form { engine, ..form.clone() }));
    let mut outputs = vec![("built twice".to_owned(), lake::objects(&built.output)?)];
    for form in forms {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let other = lake::write(world, &form, folder.path());
        lake::ctwa_expecting(&other, &[0], "run", &[])?;
        outputs.push((format!("{form:?}"), lake::objects(&other.output)?));
    }
    for (what, objects) in outputs {
        let unequal = lake::unequal_objects(&before, &objects);
        if !unequal.is_empty() {
            verdict.failures.push(format!("{what}: other bytes in {unequal:?}"));
        }
    }
    Ok(())
}

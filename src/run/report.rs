//! What a run did, as one JSON object under stable names: the result of `--json`, and a file under `runs/` for every run that
//! wrote anything.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::base::day::{Day, DayRange, written_ranges};
use crate::base::failures::{Failure, Failures};
use crate::base::schema::Raw;
use crate::config::Settings;
use crate::extract::identity::SetAsideAliases;
use crate::extract::keys::KeyWarnings;
use crate::insights::MissingColumns;
use crate::known::job::Places;
use crate::known::noticed;
use crate::known::survey::Survey;
use crate::lake::Requests;
use crate::plan::Steps;
use crate::plan::calendar::Calendar;
use crate::plan::reason::DayStep;
use crate::plan::stages::PartitionStep;
use crate::run::publish::PublishedObject;
use crate::run::pull::Pulled;
use crate::tables::audit::DayRows;

#[derive(Clone, Debug, Default, Serialize)]
pub struct RunReport {
    pub pipeline: String,
    /// RFC 3339; none for a run that found nothing to do.
    pub started: Option<String>,
    pub seconds: f64,
    /// The first and last local day that the landed partitions allow.
    pub first_day: Option<Day>,
    pub last_day: Option<Day>,
    /// Partitions read, each with its reason.
    pub partitions: Vec<PartitionStep>,
    /// Days built, each with its reason.
    pub days: Vec<DayStep>,
    pub days_incomplete: u64,
    pub days_removed: Vec<Day>,
    /// Days kept back, with what blocks them.
    pub days_blocked: BTreeMap<Day, Vec<String>>,
    /// Days asked for or stale, but kept as published: what they were made from was retired, or cannot be read any more and
    /// does not count now.
    pub days_without_history: Vec<Day>,
    /// Days that a run that was stopped knew to be stale and did not come to; the partitions it did not read may affect more.
    pub days_left: Vec<Day>,
    pub partitions_left: Vec<PartitionStep>,
    /// From the lake.
    pub bytes_read: u64,
    /// Made over the network, of the lake and of the output, tries that failed included.
    pub requests: Requests,
    pub bytes_written: u64,
    pub objects_written: u64,
    pub objects_unchanged: u64,
    /// Over the days built.
    pub touches: i64,
    pub duplicate_touches: i64,
    pub unattributed_touches: i64,
    pub conversion_events: i64,
    /// The conversions of ads.
    pub conversions: i64,
    /// Rows of test contacts, which count nowhere; over the days whose rows were counted.
    pub test_contact_rows: i64,
    /// What was fetched from Meta, by account.
    pub insights: BTreeMap<String, Pulled>,
    /// Rows set aside in the landed partitions, by table and reason.
    pub rejected_rows: BTreeMap<String, BTreeMap<String, u64>>,
    /// Rows that could count, of bots that the pipeline does not name, by bot id.
    pub out_of_scope_rows: BTreeMap<String, u64>,
    /// Rows of accounts that no bot lists, by account id.
    pub unlisted_account_rows: BTreeMap<String, u64>,
    pub warnings: BTreeSet<String>,
    pub failures: Vec<Failure>,
}

impl RunReport {
    /// Counts an object; returns its version.
    pub fn count_object(&mut self, object: PublishedObject) -> String {
        match object.bytes_written {
            Some(bytes) => {
                self.objects_written += 1;
                self.bytes_written += bytes;
            }
            None => self.objects_unchanged += 1,
        }
        object.version
    }

    pub fn new(settings: &Settings, range: Option<DayRange>) -> RunReport {
        let mut report = RunReport { pipeline: settings.name.clone(), ..RunReport::default() };
        report.set_range(range);
        report
    }

    pub fn set_range(&mut self, range: Option<DayRange>) {
        self.first_day = range.map(|range| range.first);
        self.last_day = range.map(|range| range.last);
    }

    pub fn note_blocked(&mut self, steps: &Steps) {
        let texts = |(day, blockers): &(Day, Vec<_>)| (*day, blockers.iter().map(ToString::to_string).collect());
        self.days_blocked = steps.blocked.iter().map(texts).collect();
        self.days_without_history = steps.kept_as_published();
        if !steps.without_rows.is_empty() {
            self.warnings.insert(format!(
                "days {} stay as published: rows that they were made from cannot be read any more and do not count now",
                written_ranges(steps.without_rows.iter().copied())
            ));
        }
        if let Some((first, last)) = steps.without_sources.first().zip(steps.without_sources.last()) {
            let warning = "stay as published: partitions that they were made from were retired";
            self.warnings.insert(format!("days {first}..{last} {warning}"));
        }
    }

    /// Partitions that were read once and cannot be read any more.
    pub(crate) fn note_away(&mut self, survey: &Survey, calendar: &Calendar) {
        self.warnings.extend(survey.said_of_away(calendar));
    }

    /// Days that are published without Meta's figures.
    pub(crate) fn note_refused_insights(&mut self, calendar: &Calendar) {
        let days: Vec<Day> = calendar.refused_insights().collect();
        if !days.is_empty() {
            self.warnings.insert(format!(
                "insights of {} are refused: what comes from Meta is unknown there, conversations and conversions are counted",
                written_ranges(days)
            ));
        }
    }

    /// What the receipts of the landed partitions say.
    pub(crate) fn note_inputs(&mut self, survey: &Survey) {
        for table in Raw::BOTH {
            for (_, receipt) in survey.receipts.raw(table).iter() {
                for (reason, count) in receipt.content.rejected.values().flatten() {
                    let reasons = self.rejected_rows.entry(table.table().to_string()).or_default();
                    *reasons.entry(reason.clone()).or_default() += count;
                }
                for (bot, count) in &receipt.content.out_of_scope {
                    *self.out_of_scope_rows.entry(bot.clone()).or_default() += count;
                }
                self.warnings.extend(receipt.content.warnings.iter().cloned());
            }
        }
        for (account, count) in survey.receipts.insights.iter().flat_map(|(_, receipt)| &receipt.content.unlisted_accounts) {
            *self.unlisted_account_rows.entry(account.clone()).or_default() += count;
        }
        self.note_columns_of_insights(survey);
        for table in Raw::BOTH {
            let contents = survey.receipts.raw(table).iter().map(|(_, receipt)| &receipt.content);
            self.warnings.extend(noticed::all_of_strangers(contents).map(|text| format!("{}: {text}", table.table())));
        }
        self.warnings.extend(survey.left_out().map(|(table, text)| format!("{table}: {text}")));
        self.note_aliases(survey);
        self.note_keys(survey);
        for (table, count) in survey.retired_aside() {
            self.warnings.insert(format!(
                "{count} partitions of {} that have left the lake were read under other settings (members, zones, columns, past \
                 conversion events): their rows do not count, days that need them stay as published or are incomplete; they count \
                 again when the settings are back",
                table.table()
            ));
        }
    }

    /// What is said of optional columns that insights lack, of those alike in one sentence.
    fn note_columns_of_insights(&mut self, survey: &Survey) {
        let mut days: BTreeMap<&MissingColumns, Vec<Day>> = BTreeMap::new();
        for (day, receipt) in survey.receipts.insights.iter() {
            days.entry(&receipt.content.missing).or_default().push(day);
        }
        for (MissingColumns { plain, said }, of) in days {
            let place = format!("on {} days, the first {}", of.len(), of[0]);
            if !plain.is_empty() {
                let names = plain.iter().cloned().collect::<Vec<_>>().join(", ");
                self.warnings.insert(format!("insights: optional columns are missing and NULL: {names} ({place})"));
            }
            self.warnings.extend(said.iter().map(|text| format!("insights: {text} ({place})")));
        }
    }

    /// What the landed partitions hold that may be meant otherwise.
    pub(crate) fn note_noticed(&mut self, places: &Places<'_>, survey: &Survey, failures: &mut Failures) {
        match noticed::warnings(noticed::of_receipts(survey), places, survey, &BTreeSet::new()) {
            Ok(warnings) => self.warnings.extend(warnings.into_iter().map(|(table, text)| format!("{table}: {text}"))),
            Err(error) => failures.add_once(error),
        }
    }

    fn note_aliases(&mut self, survey: &Survey) {
        let Some(receipt) = &survey.receipts.identities else { return };
        if !receipt.set_aside.is_empty() {
            self.rejected_rows.insert("identities".to_string(), receipt.set_aside.clone());
        }
        self.warnings.extend(SetAsideAliases::warning(&receipt.set_aside));
        self.warnings.extend(receipt.unmet.iter().map(|text| format!("identities: {text}")));
    }

    fn note_keys(&mut self, survey: &Survey) {
        for table in Raw::BOTH {
            let mut keys = KeyWarnings::default();
            survey.receipts.raw(table).iter().for_each(|(day, receipt)| keys.add(day, &receipt.content.keys_in_no_row));
            self.warnings.extend(keys.texts(table.table()).into_iter().map(|text| format!("{}: {text}", table.table())));
        }
    }

    pub fn count(&mut self, rows: &DayRows) {
        self.days_incomplete += u64::from(rows.bot_days.iter().any(|row| !row.complete));
        for row in &rows.bot_days {
            self.touches += row.touches;
            self.duplicate_touches += row.duplicate_touches;
            self.unattributed_touches += row.unattributed_touches;
            self.conversion_events += row.events.map_or(0, |events| events.total);
            self.conversions += row.events.map_or(0, |events| events.conversions);
        }
    }
}

//! Results as text for a person.

use std::collections::BTreeMap;

use crate::base::day::{Day, DayRange};
use crate::commands::check::{CheckReport, Finding, Level};
use crate::commands::insights::FetchReport;
use crate::commands::plan::Preview;
use crate::commands::verify::Verification;
use crate::report::style::{counted, harmless};
use crate::run::pull::Pulled;
use crate::run::report::RunReport;

pub(super) fn summary(report: &RunReport) -> String {
    let mut lines = Vec::new();
    match (report.first_day.zip(report.last_day), report.started.is_some()) {
        (None, _) => lines
            .push(format!("{}: no touch and no conversion event of a named bot has landed, nothing to build", report.pipeline)),
        (Some((first, last)), false) => {
            lines.push(format!("{}: {first}..{last}: nothing is stale, nothing was written", report.pipeline))
        }
        (Some((first, last)), true) => {
            let (built, incomplete) = (counted(report.days.len(), "day", "days"), report.days_incomplete);
            lines.push(format!("{}: {built} built of {first}..{last}, {incomplete} of them incomplete", report.pipeline));
            lines.push(format!(
                "{}, {}, {} without ad id; {}, {} of them conversions of ads",
                counted(report.touches, "touch", "touches"),
                counted(report.duplicate_touches, "duplicate", "duplicates"),
                report.unattributed_touches,
                counted(report.conversion_events, "conversion event", "conversion events"),
                report.conversions
            ));
            let written = counted(report.objects_written, "object", "objects");
            lines.push(format!("{written} written, {} unchanged", report.objects_unchanged));
        }
    }
    let blocked = grouped(report.days_blocked.iter().map(|(day, blockers)| (*day, blockers.join(", "))));
    lines.extend(blocked.into_iter().map(|days| format!("kept back:{}", &days[1..])));
    if let Some((first, last)) = report.days_left.first().zip(report.days_left.last()) {
        lines.push(format!("left to do: {} of {first}..{last}", counted(report.days_left.len(), "day", "days")));
    }
    if !report.partitions_left.is_empty() {
        lines.push(format!("left to read: {}", counted(report.partitions_left.len(), "partition", "partitions")));
    }
    for (table, reasons) in &report.rejected_rows {
        let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        lines.push(format!("rejected rows in {table}: {}", reasons.join(", ")));
    }
    let listed = |what: &str, counts: &BTreeMap<String, u64>, lines: &mut Vec<String>| {
        if !counts.is_empty() {
            let rows = |(id, count): (&String, &u64)| format!("{} ({})", id.escape_debug(), counted(count, "row", "rows"));
            let counts: Vec<String> = counts.iter().map(rows).collect();
            lines.push(format!("{what}: {}", counts.join(", ")));
        }
    };
    listed("bots that the pipeline does not name", &report.out_of_scope_rows, &mut lines);
    lines.extend(report.insights.iter().map(pulled));
    listed("ad accounts that no bot lists", &report.unlisted_account_rows, &mut lines);
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(report.failures.iter().map(|failure| format!("failed: {} error: {}", failure.kind, failure.error)));
    together(&lines)
}

/// Names in a lake are written by strangers: a line shows them, and a terminal obeys none.
fn together(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{}\n", harmless(line))).collect()
}

pub(super) fn findings(report: &CheckReport) -> String {
    let line = |finding: &Finding| {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        format!("{level:7} {}: {}", finding.subject, finding.text)
    };
    together(&report.findings.iter().map(line).collect::<Vec<_>>())
}

fn pulled((account, pulled): (&String, &Pulled)) -> String {
    let mut line = format!("{account}: {} days fetched from Meta, {} changed", pulled.days_fetched, pulled.days_changed);
    if pulled.ads_asked > 0 {
        line += &format!(", {} ads asked for by id, {} not to be seen", pulled.ads_asked, pulled.ads_not_found);
    }
    if pulled.reach_ranges > 0 {
        line += &format!(", reach of {} ranges", pulled.reach_ranges);
    }
    line
}

pub(super) fn fetched(report: &FetchReport) -> String {
    let mut lines: Vec<String> = report.accounts.iter().map(pulled).collect();
    if lines.is_empty() && report.failures.is_empty() {
        lines.push(format!("{}: nothing is due, nothing was written", report.pipeline));
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n") + "\n"
}

/// Neighbouring days that have the same text become one line.
fn grouped(days: impl IntoIterator<Item = (Day, String)>) -> Vec<String> {
    let mut groups: Vec<(DayRange, String)> = Vec::new();
    for (day, text) in days {
        match groups.last_mut() {
            Some((range, known)) if *known == text && range.last.next() == day => range.last = day,
            _ => groups.push((DayRange { first: day, last: day }, text)),
        }
    }
    groups.into_iter().map(|(days, text)| format!("  {days}: {text}")).collect()
}

pub(super) fn plan(preview: &Preview) -> String {
    if !preview.stale {
        let mut lines = vec![format!("{}: nothing is stale", preview.pipeline)];
        let blocked = preview.days_blocked.iter().map(|(day, by)| (*day, by.join(", ")));
        lines.extend(grouped(blocked));
        return together(&lines);
    }
    let mut lines = Vec::new();
    let mut part = |title: String, days: Vec<String>| {
        if !days.is_empty() {
            lines.push(title);
            lines.extend(days);
        }
    };
    let mut partitions: BTreeMap<&str, Vec<(Day, String)>> = BTreeMap::new();
    for step in &preview.partitions {
        partitions.entry(step.table).or_default().push((step.day, step.reason.to_string()));
    }
    for (table, days) in partitions {
        part(format!("read {} of {table}", counted(days.len(), "partition", "partitions")), grouped(days));
    }
    part(
        format!("build {}", counted(preview.days.len(), "day", "days")),
        grouped(preview.days.iter().map(|step| (step.day, step.reason.to_string()))),
    );
    for fetch in &preview.fetches {
        let mut days = Vec::new();
        if let Some(range) = fetch.first_day.zip(fetch.last_day).and_then(|(first, last)| DayRange::new(first, last)) {
            days.push(format!("  {} days of {range}", fetch.days));
        }
        if fetch.reach_ranges > 0 {
            days.push(format!("  reach of {} ranges", fetch.reach_ranges));
        }
        part(format!("fetch from Meta: {}", fetch.account), days);
    }
    let maybe = preview.days_at_most.iter().map(|step| (step.day, step.reason.clone()));
    part(format!("and at most {} more", preview.days_at_most.len()), grouped(maybe));
    part(
        "remove".to_string(),
        grouped(preview.days_removed.iter().map(|day| (*day, "no row is left outside the range".to_string()))),
    );
    part("keep back".to_string(), grouped(preview.days_blocked.iter().map(|(day, by)| (*day, by.join(", ")))));
    if preview.ads {
        lines.push("write ads".to_string());
    }
    if preview.identities_changed {
        lines.push("compare the alias table: it changed".to_string());
    }
    let objects = counted(preview.objects_at_most, "object", "objects");
    lines.push(format!("at most {} to read, {objects} to write", counted(preview.bytes_at_most, "byte", "bytes")));
    together(&lines)
}

pub(super) fn verification(verification: &Verification) -> String {
    let mut lines = vec![format!(
        "{}: {} of {} checked, {} differ",
        verification.pipeline,
        counted(verification.objects_checked, "object", "objects"),
        counted(verification.days_checked, "day", "days"),
        verification.differences.len()
    )];
    lines.extend(verification.differences.iter().map(|found| format!("  {}: {} ({})", found.object, found.found, found.because)));
    together(&lines)
}

//! Results as text for a person.

use std::collections::BTreeMap;

use crate::day::{Day, DayRange};
use crate::fetch::FetchReport;
use crate::preview::Preview;
use crate::pull::Pulled;
use crate::run_report::RunReport;
use crate::verify::Verdict;

pub fn summary(report: &RunReport) -> String {
    let mut lines = Vec::new();
    match (report.first_day.zip(report.last_day), report.started.is_some()) {
        (None, _) => lines
            .push(format!("{}: no touch and no conversion event of a named bot has landed, nothing to build", report.pipeline)),
        (Some((first, last)), false) => {
            lines.push(format!("{}: {first}..{last}: nothing is stale, nothing was written", report.pipeline))
        }
        (Some((first, last)), true) => {
            let (built, incomplete) = (report.days.len(), report.days_incomplete);
            lines.push(format!("{}: {built} days built of {first}..{last}, {incomplete} of them incomplete", report.pipeline));
            lines.push(format!(
                "{} touches, {} duplicates, {} without ad id; {} conversion events, {} of them conversions of ads",
                report.touches,
                report.duplicate_touches,
                report.unattributed_touches,
                report.conversion_events,
                report.conversions
            ));
            lines.push(format!("{} objects written, {} unchanged", report.objects_written, report.objects_unchanged));
        }
    }
    let blocked = grouped(report.days_blocked.iter().map(|(day, blockers)| (*day, blockers.join(", "))));
    lines.extend(blocked.into_iter().map(|days| format!("kept back:{}", &days[1..])));
    if let Some((first, last)) = report.days_left.first().zip(report.days_left.last()) {
        lines.push(format!("left to do: {} days of {first}..{last}", report.days_left.len()));
    }
    if !report.partitions_left.is_empty() {
        lines.push(format!("left to read: {} partitions", report.partitions_left.len()));
    }
    for (table, reasons) in &report.rejected_rows {
        let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        lines.push(format!("rejected rows in {table}: {}", reasons.join(", ")));
    }
    let listed = |what: &str, counts: &BTreeMap<String, u64>, lines: &mut Vec<String>| {
        if !counts.is_empty() {
            let counts: Vec<String> = counts.iter().map(|(id, count)| format!("{} ({count} rows)", id.escape_debug())).collect();
            lines.push(format!("{what}: {}", counts.join(", ")));
        }
    };
    listed("bots that the pipeline does not name", &report.out_of_scope_rows, &mut lines);
    lines.extend(report.insights.iter().map(pulled));
    listed("ad accounts that no bot lists", &report.unlisted_account_rows, &mut lines);
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n") + "\n"
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

pub fn fetched(report: &FetchReport) -> String {
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

pub fn plan(preview: &Preview) -> String {
    if !preview.stale {
        let mut lines = vec![format!("{}: nothing is stale", preview.pipeline)];
        let blocked = preview.days_blocked.iter().map(|(day, by)| (*day, by.join(", ")));
        lines.extend(grouped(blocked));
        return lines.join("\n") + "\n";
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
        part(format!("read {} partitions of {table}", days.len()), grouped(days));
    }
    part(
        format!("build {} days", preview.days.len()),
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
    lines.push(format!("at most {} bytes to read, {} objects to write", preview.bytes_at_most, preview.objects_at_most));
    lines.join("\n") + "\n"
}

pub fn verdict(verdict: &Verdict) -> String {
    let mut lines = vec![format!(
        "{}: {} objects of {} days checked, {} differ",
        verdict.pipeline,
        verdict.objects_checked,
        verdict.days_checked,
        verdict.differences.len()
    )];
    lines.extend(verdict.differences.iter().map(|found| format!("  {}: {} ({})", found.object, found.found, found.because)));
    lines.join("\n") + "\n"
}

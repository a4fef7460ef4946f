//! `ctwa run`: builds what is stale.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use crate::base::day::Day;
use crate::base::error::Result;
use crate::config::Settings;
use crate::known::job::Wanted;
use crate::report::style::counted;
use crate::run;
use crate::run::report::RunReport;

use super::exit::Exit;
use super::flags::How;
use super::machine::with_job;
use super::stdout::print_as;
use super::text::{days_alike, pulled, shown};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Build days up to this one only; inputs are not limited.
    #[arg(long, value_name = "DATE")]
    through: Option<Day>,
    #[command(flatten)]
    pub how: How,
}

const EXAMPLES: &str = "Examples:
  ctwa run nightly.toml
  ctwa run nightly.toml --json --log-format json      in a job that a scheduler starts
  ctwa run nightly.toml --through 2026-10-31";

pub(super) fn execute(args: &RunArgs, quiet: bool) -> Result<Exit> {
    let settings = Settings::load(&args.pipeline)?;
    build(&settings, Wanted::Through(args.through), &args.how, quiet)
}

/// Builds days and tells what was done; in silence, only where something failed.
pub(super) fn build(settings: &Settings, wanted: Wanted, how: &How, quiet: bool) -> Result<Exit> {
    let outcome = with_job(settings, wanted, how.accept_history_change, run::run)?;
    if how.json || !quiet || outcome.worst.is_some() {
        print_as(how.json, &outcome.report, text)?;
    }
    Ok(outcome.worst.into())
}

fn text(report: &RunReport) -> String {
    let mut lines = built(report);
    let blocked = days_alike(report.days_blocked.iter().map(|(day, blockers)| (*day, blockers.join(", "))));
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
    lines.extend(listed("bots that the pipeline does not name", &report.out_of_scope_rows));
    lines.extend(report.insights.iter().map(pulled));
    lines.extend(listed("ad accounts that no bot lists", &report.unlisted_account_rows));
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(report.failures.iter().map(|failure| format!("failed: {} error: {}", failure.kind, failure.error)));
    shown(&lines)
}

fn built(report: &RunReport) -> Vec<String> {
    let pipeline = &report.pipeline;
    let Some((first, last)) = report.first_day.zip(report.last_day) else {
        let read = counted(report.partitions.len(), "partition", "partitions");
        return vec![match report.failures.is_empty() {
            true => format!("{pipeline}: no touch and no conversion event of a named bot has landed, nothing to build"),
            false => format!("{pipeline}: no day was built: {read} read, and what failed is below"),
        }];
    };
    if report.started.is_none() {
        return vec![format!("{pipeline}: {first}..{last}: nothing is stale, nothing was written")];
    }
    let (days, incomplete) = (counted(report.days.len(), "day", "days"), report.days_incomplete);
    let written = counted(report.objects_written, "object", "objects");
    // Before all is read nobody knows which days there are.
    let of = if report.partitions_left.is_empty() { format!(" of {first}..{last}") } else { String::new() };
    vec![
        format!("{pipeline}: {days} built{of}, {incomplete} of them incomplete"),
        format!(
            "{}, {}, {} without ad id; {}, {} of them conversions of ads",
            counted(report.touches, "touch", "touches"),
            counted(report.duplicate_touches, "duplicate", "duplicates"),
            report.unattributed_touches,
            counted(report.conversion_events, "conversion event", "conversion events"),
            report.conversions
        ),
        format!("{written} written, {} unchanged", report.objects_unchanged),
    ]
}

/// Ids with the rows of each; none where there is no id.
fn listed(what: &str, rows: &BTreeMap<String, u64>) -> Option<String> {
    let of_id = |(id, count): (&String, &u64)| format!("{} ({})", id.escape_debug(), counted(count, "row", "rows"));
    let ids: Vec<String> = rows.iter().map(of_id).collect();
    (!ids.is_empty()).then(|| format!("{what}: {}", ids.join(", ")))
}

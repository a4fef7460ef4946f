//! `ctwa plan`: what run would do, and why.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use crate::base::day::{Day, DayRange};
use crate::base::error::Result;
use crate::commands::plan::{self, PlanReport};
use crate::config::Settings;
use crate::known::job::Wanted;
use crate::report::style::counted;

use super::exit::Exit;
use super::flags::{AnyDays, How};
use super::machine::with_job;
use super::stdout::print_as;
use super::text::{days_alike, shown};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlanArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    days: AnyDays,
    /// Exit 1 when something is stale.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    pub how: How,
}

const EXAMPLES: &str = "Examples:
  ctwa plan nightly.toml
  ctwa plan nightly.toml --check --json               exits 1 when something is stale";

pub(super) fn execute(args: &PlanArgs) -> Result<Exit> {
    let settings = Settings::load(&args.pipeline)?;
    let days = args.days.range(&settings)?;
    let whole = with_job(&settings, Wanted::Through(None), args.how.accept_history_change, plan::plan)?;
    let shown = match days {
        Some(days) => whole.within(days),
        None => whole,
    };
    print_as(args.how.json, &shown, text)?;
    Ok(if args.check && shown.stale { Exit::Stale } else { shown.worst.into() })
}

fn text(report: &PlanReport) -> String {
    if !report.stale {
        let mut lines = vec![format!("{}: nothing is stale", report.pipeline)];
        let blocked = report.days_blocked.iter().map(|(day, by)| (*day, by.join(", ")));
        lines.extend(days_alike(blocked));
        lines.extend(warnings(report));
        return shown(&lines);
    }
    let mut lines = Vec::new();
    let mut part = |title: String, days: Vec<String>| {
        if !days.is_empty() {
            lines.push(title);
            lines.extend(days);
        }
    };
    let mut partitions: BTreeMap<&str, Vec<(Day, String)>> = BTreeMap::new();
    for step in &report.partitions {
        partitions.entry(step.table).or_default().push((step.day, step.reason.to_string()));
    }
    for (table, days) in partitions {
        part(format!("read {} of {table}", counted(days.len(), "partition", "partitions")), days_alike(days));
    }
    part(
        format!("build {}", counted(report.days.len(), "day", "days")),
        days_alike(report.days.iter().map(|step| (step.day, step.reason.to_string()))),
    );
    for fetch in &report.fetches {
        let mut days = Vec::new();
        if let Some(range) = fetch.first_day.zip(fetch.last_day).and_then(|(first, last)| DayRange::new(first, last)) {
            days.push(format!("  {} days of {range}", fetch.days));
        }
        if fetch.reach_ranges > 0 {
            days.push(format!("  reach of {} ranges", fetch.reach_ranges));
        }
        part(format!("fetch from Meta: {}", fetch.account), days);
    }
    let maybe = report.days_at_most.iter().map(|step| (step.day, step.reason.clone()));
    part(format!("and at most {} more", report.days_at_most.len()), days_alike(maybe));
    part(
        "remove".to_string(),
        days_alike(report.days_removed.iter().map(|day| (*day, "no row is left outside the range".to_string()))),
    );
    part("keep back".to_string(), days_alike(report.days_blocked.iter().map(|(day, by)| (*day, by.join(", ")))));
    if report.ads {
        lines.push("write ads".to_string());
    }
    if report.identities_changed {
        lines.push("compare the alias table: it changed".to_string());
    }
    let objects = counted(report.objects_at_most, "object", "objects");
    lines.push(format!("at most {} to read, {objects} to write", counted(report.bytes_at_most, "byte", "bytes")));
    lines.extend(warnings(report));
    shown(&lines)
}

fn warnings(report: &PlanReport) -> impl Iterator<Item = String> + '_ {
    report.warnings.iter().map(|warning| format!("warning: {warning}"))
}

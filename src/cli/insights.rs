//! `ctwa insights`: fetches Meta's figures, and builds nothing.

use std::path::PathBuf;

use clap::Args;

use crate::base::error::Result;
use crate::commands::insights::{self, InsightsReport, InsightsRequest};
use crate::config::Settings;
use crate::known::job::Wanted;

use super::exit::Exit;
use super::flags::AnyDays;
use super::machine::with_job;
use super::stdout::print_as;
use super::text::{pulled, shown};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct InsightsArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    days: AnyDays,
    /// Fetch how many people each ad reached in these days together, and nothing else.
    #[arg(long, requires = "days")]
    reach: bool,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "Examples:
  ctwa insights nightly.toml                                             what is due
  ctwa insights nightly.toml --from 2026-10-01 --to 2026-10-31 --reach   for the report of exactly these days";

pub(super) fn execute(args: &InsightsArgs, quiet: bool) -> Result<Exit> {
    let settings = Settings::load(&args.pipeline)?;
    let request = match args.days.range(&settings)? {
        Some(days) if args.reach => InsightsRequest::Reach(days),
        Some(days) => InsightsRequest::Days(days),
        None => InsightsRequest::Due,
    };
    let report = with_job(&settings, Wanted::Through(None), true, |job| insights::insights(job, request))?;
    if args.json || !quiet || report.worst.is_some() {
        print_as(args.json, &report, text)?;
    }
    Ok(report.worst.into())
}

fn text(report: &InsightsReport) -> String {
    let mut lines: Vec<String> = report.accounts.iter().map(pulled).collect();
    if lines.is_empty() && report.failures.is_empty() {
        lines.push(format!("{}: nothing is due, nothing was written", report.pipeline));
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(report.failures.iter().map(|failure| format!("failed: {} error: {}", failure.kind, failure.error)));
    shown(&lines)
}

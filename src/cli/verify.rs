//! `ctwa verify`: whether what is published is what the lake says.

use std::path::PathBuf;

use clap::Args;

use crate::base::day::{Day, written_ranges};
use crate::base::error::Result;
use crate::commands::verify::{self, Verification};
use crate::config::Settings;
use crate::known::job::Wanted;
use crate::report::style::counted;

use super::exit::Exit;
use super::flags::Days;
use super::machine::with_job;
use super::stdout::print_as;
use super::text::{days_alike, shown};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct VerifyArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    days: Days,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "Examples:
  ctwa verify nightly.toml --from 2026-10-01 --to 2026-10-31
  ctwa verify nightly.toml --last 28";

pub(super) fn execute(args: &VerifyArgs, quiet: bool) -> Result<Exit> {
    let settings = Settings::load(&args.pipeline)?;
    let days = args.days.range(&settings)?;
    let verification = with_job(&settings, Wanted::Days(days), true, |job| verify::verify(job, days))?;
    if args.json || !quiet || verification.worst.is_some() {
        print_as(args.json, &verification, text)?;
    }
    Ok(verification.worst.into())
}

fn text(verification: &Verification) -> String {
    let mut lines = vec![format!(
        "{}: {} of {} checked, {} differ",
        verification.pipeline,
        counted(verification.objects_checked, "object", "objects"),
        counted(verification.days_checked, "day", "days"),
        verification.differences.len()
    )];
    lines.extend(verification.differences.iter().map(|found| format!("  {}: {} ({})", found.object, found.found, found.because)));
    if !verification.unknown.is_empty() {
        let what = verification.unknown.join(", ");
        lines.push(format!("  cannot be told: {what} (rows that it was made from cannot be read any more and do not count now)"));
    }
    let blocked = verification.days_blocked.iter().map(|(day, by)| (*day, by.join(", ")));
    lines.extend(days_alike(blocked).into_iter().map(|days| format!("  not checked:{}", &days[1..])));
    let mut not_checked = |days: &[Day], why: &str| {
        let days = written_ranges(days.iter().copied());
        lines.extend((!days.is_empty()).then(|| format!("  not checked: {days}: {why}")));
    };
    not_checked(&verification.days_kept, "they stay as published, partitions that they were made from were retired");
    not_checked(&verification.days_outside, "they are no days of the lake");
    lines.extend(verification.failures.iter().map(|failure| format!("failed: {failure}")));
    shown(&lines)
}

//! `ctwa check`: what would go wrong tonight.

use std::path::PathBuf;

use clap::Args;

use crate::base::error::Result;
use crate::commands::check::{self, CheckReport, Finding, Level};
use crate::config::Settings;

use super::exit::Exit;
use super::machine::{clock, environment};
use super::stdout::print_as;
use super::text::shown;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "Examples:
  ctwa check nightly.toml
  ctwa check nightly.toml --json";

pub(super) fn execute(args: &CheckArgs) -> Result<Exit> {
    let settings = Settings::load(&args.pipeline)?;
    let report = check::check(&settings, &environment(), &clock);
    print_as(args.json, &report, text)?;
    Ok(report.worst().into())
}

fn text(report: &CheckReport) -> String {
    let line = |finding: &Finding| {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        format!("{level:7} {}: {}", finding.subject, finding.text)
    };
    shown(&report.findings.iter().map(line).collect::<Vec<_>>())
}

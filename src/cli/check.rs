//! `ctwa check`: what would go wrong tonight.

use std::cell::RefCell;
use std::path::PathBuf;

use clap::Args;

use crate::base::error::Result;
use crate::base::progress::LOOKING;
use crate::commands::check::{self, CheckReport, Finding, How, Level};
use crate::config::Settings;
use crate::report::style::counted;

use super::exit::Exit;
use super::machine::{clock, environment};
use super::progress;
use super::signals::Signals;
use super::stdout::{print, print_json};
use super::text::shown;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Read all partitions that no run has read, not the newest, the oldest and a few between.
    #[arg(long)]
    all: bool,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "Examples:
  ctwa check nightly.toml
  ctwa check nightly.toml --all
  ctwa check nightly.toml --json";

pub(super) fn execute(args: &CheckArgs) -> Result<Exit> {
    let settings = Settings::load(&args.pipeline)?;
    check_and_tell(&settings, args.all, args.json)
}

/// Checks a pipeline, and prints what is found.
pub(super) fn check_and_tell(settings: &Settings, all: bool, json: bool) -> Result<Exit> {
    let signals = Signals::watch()?;
    let (stopped, printed) = (|| signals.check(), RefCell::new(Ok(())));
    // Each as it is found; as JSON all together.
    let found = |finding: &Finding| {
        let mut printed = printed.borrow_mut();
        if !json && printed.is_ok() {
            *printed = progress::above(|| print(shown(&[line(finding)]).as_bytes()));
        }
    };
    let how = How { all, found: &found, progress: &progress::show, stopped: &stopped };
    let report = progress::waiting(LOOKING, || check::check(settings, &environment(), &clock, &how));
    signals.check()?;
    printed.into_inner()?;
    if json {
        print_json(&report)?;
    } else {
        print(shown(&[summary(&report)]).as_bytes())?;
    }
    Ok(report.worst().into())
}

/// What it comes to.
fn summary(report: &CheckReport) -> String {
    let of = |level: Level| report.findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings) = (counted(of(Level::Error), "error", "errors"), counted(of(Level::Warning), "warning", "warnings"));
    let exit = report.worst().map_or("0".to_string(), |kind| format!("{} ({})", kind.exit_code(), kind.name()));
    format!("{}: {errors}, {warnings}; a run would exit {exit}", report.pipeline)
}

fn line(finding: &Finding) -> String {
    let level = match finding.level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    format!("{level:7} {}: {}", finding.subject, finding.text)
}

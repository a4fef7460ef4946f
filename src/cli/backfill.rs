//! `ctwa backfill`: builds days again, whatever their state.

use std::path::PathBuf;

use clap::Args;

use crate::base::error::Result;
use crate::config::Settings;
use crate::known::job::Wanted;

use super::exit::Exit;
use super::flags::{Days, How};
use super::run;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BackfillArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    days: Days,
    #[command(flatten)]
    pub how: How,
}

const EXAMPLES: &str = "Examples:
  ctwa backfill nightly.toml --from 2026-10-01 --to 2026-10-31
  ctwa backfill nightly.toml --month 2026-10";

pub(super) fn execute(args: &BackfillArgs, quiet: bool) -> Result<Exit> {
    let settings = Settings::load(&args.pipeline)?;
    let days = args.days.range(&settings)?;
    run::build(&settings, Wanted::Days(days), &args.how, quiet)
}

//! `ctwa report`: what each ad was worth, from the published tables.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use crate::base::error::Result;
use crate::config::Settings;
use crate::lake::Lake;
use crate::report::{self, By, Format, Grain, Rendering, ReportRequest};

use super::complete;
use super::exit::Exit;
use super::flags::Days;
use super::machine::environment;
use super::stdout::{check_destination, format_of, write_to};
use super::{progress, terminal};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReportArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    days: Days,
    /// Only this bot; may be given several times.
    #[arg(long = "bot", value_name = "ID", add = ArgValueCompleter::new(complete::bots))]
    bots: Vec<String>,
    /// Only this ad; may be given several times.
    #[arg(long = "ad", value_name = "ID", add = ArgValueCompleter::new(complete::ads))]
    ads: Vec<String>,
    /// Which day a conversion is counted on: its own, or that of its conversation. In a page, what it shows first.
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// One row per ad, or one per ad and day.
    #[arg(long, value_enum, default_value_t)]
    grain: Grain,
    /// Show ads that were never clicked, too.
    #[arg(long)]
    all_ads: bool,
    /// Instead, the conversations counted here beside those that Meta counts, per ad.
    #[arg(long, conflicts_with_all = ["bots", "by", "grain", "all_ads"])]
    reconcile: bool,
    /// The format of the report. Without it, the one that the ending of --out stands for, else a table. `html` is one file to open in a
    /// browser, without a server.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// In CSV, write texts as they are. Without it, a text that a spreadsheet would run as a formula gets a leading apostrophe.
    #[arg(long)]
    raw_csv: bool,
    /// Write the report to this file instead of stdout; `-` is stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only so many rows, the first ones; what was left out is said, and totals are those of all.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

const EXAMPLES: &str = "Examples:
  ctwa report nightly.toml --from 2026-10-01 --to 2026-10-31
  ctwa report nightly.toml --last 28 --limit 20
  ctwa report nightly.toml --month 2026-10 --by conversation-day --grain day --out october.csv
  ctwa report nightly.toml --from 2026-01-01 --to 2026-10-31 --out report.html";

pub(super) fn execute(args: &ReportArgs) -> Result<Exit> {
    let out = args.out.as_deref();
    let format = format_of(args.format, out)?;
    check_destination(format, out)?;
    let settings = Settings::load(&args.pipeline)?;
    let request = ReportRequest {
        days: args.days.range(&settings)?,
        bots: args.bots.clone(),
        ads: args.ads.clone(),
        by: args.by,
        grain: args.grain,
        all_ads: args.all_ads,
    };
    let output = Lake::open_or_create(&settings.output, &environment())?;
    let rendering = Rendering { format, style: terminal::style_of(out), raw_csv: args.raw_csv, limit: args.limit };
    let report = progress::waiting("reading what is published", || match args.reconcile {
        true => report::reconcile(&settings, &output, &request, rendering),
        false => report::write(&settings, &output, &request, rendering),
    })?;
    for note in &report.notes {
        tracing::warn!("{note}");
    }
    write_to(out, "report", &report.bytes)?;
    Ok(Exit::Done)
}

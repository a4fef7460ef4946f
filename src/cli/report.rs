//! `ctwa report`: what each ad was worth, from the published tables.

use std::path::PathBuf;

use clap::Args;

use crate::base::error::Result;
use crate::config::Settings;
use crate::lake::Lake;
use crate::report::{self, By, Format, Grain, Rendering, ReportRequest};

use super::exit::Exit;
use super::flags::Days;
use super::machine::environment;
use super::stdout::{check_destination, write_to};
use super::terminal;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReportArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    days: Days,
    /// Only this bot; may be given several times.
    #[arg(long = "bot", value_name = "ID")]
    bots: Vec<String>,
    /// Only this ad; may be given several times.
    #[arg(long = "ad", value_name = "ID")]
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
    /// The format of the report. `html` is one file to open in a browser, without a server.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// In CSV, write texts as they are. Without it, a text that a spreadsheet would run as a formula gets a leading apostrophe.
    #[arg(long)]
    raw_csv: bool,
    /// Write the report to this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  ctwa report nightly.toml --from 2026-10-01 --to 2026-10-31
  ctwa report nightly.toml --from 2026-10-01 --to 2026-10-31 --by conversation-day --grain day --format csv --out october.csv
  ctwa report nightly.toml --from 2026-01-01 --to 2026-10-31 --format html --out report.html";

pub(super) fn execute(args: &ReportArgs) -> Result<Exit> {
    let request = ReportRequest {
        days: args.days.range()?,
        bots: args.bots.clone(),
        ads: args.ads.clone(),
        by: args.by,
        grain: args.grain,
        all_ads: args.all_ads,
    };
    check_destination(args.format, args.out.is_some())?;
    let settings = Settings::load(&args.pipeline)?;
    let output = Lake::open_or_create(&settings.output, &environment())?;
    let rendering = Rendering { format: args.format, style: terminal::stdout(), raw_csv: args.raw_csv };
    let report = if args.reconcile {
        report::reconcile(&settings, &output, &request, rendering)?
    } else {
        report::write(&settings, &output, &request, rendering)?
    };
    for note in &report.notes {
        tracing::warn!("{note}");
    }
    write_to(args.out.as_deref(), "report", &report.bytes)?;
    Ok(Exit::Done)
}

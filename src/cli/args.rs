//! What can be asked for on the command line: commands, flags and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::base::day::Day;
use crate::report::{By, Format, Grain};

use super::conversion_event::ConversionEventArgs;
use super::flags::{Days, How};

/// What each Click-to-WhatsApp ad was worth: conversations, conversions and the cost of each, per ad and day.
#[derive(Parser)]
#[command(name = "ctwa", version, propagate_version = true, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// How log lines are written to stderr.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    pub log_format: LogFormat,
    /// Log less (-q: warnings only).
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

const EXIT_CODES: &str = "Exit codes:
  0 done  2 usage  3 not ready: an input day has not landed  4 unavailable: retry with backoff  5 denied: credential or permission
  6 data: input broke the contract or a check failed, that day was not published  7 conflict: another run holds this output
  70 bug  130, 143 stopped";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Build the days that the landed partitions allow; the nightly job.
    Run(RunArgs),
    /// Rebuild these days, whatever their state.
    Backfill(BackfillArgs),
    /// What run would do, and why. Changes nothing.
    Plan(PlanArgs),
    /// Rebuild days in memory from the raw partitions and compare bytes with what is published. Changes nothing.
    Verify(VerifyArgs),
    /// What each ad was worth over a range of days, from the published tables.
    Report(ReportArgs),
    /// The sessions behind the figures: who clicked which ad when, and what became of it. Changes nothing.
    Sessions(super::sessions::SessionsArgs),
    /// What is behind an ad's day or a contact: messages, events, settings and rules, as a story. Changes nothing.
    Explain(super::explain::ExplainArgs),
    /// The figures of a past period under another conversion event or window, beside the published ones. Changes nothing.
    WhatIf(super::what_if::WhatIfArgs),
    /// Say what would go wrong tonight: lake, schema, gaps, zones, token. Changes nothing.
    Check(CheckArgs),
    /// Fetch Meta's figures only, now: what is due, or some days. Builds nothing.
    Insights(InsightsArgs),
    /// Which event category counts in each bot, which could, and the setting of another.
    ConversionEvent(ConversionEventArgs),
    /// Print what makes a shell complete commands and flags.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man(ManArgs),
}

#[derive(Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(super) struct RunArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// Build days up to this one only; inputs are not limited.
    #[arg(long, value_name = "DATE")]
    pub through: Option<Day>,
    #[command(flatten)]
    pub how: How,
}

const RUN_EXAMPLES: &str = "Examples:
  ctwa run nightly.toml
  ctwa run nightly.toml --json --log-format json      in a job that a scheduler starts
  ctwa run nightly.toml --through 2026-10-31";

#[derive(Args)]
#[command(after_help = PLAN_EXAMPLES)]
pub(super) struct PlanArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// The first day to look at, YYYY-MM-DD.
    #[arg(long, value_name = "DATE", requires = "to")]
    pub from: Option<Day>,
    /// The last day to look at, YYYY-MM-DD, included.
    #[arg(long, value_name = "DATE", requires = "from")]
    pub to: Option<Day>,
    /// Exit 1 when something is stale.
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub how: How,
}

const PLAN_EXAMPLES: &str = "Examples:
  ctwa plan nightly.toml
  ctwa plan nightly.toml --check --json               exits 1 when something is stale";

#[derive(Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(super) struct VerifyArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
    #[command(flatten)]
    pub days: Days,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

const VERIFY_EXAMPLES: &str = "Examples:
  ctwa verify nightly.toml --from 2026-10-01 --to 2026-10-31";

#[derive(Args)]
#[command(after_help = REPORT_EXAMPLES)]
pub(super) struct ReportArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
    #[command(flatten)]
    pub days: Days,
    /// Only this bot; may be given several times.
    #[arg(long = "bot", value_name = "ID")]
    pub bots: Vec<String>,
    /// Only this ad; may be given several times.
    #[arg(long = "ad", value_name = "ID")]
    pub ads: Vec<String>,
    /// Which day a conversion is counted on: its own, or that of its conversation. In a page, what it shows first.
    #[arg(long, value_enum, default_value_t)]
    pub by: By,
    /// One row per ad, or one per ad and day.
    #[arg(long, value_enum, default_value_t)]
    pub grain: Grain,
    /// Show ads that were never clicked, too.
    #[arg(long)]
    pub all_ads: bool,
    /// Instead, the conversations counted here beside those that Meta counts, per ad.
    #[arg(long, conflicts_with_all = ["bots", "by", "grain", "all_ads"])]
    pub reconcile: bool,
    /// How the report is written. `html` is one file to open in a browser, without a server.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// In CSV, write texts as they are. Without it, a text that a spreadsheet would run as a formula gets a leading apostrophe.
    #[arg(long)]
    pub raw_csv: bool,
    /// Write the report to this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

const REPORT_EXAMPLES: &str = "Examples:
  ctwa report nightly.toml --from 2026-10-01 --to 2026-10-31
  ctwa report nightly.toml --from 2026-10-01 --to 2026-10-31 --by conversation-day --grain day --format csv --out october.csv
  ctwa report nightly.toml --from 2026-01-01 --to 2026-10-31 --format html --out report.html";

#[derive(Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(super) struct CheckArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

const CHECK_EXAMPLES: &str = "Examples:
  ctwa check nightly.toml
  ctwa check nightly.toml --json";

#[derive(Args)]
#[command(after_help = INSIGHTS_EXAMPLES)]
pub(super) struct InsightsArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// The first day to fetch, whenever it was fetched last, YYYY-MM-DD.
    #[arg(long, value_name = "DATE", requires = "to")]
    pub from: Option<Day>,
    /// The last day to fetch, YYYY-MM-DD, included.
    #[arg(long, value_name = "DATE", requires = "from")]
    pub to: Option<Day>,
    /// Fetch how many people each ad reached in these days together, and nothing else.
    #[arg(long, requires = "from")]
    pub reach: bool,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

const INSIGHTS_EXAMPLES: &str = "Examples:
  ctwa insights nightly.toml                                             what is due
  ctwa insights nightly.toml --from 2026-10-01 --to 2026-10-31 --reach   for the report of exactly these days";

#[derive(Args)]
#[command(after_help = BACKFILL_EXAMPLES)]
pub(super) struct BackfillArgs {
    /// The pipeline file.
    pub pipeline: PathBuf,
    #[command(flatten)]
    pub days: Days,
    #[command(flatten)]
    pub how: How,
}

const BACKFILL_EXAMPLES: &str = "Examples:
  ctwa backfill nightly.toml --from 2026-10-01 --to 2026-10-31";

#[derive(Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(super) struct CompletionsArgs {
    /// Whose completions to print.
    #[arg(value_enum)]
    pub shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "Examples:
  ctwa completions bash > ~/.local/share/bash-completion/completions/ctwa
  ctwa completions zsh > \"${fpath[1]}/_ctwa\"
  ctwa completions fish > ~/.config/fish/completions/ctwa.fish
  ctwa completions powershell >> $PROFILE";

#[derive(Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(super) struct ManArgs {
    /// Write the pages of ctwa and of each command into this folder, which must exist, instead of the first one to stdout.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

const MAN_EXAMPLES: &str = "Examples:
  ctwa man | man -l -
  ctwa man --out ~/.local/share/man/man1";

impl Command {
    /// Whether the result is to be one JSON object, whatever happens.
    pub(super) fn wants_json(&self) -> bool {
        match self {
            Command::Run(args) => args.how.json,
            Command::Backfill(args) => args.how.json,
            Command::Plan(args) => args.how.json,
            Command::Verify(args) => args.json,
            Command::Explain(args) => args.json,
            Command::Sessions(_) | Command::WhatIf(_) => false,
            Command::Check(args) => args.json,
            Command::Insights(args) => args.json,
            Command::ConversionEvent(args) => args.wants_json(),
            Command::Report(_) | Command::Completions(_) | Command::Man(_) => false,
        }
    }
}

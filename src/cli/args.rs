//! The command line as a whole: its commands, and the flags that all of them have. Each command's own flags are in its file.

use clap::{Parser, Subcommand};

use super::backfill::BackfillArgs;
use super::check::CheckArgs;
use super::conversion_event::ConversionEventArgs;
use super::explain::ExplainArgs;
use super::init::InitArgs;
use super::insights::InsightsArgs;
use super::log::LogFormat;
use super::plan::PlanArgs;
use super::report::ReportArgs;
use super::run::RunArgs;
use super::sessions::SessionsArgs;
use super::shell::{CompletionsArgs, ManArgs};
use super::verify::VerifyArgs;
use super::what_if::WhatIfArgs;

/// What each Click-to-WhatsApp ad was worth: conversations, conversions and the cost of each, per ad and day.
#[derive(Parser)]
#[command(name = "ctwa", version, propagate_version = true, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// How log lines are written to stderr.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    pub log_format: LogFormat,
    /// Say nothing but what was asked for, and what fails: a run, backfill, fetch, setting or verification that succeeds prints
    /// nothing; its warnings are in --json and in runs/.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

const EXIT_CODES: &str = "Exit codes:
  0 done  2 usage  3 not ready: an input day has not landed  4 unavailable: retry with backoff  5 denied: credential or permission
  6 data: input broke the contract or a check failed, that day was not published  7 conflict: another run holds this output
  70 bug  130, 143 stopped";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Look at a lake and write a pipeline file for it.
    Init(Box<InitArgs>),
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
    Sessions(SessionsArgs),
    /// What is behind an ad's day or a contact: messages, events, settings and rules, as a story. Changes nothing.
    Explain(ExplainArgs),
    /// The figures of a past period under another conversion event or window, beside the published ones. Changes nothing.
    WhatIf(WhatIfArgs),
    /// Say what would go wrong tonight: lake, schema, gaps, zones, token. Changes nothing.
    Check(CheckArgs),
    /// Fetch Meta's figures only, now: what is due, or some days. Builds nothing.
    Insights(InsightsArgs),
    /// Which event category counts in each bot, which could, and the setting of another.
    ConversionEvent(ConversionEventArgs),
    /// Print a shell's completion script.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man(ManArgs),
}

impl Command {
    /// Whether the result is to be one JSON object, whatever happens.
    pub(super) fn wants_json(&self) -> bool {
        match self {
            Command::Run(args) => args.how.json,
            Command::Backfill(args) => args.how.json,
            Command::Plan(args) => args.how.json,
            Command::Verify(args) => args.json,
            Command::Explain(args) => args.json,
            Command::Init(_) | Command::Sessions(_) | Command::WhatIf(_) => false,
            Command::Check(args) => args.json,
            Command::Insights(args) => args.json,
            Command::ConversionEvent(args) => args.wants_json(),
            Command::Report(_) | Command::Completions(_) | Command::Man(_) => false,
        }
    }
}

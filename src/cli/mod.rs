//! The command line: parse, resolve, run, and decide the exit code, in one visible place.
//!
//! Results go to stdout, everything else to stderr. Exit codes are those of [`crate::error::ErrorKind`].

mod explain;
mod sessions;
mod sheet;
mod signals;
mod text;
mod what_if;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::check::{self, Finding, Level};
use crate::config::Settings;
use crate::day::{Day, DayRange};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{Environment, Lake};
use crate::preview;
use crate::report::{self, By, Format, Grain, ReportRequest};
use crate::run::{self, Job, Outcome, Wanted};
use crate::verify;
use signals::Signals;

/// What each Click-to-WhatsApp ad was worth: conversations, conversions and the cost of each, per ad and day.
#[derive(Parser)]
#[command(name = "ctwa", version, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How log lines are written to stderr.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    /// Log less (-q: warnings only).
    #[arg(short, long, global = true)]
    quiet: bool,
}

const EXIT_CODES: &str = "Exit codes:
  0 done  2 usage  3 not ready: an input day has not landed  4 unavailable: retry with backoff  5 denied: credential or permission
  6 data: input broke the contract or a check failed, that day was not published  7 conflict: another run holds this output
  70 bug  130, 143 stopped";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
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
    Sessions(sessions::SessionsArgs),
    /// What is behind an ad's day or a contact: messages, events, settings and rules, as a story. Changes nothing.
    Explain(explain::ExplainArgs),
    /// The figures of a past period under another conversion event or window, beside the published ones. Changes nothing.
    WhatIf(what_if::WhatIfArgs),
    /// Say what would go wrong tonight: lake, schema, gaps, zones. Changes nothing.
    Check(CheckArgs),
}

#[derive(Args)]
struct RunArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Build days up to this one only; inputs are not limited.
    #[arg(long, value_name = "DATE")]
    through: Option<Day>,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct PlanArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// The first day to look at, YYYY-MM-DD.
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<Day>,
    /// The last day to look at, YYYY-MM-DD, included.
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<Day>,
    /// Exit 1 when something is stale.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct VerifyArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    days: Days,
    /// Print one JSON object as the result.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct How {
    /// Count the past anew where a past setting was altered or removed.
    #[arg(long)]
    accept_history_change: bool,
    /// Print one JSON object as the result.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = REPORT_EXAMPLES)]
struct ReportArgs {
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
    /// How the report is written. `html` is one file to open in a browser, without a server.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// In CSV, write texts as they are. Without it, a text that a spreadsheet would run as a formula gets a leading apostrophe.
    #[arg(long)]
    raw_csv: bool,
    /// Write the report to this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const REPORT_EXAMPLES: &str = "Examples:
  ctwa report nightly.toml --from 2026-10-01 --to 2026-10-31
  ctwa report nightly.toml --from 2026-10-01 --to 2026-10-31 --by conversation-day --grain day --format csv --out october.csv
  ctwa report nightly.toml --from 2026-01-01 --to 2026-10-31 --format html --out report.html";

#[derive(Args)]
struct CheckArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Print one JSON object as the result.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct BackfillArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    days: Days,
    #[command(flatten)]
    how: How,
}

/// Dates are inclusive on both ends.
#[derive(Args)]
struct Days {
    /// The first day, YYYY-MM-DD.
    #[arg(long, value_name = "DATE")]
    from: Day,
    /// The last day, YYYY-MM-DD, included.
    #[arg(long, value_name = "DATE")]
    to: Day,
}

impl Days {
    fn range(&self) -> Result<DayRange> {
        DayRange::new(self.from, self.to).ok_or_else(|| {
            Error::usage(format!("--from {} is after --to {}", self.from, self.to)).mend("swap them: both ends are included")
        })
    }
}

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not mistakes.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 });
        }
    };
    start_log(cli.log_format, cli.quiet);
    // A panic is a bug of ours: its text is on stderr already, and the exit code says whose it is.
    let ended = std::panic::catch_unwind(|| execute(&cli.command))
        .unwrap_or_else(|_| Err(Error::bug("the program stopped where it never should")));
    match ended {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Stale) => ExitCode::from(1),
        Ok(Exit::Partly(kind)) => ExitCode::from(kind.exit_code()),
        Err(error) => {
            complain(cli.log_format, &error);
            if cli.command.wants_json() {
                let failure = serde_json::json!({"kind": error.kind().name(), "error": error.to_string()});
                let _ = print_json(&serde_json::json!({"failures": [failure]}));
            }
            ExitCode::from(error.kind().exit_code())
        }
    }
}

impl Command {
    /// Whether the result is to be one JSON object, whatever happens.
    fn wants_json(&self) -> bool {
        match self {
            Command::Run(args) => args.how.json,
            Command::Backfill(args) => args.how.json,
            Command::Plan(args) => args.how.json,
            Command::Verify(args) => args.json,
            Command::Check(args) => args.json,
            Command::Explain(args) => args.json,
            Command::Report(_) | Command::Sessions(_) | Command::WhatIf(_) => false,
        }
    }
}

/// How a command came to its end.
enum Exit {
    Done,
    /// `plan --check` found something to do.
    Stale,
    /// Not everything could be done, or a check found something.
    Partly(ErrorKind),
}

impl From<Option<ErrorKind>> for Exit {
    fn from(worst: Option<ErrorKind>) -> Exit {
        worst.map_or(Exit::Done, Exit::Partly)
    }
}

fn execute(command: &Command) -> Result<Exit> {
    match command {
        Command::Run(args) => {
            let settings = Settings::load(&args.pipeline)?;
            finish(start(&settings, Wanted::Through(args.through), &args.how)?, args.how.json)
        }
        Command::Backfill(args) => {
            let days = args.days.range()?;
            let settings = Settings::load(&args.pipeline)?;
            finish(start(&settings, Wanted::Days(days), &args.how)?, args.how.json)
        }
        Command::Plan(args) => {
            let days = args.from.zip(args.to).map(|(from, to)| Days { from, to }.range()).transpose()?;
            let settings = Settings::load(&args.pipeline)?;
            let preview = with_job(&settings, Wanted::Through(None), args.how.accept_history_change, preview::preview)?;
            let preview = match days {
                Some(days) => preview.within(days),
                None => preview,
            };
            if args.how.json {
                print_json(&preview)?;
            } else {
                print(&text::plan(&preview))?;
            }
            Ok(if args.check && preview.stale { Exit::Stale } else { preview.worst.into() })
        }
        Command::Verify(args) => {
            let days = args.days.range()?;
            let settings = Settings::load(&args.pipeline)?;
            let verdict = with_job(&settings, Wanted::Days(days), true, |job| verify::verify(job, days))?;
            if args.json {
                print_json(&verdict)?;
            } else {
                print(&text::verdict(&verdict))?;
            }
            Ok(verdict.worst.into())
        }
        Command::Report(args) => {
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
            let report = report::write(&settings, &output, &request, args.format, terminal_width(), args.raw_csv)?;
            for note in &report.notes {
                tracing::warn!("{note}");
            }
            match &args.out {
                Some(file) => std::fs::write(file, report.bytes).map_err(|error| {
                    Error::usage("the report cannot be written")
                        .with("file", file.display())
                        .source(error)
                        .mend("give --out a path that can be written")
                })?,
                None => write_out(&report.bytes)?,
            }
            Ok(Exit::Done)
        }
        Command::Sessions(args) => sessions::execute(args),
        Command::Explain(args) => explain::execute(args),
        Command::WhatIf(args) => what_if::execute(args),
        Command::Check(args) => {
            let settings = Settings::load(&args.pipeline)?;
            let report = check_now(&settings);
            if args.json {
                print_json(&report)?;
            } else {
                let line = |finding: &Finding| {
                    let level = match finding.level {
                        Level::Ok => "ok",
                        Level::Warning => "warning",
                        Level::Error => "error",
                    };
                    format!("{level:7} {}: {}\n", finding.subject, finding.text)
                };
                print(&report.findings.iter().map(line).collect::<String>())?;
            }
            Ok(report.worst().into())
        }
    }
}

fn start(settings: &Settings, wanted: Wanted, how: &How) -> Result<Outcome> {
    with_job(settings, wanted, how.accept_history_change, run::run)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn with_job<T>(
    settings: &Settings,
    wanted: Wanted,
    accept_history_change: bool,
    work: impl FnOnce(&Job<'_>) -> Result<T>,
) -> Result<T> {
    let environment = environment();
    let (lake, output) = (Lake::open(&settings.lake, &environment)?, Lake::open_or_create(&settings.output, &environment)?);
    let signals = Signals::watch()?;
    let stopped = || signals.check();
    work(&Job {
        settings,
        lake: &lake,
        output: &output,
        wanted,
        accept_history_change,
        clock: &chrono::Utc::now,
        stopped: &stopped,
    })
}

#[expect(clippy::disallowed_methods, reason = "a check tells how far clocks differ")]
fn check_now(settings: &Settings) -> check::CheckReport {
    check::check(settings, &environment(), &chrono::Utc::now)
}

/// What the environment says about storage. Variables that are no text are none of ours.
fn environment() -> Environment {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

fn finish(outcome: Outcome, json: bool) -> Result<Exit> {
    if json {
        print_json(&outcome.report)?;
    } else {
        print(&text::summary(&outcome.report))?;
    }
    Ok(outcome.worst.into())
}

fn check_destination(format: Format, to_file: bool) -> Result<()> {
    if format.is_for_files() && !to_file && std::io::stdout().is_terminal() {
        return Err(Error::usage("this format is for a file, stdout is a terminal").mend("add --out FILE"));
    }
    Ok(())
}

/// None when stdout is no terminal.
fn terminal_width() -> Option<u16> {
    std::io::stdout().is_terminal().then(|| terminal_size::terminal_size().map(|(width, _)| width.0)).flatten()
}

fn print(text: &str) -> Result<()> {
    write_out(text.as_bytes())
}

fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Error::bug("a result is no JSON").source(error))?;
    text.push('\n');
    print(&text)
}

/// A reader that closes the pipe early has what it wanted.
fn write_out(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Unavailable, "the result cannot be written to stdout").source(error))
        }
        _ => Ok(()),
    }
}

fn complain(format: LogFormat, error: &Error) {
    let line = match format {
        LogFormat::Text => format!("ctwa: {} error: {error}\n", error.kind().name()),
        LogFormat::Json => {
            let context: serde_json::Map<String, serde_json::Value> =
                error.context().iter().map(|(name, value)| (name.to_string(), value.as_str().into())).collect();
            serde_json::json!({"level": "ERROR", "kind": error.kind().name(), "message": error.to_string(), "context": context})
                .to_string()
                + "\n"
        }
    };
    // Nobody is left to tell when stderr is closed.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

fn start_log(format: LogFormat, quiet: bool) {
    let level = if quiet { tracing::Level::WARN } else { tracing::Level::INFO };
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_target(false);
    // A log that was started already stays as it is.
    let _ = match format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => {
            log.without_time().with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).try_init()
        }
    };
}

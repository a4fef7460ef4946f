//! The command line: parse, resolve, run, and decide the exit code, in one visible place.
//!
//! Results go to stdout, everything else to stderr. Exit codes are those of [`crate::base::error::ErrorKind`].
//!
//! ```text
//! args.rs               commands and flags
//! conversion_event.rs   its commands
//! explain.rs            that command
//! flags.rs              what several commands share
//! grid.rs               small tables
//! progress.rs           bars
//! sessions.rs           that command
//! sheet.rs              flags of what has columns
//! shell.rs              completions, the manual page
//! signals.rs            Ctrl-C and SIGTERM
//! terminal.rs           width, locale, colours
//! text.rs               results as text
//! what_if.rs            that command
//! ```

mod args;
mod conversion_event;
mod explain;
mod flags;
mod grid;
mod progress;
mod sessions;
mod sheet;
mod shell;
mod signals;
mod terminal;
mod text;
mod what_if;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use crate::base::error::{Error, ErrorKind, Result};
use crate::commands::insights::FetchRequest;
use crate::commands::{check, insights as fetch, plan as preview, verify};
use crate::config::Settings;
use crate::engine::select::{self, Site};
use crate::known::job::{Job, Wanted};
use crate::lake::{Environment, Lake};
use crate::report::{self, Format, ReportRequest};
use crate::run::{self, Outcome};
use args::{Cli, Command, LogFormat};
use flags::{Days, How};
use signals::Signals;

pub fn main() -> ExitCode {
    crate::base::memory::share();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not mistakes.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 });
        }
    };
    start_log(cli.log_format, cli.quiet);
    if cli.log_format == LogFormat::Text && !cli.quiet {
        progress::want();
    }
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
            let verification = with_job(&settings, Wanted::Days(days), true, |job| verify::verify(job, days))?;
            if args.json {
                print_json(&verification)?;
            } else {
                print(&text::verification(&verification))?;
            }
            Ok(verification.worst.into())
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
            let report = if args.reconcile {
                report::reconcile(&settings, &output, &request, args.format, terminal::stdout(), args.raw_csv)?
            } else {
                report::write(&settings, &output, &request, args.format, terminal::stdout(), args.raw_csv)?
            };
            for note in &report.notes {
                tracing::warn!("{note}");
            }
            write_to(args.out.as_deref(), "report", &report.bytes)?;
            Ok(Exit::Done)
        }
        Command::Insights(args) => {
            let days = args.from.zip(args.to).map(|(from, to)| Days { from, to }.range()).transpose()?;
            let request = match days {
                Some(days) if args.reach => FetchRequest::Reach(days),
                Some(days) => FetchRequest::Days(days),
                None => FetchRequest::Due,
            };
            let settings = Settings::load(&args.pipeline)?;
            let report = with_job(&settings, Wanted::Through(None), true, |job| fetch::fetch(job, request))?;
            if args.json {
                print_json(&report)?;
            } else {
                print(&text::fetched(&report))?;
            }
            Ok(report.worst.into())
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
                print(&text::findings(&report))?;
            }
            Ok(report.worst().into())
        }
        Command::ConversionEvent(args) => conversion_event::execute(args),
        Command::Completions(args) => {
            write_out(&shell::completions(args.shell))?;
            Ok(Exit::Done)
        }
        Command::Man(args) => {
            write_out(&shell::man(args.out.as_deref())?)?;
            Ok(Exit::Done)
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
    let engine = select::engine(settings.engine, Site::new(&lake, &output));
    let signals = Signals::watch()?;
    let stopped = || signals.check();
    let done = work(&Job {
        settings,
        lake: &lake,
        output: &output,
        engine: engine.as_ref(),
        wanted,
        accept_history_change,
        clock: &chrono::Utc::now,
        stopped: &stopped,
        pause: None,
        progress: &progress::show,
    });
    progress::clear();
    done
}

#[expect(clippy::disallowed_methods, reason = "what is in effect is asked for now")]
fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
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

/// To the file of --out, or to stdout.
fn write_to(out: Option<&Path>, what: &str, bytes: &[u8]) -> Result<()> {
    let Some(file) = out else { return write_out(bytes) };
    std::fs::write(file, bytes).map_err(|error| {
        Error::usage(format!("the {what} cannot be written"))
            .with("file", file.display())
            .source(error)
            .mend("give --out a path that can be written")
    })
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
    let log = tracing_subscriber::fmt().with_writer(|| progress::LogLines).with_max_level(level).with_target(false);
    // A log that was started already stays as it is.
    let _ = match format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => log.without_time().with_ansi(terminal::stderr_has_colors()).try_init(),
    };
}

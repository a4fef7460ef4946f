//! The command line: parse, resolve, run, and decide the exit code.
//!
//! Results go to stdout, everything else to stderr. A command's file has its flags, its `execute` and its text for a person.
//!
//! ```text
//! args.rs                          the command line as a whole
//! flags.rs                         flags of several commands
//! sheet.rs                         flags of what has columns
//! run.rs                           a command each
//! backfill.rs
//! plan.rs
//! verify.rs
//! report.rs
//! sessions.rs
//! explain.rs
//! what_if.rs
//! check.rs
//! init.rs
//! insights.rs
//! conversion_event/mod.rs          its commands
//! conversion_event/list.rs
//! conversion_event/categories.rs
//! conversion_event/set.rs
//! ask.rs                           questions to a person at a terminal
//! new_file.rs                      a file that is not there yet
//! shell.rs                         completions, the manual page
//! complete.rs                      the ids that a shell may offer
//! manual.rs                        what the manual page says beside the commands
//! exit.rs                          exit codes
//! machine.rs                       environment, clock, stores
//! signals.rs                       Ctrl-C and SIGTERM
//! terminal.rs                      width, locale, colours
//! stdout.rs                        where results go
//! text.rs                          texts that several results share
//! log.rs                           log lines and errors
//! progress.rs                      bars
//! ```

mod args;
mod ask;
mod backfill;
mod check;
mod complete;
mod conversion_event;
mod exit;
mod explain;
mod flags;
mod init;
mod insights;
mod log;
mod machine;
mod manual;
mod new_file;
mod plan;
mod progress;
mod report;
mod run;
mod sessions;
mod sheet;
mod shell;
mod signals;
mod stdout;
mod terminal;
mod text;
mod verify;
mod what_if;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;

use crate::base::error::{Error, Result};
use args::{Cli, Command};
use exit::Exit;

pub fn main() -> ExitCode {
    crate::base::memory::share();
    if let Some(code) = completed() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(exit::code_of_parsing(&error));
        }
    };
    log::start(cli.log_format, cli.quiet);
    // A panic is a bug of ours: its text is on stderr already, and the exit code says whose it is.
    let ended =
        std::panic::catch_unwind(|| execute(&cli.command, cli.quiet)).unwrap_or_else(|_| Err(Error::bug("the program panicked")));
    if let Err(error) = &ended {
        log::complain(cli.log_format, error);
        if cli.command.wants_json() {
            let failure = serde_json::json!({"kind": error.kind().name(), "error": error.to_string()});
            let _ = stdout::print_json(&serde_json::json!({"failures": [failure]}));
        }
    }
    ExitCode::from(exit::code(&ended))
}

/// The end of a call by which a shell asked what it may offer; none where it was no such call.
fn completed() -> Option<ExitCode> {
    let here = std::env::current_dir().ok();
    let shell = CompleteEnv::with_factory(Cli::command).var(complete::VARIABLE);
    match shell.try_complete(std::env::args_os(), here.as_deref()) {
        Ok(was_asked) => was_asked.then_some(ExitCode::SUCCESS),
        Err(error) => {
            let _ = error.print();
            Some(ExitCode::from(exit::code_of_parsing(&error)))
        }
    }
}

fn execute(command: &Command, quiet: bool) -> Result<Exit> {
    match command {
        Command::Init(args) => init::execute(args),
        Command::Run(args) => run::execute(args, quiet),
        Command::Backfill(args) => backfill::execute(args, quiet),
        Command::Plan(args) => plan::execute(args),
        Command::Verify(args) => verify::execute(args, quiet),
        Command::Report(args) => report::execute(args),
        Command::Sessions(args) => sessions::execute(args),
        Command::Explain(args) => explain::execute(args),
        Command::WhatIf(args) => what_if::execute(args),
        Command::Check(args) => check::execute(args),
        Command::Insights(args) => insights::execute(args, quiet),
        Command::ConversionEvent(args) => conversion_event::execute(args, quiet),
        Command::Completions(args) => shell::completions(args),
        Command::Man(args) => shell::man(args, Cli::command()),
    }
}

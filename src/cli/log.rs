//! Log lines and errors, to stderr.

use std::io::Write;

use clap::ValueEnum;

use crate::base::error::Error;

use super::{progress, terminal};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Starts the log, and the progress bars that stand below its lines.
pub(super) fn start(format: LogFormat, quiet: bool) {
    // What goes wrong without stopping a run is told however quiet it is to be, and what belongs to the figures of an answer.
    let level = if quiet { "error,ctwa::base::failures=warn,ctwa::cli=warn" } else { "info" };
    // What Delta's kernel has to say becomes an error of ours, or is nobody's business.
    let wanted = tracing_subscriber::EnvFilter::new(format!("{level},delta_kernel=off"));
    let log = tracing_subscriber::fmt().with_writer(|| progress::LogLines).with_env_filter(wanted).with_target(false);
    // A log that was started already stays as it is.
    let _ = match format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => log.without_time().with_ansi(terminal::stderr_has_colors()).try_init(),
    };
    if format == LogFormat::Text && !quiet {
        progress::want();
    }
}

/// Says what ended a command.
pub(super) fn complain(format: LogFormat, error: &Error) {
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

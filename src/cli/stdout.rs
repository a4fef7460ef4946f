//! Where results go: to stdout, or to the file of --out.

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use crate::base::error::{Error, ErrorKind, Result};
use crate::report::Format;

/// Prints a result for a person, or as one JSON object.
pub(super) fn print_as<T: Serialize>(json: bool, result: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
    if json { print_json(result) } else { print(text(result).as_bytes()) }
}

pub(super) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| Error::bug("a result cannot be written as JSON").source(error))?;
    text.push('\n');
    print(text.as_bytes())
}

/// Prints bytes. A reader that closes the pipe early has what it wanted.
pub(super) fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Unavailable, "the result cannot be written to stdout").source(error))
        }
        _ => Ok(()),
    }
}

/// The file of --out; none where it is left out, or `-`, which is stdout.
pub(super) fn file_of(out: Option<&Path>) -> Option<&Path> {
    out.filter(|file| *file != Path::new("-"))
}

/// The format that is named, else the one that the ending of --out stands for.
pub(super) fn format_of<F: ValueEnum + Default>(named: Option<F>, out: Option<&Path>) -> Result<F> {
    let Some(ending) = file_of(out).and_then(Path::extension).and_then(OsStr::to_str) else {
        return Ok(named.unwrap_or_default());
    };
    let format = match ending.to_ascii_lowercase().as_str() {
        "htm" => "html",
        "parq" | "pq" => "parquet",
        "txt" => "table",
        _ => ending,
    };
    named.or_else(|| F::from_str(format, true).ok()).ok_or_else(|| {
        let names: Vec<String> =
            F::value_variants().iter().filter_map(|variant| Some(variant.to_possible_value()?.get_name().to_string())).collect();
        Error::usage(format!("no format of this command goes by the ending {ending:?}"))
            .mend(format!("end --out otherwise, or add --format ({})", names.join(", ")))
    })
}

/// Writes to the file of --out where there is one, else to stdout.
pub(super) fn write_to(out: Option<&Path>, what: &str, bytes: &[u8]) -> Result<()> {
    let Some(file) = file_of(out) else { return print(bytes) };
    std::fs::write(file, bytes).map_err(|error| {
        Error::usage(format!("the {what} cannot be written"))
            .with("file", file.display())
            .source(error)
            .mend("give --out a path that can be written")
    })
}

/// A usage error where the result would go to a terminal that has no use for it.
pub(super) fn check_destination(format: Format, out: Option<&Path>) -> Result<()> {
    if format.is_for_files() && file_of(out).is_none() && std::io::stdout().is_terminal() {
        return Err(Error::usage("this format is for a file, stdout is a terminal").mend("add --out FILE"));
    }
    Ok(())
}

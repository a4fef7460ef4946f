//! How a sheet is asked for and where it goes: the flags that the commands with columns share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::base::error::Result;
use crate::report::{Format, Rendering, Sheet, SheetLayout, left_out};

use super::stdout::{check_destination, format_of, write_to};
use super::terminal;

#[derive(Args)]
pub(super) struct SheetArgs {
    /// The format of the result. Without it, the one that the ending of --out stands for, else a table.
    #[arg(long, value_enum)]
    format: Option<SheetFormat>,
    /// In CSV, write texts as they are. Without it, a text that a spreadsheet would run as a formula gets a leading apostrophe.
    #[arg(long)]
    raw_csv: bool,
    /// Write to this file instead of stdout; `-` is stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only so many rows, the first ones; what was left out is said. Without it all, but at most 200 of a table at a terminal.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum SheetFormat {
    #[default]
    Table,
    Csv,
    Json,
    /// The columns of CSV with their types.
    Parquet,
}

/// As many rows of a table are shown at a terminal where nobody said how many.
const SCREENS: usize = 200;

impl SheetArgs {
    /// A usage error where the answer would go to a terminal that has no use for it.
    pub(super) fn check(&self) -> Result<()> {
        check_destination(self.format()?, self.out.as_deref())
    }

    pub(super) fn is_table(&self) -> bool {
        self.format().is_ok_and(|format| format == Format::Table)
    }

    fn format(&self) -> Result<Format> {
        Ok(match format_of(self.format, self.out.as_deref())? {
            SheetFormat::Table => Format::Table,
            SheetFormat::Csv => Format::Csv,
            SheetFormat::Json => Format::Json,
            SheetFormat::Parquet => Format::Parquet,
        })
    }

    /// `heading` stands above a table; `spare` are the columns that a narrow terminal goes without.
    pub(super) fn write(&self, mut sheet: Sheet<'_>, heading: String, spare: &[&str], notes: &[String]) -> Result<()> {
        let style = terminal::style_of(self.out.as_deref());
        let is_at_terminal = style.at_terminal && self.is_table();
        let limit = self.limit.or(is_at_terminal.then_some(SCREENS));
        let rendering = Rendering { format: self.format()?, style, raw_csv: self.raw_csv, limit };
        let cut = sheet.cut(limit);
        let bytes = sheet.write(&SheetLayout { rendering, heading, spare, cut })?;
        let limited = left_out(cut).filter(|_| !self.is_table());
        for note in notes.iter().chain(&limited) {
            tracing::warn!("{note}");
        }
        write_to(self.out.as_deref(), "result", &bytes)
    }
}

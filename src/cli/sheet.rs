//! How a sheet is asked for and where it goes: the flags that the commands with columns share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::base::error::Result;
use crate::report::style::Style;
use crate::report::{Format, Rendering, Sheet, SheetLayout};

use super::stdout::{check_destination, write_to};
use super::terminal;

#[derive(Args)]
pub(super) struct SheetArgs {
    /// The format of the result.
    #[arg(long, value_enum, default_value_t)]
    format: SheetFormat,
    /// In CSV, write texts as they are. Without it, a text that a spreadsheet would run as a formula gets a leading apostrophe.
    #[arg(long)]
    raw_csv: bool,
    /// Write to this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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

impl SheetArgs {
    /// A usage error where the answer would go to a terminal that has no use for it.
    pub(super) fn check(&self) -> Result<()> {
        check_destination(self.format(), self.out.is_some())
    }

    pub(super) fn is_table(&self) -> bool {
        self.format == SheetFormat::Table
    }

    fn format(&self) -> Format {
        match self.format {
            SheetFormat::Table => Format::Table,
            SheetFormat::Csv => Format::Csv,
            SheetFormat::Json => Format::Json,
            SheetFormat::Parquet => Format::Parquet,
        }
    }

    /// `heading` stands above a table; `spare` are the columns that a narrow terminal goes without.
    pub(super) fn write(&self, sheet: &Sheet<'_>, heading: String, spare: &[&str], notes: &[String]) -> Result<()> {
        let style = if self.out.is_none() { terminal::stdout() } else { Style::PLAIN };
        let rendering = Rendering { format: self.format(), style, raw_csv: self.raw_csv };
        let layout = SheetLayout { rendering, heading, spare };
        let bytes = sheet.write(&layout)?;
        for note in notes {
            tracing::warn!("{note}");
        }
        write_to(self.out.as_deref(), "result", &bytes)
    }
}

//! The formats of results: a sheet, or the report, as the bytes of one of them. The page is made in `html`.

use crate::base::error::{Error, Result};

use super::model::Report;
use super::sheet::Sheet;
use super::style::Style;
use super::{batch, csv, json, sheet_table, table};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Csv,
    Json,
    /// The columns of CSV with their types.
    Parquet,
    /// One file to open in a browser: every day of the range, to look at any part of it.
    Html,
}

impl Format {
    /// Whether a terminal has no use for it.
    pub(crate) fn is_for_files(self) -> bool {
        matches!(self, Format::Parquet | Format::Html)
    }
}

/// The form in which a result is written.
#[derive(Clone, Copy, Debug)]
pub struct Rendering {
    pub format: Format,
    /// A table's.
    pub style: Style,
    /// CSV without its guard against formulas.
    pub raw_csv: bool,
    /// Only so many rows.
    pub limit: Option<usize>,
}

/// A rendering, and what a table for a terminal needs beside the sheet.
pub(crate) struct SheetLayout<'a> {
    pub rendering: Rendering,
    /// The line above the table.
    pub heading: String,
    /// The columns that a narrow terminal goes without, the first to go first.
    pub spare: &'a [&'a str],
    /// How many rows were left out.
    pub cut: usize,
}

/// What is written where the report goes, and the notes on it.
pub struct WrittenReport {
    pub bytes: Vec<u8>,
    pub notes: Vec<String>,
}

impl Sheet<'_> {
    /// Leaves out all but the first rows; how many were left out.
    pub(crate) fn cut(&mut self, limit: Option<usize>) -> usize {
        let cut = limit.map_or(0, |limit| self.rows.len().saturating_sub(limit));
        self.rows.truncate(self.rows.len() - cut);
        cut
    }

    pub(crate) fn write(&self, layout: &SheetLayout<'_>) -> Result<Vec<u8>> {
        let Rendering { format, style, raw_csv, .. } = layout.rendering;
        match format {
            Format::Table => {
                let SheetLayout { heading, spare, cut, .. } = layout;
                Ok(sheet_table::render(self, (heading, *cut), spare, style).into_bytes())
            }
            Format::Csv => csv::render(self, raw_csv),
            Format::Json => json::render(self),
            Format::Parquet => batch::render(self),
            Format::Html => Err(Error::usage("only the report is a page").mend("choose table, csv, json or parquet")),
        }
    }
}

/// The report's table has totals and a bot above its rows; every other format is the sheet's.
pub(super) fn render(report: &Report, rendering: Rendering) -> Result<Vec<u8>> {
    match rendering.format {
        Format::Table => Ok(table::render(report, rendering.style, rendering.limit).into_bytes()),
        _ => {
            let mut sheet = report.sheet();
            let cut = sheet.cut(rendering.limit);
            sheet.write(&SheetLayout { rendering, heading: String::new(), spare: &[], cut })
        }
    }
}

//! `ctwa report`: the published tables as figures per ad, in the article's columns.
//!
//! ```text
//! ad_days --columns--> Tally -+
//!                             +--meaning, figures--> ReportRow --table | csv | json | batch--> bytes
//! ads, bot_days, ad_conversions, reach --> Published --meaning, series--> days of each ad --html--> a page
//! ```
//!
//! In: the output's published tables and the pipeline's bots; nothing is recomputed from the inputs and nothing is written.
//! Out: the report, one row per (bot, ad) of the range, or per (day, bot, ad), in the form asked for.
//!
//! Order of the rows: date (day grain only); bot id by its bytes, rows without a bot last; conversations, most first; spend, most
//! first, unknown last; ad id by its bytes. So the ads that matter to a bot stand on top of it.
//!
//! Always: no amount of one currency is added to an amount of another, no reach is added to another but as a stated bound, a sum
//! that its column cannot hold is an error, and the report depends on tables, settings and request alone. What a figure means is in
//! `figures`, what a day without a row means in `meaning`.
//!
//! ```text
//! model.rs       what is asked for, and the rows that answer it
//! read.rs        from the published tables
//! many_days.rs   many days' objects, several at once
//! columns.rs     the columns that are read
//! published.rs   the published rows
//! sums.rs        figures of days, added up
//! tally.rs       stored days, added up as they are read
//! meaning.rs     what a day without a row means
//! figures.rs     the rows of the report
//! notes.rs       what the figures alone do not say
//! reconcile.rs   our conversations beside Meta's
//! what_if.rs     supposed conversions beside what was published
//! amount.rs      money as figures show it
//! sheet.rs       columns and cells, for every format
//! formats.rs     the formats
//! table.rs       as a table on a terminal
//! sheet_table.rs any sheet as one
//! grid.rs        columns laid out on a terminal
//! style.rs       texts and numbers on a terminal
//! csv.rs         as CSV
//! json.rs        as JSON
//! batch.rs       as Parquet
//! series.rs      every day of a range, packed for the page
//! html.rs        the page
//! sample.rs      what the tests share
//! ```

mod amount;
mod batch;
mod columns;
mod csv;
mod figures;
mod formats;
pub(crate) mod grid;
mod html;
mod json;
mod many_days;
mod meaning;
mod model;
mod notes;
mod published;
mod read;
mod reconcile;
mod sample;
mod series;
mod sheet;
mod sheet_table;
pub mod style;
mod sums;
mod table;
mod tally;
mod what_if;

use crate::base::error::{Error, Result};
use crate::config::{Settings, known_bot};
use crate::lake::Lake;

use model::Report;
use published::Published;
use tally::Tally;

pub(crate) use amount::Amount;
pub(crate) use formats::SheetLayout;
pub use formats::{Format, Rendering, WrittenReport};
pub(crate) use grid::left_out;
pub use model::{By, Grain, ReportRequest};
pub use reconcile::reconcile;
pub(crate) use sheet::{CellKind, Sheet, Value};
pub(crate) use what_if::{WhatIf, WhatIfRequest, what_if};

/// The report asked for, as bytes.
pub fn write(settings: &Settings, output: &Lake, request: &ReportRequest, rendering: Rendering) -> Result<WrittenReport> {
    if rendering.format == Format::Html {
        return match rendering.limit {
            Some(_) => Err(Error::usage("the page holds every ad: it has no --limit").mend("leave out --limit")),
            None => page(settings, output, request),
        };
    }
    let report = build(settings, output, request)?;
    let cut = rendering.limit.map_or(0, |limit| report.rows.len().saturating_sub(limit));
    // A table says so itself.
    let limited = left_out(cut).filter(|_| rendering.format != Format::Table);
    let bytes = formats::render(&report, rendering)?;
    Ok(WrittenReport { bytes, notes: report.notes.into_iter().chain(limited).collect() })
}

/// The report asked for. A usage error where it names a bot that the pipeline does not; not ready where no day of the range is
/// published.
fn build(settings: &Settings, output: &Lake, request: &ReportRequest) -> Result<Report> {
    known_bots(settings, request)?;
    let (published, tally) = match request.grain {
        Grain::Range => read::tallied(output, request, settings.horizon)?,
        Grain::Day => with_tally(read::published(output, request, settings.horizon)?, request),
    };
    let (rows, hidden_ads) = figures::rows(&published, &tally, &settings.bots, request)?;
    let notes = notes::notes(&published, settings, request, &rows, hidden_ads);
    Ok(Report { days: request.days, by: request.by, grain: request.grain, rows, notes })
}

/// The page: day by day what the rows of any part of the range are made of.
fn page(settings: &Settings, output: &Lake, request: &ReportRequest) -> Result<WrittenReport> {
    known_bots(settings, request)?;
    if request.grain == Grain::Day {
        return Err(Error::usage("the page holds every day: it has no --grain").mend("leave out --grain day"));
    }
    let (published, tally) = with_tally(read::published_day_by_day(output, request, settings.horizon)?, request);
    let (rows, hidden_ads) = figures::rows(&published, &tally, &settings.bots, request)?;
    let notes = notes::notes(&published, settings, request, &rows, hidden_ads);
    let series = series::pack(&published, &tally, settings, request, hidden_ads)?;
    Ok(WrittenReport { bytes: html::render(&series)?, notes })
}

fn with_tally(published: Published, request: &ReportRequest) -> (Published, Tally) {
    let tally = Tally::of(&published.ad_days, request.days);
    (published, tally)
}

fn known_bots(settings: &Settings, request: &ReportRequest) -> Result<()> {
    request.bots.iter().try_for_each(|bot| known_bot(settings, bot))
}

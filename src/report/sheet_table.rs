//! A sheet as a table on a terminal: all cells on one line, titles shortened first, then whole columns left out.

use super::grid::{Content, Grid, Head, left_out, no_room, page_of};
use super::sheet::{CellKind, Sheet, Value};
use super::style::{Style, visible};

/// A sheet for a person: all texts on one line, titles shortened where there is no room, then whole columns left out, in the
/// order of `spare`, and then from the right. `cut` rows are not among its rows.
pub(super) fn render(sheet: &Sheet<'_>, (heading, cut): (&str, usize), spare: &[&str], style: Style) -> String {
    let head = |(name, kind): &(&'static str, CellKind)| Head { lines: name.split('_').collect(), content: content(name, *kind) };
    let heads: Vec<Head> = sheet.columns.iter().map(head).collect();
    let cell = |((name, _), value): (&(&'static str, CellKind), &Value<'_>)| shown_cell(name, value, style);
    let rows = sheet.rows.iter().map(|row| sheet.columns.iter().zip(row).map(cell).collect());
    let place = |wanted: &str| sheet.columns.iter().position(|(name, _)| *name == wanted);
    let first: Vec<usize> = spare.iter().filter_map(|name| place(name)).collect();
    let others: Vec<usize> = (1..heads.len()).rev().filter(|at| !first.contains(at)).collect();
    let mut grid = Grid::new(&heads, rows);
    let hidden = grid.hide_until(style.line_width(), first.into_iter().chain(others));
    let names: Vec<String> = hidden.into_iter().map(|at| sheet.columns[at].0.to_string()).collect();
    let lines = grid.lines(style.line_width(), 0);
    let body = [lines.header, vec![lines.rule], lines.rows].concat();
    page_of(heading, &body, &[no_room(&names), left_out(cut)], Style { colors: false, ..style })
}

fn content(column: &str, kind: CellKind) -> Content {
    match kind {
        CellKind::Count | CellKind::Amount => Content::Number,
        CellKind::Text if column == "ad_title" => Content::LongText,
        CellKind::Text | CellKind::Day | CellKind::Instant => Content::Text,
    }
}

fn shown_cell(column: &str, value: &Value<'_>, style: Style) -> String {
    match value {
        Value::Null => "-".to_string(),
        Value::Day(day) => day.to_string(),
        Value::Text(text) => visible(text),
        Value::Count(count) => style.numerals.write(&count.to_string()),
        Value::Amount(amount) if !style.at_terminal => style.numerals.write(&amount.short()),
        Value::Amount(amount) if column.contains("rate") => style.numerals.write(&amount.per_cent()),
        Value::Amount(amount) if column.contains("cost") => style.numerals.write(&amount.rounded()),
        Value::Amount(amount) => style.numerals.write(&amount.short()),
        Value::Instant { local, .. } => {
            let minute = local.get(..16).filter(|_| style.at_terminal);
            minute.unwrap_or(local).replace('T', " ")
        }
    }
}

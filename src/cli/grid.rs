//! A small table for a terminal: numbers to the right, as wide as the terminal, the longest texts shortened first.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, Row, Table, Width, presets};

use crate::report::style::{Look, visible};

pub(super) struct Column {
    pub header: &'static str,
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Shown whole.
    Text,
    /// Shortened where there is no room.
    Long,
    Number,
}

const GAP: usize = 2;
const LONG_MIN: usize = 12;

/// Lines of a header, a rule and the rows.
pub(super) fn lines(columns: &[Column], rows: &[Vec<String>], look: Look) -> Vec<String> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_truncation_indicator("…");
    table.set_header(columns.iter().map(|column| Cell::new(column.header)));
    for row in rows {
        let cell = |(column, text): (&Column, &String)| match column.kind {
            Kind::Number => look.numerals.write(text),
            Kind::Text | Kind::Long => visible(text),
        };
        let mut row = Row::from(columns.iter().zip(row).map(cell).collect::<Vec<String>>());
        row.max_height(1);
        table.add_row(row);
    }
    let mut widths: Vec<usize> = table.column_max_content_widths().into_iter().map(usize::from).collect();
    let room = look.columns().saturating_sub(GAP * columns.len().saturating_sub(1));
    while widths.iter().sum::<usize>() > room
        && let Some((i, _)) = columns
            .iter()
            .enumerate()
            .filter(|(i, column)| column.kind == Kind::Long && widths[*i] > LONG_MIN)
            .max_by_key(|(i, _)| widths[*i])
    {
        widths[i] -= 1;
    }
    let last = columns.len().saturating_sub(1);
    for (i, column) in table.column_iter_mut().enumerate() {
        let gap = if i == last { 0 } else { GAP };
        column.set_padding((0, gap as u16));
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed((widths[i] + gap) as u16)));
        if columns[i].kind == Kind::Number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_string()).collect();
    if let Some(header) = lines.first_mut() {
        *header = look.heading(header);
    }
    lines.insert(1.min(lines.len()), look.faint(&"─".repeat(widths.iter().sum::<usize>() + GAP * last)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { header: "bot", kind: Kind::Text },
        Column { header: "category", kind: Kind::Long },
        Column { header: "events", kind: Kind::Number },
    ];

    fn shown(width: u16) -> Vec<String> {
        let row = |cells: [&str; 3]| cells.map(str::to_string).to_vec();
        let rows = [row(["shop", "a category with\na long \u{1b}name", "1234"]), row(["loja", "é", "7"])];
        lines(&COLUMNS, &rows, Look { width: Some(width), ..Look::PLAIN })
    }

    #[test]
    fn as_wide_as_the_terminal_where_that_can_be() {
        assert_eq!(
            shown(80),
            [
                "bot   category                      events",
                "──────────────────────────────────────────",
                "shop  a category with a long \u{fffd}name    1234",
                "loja  é                                  7",
            ]
        );
        for (width, expected) in [(30, 30), (10, 26)] {
            let widest = shown(width).iter().map(|line| line.chars().count()).max();
            assert_eq!(widest, Some(expected), "{:#?}", shown(width));
        }
    }
}

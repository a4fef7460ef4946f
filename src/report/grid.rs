//! Columns of texts laid out on a terminal: numbers to the right, long texts shortened where there is no room, then whole columns
//! left out.
//!
//! In: heads and cells that are shown as they are, without line ends. Out: a line per row. Only long texts are shortened, so ids,
//! money and counts are whole or their column is left out.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, Row, Table, Width, presets};

use super::style::{Style, counted, visible};

const GAP: usize = 2;
/// Others go before a long text gets shorter than this.
const LONG_TEXT_WIDTH: usize = 12;
/// It is left out rather than made shorter still.
const LONG_TEXT_WIDTH_MIN: usize = 8;

/// What the cells of a column hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Shown whole.
    Text,
    /// Shortened where there is no room.
    LongText,
    Number,
}

/// The head of a column, line by line.
pub(super) struct Head<'a> {
    pub lines: Vec<&'a str>,
    pub content: Content,
}

/// The cells as `comfy-table` lays them out, a line each but for the header.
pub(super) struct Grid {
    table: Table,
    contents: Vec<Content>,
    widths: Vec<usize>,
    header_lines: Vec<usize>,
    /// The places of the columns that are not left out.
    shown: Vec<usize>,
}

/// One line per row; the rule stands between the header and the rows, and between these and the totals.
pub(super) struct Lines {
    pub header: Vec<String>,
    pub rule: String,
    pub rows: Vec<String>,
    pub totals: Vec<String>,
}

impl Grid {
    pub(super) fn new(heads: &[Head<'_>], rows: impl Iterator<Item = Vec<String>>) -> Grid {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_truncation_indicator("…");
        table.set_header(heads.iter().map(|head| Cell::new(head.lines.join("\n"))));
        for cells in rows {
            let mut row = Row::from(cells);
            row.max_height(1);
            table.add_row(row);
        }
        for (column, head) in table.column_iter_mut().zip(heads) {
            if head.content == Content::Number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Grid {
            contents: heads.iter().map(|head| head.content).collect(),
            widths: table.column_max_content_widths().into_iter().map(usize::from).collect(),
            header_lines: heads.iter().map(|head| head.lines.len()).collect(),
            shown: (0..heads.len()).collect(),
            table,
        }
    }

    /// Leaves out columns in this order until the rest have room; those left out.
    pub(super) fn hide_until(&mut self, width: usize, spare: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut hidden = Vec::new();
        for place in spare {
            let is_long_text = self.contents[place] == Content::LongText;
            if self.width_min(if is_long_text { LONG_TEXT_WIDTH_MIN } else { LONG_TEXT_WIDTH }) <= width {
                break;
            }
            self.shown.retain(|shown| *shown != place);
            if let Some(column) = self.table.column_mut(place) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
            hidden.push(place);
        }
        hidden
    }

    /// Whether it has room with long texts as short as they may get.
    pub(super) fn fits(&self, width: usize) -> bool {
        self.width_min(LONG_TEXT_WIDTH_MIN) <= width
    }

    /// The width with long texts so short.
    fn width_min(&self, long_text: usize) -> usize {
        let least = |place: &usize| match self.contents[*place] {
            Content::LongText => self.widths[*place].min(long_text),
            Content::Text | Content::Number => self.widths[*place],
        };
        self.shown.iter().map(least).sum::<usize>() + self.gaps()
    }

    fn width(&self) -> usize {
        self.shown.iter().map(|place| self.widths[*place]).sum::<usize>() + self.gaps()
    }

    fn gaps(&self) -> usize {
        GAP * self.shown.len().saturating_sub(1)
    }

    /// Shortens long texts, the widest first, until all columns have room.
    fn shorten_until(&mut self, width: usize) {
        let can_shrink =
            |grid: &Grid, place: &usize| grid.contents[*place] == Content::LongText && grid.widths[*place] > LONG_TEXT_WIDTH_MIN;
        while self.width() > width
            && let Some(widest) =
                self.shown.iter().copied().filter(|place| can_shrink(self, place)).max_by_key(|place| self.widths[*place])
        {
            self.widths[widest] -= 1;
        }
    }

    /// The lines, of which the last `totals` rows are totals.
    pub(super) fn lines(mut self, width: usize, totals: usize) -> Lines {
        self.shorten_until(width);
        for place in &self.shown {
            let gap = if Some(place) == self.shown.last() { 0 } else { GAP };
            let Some(column) = self.table.column_mut(*place) else { continue };
            column.set_padding((0, gap as u16));
            if self.contents[*place] == Content::LongText {
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed((self.widths[*place] + gap) as u16)));
            }
        }
        let mut header: Vec<String> = self.table.lines().map(|line| line.trim_end().to_string()).collect();
        let header_lines = self.shown.iter().map(|place| self.header_lines[*place]).max().unwrap_or(0);
        let mut rows = header.split_off(header_lines);
        let totals = rows.split_off(rows.len() - totals);
        Lines { header, rule: "─".repeat(self.width()), rows, totals }
    }
}

/// What is said of columns that there is no room for.
pub(super) fn no_room(columns: &[String]) -> Option<String> {
    (!columns.is_empty()).then(|| format!("no room for: {} (--format csv has every column)", columns.join(", ")))
}

/// What is said of rows that were left out.
pub(crate) fn left_out(rows: usize) -> Option<String> {
    let rows = (rows > 0).then(|| counted(rows, "more row is", "more rows are"));
    rows.map(|rows| format!("{rows} left out: --limit N shows N, and --format csv --out FILE keeps all"))
}

/// A heading, the lines of a table, and notes on what is not there.
pub(super) fn page_of(heading: &str, lines: &[String], notes: &[Option<String>], style: Style) -> String {
    let mut text = format!("{}\n\n{}\n", style.lines(heading).join("\n"), lines.join("\n"));
    for note in notes.iter().flatten() {
        let note: Vec<String> = style.lines(note).iter().map(|line| style.faint(line)).collect();
        text.push_str(&format!("\n{}\n", note.join("\n")));
    }
    text
}

/// A small table: its header, a rule and its rows. `spare` are the places of columns that a narrow terminal goes without; a last line
/// names those.
pub(crate) fn small_table(columns: &[(&str, Content)], rows: &[Vec<String>], spare: &[usize], style: Style) -> Vec<String> {
    let heads: Vec<Head> = columns.iter().map(|(head, content)| Head { lines: vec![head], content: *content }).collect();
    let cell = |((_, content), text): (&(&str, Content), &String)| match content {
        Content::Number => style.numerals.write(text),
        Content::Text | Content::LongText => visible(text),
    };
    let cells = rows.iter().map(|row| columns.iter().zip(row).map(cell).collect());
    let mut grid = Grid::new(&heads, cells);
    let hidden = grid.hide_until(style.line_width(), spare.iter().copied());
    let lines = grid.lines(style.line_width(), 0);
    let header = lines.header.iter().map(|line| style.heading(line));
    let left_out = hidden.iter().map(|place| columns[*place].0).collect::<Vec<_>>().join(", ");
    let note = (!hidden.is_empty()).then(|| style.faint(&format!("no room for: {left_out} (--json has it)")));
    header.chain([style.faint(&lines.rule)]).chain(lines.rows).chain(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [(&str, Content); 3] = [("bot", Content::Text), ("category", Content::LongText), ("events", Content::Number)];

    fn shown(width: u16) -> Vec<String> {
        let row = |cells: [&str; 3]| cells.map(str::to_string).to_vec();
        let rows = [row(["shop", "a category with\na long \u{1b}name", "1234"]), row(["loja", "é", "7"])];
        small_table(&COLUMNS, &rows, &[], Style { width: Some(width), ..Style::PLAIN })
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
        for (width, expected) in [(30, 30), (10, 22)] {
            let widest = shown(width).iter().map(|line| line.chars().count()).max();
            assert_eq!(widest, Some(expected), "{:#?}", shown(width));
        }
    }
}

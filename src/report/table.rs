//! The report for a person at a terminal: as wide as the terminal, numbers to the right, NULL as `-`.
//!
//! A line above says what is shown. Ids, money and counts are never cut: where they do not fit, titles are shortened first, then
//! whole columns are left out, and a line below names them. Both bounds of an unknown reach stand in its column as `10..30`. A
//! bot's id stands above its rows, in the first line where all rows share it, and is a column only with day grain. Columns of
//! unknown days appear only where they are not 0 throughout.
//!
//! Totals stand below, a line per currency, `-` being the ads of unknown currency: spend, conversations, conversions, each the
//! sum of what is known. Reach has no total (rule 15), and no line adds two currencies.
//!
//! Titles are written by strangers: characters that steer a terminal or turn the direction of writing are shown as `�`. On a
//! terminal numbers are written as its locale does.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, ColumnConstraint, Row, Table, Width, presets};

use crate::report::style::{Look, Numerals, visible};

use super::{Amount, By, Grain, Kind, Report, ReportRow, Sheet, Value};

const GAP: usize = 2;
const TITLE_WIDTH_MIN: usize = 12;

struct Column {
    /// One line of the header each.
    header: &'static [&'static str],
    /// The column's place in the order in which columns are left out; none when it never is.
    spare: Option<u8>,
    is_number: bool,
    cell: fn(&ReportRow) -> String,
    total: fn(&Total) -> String,
}

impl Column {
    const fn text(header: &'static [&'static str], cell: fn(&ReportRow) -> String) -> Column {
        Column { header, spare: None, is_number: false, cell, total: |_| String::new() }
    }

    const fn number(header: &'static [&'static str], cell: fn(&ReportRow) -> String) -> Column {
        Column { is_number: true, ..Column::text(header, cell) }
    }

    const fn spare(self, place: u8) -> Column {
        Column { spare: Some(place), ..self }
    }

    const fn total(self, total: fn(&Total) -> String) -> Column {
        Column { total, ..self }
    }

    fn name(&self) -> String {
        self.header.join(" ").replace("- ", "")
    }
}

const TITLE: &[&str] = &["title"];

/// What is known of one currency.
#[derive(Default)]
struct Total {
    currency: Option<String>,
    spend: Option<Amount>,
    conversations: i64,
    conversions: Option<i64>,
}

pub(super) fn render(report: &Report, look: Look) -> String {
    let width = look.columns();
    let only_bot = match report.rows.split_first() {
        Some((first, rest)) if rest.iter().all(|row| row.bot_id == first.bot_id) => first.bot_id.as_deref(),
        _ => None,
    };
    let mut text = format!("{}, conversions by {}", report.days, by(report.by));
    if let Some(bot_id) = only_bot {
        text.push_str(&format!(", bot {}", visible(bot_id)));
    }
    text.push_str("\n\n");
    if report.rows.is_empty() {
        text.push_str("no ad has a figure to show\n");
        return text;
    }

    let bot_is_column = report.grain == Grain::Day && only_bot.is_none();
    let columns = columns(report, bot_is_column);
    let mut spare: Vec<(u8, usize)> =
        columns.iter().enumerate().filter_map(|(place, column)| Some((column.spare?, place))).collect();
    spare.sort_unstable();
    let totals = totals(&report.rows);
    let mut grid = Grid::new(&columns, &report.rows, &totals, look.numerals);
    let hidden = grid.hide_until(width, spare.into_iter().map(|(_, place)| place));
    let left_out: Vec<String> = hidden.into_iter().map(|place| columns[place].name()).collect();
    let mut lines = grid.lines(width, totals.len());
    if only_bot.is_none() && !bot_is_column {
        name_bots(&mut lines.rows, &report.rows, look);
    }
    let styled = |lines: &mut Vec<String>, style: fn(Look, &str) -> String| {
        lines.iter_mut().for_each(|line| *line = style(look, line.trim_end()));
    };
    styled(&mut lines.header, Look::heading);
    styled(&mut lines.totals, Look::heading);
    for line in lines.header.iter().chain(&lines.rows).chain(&lines.totals) {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if !left_out.is_empty() {
        let note = format!("no room for: {} (--format csv has every column)", left_out.join(", "));
        text.push_str(&format!("\n{}\n", look.faint(&note)));
    }
    text
}

/// Puts a bot's id above the first of its rows.
fn name_bots(lines: &mut Vec<String>, rows: &[ReportRow], look: Look) {
    let is_first = |i: &usize| *i == 0 || rows[*i].bot_id != rows[*i - 1].bot_id;
    for i in (0..rows.len()).rev().filter(is_first) {
        lines.insert(i, look.heading(&rows[i].bot_id.as_deref().map_or("no bot".to_string(), visible)));
        if i > 0 {
            lines.insert(i, String::new());
        }
    }
}

fn by(by: By) -> &'static str {
    match by {
        By::ConversionDay => "conversion day",
        By::ConversationDay => "conversation day",
    }
}

fn columns(report: &Report, bot_is_column: bool) -> Vec<Column> {
    let mut columns = Vec::new();
    if report.grain == Grain::Day {
        columns.push(Column::text(&["date"], |row| row.date.map_or("-".to_string(), |day| day.to_string())));
    }
    if bot_is_column {
        columns.push(Column::text(&["bot"], |row| text(&row.bot_id)));
    }
    columns.push(Column::text(&["ad"], |row| visible(&row.ad_id)).total(|_| "total".to_string()));
    columns.push(Column::text(TITLE, |row| text(&row.ad_title)).spare(5));
    columns.push(Column::text(&["type"], |row| text(&row.ad_type)).spare(0));
    columns.push(Column::text(&["cur-", "rency"], |row| text(&row.currency)).total(|total| text(&total.currency)));
    columns.push(Column::number(&["spend"], |row| amount(row.spend)).total(|total| amount(total.spend)));
    columns.push(Column::number(&["reach"], reach).spare(2));
    columns.push(
        Column::number(&["conver-", "sations"], |row| row.conversations.to_string())
            .total(|total| total.conversations.to_string()),
    );
    columns.push(Column::number(&["cost per", "conver-", "sation"], |row| amount(row.cost_per_conversation)));
    columns.push(Column::number(&["conver-", "sions"], |row| count(row.conversions)).total(|total| count(total.conversions)));
    columns.push(Column::number(&["cost per", "conver-", "sion"], |row| amount(row.cost_per_conversion)));
    columns.push(Column::number(&["conver-", "sion", "rate"], |row| amount(row.conversion_rate)).spare(3));
    if report.rows.iter().any(|row| row.spend_unknown_days != 0) {
        columns.push(Column::number(&["spend", "unknown", "days"], |row| row.spend_unknown_days.to_string()).spare(4));
    }
    if report.rows.iter().any(|row| row.unconfigured_days != 0) {
        columns.push(Column::number(&["uncon-", "figured", "days"], |row| row.unconfigured_days.to_string()).spare(1));
    }
    columns
}

fn text(text: &Option<String>) -> String {
    text.as_deref().map_or("-".to_string(), visible)
}

fn count(count: Option<i64>) -> String {
    count.map_or("-".to_string(), |count| count.to_string())
}

fn amount(amount: Option<Amount>) -> String {
    amount.map_or("-".to_string(), Amount::short)
}

fn reach(row: &ReportRow) -> String {
    match (row.reach, row.reach_min, row.reach_max) {
        (Some(reach), _, _) => reach.to_string(),
        (None, Some(min), Some(max)) => format!("{min}..{max}"),
        _ => "-".to_string(),
    }
}

/// By currency, the unknown one last.
fn totals(rows: &[ReportRow]) -> Vec<Total> {
    let mut totals: BTreeMap<(bool, Option<&str>), Total> = BTreeMap::new();
    for row in rows {
        let currency = row.currency.as_deref();
        let total = totals.entry((currency.is_none(), currency)).or_default();
        total.currency = row.currency.clone();
        total.conversations += row.conversations;
        if let Some(spend) = row.spend {
            total.spend = Some(Amount(total.spend.map_or(0, |sum| sum.0) + spend.0));
        }
        if let Some(conversions) = row.conversions {
            *total.conversions.get_or_insert(0) += conversions;
        }
    }
    totals.into_values().collect()
}

/// A column's header, line by line.
struct Head<'a> {
    lines: Vec<&'a str>,
    is_number: bool,
}

/// A sheet for a person: all texts on one line, titles shortened where there is no room, then whole columns left out, in the
/// order of `spare`.
pub(super) fn sheet(sheet: &Sheet<'_>, heading: &str, spare: &[&str], look: Look) -> String {
    let width = look.columns();
    let is_number = |kind| matches!(kind, Kind::Count | Kind::Amount);
    let head = |(name, kind): &(&'static str, Kind)| Head { lines: name.split('_').collect(), is_number: is_number(*kind) };
    let heads: Vec<Head> = sheet.columns.iter().map(head).collect();
    let lines = sheet.rows.iter().map(|row| row.iter().map(|cell| shown_cell(cell, look.numerals)).collect());
    let place = |wanted: &str| sheet.columns.iter().position(|(name, _)| *name == wanted);
    let mut grid = Grid::of(&heads, lines, place("ad_title"));
    let hidden = grid.hide_until(width, spare.iter().filter_map(|name| place(name)));
    let left_out: Vec<&str> = hidden.into_iter().map(|place| sheet.columns[place].0).collect();
    let lines = grid.lines(width, 0);
    let mut text = format!("{heading}\n\n");
    for line in [lines.header, lines.rows].concat() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if !left_out.is_empty() {
        text.push_str(&format!("\nno room for: {} (--format csv has every column)\n", left_out.join(", ")));
    }
    text
}

fn shown_cell(value: &Value<'_>, numerals: Numerals) -> String {
    match value {
        Value::Null => "-".to_string(),
        Value::Day(day) => day.to_string(),
        Value::Text(text) => visible(text),
        Value::Count(count) => numerals.write(&count.to_string()),
        Value::Amount(amount) => numerals.write(&amount.short()),
        Value::Instant { local, .. } => local.replace('T', " "),
    }
}

/// The cells as `comfy-table` lays them out, a line each but for the header.
struct Grid {
    table: Table,
    widths: Vec<usize>,
    header_lines: Vec<usize>,
    /// The places of the columns that are not hidden.
    shown: Vec<usize>,
    title: Option<usize>,
}

impl Grid {
    fn new(columns: &[Column], rows: &[ReportRow], totals: &[Total], numerals: Numerals) -> Grid {
        let heads: Vec<Head> =
            columns.iter().map(|column| Head { lines: column.header.to_vec(), is_number: column.is_number }).collect();
        let is_plain = numerals == Numerals::PLAIN;
        let written = |column: &Column, cell: String| if column.is_number && !is_plain { numerals.write(&cell) } else { cell };
        let of_rows = rows.iter().map(|row| columns.iter().map(|column| written(column, (column.cell)(row))).collect());
        let of_totals = totals.iter().map(|total| columns.iter().map(|column| written(column, (column.total)(total))).collect());
        Grid::of(&heads, of_rows.chain(of_totals), columns.iter().position(|column| column.header == TITLE))
    }

    /// `title` is the column that may be shortened.
    fn of(heads: &[Head<'_>], lines: impl Iterator<Item = Vec<String>>, title: Option<usize>) -> Grid {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_truncation_indicator("…");
        table.set_header(heads.iter().map(|head| Cell::new(head.lines.join("\n"))));
        for cells in lines {
            let mut line = Row::from(cells);
            line.max_height(1);
            table.add_row(line);
        }
        for (column, head) in table.column_iter_mut().zip(heads) {
            if head.is_number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let widths = table.column_max_content_widths().into_iter().map(usize::from).collect();
        let header_lines = heads.iter().map(|head| head.lines.len()).collect();
        Grid { table, widths, header_lines, shown: (0..heads.len()).collect(), title }
    }

    /// Leaves out columns in this order until the rest have room; those left out.
    fn hide_until(&mut self, width: usize, spare: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut hidden = Vec::new();
        for place in spare {
            if self.width_min() <= width {
                break;
            }
            self.shown.retain(|shown| *shown != place);
            self.title = self.title.filter(|title| *title != place);
            if let Some(column) = self.table.column_mut(place) {
                column.set_constraint(ColumnConstraint::Hidden);
            }
            hidden.push(place);
        }
        hidden
    }

    /// Of everything but the title.
    fn width_fixed(&self) -> usize {
        let fixed: usize = self.shown.iter().filter(|i| Some(**i) != self.title).map(|i| self.widths[*i]).sum();
        fixed + self.gaps()
    }

    fn gaps(&self) -> usize {
        GAP * (self.shown.len() - 1)
    }

    /// With the title as short as it may get.
    fn width_min(&self) -> usize {
        self.width_fixed() + self.title.map_or(0, |title| self.widths[title].min(TITLE_WIDTH_MIN))
    }

    fn lines(mut self, width: usize, totals: usize) -> Lines {
        let room = width.saturating_sub(self.width_fixed()).max(TITLE_WIDTH_MIN);
        for place in &self.shown {
            let gap = if Some(place) == self.shown.last() { 0 } else { GAP };
            let Some(column) = self.table.column_mut(*place) else { continue };
            column.set_padding((0, gap as u16));
            if Some(*place) == self.title {
                self.widths[*place] = self.widths[*place].min(room);
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed((self.widths[*place] + gap) as u16)));
            }
        }
        let rule = "─".repeat(self.shown.iter().map(|i| self.widths[*i]).sum::<usize>() + self.gaps());
        let header_lines = self.shown.iter().map(|i| self.header_lines[*i]).max().unwrap_or(0);
        let mut header: Vec<String> = self.table.lines().collect();
        let mut rows = header.split_off(header_lines);
        let mut totals = rows.split_off(rows.len() - totals);
        header.push(rule.clone());
        totals.insert(0, rule);
        Lines { header, rows, totals }
    }
}

/// Header and totals with the rule between them and the rows; one line per row.
struct Lines {
    header: Vec<String>,
    rows: Vec<String>,
    totals: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn rows() -> Vec<ReportRow> {
        let es = ReportRow {
            bot_id: Some("shop-es".to_string()),
            ad_id: "120226305854810727".to_string(),
            ad_title: Some("Rebajas de verano: hasta el cincuenta por ciento en toda la tienda, solo esta semana".to_string()),
            currency: Some("EUR".to_string()),
            spend: Some(Amount(1_234_567_891)),
            reach: Some(1500),
            conversions: Some(2),
            conversion_rate: Some(Amount(500_000)),
            spend_unknown_days: 1,
            unconfigured_days: 0,
            ..sample::row()
        };
        let post = ReportRow { currency: None, spend: None, conversations: 1, ..sample::row() };
        vec![sample::row(), ReportRow { conversions: Some(1), ..sample::row() }, post, es]
    }

    fn shown(width: u16, rows: Vec<ReportRow>) -> String {
        render(&sample::report(Grain::Range, rows), Look { width: Some(width), ..Look::PLAIN })
    }

    #[test]
    fn numbers_to_the_right_null_as_a_dash_and_totals_per_currency() {
        let text = shown(112, rows());
        let expected = "\
2026-03-01..2026-03-03, conversions by conversion day

ad                  title             cur-         spend  conver-  cost per  conver-  cost per  conver-    spend
                                      rency               sations   conver-    sions   conver-     sion  unknown
                                                                     sation               sion     rate     days
────────────────────────────────────────────────────────────────────────────────────────────────────────────────
shop-br
120226305854810726  Promoção          BRL          12.50        4     3.125        -         -        -        0
120226305854810726  Promoção          BRL          12.50        4     3.125        1         -        -        0
120226305854810726  Promoção          -                -        1     3.125        -         -        -        0

shop-es
120226305854810727  Rebajas de…       EUR    1234.567891        4     3.125        2         -     0.50        1
────────────────────────────────────────────────────────────────────────────────────────────────────────────────
total                                 BRL          25.00        8                  1
total                                 EUR    1234.567891        4                  2
total                                 -                -        1                  -

no room for: type, unconfigured days, reach (--format csv has every column)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn every_width_keeps_ids_and_money_whole() {
        for width in [20, 60, 80, 100, 120, 200] {
            let text = shown(width, rows());
            for whole in ["120226305854810727", "1234.567891", "shop-es"] {
                assert!(text.contains(whole), "{width}: {whole}\n{text}");
            }
            let table = text.lines().filter(|line| !line.contains("no room"));
            let widest = table.map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= usize::from(width.max(90)), "{width}: {widest}\n{text}");
            assert_eq!(text.contains("no room for"), width < 140, "{width}\n{text}");
        }
    }

    #[test]
    fn a_bot_that_all_rows_share_stands_above() {
        let text = shown(120, vec![sample::row(), sample::row()]);
        assert!(text.starts_with("2026-03-01..2026-03-03, conversions by conversion day, bot shop-br\n"), "{text}");
        assert_eq!(text.matches("shop-br").count(), 1, "{text}");
    }

    #[test]
    fn totals_never_add_two_currencies() {
        let totals = totals(&rows());
        let said: Vec<_> = totals.iter().map(|t| (text(&t.currency), amount(t.spend), t.conversations, t.conversions)).collect();
        assert_eq!(
            said,
            [
                ("BRL".to_string(), "25.00".to_string(), 8, Some(1)),
                ("EUR".to_string(), "1234.567891".to_string(), 4, Some(2)),
                ("-".to_string(), "-".to_string(), 1, None),
            ]
        );
    }

    #[test]
    fn titles_cannot_steer_the_terminal() {
        let text = shown(120, vec![ReportRow { ad_title: Some("x\u{1b}]0;t\u{7}\ny".to_string()), ..sample::row() }]);
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    }

    #[test]
    fn a_terminal_gets_its_locale_and_colours_and_the_same_layout() {
        let look = Look { width: Some(112), numerals: Numerals::of_locale("pt_BR.UTF-8"), colors: true };
        let text = render(&sample::report(Grain::Range, rows()), look);
        for written in ["1.234,567891", "12,50", "\u{1b}[1mshop-es\u{1b}[0m", "120226305854810727"] {
            assert!(text.contains(written), "{written}\n{text}");
        }
        let plain = Look { colors: false, ..look };
        let bare = ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"].iter().fold(text, |text, code| text.replace(code, ""));
        assert_eq!(bare, render(&sample::report(Grain::Range, rows()), plain));
    }

    #[test]
    fn nothing_to_show_says_so() {
        assert!(shown(80, Vec::new()).ends_with("\n\nno ad has a figure to show\n"));
    }
}

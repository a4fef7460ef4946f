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

use super::amount::Amount;
use super::grid::{Content, Grid, Head};
use super::model::{By, Grain, Report, ReportRow};
use super::sheet::{CellKind, Sheet, Value};
use super::style::{Numerals, Style, visible};

struct TableColumn {
    /// One line of the header each.
    header: &'static [&'static str],
    /// The column's place in the order in which columns are left out; none when it never is.
    spare: Option<u8>,
    content: Content,
    cell: fn(&ReportRow) -> String,
    total: fn(&Total) -> String,
}

impl TableColumn {
    const fn text(header: &'static [&'static str], cell: fn(&ReportRow) -> String) -> TableColumn {
        TableColumn { header, spare: None, content: Content::Text, cell, total: |_| String::new() }
    }

    const fn number(header: &'static [&'static str], cell: fn(&ReportRow) -> String) -> TableColumn {
        TableColumn { content: Content::Number, ..TableColumn::text(header, cell) }
    }

    /// A text from outside, which may be long.
    const fn long(self) -> TableColumn {
        TableColumn { content: Content::LongText, ..self }
    }

    const fn spare(self, place: u8) -> TableColumn {
        TableColumn { spare: Some(place), ..self }
    }

    const fn total(self, total: fn(&Total) -> String) -> TableColumn {
        TableColumn { total, ..self }
    }

    fn name(&self) -> String {
        self.header.join(" ").replace("- ", "")
    }
}

/// What is known of one currency. The sum of what fits a row may not fit one.
#[derive(Default)]
struct Total {
    currency: Option<String>,
    spend: Option<Amount>,
    conversations: i128,
    conversions: Option<i128>,
}

pub(super) fn render(report: &Report, style: Style) -> String {
    let only_bot = match report.rows.split_first() {
        Some((first, rest)) if rest.iter().all(|row| row.bot_id == first.bot_id) => first.bot_id.as_deref(),
        _ => None,
    };
    let of_bot = only_bot.map_or(String::new(), |bot_id| format!(", bot {}", visible(bot_id)));
    let heading = format!("{}, conversions by {}{of_bot}", report.days, by(report.by));
    if report.rows.is_empty() {
        return format!("{heading}\n\nno ad has a figure to show\n");
    }
    let bot_is_column = report.grain == Grain::Day && only_bot.is_none();
    let columns = columns(report, bot_is_column);
    let mut spare: Vec<(u8, usize)> =
        columns.iter().enumerate().filter_map(|(place, column)| Some((column.spare?, place))).collect();
    spare.sort_unstable();
    let totals = totals(&report.rows);
    let mut grid = grid(&columns, &report.rows, &totals, style.numerals);
    let hidden = grid.hide_until(style.line_width(), spare.into_iter().map(|(_, place)| place));
    let left_out: Vec<String> = hidden.into_iter().map(|place| columns[place].name()).collect();
    let mut lines = grid.lines(style.line_width(), totals.len());
    if only_bot.is_none() && !bot_is_column {
        name_bots(&mut lines.rows, &report.rows, style);
    }
    let bold = |plain: Vec<String>| plain.into_iter().map(|line| style.heading(&line)).collect::<Vec<_>>();
    let rule = style.heading(&lines.rule);
    let body = [bold(lines.header), vec![rule.clone()], lines.rows, vec![rule], bold(lines.totals)].concat();
    page_of(&heading, &body, &left_out, style)
}

/// A heading, the lines of a table, and what there was no room for.
fn page_of(heading: &str, lines: &[String], left_out: &[String], style: Style) -> String {
    let mut text = format!("{heading}\n\n{}\n", lines.join("\n"));
    if !left_out.is_empty() {
        let note = format!("no room for: {} (--format csv has every column)", left_out.join(", "));
        text.push_str(&format!("\n{}\n", style.faint(&note)));
    }
    text
}

fn grid(columns: &[TableColumn], rows: &[ReportRow], totals: &[Total], numerals: Numerals) -> Grid {
    let head = |column: &TableColumn| Head { lines: column.header.to_vec(), content: column.content };
    let is_plain = numerals == Numerals::PLAIN;
    let written = |column: &TableColumn, cell: String| match column.content {
        Content::Number if !is_plain => numerals.write(&cell),
        _ => cell,
    };
    let of_rows = rows.iter().map(|row| columns.iter().map(|column| written(column, (column.cell)(row))).collect());
    let of_totals = totals.iter().map(|total| columns.iter().map(|column| written(column, (column.total)(total))).collect());
    Grid::new(&columns.iter().map(head).collect::<Vec<_>>(), of_rows.chain(of_totals))
}

/// Puts a bot's id above the first of its rows.
fn name_bots(lines: &mut Vec<String>, rows: &[ReportRow], style: Style) {
    let is_first = |i: &usize| *i == 0 || rows[*i].bot_id != rows[*i - 1].bot_id;
    for i in (0..rows.len()).rev().filter(is_first) {
        lines.insert(i, style.heading(&rows[i].bot_id.as_deref().map_or("no bot".to_string(), visible)));
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

fn columns(report: &Report, bot_is_column: bool) -> Vec<TableColumn> {
    let mut columns = Vec::new();
    if report.grain == Grain::Day {
        columns.push(TableColumn::text(&["date"], |row| row.date.map_or("-".to_string(), |day| day.to_string())));
    }
    if bot_is_column {
        columns.push(TableColumn::text(&["bot"], |row| text(&row.bot_id)));
    }
    columns.push(TableColumn::text(&["ad"], |row| visible(&row.ad_id)).total(|_| "total".to_string()));
    columns.push(TableColumn::text(&["title"], |row| text(&row.ad_title)).long().spare(5));
    columns.push(TableColumn::text(&["type"], |row| text(&row.ad_type)).spare(0));
    columns.push(TableColumn::text(&["cur-", "rency"], |row| text(&row.currency)).total(|total| text(&total.currency)));
    columns.push(TableColumn::number(&["spend"], |row| amount(row.spend)).total(|total| amount(total.spend)));
    columns.push(TableColumn::number(&["reach"], reach).spare(2));
    columns.push(
        TableColumn::number(&["conver-", "sations"], |row| row.conversations.to_string())
            .total(|total| total.conversations.to_string()),
    );
    columns.push(TableColumn::number(&["cost per", "conver-", "sation"], |row| amount(row.cost_per_conversation)));
    columns.push(
        TableColumn::number(&["conver-", "sions"], |row| count(row.conversions))
            .total(|total| total.conversions.map_or("-".to_string(), |count| count.to_string())),
    );
    columns.push(TableColumn::number(&["cost per", "conver-", "sion"], |row| amount(row.cost_per_conversion)));
    columns.push(TableColumn::number(&["conver-", "sion", "rate"], |row| amount(row.conversion_rate)).spare(3));
    if report.rows.iter().any(|row| row.spend_unknown_days != 0) {
        columns.push(TableColumn::number(&["spend", "unknown", "days"], |row| row.spend_unknown_days.to_string()).spare(4));
    }
    if report.rows.iter().any(|row| row.unconfigured_days != 0) {
        columns.push(TableColumn::number(&["uncon-", "figured", "days"], |row| row.unconfigured_days.to_string()).spare(1));
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

/// The totals by currency, the unknown one last.
fn totals(rows: &[ReportRow]) -> Vec<Total> {
    let mut totals: BTreeMap<(bool, Option<&str>), Total> = BTreeMap::new();
    for row in rows {
        let currency = row.currency.as_deref();
        let total = totals.entry((currency.is_none(), currency)).or_default();
        total.currency = row.currency.clone();
        total.conversations += i128::from(row.conversations);
        if let Some(spend) = row.spend {
            total.spend = Some(Amount(total.spend.map_or(0, |sum| sum.0) + spend.0));
        }
        if let Some(conversions) = row.conversions {
            *total.conversions.get_or_insert(0) += i128::from(conversions);
        }
    }
    totals.into_values().collect()
}

/// A sheet for a person: all texts on one line, titles shortened where there is no room, then whole columns left out, in the
/// order of `spare`.
pub(super) fn sheet(sheet: &Sheet<'_>, heading: &str, spare: &[&str], style: Style) -> String {
    let head = |(name, kind): &(&'static str, CellKind)| Head { lines: name.split('_').collect(), content: content(name, *kind) };
    let heads: Vec<Head> = sheet.columns.iter().map(head).collect();
    let rows = sheet.rows.iter().map(|row| row.iter().map(|cell| shown_cell(cell, style.numerals)).collect());
    let place = |wanted: &str| sheet.columns.iter().position(|(name, _)| *name == wanted);
    let mut grid = Grid::new(&heads, rows);
    let hidden = grid.hide_until(style.line_width(), spare.iter().filter_map(|name| place(name)));
    let left_out: Vec<String> = hidden.into_iter().map(|at| sheet.columns[at].0.to_string()).collect();
    let lines = grid.lines(style.line_width(), 0);
    page_of(heading, &[lines.header, vec![lines.rule], lines.rows].concat(), &left_out, Style { colors: false, ..style })
}

fn content(column: &str, kind: CellKind) -> Content {
    match kind {
        CellKind::Count | CellKind::Amount => Content::Number,
        CellKind::Text if column == "ad_title" => Content::LongText,
        CellKind::Text | CellKind::Day | CellKind::Instant => Content::Text,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

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
        render(&sample::report(Grain::Range, rows), Style { width: Some(width), ..Style::PLAIN })
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
        let style = Style { width: Some(112), numerals: Numerals::of_locale("pt_BR.UTF-8"), colors: true };
        let text = render(&sample::report(Grain::Range, rows()), style);
        for written in ["1.234,567891", "12,50", "\u{1b}[1mshop-es\u{1b}[0m", "120226305854810727"] {
            assert!(text.contains(written), "{written}\n{text}");
        }
        let plain = Style { colors: false, ..style };
        let bare = ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"].iter().fold(text, |text, code| text.replace(code, ""));
        assert_eq!(bare, render(&sample::report(Grain::Range, rows()), plain));
    }

    #[test]
    fn nothing_to_show_says_so() {
        assert!(shown(80, Vec::new()).ends_with("\n\nno ad has a figure to show\n"));
    }
}

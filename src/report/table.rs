//! The report for a person at a terminal: as wide as the terminal, numbers to the right, NULL as `-`.
//!
//! A line above says what is shown. Ids, money and counts are never cut: where they do not fit, titles are shortened first, then
//! whole columns are left out, titles nearly last, and a line below names them; a currency that all rows share is named above instead.
//! On a terminal costs have 2 decimals and rates are in per cent, elsewhere all digits. Both bounds of an unknown reach stand in its column as `10..30`. A
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
use super::grid::{Content, Grid, Head, left_out, no_room, page_of};
use super::model::{By, Grain, Report, ReportRow};
use super::style::{Numerals, Style, visible};

struct TableColumn {
    /// One line of the header each.
    header: &'static [&'static str],
    /// The column's place in the order in which columns are left out; none when it never is.
    spare: Option<u8>,
    content: Content,
    cell: CellOf,
    total: fn(&Total) -> String,
}

/// How a row's cell is told.
#[derive(Clone, Copy)]
enum CellOf {
    Plain(fn(&ReportRow) -> String),
    Cost(fn(&ReportRow) -> Option<Amount>),
    Rate(fn(&ReportRow) -> Option<Amount>),
}

impl TableColumn {
    const fn new(header: &'static [&'static str], content: Content, cell: CellOf) -> TableColumn {
        TableColumn { header, spare: None, content, cell, total: |_| String::new() }
    }

    const fn text(header: &'static [&'static str], cell: fn(&ReportRow) -> String) -> TableColumn {
        TableColumn::new(header, Content::Text, CellOf::Plain(cell))
    }

    const fn number(header: &'static [&'static str], cell: fn(&ReportRow) -> String) -> TableColumn {
        TableColumn::new(header, Content::Number, CellOf::Plain(cell))
    }

    const fn cost(header: &'static [&'static str], cell: fn(&ReportRow) -> Option<Amount>) -> TableColumn {
        TableColumn::new(header, Content::Number, CellOf::Cost(cell))
    }

    const fn rate(header: &'static [&'static str], cell: fn(&ReportRow) -> Option<Amount>) -> TableColumn {
        TableColumn::new(header, Content::Number, CellOf::Rate(cell))
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

    fn cell(&self, row: &ReportRow, style: Style) -> String {
        let told = |known: Option<Amount>, rounded: fn(Amount) -> String| {
            known.map_or("-".to_string(), if style.at_terminal { rounded } else { Amount::short })
        };
        match self.cell {
            CellOf::Plain(cell) => cell(row),
            CellOf::Cost(cell) => told(cell(row), Amount::rounded),
            CellOf::Rate(cell) => told(cell(row), Amount::per_cent),
        }
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

/// The first rows of the report, as many as `limit` says, and the totals of all.
pub(super) fn render(report: &Report, style: Style, limit: Option<usize>) -> String {
    let only_bot = match report.rows.split_first() {
        Some((first, rest)) if rest.iter().all(|row| row.bot_id == first.bot_id) => first.bot_id.as_deref(),
        _ => None,
    };
    let of_bot = only_bot.map_or(String::new(), |bot_id| format!(", bot {}", visible(bot_id)));
    let heading = format!("{}, conversions by {}{of_bot}", report.days, by(report.by));
    if report.rows.is_empty() {
        return format!("{heading}\n\nno ad has a figure to show\n");
    }
    let rows = &report.rows[..limit.unwrap_or(usize::MAX).min(report.rows.len())];
    let totals = totals(&report.rows);
    let Laid { shape, grid, hidden } = laid_out(report, rows, &totals, style);
    let of_currency = match shape.currency {
        CurrencyIn::Heading => format!(", in {}", text(&report.rows[0].currency)),
        CurrencyIn::Column | CurrencyIn::Spend => String::new(),
    };
    let mut lines = grid.lines(style.line_width(), totals.len());
    if only_bot.is_none() && !shape.bot_is_column {
        name_bots(&mut lines.rows, rows, style);
    }
    let bold = |plain: Vec<String>| plain.into_iter().map(|line| style.heading(&line)).collect::<Vec<_>>();
    let rule = style.heading(&lines.rule);
    let body = [bold(lines.header), vec![rule.clone()], lines.rows, vec![rule], bold(lines.totals)].concat();
    let notes = [no_room(&hidden), left_out(report.rows.len() - rows.len())];
    page_of(&format!("{heading}{of_currency}"), &body, &notes, style)
}

/// Where a bot and a currency stand.
#[derive(Clone, Copy)]
struct Shape {
    /// Else a bot stands above its rows, or in the first line.
    bot_is_column: bool,
    currency: CurrencyIn,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CurrencyIn {
    Column,
    /// Where all rows share one.
    Heading,
    /// Behind each amount.
    Spend,
}

/// A table with room for its columns, and the names of those that there is no room for.
struct Laid {
    shape: Shape,
    grid: Grid,
    hidden: Vec<String>,
}

/// The first shape that leaves the title; where none does, the last.
fn laid_out(report: &Report, rows: &[ReportRow], totals: &[Total], style: Style) -> Laid {
    let same = |differs: fn(&ReportRow, &ReportRow) -> bool| report.rows.iter().all(|row| !differs(row, &report.rows[0]));
    let bot_is_column = report.grain == Grain::Day && !same(|one, other| one.bot_id != other.bot_id);
    let elsewhere = if same(|one, other| one.currency != other.currency) { CurrencyIn::Heading } else { CurrencyIn::Spend };
    let mut shape = Shape { bot_is_column, currency: CurrencyIn::Column };
    loop {
        let columns = columns(report, shape);
        let mut spare: Vec<(u8, usize)> =
            columns.iter().enumerate().filter_map(|(place, column)| Some((column.spare?, place))).collect();
        spare.sort_unstable();
        let mut grid = grid(&columns, rows, totals, style);
        let places = grid.hide_until(style.line_width(), spare.into_iter().map(|(_, place)| place));
        let hidden: Vec<String> = places.into_iter().map(|place| columns[place].name()).collect();
        // Costs and rates go before the currency moves: it says what they are in.
        let is_narrow = hidden.iter().any(|name| name == TITLE || name.starts_with(COST)) || !grid.fits(style.line_width());
        match shape {
            Shape { currency: CurrencyIn::Column, .. } if is_narrow => shape.currency = elsewhere,
            Shape { bot_is_column: true, .. } if !grid.fits(style.line_width()) => shape.bot_is_column = false,
            _ => return Laid { shape, grid, hidden },
        }
    }
}

const TITLE: &str = "title";
const COST: &str = "cost per";

fn grid(columns: &[TableColumn], rows: &[ReportRow], totals: &[Total], style: Style) -> Grid {
    let head = |column: &TableColumn| Head { lines: column.header.to_vec(), content: column.content };
    let is_plain = style.numerals == Numerals::PLAIN;
    let written = |column: &TableColumn, cell: String| match column.content {
        Content::Number if !is_plain => style.numerals.write(&cell),
        _ => cell,
    };
    let of_rows = rows.iter().map(|row| columns.iter().map(|column| written(column, column.cell(row, style))).collect());
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

fn columns(report: &Report, shape: Shape) -> Vec<TableColumn> {
    let mut columns = Vec::new();
    if report.grain == Grain::Day {
        columns.push(TableColumn::text(&["date"], |row| row.date.map_or("-".to_string(), |day| day.to_string())));
    }
    if shape.bot_is_column {
        columns.push(TableColumn::text(&["bot"], |row| text(&row.bot_id)));
    }
    columns.push(TableColumn::text(&["ad"], |row| visible(&row.ad_id)).total(|_| "total".to_string()));
    columns.push(TableColumn::text(&["title"], |row| text(&row.ad_title)).long().spare(8));
    columns.push(TableColumn::text(&["type"], |row| text(&row.ad_type)).spare(0));
    let spend = match shape.currency {
        CurrencyIn::Spend => TableColumn::number(&["spend"], |row| in_currency(row.spend, &row.currency))
            .total(|total| in_currency(total.spend, &total.currency)),
        CurrencyIn::Column | CurrencyIn::Heading => {
            TableColumn::number(&["spend"], |row| amount(row.spend)).total(|total| amount(total.spend))
        }
    };
    if shape.currency == CurrencyIn::Column {
        columns.push(TableColumn::text(&["cur-", "rency"], |row| text(&row.currency)).total(|total| text(&total.currency)));
    }
    columns.push(spend);
    columns.push(TableColumn::number(&["reach"], reach).spare(2));
    columns.push(
        TableColumn::number(&["conver-", "sations"], |row| row.conversations.to_string())
            .spare(9)
            .total(|total| total.conversations.to_string()),
    );
    columns.push(TableColumn::cost(&["cost per", "conver-", "sation"], |row| row.cost_per_conversation).spare(6));
    columns.push(
        TableColumn::number(&["conver-", "sions"], |row| count(row.conversions))
            .total(|total| total.conversions.map_or("-".to_string(), |count| count.to_string())),
    );
    columns.push(TableColumn::cost(&["cost per", "conver-", "sion"], |row| row.cost_per_conversion).spare(7));
    columns.push(TableColumn::rate(&["conver-", "sion", "rate"], |row| row.conversion_rate).spare(3));
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

fn in_currency(spend: Option<Amount>, currency: &Option<String>) -> String {
    let unit = currency.as_deref().map_or(String::new(), |currency| format!(" {}", visible(currency)));
    format!("{}{unit}", amount(spend))
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
        render(&sample::report(Grain::Range, rows), Style { width: Some(width), ..Style::PLAIN }, None)
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
        let style = Style { width: Some(112), numerals: Numerals::of_locale("pt_BR.UTF-8"), colors: true, at_terminal: true };
        let text = render(&sample::report(Grain::Range, rows()), style, None);
        for written in ["1.234,567891", "12,50", "\u{1b}[1mshop-es\u{1b}[0m", "120226305854810727"] {
            assert!(text.contains(written), "{written}\n{text}");
        }
        let plain = Style { colors: false, ..style };
        let bare = ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"].iter().fold(text, |text, code| text.replace(code, ""));
        assert_eq!(bare, render(&sample::report(Grain::Range, rows()), plain, None));
    }

    #[test]
    fn nothing_to_show_says_so() {
        assert!(shown(80, Vec::new()).ends_with("\n\nno ad has a figure to show\n"));
    }
}

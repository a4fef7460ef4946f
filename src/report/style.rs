//! The style of results on a terminal: as wide as it is, numbers as its reader writes them, colours where they are wanted, and nothing
//! in a text from outside that the terminal would obey. Pure: what the environment says comes from cli.
//!
//! **Numbers.** The locale is the first of LC_ALL, LC_NUMERIC and LANG that is set: `pt_BR.UTF-8` writes `1.234,50`, `en_US.UTF-8`
//! `1,234.50`, `en_IN` `12,34,567`. C, POSIX, none and an unknown one write plain digits with a point. This is for tables on a
//! terminal alone: what goes into a file or a pipe has plain digits everywhere.

use std::borrow::Cow;

use num_format::{Grouping, Locale};

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numerals {
    separator: &'static str,
    point: &'static str,
    /// Digits in the groups to the left of the last three; none where nothing is grouped.
    group: Option<usize>,
}

impl Numerals {
    pub const PLAIN: Numerals = Numerals { separator: "", point: ".", group: None };

    /// The numerals of a locale as the environment names it, `language[_TERRITORY][.charset][@modifier]`.
    pub fn of_locale(name: &str) -> Numerals {
        let name = name.split(['.', '@']).next().unwrap_or_default().replace('_', "-");
        let language = name.split('-').next().unwrap_or_default();
        let Some(locale) = [name.as_str(), language].into_iter().find_map(|name| Locale::from_name(name).ok()) else {
            return Numerals::PLAIN;
        };
        let group = match locale.grouping() {
            Grouping::Standard => Some(3),
            Grouping::Indian => Some(2),
            Grouping::Posix => None,
        };
        Numerals { separator: locale.separator(), point: locale.decimal(), group }
    }

    /// A plain number, or two with `..` between them, as this locale writes it. What is no number stays as it is.
    pub fn write(self, plain: &str) -> String {
        plain.split("..").map(|number| self.one(number)).collect::<Vec<_>>().join("..")
    }

    fn one(self, number: &str) -> String {
        let (sign, unsigned) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
        let (whole, decimals) = unsigned.split_once('.').map_or((unsigned, None), |(whole, decimals)| (whole, Some(decimals)));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) {
            return number.to_string();
        }
        let mut text = sign.to_string();
        for (i, digit) in whole.chars().enumerate() {
            let left = whole.len() - i;
            let is_border = self.group.is_some_and(|group| left == 3 || (left > 3 && (left - 3).is_multiple_of(group)));
            if i > 0 && is_border {
                text.push_str(self.separator);
            }
            text.push(digit);
        }
        if let Some(decimals) = decimals {
            text.push_str(self.point);
            text.push_str(decimals);
        }
        text
    }
}

/// How a table is written for the terminal that it is for.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// In letters; none where nobody said how wide the reader's terminal is.
    pub width: Option<u16>,
    pub numerals: Numerals,
    pub colors: bool,
    /// Whether it is read where it stands: costs then have 2 decimals and rates are in per cent, and elsewhere all their digits.
    pub at_terminal: bool,
}

impl Style {
    /// The style of what is no terminal.
    pub const PLAIN: Style = Style { width: None, numerals: Numerals::PLAIN, colors: false, at_terminal: false };
    const FALLBACK_WIDTH: u16 = 120;

    /// How many letters a line holds.
    pub(crate) fn line_width(self) -> usize {
        usize::from(self.width.filter(|width| *width > 0).unwrap_or(Style::FALLBACK_WIDTH))
    }

    pub fn heading(self, line: &str) -> String {
        self.effect(line, anstyle::Style::new().bold())
    }

    /// What can be passed over: rules, notes.
    pub fn faint(self, line: &str) -> String {
        self.effect(line, anstyle::Style::new().dimmed())
    }

    /// A sentence, on as many lines as the reader's terminal needs.
    pub fn lines(self, sentence: &str) -> Vec<String> {
        self.width.map_or_else(|| vec![sentence.to_string()], |width| wrapped(sentence, usize::from(width)))
    }

    fn effect(self, line: &str, effect: anstyle::Style) -> String {
        if self.colors && !line.is_empty() { format!("{effect}{line}{effect:#}") } else { line.to_string() }
    }
}

/// Lines of at most `width` letters, broken between words; a longer word stands alone.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// What a terminal obeys, or what turns the direction of writing or hides in it, instead of being shown.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// A line with `�` for what steers the terminal.
pub fn harmless(line: &str) -> Cow<'_, str> {
    if line.contains(steers) { Cow::Owned(line.replace(steers, "\u{FFFD}")) } else { Cow::Borrowed(line) }
}

/// A text from outside on one line, without what a terminal would obey instead of show.
pub fn visible(text: &str) -> String {
    let words = text.split(['\t', '\n', '\r', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    harmless(&words).into_owned()
}

/// `1 row`, `2 rows`.
pub fn counted(count: impl std::fmt::Display, one: &str, more: &str) -> String {
    let count = count.to_string();
    let what = if count == "1" { one } else { more };
    format!("{count} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_each_locale_writes_them() {
        for (locale, whole, money, negative) in [
            ("", "1234567", "1234.50", "-0.5"),
            ("C", "1234567", "1234.50", "-0.5"),
            ("C.UTF-8", "1234567", "1234.50", "-0.5"),
            ("POSIX", "1234567", "1234.50", "-0.5"),
            ("xx_YY.UTF-8", "1234567", "1234.50", "-0.5"),
            ("en_US.UTF-8", "1,234,567", "1,234.50", "-0.5"),
            ("en_IN", "12,34,567", "1,234.50", "-0.5"),
            ("pt_BR.UTF-8", "1.234.567", "1.234,50", "-0,5"),
            ("es_ES@euro", "1.234.567", "1.234,50", "-0,5"),
            ("es_MX.UTF-8", "1,234,567", "1,234.50", "-0.5"),
            ("de_CH", "1’234’567", "1’234.50", "-0.5"),
        ] {
            let numerals = Numerals::of_locale(locale);
            let written = ["1234567", "1234.50", "-0.5"].map(|number| numerals.write(number));
            assert_eq!(written, [whole, money, negative], "{locale}");
        }
    }

    #[test]
    fn short_numbers_ranges_and_what_is_no_number() {
        let numerals = Numerals::of_locale("pt_BR");
        for (plain, written) in [
            ("", ""),
            ("-", "-"),
            ("999", "999"),
            ("1000", "1.000"),
            ("-1000", "-1.000"),
            ("1000..30000", "1.000..30.000"),
            ("no 1000", "no 1000"),
        ] {
            assert_eq!(numerals.write(plain), written);
        }
    }

    #[test]
    fn texts_cannot_steer_the_terminal() {
        assert_eq!(visible("a\u{1b}[31mb\u{7}"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(visible("1\u{202e}2\u{2066}3\u{200f}\u{9b}"), "1\u{fffd}2\u{fffd}3\u{fffd}\u{fffd}");
        assert_eq!(visible("two\r\nlines\tand tab"), "two lines and tab");
        assert_eq!(visible("Promoção 50% 🎉 👩‍💻"), "Promoção 50% 🎉 👩‍💻");
        assert_eq!(harmless("  kept   as it is\u{1b}"), "  kept   as it is\u{fffd}");
    }

    #[test]
    fn sentences_break_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("120226305854810726 is long", 8), ["120226305854810726", "is long"]);
        assert_eq!(wrapped("ação é", 6), ["ação é"]);
    }

    #[test]
    fn colours_are_for_those_who_want_them() {
        assert_eq!(Style::PLAIN.heading("a"), "a");
        assert_eq!(Style { colors: true, ..Style::PLAIN }.heading("a"), "\u{1b}[1ma\u{1b}[0m");
    }
}

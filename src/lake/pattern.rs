//! Patterns: which folders below a table's are its days, such as `date={date}` or `year={yyyy}/month={mm}/day={dd}`.
//!
//! Names are compared without regard to case, after URL decoding and without white space around; a time behind a date is ignored. A
//! `*` stands for any text within a name.

use std::collections::BTreeMap;
use std::fmt;

use super::names::is_parquet;
use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::base::folders::decoded;

/// The folders of a table's days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    names: Vec<Vec<Token>>,
}

/// A part of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// This text, in small letters.
    Text(String),
    /// Any text.
    Any,
    /// `2026-10-20`
    Date,
    /// `20261020`
    Digits,
    Year,
    Month,
    DayOfMonth,
}

const TOKENS: [(&str, Token); 5] =
    [("date", Token::Date), ("yyyymmdd", Token::Digits), ("yyyy", Token::Year), ("mm", Token::Month), ("dd", Token::DayOfMonth)];

/// Two digits behind a day are its hour up to here.
const LAST_HOUR: u32 = 24;

/// What was read of a day so far.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern> {
        let text = text.trim_matches('/');
        let names = text.split('/').map(tokens).collect::<Result<Vec<_>>>()?;
        let has = |token: Token| names.iter().flatten().any(|of_name| *of_name == token);
        let is_whole = has(Token::Date) || has(Token::Digits) || has(Token::Year) && has(Token::Month) && has(Token::DayOfMonth);
        if names.iter().any(Vec::is_empty) || !is_whole {
            return Err(Error::usage(format!("partition {text:?} does not say which day a folder is"))
                .mend("write a pattern such as \"date={date}\", \"year={yyyy}/month={mm}/day={dd}\" or \"{yyyymmdd}\""));
        }
        Ok(Pattern { text: text.to_string(), names })
    }

    /// The pattern where the pipeline file has none.
    pub fn usual() -> Pattern {
        let name = vec![Token::Text("date=".to_string()), Token::Date];
        Pattern { text: "date={date}".to_string(), names: vec![name] }
    }

    /// Whether a day is a file, and not a folder.
    pub fn is_of_files(&self) -> bool {
        match self.names.last().and_then(|tokens| tokens.last()) {
            Some(Token::Text(text)) => is_parquet(&format!("x{text}")),
            _ => false,
        }
    }

    /// Whether each part of the day is the value of one of these columns, as `date={date}` is of `date`.
    pub(super) fn fits_columns(&self, columns: &[String]) -> bool {
        let is_column = |key: &str| columns.iter().any(|column| compared(column) == compared(key));
        self.text.split('/').filter(|part| part.contains('{')).all(|part| key_of(part).is_some_and(is_column))
    }

    /// The day that these values of columns are of.
    pub(super) fn day_of_values(&self, values: &BTreeMap<String, Option<String>>) -> Option<Day> {
        let name = |part: &str| match key_of(part) {
            Some(key) if part.contains('{') => {
                let (_, value) = values.iter().find(|(column, _)| compared(column) == compared(key))?;
                Some(format!("{key}={}", value.as_ref()?).trim().to_lowercase())
            }
            _ => Some(part.replace('*', "").to_lowercase()),
        };
        let names = self.text.split('/').map(name).collect::<Option<Vec<_>>>()?;
        self.day_of(&names).map(|(day, _)| day)
    }

    /// The day that these names below the table's folder are of, and how many of them say so.
    pub(super) fn day_of(&self, names: &[String]) -> Option<(Day, usize)> {
        let mut parts = Parts::default();
        for (tokens, name) in self.names.iter().zip(names) {
            parts = matched(tokens, name, parts)?;
        }
        (names.len() >= self.names.len()).then_some(())?;
        let Parts { year, month, day } = parts;
        let day = format!("{:04}-{:02}-{:02}", year?, month?, day?).parse().ok()?;
        Some((day, self.names.len()))
    }
}

/// The column that a name of a pattern has a value of.
fn key_of(part: &str) -> Option<&str> {
    part.split_once('=').map(|(key, _)| key)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text in which `*` stands for any text, compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

impl Glob {
    pub fn new(text: &str) -> Glob {
        Glob(texts(text))
    }

    /// Whether it is this name, in small letters.
    pub(super) fn is(&self, name: &str) -> bool {
        matched(&self.0, name, Parts::default()).is_some()
    }
}

/// The names of a path below a table's folder, as they are compared.
pub(super) fn names_below(folder: &str, path: &str) -> Vec<String> {
    path[folder.len()..].trim_start_matches('/').split('/').map(compared).collect()
}

/// Whether a file is one of those to be ignored: by its name, a folder's, or its whole path.
pub(super) fn is_ignored(ignore: &[Glob], names: &[String]) -> bool {
    !ignore.is_empty() && {
        let whole = names.join("/");
        ignore.iter().any(|glob| glob.is(&whole) || names.iter().any(|name| glob.is(name)))
    }
}

/// A name of a path as names are compared.
pub(super) fn compared(name: &str) -> String {
    decoded(name).trim().to_lowercase()
}

/// Plain text and `*`.
fn texts(text: &str) -> Vec<Token> {
    let text = text.to_lowercase();
    let mut tokens = Vec::new();
    for (place, plain) in text.split('*').enumerate() {
        if place > 0 {
            tokens.push(Token::Any);
        }
        if !plain.is_empty() {
            tokens.push(Token::Text(plain.to_string()));
        }
    }
    tokens
}

/// The tokens of one name of a pattern.
fn tokens(name: &str) -> Result<Vec<Token>> {
    let (mut tokens, mut left) = (Vec::new(), name);
    while let Some((before, after)) = left.split_once('{') {
        let known = after.split_once('}').and_then(|(word, rest)| {
            let known = TOKENS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known))?;
            Some((known.1.clone(), rest))
        });
        let Some((token, rest)) = known else {
            return Err(Error::usage(format!("partition {name:?} holds what stands for nothing"))
                .mend("what stands for a part of the day is {date}, {yyyy}, {mm}, {dd} or {yyyymmdd}"));
        };
        tokens.extend(texts(before));
        tokens.push(token);
        left = rest;
    }
    tokens.extend(texts(left));
    Ok(tokens)
}

/// The number of these digits; none where other letters are among them.
fn number(text: &str, digits: usize) -> Option<(u32, &str)> {
    let number = text.get(..digits)?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    Some((number.parse().ok()?, &text[digits..]))
}

/// What the name says of the day, beside what is known; none where it is of another form.
fn matched(tokens: &[Token], name: &str, parts: Parts) -> Option<Parts> {
    let Some((token, left)) = tokens.split_first() else { return name.is_empty().then_some(parts) };
    let after_day = |behind, known| ends_of_time(behind).into_iter().flatten().find_map(|rest| matched(left, rest, known));
    match token {
        Token::Text(text) => matched(left, name.strip_prefix(text.as_str())?, parts),
        Token::Any => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.rev().find_map(|at| matched(left, &name[at..], parts))
        }
        Token::Date => {
            let date = name.get(..10)?;
            date.parse::<Day>().ok()?;
            let (year, month, day) = (number(date, 4)?.0, number(&date[5..], 2)?.0, number(&date[8..], 2)?.0);
            after_day(&name[10..], Parts { year: Some(year), month: Some(month), day: Some(day) })
        }
        Token::Digits => {
            let (year, rest) = number(name, 4)?;
            let (month, rest) = number(rest, 2)?;
            let (day, rest) = number(rest, 2)?;
            let whole = Parts { year: Some(year), month: Some(month), day: Some(day) };
            let times = [6, 4, 2].into_iter().filter_map(|digits| Some(number(rest, digits)?.1));
            times.chain([rest]).find_map(|behind| after_day(behind, whole))
        }
        Token::Year => {
            let (year, rest) = number(name, 4)?;
            matched(left, rest, Parts { year: Some(year), ..parts })
        }
        Token::Month => [2, 1].into_iter().find_map(|digits| {
            let (month, rest) = number(name, digits)?;
            matched(left, rest, Parts { month: Some(month), ..parts })
        }),
        Token::DayOfMonth => [2, 1].into_iter().find_map(|digits| {
            let (day, rest) = number(name, digits)?;
            after_day(rest, Parts { day: Some(day), ..parts })
        }),
    }
}

/// What may come after a day: what is left behind a time, and all of it.
pub(super) fn ends_of_time(text: &str) -> [Option<&str>; 2] {
    let time = || {
        let (hour, after) = number(text.strip_prefix(['t', 'T', ' ', '_', '-'])?, 2)?;
        let is_of_time = |letter: char| letter.is_ascii_digit() || ":+- zZ".contains(letter);
        // A point is of the time only before digits: it may begin the ending of a file.
        let is_fraction = |at: usize| after[at..].starts_with('.') && after[at + 1..].starts_with(|c: char| c.is_ascii_digit());
        let end = after.char_indices().find(|(at, letter)| !is_of_time(*letter) && !is_fraction(*at));
        (hour <= LAST_HOUR).then(|| &after[end.map_or(after.len(), |(at, _)| at)..])
    };
    [time(), Some(text)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day_of(pattern: &str, path: &str) -> Option<String> {
        let names: Vec<String> = path.split('/').map(compared).collect();
        Some(Pattern::parse(pattern).unwrap().day_of(&names)?.0.to_string())
    }

    #[test]
    fn a_pattern_finds_its_days_and_no_others() {
        let cases = [
            ("date={date}", "date=2026-10-20/a.parquet", true),
            ("date={date}", "DATE=2026-10-20/a.parquet", true),
            ("date={date}", "date%3D2026-10-20/a.parquet", true),
            ("date={date}", "date=2026-10-20 00%3A00%3A00/a.parquet", true),
            ("date={date}", "date=2026-10-20T05:00:00.000Z/a.parquet", true),
            ("date={date}", "date=2026-10-20-07/a.parquet", true),
            ("date={date}", "date=2026-10-20\t/a.parquet", true),
            ("date={date}", "date=2026-10-20-old/a.parquet", false),
            ("date={date}", "date=2026-10-32/a.parquet", false),
            ("date={date}", "dt=2026-10-20/a.parquet", false),
            ("DT={date}", "dt=2026-10-20/a.parquet", true),
            ("raw/dt={date}-v2", "raw/dt=2026-10-20-v2/a.parquet", true),
            ("raw/dt={date}-v2", "dt=2026-10-20-v2/a.parquet", false),
            ("bot=*/date={date}", "bot=x%20y/date=2026-10-20/a.parquet", true),
            ("year={yyyy}/month={mm}/day={dd}", "year=2026/month=10/day=20/a.parquet", true),
            ("y={yyyy}/m={mm}/d={dd}", "y=2026/m=10/d=20/hour=1/a.parquet", true),
            ("{yyyy}/{mm}/{dd}", "2026/10/20/a.parquet", true),
            ("{yyyy}/{mm}/{dd}", "2026/10", false),
            ("{yyyy}-{mm}-{dd}", "2026-10-20T01/a.parquet", true),
            ("{yyyymmdd}", "20261020/a.parquet", true),
            ("{yyyymmdd}", "2026102013/a.parquet", true),
            ("{yyyymmdd}", "20261020_13/a.parquet", true),
            ("{yyyymmdd}", "20261320/a.parquet", false),
            ("{date}.parquet", "2026-10-20.parquet", true),
            ("{date}.parquet", "2026-10-20T13.parquet", true),
            ("{date}*.parquet", "2026-10-20-part.parquet", true),
        ];
        for (pattern, path, is_there) in cases {
            let expected = is_there.then(|| "2026-10-20".to_string());
            assert_eq!(day_of(pattern, path), expected, "{pattern} {path}");
        }
        assert_eq!(day_of("{yyyy}/{mm}/{dd}", "2026/1/5/a.parquet").as_deref(), Some("2026-01-05"));
    }

    #[test]
    fn values_of_columns_are_days_as_folders_are() {
        type Values = &'static [(&'static str, &'static str)];
        let cases: [(&str, Values, bool); 10] = [
            ("date={date}", &[("date", "2026-10-20")], true),
            ("date={date}", &[("bot", "x"), ("Date", "2026-10-20 00:00:00")], true),
            ("x=*/date={date}", &[("date", "2026-10-20")], true),
            ("raw/date={date}", &[("date", "2026-10-20")], true),
            ("ymd={yyyymmdd}", &[("ymd", "20261020")], true),
            ("y={yyyy}/m={mm}/d={dd}", &[("d", "20"), ("m", "10"), ("y", "2026")], true),
            ("date={date}", &[("date", "20261020")], false),
            ("date={date}", &[("dt", "2026-10-20")], false),
            ("{date}", &[("date", "2026-10-20")], false),
            ("y={yyyy}/m={mm}/d={dd}", &[("m", "10"), ("y", "2026")], false),
        ];
        for (text, values, is_day) in cases {
            let pattern = Pattern::parse(text).unwrap();
            let columns: Vec<String> = values.iter().map(|(name, _)| name.to_string()).collect();
            let values = values.iter().map(|(name, value)| (name.to_string(), Some(value.to_string()))).collect();
            let day = pattern.day_of_values(&values).filter(|_| pattern.fits_columns(&columns));
            assert_eq!(day.map(|day| day.to_string()), is_day.then(|| "2026-10-20".to_string()), "{text}");
        }
        let nothing = BTreeMap::from([("date".to_string(), None)]);
        assert_eq!(Pattern::usual().day_of_values(&nothing), None);
    }

    #[test]
    fn a_pattern_names_a_whole_day() {
        for text in ["", "date", "{yyyy}/{mm}", "{hour}", "a//{date}", "{date", "year={yyyy}/day={dd}"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert_eq!(Pattern::parse("date={date}").unwrap(), Pattern::usual());
        assert!(Pattern::parse("{date}.snappy.parquet").unwrap().is_of_files());
        assert!(!Pattern::usual().is_of_files());
    }

    #[test]
    fn what_is_ignored_is_named_by_itself_or_by_its_folder() {
        let names = names_below("messages", "messages/date=2026-10-20/Old/a.CSV");
        for glob in ["*.csv", "old", "date=2026-10-20/*", "*"] {
            assert!(is_ignored(&[Glob::new(glob)], &names), "{glob}");
        }
        assert!(!is_ignored(&[Glob::new("*.tsv"), Glob::new("ol")], &names));
    }
}

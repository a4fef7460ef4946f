//! Guesses: the pattern that would fit a path which fits none of a table's.

use super::names::is_parquet;
use super::pattern::ends_of_time;
use crate::base::day::Day;
use crate::base::folders::decoded;

/// A pattern that fits the path below a table's folder, and the day it gives.
pub(super) fn guess(path: &str) -> Option<(String, Day)> {
    let names: Vec<String> = path.split('/').map(|name| decoded(name).trim().to_string()).collect();
    (0..names.len()).find_map(|at| {
        let (text, day, rest) =
            whole_day(&names[at], at + 1 == names.len()).map(|(text, day)| (text, day, at + 1)).or_else(|| {
                let [year, month, day] = names.get(at..at + 3)? else { return None };
                let (text, found) = parts_of_day(year, month, day)?;
                Some((text, found, at + 3))
            })?;
        let is_file = rest == names.len();
        let is_whole = !is_file || is_parquet(&names[rest - 1].to_lowercase());
        let before = names[..at].iter().map(|name| match name.split_once('=') {
            Some((key, _)) => format!("{key}=*/"),
            None => format!("{name}/"),
        });
        is_whole.then(|| (before.chain([text]).collect(), day))
    })
}

/// A name with a day in it.
fn whole_day(name: &str, is_file: bool) -> Option<(String, Day)> {
    let starts = name.char_indices().map(|(at, _)| at).filter(|at| !name[..*at].ends_with(|c: char| c.is_ascii_digit()));
    let (before, token, day, after) = starts.into_iter().find_map(|at| {
        let text = &name[at..];
        let dashed = || Some((&name[..at], "{date}", text.get(..10)?.parse().ok()?, &text[10..]));
        dashed().or_else(|| {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let day = format!("{}-{}-{}", text.get(..4)?, text.get(4..6)?, text.get(6..8)?).parse().ok()?;
            let is_date = [8, 10, 12, 14].contains(&digits) && text.starts_with("20");
            is_date.then_some((&name[..at], "{yyyymmdd}", day, &text[digits..]))
        })
    })?;
    let after = ends_of_time(after).into_iter().flatten().next().unwrap_or_default();
    let is_ending = after.is_empty() || after.starts_with('.');
    let after = match after.rsplit_once('.') {
        Some((_, ending)) if is_file && !is_ending => format!("*.{ending}"),
        _ if !is_ending => "*".to_string(),
        _ => after.to_string(),
    };
    Some((format!("{before}{token}{after}"), day))
}

/// Three names, of the year, the month and the day.
fn parts_of_day(year: &str, month: &str, day: &str) -> Option<(String, Day)> {
    let number = |name: &str, most: usize, fewest: usize| -> Option<(String, u32)> {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = name.len() - stem.len();
        (fewest..=most).contains(&digits).then_some(())?;
        Some((stem.to_string(), name[stem.len()..].parse().ok()?))
    };
    let ((y, year), (m, month), (d, day)) = (number(year, 4, 4)?, number(month, 2, 1)?, number(day, 2, 1)?);
    let found = format!("{year:04}-{month:02}-{day:02}").parse().ok()?;
    Some((format!("{y}{{yyyy}}/{m}{{mm}}/{d}{{dd}}"), found))
}

#[cfg(test)]
mod tests {
    use super::super::pattern::{Pattern, compared};
    use super::*;

    #[test]
    fn the_pattern_that_is_proposed_finds_the_day() {
        let cases = [
            ("dt=2026-10-20/a.parquet", "dt={date}"),
            ("2026-10-20/a.parquet", "{date}"),
            ("DT=2026-10-20T05/a.parquet", "DT={date}"),
            ("year=2026/month=10/day=20/a.parquet", "year={yyyy}/month={mm}/day={dd}"),
            ("2026/10/20/05/a.parquet", "{yyyy}/{mm}/{dd}"),
            ("raw/20261020/a.parquet", "raw/{yyyymmdd}"),
            ("2026102005/a.parquet", "{yyyymmdd}"),
            ("2026-10-20.parquet", "{date}.parquet"),
            ("messages_20261020.snappy.parquet", "messages_{yyyymmdd}.snappy.parquet"),
            ("messages-2026-10-20-part0.parquet", "messages-{date}*.parquet"),
            ("bot_id=shop/date=2026-10-20/a.parquet", "bot_id=*/date={date}"),
            ("date%3D2026-10-20/a.parquet", "date={date}"),
        ];
        for (path, pattern) in cases {
            let day: Day = "2026-10-20".parse().unwrap();
            assert_eq!(guess(path), Some((pattern.to_string(), day)), "{path}");
            let names: Vec<String> = path.split('/').map(compared).collect();
            assert_eq!(Pattern::parse(pattern).unwrap().day_of(&names).map(|found| found.0), Some(day), "{path}");
        }
        for path in ["a.parquet", "date=2026-13-01/a.parquet", "2026/a.parquet", "part-120226305854810726.parquet"] {
            assert_eq!(guess(path), None, "{path}");
        }
    }
}

//! Texts that the results of several commands share.

use crate::base::day::{Day, ranges_alike};
use crate::report::style::{harmless, visible};
use crate::run::pull::Pulled;

/// The lines of a result. Names in a lake are written by strangers: a line shows them, and a terminal obeys none.
pub(super) fn shown(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{}\n", harmless(line))).collect()
}

/// Neighbouring days that have the same text, as one line.
pub(super) fn days_alike(days: impl IntoIterator<Item = (Day, String)>) -> Vec<String> {
    ranges_alike(days).into_iter().map(|(days, text)| format!("  {days}: {text}")).collect()
}

/// What was fetched of an account.
pub(super) fn pulled((account, pulled): (&String, &Pulled)) -> String {
    let mut line = format!("{account}: {} days fetched from Meta, {} changed", pulled.days_fetched, pulled.days_changed);
    if pulled.ads_asked > 0 {
        line += &format!(", {} ads asked for by id, {} not found", pulled.ads_asked, pulled.ads_not_found);
    }
    if pulled.reach_ranges > 0 {
        line += &format!(", reach of {} ranges", pulled.reach_ranges);
    }
    line
}

/// A category, in quotes where it is not what it looks like: categories compare exactly.
pub(super) fn category(category: &str) -> String {
    if visible(category) == category { category.to_string() } else { format!("{category:?}") }
}

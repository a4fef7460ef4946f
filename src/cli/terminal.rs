//! The terminal, if there is one: its width, its reader's locale, and whether colours are wanted.

use std::env;
use std::io::IsTerminal;

use crate::report::style::{Numerals, Style};

/// What stdout is.
pub(super) fn stdout() -> Style {
    if !std::io::stdout().is_terminal() {
        return Style::PLAIN;
    }
    let width = terminal_size::terminal_size().map(|(width, _)| width.0);
    Style { width, numerals: numerals(), colors: colors_are_wanted() }
}

/// Whether stderr is a terminal that may be coloured.
pub(super) fn stderr_has_colors() -> bool {
    std::io::stderr().is_terminal() && colors_are_wanted()
}

/// Whether lines can be written over.
pub(super) fn can_move() -> bool {
    env::var_os("TERM").is_none_or(|term| term != "dumb")
}

pub(super) fn numerals() -> Numerals {
    Numerals::of_locale(&locale())
}

/// NO_COLOR says no when it holds anything (no-color.org).
fn colors_are_wanted() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && can_move()
}

/// The locale of numbers, by the order of POSIX.
fn locale() -> String {
    let value = |name| env::var(name).ok().filter(|value| !value.is_empty());
    ["LC_ALL", "LC_NUMERIC", "LANG"].into_iter().find_map(value).unwrap_or_default()
}

//! The terminal, if there is one: its width, its reader's locale, and whether colours are wanted.

use std::env;
use std::io::{IsTerminal, stderr, stdout};
use std::path::Path;

use terminal_size::{Height, Width, terminal_size, terminal_size_of};

use crate::report::style::{Numerals, Style};

use super::stdout::file_of;

/// The style of what goes to stdout.
pub(super) fn style() -> Style {
    let at_terminal = stdout().is_terminal();
    // Asked of stdout first.
    let own = || if at_terminal { wide(terminal_size()) } else { width_of_reader() };
    let width = columns().or_else(own);
    match at_terminal {
        true => Style { width, numerals: numerals(), colors: colors_are_wanted(), at_terminal },
        false => Style { width, ..Style::PLAIN },
    }
}

/// The style of what goes to the file of --out, or to stdout.
pub(super) fn style_of(out: Option<&Path>) -> Style {
    if file_of(out).is_some() { Style::PLAIN } else { style() }
}

/// The width that COLUMNS asks for, wherever the output goes.
fn columns() -> Option<u16> {
    env::var("COLUMNS").ok()?.trim().parse().ok().filter(|columns| *columns > 0)
}

fn wide(size: Option<(Width, Height)>) -> Option<u16> {
    size.map(|(width, _)| width.0).filter(|width| *width > 0)
}

/// The width of the terminal at which a pipe may be read, as by a pager: log lines go there. Whoever reads a file sits elsewhere.
fn width_of_reader() -> Option<u16> {
    if is_file() { None } else { wide(terminal_size_of(stderr())) }
}

#[cfg(unix)]
fn is_file() -> bool {
    use std::os::fd::AsFd;
    let file = stdout().as_fd().try_clone_to_owned().map(std::fs::File::from);
    file.and_then(|file| file.metadata()).is_ok_and(|found| found.is_file())
}

#[cfg(not(unix))]
fn is_file() -> bool {
    true
}

/// Whether stderr is a terminal that may be coloured.
pub(super) fn stderr_has_colors() -> bool {
    stderr().is_terminal() && colors_are_wanted()
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

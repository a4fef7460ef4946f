//! Init: looks at a lake that nobody here knows, and writes a pipeline file for it.
//!
//! In: a lake, and what a person said by flags or at a terminal. Out: the text of a pipeline file, with what was found and why as
//! comments, and the list of what only a person can say. A conversion event and a time zone are never guessed.

mod bots;
mod census;
mod columns;
mod decided;
mod details;
mod found;
mod kinds;
mod look;
mod names;
mod page;
mod sample;
mod table_text;
mod text;
mod values;
mod wishes;

pub(crate) use decided::Decided;
pub(crate) use found::Look;
pub(crate) use text::Written;
pub(crate) use wishes::{EventWish, Wishes};

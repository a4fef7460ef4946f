//! Delta Lake: tables by their log, at the newest version that a listing shows.
//!
//! The kernel (`delta_kernel`) replays the log; storage is the lake's own, so that failures mean what they mean elsewhere. A day of
//! such a table is its live files with that value of the partition column; which of their rows and columns are the table's is part
//! of each file's version, so that what changes in the log is found as what changes in a folder is.

mod days;
mod handlers;
mod reading;
mod table;

pub(super) use days::{Days, Live, is_table, is_version};
pub(super) use reading::{ColumnPath, FileView, without};

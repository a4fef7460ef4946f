//! Commands: what each command does, one file per command; cli parses and prints.
//!
//! A command named `x` is the function `x::x`; its report says what came of it. The other files are what several commands share.
//!
//! ```text
//! categories.rs    what events there are, and what each category would yield
//! check.rs         what would go wrong tonight
//! evidence.rs      what explain looks at
//! explain.rs       what is behind a figure, or did a contact
//! explain_ad.rs    an ad's day, explained
//! init/mod.rs      a pipeline file for a lake that nobody knows yet
//! init/bots.rs     sub-bots, and the accounts of each bot
//! init/census.rs   which bots, ads and accounts the rows name
//! init/columns.rs  where a table has what the contract asks for
//! init/decided.rs  what the file will say of each bot
//! init/details.rs  units, zones, words, floats
//! init/found.rs    what was found
//! init/kinds.rs    which folder is which table
//! init/look.rs     the look at a lake
//! init/names.rs    what lakes call the columns
//! init/page.rs     lines and comments
//! init/sample.rs   the first rows of some files
//! init/table_text.rs  the sections of tables
//! init/text.rs     the pipeline file
//! init/values.rs   what values look like
//! init/wishes.rs   what a person said
//! insights.rs      Meta's figures, fetched now and nothing built
//! new_setting.rs   another conversion event
//! noticed.rs       what the rows of landed partitions say of the pipeline file
//! plan.rs          what a run would do, and why
//! sessions.rs      the sessions behind the figures
//! story.rs         what explain found, as sentences
//! unread.rs        what the footers of unread partitions say
//! verify.rs        whether what is published is what the lake says
//! what_if.rs       under other settings
//! ```

pub(crate) mod categories;
pub(crate) mod check;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod explain_ad;
pub(crate) mod init;
pub mod insights;
pub(crate) mod new_setting;
mod noticed;
pub mod plan;
pub(crate) mod sessions;
pub(crate) mod story;
pub(crate) mod unread;
pub mod verify;
pub(crate) mod what_if;

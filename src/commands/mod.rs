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
//! insights.rs      Meta's figures, fetched now and nothing built
//! new_setting.rs   another conversion event
//! noticed.rs       what the rows of landed partitions say of the pipeline file
//! plan.rs          what a run would do, and why
//! rules.rs         where the rules that explain cites are told
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
pub mod insights;
pub(crate) mod new_setting;
mod noticed;
pub mod plan;
pub(crate) mod rules;
pub(crate) mod sessions;
pub(crate) mod story;
pub(crate) mod unread;
pub mod verify;
pub(crate) mod what_if;

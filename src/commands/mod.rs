//! Commands: what each command does, one file per command; cli parses and prints.
//!
//! A command named `x` is the function `x::x`; its report says what came of it. The other files are what several commands share.
//!
//! ```text
//! categories.rs          what events there are, and what each category would yield
//! check/counted.rs       rows that count and look otherwise than meant
//! check/finding.rs       what is found, one by one
//! check/how.rs           how much is read, and who is told
//! check/insights.rs      Meta's figures as they have landed
//! check/joins.rs         whether contacts of conversion events have touches
//! check/met.rs           what is met in rows, whether it could count or not
//! check/meta.rs          Meta's token and accounts
//! check/mod.rs           what would go wrong tonight
//! check/named.rs         what the pipeline file names, against what is met
//! check/night.rs         how much a run would read, and how long that takes
//! check/output.rs        whether the output can be written, and who holds it
//! check/rows.rs          what rows say of the pipeline file
//! check/sample.rs        which partitions are looked into
//! check/tables.rs        folders and files
//! check/times.rs         when rows are
//! evidence.rs            what explain looks at
//! explain.rs             what is behind a figure, or did a contact
//! explain_ad.rs          an ad's day, explained
//! init/mod.rs            a pipeline file for a lake that nobody knows yet
//! init/bots.rs           sub-bots, and the accounts of each bot
//! init/census.rs         which bots, ads and accounts the rows name
//! init/columns.rs        where a table has what the contract asks for
//! init/decided.rs        what the file will say of each bot
//! init/details.rs        units, zones, words, floats
//! init/found.rs          what was found
//! init/kinds.rs          which folder is which table
//! init/look.rs           the look at a lake
//! init/names.rs          what lakes call the columns
//! init/page.rs           lines and comments
//! init/sample.rs         the first rows of some files
//! init/table_text.rs     the sections of tables
//! init/text.rs           the pipeline file
//! init/values.rs         what values look like
//! init/wishes.rs         what a person said
//! insights.rs            Meta's figures, fetched now and nothing built
//! new_setting.rs         another conversion event
//! plan.rs                what a run would do, and why
//! rules.rs               where the rules that explain cites are told
//! sessions.rs            the sessions behind the figures
//! story.rs               what explain found, as sentences
//! unread.rs              what the footers of unread partitions say
//! verify.rs              whether what is published is what the lake says
//! what_if.rs             under other settings
//! ```

pub(crate) mod categories;
pub(crate) mod check;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod explain_ad;
pub(crate) mod init;
pub mod insights;
pub(crate) mod new_setting;
pub mod plan;
pub(crate) mod rules;
pub(crate) mod sessions;
pub(crate) mod story;
pub(crate) mod unread;
pub mod verify;
pub(crate) mod what_if;

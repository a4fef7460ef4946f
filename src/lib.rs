//! ctwa: what each Click-to-WhatsApp ad was worth.
//!
//! The pipeline is a build system for days: every published day is a function of landed days and settings, and of nothing else; a
//! receipt remembers which, so a run finds the days that are stale and builds those.
//!
//! ```text
//! messages/date=  --extract-->  touches                 one small table per partition day, contacts as they came
//! events/date=    --extract-->  conversion events       only of the category in effect at their instant
//!                                   |
//!                               attribute               identities, copies, sessions          <- the engine seam
//!                                   |
//! insights/date=  --pull----->  ad_days, ad_conversions, ads, bot_days  --audit-->  publish  -->  report
//! ```
//!
//! The files, in the order of the flow:
//!
//! ```text
//! main.rs, lib.rs
//! cli/mod.rs              exit codes, what is printed         cli/args.rs             commands and flags
//! cli/text.rs             results as text                     cli/signals.rs          Ctrl-C and SIGTERM
//! cli/conversion_event.rs its commands                        cli/grid.rs             small tables
//! cli/progress.rs         bars                                cli/sheet.rs            flags of what has columns
//! cli/sessions.rs, cli/explain.rs, cli/what_if.rs             commands of those names
//! cli/terminal.rs         width, locale, colours              cli/shell.rs            completions, the manual page
//! config/mod.rs           the pipeline file, resolved         config/document.rs      read key by key, with places
//! config/marketing_api.rs how insights are fetched            config/edit.rs          a setting written into it
//! run.rs                  the only loop                       run_report.rs           what it did
//! preview.rs              what a run would do                 verify.rs               whether it did
//! check.rs                what would go wrong tonight
//! unread.rs               what footers say
//! categories.rs           what events there are, and what     new_setting.rs          a new conversion event
//!                         each category would yield
//! ledger.rs               the sessions behind the figures     explain.rs, story.rs    what is behind a figure
//! what_if.rs              under other settings
//!
//! survey.rs               what is there                       calendar.rs             which days can be built
//! receipt.rs, digest.rs   what a stored thing was made from   history.rs              what was accepted and stays
//! bot_rows.rs             rows by local day, as receipts tell
//! plan.rs                 which days are stale, and why       reach.rs                what aliases and ads reach
//!
//! scan.rs                 reads what is new or changed        extract.rs              a raw partition, read once
//! published_counts.rs     counts of days whose rows did not change
//! attribution.rs          counts of the days to be built      working.rs              which working rows they need
//! kept.rs                 what is known of ads                texts.rs                texts as small integers
//! mapping.rs              the lake's columns as the contract's
//! touches.rs, conversions.rs                                  the rows that count, and those set aside
//! insights/mod.rs         Meta's figures                      identity.rs             aliases
//!
//! pull/mod.rs             Meta's figures into the lake        pull/ads.rs             of ads that reports leave out
//! pull/range_reach.rs     of ranges as a whole
//! insights/due.rs         what is to be fetched               insights/ledger.rs      what was fetched, and when
//! insights/landing.rs     fetched rows as tables             insights/money.rs       read exactly
//! fetch.rs                fetched now, and nothing built
//!
//! insights/client.rs      what is asked of Meta's API         insights/graph.rs       paced, repeated, page by page
//! insights/split.rs       too large: smaller questions        insights/report_run.rs  too large: asynchronously
//! insights/http.rs        the only user of HTTP               config/secret.rs        a token that cannot be printed
//! insights/graph_error.rs what an error means                 insights/throttle.rs    how long to wait for limits
//! insights/wire.rs, insights/rows.rs                          Meta's JSON, read strictly
//!
//! engine/mod.rs           one request, one answer             engine/embedded.rs      answered by windowed polars
//! engine/yields.rs        for every category at once          sessions.rs             which touch converts
//! ad_days.rs, ads.rs, bot_days.rs, build.rs                   the rows of a day, and its tables
//! audit.rs                what must hold before a day is published
//! publish.rs              objects put where readers look
//!
//! report/mod.rs           figures per ad                      report/read.rs          from the published tables
//! report/facts.rs, report/figures.rs, report/amount.rs        what they add up to
//! report/columns.rs, report/published.rs                      those tables' columns and rows
//! report/tally.rs         stored days, added up as they are read
//! report/table.rs, report/csv.rs, report/json.rs, report/batch.rs
//!                                                             how they are shown
//! report/sheet.rs         columns and cells, for every format report/what_if.rs       beside what was published
//! report/series.rs        every day of a range, packed        report/html.rs          the page that unpacks it
//! report/reconcile.rs     our conversations beside Meta's
//!
//! lake/mod.rs             the only user of storage            lake/layout.rs          where things lie
//! lake/location.rs        a folder, or a prefix in a bucket   lake/store.rs           opened by the environment
//! lake/read.rs            Parquet in batches              lake/write.rs           one object at once
//! lake/table.rs           our own tables as Parquet
//! lake/disk.rs            a folder on a local disk
//! lake/lock.rs            one run at a time                   lake/probe.rs           what a store can do
//! lake/failure.rs         what a failure of storage means
//! schema.rs               every table                         day.rs                  days, zones, local days
//! error.rs                kind, what, to what, the mend       parallel.rs             several items at once
//! memory.rs               how the allocator keeps it              limits.rs               how far things reach
//! job.rs                  what a command is asked to do           failures.rs             what goes wrong without stopping a run
//! object.rs               what a listing shows                    fingerprints.rs         settings that matter to what was read
//! found.rs                what an extraction finds                insights_status.rs      a column of bot_days
//! cli/flags.rs            flags that commands share
//! look.rs                 texts and numbers on a terminal     progress.rs             how far a long step is
//! ```
//!
//! **Words.** A *touch* is an inbound message that a click on an ad sent; each opens a *session*, in which one *conversion* can be
//! credited to its ad. A *conversion event* is a tracked event of the category that the bot's *setting* names at the event's
//! instant. The *horizon* is how long a session can convert. A *local day* is a day of the bot's zone. A *copy* is a message
//! delivered again.
//!
//! **What always holds.** The same inputs, settings and version give the same bytes, in whatever order rows and files come. Every
//! touch is converted, superseded, expired or open. NULL is not 0: it means unknown. Money is exact. A day is published as one
//! object per table, or not at all; a day that fails never stops another.
pub mod ad_days;
pub mod ads;
pub mod attribution;
pub mod audit;
pub mod bot_days;
pub mod bot_rows;
pub mod build;
pub mod calendar;
pub mod categories;
pub mod check;
pub mod cli;
pub mod config;
pub mod conversions;
pub mod day;
pub mod digest;
pub mod engine;
pub mod error;
pub mod explain;
pub mod extract;
pub mod failures;
pub mod fetch;
pub mod fingerprints;
pub mod found;
pub mod history;
pub mod identity;
pub mod insights;
pub mod insights_status;
pub mod job;
pub mod kept;
pub mod lake;
pub mod ledger;
pub mod limits;
pub mod look;
pub mod mapping;
pub mod memory;
pub mod new_setting;
pub mod object;
pub mod parallel;
pub mod plan;
pub mod preview;
pub mod progress;
pub mod publish;
pub mod published_counts;
pub mod pull;
pub mod reach;
pub mod receipt;
pub mod report;
pub mod run;
pub mod run_report;
pub mod scan;
pub mod schema;
pub mod sessions;
pub mod story;
pub mod survey;
pub mod texts;
pub mod touches;
pub mod unread;
pub mod verify;
pub mod what_if;
pub mod working;

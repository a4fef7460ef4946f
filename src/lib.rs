//! ctwa: what each Click-to-WhatsApp ad was worth.
//!
//! The pipeline is a build system for days: every published day is a function of landed days and settings, and of nothing else; a
//! receipt remembers which, so a run finds the days that are stale and builds those.
//!
//! ```text
//!  the lake                                                                                  the output
//!  messages/date= --+                                                     +-- receipts, working tables, what was accepted
//!  events/date= ----+                                                     |
//!                   |                                                     v
//!                   +--> extract --> engine: sessions, counts      plan: what is stale, and why
//!                        rows that   (the seam: one request,              |
//!  identities ---------> could count  one answer)                         |  stages
//!                                          |                              v
//!  Meta's API --> insights --------------> tables: the rows of a day <-- run: the only loop --> ad_days, ad_conversions,
//!                 asked, landed, read      and their audit                                      bot_days, ads, reach
//!                                                                                                   |
//!                                    BI tools, a page, a terminal <-- report <----------------------+
//! ```
//!
//! The rooms, from the top down; each names only those below it, and says in its own `mod.rs` which files it has:
//!
//! ```text
//! cli        the edge to a person: flags, texts, exit codes, progress, signals
//! commands   what each command does, a file per command: plan, check, verify, sessions, explain, what-if, ...
//! run        the only loop, and the only room that publishes: scan, attribute, build, put, pull from Meta
//! known      what is there, by listings, receipts and what earlier runs kept
//! tables     PURE  the rows of a day's tables (the currency rule is in ads), and what must hold before they are published
//! plan       PURE  which days can be built (calendar), which are stale and why, what was accepted and stays
//! engine     the seam: which conversations converted
//! extract    a raw partition, read once: what counts, what is set aside, who an id stands for
//! insights   Meta's figures: what is due, asked for, landed and read
//! report     the published tables as figures, in every format
//! config     the pipeline file, resolved: zones, mappings, the history of conversion events, the 90-day horizon
//! lake       the only user of storage: objects, Parquet, the lock
//! base       what every room may use: days, digests, errors, schemas, limits (the copy window), money
//! ```
//!
//! **Words.** Each word of the project, once.
//!
//! What people do:
//!
//! - *contact*: whoever writes to a bot, under the id that all its ids stand for
//! - *alias*: an id that stands for a contact, by the identities table
//! - *bot*: a WhatsApp number with its ads, as the pipeline file names it
//! - *member*: a further id of a bot, whose rows count as the bot's
//! - *local day*: a day of the bot's time zone
//! - *touch*: an inbound message that a click on an ad sent
//! - *session*: what a touch opens, in which one conversion can be credited to its ad
//! - *horizon*: how long a session can convert
//! - *setting*: which category of tracked events counts in a bot, and from which instant
//! - *conversion event*: a tracked event of the category that the setting in effect names
//! - *conversion*: a conversion event credited to a session, and so to its ad where that is known
//! - *end*: what became of a session: converted, superseded, expired or open
//! - *copy*: a message or event that is delivered again, and counts once
//!
//! What lies where:
//!
//! - *lake*: the storage that raw tables and Meta's figures land in
//! - *output*: the storage of one pipeline: published tables, and what runs keep beside them
//! - *partition*: the rows of one table and one UTC day, in the lake
//! - *watermark*: the instant up to which messages and events have landed
//! - *working table*: the rows that count of one partition, stored under `work/`
//! - *set aside*: rows that do not count because a value is missing or absurd, kept with the reason
//! - *refused*: a partition that breaks the contract, or of which too much is set aside: nothing of it counts
//! - *retired*: a partition that was read, and has left the lake since
//! - *frozen*: a day as old as a retired partition, which stays as it was published
//! - *ledger*: what was fetched from Meta, and when
//! - *reach*: Meta's number of people who saw an ad
//!
//! What decides what a run does:
//!
//! - *receipt*: what a partition held, or a published day was made from
//! - *digest*: a number that tells whether something is still what it was
//! - *fingerprint*: the digest of the settings that something was made under
//! - *affects*: a row affects the days whose figures can depend on it; so does an alias, or an ad's place
//! - *mark*: a day that something affected which no digest tells; its receipt names the marks it was built under
//! - *accepted*: what runs have taken as the past: partitions that were read, and settings that have been in effect
//! - *plan*: what is to be done, and why
//! - *step*: one partition to read, or one day to build, with the reason
//! - *stage*: one kind of thing to do, in its turn; the plan is a list of them
//! - *run*: the loop that does the stages of the plan until none is left
//! - *engine*: what finds sessions in rows, and counts them
//!
//! **What always holds.** The same inputs, settings and version give the same bytes, in whatever order rows and files come. Every
//! touch is converted, superseded, expired or open. NULL is not 0: it means unknown. Money is exact. A day is published as one
//! object per table, or not at all; a day that fails never stops another.
#![cfg_attr(test, allow(clippy::shadow_unrelated, reason = "a test asks the same of one thing after another"))]

pub mod base;
pub mod cli;
pub mod commands;
pub mod config;
pub mod engine;
pub mod extract;
pub mod insights;
pub mod known;
pub mod lake;
pub(crate) mod plan;
pub mod report;
pub mod run;
pub(crate) mod tables;

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
//! **Words.** A *touch* is an inbound message that a click on an ad sent; each opens a *session*, in which one *conversion* can be
//! credited to its ad. A *conversion event* is a tracked event of the category that the bot's *setting* names at the event's
//! instant. The *horizon* is how long a session can convert. A *local day* is a day of the bot's zone. A *copy* is a message
//! delivered again.
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

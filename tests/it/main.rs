//! The one test binary: every check of the project that is not beside the code it checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::too_many_lines, clippy::shadow_unrelated, reason = "a test may tell a long story")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod architecture;
mod away;
mod bench;
mod blip_shared;
mod browser;
mod cases;
mod cells;
mod contract;
mod conversion_events;
mod delta;
mod delta_log;
mod dependencies;
mod engines;
mod errors;
mod explain;
mod faults;
mod forms;
mod graph;
mod init;
mod lake;
mod landed_insights;
mod large;
mod layouts;
mod mapping;
mod network;
mod nights;
mod noticed;
mod oracle;
mod outputs;
mod page;
mod plans;
mod properties;
mod proxy;
mod races;
mod readers;
mod readme;
mod regressions;
mod remote;
mod rows;
mod sample;
mod scene;
mod servers;
mod sessions;
mod snapshots;
mod store;
mod terminal;
mod usage;
mod what_if;
mod world;
mod worlds;
mod writers;

//! The one test binary: every check of the project that is not beside the code it checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod architecture;
mod bench;
mod cases;
mod errors;
mod forms;
mod lake;
mod nights;
mod oracle;
mod plans;
mod properties;
mod rows;
mod sample;
mod scene;
mod usage;
mod world;
mod worlds;

//! The sample lakes of `sample_data/`, and what they must yield.
//!
//! `shop` makes one [`World`](crate::world::World) from a fixed seed; `contract` and `blip` store it as two lakes; `expected`
//! is the oracle's answer. All of it is committed, so that a newcomer needs no generator: the tests here hold the committed
//! files to the generator and the oracle, and `golden` holds the binary to them.
//!
//! After a change of the generator or of the oracle: `CTWA_WRITE_SAMPLE=1 cargo test sample_lakes_are_as_generated`.

mod ads;
mod endings;
mod exhibits;
mod expected;
mod files;
mod shop;

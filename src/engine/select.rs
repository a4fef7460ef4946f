//! The engine that a pipeline file names: the only door to any of them.

use crate::config::EngineKind;
use crate::engine::Engine;
use crate::engine::embedded::Embedded;
use crate::lake::Lake;

/// Where an engine works.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// Where raw partitions are read.
    pub lake: &'a Lake,
    /// Where it may keep what it makes, under `work/`.
    pub output: &'a Lake,
    /// How many rows it may hold in memory at once, for an engine that holds any; none: as many as it sees fit. With more, one part of
    /// the contacts comes after the other.
    pub rows_at_once: Option<u64>,
}

impl<'a> Site<'a> {
    pub fn new(lake: &'a Lake, output: &'a Lake) -> Site<'a> {
        Site { lake, output, rows_at_once: None }
    }
}

/// An engine, which has not done anything yet.
pub fn engine<'a>(kind: EngineKind, site: Site<'a>) -> Box<dyn Engine + 'a> {
    match kind {
        EngineKind::Embedded => Box::new(Embedded::new(site.lake, site.output, site.rows_at_once)),
    }
}

//! Engines: every one there is goes through the worked cases, the random worlds and the sample lakes. Here: which they are, and what
//! one may do without.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use ctwa::base::day::Day;
use ctwa::base::error::Result;
use ctwa::base::schema::Raw;
use ctwa::config::{EngineKind, Settings};
use ctwa::engine::Engine;
use ctwa::engine::request::{AttributeRequest, Attribution, ExtractRequest, ExtractedPartition, Extraction, Keep};
use ctwa::engine::rows::KeptRows;
use ctwa::engine::select::{self, Site};
use ctwa::known::job::{Job, Wanted};
use ctwa::lake::{Environment, Partition};
use ctwa::run;

use crate::lake::{self, Form, Lake};
use crate::oracle;
use crate::properties::{check, fail, folder, judged, objects};
use crate::worlds;

pub fn engines() -> impl Iterator<Item = EngineKind> {
    EngineKind::ALL.into_iter()
}

/// An engine that keeps nothing, as one on a cluster may: it stores no rows, lends none, and reads the raw partitions again whenever it
/// is asked to count.
struct Forgetful<'a> {
    site: Site<'a>,
}

impl Forgetful<'_> {
    /// One that knows nothing of what was asked before.
    fn inner(&self) -> Box<dyn Engine + '_> {
        select::engine(EngineKind::default(), self.site)
    }
}

impl Engine for Forgetful<'_> {
    fn kind(&self) -> EngineKind {
        EngineKind::default()
    }

    fn extract(&self, request: &ExtractRequest<'_>) -> Vec<Result<Extraction>> {
        self.inner().extract(&ExtractRequest { keep: Keep::ForNow, ..*request })
    }

    fn stored(&self) -> Result<BTreeMap<(Raw, Day), String>> {
        Ok(BTreeMap::new())
    }

    fn forget(&self, _: &[(Raw, Day)]) -> Result<()> {
        Ok(())
    }

    fn attribute(&self, request: &AttributeRequest<'_>) -> Result<Attribution> {
        let inner = self.inner();
        for table in Raw::BOTH {
            let of_table = request.partitions.iter().filter(|partition| partition.table == table);
            let partitions: Vec<Partition> =
                of_table.map(|partition| Partition::of(partition.day, partition.inputs.to_vec())).collect();
            let (settings, keep, progress) = (request.rules.settings, Keep::ForNow, &ctwa::base::progress::unheard);
            let again = ExtractRequest { settings, table, partitions: &partitions, usual_bytes: 0, keep, progress };
            inner.extract(&again).into_iter().collect::<Result<Vec<_>>>()?;
        }
        let partitions: Vec<_> =
            request.partitions.iter().map(|partition| ExtractedPartition { version: None, ..*partition }).collect();
        inner.attribute(&AttributeRequest { partitions: &partitions, ..*request })
    }

    fn rows(&self) -> Option<&dyn KeptRows> {
        None
    }
}

/// A run by that engine; what it built.
fn run_forgetful(written: &Lake) -> Result<usize, TestCaseError> {
    let run = || -> Result<usize> {
        let (settings, environment) = (Settings::load(&written.pipeline)?, Environment::default());
        let lake = ctwa::lake::Lake::open(&settings.lake, &environment)?;
        let output = ctwa::lake::Lake::open_or_create(&settings.output, &environment)?;
        let outcome = run::run(&Job {
            settings: &settings,
            lake: &lake,
            output: &output,
            engine: &Forgetful { site: Site::new(&lake, &output) },
            wanted: Wanted::Through(None),
            accept_history_change: false,
            clock: &|| chrono::DateTime::UNIX_EPOCH,
            stopped: &|| Ok(()),
            pause: None,
            progress: &ctwa::base::progress::unheard,
        })?;
        Ok(outcome.report.days.len())
    };
    run().map_err(|error| fail(error.to_string()))
}

/// The seam is enough for an engine that has nothing but the two verbs: first build, a night in which aliases changed, and an idle run.
#[test]
fn an_engine_that_keeps_nothing_builds_the_same_bytes() {
    check(6, (worlds::world(), worlds::world()), |(world, other)| {
        let mut later = world.clone();
        later.identities = other.identities;
        if oracle::tables(&later).is_err() || later.identities.is_empty() || world.identities.is_empty() {
            later.identities = world.identities.clone();
        }
        judged(&world)?;
        let (by_forgetful, by_binary) = (folder()?, folder()?);
        for (world, name) in [(&world, "first"), (&later, "later")] {
            let lake = lake::write(world, &Form::default(), by_forgetful.path());
            run_forgetful(&lake)?;
            prop_assert_eq!(run_forgetful(&lake)?, 0, "an idle run builds nothing");
            let fresh = lake::write(world, &Form::default(), &by_binary.path().join(name));
            let codes: &[i32] = if oracle::has_hole(world) { &[3] } else { &[0] };
            lake::ctwa_expecting(&fresh, codes, "run", &[]).map_err(fail)?;
            prop_assert_eq!(lake::unequal_objects(&objects(&fresh)?, &objects(&lake)?), Vec::<String>::new());
            prop_assert!(!lake.output.join("work/touches").exists(), "nothing is stored");
        }
        Ok(())
    });
}

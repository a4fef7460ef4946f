//! Properties over random worlds: the oracle's own sums, the binary against the oracle, and the laws of rules 20 and 21.
//!
//! A failure prints the smallest world found and the seed; `PROPTEST_RNG_SEED` runs that seed again, `PROPTEST_CASES` sets
//! how many worlds are tried.

use std::env;
use std::hash::{BuildHasher as _, RandomState};

use chrono::NaiveDate;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use ctwa::base::day::DayRange;
use ctwa::config::Settings;
use ctwa::engine::select::{self, Site};
use ctwa::known::job::{Job, Wanted};
use ctwa::lake::Environment;
use ctwa::run;

use crate::engines::engines;
use crate::lake::{self, Form, Lake};
use crate::oracle::{self, State, Tables};
use crate::rows;
use crate::world::World;
use crate::worlds;

/// Runs a property on `cases` values, unless the environment asks for another number.
pub fn check<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("PROPTEST_RNG_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let config = Config {
        cases: number("PROPTEST_CASES").map_or(cases, |cases| u32::try_from(cases).unwrap_or(u32::MAX)),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 400,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    match TestRunner::new(config).run(&strategy, property) {
        Ok(()) => {}
        // One line: a world is hard to read when each of its values has its own.
        Err(TestError::Fail(reason, value)) => {
            panic!("PROPTEST_RNG_SEED={seed}\n{reason}\nsmallest failing input: {value:?}")
        }
        Err(TestError::Abort(reason)) => panic!("PROPTEST_RNG_SEED={seed}\n{reason}"),
    }
}

pub fn fail(reason: impl Into<String>) -> TestCaseError {
    TestCaseError::fail(reason.into())
}

pub fn judged(world: &World) -> Result<Tables, TestCaseError> {
    oracle::tables(world).map_err(|refusal| fail(format!("the oracle refuses the world: {refusal}")))
}

pub fn folder() -> Result<tempfile::TempDir, TestCaseError> {
    tempfile::tempdir().map_err(|error| fail(error.to_string()))
}

/// A hole between landed days ends a run with "not ready", after everything else is published.
fn run(lake: &Lake, world: &World) -> Result<(), TestCaseError> {
    let code = if oracle::has_hole(world) { 3 } else { 0 };
    lake::ctwa_expecting(lake, &[code], "run", &[]).map_err(fail)?;
    Ok(())
}

pub fn objects(lake: &Lake) -> Result<std::collections::BTreeMap<String, Vec<u8>>, TestCaseError> {
    lake::objects(&lake.output).map_err(fail)
}

fn same_as_oracle(world: &World, form: &Form) -> Result<(), TestCaseError> {
    let expected = judged(world)?;
    for engine in engines() {
        let folder = folder()?;
        let lake = lake::write(world, &Form { engine, ..form.clone() }, folder.path());
        run(&lake, world)?;
        let found = lake::read(&lake.output).map_err(fail)?;
        let differences = rows::differences(&expected.published, &found);
        if !differences.is_empty() {
            return Err(fail(format!("{} differs from the oracle\n{differences}", engine.name())));
        }
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------------------- the oracle

#[test]
fn oracle_sums_agree_with_its_sessions() {
    check(200, worlds::world(), |world| {
        let tables = judged(&world)?;
        for (date, rows) in &tables.published.bot_days {
            for row in rows {
                let parts = [row.conversions, row.unattributed_conversions, row.organic_conversion_events];
                prop_assert_eq!(row.conversion_events, parts.into_iter().sum::<Option<i64>>(), "{} {}", date, &row.bot_id);
                let ads = tables.published.ad_days[date].iter().filter(|ad| ad.bot_id.as_ref() == Some(&row.bot_id));
                prop_assert_eq!(row.touches, ads.clone().map(|ad| ad.conversations).sum::<i64>());
                prop_assert_eq!(row.conversions.unwrap_or(0), ads.filter_map(|ad| ad.conversions).sum::<i64>());
                let pairs = tables.published.ad_conversions[date].iter().filter(|pair| pair.bot_id == row.bot_id);
                prop_assert_eq!(row.conversions.unwrap_or(0), pairs.map(|pair| pair.conversions).sum::<i64>());
            }
            // Rule 14: no figure of a listed account is lost or counted twice.
            let listed = |account: &String| world.bots.iter().any(|bot| bot.ad_accounts.contains(account));
            let landed = world.insights.iter().filter(|row| row.date == *date && listed(&row.account_id));
            let spend = tables.published.ad_days[date].iter().filter_map(|row| row.spend).sum::<i64>();
            prop_assert_eq!(spend, landed.map(|row| row.spend_millionths).sum::<i64>());
        }
        Ok(())
    });
}

#[test]
fn oracle_does_not_see_the_order_of_rows() {
    check(100, (worlds::world(), any::<u64>()), |(world, seed)| {
        let mut other = world.clone();
        let mut dice = lake::Dice(seed);
        for last in (1..other.messages.len()).rev() {
            other.messages.swap(last, dice.roll(last + 1));
        }
        for last in (1..other.events.len()).rev() {
            other.events.swap(last, dice.roll(last + 1));
        }
        other.insights.reverse();
        other.identities.reverse();
        let (one, other) = (judged(&world)?, judged(&other)?);
        prop_assert_eq!(rows::differences(&one.published, &other.published), "");
        prop_assert_eq!(one.sessions, other.sessions);
        prop_assert_eq!(one.organic, other.organic);
        Ok(())
    });
}

/// A strategy that never makes what a rule is about would leave that rule unjudged.
#[test]
fn random_worlds_reach_every_rule() {
    let mut runner = TestRunner::deterministic();
    let mut met = std::collections::BTreeMap::new();
    for _ in 0..1500 {
        let world = worlds::world().new_tree(&mut runner).expect("the strategy makes worlds").current();
        let tables = oracle::tables(&world).expect("the oracle takes the strategy's worlds");
        let mut meet = |what: &'static str, there: bool| *met.entry(what).or_insert(0u32) += u32::from(there);
        let bot_days: Vec<_> = tables.published.bot_days.values().flatten().collect();
        let ad_days: Vec<_> = tables.published.ad_days.values().flatten().collect();
        let state = |is: fn(&State) -> bool| tables.sessions.iter().any(|session| is(&session.state));
        meet("converted", state(|state| matches!(state, State::Converted { .. })));
        meet("superseded", state(|state| matches!(state, State::Superseded { .. })));
        meet("expired", state(|state| matches!(state, State::Expired { .. })));
        meet("open", state(|state| matches!(state, State::Open)));
        meet("duplicate touches", bot_days.iter().any(|row| row.duplicate_touches > 0));
        meet("unattributed touches", bot_days.iter().any(|row| row.unattributed_touches > 0));
        meet("unattributed conversions", bot_days.iter().any(|row| row.unattributed_conversions > Some(0)));
        meet("organic events", bot_days.iter().any(|row| row.organic_conversion_events > Some(0)));
        meet("events without contact", bot_days.iter().any(|row| row.events_without_contact > Some(0)));
        meet("rejected rows", bot_days.iter().any(|row| row.rejected_rows > 0));
        let metadata = |of: fn(&str) -> bool| world.messages.iter().filter_map(|row| row.metadata.as_deref()).any(of);
        meet("JSON", metadata(|text| text.starts_with("{\"")));
        meet("what should be JSON", metadata(|text| text.starts_with("{'")));
        let ads = || world.messages.iter().filter_map(|row| row.ad_id.as_deref());
        meet("ids that are none", ads().any(|ad| ad == "726.0") && ads().any(|ad| ad == "nan"));
        meet("words that mean nothing", world.null_words.iter().any(|words| !words.is_empty()));
        meet("unconfigured days", bot_days.iter().any(|row| row.conversions.is_none()));
        meet("incomplete days", bot_days.iter().any(|row| !row.complete));
        for status in ["none", "missing", "provisional", "final"] {
            meet(status, bot_days.iter().any(|row| row.insights_status == status));
        }
        meet("holes", oracle::has_hole(&world));
        meet("spend of nobody", ad_days.iter().any(|row| row.bot_id.is_none()));
        meet("spend known to be 0", ad_days.iter().any(|row| row.spend == Some(0) && row.conversations > 0));
        meet("spend on another row", ad_days.iter().any(|row| row.account_id.is_some() && row.spend.is_none()));
        meet("no rows at all", bot_days.is_empty());
    }
    let never: Vec<_> = met.iter().filter(|(_, times)| **times < 3).collect();
    assert!(never.is_empty(), "of 1500 worlds, hardly any has: {never:?} (all: {met:?})");
}

// ---------------------------------------------------------------------------------------------------------- the binary

#[test]
fn pipeline_agrees_with_the_oracle() {
    check(24, (worlds::world(), worlds::form()), |(world, form)| same_as_oracle(&world, &form));
}

#[test]
fn pipeline_agrees_over_a_whole_horizon() {
    check(2, (worlds::long_world(), worlds::form()), |(world, form)| same_as_oracle(&world, &form));
}

/// Rule 20: order of rows, number of files, row groups, and the type of a column change no byte; nor does a second run.
#[test]
fn form_and_repetition_change_no_byte() {
    check(6, (worlds::world(), worlds::form(), worlds::form()), |(world, one, other)| {
        let (first, second) = (folder()?, folder()?);
        let lake = lake::write(&world, &one, first.path());
        run(&lake, &world)?;
        let built = objects(&lake)?;
        run(&lake, &world)?;
        prop_assert_eq!(lake::unequal_objects(&built, &objects(&lake)?), Vec::<String>::new(), "run twice");
        let lake = lake::write(&world, &other, second.path());
        run(&lake, &world)?;
        prop_assert_eq!(lake::unequal_objects(&built, &objects(&lake)?), Vec::<String>::new(), "stored otherwise");
        Ok(())
    });
}

/// However few rows are held in memory at once, no byte changes, from nothing and from what a run left.
#[test]
fn parts_of_the_contacts_add_up_to_the_whole() {
    check(10, (worlds::world(), 1..30u64, 1..30u64), |(world, one, other)| {
        let (whole, parted) = (folder()?, folder()?);
        let lake = lake::write(&world, &Form::default(), whole.path());
        run(&lake, &world)?;
        let built = objects(&lake)?;
        let lake = lake::write(&world, &Form::default(), parted.path());
        let run = |wanted, rows_at_once| {
            let settings = Settings::load(&lake.pipeline)?;
            let environment = Environment::default();
            let lake = ctwa::lake::Lake::open(&settings.lake, &environment)?;
            let output = ctwa::lake::Lake::open_or_create(&settings.output, &environment)?;
            let site = Site { rows_at_once: Some(rows_at_once), ..Site::new(&lake, &output) };
            run::run(&Job {
                settings: &settings,
                lake: &lake,
                output: &output,
                engine: select::engine(settings.engine, site).as_ref(),
                wanted,
                accept_history_change: false,
                clock: &|| chrono::DateTime::UNIX_EPOCH,
                stopped: &|| Ok(()),
                pause: None,
                progress: &ctwa::base::progress::unheard,
            })
        };
        let done = run(Wanted::Through(None), one).map_err(|error| fail(error.to_string()))?;
        prop_assert_eq!(lake::unequal_objects(&built, &objects(&lake)?), Vec::<String>::new(), "in parts");
        if let Some((first, last)) = done.report.days.first().zip(done.report.days.last()) {
            let days = DayRange { first: first.day, last: last.day };
            run(Wanted::Days(days), other).map_err(|error| fail(error.to_string()))?;
            prop_assert_eq!(lake::unequal_objects(&built, &objects(&lake)?), Vec::<String>::new(), "again in other parts");
        }
        Ok(())
    });
}

/// Rule 21: the range built in pieces, in any order, is the range built at once.
#[test]
fn backfill_in_pieces_is_one_run() {
    check(6, (worlds::world(), any::<[Index; 2]>(), any::<bool>()), |(world, cuts, newest_first)| {
        let folder = folder()?;
        let whole = lake::write(&world, &Form::default(), folder.path());
        run(&whole, &world)?;
        let built = objects(&whole)?;

        let days: Vec<NaiveDate> = judged(&world)?.published.bot_days.into_keys().collect();
        let (Some(first), Some(last)) = (days.first(), days.last()) else {
            return Ok(());
        };
        // Each piece begins at a cut and ends on the day before the next.
        let mut begins: Vec<NaiveDate> = cuts.iter().map(|cut| days[cut.index(days.len())]).chain([*first]).collect();
        begins.sort();
        begins.dedup();
        let mut pieces: Vec<(NaiveDate, NaiveDate)> = Vec::new();
        for (index, begin) in begins.iter().enumerate() {
            let end = begins.get(index + 1).and_then(NaiveDate::pred_opt).unwrap_or(*last);
            pieces.push((*begin, end));
        }
        if newest_first {
            pieces.reverse();
        }
        let pieced = lake::write_pipeline(&world, &Form::default(), folder.path(), "pieces", Some("pieces"));
        for (from, to) in &pieces {
            let (from, to) = (from.to_string(), to.to_string());
            let codes: &[i32] = if oracle::has_hole(&world) { &[0, 3] } else { &[0] };
            lake::ctwa_expecting(&pieced, codes, "backfill", &["--from", &from, "--to", &to]).map_err(fail)?;
        }
        prop_assert_eq!(lake::unequal_objects(&built, &objects(&pieced)?), Vec::<String>::new(), "{:?}", pieces);
        Ok(())
    });
}

//! The laws of rules 20 to 22 through the binary: whatever lands when, is changed, taken away or lost, the next run gives the
//! tables that one build of the lake as it is now would give, and touches no day that the plan did not name.
//!
//! A failure prints the smallest input found and the seed, see `properties`.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use arrow::array::AsArray as _;
use arrow::datatypes::DataType;
use chrono::{Days, NaiveDate};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseError;

use ctwa::base::day::{Day, DayRange};
use ctwa::base::error::{Error, ErrorKind};
use ctwa::commands;
use ctwa::config::Settings;
use ctwa::engine::select::{self, Site};
use ctwa::known::job::{Job, Wanted};
use ctwa::lake::Environment;
use ctwa::run as ctwa_run;

use crate::lake::{self, Dice, Form, LAYOUTS, Lake, Ran};
use crate::oracle;
use crate::properties::{check, fail, folder, judged, objects};
use crate::rows;
use crate::scene;
use crate::world::{Identity, Insight, Message, World};
use crate::worlds;

type Checked<T = ()> = Result<T, TestCaseError>;
type Objects = BTreeMap<String, Vec<u8>>;

// ------------------------------------------------------------------------------------------------------------- landing

/// Brings the lake under `dir` from one world to another: writes the partitions that differ, and no other file.
pub fn land(before: &World, after: &World, form: &Form, dir: &Path) {
    let root = dir.join("lake");
    let text = |rows: &dyn Debug| format!("{rows:?}");
    let mut landing = World { bots: after.bots.clone(), window_days: after.window_days, ..World::default() };
    let days_of_insights = |world: &World| world.insights.iter().map(|row| row.date).collect::<BTreeSet<NaiveDate>>();
    let all_days = |before: &[NaiveDate], after: &[NaiveDate]| before.iter().chain(after).copied().collect::<BTreeSet<_>>();

    for day in all_days(&before.message_days, &after.message_days) {
        let [old, new] =
            [before, after].map(|world| world.messages.iter().filter(|row| row.partition == day).collect::<Vec<_>>());
        let landed = [before, after].map(|world| world.message_days.contains(&day));
        if landed == [true, true] && text(&old) == text(&new) {
            continue;
        }
        take_day_away(&root.join("messages"), day);
        if landed[1] {
            landing.message_days.push(day);
            landing.messages.extend(new.into_iter().cloned());
        }
    }
    for day in all_days(&before.event_days, &after.event_days) {
        let [old, new] = [before, after].map(|world| world.events.iter().filter(|row| row.partition == day).collect::<Vec<_>>());
        let landed = [before, after].map(|world| world.event_days.contains(&day));
        if landed == [true, true] && text(&old) == text(&new) {
            continue;
        }
        take_day_away(&root.join("events"), day);
        if landed[1] {
            landing.event_days.push(day);
            landing.events.extend(new.into_iter().cloned());
        }
    }
    for day in days_of_insights(before).union(&days_of_insights(after)) {
        let [old, new] = [before, after].map(|world| world.insights.iter().filter(|row| row.date == *day).collect::<Vec<_>>());
        if text(&old) != text(&new) {
            take_day_away(&root.join("insights"), *day);
            landing.insights.extend(new.into_iter().cloned());
        }
    }
    if text(&before.identities) != text(&after.identities) {
        take_away(&root.join("identities"));
        landing.identities = after.identities.clone();
    }
    fs::create_dir_all(&root).expect("a folder for the lake");
    lake::write(&landing, form, dir);
}

/// Takes the files of a day away, in whatever layout they lie.
fn take_day_away(table: &Path, day: NaiveDate) {
    let files = LAYOUTS.iter().flat_map(|lay| (0..4).map(move |file| lay.path(day, file)));
    files.map(|file| table.join(file)).filter(|file| file.exists()).for_each(|file| take_away(&file));
}

fn take_away(path: &Path) {
    let gone = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    assert!(gone.is_ok() || !path.exists(), "{}: {gone:?}", path.display());
}

/// The pipeline over the lake under `dir`, with an output of its own.
pub fn pipeline(world: &World, form: &Form, dir: &Path, name: &str) -> Lake {
    lake::write_pipeline(world, form, dir, name, Some(name))
}

/// What a run exits with: not ready while a partition between others is missing.
fn code(world: &World) -> i32 {
    if world.message_days.is_empty() || world.event_days.is_empty() || oracle::has_hole(world) { 3 } else { 0 }
}

fn run(lake: &Lake, world: &World, is_away: bool, args: &[&str]) -> Checked<String> {
    let pipeline = lake.pipeline.display().to_string();
    let args: Vec<&str> = ["run", &pipeline].into_iter().chain(args.iter().copied()).collect();
    let ran = lake::ctwa(lake, &args);
    prop_assert!(
        ran.code == code(world) || is_away && misses_what_is_away(&ran),
        "{:?} exited with {}: {:?}",
        args,
        ran.code,
        ran
    );
    Ok(ran.stdout)
}

/// Whether a run failed for nothing but this: what is lost of a day, or of `ads`, cannot be made again. It may, as long as a partition is away
/// whose rows nobody kept, or that keeps the day back.
fn misses_what_is_away(ran: &Ran) -> bool {
    let texts = ["cannot be made again: ", "is made again without what touches of partitions said"];
    ran.code == 6 && texts.iter().any(|text| ran.stderr.contains(text))
}

/// A fresh build of a world that has landed under `dir`.
pub fn fresh(world: &World, form: &Form, dir: &Path, name: &str) -> Checked<Objects> {
    let lake = pipeline(world, form, dir, name);
    run(&lake, world, false, &[])?;
    objects(&lake)
}

/// The day of an object's path; none for `ads`.
pub fn day_of(name: &str) -> Option<NaiveDate> {
    name.split("dt=").nth(1)?.split('/').next()?.parse().ok()
}

/// A day that is kept back stays as it was published, if it was: before its partition could be missed, it was the incomplete end.
pub fn same(what: &str, world: &World, one: &Objects, other: &Objects) -> Checked {
    let mut unequal = lake::unequal_objects(one, other);
    unequal.retain(|name| !day_of(name).is_some_and(|day| oracle::is_blocked(world, day)));
    if unequal.is_empty() { Ok(()) } else { Err(fail(format!("{what}: {unequal:?}"))) }
}

fn same_as_oracle(lake: &Lake, world: &World) -> Checked {
    let mut found = lake::read(&lake.output).map_err(fail)?;
    let is_free = |day: &NaiveDate| !oracle::is_blocked(world, *day);
    found.ad_days.retain(|day, _| is_free(day));
    found.ad_conversions.retain(|day, _| is_free(day));
    found.bot_days.retain(|day, _| is_free(day));
    let differences = rows::differences(&judged(world)?.published, &found);
    if differences.is_empty() { Ok(()) } else { Err(fail(format!("differs from the oracle\n{differences}"))) }
}

/// What proptest makes to decide by dice.
fn dice() -> impl Strategy<Value = u64> {
    any::<u64>()
}

// ---------------------------------------------------------------------------------------------------------------- plan

fn days(json: &serde_json::Value, list: &str) -> BTreeSet<String> {
    let day = |item: &serde_json::Value| item.get("day").unwrap_or(item).as_str().expect("a day is text").to_owned();
    json[list].as_array().into_iter().flatten().map(day).collect()
}

/// A run, and before it the plan: what it builds is what was planned, and no other day's bytes change. Where a partition has gone
/// since the last run, ads may move; while one is away, what is lost may be missed.
fn planned_run(lake: &Lake, world: &World, is_away: bool, has_gone: bool) -> Checked {
    let json = |text: String| serde_json::from_str::<serde_json::Value>(&text).map_err(|error| fail(format!("{error}: {text}")));
    let pipeline = lake.pipeline.display().to_string();
    let said = lake::ctwa(lake, &["plan", &pipeline, "--json"]);
    prop_assert!(
        said.code == code(world) || is_away && misses_what_is_away(&said),
        "a plan exited with {}: {:?}",
        said.code,
        said
    );
    let plan = said.stdout;
    if plan.is_empty() {
        // Nothing can be planned while one of the tables has no partition at all.
        return run(lake, world, is_away, &[]).map(drop);
    }
    let plan = json(plan)?;
    let before = objects(lake)?;
    let report = json(run(lake, world, is_away, &["--json"])?)?;
    let after = objects(lake)?;

    let planned = days(&plan, "days");
    let at_most: BTreeSet<String> = planned.union(&days(&plan, "days_at_most")).cloned().collect();
    let removed = days(&plan, "days_removed");
    let built = days(&report, "days");
    let raw_is_read = plan["partitions"].as_array().into_iter().flatten().all(|step| step["table"] == "insights");
    let is_exact = raw_is_read && !has_gone;
    let context = || format!("plan {plan}\nreport {report}");
    prop_assert!(built.is_subset(&at_most), "built, not planned: {:?}\n{}", built.difference(&at_most), context());
    if is_exact {
        prop_assert!(built == planned, "planned {:?}, built {:?}\n{}", planned, built, context());
        prop_assert!(days(&plan, "days_at_most").is_empty(), "everything is read\n{}", context());
        let gone = days(&report, "days_removed");
        prop_assert!(gone == removed, "to be removed {:?}, removed {:?}\n{}", removed, gone, context());
    } else {
        prop_assert!(planned.is_subset(&built), "planned, not built: {:?}\n{}", planned.difference(&built), context());
    }
    for name in lake::unequal_objects(&before, &after) {
        let day = day_of(&name).map(|day| day.to_string());
        let is_named = day.map_or(plan["ads"] == true, |day| at_most.contains(&day) || removed.contains(&day));
        prop_assert!(is_named, "{} changed, and was not planned\n{}", name, context());
    }
    prop_assert!(plan["stale"] == true || lake::unequal_objects(&before, &after).is_empty(), "{}", context());
    Ok(())
}

/// Does something with the job of a pipeline, which goes on while `stopped` says nothing.
fn with_job<T>(
    lake: &Lake,
    wanted: Wanted,
    stopped: &dyn Fn() -> ctwa::base::error::Result<()>,
    work: impl FnOnce(&Job<'_>) -> ctwa::base::error::Result<T>,
) -> ctwa::base::error::Result<T> {
    let (settings, environment) = (Settings::load(&lake.pipeline)?, Environment::default());
    let lake = ctwa::lake::Lake::open(&settings.lake, &environment)?;
    let output = ctwa::lake::Lake::open_or_create(&settings.output, &environment)?;
    let engine = select::engine(settings.engine, Site::new(&lake, &output));
    work(&Job {
        settings: &settings,
        lake: &lake,
        output: &output,
        engine: engine.as_ref(),
        wanted,
        accept_history_change: false,
        clock: &|| chrono::DateTime::UNIX_EPOCH,
        stopped,
        pause: None,
        progress: &ctwa::base::progress::unheard,
    })
}

/// In some nights a run is stopped before the one that is looked at: which, and where, follows from the step and its change.
fn stopped(lake: &Lake, step: usize, change: &dyn Debug) -> Checked {
    let mut dice = Dice((step + format!("{change:?}").len()) as u64);
    let (is_stopped, stops_at, asked) = (dice.roll(3) == 0, 1 + dice.roll(5), Cell::new(0));
    let stop = || {
        asked.set(asked.get() + 1);
        if asked.get() == stops_at { Err(Error::new(ErrorKind::Interrupted, "stopped")) } else { Ok(()) }
    };
    if is_stopped && let Err(error) = with_job(lake, Wanted::Through(None), &stop, ctwa_run::run) {
        prop_assert_eq!(error.kind(), ErrorKind::NotReady, "{}", error);
    }
    Ok(())
}

/// What a plan says is what a run does, whatever the run is asked for: the same job, looked at and done.
fn plan_is_run(lake: &Lake, wanted: Wanted, has_gone: bool) -> Checked {
    let failed = |error: Error| fail(error.to_string());
    let done = |plan: bool| {
        with_job(lake, wanted, &|| Ok(()), |job| {
            let shown = if plan {
                serde_json::to_value(commands::plan::plan(job)?)
            } else {
                serde_json::to_value(ctwa_run::run(job)?.report)
            };
            Ok(shown.expect("both are JSON"))
        })
    };
    let plan = match done(true) {
        Ok(plan) => plan,
        // Nothing can be planned while one of the tables has no partition at all, and nothing built.
        Err(error) => {
            prop_assert!(done(false).is_err(), "a run that cannot be planned: {}", error);
            return Ok(());
        }
    };
    let before = objects(lake)?;
    let report = done(false).map_err(failed)?;
    let context = || format!("{wanted:?}\nplan {plan}\nreport {report}");
    let [planned, maybe] = ["days", "days_at_most"].map(|list| days(&plan, list));
    let [to_remove, built, removed] =
        [(&plan, "days_removed"), (&report, "days"), (&report, "days_removed")].map(|(of, list)| days(of, list));
    prop_assert!(planned.is_subset(&built), "planned, not built: {:?}\n{}", planned.difference(&built), context());
    prop_assert!(to_remove.is_subset(&removed), "to be removed, and not: {:?}\n{}", to_remove.difference(&removed), context());
    let unplanned: Vec<_> =
        built.difference(&planned).chain(removed.difference(&to_remove)).filter(|day| !maybe.contains(*day)).collect();
    prop_assert!(unplanned.is_empty(), "done, not planned: {:?}\n{}", unplanned, context());
    let is_read = plan["partitions"].as_array().into_iter().flatten().all(|step| step["table"] == "insights");
    prop_assert!(!is_read || has_gone || maybe.is_empty(), "everything is read\n{}", context());
    let changed = lake::unequal_objects(&before, &objects(lake)?);
    prop_assert!(plan["stale"] == true || changed.is_empty(), "{:?}\n{}", changed, context());
    // Where nothing is stale a run is idle, and a run is idle where nothing is stale.
    prop_assert_eq!(plan["stale"] == true, !report["started"].is_null(), "{}", context());
    Ok(())
}

// -------------------------------------------------------------------------------------------------------------- nights

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Messages,
    Events,
    Insights,
}

/// The partitions of a world in the order of their days.
fn arrivals_in_order(world: &World) -> Vec<(Table, NaiveDate)> {
    let insights: BTreeSet<NaiveDate> = world.insights.iter().map(|row| row.date).collect();
    let messages = world.message_days.iter().map(|day| (Table::Messages, *day));
    let events = world.event_days.iter().map(|day| (Table::Events, *day));
    let mut partitions: Vec<_> = messages.chain(events).chain(insights.into_iter().map(|day| (Table::Insights, day))).collect();
    partitions.sort_by_key(|(_, day)| *day);
    partitions
}

/// The same in an order of arrival, most of them in the order of their days.
fn arrivals(world: &World, seed: u64) -> Vec<(Table, NaiveDate)> {
    let mut partitions = arrivals_in_order(world);
    let mut dice = Dice(seed);
    if dice.roll(3) == 0 {
        for last in (1..partitions.len()).rev() {
            partitions.swap(last, dice.roll(last + 1));
        }
    } else {
        for _ in 0..partitions.len() / 6 {
            let late = partitions.remove(dice.roll(partitions.len()));
            partitions.insert(dice.roll(partitions.len() + 1), late);
        }
    }
    partitions
}

fn landed_of(world: &World, partitions: &[(Table, NaiveDate)]) -> World {
    let mut landed = world.clone();
    let has = |table: Table, day: NaiveDate| partitions.contains(&(table, day));
    landed.message_days.retain(|day| has(Table::Messages, *day));
    landed.event_days.retain(|day| has(Table::Events, *day));
    landed.messages.retain(|row| has(Table::Messages, row.partition));
    landed.events.retain(|row| has(Table::Events, row.partition));
    landed.insights.retain(|row| has(Table::Insights, row.date));
    landed
}

/// Figures that Meta will restate: about half of them are others than in the end.
fn restated_later(mut world: World, dice: &mut Dice) -> World {
    for row in &mut world.insights {
        row.spend_millionths += [0, 0, 1, 2][dice.roll(4)];
    }
    world
}

/// Nights, one run and backfill in pieces, over one lake: equal bytes, and the oracle's tables.
fn nights(world: &World, form: &Form, seed: u64, nights: usize) -> Checked {
    let folder = folder()?;
    let dir = folder.path();
    let mut dice = Dice(seed);
    let arrivals = arrivals(world, dice.0);
    let mut landed = World { identities: Vec::new(), ..landed_of(world, &[]) };
    let mut ends: BTreeSet<usize> = (1..nights).map(|_| dice.roll(arrivals.len())).collect();
    ends.insert(arrivals.len());
    let nightly = pipeline(world, form, dir, "nightly");
    for end in ends {
        let is_last = end == arrivals.len();
        let tonight = landed_of(world, &arrivals[..end]);
        let tonight = if is_last { tonight } else { restated_later(tonight, &mut dice) };
        land(&landed, &tonight, form, dir);
        landed = tonight;
        // Insights that have a place to land stay configured; a missed night is made up for by the next.
        pipeline(world, form, dir, "nightly");
        if is_last || dice.roll(5) > 0 {
            planned_run(&nightly, &landed, false, false)?;
            // To the oracle a world without insights has no place for them, and days before the first event have touches.
            let is_whole = code(&landed) == 0 && landed.insights.is_empty() == world.insights.is_empty();
            if is_whole && !is_last {
                same_as_oracle(&nightly, &landed)?;
            }
        }
    }
    let built = objects(&nightly)?;
    same_as_oracle(&nightly, world)?;
    same("nights are not one run", world, &fresh(world, form, dir, "one")?, &built)?;

    let days: Vec<NaiveDate> = judged(world)?.published.bot_days.into_keys().collect();
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
    let mut begins: BTreeSet<NaiveDate> = (0..2).map(|_| days[dice.roll(days.len())]).collect();
    begins.insert(*first);
    let mut pieces: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for begin in begins.into_iter().rev() {
        pieces.push((begin, pieces.last().map_or(*last, |(next, _)| *next - Days::new(1))));
    }
    let first_built = dice.roll(pieces.len());
    pieces.swap(0, first_built);
    let pieced = pipeline(world, form, dir, "pieces");
    for (from, to) in &pieces {
        let (from, to) = (from.to_string(), to.to_string());
        lake::ctwa_expecting(&pieced, &[code(world)], "backfill", &["--from", &from, "--to", &to]).map_err(fail)?;
    }
    same(&format!("backfill of {pieces:?} is not one run"), world, &objects(&pieced)?, &built)
}

#[test]
fn nights_are_one_run_are_backfill_in_pieces() {
    check(8, (worlds::world(), worlds::form(), dice()), |(world, form, seed)| nights(&world, &form, seed, 5));
}

#[test]
fn nights_over_a_whole_horizon() {
    check(1, (worlds::long_world(), worlds::form(), dice()), |(world, form, seed)| nights(&world, &form, seed, 4));
}

// ------------------------------------------------------------------------------------------------------------- changes

/// What may happen to a lake, its pipeline or its output between two runs.
#[derive(Clone, Debug)]
pub enum Change {
    /// Rows of another world are added to partitions that are there or not.
    Rows(Box<World>),
    /// Every row for which the dice say so is taken out of its partition.
    Fewer(u64),
    /// All rows of a contact are deleted, also its aliases.
    Erased(&'static str),
    Identities(Vec<Identity>),
    /// A further setting of a bot, this many hours after its last or the first day.
    Setting(Index, &'static str, i64),
    /// Figures of a day: landed, restated, or gone.
    Insights(Vec<Insight>),
    InsightsGone(Index),
    /// The same rows in other files.
    OtherFiles(Form),
    /// Parts of the output are deleted.
    Lost(u64),
    /// A partition, not the first of its table, goes, and comes back two changes later.
    Away(Index),
    Window(i64),
    /// A member counts as another bot's from now on.
    Member(Index),
}

/// Changes, and for some of them the day through which the next run goes, which leaves the rest to the one after it.
fn changes() -> impl Strategy<Value = Vec<(Change, Option<Index>)>> {
    let change = prop_oneof![
        3 => worlds::world().prop_map(|world| Change::Rows(Box::new(world))),
        1 => dice().prop_map(Change::Fewer),
        1 => select(&["ana", "bia", "alias-1"][..]).prop_map(Change::Erased),
        3 => worlds::world().prop_map(|world| Change::Identities(world.identities)),
        2 => (any::<Index>(), select(&["purchase", "Purchase", "lead", "other"][..]), 1..200i64)
            .prop_map(|(bot, category, hours)| Change::Setting(bot, category, hours)),
        3 => worlds::world().prop_map(|world| Change::Insights(world.insights)),
        1 => any::<Index>().prop_map(Change::InsightsGone),
        1 => worlds::form().prop_map(Change::OtherFiles),
        3 => dice().prop_map(Change::Lost),
        4 => any::<Index>().prop_map(Change::Away),
        1 => select(&[1, 30, 90][..]).prop_map(Change::Window),
        1 => any::<Index>().prop_map(Change::Member),
    ];
    vec((change, proptest::option::weighted(0.3, any::<Index>())), 3..7)
}

/// Changes of what lies in the lake, and of nothing else.
pub fn changes_of_the_lake() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        3 => worlds::world().prop_map(|world| Change::Rows(Box::new(world))),
        1 => dice().prop_map(Change::Fewer),
        1 => worlds::world().prop_map(|world| Change::Identities(world.identities)),
        1 => worlds::world().prop_map(|world| Change::Insights(world.insights)),
        1 => any::<Index>().prop_map(Change::InsightsGone),
    ];
    vec(change, 0..3)
}

/// What has changed of the world. Deletions in the output are done at once.
pub fn changed(world: &World, change: &Change, output: &Path) -> World {
    let mut after = world.clone();
    match change {
        Change::Rows(other) => {
            let mut dice = Dice(other.messages.len() as u64);
            after.messages.extend(other.messages.iter().filter(|_| dice.roll(3) == 0).cloned());
            after.events.extend(other.events.iter().filter(|_| dice.roll(3) == 0).cloned());
            after.message_days.extend(after.messages.iter().map(|row| row.partition));
            after.event_days.extend(after.events.iter().map(|row| row.partition));
        }
        Change::Fewer(seed) => {
            let mut dice = Dice(*seed);
            after.messages.retain(|_| dice.roll(4) > 0);
            after.events.retain(|_| dice.roll(4) > 0);
        }
        Change::Erased(contact) => {
            // Under every id that is the person's, with a node or a device, too.
            let is_other = |id: &Option<String>| id.as_deref().is_none_or(|id| !id.contains(contact));
            after.messages.retain(|row| is_other(&row.contact_id));
            after.events.retain(|row| is_other(&row.contact_id));
            after.identities.retain(|row| !row.alias.contains(contact) && !row.contact_id.contains(contact));
        }
        Change::Identities(identities) => after.identities = identities.clone(),
        Change::Setting(bot, category, hours) => {
            let bots = after.bots.len();
            let settings = &mut after.bots[bot.index(bots)].settings;
            let first = world.message_days.iter().min().expect("a world has days");
            let since = settings.last().map_or(0, |(_, at)| *at);
            let since = since.max(first.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros());
            if settings.last().is_none_or(|(last, _)| last != category) {
                settings.push(((*category).to_owned(), since + hours * 3_600_000_000));
            }
        }
        Change::Insights(insights) => {
            for row in insights {
                after.insights.retain(|known| (known.date, &known.ad_id) != (row.date, &row.ad_id));
                after.insights.push(row.clone());
            }
        }
        Change::InsightsGone(which) => {
            let days: BTreeSet<NaiveDate> = after.insights.iter().map(|row| row.date).collect();
            if !days.is_empty() {
                let gone = days.iter().nth(which.index(days.len())).copied();
                after.insights.retain(|row| Some(row.date) != gone);
            }
        }
        Change::OtherFiles(_) | Change::Away(_) => {}
        Change::Window(days) => after.window_days = *days,
        Change::Member(which) => {
            let bots = after.bots.len();
            let from = which.index(bots);
            if let Some(member) = after.bots[from].members.pop() {
                after.bots[(from + 1) % bots].members.push(member);
            }
        }
        Change::Lost(seed) => {
            let mut dice = Dice(*seed);
            let mut losable: Vec<PathBuf> = files(output).into_iter().filter(|path| !path.starts_with("state")).collect();
            losable.extend(["work", "work/receipts", "work/touches", "work/identities", "runs", "rejected"].map(PathBuf::from));
            for path in losable {
                if dice.roll(6) == 0 {
                    take_away(&output.join(path));
                }
            }
        }
    }
    for days in [&mut after.message_days, &mut after.event_days] {
        days.sort();
        days.dedup();
    }
    after
}

/// Every file below a folder, relative to it.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    fn walk(folder: &Path, root: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                walk(&path, root, files);
            } else {
                files.push(path.strip_prefix(root).expect("below the root").to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// Whether a file holds a text, in a Parquet cell or in its bytes.
pub fn holds(path: &Path, text: &str) -> bool {
    let bytes = fs::read(path).expect("a file can be read");
    if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
        return true;
    }
    if path.extension().is_none_or(|extension| extension != "parquet") {
        return false;
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).and_then(|builder| builder.build());
    reader.expect("it is Parquet").any(|batch| {
        let batch = batch.expect("it can be decoded");
        let texts = batch.columns().iter().filter(|column| column.data_type() == &DataType::Utf8);
        texts.flat_map(|column| column.as_string::<i32>().iter().flatten()).any(|cell| cell.trim() == text)
    })
}

/// The partitions that can go: of the first of a table nobody would expect it back.
pub fn partitions_that_can_go(world: &World) -> Vec<(Table, NaiveDate)> {
    let partitions = arrivals_in_order(world);
    let is_first = |(table, day): &(Table, NaiveDate)| partitions.iter().find(|(of, _)| of == table) == Some(&(*table, *day));
    partitions.iter().filter(|partition| !is_first(partition)).copied().collect()
}

/// Days after the last one that has landed whole stay as they were published.
pub fn through_the_last_day(world: &World, objects: &Objects) -> Objects {
    let last = world.message_days.iter().filter(|day| world.event_days.contains(day)).max().copied();
    let is_within = |name: &String| day_of(name).is_none_or(|day| Some(day) <= last);
    objects.iter().filter(|(name, _)| is_within(name)).map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
}

fn after_changes(world: &World, form: &Form, changes: &[(Change, Option<Index>)]) -> Checked {
    let folder = folder()?;
    let dir = folder.path();
    let mut whole = world.clone();
    let mut world = world.clone();
    let empty = World { identities: Vec::new(), ..landed_of(&world, &[]) };
    land(&empty, &world, form, dir);
    let lake = pipeline(&world, form, dir, "nightly");
    planned_run(&lake, &world, false, false)?;
    let mut form = form.clone();
    // The partition that is away, and the step at which it is back.
    let mut away: Option<((Table, NaiveDate), usize)> = None;
    let mut has_gone = false;
    for step in 0..changes.len() + 2 {
        let is_over = (Change::OtherFiles(form.clone()), None);
        let (change, through) = changes.get(step).unwrap_or(&is_over);
        whole = changed(&whole, change, &lake.output);
        away = away.filter(|(_, back)| *back > step);
        if let (Change::Away(which), None) = (change, away) {
            let partitions = partitions_that_can_go(&whole);
            away = (!partitions.is_empty()).then(|| (partitions[which.index(partitions.len())], step + 2));
        }
        let mut partitions = arrivals_in_order(&whole);
        partitions.retain(|partition| away.is_none_or(|(gone, _)| gone != *partition));
        let after = landed_of(&whole, &partitions);
        has_gone |= away.is_some_and(|(_, back)| back == step + 2);
        if let Change::OtherFiles(other) = change {
            // The type of times stays: it stands in the mapping.
            form = Form { time: form.time, ..other.clone() };
            land(&empty, &after, &form, dir);
        } else {
            land(&world, &after, &form, dir);
        }
        pipeline(&after, &form, dir, "nightly");
        let what = format!("after change {step}, {change:?}");
        world = after.clone();
        if let Some(day) = through.and_then(|through| after.message_days.get(through.index(after.message_days.len().max(1)))) {
            let ran = lake::ctwa(&lake, &["run", &lake.pipeline.display().to_string(), "--through", &day.to_string()]);
            // A day may have landed without a row that counts on it or before it.
            let lies_before = ran.code == 2 && ran.stderr.contains("lies before the lake");
            let is_expected = [0, 3].contains(&ran.code) || lies_before || away.is_some() && misses_what_is_away(&ran);
            prop_assert!(is_expected, "{}, through {}: {:?}", what, day, ran);
            continue;
        }
        stopped(&lake, step, change)?;
        planned_run(&lake, &after, away.is_some(), std::mem::take(&mut has_gone))
            .map_err(|error| fail(format!("{what}: {error}")))?;
        if away.is_some() {
            // What it said goes on counting; a fresh build does not know it. See `away.rs`.
            continue;
        }
        let built = through_the_last_day(&after, &objects(&lake)?);
        same(&what, &after, &through_the_last_day(&after, &fresh(&after, &form, dir, &format!("fresh-{step}"))?), &built)?;
        if let Change::Erased(contact) = change {
            let holding: Vec<PathBuf> =
                files(&lake.output).into_iter().filter(|path| holds(&lake.output.join(path), contact)).collect();
            prop_assert!(holding.is_empty(), "{} is erased, and stands in {:?}", contact, holding);
        }
    }
    same_as_oracle(&lake, &world)
}

#[test]
fn a_run_after_any_change_is_a_fresh_build() {
    check(10, (worlds::world(), worlds::form(), changes()), |(world, form, changes)| after_changes(&world, &form, &changes));
}

#[test]
fn a_run_after_any_change_is_a_fresh_build_over_a_whole_horizon() {
    check(1, (worlds::long_world(), worlds::form(), changes()), |(world, form, changes)| {
        after_changes(&world, &form, &changes[..3])
    });
}

/// Which days a run is asked for: the stale ones, those up to a day, or some whatever their state.
#[derive(Clone, Debug)]
enum Asked {
    All,
    Through(Index),
    Backfill(Index, Index),
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        2 => Just(Asked::All),
        1 => any::<Index>().prop_map(Asked::Through),
        1 => any::<[Index; 2]>().prop_map(|[from, to]| Asked::Backfill(from, to)),
    ]
}

impl Asked {
    /// The days of a world that are asked for, one before its first and one after its last included.
    fn of(&self, world: &World) -> Wanted {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a day");
        let number = |day: &NaiveDate| i32::try_from((*day - epoch).num_days()).expect("a day of this era");
        let days = || world.message_days.iter().chain(&world.event_days).map(number);
        let Some((first, last)) = days().min().zip(days().max()) else { return Wanted::Through(None) };
        let day = |index: &Index| Day(first - 1 + i32::try_from(index.index((last - first + 3) as usize)).expect("few days"));
        match self {
            Asked::All => Wanted::Through(None),
            Asked::Through(index) => Wanted::Through(Some(day(index))),
            Asked::Backfill(from, to) => {
                let (from, to) = (day(from), day(to));
                Wanted::Days(DayRange { first: from.min(to), last: from.max(to) })
            }
        }
    }
}

/// The changes of a lake, each with what the run after it is asked for.
fn plans_are_runs(world: &World, form: &Form, changes: &[(Change, Asked)]) -> Checked {
    let folder = folder()?;
    let dir = folder.path();
    let (mut whole, mut world) = (world.clone(), world.clone());
    let empty = World { identities: Vec::new(), ..landed_of(&world, &[]) };
    land(&empty, &world, form, dir);
    let lake = pipeline(&world, form, dir, "nightly");
    plan_is_run(&lake, Wanted::Through(None), false)?;
    for (step, (change, asked)) in changes.iter().enumerate() {
        whole = changed(&whole, change, &lake.output);
        let mut partitions = arrivals_in_order(&whole);
        if let Change::Away(which) = change {
            let can_go = partitions_that_can_go(&whole);
            if !can_go.is_empty() {
                let gone = can_go[which.index(can_go.len())];
                partitions.retain(|partition| *partition != gone);
            }
        }
        let after = landed_of(&whole, &partitions);
        land(&world, &after, form, dir);
        pipeline(&after, form, dir, "nightly");
        let has_gone = world.message_days.iter().any(|day| !after.message_days.contains(day));
        world = after;
        stopped(&lake, step, change)?;
        let what = |error: TestCaseError| fail(format!("after change {step}, {change:?}: {error}"));
        plan_is_run(&lake, asked.of(&world), has_gone).map_err(what)?;
        // What that run was not asked for is left to this one.
        plan_is_run(&lake, Wanted::Through(None), false).map_err(what)?;
        prop_assert!(lake::ctwa(&lake, &["plan", &lake.pipeline.display().to_string(), "--check"]).code != 1, "{:?}", change);
    }
    Ok(())
}

#[test]
fn what_a_plan_says_is_what_a_run_does() {
    let change = changes().prop_map(|changes| changes.into_iter().map(|(change, _)| change).collect::<Vec<_>>());
    let changes = (change, vec(asked(), 7)).prop_map(|(changes, asked)| changes.into_iter().zip(asked).collect::<Vec<_>>());
    check(10, (worlds::world(), worlds::form(), changes), |(world, form, changes)| plans_are_runs(&world, &form, &changes));
}

// ----------------------------------------------------------------------------------------------------------- retention

/// What happens to a lake that keeps its newest partitions only.
#[derive(Clone, Debug)]
enum Aging {
    Change(Change),
    /// The oldest partitions of those that are there go.
    Retired(Index),
    /// A partition cannot be read for a night.
    Damaged(Index),
}

fn aging() -> impl Strategy<Value = Vec<Aging>> {
    let change = prop_oneof![
        3 => worlds::world().prop_map(|world| Change::Rows(Box::new(world))),
        1 => dice().prop_map(Change::Fewer),
        3 => worlds::world().prop_map(|world| Change::Identities(world.identities)),
        3 => worlds::world().prop_map(|world| Change::Insights(world.insights)),
        1 => any::<Index>().prop_map(Change::InsightsGone),
    ];
    let aging = prop_oneof![
        4 => change.prop_map(Aging::Change),
        3 => any::<Index>().prop_map(Aging::Retired),
        1 => any::<Index>().prop_map(Aging::Damaged),
    ];
    vec(aging, 3..8)
}

/// A world whose pipeline maps the metadata, whatever rows are left: with another mapping, rows that left would rightly not count.
pub fn mapped(world: &World) -> World {
    let mut mapped = world.clone();
    mapped.messages.push(Message { metadata: Some(String::new()), ..Message::default() });
    mapped
}

fn since(world: &World, first: NaiveDate) -> World {
    let kept: Vec<_> = arrivals_in_order(world).into_iter().filter(|(of, day)| *of == Table::Insights || *day >= first).collect();
    landed_of(world, &kept)
}

/// Lands both partitions of every day: a hole is none any more once it lies before what has left.
fn without_holes(mut world: World) -> World {
    let all = || world.message_days.iter().chain(&world.event_days).copied();
    let (first, last) = (all().min().expect("there are some"), all().max().expect("there are some"));
    let days: Vec<NaiveDate> = first.iter_days().take_while(|day| *day <= last).collect();
    (world.message_days, world.event_days) = (days.clone(), days);
    world
}

/// The rows of partitions that have left go on counting: the days that do not lie with them are those of a build of the lake with all
/// its partitions, and those that do stay as they were when these went.
fn ages(world: &World, form: &Form, steps: &[Aging]) -> Checked {
    let folder = folder()?;
    let dir = folder.path();
    // What has left is as it was then; of the others the world says what they are.
    if world.message_days.is_empty() && world.event_days.is_empty() {
        return Ok(());
    }
    let mut whole = without_holes(world.clone());
    let mut landed = World { identities: Vec::new(), ..landed_of(world, &[]) };
    let empty = landed.clone();
    let lake = pipeline(&mapped(world), form, dir, "nightly");
    let ran = |what: &str, codes: &[i32]| {
        lake::ctwa_expecting(&lake, codes, "run", &[]).map_err(|error| fail(format!("{what}: {error}")))
    };
    land(&landed, &whole, form, dir);
    landed = whole.clone();
    ran("at first", &[0])?;
    let mut edge = whole.message_days[0];
    let mut frozen = Objects::new();
    for (step, aging) in steps.iter().enumerate() {
        let what = format!("after {step}, {aging:?}");
        match aging {
            Aging::Change(change) => {
                let after = changed(&whole, change, &lake.output);
                let mut kept = whole.clone();
                let (is_old, is_new) = (|day: &NaiveDate| *day < edge, |day: &NaiveDate| *day >= edge);
                kept.messages.retain(|row| is_old(&row.partition));
                kept.events.retain(|row| is_old(&row.partition));
                kept.message_days.retain(is_old);
                kept.event_days.retain(is_old);
                let there = since(&after, edge);
                kept.messages.extend(there.messages);
                kept.events.extend(there.events);
                kept.message_days.extend(after.message_days.into_iter().filter(is_new));
                kept.event_days.extend(after.event_days.into_iter().filter(is_new));
                (kept.identities, kept.insights) = (after.identities, after.insights);
                whole = without_holes(kept);
            }
            Aging::Retired(which) => {
                let last = *whole.message_days.last().expect("there are some");
                let days = (last - edge).num_days();
                if days > 0 {
                    edge = edge + Days::new(which.index(days as usize + 1) as u64);
                    let published = objects(&lake)?;
                    let is_frozen = |name: &String| day_of(name).is_some_and(|day| day + Days::new(2) < edge);
                    frozen = published.into_iter().filter(|(name, _)| is_frozen(name)).chain(frozen).collect();
                }
            }
            Aging::Damaged(which) => {
                let there = arrivals_in_order(&since(&whole, edge));
                let raw: Vec<_> = there.into_iter().filter(|(table, _)| *table != Table::Insights).collect();
                let (table, day) = raw[which.index(raw.len())];
                let name = if table == Table::Messages { "messages" } else { "events" };
                let its = |file: usize| dir.join("lake").join(name).join(form.lay.path(day, file));
                let damaged: Vec<PathBuf> = (0..form.files_per_day).map(its).filter(|file| file.exists()).collect();
                prop_assert!(!damaged.is_empty(), "{}: nothing of {} lies there", what, day);
                damaged.iter().for_each(|file| fs::write(file, "no Parquet").expect("it can be written"));
                ran(&what, &[6])?;
                // It is written anew.
                let without = landed_of(
                    &landed,
                    &arrivals_in_order(&landed).into_iter().filter(|of| *of != (table, day)).collect::<Vec<_>>(),
                );
                land(&without, &landed, form, dir);
            }
        }
        let after = since(&whole, edge);
        land(&landed, &after, form, dir);
        pipeline(&mapped(&after), form, dir, "nightly");
        landed = after;
        stopped(&lake, step, aging)?;
        ran(&what, &[0])?;
        lake::ctwa_expecting(&lake, &[0], "plan", &["--check"]).map_err(|error| fail(format!("{what}: {error}")))?;
        let found = objects(&lake)?;
        let lost: Vec<&String> = frozen.keys().filter(|name| found.get(*name) != frozen.get(*name)).collect();
        prop_assert!(lost.is_empty(), "{}: frozen, and changed: {:?}", what, lost);
        let all = dir.join(format!("all-{step}"));
        fs::create_dir(&all).map_err(|error| fail(error.to_string()))?;
        land(&empty, &whole, form, &all);
        // A bot's zone is at most a day away.
        let is_free = |name: &String| day_of(name).is_none_or(|day| day > edge + Days::new(1));
        let free = |objects: Objects| objects.into_iter().filter(|(name, _)| is_free(name)).collect::<Objects>();
        let built = free(through_the_last_day(&landed, &found));
        same(&what, &whole, &free(fresh(&whole, form, &all, "fresh")?), &built)?;
    }
    Ok(())
}

#[test]
fn what_has_left_the_lake_goes_on_counting() {
    check(10, (worlds::world(), worlds::form(), aging()), |(world, form, steps)| ages(&world, &form, &steps));
}

// ---------------------------------------------------------------------------------------------------------------- idle

/// Path, size, time and inode of everything below a folder.
pub fn listing(folder: &Path) -> BTreeMap<PathBuf, (u64, i64, i64, u64)> {
    let mark = |path: PathBuf| {
        let meta = fs::metadata(folder.join(&path)).expect("a file is there");
        (path, (meta.size(), meta.mtime(), meta.mtime_nsec(), meta.ino()))
    };
    let mut found: BTreeMap<_, _> = files(folder).into_iter().map(mark).collect();
    let folders: BTreeSet<PathBuf> = found.keys().flat_map(|path| path.ancestors().skip(1).map(PathBuf::from)).collect();
    found.extend(folders.into_iter().map(mark));
    found
}

/// Rule 20: what is built is built. The lock is held by the test: an idle run does not ask for it.
#[test]
fn an_idle_run_writes_nothing_and_takes_no_lock() {
    check(6, (worlds::world(), worlds::form()), |(world, form)| {
        let folder = folder()?;
        let lake = lake::write(&world, &form, folder.path());
        run(&lake, &world, false, &[])?;
        let before = listing(&lake.output);
        let lock = fs::File::open(lake.output.join("state/lock")).map_err(|error| fail(error.to_string()))?;
        lock.try_lock().map_err(|error| fail(error.to_string()))?;
        for command in ["run", "plan", "run"] {
            lake::ctwa_expecting(&lake, &[code(&world)], command, &[]).map_err(fail)?;
            prop_assert_eq!(&before, &listing(&lake.output), "{} wrote", command);
        }
        lake::ctwa_expecting(&lake, &[code(&world)], "plan", &["--check"]).map_err(fail)?;
        Ok(())
    });
}

// ---------------------------------------------------------------------------------------------------- what is known of ads

/// The scene without its last day, and that day with something more: two nights are the oracle's, and one run's.
fn two_nights(from_the_start: impl Fn(&mut World), change: impl Fn(&mut World)) -> Checked {
    let folder = folder()?;
    let (form, mut whole) = (Form::default(), scene::world());
    whole.bots[0].ad_accounts = vec!["act_1".into(), "act_2".into()];
    from_the_start(&mut whole);
    let last = scene::date(scene::DAYS[3]);
    let mut first = whole.clone();
    first.message_days.retain(|day| *day != last);
    first.event_days.retain(|day| *day != last);
    first.messages.retain(|row| row.partition != last);
    first.events.retain(|row| row.partition != last);
    first.insights.retain(|row| row.date != last);
    let mut second = whole;
    change(&mut second);
    let nightly = pipeline(&first, &form, folder.path(), "nightly");
    land(&World { identities: Vec::new(), ..landed_of(&first, &[]) }, &first, &form, folder.path());
    run(&nightly, &first, false, &[])?;
    land(&first, &second, &form, folder.path());
    run(&nightly, &second, false, &[])?;
    same_as_oracle(&nightly, &second)?;
    same("two nights are not one run", &second, &fresh(&second, &form, folder.path(), "one")?, &objects(&nightly)?)
}

/// A touch of the first day, delivered again on the last as having been sent before: the older one counts from now on, for another ad.
#[test]
fn a_touch_that_turns_out_to_be_a_copy_takes_back_what_it_said_of_its_ad() {
    let known = |row: &&mut Message| row.message_id.as_deref() == Some("m-1-ana");
    // The only touch of its ad: nothing is left of the ad when it goes.
    let alone = |world: &mut World| world.messages.iter_mut().find(known).expect("it is there").ad_id = Some("Z".into());
    let outcome = two_nights(alone, |world| {
        let touch = world.messages.iter_mut().find(known).expect("it is there").clone();
        let (partition, sent_at) = (scene::date(scene::DAYS[3]), touch.sent_at.map(|at| at - 1));
        world.messages.push(Message { partition, ad_id: Some("A".into()), sent_at, ..touch });
    });
    outcome.expect("as the oracle has it");
}

/// The name that Meta gives an ad changes on a day that was read before, and another ad gets its first row.
#[test]
fn an_ad_that_is_renamed_on_an_old_day_is_renamed() {
    let named = |world: &mut World| world.insights.iter_mut().for_each(|row| row.ad_name = Some("a name".into()));
    let outcome = two_nights(named, |world| {
        let last = scene::date(scene::DAYS[3]);
        // The later days say nothing of it.
        world.insights.iter_mut().filter(|row| row.date == last).for_each(|row| row.ad_name = None);
        let old = scene::date(scene::DAYS[2]);
        let known = world.insights.iter().position(|row| row.date == old).expect("insights of that day");
        world.insights[known].ad_name = Some("another name".into());
        let mut new = world.insights[known].clone();
        new.ad_id = "N".into();
        world.insights.push(new);
    });
    outcome.expect("as the oracle has it");
}

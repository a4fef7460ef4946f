//! Partitions that were read once and cannot be read any more (rule 19): what they said goes on counting for all days but their own, and
//! nothing that is published gets worse; once they are back, all is as a fresh build has it.

use std::collections::BTreeMap;
use std::fs;

use chrono::NaiveDate;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::lake::{self, Form};
use crate::nights::{self, Change, Table};
use crate::oracle;
use crate::plans::{Lab, day, event, land_night, touch, world};
use crate::properties::{self, check, fail, folder, judged};
use crate::rows::{self, BotDay};
use crate::scene::{DAYS, FAULTY, Scene, noon, times};
use crate::world::{Message, World};
use crate::worlds;

type Objects = BTreeMap<String, Vec<u8>>;

/// Ten days. The partition of d6 brings caio's touch of d5, on an ad that nobody else clicks; he buys on d8.
fn with_late_touch() -> World {
    let late = Message { partition: day(6), ..touch(5, "caio", "C") };
    let mut world = world();
    world.messages.push(late);
    world.messages.push(touch(6, "davi", "A"));
    world.events.push(event(8, "caio", "purchase"));
    world
}

fn objects(lab: &Lab) -> Objects {
    lake::objects(&lab.lake.output).expect("the output can be read")
}

/// The objects that are not what they were, of these days or of `ads`.
fn changed(before: &Objects, after: &Objects, days: std::ops::RangeInclusive<i64>) -> Vec<String> {
    let dates: Vec<String> = days.map(|n| format!("dt={}", day(n))).collect();
    let mut unequal = lake::unequal_objects(before, after);
    unequal.retain(|name| !name.contains("dt=") || dates.iter().any(|date| name.contains(date)));
    unequal
}

/// The rows of bots, as if all of them were complete.
fn counts(lab: &Lab) -> BTreeMap<NaiveDate, Vec<BotDay>> {
    let mut days = lake::read(&lab.lake.output).expect("the output keeps the contract").bot_days;
    days.values_mut().flatten().for_each(|row| row.complete = true);
    days
}

fn damage(lab: &Lab, table: &str, n: i64) {
    lake::damage(&lab.folder.path().join("lake").join(table), day(n));
}

/// Writes the partition of a day anew, with the rows that the world has.
fn mend(lab: &Lab, table: &str, n: i64) {
    let mut without = lab.world.clone();
    if table == "messages" {
        without.message_days.retain(|of| *of != day(n));
    } else {
        without.event_days.retain(|of| *of != day(n));
    }
    nights::land(&without, &lab.world, &Form::default(), lab.folder.path());
}

fn fresh(lab: &Lab, code: i32) -> Objects {
    let other = nights::pipeline(&lab.world, &Form::default(), lab.folder.path(), "fresh");
    let _ = fs::remove_dir_all(&other.output);
    lake::ctwa_expecting(&other, &[code], "run", &[]).expect("a fresh build");
    lake::objects(&other.output).expect("the output can be read")
}

/// What a run says of partitions.
fn warnings(lab: &Lab) -> String {
    let said = lab.json("run", &[]).1["warnings"].clone();
    let of_partitions = said.as_array().expect("a list").iter().filter(|text| text.to_string().contains("partitions"));
    serde_json::Value::from_iter(of_partitions.cloned()).to_string()
}

/// Runs with this exit code, says so each time, and finds nothing to do the second time.
#[track_caller]
fn runs_and_rests(lab: &Lab, code: i32, says: &[&str]) {
    let ran = lab.ctwa("run", &[]);
    assert_eq!(ran.code, code, "{ran:?}");
    let before = nights::listing(&lab.lake.output);
    for command in ["run", "plan", "run"] {
        let ran = lab.ctwa(command, &[]);
        assert_eq!(ran.code, code, "{command}: {ran:?}");
        let said = ran.stdout.clone() + &ran.stderr;
        says.iter().for_each(|text| assert!(said.contains(text), "{command} does not say {text:?}: {ran:?}"));
        assert_eq!(nights::listing(&lab.lake.output), before, "{command} wrote");
    }
    let plan = lab.json("plan", &[]).1;
    assert_eq!(plan["stale"], false, "{plan:#}");
}

fn verifies(lab: &Lab, code: i32) -> String {
    let ran = lab.ctwa("verify", &["--from", &day(0).to_string(), "--to", &day(20).to_string()]);
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.stdout.contains(" 0 differ"), "{ran:?}");
    ran.stdout
}

#[test]
fn a_damaged_partition_takes_nothing_from_other_days() {
    let lab = Lab::new(with_late_touch());
    let (before, counted) = (objects(&lab), counts(&lab));
    damage(&lab, "messages", 6);
    let said = format!("messages partitions of {} are refused", day(6));
    runs_and_rests(&lab, 6, &[&said, "goes on counting, 2 rows", "is not readable Parquet"]);
    assert_eq!(changed(&before, &objects(&lab), 0..=6), [""; 0], "the days before it, its own, and ads");
    assert_eq!(counts(&lab), counted, "the days after it have their counts, and wait");
    assert_eq!(lab.complete().into_iter().filter(|(_, complete)| !complete).map(|(n, _)| n).collect::<Vec<_>>(), [7, 8, 9]);
    assert!(lab.json("plan", &[]).1["days_blocked"].get(day(6).to_string()).is_some(), "its own day is kept back");
    verifies(&lab, 6);
    let checked = lab.ctwa("check", &[]);
    assert!(checked.code == 6 && checked.stdout.contains("goes on counting, 2 rows"), "{checked:?}");
    let told = lab.ctwa("explain", &["--ad", "A", "--date", &day(6).to_string()]).stdout;
    assert!(told.contains("stays as it was published: messages partition"), "{told}");
    mend(&lab, "messages", 6);
    runs_and_rests(&lab, 0, &[]);
    assert_eq!(lake::unequal_objects(&before, &objects(&lab)), [""; 0]);
    verifies(&lab, 0);
}

/// Between the two nights other partitions came, and are counted with what the damaged one said.
#[test]
fn what_comes_later_is_counted_with_what_was_read_once() {
    let mut lab = Lab::new(with_late_touch());
    damage(&lab, "messages", 6);
    lab.change(|world| land_night(world, 10, vec![touch(10, "eva", "A")], vec![event(5, "caio", "purchase")]));
    assert_eq!(lab.ctwa("run", &[]).code, 6);
    // caio bought on d5 already, so the purchase of d8 is nobody's.
    let conversions = |lab: &Lab, n: i64| counts(lab)[&day(n)].iter().map(|row| row.conversions).collect::<Vec<_>>();
    assert_eq!((conversions(&lab, 5), conversions(&lab, 8)), (vec![Some(1)], vec![Some(0)]));
    assert_eq!(counts(&lab)[&day(10)][0].touches, 1);
    verifies(&lab, 6);
    mend(&lab, "messages", 6);
    runs_and_rests(&lab, 0, &[]);
    assert_eq!(lake::unequal_objects(&objects(&lab), &fresh(&lab, 0)), [""; 0]);
}

#[test]
fn a_partition_that_vanished_goes_on_counting_until_it_is_said_never_to_come() {
    let mut lab = Lab::new(with_late_touch());
    let (before, counted) = (objects(&lab), counts(&lab));
    let all = lab.world.clone();
    let without = |world: &mut World| {
        world.message_days.retain(|of| *of != day(6));
        world.messages.retain(|row| row.partition != day(6));
    };
    lab.change(without);
    let said = format!("messages partitions of {} were read once and are not there any more", day(6));
    runs_and_rests(&lab, 3, &[&said, "has not landed", &format!("allow_missing = [\"{}\"]", day(6))]);
    assert_eq!(changed(&before, &objects(&lab), 0..=6), [""; 0]);
    assert_eq!(counts(&lab), counted);
    verifies(&lab, 3);
    lab.change(|world| *world = all);
    runs_and_rests(&lab, 0, &[]);
    assert_eq!(lake::unequal_objects(&before, &objects(&lab)), [""; 0], "it is back");
    // Now for good: what it said is forgotten, as a fresh build does not know it.
    lab.change(without);
    assert_eq!(lab.ctwa("run", &[]).code, 3);
    lab.change(|world| world.allow_missing = vec![day(6)]);
    runs_and_rests(&lab, 0, &[]);
    assert_eq!(lake::unequal_objects(&objects(&lab), &fresh(&lab, 0)), [""; 0]);
    assert_eq!(counts(&lab)[&day(5)][0].touches, 0);
    assert!(!lab.output(&format!("work/touches/date={}", day(6))).exists(), "its rows are kept no more");
}

/// The newest partition of a table takes nothing with it either, and is no hole.
#[test]
fn the_newest_partition_takes_nothing_with_it() {
    let mut lab = Lab::new(World { messages: vec![Message { partition: day(9), ..touch(8, "caio", "C") }], ..world() });
    let before = objects(&lab);
    let all = lab.world.clone();
    lab.change(|world| {
        world.message_days.retain(|of| *of != day(9));
        world.messages.clear();
    });
    runs_and_rests(&lab, 0, &["are not there any more"]);
    assert_eq!(changed(&before, &objects(&lab), 0..=9), [""; 0]);
    lab.change(|world| *world = all);
    runs_and_rests(&lab, 0, &[]);
    assert_eq!(lake::unequal_objects(&before, &objects(&lab)), [""; 0]);
}

#[test]
fn a_partition_over_the_share_is_as_one_that_is_damaged() {
    let scene = Scene::new();
    // One of the day's touches is of the day before.
    let late = || scene.land_with("messages", "sent_at", times(&[noon(DAYS[1]) + 1, noon(FAULTY), noon(FAULTY), noon(FAULTY)]));
    late();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let before = scene.objects();
    scene.land_texts("messages", "contact_id", |_, _| None);
    let ran = scene.ctwa("run", &[]);
    assert!(ran.code == 6 && ran.stdout.contains("goes on counting, 3 rows"), "{ran:?}");
    let mut unequal = lake::unequal_objects(&before, &scene.objects());
    unequal.retain(|name| !name.contains(DAYS[3]));
    assert_eq!(unequal, [""; 0], "all days but the one after it, which waits");
    assert_eq!(scene.rejected("messages")["reason"].len(), 3, "what is refused lies there to be looked at");
    let rests = nights::listing(&scene.lake.output);
    let again = scene.ctwa("run", &[]);
    assert!(again.code == 6 && again.stderr.contains("more than the limit of 0.5"), "{again:?}");
    assert_eq!(nights::listing(&scene.lake.output), rests);
    late();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert_eq!(lake::unequal_objects(&before, &scene.objects()), [""; 0]);
    assert!(!scene.lake.output.join(format!("rejected/messages/date={FAULTY}")).exists());
}

/// A lake of which the damaged partition was tried already.
fn damaged() -> Lab {
    let lab = Lab::new(with_late_touch());
    damage(&lab, "messages", 6);
    assert_eq!(lab.ctwa("run", &[]).code, 6);
    lab
}

/// What it said holds for the settings of then: under others the days that were built from it stay as they are, and no others.
#[test]
fn other_settings_leave_what_was_built_from_it_as_published() {
    let mut lab = damaged();
    let before = objects(&lab);
    lab.change(|world| world.bots[0].timezone = "Asia/Tokyo".into());
    let stay = format!("days {}..{}, {}..{} stay as published", day(4), day(5), day(8), day(9));
    let ran = lab.ctwa("run", &[]);
    assert!(ran.code == 6 && ran.stdout.contains(&stay), "{ran:?}");
    assert!(ran.stdout.contains("were read under other settings"), "{ran:?}");
    let now = objects(&lab);
    let mut unequal = lake::unequal_objects(&before, &now);
    unequal.retain(|name| name.contains("dt=") && (5..=9).any(|n| name.contains(&day(n).to_string())));
    assert_eq!(unequal, [""; 0]);
    runs_and_rests(&lab, 6, &["were read under other settings"]);
    let said = verifies(&lab, 6);
    assert!(said.contains("cannot be told"), "{said}");
    lab.change(|world| world.bots[0].timezone = "UTC".into());
    runs_and_rests(&lab, 6, &["goes on counting"]);
    assert_eq!(lake::unequal_objects(&before, &objects(&lab)), [""; 0], "the settings are back");
    lab.change(|world| world.bots[0].timezone = "Asia/Tokyo".into());
    mend(&lab, "messages", 6);
    runs_and_rests(&lab, 0, &[]);
    assert_eq!(lake::unequal_objects(&objects(&lab), &fresh(&lab, 0)), [""; 0]);
}

/// Its rows are lost as well: what was built from them stays, what was not goes on.
#[test]
fn where_its_rows_are_lost_what_was_built_from_them_stays() {
    for lost in ["work/touches", "work"] {
        let mut lab = damaged();
        let before = objects(&lab);
        fs::remove_dir_all(lab.output(lost)).expect("it is there");
        let ran = lab.ctwa("run", &[]);
        assert!(ran.code == 6 && ran.stdout.contains("do not count now"), "{lost}: {ran:?}");
        let mut unequal = lake::unequal_objects(&before, &objects(&lab));
        unequal.retain(|name| name.contains("dt="));
        assert_eq!(unequal, [""; 0], "{lost}");
        runs_and_rests(&lab, 6, &["are not under work/ any more"]);
        let said = verifies(&lab, 6);
        assert!(said.contains("cannot be told"), "{lost}: {said}");
        // A new day never had them: it is built, and built again when more comes.
        lab.change(|world| land_night(world, 10, vec![touch(10, "eva", "A")], vec![]));
        assert_eq!(lab.ctwa("run", &[]).code, 6);
        assert_eq!(counts(&lab)[&day(10)][0].touches, 1, "{lost}");
        lab.change(|world| land_night(world, 11, vec![], vec![event(10, "eva", "purchase")]));
        runs_and_rests(&lab, 6, &["are not under work/ any more"]);
        assert_eq!(counts(&lab)[&day(10)][0].conversions, Some(1), "{lost}");
        mend(&lab, "messages", 6);
        runs_and_rests(&lab, 0, &[]);
        assert_eq!(lake::unequal_objects(&objects(&lab), &fresh(&lab, 0)), [""; 0], "{lost}");
    }
}

/// What touches said of ads stays where the rows are lost.
#[test]
fn ads_stay_where_the_rows_of_their_touches_are_lost() {
    let mut lab = damaged();
    let ads = |lab: &Lab| lake::read(&lab.lake.output).expect("the output keeps the contract").ads;
    let before = ads(&lab);
    fs::remove_dir_all(lab.output(&format!("work/touches/date={}", day(6)))).expect("it is there");
    assert_eq!(lab.ctwa("run", &[]).code, 6);
    assert_eq!(ads(&lab), before);
    lab.change(|world| land_night(world, 10, vec![touch(10, "eva", "N")], vec![]));
    assert_eq!(lab.ctwa("run", &[]).code, 6);
    let after = ads(&lab);
    assert_eq!(after.len(), before.len() + 1, "a new one comes");
    assert!(before.iter().all(|row| after.contains(row)), "{before:?} {after:?}");
}

#[test]
fn what_is_refused_and_then_retired_goes_on_counting_as_what_is_retired() {
    let mut lab = damaged();
    let before = counts(&lab);
    lab.change(|world| {
        let stays = |partition: &NaiveDate| *partition >= day(7);
        world.message_days.retain(stays);
        world.event_days.retain(stays);
        world.messages.retain(|row| stays(&row.partition));
        world.events.retain(|row| stays(&row.partition));
    });
    fs::remove_dir_all(lab.folder.path().join(format!("lake/messages/date={}", day(6)))).expect("the damaged one goes, too");
    runs_and_rests(&lab, 0, &[]);
    assert_eq!(warnings(&lab), "[]");
    assert_eq!(counts(&lab), before, "also caio's purchase on d8, of a touch that came on d6");
    assert!(lab.complete()[&9], "nothing is waited for");
}

/// One that was never read said nothing: a fresh build is as ever.
#[test]
fn one_that_was_never_read_is_refused_as_ever() {
    let lab = Lab::unbuilt(with_late_touch());
    damage(&lab, "messages", 6);
    runs_and_rests(&lab, 6, &["is not readable Parquet"]);
    assert_eq!(warnings(&lab), "[]");
    assert_eq!(counts(&lab)[&day(5)][0].touches, 0);
    mend(&lab, "messages", 6);
    runs_and_rests(&lab, 0, &[]);
    assert_eq!(lake::unequal_objects(&objects(&lab), &fresh(&lab, 0)), [""; 0]);
}

/// A supposed category reads the raw events: those that cannot be read are left out, and said.
#[test]
fn what_if_leaves_out_what_cannot_be_read_and_says_so() {
    let lab = Lab::new(world());
    damage(&lab, "events", 4);
    assert_eq!(lab.ctwa("run", &[]).code, 6);
    let range = [day(0).to_string(), day(9).to_string()];
    let ran = lab.ctwa("what-if", &["--from", &range[0], "--to", &range[1], "--bot", "shop", "--category", "lead"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!((ran.stdout.clone() + &ran.stderr).contains(&format!("left out of the supposed conversions: {}", day(4))), "{ran:?}");
}

// ---------------------------------------------------------------------------------------------------------- any world

/// How a partition that was read goes away.
#[derive(Clone, Copy, Debug)]
enum Going {
    Damaged,
    Vanished,
}

fn name(table: Table) -> &'static str {
    if table == Table::Messages { "messages" } else { "events" }
}

/// The world without a partition.
fn without(world: &World, (table, partition): (Table, NaiveDate)) -> World {
    let mut without = world.clone();
    if table == Table::Messages {
        without.message_days.retain(|day| *day != partition);
        without.messages.retain(|row| row.partition != partition);
    } else {
        without.event_days.retain(|day| *day != partition);
        without.events.retain(|row| row.partition != partition);
    }
    without
}

/// What is known tonight, and what is there: of the partition that is away what it said on the first night, whatever became of it.
fn tonight(whole: &World, first: &World, of: (Table, NaiveDate), going: Going) -> (World, World) {
    let mut there = without(whole, of);
    if let Going::Vanished = going {
        // Else it is one that will never come.
        there.allow_missing.retain(|day| *day != of.1);
    }
    let mut known = there.clone();
    known.unreadable[usize::from(of.0 == Table::Events)] = vec![of.1];
    if of.0 == Table::Messages {
        known.messages.extend(first.messages.iter().filter(|row| row.partition == of.1).cloned());
    } else {
        known.events.extend(first.events.iter().filter(|row| row.partition == of.1).cloned());
    }
    if let Going::Damaged = going {
        let days = if of.0 == Table::Messages { &mut known.message_days } else { &mut known.event_days };
        days.push(of.1);
        days.sort();
        there = World { unreadable: Default::default(), ..known.clone() };
    }
    (known, there)
}

/// A night in which a partition cannot be read, others in which the rest of the lake changes, and one in which it is back.
fn away_and_back(world: &World, form: &Form, (which, going): (&Index, Going), changes: &[Change]) -> Result<(), TestCaseError> {
    let folder = folder()?;
    let dir = folder.path();
    let nothing = World {
        message_days: vec![],
        event_days: vec![],
        messages: vec![],
        events: vec![],
        insights: vec![],
        identities: vec![],
        ..world.clone()
    };
    nights::land(&nothing, world, form, dir);
    let nightly = nights::pipeline(&nights::mapped(world), form, dir, "nightly");
    let run = |codes: &[i32]| lake::ctwa_expecting(&nightly, codes, "run", &[]).map_err(fail);
    let hole = |world: &World| if oracle::has_hole(world) { 3 } else { 0 };
    run(&[hole(world)])?;
    let published = properties::objects(&nightly)?;
    let mut can_go = nights::partitions_that_can_go(world);
    can_go.retain(|(table, _)| *table != Table::Insights);
    if can_go.is_empty() {
        return Ok(());
    }
    let (table, partition) = can_go[which.index(can_go.len())];
    let (mut whole, mut landed) = (world.clone(), world.clone());
    for (step, change) in std::iter::once(None).chain(changes.iter().map(Some)).enumerate() {
        if let Some(change) = change {
            whole = nights::changed(&whole, change, &nightly.output);
        }
        let (known, there) = tonight(&whole, world, (table, partition), going);
        nights::land(&landed, &there, form, dir);
        if let Going::Damaged = going {
            lake::damage(&dir.join("lake").join(name(table)), partition);
        }
        nights::pipeline(&nights::mapped(&there), form, dir, "nightly");
        landed = there;
        let code = if let Going::Damaged = going { 6 } else { hole(&landed) };
        run(&[code]).map_err(|error| fail(format!("step {step}: {error}")))?;
        let rests = nights::listing(&nightly.output);
        run(&[code])?;
        prop_assert_eq!(&rests, &nights::listing(&nightly.output), "step {}: an idle run wrote", step);
        let mut found = lake::read(&nightly.output).map_err(fail)?;
        let last = oracle::last_landed(&known);
        let is_free = |day: &NaiveDate| Some(*day) <= last && !oracle::is_blocked(&known, *day);
        found.ad_days.retain(|day, _| is_free(day));
        found.ad_conversions.retain(|day, _| is_free(day));
        found.bot_days.retain(|day, _| is_free(day));
        let differences = rows::differences(&judged(&known)?.published, &found);
        prop_assert!(differences.is_empty(), "step {}, {:?}: {:?} {}: {}", step, going, table, partition, differences);
        let now = properties::objects(&nightly)?;
        let is_own = |name: &String| nights::day_of(name).is_some_and(|day| oracle::is_blocked(&known, day));
        let worse: Vec<&String> =
            published.keys().filter(|name| is_own(name) && now.get(*name) != published.get(*name)).collect();
        prop_assert!(worse.is_empty(), "step {}: its own days: {:?}", step, worse);
    }
    // It is back, as the changes left it.
    let gone = without(&landed, (table, partition));
    if let Going::Damaged = going {
        nights::land(&landed, &gone, form, dir);
    }
    nights::land(&gone, &whole, form, dir);
    nights::pipeline(&nights::mapped(&whole), form, dir, "nightly");
    run(&[hole(&whole)])?;
    let built = nights::through_the_last_day(&whole, &properties::objects(&nightly)?);
    let fresh = nights::fresh(&whole, form, dir, "fresh")?;
    nights::same("it is back", &whole, &nights::through_the_last_day(&whole, &fresh), &built)
}

#[test]
fn what_was_read_once_goes_on_counting_until_it_can_be_read_again() {
    let changes = nights::changes_of_the_lake();
    let going = prop_oneof![Just(Going::Damaged), Just(Going::Vanished)];
    let night = (any::<Index>(), going);
    check(10, (worlds::world(), worlds::form(), night, changes), |(world, form, (which, going), changes)| {
        away_and_back(&world, &form, (&which, going), &changes)
    });
}

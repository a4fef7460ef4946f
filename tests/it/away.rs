//! Partitions that were read once and cannot be read any more (rule 19): what they said goes on counting for all days but their own, and
//! nothing that is published gets worse; once they are back, all is as a fresh build has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use chrono::NaiveDate;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::lake::{self, Form};
use crate::nights::{self, Change, Table};
use crate::oracle;
use crate::plans::{Lab, at, day, event, land_night, shop, touch, world};
use crate::properties::{self, check, fail, folder, judged};
use crate::rows::{self, BotDay};
use crate::scene::{DAYS, FAULTY, Scene, noon, times};
use crate::world::{Bot, Message, World};
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

/// A run tries again what it could not read, once settings are others or nothing is known of it: in vain, as the plan says.
#[test]
fn a_plan_foresees_what_a_run_tries_in_vain() {
    type Changed = (&'static str, fn(&mut Lab));
    let changes: [Changed; 7] = [
        ("zone", |lab| lab.change(|world| world.bots[0].timezone = "Asia/Tokyo".into())),
        ("a member", |lab| lab.change(|world| world.bots[0].members = vec!["shop-2".into()])),
        ("window", |lab| lab.change(|world| world.window_days = 3)),
        ("test contacts", |lab| lab.change(|world| world.bots[0].test_contacts = vec!["ana".into()])),
        ("a bot", |lab| lab.change(|world| world.bots.push(Bot { id: "loja".into(), ad_accounts: vec![], ..shop("UTC") }))),
        ("a setting", |lab| lab.change(|world| world.bots[0].settings.push(("lead".into(), at(3, 0))))),
        ("work", |lab| fs::remove_dir_all(lab.output("work")).expect("it is there")),
    ];
    for table in ["messages", "events"] {
        for (what, change) in changes {
            // Known to be damaged, and not known yet.
            for tried in [true, false] {
                let mut lab = Lab::new(with_late_touch());
                damage(&lab, table, 6);
                if tried {
                    assert_eq!(lab.ctwa("run", &[]).code, 6);
                }
                change(&mut lab);
                let args = ["--accept-history-change"];
                let (code, plan) = lab.json("plan", &args);
                let (ran, run) = lab.json("run", &args);
                let case = format!("{table}, {what}, tried {tried}: {plan:#} {run:#}");
                assert_eq!((code, ran), (6, 6), "{case}");
                for of in ["days_blocked", "days_without_history", "failures"] {
                    let errors = |json: &serde_json::Value| match json.as_array() {
                        Some(list) if of == "failures" => {
                            list.iter().map(|one| one.get("error").unwrap_or(one).clone()).collect()
                        }
                        _ => json.clone(),
                    };
                    // Where nothing is known there is no range of days yet.
                    let is_told = of == "failures" || what != "work";
                    assert!(!is_told || errors(&plan[of]) == errors(&run[of]), "{of}: {case}");
                }
                let days = |json: &serde_json::Value, of: &str| -> BTreeSet<String> {
                    json[of].as_array().into_iter().flatten().map(|step| step["day"].to_string()).collect()
                };
                let (exact, at_most, built) = (days(&plan, "days"), days(&plan, "days_at_most"), days(&run, "days"));
                assert!(exact.is_subset(&built) && built.is_subset(&(&exact | &at_most)), "{exact:?} {at_most:?} {case}");
                for warning in plan["warnings"].as_array().expect("a list") {
                    assert!(run["warnings"].as_array().is_some_and(|said| said.contains(warning)), "{warning} {case}");
                }
                assert!(!plan["warnings"].as_array().expect("a list").is_empty(), "{case}");
            }
        }
    }
}

/// What is kept back is made from nothing now: what is lost of it is named, with what keeps it back and what to do, as long as that lasts.
#[test]
fn a_lost_object_of_a_day_that_is_kept_back_is_named() {
    let range = [day(0).to_string(), day(20).to_string()];
    for (gone, away) in [("garbage", 6), ("vanished", 6), ("vanished", 9)] {
        for lost in ["ad_days", "ad_conversions", "bot_days"] {
            let mut lab = Lab::new(with_late_touch());
            let published = objects(&lab);
            let all = lab.world.clone();
            if gone == "garbage" {
                damage(&lab, "messages", away);
            } else {
                lab.change(|world| {
                    world.message_days.retain(|of| *of != day(away));
                    world.messages.retain(|row| row.partition != day(away));
                });
            }
            lab.ctwa("run", &[]);
            let object = format!("{lost}/dt={0}/{lost}.parquet", day(away));
            fs::remove_file(lab.output(&object)).expect("it is there");
            let why =
                format!("messages partition {} {}", day(away), if gone == "garbage" { "is refused" } else { "has not landed" });
            let says =
                [&object[..], "cannot be made again: its day is kept back", &why, "restore the object from a copy", "or land"];
            runs_and_rests(&lab, 6, &says);
            let verified = lab.ctwa("verify", &["--from", &range[0], "--to", &range[1]]);
            let said = format!("{object}: missing (its day is kept back, {why}; restore");
            assert!(verified.code == 6 && verified.stdout.contains(&said), "{verified:?}");
            // Altered, and what runs kept of it is lost as well.
            fs::write(lab.output(&object), "other").expect("it can be written");
            runs_and_rests(&lab, 6, &says);
            fs::remove_file(lab.output(&object)).expect("it is there");
            fs::remove_dir_all(lab.output("work/receipts/days")).expect("it is there");
            let ran = lab.ctwa("run", &[]);
            assert_eq!(ran.stderr.contains(&object), lost != "bot_days", "{ran:?}");
            lab.change(|world| *world = all);
            mend(&lab, "messages", away);
            runs_and_rests(&lab, 0, &[]);
            assert_eq!(lake::unequal_objects(&published, &objects(&lab)), [""; 0]);
        }
    }
}

type Ads = Vec<rows::Ad>;

fn ads(lab: &Lab) -> Ads {
    lake::read(&lab.lake.output).expect("the output keeps the contract").ads
}

/// As `damaged`, and what the partition of d6 says of A is the newest: another title.
fn with_newest_title() -> Lab {
    let mut world = with_late_touch();
    world.messages.iter_mut().filter(|row| row.partition == day(6)).for_each(|row| row.ad_title = Some("Nova".into()));
    let lab = Lab::new(world);
    damage(&lab, "messages", 6);
    assert_eq!(lab.ctwa("run", &[]).code, 6);
    lab
}

/// Everything that runs kept, or the settings that hold, or whose touches count.
const LOSSES: [fn(&mut Lab); 4] = [
    |lab| fs::remove_dir_all(lab.output("work")).expect("it is there"),
    |lab| {
        fs::remove_dir_all(lab.output("work/touches")).expect("it is there");
        fs::remove_file(lab.output("work/ad_facts.json")).expect("it is there");
    },
    |lab| lab.change(|world| world.bots[0].timezone = "Asia/Tokyo".into()),
    |lab| {
        fs::remove_dir_all(lab.output("work/touches")).expect("it is there");
        lab.change(|world| world.bots[0].test_contacts = vec!["nobody".into()]);
    },
];

/// Where neither rows nor what they said of ads is kept, `ads` itself is what is known: it lost the ads of such a partition, and older
/// titles came back.
#[test]
fn ads_get_no_worse_whatever_is_lost_of_what_they_were_made_from() {
    for (n, lose) in LOSSES.into_iter().enumerate() {
        let mut lab = with_newest_title();
        let before = ads(&lab);
        assert_eq!(
            before.iter().map(|row| row.ad_title.as_deref()).collect::<Vec<_>>(),
            [Some("Nova"), Some("Oferta"), Some("Nova")]
        );
        lose(&mut lab);
        runs_and_rests(&lab, 6, &["do not count"]);
        assert_eq!(ads(&lab), before, "loss {n}");
        assert!(
            verifies(&lab, 6).contains(&format!("ads/ads.parquet as far as touches of the messages partitions of {}", day(6)))
        );
        // Older than what is published, and newer.
        lab.change(|world| {
            let old = Message { ad_title: Some("Velha".into()), sent_at: Some(at(3, 1)), ..touch(10, "eva", "C") };
            let new = Message { ad_title: Some("Novissima".into()), ..touch(10, "eva", "A") };
            land_night(world, 10, vec![Message { message_id: Some("old".into()), ..old }, new], vec![]);
        });
        assert_eq!(lab.ctwa("run", &[]).code, 6);
        let after = ads(&lab);
        let titles: Vec<_> = after.iter().map(|row| row.ad_title.as_deref()).collect();
        assert_eq!(titles, [Some("Novissima"), Some("Oferta"), Some("Nova")], "loss {n}");
        assert_eq!(after[2].first_conversation_at, Some(at(3, 1)), "what is there counts");
        assert_eq!(after[2].last_conversation_at, before[2].last_conversation_at, "and what is not");
        runs_and_rests(&lab, 6, &["do not count"]);
        mend(&lab, "messages", 6);
        runs_and_rests(&lab, 0, &[]);
        assert_eq!(lake::unequal_objects(&objects(&lab), &fresh(&lab, 0)), [""; 0], "loss {n}");
        verifies(&lab, 0);
    }
}

/// Said never to come, a partition leaves `ads` as it leaves the days; with the oldest, it stays there as they do.
#[test]
fn what_is_lost_leaves_ads_when_it_is_said_never_to_come_and_stays_when_it_is_retired() {
    for (n, lose) in LOSSES.into_iter().enumerate() {
        let mut lab = with_newest_title();
        let before = ads(&lab);
        lose(&mut lab);
        assert_eq!(lab.ctwa("run", &[]).code, 6);
        fs::remove_dir_all(lab.folder.path().join(format!("lake/messages/date={}", day(6)))).expect("it is there");
        lab.change(|world| {
            world.message_days.retain(|of| *of != day(6));
            world.messages.retain(|row| row.partition != day(6));
            world.allow_missing = vec![day(6)];
        });
        runs_and_rests(&lab, 0, &[]);
        assert_eq!(lake::unequal_objects(&objects(&lab), &fresh(&lab, 0)), [""; 0], "loss {n}");
        assert_eq!(ads(&lab).len(), 2);

        let mut lab = with_newest_title();
        lose(&mut lab);
        assert_eq!(lab.ctwa("run", &[]).code, 6);
        fs::remove_dir_all(lab.folder.path().join(format!("lake/messages/date={}", day(6)))).expect("it is there");
        lab.change(|world| retire(world, 7));
        runs_and_rests(&lab, 0, &[]);
        assert_eq!(ads(&lab), before, "loss {n}");
        assert!(verifies(&lab, 0).contains("ads/ads.parquet as far as touches of"), "loss {n}");
        // An ad that began after all of them is as it always was.
        lab.change(|world| land_night(world, 10, vec![touch(10, "eva", "N")], vec![]));
        assert_eq!(lab.ctwa("run", &[]).code, 0);
        lab.change(|world| world.messages.retain(|row| row.partition != day(10)));
        assert_eq!(lab.ctwa("run", &[]).code, 0);
        assert_eq!(ads(&lab), before, "loss {n}");
    }
}

/// Retired partitions of which all is lost that was kept.
#[test]
fn ads_of_retired_partitions_stay_where_all_is_lost_that_was_kept() {
    let mut lab = Lab::new(with_late_touch());
    let before = ads(&lab);
    lab.change(|world| retire(world, 7));
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    for lost in ["work/touches", "work"] {
        fs::remove_dir_all(lab.output(lost)).expect("it is there");
        runs_and_rests(&lab, 0, &[]);
        assert_eq!(ads(&lab), before, "{lost}");
        assert!(verifies(&lab, 0).contains("cannot be told"), "{lost}");
    }
}

/// `ads` itself is lost while nobody can make all of it again: what is left is published, and every run says what it lacks.
#[test]
fn a_lost_ads_is_named_while_it_cannot_be_made_again_as_a_whole() {
    let lab = with_newest_title();
    let (object, copy) = (lab.output("ads/ads.parquet"), lab.folder.path().join("copy"));
    fs::copy(&object, &copy).expect("a copy");
    let before = ads(&lab);
    fs::remove_dir_all(lab.output("work")).expect("it is there");
    fs::remove_file(&object).expect("it is there");
    let lacks = ["ads/ads.parquet", "is made again without", "restore the object from a copy"];
    let plan = lab.ctwa("plan", &[]);
    assert!(plan.code == 6 && plan.stderr.contains(lacks[1]), "{plan:?}");
    runs_and_rests(&lab, 6, &lacks);
    assert_eq!(ads(&lab).len(), 2);
    let said = lab.ctwa("verify", &["--from", &day(0).to_string(), "--to", &day(9).to_string()]);
    assert!(said.code == 6 && said.stderr.contains(lacks[1]), "{said:?}");
    fs::copy(&copy, &object).expect("it is restored");
    let ran = lab.ctwa("run", &[]);
    assert!(ran.code == 6 && !ran.stderr.contains(lacks[1]), "{ran:?}");
    assert_eq!(ads(&lab), before);
    mend(&lab, "messages", 6);
    runs_and_rests(&lab, 0, &[]);
    assert_eq!(lake::unequal_objects(&objects(&lab), &fresh(&lab, 0)), [""; 0]);
}

/// Takes the partitions of the first days away.
fn retire(world: &mut World, first_kept: i64) {
    let stays = |partition: &NaiveDate| *partition >= day(first_kept);
    world.message_days.retain(stays);
    world.event_days.retain(stays);
    world.messages.retain(|row| stays(&row.partition));
    world.events.retain(|row| stays(&row.partition));
}

#[test]
fn what_is_refused_and_then_retired_goes_on_counting_as_what_is_retired() {
    let mut lab = damaged();
    let before = counts(&lab);
    lab.change(|world| retire(world, 7));
    fs::remove_dir_all(lab.folder.path().join(format!("lake/messages/date={}", day(6)))).expect("the damaged one goes, too");
    runs_and_rests(&lab, 0, &[]);
    assert_eq!(warnings(&lab), "[]");
    assert_eq!(counts(&lab), before, "also caio's purchase on d8, of a touch that came on d6");
    assert!(lab.complete()[&9], "nothing is waited for");
}

/// A day that is kept back takes up no row. Where its partition then leaves the lake with the oldest, it is frozen as published: what came
/// for it is not in it, and it says so.
#[test]
fn a_day_that_is_frozen_while_rows_for_it_wait_is_not_complete() {
    let own = |lab: &Lab| {
        let found = lake::read(&lab.lake.output).expect("the output keeps the contract");
        let of_ads = found.ad_days[&day(6)].iter().filter(|row| row.bot_id.is_some()).map(|row| row.complete);
        (found.bot_days[&day(6)].clone(), of_ads.collect::<Vec<bool>>())
    };
    for (vanishes, comes) in [(false, true), (true, true), (false, false), (true, false)] {
        let mut lab = Lab::new(with_late_touch());
        let published = objects(&lab);
        if vanishes {
            lab.change(|world| {
                world.message_days.retain(|of| *of != day(6));
                world.messages.retain(|row| row.partition != day(6));
            });
        } else {
            damage(&lab, "messages", 6);
        }
        lab.ctwa("run", &[]);
        let late = if comes { vec![event(6, "davi", "purchase")] } else { vec![] };
        lab.change(|world| land_night(world, 10, vec![], late));
        lab.ctwa("run", &[]);
        assert_eq!(changed(&published, &objects(&lab), 0..=6), [""; 0], "it is kept back");
        let before = own(&lab);
        lab.change(|world| retire(world, 7));
        let _ = fs::remove_dir_all(lab.folder.path().join(format!("lake/messages/date={}", day(6))));
        let plan = lab.said("plan", &[]);
        let said = "d6 not complete: rows came while it was kept back, and its partition left the lake";
        assert_eq!(plan.days.contains(&said.to_string()), comes, "{plan:?}");
        runs_and_rests(&lab, 0, &[]);
        if comes {
            let expected: Vec<BotDay> = before.0.into_iter().map(|row| BotDay { complete: false, ..row }).collect();
            assert_eq!(own(&lab), (expected, vec![false; before.1.len()]));
            assert_eq!(changed(&published, &objects(&lab), 0..=5), [""; 0], "no other day");
        } else {
            assert_eq!(changed(&published, &objects(&lab), 0..=6), [""; 0], "nothing is missing in it");
        }
        verifies(&lab, 0);
    }
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
    let mut published = properties::objects(&nightly)?;
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
        // A day that another hole keeps back from the next night on is held against what it is now.
        published = now;
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

//! Faults that were found by trial, a test for each, named for what was wrong.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ctwa::base::error::{Error, ErrorKind};
use ctwa::config::Settings;
use ctwa::engine::select::{self, Site};
use ctwa::known::job::{Job, Wanted};
use ctwa::lake::Environment;
use ctwa::run;

use crate::cases::report_rows;
use crate::lake;
use crate::nights;
use crate::plans::{Lab, day, event, land_night, owned, touch, world};
use crate::scene::{DAYS, Scene};
use crate::world::{Bot, Identity, Message, World};

/// Days that are not published went by the bot's own settings, where the supposed ones were asked for.
#[test]
fn supposed_settings_hold_on_days_that_are_not_published() {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    // The bot is configured from 2026-02-01 on, and published from 2026-03-01 on.
    let range = ["--from", "2026-01-30", "--to", DAYS[3], "--bot", "shop", "--format", "json"];
    let ran = scene.ctwa("what-if", &[&range, ["--category", "purchase"].as_slice()].concat());
    let rows = report_rows(&ran.stdout).expect("it is JSON");
    let cell = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(cell("unconfigured_days"), ["2", "2"]);
    assert_eq!(cell("unconfigured_days_if"), ["0", "0"]);
    // Both sides know the published days, and those alone.
    assert_eq!(cell("conversion_rate_difference"), ["0.000000", "0.000000"]);
}

/// The files below a folder of the output.
fn kept(lab: &Lab, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(lab.output(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    files.map(|file| file.expect("a file").path()).map(|path| (path.clone(), fs::read(path).expect("bytes"))).collect()
}

fn put_back(files: &BTreeMap<PathBuf, Vec<u8>>) {
    files.iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("it can be written"));
}

/// A lake in which ana's purchase on d3 comes under another id, which an alias names from now on.
fn with_new_alias() -> Lab {
    let mut lab = Lab::new(World { events: vec![event(3, "ana-2", "purchase"), event(4, "bia", "purchase")], ..world() });
    let alias = Identity { bot_id: None, alias: "nobody".into(), contact_id: "somebody".into() };
    lab.change(|world| world.identities = vec![alias.clone()]);
    assert_eq!(lab.said("run", &[]).days, Vec::<String>::new(), "it reaches nothing");
    lab.change(|world| world.identities.push(Identity { alias: "ana-2".into(), contact_id: "ana".into(), ..alias }));
    lab
}

/// Whoever lost the lock may put receipts late, over the marks of the run that took over: then no mark was left, and the snapshot of
/// the alias table said that the days knew it.
#[test]
fn receipts_that_are_put_late_take_no_mark_away() {
    let lab = with_new_alias();
    let late = kept(&lab, "work/receipts/days");
    assert_eq!(lab.said("run", &["--through", &day(2).to_string()]).days, Vec::<String>::new(), "d3 is left for later");
    put_back(&late);
    lab.expect(&["d3 alias changed"], &[], &["d3 alias changed"]);
}

/// The same where a power cut keeps the second of two writes: the days know a table that the snapshot does not, and the table goes back
/// to what it was.
#[test]
fn what_was_compared_with_may_be_lost_without_the_days() {
    let mut lab = with_new_alias();
    let snapshot = [kept(&lab, "work/identities"), BTreeMap::from([identities_receipt(&lab)])];
    assert_eq!(lab.said("run", &[]).days, owned(&["d3 alias changed"]));
    snapshot.iter().for_each(put_back);
    lab.change(|world| world.identities.truncate(1));
    let reason = "d3 what it was built with is not known any more";
    lab.expect(&[reason], &[], &[reason]);
}

fn identities_receipt(lab: &Lab) -> (PathBuf, Vec<u8>) {
    let path = lab.output("work/receipts/identities.json");
    (path.clone(), fs::read(path).expect("the receipt of the alias table"))
}

/// A place of an ad, likewise.
#[test]
fn receipts_that_are_put_late_take_no_mark_of_an_ad_away() {
    let mut lab = Lab::new(world());
    // B becomes known: its conversation of d2 and conversion of d4 get an account.
    lab.change(|world| world.insights.push(crate::plans::figures(8, "B", 1)));
    let late = kept(&lab, "work/receipts/days");
    let run = lab.said("run", &["--through", &day(1).to_string()]);
    assert_eq!(run.days, Vec::<String>::new(), "d2, d4 and d8 are left for later");
    put_back(&late);
    let built = owned(&["d2 ad became known: B", "d4 ad became known: B", "d8 insights landed"]);
    assert_eq!(lab.said("run", &[]).days, built);
}

/// Runs the pipeline through the library, stopped when asked for the n-th time.
fn stopped_run(lake: &lake::Lake, stops_at: u32) -> Option<ErrorKind> {
    let settings = Settings::load(&lake.pipeline).expect("a pipeline");
    let environment = Environment::default();
    let asked = Cell::new(0);
    let (input, output) = (
        ctwa::lake::Lake::open(&settings.lake, &environment).expect("the lake"),
        ctwa::lake::Lake::open_or_create(&settings.output, &environment).expect("the output"),
    );
    let engine = select::engine(settings.engine, Site::new(&input, &output));
    let job = Job {
        settings: &settings,
        lake: &input,
        output: &output,
        engine: engine.as_ref(),
        wanted: Wanted::Through(None),
        accept_history_change: false,
        clock: &|| chrono::DateTime::UNIX_EPOCH,
        stopped: &|| {
            asked.set(asked.get() + 1);
            if asked.get() == stops_at { Err(Error::new(ErrorKind::Interrupted, "stopped")) } else { Ok(()) }
        },
        pause: None,
        progress: &ctwa::base::progress::unheard,
    };
    run::run(&job).expect("a run that is stopped says what it did").worst
}

/// The partitions before a day leave the lake.
fn let_go(world: &mut World, n: i64) {
    let stays = |partition: &chrono::NaiveDate| *partition >= day(n);
    world.message_days.retain(stays);
    world.event_days.retain(stays);
    world.messages.retain(|row| stays(&row.partition));
    world.events.retain(|row| stays(&row.partition));
}

/// A first build that was stopped accepted nothing: when the oldest partition vanished before it was finished, days that were published
/// were removed, or lost conversions.
#[test]
fn what_a_stopped_first_build_published_is_not_lost_with_the_oldest_partition() {
    let mut lab = Lab::unbuilt(world());
    // Once before each table's partitions, then before each eight days.
    assert!(stopped_run(&lab.lake, 4).is_some());
    let published = lake::objects(&lab.lake.output).expect("the output can be read");
    assert!(published.keys().any(|name| name.contains(&day(7).to_string())), "eight days are published: {:?}", published.keys());
    lab.change(|world| let_go(world, 4));
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    let now = lake::objects(&lab.lake.output).expect("the output can be read");
    let changed: Vec<&String> =
        published.keys().filter(|name| name.contains("dt=") && now.get(*name) != published.get(*name)).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

/// A partition that is refused is not one that never comes: the days after it said that they were complete.
#[test]
fn a_refused_partition_is_awaited_although_its_day_may_be_missing() {
    let lab = Lab::new(World { allow_missing: vec![day(4)], ..world() });
    assert!(lab.complete()[&8], "all has landed");
    let partition = lab.folder.path().join(format!("lake/events/date={}", day(4)));
    for file in fs::read_dir(&partition).expect("a partition") {
        fs::write(file.expect("a file").path(), "no Parquet").expect("it can be written");
    }
    assert_eq!(lab.ctwa("run", &[]).code, 6);
    let complete = lab.complete();
    assert!(!complete[&5] && !complete[&8], "{complete:?}");
    assert!(complete[&3], "{complete:?}");
}

/// A lake whose first four days vanished after they were published.
fn with_frozen_days() -> Lab {
    let mut lab = Lab::new(world());
    lab.change(|world| let_go(world, 4));
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    lab
}

/// The object of a frozen day was never made again, and nobody said so.
#[test]
fn a_lost_object_of_a_frozen_day_is_made_again_or_named() {
    for table in ["ad_days", "ad_conversions", "bot_days"] {
        let lab = with_frozen_days();
        let object = format!("{table}/dt={}/{table}.parquet", day(1));
        let published = fs::read(lab.output(&object)).expect("it is published");
        fs::remove_file(lab.output(&object)).expect("it is there");
        let reason = format!("d1 published {table} changed or gone");
        lab.expect(&[&reason], &[], &[&reason]);
        assert_eq!(fs::read(lab.output(&object)).ok(), Some(published), "{table} is made again from what is kept");

        fs::remove_file(lab.output(&object)).expect("it is there");
        fs::remove_dir_all(lab.output("work/touches")).expect("what the day was made from");
        let ran = lab.ctwa("run", &[]);
        assert_eq!(ran.code, 6, "{ran:?}");
        assert!(ran.stderr.contains(&object) && ran.stderr.contains("restore"), "{ran:?}");
        assert_eq!(lab.ctwa("plan", &[]).code, 6, "a plan says so, too");
        let ran = lab.ctwa("run", &[]);
        assert_eq!((ran.code, ran.stderr.contains(&object)), (6, true), "every night, until it is back: {ran:?}");
    }
}

/// What is not accepted yet is something to do.
#[test]
fn a_plan_says_that_something_is_to_be_accepted() {
    let lab = Lab::new(world());
    fs::remove_file(lab.output("state/accepted.json")).expect("what was accepted");
    assert_eq!(lab.ctwa("plan", &["--check"]).code, 1);
    assert_eq!(lab.said("run", &[]).days, Vec::<String>::new());
    assert!(Path::new(&lab.output("state/accepted.json")).is_file());
    assert_eq!(lab.ctwa("plan", &["--check"]).code, 0);
}

/// Where a pipeline has no alias table, none is lost when its bots change.
#[test]
fn bots_that_change_lose_no_alias_table() {
    let mut lab = Lab::new(world());
    lab.change(|world| world.bots[0].members.push("shop-sales".into()));
    let plan = lab.json("plan", &[]).1.to_string();
    assert!(!plan.contains("alias table"), "{plan}");
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    assert_eq!(lab.ctwa("plan", &["--check"]).code, 0);
}

/// A late row may lie before all that was published, as old as retired partitions: its days are built, and were not planned.
#[test]
fn a_frozen_day_that_was_never_published_is_planned() {
    let mut lab = with_frozen_days();
    lab.change(|world| land_night(world, 10, vec![touch(-2, "caio", "A")], vec![]));
    let never_built = ["d-2..d-1 never built", "d10 never built"];
    let plan = lab.said("plan", &[]);
    let built = lab.said("run", &[]).days;
    assert!(never_built.iter().all(|days| built.iter().any(|built| built == days)), "{built:?}");
    assert!(plan.at_most.iter().any(|days| days.starts_with("d-2..")), "{plan:?}");
}

/// Rows of retired partitions were used under whatever settings had made them.
#[test]
fn rows_of_retired_partitions_count_while_their_settings_hold() {
    let of_sales = |row: Message| Message { bot_id: Some("sales".into()), ..row };
    let mut start = World { messages: vec![of_sales(touch(0, "eva", "A")), touch(2, "bia", "B")], ..world() };
    start.bots[0].members = vec!["sales".into()];
    start.bots.push(Bot { id: "loja".into(), ad_accounts: vec![], ..start.bots[0].clone() });
    start.bots[1].members.clear();
    let mut lab = Lab::new(start);
    lab.change(|world| {
        let_go(world, 4);
        land_night(world, 10, vec![], vec![event(10, "eva", "purchase")]);
    });
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    let of_night = |lab: &Lab| {
        let rows = &lake::read(&lab.lake.output).expect("it can be read").bot_days[&day(10)];
        let shop = rows.iter().find(|row| row.bot_id == "shop").expect("the bot");
        (shop.conversions, shop.complete)
    };
    assert_eq!(of_night(&lab), (Some(1), true), "eva clicked on d0, which has left the lake");
    let published = lake::objects(&lab.lake.output).expect("the output can be read");

    // A bot, a member and a setting that were not there had no rows there.
    lab.change(|world| {
        world.bots.push(Bot { id: "nova".into(), members: vec!["nova-sub".into()], ..world.bots[1].clone() });
        world.bots[0].members.push("sales-2".into());
        world.bots[0].settings.push(("lead".into(), crate::plans::at(20, 0)));
    });
    let ran = lab.ctwa("run", &[]);
    assert!(ran.code == 0 && !ran.stdout.contains("other settings"), "{ran:?}");
    assert_eq!(of_night(&lab), (Some(1), true));

    // The member moves: whose eva's click was, nobody can say any more.
    let moved = |world: &mut World| {
        world.bots[0].members.retain(|member| member != "sales");
        world.bots[1].members = vec!["sales".into()];
    };
    lab.change(moved);
    let (code, report) = lab.json("run", &[]);
    let warned = report["warnings"].to_string();
    assert!(code == 0 && warned.contains("4 partitions of messages that have left the lake"), "{report}");
    let now = lake::objects(&lab.lake.output).expect("the output can be read");
    let frozen = (0..4).map(|n| format!("dt={}", day(n))).collect::<Vec<_>>();
    let is_frozen = |name: &&String| frozen.iter().any(|day| name.contains(day.as_str()));
    let changed: Vec<_> = published.keys().filter(is_frozen).filter(|name| now.get(*name) != published.get(*name)).collect();
    assert!(changed.is_empty(), "what was published of them stays: {changed:?}");
    lab.change(|world| land_night(world, 11, vec![], vec![event(11, "eva", "purchase")]));
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    let rows = &lake::read(&lab.lake.output).expect("it can be read").bot_days[&day(11)];
    let of_shop = rows.iter().find(|row| row.bot_id == "shop").expect("the bot");
    assert_eq!((of_shop.conversions, of_shop.complete), (Some(0), false), "not by rows of other settings, and it says so");

    // Back to what it was, they count again.
    lab.change(|world| {
        world.bots[0].members.push("sales".into());
        world.bots[1].members.clear();
    });
    let ran = lab.ctwa("run", &[]);
    assert!(ran.code == 0 && !ran.stdout.contains("other settings"), "{ran:?}");
    assert_eq!(of_night(&lab), (Some(1), true));
}

/// days were taken for fresh.
#[test]
fn a_day_that_nobody_knew_of_when_an_alias_moved_is_stale() {
    let lab = with_new_alias();
    let late = kept(&lab, "work/receipts/days");
    let month = lab.output("work/receipts/days/2026-02.json");
    let text = fs::read_to_string(&month).expect("the receipts of a month");
    let mut receipts: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).expect("receipts by day");
    assert!(receipts.remove(&day(3).to_string()).is_some(), "{:?}", receipts.keys());
    fs::write(&month, serde_json::to_string(&receipts).expect("JSON")).expect("it can be written");
    assert_eq!(lab.said("run", &["--through", &day(2).to_string()]).days, Vec::<String>::new(), "d3 is left for later");
    put_back(&late);
    lab.expect(&["d3 alias changed"], &[], &["d3 alias changed"]);
}

/// An alias table that a run had put when it was killed, before its receipt, lay there for ever, whoever was erased since.
#[test]
fn a_table_of_a_killed_run_goes_with_the_next_change() {
    let mut lab = with_new_alias();
    let receipt = identities_receipt(&lab);
    let before = kept(&lab, "work/identities");
    lab.change(|world| world.identities[0].alias = "ghost".into());
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    // As it was when the run that is killed had put its table.
    [before, BTreeMap::from([receipt])].iter().for_each(put_back);
    assert_eq!(kept(&lab, "work/identities").len(), 2);
    lab.change(|world| drop(world.identities.remove(0)));
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    assert_eq!(kept(&lab, "work/identities").len(), 1);
}

/// An object that was away when its ads moved was not looked into: put back, it was taken for fresh.
#[test]
fn a_day_whose_object_was_away_when_an_ad_moved_is_stale() {
    let mut lab = Lab::new(world());
    let object = lab.output(&format!("ad_days/dt={}/ad_days.parquet", day(2)));
    let away = lab.folder.path().join("away");
    fs::rename(&object, &away).expect("it is there");
    lab.change(|world| world.insights.push(crate::plans::figures(8, "B", 1)));
    assert_eq!(lab.said("run", &["--through", &day(1).to_string()]).days, Vec::<String>::new());
    fs::rename(&away, &object).expect("it is put back");
    let built = owned(&["d2 published ad_days changed or gone", "d4 ad became known: B", "d8 insights landed"]);
    assert_eq!(lab.said("run", &[]).days, built);
}

/// The settings of a bot that was not there are no reason to put the events of partitions that have left the lake aside.
#[test]
fn a_bot_that_is_added_or_left_out_leaves_retired_events_what_they_were() {
    let mut start = world();
    start.bots.push(Bot { id: "loja".into(), ad_accounts: vec![], ..start.bots[0].clone() });
    let mut lab = Lab::new(start);
    lab.change(|world| let_go(world, 4));
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    let warnings = |lab: &Lab| {
        let mut all = lab.json("run", &[]).1["warnings"].clone();
        // Ads are called A and B here, as none of Meta's is.
        all.as_array_mut().expect("a list").retain(|text| !text.to_string().contains("an ad id that is not digits"));
        all.to_string()
    };
    lab.change(|world| world.bots.push(Bot { id: "nova".into(), ..world.bots[1].clone() }));
    assert_eq!(warnings(&lab), "[]", "one was added");
    lab.change(|world| drop(world.bots.remove(1)));
    assert_eq!(warnings(&lab), "[]", "one was left out");
    lab.change(|world| world.bots[0].settings.push(("lead".into(), crate::plans::at(20, 0))));
    assert_eq!(warnings(&lab), "[]", "a later setting");
    assert!(lab.complete()[&9]);
    lab.change(|world| land_night(world, 10, vec![], vec![]));
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    assert!(lab.complete()[&10]);
}

/// A partition that was refused before it left the lake was not one that had been read: its days were removed.
#[test]
fn the_days_of_a_partition_that_was_refused_and_then_retired_stay() {
    let mut lab = Lab::new(world());
    let published = lake::objects(&lab.lake.output).expect("the output can be read");
    for table in ["messages", "events"] {
        let partition = lab.folder.path().join(format!("lake/{table}/date={}", day(0)));
        for file in fs::read_dir(&partition).expect("a partition") {
            fs::write(file.expect("a file").path(), "no Parquet").expect("it can be written");
        }
    }
    assert_eq!(lab.ctwa("run", &[]).code, 6);
    lab.change(|world| let_go(world, 1));
    let ran = lab.ctwa("run", &[]);
    let now = lake::objects(&lab.lake.output).expect("the output can be read");
    let of_day = format!("dt={}", day(0));
    let gone: Vec<&String> = published.keys().filter(|name| name.contains(&of_day) && !now.contains_key(*name)).collect();
    assert!(gone.is_empty(), "{gone:?} {ran:?}");
}

/// Once no row of the retired partitions counted, their days lay before the first day, and nobody looked at their objects.
#[test]
fn a_lost_object_of_a_day_before_all_rows_that_count_is_named() {
    let mut lab = with_frozen_days();
    // Their days are others: the rows that are kept of them count no more.
    lab.change(|world| world.bots[0].timezone = "Asia/Tokyo".into());
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    let object = format!("bot_days/dt={}/bot_days.parquet", day(1));
    fs::remove_file(lab.output(&object)).expect("it is there");
    let ran = lab.ctwa("run", &[]);
    assert!(ran.code == 6 && ran.stderr.contains(&object), "{ran:?}");
    assert_eq!(lab.ctwa("plan", &[]).code, 6);
    let ran = lab.ctwa("verify", &["--from", &day(0).to_string(), "--to", &day(9).to_string()]);
    assert!(ran.code == 6 && ran.stdout.contains(&object), "{ran:?}");
}

/// What Meta had said of a frozen day has left the lake as well: a lost object of one table took the spend in another away.
#[test]
fn a_frozen_day_is_not_made_again_without_its_figures() {
    let mut lab = Lab::new(world());
    lab.change(|world| {
        let_go(world, 4);
        world.insights.retain(|row| row.date >= day(4));
    });
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    let spend = |lab: &Lab| lake::read(&lab.lake.output).map(|found| found.ad_days[&day(0)][0].spend).ok().flatten();
    let object = format!("ad_days/dt={}/ad_days.parquet", day(0));
    let published = fs::read(lab.output(&object)).expect("it is published");
    assert_eq!(spend(&lab), Some(1_000_000));
    let lost = format!("ad_conversions/dt={}/ad_conversions.parquet", day(0));
    fs::remove_file(lab.output(&lost)).expect("it is there");
    let ran = lab.ctwa("run", &[]);
    assert!(fs::read(lab.output(&object)).ok() == Some(published), "{ran:?}");
    assert!(ran.code == 6 && ran.stderr.contains(&lost), "{ran:?}");
}

/// An alias table of before may name a contact that was erased since: it goes, also where what is known of it was lost.
#[test]
fn no_alias_table_of_before_is_left() {
    let mut lab = with_new_alias();
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    fs::remove_file(lab.output("work/receipts/identities.json")).expect("the receipt of the alias table");
    lab.change(|world| world.identities.truncate(1));
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    assert_eq!(kept(&lab, "work/identities").len(), 1, "the one of now");
    assert_eq!(lab.ctwa("plan", &["--check"]).code, 0);
}

/// An alias with two targets, of which a bot had one of its own in a loop, stood for itself in that bot: to take it away changed nobody's
/// end, and its name stayed in the known table.
#[test]
fn an_alias_that_is_set_aside_and_erased_stands_nowhere() {
    let mut lab = with_new_alias();
    let mut aliases = Vec::new();
    lab.change(|world| {
        aliases = world.identities.clone();
        let of = |bot_id: Option<&String>, alias: &str, contact_id: &str| Identity {
            bot_id: bot_id.cloned(),
            alias: alias.to_string(),
            contact_id: contact_id.to_string(),
        };
        let bot = Some(&world.bots[0].id);
        let ghosts =
            [of(None, "ghost", "bia"), of(None, "ghost", "caio"), of(bot, "ghost", "phantom"), of(bot, "phantom", "ghost")];
        world.identities.extend(ghosts);
    });
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    lab.change(|world| world.identities = aliases);
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    let output = lab.output("");
    for file in nights::files(&output) {
        let names_it = ["ghost", "phantom"].into_iter().any(|name| nights::holds(&output.join(&file), name));
        assert!(!names_it, "{}", file.display());
    }
}

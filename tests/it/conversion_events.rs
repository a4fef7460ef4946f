//! `ctwa conversion-event`: what each category would yield, against the oracle over worlds in which it was set; and settings written
//! into a pipeline file that otherwise stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use chrono::{DateTime, Days, NaiveDate};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::Value;

use crate::lake;
use crate::oracle;
use crate::properties::{check, fail, folder, judged};
use crate::scene::{DAYS, HOUR, PIPELINE, Scene, noon, world};
use crate::world::{Event, World};
use crate::worlds;

// ------------------------------------------------------------------------------------------------------------- categories

/// (events, without contact, last seen, conversions, unattributed conversions) by category.
type Rows = BTreeMap<String, (i64, i64, i64, i64, i64)>;

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is a whole number"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is a text"))
}

fn found(bot: &Value) -> Rows {
    let row = |row: &Value| {
        let last = DateTime::parse_from_rfc3339(text(&row["last_seen"])).expect("a time").timestamp_micros();
        let counts =
            ["events", "events_without_contact", "conversions", "unattributed_conversions"].map(|name| number(&row[name]));
        let [events, without_contact, conversions, unattributed] = counts;
        let millionths = (2 * (conversions + unattributed) * 1_000_000 + events) / (2 * events);
        assert_eq!(text(&row["open_session_share"]), format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000));
        (text(&row["category"]).to_owned(), (events, without_contact, last, conversions, unattributed))
    };
    bot["categories"].as_array().expect("a list").iter().map(row).collect()
}

/// The same by plain counting, and by the oracle over a world in which the category was set from the first of the days on.
fn expected(world: &World, bot: usize, first: NaiveDate, last: NaiveDate) -> Result<Rows, TestCaseError> {
    let zone: Tz = world.bots[bot].timezone.parse().expect("a zone");
    let (start, end) = (oracle::day_start(zone, first), oracle::day_start(zone, last + Days::new(1)));
    let ids: BTreeSet<&String> = world.bots[bot].members.iter().chain([&world.bots[bot].id]).collect();
    let mut rows = Rows::new();
    for event in world.events.iter().filter(|event| world.event_days.contains(&event.partition)) {
        let words = &world.null_words[1];
        let (id, category) = (oracle::id_cell(words, &event.bot_id).text(), oracle::text_cell(words, &event.category).text());
        let (Some(id), Some(category), Some(at)) = (id, category, event.occurred_at) else { continue };
        let is_absurd = oracle::is_absurd(world, oracle::Arriving::Events, at, event.partition);
        if !ids.contains(&id) || is_absurd || !(start..end).contains(&at) {
            continue;
        }
        let row = rows.entry(category).or_insert((0, 0, at, 0, 0));
        row.0 += 1;
        row.1 += i64::from(oracle::id_cell(words, &event.contact_id).text().is_none());
        row.2 = row.2.max(at);
    }
    for (category, row) in &mut rows {
        let mut set = world.clone();
        set.bots[bot].settings.retain(|(_, at)| *at < start);
        set.bots[bot].settings.push((category.clone(), start));
        let days = judged(&set)?.published.bot_days;
        let of_bot = days.range(first..=last).flat_map(|(_, rows)| rows).filter(|row| row.bot_id == world.bots[bot].id);
        for day in of_bot {
            row.3 += day.conversions.unwrap_or(0);
            row.4 += day.unattributed_conversions.unwrap_or(0);
        }
    }
    Ok(rows)
}

/// No day is blocked; deliveries of an event are by one contact, as the command takes them to be.
fn plain(mut world: World) -> World {
    let days = world.message_days.iter().chain(&world.event_days).copied();
    if let Some((first, last)) = days.clone().min().zip(days.max()) {
        world.allow_missing = first.iter_days().take_while(|day| *day <= last).collect();
    }
    for event in &mut world.events {
        let contact = event.contact_id.clone().unwrap_or_default();
        event.event_id = event.event_id.take().filter(|id| !id.trim().is_empty()).map(|id| format!("{id} {contact}"));
    }
    world
}

#[test]
fn a_category_yields_what_a_run_would_publish_had_it_been_set() {
    let worlds = (worlds::world().prop_map(plain), 1..12u32, any::<bool>());
    check(60, worlds, |(world, days, has_run)| {
        judged(&world)?;
        let folder = folder()?;
        let lake = lake::write(&world, &lake::Form::default(), folder.path());
        if has_run {
            lake::ctwa_expecting(&lake, &[0], "run", &[]).map_err(fail)?;
        }
        let pipeline = lake.pipeline.to_str().expect("a path in text");
        let ran = lake::ctwa(&lake, &["conversion-event", "categories", pipeline, "--json", "--days", &days.to_string()]);
        prop_assert_eq!(ran.code, 0, "{}", ran.stderr);
        let json: Value = serde_json::from_str(&ran.stdout).map_err(|error| fail(error.to_string()))?;
        let day = |name: &str| text(&json[name]).parse::<NaiveDate>().expect("a date");
        let (first, last) = (day("first_day"), day("last_day"));
        let landed = world.message_days.iter().filter(|day| world.event_days.contains(day)).max();
        prop_assert_eq!(Some(&last), landed);
        prop_assert!((last - first).num_days() < i64::from(days));
        for (i, bot) in world.bots.iter().enumerate() {
            let json = json["bots"].as_array().expect("a list").iter().find(|row| row["bot_id"] == bot.id.as_str());
            let json = json.ok_or_else(|| fail(format!("bot {} is absent", bot.id)))?;
            prop_assert_eq!(found(json), expected(&world, i, first, last)?, "{} {}..{}", &bot.id, first, last);
        }
        Ok(())
    });
}

/// Three contacts click an ad every day at noon; two of them and a stranger buy an hour later, all three refund two hours later.
fn scene_with_refunds() -> Scene {
    let mut world = world();
    for (n, day) in DAYS.iter().enumerate() {
        for contact in ["ana", "bia", "caio", "eva"] {
            world.events.push(Event {
                partition: crate::scene::date(day),
                bot_id: Some("shop".into()),
                contact_id: Some(format!("{contact}-{n}")).filter(|_| contact != "eva"),
                category: Some("Doação".into()),
                occurred_at: Some(noon(day) + 2 * HOUR),
                event_id: Some(format!("r-{n}-{contact}")),
            });
        }
    }
    let scene = Scene::new();
    lake::write(&world, &lake::Form::default(), &scene.lake.dir);
    scene.pipeline(PIPELINE);
    scene
}

fn conversion_event(scene: &Scene, command: &str, args: &[&str]) -> lake::Ran {
    lake::ctwa(&scene.lake, &[&["conversion-event", command, "pipeline.toml"], args].concat())
}

#[test]
fn the_table_says_what_is_counted_and_nothing_is_written() {
    let scene = scene_with_refunds();
    let ran = conversion_event(&scene, "categories", &["--bot", "shop", "--days", "2"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = "\
2026-03-03..2026-03-04, by the events' own time in each bot's zone

shop (UTC)
category  events  last seen         conversions  without ad  in a session
────────────────────────────────────────────────────────────────────────────────────
Doação         8  2026-03-04 14:00            6           0         75.0%
purchase       6  2026-03-04 13:00            4           0         66.7%  in effect
";
    assert!(ran.stdout.starts_with(expected), "{}", ran.stdout);
    assert!(ran.stdout.contains("events: as they landed, copies included"), "{}", ran.stdout);
    assert!(!scene.lake.output.exists(), "nothing is written");
    for (args, says) in [
        (["--bot", "shopp"], "did you mean \"shop\""),
        (["--bot", "shop-sales"], "is a member of bot \"shop\""),
        (["--days", "0"], "0 is not in 1..=400"),
    ] {
        let ran = conversion_event(&scene, "categories", &args);
        assert!(ran.code == 2 && ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn a_broken_partition_is_named_and_the_others_are_counted() {
    let scene = scene_with_refunds();
    fs::write(scene.file("events", DAYS[2]), "no Parquet").expect("it is written");
    let ran = conversion_event(&scene, "categories", &["--bot", "shop", "--json"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert!(json["failures"].to_string().contains(DAYS[2]), "{json:#}");
    assert_eq!(found(&json["bots"][0])["purchase"].0, 9);
}

// ------------------------------------------------------------------------------------------------------------------- list

#[test]
fn the_history_of_each_bot_and_what_is_in_effect() {
    let scene = Scene::new();
    scene.edit("2026-06-01T00:00:00Z", "2999-06-01T00:00:00Z");
    scene.edit("timezone = \"UTC\"\nad_accounts", "timezone = \"America/Sao_Paulo\"\nad_accounts");
    let ran = conversion_event(&scene, "list", &[]);
    let expected = "\
bot   category  from                       until
────────────────────────────────────────────────────────────────────────────
shop  purchase  2026-01-31T21:00:00-03:00  2999-05-31T21:00:00-03:00  in effect
      delivery  2999-05-31T21:00:00-03:00  -                          to come
loja  -         -                          -                          not set
";
    let lines = |text: &str| -> BTreeSet<String> {
        text.lines().filter(|line| !line.starts_with('─')).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert!(lines(expected).is_subset(&lines(&ran.stdout)), "{}", ran.stdout);
    let ran = conversion_event(&scene, "list", &["--json", "--bot", "shop"]);
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(json["bots"].as_array().expect("a list").len(), 1);
    assert_eq!(json["bots"][0]["in_effect"], "purchase");
    assert_eq!(json["bots"][0]["conversion_events"][1]["state"], "to come");
}

// -------------------------------------------------------------------------------------------------------------------- set

fn pipeline_text(scene: &Scene) -> String {
    fs::read_to_string(&scene.lake.pipeline).expect("the pipeline file")
}

fn set(scene: &Scene, args: &[&str]) -> lake::Ran {
    conversion_event(scene, "set", args)
}

#[test]
fn a_setting_takes_effect_now_and_leaves_the_rest_of_the_file_alone() {
    let scene = scene_with_refunds();
    scene.edit("category = \"delivery\"", "category = \"delivery\" # one day\r");
    let text = pipeline_text(&scene).replace("\r\n", "\n").replace("2026-06-01T00:00:00Z", "2026-02-20T00:00:00Z");
    scene.pipeline(&text);
    fs::set_permissions(&scene.lake.pipeline, fs::Permissions::from_mode(0o640)).expect("it is ours");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let published = scene.objects();
    let ran = set(&scene, &["--bot", "shop", "--category", "Doação", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let at = json["effective_at"].as_str().expect("a time").to_owned();
    let expected = text.replace(
        "effective_at = \"2026-02-20T00:00:00Z\"\n",
        &format!(
            "effective_at = \"2026-02-20T00:00:00Z\"\n[[bots.conversion_events]]\ncategory = \"Doação\"\neffective_at = \"{at}\"\n"
        ),
    );
    assert_eq!(pipeline_text(&scene), expected);
    assert_eq!((&json["category_before"], &json["events_seen"]), (&"delivery".into(), &16.into()));
    let mode = fs::metadata(&scene.lake.pipeline).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let left: Vec<_> =
        fs::read_dir(&scene.lake.dir).expect("the folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left.len(), 3, "lake, out and pipeline.toml: {left:?}");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert!(lake::unequal_objects(&published, &scene.objects()).is_empty(), "what was counted stays");

    let again = set(&scene, &["--bot", "shop", "--category", "Doação"]);
    assert!(again.code == 0 && again.stdout.contains("already, nothing was changed"), "{}{}", again.stdout, again.stderr);
    assert_eq!(pipeline_text(&scene), expected);
}

#[test]
fn a_link_to_the_pipeline_file_stays_one() {
    let scene = scene_with_refunds();
    let real = scene.lake.dir.join("real.toml");
    fs::rename(&scene.lake.pipeline, &real).expect("it moves");
    std::os::unix::fs::symlink("real.toml", &scene.lake.pipeline).expect("a link");
    let ran = set(&scene, &["--bot", "loja", "--category", "visit", "--unseen", "--effective-at", "2999-01-01"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(fs::symlink_metadata(&scene.lake.pipeline).expect("it is there").is_symlink());
    let expected = "id = \"loja\"\ntimezone = \"UTC\"\n[[bots.conversion_events]]\ncategory = \"visit\"\neffective_at = \"2999-01-01T00:00:00Z\"\n";
    assert!(fs::read_to_string(real).expect("it is there").contains(expected));
}

#[test]
fn the_past_and_unknown_categories_are_refused() {
    let scene = scene_with_refunds();
    scene.edit("2026-06-01T00:00:00Z", "2026-02-20T00:00:00Z");
    let text = pipeline_text(&scene);
    let shop = ["--bot", "shop", "--category"];
    type Refused = (&'static [&'static str], &'static [&'static str]);
    let cases: [Refused; 8] = [
        (&["doacao"], &["there is \"Doação\": case, accents"]),
        (&["purchases"], &["no event of category \"purchases\"", "the nearest there are: \"purchase\"", "--unseen"]),
        (
            &["Doação", "--effective-at", "2026-03-02T00:00:00Z"],
            &["cannot change the past", "2026-03-02..2026-03-04", "--effective-at 2026-03-05T00:00:00Z or later"],
        ),
        (
            &["Doação", "--effective-at", "2026-02-20T00:00:00Z"],
            &["another setting of the bot is effective at that very instant"],
        ),
        (&["Doação", "--effective-at", "2026-04-01T00:00:00"], &["not a time with an offset"]),
        (&["purchase", "--unseen", "--effective-at", "2026-03-04T23:59:59Z"], &["cannot change the past"]),
        (&[" "], &["the category is blank"]),
        (&["Doação", "--bot", "loja"], &["--bot"]),
    ];
    for (args, says) in cases {
        let ran = set(&scene, &[&shop[..], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        for text in says {
            assert!(ran.stderr.contains(text), "{args:?}: stderr lacks {text:?}\n{}", ran.stderr);
        }
    }
    let ran = set(&scene, &["--bot", "shopp", "--category", "purchase"]);
    assert!(ran.code == 2 && ran.stderr.contains("did you mean \"shop\""), "{}", ran.stderr);
    assert_eq!(pipeline_text(&scene), text);
    assert!(!scene.lake.output.exists(), "nothing is written");

    // What was accepted stays protected where the file was altered by hand before.
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    scene.edit("category = \"purchase\"", "category = \"visit\"");
    let altered = pipeline_text(&scene);
    let ran = set(&scene, &["--bot", "shop", "--category", "Doação"]);
    assert!(ran.code == 2 && ran.stderr.contains("a past setting of bot \"shop\" was altered"), "{}", ran.stderr);
    assert_eq!(pipeline_text(&scene), altered);

    scene.pipeline(&text);
    let ran = set(&scene, &["--bot", "shop", "--category", "refund", "--unseen", "--effective-at", "2026-03-05T00:00:00Z"]);
    assert_eq!(ran.code, 0, "the first instant that has not landed is free: {}", ran.stderr);
    for says in ["from 2026-03-05T00:00:00Z on", "before that \"delivery\"", "days before 2026-03-05 stay as they are"] {
        assert!(ran.stdout.contains(says), "{}", ran.stdout);
    }
}

#[test]
fn a_file_that_cannot_be_written_stays() {
    let scene = scene_with_refunds();
    scene.edit("2026-06-01T00:00:00Z", "2026-02-20T00:00:00Z");
    let text = pipeline_text(&scene);
    fs::set_permissions(&scene.lake.pipeline, fs::Permissions::from_mode(0o444)).expect("it is ours");
    let ran = set(&scene, &["--bot", "shop", "--category", "Doação"]);
    assert!(ran.code == 2 && ran.stderr.contains("the pipeline file is read-only"), "{}", ran.stderr);
    assert_eq!(pipeline_text(&scene), text);
}

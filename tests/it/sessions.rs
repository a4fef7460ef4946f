//! `ctwa sessions`: its sessions are the oracle's, add up to what is published, and their cells are as written by hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;

use crate::cases::report_rows;
use crate::lake::{self, Form, Lake};
use crate::nights::listing;
use crate::oracle::{self, State};
use crate::properties::{check, fail, folder, judged};
use crate::rows::Published;
use crate::scene::{DAYS, HOUR, Scene, date, identity_columns, noon};
use crate::world::{Bot, Event, Message, World};
use crate::worlds;

type Record = BTreeMap<String, String>;

fn sessions(lake: &Lake, from: NaiveDate, to: NaiveDate, more: &[&str]) -> Result<Vec<Record>, String> {
    let (from, to) = (from.to_string(), to.to_string());
    let args = [&["--from", &from, "--to", &to, "--format", "json", "--full-contacts"], more].concat();
    report_rows(&lake::ctwa_expecting(lake, &[0], "sessions", &args)?)
}

fn micros(cell: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(cell).ok().map(|time| time.timestamp_micros())
}

/// By bot, ad and day, how many sessions were opened or converted.
fn counts(rows: &[Record], day: &str) -> BTreeMap<(String, String, String), i64> {
    let mut counts = BTreeMap::new();
    for row in rows.iter().filter(|row| row["ad_id"] != "NULL" && row[day] != "NULL") {
        *counts.entry((row["bot_id"].clone(), row["ad_id"].clone(), row[day].clone())).or_default() += 1;
    }
    counts
}

fn published_counts(published: &Published, of: fn(&crate::rows::AdDay) -> i64) -> BTreeMap<(String, String, String), i64> {
    let rows = published.ad_days.values().flatten().filter(|row| of(row) > 0);
    rows.map(|row| ((row.bot_id.clone().unwrap_or_default(), row.ad_id.clone(), row.date.to_string()), of(row))).collect()
}

/// Both views of every published day add up to the published figures of the same days.
fn adds_up(lake: &Lake, published: &Published) -> Result<(), String> {
    let (Some(first), Some(last)) = (published.bot_days.keys().next(), published.bot_days.keys().next_back()) else {
        return Ok(());
    };
    let opened = sessions(lake, *first, *last, &[])?;
    let (found, expected) = (counts(&opened, "opened_on"), published_counts(published, |row| row.conversations));
    if found != expected {
        return Err(format!("conversations are {found:?}, published are {expected:?}"));
    }
    let converted = sessions(lake, *first, *last, &["--by", "conversion-day"])?;
    let (found, expected) = (counts(&converted, "converted_on"), published_counts(published, |row| row.conversions.unwrap_or(0)));
    if found != expected {
        return Err(format!("conversions are {found:?}, published are {expected:?}"));
    }
    for row in published.bot_days.values().flatten() {
        let of_day = |rows: &[Record], day: &str| {
            let is_mine =
                |found: &&Record| found["bot_id"] == row.bot_id && found[day] == row.date.to_string() && found["ad_id"] == "NULL";
            i64::try_from(rows.iter().filter(is_mine).count()).expect("it fits")
        };
        let found = (of_day(&opened, "opened_on"), of_day(&converted, "converted_on"));
        if found != (row.unattributed_touches, row.unattributed_conversions.unwrap_or(0)) {
            return Err(format!("unattributed sessions of {} {} are {found:?}", row.bot_id, row.date));
        }
    }
    Ok(())
}

/// A range inside has the sessions that the whole has of its days: what is read for it is enough.
fn has_its_part(lake: &Lake, whole: (NaiveDate, NaiveDate), part: (NaiveDate, NaiveDate)) -> Result<(), TestCaseError> {
    for (by, day) in [("conversation-day", "opened_on"), ("conversion-day", "converted_on")] {
        let mut expected = sessions(lake, whole.0, whole.1, &["--by", by]).map_err(fail)?;
        let within = |row: &Record| row[day].parse::<NaiveDate>().is_ok_and(|day| part.0 <= day && day <= part.1);
        expected.retain(within);
        prop_assert_eq!(sessions(lake, part.0, part.1, &["--by", by]).map_err(fail)?, expected, "{}", by);
    }
    Ok(())
}

fn same_as_oracle(world: &World, form: &Form, ends: [Index; 2]) -> Result<(), TestCaseError> {
    let expected = judged(world)?;
    let folder = folder()?;
    let lake = lake::write(world, form, folder.path());
    lake::ctwa_expecting(&lake, &[if oracle::has_hole(world) { 3 } else { 0 }], "run", &[]).map_err(fail)?;
    let days = &expected.published.bot_days;
    let (Some(first), Some(last)) = (days.keys().next(), days.keys().next_back()) else { return Ok(()) };
    let before = listing(folder.path());
    adds_up(&lake, &expected.published).map_err(fail)?;

    let all: Vec<NaiveDate> = days.keys().copied().collect();
    let mut ends = ends.map(|end| all[end.index(all.len())]);
    ends.sort();
    has_its_part(&lake, (*first, *last), (ends[0], ends[1]))?;

    let found = sessions(&lake, *first, *last, &[]).map_err(fail)?;
    let landed_until = world.message_days.iter().filter(|day| world.event_days.contains(day)).max().expect("one in common");
    let landed_until = oracle::landed_until(world, *landed_until);
    let window = world.window_days * 24 * HOUR;
    let zone = |bot_id: &str| -> chrono_tz::Tz {
        let bot = world.bots.iter().find(|bot| bot.id == bot_id).expect("a named bot");
        bot.timezone.parse().expect("a zone")
    };
    let mut sessions: Vec<_> = expected.sessions.iter().collect();
    sessions.retain(|session| days.contains_key(&oracle::local_date(zone(&session.bot_id), session.opened_at)));
    sessions.sort_by_key(|session| (&session.bot_id, session.opened_at, &session.message_id, &session.contact_id));
    let expected: Vec<_> = sessions
        .iter()
        .map(|session| {
            let (reason, closed_at, category) = match &session.state {
                State::Converted { at, category } => ("converted", Some(*at), category.as_str()),
                State::Superseded { at } => ("superseded", Some(*at), "NULL"),
                // By what has landed of both tables: days of one alone do not count.
                State::Expired { .. } | State::Open if session.opened_at + window < landed_until => {
                    ("expired", Some(session.opened_at + window), "NULL")
                }
                _ => ("open", None, "NULL"),
            };
            let zone = zone(&session.bot_id);
            let days = closed_at.filter(|_| reason == "converted").map_or("NULL".to_owned(), |at| {
                (oracle::local_date(zone, at) - oracle::local_date(zone, session.opened_at)).num_days().to_string()
            });
            (
                session.bot_id.clone(),
                session.contact_id.clone(),
                session.message_id.clone(),
                Some(session.opened_at),
                session.ad_id.clone().unwrap_or("NULL".to_owned()),
                reason.to_owned(),
                closed_at,
                category.to_owned(),
                days,
            )
        })
        .collect();
    let mut found: Vec<_> = found
        .into_iter()
        .map(|row| {
            let cell = |name: &str| row[name].clone();
            (
                cell("bot_id"),
                cell("contact_id"),
                cell("message_id"),
                micros(&row["opened_at"]),
                cell("ad_id"),
                cell("close_reason"),
                micros(&row["closed_at"]),
                cell("category"),
                cell("days_to_convert"),
            )
        })
        .collect();
    // One message id may stand in two contacts' chats; their order there is nobody's concern.
    found.sort_by(|a, b| (&a.0, a.3, &a.2, &a.1).cmp(&(&b.0, b.3, &b.2, &b.1)));
    prop_assert_eq!(found, expected);
    prop_assert_eq!(before, listing(folder.path()), "it wrote");
    Ok(())
}

#[test]
fn sessions_are_the_oracles_and_add_up_to_what_is_published() {
    check(16, (worlds::world(), worlds::form(), any::<[Index; 2]>()), |(world, form, ends)| same_as_oracle(&world, &form, ends));
}

#[test]
fn sessions_are_the_oracles_over_a_whole_horizon() {
    check(2, (worlds::long_world(), worlds::form(), any::<[Index; 2]>()), |(world, form, ends)| {
        same_as_oracle(&world, &form, ends)
    });
}

/// The sample lake, day by day: what is loaded for a few days is enough for them.
#[test]
fn sample_adds_up_day_by_day() {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(repository.join("pipelines/sample.toml")).expect("the sample's pipeline file");
    let sample = repository.join("sample_data/contract").display().to_string();
    let text = text.replace("\"../target/sample\"", "\"out\"").replace("\"../sample_data/contract\"", &format!("{sample:?}"));
    let lake = Lake { dir: folder.path().into(), pipeline: folder.path().join("sample.toml"), output: folder.path().join("out") };
    fs::write(&lake.pipeline, text).expect("the pipeline file is written");
    lake::ctwa_expecting(&lake, &[0], "run", &[]).expect("it runs");
    let published = lake::read(&lake.output).expect("the output keeps the contract");
    adds_up(&lake, &published).expect("it adds up");
    let sum = |counts: BTreeMap<_, i64>| counts.into_values().sum::<i64>();
    let (mut opened, mut converted) = (0, 0);
    for day in published.bot_days.keys() {
        opened += sum(counts(&sessions(&lake, *day, *day, &[]).expect("it answers"), "opened_on"));
        converted += sum(counts(&sessions(&lake, *day, *day, &["--by", "conversion-day"]).expect("it answers"), "converted_on"));
    }
    // As the summary of the run in sample_data/README.md has it.
    assert_eq!((opened, converted), (461, 142));
}

// ---------------------------------------------------------------------------------------------------------------- by hand

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// One bot in Sao Paulo with an alias: converted by the alias, superseded by an unattributed touch, delivered twice, open.
fn scene() -> (tempfile::TempDir, Lake) {
    let days: Vec<NaiveDate> = DAYS.map(date).to_vec();
    let message = |id: &str, contact: &str, at: i64, ad: Option<&str>| Message {
        partition: oracle::utc_date(at),
        bot_id: text("shop"),
        message_id: text(id),
        contact_id: text(contact),
        sent_at: Some(at),
        ad_id: ad.map(str::to_owned),
        ad_type: text("ad"),
        ad_title: ad.map(|ad| format!("=Oferta {ad}")),
        ..Message::default()
    };
    let bot = Bot {
        id: "shop".into(),
        timezone: "America/Sao_Paulo".into(),
        settings: vec![("purchase".into(), noon("2026-01-01"))],
        ..Bot::default()
    };
    let first = noon(DAYS[0]);
    let world = World {
        bots: vec![bot],
        window_days: 90,
        message_days: days.clone(),
        event_days: days,
        messages: vec![
            // 23:30 of the day before, in Sao Paulo.
            message("m1", "5511987654321", first - 9 * HOUR - HOUR / 2, Some("A")),
            message("m2", "bia", first, Some("A")),
            message("m2", "bia", first + 1, Some("A")),
            message("m3", "bia", first + HOUR, None),
        ],
        events: vec![Event {
            partition: date(DAYS[1]),
            bot_id: text("shop"),
            contact_id: text("tunnel-1"),
            category: text("purchase"),
            occurred_at: Some(noon(DAYS[1])),
            event_id: text("e1"),
        }],
        identities: vec![crate::world::Identity { bot_id: None, alias: "tunnel-1".into(), contact_id: "5511987654321".into() }],
        ..World::default()
    };
    let folder = tempfile::tempdir().expect("a folder for the test");
    let lake = lake::write(&world, &Form::default(), folder.path());
    lake::ctwa_expecting(&lake, &[0], "run", &[]).expect("it runs");
    (folder, lake)
}

const RANGE: [&str; 4] = ["--from", "2026-02-28", "--to", "2026-03-04"];

fn csv(lake: &Lake, more: &[&str]) -> String {
    let args = [&RANGE, ["--format", "csv"].as_slice(), more].concat();
    lake::ctwa_expecting(lake, &[0], "sessions", &args).expect("it answers")
}

#[test]
fn cells_are_as_by_hand() {
    let (_folder, lake) = scene();
    let head = "bot_id,contact_id,message_id,opened_on,opened_at,ad_id,ad_title,closed_at,close_reason,converted_on,event_id,\
                category,days_to_convert,zone\n";
    let ana = "shop,5511987654321,m1,2026-02-28,2026-02-28T23:30:00-03:00,A,'=Oferta A,2026-03-02T09:00:00-03:00,converted,\
               2026-03-02,e1,purchase,2,America/Sao_Paulo\n";
    let bia = "shop,bia,m2,2026-03-01,2026-03-01T09:00:00-03:00,A,'=Oferta A,2026-03-01T10:00:00-03:00,superseded,,,,,\
               America/Sao_Paulo\n";
    let unattributed = "shop,bia,m3,2026-03-01,2026-03-01T10:00:00-03:00,,,,open,,,,,America/Sao_Paulo\n";
    let full = "--full-contacts";
    assert_eq!(csv(&lake, &[full]), [head, ana, bia, unattributed].concat());
    assert_eq!(csv(&lake, &[full, "--by", "conversion-day"]), [head, ana].concat());
    assert_eq!(csv(&lake, &[full, "--ad", "A"]), [head, ana, bia].concat());
    assert_eq!(csv(&lake, &[full, "--contact", "bia", "--bot", "shop"]), [head, bia, unattributed].concat());
    assert_eq!(csv(&lake, &[full, "--contact", "tunnel-1"]), [head, ana].concat(), "an alias finds its contact");
    assert_eq!(csv(&lake, &["--contact", "5511…4321"]), head, "a shortened id is none");
    assert_eq!(csv(&lake, &["--contact", "tunnel-1", "--raw-csv"]), {
        let short = ana.replace("5511987654321,m1", "5511…4321,").replace("'=", "=");
        [head, short.as_str()].concat()
    });
}

#[test]
fn other_formats_hold_the_same_cells() {
    let (folder, lake) = scene();
    let before = listing(&lake.output);
    let file = folder.path().join("sessions.parquet");
    let out = file.to_str().expect("a name in text");
    let args = [&RANGE, ["--format", "parquet", "--out", out].as_slice()].concat();
    lake::ctwa_expecting(&lake, &[0], "sessions", &args).expect("it answers");
    let file = fs::File::open(&file).expect("it is there");
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
    let batch = builder.build().expect("it can be read").next().expect("a batch").expect("it can be decoded");
    let column = |name: &str| batch.column_by_name(name).expect("it has the column");
    assert_eq!(column("opened_at").data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(column("opened_at").as_primitive::<TimestampMicrosecondType>().value(1), noon(DAYS[0]));
    assert_eq!(column("converted_on").as_primitive::<Date32Type>().value(0), 20_514);
    assert_eq!(column("days_to_convert").as_primitive::<Int64Type>().value(0), 2);
    assert!(column("message_id").is_null(0) && column("ad_id").is_null(2) && column("closed_at").is_null(2));
    assert_eq!(column("contact_id").as_string::<i32>().value(0), "5511…4321");

    let table = lake::ctwa_expecting(&lake, &[0], "sessions", &RANGE).expect("it answers");
    assert!(table.starts_with("2026-02-28..2026-03-04, sessions opened on these days: 3\n"), "{table}");
    assert!(table.contains("5511…4321  2026-02-28 23:30:00-03:00  A"), "{table}");
    assert!(!table.contains("5511987654321"), "{table}");
    assert_eq!(before, listing(&lake.output), "it wrote");
}

#[test]
fn what_cannot_be_answered_is_said() {
    let scene = Scene::new();
    let range = ["--from", DAYS[0], "--to", DAYS[3]];
    let ran = scene.ctwa("sessions", &range);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("ctwa run"), "{}", ran.stderr);
    assert_eq!(scene.ctwa("run", &["--through", DAYS[2]]).code, 0);
    let ran = scene.ctwa("sessions", &range);
    assert!(ran.code == 0 && ran.stderr.contains("not published, so without sessions here: 2026-03-04"), "{}", ran.stderr);
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--bot", "shp"], 2, "did you mean \"shop\"?"),
        (&["--bot", "shop-sales"], 2, "write --bot shop"),
        (&["--format", "html"], 2, "html"),
        (&["--from", "2026-05-01", "--to", "2026-05-02"], 3, "no day of the range is published"),
    ];
    for (args, code, says) in cases {
        let args = if args[0] == "--from" { args.to_vec() } else { [&range, args].concat() };
        let ran = scene.ctwa("sessions", &args);
        assert!(ran.code == code && ran.stderr.contains(says) && ran.stdout.is_empty(), "{args:?}: {} {}", ran.code, ran.stderr);
    }
}

/// What changed after the run is not in the figures, so no session has it, and it is said.
#[test]
fn sessions_are_of_the_last_run() {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let range = ["--from", DAYS[0], "--to", DAYS[3], "--format", "csv", "--full-contacts"];
    let before = scene.ctwa("sessions", &range);
    assert!(before.code == 0 && before.stderr.is_empty(), "{}", before.stderr);
    scene.identities(&[(None, "ana-0", "bia-0")]);
    fs::remove_dir_all(scene.folder("messages", DAYS[3])).expect("it goes");
    lake::write_file(&scene.file("events", "2026-03-05"), scene.columns("events"), &Form::default());
    let after = scene.ctwa("sessions", &range);
    assert_eq!((after.code, &after.stdout), (0, &before.stdout), "{}", after.stderr);
    for says in ["have changed since the last run", "the alias table has changed since the last run"] {
        assert!(after.stderr.contains(says), "{}", after.stderr);
    }
    // The alias table, lost from the working folder, is read where it lies.
    let file = scene.lake.dir.join("lake/identities/part-0.parquet");
    lake::write_file(&file, identity_columns(&[(None, "ana-0", "bia-0")]), &Form::default());
    assert_eq!(scene.ctwa("sessions", &range).code, 0);
}

//! Lakes as real writers leave them: pyarrow, pandas, fastparquet, Polars, DuckDB, delta-rs and Spark, in every layout, type and
//! encoding they have, with what goes wrong in lakes. All hold the rows of one small world, so one answer of the oracle is right for
//! all; what cannot be read says so, with what mends it, and costs no more than it must.
//!
//! `tests/writers/lakes.py` lays the lakes by their names; what is right for each stands in [`table`]. What Spark writes is written once
//! per installation and kept beside the servers: a Java machine and some forty jobs of Spark take two minutes.
//!
//! `WRITERS=part-of-a-name` runs only lakes with that in their names, and `KEEP=folder` leaves them there to be looked at.

mod table;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::lake::{self, Lake, Ran};
use crate::oracle;
use crate::rows::{self, Published, money};
use crate::scene::{HOUR, date, noon};
use crate::servers;
use crate::world::{Bot, Event, Identity, Insight, Message, World};

use table::{Case, Expect};

/// Across the edge from days of one digit to days of two.
pub const DAYS: [&str; 3] = ["2026-09-08", "2026-09-09", "2026-09-10"];
/// The day on which a lake is odd that is odd on one.
pub const ODD: &str = DAYS[1];
const ADS: [&str; 3] = ["120226305854810726", "120226305854810727", "120226305854810728"];

/// All ids are digits, but for clicks, so that they can be numbers; a float would make the first two ads one.
fn world() -> World {
    let bot = |id: &str, account: &str| Bot {
        id: id.into(),
        timezone: "UTC".into(),
        ad_accounts: vec![account.into()],
        settings: vec![("purchase".into(), noon("2026-08-01"))],
        ..Bot::default()
    };
    let mut world = World {
        bots: vec![bot("7001", "act_700100200300401"), bot("7002", "act_700100200300402")],
        window_days: 90,
        message_days: DAYS.map(date).to_vec(),
        event_days: DAYS.map(date).to_vec(),
        ..World::default()
    };
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let contact = |place: usize| format!("55119000000{place:02}");
    for (n, day) in DAYS.iter().enumerate() {
        // Bot, contact, hours after noon, direction, ad, type, title, click; the message's id is the day's and the row's number.
        let rows = [
            ("7001", 10 + n, 0, "received", ADS[0], "ad", "Ação de setembro", "ARclick"),
            ("7001", 20 + n, 0, "received", ADS[1], "post", "", "ARother"),
            ("7001", 30 + n, 1, "sent", ADS[0], "ad", "", ""),
            ("7001", 40 + n, 1, "received", "", "", "", ""),
            ("7001", 50, 2, "received", "", "ad", "", "ARnoad"),
            ("7002", 60 + n, 2, "received", ADS[2], "ad", "\"Promo\" {50%}\n", ""),
            ("7002", 60 + n, 3, "received", ADS[2], "ad", "", ""),
            // On the day before, and known by another number since.
            ("7001", 70 + n, -24, "received", ADS[1], "ad", "Oferta", ""),
            // Again, as it was.
            ("7001", 10 + n, 0, "received", ADS[0], "ad", "Ação de setembro", "ARclick"),
        ];
        for (place, (bot, who, hours, direction, ad, kind, title, click)) in rows.into_iter().enumerate() {
            let id = if place == 8 { 0 } else { place };
            let message = Message {
                partition: date(day),
                bot_id: text(bot),
                message_id: Some(format!("{}", 9_000 + 100 * n + id)),
                contact_id: Some(contact(who)),
                sent_at: Some(noon(day) + hours * HOUR),
                direction: text(direction),
                ad_id: text(ad),
                ad_type: text(kind),
                ad_title: text(title),
                ..Message::default()
            };
            world.messages.push(Message { ctwa_clid: text(click), ..message });
        }
        let rows = [
            ("7001", Some(contact(10 + n)), "purchase", "801"),
            ("7001", Some(contact(10 + n)), "purchase", "801"),
            ("7001", Some(contact(20 + n)), "lead", ""),
            ("7001", Some(contact(80 + n)), "purchase", "802"),
            ("7001", None, "purchase", "803"),
            ("7002", Some(contact(60 + n)), "purchase", ""),
            ("7001", Some(contact(90)), "purchase", "804"),
        ];
        for (place, (bot, contact_id, category, id)) in rows.into_iter().enumerate() {
            world.events.push(Event {
                partition: date(day),
                bot_id: text(bot),
                contact_id,
                category: text(category),
                occurred_at: Some(noon(day) + 5 * HOUR + 60_000_000 * (place as i64 / 2)),
                event_id: text(id).map(|id| format!("{n}{id}")).map(|id| id.trim_start_matches('0').to_owned()),
            });
        }
        world.identities.push(Identity {
            bot_id: text(if n == 0 { "7001" } else { "" }),
            alias: contact(80 + n),
            contact_id: contact(70 + n),
        });
        for (place, ad) in ADS.into_iter().enumerate() {
            let (account, currency) = if place == 2 { ("act_700100200300402", "USD") } else { ("act_700100200300401", "BRL") };
            let count = |of: i64| Some(of * 10 + place as i64 + n as i64);
            world.insights.push(Insight {
                date: date(day),
                account_id: account.into(),
                ad_id: ad.into(),
                currency: currency.into(),
                spend_millionths: [10_500_000, 144_000_000, 250_000][place] + 1_000_000 * n as i64,
                impressions: count(100),
                reach: count(80),
                clicks: count(9).filter(|_| place != 1),
                inline_link_clicks: count(5),
                messaging_conversations_started: count(2).filter(|_| place != 2),
                ad_name: text("Conversas — março"),
                adset_id: Some(format!("12020000000000000{place}")),
                adset_name: text("Conjunto").filter(|_| place != 1),
                campaign_id: text("120100000000000001"),
                campaign_name: text("Setembro, \"dia\" 9"),
                loaded_at: None,
            });
        }
    }
    world
}

/// The world's rows for those who write them: texts, microseconds since 1970, whole numbers.
fn rows_as_json(world: &World) -> Value {
    let messages = world.messages.iter().map(|row| {
        json!({"partition": row.partition, "bot_id": row.bot_id, "message_id": row.message_id, "contact_id": row.contact_id,
            "sent_at": row.sent_at, "direction": row.direction, "ad_id": row.ad_id, "ad_type": row.ad_type,
            "ad_title": row.ad_title, "ctwa_clid": row.ctwa_clid})
    });
    let events = world.events.iter().map(|row| {
        json!({"partition": row.partition, "bot_id": row.bot_id, "contact_id": row.contact_id, "category": row.category,
            "occurred_at": row.occurred_at, "event_id": row.event_id})
    });
    let insights = world.insights.iter().map(|row| {
        json!({"partition": row.date, "account_id": row.account_id, "ad_id": row.ad_id, "currency": row.currency,
            "spend": money(Some(row.spend_millionths)), "impressions": row.impressions, "reach": row.reach, "clicks": row.clicks,
            "inline_link_clicks": row.inline_link_clicks,
            "messaging_conversations_started": row.messaging_conversations_started, "ad_name": row.ad_name,
            "adset_id": row.adset_id, "adset_name": row.adset_name, "campaign_id": row.campaign_id,
            "campaign_name": row.campaign_name})
    });
    let identities =
        world.identities.iter().map(|row| json!({"bot_id": row.bot_id, "alias": row.alias, "contact_id": row.contact_id}));
    json!({"days": DAYS, "messages": messages.collect::<Vec<_>>(), "events": events.collect::<Vec<_>>(),
        "insights": insights.collect::<Vec<_>>(), "identities": identities.collect::<Vec<_>>()})
}

fn pipeline(case: &Case) -> String {
    let Case { messages, events, insights, aliases, bot, .. } = case;
    let mut text = format!(
        "name = \"writers\"\n[lake]\nurl = \"lake\"\n[inputs.messages]\npath = \"messages\"\n{messages}\n[inputs.events]\npath = \
         \"events\"\n{events}\n[inputs.identities]\npath = \"identities\"\n{aliases}\n[insights]\nsource = \"landed\"\n{insights}\n\
         [output]\nurl = \"out\"\n"
    );
    for (id, account, more) in [("7001", "act_700100200300401", bot), ("7002", "act_700100200300402", &String::new())] {
        _ = write!(
            text,
            "[[bots]]\nid = \"{id}\"\ntimezone = \"UTC\"\nad_accounts = [\"{account}\"]\n{more}\n[[bots.conversion_events]]\n\
             category = \"purchase\"\neffective_at = \"2026-08-01T12:00:00Z\"\n"
        );
    }
    text
}

// ------------------------------------------------------------------------------------------------------------- writing

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/writers")
}

/// Runs a program of `tests/writers` and returns what it prints.
fn written(python: &Path, program: &str, args: &[&str]) -> Result<String, String> {
    let ran = Command::new(python).arg(sources().join(program)).args(args).env("PYTHONDONTWRITEBYTECODE", "1").output();
    let ran = ran.map_err(|error| format!("{program} cannot be started: {error}"))?;
    match ran.status.success() {
        true => Ok(String::from_utf8_lossy(&ran.stdout).into_owned()),
        false => Err(format!("{program} failed with {}\n{}", ran.status, String::from_utf8_lossy(&ran.stderr))),
    }
}

fn install_java() -> Result<(), String> {
    let is_there = || Command::new("java").arg("-version").output().is_ok_and(|ran| ran.status.success());
    let package = ["install", "-y", "--no-install-recommends", "openjdk-17-jre-headless"];
    for args in [&package[..], &["update"], &package[..]] {
        if is_there() {
            return Ok(());
        }
        // Whether it went well is seen by whether Java is there.
        let _ = Command::new("apt-get").args(args).output();
    }
    let needs = "tests of what Spark writes need Java 17 (on Debian: apt-get install openjdk-17-jre-headless, as root)";
    if is_there() { Ok(()) } else { Err(needs.to_owned()) }
}

/// The folder of what Spark wrote: these rows, by this program.
fn of_spark() -> &'static Path {
    static WRITTEN: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let write = || {
        let rows = rows_as_json(&world()).to_string();
        let program = fs::read_to_string(sources().join("spark.py")).map_err(|error| format!("spark.py: {error}"))?;
        servers::kept("spark-lakes", format!("{rows}\n{program}").as_bytes(), |folder| {
            let python = servers::python_environment("spark", "spark-requirements.txt")?;
            let file = folder.join("rows.json");
            fs::write(&file, &rows).map_err(|error| format!("{}: {error}", file.display()))?;
            let lakes = folder.join("lakes");
            install_java()?;
            let args = [&file, &lakes].map(|path| path.to_string_lossy().into_owned());
            written(&python, "spark.py", &[&args[0], &args[1]]).map(drop)
        })
    };
    let folder = WRITTEN.get_or_init(write);
    folder.as_deref().unwrap_or_else(|error| panic!("{error}"))
}

// ------------------------------------------------------------------------------------------------------------- judging

/// What a lake came to.
#[derive(Debug, PartialEq)]
enum Verdict {
    Right,
    /// As it should be: with the mend.
    Refused,
    /// Not as it should be, but said.
    Wrong(String),
    /// Other figures, and no word.
    Silent(String),
}

/// The world of which the published days must be the figures.
fn expected_world(case: &Case) -> World {
    let mut expected = world();
    (case.world)(&mut expected);
    if let Expect::Refused { table, day, .. } = case.expect {
        let is_lost = |of: &NaiveDate| day.is_none_or(|day| date(day) == *of);
        match table {
            "messages" => expected.message_days.retain(|day| !is_lost(day)),
            "events" => expected.event_days.retain(|day| !is_lost(day)),
            "insights" => expected.refused_insights.extend(DAYS.map(date).iter().filter(|day| is_lost(day))),
            _ => {}
        }
    }
    expected
}

/// What is published where a table or a day of it is refused.
fn published_rest(case: &Case) -> Result<Published, String> {
    match case.expect {
        Expect::Refused { exit: 2, .. } | Expect::Refused { table: "identities", .. } => Ok(Published::default()),
        _ => published_days(&expected_world(case)),
    }
}

fn published_days(world: &World) -> Result<Published, String> {
    let landed = |days: &[NaiveDate], of: NaiveDate| days.contains(&of);
    let mut of_days = world.clone();
    of_days.messages.retain(|row| landed(&world.message_days, row.partition));
    of_days.events.retain(|row| landed(&world.event_days, row.partition));
    oracle::tables(&of_days).map(|tables| tables.published).map_err(|refusal| refusal.to_string())
}

fn warnings(ran: &Ran) -> Vec<String> {
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    let texts = report["warnings"].as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The first differences, and how many there are: one fault makes many.
fn shortened(differences: &str) -> String {
    let lines: Vec<&str> = differences.lines().collect();
    let first: Vec<String> = lines.iter().take(3).map(|line| line.chars().take(200).collect()).collect();
    format!("{} differences, the first are\n{}", lines.len(), first.join("\n"))
}

fn lacking<'a>(text: &str, says: &[&'a str]) -> Vec<&'a str> {
    says.iter().filter(|part| !text.contains(**part)).copied().collect()
}

fn judge(case: &Case, lake: &Lake) -> Verdict {
    let checked = lake::ctwa(lake, &["check", "pipeline.toml"]);
    let ran = lake::ctwa(lake, &["run", "pipeline.toml", "--json"]);
    let warnings = warnings(&ran);
    let said = format!("check {}\n{}{}\nrun {}\n{}", checked.code, checked.stdout, checked.stderr, ran.code, ran.stderr);
    let found = lake::read(&lake.output).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let whole = published_days(&expected_world(&Case { expect: Expect::Same, ..case.clone() }));
    let whole = whole.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let differs_from_whole = rows::differences(&whole, &found);
    if ran.code == 0 && warnings.is_empty() && !differs_from_whole.is_empty() {
        return Verdict::Silent(format!("{}\n{said}", shortened(&differs_from_whole)));
    }
    let mut wrong = Vec::new();
    let mut expect_exit = |wanted: i32, of_check: &[i32]| {
        if ran.code != wanted {
            wrong.push(format!("run exits {}, not {wanted}", ran.code));
        }
        if !of_check.contains(&checked.code) {
            wrong.push(format!("check exits {}, not one of {of_check:?}", checked.code));
        }
    };
    let is_refused = match &case.expect {
        Expect::SameOrRefused(says) if ran.code != 0 => {
            expect_exit(6, &[0, 6]);
            let lacking = lacking(&said, says);
            (!lacking.is_empty()).then(|| wrong.push(format!("not said: {lacking:?}")));
            true
        }
        Expect::Same | Expect::SameOrRefused(_) => {
            expect_exit(0, &[0]);
            (!warnings.is_empty()).then(|| wrong.push(format!("warnings: {warnings:?}")));
            (!differs_from_whole.is_empty()).then(|| wrong.push(shortened(&differs_from_whole)));
            false
        }
        Expect::Told(says) => {
            expect_exit(0, &[0]);
            let lacking = lacking(&warnings.join("\n"), says);
            (!lacking.is_empty()).then(|| wrong.push(format!("no warning says {lacking:?}: {warnings:?}")));
            let unseen = says.iter().all(|part| !checked.stdout.contains(part));
            unseen.then(|| wrong.push("check says nothing of it".to_string()));
            true
        }
        Expect::Warned(says) => {
            expect_exit(0, &[0]);
            let lacking = lacking(&warnings.join("\n"), says);
            (!lacking.is_empty()).then(|| wrong.push(format!("no warning says {lacking:?}: {warnings:?}")));
            (!differs_from_whole.is_empty()).then(|| wrong.push(shortened(&differs_from_whole)));
            false
        }
        Expect::Refused { exit, says, .. } => {
            // What lies in the rows, check sees in the newest partitions only.
            expect_exit(*exit, if *exit == 6 { &[0, 6] } else { std::slice::from_ref(exit) });
            let lacking = lacking(&ran.stderr, says);
            (!lacking.is_empty()).then(|| wrong.push(format!("not said: {lacking:?}")));
            let rest = published_rest(case).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            let differences = rows::differences(&rest, &found);
            (!differences.is_empty()).then(|| wrong.push(shortened(&differences)));
            true
        }
    };
    match (wrong.is_empty(), is_refused) {
        (true, true) => Verdict::Refused,
        (true, false) => Verdict::Right,
        (false, _) => Verdict::Wrong(format!("{}\n{said}", wrong.join("\n"))),
    }
}

/// Lays the lakes of a part of the table, runs the binary over each, on all cores, and tells those that are not as they should be.
fn check_lakes(cases: Vec<Case>) {
    let wanted = std::env::var("WRITERS").unwrap_or_default();
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.name.contains(&wanted)).collect();
    if cases.is_empty() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder for the test");
    let folder = std::env::var_os("KEEP").map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    fs::create_dir_all(&folder).expect("a folder can be made");
    let rows = scratch.path().join("rows.json");
    fs::write(&rows, rows_as_json(&world()).to_string()).expect("the rows are written");
    let of_spark = match cases.iter().any(|case| case.name.starts_with("spark-")) {
        true => of_spark().join("lakes"),
        false => scratch.path().join("none"),
    };
    let python = servers::python_environment("readers", "readers-requirements.txt").unwrap_or_else(|error| panic!("{error}"));
    let [rows, of_spark, at] = [&rows, &of_spark, &folder].map(|path| path.to_string_lossy().into_owned());
    let names = cases.iter().enumerate().map(|(place, case)| format!("{place}:{}", case.name)).collect::<Vec<_>>();
    let args: Vec<&str> = [rows.as_str(), &of_spark, &at].into_iter().chain(names.iter().map(String::as_str)).collect();
    let unlaid = written(&python, "lakes.py", &args).unwrap_or_else(|error| panic!("{error}"));
    assert!(unlaid.is_empty(), "lakes that cannot be laid:\n{}", unlaid.replace("\\n", "\n"));

    let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, Into::into) {
            scope.spawn(|| {
                while let Some((place, case)) = take(&next, &cases) {
                    let lake = laid(case, &folder.join(place.to_string()));
                    let verdict = judge(case, &lake);
                    verdicts.lock().expect("nobody panicked").push((place, verdict));
                }
            });
        }
    });
    let mut verdicts = verdicts.into_inner().expect("nobody panicked");
    verdicts.sort_by_key(|(place, _)| *place);
    tell(&cases, &verdicts);
}

fn take<'c>(next: &AtomicUsize, cases: &'c [Case]) -> Option<(usize, &'c Case)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    cases.get(place).map(|case| (place, case))
}

fn laid(case: &Case, dir: &Path) -> Lake {
    fs::write(dir.join("pipeline.toml"), pipeline(case)).expect("the pipeline file is written");
    Lake { dir: dir.to_owned(), pipeline: dir.join("pipeline.toml"), output: dir.join("out") }
}

fn tell(cases: &[Case], verdicts: &[(usize, Verdict)]) {
    let count = |is: fn(&Verdict) -> bool| verdicts.iter().filter(|(_, verdict)| is(verdict)).count();
    let counts = format!(
        "{} lakes: {} right, {} refused with what mends them, {} otherwise than they should be, {} with other figures and no word",
        verdicts.len(),
        count(|verdict| matches!(verdict, Verdict::Right)),
        count(|verdict| matches!(verdict, Verdict::Refused)),
        count(|verdict| matches!(verdict, Verdict::Wrong(_))),
        count(|verdict| matches!(verdict, Verdict::Silent(_))),
    );
    std::io::stdout().write_all(format!("{counts}\n").as_bytes()).expect("it is written");
    let mut text = String::new();
    for (place, verdict) in verdicts {
        match verdict {
            Verdict::Wrong(said) => _ = writeln!(text, "== {place}:{}, wrong\n{said}", cases[*place].name),
            Verdict::Silent(said) => _ = writeln!(text, "== {place}:{}, SILENT\n{said}", cases[*place].name),
            Verdict::Right | Verdict::Refused => {}
        }
    }
    assert!(text.is_empty(), "{text}\n{counts}");
}

#[test]
fn arrow() {
    check_lakes(table::arrow());
}

#[test]
fn values() {
    check_lakes(table::values());
}

#[test]
fn frames() {
    check_lakes(table::frames());
}

#[test]
fn folders() {
    check_lakes(table::folders());
}

#[test]
fn delta() {
    check_lakes(table::delta());
}

#[test]
fn spark() {
    check_lakes(table::spark());
}

/// A lake that can be laid and is in no part of the table is tried by nobody.
#[test]
fn every_lake_stands_in_the_table() {
    let python = servers::python_environment("readers", "readers-requirements.txt").unwrap_or_else(|error| panic!("{error}"));
    let laid = written(&python, "lakes.py", &["names"]).unwrap_or_else(|error| panic!("{error}"));
    let parts = [table::arrow(), table::values(), table::frames(), table::folders(), table::delta()];
    let known: std::collections::BTreeSet<&str> = parts.iter().flatten().map(|case| case.name).collect();
    let laid: std::collections::BTreeSet<&str> = laid.lines().collect();
    assert_eq!(laid.difference(&known).collect::<Vec<_>>(), [&""; 0], "in no part of the table");
    assert_eq!(known.difference(&laid).collect::<Vec<_>>(), [&""; 0], "laid by nobody");
}

//! What `init` cannot know: it stands in the file as a comment, is told, and makes the exit code 2.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::StringArray;

use super::shapes::{
    ADS, ANSWERS, BOT, EVENTS, INSIGHTS, MESSAGES, Message, TWO_DAYS, events, lay, plain, plain_events, plain_lake, rfc3339,
    tables, texts,
};
use super::{Place, copy_folder};
use crate::lake::{self, Columns, Form, strings, unequal_objects};
use crate::scene::HOUR;

#[test]
fn what_only_a_person_can_say_is_told_and_never_guessed() {
    let place = plain_lake();
    let ran = place.init(&[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for says in ["the time zone of \"shop-br@msging.net\"", "the conversion event of \"shop-br@msging.net\""] {
        assert!(ran.stdout.contains(says), "{says}: {}", ran.stdout);
    }
    assert!(ran.stderr.contains("timezone"), "check names it: {}", ran.stderr);
    let text = place.text();
    for line in ["\ntimezone", "\ncategory", "\neffective_at"] {
        assert!(!text.contains(line), "{line:?} is guessed\n{text}");
    }
    // On each day the first and the fourth buy, who came by an ad. The lines are right without their #.
    let proposed = "# [[bots.conversion_events]] # 4 events, 4 conversions of ads, 0 without an ad, last seen 2026-03-02\n# category = \
                    \"purchase\"\n# effective_at = \"2026-02-28T00:00:00Z\"\n";
    assert!(text.contains(proposed), "{text}");
    let without_sign = proposed.replace("\n# ", "\n").replacen("# ", "", 1);
    let said = text.replace("# timezone =", "timezone =").replace(proposed, &without_sign);
    fs::write(place.path("new.toml"), said).expect("it is written");
    let checked = place.run(&["check", "new.toml"]);
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    assert_eq!(place.run(&["run", "new.toml"]).code, 0);
    let found = lake::objects(&place.path("new")).expect("tables");
    assert_eq!(unequal_objects(&found, &tables(&plain_lake(), "plain", &[])), Vec::<String>::new());
}

#[test]
fn times_whose_clock_is_not_known_are_asked_for() {
    fn in_sao_paulo(rows: &[Message]) -> Columns {
        let mut columns = plain(rows);
        let local = |row: &Message| Some(rfc3339(row.at - 3 * HOUR).replace('T', " ").replace('Z', ""));
        columns.iter_mut().find(|(name, _)| *name == "sent_at").expect("a time").1 = texts(rows, local);
        columns
    }
    let place = lay(("messages/date={date}", in_sao_paulo), EVENTS, INSIGHTS);
    let ran = place.init(&ANSWERS);
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    assert!(ran.stdout.contains("where messages have sent_at"), "{}", ran.stdout);
    let text = place.text();
    for says in ["# sent_at = { column = \"sent_at\", zone = \"UTC\" }", "such as \"2026-03-01 09:00:00\"", "--times-zone"] {
        assert!(text.replace("\n# ", " ").contains(says.trim_start_matches("# ")), "{says}\n{text}");
    }
    let found = tables(&place, "with a zone", &["--times-zone=America/Sao_Paulo", "--force"]);
    assert_eq!(unequal_objects(&found, &tables(&plain_lake(), "plain", &[])), Vec::<String>::new());
}

#[test]
fn of_folders_that_look_alike_none_is_chosen() {
    let place = plain_lake();
    fs::rename(place.path("lake/events"), place.path("lake/tracked")).expect("it moves");
    copy_folder(&place.path("lake/tracked"), &place.path("lake/tracked-old"));
    let ran = place.init(&ANSWERS);
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    assert!(ran.stdout.contains("which folder is events: [\"tracked\", \"tracked-old\"]"), "{}", ran.stdout);
    let text = place.text();
    for says in ["# [inputs.events]", "# path = \"tracked\" looks like events too: 2 days from 2026-03-01 to 2026-03-02"] {
        assert!(text.contains(says), "{says}\n{text}");
    }
    tables(&place, "chosen", &["--events=tracked", "--force"]);
    let wrong = place.init(&["--force", "--events=trucked"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("no folder \"trucked\"") && wrong.stderr.contains("\"tracked\""), "{}", wrong.stderr);
    let wrong = place.init(&["--force", "--events=insights"]);
    assert!(wrong.stderr.contains("\"insights\" does not look like a table of events"), "{}", wrong.stderr);
}

#[test]
fn a_lake_that_lacks_something_says_so() {
    let place = Place::new();
    fs::create_dir_all(place.path("lake")).expect("a folder");
    let ran = place.init(&[]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("nothing lies in"), "{}", ran.stderr);
    assert!(!place.path("new.toml").exists(), "nothing is written");
    let ran = place.run(&["init", "nowhere"]);
    assert!(ran.code == 2 && ran.stderr.contains("does not exist"), "{}", ran.stderr);

    let place = plain_lake();
    let columns = vec![("foo", strings([Some("a")].into_iter())), ("bar", strings([Some("b")].into_iter()))];
    lake::write_file(&place.path("lake/identities/a.parquet"), columns, &Form::default());
    let ran = place.init(&ANSWERS);
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    assert!(ran.stdout.contains("where identities are: \"identities\" is there"), "{}", ran.stdout);
    assert!(place.text().contains("\n# [inputs.identities]\n"), "{}", place.text());

    let place = plain_lake();
    let ran = place.run(&["init", "lake/messages"]);
    assert!(ran.code == 2 && ran.stderr.contains("is itself the folder of a table"), "{}", ran.stderr);
    fs::remove_dir_all(place.path("lake/events")).expect("it goes");
    fs::remove_dir_all(place.path("lake/insights")).expect("it goes");
    let ran = place.init(&ANSWERS);
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    assert!(ran.stdout.contains("no folder looks like events"), "{}", ran.stdout);
    let text = place.text();
    for says in ["NOT FOUND: no folder of the lake has what events have", "No folder has Meta's figures"] {
        assert!(text.contains(says), "{says}\n{text}");
    }
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let place = plain_lake();
    fs::write(place.path("new.toml"), "mine").expect("it is written");
    let ran = place.init(&ANSWERS);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("is not written over") && ran.stderr.contains("--force"), "{}", ran.stderr);
    assert_eq!(place.text(), "mine");
    assert_eq!(place.init(&[&ANSWERS[..], &["--force"]].concat()).code, 0);
    assert!(place.text().contains("[lake]"));
    let entries = fs::read_dir(place.path("")).expect("a folder");
    let beside: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(beside.len(), 2, "nothing else is left: {beside:?}");
    let ran = place.run(&["init", "lake", "--out", "-", "--timezone=UTC", "--conversion-event=purchase"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("url = \"lake\"") && !place.path("-").exists(), "{}", ran.stdout);
}

#[test]
fn names_from_the_lake_break_nothing() {
    const EVIL: &str = "x\"]\n[[bots]]\nid = \"evil\u{202e}\u{1b}[2J";
    const CATEGORY: &str = "flow\"\n# \u{7}";
    fn evil_messages(rows: &[Message]) -> Columns {
        let mut columns = plain(rows);
        columns[0].1 = texts(rows, |row| Some(if row.is_sent { EVIL } else { BOT }.to_owned()));
        columns.push(("# ]\"\n[lake]", strings(rows.iter().map(|_| Some("'''\"\"\"")))));
        columns
    }
    fn evil_events(day: &str) -> Columns {
        let mut columns = plain_events(day);
        let categories = events(day).into_iter().map(|row| if row.1 == "flow" { CATEGORY } else { row.1 });
        columns[2].1 = Arc::new(categories.map(Some).collect::<StringArray>());
        columns
    }
    let place = lay(("it's \"#mess\"ages]/date={date}", evil_messages), ("events/date={date}", evil_events), INSIGHTS);
    let ran = place.init(&["--timezone=UTC"]);
    assert_eq!(ran.code, 2, "a conversion event is missing, and nothing else: {}", ran.stderr);
    let text = place.text();
    for output in [&text, &ran.stdout, &ran.stderr] {
        assert!(!output.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{output:?}");
    }
    let file: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    let bots: Vec<&str> = file["bots"].as_array().expect("bots").iter().filter_map(|bot| bot["id"].as_str()).collect();
    assert_eq!(bots, [BOT, EVIL]);
    assert_eq!(file["inputs"]["messages"]["path"].as_str(), Some("it's \"#mess\"ages]"));
    let lines = ["category", "effective_at", "[[bots.conversion_events]]"];
    let uncommented = lines.iter().fold(text, |text, line| text.replace(&format!("\n# {line}"), &format!("\n{line}")));
    let file: toml::Table = uncommented.parse().unwrap_or_else(|error| panic!("{error}\n{uncommented}"));
    let categories = file["bots"][0]["conversion_events"].as_array().expect("all of them");
    assert!(categories.iter().any(|event| event["category"].as_str() == Some(CATEGORY)), "{categories:?}");
    assert_eq!(place.run(&["run", "new.toml"]).code, 0, "conversions are unknown until one is chosen");
}

#[test]
fn two_answers_at_a_terminal_give_the_first_report() {
    let place = lay(MESSAGES, EVENTS, INSIGHTS);
    let line = format!("'{}' init lake --out new.toml --output new", env!("CARGO_BIN_EXE_ctwa"));
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
        .current_dir(place.path(""))
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script of util-linux starts");
    // A zone that is none, the proposed one, the first category.
    child.stdin.take().expect("a terminal").write_all(b"Brazil\n\n1\n").expect("it is answered");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let offer = "1) purchase: 4 events, 4 conversions of ads";
    for says in ["Time zone of shop-br@msging.net", "[America/Sao_Paulo]", offer, "new.toml is written"] {
        assert!(text.contains(says), "{says}\n{text}");
    }
    assert_eq!(place.run(&["run", "new.toml"]).code, 0);
    let report = place.run(&["report", "new.toml", "--from", TWO_DAYS[0], "--to", TWO_DAYS[1]]);
    assert!(report.code == 0 && report.stdout.contains(ADS[0]), "{}{}", report.stdout, report.stderr);
    let found = lake::objects(&place.path("new")).expect("tables");
    assert_eq!(unequal_objects(&found, &tables(&plain_lake(), "plain", &[])), Vec::<String>::new());
}

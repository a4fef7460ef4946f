//! What `plan`, `check`, `explain` and `report` say to a person, word for word, as files in `snapshots/`: a change of words is seen in
//! review. Where it is meant, this accepts it:
//!
//! ```text
//! INSTA_UPDATE=always cargo test --locked --test it snapshots::
//! ```
//!
//! Without it a text that is new or another fails, and lies beside the old one as `.snap.new`. What the commands say goes into a pipe,
//! so its width is the same everywhere.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;

use crate::lake::{self, Form, Lake};
use crate::remote::Job;
use crate::scene::{DAYS, FAULTY, HOUR, Scene, noon, world};
use crate::world::Event;

/// The first and the last day of the samples.
const RANGE: [&str; 4] = ["--from", "2026-10-05", "--to", "2026-11-02"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command as a user would and holds what it says against the file of this name.
fn shows(name: &str, lake: &Lake, command: &str, args: &[&str]) {
    let ran = lake::ctwa(lake, &[&[command, "pipeline.toml"], args].concat());
    let log = if ran.stderr.is_empty() { String::new() } else { format!("--- log\n{}\n", ran.stderr.trim_end()) };
    let told =
        format!("$ ctwa {command} pipeline.toml {}\n{}\n{log}--- exit {}", args.join(" "), ran.stdout.trim_end(), ran.code);
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, everywhere(&told, lake)));
}

/// The same text on every machine.
fn everywhere(text: &str, lake: &Lake) -> String {
    let folders = [(lake.dir.as_path(), "<folder>"), (repository(), "<repository>")];
    let text = folders.iter().fold(text.to_owned(), |text, (folder, name)| text.replace(&folder.display().to_string(), name));
    let size = |line: &str| match line.strip_prefix("at most ").and_then(|rest| rest.split_once(" bytes to read")) {
        Some((_, rest)) => format!("at most <size> bytes to read{rest}"),
        None => line.trim_end().to_owned(),
    };
    // How long reading takes is the machine's affair, and how large files are the writer's.
    let night =
        |line: String| if line.starts_with("ok      night: ") { "ok      night: <size and time>".to_owned() } else { line };
    text.lines().map(size).map(night).map(|line| without_version(&line)).collect::<Vec<_>>().join("\n")
}

fn without_version(line: &str) -> String {
    match line.split_once("in version \"").and_then(|(before, rest)| Some((before, rest.split_once('"')?.1))) {
        Some((before, after)) => format!("{before}in version <version>{after}"),
        None => line.to_owned(),
    }
}

/// A sample as its pipeline file has it, with an output of the test's own.
fn sample(name: &str, folder: &str) -> (Job, Lake) {
    let job = Job::new(name, repository().join(folder).to_str().expect("a path in text"), "out");
    let dir = job.folder.path().to_owned();
    let lake = Lake { pipeline: dir.join("pipeline.toml"), output: dir.join("out"), dir };
    (job, lake)
}

#[test]
fn sample_before_the_first_run() {
    let (_job, lake) = sample("sample", "sample_data/contract");
    shows("sample-new-check", &lake, "check", &[]);
    shows("sample-new-plan", &lake, "plan", &[]);
    shows("sample-new-plan-of-days", &lake, "plan", &["--from", "2026-10-12", "--to", "2026-10-14"]);
    shows("sample-new-report", &lake, "report", &RANGE);
}

#[test]
fn sample_after_a_run() {
    let (_job, lake) = sample("sample", "sample_data/contract");
    lake::ctwa_expecting(&lake, &[0], "run", &[]).unwrap_or_else(|error| panic!("{error}"));
    shows("sample-check", &lake, "check", &[]);
    shows("sample-plan", &lake, "plan", &[]);
    shows("sample-report", &lake, "report", &RANGE);
    shows("sample-report-all-ads", &lake, "report", &[&RANGE[..], &["--all-ads", "--by", "conversation-day"]].concat());
    shows("sample-report-by-day", &lake, "report", &["--from", "2026-10-18", "--to", "2026-10-19", "--grain", "day"]);
    shows("sample-report-reconcile", &lake, "report", &[&RANGE[..], &["--reconcile"]].concat());
    shows("sample-explain-ad", &lake, "explain", &["--ad", "120226305854810726", "--date", "2026-10-06"]);
    shows("sample-explain-not-configured", &lake, "explain", &["--ad", "120230000000000101", "--date", "2026-10-08"]);
    let contact = |number: &str| format!("{number}@wa.gw.msging.net");
    shows("sample-explain-contact", &lake, "explain", &[&["--contact", &contact("5511900900012")], &RANGE[..]].concat());
    shows("sample-explain-copies", &lake, "explain", &[&["--contact", &contact("5511900900009")], &RANGE[..]].concat());
}

#[test]
fn sample_of_blip() {
    let (_job, lake) = sample("sample-blip", "sample_data/blip");
    shows("blip-new-check", &lake, "check", &[]);
    shows("blip-new-plan", &lake, "plan", &[]);
}

/// All days are published; then one of messages is gone, another is refused, and a third of events comes again with a row of the first
/// day.
fn faulty() -> Scene {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    fs::remove_dir_all(scene.folder("messages", DAYS[1])).expect("it goes");
    scene.land_texts("messages", "message_id", |_, _| None);
    let text = |text: &str| Some(text.to_owned());
    let late = Event {
        partition: crate::scene::date(DAYS[3]),
        bot_id: text("shop"),
        contact_id: text("bia-0"),
        category: text("purchase"),
        occurred_at: Some(noon(DAYS[0]) + HOUR),
        event_id: text("late"),
    };
    let events = world().events.into_iter().filter(|event| event.partition == late.partition).chain([late.clone()]);
    let rows: Vec<Event> = events.collect();
    let columns = lake::event_columns(&rows.iter().collect::<Vec<_>>(), &Form::default());
    lake::write_file(&scene.file("events", DAYS[3]), columns, &Form::default());
    scene
}

#[test]
fn lake_with_faults() {
    let scene = faulty();
    shows("faulty-check", &scene.lake, "check", &[]);
    shows("faulty-plan", &scene.lake, "plan", &[]);
    assert_eq!(scene.ctwa("run", &[]).code, 6);
    shows("faulty-plan-after-a-run", &scene.lake, "plan", &[]);
    shows("faulty-report", &scene.lake, "report", &["--from", DAYS[0], "--to", DAYS[3]]);
    shows("faulty-explain-missing", &scene.lake, "explain", &["--ad", "A", "--date", DAYS[1]]);
    shows("faulty-explain-refused", &scene.lake, "explain", &["--ad", "A", "--date", FAULTY]);
    shows("faulty-explain-late", &scene.lake, "explain", &["--contact", "bia-0", "--from", DAYS[0], "--to", DAYS[3]]);
}

/// A lake in which everything is wrong that a check can see without reading it.
#[test]
fn nothing_has_landed() {
    let scene = Scene::new();
    for table in ["messages", "events", "insights"] {
        fs::remove_dir_all(scene.lake.dir.join("lake").join(table)).expect("it goes");
    }
    shows("empty-check", &scene.lake, "check", &[]);
    shows("empty-plan", &scene.lake, "plan", &[]);
}

#[test]
fn no_text_is_accepted_in_ci() {
    let says = |name: &str| env::var(name).unwrap_or_default();
    let accepts = !["", "auto", "no"].contains(&says("INSTA_UPDATE").as_str()) || !says("INSTA_FORCE_PASS").is_empty();
    assert!(says("CI").is_empty() || !accepts, "INSTA_UPDATE or INSTA_FORCE_PASS would let any text pass");
}

#[test]
fn every_file_is_the_text_of_a_test() {
    let folder = repository().join("tests/it/snapshots");
    let files = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    let names: BTreeSet<String> = files.filter_map(|name| Some(name.to_str()?.strip_suffix(".snap")?.to_owned())).collect();
    let forgotten: Vec<&String> =
        names.iter().filter(|name| !include_str!("snapshots.rs").contains(&format!("{name:?}"))).collect();
    assert_eq!(forgotten, Vec::<&String>::new(), "no test shows them");
}

//! The binary on a local disk, killed, stopped and raced at moments that are seen in its output folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use chrono::{Days, NaiveDate};
use tempfile::TempDir;

use crate::lake::{self, Dice, Form, Lake};
use crate::scene::{self, HOUR, date, noon};
use crate::world::World;

const TABLES: [&str; 4] = ["ads", "ad_conversions", "ad_days", "bot_days"];
const FIRST: &str = "2026-03-01";

/// The scene's first day over and over.
pub fn world(days: u64) -> World {
    let whole = scene::world();
    let (mut world, first) = (World { insights: Vec::new(), ..whole.clone() }, date(FIRST));
    world.bots[0].ad_accounts = vec!["act_1".into(), "act_2".into()];
    world.bots[0].settings = vec![("purchase".into(), noon("2026-02-01"))];
    let all: Vec<NaiveDate> = (0..days).map(|n| first + Days::new(n)).collect();
    (world.messages, world.events) = (Vec::new(), Vec::new());
    for (n, day) in all.iter().enumerate() {
        let later = n as i64 * 24 * HOUR;
        for row in whole.messages.iter().filter(|row| row.partition == first) {
            let id = row.message_id.as_ref().map(|id| format!("{id}-{n}"));
            let sent_at = row.sent_at.map(|at| at + later);
            world.messages.push(crate::world::Message { partition: *day, message_id: id, sent_at, ..row.clone() });
        }
        for row in whole.events.iter().filter(|row| row.partition == first) {
            let (event_id, occurred_at) = (Some(format!("e-{n}")), row.occurred_at.map(|at| at + later));
            world.events.push(crate::world::Event { partition: *day, event_id, occurred_at, ..row.clone() });
        }
        for row in whole.insights.iter().filter(|row| row.date == first) {
            world.insights.push(crate::world::Insight { date: *day, ..row.clone() });
        }
    }
    (world.message_days, world.event_days) = (all.clone(), all);
    world
}

type Objects = BTreeMap<String, Vec<u8>>;

/// A lake, and what a run that nothing disturbs makes of it.
struct Race {
    folder: TempDir,
    lake: Lake,
    /// Files below the output after that run, of all kinds.
    files: usize,
    whole: Objects,
}

impl Race {
    fn new(days: u64) -> Race {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let lake = lake::write(&world(days), &Form::default(), folder.path());
        lake::ctwa_expecting(&lake, &[0], "run", &[]).expect("nothing disturbs it");
        let whole = lake::objects(&lake.output).expect("the output can be read");
        assert_eq!(whole.len() as u64, 3 * days + 1);
        Race { files: files(&lake.output).len(), whole, folder, lake }
    }

    /// Forgets the output.
    fn restart(&self) {
        // Whoever wrote it has been waited for.
        fs::remove_dir_all(&self.lake.output).expect("the output can be removed");
    }

    fn start(&self, args: &[&str]) -> Running {
        let pipeline = self.lake.pipeline.to_str().expect("a path in text");
        let child = Command::new(env!("CARGO_BIN_EXE_ctwa"))
            .args(["run", pipeline])
            .args(args)
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        Running(child)
    }

    fn run(&self) -> Output {
        self.start(&[]).wait()
    }

    /// Every file in the tables' folders is an object of the undisturbed run, every folder holds one, and `bot_days` comes last.
    fn check_readable(&self, when: &str) {
        let found = lake::objects(&self.lake.output).unwrap_or_else(|error| panic!("{when}: {error}"));
        for (path, bytes) in &found {
            assert!(self.whole.get(path) == Some(bytes), "{when}: {path} is no object of a finished day");
        }
        for path in found.keys().filter(|path| path.starts_with("bot_days/")) {
            for table in ["ad_conversions", "ad_days"] {
                assert!(found.contains_key(&path.replace("bot_days", table)), "{when}: {path} is there before its {table}");
            }
        }
        for table in TABLES {
            let folder = self.lake.output.join(table);
            let days = if folder.exists() { fs::read_dir(&folder).expect("it can be read").count() } else { 0 };
            let objects = found.keys().filter(|path| path.starts_with(&format!("{table}/"))).count();
            assert_eq!(days, objects, "{when}: {table} has a folder without its object");
        }
        lake::read(&self.lake.output).unwrap_or_else(|error| panic!("{when}: {error}"));
    }

    fn check_whole(&self, when: &str) {
        self.check_readable(when);
        let found = lake::objects(&self.lake.output).expect("the output can be read");
        assert_eq!(lake::unequal_objects(&found, &self.whole), Vec::<String>::new(), "{when}");
    }

    /// A run that nothing disturbs, on what is there.
    fn complete(&self, when: &str) {
        let ended = self.run();
        assert_eq!(ended.status.code(), Some(0), "{when}: {}", text(&ended.stderr));
        self.check_whole(when);
    }

    fn published(&self, table: &str) -> usize {
        files(&self.lake.output.join(table)).len()
    }

    fn is_locked(&self) -> bool {
        fs::metadata(self.lake.output.join("state/lock")).is_ok_and(|file| file.len() > 0)
    }
}

/// A run of the binary, which is killed when the test gives it up.
struct Running(Child);

impl Running {
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("it can be asked").is_some()
    }

    /// Looks again and again until something is so, or the run has ended.
    fn until(&mut self, is_so: impl Fn() -> bool) {
        while !is_so() && !self.has_ended() {
            thread::yield_now();
        }
    }

    fn kill(mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it ends");
    }

    /// Says whether the signal was sent in time.
    fn signal(&mut self, signal: &str) -> bool {
        if self.has_ended() {
            return false;
        }
        let said = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.0.id())]).status();
        said.expect("a shell").success()
    }

    fn wait(mut self) -> Output {
        // Small results fit the pipes; these are read once it has ended.
        let (stdout, stderr) = (self.0.stdout.take(), self.0.stderr.take());
        let read = |pipe: Box<dyn std::io::Read>| {
            let mut bytes = Vec::new();
            let mut pipe = pipe;
            pipe.read_to_end(&mut bytes).expect("a pipe can be read");
            bytes
        };
        let stdout = stdout.map(|pipe| read(Box::new(pipe))).unwrap_or_default();
        let stderr = stderr.map(|pipe| read(Box::new(pipe))).unwrap_or_default();
        Output { status: self.0.wait().expect("it ends"), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The files below a folder, while they come and go.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(_) => found.push(entry.path()),
            Err(_) => {}
        }
    }
    found
}

/// Moments differ from run to run, on purpose; the seed, which every failure names, gives the same files to wait for.
fn dice() -> (u64, Dice) {
    let seed = std::env::var("CTWA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(()));
    (seed, Dice(seed))
}

#[test]
fn killed_at_any_moment_the_next_run_completes() {
    let race = Race::new(6);
    let (seed, mut dice) = dice();
    let (mut kills, mut moments) = (0, BTreeSet::new());
    race.restart();
    for attempt in 0..200 {
        // Now from nothing, now from what the last one left.
        if dice.roll(3) == 0 || race.published("bot_days") == 6 {
            race.complete(&format!("CTWA_SEED={seed}, after {kills} kills"));
            race.restart();
        }
        let there = files(&race.lake.output).len();
        let awaited = there + 1 + dice.roll(race.files.saturating_sub(there).max(1));
        let looks = dice.roll(20);
        let mut running = race.start(&[]);
        running.until(|| files(&race.lake.output).len() >= awaited);
        (0..looks).for_each(|_| drop(files(&race.lake.output)));
        if !running.has_ended() {
            kills += 1;
        }
        running.kill();
        moments.insert(files(&race.lake.output).len());
        race.check_readable(&format!("CTWA_SEED={seed}, attempt {attempt}"));
        if kills == 30 {
            break;
        }
    }
    assert!(kills >= 20, "CTWA_SEED={seed}: only {kills} runs were killed before their end");
    assert!(moments.len() >= 5, "CTWA_SEED={seed}: the moments are all alike: {moments:?}");
    race.complete(&format!("CTWA_SEED={seed}, at the end"));
    // A run with nothing to do writes nothing, so it sweeps nothing either.
    fs::remove_file(race.lake.output.join("work/receipts/ads.json")).expect("a finished run leaves the receipt");
    race.complete(&format!("CTWA_SEED={seed}, with something to do"));
    let staged = files(&race.lake.output.join("work/staging"));
    assert_eq!(staged, Vec::<PathBuf>::new(), "what killed runs staged is swept");
}

/// The staging folder lies outside the tables' folders: a reader that looks all the time never sees anything but their objects.
#[test]
fn a_reader_never_sees_anything_but_whole_objects() {
    let race = Race::new(6);
    race.restart();
    let mut running = race.start(&[]);
    let mut looks = 0;
    while !running.has_ended() {
        for table in TABLES {
            for day in fs::read_dir(race.lake.output.join(table)).into_iter().flatten().flatten() {
                let objects = if table == "ads" { vec![day.path()] } else { files(&day.path()) };
                assert_eq!(objects.len(), 1, "{} holds {objects:?}", day.path().display());
                assert_eq!(objects[0].file_stem(), Some(OsStr::new(table)));
                let path = objects[0].strip_prefix(&race.lake.output).expect("below the output").to_str().expect("text");
                let bytes = fs::read(&objects[0]).expect("it can be read");
                assert!(race.whole.get(path) == Some(&bytes), "{path} is no object of a finished day");
                looks += 1;
            }
        }
    }
    assert!(looks > 0, "the run was too quick to look at");
    race.check_whole("looked at");
}

/// Starts a run and halts it while it holds the lock.
fn halted(race: &Race) -> Running {
    for _ in 0..20 {
        let _ = fs::remove_dir_all(&race.lake.output);
        let mut running = race.start(&[]);
        running.until(|| race.is_locked());
        if running.signal("STOP") && !running.has_ended() && race.published("bot_days") < race.whole.len() / 3 {
            return running;
        }
    }
    panic!("20 runs ended before they could be halted");
}

#[test]
fn the_second_of_two_runs_is_told_who_is_at_work() {
    let race = Race::new(20);
    let mut first = halted(&race);
    let second = race.run();
    let said = text(&second.stderr);
    assert_eq!(second.status.code(), Some(7), "{said}");
    assert!(said.contains(&format!("held by process {} on ", first.0.id())) && said.contains(" since 20"), "{said}");
    assert!(first.signal("CONT"));
    let ended = first.wait();
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    race.check_whole("the first of two");
    let runs = race.published("runs");
    race.complete("after both");
    assert_eq!(race.published("runs"), runs, "an idle run writes nothing");
}

#[test]
fn a_killed_run_frees_the_lock_at_once() {
    let race = Race::new(20);
    halted(&race).kill();
    race.complete("after the holder's death");
}

#[test]
fn of_two_runs_at_once_one_does_the_work() {
    let race = Race::new(3);
    for _ in 0..5 {
        race.restart();
        let (one, other) = (race.start(&[]), race.start(&[]));
        let ended = [one.wait(), other.wait()];
        let said: Vec<String> = ended.iter().map(|ended| text(&ended.stderr)).collect();
        let mut codes = ended.map(|ended| ended.status.code());
        codes.sort();
        assert!([[Some(0), Some(0)], [Some(0), Some(7)]].contains(&codes), "{codes:?}: {said:?}");
        assert_eq!(race.published("runs"), 1, "the work was done twice: {said:?}");
        race.check_whole("two at once");
    }
}

/// Nothing is known of the lake's days then, and nothing is said of them.
#[test]
fn a_signal_before_anything_is_read_says_what_is_true() {
    let race = Race::new(40);
    for _ in 0..20 {
        race.restart();
        let mut running = race.start(&[]);
        running.until(|| race.is_locked());
        running.signal("STOP");
        running.signal("INT");
        running.signal("CONT");
        let ended = running.wait();
        let said = text(&ended.stdout);
        if ended.status.code() == Some(130) && said.contains("no day was built") {
            assert!(!said.contains("has landed, nothing to build"), "{said}");
            assert!(said.contains("left to read: ") && said.contains("failed: interrupted error: stopped by Ctrl-C"), "{said}");
            return;
        }
        assert!(!said.contains("has landed, nothing to build"), "{said}");
    }
    panic!("20 runs read something before they could be stopped");
}

#[test]
fn a_signal_stops_a_run_between_two_days() {
    let race = Race::new(40);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut stopped = None;
        for _ in 0..20 {
            race.restart();
            let mut running = race.start(&["--json"]);
            running.until(|| race.published("bot_days") > 0);
            running.signal("STOP");
            running.signal(signal);
            running.signal("CONT");
            let ended = running.wait();
            if ended.status.code() != Some(0) {
                stopped = Some(ended);
                break;
            }
        }
        let ended = stopped.expect("a run is stopped before its end");
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{said}");
        assert!(said.contains("stopped by"), "{said}");
        let report: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("the result is JSON");
        let days = |name: &str| report[name].as_array().expect("a list").len();
        assert_eq!(days("days"), race.published("bot_days"), "what is done");
        assert!(days("days") > 0 && days("days_left") > 0, "{} done, {} left", days("days"), days("days_left"));
        assert_eq!(days("days") + days("days_left"), 40);
        race.check_readable(signal);
        race.complete(signal);
    }
}

//! Storage that fails at every call in turn, and the lock of an output on an object store.
//!
//! A run over a store that fails leaves in the tables' folders whole objects only, each of the state before or after, and the next
//! run completes to the bytes of a run that nothing disturbed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use ctwa::base::error::{Error, ErrorKind};
use ctwa::config::Settings;
use ctwa::engine::select::{self, Site};
use ctwa::known::job::{Job, Wanted};
use ctwa::lake::{Environment, Lake, Location};
use ctwa::run::{self, Outcome};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tempfile::TempDir;

use crate::lake::{self, Form};
use crate::nights;
use crate::scene::{self, DAYS, HOUR, date, noon};
use crate::store::{Call, Fault, Faulty, How};
use crate::world::{Identity, Insight, Message, World};

const TABLES: [&str; 4] = ["ads", "ad_conversions", "ad_days", "bot_days"];

/// With digits that a record of the lock does not keep.
fn at(seconds: i64) -> DateTime<Utc> {
    "2026-03-20T00:00:00.123456789Z".parse::<DateTime<Utc>>().expect("an instant") + TimeDelta::seconds(seconds)
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn touch(day: &str, contact: Option<&str>, ad: &str) -> Message {
    Message {
        partition: date(day),
        bot_id: text("shop"),
        message_id: Some(format!("x-{day}-{contact:?}-{ad}")),
        contact_id: contact.map(str::to_owned),
        sent_at: Some(noon(day) + HOUR / 2),
        direction: text("received"),
        ad_id: text(ad),
        ..Message::default()
    }
}

/// Three days with everything that leaves an object: touches and events, a row set aside, an alias, insights.
fn before() -> World {
    let mut world = scene::world();
    world.bots[0].ad_accounts = vec!["act_1".into(), "act_2".into()];
    world.bots[0].settings = vec![("purchase".into(), noon("2026-02-01"))];
    for days in [&mut world.message_days, &mut world.event_days] {
        days.retain(|day| *day != date(DAYS[3]));
    }
    world.messages.retain(|row| row.partition != date(DAYS[3]));
    world.events.retain(|row| row.partition != date(DAYS[3]));
    world.insights.retain(|row| row.date != date(DAYS[3]));
    world.messages.push(touch(DAYS[1], None, "A"));
    world.messages.push(touch(DAYS[1], Some("zoe"), "C"));
    world.identities.push(Identity { bot_id: None, alias: "ana-1".into(), contact_id: "ana-0".into() });
    world
}

/// The same a day later: a day more, the first day's rows erased and the day with them, the row set aside mended, another alias,
/// and an ad that became known.
fn after() -> World {
    let mut world = before();
    let whole = scene::world();
    for days in [&mut world.message_days, &mut world.event_days] {
        days.push(date(DAYS[3]));
    }
    world.messages.extend(whole.messages.into_iter().filter(|row| row.partition == date(DAYS[3])));
    world.events.extend(whole.events.into_iter().filter(|row| row.partition == date(DAYS[3])));
    world.messages.retain(|row| row.partition != date(DAYS[0]) && row.contact_id.is_some());
    world.events.retain(|row| row.partition != date(DAYS[0]));
    world.identities[0].contact_id = "bia-1".into();
    world.insights.extend(whole.insights.into_iter().filter(|row| row.date == date(DAYS[3])));
    world.insights.push(Insight {
        date: date(DAYS[3]),
        account_id: "act_1".into(),
        ad_id: "C".into(),
        currency: "BRL".into(),
        spend_millionths: 1,
        ..Insight::default()
    });
    world
}

/// A lake on disk; outputs are in memory.
struct Input {
    folder: TempDir,
    settings: Settings,
    lake: Lake,
}

impl Input {
    fn new(world: &World) -> Input {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let written = lake::write(world, &Form::default(), folder.path());
        let settings = Settings::load(&written.pipeline).expect("the pipeline file is right");
        let lake = Lake::open(&settings.lake, &Environment::default()).expect("the lake is there");
        Input { folder, settings, lake }
    }

    fn run(&self, store: Arc<dyn ObjectStore>, now: DateTime<Utc>) -> Result<Outcome, Error> {
        self.run_until(store, now, &|| Ok(()))
    }

    fn run_until(
        &self,
        store: Arc<dyn ObjectStore>,
        now: DateTime<Utc>,
        stopped: &dyn Fn() -> Result<(), Error>,
    ) -> Result<Outcome, Error> {
        let output = output(store);
        run::run(&Job {
            settings: &self.settings,
            lake: &self.lake,
            output: &output,
            engine: select::engine(self.settings.engine, Site::new(&self.lake, &output)).as_ref(),
            wanted: Wanted::Through(None),
            accept_history_change: false,
            clock: &|| now,
            stopped,
            pause: None,
            progress: &ctwa::base::progress::unheard,
        })
    }

    /// A run that nothing disturbs, on top of what the store holds.
    fn run_well(&self, store: &Arc<Faulty>, now: DateTime<Utc>) -> Outcome {
        store.set_clock(now);
        let outcome = self.run(store.clone(), now).expect("nothing fails");
        assert_eq!(outcome.worst, None, "{:?}", outcome.report.failures);
        outcome
    }
}

fn output(store: Arc<dyn ObjectStore>) -> Lake {
    let location = Location::resolve("file:///in-memory", Path::new("/")).expect("a URL");
    Lake::on_store(&location, store).expect("a store can be opened")
}

type Objects = BTreeMap<String, Bytes>;

fn objects(store: &Arc<Faulty>, folders: &[&str]) -> Objects {
    let output = output(Arc::new(store.inner.fork()));
    let paths = folders.iter().flat_map(|folder| output.list(folder).expect("memory can be listed"));
    paths.map(|object| (object.path.clone(), output.get(&object.path).expect("it is there").expect("it is there"))).collect()
}

fn tables(store: &Arc<Faulty>) -> Objects {
    objects(store, &TABLES)
}

fn kind(result: &Result<Outcome, Error>) -> Option<ErrorKind> {
    match result {
        Ok(outcome) => outcome.worst,
        Err(error) => Some(error.kind()),
    }
}

fn differing(one: &Objects, other: &Objects) -> Vec<String> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

/// A state of the output, the input that makes another of it, and that other.
struct Change {
    input: Input,
    start: InMemory,
    old: Objects,
    new: Objects,
    /// Rows set aside are no table, but have to come out right, too.
    new_rejected: Objects,
    /// What a run asks of the store on the way.
    calls: Vec<(Call, String)>,
}

impl Change {
    fn first_run() -> Change {
        Change::new(InMemory::new(), Input::new(&before()))
    }

    fn second_night() -> Change {
        let store = Faulty::new(InMemory::new(), None);
        Input::new(&before()).run_well(&store, at(0));
        let change = Change::new(store.inner.fork(), Input::new(&after()));
        assert!(change.old.keys().any(|path| !change.new.contains_key(path)), "a day is removed");
        assert!(change.new.keys().any(|path| !change.old.contains_key(path)), "a day is new");
        assert!(change.new.iter().any(|(path, bytes)| change.old.get(path).is_some_and(|old| old != bytes)), "a day changes");
        change
    }

    fn new(start: InMemory, input: Input) -> Change {
        let (old, undisturbed) = (Faulty::new(start.fork(), None), Faulty::new(start.fork(), None));
        input.run_well(&undisturbed, at(100));
        let (new, new_rejected) = (tables(&undisturbed), objects(&undisturbed, &["rejected"]));
        let calls = undisturbed.calls();
        Change { input, start, old: tables(&old), new, new_rejected, calls }
    }

    /// Fails one call of a run, and runs again.
    fn disturb(&self, fault: Fault) {
        let store = Faulty::new(self.start.fork(), Some(fault.clone()));
        store.set_clock(at(100));
        let result = self.input.run(store.clone(), at(100));
        assert!(store.has_failed(), "{fault:?} is never met");
        // An epoch that cannot be swept or released is the next holder's, and a create whose reply is lost is found.
        let is_of_the_lock = fault.path.starts_with("state/lock");
        // So is what a put did that names the version it replaces; and a removal is made again.
        let is_of_a_table = TABLES.iter().any(|table| fault.path.split('/').next() == Some(table));
        let is_outlived = match fault.call {
            Call::Put => is_of_a_table && fault.how == How::LostReply,
            Call::Delete => fault.how != How::Down,
            Call::List | Call::Get => false,
        };
        match kind(&result) {
            Some(ErrorKind::Unavailable) if !is_outlived => {}
            None if is_of_the_lock || is_outlived => {}
            other => panic!("{fault:?}: ended as {other:?}"),
        }
        for (path, bytes) in store.puts() {
            if TABLES.iter().any(|table| path.split('/').next() == Some(table)) {
                assert!(self.new.get(&path) == Some(&bytes), "{fault:?}: {path} is put, and not as it should become");
            }
        }
        self.check_readable(&tables(&store), &format!("{fault:?}"));

        let healthy = store.mended();
        // A holder that could not say that it ended is dead 30 s later.
        let is_released = fault.how != How::Down && !is_of_the_lock;
        let outcome = self.input.run_well(&healthy, at(if is_released { 101 } else { 131 }));
        assert_eq!(differing(&tables(&healthy), &self.new), Vec::<String>::new(), "{fault:?}");
        let rejected = objects(&healthy, &["rejected"]);
        assert_eq!(differing(&rejected, &self.new_rejected), Vec::<String>::new(), "{fault:?}");
        let puts = healthy.puts().len();
        assert_eq!(puts == 0, outcome.report.started.is_none(), "{fault:?}: {puts} puts by an idle run");
    }

    /// Every object is whole and of the old or the new state, and `bot_days` is the last of its day.
    fn check_readable(&self, found: &Objects, when: &str) {
        for (path, bytes) in found {
            let known = [self.old.get(path), self.new.get(path)];
            assert!(known.contains(&Some(bytes)), "{when}: {path} is neither as before nor as after");
        }
        for (path, bytes) in found.iter().filter(|(path, _)| path.starts_with("bot_days/")) {
            if self.new.get(path) == Some(bytes) && self.old.get(path) != Some(bytes) {
                for table in ["ad_conversions", "ad_days"] {
                    let before = path.replace("bot_days", table);
                    assert_eq!(found.get(&before), self.new.get(&before), "{when}: {path} is there before {before}");
                }
            }
        }
        for path in self.old.keys().filter(|path| self.new.contains_key(*path)) {
            assert!(found.contains_key(path), "{when}: {path} has vanished");
        }
    }

    /// Fails every call of a kind in turn, in each of these ways. There have to be calls about paths that begin so.
    fn disturb_all(&self, call: Call, hows: &[How], about: &[&str]) {
        let calls: Vec<&String> = self.calls.iter().filter(|made| made.0 == call).map(|made| &made.1).collect();
        let missed: Vec<_> = about.iter().filter(|prefix| !calls.iter().any(|path| path.starts_with(**prefix))).collect();
        assert!(missed.is_empty(), "no {call:?} of {missed:?} among {calls:?}");
        for (i, path) in calls.iter().enumerate() {
            let nth = calls[..=i].iter().filter(|earlier| *earlier == path).count();
            for how in hows {
                self.disturb(Fault { call, path: path.to_string(), nth, how: *how });
            }
        }
    }
}

const WRITTEN: [&str; 17] = [
    "work/touches/",
    "work/conversions/",
    "work/receipts/messages/",
    "work/receipts/events/",
    "work/receipts/insights/",
    "work/identities/",
    "work/receipts/identities.json",
    "work/ad_places/",
    "work/receipts/ads.json",
    "work/receipts/days/",
    "ads/",
    "ad_conversions/",
    "ad_days/",
    "bot_days/",
    "state/accepted.json",
    "state/lock/",
    "runs/",
];

#[test]
fn every_put_of_a_first_run_may_fail() {
    let about: Vec<&str> = WRITTEN.into_iter().chain(["rejected/"]).collect();
    Change::first_run().disturb_all(Call::Put, &[How::Refused, How::LostReply, How::Down], &about);
}

#[test]
fn every_put_of_a_second_night_may_fail() {
    // The settings that were accepted on the first night stay.
    let about: Vec<&str> = WRITTEN.into_iter().filter(|path| *path != "state/accepted.json").collect();
    Change::second_night().disturb_all(Call::Put, &[How::Refused, How::LostReply], &about);
}

#[test]
fn every_removal_may_fail() {
    let about = ["ad_conversions/", "ad_days/", "bot_days/", "rejected/", "state/lock/", "work/ad_places/", "work/identities/"];
    Change::second_night().disturb_all(Call::Delete, &[How::Refused, How::LostReply, How::Down], &about);
}

#[test]
fn every_listing_may_fail() {
    let about = ["ads", "ad_conversions", "ad_days", "bot_days", "work/touches", "work/receipts/days", "state/lock"];
    Change::second_night().disturb_all(Call::List, &[How::Refused], &about);
}

#[test]
fn every_read_may_fail() {
    let about = ["work/touches/", "work/receipts/days/", "state/accepted.json", "state/lock/", "ad_days/"];
    Change::second_night().disturb_all(Call::Get, &[How::Refused], &about);
}

// ------------------------------------------------------------------------------------------------------------ the lock

fn epochs(store: &Arc<Faulty>) -> BTreeMap<String, serde_json::Value> {
    let epochs = objects(store, &["state/lock"]).into_iter();
    epochs.map(|(path, bytes)| (path, serde_json::from_slice(&bytes).expect("an epoch is JSON"))).collect()
}

fn conflict<T>(result: Result<T, Error>) -> String {
    let error = result.err().expect("a conflict");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    error.to_string()
}

#[test]
fn the_loser_is_told_who_holds_the_output_since_when() {
    let store = Faulty::new(InMemory::new(), None);
    let (one, other) = (output(store.clone()), output(store.clone()));
    store.set_clock(at(0));
    let lock = one.lock(at(0)).expect("nobody holds it");
    store.set_clock(at(29));
    let said = conflict(other.lock(at(29)));
    assert!(said.contains(&format!("held by process {} on ", std::process::id())), "{said}");
    assert!(said.contains("since 2026-03-20T00:00:00Z"), "{said}");
    lock.check().expect("the loser took nothing");
    assert_eq!(epochs(&store).into_keys().collect::<Vec<_>>(), ["state/lock/1.json"], "the loser left nothing");
    drop(lock);
    assert_eq!(epochs(&store)["state/lock/1.json"]["released"], true);
    let puts = store.puts().len();
    let lock = other.lock(at(1)).expect("a released lock is free at once");
    assert_eq!(epochs(&store).into_keys().collect::<Vec<_>>(), ["state/lock/2.json"], "the old epoch is swept");
    let asked = store.puts().into_iter().skip(puts).filter(|(path, _)| path.contains("asked")).count();
    assert_eq!(asked, 0, "a released lock needs no clock");
    lock.check().expect("it is held");
}

#[test]
fn a_lock_is_taken_over_30_s_after_its_last_heartbeat() {
    let store = Faulty::new(InMemory::new(), None);
    let (dead, heir) = (output(store.clone()), output(store.clone()));
    store.set_clock(at(0));
    let lock = dead.lock(at(0)).expect("nobody holds it");
    store.set_clock(at(25));
    lock.beat(at(25)).expect("it is held");
    for seconds in [40, 54, 55] {
        store.set_clock(at(seconds));
        let said = conflict(heir.lock(at(seconds)));
        assert!(said.contains("since 2026-03-20T00:00:00Z") && said.contains("2026-03-20T00:00:25Z"), "{said}");
    }
    store.set_clock(at(56));
    let taken = heir.lock(at(56)).expect("the last heartbeat is 31 s old");

    let puts = store.puts().len();
    let said = conflict(lock.check());
    assert!(said.contains("taken over by process") && said.contains("since 2026-03-20T00:00:56Z"), "{said}");
    conflict(lock.beat(at(57)));
    drop(lock);
    assert_eq!(store.puts().len(), puts, "who lost the lock writes nothing");
    taken.check().expect("the heir holds it");
    assert_eq!(epochs(&store)["state/lock/2.json"]["released"], false);
}

/// Five minutes are ten times what a lock outlives its holder.
#[test]
fn only_the_clock_of_the_store_says_whether_a_lock_lives() {
    const OFF: i64 = 300;
    for (holder, asker) in [(0, OFF), (-OFF, 0), (0, -OFF), (OFF, 0), (-OFF, OFF), (OFF, -OFF)] {
        let store = Faulty::new(InMemory::new(), None);
        let (one, other) = (output(store.clone()), output(store.clone()));
        store.set_clock(at(0));
        let lock = one.lock(at(holder)).expect("nobody holds it");
        for seconds in [10, 20] {
            store.set_clock(at(seconds));
            lock.beat(at(holder + seconds)).expect("it is held");
            conflict(other.lock(at(asker + seconds)));
        }
        store.set_clock(at(50));
        conflict(other.lock(at(asker + 50)));
        lock.check().expect("a living lock is not taken over");
        store.set_clock(at(51));
        let heir = other.lock(at(asker + 51)).expect("a dead one is");
        conflict(lock.check());
        heir.check().expect("it is held");
    }
}

#[test]
fn a_store_that_tells_whole_seconds_is_never_early() {
    let store = Faulty::new(InMemory::new(), None);
    let (one, other) = (output(store.clone()), output(store.clone()));
    let clock = |milliseconds: i64| store.set_clock(at(0) + TimeDelta::seconds(milliseconds.div_euclid(1_000)));
    clock(900);
    let lock = one.lock(at(0)).expect("nobody holds it");
    clock(30_950);
    conflict(other.lock(at(0)));
    clock(31_000);
    drop(other.lock(at(0)).expect("its holder was not heard of for 30.1 s"));
    conflict(lock.check());
}

#[test]
fn what_a_dead_asker_left_is_swept_and_a_clock_that_cannot_be_asked_is_an_error() {
    let store = Faulty::new(InMemory::new(), None);
    let left = "state/lock/asked-0123456789abcdef.json";
    output(store.clone()).publish(left, Bytes::from_static(b"{}")).expect("memory takes it");
    let lock = output(store.clone()).lock(at(0)).expect("nobody holds it");
    assert_eq!(epochs(&store).into_keys().collect::<Vec<_>>(), ["state/lock/1.json"]);
    let down =
        Faulty::new(store.inner.fork(), Some(Fault { call: Call::List, path: "state/lock".into(), nth: 2, how: How::Down }));
    let error = output(down.clone()).lock(at(300)).err().expect("nobody knows whether the holder lives");
    assert!(down.has_failed());
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    lock.check().expect("it is held");
}

#[test]
fn a_lost_reply_to_the_create_is_recognised() {
    for how in [How::LostReply, How::Repeated] {
        let fault = Fault { call: Call::Put, path: "state/lock/1.json".into(), nth: 1, how };
        let store = Faulty::new(InMemory::new(), Some(fault));
        let lock = output(store.clone()).lock(at(0)).unwrap_or_else(|error| panic!("{how:?}: {error}"));
        assert!(store.has_failed());
        lock.check().expect("it is held");
        conflict(output(store.clone()).lock(at(1)));
    }
}

#[test]
fn of_two_that_want_the_same_epoch_one_gets_it() {
    let store = Faulty::new(InMemory::new(), None);
    let (first, second) = (output(store.clone()), output(store.clone()));
    // The second sees no epoch, and the first makes one before it does.
    let (send, receive) = std::sync::mpsc::channel();
    store.before_next(Call::Put, "state/lock/1.json", move || send.send(first.lock(at(0))).expect("the test waits"));
    let said = conflict(second.lock(at(1)));
    assert!(said.contains("since 2026-03-20T00:00:00Z"), "{said}");
    receive.recv().expect("it was sent").expect("nobody held it").check().expect("it is held");
}

#[test]
fn an_epoch_below_the_highest_is_no_lock() {
    let store = Faulty::new(InMemory::new(), None);
    let (slow, quick) = (output(store.clone()), output(store.clone()));
    // The slow one sees no epoch; before it makes the first, two others come and go, and sweep the first away.
    store.before_next(Call::Put, "state/lock/1.json", move || {
        drop(quick.lock(at(0)).expect("nobody holds it"));
        drop(quick.lock(at(1)).expect("nobody holds it"));
    });
    let said = conflict(slow.lock(at(2)));
    assert!(said.contains("taken over by"), "{said}");
    drop(output(store.clone()).lock(at(3)).expect("nobody holds it"));
    assert_eq!(epochs(&store).into_keys().collect::<Vec<_>>(), ["state/lock/3.json"]);
}

#[test]
fn a_lock_that_was_removed_by_hand_is_lost() {
    let store = Faulty::new(InMemory::new(), None);
    let lock = output(store.clone()).lock(at(0)).expect("nobody holds it");
    output(store.clone()).remove("state/lock/1.json").expect("it is there");
    let other = output(store.clone()).lock(at(1)).expect("there is no lock");
    conflict(lock.check());
    other.check().expect("it is held");
}

/// So many days that a run builds them in five batches.
fn many_batches() -> Change {
    Change::new(InMemory::new(), Input::new(&crate::races::world(MANY_DAYS)))
}

const MANY_DAYS: u64 = 40;
const DAYS_OF_A_BATCH: usize = 8;

/// Is asked between two batches of days, and gives its answer the `nth` time.
fn on_the_nth_batch<'a>(nth: usize, answer: impl Fn() -> Result<(), Error> + 'a) -> impl Fn() -> Result<(), Error> + 'a {
    // Before the days it is asked twice for each raw table, whose partitions are two batches.
    let asked = Cell::new(0);
    move || {
        asked.set(asked.get() + 1);
        if asked.get() == nth + 4 { answer() } else { Ok(()) }
    }
}

fn published_and_left(batches: usize) -> (usize, usize) {
    let published = batches * DAYS_OF_A_BATCH;
    (published, MANY_DAYS as usize - published)
}

#[test]
fn a_run_that_was_taken_over_publishes_nothing_more() {
    let change = many_batches();
    for batch in 1..=3 {
        let store = Faulty::new(change.start.fork(), None);
        let heir = RefCell::new(None);
        let take_over = on_the_nth_batch(batch, || {
            store.set_clock(at(131));
            *heir.borrow_mut() = Some((output(store.clone()).lock(at(131))?, store.puts().len()));
            Ok(())
        });
        store.set_clock(at(100));
        let outcome = change.input.run_until(store.clone(), at(100), &take_over).expect("it comes to its end");
        assert_eq!(outcome.worst, Some(ErrorKind::Conflict));
        assert!(outcome.report.failures[0].error.contains("taken over by process"), "{:?}", outcome.report.failures);
        // The batch before this one was made, and not yet put.
        assert_eq!((outcome.report.days.len(), outcome.report.days_left.len()), published_and_left(batch.saturating_sub(2)));
        let (lock, puts) = heir.take().expect("the lock was taken over");
        let late: Vec<String> = store.puts().into_iter().skip(puts).map(|(path, _)| path).collect();
        assert_eq!(late, Vec::<String>::new(), "written after the lock was lost");
        change.check_readable(&tables(&store), "taken over");
        drop(lock);
        change.input.run_well(&store, at(132));
        assert_eq!(differing(&tables(&store), &change.new), Vec::<String>::new());
    }
}

#[test]
fn a_run_that_is_stopped_says_what_is_left_and_releases_the_lock() {
    let change = many_batches();
    for (kind, batch) in [(ErrorKind::Interrupted, 1), (ErrorKind::Terminated, 3)] {
        let store = Faulty::new(change.start.fork(), None);
        let stop = on_the_nth_batch(batch, || Err(Error::new(kind, "stopped")));
        let outcome = change.input.run_until(store.clone(), at(100), &stop).expect("it comes to its end");
        assert_eq!(outcome.worst, Some(kind));
        assert_eq!((outcome.report.days.len(), outcome.report.days_left.len()), published_and_left(batch - 1));
        assert_eq!(outcome.report.partitions_left, []);
        assert_eq!(epochs(&store)["state/lock/1.json"]["released"], true);
        change.input.run_well(&store, at(100));
        assert_eq!(differing(&tables(&store), &change.new), Vec::<String>::new());
    }
    // Before anything is read.
    let change = Change::first_run();
    let store = Faulty::new(change.start.fork(), None);
    let stop = || Err(Error::new(ErrorKind::Terminated, "stopped"));
    let outcome = change.input.run_until(store.clone(), at(100), &stop).expect("it comes to its end");
    assert_eq!((outcome.report.partitions.len(), outcome.report.partitions_left.len()), (0, 9));
}

/// Another run did the work between the look and the lock: there is nothing left to do, nor to write.
#[test]
fn a_run_that_comes_second_is_idle() {
    let change = Arc::new(Change::first_run());
    let store = Faulty::new(change.start.fork(), None);
    let (first, first_store, hooked) = (change.clone(), store.clone(), store.clone());
    // The lock is looked at before anything else; when it is looked at again it is to be taken.
    store.before_next(Call::List, "state/lock", move || {
        hooked.before_next(Call::List, "state/lock", move || drop(first.input.run_well(&first_store, at(100))));
    });
    let outcome = change.input.run_well(&store, at(101));
    assert_eq!(outcome.report.started, None);
    let runs = objects(&store, &["runs"]);
    assert_eq!(runs.len(), 1, "only the first run has a report: {:?}", runs.keys());
    assert_eq!(differing(&tables(&store), &change.new), Vec::<String>::new());
    assert_eq!(looks(&store), 3, "one of the first run, and two of the second");
}

fn looks(store: &Faulty) -> usize {
    store.calls().iter().filter(|(call, path)| (*call, path.as_str()) == (Call::List, "ad_days")).count()
}

/// Nobody held the lock meanwhile: the look before it is as good as one after it.
#[test]
fn a_run_that_nobody_disturbs_looks_once() {
    let change = Change::first_run();
    let store = Faulty::new(change.start.fork(), None);
    change.input.run_well(&store, at(100));
    assert_eq!(looks(&store), 1);
    // A lock whose holder died tells nothing.
    let other = Faulty::new(change.start.fork(), None);
    other.set_clock(at(0));
    let dead = output(other.clone()).lock(at(0)).expect("nobody holds it");
    std::mem::forget(dead);
    change.input.run_well(&other, at(100));
    assert_eq!(looks(&other), 2);
}

/// Where Meta's figures alone changed, the day's counts are taken from what was published: no session is followed again.
#[test]
fn restated_figures_need_no_working_table() {
    let mut world = scene::world();
    world.bots[0].ad_accounts = vec!["act_1".into(), "act_2".into()];
    let input = Input::new(&world);
    let store = Faulty::new(InMemory::new(), None);
    input.run_well(&store, at(0));
    let mut restated = world.clone();
    restated.insights.iter_mut().filter(|row| row.date == date(DAYS[1])).for_each(|row| row.spend_millionths += 1);
    nights::land(&world, &restated, &Form::default(), input.folder.path());
    let again = Faulty::new(store.inner.fork(), None);
    let outcome = input.run_well(&again, at(100));
    let built: Vec<String> = outcome.report.days.iter().map(|step| format!("{} {}", step.day, step.reason)).collect();
    assert_eq!(built, [format!("{} Meta restated", DAYS[1])]);
    let is_working = |(call, path): &&(Call, String)| {
        *call == Call::Get && ["work/touches/", "work/conversions/"].iter().any(|folder| path.starts_with(folder))
    };
    assert_eq!(again.calls().iter().find(is_working), None);
    let whole = Faulty::new(InMemory::new(), None);
    input.run_well(&whole, at(200));
    assert_eq!(differing(&tables(&again), &tables(&whole)), Vec::<String>::new());
    let conversions = objects(&again, &["ad_conversions"]);
    assert!(!conversions.is_empty() && differing(&tables(&store), &tables(&again)) == [day_object(DAYS[1])]);
}

fn day_object(day: &str) -> String {
    format!("ad_days/dt={day}/ad_days.parquet")
}

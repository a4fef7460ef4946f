//! What a lake promises, on every store: one suite of checks, run in memory, on the local disk, and over HTTP on S3, on Azure and
//! on what stands in for Google Cloud Storage.
//!
//! Each check is a function of a [`Place`], a fresh and empty location of a store; `promised!` makes the tests, so that the name of
//! a test that fails tells the store and the promise.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use ctwa::base::error::{Error, ErrorKind};
use ctwa::base::object::Object;
use ctwa::lake::{Environment, Lake, Location, Put, ReadPlan};
use object_store::memory::InMemory;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::servers::{self, Variables};

macro_rules! promised {
    ($on:ident [$($store:ident)*] $promises:tt) => {
        mod $on { $(promised! { $store $promises })* }
    };
    ($store:ident { $($promise:ident)* }) => {
        mod $store { $(#[test] fn $promise() { super::super::$promise(&super::super::Place::$store()) })* }
    };
}

promised! { everywhere [in_memory on_disk on_s3 on_azure on_gcs] {
    a_listing_shows_all_that_lies_below_a_folder_and_nothing_else
    a_listing_is_whole_however_long_it_is
    any_character_may_stand_in_a_name
    what_is_not_there_is_none_and_can_be_removed
    a_version_tells_one_content_from_another
    a_reader_sees_one_content_or_the_other
    a_read_fetches_what_it_needs
    a_lock_has_one_holder
    of_sixteen_one_gets_the_lock
}}

// The lock of a disk ends with its holder, whatever time it is.
promised! { in_stores [in_memory on_s3 on_azure on_gcs] {
    a_lock_without_a_heartbeat_is_taken_over
}}

// Listings of Google's stores do not show what a put would have to name.
promised! { where_a_put_names_what_it_replaces [in_memory on_s3 on_azure] {
    a_lock_publishes_over_what_was_surveyed_only
}}

promised! { where_credentials_are_checked [on_s3 on_azure] {
    a_stranger_is_denied_everything
}}

/// An empty location of a store.
struct Place {
    location: Location,
    environment: Environment,
    memory: Option<Arc<InMemory>>,
    stranger: Environment,
    /// How many races it can run in seconds.
    races: usize,
    _folder: Option<TempDir>,
}

impl Place {
    fn at(text: &str, variables: Variables, stranger: Variables) -> Place {
        let location = Location::resolve(text, Path::new("/")).unwrap_or_else(|error| panic!("{text}: {error}"));
        let [environment, stranger] = [variables, stranger].map(Environment::from_iter);
        Place { location, environment, stranger, memory: None, races: 12, _folder: None }
    }

    fn in_memory() -> Place {
        Place { memory: Some(Arc::default()), races: 100, ..Place::at("file:///in-memory", Vec::new(), Vec::new()) }
    }

    fn on_disk() -> Place {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("lake of açaí").display().to_string();
        Place { races: 100, _folder: Some(folder), ..Place::at(&path, Vec::new(), Vec::new()) }
    }

    fn on_s3() -> Place {
        let s3 = servers::s3();
        Place::at(&format!("s3://{}/lake of açaí", s3.bucket()), s3.environment(), s3.environment_of_a_stranger())
    }

    fn on_azure() -> Place {
        let azure = servers::azure();
        Place::at(&format!("az://{}/lake of açaí", azure.container()), azure.environment(), azure.environment_of_a_stranger())
    }

    fn on_gcs() -> Place {
        let gcs = servers::gcs();
        Place::at(&format!("gs://{}/lake of açaí", gcs.bucket()), gcs.environment(), Vec::new())
    }

    /// Opens it, as each run does for itself.
    fn open(&self) -> Lake {
        let opened = match &self.memory {
            Some(memory) => Lake::on_store(&self.location, memory.clone()),
            None => Lake::open_or_create(&self.location, &self.environment),
        };
        opened.unwrap_or_else(|error| panic!("{}: {error}", self.location))
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).expect("an instant")
}

/// Content that cannot be mistaken for other content, nor for a part of itself.
fn content(letter: u8, size: usize) -> Bytes {
    Bytes::from(vec![letter; size])
}

fn paths(lake: &Lake, folder: &str) -> Vec<String> {
    lake.list(folder).unwrap_or_else(|error| panic!("{folder}: {error}")).into_iter().map(|object| object.path).collect()
}

// ------------------------------------------------------------------------------------------------------------- objects

fn a_listing_shows_all_that_lies_below_a_folder_and_nothing_else(place: &Place) {
    let lake = place.open();
    assert_eq!(paths(&lake, ""), Vec::<String>::new(), "an empty place");
    let there = ["ads/dt=1/a", "ads/dt=1/b", "ads/dt=10/a", "ads2/a", "ads2/dt=1/a", "a", "ad/s"];
    for (size, path) in there.iter().enumerate() {
        lake.publish(path, content(b'x', size)).expect("it can be published");
    }
    assert_eq!(paths(&lake, "ads"), ["ads/dt=1/a", "ads/dt=1/b", "ads/dt=10/a"]);
    assert_eq!(paths(&lake, "ads/dt=1"), ["ads/dt=1/a", "ads/dt=1/b"], "a name that begins another's");
    assert_eq!(paths(&lake, "ads/dt="), Vec::<String>::new(), "the beginning of a name is no folder");
    assert_eq!(paths(&lake, "sda"), Vec::<String>::new());
    let sizes: Vec<(String, u64)> = lake.list("").expect("it can be listed").into_iter().map(|o| (o.path, o.size)).collect();
    let mut expected: Vec<(String, u64)> = there.iter().zip(0..).map(|(path, size)| (path.to_string(), size)).collect();
    expected.sort();
    assert_eq!(sizes, expected);
}

/// S3 and Google show 1,000 objects at a time. Azure shows 5,000, which would take its server here half a minute to write.
fn a_listing_is_whole_however_long_it_is(place: &Place) {
    const OBJECTS: usize = 1_010;
    let path = |n: usize| format!("work/many/{n:05}");
    thread::scope(|scope| {
        for first in 0..8 {
            let lake = place.open();
            scope.spawn(move || {
                (first..OBJECTS).step_by(8).for_each(|n| drop(lake.publish(&path(n), content(b'x', 1)).expect("published")));
            });
        }
    });
    assert_eq!(paths(&place.open(), "work/many"), (0..OBJECTS).map(path).collect::<Vec<_>>());
}

fn any_character_may_stand_in_a_name(place: &Place) {
    let lake = place.open();
    let odd = [
        " ", "+", "%", "=", "#", "&", "?", ":", ";", ",", "@", "~", "!", "*", "(", ")", "'", "$", "%3A", "%2F", "%20", "%25",
        "a b", "ação", "ñandú", "日本", "🎉", "-", "_", "..a", "a..b", "[x]", "{x}", "^", "|", "<x>", "`", "\"",
    ];
    let names: BTreeSet<String> = odd.iter().map(|odd| format!("work/x{odd}x/of {odd} it.parquet")).collect();
    for name in &names {
        lake.publish(name, Bytes::from(name.clone())).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert_eq!(paths(&lake, "work"), names.iter().cloned().collect::<Vec<_>>());
    for name in &names {
        let got = lake.get(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(got, Some(Bytes::from(name.clone())), "{name}");
        let folder = name.rsplit_once('/').expect("it has a folder").0;
        assert_eq!(paths(&lake, folder), [name.as_str()], "the folder {folder}");
    }
    for name in &names {
        lake.remove(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert_eq!(paths(&lake, ""), Vec::<String>::new());
}

fn what_is_not_there_is_none_and_can_be_removed(place: &Place) {
    let lake = place.open();
    assert_eq!(lake.get("work/a").expect("no error"), None);
    lake.remove("work/a").expect("no error");
    lake.publish("work/a", content(b'a', 3)).expect("it can be published");
    assert_eq!(lake.get("work").expect("no error"), None, "a folder is no object");
    assert_eq!(lake.get("work/a").expect("no error"), Some(content(b'a', 3)));
    lake.publish("work/empty", Bytes::new()).expect("it can be published");
    assert_eq!(lake.get("work/empty").expect("no error"), Some(Bytes::new()));
    lake.publish("work/a", table(3).1).expect("it can be published");
    let seen = lake.list("work").expect("it can be listed");
    lake.remove("work/a").expect("no error");
    assert_eq!(lake.get("work/a").expect("no error"), None);
    assert_eq!(paths(&lake, "work"), ["work/empty"]);
    let gone = lake.read_batches(&seen[0], |_| panic!("there is no schema"), |_| panic!("there are no rows"));
    assert_eq!(gone.expect_err("it is gone").kind(), ErrorKind::Unavailable);
}

fn a_version_tells_one_content_from_another(place: &Place) {
    let (writer, reader) = (place.open(), place.open());
    let mut versions = BTreeSet::new();
    for letter in *b"abcd" {
        // Of one size: a version that were no more than that would not tell.
        let version = writer.publish("ads/ads.parquet", content(letter, 10)).expect("it can be published");
        assert_eq!(reader.list("ads").expect("it can be listed")[0].version, version, "what a listing shows");
        let got = reader.get_versioned("ads/ads.parquet").expect("it can be read");
        assert_eq!(got, Some((content(letter, 10), version.clone())), "what a read shows");
        assert!(versions.insert(version), "{letter} has the version of another content");
    }
}

fn a_reader_sees_one_content_or_the_other(place: &Place) {
    // Rounds to see each content in, and rounds that a lucky reader may need for it.
    const ROUNDS: usize = 60;
    const AT_MOST: usize = 100_000;
    let path = "ads/ads.parquet";
    // More than one read or write of a socket; and the shorter must not show an end of the longer.
    let contents = [content(b'a', 700_000), content(b'b', 1_100_000)];
    let writer = place.open();
    writer.publish(path, contents[0].clone()).expect("it can be published");
    let seen = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let (is_done, has_failed) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let failure = Alarm(&has_failed);
                let lake = place.open();
                while !is_done.load(Ordering::Relaxed) {
                    let bytes = lake.get(path).expect("it can be read").expect("it is never gone");
                    let which = contents.iter().position(|content| *content == bytes);
                    let which = which.unwrap_or_else(|| panic!("{} bytes, neither of the two", bytes.len()));
                    seen[which].fetch_add(1, Ordering::Relaxed);
                    assert_eq!(paths(&lake, "ads"), [path], "nothing else lies beside it");
                }
                std::mem::forget(failure);
            });
        }
        let has_seen_both = || seen.iter().all(|times| times.load(Ordering::Relaxed) > 1);
        for round in 1..AT_MOST {
            if (round > ROUNDS && has_seen_both()) || has_failed.load(Ordering::Relaxed) {
                break;
            }
            writer.publish(path, contents[round % 2].clone()).expect("it can be published");
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(has_seen_both(), "the readers saw one content only: {seen:?}");
    });
}

/// Tells of a panic to those who would wait in vain.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Numbers beside texts that take most of the room, in groups of rows.
fn table(rows: i64) -> (Vec<i64>, Bytes) {
    let numbers: Vec<i64> = (0..rows).map(|row| row * 7 % 1_000_003).collect();
    // Not to be compressed: digits of a product of large primes.
    let texts: StringArray =
        numbers.iter().map(|n| Some(format!("{:0500}", (*n as u128 + 3).pow(5) * 982_451_653).repeat(2))).collect();
    let columns: [(&str, ArrayRef); 2] = [("number", Arc::new(Int64Array::from(numbers.clone()))), ("text", Arc::new(texts))];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(250)).set_dictionary_enabled(false).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer in memory");
    writer.write(&batch).expect("rows of the schema");
    (numbers, Bytes::from(writer.into_inner().expect("a whole file")))
}

fn a_read_fetches_what_it_needs(place: &Place) {
    let lake = place.open();
    for (rows, is_large) in [(2_000, true), (3, false), (0, false)] {
        let (numbers, bytes) = table(rows);
        let path = format!("messages/date=2026-03-01/{rows} rows.parquet");
        lake.publish(&path, bytes.clone()).expect("it can be published");
        let fresh = place.open();
        let object = fresh.list("messages").expect("listed").into_iter().find(|object| object.path == path).expect("it is there");
        let mut found = Vec::new();
        let plan = |_: &arrow::datatypes::Schema| Ok(ReadPlan { columns: vec![("number".into(), None)], filter: None });
        let each = |batch: RecordBatch| {
            let column = batch.column_by_name("number").expect("it was asked for");
            assert_eq!((batch.num_columns(), column.null_count()), (1, 0));
            found.extend_from_slice(column.as_primitive::<Int64Type>().values());
            Ok(())
        };
        fresh.read_batches(&object, plan, each).unwrap_or_else(|error| panic!("{rows} rows: {error}"));
        assert_eq!(found, numbers);
        if is_large {
            let (fetched, whole) = (fresh.bytes_read(), bytes.len() as u64);
            assert!(whole > 1_000_000 && fetched < whole / 4, "{fetched} of {whole} bytes fetched for a small column");
        }
    }
}

// ------------------------------------------------------------------------------------------------------------ the lock

fn conflict(error: Error) -> String {
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    error.to_string()
}

fn a_lock_has_one_holder(place: &Place) {
    let (one, other) = (place.open(), place.open());
    for round in 0..3 {
        let lock = one.lock(now()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let said = conflict(other.lock(now()).err().expect("it is held"));
        assert!(said.contains("held by process ") && said.contains(" since 2026-"), "{said}");
        lock.check().expect("it is still held");
        lock.beat(now() + TimeDelta::seconds(10)).expect("it can be kept");
        // Whatever time it is where somebody asks.
        for minutes in [5, -5] {
            conflict(other.lock(now() + TimeDelta::minutes(minutes)).err().expect("it is held"));
        }
        lock.check().expect("it is still held");
    }
}

fn of_sixteen_one_gets_the_lock(place: &Place) {
    const RACERS: usize = 16;
    let lakes: Vec<Lake> = (0..RACERS).map(|_| place.open()).collect();
    let (start, end) = (Barrier::new(RACERS), Barrier::new(RACERS));
    let ended: Vec<Vec<Result<bool, Error>>> = thread::scope(|scope| {
        let racer = |lake| {
            let (start, end) = (&start, &end);
            move || {
                let round = |_| {
                    start.wait();
                    let lock = Lake::lock(lake, now());
                    // Nobody lets go before all have tried.
                    end.wait();
                    match lock {
                        // A panic here would keep the others waiting.
                        Ok(lock) => lock.check().map(|()| true),
                        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
                        Err(error) => Err(error),
                    }
                };
                (0..place.races).map(round).collect()
            }
        };
        let racers: Vec<_> = lakes.iter().map(|lake| scope.spawn(racer(lake))).collect();
        racers.into_iter().map(|racer| racer.join().expect("a racer ends")).collect()
    });
    for round in 0..place.races {
        let has_won = |racer: &usize| *ended[*racer][round].as_ref().unwrap_or_else(|error| panic!("round {round}: {error}"));
        let winners: Vec<usize> = (0..RACERS).filter(has_won).collect();
        assert_eq!(winners.len(), 1, "round {round}: {winners:?} hold it");
    }
}

/// The store's own clock is not ours to set: here a holder is dead as soon as it was heard of.
fn a_lock_without_a_heartbeat_is_taken_over(place: &Place) {
    let (one, other) = (place.open(), place.open());
    let dead = one.lock(now()).expect("it is free");
    conflict(other.lock_after(TimeDelta::minutes(5), now()).err().expect("it was heard of a moment ago"));
    dead.check().expect("it is still held");
    let at_once = TimeDelta::seconds(-1);
    let lock = other.lock_after(at_once, now()).expect("its holder has not been heard of for longer than that");
    let said = conflict(dead.check().expect_err("it is another's"));
    assert!(said.contains("taken over"), "{said}");
    conflict(dead.beat(now()).expect_err("it is another's"));
    drop(dead);
    lock.check().expect("the first holder's end does not end the second's hold");
    conflict(one.lock(now()).err().expect("it is held"));
    assert_eq!(paths(&one, "state/lock"), ["state/lock/2.json"], "nothing else is left there");
    drop(lock);
    one.lock(now()).expect("it is free again");
}

/// What `run` relies on when another one has taken its lock over while it was writing.
fn a_lock_publishes_over_what_was_surveyed_only(place: &Place) {
    let (run, other) = (place.open(), place.open());
    let path = "ad_days/dt=2026-03-01/ad_days.parquet";
    let there = |bytes: &Bytes| assert_eq!(other.get(path).expect("it can be read").as_ref(), Some(bytes));
    let surveyed = || other.list("ad_days").expect("it can be listed").pop().expect("it is there");
    let lock = run.lock(now()).expect("it is free");
    let [first, second, third] = [*b"abc", *b"def", *b"ghi"].map(|text| Bytes::from(text.to_vec()));

    let put =
        |bytes: &Bytes, surveyed: Option<&Object>| Put { path: path.into(), bytes: bytes.clone(), surveyed: surveyed.cloned() };
    let version = lock.publish(&run, &put(&first, None)).expect("there is none yet");
    there(&first);
    assert_eq!(surveyed().version, version);
    let old = surveyed();
    lock.publish(&run, &put(&second, Some(&old))).expect("it is still the one surveyed");
    there(&second);
    for surveyed in [Some(&old), None] {
        conflict(lock.publish(&run, &put(&third, surveyed)).expect_err("it was replaced meanwhile"));
        there(&second);
        // What a put finds there when its reply was lost, and it is made again.
        lock.publish(&run, &put(&second, surveyed)).expect("its own bytes are no conflict");
    }
    let gone = surveyed();
    lock.remove(&run, path).expect("it can be removed");
    conflict(lock.publish(&run, &put(&third, Some(&gone))).expect_err("it was removed meanwhile"));
    assert_eq!(other.get(path).expect("no error"), None);
}

fn a_stranger_is_denied_everything(place: &Place) {
    let path = "ads/ads.parquet";
    let ours = place.open();
    let (_, bytes) = table(3);
    ours.publish(path, bytes.clone()).expect("it can be published");
    let lake = Lake::open(&place.location, &place.stranger).expect("settings that look right");
    let object = ours.list("ads").expect("it can be listed").pop().expect("it is there");
    let denied = |what: &str, error: Option<Error>| {
        let error = error.unwrap_or_else(|| panic!("a stranger may {what}"));
        assert_eq!(error.kind(), ErrorKind::Denied, "{what}: {error}");
    };
    denied("list", lake.list("ads").err());
    denied("read", lake.get(path).err());
    denied("schema", lake.schema(&object).err());
    denied("write", lake.publish(path, content(b'b', 3)).err());
    denied("remove", lake.remove(path).err());
    denied("lock", lake.lock(now()).err());
    assert_eq!(ours.get(path).expect("it can be read"), Some(bytes));
}

//! Made the outputs beside this file. It is no part of the tests here: it belongs to the tests of version 0.1.0, where it goes to
//! `tests/it/graph/keep.rs`. How it is run stands in `tests/outputs/README.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ctwa::config::Settings;
use ctwa::lake::{Environment, Lake};
use ctwa::run::{self, Job, Wanted};
use futures::TryStreamExt as _;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::shop::{Shop, lake_world, restate};
use crate::{remote, servers};

type Objects = BTreeMap<String, Vec<u8>>;

/// A bucket of the S3 server, with a folder `lake` and a folder `out`.
struct Bucket {
    name: String,
    store: Arc<dyn ObjectStore>,
    runtime: tokio::runtime::Runtime,
}

impl Bucket {
    fn new(lake: &Objects) -> Bucket {
        let name = servers::s3().bucket();
        let store = servers::s3().store(&name);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let bucket = Bucket { name, store, runtime };
        bucket.land(lake);
        bucket
    }

    fn url(&self, folder: &str) -> String {
        format!("s3://{}/{folder}", self.name)
    }

    fn land(&self, lake: &Objects) {
        for (name, bytes) in lake {
            let key = Key::parse(format!("lake/{name}")).unwrap();
            self.runtime.block_on(self.store.put(&key, bytes.clone().into())).unwrap();
        }
    }

    fn names(&self, folder: &str) -> Vec<Key> {
        let listed = self.store.list(Some(&Key::from(folder))).map_ok(|meta| meta.location);
        self.runtime.block_on(listed.try_collect()).unwrap()
    }

    fn remove(&self, folder: &str) {
        for key in self.names(folder) {
            self.runtime.block_on(self.store.delete(&key)).unwrap();
        }
    }

    /// Writes what lies in a folder as files.
    fn keep(&self, folder: &str, under: &Path) {
        for key in self.names(folder) {
            let bytes = self.runtime.block_on(async { self.store.get(&key).await.unwrap().bytes().await.unwrap() });
            // Who held the lock says which machine that was, and is nobody's concern.
            let bytes = if key.as_ref().starts_with("out/state/lock/") { without_owner(&bytes) } else { bytes.to_vec() };
            let path = under.join(key.as_ref());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}

fn without_owner(lock: &[u8]) -> Vec<u8> {
    let mut lock: serde_json::Value = serde_json::from_slice(lock).unwrap();
    lock["owner"] = "left out".into();
    serde_json::to_vec_pretty(&lock).unwrap()
}

/// Where an output is kept.
fn kept(name: &str) -> PathBuf {
    let under = PathBuf::from(std::env::var("CTWA_KEEP_IN").expect("the folder to keep outputs in")).join(name);
    fs::create_dir_all(&under).unwrap();
    under
}

/// One run of the binary over a sample's lake.
fn keep_sample(sample: &str) {
    let bucket = Bucket::new(&remote::sample_lake(sample));
    let job = remote::Job::new(sample, &bucket.url("lake"), &bucket.url("out"));
    job.must("run", &[]);
    let under = kept(sample);
    fs::copy(job.folder.path().join("pipeline.toml"), under.join("pipeline.toml")).unwrap();
    bucket.keep("out", &under);
}

#[test]
fn sample_is_kept() {
    keep_sample("sample");
}

#[test]
fn sample_of_blip_is_kept() {
    keep_sample("sample-blip");
}

/// Two nights of a shop whose figures are fetched from Meta. Before the second the first partition retires, a day lands, and Meta
/// restates a figure.
#[test]
fn fetched_is_kept() {
    let shop = Shop::of(lake_world("2026-03-10"));
    let bucket = Bucket::new(&shop.files());
    let text = fs::read_to_string(&shop.lake.pipeline).unwrap();
    assert_eq!(text.matches("url = \"lake\"\n").count(), 1);
    let urls = format!("url = \"{}\"\n\n[output]\nurl = \"{}\"\n", bucket.url("lake"), bucket.url("out"));
    let pipeline = shop.lake.dir.join("fetched.toml");
    fs::write(&pipeline, text.replace("url = \"lake\"\n", &urls).replace("name = \"pipeline\"", "name = \"fetched\"")).unwrap();
    let settings = Settings::load(&pipeline).unwrap();
    let night = || {
        let environment: Environment = servers::s3().environment().into_iter().collect();
        let clock = || -> DateTime<Utc> { DateTime::from_timestamp(shop.server.stage().world.now, 0).unwrap() };
        let pause = |seconds: u64| {
            shop.server.stage().world.now += seconds as i64;
            Ok(())
        };
        let outcome = run::run(&Job {
            settings: &settings,
            lake: &Lake::open(&settings.lake, &environment).unwrap(),
            output: &Lake::open_or_create(&settings.output, &environment).unwrap(),
            wanted: Wanted::Through(None),
            accept_history_change: false,
            clock: &clock,
            stopped: &|| Ok(()),
            pause: Some(&pause),
            rows_at_once: ctwa::working::ROWS_AT_ONCE,
            progress: &ctwa::progress::unheard,
        });
        let outcome = outcome.unwrap();
        assert_eq!(outcome.worst, None, "{:?}", outcome.report.failures);
        outcome.report
    };
    assert_eq!(night().days.len(), 10);

    let next_day = Shop::of(lake_world("2026-03-11")).files().into_iter().filter(|(path, _)| path.contains("date=2026-03-11"));
    bucket.land(&next_day.collect());
    bucket.remove("lake/messages/date=2026-03-01");
    bucket.remove("lake/events/date=2026-03-01");
    restate(&shop, 1, "2026-03-09", "144.");
    shop.later(24);
    assert!(!night().insights.is_empty());

    let under = kept("fetched");
    fs::copy(&pipeline, under.join("pipeline.toml")).unwrap();
    bucket.keep("lake", &under);
    bucket.keep("out", &under);
}

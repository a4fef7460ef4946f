//! The whole job on object stores: whatever lies where, the published bytes are those on a local disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use ctwa::lake::{Environment, Lake, Location};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tempfile::TempDir;

use crate::lake::{self, Ran, unequal_objects};
use crate::servers::{self, Variables};

const TABLES: [&str; 4] = ["ads/", "ad_conversions/", "ad_days/", "bot_days/"];

/// The days of the samples.
const RANGE: [&str; 4] = ["--from", "2026-10-05", "--to", "2026-11-02"];

pub type Objects = BTreeMap<String, Vec<u8>>;

/// One runtime for all clients here: a connection ends with the runtime that opened it.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let new = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    RUNTIME.get_or_init(new).block_on(work)
}

/// A bucket of a store, and the test's own client to it.
pub struct Bucket {
    pub url: String,
    store: Arc<dyn ObjectStore>,
}

impl Bucket {
    pub fn on_s3() -> Bucket {
        let bucket = servers::s3().bucket();
        Bucket { url: format!("s3://{bucket}"), store: servers::s3().store(&bucket) }
    }

    fn on_azure() -> Bucket {
        let container = servers::azure().container();
        Bucket { url: format!("az://{container}"), store: servers::azure().store(&container) }
    }

    pub fn put(&self, files: &Objects) {
        let put = |(name, bytes): (&String, &Vec<u8>)| {
            let (store, key, bytes) = (self.store.clone(), Key::parse(name).expect("a name of an object"), bytes.clone());
            async move { store.put(&key, bytes.into()).await }
        };
        let all = stream::iter(files.iter().map(put)).buffer_unordered(8).try_for_each(|_| async { Ok(()) });
        block_on(all).expect("the server takes them");
    }

    /// Every object below a prefix, with what a listing says of it.
    fn listing(&self, prefix: &str) -> BTreeMap<String, (Option<String>, u64, DateTime<Utc>)> {
        let metas: Vec<_> = block_on(self.store.list(Some(&Key::from(prefix))).try_collect()).expect("a listing");
        let below = |key: &Key| key.as_ref()[prefix.len()..].trim_start_matches('/').to_owned();
        metas.into_iter().map(|meta| (below(&meta.location), (meta.e_tag, meta.size, meta.last_modified))).collect()
    }

    fn get(&self, name: &str) -> Vec<u8> {
        let got = async { self.store.get(&Key::parse(name).expect("a name of an object")).await?.bytes().await };
        block_on(got).unwrap_or_else(|error| panic!("{name}: {error}")).to_vec()
    }

    /// The objects of the four tables below a prefix.
    pub fn published(&self, prefix: &str) -> Objects {
        let names = self.listing(prefix).into_keys().filter(|name| TABLES.iter().any(|table| name.starts_with(table)));
        names.map(|name| (name.clone(), self.get(&format!("{prefix}/{name}")))).collect()
    }

    fn remove(&self, prefix: &str) {
        for name in self.listing(prefix).into_keys() {
            block_on(self.store.delete(&Key::parse(format!("{prefix}/{name}")).expect("a name"))).expect("it can be removed");
        }
    }
}

/// A sample's pipeline file over lake and output that lie anywhere.
pub struct Job {
    pub folder: TempDir,
}

impl Job {
    pub fn new(sample: &str, lake: &str, output: &str) -> Job {
        let text = pipeline_text(sample);
        let urls = text.lines().map(|line| match line.strip_prefix("url = ") {
            Some(url) if url.starts_with("\"../sample_data") => format!("url = {lake:?}\n"),
            Some(_) => format!("url = {output:?}\n"),
            None => format!("{line}\n"),
        });
        let text: String = urls.collect();
        assert!(text.contains(lake) && text.contains(output), "both locations are set: {text}");
        let folder = tempfile::tempdir().expect("a folder for the test");
        fs::write(folder.path().join("pipeline.toml"), text).expect("the pipeline file is written");
        Job { folder }
    }

    /// Changes a passage of the pipeline file.
    pub fn edit(&self, from: &str, to: &str) {
        let file = self.folder.path().join("pipeline.toml");
        let text = fs::read_to_string(&file).expect("the pipeline file is there");
        assert_eq!(text.matches(from).count(), 1, "{from:?} stands once in the pipeline file");
        fs::write(&file, text.replace(from, to)).expect("the pipeline file is written");
    }

    fn start(&self, command: &str, args: &[&str]) -> Child {
        let variables: Variables = [servers::s3().environment(), servers::azure().environment()].concat();
        Command::new(env!("CARGO_BIN_EXE_ctwa"))
            .args([command, "pipeline.toml"])
            .args(args)
            .env_clear()
            .envs(variables)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ctwa starts")
    }

    pub fn ctwa(&self, command: &str, args: &[&str]) -> Ran {
        ended(self.start(command, args))
    }

    pub fn must(&self, command: &str, args: &[&str]) {
        let ran = self.ctwa(command, args);
        assert_eq!(ran.code, 0, "{command} {args:?}: {}", ran.stderr);
    }
}

fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().expect("ctwa ends");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ran { code: output.status.code().unwrap_or(-1), stdout, stderr }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pipeline_text(sample: &str) -> String {
    fs::read_to_string(root().join(format!("pipelines/{sample}.toml"))).expect("the sample's pipeline file")
}

/// Where the sample's lake lies in the repository.
fn sample_folder(sample: &str) -> PathBuf {
    root().join(if sample == "sample" { "sample_data/contract" } else { "sample_data/blip" })
}

/// The files below a folder, by name.
pub fn objects_below(folder: &Path) -> Objects {
    fn walk(folder: &Path, prefix: &str, into: &mut Objects) {
        for entry in fs::read_dir(folder).expect("a folder of the sample") {
            let entry = entry.expect("an entry");
            let name = format!("{prefix}{}", entry.file_name().to_str().expect("a name in text"));
            match entry.path() {
                path if path.is_dir() => walk(&path, &format!("{name}/"), into),
                path => drop(into.insert(name, fs::read(path).expect("a file of the sample"))),
            }
        }
    }
    let mut files = Objects::new();
    walk(folder, "", &mut files);
    files
}

/// The sample's lake, by name below its root.
pub fn sample_lake(sample: &str) -> Objects {
    let files = objects_below(&sample_folder(sample));
    assert!(files.len() > 80, "{} files", files.len());
    files
}

pub fn below(prefix: &str, files: Objects) -> Objects {
    files.into_iter().map(|(name, bytes)| (format!("{prefix}/{name}"), bytes)).collect()
}

/// What one run over the sample publishes on a local disk. That it is right is for `sample` to judge.
fn on_disk() -> &'static Objects {
    static ON_DISK: OnceLock<Objects> = OnceLock::new();
    ON_DISK.get_or_init(|| {
        let job = Job::new("sample", sample_folder("sample").to_str().expect("a path in text"), "out");
        job.must("run", &[]);
        lake::objects(&job.folder.path().join("out")).expect("the output can be read")
    })
}

pub fn assert_as_on_disk(found: &Objects, when: &str) {
    assert_eq!(on_disk().len(), 88);
    assert_eq!(unequal_objects(found, on_disk()), Vec::<String>::new(), "{when}");
}

/// A sample's lake in the folder `lake` of a new bucket, its output in `out`.
fn landed(sample: &str, bucket: Bucket) -> (Bucket, Job) {
    bucket.put(&below("lake", sample_lake(sample)));
    let job = Job::new(sample, &format!("{}/lake", bucket.url), &format!("{}/out", bucket.url));
    (bucket, job)
}

fn is_the_same_in_one_run_and_in_a_backfill(sample: &str, bucket: Bucket) {
    let (bucket, job) = landed(sample, bucket);
    job.must("run", &[]);
    assert_as_on_disk(&bucket.published("out"), "one run");
    // Neither a day nor the lock, a receipt or a report: not even with the same bytes.
    let before = bucket.listing("");
    job.must("run", &[]);
    job.must("plan", &["--check"]);
    job.must("verify", &RANGE);
    assert_eq!(bucket.listing(""), before, "an idle run writes nothing");
    bucket.remove("out/ad_days");
    bucket.remove("out/work");
    job.must("backfill", &RANGE);
    assert_as_on_disk(&bucket.published("out"), "a backfill");
    let lake: Objects =
        bucket.listing("lake").into_keys().map(|name| (name.clone(), bucket.get(&format!("lake/{name}")))).collect();
    assert_eq!(unequal_objects(&lake, &sample_lake(sample)), Vec::<String>::new(), "the lake is as it was");
}

#[test]
fn the_sample_is_the_same_on_s3() {
    is_the_same_in_one_run_and_in_a_backfill("sample", Bucket::on_s3());
}

#[test]
fn the_sample_is_the_same_on_azure() {
    is_the_same_in_one_run_and_in_a_backfill("sample", Bucket::on_azure());
}

#[test]
fn the_sample_of_blip_is_the_same_on_s3() {
    is_the_same_in_one_run_and_in_a_backfill("sample-blip", Bucket::on_s3());
}

#[test]
fn the_sample_of_blip_is_the_same_on_azure() {
    is_the_same_in_one_run_and_in_a_backfill("sample-blip", Bucket::on_azure());
}

/// Each night the partitions of some days land, and a run publishes what they change.
fn is_the_same_night_by_night(bucket: Bucket, nights: usize) {
    let lake = sample_lake("sample");
    let day_of = |name: &str| name.split('/').find_map(|part| part.strip_prefix("date=")).map(str::to_owned);
    let mut days: Vec<Option<String>> = lake.keys().map(|name| day_of(name)).collect();
    days.sort();
    days.dedup();
    let job = Job::new("sample", &format!("{}/lake", bucket.url), &format!("{}/out", bucket.url));
    let mut published = Vec::new();
    // The first night brings what has no date.
    for night in days[1..].chunks(days.len().div_ceil(nights)) {
        let is_tonight = |name: &String| {
            if published.is_empty() { day_of(name) <= night[night.len() - 1] } else { night.contains(&day_of(name)) }
        };
        let tonight =
            lake.iter().filter(|(name, _)| is_tonight(name)).map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        bucket.put(&below("lake", tonight));
        job.must("run", &[]);
        published.push(bucket.listing("out/bot_days").len());
    }
    assert!(published.is_sorted() && published[0] < published[published.len() - 1], "days come night by night: {published:?}");
    assert_as_on_disk(&bucket.published("out"), "night by night");
}

#[test]
fn nights_come_to_the_same_on_s3() {
    is_the_same_night_by_night(Bucket::on_s3(), 10);
}

#[test]
fn nights_come_to_the_same_on_azure() {
    is_the_same_night_by_night(Bucket::on_azure(), 4);
}

/// One of two runs does the work, the other says who holds the output.
fn one_of_two_runs_does_the_work(bucket: Bucket) {
    let (bucket, job) = landed("sample", bucket);
    for _ in 0..10 {
        bucket.remove("out");
        let running = [job.start("run", &[]), job.start("run", &[])];
        let mut ran = running.map(ended);
        ran.sort_by_key(|ran| ran.code);
        assert_eq!(ran[0].code, 0, "{}", ran[0].stderr);
        assert_as_on_disk(&bucket.published("out"), "two at once");
        assert_eq!(bucket.listing("out/runs").len(), 1, "the work is done once");
        if ran[1].code == 7 {
            assert!(ran[1].stderr.contains("held by process "), "{}", ran[1].stderr);
            return;
        }
        // The second came when the first had done it all.
        assert_eq!(ran[1].code, 0, "{}", ran[1].stderr);
    }
    panic!("ten times two runs never met");
}

#[test]
fn one_of_two_runs_does_the_work_on_s3() {
    one_of_two_runs_does_the_work(Bucket::on_s3());
}

#[test]
fn one_of_two_runs_does_the_work_on_azure() {
    one_of_two_runs_does_the_work(Bucket::on_azure());
}

/// The dead hold their lock for a while; then the next run completes what they began.
fn a_run_completes_what_a_killed_one_began(bucket: Bucket) {
    let (bucket, job) = landed("sample", bucket);
    let days = |bucket: &Bucket| bucket.listing("out/bot_days").len();
    let killed = (0..10).any(|_| {
        bucket.remove("out");
        let mut running = job.start("run", &[]);
        while days(&bucket) < 3 && running.try_wait().expect("it can be asked").is_none() {}
        running.kill().expect("it can be killed");
        running.wait().expect("it ends");
        days(&bucket) < 29
    });
    assert!(killed, "ten runs ended before they could be killed");
    let begun = bucket.published("out");
    assert!(begun.iter().all(|(name, bytes)| on_disk().get(name) == Some(bytes)), "what is there is whole");

    let refused = job.ctwa("run", &[]);
    assert_eq!(refused.code, 7, "{}", refused.stderr);
    assert!(refused.stderr.contains("held by process ") && refused.stderr.contains("last heartbeat"), "{}", refused.stderr);
    assert_eq!(unequal_objects(&bucket.published("out"), &begun), Vec::<String>::new());

    // Somebody who does not wait half a minute takes the lock over, and lets it go. Then anybody may have it.
    let location = Location::resolve(&format!("{}/out", bucket.url), Path::new("/")).expect("a URL");
    let environment = [servers::s3().environment(), servers::azure().environment()].concat();
    let output = Lake::open(&location, &Environment::from_iter(environment)).expect("it can be opened");
    drop(output.lock_after(TimeDelta::seconds(-1), DateTime::default()).expect("its holder is dead"));
    job.must("run", &[]);
    assert_as_on_disk(&bucket.published("out"), "after a death");
}

#[test]
fn a_run_completes_what_a_killed_one_began_on_s3() {
    a_run_completes_what_a_killed_one_began(Bucket::on_s3());
}

#[test]
fn a_run_completes_what_a_killed_one_began_on_azure() {
    a_run_completes_what_a_killed_one_began(Bucket::on_azure());
}

#[test]
fn a_lake_on_s3_is_published_on_disk() {
    let bucket = Bucket::on_s3();
    bucket.put(&below("a lake", sample_lake("sample-blip")));
    let job = Job::new("sample-blip", &format!("{}/a lake", bucket.url), "out");
    let before = bucket.listing("");
    job.must("run", &[]);
    assert_as_on_disk(&lake::objects(&job.folder.path().join("out")).expect("the output can be read"), "from S3 to disk");
    assert_eq!(bucket.listing(""), before, "the lake is only read");
}

#[test]
fn a_lake_on_disk_is_published_on_azure() {
    let bucket = Bucket::on_azure();
    let folder = sample_folder("sample");
    let job = Job::new("sample", folder.to_str().expect("a path in text"), &format!("{}/an output", bucket.url));
    job.must("run", &[]);
    assert_as_on_disk(&bucket.published("an output"), "from disk to Azure");
}

#[test]
fn a_lake_on_azure_is_published_on_s3() {
    let (from, to) = (Bucket::on_azure(), Bucket::on_s3());
    from.put(&sample_lake("sample"));
    let job = Job::new("sample", &from.url, &to.url);
    job.must("run", &[]);
    assert_as_on_disk(&to.published(""), "from Azure to S3");
}

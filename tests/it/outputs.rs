//! Outputs that earlier versions left behind, as their users have them: nothing in them is stale for this version, but for what a
//! raised number of `LOGIC` names. `tests/outputs/README.md` says what is kept there and how a release adds its own.
//!
//! A receipt knows an object by its version, and on S3 that is the MD5 of its content. So a lake and an output that are copied are as
//! they were, which no copy on a disk is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ctwa::base::day::DayRange;
use ctwa::base::error::Result;
use ctwa::base::schema::LOGIC;
use ctwa::commands::plan::plan;
use ctwa::commands::verify::verify;
use ctwa::config::Settings;
use ctwa::engine::select::{self, Site};
use ctwa::known::job::{Job, Wanted};
use ctwa::lake::Lake;
use ctwa::run::{self, Outcome};
use futures::executor::block_on;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use md5::{Digest as _, Md5};
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use serde_json::{Value, json};

use crate::graph::shop::{Shop, lake_world, restate};
use crate::remote::sample_lake;

type Objects = BTreeMap<String, Vec<u8>>;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

// -------------------------------------------------------------------------------------------------------------- buckets

/// A store in memory whose versions are those of S3.
#[derive(Debug, Default)]
struct Bucket {
    objects: InMemory,
    etags: Mutex<BTreeMap<Key, String>>,
    puts: AtomicUsize,
}

impl Bucket {
    fn with(objects: &Objects) -> Arc<Bucket> {
        let bucket = Bucket::default();
        objects.iter().for_each(|(name, bytes)| bucket.land(name, bytes));
        bucket.puts.store(0, Ordering::Relaxed);
        Arc::new(bucket)
    }

    fn land(&self, name: &str, bytes: &[u8]) {
        let key = Key::parse(name).expect("a name of an object");
        block_on(self.put(&key, bytes.to_vec().into())).expect("memory takes it");
    }

    fn remove(&self, name: &str) {
        block_on(self.delete(&Key::parse(name).expect("a name of an object"))).expect("it is there");
    }

    fn get(&self, name: &str) -> Vec<u8> {
        let key = Key::parse(name).expect("a name of an object");
        let got = block_on(async { self.objects.get(&key).await?.bytes().await });
        got.unwrap_or_else(|error| panic!("{name}: {error}")).to_vec()
    }

    fn names(&self, below: &str) -> Vec<String> {
        let mut metas: Vec<ObjectMeta> = block_on(self.list(None).try_collect()).expect("memory can be listed");
        metas.retain(|meta| meta.location.as_ref().starts_with(below));
        metas.into_iter().map(|meta| meta.location.to_string()).collect()
    }

    fn all(&self) -> Objects {
        self.names("").into_iter().map(|name| (name.clone(), self.get(&name))).collect()
    }

    /// The receipts of a kind, by day.
    fn receipts(&self, kind: &str) -> BTreeMap<String, Value> {
        let months = self.names(&format!("work/receipts/{kind}/")).into_iter().map(|name| self.json(&name));
        months.flat_map(|month: BTreeMap<String, Value>| month).collect()
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> T {
        serde_json::from_slice(&self.get(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn etag(&self, key: &Key) -> Option<String> {
        self.etags.lock().expect("no test has failed meanwhile").get(key).cloned()
    }
}

fn etag_of(bytes: &[u8]) -> String {
    let digits: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bucket")
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, key: &Key, payload: PutPayload, mut options: PutOptions) -> object_store::Result<PutResult> {
        if let PutMode::Update(version) = &options.mode {
            if version.e_tag != self.etag(key) {
                return Err(Error::Precondition { path: key.to_string(), source: "it is another by now".into() });
            }
            options.mode = PutMode::Overwrite;
        }
        let etag = etag_of(&bytes::Bytes::from(payload.clone()));
        self.objects.put_opts(key, payload, options).await?;
        self.etags.lock().expect("no test has failed meanwhile").insert(key.clone(), etag.clone());
        self.puts.fetch_add(1, Ordering::Relaxed);
        Ok(PutResult { e_tag: Some(etag), version: None })
    }

    async fn put_multipart_opts(&self, key: &Key, _: PutMultipartOptions) -> object_store::Result<Box<dyn MultipartUpload>> {
        panic!("an object is put at once, but {key} is put in parts")
    }

    async fn get_opts(&self, key: &Key, mut options: GetOptions) -> object_store::Result<GetResult> {
        let etag = self.etag(key);
        if options.if_match.take().is_some_and(|wanted| Some(wanted) != etag) {
            return Err(Error::Precondition { path: key.to_string(), source: "it is another by now".into() });
        }
        let mut got = self.objects.get_opts(key, options).await?;
        got.meta.e_tag = etag;
        Ok(got)
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, object_store::Result<Key>>,
    ) -> BoxStream<'static, object_store::Result<Key>> {
        self.objects.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let etags = self.etags.lock().expect("no test has failed meanwhile").clone();
        let listed = self.objects.list(prefix);
        listed.map_ok(move |meta| ObjectMeta { e_tag: etags.get(&meta.location).cloned(), ..meta }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Key>) -> object_store::Result<ListResult> {
        panic!("whole folders are listed")
    }

    async fn copy_opts(&self, from: &Key, to: &Key, _: CopyOptions) -> object_store::Result<()> {
        panic!("objects are put, but {from} is copied to {to}")
    }
}

// -------------------------------------------------------------------------------------------------------------- outputs

/// An output with its lake, as a version left them.
struct Output {
    name: String,
    pipeline: String,
    settings: Settings,
    lake: Arc<Bucket>,
    out: Arc<Bucket>,
    /// When the last run began: what is due of Meta's figures depends on the time.
    now: DateTime<Utc>,
}

/// When the outputs of this version are made: in the night after the samples' last day.
const NIGHT: &str = "2026-11-03T06:00:00Z";

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Where the lake of an output lies that has none beside it: the samples' own, as long as they are what they were.
const SAMPLES: [(&str, &str); 2] = [("sample", "sample_data/contract"), ("sample-blip", "sample_data/blip")];

/// Every output that is kept.
fn kept() -> Vec<Output> {
    let folders = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
        paths.sort();
        paths
    };
    let versions = folders(&repository().join("tests/outputs"));
    versions.iter().flat_map(|version| folders(version)).map(|folder| Output::read(&folder)).collect()
}

impl Output {
    fn read(folder: &Path) -> Output {
        let name = folder.strip_prefix(repository().join("tests/outputs")).expect("it is kept there").display().to_string();
        let sample = SAMPLES.iter().find(|(sample, _)| folder.ends_with(sample)).map(|(_, lake)| repository().join(lake));
        let lake = Some(folder.join("lake")).filter(|lake| lake.exists()).or(sample).expect("it has a lake");
        Output::of(&name, &folder.join("pipeline.toml"), &files(&lake), &files(&folder.join("out")))
    }

    fn of(name: &str, pipeline: &Path, lake: &Objects, out: &Objects) -> Output {
        let settings = Settings::load(pipeline).expect("it is a pipeline file");
        let pipeline = fs::read_to_string(pipeline).expect("its text");
        let (name, lake, out) = (name.to_owned(), Bucket::with(lake), Bucket::with(out));
        let now = out.names("runs/").last().map(|last| instant(out.json::<Value>(last)["started"].as_str().expect("a text")));
        Output { name, pipeline, settings, lake, out, now: now.unwrap_or_else(|| instant(NIGHT)) }
    }

    fn with_job<T>(&self, work: impl FnOnce(&Job<'_>) -> Result<T>) -> T {
        let open = |location, bucket: &Arc<Bucket>| Lake::on_store(location, bucket.clone()).expect("memory can be opened");
        let (lake, output) = (open(&self.settings.lake, &self.lake), open(&self.settings.output, &self.out));
        let engine = select::engine(self.settings.engine, Site::new(&lake, &output));
        let done = work(&Job {
            settings: &self.settings,
            lake: &lake,
            output: &output,
            engine: engine.as_ref(),
            wanted: Wanted::Through(None),
            accept_history_change: false,
            clock: &|| self.now,
            stopped: &|| Ok(()),
            pause: Some(&|_| panic!("nothing is waited for")),
            progress: &ctwa::base::progress::unheard,
        });
        done.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// What `plan --json` says.
    fn plan(&self) -> Value {
        serde_json::to_value(self.with_job(plan)).expect("it is JSON")
    }

    fn run(&self) -> Outcome {
        let outcome = self.with_job(run::run);
        assert_eq!(outcome.worst, None, "{}: {:?}", self.name, outcome.report.failures);
        outcome
    }

    /// What `verify --json` says of all days of a plan.
    fn verify(&self, plan: &Value) -> Value {
        let [first, last] =
            ["first_day", "last_day"].map(|end| plan[end].as_str().and_then(|day| day.parse().ok()).expect("a day"));
        let days = DayRange::new(first, last).expect("days in order");
        serde_json::to_value(self.with_job(|job| verify(job, days))).expect("it is JSON")
    }
}

fn files(folder: &Path) -> Objects {
    fn walk(folder: &Path, root: &Path, found: &mut Objects) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).expect("below the root").to_str().expect("a name in text");
                found.insert(name.replace('\\', "/"), fs::read(&path).expect("a file that can be read"));
            }
        }
    }
    let mut found = Objects::new();
    walk(folder, folder, &mut found);
    found
}

fn write(folder: &Path, objects: &Objects) {
    for (name, bytes) in objects {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder that can be made");
        fs::write(path, bytes).expect("a file that can be written");
    }
}

// ------------------------------------------------------------------------------------------------------ what is expected

/// The numbers of `LOGIC` that are others than those in the receipts.
struct Raised {
    touches: bool,
    conversions: bool,
    insights: bool,
    ads: bool,
    days: bool,
}

impl Raised {
    fn since(out: &Bucket) -> Raised {
        let is_other = |kind: &str, now: Value| {
            let receipts = out.receipts(kind);
            assert!(!receipts.is_empty(), "receipts of {kind}");
            receipts.values().any(|receipt| receipt["logic"] != now)
        };
        Raised {
            touches: is_other("messages", LOGIC.touches.into()),
            conversions: is_other("events", LOGIC.conversions.into()),
            insights: is_other("insights", LOGIC.insights.into()),
            ads: out.json::<Value>("work/receipts/ads.json")["logic"] != LOGIC.ads,
            days: is_other("days", json!([LOGIC.ad_conversions, LOGIC.ad_days, LOGIC.bot_days])),
        }
    }

    fn tables(&self) -> Vec<&'static str> {
        let tables = [("messages", self.touches), ("events", self.conversions), ("insights", self.insights)];
        tables.into_iter().filter(|(_, is_raised)| *is_raised).map(|(table, _)| table).collect()
    }

    fn any(&self) -> bool {
        self.ads || self.days || !self.tables().is_empty()
    }
}

/// Days of a plan, or partitions, with their reasons.
fn steps(plan: &Value, of: &str) -> Vec<String> {
    let text = |step: &Value| ["table", "day", "reason"].map(|key| step[key].as_str().unwrap_or_default()).join(" ");
    plan[of].as_array().expect("a list").iter().map(text).collect()
}

const LOGIC_CHANGED: &str = "logic changed";

/// Whether everything that a plan says of this output has its reason in a raised number; where not, what it says.
fn only_logic_is_stale(output: &Output, plan: &Value) -> std::result::Result<(), String> {
    let raised = Raised::since(&output.out);
    let tables = raised.tables();
    let landed: BTreeSet<String> = output.lake.names("").iter().filter_map(|name| landed_partition(name)).collect();
    let of_raised = landed.iter().filter(|partition| tables.iter().any(|table| partition.starts_with(table)));
    let to_read: BTreeSet<String> = of_raised.map(|partition| format!("{partition} {LOGIC_CHANGED}")).collect();
    let is_stale = json!({
        "stale": raised.any(),
        "partitions": to_read,
        "ads": raised.ads || raised.touches,
        "days for another reason": [],
        "days": raised.days || raised.touches || raised.conversions,
        "identities": false,
        "removed": [],
        "blocked": {},
        "fetches": [],
        "failures": [],
    });
    let others = steps(plan, "days").into_iter().filter(|step| !(raised.days && step.ends_with(LOGIC_CHANGED)));
    let days = steps(plan, "days").len() + steps(plan, "days_at_most").len();
    let is_said = json!({
        "stale": plan["stale"],
        "partitions": steps(plan, "partitions").into_iter().collect::<BTreeSet<String>>(),
        "ads": plan["ads"],
        "days for another reason": others.collect::<Vec<String>>(),
        "days": days > 0,
        "identities": plan["identities_changed"],
        "removed": plan["days_removed"],
        "blocked": plan["days_blocked"],
        "fetches": plan["fetches"],
        "failures": plan["failures"],
    });
    let told = || format!("{}: {is_said:#}\nexpected {is_stale:#}\nsee tests/outputs/README.md", output.name);
    if is_said == is_stale { Ok(()) } else { Err(told()) }
}

/// Of an object of the lake: table and day of its partition.
fn landed_partition(name: &str) -> Option<String> {
    let (table, inside) = name.split_once("/date=")?;
    Some(format!("{table} {}", inside.split_once('/')?.0))
}

// ---------------------------------------------------------------------------------------------------------------- tests

#[test]
fn outputs_of_earlier_versions_are_not_stale() {
    let all = kept();
    assert!(all.len() >= 3, "{} outputs", all.len());
    for output in all {
        let (plan, before) = (output.plan(), output.out.all());
        only_logic_is_stale(&output, &plan).unwrap_or_else(|told| panic!("{told}"));
        let outcome = output.run();
        if plan["stale"] == false {
            let puts = [&output.lake, &output.out].map(|bucket| bucket.puts.load(Ordering::Relaxed));
            assert_eq!(puts, [0, 0], "{}: a run wrote", output.name);
            assert!(outcome.report.started.is_none() && output.out.all() == before, "{}", output.name);
        }
        is_whole(&output);
    }
}

/// After a run nothing is stale, and what is published is what the lake says.
fn is_whole(output: &Output) {
    let plan = output.plan();
    assert_eq!(plan["stale"], false, "{}: {plan:#}", output.name);
    let verdict = output.verify(&plan);
    assert_eq!((&verdict["differences"], &verdict["failures"]), (&json!([]), &json!([])), "{}", output.name);
    // What a retired partition overlaps, here two local days, is as it was published, and nobody can check it.
    let count = |bucket: &Bucket, below: &str| bucket.names(below).len();
    let has_retired = count(&output.out, "work/touches/") > count(&output.lake, "events/");
    let expected = count(&output.out, "bot_days/") - if has_retired { 2 } else { 0 };
    assert_eq!(verdict["days_checked"], expected, "{}", output.name);
}

const DAY: &str = "2026-10-20";

/// A kept output in which nothing is stale, and then something is altered.
fn altered(name: &str, alter: impl FnOnce(&Output)) -> (Output, Value) {
    let output = kept().into_iter().find(|output| output.name.ends_with(name)).expect("it is kept");
    output.run();
    alter(&output);
    let plan = output.plan();
    assert!(only_logic_is_stale(&output, &plan).is_err(), "{plan:#}");
    (output, plan)
}

fn edit(bucket: &Bucket, name: &str, change: impl FnOnce(&mut Value)) {
    let mut json: Value = bucket.json(name);
    change(&mut json);
    bucket.land(name, json.to_string().as_bytes());
}

#[test]
fn an_altered_receipt_of_a_day_makes_that_day_stale() {
    let (output, plan) = altered("/sample", |output| {
        edit(&output.out, "work/receipts/days/2026-10.json", |month| {
            month[DAY]["rows_in_reach"] = month["2026-10-19"]["rows_in_reach"].clone();
        });
    });
    let days = steps(&plan, "days");
    assert!(days.len() == 1 && days[0].contains(DAY), "{days:?}");
    output.run();
    is_whole(&output);
}

#[test]
fn an_altered_version_in_a_receipt_makes_its_partition_be_read() {
    let (_, plan) = altered("/sample-blip", |output| {
        edit(&output.out, "work/receipts/messages/2026-10.json", |month| month[DAY]["inputs"][0]["version"] = "\"0\"".into());
    });
    assert_eq!(steps(&plan, "partitions"), [format!("messages {DAY} partition changed")]);
}

#[test]
fn an_altered_table_makes_its_day_stale() {
    let (_, plan) = altered("/sample", |output| {
        output.out.land(&format!("bot_days/dt={DAY}/bot_days.parquet"), b"another's");
    });
    assert_eq!(steps(&plan, "days"), [format!(" {DAY} published bot_days changed or gone")]);
}

#[test]
fn a_ledger_that_is_lost_makes_everything_be_fetched() {
    let (_, plan) = altered("/fetched", |output| output.lake.remove("insights/_ledger/act_123.json"));
    let accounts: Vec<&Value> = plan["fetches"].as_array().expect("a list").iter().map(|fetch| &fetch["account"]).collect();
    assert_eq!(accounts, ["act_123"]);
}

// ------------------------------------------------------------------------------------------------------ of this version

/// One run over a sample's lake.
fn sample(name: &str) -> Output {
    let job = crate::remote::Job::new(name, "s3://kept/lake", "s3://kept/out");
    let output = Output::of(name, &job.folder.path().join("pipeline.toml"), &sample_lake(name), &Objects::new());
    output.run();
    output
}

/// Two nights of a shop whose figures are fetched from Meta. Before the second the first partition retires, a day lands, and Meta
/// restates a figure.
fn fetched() -> Output {
    let shop = Shop::of(lake_world("2026-03-10"));
    let text = fs::read_to_string(&shop.lake.pipeline).expect("its pipeline file");
    let text = text.replace("name = \"pipeline\"", "name = \"fetched\"");
    let text = text.replace("url = \"lake\"\n", "url = \"s3://kept/lake\"\n\n[output]\nurl = \"s3://kept/out\"\n");
    let pipeline = shop.lake.dir.join("fetched.toml");
    fs::write(&pipeline, text).expect("the pipeline file is written");
    let mut output = Output::of("fetched", &pipeline, &shop.files(), &Objects::new());
    for night in ["2026-03-11T18:00:00Z", "2026-03-12T18:00:00Z"] {
        if output.out.puts.load(Ordering::Relaxed) > 0 {
            let landed = Shop::of(lake_world("2026-03-11")).files().into_iter().filter(|(name, _)| name.contains("2026-03-11"));
            landed.for_each(|(name, bytes)| output.lake.land(&name, &bytes));
            ["messages", "events"]
                .iter()
                .for_each(|table| output.lake.remove(&format!("{table}/date=2026-03-01/part-0.parquet")));
            restate(&shop, 1, "2026-03-09", "144.");
        }
        shop.at(night);
        output.now = instant(night);
        output.run();
    }
    output
}

#[test]
fn an_output_of_this_version_can_be_kept() {
    let outputs = [sample("sample"), sample("sample-blip"), fetched()];
    outputs.iter().for_each(is_whole);
    if std::env::var_os("CTWA_KEEP_OUTPUTS").is_none() {
        return;
    }
    let version = env!("CARGO_PKG_VERSION");
    let folder = repository().join("tests/outputs").join(version);
    assert!(!folder.exists(), "the outputs of {version} are kept already, and never written anew");
    for output in outputs {
        let below = folder.join(&output.name);
        // Who held the lock says which machine that was, and is nobody's concern.
        output.out.names("state/lock/").iter().for_each(|lock| edit(&output.out, lock, |lock| lock["owner"] = "left out".into()));
        write(&below.join("out"), &output.out.all());
        fs::write(below.join("pipeline.toml"), &output.pipeline).expect("a file that can be written");
        if !SAMPLES.iter().any(|(sample, _)| *sample == output.name) {
            write(&below.join("lake"), &output.lake.all());
        }
    }
}

//! The binary on a store behind a network that fails: the job comes to the same bytes, or says what to do and leaves what was
//! published as it was. And how much it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::lake::{Ran, unequal_objects};
use crate::proxy::{Fault, INTERNAL_ERROR, Proxy, Request, SLOW_DOWN};
use crate::scene::{PIPELINE, Scene};
use crate::servers::{self, Variables};

const TABLES: [&str; 4] = ["ads/", "ad_conversions/", "ad_days/", "bot_days/"];

type Objects = BTreeMap<String, Vec<u8>>;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// A scene in a bucket of its own, and what its tables are on a local disk.
struct Remote {
    scene: Scene,
    bucket: String,
    store: Arc<dyn ObjectStore>,
    on_disk: Objects,
}

impl Remote {
    fn new() -> Remote {
        let scene = Scene::new();
        assert_eq!(scene.ctwa("run", &[]).code, 0);
        let on_disk = scene.objects();
        let bucket = servers::s3().bucket();
        let remote = Remote { store: servers::s3().store(&bucket), scene, bucket, on_disk };
        remote.upload(&remote.scene.lake.dir.join("lake"), "wa");
        remote.use_pipeline(&format!("s3://{}/wa", remote.bucket));
        remote
    }

    fn use_pipeline(&self, url: &str) {
        let text = PIPELINE.replace("url = \"lake\"", &format!("url = \"{url}\"")).replace("[output]\nurl = \"out\"\n", "");
        self.scene.pipeline(&text);
    }

    fn upload(&self, folder: &Path, prefix: &str) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = format!("{prefix}/{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                self.upload(&path, &name);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                block_on(self.store.put(&name.into(), bytes.into())).expect("the server takes it");
            }
        }
    }

    /// The published tables.
    fn objects(&self) -> Objects {
        let mut objects = self.below("wa/ctwa");
        objects.retain(|path, _| TABLES.iter().any(|table| path.starts_with(table)));
        objects
    }

    fn below(&self, prefix: &str) -> Objects {
        block_on(async {
            let metas: Vec<_> = self.store.list(Some(&prefix.into())).try_collect().await.expect("a listing");
            let mut objects = Objects::new();
            for meta in metas {
                let bytes = self.store.get(&meta.location).await.expect("it is there").bytes().await.expect("its bytes");
                let path = meta.location.as_ref()[prefix.len() + 1..].to_owned();
                objects.insert(path, bytes.to_vec());
            }
            objects
        })
    }

    /// Removes what lies in a folder of the output.
    fn forget(&self, folder: &str) {
        for object in self.below(&format!("wa/ctwa/{folder}")).into_keys() {
            block_on(self.store.delete(&format!("wa/ctwa/{folder}/{object}").into())).expect("it can be removed");
        }
    }

    fn ctwa(&self, endpoint: &str, changed: &[(&str, &str)], command: &str, args: &[&str]) -> Ran {
        let mut variables: Variables = servers::s3().environment();
        variables.retain(|(name, _)| name != "AWS_ENDPOINT_URL");
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        // Half a second is long on the loopback; what fails is tried for a few.
        variables.extend([set("AWS_ENDPOINT_URL", endpoint), set("AWS_TIMEOUT", "500ms"), set("CTWA_RETRY_TIMEOUT", "4")]);
        for (name, value) in changed {
            variables.retain(|(known, _)| known != name);
            variables.extend((!value.is_empty()).then(|| set(name, value)));
        }
        ctwa(&self.scene, variables, command, args)
    }

    fn run(&self, proxy: &Proxy) -> Ran {
        self.ctwa(proxy.endpoint(), &[], "run", &[])
    }
}

/// The binary with these variables and none of the machine's own.
fn ctwa(scene: &Scene, variables: Variables, command: &str, args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_ctwa"))
        .arg(command)
        .arg(&scene.lake.pipeline)
        .args(args)
        .env_clear()
        .envs(variables)
        .current_dir(&scene.lake.dir)
        .output()
        .expect("ctwa starts");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn endpoint() -> String {
    let variables = servers::s3().environment();
    variables.into_iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").expect("an endpoint").1
}

/// Whatever fails in passing, the run ends with the bytes of an undisturbed one on a disk.
#[test]
fn a_run_outlives_what_passes() {
    let remote = Remote::new();
    let faults =
        [SLOW_DOWN, INTERNAL_ERROR, Fault::LostReply, Fault::CutBody, Fault::StuckBody, Fault::Silence, Fault::DoneInSilence];
    for fault in faults {
        for folder in ["ads", "ad_conversions", "ad_days", "bot_days", "work", "state"] {
            remote.forget(folder);
        }
        let struck = Arc::new(AtomicUsize::new(0));
        let counter = struck.clone();
        // Waiting takes a second each time, so these strike a few requests, the others every fifth.
        let is_slow = matches!(fault, Fault::StuckBody | Fault::Silence);
        let proxy = Proxy::start(&endpoint(), move |request: &Request| {
            let has_turn = if is_slow { request.nth % 11 == 4 } else { request.nth % 5 == 2 };
            // A read that gets no answer is asked again, a write is not: it could have been done.
            let may_strike =
                has_turn && (!matches!(fault, Fault::Silence | Fault::CutBody | Fault::StuckBody) || request.method == "GET");
            may_strike.then(|| counter.fetch_add(1, Ordering::SeqCst)).map(|_| fault)
        });
        let ran = remote.run(&proxy);
        assert!(struck.load(Ordering::SeqCst) >= 3, "{fault:?} struck {struck:?} times");
        assert_eq!(ran.code, 0, "{fault:?}: {}", ran.stderr);
        assert_eq!(unequal_objects(&remote.objects(), &remote.on_disk), Vec::<String>::new(), "{fault:?}");
    }
}

/// A store that is down from some request on: exit 4, with what to do; what was published stays, and the next run completes it.
#[test]
fn a_store_that_stays_down_is_said_after_bounded_retries() {
    let remote = Remote::new();
    for from in [1, 12, 40, 70] {
        let proxy = Proxy::start(&endpoint(), move |request: &Request| (request.nth >= from).then_some(SLOW_DOWN));
        let before = remote.objects();
        // The lock of a run that could not release it dies after thirty seconds.
        remote.forget("state/lock");
        let ran = remote.run(&proxy);
        if proxy.seen().len() < from {
            continue;
        }
        assert_eq!(ran.code, 4, "down from {from} on: {}", ran.stderr);
        assert!(ran.stderr.contains("SlowDown") && ran.stderr.contains("run again when it answers"), "{}", ran.stderr);
        let asked = proxy.seen().len() - from + 1;
        assert!(asked <= 200, "{asked} requests of a store that is down");
        let after = remote.objects();
        assert!(before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)), "down from {from} on");
    }
    remote.forget("state/lock");
    let ran = remote.ctwa(&endpoint(), &[], "run", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(unequal_objects(&remote.objects(), &remote.on_disk), Vec::<String>::new());
}

/// A put that the store never hears of may not be taken for done.
#[test]
fn a_put_that_was_not_heard_is_missed() {
    let remote = Remote::new();
    let proxy = Proxy::start(&endpoint(), |request: &Request| {
        (request.method == "PUT" && request.is_about("ctwa/ad_days/")).then_some(Fault::Silence)
    });
    let ran = remote.run(&proxy);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("ad_days/"), "{}", ran.stderr);
    let ran = remote.ctwa(&endpoint(), &[], "run", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(unequal_objects(&remote.objects(), &remote.on_disk), Vec::<String>::new());
}

/// Listings of some minutes ago show partitions that are gone and days that are older: a run on them may find a conflict, but never
/// publishes over what it did not see, and the next run with true listings comes to the right bytes.
#[test]
fn stale_listings_do_no_harm() {
    let remote = Remote::new();
    let is_stale = Arc::new(AtomicBool::new(false));
    let sign = is_stale.clone();
    let proxy = Proxy::start(&endpoint(), move |request: &Request| {
        (request.is_list() && request.is_about("ctwa/") && !request.is_about("ctwa/state") && sign.load(Ordering::SeqCst))
            .then_some(Fault::StaleListing)
    });
    // Of an empty output.
    assert_eq!(remote.ctwa(proxy.endpoint(), &[], "plan", &[]).code, 0);
    assert_eq!(remote.ctwa(&endpoint(), &[], "run", &[]).code, 0);
    is_stale.store(true, Ordering::SeqCst);
    let ran = remote.run(&proxy);
    assert_eq!(ran.code, 0, "it finds its own bytes: {}", ran.stderr);
    assert_eq!(unequal_objects(&remote.objects(), &remote.on_disk), Vec::<String>::new());
    // Now what is there is not what this run would write, and it does not see it.
    let day = remote.on_disk.keys().find(|path| path.starts_with("ad_days/")).expect("a day");
    block_on(remote.store.put(&format!("wa/ctwa/{day}").into(), vec![7; 100].into())).expect("the server takes it");
    let ran = remote.run(&proxy);
    assert_eq!(ran.code, 7, "{}", ran.stderr);
    assert!(ran.stderr.contains("replaced or removed since this run looked") && ran.stderr.contains(day), "{}", ran.stderr);
    assert_eq!(remote.objects()[day], vec![7; 100], "what it did not see is not replaced");
    is_stale.store(false, Ordering::SeqCst);
    assert_eq!(remote.ctwa(&endpoint(), &[], "run", &[]).code, 0);
    assert_eq!(unequal_objects(&remote.objects(), &remote.on_disk), Vec::<String>::new());
}

fn refuse(part: &'static str, method: &'static str) -> impl Fn(&Request) -> Option<Fault> + Send + Sync {
    const DENIED: Fault = Fault::Answer(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
    move |request| (request.method == method && request.is_about(part)).then_some(DENIED)
}

/// Denied is exit 5, at once, with the permission that is missing and where.
#[test]
fn a_missing_permission_is_named() {
    let remote = Remote::new();
    let prefix = format!("s3://{}/wa", remote.bucket);
    for (part, method, permission, location) in [
        ("messages/", "GET", "s3:ListBucket", prefix.clone()),
        ("messages.parquet", "GET", "s3:GetObject", prefix.clone()),
        ("part-0", "GET", "s3:GetObject", prefix.clone()),
        ("state/lock", "PUT", "s3:PutObject", format!("{prefix}/ctwa")),
        ("ad_days/", "PUT", "s3:PutObject", format!("{prefix}/ctwa")),
    ] {
        let proxy = Proxy::start(&endpoint(), refuse(part, method));
        let ran = remote.run(&proxy);
        let mut denied = proxy.seen();
        denied.retain(|request| refuse(part, method)(request).is_some());
        if denied.is_empty() {
            continue;
        }
        assert_eq!(ran.code, 5, "{part}: {}", ran.stderr);
        let targets: BTreeSet<&str> = denied.iter().map(|request| request.target.as_str()).collect();
        assert_eq!(denied.len(), targets.len(), "{part}: nothing is asked for again");
        let said = format!("give this credential {permission} on {location}");
        assert!(ran.stderr.contains(&said), "{part}: {}", ran.stderr);
    }
}

/// What is wrong, the variables or the url that are wrong, the exit code, and what must be said.
#[test]
fn each_mistake_has_a_sentence_of_its_own() {
    let remote = Remote::new();
    let answering = |status, body| Proxy::start(&endpoint(), move |_: &Request| Some(Fault::Answer(status, body)));
    let elsewhere = answering(301, "");
    let malformed = answering(
        400,
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong</Message>\
         <Region>sa-east-1</Region></Error>",
    );
    let expired = answering(400, "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>");
    let skewed =
        answering(403, "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>");
    let stranger = answering(404, "<html>nobody here</html>");
    let secret = servers::s3().environment_of_a_stranger();
    let secret = &secret.iter().find(|(name, _)| name == "AWS_SECRET_ACCESS_KEY").expect("a secret").1;
    let nowhere = "http://127.0.0.1:9";
    type Mistake<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, i32, Vec<&'a str>);
    let here = endpoint();
    let mistakes: Vec<Mistake<'_>> = vec![
        ("bucket", &here, vec![], 2, vec!["s3://no-such-bucket does not exist", "correct the url"]),
        ("region, no hint", elsewhere.endpoint(), vec![], 2, vec!["lies in another region than us-east-1", "AWS_REGION"]),
        (
            "region",
            malformed.endpoint(),
            vec![],
            2,
            vec!["lies in region sa-east-1, not in us-east-1", "set AWS_REGION to sa-east-1"],
        ),
        ("nobody at the endpoint", nowhere, vec![], 4, vec!["cannot be reached", nowhere, "AWS_ENDPOINT_URL"]),
        ("no store at the endpoint", stranger.endpoint(), vec![], 2, vec!["nothing at the endpoint knows", "AWS_ENDPOINT_URL"]),
        ("http", &here, vec![("AWS_ALLOW_HTTP", "")], 2, vec!["http://", "AWS_ALLOW_HTTP"]),
        ("secret", &here, vec![("AWS_SECRET_ACCESS_KEY", secret)], 5, vec!["refuses the signature", "secret"]),
        ("key", &here, vec![("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")], 5, vec!["does not know the access key", "AWS_ACCESS_KEY_ID"]),
        ("expired", expired.endpoint(), vec![], 5, vec!["session token", "get new credentials"]),
        ("clock", skewed.endpoint(), vec![], 5, vec!["refuses this machine's clock", "set the clock"]),
        (
            "no credentials",
            &here,
            vec![("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_METADATA_ENDPOINT", nowhere)],
            5,
            vec!["there are no credentials", "AWS_*"],
        ),
        (
            "profile",
            &here,
            vec![("AWS_ACCESS_KEY_ID", ""), ("AWS_PROFILE", "work")],
            2,
            vec!["AWS_PROFILE", "export-credentials"],
        ),
    ];
    for (mistake, endpoint, mut changed, code, said) in mistakes {
        let bucket = if mistake == "bucket" { "no-such-bucket" } else { &remote.bucket };
        remote.use_pipeline(&format!("s3://{bucket}/wa"));
        changed.push(("CTWA_RETRY_TIMEOUT", "1"));
        for command in ["run", "check"] {
            let ran = remote.ctwa(endpoint, &changed, command, &[]);
            let all = format!("{}{}", ran.stdout, ran.stderr);
            assert_eq!(ran.code, code, "{mistake}: {command}: {all}");
            for part in &said {
                assert!(all.contains(part), "{mistake}: {command} does not say {part:?}: {all}");
            }
            assert!(!all.contains(secret.as_str()), "{mistake}: a secret is printed");
        }
    }
}

/// The requests that `plan --json` reports are those that a store sees, and an idle run makes no others.
#[test]
fn requests_are_few_and_reported() {
    let remote = Remote::new();
    let proxy = Proxy::start(&endpoint(), |_: &Request| None);
    assert_eq!(remote.run(&proxy).code, 0);
    let report = |ran: &Ran, name: &str| -> BTreeMap<String, u64> {
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
        serde_json::from_value(report[name].clone()).expect("counts")
    };
    let seen = |from: usize| {
        let mut counts: BTreeMap<String, u64> = ["list", "get", "head", "put", "delete"].map(|kind| (kind.to_owned(), 0)).into();
        for request in &proxy.seen()[from..] {
            let kind = if request.is_list() { "list".to_owned() } else { request.method.to_ascii_lowercase() };
            *counts.get_mut(&kind).expect("a kind of request") += 1;
        }
        counts
    };
    let from = proxy.seen().len();
    let plan = remote.ctwa(proxy.endpoint(), &[], "plan", &["--json"]);
    let planned = report(&plan, "survey_requests");
    assert_eq!(planned, seen(from));
    let from = proxy.seen().len();
    let idle = remote.ctwa(proxy.endpoint(), &[], "run", &["--json"]);
    // A run looks at the lock too, before anything else, and asks which ads Meta has figures of, as some ids here are no digits.
    let more = BTreeMap::from([("list", 1), ("get", 2)]);
    let looked = |(kind, count): (&String, &u64)| (kind.clone(), count + more.get(kind.as_str()).unwrap_or(&0));
    let asked: BTreeMap<String, u64> = planned.iter().map(looked).collect();
    assert_eq!(report(&idle, "requests"), asked, "{}", idle.stdout);
    assert_eq!(seen(from), asked);
    assert_eq!((planned["put"], planned["delete"]), (0, 0));
    assert!(planned.values().sum::<u64>() <= 30, "{planned:?}");
}

/// Of a raw partition only the footer and the needed columns are fetched.
#[test]
fn columns_that_nobody_needs_are_not_fetched() {
    let remote = Remote::new();
    let proxy = Proxy::start(&endpoint(), |_: &Request| None);
    let day = "date=2026-03-02";
    // A body of 3 MB that does not compress, between the columns that are needed.
    let mut columns = remote.scene.columns("messages");
    let rows = columns[0].1.len();
    let mut dice = crate::lake::Dice(5);
    let body: Vec<String> =
        (0..rows).map(|_| (0..3_000_000 / rows).map(|_| char::from(b'!' + dice.roll(90) as u8)).collect()).collect();
    let body = crate::lake::strings(body.iter().map(|text| Some(text.as_str())));
    columns.insert(2, ("body", body));
    let file = remote.scene.file("messages", "2026-03-02");
    crate::lake::write_file(&file, columns, &crate::lake::Form::default());
    let bytes = std::fs::read(&file).expect("the file");
    assert!(bytes.len() > 2_000_000);
    let path = format!("wa/messages/{day}/{}", file.file_name().unwrap().to_str().unwrap());
    block_on(remote.store.put(&path.as_str().into(), bytes.clone().into())).expect("the server takes it");
    assert_eq!(remote.run(&proxy).code, 0);
    assert!(proxy.body_bytes() < 500_000, "{} bytes were fetched", proxy.body_bytes());
    let gets: Vec<Request> = proxy
        .seen()
        .into_iter()
        .filter(|request| {
            request.method == "GET" && request.is_about("messages/date%3D2026-03-02/") || request.target.contains(&path)
        })
        .collect();
    assert!(!gets.is_empty() && gets.len() <= 4, "{gets:?}");
}

/// A file that is replaced between two requests for parts of it is not read half and half.
#[test]
fn an_input_that_is_replaced_meanwhile_is_said() {
    let remote = Remote::new();
    let file = remote.scene.file("messages", "2026-03-02");
    // Large enough for several requests.
    let mut columns = remote.scene.columns("messages");
    let rows = columns[0].1.len();
    let mut dice = crate::lake::Dice(5);
    let titles: Vec<String> =
        (0..rows).map(|_| (0..400_000 / rows).map(|_| char::from(b'a' + dice.roll(26) as u8)).collect()).collect();
    let title = columns.iter().position(|(name, _)| *name == "ad_title").expect("a title");
    columns[title].1 = crate::lake::strings(titles.iter().map(|text| Some(text.as_str())));
    crate::lake::write_file(&file, columns, &crate::lake::Form::default());
    let bytes = std::fs::read(&file).expect("the file");
    let path = format!("wa/messages/date=2026-03-02/{}", file.file_name().unwrap().to_str().unwrap());
    block_on(remote.store.put(&path.as_str().into(), bytes.clone().into())).expect("the server takes it");

    let (store, name, asked) = (remote.store.clone(), path.clone(), AtomicUsize::new(0));
    let proxy = Proxy::start(&endpoint(), move |request: &Request| {
        let is_read = request.method == "GET" && !request.is_list() && request.target.contains("messages/date%3D2026-03-02/");
        if is_read && asked.fetch_add(1, Ordering::SeqCst) == 1 {
            let mut other = bytes.clone();
            other.push(b' ');
            block_on(store.put(&name.as_str().into(), other.into())).expect("the server takes it");
        }
        None
    });
    let ran = remote.run(&proxy);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("replaced while it was read") && ran.stderr.contains("run again"), "{}", ran.stderr);
}

//! Delta Lake tables of a real writer: delta-rs, through its Python package. Whatever the history of a table, state by state it gives
//! what the same rows give as plain Parquet, on a local disk and on S3. What that writer does not write is written by hand in
//! `delta_log.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::remote::{Bucket, Job, assert_as_on_disk, below, objects_below, sample_lake};
use crate::scene::Scene;
use crate::servers;

/// The Python that has delta-rs.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = PYTHON.get_or_init(|| servers::python_environment("delta", "delta-requirements.txt"));
    installed.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

fn write(what: &str, plain: &Path, out: &Path) {
    let written = Command::new(python()).arg(servers::sources().join("delta.py")).arg(what).args([plain, out]).output();
    let written = written.expect("Python starts");
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
}

/// Puts a state of a table in the place of the messages.
fn lay(scene: &Scene, state: &Path) {
    let messages = scene.lake.dir.join("lake/messages");
    if messages.exists() {
        fs::remove_dir_all(&messages).expect("it goes");
    }
    fs::rename(state, &messages).expect("it moves");
}

#[test]
fn every_history_of_a_table_gives_what_its_rows_give() {
    let written = Scene::new();
    let out = written.lake.dir.join("written");
    write("histories", &written.lake.dir.join("lake/messages"), &out);
    let mut histories = 0;
    for history in fs::read_dir(&out).expect("they are written").map(|entry| entry.expect("an entry").path()) {
        let (delta, plain) = (Scene::new(), Scene::new());
        let states = (0..).map(|state| history.join(state.to_string())).take_while(|state| state.exists());
        for (number, state) in states.enumerate() {
            lay(&delta, &state.join("delta"));
            lay(&plain, &state.join("plain"));
            let when = format!("{} {number}", history.display());
            for scene in [&delta, &plain] {
                let ran = scene.ctwa("run", &[]);
                assert_eq!(ran.code, 0, "{when}: {}", ran.stderr);
                let idle = scene.ctwa("run", &[]);
                assert!(idle.stdout.contains("nothing is stale"), "{when}: {}{}", idle.stdout, idle.stderr);
            }
            assert!(delta.objects() == plain.objects(), "{when}");
            assert!(number > 0 || !delta.objects().is_empty());
        }
        histories += 1;
    }
    assert_eq!(histories, 14);
}

#[test]
fn tables_on_s3_are_the_same_as_plain_parquet_on_disk() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let (bucket, mut lake) = (Bucket::on_s3(), sample_lake("sample"));
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data/contract");
    let out = folder.path().join("messages");
    write("table", &sample.join("messages"), &out);
    lake.retain(|name, _| !name.starts_with("messages/"));
    lake.extend(below("messages", objects_below(&out)));
    assert!(lake.keys().any(|name| name.contains("_delta_log/")), "it is a table by its log");
    bucket.put(&below("lake", lake));
    let job = Job::new("sample", &format!("{}/lake", bucket.url), &format!("{}/out", bucket.url));
    job.must("run", &[]);
    assert_as_on_disk(&bucket.published("out"), "Delta Lake on S3");
    let plan: serde_json::Value = serde_json::from_str(&job.ctwa("plan", &["--json"]).stdout).expect("a plan");
    let requests: u64 = plan["survey_requests"].as_object().expect("requests by kind").values().filter_map(|n| n.as_u64()).sum();
    // 29 versions, each of which is fetched once, and what there is of plain tables and of the output.
    assert!((40..80).contains(&requests), "{requests} requests");
}

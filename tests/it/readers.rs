//! The published tables while they are rewritten, seen by those who read them: DuckDB, Polars, pyarrow and ClickHouse, on a local
//! disk and on S3.
//!
//! `ctwa backfill` rewrites every day of a table, now to one state, now to another; `tests/servers/readers.py` reads all the while.
//! Whatever a reader gets as a result is right: each day as it is in one of the two states, never a part of it, never twice. A reader
//! that opens an object more than once may meet two versions of it, and then fails; who does so where is written down here, and for
//! users in docs/tables.md. What is rebuilt without a change is not replaced, and disturbs nobody.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::documents::{block_after, read};
use crate::remote::{Bucket, Job, sample_lake};
use crate::scene::Scene;
use crate::servers::{self, PATIENCE};

const ENGINES: [&str; 4] = ["duckdb", "polars", "pyarrow", "clickhouse"];
const TABLE: &str = "ad_days";
/// All that has a row.
const RANGE: [&str; 4] = ["--from", "2026-10-01", "--to", "2026-10-29"];

/// How a reader may fail where objects are replaced while it reads them: what every such error says, or none.
///
/// On a disk a replaced file stays whole for whoever has it open; DuckDB and Polars open a file anew after its footer. On S3 all
/// fetch footer and data, or size and content, one after the other. ClickHouse names the ETag in `If-Match`; DuckDB compares those
/// of the answers; Polars and pyarrow do neither, and stumble over bytes that lie elsewhere.
fn failure(engine: &str, is_remote: bool) -> Option<&'static str> {
    match (engine, is_remote) {
        ("clickhouse", true) => Some("was replaced during read"),
        ("pyarrow" | "clickhouse", false) => None,
        _ => Some(""),
    }
}

fn python() -> &'static Path {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = PYTHON.get_or_init(|| servers::python_environment("readers", "readers-requirements.txt"));
    installed.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

/// A reader at work; it ends with the test.
struct Reader {
    engine: &'static str,
    child: Child,
    lines: Receiver<String>,
}

impl Reader {
    fn start(engine: &'static str, table: &str, states: [PathBuf; 2], s3: Value) -> Reader {
        let job = json!({"engine": engine, "table": table, "states": states, "s3": s3});
        let mut child = Command::new(python())
            .arg(servers::sources().join("readers.py"))
            .arg(job.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Polars says there what it panics about.
            .stderr(Stdio::null())
            .spawn()
            .expect("the reader starts");
        let stdout = child.stdout.take().expect("it was piped");
        let (line, lines) = channel();
        std::thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let reader = Reader { engine, child, lines };
        reader.wait_for("ready");
        reader
    }

    fn next_line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{} reads nothing: {error}", self.engine))
    }

    fn wait_for(&self, awaited: &str) {
        while self.next_line() != awaited {}
    }

    /// What it has read since it was last asked.
    fn report(&self) -> Value {
        let mut stdin = self.child.stdin.as_ref().expect("it was piped");
        writeln!(stdin).and_then(|()| stdin.flush()).expect("the reader listens");
        loop {
            let line = self.next_line();
            if line.starts_with('{') {
                return serde_json::from_str(&line).expect("the report is JSON");
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ten days of the sample: reading all of it four times at once would keep a small S3 server busy for minutes.
fn ten_days(folder: &Path) -> PathBuf {
    let lake = folder.join("lake");
    let is_kept = |name: &str| !name.contains("date=") || name.contains("date=2026-10-2");
    for (name, bytes) in sample_lake("sample").into_iter().filter(|(name, _)| is_kept(name)) {
        let file = lake.join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder can be made");
        fs::write(file, bytes).expect("a file can be written");
    }
    lake
}

/// A job that writes there, in one of two states: in the second no session lives longer than a day, and an account is not listed,
/// so that days differ in rows, in counts and in money.
fn job(state: usize, lake: &Path, output: &str) -> Job {
    let job = Job::new("sample", lake.to_str().expect("a path in text"), output);
    if state == 1 {
        job.edit("[quality]", "[attribution]\nwindow_days = 1\n\n[quality]");
        job.edit("ad_accounts = [\"act_700100200300401\"]", "ad_accounts = []");
    }
    job
}

fn list<'v>(report: &'v Value, name: &str) -> &'v Vec<Value> {
    report[name].as_array().expect("a list")
}

fn readers_see_whole_days(output: &str, s3: Value) {
    let folder: TempDir = tempfile::tempdir().expect("a folder for the test");
    let lake = ten_days(folder.path());
    let states = [0, 1].map(|state| {
        let at_rest = folder.path().join(format!("state-{state}"));
        job(state, &lake, at_rest.to_str().expect("a path in text")).must("run", &[]);
        at_rest.join(TABLE)
    });
    let jobs = [0, 1].map(|state| job(state, &lake, output));
    jobs[0].must("run", &[]);
    let table = format!("{output}/{TABLE}");
    let readers: Vec<Reader> = std::thread::scope(|scope| {
        let start = |engine| Reader::start(engine, &table, states.clone(), s3.clone());
        let starting = ENGINES.map(|engine| scope.spawn(move || start(engine)));
        starting.into_iter().map(|reader| reader.join().expect("a reader starts")).collect()
    });

    // Nothing changes.
    readers.iter().for_each(|reader| reader.wait_for("0"));
    for _ in 0..2 {
        jobs[0].must("backfill", &RANGE);
    }
    for reader in &readers {
        let report = reader.report();
        assert!(report["reads"].as_u64() > Some(0), "{}: {report}", reader.engine);
        assert_eq!((list(&report, "wrong").len(), list(&report, "errors").len()), (0, 0), "{}: {report}", reader.engine);
        assert!(report["days"][1].as_u64() < report["days"][0].as_u64(), "{}: the states do not differ", reader.engine);
    }

    // Everything changes, to and fro.
    for state in [1, 0, 1] {
        jobs[state].must("backfill", &RANGE);
        readers.iter().for_each(|reader| reader.wait_for(&state.to_string()));
    }
    for reader in &readers {
        let report = reader.report();
        assert_eq!(list(&report, "wrong").len(), 0, "{} saw a day that is in neither state: {report}", reader.engine);
        for error in list(&report, "errors") {
            let error = error.as_str().expect("a text");
            let is_known = failure(reader.engine, !s3.is_null()).is_some_and(|said| error.contains(said));
            assert!(is_known, "{}: {error}", reader.engine);
        }
        assert!(report["days"][0].as_u64() > Some(0) && report["days"][1].as_u64() > Some(0), "{}: {report}", reader.engine);
    }
}

#[test]
fn the_query_that_is_shown_is_answered() {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let out = scene.lake.output.display().to_string();
    let query = block_after(&read("docs/tables.md"), "read the folders as they are").replace("target/sample", &out);
    assert!(query.contains(&out), "{query}");
    let program = "import duckdb, sys\nfor row in sorted(duckdb.sql(sys.argv[1]).fetchall()): print(*row)";
    let ran = Command::new(python()).args(["-c", program, &query]).output().expect("DuckDB runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    // Four days, on each two clicks of A and one of B, and 10.50 for each ad.
    assert_eq!(said, "shop A 8 42.000000\nshop B 4 42.000000\n");
}

#[test]
fn readers_of_a_disk_see_whole_days() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    readers_see_whole_days(folder.path().join("out").to_str().expect("a path in text"), Value::Null);
}

#[test]
fn readers_of_s3_see_whole_days() {
    readers_see_whole_days(&format!("{}/out", Bucket::on_s3().url), servers::s3().settings());
}

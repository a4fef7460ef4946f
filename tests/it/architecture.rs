//! The house rules that no lint can hold, read off the source text: who may use which crate, where I/O is done, which stage
//! is called from where. The clock, `unwrap` and the like are held by the lints of Cargo.toml and clippy.toml.
//!
//! The lists below are exact both ways: a file that begins to use something has to be entered here, by somebody who thinks
//! about it, and one that no longer does has to be taken out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Words of the code, and the only files that may hold them. A folder stands for the files in it.
const OWNERS: &[(&str, &[&str])] = &[
    // Storage and Parquet: everything else sees `lake`.
    ("object_store", &["lake/"]),
    ("parquet", &["lake/"]),
    ("bytes", &["lake/", "audit.rs"]),
    ("url", &["lake/", "config/marketing_api.rs"]),
    // Async stays inside.
    ("tokio", &["lake/", "insights/http.rs"]),
    ("futures", &["lake/"]),
    ("async", &["lake/", "insights/http.rs"]),
    (".await", &["lake/", "insights/http.rs"]),
    // The network: storage has its own.
    ("reqwest", &["insights/http.rs"]),
    // Frames: only where sessions are found. error.rs takes polars' errors at the door.
    ("polars", &["engine/embedded.rs", "engine/yields.rs", "sessions.rs", "error.rs"]),
    // One owner per crate.
    ("twox_hash", &["digest.rs"]),
    ("chrono_tz", &["day.rs"]),
    ("comfy_table", &["cli/grid.rs", "report/table.rs"]),
    ("anstyle", &["look.rs"]),
    ("num_format", &["look.rs"]),
    ("flate2", &["report/html.rs"]),
    ("base64", &["report/html.rs"]),
    ("toml_edit", &["config/document.rs", "config/edit.rs"]),
    ("unicode_normalization", &["new_setting.rs"]),
    ("sha2", &["digest.rs", "config/secret.rs"]),
    ("hmac", &["config/secret.rs"]),
    ("clap", &["cli/", "report/mod.rs"]), // the report's choices are the flags' choices
    ("clap_complete", &["cli/shell.rs"]),
    ("clap_mangen", &["cli/shell.rs"]),
    ("indicatif", &["cli/progress.rs"]),
    ("terminal_size", &["cli/"]),
    ("tracing_subscriber", &["cli/"]),
    ("tracing", &["cli/", "failures.rs", "run.rs", "scan.rs", "pull/", "insights/graph.rs"]),
    // The machine. The pipeline file is read by config, a token by config/secret.rs, --out is written by cli, everything else
    // goes through lake.
    ("std::fs", &["lake/", "config/mod.rs", "cli/", "config/secret.rs"]),
    ("std::io", &["lake/", "cli/", "report/html.rs"]), // a compressor writes into memory
    ("std::env", &["cli/", "config/secret.rs"]),
    ("std::process", &["lake/", "cli/", "main.rs"]),
    ("std::thread", &["parallel.rs", "lake/lock.rs"]),
    ("std::net", &["config/marketing_api.rs"]), // whether an address is this machine
    // How long to wait, no clock.
    ("std::time", &["lake/lock.rs", "lake/store.rs", "config/marketing_api.rs", "insights/client.rs", "insights/http.rs"]),
    // Money and counts are exact: the fractions are the share of rejected rows and the seconds a run took.
    ("f64", &["config/", "found.rs", "run.rs", "run_report.rs"]),
    ("f32", &[]),
    // What is told once, at the boundary.
    ("set_var", &[]),
    ("unsafe", &["memory.rs"]),
    ("static mut", &[]),
];

/// The files that see the lake. All others are pure: rows in, rows out. Of these `config` only names locations, `audit` reads back
/// the footer of bytes in memory, `plan` knows an object by its name and version, and `run_report` counts requests.
const SEE_THE_LAKE: &[&str] = &[
    "audit.rs",
    "categories.rs",
    "check.rs",
    "cli/mod.rs",
    "config/mod.rs",
    "explain.rs",
    "extract.rs",
    "identity.rs",
    "insights/ledger.rs",
    "insights/mod.rs",
    "job.rs",
    "kept.rs",
    "preview.rs",
    "publish.rs",
    "published_counts.rs",
    "pull/mod.rs",
    "pull/range_reach.rs",
    "reach.rs",
    "receipt.rs",
    "report/batch.rs",
    "report/columns.rs",
    "report/mod.rs",
    "report/read.rs",
    "report/reconcile.rs",
    "report/what_if.rs",
    "run.rs",
    "run_report.rs",
    "scan.rs",
    "survey.rs",
    "unread.rs",
    "verify.rs",
    "working.rs",
];

/// What a stage does, and who may ask it to: no stage calls the next, only `run` does, and without a write `check`, which looks at
/// what a run would meet, `preview`, which says what it would do, `verify`, which does it again in memory, `ledger`, which shows
/// the sessions, and `what_if`, which supposes other settings; `fetch` does the pull alone. Where the file that defines a call is
/// listed too, it is for the definition.
const STAGES: &[(&str, &[&str])] = &[
    (
        "Survey::take",
        &["run.rs", "categories.rs", "check.rs", "fetch.rs", "ledger.rs", "new_setting.rs", "preview.rs", "verify.rs"],
    ),
    ("scan::raw", &["run.rs"]),
    ("scan::insights", &["run.rs"]),
    ("scan::forget", &["run.rs"]),
    ("extract::messages", &["scan.rs"]),
    ("extract::events", &["scan.rs"]),
    ("insights::read_partition", &["scan.rs", "check.rs", "pull/mod.rs"]),
    ("Identities::read", &["check.rs", "identity.rs", "ledger.rs"]),
    ("Identities::surveyed", &["run.rs", "categories.rs", "identity.rs", "preview.rs", "verify.rs"]),
    ("settle_part(", &["attribution.rs", "engine/embedded.rs"]),
    ("settle(", &["engine/embedded.rs", "ledger.rs", "preview.rs", "verify.rs", "what_if.rs"]),
    ("attribute_days(", &["run.rs", "attribution.rs"]),
    ("attribute(", &["attribution.rs", "engine/embedded.rs", "verify.rs", "what_if.rs"]),
    ("audit::states", &["attribution.rs"]),
    ("audit::day", &["run.rs"]),
    ("audit::footer", &["publish.rs", "pull/range_reach.rs"]),
    ("Pull::start", &["run.rs", "fetch.rs"]),
    ("fetch::fetch", &["cli/mod.rs"]),
    ("report::write", &["cli/mod.rs"]),
    ("run::run", &["cli/mod.rs"]),
    ("check::check", &["cli/mod.rs"]),
    // Tables are published by the loop alone, but for reach, which is Meta's; working tables and receipts are kept by those who
    // make them, and what is pulled goes into the lake.
    ("publish::publish", &["run.rs"]),
    (".publish(", &["run.rs", "publish.rs", "scan.rs", "pull/", "receipt.rs", "lake/lock.rs"]),
    ("output.remove(", &["scan.rs", "receipt.rs", "lake/lock.rs"]),
    (".remove(output", &["run.rs"]),
];

const MOST_LINES: usize = 500;

struct Source {
    /// Below its root, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// What runs: without the tests at the end, comments and the content of texts.
    fn code(&self) -> String {
        let mut code = String::new();
        for line in self.text.lines().take_while(|line| *line != "#[cfg(test)]") {
            let mut in_text = false;
            let mut last = ' ';
            let line = line.split(" // ").next().unwrap_or_default();
            for letter in if line.trim_start().starts_with("//") { "" } else { line }.chars() {
                if letter == '"' && last != '\\' && last != '\'' {
                    in_text = !in_text;
                } else if !in_text {
                    code.push(letter);
                }
                last = letter;
            }
            code.push('\n');
        }
        code
    }
}

fn sources(folder: &str) -> Vec<Source> {
    fn walk(folder: &Path, root: &Path, sources: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, root, sources);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root).expect("below the root").to_str().expect("a name in text");
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                sources.push(Source { path: below.replace('\\', "/"), text });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = Vec::new();
    walk(&root, &root, &mut sources);
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() > 5, "{folder} is read");
    sources
}

/// Whether the word stands in the code as a word of its own. As a method or as the tail of a path it is another's.
fn has_word(code: &str, word: &str) -> bool {
    let in_a_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    // A crate is named at the head of a path; a value or a field may share its name.
    let heads_a_path = ["bytes", "clap", "futures", "parquet", "tracing", "url"].contains(&word);
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        let continues_a_word = word.starts_with(in_a_word) && before.ends_with(|letter| in_a_word(letter) || letter == '.');
        let continues_a_path = !word.contains("::") && before.ends_with("::");
        let goes_on = word.ends_with(in_a_word) && after.starts_with(in_a_word);
        !continues_a_word && !continues_a_path && !goes_on && (!heads_a_path || after.starts_with("::"))
    })
}

#[test]
fn words_are_found_as_words() {
    let source = |text: &str| Source { path: String::new(), text: text.into() }.code();
    assert!(has_word(&source("use polars::prelude::*;"), "polars"));
    assert!(!has_word(&source("//! polars\nlet x = \"polars\"; // polars\nlet polars_like = 1;"), "polars"));
    assert!(!has_word(&source("fn f() {}\n#[cfg(test)]\nmod tests { use polars::prelude::*; }"), "polars"));
    assert!(has_word(&source("let s = \"\\\"a\"; polars::f(\"b\")"), "polars"));
    assert!(!has_word(&source("let bytes = 1; batch.bytes()"), "bytes"));
    assert!(has_word(&source("use std::fs;"), "std::fs"));
    assert!(has_word(&source("    output.publish(object, bytes)?;"), ".publish("));
}

/// Which of the allowed do not use it, and which others do.
fn misplaced(what: &str, users: &BTreeSet<&str>, owners: &[&str]) -> Vec<String> {
    let owns = |owner: &str, user: &str| if owner.ends_with('/') { user.starts_with(owner) } else { user == owner };
    let strangers = users.iter().filter(|user| !owners.iter().any(|owner| owns(owner, user)));
    let idle = owners.iter().filter(|owner| !users.iter().any(|user| owns(owner, user)));
    strangers
        .map(|user| format!("src/{user} uses `{what}`, which belongs to {owners:?}"))
        .chain(idle.map(|owner| format!("src/{owner} no longer uses `{what}`: take it out of the list")))
        .collect()
}

fn users<'s>(code: &'s BTreeMap<String, String>, word: &str) -> BTreeSet<&'s str> {
    code.iter().filter(|(_, code)| has_word(code, word)).map(|(path, _)| path.as_str()).collect()
}

fn code() -> BTreeMap<String, String> {
    sources("src").into_iter().map(|source| (source.path.clone(), source.code())).collect()
}

#[test]
fn crates_and_the_machine_have_their_owners() {
    let code = code();
    let wrong: Vec<String> = OWNERS.iter().flat_map(|(word, owners)| misplaced(word, &users(&code, word), owners)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_named_files_see_the_lake() {
    let code = code();
    let outside: BTreeSet<&str> =
        users(&code, "crate::lake").into_iter().filter(|path| !path.starts_with("lake/") && *path != "lib.rs").collect();
    let wrong = misplaced("crate::lake", &outside, SEE_THE_LAKE);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Another way to it would be through a neighbour.
    let nested: Vec<&str> = users(&code, "{lake").into_iter().chain(users(&code, "super::super")).collect();
    assert!(nested.is_empty(), "import crate::lake by its full name: {nested:?}");
}

#[test]
fn no_stage_calls_another() {
    let code = code();
    let wrong: Vec<String> = STAGES.iter().flat_map(|(call, callers)| misplaced(call, &users(&code, call), callers)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_documented_short_and_named_for_what_they_are() {
    let mut wrong = Vec::new();
    for (folder, source) in ["src", "tests"].into_iter().flat_map(|folder| sources(folder).into_iter().map(move |s| (folder, s)))
    {
        let path = format!("{folder}/{}", source.path);
        if !source.text.starts_with("//! ") && path != "src/main.rs" {
            wrong.push(format!("{path} does not begin by saying what it is for (//!)"));
        }
        let lines = source.text.lines().count();
        if folder == "src" && lines > MOST_LINES {
            wrong.push(format!("{path} has {lines} lines, more than {MOST_LINES}: it is about more than one thing"));
        }
        let name = source.path.trim_end_matches(".rs");
        let vague =
            ["process", "handle", "handler", "manage", "manager", "data", "info", "util", "utils", "helper", "helpers", "common"];
        if let Some(word) = name.split(['/', '_']).find(|word| vague.contains(word)) {
            wrong.push(format!("{path}: `{word}` says nothing"));
        }
        if source.text.contains(concat!("#[", "ignore")) {
            wrong.push(format!("{path} holds a test that is not run"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The map in lib.rs shows what is there: every file, and no other.
#[test]
fn the_map_names_every_file() {
    let sources = sources("src");
    let lib = sources.iter().find(|source| source.path == "lib.rs").expect("src/lib.rs");
    let map: String = lib.text.lines().filter(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n");
    let named: BTreeSet<&str> = map
        .split(|letter: char| letter.is_whitespace() || ",;()`".contains(letter))
        .filter(|word| word.ends_with(".rs"))
        .collect();
    let there: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let unnamed: Vec<_> = there.difference(&named).collect();
    let gone: Vec<_> = named.difference(&there).collect();
    assert!(unnamed.is_empty() && gone.is_empty(), "the map lacks {unnamed:?} and shows {gone:?}, which are not there");
}

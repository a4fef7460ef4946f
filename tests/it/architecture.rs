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
    ("delta_kernel", &["lake/delta/"]),
    ("bytes", &["lake/", "run/publish.rs"]),
    ("url", &["lake/", "config/marketing_api.rs"]),
    // Async stays inside.
    ("tokio", &["lake/", "insights/http.rs"]),
    ("futures", &["lake/"]),
    ("async", &["lake/", "insights/http.rs"]),
    (".await", &["lake/", "insights/http.rs"]),
    // The network: storage has its own.
    ("reqwest", &["insights/http.rs"]),
    // Frames: only where sessions are found. error.rs takes polars' errors at the door.
    ("polars", &["engine/embedded/", "base/error.rs"]),
    // One owner per crate.
    ("twox_hash", &["base/digest.rs"]),
    ("chrono_tz", &["base/day.rs"]),
    ("comfy_table", &["report/grid.rs"]),
    ("anstyle", &["report/style.rs"]),
    ("num_format", &["report/style.rs"]),
    ("flate2", &["report/html.rs"]),
    ("base64", &["report/html.rs"]),
    ("toml_edit", &["config/document.rs", "config/edit.rs"]),
    ("unicode_normalization", &["base/alike.rs"]),
    ("sha2", &["base/digest.rs", "config/secret.rs"]),
    ("hmac", &["config/secret.rs"]),
    ("clap", &["cli/", "report/formats.rs", "report/model.rs"]), // the report's choices are the flags' choices
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/shell.rs"]),
    ("indicatif", &["cli/progress.rs"]),
    ("terminal_size", &["cli/"]),
    ("tracing_subscriber", &["cli/"]),
    ("tracing", &["cli/", "base/failures.rs", "run/building.rs", "run/scan.rs", "run/pull/", "insights/graph.rs"]),
    // The machine. The pipeline file is read by config, a token by config/secret.rs, --out is written by cli, everything else
    // goes through lake.
    ("std::fs", &["lake/", "config/settings.rs", "cli/", "config/secret.rs"]),
    ("std::io", &["lake/", "cli/", "report/html.rs"]), // a compressor writes into memory
    ("std::env", &["cli/", "config/secret.rs"]),
    ("std::process", &["lake/", "cli/", "main.rs"]),
    ("std::thread", &["base/parallel.rs", "lake/lock.rs", "cli/progress.rs", "cli/complete.rs"]),
    ("std::net", &["config/marketing_api.rs"]), // whether an address is this machine
    // How long to wait, no clock.
    (
        "std::time",
        &["lake/lock.rs", "lake/store.rs", "config/marketing_api.rs", "insights/http.rs", "cli/progress.rs", "cli/complete.rs"],
    ),
    // Money and counts are exact: the fractions are the share of rejected rows and the seconds a run took.
    ("f64", &["config/", "extract/found.rs", "extract/identity.rs", "run/mod.rs", "run/report.rs"]),
    ("f32", &[]),
    // What is told once, at the boundary.
    ("set_var", &[]),
    ("unsafe", &["base/memory.rs"]),
    ("static mut", &[]),
];

/// The rooms, from the top down. Each names only those below it, and each but the first is named by one above it.
const ROOMS: &[&str] =
    &["cli", "commands", "run", "known", "tables", "plan", "engine", "extract", "insights", "report", "config", "lake", "base"];

/// The rooms that are pure: what they answer depends on what they are given, and on nothing else. No other room is. Of a room that
/// is not, files can be: then those, and no others of it.
const PURE: &[&str] = &[
    "tables",
    "plan",
    "engine/counts.rs",
    "engine/embedded/conversion_events.rs",
    "engine/embedded/counts.rs",
    "engine/embedded/ends.rs",
    "engine/embedded/formed.rs",
    "engine/embedded/hashes.rs",
    "engine/embedded/left_out.rs",
    "engine/embedded/held.rs",
    "engine/embedded/parts.rs",
    "engine/embedded/sessions.rs",
    "engine/embedded/settle.rs",
    "engine/embedded/shards.rs",
    "engine/embedded/touches.rs",
    "engine/embedded/yields.rs",
    "engine/mod.rs",
    "engine/rows.rs",
];

/// The folders of engines, and the only file that names them: everything else sees `engine::Engine`.
const ENGINES: &[&str] = &["engine/embedded/"];
const DOOR: &str = "engine/select.rs";

/// What a pure room does not name: the lake, the network, files, the environment, other programs, and waiting. The clock is held by
/// the lints.
const IMPURE: &[&str] = &[
    "crate::lake",
    "crate::insights::client",
    "crate::insights::http",
    "object_store",
    "reqwest",
    "std::fs",
    "std::io",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "tokio",
];

/// `src/` shows the flow at a glance.
const MOST_ENTRIES: usize = 16;

/// What a stage does, and who may ask it to: no stage calls the next, only `run` does, and without a write `check`, which looks at
/// what a run would meet, `plan`, which says what it would do, `verify`, which does it again in memory, `sessions`, which shows
/// the sessions, and `what_if`, which supposes other settings; `insights` does the pull alone. Where the file that defines a call is
/// listed too, it is for the definition.
const STAGES: &[(&str, &[&str])] = &[
    (
        "Survey::take",
        &[
            "run/mod.rs",
            "commands/categories.rs",
            "commands/check/",
            "commands/insights.rs",
            "commands/sessions.rs",
            "commands/new_setting.rs",
            "commands/plan.rs",
            "commands/verify.rs",
        ],
    ),
    ("scan::raw", &["run/reading.rs"]),
    ("scan::forget", &["run/reading.rs"]),
    ("scan_insights::insights", &["run/reading.rs"]),
    ("extract::messages", &["engine/embedded/extract.rs"]),
    ("extract::events", &["engine/embedded/extract.rs"]),
    ("ExtractRequest {", &["run/scan.rs"]),
    ("insights::read_partition", &["run/scan_insights.rs", "commands/check/", "run/pull/"]),
    ("Identities::read", &["commands/check/", "commands/sessions.rs"]),
    (
        "Identities::surveyed",
        &["run/mod.rs", "commands/categories.rs", "known/aliases.rs", "commands/plan.rs", "commands/verify.rs"],
    ),
    ("attribute_days(", &["run/building.rs", "run/attribute.rs"]),
    (
        "AttributeRequest {",
        &["run/attribute.rs", "commands/plan.rs", "commands/verify.rs", "commands/what_if.rs", "engine/embedded/mod.rs"],
    ),
    ("audit::ends", &["run/attribute.rs"]),
    ("audit::day", &["run/building.rs"]),
    ("publish::footer", &["run/pull/reach.rs"]),
    ("Pull::start", &["run/reading.rs", "commands/insights.rs"]),
    ("insights::insights", &["cli/insights.rs"]),
    ("report::write", &["cli/report.rs"]),
    ("run::run", &["cli/run.rs"]),
    ("check::check", &["cli/check.rs"]),
    // Tables are published by the loop alone, but for reach, which is Meta's; working tables and receipts are kept by those who
    // make them, and what is pulled goes into the lake.
    ("publish::publish", &["run/building.rs"]),
    (
        ".publish(",
        &[
            "run/mod.rs",
            "run/building.rs",
            "run/lacking.rs",
            "run/publish.rs",
            "run/scan.rs",
            "run/pull/",
            "engine/embedded/working.rs",
            "lake/json.rs",
            "lake/lock.rs",
        ],
    ),
    ("output.remove(", &["run/scan.rs", "engine/embedded/working.rs", "known/receipts.rs", "lake/lock.rs"]),
    (".remove(output", &["run/mod.rs", "run/building.rs"]),
];

const MOST_LINES: usize = 450;

struct Source {
    /// Below its root, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// What runs: without the tests at the end, comments and the content of texts.
    fn code(&self) -> String {
        let mut code = String::new();
        for line in self.text.lines().take_while(|line| !["#[cfg(test)]", "#![cfg(test)]"].contains(line)) {
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

/// Without the crate's root: the room of a file.
fn room(path: &str) -> Option<&str> {
    path.split_once('/').map(|(room, _)| room)
}

fn names(code: &str, room: &str) -> bool {
    has_word(code, &format!("crate::{room}"))
}

#[test]
fn the_top_of_src_is_the_rooms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries =
        fs::read_dir(&root).expect("src").map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
    let entries: BTreeSet<String> = entries.collect();
    let expected: BTreeSet<String> =
        ROOMS.iter().map(|room| room.to_string()).chain(["lib.rs".to_string(), "main.rs".to_string()]).collect();
    assert_eq!(entries, expected);
    assert!(entries.len() <= MOST_ENTRIES, "{} entries", entries.len());
}

#[test]
fn each_room_names_only_those_below_it() {
    let code = code();
    let mut wrong = Vec::new();
    for (path, code) in &code {
        let Some(place) = room(path).and_then(|of| ROOMS.iter().position(|room| *room == of)) else { continue };
        for above in ROOMS[..place].iter().filter(|above| names(code, above)) {
            wrong.push(format!("src/{path} names {above}, which lies above it"));
        }
        // Another way up would be through a neighbour.
        if has_word(code, "super::super") || has_word(code, "use crate::{") {
            wrong.push(format!("src/{path} imports by no full name"));
        }
    }
    for (place, below) in ROOMS.iter().enumerate().skip(1) {
        let is_above = |path: &str| room(path).is_some_and(|room| ROOMS[..place].contains(&room));
        if !code.iter().any(|(path, code)| is_above(path) && names(code, below)) {
            wrong.push(format!("no room above {below} names it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_are_pure_and_no_others() {
    let code = code();
    let impure = |code: &str| IMPURE.iter().filter(|word| has_word(code, word)).copied().collect::<Vec<&str>>();
    let is_of = |entry: &str, path: &str| entry == path || Some(entry) == room(path);
    let has_files = |of: &str| PURE.iter().any(|entry| entry.contains('/') && room(entry) == Some(of));
    let mut wrong = Vec::new();
    for (path, code) in &code {
        let found = impure(code);
        if PURE.iter().any(|entry| is_of(entry, path)) {
            wrong.extend(found.into_iter().map(|word| format!("src/{path} names {word}, and is pure")));
        } else if found.is_empty() && room(path).is_some_and(has_files) {
            wrong.push(format!("src/{path} is pure: enter it in the list"));
        }
    }
    for of in ROOMS.iter().filter(|of| !PURE.contains(of)) {
        if code.iter().filter(|(path, _)| room(path) == Some(of)).all(|(_, code)| impure(code).is_empty()) {
            wrong.push(format!("{of} is pure: enter it in the list"));
        }
    }
    for entry in PURE.iter().filter(|entry| !code.keys().any(|path| is_of(entry, path))) {
        wrong.push(format!("{entry} is not there: take it out of the list"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn engines_are_named_at_their_door_alone() {
    let code = code();
    let mut wrong = Vec::new();
    for folder in ENGINES {
        let module = folder.trim_end_matches('/').replace('/', "::");
        let inner = module.rsplit("::").next().expect("a name");
        let is_named = |code: &str| has_word(code, &format!("crate::{module}")) || has_word(code, &format!("{inner}::"));
        for (path, _) in code.iter().filter(|(path, code)| !path.starts_with(folder) && *path != DOOR && is_named(code)) {
            wrong.push(format!("src/{path} names {module}: ask the engine"));
        }
        if !is_named(&code[DOOR]) {
            wrong.push(format!("src/{DOOR} does not name {module}: take it out of the list"));
        }
    }
    let folders: BTreeSet<String> = code
        .keys()
        .filter_map(|path| path.strip_prefix("engine/")?.split_once('/'))
        .map(|(folder, _)| format!("engine/{folder}/"))
        .collect();
    let known: BTreeSet<String> = ENGINES.iter().map(|folder| folder.to_string()).collect();
    assert_eq!(folders, known, "every engine has a folder, and is in the list");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The modules that a file imports, each as the file that holds it.
fn imports(path: &str, code: &str, files: &BTreeSet<&str>) -> BTreeSet<String> {
    let holder = |module: &[&str]| {
        (1..=module.len()).rev().find_map(|n| {
            let stem = module[..n].join("/");
            [format!("{stem}.rs"), format!("{stem}/mod.rs")].into_iter().find(|file| files.contains(file.as_str()))
        })
    };
    let mut own: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    if own.last() == Some(&"mod") {
        own.pop();
    }
    let mut found = BTreeSet::new();
    for import in uses(code) {
        let parts: Vec<&str> = import.split("::").collect();
        let module: Vec<&str> = match parts.as_slice() {
            ["crate", rest @ ..] => rest.to_vec(),
            ["super", rest @ ..] => own[..own.len() - 1].iter().chain(rest).copied().collect(),
            ["self", rest @ ..] => own.iter().chain(rest).copied().collect(),
            // A child of this module.
            [first, ..] => match holder(&own.iter().chain([first]).copied().collect::<Vec<_>>()) {
                Some(file) if file != path => own.iter().chain(&parts).copied().collect(),
                _ => continue,
            },
            [] => continue,
        };
        found.extend(holder(&module).filter(|file| file != path));
    }
    found
}

/// The paths that `use` statements and full names in the code tell.
fn uses(code: &str) -> BTreeSet<String> {
    fn expand(before: &str, tree: &str, found: &mut BTreeSet<String>) {
        let tree = tree.trim();
        let Some((head, rest)) = tree.split_once('{') else {
            let name = tree.split(" as ").next().unwrap_or_default().trim();
            found.insert(format!("{before}{name}").trim_end_matches("::self").to_string());
            return;
        };
        let (mut depth, mut start) = (0, 0);
        let inner = rest.strip_suffix('}').unwrap_or(rest);
        for (at, letter) in inner.char_indices().chain([(inner.len(), ',')]) {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    if !inner[start..at].trim().is_empty() {
                        expand(&format!("{before}{head}"), &inner[start..at], found);
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
    }
    let mut found = BTreeSet::new();
    let text = code.split_whitespace().collect::<Vec<_>>().join(" ");
    for (at, _) in text.match_indices("use ").filter(|(at, _)| *at == 0 || !text[..*at].ends_with(char::is_alphanumeric)) {
        let statement = text[at + 4..].split(';').next().unwrap_or_default();
        expand("", statement, &mut found);
    }
    for (at, _) in text.match_indices("crate::") {
        let path: String = text[at..].chars().take_while(|letter| letter.is_alphanumeric() || "_:".contains(*letter)).collect();
        found.insert(path.trim_end_matches(':').to_string());
    }
    found
}

#[test]
fn imports_are_read_whole() {
    let found = uses("use crate::a::{self, b::{C, D as E}};\npub use f::G; let x = crate::h::i(1);");
    let expected = ["crate::a", "crate::a::b::C", "crate::a::b::D", "f::G", "crate::h::i"];
    assert!(expected.iter().all(|path| found.contains(*path)), "{found:?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let code = code();
    let files: BTreeSet<&str> = code.keys().map(String::as_str).collect();
    let arrows: BTreeMap<&str, BTreeSet<String>> =
        code.iter().map(|(path, code)| (path.as_str(), imports(path, code, &files))).collect();
    assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > code.len(), "imports are seen");
    let reached = |from: &str| {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut next: Vec<&str> = arrows[from].iter().map(String::as_str).collect();
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                next.extend(arrows[file].iter().map(String::as_str));
            }
        }
        reached
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> = files.iter().map(|file| (*file, reached(file))).collect();
    let circles: BTreeSet<Vec<&str>> = files
        .iter()
        .map(|file| reach[file].iter().copied().filter(|other| reach[other].contains(file)).collect::<Vec<_>>())
        .filter(|circle| !circle.is_empty())
        .collect();
    assert!(circles.is_empty(), "these files import each other: {circles:#?}");
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

/// The maps show what is there: lib.rs the rooms in their order, each room's mod.rs its files.
#[test]
fn the_maps_name_every_room_and_file() {
    let sources = sources("src");
    let map = |path: &str| -> Vec<String> {
        let text = &sources.iter().find(|source| source.path == path).unwrap_or_else(|| panic!("src/{path} is missing")).text;
        text.lines().filter_map(|line| line.strip_prefix("//! ")?.split_whitespace().next()).map(str::to_string).collect()
    };
    let rooms: Vec<String> = map("lib.rs").into_iter().filter(|word| ROOMS.contains(&word.as_str())).collect();
    assert_eq!(rooms, ROOMS, "the rooms of lib.rs in their order");
    for of in ROOMS {
        let own = format!("{of}/mod.rs");
        let named: BTreeSet<String> = map(&own).into_iter().filter(|word| word.ends_with(".rs")).collect();
        let files = sources.iter().filter(|source| room(&source.path) == Some(of) && source.path != own);
        let there: BTreeSet<String> = files.map(|source| source.path[of.len() + 1..].to_string()).collect();
        let (unnamed, gone) = (there.difference(&named), named.difference(&there));
        let wrong: Vec<&String> = unnamed.chain(gone).collect();
        assert!(wrong.is_empty(), "src/{own} does not show what is there: {wrong:?}");
    }
}

/// The glossary of lib.rs has each word once, on a line of its own.
#[test]
fn the_glossary_has_each_word_once() {
    let sources = sources("src");
    let text = &sources.iter().find(|source| source.path == "lib.rs").expect("there is a lib.rs").text;
    let glossary =
        text.split("**Words.**").nth(1).and_then(|rest| rest.split("**What always holds.**").next()).expect("a glossary");
    let entries = glossary.lines().filter_map(|line| line.strip_prefix("//! - "));
    let words: Vec<&str> = entries
        .map(|entry| entry.strip_prefix('*').and_then(|rest| rest.split_once("*: ")).expect("- *word*: meaning").0)
        .collect();
    assert!(words.len() > 30, "the glossary is read: {words:?}");
    let mut once = BTreeSet::new();
    let again: Vec<&&str> = words.iter().filter(|word| !once.insert(**word)).collect();
    assert!(again.is_empty(), "words that stand there twice: {again:?}");
}

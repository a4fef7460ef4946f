//! The documents in `docs/` tell what the code has: every rule that is cited, every key, column, exit code and reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow::datatypes::{DataType, TimeUnit};
use ctwa::base::schema;

use crate::lake;
use crate::scene::Scene;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The first code block after this line of a text.
pub fn block_after(text: &str, line: &str) -> String {
    let mut lines = text.lines().skip_while(|found| !found.contains(line)).skip_while(|found| !found.starts_with("```")).skip(1);
    lines.by_ref().take_while(|found| *found != "```").map(|line| format!("{line}\n")).collect()
}

/// The rows of a text's tables whose first cell is one word in code, by the heading above and by that word: the other cells.
pub fn keyed_tables(text: &str) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let (mut tables, mut heading) = (BTreeMap::<String, BTreeMap<String, Vec<String>>>::new(), String::new());
    for line in text.lines() {
        if let Some(found) = line.strip_prefix("## ") {
            heading = found.trim().to_owned();
        }
        let Some(row) = line.strip_prefix("| `").and_then(|row| row.strip_suffix('|')) else { continue };
        let Some((key, cells)) = row.split_once("` |") else { continue };
        let cells = cells.split('|').map(|cell| cell.trim().to_owned()).collect();
        let before = tables.entry(heading.clone()).or_default().insert(key.to_owned(), cells);
        assert_eq!(before, None, "{key} is told twice below {heading}");
    }
    tables
}

/// All files of Rust below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let of = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    };
    entries.flat_map(of).filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The numbers with which a text begins: `7`, `7, 8)`, `3 to 6 and 11`.
fn numbers_at_start(text: &str) -> Vec<u64> {
    let text = text.trim_start_matches(|letter: char| letter == '(' || letter == '[' || letter == '&' || letter.is_whitespace());
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let Ok(number) = text[..end].parse() else { return Vec::new() };
    let rest = &text[end..];
    let more = [", ", " and ", " to "].iter().find_map(|word| rest.strip_prefix(word));
    [vec![number], more.map(numbers_at_start).unwrap_or_default()].concat()
}

#[test]
fn numbers_are_read_from_citations() {
    assert_eq!(numbers_at_start("s 7"), Vec::<u64>::new());
    assert_eq!(numbers_at_start(" 3 to 6 and 11). The"), [3, 6, 11]);
    assert_eq!(numbers_at_start("[7, 8], text)"), [7, 8]);
}

#[test]
fn every_rule_that_is_cited_is_a_heading() {
    let document = read("docs/rules.md");
    let headings: BTreeSet<u64> = document
        .lines()
        .filter_map(|line| line.strip_prefix("### Rule "))
        .map(|number| number.parse().expect("a number"))
        .collect();
    let mut cited = BTreeSet::new();
    for file in sources(&repository().join("src")) {
        let text = fs::read_to_string(&file).expect("a source");
        let is_story = file.ends_with("commands/story.rs") || file.ends_with("commands/explain_ad.rs");
        // What explain cites stands as numbers in lists, beside the comments' words.
        let words: &[&str] = if is_story { &["rule ", "rules ", "Fact::plain(", "vec![", "&["] } else { &["rule ", "rules "] };
        for word in words {
            for rest in text.split(word).skip(1) {
                let rest = if *word == "Fact::plain(" { rest.split_once("&[").map_or("", |(_, rest)| rest) } else { rest };
                for rule in numbers_at_start(rest) {
                    assert!(headings.contains(&rule), "{} cites rule {rule}, which docs/rules.md lacks", file.display());
                    cited.insert(rule);
                }
            }
        }
    }
    assert!(cited.len() > 15, "citations are read: {cited:?}");
    for rule in &headings {
        assert!(document.contains(&format!("\n### Rule {rule}\n\n**")), "rule {rule} begins with a title");
    }
}

/// A type as the documents write it.
fn written_type(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 => "string".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Date32 => "date32".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => format!("timestamp[us, {zone}]"),
        other => panic!("nobody has written {other} yet"),
    }
}

#[test]
fn every_published_column_is_told_with_its_type_and_key() {
    let text = read("docs/tables.md");
    let told = keyed_tables(&text);
    let tables = [schema::ad_days(), schema::ad_conversions(), schema::ads(), schema::bot_days(), schema::reach()];
    for table in tables {
        let heading = format!("`{}`", table.name);
        let columns = &told[&heading];
        let names: BTreeSet<&str> = table.schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(columns.keys().map(String::as_str).collect::<BTreeSet<_>>(), names, "{heading}");
        let (_, section) = text.split_once(&format!("\n## {heading}\n")).expect("its section");
        let (_, key) = section.split_once("Key: ").expect("its key");
        let (key, _) = key.split_once('.').expect("the key ends");
        let key: Vec<&str> = key.split('`').skip(1).step_by(2).collect();
        assert_eq!(key, table.key, "{heading}");
        // The columns stand in their order.
        let lines = section.split("\n## ").next().expect("a section").lines();
        let order: Vec<&str> = lines.filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        assert_eq!(order, table.schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), "{heading}");
        for field in table.schema.fields() {
            let [kind, _, null, _] = &columns[field.name()][..] else { panic!("{heading} {} has four cells", field.name()) };
            assert_eq!(*kind, written_type(field.data_type()), "{heading} {}", field.name());
            assert_eq!(null == "never", !field.is_nullable(), "{heading} {}: {null:?}", field.name());
            assert!(!null.is_empty(), "{heading} {} says when it is NULL", field.name());
        }
    }
}

#[test]
fn every_input_column_is_told_as_it_is_read() {
    let told = keyed_tables(&read("docs/input.md"));
    let tables = [
        ("Messages", &schema::MESSAGES),
        ("Events", &schema::EVENTS),
        ("Identities", &schema::IDENTITIES),
        ("Insights", &schema::INSIGHTS),
    ];
    for (heading, table) in tables {
        let columns = &told[heading];
        let names: BTreeSet<&str> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(columns.keys().map(String::as_str).collect::<BTreeSet<_>>(), names, "{heading}");
        for column in table.columns {
            let [kind, when, _] = &columns[column.name][..] else { panic!("{heading} {} has three cells", column.name) };
            let expected = match (column.only_named, column.required) {
                (true, _) => "where named",
                (false, true) => "needed",
                (false, false) => "optional",
            };
            assert_eq!(when, expected, "{heading} {}", column.name);
            assert_eq!(kind == "time", column.is_instant(), "{heading} {}", column.name);
            let words: Vec<String> = column.words.iter().map(|word| format!("`{word}`")).collect();
            assert!(words.is_empty() || *kind == words.join(" or "), "{heading} {}: {kind}", column.name);
            assert_eq!(
                kind == "id",
                column.name.ends_with("_id") || ["ctwa_clid", "alias"].contains(&column.name),
                "{}",
                column.name
            );
        }
    }
}

/// What stands in quotes behind these words, in the sources of a folder but for their tests.
fn quoted_behind(folder: &str, words: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in sources(&repository().join(folder)) {
        let text = fs::read_to_string(&file).expect("a source");
        let code = text.split("#[cfg(test)]").next().expect("code");
        for word in words {
            found.extend(code.split(word).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_reason_of_rejected_rows_is_told() {
    let told = &keyed_tables(&read("docs/input.md"))["Rows that are rejected"];
    let mut reasons = quoted_behind("src/extract", &["Reason::new(\""]);
    for file in ["src/extract/set_aside.rs", "src/extract/identity.rs"] {
        let text = read(file);
        let consts = text.lines().filter(|line| line.starts_with("pub(super) const ") && line.contains(": &str = \""));
        reasons.extend(consts.filter_map(|line| line.split('"').nth(1)).map(str::to_owned));
    }
    assert!(reasons.len() > 8 && reasons.contains("no_contact") && reasons.contains("loop"), "{reasons:?}");
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), reasons);
}

#[test]
fn every_exit_code_is_told() {
    let text = read("docs/runbook.md");
    let told: BTreeMap<u8, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### Exit ")?.split_once(": "))
        .map(|(code, name)| (code.parse().expect("a code"), name))
        .collect();
    let source = read("src/base/error.rs");
    let (_, codes) = source.split_once("pub fn exit_code(self)").expect("the codes");
    let (codes, _) = codes.split_once("\n    }\n").expect("they end");
    let codes: BTreeSet<u8> =
        codes.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(" => ")?.1.parse().ok()).collect();
    assert!(codes.len() > 8, "codes are read");
    // Those of no error: done, and stale.
    assert_eq!(told.keys().copied().collect::<BTreeSet<_>>(), codes.union(&BTreeSet::from([0, 1])).copied().collect());
    let names = quoted_behind("src/base", &["=> \""]);
    for (code, name) in &told {
        assert!(*code < 2 || names.contains(*name), "exit {code} is called {name:?}");
    }
    for code in told.keys().filter(|code| (2..100).contains(*code)) {
        let (_, section) = text.split_once(&format!("### Exit {code}: ")).expect("a section");
        let section = section.split("\n### ").next().expect("a section");
        for part in ["**What happened.**", "**Where to look.**", "**What to do.**"] {
            assert!(section.contains(part), "exit {code} lacks {part}");
        }
    }
}

/// A source as its texts read: lines that a backslash joins are one.
fn joined_lines(text: &str) -> String {
    let mut parts = text.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |joined, part| joined + part.trim_start())
}

/// What the runbook tells of warnings and notes: words of theirs, and what to do.
fn told_warnings() -> BTreeMap<String, Vec<String>> {
    keyed_tables(&read("docs/runbook.md")).remove("Warnings").expect("warnings are told")
}

#[test]
fn warnings_of_the_runbook_are_those_of_the_program() {
    let told = told_warnings();
    assert!(told.len() > 40);
    let sources: String =
        sources(&repository().join("src")).iter().map(|file| joined_lines(&fs::read_to_string(file).unwrap())).collect();
    for (words, cells) in &told {
        // Two parts of one text: what happened to partitions, and what follows.
        let parts: Vec<&str> = words.split(": ").collect();
        assert!(sources.contains(words.as_str()) || parts.iter().all(|part| sources.contains(part)), "nothing says {words:?}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{words:?} says what to do");
    }
}

#[test]
fn warnings_of_a_run_and_notes_of_reports_are_told() {
    let told = told_warnings();
    let mut seen = 0;
    // What `init` says stands in the file that it writes.
    let is_said = |file: &PathBuf| !file.to_string_lossy().contains("commands/init/");
    for file in sources(&repository().join("src")).into_iter().filter(is_said) {
        let text = joined_lines(&fs::read_to_string(&file).expect("a source"));
        for word in [".warn(format!(", "warnings.insert(format!(", "notes.push(format!(", "notes.push(\"", "tracing::warn!("] {
            // The call, with what its text is filled with; what passes a text on has none of its own.
            let calls = text.split(word).skip(1).filter_map(|rest| rest.split(";\n").next());
            let is_passed_on = |call: &&str| ["{note}", "{error}"].iter().any(|text| call.starts_with(&format!("\"{text}\"")));
            for call in calls.filter(|call| !is_passed_on(call) && !call.contains("{warning}\"")) {
                let is_told = told.keys().any(|words| words.split(": ").all(|part| call.contains(part)));
                assert!(is_told, "{}: the runbook does not tell of {call:?}", file.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "warnings are read");
}

/// The documents for users.
fn documents() -> Vec<(String, String)> {
    let entries = fs::read_dir(repository().join("docs")).expect("docs").map(|entry| entry.expect("an entry").path());
    let names = entries.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut files: Vec<String> =
        names.map(|path| format!("docs/{}", path.file_name().expect("a name").to_string_lossy())).collect();
    files.push("README.md".to_owned());
    files.push("SECURITY.md".to_owned());
    files.into_iter().map(|file| (file.clone(), read(&file))).collect()
}

/// The words of a shown command, with what stands for something: `PIPELINE` is a file, `DATE` a day, a lake is none that is there.
fn words_of(command: &str) -> Vec<String> {
    let command = command.replace(['[', ']'], "");
    let word = |word: &str| match word {
        "PIPELINE" => "nightly.toml".to_owned(),
        "DATE" => "2026-10-20".to_owned(),
        "SHELL" => "bash".to_owned(),
        "LAKE" => "lake".to_owned(),
        url if url.starts_with("s3://") => "lake".to_owned(),
        other => other.to_owned(),
    };
    // What stands in quotes is one word.
    let parts = command.split('\'').enumerate();
    let words = parts.flat_map(|(part, text)| if part % 2 == 1 { vec![text] } else { text.split_whitespace().collect() });
    words.map(word).collect()
}

/// The commands of code blocks: lines that begin with `ctwa`, up to two blanks, which part them from what is said of them. A line that ends
/// in a backslash goes on in the next.
fn shown_commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut is_code = false;
    let whole = text.replace("\\\n    ", "");
    for line in whole.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code && line.starts_with("ctwa ") {
            commands.push(line.split("  ").next().expect("a command").to_owned());
        }
    }
    commands
}

fn ctwa(args: &[String], folder: &Path) -> (i32, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_ctwa")).args(args).current_dir(folder).output().expect("ctwa runs");
    (ran.status.code().unwrap_or(-1), format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr)))
}

/// What `init` says of a folder that is not there, when it has understood the rest.
const NO_LAKE: &str = "lake does not exist";

#[test]
fn shown_commands_are_understood() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut seen = 0;
    for (file, text) in documents() {
        for command in shown_commands(&text) {
            let (code, said) = ctwa(&words_of(&command)[1..], folder.path());
            // There is no such pipeline file: whoever says so has understood the rest.
            let is_understood = ["the pipeline file cannot be read", NO_LAKE].iter().any(|text| said.contains(text));
            assert!(code == 0 || is_understood, "{file}: {command}\n{said}");
            seen += 1;
        }
    }
    assert!(seen > 15, "commands are read");
}

#[test]
fn commands_and_flags_in_sentences_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut helps: BTreeMap<Vec<String>, String> = BTreeMap::new();
    let mut help = |of: &[String]| {
        let ask = || {
            let (code, said) = ctwa(&[of, &["--help".to_owned()]].concat(), folder.path());
            assert_eq!(code, 0, "ctwa {of:?} --help: {said}");
            said
        };
        helps.entry(of.to_vec()).or_insert_with(ask).clone()
    };
    let mut seen = 0;
    for (file, text) in documents().into_iter().filter(|(file, _)| file != "docs/scale.md") {
        let prose: String = text.split("```").step_by(2).collect();
        for quoted in prose.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with("ctwa ")) {
            let words = words_of(quoted);
            let is_name =
                |word: &&String| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !word.starts_with('-');
            let command: Vec<String> = words[1..].iter().take_while(is_name).cloned().collect();
            assert!(!command.is_empty() || words[1].starts_with("--"), "{file}: {quoted}");
            let known = help(&command);
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                let flag = flag.trim_end_matches(['.', ',']);
                assert!(known.contains(flag), "{file}: {quoted} has no {flag}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "sentences are read");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

#[test]
fn an_output_is_moved_and_restored_as_the_runbook_says() {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let before = scene.objects();
    // Moved, lake and output.
    copy_folder(&scene.lake.dir.join("lake"), &scene.lake.dir.join("moved/lake"));
    copy_folder(&scene.lake.output, &scene.lake.dir.join("moved/out"));
    scene.edit("url = \"lake\"", "url = \"moved/lake\"");
    scene.edit("url = \"out\"", "url = \"moved/out\"");
    let (code, report) = scene.json("run", &[]);
    assert_eq!((code, &report["objects_written"]), (0, &0.into()), "the tables are what they were: {report}");
    assert_eq!(lake::objects(&scene.lake.dir.join("moved/out")).expect("the output"), before);
    // Restored without what may be left out.
    copy_folder(&scene.lake.output, &scene.lake.dir.join("restored"));
    for left_out in ["work", "runs", "rejected"] {
        let _ = fs::remove_dir_all(scene.lake.dir.join("restored").join(left_out));
    }
    scene.edit("url = \"moved/out\"", "url = \"restored\"");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert_eq!(lake::objects(&scene.lake.dir.join("restored")).expect("the output"), before);
    assert_eq!(scene.ctwa("verify", &["--from", "2026-03-01", "--to", "2026-03-04"]).code, 0);
    // Past settings are still protected: state/ was kept.
    scene.edit("category = \"purchase\"", "category = \"sale\"");
    let ran = scene.ctwa("run", &[]);
    assert!(ran.code == 2 && ran.stderr.contains("a past setting of bot"), "{}", ran.stderr);
    assert_eq!(scene.ctwa("run", &["--accept-history-change"]).code, 0);
}

//! `docs/pipeline-file.md` and `docs/pipeline.schema.json` have the keys that the program has, with its defaults; and what the schema
//! refuses, the program refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use ctwa::config::Settings;

use crate::documents::{block_after, keyed_tables, read};
use crate::json_schema;
use crate::scene::Scene;

/// A pipeline file, section by section, in their order.
#[derive(Clone)]
struct File(Vec<(String, Vec<(String, String)>)>);

impl File {
    fn smallest() -> File {
        let mut file = File(Vec::new());
        for (section, key, value) in [
            ("", "name", "\"nightly\""),
            ("[lake]", "url", "\"lake\""),
            ("[[bots]]", "id", "\"shop\""),
            ("[[bots]]", "timezone", "\"UTC\""),
        ] {
            file.set(section, key, value);
        }
        file
    }

    /// With this section, if it needs anything with that.
    fn with_section(mut self, section: &str) -> File {
        let needed: &[(&str, &str)] = match section {
            LANDED => &[("source", "\"landed\"")],
            FETCHED => &[("source", "\"marketing-api\"")],
            "[[bots.conversion_events]]" => &[("category", "\"purchase\""), ("effective_at", "\"2026-01-01T00:00:00Z\"")],
            _ => &[],
        };
        self.section(section);
        needed.iter().for_each(|(key, value)| self.set(section, key, value));
        self
    }

    fn section(&mut self, section: &str) -> &mut Vec<(String, String)> {
        let at = self.0.iter().position(|(name, _)| name == section).unwrap_or_else(|| {
            // Keys of the root come before all sections, and those of bots last.
            let bots = self.0.iter().position(|(name, _)| name == "[[bots]]").unwrap_or(self.0.len());
            let at = if section.starts_with("[[") { self.0.len() } else { bots };
            self.0.insert(at, (section.to_owned(), Vec::new()));
            at
        });
        &mut self.0[at].1
    }

    fn set(&mut self, section: &str, key: &str, value: &str) {
        let entries = self.section(section);
        match entries.iter_mut().find(|(known, _)| known == key) {
            Some(entry) => entry.1 = value.to_owned(),
            None => entries.push((key.to_owned(), value.to_owned())),
        }
    }

    fn with(mut self, section: &str, key: &str, value: &str) -> File {
        self.set(section, key, value);
        self
    }

    fn text(&self) -> String {
        let section = |(name, entries): &(String, Vec<(String, String)>)| {
            let name = if [LANDED, FETCHED].contains(&name.as_str()) { "[insights]" } else { name };
            let lines = entries.iter().map(|(key, value)| format!("{key} = {value}\n")).collect::<String>();
            if name.is_empty() { lines } else { format!("{name}\n{lines}") }
        };
        self.0.iter().map(section).collect()
    }

    fn parsed(&self) -> Result<String, String> {
        parsed(&self.text())
    }
}

/// The settings that a text says, or what is wrong with it.
fn parsed(text: &str) -> Result<String, String> {
    let settings = Settings::parse("p.toml", text, Path::new("/pipelines"));
    settings.map(|settings| format!("{settings:?}")).map_err(|error| error.to_string())
}

const LANDED: &str = "[insights] landed";
const FETCHED: &str = "[insights] fetched";
const PLACE: &str = "Where a column is found";

/// The headings of the document, with the sections that they are about.
const SECTIONS: [(&str, &str); 15] = [
    ("The file", ""),
    ("`[lake]`", "[lake]"),
    ("`[inputs]`", "[inputs]"),
    ("`[inputs.messages]`", "[inputs.messages]"),
    ("`[inputs.events]`", "[inputs.events]"),
    ("`[inputs.identities]`", "[inputs.identities]"),
    ("`[insights]` that others land", LANDED),
    ("`[insights]` that ctwa fetches", FETCHED),
    ("`[output]`", "[output]"),
    ("`[attribution]`", "[attribution]"),
    ("`[identity]`", "[identity]"),
    ("`[quality]`", "[quality]"),
    ("`[engine]`", "[engine]"),
    ("`[[bots]]`", "[[bots]]"),
    ("`[[bots.conversion_events]]`", "[[bots.conversion_events]]"),
];

/// A column whose place takes a key, as the mapping of its table writes it.
fn place_with(key: &str, value: &str) -> (&'static str, String) {
    match key {
        "column" => ("[inputs.messages.columns]", format!("bot_id = {{ column = {value} }}")),
        "partition" | "value" => ("[inputs.messages.columns]", format!("bot_id = {{ {key} = {value} }}")),
        "unit" | "zone" => ("[inputs.messages.columns]", format!("sent_at = {{ column = \"ts\", {key} = {value} }}")),
        "values" => ("[inputs.messages.columns]", format!("direction = {{ column = \"flow\", values = {value} }}")),
        "float" => ("[insights.columns]", format!("spend = {{ column = \"spend\", float = {value} }}")),
        _ => ("[inputs.messages.columns]", format!("bot_id = {{ column = \"m\", {key} = {value} }}")),
    }
}

fn file_with_place(key: &str, value: &str) -> String {
    let (section, line) = place_with(key, value);
    let source = if section == "[insights.columns]" { "[insights]\nsource = \"landed\"\n" } else { "" };
    let (head, bots) = ("name = \"n\"\n[lake]\nurl = \"lake\"\n", "[[bots]]\nid = \"shop\"\ntimezone = \"UTC\"\n");
    format!("{head}{source}{section}\n{line}\n{bots}")
}

/// The keys that an error about an unknown one says are valid.
fn valid_keys(error: &str) -> BTreeSet<String> {
    let (_, rest) = error.split_once("(valid here: ").unwrap_or_else(|| panic!("{error} names the valid keys"));
    let (list, _) = rest.split_once(')').expect("the list ends");
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_of_the_program_is_told_and_no_other() {
    let tables = keyed_tables(&read("docs/pipeline-file.md"));
    let headings: BTreeSet<&str> = SECTIONS.iter().map(|(heading, _)| *heading).chain([PLACE]).collect();
    assert_eq!(tables.keys().map(String::as_str).collect::<BTreeSet<_>>(), headings, "each section is held to the program");
    for (heading, section) in SECTIONS {
        let error = File::smallest().with_section(section).with(section, "zzz", "1").parsed().expect_err("it is no key");
        assert_eq!(tables[heading].keys().cloned().collect::<BTreeSet<_>>(), valid_keys(&error), "{heading}");
    }
    let error = parsed(&file_with_place("zzz", "1")).expect_err("it is no key");
    assert_eq!(tables[PLACE].keys().cloned().collect::<BTreeSet<_>>(), valid_keys(&error), "{PLACE}");
}

/// The code that a cell of a table shows; nothing where it shows none.
fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`').and_then(|rest| rest.split('`').next())
}

#[test]
fn told_defaults_and_examples_are_true() {
    let tables = keyed_tables(&read("docs/pipeline-file.md"));
    let (mut examples, schema) = (0, schema());
    for (heading, section) in SECTIONS {
        let file = File::smallest().with_section(section);
        let without = file.parsed().unwrap_or_else(|error| panic!("{heading}: {error}"));
        for (key, cells) in &tables[heading] {
            let [kind, default, _, example] = &cells[..] else { panic!("{heading} {key} has five cells") };
            assert!(!kind.is_empty(), "{heading} {key} has a type");
            if let Some(default) = code(default) {
                let with = file.clone().with(section, key, default).parsed();
                assert_eq!(with.as_ref(), Ok(&without), "{heading}: the default of {key}");
            }
            let Some(example) = code(example) else {
                assert!(kind.starts_with("table"), "{heading} {key} has an example");
                continue;
            };
            let changed = file.clone().with(section, key, example);
            assert_eq!(json_schema::faults(&schema, &as_json(&changed.text())), Vec::<String>::new(), "{heading} {key}");
            let with = changed.parsed().unwrap_or_else(|error| panic!("{heading} {key}: {error}"));
            let is_default = code(default) == Some(example) || default == "needed" && file.text().contains(example);
            assert!(is_default || with != without, "{heading}: the example of {key} changes something");
            examples += 1;
        }
    }
    for (key, cells) in &tables[PLACE] {
        let example = code(&cells[3]).expect("an example");
        let text = file_with_place(key, example);
        assert_eq!(json_schema::faults(&schema, &as_json(&text)), Vec::<String>::new(), "{key}");
        parsed(&text).unwrap_or_else(|error| panic!("{key}: {error}"));
        examples += 1;
    }
    assert!(examples > 40, "examples are read");
}

/// The schema of a section, and what of it holds the section's keys.
fn properties<'s>(schema: &'s Value, section: &str) -> &'s Value {
    let place = match section {
        "" => String::new(),
        LANDED => "/properties/insights/oneOf/0".to_owned(),
        FETCHED => "/properties/insights/oneOf/1".to_owned(),
        "[[bots]]" => "/properties/bots/items".to_owned(),
        "[[bots.conversion_events]]" => "/properties/bots/items/properties/conversion_events/items".to_owned(),
        section => {
            section.trim_matches(['[', ']']).split('.').map(|name| format!("/properties/{name}")).collect::<Vec<_>>().concat()
        }
    };
    &schema.pointer(&place).unwrap_or_else(|| panic!("the schema has {place}"))["properties"]
}

pub fn schema() -> Value {
    serde_json::from_str(&read("docs/pipeline.schema.json")).expect("the schema is JSON")
}

#[test]
fn the_schema_has_every_key_with_its_default_and_a_description() {
    let (schema, tables) = (schema(), keyed_tables(&read("docs/pipeline-file.md")));
    for (heading, section) in SECTIONS {
        let properties = properties(&schema, section).as_object().unwrap_or_else(|| panic!("{heading} has keys"));
        let told = &tables[heading];
        let keys: BTreeSet<&String> = properties.keys().collect();
        assert_eq!(keys, told.keys().collect::<BTreeSet<_>>(), "{heading}");
        for (key, of) in properties {
            assert!(of["description"].as_str().is_some_and(|text| text.len() > 10), "{heading} {key} has a description");
            // The default of the output depends on the lake.
            let told =
                code(&told[key][1]).filter(|_| section != "[output]").map(|text| serde_json::from_str(text).expect("JSON"));
            assert_eq!(of.get("default").cloned(), told, "{heading} {key}");
        }
    }
    for (section, table) in [
        ("[inputs.messages]", &ctwa::base::schema::MESSAGES),
        ("[inputs.events]", &ctwa::base::schema::EVENTS),
        ("[inputs.identities]", &ctwa::base::schema::IDENTITIES),
        (LANDED, &ctwa::base::schema::INSIGHTS),
    ] {
        let columns = properties(&schema, section)["columns"]["properties"].as_object().expect("columns");
        let keys: Vec<&str> = columns.keys().map(String::as_str).collect();
        assert_eq!(keys, table.columns.iter().map(|column| column.name).collect::<Vec<_>>(), "{section}");
    }
}

pub fn as_json(text: &str) -> Value {
    let value: toml::Value = toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    serde_json::to_value(value).expect("TOML is JSON")
}

/// The smallest file with these sections.
fn smallest_with(sections: &str) -> String {
    File::smallest().text().replace("[[bots]]", &format!("{sections}\n[[bots]]"))
}

/// The pipeline files of the repository and of its documents, by name.
pub fn right_ones() -> BTreeMap<String, String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")).expect("pipelines");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: BTreeMap<String, String> = paths
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a pipeline file");
            assert!(text.starts_with("#:schema ../docs/pipeline.schema.json\n"), "{} names the schema", path.display());
            (path.display().to_string(), text)
        })
        .collect();
    let document = read("docs/pipeline-file.md");
    for mark in ["<!-- pipeline: smallest -->", "<!-- pipeline: example -->"] {
        files.insert(mark.to_owned(), block_after(&document, mark));
    }
    let columns = block_after(&document, "<!-- pipeline: columns of messages -->");
    let smallest = File::smallest().with_section("[inputs.messages.columns]").text();
    files.insert(
        "columns".to_owned(),
        smallest.replace("[inputs.messages.columns]\n", &format!("[inputs.messages.columns]\n{columns}")),
    );
    // Parts of a file that other documents show.
    for document in ["docs/input.md", "docs/commands.md", "docs/faq.md", "docs/runbook.md", "docs/security.md", "README.md"] {
        for (number, block) in read(document).split("```toml\n").skip(1).enumerate() {
            let part = block.split("```").next().expect("the block ends");
            files.insert(format!("{document} {number}"), smallest_with(part));
        }
    }
    files.insert("scene".to_owned(), crate::scene::PIPELINE.to_owned());
    let fetched =
        File::smallest().with_section(FETCHED).with(FETCHED, "token_file", "\"token\"").with(FETCHED, "reach_windows", "[]");
    files.insert("fetched".to_owned(), fetched.text());
    files
}

#[test]
fn files_that_are_right_are_right_by_the_schema() {
    let (schema, files) = (schema(), right_ones());
    assert!(files.len() >= 9);
    for (name, text) in files {
        assert_eq!(json_schema::faults(&schema, &as_json(&text)), Vec::<String>::new(), "{name}");
        parsed(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Wrong pipeline files: section, key and value that make the smallest one wrong.
const WRONG: &[(&str, &str, &str)] = &[
    ("", "name", "\" \""),
    ("", "name", "7"),
    ("", "title", "\"n\""),
    ("", "version", "1"),
    ("[lake]", "url", "\"\""),
    ("[lake]", "uri", "\"lake\""),
    ("[lakes]", "url", "\"lake\""),
    ("[inputs.message]", "path", "\"messages\""),
    ("[inputs.messages]", "path", "\"/\""),
    ("[inputs.messages]", "path", "[\"messages\"]"),
    ("[inputs.messages]", "partition", "\"date\""),
    ("[inputs.messages]", "partition", "[]"),
    ("[inputs.messages]", "partition", "{ column = \"date\" }"),
    ("[inputs.messages]", "partition_zone", "\"-3\""),
    ("[inputs.messages]", "marker", "\"a/_SUCCESS\""),
    ("[inputs.messages]", "marker", "true"),
    ("[inputs.messages]", "ignore", "\"*.csv\""),
    ("[inputs.messages]", "allow_missing", "[\"2026-02-32\"]"),
    ("[inputs.messages]", "allow_missing", "[2026-02-03]"),
    ("[inputs.messages]", "null_words", "[\" \"]"),
    ("[inputs.messages]", "skip", "[\"*.csv\"]"),
    ("[inputs.messages.columns]", "bot", "\"ownerIdentity\""),
    ("[inputs.messages.columns]", "bot_id", "7"),
    ("[inputs.messages.columns]", "bot_id", "[]"),
    ("[inputs.messages.columns]", "bot_id", "{ key = \"id\" }"),
    ("[inputs.messages.columns]", "bot_id", "{ column = \"a\", path = \"b\" }"),
    ("[inputs.messages.columns]", "bot_id", "{ column = \"a\", unit = \"s\" }"),
    ("[inputs.messages.columns]", "bot_id", "{ partition = \"a\", column = \"b\" }"),
    ("[inputs.messages.columns]", "bot_id", "{ value = \"a\", column = \"b\" }"),
    ("[inputs.messages.columns]", "sent_at", "{ column = \"a\", unit = \"ns\" }"),
    ("[inputs.messages.columns]", "sent_at", "{ column = \"a\", key = [] }"),
    ("[inputs.messages.columns]", "direction", "{ column = \"a\", values = { inbound = [\"in\"] } }"),
    ("[inputs.messages.columns]", "direction", "{ column = \"a\", values = { received = [false] } }"),
    ("[inputs.events.columns]", "event_id", "{ column = \"a\", float = true }"),
    ("[inputs.identities]", "partition", "\"date={date}\""),
    (LANDED, "source", "\"landing\""),
    (LANDED, "token_env", "\"META\""),
    (LANDED, "marker", "\"_SUCCESS\""),
    (LANDED, "absent_means_zero", "\"yes\""),
    (FETCHED, "absent_means_zero", "true"),
    (FETCHED, "token_env", "\"MY TOKEN\""),
    (FETCHED, "token", "\"x\""),
    (FETCHED, "base_url", "\"http://graph.facebook.com\""),
    (FETCHED, "api_version", "\"26\""),
    (FETCHED, "restate_days", "0"),
    (FETCHED, "restate_days", "91"),
    (FETCHED, "refetch_after_hours", "-1"),
    (FETCHED, "refetch_after_hours", "169"),
    (FETCHED, "reach_windows", "[7, 0]"),
    (FETCHED, "reach_windows", "[1124]"),
    (FETCHED, "timeout_seconds", "0"),
    (FETCHED, "timeout_seconds", "601"),
    (FETCHED, "timeout_seconds", "\"60\""),
    ("[output]", "path", "\"out\""),
    ("[attribution]", "window_days", "0"),
    ("[attribution]", "window_days", "91"),
    ("[attribution]", "window_days", "30.5"),
    ("[identity]", "forms", "[\"ninth-digit\"]"),
    ("[quality]", "max_rejected_share", "-0.01"),
    ("[quality]", "max_rejected_share", "1.01"),
    ("[engine]", "kind", "\"spark\""),
    ("[[bots]]", "ad_accounts", "[\"act-1\"]"),
    ("[[bots]]", "timezone", "\"\""),
    ("[[bots.conversion_events]]", "effective_at", "\"2026-08-11T00:00:00\""),
];

/// Each wrong file, with its name.
pub fn wrong_ones() -> Vec<(String, String)> {
    let wrong = |(section, key, value): (&str, &str, &str)| {
        let text = File::smallest().with_section(section).with(section, key, value).text();
        (format!("{section} {key} = {value}"), text)
    };
    let mut files: Vec<(String, String)> = WRONG.iter().copied().map(wrong).collect();
    let smallest = File::smallest().text();
    for needed in ["name = \"nightly\"\n", "url = \"lake\"\n", "id = \"shop\"\n", "timezone = \"UTC\"\n"] {
        assert!(smallest.contains(needed));
        files.push((format!("without {needed}"), smallest.replace(needed, "")));
    }
    files.push(("without bots".to_owned(), smallest.split("[[bots]]").next().expect("a head").to_owned()));
    let token = File::smallest().with_section(FETCHED).with(FETCHED, "token_env", "\"A\"").with(FETCHED, "token_file", "\"b\"");
    files.push(("two tokens".to_owned(), token.text()));
    files
}

#[test]
fn what_the_schema_refuses_the_program_refuses() {
    let (schema, scene) = (schema(), Scene::new());
    let files = wrong_ones();
    assert!(files.len() > 60);
    for (name, text) in files {
        assert!(!json_schema::faults(&schema, &as_json(&text)).is_empty(), "the schema takes {name}\n{text}");
        scene.pipeline(&text);
        let ran = scene.ctwa("plan", &[]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("pipeline.toml"), "{name}: the place is told: {}", ran.stderr);
    }
}

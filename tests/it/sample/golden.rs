//! The binary on the committed sample, against the committed expectation. The lakes and pipeline files are copied to a folder of
//! the test's own, so that outputs never meet and paths relative to the pipeline file are exercised as they are.

use std::fs;
use std::path::Path;

use ctwa::config::EngineKind;
use tempfile::TempDir;

use super::expected::{self, RANGE};
use super::files::Files;
use super::{committed, sample_data, shop};
use crate::engines::engines;
use crate::lake::{self, Lake};
use crate::rows;
use crate::world::Bot;

/// A copy of one lake and its pipeline file. The folder lives as long as the copy.
struct Copy {
    lake: Lake,
    _folder: TempDir,
}

fn copy(pipeline: &str, lake: &str) -> Copy {
    copy_for(EngineKind::default(), pipeline, lake)
}

fn copy_for(engine: EngineKind, pipeline: &str, lake: &str) -> Copy {
    let folder = tempfile::tempdir().expect("a folder of our own");
    for (name, bytes) in committed().iter().filter(|(name, _)| name.starts_with(lake)) {
        put(&folder.path().join("sample_data").join(name), bytes);
    }
    let file = format!("pipelines/{pipeline}.toml");
    let text = format!("{}\n[engine]\nkind = {:?}\n", pipeline_file(pipeline), engine.name());
    put(&folder.path().join(&file), text.as_bytes());
    let lake = Lake {
        dir: folder.path().to_owned(),
        pipeline: folder.path().join(&file),
        output: folder.path().join("target").join(pipeline),
    };
    Copy { lake, _folder: folder }
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder that can be made");
    fs::write(path, bytes).expect("a file that can be written");
}

fn pipeline_file(pipeline: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("pipelines/{pipeline}.toml"));
    fs::read_to_string(path).expect("a pipeline file")
}

/// Runs the pipeline on copies, by every engine, and holds the four tables to the expectation.
fn assert_yields_the_expected_tables(pipeline: &str, lake: &str) {
    engines().for_each(|engine| assert_copy_yields_the_expected_tables(&copy_for(engine, pipeline, lake)));
}

fn assert_copy_yields_the_expected_tables(copy: &Copy) {
    lake::ctwa_expecting(&copy.lake, &[0], "run", &[]).unwrap_or_else(|error| panic!("{error}"));
    let found = lake::read(&copy.lake.output).unwrap_or_else(|error| panic!("{error}"));
    let differences = rows::differences(&expected::published(&shop::world()), &found);
    assert!(differences.is_empty(), "expected and found differ:\n{differences}");

    let mut expectation = committed();
    expectation.retain(|name, _| name.starts_with("expected/") && name != "expected/report.csv");
    let unequal: Vec<String> = lake::unequal_objects(&expectation, &expected::tables(&found));
    assert!(unequal.is_empty(), "not as committed: {unequal:?}");
}

#[test]
fn contract_lake_yields_the_expected_tables() {
    assert_yields_the_expected_tables("sample", "contract/");
}

#[test]
fn blip_lake_yields_the_expected_tables() {
    assert_yields_the_expected_tables("sample-blip", "blip/");
}

#[test]
fn both_lakes_yield_the_same_bytes() {
    let [contract, blip]: [Files; 2] = [("sample", "contract/"), ("sample-blip", "blip/")].map(|(pipeline, lake)| {
        let copy = copy(pipeline, lake);
        lake::ctwa_expecting(&copy.lake, &[0], "run", &[]).unwrap_or_else(|error| panic!("{error}"));
        lake::objects(&copy.lake.output).unwrap_or_else(|error| panic!("{error}"))
    });
    assert!(!contract.is_empty());
    assert_eq!(lake::unequal_objects(&contract, &blip), Vec::<String>::new());
}

#[test]
fn report_of_the_sample_is_as_expected() {
    let copy = copy("sample", "contract/");
    lake::ctwa_expecting(&copy.lake, &[0], "run", &[]).unwrap_or_else(|error| panic!("{error}"));
    let report = |more: &[&str]| {
        let args = [&["--from", RANGE.0, "--to", RANGE.1, "--format", "csv"], more].concat();
        let csv = lake::ctwa_expecting(&copy.lake, &[0], "report", &args).unwrap_or_else(|error| panic!("{error}"));
        records(csv.as_bytes())
    };
    // The report puts the ads that matter on top, the expectation sorts by id.
    let mut found = report(&["--raw-csv"]);
    found[1..].sort_by(|one, other| one.iter().cmp(other.iter()));
    assert_eq!(found, records(&committed()["expected/report.csv"]));
    // A title that a spreadsheet would run.
    assert!(report(&[]).iter().flatten().all(|cell| !cell.starts_with('=')));
}

fn records(csv: &[u8]) -> Vec<csv::StringRecord> {
    let reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv);
    reader.into_records().collect::<Result<_, _>>().expect("CSV")
}

/// The lakes are made for these bots: a pipeline file that names others would count something else.
#[test]
fn sample_pipelines_name_the_shops_bots() {
    for pipeline in ["sample", "sample-blip"] {
        let file: toml::Table = pipeline_file(pipeline).parse().expect("TOML");
        let named: Vec<String> =
            file["bots"].as_array().expect("a list").iter().map(|bot| format!("{:?}", bot_of(bot))).collect();
        let shops: Vec<String> = shop::bots().iter().map(|bot| format!("{bot:?}")).collect();
        assert_eq!(named, shops, "{pipeline}.toml");
    }
}

fn bot_of(table: &toml::Value) -> Bot {
    let text = |value: &toml::Value| value.as_str().expect("text").to_owned();
    let list = |key: &str| table.get(key).and_then(|value| value.as_array()).cloned().unwrap_or_default();
    Bot {
        test_contacts: Vec::new(),
        id: text(&table["id"]),
        timezone: text(&table["timezone"]),
        members: list("members").iter().map(text).collect(),
        ad_accounts: list("ad_accounts").iter().map(text).collect(),
        settings: list("conversion_events")
            .iter()
            .map(|setting| (text(&setting["category"]), shop::utc(&text(&setting["effective_at"]))))
            .collect(),
    }
}

#[test]
fn nightly_template_is_a_valid_pipeline() {
    let text = pipeline_file("nightly");
    ctwa::config::Settings::parse("nightly.toml", &text, Path::new(".")).unwrap_or_else(|error| panic!("{error}"));
}

/// The catalogue shows the report and how much lands; its figures must be the true ones.
#[test]
fn catalogue_shows_the_true_figures() {
    let catalogue = fs::read_to_string(sample_data().join("README.md")).expect("the catalogue");
    let report = records(&committed()["expected/report.csv"]);
    let cell = |row: &csv::StringRecord, name: &str| -> String {
        let column = report[0].iter().position(|column| column == name);
        row[column.expect("a column of the report")].to_owned()
    };
    let mut lines: Vec<String> = report[1..]
        .iter()
        .map(|row| {
            let bot = cell(row, "bot_id").replace("@msging.net", "");
            let shown = ["ad_id", "currency", "spend", "conversations", "conversions", "cost_per_conversion"];
            let cells = shown.map(|name| format!(" {} |", cell(row, name))).concat();
            format!("| {bot} |{cells}").replace("|  |", "| |").replace("|  |", "| |")
        })
        .collect();
    let world = shop::world();
    let touches = world.messages.iter().filter(|row| row.ad_id.is_some()).count();
    lines.extend([
        format!("| messages | {} |", world.messages.len()),
        format!("| {touches} of them carry an ad id"),
        format!("| events | {} |", world.events.len()),
        format!("| identities | {} |", world.identities.len()),
        format!("| insights | {} |", world.insights.len()),
    ]);
    let missing: Vec<&String> = lines.iter().filter(|line| !catalogue.contains(line.as_str())).collect();
    assert!(missing.is_empty(), "sample_data/README.md lacks {missing:#?}");
}

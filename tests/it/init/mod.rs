//! `ctwa init`: the pipeline file that it writes for a lake it does not know gives the tables of that lake's own pipeline file; what it
//! cannot know stands there as a comment, is told, and is never guessed.

mod shapes;
mod unknown;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::lake::{self, Form, LAYOUTS, Names, Ran, TimeForm, unequal_objects};
use crate::remote::{self, Bucket};
use crate::scene::{self, noon};
use crate::servers;
use crate::world::{Bot, World};

/// A folder with a lake that has a pipeline file of its own.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("a folder for the test") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_ctwa"))
            .args(args)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("ctwa starts");
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ran { code: output.status.code().unwrap_or(-1), stdout, stderr }
    }

    /// Writes `new.toml` for the lake.
    fn init(&self, args: &[&str]) -> Ran {
        self.run(&[&["init", "lake", "--out", "new.toml", "--output", "new"], args].concat())
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path("new.toml")).expect("the file is written")
    }

    /// Runs a pipeline file and holds its tables against those of another.
    fn assert_same_tables(&self, when: &str, args: &[&str]) {
        let ran = self.init(args);
        assert_eq!(ran.code, 0, "{when}: {}{}\n{}", ran.stdout, ran.stderr, self.text());
        for file in ["new.toml", "own.toml"] {
            let built = self.run(&["run", file]);
            assert_eq!(built.code, 0, "{when}: {file}: {}", built.stderr);
        }
        let [new, own] = ["new", "own"].map(|output| lake::objects(&self.path(output)).expect("tables"));
        assert!(own.len() > 4, "{when}: there is something to compare");
        assert_eq!(unequal_objects(&new, &own), Vec::<String>::new(), "{when}\n{}", self.text());
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a readable folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A sample lake, and its pipeline file as `own.toml`.
fn sample(lake: &str, pipeline: &str) -> Place {
    let place = Place::new();
    copy_folder(&project().join("sample_data").join(lake), &place.path("lake"));
    let text = fs::read_to_string(project().join(format!("pipelines/{pipeline}.toml"))).expect("a pipeline file");
    let urls = text.lines().map(|line| match line.strip_prefix("url = ") {
        Some(url) if url.contains("sample_data") => "url = \"lake\"\n".to_owned(),
        Some(_) => "url = \"own\"\n".to_owned(),
        None => format!("{line}\n"),
    });
    fs::write(place.path("own.toml"), urls.collect::<String>()).expect("it is written");
    place
}

/// What only a person can say of the sample shop.
const SHOP: &[&str] = &[
    "--bot=shop-br@msging.net",
    "--bot=shop-mx@msging.net",
    "--bot=shop-us@msging.net",
    "--timezone=America/Sao_Paulo",
    "--timezone=shop-mx@msging.net=America/Mexico_City",
    "--timezone=shop-us@msging.net=America/New_York",
    "--conversion-event=shop-br@msging.net=Pedido confirmado@2026-09-01",
    "--conversion-event=shop-br@msging.net=Pagamento aprovado@2026-10-19T12:30:00-03:00",
    "--conversion-event=shop-mx@msging.net=Compra@2026-10-09",
    "--conversion-event=shop-us@msging.net=",
    "--max-rejected-share=0.15",
];

#[test]
fn the_sample_lakes_yield_the_tables_of_their_own_files() {
    for (lake, pipeline) in [("contract", "sample"), ("blip", "sample-blip")] {
        let place = sample(lake, pipeline);
        place.assert_same_tables(lake, SHOP);
        let text = place.text();
        for says in
            ["members = [\"shop-br-sales@msging.net\"]", "\"shop-br-homolog@msging.net\": 2 messages", "act_900800700600501"]
        {
            assert!(text.contains(says), "{lake}: {says}\n{text}");
        }
    }
}

#[test]
fn a_lake_on_s3_is_looked_at_as_one_on_disk() {
    let bucket = Bucket::on_s3();
    bucket.put(&remote::below("lake", remote::sample_lake("blip")));
    let place = sample("blip", "sample-blip");
    let url = format!("{}/lake", bucket.url);
    let args = [&["init", url.as_str(), "--out", "s3.toml", "--output", "new"], SHOP].concat();
    let ran = Command::new(env!("CARGO_BIN_EXE_ctwa"))
        .args(args)
        .env_clear()
        .envs(servers::s3().environment())
        .current_dir(place.folder.path())
        .output()
        .expect("ctwa starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(place.init(SHOP).code, 0);
    let on_s3 = fs::read_to_string(place.path("s3.toml")).expect("it is written");
    let expected = place.text().replace("name = \"new\"", "name = \"s3\"").replace("url = \"lake\"", &format!("url = {url:?}"));
    assert_eq!(on_s3, expected);
}

/// The scene's world with a conversion event.
fn world() -> World {
    let shop = Bot {
        id: "shop".into(),
        timezone: "UTC".into(),
        ad_accounts: vec!["act_1".into(), "act_2".into()],
        settings: vec![("purchase".into(), noon("2026-02-01"))],
        ..Bot::default()
    };
    World { bots: vec![shop], ..scene::world() }
}

#[test]
fn every_layout_type_and_form_of_time_is_found() {
    let times = [
        TimeForm::MicrosUtc,
        TimeForm::MicrosNaive,
        TimeForm::Millis,
        TimeForm::NanosNaive,
        TimeForm::Text,
        TimeForm::Texts,
        TimeForm::Integer,
        TimeForm::Digits,
    ];
    let names = [Names::Contract, Names::Upper, Names::Capital];
    for (number, lay) in LAYOUTS.into_iter().enumerate() {
        let form = Form {
            lay,
            time: times[number % times.len()],
            names: names[number % names.len()],
            files_per_day: 1 + number % 2,
            types: (number % 2 == 1).then_some(number as u64),
            spend_as_text: number % 3 == 0,
            counts_as_text: number % 3 == 1,
            bare_accounts: number % 4 == 0,
            ..Form::default()
        };
        let place = Place::new();
        lake::write(&world(), &form, place.folder.path());
        lake::write_pipeline(&world(), &form, place.folder.path(), "own", Some("own"));
        let flags = ["--timezone=UTC", "--conversion-event=purchase@2026-02-01T12:00:00Z", "--max-rejected-share=1"];
        place.assert_same_tables(&format!("{form:?}"), &flags);
    }
}

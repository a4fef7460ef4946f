//! Layouts: how the files of a lake may lie, through the binary. Every layout of the same rows gives the same bytes; what is not
//! read is named; what cannot be read costs its own day; days that no pattern finds are never days that have not landed.

use std::fs;
use std::path::Path;

use chrono::NaiveDate;

use crate::lake::{self, Form, LAYOUTS, Lay, Ran};
use crate::scene::{DAYS, FAULTY, PIPELINE, Scene, date};

const TABLES: [&str; 3] = ["messages", "events", "insights"];

/// The pipeline file with a line more in every input.
fn with_lines(line: &str) -> String {
    let mut text = PIPELINE.to_owned();
    for passage in ["path = \"messages\"\n", "path = \"events\"\n", "source = \"landed\"\n"] {
        text = text.replace(passage, &format!("{passage}{line}\n"));
    }
    text
}

fn move_file(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a file lies in a folder")).expect("a folder is made");
    fs::rename(from, to).expect("a file is moved");
    let _ = fs::remove_dir(from.parent().expect("a file lies in a folder"));
}

/// Lays the day of a table otherwise.
fn lay(scene: &Scene, table: &str, day: &str, lay: Lay) {
    let to = scene.lake.dir.join("lake").join(table).join(lay.path(date(day), 0));
    move_file(&scene.file(table, day), &to);
}

fn lay_all(scene: &Scene, of: Lay) {
    for (table, day) in TABLES.into_iter().flat_map(|table| DAYS.map(|day| (table, day))) {
        lay(scene, table, day, of);
    }
}

fn said(ran: &Ran, code: i32, texts: &[&str]) {
    let whole = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, code, "{whole}");
    texts.iter().for_each(|text| assert!(whole.contains(text), "{text:?} is not in:\n{whole}"));
}

fn days(scene: &Scene) -> Vec<NaiveDate> {
    scene.published().bot_days.into_keys().collect()
}

#[test]
fn every_layout_of_the_same_rows_gives_the_same_bytes() {
    let plain = Scene::new();
    said(&plain.ctwa("run", &[]), 0, &[]);
    for of in LAYOUTS {
        let scene = Scene::new();
        lay_all(&scene, of);
        scene.pipeline(&with_lines(&format!("partition = {:?}", of.pattern)));
        said(&scene.ctwa("run", &[]), 0, &["4 days built"]);
        assert!(scene.objects() == plain.objects(), "{of:?}");
        said(&scene.ctwa("run", &[]), 0, &["nothing is stale"]);
    }
}

#[test]
fn a_layout_without_its_pattern_is_refused_with_the_pattern_to_write() {
    for of in LAYOUTS.iter().filter(|of| of.pattern != "date={date}") {
        let scene = Scene::new();
        lay_all(&scene, *of);
        let proposed = format!("write partition = {:?}", of.pattern);
        for command in ["run", "check", "plan"] {
            said(&scene.ctwa(command, &[]), 2, &["no folder of messages/ fits the pattern", &proposed]);
        }
    }
}

#[test]
fn newest_days_in_another_form_are_found_out() {
    let of = Lay { pattern: "dt={date}", file: "dt={date}/a{file}.parquet" };
    let scene = Scene::new();
    TABLES.into_iter().for_each(|table| lay(&scene, table, DAYS[3], of));
    let mend = "partition = [\"date={date}\", \"dt={date}\"]";
    for command in ["run", "check", "plan"] {
        said(&scene.ctwa(command, &[]), 2, &["newer days of messages/ lie in another form", "ends at 2026-03-03", mend]);
    }
    scene.pipeline(&with_lines(mend));
    said(&scene.ctwa("run", &[]), 0, &["4 days built"]);
    // Older days in another form end nothing: they are named.
    let scene = Scene::new();
    TABLES.into_iter().for_each(|table| lay(&scene, table, DAYS[0], of));
    said(&scene.ctwa("run", &[]), 0, &["3 days built", "messages: 1 file lies in the folder of no day", "dt=2026-03-01"]);
}

#[test]
fn what_is_plainly_no_data_is_passed_over_and_anything_else_is_named() {
    let scene = Scene::new();
    let folder = scene.folder("messages", FAULTY);
    for name in
        ["_SUCCESS", ".part-0.parquet.crc", "a.tmp", "b.parquet.bak", "c.parquet~", "d_$folder$", "README.md", "Thumbs.db"]
    {
        fs::write(folder.join(name), "x").expect("a file is written");
    }
    fs::write(folder.join("sizes.json"), "{}").expect("a file is written");
    fs::write(folder.join("done"), "").expect("a file is written");
    fs::create_dir_all(folder.join("_temporary/0")).expect("a folder is made");
    fs::copy(scene.file("messages", DAYS[0]), folder.join("_temporary/0/part-0.parquet")).expect("a file is copied");
    let ran = scene.ctwa("run", &[]);
    said(&ran, 0, &["4 days built"]);
    assert!(!ran.stderr.contains("not read") && !ran.stderr.contains("lies under"), "{}", ran.stderr);

    for name in ["a.csv", "b.csv"] {
        fs::write(folder.join(name), "x").expect("a file is written");
    }
    fs::write(folder.join("notes"), "no Parquet, whatever it is").expect("a file is written");
    let warning = "3 files of no kind that is read lie under days, the first is \"messages/date=2026-03-03/a.csv\"";
    said(&scene.ctwa("run", &[]), 0, &[warning]);
    said(&scene.ctwa("check", &[]), 0, &[warning]);
    scene.pipeline(&with_lines("ignore = [\"*.CSV\", \"notes\"]"));
    let ran = scene.ctwa("run", &[]);
    assert!(ran.code == 0 && !ran.stderr.contains("lie under"), "{}", ran.stderr);
}

#[test]
fn a_day_of_other_files_is_refused_and_is_none_that_has_not_landed() {
    for name in ["part-0.csv", "part-0.json", "part-0.orc", "000000_0"] {
        let scene = Scene::new();
        let whole = fs::read(scene.file("messages", DAYS[3])).expect("a file is read");
        fs::remove_file(scene.file("messages", DAYS[3])).expect("a file is removed");
        fs::write(scene.folder("messages", DAYS[3]).join(name), "bot_id,message_id").expect("a file is written");
        let says = ["none is Parquet by its name", name, "day 2026-03-04", "table messages"];
        said(&scene.ctwa("check", &[]), 6, &says[..3]);
        said(&scene.ctwa("run", &[]), 6, &says);
        assert_eq!(days(&scene), DAYS[..3].iter().map(|day| date(day)).collect::<Vec<_>>());
        fs::write(scene.file("messages", DAYS[3]), whole).expect("a file is written");
        said(&scene.ctwa("run", &[]), 0, &[]);
        assert_eq!(days(&scene).len(), 4);
    }
    // Files that plainly are no data are a day that has not landed.
    let scene = Scene::new();
    fs::rename(scene.file("messages", FAULTY), scene.folder("messages", FAULTY).join("part-0.parquet.tmp")).expect("it moves");
    said(&scene.ctwa("run", &[]), 3, &["has not landed"]);
}

#[cfg(unix)]
#[test]
fn an_odd_name_costs_its_own_day() {
    use std::os::unix::ffi::OsStrExt as _;
    type Odd = fn(&Path);
    let odd: [(&str, Odd); 4] = [
        ("cannot be addressed", |folder| fs::write(folder.join("a\tb.parquet"), "x").expect("a file is written")),
        ("cannot be addressed", |folder| fs::write(folder.join("a\nb.parquet"), "x").expect("a file is written")),
        ("is not UTF-8", |folder| {
            fs::write(folder.join(std::ffi::OsStr::from_bytes(b"\xff.parquet")), "x").expect("a file is written");
        }),
        ("leads to itself", |folder| std::os::unix::fs::symlink(folder, folder.join("again")).expect("a link is made")),
    ];
    for (says, lay) in odd {
        let scene = Scene::new();
        lay(&scene.folder("events", FAULTY));
        said(&scene.ctwa("check", &[]), 6, &[says, "day 2026-03-03"]);
        said(&scene.ctwa("run", &[]), 6, &[says, "day 2026-03-03", "table events"]);
        assert_eq!(days(&scene), [DAYS[0], DAYS[1], DAYS[3]].map(date));
    }
}

#[cfg(unix)]
#[test]
fn names_with_what_is_odd_elsewhere_are_read() {
    let expected = {
        let scene = Scene::new();
        assert_eq!(scene.ctwa("run", &[]).code, 0);
        scene.objects()
    };
    for name in
        ["a \"b\" 'c'.parquet", "a*?[b]{c}~^|<d>.parquet", "%41%2f#é\\.parquet", " a.parquet", "#1/#2/a.parquet", "part#a"]
    {
        let scene = Scene::new();
        let folder = scene.folder("messages", DAYS[2]);
        let to = folder.join(name);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("it is made");
        std::fs::rename(folder.join("part-0.parquet"), to).expect("it moves");
        said(&scene.ctwa("run", &[]), 0, &[]);
        assert!(crate::lake::unequal_objects(&expected, &scene.objects()).is_empty(), "{name}");
    }
    // What the store takes for a file that is being written is no row, and said.
    let scene = Scene::new();
    std::fs::copy(scene.file("messages", DAYS[1]), scene.folder("messages", DAYS[2]).join("000001_0#1")).expect("a copy");
    said(&scene.ctwa("run", &[]), 0, &["1 file", "000001_0#1"]);
    assert!(crate::lake::unequal_objects(&expected, &scene.objects()).is_empty());
}

#[test]
fn a_table_format_is_named_and_refused() {
    for (path, format) in [(".hoodie/hoodie.properties", "Apache Hudi"), ("metadata/v1.metadata.json", "Apache Iceberg")] {
        for table in ["messages", "events", "insights", "identities"] {
            let scene = Scene::new();
            scene.identities(&[(None, "ana-9", "ana-0")]);
            let path = scene.lake.dir.join("lake").join(table).join(path);
            fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder is made");
            fs::write(path, "{}").expect("a file is written");
            let says = [format, &format!("{table}/ is a table of"), "as plain Parquet"];
            said(&scene.ctwa("run", &[]), 2, &says);
            said(&scene.ctwa("check", &[]), 2, &says);
        }
    }
}

#[test]
fn the_alias_table_is_listed_by_the_same_rules() {
    let scene = Scene::new();
    scene.identities(&[(None, "ana-9", "ana-0")]);
    let folder = scene.lake.dir.join("lake/identities");
    let row = |contact| crate::scene::identity_columns(&[(None, "bia-9", contact)]);
    lake::write_file(&folder.join("_temporary/0/part-0.parquet"), row("ana-0"), &Form::default());
    fs::rename(folder.join("part-0.parquet"), folder.join("000000_0")).expect("it moves");
    fs::write(folder.join("old.csv"), "x").expect("a file is written");
    let says = "identities: 1 file of no kind that is read lies there, the first is \"identities/old.csv\"";
    said(&scene.ctwa("run", &[]), 0, &[says]);
    said(&scene.ctwa("run", &[]), 0, &["nothing is stale"]);
    fs::remove_file(folder.join("000000_0")).expect("it goes");
    said(&scene.ctwa("run", &[]), 6, &["none is Parquet by its name", "old.csv", "table identities"]);
    scene.edit("[inputs.identities]\n", "[inputs.identities]\nignore = [\"*.csv\"]\n");
    said(&scene.ctwa("run", &[]), 3, &["the identities table has no Parquet file"]);
}

#[test]
fn a_pattern_that_says_no_day_is_an_error_of_the_pipeline_file() {
    for (line, says) in [
        ("partition = \"month={yyyy}-{mm}\"", "does not say which day a folder is"),
        ("partition = \"date={day}\"", "holds what stands for nothing"),
        ("partition = []", "`partition` is an empty list"),
        ("partition = { date = \"x\" }", "`partition` is a table"),
    ] {
        let scene = Scene::new();
        scene.edit("path = \"messages\"\n", &format!("path = \"messages\"\n{line}\n"));
        said(&scene.ctwa("run", &[]), 2, &[says]);
    }
    let scene = Scene::new();
    scene.edit("path = \"messages\"\n", "path = \"messages\"\npartition = \"{date}.parquet\"\nmarker = \"_SUCCESS\"\n");
    said(&scene.ctwa("run", &[]), 2, &["`marker` is a file of a day's folder"]);
}

#[test]
fn days_without_their_marker_are_named() {
    let marked = "path = \"messages\"\nmarker = \"_SUCCESS\"\n";
    let scene = Scene::new();
    scene.edit("path = \"messages\"\n", marked);
    for command in ["check", "run", "plan"] {
        let says = [
            "no partition has landed in messages/",
            "4 days hold files and no marker \"_SUCCESS\"",
            "correct or remove `marker`",
        ];
        said(&scene.ctwa(command, &[]), 3, &says);
    }
    for day in [DAYS[0], DAYS[1], DAYS[3]] {
        fs::write(scene.folder("messages", day).join("_SUCCESS"), "").expect("a file is written");
    }
    let says = ["1 day holds files and no marker \"_SUCCESS\", so it has not landed: 2026-03-03", "correct or remove `marker`"];
    for command in ["check", "run"] {
        said(&scene.ctwa(command, &[]), 3, &says);
    }
    fs::write(scene.folder("messages", FAULTY).join("_SUCCESS"), "").expect("a file is written");
    let ran = scene.ctwa("run", &[]);
    said(&ran, 0, &[]);
    assert!(!ran.stderr.contains("no marker"), "{}", ran.stderr);
    // One day that is newest may be being written; several are not.
    fs::remove_file(scene.folder("messages", DAYS[3]).join("_SUCCESS")).expect("it goes");
    let checked = scene.ctwa("check", &[]);
    assert!(!checked.stdout.contains("no marker"), "{}", checked.stdout);
    fs::remove_file(scene.folder("messages", FAULTY).join("_SUCCESS")).expect("it goes");
    let checked = scene.ctwa("check", &[]);
    assert!(checked.stdout.contains("2 days hold files and no marker"), "{}", checked.stdout);
}

#[test]
fn a_path_that_is_a_file_is_a_usage_error() {
    let aliases = "[inputs.identities]\npath = \"identities/part-0.parquet\"\n\n[insights]";
    let scene = Scene::new();
    scene.identities(&[(None, "ana-1", "bia-1")]);
    scene.edit("[inputs.identities]\n\n[insights]", aliases);
    let others = Scene::new();
    fs::copy(others.file("events", FAULTY), others.lake.dir.join("lake/events.parquet")).expect("it is copied");
    others.edit("path = \"events\"", "path = \"events.parquet\"");
    for (scene, path) in [(&scene, "identities/part-0.parquet"), (&others, "events.parquet")] {
        for command in ["check", "run", "plan"] {
            said(&scene.ctwa(command, &[]), 2, &[&format!("{path} is a file, a folder is needed"), "name that folder as `path`"]);
        }
    }
}

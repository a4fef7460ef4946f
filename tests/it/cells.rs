//! Cells as programs leave them, through the binary: ids that are none, JSON that is none, words for nothing, times and directions in
//! other forms. What cannot be read is refused with the column, the file, a cell as it came and the line that mends it; with that line
//! the lake gives the figures that it should.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};

use crate::errors::spoil;
use crate::lake::{self, strings};
use crate::scene::{DAYS, FAULTY, HOUR, Scene, noon};

const MESSAGES: &str = "[inputs.messages]\npath = \"messages\"\n";

/// The published tables.
fn tables(scene: &Scene) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut objects = scene.objects();
    objects.retain(|path, _| ["ad_days/", "ad_conversions/", "bot_days/", "ads/"].iter().any(|table| path.starts_with(table)));
    objects
}

fn good() -> std::collections::BTreeMap<String, Vec<u8>> {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    tables(&scene)
}

/// The lines of messages' section, and of the mapping of its columns.
fn with_lines(scene: &Scene, section: &str, columns: &str) {
    scene.edit(MESSAGES, &format!("{MESSAGES}{section}\n[inputs.messages.columns]\n{columns}\n"));
}

/// A refusal says all of this, and nothing of the share comes before the mend.
fn refused(scene: &Scene, name: &str, says: &[&str]) {
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 6, "{name}: {}", ran.stderr);
    for text in says.iter().chain(&["day 2026-03-03", "date=2026-03-03/part-0.parquet"]) {
        assert!(ran.stderr.contains(text), "{name}: stderr lacks {text:?}\n{}", ran.stderr);
    }
    let share = ran.stderr.find("max_rejected_share");
    let mend = says.last().and_then(|text| ran.stderr.find(text));
    assert!(share.is_none() || mend < share, "{name}: the mend comes first\n{}", ran.stderr);
}

#[test]
fn what_is_no_id_is_refused_with_the_line_that_mends_it() {
    let float = "have the loader write it as text";
    for (table, column, cell, says) in [
        (
            "messages",
            "ad_id",
            "nan",
            &["unreadable_id: 2", "column ad_id", "such as \"nan\"", "null_words = [\"nan\"] in [inputs.messages]"][..],
        ),
        ("messages", "ad_id", "1.2022630585481073e17", &["column ad_id", "such as \"1.2022630585481073e17\"", float]),
        ("messages", "ad_id", "726.0", &["such as \"726.0\"", float]),
        (
            "messages",
            "ad_id",
            "{\"id\":1}",
            &["such as \"{\\\"id\\\":1}\"", "ad_id = { column = \"...\", key = \"...\" } in [inputs.messages.columns]"],
        ),
        ("messages", "contact_id", " NULL ", &["column contact_id", "null_words = [\"NULL\"] in [inputs.messages]"]),
        ("messages", "message_id", "\\N", &["column message_id", "null_words = [\"\\\\N\"]"]),
        ("messages", "bot_id", "<NA>", &["column bot_id", "null_words = [\"<NA>\"]"]),
        ("messages", "ctwa_clid", "undefined", &["column ctwa_clid", "null_words = [\"undefined\"]"]),
        (
            "events",
            "contact_id",
            "None",
            &["unreadable_id: 2", "column contact_id", "null_words = [\"None\"] in [inputs.events]"],
        ),
        ("events", "event_id", "5.511987654321E12", &["column event_id", float]),
    ] {
        let scene = Scene::new();
        scene.land_texts(table, column, |row, old| if row < 2 { Some(cell.to_owned()) } else { old.map(str::to_owned) });
        refused(&scene, &format!("{table} {column} {cell}"), says);
        let rejected = scene.rejected(table);
        let all = |name: &str| rejected[name].iter().map(|cell| cell.as_deref().unwrap_or_default()).collect::<Vec<_>>();
        assert_eq!((all("reason"), all("column"), all("value")), (vec!["unreadable_id"; 2], vec![column; 2], vec![cell; 2]));
        assert_eq!(all(column), [cell; 2], "as it came in its own column, too");
    }
}

#[test]
fn below_the_share_they_are_set_aside_and_counted() {
    let scene = Scene::new();
    scene.land_texts("messages", "ad_id", |row, old| if row == 0 { Some("nan".to_owned()) } else { old.map(str::to_owned) });
    let (code, report) = scene.json("run", &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["rejected_rows"], serde_json::json!({"messages": {"unreadable_id": 1}}));
}

#[test]
fn check_says_what_a_run_would_refuse_of_the_newest_day() {
    let scene = Scene::new();
    let newest = scene.file("messages", DAYS[3]);
    let mut columns = scene.columns("messages");
    let ads = strings(["nan", "nan", "A", "nan"].map(Some).into_iter());
    let times = Arc::new(TimestampMicrosecondArray::from(vec![noon(DAYS[3]); 4]).with_timezone("UTC")) as ArrayRef;
    for (name, array) in &mut columns {
        match *name {
            "ad_id" => *array = ads.clone(),
            "sent_at" => *array = times.clone(),
            _ => {}
        }
    }
    lake::write_file(&newest, columns, &lake::Form::default());
    let before = scene.objects();
    let checked = scene.ctwa("check", &[]);
    assert_eq!(checked.code, 6, "{}", checked.stdout);
    for text in ["unreadable_id: 3", "day 2026-03-04", "null_words = [\"nan\"] in [inputs.messages]"] {
        assert!(checked.stdout.contains(text), "{text}: {}", checked.stdout);
    }
    assert_eq!(lake::unequal_objects(&before, &scene.objects()), [""; 0], "it keeps nothing");
}

#[test]
fn words_that_mean_nothing_are_null_in_every_column() {
    let good = good();
    let scene = Scene::new();
    // Whoever has no ad has the word, and the direction and the title of some are words as well.
    scene.land_texts("messages", "ad_id", |_, old| Some(old.unwrap_or(" nan ").to_owned()));
    scene.edit(MESSAGES, &format!("{MESSAGES}null_words = [\"nan\", \"-\"]\n"));
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert_eq!(lake::unequal_objects(&good, &tables(&scene)), [""; 0]);
    scene.land_texts("messages", "direction", |row, old| Some(if row == 1 { "-" } else { old.unwrap_or_default() }.to_owned()));
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert_eq!(lake::unequal_objects(&good, &tables(&scene)), [""; 0], "without a direction a row is received");
    let time = |row: usize| if row == 0 { "nan" } else { "2026-03-03T12:00:00Z" };
    scene.land_with("messages", "sent_at", strings((0..4).map(|row| Some(time(row)))));
    let (_, report) = scene.json("run", &[]);
    assert_eq!(report["rejected_rows"]["messages"]["no_time"], 1, "{report:#}");
    // Another word reads the lake again.
    scene.edit("null_words = [\"nan\", \"-\"]", "null_words = [\"-\", \"nan\"]");
    assert_eq!(scene.json("plan", &[]).1["partitions"].as_array().map(Vec::len), Some(0), "their order says nothing");
    scene.edit("null_words = [\"-\", \"nan\"]", "null_words = [\"-\"]");
    assert_eq!(scene.json("plan", &[]).1["partitions"].as_array().map(Vec::len), Some(DAYS.len()));
    scene.edit("null_words = [\"-\"]", "null_words = [\" \"]");
    assert_eq!(scene.ctwa("plan", &[]).code, 2);
}

const OF_METADATA: &str =
    "ad_id = { column = \"metadata\", key = \"source_id\" }\nad_type = { column = \"metadata\", key = \"source_type\" }";

/// Metadata for each message of the faulty day, as JSON unless `odd` says otherwise.
fn land_metadata(scene: &Scene, day: &str, odd: impl Fn(usize, Option<&str>) -> Option<String>) {
    let mut columns = scene.columns("messages");
    let ads = ["A", "A", "B"].map(Some).into_iter().chain([None]);
    let cells: StringArray = ads.enumerate().map(|(row, ad)| odd(row, ad)).collect();
    columns.retain(|(name, _)| !["ad_id", "ad_type"].contains(name));
    columns.push(("metadata", Arc::new(cells)));
    lake::write_file(&scene.file("messages", day), columns, &lake::Form::default());
}

fn as_json(ad: Option<&str>) -> Option<String> {
    ad.map(|ad| serde_json::json!({"source_id": ad, "source_type": "ad", "body": "não é"}).to_string())
}

#[test]
fn a_cell_that_should_hold_json_and_does_not_is_refused_with_what_it_looks_like() {
    let good = good();
    let scene = Scene::new();
    with_lines(
        &scene,
        "",
        "ad_id = [{ column = \"metadata\", key = \"source_id\" }, \"ad_id\"]\nad_type = [{ column = \"metadata\", key = \"source_type\" }, \"ad_type\"]",
    );
    land_metadata(&scene, FAULTY, |_, ad| as_json(ad));
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert_eq!(lake::unequal_objects(&good, &tables(&scene)), [""; 0]);
    for nothing in ["", " ", "null", "{}", "[]"] {
        land_metadata(&scene, FAULTY, |_, ad| as_json(ad).or(Some(nothing.to_owned())));
        assert_eq!(scene.ctwa("run", &[]).code, 0);
        assert_eq!(lake::unequal_objects(&good, &tables(&scene)), [""; 0], "{nothing:?} says nothing");
    }
    for (cell, mend) in [
        ("{'source_id': 'A'}", "json.dumps(...), not str(...)"),
        ("nan", "null_words = [\"nan\"] in [inputs.messages]"),
        ("{\"source_id\": NaN}", "have the loader write null"),
        ("\"{\\\"source_id\\\": \\\"A\\\"}\"", "JSON within a JSON text"),
        ("{\"source_id\": ", "write JSON objects"),
        ("[\"A\"]", "write JSON objects"),
    ] {
        land_metadata(&scene, FAULTY, |_, _| Some(cell.to_owned()));
        let place = "column ad_id from metadata[\"source_id\"], ad_id";
        refused(&scene, cell, &["4 of 4 rows", "unreadable_json: 4", place, &format!("such as {cell:?}"), mend]);
        let rejected = scene.rejected("messages");
        assert_eq!(rejected["value"], vec![Some(cell.to_owned()); 4]);
        assert_eq!(rejected["message_id"].iter().flatten().count(), 4);
    }
    // One cell among others may be anything, and is one row.
    land_metadata(&scene, FAULTY, |row, ad| if row == 3 { Some("{'x': 1}".to_owned()) } else { as_json(ad) });
    let (code, report) = scene.json("run", &[]);
    assert_eq!((code, &report["rejected_rows"]["messages"]["unreadable_json"]), (0, &serde_json::json!(1)), "{report:#}");
    for (cell, says) in [
        ("{\"source_id\": 1.2e+17}", "such as \"1.2e+17\""),
        ("{\"source_id\": {\"id\": 1}}", "unreadable_id: 4"),
        ("{\"source_id\": false}", "unreadable_id: 4"),
    ] {
        land_metadata(&scene, FAULTY, |_, _| Some(cell.to_owned()));
        refused(&scene, cell, &[says]);
    }
}

#[test]
fn a_key_that_no_row_has_is_one_warning_for_all_days() {
    let scene = Scene::new();
    with_lines(&scene, "", &OF_METADATA.replace("source_id", "sourceid"));
    for day in DAYS {
        land_metadata(&scene, day, |_, ad| as_json(ad));
    }
    let warning = "ad_id is mapped to metadata[\"sourceid\"], which none of 16 rows has on 4 of 4 days (the first 2026-03-01); keys that are \
                   there: \"source_id\", \"source_type\"";
    let told = |command: &str| {
        let (code, report) = scene.json(command, &[]);
        assert_eq!(code, 0, "{report:#}");
        report.to_string().replace("\\\"", "\"")
    };
    assert!(told("check").contains("ad_id is mapped to metadata[\"sourceid\"], which none of"), "{}", told("check"));
    let report = told("run");
    assert!(report.contains(warning) && report.matches("is mapped to").count() == 1, "{report}");
    assert!(told("run").contains(warning), "an idle run says it too");
    assert!(told("check").contains(warning), "{}", told("check"));
    scene.edit("sourceid", "source_id");
    assert!(!told("run").contains("is mapped to"));
}

#[test]
fn times_are_read_in_every_form_of_the_contract() {
    let good = good();
    let micros = noon(FAULTY);
    let seconds = micros / 1_000_000;
    let texts = |cell: String| strings(vec![Some(cell.as_str()); 4].into_iter());
    let forms = [
        "2026-03-03T12:00:00Z",
        "2026-03-03 12:00:00 UTC",
        "2026-03-03 12:00:00+00",
        "2026-03-03 12:00:00.000000+0000",
        "2026-03-03T12:00:00.000000000+00:00",
        "2026-03-03T09:00:00-03:00",
        " 2026-03-03 12:00:00.0000009Z ",
    ];
    let mut cells: Vec<(ArrayRef, &str)> = forms.map(|form| (texts(form.to_owned()), "")).into();
    cells.push((Arc::new(Int64Array::from(vec![seconds; 4])), "s"));
    cells.push((texts(format!("{}", seconds * 1_000)), "ms"));
    cells.push((texts(format!(" {micros}")), "us"));
    for (array, unit) in cells {
        let scene = Scene::new();
        scene.land_with("messages", "sent_at", array.clone());
        if !unit.is_empty() {
            with_lines(&scene, "", &format!("sent_at = {{ column = \"sent_at\", unit = {unit:?} }}"));
            for day in DAYS.iter().filter(|day| **day != FAULTY) {
                std::fs::remove_file(scene.file("messages", day)).expect("it was there");
                let mut columns = scene.columns("messages");
                columns.retain(|(name, _)| *name != "sent_at");
                columns.push(("sent_at", array.slice(0, 0)));
                let none = columns.into_iter().map(|(name, array)| (name, array.slice(0, 0))).collect();
                lake::write_file(&scene.file("messages", day), none, &lake::Form::default());
            }
        }
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 0, "{array:?}: {}", ran.stderr);
        let of_day = |objects: std::collections::BTreeMap<String, Vec<u8>>| -> std::collections::BTreeMap<String, Vec<u8>> {
            objects.into_iter().filter(|(path, _)| path.starts_with("ad_days/") && path.contains(FAULTY)).collect()
        };
        assert_eq!(lake::unequal_objects(&of_day(good.clone()), &of_day(tables(&scene))), [""; 0], "{array:?} {unit}");
    }
}

#[test]
fn times_in_another_unit_or_form_are_refused_with_the_line_that_reads_them() {
    let micros = noon(FAULTY);
    let text = |cell: &str| strings(vec![Some(cell); 4].into_iter());
    let digits = |number: i64| text(&number.to_string());
    let integers = |number: i64| Arc::new(Int64Array::from(vec![number; 4])) as ArrayRef;
    let stored = |number: i64| Arc::new(TimestampMicrosecondArray::from(vec![number; 4]).with_timezone("UTC")) as ArrayRef;
    let line = |unit: &str| format!("write sent_at = {{ column = \"sent_at\", unit = {unit:?} }} in [inputs.messages.columns]");
    let cases: Vec<(ArrayRef, &str, &str, String)> = vec![
        (integers(micros / 1_000_000), "ms", "looks like Unix seconds", line("s")),
        (integers(micros / 1_000), "s", "looks like Unix milliseconds", line("ms")),
        (integers(micros), "ms", "looks like Unix microseconds", line("us")),
        (integers(micros / 1_000), "", "does not say what it counts", line("ms")),
        (digits(micros / 1_000_000), "", "column sent_at", line("s")),
        (digits(micros / 1_000), "us", "absurd_time: 3", line("ms")),
        (integers(micros * 1_000), "us", "column sent_at", "looks like Unix nanoseconds".into()),
        (text("1772539200.0"), "s", "unreadable_time: 3", "1772539200.0 is a float".into()),
        (text("2026-03-03T12:00:00Z"), "s", "no number", "leave `unit` away, sent_at = { column = \"sent_at\" }".into()),
        (
            text("2026-03-03 12:00:00"),
            "",
            "names no zone",
            "sent_at = { column = \"sent_at\", zone = \"UTC\" } in [inputs.messages.columns]".into(),
        ),
        (text("03/03/2026 12:00"), "", "such as \"03/03/2026 12:00\"", "as text such as 2026-10-20T12:00:00Z".into()),
        (stored(micros / 1_000), "", "absurd_time: 3", "numbers were stored in a finer unit than they count".into()),
    ];
    for (array, unit, says, mend) in cases {
        let scene = Scene::new();
        scene.land_with("messages", "sent_at", array.clone());
        let name = format!("{array:?} {unit}");
        if !unit.is_empty() {
            // The other days are timestamps, which need no unit.
            with_lines(&scene, "", &format!("sent_at = {{ column = \"sent_at\", unit = {unit:?} }}"));
        }
        refused(&scene, &name, &[says, &mend]);
    }
    // Some absurd times among right ones are no other unit.
    let scene = Scene::new();
    let far = noon("2020-01-01");
    scene.land_with(
        "messages",
        "sent_at",
        Arc::new(TimestampMicrosecondArray::from(vec![far, far + HOUR, far, micros]).with_timezone("UTC")),
    );
    refused(&scene, "far away", &["absurd_time: 3", "more than 400 days before the partition's day"]);
}

#[test]
fn words_of_direction_are_told_with_their_numbers_and_a_line_to_write() {
    let good = good();
    for (received, sent, line) in [
        ("inbound", "outbound", "values = { received = [\"inbound\"], sent = [\"outbound\"] }"),
        ("IN", "OUT", "values = { received = [\"IN\"], sent = [\"OUT\"] }"),
        ("Received", "Sent", "values = { received = [\"Received\"], sent = [\"Sent\"] }"),
        ("x", "y", "values = { received = [\"...\"], sent = [\"...\"] }"),
    ] {
        let scene = Scene::new();
        scene.land_texts("messages", "direction", |row, _| Some(if row == 3 { sent } else { received }.to_owned()));
        let words = format!("{received:?}: 3, {sent:?}: 1");
        let words = if received < sent { words } else { format!("{sent:?}: 1, {received:?}: 3") };
        let line = format!("direction = {{ column = \"direction\", {line} }} in [inputs.messages.columns]");
        refused(&scene, received, &["unknown_direction: 3", "column direction", &format!("the words met are {words}"), &line]);
        let values = format!("{{ received = [\"received\", {received:?}], sent = [{sent:?}] }}");
        with_lines(&scene, "", &format!("direction = {{ column = \"direction\", values = {values} }}"));
        assert_eq!(scene.ctwa("run", &[]).code, 0);
        assert_eq!(lake::unequal_objects(&good, &tables(&scene)), [""; 0], "the fourth is no touch anyway");
    }
}

#[test]
fn odd_ids_are_kept_as_they_came() {
    let long = "9".repeat(100_000);
    let ids = ["a\u{0}b\u{1b}[2J", long.as_str(), "{0f8fad5b-d9cb-469f-a165-70867728950e}"];
    let scene = Scene::new();
    scene.land_texts("messages", "ad_id", |row, _| ids.get(row).map(|id| format!("\u{a0}{id} ")));
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let published = scene.published();
    let mut found: Vec<&str> = published.ads.iter().map(|ad| ad.ad_id.as_str()).filter(|ad| !["A", "B"].contains(ad)).collect();
    found.sort_unstable();
    let mut expected = ids;
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn aliases_of_what_is_no_id_are_set_aside_and_merge_nobody() {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let before = tables(&scene);
    // In a table of sound aliases.
    let alike: Vec<String> = (0..4).map(|n| format!("other-{n}")).collect();
    let mut rows: Vec<(Option<&str>, &str, &str)> = alike.iter().map(|alias| (None, alias.as_str(), "else")).collect();
    rows.extend([(None, "ana-2", "nan"), (None, "bia-2", " nan"), (Some("NULL"), "caio-2", "x"), (None, "1.5E12", "ana-1")]);
    scene.identities(&rows);
    let (code, report) = scene.json("run", &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["rejected_rows"]["identities"], serde_json::json!({"unreadable_id": 4}));
    assert!(
        report["warnings"].to_string().contains("4 aliases are set aside (0 with two targets, 0 in loops, 4 with what is no id)"),
        "{report:#}"
    );
    assert_eq!(lake::unequal_objects(&before, &tables(&scene)), [""; 0]);
    assert_eq!(scene.cells("rejected/identities/rejected.parquet")["alias"].len(), 4);
}

#[test]
fn aliases_whose_json_cannot_be_read_are_set_aside_and_merge_nobody() {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let before = tables(&scene);
    let mapped = "[inputs.identities.columns]\nbot_id = { column = \"j\", key = \"bot\" }\ncontact_id = { column = \"j\", key = \"to\" }\n";
    scene.edit("[insights]", &format!("{mapped}\n[insights]"));
    let cells = ["oops", "{'bot': 'other', 'to': 'x'}", r#"{"to": false}"#, r#"{"to": {"id": 1}}"#, r#"{"to": "else"}"#];
    let aliases = ["ana-2", "bia-2", "ana-1", "bia-1", "other"];
    let columns = vec![("alias", strings(aliases.into_iter().map(Some))), ("j", strings(cells.into_iter().map(Some)))];
    lake::write_file(&scene.lake.dir.join("lake/identities/part-0.parquet"), columns, &lake::Form::default());
    let (code, report) = scene.json("run", &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["rejected_rows"]["identities"], serde_json::json!({"unreadable_id": 4}));
    assert_eq!(lake::unequal_objects(&before, &tables(&scene)), [""; 0]);
}

/// Of some types Arrow has no text at all.
#[test]
fn a_column_without_a_value_may_have_any_type_whatever_else_is_read() {
    use arrow::array::new_null_array;
    use arrow::datatypes::DataType;

    let nothing = || new_null_array(&DataType::FixedSizeBinary(5), 4);
    for (section, columns) in [("null_words = [\"nan\"]", ""), ("", "ctwa_clid = { column = \"ctwa_clid\", key = \"x\" }")] {
        let scene = Scene::new();
        with_lines(&scene, section, columns);
        scene.land_with("messages", "ctwa_clid", nothing());
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 0, "{section}{columns}: {}", ran.stderr);
    }
}

/// `null_words` holds for what folders say, too.
#[test]
fn a_word_for_nothing_in_a_folder_is_nothing() {
    let scene = Scene::new();
    with_lines(&scene, "null_words = [\"none\"]", "ad_title = { partition = \"title\" }");
    let file = scene.file("messages", FAULTY);
    let folder = file.parent().expect("it lies in a folder").join("title=none");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::rename(&file, folder.join("part-0.parquet")).expect("it is moved");
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(scene.published().ads.iter().all(|ad| ad.ad_title.as_deref() != Some("none")));
}

/// What a run sets aside of the faulty day: reason, column, cell.
fn set_aside(scene: &Scene, table: &str) -> Vec<[String; 3]> {
    let (code, report) = scene.json("run", &[]);
    assert_eq!(code, 0, "{report:#}");
    let rejected = scene.rejected(table);
    let cell = |name: &str, row: usize| rejected[name][row].clone().unwrap_or_default();
    (0..rejected["reason"].len()).map(|row| ["reason", "column", "value"].map(|name| cell(name, row))).collect()
}

#[test]
fn bytes_that_are_no_text_cost_their_row_and_not_its_day() {
    let good = good();
    for (table, column, text, reason) in [
        ("messages", "contact_id", "caio-2", "unreadable_id"),
        ("messages", "message_id", "m-2-caio", "unreadable_id"),
        ("events", "contact_id", "caio-2", "unreadable_id"),
        ("events", "event_id", "e-2-caio", "unreadable_id"),
    ] {
        for rows_per_group in [1, 1_000] {
            let scene = Scene::new();
            let form = lake::Form { rows_per_group, ..lake::Form::default() };
            lake::write_file(&scene.file(table, FAULTY), scene.columns(table), &form);
            spoil(&scene.file(table, FAULTY), text);
            let cell = format!("\u{fffd}{}", &text[1..]);
            let expected = [[reason, column, &cell].map(str::to_owned)];
            assert_eq!(set_aside(&scene, table), expected, "{table} {column}, groups of {rows_per_group}");
            // All but that row is there once.
            let rows: Vec<_> = scene.published().bot_days[&crate::scene::date(FAULTY)].clone();
            let shop = rows.iter().find(|row| row.bot_id == "shop").expect("a row of the bot");
            let (touches, events) = if table == "messages" { (2, 3) } else { (3, 2) };
            assert_eq!(
                (shop.touches, shop.conversion_events, shop.rejected_rows),
                (touches, Some(events), 1),
                "{table} {column}"
            );
        }
    }
    let scene = Scene::new();
    scene.land_texts(
        "events",
        "category",
        |row, old| if row == 1 { Some("compra-feita".to_owned()) } else { old.map(str::to_owned) },
    );
    spoil(&scene.file("events", FAULTY), "feita");
    let expected = [["unreadable_text", "category", "compra-\u{fffd}eita"].map(str::to_owned)];
    assert_eq!(set_aside(&scene, "events"), expected, "nobody knows whether it counts");
    let scene = Scene::new();
    scene.land_texts("messages", "direction", |row, _| Some(if row == 1 { "from-user" } else { "received" }.to_owned()));
    spoil(&scene.file("messages", FAULTY), "from-user");
    assert_eq!(set_aside(&scene, "messages")[0][..2], ["unreadable_text", "direction"].map(str::to_owned));

    // What is in no row that counts costs nothing.
    let scene = Scene::new();
    spoil(&scene.file("messages", FAULTY), "davi-2");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert_eq!(lake::unequal_objects(&good, &tables(&scene)), [""; 0]);
}

#[test]
fn a_title_with_bytes_that_are_no_text_counts_and_is_said() {
    let scene = Scene::new();
    spoil(&scene.file("messages", FAULTY), "Oferta");
    let (code, report) = scene.json("run", &[]);
    assert_eq!((code, &report["rejected_rows"]), (0, &serde_json::json!({})), "{report:#}");
    let warnings = report["warnings"].to_string();
    for text in ["3 touches have an ad_title with bytes that are no UTF-8", "\u{fffd}ferta", "write texts in UTF-8"] {
        assert!(warnings.contains(text), "{text}: {warnings}");
    }
    let touches: i64 = scene.published().bot_days.values().flatten().map(|row| row.touches).sum();
    assert_eq!(touches, 12);
}

#[test]
fn too_many_cells_that_are_no_text_refuse_their_day_with_what_would_do() {
    let scene = Scene::new();
    scene.land_texts("messages", "contact_id", |_, _| Some("Jo\u{e3}o".to_owned()));
    spoil(&scene.file("messages", FAULTY), "\u{e3}o");
    let mend = "have the loader write texts in UTF-8, not in Latin-1 or another code";
    refused(&scene, "contact_id", &["unreadable_id: 3", "column contact_id", "contact_id holds bytes that are no UTF-8", mend]);
}

#[test]
fn a_cell_of_json_with_bytes_that_are_no_text_is_no_json() {
    let cell = |row: usize, ad: &str| format!("{{\"ad\": \"{ad}\", \"name\": \"Jos-{row}\"}}");
    for is_called_json in [false, true] {
        let scene = Scene::new();
        with_lines(&scene, "", "ad_id = [\"ad_id\", { column = \"meta\", key = \"ad\" }]");
        let mut columns = scene.columns("messages");
        let ads = ["A", "A", "B"];
        let cells: Vec<String> = ads.iter().enumerate().map(|(row, ad)| cell(row, ad)).collect();
        let metas = cells.iter().map(|cell| Some(cell.as_str())).chain([None]);
        columns.iter_mut().find(|(name, _)| *name == "ad_id").expect("it is there").1 = strings([None; 4].into_iter());
        columns.push(("meta", strings(metas)));
        let path = scene.file("messages", FAULTY);
        if is_called_json {
            write_as_json(&path, columns, "meta")
        } else {
            lake::write_file(&path, columns, &lake::Form::default())
        }
        assert_eq!(scene.ctwa("run", &[]).code, 0);
        spoil(&path, "os-2");
        let expected = [["unreadable_json", "ad_id", "{\"ad\": \"B\", \"name\": \"J\u{fffd}s-2\"}"].map(str::to_owned)];
        assert_eq!(set_aside(&scene, "messages"), expected, "called JSON: {is_called_json}");
    }
}

/// Writes a file of which a text column is annotated as JSON, as some writers do.
fn write_as_json(path: &std::path::Path, columns: lake::Columns, json: &str) {
    use parquet::basic::LogicalType;
    use parquet::schema::types::{SchemaDescriptor, Type};
    let batch =
        arrow::array::RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.expect("the columns are of one length");
    let plain = parquet::arrow::ArrowSchemaConverter::new().convert(&batch.schema()).expect("a schema");
    let fields = plain.root_schema().get_fields().iter().map(|field| match field.name() == json {
        false => field.clone(),
        true => Arc::new(
            Type::primitive_type_builder(json, parquet::basic::Type::BYTE_ARRAY)
                .with_repetition(parquet::basic::Repetition::OPTIONAL)
                .with_logical_type(Some(LogicalType::Json))
                .build()
                .expect("a column of JSON"),
        ),
    });
    let root = Type::group_type_builder("schema").with_fields(fields.collect()).build().expect("a schema");
    let options =
        parquet::arrow::arrow_writer::ArrowWriterOptions::new().with_parquet_schema(SchemaDescriptor::new(Arc::new(root)));
    let file = std::fs::File::create(path).expect("the file is created");
    let mut writer = parquet::arrow::ArrowWriter::try_new_with_options(file, batch.schema(), options).expect("a writer");
    writer.write(&batch).expect("it is written");
    writer.close().expect("it is closed");
}

#[test]
fn a_byte_order_mark_before_json_is_said_to_be_that() {
    let scene = Scene::new();
    with_lines(&scene, "", "ad_id = [\"ad_id\", { column = \"meta\", key = \"ad\" }]");
    let mut columns = scene.columns("messages");
    columns.iter_mut().find(|(name, _)| *name == "ad_id").expect("it is there").1 = strings([None; 4].into_iter());
    columns.push(("meta", strings([Some("\u{feff}{\"ad\": \"A\"}"); 4].into_iter())));
    scene.land("messages", columns);
    refused(&scene, "a mark", &["unreadable_json: 4", "byte order mark", "utf-8 and not utf-8-sig"]);
}

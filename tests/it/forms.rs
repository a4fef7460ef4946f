//! The forms in which a lake may hold the same rows: every type of a time, every type of a text, every form of mapping. The
//! published tables must be the same, byte for byte.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, DictionaryArray, Int64Array, LargeStringArray, MapBuilder, RecordBatch, StringArray,
    StringBuilder, StringViewArray, StructArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int8Type, Int64Type, TimeUnit};
use chrono::{DateTime, FixedOffset, SecondsFormat};
use parquet::data_type::{ByteArray, ByteArrayType, Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::lake::{self, Columns, Form, strings};
use crate::scene::{FAULTY, PIPELINE, Scene, identity_columns};

/// What is published from the scene in the contract's own columns.
fn expected() -> BTreeMap<String, Vec<u8>> {
    let scene = Scene::new();
    scene.land("messages", contract_columns(&scene, "messages"));
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let conversions: i64 = scene.published().ad_days.values().flatten().filter_map(|row| row.conversions).sum();
    assert!(conversions > 0, "what is compared says something");
    scene.objects()
}

/// The faulty day's rows, with a sent message and a click without ad id among them.
fn contract_columns(scene: &Scene, table: &str) -> Columns {
    let mut columns = scene.columns(table);
    for (name, array) in &mut columns {
        match *name {
            "direction" => *array = strings([Some("received"), None, Some("sent"), Some("received")].into_iter()),
            "ctwa_clid" => *array = strings([None, Some("click"), None, Some("click-2")].into_iter()),
            _ => {}
        }
    }
    columns
}

fn column(columns: &Columns, name: &str) -> ArrayRef {
    columns.iter().find(|(known, _)| *known == name).map(|(_, array)| array.clone()).expect("the table has the column")
}

fn replaced(mut columns: Columns, name: &'static str, array: ArrayRef) -> Columns {
    columns.iter_mut().find(|(known, _)| *known == name).expect("the table has the column").1 = array;
    columns
}

/// A form of the faulty day of a table: its columns, and the lines of the mapping.
struct Stored {
    name: String,
    table: &'static str,
    columns: Columns,
    mapping: String,
}

/// Each form publishes what the contract's own columns publish.
fn check(forms: Vec<Stored>) {
    let expected = expected();
    let mut wrong = Vec::new();
    for Stored { name, table, columns, mapping } in forms {
        let scene = Scene::new();
        scene.land("messages", contract_columns(&scene, "messages"));
        scene.land(table, columns);
        wrong.extend(run_mapped(&scene, table, &mapping, &expected).map(|text| format!("== {table}, {name}: {text}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What differs when the scene is run with a mapping of the table; the days other than the faulty one are in the contract's
/// own columns, so every source of the mapping names those as well.
fn run_mapped(scene: &Scene, table: &str, mapping: &str, expected: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    let path = format!("path = \"{table}\"\n");
    scene.pipeline(&PIPELINE.replace(&path, &format!("{path}[inputs.{table}.columns]\n{mapping}\n")));
    let ran = scene.ctwa("run", &["--json"]);
    if ran.code != 0 {
        return Some(format!("exit {}\n{}", ran.code, ran.stderr));
    }
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a report is JSON");
    // One row has no direction, and is received.
    let warnings = report["warnings"].as_array().expect("warnings").iter();
    let others: Vec<_> = warnings.filter(|text| !text.to_string().contains("1 touches have no direction")).collect();
    if !others.is_empty() {
        return Some(format!("warnings: {others:?}"));
    }
    let unequal = lake::unequal_objects(expected, &scene.objects());
    (!unequal.is_empty()).then(|| format!("other bytes in {unequal:?}"))
}

const TIMES: [(&str, &str); 2] = [("messages", "sent_at"), ("events", "occurred_at")];

// --------------------------------------------------------------------------------------------------------------- times

#[test]
fn every_type_of_a_timestamp_means_the_same() {
    let mut forms = Vec::new();
    for (table, name) in TIMES {
        let columns = contract_columns(&Scene::new(), table);
        let micros = cast(&column(&columns, name), &DataType::Timestamp(TimeUnit::Microsecond, None)).expect("a timestamp");
        for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
            let naive = cast(&micros, &DataType::Timestamp(unit, None)).expect("the scene's times are whole seconds");
            for zone in [None, Some("UTC"), Some("+00:00"), Some("America/Sao_Paulo"), Some("-03:00")] {
                // The instants stay: a zone says how they are shown.
                let kind = DataType::Timestamp(unit, zone.map(Into::into));
                let data = naive.to_data().into_builder().data_type(kind).build().expect("the same numbers");
                let columns = replaced(columns.clone(), name, arrow::array::make_array(data));
                forms.push(Stored { name: format!("{unit:?} {zone:?}"), table, columns, mapping: String::new() });
            }
        }
    }
    check(forms);
}

fn seconds(columns: &Columns, name: &str) -> Vec<i64> {
    let micros = cast(&column(columns, name), &DataType::Int64).expect("a timestamp is a number");
    micros.as_primitive::<Int64Type>().values().iter().map(|at| at / 1_000_000).collect()
}

#[test]
fn times_as_text_and_as_integers_mean_the_same() {
    let mut forms = Vec::new();
    for (table, name) in TIMES {
        let columns = contract_columns(&Scene::new(), table);
        let seconds = seconds(&columns, name);
        let mut add = |form: &str, array: ArrayRef, source: &str| {
            // Beside the contract's own column, of which the other days are made.
            let mut columns: Columns = columns.iter().filter(|(known, _)| *known != name).cloned().collect();
            columns.push(("t", array));
            let mapping = format!("{name} = [{{ column = \"t\"{source} }}, \"{name}\"]");
            forms.push(Stored { name: form.to_owned(), table, columns, mapping });
        };
        for minutes in [0, -180, 330, 840] {
            let text = |at: &i64| {
                let offset = FixedOffset::east_opt(minutes * 60).expect("an offset within a day");
                let time = DateTime::from_timestamp(*at, 0).expect("an instant").with_timezone(&offset);
                // Digits below the microsecond are truncated.
                time.to_rfc3339_opts(SecondsFormat::Nanos, minutes == 0).replace(".000000000", ".000000999")
            };
            let texts: StringArray = seconds.iter().map(|at| Some(text(at))).collect();
            for (kind, array) in texts_of_every_type(&texts) {
                add(&format!("text {minutes:+} min as {kind}"), array, "");
            }
        }
        for (unit, factor) in [("s", 1), ("ms", 1_000), ("us", 1_000_000)] {
            let integers: Int64Array = seconds.iter().map(|at| at * factor).collect();
            let unit_text = format!(", unit = \"{unit}\"");
            let texts: StringArray = integers.iter().map(|at| at.map(|at| at.to_string())).collect();
            add(&format!("digits {unit}"), Arc::new(texts), &unit_text);
            for kind in [DataType::Int64, DataType::UInt64, DataType::Int32, DataType::UInt32] {
                if matches!(kind, DataType::Int64 | DataType::UInt64) || unit == "s" {
                    add(&format!("{kind} {unit}"), cast(&integers, &kind).expect("it fits"), &unit_text);
                }
            }
        }
    }
    check(forms);
}

/// The twelve bytes in which Spark and Impala wrote timestamps for long: nanoseconds of the day and the Julian day.
#[test]
fn times_as_int96_mean_the_same() {
    let scene = Scene::new();
    let columns = contract_columns(&scene, "events");
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).filter(|name| *name != "occurred_at").collect();
    let texts: String = names.iter().map(|name| format!("optional binary {name} (UTF8); ")).collect();
    let schema = parse_message_type(&format!("message rows {{ {texts} required int96 occurred_at; }}")).expect("a schema");
    let file = File::create(scene.file("events", FAULTY)).expect("the partition is there");
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), properties).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    for name in names {
        let column_of_text = column(&columns, name);
        let cells: Vec<Option<&str>> = column_of_text.as_string::<i32>().iter().collect();
        let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
        let values: Vec<ByteArray> = cells.into_iter().flatten().map(ByteArray::from).collect();
        let mut writer = group.next_column().expect("a column").expect("of the schema");
        writer.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).expect("texts are written");
        writer.close().expect("the column ends");
    }
    let int96 = |at: i64| {
        let (day, nanos) = (at.div_euclid(86_400) + 2_440_588, at.rem_euclid(86_400) * 1_000_000_000);
        let mut value = Int96::new();
        value.set_data(nanos as u32, (nanos >> 32) as u32, day as u32);
        value
    };
    let values: Vec<Int96> = seconds(&columns, "occurred_at").into_iter().map(int96).collect();
    let mut last = group.next_column().expect("a column").expect("of the schema");
    last.typed::<Int96Type>().write_batch(&values, None, None).expect("times are written");
    last.close().expect("the column ends");
    group.close().expect("the row group ends");
    writer.close().expect("the file ends");
    scene.land("messages", contract_columns(&scene, "messages"));
    assert_eq!(run_mapped(&scene, "events", "", &expected()), None);
}

// --------------------------------------------------------------------------------------------------------------- texts

fn texts_of_every_type(texts: &StringArray) -> Vec<(&'static str, ArrayRef)> {
    let dictionary = |kind: DataType, key: DataType| {
        cast(texts, &DataType::Dictionary(Box::new(key), Box::new(kind))).expect("few values fit a dictionary")
    };
    vec![
        ("string", Arc::new(texts.clone())),
        ("large_string", Arc::new(texts.iter().collect::<LargeStringArray>())),
        ("string_view", Arc::new(texts.iter().collect::<StringViewArray>())),
        ("dictionary", Arc::new(texts.iter().collect::<DictionaryArray<Int8Type>>())),
        ("dictionary of large_string", dictionary(DataType::LargeUtf8, DataType::UInt16)),
    ]
}

#[test]
fn every_type_of_a_text_means_the_same() {
    let mut forms = Vec::new();
    for table in ["messages", "events"] {
        let columns = contract_columns(&Scene::new(), table);
        let types = texts_of_every_type(&StringArray::new_null(0)).len();
        for n in 0..types {
            let (mut of_type, mut kind) = (columns.clone(), "");
            for (_, array) in &mut of_type {
                if array.data_type() == &DataType::Utf8 {
                    (kind, *array) = texts_of_every_type(array.as_string()).swap_remove(n);
                }
            }
            forms.push(Stored { name: kind.to_owned(), table, columns: of_type, mapping: String::new() });
        }
    }
    check(forms);
}

#[test]
fn insights_and_identities_are_read_from_every_type_of_a_text() {
    let expected = |scene: &Scene| {
        assert_eq!(scene.ctwa("run", &[]).code, 0);
        scene.objects()
    };
    let (scene, identities) = (Scene::new(), [(None, "ana-1", "bia-1"), (Some("shop"), "bia-1", "caio-1")]);
    scene.identities(&identities);
    let expected = expected(&scene);
    let types = texts_of_every_type(&StringArray::new_null(0)).len();
    for n in 0..types {
        let scene = Scene::new();
        scene.identities(&identities);
        let mut kind = "";
        let mut typed = |columns: Columns| -> Columns {
            let mut of_type = |(name, array): (&'static str, ArrayRef)| match name {
                // Money and counts as Meta sends them.
                "spend" => (name, texts_of_every_type(&StringArray::from(vec!["10.5", "10.500"])).swap_remove(n).1),
                "impressions" => (name, texts_of_every_type(&StringArray::from(vec!["100", " 100"])).swap_remove(n).1),
                _ if array.data_type() == &DataType::Utf8 => {
                    let (found, array) = texts_of_every_type(array.as_string()).swap_remove(n);
                    kind = found;
                    (name, array)
                }
                _ => (name, array),
            };
            columns.into_iter().map(&mut of_type).collect()
        };
        scene.land("insights", typed(scene.columns("insights")));
        lake::write_file(
            &scene.lake.dir.join("lake/identities/part-0.parquet"),
            typed(identity_columns(&identities)),
            &Form::default(),
        );
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 0, "{kind}: {}", ran.stderr);
        assert_eq!(lake::unequal_objects(&expected, &scene.objects()), [""; 0], "{kind}");
    }
}

// ------------------------------------------------------------------------------------------------------------ mappings

/// Columns of one table folded into one: as a struct, a map, or a JSON text.
fn folded(columns: &Columns, names: &[&str], shape: &str) -> ArrayRef {
    let parts: Vec<(String, StringArray)> =
        names.iter().map(|name| (format!("#wa.{name}"), column(columns, name).as_string::<i32>().clone())).collect();
    let rows = columns[0].1.len();
    match shape {
        "struct" => Arc::new(StructArray::from(
            parts
                .into_iter()
                .map(|(name, array)| (Arc::new(Field::new(name, DataType::Utf8, true)), Arc::new(array) as ArrayRef))
                .collect::<Vec<_>>(),
        )),
        "map" => {
            let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
            for row in 0..rows {
                // A key without a value, a key of no interest, and keys in another order in each row.
                map.keys().append_value("#wa.other");
                map.values().append_value("x");
                for turn in 0..parts.len() {
                    let (name, array) = &parts[(row + turn) % parts.len()];
                    if array.is_valid(row) || row.is_multiple_of(2) {
                        map.keys().append_value(name);
                        map.values().append_option(array.is_valid(row).then(|| array.value(row)));
                    }
                }
                map.append(true).expect("as many keys as values");
            }
            Arc::new(map.finish())
        }
        _ => {
            let text = |row: usize| {
                let mut object = serde_json::Map::new();
                object.insert("nested".into(), serde_json::json!({"#wa.ad_id": "not this one"}));
                for (name, array) in &parts {
                    if array.is_valid(row) || row.is_multiple_of(2) {
                        object.insert(name.clone(), array.is_valid(row).then(|| array.value(row)).into());
                    }
                }
                Some(serde_json::Value::Object(object).to_string())
            };
            Arc::new((0..rows).map(text).collect::<StringArray>())
        }
    }
}

/// The columns but for these, and one more.
fn folding(columns: &Columns, names: &[&str], into: &'static str, array: ArrayRef) -> Columns {
    columns.iter().filter(|(known, _)| !names.contains(known)).cloned().chain([(into, array)]).collect()
}

#[test]
fn struct_fields_map_keys_and_json_keys_mean_the_same() {
    let mut forms = Vec::new();
    for (table, names) in [
        ("messages", &["bot_id", "contact_id", "ad_id", "ad_type", "ad_title", "ctwa_clid"][..]),
        ("events", &["contact_id", "category", "event_id"]),
    ] {
        let columns = contract_columns(&Scene::new(), table);
        let source = |name: &&str| format!("{name} = [{{ column = \"metadata\", key = \"#wa.{name}\" }}, \"{name}\"]\n");
        let mapping: String = names.iter().map(source).collect();
        for shape in ["struct", "map", "json"] {
            let array = folded(&columns, names, shape);
            let columns = folding(&columns, names, "metadata", array);
            forms.push(Stored { name: shape.to_owned(), table, columns, mapping: mapping.clone() });
        }
        let json = folded(&columns, names, "json");
        for (kind, array) in texts_of_every_type(json.as_string()) {
            let columns = folding(&columns, names, "metadata", array);
            forms.push(Stored { name: format!("json as {kind}"), table, columns, mapping: mapping.clone() });
        }
    }
    check(forms);
}

#[test]
fn a_time_may_stand_in_a_struct_a_map_or_a_json_text() {
    let mut forms = Vec::new();
    for (table, name) in TIMES {
        let columns = contract_columns(&Scene::new(), table);
        let time = column(&columns, name);
        let in_struct: ArrayRef =
            Arc::new(StructArray::from(vec![(Arc::new(Field::new("t", time.data_type().clone(), true)), time)]));
        let digits: StringArray = seconds(&columns, name).iter().map(|at| Some(format!("{{\"t\": {at}}}"))).collect();
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for at in seconds(&columns, name) {
            map.keys().append_value("t");
            map.values().append_value(at.to_string());
            map.append(true).expect("as many keys as values");
        }
        for (form, array, unit) in [
            ("struct", in_struct, ""),
            ("json number", Arc::new(digits) as ArrayRef, ", unit = \"s\""),
            ("map", Arc::new(map.finish()), ", unit = \"s\""),
        ] {
            let columns = folding(&columns, &[name], "meta", array);
            let mapping = format!("{name} = [{{ column = \"meta\", key = \"t\"{unit} }}, \"{name}\"]");
            forms.push(Stored { name: form.to_owned(), table, columns, mapping });
        }
    }
    check(forms);
}

#[test]
fn a_renamed_column_means_the_same() {
    // The mapping is one for all days, so all are renamed: by a struct of their own names no other day would be found.
    let expected = expected();
    let scene = Scene::new();
    scene.land("messages", contract_columns(&scene, "messages"));
    let theirs = |name: &str| format!("their {name}");
    for day in crate::scene::DAYS {
        for table in ["messages", "events"] {
            let path = scene.file(table, day);
            let file = File::open(&path).expect("the partition is there");
            let mut reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file)
                .and_then(|builder| builder.build())
                .expect("it is Parquet");
            let batch: RecordBatch = reader.next().expect("it has rows").expect("it can be decoded");
            let renamed: Vec<(String, ArrayRef)> = batch
                .schema()
                .fields()
                .iter()
                .zip(batch.columns())
                .map(|(field, array)| (theirs(field.name()), array.clone()))
                .collect();
            let columns: Columns = renamed.into_iter().map(|(name, array)| (&*name.leak(), array)).collect();
            lake::write_file(&path, columns, &Form::default());
        }
    }
    let mut pipeline = PIPELINE.to_owned();
    let messages =
        ["bot_id", "message_id", "contact_id", "sent_at", "direction", "ad_id", "ad_type", "ad_title", "ctwa_clid"].as_slice();
    let events = ["bot_id", "contact_id", "category", "occurred_at", "event_id"].as_slice();
    for (table, names) in [("messages", messages), ("events", events)] {
        let path = format!("path = \"{table}\"\n");
        let lines: String = names.iter().map(|name| format!("{name} = \"{}\"\n", theirs(name))).collect();
        pipeline = pipeline.replace(&path, &format!("{path}[inputs.{table}.columns]\n{lines}\n"));
    }
    scene.pipeline(&pipeline);
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(lake::unequal_objects(&expected, &scene.objects()), [""; 0]);
}

#[test]
fn the_first_source_that_is_not_blank_is_taken() {
    let columns = contract_columns(&Scene::new(), "messages");
    let ads = column(&columns, "ad_id");
    let cells: Vec<Option<&str>> = ads.as_string::<i32>().iter().collect();
    // The ad id of each row stands in another place; before it, blanks of each kind.
    let of_row = |row: usize, blank: Option<&'static str>| {
        strings(
            cells.iter().enumerate().map(move |(at, cell)| if at == row { *cell } else { blank }).collect::<Vec<_>>().into_iter(),
        )
    };
    let mut columns = folding(&columns, &["ad_id"], "first", of_row(0, Some("  ")));
    columns.push(("second", of_row(1, None)));
    let json = cells.iter().enumerate().map(|(at, cell)| match at {
        2 => cell.map(|cell| format!("{{\"ad\": \"{cell}\"}}")),
        3 => Some(String::new()),
        _ => Some("{\"ad\": \"the first wins\"}".to_owned()),
    });
    columns.push(("third", Arc::new(json.collect::<StringArray>())));
    columns.push(("never", new_null_array(&DataType::Null, 4)));
    let mapping = "ad_id = [\"never\", \"first\", \"second\", { column = \"third\", key = \"ad\" }, \"ad_id\"]".to_owned();
    check(vec![Stored { name: "a list of sources".into(), table: "messages", columns, mapping }]);
}

#[test]
fn words_are_translated() {
    let columns = contract_columns(&Scene::new(), "messages");
    let columns = replaced(columns, "direction", strings([Some("in"), Some(" "), Some("OUT"), Some("inbound")].into_iter()));
    let types = strings([Some("AD"), Some("ad"), Some("anuncio"), None].into_iter());
    let columns = replaced(columns, "ad_type", types);
    let mapping = "direction = { column = \"direction\", values = { received = [\"in\", \"inbound\"], sent = [\"OUT\"] } }\n\
                   ad_type = { column = \"ad_type\", values = { ad = [\"AD\", \"anuncio\"] } }"
        .to_owned();
    check(vec![Stored { name: "value words".into(), table: "messages", columns, mapping }]);
}

#[test]
fn rows_with_json_cells_that_are_no_objects_are_rejected() {
    let scene = Scene::new();
    let columns = contract_columns(&scene, "messages");
    let broken = strings([Some("{\"clid\": "), Some("[1]"), None, Some("{}")].into_iter());
    scene.land("messages", folding(&columns, &["ctwa_clid"], "metadata", broken));
    let path = "path = \"messages\"\n";
    let mapping = "[inputs.messages.columns]\nctwa_clid = [{ column = \"metadata\", key = \"clid\" }, \"ctwa_clid\"]\n";
    scene.pipeline(&PIPELINE.replace(path, &format!("{path}{mapping}")));
    // The third message was sent, the fourth came from no ad.
    let (code, report) = scene.json("run", &[]);
    assert_eq!(code, 6, "{report:#}");
    let failures = report["failures"].to_string();
    assert!(failures.contains("2 of 2 rows") && failures.contains("unreadable_json: 2, column ctwa_clid from"), "{failures}");
    assert_eq!(scene.rejected("messages")["value"], [Some("[1]".to_owned()), Some("{\"clid\": ".to_owned())]);
}

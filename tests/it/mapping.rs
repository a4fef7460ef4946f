//! Where columns are found and which types they may have: tables of types and places, each of which gives the same bytes or the exact
//! error. What is expected is what the same rows give in the contract's own columns of text.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Float64Array, Int64Array,
    LargeBinaryArray, ListArray, MapBuilder, RecordBatch, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
    UInt64Array, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowWriter, encode_arrow_schema};
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::lake::{self, Columns, Form, strings};
use crate::scene::{DAYS, FAULTY, HOUR, Scene, identity_columns, noon};

type Objects = BTreeMap<String, Vec<u8>>;

/// What a run over the scene publishes.
fn published(scene: &Scene, what: &str) -> Objects {
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
    scene.objects()
}

fn assert_same(expected: &Objects, scene: &Scene, what: &str) {
    assert_eq!(lake::unequal_objects(expected, &published(scene, what)), [""; 0], "{what}");
}

/// A command fails with all of these texts.
fn assert_says(scene: &Scene, command: &str, code: i32, texts: &[&str]) {
    let ran = scene.ctwa(command, &[]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, code, "{command}: {said}");
    for text in texts {
        assert!(said.contains(text), "{command} lacks {text:?}\n{said}");
    }
}

fn map(scene: &Scene, table: &str, lines: &str) {
    let path = format!("path = \"{table}\"\n");
    scene.edit(&path, &format!("{path}[inputs.{table}.columns]\n{lines}\n"));
}

fn replace(columns: &mut Columns, name: &str, array: ArrayRef) {
    columns.iter_mut().find(|(known, _)| *known == name).expect("the table has the column").1 = array;
}

fn take(columns: &mut Columns, name: &str) -> ArrayRef {
    let place = columns.iter().position(|(known, _)| *known == name).expect("the table has the column");
    columns.remove(place).1
}

// --------------------------------------------------------------------------------------------------------------- types

const LONG: i64 = 120_226_305_854_810_720;

/// The faulty day with digits in every text that may be digits.
fn in_digits(table: &str, typed: &dyn Fn(&Int64Array) -> ArrayRef) -> Columns {
    let numbers = |from: i64, some: &[bool]| -> ArrayRef {
        typed(&some.iter().enumerate().map(|(row, is)| is.then_some(from + row as i64)).collect::<Int64Array>())
    };
    let all = [true; 4];
    let mut columns = Scene::new().columns(table);
    match table {
        "messages" => {
            replace(&mut columns, "message_id", numbers(LONG + 10, &all));
            replace(&mut columns, "contact_id", numbers(5_511_900_000_000, &all));
            replace(&mut columns, "ad_id", numbers(LONG, &[true, true, true, false]));
            replace(&mut columns, "ad_title", numbers(50, &[true, false, true, true]));
            replace(&mut columns, "ctwa_clid", numbers(7, &[true, false, false, false]));
        }
        "events" => {
            replace(&mut columns, "contact_id", numbers(5_511_900_000_000, &[true, true, false]));
            replace(&mut columns, "category", numbers(40, &all[..3]));
            replace(&mut columns, "event_id", numbers(90, &[true, false, true]));
        }
        _ => {
            replace(&mut columns, "account_id", numbers(1, &all[..2]));
            replace(&mut columns, "ad_id", numbers(LONG, &all[..2]));
            replace(&mut columns, "campaign_id", numbers(3, &all[..2]));
        }
    }
    columns
}

fn scene_in_digits(typed: &dyn Fn(&Int64Array) -> ArrayRef) -> Scene {
    let scene = Scene::new();
    scene.edit("category = \"purchase\"", "category = \"41\"");
    ["messages", "events", "insights"].iter().for_each(|table| scene.land(table, in_digits(table, typed)));
    scene
}

#[test]
fn an_id_means_the_same_in_every_exact_type() {
    let text = |numbers: &Int64Array| cast(numbers, &DataType::Utf8).expect("digits");
    let expected = published(&scene_in_digits(&text), "text");
    let conversions = scene_in_digits(&text);
    assert_eq!(conversions.ctwa("run", &[]).code, 0);
    let sum: i64 = conversions.published().ad_days.values().flatten().filter_map(|row| row.conversions).sum();
    assert_eq!(sum, 1, "what is compared says something");

    let to = |kind: DataType| move |numbers: &Int64Array| cast(numbers, &kind).expect("it fits");
    type Typed = Box<dyn Fn(&Int64Array) -> ArrayRef>;
    let binary = |numbers: &Int64Array| -> Vec<Option<Vec<u8>>> {
        numbers.iter().map(|number| number.map(|number| number.to_string().into_bytes())).collect()
    };
    let forms: Vec<(&str, Typed)> = vec![
        ("int64", Box::new(|numbers| Arc::new(numbers.clone()))),
        ("uint64", Box::new(to(DataType::UInt64))),
        ("decimal(38,0)", Box::new(to(DataType::Decimal128(38, 0)))),
        ("decimal(18,0)", Box::new(to(DataType::Decimal64(18, 0)))),
        ("decimal(30,6)", Box::new(to(DataType::Decimal128(30, 6)))),
        ("decimal(60,10)", Box::new(to(DataType::Decimal256(60, 10)))),
        ("binary", Box::new(move |numbers| Arc::new(binary(numbers).iter().map(Option::as_deref).collect::<BinaryArray>()))),
        (
            "large_binary",
            Box::new(move |numbers| Arc::new(binary(numbers).iter().map(Option::as_deref).collect::<LargeBinaryArray>())),
        ),
        (
            "binary_view",
            Box::new(move |numbers| Arc::new(binary(numbers).iter().map(Option::as_deref).collect::<BinaryViewArray>())),
        ),
        ("dictionary of int64", Box::new(to(DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64))))),
        ("dictionary of text", Box::new(to(DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8))))),
        ("string_view", Box::new(to(DataType::Utf8View))),
    ];
    for (kind, typed) in forms {
        let typed: &dyn Fn(&Int64Array) -> ArrayRef = &*typed;
        assert_same(&expected, &scene_in_digits(typed), kind);
    }
}

/// Columns of text whose type says what no text is, in rows that are read, and what is said of them.
#[test]
fn a_type_that_is_not_exact_is_refused_where_it_has_a_value() {
    let floats = |rows: usize| -> ArrayRef { Arc::new(Float64Array::from(vec![1.202_263_058_548_107_2e17; rows])) };
    let dates = |rows: usize| -> ArrayRef { Arc::new(Date32Array::from(vec![20_000; rows])) };
    let booleans = |rows: usize| -> ArrayRef { Arc::new(BooleanArray::from(vec![true; rows])) };
    let cast_it = "cast it to text or to an integer where it is still exact";
    for (table, rows, columns) in [
        ("messages", 4, &["bot_id", "message_id", "contact_id", "ad_id", "ad_title", "ctwa_clid", "ad_type"][..]),
        ("events", 3, &["bot_id", "contact_id", "category", "event_id"]),
        ("insights", 2, &["account_id", "ad_id", "currency"]),
    ] {
        for column in columns {
            let scene = Scene::new();
            scene.land_with(table, column, floats(rows));
            let said = format!("{column} is Float64, a text is needed; it holds 1.2022630585481");
            let place = format!("(column {column}, object {table}/date={FAULTY}/part-0.parquet");
            assert_says(&scene, "run", 6, &[&said, &place, cast_it]);
        }
        let scene = Scene::new();
        scene.land_with(table, columns[1], dates(rows));
        assert_says(&scene, "run", 6, &[&format!("{} is Date32, a text is needed; it holds 2024-10-04", columns[1])]);
        scene.land_with(table, columns[1], booleans(rows));
        assert_says(&scene, "run", 6, &[&format!("{} is Boolean, a text is needed; it holds true", columns[1])]);
    }
    let scene = Scene::new();
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"ok"[..], b"a\xff\xfe", b"\xe9", b"b"]));
    scene.land_with("messages", "contact_id", bytes);
    assert_says(&scene, "run", 6, &["unreadable_id: 2", "column contact_id", "bytes that are no UTF-8", "write texts in UTF-8"]);
    // The newest day is looked at by `check`, of a doubtful type its values too.
    let scene = Scene::new();
    let newest = scene.file("messages", DAYS[3]);
    let mut columns = scene.columns("messages");
    replace(&mut columns, "ad_id", floats(4));
    lake::write_file(&newest, columns, &Form::default());
    assert_says(&scene, "check", 6, &["ad_id is Float64, a text is needed; it holds 1.2", cast_it]);
}

#[test]
fn a_column_without_a_value_may_have_any_type() {
    let kinds = [
        DataType::Float64,
        DataType::Boolean,
        DataType::Date32,
        DataType::Int32,
        DataType::Null,
        DataType::FixedSizeBinary(16),
        DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::List(Arc::new(Field::new("item", DataType::Float64, true))),
        DataType::Struct(vec![Field::new("a", DataType::Int8, true)].into()),
    ];
    let empty = |kind: &DataType| {
        let scene = Scene::new();
        let (mut messages, mut events) = (scene.columns("messages"), scene.columns("events"));
        for column in ["direction", "ad_title", "ad_type", "ctwa_clid"] {
            replace(&mut messages, column, new_null_array(kind, 4));
        }
        for column in ["event_id", "contact_id"] {
            replace(&mut events, column, new_null_array(kind, 3));
        }
        let mut insights = scene.columns("insights");
        ["ad_name", "campaign_id", "clicks"].into_iter().for_each(|column| {
            insights.retain(|(name, _)| *name != column);
            insights.push((column, new_null_array(kind, 2)));
        });
        [("messages", messages), ("events", events), ("insights", insights)]
            .into_iter()
            .for_each(|(table, columns)| scene.land(table, columns));
        scene
    };
    let expected = published(&empty(&DataType::Utf8), "text");
    for kind in kinds {
        let scene = empty(&kind);
        assert_same(&expected, &scene, &kind.to_string());
        assert_eq!(scene.ctwa("check", &[]).code, 0, "{kind}");
    }
}

#[test]
fn a_file_without_rows_may_have_any_schema() {
    let expected = published(&Scene::new(), "without more files");
    for columns in ["", "optional double ad_id; optional int32 Sent_At;", "optional binary AD_ID; optional binary Ad_Id;"] {
        let scene = Scene::new();
        for (table, day) in [("messages", FAULTY), ("events", FAULTY), ("insights", FAULTY), ("messages", DAYS[3])] {
            let schema = parse_message_type(&format!("message rows {{ {columns} }}")).expect("a schema");
            let file = File::create(scene.folder(table, day).join("empty.parquet")).expect("the folder is there");
            let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(WriterProperties::default()));
            writer.expect("a writer").close().expect("the file ends");
        }
        assert_same(&expected, &scene, columns);
        assert_eq!(scene.ctwa("check", &[]).code, 0, "{columns}");
    }
}

/// A messages file in which the ids of messages are of 16 bytes.
fn write_uuids(path: &Path, annotation: &str, columns: &Columns, ids: &[[u8; 16]]) {
    let texts: Vec<_> = columns.iter().filter(|(name, _)| !["message_id", "sent_at"].contains(name)).collect();
    let fields: String = texts.iter().map(|(name, _)| format!("optional binary {name} (UTF8); ")).collect();
    let schema = format!(
        "message rows {{ {fields} required int64 sent_at (TIMESTAMP(MICROS,true)); required group m {{ \
         required fixed_len_byte_array(16) id {annotation}; }} }}"
    );
    let schema = Arc::new(parse_message_type(&schema).expect("a schema"));
    let file = File::create(path).expect("the partition is there");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::default())).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    for (_, array) in texts {
        let cells: Vec<Option<&str>> = array.as_string::<i32>().iter().collect();
        let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
        let values: Vec<ByteArray> = cells.into_iter().flatten().map(ByteArray::from).collect();
        let mut column = group.next_column().expect("a column").expect("of the schema");
        column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).expect("texts are written");
        column.close().expect("the column ends");
    }
    let mut column = group.next_column().expect("a column").expect("of the schema");
    column.typed::<Int64Type>().write_batch(&vec![noon(FAULTY); ids.len()], None, None).expect("times are written");
    column.close().expect("the column ends");
    let ids: Vec<FixedLenByteArray> = ids.iter().map(|id| ByteArray::from(id.to_vec()).into()).collect();
    let mut column = group.next_column().expect("a column").expect("of the schema");
    column.typed::<FixedLenByteArrayType>().write_batch(&ids, None, None).expect("ids are written");
    column.close().expect("the column ends");
    group.close().expect("the row group ends");
    writer.close().expect("the file ends");
}

#[test]
fn a_uuid_of_16_bytes_is_the_text_that_everybody_writes() {
    let line = "message_id = [\"message_id\", { column = \"m\", key = \"id\" }]";
    let texts = ["00000000-0000-0000-0000-00000000000a", "123e4567-e89b-12d3-a456-4266141740ff"];
    // Two rows are copies of two others: the same ids, in 16 bytes there, as text here.
    let mut bytes = [[0; 16], [0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0xff]];
    bytes[0][15] = 10;
    let scene = Scene::new();
    let mut columns = scene.columns("messages");
    replace(&mut columns, "message_id", strings([0, 1, 0, 1].into_iter().map(|n: usize| Some(texts[n]))));
    scene.land("messages", columns.clone());
    let expected = published(&scene, "text");

    let scene = Scene::new();
    map(&scene, "messages", line);
    write_uuids(&scene.file("messages", FAULTY), "(UUID)", &columns, &[bytes[0], bytes[1], bytes[0], bytes[1]]);
    assert_same(&expected, &scene, "16 bytes");
    write_uuids(&scene.file("messages", FAULTY), "", &columns, &[bytes[0], bytes[1], bytes[0], bytes[1]]);
    assert_says(&scene, "run", 6, &["message_id is FixedSizeBinary(16) in m[\"id\"], a text is needed"]);
}

#[test]
fn true_and_false_are_words_where_the_mapping_says_which() {
    let from_me: ArrayRef = Arc::new(BooleanArray::from(vec![Some(false), Some(true), None, Some(false)]));
    let scene = Scene::new();
    scene.land_texts("messages", "direction", |row, _| {
        [Some("received"), Some("sent"), None, Some("received")][row].map(str::to_owned)
    });
    let expected = published(&scene, "words");

    let scene = Scene::new();
    let mut columns = scene.columns("messages");
    take(&mut columns, "direction");
    columns.push(("fromMe", from_me));
    scene.land("messages", columns);
    map(&scene, "messages", "direction = [\"direction\", { column = \"fromMe\" }]");
    let line = "direction = { column = \"fromMe\", values = { received = [\"false\"], sent = [\"true\"] } }";
    assert_says(&scene, "run", 6, &["direction is true or false in fromMe", "which of them is received or sent", line]);
    scene.edit("{ column = \"fromMe\" }", "{ column = \"fromMe\", values = { received = [\"false\"], sent = [\"true\"] } }");
    assert_same(&expected, &scene, "true and false");
}

// -------------------------------------------------------------------------------------------------------------- places

#[test]
fn a_column_is_found_in_another_case_and_two_are_named() {
    let scene = Scene::new();
    scene.land_texts("messages", "direction", |row, _| Some(if row == 0 { "sent" } else { "received" }.to_owned()));
    let expected = published(&scene, "the contract's names");
    for change in [str::to_uppercase, capital as fn(&str) -> String] {
        let other = Scene::new();
        for (table, mut columns) in [
            ("messages", other.columns("messages")),
            ("events", other.columns("events")),
            ("insights", other.columns("insights")),
        ] {
            if table == "messages" {
                let words = strings([Some("sent"), Some("received"), Some("received"), Some("received")].into_iter());
                replace(&mut columns, "direction", words);
            }
            let columns = columns.into_iter().map(|(name, array)| (&*change(name).leak(), array)).collect();
            other.land(table, columns);
        }
        assert_same(&expected, &other, "another case");
        assert_eq!(other.json("run", &[]).1["warnings"], serde_json::json!([]));
    }
    let scene = Scene::new();
    let mut columns = scene.columns("messages");
    let ads = take(&mut columns, "ad_id");
    columns.extend([("AD_ID", ads.clone()), ("Ad_Id", ads.clone())]);
    scene.land("messages", columns.clone());
    assert_says(&scene, "run", 6, &["ad_id may be any of the columns \"AD_ID\", \"Ad_Id\"", "table messages", FAULTY]);
    columns.push(("ad_id", ads));
    scene.land("messages", columns);
    assert_same(&published(&Scene::new(), "plain"), &scene, "one of them is exact");
}

fn capital(name: &str) -> String {
    name.split('_').map(|part| format!("{}{}", part[..1].to_uppercase(), &part[1..])).collect::<Vec<_>>().join("_")
}

#[test]
fn all_missing_columns_are_named_with_a_mapping_to_paste() {
    let scene = Scene::new();
    let renamed = |name: &'static str| match name {
        "message_id" => "messageId",
        "sent_at" => "timestamp",
        "contact_id" => "who",
        "direction" => "Directions",
        other => other,
    };
    let mut columns: Columns = scene.columns("messages").into_iter().map(|(name, array)| (renamed(name), array)).collect();
    let ads = take(&mut columns, "ad_id");
    let referral = vec![(Arc::new(Field::new("sourceId", DataType::Utf8, true)), ads)];
    columns.push(("referral", Arc::new(StructArray::from(referral))));
    scene.land("messages", columns.clone());
    let newest = fs::read(scene.file("messages", DAYS[3])).expect("it is there");
    lake::write_file(&scene.file("messages", DAYS[3]), columns, &Form::default());
    let paste = "columns = { message_id = [\"message_id\", \"messageId\"], contact_id = \"...\", sent_at = [\"sent_at\", \
                 \"timestamp\"], ad_id = [\"ad_id\", { column = \"referral\", key = \"sourceId\" }] }";
    for command in ["run", "check"] {
        assert_says(
            &scene,
            command,
            6,
            &[
                "required columns message_id, contact_id, sent_at, ad_id are missing",
                "columns it has bot_id, messageId, who, timestamp, Directions, ad_type, ad_title, ctwa_clid, content, referral{sourceId}",
                &format!("name its columns in [inputs.messages]: {paste}"),
            ],
        );
    }
    let pasted = paste.replace("\"...\"", "[\"contact_id\", \"who\"]");
    scene.edit("path = \"messages\"\n", &format!("path = \"messages\"\n{pasted}\n"));
    let checked = scene.ctwa("check", &[]);
    assert_eq!(checked.code, 0, "{}", checked.stdout);
    assert!(checked.stdout.contains("direction = [\"direction\", \"Directions\"]"), "{}", checked.stdout);
    fs::write(scene.file("messages", DAYS[3]), newest).expect("it can be written");
    let report = scene.json("run", &[]);
    assert_eq!(report.0, 0);
    let warning = "messages: optional column direction is missing, it is NULL; if it is that, write in [inputs.messages.columns]: \
                   direction = [\"direction\", \"Directions\"]";
    let warnings: Vec<&str> = report.1["warnings"].as_array().expect("a list").iter().filter_map(|text| text.as_str()).collect();
    assert!(warnings.iter().any(|text| text.contains(warning)), "{warnings:?}");
    assert_eq!(lake::unequal_objects(&published(&Scene::new(), "plain"), &scene.objects()), [""; 0]);

    // With a mapping there already: the lines alone.
    let scene = Scene::new();
    scene.land_without("events", "category");
    map(&scene, "events", "category = \"kind\"\nevent_id = \"no\"");
    let said =
        ["required column category is missing", "category is read from kind", "in [inputs.events.columns]: category = \"...\""];
    assert_says(&scene, "run", 6, &said);
}

fn texts(array: &ArrayRef) -> Vec<Option<String>> {
    array.as_string::<i32>().iter().map(|cell| cell.map(str::to_owned)).collect()
}

/// Cells as a list of key/value structs, with a pair of no interest in front.
fn as_pairs(names: [&str; 2], key: &str, values: ArrayRef) -> ArrayRef {
    let rows = values.len();
    let other = new_null_array(values.data_type(), rows);
    let both = arrow::compute::concat(&[&other, &values]).expect("of one type");
    let order: UInt64Array = (0..rows as u64).flat_map(|row| [row, row + rows as u64]).collect();
    let values = arrow::compute::take(&both, &order, None).expect("they are there");
    let keys: ArrayRef = Arc::new((0..rows).flat_map(|_| [Some("other"), Some(key)]).collect::<StringArray>());
    let field = |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
    let pairs = StructArray::from(vec![(field(names[0], &keys), keys.clone()), (field(names[1], &values), values.clone())]);
    let element: FieldRef = Arc::new(Field::new("element", pairs.data_type().clone(), true));
    let offsets = OffsetBuffer::new((0..=rows as i32).map(|row| 2 * row).collect::<Vec<_>>().into());
    Arc::new(ListArray::new(element, offsets, Arc::new(pairs), None))
}

fn as_struct(name: &str, array: ArrayRef) -> ArrayRef {
    Arc::new(StructArray::from(vec![(Arc::new(Field::new(name, array.data_type().clone(), true)), array)]))
}

fn as_map(key: &str, array: &ArrayRef) -> ArrayRef {
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for cell in texts(array) {
        map.keys().append_value(key);
        map.values().append_option(cell);
        map.append(true).expect("as many keys as values");
    }
    Arc::new(map.finish())
}

fn as_json(key: &str, array: &ArrayRef, is_json: bool) -> ArrayRef {
    let text = |cell: Option<String>| {
        let value = match cell {
            Some(cell) if is_json => serde_json::from_str(&cell).expect("JSON"),
            cell => serde_json::json!(cell),
        };
        Some(serde_json::json!({ "before": [1, { "x": null }], key: value }).to_string())
    };
    Arc::new(texts(array).into_iter().map(text).collect::<StringArray>())
}

#[test]
fn one_thing_inside_another_is_found_whatever_each_is() {
    let expected = published(&Scene::new(), "plain");
    let ads = take(&mut Scene::new().columns("messages"), "ad_id");
    let inner = [
        ("struct", as_struct("source_id", ads.clone())),
        ("map", as_map("source_id", &ads)),
        ("pairs", as_pairs(["key", "value"], "source_id", ads.clone())),
        ("json", as_json("source_id", &ads, false)),
        ("binary json", cast(&as_json("source_id", &ads, false), &DataType::Binary).expect("bytes")),
    ];
    let mut forms: Vec<(String, ArrayRef)> = Vec::new();
    for (name, inner) in &inner {
        forms.push((format!("{name} in a struct"), as_struct("referral", inner.clone())));
        forms.push((format!("{name} in a struct of another case"), as_struct("Referral", inner.clone())));
        for names in [["k", "v"], ["name", "value"], ["Key", "Value"]] {
            forms.push((format!("{name} in pairs {names:?}"), as_pairs(names, "referral", inner.clone())));
        }
        if inner.data_type() == &DataType::Utf8 {
            forms.push(("json text in a map".to_owned(), as_map("referral", inner)));
            forms.push(("json text in json".to_owned(), as_json("referral", inner, false)));
            forms.push(("json in json".to_owned(), as_json("referral", inner, true)));
        }
    }
    for (name, array) in &forms {
        let scene = Scene::new();
        let mut columns = scene.columns("messages");
        take(&mut columns, "ad_id");
        columns.push(("meta", array.clone()));
        scene.land("messages", columns);
        map(&scene, "messages", "ad_id = [\"ad_id\", { column = \"meta\", key = [\"referral\", \"source_id\"] }]");
        assert_same(&expected, &scene, name);
    }
    // Files of one day need not agree on what the column is.
    let several = Scene::new();
    map(&several, "messages", "ad_id = [\"ad_id\", { column = \"meta\", key = [\"referral\", \"source_id\"] }]");
    for (row, (_, array)) in [&forms[0], &forms[2], &forms[5], &forms[forms.len() - 1]].into_iter().enumerate() {
        let mut columns: Columns = several.columns("messages").into_iter().map(|(name, all)| (name, all.slice(row, 1))).collect();
        take(&mut columns, "ad_id");
        columns.push(("meta", array.slice(row, 1)));
        lake::write_file(&several.folder("messages", FAULTY).join(format!("part-{row}.parquet")), columns, &Form::default());
    }
    assert_same(&expected, &several, "four files of four kinds");
}

#[test]
fn a_key_where_there_can_be_none_is_an_error() {
    let scene = Scene::new();
    let mut columns = scene.columns("messages");
    take(&mut columns, "ad_id");
    columns.push(("meta", Arc::new(Int64Array::from(vec![Some(7), None, None, None]))));
    scene.land("messages", columns.clone());
    map(&scene, "messages", "ad_id = [\"ad_id\", { column = \"meta\", key = [\"referral\", \"id\"] }]");
    let said = ["ad_id is read from meta[\"referral\"][\"id\"]: it is Int64", "column meta", "part-0.parquet"];
    assert_says(&scene, "run", 6, &said);
    take(&mut columns, "meta");
    let inner = as_struct("id", strings([None, None, None, None].into_iter()));
    columns.push(("meta", as_struct("other", inner)));
    scene.land("messages", columns);
    let said = ["required column ad_id is missing", "ad_id is read from ad_id, meta[\"referral\"][\"id\"]", "meta{other}"];
    assert_says(&scene, "run", 6, &said);
}

#[test]
fn a_folder_of_the_path_is_a_column() {
    let expected = published(&Scene::new(), "plain");
    let line = "bot_id = [\"bot_id\", { partition = \"bot_id\" }]";
    for folder in ["bot_id=shop", "hour=12/Bot_Id=sh%6Fp", "bot_id=loja/x/bot_id=shop/hour=1"] {
        let scene = Scene::new();
        map(&scene, "messages", line);
        let mut columns = scene.columns("messages");
        take(&mut columns, "bot_id");
        fs::remove_file(scene.file("messages", FAULTY)).expect("it is there");
        lake::write_file(&scene.folder("messages", FAULTY).join(folder).join("a.parquet"), columns, &Form::default());
        assert_same(&expected, &scene, folder);
    }
    let scene = Scene::new();
    map(&scene, "messages", line);
    let mut columns = scene.columns("messages");
    take(&mut columns, "bot_id");
    let nobody = scene.folder("messages", FAULTY).join("bot_id=__HIVE_DEFAULT_PARTITION__/a.parquet");
    lake::write_file(&nobody, columns.clone(), &Form::default());
    assert_eq!(scene.ctwa("run", &[]).code, 0, "half of the rows that could count have no bot");
    assert_eq!(scene.rejected("messages")["reason"], vec![Some("no_bot".to_owned()); 3]);
    lake::write_file(&scene.file("messages", FAULTY), columns, &Form::default());
    let said = ["required column bot_id is missing", "the folder key \"bot_id\"", "folder keys it has [\"date\"]"];
    assert_says(&scene, "run", 6, &said);

    // A direction may be one too, and then its words are translated.
    let scene = Scene::new();
    map(&scene, "messages", "direction = { partition = \"way\", values = { received = [\"in\"], sent = [\"out\"] } }");
    let columns = scene.columns("messages");
    for way in ["in", "out"] {
        let file = scene.folder("messages", FAULTY).join(format!("way={way}/a.parquet"));
        lake::write_file(&file, columns.clone(), &Form::default());
    }
    fs::remove_file(scene.file("messages", FAULTY)).expect("it is there");
    assert_same(&expected, &scene, "what was sent is no touch");
}

#[test]
fn times_without_a_zone_are_those_of_the_zone_that_is_named() {
    let expected = published(&Scene::new(), "plain");
    let local = noon(FAULTY) - 3 * HOUR;
    let naive: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![local; 4]));
    let written: ArrayRef = strings(
        [
            Some("2026-03-03 09:00:00"),
            Some("2026-03-03T09:00:00.000"),
            Some("2026-03-03T12:00:00Z"),
            Some(" 2026-03-03 09:00:00 "),
        ]
        .into_iter(),
    );
    for (name, array) in [("timestamps", &naive), ("texts", &written)] {
        for zone in ["America/Sao_Paulo", "-03:00"] {
            let scene = Scene::new();
            scene.land_with("messages", "sent_at", array.clone());
            // The other days' times have a zone.
            map(&scene, "messages", &format!("sent_at = {{ column = \"sent_at\", zone = \"{zone}\" }}"));
            assert_same(&expected, &scene, &format!("{name} {zone}"));
        }
    }
    let scene = Scene::new();
    lake::write_file(&scene.file("messages", DAYS[3]), with_times(&scene, naive), &Form::default());
    let checked = scene.ctwa("check", &[]);
    let line = "sent_at = { column = \"sent_at\", zone = \"America/Sao_Paulo\" }";
    assert!(checked.stdout.contains("the times of sent_at name no zone and are read as UTC"), "{}", checked.stdout);
    assert!(checked.stdout.contains(line), "{}", checked.stdout);
    let scene = Scene::new();
    scene.land_with("messages", "sent_at", written);
    assert_eq!(scene.ctwa("run", &[]).code, 6, "a text without zone is no time");
}

fn with_times(scene: &Scene, times: ArrayRef) -> Columns {
    let mut columns = scene.columns("messages");
    replace(&mut columns, "sent_at", times);
    columns
}

#[test]
fn the_alias_table_is_mapped_like_the_others() {
    let rows = [(None, "ana-1", "bia-1"), (Some("shop"), "bia-1", "caio-1")];
    let scene = Scene::new();
    scene.identities(&rows);
    let expected = published(&scene, "plain");
    let file = |scene: &Scene| scene.lake.dir.join("lake/identities/part-0.parquet");
    let renamed = |columns: Columns| -> Columns {
        let names = [("bot_id", "Bot"), ("alias", "from"), ("contact_id", "to")];
        let theirs = |name: &str| names.iter().find(|(ours, _)| *ours == name).expect("a column of the table").1;
        columns.into_iter().map(|(name, array)| (theirs(name), array)).collect()
    };
    let scene = Scene::new();
    scene.identities(&rows);
    lake::write_file(&file(&scene), renamed(identity_columns(&rows)), &Form::default());
    let said = [
        "required columns bot_id, alias, contact_id are missing",
        "table identities",
        "columns it has Bot, from, to",
        "[inputs.identities]: columns = {",
    ];
    assert_says(&scene, "run", 6, &said);
    assert_says(&scene, "check", 6, &said);
    let lines = "[inputs.identities.columns]\nbot_id = \"bot\"\nalias = { column = \"from\" }\ncontact_id = [\"none\", \"to\"]\n";
    scene.edit("[inputs.identities]\n", &format!("[inputs.identities]\n{lines}"));
    assert_same(&expected, &scene, "other names");

    // Another mapping is another table: what was resolved by the old one is made anew.
    let mut columns = renamed(identity_columns(&rows));
    columns.push(("to2", strings([Some("davi-1"), Some("davi-1")].into_iter())));
    lake::write_file(&file(&scene), columns.clone(), &Form::default());
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    scene.edit("[\"none\", \"to\"]", "\"to2\"");
    let now = published(&scene, "another column");
    let fresh = Scene::new();
    fresh.identities(&rows.map(|(bot, alias, _)| (bot, alias, "davi-1")));
    assert_eq!(lake::unequal_objects(&published(&fresh, "fresh"), &now), [""; 0]);
    assert!(!lake::unequal_objects(&expected, &now).is_empty(), "the other column says something else");

    for (column, said) in [("from", "alias is Float64 in from"), ("Bot", "bot_id is Float64 in Bot")] {
        let scene = Scene::new();
        scene.identities(&rows);
        let mut columns = renamed(identity_columns(&rows));
        replace(&mut columns, column, Arc::new(Float64Array::from(vec![1.0, 2.0])));
        lake::write_file(&file(&scene), columns, &Form::default());
        scene.edit("[inputs.identities]\n", &format!("[inputs.identities]\n{lines}"));
        assert_says(&scene, "run", 6, &[said, "table identities"]);
    }
}

#[test]
fn a_key_of_the_alias_table_that_no_row_has_is_said() {
    let json = |rows: [(&str, &str); 2]| {
        let cells = rows.map(|(alias, contact)| format!("{{\"from\": \"{alias}\", \"to\": \"{contact}\", \"bot\": \"shop\"}}"));
        strings(cells.iter().map(|cell| Some(cell.as_str())).collect::<Vec<_>>().into_iter())
    };
    let scene = Scene::new();
    scene.identities(&[]);
    let columns = vec![("row", json([("ana-1", "bia-1"), ("caio-1", "eva-1")]))];
    lake::write_file(&scene.lake.dir.join("lake/identities/part-0.parquet"), columns, &Form::default());
    let key = |name: &str, key: &str| format!("{name} = {{ column = \"row\", key = {key:?} }}\n");
    let lines = [key("bot_id", "bott"), key("alias", "from"), key("contact_id", "to")].concat();
    scene.edit("[inputs.identities]\n", &format!("[inputs.identities]\n[inputs.identities.columns]\n{lines}"));
    for command in ["check", "run", "run"] {
        let ran = scene.ctwa(command, &[]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, 0, "{said}");
        let there = "keys that are there: \"bot\"";
        for text in ["bot_id is mapped to row[\"bott\"], which none of 2 rows has", there, "[inputs.identities.columns]"] {
            assert!(said.contains(text), "{command} lacks {text:?}\n{said}");
        }
    }
    scene.edit("\"bott\"", "\"bot\"");
    let ran = scene.ctwa("run", &[]);
    assert!(ran.code == 0 && !ran.stderr.contains("is mapped to"), "{}", ran.stderr);
}

#[test]
fn what_is_no_text_as_it_stands_is_refused_with_the_line_that_reads_it() {
    let ids = || strings([Some("A"), Some("A"), Some("B"), None].into_iter());
    let fields = [("type", strings([Some("ad"); 4].into_iter())), ("source_id", ids())];
    let field = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
    let of_struct: ArrayRef =
        Arc::new(StructArray::from(fields.iter().map(|(name, array)| (field(name), array.clone())).collect::<Vec<_>>()));
    let nan: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN; 4]));
    let line = |key: &str| format!("ad_id = {{ column = \"ad_id\", key = {key:?} }} in [inputs.messages.columns]");
    let nan_is_nothing = "null_words = [\"NaN\"] in [inputs.messages]".to_owned();
    for (column, array, says, mend) in [
        ("ad_id", of_struct, "of its fields \"type\", \"source_id\"", line("source_id")),
        ("ad_id", as_map("id", &ids()), "of its keys \"id\"", line("id")),
        ("ad_id", as_pairs(["key", "value"], "id", ids()), "of its keys", line("id")),
        ("ad_title", nan.clone(), "every value of it is NaN", nan_is_nothing),
    ] {
        let scene = Scene::new();
        scene.land_with("messages", column, array);
        assert_says(&scene, "run", 6, &[says, &mend]);
    }
    // With that line they are read.
    let expected = published(&Scene::new(), "plain");
    let scene = Scene::new();
    map(&scene, "messages", "ad_id = [{ column = \"ad_ids\", key = \"id\" }, \"ad_id\"]");
    let mut columns = scene.columns("messages");
    take(&mut columns, "ad_id");
    columns.push(("ad_ids", as_map("id", &ids())));
    scene.land("messages", columns);
    assert_same(&expected, &scene, "a key of a map");
    let scene = Scene::new();
    scene.land_with("messages", "ad_title", nan);
    scene.edit("path = \"messages\"\n", "path = \"messages\"\nnull_words = [\"NaN\"]\n");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
}

#[test]
fn an_outer_key_that_is_misspelt_is_told_with_those_that_are_there() {
    let scene = Scene::new();
    let mut columns = scene.columns("messages");
    columns.push(("meta", strings([Some("{\"referral\": {\"id\": \"A\"}, \"x\": 1}"), None, None, None].into_iter())));
    scene.land("messages", columns);
    map(&scene, "messages", "ad_id = [\"ad_id\", { column = \"meta\", key = [\"referal\", \"id\"] }]");
    let says = "ad_id is mapped to meta[\"referal\"][\"id\"], which none of 4 rows has on 1 of 4 days (the first 2026-03-03); keys \
                that are there: \"referral\"";
    assert_says(&scene, "run", 0, &[says]);
}

#[test]
fn two_columns_of_one_name_are_said_to_be_that() {
    let scene = Scene::new();
    let mut columns = scene.columns("messages");
    let ads = columns.iter().find(|(name, _)| *name == "ad_id").expect("it is there").clone();
    columns.push(ads);
    scene.land("messages", columns);
    let says = ["2 columns of the file have the name \"ad_id\"", "give each column a name of its own", "part-0.parquet"];
    assert_says(&scene, "run", 6, &says);
}

#[test]
fn a_dictionary_of_true_and_false_is_read_as_what_it_holds() {
    let expected = published(&Scene::new(), "plain");
    let scene = Scene::new();
    let columns = scene.columns("messages");
    let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let from_me: ArrayRef = Arc::new(BooleanArray::from(vec![Some(false); 4]));
    let stored = fields.iter().cloned().chain([Field::new("fromMe", DataType::Boolean, true)]).collect::<Vec<_>>();
    // As pyarrow writes them: plain values, and a schema beside that calls them a dictionary.
    let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Boolean));
    let called = Schema::new(fields.into_iter().chain([Field::new("fromMe", kind, true)]).collect::<Vec<_>>());
    let arrays = columns.iter().map(|(_, array)| array.clone()).chain([from_me]).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(stored)), arrays).expect("a batch");
    let known = KeyValue::new("ARROW:schema".to_owned(), encode_arrow_schema(&called));
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![known])).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let file = File::create(scene.file("messages", FAULTY)).expect("a file");
    let mut writer = ArrowWriter::try_new_with_options(file, batch.schema(), options).expect("a writer");
    writer.write(&batch).expect("it is written");
    writer.close().expect("it is closed");
    let line = "direction = [{ column = \"fromMe\", values = { received = [\"false\"], sent = [\"true\"] } }, \"direction\"]";
    map(&scene, "messages", line);
    assert_same(&expected, &scene, "a dictionary of booleans");
}

#[test]
fn insights_are_found_inside_columns_and_in_folders() {
    let expected = published(&Scene::new(), "plain");
    let scene = Scene::new();
    let mut columns = scene.columns("insights");
    let (ads, spend) = (take(&mut columns, "ad_id"), take(&mut columns, "spend"));
    let accounts = take(&mut columns, "account_id");
    let spend = cast(&spend, &DataType::Utf8).expect("digits");
    columns.push(("ad", as_json("info", &as_json("id", &ads, false), true)));
    columns.push(("Metrics", as_pairs(["name", "value"], "spend", spend)));
    for (row, account) in texts(&accounts).into_iter().enumerate() {
        let columns = columns.iter().map(|(name, array)| (*name, array.slice(row, 1))).collect();
        let file = scene.folder("insights", FAULTY).join(format!("Account={}/a.parquet", account.expect("an account")));
        lake::write_file(&file, columns, &Form::default());
    }
    fs::remove_file(scene.file("insights", FAULTY)).expect("it is there");
    let lines = "[insights.columns]\nad_id = [\"ad_id\", { column = \"ad\", key = [\"info\", \"id\"] }]\n\
                 spend = [\"spend\", { column = \"metrics\", key = \"spend\" }]\n\
                 account_id = [\"account_id\", { partition = \"account\" }]\n";
    scene.edit("source = \"landed\"\n", &format!("source = \"landed\"\n{lines}"));
    assert_same(&expected, &scene, "inside columns and in folders");
}

#[test]
fn a_place_that_says_nothing_is_a_usage_error() {
    for (table, line, said) in [
        ("messages", "ad_id = { column = \"m\", key = [] }", "`key` is an empty list"),
        ("messages", "ad_id = { column = \"m\", key = \"\" }", "`key` is empty"),
        ("messages", "bot_id = { partition = \" \" }", "`partition` is blank"),
        ("messages", "bot_id = { partition = \"b\", column = \"c\" }", "unknown key `inputs.messages.columns.bot_id.column`"),
        ("messages", "ad_id = { column = \"m\", zone = \"UTC\" }", "`zone` is for times, ad_id is none"),
        ("messages", "sent_at = { column = \"m\", zone = \"Brasil\" }", "Brasil"),
        ("events", "occurred_at = { column = \"m\", zone = \"-30:00\" }", "\"-30:00\" is no offset"),
        ("events", "category = { column = \"m\", values = { received = [\"x\"] } }", "`values` translates words"),
    ] {
        let scene = Scene::new();
        map(&scene, table, line);
        assert_says(&scene, "plan", 2, &[said]);
    }
}

//! Delta Lake tables written by hand, from the protocol: a log over files, in every form that a log may have. The same rows as plain
//! Parquet give the same bytes; what cannot be read is refused with the file or the feature named. Tables of real writers are in
//! `delta.rs`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::lake::{self, Ran};
use crate::scene::{DAYS, FAULTY, Scene, date};

const TABLES: [&str; 3] = ["messages", "events", "insights"];

/// A table's folder, to which versions are committed.
struct Table {
    folder: PathBuf,
    next: u64,
}

/// What a table's first version says of it.
struct About {
    fields: Vec<Value>,
    partitioned_by: Vec<&'static str>,
    configuration: Value,
    features: Vec<&'static str>,
}

impl About {
    fn actions(&self) -> Vec<Value> {
        let protocol = match self.features.is_empty() {
            true => json!({"minReaderVersion": 1, "minWriterVersion": 2}),
            false => {
                json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": self.features, "writerFeatures": self.features})
            }
        };
        let schema = json!({"type": "struct", "fields": self.fields}).to_string();
        let metadata = json!({
            "id": "6f5c1a9e-0d3b-4c55-9a55-d3a3f6c7a001", "format": {"provider": "parquet", "options": {}}, "createdTime": 0,
            "schemaString": schema, "partitionColumns": self.partitioned_by, "configuration": self.configuration,
        });
        vec![json!({"protocol": protocol}), json!({"metaData": metadata})]
    }
}

fn field(name: &str, kind: &str) -> Value {
    json!({"name": name, "type": kind, "nullable": true, "metadata": {}})
}

/// A file's columns as a log has them.
fn fields_of(file: &Path) -> Vec<Value> {
    let kind = |kind: &DataType| match kind {
        DataType::Utf8 => "string".to_owned(),
        DataType::Int64 => "long".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        other => panic!("{other} is no type of these tables"),
    };
    read(file).schema().fields().iter().map(|column| field(column.name(), &kind(column.data_type()))).collect()
}

fn read(file: &Path) -> RecordBatch {
    let file = File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().expect("it is Parquet").map(|batch| batch.expect("it is Parquet")).collect();
    arrow::compute::concat_batches(&schema, &batches).expect("of one schema")
}

fn write(file: &Path, batch: &RecordBatch) {
    fs::create_dir_all(file.parent().expect("a file lies in a folder")).expect("a folder is made");
    let mut writer = ArrowWriter::try_new(File::create(file).expect("a file"), batch.schema(), None).expect("a writer");
    writer.write(batch).and_then(|()| writer.close()).expect("it is written");
}

/// The rows of a batch at the places for which this is so.
fn rows(batch: &RecordBatch, is_kept: impl Fn(usize) -> bool) -> RecordBatch {
    let kept: BooleanArray = (0..batch.num_rows()).map(|row| Some(is_kept(row))).collect();
    filter_record_batch(batch, &kept).expect("as many as there are rows")
}

/// As the log writes the path of a file.
fn encoded(path: &str) -> String {
    path.replace('%', "%25").replace(' ', "%20")
}

fn add(path: &str, values: Value) -> Value {
    json!({"add": {"path": encoded(path), "partitionValues": values, "size": 1, "modificationTime": 0, "dataChange": true}})
}

fn remove(path: &str) -> Value {
    json!({"remove": {"path": encoded(path), "deletionTimestamp": 0, "dataChange": true}})
}

/// The same with rows that are deleted.
fn with_vector(mut add: Value, vector: &Value) -> Value {
    add["add"]["deletionVector"] = vector.clone();
    add
}

impl Table {
    fn new(scene: &Scene, table: &str) -> Table {
        Table { folder: scene.lake.dir.join("lake").join(table), next: 0 }
    }

    /// The table of a scene's plain files: one version for all.
    fn over(scene: &Scene, table: &str) -> Table {
        let mut of = Table::new(scene, table);
        let mut fields = fields_of(&scene.file(table, DAYS[0]));
        fields.push(field("date", "date"));
        let mut actions = About { fields, partitioned_by: vec!["date"], configuration: json!({}), features: vec![] }.actions();
        actions.extend(DAYS.map(|day| add(&format!("date={day}/part-0.parquet"), json!({"date": day}))));
        of.commit(&actions);
        of
    }

    /// The same, with these features and settings.
    fn with(scene: &Scene, table: &str, features: &[&'static str], configuration: Value) -> Table {
        let mut of = Table::over(scene, table);
        let fields = fields_of(&scene.file(table, DAYS[0])).into_iter().chain([field("date", "date")]).collect();
        of.commit(&About { fields, partitioned_by: vec!["date"], configuration, features: features.to_vec() }.actions());
        of
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join("_delta_log").join(name)
    }

    fn commit(&mut self, actions: &[Value]) {
        let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
        fs::create_dir_all(self.log("")).expect("a folder is made");
        fs::write(self.log(&format!("{:020}.json", self.next)), lines.join("\n") + "\n").expect("a version is written");
        self.next += 1;
    }
}

fn said(ran: &Ran, code: i32, texts: &[&str]) {
    let whole = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, code, "{whole}");
    texts.iter().for_each(|text| assert!(whole.contains(text), "{text:?} is not in:\n{whole}"));
}

/// Both are run, and publish the same.
fn assert_alike(delta: &Scene, plain: &Scene, when: &str) {
    for scene in [delta, plain] {
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 0, "{when}: {}", ran.stderr);
    }
    assert!(delta.objects() == plain.objects(), "{when}");
    said(&delta.ctwa("run", &[]), 0, &["nothing is stale"]);
}

/// The partitions that a run would read, as a plan names them.
fn to_read(scene: &Scene) -> String {
    let (_, plan) = scene.json("plan", &[]);
    plan["partitions"].to_string()
}

const DELETED_BY_LOG: [&str; 1] = ["deletionVectors"];

/// Rows of a file as the log has them: a treemap of roaring bitmaps with one array (RoaringFormatSpec), all numbers small.
fn bitmap(rows: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(1_681_511_377_u32.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(12_346_u32.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(0_u16.to_le_bytes());
    bytes.extend(u16::try_from(rows.len() - 1).expect("few").to_le_bytes());
    bytes.extend(16_u32.to_le_bytes());
    rows.iter().for_each(|row| bytes.extend(row.to_le_bytes()));
    bytes
}

/// Z85, as ZeroMQ's RFC 32 has it.
fn z85(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    let digits = |four: &[u8]| {
        let number = u32::from_be_bytes(four.try_into().expect("four"));
        [85_u32.pow(4), 85_u32.pow(3), 85_u32.pow(2), 85, 1].map(|place| char::from(LETTERS[(number / place % 85) as usize]))
    };
    padded.chunks(4).flat_map(digits).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn in_log(rows: &[u16]) -> Value {
    let bytes = bitmap(rows);
    json!({"storageType": "i", "pathOrInlineDv": z85(&bytes), "sizeInBytes": bytes.len(), "cardinality": rows.len()})
}

/// The same in a file of the table's, behind another's.
fn in_file(table: &Table, rows: &[u16]) -> Value {
    let (bytes, id) = (bitmap(rows), *b"\x0f\x1e\x2d\x3c\x4b\x5a\x69\x78\x87\x96\xa5\xb4\xc3\xd2\xe1\xf0");
    let offset = 1 + 7 * rows.len();
    let mut file = vec![0xff; offset];
    file[0] = 1;
    file.extend(u32::try_from(bytes.len()).expect("few").to_be_bytes());
    file.extend(&bytes);
    file.extend(crc32(&bytes).to_be_bytes());
    let name = "ab/deletion_vector_0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.bin";
    fs::create_dir_all(table.folder.join("ab")).expect("a folder is made");
    fs::write(table.folder.join(name), file).expect("a file is written");
    let place = format!("ab{}", z85(&id));
    json!({"storageType": "u", "pathOrInlineDv": place, "offset": offset, "sizeInBytes": bytes.len(), "cardinality": rows.len()})
}

#[test]
fn encodings_of_deleted_rows_are_those_of_their_specifications() {
    assert_eq!(z85(&[0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b]), "HelloWorld");
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn tables_by_their_log_are_the_same_as_their_files() {
    let (delta, plain) = (Scene::new(), Scene::new());
    for scene in [&delta, &plain] {
        scene.identities(&[(None, "ana-9", "ana-0")]);
    }
    TABLES.iter().for_each(|table| drop(Table::over(&delta, table)));
    let mut identities = Table::new(&delta, "identities");
    let fields = fields_of(&identities.folder.join("part-0.parquet"));
    let about = About { fields, partitioned_by: vec![], configuration: json!({}), features: vec![] };
    identities.commit(&[about.actions(), vec![add("part-0.parquet", json!({}))]].concat());
    said(&delta.ctwa("check", &[]), 0, &["4 partitions have landed"]);
    assert_alike(&delta, &plain, "as they are");
    said(&delta.ctwa("verify", &["--from", DAYS[0], "--to", DAYS[3]]), 0, &[]);
}

#[test]
fn only_live_files_are_read_and_a_changed_day_is_read_again() {
    let (delta, plain) = (Scene::new(), Scene::new());
    let mut tables = TABLES.map(|table| Table::over(&delta, table));
    let folder = delta.folder("messages", FAULTY);
    // Neither a file that no version has, nor one that a version had.
    write(&folder.join("left-over.parquet"), &read(&delta.file("messages", DAYS[0])));
    assert_alike(&delta, &plain, "before");

    let (old, new) = (format!("date={FAULTY}/part-0.parquet"), format!("date={FAULTY}/new name%20.parquet"));
    let left = rows(&read(&plain.file("messages", FAULTY)), |row| row != 0);
    write(&folder.join("new name%20.parquet"), &left);
    tables[0].commit(&[remove(&old), add(&new, json!({"date": FAULTY}))]);
    write(&plain.file("messages", FAULTY), &left);
    assert_eq!(to_read(&delta), to_read(&plain), "one day is to be read again");
    assert_alike(&delta, &plain, "after a delete that rewrote a file");

    // All of a day goes: as its folder would.
    tables[1].commit(&[remove(&format!("date={}/part-0.parquet", DAYS[3]))]);
    fs::remove_dir_all(plain.folder("events", DAYS[3])).expect("it goes");
    assert_alike(&delta, &plain, "after the last day of events went");
    // A version that was restored.
    tables[1].commit(&[add(&format!("date={}/part-0.parquet", DAYS[3]), json!({"date": DAYS[3]}))]);
    plain.mend();
    write(&plain.file("messages", FAULTY), &left);
    assert_alike(&delta, &plain, "after it came back");
}

#[test]
fn deleted_rows_are_not_read() {
    for is_in_file in [false, true] {
        let (delta, plain) = (Scene::new(), Scene::new());
        let mut table = Table::with(&delta, "messages", &DELETED_BY_LOG, json!({"delta.enableDeletionVectors": "true"}));
        assert_alike(&delta, &plain, "before");
        let path = format!("date={FAULTY}/part-0.parquet");
        let mut before = remove(&path);
        for deleted in [vec![0], vec![0, 2], vec![1, 2, 3], vec![0, 1, 2, 3]] {
            let vector = if is_in_file { in_file(&table, &deleted) } else { in_log(&deleted) };
            table.commit(&[before, with_vector(add(&path, json!({"date": FAULTY})), &vector)]);
            before = remove(&path);
            before["remove"]["deletionVector"] = vector;
            let all = read(&delta.file("messages", FAULTY));
            write(&plain.file("messages", FAULTY), &rows(&all, |row| !deleted.contains(&u16::try_from(row).expect("few"))));
            assert_alike(&delta, &plain, &format!("without {deleted:?}"));
        }
    }
}

#[test]
fn deleted_rows_that_cannot_be_told_cost_their_day() {
    type Vector = fn(&Table) -> Value;
    let cases: [(&str, Vector); 4] = [
        ("row 9 is deleted by the table's log, and the file has 4 rows", |_| in_log(&[1, 9])),
        ("the log says 2 rows, the deletion vector has 1", |_| {
            let mut vector = in_log(&[1]);
            vector["cardinality"] = json!(2);
            vector
        }),
        (
            "which rows of a file are deleted cannot be read",
            |_| json!({"storageType": "i", "pathOrInlineDv": "HelloWorld", "sizeInBytes": 8, "cardinality": 1}),
        ),
        ("CRC32", |table| {
            let vector = in_file(table, &[1]);
            let path = table.folder.join("ab/deletion_vector_0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.bin");
            let mut bytes = fs::read(&path).expect("it is there");
            *bytes.last_mut().expect("it has bytes") ^= 1;
            fs::write(path, bytes).expect("it is written");
            vector
        }),
    ];
    for (says, vector) in cases {
        let scene = Scene::new();
        let mut table = Table::with(&scene, "messages", &DELETED_BY_LOG, json!({}));
        let path = format!("date={FAULTY}/part-0.parquet");
        let vector = vector(&table);
        table.commit(&[remove(&path), with_vector(add(&path, json!({"date": FAULTY})), &vector)]);
        said(&scene.ctwa("run", &[]), 6, &[says, "day 2026-03-03", "table messages", &path]);
        assert_eq!(scene.published().bot_days.into_keys().collect::<Vec<_>>(), [DAYS[0], DAYS[1], DAYS[3]].map(date));
    }
}

/// The columns of a batch under other names, with numbers.
fn renamed(batch: &RecordBatch, names: &HashMap<String, (String, i64)>) -> RecordBatch {
    let stored = batch.schema();
    let fields = stored.fields().iter().map(|field| {
        let (name, number) = &names[field.name()];
        let number = HashMap::from([("PARQUET:field_id".to_owned(), number.to_string())]);
        Field::new(name, field.data_type().clone(), true).with_metadata(number)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, batch.columns().to_vec()).expect("the same columns")
}

/// Fields whose columns have other names in files.
fn mapped(mut fields: Vec<Value>, names: &HashMap<String, (String, i64)>) -> Vec<Value> {
    for field in &mut fields {
        let (name, number) = &names[field["name"].as_str().expect("a name")];
        field["metadata"] = json!({"delta.columnMapping.id": number, "delta.columnMapping.physicalName": name});
    }
    fields
}

#[test]
fn columns_are_found_by_their_names_that_stay() {
    for mode in ["name", "id"] {
        let (delta, plain) = (Scene::new(), Scene::new());
        let mut fields = fields_of(&delta.file("messages", FAULTY));
        fields.push(field("date", "date"));
        let number = |(at, field): (usize, &Value)| {
            let name = field["name"].as_str().expect("a name").to_owned();
            // The names of other columns, so that whoever reads by name reads something else.
            let other = fields[(at + 1) % fields.len()]["name"].as_str().expect("a name");
            let stays = if at < 4 { format!("col-{at}") } else { other.to_owned() };
            (name, (stays, 100 + i64::try_from(at).expect("few")))
        };
        let mut names: HashMap<String, (String, i64)> = fields.iter().enumerate().map(number).collect();
        for day in DAYS {
            let renamed = renamed(&read(&delta.file("messages", day)), &names);
            fs::remove_dir_all(delta.folder("messages", day)).expect("it goes");
            write(&delta.lake.dir.join(format!("lake/messages/xY/{day}.parquet")), &renamed);
        }
        let mut table = Table::new(&delta, "messages");
        let configuration = json!({"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "200"});
        let about = |fields, names: &_| About {
            fields: mapped(fields, names),
            partitioned_by: vec!["date"],
            configuration: configuration.clone(),
            features: vec!["columnMapping"],
        };
        let stays = names["date"].0.clone();
        let adds = DAYS.map(|day| add(&format!("xY/{day}.parquet"), json!({stays.as_str(): day})));
        table.commit(&[about(fields.clone(), &names).actions(), adds.to_vec()].concat());
        assert_alike(&delta, &plain, mode);

        // A column is dropped, and another of its name added: no file has values of it.
        names.insert("ad_title".to_owned(), ("col-new".to_owned(), 199));
        table.commit(&about(fields.clone(), &names).actions());
        for day in DAYS {
            let batch = read(&plain.file("messages", day));
            let titles: ArrayRef = arrow::array::new_null_array(&DataType::Utf8, batch.num_rows());
            let at = batch.schema().index_of("ad_title").expect("there are titles");
            let columns =
                batch.columns().iter().enumerate().map(|(of, array)| if of == at { titles.clone() } else { array.clone() });
            write(
                &plain.file("messages", day),
                &RecordBatch::try_new(batch.schema(), columns.collect()).expect("the same columns"),
            );
        }
        assert_alike(&delta, &plain, mode);
    }
}

#[test]
fn a_file_older_than_a_column_has_null_there() {
    let (delta, plain) = (Scene::new(), Scene::new());
    Table::over(&delta, "messages");
    for column in ["ad_title", "ad_type", "direction"] {
        delta.land_without("messages", column);
        let columns = plain.columns("messages");
        let (_, old) = columns.iter().find(|(name, _)| *name == column).expect("there is one");
        plain.land_with("messages", column, arrow::array::new_null_array(old.data_type(), old.len()));
        for scene in [&delta, &plain] {
            let ran = scene.ctwa("run", &[]);
            assert!(!ran.stderr.contains("is missing"), "{}", ran.stderr);
        }
        assert!(delta.objects() == plain.objects(), "{column}");
    }
}

#[test]
fn partition_columns_are_columns_whose_values_are_in_the_log() {
    let (delta, plain) = (Scene::new(), Scene::new());
    let mut table = Table::new(&delta, "messages");
    let mut fields = fields_of(&delta.file("messages", FAULTY));
    fields.push(field("date", "date"));
    let about = About { fields, partitioned_by: vec!["bot_id", "date"], configuration: json!({}), features: vec![] };
    // What files hold of them does not count.
    let adds = DAYS.map(|day| add(&format!("date={day}/part-0.parquet"), json!({"date": day, "bot_id": "loja"})));
    table.commit(&[about.actions(), adds.to_vec()].concat());
    for day in DAYS {
        let batch = read(&plain.file("messages", day));
        let at = batch.schema().index_of("bot_id").expect("there are bots");
        let mut columns = batch.columns().to_vec();
        columns[at] = crate::lake::strings((0..batch.num_rows()).map(|_| Some("loja")));
        write(&plain.file("messages", day), &RecordBatch::try_new(batch.schema(), columns).expect("the same columns"));
    }
    assert_alike(&delta, &plain, "bots in the log");

    // All that says which rows are read may be there.
    let mut events = Table::new(&delta, "events");
    let mut fields = fields_of(&delta.file("events", FAULTY));
    fields.push(field("date", "date"));
    let about = About { fields, partitioned_by: vec!["bot_id", "category", "date"], configuration: json!({}), features: vec![] };
    let adds = DAYS.map(|day| {
        let values = json!({"date": day, "bot_id": "shop", "category": "purchase"});
        add(&format!("date={day}/part-0.parquet"), values)
    });
    events.commit(&[about.actions(), adds.to_vec()].concat());
    for day in DAYS {
        let batch = read(&delta.file("events", day));
        let left: Vec<usize> = ["action", "contact_id", "occurred_at", "event_id"]
            .map(|name| batch.schema().index_of(name).expect("a column of events"))
            .to_vec();
        write(&delta.file("events", day), &batch.project(&left).expect("the same rows"));
    }
    assert_alike(&delta, &plain, "categories in the log");
}

#[test]
fn a_mapped_partition_is_read_from_the_log_and_not_from_the_path() {
    let plain = Scene::new();
    for folder in ["", "bot_id=loja/", "Bot=loja/"] {
        let delta = Scene::new();
        let mut table = Table::new(&delta, "messages");
        let mut fields = fields_of(&delta.file("messages", FAULTY));
        fields.push(field("date", "date"));
        let about = About { fields, partitioned_by: vec!["bot_id", "date"], configuration: json!({}), features: vec![] };
        let path = |day: &str| format!("{folder}date={day}/part-0.parquet");
        let adds = DAYS.map(|day| add(&path(day), json!({"date": day, "bot_id": "shop"})));
        table.commit(&[about.actions(), adds.to_vec()].concat());
        for day in DAYS {
            let batch = read(&delta.file("messages", day));
            let others: Vec<usize> = (0..batch.num_columns()).filter(|at| batch.schema().field(*at).name() != "bot_id").collect();
            fs::remove_dir_all(delta.folder("messages", day)).expect("it goes");
            write(&table.folder.join(path(day)), &batch.project(&others).expect("the same rows"));
        }
        let mapping = "path = \"messages\"\n[inputs.messages.columns]\nbot_id = { partition = \"Bot_id\" }\n";
        delta.edit("path = \"messages\"\n", mapping);
        assert_alike(&delta, &plain, folder);
    }

    // What the log says to be NULL is no folder's either.
    let delta = Scene::new();
    let mut table = Table::new(&delta, "messages");
    let mut fields = fields_of(&delta.file("messages", FAULTY));
    fields.extend([field("date", "date"), field("title", "string")]);
    let about = About { fields, partitioned_by: vec!["title", "date"], configuration: json!({}), features: vec![] };
    let adds = DAYS.map(|day| {
        let from = delta.file("messages", day);
        let path = format!("date={day}/title=Outra/part-0.parquet");
        fs::create_dir_all(table.folder.join(&path).parent().expect("a folder")).expect("a folder is made");
        fs::rename(from, table.folder.join(&path)).expect("it is moved");
        add(&path, json!({"date": day, "title": null}))
    });
    table.commit(&[about.actions(), adds.to_vec()].concat());
    delta.edit(
        "path = \"messages\"\n",
        "path = \"messages\"\n[inputs.messages.columns]\nad_title = [{ partition = \"title\" }, \"ad_title\"]\n",
    );
    assert_alike(&delta, &plain, "a title that is NULL in the log");
}

/// The messages as a table partitioned by these columns, with what each has of a day.
fn partitioned(scene: &Scene, columns: &[(&'static str, &str)], value: impl Fn(&str, &str) -> Value) -> Table {
    let mut table = Table::new(scene, "messages");
    let mut fields = fields_of(&scene.file("messages", FAULTY));
    fields.extend(columns.iter().map(|(name, kind)| field(name, kind)));
    let partitioned_by = columns.iter().map(|(name, _)| *name).collect();
    let about = About { fields, partitioned_by, configuration: json!({}), features: vec![] };
    let adds = DAYS.map(|day| {
        let values: serde_json::Map<String, Value> =
            columns.iter().map(|(name, _)| ((*name).to_owned(), value(name, day))).collect();
        add(&format!("date={day}/part-0.parquet"), values.into())
    });
    table.commit(&[about.actions(), adds.to_vec()].concat());
    table
}

#[test]
fn the_day_is_a_partition_column_that_the_pipeline_file_names() {
    let part = |name: &str, day: &str| {
        let (year, rest) = day.split_once('-').expect("a day");
        let (month, of_month) = rest.split_once('-').expect("a day");
        let number = |text: &str| text.trim_start_matches('0').to_owned();
        json!(match name {
            "year" => number(year),
            "month" => number(month),
            "day" => number(of_month),
            "ymd" => day.replace('-', ""),
            "at" => format!("{day} 00:00:00"),
            _ => day.to_owned(),
        })
    };
    let plain = Scene::new();
    said(&plain.ctwa("run", &[]), 0, &[]);
    let cases: [(&[(&'static str, &str)], &str); 5] = [
        (&[("dt", "date")], "dt={date}"),
        (&[("DT", "string"), ("hour", "string")], "DT={date}"),
        (&[("year", "integer"), ("month", "integer"), ("day", "integer")], "year={yyyy}/month={mm}/day={dd}"),
        (&[("ymd", "integer")], "ymd={yyyymmdd}"),
        (&[("at", "timestamp")], "at={date}"),
    ];
    for (columns, pattern) in cases {
        let scene = Scene::new();
        partitioned(&scene, columns, part);
        let names = columns.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let says = [
            "the Delta table messages/ is not partitioned by the day that partition = \"date={date}\" names",
            &format!("partition columns {names}"),
            &format!("write partition = {pattern:?} for this table"),
        ];
        for command in ["run", "check", "plan"] {
            said(&scene.ctwa(command, &[]), 2, &says);
        }
        scene.edit("path = \"messages\"\n", &format!("path = \"messages\"\npartition = {pattern:?}\n"));
        said(&scene.ctwa("run", &[]), 0, &["4 days built"]);
        assert!(scene.objects() == plain.objects(), "{pattern}");
    }
}

#[test]
fn a_table_without_a_day_is_refused_with_what_would_do() {
    for columns in [&[][..], &[("bot", "string")]] {
        let scene = Scene::new();
        partitioned(&scene, columns, |_, _| json!("shop"));
        let names =
            if columns.is_empty() { "partition columns none" } else { "partition columns \"bot\", a file's bot = \"shop\"" };
        said(&scene.ctwa("run", &[]), 2, &[names, "write the table partitioned by the day of arrival"]);
    }
    let scene = Scene::new();
    Table::over(&scene, "messages");
    scene.edit("path = \"messages\"\n", "path = \"messages\"\nmarker = \"_SUCCESS\"\n");
    said(&scene.ctwa("run", &[]), 2, &["messages/ is a Delta table, in which no marker says", "remove `marker`"]);
    let scene = Scene::new();
    fs::create_dir_all(scene.lake.dir.join("lake/messages/raw")).expect("a folder is made");
    let mut table = Table { folder: scene.lake.dir.join("lake/messages/raw"), next: 0 };
    table.commit(&[]);
    said(&scene.ctwa("run", &[]), 2, &["a Delta table lies within messages/", "write path = \"messages/raw\""]);
}

#[test]
fn a_file_without_a_day_is_told() {
    let scene = Scene::new();
    let mut table = Table::over(&scene, "messages");
    table.commit(&[add("date=__HIVE_DEFAULT_PARTITION__/part-0.parquet", json!({"date": null}))]);
    let path = scene.lake.dir.join("lake/messages/date=__HIVE_DEFAULT_PARTITION__/part-0.parquet");
    write(&path, &read(&scene.file("messages", FAULTY)));
    said(
        &scene.ctwa("run", &[]),
        0,
        &["1 file has no day in the partition column and is not read", "__HIVE_DEFAULT_PARTITION__"],
    );
}

#[test]
fn what_the_log_names_and_is_not_there_costs_its_day() {
    for (path, says) in [
        ("date=2026-03-03/gone.parquet", "the log of the table names a file that is not there"),
        ("s3://elsewhere/messages/a.parquet", "the log of the table names a file outside of the table's folder"),
        ("file:///elsewhere/a.parquet", "the log of the table names a file outside of the table's folder"),
        ("../events/date=2026-03-03/part-0.parquet", "the log of the table names a file outside of the table's folder"),
    ] {
        let scene = Scene::new();
        let mut table = Table::over(&scene, "messages");
        table.commit(&[add(path, json!({"date": FAULTY}))]);
        said(&scene.ctwa("check", &[]), 6, &[says, "day 2026-03-03"]);
        said(&scene.ctwa("run", &[]), 6, &[says, "day 2026-03-03", path]);
        assert_eq!(scene.published().bot_days.into_keys().collect::<Vec<_>>(), [DAYS[0], DAYS[1], DAYS[3]].map(date));
    }
    // A deletion vector came, and what stood for the file before stayed.
    let scene = Scene::new();
    let mut table = Table::with(&scene, "messages", &DELETED_BY_LOG, json!({}));
    let path = format!("date={FAULTY}/part-0.parquet");
    table.commit(&[with_vector(add(&path, json!({"date": FAULTY})), &in_log(&[0]))]);
    said(&scene.ctwa("run", &[]), 6, &["the log of the table names a file twice", "day 2026-03-03", &path]);
    // The whole path of a file in the folder is as good as the short one.
    let (scene, plain) = (Scene::new(), Scene::new());
    let mut table = Table::over(&scene, "messages");
    let path = scene.file("messages", FAULTY);
    let whole = format!("file://{}", path.display());
    table.commit(&[remove(&format!("date={FAULTY}/part-0.parquet")), add(&whole, json!({"date": FAULTY}))]);
    assert_alike(&scene, &plain, "a whole path");
}

#[test]
fn a_broken_log_is_named() {
    type Break = fn(&Scene, &mut Table);
    let cases: [(i32, &[&str], Break); 8] = [
        (6, &["a file of the table's log cannot be read", "messages/_delta_log/00000000000000000001.json"], |_, table| {
            table.commit(&[]);
            fs::write(table.log("00000000000000000001.json"), "{no JSON}\n").expect("a version is written");
        }),
        (6, &["a file of the table's log cannot be read", "messages/_delta_log/00000000000000000001.json"], |_, table| {
            table.commit(&[]);
            fs::write(table.log("00000000000000000001.json"), "{\"add\": {\"path\":\n").expect("a version is written");
        }),
        (
            6,
            &["version 1 of the Delta table messages/ is missing", "messages/_delta_log/00000000000000000001.json"],
            |_, table| {
                table.next = 2;
                table.commit(&[json!({"commitInfo": {}})]);
            },
        ),
        (6, &["version 0 of the Delta table messages/ is missing"], |_, table| {
            table.commit(&[json!({"commitInfo": {}})]);
            fs::remove_file(table.log("00000000000000000000.json")).expect("it goes");
        }),
        (6, &["the log of the Delta table messages/ cannot be read", "messages/_delta_log"], |_, table| {
            fs::write(table.log("00000000000000000000.json"), "{\"commitInfo\": {}}\n").expect("a version is written");
        }),
        (2, &["a kind that is not read", "aFeatureOfTomorrow", "DROP FEATURE"], |_, table| {
            let protocol = json!({
                "minReaderVersion": 3, "minWriterVersion": 7,
                "readerFeatures": ["aFeatureOfTomorrow"], "writerFeatures": ["aFeatureOfTomorrow"],
            });
            table.commit(&[json!({"protocol": protocol})]);
        }),
        (2, &["versions of the Delta table messages/ are kept by a catalog", "no catalog manages"], |scene, table| {
            let fields = fields_of(&scene.file("messages", DAYS[0])).into_iter().chain([field("date", "date")]).collect();
            let configuration = json!({"delta.enableInCommitTimestamps": "true"});
            let mut actions = About { fields, partitioned_by: vec!["date"], configuration, features: vec![] }.actions();
            let (read, written) = (["catalogManaged"], ["catalogManaged", "inCommitTimestamp"]);
            actions[0]["protocol"] =
                json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": read, "writerFeatures": written});
            actions.insert(0, json!({"commitInfo": {"inCommitTimestamp": 1, "timestamp": 1}}));
            table.commit(&actions);
        }),
        (6, &["a file of the table's log cannot be read", "00000000000000000000.checkpoint.parquet"], |_, table| {
            fs::write(table.log("00000000000000000000.checkpoint.parquet"), "PAR1 and no more PAR1").expect("it is written");
        }),
    ];
    for (code, says, broken) in cases {
        let scene = Scene::new();
        let mut table = Table::over(&scene, "messages");
        said(&scene.ctwa("run", &[]), 0, &[]);
        let before = scene.objects();
        broken(&scene, &mut table);
        for command in ["run", "check", "plan"] {
            said(&scene.ctwa(command, &[]), code, &[says, &["table messages"]].concat());
        }
        assert!(scene.objects() == before, "nothing that is published gets worse");
    }
}

/// What the kernel says of a broken log is a sentence, not the calls that led there.
#[test]
fn a_broken_log_is_named_in_one_line_whatever_the_environment_says() {
    let scene = Scene::new();
    let table = Table::over(&scene, "messages");
    let breaks: [&dyn Fn(); 3] = [
        &|| fs::write(table.log("00000000000000000001.json"), "{no JSON}\n").expect("a version is written"),
        &|| fs::write(table.log("00000000000000000000.json"), "{\"commitInfo\": {}}\n").expect("a version is written"),
        &|| fs::write(table.log("00000000000000000000.checkpoint.parquet"), "PAR1 and no more PAR1").expect("it is written"),
    ];
    for broken in breaks {
        broken();
        for command in ["run", "plan", "check"] {
            let ran = lake::ctwa_with(
                &scene.lake,
                &[command, "pipeline.toml"],
                &[("RUST_BACKTRACE", "1"), ("RUST_LIB_BACKTRACE", "1")],
            );
            let whole = format!("{}{}", ran.stdout, ran.stderr);
            assert_eq!(ran.code, 6, "{whole}");
            let is_call =
                ["delta_kernel::", "   0: ", "\\n", "stack backtrace", "panicked"].into_iter().find(|text| whole.contains(text));
            assert!(is_call.is_none(), "{is_call:?}: {whole}");
            assert!(whole.contains("restore the") && whole.contains("write the table again"), "{whole}");
        }
    }
}

/// A broken log of insights costs figures alone: what is published stays, and what is built meanwhile has none.
#[test]
fn a_broken_log_of_insights_costs_no_count() {
    type Break = fn(&mut Table) -> PathBuf;
    let breaks: [Break; 2] = [
        |table| {
            let log = table.log("00000000000000000001.json");
            fs::write(&log, "{no JSON}\n").expect("a version is written");
            log
        },
        |table| {
            table.next = 2;
            table.commit(&[json!({"commitInfo": {}})]);
            table.log("00000000000000000002.json")
        },
    ];
    for broken in breaks {
        let (scene, plain) = (Scene::new(), Scene::new());
        let mut table = Table::over(&scene, "insights");
        said(&scene.ctwa("run", &[]), 0, &[]);
        let before = scene.objects();
        let log = broken(&mut table);
        let says = ["insights/_delta_log", "table insights", "what comes from Meta stays as it was published"];
        for command in ["run", "plan", "run"] {
            said(&scene.ctwa(command, &[]), 6, &says);
            assert!(scene.objects() == before, "{command}: nothing that is published gets worse");
        }
        said(&scene.ctwa("check", &[]), 6, &["insights/_delta_log"]);
        said(
            &scene.ctwa("verify", &["--from", DAYS[0], "--to", DAYS[3]]),
            6,
            &["insights/_delta_log", "0 differ", "cannot be told"],
        );
        // A touch more on one day.
        for of in [&scene, &plain] {
            of.land_texts("messages", "ad_id", |_, ad| ad.or(Some("B")).map(str::to_owned));
        }
        said(&scene.ctwa("run", &[]), 6, &says);
        said(&plain.ctwa("run", &[]), 0, &[]);
        let (now, right) = (scene.published(), plain.published());
        let day = date(FAULTY);
        assert_eq!(now.ads, right.ads, "accounts are known");
        let counts = |of: &crate::rows::Published| {
            of.ad_days[&day].iter().map(|row| (row.ad_id.clone(), row.conversations)).collect::<Vec<_>>()
        };
        assert_eq!(counts(&now), counts(&right));
        assert!(now.ad_days[&day].iter().all(|row| row.spend.is_none()), "{:?}", now.ad_days[&day]);
        assert_eq!(
            now.bot_days[&day].iter().find(|row| row.bot_id == "shop").map(|row| &row.insights_status[..]),
            Some("missing")
        );
        assert_eq!(now.ad_days[&date(DAYS[0])], right.ad_days[&date(DAYS[0])], "other days keep their figures");
        said(&scene.ctwa("run", &[]), 6, &[&["nothing is stale"], &says[..]].concat());
        fs::remove_file(log).expect("it is mended");
        said(&scene.ctwa("run", &[]), 0, &[]);
        assert!(scene.objects() == plain.objects());
    }
}

#[test]
fn a_checkpoint_stands_for_the_versions_before_it() {
    let (delta, plain) = (Scene::new(), Scene::new());
    let mut table = Table::over(&delta, "messages");
    let fields = fields_of(&delta.file("messages", DAYS[0])).into_iter().chain([field("date", "date")]).collect();
    let about = About { fields, partitioned_by: vec!["date"], configuration: json!({}), features: vec!["v2Checkpoint"] };
    let mut lines = vec![json!({"checkpointMetadata": {"version": 1}})];
    lines.extend(about.actions());
    lines.extend(DAYS[..3].iter().map(|day| add(&format!("date={day}/part-0.parquet"), json!({"date": day}))));
    table.commit(&about.actions());
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let name = "00000000000000000001.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json";
    fs::write(table.log(name), lines.join("\n") + "\n").expect("a checkpoint is written");
    fs::remove_file(table.log("00000000000000000000.json")).expect("it goes");
    table.commit(&[add(&format!("date={}/part-0.parquet", DAYS[3]), json!({"date": DAYS[3]}))]);
    assert_alike(&delta, &plain, "a checkpoint and a version");
}

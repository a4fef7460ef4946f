//! A scene: a small lake with its pipeline file, to lay faults on and to run the binary over.
//!
//! Four days of one bot in UTC, so that a local day needs exactly its own partitions.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use crate::lake::{self, Columns, Form, Lake, Ran, strings};
use crate::rows::Published;
use crate::world::{Bot, Event, Insight, Message, World};

pub const DAYS: [&str; 4] = ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"];
/// The day that faults fall on: some days lie before it and one after.
pub const FAULTY: &str = DAYS[2];
pub const HOUR: i64 = 3_600_000_000;

pub const PIPELINE: &str = r#"name = "errors"

[lake]
url = "lake"

[inputs.messages]
path = "messages"

[inputs.events]
path = "events"

[insights]
source = "landed"

[output]
url = "out"

[quality]
max_rejected_share = 0.5

[[bots]]
id = "shop"
members = ["shop-sales"]
timezone = "UTC"
ad_accounts = ["act_1", "act_2"]
[[bots.conversion_events]]
category = "purchase"
effective_at = "2026-02-01T00:00:00Z"
[[bots.conversion_events]]
category = "delivery"
effective_at = "2026-06-01T00:00:00Z"

[[bots]]
id = "loja"
timezone = "UTC"
"#;

pub fn date(day: &str) -> NaiveDate {
    day.parse().unwrap_or_else(|error| panic!("{day}: {error}"))
}

pub fn noon(day: &str) -> i64 {
    date(day).and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros() + 12 * HOUR
}

/// Every day: touches by three contacts of its own on two ads, one plain message, one purchase, spend on both ads.
pub fn world() -> World {
    let days: Vec<NaiveDate> = DAYS.map(date).to_vec();
    let mut world = World {
        bots: vec![Bot { id: "shop".into(), timezone: "UTC".into(), ..Bot::default() }],
        window_days: 90,
        message_days: days.clone(),
        event_days: days,
        ..World::default()
    };
    let text = |text: &str| Some(text.to_owned());
    for (n, day) in DAYS.iter().enumerate() {
        for (contact, ad) in [("ana", "A"), ("bia", "A"), ("caio", "B"), ("davi", "")] {
            world.messages.push(Message {
                partition: date(day),
                bot_id: text("shop"),
                message_id: Some(format!("m-{n}-{contact}")),
                contact_id: Some(format!("{contact}-{n}")),
                sent_at: Some(noon(day)),
                direction: text("received"),
                ad_id: Some(ad.to_owned()).filter(|ad| !ad.is_empty()),
                ad_type: Some("ad".to_owned()).filter(|_| !ad.is_empty()),
                ad_title: Some("Oferta".to_owned()).filter(|_| !ad.is_empty()),
                ..Message::default()
            });
        }
        for contact in ["ana", "caio", "eva"] {
            world.events.push(Event {
                partition: date(day),
                bot_id: text("shop"),
                contact_id: Some(format!("{contact}-{n}")),
                category: text("purchase"),
                occurred_at: Some(noon(day) + HOUR),
                event_id: Some(format!("e-{n}-{contact}")),
            });
        }
        for (account_id, ad_id, currency) in [("act_1", "A", "BRL"), ("act_2", "B", "MXN")] {
            world.insights.push(Insight {
                date: date(day),
                account_id: account_id.into(),
                ad_id: ad_id.into(),
                currency: currency.into(),
                spend_millionths: 10_500_000,
                impressions: Some(100),
                ..Insight::default()
            });
        }
    }
    world
}

pub struct Scene {
    _folder: TempDir,
    pub lake: Lake,
}

impl Scene {
    pub fn new() -> Scene {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut lake = lake::write(&world(), &Form::default(), folder.path());
        lake.output = lake.dir.join("out");
        let scene = Scene { _folder: folder, lake };
        scene.pipeline(PIPELINE);
        scene
    }

    /// Lands the lake anew, as it was before any fault.
    pub fn mend(&self) {
        fs::remove_dir_all(self.lake.dir.join("lake")).expect("the lake is there");
        lake::write(&world(), &Form::default(), &self.lake.dir);
        self.pipeline(PIPELINE);
    }

    pub fn pipeline(&self, text: &str) {
        fs::write(&self.lake.pipeline, text).expect("the pipeline file is written");
    }

    /// Changes a passage of the pipeline file.
    pub fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(&self.lake.pipeline).expect("the pipeline file is there");
        assert_eq!(text.matches(from).count(), 1, "{from:?} stands once in the pipeline file");
        self.pipeline(&text.replace(from, to));
    }

    pub fn folder(&self, table: &str, day: &str) -> PathBuf {
        self.lake.dir.join(format!("lake/{table}/date={day}"))
    }

    pub fn file(&self, table: &str, day: &str) -> PathBuf {
        self.folder(table, day).join("part-0.parquet")
    }

    /// The faulty day's rows of a table, as columns.
    pub fn columns(&self, table: &str) -> Columns {
        let (world, form) = (world(), Form::default());
        let day = date(FAULTY);
        match table {
            "messages" => {
                let rows: Vec<&Message> = world.messages.iter().filter(|row| row.partition == day).collect();
                lake::message_columns(&rows, &form)
            }
            "events" => {
                let rows: Vec<&Event> = world.events.iter().filter(|row| row.partition == day).collect();
                lake::event_columns(&rows, &form)
            }
            _ => {
                let rows: Vec<&Insight> = world.insights.iter().filter(|row| row.date == day).collect();
                lake::insight_columns(&rows, &form)
            }
        }
    }

    /// Writes the faulty day's partition of a table.
    pub fn land(&self, table: &str, columns: Columns) {
        lake::write_file(&self.file(table, FAULTY), columns, &Form::default());
    }

    /// Writes the faulty day's partition with another column in the place of its own.
    pub fn land_with(&self, table: &str, column: &str, array: ArrayRef) {
        let mut columns = self.columns(table);
        let place = columns.iter_mut().find(|(name, _)| *name == column).expect("the table has the column");
        place.1 = array;
        self.land(table, columns);
    }

    pub fn land_without(&self, table: &str, column: &str) {
        let mut columns = self.columns(table);
        columns.retain(|(name, _)| *name != column);
        self.land(table, columns);
    }

    /// Puts other cells into a text column of the faulty day, row by row.
    pub fn land_texts(&self, table: &str, column: &str, change: impl Fn(usize, Option<&str>) -> Option<String>) {
        let columns = self.columns(table);
        let (_, old) = columns.iter().find(|(name, _)| *name == column).expect("the table has the column");
        let new: StringArray = old.as_string::<i32>().iter().enumerate().map(|(row, cell)| change(row, cell)).collect();
        self.land_with(table, column, Arc::new(new));
    }

    pub fn identities(&self, rows: &[(Option<&str>, &str, &str)]) {
        self.edit("[insights]", "[inputs.identities]\n\n[insights]");
        lake::write_file(&self.lake.dir.join("lake/identities/part-0.parquet"), identity_columns(rows), &Form::default());
    }

    pub fn ctwa(&self, command: &str, args: &[&str]) -> Ran {
        let args: Vec<&str> = [command, "pipeline.toml"].into_iter().chain(args.iter().copied()).collect();
        lake::ctwa(&self.lake, &args)
    }

    pub fn json(&self, command: &str, args: &[&str]) -> (i32, serde_json::Value) {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let ran = self.ctwa(command, &args);
        let json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", ran.stdout, ran.stderr));
        (ran.code, json)
    }

    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        lake::objects(&self.lake.output).expect("the output can be read")
    }

    pub fn published(&self) -> Published {
        lake::read(&self.lake.output).expect("the output keeps the contract")
    }

    /// The cells of the rows set aside on the faulty day, by column.
    pub fn rejected(&self, table: &str) -> BTreeMap<String, Vec<Option<String>>> {
        self.cells(&format!("rejected/{table}/date={FAULTY}/rejected.parquet"))
    }

    /// The cells of an object of texts, by column.
    pub fn cells(&self, object: &str) -> BTreeMap<String, Vec<Option<String>>> {
        let path = self.lake.output.join(object);
        let file = fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build()).expect("it is Parquet");
        let mut cells: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        for batch in reader {
            let batch: RecordBatch = batch.expect("it can be decoded");
            for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                let texts = array.as_string::<i32>().iter().map(|cell| cell.map(str::to_owned));
                cells.entry(field.name().clone()).or_default().extend(texts);
            }
        }
        cells
    }
}

/// (bot, alias, contact) as the columns of the identities table.
pub fn identity_columns(rows: &[(Option<&str>, &str, &str)]) -> Columns {
    vec![
        ("bot_id", strings(rows.iter().map(|row| row.0))),
        ("alias", strings(rows.iter().map(|row| Some(row.1)))),
        ("contact_id", strings(rows.iter().map(|row| Some(row.2)))),
    ]
}

pub fn times(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values.to_vec()).with_timezone("UTC"))
}

//! Worlds as lakes on disk, the binary run over them, and its published tables read back.
//!
//! [`write`] stores a [`World`] as Parquet in the contract's own columns, in one of many forms that must all mean the same
//! (order of rows, number of files, size of row groups, type of times and of money). [`ctwa`] runs the binary; [`read`]
//! loads what it published and, on the way, holds it to the contract: names and types of columns, values that are never
//! null, order of rows, one object per day, zstd, nothing else in a table's folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, new_null_array,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, FixedOffset, NaiveDate, SecondsFormat, TimeDelta};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

use ctwa::config::EngineKind;

use crate::rows::{Ad, AdConversion, AdDay, BotDay, Published, Row};
use crate::world::{Event, Identity, Insight, METADATA_KEYS, Message, World};

/// How a world is stored. Every form of a world must give the same tables.
#[derive(Clone, Debug)]
pub struct Form {
    /// Rows are shuffled within their partition by this seed; None keeps the world's order.
    pub shuffle: Option<u64>,
    pub files_per_day: usize,
    pub rows_per_group: usize,
    pub time: TimeForm,
    pub spend_as_text: bool,
    /// Counts of insights as text, as Meta sends them.
    pub counts_as_text: bool,
    /// Account ids of insights without their `act_`.
    pub bare_accounts: bool,
    /// Columns that the contract calls optional are left out where they hold nothing.
    pub omit_empty_columns: bool,
    /// Each column of each file in a type of its own, of those that hold its values, drawn from this seed; None: the contract's.
    pub types: Option<u64>,
    /// Each file compressed and encoded in its own way, drawn from this seed.
    pub encoding: Option<u64>,
    pub names: Names,
    /// The one that the pipeline file names.
    pub engine: EngineKind,
    pub lay: Lay,
}

/// How the names of columns are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    Contract,
    Upper,
    /// `Ad_id`.
    Capital,
}

impl Names {
    fn of(self, name: &str) -> String {
        match self {
            Names::Contract => name.to_owned(),
            Names::Upper => name.to_uppercase(),
            Names::Capital => name[..1].to_uppercase() + &name[1..],
        }
    }
}

/// How the files of a day lie below the folder of their table.
#[derive(Clone, Copy, Debug)]
pub struct Lay {
    /// As the pipeline file says it.
    pub pattern: &'static str,
    /// What stands for a day or the number of a file is replaced.
    pub file: &'static str,
}

pub const USUAL: Lay = Lay { pattern: "date={date}", file: "date={date}/part-{file}.parquet" };

pub const LAYOUTS: [Lay; 12] = [
    USUAL,
    Lay { pattern: "date={date}", file: "DATE={date}/hour=0{file}/x=%2F/part-0.PARQUET" },
    Lay { pattern: "date={date}", file: "date%3D{date}%2000%3A00%3A0{file}/part.snappy.parquet" },
    Lay { pattern: "date={date}", file: "date={date}T0{file}:30:00.000Z/part.parquet.snappy" },
    Lay { pattern: "dt={date}", file: "dt={date}/00000{file}_0" },
    Lay { pattern: "{date}", file: "{date}/a/b/c/{file}.parq" },
    Lay { pattern: "year={yyyy}/month={mm}/day={dd}", file: "year={yyyy}/month={m}/day={d}/{file}.pq" },
    Lay { pattern: "{yyyy}/{mm}/{dd}", file: "{yyyy}/{mm}/{dd}/{file}/part.gz.parquet" },
    Lay { pattern: "raw/{yyyymmdd}", file: "raw/{yyyymmdd}/{file}.parquet.zst" },
    Lay { pattern: "{yyyymmdd}", file: "{yyyymmdd}0{file}/part.parquet" },
    Lay { pattern: "bot_id=*/date={date}", file: "bot_id=shop{file}/date={date}/part.parquet" },
    Lay { pattern: "rows-{date}*.parquet", file: "rows-{date}-part{file}.parquet" },
];

impl Lay {
    pub fn path(&self, day: NaiveDate, file: usize) -> String {
        let parts = [
            ("{date}", "%Y-%m-%d"),
            ("{yyyymmdd}", "%Y%m%d"),
            ("{yyyy}", "%Y"),
            ("{mm}", "%m"),
            ("{dd}", "%d"),
            ("{m}", "%-m"),
            ("{d}", "%-d"),
        ];
        let path = self.file.replace("{file}", &file.to_string());
        parts.iter().fold(path, |path, (part, format)| path.replace(part, &day.format(format).to_string()))
    }
}

impl Default for Form {
    fn default() -> Self {
        Self {
            shuffle: None,
            files_per_day: 1,
            rows_per_group: 1_000,
            time: TimeForm::MicrosUtc,
            spend_as_text: false,
            counts_as_text: false,
            bare_accounts: false,
            omit_empty_columns: false,
            types: None,
            encoding: None,
            names: Names::Contract,
            engine: EngineKind::default(),
            lay: USUAL,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeForm {
    MicrosUtc,
    /// Without a zone: UTC.
    MicrosNaive,
    /// Where a time of the file needs microseconds, the file is written with those instead.
    Millis,
    /// With digits below the microsecond, which are truncated.
    NanosNaive,
    /// RFC 3339 with an offset.
    Text,
    /// Every way to write a time, one after the other.
    Texts,
    /// Unix microseconds, with their unit in the mapping.
    Integer,
    /// The same in digits.
    Digits,
}

/// A world on disk.
#[derive(Clone, Debug)]
pub struct Lake {
    pub dir: PathBuf,
    pub pipeline: PathBuf,
    pub output: PathBuf,
}

/// Writes the lake under `dir/lake` and its pipeline file as `dir/pipeline.toml`, output in the default place.
pub fn write(world: &World, form: &Form, dir: &Path) -> Lake {
    let root = dir.join("lake");
    for (index, &day) in world.message_days.iter().enumerate() {
        let rows: Vec<&Message> = world.messages.iter().filter(|row| row.partition == day).collect();
        write_day(&root.join("messages"), day, rows, form, index as u64, |rows| message_columns(rows, form));
    }
    for (index, &day) in world.event_days.iter().enumerate() {
        let rows: Vec<&Event> = world.events.iter().filter(|row| row.partition == day).collect();
        write_day(&root.join("events"), day, rows, form, 1_000 + index as u64, |rows| event_columns(rows, form));
    }
    let landed = world.empty_insight_days.iter().copied();
    let mut insight_days: Vec<NaiveDate> = world.insights.iter().map(|row| row.date).chain(landed).collect();
    insight_days.sort();
    insight_days.dedup();
    for (index, &day) in insight_days.iter().enumerate() {
        let rows: Vec<&Insight> = world.insights.iter().filter(|row| row.date == day).collect();
        write_day(&root.join("insights"), day, rows, form, 2_000 + index as u64, |rows| insight_columns(rows, form));
        if world.refused_insights.contains(&day) {
            fs::write(root.join(format!("insights/date={day}/part-z.parquet")), "no Parquet").expect("the partition is written");
        }
    }
    if !world.identities.is_empty() {
        let rows = shuffled(world.identities.iter().collect(), form, 3_000);
        write_file(&root.join("identities/identities.parquet"), identity_columns(&rows), form);
    }
    for (table, days) in ["messages", "events"].into_iter().zip(&world.unreadable) {
        days.iter().for_each(|day| damage(&root.join(table), *day));
    }
    write_pipeline(world, form, dir, "pipeline", None)
}

/// Makes what has landed of a day unreadable, in whatever layout it lies.
pub fn damage(table: &Path, day: NaiveDate) {
    let files = LAYOUTS.iter().flat_map(|lay| (0..4).map(move |file| lay.path(day, file)));
    for file in files.map(|file| table.join(file)).filter(|file| file.exists()) {
        // One without an ending is no data where it does not begin like this.
        fs::write(&file, "PAR1, and nothing that follows").unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// A pipeline file over the lake that [`write`] put under `dir`. `output` is a folder beside the lake; None is the default
/// place inside it.
pub fn write_pipeline(world: &World, form: &Form, dir: &Path, name: &str, output: Option<&str>) -> Lake {
    let pipeline = dir.join(format!("{name}.toml"));
    fs::create_dir_all(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    fs::write(&pipeline, pipeline_toml(world, form, name, output))
        .unwrap_or_else(|error| panic!("{}: {error}", pipeline.display()));
    Lake { dir: dir.to_owned(), pipeline, output: dir.join(output.unwrap_or("lake/ctwa")) }
}

fn pipeline_toml(world: &World, form: &Form, name: &str, output: Option<&str>) -> String {
    let text = |value: &str| toml_edit::Value::from(value).to_string();
    let list = |values: Vec<String>| values.iter().map(|value| text(value)).collect::<Vec<_>>().join(", ");
    let allow_missing = list(world.allow_missing.iter().map(NaiveDate::to_string).collect());
    let mut toml = format!("name = {}\n\n[lake]\nurl = \"lake\"\n", text(name));
    let partition = format!("partition = {}", text(form.lay.pattern));
    for (table, time, zone) in
        [("messages", "sent_at", &world.partition_zones[0]), ("events", "occurred_at", &world.partition_zones[1])]
    {
        toml += &format!("\n[inputs.{table}]\npath = \"{table}\"\n{partition}\nallow_missing = [{allow_missing}]\n");
        let null_words = &world.null_words[usize::from(table == "events")];
        if !null_words.is_empty() {
            toml += &format!("null_words = [{}]\n", list(null_words.clone()));
        }
        if let Some(zone) = zone {
            toml += &format!("partition_zone = {}\n", text(zone));
        }
        let mut columns = String::new();
        if matches!(form.time, TimeForm::Integer | TimeForm::Digits) {
            columns += &format!("{time} = {{ column = \"{time}\", unit = \"us\" }}\n");
        }
        if table == "messages" && world.messages.iter().any(|row| row.metadata.is_some()) {
            for (column, key) in METADATA_KEYS {
                columns += &format!("{column} = [{{ column = \"metadata\", key = {} }}, \"{column}\"]\n", text(key));
            }
        }
        if !columns.is_empty() {
            toml += &format!("\n[inputs.{table}.columns]\n{columns}");
        }
    }
    if !world.identities.is_empty() {
        toml += "\n[inputs.identities]\npath = \"identities\"\n";
    }
    // Where they are fetched, who asks for that writes the section.
    if !(world.insights.is_empty() && world.empty_insight_days.is_empty()) {
        toml += "\n[insights]\nsource = \"landed\"\npath = \"insights\"\n";
        toml += &format!("{partition}\nabsent_means_zero = {}\n", world.absent_means_zero);
        if world.insights.iter().any(|row| row.loaded_at.is_some()) {
            toml += "columns = { loaded_at = \"loaded_at\" }\n";
        }
    }
    if let Some(output) = output {
        toml += &format!("\n[output]\nurl = {}\n", text(output));
    }
    if !world.forms.is_empty() {
        toml += &format!("\n[identity]\nforms = [{}]\n", list(world.forms.clone()));
    }
    toml += &format!("\n[attribution]\nwindow_days = {}\n\n[quality]\nmax_rejected_share = 1.0\n", world.window_days);
    toml += &format!("\n[engine]\nkind = {}\n", text(form.engine.name()));
    for bot in &world.bots {
        toml += &format!(
            "\n[[bots]]\nid = {}\nmembers = [{}]\ntest_contacts = [{}]\ntimezone = {}\nad_accounts = [{}]\n",
            text(&bot.id),
            list(bot.members.clone()),
            list(bot.test_contacts.clone()),
            text(&bot.timezone),
            list(bot.ad_accounts.clone()),
        );
        for (category, effective_at) in &bot.settings {
            toml += &format!(
                "[[bots.conversion_events]]\ncategory = {}\neffective_at = {}\n",
                text(category),
                text(&rfc3339(*effective_at, 0)),
            );
        }
    }
    toml
}

// ------------------------------------------------------------------------------------------------------------- writing

/// Pseudo-random numbers from a seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % sides as u64) as usize
    }
}

fn shuffled<T>(mut rows: Vec<T>, form: &Form, salt: u64) -> Vec<T> {
    if let Some(seed) = form.shuffle {
        let mut dice = Dice(seed.wrapping_add(salt));
        for last in (1..rows.len()).rev() {
            rows.swap(last, dice.roll(last + 1));
        }
    }
    rows
}

pub type Columns = Vec<(&'static str, ArrayRef)>;

fn write_day<T: Copy>(table: &Path, day: NaiveDate, rows: Vec<T>, form: &Form, salt: u64, columns: impl Fn(&[T]) -> Columns) {
    let rows = shuffled(rows, form, salt);
    let files = form.files_per_day.max(1);
    for file in 0..files {
        let share: Vec<T> = rows.iter().copied().skip(file).step_by(files).collect();
        let columns = match form.types {
            Some(seed) => typed(columns(&share), &mut Dice(seed.wrapping_add(salt * 10 + file as u64))),
            None => columns(&share),
        };
        write_file(&table.join(form.lay.path(day, file)), columns, form);
    }
}

/// The columns in other types that hold the same values: what is nothing but NULL in any type at all, and a file without rows of
/// any schema.
fn typed(columns: Columns, dice: &mut Dice) -> Columns {
    if columns.iter().any(|(_, array)| array.is_empty()) && dice.roll(2) == 0 {
        return vec![("bot_id", new_null_array(&DataType::Float64, 0))];
    }
    columns.into_iter().map(|(name, array)| (name, of_another_type(name, &array, dice))).collect()
}

fn of_another_type(name: &str, array: &ArrayRef, dice: &mut Dice) -> ArrayRef {
    use DataType::*;
    let numbers = [Int64, UInt64, Decimal128(38, 0), Decimal256(76, 0)];
    let draw = |kinds: &[DataType], dice: &mut Dice| kinds[dice.roll(kinds.len())].clone();
    if array.null_count() == array.len() {
        return match dice.roll(2) {
            0 => new_null_array(&draw(&[Null, Float64, Int32, Boolean, Binary, Date32], dice), array.len()),
            _ => array.clone(),
        };
    }
    let kind = match array.data_type() {
        Utf8 => {
            let texts = array.as_string::<i32>();
            let is_number = |text: &str| text.parse::<u64>().is_ok_and(|number| number.to_string() == text && number < 1 << 62);
            if is_id(name) && texts.iter().flatten().all(is_number) && dice.roll(3) > 0 {
                return cast(&cast(array, &Int64).expect("digits"), &draw(&numbers, dice)).expect("it fits");
            }
            let of = |kind| Dictionary(Box::new(Int32), Box::new(kind));
            let kinds = [Utf8, LargeUtf8, Utf8View, of(Utf8), of(LargeUtf8), Binary, LargeBinary];
            // Times and figures in words are text with its annotation.
            let with_annotation = if is_time_or_figure(name) { 5 } else { 7 };
            draw(&kinds[..with_annotation], dice)
        }
        Int64 if name.ends_with("_at") => draw(&[Int64, Decimal128(20, 3), Utf8], dice),
        Int64 => draw(&[Int64, Decimal128(20, 3), Float64, Utf8], dice),
        Decimal128(18, 6) => draw(&[Decimal128(18, 6), Decimal128(38, 10), Decimal256(76, 6)], dice),
        kept => kept.clone(),
    };
    cast(array, &kind).expect("the values fit")
}

fn is_id(name: &str) -> bool {
    name.ends_with("_id") || name == "ctwa_clid"
}

fn is_time_or_figure(name: &str) -> bool {
    let figures = ["spend", "impressions", "reach", "clicks", "inline_link_clicks", "messaging_conversations_started"];
    name.ends_with("_at") || figures.contains(&name)
}

/// One of the ways to write a file.
fn properties(form: &Form, path: &Path) -> WriterProperties {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(form.rows_per_group.max(1)));
    let Some(seed) = form.encoding else {
        return properties.build();
    };
    let of_path =
        path.to_string_lossy().bytes().rev().take(40).fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut dice = Dice(of_path);
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
        Compression::BROTLI(BrotliLevel::default()),
    ];
    let statistics = [EnabledStatistics::None, EnabledStatistics::Chunk, EnabledStatistics::Page];
    properties
        .set_compression(codecs[dice.roll(codecs.len())])
        .set_dictionary_enabled(dice.roll(2) == 0)
        .set_statistics_enabled(statistics[dice.roll(statistics.len())])
        .set_writer_version([WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0][dice.roll(2)])
        .set_data_page_row_count_limit([1, 2, 20_000][dice.roll(3)])
        .set_bloom_filter_enabled(dice.roll(2) == 0)
        .build()
}

pub fn write_file(path: &Path, columns: Columns, form: &Form) {
    let write = || -> Result<(), Box<dyn std::error::Error>> {
        fs::create_dir_all(path.parent().expect("a file lies in a folder"))?;
        let named = columns.into_iter().map(|(name, array)| (form.names.of(name), array, true));
        let batch = RecordBatch::try_from_iter_with_nullable(named)?;
        let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), Some(properties(form, path)))?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(())
    };
    write().unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

pub fn strings<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn rfc3339(at: i64, offset_minutes: i32) -> String {
    let offset = FixedOffset::east_opt(offset_minutes * 60).expect("an offset within a day");
    let utc = DateTime::from_timestamp_micros(at).expect("an instant of the calendar");
    let format = if at % 1_000_000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
    utc.with_timezone(&offset).to_rfc3339_opts(format, true)
}

/// A time in the way of the row.
fn time_in_words(at: i64, row: usize) -> String {
    let formats = [
        (0, "%Y-%m-%dT%H:%M:%S%.6fZ"),
        (0, "%Y-%m-%d %H:%M:%S%.6f UTC"),
        (0, "%Y-%m-%d %H:%M:%S%.9f+00"),
        (-180, "%Y-%m-%d %H:%M:%S%.6f-03"),
        (330, "%Y-%m-%dT%H:%M:%S%.6f%z"),
        (-180, "%Y-%m-%d %H:%M:%S%.f%:z"),
        (840, "%Y-%m-%dT%H:%M:%S%.9f%:z"),
    ];
    let (minutes, format) = formats[row % formats.len()];
    let offset = FixedOffset::east_opt(minutes * 60).expect("an offset within a day");
    let utc = DateTime::from_timestamp_micros(at).expect("an instant of the calendar");
    utc.with_timezone(&offset).format(format).to_string()
}

fn times(values: &[Option<i64>], form: TimeForm) -> ArrayRef {
    let values = values.iter().copied();
    match form {
        TimeForm::MicrosUtc => Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        TimeForm::Millis if values.clone().flatten().all(|at| at % 1_000 == 0) => {
            Arc::new(values.map(|at| at.map(|at| at / 1_000)).collect::<TimestampMillisecondArray>())
        }
        TimeForm::MicrosNaive | TimeForm::Millis => Arc::new(values.collect::<TimestampMicrosecondArray>()),
        TimeForm::NanosNaive => {
            let finer = |at: i64| at * 1_000 + at.rem_euclid(1_000);
            Arc::new(values.map(|at| at.map(finer)).collect::<TimestampNanosecondArray>())
        }
        TimeForm::Text => {
            let offset = |at: i64| [0, -180, 330][usize::try_from(at.rem_euclid(3)).expect("less than 3")];
            Arc::new(values.map(|at| at.map(|at| rfc3339(at, offset(at)))).collect::<StringArray>())
        }
        TimeForm::Texts => {
            Arc::new(values.enumerate().map(|(row, at)| at.map(|at| time_in_words(at, row))).collect::<StringArray>())
        }
        TimeForm::Integer => Arc::new(values.collect::<Int64Array>()),
        TimeForm::Digits => Arc::new(values.map(|at| at.map(|at| at.to_string())).collect::<StringArray>()),
    }
}

/// Drops columns without any value, of those that a lake may lack.
fn without_empty(columns: Columns, optional: &[&str], form: &Form) -> Columns {
    let is_empty = |array: &ArrayRef| array.null_count() == array.len();
    columns.into_iter().filter(|(name, array)| !(form.omit_empty_columns && optional.contains(name) && is_empty(array))).collect()
}

pub fn message_columns(rows: &[&Message], form: &Form) -> Columns {
    let text = |column: fn(&Message) -> &Option<String>| strings(rows.iter().map(|row| column(row).as_deref()));
    let sent_at: Vec<_> = rows.iter().map(|row| row.sent_at).collect();
    let mut columns = vec![
        ("bot_id", text(|row| &row.bot_id)),
        ("message_id", text(|row| &row.message_id)),
        ("contact_id", text(|row| &row.contact_id)),
        ("sent_at", times(&sent_at, form.time)),
        ("direction", text(|row| &row.direction)),
        ("ad_id", text(|row| &row.ad_id)),
        ("ad_type", text(|row| &row.ad_type)),
        ("ad_title", text(|row| &row.ad_title)),
        ("ctwa_clid", text(|row| &row.ctwa_clid)),
        // Not of the contract: never read.
        ("content", strings(rows.iter().map(|_| Some("hello")))),
    ];
    if rows.iter().any(|row| row.metadata.is_some()) {
        columns.push(("metadata", text(|row| &row.metadata)));
    }
    without_empty(columns, &["direction", "ctwa_clid"], form)
}

pub fn event_columns(rows: &[&Event], form: &Form) -> Columns {
    let text = |column: fn(&Event) -> &Option<String>| strings(rows.iter().map(|row| column(row).as_deref()));
    let occurred_at: Vec<_> = rows.iter().map(|row| row.occurred_at).collect();
    let columns = vec![
        ("action", strings(rows.iter().map(|_| Some("done")))),
        ("bot_id", text(|row| &row.bot_id)),
        ("contact_id", text(|row| &row.contact_id)),
        ("category", text(|row| &row.category)),
        ("occurred_at", times(&occurred_at, form.time)),
        ("event_id", text(|row| &row.event_id)),
    ];
    without_empty(columns, &["event_id"], form)
}

fn identity_columns(rows: &[&Identity]) -> Columns {
    vec![
        ("bot_id", strings(rows.iter().map(|row| row.bot_id.as_deref()))),
        ("alias", strings(rows.iter().map(|row| Some(row.alias.as_str())))),
        ("contact_id", strings(rows.iter().map(|row| Some(row.contact_id.as_str())))),
    ]
}

/// Money as Meta writes it: no more digits than needed, sometimes a bare point.
fn meta_money(millionths: i64) -> String {
    let text = crate::rows::money(Some(millionths));
    text.trim_end_matches('0').to_owned()
}

pub fn insight_columns(rows: &[&Insight], form: &Form) -> Columns {
    let text = |column: fn(&Insight) -> &Option<String>| strings(rows.iter().map(|row| column(row).as_deref()));
    let whole = |column: fn(&Insight) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| column(row)).collect::<Int64Array>())
    };
    let counts = |column: fn(&Insight) -> Option<i64>| -> ArrayRef {
        match form.counts_as_text {
            true => Arc::new(rows.iter().map(|row| column(row).map(|n| n.to_string())).collect::<StringArray>()),
            false => whole(column),
        }
    };
    let account = |row: &Insight| match form.bare_accounts {
        true => row.account_id.trim_start_matches("act_").to_owned(),
        false => row.account_id.clone(),
    };
    let spend: ArrayRef = match form.spend_as_text {
        true => Arc::new(rows.iter().map(|row| Some(meta_money(row.spend_millionths))).collect::<StringArray>()),
        false => Arc::new(
            rows.iter()
                .map(|row| Some(i128::from(row.spend_millionths)))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(18, 6)
                .expect("decimal(18,6) is a type"),
        ),
    };
    let mut columns = vec![
        ("account_id", Arc::new(rows.iter().map(|row| Some(account(row))).collect::<StringArray>()) as ArrayRef),
        ("ad_id", strings(rows.iter().map(|row| Some(row.ad_id.as_str())))),
        ("currency", strings(rows.iter().map(|row| Some(row.currency.as_str())))),
        ("spend", spend),
        ("impressions", counts(|row| row.impressions)),
        ("reach", counts(|row| row.reach)),
        ("clicks", counts(|row| row.clicks)),
        ("inline_link_clicks", whole(|row| row.inline_link_clicks)),
        ("messaging_conversations_started", whole(|row| row.messaging_conversations_started)),
        ("ad_name", text(|row| &row.ad_name)),
        ("adset_id", text(|row| &row.adset_id)),
        ("adset_name", text(|row| &row.adset_name)),
        ("campaign_id", text(|row| &row.campaign_id)),
        ("campaign_name", text(|row| &row.campaign_name)),
    ];
    if rows.iter().any(|row| row.loaded_at.is_some()) {
        columns.push(("loaded_at", times(&rows.iter().map(|row| row.loaded_at).collect::<Vec<_>>(), TimeForm::MicrosUtc)));
    }
    let required = ["account_id", "ad_id", "currency", "spend"];
    let optional: Vec<&str> = columns.iter().map(|(name, _)| *name).filter(|name| !required.contains(name)).collect();
    without_empty(columns, &optional, form)
}

// ------------------------------------------------------------------------------------------------------------- running

/// What a command did.
#[derive(Clone, Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the binary in the lake's folder and waits for its end. A binary killed by a signal has code -1.
pub fn ctwa(lake: &Lake, args: &[&str]) -> Ran {
    ctwa_with(lake, args, &[])
}

/// The same, with more in the environment.
pub fn ctwa_with(lake: &Lake, args: &[&str], environment: &[(&str, &str)]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_ctwa"))
        .args(args)
        .env_remove("COLUMNS")
        .envs(environment.iter().copied())
        .current_dir(&lake.dir)
        .output()
        .unwrap_or_else(|error| panic!("cannot start ctwa {args:?}: {error}"));
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command on the lake's pipeline and, when its exit code is one of `codes`, returns its standard output.
pub fn ctwa_expecting(lake: &Lake, codes: &[i32], command: &str, args: &[&str]) -> Result<String, String> {
    let pipeline = lake.pipeline.to_str().ok_or("the pipeline's path is not text")?;
    let args: Vec<&str> = [command, pipeline].into_iter().chain(args.iter().copied()).collect();
    let ran = ctwa(lake, &args);
    if codes.contains(&ran.code) {
        return Ok(ran.stdout);
    }
    Err(format!("ctwa {args:?} exited {} where {codes:?} was expected\n{}\n{}", ran.code, ran.stdout, ran.stderr))
}

// ------------------------------------------------------------------------------------------------------------- reading

/// The objects of the four tables: path below the output, bytes. The law "equal bytes" is about these.
pub fn objects(output: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut objects = BTreeMap::new();
    for table in ["ad_days", "ad_conversions", "ads", "bot_days"] {
        let folder = output.join(table);
        if folder.exists() {
            collect_files(&folder, table, &mut objects).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
    }
    Ok(objects)
}

fn collect_files(folder: &Path, prefix: &str, into: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect_files(&entry.path(), &name, into)?;
        } else {
            into.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// The names of objects that two sets do not share, or whose bytes differ.
pub fn unequal_objects(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

/// Loads the published tables, or says where they break the contract.
pub fn read(output: &Path) -> Result<Published, String> {
    let mut published = Published::default();
    for (path, bytes) in objects(output)? {
        let at = |error: String| format!("{path}: {error}");
        let (table, rest) = path.split_once('/').ok_or_else(|| at("a file in the output's root".into()))?;
        let columns = columns_of(table);
        if table == "ads" {
            if rest != "ads.parquet" {
                return Err(at("not an object of the contract".into()));
            }
            published.ads = rows_of(bytes, &columns, read_ad).map_err(at)?;
            continue;
        }
        let day = rest
            .strip_suffix(&format!("/{table}.parquet"))
            .and_then(|folder| folder.strip_prefix("dt="))
            .and_then(|day| day.parse::<NaiveDate>().ok())
            .ok_or_else(|| at("not an object of the contract".into()))?;
        match table {
            "ad_days" => {
                let rows = rows_of(bytes, &columns, read_ad_day).map_err(at)?;
                check_date(rows.iter().map(|row| row.date), day).map_err(at)?;
                published.ad_days.insert(day, rows);
            }
            "ad_conversions" => {
                let rows = rows_of(bytes, &columns, read_ad_conversion).map_err(at)?;
                check_date(rows.iter().map(|row| row.date), day).map_err(at)?;
                published.ad_conversions.insert(day, rows);
            }
            _ => {
                let rows = rows_of(bytes, &columns, read_bot_day).map_err(at)?;
                check_date(rows.iter().map(|row| row.date), day).map_err(at)?;
                published.bot_days.insert(day, rows);
            }
        }
    }
    Ok(published)
}

fn check_date(mut dates: impl Iterator<Item = NaiveDate>, day: NaiveDate) -> Result<(), String> {
    dates.find(|date| *date != day).map_or(Ok(()), |date| Err(format!("holds a row of {date}")))
}

/// Column, type, and whether it may be null.
type Column = (&'static str, DataType, bool);

fn columns_of(table: &str) -> Vec<Column> {
    let text = || DataType::Utf8;
    let instant = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    match table {
        "ad_days" => vec![
            ("date", DataType::Date32, false),
            ("bot_id", text(), true),
            ("ad_id", text(), false),
            ("account_id", text(), true),
            ("currency", text(), true),
            ("conversations", DataType::Int64, false),
            ("conversions", DataType::Int64, true),
            ("spend", DataType::Decimal128(18, 6), true),
            ("impressions", DataType::Int64, true),
            ("reach", DataType::Int64, true),
            ("clicks", DataType::Int64, true),
            ("inline_link_clicks", DataType::Int64, true),
            ("meta_conversations", DataType::Int64, true),
            ("complete", DataType::Boolean, false),
        ],
        "ad_conversions" => vec![
            ("date", DataType::Date32, false),
            ("bot_id", text(), false),
            ("ad_id", text(), false),
            ("conversation_date", DataType::Date32, false),
            ("category", text(), false),
            ("conversions", DataType::Int64, false),
        ],
        "ads" => vec![
            ("bot_id", text(), true),
            ("ad_id", text(), false),
            ("ad_type", text(), true),
            ("ad_title", text(), true),
            ("first_conversation_at", instant(), true),
            ("last_conversation_at", instant(), true),
            ("account_id", text(), true),
            ("currency", text(), true),
            ("ad_name", text(), true),
            ("adset_id", text(), true),
            ("adset_name", text(), true),
            ("campaign_id", text(), true),
            ("campaign_name", text(), true),
        ],
        _ => vec![
            ("date", DataType::Date32, false),
            ("bot_id", text(), false),
            ("touches", DataType::Int64, false),
            ("duplicate_touches", DataType::Int64, false),
            ("unattributed_touches", DataType::Int64, false),
            ("conversion_events", DataType::Int64, true),
            ("conversions", DataType::Int64, true),
            ("unattributed_conversions", DataType::Int64, true),
            ("organic_conversion_events", DataType::Int64, true),
            ("events_without_contact", DataType::Int64, true),
            ("rejected_rows", DataType::Int64, false),
            ("complete", DataType::Boolean, false),
            ("insights_status", text(), false),
        ],
    }
}

fn rows_of<R: Row>(bytes: Vec<u8>, columns: &[Column], row: impl Fn(&Cells<'_>) -> R) -> Result<Vec<R>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    // Without the Arrow schema in the footer the types are those that every other reader sees.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes::Bytes::from(bytes), options)
        .map_err(|error| text(&error))?;

    let found: Vec<(&str, &DataType)> =
        builder.schema().fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
    let expected: Vec<(&str, &DataType)> = columns.iter().map(|(name, kind, _)| (*name, kind)).collect();
    if found != expected {
        return Err(format!("columns are {found:?}, expected {expected:?}"));
    }
    for (field, (name, _, nullable)) in builder.schema().fields().iter().zip(columns) {
        if *nullable && !field.is_nullable() {
            return Err(format!("column {name} is declared never null"));
        }
    }
    for group in builder.metadata().row_groups() {
        if let Some(chunk) = group.columns().iter().find(|chunk| !matches!(chunk.compression(), Compression::ZSTD(_))) {
            return Err(format!("column {} is compressed as {}", chunk.column_path(), chunk.compression()));
        }
    }

    let schema = builder.schema().clone();
    let reader = builder.build().map_err(|error| text(&error))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| text(&error))?;
    let batch = concat_batches(&schema, &batches).map_err(|error| text(&error))?;
    for (name, _, nullable) in columns {
        let array = batch.column_by_name(name).ok_or("a column is lost")?;
        if !nullable && array.null_count() > 0 {
            return Err(format!("column {name} holds nulls"));
        }
    }

    let rows: Vec<R> = (0..batch.num_rows()).map(|index| row(&Cells { batch: &batch, index })).collect();
    for pair in rows.windows(2) {
        if pair[0].key() >= pair[1].key() {
            return Err(format!("rows out of order: {:?} before {:?}", pair[0].key(), pair[1].key()));
        }
    }
    Ok(rows)
}

/// One row of a batch whose schema has been checked.
struct Cells<'a> {
    batch: &'a RecordBatch,
    index: usize,
}

impl Cells<'_> {
    fn present(&self, name: &str) -> Option<&ArrayRef> {
        let array = self.batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
        array.is_valid(self.index).then_some(array)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.present(name).map(|array| array.as_string::<i32>().value(self.index).to_owned())
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.present(name).map(|array| array.as_primitive::<Int64Type>().value(self.index))
    }

    fn money(&self, name: &str) -> Option<i64> {
        let array = self.present(name)?;
        let millionths = array.as_primitive::<Decimal128Type>().value(self.index);
        Some(i64::try_from(millionths).expect("18 digits fit 64 bits"))
    }

    fn instant(&self, name: &str) -> Option<i64> {
        self.present(name).map(|array| array.as_primitive::<TimestampMicrosecondType>().value(self.index))
    }

    fn date(&self, name: &str) -> NaiveDate {
        let days = self.present(name).map_or(0, |array| array.as_primitive::<Date32Type>().value(self.index));
        NaiveDate::default() + TimeDelta::days(days.into())
    }

    fn flag(&self, name: &str) -> bool {
        self.present(name).is_some_and(|array| array.as_boolean().value(self.index))
    }
}

fn read_ad_day(row: &Cells<'_>) -> AdDay {
    AdDay {
        date: row.date("date"),
        bot_id: row.text("bot_id"),
        ad_id: row.text("ad_id").unwrap_or_default(),
        account_id: row.text("account_id"),
        currency: row.text("currency"),
        conversations: row.number("conversations").unwrap_or_default(),
        conversions: row.number("conversions"),
        spend: row.money("spend"),
        impressions: row.number("impressions"),
        reach: row.number("reach"),
        clicks: row.number("clicks"),
        inline_link_clicks: row.number("inline_link_clicks"),
        meta_conversations: row.number("meta_conversations"),
        complete: row.flag("complete"),
    }
}

fn read_ad_conversion(row: &Cells<'_>) -> AdConversion {
    AdConversion {
        date: row.date("date"),
        bot_id: row.text("bot_id").unwrap_or_default(),
        ad_id: row.text("ad_id").unwrap_or_default(),
        conversation_date: row.date("conversation_date"),
        category: row.text("category").unwrap_or_default(),
        conversions: row.number("conversions").unwrap_or_default(),
    }
}

fn read_ad(row: &Cells<'_>) -> Ad {
    Ad {
        bot_id: row.text("bot_id"),
        ad_id: row.text("ad_id").unwrap_or_default(),
        ad_type: row.text("ad_type"),
        ad_title: row.text("ad_title"),
        first_conversation_at: row.instant("first_conversation_at"),
        last_conversation_at: row.instant("last_conversation_at"),
        account_id: row.text("account_id"),
        currency: row.text("currency"),
        ad_name: row.text("ad_name"),
        adset_id: row.text("adset_id"),
        adset_name: row.text("adset_name"),
        campaign_id: row.text("campaign_id"),
        campaign_name: row.text("campaign_name"),
    }
}

fn read_bot_day(row: &Cells<'_>) -> BotDay {
    BotDay {
        date: row.date("date"),
        bot_id: row.text("bot_id").unwrap_or_default(),
        touches: row.number("touches").unwrap_or_default(),
        duplicate_touches: row.number("duplicate_touches").unwrap_or_default(),
        unattributed_touches: row.number("unattributed_touches").unwrap_or_default(),
        conversion_events: row.number("conversion_events"),
        conversions: row.number("conversions"),
        unattributed_conversions: row.number("unattributed_conversions"),
        organic_conversion_events: row.number("organic_conversion_events"),
        events_without_contact: row.number("events_without_contact"),
        rejected_rows: row.number("rejected_rows").unwrap_or_default(),
        complete: row.flag("complete"),
        insights_status: row.text("insights_status").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Bot;

    #[test]
    fn pipeline_files_carry_any_text() {
        let id = "a \"quoted\" \\ bot\nñ";
        let world = World {
            bots: vec![Bot {
                id: id.into(),
                timezone: "UTC".into(),
                settings: vec![("ação".into(), 1_500_000)],
                ..Bot::default()
            }],
            window_days: 90,
            ..World::default()
        };
        let text = pipeline_toml(&world, &Form::default(), "a", Some("o"));
        let parsed: toml::Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(parsed["bots"][0]["id"].as_str(), Some(id));
        let setting = &parsed["bots"][0]["conversion_events"][0];
        assert_eq!(setting["category"].as_str(), Some("ação"));
        assert_eq!(setting["effective_at"].as_str(), Some("1970-01-01T00:00:01.500000Z"));
    }

    /// `ad_days` of one day as an object, with rows for these ads in this order.
    fn object(ads: &[&str], compression: Compression, conversations: ArrayRef) -> Vec<u8> {
        let rows = ads.len();
        let numbers = || -> ArrayRef { Arc::new(Int64Array::from(vec![None; rows])) };
        let spend =
            Decimal128Array::from(vec![Some(-1_500_000); rows]).with_precision_and_scale(18, 6).expect("decimal(18,6) is a type");
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("date", Arc::new(arrow::array::Date32Array::from(vec![20_000; rows]))),
            ("bot_id", strings(ads.iter().map(|_| None))),
            ("ad_id", strings(ads.iter().map(|ad| Some(*ad)))),
            ("account_id", strings(ads.iter().map(|_| Some("act_1")))),
            ("currency", strings(ads.iter().map(|_| Some("BRL")))),
            ("conversations", conversations),
            ("conversions", numbers()),
            ("spend", Arc::new(spend)),
            ("impressions", numbers()),
            ("reach", numbers()),
            ("clicks", numbers()),
            ("inline_link_clicks", numbers()),
            ("meta_conversations", numbers()),
            ("complete", Arc::new(arrow::array::BooleanArray::from(vec![true; rows]))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
            .expect("columns of one length");
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer in memory");
        writer.write(&batch).expect("a batch can be written");
        writer.into_inner().expect("a footer can be written")
    }

    #[test]
    fn reader_takes_the_contract_and_nothing_else() {
        let zstd = Compression::ZSTD(ZstdLevel::default());
        let counts = |counts: Vec<Option<i64>>| -> ArrayRef { Arc::new(Int64Array::from(counts)) };
        let read = |bytes| rows_of(bytes, &columns_of("ad_days"), read_ad_day);

        let rows = read(object(&["A", "B"], zstd, counts(vec![Some(1), Some(2)]))).expect("as the contract says");
        let expected = AdDay {
            date: NaiveDate::from_ymd_opt(2024, 10, 4).expect("a date"),
            ad_id: "B".into(),
            account_id: Some("act_1".into()),
            currency: Some("BRL".into()),
            conversations: 2,
            spend: Some(-1_500_000),
            complete: true,
            ..AdDay::default()
        };
        assert_eq!(rows[1], expected);

        let refused = |bytes| read(bytes).expect_err("against the contract");
        assert!(refused(object(&["B", "A"], zstd, counts(vec![Some(1); 2]))).contains("out of order"));
        assert!(refused(object(&["A", "A"], zstd, counts(vec![Some(1); 2]))).contains("out of order"));
        assert!(refused(object(&["A"], zstd, counts(vec![None]))).contains("conversations holds nulls"));
        assert!(refused(object(&["A"], Compression::SNAPPY, counts(vec![Some(1)]))).contains("compressed as"));
        assert!(refused(object(&["A"], zstd, strings([Some("1")].into_iter()))).contains("columns are"));
    }
}

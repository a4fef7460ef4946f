//! Rows and row groups of any size are read right and within bounded memory: long texts in the rows, long texts that stand once in a
//! dictionary, row groups that are larger than what is fetched at once.
//!
//! `CTWA_LARGE_ROWS` sets the number of rows: 70,000 pass what one Arrow text column can hold, and take minutes in a build that is not
//! optimised.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use arrow::array::{ArrayRef, LargeStringArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::scene::{FAULTY, PIPELINE, Scene, noon};

/// The length of a row's text.
const LONG: usize = 36 << 10;
/// Every so manieth row is a touch, each of a contact of its own.
const TOUCH_EVERY: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Texts {
    /// Each its own, and no shorter in the file.
    Different,
    DifferentLarge,
    /// Each its own, and short in the file.
    Compressed,
    /// Few, which stand once in the file.
    InDictionary,
    /// A tenth of the rows is ten times as long, the others are short.
    Uneven,
}

fn rows() -> usize {
    std::env::var("CTWA_LARGE_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(3_000)
}

fn text(texts: Texts, row: usize) -> String {
    let length = match texts {
        Texts::Uneven if row.is_multiple_of(10) => 10 * LONG,
        Texts::Uneven => 10,
        _ => LONG,
    };
    let mut state = row as u64 + 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + (state % 26) as u8)
    };
    let padding: String = match texts {
        Texts::Compressed | Texts::InDictionary => "x".repeat(length),
        _ => (0..length).map(|_| letter()).collect(),
    };
    let ad = if row.is_multiple_of(TOUCH_EVERY) { format!(", \"ad\": \"A{}\"", row / TOUCH_EVERY % 3) } else { String::new() };
    format!("{{\"padding\": \"{padding}\"{ad}}}")
}

/// Writes the faulty day's messages as one row group, with the ad in a JSON text.
fn write(scene: &Scene, texts: Texts, rows: usize) {
    let batch = |rows: std::ops::Range<usize>| {
        let column = |text: &dyn Fn(usize) -> String| -> ArrayRef {
            Arc::new(rows.clone().map(|row| Some(text(row))).collect::<StringArray>())
        };
        let metadata: ArrayRef = match texts {
            Texts::DifferentLarge => Arc::new(rows.clone().map(|row| Some(text(texts, row))).collect::<LargeStringArray>()),
            _ => column(&|row| text(texts, row)),
        };
        let times: TimestampMicrosecondArray = rows.clone().map(|row| Some(noon(FAULTY) + row as i64)).collect();
        let columns = [
            ("bot_id", column(&|_| "shop".to_owned())),
            ("message_id", column(&|row| format!("long-{row}"))),
            ("contact_id", column(&|row| format!("person-{row}"))),
            ("sent_at", Arc::new(times.with_timezone("UTC")) as ArrayRef),
            ("ad_type", column(&|row| if row.is_multiple_of(TOUCH_EVERY) { "ad".to_owned() } else { String::new() })),
            ("ad_title", column(&|row| format!("Oferta {}", row % 2))),
            ("metadata", metadata),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).expect("columns of one length")
    };
    let compression = if texts == Texts::Compressed { Compression::SNAPPY } else { Compression::UNCOMPRESSED };
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(texts == Texts::InDictionary)
        .set_max_row_group_row_count(Some(rows))
        .build();
    let file = File::create(scene.file("messages", FAULTY)).expect("the day is there");
    let mut writer = ArrowWriter::try_new(file, batch(0..0).schema(), Some(properties)).expect("a writer");
    let mut start = 0;
    while start < rows {
        let end = (start + 500).min(rows);
        writer.write(&batch(start..end)).expect("it is written");
        start = end;
    }
    writer.close().expect("it is written");
}

/// Runs the pipeline. Returns the code, what it said, and the most memory it held, in megabytes.
fn run(scene: &Scene) -> (i32, String, u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ctwa"));
    command.args(["run", "pipeline.toml", "--json"]).current_dir(&scene.lake.dir);
    let said = scene.lake.dir.join("said");
    let output = |name: &str| File::create(said.with_extension(name)).expect("a file");
    let mut child = command.stdout(Stdio::from(output("out"))).stderr(Stdio::from(output("err"))).spawn().expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait().expect("it runs").code().unwrap_or(-1)));
    let mut most = 0;
    let code = loop {
        if let Ok(code) = end.recv_timeout(Duration::from_millis(5)) {
            break code;
        }
        let held = fs::read_to_string(&status).unwrap_or_default();
        let peak =
            held.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        most = most.max(peak.unwrap_or_default() / 1_024);
    };
    let text = fs::read_to_string(said.with_extension("out")).expect("text")
        + &fs::read_to_string(said.with_extension("err")).expect("text");
    (code, text, most)
}

#[test]
fn long_texts_are_read_right_in_bounded_memory() {
    let fewest = rows();
    let path = "path = \"messages\"\n";
    let mapping = format!("{path}[inputs.messages.columns]\nad_id = [{{ column = \"metadata\", key = \"ad\" }}, \"ad_id\"]\n");
    for texts in [Texts::Different, Texts::DifferentLarge, Texts::Compressed, Texts::InDictionary, Texts::Uneven] {
        // More than is fetched at once.
        let rows = if texts == Texts::Different { 2 * fewest } else { fewest };
        let scene = Scene::new();
        scene.pipeline(&PIPELINE.replace(path, &mapping));
        write(&scene, texts, rows);
        let bytes = fs::metadata(scene.file("messages", FAULTY)).expect("a file").len() >> 20;
        let (code, said, most) = run(&scene);
        assert_eq!(code, 0, "{texts:?}: {said}");
        let day = &scene.published().ad_days[&crate::scene::date(FAULTY)];
        let clicks = |ad: &str| day.iter().find(|row| row.ad_id == ad).map_or(0, |row| row.conversations);
        let touches = rows.div_ceil(TOUCH_EVERY) as i64;
        assert_eq!([clicks("A0"), clicks("A1"), clicks("A2")], [(touches + 2) / 3, (touches + 1) / 3, touches / 3], "{texts:?}");
        eprintln!("{texts:?}: {rows} rows, a file of {bytes} MB, at most {most} MB held");
        assert!(most < 700, "{texts:?}: {most} MB");
    }
}

//! What a run spends its time in, one kernel at a time, over seeded rows: `cargo bench --bench kernels [NAME]`.
//!
//! Each kernel is called through the library's public functions, on inputs made here; what it gives is looked at once before it is
//! measured. Criterion keeps the last figures below `target/criterion/` and tells what changed since.

use std::hint::black_box;
use std::path::Path;

use arrow::array::RecordBatch;
use criterion::{BatchSize, Criterion, Throughput};

use ctwa::base::day::{Day, DayRange, LocalDays, MICROS_PER_DAY, MICROS_PER_SECOND};
use ctwa::base::digest::Digest;
use ctwa::base::error::{Error, Result};
use ctwa::base::money::parse_money;
use ctwa::base::schema;
use ctwa::config::{BotCodes, Settings};
use ctwa::engine::embedded::conversion_events::Events;
use ctwa::engine::embedded::counts::attribute;
use ctwa::engine::embedded::settle::settle;
use ctwa::engine::embedded::touches::Touches;
use ctwa::engine::request::Rules;
use ctwa::extract::conversion_events::{self, EventCells};
use ctwa::extract::identity::Identities;
use ctwa::extract::touches::{self, TouchCells};
use ctwa::lake::{decode, encode, encode_working};

/// Of each kind: touches, and conversion events.
const ROWS: usize = 100_000;
const FIRST: Day = Day(20_454);
const DAYS: i32 = 97;
const BOTS: [&str; 2] = ["shop-br@msging.net", "shop-in@msging.net"];
const PIPELINE: &str = r#"
name = "kernels"
[lake]
url = "lake"
[[bots]]
id = "shop-br@msging.net"
timezone = "America/Sao_Paulo"
[[bots.conversion_events]]
category = "purchase"
effective_at = "2025-01-01T00:00:00Z"
[[bots]]
id = "shop-in@msging.net"
timezone = "Asia/Kolkata"
[[bots.conversion_events]]
category = "purchase"
effective_at = "2025-01-01T00:00:00Z"
"#;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    fn instant(&mut self) -> i64 {
        FIRST.start_utc() + self.roll(DAYS as usize * 86_400) as i64 * MICROS_PER_SECOND
    }
}

struct Row {
    bot: usize,
    contact: String,
    at: i64,
    message: String,
    ad: String,
}

/// Every fiftieth is delivered again a day later.
fn rows(dice: &mut Dice) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(ROWS);
    for n in 0..ROWS {
        let again = rows.get(n.wrapping_sub(1)).filter(|_| n % 50 == 0);
        let row = match again {
            Some(row) => Row { contact: row.contact.clone(), message: row.message.clone(), ad: row.ad.clone(), ..*row },
            None => Row {
                bot: dice.roll(BOTS.len()),
                contact: format!("55119{:08}@wa.gw.msging.net", dice.roll(ROWS / 2)),
                at: dice.instant(),
                message: format!("wamid.HBgNNTUxMTk{:016x}{n:016x}", dice.roll(usize::MAX)),
                ad: format!("1202263058{:08}", dice.roll(1_500)),
            },
        };
        let at = row.at + if again.is_some() { MICROS_PER_DAY } else { 0 };
        rows.push(Row { at, ..row });
    }
    rows
}

fn touches_table(rows: &[Row]) -> Result<RecordBatch> {
    let cells = |row| {
        let Row { bot, contact, at, message, ad }: &Row = row;
        let title = Some("Frete grátis em toda a coleção");
        TouchCells { bot: BOTS[*bot], contact, sent_at: *at, message, ad: Some(ad), ad_type: Some("ad"), title }
    };
    touches::table(&rows.iter().map(cells).collect::<Vec<_>>())
}

/// An event for each touch: of the same contacts, in another order and at other times.
fn events_table(rows: &[Row], dice: &mut Dice) -> Result<RecordBatch> {
    let mut cells = Vec::with_capacity(rows.len());
    for _ in rows {
        let hit = &rows[dice.roll(rows.len())];
        let (contact, occurred_at) = (Some(hit.contact.as_str()), dice.instant());
        cells.push(EventCells { bot: BOTS[hit.bot], contact, occurred_at, category: "purchase", event: None });
    }
    conversion_events::table(&cells)
}

fn digests(criterion: &mut Criterion, rows: &[Row]) {
    let mut group = criterion.benchmark_group("digest");
    group.throughput(Throughput::Elements(rows.len() as u64)).bench_function("rows", |bencher| {
        bencher.iter(|| {
            let of_row = |row: &Row| {
                let at = row.at.to_string();
                Digest::of_row([BOTS[row.bot], &row.contact, &at, &row.message, &row.ad].map(Some))
            };
            black_box(rows).iter().map(of_row).fold(Digest::NONE, Digest::plus)
        });
    });
}

fn bots() -> BotCodes<'static> {
    BOTS.into_iter().zip(0..).collect()
}

fn read_touches(table: &RecordBatch) -> Touches {
    let mut touches = Touches::default();
    touches.add(table, &bots());
    touches
}

fn read_events(table: &RecordBatch) -> Events {
    let mut events = Events::default();
    events.add(table, &bots());
    events
}

fn copies(criterion: &mut Criterion, touches: &RecordBatch) -> Result<()> {
    if read_touches(touches).drop_copies()?.rows.is_empty() {
        return Err(Error::bug("the rows hold no copies"));
    }
    let mut group = criterion.benchmark_group("copies");
    group.throughput(Throughput::Elements(touches.num_rows() as u64)).bench_function("drop_copies", |bencher| {
        bencher.iter_batched(|| read_touches(touches), |mut touches| (touches.drop_copies(), touches), BatchSize::LargeInput);
    });
    Ok(())
}

fn attribution(criterion: &mut Criterion, touches: &RecordBatch, events: &RecordBatch) -> Result<()> {
    let settings = Settings::parse("kernels.toml", PIPELINE, Path::new("/"))?;
    let days = DayRange { first: FIRST, last: FIRST.plus(DAYS) };
    let identities = Identities::default();
    let rules = Rules { settings: &settings, identities: &identities, watermark: days.last.start_utc() };
    let settled = settle(read_touches(touches), read_events(events))?;
    if attribute(&rules, days, &settled)?.conversions.is_empty() {
        return Err(Error::bug("the rows hold no conversions"));
    }
    let mut group = criterion.benchmark_group("attribution");
    group.throughput(Throughput::Elements((touches.num_rows() + events.num_rows()) as u64)).sample_size(10);
    group.bench_function("settle", |bencher| {
        let read = || (read_touches(touches), read_events(events));
        bencher.iter_batched(read, |(of_ads, tracked)| settle(of_ads, tracked), BatchSize::LargeInput);
    });
    group.bench_function("attribute", |bencher| bencher.iter(|| attribute(black_box(&rules), days, &settled)));
    Ok(())
}

fn parquet(criterion: &mut Criterion, touches: &RecordBatch) -> Result<()> {
    let schema = schema::touches().schema;
    let published = encode(&schema, std::slice::from_ref(touches))?;
    let working = encode_working(&schema, touches)?;
    for bytes in [&published, &working] {
        if decode(bytes.clone())?.iter().map(RecordBatch::num_rows).sum::<usize>() != touches.num_rows() {
            return Err(Error::bug("other rows come back"));
        }
    }
    let mut group = criterion.benchmark_group("parquet");
    group.throughput(Throughput::Elements(touches.num_rows() as u64)).sample_size(20);
    group.bench_function("encode", |bencher| bencher.iter(|| encode(&schema, std::slice::from_ref(black_box(touches)))));
    group.bench_function("encode_working", |bencher| bencher.iter(|| encode_working(&schema, black_box(touches))));
    group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(&published).clone())));
    group.bench_function("decode_working", |bencher| bencher.iter(|| decode(black_box(&working).clone())));
    Ok(())
}

fn money(criterion: &mut Criterion, dice: &mut Dice) -> Result<()> {
    let amounts: Vec<String> = (0..10_000).map(|_| format!("{}.{:02}", dice.roll(100_000), dice.roll(100))).collect();
    for amount in &amounts {
        parse_money(amount)?;
    }
    let mut group = criterion.benchmark_group("money");
    group.throughput(Throughput::Elements(amounts.len() as u64)).bench_function("parse_money", |bencher| {
        bencher.iter(|| black_box(&amounts).iter().flat_map(|amount| parse_money(amount)).sum::<i64>());
    });
    Ok(())
}

fn local_days(criterion: &mut Criterion, rows: &[Row]) -> Result<()> {
    let span = (FIRST.start_utc(), FIRST.plus(DAYS + 1).start_utc());
    let days = LocalDays::new("America/New_York".parse()?, Some(span));
    let mut group = criterion.benchmark_group("local_days");
    group.throughput(Throughput::Elements(rows.len() as u64)).bench_function("of", |bencher| {
        bencher.iter(|| black_box(rows).iter().map(|row| i64::from(days.of(row.at).0)).sum::<i64>());
    });
    Ok(())
}

fn main() -> Result<()> {
    let mut dice = Dice(7);
    let rows = rows(&mut dice);
    let (touches, events) = (touches_table(&rows)?, events_table(&rows, &mut dice)?);
    let mut criterion = Criterion::default().configure_from_args();
    digests(&mut criterion, &rows);
    copies(&mut criterion, &touches)?;
    attribution(&mut criterion, &touches, &events)?;
    parquet(&mut criterion, &touches)?;
    money(&mut criterion, &mut dice)?;
    local_days(&mut criterion, &rows)?;
    criterion.final_summary();
    Ok(())
}

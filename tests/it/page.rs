//! The page of `ctwa report --format html`, looked at in a real browser: its figures against the report's own for many parts of a
//! file, what it does with hostile text, with alerts, by keyboard, on paper, and with a year of a thousand ads.
//!
//! Beside the sample there is a made-up output, written straight as published tables: two currencies and more, unknown figures of
//! every kind, days that are missing, amounts of 18 digits. `CTWA_PAGE_SEED` repeats a random one.

use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array as _, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{Days, NaiveDate};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;
use tempfile::TempDir;

use crate::browser;
use crate::lake::{self, Dice, Form, Lake, strings};
use crate::rows::{Ad, AdConversion, AdDay, BotDay, Published};

/// An output with its pipeline, and pages and reports beside it.
struct Shop {
    lake: Lake,
    first: NaiveDate,
    days: usize,
    bots: Vec<String>,
    unpublished: Vec<String>,
    _folder: TempDir,
}

/// Reach that Meta counted for exactly some days: account, ad, first and last day.
type Reach = (String, String, NaiveDate, NaiveDate, i64);

impl Shop {
    fn sample() -> Shop {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(repository.join("pipelines/sample.toml")).expect("the sample's pipeline file");
        let text = text.replace("\"../target/sample\"", "\"out\"");
        let sample = repository.join("sample_data/contract").display().to_string();
        let text = text.replace("\"../sample_data/contract\"", &format!("{sample:?}"));
        let lake =
            Lake { dir: folder.path().into(), pipeline: folder.path().join("sample.toml"), output: folder.path().join("out") };
        fs::write(&lake.pipeline, text).expect("the pipeline file is written");
        let ran = lake::ctwa(&lake, &["run", "sample.toml", "-q"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let bots = ["shop-br@msging.net", "shop-mx@msging.net", "shop-us@msging.net"].map(str::to_owned).to_vec();
        Shop { lake, first: date("2026-10-05"), days: 29, bots, unpublished: Vec::new(), _folder: folder }
    }

    fn published(pipeline: &str, first: NaiveDate, days: usize, published: &Published, reach: &[Reach]) -> Shop {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let lake =
            Lake { dir: folder.path().into(), pipeline: folder.path().join("shop.toml"), output: folder.path().join("out") };
        fs::write(&lake.pipeline, pipeline).expect("the pipeline file is written");
        publish(&lake.output, published, reach);
        Shop { lake, first, days, bots: Vec::new(), unpublished: Vec::new(), _folder: folder }
    }

    fn day(&self, n: usize) -> String {
        (self.first + Days::new(n as u64)).to_string()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.lake.dir.join(name)
    }

    /// Writes a report to a file beside the lake.
    fn report(&self, name: &str, (from, to): (usize, usize), args: &[&str]) -> PathBuf {
        let (from, to, file) = (self.day(from), self.day(to), self.file(name));
        let pipeline = self.lake.pipeline.to_str().expect("a path in text");
        let mut all =
            vec!["report", pipeline, "--from", &from, "--to", &to, "--out", file.to_str().expect("a path in text"), "-q"];
        all.extend(args);
        let ran = lake::ctwa(&self.lake, &all);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        file
    }

    fn page(&self, args: &[&str]) -> PathBuf {
        self.report("page.html", (0, self.days - 1), &[&["--format", "html"], args].concat())
    }

    /// A choice on the page, and what the report says of the same.
    fn case(&self, name: &str, range: (usize, usize), by: &str, bot: Option<&str>) -> serde_json::Value {
        let mut args = vec!["--by", by];
        args.extend(bot.into_iter().flat_map(|bot| ["--bot", bot]));
        let report = |end: &str, more: &[&str]| self.report(&format!("{name}.{end}"), range, &[&args, more].concat());
        json!({
            "choice": {"from": self.day(range.0), "to": self.day(range.1), "by": by, "bot": bot.unwrap_or_default()},
            "rows": report("rows.json", &["--format", "json"]),
            "days": report("days.json", &["--format", "json", "--grain", "day"]),
            "csv": report("csv", &["--format", "csv"]),
        })
    }

    /// The page's figures against the report's for these ranges and for random ones, by both days of a conversion.
    #[expect(clippy::print_stdout, reason = "for whoever reads the test's output")]
    fn compare(&self, ranges: &[(usize, usize)], random: usize) {
        let mut dice = Dice(seed());
        let mut ranges = ranges.to_vec();
        for _ in 0..random {
            let (one, other) = (dice.roll(self.days), dice.roll(self.days));
            ranges.push((one.min(other), one.max(other)));
        }
        let mut cases = Vec::new();
        for (n, range) in ranges.iter().enumerate() {
            for by in ["conversion-day", "conversation-day"] {
                cases.push(self.case(&format!("{n}.{by}"), *range, by, None));
            }
        }
        for (n, bot) in self.bots.iter().enumerate() {
            let range = ranges[n % ranges.len()];
            cases.push(self.case(&format!("bot-{n}"), range, "conversation-day", Some(bot)));
        }
        for (by, filter, value) in
            [("conversion-day", "kind", "post"), ("conversation-day", "kind", "ad"), ("conversion-day", "q", "07")]
        {
            let mut case = self.case(&format!("{filter}-{value}"), ranges[0], by, None);
            case["choice"][filter] = value.into();
            case["csv"] = serde_json::Value::Null;
            cases.push(case);
        }
        let plan = self.file("plan.json");
        let page = self.page(&[]);
        fs::write(&plan, json!({"page": page, "unpublished": self.unpublished, "cases": cases}).to_string())
            .expect("the plan is written");
        println!("{}", browser::run("figures.js", &[&plan]));
    }
}

/// Of this run, or the one asked for.
#[expect(clippy::print_stdout, reason = "without it a failure could not be repeated")]
fn seed() -> u64 {
    let asked = std::env::var("CTWA_PAGE_SEED").ok().map(|text| text.parse().expect("CTWA_PAGE_SEED is a number"));
    let seed = asked.unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish());
    println!("CTWA_PAGE_SEED={seed}");
    seed
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn micros(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
}

// ------------------------------------------------------------------------------------------------- tables, as published

fn dates(days: impl Iterator<Item = NaiveDate>) -> ArrayRef {
    Arc::new(days.map(|day| Some((day - NaiveDate::default()).num_days() as i32)).collect::<Date32Array>())
}

fn counts(counts: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(counts.collect::<Int64Array>())
}

fn instants(instants: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(instants.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn publish(output: &Path, published: &Published, reach: &[Reach]) {
    let write = |table: &str, day: &NaiveDate, columns| {
        lake::write_file(&output.join(format!("{table}/dt={day}/{table}.parquet")), columns, &Form::default());
    };
    for (day, rows) in &published.ad_days {
        let text = |column: fn(&AdDay) -> Option<&str>| strings(rows.iter().map(column));
        let count = |column: fn(&AdDay) -> Option<i64>| counts(rows.iter().map(column));
        let spend: Decimal128Array = rows.iter().map(|row| row.spend.map(i128::from)).collect();
        let columns = vec![
            ("date", dates(rows.iter().map(|row| row.date))),
            ("bot_id", text(|row| row.bot_id.as_deref())),
            ("ad_id", text(|row| Some(&row.ad_id))),
            ("account_id", text(|row| row.account_id.as_deref())),
            ("currency", text(|row| row.currency.as_deref())),
            ("conversations", count(|row| Some(row.conversations))),
            ("conversions", count(|row| row.conversions)),
            ("spend", Arc::new(spend.with_precision_and_scale(18, 6).expect("a decimal")) as ArrayRef),
            ("impressions", count(|row| row.impressions)),
            ("reach", count(|row| row.reach)),
            ("meta_conversations", count(|row| row.meta_conversations)),
        ];
        write("ad_days", day, columns);
    }
    for (day, rows) in &published.ad_conversions {
        let columns = vec![
            ("date", dates(rows.iter().map(|row| row.date))),
            ("bot_id", strings(rows.iter().map(|row| Some(row.bot_id.as_str())))),
            ("ad_id", strings(rows.iter().map(|row| Some(row.ad_id.as_str())))),
            ("conversation_date", dates(rows.iter().map(|row| row.conversation_date))),
            ("category", strings(rows.iter().map(|row| Some(row.category.as_str())))),
            ("conversions", counts(rows.iter().map(|row| Some(row.conversions)))),
        ];
        write("ad_conversions", day, columns);
    }
    for (day, rows) in &published.bot_days {
        let columns = vec![
            ("date", dates(rows.iter().map(|row| row.date))),
            ("bot_id", strings(rows.iter().map(|row| Some(row.bot_id.as_str())))),
            ("conversions", counts(rows.iter().map(|row| row.conversions))),
            ("complete", Arc::new(rows.iter().map(|row| Some(row.complete)).collect::<BooleanArray>()) as ArrayRef),
            ("insights_status", strings(rows.iter().map(|row| Some(row.insights_status.as_str())))),
        ];
        write("bot_days", day, columns);
    }
    let rows = &published.ads;
    let text = |column: fn(&Ad) -> &Option<String>| strings(rows.iter().map(|row| column(row).as_deref()));
    let columns = vec![
        ("bot_id", text(|row| &row.bot_id)),
        ("ad_id", strings(rows.iter().map(|row| Some(row.ad_id.as_str())))),
        ("ad_type", text(|row| &row.ad_type)),
        ("ad_title", text(|row| &row.ad_title)),
        ("first_conversation_at", instants(rows.iter().map(|row| row.first_conversation_at))),
        ("account_id", text(|row| &row.account_id)),
        ("currency", text(|row| &row.currency)),
    ];
    lake::write_file(&output.join("ads/ads.parquet"), columns, &Form::default());
    let untils: std::collections::BTreeSet<NaiveDate> = reach.iter().map(|row| row.3).collect();
    for until in untils {
        let rows: Vec<&Reach> = reach.iter().filter(|row| row.3 == until).collect();
        let columns = vec![
            ("account_id", strings(rows.iter().map(|row| Some(row.0.as_str())))),
            ("ad_id", strings(rows.iter().map(|row| Some(row.1.as_str())))),
            ("since", dates(rows.iter().map(|row| row.2))),
            ("until", dates(rows.iter().map(|row| row.3))),
            ("reach", counts(rows.iter().map(|row| Some(row.4)))),
        ];
        write("reach", &until, columns);
    }
}

// ------------------------------------------------------------------------------------------------------ a made-up shop

const FIRST: &str = "2026-01-20";
const DAYS: usize = 75;
/// Nobody built this day.
const HOLE: usize = 20;

/// Three bots that list accounts, one of them configured from day 30 on, one never; a fourth without account.
const PIPELINE: &str = r#"name = "made up <b>&amp;</b>"
[lake]
url = "lake"
[output]
url = "out"
[[bots]]
id = "bot-a"
timezone = "UTC"
ad_accounts = ["act_1"]
[[bots.conversion_events]]
category = "purchase"
effective_at = "2025-01-01T00:00:00Z"
[[bots]]
id = "bot-b"
timezone = "UTC"
ad_accounts = ["act_2", "act_3"]
[[bots.conversion_events]]
category = "purchase"
effective_at = "2026-02-19T00:00:00Z"
[[bots]]
id = "bot-c"
timezone = "UTC"
ad_accounts = ["act_3"]
[[bots]]
id = "=bot <img src=x onerror=alert(1)>"
timezone = "UTC"
[[bots.conversion_events]]
category = "purchase"
effective_at = "2025-01-01T00:00:00Z"
"#;

const HOSTILE_BOT: &str = "=bot <img src=x onerror=alert(1)>";

/// (bots, ad, type, account, currency of the account, usual spend in millionths)
type MadeUpAd = (&'static [&'static str], String, Option<&'static str>, Option<&'static str>, Option<&'static str>, i64);

fn made_up_ads() -> Vec<MadeUpAd> {
    vec![
        (&["bot-a"], "120226305854810726".into(), Some("ad"), Some("act_1"), Some("BRL"), 12_340_000),
        (&["bot-a"], "120226305854810727".into(), Some("ad"), Some("act_1"), Some("BRL"), 999),
        (&["bot-a"], "1784140000000123".into(), Some("post"), None, None, 0),
        (&["bot-b", "bot-a"], "120230000000000101".into(), Some("ad"), Some("act_2"), Some("USD"), 55_000_001),
        (&["bot-b"], "120230000000000102".into(), None, Some("act_2"), Some("USD"), 7_770_000),
        (&["bot-b"], "120230000000000103".into(), Some("ad"), Some("act_2"), Some("USD"), 0),
        (&["bot-b", "bot-c"], "120230000000000104".into(), Some("ad"), Some("act_3"), Some("<i>$</i>"), 3_500_000),
        (&["bot-c"], "120230000000000105".into(), Some("ad"), Some("act_3"), Some("<i>$</i>"), 9_000_000_000),
        (&[HOSTILE_BOT], "=1+1".into(), Some("<s>x</s>"), None, None, 0),
        (&[HOSTILE_BOT], "\u{202e}120230000000000199".into(), Some("ad"), Some("act_9"), None, 0),
    ]
}

fn hostile_titles() -> Vec<String> {
    vec![
        "<script>alert('title')</script>".into(),
        "</script><script>alert(2)</script><!--".into(),
        "\"><img src=x onerror=alert(3)>".into(),
        "abc\u{202e}fdp.exe\u{2066} line\u{2028}next\u{2029}para\u{0}nul".into(),
        format!("long {}", "página ".repeat(1_500)),
        "=HYPERLINK(\"https://example.com\")".into(),
        "{{series}} ${alert(4)} `tick` \\u003cscript\\u003e".into(),
        "Promoção \u{1f389}, \"aspas\"\nnova linha".into(),
        "'; fetch('https://example.com/'); '".into(),
    ]
}

/// `factor` makes amounts as large as a table holds.
fn made_up(seed: u64, factor: i64) -> Shop {
    let mut dice = Dice(seed);
    let first = date(FIRST);
    let day = |n: usize| first + Days::new(n as u64);
    let mut published = Published::default();
    let titles = hostile_titles();
    let configured = |bot: &str, n: usize| match bot {
        "bot-b" => n >= 30,
        "bot-c" => false,
        _ => true,
    };
    let ads = made_up_ads();
    for (n, (bots, ad, kind, account, currency, _)) in ads.iter().enumerate() {
        for (place, bot) in bots.iter().enumerate() {
            published.ads.push(Ad {
                bot_id: Some((*bot).into()),
                ad_id: ad.clone(),
                ad_type: kind.map(str::to_owned),
                ad_title: titles.get(n).cloned(),
                first_conversation_at: Some(micros(first) + place as i64),
                account_id: account.map(str::to_owned),
                currency: currency.map(str::to_owned),
                ..Ad::default()
            });
        }
    }
    // Spent, but never clicked: no bot bears it.
    published.ads.push(Ad { ad_id: "120230000000000106".into(), account_id: Some("act_3".into()), ..Ad::default() });
    published.ads.sort_by(|a, b| (&a.bot_id, &a.ad_id).cmp(&(&b.bot_id, &b.ad_id)));

    let bots = ["bot-a", "bot-b", "bot-c", HOSTILE_BOT];
    // No figures of act_1 on these days, and none of act_2 on the other one.
    let is_missing = |account: Option<&str>, n: usize| match account {
        Some("act_1") => (10..14).contains(&n),
        Some("act_2") => n == 33,
        Some("act_9") | None => true,
        _ => false,
    };
    let mut started = std::collections::HashSet::new();
    for n in (0..DAYS).filter(|n| *n != HOLE) {
        let mut rows = Vec::new();
        let mut conversions_of = Vec::new();
        for (bots, ad, _, account, currency, spend) in &ads {
            for (place, bot) in bots.iter().enumerate() {
                if dice.roll(3) == 0 {
                    continue;
                }
                let conversations = if dice.roll(4) == 0 { 0 } else { dice.roll(40) as i64 };
                let converted = if dice.roll(2) == 0 { 0 } else { dice.roll(9) as i64 };
                let bears = place == 0 && !is_missing(*account, n) && dice.roll(9) != 0;
                if conversations > 0 {
                    started.insert((*bot, ad.as_str(), n));
                }
                let of_day = spend * factor * dice.roll(5) as i64;
                rows.push(AdDay {
                    date: day(n),
                    bot_id: Some((*bot).into()),
                    ad_id: ad.clone(),
                    account_id: account.map(str::to_owned),
                    currency: currency.map(str::to_owned),
                    conversations,
                    conversions: configured(bot, n).then_some(converted),
                    spend: bears.then_some(of_day),
                    impressions: bears.then_some(of_day / 1_000),
                    reach: (bears && dice.roll(5) != 0).then(|| dice.roll(5_000) as i64),
                    complete: n + 1 != DAYS,
                    ..AdDay::default()
                });
                let mut left = if configured(bot, n) { converted } else { 0 };
                while left > 0 {
                    let share = left.min(1 + dice.roll(3) as i64);
                    // Of a day on which there was a conversation, or of one before the first.
                    let lag = dice.roll(91).min(dice.roll(91));
                    let started = |n: usize| started.contains(&(*bot, ad.as_str(), n));
                    let lag = (0..=lag).rev().find(|lag| *lag > n || n - lag == HOLE || started(n - lag)).unwrap_or(n + 3);
                    let conversation_date = day(n) - Days::new(lag as u64);
                    left -= share;
                    let is_there = |row: &&mut AdConversion| {
                        row.bot_id == *bot && row.ad_id == *ad && row.conversation_date == conversation_date
                    };
                    match conversions_of.iter_mut().find(is_there) {
                        Some(row) => row.conversions += share,
                        None => conversions_of.push(AdConversion {
                            date: day(n),
                            bot_id: (*bot).into(),
                            ad_id: ad.clone(),
                            conversation_date,
                            category: "purchase".into(),
                            conversions: share,
                        }),
                    }
                }
            }
        }
        rows.push(AdDay {
            date: day(n),
            ad_id: "120230000000000106".into(),
            account_id: Some("act_3".into()),
            conversions: Some(0),
            spend: Some(1_000_000),
            ..AdDay::default()
        });
        let bot_day = |bot: &&str| BotDay {
            date: day(n),
            bot_id: (*bot).into(),
            conversions: configured(bot, n).then_some(1),
            complete: n + 1 != DAYS,
            insights_status: match *bot {
                HOSTILE_BOT => "none",
                "bot-a" if is_missing(Some("act_1"), n) => "missing",
                "bot-b" if is_missing(Some("act_2"), n) => "missing",
                _ if n + 28 >= DAYS => "provisional",
                _ => "final",
            }
            .into(),
            ..BotDay::default()
        };
        published.bot_days.insert(day(n), bots.iter().map(bot_day).collect());
        published.ad_days.insert(day(n), rows);
        published.ad_conversions.insert(day(n), conversions_of);
    }
    // Of the last 7 and 28 days, of the whole file, and of days that begin before it.
    let ranges = [(DAYS - 7, DAYS - 1), (DAYS - 28, DAYS - 1), (0, DAYS - 1), (3, 9)];
    let mut reach: Vec<Reach> = Vec::new();
    for (_, ad, _, account, ..) in &ads {
        for (from, to) in ranges {
            if let Some(account) = account.filter(|_| dice.roll(3) != 0) {
                reach.push((account.into(), ad.clone(), day(from), day(to), dice.roll(90_000) as i64));
            }
        }
        reach.push(("act_1".into(), ad.clone(), first - Days::new(3), day(3), 5));
    }
    let mut shop = Shop::published(PIPELINE, first, DAYS, &published, &reach);
    shop.bots = bots.map(str::to_owned).to_vec();
    shop.unpublished = vec![day(HOLE).to_string()];
    shop
}

// --------------------------------------------------------------------------------------------------------------- tests

#[test]
fn figures_of_the_sample_are_those_of_the_report() {
    Shop::sample().compare(&[(0, 28), (22, 28), (1, 28), (9, 9), (27, 28), (0, 3), (14, 14)], 5);
}

#[test]
fn figures_of_a_made_up_shop_are_those_of_the_report() {
    made_up(seed(), 1)
        .compare(&[(0, DAYS - 1), (DAYS - 7, DAYS - 1), (DAYS - 28, DAYS - 1), (HOLE, HOLE + 1), (3, 9), (5, 5)], 10);
}

#[test]
fn amounts_beyond_what_a_browser_counts_exactly_are_exact() {
    made_up(seed(), 900_000).compare(&[(0, DAYS - 1), (1, 30)], 2);
}

#[test]
fn the_same_tables_give_the_same_page() {
    let shop = made_up(1, 1);
    let page = |name: &str, args: &[&str]| {
        let file = shop.report(name, (0, DAYS - 1), &[&["--format", "html"], args].concat());
        fs::read(file).expect("the page is there")
    };
    assert_eq!(page("one.html", &[]), page("two.html", &[]));
    assert_ne!(page("one.html", &[]), page("two.html", &["--bot", "bot-a"]));
    let ran =
        lake::ctwa(&shop.lake, &["report", "shop.toml", "--from", FIRST, "--to", FIRST, "--format", "html", "--grain", "day"]);
    assert!(ran.code == 2 && ran.stderr.contains("--grain"), "{}", ran.stderr);
}

#[test]
fn parquet_holds_what_csv_holds() {
    let shop = made_up(3, 1);
    for grain in ["range", "day"] {
        let report = |name: &str, format| shop.report(name, (5, 40), &["--format", format, "--grain", grain]);
        let json = fs::read_to_string(report("rows.json", "json")).expect("the report is there");
        let rows: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&json).expect("it is JSON");
        let file = fs::File::open(report("rows.parquet", "parquet")).expect("the report is there");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build()).expect("it is Parquet");
        let batches: Vec<_> = reader.collect::<Result<_, _>>().expect("it can be decoded");
        let batch = concat_batches(&batches[0].schema(), &batches).expect("one schema");
        assert_eq!(batch.num_rows(), rows.len());
        let schema = batch.schema();
        let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
        assert_eq!(names, rows[0].keys().collect::<Vec<_>>());
        for (name, column) in names.iter().zip(batch.columns()) {
            let options = FormatOptions::default();
            let texts = ArrayFormatter::try_new(column, &options).expect("a type with a text");
            for (n, row) in rows.iter().enumerate() {
                let expected = match &row[*name] {
                    serde_json::Value::Null => {
                        assert!(column.is_null(n), "{name} of row {n}");
                        continue;
                    }
                    serde_json::Value::String(text) => text.clone(),
                    number => number.to_string(),
                };
                assert_eq!(texts.value(n).to_string(), expected, "{name} of row {n}");
            }
        }
    }
}

#[test]
fn a_terminal_gets_no_bytes_for_files() {
    let shop = made_up(3, 1);
    for format in ["parquet", "html"] {
        let command = format!("{} report shop.toml --from {FIRST} --to {FIRST} --format {format}", env!("CARGO_BIN_EXE_ctwa"));
        // `script` gives the command a terminal.
        let ran = std::process::Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(&shop.lake.dir)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("script, of util-linux, runs");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.code() == Some(2) && said.contains("--out FILE"), "{:?}: {said}", ran.status);
    }
}

#[test]
fn the_page_is_what_its_reader_needs() {
    let (sample, made_up) = (Shop::sample(), made_up(7, 1));
    let one_bot =
        made_up.report("one-bot.html", (0, DAYS - 1), &["--format", "html", "--bot", "bot-c", "--by", "conversation-day"]);
    let plan = json!({
        "sample": sample.page(&[]),
        "made_up": made_up.page(&[]),
        "one_bot": one_bot,
        "titles": hostile_titles(),
        "pictures": Path::new(env!("CARGO_BIN_EXE_ctwa")).parent().and_then(Path::parent).expect("target/").join("servers/pictures"),
    });
    let file = sample.file("plan.json");
    fs::write(&file, plan.to_string()).expect("the plan is written");
    println!("{}", browser::run("behaviour.js", &[&file]));
}

#[test]
fn a_year_of_a_thousand_ads_is_one_small_file() {
    const ADS: usize = 1_000;
    const YEAR: usize = 365;
    let mut dice = Dice(11);
    let first = date("2025-11-01");
    let day = |n: usize| first + Days::new(n as u64);
    let ad_id = |n: usize| format!("12022630585{n:07}");
    let mut published = Published::default();
    let mut reach: Vec<Reach> = Vec::new();
    for n in 0..ADS {
        published.ads.push(Ad {
            bot_id: Some("shop".into()),
            ad_id: ad_id(n),
            ad_type: Some("ad".into()),
            ad_title: Some(format!(
                "Coleção {} de {}: frete grátis acima de R$ {}",
                dice.roll(900),
                dice.roll(40),
                dice.roll(300)
            )),
            first_conversation_at: Some(micros(first)),
            account_id: Some("act_1".into()),
            currency: Some("BRL".into()),
            ..Ad::default()
        });
    }
    for n in 0..YEAR {
        let (mut rows, mut conversions) = (Vec::new(), Vec::new());
        for ad in 0..ADS {
            let converted = dice.roll(4) as i64;
            rows.push(AdDay {
                date: day(n),
                bot_id: Some("shop".into()),
                ad_id: ad_id(ad),
                account_id: Some("act_1".into()),
                currency: Some("BRL".into()),
                conversations: dice.roll(60) as i64,
                conversions: Some(converted),
                spend: Some(dice.roll(90_000) as i64 * 10_000),
                reach: Some(dice.roll(20_000) as i64),
                complete: true,
                ..AdDay::default()
            });
            for _ in 0..converted {
                conversions.push(AdConversion {
                    date: day(n),
                    bot_id: "shop".into(),
                    ad_id: ad_id(ad),
                    conversation_date: day(n) - Days::new(dice.roll(91).min(dice.roll(91)) as u64),
                    category: "purchase".into(),
                    conversions: 1,
                });
            }
        }
        let bot_day = BotDay {
            date: day(n),
            bot_id: "shop".into(),
            conversions: Some(1),
            complete: true,
            insights_status: "final".into(),
            ..BotDay::default()
        };
        published.bot_days.insert(day(n), vec![bot_day]);
        published.ad_days.insert(day(n), rows);
        published.ad_conversions.insert(day(n), conversions);
    }
    for ad in 0..ADS {
        for window in [7, 28, 90] {
            reach.push(("act_1".into(), ad_id(ad), day(YEAR - window), day(YEAR - 1), dice.roll(900_000) as i64));
        }
    }
    let pipeline = PIPELINE.replace("\"bot-a\"", "\"shop\"");
    let shop = Shop::published(&pipeline, first, YEAR, &published, &reach);
    drop(published);
    #[expect(clippy::disallowed_methods, reason = "a measurement, printed and not judged")]
    let began = Instant::now();
    let page = shop.page(&["--bot", "shop"]);
    let seconds = began.elapsed().as_secs_f64();
    let bytes = fs::metadata(&page).expect("the page is there").len();
    println!("{YEAR} days of {ADS} ads: written in {seconds:.1} s by this build, {:.2} MB", bytes as f64 / 1e6);
    println!("{}", browser::run("scale.js", &[&page]));
    assert!(bytes < 10_000_000, "{bytes} bytes");
}

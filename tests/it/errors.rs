//! Bad input, through the binary: the exit code, what stderr names and which mend it offers, that published days keep their
//! bytes, and that days which do not depend on the fault are published all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Decimal128Array, Float64Array, Int64Array};
use chrono::NaiveDate;

use crate::lake::{self, Columns, Form, Ran, strings};
use crate::rows::{self, Published};
use crate::scene::{DAYS, FAULTY, HOUR, Scene, date, identity_columns, noon, times};

/// The days of the three tables that are kept per day, with `complete` left out: a missing day makes others incomplete.
fn figures(mut published: Published, days: &BTreeSet<NaiveDate>) -> Published {
    published.ads.clear();
    published.ad_conversions.retain(|day, _| days.contains(day));
    published.ad_days.retain(|day, _| days.contains(day));
    published.bot_days.retain(|day, _| days.contains(day));
    published.ad_days.values_mut().flatten().for_each(|row| row.complete = true);
    published.bot_days.values_mut().flatten().for_each(|row| row.complete = true);
    published
}

/// The same counts, where nothing is known of what Meta says.
fn without_figures(mut published: Published) -> Published {
    for row in published.ad_days.values_mut().flatten() {
        (row.spend, row.impressions, row.reach, row.clicks) = (None, None, None, None);
        (row.inline_link_clicks, row.meta_conversations) = (None, None);
    }
    let of_listed = published.bot_days.values_mut().flatten().filter(|row| row.insights_status != "none");
    of_listed.for_each(|row| row.insights_status = "missing".to_owned());
    published
}

fn objects_of(objects: &BTreeMap<String, Vec<u8>>, day: &str) -> BTreeMap<String, Vec<u8>> {
    objects.iter().filter(|(path, _)| path.contains(day)).map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
}

/// A fault in the lake, and what the binary must make of it.
struct Fault {
    name: &'static str,
    lay: fn(&Scene),
    code: i32,
    /// What stderr must name: the thing and the mend.
    says: &'static [&'static str],
    /// The days that are not published because of it; of insights, those that are published without Meta's figures. The others are as
    /// they are without the fault.
    keeps_back: &'static [&'static str],
}

fn check_faults(faults: &[Fault]) {
    let good = Scene::new();
    let ran = good.ctwa("run", &[]);
    assert_eq!(ran.code, 0, "the lake without a fault: {}{}", ran.stdout, ran.stderr);
    let good = good.published();
    assert_eq!(good.bot_days.len(), DAYS.len());
    let wrong: Vec<String> = faults.iter().filter_map(|fault| Some((fault, check_fault(fault, &good)?))).map(wrongly).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrongly((fault, wrong): (&Fault, String)) -> String {
    format!("== {}: {wrong}", fault.name)
}

/// What the binary does wrong; none when it does what it should.
fn check_fault(fault: &Fault, good: &Published) -> Option<String> {
    let spared: BTreeSet<NaiveDate> = DAYS.iter().filter(|day| !fault.keeps_back.contains(day)).map(|day| date(day)).collect();
    let said = |ran: &Ran| -> Option<String> {
        if ran.code != fault.code {
            return Some(format!("exit {} where {} is due\n{}{}", ran.code, fault.code, ran.stdout, ran.stderr));
        }
        let unsaid: Vec<_> = fault.says.iter().filter(|text| !ran.stderr.contains(**text)).collect();
        (!unsaid.is_empty()).then(|| format!("stderr lacks {unsaid:?}\n{}", ran.stderr))
    };

    // The fault comes after a good night: what it touches keeps its bytes.
    let scene = Scene::new();
    let ran = scene.ctwa("run", &[]);
    if ran.code != 0 {
        return Some(format!("the run before the fault exits {}\n{}", ran.code, ran.stderr));
    }
    let before = scene.objects();
    (fault.lay)(&scene);
    if let Some(wrong) = said(&scene.ctwa("run", &[])) {
        return Some(wrong);
    }
    let after = scene.objects();
    let is_of_insights = fault.says.contains(&"table insights");
    for day in fault.keeps_back.iter().filter(|_| !is_of_insights) {
        let changed = lake::unequal_objects(&objects_of(&before, day), &objects_of(&after, day));
        if !changed.is_empty() {
            return Some(format!("published objects changed: {changed:?}"));
        }
    }
    let differences = rows::differences(&figures(good.clone(), &spared), &figures(scene.published(), &spared));
    if !differences.is_empty() {
        return Some(format!("days without the fault changed:\n{differences}"));
    }
    let without_money = || without_figures(figures(good.clone(), &fault.keeps_back.iter().map(|day| date(day)).collect()));
    let faulty = |published: Published| figures(published, &fault.keeps_back.iter().map(|day| date(day)).collect());
    if is_of_insights {
        let differences = rows::differences(&without_money(), &faulty(scene.published()));
        if !differences.is_empty() {
            return Some(format!("the day without figures:\n{differences}"));
        }
    }

    // The fault is there from the start: what it does not touch is published.
    let scene = Scene::new();
    (fault.lay)(&scene);
    if let Some(wrong) = said(&scene.ctwa("run", &[])) {
        return Some(format!("from the start: {wrong}"));
    }
    let published = scene.published();
    let days: BTreeSet<NaiveDate> = published.bot_days.keys().copied().collect();
    let due = if is_of_insights { DAYS.iter().map(|day| date(day)).collect() } else { spared.clone() };
    if days != due {
        return Some(format!("from the start: {days:?} are published where {due:?} are due"));
    }
    if is_of_insights {
        let differences = rows::differences(&without_money(), &faulty(published.clone()));
        if !differences.is_empty() {
            return Some(format!("from the start, the day without figures:\n{differences}"));
        }
    }
    let differences = rows::differences(&figures(good.clone(), &spared), &figures(published, &spared));
    if !differences.is_empty() {
        return Some(format!("from the start, days without the fault differ:\n{differences}"));
    }

    // The next run meets the fault again, and says so again; once it is mended, everything is as if it had never been.
    if let Some(wrong) = said(&scene.ctwa("run", &[])) {
        return Some(format!("the next night: {wrong}"));
    }
    scene.mend();
    let ran = scene.ctwa("run", &[]);
    if ran.code != 0 {
        return Some(format!("exit {} after the mend\n{}", ran.code, ran.stderr));
    }
    let differences = rows::differences(good, &scene.published());
    (!differences.is_empty()).then(|| format!("after the mend:\n{differences}"))
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).expect("the partition is there");
    fs::write(path, &bytes[..bytes.len() / 2]).expect("the partition is written");
}

/// Puts a byte that UTF-8 never holds into a text of a file, wherever it stands.
pub fn spoil(path: &Path, text: &str) {
    let mut bytes = fs::read(path).expect("the partition is there");
    let places: Vec<usize> =
        bytes.windows(text.len()).enumerate().filter(|(_, window)| *window == text.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "{text} stands in the file as it is");
    places.into_iter().for_each(|at| bytes[at] = 0xff);
    fs::write(path, bytes).expect("the partition is written");
}

#[test]
fn files_that_cannot_be_read_keep_back_their_day() {
    const OBJECT: &str = "messages/date=2026-03-03/part-0.parquet";
    check_faults(&[
        Fault {
            name: "a file that is no Parquet",
            lay: |scene| fs::write(scene.file("messages", FAULTY), "bot_id,message_id\nshop,m1\n").expect("it is written"),
            code: 6,
            says: &[
                "table messages",
                "day 2026-03-03",
                OBJECT,
                "not readable Parquet",
                "write the file again, whole and not encrypted, or remove it",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "an empty file",
            lay: |scene| fs::write(scene.file("events", FAULTY), "").expect("it is written"),
            code: 6,
            says: &["table events", "day 2026-03-03", "events/date=2026-03-03/part-0.parquet", "not readable Parquet"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "truncated Parquet",
            lay: |scene| truncate(&scene.file("messages", FAULTY)),
            code: 6,
            says: &[
                "table messages",
                "day 2026-03-03",
                OBJECT,
                "not readable Parquet",
                "write the file again, whole and not encrypted, or remove it",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "one bad file beside a good one",
            lay: |scene| fs::write(scene.folder("messages", FAULTY).join("part-1.parquet"), "PAR1").expect("it is written"),
            code: 6,
            says: &["table messages", "day 2026-03-03", "messages/date=2026-03-03/part-1.parquet"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "truncated insights",
            lay: |scene| truncate(&scene.file("insights", FAULTY)),
            code: 6,
            says: &["table insights", "day 2026-03-03", "insights/date=2026-03-03/part-0.parquet", "write the file again"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "invalid UTF-8 in a column that is tested first",
            lay: |scene| {
                scene.land_texts("messages", "ad_id", |_, _| Some("ad-to-be-spoilt".into()));
                spoil(&scene.file("messages", FAULTY), "ad-to-be-spoilt");
            },
            code: 6,
            says: &["table messages", "day 2026-03-03", OBJECT, "column ad_id", "unreadable_id: 4", "write texts in UTF-8"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "invalid UTF-8 in insights",
            lay: |scene| spoil(&scene.file("insights", FAULTY), "MXN"),
            code: 6,
            says: &["table insights", "day 2026-03-03", "insights/date=2026-03-03/part-0.parquet", "column currency", "UTF"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "invalid UTF-8 in a column that is not read",
            lay: |scene| spoil(&scene.file("messages", FAULTY), "hello"),
            code: 0,
            says: &[],
            keeps_back: &[],
        },
    ]);
}

#[test]
fn columns_that_break_the_contract_keep_back_their_day() {
    check_faults(&[
        Fault {
            name: "a required column is missing",
            lay: |scene| scene.land_without("messages", "ad_id"),
            code: 6,
            says: &[
                "required column ad_id is missing",
                "table messages",
                "day 2026-03-03",
                "object messages/date=2026-03-03/part-0.parquet",
                "columns it has bot_id, message_id, contact_id, sent_at, direction, ad_type, ad_title, ctwa_clid, content",
                "name its column in [inputs.messages.columns]: ad_id = ",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "a required column of events is missing",
            lay: |scene| scene.land_without("events", "category"),
            code: 6,
            says: &[
                "required column category is missing",
                "table events",
                "day 2026-03-03",
                "columns it has action, bot_id, contact_id, occurred_at, event_id",
                "[inputs.events.columns]",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "a required column of insights is missing",
            lay: |scene| scene.land_without("insights", "currency"),
            code: 6,
            says: &[
                "required column currency is missing",
                "table insights",
                "day 2026-03-03",
                "object insights/date=2026-03-03/part-0.parquet",
                "columns it has account_id, ad_id, spend,",
                "[insights.columns]: currency = \"...\"",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "ad_id as float",
            lay: |scene| scene.land_with("messages", "ad_id", Arc::new(Float64Array::from(vec![1.2e17; 4]))),
            code: 6,
            says: &["ad_id is Float64", "text", "table messages", "day 2026-03-03", "column ad_id", "cast it to text"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "ad_id of insights as float",
            lay: |scene| scene.land_with("insights", "ad_id", Arc::new(Float64Array::from(vec![7.0, 8.0]))),
            code: 6,
            says: &["ad_id is Float64", "text", "table insights", "day 2026-03-03", "column ad_id", "cast it to text"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "time as float",
            lay: |scene| scene.land_with("messages", "sent_at", Arc::new(Float64Array::from(vec![1.77e9; 4]))),
            code: 6,
            says: &[
                "sent_at is Float64",
                "timestamp",
                "table messages",
                "day 2026-03-03",
                "column sent_at",
                "integer with a unit",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "integer time without a unit",
            lay: |scene| scene.land_with("events", "occurred_at", Arc::new(Int64Array::from(vec![1_772_500_000; 3]))),
            code: 6,
            says: &[
                "occurred_at is Int64",
                "table events",
                "day 2026-03-03",
                "column occurred_at",
                "occurred_at = { column = \"occurred_at\", unit = \"s\" }",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "spend as float",
            lay: |scene| scene.land_with("insights", "spend", Arc::new(Float64Array::from(vec![10.5, 0.1]))),
            code: 6,
            says: &["spend is Float64", "table insights", "day 2026-03-03", "column spend", "CAST(spend AS DECIMAL(18,6))"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "spend as text with too many digits",
            lay: |scene| scene.land_with("insights", "spend", strings([Some("10.5"), Some("0.1234567")].into_iter())),
            code: 6,
            says: &["0.1234567", "more digits than decimal(18,6)", "table insights", "day 2026-03-03", "ad B", "never rounded"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "spend as decimal with too many digits",
            lay: |scene| {
                let spend = Decimal128Array::from(vec![105_000_000, 1_234_567]).with_precision_and_scale(30, 7);
                scene.land_with("insights", "spend", Arc::new(spend.expect("decimal(30,7) is a type")));
            },
            code: 6,
            says: &["0.1234567", "more digits than decimal(18,6)", "table insights", "day 2026-03-03", "ad B", "never rounded"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "spend that is no amount",
            lay: |scene| scene.land_with("insights", "spend", strings([Some("10,50"), Some("1")].into_iter())),
            code: 6,
            says: &[
                "\"10,50\" is not an amount",
                "table insights",
                "day 2026-03-03",
                "account act_1",
                "ad A",
                "as Meta sends it",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "spend that is null",
            lay: |scene| scene.land_with("insights", "spend", strings([Some("10.5"), None].into_iter())),
            code: 6,
            says: &["spend is null", "table insights", "day 2026-03-03", "account act_2", "ad B", "remove the row"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "a count that would not add up",
            lay: |scene| scene.land_with("insights", "impressions", Arc::new(Int64Array::from(vec![100, i64::MAX - 1]))),
            code: 6,
            says: &[
                "impressions 9223372036854775806 is more than 1000000000000",
                "table insights",
                "day 2026-03-03",
                "column impressions",
                "account act_2",
                "ad B",
                "look at the loader",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "a negative count",
            lay: |scene| scene.land_with("insights", "impressions", Arc::new(Int64Array::from(vec![-1, 100]))),
            code: 6,
            says: &["impressions \"-1\" is not a count", "table insights", "day 2026-03-03", "column impressions", "ad A"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "a count that is no count",
            lay: |scene| scene.land_with("insights", "impressions", strings([Some("100"), Some("many")].into_iter())),
            code: 6,
            says: &["impressions \"many\" is not a count", "table insights", "day 2026-03-03", "column impressions", "ad B"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "two insights rows for one key",
            lay: |scene| {
                scene.land_with("insights", "ad_id", strings([Some("A"), Some("A")].into_iter()));
                let mut columns = scene.columns("insights");
                columns[0].1 = strings([Some("act_1"), Some("1")].into_iter());
                columns[1].1 = strings([Some("A"), Some("A")].into_iter());
                columns[2].1 = strings([Some("BRL"), Some("BRL")].into_iter());
                columns[3].1 = strings([Some("10.5"), Some("7")].into_iter());
                scene.land("insights", columns);
            },
            code: 6,
            says: &[
                "several rows for one account, ad and day",
                "table insights",
                "day 2026-03-03",
                "account act_1",
                "ad A",
                "append mode",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "a currency that changes within an account, from one day to another",
            lay: |scene| scene.land_texts("insights", "currency", |row, _| Some(["BRL", "USD"][row].into())),
            code: 6,
            says: &["act_2", "MXN", "2026-03-01", "USD", "table insights", "day 2026-03-03", "one currency"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "an ad in two accounts",
            lay: |scene| scene.land_texts("insights", "ad_id", |_, _| Some("A".into())),
            code: 6,
            says: &[
                "ad A has rows of two accounts",
                "act_1",
                "act_2",
                "table insights",
                "day 2026-03-03",
                "belongs to one account",
            ],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "a blank ad id in insights",
            lay: |scene| scene.land_texts("insights", "ad_id", |_, _| Some(" ".into())),
            code: 6,
            says: &["ad_id is blank", "table insights", "day 2026-03-03", "fill it, or remove the row"],
            keeps_back: &[FAULTY],
        },
    ]);
}

#[test]
fn too_many_rejected_rows_keep_back_their_day() {
    let above: &[&str] =
        &["more than the limit of 0.5", "table messages", "day 2026-03-03", "under rejected/", "max_rejected_share"];
    // In two rows of four, three of which could be touches.
    let faults = [
        ("no_contact: 2", "contact_id", None),
        ("no_contact: 2", "contact_id", Some(" ")),
        ("no_message_id: 2", "message_id", Some("")),
        ("no_bot: 2", "bot_id", Some("\t")),
        ("unknown_direction: 2", "direction", Some("inbound")),
        ("unreadable_time: 2", "sent_at", Some("3 March")),
        ("no_time: 2", "sent_at", Some(" ")),
    ];
    for (reason, column, value) in faults {
        let name = format!("{column} {value:?}");
        let scene = Scene::new();
        assert_eq!(scene.ctwa("run", &[]).code, 0);
        let before = scene.objects();
        let (table, good) = ("messages", "2026-03-03T12:00:00Z");
        match column {
            "sent_at" => scene.land_with(table, column, strings([value, value, Some(good), Some(good)].into_iter())),
            _ => scene.land_texts(table, column, |row, cell| (if row < 2 { value } else { cell }).map(str::to_owned)),
        }
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 6, "{name}: {}", ran.stderr);
        for text in above.iter().chain([&reason]) {
            assert!(ran.stderr.contains(text), "{name}: stderr lacks {text:?}\n{}", ran.stderr);
        }
        let after = scene.objects();
        assert_eq!(lake::unequal_objects(&objects_of(&before, FAULTY), &objects_of(&after, FAULTY)), [""; 0], "{name}");
        let reasons = &scene.rejected("messages")["reason"];
        assert_eq!(reasons.len(), 2, "{name}: the rejected rows of a refused partition are there to be looked at");
        assert!(reasons.iter().flatten().all(|found| reason.starts_with(&format!("{found}:"))), "{name}: {reasons:?}");
    }
}

#[test]
fn times_of_1970_and_2200_are_rejected_with_their_reason() {
    let (epoch, far) = (HOUR, noon("2200-01-01"));
    for (column, table) in [("sent_at", "messages"), ("occurred_at", "events")] {
        let scene = Scene::new();
        let good = noon(FAULTY);
        let rows = if table == "messages" { vec![epoch, good, good, good] } else { vec![far, good, good] };
        scene.land_with(table, column, times(&rows));
        let (code, report) = scene.json("run", &[]);
        assert_eq!(code, 0, "{report:#}");
        assert_eq!(report["rejected_rows"][table]["absurd_time"], 1, "{report:#}");
        let rejected = scene.rejected(table);
        assert_eq!(rejected["reason"], [Some("absurd_time".to_owned())]);
        let time = if table == "messages" { "1970-01-01T01:00:00Z" } else { "2200-01-01T12:00:00Z" };
        assert_eq!(rejected[column], [Some(time.to_owned())]);
        assert_eq!(scene.published().bot_days[&date(FAULTY)].iter().map(|row| row.rejected_rows).sum::<i64>(), 1);
    }
    // Above the limit the partition is refused.
    let scene = Scene::new();
    scene.land_with("messages", "sent_at", times(&[epoch, far, noon(FAULTY), noon(FAULTY)]));
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stderr.contains("absurd_time: 2"), "{}", ran.stderr);
}

#[test]
fn a_share_of_rejected_rows_below_the_limit_is_set_aside() {
    let scene = Scene::new();
    scene.land_texts("messages", "contact_id", |row, cell| cell.map(str::to_owned).filter(|_| row != 1));
    let (code, report) = scene.json("run", &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["rejected_rows"], serde_json::json!({"messages": {"no_contact": 1}}));
    let rejected = scene.rejected("messages");
    assert_eq!(rejected["reason"], [Some("no_contact".to_owned())]);
    assert_eq!(rejected["message_id"], [Some("m-2-bia".to_owned())]);
    assert_eq!(rejected["contact_id"], [None]);
    let published = scene.published();
    let day = &published.bot_days[&date(FAULTY)];
    assert_eq!(day.iter().map(|row| (row.touches, row.rejected_rows)).collect::<Vec<_>>(), [(0, 0), (2, 1)]);

    // The same rows pass or fail by the limit alone; mended rows leave nothing behind.
    scene.edit("max_rejected_share = 0.5", "max_rejected_share = 0.3");
    assert_eq!(scene.ctwa("run", &[]).code, 6);
    scene.land("messages", scene.columns("messages"));
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert!(!scene.lake.output.join(format!("rejected/messages/date={FAULTY}")).exists());
}

/// The partitions that a run would read, and why.
fn to_read(scene: &Scene, expected: i32) -> Vec<String> {
    let (code, plan) = scene.json("plan", &[]);
    assert_eq!(code, expected, "{plan:#}");
    let text = |step: &serde_json::Value, name: &str| step[name].as_str().expect("a text").to_owned();
    let steps = plan["partitions"].as_array().expect("a list").iter();
    steps.map(|step| format!("{} {}: {}", text(step, "table"), text(step, "day"), text(step, "reason"))).collect()
}

#[test]
fn another_share_reads_only_what_it_judges_otherwise() {
    let scene = Scene::new();
    let share = |from: &str, to: &str| scene.edit(&format!("max_rejected_share = {from}"), &format!("max_rejected_share = {to}"));
    // One row of the three that could be touches.
    scene.land_texts("messages", "contact_id", |row, cell| cell.map(str::to_owned).filter(|_| row != 1));
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let accepted = scene.objects();

    share("0.5", "0.4");
    assert_eq!(to_read(&scene, 0), [""; 0], "it is accepted as before");
    assert_eq!(scene.ctwa("plan", &["--check"]).code, 0);
    share("0.4", "0.3");
    assert_eq!(to_read(&scene, 6), ["messages 2026-03-03: more rejected rows than max_rejected_share allows"]);
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stderr.contains("more than the limit of 0.3"), "{}", ran.stderr);
    share("0.3", "0.2");
    assert_eq!(
        to_read(&scene, 6),
        ["messages 2026-03-03: more rejected rows than max_rejected_share allows"],
        "nothing but what is refused"
    );
    share("0.2", "0.9");
    assert_eq!(to_read(&scene, 0), [""; 0], "it is as it was read when it was accepted");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert_eq!(lake::unequal_objects(&accepted, &scene.objects()), [""; 0]);
    assert_eq!(to_read(&scene, 0), [""; 0]);
}

/// Receipts of version 0.1.0 hold the share among the settings.
#[test]
fn receipts_of_the_version_before_are_as_good_as_those_of_now() {
    // As that version wrote them under the scene's settings.
    const OF_0_1_0: [(&str, &str); 2] =
        [("messages", "e73924d04c70bc379a264cf25b576522"), ("events", "35c59f0e3b7c63638a2846376b8e9bea")];
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let receipts = |table: &str| scene.lake.output.join(format!("work/receipts/{table}/2026-03.json"));
    let digests = |table: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(receipts(table)).expect("receipts are kept");
        let months: serde_json::Value = serde_json::from_str(&text).expect("they are JSON");
        let of = |receipt: &serde_json::Value| receipt["settings"].as_str().expect("a digest").to_owned();
        months.as_object().expect("receipts by day").values().map(of).collect()
    };
    let now = ["messages", "events"].map(digests);
    for ((table, old), now) in OF_0_1_0.into_iter().zip(&now) {
        let [now] = &now.iter().collect::<Vec<_>>()[..] else { panic!("{table}: all are read under one setting: {now:?}") };
        let text = fs::read_to_string(receipts(table)).expect("receipts are kept");
        fs::write(receipts(table), text.replace(now.as_str(), old)).expect("they are written");
    }
    assert_eq!(to_read(&scene, 0), [""; 0]);
    assert_eq!(scene.ctwa("plan", &["--check"]).code, 0, "nothing is stale");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    for (table, old) in OF_0_1_0 {
        assert!(digests(table).contains(old), "an idle run writes nothing");
    }
    // A run with something to do renews them, so that another share later on reads nothing.
    scene.land_texts("messages", "ad_title", |_, cell| cell.map(|title| format!("{title}!")));
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert_eq!(["messages", "events"].map(digests), now);
    scene.edit("max_rejected_share = 0.5", "max_rejected_share = 0.6");
    assert_eq!(to_read(&scene, 0), [""; 0]);
}

#[test]
fn an_event_without_contact_is_counted_and_not_rejected() {
    let scene = Scene::new();
    scene.land_texts("events", "contact_id", |row, cell| cell.map(str::to_owned).filter(|_| row == 0));
    let (code, report) = scene.json("run", &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["rejected_rows"], serde_json::json!({}));
    let published = scene.published();
    let day = published.bot_days[&date(FAULTY)].iter().find(|row| row.bot_id == "shop").expect("the bot has a row");
    assert_eq!((day.conversion_events, day.events_without_contact), (Some(1), Some(2)));
}

#[test]
fn rows_of_unknown_bots_are_listed_and_not_fatal() {
    let scene = Scene::new();
    scene.land_texts("messages", "bot_id", |row, cell| if row == 0 { Some("stranger".into()) } else { cell.map(str::to_owned) });
    scene.land_texts("events", "bot_id", |row, cell| if row < 2 { Some("other".into()) } else { cell.map(str::to_owned) });
    let (code, report) = scene.json("run", &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["out_of_scope_rows"], serde_json::json!({"stranger": 1, "other": 2}));
    let said = scene.ctwa("run", &[]).stdout;
    assert!(said.contains("stranger (1 row)"), "{said}");
}

#[test]
fn an_optional_column_that_is_missing_is_a_warning() {
    for (table, column) in [
        ("messages", "direction"),
        ("messages", "ctwa_clid"),
        ("messages", "ad_type"),
        ("messages", "ad_title"),
        ("events", "event_id"),
    ] {
        let scene = Scene::new();
        scene.land_without(table, column);
        let (code, report) = scene.json("run", &[]);
        assert_eq!(code, 0, "{report:#}");
        let warnings = report["warnings"].to_string();
        assert!(warnings.contains(table) && warnings.contains(column) && warnings.contains("NULL"), "{warnings}");
        assert_eq!(scene.published().bot_days.len(), DAYS.len());
    }
}

// --------------------------------------------------------------------------------------------------- folders and days

#[test]
fn a_partition_of_zero_rows_has_landed() {
    let scene = Scene::new();
    for table in ["messages", "events", "insights"] {
        let empty = scene.columns(table).into_iter().map(|(name, array)| (name, array.slice(0, 0))).collect();
        scene.land(table, empty);
    }
    let (code, report) = scene.json("run", &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["days"].as_array().map(Vec::len), Some(4));
    assert_eq!(report["days_incomplete"], 0);
    let published = scene.published();
    assert_eq!(published.bot_days[&date(FAULTY)].iter().map(|row| row.touches).sum::<i64>(), 0);
}

#[test]
fn a_hole_between_landed_days_is_not_ready_and_keeps_back_its_day() {
    check_faults(&[
        Fault {
            name: "a partition between landed ones is missing",
            lay: |scene| fs::remove_dir_all(scene.folder("events", FAULTY)).expect("the folder goes"),
            code: 3,
            says: &["has not landed", "table events", "day 2026-03-03", "name the day in allow_missing"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "an empty partition folder has not landed",
            lay: |scene| fs::remove_file(scene.file("messages", FAULTY)).expect("the file goes"),
            code: 3,
            says: &["has not landed", "table messages", "day 2026-03-03", "name the day in allow_missing"],
            keeps_back: &[FAULTY],
        },
        Fault {
            name: "files that are still being written have not landed",
            lay: |scene| {
                let folder = scene.folder("messages", FAULTY);
                fs::rename(folder.join("part-0.parquet"), folder.join("_part-0.parquet")).expect("the file is renamed");
            },
            code: 3,
            says: &["has not landed", "table messages", "day 2026-03-03"],
            keeps_back: &[FAULTY],
        },
    ]);
    let scene = Scene::new();
    fs::remove_dir_all(scene.folder("insights", FAULTY)).expect("the folder goes");
    assert_eq!(scene.ctwa("run", &[]).code, 0, "missing insights are never 3");

    let scene = Scene::new();
    fs::remove_dir_all(scene.folder("events", FAULTY)).expect("the folder goes");
    scene.edit("path = \"events\"", &format!("path = \"events\"\nallow_missing = [\"{FAULTY}\"]"));
    let (code, report) = scene.json("run", &[]);
    assert_eq!((code, report["days"].as_array().map(Vec::len)), (0, Some(4)), "a day that will never come: {report:#}");
}

#[test]
fn a_marker_says_when_a_day_has_landed() {
    let scene = Scene::new();
    scene.edit("path = \"messages\"", "path = \"messages\"\nmarker = \"_SUCCESS\"");
    for day in [DAYS[0], DAYS[1], DAYS[3]] {
        fs::write(scene.folder("messages", day).join("_SUCCESS"), "").expect("the marker is written");
    }
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("table messages") && ran.stderr.contains("day 2026-03-03"), "{}", ran.stderr);
    fs::write(scene.folder("messages", FAULTY).join("_SUCCESS"), "").expect("the marker is written");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
}

/// Commands that end before anything is done: nothing is written.
#[test]
fn a_lake_that_is_not_there_is_named() {
    type Case = (&'static str, fn(&Scene), i32, &'static [&'static str]);
    let cases: [Case; 6] = [
        (
            "no lake folder",
            |scene| fs::remove_dir_all(scene.lake.dir.join("lake")).expect("it goes"),
            2,
            &["lake does not exist", "correct the url of the lake"],
        ),
        (
            "the lake is a file",
            |scene| {
                fs::remove_dir_all(scene.lake.dir.join("lake")).expect("it goes");
                fs::write(scene.lake.dir.join("lake"), "").expect("it is written");
            },
            2,
            &["lake is a file", "correct the url"],
        ),
        (
            "an empty lake",
            |scene| {
                fs::remove_dir_all(scene.lake.dir.join("lake")).expect("it goes");
                fs::create_dir(scene.lake.dir.join("lake")).expect("it is made");
            },
            3,
            &["no partition has landed in messages/", "date=YYYY-MM-DD", "correct the path"],
        ),
        (
            "no messages",
            |scene| fs::remove_dir_all(scene.lake.dir.join("lake/messages")).expect("it goes"),
            3,
            &["no partition has landed in messages/", "lake/messages", "correct the path in the pipeline file"],
        ),
        (
            "no events",
            |scene| fs::remove_dir_all(scene.lake.dir.join("lake/events")).expect("it goes"),
            3,
            &["no partition has landed in events/", "lake/events", "correct the path in the pipeline file"],
        ),
        (
            "no identities",
            |scene| scene.edit("[insights]", "[inputs.identities]\n\n[insights]"),
            3,
            &["table identities", "folder identities", "land it, or remove [inputs.identities]"],
        ),
    ];
    for (name, lay, code, says) in cases {
        let scene = Scene::new();
        lay(&scene);
        for command in ["run", "plan", "check"] {
            let ran = scene.ctwa(command, &[]);
            assert_eq!(ran.code, code, "{name}, {command}: {}{}", ran.stdout, ran.stderr);
            let said = if command == "check" { &ran.stdout } else { &ran.stderr };
            for text in says {
                assert!(said.contains(text), "{name}, {command}: it does not say {text:?}\n{said}");
            }
            assert!(!scene.lake.output.join("bot_days").exists(), "{name}: nothing is published");
        }
    }
}

/// A loop and a conflict cost their contacts only: they are set aside, named, and forgotten when they are mended.
#[test]
fn aliases_that_contradict_each_other_are_set_aside() {
    let scene = Scene::new();
    scene.identities(&[
        (None, "x", "y"),
        (Some("shop"), "y", "x"),
        (None, "a", "b"),
        (Some("shop-sales"), "a", "c"),
        (Some("shop"), "a", "d"),
    ]);
    let rejected = scene.lake.output.join("rejected/identities/rejected.parquet");
    for _ in 0..2 {
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let says = "3 aliases are set aside (1 with two targets, 2 in loops)";
        assert!(ran.stdout.contains(says), "also by a run that has nothing to do: {}", ran.stdout);
        let cells = scene.cells("rejected/identities/rejected.parquet");
        let cell = |name: &str, row: usize| cells[name][row].clone().unwrap_or_default();
        let row = |row: usize| ["reason", "bot_id", "alias", "contact_id"].map(|name| cell(name, row)).join(" ");
        let rows: Vec<String> = (0..cells["reason"].len()).map(row).collect();
        assert_eq!(rows, ["loop shop x y", "loop shop y x", "two_targets shop a c", "two_targets shop a d"]);
    }
    let checked = scene.ctwa("check", &[]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let said = checked.stdout + &checked.stderr;
    for says in ["3 aliases are set aside", "\"x\" -> \"y\" (loop)"] {
        assert!(said.contains(says), "{said}");
    }
    let columns = identity_columns(&[(None, "x", "y")]);
    lake::write_file(&scene.lake.dir.join("lake/identities/part-0.parquet"), columns, &Form::default());
    let ran = scene.ctwa("run", &[]);
    assert!(ran.code == 0 && !ran.stdout.contains("set aside") && !rejected.exists(), "{}", ran.stdout);
}

#[test]
fn identities_that_break_the_contract_stop_the_run() {
    let looped = |i: usize| [(None, format!("x{i}"), format!("y{i}")), (None, format!("y{i}"), format!("x{i}"))];
    let loops: Vec<(Option<&str>, String, String)> = (0..6).flat_map(looped).collect();
    let loops: Vec<(Option<&str>, &str, &str)> = loops.iter().map(|(bot, x, y)| (*bot, x.as_str(), y.as_str())).collect();
    type Case<'c> = (&'c str, &'c [(Option<&'c str>, &'c str, &'c str)], &'c [&'c str]);
    let cases: [Case<'_>; 1] = [(
        "too many aliases in loops",
        &loops,
        &[
            "12 of 12 aliases have two targets or stand in loops",
            "limit of 0.5",
            "loop: 12",
            "\"x0\" -> \"y0\"",
            "table identities",
            "keep one row",
        ],
    )];
    for (name, identities, says) in cases {
        let scene = Scene::new();
        assert_eq!(scene.ctwa("run", &[]).code, 0);
        let before = scene.objects();
        scene.identities(identities);
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 6, "{name}: {}", ran.stderr);
        for text in says {
            assert!(ran.stderr.contains(text), "{name}: stderr lacks {text:?}\n{}", ran.stderr);
        }
        assert_eq!(lake::unequal_objects(&before, &scene.objects()), [""; 0], "{name}");
    }
    let scene = Scene::new();
    scene.identities(&[(None, "x", " "), (None, "p", "q")]);
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 0, "a row without a contact costs itself: {}", ran.stderr);
    assert!(
        ran.stdout.contains("1 aliases are set aside (0 with two targets, 0 in loops, 1 with what is no id)"),
        "{}",
        ran.stdout
    );

    let scene = Scene::new();
    scene.identities(&[(None, "x", "y"), (Some("shop"), "x", "z"), (None, "y", "y"), (None, "x", "y")]);
    assert_eq!(scene.ctwa("run", &[]).code, 0, "a row for the bot beats one for all, and a row may stand twice");

    let scene = Scene::new();
    scene.edit("[insights]", "[inputs.identities]\n\n[insights]");
    let columns: Columns = vec![("alias", strings([Some("x")].into_iter())), ("contact_id", strings([Some("y")].into_iter()))];
    lake::write_file(&scene.lake.dir.join("lake/identities/part-0.parquet"), columns, &Form::default());
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    for text in ["required column bot_id is missing", "columns it has alias, contact_id", "identities/part-0.parquet"] {
        assert!(ran.stderr.contains(text), "stderr lacks {text:?}\n{}", ran.stderr);
    }
}

/// `tests/files/checksums-*.parquet` is the faulty day's messages as pyarrow writes them with `write_page_checksum`, in either version
/// of data pages.
#[test]
fn a_page_that_is_not_what_its_checksum_says_is_refused() {
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    for version in ["v1", "v2"] {
        let whole = std::fs::read(files.join(format!("checksums-{version}.parquet"))).expect("the file is there");
        let scene = Scene::new();
        let path = scene.file("messages", FAULTY);
        std::fs::write(&path, &whole).expect("it is written");
        let ran = scene.ctwa("run", &[]);
        assert_eq!(ran.code, 0, "{version}: {}", ran.stderr);

        // A contact is another, and a message another's.
        let at = whole.windows(5).position(|five| five == b"bia-2").expect("a contact");
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&path, flipped).expect("it is written");
        for command in ["check", "run"] {
            let ran = scene.ctwa(command, &[]);
            let whole = format!("{}{}", ran.stdout, ran.stderr);
            assert_eq!(ran.code, 6, "{version}, {command}: {whole}");
            for says in
                ["not readable Parquet", "column contact_id", "messages/date=2026-03-03/part-0.parquet", "checksum mismatch"]
            {
                assert!(whole.contains(says), "{version}, {command}: {says} is not in {whole}");
            }
        }
    }
}

//! Wrong pipeline files and wrong lakes, one fault each on a lake that is right: what `run` refuses, `check` refuses with the same exit
//! code and by the same name, and where `run` counts nothing, `check` warns. `check` leaves nothing behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    ArrayRef, AsArray as _, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::TimestampMicrosecondType;

use crate::lake::{self, Form, strings};
use crate::scene::{DAYS, FAULTY, HOUR, Scene, date, identity_columns, noon, times, world};
use crate::world::World;

/// What is due of both commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    /// A run exits with another code than 0.
    Refused,
    /// A run is done, and counts no touch or no conversion.
    Nothing,
    /// A run is done, and counts what it can.
    Warned,
}
use Due::{Nothing, Refused, Warned};

/// Name, what is wrong, what is due, and what is said of it: where a run refuses it, by both, else as a warning of `check`.
type Wrong = (&'static str, fn(&Scene), Due, &'static [&'static str]);

fn edit(scene: &Scene, from: &str, to: &str) {
    scene.edit(from, to);
}

/// Lands another world in the place of the lake, and keeps the pipeline file.
fn anew(scene: &Scene, change: impl FnOnce(&mut World)) {
    let text = fs::read_to_string(&scene.lake.pipeline).expect("the pipeline file is there");
    let mut changed = world();
    change(&mut changed);
    fs::remove_dir_all(scene.lake.dir.join("lake")).expect("it goes");
    lake::write(&changed, &Form::default(), &scene.lake.dir);
    scene.pipeline(&text);
}

fn map(scene: &Scene, table: &str, lines: &str) {
    let path = format!("path = \"{table}\"\n");
    scene.edit(&path, &format!("{path}[inputs.{table}.columns]\n{lines}\n"));
}

fn write(path: impl AsRef<Path>, text: &str) {
    fs::create_dir_all(path.as_ref().parent().expect("a folder")).expect("it is made");
    fs::write(path, text).expect("it is written");
}

fn rename_days(scene: &Scene, table: &str, name: impl Fn(&str) -> String) {
    for day in DAYS {
        let to = scene.lake.dir.join("lake").join(table).join(name(day));
        fs::create_dir_all(to.parent().expect("a folder")).expect("it is made");
        fs::rename(scene.folder(table, day), to).expect("it is renamed");
    }
}

fn halve(path: PathBuf) {
    let bytes = fs::read(&path).expect("the file is there");
    fs::write(path, &bytes[..bytes.len() / 2]).expect("it is written");
}

fn gone(path: PathBuf) {
    fs::remove_dir_all(path).expect("it goes");
}

/// Puts whole numbers in the place of the times of the faulty day.
fn numbers(scene: &Scene, table: &str, column: &str, divide: i64) {
    let columns = scene.columns(table);
    let (_, stored) = columns.iter().find(|(name, _)| *name == column).expect("the column");
    let numbers = stored.as_primitive::<TimestampMicrosecondType>().iter().map(|at| at.map(|at| at / divide));
    scene.land_with(table, column, Arc::new(numbers.collect::<Int64Array>()));
}

fn no_texts(rows: usize) -> ArrayRef {
    Arc::new(StringArray::from(vec![None::<&str>; rows]))
}

/// Insights of the faulty day with other columns.
fn insights(scene: &Scene, column: &str, array: ArrayRef) {
    scene.land_with("insights", column, array);
}

const BOT: &str = "id = \"shop\"\nmembers = [\"shop-sales\"]";
const PURCHASE: &str = "category = \"purchase\"\neffective_at = \"2026-02-01T00:00:00Z\"";

/// What can be seen in the pipeline file alone.
const FILES: &[Wrong] = &[
    ("a key that nobody knows", |s| edit(s, "path = \"messages\"", "pth = \"messages\""), Refused, &["pth", "path"]),
    ("a section that nobody knows", |s| edit(s, "[quality]", "[qualities]"), Refused, &["qualities", "quality"]),
    ("no TOML", |s| edit(s, "[quality]", "[quality"), Refused, &["pipeline.toml"]),
    (
        "a zone that is none",
        |s| edit(s, "members = [\"shop-sales\"]\ntimezone = \"UTC\"", "timezone = \"America/Sao_Paolo\""),
        Refused,
        &["America/Sao_Paolo", "America/Sao_Paulo"],
    ),
    (
        "a time without an offset",
        |s| edit(s, "2026-02-01T00:00:00Z", "2026-02-01T00:00:00"),
        Refused,
        &["is not a time with an offset"],
    ),
    ("settings in disorder", |s| edit(s, "2026-06-01", "2025-06-01"), Refused, &["not in order of effective_at"]),
    ("an account that is none", |s| edit(s, "\"act_1\"", "\"act_one\""), Refused, &["is not an ad account"]),
    ("a bot twice", |s| edit(s, "id = \"loja\"", "id = \"shop\""), Refused, &["shop"]),
    ("a column of no contract", |s| map(s, "messages", "conatct_id = \"x\""), Refused, &["conatct_id", "contact_id"]),
    (
        "a word of no contract",
        |s| map(s, "messages", "direction = { column = \"direction\", values = { recieved = [\"in\"] } }"),
        Refused,
        &["recieved", "received"],
    ),
    ("a unit that is none", |s| map(s, "messages", "sent_at = { column = \"sent_at\", unit = \"sec\" }"), Refused, &["sec"]),
    (
        "a pattern that names no day",
        |s| edit(s, "path = \"messages\"", "path = \"messages\"\npartition = \"day={dat}\""),
        Refused,
        &["dat"],
    ),
    (
        "an arrival zone that is none",
        |s| edit(s, "path = \"events\"", "path = \"events\"\npartition_zone = \"Brasilia\""),
        Refused,
        &["Brasilia"],
    ),
    ("a share above one", |s| edit(s, "max_rejected_share = 0.5", "max_rejected_share = 2"), Refused, &["max_rejected_share"]),
    ("no horizon", |s| edit(s, "[quality]", "[attribution]\nwindow_days = 0\n\n[quality]"), Refused, &["window_days is 0"]),
    (
        "a form that nobody knows",
        |s| edit(s, "[quality]", "[identity]\nforms = [\"ninth-digit\"]\n\n[quality]"),
        Refused,
        &["ninth-digit", "br-ninth-digit"],
    ),
    (
        "a source that is none",
        |s| edit(s, "source = \"landed\"", "source = \"meta\""),
        Refused,
        &["insights source \"meta\" is not known"],
    ),
    (
        "the output in a table of the lake",
        |s| edit(s, "url = \"out\"", "url = \"lake/messages/out\""),
        Refused,
        &["lake/messages"],
    ),
    ("a store that nobody knows", |s| edit(s, "url = \"lake\"", "url = \"ftp://lake\""), Refused, &["ftp"]),
];

/// What can be seen in folders.
const FOLDERS: &[Wrong] = &[
    ("no lake", |s| gone(s.lake.dir.join("lake")), Refused, &["does not exist"]),
    (
        "the lake is a file",
        |s| {
            gone(s.lake.dir.join("lake"));
            write(s.lake.dir.join("lake"), "");
        },
        Refused,
        &["is a file"],
    ),
    (
        "an empty lake",
        |s| {
            gone(s.lake.dir.join("lake"));
            fs::create_dir(s.lake.dir.join("lake")).expect("made");
        },
        Refused,
        &["no partition has landed in messages/"],
    ),
    (
        "a wrong path of messages",
        |s| edit(s, "path = \"messages\"", "path = \"mesages\""),
        Refused,
        &["no partition has landed in mesages/"],
    ),
    (
        "a wrong path of events",
        |s| edit(s, "path = \"events\"", "path = \"event\""),
        Refused,
        &["no partition has landed in event/"],
    ),
    (
        "a wrong path of aliases",
        |s| edit(s, "[insights]", "[inputs.identities]\npath = \"aliases\"\n\n[insights]"),
        Refused,
        &["table identities"],
    ),
    (
        "a wrong path of insights",
        |s| edit(s, "source = \"landed\"", "source = \"landed\"\npath = \"insight\""),
        Warned,
        &["no partition has landed", "insight/"],
    ),
    ("another key of days", |s| rename_days(s, "messages", |day| format!("dt={day}")), Refused, &["dt={date}"]),
    (
        "days in three folders",
        |s| rename_days(s, "events", |day| format!("year={}/month={}/day={}", &day[..4], &day[5..7], &day[8..])),
        Refused,
        &["year={yyyy}/month={mm}/day={dd}"],
    ),
    ("a Hudi table", |s| write(s.lake.dir.join("lake/messages/.hoodie/hoodie.properties"), "x=1"), Refused, &["Hudi"]),
    ("an Iceberg table", |s| write(s.lake.dir.join("lake/events/metadata/v1.metadata.json"), "{}"), Refused, &["Iceberg"]),
    ("a hole in messages", |s| gone(s.folder("messages", DAYS[1])), Refused, &["has not landed", "table messages", "2026-03-02"]),
    ("a hole in events", |s| gone(s.folder("events", DAYS[2])), Refused, &["has not landed", "table events", "2026-03-03"]),
    (
        "an empty folder",
        |s| fs::remove_file(s.file("messages", FAULTY)).expect("it goes"),
        Refused,
        &["table messages", "2026-03-03"],
    ),
    (
        "a marker that is missing",
        |s| {
            edit(s, "path = \"messages\"", "path = \"messages\"\nmarker = \"_SUCCESS\"");
            [DAYS[0], DAYS[1], DAYS[3]].into_iter().for_each(|day| write(s.folder("messages", day).join("_SUCCESS"), ""));
        },
        Refused,
        &["table messages", "2026-03-03"],
    ),
    ("no marker at all", |s| edit(s, "path = \"events\"", "path = \"events\"\nmarker = \"_DONE\""), Refused, &["events"]),
    (
        "no day of both tables",
        |s| {
            [DAYS[0], DAYS[1]].into_iter().for_each(|day| gone(s.folder("messages", day)));
            [DAYS[2], DAYS[3]].into_iter().for_each(|day| gone(s.folder("events", day)));
        },
        Nothing,
        &["no day has both"],
    ),
    (
        "a day of the future",
        |s| {
            for table in ["messages", "events"] {
                fs::create_dir_all(s.folder(table, "2099-01-01")).expect("made");
                fs::copy(s.file(table, DAYS[3]), s.file(table, "2099-01-01")).expect("copied");
            }
        },
        Refused,
        &["2099-01-01"],
    ),
    (
        "a day of nothing but CSV",
        |s| {
            fs::remove_file(s.file("messages", FAULTY)).expect("it goes");
            write(s.folder("messages", FAULTY).join("rows.csv"), "a,b");
        },
        Refused,
        &["rows.csv"],
    ),
    ("a CSV beside Parquet", |s| write(s.folder("messages", FAULTY).join("more.csv"), "a,b"), Warned, &["more.csv"]),
    ("a file of another end", |s| write(s.folder("events", FAULTY).join("part-1.orc"), "ORC"), Warned, &["part-1.orc"]),
];

/// What can be seen in files and their columns.
const COLUMNS: &[Wrong] = &[
    ("no Parquet", |s| write(s.file("messages", FAULTY), "bot_id\nshop\n"), Refused, &["not readable Parquet", "2026-03-03"]),
    ("an empty file", |s| write(s.file("events", FAULTY), ""), Refused, &["not readable Parquet", "events/date=2026-03-03"]),
    ("half a file", |s| halve(s.file("messages", DAYS[0])), Refused, &["not readable Parquet", "2026-03-01"]),
    ("half a file of the newest", |s| halve(s.file("events", DAYS[3])), Refused, &["not readable Parquet", "2026-03-04"]),
    ("half a file of insights", |s| halve(s.file("insights", FAULTY)), Refused, &["table insights", "2026-03-03"]),
    (
        "aliases that cannot be read",
        |s| {
            s.identities(&[(None, "x", "y")]);
            write(s.lake.dir.join("lake/identities/part-0.parquet"), "no");
        },
        Refused,
        &["identities/part-0.parquet"],
    ),
    (
        "aliases without a column",
        |s| {
            s.identities(&[(None, "x", "y")]);
            let columns = vec![("alias", strings([Some("x")].into_iter()))];
            lake::write_file(&s.lake.dir.join("lake/identities/part-0.parquet"), columns, &Form::default());
        },
        Refused,
        &["contact_id", "identities"],
    ),
    ("a required column is missing", |s| s.land_without("messages", "ad_id"), Refused, &["ad_id", "is missing"]),
    ("a required column of events is missing", |s| s.land_without("events", "category"), Refused, &["category", "is missing"]),
    ("a currency is missing", |s| s.land_without("insights", "currency"), Refused, &["currency", "is missing"]),
    (
        "a mapped column is missing",
        |s| map(s, "messages", "contact_id = \"contact\""),
        Refused,
        &["contact_id is read from contact"],
    ),
    ("a mapped column of events is missing", |s| map(s, "events", "occurred_at = \"storage_date\""), Refused, &["storage_date"]),
    (
        "an ad id as a float",
        |s| s.land_with("messages", "ad_id", Arc::new(Float64Array::from(vec![1.2e17; 4]))),
        Refused,
        &["ad_id", "Float64"],
    ),
    (
        "a contact as a boolean",
        |s| s.land_with("events", "contact_id", Arc::new(BooleanArray::from(vec![true; 3]))),
        Refused,
        &["contact_id", "Boolean"],
    ),
    (
        "a time as text without a zone",
        |s| s.land_with("messages", "sent_at", Arc::new(StringArray::from(vec!["2026-03-03 12:00:00"; 4]))),
        Refused,
        &["sent_at", "zone"],
    ),
    ("a time as a number without a unit", |s| numbers(s, "messages", "sent_at", 1_000), Refused, &["unit = \"ms\""]),
    (
        "seconds taken for milliseconds",
        |s| {
            (0..4).for_each(|_| numbers(s, "messages", "sent_at", 1_000_000));
            map(s, "messages", "sent_at = { column = \"sent_at\", unit = \"ms\" }");
        },
        Refused,
        &["unit = \"s\""],
    ),
    (
        "milliseconds taken for seconds",
        |s| {
            numbers(s, "events", "occurred_at", 1_000);
            map(s, "events", "occurred_at = { column = \"occurred_at\", unit = \"s\" }");
        },
        Refused,
        &["unit = \"ms\""],
    ),
    ("times of the future", |s| s.land_with("messages", "sent_at", times(&[noon("2031-01-01"); 4])), Refused, &["absurd_time"]),
    ("times long ago", |s| s.land_with("events", "occurred_at", times(&[noon("2020-01-01"); 3])), Refused, &["absurd_time"]),
    (
        "times that are no times",
        |s| s.land_with("messages", "sent_at", Arc::new(StringArray::from(vec!["yesterday"; 4]))),
        Refused,
        &["yesterday"],
    ),
    (
        "no times",
        |s| s.land_with("messages", "sent_at", Arc::new(TimestampMicrosecondArray::from(vec![None; 4]).with_timezone("UTC"))),
        Refused,
        &["no_time"],
    ),
    ("no message ids", |s| s.land_with("messages", "message_id", no_texts(4)), Refused, &["no_message_id: 3"]),
    ("no contacts of touches", |s| s.land_with("messages", "contact_id", no_texts(4)), Refused, &["no_contact: 3"]),
    (
        "directions in other words",
        |s| s.land_texts("messages", "direction", |_, _| Some("INBOUND".into())),
        Refused,
        &["INBOUND", "values = {"],
    ),
    (
        "directions as booleans",
        |s| s.land_with("messages", "direction", Arc::new(BooleanArray::from(vec![false; 4]))),
        Refused,
        &["direction", "values"],
    ),
    ("the word nan", |s| s.land_texts("messages", "ad_id", |_, _| Some("nan".into())), Refused, &["nan", "null_words"]),
    (
        "an ad id through a float",
        |s| s.land_texts("messages", "ad_id", |_, _| Some("1.2022630585481072e+17".into())),
        Refused,
        &["1.2022630585481072e+17", "float"],
    ),
    (
        "a dict as Python prints it",
        |s| {
            map(s, "messages", "ad_id = { column = \"ad_title\", key = \"id\" }");
            s.land_texts("messages", "ad_title", |_, _| Some("{'id': 'A'}".into()));
        },
        Refused,
        &["json.dumps"],
    ),
    (
        "event ids that are objects",
        |s| s.land_texts("events", "event_id", |_, _| Some("{\"a\":1}".into())),
        Refused,
        &["event_id"],
    ),
    ("spend as a float", |s| insights(s, "spend", Arc::new(Float64Array::from(vec![1.5, 2.5]))), Refused, &["spend", "float"]),
    (
        "no spend",
        |s| {
            insights(
                s,
                "spend",
                Arc::new(Decimal128Array::from(vec![None, Some(1)]).with_precision_and_scale(18, 6).expect("a decimal")),
            )
        },
        Refused,
        &["spend is null"],
    ),
    ("no account", |s| insights(s, "account_id", no_texts(2)), Refused, &["account_id"]),
    (
        "an account of two currencies",
        |s| insights(s, "currency", strings([Some("USD"), Some("MXN")].into_iter())),
        Refused,
        &["BRL", "USD"],
    ),
    (
        "an ad of two accounts",
        |s| insights(s, "ad_id", strings([Some("B"), Some("A")].into_iter())),
        Refused,
        &["rows of two accounts"],
    ),
    (
        "figures twice",
        |s| {
            s.land_with("insights", "account_id", strings([Some("act_1"), Some("act_1")].into_iter()));
            let mut columns = s.columns("insights");
            let place = |name: &str| columns.iter().position(|(known, _)| *known == name).expect("a column");
            let (accounts, ads, currencies, spend) = (place("account_id"), place("ad_id"), place("currency"), place("spend"));
            columns[accounts].1 = strings([Some("act_1"), Some("act_1")].into_iter());
            columns[ads].1 = strings([Some("A"), Some("A")].into_iter());
            columns[currencies].1 = strings([Some("BRL"), Some("BRL")].into_iter());
            columns[spend].1 = Arc::new(Decimal128Array::from(vec![1, 2]).with_precision_and_scale(18, 6).expect("a decimal"));
            s.land("insights", columns);
        },
        Refused,
        &["several rows for one account, ad and day"],
    ),
    (
        "figures of the day before",
        |s| {
            let mut columns = s.columns("insights");
            columns.push(("date_start", strings([Some("2026-03-02"), Some("2026-03-02")].into_iter())));
            s.land("insights", columns);
        },
        Refused,
        &["date_start is 2026-03-02 in the folder of 2026-03-03"],
    ),
    (
        "aliases that contradict each other",
        |s| {
            let rows: Vec<(String, String)> = (0..12).map(|n| (format!("x{n}"), format!("x{}", (n + 1) % 12))).collect();
            let rows: Vec<(Option<&str>, &str, &str)> =
                rows.iter().map(|(alias, of)| (None, alias.as_str(), of.as_str())).collect();
            s.identities(&rows);
        },
        Refused,
        &["12 of 12 aliases"],
    ),
    (
        "a few aliases in a loop",
        |s| s.identities(&[(None, "ana-0", "x"), (None, "x", "ana-0")]),
        Warned,
        &["2 aliases are set aside"],
    ),
];

/// What counts nothing.
const VALUES: &[Wrong] = &[
    ("a bot that is misspelt", |s| edit(s, BOT, "id = \"shopp\""), Nothing, &["\"shop\"", "id = \"shop\""]),
    (
        "no ad ids",
        |s| anew(s, |world| world.messages.iter_mut().for_each(|row| (row.ad_id, row.ad_type) = (None, None))),
        Nothing,
        &["no touch is in"],
    ),
    (
        "directions on the wrong side",
        |s| {
            map(
                s,
                "messages",
                "direction = { column = \"direction\", values = { sent = [\"received\"], received = [\"sent\"] } }",
            )
        },
        Nothing,
        &["sent = [", "no touch is in"],
    ),
    (
        "a key that no row has",
        |s| {
            anew(s, |world| {
                world
                    .messages
                    .iter_mut()
                    .for_each(|row| (row.ad_title, row.ad_type) = (Some("{\"source_id\": \"A\"}".into()), None))
            });
            map(
                s,
                "messages",
                "ad_id = { column = \"ad_title\", key = \"sourceid\" }\nad_type = { column = \"ad_title\", key = \"type\" }",
            );
        },
        Nothing,
        &["sourceid", "source_id"],
    ),
    (
        "entry points alone",
        |s| anew(s, |world| world.messages.iter_mut().for_each(|row| (row.ad_id, row.ad_type) = (None, Some("story".into())))),
        Nothing,
        &["story", "no touch is in"],
    ),
    (
        "bots as contacts",
        |s| anew(s, |world| world.messages.iter_mut().for_each(|row| row.contact_id = Some("shop".into()))),
        Nothing,
        &["a bot clicks on no ad"],
    ),
    (
        "test contacts alone",
        |s| {
            let names =
                ["ana", "bia", "caio"].iter().flat_map(|name| (0..4).map(move |n| format!("{name}-{n}"))).collect::<Vec<_>>();
            edit(s, BOT, &format!("{BOT}\ntest_contacts = {names:?}"));
        },
        Nothing,
        &["test contacts"],
    ),
    (
        "a category that is misspelt",
        |s| edit(s, PURCHASE, &PURCHASE.replace("purchase", "purchse")),
        Nothing,
        &["purchse", "category = \"purchase\""],
    ),
    (
        "a category in another case",
        |s| edit(s, PURCHASE, &PURCHASE.replace("purchase", "Purchase")),
        Nothing,
        &["case or white space"],
    ),
    (
        "a category that is another",
        |s| edit(s, PURCHASE, &PURCHASE.replace("purchase", "won")),
        Nothing,
        &["\"purchase\": 12", "no conversion event is in"],
    ),
    (
        "a setting of the future",
        |s| edit(s, "2026-02-01T00:00:00Z", "2026-05-01T00:00:00Z"),
        Nothing,
        &["no conversion event is in effect"],
    ),
    ("no setting", |s| edit(s, &format!("[[bots.conversion_events]]\n{PURCHASE}\n"), ""), Nothing, &["no conversion event"]),
    (
        "another category before",
        |s| {
            edit(
                s,
                &format!(
                    "{PURCHASE}\n[[bots.conversion_events]]\ncategory = \"delivery\"\neffective_at = \"2026-06-01T00:00:00Z\""
                ),
                "category = \"delivery\"\neffective_at = \"2026-02-01T00:00:00Z\"\n[[bots.conversion_events]]\ncategory = \"purchase\"\neffective_at = \"2026-03-20T00:00:00Z\"",
            )
        },
        Nothing,
        &["\"delivery\""],
    ),
    (
        "events of another bot",
        |s| anew(s, |world| world.events.iter_mut().for_each(|row| row.bot_id = Some("shop-prod".into()))),
        Nothing,
        &["shop-prod"],
    ),
    (
        "events of nobody",
        |s| anew(s, |world| world.events.iter_mut().for_each(|row| row.contact_id = None)),
        Nothing,
        &["names a contact"],
    ),
    (
        "contacts behind @lid",
        |s| {
            anew(s, |world| {
                world.events.iter_mut().enumerate().for_each(|(n, row)| row.contact_id = Some(format!("18{n:010}@lid")))
            })
        },
        Nothing,
        &["@lid", "[inputs.identities]"],
    ),
    (
        "contacts of a tunnel",
        |s| {
            anew(s, |world| {
                world
                    .events
                    .iter_mut()
                    .enumerate()
                    .for_each(|(n, row)| row.contact_id = Some(format!("{n:08x}-2f9d-4b@tunnel.msging.net")))
            })
        },
        Nothing,
        &["tunnel", "[inputs.identities]"],
    ),
    (
        "contacts with a domain",
        |s| {
            anew(s, |world| {
                world.events.iter_mut().for_each(|row| row.contact_id = row.contact_id.take().map(|id| id + "@wa.gw.msging.net"))
            })
        },
        Nothing,
        &["what follows the @"],
    ),
    (
        "contacts with the ninth digit",
        |s| {
            anew(s, |world| {
                world.messages.iter_mut().enumerate().for_each(|(n, row)| row.contact_id = Some(format!("55319888877{n:02}")));
                let touched: Vec<String> = world.messages.iter().filter_map(|row| row.contact_id.clone()).collect();
                world.events.iter_mut().zip(touched).for_each(|(row, id)| row.contact_id = Some(format!("5531{}", &id[5..])));
            })
        },
        Nothing,
        &["forms = [\"br-ninth-digit\"]"],
    ),
    (
        "contacts with a device",
        |s| {
            anew(s, |world| {
                world.events.iter_mut().for_each(|row| row.contact_id = row.contact_id.take().map(|id| format!("{id}:12@s")))
            })
        },
        Nothing,
        &["conversion events has a touch"],
    ),
    (
        "aliases of other people",
        |s| {
            anew(s, |world| {
                world.events.iter_mut().enumerate().for_each(|(n, row)| row.contact_id = Some(format!("18{n:010}@lid")))
            });
            s.identities(&[(None, "5531@lid", "ana-0")]);
            lake::write_file(
                &s.lake.dir.join("lake/identities/part-0.parquet"),
                identity_columns(&[(None, "55@lid", "ana-0")]),
                &Form::default(),
            );
        },
        Nothing,
        &["joins nobody"],
    ),
    (
        "events hours too early",
        |s| anew(s, |world| world.events.iter_mut().for_each(|row| row.occurred_at = row.occurred_at.map(|at| at - 4 * HOUR))),
        Nothing,
        &["lie before it", "zone = "],
    ),
    (
        "events after the horizon",
        |s| {
            edit(s, "[quality]", "[attribution]\nwindow_days = 1\n\n[quality]");
            anew(s, |world| world.events.iter_mut().for_each(|row| row.occurred_at = Some(noon(DAYS[3]) + 30 * HOUR)));
            anew(s, |world| {
                world.events.retain_mut(|row| {
                    row.occurred_at = Some(noon(DAYS[3]) + 30 * HOUR);
                    row.partition == date(DAYS[3]) && {
                        row.contact_id = Some("ana-0".into());
                        true
                    }
                })
            });
        },
        Nothing,
        &["later than the horizon"],
    ),
    (
        "a member that is misspelt",
        |s| {
            anew(s, |world| world.messages.iter_mut().for_each(|row| row.bot_id = Some("shop-salesbr".into())));
        },
        Nothing,
        &["shop-salesbr"],
    ),
];

/// What costs figures of Meta, and what counts in part.
const PARTS: &[Wrong] = &[
    (
        "message ids that are no message's own",
        |s| anew(s, |world| world.messages.iter_mut().for_each(|row| row.message_id = Some("m".into()))),
        Warned,
        &["11 of 12 touches have the message_id of another", "\"m\""],
    ),
    (
        "event ids that are no event's own",
        |s| anew(s, |world| world.events.iter_mut().for_each(|row| row.event_id = Some("e".into()))),
        Warned,
        &["11 of 12 conversion events have the event_id of another"],
    ),
    (
        "everybody is one contact",
        |s| {
            anew(s, |world| {
                world.messages.iter_mut().for_each(|row| row.contact_id = Some("queue".into()));
                let more = world.messages.to_vec();
                world.messages.extend(
                    more.into_iter().map(|row| crate::world::Message { message_id: row.message_id.map(|id| id + "-2"), ..row }),
                );
                world.events.iter_mut().for_each(|row| row.contact_id = Some("queue".into()));
            });
        },
        Warned,
        &["all 24 touches are of one contact, \"queue\""],
    ),
    (
        "a nought for no ad",
        |s| s.land_texts("messages", "ad_id", |row, ad| if row == 3 { Some("0".into()) } else { ad.map(str::to_owned) }),
        Warned,
        &["bear the ad \"0\"", "null_words = [\"0\"]"],
    ),
    (
        "an account that nobody lists",
        |s| edit(s, "[\"act_1\", \"act_2\"]", "[\"act_1\"]"),
        Warned,
        &["act_2", "42.00 MXN", "ad_accounts = "],
    ),
    ("an account without rows", |s| edit(s, "\"act_2\"]", "\"act_22\"]"), Warned, &["account act_22 has no row", "act_2"]),
    (
        "ads of other names",
        |s| anew(s, |world| world.insights.iter_mut().for_each(|row| row.ad_id = format!("12{}", row.ad_id))),
        Warned,
        &["none of 2 ads of touches has figures"],
    ),
    ("a bot without rows", |_| (), Warned, &["it has no row in the partitions"]),
    (
        "ad types in other words",
        |s| s.land_texts("messages", "ad_type", |_, _| Some("ADVERT".into())),
        Warned,
        &["ADVERT", "ad_type = {"],
    ),
    ("ad ids that are no digits", |s| s.land_texts("messages", "ad_id", |_, _| Some("page_1".into())), Warned, &["page_1"]),
    (
        "a row that is set aside",
        |s| s.land_texts("messages", "message_id", |row, id| id.filter(|_| row > 0).map(str::to_owned)),
        Warned,
        &["no_message_id: 1"],
    ),
    (
        "rows of other days",
        |s| s.land_with("messages", "sent_at", times(&[noon("2026-02-10"); 4])),
        Warned,
        &["more than two days from it"],
    ),
    ("a column that no file has", |s| map(s, "messages", "ad_title = \"headline\""), Warned, &["headline"]),
];

/// What is wrong with the output, and with what has run before.
const OUTPUTS: &[Wrong] = &[
    ("an output that is a file", |s| write(s.lake.dir.join("out"), ""), Refused, &["is a file"]),
    (
        "an output below a file",
        |s| {
            write(s.lake.dir.join("x"), "");
            edit(s, "url = \"out\"", "url = \"x/out\"");
        },
        Refused,
        &["is a file"],
    ),
    ("an output that nobody can write", |s| edit(s, "url = \"out\"", "url = \"/proc/ctwa/out\""), Refused, &["/proc"]),
    ("an output of the system", |s| edit(s, "url = \"out\"", "url = \"/sys/ctwa\""), Refused, &["/sys"]),
    #[cfg(unix)]
    (
        "an output that leads nowhere",
        |s| std::os::unix::fs::symlink(s.lake.dir.join("gone/x"), s.lake.dir.join("out")).expect("a link"),
        Refused,
        &["/out"],
    ),
    ("the state is a file", |s| write(s.lake.dir.join("out/state"), ""), Refused, &["out/state"]),
    ("the lock is a folder", |s| write(s.lake.dir.join("out/state/lock/x"), ""), Refused, &["state/lock"]),
    ("the working tables are a file", |s| write(s.lake.dir.join("out/work"), ""), Refused, &["out/work"]),
    ("a table is a file", |s| write(s.lake.dir.join("out/ads"), ""), Refused, &["/ads"]),
    (
        "a past setting that is another",
        |s| {
            assert_eq!(s.ctwa("run", &[]).code, 0);
            edit(s, PURCHASE, &PURCHASE.replace("purchase", "delivery"));
        },
        Refused,
        &["purchase"],
    ),
    (
        "a token that is nowhere",
        |s| edit(s, "source = \"landed\"", "source = \"marketing-api\"\ntoken_env = \"CTWA_NO_SUCH_TOKEN\""),
        Refused,
        &["CTWA_NO_SUCH_TOKEN"],
    ),
    (
        "a token file that is not there",
        |s| edit(s, "source = \"landed\"", "source = \"marketing-api\"\ntoken_file = \"no-token\""),
        Refused,
        &["no-token"],
    ),
];

/// Everything below a folder.
fn everything(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// What is not as it is due; none where all is.
fn wrong((name, lay, due, says): &Wrong) -> Option<String> {
    let scene = Scene::new();
    lay(&scene);
    let there = everything(&scene.lake.dir);
    let checked = scene.ctwa("check", &["--json"]);
    let left: Vec<PathBuf> = everything(&scene.lake.dir).symmetric_difference(&there).cloned().collect();
    let ran = scene.ctwa("run", &["--json"]);
    let (by_check, by_run) = (format!("{}{}", checked.stdout, checked.stderr), format!("{}{}", ran.stdout, ran.stderr));
    let mut faults = Vec::new();
    if !left.is_empty() {
        faults.push(format!("check left behind or took away {left:?}"));
    }
    if checked.code != ran.code || (ran.code != 0) != (*due == Refused) {
        faults.push(format!("run exits {} and check {}", ran.code, checked.code));
    }
    let report: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap_or_default();
    let run: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    let said: Vec<String> = match due {
        Refused => vec![by_check.replace("\\\"", "\"")],
        _ => {
            let findings = report["findings"].as_array().cloned().unwrap_or_default();
            let warnings = findings.iter().filter(|finding| finding["level"] == "warning");
            warnings.filter_map(|finding| finding["text"].as_str().map(str::to_owned)).collect()
        }
    };
    let lacks = |texts: &[String], part: &str| !texts.iter().any(|text| text.contains(part));
    let unsaid: Vec<&&str> = says.iter().filter(|part| lacks(&said, part)).collect();
    if !unsaid.is_empty() {
        faults.push(format!("check does not say {unsaid:?}"));
    }
    let unsaid: Vec<&&str> = says.iter().filter(|part| *due == Refused && lacks(&[by_run.replace("\\\"", "\"")], part)).collect();
    if !unsaid.is_empty() {
        faults.push(format!("run does not say {unsaid:?}"));
    }
    let is_nothing = run["touches"] == 0 || run["conversions"] == 0;
    if *due == Nothing && (!is_nothing || said.is_empty()) {
        faults.push(format!("{} touches and {} conversions, {} warnings", run["touches"], run["conversions"], said.len()));
    }
    if *due == Warned && is_nothing {
        faults.push("a run counts nothing".to_owned());
    }
    (!faults.is_empty()).then(|| format!("== {name}: {}\n-- check\n{by_check}\n-- run\n{by_run}", faults.join("; ")))
}

/// All of a table, several at once.
fn hold(table: &[Wrong]) {
    let (next, threads) = (AtomicUsize::new(0), 4);
    let all: Vec<String> = std::thread::scope(|scope| {
        let worker = || {
            let take = || table.get(next.fetch_add(1, Ordering::Relaxed));
            std::iter::from_fn(take).filter_map(wrong).collect::<Vec<String>>()
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("it ends")).collect()
    });
    assert!(all.is_empty(), "{} of {}:\n{}", all.len(), table.len(), all.join("\n"));
}

#[test]
fn wrong_pipeline_files() {
    hold(FILES);
}

#[test]
fn wrong_folders() {
    hold(FOLDERS);
}

#[test]
fn wrong_files_and_columns() {
    hold(COLUMNS);
}

#[test]
fn lakes_of_which_nothing_counts() {
    hold(VALUES);
}

#[test]
fn lakes_of_which_a_part_counts() {
    hold(PARTS);
}

#[test]
fn wrong_outputs() {
    hold(OUTPUTS);
}

#[test]
fn there_are_enough_of_them_and_each_is_its_own() {
    let all = [FILES, FOLDERS, COLUMNS, VALUES, PARTS, OUTPUTS].concat();
    let names: BTreeSet<&str> = all.iter().map(|(name, ..)| *name).collect();
    assert!(all.len() >= 60 && names.len() == all.len(), "{} of {}", names.len(), all.len());
}

/// Somebody else's run holds the output: one that has something to do meets it, one that has nothing does not.
#[test]
fn an_output_that_is_held() {
    let scene = Scene::new();
    let lock = scene.lake.output.join("state/lock");
    write(&lock, "{\"owner\": \"another run\", \"since\": \"2026-03-05T00:00:00Z\", \"released\": false}");
    let file = fs::File::options().read(true).write(true).open(&lock).expect("the lock");
    file.lock().expect("it is free");
    for command in ["check", "run"] {
        let ran = scene.ctwa(command, &[]);
        assert!(ran.code == 7 && format!("{}{}", ran.stdout, ran.stderr).contains("held by another run"), "{command}: {ran:?}");
    }
    file.unlock().expect("it was ours");
    assert_eq!(scene.ctwa("check", &[]).code, 0, "who died holds nothing");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let text = fs::read_to_string(&lock).expect("the lock").replace("true", "false");
    fs::write(&lock, text).expect("it is written");
    file.lock().expect("it is free");
    assert_eq!((scene.ctwa("check", &[]).code, scene.ctwa("run", &[]).code), (0, 0), "nothing is to be done");
}

/// Nobody answers: it is said what is waited for, and not for long.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
fn meta_that_does_not_answer() {
    let scene = Scene::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    write(scene.lake.dir.join("token"), "EAAtoken");
    scene.edit(
        "source = \"landed\"",
        &format!("source = \"marketing-api\"\ntoken_file = \"token\"\nbase_url = \"http://127.0.0.1:{port}\""),
    );
    let before = std::time::Instant::now();
    let ran = scene.ctwa("check", &[]);
    assert!(ran.code == 4 && ran.stdout.contains("Meta cannot be reached"), "{ran:?}");
    assert!(before.elapsed().as_secs() < 30, "a run waits for a minute, {:?}", before.elapsed());
}

/// Each finding tells a program what a person reads.
#[test]
fn findings_have_their_place_an_example_and_the_line() {
    let scene = Scene::new();
    numbers(&scene, "messages", "sent_at", 1_000);
    scene.edit("\"act_2\"]", "\"act_22\"]");
    let (_, report) = scene.json("check", &[]);
    let findings = report["findings"].as_array().expect("findings");
    let error = findings.iter().find(|finding| finding["level"] == "error").expect("an error");
    assert_eq!(error["kind"], "data");
    assert_eq!(error["place"]["table"], "messages");
    assert_eq!(error["place"]["day"], FAULTY);
    assert_eq!(error["place"]["object"], "messages/date=2026-03-03/part-0.parquet");
    assert_eq!(error["place"]["column"], "sent_at");
    assert_eq!(error["example"], (noon(FAULTY) / 1_000).to_string());
    assert!(error["mend"].as_str().expect("a mend").contains("unit = \"ms\""), "{error}");
    let account = findings.iter().find(|finding| finding["example"] == "act_2").expect("a warning");
    assert!(account["mend"].as_str().expect("a mend").contains("ad_accounts = [\"act_2\"]"), "{account}");
}

//! One small lake in other shapes: names of webhooks, exports and loaders, maps, lists, JSON text, times in every form. In all of them
//! `init` finds the same figures.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, MapBuilder, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use chrono::DateTime;

use super::Place;
use crate::lake::{self, Columns, Form, strings, unequal_objects};
use crate::scene::{self, HOUR, date, noon};

pub const BOT: &str = "shop-br@msging.net";
pub const ADS: [&str; 2] = ["120226305854810726", "120226305854810727"];
pub const TWO_DAYS: [&str; 2] = ["2026-03-01", "2026-03-02"];

pub struct Message {
    pub id: String,
    pub contact: String,
    pub at: i64,
    pub is_sent: bool,
    pub ad: Option<&'static str>,
    pub title: Option<&'static str>,
}

/// Whole seconds; six people, of whom two click on nothing, and an answer that quotes an ad.
fn messages(day: &str) -> Vec<Message> {
    let row = |n: i64| Message {
        id: format!("wamid.HBgN{}{n}", &day[8..]),
        contact: format!("551190000{}{n}0", &day[8..]),
        at: noon(day) + n * 60_000_000,
        is_sent: n == 6,
        ad: [Some(ADS[0]), Some(ADS[1]), None, Some(ADS[0]), None, Some(ADS[1]), Some(ADS[0])][n as usize],
        title: Some("Oferta \"boa\"").filter(|_| n % 2 == 0),
    };
    (0..7).map(row).collect()
}

fn kind(row: &Message) -> Option<&'static str> {
    row.ad.map(|_| "ad")
}

fn click(row: &Message) -> Option<String> {
    row.ad.map(|_| format!("ARAkLkA8rmlFeiCktEJQ-QTwRiyYHAFDLMNDBH0CD3qpjd0HR4i{}", &row.id[10..]))
}

pub fn texts(rows: &[Message], cell: impl Fn(&Message) -> Option<String>) -> ArrayRef {
    Arc::new(rows.iter().map(cell).collect::<StringArray>())
}

fn way(row: &Message, words: [&str; 2]) -> Option<String> {
    Some(words[usize::from(row.is_sent)].to_owned())
}

pub fn rfc3339(at: i64) -> String {
    DateTime::from_timestamp_micros(at).expect("a time").to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn instants(rows: &[Message]) -> ArrayRef {
    scene::times(&rows.iter().map(|row| row.at).collect::<Vec<_>>())
}

/// The columns of the contract.
pub fn plain(rows: &[Message]) -> Columns {
    vec![
        ("bot_id", texts(rows, |_| Some(BOT.into()))),
        ("message_id", texts(rows, |row| Some(row.id.clone()))),
        ("contact_id", texts(rows, |row| Some(row.contact.clone()))),
        ("sent_at", instants(rows)),
        ("direction", texts(rows, |row| way(row, ["received", "sent"]))),
        ("ad_id", texts(rows, |row| row.ad.map(Into::into))),
        ("ad_type", texts(rows, |row| kind(row).map(Into::into))),
        ("ad_title", texts(rows, |row| row.title.map(Into::into))),
        ("ctwa_clid", texts(rows, click)),
    ]
}

type Referral = Vec<(&'static str, Option<String>)>;

fn referral(row: &Message, names: [&'static str; 4]) -> Referral {
    let cells = [row.ad.map(String::from), kind(row).map(String::from), row.title.map(String::from), click(row)];
    names.into_iter().zip(cells).collect()
}

const BLIP: [&str; 4] = ["#wa.referral.source_id", "#wa.referral.source_type", "#wa.referral.headline", "#wa.referral.ctwa_clid"];
const WEBHOOK: [&str; 4] = ["source_id", "source_type", "headline", "ctwa_clid"];

/// As WhatsApp's webhook has them: a struct, times as digits of seconds, a flag for the direction.
fn webhook(rows: &[Message]) -> Columns {
    let columns: Vec<Referral> = rows.iter().map(|row| referral(row, WEBHOOK)).collect();
    let field = |at: usize| {
        let array: ArrayRef = Arc::new(columns.iter().map(|row| row[at].1.clone()).collect::<StringArray>());
        (Arc::new(Field::new(WEBHOOK[at], DataType::Utf8, true)), array)
    };
    vec![
        ("phone_number_id", texts(rows, |_| Some(BOT.into()))),
        ("id", texts(rows, |row| Some(row.id.clone()))),
        ("from", texts(rows, |row| Some(row.contact.clone()))),
        ("timestamp", texts(rows, |row| Some((row.at / 1_000_000).to_string()))),
        ("type", strings(rows.iter().map(|_| Some("text")))),
        ("from_me", Arc::new(rows.iter().map(|row| Some(row.is_sent)).collect::<BooleanArray>())),
        ("referral", Arc::new(StructArray::from((0..4).map(field).collect::<Vec<_>>()))),
    ]
}

/// As Blip exports them: a map.
fn blip(rows: &[Message]) -> Columns {
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (key, value) in referral(row, BLIP).into_iter().chain([("#wa.timestamp", Some("1790856000".to_owned()))]) {
            if let Some(value) = value {
                map.keys().append_value(key);
                map.values().append_value(value);
            }
        }
        map.append(true).expect("a map");
    }
    vec![
        ("id", texts(rows, |row| Some(row.id.clone()))),
        ("ownerIdentity", texts(rows, |_| Some(BOT.into()))),
        ("identity", texts(rows, |row| Some(row.contact.clone()))),
        ("direction", texts(rows, |row| way(row, ["received", "sent"]))),
        ("storageDate", texts(rows, |row| Some(rfc3339(row.at)))),
        ("metadata", Arc::new(map.finish())),
    ]
}

/// A list of pairs, times in milliseconds.
fn pairs(rows: &[Message]) -> Columns {
    let of_rows: Vec<Referral> = rows.iter().map(|row| referral(row, BLIP)).collect();
    let keys: ArrayRef = Arc::new(of_rows.iter().flatten().map(|(key, _)| Some(*key)).collect::<StringArray>());
    let values: ArrayRef = Arc::new(of_rows.iter().flatten().map(|(_, value)| value.clone()).collect::<StringArray>());
    let field = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
    let entries = StructArray::from(vec![(field("key"), keys), (field("value"), values)]);
    let element = Arc::new(Field::new("item", entries.data_type().clone(), true));
    let list = ListArray::new(element, OffsetBuffer::from_lengths(of_rows.iter().map(Vec::len)), Arc::new(entries), None);
    vec![
        ("OwnerIdentity", texts(rows, |_| Some(BOT.into()))),
        ("MessageId", texts(rows, |row| Some(row.id.clone()))),
        ("CustomerPhone", texts(rows, |row| Some(row.contact.clone()))),
        ("CreatedAt", Arc::new(rows.iter().map(|row| Some(row.at / 1_000)).collect::<Int64Array>())),
        ("Direction", texts(rows, |row| way(row, ["INBOUND", "OUTBOUND"]))),
        ("Metadata", Arc::new(list)),
    ]
}

/// JSON text in JSON, times without a zone.
fn nested(rows: &[Message]) -> Columns {
    let payload = |row: &Message| {
        let fields: serde_json::Map<String, serde_json::Value> =
            referral(row, WEBHOOK).into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))).collect();
        Some(serde_json::json!({"message": {"type": "text", "referral": fields}}).to_string())
    };
    vec![
        ("bot", texts(rows, |_| Some(BOT.into()))),
        ("wamid", texts(rows, |row| Some(row.id.clone()))),
        ("wa_id", texts(rows, |row| Some(row.contact.clone()))),
        ("message_timestamp", Arc::new(rows.iter().map(|row| Some(row.at / 1_000)).collect::<TimestampMillisecondArray>())),
        ("sender_type", texts(rows, |row| way(row, ["customer", "agent"]))),
        ("payload", texts(rows, payload)),
    ]
}

/// Names that nobody knows: the values tell.
fn unnamed(rows: &[Message]) -> Columns {
    vec![
        ("a1", texts(rows, |_| Some(BOT.into()))),
        ("a2", texts(rows, |row| Some(row.id.clone()))),
        ("a3", texts(rows, |row| Some(row.contact.clone()))),
        ("a4", instants(rows)),
        ("a5", texts(rows, |row| way(row, ["entrada", "saída"]))),
        ("a6", texts(rows, |row| row.ad.map(Into::into))),
        ("a7", texts(rows, |row| kind(row).map(Into::into))),
        ("headline", texts(rows, |row| row.title.map(Into::into))),
        ("a8", texts(rows, click)),
    ]
}

/// Contact, category, time and id.
pub type Event = (String, &'static str, i64, String);

/// A day's events: two of the six buy, and everybody else does something else.
pub fn events(day: &str) -> Vec<Event> {
    let category = |n: usize| ["purchase", "lead", "flow"][n % 3];
    let rows = messages(day).into_iter().enumerate().filter(|(_, row)| !row.is_sent);
    rows.map(|(n, row)| (row.contact, category(n), row.at + HOUR, format!("e{}{n}", &day[8..]))).collect()
}

pub fn plain_events(day: &str) -> Columns {
    let rows = events(day);
    vec![
        ("bot_id", strings(rows.iter().map(|_| Some(BOT)))),
        ("contact_id", strings(rows.iter().map(|row| Some(row.0.as_str())))),
        ("category", strings(rows.iter().map(|row| Some(row.1)))),
        ("occurred_at", scene::times(&rows.iter().map(|row| row.2).collect::<Vec<_>>())),
        ("event_id", strings(rows.iter().map(|row| Some(row.3.as_str())))),
    ]
}

/// Other names, half of the contacts in a struct and half beside it, no time zone, the bot in the folder.
fn other_events(day: &str) -> Columns {
    let rows = events(day);
    let inside = |(n, row): (usize, &Event)| (n % 2 == 0).then(|| row.0.clone());
    let contacts: ArrayRef = Arc::new(rows.iter().enumerate().map(inside).collect::<StringArray>());
    let beside = rows.iter().enumerate().map(|(n, row)| Some(row.0.as_str()).filter(|_| n % 2 == 1));
    vec![
        ("contact", Arc::new(StructArray::from(vec![(Arc::new(Field::new("Identity", DataType::Utf8, true)), contacts)]))),
        ("identity", strings(beside)),
        ("event_name", strings(rows.iter().map(|row| Some(row.1)))),
        ("created_at", Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.2)))),
        ("uuid", strings(rows.iter().map(|row| Some(row.3.as_str())))),
    ]
}

/// The spend of an ad in whole units.
fn spend(day: usize, ad: usize) -> i64 {
    10 + 3 * day as i64 + ad as i64
}

pub fn plain_insights(day: usize) -> Columns {
    vec![
        ("account_id", strings(ADS.iter().map(|_| Some("act_7001")))),
        ("ad_id", strings(ADS.iter().map(|ad| Some(*ad)))),
        ("currency", strings(ADS.iter().map(|_| Some("BRL")))),
        ("spend", Arc::new((0..2).map(|ad| Some(format!("{}.5", spend(day, ad)))).collect::<StringArray>())),
        ("impressions", Arc::new(Int64Array::from(vec![100, 200]))),
    ]
}

/// As Airbyte appends them: each sync has the days before it again, which were less on their own day.
fn airbyte_insights(sync: usize) -> Columns {
    let rows: Vec<(usize, usize)> = (0..=sync).flat_map(|day| [(day, 0), (day, 1)]).collect();
    let part = |day: usize| if day == sync && sync + 1 < TWO_DAYS.len() { 2.0 } else { 1.0 };
    let amount = |(day, ad): &(usize, usize)| Some((spend(*day, *ad) as f64 + 0.5) / part(*day));
    let extracted: Vec<i64> = rows.iter().map(|_| noon(TWO_DAYS[sync]) + 6 * HOUR).collect();
    vec![
        ("_airbyte_raw_id", strings(rows.iter().map(|_| Some("x")))),
        ("_airbyte_extracted_at", scene::times(&extracted)),
        ("account_id", strings(rows.iter().map(|_| Some("7001")))),
        ("ad_id", strings(rows.iter().map(|(_, ad)| Some(ADS[*ad])))),
        ("account_currency", strings(rows.iter().map(|_| Some("BRL")))),
        ("spend", Arc::new(rows.iter().map(amount).collect::<Float64Array>())),
        ("impressions", Arc::new(rows.iter().map(|(_, ad)| Some([100, 200][*ad])).collect::<Int64Array>())),
        ("date_start", strings(rows.iter().map(|(day, _)| Some(TWO_DAYS[*day])))),
    ]
}

/// As Fivetran has them.
fn fivetran_insights(day: usize) -> Columns {
    let of_day = date(TWO_DAYS[day]).signed_duration_since(date("1970-01-01")).num_days() as i32;
    let mut columns = plain_insights(day);
    columns.retain(|(name, _)| *name != "currency");
    columns.push(("date", Arc::new(Date32Array::from(vec![of_day; 2]))));
    columns.push(("_fivetran_synced", scene::times(&[noon(TWO_DAYS[day]); 2])));
    columns
}

pub type InMessages = (&'static str, fn(&[Message]) -> Columns);
pub type InEvents = (&'static str, fn(&str) -> Columns);
pub type InInsights = (&'static str, fn(usize) -> Columns);

pub const MESSAGES: InMessages = ("messages/date={date}", plain);
pub const EVENTS: InEvents = ("events/date={date}", plain_events);
pub const INSIGHTS: InInsights = ("insights/date={date}", plain_insights);

/// A lake of the three tables, each day in its folder.
pub fn lay(messages_in: InMessages, events_in: InEvents, insights_in: InInsights) -> Place {
    let place = Place::new();
    for (n, day) in TWO_DAYS.into_iter().enumerate() {
        let path = |folder: &str| {
            let folder = folder.replace("{date}", day).replace("{yyyy}", &day[..4]);
            place.path("lake").join(folder.replace("{mm}", &day[5..7]).replace("{dd}", &day[8..])).join("part-0.parquet")
        };
        lake::write_file(&path(messages_in.0), messages_in.1(&messages(day)), &Form::default());
        lake::write_file(&path(events_in.0), events_in.1(day), &Form::default());
        lake::write_file(&path(insights_in.0), insights_in.1(n), &Form::default());
    }
    place
}

pub fn plain_lake() -> Place {
    lay(MESSAGES, EVENTS, INSIGHTS)
}

/// What only a person can say of these lakes.
pub const ANSWERS: [&str; 2] = ["--timezone=America/Sao_Paulo", "--conversion-event=purchase"];

/// Runs what `init` writes for a lake; its tables.
pub fn tables(place: &Place, when: &str, args: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let ran = place.init(&[&ANSWERS, args].concat());
    assert_eq!(ran.code, 0, "{when}: {}{}\n{}", ran.stdout, ran.stderr, place.text());
    let built = place.run(&["run", "new.toml"]);
    assert_eq!(built.code, 0, "{when}: {}\n{}", built.stderr, place.text());
    lake::objects(&place.path("new")).expect("tables")
}

/// Holds the tables of a lake against those of the plain one.
fn assert_alike(place: &Place, when: &str, args: &[&str], expected: &BTreeMap<String, Vec<u8>>) {
    let found = tables(place, when, args);
    assert_eq!(unequal_objects(&found, expected), Vec::<String>::new(), "{when}\n{}", place.text());
}

#[test]
fn messages_in_other_shapes_give_the_same_figures() {
    let expected = tables(&plain_lake(), "plain", &[]);
    let shapes: [InMessages; 5] = [
        ("raw/whatsapp/{yyyy}/{mm}/{dd}", webhook),
        ("messages/date={date}", blip),
        ("chat/dt={date}/hour=03", pairs),
        ("inbox/year={yyyy}/month={mm}/day={dd}", nested),
        ("x/{date}", unnamed),
    ];
    for shape in shapes {
        assert_alike(&lay(shape, EVENTS, INSIGHTS), shape.0, &[], &expected);
    }
}

#[test]
fn events_and_insights_in_other_shapes_give_the_same_figures() {
    let expected = tables(&plain_lake(), "plain", &[]);
    let by_bot: InEvents = ("crm/tracked/bot_id=shop-br@msging.net/dt={date}", other_events);
    assert_alike(&lay(MESSAGES, by_bot, INSIGHTS), "events", &[], &expected);
    let airbyte: InInsights = ("airbyte/ads_insights/sync_date={date}", airbyte_insights);
    assert_alike(&lay(MESSAGES, EVENTS, airbyte), "airbyte", &[], &expected);
    let fivetran: InInsights = ("fivetran/basic_ad/date={date}", fivetran_insights);
    assert_alike(&lay(MESSAGES, EVENTS, fivetran), "fivetran", &["--currency=BRL"], &expected);
    let ran = lay(MESSAGES, EVENTS, fivetran).init(&ANSWERS);
    assert!(ran.code == 2 && ran.stdout.contains("where insights have currency"), "{}", ran.stdout);
}

#[test]
fn a_delta_table_is_found_by_its_log() {
    let place = lay(("messages/day={date}", plain), EVENTS, INSIGHTS);
    let field = |(name, kind): (&str, &str)| serde_json::json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let texts = ["bot_id", "message_id", "contact_id", "direction", "ad_id", "ad_type", "ad_title", "ctwa_clid"];
    let columns = texts.map(|name| (name, "string")).into_iter().chain([("sent_at", "timestamp"), ("day", "date")]);
    let schema = serde_json::json!({"type": "struct", "fields": columns.map(field).collect::<Vec<_>>()}).to_string();
    let mut actions = vec![
        serde_json::json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        serde_json::json!({"metaData": {
            "id": "6f5c1a9e-0d3b-4c55-9a55-d3a3f6c7a002", "format": {"provider": "parquet", "options": {}}, "createdTime": 0,
            "schemaString": schema, "partitionColumns": ["day"], "configuration": {},
        }}),
    ];
    actions.extend(TWO_DAYS.map(|day| {
        serde_json::json!({"add": {
            "path": format!("day={day}/part-0.parquet"), "partitionValues": {"day": day}, "size": 1, "modificationTime": 0,
            "dataChange": true,
        }})
    }));
    let log = place.path("lake/messages/_delta_log");
    std::fs::create_dir_all(&log).expect("a folder");
    let lines: Vec<String> = actions.iter().map(|action| format!("{action}\n")).collect();
    std::fs::write(log.join(format!("{:020}.json", 0)), lines.concat()).expect("a version is written");
    // What the log does not name is none of the table's.
    let other = |rows: &[Message]| {
        let mut columns = plain(rows);
        columns[1].1 = self::texts(rows, |row| Some(format!("{}x", row.id)));
        columns
    };
    let stray = place.path("lake/messages").join(format!("day={}/part-1.parquet", TWO_DAYS[0]));
    lake::write_file(&stray, other(&messages(TWO_DAYS[0])), &Form::default());
    assert_alike(&place, "delta", &[], &tables(&plain_lake(), "plain", &[]));
    let text = place.text();
    for says in ["# a Delta table, 2 days from 2026-03-01 to 2026-03-02", "partition = \"day={date}\""] {
        assert!(text.contains(says), "{says}\n{text}");
    }
}

/// A day that has its marker and no file is a day without rows; where a day between others lacks it, it tells nothing.
#[test]
fn the_marker_that_all_days_have_is_waited_for() {
    let marked = |days: &[&str]| {
        let place = plain_lake();
        for (table, day) in ["messages", "events"].into_iter().flat_map(|table| days.iter().map(move |day| (table, day))) {
            let folder = place.path("lake").join(table).join(format!("date={day}"));
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join("_SUCCESS"), "").expect("a marker");
        }
        place
    };
    let plain = tables(&plain_lake(), "without markers", &[]);
    let place = marked(&["2026-03-01", "2026-03-02", "2026-03-03"]);
    let found = tables(&place, "with an empty day", &[]);
    assert_eq!(place.text().matches("\nmarker = \"_SUCCESS\"\n").count(), 2, "{}", place.text());
    let days = |objects: &BTreeMap<String, Vec<u8>>| {
        objects.keys().filter(|name| name.starts_with("bot_days/")).cloned().collect::<Vec<_>>()
    };
    let mut expected = days(&plain);
    expected.push("bot_days/dt=2026-03-03/bot_days.parquet".to_owned());
    assert_eq!(days(&found), expected);

    let place = marked(&["2026-03-01"]);
    tables(&place, "the newest day is being written", &[]);
    assert_eq!(place.text().matches("\nmarker = ").count(), 2, "{}", place.text());

    let place = marked(&["2026-03-02"]);
    assert_eq!(unequal_objects(&tables(&place, "a day lacks it", &[]), &plain), Vec::<String>::new());
    assert!(!place.text().contains("marker"), "{}", place.text());
}

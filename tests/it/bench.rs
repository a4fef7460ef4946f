//! The lake that benches/backfill.sh measures: seeded, as large as asked for.
//!
//! `CTWA_BENCH_LAKE=<folder>` writes it there, with its pipeline file; `CTWA_BENCH_DAYS` and `CTWA_BENCH_MESSAGES` (of a day) say
//! how large. Without them a small one is written, built and held to what the generator knows.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::time::Instant;

use arrow::array::StringArray;
use chrono::{Days, NaiveDate};

use ctwa::config::Forms;
use ctwa::extract::aliases::AliasRows;

use crate::lake::{self, Dice, Form, Lake};
use crate::world::{Bot, Event, Identity, Insight, Message, World};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
const ADS: usize = 40;

/// Of a day's messages every fifth is a touch, and one of fifty touches is delivered again the day after. There is an event
/// for every four messages, and half of them are of a category that some setting names. A contact writes about twenty messages
/// in all.
fn world(days: usize, messages: usize) -> World {
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).expect("a date");
    let day_of = |n: usize| first + Days::new(n as u64);
    let midnight = |n: usize| day_of(n).and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
    let mut dice = Dice(7);
    let contacts = (messages * days / 20).max(10);
    let mut world = World {
        bots: vec![Bot {
            id: "shop".into(),
            timezone: "America/Sao_Paulo".into(),
            ad_accounts: vec!["act_1".into()],
            settings: vec![("purchase".into(), midnight(0) - 30 * DAY), ("payment".into(), midnight(days / 2))],
            ..Bot::default()
        }],
        window_days: 90,
        message_days: (0..days).map(day_of).collect(),
        event_days: (0..days).map(day_of).collect(),
        ..World::default()
    };
    for n in 0..days {
        for m in 0..messages {
            let is_touch = m % 5 == 0;
            let message = Message {
                partition: day_of(n),
                bot_id: Some("shop".into()),
                message_id: Some(format!("wamid.{n}.{m}")),
                contact_id: Some(format!("55119{:08}@wa.gw.msging.net", dice.roll(contacts))),
                sent_at: Some(midnight(n) + dice.roll(86_400) as i64 * SECOND),
                direction: Some(if is_touch || m % 2 == 0 { "received" } else { "sent" }.into()),
                ad_id: is_touch.then(|| format!("1202263058548{:05}", dice.roll(ADS))),
                ad_type: is_touch.then(|| "ad".into()),
                ad_title: is_touch.then(|| "Frete grátis em toda a coleção".into()),
                ctwa_clid: is_touch.then(|| format!("clid-{n}-{m}")),
                metadata: None,
            };
            if is_touch && m % 250 == 0 && n + 1 < days {
                world.messages.push(Message { partition: day_of(n + 1), ..message.clone() });
            }
            world.messages.push(message);
        }
        for e in 0..messages / 4 {
            world.events.push(Event {
                partition: day_of(n),
                bot_id: Some("shop".into()),
                contact_id: Some(format!("55119{:08}@wa.gw.msging.net", dice.roll(contacts))),
                category: Some(["purchase", "payment", "visit", "survey"][dice.roll(4)].into()),
                occurred_at: Some(midnight(n) + dice.roll(86_400) as i64 * SECOND),
                event_id: Some(format!("e-{n}-{e}")),
            });
        }
        for ad in 0..ADS {
            world.insights.push(Insight {
                date: day_of(n),
                account_id: "act_1".into(),
                ad_id: format!("1202263058548{ad:05}"),
                currency: "BRL".into(),
                spend_millionths: dice.roll(500_000_000) as i64,
                impressions: Some(dice.roll(10_000) as i64),
                reach: Some(dice.roll(8_000) as i64),
                ..Insight::default()
            });
        }
    }
    world
}

fn write(days: usize, messages: usize, folder: &Path) -> Lake {
    lake::write(&world(days, messages), &Form::default(), folder)
}

#[test]
fn bench_lake() {
    let number = |name: &str, default: usize| {
        env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
    };
    if let Some(folder) = env::var_os("CTWA_BENCH_LAKE") {
        write(number("CTWA_BENCH_DAYS", 100), number("CTWA_BENCH_MESSAGES", 2_000), Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().expect("a folder for the test");
    let lake = write(3, 500, folder.path());
    lake::ctwa_expecting(&lake, &[0], "run", &[]).unwrap_or_else(|error| panic!("{error}"));
    let published = lake::read(&lake.output).expect("the output keeps the contract");
    let bot_days = || published.bot_days.values().flatten();
    assert_eq!(bot_days().map(|row| row.touches).sum::<i64>(), 300, "every fifth message, but those of the last hours");
    assert_eq!(bot_days().map(|row| row.duplicate_touches).sum::<i64>(), 4);
    assert!(bot_days().filter_map(|row| row.conversions).sum::<i64>() > 0);
}

/// The time grows with the table, not with its chains or the bots. `CTWA_BENCH_ALIASES=500000`, with `--nocapture`, measures so many.
#[test]
fn alias_tables_are_followed_in_linear_time() {
    const BOTS: usize = 20;
    let row = |alias: String, contact: String| Identity { bot_id: None, alias, contact_id: contact };
    let chain = |length: usize| (0..length).map(|i| row(format!("n{i}"), format!("n{}", i + 1))).collect::<Vec<_>>();
    let number: usize = env::var("CTWA_BENCH_ALIASES").map_or(1_000, |text| text.parse().expect("a number of aliases"));
    let people = (0..number).map(|i| row(format!("a{i}"), format!("c{}", i / 3))).collect::<Vec<_>>();
    for (name, rows) in [("aliases", people), ("a chain", chain(8_000)), ("a long chain", chain(number))] {
        let followed = |rows: &[Identity]| {
            let text = |cell: &dyn Fn(&Identity) -> Option<&str>| rows.iter().map(cell).collect::<StringArray>();
            let bots = text(&|row| row.bot_id.as_deref());
            let (aliases, contacts) = (text(&|row| Some(&row.alias)), text(&|row| Some(&row.contact_id)));
            let mut table = AliasRows::new(BOTS, Forms::default());
            table.add([&bots, &aliases, &contacts], &BTreeMap::new()).expect("every alias has a contact");
            table.followed()
        };
        #[expect(clippy::disallowed_methods, reason = "a measurement, printed and not judged")]
        let started = Instant::now();
        let before = followed(&rows[1..]);
        let now = followed(&rows);
        let both = started.elapsed();
        let changed = now.changed_since(&before).len();
        assert!((1..=rows.len()).contains(&changed), "{name}");
        println!(
            "{name}: {} rows, {BOTS} bots: followed twice in {both:?}; with what changed ({changed}) in {:?}",
            rows.len(),
            started.elapsed()
        );
    }
}

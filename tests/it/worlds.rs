//! Random worlds for proptest: small, and dense in the places where the rules turn.
//!
//! Few contacts, ads and message ids, so that rows meet. Times lie on a grid of local midnights and noons, give or take a
//! microsecond, so that ties, whole horizons and whole weeks between copies are common. Everything that the rules tell apart
//! occurs: members, aliases, blank and absent values, unknown bots, absurd times, late rows, sent messages, several settings,
//! accounts listed by several bots or by none, days that are missing at the end or in between. What the contract refuses as
//! a whole (an insights row twice) does not occur.
//!
//! Strategies of rows are boxed: unboxed, the frames of their nested types overflow a test's stack.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate, TimeDelta};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use crate::lake::{Form, LAYOUTS, Names, TimeForm};
use crate::oracle::utc_date;
use crate::world::{Bot, Event, Identity, Insight, METADATA_KEYS, Message, World};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// 2026-10-28: four days before New York's day of 25 hours.
fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 10, 28).expect("a date")
}

fn midnight_utc(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
}

/// Zone, and when its day begins on the first days of a world, after midnight UTC.
const ZONES: [(&str, i64); 5] = [
    ("America/Sao_Paulo", 3 * HOUR),
    ("Asia/Kolkata", 18 * HOUR + HOUR / 2),
    ("America/New_York", 4 * HOUR),
    ("UTC", 0),
    ("Pacific/Kiritimati", 10 * HOUR),
];
const CATEGORIES: [&str; 3] = ["purchase", "Purchase", "lead"];
const ACCOUNTS: [&str; 2] = ["act_1", "act_2"];
/// Ad, its account, the account's currency; the last account is listed by no bot.
const ADS: [(&str, &str, &str); 5] = [
    ("120226305854810726", "act_1", "BRL"),
    ("120226305854810727", "act_1", "BRL"),
    ("B", "act_2", "USD"),
    ("C", "act_2", "USD"),
    ("F", "act_9", "EUR"),
];

/// A value of a list, where "-" stands for an absent one.
fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    select(values).prop_map(|value| (value != "-").then(|| value.to_owned()))
}

/// An instant of the grid, around `days` days from the first.
fn instant(days: i64) -> impl Strategy<Value = i64> {
    // Midnights of UTC, Sao Paulo, New York (summer, winter), Kolkata and Kiritimati, and a noon.
    let of_day = select(vec![0, 3 * HOUR, 4 * HOUR, 5 * HOUR, 10 * HOUR, 12 * HOUR, 18 * HOUR + HOUR / 2]);
    let beside = prop_oneof![6 => Just(0), 1 => Just(-1), 1 => Just(1), 1 => 0..HOUR];
    (-1..=days, of_day, beside).prop_map(|(day, of_day, beside)| midnight_utc(first_day()) + day * DAY + of_day + beside)
}

/// A few instants that most rows of a world share, some of them a whole horizon or a week apart.
fn shared_instants(days: i64, window_days: i64) -> impl Strategy<Value = Vec<i64>> {
    vec(instant(days), 4).prop_map(move |mut instants| {
        let (one, two) = (instants[0], instants[1]);
        instants.extend([one + window_days * DAY, one + window_days * DAY + 1, two + 7 * DAY]);
        instants
    })
}

/// A time, and the partition it arrives in.
fn arrival(days: i64, shared: Vec<i64>) -> BoxedStrategy<(Option<i64>, NaiveDate)> {
    let at = |(day, of_day): (NaiveDate, i64)| midnight_utc(day) + of_day;
    let usual = (prop_oneof![2 => select(shared), 1 => instant(days)], prop_oneof![8 => Just(0), 2 => 1..6i64, 1 => -2..0i64])
        .prop_map(|(at, late)| (Some(at), utc_date(at) + TimeDelta::days(late)));
    let partition = move || (0..days).prop_map(|day| first_day() + TimeDelta::days(day));
    let absurd = (partition(), select(vec![(-401, DAY - 1), (-900, 0), (3, 0), (40, HOUR)]))
        .prop_map(move |(day, (off, of_day))| (Some(at((day + TimeDelta::days(off), of_day))), day));
    let out_of_calendar = (partition(), select(vec![None, Some(0), Some(7_258_118_400_000_000)])).prop_map(|(day, at)| (at, day));
    prop_oneof![60 => usual, 1 => absurd, 1 => out_of_calendar].boxed()
}

/// Mostly one of the values, now and then one of the odd ones.
fn mostly(values: &'static [&'static str], odd: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop_oneof![24 => one_of(values), 1 => one_of(odd)]
}

fn row_bot() -> impl Strategy<Value = Option<String>> {
    mostly(&["shop", "shop", "shop-sales", "loja", "loja", "loja-sub", "tienda"], &["nobody", " shop", "", "-", "nan"])
}

fn row_contact() -> impl Strategy<Value = Option<String>> {
    let usual = &[
        "ana",
        "ana",
        "ana",
        "bia",
        "bia",
        "alias-1",
        "alias-2",
        "alias-3",
        "5511987654321",
        "+55 11 98765-4321",
        "551187654321",
    ];
    mostly(
        usual,
        &[
            "bia ",
            "caio",
            "-",
            "  ",
            "ana/web",
            "bia:2@wa",
            "/",
            "5215512345678",
            "5491123456789",
            "shop",
            "loja-sub/1",
            "NULL",
            "5.5E+12",
        ],
    )
}

fn referred_ad() -> impl Strategy<Value = Option<String>> {
    let odd = ["nan", "\u{a0}B", "120226305854810726 ", "1.2022630585481073e17", "{\"id\": 1}", "[\"B\"]", "726.0"];
    let usual = select(&ADS[..]).prop_map(|(ad_id, _, _)| Some(ad_id.to_owned()));
    prop_oneof![24 => usual, 1 => select(odd.to_vec()).prop_map(|text| Some(text.to_owned()))]
}

/// Mostly none; else JSON in which some of the keys are, or what is none.
fn metadata() -> impl Strategy<Value = Option<String>> {
    let values = [
        "120226305854810726",
        "\"B\"",
        "\" C\\u00a0\"",
        "1.2022630585481073e17",
        "\"nan\"",
        "null",
        "\"\"",
        "false",
        "{\"a\": 1}",
        "\"post\"",
        "\"ad\"",
        "\"story\"",
    ];
    let pair = (select(&METADATA_KEYS[..]), select(values.to_vec())).prop_map(|((_, key), value)| format!("{key:?}: {value}"));
    let object = vec(pair, 0..5).prop_map(|pairs| format!("{{{}}}", pairs.join(", ")));
    let other = select(vec!["", " ", "null", "nan", "{'source_id': 'B'}", "{\"source_id\": ", "[1]"]).prop_map(str::to_owned);
    let some = prop_oneof![5 => object, 1 => other];
    prop_oneof![12 => Just(None), 1 => some.prop_map(Some)]
}

/// Words that mean nothing, in a few of the worlds.
fn null_words() -> impl Strategy<Value = [Vec<String>; 2]> {
    let of_table = || subsequence(vec!["nan", "NULL", "purchase"], 0..=2);
    let words = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect::<Vec<String>>();
    let some = (of_table(), of_table()).prop_map(move |(messages, events)| [words(messages), words(events)]);
    prop_oneof![3 => Just(Default::default()), 1 => some]
}

fn message(days: i64, shared: Vec<i64>) -> BoxedStrategy<Message> {
    // A touch more often than not; the rest has every mix of what makes one.
    let kind = || one_of(&["ad", "ad", "post", "AD", "Post", "click_to_chat_link", "-", " "]);
    let title = || one_of(&["Oferta", "Ação", "oferta", "-", " "]);
    let referral = prop_oneof![
        6 => (referred_ad(), kind(), title(), one_of(&["click", "-"])),
        1 => (one_of(&["-", "", " "]), kind(), title(), one_of(&["click", "click", "-", ""])),
    ];
    let message_id =
        mostly(&["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m11", "m12", "m13", "M1", "m10"], &["-", " "]);
    let direction = mostly(&["received", "received", "-", ""], &["sent", "sent", "Received"]);
    (row_bot(), message_id, row_contact(), arrival(days, shared), direction, referral, metadata())
        .prop_map(|(bot_id, message_id, contact_id, (sent_at, partition), direction, referral, metadata)| {
            let (ad_id, ad_type, ad_title, ctwa_clid) = referral;
            Message {
                partition,
                bot_id,
                message_id,
                contact_id,
                sent_at,
                direction,
                ad_id,
                ad_type,
                ad_title,
                ctwa_clid,
                metadata,
            }
        })
        .boxed()
}

fn event(days: i64, shared: Vec<i64>) -> BoxedStrategy<Event> {
    let category = mostly(&["purchase", "purchase", "Purchase", "lead"], &["other", "-", ""]);
    let event_id = one_of(&["-", "-", "", "e1", "e1", "e2", "e3"]);
    let contact = prop_oneof![5 => row_contact(), 1 => Just(None)];
    (row_bot(), contact, category, arrival(days, shared), event_id)
        .prop_map(|(bot_id, contact_id, category, (occurred_at, partition), event_id)| Event {
            partition,
            bot_id,
            contact_id,
            category,
            occurred_at,
            event_id,
        })
        .boxed()
}

/// How far a copy lies from its original: mostly nowhere, else around the edges of 7 days.
fn shift() -> impl Strategy<Value = i64> {
    let week = 7 * DAY;
    let edges = select(vec![week, -week, week + 1, -week - 1, week - 1, 5 * DAY, -5 * DAY]);
    prop_oneof![4 => Just(0), 2 => edges, 1 => select(vec![2_000_000, -2_000_000, 1, -1])]
}

/// Mostly None: the original's value stays.
fn another<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(0.25, value)
}

/// Messages like others of the world: copies with this or that changed, copies that lost their ad id, and other touches of
/// the same person at the very same time.
fn echoes() -> BoxedStrategy<Vec<(Index, i64, i64, Echo)>> {
    let any_id = || one_of(&["m1", "m2", "M1", "m10"]);
    let title = || one_of(&["Oferta", "oferta", "-"]);
    let copy = (
        another(row_bot()),
        another(any_id()),
        another(row_contact()),
        another(referred_ad()),
        another(one_of(&["ad", "post", "Ad", "ctwa", "-"])),
        another(title()),
    )
        .prop_map(|(bot_id, message_id, contact_id, ad_id, ad_type, ad_title)| Echo {
            bot_id,
            message_id,
            contact_id,
            ad_id,
            ad_type,
            ad_title,
        });
    let without_ad = Just(Echo { ad_id: Some(None), ..Echo::default() });
    let twin = (any_id(), another(referred_ad()), title()).prop_map(|(message_id, ad_id, ad_title)| Echo {
        message_id: Some(message_id),
        ad_id,
        ad_title: Some(ad_title),
        ..Echo::default()
    });
    let echo = prop_oneof![
        3 => (shift(), copy),
        1 => (shift(), without_ad),
        2 => (Just(0), twin),
    ];
    vec((any::<Index>(), echo, 0..3i64), 0..20)
        .prop_map(|echoes| echoes.into_iter().map(|(of, (shift, echo), late)| (of, shift, late, echo)).collect())
        .boxed()
}

/// What of the original is another; None keeps it.
#[derive(Clone, Debug, Default)]
struct Echo {
    bot_id: Option<Option<String>>,
    message_id: Option<Option<String>>,
    contact_id: Option<Option<String>>,
    ad_id: Option<Option<String>>,
    ad_type: Option<Option<String>>,
    ad_title: Option<Option<String>>,
}

impl Echo {
    fn of(self, original: &Message, shift: i64, late: i64) -> Message {
        let sent_at = original.sent_at.map(|at| at + shift);
        Message {
            partition: sent_at.map_or(original.partition, |at| utc_date(at) + TimeDelta::days(late)),
            bot_id: self.bot_id.unwrap_or_else(|| original.bot_id.clone()),
            message_id: self.message_id.unwrap_or_else(|| original.message_id.clone()),
            contact_id: self.contact_id.unwrap_or_else(|| original.contact_id.clone()),
            sent_at,
            direction: original.direction.clone(),
            ad_id: self.ad_id.unwrap_or_else(|| original.ad_id.clone()),
            ad_type: self.ad_type.unwrap_or_else(|| original.ad_type.clone()),
            ad_title: self.ad_title.unwrap_or_else(|| original.ad_title.clone()),
            ctwa_clid: original.ctwa_clid.clone().or_else(|| Some("click".to_owned())),
            metadata: original.metadata.clone(),
        }
    }
}

/// Events like others of the world, of the same id or another.
type EventEcho = (Index, i64, i64, Option<Option<String>>, Option<Option<String>>);

fn event_echoes() -> BoxedStrategy<Vec<EventEcho>> {
    let echo = (any::<Index>(), shift(), 0..3i64, another(row_contact()), another(one_of(&["e1", "e2", "-"])));
    vec(echo, 0..12).boxed()
}

/// A history of settings, each of another category than the one before it. The first is often at a local midnight.
fn settings(days: i64, midnight: i64) -> impl Strategy<Value = Vec<(String, i64)>> {
    let long_before = midnight_utc(first_day()) - 600 * DAY;
    let at_midnight = (0..days).prop_map(move |day| Some(midnight_utc(first_day()) + day * DAY + midnight));
    let start = prop_oneof![3 => Just(Some(long_before)), 2 => at_midnight, 1 => Just(None)];
    (start, vec(instant(days), 0..3), 0..CATEGORIES.len()).prop_map(|(start, changes, category)| {
        let changes = changes.into_iter().filter(|at| start.is_none_or(|start| start < *at));
        let instants: BTreeSet<i64> = start.into_iter().chain(changes).collect();
        let categories = CATEGORIES.iter().cycle().skip(category);
        categories.zip(instants).map(|(category, at)| ((*category).to_owned(), at)).collect()
    })
}

fn bots(days: i64) -> BoxedStrategy<Vec<Bot>> {
    let bot = move |id: &'static str, members: &'static [&'static str]| {
        let zone_and_settings = select(&ZONES[..]).prop_flat_map(move |(zone, midnight)| (Just(zone), settings(days, midnight)));
        let tests =
            prop_oneof![5 => Just(Vec::new()), 2 => subsequence(vec!["bia", "alias-2", "5511987654321", "551187654321"], 1..=2)];
        (zone_and_settings, subsequence(&ACCOUNTS[..], 0..=2), tests).prop_map(move |((zone, settings), accounts, tests)| Bot {
            test_contacts: tests.into_iter().map(str::to_owned).collect(),
            id: id.to_owned(),
            members: members.iter().map(|member| (*member).to_owned()).collect(),
            timezone: zone.to_owned(),
            ad_accounts: accounts.into_iter().map(str::to_owned).collect(),
            settings,
        })
    };
    let all = (bot("shop", &["shop-sales"]), bot("loja", &["loja-sub"]), bot("tienda", &[]));
    (all, any::<bool>())
        .prop_map(|((shop, loja, tienda), three)| match three {
            true => vec![shop, loja, tienda],
            false => vec![loja, shop],
        })
        .boxed()
}

/// Half of the worlds name none.
fn forms() -> impl Strategy<Value = Vec<String>> {
    let all = vec!["br-ninth-digit", "digits", "node", "device", "mx-mobile-1", "ar-mobile-9"];
    let names = prop_oneof![1 => Just(Vec::new()), 1 => subsequence(all, 1..=6)];
    names.prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

/// Chains, a bot's own row beside the row for all bots, a member's row, a bot nobody names, loops and two targets.
fn identities() -> impl Strategy<Value = Vec<Identity>> {
    let rows = vec![
        ("-", "alias-1", "ana"),
        ("shop", "alias-1", "bia"),
        ("-", "alias-2", "alias-1"),
        ("loja-sub", "alias-2", "caio"),
        ("shop-sales", "alias-3", "alias-2"),
        ("loja", "bia ", "bia"),
        ("nobody", "ana", "bia"),
        // Loops, of all bots and of one, and a second target.
        ("-", "ana", "alias-2"),
        ("shop", "bia", "alias-1"),
        ("-", "alias-1", "caio"),
        ("-", "551187654321", "ana"),
        // Not one person.
        ("-", "bia", "nan"),
        ("shop", "alias-2", "5.5E+12"),
        ("loja", "+55 (11) 98765-4321", "bia"),
    ];
    subsequence(rows, 0..=9).prop_map(|rows| {
        rows.into_iter()
            .map(|(bot_id, alias, contact_id)| Identity {
                bot_id: (bot_id != "-").then(|| bot_id.to_owned()),
                alias: alias.to_owned(),
                contact_id: contact_id.to_owned(),
            })
            .collect()
    })
}

fn insight(days: i64) -> BoxedStrategy<Insight> {
    let day = prop_oneof![12 => -2..=days, 1 => 26..40i64];
    let figure = || proptest::option::weighted(0.7, 0..2_000i64);
    let name = || one_of(&["name one", "name two", "-"]);
    (
        day,
        select(&ADS[..]),
        prop_oneof![1 => Just(0), 3 => 0..50_000_000i64],
        (figure(), figure(), figure(), figure(), figure()),
        (name(), name(), name(), name(), name()),
    )
        .prop_map(|(day, (ad_id, account_id, currency), spend_millionths, figures, names)| Insight {
            date: first_day() + TimeDelta::days(day),
            account_id: account_id.to_owned(),
            ad_id: ad_id.to_owned(),
            currency: currency.to_owned(),
            spend_millionths,
            impressions: figures.0,
            reach: figures.1,
            clicks: figures.2,
            inline_link_clicks: figures.3,
            messaging_conversations_started: figures.4,
            ad_name: names.0,
            adset_id: names.1,
            adset_name: names.2,
            campaign_id: names.3,
            campaign_name: names.4,
            loaded_at: None,
        })
        .boxed()
}

/// Which of the days landed: all, all but the newest of one table or both, or all but some.
fn landed(days: i64) -> BoxedStrategy<(Vec<NaiveDate>, Vec<NaiveDate>, Vec<NaiveDate>)> {
    let short_end = prop_oneof![3 => Just((0, 0)), 1 => (0..3i64, 0..3i64)];
    let holes = || prop_oneof![5 => Just(Vec::new()), 2 => vec(0..days, 1..3)];
    (short_end, holes(), holes(), any::<bool>())
        .prop_map(move |(end, message_holes, event_holes, allowed)| {
            let date = |day: i64| first_day() + TimeDelta::days(day);
            let landed = |end: i64, holes: &[i64]| -> Vec<NaiveDate> {
                (0..days - end).filter(|day| !holes.contains(day)).map(date).collect()
            };
            let (messages, events) = (landed(end.0, &message_holes), landed(end.1, &event_holes));
            // The first of the holes will never come; the others are waited for.
            let excused = message_holes.first().into_iter().chain(event_holes.first()).copied();
            let allow_missing: BTreeSet<NaiveDate> = excused.filter(|_| allowed).map(date).collect();
            (messages, events, allow_missing.into_iter().collect())
        })
        .boxed()
}

/// Mostly UTC; else the same for both tables or not.
fn partition_zones() -> BoxedStrategy<[Option<String>; 2]> {
    let zone = || one_of(&["-03:00", "America/New_York", "Asia/Kolkata", "+14:00", "-"]);
    prop_oneof![2 => Just([None, None]), 1 => zone().prop_map(|zone| [zone.clone(), zone]), 1 => [zone(), zone()]].boxed()
}

fn world_of(days: i64, rows: usize) -> BoxedStrategy<World> {
    select(vec![1i64, 2, 3, 7, 90, 90])
        .prop_flat_map(move |window_days| (Just(window_days), shared_instants(days, window_days)))
        .prop_flat_map(move |(window_days, shared)| {
            (
                (bots(days), Just(window_days), identities(), forms(), landed(days), (partition_zones(), null_words())),
                (vec(message(days, shared.clone()), 0..rows), echoes()),
                (vec(event(days, shared), 0..rows), event_echoes()),
                (prop_oneof![1 => Just(Vec::new()), 4 => vec(insight(days), 1..20)], any::<bool>()),
            )
        })
        .prop_map(
            |(
                (bots, window_days, identities, forms, landed, (partition_zones, null_words)),
                (mut messages, echoes),
                (mut events, event_echoes),
                insights,
            )| {
                let (mut insights, absent_means_zero) = insights;
                let (message_days, event_days, allow_missing) = landed;
                for (of, shift, late, echo) in echoes {
                    if !messages.is_empty() {
                        messages.push(echo.of(of.get(&messages), shift, late));
                    }
                }
                for (of, shift, late, contact_id, event_id) in event_echoes {
                    if !events.is_empty() {
                        let mut event: Event = of.get(&events).clone();
                        event.occurred_at = event.occurred_at.map(|at| at + shift);
                        event.partition = event.occurred_at.map_or(event.partition, |at| utc_date(at) + TimeDelta::days(late));
                        event.contact_id = contact_id.unwrap_or(event.contact_id);
                        event.event_id = event_id.unwrap_or(event.event_id);
                        events.push(event);
                    }
                }
                messages.retain(|row| message_days.contains(&row.partition));
                events.retain(|row| event_days.contains(&row.partition));
                let mut seen = BTreeSet::new();
                insights.retain(|row| seen.insert((row.date, row.ad_id.clone())));
                World {
                    bots,
                    window_days,
                    forms,
                    message_days,
                    event_days,
                    allow_missing,
                    partition_zones,
                    null_words,
                    unreadable: Default::default(),
                    messages,
                    events,
                    identities,
                    insights,
                    empty_insight_days: Vec::new(),
                    refused_insights: Vec::new(),
                    absent_means_zero,
                    fetched: None,
                }
            },
        )
        .prop_filter("both tables have a landed day in common", |world| {
            world.message_days.iter().any(|day| world.event_days.contains(day))
        })
        .boxed()
}

/// Worlds of a week or two.
pub fn world() -> impl Strategy<Value = World> {
    (4..14i64).prop_flat_map(|days| world_of(days, 40))
}

/// A world longer than what a day can need of its past, where a hole or a session reaches as far as anything does.
pub fn long_world() -> impl Strategy<Value = World> {
    let early_hole = (0..6u64, any::<bool>());
    (100..108i64).prop_flat_map(|days| world_of(days, 60)).prop_flat_map(move |world| {
        (Just(world), early_hole.clone()).prop_map(|(mut world, (hole, in_messages))| {
            let hole = first_day() + Days::new(hole);
            match in_messages {
                true => world.message_days.retain(|day| *day != hole),
                false => world.event_days.retain(|day| *day != hole),
            }
            world.messages.retain(|row| world.message_days.contains(&row.partition));
            world.events.retain(|row| world.event_days.contains(&row.partition));
            world
        })
    })
}

/// A form to store a world in.
pub fn form() -> impl Strategy<Value = Form> {
    use TimeForm::*;
    (
        proptest::option::of(any::<u64>()),
        1..4usize,
        select(vec![1usize, 3, 1_000]),
        select(vec![MicrosUtc, MicrosNaive, Millis, NanosNaive, Text, Texts, Integer, Digits]),
        any::<[bool; 4]>(),
        select(&LAYOUTS[..]),
        (proptest::option::of(any::<u64>()), proptest::option::of(any::<u64>())),
        select(vec![Names::Contract, Names::Contract, Names::Upper, Names::Capital]),
    )
        .prop_map(|(shuffle, files_per_day, rows_per_group, time, flags, lay, (types, encoding), names)| Form {
            lay,
            types,
            encoding,
            names,
            shuffle,
            files_per_day,
            rows_per_group,
            time,
            spend_as_text: flags[0],
            counts_as_text: flags[1],
            bare_accounts: flags[2],
            omit_empty_columns: flags[3],
            ..Form::default()
        })
}

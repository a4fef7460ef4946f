//! `ctwa explain`: one hand-made scene in which every verdict occurs, with the sentences it must be told in; and on random worlds
//! as many of each as the oracle finds.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::Value;
use tempfile::TempDir;

use crate::lake::{self, Form, Lake};
use crate::nights::listing;
use crate::oracle::{self, State};
use crate::properties::{check, fail, folder, judged};
use crate::scene::{HOUR, date, noon};
use crate::world::{Bot, Event, Identity, Insight, Message, World};
use crate::worlds;

const FIRST: &str = "2026-03-01";
const MINUTE: i64 = HOUR / 60;
const SECOND: i64 = MINUTE / 60;
const DAY: i64 = 24 * HOUR;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Hours and so on after 9 o'clock of the first day, in Sao Paulo.
fn at(micros: i64) -> i64 {
    noon(FIRST) + micros
}

fn touch(bot: &str, id: &str, contact: &str, at: i64, ad: Option<&str>) -> Message {
    Message {
        partition: oracle::utc_date(at),
        bot_id: text(bot),
        message_id: text(id),
        contact_id: Some(contact.to_owned()).filter(|contact| !contact.is_empty()),
        sent_at: Some(at),
        ad_id: ad.map(str::to_owned),
        ad_type: text("ad"),
        ad_title: Some("Oferta".to_owned()).filter(|_| ad == Some("A")),
        ..Message::default()
    }
}

fn event(contact: Option<&str>, category: &str, id: &str, at: i64) -> Event {
    Event {
        partition: oracle::utc_date(at),
        bot_id: text("shop"),
        contact_id: contact.map(str::to_owned),
        category: text(category),
        occurred_at: Some(at),
        event_id: text(id),
    }
}

fn insight(account: &str, ad: &str, day: &str, spend_millionths: i64) -> Insight {
    let (account_id, ad_id) = (account.to_owned(), ad.to_owned());
    Insight { date: date(day), account_id, ad_id, currency: "BRL".into(), spend_millionths, ..Insight::default() }
}

fn world() -> World {
    let days: Vec<NaiveDate> = (1..=6).map(|day| date(&format!("2026-03-0{day}"))).collect();
    let bot = |id: &str, accounts: &[&str], settings: Vec<(String, i64)>| Bot {
        id: id.into(),
        timezone: "America/Sao_Paulo".into(),
        ad_accounts: accounts.iter().map(|account| (*account).to_owned()).collect(),
        settings,
        ..Bot::default()
    };
    let settings = vec![("purchase".to_owned(), noon("2026-01-01")), ("lead".to_owned(), noon("2026-03-04"))];
    World {
        bots: vec![bot("shop", &["act_1", "act_2", "act_3"], settings), bot("loja", &["act_3"], Vec::new())],
        window_days: 2,
        message_days: days.clone(),
        event_days: days,
        messages: vec![
            touch("shop", "m1", "ana", at(0), Some("A")),
            touch("shop", "m1", "ana", at(SECOND), Some("A")),
            touch("shop", "m2", "bia", at(30 * MINUTE), Some("A")),
            touch("shop", "m3", "bia", at(90 * MINUTE), Some("B")),
            touch("shop", "m4", "caio", at(-HOUR), Some("A")),
            touch("shop", "m5", "eva", at(2 * HOUR), None),
            touch("shop", "m5", "eva", at(2 * HOUR + 2 * SECOND), Some("A")),
            touch("shop", "m6", "eva", at(3 * HOUR), None),
            touch("shop", "m7", "", at(0), Some("A")),
            touch("shop", "m8", "fabi", at(0), Some("P")),
            touch("shop", "m9", "gil", at(0), Some("C")),
            touch("shop", "m10", "hugo", at(0), Some("D")),
            touch("loja", "m11", "hugo", at(HOUR), Some("D")),
            touch("shop", "m12", "ivo", at(4 * DAY), Some("A")),
        ],
        events: vec![
            event(Some("ana"), "purchase", "e1", at(HOUR)),
            event(Some("ana"), "purchase", "e1", at(HOUR + 5 * SECOND)),
            event(Some("tunnel"), "purchase", "e2", at(2 * HOUR)),
            event(Some("ana"), "lead", "e3", at(3 * HOUR)),
            event(Some("bia"), "purchase", "e4", at(3 * HOUR)),
            event(Some("caio"), "purchase", "e5", at(2 * DAY - HOUR + SECOND)),
            event(Some("davi"), "purchase", "e6", at(0)),
            event(None, "purchase", "e7", at(0)),
            event(Some("caio"), "lead", "e8", at(4 * DAY)),
        ],
        identities: vec![Identity { bot_id: None, alias: "tunnel".into(), contact_id: "ana".into() }],
        insights: vec![
            insight("act_1", "A", FIRST, 10_500_000),
            insight("act_1", "B", "2026-03-02", 1_000_000),
            insight("act_2", "C", "2026-03-02", 1_000_000),
            insight("act_3", "D", FIRST, 2_000_000),
        ],
        ..World::default()
    }
}

fn scene() -> (TempDir, Lake) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let lake = lake::write(&world(), &Form::default(), folder.path());
    lake::ctwa_expecting(&lake, &[0], "run", &[]).expect("it runs");
    (folder, lake)
}

fn json(lake: &Lake, args: &[&str]) -> Value {
    let args = [args, ["--json", "--full-contacts"].as_slice()].concat();
    let told = lake::ctwa_expecting(lake, &[0], "explain", &args).expect("it answers");
    serde_json::from_str(&told).expect("it is JSON")
}

/// The facts of a bot's chapters: title, verdict, rules, sentence.
fn facts(told: &Value, bot: &str) -> Vec<(String, String, String, String)> {
    let chapters = told["chapters"].as_array().expect("chapters").iter().filter(|chapter| chapter["bot_id"] == bot);
    let of_chapter = |chapter: &Value| {
        let title = chapter["title"].as_str().expect("a title").to_owned();
        let fact = |fact: &Value| {
            let text = |name: &str| fact[name].as_str().expect("a text").to_owned();
            (title.clone(), text("verdict"), fact["rules"].to_string(), text("text"))
        };
        chapter["facts"].as_array().expect("facts").iter().map(fact).collect::<Vec<_>>()
    };
    chapters.flat_map(of_chapter).collect()
}

fn assert_tells(told: &Value, bot: &str, expected: &[(&str, &str, &str, &str)]) {
    let found = facts(told, bot);
    let owned = |(title, verdict, rules, text): &(&str, &str, &str, &str)| {
        ((*title).to_owned(), (*verdict).to_owned(), (*rules).to_owned(), (*text).to_owned())
    };
    assert_eq!(found, expected.iter().map(owned).collect::<Vec<_>>(), "{found:#?}");
}

const EVENTS: &str = "Events of these people that did not count for the ad";

#[test]
fn an_ads_day_is_told_whole() {
    let (_folder, lake) = scene();
    let before = listing(&lake.output);
    let told = json(&lake, &["--ad", "A", "--date", FIRST, "--bot", "shop"]);
    assert_eq!(told["about"], "ad A on 2026-03-01");
    let row = &told["chapters"][0]["row"];
    assert_eq!((row["conversations"].as_str(), row["conversions"].as_str()), (Some("4"), Some("1")), "{row}");
    assert_eq!((row["spend"].as_str(), row["reach"].is_null()), (Some("10.500000"), true), "{row}");
    assert_tells(
        &told,
        "shop",
        &[
            ("Published", "published", "[]", "Ad A of bot shop has 4 conversations and 1 conversion on 2026-03-01"),
            ("Published", "setting", "[8]", "The conversion event was \"purchase\", set from 2026-01-01 09:00:00-03:00"),
            (
                "Conversations",
                "conversation",
                "[1,4]",
                "At 2026-03-01 08:00:00-03:00 caio clicked ad A \"Oferta\": one conversation. It \
         expired at 2026-03-03 08:00:00-03:00, after 2 days without a conversion event",
            ),
            (
                "Conversations",
                "conversation",
                "[1,3]",
                "At 2026-03-01 09:00:00-03:00 ana clicked ad A \"Oferta\": one conversation. It \
         converted with the event \"purchase\" (e1) at 2026-03-01 10:00:00-03:00, 1 hour later",
            ),
            (
                "Conversations",
                "conversation",
                "[1,3]",
                "At 2026-03-01 09:30:00-03:00 bia clicked ad A \"Oferta\": one conversation. It \
         was superseded by a click on ad B at 2026-03-01 10:30:00-03:00",
            ),
            (
                "Conversations",
                "conversation",
                "[1,3]",
                "At 2026-03-01 11:00:02-03:00 eva clicked ad A \"Oferta\": one conversation. It \
         was superseded by a click on an ad that the message does not name at 2026-03-01 12:00:00-03:00",
            ),
            (
                "Copies",
                "copy",
                "[1]",
                "At 2026-03-01 09:00:01-03:00 a message of ana, a click on ad A \"Oferta\", was delivered again; it \
         was delivered at 2026-03-01 09:00:00-03:00 too: a copy, which does not count",
            ),
            (
                "Copies",
                "copy",
                "[2]",
                "At 2026-03-01 11:00:00-03:00 a message of eva, a click on an ad that the message does not name, was \
         delivered again; it was delivered, with its ad id, at 2026-03-01 11:00:02-03:00 too: a copy, which does not count",
            ),
            (
                "Conversions",
                "conversion",
                "[3,9]",
                "At 2026-03-01 10:00:00-03:00 ana had the event \"purchase\" (e1): one conversion of ad A \
         \"Oferta\", for the conversation of 2026-03-01 09:00:00-03:00, 1 hour after the click. It counts on its own day",
            ),
            (
                EVENTS,
                "copy",
                "[7]",
                "At 2026-03-01 10:00:05-03:00 the event \"purchase\" (e1) of ana was tracked again; the first was at \
         2026-03-01 10:00:00-03:00: a copy, which does not count",
            ),
            (
                EVENTS,
                "already converted",
                "[6]",
                "At 2026-03-01 11:00:00-03:00 ana (as tunnel, rule 16) had the event \"purchase\" (e2); it \
         counts nothing: the conversation of 2026-03-01 09:00:00-03:00 had converted already, with the event \"purchase\" (e1) at \
         2026-03-01 10:00:00-03:00",
            ),
            (
                EVENTS,
                "not in effect",
                "[7,8]",
                "At 2026-03-01 12:00:00-03:00 ana had the event \"lead\" (e3); it neither counts nor closes \
         anything: the conversion event was \"purchase\", since 2026-01-01 09:00:00-03:00",
            ),
            (
                EVENTS,
                "superseded",
                "[3,9]",
                "At 2026-03-01 12:00:00-03:00 bia had the event \"purchase\" (e4): one conversion of ad B, for the \
         conversation of 2026-03-01 10:30:00-03:00, 1 hour 30 minutes after the click. It counts on its own day. This ad does not get \
         it: the later click at 2026-03-01 10:30:00-03:00 closed its conversation",
            ),
            ("Money", "spend of Meta", "[14]", "Spend is 10.500000 BRL, as Meta reported it for account act_1 and this day"),
            ("The day", "complete", "[19]", "The day is complete: no partition it needs is missing"),
            (
                "The day",
                "no contact",
                "[18]",
                "1 conversion event of the bot came without a contact on this day: counted, credited to no ad",
            ),
            (
                "The day",
                "rejected rows",
                "[18]",
                "Rows of the bot in the messages partition of 2026-03-01 were set aside: no_contact 1. They \
         lie in rejected/messages/date=2026-03-01/rejected.parquet",
            ),
        ],
    );
    assert_eq!(before, listing(&lake.output), "it wrote");
}

#[test]
fn other_days_and_ads_have_their_reasons() {
    let (_folder, lake) = scene();
    let tells = |ad: &str, day: &str, bot: &str, title: &str, verdict: &str, rules: &str, text: &str| {
        let found = facts(&json(&lake, &["--ad", ad, "--date", day]), bot);
        let expected = (title.to_owned(), verdict.to_owned(), rules.to_owned(), text.to_owned());
        assert!(found.contains(&expected), "{ad} {day} {bot}: {expected:?} is not among {found:#?}");
    };
    tells(
        "A",
        "2026-03-03",
        "shop",
        EVENTS,
        "too late",
        "[4]",
        "At 2026-03-03 08:00:01-03:00 caio had the event \"purchase\" (e5); it counts nothing: the conversation of \
         2026-03-01 08:00:00-03:00 had ended 1 second before, after 2 days",
    );
    tells(
        "A",
        "2026-03-03",
        "shop",
        "Published",
        "no row",
        "[]",
        "Ad A of bot shop has no row on 2026-03-03: no click, no conversion and no spend was counted",
    );
    tells(
        "A",
        "2026-03-04",
        "shop",
        "Published",
        "setting",
        "[8]",
        "The conversion event was \"lead\", set from 2026-03-04 09:00:00-03:00",
    );
    tells(
        "B",
        FIRST,
        "shop",
        "Money",
        "spend is zero",
        "[14]",
        "Spend is 0.000000: Meta reported this day of account act_1 and no row of this ad, so nothing was spent",
    );
    tells(
        "P",
        FIRST,
        "shop",
        "Money",
        "spend unknown",
        "[14]",
        "Spend is not known: no account that a bot lists is known to have this ad. It is a post, an ad of a foreign account, or Meta's \
         rows of it have not landed",
    );
    tells(
        "C",
        FIRST,
        "shop",
        "Money",
        "spend unknown",
        "[14]",
        "Spend is not known: Meta's figures of account act_2 for this day have not landed, or are refused",
    );
    tells(
        "D",
        FIRST,
        "shop",
        "Money",
        "spend of Meta",
        "[14]",
        "Spend is 2.000000 BRL, as Meta reported it for account act_3 and this day",
    );
    tells(
        "D",
        FIRST,
        "loja",
        "Money",
        "spend on another row",
        "[14]",
        "Spend is not on this row: several bots share the ad, and it stands on the row of bot shop",
    );
    tells(
        "D",
        FIRST,
        "loja",
        "Published",
        "not configured",
        "[10]",
        "Conversions are unknown, not 0: on this day the bot had no conversion event, it has none",
    );
    tells(
        "A",
        "2026-03-05",
        "shop",
        "Conversations",
        "conversation",
        "[1]",
        "At 2026-03-05 09:00:00-03:00 ivo clicked ad A \"Oferta\": one conversation. It is still open: nothing has closed it by what has \
         landed so far",
    );
    let told = json(&lake, &["--ad", "A", "--date", "2026-03-06", "--bot", "shop"]);
    let state = facts(&told, "shop").pop().expect("a fact");
    assert_eq!(state.1, "not complete");
    assert_eq!(
        state.3,
        "The day is not complete, its figures may change: it waits for events of 2026-03-07, messages of 2026-03-07"
    );
    let told = json(&lake, &["--ad", "A", "--date", "2026-03-09", "--bot", "shop"]);
    assert_eq!(facts(&told, "shop")[0].3, "Nothing is published for 2026-03-09: the day has not been built");
    let told = json(&lake, &["--ad", "nowhere", "--date", FIRST]);
    assert_eq!(facts(&told, "")[0].3, "Nothing happened to the ad on 2026-03-01 in any bot: no click, no conversion, no spend");
}

#[test]
fn a_contact_is_a_timeline() {
    let (_folder, lake) = scene();
    let verdicts = |args: &[&str]| -> Vec<(String, String)> {
        facts(&json(&lake, args), "shop").into_iter().map(|(_, verdict, rules, _)| (verdict, rules)).collect()
    };
    let owned = |expected: &[(&str, &str)]| -> Vec<(String, String)> {
        expected.iter().map(|(verdict, rules)| ((*verdict).to_owned(), (*rules).to_owned())).collect()
    };
    let ana = owned(&[
        ("conversation", "[1,3]"),
        ("copy", "[1]"),
        ("conversion", "[3,9]"),
        ("copy", "[7]"),
        ("already converted", "[6]"),
        ("not in effect", "[7,8]"),
    ]);
    assert_eq!(verdicts(&["--contact", "ana"]), ana);
    assert_eq!(verdicts(&["--contact", "tunnel"]), ana, "an alias finds its contact");
    assert_eq!(
        verdicts(&["--contact", "eva"]),
        owned(&[("copy", "[2]"), ("conversation", "[1,3]"), ("unattributed touch", "[2,4]")])
    );
    assert_eq!(
        verdicts(&["--contact", "caio"]),
        owned(&[("conversation", "[1,4]"), ("too late", "[4]"), ("too late", "[4]")]),
        "the second event is of the category that is in effect by then"
    );
    let days = ["--contact", "caio", "--from", "2026-03-03", "--to", "2026-03-03"];
    assert_eq!(verdicts(&days), owned(&[("too late", "[4]")]));
    let told = json(&lake, &["--contact", "davi"]);
    assert_eq!(
        facts(&told, "shop")[0].3,
        "At 2026-03-01 09:00:00-03:00 davi had the event \"purchase\" (e6); it counts for no ad: the \
                                           contact had clicked none in the 2 days before"
    );
    let ran = lake::ctwa(&lake, &["explain", "pipeline.toml", "--contact", "nobody"]);
    assert!(ran.code == 2 && ran.stderr.contains("no click and no event of this contact is known"), "{}", ran.stderr);
}

#[test]
fn told_on_paper_lines_are_short_and_contacts_too() {
    let (_folder, lake) = scene();
    let ran = lake::ctwa(&lake, &["explain", "pipeline.toml", "--ad", "A", "--date", FIRST, "--bot", "shop"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let head = "About ad A on 2026-03-01\n\nBot shop, local times of America/Sao_Paulo\n\nPublished\n  - Ad A of bot shop has 4 \
                conversations and 1 conversion on 2026-03-01.\n";
    assert!(ran.stdout.starts_with(head), "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
    assert!(ran.stdout.contains("(rules 7, 8)") && ran.stdout.contains("(rule 14)"), "{}", ran.stdout);
    for contact in ["caio", "tunnel", "fabi"] {
        assert!(!ran.stdout.contains(contact), "{contact} is told\n{}", ran.stdout);
    }
    let cases: [(&[&str], &str); 5] = [
        (&["--ad", "A"], "--date"),
        (&["--date", FIRST], "--ad"),
        (&["--ad", "A", "--date", FIRST, "--contact", "ana"], "--contact"),
        (&["--contact", "ana", "--from", FIRST], "--to"),
        (&["--contact", "ana", "--bot", "shp"], "did you mean \"shop\"?"),
    ];
    for (args, says) in cases {
        let ran = lake::ctwa(&lake, &[&["explain", "pipeline.toml"], args].concat());
        assert!(ran.code == 2 && ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
    }
}

/// As many of each verdict as the oracle finds.
fn same_as_oracle(world: &World, form: &Form) -> Result<(), TestCaseError> {
    let expected = judged(world)?;
    let folder = folder()?;
    let lake = lake::write(world, form, folder.path());
    lake::ctwa_expecting(&lake, &[if oracle::has_hole(world) { 3 } else { 0 }], "run", &[]).map_err(fail)?;
    let before = listing(folder.path());
    let pipeline = lake.pipeline.to_str().ok_or_else(|| fail("no text"))?;
    for contact in ["ana", "bia", "caio"] {
        let ran = lake::ctwa(&lake, &["explain", pipeline, "--contact", contact, "--json", "--full-contacts"]);
        let told: Value = serde_json::from_str(&ran.stdout).map_err(|error| fail(format!("{error}: {}", ran.stderr)))?;
        for bot in world.bots.iter().map(|bot| &bot.id) {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            let mut count = |verdict: &'static str, n: usize| *counts.entry(verdict).or_default() += n;
            let person = oracle::contact_of(world, bot, contact);
            for session in expected.sessions.iter().filter(|session| session.bot_id == *bot && session.contact_id == person) {
                count(if session.ad_id.is_some() { "conversation" } else { "unattributed touch" }, 1);
                count("conversion", usize::from(matches!(session.state, State::Converted { .. })));
            }
            count("no conversion", expected.organic.iter().filter(|(of, who, _)| of == bot && *who == person).count());
            counts.retain(|_, n| *n > 0);
            let mut found: BTreeMap<&str, usize> = BTreeMap::new();
            let facts = if ran.code == 0 { facts(&told, bot) } else { Vec::new() };
            for (_, verdict, _, _) in &facts {
                let verdict = match verdict.as_str() {
                    "organic" | "already converted" | "too late" => "no conversion",
                    "copy" | "not in effect" => continue,
                    verdict => verdict,
                };
                *found.entry(verdict).or_default() += 1;
            }
            prop_assert_eq!(found, counts, "{} {}", bot, contact);
        }
    }
    prop_assert_eq!(before, listing(folder.path()), "it wrote");
    Ok(())
}

#[test]
fn verdicts_are_as_many_as_the_oracles() {
    check(10, (worlds::world(), worlds::form()), |(world, form)| same_as_oracle(&world, &form));
}

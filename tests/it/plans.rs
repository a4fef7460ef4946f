//! Plan snapshots, by hand: what `ctwa plan --json` says before a run, and which days the run then builds, and why.
//!
//! One bot unless said, days from 2026-02-24 (d0) on, so that the days d5 on lie in March. A day is written `d4`; a list of days
//! with one reason `d4..d6 reason`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde_json::Value;
use tempfile::TempDir;

use crate::lake::{self, Form, Lake};
use crate::nights;
use crate::world::{Bot, Event, Identity, Insight, Message, World};

const HOUR: i64 = 3_600_000_000;
const D0: &str = "2026-02-24";

pub fn day(n: i64) -> NaiveDate {
    let first: NaiveDate = D0.parse().expect("a date");
    first.checked_add_signed(chrono::TimeDelta::days(n)).expect("a date")
}

/// The number of a day, as the snapshots write it.
fn d(date: &str) -> i64 {
    (date.parse::<NaiveDate>().expect("a date") - day(0)).num_days()
}

pub fn at(n: i64, hour: i64) -> i64 {
    day(n).and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros() + hour * HOUR
}

pub fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A touch of a contact at noon, arriving on its own day. Message ids are of the contact and the day.
pub fn touch(n: i64, contact: &str, ad: &str) -> Message {
    Message {
        partition: day(n),
        bot_id: some("shop"),
        message_id: Some(format!("m-{contact}-{n}")),
        contact_id: some(contact),
        sent_at: Some(at(n, 12)),
        direction: some("received"),
        ad_id: some(ad),
        ad_type: some("ad"),
        ad_title: some("Oferta"),
        ctwa_clid: some("click"),
        metadata: None,
    }
}

pub fn event(n: i64, contact: &str, category: &str) -> Event {
    Event {
        partition: day(n),
        bot_id: some("shop"),
        contact_id: some(contact),
        category: some(category),
        occurred_at: Some(at(n, 18)),
        event_id: None,
    }
}

pub fn figures(n: i64, ad: &str, spend: i64) -> Insight {
    Insight {
        date: day(n),
        account_id: "act_1".into(),
        ad_id: ad.into(),
        currency: "BRL".into(),
        spend_millionths: spend,
        ..Insight::default()
    }
}

pub fn shop(zone: &str) -> Bot {
    Bot {
        id: "shop".into(),
        timezone: zone.into(),
        ad_accounts: vec!["act_1".into()],
        settings: vec![("purchase".into(), at(-100, 0))],
        ..Bot::default()
    }
}

/// Ten days, d0 to d9. ana clicks A on d0 and buys on d1, bia clicks B on d2 and buys on d4; Meta's figures of A on d0 and d4.
pub fn world() -> World {
    World {
        bots: vec![shop("UTC")],
        window_days: 90,
        message_days: (0..10).map(day).collect(),
        event_days: (0..10).map(day).collect(),
        messages: vec![touch(0, "ana", "A"), touch(2, "bia", "B")],
        events: vec![event(1, "ana", "purchase"), event(4, "bia", "purchase")],
        insights: vec![figures(0, "A", 1_000_000), figures(4, "A", 2_000_000)],
        ..World::default()
    }
}

/// Lands a partition of both tables, with these rows.
pub fn land_night(world: &mut World, n: i64, messages: Vec<Message>, events: Vec<Event>) {
    world.message_days.push(day(n));
    world.event_days.push(day(n));
    world.messages.extend(messages.into_iter().map(|row| Message { partition: day(n), ..row }));
    world.events.extend(events.into_iter().map(|row| Event { partition: day(n), ..row }));
}

pub struct Lab {
    pub folder: TempDir,
    pub world: World,
    pub lake: Lake,
}

/// What a plan or a run says, in the words of the snapshots.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub code: i32,
    pub days: Vec<String>,
    pub at_most: Vec<String>,
    pub blocked: Vec<String>,
}

impl Lab {
    /// A lake with nothing built.
    pub fn unbuilt(world: World) -> Lab {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let nothing = World {
            message_days: vec![],
            event_days: vec![],
            messages: vec![],
            events: vec![],
            insights: vec![],
            ..world.clone()
        };
        nights::land(&World { identities: vec![], ..nothing }, &world, &Form::default(), folder.path());
        let lake = nights::pipeline(&world, &Form::default(), folder.path(), "out");
        Lab { folder, world, lake }
    }

    pub fn new(world: World) -> Lab {
        let lab = Lab::unbuilt(world);
        let ran = lab.ctwa("run", &[]);
        assert!([0, 3].contains(&ran.code), "{ran:?}");
        lab
    }

    /// Changes the world, and what has landed of it.
    pub fn change(&mut self, change: impl FnOnce(&mut World)) {
        let before = self.world.clone();
        change(&mut self.world);
        nights::land(&before, &self.world, &Form::default(), self.folder.path());
        nights::pipeline(&self.world, &Form::default(), self.folder.path(), "out");
    }

    pub fn ctwa(&self, command: &str, args: &[&str]) -> lake::Ran {
        let pipeline = self.lake.pipeline.to_str().expect("a path of text");
        lake::ctwa(&self.lake, &[&[command, pipeline], args].concat())
    }

    pub fn json(&self, command: &str, args: &[&str]) -> (i32, Value) {
        let ran = self.ctwa(command, &[args, &["--json"]].concat());
        (ran.code, serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{command}: {error}: {ran:?}")))
    }

    pub fn said(&self, command: &str, args: &[&str]) -> Said {
        let (code, json) = self.json(command, args);
        let list = |name: &str| {
            let steps = json[name].as_array().into_iter().flatten();
            folded(steps.map(|step| (d(step["day"].as_str().expect("a day")), words(step["reason"].as_str().expect("a reason")))))
        };
        let blocked = json["days_blocked"].as_object().into_iter().flatten();
        let blocked = blocked.map(|(day, by)| {
            (
                d(day),
                by.as_array()
                    .into_iter()
                    .flatten()
                    .map(|by| words(by.as_str().unwrap_or_default()))
                    .collect::<Vec<_>>()
                    .join(", "),
            )
        });
        Said { code, days: list("days"), at_most: list("days_at_most"), blocked: folded(blocked) }
    }

    /// The plan, its days and days at most; and the days that the run then builds. Both exit 0, and then nothing is stale.
    #[track_caller]
    pub fn expect(&self, days: &[&str], at_most: &[&str], built: &[&str]) {
        let plan = self.said("plan", &[]);
        assert_eq!((plan.code, &plan.days[..], &plan.at_most[..]), (0, &owned(days)[..], &owned(at_most)[..]), "the plan");
        let run = self.said("run", &[]);
        assert_eq!((run.code, &run.days[..]), (0, &owned(built)[..]), "the run");
        assert_eq!(self.ctwa("plan", &["--check"]).code, 0, "nothing is stale after a run");
    }

    pub fn output(&self, path: &str) -> PathBuf {
        self.lake.output.join(path)
    }

    /// Per day, whether the bot's row says that it is complete.
    pub fn complete(&self) -> BTreeMap<i64, bool> {
        let published = lake::read(&self.lake.output).expect("the output keeps the contract");
        let complete =
            |(day, rows): (NaiveDate, Vec<crate::rows::BotDay>)| (d(&day.to_string()), rows.iter().all(|row| row.complete));
        published.bot_days.into_iter().map(complete).collect()
    }
}

pub fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A text with its dates as days of the snapshots.
fn words(text: &str) -> String {
    let word = |word: &str| {
        let date = word.trim_end_matches(',');
        match date.parse::<NaiveDate>() {
            Ok(_) => format!("d{}{}", d(date), &word[date.len()..]),
            Err(_) => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Days in order with their reasons; neighbours of one reason together.
fn folded(steps: impl Iterator<Item = (i64, String)>) -> Vec<String> {
    let mut spans: Vec<(i64, i64, String)> = Vec::new();
    for (day, reason) in steps {
        match spans.last_mut() {
            Some((_, last, known)) if *last + 1 == day && *known == reason => *last = day,
            _ => spans.push((day, day, reason)),
        }
    }
    let span = |(first, last, reason): (i64, i64, String)| match first == last {
        true => format!("d{first} {reason}"),
        false => format!("d{first}..d{last} {reason}"),
    };
    spans.into_iter().map(span).collect()
}

// ------------------------------------------------------------------------------------------------------------- landing

#[test]
fn the_first_build_is_of_every_day() {
    let lab = Lab::unbuilt(world());
    lab.expect(&[], &["d0..d9 new partition: messages d0"], &["d0..d9 never built"]);
}

#[test]
fn a_new_night_is_a_new_day() {
    let mut lab = Lab::new(world());
    lab.change(|world| land_night(world, 10, vec![touch(10, "caio", "A")], vec![event(10, "caio", "purchase")]));
    lab.expect(&["d10 never built"], &[], &["d10 never built"]);
}

#[test]
fn a_partition_without_a_row_is_a_day_without_a_row() {
    let mut lab = Lab::new(world());
    lab.change(|world| land_night(world, 10, vec![], vec![]));
    lab.expect(&["d10 never built"], &[], &["d10 never built"]);
    // Rows of a bot that nobody names: the footer does not know, the run does.
    lab.change(|world| {
        land_night(world, 11, vec![Message { bot_id: some("stranger"), ..touch(8, "caio", "A") }], vec![]);
    });
    lab.expect(&["d11 never built"], &["d8..d10 new partition: messages d11"], &["d11 never built"]);
}

#[test]
fn a_late_event_reaches_its_own_day_and_those_after_it() {
    let mut lab = Lab::new(world());
    lab.change(|world| land_night(world, 10, vec![], vec![event(5, "bia", "purchase")]));
    lab.expect(
        &["d10 never built"],
        &["d5..d9 new partition: events d10"],
        &["d5..d9 late rows reach back to d5", "d10 never built"],
    );
}

#[test]
fn a_late_touch_reaches_its_own_day_and_those_after_it() {
    let mut lab = Lab::new(world());
    lab.change(|world| land_night(world, 10, vec![touch(3, "caio", "A")], vec![]));
    lab.expect(
        &["d10 never built"],
        &["d3..d9 new partition: messages d10"],
        &["d3..d9 late rows reach back to d3", "d10 never built"],
    );
}

/// Rule 2: a copy with an ad id takes the unattributed touches of the week before it away.
#[test]
fn a_late_copy_with_an_ad_reaches_back_to_the_one_without() {
    let mut lab =
        Lab::new(World { messages: vec![touch(0, "ana", "A"), Message { ad_id: None, ..touch(4, "caio", "A") }], ..world() });
    let copy = Message { sent_at: Some(at(7, 12)), ..touch(4, "caio", "A") };
    lab.change(|world| land_night(world, 10, vec![copy], vec![]));
    // From the unattributed touch on, because the copy may be its own; the days before it cannot wait for one.
    lab.expect(
        &["d10 never built"],
        &["d4..d9 new partition: messages d10"],
        &["d4..d6 touches of d7 may be copies", "d7..d9 late rows reach back to d7", "d10 never built"],
    );
}

#[test]
fn what_a_row_changes_ends_with_the_horizon() {
    let mut world = World { window_days: 1, ..world() };
    for n in 10..20 {
        land_night(&mut world, n, vec![], vec![]);
    }
    let mut lab = Lab::new(world);
    lab.change(|world| land_night(world, 20, vec![], vec![event(3, "ana", "purchase")]));
    // The horizon, the copies, and a day because a horizon is elapsed time and ends within a local day.
    let built = ["d3..d11 late rows reach back to d3", "d20 never built"];
    lab.expect(&["d20 never built"], &["d3..d12 new partition: events d20"], &built);
}

#[test]
fn a_changed_partition_reaches_the_days_of_its_rows_and_those_after_them() {
    let mut lab = Lab::new(world());
    lab.change(|world| world.messages.push(Message { partition: day(6), ..touch(5, "caio", "A") }));
    lab.expect(&[], &["d5..d9 partition changed: messages d6"], &["d5..d9 partition changed: messages d6"]);
    // A row taken away: what it reached is known from before.
    lab.change(|world| world.messages.retain(|row| row.contact_id.as_deref() != Some("caio")));
    lab.expect(&[], &["d5..d9 partition changed: messages d6"], &["d5..d9 partition changed: messages d6"]);
}

#[test]
fn the_same_rows_in_other_files_change_no_day() {
    let mut lab = Lab::new(world());
    let file = lab.folder.path().join("lake/messages").join(format!("date={}", day(2))).join("part-0.parquet");
    fs::rename(&file, file.with_file_name("other.parquet")).expect("the file is there");
    lab.change(|_| {});
    lab.expect(&[], &["d2..d9 partition changed: messages d2"], &[]);
}

// ------------------------------------------------------------------------------------------------------------ settings

#[test]
fn a_new_setting_reaches_no_day_before_it() {
    let mut lab = Lab::new(World {
        events: vec![event(1, "ana", "purchase"), event(4, "bia", "purchase"), event(7, "bia", "lead")],
        ..world()
    });
    lab.change(|world| world.bots[0].settings.push(("lead".into(), at(6, 9))));
    lab.expect(&[], &["d7..d9 conversion settings changed: events d7"], &["d7..d9 setting of shop changed from d6"]);
}

#[test]
fn a_new_setting_without_events_changes_no_day() {
    let mut lab = Lab::new(world());
    lab.change(|world| world.bots[0].settings.push(("lead".into(), at(6, 9))));
    lab.expect(&[], &[], &[]);
}

/// Rule 10: from the first setting on, 0 is the truth.
#[test]
fn a_first_setting_reaches_every_day_from_it_on() {
    let mut lab = Lab::new(World { bots: vec![Bot { settings: vec![], ..shop("UTC") }], ..world() });
    lab.change(|world| world.bots[0].settings.push(("purchase".into(), at(3, 9))));
    lab.expect(&["d3..d9 setting of shop changed from d3"], &[], &["d3..d9 setting of shop changed from d3"]);
}

#[test]
fn the_past_of_the_settings_is_protected() {
    let mut lab = Lab::new(World {
        bots: vec![Bot { settings: vec![("lead".into(), at(-100, 0)), ("purchase".into(), at(3, 0))], ..shop("UTC") }],
        ..world()
    });
    let before = nights::listing(&lab.lake.output);
    let altered = vec![("lead".to_owned(), at(-100, 0)), ("other".to_owned(), at(3, 0))];
    let removed = vec![("lead".to_owned(), at(-100, 0))];
    for settings in [altered, removed] {
        lab.change(|world| world.bots[0].settings = settings);
        for command in ["run", "plan"] {
            let refused = lab.ctwa(command, &[]);
            assert_eq!(refused.code, 2, "{refused:?}");
            assert!(refused.stderr.contains(&format!("{}..{}", day(3), day(9))), "{refused:?}");
            assert!(refused.stderr.contains("--accept-history-change"), "{refused:?}");
        }
        assert_eq!(nights::listing(&lab.lake.output), before, "a refused run writes nothing");
    }
    let plan = lab.said("plan", &["--accept-history-change"]);
    assert_eq!((plan.code, plan.days, plan.at_most), (0, vec![], owned(&["d4..d9 conversion settings changed: events d4"])));
    let run = lab.said("run", &["--accept-history-change"]);
    assert_eq!((run.code, run.days), (0, owned(&["d4..d9 setting of shop changed from d3"])));
    lab.expect(&[], &[], &[]);
}

// -------------------------------------------------------------------------------------------------------------- people

#[test]
fn a_changed_alias_reaches_the_conversion_events_of_its_contacts() {
    let alias = |alias: &str, contact: &str| Identity { bot_id: None, alias: alias.into(), contact_id: contact.into() };
    let mut lab = Lab::new(World {
        messages: vec![touch(0, "ana", "A"), touch(2, "bia", "B")],
        events: vec![
            event(1, "zoe", "purchase"),
            event(3, "ana-2", "purchase"),
            event(5, "bia", "purchase"),
            event(6, "ana", "purchase"),
        ],
        identities: vec![alias("nobody", "else")],
        ..world()
    });
    lab.change(|world| world.identities.push(alias("ana-2", "ana")));
    lab.expect(&["d3 alias changed", "d6 alias changed"], &[], &["d3 alias changed", "d6 alias changed"]);
    // The end of a chain moves: ana and ana-2 are bia now.
    lab.change(|world| world.identities.push(alias("ana", "bia")));
    let days = ["d3 alias changed", "d5..d6 alias changed"];
    lab.expect(&days, &[], &days);
    lab.change(|world| world.identities.truncate(1));
    lab.expect(&days, &[], &days);
    // Nobody's event, or nobody's touch.
    lab.change(|world| world.identities.extend([alias("zoe", "zoe-2"), alias("caio", "davi")]));
    lab.expect(&[], &[], &[]);
}

/// No digest of rows tells what of an id is not the contact, nor who counts nowhere: every day is built, and said why.
#[test]
fn forms_and_test_contacts_that_change_reach_every_day() {
    let mut lab = Lab::new(World {
        messages: vec![touch(0, "5511987654321", "A"), touch(2, "bia", "B")],
        events: vec![event(3, "551187654321", "purchase"), event(5, "bia", "purchase")],
        ..world()
    });
    let every_day = ["d0..d9 [identity] forms or test_contacts changed"];
    let conversions = |lab: &Lab| {
        let published = lake::read(&lab.lake.output).expect("the output keeps the contract");
        published.bot_days.values().flatten().filter_map(|row| row.conversions).sum::<i64>()
    };
    assert_eq!(conversions(&lab), 1);
    lab.change(|world| world.forms = owned(&["br-ninth-digit"]));
    lab.expect(&every_day, &[], &every_day);
    assert_eq!(conversions(&lab), 2);
    lab.change(|world| world.bots[0].test_contacts = owned(&["bia"]));
    lab.expect(&every_day, &[], &every_day);
    assert_eq!(conversions(&lab), 1);
    let ads = lake::read(&lab.lake.output).expect("the output keeps the contract").ads;
    assert!(
        ads.iter().all(|ad| ad.ad_id != "B" || ad.first_conversation_at.is_none()),
        "nobody who counts has touched it: {ads:?}"
    );
    // Who an id stands for says who is left out.
    let alias = |contact: &str| Identity { bot_id: None, alias: "551187654321".into(), contact_id: contact.into() };
    lab.change(|world| world.identities = vec![alias("ana")]);
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    assert_eq!(conversions(&lab), 1);
    lab.change(|world| world.identities = vec![alias("bia")]);
    lab.expect(&["d0..d9 aliases of test contacts changed"], &[], &["d0..d9 aliases of test contacts changed"]);
    assert_eq!(conversions(&lab), 0);
    lab.change(|world| {
        world.identities = vec![alias("ana")];
        world.forms.clear();
        world.bots[0].test_contacts.clear();
    });
    lab.expect(&every_day, &[], &every_day);
    assert_eq!(conversions(&lab), 1, "bia counts again, and the ninth digit makes two people");
}

/// A partition that is away while the alias table changes: the days of its rows are built when it is back.
#[test]
fn an_alias_that_changes_while_a_partition_is_away_reaches_its_days() {
    let alias = |alias: &str, contact: &str| Identity { bot_id: None, alias: alias.into(), contact_id: contact.into() };
    let mut lab = Lab::new(World {
        messages: vec![touch(0, "ana", "A"), touch(9, "bia", "B")],
        events: vec![event(9, "ana-2", "purchase"), event(6, "bia-2", "purchase")],
        identities: vec![alias("bia-2", "ana")],
        ..world()
    });
    let conversions = |lab: &Lab, n: i64| {
        let published = lake::read(&lab.lake.output).expect("the output keeps the contract");
        published.bot_days[&day(n)].iter().map(|row| row.conversions).collect::<Vec<_>>()
    };
    assert_eq!([6, 9].map(|n| conversions(&lab, n)), [[Some(1)], [Some(0)]]);
    // The last partition: nothing is missing, and its day is no longer built.
    lab.change(|world| {
        world.event_days.retain(|landed| *landed != day(9));
        world.identities = vec![alias("ana-2", "ana")];
    });
    lab.expect(&["d6 alias changed"], &[], &["d6 alias changed"]);
    lab.change(|world| world.event_days.push(day(9)));
    lab.expect(&["d9 alias changed"], &[], &["d9 alias changed"]);
    assert_eq!([6, 9].map(|n| conversions(&lab, n)), [[Some(0)], [Some(1)]]);
    // One between others.
    lab.change(|world| {
        world.event_days.retain(|landed| *landed != day(6));
        world.identities = vec![alias("bia-2", "ana")];
    });
    lab.said("run", &[]);
    lab.change(|world| world.event_days.push(day(6)));
    lab.said("run", &[]);
    assert_eq!([6, 9].map(|n| conversions(&lab, n)), [[Some(1)], [Some(0)]]);
}

/// What is not built in the run in which the alias table changes is built by the next.
#[test]
fn an_alias_that_changes_reaches_days_that_are_left_for_later() {
    let alias = |alias: &str, contact: &str| Identity { bot_id: None, alias: alias.into(), contact_id: contact.into() };
    let late = Event { partition: day(6), ..event(3, "ana-2", "purchase") };
    let identities = vec![alias("nobody", "else")];
    let mut lab = Lab::new(World { events: vec![late.clone()], identities, ..world() });
    lab.change(|world| {
        world.events.clear();
        world.identities.push(alias("ana-2", "ana"));
    });
    assert_eq!(lab.said("run", &["--through", &day(2).to_string()]).days, Vec::<String>::new());
    lab.change(|world| world.events.push(late));
    lab.said("run", &[]);
    let published = lake::read(&lab.lake.output).expect("the output keeps the contract");
    assert_eq!(published.bot_days[&day(3)].iter().map(|row| row.conversions).collect::<Vec<_>>(), [Some(1)]);
}

// ---------------------------------------------------------------------------------------------------------------- Meta

#[test]
fn a_restated_day_is_that_day() {
    let mut lab = Lab::new(world());
    lab.change(|world| world.insights[1].spend_millionths += 1);
    lab.expect(&["d4 Meta restated"], &[], &["d4 Meta restated"]);
    lab.change(|world| world.insights.push(figures(5, "A", 7)));
    lab.expect(&["d5 insights landed"], &[], &["d5 insights landed"]);
    lab.change(|world| world.insights.retain(|row| row.date != day(5)));
    lab.expect(&["d5 Meta restated"], &[], &["d5 Meta restated"]);
    // A name is no figure of a day.
    lab.change(|world| world.insights[0].ad_name = some("a name"));
    lab.expect(&[], &[], &[]);
}

/// Its counts are what was published, whatever comes along of its rows with those of other days.
#[test]
fn a_restated_day_between_days_built_counts_once() {
    let mut lab = Lab::new(World { insights: vec![figures(0, "A", 1_000_000), figures(2, "B", 5)], ..world() });
    for n in [1, 4] {
        fs::remove_file(lab.output(&format!("ad_days/dt={}/ad_days.parquet", day(n)))).expect("it was published");
    }
    lab.change(|world| world.insights[1].spend_millionths += 1);
    let days = ["d1 published ad_days changed or gone", "d2 Meta restated", "d4 published ad_days changed or gone"];
    lab.expect(&days, &[], &days);
    let published = lake::read(&lab.lake.output).expect("the output keeps the contract");
    let of_b: Vec<_> = published.ad_days[&day(2)].iter().map(|row| (row.ad_id.as_str(), row.conversations, row.spend)).collect();
    assert_eq!(of_b, [("B", 1, Some(6))]);
    let touches: Vec<_> = published.bot_days[&day(2)].iter().map(|row| (row.touches, row.duplicate_touches)).collect();
    assert_eq!(touches, [(1, 0)]);
}

#[test]
fn an_ad_that_becomes_known_reaches_its_own_days() {
    let mut lab = Lab::new(world());
    lab.change(|world| world.insights.push(figures(6, "B", 5)));
    let days = ["d2 ad became known: B", "d4 ad became known: B", "d6 insights landed"];
    lab.expect(&days, &[], &days);
    lab.change(|world| world.insights.retain(|row| row.ad_id != "B"));
    let days = ["d2 ad is known no more: B", "d4 ad is known no more: B", "d6 ad is known no more: B"];
    lab.expect(&days, &[], &days);
}

/// The only touch of the ad is away when Meta's figures tell of it: its day is built when the touch is back.
#[test]
fn an_ad_that_becomes_known_while_its_touches_are_away_reaches_their_days() {
    let mut lab = Lab::new(world());
    lab.change(|world| {
        world.message_days.retain(|landed| *landed != day(2));
        world.insights.push(figures(6, "B", 5));
    });
    lab.said("run", &[]);
    lab.change(|world| world.message_days.push(day(2)));
    lab.said("run", &[]);
    let published = lake::read(&lab.lake.output).expect("the output keeps the contract");
    let accounts: Vec<_> = published.ad_days[&day(2)].iter().map(|row| (row.ad_id.as_str(), row.account_id.clone())).collect();
    assert_eq!(accounts, [("B", some("act_1"))]);
}

/// Rule 14: the bearer is the bot touched first.
#[test]
fn an_ad_that_moves_reaches_its_own_days() {
    let loja = Bot { id: "loja".into(), ..shop("UTC") };
    let mut lab = Lab::new(World {
        bots: vec![shop("UTC"), loja],
        messages: vec![touch(5, "ana", "A"), touch(0, "bia", "B")],
        insights: vec![figures(1, "A", 5), figures(3, "C", 5)],
        ..world()
    });
    lab.change(|world| land_night(world, 10, vec![Message { bot_id: some("loja"), ..touch(4, "caio", "A") }], vec![]));
    lab.expect(
        &["d10 never built"],
        &["d1 ad may move: A", "d3 ad may move: C", "d4..d9 new partition: messages d10"],
        &[
            "d1 ad moved: A",
            "d4 late rows reach back to d4",
            "d5 ad moved: A",
            "d6..d9 late rows reach back to d4",
            "d10 never built",
        ],
    );
}

// ---------------------------------------------------------------------------------------------------------------- loss

#[test]
fn lost_receipts_cost_time_and_change_nothing() {
    let lab = Lab::new(world());
    let published = lake::objects(&lab.lake.output).expect("the output can be read");
    fs::remove_file(lab.output("work/receipts/days/2026-03.json")).expect("the receipts of March");
    lab.expect(&["d5..d9 receipt lost"], &[], &["d5..d9 receipt lost"]);
    fs::remove_file(lab.output("work/receipts/messages/2026-02.json")).expect("the receipts of February");
    lab.expect(&[], &["d0..d9 new partition: messages d0"], &[]);
    fs::remove_dir_all(lab.output("work/touches")).expect("the working tables");
    lab.expect(&[], &[], &[]);
    assert_eq!(
        lake::unequal_objects(&published, &lake::objects(&lab.lake.output).expect("it can be read")),
        Vec::<String>::new()
    );
}

#[test]
fn a_published_object_that_is_not_ours_is_built_again() {
    let lab = Lab::new(world());
    let object = |table: &str, n: i64| lab.output(&format!("{table}/dt={}/{table}.parquet", day(n)));
    let published = lake::objects(&lab.lake.output).expect("the output can be read");
    fs::remove_file(object("ad_days", 3)).expect("it was published");
    fs::copy(object("bot_days", 1), object("bot_days", 2)).expect("it was published");
    let days = ["d2 published bot_days changed or gone", "d3 published ad_days changed or gone"];
    lab.expect(&days, &[], &days);
    assert_eq!(
        lake::unequal_objects(&published, &lake::objects(&lab.lake.output).expect("it can be read")),
        Vec::<String>::new()
    );
}

/// What is known now lies there, and nothing of before.
fn remove_the_only_file(folder: &Path) {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files: Vec<PathBuf> = files.map(|entry| entry.expect("a file").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    fs::remove_file(&files[0]).expect("it is there");
}

/// What was kept of aliases and ads is lost, and what it said has changed meanwhile: then every day is built.
#[test]
fn what_nobody_knows_any_more_is_built_again() {
    let alias = Identity { bot_id: None, alias: "ana-2".into(), contact_id: "ana".into() };
    let mut lab = Lab::new(World { identities: vec![alias.clone()], events: vec![event(3, "ana-2", "purchase")], ..world() });
    remove_the_only_file(&lab.output("work/identities"));
    lab.expect(&[], &[], &[]);
    lab.change(|world| world.identities = vec![Identity { alias: "ana-3".into(), ..alias }]);
    lab.expect(&["d0..d9 the known alias table is lost"], &[], &["d0..d9 the known alias table is lost"]);

    remove_the_only_file(&lab.output("work/ad_places"));
    lab.expect(&[], &[], &[]);
    lab.change(|world| world.insights.retain(|row| row.date != day(4)));
    lab.expect(&["d0..d9 the known places of ads are lost"], &[], &["d0..d9 the known places of ads are lost"]);
}

// --------------------------------------------------------------------------------------------------------------- holes

/// Rule 19, in every zone: a missing UTC day keeps back the local days that overlap it, and no other.
#[test]
fn a_hole_keeps_back_the_local_days_that_overlap_it() {
    for (zone, blocked) in [
        ("UTC", "d4 events partition d4 has not landed"),
        ("America/Sao_Paulo", "d3..d4 events partition d4 has not landed"),
        ("Asia/Kolkata", "d4..d5 events partition d4 has not landed"),
    ] {
        let mut world = World { bots: vec![shop(zone)], ..world() };
        world.event_days.retain(|n| *n != day(4));
        let mut lab = Lab::unbuilt(world);
        let run = lab.said("run", &[]);
        assert_eq!((run.code, &run.blocked[..]), (3, &owned(&[blocked])[..]), "{zone}");
        let kept_back: Vec<i64> =
            (0..10).filter(|n| blocked.starts_with(&format!("d{n}")) || blocked.contains(&format!("..d{n} "))).collect();
        let is_free = |n: &i64| !kept_back.contains(n);
        let built: Vec<i64> = lab.complete().into_keys().collect();
        assert_eq!(built, (0..10).filter(is_free).collect::<Vec<_>>(), "{zone}");
        // The end waits for the next night where the zone lies west; everything after the hole waits for it.
        let complete: Vec<i64> = lab.complete().into_iter().filter(|(_, complete)| *complete).map(|(n, _)| n).collect();
        assert_eq!(complete, (0..kept_back[0]).collect::<Vec<_>>(), "{zone}");
        let plan = lab.said("plan", &[]);
        assert_eq!(
            (plan.code, plan.days, plan.at_most, &plan.blocked[..]),
            (3, vec![], vec![], &owned(&[blocked])[..]),
            "{zone}"
        );

        lab.change(|world| world.event_days.push(day(4)));
        let run = lab.said("run", &[]);
        assert_eq!((run.code, run.blocked), (0, vec![]), "{zone}");
        assert_eq!(lab.complete().keys().copied().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>(), "{zone}");
        let end = i64::from(zone == "America/Sao_Paulo");
        assert!(lab.complete().iter().all(|(n, complete)| *complete == (*n < 10 - end)), "{zone} {:?}", lab.complete());
    }
}

/// What a missing partition holds of a day is not known: the day is removed when it is known to have no row.
#[test]
fn a_day_is_not_removed_while_a_partition_of_it_is_missing() {
    let mut lab = Lab::new(World { messages: vec![touch(1, "ana", "A"), touch(3, "bia", "B")], insights: vec![], ..world() });
    let is_published = |lab: &Lab| lab.output(&format!("bot_days/dt={}/bot_days.parquet", day(1))).exists();
    lab.change(|world| {
        world.messages.remove(0);
        world.events.clear();
        world.event_days.retain(|landed| *landed != day(1));
    });
    assert_eq!(lab.said("run", &[]).code, 3);
    assert!(is_published(&lab));
    lab.change(|world| world.event_days.push(day(1)));
    assert_eq!(lab.said("run", &[]).code, 0);
    assert!(!is_published(&lab));
}

#[test]
fn a_hole_leaves_97_days_incomplete_and_heals() {
    let mut world = World { message_days: (0..104).map(day).collect(), event_days: (0..104).map(day).collect(), ..world() };
    world.event_days.retain(|n| *n != day(4));
    let mut lab = Lab::new(World { insights: vec![], ..world });
    let incomplete: Vec<i64> = lab.complete().into_iter().filter(|(_, complete)| !complete).map(|(n, _)| n).collect();
    assert_eq!(incomplete, (5..=101).collect::<Vec<_>>());
    lab.change(|world| world.event_days.push(day(4)));
    let days = ["d4 never built", "d5..d101 became complete"];
    let plan = lab.said("plan", &[]);
    assert_eq!((plan.code, &plan.days[..]), (0, &owned(&days)[..]));
    let run = lab.said("run", &[]);
    let event = "new partition: events d4";
    // bia's purchase of d4 counts from then on, for as long as anything can depend on it.
    assert_eq!(
        (run.code, run.days),
        (0, vec!["d4 never built".into(), format!("d5 {event}"), "d6..d101 late rows reach back to d4".into()])
    );
    assert!(lab.complete().values().all(|complete| *complete));
}

#[test]
fn a_day_that_will_never_come_is_no_hole() {
    let mut world = world();
    world.event_days.retain(|n| *n != day(6));
    let mut lab = Lab::new(world);
    assert_eq!(lab.said("plan", &[]).code, 3);
    lab.change(|world| world.allow_missing.push(day(6)));
    lab.expect(&["d6 never built", "d7..d9 became complete"], &[], &["d6 never built", "d7..d9 became complete"]);
    assert!(lab.complete().values().all(|complete| *complete));
}

#[test]
fn a_day_that_has_not_landed_is_not_ready() {
    let lab = Lab::unbuilt(world());
    let (through, unlanded) = (day(7).to_string(), day(12).to_string());
    let run = lab.said("run", &["--through", &through]);
    assert_eq!((run.code, run.days), (0, owned(&["d0..d7 never built"])));
    let ran = lab.ctwa("run", &["--through", &unlanded]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains(&unlanded) && ran.stderr.contains(&day(9).to_string()), "{ran:?}");
    assert_eq!(lab.complete().len(), 10, "what has landed is built");
    assert_eq!(lab.ctwa("run", &["--through", &unlanded]).code, 3, "also when there is nothing to do");
}

// ----------------------------------------------------------------------------------------------------------- retention

/// Rule 22: the days of partitions that vanished stay as published; with `work/` those after them stay computable.
#[test]
fn retention_freezes_what_was_published() {
    let mut lab = Lab::new(World {
        messages: vec![Message { partition: day(0), ..touch(-3, "eva", "A") }, touch(0, "ana", "A"), touch(2, "bia", "B")],
        ..world()
    });
    let published = lake::objects(&lab.lake.output).expect("the output can be read");
    let unchanged = |lab: &Lab, until: i64| {
        let now = lake::objects(&lab.lake.output).expect("it can be read");
        let is_old = |name: &&String| name.split("dt=").nth(1).is_some_and(|rest| d(&rest[..10]) <= until);
        let changed: Vec<_> = published.keys().filter(is_old).filter(|name| now.get(*name) != published.get(*name)).collect();
        assert!(changed.is_empty(), "{changed:?}");
    };
    let vanish = |world: &mut World| {
        world.message_days.retain(|n| *n >= day(4));
        world.event_days.retain(|n| *n >= day(4));
        world.messages.retain(|row| row.partition >= day(4));
        world.events.retain(|row| row.partition >= day(4));
    };
    lab.change(vanish);
    let before = nights::listing(&lab.lake.output);
    lab.expect(&[], &[], &[]);
    assert_eq!(nights::listing(&lab.lake.output), before, "nothing is rebuilt");

    // The working tables of what vanished still count: eva clicked on d-3.
    lab.change(|world| land_night(world, 10, vec![], vec![event(10, "eva", "purchase")]));
    lab.expect(&["d10 never built"], &[], &["d10 never built"]);
    let converted = |lab: &Lab, n: i64| lake::read(&lab.lake.output).expect("it can be read").bot_days[&day(n)][0].conversions;
    assert_eq!(converted(&lab, 10), Some(1));
    unchanged(&lab, 9);

    // One working table of what vanished is lost: what depends on it can no longer be built, and stays.
    fs::remove_dir_all(lab.output("work/touches").join(format!("date={}", day(2)))).expect("a working table");
    lab.expect(&[], &[], &[]);
    unchanged(&lab, 9);
    fs::remove_dir_all(lab.output("work")).expect("the working data");
    let ran = lab.ctwa("run", &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    unchanged(&lab, 9);
    assert_eq!(converted(&lab, 10), Some(1));
    let before = nights::listing(&lab.lake.output);
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    assert_eq!(nights::listing(&lab.lake.output), before, "nothing is rebuilt");
    let days = lab.complete();
    assert_eq!((days.keys().next(), days.keys().next_back(), days.len()), (Some(&-3), Some(&10), 14));
    let (code, verdict) = lab.json("verify", &["--from", &day(-3).to_string(), "--to", &day(10).to_string()]);
    assert_eq!((code, verdict["differences"].as_array().map(Vec::len)), (0, Some(0)), "what cannot be built again is not judged");
    lab.change(|world| land_night(world, 11, vec![touch(11, "eva", "A")], vec![event(11, "eva", "purchase")]));
    assert_eq!(lab.said("run", &[]).days, owned(&["d11 never built"]));
    assert_eq!(converted(&lab, 11), Some(1));
}

// -------------------------------------------------------------------------------------------------------------- verify

#[test]
fn verify_names_what_differs_and_why_and_writes_nothing() {
    let mut lab = Lab::new(world());
    let days = [day(0).to_string(), day(9).to_string()];
    let verify = |lab: &Lab| {
        let before = nights::listing(&lab.lake.output);
        let (code, verdict) = lab.json("verify", &["--from", &days[0], "--to", &days[1]]);
        assert_eq!(nights::listing(&lab.lake.output), before, "verify wrote");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let differences = verdict["differences"].as_array().into_iter().flatten();
        let differences: Vec<String> = differences
            .map(|one| {
                format!(
                    "{} {}: {}",
                    text(&one["object"]).split('/').next_back().unwrap_or_default(),
                    text(&one["found"]),
                    words(&text(&one["because"]))
                )
            })
            .collect();
        (code, verdict["objects_checked"].as_u64(), differences)
    };
    assert_eq!(verify(&lab), (0, Some(31), vec![]));

    let object = |lab: &Lab, table: &str, n: i64| lab.output(&format!("{table}/dt={}/{table}.parquet", day(n)));
    fs::copy(object(&lab, "bot_days", 1), object(&lab, "bot_days", 2)).expect("it was published");
    fs::remove_file(object(&lab, "ad_days", 3)).expect("it was published");
    let differences = owned(&[
        "bot_days.parquet other bytes: published bot_days changed or gone",
        "ad_days.parquet missing: published ad_days changed or gone",
    ]);
    assert_eq!(verify(&lab), (6, Some(31), differences));
    assert_eq!(lab.ctwa("run", &[]).code, 0);
    assert_eq!(verify(&lab), (0, Some(31), vec![]));

    lab.change(|world| world.messages.push(touch(3, "caio", "A")));
    let (code, _, differences) = verify(&lab);
    assert_eq!((code, differences.len()), (6, 3), "{differences:?}");
    assert!(differences.iter().all(|one| one.ends_with("other bytes: partition changed: messages d3")), "{differences:?}");
}

//! `ctwa what-if`: the figures of a world whose setting or window had been another from the beginning, beside the published ones.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseError;

use crate::cases::report_rows;
use crate::lake::{self, Form};
use crate::nights::listing;
use crate::oracle::{self, ReportRow, State};
use crate::properties::{check, fail, folder, judged};
use crate::rows::{self, Published};
use crate::scene::{DAYS, Scene};
use crate::world::World;
use crate::worlds;

const LONG_BEFORE: i64 = 0;

fn number(value: Option<i64>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

/// Conversions of a bot's ads by the local day of the event, on these days.
fn conversions(
    world: &World,
    bot_id: &str,
    days: &BTreeSet<NaiveDate>,
) -> Result<BTreeMap<(NaiveDate, String), i64>, TestCaseError> {
    let bot = world.bots.iter().find(|bot| bot.id == bot_id).ok_or_else(|| fail("no such bot"))?;
    let zone = bot.timezone.parse().map_err(|_| fail("no zone"))?;
    let mut counts = BTreeMap::new();
    for session in judged(world)?.sessions.iter().filter(|session| session.bot_id == bot_id) {
        if let (Some(ad), State::Converted { at, .. }) = (&session.ad_id, &session.state) {
            let day = oracle::local_date(zone, *at);
            if days.contains(&day) {
                *counts.entry((day, ad.clone())).or_default() += 1;
            }
        }
    }
    Ok(counts)
}

/// The rows of the world as it is and of the world supposed, by the oracle; and what the binary puts side by side.
fn same_as_oracle(
    world: &World,
    form: &Form,
    (bot, ends): (Index, [Index; 2]),
    category: Option<&str>,
    window: Option<i64>,
) -> Result<(), TestCaseError> {
    let bot_id = bot.get(&world.bots).id.clone();
    let mut supposed = world.clone();
    supposed.window_days = window.unwrap_or(world.window_days);
    if let Some(category) = category {
        let bot = supposed.bots.iter_mut().find(|bot| bot.id == bot_id).expect("it is there");
        bot.settings = vec![(category.to_owned(), LONG_BEFORE)];
    }
    let published = judged(world)?.published;
    // Some range: what is read for it must be enough.
    let all: Vec<NaiveDate> = published.bot_days.keys().copied().collect();
    let Some(ends) = (!all.is_empty()).then(|| ends.map(|end| all[end.index(all.len())])) else { return Ok(()) };
    let days: BTreeSet<NaiveDate> =
        all.into_iter().filter(|day| ends.iter().min() <= Some(day) && Some(day) <= ends.iter().max()).collect();
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
    let folder = folder()?;
    let lake = lake::write(world, form, folder.path());
    lake::ctwa_expecting(&lake, &[if oracle::has_hole(world) { 3 } else { 0 }], "run", &[]).map_err(fail)?;
    let before = listing(folder.path());
    let (from, to) = (first.to_string(), last.to_string());
    let mut args = vec!["--from", &from, "--to", &to, "--bot", &bot_id, "--format", "json"];
    let window = window.map(|days| days.to_string());
    args.extend(category.iter().flat_map(|category| ["--category", category]));
    args.extend(window.iter().flat_map(|days| ["--window-days", days]));
    let found = lake::ctwa_expecting(&lake, &[0], "what-if", &args).map_err(fail)?;
    prop_assert_eq!(before, listing(folder.path()), "it wrote");

    let mut hypothetical: Published = judged(&supposed)?.published;
    hypothetical.ad_days.retain(|day, _| days.contains(day));
    let report = |published: &Published| -> BTreeMap<String, ReportRow> {
        let rows = oracle::report(published, *first, *last, false);
        rows.into_iter().filter(|row| row.bot_id.as_ref() == Some(&bot_id)).map(|row| (row.ad_id.clone(), row)).collect()
    };
    let (real, other) = (report(&published), report(&hypothetical));
    let (counted, supposed_counts) = (conversions(world, &bot_id, &days)?, conversions(&supposed, &bot_id, &days)?);
    let is_unconfigured =
        |day: &NaiveDate| published.bot_days[day].iter().any(|row| row.bot_id == bot_id && row.conversions.is_none());
    let never_configured_if = category.is_none().then(|| days.iter().filter(|day| is_unconfigured(day)).collect::<Vec<_>>());

    let mut expected = Vec::new();
    for ad in real.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
        let both: Vec<&NaiveDate> = days.iter().filter(|day| !is_unconfigured(day)).collect();
        let of = |counts: &BTreeMap<(NaiveDate, String), i64>| -> i64 {
            both.iter().filter_map(|day| counts.get(&(**day, ad.clone()))).sum()
        };
        let difference = (!both.is_empty()).then(|| of(&supposed_counts) - of(&counted));
        let total: i64 = supposed_counts.iter().filter(|((_, of), _)| of == ad).map(|(_, count)| count).sum();
        let is_known = never_configured_if.as_ref().is_none_or(|unknown| unknown.len() < days.len());
        let (real, other) = (real.get(ad), other.get(ad));
        expected.push((
            ad.clone(),
            number(other.or(real).map(|row| row.conversations)),
            number(is_known.then_some(total)),
            number(difference),
            rows::money(other.and_then(|row| row.conversion_rate)),
            rows::money(other.and_then(|row| row.cost_per_conversion)),
            rows::money(real.and_then(|row| row.conversion_rate)),
            rows::money(real.and_then(|row| row.cost_per_conversion)),
        ));
    }
    let mut found: Vec<_> = report_rows(&found)
        .map_err(fail)?
        .into_iter()
        .map(|row| {
            let cell = |name: &str| row[name].clone();
            (
                cell("ad_id"),
                cell("conversations"),
                cell("conversions_if"),
                cell("conversions_difference"),
                cell("conversion_rate_if"),
                cell("cost_per_conversion_if"),
                cell("conversion_rate"),
                cell("cost_per_conversion"),
            )
        })
        .collect();
    found.sort();
    prop_assert_eq!(found, expected);
    Ok(())
}

#[test]
fn another_category_is_a_world_with_that_setting_since_ever() {
    let category = select(vec!["purchase", "Purchase", "lead", "other"]);
    check(16, (worlds::world(), worlds::form(), any::<(Index, [Index; 2])>(), category), |(world, form, bot, category)| {
        same_as_oracle(&world, &form, bot, Some(category), None)
    });
}

#[test]
fn another_window_is_a_world_with_that_window() {
    check(
        10,
        (worlds::world(), worlds::form(), any::<(Index, [Index; 2])>(), select(vec![1i64, 2, 7, 90])),
        |(world, form, bot, window)| same_as_oracle(&world, &form, bot, None, Some(window)),
    );
}

#[test]
fn both_over_a_whole_horizon() {
    check(
        2,
        (worlds::long_world(), worlds::form(), any::<(Index, [Index; 2])>(), select(vec![3i64, 30])),
        |(world, form, bot, window)| same_as_oracle(&world, &form, bot, Some("lead"), Some(window)),
    );
}

// ---------------------------------------------------------------------------------------------------------------- by hand

#[test]
fn supposed_figures_are_called_so() {
    let scene = Scene::new();
    // Half of the ads' conversions are of another category.
    scene.land_texts("events", "category", |row, _| Some(if row == 0 { "lead" } else { "purchase" }.to_owned()));
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let range = ["--from", DAYS[0], "--to", DAYS[3], "--bot", "shop"];
    let csv = |more: &[&str]| scene.ctwa("what-if", &[&range, ["--format", "csv"].as_slice(), more].concat());
    let ran = csv(&["--category", "lead"]);
    let expected = "bot_id,ad_id,ad_title,currency,spend,conversations,conversions,conversions_if,conversions_difference,\
                    conversion_rate,conversion_rate_if,conversion_rate_difference,cost_per_conversion,cost_per_conversion_if,\
                    cost_per_conversion_difference,unconfigured_days,unconfigured_days_if\n\
                    shop,A,Oferta,BRL,42.000000,8,3,1,-2,0.375000,0.125000,-0.250000,14.000000,42.000000,28.000000,0,0\n\
                    shop,B,Oferta,MXN,42.000000,4,4,0,-4,1.000000,0.000000,-1.000000,10.500000,,,0,0\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (0, expected), "{}", ran.stderr);
    assert!(ran.stderr.contains("HYPOTHETICAL") && ran.stderr.contains("always been \"lead\""), "{}", ran.stderr);
    let ran = csv(&["--category", "nothing"]);
    assert!(ran.stderr.contains("no event of category \"nothing\" is in the partitions of these days"), "{}", ran.stderr);

    let ran = scene.ctwa("what-if", &[&range, ["--window-days", "30"].as_slice()].concat());
    assert!(
        ran.stdout.starts_with("HYPOTHETICAL: 2026-03-01..2026-03-04, bot shop, with its own conversion events"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("a window of 30 days instead of 90"), "{}", ran.stdout);
    let cases: [(&[&str], &str); 4] = [
        (&[], "--category"),
        (&["--window-days", "91"], "from 1 to 90"),
        (&["--category", "lead", "--bot", "shop"], "--bot"),
        (&["--window-days", "0"], "from 1 to 90"),
    ];
    for (args, says) in cases {
        let ran = scene.ctwa("what-if", &[&range, args].concat());
        assert!(ran.code == 2 && ran.stderr.contains(says) && ran.stdout.is_empty(), "{args:?}: {}", ran.stderr);
    }
}

/// Rule 22: what has left the lake cannot be judged anew.
#[test]
fn events_that_left_the_lake_make_their_days_unknown() {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    for table in ["messages", "events"] {
        std::fs::remove_dir_all(scene.folder(table, DAYS[0])).expect("it goes");
    }
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let args = ["--from", DAYS[0], "--to", DAYS[3], "--bot", "shop", "--category", "purchase", "--format", "json"];
    let ran = scene.ctwa("what-if", &args);
    let rows = report_rows(&ran.stdout).expect("it is JSON");
    assert!(rows.iter().all(|row| row["conversions_if"] == "NULL" && row["conversions"] == "4"), "{rows:?}");
    assert!(ran.stderr.contains("have left the lake") && ran.stderr.contains("2026-03-01..2026-03-04"), "{}", ran.stderr);
}

//! The commands around a pull: reach in reports, `insights`, `plan`, `check`, reports that reconcile, and the binary as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use chrono::{DateTime, Utc};
use ctwa::base::error::ErrorKind;
use ctwa::commands::insights::InsightsRequest;
use ctwa::commands::plan;
use ctwa::report::style::Style;
use ctwa::report::{self, By, Format, Grain, Rendering, ReportRequest};

use super::date;
use super::server::{Fault, GraphServer, What};
use super::shop::{Shop, lake_world, range, restate};
use super::world::{ad, refusal, small};
use crate::lake;

fn request(first: &str, last: &str) -> ReportRequest {
    ReportRequest {
        days: range(first, last),
        bots: Vec::new(),
        ads: Vec::new(),
        by: By::ConversionDay,
        grain: Grain::Range,
        all_ads: false,
    }
}

fn plain(format: Format) -> Rendering {
    Rendering { format, style: Style::PLAIN, raw_csv: false, limit: None }
}

/// Reach of ad 1 in a report, with its bounds.
fn reach(shop: &Shop, first: &str, last: &str) -> [Option<i64>; 3] {
    let written = report::write(&shop.settings(), &shop.output(), &request(first, last), plain(Format::Json)).unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&written.bytes).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["ad_id"] == ad(1)).unwrap();
    ["reach", "reach_min", "reach_max"].map(|column| row[column].as_i64())
}

/// How many people saw ad 1 on any of these days, and the sum and the most of the days.
fn people(shop: &Shop, first: &str, last: &str) -> (i64, i64, i64) {
    let world = &shop.server.stage().world;
    let of_ad = world.deliveries.range((ad(1), date(first))..=(ad(1), date(last))).map(|(_, delivery)| &delivery.people);
    let all: Vec<&BTreeSet<u32>> = of_ad.collect();
    let distinct: BTreeSet<u32> = all.iter().flat_map(|people| people.iter().copied()).collect();
    let days: Vec<i64> = all.iter().map(|people| people.len() as i64).collect();
    (distinct.len() as i64, days.iter().sum(), *days.iter().max().unwrap())
}

#[test]
fn exact_reach_of_windows_and_months_is_there_for_reports_which_never_fetch() {
    let shop = Shop::new();
    let outcome = shop.run();
    assert_eq!(outcome.report.insights["act_123"].reach_ranges, 5, "7, 28 and 90 days, this month and the last");
    shop.server.calls();
    // The week that ended yesterday, and the month so far.
    for (first, last) in [("2026-03-04", "2026-03-10"), ("2026-03-01", "2026-03-10")] {
        let (distinct, sum, _) = people(&shop, first, last);
        assert!(distinct < sum);
        assert_eq!(reach(&shop, first, last), [Some(distinct); 3], "{first}");
    }
    let (distinct, sum, most) = people(&shop, "2026-03-02", "2026-03-09");
    assert_eq!(reach(&shop, "2026-03-02", "2026-03-09"), [None, Some(most), Some(sum)], "not a range that was fetched");
    assert!(shop.server.calls().is_empty());

    let fetched = shop.fetch(InsightsRequest::Reach(range("2026-03-02", "2026-03-09")));
    assert_eq!((fetched.worst, fetched.accounts["act_123"].days_fetched), (None, 0));
    assert_eq!(reach(&shop, "2026-03-02", "2026-03-09")[0], Some(distinct));

    // Other ranges with the same end stay when one is fetched again.
    let object = shop.lake.output.join("reach/dt=2026-03-10/reach.parquet");
    shop.fetch(InsightsRequest::Reach(range("2026-03-04", "2026-03-10")));
    assert_eq!(reach(&shop, "2026-03-01", "2026-03-10")[0], Some(people(&shop, "2026-03-01", "2026-03-10").0));
    let bytes = fs::read(&object).unwrap();
    shop.fetch(InsightsRequest::Reach(range("2026-03-04", "2026-03-10")));
    assert!(fs::read(&object).unwrap() == bytes);
    let batches = ctwa::lake::decode(bytes.into()).unwrap();
    let schema = batches[0].schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["account_id", "ad_id", "since", "until", "reach", "impressions", "frequency"]);
}

#[test]
fn a_refused_reach_is_null_and_a_warning_never_a_failed_night() {
    for (refused, is_asked_again) in [
        (refusal(100, None, "(#100) Reach of this range is not available"), false),
        (refusal(2, None, "An unexpected error has occurred"), true),
    ] {
        let shop = Shop::new();
        shop.server.stage().faults.push(Fault { at: "reach", times: usize::MAX, what: What::Refuse(400, refused) });
        let outcome = shop.run();
        assert!(
            outcome.report.warnings.iter().any(|warning| warning.contains("reach is not known")),
            "{:?}",
            outcome.report.warnings
        );
        assert_eq!(reach(&shop, "2026-03-04", "2026-03-10")[0], None);
        shop.server.calls();
        shop.run();
        assert_eq!(!shop.server.calls().is_empty(), is_asked_again);
        let fetched = shop.fetch(InsightsRequest::Reach(range("2026-03-04", "2026-03-10")));
        assert!(fetched.worst.is_some(), "whoever asks for it is told that there is none");
    }
}

#[test]
fn figures_can_be_fetched_before_a_run_and_it_fetches_no_more() {
    let (first, once) = (Shop::new(), Shop::new());
    let fetched = first.fetch(InsightsRequest::Due);
    assert_eq!((fetched.worst, fetched.accounts["act_123"].days_fetched), (None, 29));
    assert!(first.objects().is_empty(), "nothing is built");
    assert!(first.fetch(InsightsRequest::Due).accounts.is_empty(), "nothing is due any more");
    once.run();
    first.run();
    // What only touches tell is asked for by the next pull.
    first.at("2026-03-12T18:00:00Z");
    once.at("2026-03-12T18:00:00Z");
    first.run();
    once.run();
    assert!(first.objects() == once.objects(), "{:?}", lake::unequal_objects(&first.objects(), &once.objects()));

    restate(&first, 1, "2026-03-05", "144.");
    first.forget_calls();
    let fetched = first.fetch(InsightsRequest::Days(range("2026-03-04", "2026-03-06")));
    assert_eq!(first.asked("act_123"), ["2026-03-04..2026-03-06"], "whenever they were fetched last");
    assert_eq!((fetched.accounts["act_123"].days_fetched, fetched.accounts["act_123"].days_changed), (3, 1));
    assert_eq!(Shop::built(&first.run()), BTreeSet::from(["2026-03-05".to_string()]));
    let beyond = first.fetch(InsightsRequest::Days(range("2027-01-01", "2027-01-02")));
    assert_eq!(beyond.worst, Some(ErrorKind::Usage));
}

#[test]
fn the_plan_says_what_would_be_fetched_and_asks_nobody() {
    let shop = Shop::new();
    let plan = |shop: &Shop| shop.with_job(&|| Ok(()), plan::plan).unwrap();
    let before = plan(&shop);
    let fetch = before.fetches.iter().find(|fetch| fetch.account == "act_123").unwrap();
    assert_eq!((fetch.days, fetch.last_day.unwrap().to_string().as_str(), fetch.reach_ranges), (29, "2026-03-11", 5));
    assert!(shop.server.calls().is_empty());
    shop.run();
    let after = plan(&shop);
    assert!(!after.stale && after.fetches.is_empty());
    shop.later(24);
    let next = plan(&shop);
    assert!(next.stale && next.days.is_empty());
    let maybe: BTreeMap<String, String> = next.days_at_most.iter().map(|day| (day.day.to_string(), day.reason.clone())).collect();
    assert_eq!(maybe["2026-03-05"], "Meta may have restated it");
    assert!(Shop::built(&shop.run()).iter().all(|day| maybe.contains_key(day)));
}

#[test]
fn our_conversations_stand_beside_metas() {
    let shop = Shop::new();
    shop.run();
    shop.later(24);
    shop.run();
    let request = request("2026-03-01", "2026-03-11");
    let reconcile = |format| {
        let written = report::reconcile(&shop.settings(), &shop.output(), &request, plain(format)).unwrap();
        String::from_utf8(written.bytes).unwrap()
    };
    let csv = reconcile(Format::Csv);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "ad_id,ad_title,account_id,conversations,meta_conversations,difference,meta_unknown_days");
    for line in [
        // A touch a day. Meta counts 0, 1, 2, 0, .. on the ten days with figures, and none on the eleventh: 9 in all.
        format!("{},Oferta,act_123,11,9,2,0", ad(1)),
        // Delivered on days 1, 3, 5, 7 and 9 only: 0 + 2 + 1 + 0 + 2.
        format!("{},Oferta,act_123,11,5,6,0", ad(2)),
        // Never clicked here.
        format!("{},,act_123,0,9,-9,0", ad(3)),
        // Another's.
        format!("{},Oferta,,11,,,11", ad(7)),
    ] {
        assert!(lines.contains(&line.as_str()), "{line} in {csv}");
    }
    let table = reconcile(Format::Table);
    assert!(table.contains("conversations as counted here and by Meta") && table.contains(&ad(7)), "{table}");
}

/// The binary reads the machine's clock, so that world's time is the machine's: when a file was written just now.
fn today() -> Shop {
    let file = tempfile::NamedTempFile::new().unwrap();
    let now: DateTime<Utc> = file.as_file().metadata().unwrap().modified().unwrap().into();
    let mut world = small();
    world.now = now.timestamp();
    Shop::over(lake_world("2026-03-11"), GraphServer::start(world))
}

#[test]
fn the_binary_publishes_the_counts_without_a_valid_token_and_the_figures_with_one() {
    let shop = today();
    let token = shop.lake.dir.join("token");
    let right = fs::read_to_string(&token).unwrap();
    fs::write(&token, "EAAexpired00000000000000000000000").unwrap();
    let ran = lake::ctwa(&shop.lake, &["run", "pipeline.toml", "--json"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("token") && !ran.stderr.contains("EAAexpired") && !ran.stdout.contains("EAAexpired"));
    assert_eq!(shop.differences(Vec::new(), BTreeMap::new()), "");
    fs::remove_file(&token).unwrap();
    assert_eq!(lake::ctwa(&shop.lake, &["run", "pipeline.toml"]).code, 5, "no token at all");

    fs::write(&token, &right).unwrap();
    let ran = lake::ctwa(&shop.lake, &["insights", "pipeline.toml", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(told["accounts"]["act_123"]["days_fetched"].as_u64().unwrap() > 31, "{told}");
    let ran = lake::ctwa(&shop.lake, &["run", "pipeline.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(shop.spend(5, "2026-03-04"), Some(10_000_000));
    assert_eq!(shop.status("shop", "2026-03-05"), "final");
    let idle = lake::ctwa(&shop.lake, &["run", "pipeline.toml"]);
    assert!(idle.stdout.contains("nothing was written"), "{}", idle.stdout);
    let ran = lake::ctwa(&shop.lake, &["report", "pipeline.toml", "--from", "2026-03-01", "--to", "2026-03-10", "--reconcile"]);
    assert!(ran.code == 0 && ran.stdout.contains("difference"), "{}{}", ran.stdout, ran.stderr);
    for (path, bytes) in shop.files() {
        assert!(!String::from_utf8_lossy(&bytes).contains(right.trim()), "the token stands in {path}");
    }
}

#[test]
fn check_tells_what_the_token_may_and_whether_days_are_the_same_days() {
    let shop = today();
    let check = |shop: &Shop| {
        let ran = lake::ctwa(&shop.lake, &["check", "pipeline.toml"]);
        (ran.code, ran.stdout)
    };
    let (code, text) = check(&shop);
    assert_eq!(code, 0, "{text}");
    for says in ["ads_read", "act_123, act_456", "days in Pacific/Auckland, amounts in NZD"] {
        assert!(text.contains(says), "{says}: {text}");
    }
    assert!(!text.contains("ITS DAYS ARE NOT") && !text.contains("not needed"), "{text}");

    let pipeline = fs::read_to_string(&shop.lake.pipeline).unwrap();
    fs::write(&shop.lake.pipeline, pipeline.replace("Pacific/Auckland", "America/Sao_Paulo")).unwrap();
    shop.server.stage().scopes = vec![("ads_read", "granted"), ("ads_management", "granted"), ("public_profile", "granted")];
    let (code, text) = check(&shop);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("warning act_456: ITS DAYS ARE NOT THE BOT'S"), "{text}");
    assert!(text.contains("not needed: ads_management;"), "{text}");

    shop.server.stage().scopes = vec![("public_profile", "granted")];
    let (code, text) = check(&shop);
    assert!(code == 5 && text.contains("lacks the permission ads_read"), "{text}");
    shop.server.stage().scopes = vec![("ads_read", "granted")];
    shop.server.stage().world.accounts[0].visible = false;
    let (code, text) = check(&shop);
    assert!(code == 5 && text.contains("error   act_123"), "{text}");
    fs::write(shop.lake.dir.join("token"), "EAAexpired00000000000000000000000").unwrap();
    let (code, text) = check(&shop);
    assert!(code == 5 && text.contains("error   token") && !text.contains("EAAexpired"), "{text}");
}

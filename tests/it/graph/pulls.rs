//! Meta's figures in the published tables: what each night asks for, what it makes of the answers, and what stays when there are none.

use std::collections::BTreeSet;

use ctwa::base::error::ErrorKind;

use super::date;
use super::server::{Fault, What};
use super::shop::{Shop, instant, lake_world, restate, touch};
use super::world::{ad, refusal};

/// The ads whose figures come in: all of the listed accounts, also the one that the report leaves out.
const KNOWN: [usize; 6] = [1, 2, 3, 4, 5, 6];

#[test]
fn a_first_run_publishes_what_the_oracle_makes_of_metas_figures() {
    let shop = Shop::new();
    let outcome = shop.run();
    assert_eq!(shop.differences(shop.figures(&KNOWN, "2026-02-01", "2026-03-12"), shop.fetched_now()), "");
    // In São Paulo it is the 11th, in Auckland the 12th.
    assert_eq!(shop.asked("act_123"), ["2026-02-11..2026-03-11"]);
    assert_eq!(shop.asked("act_456"), ["2026-02-12..2026-03-12"]);
    assert_eq!(shop.asked(&ad(5)).len(), 1, "left out of the report, asked for by its id");
    assert_eq!(outcome.report.insights["act_123"].days_fetched, 29);

    // Nothing, unknown, and not over yet.
    assert_eq!(shop.spend(2, "2026-03-04"), Some(0), "not delivered on a day that was fetched");
    assert_eq!(shop.spend(5, "2026-03-04"), Some(10_000_000));
    assert_eq!(shop.spend(7, "2026-03-04"), None, "another's ad");
    assert_eq!(shop.spend(9, "2026-03-04"), None, "a post");
    assert_eq!(shop.spend(1, "2026-03-11"), None, "the account's day is not over");
    assert_eq!((shop.status("shop", "2026-03-10"), shop.status("shop", "2026-03-11")), ("provisional".into(), "missing".into()));

    let before = shop.files();
    shop.forget_calls();
    shop.later(19);
    // Today is over in São Paulo meanwhile.
    shop.at("2026-03-11T19:00:00Z");
    let idle = shop.run();
    assert!(idle.report.started.is_none() && shop.server.calls().is_empty(), "nothing is due within 20 hours");
    assert!(shop.files() == before, "an idle run writes nothing");
}

#[test]
fn a_day_that_meta_has_not_changed_is_not_built_again() {
    let shop = Shop::new();
    shop.run();
    shop.later(24);
    // The 11th is over now, and without figures: nothing was spent.
    let outcome = shop.run();
    assert_eq!(Shop::built(&outcome), BTreeSet::from(["2026-03-11".to_string()]));
    assert_eq!((shop.spend(1, "2026-03-11"), shop.status("shop", "2026-03-11")), (Some(0), "provisional".into()));
    let (landed, tables) = (shop.landed(), shop.objects());
    shop.forget_calls();
    shop.later(24);
    let outcome = shop.run();
    assert_eq!(shop.asked("act_123"), ["2026-02-13..2026-03-13"], "each night the last 28 days");
    assert_eq!((Shop::built(&outcome), outcome.report.objects_written), (BTreeSet::new(), 0));
    assert!(shop.landed() == landed && shop.objects() == tables);
    assert_eq!(outcome.report.insights["act_123"].days_changed, 0);
    assert_eq!(shop.differences(shop.figures(&KNOWN, "2026-02-01", "2026-03-12"), shop.fetched_now()), "");
}

#[test]
fn a_day_that_meta_restates_is_built_again_and_no_other() {
    let shop = Shop::new();
    shop.run();
    shop.later(24);
    shop.run();
    shop.later(24);
    restate(&shop, 1, "2026-03-05", "144.");
    restate(&shop, 5, "2026-03-07", "144.");
    let before = shop.landed();
    let outcome = shop.run();
    assert_eq!(Shop::built(&outcome), BTreeSet::from(["2026-03-05".to_string(), "2026-03-07".to_string()]));
    let changed: Vec<String> =
        shop.landed().into_iter().filter(|(path, bytes)| before.get(path) != Some(bytes)).map(|(path, _)| path).collect();
    assert_eq!(changed, ["insights/date=2026-03-05/act_123.parquet", "insights/date=2026-03-07/act_123.parquet"]);
    assert_eq!(shop.differences(shop.figures(&KNOWN, "2026-02-01", "2026-03-12"), shop.fetched_now()), "");
}

#[test]
fn a_day_is_looked_at_once_more_after_28_days_and_is_final_then() {
    let shop = Shop::new();
    shop.run();
    for night in 1..=40 {
        shop.at("2026-03-11T18:00:00Z");
        shop.later(24 * night);
        shop.forget_calls();
        shop.run();
        let asked = shop.asked("act_123");
        let day = |days: i64| (date("2026-03-11") + chrono::TimeDelta::days(days)).to_string();
        // Today, the 28 days before, and once more the one before these, if it is not older than the first conversation.
        let first = if date(&day(night - 29)) < date("2026-03-01") { day(night - 28) } else { day(night - 29) };
        assert_eq!(asked, [format!("{first}..{}", day(night))], "night {night}");
    }
    assert_eq!(shop.status("shop", "2026-03-11"), "final");
    let mut fetched = shop.fetched_now();
    fetched.values_mut().for_each(|on| *on = date("2026-04-20"));
    assert_eq!(shop.differences(shop.figures(&KNOWN, "2026-02-01", "2026-03-12"), fetched), "");
    restate(&shop, 1, "2026-03-05", "144.");
    shop.later(24);
    assert!(Shop::built(&shop.run()).is_empty(), "what Meta says of a final day is not asked any more");
}

/// An object of ours that cannot be read any more failed its account's pull, or cost its day for good where that was final. It is fetched
/// again, and nothing else is.
#[test]
fn a_damaged_day_of_ours_is_fetched_again() {
    for (restated, days) in [(false, 1), (true, 1), (false, 60)] {
        let shop = Shop::new();
        shop.run();
        shop.later(24);
        shop.run();
        // After 60 days nothing is asked of it any more.
        shop.later(24 * days);
        shop.run();
        let (landed, tables) = (shop.landed(), shop.objects());
        if restated {
            restate(&shop, 1, "2026-03-05", "144.");
        }
        let object = "insights/date=2026-03-05/act_123.parquet";
        shop.write_landed(object, b"no Parquet");
        shop.forget_calls();
        // Not yet due otherwise.
        let outcome = shop.run();
        assert_eq!(shop.asked("act_123"), ["2026-03-05..2026-03-05"], "{restated} {days}");
        assert!(shop.asked("act_456").is_empty(), "{restated} {days}");
        assert!(
            outcome.report.warnings.iter().any(|text| text.contains("fetched again") && text.contains(object)),
            "{:?}",
            outcome.report.warnings
        );
        let now = shop.landed();
        let changed: Vec<&String> =
            now.iter().filter(|(path, bytes)| landed.get(*path) != Some(bytes)).map(|(path, _)| path).collect();
        assert_eq!(changed, if restated { vec![object] } else { vec![] });
        assert!(restated || shop.objects() == tables, "{days}");
        assert_eq!(shop.spend(1, "2026-03-05") == Some(144_000_000), restated);
        shop.forget_calls();
        assert!(shop.run().report.started.is_none() && shop.server.calls().is_empty());
    }
}

/// Meta is down meanwhile: it costs that day, and the next night mends it.
#[test]
fn a_damaged_day_of_ours_costs_that_day_alone_while_it_cannot_be_fetched() {
    let shop = Shop::new();
    shop.run();
    shop.later(24);
    shop.run();
    let tables = shop.objects();
    let object = "insights/date=2026-03-05/act_123.parquet";
    shop.write_landed(object, b"no Parquet");
    let down = refusal(2, None, "An unexpected error has occurred. Please retry your request later.");
    shop.server.stage().faults.push(Fault { at: "", times: usize::MAX, what: What::Refuse(500, down) });
    let outcome = shop.try_run();
    assert_eq!(outcome.worst, Some(ErrorKind::Data), "{:?}", outcome.report.failures);
    assert_eq!((shop.spend(1, "2026-03-05"), shop.status("shop", "2026-03-05")), (None, "missing".into()));
    let changed: BTreeSet<String> =
        shop.objects().iter().filter(|(path, bytes)| tables.get(*path) != Some(bytes)).map(|(path, _)| path.clone()).collect();
    assert!(changed.iter().all(|path| path.contains("2026-03-05")), "{changed:?}");
    shop.server.stage().faults.clear();
    shop.later(24);
    shop.run();
    assert!(shop.objects() == tables);
}

/// A touch that came late: the first conversation day is in December.
fn with_history() -> Shop {
    let mut world = lake_world("2026-03-11");
    world.messages.push(touch(date("2026-03-01"), "shop", &ad(1), "ad", instant("2025-12-01T12:00:00Z")));
    Shop::of(world)
}

#[test]
fn history_is_fetched_newest_first_and_goes_on_where_it_was_stopped() {
    let chunks = ["2026-02-10..2026-03-11", "2026-01-11..2026-02-09", "2025-12-12..2026-01-10", "2025-12-01..2025-12-11"];
    let whole = with_history();
    whole.run();
    assert_eq!(whole.asked("act_123"), chunks);

    let shop = with_history();
    let outcome = shop.run_until_fetched("act_123", 30);
    assert_eq!(outcome.worst, Some(ErrorKind::Interrupted));
    assert!(shop.objects().is_empty());
    shop.forget_calls();
    shop.run();
    assert_eq!(shop.asked("act_123"), chunks[1..], "the first chunk was kept");
    assert!(shop.objects() == whole.objects());
}

#[test]
fn without_meta_the_counts_are_published_and_the_next_night_completes_them() {
    let never_down = Shop::new();
    never_down.run();
    for (fault, kind, calls) in [
        (
            What::Refuse(500, refusal(2, None, "An unexpected error has occurred. Please retry your request later.")),
            ErrorKind::Unavailable,
            12,
        ),
        (What::Refuse(401, refusal(190, Some(463), "Error validating access token: Session has expired")), ErrorKind::Denied, 1),
    ] {
        let shop = Shop::new();
        shop.server.stage().faults.push(Fault { at: "", times: usize::MAX, what: fault });
        let outcome = shop.try_run();
        assert_eq!(outcome.worst, Some(kind), "{:?}", outcome.report.failures);
        assert_eq!(shop.server.calls().len(), calls, "not one account after the other where the token is the fault");
        // Every cost is NULL, every count is there.
        assert_eq!(shop.differences(Vec::new(), Default::default()), "");
        shop.server.stage().faults.clear();
        shop.at("2026-03-11T18:00:00Z");
        shop.run();
        assert!(shop.objects() == never_down.objects());

        // Later, with figures from before: they stay.
        shop.later(24);
        let mut again = refusal(190, Some(463), "Session has expired");
        if kind == ErrorKind::Unavailable {
            again = refusal(2, None, "An unexpected error has occurred");
        }
        shop.server.stage().faults.push(Fault { at: "", times: usize::MAX, what: What::Refuse(400, again) });
        let tables = shop.objects();
        assert_eq!(shop.try_run().worst, Some(kind));
        assert!(shop.objects() == tables);
    }
}

#[test]
fn an_account_that_is_denied_costs_the_other_nothing() {
    let shop = Shop::new();
    shop.server.stage().world.accounts[0].visible = false;
    let outcome = shop.try_run();
    assert_eq!(outcome.worst, Some(ErrorKind::Denied));
    assert!(outcome.report.failures[0].error.contains("act_123"), "{:?}", outcome.report.failures);
    shop.server.stage().world.accounts[0].visible = true;
    let mut fetched = shop.fetched_now();
    fetched.retain(|(account, _), _| account == "act_456");
    assert_eq!(shop.differences(shop.figures(&[6], "2026-02-01", "2026-03-12"), fetched), "");
}

#[test]
fn an_answer_that_is_not_as_documented_costs_no_count_and_no_other_account() {
    let shop = Shop::new();
    let odd = r#"{"data":[{"account_id":"456","account_currency":"NZD","ad_id":"9","spend":"1,5","date_start":"2026-03-01","date_stop":"2026-03-01"}]}"#;
    shop.server.stage().faults.push(Fault { at: "act_456/insights", times: usize::MAX, what: What::Say(200, odd) });
    let outcome = shop.try_run();
    assert_eq!(outcome.worst, Some(ErrorKind::Data));
    let error = &outcome.report.failures[0].error;
    assert!(
        error.contains("act_456") && error.contains("ad 9") && error.contains("2026-03-01") && error.contains("spend"),
        "{error}"
    );
    let mut fetched = shop.fetched_now();
    fetched.retain(|(account, _), _| account == "act_123");
    assert_eq!(shop.differences(shop.figures(&[1, 2, 3, 4, 5], "2026-02-01", "2026-03-12"), fetched), "");
}

#[test]
fn where_meta_does_not_tell_the_zone_the_bots_is_taken_and_said() {
    let shop = Shop::new();
    let refused = What::Refuse(403, refusal(200, None, "(#200) Requires ads_management permission to manage the object"));
    shop.server.stage().faults.push(Fault { at: "GET act_123", times: usize::MAX, what: refused });
    let outcome = shop.run();
    assert!(outcome.report.warnings.iter().any(|warning| warning.contains("act_123") && warning.contains("America/Sao_Paulo")));
    assert_eq!(shop.differences(shop.figures(&KNOWN, "2026-02-01", "2026-03-12"), shop.fetched_now()), "");
}

#[test]
fn the_last_day_asked_for_is_the_accounts_today_east_and_west() {
    for (time, west, east) in [
        ("2026-03-12T02:59:59Z", "2026-03-11", "2026-03-12"),
        ("2026-03-12T03:00:00Z", "2026-03-12", "2026-03-12"),
        ("2026-03-12T10:59:59Z", "2026-03-12", "2026-03-12"),
        ("2026-03-12T11:00:00Z", "2026-03-12", "2026-03-13"),
    ] {
        let shop = Shop::new();
        shop.at(time);
        shop.run();
        let last = |account: &str| shop.asked(account)[0].split("..").nth(1).unwrap().to_string();
        assert_eq!((last("act_123").as_str(), last("act_456").as_str()), (west, east), "{time}");
        assert_eq!(shop.differences(shop.figures(&KNOWN, "2026-02-01", "2026-03-12"), shop.fetched_now()), "", "{time}");
    }
}

#[test]
fn a_row_that_is_gone_is_asked_for_by_id_before_it_is_believed_gone() {
    let shop = Shop::new();
    shop.run();
    shop.later(24);
    shop.run();
    // The report leaves ad 1 out from now on, and it has new figures.
    shop.server.stage().world.ads[0].left_out = true;
    restate(&shop, 1, "2026-03-06", "144.");
    shop.later(24);
    shop.forget_calls();
    let outcome = shop.run();
    assert_eq!(shop.asked(&ad(1)), ["2026-02-13..2026-03-13"]);
    assert_eq!(Shop::built(&outcome), BTreeSet::from(["2026-03-06".to_string()]));
    assert_eq!(shop.differences(shop.figures(&KNOWN, "2026-02-01", "2026-03-12"), shop.fetched_now()), "");

    // A day of it is taken back.
    shop.server.stage().world.deliveries.remove(&(ad(1), date("2026-03-06")));
    shop.later(24);
    assert_eq!(Shop::built(&shop.run()), BTreeSet::from(["2026-03-06".to_string()]));
    assert_eq!(shop.spend(1, "2026-03-06"), Some(0));

    // Meta no longer knows the ad: what it reported stays, and it is not asked for every night.
    shop.server.stage().world.ads.remove(0);
    for night in 0..3 {
        shop.later(24);
        shop.forget_calls();
        assert!(Shop::built(&shop.run()).is_empty());
        assert_eq!(shop.server.calls().iter().filter(|call| **call == format!("GET {}", ad(1))).count(), usize::from(night == 0));
    }
    assert_eq!(shop.spend(1, "2026-03-05"), Some(3_500_000));
}

#[test]
fn ads_that_meta_does_not_show_are_not_asked_for_every_night() {
    let shop = Shop::new();
    let asked = |shop: &Shop| {
        let calls: Vec<String> = shop.server.calls();
        calls.iter().filter(|call| [ad(7), ad(9)].iter().any(|ad| call.contains(ad.as_str()))).cloned().collect::<Vec<_>>()
    };
    shop.run();
    assert_eq!(asked(&shop), [format!("GET {}", ad(7))], "a post is no ad");
    for _ in 0..27 {
        shop.later(24);
        shop.run();
    }
    assert_eq!(asked(&shop), Vec::<String>::new());
    shop.later(24);
    shop.run();
    assert_eq!(asked(&shop), [format!("GET {}", ad(7))], "it may have become visible");
}

#[test]
fn nights_and_one_run_at_the_end_give_the_same_tables() {
    let mut world = lake_world("2026-03-08");
    let nights = Shop::of(world.clone());
    for last in ["2026-03-08", "2026-03-09", "2026-03-10", "2026-03-11"] {
        let next = lake_world(last);
        crate::nights::land(&world, &next, &Default::default(), &nights.lake.dir);
        nights.configure("");
        world = next;
        nights.at(&format!("{last}T18:00:00Z"));
        nights.run();
    }
    let once = Shop::new();
    once.run();
    assert!(nights.objects() == once.objects(), "{:?}", crate::lake::unequal_objects(&nights.objects(), &once.objects()));
}

#[test]
fn figures_that_vanish_from_the_lake_are_not_taken_for_nothing_spent() {
    let shop = Shop::new();
    shop.run();
    let tables = shop.objects();
    std::fs::remove_dir_all(shop.lake.dir.join("lake/insights/date=2026-03-05")).unwrap();
    shop.forget_calls();
    shop.run();
    assert_eq!(shop.asked("act_123"), ["2026-03-05..2026-03-05"]);
    assert!(shop.objects() == tables);
}

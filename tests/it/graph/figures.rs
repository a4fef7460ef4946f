//! What is asked comes back: every figure of the world, once, on its own day, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use ctwa::base::day::Day;
use ctwa::base::error::ErrorKind;
use ctwa::config::secret::Secret;
use ctwa::insights::client::{AdAnswer, Token};
use ctwa::insights::graph_error::ErrorClass;
use ctwa::insights::rows::DailyRow;
use ctwa::insights::wire::Until;

use super::server::{APP_SECRET, Fault, GraphServer, What};
use super::world::{Delivery, World, ad, small};
use super::{ask, date, days, settings, with_client};

/// Account, ad, day, millionths, impressions, reach, clicks, Meta's conversations.
pub type Figure = (String, String, String, i64, i64, i64, i64, i64);

/// The figures of a world, read off it by hand.
pub fn expected(world: &World, ads: &[usize], first: &str, last: &str) -> Vec<Figure> {
    let millionths = BTreeMap::from([("10", 10_000_000), ("3.5", 3_500_000), ("144.", 144_000_000), ("0.000001", 1)]);
    let mut figures = Vec::new();
    for ((id, day), delivery) in &world.deliveries {
        let known = world.ads.iter().find(|ad| ad.id == *id).unwrap();
        if ads.iter().any(|n| ad(*n) == *id) && date(first) <= *day && *day <= date(last) {
            let count = |count: u64| i64::try_from(count).unwrap();
            figures.push((
                format!("act_{}", known.account),
                id.clone(),
                day.to_string(),
                millionths[delivery.spend],
                count(delivery.impressions),
                count(delivery.people.len() as u64),
                count(delivery.clicks),
                count(delivery.conversations),
            ));
        }
    }
    figures.sort_by(|a, b| (&a.2, &a.1).cmp(&(&b.2, &b.1)));
    figures
}

pub fn figures(rows: &[DailyRow]) -> Vec<Figure> {
    let figure = |DailyRow { day, row }: &DailyRow| {
        assert_eq!(row.figures.clicks, row.figures.inline_link_clicks);
        assert_eq!(row.names.ad_name.as_deref(), Some(format!("ad {}", row.ad).as_str()));
        (
            row.account.clone(),
            row.ad.clone(),
            day.to_string(),
            row.figures.spend,
            row.figures.impressions.unwrap(),
            row.figures.reach.unwrap(),
            row.figures.clicks.unwrap(),
            row.figures.meta_conversations.unwrap(),
        )
    };
    rows.iter().map(figure).collect()
}

#[test]
fn the_days_asked_come_back_both_ends_included_and_not_one_more() {
    let server = GraphServer::start(small());
    for (first, last) in [("2026-03-02", "2026-03-04"), ("2026-03-05", "2026-03-05"), ("2026-02-20", "2026-03-11")] {
        let rows = ask(&server, |client| client.daily("act_123", days(first, last))).unwrap();
        // Deleted and archived ads too; ad 5 is one that Meta leaves out whatever is asked.
        assert_eq!(figures(&rows), expected(&small(), &[1, 2, 3, 4], first, last), "{first} {last}");
        let seen = std::mem::take(&mut server.stage().seen);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].parameters["time_range"], format!("{{\"since\":\"{first}\",\"until\":\"{last}\"}}"));
        assert_eq!(seen[0].parameters["time_increment"], "1");
    }
    let [first, second] = ["2026-03-02", "2026-03-03"].map(|day| {
        let rows = ask(&server, |client| client.daily("act_123", days(day, day))).unwrap();
        rows.iter().map(|row| (row.day, row.row.ad.clone())).collect::<BTreeSet<_>>()
    });
    assert!(first.is_disjoint(&second), "no day comes twice when days are asked one by one");
    assert!(ask(&server, |client| client.daily("act_123", days("2026-01-01", "2026-01-31"))).unwrap().is_empty());
}

#[test]
fn pages_are_read_while_there_is_a_next_one_short_or_empty_as_they_may_be() {
    let server = GraphServer::start(small());
    server.stage().page_rows = 3;
    server.stage().empty_pages = BTreeSet::from([0, 1, 4]);
    let rows = ask(&server, |client| client.daily("act_123", days("2026-03-01", "2026-03-10"))).unwrap();
    assert_eq!(figures(&rows), expected(&small(), &[1, 2, 3, 4], "2026-03-01", "2026-03-10"));
    assert_eq!(rows.len(), 35);
    assert_eq!(server.calls().len(), 12 + 3, "the cursor of the last page is not followed");
}

#[test]
fn cursors_that_grow_old_make_the_walk_begin_again() {
    let server = GraphServer::start(small());
    server.stage().page_rows = 20;
    server.stage().refuse_after = Some(super::world::refusal(2642, None, "(#2642) Invalid cursors values"));
    let rows = ask(&server, |client| client.daily("act_123", days("2026-03-01", "2026-03-10"))).unwrap();
    assert_eq!(figures(&rows), expected(&small(), &[1, 2, 3, 4], "2026-03-01", "2026-03-10"));
    assert_eq!(server.calls().len(), 2 + 2, "a page and a refusal, then both pages");
}

#[test]
fn a_day_that_meta_restates_comes_as_it_is_now() {
    let server = GraphServer::start(small());
    let day = || ask(&server, |client| client.daily("act_456", days("2026-03-10", "2026-03-10"))).unwrap();
    let before = day();
    let now = Delivery { spend: "144.", impressions: 7, clicks: 1, conversations: 2, people: BTreeSet::from([1, 2, 3]) };
    server.stage().world.deliveries.insert((ad(6), date("2026-03-10")), now);
    let after = day();
    assert_ne!(before, after);
    assert_eq!(figures(&after), [("act_456".into(), ad(6), "2026-03-10".into(), 144_000_000, 7, 3, 1, 2)]);
}

#[test]
fn today_is_the_accounts_today() {
    let server = GraphServer::start(small());
    let now = server.stage().world.now * 1_000_000;
    for (account, today) in [("act_123", "2026-03-11"), ("act_456", "2026-03-12")] {
        let known = ask(&server, |client| client.account(account)).unwrap();
        assert_eq!(known.zone().unwrap().local_day(now).to_string(), today);
        let last: Day = today.parse().unwrap();
        // Meta takes this day, and would refuse the next.
        assert!(ask(&server, |client| client.daily(account, days(today, &last.to_string()))).is_ok());
    }
}

#[test]
fn ads_are_found_by_their_ids_where_the_account_leaves_them_out() {
    let server = GraphServer::start(small());
    let ids = [ad(5), ad(7), "77".to_string(), "page_1".to_string(), ad(1)];
    let answers = ask(&server, |client| client.daily_of_ads(&ids, days("2026-03-01", "2026-03-09"))).unwrap();
    let AdAnswer::Found { ad: found, rows } = &answers[0] else { panic!("{answers:?}") };
    assert_eq!((found.account.as_str(), found.status.as_str()), ("act_123", "DELETED"));
    assert_eq!(found.names.adset_id.as_deref(), Some("80"));
    assert_eq!(found.names.campaign_name.as_deref(), Some("campaign 8"));
    assert_eq!(figures(rows), expected(&small(), &[5], "2026-03-01", "2026-03-09"));
    for (answer, id) in answers[1..3].iter().zip(&ids[1..3]) {
        assert!(matches!(answer, AdAnswer::Foreign { ad } if ad == id), "{answer:?}");
    }
    assert!(matches!(&answers[3], AdAnswer::Refused { error, .. } if error.kind() == ErrorKind::Usage), "{answers:?}");
    assert!(matches!(&answers[4], AdAnswer::Found { rows, .. } if rows.len() == 9));
}

#[test]
fn reach_is_of_different_people_in_the_whole_range() {
    let server = GraphServer::start(small());
    let ranges = [days("2026-03-01", "2026-03-07"), days("2026-03-03", "2026-03-05")];
    for ads in [None, Some([ad(1), ad(4), ad(7)])] {
        let rows = ask(&server, |client| client.reach("act_123", &ranges, ads.as_ref().map(|ads| ads.as_slice()))).unwrap();
        let wanted: Vec<usize> = if ads.is_some() { vec![1, 4] } else { vec![1, 2, 3, 4] };
        let mut expected = Vec::new();
        for range in &ranges {
            for n in &wanted {
                let world = small();
                let of_ad = world.deliveries.iter().filter(|((id, day), _)| {
                    *id == ad(*n) && date(&range.first.to_string()) <= *day && *day <= date(&range.last.to_string())
                });
                let of_ad: Vec<&Delivery> = of_ad.map(|(_, delivery)| delivery).collect();
                let people: BTreeSet<u32> = of_ad.iter().flat_map(|delivery| delivery.people.iter().copied()).collect();
                let daily: usize = of_ad.iter().map(|delivery| delivery.people.len()).sum();
                assert!(people.len() < daily, "a sum would be wrong");
                expected.push((
                    range.to_string(),
                    ad(*n),
                    people.len() as i64,
                    of_ad.iter().map(|d| d.impressions as i64).sum::<i64>(),
                ));
            }
        }
        let got: Vec<_> =
            rows.iter().map(|row| (row.days.to_string(), row.ad.clone(), row.reach.unwrap(), row.impressions.unwrap())).collect();
        assert_eq!(got, expected);
        assert_eq!(server.calls().len(), 1, "all ranges are asked at once");
    }
    let frequency = ask(&server, |client| client.reach("act_123", &ranges[1..], Some(&[ad(1)]))).unwrap()[0].frequency.clone();
    // Ad 1 on days 3 to 5 of March: 102 + 103 + 104 impressions; people 20..42, 30..53, 40..64.
    assert_eq!(frequency.as_deref(), Some("7.022727"), "309 impressions of 44 people");
    assert!(ask(&server, |client| client.reach("act_123", &[], None)).unwrap().is_empty());
}

#[test]
fn days_beyond_what_meta_keeps_are_told_as_such() {
    let server = GraphServer::start(small());
    let error = ask(&server, |client| client.daily("act_123", days("2023-02-10", "2023-02-12"))).unwrap_err();
    assert_eq!((error.kind(), ErrorClass::of(&error)), (ErrorKind::Usage, Some(ErrorClass::BeyondHistory)));
    assert!(error.to_string().contains("37 months") && error.to_string().contains("act_123"), "{error}");
    // In Auckland it is a day later.
    assert!(ask(&server, |client| client.daily("act_123", days("2023-02-11", "2023-02-12"))).is_ok());
    assert!(ask(&server, |client| client.daily("act_456", days("2023-02-11", "2023-02-12"))).is_err());
    assert!(ask(&server, |client| client.daily("act_456", days("2023-02-12", "2023-02-12"))).is_ok());
}

#[test]
fn the_token_tells_what_it_may_and_until_when() {
    let server = GraphServer::start(small());
    server.stage().scopes = vec![("business_management", "granted"), ("email", "declined"), ("ads_read", "granted")];
    let scopes = vec!["ads_read".to_string(), "business_management".to_string()];
    // A token of somebody who is not a developer of the app may not ask about itself.
    let token = ask(&server, |client| client.token()).unwrap();
    assert_eq!(token, Token { scopes: scopes.clone(), expires_at: Until::Unknown, data_access_expires_at: Until::Unknown });
    server.stage().debug_token = Some(
        serde_json::json!({ "is_valid": true, "expires_at": 0, "data_access_expires_at": 1_781_000_000, "scopes": ["ads_read"] }),
    );
    let token = ask(&server, |client| client.token()).unwrap();
    assert_eq!(token, Token { scopes, expires_at: Until::Never, data_access_expires_at: Until::At(1_781_000_000_000_000) });
}

#[test]
fn the_accounts_that_the_token_sees_are_listed() {
    let server = GraphServer::start(small());
    server.stage().page_rows = 1;
    let accounts = ask(&server, |client| client.ad_accounts()).unwrap();
    let shown: Vec<String> = accounts
        .iter()
        .map(|account| {
            format!("{} {} {} {} {}", account.id, account.name, account.timezone_name, account.currency, account.status)
        })
        .collect();
    assert_eq!(shown, ["act_123 Acme Brasil America/Sao_Paulo BRL active", "act_456 Acme NZ Pacific/Auckland NZD active"]);
    assert_eq!(ask(&server, |client| client.account("act_456")).unwrap(), accounts[1]);
    let error = ask(&server, |client| client.account("act_999")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("act_999") && error.to_string().contains("ads_read"), "{error}");
    for wrong in ["123", "act_", "act_1/../2", "act_1?x"] {
        assert_eq!(ask(&server, |client| client.account(wrong)).unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
    }
}

#[test]
fn the_proof_of_the_app_secret_goes_with_every_request_where_it_is_given() {
    let server = GraphServer::start(small());
    let daily = |secret: Option<&str>| {
        let mut settings = settings(&server);
        settings.app_secret = secret.map(|secret| Secret::new(secret, "$APP_SECRET").unwrap());
        with_client(&server, settings, |client| {
            client.token()?;
            client.daily("act_123", days("2026-03-01", "2026-03-10"))
        })
    };
    assert_eq!(daily(None).0.unwrap().len(), 35, "the app does not ask for it");
    server.stage().wants_proof = true;
    server.stage().world.limit =
        Some(super::world::Limit { cells: 1, status: 500, refusal: super::world::refusal(2, Some(1504038), "too large") });
    assert_eq!(daily(Some(APP_SECRET)).0.unwrap().len(), 35, "also with report runs");
    for secret in [None, Some("another5ecret")] {
        let error = daily(secret).0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("app_secret_env"), "{error}");
    }
}

#[test]
fn an_answer_that_is_not_as_documented_is_told_with_its_place() {
    let row = |change: &str| {
        format!(
            r#"{{"account_id":"123","account_currency":"BRL","ad_id":"9","spend":"1","impressions":"1","date_start":"2026-03-01","date_stop":"2026-03-01"{change}}}"#
        )
    };
    for (rows, says) in [
        (row(r#","reach":7"#), vec!["act_123", "ad 9", "2026-03-01", "field reach"]),
        (row(r#","spend":"a lot""#), vec!["act_123", "ad 9", "2026-03-01", "field spend"]),
        (row(r#","date_start":"2026-03-02","date_stop":"2026-03-02""#), vec!["act_123", "ad 9", "date_start"]),
        (row(r#","account_id":"124""#), vec!["account_id", "ad 9"]),
        (format!("{},{}", row(""), row("")), vec!["two rows", "act_123", "ad 9", "day 2026-03-01"]),
        ("7".to_string(), vec!["a row"]),
    ] {
        let server = GraphServer::start(small());
        let text: &'static str = format!(r#"{{"data":[{rows}]}}"#).leak();
        server.stage().faults.push(Fault { at: "act_123/insights", times: 1, what: What::Say(200, text) });
        let error = ask(&server, |client| client.daily("act_123", days("2026-03-01", "2026-03-01"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        for text in says {
            assert!(error.to_string().contains(text), "{error} lacks {text}");
        }
    }
    let server = GraphServer::start(small());
    let circle = r#"{"data":[],"paging":{"cursors":{"after":"x"},"next":"https://graph.facebook.com/x"}}"#;
    server.stage().faults.push(Fault { at: "act_123/insights", times: 9, what: What::Say(200, circle) });
    let error = ask(&server, |client| client.daily("act_123", days("2026-03-01", "2026-03-01"))).unwrap_err();
    assert!(error.to_string().contains("the same cursor came twice"), "{error}");
    assert_eq!(server.calls().len(), 2);
}

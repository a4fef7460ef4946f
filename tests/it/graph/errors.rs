//! What each of Meta's errors makes the client do: every line of the table of codes and subcodes, told under several HTTP statuses,
//! which decide nothing.

use ctwa::base::error::ErrorKind::{self, Denied, Unavailable, Usage};
use ctwa::insights::client::AdAnswer;
use ctwa::insights::graph_error::{ErrorClass, GraphError};

use super::figures::{expected, figures};
use super::server::{Fault, GraphServer, What};
use super::world::{Refusal, ad, refusal, small};
use super::{ask, days, settings, with_client};

/// What is expected of the client.
enum Does {
    /// It waits so long, and asks the same again.
    Waits(u64),
    /// It asks otherwise, at once.
    Splits,
    /// It stops at once, with a kind of error that says this.
    Stops(ErrorKind, &'static str),
}
use Does::{Splits, Stops, Waits};

fn table() -> Vec<(Refusal, Does)> {
    let of = |code: i64, subcode: i64| refusal(code, (subcode != 0).then_some(subcode), "(#0) Something happened");
    let mut table = vec![
        // Limits of the app, of all its accounts.
        (of(4, 1504022), Waits(60)),
        (of(4, 1504039), Waits(60)),
        (of(4, 0), Waits(60)),
        (of(341, 0), Waits(60)),
        // Limits of the account. That the app has full access is not known here, so the longer block is waited for.
        (of(17, 2446079), Waits(300)),
        (of(17, 0), Waits(300)),
        (of(613, 1487742), Waits(300)),
        (of(32, 0), Waits(300)),
        (of(80000, 2446079), Waits(300)),
        (of(80003, 0), Waits(300)),
        (of(80004, 0), Waits(300)),
        (of(80008, 0), Waits(300)),
        (of(80009, 0), Waits(300)),
        (of(80014, 0), Waits(300)),
        (of(613, 0), Waits(1_800)),
        (of(368, 0), Stops(Denied, "blocked")),
        // Too large.
        (of(100, 1487534), Splits),
        (of(-3, 1504045), Splits),
        (of(100, 1504018), Splits),
        (of(2, 1504038), Splits),
        (refusal(1, None, "Please reduce the amount of data you're asking for, then retry your request"), Splits),
        (refusal(1, Some(99), "Please reduce the amount of data you're asking for, then retry your request"), Splits),
        // What passes.
        (of(2, 1504043), Waits(2)),
        (of(2, 1504044), Waits(2)),
        (of(-2, 2490547), Waits(2)),
        (of(1, 0), Waits(2)),
        (of(1, 99), Waits(2)),
        (of(2, 0), Waits(2)),
        // What does not, although its code is 2.
        (of(2, 1504041), Stops(Usage, "refuses the request")),
        (of(2, 1504042), Stops(Usage, "refuses the request")),
        // Permissions.
        (of(100, 3191001), Stops(Denied, "ads_read")),
        (of(10, 0), Stops(Denied, "ads_read")),
        (of(200, 0), Stops(Denied, "ads_read")),
        (of(275, 0), Stops(Denied, "ads_read")),
        (of(299, 0), Stops(Denied, "ads_read")),
        (of(100, 33), Stops(Denied, "ads_read")),
        // The token.
        (of(190, 0), Stops(Denied, "$META_ACCESS_TOKEN")),
        (of(190, 458), Stops(Denied, "removed the app")),
        (of(190, 459), Stops(Denied, "security check")),
        (of(190, 460), Stops(Denied, "password")),
        (of(190, 463), Stops(Denied, "expired")),
        (of(190, 464), Stops(Denied, "not confirmed")),
        (of(190, 467), Stops(Denied, "revoked")),
        (of(190, 492), Stops(Denied, "role")),
        (of(102, 0), Stops(Denied, "$META_ACCESS_TOKEN")),
        (of(3018, 0), Stops(Usage, "37 months")),
        (of(2635, 0), Stops(Usage, "api_version")),
        (of(2642, 0), Stops(Unavailable, "run again")),
        (of(100, 0), Stops(Usage, "refuses the request")),
        (of(100, 12345), Stops(Usage, "refuses the request")),
        // Not known: neither repeated nor blamed on anybody.
        (of(987654, 0), Stops(Unavailable, "run again")),
        (of(-1, 0), Stops(Unavailable, "run again")),
    ];
    // The sentence counts under its code alone.
    table.push((refusal(10, None, "Please reduce the amount of data"), Stops(Denied, "ads_read")));
    table
}

#[test]
fn every_pair_of_code_and_subcode_has_its_consequence_whatever_the_status() {
    for (refusal, does) in table() {
        for status in [400, 500, 403, 200] {
            let server = GraphServer::start(small());
            let fault = Fault { at: "GET act_123/insights", times: 1, what: What::Refuse(status, refusal.clone()) };
            server.stage().faults.push(fault);
            let (rows, waits) =
                with_client(&server, settings(&server), |client| client.daily("act_123", days("2026-03-01", "2026-03-04")));
            let calls = server.calls();
            match &does {
                Waits(seconds) => {
                    assert_eq!(waits, [*seconds], "{refusal:?} {status}");
                    assert_eq!(calls, ["GET act_123/insights"; 2], "{refusal:?} {status}");
                }
                Splits => {
                    assert_eq!(waits, [0; 0], "{refusal:?} {status}");
                    assert_eq!(calls[..2], ["GET act_123/insights", "POST act_123/insights"], "{refusal:?} {status}");
                }
                Stops(kind, says) => {
                    let error = rows.unwrap_err();
                    let told = error.to_string();
                    assert_eq!((error.kind(), calls.len(), waits.len()), (*kind, 1, 0), "{refusal:?} {status}: {told}");
                    for text in [*says, "account act_123", &format!("code {}", refusal.0), "fbtrace_id AbCdEfGhIjK"] {
                        assert!(told.contains(text), "{told} lacks {text}");
                    }
                    if let Some(subcode) = refusal.1 {
                        assert!(told.contains(&format!("subcode {subcode}")), "{told}");
                    }
                    continue;
                }
            }
            assert_eq!(figures(&rows.unwrap()), expected(&small(), &[1, 2, 3, 4], "2026-03-01", "2026-03-04"), "{refusal:?}");
        }
    }
}

#[test]
fn what_metas_flag_says_of_an_unknown_error_is_believed() {
    let error = |is_transient: bool| {
        let error = serde_json::json!({ "error": { "code": "987", "message": "m", "is_transient": is_transient } });
        GraphError::of_answer(&error).unwrap().class()
    };
    assert_eq!([error(true), error(false)], [ErrorClass::Transient, ErrorClass::Unknown]);
    // But not of a known one.
    let known = serde_json::json!({ "error": { "code": 190, "error_subcode": 463, "message": "m", "is_transient": true } });
    assert_eq!(GraphError::of_answer(&known).unwrap().class(), ErrorClass::Token);
}

#[test]
fn what_does_not_pass_is_given_up_after_a_bounded_time() {
    for (refusal, waits_expected) in [
        (refusal(2, None, "An unexpected error has occurred."), vec![2, 4, 8, 16, 32]),
        (refusal(17, None, "User request limit reached"), vec![300, 600, 900, 900, 900]),
        (refusal(4, None, "Application request limit reached"), vec![60, 120, 240, 480, 900, 900, 900]),
        (refusal(613, None, "Calls to this api have exceeded the rate limit."), vec![1_800, 1_800]),
    ] {
        let server = GraphServer::start(small());
        server.stage().faults.push(Fault { at: "GET act_123/insights", times: 1_000, what: What::Refuse(400, refusal.clone()) });
        let (rows, waits) =
            with_client(&server, settings(&server), |client| client.daily("act_123", days("2026-03-01", "2026-03-04")));
        let error = rows.unwrap_err();
        assert_eq!((error.kind(), waits), (Unavailable, waits_expected), "{error}");
        assert!(error.to_string().contains("act_123"), "{error}");
    }
}

/// A wait that Meta's headers ask for, before the second of two calls.
fn waits_after(headers: &[(&'static str, &'static str)], second: &str) -> Vec<u64> {
    let server = GraphServer::start(small());
    server.stage().headers.push_back(headers.to_vec());
    let (_, waits) = with_client(&server, settings(&server), |client| {
        client.daily("act_123", days("2026-03-01", "2026-03-01")).unwrap();
        client.daily(second, days("2026-03-01", "2026-03-01")).unwrap();
    });
    waits
}

#[test]
fn usage_is_heeded_before_it_becomes_an_error_by_whom_it_concerns() {
    for (headers, same, other) in [
        (vec![], vec![], vec![]),
        (vec![("X-FB-Ads-Insights-Throttle", r#"{"app_id_util_pct":20,"acc_id_util_pct":76}"#)], vec![2], vec![]),
        (vec![("x-fb-ads-insights-throttle", r#"{"app_id_util_pct":96,"acc_id_util_pct":1}"#)], vec![60], vec![60]),
        (vec![("X-Ad-Account-Usage", r#"{"acc_id_util_pct":100,"reset_time_duration":77}"#)], vec![77], vec![]),
        (vec![("X-App-Usage", r#"{"call_count":100,"total_time":1,"total_cputime":1}"#)], vec![300], vec![300]),
        (
            vec![(
                "X-Business-Use-Case-Usage",
                r#"{"123":[{"type":"custom_audience","call_count":100,"estimated_time_to_regain_access":50},{"type":"ads_insights","call_count":100,"estimated_time_to_regain_access":9}]}"#,
            )],
            vec![540],
            vec![],
        ),
        (vec![("X-App-Usage", "{broken"), ("X-Business-Use-Case-Usage", "[1]")], vec![], vec![]),
    ] {
        assert_eq!(waits_after(&headers, "act_123"), same, "{headers:?}");
        assert_eq!(waits_after(&headers, "act_456"), other, "{headers:?}");
    }
}

#[test]
fn what_meta_says_of_the_way_back_counts_when_it_refuses() {
    for (header, waits_expected) in [
        (("X-Business-Use-Case-Usage", r#"{"123":[{"type":"ads_insights","estimated_time_to_regain_access":19}]}"#), vec![1_140]),
        (("X-FB-Ads-Insights-Throttle", r#"{"acc_id_util_pct":100,"ads_api_access_tier":"standard_access"}"#), vec![300]),
        (("X-FB-Ads-Insights-Throttle", r#"{"acc_id_util_pct":40,"ads_api_access_tier":"standard_access"}"#), vec![60]),
        (("X-FB-Ads-Insights-Throttle", r#"{"acc_id_util_pct":40,"ads_api_access_tier":"development_access"}"#), vec![300]),
    ] {
        let server = GraphServer::start(small());
        let limit = What::Refuse(400, refusal(80000, Some(2446079), "There have been too many calls from this ad-account."));
        server.stage().faults.push(Fault { at: "GET act_123/insights", times: 1, what: limit });
        server.stage().headers.push_back(vec![header]);
        let (rows, waits) =
            with_client(&server, settings(&server), |client| client.daily("act_123", days("2026-03-01", "2026-03-01")));
        assert_eq!((rows.unwrap().len(), waits), (4, waits_expected), "{header:?}");
    }
    // Longer than anybody waits: said at once, with the time.
    let server = GraphServer::start(small());
    let far = r#"{"123":[{"type":"ads_insights","estimated_time_to_regain_access":90}]}"#;
    server.stage().headers.push_back(vec![("X-Business-Use-Case-Usage", far)]);
    let (error, waits) = with_client(&server, settings(&server), |client| {
        client.daily("act_123", days("2026-03-01", "2026-03-01")).unwrap();
        // Another account goes on meanwhile.
        client.daily("act_456", days("2026-03-01", "2026-03-01")).unwrap();
        client.daily("act_123", days("2026-03-01", "2026-03-01")).unwrap_err()
    });
    assert_eq!((error.kind(), waits.len()), (Unavailable, 0));
    assert!(error.to_string().contains("90 more minutes") && error.to_string().contains("act_123"), "{error}");
}

#[test]
fn an_ad_that_is_denied_alone_does_not_hide_the_others() {
    let server = GraphServer::start(small());
    let denied =
        What::Refuse(403, refusal(200, None, "(#200) Ad account owner has NOT grant ads_management or ads_read permission"));
    server.stage().faults.push(Fault { at: "GET 120226305854810721", times: 1, what: denied });
    let ids = [ad(1), ad(2)];
    let answers = ask(&server, |client| client.daily_of_ads(&ids, days("2026-03-01", "2026-03-02"))).unwrap();
    let AdAnswer::Refused { ad: id, error } = &answers[0] else { panic!("{answers:?}") };
    assert_eq!((id, error.kind()), (&ad(1), Denied));
    assert!(matches!(&answers[1], AdAnswer::Found { .. }));
    // The token's own end concerns all of them.
    let expired = What::Refuse(400, refusal(190, Some(463), "Error validating access token: Session has expired"));
    server.stage().faults.push(Fault { at: "GET 120226305854810721", times: 1, what: expired });
    assert_eq!(ask(&server, |client| client.daily_of_ads(&ids, days("2026-03-01", "2026-03-02"))).unwrap_err().kind(), Denied);
}

#[test]
fn what_is_not_meta_is_asked_again_and_then_told() {
    let page = "<html><title>502 Bad Gateway</title></html>";
    for (status, text) in [(502, page), (200, page), (200, "{\"data\": [{\"ad_id\""), (429, "slow down"), (404, "{}")] {
        let server = GraphServer::start(small());
        server.stage().faults.push(Fault { at: "act_123/insights", times: 2, what: What::Say(status, text) });
        let (rows, waits) =
            with_client(&server, settings(&server), |client| client.daily("act_123", days("2026-03-01", "2026-03-01")));
        assert_eq!((rows.unwrap().len(), waits), (4, vec![2, 4]), "{status} {text}");
        server.stage().faults.push(Fault { at: "act_123/insights", times: 99, what: What::Say(status, text) });
        let error = ask(&server, |client| client.daily("act_123", days("2026-03-01", "2026-03-01"))).unwrap_err();
        assert_eq!(error.kind(), Unavailable, "{error}");
        assert!(error.to_string().contains("base_url"), "{error}");
    }
}

#[test]
fn nobody_there_is_told_after_some_tries() {
    let server = GraphServer::start(small());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut elsewhere = settings(&server);
    elsewhere.base_url = format!("http://{nobody}");
    let (answer, waits) = with_client(&server, elsewhere, |client| client.account("act_123"));
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), waits), (Unavailable, vec![2, 4, 8, 16, 32]), "{error}");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[test]
fn an_old_version_is_told_with_the_key_to_change() {
    let server = GraphServer::start(small());
    let mut old = settings(&server);
    old.api_version = "v25.0".into();
    let error = with_client(&server, old, |client| client.account("act_123")).0.unwrap_err();
    assert_eq!((error.kind(), ErrorClass::of(&error)), (Usage, Some(ErrorClass::Version)));
    assert!(error.to_string().contains("api_version"), "{error}");
}

//! Questions that are too large: report runs in all their states, and smaller questions.

use std::cell::Cell;
use std::collections::BTreeSet;

use ctwa::base::error::{Error, ErrorKind};
use ctwa::insights::client::Client;
use ctwa::insights::graph::Waiting;

use super::figures::{Figure, expected, figures};
use super::server::Poll::{self, Fails, FailsSilently, Gone, Says};
use super::server::{Fault, GraphServer, What};
use super::world::{Limit, Refusal, ad, refusal, small};
use super::{TIMEOUT, ask, days, settings, with_client};

const GET: &str = "GET act_123/insights";
const POST: &str = "POST act_123/insights";

fn too_large() -> Refusal {
    refusal(100, Some(1487534), "Please reduce the amount of data")
}

fn of_runs() -> Refusal {
    refusal(-3, Some(1504045), "The report is too large")
}

/// A server that answers only so many cells at once, synchronously and in a run.
fn limited(cells: usize, of_run: Option<usize>) -> GraphServer {
    let server = GraphServer::start(small());
    {
        let stage = &mut server.stage();
        stage.world.limit = Some(Limit { cells, status: 500, refusal: too_large() });
        stage.world.limit_of_runs = of_run.map(|cells| Limit { cells, status: 400, refusal: of_runs() });
    }
    server
}

/// What the days come to, how often was asked how, and the waits.
fn four_days(server: &GraphServer) -> (Result<Vec<Figure>, Error>, Vec<String>, Vec<u64>) {
    let (rows, waits) = with_client(server, settings(server), |client| client.daily("act_123", days("2026-03-01", "2026-03-04")));
    (rows.map(|rows| figures(&rows)), server.calls(), waits)
}

fn right() -> Vec<Figure> {
    expected(&small(), &[1, 2, 3, 4], "2026-03-01", "2026-03-04")
}

#[test]
fn what_is_too_large_at_once_is_asked_as_a_report_run() {
    for bare in [false, true] {
        let server = limited(20, None);
        server.stage().bare_run_ids = bare;
        server.stage().page_rows = 5;
        let (rows, calls, waits) = four_days(&server);
        assert_eq!(rows.unwrap(), right());
        let run = "GET 6023920149000";
        let read = "GET 6023920149000/insights";
        assert_eq!(calls, [GET, POST, run, read, read, read], "bare {bare}");
        assert_eq!(waits, [0; 0]);
    }
}

#[test]
fn what_is_not_answered_in_time_is_asked_as_a_report_run() {
    let server = GraphServer::start(small());
    server.stage().faults.push(Fault { at: GET, times: 1, what: What::Hang });
    let mut hasty = settings(&server);
    hasty.timeout = TIMEOUT;
    let (rows, _) = with_client(&server, hasty, |client| client.daily("act_123", days("2026-03-01", "2026-03-04")));
    assert_eq!(figures(&rows.unwrap()), right());
    assert_eq!(server.calls()[..2], [GET, POST]);
}

#[test]
fn a_run_is_polled_slower_and_slower_until_it_is_completed_and_whole() {
    let server = limited(20, None);
    let polls = [
        Says("Job Not Started", 0),
        Says("Job Started", 0),
        Says("Job Running", 0),
        Says("Job Running", 50),
        // It says 100 while it still runs, and completed before it is whole.
        Says("Job Running", 100),
        Says("Job Running", 100),
        Says("Job Completed", 99),
        Says("Job Completed", 100),
    ];
    server.stage().runs.push_back(polls.to_vec());
    let (rows, calls, waits) = four_days(&server);
    assert_eq!(rows.unwrap(), right());
    assert_eq!((calls.len(), waits), (2 + 8 + 1, vec![2, 4, 8, 16, 32, 60, 60]));
}

#[test]
fn a_run_that_ends_otherwise_is_submitted_again_or_asked_in_pieces() {
    let transient = || Fails(refusal(-2, Some(2490547), "Please try again"));
    let done = || Says("Job Completed", 100);
    // What the runs say, how many are submitted for the whole, and whether it is asked in pieces.
    let cases: [(&str, Vec<Vec<Poll>>, usize, bool); 9] = [
        ("failed for a passing reason", vec![vec![transient()], vec![done()]], 2, false),
        ("skipped", vec![vec![Says("Job Running", 10), Says("Job Skipped", 10)], vec![done()]], 2, false),
        ("skipped twice", vec![vec![Says("Job Skipped", 0)], vec![Says("Job Skipped", 0)], vec![done()]], 3, false),
        ("gone while it ran", vec![vec![Says("Job Running", 10), Gone], vec![done()]], 2, false),
        ("gone before it was read", vec![vec![done(), Gone], vec![done()]], 2, false),
        ("failed silently once", vec![vec![FailsSilently], vec![done()]], 2, false),
        ("failed silently twice", vec![vec![FailsSilently], vec![FailsSilently]], 2, true),
        ("too large", vec![vec![Says("Job Running", 10), Fails(of_runs())]], 1, true),
        ("never finished", vec![vec![Says("Job Running", 100)]], 1, true),
    ];
    for (what, runs, submitted, in_pieces) in cases {
        // Half of the days go through at once.
        let server = limited(140, None);
        server.stage().runs = runs.into();
        let (rows, calls, waits) = four_days(&server);
        assert_eq!(rows.unwrap(), right(), "{what}");
        assert_eq!(calls.iter().filter(|call| *call == POST).count(), submitted, "{what}: {calls:?}");
        assert_eq!(calls.iter().filter(|call| *call == GET).count(), if in_pieces { 3 } else { 1 }, "{what}: {calls:?}");
        assert!(waits.iter().sum::<u64>() <= 3_600, "{what}: {waits:?}");
    }
}

#[test]
fn runs_that_never_come_to_anything_are_given_up() {
    let skipped = || vec![Says("Job Skipped", 0)];
    let refused = Fails(refusal(190, Some(463), "Session has expired"));
    let forbidden = Fails(refusal(2, Some(1504041), "Invalid breakdowns"));
    for (what, runs, kind, submitted) in [
        ("skipped", vec![skipped(), skipped(), skipped(), skipped()], ErrorKind::Unavailable, 3),
        ("the token ends", vec![vec![refused]], ErrorKind::Denied, 1),
        ("refused", vec![vec![forbidden]], ErrorKind::Usage, 1),
    ] {
        let server = limited(20, None);
        server.stage().runs = runs.into();
        let (rows, calls, _) = four_days(&server);
        let error = rows.unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.to_string().contains("act_123"), "{what}: {error}");
        assert_eq!(calls.iter().filter(|call| *call == POST).count(), submitted, "{what}: {calls:?}");
    }
}

/// All questions, but for pages and polls.
fn questions(server: &GraphServer) -> Vec<String> {
    let seen = std::mem::take(&mut server.stage().seen);
    let asked = seen.iter().filter(|seen| seen.path.contains("act_") && !seen.parameters.contains_key("after"));
    asked.map(|seen| format!("{} {:?}", seen.call(), seen.parameters)).collect()
}

#[test]
fn what_is_too_large_as_a_run_is_asked_in_ever_smaller_pieces_and_never_twice() {
    // A row has 14 fields: from several days of all ads down to one ad in two halves of its fields.
    for cells in [130, 57, 55, 41, 27, 15, 13, 10] {
        let server = limited(cells, Some(cells));
        let rows = ask(&server, |client| client.daily("act_123", days("2026-03-01", "2026-03-04"))).unwrap();
        assert_eq!(figures(&rows), right(), "{cells} cells");
        let asked = questions(&server);
        assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len(), "{cells} cells: {asked:#?}");
        let levels = ["campaign.id", "adset.id", "ad.id"].map(|level| asked.iter().any(|asked| asked.contains(level)));
        // Campaign 7 has two ad sets, one of them two ads.
        assert_eq!(levels, [cells < 56, cells < 42, cells < 28], "{cells} cells");
    }
}

#[test]
fn what_is_too_large_however_small_is_told() {
    let server = limited(0, Some(0));
    let rows = ask(&server, |client| client.daily("act_123", days("2026-03-01", "2026-03-04")));
    let error = rows.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("act_123"), "{error}");
    let asked = questions(&server);
    assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len());
    assert!(asked.len() < 20, "{asked:#?}");
}

#[test]
fn an_ad_alone_is_asked_in_pieces_too() {
    let server = limited(16, Some(16));
    let answers = ask(&server, |client| client.daily_of_ads(&[ad(5)], days("2026-03-01", "2026-03-04"))).unwrap();
    let ctwa::insights::client::AdAnswer::Found { rows, .. } = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(figures(rows), expected(&small(), &[5], "2026-03-01", "2026-03-04"));
}

#[test]
fn reach_in_pieces_is_the_reach_of_the_whole() {
    let ranges = [days("2026-03-01", "2026-03-07"), days("2026-03-03", "2026-03-05"), days("2026-03-02", "2026-03-10")];
    let all = ask(&GraphServer::start(small()), |client| client.reach("act_123", &ranges, None)).unwrap();
    assert_eq!(all.len(), 3 * 4);
    // A row has five fields.
    for cells in [41, 21, 11, 6, 4] {
        let server = limited(cells, Some(cells));
        assert_eq!(ask(&server, |client| client.reach("act_123", &ranges, None)).unwrap(), all, "{cells} cells");
        let asked = questions(&server);
        assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len(), "{cells} cells: {asked:#?}");
        assert!(asked.iter().all(|asked| !asked.contains("time_increment")), "a range is never taken apart");
    }
}

#[test]
fn a_stop_ends_a_wait_and_what_is_under_way() {
    let stop = || Err(Error::new(ErrorKind::Terminated, "stopped by SIGTERM"));
    // While it waits between polls: the fifth time it looks.
    let server = limited(20, None);
    server.stage().runs.push_back(vec![Says("Job Running", 0)]);
    let looks = Cell::new(0);
    let pauses = Cell::new(0);
    let stopped = || {
        looks.set(looks.get() + 1);
        if pauses.get() >= 3 { stop() } else { Ok(()) }
    };
    let pause = |_| {
        pauses.set(pauses.get() + 1);
        Ok(())
    };
    let client = Client::new(settings(&server), Waiting { stopped: &stopped, pause: Some(&pause), at_most: None }).unwrap();
    let error = client.daily("act_123", days("2026-03-01", "2026-03-04")).unwrap_err();
    assert_eq!((error.kind(), pauses.get()), (ErrorKind::Terminated, 3));
    // While no answer comes, and while time really passes.
    let server = GraphServer::start(small());
    for fault in [What::Hang, What::Refuse(400, refusal(17, None, "User request limit reached"))] {
        server.stage().faults.push(Fault { at: GET, times: 1, what: fault });
        let looks = Cell::new(0);
        let stopped = || {
            looks.set(looks.get() + 1);
            if looks.get() > 3 { stop() } else { Ok(()) }
        };
        let client = Client::new(settings(&server), Waiting { stopped: &stopped, pause: None, at_most: None }).unwrap();
        let error = client.daily("act_123", days("2026-03-01", "2026-03-04")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Terminated, "{error}");
    }
}

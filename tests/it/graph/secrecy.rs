//! The token and the app secret are seen nowhere: not in what is logged, returned or displayed, whatever Meta repeats.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use ctwa::base::error::Error;
use ctwa::config::secret::Secret;
use ctwa::insights::client::AdAnswer;

use super::server::{APP_SECRET, Fault, GraphServer, Poll, TOKEN, What, proof};
use super::world::{Limit, ad, refusal, small};
use super::{days, settings, with_client};

/// Another token, which Meta does not accept and repeats.
const REFUSED: &str = "EAAGm0PX4ZCpsBARefusedTokenOfSomebodyElseZDZD";

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LISTENING: AtomicBool = AtomicBool::new(false);

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if LISTENING.load(Ordering::Relaxed) {
            LOGGED.lock().unwrap().extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that is logged in this process from now on, of every library that logs.
fn listen() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| Log).finish();
        tracing::subscriber::set_global_default(everything).unwrap();
    });
    LISTENING.store(true, Ordering::Relaxed);
}

/// An error in all its forms, and of what it came from.
fn shown(error: &Error, into: &mut Vec<String>) {
    into.extend([format!("{error}"), format!("{error:?}"), format!("{error:#?}")]);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        into.extend([format!("{cause}"), format!("{cause:?}"), format!("{cause:#?}")]);
        source = cause.source();
    }
}

#[test]
fn the_token_is_seen_nowhere() {
    listen();
    let mut seen = Vec::new();
    let both = |server: &GraphServer| {
        let mut settings = settings(server);
        settings.app_secret = Some(Secret::new(APP_SECRET, "$APP_SECRET").unwrap());
        settings
    };
    let range = days("2026-03-01", "2026-03-04");

    // All goes well, over several pages whose links carry the token, and with report runs.
    let server = GraphServer::start(small());
    server.stage().page_rows = 3;
    server.stage().wants_proof = true;
    server.stage().world.limit = Some(Limit { cells: 100, status: 500, refusal: refusal(2, Some(1504038), TOKEN) });
    server.stage().debug_token = Some(serde_json::json!({ "expires_at": 1_781_000_000 }));
    seen.extend([format!("{:?}", both(&server)), format!("{:#?}", both(&server)), format!("{}", both(&server).token)]);
    with_client(&server, both(&server), |client| {
        seen.push(format!("{:?}", client.token().unwrap()));
        seen.push(format!("{:?}", client.ad_accounts().unwrap()));
        seen.push(format!("{:?}", client.daily("act_123", range).unwrap()));
        seen.push(format!("{:?}", client.daily_of_ads(&[ad(5), ad(7)], range).unwrap()));
        seen.push(format!("{:?}", client.reach("act_123", &[range], None).unwrap()));
    });
    let asked = std::mem::take(&mut server.stage().seen);
    assert!(asked.len() > 10);
    for request in &asked {
        let is_about_the_token = request.parameters.contains_key("batch");
        assert!(is_about_the_token || !format!("{request:?}").contains(TOKEN), "{request:?}");
        assert!(!format!("{request:?}").contains(APP_SECRET), "{request:?}");
    }

    // Meta, and whatever stands between, repeats it.
    let row = format!(
        r#"{{"data":[{{"account_id":"123","ad_id":"9","date_start":"2026-03-01","date_stop":"2026-03-01","spend":"{TOKEN}"}}]}}"#
    );
    let page = format!("<html>GET /v26.0/act_123/insights?access_token={TOKEN}&app_secret={APP_SECRET}</html>");
    let circle =
        format!(r#"{{"data":[],"paging":{{"cursors":{{"after":"{TOKEN}"}},"next":"https://x/?access_token={TOKEN}"}}}}"#);
    let message = format!("Malformed access token {TOKEN} of app secret {APP_SECRET}");
    let codes = [4, 17, 32, 341, 368, 613, 80004, 100, 1, 2, 10, 200, 190, 102, 3018, 2635, 2642, 999];
    let refusals = codes.map(|code| What::Refuse(400, refusal(code, None, message.clone())));
    let said = [row, page, circle].map(|text| What::Say(200, text.leak()));
    for what in refusals.into_iter().chain(said) {
        let server = GraphServer::start(small());
        server.stage().faults.push(Fault { at: "act_123/insights", times: 100, what });
        let (answer, _) = with_client(&server, both(&server), |client| client.daily("act_123", range));
        shown(&answer.unwrap_err(), &mut seen);
    }
    // A report run repeats it, an ad, and the answer about the token itself.
    let server = GraphServer::start(small());
    {
        let stage = &mut server.stage();
        stage.world.limit = Some(Limit { cells: 1, status: 500, refusal: refusal(2, Some(1504038), message.clone()) });
        stage.runs.push_back(vec![Poll::Fails(refusal(190, Some(463), message.clone()))]);
        stage.runs.push_back(vec![Poll::Says(format!("Job {TOKEN}").leak(), 0)]);
        stage.faults.push(Fault {
            at: "GET 120226305854810721",
            times: 1,
            what: What::Refuse(400, refusal(200, None, message.clone())),
        });
        stage.debug_token = Some(serde_json::json!({ "error": { "message": message } }));
    }
    with_client(&server, both(&server), |client| {
        seen.push(format!("{:?}", client.token().unwrap()));
        shown(&client.daily("act_123", range).unwrap_err(), &mut seen);
        client.daily("act_123", range).unwrap();
        let answers = client.daily_of_ads(&[ad(1)], range).unwrap();
        let AdAnswer::Refused { error, .. } = &answers[0] else { panic!("{answers:?}") };
        shown(error, &mut seen);
    });
    // A token that is not accepted, nobody there, and one that is not even a word.
    let server = GraphServer::start(small());
    let mut refused = both(&server);
    refused.token = Secret::new(REFUSED, "$META_ACCESS_TOKEN").unwrap();
    seen.push(format!("{refused:?}"));
    let (answer, _) = with_client(&server, refused, |client| client.token());
    shown(&answer.unwrap_err(), &mut seen);
    let mut elsewhere = both(&server);
    elsewhere.base_url = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (answer, _) = with_client(&server, elsewhere, |client| client.daily("act_123", range));
    shown(&answer.unwrap_err(), &mut seen);
    shown(&Secret::new(&format!("{TOKEN} {REFUSED}"), "$META_ACCESS_TOKEN").unwrap_err(), &mut seen);

    LISTENING.store(false, Ordering::Relaxed);
    let logged = String::from_utf8_lossy(&LOGGED.lock().unwrap()).into_owned();
    assert!(logged.contains("asked Meta") && logged.contains("act_123/insights"), "the log is heard");
    assert!(seen.iter().any(|text| text.contains("Malformed access token [secret]")), "what Meta repeats is told without it");
    seen.push(logged);
    // Without the token its proof is of no use; it is not shown all the same.
    for secret in [TOKEN, APP_SECRET, REFUSED, &proof()] {
        // A part of it would do harm, too.
        for part in [secret, &secret[..24], &secret[secret.len() - 16..]] {
            for text in &seen {
                let place = text.find(part).map(|at| &text[at.saturating_sub(200)..(at + 60).min(text.len())]);
                assert_eq!(place, None, "{part}");
            }
        }
    }
}

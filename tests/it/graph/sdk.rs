//! Meta's own client for Python against the same server: what it understands shows that the server behaves as Meta does.
//!
//! The client is installed once, pinned with all that it needs, below the target folder; a lock lets one process at a time do so.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::figures::expected;
use super::server::{APP_SECRET, GraphServer, Poll, TOKEN};
use super::world::{ad, small};
use super::{ask, days};

const REQUIREMENTS: &str = include_str!("requirements.txt");

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {stderr}", command.get_program());
    String::from_utf8(output.stdout).expect("text")
}

/// The Python that has Meta's client.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("servers").join("facebook-business");
    let stamp = folder.join("installed");
    fs::create_dir_all(&folder).expect("a folder");
    let lock = File::create(folder.with_extension("lock")).expect("a lock");
    lock.lock().expect("the lock");
    let python = folder.join("venv/bin/python");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS) {
        return python;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("venv")));
    let list = folder.join("requirements.txt");
    fs::write(&list, REQUIREMENTS).expect("a list");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--no-deps", "-r"]).arg(&list));
    fs::write(&stamp, REQUIREMENTS).expect("a stamp");
    python
}

#[test]
fn metas_own_client_understands_the_server_as_ours_does() {
    let server = GraphServer::start(small());
    {
        let stage = &mut server.stage();
        stage.takes_token_in_address = true;
        stage.wants_proof = true;
        stage.debug_token = Some(json!({ "is_valid": true, "expires_at": 0 }));
        stage.runs.push_back(vec![
            Poll::Says("Job Not Started", 0),
            Poll::Says("Job Running", 40),
            Poll::Says("Job Completed", 100),
        ]);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/graph/sdk.py");
    let mut python = Command::new(python());
    python.arg(script).envs([("GRAPH", server.base_url().as_str()), ("TOKEN", TOKEN), ("APP_SECRET", APP_SECRET)]);
    let understood: Value = serde_json::from_str(&run(&mut python)).expect("JSON");

    // What it asked for in error is the only thing that was not in the specification.
    let violations = std::mem::take(&mut server.stage().violations);
    assert!(violations.iter().all(|violation| violation.contains("no_such_field")), "{violations:?}");
    {
        let stage = &mut server.stage();
        stage.takes_token_in_address = false;
        stage.wants_proof = false;
    }

    // The figures, as its rows and as the world has them.
    let millionths = |text: &str| ctwa::base::money::parse_money(text).unwrap();
    let whole = |value: &Value| value.as_str().unwrap().parse::<i64>().unwrap();
    let mut wanted = expected(&small(), &[1, 2, 3, 4], "2026-03-01", "2026-03-04");
    wanted.sort();
    for list in ["daily", "of_run"] {
        let mut figures: Vec<_> = understood[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                assert_eq!((&row["date_start"], &row["account_currency"]), (&row["date_stop"], &json!("BRL")));
                let started = row["actions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .find(|action| action["action_type"] == "onsite_conversion.messaging_conversation_started_7d");
                (
                    format!("act_{}", row["account_id"].as_str().unwrap()),
                    row["ad_id"].as_str().unwrap().to_string(),
                    row["date_start"].as_str().unwrap().to_string(),
                    millionths(row["spend"].as_str().unwrap()),
                    whole(&row["impressions"]),
                    whole(&row["reach"]),
                    whole(&row["clicks"]),
                    started.map_or(0, |action| whole(&action["value"])),
                )
            })
            .collect();
        figures.sort();
        assert_eq!(figures, wanted, "{list}");
    }
    assert_eq!(understood["statuses"], json!([["Job Not Started", 0], ["Job Running", 40], ["Job Completed", 100]]));
    assert_eq!(understood["of_ad"].as_array().unwrap().len(), 4);
    assert_eq!(understood["ad"]["effective_status"], "DELETED");
    assert_eq!(understood["ad"]["adset"]["name"], "ad set 80");
    assert_eq!(understood["permissions"][0]["permission"], "ads_read");
    assert_eq!(understood["debug_token"], json!([{ "data": { "is_valid": true, "expires_at": 0 } }]));
    assert_eq!(understood["foreign"], json!([400, 100, 33]));
    assert_eq!(understood["unknown_field"], json!([400, 100, null]));

    // The same, as our client understands it.
    let accounts = ask(&server, |client| client.ad_accounts()).unwrap();
    let of_account = |account: &ctwa::insights::wire::AdAccount| {
        json!([account.id, account.name, account.timezone_name, account.currency, account.status.0])
    };
    let theirs: Vec<Value> = understood["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| {
            json!([account["id"], account["name"], account["timezone_name"], account["currency"], account["account_status"]])
        })
        .collect();
    assert_eq!(accounts.iter().map(of_account).collect::<Vec<_>>(), theirs);
    assert_eq!(understood["account"]["timezone_name"], accounts[0].timezone_name.as_str());
    let ours =
        ask(&server, |client| client.reach("act_123", &[days("2026-03-01", "2026-03-07")], Some(&[ad(1), ad(2)]))).unwrap();
    let theirs = understood["reach"].as_array().unwrap();
    assert_eq!(theirs.len(), 2, "without a filter Meta leaves out what is deleted or archived");
    for (row, theirs) in ours.iter().zip(theirs) {
        assert_eq!(json!(row.ad), theirs["ad_id"]);
        assert_eq!((row.reach, row.impressions), (Some(whole(&theirs["reach"])), Some(whole(&theirs["impressions"]))));
        assert_eq!(json!(row.frequency), theirs["frequency"]);
    }
}

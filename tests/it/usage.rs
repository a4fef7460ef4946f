//! Mistakes of the person at the command line, and what ends a command early: each is told with its place and its mend, and
//! nothing is written.

use std::fs;
use std::process::{Command, Stdio};

use crate::lake;
use crate::scene::{DAYS, FAULTY, PIPELINE, Scene, date};

// ------------------------------------------------------------------------------------------------------- the command line

#[test]
fn days_that_have_not_landed_are_not_ready_and_the_others_are_built() {
    for args in [["run", "--through", "2026-03-09"].as_slice(), &["backfill", "--from", "2026-03-01", "--to", "2026-03-09"]] {
        let scene = Scene::new();
        let ran = scene.ctwa(args[0], &args[1..]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        for text in ["2026-03-09 has not landed", "2026-03-04", "run again when"] {
            assert!(ran.stderr.contains(text), "stderr lacks {text:?}\n{}", ran.stderr);
        }
        assert_eq!(scene.published().bot_days.len(), DAYS.len(), "{args:?}");
    }
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &["--through", DAYS[1]]).code, 0);
    assert_eq!(scene.published().bot_days.into_keys().collect::<Vec<_>>(), [DAYS[0], DAYS[1]].map(date));
    assert_eq!(scene.ctwa("backfill", &["--from", "2026-01-01", "--to", DAYS[0]]).code, 0, "days before the first are no error");
}

/// Nothing is like success that did nothing.
#[test]
fn days_of_no_lake_are_never_a_success() {
    let (ahead, before) = (["--from", "2026-06-01", "--to", "2026-06-30"], ["--from", "2025-06-01", "--to", "2025-06-30"]);
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &["--through", "2025-06-30"]).code, 2, "also where nothing is published");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    for command in ["verify", "backfill", "plan", "report", "sessions"] {
        for (days, code, says) in [(ahead, 3, "2026-03-04"), (before, 2, "2026-03-01")] {
            let ran = scene.ctwa(command, &days);
            let said = ran.stdout.clone() + &ran.stderr;
            assert_eq!(ran.code, code, "{command} {days:?}: {said}");
            assert!(said.contains(says) || command == "sessions", "{command} {days:?}: {said}");
        }
    }
    for (through, code) in [("2026-06-30", 3), ("2025-06-30", 2)] {
        assert_eq!(scene.ctwa("run", &["--through", through]).code, code, "{through}");
    }
    let ran = scene.ctwa("verify", &["--from", "2026-02-27", "--to", "2026-03-05"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("of 4 days checked"), "{ran:?}");
    assert!(ran.stdout.contains("not checked: 2026-02-27..2026-02-28, 2026-03-05: they are no days of the lake"), "{ran:?}");
}

/// The zone of all bots is UTC, so the last published day has landed whole.
#[test]
fn ranges_have_shortcuts() {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let report = |days: &[&str]| scene.ctwa("report", days);
    assert_eq!(report(&["--last", "3"]).stdout, report(&["--from", DAYS[1], "--to", DAYS[3]]).stdout);
    assert_eq!(report(&["--month", "2026-03"]).stdout, report(&["--from", "2026-03-01", "--to", "2026-03-31"]).stdout);
    for command in ["backfill", "verify", "plan", "sessions", "report"] {
        for days in [&["--last", "2"][..], &["--month", "2026-03"]] {
            let ran = scene.ctwa(command, days);
            assert!(ran.code == 0 || (command == "backfill" && ran.code == 3), "{command} {days:?}: {ran:?}");
        }
        let ran = scene.ctwa(command, &["--yesterday"]);
        assert_eq!(ran.code, 3, "yesterday has not landed: {command} {ran:?}");
    }
    let what_if = ["--bot", "shop", "--window-days", "7", "--last", "2"];
    assert_eq!(scene.ctwa("what-if", &what_if).code, 0);
    assert!(scene.ctwa("insights", &["--last", "2"]).stderr.contains("does not fetch from Meta"));
    let explained = scene.ctwa("explain", &["--contact", "nobody", "--last", "2"]);
    assert!(explained.stderr.contains("no click and no event of this contact"), "{explained:?}");
    let wrong: [(&[&str], &str); 9] = [
        (&[], "--last"),
        (&["--last", "3", "--month", "2026-03"], "cannot be used with"),
        (&["--last", "3", "--from", DAYS[0], "--to", DAYS[1]], "cannot be used with"),
        (&["--yesterday", "--to", DAYS[1]], "cannot be used with"),
        (&["--from", DAYS[0]], "--to"),
        (&["--to", DAYS[0]], "--from"),
        (&["--last", "0"], "0 is not in"),
        (&["--month", "2026-13"], "\"2026-13\" is not a month"),
        (&["--month", "March"], "YYYY-MM"),
    ];
    for (days, says) in wrong {
        for command in ["report", "verify", "backfill", "sessions"] {
            let ran = scene.ctwa(command, days);
            assert!(ran.code == 2 && ran.stderr.contains(says), "{command} {days:?}: {}", ran.stderr);
        }
    }
}

/// A last published day that waits for its last hours is not among the last days.
#[test]
fn the_last_days_have_landed_whole() {
    let scene = Scene::new();
    let text = fs::read_to_string(&scene.lake.pipeline).expect("the pipeline file is there");
    scene.pipeline(&text.replace("timezone = \"UTC\"", "timezone = \"America/Sao_Paulo\""));
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let shown = scene.ctwa("report", &["--last", "2"]).stdout;
    assert!(shown.starts_with("2026-03-02..2026-03-03,"), "{shown}");
}

#[test]
fn what_is_asked_for_is_named_with_what_stands_in_for_it() {
    let scene = Scene::new();
    let ran = scene.ctwa("explain", &[]);
    assert!(ran.code == 2 && ran.stderr.contains("--ad <ID>|--contact <ID>"), "{}", ran.stderr);
    let help = scene.ctwa("explain", &["--help"]).stdout;
    assert!(help.contains("Usage: ctwa explain") && help.contains("--ad <ID>|--contact <ID>"), "{help}");
    let ran = scene.ctwa("explain", &["--ad", "1"]);
    assert!(ran.code == 2 && ran.stderr.contains("--date"), "{}", ran.stderr);
    let ran = scene.ctwa("explain", &["--ad", "1", "--date", DAYS[0], "--last", "3"]);
    assert!(ran.code == 2 && ran.stderr.contains("--contact"), "{}", ran.stderr);
    let ran = scene.ctwa("what-if", &["--bot", "shop", "--last", "3"]);
    assert!(ran.code == 2 && ran.stderr.contains("--category <CATEGORY>|--window-days <N>"), "{}", ran.stderr);
}

#[test]
fn days_that_wait_for_a_partition_are_not_verified_in_silence() {
    let scene = Scene::new();
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    fs::remove_dir_all(scene.folder("events", FAULTY)).expect("it goes");
    let ran = scene.ctwa("verify", &["--from", FAULTY, "--to", FAULTY]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("not checked: 2026-03-03: events partition 2026-03-03 has not landed"), "{ran:?}");
}

/// A limit on the size of files is a full disk to whoever writes.
#[test]
fn a_full_disk_is_said_and_not_an_empty_lake() {
    let scene = Scene::new();
    let line = format!("trap '' XFSZ; ulimit -f 1; {} run pipeline.toml", env!("CARGO_BIN_EXE_ctwa"));
    let ran = Command::new("bash").args(["-c", &line]).current_dir(&scene.lake.dir).output().expect("bash starts");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(4), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(!said.contains("nothing to build"), "{said}");
    assert!(said.contains("no day was built: 0 partitions read") && said.contains("failed: unavailable error"), "{said}");
}

#[test]
fn quiet_commands_that_succeed_print_nothing_but_what_was_asked_for() {
    let scene = Scene::new();
    let range = ["--from", DAYS[0], "--to", DAYS[3], "--quiet"];
    let ran = scene.ctwa("run", &["--quiet"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    for command in ["backfill", "verify"] {
        let ran = scene.ctwa(command, &range);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{command}");
    }
    let ran = scene.ctwa("run", &["--quiet", "--json"]);
    assert!(ran.stdout.starts_with('{') && ran.stderr.is_empty(), "its result was asked for: {ran:?}");
    let ran = scene.ctwa("report", &range);
    assert!(ran.stdout.contains("conversions by conversion day") && !ran.stderr.contains("INFO"), "{ran:?}");
    let set = ["--bot", "loja", "--category", "purchase", "--quiet"];
    let ran = lake::ctwa(&scene.lake, &[&["conversion-event", "set", "pipeline.toml", "--unseen"], &set[..]].concat());
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    fs::write(scene.file("events", FAULTY), "no Parquet").expect("it is written");
    let ran = scene.ctwa("run", &["--quiet"]);
    assert_eq!(ran.code, 6);
    assert!(ran.stdout.contains("failed: data error") && ran.stderr.contains(FAULTY), "{ran:?}");
}

#[test]
fn mistakes_on_the_command_line_are_usage_errors() {
    let cases: [(&[&str], &[&str]); 9] = [
        (
            &["backfill", "pipeline.toml", "--from", "2026-03-04", "--to", "2026-03-01"],
            &["--from 2026-03-04 is after --to 2026-03-01", "swap them"],
        ),
        (
            &["backfill", "pipeline.toml", "--from", "yesterday", "--to", "2026-03-01"],
            &["\"yesterday\" is not a date", "--from", "YYYY-MM-DD"],
        ),
        (
            &["backfill", "pipeline.toml", "--from", "2026-02-30", "--to", "2026-03-01"],
            &["\"2026-02-30\" is not a date", "--from"],
        ),
        (&["run", "pipeline.toml", "--through", "2026-3-1"], &["\"2026-3-1\" is not a date", "--through", "YYYY-MM-DD"]),
        (&["run", "pipeline.toml", "--throug", "2026-03-01"], &["--throug", "--through"]),
        (&["backfill", "pipeline.toml", "--from", "2026-03-01"], &["--to"]),
        (&["rum", "pipeline.toml"], &["rum", "run"]),
        (&["run"], &["PIPELINE"]),
        (&["run", "nowhere.toml"], &["pipeline file cannot be read", "nowhere.toml", "give the path"]),
    ];
    let scene = Scene::new();
    for (args, says) in cases {
        let ran = lake::ctwa(&scene.lake, args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        for text in says {
            assert!(ran.stderr.contains(text), "{args:?}: stderr lacks {text:?}\n{}", ran.stderr);
        }
    }
    assert!(!scene.lake.output.exists(), "nothing is written");
}

#[test]
fn errors_are_json_lines_where_that_is_asked_for() {
    let scene = Scene::new();
    fs::remove_dir_all(scene.lake.dir.join("lake")).expect("it goes");
    let ran = scene.ctwa("run", &["--log-format", "json"]);
    assert_eq!(ran.code, 2);
    let lines: Vec<serde_json::Value> =
        ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let last = lines.last().expect("the error is told");
    assert_eq!((&last["level"], &last["kind"]), (&"ERROR".into(), &"usage".into()));
}

const REPORT: &[&str] = &["report", "pipeline.toml", "--from", "2026-03-01", "--to", "2026-03-04"];

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let scene = Scene::new();
    for args in
        [&["run", "pipeline.toml"][..], &["run", "pipeline.toml", "--json"], &["check", "pipeline.toml"], REPORT, &["--help"]]
    {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ctwa"))
            .args(args)
            .current_dir(&scene.lake.dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ctwa starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ctwa ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("Broken pipe"), "{args:?}: {stderr}");
    }
    assert_eq!(scene.published().bot_days.len(), DAYS.len());
}

#[test]
fn a_report_says_what_it_cannot_show() {
    let whole = ["--from", "2026-03-01", "--to", "2026-03-04"];
    type Case = (&'static [&'static str], i32, &'static [&'static str]);
    let cases: [Case; 6] = [
        (&["--bot", "shopp"], 2, &["names no bot \"shopp\"", "did you mean \"shop\"?"]),
        (&["--bot", "nope"], 2, &["names no bot \"nope\"", "its bots are \"loja\", \"shop\""]),
        (&["--bot", "shop-sales"], 2, &["\"shop-sales\" is a member of bot \"shop\""]),
        (&["--by", "conversion"], 2, &["conversion-day", "conversation-day"]),
        (&["--format", "xml"], 2, &["xml", "csv"]),
        (&["--out", "lake"], 2, &["the report cannot be written", "lake", "--out"]),
    ];
    let scene = Scene::new();
    let ran = scene.ctwa("report", &whole);
    assert_eq!(ran.code, 3, "nothing is published: {}", ran.stderr);
    assert!(ran.stderr.contains("no day of the range is published") && ran.stderr.contains("ctwa run"), "{}", ran.stderr);
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    let ran = scene.ctwa("report", &whole);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for (args, code, says) in cases {
        let ran = scene.ctwa("report", &[&whole[..], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{args:?}: {}", ran.stderr);
        for text in says {
            assert!(ran.stderr.contains(text), "{args:?}: stderr lacks {text:?}\n{}", ran.stderr);
        }
    }
    let object = scene.lake.output.join("ad_days/dt=2026-03-02/ad_days.parquet");
    fs::write(object, "no Parquet").expect("it is written");
    let ran = scene.ctwa("report", &whole);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stderr.contains("ad_days/dt=2026-03-02/ad_days.parquet"), "{}", ran.stderr);
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let scene = Scene::new();
    scene.edit("url = \"out\"", "url = \"occupied/out\"");
    fs::write(scene.lake.dir.join("occupied"), "a file").expect("it is written");
    for command in ["run", "check"] {
        let ran = scene.ctwa(command, &[]);
        let said = if command == "run" { &ran.stderr } else { &ran.stdout };
        assert_eq!(ran.code, 2, "{command}: {}{}", ran.stdout, ran.stderr);
        for text in ["occupied is a file", "a folder is needed", "[output] url"] {
            assert!(said.contains(text), "{command}: it does not say {text:?}\n{said}");
        }
    }
}

// ------------------------------------------------------------------------------------------------------ the pipeline file

/// A mistake in the pipeline file: the passage that is changed, what it becomes, the text at the start of whose line the error
/// must point (after `^`, where it needs what stands before it to be found; empty for the file as a whole), and what stderr
/// must say.
type Mistake = (&'static str, &'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const MISTAKES: &[Mistake] = &[
    // Not TOML.
    ("[lake]\n", "[lake\n", "[lake", &["is not TOML"]),
    ("url = \"lake\"", "url = \"lake", "url = \"lake", &["is not TOML"]),
    ("url = \"lake\"", "url = \"lake\"\nurl = \"lake\"", "url = \"lake\"\n^url", &["is not TOML", "duplicate"]),
    // Unknown keys, with the nearest valid one.
    ("timezone = \"UTC\"\nad_accounts", "time_zone = \"UTC\"\nad_accounts", "[[bots]]\nid = \"shop\"", &["`bots.timezone` is missing"]),
    ("members = [", "member = [", "member = [", &["unknown key `bots.member`", "did you mean `members`"]),
    ("[quality]\n", "[qualities]\n", "[qualities]", &["unknown key `qualities`", "did you mean `quality`"]),
    ("max_rejected_share", "max_reject_share", "max_reject_share", &["`quality.max_reject_share`", "did you mean `max_rejected_share`"]),
    ("[inputs.events]\n", "[inputs.event]\n", "[inputs.event]", &["unknown key `inputs.event`", "did you mean `events`"]),
    ("path = \"events\"", "folder = \"events\"", "folder =", &["unknown key `inputs.events.folder`", "path"]),
    ("effective_at = \"2026-02-01", "effective_from = \"2026-02-01", "[[bots.conversion_events]]\ncategory = \"purchase\"", &[
        "`bots.conversion_events.effective_at` is missing",
    ]),
    // Missing and mistyped.
    ("name = \"errors\"\n", "", "", &["`name` is missing", "add name ="]),
    ("[lake]\nurl = \"lake\"\n", "", "", &["section [lake] is missing"]),
    ("url = \"lake\"", "url = 7", "url = 7", &["`lake.url` is integer", "a text is needed"]),
    ("max_rejected_share = 0.5", "max_rejected_share = \"half\"", "max_rejected_share", &["a number is needed"]),
    ("max_rejected_share = 0.5", "max_rejected_share = 1.5", "max_rejected_share", &["max_rejected_share is 1.5", "from 0 to 1"]),
    ("path = \"events\"", "path = \"/\"", "path = \"/\"", &["`path` is blank", "name the folder"]),
    ("path = \"events\"", "path = \"events\"\nmarker = \"a/b\"", "marker", &["marker \"a/b\" is not a file name"]),
    ("path = \"events\"", "path = \"events\"\nallow_missing = [\"2026-02-30\"]", "allow_missing", &["\"2026-02-30\" is not a date"]),
    // Bots.
    ("id = \"shop\"", "id = \"  \"", "id = \"  \"", &["`bots.id` is blank"]),
    ("id = \"loja\"\ntimezone = \"UTC\"", "id = \"loja\"\ntimezone = \"America/Sao_Paolo\"", "America/Sao_Paolo", &[
        "America/Sao_Paolo",
        "America/Sao_Paulo",
    ]),
    ("id = \"loja\"", "id = \"shop\"", "[[bots]]\nid = \"shop\"\ntimezone", &["bot \"shop\" is listed twice", "keep one of them"]),
    ("[\"shop-sales\"]", "[\"shop-sales\", \"shop-sales\"]", "members", &["\"shop-sales\" is a member of \"shop\" already"]),
    ("id = \"loja\"\n", "id = \"loja\"\nmembers = [\"shop-sales\"]\n", "id = \"loja\"\n^members", &[
        "\"shop-sales\" is a member of \"shop\" already",
        "one bot only",
    ]),
    ("[\"shop-sales\"]", "[\"loja\"]", "members", &["\"loja\" is a bot of its own and a member of \"shop\"", "remove one of the two"]),
    ("[\"shop-sales\"]", "[\"shop\"]", "members", &["\"shop\" is a bot of its own and a member of \"shop\""]),
    ("[\"shop-sales\"]", "[\" \"]", "members", &["bot \"shop\" has a blank member"]),
    ("\"act_2\"]", "\"2\", \"act_2\"]", "ad_accounts", &["ad account act_2 is listed twice"]),
    ("\"act_2\"]", "\"shop\"]", "ad_accounts", &["\"shop\" is not an ad account", "act_<digits>"]),
    // Settings.
    ("2026-06-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01", &["not in order of effective_at", "write the oldest first"]),
    ("2026-06-01T00:00:00Z", "2026-01-31T21:00:00-03:00", "2026-01-31", &["two settings are effective at the same instant"]),
    ("2026-06-01T00:00:00Z", "2026-06-01T00:00:00", "2026-06-01", &["not a time with an offset", "2026-08-11T00:00:00Z"]),
    ("2026-06-01T00:00:00Z", "June", "June", &["\"June\" is not a time with an offset"]),
    ("category = \"delivery\"", "category = \"\"", "category = \"\"", &["`bots.conversion_events.category` is blank"]),
    // What this version does not have, or nobody should write.
    ("[quality]", "[attribution]\nwindow_days = 91\n[quality]", "window_days", &["window_days is 91", "from 1 to 90"]),
    ("[quality]", "[attribution]\nwindow_days = 0\n[quality]", "window_days", &["window_days is 0", "from 1 to 90"]),
    ("[quality]", "[engine]\nkind = \"spark\"\n[quality]", "kind", &["engine \"spark\" is not in this build", "write kind = \"embedded\""]),
    ("[quality]", "[engine]\nkind = \"embeded\"\n[quality]", "kind", &["engine \"embeded\" is not known", "did you mean \"embedded\""]),
    ("[quality]", "[engine]\nkind = \"sparc\"\n[quality]", "kind", &["engine \"sparc\" is not known", "did you mean \"spark\""]),
    ("[quality]", "[engine]\nkinds = \"embedded\"\n[quality]", "kinds", &["unknown key `engine.kinds`", "did you mean `kind`"]),
    ("[quality]", "[engine]\nkind = 1\n[quality]", "kind", &["`engine.kind` is integer", "a text is needed"]),
    ("source = \"landed\"", "source = \"marketing-api\"\napi_version = \"v24.0\"", "api_version", &["v24.0 is too old"]),
    ("source = \"landed\"", "source = \"csv\"", "source", &["insights source \"csv\" is not known", "source = \"landed\"", "source = \"marketing-api\""]),
    ("url = \"lake\"", "url = \"ftp://lake\"", "url = \"ftp", &["ftp://", "not known", "s3://bucket/prefix"]),
    ("url = \"lake\"", "url = \"s3://key:hunter2@acme-lake/x\"", "url = \"s3", &["user name or a password", "environment"]),
    ("url = \"lake\"", "url = \"az://lake/x?sig=hunter2\"", "url = \"az", &["parameters", "environment"]),
    ("url = \"lake\"", "url = \"lake\"\nsecret_access_key = \"hunter2\"", "secret_access_key", &["`lake.secret_access_key`", "environment"]),
    ("url = \"out\"", "url = \"lake/messages/ctwa\"", "url = \"lake/messages/ctwa\"", &["inside the folder of messages", "[output]"]),
    ("url = \"out\"", "url = \"lake/insights\"", "url = \"lake/insights\"", &["inside the folder of insights", "[output]"]),
    // Mappings.
    ("path = \"events\"", "path = \"events\"\n[inputs.events.columns]\ncategori = \"c\"", "categori", &[
        "unknown key `inputs.events.columns.categori`",
        "did you mean `category`",
    ]),
    ("path = \"events\"", "path = \"events\"\n[inputs.events.columns]\ncategory = []", "columns", &["`category` is an empty list"]),
    ("path = \"events\"", "path = \"events\"\n[inputs.events.columns]\noccurred_at = { column = \"t\", unit = \"min\" }", "unit", &[
        "unit \"min\" is not known",
        "\"ms\"",
    ]),
    ("path = \"events\"", "path = \"events\"\n[inputs.events.columns]\ncategory = { column = \"c\", unit = \"s\" }", "unit", &[
        "`unit` is for times, category is a text",
    ]),
    ("path = \"events\"", "path = \"events\"\n[inputs.events.columns]\ncategory = { key = \"c\" }", "key", &["column` is missing"]),
    ("path = \"messages\"", "path = \"messages\"\n[inputs.messages.columns]\ndirection = { column = \"d\", values = { in = [\"x\"] } }", "values", &[
        "in`",
        "received",
    ]),
];

#[test]
fn mistakes_in_the_pipeline_file_name_the_place_and_the_mend() {
    let scene = Scene::new();
    let mut wrong = Vec::new();
    for (from, to, on_line, says) in MISTAKES {
        assert_eq!(PIPELINE.matches(from).count(), 1, "{from:?} stands once");
        let text = PIPELINE.replace(from, to);
        scene.pipeline(&text);
        let (context, on_line) = on_line.split_once('^').unwrap_or(("", on_line));
        let at = text.find(&format!("{context}{on_line}")).unwrap_or_else(|| panic!("{on_line:?} stands in the file"));
        let line = text[..at + context.len()].matches('\n').count() + 1;
        let place = if on_line.is_empty() { "at pipeline.toml".to_owned() } else { format!("at pipeline.toml:{line}:") };
        let ran = scene.ctwa("run", &[]);
        let unsaid: Vec<&str> = says.iter().copied().chain([place.as_str()]).filter(|text| !ran.stderr.contains(text)).collect();
        if ran.code != 2 || !unsaid.is_empty() || !ran.stdout.is_empty() {
            wrong.push(format!("== {to:?}: exit {}, stderr lacks {unsaid:?}\n{}{}", ran.code, ran.stdout, ran.stderr));
        }
        assert!(!ran.stderr.contains("hunter2"), "a secret is printed");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!scene.lake.output.exists(), "nothing is written");
}

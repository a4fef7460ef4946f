//! What a person at a terminal gets, and a pipe does not: width, locale, colours, progress. And what a shell is told.
//!
//! `script` of util-linux gives the binary a terminal.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::StringArray;

use crate::lake::{self, Lake, Ran};
use crate::remote::Job;
use crate::scene::{DAYS, FAULTY, Scene};

/// Runs the binary at a terminal of so many columns. Its output and its log lines come together.
fn at_terminal(scene: &Scene, columns: u16, variables: &[(&str, &str)], args: &[&str]) -> String {
    in_folder_at_terminal(&scene.lake.dir, columns, variables, args)
}

fn in_folder_at_terminal(folder: &Path, columns: u16, variables: &[(&str, &str)], args: &[&str]) -> String {
    let quoted: Vec<String> = [env!("CARGO_BIN_EXE_ctwa")].iter().chain(args).map(|arg| format!("'{arg}'")).collect();
    let line = format!("stty rows 50 cols {columns}; {}", quoted.join(" "));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]).current_dir(folder);
    for name in ["LC_ALL", "LC_NUMERIC", "LANG", "NO_COLOR", "COLUMNS"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").envs(variables.iter().copied()).stdin(Stdio::null());
    let output = command.output().expect("script of util-linux starts");
    let text = String::from_utf8(output.stdout).expect("text").replace("\r\n", "\n");
    assert!(output.status.success(), "{args:?}: {text}");
    text
}

const REPORT: &[&str] = &["report", "pipeline.toml", "--from", "2026-03-01", "--to", "2026-03-03"];

/// Three days, with a title that would steer the terminal, and a large amount of money.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.land_texts("messages", "ad_title", |_, title| title.map(|_| "\u{1b}[2Jx\u{202e}y\u{7}".to_owned()));
    // The latest title is shown.
    for table in ["messages", "events"] {
        fs::remove_dir_all(scene.folder(table, DAYS[3])).expect("it goes");
    }
    scene.land_with("insights", "spend", Arc::new(StringArray::from(vec![Some("1234567.5"), Some("10.5")])));
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    scene
}

fn bare(text: &str) -> String {
    ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"].iter().fold(text.to_owned(), |text, code| text.replace(code, ""))
}

#[test]
fn numbers_are_written_as_the_locale_does_on_a_terminal_alone() {
    let scene = scene();
    let plain = scene.ctwa("report", &REPORT[2..]).stdout;
    assert!(plain.contains("1234588.50"), "{plain}");
    for (variables, money) in [
        (&[][..], "1234588.50"),
        (&[("LANG", "pt_BR.UTF-8")], "1.234.588,50"),
        (&[("LANG", "pt_BR.UTF-8"), ("LC_NUMERIC", "en_US.UTF-8")], "1,234,588.50"),
        (&[("LC_ALL", "C"), ("LC_NUMERIC", "en_US.UTF-8")], "1234588.50"),
    ] {
        let text = at_terminal(&scene, 120, variables, REPORT);
        assert!(text.contains(money), "{variables:?} {money}\n{text}");
        let piped = Command::new(env!("CARGO_BIN_EXE_ctwa"))
            .args(REPORT)
            .current_dir(&scene.lake.dir)
            .envs(variables.iter().copied())
            .output()
            .expect("ctwa starts");
        assert_eq!(String::from_utf8_lossy(&piped.stdout), plain, "{variables:?}");
        let csv = at_terminal(&scene, 120, variables, &[REPORT, &["--format", "csv"]].concat());
        assert!(csv.contains("1234588.500000"), "{csv}");
    }
}

#[test]
fn tables_fit_the_terminal_and_titles_do_not_steer_it() {
    let scene = scene();
    for columns in [60, 80, 160] {
        let text = bare(&at_terminal(&scene, columns, &[], &[REPORT, &["--quiet"]].concat()));
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        assert!(text.contains("�[2Jx�y�"), "the title stays longest at {columns}\n{text}");
    }
}

/// The sample, with ids of 18 digits, two bots and two currencies, after a run.
fn sample() -> Job {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data/contract");
    let job = Job::new("sample", folder.to_str().expect("a path in text"), "out");
    let lake = lake_of(&job);
    assert_eq!(lake::ctwa(&lake, &["run", "pipeline.toml", "--quiet"]).code, 0);
    job
}

fn lake_of(job: &Job) -> Lake {
    let dir = job.folder.path().to_owned();
    Lake { pipeline: dir.join("pipeline.toml"), output: dir.join("out"), dir }
}

const RANGE: [&str; 4] = ["--from", "2026-10-05", "--to", "2026-11-02"];

#[test]
fn every_table_fits_from_60_columns_on() {
    let job = sample();
    let bot = ["--bot", "shop-br@msging.net", "--category", "purchase"];
    let tables: [(&str, &[&str]); 8] = [
        ("report", &RANGE),
        ("report", &[&RANGE[..], &["--grain", "day", "--all-ads", "--by", "conversation-day"]].concat()),
        ("report", &[&RANGE[..], &["--reconcile"]].concat()),
        ("sessions", &RANGE),
        ("sessions", &[&RANGE[..], &["--full-contacts"]].concat()),
        ("what-if", &[&RANGE[..], &bot].concat()),
        ("conversion-event list", &[]),
        ("conversion-event categories", &[]),
    ];
    for (command, more) in tables {
        for columns in [60, 80, 120] {
            let args: Vec<&str> = command.split(' ').chain(["pipeline.toml"]).chain(more.iter().copied()).collect();
            let text = bare(&in_folder_at_terminal(job.folder.path(), columns, &[("TERM", "dumb")], &args));
            let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            let table: String = text.lines().filter(|line| !line.contains(" WARN")).map(|line| format!("{line}\n")).collect();
            assert!(widest(&table) <= usize::from(columns), "{args:?} {columns}: {}\n{text}", widest(&table));
            if command == "report" && !more.contains(&"--grain") {
                assert!(text.contains("120226305854810726") && text.contains("title"), "{columns}\n{text}");
            }
        }
    }
}

#[test]
fn a_terminal_gets_costs_in_two_decimals_and_rates_in_per_cent_and_a_file_all_digits() {
    let job = sample();
    let args = [&["report", "pipeline.toml"], &RANGE[..], &["--quiet"]].concat();
    let shown = bare(&in_folder_at_terminal(job.folder.path(), 200, &[("LANG", "pt_BR.UTF-8")], &args));
    let plain = lake::ctwa(&lake_of(&job), &args).stdout;
    assert!(shown.contains("%") && !plain.contains('%'), "{shown}\n{plain}");
    let decimals = |text: &str, point: char| {
        let numbers = text.split_whitespace().filter_map(|word| word.split_once(point));
        let numbers = numbers.filter(|(whole, rest)| !whole.is_empty() && rest.chars().all(|digit| digit.is_ascii_digit()));
        numbers.map(|(_, rest)| rest.len()).max()
    };
    assert_eq!((decimals(&shown, ','), decimals(&plain, '.')), (Some(2), Some(6)), "{shown}\n{plain}");
    in_folder_at_terminal(job.folder.path(), 200, &[], &[&args[..], &["--out", "table.txt"]].concat());
    assert_eq!(fs::read_to_string(job.folder.path().join("table.txt")).expect("it is written"), plain);
}

/// A line of the shell, at a terminal of so many columns.
fn line_at_terminal(folder: &Path, columns: u16, line: &str) -> String {
    let line = line.replace("ctwa", env!("CARGO_BIN_EXE_ctwa"));
    let mut command = Command::new("script");
    let line = format!("stty rows 50 cols {columns}; {line}");
    command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]).current_dir(folder);
    let output = command.env_remove("COLUMNS").stdin(Stdio::null()).output().expect("script of util-linux starts");
    String::from_utf8(output.stdout).expect("text").replace("\r\n", "\n")
}

#[test]
fn a_pager_gets_the_width_of_its_terminal_and_columns_say_another() {
    let job = sample();
    let folder = job.folder.path();
    let report = format!("ctwa report pipeline.toml {} --quiet", RANGE.join(" "));
    let rule = |text: &str| bare(text).lines().find(|line| line.starts_with('─')).map_or(0, |line| line.chars().count());
    let wide = rule(&line_at_terminal(folder, 200, &format!("{report} | cat")));
    let narrow = rule(&line_at_terminal(folder, 64, &format!("{report} | cat")));
    assert!(wide > 120 && narrow > 0 && narrow <= 64, "{wide} {narrow}");
    line_at_terminal(folder, 64, &format!("{report} > file"));
    let file = rule(&fs::read_to_string(folder.join("file")).expect("it is written"));
    assert!(file > 64 && file <= 120, "a file is read elsewhere: {file}");
    let asked = rule(&line_at_terminal(folder, 200, &format!("COLUMNS=70 {report}")));
    assert!(asked > 0 && asked <= 70, "{asked}");
    let bad = rule(&line_at_terminal(folder, 200, &format!("COLUMNS=wide {report}")));
    assert!(bad > 120, "{bad}");
}

#[test]
fn formats_go_by_the_ending_and_a_dash_is_stdout() {
    let scene = scene();
    let range = &REPORT[2..];
    for (command, more) in [("report", &[][..]), ("sessions", &[]), ("what-if", &["--bot", "shop", "--window-days", "7"])] {
        let write = |out: &str| scene.ctwa(command, &[range, more, &["--out", out]].concat());
        for (out, begins) in [("a.csv", ""), ("a.JSON", "["), ("a.parquet", "PAR1"), ("a.pq", "PAR1"), ("b", ""), ("a.txt", "")] {
            assert_eq!(write(out).code, 0, "{command} {out}");
            let bytes = fs::read(scene.lake.dir.join(out)).expect("it is written");
            assert!(bytes.starts_with(begins.as_bytes()), "{command} {out}");
            let first = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
            assert_eq!(first.contains("ad_id,"), out == "a.csv", "{command} {out}: {first}");
        }
        let dash = write("-");
        assert_eq!(dash.stdout, scene.ctwa(command, &[range, more].concat()).stdout, "{command}");
        assert!(!scene.lake.dir.join("-").exists(), "{command}");
        let unknown = write("a.docx");
        assert!(unknown.code == 2 && unknown.stderr.contains("\"docx\"") && unknown.stderr.contains("csv"), "{unknown:?}");
        assert_eq!(scene.ctwa(command, &[range, more, &["--out", "c.docx", "--format", "csv"]].concat()).code, 0);
    }
    assert_eq!(scene.ctwa("report", &[range, &["--out", "page.html"]].concat()).code, 0);
    assert!(fs::read_to_string(scene.lake.dir.join("page.html")).expect("it is written").starts_with("<!"), "a page");
    assert_eq!(scene.ctwa("sessions", &[range, &["--out", "page.html"]].concat()).code, 2);
}

#[test]
fn a_limit_leaves_out_rows_and_says_how_many() {
    let scene = scene();
    let all = scene.ctwa("report", &REPORT[2..]).stdout;
    let few = scene.ctwa("report", &[&REPORT[2..], &["--limit", "1"]].concat()).stdout;
    let totals = |text: &str| text.lines().filter(|line| line.starts_with("total")).map(str::to_owned).collect::<Vec<_>>();
    let ads = |text: &str| text.lines().filter(|line| line.starts_with("A ") || line.starts_with("B ")).count();
    assert_eq!(totals(&few), totals(&all), "totals are those of all rows");
    assert!(ads(&few) < ads(&all) && few.contains("left out"), "{few}\n{all}");
    for command in ["report", "sessions"] {
        let csv = |more: &[&str]| scene.ctwa(command, &[&REPORT[2..], &["--format", "csv"], more].concat());
        let (whole, cut) = (csv(&[]), csv(&["--limit", "1"]));
        assert_eq!(cut.stdout.lines().count(), 2, "{command}");
        assert!(cut.stderr.contains(&format!("{} more row", whole.stdout.lines().count() - 2)), "{command}: {}", cut.stderr);
        assert!(!whole.stderr.contains("left out"), "{command}: {}", whole.stderr);
    }
    assert_eq!(scene.ctwa("report", &[&REPORT[2..], &["--format", "html", "--limit", "1", "--out", "p.html"]].concat()).code, 2);
}

#[test]
fn a_terminal_is_not_flooded() {
    let job = sample();
    let args = [&["sessions", "pipeline.toml"], &RANGE[..]].concat();
    let ads = |text: &str| text.matches(" 1202").count() + text.matches(" 1784").count() + text.matches(" 1201").count();
    let piped = lake::ctwa(&lake_of(&job), &args).stdout;
    let shown = in_folder_at_terminal(job.folder.path(), 200, &[("TERM", "dumb")], &args);
    assert!(ads(&piped) > 300 && !piped.contains("left out"), "a pipe has them all");
    assert!(ads(&shown) <= 200 && shown.contains("more rows are left out: --limit N shows N"), "{shown}");
    let asked = in_folder_at_terminal(job.folder.path(), 200, &[("TERM", "dumb")], &[&args[..], &["--limit", "9999"]].concat());
    assert_eq!(ads(&asked), ads(&piped));
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let scene = scene();
    let args = [REPORT, &["--quiet"]].concat();
    let text = at_terminal(&scene, 120, &[], &args);
    assert!(text.contains("\u{1b}[1m"), "{text:?}");
    for variables in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = at_terminal(&scene, 120, &[variables], &args);
        assert_eq!(plain, bare(&text), "{variables:?}");
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
    }
    assert!(at_terminal(&scene, 120, &[("NO_COLOR", "")], &args).contains("\u{1b}[1m"), "an empty one says nothing");
    assert!(!scene.ctwa("report", &args[2..]).stdout.contains('\u{1b}'));
}

#[test]
fn progress_is_shown_at_a_terminal_alone() {
    let bars = ["messages  [", "events    [", "building  ["];
    let text = at_terminal(&Scene::new(), 160, &[], &["run", "pipeline.toml"]);
    for bar in bars {
        assert!(text.contains(bar), "{bar:?}\n{text:?}");
    }
    for says in ["4 of 4 partitions", "12 rows", "KiB of", "left", "4 of 4 days", "4 days built"] {
        assert!(text.contains(says), "{says:?}\n{text:?}");
    }
    for (term, args) in [("xterm", &["--log-format", "json"][..]), ("xterm", &["--quiet"]), ("dumb", &[])] {
        let text = at_terminal(&Scene::new(), 160, &[("TERM", term)], &[&["run", "pipeline.toml"], args].concat());
        assert!(
            !bars.iter().any(|bar| text.contains(bar)) && text.contains("4 days built") != args.contains(&"--quiet"),
            "{args:?}\n{text:?}"
        );
        for line in text.lines().filter(|line| line.starts_with('{')) {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
    }
    let ran = Scene::new().ctwa("run", &[]);
    assert!(!bars.iter().any(|bar| ran.stderr.contains(bar) || ran.stdout.contains(bar)), "{}", ran.stderr);
}

/// A store that never answers: a listener that nobody accepts from.
#[test]
fn what_takes_more_than_a_second_is_said() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("it has an address"));
    let scene = Scene::new();
    scene.edit("url = \"lake\"", "url = \"s3://lake/shop\"");
    let variables =
        format!("AWS_ENDPOINT_URL={endpoint} AWS_ALLOW_HTTP=true AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_REGION=r");
    for command in ["run pipeline.toml", "verify pipeline.toml --from 2026-03-01 --to 2026-03-03"] {
        let line = format!("env {variables} TERM=xterm timeout --signal KILL 4 ctwa {command}");
        let text = line_at_terminal(scene.lake.dir.as_path(), 100, &line);
        assert!(text.contains("looking at the lake, 1 s") && text.contains("looking at the lake, 2 s"), "{command}: {text:?}");
    }
    let line = format!("env {variables} TERM=xterm timeout --signal KILL 3 ctwa run pipeline.toml --quiet");
    let text = line_at_terminal(scene.lake.dir.as_path(), 100, &line);
    assert!(!text.contains("looking at"), "{text:?}");
}

#[test]
fn verifying_shows_how_far_it_is() {
    let scene = scene();
    let text = at_terminal(&scene, 160, &[], &["verify", "pipeline.toml", "--from", "2026-03-01", "--to", "2026-03-03"]);
    for bar in ["messages  [", "events    [", "comparing ["] {
        assert!(text.contains(bar), "{bar:?}\n{text:?}");
    }
}

#[test]
fn the_summary_counts_in_plain_english_and_names_failures() {
    let scene = Scene::new();
    let ran = scene.ctwa("run", &["--through", DAYS[0]]);
    assert!(ran.stdout.contains("1 day built") && !ran.stdout.contains("(1 rows)"), "{}", ran.stdout);
    fs::write(scene.file("events", FAULTY), "no Parquet").expect("it is written");
    let ran = scene.ctwa("run", &[]);
    assert_eq!(ran.code, 6);
    let failed: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("failed: data error: ")).collect();
    assert!(failed.len() == 1 && failed[0].contains(FAULTY), "{}", ran.stdout);
}

// ------------------------------------------------------------------------------------------------------- shells and pages

fn ctwa(args: &[&str]) -> Ran {
    let scene = Scene::new();
    lake::ctwa(&scene.lake, args)
}

/// What bash offers after a line, in a folder.
fn offered(folder: &Path, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let script = ctwa(&["completions", "bash"]).stdout;
    let ask = format!(
        "{script}\nCOMP_WORDS=({}); COMP_CWORD={}; \
         _clap_complete_ctwa ctwa \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1
    );
    let bin = Path::new(env!("CARGO_BIN_EXE_ctwa")).parent().expect("a folder");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let bash = Command::new("bash").args(["--norc", "-c", &ask]).env("PATH", path).current_dir(folder).output();
    let output = bash.expect("bash starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_flags() {
    let scene = Scene::new();
    let offers = |line: &str| offered(&scene.lake.dir, line);
    let commands = offers("ctwa ");
    for command in COMMANDS {
        assert!(commands.iter().any(|offer| offer == command), "{command}: {commands:?}");
    }
    assert_eq!(offers("ctwa back"), ["backfill"]);
    let flags = offers("ctwa report --f");
    assert_eq!(flags, ["--from", "--format"]);
    let formats = offers("ctwa report --format ");
    assert!(formats.contains(&"csv".to_owned()) && formats.contains(&"html".to_owned()), "{formats:?}");
    assert!(offers("ctwa conversion-event set --eff").contains(&"--effective-at".to_owned()));
    assert!(offers("ctwa run pipe").contains(&"pipeline.toml".to_owned()));
}

#[test]
fn bash_completes_the_bots_and_ads_of_the_pipeline_on_the_line() {
    let scene = Scene::new();
    // An ad's id is a stranger's text, and would be a command to the shell.
    scene.land_texts(
        "messages",
        "ad_id",
        |row, ad| if row == 0 { Some("$(touch pwned)".to_owned()) } else { ad.map(str::to_owned) },
    );
    let offers = |line: &str| offered(&scene.lake.dir, line);
    assert_eq!(offers("ctwa report pipeline.toml --bot "), ["loja", "shop"]);
    assert_eq!(offers("ctwa sessions pipeline.toml --last 3 --bot sh"), ["shop"]);
    assert_eq!(offers("ctwa conversion-event set pipeline.toml --bot l"), ["loja"]);
    assert_eq!(offers("ctwa explain pipeline.toml --ad "), [""; 0], "nothing is published");
    assert_eq!(scene.ctwa("run", &[]).code, 0);
    assert_eq!(offers("ctwa explain pipeline.toml --ad "), ["A", "B"]);
    assert_eq!(offers("ctwa report pipeline.toml --ad B"), ["B"]);
    assert_eq!(offers("ctwa report --ad "), [""; 0], "no pipeline is named");
    assert_eq!(offers("ctwa report nowhere.toml --bot "), [""; 0]);
}

const COMMANDS: [&str; 10] =
    ["init", "run", "backfill", "plan", "verify", "report", "check", "conversion-event", "completions", "man"];

#[test]
fn every_shell_has_completions() {
    for (shell, registers) in [
        ("bash", "-F _clap_complete_ctwa ctwa"),
        ("zsh", "#compdef ctwa"),
        ("fish", "complete --keep-order --exclusive --command ctwa"),
        ("powershell", "Register-ArgumentCompleter -Native -CommandName ctwa"),
        ("elvish", "edit:completion:arg-completer[ctwa]"),
    ] {
        let ran = ctwa(&["completions", shell]);
        assert!(ran.code == 0 && ran.stdout.contains(registers), "{shell}: {}", ran.stdout);
        assert!(ran.stdout.contains("CTWA_COMPLETE"), "{shell}: {}", ran.stdout);
    }
    assert_eq!(ctwa(&["completions", "tcsh"]).code, 2);
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let page = ctwa(&["man"]).stdout;
    assert!(page.contains(".TH ctwa 1") && page.contains("Exit codes"), "{page}");
    for says in [".SH ENVIRONMENT", "NO_COLOR", ".SH FILES", "state/", ".SH \"PIPELINE FILE\"", "max_rejected_share"] {
        assert!(page.contains(says), "{says}\n{page}");
    }
    let scene = Scene::new();
    let folder = scene.lake.dir.join("man1");
    assert_eq!(lake::ctwa(&scene.lake, &["man", "--out", "man1"]).code, 2, "the folder does not exist");
    fs::create_dir(&folder).expect("it is made");
    assert_eq!(lake::ctwa(&scene.lake, &["man", "--out", "man1"]).code, 0);
    for command in COMMANDS {
        let page =
            fs::read_to_string(folder.join(format!("ctwa-{command}.1"))).unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(page.contains(".SH SYNOPSIS") && page.contains("SEE ALSO"), "{command}");
    }
}

#[test]
fn help_shows_examples() {
    let nested = ["list", "categories", "set"].map(|command| vec!["conversion-event", command, "--help"]);
    let commands = COMMANDS.iter().filter(|command| **command != "conversion-event").map(|command| vec![*command, "--help"]);
    for args in commands.chain(nested) {
        let ran = ctwa(&args);
        let example = format!("  ctwa {}", args[..args.len() - 1].join(" "));
        let shown = ran.stdout.split("Examples:\n").nth(1).is_some_and(|shown| shown.starts_with(&example));
        assert!(ran.code == 0 && shown, "{args:?}: {}", ran.stdout);
    }
}

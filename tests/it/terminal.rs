//! What a person at a terminal gets, and a pipe does not: width, locale, colours, progress. And what a shell is told.
//!
//! `script` of util-linux gives the binary a terminal.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::StringArray;

use crate::lake::{self, Ran};
use crate::scene::{DAYS, FAULTY, Scene};

/// Runs the binary at a terminal of so many columns. Its output and its log lines come together.
fn at_terminal(scene: &Scene, columns: u16, variables: &[(&str, &str)], args: &[&str]) -> String {
    let quoted: Vec<String> = [env!("CARGO_BIN_EXE_ctwa")].iter().chain(args).map(|arg| format!("'{arg}'")).collect();
    let line = format!("stty rows 50 cols {columns}; {}", quoted.join(" "));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]).current_dir(&scene.lake.dir);
    for name in ["LC_ALL", "LC_NUMERIC", "LANG", "NO_COLOR"] {
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
    for columns in [72, 100, 160] {
        let text = bare(&at_terminal(&scene, columns, &[], &[REPORT, &["--quiet"]].concat()));
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        let table = text.lines().filter(|line| !line.starts_with("no room"));
        let widest = table.map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= usize::from(columns), "{columns}: {widest}\n{text}");
    }
    let shown = bare(&at_terminal(&scene, 160, &[], &[REPORT, &["--quiet"]].concat()));
    assert!(shown.contains("�[2Jx�y�"), "{shown}");
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
        assert!(!bars.iter().any(|bar| text.contains(bar)) && text.contains("4 days built"), "{args:?}\n{text:?}");
        for line in text.lines().filter(|line| line.starts_with('{')) {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
    }
    let ran = Scene::new().ctwa("run", &[]);
    assert!(!bars.iter().any(|bar| ran.stderr.contains(bar) || ran.stdout.contains(bar)), "{}", ran.stderr);
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

/// What bash offers after a line.
fn offered(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let script = ctwa(&["completions", "bash"]).stdout;
    let ask = format!(
        "{script}\nCOMP_WORDS=({}); COMP_CWORD={}; _ctwa ctwa \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1
    );
    let output = Command::new("bash").args(["--norc", "-c", &ask]).output().expect("bash starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_flags() {
    let commands = offered("ctwa ");
    for command in COMMANDS {
        assert!(commands.iter().any(|offer| offer == command), "{command}: {commands:?}");
    }
    assert_eq!(offered("ctwa back"), ["backfill"]);
    let flags = offered("ctwa report --f");
    assert_eq!(flags, ["--from", "--format"]);
    let formats = offered("ctwa report --format ");
    assert!(formats.contains(&"csv".to_owned()) && formats.contains(&"html".to_owned()), "{formats:?}");
    assert!(offered("ctwa conversion-event set --eff").contains(&"--effective-at".to_owned()));
}

const COMMANDS: [&str; 10] =
    ["init", "run", "backfill", "plan", "verify", "report", "check", "conversion-event", "completions", "man"];

#[test]
fn every_shell_has_completions() {
    for (shell, begins) in [
        ("bash", "_ctwa()"),
        ("zsh", "#compdef ctwa"),
        ("fish", "# Print an optspec"),
        ("powershell", "\nusing namespace System"),
    ] {
        let ran = ctwa(&["completions", shell]);
        assert!(ran.code == 0 && ran.stdout.starts_with(begins), "{shell}: {}", ran.stdout);
        for command in COMMANDS {
            assert!(ran.stdout.contains(command), "{shell} lacks {command}");
        }
    }
    assert_eq!(ctwa(&["completions", "tcsh"]).code, 2);
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let page = ctwa(&["man"]).stdout;
    assert!(page.contains(".TH ctwa 1") && page.contains("Exit codes"), "{page}");
    let scene = Scene::new();
    let folder = scene.lake.dir.join("man1");
    assert_eq!(lake::ctwa(&scene.lake, &["man", "--out", "man1"]).code, 2, "the folder does not exist");
    fs::create_dir(&folder).expect("it is made");
    assert_eq!(lake::ctwa(&scene.lake, &["man", "--out", "man1"]).code, 0);
    for command in COMMANDS {
        let page =
            fs::read_to_string(folder.join(format!("ctwa-{command}.1"))).unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
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
